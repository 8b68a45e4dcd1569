//! The rows of a group in an order: what top-k and windows read.
//!
//! ```text
//!   key     the group
//!   value   sort key of each order expression | the rest of the record
//! ```
//! The bytes of values are in the order that is asked for; rows that it does not tell apart stand in the order of their own bytes.

use compiler::lir::{Form, Node};
use compiler::repr::{Datum, canonical, row};
use compiler::scalar::{Mfp, SortKey};

use super::Context;
use super::bundle::Collection;
use super::finish::{Keyed, Last};
use super::linear::{Logic, transform};
use crate::spine::{Arrangement, RowStream, arrange};

/// A collection's groups in order.
pub struct Sorted<'s> {
    pub groups: Arrangement<'s>,
    pub errs: [Option<RowStream<'s>>; 2],
}

/// What becomes of a row whose place in the order is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// It is no row of the order: the error is the whole collection's.
    Fails,
    /// It stands at the error's place.
    Stays,
}

/// Arranges a node's rows by the form's key, each group in the order.
pub fn sorted<'s>(
    context: &mut Context<'s, '_>,
    input: &Node,
    form: &Form,
    order: &[SortKey],
    misplaced: Misplaced,
    name: &str,
) -> Sorted<'s> {
    let key = form.key;
    let record = sort_record(form, order);
    let Collection { oks, errs } = context.node(input, Last::new(&record, Keyed::First(key)));
    let fallible = misplaced == Misplaced::Fails && !order.is_empty();
    let sorted = transform(oks, "SortKeys", context.bounds, fallible, sort_logic(key, order, misplaced));
    Sorted { groups: arrange(sorted.oks, name), errs: [errs, sorted.errs] }
}

/// From the rows of a form's input to key, order expressions and the rest of the record.
pub fn sort_record(form: &Form, order: &[SortKey]) -> Mfp {
    let (key, arity) = (form.key, form.mfp.output_arity());
    let orders: Vec<_> = order.iter().map(|order| order.expr.clone()).collect();
    let columns = (0..key).chain(arity..arity + orders.len()).chain(key..arity);
    form.mfp.clone().map(orders).project(columns)
}

/// From key, order expressions and the rest of the record to key and value.
pub fn sort_logic(key: usize, order: &[SortKey], misplaced: Misplaced) -> Logic {
    let directions: Vec<(bool, bool)> = order.iter().map(|order| (order.desc, order.nulls_first)).collect();
    let mut value = Vec::new();
    Box::new(move |parts, time, diff, emit| {
        let row = parts[0];
        let (key, mut rest) = row.split_at(Keyed::First(key).key_len(row));
        value.clear();
        for (desc, nulls_first) in &directions {
            let (datum, after) = row::decode_first(rest);
            if let (Datum::Error(error), Misplaced::Fails) = (datum, misplaced) {
                return emit.err(&[], &error.to_owned(), time, diff);
            }
            canonical::encode_sort_key(datum, *desc, *nulls_first, &mut value);
            rest = after;
        }
        value.extend_from_slice(rest);
        emit.ok(key, &value, time, diff);
    })
}

/// A value's sort keys, of which there are so many, and the rest of its record.
pub fn split_rank(value: &[u8], order: usize) -> (&[u8], &[u8]) {
    let record = (0..order).fold(value, |rest, _| row::split_first(rest).1);
    value.split_at(value.len() - record.len())
}
