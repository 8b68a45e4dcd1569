//! The operator of everything that depends on a group's rows in order: MIN and MAX, top-k, string_agg, windows.
//!
//! A group is a key of an arrangement; its rows are the key's values, whose bytes are in the order that matters. So the first
//! rows are found by reading from the front, and reading ends when as many are found as the rule wants: a MIN reads one
//! row, whatever the size of its group. Nothing else is kept: what a group was before a batch is read from the arrangement
//! without the batch, in the same pass.
//!
//! ```text
//!   values of one key   a  b  c  d  e  f ...          wanted: 2 rows
//!   before              .  1  .  2                     b d
//!   at time 5           1  1                           a b
//!   at time 7           -  .  .  2  1                  d e      read up to e, then every version is satisfied
//! ```
//!
//! Values that were deleted stay in the arrangement until its batches merge; see [`gaps`](super::gaps) for how they are passed.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use compiler::scalar::EvalError;
use differential_dataflow::trace::implementations::BatchContainer;
use differential_dataflow::trace::{Span, TraceReader};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;

use super::gaps::{Gaps, Learner};
use crate::counters::Counters;
use crate::fuel::Fuel;
use crate::render::bundle::{Collection, Emit, Held, Outputs};
use crate::render::finish::Finisher;
use crate::render::sorted::split_rank;
use crate::spine::{Arrangement, Diff, Keys, RowBatch, RowStorage, RowTrace, Timestamp, Values};

/// Which of a group's rows a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// So many of the first, counted with their multiplicities.
    Rows(u64),
    /// Those, and the rows behind whose values begin with the same so many encodings as the last one's.
    RowsWithTies { rows: u64, rank: usize },
    /// The values begin with a byte, from 0 to below this, that divides them into segments: the first row of each.
    FirstOf(u8),
}

/// What a group's rows become: called with the group's key and the wanted rows, in order, with their multiplicities.
pub type Rule = Box<dyn FnMut(&[u8], &[(&[u8], Diff)], &mut Outcome)>;

/// What a rule made of a group.
#[derive(Default)]
pub struct Outcome {
    bytes: Vec<u8>,
    rows: Vec<OutRow>,
    /// Each with the key of the row that failed.
    errs: Vec<(Vec<u8>, EvalError, Diff)>,
}

struct OutRow {
    bytes: Range<usize>,
    key_len: usize,
    diff: Diff,
}

impl Outcome {
    fn push(&mut self, row: &[u8], key_len: usize, diff: Diff) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row);
        self.rows.push(OutRow { bytes: start..self.bytes.len(), key_len, diff });
    }

    /// Takes a finisher's last result, so many times.
    pub fn take(&mut self, finisher: &Finisher, diff: Diff) {
        if let Some((row, key_len)) = finisher.row() {
            self.push(row, key_len, diff);
        }
        if let Some((key, error)) = finisher.error() {
            self.errs.push((key.to_vec(), error.clone(), diff));
        }
    }

    /// Takes out all rows, key and value, and errors.
    pub fn drain(&mut self, mut each: impl FnMut(Result<(&[u8], &[u8]), &EvalError>, Diff)) {
        for row in &self.rows {
            each(Ok(self.bytes[row.bytes.clone()].split_at(row.key_len)), row.diff);
        }
        self.errs.iter().for_each(|(_, error, diff)| each(Err(error), *diff));
        self.clear();
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.errs.clear();
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.rows.sort_by(|a, b| bytes[a.bytes.clone()].cmp(&bytes[b.bytes.clone()]));
    }

    fn row(&self, index: usize) -> Option<(&[u8], &OutRow)> {
        self.rows.get(index).map(|row| (&self.bytes[row.bytes.clone()], row))
    }

    /// Emits what must be added to `self` for it to become `next`.
    fn emit_change(&mut self, next: &mut Outcome, time: Timestamp, emit: &mut Emit) {
        self.errs.iter().for_each(|(key, error, diff)| emit.err(key, error, time, -diff));
        next.errs.iter().for_each(|(key, error, diff)| emit.err(key, error, time, *diff));
        self.sort();
        next.sort();
        let (mut i, mut j) = (0, 0);
        loop {
            let (old, new) = (self.row(i), next.row(j));
            match (old, new) {
                (None, None) => return,
                (Some((a, old)), Some((b, new))) if a == b => {
                    if old.diff != new.diff {
                        emit.row(a, old.key_len, time, new.diff - old.diff);
                    }
                    (i, j) = (i + 1, j + 1);
                }
                (Some((a, old)), new) if new.is_none_or(|(b, _)| a < b) => {
                    emit.row(a, old.key_len, time, -old.diff);
                    i += 1;
                }
                (_, Some((b, new))) => {
                    emit.row(b, new.key_len, time, new.diff);
                    j += 1;
                }
                (Some(_), None) => unreachable!("invariant: an old row without a new one is handled above"),
            }
        }
    }
}

