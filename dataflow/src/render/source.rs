//! Where rows enter: shards, fed by the worker, and constants.

use std::sync::Arc;

use compiler::repr::Row;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::source;
use timely::dataflow::{InputHandle, Scope, Stream};

use super::bounds::Bounds;
use super::finish::Keyed;
use super::linear::Share;
use crate::spine::{Diff, RowStream, RowsBuilder, Timestamp};
use crate::storage::Updates;

/// The worker's end of a shard's input: fed first with the shard's contents at the dataflow's as_of, slice by slice, then
/// with what is committed.
///
/// The shard is taken to be complete before the time that it was advanced to. Dropping the handle ends the input.
pub struct ShardInput {
    bounds: Bounds,
    input: Option<InputHandle<Timestamp, CapacityContainerBuilder<Vec<Share>>>>,
}

impl ShardInput {
    /// Gives updates to this worker. Those after the end of the dataflow are not looked at, those before its as_of count as
    /// of it.
    pub fn send(&mut self, updates: &Arc<Updates>) {
        self.send_share(updates, 0..updates.len());
    }

    /// Gives the updates at these positions to this worker.
    pub fn send_share(&mut self, updates: &Arc<Updates>, share: std::ops::Range<usize>) {
        if let Some(input) = &mut self.input
            && !share.is_empty()
        {
            input.send((Arc::clone(updates), share));
        }
    }

    /// Nothing more will be sent.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Promises that all updates before `upper` were sent. A time that was promised already changes nothing.
    pub fn advance_to(&mut self, upper: Timestamp) {
        if upper >= self.bounds.until {
            self.input = None;
        }
        if let Some(input) = &mut self.input {
            match *input.time() < upper {
                true => input.advance_to(upper),
                false => input.flush(),
            }
        }
    }
}

/// A shard's input and the stream of its updates.
pub fn shard<'s>(
    scope: Scope<'s, Timestamp>,
    bounds: Bounds,
) -> (ShardInput, Stream<'s, Timestamp, Vec<Share>>) {
    let mut input = InputHandle::new_with_builder();
    let stream = input.to_stream(scope);
    input.advance_to(bounds.as_of);
    (ShardInput { bounds, input: Some(input) }, stream)
}

/// Rows that are there from the beginning, on the first worker.
pub fn constant<'s>(
    scope: Scope<'s, Timestamp>,
    rows: Vec<(Row, Diff)>,
    keyed: Keyed,
    bounds: Bounds,
) -> RowStream<'s> {
    let mine = if scope.index() == 0 { rows } else { Vec::new() };
    source::<_, RowsBuilder, _, _>(scope, "Constant", move |mut capability: Capability<Timestamp>, _| {
        let _ = capability.try_downgrade(&bounds.as_of);
        let mut left = Some((capability, mine));
        move |output| {
            let Some((capability, rows)) = left.take() else { return };
            let mut session = output.session_with_builder(&capability);
            for (packed, diff) in &rows {
                let (key, value) = packed.bytes().split_at(keyed.key_len(packed.bytes()));
                session.give((key, value, *capability.time(), *diff));
            }
        }
    })
}
