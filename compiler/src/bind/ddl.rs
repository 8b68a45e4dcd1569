//! CREATE: items as the catalog stores them, with canonical text.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bound::{Bound, Ddl, Insert, Step, scalar};
use super::coerce::Typed;
use super::dml::item_column;
use super::scope::{Clause, Scope};
use super::{Binder, Purpose};
use crate::ast::{self, ColumnConstraintKind, ExprKind, StreamBody, TableBody, TableConstraintKind};
use crate::catalog::{
    Change, Column, Definition, Index, Item, Key, Kind, MaterializedView, SYSTEM_SCHEMAS, Schema, Stream,
    Table, nearest,
};
use crate::error::{Error, SqlState};
use crate::hir::{Expr, Query, Rel};
use crate::mir::CollectionId;
use crate::plan::{Notice, Plan};
use crate::repr::text::{self, TextSettings};
use crate::repr::{ColumnType, Type};

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

    pub(super) fn bind_create_table(&mut self, create: &mut ast::CreateTable) -> Result<Bound, Error> {
        refuse_table_clauses(create)?;
        let (schema, name) = match self.new_name(&create.name)? {
            Ok(name) => name,
            Err(message) => {
                return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, "CREATE TABLE");
            }
        };
        match &mut create.body {
            TableBody::Declared => {}
            TableBody::As { columns, query, with_data } => {
                return self.bind_create_table_as(schema, name, columns, query, *with_data);
            }
            TableBody::LatestOf { stream, .. } => {
                return Err(Error::unsupported("CREATE TABLE … FROM LATEST OF is not supported")
                    .at(stream.position()));
            }
        }
        let mut columns = self.bind_columns(&mut create.columns)?;
        let mut keys = Keys::new(self.catalog, &schema, &name);
        for definition in &create.columns {
            let column = position_of(&columns, &definition.name)?;
            for constraint in &definition.constraints {
                match &constraint.kind {
                    ColumnConstraintKind::PrimaryKey => {
                        keys.set_primary(constraint.name.as_ref(), vec![column], constraint.position)?;
                    }
                    ColumnConstraintKind::Unique { nulls_not_distinct } => {
                        refuse_nulls_not_distinct(*nulls_not_distinct, constraint.position)?;
                        keys.add_unique(constraint.name.as_ref(), vec![column], &columns);
                    }
                    _ => {}
                }
            }
        }
        for constraint in &create.constraints {
            let position = constraint.position;
            match &constraint.kind {
                TableConstraintKind::PrimaryKey(names) => {
                    keys.set_primary(constraint.name.as_ref(), key_columns(&columns, names)?, position)?;
                }
                TableConstraintKind::Unique { columns: names, nulls_not_distinct } => {
                    refuse_nulls_not_distinct(*nulls_not_distinct, position)?;
                    keys.add_unique(constraint.name.as_ref(), key_columns(&columns, names)?, &columns);
                }
                TableConstraintKind::Check(_) => return Err(unsupported_check(position)),
                TableConstraintKind::ForeignKey { .. } => return Err(unsupported_reference(position)),
            }
        }
        for column in keys.primary.iter().chain(&keys.uniques).flat_map(|key| &key.columns) {
            check_key_type(&columns[*column].typ.typ)?;
        }
        for column in keys.primary.iter().flat_map(|key| &key.columns) {
            columns[*column].typ.nullable = false;
        }
        Ok(change("CREATE TABLE", keys.into_steps(schema, name, columns)))
    }

    /// Column definitions of a table or a stream: types, NOT NULL and defaults; keys are the caller's.
    pub(super) fn bind_columns(
        &mut self,
        definitions: &mut [ast::ColumnDefinition],
    ) -> Result<Vec<Column>, Error> {
        let mut columns: Vec<Column> = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let name = &definition.name;
            if columns.iter().any(|column| column.name == name.name) {
                let message = format!("column \"{}\" specified more than once", name.name);
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(name.position));
            }
            if let Some(collation) = &definition.collation
                && !matches!(collation.last().name.as_str(), "C" | "POSIX" | "default")
            {
                return Err(Error::unsupported("collations are not supported")
                    .hint("Text is compared by its bytes: COLLATE \"C\".")
                    .at(collation.position()));
            }
            let typ = match serial(&definition.data_type) {
                true => {
                    return Err(Error::unsupported("serial columns are not supported")
                        .hint("Use an integer column and give its values.")
                        .at(definition.data_type.position));
                }
                false => self.bind_type(&definition.data_type)?,
            };
            columns.push(self.bind_column_constraints(
                name.name.clone(),
                typ,
                &mut definition.constraints,
            )?);
        }
        Ok(columns)
    }

    fn bind_column_constraints(
        &mut self,
        name: String,
        typ: Type,
        constraints: &mut [ast::ColumnConstraint],
    ) -> Result<Column, Error> {
        let mut column = Column::new(name, ColumnType::new(typ, true));
        for constraint in constraints {
            let position = constraint.position;
            match &mut constraint.kind {
                ColumnConstraintKind::NotNull => column.typ.nullable = false,
                ColumnConstraintKind::Null
                | ColumnConstraintKind::PrimaryKey
                | ColumnConstraintKind::Unique { .. } => {}
                ColumnConstraintKind::Default(expr) => {
                    if column.default.is_some() {
                        let message =
                            format!("multiple default values specified for column \"{}\"", column.name);
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
                    }
                    column.default = Some(self.bind_default_definition(&column, expr)?);
                }
                ColumnConstraintKind::Check(_) => return Err(unsupported_check(position)),
                ColumnConstraintKind::References(_) => return Err(unsupported_reference(position)),
                ColumnConstraintKind::Generated(_) | ColumnConstraintKind::Identity { .. } => {
                    return Err(Error::unsupported("generated columns are not supported").at(position));
                }
            }
        }
        Ok(column)
    }

    pub(super) fn bind_default_definition(
        &mut self,
        column: &Column,
        expr: &mut ast::Expr,
    ) -> Result<crate::catalog::Default, Error> {
        let position = expr.start();
        let (bound, _) = self
            .with_frame(Scope::default(), Clause::Default, |binder| binder.bind_expr(expr))
            .map_err(|error| match error.code {
                SqlState::UNDEFINED_COLUMN => {
                    Error::unsupported("cannot use column reference in DEFAULT expression").at(position)
                }
                _ => error,
            })?;
        if bound.has_subquery() {
            return Err(Error::unsupported("cannot use subquery in DEFAULT expression").at(position));
        }
        let value = self.assign(Typed { expr: bound, position }, &column.typ.typ, &column.name)?;
        if let Some(text) = frozen_literal(expr, &value, &column.typ.typ)? {
            expr.kind = ExprKind::Literal(ast::Literal::String(text));
        }
        Ok(crate::catalog::Default { sql: ast::print::expr(expr), expr: Some(Arc::new(expr.clone())) })
    }

    /// PostgreSQL's one-time copy of a query's rows; over a stream, or with EMIT CHANGES, a table that is kept up to date.
    fn bind_create_table_as(
        &mut self,
        schema: String,
        name: String,
        names: &[ast::Ident],
        query: &mut ast::Query,
        with_data: bool,
    ) -> Result<Bound, Error> {
        let position = query.position;
        if query.emit == Some(ast::Emit::Changes) {
            return self.bind_maintained_table(schema, name, names, query, with_data);
        }
        let as_written = query.clone();
        let mut bound = self.bind_query(query)?;
        self.settle_columns(&mut bound)?;
        if self.facts.depends_on.iter().any(|id| self.is_over_stream(*id)) {
            *query = as_written;
            return self.bind_maintained_table(schema, name, names, query, with_data);
        }
        let columns = output_columns(&bound, names, position)?;
        let columns =
            columns.into_iter().map(|column| Column { typ: ColumnType::new(column.typ.typ, true), ..column });
        let keys = Keys::new(self.catalog, &schema, &name);
        let id = keys.table;
        let steps = keys.into_steps(schema, name, columns.collect());
        let fill = Insert { table: id, source: bound, on_conflict: None, returning: None };
        let fill = with_data.then(|| Box::new(fill));
        Ok(Bound::Change(Ddl { fill, ..Ddl::new("SELECT", steps) }))
    }

    /// Whether it is a stream, or a view that stands for a query over one.
    fn is_over_stream(&self, id: CollectionId) -> bool {
        self.catalog.item(id).is_some_and(|item| match item.kind {
            Kind::Stream(_) => true,
            Kind::View(_) => item.depends_on.iter().any(|on| self.is_over_stream(*on)),
            _ => false,
        })
    }

    /// A materialized view that is told as a table.
    fn bind_maintained_table(
        &mut self,
        schema: String,
        name: String,
        names: &[ast::Ident],
        query: &mut ast::Query,
        with_data: bool,
    ) -> Result<Bound, Error> {
        let position = query.position;
        if !with_data {
            return Err(Error::unsupported(
                "WITH NO DATA is not supported for a table that is kept up to date",
            )
            .at(position));
        }
        let (definition, bound) = self.bind_definition(query, "table")?;
        let columns = output_columns(&bound, names, position)?;
        let message = format!("table \"{name}\" is kept up to date with its query and cannot be written to");
        self.notice(
            Notice::new(SqlState::SUCCESSFUL_COMPLETION, message)
                .hint("CREATE TABLE … AS over tables alone copies once, unless it ends in EMIT CHANGES.")
                .once(),
        );
        let kind = Kind::MaterializedView(MaterializedView { columns, definition, table: true });
        let item = self.new_item(schema, name, kind);
        Ok(change("CREATE TABLE", vec![Step::Create(Box::new(item))]))
    }

    pub(super) fn bind_create_stream(&mut self, create: &mut ast::CreateStream) -> Result<Bound, Error> {
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
            matches!(constraint.kind, ColumnConstraintKind::PrimaryKey | ColumnConstraintKind::Unique { .. })
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
        let settings = &self.context.settings;
        let definition = Definition {
            sql: ast::print::query(query),
            time_zone: settings.timezone.name().to_owned(),
            date_style: settings.date_style.to_string(),
            interval_style: settings.interval_style.to_string(),
        };
        Ok((definition, bound))
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

    pub(super) fn bind_create_index(&mut self, create: &mut ast::CreateIndex) -> Result<Bound, Error> {
        refuse_index_clauses(create)?;
        let on = self.resolve_relation(&mut create.on)?;
        if let Kind::System(_) = on.kind {
            let message = format!("permission denied: \"{}\" is a system catalog", on.name);
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).at(create.on.position()));
        }
        if let Kind::View(_) = on.kind {
            let message = format!("cannot create index on relation \"{}\"", on.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for views.")
                .hint("Create a materialized view; it can be indexed.")
                .at(create.on.position()));
        }
        let mut key = Vec::with_capacity(create.keys.len());
        for part in &create.keys {
            match &part.expr.kind {
                ast::ExprKind::Column(name) if name.qualifier().is_empty() => {
                    // PostgreSQL does not say here of which relation.
                    let name = name.last();
                    let undefined = |mut error: Error| {
                        error.message = format!("column \"{}\" does not exist", name.name);
                        error
                    };
                    key.push(item_column(&on, name).map_err(undefined)?)
                }
                _ => {
                    return Err(Error::unsupported("indexes on expressions are not supported")
                        .hint("Index a materialized view that has the expression as a column.")
                        .at(part.expr.start()));
                }
            }
        }
        key.iter().try_for_each(|column| check_key_type(&on.columns()[*column].typ.typ))?;
        let name = match &create.name {
            Some(name) => name.name.clone(),
            None => {
                let columns = key.iter().map(|column| on.columns()[*column].name.as_str());
                free_name(self.catalog, &on.schema, &on.name, columns, "idx", &[])
            }
        };
        if self.catalog.named(&on.schema, &name).is_some() {
            let message = format!("relation \"{name}\" already exists");
            return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, "CREATE INDEX");
        }
        let index = Index { on: on.id, key, constraint: false };
        let mut item = self.new_item(on.schema.clone(), name, Kind::Index(index));
        item.depends_on = BTreeSet::from([on.id]);
        Ok(change("CREATE INDEX", vec![Step::Create(Box::new(item))]))
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

