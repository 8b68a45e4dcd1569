//! The join of two arrangements, key by key, with what follows fused in: a match is written once, as the row it becomes.
//!
//! A batch of one input is matched with what was accepted of the other, so that each pair of updates meets once. What was
//! there before the join was built is matched in one piece. Work is done piece by piece, and the batches that it needs
//! are kept by it: a join that lags holds no trace back.

use std::collections::VecDeque;
use std::rc::Rc;

use differential_dataflow::trace::{Span, TraceReader};
use timely::PartialOrder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;
use timely::progress::{Antichain, Timestamp as _};

use super::history::Matches;
use crate::fuel::Fuel;
use crate::render::bounds::Bounds;
use crate::render::bundle::{Collection, Held, Outputs};
use crate::render::finish::{Finisher, Last};
use crate::spine::{Arrangement, RowBatch, RowTrace, Timestamp};

/// One input of the join.
struct Side {
    /// None when the other input has ended: nothing will be matched with it any more.
    trace: Option<RowTrace>,
    /// Everything before it was matched, or is in the work that is left.
    accepted: Antichain<Timestamp>,
    /// Everything before it was there when the join was built; the stream repeats it.
    preloaded: Antichain<Timestamp>,
}

impl Side {
    fn new(trace: RowTrace) -> Side {
        let mut accepted = Antichain::from_elem(Timestamp::minimum());
        trace.map_spans(|span| accepted.clone_from(span.upper()));
        Side { trace: Some(trace), preloaded: accepted.clone(), accepted }
    }

    /// What was accepted of it.
    fn batches(&mut self) -> Vec<RowBatch> {
        let Some(trace) = &mut self.trace else { return Vec::new() };
        trace
            .batches_through(self.accepted.borrow())
            .expect("invariant: the trace is held at what was accepted")
    }

    /// Accepts a batch from the stream; its updates, unless they were there before.
    ///
    /// What `accepted` says must not decide: it may have passed a batch that is on its way and whose updates the trace,
    /// which may merge more coarsely than the other input sees, has since cancelled.
    fn accept(&mut self, span: Span<Timestamp, RowBatch>) -> Option<RowBatch> {
        if PartialOrder::less_equal(span.upper(), &self.preloaded) {
            return None;
        }
        if PartialOrder::less_equal(&self.accepted, span.lower()) {
            self.accepted.clone_from(span.upper());
        }
        span.inner
    }

    /// Passes intervals without updates, which are not sent.
    fn pass_empty(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.advance_upper(&mut self.accepted);
        }
    }

    /// Lets the trace forget what the other input, of this frontier, cannot tell apart any more.
    fn release(&mut self, other: &MutableAntichain<Timestamp>) {
        if other.is_empty() {
            self.trace = None;
        }
        if let Some(trace) = &mut self.trace {
            trace.set_logical_compaction(other.frontier());
            trace.set_physical_compaction(self.accepted.borrow());
        }
    }
}

/// Joins two arrangements by their whole keys. `closure` is over key ++ left value ++ right value.
pub fn join<'s>(
    left: Arrangement<'s>,
    right: Arrangement<'s>,
    closure: &Last,
    bounds: Bounds,
) -> Collection<'s> {
    let scope = left.stream.scope();
    let mut builder = OperatorBuilder::new("Join".to_owned(), scope);
    let mut left_input = builder.new_input(left.stream, Pipeline);
    let mut right_input = builder.new_input(right.stream, Pipeline);
    let (mut outputs, collection) = Outputs::new(&mut builder, closure.is_fallible());
    let activator = scope.activator_for(Rc::clone(&builder.operator_info().address));
    let mut finisher = closure.finisher();
    builder.build(move |capabilities| {
        let (mut left, mut right) = (Side::new(left.trace), Side::new(right.trace));
        let mut todo: VecDeque<(Held, Matches)> = VecDeque::new();
        let preloaded = Matches::new(left.batches(), right.batches(), true, bounds.as_of);
        if !preloaded.fresh.is_empty() && !preloaded.other.is_empty() {
            let mut held = outputs.initial(capabilities);
            held.downgrade(bounds.as_of);
            todo.push_back((held, preloaded));
        }
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            left_input.for_each(|capability, spans| {
                for batch in spans.drain(..).filter_map(|span| left.accept(span)) {
                    let Some(held) = outputs.retain(&capability) else { continue };
                    let from = held.time();
                    todo.push_back((held, Matches::new(vec![batch], right.batches(), true, from)));
                }
            });
            right_input.for_each(|capability, spans| {
                for batch in spans.drain(..).filter_map(|span| right.accept(span)) {
                    let Some(held) = outputs.retain(&capability) else { continue };
                    let from = held.time();
                    todo.push_back((held, Matches::new(vec![batch], left.batches(), false, from)));
                }
            });
            left.pass_empty();
            right.pass_empty();
            if !work(&mut todo, bounds, &mut finisher, &mut outputs) {
                activator.activate();
            }
            left.release(&frontiers[1]);
            right.release(&frontiers[0]);
        }
    });
    collection
}

/// Works until fuel is spent; true when nothing is left.
fn work(
    todo: &mut VecDeque<(Held, Matches)>,
    bounds: Bounds,
    finisher: &mut Finisher,
    outputs: &mut Outputs,
) -> bool {
    let mut fuel = Fuel::new();
    while let Some((held, matches)) = todo.front_mut() {
        let emit = &mut outputs.emit;
        let done = matches.work(bounds, &mut fuel, &mut |key, left, right, time, diff| {
            finisher.run(&[key, left, right]);
            finisher.emit(time, diff, emit);
        });
        outputs.flush(held);
        if !done {
            return false;
        }
        todo.pop_front();
    }
    true
}
