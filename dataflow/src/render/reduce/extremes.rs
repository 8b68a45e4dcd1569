//! Rules for ordered reductions: MIN and MAX, aggregates that see the whole group, and results of several parts side by side.
//!
//! The values of MIN and MAX are written so that the best comes first, one *segment* per aggregate:
//!
//! ```text
//!   segment | 0 | error                  before all values: one failed argument fails the aggregate
//!   segment | 1 | sort key | argument    the sort key ascends for MIN and descends for MAX, NULL last
//! ```
//! Where equal values print differently they share the sort key, and the argument with the least bytes stands for them.

use compiler::repr::{Arena, Datum, RowBuf, canonical, row};
use compiler::scalar::{AggregateExpr, AggregateFunc};

use super::ordered::Rule;
use crate::render::finish::{Keyed, Last};
use crate::render::linear::Logic;
use crate::spine::Diff;

const FAILED: u8 = 0;
const VALUE: u8 = 1;

/// Writes each row of key and arguments once for each aggregate: key, then the argument in its segment.
pub fn segments_logic(key: usize, aggregates: &[AggregateExpr]) -> Logic {
    let greatest: Vec<bool> =
        aggregates.iter().map(|aggregate| aggregate.func == AggregateFunc::Max).collect();
    let mut value = Vec::new();
    Box::new(move |parts, time, diff, emit| {
        let row = parts[0];
        let (key, mut arguments) = row.split_at(Keyed::First(key).key_len(row));
        for (segment, greatest) in greatest.iter().enumerate() {
            let (argument, rest) = row::split_first(arguments);
            arguments = rest;
            write_value(segment as u8, argument, *greatest, &mut value);
            emit.ok(key, &value, time, diff);
        }
    })
}

/// Puts rows of a key and a part's columns into the part's segment.
pub fn part_logic(key: usize, part: usize) -> Logic {
    let mut value = Vec::new();
    Box::new(move |parts, time, diff, emit| {
        let row = parts[0];
        let (key, columns) = row.split_at(Keyed::First(key).key_len(row));
        value.clear();
        value.push(part as u8);
        value.extend_from_slice(columns);
        emit.ok(key, &value, time, diff);
    })
}

fn write_value(segment: u8, argument: &[u8], greatest: bool, out: &mut Vec<u8>) {
    out.clear();
    out.push(segment);
    match row::decode_first(argument).0 {
        Datum::Error(_) => out.push(FAILED),
        datum => {
            out.push(VALUE);
            canonical::encode_sort_key(datum, greatest, false, out);
        }
    }
    out.extend_from_slice(argument);
}

/// The argument that a value was written of.
fn read_value(value: &[u8]) -> &[u8] {
    match value[1] {
        FAILED => &value[2..],
        _ => row::split_first(&value[2..]).1,
    }
}

/// From the first value of each segment to the group's row.
pub fn extremes_rule(segments: usize, last: &Last) -> Rule {
    let mut finisher = last.finisher();
    let mut columns = RowBuf::default();
    Box::new(move |key, rows, outcome| {
        if rows.len() < segments {
            return;
        }
        columns.clear();
        rows.iter().for_each(|(value, _)| columns.extend(read_value(value)));
        finisher.run(&[key, columns.bytes()]);
        outcome.take(&finisher, 1);
    })
}

/// From the columns of each part, in its segment, to the group's row. `order[i]` is the part and the column in it of
/// the i-th aggregate.
pub fn collate_rule(parts: usize, order: Vec<(usize, usize)>, last: &Last) -> Rule {
    let mut finisher = last.finisher();
    let mut columns = RowBuf::default();
    Box::new(move |key, rows, outcome| {
        if rows.len() < parts {
            return; // A part has not come yet: its change is on its way at the same time.
        }
        columns.clear();
        for (part, column) in &order {
            let mut rest = &rows[*part].0[1..];
            for _ in 0..*column {
                rest = row::split_first(rest).1;
            }
            columns.extend(row::split_first(rest).0);
        }
        finisher.run(&[key, columns.bytes()]);
        outcome.take(&finisher, 1);
    })
}

/// From a row, which is the key as a whole, to the same with its multiplicity.
pub fn positive_rule(last: &Last) -> Rule {
    let mut finisher = last.finisher();
    Box::new(move |key, rows, outcome| {
        for (rest, diff) in rows {
            finisher.run(&[key, rest]);
            outcome.take(&finisher, *diff);
        }
    })
}

/// From all of a group's rows to its row, by the aggregates' own definition.
pub fn basic_rule(aggregates: Vec<AggregateExpr>, last: &Last) -> Rule {
    let mut finisher = last.finisher();
    let (mut columns, mut arena) = (RowBuf::default(), Arena::default());
    Box::new(move |key, rows, outcome| {
        if rows.is_empty() {
            return;
        }
        columns.clear();
        let decoded: Vec<(Vec<Datum<'_>>, Diff)> = rows
            .iter()
            .map(|(value, diff)| {
                let mut datums = Vec::new();
                row::decode_into(key, &mut datums);
                row::decode_into(value, &mut datums);
                (datums, *diff)
            })
            .collect();
        for aggregate in &aggregates {
            match aggregate.evaluate(&decoded, &arena) {
                Ok(datum) => columns.push(datum),
                Err(error) => columns.push(error.to_cell(&arena)),
            }
        }
        drop(decoded);
        arena.reset();
        finisher.run(&[key, columns.bytes()]);
        outcome.take(&finisher, 1);
    })
}
