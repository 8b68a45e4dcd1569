//! Window functions: functions of a row and of the rows around it, in the order of its partition.
//!
//! [`evaluate`] is the meaning: from a partition's rows in order to the results beside each. The interpreter and the renderer run it
//! alike, on the partitions that a change has touched, so it takes time and memory of the order of the partition: what a frame holds
//! is kept up ([`aggregate`]) as the frame moves on with its row, never added up anew.
//!
//! Rows that no ORDER BY tells apart (*peers*) stand in the order of their own bytes, so that answers do not depend on who computes
//! them. An error in a row's argument makes an error of each result that sees the row; a row whose place or whose partition
//! cannot be computed makes errors of all results of the partition.

mod aggregate;
mod frame;

use serde::{Deserialize, Serialize};

use self::frame::{Frames, Layout};
use super::aggregate::AggregateFunc;
use super::{ArgType, EvalError, ScalarExpr, SortKey};
use crate::error::SqlState;
use crate::repr::row::RowBuf;
use crate::repr::{Arena, ColumnType, Datum, Row, Type, encode_sort_key};

/// A call over a window; its expressions are over the rows of the window's input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowExpr {
    pub func: WindowFunc,
    pub args: Vec<ScalarExpr>,
    /// Only rows for which this is true count; for aggregates.
    pub filter: Option<ScalarExpr>,
    pub frame: Frame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WindowFunc {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    /// The number of buckets.
    Ntile,
    /// A value, by how many rows, what there is outside of the partition.
    Lag,
    Lead,
    FirstValue,
    LastValue,
    /// A value and a number.
    NthValue,
    Aggregate(AggregateFunc),
}

/// The rows that a function sees, relative to its own. `E` are expressions: the binder's hold subqueries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Frame<E = ScalarExpr> {
    pub units: FrameUnits,
    pub start: Bound<E>,
    pub end: Bound<E>,
    pub exclude: Exclude,
    /// With offsets in RANGE.
    pub value: Option<RangeValue<E>>,
}

