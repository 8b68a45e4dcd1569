//! Scalar expressions are brought to a smaller form with the same meaning, or with an error less.
//!
//! Constants are folded, conjunctions flattened, what NULL decides is decided. A fold may lose an error (`false AND 1/0 = 1`
//! is false), never add one: `CASE WHEN x = 0 THEN 0 ELSE 1/0 END` keeps its branch.

use std::collections::BTreeSet;

use crate::mir::predicate::{as_is_null, as_not, is_constant};
use crate::mir::{Rel, predicate};
use crate::repr::{ColumnType, Type};
use crate::scalar::{AggregateExpr, Nulls, ScalarExpr, Volatility, WindowExpr};

pub fn simplify_scalars(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Map { input, mut scalars } => {
            let mut columns = input.columns();
            for scalar in &mut scalars {
                simplify(scalar, &columns);
                columns.push(scalar.typ(&columns));
            }
            input.map(scalars)
        }
        Rel::Filter { input, predicates } => {
            let columns = input.columns();
            input.filter(simplify_predicates(predicates, &columns))
        }
        Rel::FlatMap { input, func, mut args } => {
            let columns = input.columns();
            args.iter_mut().for_each(|arg| simplify(arg, &columns));
            input.flat_map(func, args)
        }
        Rel::Join { inputs, mut equivalences } => {
            let columns: Vec<ColumnType> = inputs.iter().flat_map(Rel::columns).collect();
            equivalences.iter_mut().flatten().for_each(|expr| simplify(expr, &columns));
            Rel::join(inputs, equivalences)
        }
        Rel::Lookup(mut lookup) => {
            let (left, right) = (lookup.input.columns(), lookup.table.columns());
            for (a, b) in &mut lookup.keys {
                simplify(a, &left);
                simplify(b, &right);
            }
            lookup.on = simplify_predicates(lookup.on, &[left, right].concat());
            Rel::Lookup(lookup)
        }
        Rel::Reduce { input, mut group_key, mut aggregates } => {
            let columns = input.columns();
            group_key.iter_mut().for_each(|expr| simplify(expr, &columns));
            let exprs = aggregates.iter_mut().flat_map(AggregateExpr::exprs_mut);
            exprs.for_each(|expr| simplify(expr, &columns));
            input.reduce(group_key, aggregates)
        }
        Rel::TopK { input, group_key, mut order, slice } => {
            let columns = input.columns();
            order.iter_mut().for_each(|key| simplify(&mut key.expr, &columns));
            input.top_k(group_key, order, slice)
        }
        Rel::Window { input, partition, mut order, mut functions } => {
            let columns = input.columns();
            order.iter_mut().for_each(|key| simplify(&mut key.expr, &columns));
            let exprs = functions.iter_mut().flat_map(WindowExpr::exprs_mut);
            exprs.for_each(|expr| simplify(expr, &columns));
            input.window(partition, order, functions)
        }
        rel => rel,
    })
}

/// A filter's predicates one by one, without those that are always true and without repetition.
pub fn simplify_predicates(predicates: Vec<ScalarExpr>, columns: &[ColumnType]) -> Vec<ScalarExpr> {
    let mut kept = BTreeSet::new();
    for mut predicate in predicates {
        simplify(&mut predicate, columns);
        match predicate {
            ScalarExpr::And(operands) => kept.extend(operands),
            predicate if predicate.is_literal_true() => {}
            predicate => {
                kept.insert(predicate);
            }
        }
    }
    kept.into_iter().collect()
}

/// Simplifies an expression over these columns in place.
pub fn simplify(expr: &mut ScalarExpr, columns: &[ColumnType]) {
    expr.transform(&mut |e| simplify_node(e, columns));
}

/// One node whose operands are simple already.
fn simplify_node(expr: &mut ScalarExpr, columns: &[ColumnType]) {
    if let Some(literal) = expr.fold_node() {
        *expr = literal;
        return;
    }
    let simpler = match expr {
        ScalarExpr::And(operands) => Some(simplify_connective(std::mem::take(operands), false)),
        ScalarExpr::Or(operands) => {
            let operands = std::mem::take(operands);
            Some(match simplify_connective(operands, true) {
                ScalarExpr::Or(operands) => factor(operands),
                simpler => simpler,
            })
        }
        ScalarExpr::If { cond, then, els } => {
            if cond.is_literal_true() || then == els && !cond.could_error() && is_pure(cond) {
                Some((**then).clone())
            } else if cond.is_literal_false() || cond.is_literal_null() {
                Some((**els).clone())
            } else {
                None
            }
        }
        ScalarExpr::Coalesce(operands) => Some(simplify_coalesce(std::mem::take(operands), columns)),
        ScalarExpr::Call { .. } => simplify_call(expr, columns),
        ScalarExpr::Column(_) | ScalarExpr::Literal(..) | ScalarExpr::Parameter(..) => None,
    };
    if let Some(simpler) = simpler {
        *expr = simpler;
    }
}

