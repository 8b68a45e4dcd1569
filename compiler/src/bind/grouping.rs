//! GROUP BY: the keys, the sets of them that rows are grouped by one after the other, and what may stand above the groups.
//!
//! ```text
//! GROUP BY a, ROLLUP (b, c)         keys a, b, c        sets {a, b, c} {a, b} {a}
//! ```
//! Every item says sets of keys, and every set of one item goes with every set of the others. Above the groups an expression may name
//! a key, NULL in the sets that leave it out, an aggregate, or how `GROUPING` tells the sets apart.

use std::collections::{BTreeMap, BTreeSet};

use super::Binder;
use super::coerce::Typed;
use super::query::bare_name;
use super::scope::{AGGREGATES, Clause, Found, Frame, GROUPINGS, WINDOWS};
use super::select::Parts;
use crate::ast::{self, GroupItem, SelectItem};
use crate::error::{Error, SqlState};
use crate::hir::{ColumnRef, Expr, Rel};
use crate::repr::{ColumnType, Type};

/// What GROUP BY says.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    keys: Vec<Key>,
    /// By which keys rows are grouped, set after set. Without any, and by `()`, all rows are one group.
    sets: Vec<BTreeSet<usize>>,
    /// `GROUP BY DISTINCT`: no set twice.
    distinct: bool,
}

/// An expression that rows are grouped by.
#[derive(Debug, PartialEq)]
struct Key {
    expr: Expr,
    /// The item of the select list that it is, by its number, its alias or its expression. In `SELECT a, a .. GROUP BY CUBE (1, 2)`
    /// these are two keys: each is NULL where its own item is left out.
    item: Option<usize>,
}

/// `GROUPING (..)`: a bit for each of its arguments, set where the group is not by it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupingCall {
    args: Vec<(Expr, u32)>,
}

/// More sets than this are refused, as PostgreSQL does.
const SETS_MAX: usize = 4096;
/// More elements than this no CUBE has.
const CUBE_MAX: usize = 12;
/// The bits of an integer that GROUPING uses.
const GROUPING_ARGS_MAX: usize = 31;

