//! A session: what a client has set, prepared and begun. It knows nothing of messages.
//!
//! Every statement is compiled, session statements too, and [`Session::start`] carries it out: what changes the session
//! here, what reads or changes collections through [`Executor`]. Portals and cursors are one thing under two names, as in
//! PostgreSQL: a statement with its parameters, and how far its rows were read.
//!
//! ```text
//!              BEGIN                      error
//!   Idle ----------------> Block -----------------> Failed
//!    |  |                    ^-----ROLLBACK TO----------|
//!    |  ^  COMMIT, ROLLBACK  |                         |  only these three get through
//!    |  +--------------------+-------------------------+
//!    +--> Implicit --(BEGIN)--> Block
//!           +--> Idle at Sync, at the end of a simple query, or by an error
//! ```

mod advisory;
mod control;
mod cursor;
mod effect;
mod interrupt;
pub mod parameters;
mod portal;
mod registry;
mod rows;
mod savepoint;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use compiler::ast::{ExplainOf, Spanned, Statement};
use compiler::plan::{Context, Notice, OutputColumn, Plan};
use compiler::repr::text::TextSettings;
use compiler::repr::{Row, Type};
use compiler::{Error, SqlState};

use crate::encode::EntryNames;
use crate::execute::{CopyIn, CopyOut, Executor, Given, Refused, Transaction};

use advisory::Holder;
use savepoint::Savepoint;

pub use interrupt::{Cause, Interrupt};
pub use parameters::{DEFINITIONS, Parameters, Reach, SERVER_VERSION};
pub use portal::{Portal, PortalKind, PortalState, Prepared};
pub use registry::{Seat, Sessions};
pub use rows::{Positioned, ResultRows, RowSet, Rows, Tag};

/// Where the session stands, see the picture above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    Idle,
    Implicit,
    Block,
    Failed,
}

/// What a statement answers.
pub enum Answer {
    Rows(ResultRows),
    /// The client is to send rows.
    CopyIn(Box<CopyIn>),
    CopyOut(Box<CopyOut>),
    Done(Tag),
}

/// One client's session.
pub struct Session {
    pub parameters: Parameters,
    executor: Executor,
    interrupt: Arc<Interrupt>,
    /// Its number, and the others.
    process: i32,
    sessions: Arc<Sessions>,
    locks: Holder,
    user: String,
    database: String,
    state: TransactionState,
    transaction: Transaction,
    /// What sequences gave it.
    given: Given,
    savepoints: Vec<Savepoint>,
    /// `None` is an empty text, which can be prepared and executed too.
    statements: HashMap<String, Option<Arc<Prepared>>>,
    portals: HashMap<String, Portal>,
    notices: Vec<Notice>,
    /// The hints of notices that are said once and were.
    told: HashSet<Option<String>>,
}

impl Session {
    pub fn new(
        executor: Executor,
        seat: &Seat,
        parameters: Parameters,
        user: String,
        database: String,
    ) -> Session {
        let given = Given::default();
        let transaction = executor.begin(&given);
        Session {
            parameters,
            executor,
            interrupt: Arc::clone(&seat.interrupt),
            process: seat.process,
            sessions: Arc::clone(&seat.sessions),
            locks: Holder::new(&seat.sessions.locks),
            user,
            database,
            state: TransactionState::Idle,
            transaction,
            given,
            savepoints: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            notices: Vec::new(),
            told: HashSet::new(),
        }
    }

    pub fn state(&self) -> TransactionState {
        self.state
    }

    pub fn interrupt(&self) -> &Arc<Interrupt> {
        &self.interrupt
    }

    /// What was noticed since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// How values are read and printed for this client.
    pub fn settings(&self) -> TextSettings {
        TextSettings { now: Some(self.transaction.now()), ..self.parameters.text().clone() }
    }

    /// How the oids of catalog entries are printed and read for this client.
    pub fn entry_names(&self) -> EntryNames {
        let path = search_path(self.parameters.known("search_path"), &self.user);
        let catalog = self.executor.catalog(&self.transaction);
        EntryNames { catalog, search_path: path.unwrap_or_default(), user: self.user.clone() }
    }

    /// The statements of a text. A mistake in one is a mistake in all: nothing of the text is carried out.
    pub fn parse(&self, sql: &str) -> Result<Vec<Spanned<Statement>>, Error> {
        self.executor.parse(sql)
    }

