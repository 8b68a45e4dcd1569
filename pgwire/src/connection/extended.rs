//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync.
//!
//! All messages up to a Sync are one transaction, unless a block is open. After an error nothing is answered until Sync.

use std::sync::Arc;

use bytes::Bytes;
use compiler::repr::Type;
use compiler::{Error, SqlState};

use super::rows::formats;
use super::{BYTES_AT_ONCE, Connection, Ended, Failure, violation};
use crate::encode::{Format, decode_parameters};
use crate::execute::beside_the_reactor;
use crate::message::{BackendMessage, Bind, FrontendMessage, Target};
use crate::session::{Answer, Portal, PortalKind, PortalState, Prepared, ResultRows};

impl Connection {
    pub(super) async fn sync(&mut self) -> Result<(), Ended> {
        self.skipping = false;
        if let Err(error) = self.session.end_implicit().await {
            self.report(error);
        }
        self.ready().await
    }

    pub(super) async fn extended(&mut self, message: FrontendMessage) -> Result<(), Failure> {
        match message {
            FrontendMessage::Parse { name, sql, parameter_types } => {
                self.parse(name, &sql, &parameter_types)?
            }
            FrontendMessage::Bind(bind) => self.bind(bind)?,
            FrontendMessage::Describe(Target::Statement(name)) => self.describe_statement(&name)?,
            FrontendMessage::Describe(Target::Portal(name)) => self.describe_portal(&name)?,
            FrontendMessage::Execute { portal, rows_max } => self.execute(portal, rows_max).await?,
            FrontendMessage::Close(target) => {
                match target {
                    Target::Statement(name) => self.session.forget_statement(&name),
                    Target::Portal(name) => self.session.close_portal(&name),
                }
                self.out.put(BackendMessage::CloseComplete);
            }
            _ => unreachable!("invariant: Connection::message passes on messages of the extended protocol"),
        }
        Ok(())
    }

    fn parse(&mut self, name: String, sql: &str, parameter_types: &[u32]) -> Result<(), Error> {
        if name.is_empty() {
            self.session.forget_statement("");
        }
        let is_long = sql.len() > BYTES_AT_ONCE;
        let mut statements = beside_the_reactor(is_long, || self.session.parse(sql))?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let hints = parameter_types.iter().map(|oid| hint(*oid)).collect::<Result<Vec<_>, _>>()?;
        let prepared = match statements.pop() {
            None => None,
            Some(statement) => {
                self.session.check_not_failed(&statement.node)?;
                let statement = Arc::new(statement.node);
                Some(beside_the_reactor(is_long, || self.session.compile(statement, hints))?)
            }
        };
        self.session.keep(name, prepared)?;
        self.out.put(BackendMessage::ParseComplete);
        Ok(())
    }

    /// For each parameter that names a catalog entry in text, the entry's number; nothing at all where none can.
    fn entry_numbers(&self, bind: &Bind, types: &[Type]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if !types.iter().any(Type::is_reg) {
            return Ok(Vec::new());
        }
        let names = self.session.entry_names();
        let number = |(index, (value, typ)): (usize, (&Option<Bytes>, &Type))| match value {
            Some(value) if Format::at(&bind.parameter_formats, index)? == Format::Text => {
                names.number(typ, value)
            }
            _ => Ok(None),
        };
        bind.parameters.iter().zip(types).enumerate().map(number).collect()
    }

    fn bind(&mut self, bind: Bind) -> Result<(), Error> {
        let prepared = self.session.statement_to_bind(&bind.statement)?;
        let types = prepared.as_ref().map_or(&[][..], |prepared| &prepared.compiled.parameters);
        check_counts(&bind, types.len())?;
        let numbers = self.entry_numbers(&bind, types)?;
        let parameters = bind.parameters.iter().enumerate().map(|(index, value)| {
            let number = numbers.get(index).and_then(Option::as_deref);
            number.or(value.as_deref())
        });
        let (formats_of, settings) = (&bind.parameter_formats, self.session.settings());
        let bytes: usize = bind.parameters.iter().flatten().map(Bytes::len).sum();
        let values = beside_the_reactor(bytes > BYTES_AT_ONCE, || {
            decode_parameters(types, formats_of, parameters, &settings)
        })?;
        let portal = Portal {
            prepared,
            values,
            formats: bind.result_formats,
            state: PortalState::Bound,
            kind: PortalKind::Protocol,
        };
        if let Some(columns) = self.session.portal_columns(&portal) {
            formats(&portal.formats, columns.len(), false)?;
        }
        if bind.portal.is_empty() {
            self.session.close_portal("");
        }
        self.session.bind(bind.portal, portal)?;
        self.out.put(BackendMessage::BindComplete);
        Ok(())
    }

