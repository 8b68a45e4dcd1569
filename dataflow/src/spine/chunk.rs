//! Sorting and merging of packed updates: the two halves of the merge batcher.
//!
//! Rows are not moved to be sorted. A permutation is sorted, each entry with eight bytes of its key at hand, and the rows are
//! copied once, in order. The eight bytes begin where the keys of the chunk begin to differ: packed integers of one
//! magnitude share their first bytes.

use std::cmp::Ordering;
use std::collections::VecDeque;

use differential_dataflow::batcher::merge::{Extractor, Merger};
use timely::container::{ContainerBuilder, PushInto};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use super::{Rows, RowsRef, Timestamp};

/// How many bytes are sorted at a time. Larger runs leave less to merge; they should fit the cache that a core has to itself.
const CHUNK_BYTES: usize = 1 << 20;

/// Empty containers kept for reuse while merging.
const SPARES: usize = 4;

/// Collects updates, and gives them back in sorted, consolidated chunks.
#[derive(Default)]
pub struct RowChunker {
    pending: Rows,
    ready: VecDeque<Rows>,
    given: Rows,
    order: Vec<(u64, u32)>,
}

impl RowChunker {
    fn form(&mut self) {
        let chunk = sorted(self.pending.borrow(), &mut self.order);
        self.pending.clear();
        if !chunk.is_empty() {
            self.ready.push_back(chunk);
        }
    }
}

impl PushInto<&mut Rows> for RowChunker {
    fn push_into(&mut self, rows: &mut Rows) {
        self.pending.extend(rows.borrow());
        if self.pending.size() >= CHUNK_BYTES {
            self.form();
        }
    }
}

impl ContainerBuilder for RowChunker {
    type Container = Rows;

    fn extract(&mut self) -> Option<&mut Rows> {
        self.given = self.ready.pop_front()?;
        Some(&mut self.given)
    }

    fn finish(&mut self) -> Option<&mut Rows> {
        if !self.pending.is_empty() {
            self.form();
        }
        self.extract()
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

/// Merges sorted chains of chunks, and takes from them what a frontier has passed.
#[derive(Default)]
pub struct RowMerger;

/// A chain of sorted chunks being consumed.
struct Chain {
    chunks: std::vec::IntoIter<Rows>,
    chunk: Option<Rows>,
    next: usize,
}

impl Chain {
    fn new(chunks: Vec<Rows>) -> Chain {
        let mut chunks = chunks.into_iter();
        Chain { chunk: chunks.next(), chunks, next: 0 }
    }

    /// Goes on to the next chunk if this one is used up.
    fn refill(&mut self, spares: &mut Vec<Rows>) {
        let Some(chunk) = &self.chunk else { return };
        if self.next < chunk.len() {
            return;
        }
        let used = std::mem::replace(&mut self.chunk, self.chunks.next());
        self.next = 0;
        if let Some(mut used) = used
            && spares.len() < SPARES
        {
            used.clear();
            spares.push(used);
        }
    }
}

/// Chunks being filled.
struct Output<'a> {
    chunk: Rows,
    chunks: &'a mut Vec<Rows>,
    spares: &'a mut Vec<Rows>,
}

impl<'a> Output<'a> {
    fn new(chunks: &'a mut Vec<Rows>, spares: &'a mut Vec<Rows>) -> Output<'a> {
        Output { chunk: spares.pop().unwrap_or_default(), chunks, spares }
    }

    #[inline]
    fn push(&mut self, (key, value, time): (&[u8], &[u8], Timestamp), diff: i64) {
        self.chunk.push(key, value, time, diff);
        if self.chunk.size() >= CHUNK_BYTES {
            let empty = self.spares.pop().unwrap_or_default();
            self.chunks.push(std::mem::replace(&mut self.chunk, empty));
        }
    }

    fn finish(self) {
        if !self.chunk.is_empty() {
            self.chunks.push(self.chunk);
        }
    }
}

/// Merges two chunks from where they stand until one is used up.
fn merge_chunks(left: RowsRef<'_>, i: &mut usize, right: RowsRef<'_>, j: &mut usize, out: &mut Output<'_>) {
    while *i < left.len() && *j < right.len() {
        let (a, b) = (left.order(*i), right.order(*j));
        match a.cmp(&b) {
            Ordering::Less => {
                out.push(a, left.diffs[*i]);
                *i += 1;
            }
            Ordering::Greater => {
                out.push(b, right.diffs[*j]);
                *j += 1;
            }
            Ordering::Equal => {
                let sum = left.diffs[*i].wrapping_add(right.diffs[*j]);
                if sum != 0 {
                    out.push(a, sum);
                }
                *i += 1;
                *j += 1;
            }
        }
    }
}

impl Merger for RowMerger {
    type Chunk = Rows;

