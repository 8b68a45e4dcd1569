//! Text of intervals: input in PostgreSQL's verbose, SQL and ISO 8601 forms, output in the 'postgres' style.

use std::fmt::Write;

use super::Result;
use super::date::{explain, push_fraction};
use super::fields::{self, Field, Refusal, Shape};
use crate::repr::Interval;
use crate::repr::datetime::{
    Field as Unit, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};

type Parsed<T> = std::result::Result<T, Refusal>;

/// Reads an interval.
pub fn parse_interval(text: &str) -> Result<Interval> {
    let fields = fields::split(text).ok_or(Refusal::Syntax);
    let verbose = fields.and_then(|fields| read_verbose(&fields));
    let read = match verbose {
        Err(Refusal::Syntax) => read_iso(text.trim_matches(super::is_space)),
        other => other,
    };
    read.map_err(|refusal| {
        let refusal = if refusal == Refusal::OutOfRange { Refusal::IntervalRange } else { refusal };
        explain(refusal, "interval", text)
    })
}

/// An interval under construction, wide enough that only the end needs a check.
#[derive(Clone, Copy, Default)]
struct Sum {
    years: i128,
    months: i128,
    days: i128,
    micros: i128,
}

impl Sum {
    /// Adds `whole + fraction` units. Fractions go to the next lesser part: of years to months, of months to days, of
    /// days to time.
    fn add(&mut self, unit: Unit, whole: i64, fraction: f64) -> Parsed<()> {
        let whole = whole as i128;
        match unit {
            Unit::Microseconds => self.add_micros(whole, fraction, 1),
            Unit::Milliseconds => self.add_micros(whole, fraction, 1000),
            Unit::Second => self.add_micros(whole, fraction, MICROS_PER_SECOND),
            Unit::Minute => self.add_micros(whole, fraction, MICROS_PER_MINUTE),
            Unit::Hour => self.add_micros(whole, fraction, MICROS_PER_HOUR),
            Unit::Day => {
                self.days += whole;
                self.add_micros(0, fraction, MICROS_PER_DAY);
            }
            Unit::Week => {
                self.days += whole * 7;
                self.add_days(fraction * 7.0);
            }
            Unit::Month => {
                self.months += whole;
                self.add_days(fraction * 30.0);
            }
            Unit::Year => self.add_years(whole, fraction, 1),
            Unit::Decade => self.add_years(whole, fraction, 10),
            Unit::Century => self.add_years(whole, fraction, 100),
            Unit::Millennium => self.add_years(whole, fraction, 1000),
            _ => return Err(Refusal::Syntax),
        }
        Ok(())
    }

    fn add_micros(&mut self, whole: i128, fraction: f64, unit: i64) {
        let part = fraction * unit as f64;
        let rest = part.fract();
        let round = if rest > 0.5 { 1 } else { -((rest < -0.5) as i128) };
        self.micros += whole * unit as i128 + part as i128 + round;
    }

    fn add_days(&mut self, days: f64) {
        self.days += days as i128;
        self.add_micros(0, days.fract(), MICROS_PER_DAY);
    }

    fn add_years(&mut self, whole: i128, fraction: f64, years: i128) {
        self.years += whole * years;
        self.months += (fraction * years as f64 * 12.0).round_ties_even() as i128;
    }

    fn finish(self, negate: bool) -> Parsed<Interval> {
        let sign = if negate { -1 } else { 1 };
        let part = |value: i128| i32::try_from(sign * value).map_err(|_| Refusal::OutOfRange);
        let micros = i64::try_from(sign * self.micros).map_err(|_| Refusal::OutOfRange)?;
        let (years, months, days) = (part(self.years)?, part(self.months)?, part(self.days)?);
        let months = i32::try_from(years as i64 * 12 + months as i64).map_err(|_| Refusal::IntervalTotal)?;
        Ok(Interval::new(months, days, micros))
    }
}

/// `1 year 2 mons -3 days 04:05:06.7 ago`, `1-2 3 4:05:06`: read from the end, because units follow their numbers.
fn read_verbose(fields: &[Field]) -> Parsed<Interval> {
    let mut sum = Sum::default();
    let mut seen: Vec<Unit> = Vec::new();
    let mut unit = None;
    let mut ago = false;
    for field in fields.iter().rev() {
        match field.shape {
            Shape::Time => {
                read_clock(&field.text, &mut sum, &mut seen)?;
                unit = Some(Unit::Day);
            }
            Shape::Signed if field.text.contains(':') => {
                read_clock(&field.text, &mut sum, &mut seen)?;
                unit = Some(Unit::Day);
            }
            Shape::Signed | Shape::Date | Shape::Number => {
                unit = Some(read_amount(&field.text, unit, &mut sum, &mut seen)?);
            }
            Shape::Word | Shape::SignedWord if field.text == "ago" => ago = true,
            Shape::Word | Shape::SignedWord => {
                let named = Unit::named(&field.text).filter(|unit| is_unit(*unit));
                unit = Some(named.ok_or(Refusal::Syntax)?);
            }
        }
    }
    if seen.is_empty() {
        return Err(Refusal::Syntax);
    }
    sum.finish(ago)
}

fn is_unit(unit: Unit) -> bool {
    Sum::default().add(unit, 0, 0.0).is_ok()
}

/// Marks units as said; each can be said once.
fn mark(units: &[Unit], seen: &mut Vec<Unit>) -> Parsed<()> {
    if units.iter().any(|unit| seen.contains(unit)) {
        return Err(Refusal::Syntax);
    }
    seen.extend_from_slice(units);
    Ok(())
}

