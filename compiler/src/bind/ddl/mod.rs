//! CREATE: items as the catalog stores them, with canonical text.
//!
//! What every kind shares is here, with schemas; [`table`], [`stream`], [`changelog`], [`key`], [`sequence`] and [`view`](super::view) bind
//! the other kinds.

mod changelog;
mod key;
mod sequence;
mod stream;
mod table;

pub(super) use sequence::{OwnSequences, check_identity_type};

use super::bound::{Bound, Ddl, Step};
use super::{Binder, Purpose};
use crate::ast;
use crate::catalog::{Change, Column, Definition, Item, Kind, SYSTEM_SCHEMAS, Schema};
use crate::error::{Error, SqlState};
use crate::hir::Query;
use crate::mir::CollectionId;
use crate::plan::{Notice, Plan};

impl Binder<'_> {
    pub(super) fn bind_create_schema(&mut self, create: &ast::CreateSchema) -> Result<Bound, Error> {
        let name = &create.name.name;
        if self.catalog.schema(name).is_some() {
            let message = format!("schema \"{name}\" already exists");
            return self.exists(create.if_not_exists, SqlState::DUPLICATE_SCHEMA, message, "CREATE SCHEMA");
        }
        check_schema_name(name).map_err(|error| error.at(create.name.position))?;
        let schema = Schema { oid: self.catalog.next_id(), name: name.clone() };
        Ok(change("CREATE SCHEMA", vec![Step::Change(Change::CreateSchema(schema))]))
    }

    /// What exists already is an error, or with IF NOT EXISTS a notice.
    pub(super) fn exists(
        &mut self,
        skip: bool,
        code: SqlState,
        message: String,
        tag: &'static str,
    ) -> Result<Bound, Error> {
        if !skip {
            return Err(Error::new(code, message));
        }
        self.notice(Notice::new(code, format!("{message}, skipping")));
        Ok(Bound::Plan(Plan::Nothing { tag }))
    }

    /// The schema and the name of something that is to be created; None when it is there already.
    pub(super) fn new_name(&mut self, name: &ast::Name) -> Result<Result<(String, String), String>, Error> {
        let schema = match self.schema_of(name)? {
            Some(schema) => match self.catalog.schema(schema) {
                Some(schema) => schema.name.clone(),
                None => return Err(crate::catalog::undefined_schema(schema).at(name.position())),
            },
            None => match self.catalog.creation_schema(&self.context.search_path) {
                Some(schema) => schema.to_owned(),
                None => {
                    return Err(Error::new(
                        SqlState::INVALID_SCHEMA_NAME,
                        "no schema has been selected to create in",
                    )
                    .at(name.position()));
                }
            },
        };
        let last = &name.last().name;
        if SYSTEM_SCHEMAS.contains(&schema.as_str()) {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to create \"{schema}.{last}\""),
            )
            .detail("System catalog modifications are currently disallowed.")
            .at(name.position()));
        }
        Ok(match self.catalog.named(&schema, last) {
            Some(_) => Err(format!("relation \"{last}\" already exists")),
            None => Ok((schema, last.clone())),
        })
    }

    /// A query that is kept: its canonical text and what it means.
    pub(super) fn bind_definition(
        &mut self,
        query: &mut ast::Query,
        what: &'static str,
    ) -> Result<(Definition, Query), Error> {
        // What is kept is kept up to date, whether it is said or not.
        query.emit.take_if(|emit| *emit == ast::Emit::Changes);
        let before = std::mem::replace(&mut self.purpose, Purpose::Maintained(what));
        let bound = self.bind_query(query);
        self.purpose = before;
        let mut bound = bound?;
        self.settle_columns(&mut bound)?;
        Ok((self.definition(ast::print::query(query)), bound))
    }

    /// A text with the settings that it is written under.
    pub(super) fn definition(&self, sql: String) -> Definition {
        let settings = &self.context.settings;
        Definition {
            sql,
            time_zone: settings.timezone.name().to_owned(),
            date_style: settings.date_style.to_string(),
            interval_style: settings.interval_style.to_string(),
            recursion_limit: self.context.recursion_limit(),
        }
    }

    pub(super) fn new_item(&self, schema: String, name: String, kind: Kind) -> Item {
        Item {
            id: CollectionId(self.catalog.next_id()),
            schema,
            name,
            kind,
            depends_on: self.facts.depends_on.clone(),
            bound: Default::default(),
        }
    }
}

/// Refuses the names that are kept for the system.
pub(super) fn check_schema_name(name: &str) -> Result<(), Error> {
    match name.starts_with("pg_") {
        false => Ok(()),
        true => Err(Error::new(SqlState::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
            .detail("The prefix \"pg_\" is reserved for system schemas.")),
    }
}

pub(super) fn change(tag: &'static str, steps: Vec<Step>) -> Bound {
    Bound::Change(Ddl::new(tag, steps))
}

/// The columns of a query's result as those of an item; `names` replace the first ones.
pub(super) fn output_columns(
    query: &Query,
    names: &[ast::Ident],
    position: u32,
) -> Result<Vec<Column>, Error> {
    if names.len() > query.names.len() {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "CREATE VIEW specifies more column names than columns",
        )
        .at(names[query.names.len()].position));
    }
    let types = query.types();
    let mut columns: Vec<Column> = Vec::with_capacity(query.names.len());
    for (at, name) in query.names.iter().enumerate() {
        let (name, position) = names.get(at).map_or((name, position), |given| (&given.name, given.position));
        if columns.iter().any(|column| column.name == *name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
        }
        columns.push(Column::new(name.clone(), types[at].clone()));
    }
    Ok(columns)
}

/// `42710`.
pub(super) fn duplicate_constraint(name: &str, table: &str) -> Error {
    let message = format!("constraint \"{name}\" for relation \"{table}\" already exists");
    Error::new(SqlState::DUPLICATE_OBJECT, message)
}

pub(super) fn refuse_options(options: &[ast::Opt]) -> Result<(), Error> {
    match options.first() {
        Some(option) => {
            let message = format!("option \"{}\" is not supported", option.name.name);
            Err(Error::unsupported(message).at(option.name.position))
        }
        None => Ok(()),
    }
}
