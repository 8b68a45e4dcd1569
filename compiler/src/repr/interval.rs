//! Intervals: months, days and microseconds, compared by a single length as PostgreSQL does.
//!
//! A month counts as 30 days and a day as 24 hours, so that '1 mon' = '30 days' = '720:00:00' although they print and
//! add differently. The encoding leads with that length (up to 10 bytes); months and days follow, and the microseconds
//! are what is left.

use serde::{Deserialize, Serialize};

use super::row::{encode_int, masked_len as datum_len, read_int, tag};

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