/// The one value that a window is ordered by, of the type of its frame's limits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RangeValue<E = ScalarExpr> {
    pub expr: E,
    pub desc: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrameUnits {
    Rows,
    Range,
    Groups,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Bound<E = ScalarExpr> {
    UnboundedPreceding,
    Preceding(Offset<E>),
    CurrentRow,
    Following(Offset<E>),
    UnboundedFollowing,
}

/// How far a frame reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset<E = ScalarExpr> {
    /// So many rows or groups, as an int8; of RANGE, the distance. It reads no column.
    pub size: E,
    /// Of RANGE: the value that far from the row's own.
    pub limit: Option<E>,
    /// Of RANGE: whether the size is no distance.
    pub invalid: Option<E>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exclude {
    NoOthers,
    CurrentRow,
    /// The row and its peers.
    Group,
    /// The row's peers.
    Ties,
}

impl<E> Frame<E> {
    /// Without a frame clause: up to the row's last peer.
    pub fn default_frame() -> Frame<E> {
        Frame {
            units: FrameUnits::Range,
            start: Bound::UnboundedPreceding,
            end: Bound::CurrentRow,
            exclude: Exclude::NoOthers,
            value: None,
        }
    }

    fn offsets(&self) -> impl Iterator<Item = &Offset<E>> {
        [&self.start, &self.end].into_iter().filter_map(|bound| match bound {
            Bound::Preceding(offset) | Bound::Following(offset) => Some(offset),
            _ => None,
        })
    }

    /// Its expressions, in the order in which [`Frame::map`] visits them.
    pub fn exprs(&self) -> impl Iterator<Item = &E> {
        let offsets = self.offsets().flat_map(|o| [Some(&o.size), o.limit.as_ref(), o.invalid.as_ref()]);
        offsets.flatten().chain(self.value.iter().map(|value| &value.expr))
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut E> {
        let mut found = Vec::new();
        for bound in [&mut self.start, &mut self.end] {
            if let Bound::Preceding(offset) | Bound::Following(offset) = bound {
                found.push(&mut offset.size);
                found.extend(offset.limit.as_mut());
                found.extend(offset.invalid.as_mut());
            }
        }
        found.extend(self.value.iter_mut().map(|value| &mut value.expr));
        found.into_iter()
    }

    /// The frame with other expressions.
    pub fn map<F>(&self, f: &mut impl FnMut(&E) -> F) -> Frame<F> {
        Frame {
            units: self.units,
            start: self.start.map(f),
            end: self.end.map(f),
            exclude: self.exclude,
            value: self.value.as_ref().map(|value| RangeValue {
                expr: f(&value.expr),
                desc: value.desc,
                nulls_first: value.nulls_first,
            }),
        }
    }

    /// Whether a row's frame can be told without knowing how its peers stand among themselves.
    fn ignores_ties(&self) -> bool {
        let whole = |bound: &Bound<E>| matches!(bound, Bound::UnboundedPreceding | Bound::UnboundedFollowing);
        let by_peers = self.units != FrameUnits::Rows || whole(&self.start) && whole(&self.end);
        by_peers && matches!(self.exclude, Exclude::NoOthers | Exclude::Group)
    }

    /// Whether a frame ends with its row or before it; `by_peers`: with its row's last peer or before that.
    fn ends_by_row(&self, by_peers: bool) -> bool {
        match &self.end {
            Bound::UnboundedFollowing | Bound::Following(_) => false,
            Bound::UnboundedPreceding | Bound::Preceding(_) => true,
            Bound::CurrentRow => by_peers || self.units == FrameUnits::Rows,
        }
    }
}

impl<E> Bound<E> {
    fn map<F>(&self, f: &mut impl FnMut(&E) -> F) -> Bound<F> {
        let mut offset = |offset: &Offset<E>| Offset {
            size: f(&offset.size),
            limit: offset.limit.as_ref().map(&mut *f),
            invalid: offset.invalid.as_ref().map(&mut *f),
        };
        match self {
            Bound::UnboundedPreceding => Bound::UnboundedPreceding,
            Bound::Preceding(by) => Bound::Preceding(offset(by)),
            Bound::CurrentRow => Bound::CurrentRow,
            Bound::Following(by) => Bound::Following(offset(by)),
            Bound::UnboundedFollowing => Bound::UnboundedFollowing,
        }
    }
}

impl WindowFunc {
    /// Whether it looks at the rows of its frame; the others look at their partition.
    pub fn uses_frame(self) -> bool {
        use WindowFunc::*;
        matches!(self, FirstValue | LastValue | NthValue | Aggregate(_))
    }

    pub fn result_type(self, args: &[Type]) -> Type {
        use WindowFunc::*;
        match self {
            RowNumber | Rank | DenseRank => Type::Int8,
            PercentRank | CumeDist => Type::Float8,
            Ntile => Type::Int4,
            Lag | Lead | FirstValue | LastValue | NthValue => args[0].without_typmod(),
            Aggregate(func) => func.result_type(args),
        }
    }

    /// Whether the result can be NULL.
    pub fn maybe_null(self) -> bool {
        use WindowFunc::*;
        match self {
            RowNumber | Rank | DenseRank | PercentRank | CumeDist => false,
            Ntile | Lag | Lead | FirstValue | LastValue | NthValue => true,
            Aggregate(func) => func.is_null_of_nothing(),
        }
    }
}

impl WindowExpr {
    /// All expressions over the input.
    pub fn exprs(&self) -> impl Iterator<Item = &ScalarExpr> {
        self.args.iter().chain(&self.filter).chain(self.frame.exprs())
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut ScalarExpr> {
        self.args.iter_mut().chain(&mut self.filter).chain(self.frame.exprs_mut())
    }

    /// The input columns that the result depends on, apart from the order and the partition.
    pub fn support(&self) -> std::collections::BTreeSet<usize> {
        self.exprs().flat_map(ScalarExpr::support).collect()
    }

    pub fn typ(&self, input: &[ColumnType]) -> ColumnType {
        let args: Vec<Type> = self.args.iter().map(|arg| arg.typ(input).typ).collect();
        ColumnType::new(self.func.result_type(&args), self.func.maybe_null())
    }

    /// Whether the results do not depend on how peers stand among themselves. (What an aggregate makes of an order does.)
    pub fn ignores_ties(&self) -> bool {
        use WindowFunc::*;
        match self.func {
            Rank | DenseRank | PercentRank | CumeDist => true,
            RowNumber | Ntile | Lag | Lead | FirstValue | LastValue | NthValue => false,
            Aggregate(func) => self.frame.ignores_ties() && !func.depends_on_order(),
        }
    }

    /// Whether a row's result stays the same when rows behind it are taken away; `by_peers`: behind its last peer.
    pub fn looks_back_only(&self, by_peers: bool) -> bool {
        use WindowFunc::*;
        let back_by_rows = |offset: Option<&ScalarExpr>| match offset.and_then(ScalarExpr::as_literal) {
            Some(Ok(Datum::Int(offset))) => offset >= 0,
            _ => offset.is_none(),
        };
        match self.func {
            RowNumber | Rank | DenseRank => true,
            Lag => back_by_rows(self.args.get(1)),
            PercentRank | CumeDist | Ntile | Lead => false,
            FirstValue | LastValue | NthValue | Aggregate(_) => self.frame.ends_by_row(by_peers),
        }
    }

    /// Whether a result can be an error though no argument is one.
    pub fn could_fail(&self) -> bool {
        use WindowFunc::*;
        let known = |expr: &ScalarExpr, least: i64| matches!(expr.as_literal(), Some(Ok(Datum::Int(value))) if value >= least);
        let frame_fails = self.frame.offsets().any(|o| o.limit.is_some() || !known(&o.size, 0));
        match self.func {
            RowNumber | Rank | DenseRank | PercentRank | CumeDist | Lag | Lead => false,
            Ntile => !known(&self.args[0], 1),
            FirstValue | LastValue => frame_fails,
            NthValue => frame_fails || !known(&self.args[1], 1),
            Aggregate(_) => frame_fails,
        }
    }
}

/// A row of a partition, in its place.
pub struct PartitionRow<'r, 'a> {
    /// What ORDER BY's values encode to: peers have the same.
    pub rank: &'r [u8],
    pub datums: Vec<Datum<'a>>,
    /// How often it is there.
    pub copies: i64,
}

/// More rows than this are not numbered one by one.
const ROWS_MAX: i64 = 1 << 30;

/// What the functions give beside each row of a partition. `emit` is given the row's number, its results packed and how many copies
/// of the row have them. `failed` is the error of a partition whose key or order is one.
pub fn evaluate<'a>(
    functions: &'a [WindowExpr],
    rows: &[PartitionRow<'_, 'a>],
    failed: Option<EvalError>,
    arena: &'a Arena,
    emit: &mut dyn FnMut(usize, &[u8], i64),
) {
    let total = rows.iter().fold(0i64, |sum, row| sum.saturating_add(row.copies));
    let too_many = (total > ROWS_MAX).then(|| {
        EvalError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "too many rows in a window's partition")
            .detail(format!("A partition has at most {ROWS_MAX} rows."))
    });
    if let Some(error) = failed.or(too_many) {
        let mut packed = RowBuf::default();
        functions.iter().for_each(|_| packed.push(error.to_cell(arena)));
        rows.iter().enumerate().for_each(|(number, row)| emit(number, packed.bytes(), row.copies));
        return;
    }
    let layout = Layout::new(rows);
    let results: Vec<Vec<Datum<'a>>> =
        functions.iter().map(|function| Evaluation { function, layout: &layout, arena }.results()).collect();
    emit_results(&layout, &results, emit);
}

/// A partition whose rows come one by one, in any order.
#[derive(Default)]
pub struct Partition<'r> {
    /// Each after its place in the order.
    rows: Vec<(Vec<u8>, &'r Row, i64)>,
    failed: Option<EvalError>,
}

impl<'r> Partition<'r> {
    /// Adds a row, in which these columns are the partition's key.
    pub fn add(
        &mut self,
        (row, copies): (&'r Row, i64),
        key: impl IntoIterator<Item = usize>,
        order: &[SortKey],
        arena: &Arena,
    ) {
        let datums = row.unpack();
        let (mut place, mut rank) = (Vec::new(), Vec::new());
        place.extend(key.into_iter().map(|column| datums[column]));
        for key in order {
            let value = key.expr.eval(&datums, arena).unwrap_or_else(|error| error.to_cell(arena));
            encode_sort_key(value, key.desc, key.nulls_first, &mut rank);
            place.push(value);
        }
        let errors = place.into_iter().filter_map(|datum| match datum {
            Datum::Error(error) => Some(error.to_owned()),
            _ => None,
        });
        self.failed = errors.chain(self.failed.take()).min();
        self.rows.push((rank, row, copies));
    }

    /// Its rows with what the functions give beside each.
    pub fn evaluate<'a>(mut self, functions: &'a [WindowExpr], arena: &'a Arena) -> Vec<(Row, i64)>
    where
        'r: 'a,
    {
        self.rows.sort();
        let placed: Vec<PartitionRow<'_, '_>> = self
            .rows
            .iter()
            .map(|(rank, row, copies)| PartitionRow { rank, datums: row.unpack(), copies: *copies })
            .collect();
        let mut rows = Vec::new();
        evaluate(functions, &placed, self.failed, arena, &mut |number, results, copies| {
            let mut packed = RowBuf::default();
            packed.extend(self.rows[number].1.bytes());
            packed.extend(results);
            rows.push((packed.into_row(), copies));
        });
        rows
    }
}

/// Copies of a row that have the same results are one.
fn emit_results(
    layout: &Layout<'_, '_, '_>,
    results: &[Vec<Datum<'_>>],
    emit: &mut dyn FnMut(usize, &[u8], i64),
) {
    let (mut packed, mut next) = (RowBuf::default(), RowBuf::default());
    let mut open: Option<(usize, i64)> = None;
    for (position, row) in layout.row_of.iter().copied().enumerate() {
        next.clear();
        results.iter().for_each(|column| next.push(column[position]));
        match &mut open {
            Some((number, copies)) if *number == row && packed.bytes() == next.bytes() => *copies += 1,
            _ => {
                if let Some((number, copies)) = open.replace((row, 1)) {
                    emit(number, packed.bytes(), copies);
                }
                std::mem::swap(&mut packed, &mut next);
            }
        }
    }
    if let Some((number, copies)) = open {
        emit(number, packed.bytes(), copies);
    }
}

/// One function at work on a partition.
struct Evaluation<'e, 'a> {
    function: &'a WindowExpr,
    layout: &'e Layout<'e, 'e, 'a>,
    arena: &'a Arena,
}

impl<'a> Evaluation<'_, 'a> {
    /// The result at each position.
    fn results(&self) -> Vec<Datum<'a>> {
        use WindowFunc::*;
        let total = self.layout.row_of.len();
        let positions = 0..total;
        let group = |position: usize| self.layout.group_of[position];
        let int = |value: usize| Datum::Int(value as i64);
        let part = |part: usize, of: usize| Datum::Float(if of == 0 { 0.0 } else { part as f64 / of as f64 });
        match self.function.func {
            RowNumber => positions.map(|position| int(position + 1)).collect(),
            Rank => positions.map(|position| int(self.layout.peers(position).start + 1)).collect(),
            DenseRank => positions.map(|position| int(group(position) + 1)).collect(),
            PercentRank => {
                positions.map(|position| part(self.layout.peers(position).start, total - 1)).collect()
            }
            CumeDist => positions.map(|position| part(self.layout.peers(position).end, total)).collect(),
            Ntile => self.ntile(),
            Lag => self.shifted(-1),
            Lead => self.shifted(1),
            FirstValue | LastValue | NthValue => self.framed(|frames| self.picked(frames)),
            Aggregate(func) => self.framed(|frames| {
                let values = self.values(self.function.filter.as_ref());
                aggregate::results(func, self.layout, frames, &values, self.arena)
            }),
        }
    }

    /// What is computed of frames, unless these cannot be.
    fn framed(&self, of: impl FnOnce(&Frames) -> Vec<Datum<'a>>) -> Vec<Datum<'a>> {
        match Frames::new(&self.function.frame, self.layout, self.arena) {
            Ok(frames) => of(&frames),
            Err(error) => vec![error.to_cell(self.arena); self.layout.row_of.len()],
        }
    }

    /// An argument's value in each row, or its error as a cell.
    fn argument(&self, number: usize) -> Vec<Datum<'a>> {
        let value = |datums: &[Datum<'a>]| match self.function.args[number].eval(datums, self.arena) {
            Ok(datum) => datum,
            Err(error) => error.to_cell(self.arena),
        };
        self.layout.rows.iter().map(|row| value(&row.datums)).collect()
    }

    /// The arguments of each row that the filter lets through.
    fn values(&self, filter: Option<&'a ScalarExpr>) -> Vec<Value<'a>> {
        let value = |datums: &[Datum<'a>]| -> Value<'a> {
            if let Some(filter) = filter
                && !matches!(filter.eval(datums, self.arena)?, Datum::Bool(true))
            {
                return Ok(None);
            }
            let args = self.function.args.iter().map(|arg| arg.eval(datums, self.arena));
            args.collect::<Result<Vec<_>, _>>().map(Some)
        };
        self.layout.rows.iter().map(|row| value(&row.datums)).collect()
    }

    /// The first rows' buckets are greater by one until the remainder is used up. NULL, as long as the number of buckets is.
    fn ntile(&self) -> Vec<Datum<'a>> {
        let buckets = self.argument(0);
        let total = self.layout.row_of.len();
        let mut begun: Option<(usize, usize)> = None;
        let mut results = Vec::with_capacity(total);
        for (position, row) in self.layout.row_of.iter().enumerate() {
            let (first, buckets) = match (begun, buckets[*row]) {
                (Some(begun), _) => begun,
                (None, Datum::Int(buckets)) if buckets > 0 => *begun.insert((position, buckets as usize)),
                (None, Datum::Int(_)) => {
                    let message = "argument of ntile must be greater than zero";
                    let error = EvalError::new(SqlState::INVALID_ARGUMENT_FOR_NTILE, message);
                    results.push(error.to_cell(self.arena));
                    continue;
                }
                (None, other) => {
                    results.push(other);
                    continue;
                }
            };
            results.push(Datum::Int(bucket(position - first, total, buckets) as i64));
        }
        results
    }

    /// The first argument so many rows away; the third where there is none.
    fn shifted(&self, direction: i64) -> Vec<Datum<'a>> {
        let values = self.argument(0);
        let offsets = (self.function.args.len() > 1).then(|| self.argument(1));
        let defaults = (self.function.args.len() > 2).then(|| self.argument(2));
        let at = |(position, row): (usize, &usize)| {
            let offset = match offsets.as_ref().map(|offsets| offsets[*row]) {
                None => 1,
                Some(Datum::Int(offset)) => offset,
                Some(other) => return other,
            };
            let wanted = (position as i64).saturating_add(direction.saturating_mul(offset));
            match usize::try_from(wanted).ok().and_then(|wanted| self.layout.row_of.get(wanted)) {
                Some(row) => values[*row],
                None => defaults.as_ref().map_or(Datum::Null, |defaults| defaults[*row]),
            }
        };
        self.layout.row_of.iter().enumerate().map(at).collect()
    }

    /// The first, last or n-th value of the frame.
    fn picked(&self, frames: &Frames) -> Vec<Datum<'a>> {
        let values = self.argument(0);
        let numbers = (self.function.func == WindowFunc::NthValue).then(|| self.argument(1));
        let at = |(position, row): (usize, &usize)| {
            let ranges = frames.ranges(position, self.layout);
            let position = match (self.function.func, numbers.as_ref().map(|numbers| numbers[*row])) {
                (_, Some(Datum::Int(number))) if number > 0 => nth(&ranges, number as usize - 1),
                (_, Some(Datum::Int(_))) => {
                    let message = "argument of nth_value must be greater than zero";
                    let error = EvalError::new(SqlState::INVALID_ARGUMENT_FOR_NTH_VALUE, message);
                    return error.to_cell(self.arena);
                }
                (_, Some(other)) => return other,
                (WindowFunc::LastValue, None) => {
                    ranges.iter().rev().find(|range| !range.is_empty()).map(|range| range.end - 1)
                }
                (_, None) => nth(&ranges, 0),
            };
            position.map_or(Datum::Null, |position| values[self.layout.row_of[position]])
        };
        self.layout.row_of.iter().enumerate().map(at).collect()
    }
}

