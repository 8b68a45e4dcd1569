//! Queries that need no dataflow: one published arrangement, read on the session's own thread.

use super::lookup::{Facts, published};
use super::{Source, Sources, fragment::from_record, optimized, peel};
use crate::lir::{Dataflow, Layout};
use crate::mir::{CollectionId, Id, Rel};
use crate::plan::{Access, FastPath, Finishing, Sorted};
use crate::scalar::{Mfp, ScalarExpr};

/// The read that an optimized query is, if it is maps, filters and projections of one table or materialized view.
///
/// Keys and bounds are taken from the predicates, of literals and parameters; all predicates are still asked of the records. Where only
/// the first rows are wanted, an arrangement in their order is read as far as they go.
pub fn fast_path(rel: &Rel, finishing: &Finishing, sources: &dyn Sources) -> Option<FastPath> {
    let (core, mfp) = peel(rel);
    let Rel::Get { id: Id::Global(relation), typ } = core else { return None };
    let source = sources.source(*relation);
    let facts = Facts::of(&mfp, &typ.columns);
    let mut best: Option<(usize, CollectionId, &Dataflow, Access, Option<Sorted>)> = None;
    for (item, dataflow) in candidates(*relation, &source) {
        let layout = &published(dataflow)?.layout;
        let access = access(&facts, layout);
        let sorted = sorted(&access, layout, &facts, &mfp, finishing);
        let cost = cost(&access, layout, sorted);
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, item, dataflow, access, sorted));
        }
    }
    let (_, arrangement, dataflow, access, sorted) = best?;
    let fragment = published(dataflow)?;
    Some(FastPath {
        relation: *relation,
        arrangement,
        identity: fragment.identity.clone(),
        layout: fragment.layout.clone(),
        access,
        sorted,
        mfp: optimized(from_record(&fragment.layout).then(mfp)),
    })
}

fn candidates(relation: CollectionId, source: &Source) -> impl Iterator<Item = (CollectionId, &Dataflow)> {
    let own = source.dataflow.iter().map(move |dataflow| (relation, &**dataflow));
    own.chain(source.indexes.iter().map(|(id, dataflow)| (*id, &**dataflow)))
}

/// What is read of an arrangement, as narrow as the facts allow.
fn access(facts: &Facts, layout: &Layout) -> Access {
    if let Some(keys) = facts.keys(layout) {
        return Access::Lookup(keys);
    }
    let mut prefix = Vec::new();
    let mut columns = layout.key_columns.iter();
    for column in columns.by_ref() {
        match facts.equal.get(column).map(Vec::as_slice) {
            Some([constant]) => prefix.push(constant.clone()),
            _ => {
                let (lower, upper) = (facts.lower.get(column).cloned(), facts.upper.get(column).cloned());
                return match prefix.is_empty() && lower.is_none() && upper.is_none() {
                    true => Access::Scan,
                    false => Access::Range { prefix, lower, upper },
                };
            }
        }
    }
    Access::Scan
}

/// The order of the records, if the query wants its first rows in it: each sort key a column of the key, one after the other, all in
/// one direction and NULL where the encoding has it; columns that are constants order nothing.
fn sorted(
    access: &Access,
    layout: &Layout,
    facts: &Facts,
    mfp: &Mfp,
    finishing: &Finishing,
) -> Option<Sorted> {
    finishing.limit.as_ref()?;
    let mut columns = match access {
        Access::Lookup(_) => return None,
        Access::Range { prefix, .. } => prefix.len(),
        Access::Scan => 0,
    };
    let backwards = finishing.order.first()?.desc;
    let mut covered = 0;
    for key in &finishing.order {
        let ScalarExpr::Column(output) = key.expr else { break };
        let column = mfp.projection.get(output)?;
        let constant = facts.equal.get(column).is_some_and(|constants| constants.len() == 1);
        let next = layout.key_columns.get(columns) == Some(column);
        match (constant, next && key.desc == backwards && key.nulls_first == backwards) {
            (true, _) => {}
            (false, true) => columns += 1,
            (false, false) => break,
        }
        covered += 1;
    }
    let whole = layout.unique && columns == layout.key;
    let ties = covered < finishing.order.len() && !whole;
    (covered > 0 && columns > 0).then_some(Sorted { columns, backwards, ties })
}

/// The order in which accesses are preferred.
fn cost(access: &Access, layout: &Layout, sorted: Option<Sorted>) -> usize {
    match access {
        Access::Lookup(keys) if layout.unique => keys.len(),
        Access::Lookup(keys) => 1_000 + keys.len(),
        Access::Range { prefix, lower, upper } => {
            let bounds = lower.is_some() as usize + upper.is_some() as usize;
            100_000 - (1_000 * prefix.len() + 100 * bounds).min(90_000)
        }
        Access::Scan if sorted.is_some() => 500_000,
        Access::Scan => 1_000_000,
    }
}
