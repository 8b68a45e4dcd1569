//! Streams: declared ones, and those that are derived from one stream's rows.

use std::collections::BTreeSet;

use super::changelog::{changes_of, check_names};
use super::{OwnSequences, change, output_columns};
use crate::ast::{self, ColumnConstraintKind, StreamBody};
use crate::bind::Binder;
use crate::bind::bound::{Bound, Ddl, Step};
use crate::catalog::{Column, Kind, Stream, nearest};
use crate::error::{Error, SqlState};
use crate::hir::{Query, Rel};
use crate::mir::CollectionId;
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
                let id = self.catalog.next_id();
                let mut own = OwnSequences::new(CollectionId(id), &schema, &name, id + 1);
                let columns = self.bind_columns(&mut create.columns, 0, &mut own)?;
                let timestamp = timestamp.map(|option| timestamp_column(&columns, option)).transpose()?;
                let stream = Stream { columns, derived: None, timestamp };
                let mut item = self.new_item(schema, name, Kind::Stream(stream));
                item.depends_on = BTreeSet::new();
                let mut steps = vec![Step::Create(Box::new(item))];
                let (created, sequences) = own.into_steps();
                steps.extend(created);
                Ok(Bound::Change(Ddl { sequences, ..Ddl::new("CREATE STREAM", steps) }))
            }
            StreamBody::As(query) => self.bind_derived_stream(schema, name, query, timestamp),
            StreamBody::ChangesOf(relation) => {
                let item = self.resolve_relation(relation)?;
                check_names(&item).map_err(|error| error.at(relation.position()))?;
                self.bind_derived_stream(schema, name, &mut changes_of(relation), timestamp)
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
            return Err(self.not_a_stream(&bound).at(position));
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

    /// Says what stands in the way of a stream, and the two cures.
    fn not_a_stream(&self, query: &Query) -> Error {
        let detail = match self.revises(query) {
            Some(what) => format!("{what} revises rows that it has given; a stream only ever grows."),
            None => {
                "A stream only ever grows, so its rows may depend on one row of one stream each.".to_owned()
            }
        };
        Error::unsupported("CREATE STREAM … AS takes one stream's rows, filtered, projected and joined with tables as they arrive")
            .detail(detail)
            .hint("CREATE TABLE … AS … EMIT CHANGES keeps it up to date; CREATE STREAM … FROM CHANGES OF that table has its changes as rows.")
    }

    /// The clause of a query whose rows do not stay.
    fn revises(&self, query: &Query) -> Option<&'static str> {
        if query.limit.is_some() || query.offset.is_some() {
            return Some("LIMIT");
        }
        let mut rel = &query.rel;
        loop {
            rel = match rel {
                Rel::Project { input, .. } | Rel::Map { input, .. } | Rel::Filter { input, .. } => input,
                Rel::Lookup { input, .. } => input,
                Rel::Reduce { key, .. } if key.is_empty() => return Some("an aggregate"),
                Rel::Reduce { .. } | Rel::GroupingSets { .. } => return Some("GROUP BY"),
                Rel::Distinct { .. } => return Some("DISTINCT"),
                Rel::TopK { .. } => return Some("ORDER BY with LIMIT or DISTINCT ON"),
                Rel::Window { .. } => return Some("a window function"),
                Rel::SetOp { .. } => return Some("INTERSECT or EXCEPT"),
                Rel::Get { id, .. } | Rel::View { id, .. } => {
                    let item = self.catalog.item(*id).filter(|item| !item.is_append_only())?;
                    return Some(match item.kind_name() {
                        "table" => "a table",
                        "view" => "a view",
                        _ => "a materialized view",
                    });
                }
                _ => return None,
            };
        }
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
                Rel::Lookup { input, table, .. } if !self.has_kept_changes(table) => input,
                Rel::Changes { .. } => return true,
                Rel::Get { id, .. } => {
                    return self.catalog.item(*id).is_some_and(|item| item.is_append_only());
                }
                _ => return false,
            };
        }
    }
}

impl Binder<'_> {
    /// Whether it reads a changelog that is there only as this stream keeps it: nothing can be looked up in that.
    fn has_kept_changes(&self, rel: &Rel) -> bool {
        let mut found = false;
        rel.for_each_rel(&mut |rel| {
            if let Rel::Changes { input } = rel {
                found |= !matches!(&**input, Rel::Get { id, .. }
                    if self.catalog.item(*id).is_some_and(|item| item.is_append_only()));
            }
        });
        found
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
