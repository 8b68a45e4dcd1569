//! Type modifiers: what is written after a type's name, what is kept of it, and how pg_attribute codes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Type;
use crate::error::{Error, SqlState};
use crate::repr::Interval;
use crate::repr::datetime::{MICROS_PER_HOUR, MICROS_PER_MINUTE, round_micros};

const MAX_LENGTH: i64 = 10_485_760;

/// `numeric(10, 2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NumericTypmod {
    /// 1 to 1000 decimal digits in all.
    pub precision: u16,
    /// Digits after the point; may be negative (PostgreSQL 15).
    pub scale: i16,
}

/// How many digits of a second are kept: 0 to 6, all six without it.
pub type Precision = Option<u8>;

/// `interval day to second(3)`: which fields are kept, and how many digits of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IntervalTypmod {
    pub range: Option<IntervalRange>,
    pub precision: Precision,
}

/// The fields of an interval that a type keeps, the greatest and the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IntervalRange {
    pub from: IntervalField,
    pub to: IntervalField,
}

impl IntervalRange {
    /// Those that SQL can write, each before the ones that it begins with.
    pub const WRITTEN: [IntervalRange; 13] = {
        use IntervalField::*;
        const fn range(from: IntervalField, to: IntervalField) -> IntervalRange {
            IntervalRange { from, to }
        }
        [
            range(Year, Month),
            range(Year, Year),
            range(Month, Month),
            range(Day, Hour),
            range(Day, Minute),
            range(Day, Second),
            range(Day, Day),
            range(Hour, Minute),
            range(Hour, Second),
            range(Hour, Hour),
            range(Minute, Second),
            range(Minute, Minute),
            range(Second, Second),
        ]
    };
}

/// `day to second`, `year`.
impl fmt::Display for IntervalRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.from.word())?;
        if self.from != self.to {
            write!(f, " to {}", self.to.word())?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IntervalField {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl IntervalField {
    const ALL: [IntervalField; 6] = [
        IntervalField::Year,
        IntervalField::Month,
        IntervalField::Day,
        IntervalField::Hour,
        IntervalField::Minute,
        IntervalField::Second,
    ];

    /// The field's bit in a typmod.
    fn bit(self) -> i32 {
        match self {
            IntervalField::Year => 1 << 2,
            IntervalField::Month => 1 << 1,
            IntervalField::Day => 1 << 3,
            IntervalField::Hour => 1 << 10,
            IntervalField::Minute => 1 << 11,
            IntervalField::Second => 1 << 12,
        }
    }

    fn word(self) -> &'static str {
        match self {
            IntervalField::Year => "year",
            IntervalField::Month => "month",
            IntervalField::Day => "day",
            IntervalField::Hour => "hour",
            IntervalField::Minute => "minute",
            IntervalField::Second => "second",
        }
    }
}

impl IntervalTypmod {
    const ALL_FIELDS: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;

    pub(super) fn code(self) -> i32 {
        let kept = |range: IntervalRange| {
            let within = |field: &&IntervalField| (range.from..=range.to).contains(*field);
            IntervalField::ALL.iter().filter(within).fold(0, |bits, field| bits | field.bit())
        };
        let fields = self.range.map_or(IntervalTypmod::ALL_FIELDS, kept);
        fields << 16 | self.precision.map_or(IntervalTypmod::FULL_PRECISION, i32::from)
    }

    pub(super) fn of_code(code: i32) -> Option<IntervalTypmod> {
        let fields = code >> 16 & IntervalTypmod::ALL_FIELDS;
        let mut kept = IntervalField::ALL.into_iter().filter(|field| fields & field.bit() != 0);
        let range = match fields {
            IntervalTypmod::ALL_FIELDS => None,
            _ => kept.next().map(|from| IntervalRange { from, to: kept.next_back().unwrap_or(from) }),
        };
        let precision = u8::try_from(code & IntervalTypmod::FULL_PRECISION).ok();
        (code >= 0 && (range.is_some() || precision.is_some())).then_some(IntervalTypmod { range, precision })
    }
}

/// ` day to second(3)`, `(3)`.
impl fmt::Display for IntervalTypmod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(range) = self.range {
            write!(f, " {range}")?;
        }
        self.precision.map_or(Ok(()), |digits| write!(f, "({digits})"))
    }
}

