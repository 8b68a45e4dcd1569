//! Text of dates and timestamps: input in PostgreSQL's common forms (where only order tells day, month and year apart, the
//! session's DateStyle says the order), output in the four formats of DateStyle.

use std::fmt::Write;

use super::fields::{self, Field, Name, Refusal, Shape};
use super::settings::{DateFormat, DateOrder, DateStyle};
use super::{Result, TextSettings, invalid_syntax};
use crate::error::SqlState;
use crate::repr::datetime::{self, *};
use crate::scalar::EvalError;

type Parsed<T> = std::result::Result<T, Refusal>;

/// What a literal says, before the type takes what it needs.
enum Moment {
    Infinity,
    NegInfinity,
    Epoch,
    At(Reading),
}

/// The zone a literal names.
enum Zone {
    Offset(i32),
    Named(TimeZone),
}

/// The fields read so far.
#[derive(Default)]
struct Reading {
    order: DateOrder,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Microseconds since midnight; more than a day after `24:00`.
    time: Option<i64>,
    zone: Option<Zone>,
    day_of_year: Option<i64>,
    /// The days of a Julian date or of a word like `today`, which need no validation.
    days: Option<i64>,
    month_is_text: bool,
    year_is_short: bool,
    before_christ: bool,
    /// Whether AM or PM was said, and which.
    afternoon: Option<bool>,
}

/// Reads a date; a time in the literal is ignored.
pub fn parse_date(text: &str, settings: &TextSettings) -> Result<i32> {
    match read(text, settings, "date")? {
        Moment::Infinity => Ok(DATE_INFINITY),
        Moment::NegInfinity => Ok(DATE_NEG_INFINITY),
        Moment::Epoch => Ok(-UNIX_EPOCH_DAYS as i32),
        Moment::At(reading) => check_date(reading.date()).map_err(|_| out_of_range("date", text)),
    }
}

/// Reads a timestamp; a time zone in the literal is ignored.
pub fn parse_timestamp(text: &str, settings: &TextSettings) -> Result<i64> {
    match read(text, settings, "timestamp")? {
        Moment::Infinity => Ok(TIMESTAMP_INFINITY),
        Moment::NegInfinity => Ok(TIMESTAMP_NEG_INFINITY),
        Moment::Epoch => Ok(-EPOCH_UNIX_MICROS),
        Moment::At(reading) => check_timestamp(reading.local()).map_err(|_| out_of_range("timestamp", text)),
    }
}

/// Reads a timestamp with time zone; without a zone in the literal it is in the session's.
pub fn parse_timestamptz(text: &str, settings: &TextSettings) -> Result<i64> {
    match read(text, settings, "timestamp with time zone")? {
        Moment::Infinity => Ok(TIMESTAMP_INFINITY),
        Moment::NegInfinity => Ok(TIMESTAMP_NEG_INFINITY),
        Moment::Epoch => Ok(-EPOCH_UNIX_MICROS),
        Moment::At(reading) => {
            let refused = |_| out_of_range("timestamp", text);
            let local = reading.local();
            let utc = match &reading.zone {
                Some(Zone::Offset(seconds)) => local - *seconds as i128 * MICROS_PER_SECOND as i128,
                Some(Zone::Named(zone)) => zone.to_utc(check_timestamp(local).map_err(refused)?),
                None => settings.timezone.to_utc(check_timestamp(local).map_err(refused)?),
            };
            check_timestamp(utc).map_err(refused)
        }
    }
}

fn out_of_range(what: &str, text: &str) -> EvalError {
    EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, std::format!("{what} out of range: \"{text}\""))
}

fn read(text: &str, settings: &TextSettings, typ: &str) -> Result<Moment> {
    let fields = fields::split(text).ok_or(Refusal::Syntax);
    let moment = fields.and_then(|fields| interpret(&fields, Reading::default(), settings));
    moment.map_err(|refusal| explain(refusal, typ, text))
}

/// Reads a time of day; a date and a zone in the literal are ignored.
pub fn parse_time(text: &str, settings: &TextSettings) -> Result<i64> {
    let (reading, _) = read_time(text, settings).map_err(|refusal| explain(refusal, "time", text))?;
    Ok(reading.time.unwrap_or(0))
}

