//! Loading: feeds a new dataflow the contents of the shards that it reads, slice by slice, beside the live updates.
//!
//! One thread per load, so that neither the coordinator nor a worker waits for the disk. Only a few slices are on their way
//! at a time: permits come back when the workers have taken a slice.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, Weak};

use compiler::mir::CollectionId;

use crate::command::{Command, CommandSender, DataflowId, Slice};
use crate::coordinator::Event;
use crate::coordinator::commit::refused;
use crate::in_use::One;
use crate::output::Output;
use crate::storage::{ShardId, Storage, StorageError, Timestamp, Updates};

/// Slices on their way to the workers at once, for one load.
const SLICES: usize = 4;

pub struct Load {
    pub dataflow: DataflowId,
    pub shard: CollectionId,
    pub as_of: Timestamp,
    /// The shard's updates at and before this time are to be loaded; later ones come with ticks.
    pub complete: Timestamp,
    /// The as_of lies in the past: the updates between it and `complete` keep their own times.
    pub historical: bool,
    /// All updates keep their own times, those before the as_of too.
    pub log: bool,
    pub until: Option<Timestamp>,
    /// Of the statement for which it is loaded.
    pub output: Option<Arc<Output>>,
    /// Gone with the dataflow: the rest is not loaded then.
    pub wanted: Weak<()>,
    pub counted: One,
}

/// Starts loading in the background; ends with [`Event::Loaded`].
pub fn start(load: Load, storage: Storage, commands: CommandSender, events: Sender<Event>, workers: usize) {
    let loading = move || {
        let Load { dataflow, shard, .. } = load;
        match (feed(&load, &storage, &commands, workers), &load.output) {
            (Ok(()), _) => drop(events.send(Event::Loaded { dataflow, shard })),
            // An AS OF at the edge of what is kept, which has moved on.
            (Err(error @ StorageError::Compacted { .. }), Some(output)) => output.end(0, refused(error)),
            // Contents that were acknowledged cannot be read back: nothing that depends on them may be shown.
            (Err(error), _) => panic!("shard {} cannot be read: {error}", shard.0),
        }
    };
    // A panic in a thread of this name ends the process.
    let thread = std::thread::Builder::new().name("coordinator-load".to_owned()).spawn(loading);
    thread.expect("invariant: a thread can be started");
}

fn feed(
    load: &Load,
    storage: &Storage,
    commands: &CommandSender,
    workers: usize,
) -> Result<(), StorageError> {
    let permits = Arc::new(Permits::default());
    let mut worker = 0;
    let mut send = |updates: Arc<Updates>| {
        if updates.is_empty() {
            return;
        }
        let slice = Slice { updates, permit: Arc::new(permits.take()) };
        commands(Command::Slice {
            dataflow: load.dataflow,
            shard: load.shard,
            worker,
            updates: slice.into(),
        });
        worker = (worker + 1) % workers;
    };
    let wanted = || load.wanted.strong_count() > 0;
    let shard = ShardId(load.shard.0);
    let from = match load.log {
        true => storage.frontiers(shard).since,
        false => load.as_of.min(load.complete),
    };
    for slice in storage.snapshot(shard, from)? {
        if !wanted() {
            return Ok(());
        }
        send(slice?);
    }
    if load.log || load.historical && load.as_of < load.complete {
        for slice in storage.updates_after(shard, from)? {
            if !wanted() {
                return Ok(());
            }
            let slice = slice?;
            let needed = |time| time <= load.complete && load.until.is_none_or(|until| time < until);
            if slice.times().iter().all(|time| needed(*time)) {
                send(slice);
            } else {
                send(Arc::new(slice.iter().filter(|update| needed(update.1)).collect()));
            }
        }
    }
    Ok(())
}

/// Counts slices on their way.
#[derive(Default)]
struct Permits {
    taken: Mutex<usize>,
    returned: Condvar,
}

struct Permit(Arc<Permits>);

impl Permits {
    /// Waits until fewer than [`SLICES`] are taken.
    fn take(self: &Arc<Self>) -> Permit {
        let taken = self.taken.lock().expect("invariant: nothing panics while it counts");
        let mut taken = self
            .returned
            .wait_while(taken, |taken| *taken >= SLICES)
            .expect("invariant: nothing panics while it counts");
        *taken += 1;
        Permit(self.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.taken.lock().expect("invariant: nothing panics while it counts") -= 1;
        self.0.returned.notify_one();
    }
}
