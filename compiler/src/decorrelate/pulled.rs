//! Subqueries that are tied to the row around them by equalities alone: the equalities are pulled up, and what is left reads no
//! outer row. It is then evaluated once, and joined.
//!
//! ```text
//! (SELECT sum(v) FROM i WHERE i.k = o.k)      becomes      SELECT k, sum(v) FROM i GROUP BY k, joined on k = o.k
//! ```
//! The general way ([`super::subquery`]) would evaluate it for the set of outer values: right for everything, but it arranges
//! that set and keeps it.

use super::{Decorrelator, Outer};
use crate::error::Error;
use crate::hir::{self, Expr, JoinKind, Rel};
use crate::mir;
use crate::repr::Datum;
use crate::scalar::{ScalarExpr, Syntax};

/// A relation that reads no outer row, and what ties its rows to an outer row.
pub(super) struct Pulled {
    /// The original columns, then those that only the ties read.
    pub(super) rel: Rel,
    pub(super) ties: Vec<Tie>,
}

/// An outer row sees the rows for which both sides are equal; NULL is equal to nothing.
#[derive(Clone)]
pub(super) struct Tie {
    /// Over the row around the subquery: level 0 is that row.
    pub(super) outer: Expr,
    /// A column of the pulled relation.
    pub(super) column: usize,
}

/// Pulls up the equalities by which the relation depends on outer rows; None if it depends on them in any other way.
pub(super) fn pull(rel: &Rel) -> Option<Pulled> {
    if !rel.is_correlated() {
        return Some(Pulled { rel: rel.clone(), ties: Vec::new() });
    }
    hir::grow(|| pull_correlated(rel))
}

fn pull_correlated(rel: &Rel) -> Option<Pulled> {
    match rel {
        Rel::Project { input, outputs } => Some(projected(pull(input)?, outputs)),
        Rel::Map { input, exprs } => {
            if exprs.iter().any(reads_outer) {
                return None;
            }
            Some(mapped(pull(input)?, input.arity(), exprs))
        }
        Rel::Filter { input, predicates } => tied(pull(input)?, predicates),
        Rel::Join { kind: JoinKind::Inner, left, right, on, lateral: false } => {
            let (l, r) = (left.arity(), right.arity());
            tied(joined((pull(left)?, l), (pull(right)?, r)), on)
        }
        Rel::Reduce { input, key, aggregates, global: false } => {
            let reads = key.iter().chain(aggregates.iter().flat_map(hir::Aggregate::exprs)).any(reads_outer);
            if reads {
                return None;
            }
            Some(grouped(pull(input)?, key, aggregates))
        }
        Rel::Distinct { input } => {
            let Pulled { rel, ties } = pull(input)?;
            Some(Pulled { rel: Rel::Distinct { input: Box::new(rel) }, ties })
        }
        Rel::TopK { input, group, order, limit, offset, ties } => {
            let pulled = pull(input)?;
            let group = group.iter().copied().chain(pulled.tie_columns()).collect();
            let (order, limit, offset) = (order.clone(), limit.clone(), offset.clone());
            let rel = Rel::TopK { input: Box::new(pulled.rel), group, order, limit, offset, ties: *ties };
            Some(Pulled { rel, ties: pulled.ties })
        }
        Rel::Window { input, partition, order, functions } => {
            let mut exprs = partition.iter().chain(order.iter().map(|key| &key.expr));
            if exprs.any(reads_outer) || functions.iter().flat_map(hir::WindowCall::exprs).any(reads_outer) {
                return None;
            }
            Some(windowed(pull(input)?, input.arity(), partition, order, functions))
        }
        Rel::With { id, name, value, body } => {
            let pulled = pull(body)?;
            let (value, body) = (value.clone(), Box::new(pulled.rel));
            Some(Pulled { rel: Rel::With { id: *id, name: name.clone(), value, body }, ties: pulled.ties })
        }
        _ => None,
    }
}

impl Pulled {
    fn tie_columns(&self) -> impl Iterator<Item = usize> {
        self.ties.iter().map(|tie| tie.column)
    }

    /// The ties' columns as expressions.
    fn tie_keys(&self) -> Vec<Expr> {
        let types = self.rel.types();
        self.tie_columns().map(|column| Expr::column(column, types[column].clone())).collect()
    }
}

/// These columns, then those that the ties read.
fn projected(pulled: Pulled, outputs: &[usize]) -> Pulled {
    let all = outputs.iter().copied().chain(pulled.tie_columns()).collect();
    let ties = pulled.ties.into_iter().enumerate();
    let ties = ties.map(|(at, tie)| Tie { column: outputs.len() + at, ..tie }).collect();
    Pulled { rel: project(pulled.rel, all), ties }
}

