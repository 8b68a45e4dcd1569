//! Intervals: months, days and microseconds, compared by a single length as PostgreSQL does.
//!
//! A month counts as 30 days and a day as 24 hours, so that '1 mon' = '30 days' = '720:00:00' although they print and
//! add differently. The encoding leads with that length (up to 10 bytes); months and days follow, and the microseconds
//! are what is left.

use serde::{Deserialize, Serialize};

use super::row::{encode_int, masked_len as datum_len, read_int, tag};
use crate::error::SqlState;
use crate::scalar::EvalError;

pub const MICROS_PER_DAY: i64 = 86_400_000_000;
pub const DAYS_PER_MONTH: i64 = 30;

/// The bias that makes a count byte order lengths of either sign: 0x80 + n for a length of n bytes, 0x80 - n below zero.
const COUNT_BIAS: u8 = 0x80;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

impl Interval {
    pub fn new(months: i32, days: i32, micros: i64) -> Interval {
        Interval { months, days, micros }
    }

    /// The length that SQL compares intervals by, in microseconds.
    pub fn length(self) -> i128 {
        let days = self.months as i128 * DAYS_PER_MONTH as i128 + self.days as i128;
        days * MICROS_PER_DAY as i128 + self.micros as i128
    }

    /// The interval that stands for all of its length: as many whole months as fit, then days.
    pub fn canonical(self) -> Interval {
        Interval::of_length(self.length())
    }

    fn of_length(length: i128) -> Interval {
        let clamp = |value: i128| value.clamp(i32::MIN as i128, i32::MAX as i128);
        let months = clamp(length / (DAYS_PER_MONTH * MICROS_PER_DAY) as i128);
        let rest = length - months * (DAYS_PER_MONTH * MICROS_PER_DAY) as i128;
        let days = clamp(rest / MICROS_PER_DAY as i128);
        let micros = rest - days * MICROS_PER_DAY as i128;
        Interval { months: months as i32, days: days as i32, micros: micros as i64 }
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let length = self.length();
        let magnitude = if length < 0 { !length } else { length } as u128;
        let count = 16 - magnitude.leading_zeros() as usize / 8;
        out.push(tag::INTERVAL);
        out.push(if length < 0 { COUNT_BIAS - 1 - count as u8 } else { COUNT_BIAS + count as u8 });
        out.extend_from_slice(&length.to_be_bytes()[16 - count..]);
        encode_int(self.months as i64, out);
        encode_int(self.days as i64, out);
    }

    pub(super) fn read(body: &[u8]) -> Option<Interval> {
        let (negative, count) = count(*body.first()?)?;
        let bytes = body.get(1..1 + count)?;
        let high = if negative { -1 } else { 0 };
        let length = bytes.iter().fold(high, |value: i128, &b| value << 8 | b as i128);
        let (months, rest) = read_int(&body[1 + count..])?;
        let (days, _) = read_int(rest)?;
        let (months, days) = (i32::try_from(months).ok()?, i32::try_from(days).ok()?);
        let micros = i64::try_from(length - Interval::new(months, days, 0).length()).ok()?;
        Some(Interval { months, days, micros })
    }
}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Interval) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares as SQL does first, then by parts, so that equal means identical.
impl Ord for Interval {
    fn cmp(&self, other: &Interval) -> std::cmp::Ordering {
        let parts = |i: &Interval| (i.length(), i.months, i.days);
        parts(self).cmp(&parts(other))
    }
}

impl Interval {
    fn checked(months: Option<i32>, days: Option<i32>, micros: Option<i64>) -> Result<Interval, EvalError> {
        match (months, days, micros) {
            (Some(months), Some(days), Some(micros)) => Ok(Interval { months, days, micros }),
            _ => Err(out_of_range()),
        }
    }

    pub fn checked_add(self, other: Interval) -> Result<Interval, EvalError> {
        Interval::checked(
            self.months.checked_add(other.months),
            self.days.checked_add(other.days),
            self.micros.checked_add(other.micros),
        )
    }

    pub fn checked_sub(self, other: Interval) -> Result<Interval, EvalError> {
        Interval::checked(
            self.months.checked_sub(other.months),
            self.days.checked_sub(other.days),
            self.micros.checked_sub(other.micros),
        )
    }

    pub fn checked_neg(self) -> Result<Interval, EvalError> {
        Interval::checked(self.months.checked_neg(), self.days.checked_neg(), self.micros.checked_neg())
    }

    /// Days of 24 hours are carried from the time to the days.
    pub fn justify_hours(self) -> Interval {
        let mut days = self.days as i64 + self.micros / MICROS_PER_DAY;
        let mut micros = self.micros % MICROS_PER_DAY;
        settle(&mut days, &mut micros, MICROS_PER_DAY);
        Interval { months: self.months, days: clamp(days), micros }
    }

