//! What is added and taken away again is left out, and a threshold over what cannot be negative is nothing.
//!
//! `Union [a, -a, b]` is `b`. Negations sink to the branches of unions, so that a difference of sums is one sum.

use crate::mir::{Rel, deep};

pub fn cancel_unions(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Negate { input } => sink_negation(*input),
        Rel::Union { inputs } => cancel(inputs),
        Rel::Threshold { input } if is_positive(&input) => *input,
        rel => rel,
    })
}

fn sink_negation(input: Rel) -> Rel {
    match input {
        Rel::Union { inputs } => Rel::union_all(inputs.into_iter().map(Rel::negate).collect()),
        input => input.negate(),
    }
}

fn cancel(inputs: Vec<Rel>) -> Rel {
    let flat = match Rel::union_all(inputs) {
        Rel::Union { inputs } => inputs,
        single => return single,
    };
    let typ = Rel::Union { inputs: flat.clone() }.typ();
    let mut kept: Vec<Rel> = Vec::new();
    for input in flat {
        let opposite = input.clone().negate();
        match kept.iter().position(|other| *other == opposite) {
            Some(place) => {
                kept.remove(place);
            }
            None => kept.push(input),
        }
    }
    match kept.is_empty() {
        true => Rel::empty(typ),
        false => Rel::union_all(kept),
    }
}

/// Whether no multiplicity can be negative. Catalog collections have none, nor has what a recursion makes of positive ones.
fn is_positive(rel: &Rel) -> bool {
    deep(|| match rel {
        Rel::Constant { rows, .. } => rows.iter().flatten().all(|(_, diff)| *diff > 0),
        Rel::Get { id, .. } => matches!(id, crate::mir::Id::Global(_)),
        Rel::Let { .. } | Rel::Negate { .. } => false,
        Rel::Reduce { .. }
        | Rel::TopK { .. }
        | Rel::Window { .. }
        | Rel::Changes { .. }
        | Rel::Threshold { .. }
        | Rel::Recursive { .. } => true,
        Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Filter { input, .. }
        | Rel::FlatMap { input, .. } => is_positive(input),
        Rel::Join { inputs, .. } | Rel::Union { inputs } => inputs.iter().all(is_positive),
        Rel::Lookup(lookup) => is_positive(&lookup.input) && is_positive(&lookup.table),
    })
}
