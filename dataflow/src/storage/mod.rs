//! Durable shards. Everything that enters the database becomes timestamped updates in a shard before anyone sees it.
//!
//! A **shard** is an update collection on disk, known between `since` (reads must not be earlier) and `upper` (its next
//! append begins there). Appends are compare-and-append: each names the `lower` that its writer believes to be the
//! shard's upper, and is refused if that is wrong. One append may cover any number of shards, and is atomic over them.
mod catalog;
mod error;
mod updates;

pub use catalog::{CATALOG, rows as catalog_rows};
pub use error::StorageError;
pub use updates::{Diff, Timestamp, Update, Updates, consolidate};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

/// Names a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u64);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A transaction: updates of any number of shards, all of which get `upper` as their new upper, or none of which
/// changes. A shard that was never written has upper 0 and comes into being by its first append.
#[derive(Clone, Debug)]
pub struct Append {
    pub upper: Timestamp,
    pub shards: Vec<ShardAppend>,
}

/// A transaction's part in one shard. The times of the updates lie in `lower..append.upper`.
#[derive(Clone, Debug)]
pub struct ShardAppend {
    pub shard: ShardId,
    pub lower: Timestamp,
    pub updates: Arc<Updates>,
}

/// Called once, on the log's thread, when the fate of an append is known: it must be quick and must not wait.
pub type Completion = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// Where a shard can be read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontiers {
    pub since: Timestamp,
    pub upper: Timestamp,
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub shards: BTreeMap<ShardId, Frontiers>,
    /// The greatest time of any shard: no update is later, and no since.
    pub greatest: Timestamp,
    /// No timestamp at or beyond this one was ever shown without a durable append at it.
    pub reserved: Timestamp,
    /// What was odd but harmless, for the log: a torn tail that was cut.
    pub warnings: Vec<String>,
}

#[derive(Default)]
struct State {
    shards: BTreeMap<ShardId, Shard>,
    reserved: Timestamp,
}

#[derive(Default)]
struct Shard {
    frontiers: Frontiers,
    tail: Vec<Arc<Updates>>,
}

/// The handle: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Storage {
    state: Arc<Mutex<State>>,
    queue: Sender<Box<dyn FnOnce() + Send>>,
}

impl Storage {
    /// A store that keeps nothing when it is dropped.
    pub fn memory() -> Storage {
        let (queue, work) = channel::<Box<dyn FnOnce() + Send>>();
        std::thread::spawn(move || work.into_iter().for_each(|job| job()));
        Storage { state: Arc::default(), queue }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Appends a transaction. Many may be in flight; they are decided in the order of the calls, and `completion` is
    /// called in that order too, once the updates are durable and visible to reads.
    pub fn append(&self, append: Append, completion: impl FnOnce(Result<(), StorageError>) + Send + 'static) {
        let state = self.state.clone();
        let job = Box::new(move || {
            let outcome = apply(&mut state.lock().expect("no holder of this lock panics"), append);
            completion(outcome)
        });
        let _ = self.queue.send(job);
    }

    /// [`Storage::append`] for a caller that has nothing else to do, as at boot.
    pub fn append_and_wait(&self, append: Append) -> Result<(), StorageError> {
        let (send, receive) = channel();
        self.append(append, move |outcome| drop(send.send(outcome)));
        receive.recv().unwrap_or_else(|_| Err(StorageError::Stopped("the store is closed".into())))
    }

    /// Makes durable that timestamps before `bound` may be shown: the clock restarts at or above it.
    pub fn reserve(
        &self,
        bound: Timestamp,
        completion: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        let state = self.state.clone();
        let job = Box::new(move || {
            let mut state = state.lock().expect("no holder of this lock panics");
            state.reserved = state.reserved.max(bound);
            drop(state);
            completion(Ok(()))
        });
        let _ = self.queue.send(job);
    }

    /// Where a shard can be read and written; `(0, 0)` for one that was never written.
    pub fn frontiers(&self, shard: ShardId) -> Frontiers {
        self.state().shards.get(&shard).map(|shard| shard.frontiers).unwrap_or_default()
    }

    /// The shard's contents at `as_of`: consolidated, every time moved up to `as_of`, in the order of the rows, in
    /// slices of at most 64k rows. An `as_of` at or beyond the shard's upper is answered from what is there: that no
    /// append will come at or before it is then the caller's knowledge.
    pub fn snapshot(&self, shard: ShardId, as_of: Timestamp) -> Result<Snapshot, StorageError> {
        let state = self.state();
        let Some(found) = state.shards.get(&shard) else {
            return Ok(Snapshot { slices: Vec::new().into_iter() });
        };
        let since = found.frontiers.since;
        if as_of < since {
            return Err(StorageError::Compacted { shard, as_of, since });
        }
        let mut all: Updates =
            found.tail.iter().flat_map(|updates| updates.iter()).filter(|u| u.1 <= as_of).collect();
        all.advance_to(as_of);
        Ok(Snapshot { slices: vec![Arc::new(all)].into_iter() })
    }

    /// The shard's updates at times after `after`, with their own times, unconsolidated and in no promised order. `after`
    /// must not be before the shard's since: together with a [`Storage::snapshot`] at `after` they are the whole shard.
    pub fn updates_after(&self, shard: ShardId, after: Timestamp) -> Result<Snapshot, StorageError> {
        let state = self.state();
        let Some(found) = state.shards.get(&shard) else {
            return Ok(Snapshot { slices: Vec::new().into_iter() });
        };
        let since = found.frontiers.since;
        if after < since {
            return Err(StorageError::Compacted { shard, as_of: after, since });
        }
        let all: Updates =
            found.tail.iter().flat_map(|updates| updates.iter()).filter(|u| u.1 > after).collect();
        Ok(Snapshot { slices: vec![Arc::new(all)].into_iter() })
    }

    /// Lets go of the history before `since`. It never moves back, and never reaches the shard's upper.
    pub fn allow_compaction(&self, shard: ShardId, since: Timestamp) {
        if let Some(shard) = self.state().shards.get_mut(&shard) {
            let frontiers = &mut shard.frontiers;
            frontiers.since = frontiers.since.max(since.min(frontiers.upper.saturating_sub(1)));
        }
    }

    /// Removes a shard, in order with the appends around it. The id may be used again.
    pub fn drop_shard(
        &self,
        shard: ShardId,
        completion: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        let state = self.state.clone();
        let job = Box::new(move || {
            state.lock().expect("no holder of this lock panics").shards.remove(&shard);
            completion(Ok(()))
        });
        let _ = self.queue.send(job);
    }
}

/// A shard read slice by slice.
pub struct Snapshot {
    slices: std::vec::IntoIter<Arc<Updates>>,
}

impl Iterator for Snapshot {
    type Item = Result<Arc<Updates>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.slices.next().map(Ok)
    }
}

fn apply(state: &mut State, append: Append) -> Result<(), StorageError> {
    for part in &append.shards {
        let upper = state.shards.get(&part.shard).map_or(0, |shard| shard.frontiers.upper);
        if upper != part.lower {
            return Err(StorageError::Mismatch { shard: part.shard, lower: part.lower, upper });
        }
    }
    for part in append.shards {
        let shard = state.shards.entry(part.shard).or_default();
        shard.frontiers.upper = append.upper;
        shard.tail.push(part.updates);
    }
    Ok(())
}
