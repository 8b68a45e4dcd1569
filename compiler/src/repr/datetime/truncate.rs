//! `date_trunc` and `date_bin`: times cut to a unit or to a multiple of a stride.

use super::arithmetic::{start_of_day, start_of_month, year_and_month};
use super::calendar::iso_week;
use super::*;
use crate::repr::Interval;
use crate::repr::datetime::calendar::iso_year_start;

/// `date_trunc(field, timestamp)`.
pub fn truncate_timestamp(field: Field, timestamp: i64) -> Result<i64> {
    truncate(field, timestamp, "timestamp without time zone")
}

fn truncate(field: Field, timestamp: i64, typ: &str) -> Result<i64> {
    if !is_finite_timestamp(timestamp) {
        // Infinity stays what it is, for the units that there are.
        return truncate(field, 0, typ).map(|_| timestamp);
    }
    let floor = |unit: i64| timestamp - timestamp.rem_euclid(unit);
    let (year, month) = year_and_month(timestamp);
    match field {
        Field::Microseconds => Ok(timestamp),
        Field::Milliseconds => Ok(floor(1000)),
        Field::Second => Ok(floor(MICROS_PER_SECOND)),
        Field::Minute => Ok(floor(MICROS_PER_MINUTE)),
        Field::Hour => Ok(floor(MICROS_PER_HOUR)),
        Field::Day => Ok(start_of_day(timestamp)),
        Field::Week => {
            let (year, week) = iso_week(timestamp.div_euclid(MICROS_PER_DAY));
            let monday = iso_year_start(year) + 7 * (week as i64 - 1);
            check_timestamp(monday as i128 * MICROS_PER_DAY as i128)
        }
        Field::Month => start_of_month(year, month),
        Field::Quarter => start_of_month(year, (month - 1) / 3 * 3 + 1),
        Field::Year => start_of_month(year, 1),
        Field::Decade => start_of_month(year.div_euclid(10) * 10, 1),
        Field::Century => start_of_month((year - 1).div_euclid(100) * 100 + 1, 1),
        Field::Millennium => start_of_month((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => Err(no_unit(field, typ)),
    }
}

/// The refusal of a field that is no unit of time; PostgreSQL knows the time zone's fields here and not the others.
fn no_unit(field: Field, typ: &str) -> EvalError {
    if matches!(field, Field::Timezone | Field::TimezoneHour | Field::TimezoneMinute) {
        return field.unsupported(typ);
    }
    let message = format!("unit \"{}\" not recognized for type {typ}", field.name());
    EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// `date_trunc(field, timestamptz)` in a zone.
pub fn truncate_timestamptz(field: Field, timestamp: i64, zone: &TimeZone) -> Result<i64> {
    const TYPE: &str = "timestamp with time zone";
    if !is_finite_timestamp(timestamp) {
        return truncate(field, timestamp, TYPE);
    }
    let offset = zone.offset_at(timestamp) as i64 * MICROS_PER_SECOND;
    let local = truncate(field, timestamp.saturating_add(offset), TYPE)?;
    match field {
        // Below a day the offset of the time itself is kept, so that a repeated hour stays apart from the first.
        Field::Microseconds | Field::Milliseconds | Field::Second | Field::Minute | Field::Hour => {
            check_timestamp(local as i128 - offset as i128)
        }
        _ => check_timestamp(zone.to_utc(local)),
    }
}

/// `date_trunc(field, interval)`.
pub fn truncate_interval(field: Field, interval: Interval) -> Result<Interval> {
    let Interval { months, days, micros } = interval;
    let years = |unit: i32| Interval::new(months / (12 * unit) * 12 * unit, 0, 0);
    let time = |unit: i64| Interval::new(months, days, micros - micros % unit);
    Ok(match field {
        Field::Microseconds => interval,
        Field::Milliseconds => time(1000),
        Field::Second => time(MICROS_PER_SECOND),
        Field::Minute => time(MICROS_PER_MINUTE),
        Field::Hour => time(MICROS_PER_HOUR),
        Field::Day => Interval::new(months, days, 0),
        Field::Month => Interval::new(months, 0, 0),
        Field::Quarter => Interval::new(months / 3 * 3, 0, 0),
        Field::Year => years(1),
        Field::Decade => years(10),
        Field::Century => years(100),
        Field::Millennium => years(1000),
        Field::Week => {
            return Err(field.unsupported("interval").detail("Months usually have fractional weeks."));
        }
        _ => return Err(no_unit(field, "interval")),
    })
}

/// `date_bin(stride, timestamp, origin)`, with or without time zone: the start of the timestamp's bin.
pub fn bin(stride: Interval, timestamp: i64, origin: i64) -> Result<i64> {
    if !is_finite_timestamp(timestamp) {
        return Ok(timestamp);
    }
    if !is_finite_timestamp(origin) {
        return Err(overflow("origin"));
    }
    if stride.months != 0 {
        return Err(EvalError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let length = i64::try_from(stride.length()).map_err(|_| overflow("interval"))?;
    if length <= 0 {
        let message = "stride must be greater than zero";
        return Err(EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, message));
    }
    let difference = timestamp.checked_sub(origin).ok_or_else(|| overflow("interval"))?;
    check_timestamp(origin as i128 + difference as i128 - difference.rem_euclid(length) as i128)
}
