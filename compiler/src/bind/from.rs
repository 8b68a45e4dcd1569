//! FROM: relations, joins, subqueries and functions, and the scope that they make.

use super::coerce::{Cast, Typed};
use super::expr::operator;
use super::scope::{Clause, Frame, Scope, ScopeColumn, ScopeRelation};
use super::sets::NumberedRows;
use super::subquery::conditions;
use super::{Binder, CteDefinition, Purpose, STREAM};
use crate::ast::{self, ExprKind, JoinConstraint, Source};
use crate::catalog::{Item, Kind};
use crate::error::{Error, SqlState};
use crate::hir::{Expr, JoinKind, Rel};
use crate::mir::{CHANGE_COLUMNS, CollectionId, change_types};
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar;

/// A relation and the names of its columns: as many columns in the scope as in the relation.
type Bound = (Rel, Scope);

/// A function's rows, its name, and the names and types of its columns.
type FunctionRows = (Rel, String, Vec<(String, ColumnType)>);

impl Binder<'_> {
    /// All of FROM. Without an item: one row without columns.
    pub(super) fn bind_from(&mut self, from: &mut [ast::FromItem]) -> Result<Bound, Error> {
        let base = std::mem::replace(&mut self.from_base, self.frames.len());
        let bound = self.bind_from_items(from);
        self.from_base = base;
        bound
    }

    fn bind_from_items(&mut self, from: &mut [ast::FromItem]) -> Result<Bound, Error> {
        let mut items = from.iter_mut();
        let Some(first) = items.next() else { return Ok((Rel::unit(), Scope::default())) };
        let (mut rel, mut scope) = self.bind_joins(first)?;
        for item in items {
            let position = position_of(&item.first);
            self.raise(position)?;
            let (right, right_scope, lateral) = self.bind_right(&scope, |binder| binder.bind_joins(item))?;
            check_distinct(&scope, &right_scope.relations, position)?;
            rel = join(JoinKind::Inner, rel, right, Vec::new(), lateral);
            scope = scope.join(right_scope);
        }
        Ok((rel, scope))
    }

    /// Binds what stands to the right of `left`: LATERAL items in it see left's columns, one row outward. Whether any did.
    fn bind_right(
        &mut self,
        left: &Scope,
        bind: impl FnOnce(&mut Self) -> Result<Bound, Error>,
    ) -> Result<(Rel, Scope, bool), Error> {
        let mut frame = Frame::new(left.clone(), Clause::From);
        frame.visible = false;
        self.frames.push(frame);
        let bound = bind(self);
        self.frames.pop();
        let (mut rel, scope) = bound?;
        let lateral = rel.reads_level(1);
        if !lateral {
            rel.shift_levels(2, -1);
        }
        Ok((rel, scope, lateral))
    }

    fn bind_joins(&mut self, from: &mut ast::FromItem) -> Result<Bound, Error> {
        let (mut rel, mut scope) = self.bind_source(&mut from.first)?;
        for clause in &mut from.joins {
            refuse_stream_join(clause)?;
            self.raise(clause.position)?;
            let position = position_of(&clause.right);
            let (right, right_scope, lateral) =
                self.bind_right(&scope, |binder| binder.bind_source(&mut clause.right))?;
            check_distinct(&scope, &right_scope.relations, position)?;
            let kind = match clause.kind {
                ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
                ast::JoinKind::Left => JoinKind::Left,
                ast::JoinKind::Right => JoinKind::Right,
                ast::JoinKind::Full => JoinKind::Full,
            };
            if lateral && matches!(kind, JoinKind::Right | JoinKind::Full) {
                return Err(Error::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    "invalid reference to FROM-clause entry",
                )
                .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
                .at(position));
            }
            (rel, scope) = self.bind_join(kind, (rel, scope), (right, right_scope), lateral, clause)?;
        }
        Ok((rel, scope))
    }

    fn bind_join(
        &mut self,
        kind: JoinKind,
        (left, left_scope): Bound,
        (right, right_scope): Bound,
        lateral: bool,
        clause: &mut ast::Join,
    ) -> Result<Bound, Error> {
        if matches!(clause.constraint, JoinConstraint::Natural) {
            name_columns(clause, common_names(&left_scope, &right_scope, clause.position));
        }
        let names: &[ast::Ident] = match &clause.constraint {
            JoinConstraint::Using { columns, .. } => columns,
            _ => &[],
        };
        let names = names.to_vec();
        let pairs = names
            .iter()
            .map(|name| {
                Ok((merged_column(&left_scope, name, "left")?, merged_column(&right_scope, name, "right")?))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let offset = left_scope.columns.len();
        let joined = left_scope.clone().join(right_scope.clone());
        let (on, _) = self.with_frame(joined.clone(), Clause::On, |binder| match &mut clause.constraint {
            JoinConstraint::On(condition) => Ok(conditions(binder.bind_condition(condition, "JOIN/ON")?)),
            _ => pairs
                .iter()
                .map(|(l, r)| binder.bind_equality(&joined, *l, *r + offset, clause.position))
                .collect(),
        })?;
        let mut scope = nullable_sides(kind, left_scope, right_scope);
        let mut rel = join(kind, left, right, on, lateral);
        let mut merged = Vec::new();
        for ((l, r), name) in pairs.iter().zip(&names) {
            let (l, r) = (*l, *r + offset);
            merged.push(match kind {
                JoinKind::Inner | JoinKind::Left => self.keep(&mut rel, &mut scope, l, r, name, kind)?,
                JoinKind::Right => self.keep(&mut rel, &mut scope, r, l, name, kind)?,
                JoinKind::Full => self.merge(&mut rel, &mut scope, l, r, name)?,
            });
        }
        let hidden = |column: &usize| pairs.iter().any(|(l, r)| *column == *l || *column == *r + offset);
        let rest: Vec<usize> = scope.star.iter().copied().filter(|column| !hidden(column)).collect();
        scope.star = merged.iter().copied().chain(rest).collect();
        if let JoinConstraint::Using { alias: Some(alias), .. } = &clause.constraint {
            let named = ScopeRelation { merged: Some(merged), ..ScopeRelation::named(&alias.name) };
            check_distinct(&scope, std::slice::from_ref(&named), alias.position)?;
            scope.relations.push(named);
        }
        Ok((rel, scope))
    }

    fn bind_equality(
        &mut self,
        scope: &Scope,
        left: usize,
        right: usize,
        position: u32,
    ) -> Result<Expr, Error> {
        [left, right].iter().for_each(|column| self.note_read(scope, *column));
        let operand =
            |column: usize| Typed { expr: Expr::column(column, scope.columns[column].typ.clone()), position };
        self.bind_operator(&operator("=", position), vec![operand(left), operand(right)])
    }

    /// The bare name means `kept` from here on, as the type that both columns have in common; in an inner join, the one that
    /// is of it.
    fn keep(
        &mut self,
        rel: &mut Rel,
        scope: &mut Scope,
        kept: usize,
        other: usize,
        name: &ast::Ident,
        kind: JoinKind,
    ) -> Result<usize, Error> {
        let types = [kept, other].map(|column| scope.columns[column].typ.typ.without_typmod());
        if types[0] == types[1] {
            scope.columns[other].bare = false;
            return Ok(kept);
        }
        let operands = [kept, other].map(|column| {
            let expr = Expr::column(column, scope.columns[column].typ.clone());
            Typed { expr, position: name.position }
        });
        let (mut operands, typ) = self.unify(operands.to_vec(), "JOIN/USING")?;
        let is_plain = |operand: &Expr| matches!(operand, Expr::Column(..));
        if is_plain(&operands[0]) || kind == JoinKind::Inner && is_plain(&operands[1]) {
            let (kept, other) = if is_plain(&operands[0]) { (kept, other) } else { (other, kept) };
            scope.columns[other].bare = false;
            return Ok(kept);
        }
        let typ = ColumnType::new(typ, scope.columns[kept].typ.nullable);
        [kept, other].iter().for_each(|column| scope.columns[*column].bare = false);
        Ok(merged(rel, scope, operands.swap_remove(0), typ, name))
    }

    /// The column of a full join that is the left one or else the right one.
    fn merge(
        &mut self,
        rel: &mut Rel,
        scope: &mut Scope,
        left: usize,
        right: usize,
        name: &ast::Ident,
    ) -> Result<usize, Error> {
        let operands = [left, right].map(|column| {
            scope.columns[column].bare = false;
            Typed { expr: Expr::column(column, scope.columns[column].typ.clone()), position: name.position }
        });
        let (operands, typ) = self.unify(operands.to_vec(), "JOIN/USING")?;
        Ok(merged(rel, scope, Expr::Coalesce(operands), ColumnType::new(typ, true), name))
    }

    fn bind_source(&mut self, source: &mut Source) -> Result<Bound, Error> {
        match source {
            Source::Relation { system_time: Some(expr), .. } => {
                Err(Error::unsupported("FOR SYSTEM_TIME AS OF is not supported").at(expr.start()))
            }
            Source::Relation { sample: Some(sample), .. } => {
                Err(Error::unsupported("TABLESAMPLE is not supported").at(sample.position))
            }
            Source::Relation { name, meant, changes, alias, .. } => {
                let (rel, mut scope) = self.bind_relation(name, meant, *changes, alias.as_ref())?;
                spell_columns(&mut scope, alias, name.position());
                Ok((rel, scope))
            }
            Source::Subquery { query, lateral, alias, position } => {
                let (rel, names) = self.with_lateral(*lateral, |binder| binder.bind_nested(query))?;
                let columns = names.into_iter().zip(rel.types()).collect();
                let relation = ScopeRelation::named(UNNAMED);
                let mut scope = Scope::of_relation(relation, columns);
                rename(&mut scope, alias.as_ref(), *position)?;
                spell_columns(&mut scope, alias, *position);
                Ok((rel, scope))
            }
            Source::Function(function) => self.bind_table_function(function),
            Source::Joins { from, alias, position } => {
                let (rel, mut scope) = self.bind_joins(from)?;
                if alias.is_some() {
                    scope = flatten(&scope);
                    let outputs = scope.star.clone();
                    let rel = Rel::Project { input: Box::new(rel), outputs };
                    scope.star = (0..scope.columns.len()).collect();
                    rename(&mut scope, alias.as_ref(), *position)?;
                    spell_columns(&mut scope, alias, *position);
                    return Ok((rel, scope));
                }
                Ok((rel, scope))
            }
        }
    }

    /// Binds with the left sides of the joins around in sight, if LATERAL says so.
    fn with_lateral<T>(
        &mut self,
        lateral: bool,
        bind: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !lateral {
            return bind(self);
        }
        let base = self.from_base;
        let before: Vec<bool> = self.frames[base..].iter().map(|frame| frame.visible).collect();
        self.frames[base..].iter_mut().for_each(|frame| frame.visible = true);
        let bound = bind(self);
        self.frames[base..].iter_mut().zip(before).for_each(|(frame, visible)| frame.visible = visible);
        bound
    }

    fn bind_relation(
        &mut self,
        name: &mut ast::Name,
        meant: &mut Option<ast::Meant>,
        changes: bool,
        alias: Option<&ast::Alias>,
    ) -> Result<Bound, Error> {
        let position = name.position();
        if name.qualifier().is_empty()
            && !changes
            && let Some(bound) = self.bind_cte(&name.last().name)
        {
            let (rel, mut scope) = bound;
            rename(&mut scope, alias, position)?;
            return Ok((rel, scope));
        }
        let item = match meant {
            Some(meant) => self.stored_relation(meant)?,
            None => self.resolve_relation(name)?,
        };
        if changes {
            self.check_has_changes(&item, position)?;
        }
        if let Some((rel, mut scope)) = self.bind_builtin_view(&item)? {
            rename(&mut scope, alias, position)?;
            return Ok((rel, scope));
        }
        let meant = meant.get_or_insert_with(|| named_now(&item, position));
        let typ = item.relation_type();
        let relation = ScopeRelation {
            schema: name.qualifier().last().map(|schema| schema.name.clone()),
            keys: if changes { Vec::new() } else { typ.keys.clone() },
            ..ScopeRelation::named(&name.last().name)
        };
        let names: Vec<Option<&str>> =
            meant.columns.iter().map(|column| column.as_ref().map(|column| column.name.as_str())).collect();
        let mut scope = Scope::of_item(relation, &item, &names);
        if let Kind::System(_) = item.kind {
            scope.hide_column("tableoid", ColumnType::new(Type::Oid, false));
        }
        if changes {
            scope.add_columns(CHANGE_COLUMNS.into_iter().zip(change_types()));
        }
        rename(&mut scope, alias, position)?;
        let rel = match (&item.kind, &item.bound.rel) {
            (Kind::System(_), _) => {
                let oid = super::literal(Datum::Int(item.id.0 as i64), Type::Oid);
                Rel::Map { input: Box::new(Rel::Get { id: item.id, typ }), exprs: vec![oid] }
            }
            (Kind::View(_), Some(rel)) => Rel::View { id: item.id, rel: rel.clone(), typ },
            (Kind::View(_), None) => {
                let message = format!("view \"{}\" has no plan", item.name);
                return Err(Error::new(SqlState::INTERNAL_ERROR, message).at(position));
            }
            _ => Rel::Get { id: item.id, typ },
        };
        let rel = if changes { Rel::Changes { input: Box::new(rel) } } else { rel };
        match &item.kind {
            Kind::Stream(stream) => self.with_rowtime(rel, scope, stream, position),
            _ => Ok((rel, scope)),
        }
    }

    /// The changelog of a stream is its log; that of anything else is kept by a stream.
    fn check_has_changes(&self, item: &Item, position: u32) -> Result<(), Error> {
        let name = &item.name;
        match &item.kind {
            Kind::Stream(_) => Ok(()),
            Kind::System(_) => {
                let message = format!("the changes of \"{name}\" are not kept");
                Err(Error::unsupported(message)
                    .hint("System relations are computed from the catalog when they are read.")
                    .at(position))
            }
            _ if self.purpose == STREAM => Ok(()),
            _ => {
                let message = format!("CHANGES({name}) can be read by a stream only");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                    .detail(format!("The changes of a {} are kept by a stream of them.", item.kind_name()))
                    .hint(format!(
                        "CREATE STREAM … FROM CHANGES OF {name} keeps them; SUBSCRIBE {name} shows them as they come."
                    ))
                    .at(position))
            }
        }
    }

    /// The relation that canonical text means.
    fn stored_relation(&mut self, meant: &ast::Meant) -> Result<std::sync::Arc<Item>, Error> {
        let id = CollectionId(meant.id);
        self.facts.depends_on.insert(id);
        self.catalog.item(id).cloned().ok_or_else(|| {
            let message = format!("a stored query reads relation {}, which is not there", id.0);
            Error::new(SqlState::DATA_CORRUPTED, message)
        })
    }

    /// The catalog's relation that a name means; the name becomes qualified.
    pub(super) fn resolve_relation(&mut self, name: &mut ast::Name) -> Result<std::sync::Arc<Item>, Error> {
        let item = self.resolve_item(name)?;
        let position = name.position();
        if !item.is_relation() {
            let message = format!("cannot open relation \"{}\"", item.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for indexes.")
                .at(position));
        }
        if let (Kind::System(_), Purpose::Maintained(what)) = (&item.kind, self.purpose) {
            let message = format!("\"{}\" cannot be read by a {what}", item.name);
            return Err(Error::unsupported(message)
                .hint("System relations are computed from the catalog; read them in one-shot queries.")
                .at(position));
        }
        if let (Kind::Sequence(_), Purpose::Maintained(what)) = (&item.kind, self.purpose) {
            return Err(Error::unsupported(format!("sequence \"{}\" cannot be read by a {what}", item.name))
                .hint("What a sequence has counted to is no table; read it in one-shot queries.")
                .at(position));
        }
        self.facts.uses_context |= matches!(item.kind, Kind::System(_) | Kind::Sequence(_));
        self.facts.depends_on.insert(item.id);
        let part = |text: &str| ast::Ident { name: text.to_owned(), position };
        name.parts = vec![part(&item.schema), part(&item.name)];
        Ok(item)
    }

    /// The catalog's item that a name means.
    pub(super) fn resolve_item(&self, name: &ast::Name) -> Result<std::sync::Arc<Item>, Error> {
        let schema = self.schema_of(name)?;
        let found = self.catalog.resolve(schema, &name.last().name, self.search_path());
        found.cloned().ok_or_else(|| self.undefined_relation(name))
    }

    /// The schema part of a name. A third part must be this database.
    pub(super) fn schema_of<'n>(&self, name: &'n ast::Name) -> Result<Option<&'n str>, Error> {
        match name.qualifier() {
            [] => Ok(None),
            [schema] => Ok(Some(&schema.name)),
            [database, schema] if database.name == self.context.database => Ok(Some(&schema.name)),
            [database, _] => {
                let message = format!(
                    "cross-database references are not implemented: \"{}\"",
                    super::display_name(name)
                );
                Err(Error::unsupported(message).at(database.position))
            }
            [first, ..] => {
                let message =
                    format!("improper qualified name (too many dotted names): {}", super::display_name(name));
                Err(Error::new(SqlState::SYNTAX_ERROR, message).at(first.position))
            }
        }
    }

    pub(super) fn undefined_relation(&self, name: &ast::Name) -> Error {
        let message = format!("relation \"{}\" does not exist", super::display_name(name));
        let error = Error::new(SqlState::UNDEFINED_TABLE, message).at(name.position());
        if name.qualifier().is_empty() && self.later_ctes.contains(&name.last().name) {
            let later = &name.last().name;
            return error
                .detail(format!("There is a WITH item named \"{later}\", but it cannot be referenced from this part of the query."))
                .hint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references.");
        }
        let schema = name.qualifier().last().map(|part| part.name.as_str());
        let cte = crate::catalog::nearest(&name.last().name, self.ctes.iter().map(|cte| cte.name.as_str()));
        let near = cte
            .map(str::to_owned)
            .or_else(|| self.catalog.nearest_relation(schema, &name.last().name, &self.context.search_path));
        match near {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }

    fn bind_cte(&mut self, name: &str) -> Option<Bound> {
        let cte = self.ctes.iter().rfind(|cte| cte.name == name)?.clone();
        let is_itself = matches!(cte.definition, CteDefinition::Itself(_));
        let relation = ScopeRelation { is_itself, ..ScopeRelation::named(cte.name) };
        let types: Vec<ColumnType> = cte.columns.iter().map(|(_, typ)| typ.clone()).collect();
        let scope = Scope::of_relation(relation, cte.columns);
        let rel = match cte.definition {
            CteDefinition::Shared(id) | CteDefinition::Itself(id) => Rel::Cte { id, types },
            CteDefinition::Inlined(mut rel, frames) => {
                rel.shift_levels(1, (self.frames.len() - frames) as isize);
                rel
            }
        };
        Some((rel, scope))
    }

    fn bind_table_function(&mut self, function: &mut ast::TableFunction) -> Result<Bound, Error> {
        let position = function.position;
        let ordinality = function.ordinality;
        let [call] = function.calls.as_mut_slice() else {
            return Err(Error::unsupported("ROWS FROM with several functions is not supported").at(position));
        };
        if let Some(column) = call.columns.first() {
            return Err(
                Error::unsupported("a column definition list is not supported").at(column.name.position)
            );
        }
        // The arguments stand in the row of a relation without columns, and see the row to the left of the function.
        let bound = self.with_lateral(true, |binder| {
            let (bound, _) = binder.with_frame(Scope::default(), Clause::From, |binder| {
                binder.bind_function_rows(&mut call.call, ordinality)
            })?;
            Ok(bound)
        })?;
        let (rel, name, mut columns) = bound;
        let alias = function.alias.as_ref();
        let single = columns.len() == 1 + usize::from(ordinality);
        if let (Some(alias), Some((column, _)), true) = (alias, columns.first_mut(), single)
            && *column == name
        {
            *column = alias.name.name.clone();
        }
        let is_scalar = columns.len() == 1;
        let relation = ScopeRelation { is_scalar, ..ScopeRelation::named(name) };
        let mut scope = Scope::of_relation(relation, columns);
        rename(&mut scope, alias, position)?;
        spell_columns(&mut scope, &mut function.alias, position);
        Ok((rel, scope))
    }

    /// `unnest` of several arrays: their elements side by side.
    fn bind_unnest(
        &mut self,
        arrays: Vec<Typed>,
        ordinality: bool,
        position: u32,
    ) -> Result<FunctionRows, Error> {
        let count = arrays.len();
        let calls =
            arrays.into_iter().map(|array| self.resolve_table_function("unnest", vec![array], position));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        let types: Vec<ColumnType> = calls.iter().map(|call| call.types[0].clone()).collect();
        let NumberedRows { mut rel, first } = self.numbered_rows(Rel::unit(), calls)?;
        let mut outputs: Vec<usize> = (first..first + count).collect();
        let mut columns: Vec<(String, ColumnType)> =
            types.into_iter().map(|typ| ("unnest".to_owned(), typ)).collect();
        if ordinality {
            outputs.push(self.coerce_column(&mut rel, first - 1, &Type::Int8, Cast::Implicit, position)?);
            columns.push(("ordinality".to_owned(), ColumnType::new(Type::Int8, false)));
        }
        Ok((Rel::Project { input: Box::new(rel), outputs }, "unnest".to_owned(), columns))
    }

    fn bind_function_rows(&mut self, call: &mut ast::Expr, ordinality: bool) -> Result<FunctionRows, Error> {
        const NUMBER: &str = "ordinality";
        let position = call.position;
        let name = call.column_name().unwrap_or("function").to_owned();
        if let ExprKind::Call(function) = &mut call.kind {
            let called = function.name.last().name.clone();
            if scalar::table_functions_named(&called).next().is_some() {
                let args = self.bind_args(function)?;
                if called == "unnest" && args.len() > 1 {
                    return self.bind_unnest(args, ordinality, position);
                }
                let bound = self.resolve_table_function(&called, args, position)?;
                let (mut func, args, mut types, mut names) =
                    (bound.func, bound.args, bound.types, bound.names);
                if ordinality {
                    func = func.with_ordinality();
                    names.push(NUMBER.to_owned());
                    types.push(ColumnType::new(Type::Int8, false));
                }
                let columns = names.into_iter().zip(types.clone()).collect();
                return Ok((Rel::FlatMap { input: Box::new(Rel::unit()), func, args, types }, name, columns));
            }
            if self.catalog.functions().any(|defined| defined.name == called && defined.returns_set()) {
                let args = self.bind_args(function)?;
                if ordinality {
                    let message = format!("WITH ORDINALITY of {called}() is not supported");
                    return Err(Error::unsupported(message).at(position));
                }
                if let Some(defined) = self.find_definition(&called, &args) {
                    let (rel, names) = self.bind_defined_rows(&defined, args, position)?;
                    let columns = names.into_iter().zip(rel.types()).collect();
                    return Ok((rel, name, columns));
                }
            }
        }
        let expr = self.bind_expr(call)?;
        let expr = match expr.typ() {
            Type::Unknown => self.coerce(Typed { expr, position }, &Type::Text, Cast::Implicit)?,
            _ => expr,
        };
        let mut columns = vec![(name.clone(), expr.column_type())];
        let mut exprs = vec![expr];
        if ordinality {
            exprs.push(super::literal(Datum::Int(1), Type::Int8));
            columns.push((NUMBER.to_owned(), ColumnType::new(Type::Int8, false)));
        }
        Ok((Rel::Map { input: Box::new(Rel::unit()), exprs }, name, columns))
    }
}

