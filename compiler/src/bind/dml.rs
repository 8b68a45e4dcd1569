//! INSERT, UPDATE, DELETE and TRUNCATE: which rows are written, as queries over the target's columns.

use std::sync::Arc;

use super::bound::{Bound, ConflictUpdate, Delete, Insert, OnConflict, Returning, Update, scalar, whole};
use super::coerce::{Cast, Typed};
use super::query::sort_key;
use super::scope::{Clause, Scope, ScopeColumn, ScopeRelation};
use super::select::filter;
use super::subquery::conditions;
use super::subscribe::is_push;
use super::{Binder, literal};
use crate::ast::{self, ConflictAction, ConflictTarget, ExprKind, InsertSource, Overriding, SetExpr};
use crate::catalog::{Column, Item, Key, Kind, Stream, nearest};
use crate::error::{Error, SqlState};
use crate::hir::{Expr, JoinKind, OUTPUTS, Query, Rel};
use crate::mir::CollectionId;
use crate::plan::{OutputColumn, Plan};
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar::ScalarExpr;

impl Binder<'_> {
    pub(super) fn bind_insert(&mut self, insert: &mut ast::Insert) -> Result<Bound, Error> {
        let item = self.resolve_target(&mut insert.table, "insert into")?;
        let columns = target_columns(&item, &insert.columns)?;
        let known = self.ctes.len();
        let shared = match &mut insert.with {
            Some(with) => self.bind_with(with)?,
            None => Vec::new(),
        };
        let source = self.bind_insert_source(&item, &columns, insert);
        self.ctes.truncate(known);
        let mut source = source?;
        for (id, name, value) in shared.into_iter().rev() {
            source.rel = Rel::With { id, name, value: Box::new(value), body: Box::new(source.rel) };
        }
        let on_conflict = match &mut insert.on_conflict {
            Some(on_conflict) => Some(self.bind_on_conflict(&item, insert.alias.as_ref(), on_conflict)?),
            None => None,
        };
        let scope = target_scope(&item, insert.alias.as_ref());
        let returning = self.bind_returning(scope, &mut insert.returning)?;
        Ok(Bound::Insert(Insert { table: item.id, source, on_conflict, returning }))
    }

    /// Rows of all the table's columns: what is given, in its column's type, and the other columns' defaults.
    fn bind_insert_source(
        &mut self,
        item: &Item,
        targets: &[usize],
        insert: &mut ast::Insert,
    ) -> Result<Query, Error> {
        let (listed, overriding) = (!insert.columns.is_empty(), insert.overriding);
        let (mut source, given) = match &mut insert.source {
            InsertSource::DefaultValues => (whole(Rel::unit(), Vec::new()), Vec::new()),
            InsertSource::Query(query) if is_plain_values(query) => {
                let SetExpr::Values(values) = &mut query.body else {
                    unreachable!("invariant: just matched")
                };
                self.bind_insert_values(item, targets, listed, values, overriding)?
            }
            InsertSource::Query(query) => {
                let (source, mut given) = self.bind_insert_query(item, targets, listed, query, overriding)?;
                if overriding == Some(Overriding::User) {
                    let ignored = |target: &usize| item.columns()[*target].identity.is_some();
                    // What is given for these is no column's.
                    given.iter_mut().filter(|target| ignored(target)).for_each(|target| *target = usize::MAX);
                }
                (source, given)
            }
        };
        let mut project = Vec::with_capacity(item.columns().len());
        let mut defaults = Vec::new();
        let arity = source.rel.arity();
        for (at, column) in item.columns().iter().enumerate() {
            if let Some(place) = given.iter().position(|target| *target == at) {
                project.push(source.project[place]);
                continue;
            }
            let default = self.bind_default(column)?;
            if default.has_effect() {
                source.effects.outputs.push(default);
                project.push(OUTPUTS + source.effects.outputs.len() - 1);
            } else {
                defaults.push(default);
                project.push(arity + defaults.len() - 1);
            }
        }
        source.effects.calls.extend(self.take_effects());
        if !defaults.is_empty() {
            source.rel = Rel::Map { input: Box::new(source.rel), exprs: defaults };
        }
        let names = item.columns().iter().map(|column| column.name.clone()).collect();
        Ok(Query { names, project, ..source })
    }

    /// The rows in the order in which they are written, which RETURNING and ON CONFLICT show; and the columns that they give.
    fn bind_insert_values(
        &mut self,
        item: &Item,
        targets: &[usize],
        listed: bool,
        values: &mut ast::Values,
        overriding: Option<Overriding>,
    ) -> Result<(Query, Vec<usize>), Error> {
        let width = values.rows[0].len();
        for row in &values.rows {
            if row.len() != width {
                let position = row.first().map_or(values.position, ast::Expr::start);
                return Err(Error::new(SqlState::SYNTAX_ERROR, "VALUES lists must all be the same length")
                    .at(position));
            }
            check_width(targets.len(), listed, row.len(), || row.get(targets.len()).map(ast::Expr::start))?;
        }
        let targets = &targets[..width];
        let (mut rows, _) = self.with_frame(Scope::default(), Clause::Values, |binder| {
            binder.frame().takes_effects = true;
            let mut rows = Vec::with_capacity(values.rows.len());
            let mut defaults = vec![None; width];
            for row in &mut values.rows {
                let mut cells = Vec::with_capacity(width);
                for (at, (expr, target)) in row.iter_mut().zip(targets).enumerate() {
                    let column = &item.columns()[*target];
                    let ignored = overriding == Some(Overriding::User) && column.identity.is_some();
                    if !ignored && !matches!(expr.kind, ExprKind::Default) {
                        check_identity(column, overriding)?;
                        cells.push(binder.bind_cell(expr, column)?);
                        continue;
                    }
                    // One expression for all rows, which is evaluated for each.
                    if defaults[at].is_none() {
                        defaults[at] = Some(binder.bind_default(column)?);
                    }
                    cells.extend(defaults[at].clone());
                }
                rows.push(cells);
            }
            Ok(rows)
        })?;
        let outputs: Vec<Option<Expr>> = (0..width).map(|at| alternatives(&mut rows, at)).collect();
        let types = targets.iter().enumerate().map(|(at, target)| {
            let nullable = rows.iter().any(|row| row[at].nullable());
            ColumnType::new(item.columns()[*target].typ.typ.clone(), nullable)
        });
        let mut types: Vec<ColumnType> = types.collect();
        types.extend((width..rows[0].len()).map(|_| ColumnType::new(Type::Int4, false)));
        let mut order = Vec::new();
        if rows.len() > 1 {
            for (number, row) in (0..).zip(&mut rows) {
                row.push(literal(Datum::Int(number), Type::Int8));
            }
            types.push(ColumnType::new(Type::Int8, false));
            order.push(sort_key(types.len() - 1, (false, false)));
        }
        let project = (0..width).collect();
        let mut query = Query { order, ..Query::of(Rel::Values { rows, types }, Vec::new(), project) };
        for (at, output) in outputs.into_iter().enumerate() {
            if let Some(output) = output {
                query.set_output(at, output);
            }
        }
        Ok((query, targets.to_vec()))
    }

    /// A value for a column, or DEFAULT.
    fn bind_cell(&mut self, expr: &mut ast::Expr, column: &Column) -> Result<Expr, Error> {
        if matches!(expr.kind, ExprKind::Default) {
            return self.bind_default(column);
        }
        let position = expr.start();
        let bound = self.bind_expr(expr)?;
        self.assign(Typed { expr: bound, position }, &column.typ.typ, &column.name)
    }

    fn bind_insert_query(
        &mut self,
        item: &Item,
        targets: &[usize],
        listed: bool,
        query: &mut ast::Query,
        overriding: Option<Overriding>,
    ) -> Result<(Query, Vec<usize>), Error> {
        let position = query.position;
        if is_push(query) {
            return Err(Error::unsupported("INSERT … SELECT … EMIT CHANGES is not supported")
                .hint("CREATE STREAM … AS SELECT … goes on with its query; without EMIT CHANGES an INSERT is made once.")
                .at(position));
        }
        self.outermost = true;
        let mut bound = self.bind_query(query)?;
        check_width(targets.len(), listed, bound.project.len(), || Some(position))?;
        let targets = &targets[..bound.project.len()];
        let types = bound.types();
        for (at, target) in targets.iter().enumerate() {
            let column = &item.columns()[*target];
            check_identity(column, overriding)?;
            let from = &types[at].typ;
            if let Some(output) = bound.project[at].checked_sub(OUTPUTS) {
                let value = Typed { expr: bound.effects.outputs[output].clone(), position };
                bound.effects.outputs[output] = self.assign(value, &column.typ.typ, &column.name)?;
                continue;
            }
            if *from != Type::Unknown && !self.can_coerce(from, &column.typ.typ, Cast::Assignment) {
                // The message about the column, not the cast.
                let value = Typed { expr: Expr::null(from.clone()), position };
                self.assign(value, &column.typ.typ, &column.name)?;
            }
            bound.project[at] = self.coerce_column(
                &mut bound.rel,
                bound.project[at],
                &column.typ.typ,
                Cast::Assignment,
                position,
            )?;
        }
        Ok((bound, targets.to_vec()))
    }

    /// A column's default as an expression of its type; NULL where none is declared.
    pub(super) fn bind_default(&mut self, column: &Column) -> Result<Expr, Error> {
        if let Some(identity) = &column.identity {
            return self.next_of(identity.sequence, &column.typ.typ);
        }
        let Some(default) = &column.default else { return Ok(Expr::null(column.typ.typ.clone())) };
        let tree = default.expr.as_ref().expect("invariant: an item of a snapshot is compiled");
        let mut expr = (**tree).clone();
        let (bound, _) = self.with_frame(Scope::default(), Clause::Default, |binder| {
            binder.frame().takes_effects = true;
            binder.bind_expr(&mut expr)
        })?;
        self.assign(Typed { expr: bound, position: 0 }, &column.typ.typ, &column.name)
    }

    fn bind_on_conflict(
        &mut self,
        item: &Item,
        alias: Option<&ast::Ident>,
        on_conflict: &mut ast::OnConflict,
    ) -> Result<OnConflict, Error> {
        let Kind::Table(_) = &item.kind else {
            return Err(Error::unsupported("ON CONFLICT is for tables: a stream has no keys")
                .at(on_conflict.position));
        };
        let key = match &mut on_conflict.target {
            Some(target) => {
                let key = conflict_key(item, target, on_conflict.position)?;
                if let ConflictTarget::Keys { filter: Some(filter), .. } = target {
                    // It asks for an index that has the rows of which it is true: a key has all.
                    self.with_frame(target_scope(item, alias), Clause::Where, |binder| {
                        binder.bind_condition(filter, "WHERE")
                    })?;
                }
                Some(key)
            }
            None => None,
        };
        let ConflictAction::Update { assignments, filter } = &mut on_conflict.action else {
            return Ok(OnConflict { key, update: None });
        };
        if key.is_none() {
            let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message)
                .hint("For example, ON CONFLICT (column_name).")
                .at(on_conflict.position));
        }
        let excluded = ast::Ident { name: "excluded".into(), position: on_conflict.position };
        let scope = target_scope(item, alias).join(target_scope(item, Some(&excluded)));
        let position = on_conflict.position;
        let ((row, filter), _) = self.with_frame(scope, Clause::Set, |binder| {
            let row = binder.bind_assignments(item, assignments)?;
            let filter = match filter {
                Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
                None => None,
            };
            Ok((row, filter))
        })?;
        if row.iter().any(Expr::has_effect) {
            return Err(Error::unsupported(
                "a sequence's next value in ON CONFLICT DO UPDATE is not supported",
            )
            .hint("Give the value in the row that is inserted, and assign it as EXCLUDED.column.")
            .at(position));
        }
        let plain = |expr: &Expr| {
            scalar(expr).ok_or_else(|| {
                Error::unsupported("subqueries in ON CONFLICT DO UPDATE are not supported").at(position)
            })
        };
        let row = row.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        let filter = filter.as_ref().map(plain).transpose()?;
        Ok(OnConflict { key, update: Some(ConflictUpdate { row, filter }) })
    }

    /// The whole new row: for each column what is assigned, or the old value, which is the scope's column of that number.
    fn bind_assignments(
        &mut self,
        item: &Item,
        assignments: &mut [ast::Assignment],
    ) -> Result<Vec<Expr>, Error> {
        let mut row: Vec<Expr> = item
            .columns()
            .iter()
            .enumerate()
            .map(|(at, column)| Expr::column(at, column.typ.clone()))
            .collect();
        let mut assigned = vec![false; row.len()];
        let mut assign = |binder: &mut Self, target: &ast::Target, value: &mut ast::Expr| {
            let at = target_column(item, target)?;
            let column = &item.columns()[at];
            if column.identity.is_some_and(|identity| identity.always)
                && !matches!(value.kind, ExprKind::Default)
            {
                let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
                return Err(generated_always(column, message));
            }
            if std::mem::replace(&mut assigned[at], true) {
                let message = format!("multiple assignments to same column \"{}\"", target.column.name);
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(target.column.position));
            }
            row[at] = binder.bind_cell(value, &item.columns()[at])?;
            Ok(())
        };
        for assignment in assignments {
            match assignment {
                ast::Assignment::Column { target, value } => assign(self, target, value)?,
                ast::Assignment::Columns { targets, value } => {
                    let position = value.start();
                    let ExprKind::Row(values) = &mut value.kind else {
                        return Err(Error::unsupported(
                            "assigning several columns from a subquery is not supported",
                        )
                        .hint("Assign each column from a subquery of its own, or use UPDATE … FROM.")
                        .at(position));
                    };
                    if values.len() != targets.len() {
                        let message = "number of columns does not match number of values";
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
                    }
                    for (target, value) in targets.iter().zip(values) {
                        assign(self, target, value)?;
                    }
                }
            }
        }
        Ok(row)
    }

    /// RETURNING over a row of `scope`.
    fn bind_returning(
        &mut self,
        scope: Scope,
        items: &mut Vec<ast::SelectItem>,
    ) -> Result<Option<Returning>, Error> {
        if items.is_empty() {
            return Ok(None);
        }
        let (bound, _) = self.with_frame(scope, Clause::Returning, |binder| {
            binder.expand_stars(items)?;
            let mut bound = Vec::with_capacity(items.len());
            for item in items.iter_mut() {
                let ast::SelectItem::Expr { expr, alias } = item else {
                    unreachable!("invariant: stars were expanded");
                };
                let name = alias.as_ref().map(|alias| alias.name.as_str()).or_else(|| expr.column_name());
                let name = name.unwrap_or("?column?").to_owned();
                let position = expr.start();
                let value = binder.bind_expr(expr)?;
                let value = binder.settle(Typed { expr: value, position })?;
                let plain = scalar(&value).ok_or_else(|| {
                    Error::unsupported("subqueries in RETURNING are not supported").at(position)
                })?;
                bound.push((OutputColumn { name, typ: value.typ() }, plain));
            }
            Ok(bound)
        })?;
        let (columns, exprs): (Vec<OutputColumn>, Vec<ScalarExpr>) = bound.into_iter().unzip();
        Ok(Some(Returning { columns, exprs }))
    }

    pub(super) fn bind_update(&mut self, update: &mut ast::Update) -> Result<Bound, Error> {
        let item = self.resolve_target(&mut update.table, "update")?;
        let arity = item.columns().len();
        let source = self.bind_target_rows(
            &item,
            update.alias.as_ref(),
            &mut update.with,
            &mut update.from,
            &mut update.filter,
        )?;
        let (rel, scope, shared) = source;
        let (row, _) = self.with_frame(scope.clone(), Clause::Set, |binder| {
            binder.frame().takes_effects = true;
            binder.bind_assignments(&item, &mut update.assignments)
        })?;
        let rest = arity..scope.columns.len();
        let returning_scope = updated_scope(&scope, arity);
        let returning = self.bind_returning(returning_scope, &mut update.returning)?;
        // Old row, rows of FROM, new row; then in the order that the plan promises.
        let offset = rel.arity();
        debug_assert!(row.iter().zip(item.columns()).all(|(expr, column)| expr.typ() == column.typ.typ));
        let (row, given): (Vec<Expr>, Vec<Option<Expr>>) = row.into_iter().map(set_aside).unzip();
        let rel = Rel::Map { input: Box::new(rel), exprs: row };
        let mut outputs: Vec<usize> = (0..arity).chain(offset..offset + arity).collect();
        if returning.is_some() {
            outputs.extend(rest);
        }
        let names = outputs.iter().map(|at| format!("column{at}")).collect();
        let calls = self.take_effects();
        let selection = if calls.is_empty() {
            let rel = Rel::Project { input: Box::new(rel), outputs };
            whole(wrap(rel, shared), names)
        } else {
            let mut selection = Query::of(wrap(rel, shared), names, outputs);
            selection.effects.calls = calls;
            for (at, given) in given.into_iter().enumerate() {
                if let Some(expr) = given {
                    selection.set_output(arity + at, expr);
                }
            }
            selection
        };
        Ok(Bound::Update(Update { table: item.id, selection, returning }))
    }

    pub(super) fn bind_delete(&mut self, delete: &mut ast::Delete) -> Result<Bound, Error> {
        let item = self.resolve_target(&mut delete.table, "delete from")?;
        let arity = item.columns().len();
        let source = self.bind_target_rows(
            &item,
            delete.alias.as_ref(),
            &mut delete.with,
            &mut delete.using,
            &mut delete.filter,
        )?;
        let (mut rel, scope, shared) = source;
        let returning = self.bind_returning(scope, &mut delete.returning)?;
        if returning.is_none() {
            rel = Rel::Project { input: Box::new(rel), outputs: (0..arity).collect() };
        }
        let names = (0..rel.arity()).map(|at| format!("column{at}")).collect();
        let selection = whole(wrap(rel, shared), names);
        Ok(Bound::Delete(Delete { table: item.id, selection, returning }))
    }

    /// The target's rows beside those of FROM or USING, filtered; what WITH defines is still to be put around.
    fn bind_target_rows(
        &mut self,
        item: &Item,
        alias: Option<&ast::Ident>,
        with: &mut Option<ast::With>,
        from: &mut [ast::FromItem],
        condition: &mut Option<ast::Condition>,
    ) -> Result<(Rel, Scope, Shared), Error> {
        let known = self.ctes.len();
        let shared = match with {
            Some(with) => self.bind_with(with)?,
            None => Vec::new(),
        };
        let bound = self.bind_target_condition(item, alias, from, condition);
        self.ctes.truncate(known);
        let (rel, scope) = bound?;
        Ok((rel, scope, shared))
    }

    fn bind_target_condition(
        &mut self,
        item: &Item,
        alias: Option<&ast::Ident>,
        from: &mut [ast::FromItem],
        condition: &mut Option<ast::Condition>,
    ) -> Result<(Rel, Scope), Error> {
        let mut scope = target_scope(item, alias);
        let mut rel = Rel::Get { id: item.id, typ: item.relation_type() };
        if !from.is_empty() {
            let (right, right_scope) = self.bind_from(from)?;
            rel = Rel::Join {
                kind: JoinKind::Inner,
                left: Box::new(rel),
                right: Box::new(right),
                on: Vec::new(),
                lateral: false,
            };
            scope = scope.join(right_scope);
        }
        let mut predicates = Vec::new();
        match condition {
            None => {}
            Some(ast::Condition::CurrentOf(cursor)) => {
                return Err(Error::unsupported("WHERE CURRENT OF is not supported").at(cursor.position));
            }
            Some(ast::Condition::Expr(expr)) => {
                let (condition, frame) =
                    self.with_frame(scope, Clause::Where, |binder| binder.bind_condition(expr, "WHERE"))?;
                predicates = conditions(condition);
                scope = frame.scope;
            }
        }
        Ok((filter(rel, predicates), scope))
    }

    pub(super) fn bind_truncate(&mut self, truncate: &mut ast::Truncate) -> Result<Bound, Error> {
        let mut tables: Vec<CollectionId> = Vec::new();
        for name in &mut truncate.tables {
            let item = self.resolve_target(name, "truncate")?;
            if !tables.contains(&item.id) {
                tables.push(item.id);
            }
        }
        let mut sequences = Vec::new();
        if truncate.restart_identity {
            for table in &tables {
                let own = self.catalog.sequences_of(*table, None);
                sequences.extend(own.map(|(item, sequence)| (item.id, sequence.initial())));
            }
        }
        Ok(Bound::Plan(Plan::Truncate { tables, sequences }))
    }

    /// The relation that a statement writes to; `verb` as messages have it.
    pub(super) fn resolve_target(&mut self, name: &mut ast::Name, verb: &str) -> Result<Arc<Item>, Error> {
        let item = self.resolve_relation(name)?;
        let position = name.position();
        let inserts = matches!(verb, "insert into" | "copy to");
        let refuse = |code: SqlState, detail: &str, hint: &str| {
            let message = format!("cannot {verb} {} \"{}\"", item.kind_name(), item.name);
            Err(Error::new(code, message).detail(detail).hint(hint).at(position))
        };
        match &item.kind {
            Kind::Table(_) => Ok(item),
            Kind::Stream(Stream { derived: Some(_), .. }) if inserts => refuse(
                SqlState::WRONG_OBJECT_TYPE,
                "The stream is derived: its rows come from its query.",
                "Insert into the stream that it is derived from.",
            ),
            Kind::Stream(_) if inserts => Ok(item),
            Kind::Stream(Stream { derived, .. }) => refuse(
                SqlState::WRONG_OBJECT_TYPE,
                "A stream is append-only.",
                match derived {
                    None => "Insert a row that corrects the earlier one, or keep the rows in a table.",
                    Some(_) => {
                        "Insert a row that corrects the earlier one into the stream that it is derived from, or keep the rows in a table."
                    }
                },
            ),
            Kind::View(_) | Kind::MaterializedView(_) => refuse(
                SqlState::WRONG_OBJECT_TYPE,
                "Its rows follow from its query.",
                "Change the tables that it is defined over.",
            ),
            Kind::System(_) => {
                let message = format!("permission denied: \"{}\" is a system catalog", item.name);
                Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).at(position))
            }
            Kind::Sequence(_) => {
                let message = format!("cannot change sequence \"{}\"", item.name);
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(position))
            }
            Kind::Index(_) => unreachable!("invariant: resolve_relation refuses indexes"),
        }
    }
}

