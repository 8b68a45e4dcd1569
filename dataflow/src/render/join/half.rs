//! The half join, of which delta joins and arrival joins are made: a stream's updates looked up in an arrangement as it was at their
//! times. In its outer form what finds nothing is emitted too.
//!
//! An update at t finds what the arrangement holds before t, or at t inclusive where the plan says so; of two relations
//! that change at the same time exactly one sees the other. The trace must not be compacted to t for that, but to t - 1:
//! compacted to t, what came at t and what came before cannot be told apart, and matches are lost.

use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::trace::TraceReader;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;
use timely::progress::frontier::MutableAntichain;

use crate::fuel::Fuel;
use crate::render::bounds::Bounds;
use crate::render::bundle::{Collection, Emit, Held, Outputs};
use crate::render::finish::{Finisher, Last};
use crate::spine::{Arrangement, Diff, Keys, RowBatch, RowStream, RowTrace, Rows, Timestamp, by_key};

/// What is looked up, and what becomes of it.
pub struct HalfJoin {
    /// Updates of the arrangement at a row's own time are seen.
    pub inclusive: bool,
    /// Over key ++ the row's value ++ the arrangement's value.
    pub closure: Last,
    /// None: what finds nothing vanishes.
    pub outer: Option<Outer>,
}

pub struct Outer {
    /// Over what the closure is over; keeps the rows that count as found.
    pub on: Last,
    /// Over key ++ the row's value: the row of what finds nothing.
    pub absent: Last,
}

impl HalfJoin {
    fn is_fallible(&self) -> bool {
        let outer = self.outer.iter().any(|outer| outer.on.is_fallible() || outer.absent.is_fallible());
        outer || self.closure.is_fallible()
    }
}

/// Looks up keyed rows in an arrangement.
pub fn half_join<'s>(
    stream: RowStream<'s>,
    arrangement: Arrangement<'s>,
    join: &HalfJoin,
    bounds: Bounds,
) -> Collection<'s> {
    match stream.scope().peers() {
        1 => half_join_by(stream, Pipeline, arrangement, join, bounds),
        _ => half_join_by(stream, by_key(), arrangement, join, bounds),
    }
}

fn half_join_by<'s>(
    stream: RowStream<'s>,
    pact: impl ParallelizationContract<Timestamp, Rows>,
    arrangement: Arrangement<'s>,
    join: &HalfJoin,
    bounds: Bounds,
) -> Collection<'s> {
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new("HalfJoin".to_owned(), scope);
    let mut updates = builder.new_input(stream, pact);
    let mut changes = builder.new_input(arrangement.stream, Pipeline);
    let (mut outputs, collection) = Outputs::new(&mut builder, join.is_fallible());
    let activator = scope.activator_for(Rc::clone(&builder.operator_info().address));
    let (trace, inclusive) = (Some(arrangement.trace), join.inclusive);
    let mut lookups = Lookups { trace, inclusive, bounds, matches: Matches::new(join) };
    builder.build(move |_| {
        let mut waiting = Waiting { times: BTreeMap::new(), held: None, current: None };
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            updates.for_each(|capability, rows| {
                if let Some(held) = outputs.retain(&capability) {
                    waiting.add(held, rows);
                }
            });
            changes.for_each(|_, spans| spans.clear());
            if !waiting.work(&mut lookups, &frontiers[1], &mut outputs) {
                activator.activate();
            }
            lookups.release(waiting.first_time(), &frontiers[0]);
        }
    });
    collection
}

/// Updates whose time the arrangement has not completed, and those being looked up.
struct Waiting {
    times: BTreeMap<Timestamp, Vec<Rows>>,
    /// The right to answer all of them.
    held: Option<Held>,
    current: Option<(Timestamp, Current)>,
}

/// The updates of one time, by position in the order of their keys.
struct Current {
    chunks: Vec<Rows>,
    order: Vec<u32>,
    next: usize,
    /// The next value of the arrangement that the next update meets, if it has met some already.
    value: Option<Vec<u8>>,
    /// Whether it has found something in those before.
    found: bool,
}

impl Waiting {
    fn add(&mut self, held: Held, rows: &mut Rows) {
        let arrived = rows.borrow();
        for (key, value, time, diff) in arrived.iter() {
            let chunks = self.times.entry(time).or_default();
            if chunks.last().is_none_or(Rows::is_full) {
                chunks.push(Rows::default());
            }
            chunks.last_mut().expect("invariant: one was pushed").push(key, value, time, diff);
        }
        if self.held.as_ref().is_none_or(|least| held.time() < least.time()) {
            self.held = Some(held);
        }
    }

    /// The least time that is not looked up.
    fn first_time(&self) -> Option<Timestamp> {
        let current = self.current.as_ref().map(|(time, _)| *time);
        current.or_else(|| self.times.first_key_value().map(|(time, _)| *time))
    }

