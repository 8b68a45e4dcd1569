//! A published arrangement: what the workers of this process show of one fragment to the threads that read it.
//!
//! ```text
//!      worker 0            worker 1                 any session's thread
//!   compact, publish    compact, publish      hold(t) -> complete(t) -> part(w).. -> read
//!          \                 /                          or: part(w), t from it
//!           [part 0] [part 1]   since <= every hold, since <= upper - 1
//! ```
//!
//! A worker stores a part's contents first and its upper after, so that whoever sees the upper finds the contents. What is
//! read is immutable batches behind `Arc`: reads take no lock and never wait behind maintenance. Contents once loaded
//! answer any time from their since on, without a hold; a hold is for waiting, or for one time over several arrangements.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::command::DataflowId;
use crate::contents::Contents;
use crate::counters::Counters;
use crate::in_use::{Count, Counts, One};
use crate::storage::Timestamp;

/// The upper of what will not change any more.
pub const COMPLETE: Timestamp = Timestamp::MAX;

#[derive(Debug)]
pub struct Published {
    pub dataflow: DataflowId,
    parts: Box<[Part]>,
    holds: Mutex<Holds>,
    reach: watch::Sender<Reach>,
    /// The workers of other processes, in their order after this process's own.
    remote: Box<[Remote]>,
    /// What the operators count that this process's workers keep it up to date with.
    counters: Mutex<Vec<Counters>>,
    held: Count,
    _counted: One,
}

/// How far an arrangement has come, and whether it will come further.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// The least upper over all workers, those of other processes too.
    upper: Timestamp,
    /// Its dataflow was dropped: what is readable stays so, nothing more comes.
    dropped: bool,
}

/// What is known of the part of a worker of another process.
#[derive(Debug, Default)]
struct Remote {
    upper: AtomicU64,
    updates: AtomicUsize,
}

#[derive(Debug)]
struct Part {
    contents: ArcSwap<Contents>,
    upper: AtomicU64,
}

#[derive(Debug, Default)]
struct Holds {
    since: Timestamp,
    held: BTreeMap<Timestamp, usize>,
}

/// Keeps an arrangement readable at a time until it is dropped.
#[derive(Debug)]
pub struct Hold {
    published: Arc<Published>,
    at: Timestamp,
    _counted: One,
}

impl Published {
    pub fn new(dataflow: DataflowId, local: usize, remote: usize, counts: &Counts) -> Published {
        let part =
            |_| Part { contents: ArcSwap::from_pointee(Contents::default()), upper: AtomicU64::new(0) };
        Published {
            dataflow,
            parts: (0..local).map(part).collect(),
            holds: Mutex::default(),
            reach: watch::Sender::default(),
            remote: (0..remote).map(|_| Remote::default()).collect(),
            counters: Mutex::default(),
            held: counts.holds.clone(),
            _counted: counts.arrangements.one(),
        }
    }

    fn counters(&self) -> MutexGuard<'_, Vec<Counters>> {
        self.counters.lock().expect("invariant: nothing panics while it has the counters")
    }

    /// A worker has built it: its operators count from here on.
    pub fn count_with(&self, counters: impl IntoIterator<Item = Counters>) {
        self.counters().extend(counters);
    }

    /// How many rows its reductions have read again in this process, to find what became of their groups.
    pub fn rows_read(&self) -> u64 {
        self.counters().iter().map(Counters::rows_read).sum()
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().expect("invariant: nothing panics while it has the holds")
    }

    /// Keeps the arrangement readable at `at`, unless it has been compacted beyond it.
    pub fn hold(self: &Arc<Self>, at: Timestamp) -> Option<Hold> {
        let mut holds = self.holds();
        if at < holds.since {
            return None;
        }
        *holds.held.entry(at).or_default() += 1;
        Some(Hold { published: self.clone(), at, _counted: self.held.one() })
    }

    /// The time to which a worker whose part is complete before `upper` may compact: `min(holds, upper - 1)`. From
    /// now on no earlier hold is granted.
    pub fn compaction(&self, upper: Timestamp) -> Timestamp {
        let mut holds = self.holds();
        if upper == COMPLETE {
            return holds.since; // It is readable at every time from now on.
        }
        let least = holds.held.keys().next().copied().unwrap_or(Timestamp::MAX);
        let since = least.min(upper.saturating_sub(1));
        holds.since = holds.since.max(since);
        since
    }

    /// Shows a worker's part: its batches where they changed, then its upper.
    pub fn publish(&self, worker: usize, contents: &Arc<Contents>, upper: Timestamp) {
        let part = &self.parts[worker];
        if !Arc::ptr_eq(&part.contents.load(), contents) {
            part.contents.store(contents.clone());
        }
        part.upper.store(upper, Ordering::Release);
        self.announce();
    }

    /// A worker of another process is complete before `upper`; its batches hold so many updates.
    pub fn publish_remote(&self, index: usize, upper: Timestamp, updates: usize) {
        self.remote[index].updates.store(updates, Ordering::Relaxed);
        self.remote[index].upper.store(upper, Ordering::Release);
        self.announce();
    }

    /// How many updates the batches of all workers hold, as far as they have said: at least as many as there are rows.
    pub fn updates(&self) -> usize {
        let local = self.parts.iter().map(|part| part.contents.load().updates());
        let remote = self.remote.iter().map(|part| part.updates.load(Ordering::Relaxed));
        local.chain(remote).sum()
    }

    fn announce(&self) {
        let parts = self.parts.iter().map(|part| part.upper.load(Ordering::Acquire));
        let remote = self.remote.iter().map(|part| part.upper.load(Ordering::Acquire));
        let least = parts.chain(remote).min().unwrap_or(COMPLETE);
        self.reach.send_if_modified(|reach| {
            let grown = least > reach.upper;
            reach.upper = least.max(reach.upper);
            grown
        });
    }

    /// Its dataflow is dropped: whoever waits for more of it waits in vain.
    pub fn drop_dataflow(&self) {
        self.reach.send_modify(|reach| reach.dropped = true);
    }

    /// Every update before it is readable, on every worker.
    pub fn upper(&self) -> Timestamp {
        self.reach.borrow().upper
    }

    /// Waits until every update at or before `at` is readable. False when the arrangement was dropped instead.
    pub async fn complete(&self, at: Timestamp) -> bool {
        let mut reach = self.reach.subscribe();
        let settled = reach.wait_for(|reach| reach.upper > at || reach.dropped).await;
        settled.is_ok_and(|reach| reach.upper > at)
    }

    /// How many workers of this process have a part.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    pub fn has_remote_parts(&self) -> bool {
        !self.remote.is_empty()
    }

    /// The part of a worker and the latest time at which it can be read alone.
    pub fn part(&self, worker: usize) -> (Arc<Contents>, Timestamp) {
        let part = &self.parts[worker];
        // The upper is read first: contents loaded after it have all that is before it.
        let upper = part.upper.load(Ordering::Acquire);
        let contents = part.contents.load_full();
        let upper = upper.max(contents.upper);
        (contents, upper.saturating_sub(1))
    }
}

impl Hold {
    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.published.holds();
        if let Some(count) = holds.held.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                holds.held.remove(&self.at);
            }
        }
    }
}
