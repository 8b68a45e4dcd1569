//! A ladder: sorted updates on their way to be a batch, merged a piece at a time.
//!
//! ```text
//!   rows ──▶ chunks of a megabyte, sorted ──▶ chains, each at least twice as long as the next ──▶ one chain ──▶ batch
//!                                                  (there are few, and each row is merged a few times)
//! ```
//!
//! Any number of rows may be under way, so nothing here is done in one piece: a merge keeps its place, and so does what makes a
//! batch of the last chain. Where a merge of long chains is under way, what comes meanwhile is merged first.

use std::cmp::Ordering;

use differential_dataflow::trace::Builder;
use timely::progress::frontier::AntichainRef;

use super::chunk::{CHUNK_BYTES, Chunker};
use super::{RowBatch, RowBuilder, Rows, RowsRef, Timestamp};
use crate::fuel::Fuel;

/// Empty containers kept for reuse while merging.
const SPARES: usize = 4;

/// Sorted chunks one after the other.
type Chain = Vec<Rows>;

/// Updates, sorted as far as they are.
#[derive(Default)]
pub struct Ladder {
    chunker: Chunker,
    /// Long ones first.
    steps: Vec<Step>,
}

enum Step {
    Chain { rows: usize, chain: Chain },
    Merge(Box<Merge>),
}

impl Step {
    fn chain(chain: Chain) -> Step {
        Step::Chain { rows: chain.iter().map(Rows::len).sum(), chain }
    }

    /// At least as many rows as there will be when it is a chain.
    fn rows(&self) -> usize {
        match self {
            Step::Chain { rows, .. } => *rows,
            Step::Merge(merge) => merge.rows,
        }
    }

    fn is_merge(&self) -> bool {
        matches!(self, Step::Merge(_))
    }

    fn into_chain(self) -> Option<Chain> {
        match self {
            Step::Chain { chain, .. } => Some(chain),
            Step::Merge(_) => None,
        }
    }
}

impl Ladder {
    /// Takes updates.
    pub fn push(&mut self, rows: RowsRef<'_>) {
        if let Some(chunk) = self.chunker.push(rows) {
            self.steps.push(Step::chain(vec![chunk]));
        }
    }

    /// Takes a sorted chain.
    fn push_chain(&mut self, chain: Chain) {
        let step = Step::chain(chain);
        let place = self.steps.iter().position(|other| other.rows() < step.rows());
        self.steps.insert(place.unwrap_or(self.steps.len()), step);
    }

    /// Merges chains of about one length until fuel is spent; true when there are none.
    pub fn work(&mut self, fuel: &mut Fuel) -> bool {
        loop {
            while let Some(place) = self.alike() {
                self.begin_merge(place);
            }
            match self.go_on(fuel) {
                None => return true,
                Some(false) => return false,
                Some(true) => {}
            }
        }
    }

    /// Merges all chains into one until fuel is spent; true when there is one at most.
    fn work_all(&mut self, fuel: &mut Fuel) -> bool {
        if let Some(chunk) = self.chunker.finish() {
            self.steps.push(Step::chain(vec![chunk]));
        }
        loop {
            if let [.., Step::Chain { .. }, Step::Chain { .. }] = &self.steps[..] {
                self.begin_merge(self.steps.len() - 2);
            }
            match self.go_on(fuel) {
                None => return true,
                Some(false) => return false,
                Some(true) => {}
            }
        }
    }

    /// The last two neighbours that are chains of which the shorter is at least half as long as the other.
    fn alike(&self) -> Option<usize> {
        let pairs = self.steps.windows(2).rev();
        let alike = |pair: &[Step]| {
            !pair[0].is_merge() && !pair[1].is_merge() && pair[1].rows() >= pair[0].rows() / 2
        };
        let from_last = pairs.into_iter().position(alike)?;
        Some(self.steps.len() - 2 - from_last)
    }

    /// Merges the chain at a place with the one after it.
    fn begin_merge(&mut self, place: usize) {
        let pair = self.steps.drain(place..place + 2).map(Step::into_chain);
        let pair: Option<Vec<Chain>> = pair.collect();
        let [left, right] = pair.and_then(|pair| pair.try_into().ok()).expect("invariant: two chains");
        self.steps.insert(place, Step::Merge(Box::new(Merge::new(left, right))));
    }

    /// Works on the last merge: whether it is done; nothing if there is none.
    fn go_on(&mut self, fuel: &mut Fuel) -> Option<bool> {
        let place = self.steps.iter().rposition(Step::is_merge)?;
        let Step::Merge(merge) = &mut self.steps[place] else { return None };
        let done = merge.work(fuel);
        if done {
            let chain = std::mem::take(&mut merge.out.chain);
            match chain.is_empty() {
                true => drop(self.steps.remove(place)),
                false => self.steps[place] = Step::chain(chain),
            }
        }
        Some(done)
    }
}

