//! Which positions of a partition a row sees.
//!
//! ```text
//!   position   0 1 2 3 4 5 6 7        row 4, its peers 3..6, frame 1..7
//!   frame        [ . . . . . )
//!   EXCLUDE      [ . ) x [ . . )      CURRENT ROW is 4 alone; GROUP leaves 1..3 and 6..7; TIES those and 4
//! ```
//! Both ends of a frame, and of what is left of it before, at and after the row's peers, only move on from row to row: what
//! is kept of a frame can be kept up by what enters and what leaves.

use std::ops::Range;

use super::{Bound, Exclude, Frame, FrameUnits, Offset, PartitionRow, RangeValue};
use crate::error::SqlState;
use crate::repr::{Arena, Datum, encode_sort_key};
use crate::scalar::{EvalError, ScalarExpr};

/// A partition by positions: each copy of a row has its own.
pub(super) struct Layout<'l, 'r, 'a> {
    pub(super) rows: &'l [PartitionRow<'r, 'a>],
    /// The row at each position.
    pub(super) row_of: Vec<usize>,
    /// The group of peers at each position.
    pub(super) group_of: Vec<usize>,
    /// Where each group begins; at the end, how many positions there are.
    group_starts: Vec<usize>,
}

impl<'l, 'r, 'a> Layout<'l, 'r, 'a> {
    pub(super) fn new(rows: &'l [PartitionRow<'r, 'a>]) -> Layout<'l, 'r, 'a> {
        let mut layout = Layout { rows, row_of: Vec::new(), group_of: Vec::new(), group_starts: Vec::new() };
        for (number, row) in rows.iter().enumerate() {
            if number == 0 || rows[number - 1].rank != row.rank {
                layout.group_starts.push(layout.row_of.len());
            }
            let copies = usize::try_from(row.copies).unwrap_or(0);
            layout.row_of.resize(layout.row_of.len() + copies, number);
            layout.group_of.resize(layout.row_of.len(), layout.group_starts.len() - 1);
        }
        layout.group_starts.push(layout.row_of.len());
        layout
    }

    /// The positions of the peers of the row at a position, itself among them.
    pub(super) fn peers(&self, position: usize) -> Range<usize> {
        let group = self.group_of[position];
        self.group_starts[group]..self.group_starts[group + 1]
    }

    /// Where a group begins; past the last one, where the partition ends.
    fn group_start(&self, group: usize) -> usize {
        let last = self.group_starts.len() - 1;
        self.group_starts[group.min(last)]
    }
}

/// The frame of each position, and what of it is excluded.
pub(super) struct Frames {
    frames: Vec<Range<usize>>,
    exclude: Exclude,
}

impl Frames {
    pub(super) fn new<'a>(
        frame: &'a Frame,
        layout: &Layout<'_, '_, 'a>,
        arena: &'a Arena,
    ) -> Result<Frames, EvalError> {
        let start = Side::new(&frame.start, frame, true, layout, arena)?;
        let end = Side::new(&frame.end, frame, false, layout, arena)?;
        let mut frames = Vec::with_capacity(layout.row_of.len());
        let (mut first, mut last) = (0, 0);
        for position in 0..layout.row_of.len() {
            // An order that adding to does not keep, as at a change of the clock, does not move a frame back.
            first = start.of(position, layout).max(first);
            last = end.of(position, layout).max(last).max(first);
            frames.push(first..last);
        }
        Ok(Frames { frames, exclude: frame.exclude })
    }

    /// The positions that the row at a position sees, in order; some of the ranges may be empty.
    pub(super) fn ranges(&self, position: usize, layout: &Layout<'_, '_, '_>) -> [Range<usize>; 3] {
        let frame = self.frames[position].clone();
        let without = |excluded: Range<usize>, kept: Range<usize>| {
            [clip(&frame, 0..excluded.start), clip(&frame, kept), clip(&frame, excluded.end..usize::MAX)]
        };
        let nothing = position..position;
        match self.exclude {
            Exclude::NoOthers => [frame.clone(), frame.end..frame.end, frame.end..frame.end],
            Exclude::CurrentRow => without(position..position + 1, nothing),
            Exclude::Group => without(layout.peers(position), nothing),
            Exclude::Ties => without(layout.peers(position), position..position + 1),
        }
    }
}

/// The part of a range that lies in the frame; where there is none, an empty one that moves on as they do.
fn clip(frame: &Range<usize>, range: Range<usize>) -> Range<usize> {
    let start = range.start.clamp(frame.start, frame.end);
    start..range.end.clamp(start, frame.end)
}

/// One end of the frames: the first position in it, or the first after it.
enum Side {
    Partition(bool),
    Row(i64),
    Group(i64),
    /// Of each row.
    Values(Vec<usize>),
}

