//! One SELECT: the select list, grouping, DISTINCT, and ORDER BY in sight of the select list and FROM.
//!
//! ```text
//! FROM -> WHERE -> GROUP BY, aggregates -> HAVING -> windows -> set-returning calls -> select list, sort keys -> DISTINCT
//! ```
//! Expressions are bound over FROM's row with aggregates as further columns of it ([`AGGREGATES`]); grouping then renumbers
//! what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::Binder;
use super::aggregate::sort_direction;
use super::coerce::{Cast, Typed};
use super::event_time::{name_bounds, window_bounds};
use super::grouping::{Grouping, group};
use super::query::{bare_name, sort_key};
use super::scope::{Clause, Scope, TableCall};
use super::subquery::conditions;
use super::window::{Windows, expand_windows};
use crate::ast::{self, Distinct, SelectItem};
use crate::error::{Error, SqlState};
use crate::hir::{self, ColumnRef, EffectCall, Effects, Expr, OUTPUTS, Rel};
use crate::plan::Notice;
use crate::repr::Type;

/// The clauses of a SELECT, bound over FROM's row.
pub(super) struct Parts {
    predicates: Vec<Expr>,
    pub(super) grouping: Option<Grouping>,
    items: Vec<Item>,
    having: Vec<Expr>,
    distinct_on: Vec<OrderItem>,
    order: Vec<(OrderItem, (bool, bool), u32)>,
    windows: Windows,
    /// Set-returning calls of the select list.
    sets: Vec<TableCall>,
    /// Calls of sequence functions in the select list.
    effects: Vec<EffectCall>,
}

impl Parts {
    /// The select list.
    pub(super) fn item_exprs(&self) -> Vec<&Expr> {
        self.items.iter().map(|item| &item.expr).collect()
    }

    /// What is evaluated over the group's row, where there are groups: the items first, in their order.
    pub(super) fn above_groups(&mut self) -> impl Iterator<Item = &mut Expr> {
        let ordering = self.order.iter_mut().map(|(item, ..)| item).chain(&mut self.distinct_on);
        let ordering = ordering.filter_map(|item| match item {
            OrderItem::Expr(expr) => Some(expr),
            OrderItem::Item(_) => None,
        });
        let sets = self.sets.iter_mut().flat_map(|call| &mut call.args);
        let effects = self.effects.iter_mut().flat_map(|call| &mut call.args);
        let listed = self.items.iter_mut().map(|item| &mut item.expr).chain(&mut self.having);
        listed.chain(self.windows.exprs_mut()).chain(sets).chain(effects).chain(ordering)
    }
}

struct Item {
    expr: Expr,
    name: String,
    position: u32,
}

/// What ORDER BY names: an item of the select list, or an expression of its own.
enum OrderItem {
    Item(usize),
    Expr(Expr),
}