/// Two chains that are becoming one.
struct Merge {
    left: Reading,
    right: Reading,
    out: Output,
    rows: usize,
}

/// A chain being consumed.
struct Reading {
    chunks: std::vec::IntoIter<Rows>,
    chunk: Option<Rows>,
    next: usize,
}

impl Reading {
    fn new(chain: Chain) -> Reading {
        let mut chunks = chain.into_iter();
        Reading { chunk: chunks.next(), chunks, next: 0 }
    }

    /// Goes on to the next chunk if this one is used up.
    fn refill(&mut self, out: &mut Output) {
        if self.chunk.as_ref().is_some_and(|chunk| self.next == chunk.len()) {
            let used = std::mem::replace(&mut self.chunk, self.chunks.next());
            self.next = 0;
            used.into_iter().for_each(|used| out.reuse(used));
        }
    }
}

/// A chain being filled.
#[derive(Default)]
struct Output {
    chunk: Rows,
    chain: Chain,
    spares: Vec<Rows>,
}

impl Output {
    #[inline]
    fn push(&mut self, (key, value, time): (&[u8], &[u8], Timestamp), diff: i64) {
        self.chunk.push(key, value, time, diff);
        if self.chunk.size() >= CHUNK_BYTES {
            let empty = self.spares.pop().unwrap_or_default();
            self.chain.push(std::mem::replace(&mut self.chunk, empty));
        }
    }

    fn finish(&mut self) {
        if !self.chunk.is_empty() {
            self.chain.push(std::mem::take(&mut self.chunk));
        }
    }

    fn reuse(&mut self, mut used: Rows) {
        if self.spares.len() < SPARES {
            used.clear();
            self.spares.push(used);
        }
    }
}

impl Merge {
    fn new(left: Chain, right: Chain) -> Merge {
        let rows = left.iter().chain(&right).map(Rows::len).sum();
        Merge { left: Reading::new(left), right: Reading::new(right), out: Output::default(), rows }
    }

    /// Goes on chunk by chunk until fuel is spent; true when all is merged.
    fn work(&mut self, fuel: &mut Fuel) -> bool {
        let Merge { left, right, out, .. } = self;
        while let (Some(a), Some(b)) = (&left.chunk, &right.chunk) {
            let before = (left.next, right.next);
            merge_chunks(a.borrow(), &mut left.next, b.borrow(), &mut right.next, out);
            let merged = left.next - before.0 + right.next - before.1;
            left.refill(out);
            right.refill(out);
            if !fuel.spend_many(merged as u32) {
                return false;
            }
        }
        for rest in [left, right] {
            let Some(chunk) = rest.chunk.take() else { continue };
            let rows = chunk.borrow();
            (rest.next..rows.len()).for_each(|i| out.push(rows.order(i), rows.diffs[i]));
            out.finish();
            out.chain.extend(rest.chunks.by_ref());
        }
        out.finish();
        true
    }
}

