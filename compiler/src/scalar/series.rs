//! Series: the rows of `generate_series`, one after the other, however many there are.
//!
//! A series is its next value and where it ends; nothing of what comes is there before it is asked for. It owns what it needs,
//! so that whoever reads it can put it aside between two rows.

use std::cmp::Ordering;

use bumpalo::Bump;

use super::EvalError;
use super::datetime::zone;
use super::native::{FromDatum, Micros, MicrosTz};
use crate::error::SqlState;
use crate::repr::datetime::{self, TimeZone};
use crate::repr::{Datum, Interval, Numeric, RowBuf, row};

/// What is left of a series.
pub(super) enum Series {
    Ints {
        next: Option<i64>,
        stop: i64,
        step: i64,
    },
    Times {
        next: Option<i64>,
        stop: i64,
        step: Interval,
        forward: bool,
        clock: Clock,
    },
    /// Packed: the next value, the last that may be, and the step.
    Numerics {
        next: RowBuf,
        stop: RowBuf,
        step: RowBuf,
    },
}

/// What its times are, and how steps are added to them.
pub(super) enum Clock {
    Timestamp,
    TimestampTz(TimeZone),
}

fn zero_step() -> EvalError {
    EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

impl Series {
    pub(super) fn ints(args: &[Datum<'_>]) -> Result<Series, EvalError> {
        let (start, stop) = (i64::from_datum(args[0])?, i64::from_datum(args[1])?);
        match args.get(2).map_or(Ok(1), |step| i64::from_datum(*step))? {
            0 => Err(zero_step()),
            step => Ok(Series::Ints { next: Some(start), stop, step }),
        }
    }

    /// The integers from the first up to and not with the second.
    pub(super) fn range(range: std::ops::Range<i64>) -> Series {
        Series::Ints { next: (!range.is_empty()).then_some(range.start), stop: range.end - 1, step: 1 }
    }

    pub(super) fn timestamps(args: &[Datum<'_>]) -> Result<Series, EvalError> {
        let (start, stop) = (Micros::from_datum(args[0])?, Micros::from_datum(args[1])?);
        Series::times(start.0, stop.0, args[2], Clock::Timestamp)
    }

    pub(super) fn timestamptzs(args: &[Datum<'_>]) -> Result<Series, EvalError> {
        let (start, stop) = (MicrosTz::from_datum(args[0])?, MicrosTz::from_datum(args[1])?);
        let name = args.get(3).map_or(Ok(None), |zone| Option::<&str>::from_datum(*zone))?;
        let zone = name.map_or(Ok(TimeZone::utc()), zone)?;
        Series::times(start.0, stop.0, args[2], Clock::TimestampTz(zone))
    }

    /// Times by steps, which must lead somewhere.
    fn times(start: i64, stop: i64, step: Datum<'_>, clock: Clock) -> Result<Series, EvalError> {
        let step = Interval::from_datum(step)?;
        let forward = match step.length().cmp(&0) {
            Ordering::Equal => return Err(zero_step()),
            ordering => ordering.is_gt(),
        };
        Ok(Series::Times { next: Some(start), stop, step, forward, clock })
    }

    pub(super) fn numerics(args: &[Datum<'_>]) -> Result<Series, EvalError> {
        let (start, stop) = (Numeric::from_datum(args[0])?, Numeric::from_datum(args[1])?);
        let step = args.get(2).map_or(Ok(Numeric::from_int(1)), |step| Numeric::from_datum(*step))?;
        for (value, what) in [(start, "start value"), (stop, "stop value"), (step, "step size")] {
            let not_finite = if value.is_nan() { "NaN" } else { "infinity" };
            if !value.is_finite() {
                let message = format!("{what} cannot be {not_finite}");
                return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message));
            }
        }
        if step.is_zero() {
            return Err(zero_step());
        }
        let packed = |value| {
            let mut packed = RowBuf::default();
            packed.push(Datum::Numeric(value));
            packed
        };
        Ok(Series::Numerics { next: packed(start), stop: packed(stop), step: packed(step) })
    }

    /// How many values are left at most; `None` where that is not known without finding them.
    pub(super) fn rows_max(&self) -> Option<usize> {
        match self {
            Series::Ints { next: None, .. } => Some(0),
            Series::Ints { next: Some(next), stop, step } => {
                let (from, to) = if *step > 0 { (*next, *stop) } else { (*stop, *next) };
                let steps = (from <= to).then(|| to.abs_diff(from) / step.unsigned_abs());
                steps.map_or(Some(0), |steps| usize::try_from(steps).ok()?.checked_add(1))
            }
            Series::Times { .. } | Series::Numerics { .. } => None,
        }
    }

    /// Appends the next value; false if there is none. An error when the value after it cannot be computed.
    pub(super) fn next(&mut self, out: &mut RowBuf) -> Result<bool, EvalError> {
        match self {
            Series::Ints { next, stop, step } => {
                let Some(at) = next.filter(|at| if *step > 0 { at <= stop } else { at >= stop }) else {
                    return Ok(false);
                };
                out.push(Datum::Int(at));
                // Ends at the type's bounds too: what would overflow is past the end.
                *next = at.checked_add(*step);
                Ok(true)
            }
            Series::Times { next, stop, step, forward, clock } => {
                let Some(at) = next.filter(|at| if *forward { at <= stop } else { at >= stop }) else {
                    return Ok(false);
                };
                let (datum, after) = match clock {
                    Clock::Timestamp => (Datum::Timestamp(at), datetime::timestamp_add(at, *step)),
                    Clock::TimestampTz(zone) => {
                        (Datum::TimestampTz(at), datetime::timestamptz_add(at, *step, zone))
                    }
                };
                // An infinity leads nowhere.
                *next = Some(after?).filter(|after| *after != at);
                out.push(datum);
                Ok(true)
            }
            Series::Numerics { next, stop, step } => next_numeric(next, stop, step, out),
        }
    }
}

fn next_numeric(
    next: &mut RowBuf,
    stop: &RowBuf,
    step: &RowBuf,
    out: &mut RowBuf,
) -> Result<bool, EvalError> {
    let arena = Bump::new();
    let (at, stop, step) = (number(next)?, number(stop)?, number(step)?);
    if if step.is_negative() { at < stop } else { at > stop } {
        return Ok(false);
    }
    let mut after = RowBuf::default();
    after.push(Datum::Numeric(at.add(step, &arena)?));
    out.extend(next.bytes());
    *next = after;
    Ok(true)
}

fn number(packed: &RowBuf) -> Result<Numeric<'_>, EvalError> {
    Numeric::from_datum(row::decode_first(packed.bytes()).0)
}