/// A value that a sequence gives, and NULL in its place for the relation.
fn set_aside(expr: Expr) -> (Expr, Option<Expr>) {
    match expr.has_effect() {
        true => (Expr::null(expr.typ()), Some(expr)),
        false => (expr, None),
    }
}

/// What a column of VALUES is where sequences give some of its cells: which of the expressions stands in a row is said by a further
/// column.
fn alternatives(rows: &mut [Vec<Expr>], at: usize) -> Option<Expr> {
    let mut found: Vec<Expr> = Vec::new();
    let mut chosen = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        let (cell, expr) = set_aside(std::mem::replace(&mut row[at], Expr::bool(false)));
        row[at] = cell;
        chosen.push(expr.map(|expr| {
            found.iter().position(|other| *other == expr).unwrap_or_else(|| {
                found.push(expr);
                found.len() - 1
            })
        }));
    }
    if found.len() <= 1 && chosen.iter().all(Option::is_some) {
        return found.pop();
    }
    if found.is_empty() {
        return None;
    }
    let number = |number: usize| literal(Datum::Int(number as i64), Type::Int4);
    let which = Expr::column(rows[0].len(), ColumnType::new(Type::Int4, false));
    let value = ColumnType::new(found[0].typ(), true);
    for (row, chosen) in rows.iter_mut().zip(chosen) {
        row.push(number(chosen.map_or(0, |chosen| chosen + 1)));
    }
    let choose =
        |otherwise, (at, expr)| Expr::if_then_else(which.clone().equals(number(at)), expr, otherwise);
    Some((1..).zip(found).fold(Expr::column(at, value), choose))
}

