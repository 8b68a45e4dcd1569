//! A SUBSCRIBE's rows, as they come.

use compiler::Error;

use crate::session::{Interrupt, RowSet};

/// The updates of a collection as rows: when, how many, what.
#[derive(Default)]
pub struct Subscription {
    rows: RowSet,
    next: usize,
}

impl Subscription {
    /// The next row that is at hand.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        let row = self.rows.get(self.next)?;
        self.next += 1;
        Some(row)
    }

    /// Whether a row is at hand, without waiting.
    pub fn try_ready(&mut self) -> Result<bool, Error> {
        Ok(self.next < self.rows.len())
    }

    /// Waits until a row is at hand; false when none will come.
    pub async fn ready(&mut self, _interrupt: &Interrupt) -> Result<bool, Error> {
        self.try_ready()
    }
}