    /// Looks up what the arrangement has completed until fuel is spent; false when there is more.
    fn work(
        &mut self,
        lookups: &mut Lookups,
        complete: &MutableAntichain<Timestamp>,
        outputs: &mut Outputs,
    ) -> bool {
        let Some(mut held) = self.held.take() else { return true };
        let mut fuel = Fuel::new();
        let finished = loop {
            if self.current.is_none() {
                let Some(entry) =
                    self.times.first_entry().filter(|entry| lookups.can(*entry.key(), complete))
                else {
                    break true;
                };
                let (time, chunks) = entry.remove_entry();
                self.current =
                    Some((time, Current { chunks, order: Vec::new(), next: 0, value: None, found: false }));
            }
            let Some((time, current)) = &mut self.current else { break true };
            if !lookups.look_up(*time, current, &mut fuel, outputs, &held) {
                break false;
            }
            self.current = None;
        };
        outputs.flush(&held);
        if let Some(time) = self.first_time() {
            held.downgrade(time);
            self.held = Some(held);
        }
        finished
    }
}

/// The arrangement, and what becomes of a match.
struct Lookups {
    trace: Option<RowTrace>,
    inclusive: bool,
    bounds: Bounds,
    matches: Matches,
}

/// What becomes of a row and of each value that it finds.
struct Matches {
    closure: Finisher,
    outer: Option<(Finisher, Finisher)>,
}

impl Matches {
    fn new(join: &HalfJoin) -> Matches {
        let outer = join.outer.as_ref().map(|outer| (outer.on.finisher(), outer.absent.finisher()));
        Matches { closure: join.closure.finisher(), outer }
    }

    /// Emits a value that a row finds; whether it counts as found. What cannot be decided does, as an error.
    fn found(&mut self, parts: [&[u8]; 3], time: Timestamp, diff: Diff, emit: &mut Emit) -> bool {
        if let Some((on, _)) = &mut self.outer {
            on.run(&parts);
            if on.row().is_none() {
                on.emit(time, diff, emit);
                return on.error().is_some();
            }
        }
        self.closure.run(&parts);
        self.closure.emit(time, diff, emit);
        true
    }

    /// Emits a row that has found nothing.
    fn absent(&mut self, parts: [&[u8]; 2], time: Timestamp, diff: Diff, emit: &mut Emit) {
        if let Some((_, absent)) = &mut self.outer {
            absent.run(&parts);
            absent.emit(time, diff, emit);
        }
    }
}

impl Lookups {
    /// Whether an arrangement of this frontier has all that an update at `time` may see.
    fn can(&self, time: Timestamp, complete: &MutableAntichain<Timestamp>) -> bool {
        match self.inclusive {
            true => !complete.less_equal(&time),
            false => !complete.less_than(&time),
        }
    }

    /// Looks up a time's updates, chunk by chunk in the order of their keys, until fuel is spent; true when all were.
    fn look_up(
        &mut self,
        time: Timestamp,
        current: &mut Current,
        fuel: &mut Fuel,
        outputs: &mut Outputs,
        held: &Held,
    ) -> bool {
        // What is before the dataflow's first time is presented at it: an update at that time does not see it exclusively.
        let limit = if self.inclusive { Some(time) } else { time.checked_sub(1) };
        let Some(limit) = limit.filter(|limit| *limit >= self.bounds.as_of) else { return true };
        let Some(trace) = &mut self.trace else { return true };
        let mut through = Antichain::new();
        trace.read_upper(&mut through);
        let batches: Vec<RowBatch> =
            trace.batches_through(through.borrow()).expect("invariant: a trace can be read at its upper");
        while let Some(rows) = current.chunks.last() {
            if current.order.is_empty() {
                let rows = rows.borrow();
                current.order.extend(0..rows.len() as u32);
                current.order.sort_unstable_by_key(|row| rows.key(*row as usize));
            }
            let mut keys = Keys::new(batches.iter().map(|batch| &*batch.0));
            while current.next < current.order.len() {
                let (key, kept, time, diff) = rows.borrow().get(current.order[current.next] as usize);
                keys.seek(key);
                let mut values = keys.values(key);
                if let Some(value) = current.value.take() {
                    values.seek(&value);
                }
                let mut found = std::mem::take(&mut current.found);
                let mut going = fuel.spend();
                while going && let Some((value, sum)) = values.next(limit) {
                    if sum != 0 {
                        let diff = diff.wrapping_mul(sum);
                        found |= self.matches.found([key, kept, value], time, diff, &mut outputs.emit);
                    }
                    going = fuel.spend();
                }
                current.value = values.least().map(<[u8]>::to_vec);
                match current.value {
                    Some(_) => current.found = found,
                    None if found => {}
                    None => self.matches.absent([key, kept], time, diff, &mut outputs.emit),
                }
                outputs.send_full(held);
                current.next += usize::from(current.value.is_none());
                if !going && current.next < current.order.len() {
                    return false;
                }
            }
            current.chunks.pop();
            current.order.clear();
            current.next = 0;
        }
        true
    }

    /// Lets the trace forget what no update that is waiting or may come can tell apart.
    fn release(&mut self, waiting: Option<Timestamp>, updates: &MutableAntichain<Timestamp>) {
        let first = waiting.into_iter().chain(updates.frontier().first().copied()).min();
        let Some(first) = first else {
            self.trace = None;
            return;
        };
        if let Some(trace) = &mut self.trace {
            trace.set_logical_compaction(Antichain::from_elem(first.saturating_sub(1)).borrow());
            let mut upper = Antichain::new();
            trace.read_upper(&mut upper);
            trace.set_physical_compaction(upper.borrow());
        }
    }
}