/// `428C9` for a value that is given where the column's identity gives all.
fn check_identity(column: &Column, overriding: Option<Overriding>) -> Result<(), Error> {
    match column.identity {
        Some(identity) if identity.always && overriding.is_none() => {
            let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
            Err(generated_always(column, message).hint("Use OVERRIDING SYSTEM VALUE to override."))
        }
        _ => Ok(()),
    }
}

fn generated_always(column: &Column, message: String) -> Error {
    let detail = format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name);
    Error::new(SqlState::GENERATED_ALWAYS, message).detail(detail)
}

type Shared = Vec<(crate::hir::CteId, String, Rel)>;

/// What WITH defines, around a relation.
fn wrap(rel: Rel, shared: Shared) -> Rel {
    shared.into_iter().rev().fold(rel, |body, (id, name, value)| Rel::With {
        id,
        name,
        value: Box::new(value),
        body: Box::new(body),
    })
}

/// The target's columns under its name or alias.
fn target_scope(item: &Item, alias: Option<&ast::Ident>) -> Scope {
    let relation = ScopeRelation {
        schema: alias.is_none().then(|| item.schema.clone()),
        hidden: alias.map(|_| item.name.clone()),
        ..ScopeRelation::named(alias.map_or(&item.name, |alias| &alias.name))
    };
    let names: Vec<Option<&str>> =
        item.columns().iter().map(|column| (!column.dropped).then_some(column.name.as_str())).collect();
    Scope::of_item(relation, item, &names)
}