    /// Refuses, in a failed block, all that does not end it.
    pub fn check_not_failed(&self, statement: &Statement) -> Result<(), Error> {
        let ends = matches!(
            statement,
            Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo(_)
        );
        if self.state == TransactionState::Failed && !ends {
            return Err(failed());
        }
        Ok(())
    }

    /// Compiles a statement; `hints` are the parameter types that the client declared.
    pub fn compile(
        &mut self,
        statement: Arc<Statement>,
        hints: Vec<Option<Type>>,
    ) -> Result<Prepared, Error> {
        self.begin_implicit();
        if let Statement::Explain(explain) = &*statement
            && let ExplainOf::Statement(Statement::Execute(execute)) = &explain.of
        {
            return self.compile_explain_execute(&statement, explain, execute);
        }
        let catalog = self.executor.catalog(&self.transaction);
        let compiled = self.executor.compile(&statement, &self.context(hints.clone())?, &catalog)?;
        let columns = compiled.plan.columns().map(Arc::from);
        let settings = self.parameters.planning();
        let point = OnceLock::new();
        Ok(Prepared { statement, hints, compiled: Arc::new(compiled), columns, settings, catalog, point })
    }

    /// The same statement if it still means the same, or else as it is meant now. Its columns may not have changed.
    pub fn refresh(&mut self, prepared: &Arc<Prepared>) -> Result<Arc<Prepared>, Error> {
        self.begin_implicit();
        if prepared.settings.same(&self.parameters.planning())
            && self.executor.is_current(prepared, &self.transaction)
        {
            return Ok(Arc::clone(prepared));
        }
        let again = self.compile(Arc::clone(&prepared.statement), prepared.hints.clone())?;
        if again.columns != prepared.columns {
            return Err(Error::unsupported("cached plan must not change result type"));
        }
        Ok(Arc::new(again))
    }

    fn context(&self, parameter_types: Vec<Option<Type>>) -> Result<Context, Error> {
        let parameters =
            self.parameters.all().map(|(name, value, _)| (name.to_ascii_lowercase(), value.to_owned()));
        Ok(Context {
            search_path: search_path(self.parameters.known("search_path"), &self.user)?,
            settings: self.settings(),
            parameters: parameters.collect::<BTreeMap<_, _>>(),
            user: self.user.clone(),
            database: self.database.clone(),
            now: Some(self.transaction.now()),
            logical_now: Some(self.executor.logical_now()),
            process: self.process,
            seed: rand::random(),
            sequences: Some(self.executor.sequence_values(&self.transaction)),
            parameter_types,
        })
    }

    /// The columns of the rows that a statement returns, if it returns rows.
    pub fn columns(&self, prepared: &Prepared) -> Option<Arc<[OutputColumn]>> {
        match &prepared.compiled.plan {
            Plan::Show { parameter } => Some(control::show_columns(parameter.as_deref())),
            Plan::Fetch(fetch) if !fetch.moves => self.cursor_columns(&fetch.cursor.name),
            Plan::Execute { name, .. } => self.columns(self.statements.get(name)?.as_ref()?),
            _ => prepared.columns.clone(),
        }
    }

    pub fn portal_columns(&self, portal: &Portal) -> Option<Arc<[OutputColumn]>> {
        match &portal.state {
            PortalState::Open(open) => Some(Arc::clone(&open.columns)),
            PortalState::Bound | PortalState::Done => self.columns(portal.prepared.as_ref()?),
        }
    }
}

