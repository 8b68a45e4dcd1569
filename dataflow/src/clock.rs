//! The timestamp oracle: strictly increasing microseconds, from a wall clock that is injected.
//!
//! Two promises. Timestamps never repeat or go back, whatever the wall clock does, within a life and across restarts.
//! And what is shown was durable first: a write's timestamp is made durable by the append that carries it, so it may be
//! taken freely; a timestamp that is shown *without* a write (progress of an idle system) stays below a bound that was
//! made durable ahead of time, and the next life starts above that bound.
//!
//! ```text
//!            last handed out      bound (durable)
//!   ─────────────┼──────────────────────┼──────────▶  microseconds
//!                 next(): anywhere above last; exposed once its append is durable
//!                 advance(): above last, below bound; may be shown at once
//! ```
use crate::storage::{Recovered, Storage, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time of day comes from.
pub trait WallClock: Send + Sync {
    /// Microseconds since the Unix epoch. May stand still or go back.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_micros()).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that stands still until it is set: for tests, and for replays.
#[derive(Clone, Default)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> ManualClock {
        ManualClock { now: Arc::new(now.into()) }
    }

    pub fn set(&self, now: Timestamp) {
        self.now.store(now, Ordering::SeqCst);
    }
}

impl WallClock for ManualClock {
    fn now(&self) -> Timestamp {
        self.now.load(Ordering::SeqCst)
    }
}

/// How far ahead timestamps are reserved. A restart skips what was reserved and not used, so this is also how far a
/// restarted clock can be ahead of the wall.
const BLOCK: Timestamp = 2_000_000;

/// Makes a bound durable and calls back with whether that succeeded.
pub type Reserve = Box<dyn Fn(Timestamp, Box<dyn FnOnce(bool) + Send>) + Send + Sync>;

/// Hands out timestamps. Usable from any thread.
pub struct Oracle {
    wall: Arc<dyn WallClock>,
    last: Mutex<Timestamp>,
    reserve: Reserve,
    reserved: Arc<Reserved>,
}

#[derive(Default)]
struct Reserved {
    /// Timestamps before it may be shown without a write.
    bound: AtomicU64,
    /// A longer reservation is under way.
    extending: AtomicBool,
}

impl Oracle {
    /// Starts above everything that an earlier life used or may have shown: `recovered` is the greater of the greatest
    /// time in storage and the bound that it reserved.
    pub fn new(wall: Arc<dyn WallClock>, recovered: Timestamp, reserve: Reserve) -> Oracle {
        let oracle = Oracle { wall, last: Mutex::new(recovered), reserve, reserved: Arc::default() };
        oracle.extend(recovered.max(oracle.wall.now()));
        oracle
    }

    /// The oracle of a store: what it reserves is kept there.
    pub fn of(storage: &Storage, recovered: &Recovered, wall: Arc<dyn WallClock>) -> Oracle {
        let storage = storage.clone();
        let reserve: Reserve =
            Box::new(move |bound, done| storage.reserve(bound, move |outcome| done(outcome.is_ok())));
        Oracle::new(wall, recovered.greatest.max(recovered.reserved), reserve)
    }

