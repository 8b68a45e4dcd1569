//! Arithmetic with PostgreSQL's result scales.
//!
//! Each operation tries i128 first and falls back to big integers; both give the same value and scale.

use bumpalo::Bump;
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

use super::super::types::NumericTypmod;
use super::{MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, NumericBuf, Repr, big_pow10, pow10};
use crate::error::SqlState;
use crate::scalar::EvalError;

pub(super) type Result<T> = std::result::Result<T, EvalError>;

/// Significant digits that a quotient has at least.
pub(super) const MIN_SIGNIFICANT_DIGITS: i64 = 16;
/// The most digits after the point that division and functions choose by themselves.
pub(super) const MAX_CHOSEN_SCALE: i64 = 1000;
/// The range of the scale that `round` and `trunc` accept.
const MAX_ROUND_SCALE: i32 = 2000;
/// Decimal digits in one digit of PostgreSQL's representation, which its result scales are computed from.
pub(super) const GROUP: i64 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// To the nearest, halves away from zero.
    Nearest,
    /// Towards zero.
    Truncate,
    Up,
    Down,
}

impl<'a> Numeric<'a> {
    pub fn add(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if let Some((a, b, scale)) = aligned(self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Ok(Numeric::small(sum, scale));
        }
        match special_sum(self, other) {
            Some(special) => Ok(special),
            None => {
                let (a, b, scale) = aligned_big(self, other);
                finish(a + b, scale, arena)
            }
        }
    }

    pub fn sub(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if let Some((a, b, scale)) = aligned(self, other)
            && let Some(difference) = a.checked_sub(b)
        {
            return Ok(Numeric::small(difference, scale));
        }
        match special_sum(self, negated_special(other)) {
            Some(special) => Ok(special),
            None => {
                let (a, b, scale) = aligned_big(self, other);
                finish(a - b, scale, arena)
            }
        }
    }

    pub fn mul(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if let (Some((a, s)), Some((b, t))) = (self.as_small(), other.as_small())
            && let Some(product) = a.checked_mul(b)
            && s as u32 + t as u32 <= MAX_SCALE as u32
        {
            return Ok(Numeric::small(product, s + t));
        }
        if !self.is_finite() || !other.is_finite() {
            return Ok(special_product(self, other));
        }
        let ((a, s), (b, t)) = (self.big(), other.big());
        let scale = s as i64 + t as i64;
        rescaled(a * b, scale, scale.min(MAX_SCALE as i64), Rounding::Nearest, arena)
    }

    pub fn div(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if !self.is_finite() || !other.is_finite() {
            return special_quotient(self, other);
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        let scale = quotient_scale(self, other);
        self.quotient(other, scale, Rounding::Nearest, arena)
    }

    /// Integer division, truncating (`div(a, b)`).
    pub fn div_trunc(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if !self.is_finite() || !other.is_finite() {
            return special_quotient(self, other);
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        self.quotient(other, 0, Rounding::Truncate, arena)
    }

    /// The quotient of finite numbers at a scale; the divisor is not zero.
    fn quotient(
        self,
        other: Numeric<'_>,
        scale: i64,
        rounding: Rounding,
        arena: &'a Bump,
    ) -> Result<Numeric<'a>> {
        let shift = scale + other.scale() as i64 - self.scale() as i64;
        if let (Some((a, _)), Some((b, _))) = (self.as_small(), other.as_small())
            && let Some((a, b)) = shifted(a, b, shift)
            && let Some(quotient) = divide(a, b, rounding)
        {
            return Ok(Numeric::small(quotient, scale as u16));
        }
        let ((mut a, _), (mut b, _)) = (self.big(), other.big());
        if shift >= 0 {
            a *= big_pow10(shift as u32)
        } else {
            b *= big_pow10(-shift as u32)
        }
        finish(divide_big(&a, &b, rounding), scale as u16, arena)
    }

    /// The remainder with the dividend's sign.
    pub fn rem(self, other: Numeric<'_>, arena: &'a Bump) -> Result<Numeric<'a>> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::NAN);
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if self.is_infinite() {
            return Ok(Numeric::NAN);
        }
        if other.is_infinite() {
            return Ok(self);
        }
        if let Some((a, b, scale)) = aligned(self, other) {
            return Ok(Numeric::small(a.checked_rem(b).unwrap_or(0), scale));
        }
        let (a, b, scale) = aligned_big(self, other);
        finish(a % b, scale, arena)
    }