/// Reads a time of day with its offset; without a zone in the literal it is in the session's. A zone whose offset changes needs a
/// date in the literal.
pub fn parse_timetz(text: &str, settings: &TextSettings) -> Result<TimeTz> {
    let offset_of = |reading: &Reading, dated: bool| match &reading.zone {
        Some(Zone::Offset(seconds)) => Ok(*seconds),
        Some(Zone::Named(zone)) if dated || zone.is_fixed() => {
            let local = check_timestamp(reading.local()).map_err(|_| Refusal::OutOfRange)?;
            let utc = check_timestamp(zone.to_utc(local)).map_err(|_| Refusal::OutOfRange)?;
            Ok(zone.offset_at(utc))
        }
        Some(Zone::Named(_)) => Err(Refusal::Syntax),
        None => Ok(settings.timezone.offset_at(settings.now.unwrap_or_default())),
    };
    let read = read_time(text, settings).and_then(|(reading, dated)| {
        Ok(TimeTz { micros: reading.time.unwrap_or(0), offset: offset_of(&reading, dated)? })
    });
    read.map_err(|refusal| explain(refusal, "time with time zone", text))
}

/// The fields of a time of day, and whether there was a date among them.
fn read_time(text: &str, settings: &TextSettings) -> Parsed<(Reading, bool)> {
    let fields = fields::split(text).ok_or(Refusal::Syntax)?;
    let is_date = |field: &Field| match field.shape {
        Shape::Date => field.text.matches(['-', '/', '.']).count() > 1 && field.text.starts_with(is_digit),
        Shape::Word => matches!(
            fields::named(&field.text),
            Some(Name::Now | Name::Today | Name::Tomorrow | Name::Yesterday | Name::Month(_))
        ),
        _ => false,
    };
    let dated = fields.iter().any(is_date);
    // Any day will do: numbers that follow a date are a time.
    let days = (!dated).then_some(0);
    match interpret(&fields, Reading { days, ..Reading::default() }, settings)? {
        Moment::At(reading) if reading.time.is_some() || dated => Ok((reading, dated)),
        _ => Err(Refusal::Syntax),
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The error of a refused date, time or interval.
pub(super) fn explain(refusal: Refusal, typ: &str, text: &str) -> EvalError {
    let range = |code, what: &str| EvalError::new(code, std::format!("{what} out of range: \"{text}\""));
    match refusal {
        Refusal::Syntax => invalid_syntax(SqlState::INVALID_DATETIME_FORMAT, typ, text),
        Refusal::OutOfRange => range(SqlState::DATETIME_FIELD_OVERFLOW, "date/time field value"),
        Refusal::MonthOrDay => range(SqlState::DATETIME_FIELD_OVERFLOW, "date/time field value")
            .hint("Perhaps you need a different \"datestyle\" setting."),
        Refusal::IntervalRange => range(SqlState::INTERVAL_FIELD_OVERFLOW, "interval field value"),
        Refusal::ZoneRange => range(SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement"),
        Refusal::IntervalTotal => EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range"),
        Refusal::UnknownZone(zone) => EvalError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            std::format!("time zone \"{zone}\" not recognized"),
        ),
    }
}

fn interpret(fields: &[Field], reading: Reading, settings: &TextSettings) -> Parsed<Moment> {
    let mut reading = Reading { order: settings.date_style.order, ..reading };
    let mut before = None;
    let mut special = None;
    for (i, field) in fields.iter().enumerate() {
        let label = before.take();
        match field.shape {
            Shape::Date if reading.has_day_and_month() || label.is_some() => {
                reading.time_or_zone(field, label)?;
            }
            Shape::Date => reading.date_field(&field.text)?,
            Shape::Time => reading.set_clock(&field.text)?,
            Shape::Signed => reading.set_zone(Zone::Offset(fields::displacement(&field.text)?))?,
            Shape::Number => reading.number_field(&field.text, label)?,
            Shape::Word | Shape::SignedWord => match reading.word(&field.text, settings)? {
                Some(label @ (Name::TimeFollows | Name::JulianFollows)) if i + 1 < fields.len() => {
                    before = Some(label);
                }
                Some(whole @ (Name::Epoch | Name::Infinity | Name::NegInfinity)) if special.is_none() => {
                    special = Some(whole);
                }
                Some(_) => return Err(Refusal::Syntax),
                None => {}
            },
        }
    }
    if let Some(special) = special {
        return Ok(match special {
            Name::Epoch => Moment::Epoch,
            Name::Infinity => Moment::Infinity,
            _ => Moment::NegInfinity,
        });
    }
    reading.complete()?;
    Ok(Moment::At(reading))
}

/// Sets a field that must not be set yet.
fn set<T>(field: &mut Option<T>, value: T) -> Parsed<()> {
    if field.is_some() {
        return Err(Refusal::Syntax);
    }
    *field = Some(value);
    Ok(())
}

fn number(digits: &str) -> Parsed<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    digits.parse::<i32>().map(i64::from).map_err(|_| Refusal::OutOfRange)
}

impl Reading {
    fn has_day_and_month(&self) -> bool {
        self.month.is_some() && self.day.is_some() || self.days.is_some()
    }

    fn has_date(&self) -> bool {
        self.year.is_some() && self.has_day_and_month() || self.days.is_some()
    }

    fn set_zone(&mut self, zone: Zone) -> Parsed<()> {
        set(&mut self.zone, zone)
    }

    fn set_clock(&mut self, text: &str) -> Parsed<()> {
        let (hour, minute, micros) = fields::clock(text)?;
        let time = hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + micros;
        if time > MICROS_PER_DAY || hour > 24 {
            return Err(Refusal::OutOfRange);
        }
        set(&mut self.time, time)
    }

    /// A joined field after the date: a zone's name, or a time run together with its zone (`040506-08`).
    fn time_or_zone(&mut self, field: &Field, label: Option<Name>) -> Parsed<()> {
        let text = field.text.as_str();
        if !text.starts_with(|c: char| c.is_ascii_digit()) && label.is_none() {
            let zone = TimeZone::named(text).ok_or_else(|| Refusal::UnknownZone(text.to_owned()))?;
            return self.set_zone(Zone::Named(zone));
        }
        if label.is_some_and(|label| label != Name::TimeFollows) {
            return Err(Refusal::Syntax);
        }
        let at = text.find(['-', '+']).ok_or(Refusal::Syntax)?;
        self.set_zone(Zone::Offset(fields::displacement(&text[at..])?))?;
        self.run_together(&text[..at])
    }

    /// A joined date: numbers and perhaps a month's name.
    fn date_field(&mut self, text: &str) -> Parsed<()> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            rest = &rest[start..];
            let digits = rest.starts_with(|c: char| c.is_ascii_digit());
            let same = |c: char| if digits { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
            let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            rest = &rest[end..];
        }
        for word in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())) {
            match fields::named(word) {
                Some(Name::Month(month)) => {
                    set(&mut self.month, month as i64)?;
                    self.month_is_text = true;
                }
                Some(Name::Filler) => {}
                _ => return Err(Refusal::Syntax),
            }
        }
        for digits in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
            self.date_number(digits)?;
        }
        if self.has_date() || self.day_of_year.is_some() { Ok(()) } else { Err(Refusal::Syntax) }
    }

    /// A field of digits, perhaps with a decimal point.
    fn number_field(&mut self, text: &str, label: Option<Name>) -> Parsed<()> {
        match label {
            Some(Name::JulianFollows) => return self.julian(text),
            Some(_) => return self.run_together(text),
            None => {}
        }
        let no_date = self.year.is_none() && !self.has_day_and_month() && self.month.is_none();
        match text.find('.') {
            Some(_) if no_date => self.date_field(text),
            Some(point) if point > 2 => self.run_together(text),
            None if text.len() >= 6 && (no_date || self.time.is_none()) => self.run_together(text),
            _ => self.date_number(text),
        }
    }

    fn julian(&mut self, text: &str) -> Parsed<()> {
        const EPOCH_JULIAN: f64 = 2_451_545.0;
        let value: f64 = text.parse().map_err(|_| Refusal::Syntax)?;
        set(&mut self.days, (value.floor() - EPOCH_JULIAN) as i64)?;
        let time = (value.fract() * MICROS_PER_DAY as f64).round() as i64;
        if time != 0 { set(&mut self.time, time) } else { Ok(()) }
    }

    /// One number of a date, whose meaning follows from what is known already and from its length.
    fn date_number(&mut self, text: &str) -> Parsed<()> {
        if text.contains('.') {
            return Err(Refusal::Syntax);
        }
        let value = number(text)?;
        let long = text.len() >= 3;
        if self.days.is_some() {
            return self.run_together(text);
        }
        match (self.year.is_some(), self.month.is_some(), self.day.is_some()) {
            (true, false, false) if text.len() == 3 && (1..=366).contains(&value) => {
                set(&mut self.day_of_year, value)?;
                (self.month, self.day) = (Some(1), Some(1));
            }
            (false, false, false) if long || self.order == DateOrder::Ymd => self.set_year(text, value),
            (false, false, false) if self.order == DateOrder::Dmy => self.day = Some(value),
            (false, false, false) | (true, false, false) | (false, false, true) => self.month = Some(value),
            (false, true, false) if self.month_is_text && (long || self.order == DateOrder::Ymd) => {
                self.set_year(text, value);
            }
            // Of `Jan 08 1999` the 08 was taken for the year when two digits could be one.
            (true, true, false) if self.month_is_text && long && self.year_is_short => {
                self.day = self.year.take();
                self.set_year(text, value);
            }
            (false, true, false) | (true, true, false) => self.day = Some(value),
            (false, true, true) => self.set_year(text, value),
            (true, true, true) => return self.run_together(text),
            (true, false, true) => return Err(Refusal::Syntax),
        }
        Ok(())
    }

    fn set_year(&mut self, text: &str, value: i64) {
        self.year = Some(value);
        self.year_is_short = text.len() <= 2;
    }

    /// `19990108` or `990108` before the date is known, `040506`, `0405` or `040506.789` after.
    fn run_together(&mut self, text: &str) -> Parsed<()> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fields::fraction_micros(fraction)?)),
            None => (text, None),
        };
        let pair = |from: usize| number(whole.get(from..from + 2).ok_or(Refusal::Syntax)?);
        if fraction.is_none() && !self.has_date() && whole.len() >= 6 {
            if self.month.is_some() || self.year.is_some() || self.day.is_some() {
                return Err(Refusal::Syntax);
            }
            let year_len = whole.len() - 4;
            self.set_year(&whole[..year_len], number(&whole[..year_len])?);
            (self.month, self.day) = (Some(pair(year_len)?), Some(pair(year_len + 2)?));
            return Ok(());
        }
        let (hour, minute, second) = match whole.len() {
            6 => (pair(0)?, pair(2)?, pair(4)?),
            4 => (pair(0)?, pair(2)?, 0),
            _ => return Err(Refusal::Syntax),
        };
        let seconds = second * MICROS_PER_SECOND + fraction.unwrap_or(0);
        let time = hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + seconds;
        if minute > 59 || second > 60 || time > MICROS_PER_DAY {
            return Err(Refusal::OutOfRange);
        }
        set(&mut self.time, time)
    }

    /// A word; the caller is given those that it must know of.
    fn word(&mut self, word: &str, settings: &TextSettings) -> Parsed<Option<Name>> {
        if let Some(seconds) = datetime::abbreviation(word) {
            return self.set_zone(Zone::Offset(seconds)).map(|()| None);
        }
        let Some(name) = fields::named(word) else {
            let zone = TimeZone::named(word).ok_or(Refusal::Syntax)?;
            return self.set_zone(Zone::Named(zone)).map(|()| None);
        };
        match name {
            Name::Month(month) => self.set_text_month(month as i64)?,
            Name::Weekday | Name::Filler => {}
            Name::Am | Name::Pm => set(&mut self.afternoon, name == Name::Pm)?,
            Name::Ad | Name::Bc => self.before_christ = name == Name::Bc,
            Name::TimeFollows if !self.has_date() => return Err(Refusal::Syntax),
            Name::MidnightUtc => {
                set(&mut self.time, 0)?;
                self.set_zone(Zone::Offset(0))?;
            }
            Name::Now | Name::Today | Name::Tomorrow | Name::Yesterday => {
                self.set_relative(name, settings)?
            }
            _ => return Ok(Some(name)),
        }
        Ok(None)
    }

    /// A month's name after a number makes that number the day.
    fn set_text_month(&mut self, month: i64) -> Parsed<()> {
        if let (Some(number), None, false) = (self.month, self.day, self.month_is_text)
            && (1..=31).contains(&number)
        {
            self.day = Some(number);
            self.month = None;
        }
        self.month_is_text = true;
        set(&mut self.month, month)
    }

    fn set_relative(&mut self, name: Name, settings: &TextSettings) -> Parsed<()> {
        let now = settings.now.ok_or(Refusal::Syntax)?;
        let local = settings.timezone.to_local(now);
        let today = local.div_euclid(MICROS_PER_DAY);
        if self.has_day_and_month() {
            return Err(Refusal::Syntax);
        }
        self.days = Some(match name {
            Name::Tomorrow => today + 1,
            Name::Yesterday => today - 1,
            _ => today,
        });
        if name == Name::Now {
            set(&mut self.time, local.rem_euclid(MICROS_PER_DAY))?;
            self.set_zone(Zone::Offset(settings.timezone.offset_at(now)))?;
        }
        Ok(())
    }

    /// Checks that the fields make a date, and brings them to their final form.
    fn complete(&mut self) -> Parsed<()> {
        if let Some(afternoon) = self.afternoon {
            let time = self.time.unwrap_or(0);
            let hour = time / MICROS_PER_HOUR;
            if hour > 12 {
                return Err(Refusal::OutOfRange);
            }
            let shift = (afternoon as i64) * 12 - (hour == 12) as i64 * 12;
            self.time = Some(time + shift * MICROS_PER_HOUR);
        }
        if self.days.is_some() {
            return Ok(());
        }
        if let Some(year) = &mut self.year {
            if *year <= 0 && (self.before_christ || !self.year_is_short) {
                return Err(Refusal::OutOfRange);
            }
            if self.before_christ {
                *year = 1 - *year;
            } else if self.year_is_short {
                *year += if *year < 70 { 2000 } else { 1900 };
            }
        }
        if self.month.is_some_and(|month| !(1..=12).contains(&month))
            || self.day.is_some_and(|day| !(1..=31).contains(&day))
        {
            return Err(Refusal::MonthOrDay);
        }
        let (Some(year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Err(Refusal::Syntax);
        };
        let first = days_from_civil(year, month as u32, 1);
        if let Some(day_of_year) = self.day_of_year {
            self.days = Some(first + day_of_year - 1);
        } else if day > days_in_month(year, month as u32) as i64 {
            return Err(Refusal::OutOfRange);
        } else {
            self.days = Some(first + day - 1);
        }
        Ok(())
    }

    fn date(&self) -> i64 {
        self.days.expect("invariant: complete sets the days")
    }

    fn local(&self) -> i128 {
        self.date() as i128 * MICROS_PER_DAY as i128 + self.time.unwrap_or(0) as i128
    }
}