/// Merges two chunks from where they stand until one is used up.
fn merge_chunks(left: RowsRef<'_>, i: &mut usize, right: RowsRef<'_>, j: &mut usize, out: &mut Output) {
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

/// A batch being made: of what a ladder holds, the updates at times that are not beyond an upper.
pub struct Sealing {
    ladder: Ladder,
    building: Option<Building>,
}

struct Building {
    chunks: std::vec::IntoIter<Rows>,
    batch: RowBuilder,
    /// What is beyond the upper, and the least of its times.
    later: Output,
    least: Option<Timestamp>,
}

/// What became of a ladder's updates.
pub struct Sealed {
    /// None if there are none.
    pub batch: Option<RowBatch>,
    /// The least time of those that were kept.
    pub least: Option<Timestamp>,
}

impl Sealing {
    /// Begins with all that the ladder holds; it is empty afterwards.
    pub fn begin(ladder: &mut Ladder) -> Sealing {
        Sealing { ladder: std::mem::take(ladder), building: None }
    }

    /// Goes on until fuel is spent; true when the batch is whole.
    pub fn work(&mut self, upper: AntichainRef<'_, Timestamp>, fuel: &mut Fuel) -> bool {
        if self.building.is_none() {
            if !self.ladder.work_all(fuel) {
                return false;
            }
            let chain = self.ladder.steps.pop().and_then(Step::into_chain).unwrap_or_default();
            self.building = Some(Building::new(chain));
        }
        self.building.as_mut().is_none_or(|building| building.work(upper, fuel))
    }

    /// What [`Sealing::work`] has made. What was kept is given back to a ladder.
    pub fn finish(self, ladder: &mut Ladder) -> Sealed {
        let mut building = self.building.expect("invariant: finished when its work is done");
        building.later.finish();
        if !building.later.chain.is_empty() {
            ladder.push_chain(building.later.chain);
        }
        Sealed { batch: building.batch.done().map(RowBatch::from), least: building.least }
    }
}

impl Building {
    fn new(chain: Chain) -> Building {
        let rows = chain.iter().map(Rows::len).sum();
        Building {
            chunks: chain.into_iter(),
            batch: RowBuilder::with_capacity(rows, rows, rows),
            later: Output::default(),
            least: None,
        }
    }

    fn work(&mut self, upper: AntichainRef<'_, Timestamp>, fuel: &mut Fuel) -> bool {
        while let Some(mut chunk) = self.chunks.next() {
            let rows = chunk.len();
            if chunk.borrow().times.iter().any(|time| upper.less_equal(time)) {
                chunk = self.split(chunk.borrow(), upper);
            }
            self.batch.push(&mut chunk);
            if !fuel.spend_many(rows as u32) {
                return self.chunks.len() == 0;
            }
        }
        true
    }

    /// The rows of a chunk that are not beyond the upper; the others are kept.
    fn split(&mut self, rows: RowsRef<'_>, upper: AntichainRef<'_, Timestamp>) -> Rows {
        let mut ready = Rows::default();
        for i in 0..rows.len() {
            let (key, value, time) = rows.order(i);
            if upper.less_equal(&time) {
                self.least = Some(self.least.map_or(time, |least| least.min(time)));
                self.later.push((key, value, time), rows.diffs[i]);
            } else {
                ready.push(key, value, time, rows.diffs[i]);
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    type Model = BTreeMap<(Vec<u8>, Vec<u8>, Timestamp), i64>;

    fn updates(batch: Option<RowBatch>) -> Model {
        let mut found = Model::new();
        let Some(batch) = batch else { return found };
        let mut keys = crate::spine::Keys::new([&*batch.0]);
        while let Some(key) = keys.least() {
            let mut values = keys.values(key);
            loop {
                let mut at = Vec::new();
                let Some(value) = values.next_updates(|time, diff| at.push((time, diff))) else { break };
                for (time, diff) in at {
                    assert_eq!(found.insert((key.to_vec(), value.to_vec(), time), diff), None, "twice");
                }
            }
            keys.step(key);
        }
        found
    }

    /// Whatever is pushed between whatever pieces of work: each batch has what its upper has passed, consolidated; the rest is kept.
    #[test]
    fn batches_hold_what_their_upper_has_passed_however_often_the_work_is_put_aside() {
        let mut rng = StdRng::seed_from_u64(5);
        let (mut ladder, mut model, mut interrupted) = (Ladder::default(), Model::new(), 0);
        let turn = || Fuel::lasting(Duration::ZERO);
        for round in 1..60u64 {
            for _ in 0..rng.random_range(0..40) {
                let mut rows = Rows::default();
                for _ in 0..rng.random_range(0..200) {
                    let key = rng.random_range(0..2000u32).to_be_bytes();
                    let value = [rng.random_range(0..3u8)];
                    let (time, diff) = (round * 10 + rng.random_range(0..30), rng.random_range(-1..2));
                    rows.push(&key, &value, time, diff);
                    *model.entry((key.to_vec(), value.to_vec(), time)).or_default() += diff;
                }
                ladder.push(rows.borrow());
                interrupted += usize::from(!ladder.work(&mut turn()));
            }
            model.retain(|_, diff| *diff != 0);
            let upper = [round * 10 + 10];
            let mut sealing = Sealing::begin(&mut ladder);
            while !sealing.work(AntichainRef::new(&upper), &mut turn()) {
                interrupted += 1;
            }
            let sealed = sealing.finish(&mut ladder);
            let later = model.iter().filter(|((_, _, time), _)| *time >= upper[0]);
            let later: Model = later.map(|(update, diff)| (update.clone(), *diff)).collect();
            model.retain(|(_, _, time), _| *time < upper[0]);
            assert_eq!(updates(sealed.batch), model, "round {round}");
            assert_eq!(sealed.least, later.keys().map(|(_, _, time)| *time).min(), "round {round}");
            model = later;
        }
        assert!(interrupted > 1000, "the work was put aside {interrupted} times");
    }
}