/// How many times of one batch are looked at in one pass over a group.
const TIMES_PER_PASS: usize = 16;

/// A batch to be worked off: the arrangement before it, and the next key of it.
struct Work {
    span: Span<Timestamp, RowBatch>,
    before: Option<Vec<RowBatch>>,
    next: usize,
}

/// Keeps the outcome of a rule for each key of an arrangement. `fallible`: whether the rule may give errors.
pub fn ordered<'s>(
    arranged: Arrangement<'s>,
    name: &str,
    wanted: Wanted,
    fallible: bool,
    rule: Rule,
    counters: Counters,
) -> Collection<'s> {
    let Arrangement { stream, mut trace } = arranged;
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let mut input = builder.new_input(stream, Pipeline);
    let (mut outputs, collection) = Outputs::new(&mut builder, fallible);
    let activator = scope.activator_for(Rc::clone(&builder.operator_info().address));
    builder.build(move |_| {
        let mut todo: VecDeque<(Held, Work)> = VecDeque::new();
        let mut done = Antichain::from_elem(0);
        let (before, after) = (Outcome::default(), Outcome::default());
        let mut groups = Groups { wanted, rule, counters, gaps: Gaps::default(), before, after };
        move |_| {
            input.for_each(|capability, spans| {
                for span in spans.drain(..).filter(Span::has_updates) {
                    if let Some(held) = outputs.retain(&capability) {
                        todo.push_back((held, Work { span, before: None, next: 0 }));
                    }
                }
            });
            let mut fuel = Fuel::new();
            while let Some((held, work)) = todo.front_mut() {
                let finished = groups.work(work, &mut trace, &mut fuel, &mut outputs.emit);
                outputs.flush(held);
                if !finished {
                    activator.activate();
                    break;
                }
                done.clone_from(work.span.upper());
                todo.pop_front();
            }
            release(&mut trace, &mut done, todo.front().map(|(_, work)| work.span.lower()));
        }
    });
    collection
}

/// Lets the trace forget and merge what comes before the work that is left.
fn release(trace: &mut RowTrace, done: &mut Antichain<Timestamp>, next: Option<&Antichain<Timestamp>>) {
    match next {
        Some(lower) => done.clone_from(lower),
        None => trace.advance_upper(done),
    }
    trace.set_logical_compaction(done.borrow());
    trace.set_physical_compaction(done.borrow());
}

/// The rule at work, group by group.
struct Groups {
    wanted: Wanted,
    rule: Rule,
    counters: Counters,
    gaps: Gaps,
    before: Outcome,
    after: Outcome,
}

impl Groups {
    /// Works off a batch until fuel is spent; true when all of it is done.
    fn work(&mut self, work: &mut Work, trace: &mut RowTrace, fuel: &mut Fuel, emit: &mut Emit) -> bool {
        let Some(batch) = &work.span.inner else { return true };
        let lower = work.span.lower();
        let before = work.before.get_or_insert_with(|| {
            trace
                .batches_through(lower.borrow())
                .expect("invariant: the trace is held at the batch's lower bound")
        });
        let mut keys = Keys::new(before.iter().map(|batch| &*batch.0));
        let storage = &batch.0.storage;
        while work.next < storage.keys.len() {
            let key = storage.keys.index(work.next);
            keys.seek(key);
            let news = News::new(&batch.0, work.next);
            let read = self.group(key, &news, &keys.values(key), emit);
            work.next += 1;
            if !fuel.spend_many(read) {
                return work.next == storage.keys.len();
            }
        }
        true
    }