/// A table's constraints as they are gathered, with the oids they take after the table's own.
struct Keys<'a> {
    catalog: &'a crate::catalog::Catalog,
    schema: String,
    table_name: String,
    table: CollectionId,
    next: u64,
    primary: Option<Key>,
    uniques: Vec<Key>,
}

impl<'a> Keys<'a> {
    fn new(catalog: &'a crate::catalog::Catalog, schema: &str, table: &str) -> Keys<'a> {
        let id = catalog.next_id();
        Keys {
            catalog,
            schema: schema.to_owned(),
            table_name: table.to_owned(),
            table: CollectionId(id),
            next: id + 1,
            primary: None,
            uniques: Vec::new(),
        }
    }

    fn oid(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn taken(&self) -> Vec<String> {
        self.primary.iter().chain(&self.uniques).map(|key| key.name.clone()).collect()
    }

    fn set_primary(
        &mut self,
        name: Option<&ast::Ident>,
        columns: Vec<usize>,
        position: u32,
    ) -> Result<(), Error> {
        if self.primary.is_some() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", self.table_name);
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(position));
        }
        let name = match name {
            Some(name) => name.name.clone(),
            None => free_name(self.catalog, &self.schema, &self.table_name, [], "pkey", &self.taken()),
        };
        self.primary = Some(Key { oid: self.oid(), name, columns });
        Ok(())
    }

