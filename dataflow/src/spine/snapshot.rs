//! Reading an arrangement from any thread: a worker's batches at one moment.
//!
//! A snapshot answers every time from `since` to below `upper`, for ever and without a hold: its batches do not change. What
//! remains of several batches is merged by value while reading, adding the diffs at times not after the reader's.
//!
//! A batch may hold times before the `since` that its description claims (one merged with an empty span is not rewritten),
//! so each time is compared; descriptions are not trusted.

use std::fmt;
use std::ops::ControlFlow;

use differential_dataflow::trace::TraceReader;
use differential_dataflow::trace::implementations::BatchContainer;
use smallvec::SmallVec;
use timely::progress::Antichain;

use super::{Diff, RowBatch, RowStorage, Timestamp};

/// One worker's part of an arrangement at one moment.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub batches: Vec<RowBatch>,
    pub since: Timestamp,
    pub upper: Timestamp,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let updates: Vec<usize> = self.batches.iter().map(|batch| batch.0.updates).collect();
        f.debug_struct("Snapshot")
            .field("updates", &updates)
            .field("since", &self.since)
            .field("upper", &self.upper)
            .finish()
    }
}

/// A key of one batch.
#[derive(Clone, Copy)]
struct Head<'a> {
    batch: &'a RowStorage,
    key: usize,
}

impl<'a> Head<'a> {
    /// The batch's first key that is not before `key`.
    fn seek(batch: &'a RowBatch, key: &[u8]) -> Head<'a> {
        let batch = &*batch.0;
        Head { batch, key: batch.storage.keys.seek(0, batch.storage.keys.len(), key) }
    }

    #[inline]
    fn key(self) -> Option<&'a [u8]> {
        self.batch.storage.keys.get(self.key)
    }

    #[inline]
    fn values(self) -> (usize, usize) {
        self.batch.storage.vals.bounds(self.key)
    }

    #[inline]
    fn value(self, index: usize) -> &'a [u8] {
        self.batch.storage.vals.get_abs(index)
    }

    /// How often the value is there at `at`, by this batch.
    #[inline]
    fn sum(self, value: usize, at: Timestamp) -> Diff {
        let updates = &self.batch.storage.upds;
        let (low, high) = updates.bounds(value);
        let counted = (low..high).map(|i| updates.get_abs(i)).filter(|(time, _)| **time <= at);
        counted.fold(0, |sum, (_, diff)| sum.wrapping_add(*diff))
    }
}

type Visit<'v, 'a> = &'v mut dyn FnMut(&'a [u8], &'a [u8], Diff) -> ControlFlow<()>;

/// The rows of one key as of `at`, in value order. All heads stand at that key.
fn rows<'a>(key: &'a [u8], heads: &[Head<'a>], at: Timestamp, visit: Visit<'_, 'a>) -> ControlFlow<()> {
    if let [head] = heads {
        let (low, high) = head.values();
        for value in low..high {
            let sum = head.sum(value, at);
            if sum != 0 {
                visit(key, head.value(value), sum)?;
            }
        }
        return ControlFlow::Continue(());
    }
    let mut ranges: SmallVec<[(usize, usize); 8]> = heads.iter().map(|head| head.values()).collect();
    loop {
        let open = heads.iter().zip(&ranges).filter(|(_, range)| range.0 < range.1);
        let Some(least) = open.map(|(head, range)| head.value(range.0)).min() else {
            return ControlFlow::Continue(());
        };
        let mut sum: Diff = 0;
        for (head, range) in heads.iter().zip(&mut ranges) {
            if range.0 < range.1 && head.value(range.0) == least {
                sum = sum.wrapping_add(head.sum(range.0, at));
                range.0 += 1;
            }
        }
        if sum != 0 {
            visit(key, least, sum)?;
        }
    }
}

impl Snapshot {
    /// What the trace holds now; nothing if it is closed.
    pub fn of(trace: &mut impl TraceReader<Time = Timestamp, Batch = RowBatch>) -> Option<Snapshot> {
        let upper = upper(trace)?;
        let since = trace.get_logical_compaction().first().copied()?;
        let mut batches = Vec::new();
        trace.map_spans(|span| batches.extend(span.inner.clone()));
        Some(Snapshot { batches, since, upper })
    }