/// Appends a date: `1999-01-08`, `0044-03-15 BC`, `infinity`, or in another format.
pub fn format_date(date: i32, style: DateStyle, out: &mut String) {
    match date {
        DATE_INFINITY => out.push_str("infinity"),
        DATE_NEG_INFINITY => out.push_str("-infinity"),
        _ => {
            let (year, month, day) = civil_from_days(date as i64);
            push_date(year, month, day, style, out);
            push_era(year, out);
        }
    }
}

/// Appends a timestamp: `1999-01-08 04:05:06.789`.
pub fn format_timestamp(timestamp: i64, style: DateStyle, out: &mut String) {
    if let Some(civil) = push_moment(timestamp, style, out) {
        push_era(civil.year, out);
    }
}

/// Appends a timestamp in a zone: with the zone's offset, `1999-01-08 04:05:06.789+01`, or in the older formats its abbreviation.
pub fn format_timestamptz(timestamp: i64, zone: &TimeZone, style: DateStyle, out: &mut String) {
    if !is_finite_timestamp(timestamp) {
        return format_timestamp(timestamp, style, out);
    }
    let offset = zone.offset_at(timestamp);
    let local = timestamp.saturating_add(offset as i64 * MICROS_PER_SECOND);
    if let Some(civil) = push_moment(local, style, out) {
        match style.format {
            DateFormat::Iso => datetime::push_offset(offset, out),
            DateFormat::Postgres | DateFormat::Sql | DateFormat::German => {
                out.push(' ');
                zone.push_abbreviation(timestamp, out);
            }
        }
        push_era(civil.year, out);
    }
}

