//! Functions of dates, timestamps and intervals.

use super::EvalError;
use crate::error::SqlState;
use crate::repr::Interval;
use crate::repr::datetime::TimeZone;
use crate::repr::interval::DAYS_PER_MONTH;

/// The time zone of a name, as sessions and `AT TIME ZONE` name them.
pub(super) fn zone(name: &str) -> Result<TimeZone, EvalError> {
    match name {
        "UTC" => Ok(TimeZone::utc()),
        _ => Err(EvalError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("time zone \"{name}\" not recognized"),
        )),
    }
}

/// An interval divided by a number: what is left of months becomes days of 30 to the month, what is left of days time.
pub(super) fn divide_interval(value: Interval, divisor: f64) -> Result<Interval, EvalError> {
    if divisor == 0.0 {
        return Err(EvalError::division_by_zero());
    }
    scale_interval(value, |part| part / divisor)
}

/// An interval with each part scaled.
fn scale_interval(value: Interval, scale: impl Fn(f64) -> f64) -> Result<Interval, EvalError> {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    let out_of_range = || EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range");
    let whole = |part: f64| {
        let fits = part >= i32::MIN as f64 && part <= i32::MAX as f64;
        if fits { Ok(part as i32) } else { Err(out_of_range()) }
    };
    // Rests are kept to the microsecond, so that a third of a month three times is a month.
    let to_micros = |rest: f64| (rest * 1e6).round_ties_even() / 1e6;
    let (months, days) = (scale(value.months as f64), scale(value.days as f64));
    let (whole_months, mut whole_days) = (whole(months)?, whole(days)?);
    let rest_days = to_micros((months - whole_months as f64) * DAYS_PER_MONTH as f64);
    let mut rest_seconds =
        to_micros((days - whole_days as f64 + rest_days - rest_days.trunc()) * SECONDS_PER_DAY);
    if rest_seconds.abs() >= SECONDS_PER_DAY {
        let carried = (rest_seconds / SECONDS_PER_DAY).trunc();
        whole_days = whole_days.checked_add(carried as i32).ok_or_else(out_of_range)?;
        rest_seconds -= carried * SECONDS_PER_DAY;
    }
    let days = whole_days.checked_add(rest_days as i32).ok_or_else(out_of_range)?;
    let micros = (scale(value.micros as f64) + rest_seconds * 1e6).round_ties_even();
    if !(micros >= i64::MIN as f64 && micros < i64::MAX as f64) {
        return Err(out_of_range());
    }
    Ok(Interval::new(whole_months, days, micros as i64))
}
