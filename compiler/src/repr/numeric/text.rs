//! Numeric's text: PostgreSQL's input syntax and output.

use std::fmt;

use bumpalo::Bump;
use num_bigint::BigInt;
use num_traits::Zero;

use super::arithmetic::{finish, overflow};
use super::{MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, Repr, big_pow10, pow10};
use crate::error::SqlState;
use crate::scalar::EvalError;

impl<'a> Numeric<'a> {
    /// Parses PostgreSQL's numeric input: digits, point, exponent, NaN, Infinity; surrounding space is allowed.
    pub fn parse(text: &str, arena: &'a Bump) -> Result<Numeric<'a>, EvalError> {
        let invalid = || {
            let message = std::format!("invalid input syntax for type numeric: \"{text}\"");
            EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
        };
        let trimmed = text.trim_matches(is_space);
        match parse_special(trimmed) {
            Some(special) => Ok(special),
            None => Literal::parse(trimmed).ok_or_else(invalid)?.value(arena),
        }
    }
}

/// C's isspace.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

fn parse_special<'a>(text: &str) -> Option<Numeric<'a>> {
    if text.eq_ignore_ascii_case("nan") {
        return Some(Numeric::NAN);
    }
    let (negative, name) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let infinite = name.eq_ignore_ascii_case("infinity") || name.eq_ignore_ascii_case("inf");
    infinite.then_some(if negative { Numeric::NEG_INFINITY } else { Numeric::INFINITY })
}

/// The least exponent that is refused even for zero.
const MAX_EXPONENT: i64 = i32::MAX as i64 / 2;

/// A decimal number as written.
struct Literal<'t> {
    negative: bool,
    integer: &'t str,
    fraction: &'t str,
    exponent: i64,
}

impl<'t> Literal<'t> {
    fn parse(text: &'t str) -> Option<Literal<'t>> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (integer, rest) = split_digits(rest);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if integer.is_empty() && fraction.is_empty() {
            return None;
        }
        Some(Literal { negative, integer, fraction, exponent: parse_exponent(rest)? })
    }

    fn value<'a>(&self, arena: &'a Bump) -> Result<Numeric<'a>, EvalError> {
        let scale = (self.fraction.len() as i64 - self.exponent).max(0);
        if scale > MAX_SCALE as i64 || self.exponent.abs() >= MAX_EXPONENT {
            return Err(overflow());
        }
        let shift = scale - (self.fraction.len() as i64 - self.exponent);
        if let Some(mantissa) = self.small_mantissa(shift) {
            return Ok(Numeric::small(mantissa, scale as u16));
        }
        let digits = std::format!("{}{}", self.integer, self.fraction);
        let digits = digits.trim_start_matches('0');
        if digits.len() as i64 + shift - scale > MAX_INTEGER_DIGITS as i64 && !digits.is_empty() {
            return Err(overflow());
        }
        let magnitude = BigInt::parse_bytes(digits.as_bytes(), 10).unwrap_or_default();
        let shifted = if magnitude.is_zero() { magnitude } else { magnitude * big_pow10(shift as u32) };
        finish(if self.negative { -shifted } else { shifted }, scale as u16, arena)
    }

    fn small_mantissa(&self, shift: i64) -> Option<i128> {
        if self.integer.len() + self.fraction.len() > 38 {
            return None;
        }
        let digits = self.integer.bytes().chain(self.fraction.bytes());
        let magnitude = digits.fold(0u128, |value, digit| value * 10 + (digit - b'0') as u128);
        let shifted = match magnitude {
            0 => 0,
            _ => magnitude.checked_mul(pow10(u32::try_from(shift).ok()?)?)?,
        };
        let mantissa = i128::try_from(shifted).ok()?;
        Some(if self.negative { -mantissa } else { mantissa })
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// An exponent and nothing after it. Absurd ones saturate, so that the value overflows.
fn parse_exponent(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let rest = text.strip_prefix(['e', 'E'])?;
    let (negative, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('+').unwrap_or(rest)),
    };
    let (digits, rest) = split_digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX).min(i32::MAX as i64);
    Some(if negative { -magnitude } else { magnitude })
}

impl fmt::Display for Numeric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::NaN => f.write_str("NaN"),
            Repr::Infinity => f.write_str("Infinity"),
            Repr::NegInfinity => f.write_str("-Infinity"),
            Repr::Small { .. } => {
                let (mantissa, scale) = self.as_small().expect("invariant: matched Small");
                write_small(f, mantissa, scale as usize)
            }
            Repr::Large(_) => {
                let (mantissa, scale) = self.big();
                let digits = mantissa.magnitude().to_string();
                write_decimal(f, self.is_negative(), &digits, scale as usize)
            }
        }
    }
}

/// Writes an inline number without allocating.
fn write_small(f: &mut fmt::Formatter<'_>, mantissa: i128, scale: usize) -> fmt::Result {
    let mut buffer = [0u8; 39];
    let mut start = buffer.len();
    let mut rest = mantissa.unsigned_abs();
    while rest > u64::MAX as u128 {
        start -= 1;
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u64;
    while rest > 0 || start == buffer.len() {
        start -= 1;
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let digits = std::str::from_utf8(&buffer[start..]).expect("invariant: ASCII digits");
    write_decimal(f, mantissa < 0, digits, scale)
}

fn write_decimal(f: &mut fmt::Formatter<'_>, negative: bool, digits: &str, scale: usize) -> fmt::Result {
    if negative {
        f.write_str("-")?;
    }
    if scale == 0 {
        return f.write_str(digits);
    }
    match digits.len().checked_sub(scale) {
        Some(point) if point > 0 => {
            f.write_str(&digits[..point])?;
            f.write_str(".")?;
            f.write_str(&digits[point..])
        }
        _ => {
            f.write_str("0.")?;
            for _ in digits.len()..scale {
                f.write_str("0")?;
            }
            f.write_str(digits)
        }
    }
}