/// Statements and portals.
impl Session {
    /// Keeps a statement under a name. The unnamed one gives way to the next; others must be new.
    pub fn keep(&mut self, name: String, prepared: Option<Prepared>) -> Result<(), Error> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_PREPARED_STATEMENT, message));
        }
        self.statements.insert(name, prepared.map(Arc::new));
        Ok(())
    }

    pub fn statement(&self, name: &str) -> Result<&Option<Arc<Prepared>>, Error> {
        self.statements.get(name).ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(SqlState::INVALID_SQL_STATEMENT_NAME, message)
        })
    }

    pub fn forget_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }

    /// Makes a portal of a statement and its parameters.
    pub fn bind(&mut self, name: String, portal: Portal) -> Result<(), Error> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Error::new(SqlState::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// The statement of this name as it is meant now, for a portal to be made of it.
    pub fn statement_to_bind(&mut self, name: &str) -> Result<Option<Arc<Prepared>>, Error> {
        let Some(prepared) = self.statement(name)?.clone() else { return Ok(None) };
        self.check_not_failed(&prepared.statement)?;
        let current = self.refresh(&prepared)?;
        if !Arc::ptr_eq(&current, &prepared) {
            self.statements.insert(name.to_owned(), Some(Arc::clone(&current)));
        }
        Ok(Some(current))
    }

    pub fn portal(&self, name: &str) -> Result<&Portal, Error> {
        self.portals.get(name).ok_or_else(|| no_portal(name))
    }

    /// Takes a portal out, to be put back with [`Session::put_portal`] unless it fails.
    pub fn take_portal(&mut self, name: &str) -> Result<Portal, Error> {
        self.portals.remove(name).ok_or_else(|| no_portal(name))
    }

    pub fn put_portal(&mut self, name: String, portal: Portal) {
        self.portals.insert(name, portal);
    }

    pub fn close_portal(&mut self, name: &str) {
        self.portals.remove(name);
    }
}

/// Transactions.
impl Session {
    /// A statement outside a block begins a transaction of its own.
    pub fn begin_implicit(&mut self) {
        if self.state == TransactionState::Idle {
            self.state = TransactionState::Implicit;
            self.parameters.begin();
            self.transaction = self.executor.begin(&self.given);
        }
    }

    /// Ends the transaction that no BEGIN began: at Sync, or after the last statement of a simple query.
    pub async fn end_implicit(&mut self) -> Result<(), Error> {
        if self.state == TransactionState::Implicit { self.commit().await } else { Ok(()) }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        match self.commit_changes().await {
            Ok(()) => {
                self.state = TransactionState::Idle;
                self.savepoints.clear();
                self.locks.end_transaction();
                self.parameters.commit();
                self.portals.retain(|_, portal| portal.outlives_commit());
                Ok(())
            }
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }

    /// Catalog changes that others forestalled are made again, upon what is there then.
    async fn commit_changes(&mut self) -> Result<(), Error> {
        loop {
            let statements = match self.executor.commit(&mut self.transaction).await {
                Ok(()) => return Ok(()),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Outdated(statements)) => statements,
            };
            self.interrupt.check()?;
            self.transaction.undo();
            for statement in statements {
                let prepared = self.compile(statement, Vec::new())?;
                self.start_compiled(&Arc::new(prepared), &Row::default()).await?;
            }
        }
    }

    fn rollback(&mut self) {
        self.transaction.undo();
        self.savepoints.clear();
        self.locks.end_transaction();
        self.state = TransactionState::Idle;
        self.parameters.rollback();
        self.portals.retain(|_, portal| portal.outlives_rollback());
    }

    /// An error: a block waits for its end, an implicit transaction is over.
    pub fn fail(&mut self) {
        match self.state {
            TransactionState::Block => {
                self.state = TransactionState::Failed;
                if self.savepoints.is_empty() {
                    self.transaction.undo();
                    self.locks.end_transaction();
                    self.portals.retain(|_, portal| portal.outlives_rollback());
                } else {
                    self.portals.retain(|_, portal| portal.kind != PortalKind::Protocol);
                }
            }
            TransactionState::Implicit => self.rollback(),
            TransactionState::Idle | TransactionState::Failed => {}
        }
    }
}