/// With these expressions after the original columns, which are `arity`.
fn mapped(pulled: Pulled, arity: usize, exprs: &[Expr]) -> Pulled {
    let (all, count) = (pulled.rel.arity(), exprs.len());
    let rel = Rel::Map { input: Box::new(pulled.rel), exprs: exprs.to_vec() };
    let outputs = (0..arity).chain(all..all + count).chain(arity..all).collect();
    Pulled { rel: project(rel, outputs), ties: moved(pulled.ties, arity, count) }
}

/// The product of two, each with the number of its original columns.
fn joined((left, l): (Pulled, usize), (right, r): (Pulled, usize)) -> Pulled {
    let (l_all, r_all) = (left.rel.arity(), right.rel.arity());
    let rel = Rel::Join {
        kind: JoinKind::Inner,
        left: Box::new(left.rel),
        right: Box::new(right.rel),
        on: Vec::new(),
        lateral: false,
    };
    let outputs = (0..l).chain(l_all..l_all + r).chain(l..l_all).chain(l_all + r..l_all + r_all).collect();
    let left_ties = moved(left.ties, l, r);
    let right_ties = right.ties.into_iter().map(|tie| {
        let column = if tie.column < r { l + tie.column } else { l_all + tie.column };
        Tie { column, ..tie }
    });
    Pulled { rel: project(rel, outputs), ties: left_ties.into_iter().chain(right_ties).collect() }
}

/// Partitioned by the ties' columns too.
fn windowed(
    pulled: Pulled,
    arity: usize,
    partition: &[Expr],
    order: &[hir::OrderKey],
    functions: &[hir::WindowCall],
) -> Pulled {
    let (all, count) = (pulled.rel.arity(), functions.len());
    let rel = Rel::Window {
        partition: partition.iter().cloned().chain(pulled.tie_keys()).collect(),
        order: order.to_vec(),
        functions: functions.to_vec(),
        input: Box::new(pulled.rel),
    };
    let outputs = (0..arity).chain(all..all + count).chain(arity..all).collect();
    Pulled { rel: project(rel, outputs), ties: moved(pulled.ties, arity, count) }
}

/// Grouped by the ties' columns too: `GROUP BY key` for each outer row.
pub(super) fn grouped(pulled: Pulled, key: &[Expr], aggregates: &[hir::Aggregate]) -> Pulled {
    let width = key.len();
    let all_keys: Vec<Expr> = key.iter().cloned().chain(pulled.tie_keys()).collect();
    let (keys, end) = (all_keys.len(), all_keys.len() + aggregates.len());
    let rel = Rel::Reduce {
        input: Box::new(pulled.rel),
        key: all_keys,
        aggregates: aggregates.to_vec(),
        global: false,
    };
    let outputs = (0..width).chain(keys..end).chain(width..keys).collect();
    let first = width + aggregates.len();
    let ties = pulled.ties.into_iter().enumerate().map(|(at, tie)| Tie { column: first + at, ..tie });
    Pulled { rel: project(rel, outputs), ties: ties.collect() }
}

/// The relation filtered by the predicates that read no outer row, tied by the others.
fn tied(pulled: Pulled, predicates: &[Expr]) -> Option<Pulled> {
    let Pulled { mut rel, mut ties } = pulled;
    let (outer, own): (Vec<&Expr>, Vec<&Expr>) =
        predicates.iter().partition(|predicate| reads_outer(predicate));
    if !own.is_empty() {
        rel = Rel::Filter { input: Box::new(rel), predicates: own.into_iter().cloned().collect() };
    }
    let mut computed = Vec::new();
    let arity = rel.arity();
    for predicate in outer {
        let (inner, mut outer) = equality(predicate)?;
        outer.shift_levels(1, -1);
        let column = match inner {
            Expr::Column(reference, _) => reference.column,
            inner => {
                computed.push(inner);
                arity + computed.len() - 1
            }
        };
        ties.push(Tie { outer, column });
    }
    if !computed.is_empty() {
        rel = Rel::Map { input: Box::new(rel), exprs: computed };
    }
    Some(Pulled { rel, ties })
}

/// An equality of something of the nearest row with something of outer rows: (inner, outer).
fn equality(predicate: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Call { func, args, .. } = predicate else { return None };
    if func.name != "=" || func.syntax != Syntax::Operator || predicate.has_subquery() {
        return None;
    }
    let [a, b] = args.as_slice() else { return None };
    // Joins compare values of one type.
    if a.typ().without_typmod() != b.typ().without_typmod() {
        return None;
    }
    match (reads_outer(a), a.reads_level(0), reads_outer(b), b.reads_level(0)) {
        (false, _, true, false) => Some((a.clone(), b.clone())),
        (true, false, false, _) => Some((b.clone(), a.clone())),
        _ => None,
    }
}

