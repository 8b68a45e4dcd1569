//! Durable shards. Everything that enters the database becomes timestamped updates in a shard before anyone sees it.
//!
//! A **shard** is an update collection on disk, known between `since` (reads must not be earlier) and `upper` (its next
//! append begins there). Appends are compare-and-append: each names the `lower` that its writer believes to be the
//! shard's upper, and is refused if that is wrong. One append may cover any number of shards, and is atomic over them.
//!
//! The life of a transaction:
//! 1. [`Storage::append`] puts it into the queue and returns. Any number may be waiting.
//! 2. The log's thread ([`log`]) takes the whole queue, compares each append with its shards' uppers, and encodes each
//!    into **one** record ([`frame`]): many shards, one checksum, therefore atomic without a protocol.
//! 3. One write and one fdatasync for the group, into a [`segment`] whose space was set aside before. Then the updates
//!    become visible to reads, and the callers are answered in their order.
//! 4. A full segment is sealed, and a checkpoint ([`compact`]) sorts and consolidates what it held into one immutable
//!    [`run`] for all shards, names that in the [`manifest`], and lets the segment go.
//! 5. Runs are merged in tiers, as streams ([`merge`]); history before a shard's since disappears on the way.
//! 6. [`Storage::snapshot`] and [`Storage::updates_after`] ([`read`]) merge runs and what is still in memory, and block
//!    nobody.
//! 7. [`open`] reads the manifest and replays the segments behind it.
//!
//! Only [`disk`] touches the operating system. [`Memory`] is a disk for `--memory`, [`Simulated`] one that loses power.
//!
//! The rules that make it honest: answer after the sync, not after the write; stop after a failed sync, since a second
//! one would succeed and prove nothing; never build on what an earlier life may not have made durable; prove what was
//! acknowledged, so that damage is told from a torn tail and refused by file and offset.
#![forbid(unsafe_code)]
// The tour links to the modules behind it, so that renaming one breaks the documentation rather than the tour.
#![allow(rustdoc::private_intra_doc_links)]

mod block;
mod catalog;
mod compact;
mod disk;
mod error;
mod frame;
mod log;
mod manifest;
mod memory;
mod merge;
mod open;
mod read;
mod run;
mod segment;
mod simulated;
mod state;
mod updates;

#[cfg(test)]
mod simulate;
#[cfg(test)]
mod tests;

pub use catalog::{CATALOG, rows as catalog_rows};
pub use disk::{Directory, Disk, File};
pub use error::StorageError;
pub use memory::Memory;
pub use read::{History, Snapshot};
pub use simulated::{Counts, Faults, Simulated};
pub use updates::{Diff, Timestamp, Update, Updates, consolidate};

use log::{Entry, Waiting};
use state::{Phase, Shared};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

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

/// What may be chosen about a store. The defaults are for a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The size of a log segment. About two are on disk, and as much is in memory.
    pub segment_bytes: usize,
    /// The first segment's size: each is four times the one before, so that a small store is small and opens fast.
    pub first_segment_bytes: usize,
    /// A pause of so long after a commit is used to prove it.
    pub mark_after: Duration,
    /// A log that holds `idle_bytes` and has not grown for so long is checkpointed.
    pub idle_after: Duration,
    pub idle_bytes: usize,
    /// What a new store is called: every checksum depends on it, so that stores cannot be mixed up.
    pub store_id: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 16 << 20,
            first_segment_bytes: 64 << 10,
            mark_after: Duration::from_millis(10),
            idle_after: Duration::from_secs(2),
            idle_bytes: 256 << 10,
            store_id: RandomState::new().build_hasher().finish(),
        }
    }
}

/// The handle: cheap to clone, usable from any thread. The last one to go closes the store.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
    threads: Arc<Threads>,
}

