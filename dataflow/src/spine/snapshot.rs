//! Reading an arrangement from any thread: a worker's batches at one moment.
//!
//! A snapshot answers every time from `since` to below `upper`, for ever and without a hold: its batches do not change. What
//! several batches hold of a key is merged by value while reading, adding the diffs at times not after the reader's.
//!
//! A batch may hold times before the `since` that its description claims (one merged with an empty span is not rewritten),
//! so each time is compared; descriptions are not trusted.

use std::fmt;
use std::ops::ControlFlow;

use differential_dataflow::trace::TraceReader;
use timely::progress::Antichain;

use super::merge::{Keys, Values};
use super::{Diff, RowBatch, RowTrace, Timestamp};

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

impl Snapshot {
    /// What the trace holds now.
    pub fn of(trace: &mut RowTrace) -> Snapshot {
        let upper = upper(trace);
        let since = trace.get_logical_compaction().first().copied().unwrap_or(upper);
        let mut batches = Vec::new();
        trace.map_spans(|span| batches.extend(span.inner.clone()));
        Snapshot { batches, since, upper }
    }

    /// Whether the trace still holds exactly these batches: cheaper to ask than to take another snapshot.
    pub fn is_current(&self, trace: &RowTrace) -> bool {
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

    fn keys(&self) -> Keys<'_> {
        Keys::new(self.batches.iter().map(|batch| &*batch.0))
    }

    /// The values of `key` as of `at`, in order, each with its multiplicity.
    pub fn lookup<'a>(&'a self, key: &[u8], at: Timestamp, mut visit: impl FnMut(&'a [u8], Diff)) {
        debug_assert!(self.since <= at, "read at {at} of what begins at {}", self.since);
        let mut keys = self.keys();
        keys.seek(key);
        let mut values = keys.values(key);
        while let Some((value, sum)) = values.next(at) {
            if sum != 0 {
                visit(value, sum);
            }
        }
    }

    /// All rows from the key `from` on as of `at`, in order of keys, then values, until `visit` breaks.
    pub fn scan<'a>(
        &'a self,
        from: &[u8],
        at: Timestamp,
        mut visit: impl FnMut(&'a [u8], &'a [u8], Diff) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        debug_assert!(self.since <= at, "read at {at} of what begins at {}", self.since);
        let mut rows = |key: &'a [u8], mut values: Values<'a>| {
            while let Some((value, sum)) = values.next(at) {
                if sum != 0 {
                    visit(key, value, sum)?;
                }
            }
            ControlFlow::Continue(())
        };
        let mut keys = self.keys();
        keys.seek(from);
        while let Some(least) = keys.least() {
            // Mostly one batch has a run of keys to itself, which needs no comparison with the others but the nearest.
            if let Some((batch, end)) = keys.alone() {
                while let Some((key, values)) = keys.head(batch, end) {
                    rows(key, values)?;
                    keys.step_head(batch);
                }
            } else {
                rows(least, keys.values(least))?;
                keys.step(least);
            }
        }
        ControlFlow::Continue(())
    }

    /// All rows with keys before `to` as of `at`, the greatest key first (the values of a key in their order), until `visit` breaks.
    pub fn scan_back<'a>(
        &'a self,
        to: Option<&[u8]>,
        at: Timestamp,
        mut visit: impl FnMut(&'a [u8], &'a [u8], Diff) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        debug_assert!(self.since <= at, "read at {at} of what begins at {}", self.since);
        let mut keys = self.keys();
        match to {
            Some(to) => keys.seek(to),
            None => keys.seek_end(),
        }
        while let Some(key) = keys.step_back() {
            let mut values = keys.values(key);
            while let Some((value, sum)) = values.next(at) {
                if sum != 0 {
                    visit(key, value, sum)?;
                }
            }
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

/// Everything before it is in the trace; `Timestamp::MAX` when nothing more can come.
pub fn upper(trace: &mut RowTrace) -> Timestamp {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    upper.first().copied().unwrap_or(Timestamp::MAX)
}
