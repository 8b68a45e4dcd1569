//! Operators without memory: map, filter and project over whatever holds updates.
//!
//! The three things that hold updates are a container on an edge, an arrangement's batch, and a shard's transaction.
//! Each is walked where it lies; nothing is copied before the first predicate has seen it.

use std::ops::Range;
use std::sync::Arc;

use differential_dataflow::trace::Span;
use differential_dataflow::trace::implementations::BatchContainer;
use timely::Container;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::bounds::Bounds;
use super::bundle::{Collection, Emit, work_off};
use super::finish::Last;
use crate::failures;
use crate::fuel::Fuel;
use crate::spine::{Diff, RowBatch, RowStorage, RowStream, Rows, RowsBuilder, Timestamp};
use crate::storage::Updates;

/// What becomes of an update: called with the parts of its row, its time and its diff.
pub type Logic = Box<dyn FnMut(&[&[u8]], Timestamp, Diff, &mut Emit)>;

/// Something that holds updates and can be walked a piece at a time.
pub trait Walk: Container + Default + Clone {
    /// Visits updates from `place` on until fuel is spent; true when all were visited. Times are clipped to the bounds.
    fn walk(
        &self,
        place: &mut Place,
        bounds: Bounds,
        fuel: &mut Fuel,
        visit: impl FnMut(&[&[u8]], Timestamp, Diff),
    ) -> bool;
}

/// How far a walk has come: the element of the container, then positions within it.
#[derive(Clone, Copy, Default)]
pub struct Place {
    element: usize,
    key: usize,
    value: usize,
}

impl Place {
    fn next_element(&mut self) {
        *self = Place { element: self.element + 1, key: 0, value: 0 };
    }
}

impl Walk for Rows {
    fn walk(
        &self,
        place: &mut Place,
        bounds: Bounds,
        fuel: &mut Fuel,
        mut visit: impl FnMut(&[&[u8]], Timestamp, Diff),
    ) -> bool {
        let rows = self.borrow();
        while place.element < rows.len() {
            if let Some(time) = bounds.clip(rows.times[place.element]) {
                visit(&[rows.row(place.element)], time, rows.diffs[place.element]);
            }
            place.element += 1;
            if !fuel.spend() {
                return place.element == rows.len();
            }
        }
        true
    }
}

/// A part of a transaction: the worker's share of it.
pub type Share = (Arc<Updates>, Range<usize>);

/// How many rows are brought into the cache together: about as many as a core can wait for at a time.
const ROWS_TOUCHED: usize = 16;

impl Walk for Vec<Share> {
    fn walk(
        &self,
        place: &mut Place,
        bounds: Bounds,
        fuel: &mut Fuel,
        mut visit: impl FnMut(&[&[u8]], Timestamp, Diff),
    ) -> bool {
        while let Some((updates, range)) = self.get(place.element) {
            while range.start + place.key < range.end {
                let at = range.start + place.key;
                if place.key.is_multiple_of(ROWS_TOUCHED) {
                    updates.touch(at..range.end.min(at + ROWS_TOUCHED));
                }
                let (row, time, diff) = updates.get(at);
                if let Some(time) = bounds.clip(time) {
                    visit(&[row], time, diff);
                }
                place.key += 1;
                if !fuel.spend() {
                    return false;
                }
            }
            place.next_element();
        }
        true
    }
}

impl Walk for Vec<Span<Timestamp, RowBatch>> {
    fn walk(
        &self,
        place: &mut Place,
        bounds: Bounds,
        fuel: &mut Fuel,
        mut visit: impl FnMut(&[&[u8]], Timestamp, Diff),
    ) -> bool {
        while let Some(span) = self.get(place.element) {
            if let Some(batch) = &span.inner
                && !walk_batch(&batch.0, place, bounds, fuel, &mut visit)
            {
                return false;
            }
            place.next_element();
        }
        true
    }
}

fn walk_batch(
    batch: &RowStorage,
    place: &mut Place,
    bounds: Bounds,
    fuel: &mut Fuel,
    visit: &mut impl FnMut(&[&[u8]], Timestamp, Diff),
) -> bool {
    let storage = &batch.storage;
    while place.key < storage.keys.len() {
        let key = storage.keys.index(place.key);
        let (low, high) = storage.vals.bounds(place.key);
        while low + place.value < high {
            let value = low + place.value;
            let (first, last) = storage.upds.bounds(value);
            for (time, diff) in (first..last).map(|i| storage.upds.get_abs(i)) {
                if let Some(time) = bounds.clip(*time) {
                    visit(&[key, storage.vals.get_abs(value)], time, *diff);
                }
            }
            place.value += 1;
            if !fuel.spend() {
                return false;
            }
        }
        place.key += 1;
        place.value = 0;
    }
    true
}

/// Applies a function of one update to each; `fallible` says whether it may emit errors.
pub fn transform<'s, C: Walk>(
    stream: Stream<'s, Timestamp, C>,
    name: &str,
    bounds: Bounds,
    fallible: bool,
    mut logic: Logic,
) -> Collection<'s> {
    let begin = |container| (container, Place::default());
    work_off(stream, name, fallible, begin, move |(container, place), fuel, emit| {
        container.walk(place, bounds, fuel, |parts, time, diff| logic(parts, time, diff, emit))
    })
}

/// The logic of a map-filter-project.
pub fn mfp_logic(last: &Last) -> Logic {
    let mut finisher = last.finisher();
    Box::new(move |parts, time, diff, emit| {
        finisher.run(parts);
        finisher.emit(time, diff, emit);
    })
}

/// The logic for rows, of a shard that holds [`failures`] too: these are errs.
pub fn but_failures(mut rows: Logic) -> Logic {
    Box::new(move |parts, time, diff, emit| match failures::error(parts[0]) {
        Some(error) => emit.err(&[], &error, time, diff),
        None => rows(parts, time, diff, emit),
    })
}

/// The same rows with negated multiplicities.
pub fn negate<'s>(stream: RowStream<'s>) -> RowStream<'s> {
    stream.unary::<RowsBuilder, _, _, _>(Pipeline, "Negate", |_, _| {
        move |input, output| {
            input.for_each(|capability, rows| {
                let mut session = output.session_with_builder(&capability);
                for (key, value, time, diff) in rows.borrow().iter() {
                    session.give((key, value, time, diff.wrapping_neg()));
                }
            })
        }
    })
}