impl Binder<'_> {
    pub(super) fn bind_select(
        &mut self,
        select: &mut ast::Select,
        order_by: &mut [ast::OrderBy],
        outermost: bool,
    ) -> Result<hir::Query, Error> {
        let (mut rel, mut scope) = self.bind_from(&mut select.from)?;
        if let Some(window) = &select.time_window {
            (rel, scope) = self.assign_windows(rel, scope, window)?;
        }
        let base = std::mem::replace(&mut self.from_base, self.frames.len() + 1);
        let bound =
            self.with_frame(scope, Clause::Where, |binder| binder.bind_parts(select, order_by, outermost));
        self.from_base = base;
        let (mut parts, mut frame) = bound?;
        parts.windows = std::mem::take(&mut frame.windows);
        parts.sets = std::mem::take(&mut frame.sets);
        let mut rel = filter(rel, std::mem::take(&mut parts.predicates));
        let counted = !frame.aggregates.is_empty() || !frame.groupings.is_empty();
        if parts.grouping.is_some() || counted || !parts.having.is_empty() {
            rel = group(rel, &mut parts, &frame)?;
        }
        let mut rel = filter(rel, std::mem::take(&mut parts.having));
        if !parts.windows.is_empty() {
            let windows = std::mem::take(&mut parts.windows);
            rel = expand_windows(rel, windows, &mut parts);
        }
        if !parts.sets.is_empty() {
            let calls = std::mem::take(&mut parts.sets);
            rel = self.expand_sets(rel, calls, &mut parts)?;
        }
        self.project(rel, parts, &select.distinct)
    }

    fn bind_parts(
        &mut self,
        select: &mut ast::Select,
        order_by: &mut [ast::OrderBy],
        outermost: bool,
    ) -> Result<Parts, Error> {
        let mut predicates = Vec::new();
        if let Some(filter) = &mut select.filter {
            predicates = conditions(self.bind_condition(filter, "WHERE")?);
        }
        self.expand_stars(&mut select.items)?;
        if select.time_window.is_some() {
            name_bounds(&mut select.items);
        }
        self.frame().references.clear();
        let mut grouping = match &mut select.group_by {
            Some(group_by) => Some(self.bind_group_by(group_by, &select.items)?),
            None => None,
        };
        if select.time_window.is_some() {
            grouping.get_or_insert_default().add_common(window_bounds(&self.frame().scope));
        }
        self.frame().references.clear();
        self.frame().clause = Clause::Items;
        self.bind_named_windows(&mut select.windows)?;
        self.frame().takes_effects = outermost && select.distinct == Distinct::All;
        let mut items = Vec::with_capacity(select.items.len());
        for item in &mut select.items {
            let SelectItem::Expr { expr, alias } = item else {
                unreachable!("invariant: stars were expanded");
            };
            let name = alias.as_ref().map(|alias| alias.name.as_str()).or_else(|| expr.column_name());
            let name = name.unwrap_or("?column?").to_owned();
            let position = expr.start();
            items.push(Item { expr: self.bind_expr(expr)?, name, position });
        }
        self.frame().takes_effects = false;
        let effects = if outermost { self.take_effects() } else { Vec::new() };
        let having = self.bind_having(select)?;
        self.frame().clause = Clause::DistinctOn;
        let distinct_on = match &mut select.distinct {
            Distinct::On(exprs) => {
                let bound =
                    exprs.iter_mut().map(|expr| self.bind_order_item(expr, &mut items, Clause::DistinctOn));
                bound.collect::<Result<Vec<_>, _>>()?
            }
            Distinct::All | Distinct::Distinct => Vec::new(),
        };
        self.frame().clause = Clause::OrderBy;
        let mut order = Vec::with_capacity(order_by.len());
        for key in order_by {
            let direction = sort_direction(key)?;
            let position = key.expr.start();
            order.push((
                self.bind_order_item(&mut key.expr, &mut items, Clause::OrderBy)?,
                direction,
                position,
            ));
        }
        let (windows, sets) = (Windows::default(), Vec::new());
        Ok(Parts { predicates, grouping, items, having, distinct_on, order, windows, sets, effects })
    }

    fn bind_having(&mut self, select: &mut ast::Select) -> Result<Vec<Expr>, Error> {
        let Some(having) = &mut select.having else { return Ok(Vec::new()) };
        self.frame().clause = Clause::Having;
        let aliases = select.items.iter().filter_map(|item| match item {
            SelectItem::Expr { expr, alias: Some(alias) } => Some((alias.name.clone(), expr.clone())),
            _ => None,
        });
        let aliases = Some((self.frames.len(), aliases.collect()));
        let around = std::mem::replace(&mut self.having_aliases, aliases);
        let bound = self.bind_condition(having, "HAVING");
        self.having_aliases = around;
        let mut conjuncts = conditions(bound?);
        // `HAVING true` groups too.
        if conjuncts.is_empty() {
            conjuncts.push(Expr::bool(true));
        }
        Ok(conjuncts)
    }

    /// HAVING may name an alias of the select list where no input column is called so.
    pub(super) fn find_alias(&mut self, name: &ast::Name) -> Result<Option<Expr>, Error> {
        if !name.qualifier().is_empty() || self.frame().in_aggregate {
            return Ok(None);
        }
        let Some((frames, aliases)) = &self.having_aliases else { return Ok(None) };
        if *frames != self.frames.len() {
            return Ok(None);
        }
        let alias = &name.last().name;
        let Some((_, expr)) = aliases.iter().find(|(other, _)| other == alias) else { return Ok(None) };
        let mut expr = expr.clone();
        let message = format!("\"{alias}\" in HAVING is taken for the select list's column of that name");
        self.notice(
            Notice::new(SqlState::WARNING, message).hint("PostgreSQL wants the expression itself in HAVING."),
        );
        self.bind_expr(&mut expr).map(Some)
    }

    /// `*` and `t.*` become columns, in the tree too.
    pub(super) fn expand_stars(&mut self, items: &mut Vec<SelectItem>) -> Result<(), Error> {
        if items.iter().all(|item| matches!(item, SelectItem::Expr { .. })) {
            return Ok(());
        }
        let scope = self.frame().scope.clone();
        for item in std::mem::take(items) {
            let (columns, position) = match item {
                SelectItem::Expr { .. } => {
                    items.push(item);
                    continue;
                }
                SelectItem::Star(position) => {
                    if scope.relations.is_empty() {
                        let message = "SELECT * with no tables specified is not valid";
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
                    }
                    (scope.star.clone(), position)
                }
                SelectItem::QualifiedStar(name) => (self.star_of(&scope, &name)?, name.position()),
                SelectItem::FieldStar(expr) => {
                    return Err(Error::unsupported("(…).* is not supported").at(expr.start()));
                }
            };
            let clashing = match self.purpose {
                super::STREAM => self.clashing(&scope, &columns),
                _ => BTreeMap::new(),
            };
            items.extend(columns.into_iter().map(|column| {
                let item = column_item(&scope, column, position);
                match (item, clashing.get(&column)) {
                    (SelectItem::Expr { expr, .. }, Some(name)) => {
                        SelectItem::Expr { expr, alias: Some(ast::Ident { name: name.clone(), position }) }
                    }
                    (item, _) => item,
                }
            }));
        }
        Ok(())
    }

    /// In a stream's row each column has a name of its own: of those that `*` gives one name, each is qualified by its relation's.
    fn clashing(&mut self, scope: &Scope, columns: &[usize]) -> BTreeMap<usize, String> {
        let name = |column: usize| &scope.columns[column].name;
        let mut qualified = BTreeMap::new();
        for column in columns {
            let shared = columns.iter().filter(|other| name(**other) == name(*column)).count() > 1;
            if let Some(relation) = scope.columns[*column].relation.filter(|_| shared) {
                qualified.insert(*column, format!("{}_{}", scope.relations[relation].name, name(*column)));
            }
        }
        for shared in qualified.keys().map(|column| name(*column)).collect::<BTreeSet<_>>() {
            let names = qualified.iter().filter(|(column, _)| name(**column) == shared);
            let names: Vec<String> = names.map(|(_, name)| format!("\"{name}\"")).collect();
            let message =
                format!("\"{shared}\" is a column of several relations: they become {}", names.join(" and "));
            self.notice(Notice::new(SqlState::WARNING, message));
        }
        qualified
    }

    fn star_of(&self, scope: &Scope, name: &ast::Name) -> Result<Vec<usize>, Error> {
        let relation = scope.find_relation(&name.parts).or_else(|| scope.find_initial(&name.parts));
        match relation {
            Some(relation) => {
                let columns = scope.columns_of(relation).into_iter();
                Ok(columns.filter(|column| !scope.columns[*column].hidden).collect())
            }
            None => {
                let entry = &name.last().name;
                let message = format!("missing FROM-clause entry for table \"{entry}\"");
                Err(Error::new(SqlState::UNDEFINED_TABLE, message).at(name.position()))
            }
        }
    }

    /// A number or a name of the select list, or an expression over FROM.
    fn bind_order_item(
        &mut self,
        expr: &mut ast::Expr,
        items: &mut [Item],
        clause: Clause,
    ) -> Result<OrderItem, Error> {
        if let Some(at) = self.output_position(expr, items.len(), clause)? {
            return Ok(OrderItem::Item(at));
        }
        if let Some(name) = bare_name(expr) {
            let mut named = items.iter().enumerate().filter(|(_, item)| item.name == name);
            if let Some((at, item)) = named.next() {
                if named.any(|(_, other)| other.expr != item.expr) {
                    let message = format!("{} \"{name}\" is ambiguous", clause.name());
                    return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message).at(expr.start()));
                }
                return Ok(OrderItem::Item(at));
            }
        }
        let position = expr.start();
        let bound = self.bind_expr(expr)?;
        let bound = self.settle(Typed { expr: bound, position })?;
        Ok(match items.iter().position(|item| item.expr == bound) {
            Some(at) => OrderItem::Item(at),
            None => OrderItem::Expr(bound),
        })
    }

    /// The select list and the sort keys as columns, then DISTINCT.
    fn project(&mut self, rel: Rel, parts: Parts, distinct: &Distinct) -> Result<hir::Query, Error> {
        let Parts { items, distinct_on, order, effects, .. } = parts;
        let mut outputs = Vec::new();
        let arity = rel.arity();
        let mut exprs = Vec::with_capacity(items.len());
        let (mut names, mut types, mut project) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            let mut expr = item.expr;
            if *distinct == Distinct::Distinct {
                self.check_equality(&expr.typ(), item.position)?;
            }
            if *distinct != Distinct::All && expr.typ() == Type::Unknown {
                expr = self.coerce(Typed { expr, position: item.position }, &Type::Text, Cast::Implicit)?;
            }
            types.push(expr.typ());
            names.push(item.name);
            if expr.has_effect() {
                outputs.push(expr);
                project.push(OUTPUTS + outputs.len() - 1);
            } else {
                project.push(output_column(expr, arity, &mut exprs));
            }
        }
        let column_of = |item: OrderItem, exprs: &mut Vec<Expr>| match item {
            OrderItem::Item(at) => project[at],
            OrderItem::Expr(expr) => output_column(expr, arity, exprs),
        };
        let mut keys = Vec::with_capacity(order.len());
        for (item, direction, position) in order {
            if *distinct == Distinct::Distinct && matches!(item, OrderItem::Expr(_)) {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
            }
            let sorted = match &item {
                OrderItem::Item(at) => &types[*at],
                OrderItem::Expr(expr) => &expr.typ(),
            };
            self.check_order(sorted, position)?;
            if let OrderItem::Item(at) = item
                && project[at] >= OUTPUTS
            {
                return Err(super::sequence::unsorted(position));
            }
            keys.push((sort_key(column_of(item, &mut exprs), direction), position));
        }
        let on: Vec<usize> = distinct_on.into_iter().map(|item| column_of(item, &mut exprs)).collect();
        let rel = if exprs.is_empty() { rel } else { Rel::Map { input: Box::new(rel), exprs } };
        let order: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
        let effects = Effects { calls: effects, outputs };
        let query = hir::Query { order, effects, ..hir::Query::of(rel, names, project) };
        match distinct {
            Distinct::All => Ok(query),
            Distinct::Distinct => Ok(distinct_rows(query)),
            Distinct::On(_) => {
                let leading = keys.iter().take(on.len()).find(|(key, _)| !on.contains(&key_column(key)));
                if let Some((_, position)) = leading {
                    let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
                    return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(*position));
                }
                Ok(first_rows(query, on))
            }
        }
    }
}

