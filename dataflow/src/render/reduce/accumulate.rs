//! Accumulable reductions: aggregates as lanes of sums, distinct rows, positive multiplicities.
//!
//! Lane 0 counts the group's rows: a group is there while it is positive, whatever the other lanes say. An aggregate whose
//! value failed in a row keeps that error among the group's wide sums, and is an error cell until the row is gone; the buckets
//! of exact sums are wide sums too:
//!
//! ```text
//!   lanes    rows | lanes of aggregate 0 | lanes of aggregate 1 | ...
//!   wide     (aggregate, 0, bucket) -> count, sum       (aggregate, 1, error) -> count
//! ```

use std::ops::Bound;

use compiler::lir::Form;
use compiler::repr::datum::EvalErrorRef;
use compiler::repr::{Arena, Datum, RowBuf, row};
use compiler::scalar::{AggregateExpr, AggregateFunc, Class, EvalError, Lane, Mfp, ScalarExpr};

use super::groups::{Hash, Wide};
use super::sums::{Accept, Finish, Pending, Sums};
use crate::render::finish::{Keyed, Last};
use crate::spine::{Diff, Timestamp};

/// How the aggregates of a reduction lie in its sums.
#[derive(Clone)]
pub struct Accumulation {
    parts: Vec<Part>,
    /// Lanes of a group.
    pub width: usize,
}

#[derive(Clone)]
struct Part {
    func: AggregateFunc,
    /// Whether the aggregate looks at a value; the accepted row has one column for each that does, in order.
    has_value: bool,
    lanes: Vec<Lane>,
    /// Where its lanes begin.
    first: usize,
    bucketed: bool,
}

const BUCKET: u8 = 0;
const ERROR: u8 = 1;

impl Accumulation {
    pub fn new(aggregates: &[AggregateExpr]) -> Accumulation {
        let mut accumulation = Accumulation { parts: Vec::new(), width: 1 };
        aggregates.iter().for_each(|aggregate| accumulation.add(aggregate));
        accumulation
    }

    fn add(&mut self, aggregate: &AggregateExpr) {
        // Counting rows is what lane 0 does; with a filter, it is counting the rows for which the filter is true.
        let plain_count = aggregate.func == AggregateFunc::CountStar && aggregate.filter.is_none();
        let func = match aggregate.func {
            AggregateFunc::CountStar if !plain_count => AggregateFunc::Count,
            func => func,
        };
        let (lanes, bucketed) = match func.class() {
            _ if plain_count => (Vec::new(), false),
            Class::Accumulable(lanes) => (lanes, false),
            Class::Bucketed => (Vec::new(), true),
            class => unreachable!("invariant: lower puts {class:?} aggregates elsewhere"),
        };
        let first = if plain_count { 0 } else { self.width };
        self.width += lanes.len();
        self.parts.push(Part { func, has_value: !plain_count, lanes, first, bucketed });
    }

    /// From the form's record to key ++ one value for each aggregate that looks at one.
    pub fn input(&self, form: &Form, aggregates: &[AggregateExpr]) -> Mfp {
        let parts = self.parts.iter().zip(aggregates).filter(|(part, _)| part.has_value);
        with_values(form, parts.map(|(_, aggregate)| value_of(aggregate)).collect())
    }

    /// Accepts key and values.
    pub fn accept(&self) -> Accept {
        let (accumulation, mut wide_key) = (self.clone(), Vec::new());
        Box::new(move |key, values, time, diff, pending| {
            accumulation.add_row(key, values, time, diff, pending, &mut wide_key);
        })
    }

    #[inline]
    fn add_row(
        &self,
        key: &[u8],
        mut values: &[u8],
        time: Timestamp,
        diff: Diff,
        pending: &mut Pending,
        wide_key: &mut Vec<u8>,
    ) {
        let table = pending.at(time);
        let group = table.group(Hash::of(key), key);
        table.lanes_mut(group)[0] += diff as i128;
        for (index, part) in self.parts.iter().enumerate().filter(|(_, part)| part.has_value) {
            let (datum, rest) = row::decode_first(values);
            values = rest;
            match datum {
                Datum::Error(EvalErrorRef(error)) => {
                    wide_key_of(index, ERROR, error, wide_key);
                    table.add_wide(group, wide_key, [1, 0], diff as i128);
                }
                datum if part.bucketed => part.func.scatter(datum, |bucket, pair| {
                    wide_key_of(index, BUCKET, &bucket.to_be_bytes(), wide_key);
                    table.add_wide(group, wide_key, pair, diff as i128);
                }),
                datum => {
                    let sums = &mut table.lanes_mut(group)[part.first..part.first + part.lanes.len()];
                    for (sum, lane) in sums.iter_mut().zip(&part.lanes) {
                        *sum = sum.wrapping_add(lane.of(datum).wrapping_mul(diff as i128));
                    }
                }
            }
        }
    }

