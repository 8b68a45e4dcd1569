//! Statements about the session itself: transactions, parameters, prepared statements, cursors.

use std::borrow::Cow;
use std::sync::Arc;

use compiler::ast::{self, Discard, Isolation, SetValue, Statement, TransactionModes};
use compiler::plan::{OutputColumn, Plan};
use compiler::repr::{Datum, Row, Type};
use compiler::{Error, SqlState};

use super::rows::{Positioned, RowSet, Rows};
use super::{Answer, Parameters, Prepared, Reach, ResultRows, Session, Tag, TransactionState, failed};

/// Whether [`Session::control`] carries the plan out.
pub(super) fn is_control(plan: &Plan) -> bool {
    matches!(
        plan,
        Plan::Show { .. }
            | Plan::Set { .. }
            | Plan::SetTransaction { .. }
            | Plan::Reset { .. }
            | Plan::Begin(_)
            | Plan::Commit { .. }
            | Plan::Rollback { .. }
            | Plan::Savepoint { .. }
            | Plan::Release { .. }
            | Plan::RollbackTo { .. }
            | Plan::Prepare { .. }
            | Plan::Deallocate { .. }
            | Plan::Declare(_)
            | Plan::Fetch(_)
            | Plan::Close { .. }
            | Plan::Discard(_)
            | Plan::Nothing { .. }
    )
}

pub(super) fn show_columns(parameter: Option<&str>) -> Arc<[OutputColumn]> {
    let column = |name: String| OutputColumn { name, typ: Type::Text };
    match parameter {
        Some(name) => Arc::new([column(Parameters::canonical_name(name))]),
        None => ["name", "setting", "description"].map(|name| column(name.to_owned())).into(),
    }
}

fn done(tag: &'static str) -> Result<Answer, Error> {
    Ok(Answer::Done(Tag::Whole(Cow::Borrowed(tag))))
}

impl Session {
    pub(super) async fn control(&mut self, prepared: &Arc<Prepared>, values: &Row) -> Result<Answer, Error> {
        match &prepared.compiled.plan {
            Plan::Show { parameter } => self.show(parameter.as_deref()),
            Plan::Set { local, parameter, value } => self.set(*local, parameter, value),
            Plan::SetTransaction { session, modes } => self.set_transaction(*session, modes),
            Plan::Reset { parameter: Some(name) } => {
                self.parameters.reset(name, Reach::Session)?;
                done("RESET")
            }
            Plan::Reset { parameter: None } => {
                self.parameters.reset_all();
                done("RESET")
            }
            Plan::Begin(modes) => self.begin_block(modes),
            Plan::Commit { chain } => self.commit_block(*chain).await,
            Plan::Rollback { chain } => self.rollback_block(*chain),
            Plan::Savepoint { name } => self.savepoint(name),
            Plan::Release { savepoint } => self.release(savepoint),
            Plan::RollbackTo { savepoint } => self.rollback_to(savepoint),
            Plan::Prepare { name, types, statement } => {
                let inner = self.compile(Arc::new((**statement).clone()), types.clone())?;
                self.keep(name.clone(), Some(inner))?;
                done("PREPARE")
            }
            Plan::Deallocate { name } => self.deallocate(name.as_deref()),
            Plan::Declare(declare) => self.declare(prepared, declare, values).await,
            Plan::Fetch(fetch) => self.fetch(fetch).await,
            Plan::Close { name } => self.close_cursor(name.as_deref()),
            Plan::Discard(what) => self.discard(*what),
            Plan::Nothing { tag } => done(tag),
            _ => unreachable!("invariant: is_control names the plans above"),
        }
    }

    fn show(&mut self, parameter: Option<&str>) -> Result<Answer, Error> {
        let mut rows = RowSet::default();
        let mut push =
            |texts: &[&str]| rows.push(Row::pack(texts.iter().map(|text| Datum::Text(text))).bytes());
        match parameter {
            Some(name) => push(&[self.parameters.show(name)?]),
            None => self.parameters.all().for_each(|(name, value, about)| push(&[name, value, about])),
        }
        let rows = Rows::Set(Positioned { rows, position: 0 });
        let tag = Tag::Whole(Cow::Borrowed("SHOW"));
        Ok(Answer::Rows(ResultRows { columns: show_columns(parameter), rows, tag, binary: false }))
    }

    fn set(&mut self, local: bool, name: &str, value: &SetValue) -> Result<Answer, Error> {
        if local && self.state != TransactionState::Block {
            self.warn(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "SET LOCAL can only be used in transaction blocks",
            );
        }
        let reach = if local { Reach::Transaction } else { Reach::Session };
        match value {
            SetValue::Default => self.parameters.reset(name, reach)?,
            SetValue::Values(values) => {
                let value = if name == "search_path" { quoted_list(values) } else { values.join(", ") };
                self.parameters.set(name, &value, reach)?;
            }
        }
        done("SET")
    }

    fn set_transaction(&mut self, session: bool, modes: &TransactionModes) -> Result<Answer, Error> {
        if !session && self.state != TransactionState::Block {
            self.warn(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            );
            return done("SET");
        }
        self.set_modes(session, modes)?;
        done("SET")
    }

    /// A statement reads at one time and writes at one; a block of several reads what was committed before each.
    fn set_modes(&mut self, session: bool, modes: &TransactionModes) -> Result<(), Error> {
        let (prefix, reach) = if session { ("default_", Reach::Session) } else { ("", Reach::Transaction) };
        let boolean = |value: bool| if value { "on" } else { "off" };
        let level = isolation(modes)?;
        let settings = [
            ("transaction_isolation", level),
            ("transaction_read_only", modes.read_only.map(boolean)),
            ("transaction_deferrable", modes.deferrable.map(boolean)),
        ];
        for (name, value) in settings {
            if let Some(value) = value {
                self.parameters.set(&format!("{prefix}{name}"), value, reach)?;
            }
        }
        Ok(())
    }

