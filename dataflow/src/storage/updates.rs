//! Updates: rows side by side with their times and diffs. The one form in which changes of a shard travel: a transaction
//! hands them to the log, the log keeps them in memory, reads return them, and whoever needs them shares them by `Arc`.
//!
//! Rows are opaque bytes here. Four columns and no allocation per row: a million updates are four allocations, and
//! dropping them is four frees.
use std::ops::Range;

/// Microseconds since the Unix epoch, strictly increasing (see [`crate::clock`]).
pub type Timestamp = u64;

/// How many copies of a row an update adds (positive) or takes away (negative).
pub type Diff = i64;

/// Packed updates `(row, time, diff)`, in the order in which they were pushed until [`Updates::consolidate`] sorts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    bytes: Vec<u8>,
    /// Where each row ends in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
    times: Vec<Timestamp>,
    diffs: Vec<Diff>,
}

/// One borrowed update.
pub type Update<'a> = (&'a [u8], Timestamp, Diff);

impl Updates {
    pub fn new() -> Updates {
        Updates::default()
    }

    /// Empty, with room for `rows` rows of `bytes` bytes together.
    pub fn with_capacity(rows: usize, bytes: usize) -> Updates {
        Updates {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            diffs: Vec::with_capacity(rows),
        }
    }

    pub fn push(&mut self, row: &[u8], time: Timestamp, diff: Diff) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
        self.times.push(time);
        self.diffs.push(diff);
    }

    /// Appends all of `other`: four copies, whatever the number of rows.
    pub fn extend(&mut self, other: &Updates) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| base + end));
        self.times.extend_from_slice(&other.times);
        self.diffs.extend_from_slice(&other.diffs);
    }

    /// Moves every update to one time: the timestamp that its transaction was given.
    pub fn set_times(&mut self, time: Timestamp) {
        self.times.fill(time);
    }

    /// The number of updates.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all rows together.
    pub fn row_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn span(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        start..self.ends[index]
    }

    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.span(index)]
    }

    pub fn get(&self, index: usize) -> Update<'_> {
        (self.row(index), self.times[index], self.diffs[index])
    }

    /// Reads the beginnings of these rows side by side, so that they are in the cache when the rows are visited one after the
    /// other. Often a row's first bytes are all that is read of it: then each visit would wait for memory by itself.
    pub fn touch(&self, range: Range<usize>) {
        let first = range.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let starts = std::iter::once(&first).chain(&self.ends[range.start..range.end - 1]);
        let read = starts.filter_map(|start| self.bytes.get(*start)).fold(0, |all, byte| all ^ byte);
        std::hint::black_box(read);
    }

    /// All rows, one after the other.
    pub(super) fn all_rows(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts columns together; `ends` are the ends of rows in `bytes`, in order, the last one its length.
    pub(super) fn from_columns(
        bytes: Vec<u8>,
        ends: Vec<usize>,
        times: Vec<Timestamp>,
        diffs: Vec<Diff>,
    ) -> Updates {
        debug_assert!(ends.last().copied().unwrap_or(0) == bytes.len());
        debug_assert!(ends.len() == times.len() && ends.len() == diffs.len());
        Updates { bytes, ends, times, diffs }
    }

    /// Keeps the first so many updates.
    pub fn truncate(&mut self, updates: usize) {
        self.ends.truncate(updates);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.times.truncate(updates);
        self.diffs.truncate(updates);
    }

    /// Removes the last update.
    pub(super) fn pop(&mut self) {
        self.truncate(self.len().saturating_sub(1));
    }

    /// Adds to the diff of the last update, which is there. Wrapping, so that the order of additions never matters.
    pub(super) fn add_to_last(&mut self, diff: Diff) {
        let last = self.diffs.last_mut().expect("invariant: called after a push");
        *last = last.wrapping_add(diff);
    }

    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    pub fn diffs(&self) -> &[Diff] {
        &self.diffs
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Update<'_>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Sorts by (row, time), adds the diffs of equals, and drops what cancels.
    pub fn consolidate(&mut self) {
        self.advance_to(0);
    }

    /// Consolidates with times before `since` moved up to it: every read at or after `since` stays what it was.
    pub fn advance_to(&mut self, since: Timestamp) {
        let mut sorted: Vec<Update<'_>> =
            self.iter().map(|(row, time, diff)| (row, time.max(since), diff)).collect();
        consolidate(&mut sorted);
        let mut kept = Updates::with_capacity(sorted.len(), sorted.iter().map(|update| update.0.len()).sum());
        sorted.into_iter().for_each(|(row, time, diff)| kept.push(row, time, diff));
        *self = kept;
    }
}

impl<'a> FromIterator<Update<'a>> for Updates {
    fn from_iter<I: IntoIterator<Item = Update<'a>>>(updates: I) -> Updates {
        let mut packed = Updates::new();
        updates.into_iter().for_each(|(row, time, diff)| packed.push(row, time, diff));
        packed
    }
}

/// Sorts borrowed updates by (row, time), adds the diffs of equals, and drops what cancels.
pub fn consolidate(updates: &mut Vec<Update<'_>>) {
    updates.sort_unstable();
    let mut kept = 0;
    for read in 0..updates.len() {
        let update = updates[read];
        if kept > 0 && updates[kept - 1].0 == update.0 && updates[kept - 1].1 == update.1 {
            // Wrapping, so that the order in which diffs are added never matters.
            updates[kept - 1].2 = updates[kept - 1].2.wrapping_add(update.2);
            continue;
        }
        if kept > 0 && updates[kept - 1].2 == 0 {
            kept -= 1;
        }
        updates[kept] = update;
        kept += 1;
    }
    if kept > 0 && updates[kept - 1].2 == 0 {
        kept -= 1;
    }
    updates.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consolidation_sums_equals_and_drops_what_cancels() {
        let mut updates: Updates =
            [(&b"b"[..], 2, 1), (b"a", 1, 1), (b"b", 2, -1), (b"a", 1, 2), (b"", 3, 1), (b"c", 9, 0)]
                .into_iter()
                .collect();
        updates.consolidate();
        assert_eq!(updates.iter().collect::<Vec<_>>(), vec![(&b""[..], 3, 1), (b"a", 1, 3)]);
    }

    #[test]
    fn truncating_keeps_the_first() {
        let all: Updates = [(&b"one"[..], 1, 1), (b"", 2, -1), (b"three", 3, 1)].into_iter().collect();
        for kept in 0..4 {
            let mut updates = all.clone();
            updates.truncate(kept);
            assert_eq!(updates, all.iter().take(kept).collect());
        }
    }

    #[test]
    fn advancing_keeps_what_a_later_read_sees() {
        let mut updates: Updates = [(&b"a"[..], 1, 1), (b"a", 5, -1), (b"a", 9, 1)].into_iter().collect();
        updates.advance_to(6);
        assert_eq!(updates.iter().collect::<Vec<_>>(), vec![(&b"a"[..], 9, 1)]);
    }

    #[test]
    fn extending_appends_in_order() {
        let mut left: Updates = [(&b"one"[..], 1, 1)].into_iter().collect();
        let right: Updates = [(&b""[..], 2, 1), (b"two", 3, -1)].into_iter().collect();
        left.extend(&right);
        assert_eq!(left.iter().collect::<Vec<_>>(), vec![(&b"one"[..], 1, 1), (b"", 2, 1), (b"two", 3, -1)]);
        assert_eq!((left.len(), left.row_bytes()), (3, 6));
    }
}
