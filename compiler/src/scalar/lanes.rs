//! Lanes of sums: what accumulable aggregates keep per group.
//!
//! A lane is a function from a value to an i128, summed over the group with multiplicities. Every lane of 2^63 rows fits
//! its i128, so sums are exact and retractions cancel. Equal lanes of equal arguments may be kept once.

use bumpalo::Bump;
use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

use super::EvalError;
use super::aggregate::{AggregateFunc, StaticNumeric};
use super::variance::{Measured, VarianceOf};
use crate::error::SqlState;
use crate::repr::{Datum, Interval, Numeric, NumericBuf};

/// What a value adds to a sum; NULL always adds 0, except to `Rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// 1 for every row.
    Rows,
    /// 1 for a value.
    NonNull,
    /// The integer itself.
    Int,
    /// The numeric as a whole number of 10^-scale, when it has at most 18 digits.
    Scaled(u16),
    /// The low 64 bits of that number, and the rest, when it has more.
    ScaledLow(u16),
    ScaledHigh(u16),
    /// The low 64 bits of the integer's square, and the rest.
    SquareLow,
    SquareHigh,
    /// 1 for NaN.
    NaN,
    /// 1 for true.
    True,
    /// The parts of an interval.
    Months,
    Days,
    Micros,
}

/// The most digits of a static numeric whose sum is kept in lanes: what an i128 holds.
pub const DIGITS_MAX: u16 = 38;
/// The most that a single lane can sum 2^63 of.
const DIGITS_ONE_LANE: u16 = 18;

impl Lane {
    /// What one value adds.
    #[inline]
    pub fn of(self, value: Datum<'_>) -> i128 {
        match (self, value) {
            (Lane::Rows, _) => 1,
            (_, Datum::Null) => 0,
            (Lane::NonNull, _) => 1,
            (Lane::Int, Datum::Int(value)) => value as i128,
            (Lane::SquareLow, Datum::Int(value)) => square(value) & u64::MAX as i128,
            (Lane::SquareHigh, Datum::Int(value)) => square(value) >> 64,
            (Lane::Scaled(scale), Datum::Numeric(value)) => scaled(value, scale),
            (Lane::ScaledLow(scale), Datum::Numeric(value)) => scaled(value, scale) & u64::MAX as i128,
            (Lane::ScaledHigh(scale), Datum::Numeric(value)) => scaled(value, scale) >> 64,
            (Lane::NaN, Datum::Numeric(value)) => value.is_nan() as i128,
            (Lane::True, Datum::Bool(value)) => value as i128,
            (Lane::Months, Datum::Interval(value)) => value.months as i128,
            (Lane::Days, Datum::Interval(value)) => value.days as i128,
            (Lane::Micros, Datum::Interval(value)) => value.micros as i128,
            _ => 0,
        }
    }
}

#[inline]
fn square(value: i64) -> i128 {
    value as i128 * value as i128
}

/// The whole number that a value of a static scale is; nothing for NaN, which has its own lane.
#[inline]
fn scaled(value: Numeric<'_>, scale: u16) -> i128 {
    let scaled = value.to_scaled_i128(scale);
    debug_assert!(scaled.is_some() || value.is_nan(), "invariant: {value:?} has the static scale {scale}");
    scaled.unwrap_or(0)
}

/// The lanes of an accumulable aggregate.
pub(super) fn of(func: AggregateFunc) -> Vec<Lane> {
    use AggregateFunc::*;
    match func {
        CountStar => vec![Lane::Rows],
        Count => vec![Lane::NonNull],
        SumInt4 | SumInt8 | AvgInt => vec![Lane::NonNull, Lane::Int],
        SumNumeric(Some(known)) | AvgNumeric(Some(known)) => {
            let mut lanes = vec![Lane::NonNull, Lane::NaN];
            match known.digits <= DIGITS_ONE_LANE {
                true => lanes.push(Lane::Scaled(known.scale)),
                false => lanes.extend([Lane::ScaledLow(known.scale), Lane::ScaledHigh(known.scale)]),
            }
            lanes
        }
        Variance(VarianceOf { values: Measured::Integers, .. }) => {
            vec![Lane::NonNull, Lane::Int, Lane::SquareLow, Lane::SquareHigh]
        }
        SumInterval | AvgInterval => vec![Lane::NonNull, Lane::Months, Lane::Days, Lane::Micros],
        BoolAnd | BoolOr => vec![Lane::NonNull, Lane::True],
        _ => Vec::new(),
    }
}

/// The result of summed lanes.
pub(super) fn finish<'a>(
    func: AggregateFunc,
    sums: &[i128],
    arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    use AggregateFunc::*;
    let count = sums[0];
    if count == 0 && func.is_null_of_nothing() {
        return Ok(Datum::Null);
    }
    match func {
        CountStar | Count => integer(count),
        SumInt4 => integer(sums[1]),
        SumInt8 => Ok(Datum::Numeric(Numeric::from_scaled(sums[1], 0))),
        AvgInt => mean(Numeric::from_scaled(sums[1], 0), count, arena),
        SumNumeric(known) => Ok(Datum::Numeric(scaled_sum(known, sums, arena))),
        AvgNumeric(known) => mean(scaled_sum(known, sums, arena), count, arena),
        SumInterval => interval_sum(sums).map(Datum::Interval),
        AvgInterval => interval_sum(sums)?.checked_div(count as f64).map(Datum::Interval),
        Variance(variance) => variance.of_lanes(sums, arena),
        BoolAnd => Ok(Datum::Bool(sums[1] == count)),
        BoolOr => Ok(Datum::Bool(sums[1] > 0)),
        _ => Err(EvalError::internal("an aggregate without lanes was finished as one with")),
    }
}

pub(super) fn integer<'a>(value: i128) -> Result<Datum<'a>, EvalError> {
    i64::try_from(value).map(Datum::Int).map_err(|_| EvalError::out_of_range("bigint"))
}

pub(super) fn mean<'a>(sum: Numeric<'a>, count: i128, arena: &'a Bump) -> Result<Datum<'a>, EvalError> {
    sum.div(Numeric::from_scaled(count, 0), arena).map(Datum::Numeric)
}

/// The sum kept in lanes: (count, NaNs, sum) or (count, NaNs, low halves, high halves).
fn scaled_sum<'a>(known: Option<StaticNumeric>, sums: &[i128], arena: &'a Bump) -> Numeric<'a> {
    let scale = known.map_or(0, |known| known.scale);
    match *sums {
        [_, nans, ..] if nans != 0 => Numeric::NAN,
        [_, _, sum] => Numeric::from_scaled(sum, scale),
        [_, _, low, high] => {
            let sum = (BigInt::from(high) << 64) + BigInt::from(low);
            NumericBuf::from_big(sum, scale).in_arena(arena)
        }
        _ => Numeric::NAN,
    }
}

fn interval_sum(sums: &[i128]) -> Result<Interval, EvalError> {
    let error = || EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range");
    let months = i32::try_from(sums[1]).map_err(|_| error())?;
    let days = i32::try_from(sums[2]).map_err(|_| error())?;
    let micros = i64::try_from(sums[3]).map_err(|_| error())?;
    Ok(Interval::new(months, days, micros))
}