fn reads_outer(expr: &Expr) -> bool {
    let mut found = false;
    expr.for_each_column(0, &mut |depth, reference| found |= reference.level > depth);
    found
}

/// Ties on columns from `from` on, `by` columns further.
fn moved(ties: Vec<Tie>, from: usize, by: usize) -> Vec<Tie> {
    ties.into_iter()
        .map(|tie| Tie { column: if tie.column < from { tie.column } else { tie.column + by }, ..tie })
        .collect()
}

fn project(rel: Rel, outputs: Vec<usize>) -> Rel {
    let identity =
        outputs.len() == rel.arity() && outputs.iter().enumerate().all(|(at, column)| at == *column);
    if identity { rel } else { Rel::Project { input: Box::new(rel), outputs } }
}

/// A relation that has one row for every outer row, pulled up: its rows where there are any, and what it is where there are none.
pub(super) struct PulledOne {
    pub(super) pulled: Pulled,
    /// One row of expressions without columns.
    pub(super) of_nothing: Vec<Expr>,
}

/// As [`pull`], for aggregates without GROUP BY and what is computed from them.
pub(super) fn pull_one(rel: &Rel) -> Option<PulledOne> {
    match rel {
        Rel::Reduce { input, key, aggregates, global: true } => {
            let reads = key.iter().chain(aggregates.iter().flat_map(hir::Aggregate::exprs)).any(reads_outer);
            if reads || !key.is_empty() {
                return None;
            }
            Some(PulledOne {
                pulled: grouped(pull(input)?, key, aggregates),
                of_nothing: of_nothing(aggregates),
            })
        }
        Rel::Project { input, outputs } => {
            let PulledOne { pulled, of_nothing } = pull_one(input)?;
            let of_nothing = outputs.iter().map(|column| of_nothing[*column].clone()).collect();
            Some(PulledOne { pulled: projected(pulled, outputs), of_nothing })
        }
        Rel::Map { input, exprs } => {
            if exprs.iter().any(|expr| reads_outer(expr) || expr.has_subquery()) {
                return None;
            }
            let PulledOne { pulled, mut of_nothing } = pull_one(input)?;
            let pulled = mapped(pulled, input.arity(), exprs);
            let computed: Vec<Expr> = exprs.iter().map(|expr| with_columns(expr, &of_nothing)).collect();
            of_nothing.extend(computed);
            Some(PulledOne { pulled, of_nothing })
        }
        _ => None,
    }
}

/// The aggregates of no rows.
fn of_nothing(aggregates: &[hir::Aggregate]) -> Vec<Expr> {
    let value = |aggregate: &hir::Aggregate| {
        let typ = aggregate.typ.typ.clone();
        Expr::from_scalar(match aggregate.func.is_null_of_nothing() {
            true => ScalarExpr::null(typ),
            false => ScalarExpr::literal(Datum::Int(0), typ),
        })
    };
    aggregates.iter().map(value).collect()
}

/// The expression with values in its columns' places.
fn with_columns(expr: &Expr, row: &[Expr]) -> Expr {
    let mut expr = expr.clone();
    expr.rewrite(0, &mut |_, node| {
        let Expr::Column(reference, _) = node else { return false };
        *node = row[reference.column].clone();
        true
    });
    expr
}

impl Decorrelator {
    /// The ties as equalities over `rows ++ keys`, where `keys` has the ties' columns in order.
    pub(super) fn tie(&self, ties: &[Tie], rows: &mir::Rel, outer: &Outer) -> Option<Vec<Vec<ScalarExpr>>> {
        let arity = rows.arity();
        let equal = |(at, tie): (usize, &Tie)| {
            let around = tie.outer.to_scalar(&mut |reference| Some(outer.resolve(reference)))?;
            Some(vec![around, ScalarExpr::Column(arity + at)])
        };
        ties.iter().enumerate().map(equal).collect()
    }

    /// The pulled relation's ties' columns, then these of its own.
    pub(super) fn keyed(&mut self, pulled: &Pulled, columns: &[usize]) -> Result<mir::Rel, Error> {
        let rel = self.apply(&pulled.rel, &Outer::none())?;
        Ok(rel.project(pulled.tie_columns().chain(columns.iter().copied()).collect()))
    }
}
