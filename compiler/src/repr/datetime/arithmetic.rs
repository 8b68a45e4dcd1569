//! Dates, timestamps and intervals added, subtracted and converted.
//!
//! Adding an interval adds its months (clamping to the month's last day), then its days, then its time; for a timestamp
//! with time zone the first two happen in local time.

use super::calendar::{Civil, civil_from_days, days_from_civil, days_in_month};
use super::*;
use crate::repr::Interval;

/// date + integer.
pub fn date_add_days(date: i32, days: i64) -> Result<i32> {
    if !is_finite_date(date) {
        return Ok(date);
    }
    check_date((date as i64).saturating_add(days))
}

/// date - date.
pub fn date_difference(a: i32, b: i32) -> Result<i32> {
    if !is_finite_date(a) || !is_finite_date(b) {
        return Err(EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates"));
    }
    Ok(a - b)
}

/// Midnight of a date.
pub fn date_to_timestamp(date: i32) -> Result<i64> {
    match date {
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        _ => check_timestamp(date as i128 * MICROS_PER_DAY as i128).map_err(|_| {
            EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")
        }),
    }
}

/// Local midnight of a date.
pub fn date_to_timestamptz(date: i32, zone: &TimeZone) -> Result<i64> {
    timestamp_to_timestamptz(date_to_timestamp(date)?, zone)
}

pub fn timestamp_to_date(timestamp: i64) -> i32 {
    match timestamp {
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        TIMESTAMP_INFINITY => DATE_INFINITY,
        _ => timestamp.div_euclid(MICROS_PER_DAY) as i32,
    }
}

pub fn timestamptz_to_date(timestamp: i64, zone: &TimeZone) -> Result<i32> {
    Ok(timestamp_to_date(timestamptz_to_timestamp(timestamp, zone)?))
}

/// The time in UTC of a local time: `timestamp AT TIME ZONE zone`.
pub fn timestamp_to_timestamptz(local: i64, zone: &TimeZone) -> Result<i64> {
    if !is_finite_timestamp(local) {
        return Ok(local);
    }
    check_timestamp(zone.to_utc(local))
}

/// The local time of a time in UTC: `timestamptz AT TIME ZONE zone`.
pub fn timestamptz_to_timestamp(utc: i64, zone: &TimeZone) -> Result<i64> {
    if !is_finite_timestamp(utc) {
        return Ok(utc);
    }
    check_timestamp(utc as i128 + zone.offset_at(utc) as i128 * MICROS_PER_SECOND as i128)
}

/// A timestamp moved by months, to the last day of the month if the day does not exist in it.
fn add_months(timestamp: i64, months: i32) -> Result<i64> {
    if months == 0 {
        return Ok(timestamp);
    }
    let mut civil = Civil::from_timestamp(timestamp);
    let month = civil.year * 12 + (civil.month as i64 - 1) + months as i64;
    civil.year = month.div_euclid(12);
    civil.month = month.rem_euclid(12) as u32 + 1;
    civil.day = civil.day.min(days_in_month(civil.year, civil.month));
    civil.to_timestamp()
}

fn add_days(timestamp: i64, days: i32) -> Result<i64> {
    check_timestamp(timestamp as i128 + days as i128 * MICROS_PER_DAY as i128)
}

/// timestamp + interval.
pub fn timestamp_add(timestamp: i64, interval: Interval) -> Result<i64> {
    if !is_finite_timestamp(timestamp) {
        return Ok(timestamp);
    }
    let moved = add_days(add_months(timestamp, interval.months)?, interval.days)?;
    check_timestamp(moved as i128 + interval.micros as i128)
}

/// timestamptz + interval.
pub fn timestamptz_add(timestamp: i64, interval: Interval, zone: &TimeZone) -> Result<i64> {
    if !is_finite_timestamp(timestamp) {
        return Ok(timestamp);
    }
    let mut moved = timestamp;
    if interval.months != 0 {
        let local = add_months(timestamptz_to_timestamp(moved, zone)?, interval.months)?;
        moved = timestamp_to_timestamptz(local, zone)?;
    }
    if interval.days != 0 {
        let local = add_days(timestamptz_to_timestamp(moved, zone)?, interval.days)?;
        moved = timestamp_to_timestamptz(local, zone)?;
    }
    check_timestamp(moved as i128 + interval.micros as i128)
}

/// timestamp - timestamp, with whole days apart.
pub fn timestamp_difference(a: i64, b: i64) -> Result<Interval> {
    if !is_finite_timestamp(a) || !is_finite_timestamp(b) {
        let message = "cannot subtract infinite timestamps";
        return Err(EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, message));
    }
    let micros = a.checked_sub(b).ok_or_else(|| overflow("interval"))?;
    Ok(Interval::new(0, 0, micros).justify_hours())
}

/// `age(a, b)`: the difference in years, months, days and time, each of the calendar.
pub fn age(a: i64, b: i64) -> Result<Interval> {
    if !is_finite_timestamp(a) || !is_finite_timestamp(b) {
        return Err(overflow("timestamp"));
    }
    let negative = a < b;
    let (late, early) = if negative { (b, a) } else { (a, b) };
    let (late, early) = (Civil::from_timestamp(late), Civil::from_timestamp(early));
    let mut micros = late.time() - early.time();
    let mut days = late.day as i64 - early.day as i64;
    let mut months = (late.year - early.year) * 12 + late.month as i64 - early.month as i64;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        // The month borrowed from is the earlier timestamp's.
        days += days_in_month(early.year, early.month) as i64;
        months -= 1;
    }
    let age = Interval::new(months as i32, days as i32, micros);
    if negative { age.checked_neg() } else { Ok(age) }
}

/// `age` of timestamps with time zone: of their local times.
pub fn age_tz(a: i64, b: i64, zone: &TimeZone) -> Result<Interval> {
    age(timestamptz_to_timestamp(a, zone)?, timestamptz_to_timestamp(b, zone)?)
}

/// Midnight of the same day.
pub(super) fn start_of_day(timestamp: i64) -> i64 {
    timestamp - timestamp.rem_euclid(MICROS_PER_DAY)
}

/// Midnight of the first day of a month; the year may be out of range.
pub(super) fn start_of_month(year: i64, month: u32) -> Result<i64> {
    check_timestamp(days_from_civil(year, month, 1) as i128 * MICROS_PER_DAY as i128)
}

/// Year and month of a timestamp.
pub(super) fn year_and_month(timestamp: i64) -> (i64, u32) {
    let (year, month, _) = civil_from_days(timestamp.div_euclid(MICROS_PER_DAY));
    (year, month)
}