fn is_pure(expr: &ScalarExpr) -> bool {
    expr.volatility() != Volatility::Volatile
}

/// AND (`decisive` false) or OR (`decisive` true).
fn simplify_connective(operands: Vec<ScalarExpr>, decisive: bool) -> ScalarExpr {
    let mut kept: Vec<ScalarExpr> = Vec::new();
    let flat = operands.into_iter().flat_map(|operand| match (decisive, operand) {
        (false, ScalarExpr::And(inner)) | (true, ScalarExpr::Or(inner)) => inner,
        (_, operand) => vec![operand],
    });
    let mut seen = BTreeSet::new();
    for operand in flat {
        let (decides, neutral) = match decisive {
            false => (operand.is_literal_false(), operand.is_literal_true()),
            true => (operand.is_literal_true(), operand.is_literal_false()),
        };
        if decides {
            return ScalarExpr::bool(decisive);
        }
        if !neutral && (!is_pure(&operand) || seen.insert(operand.clone())) {
            kept.push(operand);
        }
    }
    match decisive {
        false => ScalarExpr::and(kept),
        true => ScalarExpr::or(kept),
    }
}

/// `(a AND b) OR (a AND c)` is `a AND (b OR c)`: what all alternatives ask can be pushed down, or join.
fn factor(operands: Vec<ScalarExpr>) -> ScalarExpr {
    let alternatives: Vec<Vec<ScalarExpr>> = operands
        .iter()
        .map(|operand| match operand {
            ScalarExpr::And(parts) => parts.clone(),
            single => vec![single.clone()],
        })
        .collect();
    let (first, others) = alternatives.split_first().expect("invariant: a disjunction has operands");
    let common: Vec<ScalarExpr> = first
        .iter()
        .filter(|part| is_pure(part) && others.iter().all(|other| other.contains(part)))
        .cloned()
        .collect();
    if common.is_empty() {
        return ScalarExpr::Or(operands);
    }
    let rests = alternatives.into_iter().map(|mut parts| {
        parts.retain(|part| !common.contains(part));
        ScalarExpr::and(parts)
    });
    let rest = simplify_connective(rests.collect(), true);
    simplify_connective(common.iter().cloned().chain([rest]).collect(), false)
}

fn simplify_coalesce(operands: Vec<ScalarExpr>, columns: &[ColumnType]) -> ScalarExpr {
    let typ = operands.first().map_or(Type::Text, |operand| operand.typ(columns).typ);
    let mut kept = Vec::new();
    for operand in operands {
        let last = !operand.nullable(columns);
        if !operand.is_literal_null() {
            kept.push(operand);
        }
        if last {
            break;
        }
    }
    match kept.len() {
        0 => ScalarExpr::null(typ),
        1 => kept.remove(0),
        _ => ScalarExpr::Coalesce(kept),
    }
}

fn simplify_call(expr: &ScalarExpr, columns: &[ColumnType]) -> Option<ScalarExpr> {
    let ScalarExpr::Call { func, args, typ } = expr else { return None };
    if func.nulls == Nulls::Strict && args.iter().any(ScalarExpr::is_literal_null) && args.iter().all(is_pure)
    {
        return Some(ScalarExpr::null(typ.clone()));
    }
    if let Some(operand) = as_is_null(expr)
        && !operand.nullable(columns)
        && is_pure(operand)
    {
        return Some(ScalarExpr::bool(false));
    }
    if let Some(operand) = as_not(expr) {
        return as_not(operand).cloned();
    }
    if let Some((left, right)) = predicate::as_equality(expr)
        && left == right
        && !left.nullable(columns)
        && is_pure(left)
        && !is_constant(left)
    {
        return Some(ScalarExpr::bool(true));
    }
    None
}
