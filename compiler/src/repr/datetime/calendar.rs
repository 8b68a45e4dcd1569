//! The proleptic Gregorian calendar: days to years, months and days, and back.

use super::time::make_time;
use super::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, Result, UNIX_EPOCH_DAYS};
use super::{check_date, check_timestamp};
use crate::error::SqlState;
use crate::scalar::EvalError;

/// A timestamp's parts. Years count astronomically: 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
}

impl Civil {
    /// The parts of a finite timestamp.
    pub fn from_timestamp(micros: i64) -> Civil {
        let (days, time) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: (time / MICROS_PER_HOUR) as u32,
            minute: (time / MICROS_PER_MINUTE % 60) as u32,
            second: (time / MICROS_PER_SECOND % 60) as u32,
            micros: (time % MICROS_PER_SECOND) as u32,
        }
    }

    /// Microseconds since midnight.
    pub fn time(&self) -> i64 {
        self.hour as i64 * MICROS_PER_HOUR
            + self.minute as i64 * MICROS_PER_MINUTE
            + self.second as i64 * MICROS_PER_SECOND
            + self.micros as i64
    }

    pub fn to_timestamp(&self) -> Result<i64> {
        let days = days_from_civil(self.year, self.month, self.day);
        check_timestamp(days as i128 * MICROS_PER_DAY as i128 + self.time() as i128)
    }
}

/// Days from 2000-01-01 to a date that exists. Months are counted from March, so that the leap day ends the year.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = year - (month <= 2) as i64;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - UNIX_EPOCH_DAYS
}

/// Year (0 is 1 BC), month and day of a number of days from 2000-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + UNIX_EPOCH_DAYS + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + is_leap(year) as u32,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 for Sunday.
pub fn day_of_week(days: i64) -> u32 {
    (days + 6).rem_euclid(7) as u32
}

/// The ISO 8601 year and week of a day.
pub fn iso_week(days: i64) -> (i64, u32) {
    let monday = days - (day_of_week(days) as i64 + 6) % 7;
    let (year, _, _) = civil_from_days(monday + 3);
    (year, ((monday - iso_year_start(year)) / 7 + 1) as u32)
}

/// The Monday of week 1 of an ISO year: the week of January 4.
pub fn iso_year_start(year: i64) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - (day_of_week(fourth) as i64 + 6) % 7
}

pub(super) fn field_out_of_range(what: &str, shown: String) -> EvalError {
    EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{what} field value out of range: {shown}"))
}

/// `make_date`: negative years are BC.
pub fn make_date(year: i32, month: i32, day: i32) -> Result<i32> {
    let shown = || format!("{year}-{month:02}-{day:02}");
    let astronomical = year as i64 + (year < 0) as i64;
    let valid = year != 0
        && (1..=12).contains(&month)
        && day >= 1
        && day as u32 <= days_in_month(astronomical, month as u32);
    if !valid {
        return Err(field_out_of_range("date", shown()));
    }
    check_date(days_from_civil(astronomical, month as u32, day as u32)).map_err(|_| {
        EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("date out of range: {}", shown()))
    })
}

/// `make_timestamp`: negative years are BC; the seconds may have a fraction, and 60 carries over.
pub fn make_timestamp(year: i32, month: i32, day: i32, hour: i32, minute: i32, second: f64) -> Result<i64> {
    let days = make_date(year, month, day)?;
    let time = make_time(hour, minute, second)?;
    check_timestamp(days as i128 * MICROS_PER_DAY as i128 + time as i128)
}
