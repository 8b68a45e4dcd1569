//! Streams: declared ones, and those that are derived from one stream's rows.

use super::{change, output_columns};
use crate::ast::{self, ColumnConstraintKind, StreamBody};
use crate::bind::Binder;
use crate::bind::bound::{Bound, Step};
use crate::catalog::{Column, Kind, Stream, nearest};
use crate::error::{Error, SqlState};
use crate::hir::{Query, Rel};
use crate::repr::Type;

impl Binder<'_> {
    pub(in crate::bind) fn bind_create_stream(
        &mut self,
        create: &mut ast::CreateStream,
    ) -> Result<Bound, Error> {
        if create.or_replace {
            return Err(Error::unsupported("CREATE OR REPLACE STREAM is not supported").at(create.position));
        }
        let timestamp = timestamp_option(&create.options)?;
        let (schema, name) = match self.new_name(&create.name)? {
            Ok(name) => name,
            Err(message) => {
                return self.exists(
                    create.if_not_exists,
                    SqlState::DUPLICATE_TABLE,
                    message,
                    "CREATE STREAM",
                );
            }
        };
        let key = |constraint: &&ast::ColumnConstraint| {
            matches!(
                constraint.kind,
                ColumnConstraintKind::PrimaryKey
                    | ColumnConstraintKind::Unique { .. }
                    | ColumnConstraintKind::Check(_)
            )
        };
        let key = create.columns.iter().flat_map(|column| &column.constraints).find(key).map(|c| c.position);
        if let Some(position) = key.or(create.constraints.first().map(|c| c.position)) {
            return Err(Error::unsupported("a stream has no keys or other constraints")
                .detail("A stream is append-only and keeps every row.")
                .hint("Keep rows by a key in a table, or group the stream in a materialized view.")
                .at(position));
        }
        match &mut create.body {
            StreamBody::Declared => {
                let columns = self.bind_columns(&mut create.columns)?;
                let timestamp = timestamp.map(|option| timestamp_column(&columns, option)).transpose()?;
                let stream = Stream { columns, derived: None, timestamp };
                let item = self.new_item(schema, name, Kind::Stream(stream));
                Ok(change("CREATE STREAM", vec![Step::Create(Box::new(item))]))
            }
            StreamBody::As(query) => self.bind_derived_stream(schema, name, query, timestamp),
            StreamBody::ChangesOf(relation) => {
                Err(Error::unsupported("CREATE STREAM … FROM CHANGES OF is not supported")
                    .at(relation.position()))
            }
        }
    }

    fn bind_derived_stream(
        &mut self,
        schema: String,
        name: String,
        query: &mut ast::Query,
        timestamp: Option<&ast::Opt>,
    ) -> Result<Bound, Error> {
        let position = query.position;
        let (definition, mut bound) = self.bind_definition(query, "stream")?;
        self.join_at_arrival(&mut bound.rel).map_err(|error| error.at(position))?;
        if !self.is_from_stream(&bound) {
            return Err(Error::unsupported("CREATE STREAM … AS takes one stream's rows, filtered, projected and joined with tables as they arrive")
                .detail("A stream only ever grows, so its rows may depend on one row of one stream each.")
                .hint("CREATE MATERIALIZED VIEW keeps any query up to date.")
                .at(position));
        }
        let columns = output_columns(&bound, &[], position)?;
        let timestamp = match timestamp {
            Some(option) => Some(timestamp_column(&columns, option)?),
            None => bound.project.iter().position(|column| self.is_event_time(&bound.rel, *column)),
        };
        let stream = Stream { columns, derived: Some(definition), timestamp };
        let item = self.new_item(schema, name, Kind::Stream(stream));
        Ok(change("CREATE STREAM", vec![Step::Create(Box::new(item))]))
    }

    /// Whether each row of the query comes from one row of one stream.
    fn is_from_stream(&self, query: &Query) -> bool {
        if query.limit.is_some() || query.offset.is_some() {
            return false;
        }
        let mut rel = &query.rel;
        loop {
            rel = match rel {
                Rel::Project { input, .. } => input,
                Rel::Map { input, exprs } if exprs.iter().all(|e| !e.has_subquery()) => input,
                Rel::Filter { input, predicates } if predicates.iter().all(|e| !e.has_subquery()) => input,
                Rel::Lookup { input, .. } => input,
                Rel::Get { id, .. } => {
                    return self.catalog.item(*id).is_some_and(|item| item.is_append_only());
                }
                _ => return false,
            };
        }
    }
}

/// `WITH (TIMESTAMP = 'column')`, a stream's only option.
fn timestamp_option(options: &[ast::Opt]) -> Result<Option<&ast::Opt>, Error> {
    let (timestamps, others): (Vec<&ast::Opt>, Vec<&ast::Opt>) =
        options.iter().partition(|option| option.name.name == "timestamp");
    if let Some(other) = others.first() {
        let message = format!("option \"{}\" is not supported", other.name.name);
        return Err(Error::unsupported(message)
            .hint("A stream takes TIMESTAMP = 'column': when its events were.")
            .at(other.name.position));
    }
    if let Some(second) = timestamps.get(1) {
        let message = "conflicting or redundant options";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(second.name.position));
    }
    Ok(timestamps.first().copied())
}

/// The column that the option names: a time, or milliseconds since 1970 as integers.
fn timestamp_column(columns: &[Column], option: &ast::Opt) -> Result<usize, Error> {
    let name = option.text()?;
    let named = |name: &str| columns.iter().position(|column| column.name == name);
    let Some(found) = named(name).or_else(|| named(&name.to_lowercase())) else {
        let message = format!("column \"{name}\" named in TIMESTAMP does not exist");
        let error = Error::new(SqlState::UNDEFINED_COLUMN, message).at(option.name.position);
        return Err(match nearest(name, columns.iter().map(|column| column.name.as_str())) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        });
    };
    match columns[found].typ.typ {
        Type::Timestamp(_) | Type::TimestampTz(_) | Type::Int8 => Ok(found),
        _ => {
            let typ = columns[found].typ.typ.name();
            let message = format!("the time of an event cannot be of type {typ}");
            Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                .hint("TIMESTAMP takes a timestamp, or a bigint: milliseconds since 1970.")
                .at(option.name.position))
        }
    }
}
