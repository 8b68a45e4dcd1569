//! Groupings that find every group a single row, or whose repetitions nobody can see, are left out.
//!
//! - Distinct, or the first row, of rows that a key already tells apart is those rows.
//! - Distinct under what does not count (distinct, MIN, MAX, boolean aggregates; or a semijoin's lookup) adds nothing.
//! - Top-k over top-k by the same order is one of them.

use crate::mir::Rel;
use crate::scalar::{AggregateExpr, ScalarExpr, Slice, SortKey};

pub fn eliminate_groups(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Reduce { input, group_key, aggregates } => simplify_reduce(*input, group_key, aggregates),
        Rel::TopK { input, group_key, order, slice } => simplify_top_k(*input, group_key, order, slice),
        rel => rel,
    })
}

fn simplify_reduce(input: Rel, group_key: Vec<ScalarExpr>, aggregates: Vec<AggregateExpr>) -> Rel {
    if aggregates.is_empty() && is_unique_by(&input, &group_key) {
        let arity = input.arity();
        let outputs = (arity..arity + group_key.len()).collect();
        return input.map(group_key).project(outputs);
    }
    if aggregates.iter().all(|aggregate| aggregate.distinct || aggregate.func.ignores_duplicates()) {
        return without_distinct(input).reduce(group_key, aggregates);
    }
    input.reduce(group_key, aggregates)
}

/// Whether some key of the input is among the group's expressions. Two rows are then never in one group, and each is printed
/// as it is.
fn is_unique_by(input: &Rel, group_key: &[ScalarExpr]) -> bool {
    input.keys().iter().any(|key| key.iter().all(|column| group_key.contains(&ScalarExpr::Column(*column))))
}

/// The input of a distinct, below projections, filters and maps, when the grouping above sees no repetition. A distinct that merges
/// rows which print differently chooses between them, and stays.
fn without_distinct(rel: Rel) -> Rel {
    match rel {
        Rel::Project { input, outputs } => without_distinct(*input).project(outputs),
        Rel::Map { input, scalars } => without_distinct(*input).map(scalars),
        Rel::Filter { input, predicates } => without_distinct(*input).filter(predicates),
        Rel::Reduce { input, group_key, aggregates } if aggregates.is_empty() => {
            let columns = input.columns();
            if group_key.iter().any(|expr| expr.typ(&columns).typ.has_lossy_equality()) {
                return Rel::Reduce { input, group_key, aggregates };
            }
            let arity = columns.len();
            let outputs = (arity..arity + group_key.len()).collect();
            without_distinct(*input).map(group_key).project(outputs)
        }
        rel => rel,
    }
}

fn simplify_top_k(input: Rel, group_key: Vec<usize>, order: Vec<SortKey>, slice: Slice) -> Rel {
    let keyed = || input.keys().iter().any(|key| key.iter().all(|column| group_key.contains(column)));
    if slice.offset == 0 && (slice.limit.is_none() || slice.limit.is_some_and(|limit| limit > 0) && keyed()) {
        return input;
    }
    match input {
        // Of the rows that the inner one leaves, the outer one's are the first again.
        Rel::TopK { input, group_key: inner_key, order: inner_order, slice: inner }
            if inner_key == group_key && inner_order == order && !inner.ties && !slice.ties =>
        {
            let left = inner.limit.map(|limit| limit.saturating_sub(slice.offset));
            let limit = match (left, slice.limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let offset = inner.offset.saturating_add(slice.offset);
            input.top_k(group_key, order, Slice { limit, offset, ties: false })
        }
        input => input.top_k(group_key, order, slice),
    }
}