    /// Months of 30 days are carried from the days to the months.
    pub fn justify_days(self) -> Interval {
        let mut months = self.months as i64 + self.days as i64 / DAYS_PER_MONTH;
        let mut days = self.days as i64 % DAYS_PER_MONTH;
        settle(&mut months, &mut days, DAYS_PER_MONTH);
        Interval { months: clamp(months), days: days as i32, micros: self.micros }
    }

    /// Both, with one sign for all parts.
    pub fn justify(self) -> Interval {
        let mut days = self.days as i64 + self.micros / MICROS_PER_DAY;
        let mut micros = self.micros % MICROS_PER_DAY;
        let mut months = self.months as i64 + days / DAYS_PER_MONTH;
        days %= DAYS_PER_MONTH;
        // A part whose sign differs from the greater ones' borrows from them.
        if months > 0 && (days < 0 || days == 0 && micros < 0) {
            (months, days) = (months - 1, days + DAYS_PER_MONTH);
        } else if months < 0 && (days > 0 || days == 0 && micros > 0) {
            (months, days) = (months + 1, days - DAYS_PER_MONTH);
        }
        settle(&mut days, &mut micros, MICROS_PER_DAY);
        Interval { months: clamp(months), days: clamp(days), micros }
    }

    /// interval * float8: fractions of months become days, fractions of days become time.
    pub fn checked_mul(self, factor: f64) -> Result<Interval, EvalError> {
        self.scaled(|part| part * factor)
    }

    /// interval / float8.
    pub fn checked_div(self, divisor: f64) -> Result<Interval, EvalError> {
        if divisor == 0.0 {
            return Err(EvalError::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        self.scaled(|part| part / divisor)
    }

    fn scaled(self, scale: impl Fn(f64) -> f64) -> Result<Interval, EvalError> {
        const SECONDS_PER_DAY: f64 = 86_400.0;
        let (months, days) = (scale(self.months as f64), scale(self.days as f64));
        let in_range = |value: f64| (i32::MIN as f64..=i32::MAX as f64).contains(&value);
        if !in_range(months) || !in_range(days) {
            return Err(out_of_range());
        }
        let (whole_months, whole_days) = (months as i32, days as i32);
        let days_of_months = round_micros((months - whole_months as f64) * DAYS_PER_MONTH as f64);
        let fraction = days - whole_days as f64 + days_of_months - days_of_months.trunc();
        let mut seconds = round_micros(fraction * SECONDS_PER_DAY);
        let mut carried = days_of_months.trunc() as i32;
        // Rounding can have made a whole day of the fractions.
        if seconds.abs() >= SECONDS_PER_DAY {
            carried += (seconds / SECONDS_PER_DAY) as i32;
            seconds -= (seconds / SECONDS_PER_DAY).trunc() * SECONDS_PER_DAY;
        }
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        if !(-(2f64.powi(63))..2f64.powi(63)).contains(&micros) {
            return Err(out_of_range());
        }
        Interval::checked(Some(whole_months), whole_days.checked_add(carried), Some(micros as i64))
    }
}

/// A number of seconds or days rounded to microseconds, to drop what binary fractions add.
fn round_micros(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// Gives the lesser part the greater one's sign.
fn settle(greater: &mut i64, lesser: &mut i64, unit: i64) {
    if *greater > 0 && *lesser < 0 {
        (*greater, *lesser) = (*greater - 1, *lesser + unit);
    } else if *greater < 0 && *lesser > 0 {
        (*greater, *lesser) = (*greater + 1, *lesser - unit);
    }
}

/// Justifying carries at most a few thousand years; what leaves the range of a part stays at its end.
fn clamp(value: i64) -> i32 {
    value.clamp(i32::MIN as i64, i32::MAX as i64) as i32
}

fn out_of_range() -> EvalError {
    EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// What a count byte says: (below zero, number of bytes of the length).
fn count(byte: u8) -> Option<(bool, usize)> {
    let (negative, count) =
        if byte < COUNT_BIAS { (true, COUNT_BIAS - 1 - byte) } else { (false, byte - COUNT_BIAS) };
    (count <= 15).then_some((negative, count as usize))
}

/// The length of an interval's encoding after its tag.
pub(super) fn masked_len(body: &[u8], mask: u8) -> Option<usize> {
    let (_, count) = count(body.first()? ^ mask)?;
    let months = datum_len(body.get(1 + count..)?, mask, 0)?;
    let days = datum_len(body.get(1 + count + months..)?, mask, 0)?;
    Some(1 + count + months + days)
}