    /// Brings the outcome of one group up to date; returns how many values were read.
    fn group<'a>(&mut self, key: &[u8], news: &News<'a>, old: &Values<'a>, emit: &mut Emit) -> u32 {
        let mut read = 0;
        for times in news.times.chunks(TIMES_PER_PASS) {
            let mut scan = Scan::new(news, old.clone(), times);
            let is_last = times.last() == news.times.last();
            match self.wanted {
                Wanted::Rows(rows) => self.take(&mut scan, key, &[], Until { rows, rank: None }, is_last),
                Wanted::RowsWithTies { rows, rank } => {
                    self.take(&mut scan, key, &[], Until { rows, rank: Some(rank) }, is_last);
                }
                Wanted::FirstOf(segments) => (0..segments).for_each(|segment| {
                    let first = Until { rows: 1, rank: None };
                    self.take(&mut scan, key, &[segment], first, is_last);
                }),
            }
            self.emit_versions(key, times, &scan.found, emit);
            read += scan.read;
        }
        self.counters.add_rows_read(read as u64);
        read
    }

    /// Finds the first rows among the values with a prefix, and remembers where there are none. What is to be remembered is
    /// known after the batch's last time.
    fn take(&mut self, scan: &mut Scan<'_, '_>, key: &[u8], prefix: &[u8], wanted: Until, is_last: bool) {
        let known = self.gaps.get(key, prefix);
        let was_known = known.is_some();
        let (learner, last) = scan.take(prefix, wanted, Learner::new(known));
        if is_last {
            let gap = learner.finish(last, |gap| scan.news.any_within(&gap.from, &gap.to));
            if was_known || gap.is_some() {
                self.gaps.set(key, prefix, gap);
            }
        }
    }

    /// Emits the changes from version to version: `found[0]` is before the first time.
    fn emit_versions(
        &mut self,
        key: &[u8],
        times: &[Timestamp],
        found: &[Vec<(&[u8], Diff)>],
        emit: &mut Emit,
    ) {
        self.before.clear();
        (self.rule)(key, &found[0], &mut self.before);
        for (time, rows) in times.iter().zip(&found[1..]) {
            self.after.clear();
            (self.rule)(key, rows, &mut self.after);
            self.before.emit_change(&mut self.after, *time, emit);
            std::mem::swap(&mut self.before, &mut self.after);
        }
    }
}

/// What a batch brings to one key.
struct News<'a> {
    batch: &'a RowStorage,
    /// The batch's values of the key.
    values: Range<usize>,
    /// The times at which they change, each once, in order.
    times: Vec<Timestamp>,
}

impl<'a> News<'a> {
    fn new(batch: &'a RowStorage, key: usize) -> News<'a> {
        let (first, last) = batch.storage.vals.bounds(key);
        let mut times = Vec::new();
        for value in first..last {
            let (low, high) = batch.storage.upds.bounds(value);
            times.extend((low..high).map(|i| *batch.storage.upds.get_abs(i).0));
        }
        times.sort_unstable();
        times.dedup();
        News { batch, values: first..last, times }
    }

    #[inline]
    fn value(&self, index: usize) -> Option<&'a [u8]> {
        self.values.contains(&index).then(|| self.batch.storage.vals.get_abs(index))
    }

    /// Whether the batch changes a value in this interval.
    fn any_within(&self, from: &[u8], to: &[u8]) -> bool {
        let first = self.seek(self.values.start, from);
        self.value(first).is_some_and(|value| value < to)
    }

    fn seek(&self, from: usize, wanted: &[u8]) -> usize {
        self.batch.storage.vals.vals.seek(from, self.values.end, wanted)
    }
}