/// RETURNING's scope over (old row, new row, rows of FROM): names of the target mean the new row.
fn updated_scope(scope: &Scope, arity: usize) -> Scope {
    let nameless = scope.columns[..arity]
        .iter()
        .map(|column| ScopeColumn { bare: false, ..ScopeColumn::named("", column.typ.clone()) });
    Scope {
        relations: scope.relations.clone(),
        columns: nameless.chain(scope.columns.iter().cloned()).collect(),
        star: scope.star.iter().map(|column| column + arity).collect(),
    }
}

fn is_plain_values(query: &ast::Query) -> bool {
    matches!(query.body, SetExpr::Values(_))
        && query.with.is_none()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
}

fn check_width(
    targets: usize,
    listed: bool,
    given: usize,
    at: impl Fn() -> Option<u32>,
) -> Result<(), Error> {
    let message = match given {
        given if given > targets => "INSERT has more expressions than target columns",
        given if given < targets && listed => "INSERT has more target columns than expressions",
        _ => return Ok(()),
    };
    let error = Error::new(SqlState::SYNTAX_ERROR, message);
    Err(match at() {
        Some(position) => error.at(position),
        None => error,
    })
}

/// The columns that are written, by number.
pub(super) fn target_columns(item: &Item, targets: &[ast::Target]) -> Result<Vec<usize>, Error> {
    if targets.is_empty() {
        return Ok(item.present_columns().map(|(at, _)| at).collect());
    }
    let mut columns = Vec::with_capacity(targets.len());
    for target in targets {
        let column = target_column(item, target)?;
        if columns.contains(&column) {
            let message = format!("column \"{}\" specified more than once", target.column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(target.column.position));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn target_column(item: &Item, target: &ast::Target) -> Result<usize, Error> {
    if !target.path.is_empty() {
        return Err(
            Error::unsupported("assigning to a part of a column is not supported").at(target.column.position)
        );
    }
    item_column(item, &target.column)
}

/// The number of a column of an item.
pub(super) fn item_column(item: &Item, name: &ast::Ident) -> Result<usize, Error> {
    if let Some((at, _)) = item.present_columns().find(|(_, column)| column.name == name.name) {
        return Ok(at);
    }
    let message = format!("column \"{}\" of relation \"{}\" does not exist", name.name, item.name);
    let error = Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position);
    Err(match nearest(&name.name, item.present_columns().map(|(_, column)| column.name.as_str())) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error,
    })
}

/// The key that ON CONFLICT names by its columns or by its constraint.
fn conflict_key(item: &Item, target: &ConflictTarget, position: u32) -> Result<Vec<usize>, Error> {
    let Kind::Table(table) = &item.kind else { unreachable!("invariant: the caller asked for a table") };
    let mut keys = table.primary_key.iter().chain(&table.uniques);
    match target {
        ConflictTarget::Constraint(name) => match keys.find(|key| key.name == name.name) {
            Some(Key { columns, .. }) => Ok(columns.clone()),
            None => {
                let message =
                    format!("constraint \"{}\" for table \"{}\" does not exist", name.name, item.name);
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position))
            }
        },
        ConflictTarget::Keys { keys: wanted, .. } => {
            let mut columns = Vec::with_capacity(wanted.len());
            for key in wanted {
                match &key.expr.kind {
                    ExprKind::Column(name) => columns.push(item_column(item, name.last())?),
                    _ => {
                        return Err(Error::unsupported("ON CONFLICT by expressions is not supported")
                            .at(key.expr.start()));
                    }
                }
            }
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            let same = |key: &&Key| {
                let mut columns = key.columns.clone();
                columns.sort_unstable();
                columns == sorted
            };
            match keys.find(same) {
                Some(key) => Ok(key.columns.clone()),
                None => {
                    let message =
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position))
                }
            }
        }
    }
}