    fn add_unique(&mut self, name: Option<&ast::Ident>, key: Vec<usize>, columns: &[Column]) {
        let name = match name {
            Some(name) => name.name.clone(),
            None => {
                let names = key.iter().map(|column| columns[*column].name.as_str());
                free_name(self.catalog, &self.schema, &self.table_name, names, "key", &self.taken())
            }
        };
        let oid = self.oid();
        self.uniques.push(Key { oid, name, columns: key });
    }

    /// The table, then the index that serves each UNIQUE constraint.
    fn into_steps(mut self, schema: String, name: String, columns: Vec<Column>) -> Vec<Step> {
        let create = |item: Item| Step::Create(Box::new(item));
        let uniques = std::mem::take(&mut self.uniques);
        let table = Table { columns, primary_key: self.primary.take(), uniques: uniques.clone() };
        let mut steps = vec![create(Item {
            id: self.table,
            schema: schema.clone(),
            name,
            kind: Kind::Table(table),
            depends_on: BTreeSet::new(),
            bound: Default::default(),
        })];
        for unique in uniques {
            steps.push(create(Item {
                id: CollectionId(self.oid()),
                schema: schema.clone(),
                name: unique.name,
                kind: Kind::Index(Index { on: self.table, key: unique.columns, constraint: true }),
                depends_on: BTreeSet::from([self.table]),
                bound: Default::default(),
            }));
        }
        steps
    }
}