/// Appends date and time, and returns their parts unless the timestamp is infinite.
fn push_moment(timestamp: i64, style: DateStyle, out: &mut String) -> Option<Civil> {
    if !is_finite_timestamp(timestamp) {
        out.push_str(if timestamp > 0 { "infinity" } else { "-infinity" });
        return None;
    }
    let civil = Civil::from_timestamp(timestamp);
    if style.format == DateFormat::Postgres {
        push_words(&civil, timestamp.div_euclid(MICROS_PER_DAY), style.order, out);
        return Some(civil);
    }
    push_date(civil.year, civil.month, civil.day, style, out);
    out.push(' ');
    format_time(civil.time(), out);
    Some(civil)
}

/// `Fri Jan 08 04:05:06.789 1999`; `day` counts from 2000-01-01, a Saturday.
fn push_words(civil: &Civil, day: i64, order: DateOrder, out: &mut String) {
    const WEEKDAYS: [&str; 7] = ["Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    out.push_str(WEEKDAYS[day.rem_euclid(7) as usize]);
    out.push(' ');
    let month = MONTHS[civil.month as usize - 1];
    if order == DateOrder::Dmy {
        push_two(civil.day, out);
        out.push(' ');
        out.push_str(month);
    } else {
        out.push_str(month);
        out.push(' ');
        push_two(civil.day, out);
    }
    out.push(' ');
    format_time(civil.time(), out);
    out.push(' ');
    push_year(civil.year, out);
}

/// Appends a time of day: `04:05:06.789`, `24:00:00`.
pub fn format_time(micros: i64, out: &mut String) {
    push_two((micros / MICROS_PER_HOUR) as u32, out);
    out.push(':');
    push_two((micros / MICROS_PER_MINUTE % 60) as u32, out);
    out.push(':');
    push_two((micros / MICROS_PER_SECOND % 60) as u32, out);
    push_fraction((micros % MICROS_PER_SECOND) as u32, out);
}

/// Appends a time of day with its offset: `04:05:06.789-08`.
pub fn format_timetz(time: TimeTz, out: &mut String) {
    format_time(time.micros, out);
    datetime::push_offset(time.offset, out);
}

fn push_date(year: i64, month: u32, day: u32, style: DateStyle, out: &mut String) {
    let separator = match style.format {
        DateFormat::Iso => {
            push_year(year, out);
            out.push('-');
            push_two(month, out);
            out.push('-');
            return push_two(day, out);
        }
        DateFormat::Postgres => '-',
        DateFormat::Sql => '/',
        DateFormat::German => '.',
    };
    let day_first = style.order == DateOrder::Dmy || style.format == DateFormat::German;
    let (first, second) = if day_first { (day, month) } else { (month, day) };
    push_two(first, out);
    out.push(separator);
    push_two(second, out);
    out.push(separator);
    push_year(year, out);
}

fn push_year(year: i64, out: &mut String) {
    let shown = if year > 0 { year } else { 1 - year };
    write!(out, "{shown:04}").expect("invariant: writing to a string cannot fail");
}

fn push_era(year: i64, out: &mut String) {
    if year <= 0 {
        out.push_str(" BC");
    }
}

fn push_two(value: u32, out: &mut String) {
    out.push((b'0' + (value / 10 % 10) as u8) as char);
    out.push((b'0' + (value % 10) as u8) as char);
}

/// A point and microseconds without trailing zeros, or nothing.
pub(super) fn push_fraction(micros: u32, out: &mut String) {
    if micros != 0 {
        write!(out, ".{micros:06}").expect("invariant: writing to a string cannot fail");
        out.truncate(out.trim_end_matches('0').len());
    }
}