fn read_clock(text: &str, sum: &mut Sum, seen: &mut Vec<Unit>) -> Parsed<()> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (hour, minute, micros) = fields::clock(unsigned)?;
    let sign = if text.starts_with('-') { -1 } else { 1 };
    mark(&[Unit::Hour, Unit::Minute, Unit::Second], seen)?;
    let time = hour as i128 * MICROS_PER_HOUR as i128 + (minute * MICROS_PER_MINUTE + micros) as i128;
    sum.micros += sign * time;
    Ok(())
}

/// A number with the unit after it; returns what a number without unit before it would mean.
fn read_amount(text: &str, unit: Option<Unit>, sum: &mut Sum, seen: &mut Vec<Unit>) -> Parsed<Unit> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if negative { -1 } else { 1 };
    if let Some((years, months)) = unsigned.split_once('-') {
        let (years, months) = (whole(years)?, whole(months)?);
        if months > 11 {
            return Err(Refusal::OutOfRange);
        }
        mark(&[Unit::Month], seen)?;
        sum.months += sign as i128 * (years as i128 * 12 + months as i128);
        return Ok(Unit::Month);
    }
    let (digits, fraction) = match unsigned.split_once('.') {
        Some((digits, fraction)) => (digits, self::fraction(fraction)?),
        None => (unsigned, 0.0),
    };
    let value = if digits.is_empty() { 0 } else { whole(digits)? };
    let unit = unit.unwrap_or(Unit::Second);
    mark(&[unit], seen)?;
    sum.add(unit, sign * value, sign as f64 * fraction)?;
    Ok(if unit == Unit::Hour { Unit::Day } else { unit })
}

fn whole(digits: &str) -> Parsed<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    digits.parse().map_err(|_| Refusal::OutOfRange)
}

fn fraction(digits: &str) -> Parsed<f64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    std::format!("0.{digits}0").parse().map_err(|_| Refusal::Syntax)
}

/// `P1Y2M3DT4H5M6S`, `P2W`, `P0001-02-03T04:05:06`.
fn read_iso(text: &str) -> Parsed<Interval> {
    let body = text.strip_prefix('P').ok_or(Refusal::Syntax)?;
    let (date, time) = match body.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (body, None),
    };
    let mut sum = Sum::default();
    if date.is_empty() && time.is_none_or(str::is_empty) {
        return Err(Refusal::Syntax);
    }
    if date.get(1..).is_some_and(|rest| rest.contains('-')) && !date.ends_with(|c: char| c.is_alphabetic()) {
        for (part, unit) in date.split('-').zip([Unit::Year, Unit::Month, Unit::Day]) {
            sum.add(unit, whole(part)?, 0.0)?;
        }
    } else {
        read_designators(
            date,
            &[('Y', Unit::Year), ('M', Unit::Month), ('W', Unit::Week), ('D', Unit::Day)],
            &mut sum,
        )?;
    }
    match time {
        Some(clock) if clock.contains(':') => read_clock(clock, &mut sum, &mut Vec::new())?,
        Some(time) => {
            read_designators(time, &[('H', Unit::Hour), ('M', Unit::Minute), ('S', Unit::Second)], &mut sum)?;
        }
        None => {}
    }
    sum.finish(false)
}

/// Numbers each followed by the letter of its unit.
fn read_designators(text: &str, letters: &[(char, Unit)], sum: &mut Sum) -> Parsed<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(Refusal::Syntax)?;
        let letter = rest[end..].chars().next();
        let unit = letters.iter().find(|(name, _)| Some(*name) == letter).ok_or(Refusal::Syntax)?.1;
        let unsigned = rest[..end].strip_prefix(['+', '-']).unwrap_or(&rest[..end]);
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        let (digits, part) = match unsigned.split_once('.') {
            Some((digits, part)) => (digits, fraction(part)?),
            None => (unsigned, 0.0),
        };
        let value = if digits.is_empty() && unsigned.len() > 1 { 0 } else { whole(digits)? };
        sum.add(unit, sign * value, sign as f64 * part)?;
        rest = &rest[end + 1..];
    }
    Ok(())
}

/// Appends an interval: `1 year 2 mons -3 days +04:05:06.7`.
pub fn format_interval(interval: Interval, out: &mut String) {
    let start = out.len();
    let mut negative = false;
    let parts = [
        ((interval.months / 12) as i64, "year"),
        ((interval.months % 12) as i64, "mon"),
        (interval.days as i64, "day"),
    ];
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        let space = if out.len() > start { " " } else { "" };
        // A plus sign says that the minus before it does not go on.
        let plus = if negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        write!(out, "{space}{plus}{value} {unit}{plural}")
            .expect("invariant: writing to a string cannot fail");
        negative = value < 0;
    }
    if interval.micros == 0 && out.len() > start {
        return;
    }
    let space = if out.len() > start { " " } else { "" };
    let sign = match (interval.micros < 0, negative) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    let time = interval.micros.unsigned_abs();
    let (hours, minutes) = (time / MICROS_PER_HOUR as u64, time / MICROS_PER_MINUTE as u64 % 60);
    let seconds = time / MICROS_PER_SECOND as u64 % 60;
    write!(out, "{space}{sign}{hours:02}:{minutes:02}:{seconds:02}")
        .expect("invariant: writing to a string cannot fail");
    push_fraction((time % MICROS_PER_SECOND as u64) as u32, out);
}