    fn merge(&mut self, left: Vec<Rows>, right: Vec<Rows>, output: &mut Vec<Rows>, stash: &mut Vec<Rows>) {
        let (mut left, mut right) = (Chain::new(left), Chain::new(right));
        let mut out = Output::new(output, stash);
        while let (Some(a), Some(b)) = (&left.chunk, &right.chunk) {
            merge_chunks(a.borrow(), &mut left.next, b.borrow(), &mut right.next, &mut out);
            left.refill(out.spares);
            right.refill(out.spares);
        }
        for chain in [&mut left, &mut right] {
            let Some(chunk) = chain.chunk.take() else { continue };
            let rows = chunk.borrow();
            for i in chain.next..rows.len() {
                out.push(rows.order(i), rows.diffs[i]);
            }
        }
        out.finish();
        output.extend(left.chunks);
        output.extend(right.chunks);
    }

    fn len(chunk: &Rows) -> usize {
        chunk.len()
    }

    fn allocation(chunk: &Rows) -> (usize, usize, usize) {
        (chunk.size(), chunk.capacity(), 5)
    }
}

impl Extractor for RowMerger {
    type Time = Timestamp;

    fn extract(
        &mut self,
        merged: Vec<Rows>,
        upper: AntichainRef<Timestamp>,
        frontier: &mut Antichain<Timestamp>,
        readied: &mut Vec<Rows>,
        kept: &mut Vec<Rows>,
        stash: &mut Vec<Rows>,
    ) {
        if merged.iter().all(|chunk| chunk.borrow().times.iter().all(|time| !upper.less_equal(time))) {
            readied.extend(merged);
            return;
        }
        let mut spares = std::mem::take(stash);
        let mut more = Vec::new();
        let (mut ready, mut later) = (Output::new(readied, &mut spares), Output::new(kept, &mut more));
        for chunk in &merged {
            let rows = chunk.borrow();
            for i in 0..rows.len() {
                let update = rows.order(i);
                if upper.less_equal(&update.2) {
                    frontier.insert(update.2);
                    later.push(update, rows.diffs[i]);
                } else {
                    ready.push(update, rows.diffs[i]);
                }
            }
        }
        ready.finish();
        later.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(updates: &[(&str, &str, u64, i64)]) -> Rows {
        let mut rows = Rows::default();
        updates
            .iter()
            .for_each(|(key, value, time, diff)| rows.push(key.as_bytes(), value.as_bytes(), *time, *diff));
        rows
    }

    fn list(chunks: &[Rows]) -> Vec<(String, String, u64, i64)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("test rows are text");
        chunks
            .iter()
            .flat_map(|chunk| {
                chunk.borrow().iter().map(|(k, v, t, d)| (text(k), text(v), t, d)).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn chunks_are_sorted_and_consolidated() {
        let mut chunker = RowChunker::default();
        chunker.push_into(&mut rows(&[
            ("sharedprefix-b", "y", 2, 1),
            ("sharedprefix-a", "x", 1, 1),
            ("sharedprefix-b", "y", 1, 5),
            ("sharedprefix-a", "x", 1, -1),
            ("sharedprefix-", "zz", 9, 1),
            ("sharedprefix-b", "x", 2, 1),
        ]));
        assert!(chunker.extract().is_none());
        let chunk = std::mem::take(chunker.finish().expect("rows are pending"));
        let row = |k: &str, v: &str, t, d| (k.to_string(), v.to_string(), t, d);
        assert_eq!(
            list(&[chunk]),
            vec![
                row("sharedprefix-", "zz", 9, 1),
                row("sharedprefix-b", "x", 2, 1),
                row("sharedprefix-b", "y", 1, 5),
                row("sharedprefix-b", "y", 2, 1)
            ]
        );
        assert!(chunker.finish().is_none());
    }

    #[test]
    fn merging_cancels_across_chains() {
        let left = vec![rows(&[("a", "", 1, 1), ("b", "", 1, 1)]), rows(&[("d", "", 1, 1)])];
        let right = vec![rows(&[("b", "", 1, -1), ("c", "", 1, 1), ("d", "", 2, 1), ("e", "", 1, 1)])];
        let (mut out, mut stash) = (Vec::new(), Vec::new());
        RowMerger.merge(left, right, &mut out, &mut stash);
        let keys: Vec<_> = list(&out).into_iter().map(|(k, _, t, _)| (k, t)).collect();
        let want = [("a", 1), ("c", 1), ("d", 1), ("d", 2), ("e", 1)];
        assert_eq!(keys, want.map(|(k, t)| (k.to_string(), t)));
    }

    #[test]
    fn extraction_splits_by_time_and_reports_the_rest() {
        let merged =
            vec![rows(&[("a", "", 1, 1), ("a", "", 7, 1), ("b", "", 3, 1)]), rows(&[("c", "", 5, 1)])];
        let (mut frontier, mut ready, mut kept) = (Antichain::new(), Vec::new(), Vec::new());
        RowMerger.extract(
            merged,
            AntichainRef::new(&[5]),
            &mut frontier,
            &mut ready,
            &mut kept,
            &mut Vec::new(),
        );
        assert_eq!(list(&ready).len(), 2);
        assert_eq!(list(&kept).iter().map(|row| row.2).collect::<Vec<_>>(), vec![7, 5]);
        assert_eq!(frontier, Antichain::from_elem(5));
    }
}