    /// Emits a group's row, or takes it back, as its sums change.
    pub fn finish(&self, last: &Last) -> Finish {
        let accumulation = self.clone();
        let (mut before, mut after) = (last.finisher(), last.finisher());
        let (mut columns, mut arena) = (RowBuf::default(), Arena::default());
        Box::new(move |key, sums_before, sums_after, time, emit| {
            for (sums, finisher) in [(sums_before, &mut before), (sums_after, &mut after)] {
                if sums.lanes[0] <= 0 {
                    finisher.absent();
                    continue;
                }
                columns.clear();
                accumulation.write_columns(sums, &mut columns, &arena);
                arena.reset();
                finisher.run(&[key, columns.bytes()]);
            }
            before.emit_change(&after, time, emit);
        })
    }

    /// One column per aggregate.
    fn write_columns(&self, sums: Sums<'_>, out: &mut RowBuf, arena: &Arena) {
        for (index, part) in self.parts.iter().enumerate() {
            if let Some(error) = sums.wide.and_then(|wide| least_error(wide, index)) {
                out.push(Datum::Error(EvalErrorRef(error)));
                continue;
            }
            match part.result(index, sums, arena) {
                Ok(datum) => out.push(datum),
                Err(error) => out.push(error.to_cell(arena)),
            }
        }
    }
}

impl Part {
    fn result<'a>(&self, index: usize, sums: Sums<'_>, arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        if !self.bucketed {
            let lanes = if self.lanes.is_empty() { 1 } else { self.lanes.len() };
            return self.func.finish(&sums.lanes[self.first..self.first + lanes], arena);
        }
        let prefix = prefix_of(index, BUCKET);
        let buckets = sums.wide.into_iter().flat_map(|wide| under(wide, &prefix)).map(|(bucket, pair)| {
            let bucket = bucket.first_chunk::<8>().expect("invariant: a bucket is eight bytes");
            (i64::from_be_bytes(*bucket), pair)
        });
        self.func.gather(buckets, arena)
    }
}

/// The form's key and then these expressions over its record.
pub fn with_values(form: &Form, values: Vec<ScalarExpr>) -> Mfp {
    let arity = form.mfp.output_arity();
    let columns = (0..form.key).chain(arity..arity + values.len());
    form.mfp.clone().map(values).project(columns)
}

/// The aggregate's argument, or NULL where its filter is not true: for aggregates that ignore NULLs.
pub fn value_of(aggregate: &AggregateExpr) -> ScalarExpr {
    let value = match aggregate.args.first() {
        Some(arg) => arg.clone(),
        None => ScalarExpr::bool(true),
    };
    match &aggregate.filter {
        None => value,
        Some(filter) => {
            let null = ScalarExpr::literal(Datum::Null, compiler::repr::Type::Unknown);
            ScalarExpr::if_then_else(filter.clone(), value, null)
        }
    }
}

fn prefix_of(index: usize, kind: u8) -> [u8; 3] {
    let [high, low] = (index as u16).to_be_bytes();
    [high, low, kind]
}

fn wide_key_of(index: usize, kind: u8, rest: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&prefix_of(index, kind));
    out.extend_from_slice(rest);
}

/// The least error that an aggregate's value gave in a row that is there.
fn least_error(wide: &Wide, index: usize) -> Option<&[u8]> {
    let prefix = prefix_of(index, ERROR);
    under(wide, &prefix).find(|(_, counts)| counts[0] > 0).map(|(error, _)| error)
}

/// The wide sums whose keys begin with a prefix, by the rest of their keys.
fn under<'w>(wide: &'w Wide, prefix: &[u8; 3]) -> impl Iterator<Item = (&'w [u8], [i128; 2])> {
    let found = wide.range::<[u8], _>((Bound::Included(&prefix[..]), Bound::Unbounded));
    let prefix = *prefix;
    found.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(key, pair)| (&key[3..], *pair))
}

/// Emits an error for each row that is there, be it a negative number of times.
pub fn finish_empty(error: EvalError) -> Finish {
    Box::new(move |_, before, after, time, emit| {
        let there = |sums: Sums<'_>| Diff::from(sums.lanes[0] != 0);
        let diff = there(after) - there(before);
        if diff != 0 {
            emit.err(&[], &error, time, diff);
        }
    })
}

/// Emits rows with their multiplicities where these are positive; the key is the row.
pub fn finish_positive(keyed: Keyed) -> Finish {
    Box::new(move |key, before, after, time, emit| {
        let positive = |sums: Sums<'_>| Diff::try_from(sums.lanes[0].max(0)).unwrap_or(Diff::MAX);
        let diff = positive(after) - positive(before);
        if diff != 0 {
            emit.row(key, keyed.key_len(key), time, diff);
        }
    })
}
