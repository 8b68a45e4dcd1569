//! What the log's thread, the checkpoints, compaction and readers share, under one lock that nobody holds for long:
//! never while writing, syncing, sorting or reading files.
use super::disk::Disk;
use super::log::{Entry, Waiting};
use super::manifest::{Manifest, ShardState};
use super::read::Parts;
use super::run::Run;
use super::segment::{Failure, Spare};
use super::{Frontiers, Options, ShardId, Timestamp, Updates};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) store: u64,
    pub(super) options: Options,
    state: Mutex<State>,
    /// There is something for the log's thread to do.
    pub(super) arrived: Condvar,
    /// There is something for the checkpoints or compaction to do, or they did something that the log waits for.
    pub(super) maintenance: Condvar,
    /// The durable manifest. Locked while the next one is written; before the state where both are.
    pub(super) manifest: Mutex<Manifest>,
    pub(super) next_run: AtomicU64,
    next_spare: AtomicU64,
}

pub(super) struct State {
    pub(super) queue: VecDeque<Waiting>,
    pub(super) shards: BTreeMap<ShardId, Shard>,
    /// Full segments that are not in runs yet, oldest first.
    pub(super) sealed: Vec<Arc<Sealed>>,
    /// From the oldest updates to the newest.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) reserved: Timestamp,
    pub(super) phase: Phase,
    /// There is a segment to write to.
    pub(super) live: bool,
    /// Why nothing can be written any more.
    pub(super) stopped: Option<String>,
    /// Why the last checkpoint did not succeed; it is tried again.
    pub(super) checkpoint_error: Option<String>,
    /// Space for the next segment, and how much is wanted if there is none.
    pub(super) spare: Option<Spare>,
    pub(super) spare_wanted: Option<usize>,
    /// The log is idle: what it holds shall be sealed, although it is not full.
    pub(super) seal_wanted: bool,
    /// The bytes in the segment that is written to, and since when they have not grown.
    pub(super) log_bytes: usize,
    pub(super) idle_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No more appends; the log's thread finishes those it has.
    Closing,
    /// The log's thread has ended; a last checkpoint follows.
    LogEnded,
}

#[derive(Default)]
pub(super) struct Shard {
    born: u64,
    /// What callers allow; it takes effect up to the upper.
    allowed: Timestamp,
    upper: Timestamp,
    tail: Tail,
}

/// A sealed segment, and the store as of its last record.
pub(super) struct Sealed {
    pub(super) number: u64,
    pub(super) size: usize,
    pub(super) last: u64,
    pub(super) reserved: Timestamp,
    pub(super) shards: BTreeMap<ShardId, ShardState>,
    pub(super) blocks: BTreeMap<ShardId, Vec<Arc<Updates>>>,
}

/// A shard's updates that are only in the segment being written.
#[derive(Default)]
struct Tail {
    blocks: Vec<Arc<Updates>>,
}

impl Tail {
    /// Small blocks are copied together up to so many bytes.
    const SMALL: usize = 64 << 10;

    /// Adds a transaction's updates. A hundred thousand small transactions must not become a list of as many blocks, which
    /// every reader would copy.
    fn push(&mut self, updates: Arc<Updates>) {
        let footprint = |updates: &Updates| updates.row_bytes() + 24 * updates.len();
        match self.blocks.last_mut() {
            Some(last) if footprint(last) + footprint(&updates) <= Self::SMALL => {
                Arc::make_mut(last).extend(&updates);
            }
            _ if updates.is_empty() => {}
            _ => self.blocks.push(updates),
        }
    }
}

impl Shard {
    pub(super) fn recovered(state: ShardState) -> Shard {
        let Frontiers { since, upper } = state.frontiers;
        Shard { born: state.born, allowed: since, upper, tail: Tail::default() }
    }

    pub(super) fn frontiers(&self) -> Frontiers {
        Frontiers { since: self.since_at(self.upper), upper: self.upper }
    }

    /// The latest time that it can be read at or was compacted to.
    pub(super) fn greatest(&self) -> Timestamp {
        self.allowed.max(self.upper.saturating_sub(1))
    }

    /// The since as of when the upper was this: some time must be left to be read.
    fn since_at(&self, upper: Timestamp) -> Timestamp {
        self.allowed.min(upper.saturating_sub(1))
    }

    pub(super) fn allow_compaction(&mut self, since: Timestamp) {
        self.allowed = self.allowed.max(since);
    }
}

impl State {
    pub(super) fn new(manifest: &Manifest, runs: Vec<Arc<Run>>) -> State {
        let shards = manifest.shards.iter().map(|(&shard, &state)| (shard, Shard::recovered(state)));
        State {
            queue: VecDeque::new(),
            shards: shards.collect(),
            sealed: Vec::new(),
            runs,
            reserved: manifest.reserved,
            phase: Phase::Open,
            live: false,
            stopped: None,
            checkpoint_error: None,
            spare: None,
            spare_wanted: None,
            seal_wanted: false,
            log_bytes: 0,
            idle_since: Instant::now(),
        }
    }