/// A plain column of the input stands for itself; anything else is mapped.
fn output_column(expr: Expr, arity: usize, exprs: &mut Vec<Expr>) -> usize {
    if let Expr::Column(ColumnRef { level: 0, column }, _) = expr {
        return column;
    }
    // What has no type yet gets it from its own place.
    let open = expr.typ() == Type::Unknown;
    if !open && let Some(at) = exprs.iter().position(|other| *other == expr) {
        return arity + at;
    }
    exprs.push(expr);
    arity + exprs.len() - 1
}

fn key_column(key: &crate::scalar::SortKey) -> usize {
    match key.expr {
        crate::scalar::ScalarExpr::Column(column) => column,
        _ => unreachable!("invariant: a query's order is by columns of its relation"),
    }
}

/// DISTINCT over the select list; the sort keys are among its columns.
fn distinct_rows(query: hir::Query) -> hir::Query {
    let mut unique: Vec<usize> = Vec::new();
    let mut project = Vec::with_capacity(query.project.len());
    for column in &query.project {
        let at = unique.iter().position(|other| other == column).unwrap_or_else(|| {
            unique.push(*column);
            unique.len() - 1
        });
        project.push(at);
    }
    let order = query.order.iter().map(|key| {
        let at = unique
            .iter()
            .position(|column| *column == key_column(key))
            .expect("invariant: checked by the caller");
        sort_key(at, (key.desc, key.nulls_first))
    });
    let order = order.collect();
    let input = Rel::Project { input: Box::new(query.rel), outputs: unique };
    hir::Query { rel: Rel::Distinct { input: Box::new(input) }, project, order, ..without_rel(query.names) }
}

