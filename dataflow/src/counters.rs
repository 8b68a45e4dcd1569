//! What operators count of their own work: what a change costs is counted in rows, not timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A node's counters on one worker, which alone adds to them; any thread may read them. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rows_read: AtomicU64,
}

impl Counters {
    /// How many values a reduction has read from arrangements to find what became of its groups.
    pub fn rows_read(&self) -> u64 {
        self.0.rows_read.load(Ordering::Relaxed)
    }

    pub(crate) fn add_rows_read(&self, rows: u64) {
        self.0.rows_read.fetch_add(rows, Ordering::Relaxed);
    }
}
