//! Several batches read as one: by key, and within a key by value, adding diffs.
//!
//! Cursors of differential do this for any batch; this does it for ours, by position, with searches that start where the last
//! one ended. Readers in operators and readers on sessions' threads share it.

use differential_dataflow::trace::implementations::BatchContainer;
use smallvec::SmallVec;

use super::{BytesContainer, Diff, RowStorage, Timestamp};

/// Positions in the keys of several batches. They only move forward.
#[derive(Clone)]
pub struct Keys<'a> {
    heads: SmallVec<[Head<'a>; 8]>,
}

#[derive(Clone, Copy)]
struct Head<'a> {
    batch: &'a RowStorage,
    key: usize,
}

impl<'a> Head<'a> {
    #[inline]
    fn key(self) -> Option<&'a [u8]> {
        self.batch.storage.keys.get(self.key)
    }
}

impl<'a> Keys<'a> {
    /// At the first key of each batch.
    pub fn new(batches: impl IntoIterator<Item = &'a RowStorage>) -> Keys<'a> {
        Keys { heads: batches.into_iter().map(|batch| Head { batch, key: 0 }).collect() }
    }

    /// The least key that is left.
    pub fn least(&self) -> Option<&'a [u8]> {
        self.heads.iter().filter_map(|head| head.key()).min()
    }

    /// Moves to the first key that is not before `wanted`.
    pub fn seek(&mut self, wanted: &[u8]) {
        for head in &mut self.heads {
            let keys = &head.batch.storage.keys;
            head.key = gallop(keys, head.key, keys.len(), wanted);
        }
    }

    /// Moves behind the last key.
    pub fn seek_end(&mut self) {
        self.heads.iter_mut().for_each(|head| head.key = head.batch.storage.keys.len());
    }

    /// Moves back to the greatest key before where the batches stand.
    pub fn step_back(&mut self) -> Option<&'a [u8]> {
        let before = |head: &Head<'a>| head.batch.storage.keys.get(head.key.checked_sub(1)?);
        let greatest = self.heads.iter().filter_map(before).max()?;
        self.heads.iter_mut().filter(|head| before(head) == Some(greatest)).for_each(|head| head.key -= 1);
        Some(greatest)
    }

    /// The values of `key`, at or before which all batches stand.
    pub fn values(&self, key: &[u8]) -> Values<'a> {
        let found = self.heads.iter().filter(|head| head.key() == Some(key));
        let runs = found.map(|head| {
            let (next, end) = head.batch.storage.vals.bounds(head.key);
            Run { batch: head.batch, next, end }
        });
        Values { runs: runs.collect() }
    }

    /// Moves past `key` where a batch stands at it.
    pub fn step(&mut self, key: &[u8]) {
        self.heads.iter_mut().filter(|head| head.key() == Some(key)).for_each(|head| head.key += 1);
    }

    /// The key at which `batch` stands while no other batch has one that is not greater: a run that needs no merging.
    pub(super) fn alone(&self) -> Option<(usize, Option<&'a [u8]>)> {
        let mut least: Option<(usize, &[u8])> = None;
        let mut next: Option<&'a [u8]> = None;
        for (index, key) in self.heads.iter().enumerate().filter_map(|(i, head)| Some((i, head.key()?))) {
            match least {
                Some((_, best)) if key >= best => next = Some(next.map_or(key, |next| next.min(key))),
                _ => {
                    next = least
                        .replace((index, key))
                        .map(|(_, best)| next.map_or(best, |next| next.min(best)))
                        .or(next)
                }
            }
        }
        let (index, key) = least?;
        (next != Some(key)).then_some((index, next))
    }

    /// The batch at `index`, if it stands at a key before `end`: that key and its values.
    pub(super) fn head(&self, index: usize, end: Option<&[u8]>) -> Option<(&'a [u8], Values<'a>)> {
        let head = self.heads[index];
        let key = head.key().filter(|key| end.is_none_or(|end| *key < end))?;
        let (next, last) = head.batch.storage.vals.bounds(head.key);
        let runs = std::iter::once(Run { batch: head.batch, next, end: last }).collect();
        Some((key, Values { runs }))
    }

    pub(super) fn step_head(&mut self, index: usize) {
        self.heads[index].key += 1;
    }
}

/// The values of one key in several batches, merged in order.
#[derive(Clone)]
pub struct Values<'a> {
    runs: SmallVec<[Run<'a>; 8]>,
}

#[derive(Clone, Copy)]
struct Run<'a> {
    batch: &'a RowStorage,
    next: usize,
    end: usize,
}

impl<'a> Run<'a> {
    #[inline]
    fn value(self) -> Option<&'a [u8]> {
        (self.next < self.end).then(|| self.batch.storage.vals.get_abs(self.next))
    }

    /// How often the value is there at `at`, by this batch.
    #[inline]
    fn sum(self, at: Timestamp) -> Diff {
        let updates = &self.batch.storage.upds;
        let (low, high) = updates.bounds(self.next);
        let counted = (low..high).map(|i| updates.get_abs(i)).filter(|(time, _)| **time <= at);
        counted.fold(0, |sum, (_, diff)| sum.wrapping_add(*diff))
    }
}

impl<'a> Values<'a> {
    /// The next value and how often it is there as of `at`: also if that is 0.
    #[inline]
    pub fn next(&mut self, at: Timestamp) -> Option<(&'a [u8], Diff)> {
        if let [run] = &mut self.runs[..] {
            let value = run.value()?;
            let sum = run.sum(at);
            run.next += 1;
            return Some((value, sum));
        }
        let least = self.least()?;
        let mut sum: Diff = 0;
        for run in &mut self.runs {
            if run.value() == Some(least) {
                sum = sum.wrapping_add(run.sum(at));
                run.next += 1;
            }
        }
        Some((least, sum))
    }

    /// The next value and its updates, in no order.
    pub fn next_updates(&mut self, mut visit: impl FnMut(Timestamp, Diff)) -> Option<&'a [u8]> {
        let least = self.least()?;
        for run in &mut self.runs {
            if run.value() == Some(least) {
                let updates = &run.batch.storage.upds;
                let (low, high) = updates.bounds(run.next);
                (low..high).map(|i| updates.get_abs(i)).for_each(|(time, diff)| visit(*time, *diff));
                run.next += 1;
            }
        }
        Some(least)
    }

    /// The next value, without moving past it.
    #[inline]
    pub fn least(&self) -> Option<&'a [u8]> {
        self.runs.iter().filter_map(|run| run.value()).min()
    }

    /// Moves to the first value that is not before `wanted`.
    pub fn seek(&mut self, wanted: &[u8]) {
        for run in &mut self.runs {
            run.next = gallop(&run.batch.storage.vals.vals, run.next, run.end, wanted);
        }
    }
}

/// The first position from `low` on, below `high`, whose item is not before `wanted`: looked for nearby first.
fn gallop(items: &BytesContainer, mut low: usize, high: usize, wanted: &[u8]) -> usize {
    let mut step = 1;
    while low + step < high && items.index(low + step) < wanted {
        low += step;
        step *= 2;
    }
    items.seek(low, high.min(low + step), wanted)
}
