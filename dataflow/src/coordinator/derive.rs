//! Derived streams: a dataflow's updates appended to a shard of their own, as far as its inputs are complete.
//!
//! What is appended is durable before anyone sees it, and its times are those at which it came about. The shard's upper is
//! the resume point: after a restart the dataflow begins there, and what it says again about earlier times is left out.
//! A stream whose shard is empty has no resume point, and would begin anew with what its sources hold then: so that nothing came
//! about at its beginning is appended too, and whoever creates it waits for that.
//! A row that cannot be evaluated does not end the stream: its error is appended like a row (see [`failures`](crate::failures)).

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};

use compiler::mir::CollectionId;
use tokio::sync::oneshot;

use crate::coordinator::Event;
use crate::output::{self, Output};
use crate::storage::{Append, ShardAppend, ShardId, Storage, Timestamp, Updates};

/// What a stream's thread begins with.
pub struct Derivation {
    pub shard: CollectionId,
    /// The time that the dataflow begins at.
    pub as_of: Timestamp,
    /// What the dataflow says of this time and before is in the shard already.
    pub taken_in: Option<Timestamp>,
    pub output: Arc<Output>,
    pub storage: Storage,
    pub events: Sender<Event>,
}

/// A derivation at work.
pub struct Deriving {
    output: Arc<Output>,
    /// Told, by being dropped, when the last append is over.
    ended: oneshot::Receiver<()>,
}

impl Deriving {
    /// Ends it. When this returns, it appends nothing more: whoever goes on from the shard's upper is alone.
    pub async fn end(self) {
        self.output.close();
        let _ = self.ended.await;
    }
}

/// Appends what comes out of the output to the shard, until the output is closed. A thread of its own: it waits for the disk. The
/// receiver learns when the stream has a resume point; it is dropped if there is no room for one.
pub fn start(derivation: Derivation) -> (Deriving, oneshot::Receiver<()>) {
    let Derivation { shard, as_of, taken_in, output, storage, events } = derivation;
    let (begun, receiver) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let upper = storage.frontiers(ShardId(shard.0)).upper;
    let order = Mutex::new(Order { begun: Some(begun), ..Order::default() });
    let derived = Arc::new(Derived { shard, as_of, taken_in, storage, events, order, _ending: ending });
    let deriving = Deriving { output: output.clone(), ended };
    if upper > 0 {
        derived.begun();
    }
    // A panic in a thread of this name ends the process: the stream must not stop in silence.
    std::thread::Builder::new()
        .name("coordinator-derive".to_owned())
        .spawn(move || derived.run(upper, &output))
        .expect("invariant: a thread can be started");
    (deriving, receiver)
}

struct Derived {
    shard: CollectionId,
    as_of: Timestamp,
    taken_in: Option<Timestamp>,
    storage: Storage,
    events: Sender<Event>,
    order: Mutex<Order>,
    /// Goes when nobody appends any more: the thread and what it has asked of the disk share this.
    _ending: oneshot::Sender<()>,
}

/// Progress is told after the appends before it, not beside them.
#[derive(Default)]
struct Order {
    appends: usize,
    progress: Timestamp,
    /// Told when the shard has an upper.
    begun: Option<oneshot::Sender<()>>,
}

impl Derived {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("invariant: nothing panics while it orders appends")
    }

    fn begun(&self) {
        if let Some(begun) = self.order().begun.take() {
            let _ = begun.send(());
        }
    }

    fn run(self: Arc<Self>, mut lower: Timestamp, output: &Output) {
        loop {
            match output.wait() {
                Ok(Some(output::Event::Updates { at, .. }))
                    if self.taken_in.is_some_and(|taken_in| at <= taken_in) => {}
                Ok(Some(output::Event::Updates { at, rows })) => {
                    self.append(lower, at + 1, Arc::new(rows));
                    lower = at + 1;
                }
                // Not before the time that it begins at is complete: its first rows have that time.
                Ok(Some(output::Event::Progress(upper))) if lower == 0 && upper > self.as_of => {
                    self.append(lower, upper, Arc::default());
                    lower = upper;
                }
                Ok(Some(output::Event::Progress(upper))) => self.progress(upper.max(lower)),
                Ok(Some(output::Event::End) | None) => return,
                Err(error) => {
                    tracing::error!(%error, shard = self.shard.0, "a derived stream has ended");
                    return;
                }
            }
        }
    }

    fn append(self: &Arc<Self>, lower: Timestamp, upper: Timestamp, updates: Arc<Updates>) {
        self.order().appends += 1;
        let shards = vec![ShardAppend { shard: ShardId(self.shard.0), lower, updates: updates.clone() }];
        let this = self.clone();
        self.storage.append(Append { upper, shards }, move |outcome| {
            match outcome {
                Ok(()) => {
                    this.tell((!updates.is_empty()).then_some(updates), upper);
                    this.begun();
                }
                // Dropped meanwhile, or no room. Nothing later is accepted at a wrong lower, so nothing is lost or doubled:
                // the stream goes on after a restart.
                Err(error) => {
                    tracing::warn!(%error, shard = this.shard.0, "a derived stream could not append")
                }
            }
            let mut order = this.order();
            order.appends -= 1;
            if order.appends == 0 && order.progress > upper {
                this.tell(None, order.progress);
            }
        });
    }

    fn progress(&self, upper: Timestamp) {
        let mut order = self.order();
        order.progress = upper;
        if order.appends == 0 {
            self.tell(None, upper);
        }
    }

    fn tell(&self, updates: Option<Arc<Updates>>, upper: Timestamp) {
        let _ = self.events.send(Event::Derived { shard: self.shard, updates, upper });
    }
}