    pub(super) fn upper(&self, shard: ShardId) -> Timestamp {
        self.shards.get(&shard).map_or(0, |shard| shard.upper)
    }

    /// Makes a durable entry of the log visible.
    pub(super) fn apply(&mut self, sequence: u64, entry: &Entry) {
        match entry {
            Entry::Append(append) => {
                for part in &append.shards {
                    let born = || Shard { born: sequence, ..Shard::default() };
                    let shard = self.shards.entry(part.shard).or_insert_with(born);
                    shard.upper = append.upper;
                    shard.tail.push(part.updates.clone());
                }
            }
            Entry::Reserve(bound) => self.reserved = self.reserved.max(*bound),
            Entry::Drop(shard) => {
                self.shards.remove(shard);
            }
        }
    }

    /// Puts aside what the segment that ends with record `last` holds, for a checkpoint to write out.
    pub(super) fn seal(&mut self, number: u64, size: usize, last: u64) {
        let mut sealed = Sealed {
            number,
            size,
            last,
            reserved: self.reserved,
            shards: BTreeMap::new(),
            blocks: BTreeMap::new(),
        };
        for (&id, shard) in &mut self.shards {
            sealed.shards.insert(id, ShardState { born: shard.born, frontiers: shard.frontiers() });
            let blocks = std::mem::take(&mut shard.tail).blocks;
            if !blocks.is_empty() {
                sealed.blocks.insert(id, blocks);
            }
        }
        self.sealed.push(Arc::new(sealed));
        self.seal_wanted = false;
        self.log_bytes = 0;
    }

    /// What a shard consists of now.
    pub(super) fn parts(&self, id: ShardId) -> Parts {
        let Some(shard) = self.shards.get(&id) else { return Parts::default() };
        let runs = self.runs.iter().filter(|run| run.place.last >= shard.born && !run.extents(id).is_empty());
        let sealed = self.sealed.iter().filter(|sealed| sealed.last >= shard.born);
        let sealed = sealed.filter_map(|sealed| sealed.blocks.get(&id)).flatten();
        let blocks = sealed.chain(&shard.tail.blocks).cloned().collect();
        Parts { runs: runs.cloned().collect(), blocks }
    }

    /// Whether a shard exists that came into being by log record `born`.
    pub(super) fn lives(&self, id: ShardId, born: u64) -> bool {
        self.shards.get(&id).is_some_and(|shard| shard.born == born)
    }

    /// Whether what a run holds under this id belongs to a shard that exists.
    pub(super) fn owns(&self, id: ShardId, run: &Run) -> bool {
        self.shards.get(&id).is_some_and(|shard| shard.born <= run.place.last)
    }

    /// How far a shard that is the one described may be compacted, if its upper is the one described.
    pub(super) fn since_for(&self, id: ShardId, described: &ShardState) -> Timestamp {
        let present = self.shards.get(&id).filter(|shard| shard.born == described.born);
        let allowed = present.map_or(0, |shard| shard.since_at(described.frontiers.upper));
        allowed.max(described.frontiers.since)
    }
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, options: Options, manifest: Manifest, state: State) -> Shared {
        Shared {
            disk,
            store: manifest.store,
            options,
            state: Mutex::new(state),
            arrived: Condvar::new(),
            maintenance: Condvar::new(),
            next_run: AtomicU64::new(manifest.next_run),
            next_spare: AtomicU64::new(0),
            manifest: Mutex::new(manifest),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock panics")
    }

    pub(super) fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        condition.wait(state).expect("invariant: no holder of this lock panics")
    }

    /// A number that no other spare of this life has.
    pub(super) fn new_spare(&self) -> u64 {
        self.next_spare.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits; true if the time ran out.
    pub(super) fn wait_for<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        time: std::time::Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        let (state, waited) =
            condition.wait_timeout(state, time).expect("invariant: no holder of this lock panics");
        (state, waited.timed_out())
    }

    /// Nothing may be written from now on. The first reason is the one that is told.
    pub(super) fn stop(&self, why: String) {
        tracing::error!("storage stops: {why}");
        self.state().stopped.get_or_insert(why);
        self.arrived.notify_all();
        self.maintenance.notify_all();
    }

    /// Stops if the failure is one after which the disk cannot be trusted.
    pub(super) fn stop_if_unknown(&self, failure: &Failure) {
        if let Failure::Stop(error) = failure {
            self.stop(format!("the data directory could not be made durable: {error}"));
        }
    }
}
