//! The one place where compiler meets engine: statements become plans, plans become rows.

mod copy;
mod subscription;
mod transaction;

use std::sync::Arc;

use compiler::Error;
use compiler::ast::{self, Spanned, Statement};
use compiler::plan::{Compiled, Context, CopySource, Plan};
use compiler::repr::text::TextSettings;
use compiler::repr::{Row, Type};

use crate::session::{Answer, Interrupt, Prepared, ResultRows};

pub use copy::{CopyIn, CopyOut};
pub use subscription::Subscription;
pub use transaction::Transaction;

/// What sessions run their statements with; shared by all of them.
#[derive(Clone, Default)]
pub struct Executor {}

impl Executor {
    /// The statements of a text.
    pub fn parse(&self, _sql: &str) -> Result<Vec<Spanned<Statement>>, Error> {
        Err(not_yet())
    }

    /// What a statement asks for, as the transaction sees the catalog.
    pub fn compile(
        &self,
        _statement: &Arc<Statement>,
        _context: &Context,
        _transaction: &Transaction,
    ) -> Result<Compiled, Error> {
        Err(not_yet())
    }

    /// Whether a plan still means what its statement says.
    pub fn is_current(&self, _compiled: &Compiled, _transaction: &Transaction) -> bool {
        false
    }

    /// The values of expressions that read no column, coerced to these types.
    pub fn evaluate(
        &self,
        _args: &[ast::Expr],
        _types: &[Type],
        _context: &Context,
        _transaction: &Transaction,
    ) -> Result<Row, Error> {
        Err(not_yet())
    }

    /// A transaction that begins now.
    pub fn begin(&self) -> Transaction {
        Transaction::default()
    }

    /// Makes all that the transaction wrote durable and visible at one timestamp.
    pub async fn commit(&self, _transaction: Transaction) -> Result<(), Error> {
        Ok(())
    }

    /// What a plan changes, in the words of PostgreSQL's refusal; `None` if it only reads.
    pub fn writes(&self, plan: &Plan) -> Option<&'static str> {
        match plan {
            Plan::Insert(_) => Some("INSERT"),
            Plan::Update(_) => Some("UPDATE"),
            Plan::Delete(_) => Some("DELETE"),
            Plan::Truncate { .. } => Some("TRUNCATE TABLE"),
            Plan::CopyFrom(_) => Some("COPY FROM"),
            Plan::CopyTo(copy) => match &copy.source {
                CopySource::Statement(plan) => self.writes(plan),
                CopySource::Query(_) | CopySource::Subscribe(_) => None,
            },
            Plan::Change(change) => Some(change.tag),
            _ => None,
        }
    }

    /// Carries out what reads or changes collections, up to its first row.
    pub async fn start(
        &self,
        _prepared: &Prepared,
        _values: &Row,
        _settings: TextSettings,
        _transaction: &mut Transaction,
        _interrupt: &Interrupt,
    ) -> Result<Answer, Error> {
        Err(not_yet())
    }

    /// The rows of a query or a SUBSCRIBE.
    pub async fn open(
        &self,
        _plan: &Plan,
        _values: &Row,
        _types: &[Type],
        _settings: TextSettings,
        _transaction: &mut Transaction,
        _interrupt: &Interrupt,
    ) -> Result<ResultRows, Error> {
        Err(not_yet())
    }

    /// Inserts what a COPY FROM has collected; says how many rows.
    pub async fn finish_copy_in(
        &self,
        _copy: CopyIn,
        _transaction: &mut Transaction,
        _interrupt: &Interrupt,
    ) -> Result<u64, Error> {
        Err(not_yet())
    }
}

fn not_yet() -> Error {
    Error::unsupported("statements are not supported")
}