impl Storage {
    /// Opens a store, or makes one. The disk is this store's alone.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Storage, Recovered), StorageError> {
        let open::Opened { shared, log, recovered } = open::open(disk, options)?;
        let (checkpoints, compaction) = (shared.clone(), shared.clone());
        let threads = Threads { shared: shared.clone(), handles: Mutex::default() };
        threads.spawn("storage-log", move || log.run())?;
        threads.spawn("storage-checkpoint", move || compact::run_checkpoints(checkpoints))?;
        threads.spawn("storage-compaction", move || compact::run_compaction(compaction))?;
        Ok((Storage { shared, threads: Arc::new(threads) }, recovered))
    }

    /// Appends a transaction. Many may be in flight; they are decided in the order of the calls, and `completion` is
    /// called in that order too, once the updates are durable and visible to reads. It is called exactly once, on the
    /// log's thread and never from within this call; it must be quick and must not wait.
    ///
    /// The times of the updates lie between the shard's lower and the append's upper; anything else is a mistake in the
    /// caller, and panics.
    pub fn append(&self, append: Append, completion: impl FnOnce(Result<(), StorageError>) + Send + 'static) {
        for part in &append.shards {
            assert!(part.lower < append.upper, "shard {}: an append must move the upper", part.shard);
            let range = part.lower..append.upper;
            let within = part.updates.times().iter().all(|time| range.contains(time));
            assert!(within, "shard {}: an update's time is outside of its append", part.shard);
        }
        self.submit(Entry::Append(append), Box::new(completion));
    }

    /// [`Storage::append`] for a caller that has nothing else to do, as at boot.
    pub fn append_and_wait(&self, append: Append) -> Result<(), StorageError> {
        let (send, receive) = channel();
        self.append(append, move |outcome| drop(send.send(outcome)));
        receive.recv().expect("invariant: every append is answered")
    }

    /// Makes durable that timestamps before `bound` may be shown: the clock restarts at or above it.
    pub fn reserve(
        &self,
        bound: Timestamp,
        completion: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        self.submit(Entry::Reserve(bound), Box::new(completion));
    }

    /// Removes a shard and its updates, in order with the appends around it. Its id may be used again.
    pub fn drop_shard(
        &self,
        shard: ShardId,
        completion: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        self.submit(Entry::Drop(shard), Box::new(completion));
    }

    /// Completions never run in here: the caller may hold a lock that they take.
    fn submit(&self, entry: Entry, completion: Completion) {
        let size = entry.encoded_len();
        let mut state = self.shared.state();
        if state.phase == Phase::Open {
            state.queue.push_back(Waiting { entry, size, completion });
            drop(state);
            self.shared.arrived.notify_one();
        } else {
            let closed = StorageError::Stopped("the store is closed".into());
            std::thread::spawn(move || completion(Err(closed)));
        }
    }

    /// Where a shard can be read and written; `(0, 0)` for one that was never written.
    pub fn frontiers(&self, shard: ShardId) -> Frontiers {
        self.shared.state().shards.get(&shard).map(|shard| shard.frontiers()).unwrap_or_default()
    }

    /// All shards.
    pub fn shards(&self) -> BTreeMap<ShardId, Frontiers> {
        self.shared.state().shards.iter().map(|(&id, shard)| (id, shard.frontiers())).collect()
    }

    /// The shard's contents at `as_of`: consolidated, every time moved up to `as_of`, in the order of the rows, in
    /// slices of at most 64k rows. An `as_of` at or beyond the shard's upper is answered from what is there: that no
    /// append will come at or before it is then the caller's knowledge.
    pub fn snapshot(&self, shard: ShardId, as_of: Timestamp) -> Result<Snapshot, StorageError> {
        let parts = self.parts_as_of(shard, as_of)?;
        Snapshot::new(shard, parts, as_of)
    }

    /// The shard's updates at times after `after`, with their own times, unconsolidated and in no promised order. `after`
    /// must not be before the shard's since: together with a [`Storage::snapshot`] at `after` they are the whole shard.
    pub fn updates_after(&self, shard: ShardId, after: Timestamp) -> Result<History, StorageError> {
        let parts = self.parts_as_of(shard, after)?;
        Ok(History::new(shard, parts, after))
    }

    fn parts_as_of(&self, shard: ShardId, as_of: Timestamp) -> Result<read::Parts, StorageError> {
        let state = self.shared.state();
        let since = state.shards.get(&shard).map_or(0, |shard| shard.frontiers().since);
        match as_of < since {
            true => Err(StorageError::Compacted { shard, as_of, since }),
            false => Ok(state.parts(shard)),
        }
    }

    /// Lets go of the history before `since`. It never moves back, and takes effect as far as the shard's upper allows:
    /// a shard stays readable right before its upper.
    pub fn allow_compaction(&self, shard: ShardId, since: Timestamp) {
        if let Some(shard) = self.shared.state().shards.get_mut(&shard) {
            shard.allow_compaction(since);
        }
    }

    /// Finishes what was appended, checkpoints, and ends the store's threads. The next opening has nothing to replay. An
    /// error means that this is not so, and the log still has everything that was acknowledged.
    pub fn close(&self) -> Result<(), StorageError> {
        self.threads.end();
        let state = self.shared.state();
        match (&state.stopped, &state.checkpoint_error) {
            (Some(why), _) => Err(StorageError::Stopped(why.clone())),
            (None, Some(why)) => Err(StorageError::Refused(why.clone())),
            (None, None) => Ok(()),
        }
    }
}

/// The store's threads. They hold no [`Storage`], so that it can end them.
struct Threads {
    shared: Arc<Shared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StorageError> {
        let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
        let handle = spawned
            .map_err(|error| StorageError::Unavailable(format!("no thread can be started: {error}")))?;
        self.handles.lock().expect("invariant: no holder of this lock panics").push(handle);
        Ok(())
    }

    fn end(&self) {
        let mut state = self.shared.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.shared.arrived.notify_all();
        self.shared.maintenance.notify_all();
        let mut handles = self.handles.lock().expect("invariant: no holder of this lock panics");
        let own = std::thread::current().id();
        // The last handle may go in a completion, on the log's own thread, which cannot wait for itself.
        if handles.iter().any(|handle| handle.thread().id() == own) {
            return;
        }
        for handle in handles.drain(..) {
            handle.join().expect("invariant: the store's threads do not panic");
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}