impl Side {
    fn new<'a>(
        bound: &'a Bound,
        frame: &'a Frame,
        is_start: bool,
        layout: &Layout<'_, '_, 'a>,
        arena: &'a Arena,
    ) -> Result<Side, EvalError> {
        let by = |distance: i64| match frame.units {
            FrameUnits::Rows => Side::Row(distance),
            FrameUnits::Range | FrameUnits::Groups => Side::Group(distance),
        };
        let offset = |offset: &'a Offset, sign: i64| {
            let size = known(offset, is_start, arena)?;
            match (&offset.limit, &frame.value, size) {
                (Some(limit), Some(value), _) => {
                    let far = Far { limit, value, is_start, layout, arena };
                    Ok(Side::Values(far.ends()?))
                }
                (_, _, Datum::Int(size)) => Ok(by(sign.saturating_mul(size))),
                _ => Err(EvalError::internal("a frame's offset is no number of rows")),
            }
        };
        let side = match bound {
            Bound::UnboundedPreceding => Side::Partition(true),
            Bound::UnboundedFollowing => Side::Partition(false),
            Bound::CurrentRow => by(0),
            Bound::Preceding(size) => offset(size, -1)?,
            Bound::Following(size) => offset(size, 1)?,
        };
        Ok(side.counted(is_start))
    }

    /// An end is the first place that is not in the frame any more.
    fn counted(self, is_start: bool) -> Side {
        match self {
            Side::Row(distance) if !is_start => Side::Row(distance.saturating_add(1)),
            Side::Group(distance) if !is_start => Side::Group(distance.saturating_add(1)),
            side => side,
        }
    }

    fn of(&self, position: usize, layout: &Layout<'_, '_, '_>) -> usize {
        let total = layout.row_of.len();
        let moved = |from: usize, by: i64, most: usize| {
            usize::try_from((from as i64).saturating_add(by)).unwrap_or(0).min(most)
        };
        match self {
            Side::Partition(first) => {
                if *first {
                    0
                } else {
                    total
                }
            }
            Side::Row(distance) => moved(position, *distance, total),
            Side::Group(distance) => layout.group_start(moved(layout.group_of[position], *distance, total)),
            Side::Values(ends) => ends[layout.row_of[position]],
        }
    }
}

/// An offset's size, unless it is none.
fn known<'a>(offset: &'a Offset, is_start: bool, arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
    let which = if is_start { "starting" } else { "ending" };
    let size = offset.size.eval(&[], arena)?;
    let invalid =
        |message: String| Err(EvalError::new(SqlState::INVALID_PRECEDING_OR_FOLLOWING_SIZE, message));
    match (size, &offset.invalid) {
        (Datum::Null, _) => Err(EvalError::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("frame {which} offset must not be null"),
        )),
        (_, Some(test)) if matches!(test.eval(&[], arena)?, Datum::Bool(true)) => {
            invalid("invalid preceding or following size in window function".to_owned())
        }
        (Datum::Int(size), None) if size < 0 => invalid(format!("frame {which} offset must not be negative")),
        (size, _) => Ok(size),
    }
}

/// RANGE with an offset: how far each row's value reaches.
struct Far<'f, 'l, 'r, 'a> {
    limit: &'a ScalarExpr,
    value: &'a RangeValue,
    is_start: bool,
    layout: &'f Layout<'l, 'r, 'a>,
    arena: &'a Arena,
}

impl<'a> Far<'_, '_, '_, 'a> {
    /// For each row, the first position whose value is not before the limit; of an end, the first whose value is after it.
    fn ends(&self) -> Result<Vec<usize>, EvalError> {
        let rows = self.layout.rows;
        let values: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| Ok(self.key(&self.value.expr, row)?.1))
            .collect::<Result<_, EvalError>>()?;
        let mut first_positions = vec![0];
        for row in rows {
            let copies = usize::try_from(row.copies).unwrap_or(0);
            first_positions.push(first_positions[first_positions.len() - 1] + copies);
        }
        let mut ends = Vec::with_capacity(rows.len());
        for (row, own) in rows.iter().zip(&values) {
            let (is_null, limit) = self.key(self.limit, row)?;
            // NULL is as far from itself as from anything: its peers are all that it sees.
            let limit = if is_null { own } else { &limit };
            let end =
                values.partition_point(|value| if self.is_start { value < limit } else { value <= limit });
            ends.push(first_positions[end]);
        }
        Ok(ends)
    }

    /// Whether the expression is NULL in a row, and its place in the order.
    fn key(&self, expr: &'a ScalarExpr, row: &PartitionRow<'_, 'a>) -> Result<(bool, Vec<u8>), EvalError> {
        let datum = expr.eval(&row.datums, self.arena)?;
        let mut key = Vec::new();
        encode_sort_key(datum, self.value.desc, self.value.nulls_first, &mut key);
        Ok((datum.is_null(), key))
    }
}