impl Binder<'_> {
    pub(super) fn bind_group_by(
        &mut self,
        group_by: &mut ast::GroupBy,
        items: &[SelectItem],
    ) -> Result<Grouping, Error> {
        self.frame().clause = Clause::GroupBy;
        let mut grouping = Grouping { distinct: group_by.distinct, ..Grouping::default() };
        let mut sets: Vec<BTreeSet<usize>> = vec![BTreeSet::new()];
        for item in &mut group_by.items {
            let own = self.sets_of(item, &mut grouping.keys, items)?;
            if sets.len().saturating_mul(own.len()) > SETS_MAX {
                let message = format!("too many grouping sets present (maximum {SETS_MAX})");
                return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message).at(group_by.position));
            }
            let with_each =
                |set: &BTreeSet<usize>| own.iter().map(|other| set | other).collect::<Vec<BTreeSet<usize>>>();
            sets = sets.iter().flat_map(with_each).collect();
        }
        grouping.sets = sets;
        Ok(grouping)
    }

    /// The sets that an item says; its keys are added.
    fn sets_of(
        &mut self,
        item: &mut GroupItem,
        keys: &mut Vec<Key>,
        items: &[SelectItem],
    ) -> Result<Vec<BTreeSet<usize>>, Error> {
        match item {
            GroupItem::Expr(expr) => Ok(vec![self.element(expr, keys, items)?]),
            GroupItem::Empty(_) => Ok(vec![BTreeSet::new()]),
            GroupItem::Rollup(exprs, _) => {
                let elements = self.elements(exprs, keys, items)?;
                let first = |count: usize| elements[..count].iter().flatten().copied().collect();
                Ok((0..=elements.len()).rev().map(first).collect())
            }
            GroupItem::Cube(exprs, position) => {
                if exprs.len() > CUBE_MAX {
                    let message = format!("CUBE is limited to {CUBE_MAX} elements");
                    return Err(Error::new(SqlState::TOO_MANY_COLUMNS, message).at(*position));
                }
                let elements = self.elements(exprs, keys, items)?;
                let chosen = |choice: usize| {
                    let kept = elements.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 0);
                    kept.flat_map(|(_, element)| element).copied().collect()
                };
                Ok((0..1 << elements.len()).map(chosen).collect())
            }
            GroupItem::Sets(nested, _) => {
                let mut sets = Vec::new();
                for item in nested {
                    sets.extend(self.sets_of(item, keys, items)?);
                }
                Ok(sets)
            }
        }
    }

    fn elements(
        &mut self,
        exprs: &mut [ast::Expr],
        keys: &mut Vec<Key>,
        items: &[SelectItem],
    ) -> Result<Vec<BTreeSet<usize>>, Error> {
        exprs.iter_mut().map(|expr| self.element(expr, keys, items)).collect()
    }

    /// The keys of an expression; a row `(a, b)` is as many as it has fields.
    fn element(
        &mut self,
        expr: &mut ast::Expr,
        keys: &mut Vec<Key>,
        items: &[SelectItem],
    ) -> Result<BTreeSet<usize>, Error> {
        let exprs = match &mut expr.kind {
            ast::ExprKind::Row(fields) => fields.iter_mut().collect(),
            _ => vec![expr],
        };
        let mut element = BTreeSet::new();
        for expr in exprs {
            let position = expr.start();
            let key = self.bind_group_item(expr, items)?;
            self.check_equality(&key.expr.typ(), position)?;
            element.insert(place_of(key, keys));
        }
        Ok(element)
    }

    /// A number is an item of the select list; a name is an input column, or else an item's alias.
    fn bind_group_item(&mut self, expr: &mut ast::Expr, items: &[SelectItem]) -> Result<Key, Error> {
        let position = expr.start();
        let item = match self.output_position(expr, items.len(), Clause::GroupBy)? {
            Some(at) => Some(at),
            None => self.item_by_alias(expr, items),
        };
        let bound = match item.map(|at| &items[at]) {
            Some(SelectItem::Expr { expr, .. }) => self.bind_expr(&mut expr.clone())?,
            Some(_) => unreachable!("invariant: stars were expanded"),
            None => self.bind_expr(expr)?,
        };
        Ok(Key { expr: self.settle(Typed { expr: bound, position })?, item })
    }

    /// The item that a name means which is no input column.
    fn item_by_alias(&mut self, expr: &ast::Expr, items: &[SelectItem]) -> Option<usize> {
        let name = bare_name(expr)?;
        let found = self.frame().scope.find(&single(name, expr.start()));
        if matches!(found, Found::Column(_) | Found::Ambiguous) {
            return None;
        }
        items.iter().position(
            |item| matches!(item, SelectItem::Expr { alias: Some(alias), .. } if alias.name == name),
        )
    }

    /// `GROUPING (a, ..)`: a column of the group's row, from [`GROUPINGS`] on, until the query is grouped.
    pub(super) fn bind_grouping_call(&mut self, call: &mut ast::Call, position: u32) -> Result<Expr, Error> {
        let refused = |message: String| Err(Error::new(SqlState::GROUPING_ERROR, message).at(position));
        let (clause, in_aggregate) = (self.frame().clause, self.frame().in_aggregate);
        if in_aggregate {
            return refused("aggregate function calls cannot be nested".to_owned());
        }
        if !clause.takes_aggregates() {
            return refused(format!("grouping operations are not allowed in {}", clause.name()));
        }
        if call.args.len() > GROUPING_ARGS_MAX {
            let message = "GROUPING must have fewer than 32 arguments";
            return Err(Error::new(SqlState::TOO_MANY_ARGUMENTS, message).at(position));
        }
        let args = self.bind_args(call)?;
        let args = args.into_iter().map(|arg| (arg.expr, arg.position)).collect();
        let groupings = &mut self.frame().groupings;
        let call = GroupingCall { args };
        let at = groupings.iter().position(|other| *other == call).unwrap_or_else(|| {
            groupings.push(call);
            groupings.len() - 1
        });
        Ok(Expr::column(GROUPINGS + at, ColumnType::new(Type::Int4, false)))
    }
}

