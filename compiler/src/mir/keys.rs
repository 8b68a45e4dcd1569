//! The unique keys of an expression: sets of columns of which no two of its rows share the values.
//!
//! "Share" is by SQL equality, NULLs equal to each other, and a key also says that no row has a multiplicity above one. The
//! empty key says that there is at most one row. What is found is true for collections without negative multiplicities;
//! a union with negated inputs is taken as a subtraction that never goes below zero, as SQL's are.

use std::collections::BTreeSet;

use super::predicate::{as_equality, is_constant};
use super::{Rel, deep};
use crate::scalar::{ScalarExpr, WindowFunc};

/// More keys than this are not worth the time that passes spend on them.
const MAX_KEYS: usize = 12;

impl Rel {
    /// Its keys, none of which contains another.
    pub fn keys(&self) -> Vec<Vec<usize>> {
        deep(|| match self {
            Rel::Constant { rows: Ok(rows), typ } if rows.is_empty() || matches!(rows[..], [(_, 1)]) => {
                minimal(typ.keys.iter().cloned().chain([vec![]]))
            }
            Rel::Constant { typ, .. } | Rel::Get { typ, .. } => minimal(typ.keys.iter().cloned()),
            Rel::Let { body: inner, .. } | Rel::Recursive { value: inner, .. } => inner.keys(),
            Rel::Project { input, outputs } => {
                let place = |column: &usize| outputs.iter().position(|output| output == column);
                minimal(input.keys().iter().filter_map(|key| key.iter().map(place).collect()))
            }
            Rel::Map { input, .. } => input.keys(),
            Rel::Filter { input, predicates } => {
                let fixed: BTreeSet<usize> = predicates.iter().filter_map(fixed_column).collect();
                minimal(input.keys().into_iter().map(|mut key| {
                    key.retain(|column| !fixed.contains(column));
                    key
                }))
            }
            Rel::FlatMap { .. } | Rel::Lookup(_) | Rel::Changes { .. } | Rel::Negate { .. } => vec![],
            Rel::Join { inputs, equivalences } => join_keys(inputs, equivalences),
            Rel::Reduce { input, group_key, .. } => {
                let place =
                    |column: &usize| group_key.iter().position(|expr| *expr == ScalarExpr::Column(*column));
                let inherited = input.keys();
                let inherited = inherited.iter().filter_map(|key| key.iter().map(place).collect());
                minimal(inherited.chain([(0..group_key.len()).collect()]))
            }
            Rel::TopK { input, group_key, slice, .. } => {
                let one = slice.limit.is_some_and(|limit| limit <= 1) && !slice.ties;
                let first = one.then(|| group_key.clone());
                minimal(input.keys().into_iter().chain(first))
            }
            Rel::Window { input, partition, functions, .. } => {
                let arity = input.arity();
                let number = functions.iter().position(|function| function.func == WindowFunc::RowNumber);
                let numbered =
                    number.map(|number| partition.iter().copied().chain([arity + number]).collect());
                minimal(input.keys().into_iter().chain(numbered))
            }
            Rel::Threshold { input } => input.keys(),
            Rel::Union { inputs } => {
                let mut positive = inputs.iter().filter(|input| !matches!(input, Rel::Negate { .. }));
                match (positive.next(), positive.next()) {
                    (Some(minuend), None) => minuend.keys(),
                    _ => vec![],
                }
            }
        })
    }
}

/// The column that an equality with a constant leaves only one value.
fn fixed_column(predicate: &ScalarExpr) -> Option<usize> {
    match as_equality(predicate)? {
        (ScalarExpr::Column(column), constant) | (constant, ScalarExpr::Column(column))
            if is_constant(constant) =>
        {
            Some(*column)
        }
        _ => None,
    }
}

/// Sorted, without duplicates and without keys that contain another key.
fn minimal(keys: impl IntoIterator<Item = Vec<usize>>) -> Vec<Vec<usize>> {
    let mut keys: Vec<Vec<usize>> = keys
        .into_iter()
        .map(|mut key| {
            key.sort_unstable();
            key.dedup();
            key
        })
        .collect();
    keys.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    keys.dedup();
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for key in keys {
        if !kept.iter().any(|k| k.iter().all(|column| key.contains(column))) {
            kept.push(key);
        }
    }
    kept.truncate(MAX_KEYS);
    kept
}

/// A key of some input, with those of the inputs that it does not determine through the equivalences.
///
/// An input is determined when the equivalences fix the columns of one of its keys by expressions over determined inputs:
/// then each row of those meets at most one of its rows.
fn join_keys(inputs: &[Rel], equivalences: &[Vec<ScalarExpr>]) -> Vec<Vec<usize>> {
    let mut start = 0;
    let mut input_of = Vec::new();
    let mut input_keys = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let arity = input.arity();
        let shifted = input.keys().into_iter().map(|key| key.into_iter().map(|c| c + start).collect());
        input_keys.push(shifted.collect::<Vec<Vec<usize>>>());
        input_of.resize(start + arity, number);
        start += arity;
    }
    if input_keys.iter().any(Vec::is_empty) {
        return vec![];
    }
    let reach = Reach { input_of, input_keys, equivalences };
    let mut keys = Vec::new();
    for first in 0..inputs.len() {
        keys.extend(reach.input_keys[first].iter().map(|key| reach.complete(first, key)));
    }
    if inputs.is_empty() {
        keys.push(vec![]);
    }
    minimal(keys)
}

struct Reach<'a> {
    /// For each column of the join, its input.
    input_of: Vec<usize>,
    /// For each input its keys, in columns of the join.
    input_keys: Vec<Vec<Vec<usize>>>,
    equivalences: &'a [Vec<ScalarExpr>],
}

impl Reach<'_> {
    /// `key` of input `first`, and the first key of each input that is not determined by those before it.
    fn complete(&self, first: usize, key: &[usize]) -> Vec<usize> {
        let mut key = key.to_vec();
        let mut determined: Vec<bool> = vec![false; self.input_keys.len()];
        determined[first] = true;
        loop {
            self.extend(&mut determined);
            match determined.iter().position(|done| !done) {
                None => return key,
                Some(free) => {
                    key.extend(&self.input_keys[free][0]);
                    determined[free] = true;
                }
            }
        }
    }

    fn extend(&self, determined: &mut [bool]) {
        loop {
            let next = (0..determined.len()).find(|input| {
                !determined[*input]
                    && self.input_keys[*input]
                        .iter()
                        .any(|key| key.iter().all(|column| self.fixed(*column, determined)))
            });
            match next {
                Some(input) => determined[input] = true,
                None => return,
            }
        }
    }

    /// Whether a column equals an expression over determined inputs.
    fn fixed(&self, column: usize, determined: &[bool]) -> bool {
        self.equivalences.iter().any(|class| {
            class.contains(&ScalarExpr::Column(column))
                && class.iter().any(|expr| expr.support().iter().all(|c| determined[self.input_of[*c]]))
        })
    }
}
