//! The matches of two sets of batches: a merge by key, and within a key every value with every value.
//!
//! Times are totally ordered, so a match's time is the later of the two. Everything at or before the time from which
//! matches are wanted counts as being at it; what cancels there is not looked at.

use smallvec::SmallVec;

use crate::fuel::Fuel;
use crate::render::bounds::Bounds;
use crate::spine::{Diff, Keys, RowBatch, Timestamp, Values};

/// How often a value is there, by time: sorted, consolidated, never empty.
type History = SmallVec<[(Timestamp, Diff); 2]>;

/// Values of one key with their histories.
type Histories<'a> = SmallVec<[(&'a [u8], History); 4]>;

/// How many fresh values meet the other ones at a time. What a key has is not gathered: it may be all there is, as in a cross join.
const BLOCK: usize = 256;

/// Called with key, left value, right value, time and diff of a match.
pub type OnMatch<'m> = dyn FnMut(&[u8], &[u8], &[u8], Timestamp, Diff) + 'm;

/// Batches to be joined with batches, and how far that has come.
pub struct Matches {
    pub fresh: Vec<RowBatch>,
    pub other: Vec<RowBatch>,
    /// Whether the fresh batches are those of the left input.
    pub fresh_is_left: bool,
    /// No match is before it.
    pub from: Timestamp,
    resume: Option<Resume>,
}

/// Where to go on: the key, the first of the fresh values at hand, and the next of the other values that they meet. No bytes are
/// the first value.
struct Resume {
    key: Vec<u8>,
    fresh: Vec<u8>,
    other: Vec<u8>,
}

impl Matches {
    pub fn new(fresh: Vec<RowBatch>, other: Vec<RowBatch>, fresh_is_left: bool, from: Timestamp) -> Matches {
        Matches { fresh, other, fresh_is_left, from, resume: None }
    }

    /// Reports matches until fuel is spent; true when all were.
    pub fn work(&mut self, bounds: Bounds, fuel: &mut Fuel, on_match: &mut OnMatch<'_>) -> bool {
        let bounds = Bounds { as_of: self.from.max(bounds.as_of), until: bounds.until };
        let mut resume = self.resume.take();
        let mut fresh = Keys::new(self.fresh.iter().map(|batch| &*batch.0));
        let mut other = Keys::new(self.other.iter().map(|batch| &*batch.0));
        if let Some(resume) = &resume {
            fresh.seek(&resume.key);
        }
        while let Some(key) = fresh.least() {
            other.seek(key);
            match other.least() {
                None => return true,
                Some(next) if next > key => {
                    fresh.seek(next);
                    resume = None;
                    if !fuel.spend() {
                        self.resume = fresh.least().map(Resume::at);
                        return self.resume.is_none();
                    }
                    continue;
                }
                Some(_) => {}
            }
            let mut pairs = Pairs { key, fresh: fresh.values(key), other: other.values(key), bounds, fuel };
            if let Some(stopped) = pairs.report(resume.take(), self.fresh_is_left, on_match) {
                self.resume = Some(stopped);
                return false;
            }
            fresh.step(key);
        }
        true
    }
}

impl Resume {
    fn at(key: &[u8]) -> Resume {
        Resume { key: key.to_vec(), fresh: Vec::new(), other: Vec::new() }
    }
}

/// The values of one key on both sides.
struct Pairs<'f, 'a> {
    key: &'a [u8],
    fresh: Values<'a>,
    other: Values<'a>,
    bounds: Bounds,
    fuel: &'f mut Fuel,
}

impl<'a> Pairs<'_, 'a> {
    /// Reports each pair; returns where it stopped if fuel ran out.
    fn report(
        &mut self,
        resume: Option<Resume>,
        fresh_is_left: bool,
        on_match: &mut OnMatch<'_>,
    ) -> Option<Resume> {
        let mut from = Vec::new();
        if let Some(resume) = resume {
            self.fresh.seek(&resume.fresh);
            from = resume.other;
        }
        loop {
            let block = self.block();
            let (first, _) = block.first()?;
            let next = self.fresh.least();
            let mut again;
            let others = match next {
                None => &mut self.other,
                Some(_) => {
                    again = self.other.clone();
                    &mut again
                }
            };
            if !from.is_empty() {
                others.seek(&std::mem::take(&mut from));
            }
            while let Some((other, other_history)) = next_history(others, self.bounds) {
                for (value, history) in &block {
                    let (left, right) = if fresh_is_left { (*value, other) } else { (other, *value) };
                    for (time, diff) in product(history, &other_history) {
                        on_match(self.key, left, right, time, diff);
                    }
                }
                if !self.fuel.spend_many(block.len() as u32) {
                    let (fresh, other) = match others.least() {
                        Some(other) => (first, other),
                        None => (&next?, &[][..]),
                    };
                    let [key, fresh, other] = [self.key, fresh, other].map(<[u8]>::to_vec);
                    return Some(Resume { key, fresh, other });
                }
            }
        }
    }

    /// The next fresh values.
    fn block(&mut self) -> Histories<'a> {
        let mut block = Histories::new();
        while block.len() < BLOCK
            && let Some(value) = next_history(&mut self.fresh, self.bounds)
        {
            block.push(value);
        }
        block
    }
}

/// The next value that is there at some time, and its history.
fn next_history<'a>(values: &mut Values<'a>, bounds: Bounds) -> Option<(&'a [u8], History)> {
    loop {
        let mut history = History::new();
        let value = values.next_updates(|time, diff| {
            if let Some(time) = bounds.clip(time) {
                history.push((time, diff));
            }
        })?;
        consolidate(&mut history);
        if !history.is_empty() {
            return Some((value, history));
        }
    }
}

fn consolidate(history: &mut History) {
    if history.len() > 1 {
        history.sort_unstable_by_key(|(time, _)| *time);
        history.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.wrapping_add(next.1);
            }
            same
        });
    }
    history.retain(|(_, diff)| *diff != 0);
}

/// The history of a pair, not consolidated.
fn product<'h>(left: &'h History, right: &'h History) -> impl Iterator<Item = (Timestamp, Diff)> + 'h {
    left.iter()
        .flat_map(move |(t1, d1)| right.iter().map(move |(t2, d2)| (*t1.max(t2), d1.wrapping_mul(*d2))))
}