/// `table_columns_suffix`, with a number if that is taken.
fn free_name<'n>(
    catalog: &crate::catalog::Catalog,
    schema: &str,
    table: &'n str,
    columns: impl IntoIterator<Item = &'n str>,
    suffix: &'n str,
    taken: &[String],
) -> String {
    let parts = std::iter::once(table).chain(columns).chain([suffix]);
    let base = parts.collect::<Vec<_>>().join("_");
    let free = |name: &String| catalog.named(schema, name).is_none() && !taken.contains(name);
    let numbered = (1..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(free)
        .expect("invariant: there are more numbers than names")
}

fn position_of(columns: &[Column], name: &ast::Ident) -> Result<usize, Error> {
    columns.iter().position(|column| column.name == name.name).ok_or_else(|| {
        let message = format!("column \"{}\" named in key does not exist", name.name);
        Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position)
    })
}

/// `42704` for a key whose values cannot be compared.
fn check_key_type(typ: &Type) -> Result<(), Error> {
    if typ.is_comparable() {
        return Ok(());
    }
    let message = format!("data type {typ} has no default operator class for access method \"btree\"");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
        .hint("You must specify an operator class for the index or define a default operator class for the data type."))
}

fn key_columns(columns: &[Column], names: &[ast::Ident]) -> Result<Vec<usize>, Error> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let column = position_of(columns, name)?;
        if key.contains(&column) {
            let message = format!("column \"{}\" appears twice in a key", name.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(name.position));
        }
        key.push(column);
    }
    Ok(key)
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
    let types = query.rel.types();
    let mut columns: Vec<Column> = Vec::with_capacity(query.names.len());
    for (at, name) in query.names.iter().enumerate() {
        let (name, position) = names.get(at).map_or((name, position), |given| (&given.name, given.position));
        if columns.iter().any(|column| column.name == *name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
        }
        columns.push(Column::new(name.clone(), types[query.project[at]].clone()));
    }
    Ok(columns)
}

