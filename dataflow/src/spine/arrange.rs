//! The operator that arranges a stream: it sorts updates as they come, and makes a batch of those whose times are complete.
//!
//! However many there are, it works a millisecond at a time: sorting goes on while rows still come, and what comes while a batch
//! is made belongs to the next one. The trace and whoever reads the stream get a batch when it is whole.
//!
//! ```text
//!   rows ──▶ ladder ──(the frontier has passed some)──▶ sealing ──▶ trace, stream
//!               ▲───────── what is not complete yet ◀──────┘
//! ```

use std::rc::Rc;

use differential_dataflow::operators::arrange::{TraceAgent, TraceWriter};
use differential_dataflow::trace::{Description, Span, Trace};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;
use timely::progress::{Antichain, Stamp, Timestamp as _};

use super::ladder::{Ladder, Sealing};
use super::{Arrangement, RowBatch, RowSpine, RowStream, Rows, Timestamp, by_key};
use crate::fuel::Fuel;

type Output = OutputBuilder<Timestamp, CapacityContainerBuilder<Vec<Span<Timestamp, RowBatch>>>>;

/// Arranges rows by their key, on the worker that owns it.
pub fn arrange<'s>(stream: RowStream<'s>, name: &str) -> Arrangement<'s> {
    match stream.scope().peers() {
        1 => arrange_by(stream, Pipeline, name),
        _ => arrange_by(stream, by_key(), name),
    }
}

fn arrange_by<'s>(
    stream: RowStream<'s>,
    pact: impl ParallelizationContract<Timestamp, Rows>,
    name: &str,
) -> Arrangement<'s> {
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let info = builder.operator_info();
    let activator = || scope.activator_for(Rc::clone(&info.address));
    let spine = RowSpine::new(info.clone(), None, Some(activator()));
    let (trace, writer) = TraceAgent::new(spine, info.clone(), None);
    let mut input = builder.new_input(stream, pact);
    let (output, stream) = builder.new_output();
    let mut output = Output::from(output);
    let activator = activator();
    builder.build(move |_| {
        let mut arranging = Arranging {
            ladder: Ladder::default(),
            held: None,
            sealing: None,
            sealed: Antichain::from_elem(Timestamp::minimum()),
            writer,
        };
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            input.for_each(|capability, rows| {
                if let Some(held) = capability.retain_least(0) {
                    arranging.hold(held);
                    arranging.ladder.push(rows.borrow());
                }
            });
            if !arranging.work(&frontiers[0], &mut output) {
                activator.activate();
            }
            arranging.writer.exert();
        }
    });
    Arrangement { stream, trace }
}

/// The operator's memory.
struct Arranging {
    ladder: Ladder,
    /// The right to send what the ladder holds.
    held: Option<Capability<Timestamp>>,
    sealing: Option<Next>,
    /// The upper of the last batch.
    sealed: Antichain<Timestamp>,
    writer: TraceWriter<RowSpine>,
}

/// The batch that is being made.
struct Next {
    sealing: Sealing,
    held: Capability<Timestamp>,
    upper: Antichain<Timestamp>,
}

impl Arranging {
    fn hold(&mut self, held: Capability<Timestamp>) {
        if self.held.as_ref().is_none_or(|least| held.time() < least.time()) {
            self.held = Some(held);
        }
    }

    /// Makes batches up to the frontier, and sorts what is beyond it, until fuel is spent; true when nothing is left to be done.
    fn work(&mut self, frontier: &MutableAntichain<Timestamp>, output: &mut Output) -> bool {
        let mut fuel = Fuel::new();
        loop {
            if let Some(next) = &mut self.sealing {
                if !next.sealing.work(next.upper.borrow(), &mut fuel) {
                    return false;
                }
                self.seal(output);
                continue;
            }
            if self.sealed.borrow() == frontier.frontier() {
                return self.ladder.work(&mut fuel);
            }
            let upper = frontier.frontier().to_owned();
            match self.held.take_if(|held| !frontier.less_equal(held.time())) {
                Some(held) => {
                    let sealing = Sealing::begin(&mut self.ladder);
                    self.sealing = Some(Next { sealing, held, upper });
                }
                None => {
                    self.writer.seal(upper.clone());
                    self.sealed = upper;
                }
            }
        }
    }

    /// Gives the batch to the trace, then to whoever reads the stream.
    fn seal(&mut self, output: &mut Output) {
        let Some(Next { sealing, held, upper }) = self.sealing.take() else { return };
        let done = sealing.finish(&mut self.ladder);
        let since = Antichain::from_elem(Timestamp::minimum());
        let lower = std::mem::replace(&mut self.sealed, upper.clone());
        let span = Span::new(Description::new(lower, upper, since), done.batch);
        self.writer.insert(span.clone(), Stamp::from_elem(*held.time()));
        output.activate().session(&held).give(span);
        if let Some(kept) = done.least.and_then(|least| held.try_delayed(&least)) {
            self.hold(kept);
        }
    }
}
