//! Top-k: of each group the rows after the first few, in an order, up to a limit.
//!
//! The rows of a group are arranged in order (see [`sorted`](super::sorted)), so that the first ones are found by reading from the
//! front (see [`ordered`]): a change reads as many rows as offset and limit name, and the last one's peers, not the group.

use compiler::lir::TopK;
use compiler::scalar::Slice;

use super::Context;
use super::bundle::Collection;
use super::finish::Last;
use super::reduce::ordered::{Rule, Wanted, ordered};
use super::sorted::{Misplaced, Sorted, sorted, split_rank};
use crate::spine::Diff;

/// Renders a top-k.
pub fn top_k<'s>(context: &mut Context<'s, '_>, plan: &TopK, last: Last) -> Collection<'s> {
    let Sorted { groups, errs } =
        sorted(context, &plan.input, &plan.form, &plan.order, Misplaced::Fails, "ArrangeTopK");
    let wanted = match (plan.slice.depth(), plan.slice.ties) {
        (rows, true) => Wanted::RowsWithTies { rows, rank: plan.order.len() },
        (rows, false) => Wanted::Rows(rows),
    };
    let last = last.after(&plan.finish);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    let rule = slice_rule(plan.order.len(), plan.slice, &last);
    ordered(groups, "TopK", wanted, fallible, rule, counters).with_errs(errs)
}

/// The rows of the slice, without their sort keys.
pub fn slice_rule(order: usize, slice: Slice, last: &Last) -> Rule {
    let mut finisher = last.finisher();
    Box::new(move |key, rows, outcome| {
        let mut cut = slice.cut();
        for (value, count) in rows {
            let (rank, record) = split_rank(value, order);
            let kept = cut.kept(rank, *count as u64);
            if kept > 0 {
                finisher.run(&[key, record]);
                outcome.take(&finisher, Diff::try_from(kept).unwrap_or(Diff::MAX));
            }
        }
    })
}
