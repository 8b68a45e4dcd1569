//! Window functions: beside each row of a partition, functions of the rows around it.
//!
//! A partition's rows are arranged in order (see [`sorted`](super::sorted)). When one changes, all are evaluated as they were and as
//! they are, by the functions' own definition, and what differs goes out. So a change costs its partition, whatever the frame.

use compiler::lir::Window;
use compiler::repr::{Arena, Datum, row};
use compiler::scalar::window::{PartitionRow, evaluate};
use compiler::scalar::{EvalError, SortKey};

use super::Context;
use super::bundle::Collection;
use super::finish::Last;
use super::reduce::ordered::{Rule, Wanted, ordered};
use super::sorted::{Misplaced, Sorted, sorted, split_rank};

/// Renders a window.
pub fn window<'s>(context: &mut Context<'s, '_>, plan: &Window, last: Last) -> Collection<'s> {
    let Sorted { groups, errs } =
        sorted(context, &plan.input, &plan.form, &plan.order, Misplaced::Stays, "ArrangeWindow");
    let last = last.after(&plan.finish);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    let rule = partition_rule(plan, &last);
    ordered(groups, "Window", Wanted::Rows(u64::MAX), fallible, rule, counters).with_errs(errs)
}

/// From a partition's rows to the same with a column for each function.
pub fn partition_rule(plan: &Window, last: &Last) -> Rule {
    let (functions, order) = (plan.functions.clone(), plan.order.clone());
    let (mut finisher, mut arena) = (last.finisher(), Arena::default());
    Box::new(move |key, rows, outcome| {
        if rows.is_empty() {
            return;
        }
        let placed: Vec<PartitionRow<'_, '_>> = rows
            .iter()
            .map(|(value, copies)| {
                let (rank, record) = split_rank(value, order.len());
                let mut datums = Vec::new();
                row::decode_into(key, &mut datums);
                row::decode_into(record, &mut datums);
                PartitionRow { rank, datums, copies: *copies }
            })
            .collect();
        let failed = unplaced(key, &placed, &order, &arena);
        evaluate(&functions, &placed, failed, &arena, &mut |number, results, copies| {
            let (_, record) = split_rank(rows[number].0, order.len());
            finisher.run(&[key, record, results]);
            outcome.take(&finisher, copies);
        });
        drop(placed);
        arena.reset();
    })
}

/// The least error in the partition's key or in what its rows are ordered by.
fn unplaced<'a>(
    key: &[u8],
    rows: &[PartitionRow<'_, 'a>],
    order: &'a [SortKey],
    arena: &'a Arena,
) -> Option<EvalError> {
    let of_key = row::Datums::new(key).filter_map(|datum| match datum {
        Datum::Error(error) => Some(error.to_owned()),
        _ => None,
    });
    let of_order =
        rows.iter().flat_map(|row| order.iter().filter_map(|key| key.expr.eval(&row.datums, arena).err()));
    of_key.chain(of_order).min()
}