    fn begin_block(&mut self, modes: &TransactionModes) -> Result<Answer, Error> {
        if self.state == TransactionState::Block {
            self.warn(SqlState::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
        }
        // What the block cannot be is refused before it begins.
        isolation(modes)?;
        // Statements before BEGIN in the same simple query belong to the block.
        self.state = TransactionState::Block;
        self.set_modes(false, modes)?;
        done("BEGIN")
    }

    async fn commit_block(&mut self, chain: bool) -> Result<Answer, Error> {
        if self.state == TransactionState::Failed {
            return self.rollback_block(chain);
        }
        self.check_block(chain, "COMMIT AND CHAIN")?;
        self.commit().await?;
        self.chain(chain);
        done("COMMIT")
    }

    fn rollback_block(&mut self, chain: bool) -> Result<Answer, Error> {
        self.check_block(chain, "ROLLBACK AND CHAIN")?;
        self.rollback();
        self.chain(chain);
        done("ROLLBACK")
    }

    /// Outside a block, COMMIT and ROLLBACK end what there is with a warning; with AND CHAIN they are refused.
    fn check_block(&mut self, chain: bool, words: &str) -> Result<(), Error> {
        if self.state != TransactionState::Implicit {
            return Ok(());
        }
        if chain {
            let message = format!("{words} can only be used in transaction blocks");
            return Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        self.warn(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        Ok(())
    }

    fn chain(&mut self, chain: bool) {
        if chain {
            self.begin_implicit();
            self.state = TransactionState::Block;
        }
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<Answer, Error> {
        match name {
            None => {
                self.statements.clear();
                done("DEALLOCATE ALL")
            }
            Some(name) => {
                self.statement(name)?;
                self.forget_statement(name);
                done("DEALLOCATE")
            }
        }
    }

    fn discard(&mut self, what: Discard) -> Result<Answer, Error> {
        match what {
            Discard::Plans => done("DISCARD PLANS"),
            Discard::Sequences => {
                self.given.forget();
                done("DISCARD SEQUENCES")
            }
            Discard::Temporary => done("DISCARD TEMP"),
            Discard::All if self.state == TransactionState::Block => {
                let message = "DISCARD ALL cannot run inside a transaction block";
                Err(Error::new(SqlState::ACTIVE_SQL_TRANSACTION, message))
            }
            Discard::All => {
                self.portals.clear();
                self.statements.clear();
                self.parameters.reset_all();
                self.given.forget();
                done("DISCARD ALL")
            }
        }
    }

    /// EXPLAIN EXECUTE: the plan of the prepared statement, its parameters as they stand in it.
    pub(super) fn compile_explain_execute(
        &mut self,
        statement: &Arc<Statement>,
        explain: &ast::Explain,
        execute: &ast::Execute,
    ) -> Result<Prepared, Error> {
        let name = &execute.name.name;
        let empty = || Error::unsupported("EXPLAIN of an empty statement is not supported");
        let inner = self.statement_to_bind(name)?.ok_or_else(empty)?;
        self.evaluate_arguments(name, &inner, &execute.args)?;
        let of = ast::ExplainOf::Statement((*inner.statement).clone());
        let of_inner = Statement::Explain(Box::new(ast::Explain { of, ..explain.clone() }));
        let types = inner.compiled.parameters.iter().cloned().map(Some).collect();
        let mut prepared = self.compile(Arc::new(of_inner), types)?;
        // It takes none itself, and what the name stands for may change.
        Arc::make_mut(&mut prepared.compiled).parameters.clear();
        Ok(Prepared { statement: Arc::clone(statement), hints: Vec::new(), ..prepared })
    }

    /// EXECUTE's arguments as the values of the statement's parameters.
    pub(super) fn evaluate_arguments(
        &mut self,
        name: &str,
        inner: &Prepared,
        args: &[ast::Expr],
    ) -> Result<Row, Error> {
        if self.state == TransactionState::Failed {
            return Err(failed());
        }
        let expected = inner.compiled.parameters.len();
        if args.len() != expected {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message)
                .detail(format!("Expected {expected} parameters but got {}.", args.len())));
        }
        let context = self.context(Vec::new())?;
        let catalog = self.executor.catalog(&self.transaction);
        self.executor.evaluate(args, &inner.compiled.parameters, &context, &catalog, &self.interrupt)
    }
}

/// A list of identifiers, quoted where they must be.
fn quoted_list(names: &[String]) -> String {
    let is_plain = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let quoted = |name: &String| match is_plain(name) {
        true => name.clone(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The level that is asked for, as its parameter says it.
fn isolation(modes: &TransactionModes) -> Result<Option<&'static str>, Error> {
    Ok(match modes.isolation {
        None => None,
        Some(Isolation::ReadUncommitted) => Some("read uncommitted"),
        Some(Isolation::ReadCommitted) => Some("read committed"),
        Some(Isolation::RepeatableRead) => return Err(no_isolation("REPEATABLE READ")),
        Some(Isolation::Serializable) => return Err(no_isolation("SERIALIZABLE")),
    })
}

fn no_isolation(level: &str) -> Error {
    Error::unsupported(format!("ISOLATION LEVEL {level} is not supported"))
        .detail("Each statement of a block reads what was committed before it.")
        .hint("One statement reads all relations at one time, and what it writes is written at one.")
}
