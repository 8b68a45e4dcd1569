//! Top-k: of each group the rows after the first few, in an order, up to a limit.
//!
//! The rows of a group are arranged by sort key, then by their own bytes, so that the first ones are found by reading from the
//! front (see [`ordered`]): a change reads as many rows as offset and limit name, not the group.
//!
//! ```text
//!   key     the group
//!   value   sort key of each order expression | the rest of the record
//! ```

use compiler::lir::TopK;
use compiler::repr::{Datum, canonical, row};
use compiler::scalar::SortKey;

use super::Context;
use super::bundle::Collection;
use super::finish::{Keyed, Last};
use super::linear::{Logic, transform};
use super::reduce::ordered::{Rule, Wanted, ordered};
use crate::spine::{Diff, arrange};

/// Renders a top-k.
pub fn top_k<'s>(context: &mut Context<'s, '_>, plan: &TopK, last: Last) -> Collection<'s> {
    let (key, arity) = (plan.form.key, plan.form.mfp.output_arity());
    let orders: Vec<_> = plan.order.iter().map(|order| order.expr.clone()).collect();
    let columns = (0..key).chain(arity..arity + orders.len()).chain(key..arity);
    let record = plan.form.mfp.clone().map(orders).project(columns);
    let input = context.node(&plan.input, Last::new(&record, Keyed::First(key)));
    let sorted = transform(
        input.oks,
        "SortKeys",
        context.bounds,
        !plan.order.is_empty(),
        sort_logic(key, &plan.order),
    );
    let arranged = arrange(sorted.oks, "ArrangeTopK");
    let wanted = Wanted::Rows(plan.limit.map_or(u64::MAX, |limit| limit.saturating_add(plan.offset)));
    let last = last.after(&plan.finish);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    let rule = window_rule(plan.order.len(), plan.offset, plan.limit, &last);
    ordered(arranged, "TopK", wanted, fallible, rule, counters).with_errs([input.errs, sorted.errs])
}

/// From key, order expressions and the rest of the record to key and value. A row whose place is an
/// error is none of the order's: the error is the whole collection's.
fn sort_logic(key: usize, order: &[SortKey]) -> Logic {
    let directions: Vec<(bool, bool)> = order.iter().map(|order| (order.desc, order.nulls_first)).collect();
    let mut value = Vec::new();
    Box::new(move |parts, time, diff, emit| {
        let row = parts[0];
        let (key, mut rest) = row.split_at(Keyed::First(key).key_len(row));
        value.clear();
        for (desc, nulls_first) in &directions {
            let (datum, after) = row::decode_first(rest);
            if let Datum::Error(error) = datum {
                return emit.err(&[], &error.to_owned(), time, diff);
            }
            canonical::encode_sort_key(datum, *desc, *nulls_first, &mut value);
            rest = after;
        }
        value.extend_from_slice(rest);
        emit.ok(key, &value, time, diff);
    })
}

/// The rows from `offset` on, `limit` of them, without their sort keys.
fn window_rule(order: usize, offset: u64, limit: Option<u64>, last: &Last) -> Rule {
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
            let record = (0..order).fold(*value, |rest, _| row::split_first(rest).1);
            finisher.run(&[key, record]);
            let diff = Diff::try_from(taken).unwrap_or(Diff::MAX);
            outcome.take(&finisher, diff);
        }
    })
}
