//! The one place where compiler meets engine: statements become plans, plans become rows.
//!
//! A statement's walk: [`Executor::compile`] against the catalog as its transaction sees it; [`Executor::start`] reads
//! (`query`) or collects changes (`write`) in the [`Transaction`]; [`Executor::commit`] makes these durable and visible at
//! one timestamp.

mod copy;
mod envelope;
mod evaluation;
mod finish;
mod point;
mod query;
mod rewrite;
mod sequence;
mod subscription;
mod target;
mod transaction;
mod write;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use compiler::ast::{self, Spanned, Statement};
use compiler::catalog::Catalog;
use compiler::mir::CollectionId;
use compiler::plan::{
    CatalogChange, Compiled, Context, CopySource, CopyTo, OutputColumn, Plan, Query, Returning, Subscribe,
};
use compiler::repr::text::TextSettings;
use compiler::repr::{Datum, Row, Type};
use compiler::scalar::SequenceFunction;
use compiler::{Error, SqlState};
use dataflow::{CommitError, Engine};

use crate::session::{Answer, Interrupt, Positioned, Prepared, ResultRows, RowSet, Rows, Tag};
use transaction::CatalogChanges;
use write::Written;

pub use copy::{CopyIn, CopyOut};
pub use evaluation::{Evaluation, beside_the_reactor};
pub use point::Point;
pub use sequence::Given;
pub use subscription::Subscription;
pub use transaction::{Mark, Transaction};

/// Microseconds from the Unix epoch to 2000-01-01, from which SQL's timestamps are counted.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// What sessions run their statements with; shared by all of them.
#[derive(Clone)]
pub struct Executor {
    engine: Engine,
}

/// Why a commit did not happen.
pub enum Refused {
    /// Others have changed the catalog since the transaction did: these statements are to be carried out again.
    Outdated(Vec<Arc<Statement>>),
    Failed(Error),
}

impl Executor {
    pub fn new(engine: Engine) -> Executor {
        Executor { engine }
    }

    /// The statements of a text.
    pub fn parse(&self, sql: &str) -> Result<Vec<Spanned<Statement>>, Error> {
        compiler::parse::parse(sql)
    }

    /// The latest logical time that reads may use.
    pub fn logical_now(&self) -> u64 {
        self.engine.read_timestamp()
    }

    /// The catalog as the transaction sees it.
    pub fn catalog(&self, transaction: &Transaction) -> Arc<Catalog> {
        match &transaction.ddl {
            Some(ddl) => Arc::clone(&ddl.catalog),
            None => self.engine.catalog(),
        }
    }

    /// What a statement asks for.
    pub fn compile(
        &self,
        statement: &Statement,
        context: &Context,
        catalog: &Catalog,
    ) -> Result<Compiled, Error> {
        compiler::compile(statement, catalog, context)
    }

    /// Whether a plan was made for the catalog as the transaction sees it.
    pub fn sees(&self, prepared: &Prepared, transaction: &Transaction) -> bool {
        Arc::ptr_eq(&prepared.catalog, &self.catalog(transaction))
    }

    /// Whether a plan still means what its statement says.
    pub fn is_current(&self, prepared: &Prepared, transaction: &Transaction) -> bool {
        !prepared.compiled.uses_context && self.sees(prepared, transaction)
    }

    /// EXECUTE's arguments as a row of the prepared statement's parameters.
    pub fn evaluate(
        &self,
        args: &[ast::Expr],
        types: &[Type],
        context: &Context,
        catalog: &Catalog,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Row, Error> {
        let args = compiler::compile_arguments(args, types, catalog, context)?;
        Evaluation::new(interrupt).values(&args)
    }
}

/// Transactions.
impl Executor {
    /// A transaction that begins now, of a session that was given this by sequences.
    pub fn begin(&self, given: &Given) -> Transaction {
        Transaction::beginning(self.engine.wall_clock() as i64 - EPOCH_2000, given.clone())
    }

