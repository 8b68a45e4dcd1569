//! Times of day, with and without an offset from UTC: microseconds since midnight, up to the whole day that `24:00` is.

use std::cmp::Ordering;

use super::calendar::field_out_of_range;
use super::field::time_field;
use super::*;
use crate::repr::{Interval, Numeric};

/// A time of day somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeTz {
    /// Since midnight there.
    pub micros: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl TimeTz {
    /// The time in UTC, which may be of the day before or after.
    pub fn utc(self) -> i64 {
        self.micros - self.offset as i64 * MICROS_PER_SECOND
    }

    /// The time at an offset that is this one in UTC; nothing if there is none.
    pub fn of_utc(utc: i64, offset: i32) -> Option<TimeTz> {
        let micros = utc.checked_add(offset as i64 * MICROS_PER_SECOND)?;
        Some(TimeTz { micros, offset })
    }

    /// The same time at another offset.
    pub fn at_offset(self, offset: i32) -> TimeTz {
        let local = self.utc() + offset as i64 * MICROS_PER_SECOND;
        TimeTz { micros: local.rem_euclid(MICROS_PER_DAY), offset }
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &TimeTz) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the time in UTC; of the same times, the one further east is less.
impl Ord for TimeTz {
    fn cmp(&self, other: &TimeTz) -> Ordering {
        (self.utc(), -self.offset).cmp(&(other.utc(), -other.offset))
    }
}

/// `make_time`: the seconds may have a fraction, and 60 carries over.
pub fn make_time(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let micros = (second * MICROS_PER_SECOND as f64).round();
    let last = hour == 24 && minute == 0 && micros == 0.0;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60e6).contains(&micros);
    if !valid && !last {
        return Err(field_out_of_range("time", format!("{hour}:{minute:02}:{second:02}")));
    }
    Ok(hour as i64 * MICROS_PER_HOUR + minute as i64 * MICROS_PER_MINUTE + micros as i64)
}

/// time + interval: days and months of it do not count, and midnight is passed as on a clock.
pub fn time_add(time: i64, interval: Interval) -> i64 {
    (time + interval.micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY)
}

/// date + time.
pub fn date_add_time(date: i32, time: i64) -> Result<i64> {
    match date_to_timestamp(date)? {
        midnight if is_finite_timestamp(midnight) => check_timestamp(midnight as i128 + time as i128),
        infinite => Ok(infinite),
    }
}

/// A timestamp's time of day; nothing for an infinite one.
pub fn timestamp_to_time(timestamp: i64) -> Option<i64> {
    is_finite_timestamp(timestamp).then(|| timestamp.rem_euclid(MICROS_PER_DAY))
}

/// The time of day in a zone; nothing for an infinite timestamp.
pub fn timestamptz_to_timetz(timestamp: i64, zone: &TimeZone) -> Option<TimeTz> {
    let offset = is_finite_timestamp(timestamp).then(|| zone.offset_at(timestamp))?;
    Some(TimeTz { micros: timestamp.rem_euclid(MICROS_PER_DAY), offset: 0 }.at_offset(offset))
}

const TIME: &str = "time without time zone";
const TIMETZ: &str = "time with time zone";

pub fn extract_time<'a>(field: Field, time: i64) -> Result<Numeric<'a>> {
    match field {
        Field::Epoch => Ok(Numeric::from_scaled(time as i128, 6)),
        field => time_field(field, time).ok_or_else(|| field.unsupported(TIME)),
    }
}

pub fn extract_timetz<'a>(field: Field, time: TimeTz) -> Result<Numeric<'a>> {
    let offset = time.offset as i64;
    Ok(match field {
        Field::Timezone => Numeric::from_int(offset),
        Field::TimezoneHour => Numeric::from_int(offset / 3600),
        Field::TimezoneMinute => Numeric::from_int(offset / 60 % 60),
        Field::Epoch => Numeric::from_scaled(time.utc() as i128, 6),
        field => return time_field(field, time.micros).ok_or_else(|| field.unsupported(TIMETZ)),
    })
}

/// Microseconds with so many digits of the second, halves away from zero.
pub fn round_micros(micros: i64, digits: u8) -> i64 {
    let unit = 10i64.pow(6u32.saturating_sub(digits.into()));
    let (whole, rest) = (micros / unit * unit, micros % unit);
    match rest.abs() * 2 >= unit {
        true if unit > 1 => whole.saturating_add(rest.signum() * unit),
        _ => whole,
    }
}

/// A time of day with so many digits of the second, where the type keeps no more.
pub fn round_time(micros: i64, precision: Option<u8>) -> i64 {
    precision.map_or(micros, |digits| round_micros(micros, digits))
}

/// A timestamp with so many digits of the second, where the type keeps no more.
pub fn round_timestamp(micros: i64, precision: Option<u8>) -> Result<i64> {
    match precision {
        Some(digits) if is_finite_timestamp(micros) => check_timestamp(round_micros(micros, digits) as i128),
        _ => Ok(micros),
    }
}