/// Groups: key columns, then aggregates, then GROUPING's; what stands above refers to those from here on.
pub(super) fn group(rel: Rel, parts: &mut Parts, frame: &Frame) -> Result<Rel, Error> {
    let mut grouping = std::mem::take(&mut parts.grouping).unwrap_or_default();
    if grouping.sets.is_empty() {
        grouping.sets.push(BTreeSet::new());
    }
    grouping.settle_items(&parts.item_exprs());
    let groupings = frame.groupings.iter().map(|call| grouping.arguments(call));
    let groupings = groupings.collect::<Result<Vec<Vec<usize>>, Error>>()?;
    let global = grouping.keys.is_empty();
    grouping.add_dependent_keys(frame);
    let regrouping = Regrouping { grouping: &grouping, frame };
    for (item, expr) in parts.above_groups().enumerate() {
        regrouping.regroup(expr, item)?;
    }
    let (input, aggregates) = (Box::new(rel), frame.aggregates.clone());
    let key = grouping.keys.into_iter().map(|key| key.expr).collect();
    let sets: Vec<Vec<usize>> = grouping.sets.into_iter().map(|set| set.into_iter().collect()).collect();
    if sets.len() == 1 && groupings.is_empty() {
        return Ok(Rel::Reduce { input, key, aggregates, global });
    }
    Ok(Rel::GroupingSets { input, key, sets, aggregates, groupings })
}

impl Grouping {
    /// Groups by these too, in every set.
    pub(super) fn add_common(&mut self, keys: impl IntoIterator<Item = Expr>) {
        if self.sets.is_empty() {
            self.sets.push(BTreeSet::new());
        }
        for expr in keys {
            self.sets.iter_mut().for_each(|set| _ = set.insert(self.keys.len()));
            self.keys.push(Key { expr, item: None });
        }
    }

    /// Which items the keys are that were written as expressions; what is one key after all becomes one. Where there is one set,
    /// equal items have equal values, and are one key.
    fn settle_items(&mut self, items: &[&Expr]) {
        let one_set = self.sets.len() == 1;
        let mut places = Vec::with_capacity(self.keys.len());
        for Key { expr, item } in std::mem::take(&mut self.keys) {
            let item = item.or_else(|| items.iter().position(|item| **item == expr)).filter(|_| !one_set);
            places.push(place_of(Key { expr, item }, &mut self.keys));
        }
        for set in &mut self.sets {
            *set = set.iter().map(|key| places[*key]).collect();
        }
        if self.distinct {
            let mut seen = BTreeSet::new();
            self.sets.retain(|set| seen.insert(set.clone()));
        }
    }

    /// The key that a node above the groups is, which may be an item itself.
    fn key_of(&self, node: &Expr, exprs: &[Expr], item: usize) -> Option<usize> {
        let equal = || (0..self.keys.len()).filter(|at| exprs[*at] == *node);
        let own = equal().find(|at| self.keys[*at].item == Some(item));
        own.or_else(|| equal().min_by_key(|at| self.keys[*at].item.unwrap_or(usize::MAX)))
    }

    /// Whether a key is in every set.
    fn is_common(&self, key: usize) -> bool {
        self.sets.iter().all(|set| set.contains(&key))
    }

    /// The keys that GROUPING asks about.
    fn arguments(&self, call: &GroupingCall) -> Result<Vec<usize>, Error> {
        let key = |(arg, position): &(Expr, u32)| {
            self.keys.iter().position(|key| key.expr == *arg).ok_or_else(|| {
                let message =
                    "arguments to GROUPING must be grouping expressions of the associated query level";
                Error::new(SqlState::GROUPING_ERROR, message).at(*position)
            })
        };
        call.args.iter().map(key).collect()
    }

