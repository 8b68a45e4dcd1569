//! `to_char` of times and intervals.

use super::EvalError;
use super::datetime::in_zone;
use super::declare::functions;
use super::native::{Micros, MicrosTz};
use super::time_format::{Case, DAYS, Field, Item, MONTHS, ROMAN_MONTHS, capitalized, parse};
use crate::error::SqlState;
use crate::repr::Interval;
use crate::repr::datetime::{self, Civil, TimeZone, days_from_civil, is_finite_timestamp, iso_week};

functions! { pub(super) FUNCTIONS;
    /// The time written in a pattern.
    "to_char"(Timestamp, Text) -> Text, errs(), maybe_null(): "to_char(timestamp '2024-02-29 17:05:06', 'Day, DD Mon YYYY HH12:MI:SS AM')" => "Thursday , 29 Feb 2024 05:05:06 PM"
        = { |_, a: Micros, pattern: &str| timestamp(a.0, pattern, None) };
    /// The time in the session's time zone, written in a pattern.
    "to_char"(TimestampTz, Text) -> Text, errs(), maybe_null(), zone(): "to_char(timestamptz '2024-02-29 17:05Z', 'YYYY-MM-DD\"T\"HH24:MI:SSOF')" => "2024-02-29T17:05:00+00"
        = { |_, a: MicrosTz, pattern: &str, z: Option<&str>| in_zone(z, |z| timestamp(a.0, pattern, Some(z))) };
    /// The interval written in a pattern.
    "to_char"(Interval, Text) -> Text, errs(), maybe_null(): "to_char(interval '15h 2m 12s', 'HH24:MI:SS')" => "15:02:12"
        = { |_, a: Interval, pattern: &str| interval(a, pattern) };
}

/// What a pattern's fields are taken from. An interval's parts may be negative and its hours more than a day's.
struct Moment<'z> {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Days from 2000-01-01; nothing for an interval, which is on no calendar.
    days: Option<i64>,
    day_of_year: i64,
    /// Seconds east of UTC, and the zone's name.
    zone: Option<(i32, &'z TimeZone)>,
}

fn timestamp(at: i64, pattern: &str, zone: Option<&TimeZone>) -> Result<Option<String>, EvalError> {
    if !is_finite_timestamp(at) || pattern.is_empty() {
        return Ok(None);
    }
    let local = match zone {
        Some(zone) => datetime::timestamptz_to_timestamp(at, zone)?,
        None => at,
    };
    let civil = Civil::from_timestamp(local);
    let days = days_from_civil(civil.year, civil.month, civil.day);
    let moment = Moment {
        year: civil.year,
        month: civil.month as i64,
        day: civil.day as i64,
        hour: civil.hour as i64,
        minute: civil.minute as i64,
        second: civil.second as i64,
        micros: civil.micros as i64,
        days: Some(days),
        day_of_year: days - days_from_civil(civil.year, 1, 1) + 1,
        zone: zone.map(|zone| (zone.offset_at(at), zone)),
    };
    write(&moment, pattern).map(Some)
}

fn interval(value: Interval, pattern: &str) -> Result<Option<String>, EvalError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let moment = Moment {
        year: value.months as i64 / 12,
        month: value.months as i64 % 12,
        day: value.days as i64,
        hour: value.micros / datetime::MICROS_PER_HOUR,
        minute: value.micros / datetime::MICROS_PER_MINUTE % 60,
        second: value.micros / datetime::MICROS_PER_SECOND % 60,
        micros: value.micros % datetime::MICROS_PER_SECOND,
        days: None,
        day_of_year: value.months as i64 * 30 + value.days as i64,
        zone: None,
    };
    write(&moment, pattern).map(Some)
}

fn write(moment: &Moment<'_>, pattern: &str) -> Result<String, EvalError> {
    let mut out = String::new();
    for item in parse(pattern) {
        match item {
            Item::Text(text) => out.push_str(&text),
            Item::Field(field) => {
                let text = moment.field(&field)?;
                out.push_str(&text);
                if let Some(case) = field.ordinal {
                    out.push_str(&cased(ordinal(&text), case));
                }
            }
        }
    }
    Ok(out)
}

fn cased(word: &str, case: Case) -> String {
    match case {
        Case::Upper => word.to_ascii_uppercase(),
        Case::Lower => word.to_ascii_lowercase(),
        Case::Capital => capitalized(word),
    }
}

/// The ending of the number that a text ends with.
fn ordinal(number: &str) -> &'static str {
    let digits = number.as_bytes();
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    match digits.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