/// Carrying out.
impl Session {
    /// Carries out a compiled statement up to its first row.
    pub async fn start(&mut self, prepared: &Arc<Prepared>, values: &Row) -> Result<Answer, Error> {
        self.check_not_failed(&prepared.statement)?;
        self.begin_implicit();
        for notice in &prepared.compiled.notices {
            // Rules are told by their hint: the message names what they were applied to.
            if !notice.once || self.told.insert(notice.hint.clone()) {
                self.notices.push(notice.clone());
            }
        }
        if let Plan::Subscribe(subscribe) = &prepared.compiled.plan
            && subscribe.limit.is_none()
            && self.parameters.known("application_name") == "psql"
        {
            let (what, hint) = match subscribe.shape.is_query() {
                true => ("EMIT CHANGES", "Use COPY (SELECT ... EMIT CHANGES) TO STDOUT, or a LIMIT."),
                false => ("a SUBSCRIBE", "Use COPY (SUBSCRIBE ...) TO STDOUT."),
            };
            let message =
                format!("psql shows the rows of a query when it ends, which {what} does not by itself");
            self.notices.push(Notice::new(SqlState::SUCCESSFUL_COMPLETION, message).hint(hint));
        }
        match &prepared.compiled.plan {
            Plan::Execute { name, args } => {
                let empty = || Error::unsupported("EXECUTE of an empty statement is not supported");
                let inner = self.statement_to_bind(name)?.ok_or_else(empty)?;
                let values = self.evaluate_arguments(name, &inner, args)?;
                self.start_compiled(&inner, &values).await
            }
            Plan::Effect(_) => {
                match prepared.compiled.plan.bind_parameters(values, &prepared.compiled.parameters) {
                    Plan::Effect(call) => self.carry_out(&call).await,
                    _ => unreachable!("invariant: binding keeps the kind of plan"),
                }
            }
            plan if control::is_control(plan) => self.control(prepared, values).await,
            _ => self.start_compiled(prepared, values).await,
        }
    }

    /// Carries out what reads or changes collections.
    async fn start_compiled(&mut self, prepared: &Arc<Prepared>, values: &Row) -> Result<Answer, Error> {
        // Between Bind and Execute, and while locks are waited for, others may have changed the catalog.
        let mut prepared = Arc::clone(prepared);
        loop {
            if !self.executor.sees(&prepared, &self.transaction) {
                prepared = self.refresh(&prepared)?;
            }
            let (plan, transaction) = (&prepared.compiled.plan, &mut self.transaction);
            self.executor.lock_targets(plan, transaction, &self.interrupt).await?;
            if self.executor.sees(&prepared, &self.transaction) {
                break;
            }
        }
        if self.parameters.is_on(parameters::TRANSACTION_READ_ONLY)
            && let Some(words) = self.executor.writes(&prepared.compiled.plan)
        {
            let message = format!("cannot execute {words} in a read-only transaction");
            return Err(Error::new(SqlState::READ_ONLY_SQL_TRANSACTION, message));
        }
        let settings = self.settings();
        self.executor.start(&prepared, values, settings, &mut self.transaction, &self.interrupt).await
    }

    /// The rows of a COPY FROM are all there.
    pub async fn finish_copy_in(&mut self, copy: Box<CopyIn>) -> Result<u64, Error> {
        self.executor.finish_copy_in(*copy, &mut self.transaction, &self.interrupt).await
    }

    fn warn(&mut self, code: SqlState, message: &str) {
        self.notices.push(Notice { warning: true, ..Notice::new(code, message) });
    }
}

/// `25P02`.
fn failed() -> Error {
    let message = "current transaction is aborted, commands ignored until end of transaction block";
    Error::new(SqlState::IN_FAILED_SQL_TRANSACTION, message)
}

fn no_portal(name: &str) -> Error {
    Error::new(SqlState::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

/// The schemas of a search_path: identifiers between commas, `"$user"` for the user's own.
fn search_path(text: &str, user: &str) -> Result<Vec<String>, Error> {
    let mut schemas = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_identifier(quoted).ok_or_else(|| bad_search_path(text))?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim_end().to_lowercase(), &rest[end..])
            }
        };
        schemas.push(if name == "$user" { user.to_owned() } else { name });
        rest = match after.trim_start() {
            "" => "",
            after => after.strip_prefix(',').ok_or_else(|| bad_search_path(text))?.trim_start(),
        };
    }
    Ok(schemas)
}

/// An identifier whose opening quote is gone, and what follows its closing one.
fn quoted_identifier(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

fn bad_search_path(text: &str) -> Error {
    let message = format!("invalid value for parameter \"search_path\": \"{text}\"");
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).detail("List syntax is invalid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_paths_are_lists_of_identifiers() {
        assert_eq!(search_path("\"$user\", public", "ann").unwrap(), ["ann", "public"]);
        assert_eq!(search_path("A , \"B\"\"c\",d", "ann").unwrap(), ["a", "B\"c", "d"]);
        assert_eq!(search_path("", "ann").unwrap(), Vec::<String>::new());
        assert!(search_path("\"a", "ann").is_err());
        assert!(search_path("\"a\" b", "ann").is_err());
    }
}