    /// What a grouped row determines because the key of its entry is grouped by, is grouped by too.
    fn add_dependent_keys(&mut self, frame: &Frame) {
        let scope = &frame.scope;
        let column_of = |(at, key): (usize, &Key)| match key.expr {
            Expr::Column(ColumnRef { level: 0, column }, _) => Some((column, self.is_common(at))),
            _ => None,
        };
        let grouped: BTreeMap<usize, bool> = self.keys.iter().enumerate().filter_map(column_of).collect();
        let determined = |column: usize| {
            let relation = scope.columns[column].relation;
            relation.is_some_and(|relation| {
                let keys = &scope.relations[relation].keys;
                let is_grouped = |column: &usize| grouped.get(column) == Some(&true);
                keys.iter().any(|key| !key.is_empty() && key.iter().all(is_grouped))
            })
        };
        let wanted: BTreeSet<usize> = frame.references.iter().map(|(column, _)| *column).collect();
        for column in wanted.into_iter().filter(|c| !grouped.contains_key(c) && determined(*c)) {
            self.sets.iter_mut().for_each(|set| _ = set.insert(self.keys.len()));
            self.keys.push(Key { expr: Expr::column(column, scope.columns[column].typ.clone()), item: None });
        }
    }
}

/// Where a key stands among the others, added if it is new.
fn place_of(key: Key, keys: &mut Vec<Key>) -> usize {
    keys.iter().position(|other| *other == key).unwrap_or_else(|| {
        keys.push(key);
        keys.len() - 1
    })
}

/// From FROM's row to the group's row.
struct Regrouping<'g> {
    grouping: &'g Grouping,
    frame: &'g Frame,
}

impl Regrouping<'_> {
    /// Rewrites an expression over FROM's row into one over the group's row. `item` is its place in [`Parts::above_groups`].
    fn regroup(&self, expr: &mut Expr, item: usize) -> Result<(), Error> {
        let Grouping { keys, .. } = self.grouping;
        let mut failed: Option<(usize, usize)> = None;
        let mut shifted: BTreeMap<usize, Vec<Expr>> = BTreeMap::new();
        expr.rewrite(0, &mut |depth, node| {
            let keys_there = shifted.entry(depth).or_insert_with(|| {
                let inward = keys.iter().map(|key| {
                    let mut expr = key.expr.clone();
                    expr.shift_levels(0, depth as isize);
                    expr
                });
                inward.collect()
            });
            if let Some(at) = self.grouping.key_of(node, keys_there, item) {
                let mut typ = node.column_type();
                typ.nullable |= !self.grouping.is_common(at);
                *node = Expr::Column(ColumnRef { level: depth, column: at }, typ);
                return true;
            }
            if let Expr::Column(reference, _) = node
                && reference.level == depth
            {
                match self.place(reference.column) {
                    Some(column) => reference.column = column,
                    None => failed = failed.or(Some((reference.column, depth))),
                }
                return true;
            }
            false
        });
        match failed {
            None => Ok(()),
            Some((column, depth)) => Err(ungrouped(column, depth, self.frame)),
        }
    }

    /// Where a column that is no key stands in the group's row.
    fn place(&self, column: usize) -> Option<usize> {
        let keys = self.grouping.keys.len();
        match column {
            column if column >= WINDOWS => Some(column),
            column if column >= GROUPINGS => Some(keys + self.frame.aggregates.len() + column - GROUPINGS),
            column if column >= AGGREGATES => Some(keys + column - AGGREGATES),
            _ => None,
        }
    }
}

fn ungrouped(column: usize, depth: usize, frame: &Frame) -> Error {
    let found = &frame.scope.columns[column];
    let name = match found.relation.map(|relation| &frame.scope.relations[relation].name) {
        Some(relation) if !relation.is_empty() => format!("{relation}.{}", found.name),
        _ => found.name.clone(),
    };
    let message = match depth {
        0 => format!(
            "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
        ),
        _ => format!("subquery uses ungrouped column \"{name}\" from outer query"),
    };
    let error = Error::new(SqlState::GROUPING_ERROR, message);
    match frame.references.iter().find(|(other, _)| *other == column) {
        Some((_, position)) => error.at(*position),
        None => error,
    }
}

fn single(name: &str, position: u32) -> ast::Name {
    ast::Name { parts: vec![ast::Ident { name: name.to_owned(), position }] }
}
