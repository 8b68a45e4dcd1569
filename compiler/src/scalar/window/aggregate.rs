//! Aggregates over frames that move: what enters a frame is added, what leaves it is taken away.
//!
//! Sums are kept as lanes or buckets, exactly, so that taking away leaves no trace; a least or greatest value is the first of a queue in
//! which each value waits only for better ones before it to leave. What is a function of all rows in order is computed anew for
//! each frame: its result is as large as the frame.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::Value;
use super::frame::{Frames, Layout};
use crate::repr::{Arena, Datum, Row};
use crate::scalar::aggregate::{AggregateFunc, Class};
use crate::scalar::exact_sum::Partials;
use crate::scalar::{EvalError, Lane, compare, limit};

/// The most that the results of a partition take: an array of all rows up to each takes the square of their number.
const RESULTS_BYTES_MAX: usize = 2 << 30;

/// What moving a frame on costs.
const POSITION_UNITS: usize = 64;

/// The aggregate of each position's frame. `values` are the arguments of each row.
pub(super) fn results<'a>(
    func: AggregateFunc,
    layout: &Layout<'_, '_, 'a>,
    frames: &Frames,
    values: &[Value<'a>],
    arena: &'a Arena,
) -> Vec<Datum<'a>> {
    let mut frame = Moving {
        func,
        values,
        row_of: &layout.row_of,
        ranges: [0..0, 0..0, 0..0],
        errors: BTreeMap::new(),
        kept: Kept::new(func),
    };
    let mut results: Vec<Datum<'a>> = Vec::with_capacity(layout.row_of.len());
    let mut bytes = 0usize;
    for position in 0..layout.row_of.len() {
        if let Err(stopped) = arena.work(POSITION_UNITS) {
            return vec![stopped.to_cell(arena); layout.row_of.len()];
        }
        let ranges = frames.ranges(position, layout);
        let result = match results.last() {
            Some(same) if ranges == frame.ranges => *same,
            _ => {
                frame.move_to(ranges);
                frame.result(arena).unwrap_or_else(|error| error.to_cell(arena))
            }
        };
        bytes = bytes.saturating_add(limit::size(result));
        if bytes > RESULTS_BYTES_MAX {
            return vec![limit::too_large().to_cell(arena); layout.row_of.len()];
        }
        results.push(result);
    }
    results
}

/// A frame, and what is kept of the rows in it.
struct Moving<'f, 'a> {
    func: AggregateFunc,
    values: &'f [Value<'a>],
    row_of: &'f [usize],
    ranges: [Range<usize>; 3],
    /// How often each error is in the frame.
    errors: BTreeMap<&'f EvalError, usize>,
    kept: Kept<'a>,
}

enum Kept<'a> {
    Lanes {
        lanes: Vec<Lane>,
        sums: Vec<i128>,
    },
    Buckets(Partials),
    /// For each range the positions whose values can still become the best, the best first.
    Queues([VecDeque<(usize, Datum<'a>)>; 3]),
    Nothing,
}

impl Kept<'_> {
    fn new(func: AggregateFunc) -> Self {
        match func.class() {
            Class::Accumulable(lanes) => Kept::Lanes { sums: vec![0; lanes.len()], lanes },
            Class::Bucketed => Kept::Buckets(Partials::new()),
            Class::Hierarchical => Kept::Queues(Default::default()),
            Class::Basic => Kept::Nothing,
        }
    }
}

impl<'f, 'a> Moving<'f, 'a> {
    fn move_to(&mut self, ranges: [Range<usize>; 3]) {
        for (number, to) in ranges.into_iter().enumerate() {
            let from = std::mem::replace(&mut self.ranges[number], to.clone());
            let leaving = from.start..from.end.min(to.start);
            let entering = to.start.max(from.end)..to.end;
            leaving.for_each(|position| self.change(number, position, -1));
            entering.for_each(|position| self.change(number, position, 1));
        }
    }

    /// A position enters a range (1), or leaves it (-1).
    fn change(&mut self, range: usize, position: usize, diff: i64) {
        let args = match &self.values[self.row_of[position]] {
            Ok(Some(args)) => args,
            Ok(None) => return,
            Err(error) => return self.count_error(error, diff),
        };
        let value = args.first().copied().unwrap_or(Datum::Null);
        match &mut self.kept {
            Kept::Lanes { lanes, sums } => {
                for (sum, lane) in sums.iter_mut().zip(lanes) {
                    *sum = sum.wrapping_add(lane.of(value).wrapping_mul(diff as i128));
                }
            }
            Kept::Buckets(partials) => {
                self.func.scatter(value, |bucket, add| partials.add(bucket, add, diff));
            }
            Kept::Queues(_) if value.is_null() => {}
            Kept::Queues(queues) if diff > 0 => {
                let queue = &mut queues[range];
                while queue.back().is_some_and(|(_, other)| !is_better(*other, value, self.func)) {
                    queue.pop_back();
                }
                queue.push_back((position, value));
            }
            Kept::Queues(queues) => {
                if queues[range].front().is_some_and(|(first, _)| *first == position) {
                    queues[range].pop_front();
                }
            }
            Kept::Nothing => {}
        }
    }

    fn count_error(&mut self, error: &'f EvalError, diff: i64) {
        let count = self.errors.entry(error).or_default();
        *count = count.saturating_add_signed(diff as isize);
        if *count == 0 {
            self.errors.remove(error);
        }
    }

    fn result(&self, arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        if let Some((error, _)) = self.errors.first_key_value() {
            return Err((*error).clone());
        }
        match &self.kept {
            Kept::Lanes { sums, .. } => self.func.finish(sums, arena),
            Kept::Buckets(partials) => self.func.gather(partials.buckets(), arena),
            Kept::Queues(queues) => {
                let firsts = queues.iter().filter_map(|queue| queue.front()).map(|(_, value)| *value);
                let best = firsts.reduce(|a, b| if is_better(b, a, self.func) { b } else { a });
                Ok(best.unwrap_or(Datum::Null))
            }
            Kept::Nothing => {
                arena.work(self.ranges.iter().map(Range::len).sum())?;
                self.func.fold(&self.rows(), arena)
            }
        }
    }

    /// The arguments in the frame, in order.
    fn rows(&self) -> Vec<(Vec<Datum<'a>>, i64)> {
        let positions = self.ranges.iter().cloned().flatten();
        let args =
            positions.filter_map(|position| self.values[self.row_of[position]].as_ref().ok()?.as_ref());
        let seen = args.filter(|args| self.func.sees(args));
        seen.map(|args| (args.clone(), 1)).collect()
    }
}

/// Of equal values that print differently the one with the least encoding is better, as everywhere.
fn is_better(a: Datum<'_>, b: Datum<'_>, func: AggregateFunc) -> bool {
    match compare(a, b) {
        Ordering::Equal => Row::pack([a]) < Row::pack([b]),
        ordering => ordering.is_gt() == (func == AggregateFunc::Max),
    }
}
