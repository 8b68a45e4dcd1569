//! Append-only: whether a collection's rows, once there, stay.
//!
//! A physical property: reductions over append-only collections keep no history. What a query makes of streams by filters, maps, joins,
//! unions and distinct is append-only, and so is a changelog; aggregates, top-k, windows and differences are not.

use std::collections::BTreeMap;

use crate::mir::{CollectionId, Id, LocalId, Rel, deep};

/// Whether `rel` is append-only, given which collections of the catalog and which definitions are.
pub fn is_append_only(
    rel: &Rel,
    collection: &dyn Fn(CollectionId) -> bool,
    locals: &BTreeMap<LocalId, bool>,
) -> bool {
    deep(|| match rel {
        Rel::Constant { rows, .. } => rows.iter().flatten().all(|(_, diff)| *diff > 0),
        Rel::Get { id: Id::Global(id), .. } => collection(*id),
        Rel::Get { id: Id::Local(id), .. } => locals.get(id) == Some(&true),
        Rel::Let { id, value, body } => {
            let mut inner = locals.clone();
            inner.insert(*id, is_append_only(value, collection, locals));
            is_append_only(body, collection, &inner)
        }
        // What a round adds to what only grows, it adds in every later one.
        Rel::Recursive { id, value, .. } => {
            let mut inner = locals.clone();
            inner.insert(*id, true);
            is_append_only(value, collection, &inner)
        }
        Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Filter { input, .. }
        | Rel::FlatMap { input, .. }
        | Rel::Threshold { input } => is_append_only(input, collection, locals),
        // The printed form of a group can change when one with a lesser print joins it.
        Rel::Reduce { input, group_key, aggregates } => {
            let columns = input.columns();
            aggregates.is_empty()
                && !group_key.iter().any(|expr| expr.typ(&columns).typ.has_lossy_equality())
                && is_append_only(input, collection, locals)
        }
        Rel::Lookup(lookup) => is_append_only(&lookup.input, collection, locals),
        Rel::Changes { .. } => true,
        Rel::TopK { .. } | Rel::Window { .. } | Rel::Negate { .. } => false,
        Rel::Join { inputs, .. } | Rel::Union { inputs } => {
            inputs.iter().all(|input| is_append_only(input, collection, locals))
        }
    })
}