    /// Makes all that the transaction wrote durable and visible at one timestamp.
    pub async fn commit(&self, transaction: &mut Transaction) -> Result<(), Refused> {
        let catalog = self.catalog(transaction);
        let mut writes = transaction.take_writes(&catalog);
        let lock = transaction.lock.take();
        let held = self.engine.hold_sequences(&transaction.sequences.take(&catalog)).await;
        writes.extend(held.writes());
        if let Some(ddl) = &transaction.ddl {
            let (engine, version, changes) = (self.engine.clone(), ddl.base.version, ddl.changes.clone());
            let changed =
                held.until(async move { engine.change_catalog(version, changes, writes).await }).await;
            drop(lock);
            return match changed {
                Ok(_) => Ok(()),
                Err(CommitError::Failed(error)) => Err(Refused::Failed(error)),
                Err(CommitError::Outdated) if transaction.only_ddl => {
                    Err(Refused::Outdated(ddl.statements.clone()))
                }
                Err(CommitError::Outdated) => Err(Refused::Failed(
                    Error::new(
                        SqlState::SERIALIZATION_FAILURE,
                        "could not serialize access due to a concurrent catalog change",
                    )
                    .hint("The transaction might succeed if retried."),
                )),
            };
        }
        if writes.is_empty() {
            return Ok(());
        }
        let catalog = self.engine.catalog();
        if writes.iter().any(|write| catalog.item(write.collection).is_none()) {
            let message =
                "could not serialize access due to a concurrent drop of a table that was written to";
            return Err(Refused::Failed(Error::new(SqlState::SERIALIZATION_FAILURE, message)));
        }
        let engine = self.engine.clone();
        let committed = held.until(async move {
            match lock {
                Some(lock) => lock.commit(writes).await,
                None => engine.append(writes).await,
            }
        });
        committed.await.map(drop).map_err(Refused::Failed)
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
                CopySource::Query(query) => self.writes(&Plan::Query(query.clone())),
                CopySource::Subscribe(_) => None,
            },
            Plan::Change(change) => Some(change.tag),
            Plan::Query(query) => match query.effects.as_ref().and_then(|effects| effects.writes()) {
                Some(SequenceFunction::Setval) => Some("setval()"),
                Some(_) => Some("nextval()"),
                None => None,
            },
            _ => None,
        }
    }
}

