//! Fields of dates, timestamps and intervals: `extract` and `date_part`.

use bumpalo::Bump;

use super::calendar::{civil_from_days, day_of_week, days_from_civil, iso_week};
use super::*;
use crate::repr::{Interval, Numeric};

/// What can be extracted, or truncated to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Field {
    /// The field of this name, in any case, or one of PostgreSQL's abbreviations.
    pub fn named(name: &str) -> Option<Field> {
        Some(match name.to_ascii_lowercase().as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" | "microsecond"
            | "microseconds" => Field::Microseconds,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" | "millisecond"
            | "milliseconds" => Field::Milliseconds,
            "s" | "sec" | "secs" | "second" | "seconds" => Field::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Field::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Field::Hour,
            "d" | "day" | "days" => Field::Day,
            "w" | "week" | "weeks" => Field::Week,
            "mon" | "mons" | "month" | "months" => Field::Month,
            "qtr" | "quarter" => Field::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Field::Year,
            "dec" | "decs" | "decade" | "decades" => Field::Decade,
            "c" | "cent" | "century" | "centuries" => Field::Century,
            "mil" | "mils" | "millennia" | "millennium" => Field::Millennium,
            "dow" => Field::DayOfWeek,
            "isodow" => Field::IsoDayOfWeek,
            "doy" => Field::DayOfYear,
            "isoyear" => Field::IsoYear,
            "j" | "jd" | "julian" => Field::Julian,
            "epoch" => Field::Epoch,
            "timezone" => Field::Timezone,
            "timezone_h" | "timezone_hour" => Field::TimezoneHour,
            "timezone_m" | "timezone_minute" => Field::TimezoneMinute,
            _ => return None,
        })
    }

    /// The field of this name for a value of a type (`date`, `interval`, ...).
    pub fn named_for(name: &str, typ: &str) -> Result<Field> {
        Field::named(name).ok_or_else(|| {
            let lower = name.to_ascii_lowercase();
            EvalError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unit \"{lower}\" not recognized for type {typ}"),
            )
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Field::Microseconds => "microseconds",
            Field::Milliseconds => "milliseconds",
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::Day => "day",
            Field::Week => "week",
            Field::Month => "month",
            Field::Quarter => "quarter",
            Field::Year => "year",
            Field::Decade => "decade",
            Field::Century => "century",
            Field::Millennium => "millennium",
            Field::DayOfWeek => "dow",
            Field::IsoDayOfWeek => "isodow",
            Field::DayOfYear => "doy",
            Field::IsoYear => "isoyear",
            Field::Julian => "julian",
            Field::Epoch => "epoch",
            Field::Timezone => "timezone",
            Field::TimezoneHour => "timezone_hour",
            Field::TimezoneMinute => "timezone_minute",
        }
    }

    pub(super) fn unsupported(self, typ: &str) -> EvalError {
        EvalError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unit \"{}\" not supported for type {typ}", self.name()),
        )
    }

    /// Whether the field only grows with time, so that it is infinite for an infinite time; the others are NULL then.
    fn is_monotonic(self) -> bool {
        matches!(
            self,
            Field::Year
                | Field::Decade
                | Field::Century
                | Field::Millennium
                | Field::Julian
                | Field::IsoYear
                | Field::Epoch
        )
    }

    fn of_infinity(self, positive: bool) -> Option<Numeric<'static>> {
        let infinity = if positive { Numeric::INFINITY } else { Numeric::NEG_INFINITY };
        self.is_monotonic().then_some(infinity)
    }
}

const DATE: &str = "date";
const TIMESTAMP: &str = "timestamp without time zone";
const TIMESTAMPTZ: &str = "timestamp with time zone";
const INTERVAL: &str = "interval";

/// Julian day of 2000-01-01.
const EPOCH_JULIAN: i64 = 2_451_545;

/// A field of the calendar that a day determines; nothing for the others.
fn day_field(field: Field, days: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(days);
    let before_christ = |year: i64| if year > 0 { year } else { year - 1 };
    Some(match field {
        Field::Day => day as i64,
        Field::Month => month as i64,
        Field::Quarter => (month as i64 - 1) / 3 + 1,
        Field::Year => before_christ(year),
        Field::Decade => year.div_euclid(10),
        Field::Century => periods(year, 100),
        Field::Millennium => periods(year, 1000),
        Field::Week => iso_week(days).1 as i64,
        Field::IsoYear => before_christ(iso_week(days).0),
        Field::DayOfWeek => day_of_week(days) as i64,
        Field::IsoDayOfWeek => (day_of_week(days) as i64 + 6) % 7 + 1,
        Field::DayOfYear => days - days_from_civil(year, 1, 1) + 1,
        _ => return None,
    })
}

