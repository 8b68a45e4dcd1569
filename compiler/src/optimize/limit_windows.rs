//! A filter that keeps the first rows of each partition is a top-k below the window.
//!
//! `row_number() <= 3` needs no more than three rows of a partition, which top-k finds from the front, where a window would be
//! recomputed as a whole; `rank() <= 3` needs the third row's peers too. Whatever else the window computes must not look at the
//! rows behind.

use crate::mir::analysis::errors::{Fallible, fails};
use crate::mir::predicate::{as_equality, is_comparison};
use crate::mir::{Rel, deep};
use crate::repr::Datum;
use crate::scalar::{ScalarExpr, Slice, WindowFunc};

pub fn limit_windows(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Filter { input, predicates } => match *input {
            window @ Rel::Window { .. } => deep(|| limit_window(window, predicates)),
            input => input.filter(predicates),
        },
        rel => rel,
    })
}

/// A predicate that lets no row pass whose number, or rank, is greater.
struct Limit {
    predicate: usize,
    rows: u64,
    /// The predicate is true of all the others.
    exact: bool,
    /// Rows of one rank are kept together.
    ties: bool,
}

fn limit_window(window: Rel, mut predicates: Vec<ScalarExpr>) -> Rel {
    let Rel::Window { input, partition, order, functions } = window else {
        unreachable!("invariant: the caller has looked")
    };
    let arity = input.arity();
    let limits = functions.iter().enumerate().filter_map(|(at, function)| match function.func {
        WindowFunc::RowNumber => least_limit(&predicates, arity + at, false),
        WindowFunc::Rank => least_limit(&predicates, arity + at, true),
        _ => None,
    });
    let backward = |limit: &Limit| functions.iter().all(|function| function.looks_back_only(limit.ties));
    let limit = limits.filter(backward).min_by_key(|limit| (limit.ties, limit.rows));
    // A row without a place fails all that is kept; a predicate beside the limit might have hidden that.
    let placed = predicates.len() == 1 || {
        let fallible = Fallible::default().columns(&input);
        order.iter().all(|key| !fails(&key.expr, &fallible))
    };
    let Some(limit) = limit.filter(|_| placed) else {
        return input.window(partition, order, functions).filter(predicates);
    };
    if limit.exact {
        predicates.remove(limit.predicate);
    }
    let slice = Slice { ties: limit.ties, ..Slice::first(limit.rows) };
    let limited = match &*input {
        Rel::TopK {
            group_key, order: inner, slice: Slice { limit: Some(least), offset: 0, ties }, ..
        } if *group_key == partition && *inner == order && *least <= limit.rows && (limit.ties || !ties) => {
            *input
        }
        _ => input.top_k(partition.clone(), order.clone(), slice),
    };
    limited.window(partition, order, functions).filter(predicates)
}

fn least_limit(predicates: &[ScalarExpr], column: usize, ties: bool) -> Option<Limit> {
    let limits = predicates.iter().enumerate().filter_map(|(predicate, expr)| {
        let (rows, exact) = limit_of(expr, column)?;
        Some(Limit { predicate, rows, exact, ties })
    });
    limits.min_by_key(|limit| (limit.rows, !limit.exact))
}

/// Up to which number a comparison of the column with a constant lets rows pass, and whether it does all of them.
fn limit_of(predicate: &ScalarExpr, column: usize) -> Option<(u64, bool)> {
    let ScalarExpr::Call { func, args, .. } = predicate else { return None };
    let is_number = |expr: &ScalarExpr| *expr == ScalarExpr::Column(column);
    let (constant, reversed) = match &args[..] {
        [number, constant] if is_number(number) => (constant, false),
        [constant, number] if is_number(number) => (constant, true),
        _ => return None,
    };
    let Some(Ok(Datum::Int(constant))) = constant.as_literal() else { return None };
    if !is_comparison(*func) {
        return None;
    }
    let up_to = |rows: i64| u64::try_from(rows).unwrap_or(0);
    match (func.name, reversed) {
        ("<=", false) | (">=", true) => Some((up_to(constant), true)),
        ("<", false) | (">", true) => Some((up_to(constant.saturating_sub(1)), true)),
        _ if as_equality(predicate).is_some() => Some((up_to(constant), constant == 1)),
        _ => None,
    }
}
