//! Calendar and time zones: dates, timestamps and intervals as PostgreSQL computes with them.
//!
//! Dates are days and timestamps microseconds from 2000-01-01, in the proleptic Gregorian calendar; the least and the
//! greatest value are -infinity and infinity. Every function here that can leave the range of its type says so with
//! PostgreSQL's error.

mod arithmetic;
mod calendar;
#[cfg(test)]
mod cases;
mod field;
mod time;
mod truncate;
mod zone;

pub use arithmetic::{
    age, age_tz, date_add_days, date_difference, date_to_timestamp, date_to_timestamptz, timestamp_add,
    timestamp_difference, timestamp_to_date, timestamp_to_timestamptz, timestamptz_add, timestamptz_to_date,
    timestamptz_to_timestamp,
};
pub use calendar::{
    Civil, civil_from_days, days_from_civil, days_in_month, iso_week, make_date, make_timestamp,
};
pub use field::{Field, extract_date, extract_interval, extract_timestamp, extract_timestamptz};
pub use time::{
    TimeTz, date_add_time, extract_time, extract_timetz, make_time, round_micros, round_time,
    round_timestamp, time_add, timestamp_to_time, timestamptz_to_timetz,
};
pub use truncate::{bin, truncate_interval, truncate_timestamp, truncate_timestamptz};
pub use zone::TimeZone;
pub(super) use zone::{abbreviation, push_offset};

use crate::error::SqlState;
use crate::scalar::EvalError;

type Result<T> = std::result::Result<T, EvalError>;

pub use super::interval::MICROS_PER_DAY;
pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;

pub const DATE_NEG_INFINITY: i32 = i32::MIN;
pub const DATE_INFINITY: i32 = i32::MAX;
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;

/// 4714-11-24 BC, the Julian day 0.
const DATE_MIN: i64 = -2_451_545;
/// The day after 5874897-12-31.
const DATE_END: i64 = 2_145_031_949;
const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// The first microsecond of 294277.
const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;

/// Days from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_DAYS: i64 = 10_957;
/// 2000-01-01 in microseconds from the Unix epoch, the engine's time.
pub const EPOCH_UNIX_MICROS: i64 = UNIX_EPOCH_DAYS * MICROS_PER_DAY;

pub fn is_finite_date(days: i32) -> bool {
    days != DATE_NEG_INFINITY && days != DATE_INFINITY
}

pub fn is_finite_timestamp(micros: i64) -> bool {
    micros != TIMESTAMP_NEG_INFINITY && micros != TIMESTAMP_INFINITY
}

fn overflow(what: &str) -> EvalError {
    EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{what} out of range"))
}

/// A finite date within PostgreSQL's range.
pub fn check_date(days: i64) -> Result<i32> {
    if (DATE_MIN..DATE_END).contains(&days) { Ok(days as i32) } else { Err(overflow("date")) }
}

/// A finite timestamp within PostgreSQL's range.
pub fn check_timestamp(micros: i128) -> Result<i64> {
    if (TIMESTAMP_MIN as i128..TIMESTAMP_END as i128).contains(&micros) {
        Ok(micros as i64)
    } else {
        Err(overflow("timestamp"))
    }
}
