//! An open loop: operations are due by the clock, whether or not the earlier ones were answered.
//!
//! A latency counts from when its operation was due. A driver that waited for each answer before it took the time would
//! leave out the operations that a stall delays, and so the stall itself.

use std::time::{Duration, Instant};

/// Says when each operation is due: the first now, then one every `interval`.
pub struct Pace {
    next: Instant,
    interval: Duration,
}

impl Pace {
    pub fn per_second(rate: f64) -> Pace {
        Pace { next: Instant::now(), interval: Duration::from_secs_f64(1.0 / rate) }
    }

    /// Sleeps until the next operation is due, if it is not overdue; returns when it was due.
    pub fn wait(&mut self) -> Instant {
        let due = self.next;
        self.next += self.interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    }
}
