//! What operators count of their own work: read by tests, by EXPLAIN ANALYZE and by whoever asks why a view is slow.

use std::cell::Cell;
use std::rc::Rc;

/// A node's counters on one worker. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters(Rc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rows_read: Cell<u64>,
}

impl Counters {
    /// How many values a reduction has read from arrangements to find what became of its groups.
    pub fn rows_read(&self) -> u64 {
        self.0.rows_read.get()
    }

    pub(super) fn add_rows_read(&self, rows: u64) {
        self.0.rows_read.set(self.0.rows_read.get() + rows);
    }
}