/// The century or millennium of a year: counted from 1, and from -1 before Christ.
fn periods(year: i64, len: i64) -> i64 {
    if year > 0 { (year + len - 1) / len } else { -((len - year) / len) }
}

/// A field of the time of day; nothing for the others.
pub(super) fn time_field(field: Field, time: i64) -> Option<Numeric<'static>> {
    let in_minute = time % MICROS_PER_MINUTE;
    Some(match field {
        Field::Microseconds => Numeric::from_int(in_minute),
        Field::Milliseconds => Numeric::from_scaled(in_minute as i128, 3),
        Field::Second => Numeric::from_scaled(in_minute as i128, 6),
        Field::Minute => Numeric::from_int(time / MICROS_PER_MINUTE % 60),
        Field::Hour => Numeric::from_int(time / MICROS_PER_HOUR),
        _ => return None,
    })
}

pub fn extract_date<'a>(field: Field, date: i32) -> Result<Option<Numeric<'a>>> {
    let days = date as i64;
    let value = match field {
        Field::Julian | Field::Epoch if !is_finite_date(date) => return Ok(field.of_infinity(date > 0)),
        Field::Julian => days + EPOCH_JULIAN,
        Field::Epoch => (days + UNIX_EPOCH_DAYS) * 86_400,
        _ => match day_field(field, if is_finite_date(date) { days } else { 0 }) {
            None => return Err(field.unsupported(DATE)),
            Some(_) if !is_finite_date(date) => return Ok(field.of_infinity(date > 0)),
            Some(value) => value,
        },
    };
    Ok(Some(Numeric::from_int(value)))
}

pub fn extract_timestamp<'a>(field: Field, timestamp: i64, arena: &'a Bump) -> Result<Option<Numeric<'a>>> {
    extract_local(field, timestamp, timestamp, TIMESTAMP, arena)
}

pub fn extract_timestamptz<'a>(
    field: Field,
    timestamp: i64,
    zone: &TimeZone,
    arena: &'a Bump,
) -> Result<Option<Numeric<'a>>> {
    let finite = is_finite_timestamp(timestamp);
    let offset = if finite { zone.offset_at(timestamp) } else { 0 };
    let seconds = match field {
        Field::Timezone => offset,
        Field::TimezoneHour => offset / 3600,
        Field::TimezoneMinute => offset / 60 % 60,
        _ => {
            let local = if finite { zone.to_local(timestamp) } else { timestamp };
            return extract_local(field, local, timestamp, TIMESTAMPTZ, arena);
        }
    };
    Ok(finite.then(|| Numeric::from_int(seconds as i64)))
}

fn extract_local<'a>(
    field: Field,
    local: i64,
    utc: i64,
    typ: &str,
    arena: &'a Bump,
) -> Result<Option<Numeric<'a>>> {
    let finite = is_finite_timestamp(utc);
    let shown = if finite { local } else { 0 };
    let (days, time) = (shown.div_euclid(MICROS_PER_DAY), shown.rem_euclid(MICROS_PER_DAY));
    let value = match field {
        Field::Epoch => Numeric::from_scaled(utc as i128 + EPOCH_UNIX_MICROS as i128, 6),
        Field::Julian => {
            let part = Numeric::from_int(time).div(Numeric::from_int(MICROS_PER_DAY), arena)?;
            Numeric::from_int(days + EPOCH_JULIAN).add(part, arena)?
        }
        _ => match time_field(field, time).or_else(|| day_field(field, days).map(Numeric::from_int)) {
            Some(value) => value,
            None => return Err(field.unsupported(typ)),
        },
    };
    Ok(if finite { Some(value) } else { field.of_infinity(utc > 0) })
}

pub fn extract_interval<'a>(field: Field, interval: Interval) -> Result<Numeric<'a>> {
    let (years, months) = (interval.months as i64 / 12, interval.months as i64 % 12);
    if let Some(value) = time_field(field, interval.micros) {
        return Ok(value);
    }
    Ok(Numeric::from_int(match field {
        Field::Day => interval.days as i64,
        Field::Month => months,
        Field::Quarter => months / 3 + 1,
        Field::Year => years,
        Field::Decade => years / 10,
        Field::Century => years / 100,
        Field::Millennium => years / 1000,
        Field::Epoch => {
            // A year counts 365.25 days and a month 30, so quarters of days are whole.
            let quarters = 1461 * years + 120 * months + 4 * interval.days as i64;
            let micros = quarters as i128 * (MICROS_PER_DAY / 4) as i128 + interval.micros as i128;
            return Ok(Numeric::from_scaled(micros, 6));
        }
        _ => return Err(field.unsupported(INTERVAL)),
    }))
}