    /// Whether the trace still holds exactly these batches: cheaper to ask than to take another snapshot.
    pub fn is_current(&self, trace: &impl TraceReader<Time = Timestamp, Batch = RowBatch>) -> bool {
        let (mut index, mut same) = (0, true);
        trace.map_spans(|span| {
            if let Some(batch) = &span.inner {
                let known = self.batches.get(index);
                same &= known.is_some_and(|known| std::sync::Arc::ptr_eq(&known.0, &batch.0));
                index += 1;
            }
        });
        same && index == self.batches.len()
    }

    /// How many updates the batches hold; at least as many as there are rows at any time.
    pub fn updates(&self) -> usize {
        self.batches.iter().map(|batch| batch.0.updates).sum()
    }

    /// Bytes of memory that the batches take.
    pub fn heap_size(&self) -> usize {
        self.batches.iter().map(|batch| batch.heap_size()).sum()
    }

    /// The values of `key` as of `at`, in order, each with its multiplicity.
    pub fn lookup<'a>(&'a self, key: &[u8], at: Timestamp, mut visit: impl FnMut(&'a [u8], Diff)) {
        debug_assert!(self.since <= at, "read at {at} of what begins at {}", self.since);
        let heads: SmallVec<[Head<'a>; 8]> = self
            .batches
            .iter()
            .map(|batch| Head::seek(batch, key))
            .filter(|head| head.key() == Some(key))
            .collect();
        let Some(found) = heads.first().and_then(|head| head.key()) else { return };
        let _ = rows(found, &heads, at, &mut |_, value, diff| {
            visit(value, diff);
            ControlFlow::Continue(())
        });
    }

    /// All rows from the key `from` on as of `at`, in order of keys, then values, until `visit` breaks.
    pub fn scan<'a>(
        &'a self,
        from: &[u8],
        at: Timestamp,
        mut visit: impl FnMut(&'a [u8], &'a [u8], Diff) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        debug_assert!(self.since <= at, "read at {at} of what begins at {}", self.since);
        let mut heads: Vec<Head<'a>> = self
            .batches
            .iter()
            .map(|batch| Head::seek(batch, from))
            .filter(|head| head.key().is_some())
            .collect();
        while !heads.is_empty() {
            heads.sort_by_key(|head| head.key()); // Few, and nearly sorted.
            scan_least(&mut heads, at, &mut visit)?;
            heads.retain(|head| head.key().is_some());
        }
        ControlFlow::Continue(())
    }

    /// The rows whose key begins with these bytes: with a packed row of leading key columns, those with their values.
    pub fn scan_prefix<'a>(
        &'a self,
        prefix: &[u8],
        at: Timestamp,
        mut visit: impl FnMut(&'a [u8], &'a [u8], Diff) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut outcome = ControlFlow::Continue(());
        let _ = self.scan(prefix, at, |key, value, diff| {
            if !key.starts_with(prefix) {
                return ControlFlow::Break(());
            }
            outcome = visit(key, value, diff);
            outcome
        });
        outcome
    }
}

/// Visits the least key, and those after it that only its batch has before the next batch's key. The heads are sorted.
fn scan_least<'a>(heads: &mut [Head<'a>], at: Timestamp, visit: Visit<'_, 'a>) -> ControlFlow<()> {
    let least = heads[0].key().expect("invariant: exhausted heads were removed");
    let next = heads.get(1).and_then(|head| head.key());
    if next == Some(least) {
        let shared = heads.iter().take_while(|head| head.key() == Some(least)).count();
        rows(least, &heads[..shared], at, visit)?;
        heads[..shared].iter_mut().for_each(|head| head.key += 1);
        return ControlFlow::Continue(());
    }
    while let Some(key) = heads[0].key() {
        if next.is_some_and(|next| key >= next) {
            break;
        }
        rows(key, &heads[..1], at, visit)?;
        heads[0].key += 1;
    }
    ControlFlow::Continue(())
}

/// Everything before it is in the trace; nothing if the trace is closed.
pub fn upper(trace: &mut impl TraceReader<Time = Timestamp>) -> Option<Timestamp> {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    upper.first().copied()
}