/// The arguments of a row, if its filter lets it through.
type Value<'a> = Result<Option<Vec<Datum<'a>>>, EvalError>;

/// The n-th of the positions in ranges, from 0.
fn nth(ranges: &[std::ops::Range<usize>], mut number: usize) -> Option<usize> {
    for range in ranges {
        if number < range.len() {
            return Some(range.start + number);
        }
        number -= range.len();
    }
    None
}

/// Which of `buckets` buckets, from 1, the row after `before` others is in, of `total` rows.
fn bucket(before: usize, total: usize, buckets: usize) -> usize {
    let (small, greater) = (total / buckets, total % buckets);
    if small == 0 {
        return before + 1;
    }
    let in_greater = greater * (small + 1);
    match before < in_greater {
        true => before / (small + 1) + 1,
        false => greater + (before - in_greater) / small + 1,
    }
}

/// A window function as SQL names it; aggregates are window functions too.
pub struct WindowFunction {
    pub name: &'static str,
    pub args: &'static [ArgType],
    pub result: ArgType,
    pub func: WindowFunc,
    /// One sentence on what it does.
    pub doc: &'static str,
    /// Arguments, a row each, in a partition ordered by the first; and what it gives beside them.
    pub example: (&'static [&'static [&'static str]], &'static [&'static str]),
}

/// The overloads of a window function's name.
pub fn window_functions_named(name: &str) -> impl Iterator<Item = &'static WindowFunction> {
    WINDOW_FUNCTIONS.iter().filter(move |function| function.name == name)
}

/// Every window function that is no aggregate.
pub fn all_window_functions() -> impl Iterator<Item = &'static WindowFunction> {
    WINDOW_FUNCTIONS.iter()
}

macro_rules! window_functions {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal ( $($arg:tt),* ) -> $ret:tt = $func:expr, $([$($example:literal),*])* => $([$result:literal])*;
    )*) => {
        static WINDOW_FUNCTIONS: &[WindowFunction] = &[$(WindowFunction {
            name: $name,
            args: &[$(super::declare::arg_type!($arg)),*],
            result: super::declare::arg_type!($ret),
            func: $func,
            doc: concat!($($doc),+),
            example: (&[$(&[$($example),*]),*], &[$($result),*]),
        }),*];
    };
}