    fn describe_statement(&mut self, name: &str) -> Result<(), Error> {
        let prepared = self.session.statement(name)?.clone();
        let types = prepared.as_ref().map_or(&[][..], |prepared| &prepared.compiled.parameters);
        let oids: Vec<u32> = types.iter().map(Type::oid).collect();
        self.out.put(BackendMessage::ParameterDescription(&oids));
        let binary = prepared.as_ref().is_some_and(|prepared| self.session.fetches_binary(prepared));
        match prepared.and_then(|prepared| self.session.columns(&prepared)) {
            Some(columns) => self.describe_rows(&columns, &formats(&[], columns.len(), binary)?),
            None => self.out.put(BackendMessage::NoData),
        }
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Result<(), Error> {
        let portal = self.session.portal(name)?;
        let binary = match &portal.state {
            PortalState::Open(open) => open.binary,
            _ => portal.prepared.as_ref().is_some_and(|prepared| self.session.fetches_binary(prepared)),
        };
        let described = match self.session.portal_columns(portal) {
            Some(columns) => Some((formats(&portal.formats, columns.len(), binary)?, columns)),
            None => None,
        };
        match described {
            Some((formats, columns)) => self.describe_rows(&columns, &formats),
            None => self.out.put(BackendMessage::NoData),
        }
        Ok(())
    }

    async fn execute(&mut self, name: String, rows_max: i32) -> Result<(), Failure> {
        let _timer = self.begin_statement();
        let mut portal = self.session.take_portal(&name)?;
        let limit = u64::try_from(rows_max).ok().filter(|limit| *limit > 0);
        let state = std::mem::replace(&mut portal.state, PortalState::Done);
        let tag = match (state, &portal.prepared) {
            (_, None) => {
                self.out.put(BackendMessage::EmptyQueryResponse);
                self.session.put_portal(name, portal);
                return Ok(());
            }
            (PortalState::Done, _) => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message).into());
            }
            (PortalState::Open(result), _) => return self.continue_portal(name, portal, result, limit).await,
            (PortalState::Bound, Some(prepared)) => {
                let prepared: Arc<Prepared> = Arc::clone(prepared);
                match self.session.start(&prepared, &portal.values).await? {
                    Answer::Rows(result) => return self.continue_portal(name, portal, result, limit).await,
                    Answer::Done(tag) => tag.text(0),
                    Answer::CopyIn(copy) => self.copy_in(copy).await?,
                    Answer::CopyOut(copy) => self.copy_out(*copy).await?,
                }
            }
        };
        self.say_notices();
        self.out.put(BackendMessage::CommandComplete(&tag));
        self.session.put_portal(name, portal);
        Ok(())
    }

    /// Sends the next rows of a portal, and says whether that was all.
    async fn continue_portal(
        &mut self,
        name: String,
        mut portal: Portal,
        mut result: ResultRows,
        limit: Option<u64>,
    ) -> Result<(), Failure> {
        let formats = formats(&portal.formats, result.columns.len(), result.binary)?;
        let sent = self.send_rows(&mut result, formats, limit).await?;
        self.say_notices();
        match sent.suspended {
            true => self.out.put(BackendMessage::PortalSuspended),
            false => self.out.put(BackendMessage::CommandComplete(&result.tag.text(sent.rows))),
        }
        portal.state = PortalState::Open(result);
        self.session.put_portal(name, portal);
        Ok(())
    }
}

/// The type that a client declares for a parameter, if it does.
fn hint(oid: u32) -> Result<Option<Type>, Error> {
    if oid == 0 {
        return Ok(None);
    }
    match Type::from_oid(oid, -1) {
        Some(Type::Unknown) => Ok(None),
        Some(typ) => Ok(Some(typ)),
        None => Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))),
    }
}

fn check_counts(bind: &Bind, expected: usize) -> Result<(), Error> {
    let (formats, given) = (bind.parameter_formats.len(), bind.parameters.len());
    if formats > 1 && formats != given {
        return Err(violation(format!(
            "bind message has {formats} parameter formats but {given} parameters"
        )));
    }
    if given != expected {
        return Err(violation(format!(
            "bind message supplies {given} parameters, but prepared statement \"{}\" requires {expected}",
            bind.statement
        )));
    }
    Ok(())
}
