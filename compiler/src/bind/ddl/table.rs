//! Tables: their columns and constraints, and those that are made of a query.

use std::sync::Arc;

use super::changelog::LatestOf;
use super::key::{Keys, check_key_type, key_columns, position_of};
use super::sequence::serial;
use super::{OwnSequences, change, output_columns, refuse_options};
use crate::ast::{self, ColumnConstraintKind, ExprKind, TableBody, TableConstraintKind};
use crate::bind::Binder;
use crate::bind::bound::{Bound, Ddl, Insert, Step, scalar};
use crate::bind::coerce::Typed;
use crate::bind::scope::{Clause, Scope};
use crate::catalog::{Column, Item, Kind, MaterializedView};
use crate::error::{Error, SqlState};
use crate::hir::Expr;
use crate::mir::CollectionId;
use crate::plan::Notice;
use crate::repr::text::{self, TextSettings};
use crate::repr::{Arena, ColumnType, Type};

/// `CREATE TABLE name [(names)] AS query`.
pub(super) struct TableAs<'a> {
    pub schema: String,
    pub name: String,
    pub names: &'a [ast::Ident],
    pub query: &'a mut ast::Query,
    pub with_data: bool,
}

impl Binder<'_> {
    pub(in crate::bind) fn bind_create_table(
        &mut self,
        create: &mut ast::CreateTable,
    ) -> Result<Bound, Error> {
        refuse_table_clauses(create)?;
        if !matches!(create.body, TableBody::LatestOf { .. }) {
            refuse_options(&create.options)?;
        }
        let (schema, name) = match self.new_name(&create.name)? {
            Ok(name) => name,
            Err(message) => {
                return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, "CREATE TABLE");
            }
        };
        match &mut create.body {
            TableBody::Declared => {}
            TableBody::As { columns, query, with_data } => {
                let with_data = *with_data;
                return self.bind_table_as(TableAs { schema, name, names: columns, query, with_data });
            }
            TableBody::LatestOf { stream, key } => {
                let options = &create.options;
                return self.bind_latest_of(LatestOf { schema, name, stream, key, options });
            }
        }
        let mut keys = Keys::new(self.catalog, &schema, &name);
        let mut own = OwnSequences::new(keys.table, &schema, &name, keys.next);
        let mut columns = self.bind_columns(&mut create.columns, 0, &mut own)?;
        keys.next = own.next;
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
                TableConstraintKind::Check(_) => {}
                TableConstraintKind::ForeignKey { .. } => return Err(unsupported_reference(position)),
            }
        }
        for column in keys.primary.iter().chain(&keys.uniques).flat_map(|key| &key.columns) {
            check_key_type(&columns[*column].typ.typ)?;
        }
        for column in keys.primary.iter().flat_map(|key| &key.columns) {
            columns[*column].typ.nullable = false;
        }
        self.bind_checks(create, &columns, &mut keys)?;
        let mut steps = keys.into_steps(schema, name, columns);
        let (created, sequences) = own.into_steps();
        steps.extend(created);
        Ok(Bound::Change(Ddl { sequences, ..Ddl::new("CREATE TABLE", steps) }))
    }

    /// The CHECK constraints of columns, then those of the table.
    fn bind_checks(
        &mut self,
        create: &mut ast::CreateTable,
        columns: &[Column],
        keys: &mut Keys<'_>,
    ) -> Result<(), Error> {
        let table = create.name.last().name.clone();
        let of_columns = create.columns.iter_mut().flat_map(|column| &mut column.constraints);
        let of_columns = of_columns.filter_map(|constraint| match &mut constraint.kind {
            ColumnConstraintKind::Check(expr) => Some((constraint.name.as_ref(), expr)),
            _ => None,
        });
        let of_table = create.constraints.iter_mut().filter_map(|constraint| match &mut constraint.kind {
            TableConstraintKind::Check(expr) => Some((constraint.name.as_ref(), expr)),
            _ => None,
        });
        for (name, expr) in of_columns.chain(of_table) {
            let taken = |name: &str| keys.names().any(|known| known == name);
            let (check, _) = self.bind_check_constraint(&table, columns, name, expr, &taken)?;
            keys.add_check(check)?;
        }
        Ok(())
    }

    /// Column definitions of a table or a stream, from its column `first` on: types, NOT NULL and defaults, with the sequences that
    /// give values; keys are the caller's.
    pub(in crate::bind) fn bind_columns(
        &mut self,
        definitions: &mut [ast::ColumnDefinition],
        first: usize,
        own: &mut OwnSequences,
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
            let serial = serial(&definition.data_type);
            if serial.is_some() && definition.data_type.dimensions > 0 {
                return Err(Error::unsupported("array of serial is not implemented")
                    .at(definition.data_type.position));
            }
            let typ = match &serial {
                Some(typ) => typ.clone(),
                None => self.bind_type(&definition.data_type)?,
            };
            let mut column = Column::new(name.name.clone(), ColumnType::new(typ, true));
            let at = first + columns.len();
            if serial.is_some() {
                self.make_serial(&mut column, at, own);
            }
            self.bind_column_constraints(&mut column, at, &mut definition.constraints, own)?;
            columns.push(column);
        }
        Ok(columns)
    }

    fn bind_column_constraints(
        &mut self,
        column: &mut Column,
        at: usize,
        constraints: &mut [ast::ColumnConstraint],
        own: &mut OwnSequences,
    ) -> Result<(), Error> {
        let mut declared = (!column.typ.nullable).then_some(false);
        for constraint in constraints.iter_mut() {
            let position = constraint.position;
            match &mut constraint.kind {
                ColumnConstraintKind::NotNull | ColumnConstraintKind::Null => {
                    column.typ.nullable = constraint.kind == ColumnConstraintKind::Null;
                    if declared
                        .replace(column.typ.nullable)
                        .is_some_and(|before| before != column.typ.nullable)
                    {
                        return Err(conflicting_nulls(own.name(), &column.name).at(position));
                    }
                }
                ColumnConstraintKind::Check(_)
                | ColumnConstraintKind::PrimaryKey
                | ColumnConstraintKind::Unique { .. } => {}
                ColumnConstraintKind::Default(expr) => {
                    if column.default.is_some() {
                        let message = format!(
                            "multiple default values specified for column \"{}\" of table \"{}\"",
                            column.name,
                            own.name()
                        );
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
                    }
                    column.default = Some(self.bind_default_definition(column, expr)?);
                }
                ColumnConstraintKind::References(_) => return Err(unsupported_reference(position)),
                ColumnConstraintKind::Generated(_) => {
                    return Err(Error::unsupported("generated columns are not supported")
                        .hint("Define a view with the expression as a column.")
                        .at(position));
                }
                ColumnConstraintKind::Identity { always, options } => {
                    if column.identity.is_some() {
                        let message = format!(
                            "multiple identity specifications for column \"{}\" of table \"{}\"",
                            column.name,
                            own.name()
                        );
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
                    }
                    self.make_identity(column, at, (*always, options), own)?;
                }
            }
            if column.identity.is_some() && column.default.is_some() {
                let message = format!(
                    "both default and identity specified for column \"{}\" of table \"{}\"",
                    column.name,
                    own.name()
                );
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
        }
        if column.identity.is_some() {
            let null = constraints.iter().find(|c| matches!(c.kind, ColumnConstraintKind::Null));
            if let Some(null) = null {
                return Err(conflicting_nulls(own.name(), &column.name).at(null.position));
            }
            column.typ.nullable = false;
        }
        Ok(())
    }

    pub(in crate::bind) fn bind_default_definition(
        &mut self,
        column: &Column,
        expr: &mut ast::Expr,
    ) -> Result<crate::catalog::Default, Error> {
        let position = expr.start();
        let calls = self.effects.len();
        let (bound, _) = self
            .with_frame(Scope::default(), Clause::Default, |binder| {
                binder.frame().takes_effects = true;
                binder.bind_expr(expr)
            })
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
        // The calls are made by the statements that use the default.
        let sequences = self.named_sequences(calls).into_iter().collect();
        self.effects.truncate(calls);
        let sql = ast::print::expr(expr);
        Ok(crate::catalog::Default { sql, expr: Some(Arc::new(expr.clone())), sequences })
    }

    /// PostgreSQL's one-time copy of a query's rows; over a stream, or with EMIT CHANGES, a table that is kept up to date.
    fn bind_table_as(&mut self, table: TableAs<'_>) -> Result<Bound, Error> {
        if table.query.emit == Some(ast::Emit::Changes) {
            return self.bind_maintained_table(table);
        }
        let as_written = table.query.clone();
        self.outermost = true;
        let mut bound = self.bind_query(table.query)?;
        self.settle_columns(&mut bound)?;
        if self.facts.depends_on.iter().any(|id| self.is_over_stream(*id)) {
            *table.query = as_written;
            return self.bind_maintained_table(table);
        }
        let columns = output_columns(&bound, table.names, table.query.position)?;
        let columns =
            columns.into_iter().map(|column| Column { typ: ColumnType::new(column.typ.typ, true), ..column });
        let keys = Keys::new(self.catalog, &table.schema, &table.name);
        let id = keys.table;
        let steps = keys.into_steps(table.schema, table.name, columns.collect());
        let fill = Insert { table: id, source: bound, on_conflict: None, returning: None };
        let (fill, tag) = match table.with_data {
            true => (Some(Box::new(fill)), "SELECT"),
            false => (None, "CREATE TABLE AS"),
        };
        Ok(Bound::Change(Ddl { fill, ..Ddl::new(tag, steps) }))
    }

    /// Whether it is a stream, or a view that stands for a query over one.
    fn is_over_stream(&self, id: CollectionId) -> bool {
        self.catalog.item(id).is_some_and(|item| match item.kind {
            Kind::Stream(_) => true,
            Kind::View(_) => item.depends_on.iter().any(|on| self.is_over_stream(*on)),
            _ => false,
        })
    }

    /// A table that is kept up to date, where it could have been a copy.
    fn bind_maintained_table(&mut self, table: TableAs<'_>) -> Result<Bound, Error> {
        if !table.with_data {
            return Err(Error::unsupported(
                "WITH NO DATA is not supported for a table that is kept up to date",
            )
            .at(table.query.position));
        }
        let name = table.name.clone();
        let item = self.bind_kept_table(table)?;
        let message = format!("table \"{name}\" is kept up to date with its query and cannot be written to");
        self.notice(
            Notice::new(SqlState::SUCCESSFUL_COMPLETION, message)
                .hint("CREATE TABLE … AS over tables alone copies once, unless it ends in EMIT CHANGES.")
                .once(),
        );
        Ok(change("CREATE TABLE", vec![Step::Create(Box::new(item))]))
    }

    /// A materialized view that is told as a table.
    pub(super) fn bind_kept_table(&mut self, table: TableAs<'_>) -> Result<Item, Error> {
        let TableAs { schema, name, names, query, .. } = table;
        let position = query.position;
        let (definition, bound) = self.bind_definition(query, "table")?;
        let columns = output_columns(&bound, names, position)?;
        let kind = Kind::MaterializedView(MaterializedView { columns, definition, table: true });
        Ok(self.new_item(schema, name, kind))
    }
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
    text::format(value.eval(&[], &Arena::default())?, typ, &TextSettings::default(), &mut out);
    Ok(Some(out))
}

fn conflicting_nulls(table: &str, column: &str) -> Error {
    let message =
        format!("conflicting NULL/NOT NULL declarations for column \"{column}\" of table \"{table}\"");
    Error::new(SqlState::SYNTAX_ERROR, message)
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

fn refuse_table_clauses(create: &ast::CreateTable) -> Result<(), Error> {
    if let Some(persistence) = &create.persistence {
        let message = format!("{} tables are not supported", persistence.name.to_uppercase());
        return Err(Error::unsupported(message).at(persistence.position));
    }
    if let Some(like) = create.like.first() {
        return Err(Error::unsupported("LIKE in CREATE TABLE is not supported").at(like.position()));
    }
    Ok(())
}