impl IntervalTypmod {
    /// An interval with only the fields and digits that are kept.
    pub fn apply(self, interval: Interval) -> Interval {
        let Interval { months, days, micros } = interval;
        let kept = match self.range.map(|range| range.to) {
            Some(IntervalField::Year) => Interval::new(months / 12 * 12, 0, 0),
            Some(IntervalField::Month) => Interval::new(months, 0, 0),
            Some(IntervalField::Day) => Interval::new(months, days, 0),
            Some(IntervalField::Hour) => {
                Interval::new(months, days, micros / MICROS_PER_HOUR * MICROS_PER_HOUR)
            }
            Some(IntervalField::Minute) => {
                Interval::new(months, days, micros / MICROS_PER_MINUTE * MICROS_PER_MINUTE)
            }
            Some(IntervalField::Second) | None => interval,
        };
        let micros = self.precision.map_or(kept.micros, |digits| round_micros(kept.micros, digits));
        Interval { micros, ..kept }
    }
}

impl Type {
    /// The type with the modifiers written after its name: `numeric(10, 2)`, `varchar(20)`, `timestamp(6)`.
    pub fn with_modifiers(self, modifiers: &[i64]) -> Result<Type, Error> {
        let invalid = |message: String| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        match (self, modifiers) {
            (typ, []) => Ok(typ),
            (Type::Array(element), _) => Ok(element.with_modifiers(modifiers)?.array_of()),
            (Type::Numeric(_), &[precision]) => numeric_with(precision, 0),
            (Type::Numeric(_), &[precision, scale]) => numeric_with(precision, scale),
            (Type::Numeric(_), _) => invalid("invalid NUMERIC type modifier".to_owned()),
            (Type::Varchar(_), &[length]) => Ok(Type::Varchar(Some(length_with("varchar", length)?))),
            (Type::Bpchar(_), &[length]) => Ok(Type::Bpchar(Some(length_with("char", length)?))),
            (Type::Time(_), &[digits]) => Ok(Type::Time(Some(digits_with("TIME", "", digits)?))),
            (Type::TimeTz(_), &[digits]) => {
                Ok(Type::TimeTz(Some(digits_with("TIME", " WITH TIME ZONE", digits)?)))
            }
            (Type::Timestamp(_), &[digits]) => {
                Ok(Type::Timestamp(Some(digits_with("TIMESTAMP", "", digits)?)))
            }
            (Type::TimestampTz(_), &[digits]) => {
                Ok(Type::TimestampTz(Some(digits_with("TIMESTAMP", " WITH TIME ZONE", digits)?)))
            }
            (Type::Interval(typmod), &[digits]) => {
                let precision = Some(digits_with("INTERVAL", "", digits)?);
                let range = typmod.and_then(|typmod| typmod.range);
                Ok(Type::Interval(Some(IntervalTypmod { range, precision })))
            }
            (
                Type::Varchar(_)
                | Type::Bpchar(_)
                | Type::Time(_)
                | Type::TimeTz(_)
                | Type::Timestamp(_)
                | Type::TimestampTz(_)
                | Type::Interval(_),
                _,
            ) => invalid("invalid type modifier".to_owned()),
            (typ, _) => Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("type modifier is not allowed for type \"{}\"", typ.name()),
            )),
        }
    }
}

fn numeric_with(precision: i64, scale: i64) -> Result<Type, Error> {
    let invalid = |message: String| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    if !(1..=1000).contains(&precision) {
        return invalid(format!("NUMERIC precision {precision} must be between 1 and 1000"));
    }
    if !(-1000..=1000).contains(&scale) {
        return invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000"));
    }
    Ok(Type::Numeric(Some(NumericTypmod { precision: precision as u16, scale: scale as i16 })))
}

fn length_with(name: &str, length: i64) -> Result<u32, Error> {
    let message = match length {
        ..1 => format!("length for type {name} must be at least 1"),
        1..=MAX_LENGTH => return Ok(length as u32),
        _ => format!("length for type {name} cannot exceed {MAX_LENGTH}"),
    };
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

/// Digits of the second; more than microseconds have are as many as those have.
fn digits_with(name: &str, zone: &str, digits: i64) -> Result<u8, Error> {
    if digits < 0 {
        let message = format!("{name}({digits}){zone} precision must not be negative");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    Ok(digits.min(6) as u8)
}