    pub fn neg(self, arena: &'a Bump) -> Numeric<'a> {
        match (self.as_small(), self.0) {
            (Some((mantissa, scale)), _) if mantissa != i128::MIN => Numeric::small(-mantissa, scale),
            (_, Repr::NegInfinity | Repr::Infinity | Repr::NaN) => negated_special(self),
            _ => {
                let (mantissa, scale) = self.big();
                NumericBuf::Finite { mantissa: -mantissa, scale }.in_arena(arena)
            }
        }
    }

    pub fn abs(self, arena: &'a Bump) -> Numeric<'a> {
        if self.is_negative() { self.neg(arena) } else { self }
    }

    /// -1, 0 or 1; NaN for NaN.
    pub fn sign(self) -> Numeric<'a> {
        if self.is_nan() {
            return Numeric::NAN;
        }
        Numeric::from_int(if self.is_negative() { -1 } else { !self.is_zero() as i64 })
    }

    /// Rounds half away from zero to `scale` digits after the point (before it, if negative).
    pub fn round(self, scale: i32, arena: &'a Bump) -> Result<Numeric<'a>> {
        self.at_scale(scale.clamp(-MAX_ROUND_SCALE, MAX_ROUND_SCALE), Rounding::Nearest, arena)
    }

    /// Cuts off digits after `scale` digits after the point (before it, if negative).
    pub fn trunc(self, scale: i32, arena: &'a Bump) -> Result<Numeric<'a>> {
        self.at_scale(scale.clamp(-MAX_ROUND_SCALE, MAX_ROUND_SCALE), Rounding::Truncate, arena)
    }

    pub fn ceil(self, arena: &'a Bump) -> Result<Numeric<'a>> {
        self.at_scale(0, Rounding::Up, arena)
    }

    pub fn floor(self, arena: &'a Bump) -> Result<Numeric<'a>> {
        self.at_scale(0, Rounding::Down, arena)
    }

    fn at_scale(self, scale: i32, rounding: Rounding, arena: &'a Bump) -> Result<Numeric<'a>> {
        if !self.is_finite() {
            return Ok(self);
        }
        if let Some((mantissa, own)) = self.as_small()
            && let Some(done) = rescaled_small(mantissa, own, scale, rounding)
        {
            return Ok(done);
        }
        let (mantissa, own) = self.big();
        rescaled(mantissa, own as i64, scale as i64, rounding, arena)
    }

    /// Coerces to `numeric(precision, scale)`: rounds, and fails with 22003 if there are too many digits.
    pub fn with_typmod(self, typmod: NumericTypmod, arena: &'a Bump) -> Result<Numeric<'a>> {
        let NumericTypmod { precision, scale } = typmod;
        let overflow = |detail: String| {
            Err(EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail))
        };
        if self.is_infinite() {
            return overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            ));
        }
        let rounded = self.at_scale(scale as i32, Rounding::Nearest, arena)?;
        let digits = precision as i64 - scale as i64;
        if rounded.is_finite() && !rounded.is_zero() && rounded.leading_exponent() >= digits {
            let (ten, power) = if digits == 0 { ("", 1) } else { ("10^", digits) };
            return overflow(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than \
                 {ten}{power}."
            ));
        }
        Ok(rounded)
    }

    /// Removes trailing zeros after the point (`trim_scale`).
    pub fn trim_scale(self, arena: &'a Bump) -> Numeric<'a> {
        if !self.is_finite() {
            return self;
        }
        self.at_scale(self.least_scale() as i32, Rounding::Truncate, arena)
            .expect("invariant: fewer digits cannot overflow")
    }

    /// As the cast of float8 to numeric does: 15 significant digits.
    pub fn from_float(value: f64, arena: &'a Bump) -> Numeric<'a> {
        Numeric::from_float_digits(value, 15, arena)
    }

    /// The numeric of so many significant digits of a float, at least one.
    pub fn from_float_digits(value: f64, digits: usize, arena: &'a Bump) -> Numeric<'a> {
        if value.is_nan() {
            return Numeric::NAN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Numeric::INFINITY } else { Numeric::NEG_INFINITY };
        }
        let text = std::format!("{value:.0$e}", digits - 1);
        let (digits, exponent) = text.split_once('e').expect("invariant: {:e} writes an exponent");
        let digits = if digits.contains('.') { digits.trim_end_matches('0') } else { digits };
        Numeric::parse(&std::format!("{digits}e{exponent}"), arena)
            .expect("invariant: a finite float8 is within numeric's range")
    }

    /// The nearest float8; infinite if the value is too large for one.
    pub fn to_float(self) -> f64 {
        const EXACT: i128 = 1 << 53;
        match self.0 {
            Repr::NaN => return f64::NAN,
            Repr::Infinity => return f64::INFINITY,
            Repr::NegInfinity => return f64::NEG_INFINITY,
            _ => {}
        }
        if let Some((mantissa, scale)) = self.as_small()
            && (-EXACT..=EXACT).contains(&mantissa)
            && scale <= 22
        {
            // Both are exact as float8 (10^22 is the last power that is), so one division rounds correctly.
            return mantissa as f64 / 10f64.powi(scale as i32);
        }
        self.to_string().parse().expect("invariant: a finite numeric prints as a number")
    }

    /// Rounds to an integer; nothing if it does not fit or is not finite (NaN and infinities have messages of their own).
    pub fn to_int(self) -> Option<i64> {
        let rounded = match self.as_small() {
            Some((mantissa, 0)) => mantissa,
            Some((mantissa, scale)) => match pow10(scale as u32).and_then(|p| i128::try_from(p).ok()) {
                Some(power) => divide(mantissa, power, Rounding::Nearest)?,
                None => rescale_big(&mantissa.into(), scale as i64, 0, Rounding::Nearest).to_i128()?,
            },
            None if self.is_finite() => {
                let (mantissa, scale) = self.big();
                rescale_big(&mantissa, scale as i64, 0, Rounding::Nearest).to_i128()?
            }
            None => return None,
        };
        i64::try_from(rounded).ok()
    }

    /// The mantissa and scale of a finite number.
    pub(super) fn big(self) -> (BigInt, u16) {
        match self.to_owned() {
            NumericBuf::Finite { mantissa, scale } => (mantissa, scale),
            _ => unreachable!("invariant: callers have handled NaN and the infinities"),
        }
    }

    /// The power of ten of the first digit of a finite number that is not zero.
    pub(super) fn leading_exponent(self) -> i64 {
        let digits = match self.as_small() {
            Some((mantissa, _)) => mantissa.unsigned_abs().checked_ilog10().unwrap_or(0) as i64 + 1,
            None => digit_count(&self.big().0) as i64,
        };
        digits - 1 - self.scale() as i64
    }

    /// PostgreSQL's weight (the power of 10000 of the first digit of base 10000) and that digit; zeros for zero.
    fn weight(self) -> (i64, u32) {
        if self.is_zero() {
            return (0, 0);
        }
        let exponent = self.leading_exponent();
        let wanted = exponent.rem_euclid(GROUP) + 1;
        let first = match self.as_small() {
            Some((mantissa, _)) => leading_digits(mantissa.unsigned_abs(), wanted as u32),
            None => {
                let (mantissa, _) = self.big();
                let drop = digit_count(&mantissa) - wanted as u32;
                (mantissa.abs() / big_pow10(drop)).to_u32().expect("invariant: at most four digits are left")
            }
        };
        (exponent.div_euclid(GROUP), first)
    }
}

/// The first `wanted` digits of a number, as if zeros followed it.
fn leading_digits(magnitude: u128, wanted: u32) -> u32 {
    let digits = magnitude.checked_ilog10().unwrap_or(0) + 1;
    let power = |n| pow10(n).expect("invariant: an i128 has at most 39 digits");
    let first = if digits >= wanted {
        magnitude / power(digits - wanted)
    } else {
        magnitude * power(wanted - digits)
    };
    first as u32
}

/// The scale of a quotient: enough for 16 significant digits, and no less than either operand's.
fn quotient_scale(a: Numeric<'_>, b: Numeric<'_>) -> i64 {
    let ((weight_a, first_a), (weight_b, first_b)) = (a.weight(), b.weight());
    let weight = weight_a - weight_b - (first_a <= first_b) as i64;
    let scale = MIN_SIGNIFICANT_DIGITS - weight * GROUP;
    scale.max(a.scale() as i64).max(b.scale() as i64).clamp(0, MAX_CHOSEN_SCALE)
}

/// Both mantissas at the greater scale, if they are inline and stay so.
#[inline]
fn aligned(a: Numeric<'_>, b: Numeric<'_>) -> Option<(i128, i128, u16)> {
    let ((m, s), (n, t)) = (a.as_small()?, b.as_small()?);
    if s == t {
        return Some((m, n, s));
    }
    let up = |m: i128, by: u16| m.checked_mul(i128::try_from(pow10(by as u32)?).ok()?);
    if s < t { Some((up(m, t - s)?, n, t)) } else { Some((m, up(n, s - t)?, s)) }
}

/// Both mantissas of finite numbers at the greater scale.
fn aligned_big(a: Numeric<'_>, b: Numeric<'_>) -> (BigInt, BigInt, u16) {
    let ((m, s), (n, t)) = (a.big(), b.big());
    let scale = s.max(t);
    (m * big_pow10((scale - s) as u32), n * big_pow10((scale - t) as u32), scale)
}

/// Moves the quotient of two mantissas by a power of ten.
fn shifted(a: i128, b: i128, shift: i64) -> Option<(i128, i128)> {
    let power = i128::try_from(pow10(u32::try_from(shift.unsigned_abs()).ok()?)?).ok()?;
    if shift >= 0 { Some((a.checked_mul(power)?, b)) } else { Some((a, b.checked_mul(power)?)) }
}

fn divide(a: i128, b: i128, rounding: Rounding) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let rest = a - quotient * b;
    let away = match rounding {
        Rounding::Truncate => false,
        Rounding::Nearest => rest.unsigned_abs() >= b.unsigned_abs().div_ceil(2),
        Rounding::Up => rest != 0 && (rest < 0) == (b < 0),
        Rounding::Down => rest != 0 && (rest < 0) != (b < 0),
    };
    let step = if (a < 0) == (b < 0) { 1 } else { -1 };
    if away && rest != 0 { quotient.checked_add(step) } else { Some(quotient) }
}

fn divide_big(a: &BigInt, b: &BigInt, rounding: Rounding) -> BigInt {
    let (quotient, rest) = a.div_rem(b);
    let away = match rounding {
        Rounding::Truncate => false,
        Rounding::Nearest => rest.magnitude() * 2u32 >= *b.magnitude(),
        Rounding::Up => rest.is_negative() == b.is_negative(),
        Rounding::Down => rest.is_negative() != b.is_negative(),
    };
    match (away && !rest.is_zero(), a.is_negative() == b.is_negative()) {
        (false, _) => quotient,
        (true, true) => quotient + 1,
        (true, false) => quotient - 1,
    }
}

/// A small number at another scale, if the result is small too. A negative scale rounds before the point and shows 0.
fn rescaled_small<'a>(mantissa: i128, own: u16, scale: i32, rounding: Rounding) -> Option<Numeric<'a>> {
    let shown = scale.max(0) as u16;
    let down = own as i32 - scale;
    let power = i128::try_from(pow10(down.unsigned_abs())?).ok()?;
    let mantissa = if down <= 0 { mantissa.checked_mul(power)? } else { divide(mantissa, power, rounding)? };
    let lost = i128::try_from(pow10((shown as i32 - scale) as u32)?).ok()?;
    Some(Numeric::small(mantissa.checked_mul(lost)?, shown))
}

/// The mantissa at another scale.
fn rescale_big(mantissa: &BigInt, own: i64, scale: i64, rounding: Rounding) -> BigInt {
    if scale >= own {
        return mantissa * big_pow10((scale - own) as u32);
    }
    divide_big(mantissa, &big_pow10((own - scale) as u32), rounding)
}

/// A finite number at another scale; a negative one rounds before the point and shows 0.
fn rescaled(mantissa: BigInt, own: i64, scale: i64, rounding: Rounding, arena: &Bump) -> Result<Numeric<'_>> {
    let rounded = rescale_big(&mantissa, own, scale, rounding);
    finish(rounded * big_pow10((-scale).max(0) as u32), scale.max(0) as u16, arena)
}

/// Decimal digits of a big number's magnitude, at least one.
pub(super) fn digit_count(value: &BigInt) -> u32 {
    // The number of bits bounds the digits from below within one; comparing with the power of ten decides.
    let bits = value.magnitude().bits();
    let least = (bits.saturating_sub(1) as f64 * std::f64::consts::LOG10_2) as u32;
    let mut digits = least.max(1);
    while *value.magnitude() >= *big_pow10(digits).magnitude() {
        digits += 1;
    }
    digits
}

/// A computed finite number, or 22003 if it has too many digits before the point.
pub(super) fn finish(mantissa: BigInt, scale: u16, arena: &Bump) -> Result<Numeric<'_>> {
    let limit = MAX_INTEGER_DIGITS + scale as u32;
    if mantissa.magnitude().bits() as f64 > (limit as f64) * std::f64::consts::LOG2_10
        && digit_count(&mantissa) > limit
    {
        return Err(overflow());
    }
    Ok(NumericBuf::Finite { mantissa, scale }.in_arena(arena))
}

pub(super) fn overflow() -> EvalError {
    EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

pub(super) fn division_by_zero() -> EvalError {
    EvalError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

fn negated_special(value: Numeric<'_>) -> Numeric<'_> {
    match value.0 {
        Repr::Infinity => Numeric::NEG_INFINITY,
        Repr::NegInfinity => Numeric::INFINITY,
        _ => value,
    }
}

/// The sum if an operand is not finite.
fn special_sum<'a>(a: Numeric<'_>, b: Numeric<'_>) -> Option<Numeric<'a>> {
    Some(match (a.0, b.0) {
        (Repr::NaN, _) | (_, Repr::NaN) => Numeric::NAN,
        (Repr::Infinity, Repr::NegInfinity) | (Repr::NegInfinity, Repr::Infinity) => Numeric::NAN,
        (Repr::Infinity, _) | (_, Repr::Infinity) => Numeric::INFINITY,
        (Repr::NegInfinity, _) | (_, Repr::NegInfinity) => Numeric::NEG_INFINITY,
        _ => return None,
    })
}

fn signed_infinity<'a>(negative: bool) -> Numeric<'a> {
    if negative { Numeric::NEG_INFINITY } else { Numeric::INFINITY }
}

fn special_product<'a>(a: Numeric<'_>, b: Numeric<'_>) -> Numeric<'a> {
    if a.is_nan() || b.is_nan() || a.is_zero() || b.is_zero() {
        return Numeric::NAN;
    }
    signed_infinity(a.is_negative() != b.is_negative())
}

fn special_quotient<'a>(a: Numeric<'_>, b: Numeric<'_>) -> Result<Numeric<'a>> {
    if a.is_nan() || b.is_nan() || a.is_infinite() && b.is_infinite() {
        return Ok(Numeric::NAN);
    }
    if b.is_infinite() {
        return Ok(Numeric::ZERO);
    }
    if b.is_zero() {
        return Err(division_by_zero());
    }
    Ok(signed_infinity(a.is_negative() != b.is_negative()))
}
