//! Prepared statements, and portals: statements on their way.

use std::sync::{Arc, OnceLock};

use compiler::ast::Statement;
use compiler::catalog::Catalog;
use compiler::plan::{Compiled, OutputColumn};
use compiler::repr::{Row, Type};

use super::ResultRows;
use super::parameters::Planning;
use crate::execute::Point;

/// A compiled statement and what it was compiled from.
pub struct Prepared {
    pub statement: Arc<Statement>,
    /// The parameter types that the client declared.
    pub hints: Vec<Option<Type>>,
    pub compiled: Arc<Compiled>,
    pub columns: Option<Arc<[OutputColumn]>>,
    /// The settings that its plan rests on.
    pub settings: Planning,
    /// The catalog that it was compiled against.
    pub catalog: Arc<Catalog>,
    /// The plan as a lookup, if it is one: found out when it is first carried out.
    pub point: OnceLock<Option<Point>>,
}

/// A statement with its parameters.
pub struct Portal {
    /// `None` is the empty statement.
    pub prepared: Option<Arc<Prepared>>,
    pub values: Row,
    /// The client's format codes for the columns.
    pub formats: Vec<i16>,
    pub state: PortalState,
    pub kind: PortalKind,
}

pub enum PortalState {
    Bound,
    /// It returns rows, of which some may have been read.
    Open(ResultRows),
    /// It was carried out and returned no rows: it cannot be again.
    Done,
}

/// How a portal came to be, which decides how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalKind {
    /// By Bind: for the transaction.
    Protocol,
    /// By DECLARE.
    Cursor {
        /// Beyond the transaction.
        hold: bool,
        /// NO SCROLL, or a stream.
        forward_only: bool,
        /// The transaction that declared it is over.
        committed: bool,
    },
}

impl Portal {
    /// Called when the transaction commits: says whether the portal stays.
    pub fn outlives_commit(&mut self) -> bool {
        match &mut self.kind {
            PortalKind::Cursor { hold: true, committed, .. } => {
                *committed = true;
                true
            }
            PortalKind::Protocol | PortalKind::Cursor { .. } => false,
        }
    }

    pub fn outlives_rollback(&self) -> bool {
        matches!(self.kind, PortalKind::Cursor { hold: true, committed: true, .. })
    }
}
