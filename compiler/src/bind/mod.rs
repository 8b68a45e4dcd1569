//! ast -> hir: names, types, functions and clauses are resolved, PostgreSQL's way; every mistake is the user's and has a code, a
//! text and a position.
//!
//! 1. [`scope`] holds the names in sight; [`from`] makes scopes of FROM, [`query`] and [`select`] make relations of queries.
//! 2. [`expr`] binds expressions: [`function`] finds overloads and [`coerce`] conversions, by PostgreSQL's chapter 10.
//! 3. [`definition`] puts builtin definitions in the place of the names of functions and views over the catalog.
//! 4. [`arrival`] makes lookups of the joins in a stream's query: the created kind says which join is meant.
//! 5. [`ddl`], [`dml`], [`copy`], [`subscribe`] and [`session`] bind the other statements around the queries in them.
//!
//! The binder also makes the tree canonical while it reads it: names become qualified, `*` becomes columns, so that what
//! `ast::print` prints of a bound tree means the same in every session (the catalog stores that).

use std::collections::BTreeSet;

use crate::ast;
use crate::catalog::Catalog;
use crate::error::{Error, SqlState};
use crate::hir::{self, CteId, Expr};
use crate::mir::CollectionId;
use crate::plan::{Context, Notice};
use crate::repr::{ColumnType, Datum, Type};

mod aggregate;
mod alter;
mod alter_columns;
mod arrival;
pub mod bound;
mod check;
mod coerce;
mod comment;
mod copy;
mod ddl;
mod definition;
mod dml;
mod drop;
mod effect;
mod event_time;
mod expr;
mod from;
mod function;
mod grouping;
mod query;
mod recursion;
mod scope;
mod select;
mod sequence;
mod session;
mod sets;
mod subquery;
mod subscribe;
mod types;
mod view;
mod window;

pub use bound::Bound;
use scope::{Clause, Frame, Scope};

/// What stays true of every bound statement, beside what was bound.
#[derive(Debug, Default)]
pub struct Facts {
    pub parameters: Vec<Type>,
    pub notices: Vec<Notice>,
    pub depends_on: BTreeSet<CollectionId>,
    /// The columns of catalog items that are named.
    pub columns: BTreeSet<(CollectionId, usize)>,
    pub uses_context: bool,
    /// How many calls of `random()` there are.
    pub random_calls: u64,
}

/// What a query is bound for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be answered once: `now()` is the transaction's time, parameters are allowed.
    Once,
    /// To be kept up to date: it may depend on nothing but its inputs. The words say what it is, for messages.
    Maintained(&'static str),
}

/// What a derived stream's query is bound for.
const STREAM: Purpose = Purpose::Maintained("stream");

/// How many joins and set operations a statement has at most.
const LEVELS_MAX: usize = 1_000;

/// One statement's binding.
pub struct Binder<'a> {
    catalog: &'a Catalog,
    context: &'a Context,
    purpose: Purpose,
    /// Rows in sight, the nearest last.
    frames: Vec<Frame>,
    /// Frames below this one belong to queries around the SELECT whose FROM is being bound.
    from_base: usize,
    ctes: Vec<Cte>,
    /// What WITH clauses around define further on, the next one last: not in sight yet.
    later_ctes: Vec<String>,
    next_cte: u32,
    /// By number; None until the context says it.
    parameters: Vec<Option<Type>>,
    /// The select list's aliases while HAVING is bound, and the number of frames there are then.
    having_aliases: Option<(usize, Vec<(String, ast::Expr)>)>,
    /// Builtin definitions being bound, the innermost last.
    definitions: Vec<definition::Arguments>,
    /// Whether the query that is bound next is the statement's own: rows of its select list may have effects.
    outermost: bool,
    /// Calls of sequence functions that no query has yet, and how many there were in the statement before them.
    effects: Vec<hir::EffectCall>,
    effects_before: usize,
    /// Joins and set operations so far: each may be a level of the plan.
    levels: usize,
    facts: Facts,
}

/// A WITH query in sight.
#[derive(Clone, Debug)]
struct Cte {
    name: String,
    columns: Vec<(String, ColumnType)>,
    definition: CteDefinition,
}

#[derive(Clone, Debug)]
enum CteDefinition {
    /// Reads no outer row: defined once, around the query.
    Shared(CteId),
    /// Reads outer rows: put in wherever it is named. The number of frames there were at its definition.
    Inlined(hir::Rel, usize),
    /// Within the recursive term of its own definition.
    Itself(CteId),
}

impl<'a> Binder<'a> {
    pub fn new(catalog: &'a Catalog, context: &'a Context, purpose: Purpose) -> Binder<'a> {
        Binder {
            catalog,
            context,
            purpose,
            frames: Vec::new(),
            from_base: 0,
            ctes: Vec::new(),
            later_ctes: Vec::new(),
            next_cte: 0,
            parameters: context.parameter_types.clone(),
            facts: Facts::default(),
            having_aliases: None,
            definitions: Vec::new(),
            outermost: false,
            effects: Vec::new(),
            effects_before: 0,
            levels: 0,
        }
    }

    /// Counts a join or a set operation. The parser takes any number of them in a row; a plan is a tree, whose height the threads
    /// that walk it must bear.
    fn raise(&mut self, position: u32) -> Result<(), Error> {
        self.levels += 1;
        if self.levels <= LEVELS_MAX {
            return Ok(());
        }
        let message = format!("a statement has at most {LEVELS_MAX} joins and set operations");
        Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
            .hint("Write it as views over views, or rows of constants as VALUES.")
            .at(position))
    }

    /// What was learned on the way. Fails when a parameter's type is still open.
    pub fn finish(mut self) -> Result<Facts, Error> {
        for (index, typ) in self.parameters.iter().enumerate() {
            match typ {
                Some(typ) => self.facts.parameters.push(typ.clone()),
                None => {
                    let message = format!("could not determine data type of parameter ${}", index + 1);
                    return Err(Error::new(SqlState::INDETERMINATE_DATATYPE, message));
                }
            }
        }
        Ok(self.facts)
    }

    fn notice(&mut self, notice: Notice) {
        if !self.facts.notices.contains(&notice) {
            self.facts.notices.push(notice);
        }
    }

    /// Binds with a row of `scope` in sight; gives back the frame with what the binding left in it.
    fn with_frame<T>(
        &mut self,
        scope: Scope,
        clause: Clause,
        bind: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Frame), Error> {
        self.frames.push(Frame::new(scope, clause));
        let bound = bind(self);
        let frame = self.frames.pop().expect("invariant: frames are pushed and popped in pairs");
        Ok((bound?, frame))
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("invariant: expressions are bound in a frame")
    }

    /// Binds an expression that may name no column at all.
    fn bind_without_columns(&mut self, expr: &mut ast::Expr, clause: Clause) -> Result<Expr, Error> {
        let (expr, _) = self.with_frame(Scope::default(), clause, |binder| binder.bind_expr(expr))?;
        Ok(expr)
    }
}

/// A literal of this type.
fn literal(datum: Datum<'_>, typ: Type) -> Expr {
    let nullable = matches!(datum, Datum::Null);
    Expr::Literal(crate::repr::Row::pack([datum]), ColumnType::new(typ, nullable))
}

/// The name of an item as SQL text would have it.
fn display_name(name: &ast::Name) -> String {
    name.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(".")
}