    fn last(&self) -> MutexGuard<'_, Timestamp> {
        self.last.lock().expect("no holder of this lock panics")
    }

    /// A timestamp for a write: later than every one before. Show it to nobody before its append is durable.
    #[allow(clippy::should_implement_trait)] // An oracle is no iterator, and `next` is what it gives.
    pub fn next(&self) -> Timestamp {
        let mut last = self.last();
        *last = (*last + 1).max(self.wall.now());
        self.extend(*last);
        *last
    }

    /// A timestamp that may be shown without a write, later than every one before; none if no time has passed, or if
    /// reserving lags behind: time then stands still rather than pass the bound.
    pub fn advance(&self) -> Option<Timestamp> {
        let mut last = self.last();
        let now = self.wall.now();
        self.extend(now.max(*last));
        let bound = self.reserved.bound.load(Ordering::Acquire);
        let shown = now.min(bound.saturating_sub(1));
        (shown > *last).then(|| {
            *last = shown;
            shown
        })
    }

    /// The time of day, for `now()` and the like; says nothing about order.
    pub fn wall(&self) -> Timestamp {
        self.wall.now()
    }

    /// Reserves further ahead, in the background, when less than half a block is left after `time`.
    fn extend(&self, time: Timestamp) {
        let reserved = &self.reserved;
        if reserved.bound.load(Ordering::Acquire) > time.saturating_add(BLOCK / 2) {
            return;
        }
        if reserved.extending.swap(true, Ordering::AcqRel) {
            return;
        }
        let (bound, reserved) = (time.saturating_add(BLOCK), reserved.clone());
        let done = move |durable: bool| {
            if durable {
                reserved.bound.fetch_max(bound, Ordering::AcqRel);
            }
            reserved.extending.store(false, Ordering::Release);
        };
        (self.reserve)(bound, Box::new(done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Append, Disk, Memory, Options};

    type Waiting = Arc<Mutex<Vec<(Timestamp, Box<dyn FnOnce(bool) + Send>)>>>;

    /// An oracle whose reservations become durable only when the test says so.
    fn oracle(wall: &ManualClock, recovered: Timestamp) -> (Oracle, Waiting) {
        let waiting: Waiting = Arc::default();
        let queue = waiting.clone();
        let reserve: Reserve = Box::new(move |bound, done| queue.lock().expect("test").push((bound, done)));
        (Oracle::new(Arc::new(wall.clone()), recovered, reserve), waiting)
    }

    fn grant(waiting: &Waiting, durable: bool) -> Timestamp {
        let (bound, done) = waiting.lock().expect("test").remove(0);
        done(durable);
        bound
    }

    #[test]
    fn strictly_increasing_whatever_the_wall_does() {
        let wall = ManualClock::at(1_000);
        let (oracle, _) = oracle(&wall, 0);
        assert_eq!(oracle.next(), 1_000);
        assert_eq!(oracle.next(), 1_001);
        wall.set(10);
        assert_eq!(oracle.next(), 1_002);
        wall.set(5_000);
        assert_eq!(oracle.next(), 5_000);
    }

    #[test]
    fn starts_above_what_an_earlier_life_reserved() {
        let (oracle, _) = oracle(&ManualClock::at(1_000), 9_000);
        assert_eq!(oracle.next(), 9_001);
    }

    #[test]
    fn shows_nothing_beyond_the_durable_bound() {
        let wall = ManualClock::at(1_000);
        let (oracle, waiting) = oracle(&wall, 0);
        assert_eq!(oracle.advance(), None, "nothing is reserved yet");
        let bound = grant(&waiting, true);
        assert_eq!(bound, 1_000 + BLOCK);
        assert_eq!(oracle.advance(), Some(1_000));
        assert_eq!(oracle.advance(), None, "no time has passed");
        wall.set(bound + 500);
        assert_eq!(oracle.advance(), Some(bound - 1), "the next block is not durable yet");
        assert_eq!(oracle.advance(), None);
        grant(&waiting, true);
        assert_eq!(oracle.advance(), Some(bound + 500));
        assert_eq!(oracle.next(), bound + 501);
    }

    #[test]
    fn a_failed_reservation_is_tried_again() {
        let wall = ManualClock::at(1_000);
        let (oracle, waiting) = oracle(&wall, 0);
        grant(&waiting, false);
        assert_eq!(oracle.advance(), None);
        grant(&waiting, true);
        assert_eq!(oracle.advance(), Some(1_000));
    }

    #[test]
    fn a_restarted_oracle_is_later_than_anything_shown() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let mut shown = 0;
        for _ in 0..3 {
            let (storage, recovered) =
                Storage::open(disk.clone(), Options::default()).expect("memory does not fail");
            // The wall clock stands still; only the reservations keep the lives apart.
            let oracle = Oracle::of(&storage, &recovered, Arc::new(ManualClock::at(1_000)));
            assert!(oracle.next() > shown);
            storage
                .append_and_wait(Append { upper: 1, shards: vec![] })
                .expect("the reservation is before it");
            shown = oracle.advance().unwrap_or(0).max(oracle.next());
            storage.close().expect("memory does not fail");
        }
    }

    #[test]
    fn reserves_ahead_before_the_block_is_used_up() {
        let wall = ManualClock::at(1_000);
        let (oracle, waiting) = oracle(&wall, 0);
        grant(&waiting, true);
        wall.set(1_000 + BLOCK / 4);
        oracle.advance();
        assert!(waiting.lock().expect("test").is_empty());
        wall.set(1_000 + BLOCK * 3 / 4);
        oracle.advance();
        oracle.advance();
        assert_eq!(waiting.lock().expect("test").len(), 1);
    }
}
