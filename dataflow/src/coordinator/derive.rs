//! Derived streams: a dataflow's updates appended to a shard of their own, as far as its inputs are complete.
//!
//! What is appended is durable before anyone sees it, and its times are those at which it came about. The shard's upper is
//! the resume point: after a restart the dataflow begins there, and what it says again about earlier times is left out.
//! A row that cannot be evaluated does not end the stream: its error is appended like a row (see [`failures`](crate::failures)).

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};

use compiler::mir::CollectionId;

use crate::coordinator::Event;
use crate::output::{self, Output};
use crate::storage::{Append, ShardAppend, ShardId, Storage, Timestamp, Updates};

/// Appends what comes out of `output` to the shard, until the output is closed. What it says of the time `taken_in` and before
/// is there already. A thread of its own: it waits for the disk.
pub fn start(
    shard: CollectionId,
    taken_in: Option<Timestamp>,
    output: Arc<Output>,
    storage: Storage,
    events: Sender<Event>,
) {
    let upper = storage.frontiers(ShardId(shard.0)).upper;
    let derived = Arc::new(Derived { shard, storage, events, order: Mutex::default() });
    // A panic in a thread of this name ends the process: the stream must not stop in silence.
    std::thread::Builder::new()
        .name("coordinator-derive".to_owned())
        .spawn(move || derived.run(upper, taken_in, &output))
        .expect("invariant: a thread can be started");
}

struct Derived {
    shard: CollectionId,
    storage: Storage,
    events: Sender<Event>,
    order: Mutex<Order>,
}

/// Progress is told after the appends before it, not beside them.
#[derive(Default)]
struct Order {
    appends: usize,
    progress: Timestamp,
}

impl Derived {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("invariant: nothing panics while it orders appends")
    }

    fn run(self: Arc<Self>, mut lower: Timestamp, taken_in: Option<Timestamp>, output: &Output) {
        loop {
            match output.wait() {
                Ok(Some(output::Event::Updates { at, .. }))
                    if taken_in.is_some_and(|taken_in| at <= taken_in) => {}
                Ok(Some(output::Event::Updates { at, rows })) => {
                    self.append(lower, at + 1, Arc::new(rows));
                    lower = at + 1;
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
                Ok(()) => this.tell(Some(updates), upper),
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
