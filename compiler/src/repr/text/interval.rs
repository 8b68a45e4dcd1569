//! Text of intervals: input in PostgreSQL's verbose, SQL and ISO 8601 forms, output in the four styles.

use std::fmt::{self, Write};

use super::Result;
use super::date::{explain, push_fraction};
use super::fields::{self, Field, Refusal, Shape};
use super::settings::IntervalStyle;
use crate::repr::Interval;
use crate::repr::datetime::{
    Field as Unit, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
use crate::repr::types::{IntervalField, IntervalRange, IntervalTypmod};

type Parsed<T> = std::result::Result<T, Refusal>;

/// Reads an interval. The fields that the type keeps say what a number without a unit counts; in the SQL style one leading minus is
/// the whole interval's.
pub fn parse_interval(text: &str, typmod: Option<IntervalTypmod>, style: IntervalStyle) -> Result<Interval> {
    let range = typmod.and_then(|typmod| typmod.range);
    let fields = fields::split(text).ok_or(Refusal::Syntax);
    let verbose = fields.and_then(|fields| read_verbose(&fields, range, style));
    let read = match verbose {
        Err(Refusal::Syntax) => read_iso(text.trim_matches(super::is_space)),
        other => other,
    };
    let interval = read.map_err(|refusal| {
        let refusal = if refusal == Refusal::OutOfRange { Refusal::IntervalRange } else { refusal };
        explain(refusal, "interval", text)
    })?;
    Ok(typmod.map_or(interval, |typmod| typmod.apply(interval)))
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

    /// Every part below zero.
    fn negative(self) -> Sum {
        Sum {
            years: -self.years.abs(),
            months: -self.months.abs(),
            days: -self.days.abs(),
            micros: -self.micros.abs(),
        }
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
fn read_verbose(fields: &[Field], range: Option<IntervalRange>, style: IntervalStyle) -> Parsed<Interval> {
    let mut sum = Sum::default();
    let mut seen: Vec<Unit> = Vec::new();
    let mut unit = None;
    let mut ago = false;
    for field in fields.iter().rev() {
        match field.shape {
            Shape::Time => {
                read_clock(&field.text, range, &mut sum, &mut seen)?;
                unit = Some(Unit::Day);
            }
            Shape::Signed if field.text.contains(':') => {
                read_clock(&field.text, range, &mut sum, &mut seen)?;
                unit = Some(Unit::Day);
            }
            Shape::Signed | Shape::Date | Shape::Number => {
                let counted = unit.unwrap_or_else(|| default_unit(range));
                unit = Some(read_amount(&field.text, counted, &mut sum, &mut seen)?);
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
    let signed = |field: &Field| field.text.starts_with(['+', '-']);
    if style == IntervalStyle::SqlStandard
        && fields[0].text.starts_with('-')
        && !fields[1..].iter().any(signed)
    {
        sum = sum.negative();
    }
    sum.finish(ago)
}

/// What a number without a unit counts.
fn default_unit(range: Option<IntervalRange>) -> Unit {
    match range.map(|range| range.to) {
        Some(IntervalField::Year) => Unit::Year,
        Some(IntervalField::Month) => Unit::Month,
        Some(IntervalField::Day) => Unit::Day,
        Some(IntervalField::Hour) => Unit::Hour,
        Some(IntervalField::Minute) => Unit::Minute,
        Some(IntervalField::Second) | None => Unit::Second,
    }
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

/// `4:05` is hours and minutes, but minutes and seconds where the type keeps only those.
fn read_clock(text: &str, range: Option<IntervalRange>, sum: &mut Sum, seen: &mut Vec<Unit>) -> Parsed<()> {
    const SHORT: IntervalRange = IntervalRange { from: IntervalField::Minute, to: IntervalField::Second };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (hour, minute, micros) = match fields::clock(unsigned)? {
        (minute, second, 0) if range == Some(SHORT) && unsigned.matches(':').count() == 1 => {
            (0, minute, second * MICROS_PER_SECOND)
        }
        clock => clock,
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    mark(&[Unit::Hour, Unit::Minute, Unit::Second], seen)?;
    let time = hour as i128 * MICROS_PER_HOUR as i128 + (minute * MICROS_PER_MINUTE + micros) as i128;
    sum.micros += sign * time;
    Ok(())
}

/// A number with the unit after it; returns what a number without unit before it would mean.
fn read_amount(text: &str, unit: Unit, sum: &mut Sum, seen: &mut Vec<Unit>) -> Parsed<Unit> {
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
        Some(clock) if clock.contains(':') => read_clock(clock, None, &mut sum, &mut Vec::new())?,
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

/// An interval taken apart, each part with its sign.
struct Parts {
    years: i32,
    months: i32,
    days: i32,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

/// Appends an interval in a style.
pub fn format_interval(interval: Interval, style: IntervalStyle, out: &mut String) {
    let parts = Parts {
        years: interval.months / 12,
        months: interval.months % 12,
        days: interval.days,
        hours: interval.micros / MICROS_PER_HOUR,
        minutes: interval.micros / MICROS_PER_MINUTE % 60,
        seconds: interval.micros / MICROS_PER_SECOND % 60,
        micros: interval.micros % MICROS_PER_SECOND,
    };
    match style {
        IntervalStyle::Postgres => parts.postgres(interval.micros < 0, out),
        IntervalStyle::Verbose => parts.verbose(out),
        IntervalStyle::SqlStandard => parts.sql_standard(out),
        IntervalStyle::Iso => parts.iso(out),
    }
    .expect("invariant: writing to a string cannot fail");
}

impl Parts {
    fn has_time(&self) -> bool {
        self.hours != 0 || self.minutes != 0 || self.seconds != 0 || self.micros != 0
    }

    fn has_months(&self) -> bool {
        self.years != 0 || self.months != 0
    }

    /// Seconds without their sign, with two digits if they are `padded`.
    fn push_seconds(&self, padded: bool, out: &mut String) -> fmt::Result {
        match padded {
            true => write!(out, "{:02}", self.seconds.abs())?,
            false => write!(out, "{}", self.seconds.abs())?,
        }
        push_fraction(self.micros.unsigned_abs() as u32, out);
        Ok(())
    }

    /// `1 year 2 mons -3 days +04:05:06.7`.
    fn postgres(&self, negative_time: bool, out: &mut String) -> fmt::Result {
        let start = out.len();
        let mut negative = false;
        let units = [(self.years, "year"), (self.months, "mon"), (self.days, "day")];
        for (value, unit) in units.into_iter().filter(|(value, _)| *value != 0) {
            let space = if out.len() > start { " " } else { "" };
            // A plus sign says that the minus before it does not go on.
            let plus = if negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            write!(out, "{space}{plus}{value} {unit}{plural}")?;
            negative = value < 0;
        }
        if !self.has_time() && out.len() > start {
            return Ok(());
        }
        let space = if out.len() > start { " " } else { "" };
        let sign = match (negative_time, negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        write!(out, "{space}{sign}{:02}:{:02}:", self.hours.unsigned_abs(), self.minutes.abs())?;
        self.push_seconds(true, out)
    }

    /// `@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs`, with `ago` where the first part is below zero.
    fn verbose(&self, out: &mut String) -> fmt::Result {
        out.push('@');
        // What the first part's sign is; None until there is one.
        let mut ago: Option<bool> = None;
        let units = [
            (i64::from(self.years), "year"),
            (i64::from(self.months), "mon"),
            (i64::from(self.days), "day"),
            (self.hours, "hour"),
            (self.minutes, "min"),
        ];
        for (value, unit) in units.into_iter().filter(|(value, _)| *value != 0) {
            let value = if *ago.get_or_insert(value < 0) { -value } else { value };
            let plural = if value == 1 { "" } else { "s" };
            write!(out, " {value} {unit}{plural}")?;
        }
        if self.seconds != 0 || self.micros != 0 {
            let negative = self.seconds < 0 || self.micros < 0;
            let sign = if negative != *ago.get_or_insert(negative) { " -" } else { " " };
            out.push_str(sign);
            self.push_seconds(false, out)?;
            let plural = if self.seconds.abs() == 1 && self.micros == 0 { "" } else { "s" };
            write!(out, " sec{plural}")?;
        }
        out.push_str(match ago {
            None => " 0",
            Some(true) => " ago",
            Some(false) => "",
        });
        Ok(())
    }

    /// `1-2`, `3 4:05:06.7`, and with all signs (`+1-2 -3 +4:05:06.7`) what the standard has no interval for.
    fn sql_standard(&self, out: &mut String) -> fmt::Result {
        let values = [
            i64::from(self.years),
            i64::from(self.months),
            i64::from(self.days),
            self.hours,
            self.minutes,
            self.seconds,
            self.micros,
        ];
        let negative = values.iter().any(|value| *value < 0);
        let positive = values.iter().any(|value| *value > 0);
        let (years, months, days) = (self.years.unsigned_abs(), self.months.abs(), self.days.unsigned_abs());
        let (hours, minutes) = (self.hours.unsigned_abs(), self.minutes.abs());
        if !negative && !positive {
            out.push('0');
            return Ok(());
        }
        if negative && positive || self.has_months() && (self.days != 0 || self.has_time()) {
            let sign = |below: bool| if below { '-' } else { '+' };
            let (month, day) = (sign(self.years < 0 || self.months < 0), sign(self.days < 0));
            let time = sign(values[3..].iter().any(|value| *value < 0));
            write!(out, "{month}{years}-{months} {day}{days} {time}{hours}:{minutes:02}:")?;
            return self.push_seconds(true, out);
        }
        if negative {
            out.push('-');
        }
        if self.has_months() {
            return write!(out, "{years}-{months}");
        }
        if self.days != 0 {
            write!(out, "{days} ")?;
        }
        write!(out, "{hours}:{minutes:02}:")?;
        self.push_seconds(true, out)
    }

    /// `P1Y2M-3DT4H5M6.7S`.
    fn iso(&self, out: &mut String) -> fmt::Result {
        if !self.has_months() && self.days == 0 && !self.has_time() {
            out.push_str("PT0S");
            return Ok(());
        }
        out.push('P');
        for (value, unit) in [(self.years, 'Y'), (self.months, 'M'), (self.days, 'D')] {
            if value != 0 {
                write!(out, "{value}{unit}")?;
            }
        }
        if !self.has_time() {
            return Ok(());
        }
        out.push('T');
        for (value, unit) in [(self.hours, 'H'), (self.minutes, 'M')] {
            if value != 0 {
                write!(out, "{value}{unit}")?;
            }
        }
        if self.seconds != 0 || self.micros != 0 {
            if self.seconds < 0 || self.micros < 0 {
                out.push('-');
            }
            self.push_seconds(false, out)?;
            out.push('S');
        }
        Ok(())
    }
}
