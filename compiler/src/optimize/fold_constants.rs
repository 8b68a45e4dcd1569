//! What does not depend on any collection is computed once, here; what is empty makes empty what needs it.
//!
//! Folding uses [`interpret`](crate::interpret), so that a constant means the same folded or maintained. Large results are left to run
//! time: a plan must not grow with `generate_series(1, 1000000)`, nor compiling last as long as `repeat('a', 100000000)`.

use crate::interpret::{consolidate, evaluate_within};
use crate::mir::{Contents, Id, LocalId, Rel};
use crate::repr::{Arena, RelationType, Row};
use crate::scalar::{EvalError, ScalarExpr, Slice, Volatility};

/// Constants of more rows than this are not made.
const MAX_ROWS: usize = 1000;

/// The work that computing a constant may take.
const WORK_MAX: usize = 1 << 20;

pub fn fold_constants(rel: Rel) -> Rel {
    rel.transform(&mut |rel| {
        if let Some(error) = failed(&rel) {
            return Rel::Constant { rows: Err(error), typ: rel.typ() };
        }
        if is_empty(&rel) {
            return Rel::empty(rel.typ());
        }
        match rel {
            Rel::Union { inputs } => fold_union(inputs),
            Rel::Let { id, value, body } => match *value {
                value @ (Rel::Constant { .. } | Rel::Get { .. }) => inline(id, &value, *body),
                value => Rel::let_in(id, value, *body),
            },
            rel if can_compute(&rel) => computed(&rel).unwrap_or(rel),
            rel => rel,
        }
    })
}

fn inline(id: LocalId, value: &Rel, body: Rel) -> Rel {
    body.transform(&mut |rel| match rel {
        Rel::Get { id: Id::Local(get), .. } if get == id => value.clone(),
        rel => rel,
    })
}

fn rows(rel: &Rel) -> Option<&Vec<(Row, i64)>> {
    match rel {
        Rel::Constant { rows: Ok(rows), .. } => Some(rows),
        _ => None,
    }
}

fn is_constant_empty(rel: &Rel) -> bool {
    rows(rel).is_some_and(Vec::is_empty)
}

/// The error of an input that is nothing but an error.
fn failed(rel: &Rel) -> Option<EvalError> {
    let mut error: Option<EvalError> = None;
    if let Rel::Constant { .. } | Rel::Let { .. } = rel {
        return None;
    }
    rel.for_each_child(|child| {
        if let Rel::Constant { rows: Err(e), .. } = child
            && error.as_ref().is_none_or(|least| e < least)
        {
            error = Some(e.clone());
        }
    });
    error
}

/// Whether an operator gives no rows because an input has none, or a predicate is never true.
fn is_empty(rel: &Rel) -> bool {
    match rel {
        Rel::Constant { .. } | Rel::Get { .. } => false,
        Rel::Let { body, .. } => is_constant_empty(body),
        Rel::Filter { predicates, .. }
            if predicates.iter().any(|p| p.is_literal_false() || p.is_literal_null()) =>
        {
            true
        }
        Rel::TopK { slice: Slice { limit: Some(0), .. }, .. } => true,
        Rel::Join { inputs, equivalences } => {
            inputs.iter().any(is_constant_empty)
                || equivalences.iter().flatten().any(ScalarExpr::is_literal_null)
        }
        Rel::Union { inputs } => inputs.iter().all(is_constant_empty),
        Rel::Lookup(lookup) => is_constant_empty(&lookup.input),
        Rel::Recursive { value: input, .. }
        | Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Filter { input, .. }
        | Rel::FlatMap { input, .. }
        | Rel::Reduce { input, .. }
        | Rel::TopK { input, .. }
        | Rel::Window { input, .. }
        | Rel::Changes { input }
        | Rel::Negate { input }
        | Rel::Threshold { input } => is_constant_empty(input),
    }
}

/// The inputs that can have rows, all constants among them as one.
fn fold_union(inputs: Vec<Rel>) -> Rel {
    let typ = Rel::Union { inputs: inputs.clone() }.typ();
    let mut merged = Vec::new();
    let mut others = Vec::new();
    for input in inputs {
        match input {
            Rel::Constant { rows: Ok(rows), .. } if merged.len() + rows.len() <= MAX_ROWS => {
                merged.extend(rows)
            }
            input => others.push(input),
        }
    }
    consolidate(&mut merged);
    if !merged.is_empty() {
        let columns = typ.columns.clone();
        others.push(Rel::Constant { rows: Ok(merged), typ: RelationType::new(columns) });
    }
    match others.len() {
        0 => Rel::empty(typ),
        _ => Rel::union_all(others),
    }
}

/// Whether all inputs are small constants and no expression depends on more than them.
fn can_compute(rel: &Rel) -> bool {
    if let Rel::Constant { .. }
    | Rel::Get { .. }
    | Rel::Let { .. }
    | Rel::FlatMap { .. }
    | Rel::Changes { .. } = rel
    {
        return false;
    }
    let (mut size, mut constant) = (1usize, true);
    rel.for_each_child(|child| match rows(child) {
        Some(rows) => size = size.saturating_mul(rows.len()),
        None => constant = false,
    });
    constant && size <= MAX_ROWS && scalars_are_known(rel)
}

/// Whether every expression has one value for given columns: nothing volatile, no parameter. One without columns that is no
/// literal was found to take long.
fn scalars_are_known(rel: &Rel) -> bool {
    let mut known = true;
    rel.for_each_scalar(|scalar| {
        known &= scalar.volatility() == Volatility::Immutable
            && !scalar.any(&mut |e| matches!(e, ScalarExpr::Parameter(..)))
            && (scalar.is_literal() || scalar.any(&mut |e| matches!(e, ScalarExpr::Column(_))));
    });
    known
}

/// None if it takes long: then it is computed when it is asked for.
fn computed(rel: &Rel) -> Option<Rel> {
    let mut typ = rel.typ();
    let mut arena = Arena::within(WORK_MAX);
    let rows = evaluate_within(rel, &Contents::new(), usize::MAX, &mut arena).ok()?;
    if let Ok(rows) = &rows {
        tighten(&mut typ, rows);
    }
    Some(Rel::Constant { rows, typ })
}

/// Rules NULL out where no row has one.
fn tighten(typ: &mut RelationType, rows: &[(Row, i64)]) {
    let mut nullable = vec![false; typ.arity()];
    for (row, _) in rows {
        nullable.iter_mut().zip(row.iter()).for_each(|(nullable, datum)| *nullable |= datum.is_null());
    }
    typ.columns.iter_mut().zip(nullable).for_each(|(column, nullable)| column.nullable &= nullable);
}
