//! What binding a statement gives: plans that need nothing more, and those with relations that are still to be decorrelated,
//! optimized and lowered.

use std::collections::BTreeSet;

use crate::ast;
use crate::catalog::{Change, Item, SequenceState};
use crate::error::Error;
use crate::hir::{Expr, Query, Rel};
use crate::mir::CollectionId;
use crate::plan::{CopyFormat, OutputColumn, Plan, Shape};
use crate::scalar::ScalarExpr;

#[derive(Debug)]
pub enum Bound {
    Query(Query),
    Subscribe(Subscribe),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    CopyTo {
        source: CopySource,
        format: CopyFormat,
    },
    Change(Ddl),
    Explain {
        stage: Option<ast::Stage>,
        of: Explained,
    },
    Declare {
        declare: Box<ast::Declare>,
        body: Cursor,
    },
    /// Nothing is left to compile.
    Plan(Plan),
}

#[derive(Debug)]
pub struct Subscribe {
    /// The relation's rows in any order.
    pub query: Query,
    /// The columns of the catalog that it names.
    pub reads: BTreeSet<(CollectionId, usize)>,
    pub snapshot: bool,
    pub progress: bool,
    pub as_of: Option<ScalarExpr>,
    pub up_to: Option<ScalarExpr>,
    pub shape: Shape,
    pub limit: Option<ScalarExpr>,
}

#[derive(Debug)]
pub enum CopySource {
    Query(Query),
    Subscribe(Subscribe),
    Statement(Box<Bound>),
}

#[derive(Debug)]
pub enum Cursor {
    Query(Query),
    Subscribe(Subscribe),
}

#[derive(Debug)]
pub struct Insert {
    pub table: CollectionId,
    /// All the table's columns.
    pub source: Query,
    pub on_conflict: Option<OnConflict>,
    pub returning: Option<Returning>,
}

#[derive(Debug)]
pub struct OnConflict {
    pub key: Option<Vec<usize>>,
    pub update: Option<ConflictUpdate>,
}

/// Over the existing row, then the excluded one.
#[derive(Debug)]
pub struct ConflictUpdate {
    pub row: Vec<ScalarExpr>,
    pub filter: Option<ScalarExpr>,
}

#[derive(Debug)]
pub struct Update {
    pub table: CollectionId,
    /// Old row, new row, and with RETURNING the rows of FROM.
    pub selection: Query,
    pub returning: Option<Returning>,
}

#[derive(Debug)]
pub struct Delete {
    pub table: CollectionId,
    /// Old row, and with RETURNING the rows of USING.
    pub selection: Query,
    pub returning: Option<Returning>,
}

#[derive(Debug)]
pub struct Returning {
    pub columns: Vec<OutputColumn>,
    pub exprs: Vec<ScalarExpr>,
}

/// Changes of the catalog, in order.
#[derive(Debug)]
pub struct Ddl {
    pub tag: &'static str,
    pub steps: Vec<Step>,
    /// What a created table begins with: rows of all its columns.
    pub fill: Option<Box<Insert>>,
    /// Tables that nobody may write to meanwhile: what their rows hold changes, or may hold.
    pub locks: BTreeSet<CollectionId>,
    /// What must be true of the rows that are there.
    pub checks: Vec<Check>,
    /// What sequences are to count from.
    pub sequences: Vec<(CollectionId, SequenceState)>,
}

/// A query that must give no row before a change is made.
#[derive(Debug)]
pub struct Check {
    pub query: Query,
    pub violated: Error,
}

impl Ddl {
    pub fn new(tag: &'static str, steps: Vec<Step>) -> Ddl {
        let (locks, checks, sequences) = (BTreeSet::new(), Vec::new(), Vec::new());
        Ddl { tag, steps, fill: None, locks, checks, sequences }
    }
}

#[derive(Debug)]
pub enum Step {
    Change(Change),
    /// An item whose text is still to be compiled, as it is after a restart.
    Create(Box<Item>),
    /// As it is to be in the place of the one with its id.
    Alter(Box<Item>),
}

#[derive(Debug)]
pub enum Explained {
    Statement(Box<Bound>),
    Item(CollectionId),
}

/// A query of these columns in order, all of the relation's.
pub(super) fn whole(rel: Rel, names: Vec<String>) -> Query {
    let project = (0..rel.arity()).collect();
    Query::of(rel, names, project)
}

/// The scalar expression that an expression without subqueries is.
pub(super) fn scalar(expr: &Expr) -> Option<ScalarExpr> {
    expr.to_local_scalar()
}
