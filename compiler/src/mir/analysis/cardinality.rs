//! A guess at how many rows an expression has, for choosing between join orders. Only the order of guesses matters.

use crate::mir::predicate::as_equality;
use crate::mir::{Rel, deep};
use crate::scalar::ScalarExpr;

/// What a catalog collection is taken to have.
const COLLECTION: f64 = 1e6;

/// The guessed number of rows; at most one where a key says so.
pub fn guess(rel: &Rel) -> f64 {
    deep(|| match rel {
        Rel::Constant { rows, .. } => rows.as_ref().map_or(0.0, |rows| rows.len() as f64),
        Rel::Get { typ, .. } if typ.keys.iter().any(Vec::is_empty) => 1.0,
        Rel::Get { .. } => COLLECTION,
        Rel::Let { body: inner, .. } | Rel::Recursive { value: inner, .. } => guess(inner),
        Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Window { input, .. }
        | Rel::Negate { input }
        | Rel::Threshold { input } => guess(input),
        Rel::Filter { input, predicates } => {
            if rel.keys().iter().any(Vec::is_empty) {
                return 1.0;
            }
            predicates.iter().fold(guess(input), |rows, predicate| rows * selectivity(predicate)).max(1.0)
        }
        Rel::FlatMap { input, .. } => guess(input) * 10.0,
        Rel::Join { inputs, equivalences } => guess_join(inputs, equivalences),
        Rel::Lookup(lookup) => guess(&lookup.input),
        Rel::Changes { input } => guess(input),
        Rel::Reduce { input, group_key, .. } if group_key.is_empty() => guess(input).min(1.0),
        Rel::Reduce { input, .. } => guess(input) / 3.0,
        Rel::TopK { input, group_key, slice, .. } => match (slice.limit, group_key.is_empty()) {
            (Some(limit), true) => guess(input).min(limit as f64),
            (Some(_), false) => guess(input) / 3.0,
            (None, _) => guess(input),
        },
        Rel::Union { inputs } => {
            inputs.iter().filter(|input| !matches!(input, Rel::Negate { .. })).map(guess).sum()
        }
    })
}

/// The part of the rows that a predicate lets through.
pub fn selectivity(predicate: &ScalarExpr) -> f64 {
    match predicate {
        ScalarExpr::And(operands) => operands.iter().map(selectivity).product(),
        ScalarExpr::Or(operands) => operands.iter().map(selectivity).sum::<f64>().min(1.0),
        predicate if as_equality(predicate).is_some() => 0.02,
        _ => 0.4,
    }
}

/// Each equivalence makes its smaller sides look up the greatest.
fn guess_join(inputs: &[Rel], equivalences: &[Vec<ScalarExpr>]) -> f64 {
    let mut sizes: Vec<f64> = inputs.iter().map(guess).collect();
    sizes.sort_by(f64::total_cmp);
    let mut links = equivalences.iter().filter(|class| class.len() > 1).count();
    let mut rows = sizes.pop().unwrap_or(1.0);
    for size in sizes.into_iter().rev() {
        match links {
            0 => rows *= size,
            _ => links -= 1,
        }
    }
    rows
}
