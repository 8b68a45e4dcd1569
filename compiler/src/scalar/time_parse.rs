//! `to_date` and `to_timestamp`: times read by a pattern.
//!
//! Blanks before a field are passed over; a separator in the pattern stands for any separators, a letter for any
//! character. A number takes as many digits as its field has, or all that follow where the pattern goes on with a
//! separator. What the pattern does not say is the first day of the year 1 BC, as in PostgreSQL.

use super::EvalError;
use super::datetime::in_zone;
use super::declare::functions;
use super::native::{Days, MicrosTz};
use super::time_format::{DAYS, Field, Item, MONTHS, ROMAN_MONTHS, parse};
use crate::error::SqlState;
use crate::repr::datetime::{self, days_from_civil, days_in_month};

functions! { pub(super) FUNCTIONS;
    /// The date that a text gives in a pattern.
    "to_date"(Text, Text) -> Date, errs(), maybe_null(): "to_date('05 Dec 2000', 'DD Mon YYYY')" => "2000-12-05"
        = { |_, text: &str, pattern: &str| to_date(text, pattern) };
    /// The time that a text gives in a pattern, in the session's time zone.
    "to_timestamp"(Text, Text) -> TimestampTz, errs(), maybe_null(), zone(): "to_timestamp('2000-12-05 17:03:01.25', 'YYYY-MM-DD HH24:MI:SS.MS')" => "2000-12-05 17:03:01.25+00"
        = { |_, text: &str, pattern: &str, z: Option<&str>| to_timestamp(text, pattern, z) };
}

/// What the fields said.
#[derive(Debug, Default)]
struct Read {
    year: i64,
    century: Option<i64>,
    bc: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    julian: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    weekday: Option<i64>,
    hour: i64,
    twelve_hours: bool,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    seconds_of_day: Option<i64>,
    micros: i64,
    offset: Option<i64>,
}

fn invalid(text: &str, field: &Field, detail: &str) -> EvalError {
    let message = format!("invalid value \"{text}\" for \"{}\"", field.written());
    EvalError::new(SqlState::INVALID_DATETIME_FORMAT, message).detail(detail)
}

fn out_of_range(text: &str) -> EvalError {
    let message = format!("date/time field value out of range: \"{text}\"");
    EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
}

fn to_date(text: &str, pattern: &str) -> Result<Option<Days>, EvalError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let days = read(text, pattern)?.days(text)?;
    datetime::check_date(days).map(|days| Some(Days(days)))
}

fn to_timestamp(text: &str, pattern: &str, zone: Option<&str>) -> Result<Option<MicrosTz>, EvalError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let read = read(text, pattern)?;
    let local = read.days(text)? as i128 * datetime::MICROS_PER_DAY as i128 + read.time(text)? as i128;
    if let Some(offset) = read.offset {
        let utc = local - offset as i128 * datetime::MICROS_PER_SECOND as i128;
        return datetime::check_timestamp(utc).map(|at| Some(MicrosTz(at)));
    }
    let local = datetime::check_timestamp(local)?;
    in_zone(zone, |zone| datetime::timestamp_to_timestamptz(local, zone).map(|at| Some(MicrosTz(at))))
}

fn read(text: &str, pattern: &str) -> Result<Read, EvalError> {
    let items = parse(pattern);
    let mut read = Read::default();
    let mut rest = text;
    for (i, item) in items.iter().enumerate() {
        match item {
            Item::Text(literal) => {
                for c in literal.chars() {
                    rest = pass_over(rest, c);
                }
            }
            Item::Field(field) => {
                let open_ended = match items.get(i + 1) {
                    None => true,
                    Some(Item::Text(next)) => !next.starts_with(|c: char| c.is_ascii_digit()),
                    Some(Item::Field(_)) => false,
                };
                rest = rest.trim_start();
                if rest.is_empty() {
                    break;
                }
                rest = read.field(field, rest, open_ended)?;
                if field.ordinal.is_some() {
                    rest = rest.get(2..).unwrap_or("");
                }
            }
        }
    }
    Ok(read)
}

fn is_separator(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric()
}

/// The input after what a character of the pattern stands for.
fn pass_over(rest: &str, pattern: char) -> &str {
    if !is_separator(pattern) {
        let mut chars = rest.chars();
        chars.next();
        return chars.as_str();
    }
    rest.trim_start_matches(|c: char| is_separator(c) && !matches!(c, '+' | '-') || c == pattern)
}

