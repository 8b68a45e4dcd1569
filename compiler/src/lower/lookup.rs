//! What predicates say of an arrangement's key: which keys to look up, or between which bounds to read.
//!
//! The predicates themselves stay in the operator that reads the records: a lookup only spares it records. So a bound may be
//! wider than the predicate, never narrower.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use crate::lir::{Body, Dataflow, Fragment, Layout};
use crate::mir::predicate::{self, as_equality, is_constant, same_key_encoding, without_widening};
use crate::repr::{ColumnType, Row, Type};
use crate::scalar::{Mfp, ScalarExpr};

/// More keys than this are not looked up one by one.
const MAX_KEYS: usize = 1000;

/// What predicates say of single columns.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The constants that a column can only be equal to.
    pub equal: BTreeMap<usize, Vec<ScalarExpr>>,
    /// Bounds, each with whether it is inclusive.
    pub lower: BTreeMap<usize, (ScalarExpr, bool)>,
    pub upper: BTreeMap<usize, (ScalarExpr, bool)>,
}

impl Facts {
    /// What an operator's predicates say of its input's columns.
    pub(super) fn of(mfp: &Mfp, columns: &[ColumnType]) -> Facts {
        let mut facts = Facts::default();
        for predicate in &mfp.predicates {
            facts.learn(&mfp.inline(predicate.clone()), columns);
        }
        facts
    }

    fn learn(&mut self, predicate: &ScalarExpr, columns: &[ColumnType]) {
        if let Some((column, constants)) = equal_to_any(predicate, columns) {
            self.equal.entry(column).or_insert(constants);
            return;
        }
        let ScalarExpr::Call { func, args, .. } = predicate else { return };
        if !predicate::is_comparison(*func) {
            return;
        }
        let (column, constant, flipped) = match (column_of(&args[0], columns), column_of(&args[1], columns)) {
            (Some(column), None) => (column, &args[1], false),
            (None, Some(column)) => (column, &args[0], true),
            _ => return,
        };
        if !is_bound(constant, &columns[column].typ) {
            return;
        }
        let bound = |inclusive| (constant.clone(), inclusive);
        match (func.name, flipped) {
            (">", false) | ("<", true) => drop(self.lower.entry(column).or_insert(bound(false))),
            (">=", false) | ("<=", true) => drop(self.lower.entry(column).or_insert(bound(true))),
            ("<", false) | (">", true) => drop(self.upper.entry(column).or_insert(bound(false))),
            ("<=", false) | (">=", true) => drop(self.upper.entry(column).or_insert(bound(true))),
            _ => {}
        }
    }

    /// The keys of an arrangement that can hold what is asked for: all combinations of its columns' constants.
    pub(super) fn keys(&self, layout: &Layout) -> Option<Vec<Vec<ScalarExpr>>> {
        if layout.key_columns.len() != layout.key || layout.key == 0 {
            return None;
        }
        let mut keys: Vec<Vec<ScalarExpr>> = vec![vec![]];
        for column in &layout.key_columns {
            let constants = self.equal.get(column)?;
            if keys.len() * constants.len() > MAX_KEYS {
                return None;
            }
            let extended = keys.iter().flat_map(|key| {
                constants.iter().map(|constant| key.iter().cloned().chain([constant.clone()]).collect())
            });
            keys = extended.collect();
        }
        Some(keys)
    }
}

fn column_of(expr: &ScalarExpr, columns: &[ColumnType]) -> Option<usize> {
    match without_widening(expr, columns) {
        ScalarExpr::Column(column) => Some(*column),
        _ => None,
    }
}

/// Whether a constant can be encoded as a key of a column of this type.
fn is_bound(constant: &ScalarExpr, typ: &Type) -> bool {
    if !is_constant(constant) || constant.is_literal_error() {
        return false;
    }
    let own = constant.typ(&[]).typ;
    match typ {
        // Encoding a key settles how it is printed.
        Type::Numeric(_) => matches!(own, Type::Numeric(_)),
        Type::Bpchar(_) => matches!(own, Type::Bpchar(_)),
        typ => same_key_encoding(typ, &own),
    }
}

/// `column = constant`, or a disjunction of such on one column.
fn equal_to_any(predicate: &ScalarExpr, columns: &[ColumnType]) -> Option<(usize, Vec<ScalarExpr>)> {
    if let ScalarExpr::Or(operands) = predicate {
        let mut all = Vec::new();
        let mut on = None;
        for operand in operands {
            let (column, constants) = equal_to_any(operand, columns)?;
            if *on.get_or_insert(column) != column {
                return None;
            }
            all.extend(constants);
        }
        return Some((on?, all));
    }
    let (left, right) = as_equality(predicate)?;
    let (column, constant) = match (column_of(left, columns), column_of(right, columns)) {
        (Some(column), None) => (column, right),
        (None, Some(column)) => (column, left),
        _ => return None,
    };
    is_bound(constant, &columns[column].typ).then(|| (column, vec![constant.clone()]))
}

/// The arrangement that a dataflow publishes.
pub(super) fn published(dataflow: &Dataflow) -> Option<&Fragment> {
    match dataflow.body {
        Body::Arrangement(published) => Some(&dataflow.fragments[published.0]),
        _ => None,
    }
}

/// The arrangement of a relation in which literals fix the whole key, and the keys, packed; one with a unique key first.
pub(super) fn literal_lookup<'s>(
    source: &'s Source,
    mfp: &Mfp,
    columns: &[ColumnType],
) -> Option<(&'s Dataflow, Vec<Row>)> {
    if mfp.predicates.is_empty() {
        return None;
    }
    let facts = Facts::of(mfp, columns);
    let candidates = source.dataflow.iter().chain(source.indexes.iter().map(|(_, dataflow)| dataflow));
    let mut found: Vec<(bool, &Dataflow, Vec<Row>)> = Vec::new();
    for dataflow in candidates {
        let Some(fragment) = published(dataflow) else { continue };
        let Some(keys) = facts.keys(&fragment.layout) else { continue };
        if let Some(keys) = pack_keys(&keys, &fragment.layout) {
            found.push((!fragment.layout.unique, dataflow, keys));
        }
    }
    let best = found.into_iter().min_by_key(|(repeats, _, keys)| (*repeats, keys.len()))?;
    Some((best.1, best.2))
}

/// Keys of literals, packed as the arrangement packs them; a NULL finds nothing. Nothing if one is not a literal.
fn pack_keys(keys: &[Vec<ScalarExpr>], layout: &Layout) -> Option<Vec<Row>> {
    let mut packed = BTreeSet::new();
    for key in keys {
        let mut bytes = Vec::new();
        let mut null = false;
        for (place, constant) in key.iter().enumerate() {
            let datum = constant.as_literal()?.ok()?;
            null |= datum.is_null();
            layout.encode_key(place, datum, &mut bytes);
        }
        if !null {
            packed.insert(Row::from_bytes(bytes));
        }
    }
    Some(packed.into_iter().collect())
}