/// An item and what its columns are called.
fn named_now(item: &Item, position: u32) -> ast::Meant {
    let ident = |name: &str| ast::Ident { name: name.to_owned(), position };
    let columns = item.columns().iter().map(|column| (!column.dropped).then(|| ident(&column.name)));
    ast::Meant { id: item.id.0, columns: columns.collect() }
}

fn join(kind: JoinKind, left: Rel, right: Rel, on: Vec<Expr>, lateral: bool) -> Rel {
    Rel::Join { kind, left: Box::new(left), right: Box::new(right), on, lateral }
}

fn nullable_sides(kind: JoinKind, mut left: Scope, mut right: Scope) -> Scope {
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        left.set_nullable();
    }
    if matches!(kind, JoinKind::Left | JoinKind::Full) {
        right.set_nullable();
    }
    left.join(right)
}

/// WITHIN and ASOF belong to joins at arrival.
fn refuse_stream_join(join: &ast::Join) -> Result<(), Error> {
    if let Some(within) = &join.within {
        return Err(Error::unsupported("JOIN … WITHIN is not supported").at(within.position));
    }
    if join.asof {
        return Err(Error::unsupported("ASOF JOIN is not supported").at(join.position));
    }
    Ok(())
}

fn common_names(left: &Scope, right: &Scope, position: u32) -> Vec<ast::Ident> {
    let mut names: Vec<ast::Ident> = Vec::new();
    for column in &left.star {
        let name = &left.columns[*column].name;
        let there = right.star.iter().any(|other| right.columns[*other].name == *name);
        if there && !names.iter().any(|known| known.name == *name) {
            names.push(ast::Ident { name: name.clone(), position });
        }
    }
    names
}