/// Statements.
impl Executor {
    /// Waits for the right to change what a plan changes. Others may have altered it meanwhile.
    pub async fn lock_targets(
        &self,
        plan: &Plan,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(), Error> {
        let tables: Vec<CollectionId> = match plan {
            Plan::Insert(insert) => vec![insert.table],
            Plan::Update(update) => vec![update.table],
            Plan::Delete(delete) => vec![delete.table],
            Plan::Truncate { tables, .. } => {
                tables.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
            }
            Plan::CopyTo(CopyTo { source: CopySource::Statement(plan), .. }) => {
                return Box::pin(self.lock_targets(plan, transaction, interrupt)).await;
            }
            Plan::Change(change) => change.locks.iter().copied().collect(),
            _ => return Ok(()),
        };
        for table in tables {
            self.lock(table, transaction, interrupt).await?;
        }
        Ok(())
    }

    /// Carries out what reads or changes collections, up to its first row. What it changes is locked.
    pub async fn start(
        &self,
        prepared: &Prepared,
        values: &Row,
        settings: TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Answer, Error> {
        let types = &prepared.compiled.parameters[..];
        if transaction.is_empty()
            && let Some(point) =
                prepared.point.get_or_init(|| Point::of(&prepared.compiled.plan, &self.engine))
            && let Some(columns) = &prepared.columns
            && let Some(rows) = point.read(values, types, interrupt)?
        {
            return Ok(Answer::Rows(result(rows, Arc::clone(columns), Tag::Counted("SELECT"))));
        }
        match &prepared.compiled.plan {
            plan @ (Plan::Query(_) | Plan::Subscribe(_) | Plan::Explain { .. }) => {
                Ok(Answer::Rows(self.open(plan, values, types, transaction, interrupt).await?))
            }
            plan @ (Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_)) => {
                let parameters = (values, types);
                let (written, returning) =
                    self.write(plan, parameters, &settings, transaction, interrupt).await?;
                Ok(answer(plan, written, returning))
            }
            Plan::Truncate { tables, sequences } => {
                transaction.only_ddl = false;
                self.truncate(tables, transaction, interrupt).await?;
                sequences.iter().for_each(|(id, state)| transaction.sequences.put(*id, *state));
                Ok(Answer::Done(Tag::Whole(Cow::Borrowed("TRUNCATE TABLE"))))
            }
            Plan::CopyFrom(copy) => {
                transaction.only_ddl = false;
                Ok(Answer::CopyIn(Box::new(self.copy_from(copy, settings, transaction, interrupt)?)))
            }
            Plan::CopyTo(copy) => {
                let parameters = (values, types);
                Ok(Answer::CopyOut(Box::new(
                    self.copy_to(copy, parameters, settings, transaction, interrupt).await?,
                )))
            }
            Plan::Change(change) => self.change(prepared, change, &settings, transaction, interrupt).await,
            _ => Err(Error::new(SqlState::INTERNAL_ERROR, "the session carries out this statement")),
        }
    }

    /// The rows of a query, a SUBSCRIBE or an EXPLAIN.
    pub async fn open(
        &self,
        plan: &Plan,
        values: &Row,
        types: &[Type],
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<ResultRows, Error> {
        match plan {
            Plan::Query(query) => self.open_query(query, (values, types), transaction, interrupt).await,
            Plan::Subscribe(subscribe) => {
                self.open_subscribe(subscribe, (values, types), transaction, interrupt).await
            }
            Plan::Explain { lines } => Ok(explained(lines, plan.columns().unwrap_or_default())),
            _ => Err(Error::new(SqlState::INTERNAL_ERROR, "a plan without rows was opened")),
        }
    }

    async fn open_query(
        &self,
        query: &Query,
        (values, types): (&Row, &[Type]),
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<ResultRows, Error> {
        let rows = self.rows(query, values, types, transaction, interrupt).await?;
        Ok(result(rows, Arc::from(&query.columns[..]), Tag::Counted("SELECT")))
    }

    async fn open_subscribe(
        &self,
        subscribe: &Subscribe,
        (values, types): (&Row, &[Type]),
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<ResultRows, Error> {
        let bound = Plan::Subscribe(subscribe.clone());
        let bound = if types.is_empty() { bound } else { bound.bind_parameters(values, types) };
        let Plan::Subscribe(bound) = bound else { unreachable!("invariant: binding keeps the kind of plan") };
        let subscription = self.subscribe(&bound, transaction, interrupt).await?;
        let columns = Arc::from(&bound.columns[..]);
        let tag = Tag::Counted(if bound.shape.is_query() { "SELECT" } else { "SUBSCRIBE" });
        Ok(ResultRows { columns, rows: Rows::Stream(Box::new(subscription)), tag, binary: false })
    }

    /// INSERT, UPDATE and DELETE.
    async fn write<'p>(
        &self,
        plan: &'p Plan,
        parameters: (&Row, &[Type]),
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(Written, Option<&'p Returning>), Error> {
        transaction.only_ddl = false;
        let bound;
        let (values, types) = parameters;
        let bound = if types.is_empty() {
            plan
        } else {
            bound = plan.bind_parameters(values, types);
            &bound
        };
        let written = match bound {
            Plan::Insert(insert) => self.insert(insert, settings, transaction, interrupt).await?,
            Plan::Update(update) => self.update(update, settings, transaction, interrupt).await?,
            Plan::Delete(delete) => self.delete(delete, transaction, interrupt).await?,
            _ => unreachable!("invariant: callers pass plans that change rows"),
        };
        let returning = match plan {
            Plan::Insert(insert) => insert.returning.as_ref(),
            Plan::Update(update) => update.returning.as_ref(),
            Plan::Delete(delete) => delete.returning.as_ref(),
            _ => None,
        };
        Ok((written, returning))
    }

    /// DDL: the transaction's own catalog has it at once, everybody's with the commit.
    async fn change(
        &self,
        prepared: &Prepared,
        change: &CatalogChange,
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Answer, Error> {
        for check in &change.checks {
            self.settle(&check.query, transaction).await;
            let rows = self.rows(&check.query, &Row::default(), &[], transaction, interrupt).await?;
            if !rows.is_empty() {
                return Err(check.violated.clone());
            }
        }
        let catalog = Arc::new(prepared.catalog.apply_all(&change.changes)?);
        let ddl = transaction.ddl.get_or_insert_with(|| CatalogChanges {
            base: Arc::clone(&prepared.catalog),
            catalog: Arc::clone(&prepared.catalog),
            changes: Vec::new(),
            statements: Vec::new(),
        });
        ddl.catalog = catalog;
        ddl.changes.extend(change.changes.iter().cloned());
        ddl.statements.push(Arc::clone(&prepared.statement));
        change.sequences.iter().for_each(|(id, state)| transaction.sequences.put(*id, *state));
        let Some(fill) = &change.fill else { return Ok(Answer::Done(Tag::Whole(Cow::Borrowed(change.tag)))) };
        let filled = self.insert(fill, settings, transaction, interrupt).await?;
        Ok(Answer::Done(Tag::Whole(format!("SELECT {}", filled.count).into())))
    }
}

fn result(rows: RowSet, columns: Arc<[OutputColumn]>, tag: Tag) -> ResultRows {
    ResultRows { columns, rows: Rows::Set(Positioned { rows, position: 0 }), tag, binary: false }
}

fn explained(lines: &[String], columns: Vec<OutputColumn>) -> ResultRows {
    let mut rows = RowSet::default();
    lines.iter().for_each(|line| rows.push(Row::pack([Datum::Text(line)]).bytes()));
    result(rows, columns.into(), Tag::Whole(Cow::Borrowed("EXPLAIN")))
}

/// What INSERT, UPDATE and DELETE answer.
fn answer(plan: &Plan, written: Written, returning: Option<&Returning>) -> Answer {
    let words = match plan {
        Plan::Insert(_) => "INSERT 0",
        Plan::Update(_) => "UPDATE",
        _ => "DELETE",
    };
    let tag = Tag::Whole(format!("{words} {}", written.count).into());
    match (written.returned, returning) {
        (Some(rows), Some(returning)) => Answer::Rows(result(rows, Arc::from(&returning.columns[..]), tag)),
        _ => Answer::Done(tag),
    }
}
