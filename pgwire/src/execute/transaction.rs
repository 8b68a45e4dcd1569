//! What a transaction has done so far.

/// A transaction's time, and its changes until they are committed.
#[derive(Default)]
pub struct Transaction {
    now: i64,
}

impl Transaction {
    /// When it began, in microseconds since 2000-01-01 00:00 UTC: what `now()` says.
    pub fn now(&self) -> i64 {
        self.now
    }
}