/// An integer of at most so many digits, and the rest.
fn integer<'t>(field: &Field, rest: &'t str, digits: usize) -> Result<(i64, &'t str), EvalError> {
    let signed = rest.starts_with(['-', '+']) as usize;
    let end = rest[signed..].bytes().take(digits).take_while(u8::is_ascii_digit).count() + signed;
    let number = rest[..end].parse::<i32>();
    match number {
        Ok(number) => Ok((number as i64, &rest[end..])),
        Err(_) if end == signed => {
            let word: String = rest.chars().take(digits.min(rest.len())).collect();
            Err(invalid(&word, field, "Value must be an integer."))
        }
        Err(_) => {
            let detail = "Value must be in the range -2147483648 to 2147483647.";
            let mut error = invalid(&rest[..end], field, detail);
            error = error
                .with_message(format!("value for \"{}\" in source string is out of range", field.written()));
            Err(error)
        }
    }
}

/// The position of the word that the input begins with, in any case; of abbreviations if `short`.
fn word<'t>(field: &Field, rest: &'t str, words: &[&str], short: bool) -> Result<(i64, &'t str), EvalError> {
    for (at, word) in words.iter().enumerate() {
        let word = if short { &word[..3] } else { word };
        if rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return Ok((at as i64, &rest[word.len()..]));
        }
    }
    let found = rest.split(is_separator).next().unwrap_or(rest);
    let detail = "The given value did not match any of the allowed values for this field.";
    Err(invalid(found, field, detail))
}

