//! Sorting of packed updates, a chunk at a time: the first half of arranging them. [`Ladder`](super::ladder::Ladder) is the second.
//!
//! Rows are not moved to be sorted. A permutation is sorted, each entry with eight bytes of its key at hand, and the rows are
//! copied once, in order. The eight bytes begin where the keys of the chunk begin to differ: packed integers of one
//! magnitude share their first bytes.

use super::{Rows, RowsRef};

/// How many bytes are sorted at a time. Larger runs leave less to merge; they should fit the cache that a core has to itself.
pub(super) const CHUNK_BYTES: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// Collects updates, and gives them back in sorted, consolidated chunks.
#[derive(Default)]
pub(super) struct Chunker {
    pending: Rows,
    order: Vec<(u64, u32)>,
}

impl Chunker {
    /// Takes updates; a chunk once there are enough for one.
    pub(super) fn push(&mut self, rows: RowsRef<'_>) -> Option<Rows> {
        self.pending.extend(rows);
        if self.pending.size() >= CHUNK_BYTES { self.finish() } else { None }
    }

    /// A chunk of what there is; none if nothing is left of it.
    pub(super) fn finish(&mut self) -> Option<Rows> {
        let chunk = sorted(self.pending.borrow(), &mut self.order);
        self.pending.clear();
        (!chunk.is_empty()).then_some(chunk)
    }
}

/// The rows sorted by (key, value, time), equal ones added up, those that cancel left out.
fn sorted(rows: RowsRef<'_>, order: &mut Vec<(u64, u32)>) -> Rows {
    let skip = shared_prefix(rows);
    order.clear();
    order.extend((0..rows.len()).map(|i| (word_at(rows.key(i), skip), i as u32)));
    order.sort_unstable_by(|left, right| {
        left.0.cmp(&right.0).then_with(|| rows.order(left.1 as usize).cmp(&rows.order(right.1 as usize)))
    });
    let mut out = Rows::with_capacity(rows.len(), rows.bytes.len());
    let mut rest = &order[..];
    while let Some((first, _)) = rest.split_first() {
        let leader = first.1 as usize;
        let same =
            |entry: &&(u64, u32)| entry.0 == first.0 && rows.order(entry.1 as usize) == rows.order(leader);
        let run = rest.iter().take_while(same).count();
        let sum = rest[..run].iter().fold(0i64, |sum, entry| sum.wrapping_add(rows.diffs[entry.1 as usize]));
        if sum != 0 {
            let (key, value, time) = rows.order(leader);
            out.push(key, value, time, sum);
        }
        rest = &rest[run..];
    }
    out
}

/// How many leading bytes all keys have in common.
fn shared_prefix(rows: RowsRef<'_>) -> usize {
    if rows.is_empty() {
        return 0;
    }
    let first = rows.key(0);
    let mut shared = first.len();
    for i in 1..rows.len() {
        let key = rows.key(i);
        shared = shared.min(key.len());
        if key[..shared] != first[..shared] {
            shared = key.iter().zip(first).take_while(|(a, b)| a == b).count();
        }
        if shared == 0 {
            break;
        }
    }
    shared
}

/// The eight bytes of the key from `at` on, as a number that orders as they do; missing ones are zero.
#[inline]
fn word_at(key: &[u8], at: usize) -> u64 {
    let tail = &key[at..];
    if let Some((word, _)) = tail.split_first_chunk::<8>() {
        return u64::from_be_bytes(*word);
    }
    let mut word = [0; 8];
    word[..tail.len()].copy_from_slice(tail);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_sorted_and_consolidated() {
        let mut chunker = Chunker::default();
        let updates = [
            ("sharedprefix-b", "y", 2, 1),
            ("sharedprefix-a", "x", 1, 1),
            ("sharedprefix-b", "y", 1, 5),
            ("sharedprefix-a", "x", 1, -1),
            ("sharedprefix-", "zz", 9, 1),
            ("sharedprefix-b", "x", 2, 1),
        ];
        let mut rows = Rows::default();
        updates
            .iter()
            .for_each(|(key, value, time, diff)| rows.push(key.as_bytes(), value.as_bytes(), *time, *diff));
        assert!(chunker.push(rows.borrow()).is_none());
        let chunk = chunker.finish().expect("rows are pending");
        let found: Vec<_> = chunk.borrow().iter().collect();
        let wanted = [
            ("sharedprefix-", "zz", 9, 1),
            ("sharedprefix-b", "x", 2, 1),
            ("sharedprefix-b", "y", 1, 5),
            ("sharedprefix-b", "y", 2, 1),
        ];
        assert_eq!(found, wanted.map(|(key, value, t, d)| (key.as_bytes(), value.as_bytes(), t, d)));
        assert!(chunker.finish().is_none());
    }
}