window_functions! {
    /// The number of the row in its partition, from 1.
    "row_number"() -> Int8 = WindowFunc::RowNumber, [] [] => ["1"] ["2"];
    /// The row number of the first peer.
    "rank"() -> Int8 = WindowFunc::Rank, [] [] => ["1"] ["1"];
    /// The number of the row's group of peers, from 1.
    "dense_rank"() -> Int8 = WindowFunc::DenseRank, [] [] => ["1"] ["1"];
    /// The rank, less 1, as part of the other rows.
    "percent_rank"() -> Float8 = WindowFunc::PercentRank, [] [] => ["0"] ["0"];
    /// The part of the rows that are peers or stand before.
    "cume_dist"() -> Float8 = WindowFunc::CumeDist, [] [] => ["1"] ["1"];
    /// The bucket of the row, from 1, of so many that are as equal as can be.
    "ntile"(Int4) -> Int4 = WindowFunc::Ntile, ["2"] ["2"] ["2"] => ["1"] ["1"] ["2"];
    /// The value one row before.
    "lag"(AnyElement) -> AnyElement = WindowFunc::Lag, ["1"] ["2"] => ["NULL"] ["1"];
    /// The value so many rows before.
    "lag"(AnyElement, Int4) -> AnyElement = WindowFunc::Lag, ["1", "2"] ["2", "0"] => ["NULL"] ["2"];
    /// The value so many rows before, or the given one where there is no such row.
    "lag"(AnyElement, Int4, AnyElement) -> AnyElement = WindowFunc::Lag, ["1", "1", "0"] ["2", "1", "0"] => ["0"] ["1"];
    /// The value one row after.
    "lead"(AnyElement) -> AnyElement = WindowFunc::Lead, ["1"] ["2"] => ["2"] ["NULL"];
    /// The value so many rows after.
    "lead"(AnyElement, Int4) -> AnyElement = WindowFunc::Lead, ["1", "1"] ["2", "-1"] => ["2"] ["1"];
    /// The value so many rows after, or the given one where there is no such row.
    "lead"(AnyElement, Int4, AnyElement) -> AnyElement = WindowFunc::Lead, ["1", "1", "0"] ["2", "1", "0"] => ["2"] ["0"];
    /// The value in the frame's first row.
    "first_value"(AnyElement) -> AnyElement = WindowFunc::FirstValue, ["1"] ["2"] => ["1"] ["1"];
    /// The value in the frame's last row.
    "last_value"(AnyElement) -> AnyElement = WindowFunc::LastValue, ["1"] ["2"] => ["1"] ["2"];
    /// The value in the frame's row of this number, from 1.
    "nth_value"(AnyElement, Int4) -> AnyElement = WindowFunc::NthValue, ["1", "2"] ["2", "2"] => ["NULL"] ["2"];
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn buckets_are_as_equal_as_can_be() {
        let buckets =
            |total: usize, of: usize| (0..total).map(|at| bucket(at, total, of)).collect::<Vec<_>>();
        assert_eq!(buckets(7, 3), [1, 1, 1, 2, 2, 3, 3]);
        assert_eq!(buckets(6, 3), [1, 1, 2, 2, 3, 3]);
        assert_eq!(buckets(2, 5), [1, 2]);
        assert_eq!(buckets(3, 1), [1, 1, 1]);
    }
}
