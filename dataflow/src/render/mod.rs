//! From LIR to operators: what the worker asks of the renderer.

use std::collections::BTreeMap;

use compiler::mir::CollectionId;
use timely::worker::Worker;

use crate::command::Build;
use crate::published::Contents;
use crate::spine::{RowTrace, RowsRef, Timestamp};
use crate::storage::Updates;

/// Where a stream body's results go on this worker: its updates and errors, each before the upper that passes their times. The
/// upper is None when nothing more can come.
pub struct Sink {
    pub oks: Box<dyn FnMut(RowsRef<'_>)>,
    pub errs: Box<dyn FnMut(RowsRef<'_>)>,
    pub upper: Box<dyn FnMut(Option<Timestamp>)>,
}

/// A shard's way into a dataflow on this worker. Updates before the as_of are moved up to it, those beyond the until left out.
pub struct ShardInput;

impl ShardInput {
    pub fn send(&mut self, _updates: &Updates) {}

    /// Everything before `upper` was sent, on this worker. Never goes back.
    pub fn advance_to(&mut self, _upper: Timestamp) {}

    /// Nothing more will be sent.
    pub fn close(&mut self) {}
}

/// A fragment's arrangement: what others import, the worker compacts and publishes.
#[derive(Clone)]
pub struct Exports {
    pub oks: RowTrace,
    pub errs: RowTrace,
}

impl Exports {
    /// All before it is in the arrangement; None when it is closed.
    pub fn upper(&mut self) -> Option<Timestamp> {
        None
    }

    /// Lets both traces forget times before `since` and merge batches before `upper`.
    pub fn compact(&mut self, _since: Timestamp, _upper: Timestamp) {}

    /// Its batches now, if they differ from those shown.
    pub fn changed_since(&mut self, _shown: &Contents) -> Option<Contents> {
        None
    }
}

/// A dataflow that was built on this worker.
pub struct Built {
    pub inputs: BTreeMap<CollectionId, ShardInput>,
    /// Of a fragment.
    pub exports: Option<Exports>,
}

impl Built {
    /// Drops the dataflow and all it holds. Its inputs were dropped before.
    pub fn close(self, _worker: &mut Worker) {}
}

/// Builds a dataflow; `imports` are the arrangements of the fragments it refers to, by their index.
pub fn build(_worker: &mut Worker, _build: &Build, _imports: Vec<Option<Exports>>, _sink: Sink) -> Built {
    Built { inputs: BTreeMap::new(), exports: None }
}