/// DISTINCT ON: of each group the first row in the query's order.
fn first_rows(query: hir::Query, on: Vec<usize>) -> hir::Query {
    let one = super::literal(crate::repr::Datum::Int(1), Type::Int8);
    let rel = Rel::TopK {
        input: Box::new(query.rel),
        group: on,
        order: query.order.clone(),
        limit: Some(one),
        offset: None,
        ties: false,
    };
    hir::Query { rel, ..query_without_rel(query.names, query.project, query.order) }
}

fn without_rel(names: Vec<String>) -> hir::Query {
    query_without_rel(names, Vec::new(), Vec::new())
}

fn query_without_rel(
    names: Vec<String>,
    project: Vec<usize>,
    order: Vec<crate::scalar::SortKey>,
) -> hir::Query {
    hir::Query { order, ..hir::Query::of(Rel::unit(), names, project) }
}

pub(super) fn filter(input: Rel, predicates: Vec<Expr>) -> Rel {
    match predicates.is_empty() {
        true => input,
        false => Rel::Filter { input: Box::new(input), predicates },
    }
}

fn column_item(scope: &Scope, column: usize, position: u32) -> SelectItem {
    let found = &scope.columns[column];
    let ident = |name: &str| ast::Ident { name: name.to_owned(), position };
    let mut parts = Vec::new();
    if let Some(relation) = found.relation.map(|relation| &scope.relations[relation])
        && !relation.name.is_empty()
    {
        let twice = scope.relations.iter().filter(|other| other.name == relation.name).count() > 1;
        parts.extend(relation.schema.as_deref().filter(|_| twice).map(ident));
        parts.push(ident(&relation.name));
    }
    parts.push(ident(found.canonical()));
    let alias = found.spelled.is_some().then(|| ident(&found.name));
    let expr = ast::Expr::new(ast::ExprKind::Column(ast::Name { parts }), position);
    SelectItem::Expr { expr, alias }
}
