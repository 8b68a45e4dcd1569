//! Top-k: of each group the rows after the first few, in an order, up to a limit.
//!
//! The rows of a group are arranged in order (see [`sorted`](super::sorted)), so that the first ones are found by reading from the
//! front (see [`ordered`]): a change reads as many rows as offset and limit name, not the group.

use compiler::lir::TopK;

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
    let wanted = Wanted::Rows(plan.limit.map_or(u64::MAX, |limit| limit.saturating_add(plan.offset)));
    let last = last.after(&plan.finish);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    let rule = slice_rule(plan.order.len(), plan.offset, plan.limit, &last);
    ordered(groups, "TopK", wanted, fallible, rule, counters).with_errs(errs)
}

/// The rows from `offset` on, `limit` of them, without their sort keys.
fn slice_rule(order: usize, offset: u64, limit: Option<u64>, last: &Last) -> Rule {
    let mut finisher = last.finisher();
    Box::new(move |key, rows, outcome| {
        let (mut skip, mut left) = (offset, limit.unwrap_or(u64::MAX));
        for (value, count) in rows {
            let count = *count as u64;
            let skipped = count.min(skip);
            let taken = (count - skipped).min(left);
            skip -= skipped;
            left -= taken;
            if taken == 0 {
                continue;
            }
            finisher.run(&[key, split_rank(value, order).1]);
            let diff = Diff::try_from(taken).unwrap_or(Diff::MAX);
            outcome.take(&finisher, diff);
        }
    })
}