fn merged_column(scope: &Scope, name: &ast::Ident, side: &str) -> Result<usize, Error> {
    let mut found =
        (0..scope.columns.len()).filter(|c| scope.columns[*c].bare && scope.columns[*c].name == name.name);
    let Some(column) = found.next() else {
        let message =
            format!("column \"{}\" specified in USING clause does not exist in {side} table", name.name);
        return Err(Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position));
    };
    if found.next().is_some() {
        let message = format!("common column name \"{}\" appears more than once in {side} table", name.name);
        return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message).at(name.position));
    }
    Ok(column)
}

/// All columns that `*` names, as those of one entry.
fn flatten(scope: &Scope) -> Scope {
    let columns =
        scope.star.iter().map(|c| (scope.columns[*c].name.clone(), scope.columns[*c].typ.clone())).collect();
    let relation = ScopeRelation::named("");
    let star = scope.star.clone();
    Scope { star, ..Scope::of_relation(relation, columns) }
}

/// A column that USING merges of two: it belongs to no entry.
fn merged(rel: &mut Rel, scope: &mut Scope, expr: Expr, typ: ColumnType, name: &ast::Ident) -> usize {
    let column = rel.arity();
    let input = Box::new(std::mem::replace(rel, Rel::unit()));
    *rel = Rel::Map { input, exprs: vec![expr] };
    scope.columns.push(ScopeColumn::named(&name.name, typ));
    column
}