impl Read {
    fn field<'t>(&mut self, field: &Field, rest: &'t str, open_ended: bool) -> Result<&'t str, EvalError> {
        let number = |digits: usize| integer(field, rest, if open_ended { 10 } else { digits });
        let after = match field.name {
            "YYYY" | "YYY" | "YY" | "Y" | "Y,YYY" | "CC" => return self.year(field, rest, open_ended),
            "IYYY" | "IYY" | "IY" | "I" | "IW" | "ID" | "IDDD" => return self.iso(field, rest, open_ended),
            "BC" | "AD" | "B.C." | "A.D." => {
                let (at, after) = word(field, rest, &["BC", "B.C.", "AD", "A.D."], false)?;
                self.bc = at < 2;
                after
            }
            "AM" | "PM" | "A.M." | "P.M." => {
                let (at, after) = word(field, rest, &["AM", "A.M.", "PM", "P.M."], false)?;
                (self.afternoon, self.twelve_hours) = (Some(at >= 2), true);
                after
            }
            "MONTH" | "MON" => {
                let long = word(field, rest, &MONTHS, false).ok().filter(|_| field.name == "MONTH");
                let (at, after) = long.map_or_else(|| word(field, rest, &MONTHS, true), Ok)?;
                self.month = Some(at + 1);
                after
            }
            "RM" => {
                let mut longest_first: Vec<&str> = ROMAN_MONTHS.to_vec();
                longest_first.sort_by_key(|roman| std::cmp::Reverse(roman.len()));
                let (at, after) = word(field, rest, &longest_first, false)?;
                self.month =
                    ROMAN_MONTHS.iter().position(|r| *r == longest_first[at as usize]).map(|m| m as i64 + 1);
                after
            }
            "DAY" | "DY" => {
                let long = word(field, rest, &DAYS, false).ok().filter(|_| field.name == "DAY");
                long.map_or_else(|| word(field, rest, &DAYS, true), Ok)?.1
            }
            "MM" => set(&mut self.month, number(2)?),
            "DD" => set(&mut self.day, number(2)?),
            "DDD" => set(&mut self.day_of_year, number(3)?),
            "J" => set(&mut self.julian, number(10)?),
            "D" | "Q" | "W" => number(1)?.1,
            "WW" => {
                let (week, after) = number(2)?;
                self.day_of_year = Some((week - 1) * 7 + 1);
                after
            }
            "TZH" | "TZM" | "OF" | "TZ" => return self.offset(field, rest),
            _ => return self.time_field(field, rest, open_ended),
        };
        Ok(after)
    }

    fn time_field<'t>(
        &mut self,
        field: &Field,
        rest: &'t str,
        open_ended: bool,
    ) -> Result<&'t str, EvalError> {
        let number = |digits: usize| integer(field, rest, if open_ended { 10 } else { digits });
        let (value, after) = match field.name {
            "SSSS" | "SSSSS" => number(5)?,
            "MS" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" | "US" => return self.fraction(field, rest),
            _ => number(2)?,
        };
        match field.name {
            "HH24" => self.hour = value,
            "HH12" | "HH" => (self.hour, self.twelve_hours) = (value, true),
            "MI" => self.minute = value,
            "SS" => self.second = value,
            _ => self.seconds_of_day = Some(value),
        }
        Ok(after)
    }

    /// Digits after the point: `.5` is half a second in any field.
    fn fraction<'t>(&mut self, field: &Field, rest: &'t str) -> Result<&'t str, EvalError> {
        let width = match field.name {
            "MS" => 3,
            "US" => 6,
            name => name[2..].parse().expect("invariant: FF1 to FF6"),
        };
        let (value, after) = integer(field, rest, width)?;
        let read = rest.len() - after.len();
        self.micros = value * 10i64.pow(6 - read.min(6) as u32);
        Ok(after)
    }

    fn year<'t>(&mut self, field: &Field, rest: &'t str, open_ended: bool) -> Result<&'t str, EvalError> {
        if field.name == "Y,YYY" {
            let (thousands, after) = integer(field, rest, 3)?;
            let (ones, after) = integer(field, after.strip_prefix(',').unwrap_or(after), 3)?;
            self.year = thousands * 1000 + ones;
            return Ok(after);
        }
        let width = field.name.len();
        let (value, after) = integer(field, rest, if open_ended { 10 } else { width })?;
        match field.name {
            "CC" => self.century = Some(value),
            "YYYY" => self.year = value,
            _ => self.year = nearest_year(value, rest.len() - after.len()),
        }
        Ok(after)
    }

    fn iso<'t>(&mut self, field: &Field, rest: &'t str, open_ended: bool) -> Result<&'t str, EvalError> {
        let (value, after) = integer(field, rest, if open_ended { 10 } else { field.name.len() })?;
        match field.name {
            "IYYY" => self.iso_year = Some(value),
            "IW" => self.iso_week = Some(value),
            "ID" => self.weekday = Some(value),
            "IDDD" => (self.iso_week, self.weekday) = (Some((value - 1) / 7 + 1), Some((value - 1) % 7 + 1)),
            _ => self.iso_year = Some(nearest_year(value, rest.len() - after.len())),
        }
        Ok(after)
    }

    fn offset<'t>(&mut self, field: &Field, rest: &'t str) -> Result<&'t str, EvalError> {
        if matches!(field.name, "TZ" | "OF") {
            let message = format!("formatting field \"{}\" is only supported in to_char", field.name);
            return Err(EvalError::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let (value, after) = integer(field, rest, 2)?;
        let before = self.offset.unwrap_or(0);
        self.offset = Some(match field.name {
            "TZH" => before + value * 3600,
            _ if before < 0 => before - value * 60,
            _ => before + value * 60,
        });
        Ok(after)
    }

    fn days(&self, text: &str) -> Result<i64, EvalError> {
        const JULIAN_EPOCH: i64 = 2_451_545;
        if let Some(julian) = self.julian {
            return Ok(julian - JULIAN_EPOCH);
        }
        if let Some(week) = self.iso_week {
            let year = self.iso_year.unwrap_or(self.year);
            let fourth = days_from_civil(year, 1, 4);
            let monday = fourth - (fourth + 5).rem_euclid(7);
            return Ok(monday + (week - 1) * 7 + self.weekday.unwrap_or(1) - 1);
        }
        let year = self.astronomical_year();
        if let (Some(day), None) = (self.day_of_year, self.day) {
            if self.year == 0 && self.century.is_none() {
                let message = "cannot calculate day of year without year information";
                return Err(EvalError::new(SqlState::INVALID_DATETIME_FORMAT, message));
            }
            let length = 365 + (days_in_month(year, 2) == 29) as i64;
            return match (1..=length).contains(&day) {
                true => Ok(days_from_civil(year, 1, 1) + day - 1),
                false => Err(out_of_range(text)),
            };
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month as u32) as i64 {
            return Err(out_of_range(text));
        }
        Ok(days_from_civil(year, month as u32, day as u32))
    }

    /// 0 is 1 BC, which is also what no year at all means.
    fn astronomical_year(&self) -> i64 {
        let year = match self.century {
            Some(century) if self.year != 0 => (century - 1) * 100 + self.year % 100,
            Some(century) => (century - 1) * 100 + 1,
            None => self.year,
        };
        match year {
            year if self.bc && year > 0 => 1 - year,
            year if year < 0 => year + 1,
            year => year,
        }
    }

    /// Microseconds since midnight.
    fn time(&self, text: &str) -> Result<i64, EvalError> {
        let mut hour = self.hour;
        if self.twelve_hours {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                return Err(EvalError::new(SqlState::INVALID_DATETIME_FORMAT, message)
                    .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            match self.afternoon {
                Some(true) if hour < 12 => hour += 12,
                Some(false) if hour == 12 => hour = 0,
                _ => {}
            }
        }
        let (mut minute, mut second) = (self.minute, self.second);
        if let Some(seconds) = self.seconds_of_day {
            (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(out_of_range(text));
        }
        Ok(((hour * 60 + minute) * 60 + second) * datetime::MICROS_PER_SECOND + self.micros)
    }
}

fn set<'t>(field: &mut Option<i64>, (value, after): (i64, &'t str)) -> &'t str {
    *field = Some(value);
    after
}

/// Of a year's last digits, the year nearest to 2020.
fn nearest_year(value: i64, digits: usize) -> i64 {
    match value {
        _ if digits > 3 => value,
        0..70 => value + 2000,
        70..100 => value + 1900,
        100..520 => value + 2000,
        520..1000 => value + 1000,
        _ => value,
    }
}