/// The text by which every session reads the value of a literal, where the settings of this one say what its own text means.
fn frozen_literal(expr: &ast::Expr, value: &Expr, typ: &Type) -> Result<Option<String>, Error> {
    let is_literal = match &expr.kind {
        ExprKind::Literal(ast::Literal::String(_)) => true,
        ExprKind::Cast { operand, .. } => matches!(operand.kind, ExprKind::Literal(ast::Literal::String(_))),
        _ => false,
    };
    let dated = typ.is_datetime() || matches!(typ, Type::Interval(_));
    let Some(value) = scalar(value).filter(|_| is_literal && dated) else { return Ok(None) };
    let mut out = String::new();
    text::format(value.eval(&[], &bumpalo::Bump::new())?, typ, &TextSettings::default(), &mut out);
    Ok(Some(out))
}

fn serial(typ: &ast::TypeName) -> bool {
    matches!(
        typ.name.last().name.as_str(),
        "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial"
    )
}

fn unsupported_check(position: u32) -> Error {
    Error::unsupported("CHECK constraints are not supported").at(position)
}

fn unsupported_reference(position: u32) -> Error {
    Error::unsupported("foreign keys are not supported")
        .hint("Leave REFERENCES out; join on the columns.")
        .at(position)
}

fn refuse_nulls_not_distinct(nulls_not_distinct: bool, position: u32) -> Result<(), Error> {
    match nulls_not_distinct {
        true => Err(Error::unsupported("NULLS NOT DISTINCT is not supported").at(position)),
        false => Ok(()),
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

pub(super) fn refuse_options(options: &[ast::Opt]) -> Result<(), Error> {
    match options.first() {
        Some(option) => {
            let message = format!("option \"{}\" is not supported", option.name.name);
            Err(Error::unsupported(message).at(option.name.position))
        }
        None => Ok(()),
    }
}

fn refuse_table_clauses(create: &ast::CreateTable) -> Result<(), Error> {
    if let Some(persistence) = &create.persistence {
        let message = format!("{} tables are not supported", persistence.name.to_uppercase());
        return Err(Error::unsupported(message).at(persistence.position));
    }
    if let Some(like) = create.like.first() {
        return Err(Error::unsupported("LIKE in CREATE TABLE is not supported").at(like.position()));
    }
    refuse_options(&create.options)
}

fn refuse_index_clauses(create: &ast::CreateIndex) -> Result<(), Error> {
    let refuse =
        |what: &str, position: u32| Err(Error::unsupported(format!("{what} is not supported")).at(position));
    if create.unique {
        return Err(Error::unsupported("CREATE UNIQUE INDEX is not supported")
            .hint("Declare a UNIQUE constraint when the table is created.")
            .at(create.position));
    }
    if let Some(method) = create.method.as_ref().filter(|method| method.name != "btree") {
        let message = format!("access method \"{}\" does not exist", method.name);
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(method.position));
    }
    if let Some(include) = create.include.first() {
        return refuse("INCLUDE", include.position);
    }
    if let Some(filter) = &create.filter {
        return Err(Error::unsupported("partial indexes are not supported")
            .hint("Index a materialized view that has the filter.")
            .at(filter.start()));
    }
    refuse_options(&create.options)
}