/// What a subquery without an alias is called; several may be.
const UNNAMED: &str = "unnamed_subquery";

/// Applies `AS name (columns)` to a scope of one entry.
fn rename(scope: &mut Scope, alias: Option<&ast::Alias>, position: u32) -> Result<(), Error> {
    let Some(alias) = alias else { return Ok(()) };
    let relation = &mut scope.relations[0];
    relation.schema = None;
    let own = std::mem::replace(&mut relation.name, alias.name.name.clone());
    relation.hidden = (!relation.is_scalar && own != UNNAMED).then_some(own);
    let mut columns = scope.columns.iter_mut().filter(|column| column.relation.is_some());
    for (given, name) in alias.columns.iter().enumerate() {
        let Some(column) = columns.next() else {
            let (relation, specified) = (&alias.name.name, alias.columns.len());
            let message = format!(
                "table \"{relation}\" has {given} columns available but {specified} columns specified"
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
        };
        column.name.clone_from(&name.name);
    }
    Ok(())
}

/// Columns of one entry that have one name are told apart in canonical text: the entry's alias names them all.
fn spell_columns(scope: &mut Scope, alias: &mut Option<ast::Alias>, position: u32) {
    if scope.spell_repeated() {
        let ident = |name: &str| ast::Ident { name: name.to_owned(), position };
        let shown = scope.columns.iter().filter(|column| !column.hidden);
        let columns = shown.map(|column| ident(column.canonical())).collect();
        *alias = Some(ast::Alias { name: ident(&scope.relations[0].name), columns });
    }
}

/// NATURAL as canonical text has it: which columns both sides have may change with them.
fn name_columns(clause: &mut ast::Join, columns: Vec<ast::Ident>) {
    clause.constraint = match (columns.is_empty(), clause.kind) {
        (false, _) => JoinConstraint::Using { columns, alias: None },
        (true, ast::JoinKind::Inner | ast::JoinKind::Cross) => {
            clause.kind = ast::JoinKind::Cross;
            JoinConstraint::None
        }
        (true, _) => {
            let always = ExprKind::Literal(ast::Literal::Bool(true));
            JoinConstraint::On(ast::Expr::new(always, clause.position))
        }
    };
}

/// `42712` where two entries would have one name.
fn check_distinct(left: &Scope, right: &[ScopeRelation], position: u32) -> Result<(), Error> {
    for entry in right {
        let same = |other: &&ScopeRelation| {
            other.name == entry.name
                && (other.schema == entry.schema || other.schema.is_none() || entry.schema.is_none())
        };
        if let Some(double) = left.relations.iter().find(same)
            && double.name != UNNAMED
        {
            let message = format!("table name \"{}\" specified more than once", entry.name);
            return Err(Error::new(SqlState::DUPLICATE_ALIAS, message).at(position));
        }
    }
    Ok(())
}

/// Where an entry begins.
fn position_of(source: &Source) -> u32 {
    match source {
        Source::Relation { name, .. } => name.position(),
        Source::Subquery { position, .. } | Source::Joins { position, .. } => *position,
        Source::Function(function) => function.position,
    }
}
