//! All that crosses between the control plane and the data plane.
//!
//! Commands form one totally ordered stream that every worker of every process carries out in the same order, because
//! timely wants dataflows built in one order everywhere. Rows never travel inside a command between processes: what is
//! [`Local`] stays in process 0, whose workers feed inputs and hand results out; exchange spreads rows over the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use compiler::lir;
use compiler::mir::CollectionId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contents::Range;
use crate::in_use::Count;
use crate::output::Output;
use crate::published::Published;
use crate::storage::{Timestamp, Updates};

/// Names one timely dataflow: a fragment (whose arrangement others import) or the body of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DataflowId(pub u64);

/// Sends commands to worker 0 and wakes it.
pub type CommandSender = Arc<dyn Fn(Command) + Send + Sync>;

/// What the workers are told, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Build a dataflow; its imports were built before.
    Build(Arc<Build>),
    /// A slice of a shard's contents at the dataflow's as_of.
    Slice {
        dataflow: DataflowId,
        shard: CollectionId,
        worker: usize,
        updates: Local<Slice>,
    },
    /// All slices of the shard were sent: live updates may advance the input, from now to `upto`.
    Loaded {
        dataflow: DataflowId,
        shard: CollectionId,
        upto: Timestamp,
    },
    /// Committed updates, and the shards that are now complete before a time.
    Tick(Arc<Tick>),
    /// Drop a dataflow and what it arranged. Nothing imports it any more.
    Drop(DataflowId),
    /// Read part of an arrangement for a session in process 0. Only workers of other processes answer: sessions read their
    /// own process's arrangements themselves.
    Peek(Arc<Peek>),
    /// The least time at which each of these arrangements may still be read. Sent before each tick for those that have moved on since; the
    /// workers of process 0 see the holds themselves.
    Compact(Arc<Vec<(DataflowId, Timestamp)>>),
    Shutdown,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Build {
    pub id: DataflowId,
    /// A human's name for logs and introspection.
    pub name: String,
    pub body: BuildBody,
    /// What each fragment index of the body's nodes stands for; None where the body does not refer to it.
    pub imports: Vec<Option<DataflowId>>,
    /// The first time at which the result is definite.
    pub as_of: Timestamp,
    /// One-shot reads end here: no update at or beyond it is looked at.
    pub until: Option<Timestamp>,
    /// The shards of derived streams among those that it reads: they hold failures beside rows.
    pub derived: BTreeSet<CollectionId>,
    /// Where process 0's workers publish the arrangement, and where the updates of a stream go.
    pub published: Local<Arc<Published>>,
    pub output: Local<Arc<Output>>,
    /// Where process 0's workers count the dataflows that they run.
    pub running: Local<Count>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum BuildBody {
    Fragment(lir::Fragment),
    Stream(lir::Node),
}

impl BuildBody {
    pub fn node(&self) -> &lir::Node {
        match self {
            BuildBody::Fragment(fragment) => &fragment.node,
            BuildBody::Stream(node) => node,
        }
    }
}

/// Part of a snapshot; the permit bounds how many are on their way.
#[derive(Clone, Debug)]
pub struct Slice {
    pub updates: Arc<Updates>,
    pub permit: Arc<dyn std::any::Any + Send + Sync>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tick {
    pub updates: Local<Vec<(CollectionId, Arc<Updates>)>>,
    pub advance: Vec<(CollectionId, Timestamp)>,
}

/// A read of a range of an arrangement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peek {
    pub id: u64,
    pub dataflow: DataflowId,
    pub at: Timestamp,
    pub range: Range,
}

/// What workers answer. Those of process 0 answer by channel, the others through an exchange to worker 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Response {
    /// A worker has built it; its imports hold what they need from now on.
    Built(DataflowId),
    /// The arrangement is complete before `upper` on this worker (of another process).
    Upper {
        dataflow: DataflowId,
        worker: usize,
        upper: Timestamp,
        /// How many updates its batches hold.
        updates: usize,
    },
    /// Updates and errors of a stream, and the time before which nothing more comes (0: not known yet; MAX: the end).
    Updates { dataflow: DataflowId, worker: usize, rows: OwnedUpdates, errs: OwnedUpdates, upper: Timestamp },
    /// A worker's part of a peek's rows, with their multiplicities, and the first error found.
    Peeked { peek: u64, rows: Vec<(Vec<u8>, i64)>, error: Option<Vec<u8>> },
}

/// Updates as they cross to another process in an answer.
pub type OwnedUpdates = Vec<(Vec<u8>, Timestamp, i64)>;

/// A value that stays in its process: it serialises to nothing, and arrives elsewhere as None.
#[derive(Clone, Debug)]
pub struct Local<T>(pub Option<T>);

impl<T> Local<T> {
    pub fn none() -> Local<T> {
        Local(None)
    }
}

impl<T> From<T> for Local<T> {
    fn from(value: T) -> Local<T> {
        Local(Some(value))
    }
}

impl<T> Serialize for Local<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de, T> Deserialize<'de> for Local<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Local(None))
    }
}