/// One pass over a group: the rows that are wanted before and at each of some times.
struct Scan<'n, 'a> {
    news: &'n News<'a>,
    next: usize,
    old: Values<'a>,
    times: &'n [Timestamp],
    /// For each version (before the times, then at each), the rows found.
    found: Vec<Vec<(&'a [u8], Diff)>>,
    /// How often the value at hand is there, by version.
    counts: Vec<Diff>,
    /// How many rows each version has of what is being taken; none where it has all.
    have: Vec<Option<u64>>,
    read: u32,
}

/// When a version has enough: rows enough, and no more of the last one's rank, if that matters.
#[derive(Clone, Copy)]
struct Until {
    rows: u64,
    rank: Option<usize>,
}

impl Until {
    /// Whether a version that has so many rows, up to the last one, wants this one too.
    fn wants(self, have: u64, last: Option<&[u8]>, value: &[u8]) -> bool {
        have < self.rows
            || self.rows > 0
                && self.rank.is_some_and(|rank| {
                    last.is_some_and(|last| split_rank(last, rank).0 == split_rank(value, rank).0)
                })
    }
}

impl<'n, 'a> Scan<'n, 'a> {
    fn new(news: &'n News<'a>, old: Values<'a>, times: &'n [Timestamp]) -> Scan<'n, 'a> {
        let versions = times.len() + 1;
        Scan {
            news,
            next: news.values.start,
            old,
            times,
            found: vec![Vec::new(); versions],
            counts: vec![0; versions],
            have: vec![Some(0); versions],
            read: 0,
        }
    }

    /// Finds for each version the first `wanted` rows whose values begin with `prefix`. Prefixes must be asked for in order.
    /// Returns what was learned of the values that are not there, and the last value that was seen.
    fn take(&mut self, prefix: &[u8], wanted: Until, mut learner: Learner) -> (Learner, Option<&'a [u8]>) {
        self.next = self.news.seek(self.next, prefix);
        self.old.seek(prefix);
        self.have.fill(Some(0));
        let (mut open, mut last) = (self.have.len(), None);
        while open > 0 {
            if let Some(to) = learner.leap(self.least(), self.old.least()) {
                self.old.seek(to);
            }
            let Some(value) = self.least().filter(|value| value.starts_with(prefix)) else { break };
            self.count(value);
            last = Some(value);
            learner.saw(value, self.counts.last() != Some(&0));
            for version in 0..self.counts.len() {
                let (count, Some(have)) = (self.counts[version], self.have[version]) else { continue };
                let last = self.found[version][..].last().map(|(last, _)| *last);
                if !wanted.wants(have, last, value) {
                    self.have[version] = None;
                    open -= 1;
                } else if count > 0 {
                    self.found[version].push((value, count));
                    let have = have.saturating_add(count as u64);
                    let enough = have >= wanted.rows && wanted.rank.is_none();
                    self.have[version] = (!enough).then_some(have);
                    open -= usize::from(enough);
                }
            }
        }
        (learner, last)
    }

    /// The next value.
    fn least(&self) -> Option<&'a [u8]> {
        match (self.news.value(self.next), self.old.least()) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (new, old) => new.or(old),
        }
    }

    /// Counts the next value, which is this one, in every version, and moves past it.
    fn count(&mut self, value: &[u8]) {
        self.read += 1;
        let is_old = self.old.least() == Some(value);
        let base = if is_old { self.old.next(Timestamp::MAX).map_or(0, |(_, sum)| sum) } else { 0 };
        self.counts.fill(base);
        if self.news.value(self.next) == Some(value) {
            self.add_news();
            self.next += 1;
        }
    }

    /// Adds the batch's updates of the value at hand to the versions that see them.
    fn add_news(&mut self) {
        let updates = &self.news.batch.storage.upds;
        let (low, high) = updates.bounds(self.next);
        for (time, diff) in (low..high).map(|i| updates.get_abs(i)) {
            // Those before the pass's first time are seen by all its versions.
            let from = if *time < self.times[0] { 0 } else { 1 + self.times.partition_point(|t| t < time) };
            self.counts[from.min(self.times.len() + 1)..].iter_mut().for_each(|count| *count += diff);
        }
    }
}