impl Moment<'_> {
    fn on_calendar(&self) -> Result<i64, EvalError> {
        self.days.ok_or_else(|| {
            let message = "invalid format specification for an interval value";
            EvalError::new(SqlState::INVALID_DATETIME_FORMAT, message)
                .hint("Intervals are not tied to specific calendar dates.")
        })
    }

    /// Years are counted from 1 on both sides of Christ's birth.
    fn shown_year(&self, year: i64) -> i64 {
        if self.days.is_some() && year <= 0 { 1 - year } else { year }
    }

    fn field(&self, field: &Field) -> Result<String, EvalError> {
        let number = |value: i64, width: usize| Ok(padded(value, if field.fill { 0 } else { width }));
        match field.name {
            "HH24" => number(self.hour, 2),
            "HH12" | "HH" => number(if self.hour % 12 == 0 { 12 } else { self.hour % 12 }, 2),
            "MI" => number(self.minute, 2),
            "SS" => number(self.second, 2),
            "SSSS" | "SSSSS" => Ok((self.hour * 3600 + self.minute * 60 + self.second).to_string()),
            "MS" | "FF3" => Ok(padded(self.micros / 1000, 3)),
            "US" | "FF6" => Ok(padded(self.micros, 6)),
            "FF1" => Ok(padded(self.micros / 100_000, 1)),
            "FF2" => Ok(padded(self.micros / 10_000, 2)),
            "FF4" => Ok(padded(self.micros / 100, 4)),
            "FF5" => Ok(padded(self.micros / 10, 5)),
            "AM" | "PM" => Ok(cased(if self.afternoon() { "PM" } else { "AM" }, field.case)),
            "A.M." | "P.M." => Ok(cased(if self.afternoon() { "P.M." } else { "A.M." }, field.case)),
            "AD" | "BC" | "A.D." | "B.C." => self.era(field),
            "MM" => number(self.month, 2),
            "DD" => Ok(signed(self.day, if field.fill { 0 } else { 2 })),
            "DDD" => Ok(signed(self.day_of_year, if field.fill { 0 } else { 3 })),
            "W" => Ok(((self.day - 1) / 7 + 1).to_string()),
            "WW" => number((self.day_of_year - 1) / 7 + 1, 2),
            "Q" if self.month == 0 => Ok(String::new()),
            "Q" => Ok(((self.month - 1) / 3 + 1).to_string()),
            "J" => Ok((self.on_calendar()? + JULIAN_EPOCH).to_string()),
            "CC" => self.century(field),
            "MONTH" | "MON" | "DAY" | "DY" | "RM" => self.word(field),
            "D" => Ok((day_of_week(self.on_calendar()?) + 1).to_string()),
            "ID" | "IDDD" | "IW" | "IYYY" | "IYY" | "IY" | "I" => self.iso(field),
            "TZ" | "TZH" | "TZM" | "OF" => self.zone(field),
            _ => self.year(field, self.year),
        }
    }

    fn afternoon(&self) -> bool {
        self.hour % 24 >= 12
    }

    fn era(&self, field: &Field) -> Result<String, EvalError> {
        self.on_calendar()?;
        let era = if self.year <= 0 { "BC" } else { "AD" };
        let dotted = if self.year <= 0 { "B.C." } else { "A.D." };
        Ok(cased(if field.name.contains('.') { dotted } else { era }, field.case))
    }

    fn century(&self, field: &Field) -> Result<String, EvalError> {
        let century = match self.year {
            year if self.days.is_none() => year / 100,
            year if year > 0 => (year - 1) / 100 + 1,
            year => year / 100 - 1,
        };
        Ok(padded(century, if field.fill { 0 } else { 2 }))
    }

    fn year(&self, field: &Field, year: i64) -> Result<String, EvalError> {
        let year = self.shown_year(year);
        let cut = |modulus: i64, width: usize| padded(year % modulus, if field.fill { 0 } else { width });
        Ok(match field.name {
            "YYYY" | "IYYY" => padded(year, if field.fill { 0 } else { 4 }),
            "YYY" | "IYY" => cut(1000, 3),
            "YY" | "IY" => cut(100, 2),
            "Y" | "I" => cut(10, 1),
            _ => format!("{},{:03}", year / 1000, year % 1000),
        })
    }

    /// Names of months and days, padded with blanks to the longest.
    fn word(&self, field: &Field) -> Result<String, EvalError> {
        let (word, width) = match field.name {
            "RM" if self.month == 0 => return Ok(String::new()),
            "RM" => (ROMAN_MONTHS[if self.month > 0 { self.month - 1 } else { 12 + self.month } as usize], 4),
            "MONTH" | "MON" => {
                self.on_calendar()?;
                let month = MONTHS[(self.month - 1) as usize];
                if field.name == "MON" { (&month[..3], 0) } else { (month, 9) }
            }
            name => {
                let day = DAYS[day_of_week(self.on_calendar()?) as usize];
                if name == "DY" { (&day[..3], 0) } else { (day, 9) }
            }
        };
        let width = if field.fill { 0 } else { width };
        Ok(format!("{:width$}", cased(word, field.case)))
    }

    fn iso(&self, field: &Field) -> Result<String, EvalError> {
        let days = self.on_calendar()?;
        let (year, week) = iso_week(days);
        let weekday = (day_of_week(days) + 6) % 7 + 1;
        match field.name {
            "ID" => Ok(weekday.to_string()),
            "IW" => Ok(padded(week as i64, if field.fill { 0 } else { 2 })),
            "IDDD" => Ok(padded((week as i64 - 1) * 7 + weekday, if field.fill { 0 } else { 3 })),
            _ => self.year(field, year),
        }
    }

    fn zone(&self, field: &Field) -> Result<String, EvalError> {
        self.on_calendar()?;
        let (offset, name) = match self.zone {
            Some((offset, zone)) => (offset, zone.name()),
            None if field.name == "TZ" => return Ok(String::new()),
            None => (0, ""),
        };
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.unsigned_abs() / 3600, offset.unsigned_abs() / 60 % 60);
        Ok(match field.name {
            "TZH" => format!("{sign}{hours:02}"),
            "TZM" => format!("{minutes:02}"),
            "TZ" if offset == 0 && !name.contains('/') => cased(name, field.case),
            _ if minutes != 0 => format!("{sign}{hours:02}:{minutes:02}"),
            _ => format!("{sign}{hours:02}"),
        })
    }
}

/// The Julian day of 2000-01-01.
const JULIAN_EPOCH: i64 = 2_451_545;

/// 0 for Sunday.
fn day_of_week(days: i64) -> i64 {
    (days + 6).rem_euclid(7)
}

/// A number of at least so many characters, its sign among them.
fn signed(value: i64, width: usize) -> String {
    format!("{value:0width$}")
}

/// A number of at least so many digits; the sign of a negative one comes before them.
fn padded(value: i64, width: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", value.unsigned_abs())
}
