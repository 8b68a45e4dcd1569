//! Arrangements that were lent: brought into the dataflow as of its first time.
//!
//! The batches that are there are replayed, then those that come. Times are not rewritten here: whoever reads batches or the
//! trace clips them to the dataflow's [`Bounds`], the same for both. The import ends by itself when the trace has reached
//! the bounds' end, and with its token.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use compiler::repr::Row;
use differential_dataflow::operators::arrange::{Arranged, TraceReplayInstruction};
use differential_dataflow::trace::implementations::BatchContainer;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::{Operator, source};
use timely::scheduling::Activator;

use super::bounds::Bounds;
use crate::spine::{Arrangement, BatchStream, RowStorage, RowStream, RowTrace, RowsBuilder, Timestamp};

/// Ends an input of a dataflow when it is dropped.
pub struct Token {
    alive: Rc<RefCell<Option<Capability<Timestamp>>>>,
    activator: Activator,
}

impl Drop for Token {
    fn drop(&mut self) {
        *self.alive.borrow_mut() = None;
        self.activator.activate();
    }
}

/// Brings a trace into a scope. The trace must be readable at the bounds' `as_of`.
pub fn import<'s>(
    scope: Scope<'s, Timestamp>,
    trace: &mut RowTrace,
    name: &str,
    bounds: Bounds,
) -> (Arrangement<'s>, Token) {
    let mut token = None;
    let stream = source(scope, name, |mut capability: Capability<Timestamp>, info| {
        let _ = capability.try_downgrade(&bounds.as_of);
        let alive = Rc::new(RefCell::new(Some(capability)));
        let activator = scope.activator_for(Rc::clone(&info.address));
        token = Some(Token { alive: Rc::clone(&alive), activator: activator.clone() });
        let queue = trace.new_listener(activator);
        move |output: &mut timely::dataflow::operators::generic::OutputBuilderSession<'_, Timestamp, _>| {
            let mut alive = alive.borrow_mut();
            for instruction in queue.1.borrow_mut().drain(..) {
                let Some(capability) = alive.as_mut() else { continue };
                match instruction {
                    TraceReplayInstruction::Span(span, stamp) => {
                        if span.has_updates() && !stamp.is_empty() {
                            let time = stamp.least().copied().unwrap_or(0).max(*capability.time());
                            if let Some(capability) = capability.try_delayed(&time) {
                                output.session(&capability).give(span);
                            }
                        }
                    }
                    TraceReplayInstruction::Frontier(frontier) => match frontier.first() {
                        Some(upper) if *upper < bounds.until => _ = capability.try_downgrade(upper),
                        _ => *alive = None,
                    },
                }
            }
        }
    });
    let token = token.expect("invariant: the constructor has run");
    (Arranged { stream, trace: trace.clone() }, token)
}

/// The records of an arrangement that have one of these keys, each a packed row of the whole key.
pub fn lookup<'s>(stream: BatchStream<'s>, keys: Vec<Row>, bounds: Bounds) -> RowStream<'s> {
    stream.unary::<RowsBuilder, _, _, _>(Pipeline, "Lookup", move |_, _| {
        move |input, output| {
            input.for_each(|capability, spans| {
                let mut session = output.session_with_builder(&capability);
                for batch in spans.iter().filter_map(|span| span.inner.as_ref()) {
                    for key in &keys {
                        for value in values(&batch.0, key.bytes()) {
                            let storage = &batch.0.storage;
                            let (low, high) = storage.upds.bounds(value);
                            for (time, diff) in (low..high).map(|i| storage.upds.get_abs(i)) {
                                if let Some(time) = bounds.clip(*time) {
                                    session.give((key.bytes(), storage.vals.get_abs(value), time, *diff));
                                }
                            }
                        }
                    }
                }
            })
        }
    })
}

/// The errors of rows with these keys, and those that do not tell their key.
pub fn errors_of<'s>(errs: RowStream<'s>, keys: Vec<Row>) -> RowStream<'s> {
    errs.unary::<RowsBuilder, _, _, _>(Pipeline, "Lookup errors", move |_, _| {
        move |input, output| {
            input.for_each(|capability, errs| {
                let mut session = output.session_with_builder(&capability);
                for (key, error, time, diff) in errs.borrow().iter() {
                    if key.is_empty() || keys.iter().any(|wanted| wanted.bytes() == key) {
                        session.give((key, error, time, diff));
                    }
                }
            })
        }
    })
}

/// The positions of a key's values in a batch.
fn values(batch: &RowStorage, key: &[u8]) -> Range<usize> {
    let keys = &batch.storage.keys;
    let index = keys.seek(0, keys.len(), key);
    if keys.get(index) != Some(key) {
        return 0..0;
    }
    let (low, high) = batch.storage.vals.bounds(index);
    low..high
}
