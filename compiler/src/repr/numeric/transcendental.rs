//! Roots, powers, exponentials and logarithms, with PostgreSQL's result scales.
//!
//! Results are computed in binary fixed point with guard bits and rounded once, so they are right in every digit that is
//! shown; how many are shown follows PostgreSQL's estimates of a result's size.

use bumpalo::Bump;
use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::arithmetic::{GROUP, MAX_CHOSEN_SCALE, MIN_SIGNIFICANT_DIGITS, Result};
use super::arithmetic::{digit_count, division_by_zero, finish, overflow};
use super::{Numeric, big_pow10};
use crate::error::SqlState;
use crate::repr::Arena;
use crate::scalar::EvalError;

/// Results whose natural logarithm is beyond this overflow, or are zero.
const MAX_EXPONENT: f64 = 6000.0;
/// Results of integer powers with more digits than this overflow for certain.
const MAX_POWER_DIGITS: f64 = 3.0 * 32767.0 * 4.0;
const BITS_PER_DIGIT: f64 = std::f64::consts::LOG2_10;
const GUARD_BITS: u64 = 64;

impl<'a> Numeric<'a> {
    pub fn sqrt(self, arena: &'a Bump) -> Result<Numeric<'a>> {
        if self.is_negative() {
            let message = "cannot take square root of a negative number";
            return Err(EvalError::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
        }
        if !self.is_finite() {
            return Ok(self);
        }
        let group = if self.is_zero() { 0 } else { self.leading_exponent().div_euclid(GROUP) };
        let weight = (group + 1) * GROUP / 2 - 1;
        self.sqrt_at(chosen_scale(MIN_SIGNIFICANT_DIGITS - weight, &[self]), arena)
    }

    /// The root of a number that is not negative, with as many digits after the point as the number has.
    pub fn sqrt_at_own_scale(self, arena: &'a Bump) -> Result<Numeric<'a>> {
        self.sqrt_at(self.scale(), arena)
    }

    fn sqrt_at(self, scale: u16, arena: &'a Bump) -> Result<Numeric<'a>> {
        let (mantissa, own) = self.big();
        // One digit more than is shown, so that the last one rounds; a root is never exactly between two decimals.
        let radicand = mantissa * big_pow10((2 * (scale as i64 + 1) - own as i64).max(0) as u32);
        let radicand = radicand / big_pow10((own as i64 - 2 * (scale as i64 + 1)).max(0) as u32);
        finish((radicand.sqrt() + 5) / 10, scale, arena)
    }

    pub fn exp(self, arena: &'a Arena) -> Result<Numeric<'a>> {
        if !self.is_finite() {
            return Ok(if self == Numeric::NEG_INFINITY { Numeric::ZERO } else { self });
        }
        let value = self.to_float();
        let digits = (value * std::f64::consts::LOG10_E).clamp(-2000.0, 2000.0);
        let scale = chosen_scale(MIN_SIGNIFICANT_DIGITS - digits as i64, &[self]);
        if value.abs() >= MAX_EXPONENT {
            return if value > 0.0 { Err(overflow()) } else { Ok(Numeric::small(0, scale)) };
        }
        let bits = bits_for(digits.max(0.0) + scale as f64) + value.abs() as u64 * 2;
        let exp = exp_fixed(&self.fixed(bits), bits, arena)?;
        finish(to_decimal(&exp, bits, scale), scale, arena)
    }

    pub fn ln(self, arena: &'a Arena) -> Result<Numeric<'a>> {
        check_logarithm(self)?;
        if !self.is_finite() {
            return Ok(self);
        }
        let scale = chosen_scale(MIN_SIGNIFICANT_DIGITS - self.ln_exponent(), &[self]);
        let bits = bits_for(scale as f64 + 5.0);
        finish(to_decimal(&self.ln_fixed(bits, arena)?, bits, scale), scale, arena)
    }

    /// The logarithm of `self` to `base`.
    pub fn log(self, base: Numeric<'_>, arena: &'a Arena) -> Result<Numeric<'a>> {
        if self.is_nan() || base.is_nan() {
            return Ok(Numeric::NAN);
        }
        check_logarithm(base)?;
        check_logarithm(self)?;
        if !self.is_finite() || !base.is_finite() {
            return Ok(match (self.is_finite(), base.is_finite()) {
                (true, false) => Numeric::ZERO,
                (false, true) => Numeric::INFINITY,
                _ => Numeric::NAN,
            });
        }
        let exponent = self.ln_exponent() - base.ln_exponent();
        let scale = chosen_scale(MIN_SIGNIFICANT_DIGITS - exponent, &[self, base]);
        let lost = base.ln_exponent().unsigned_abs() + self.ln_exponent().unsigned_abs();
        let bits = bits_for(scale as f64 + 2.0 * lost as f64 + 10.0);
        let divisor = base.ln_fixed(bits, arena)?;
        if divisor.is_zero() {
            return Err(division_by_zero());
        }
        let quotient = (self.ln_fixed(bits, arena)? << bits) / divisor;
        finish(to_decimal(&quotient, bits, scale), scale, arena)
    }

    pub fn power(self, exponent: Numeric<'_>, arena: &'a Arena) -> Result<Numeric<'a>> {
        let one = Numeric::from_int(1);
        if self.is_nan() || exponent.is_nan() {
            let is_one = exponent.is_zero() || self == one;
            return Ok(if is_one { one } else { Numeric::NAN });
        }
        let invalid = |message| Err(EvalError::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
        if self.is_zero() && exponent.is_negative() {
            return invalid("zero raised to a negative power is undefined");
        }
        if self.is_negative() && exponent.is_finite() && exponent.least_scale() > 0 {
            return invalid("a negative number raised to a non-integer power yields a complex result");
        }
        if !self.is_finite() || !exponent.is_finite() {
            return Ok(self.infinite_power(exponent));
        }
        if exponent.least_scale() == 0
            && let Some(power) = exponent.to_int().and_then(|power| i32::try_from(power).ok())
        {
            return self.integer_power(power, arena);
        }
        if self.is_zero() {
            return Ok(Numeric::small(0, MIN_SIGNIFICANT_DIGITS as u16));
        }
        self.real_power(exponent, arena)
    }

    /// A power where the base or the exponent is infinite.
    fn infinite_power(self, exponent: Numeric<'_>) -> Numeric<'a> {
        let one = Numeric::from_int(1);
        if self == one || exponent.is_zero() {
            return one;
        }
        if self.is_zero() {
            return Numeric::ZERO;
        }
        if exponent.is_infinite() {
            let beyond = if self.is_negative() { self < Numeric::from_int(-1) } else { self > one };
            if self == Numeric::from_int(-1) {
                return one;
            }
            return if beyond != exponent.is_negative() { Numeric::INFINITY } else { Numeric::ZERO };
        }
        if exponent.is_negative() {
            return Numeric::ZERO;
        }
        let odd = is_odd(exponent);
        if self.is_negative() && odd { Numeric::NEG_INFINITY } else { Numeric::INFINITY }
    }

    fn integer_power(self, power: i32, arena: &'a Arena) -> Result<Numeric<'a>> {
        let scale = chosen_scale(MIN_SIGNIFICANT_DIGITS, &[self]);
        if power == 0 || self.is_zero() {
            return finish(BigInt::from((power == 0) as i32) * big_pow10(scale as u32), scale, arena);
        }
        let digits = power as f64 * self.log10();
        if digits > MAX_POWER_DIGITS {
            return Err(overflow());
        }
        if digits + 1.0 < -(scale as f64) {
            return Ok(Numeric::small(0, scale));
        }
        let (mantissa, own) = self.big();
        let bits = bits_for((digits + scale as f64).max(0.0) + 10.0) + 32;
        let magnitude = Float::power(mantissa.magnitude().clone(), power.unsigned_abs(), bits, arena)?;
        let unit = Float::power(BigUint::from(10u32), own as u32, u64::MAX, arena)?;
        let unit = Float::power(unit.mantissa, power.unsigned_abs(), bits, arena)?;
        arena.work(product_units(magnitude.mantissa.bits() + bits, unit.mantissa.bits()))?;
        let (numerator, denominator) = if power > 0 { (magnitude, unit) } else { (unit, magnitude) };
        let rounded = numerator.divide_rounded(&denominator, scale);
        let sign = if self.is_negative() && power % 2 != 0 { Sign::Minus } else { Sign::Plus };
        finish(BigInt::from_biguint(sign, rounded), scale, arena)
    }

    /// `exp(exponent * ln(|self|))`, with the sign that an odd exponent gives a negative base.
    fn real_power(self, exponent: Numeric<'_>, arena: &'a Arena) -> Result<Numeric<'a>> {
        let negative = self.is_negative() && is_odd(exponent);
        let base = self.abs(arena);
        let value = base.ln_float(arena)? * exponent.to_float();
        if value.abs() > MAX_EXPONENT * 1.003 {
            let zero = Numeric::small(0, MAX_CHOSEN_SCALE as u16);
            return if value > 0.0 { Err(overflow()) } else { Ok(zero) };
        }
        let digits = value * std::f64::consts::LOG10_E;
        let scale = chosen_scale(MIN_SIGNIFICANT_DIGITS - digits as i64, &[self, exponent]);
        if value.abs() >= MAX_EXPONENT {
            return if value > 0.0 { Err(overflow()) } else { Ok(Numeric::small(0, scale)) };
        }
        let factor = exponent.leading_exponent().max(0) as f64 + 10.0;
        let bits = bits_for(digits.abs() + scale as f64 + factor);
        let product = (base.ln_fixed(bits, arena)? * exponent.fixed(bits)) >> bits;
        let magnitude = to_decimal(&exp_fixed(&product, bits, arena)?, bits, scale);
        finish(if negative { -magnitude } else { magnitude }, scale, arena)
    }

    /// The value times 2^bits, truncated.
    fn fixed(self, bits: u64) -> BigInt {
        let (mantissa, scale) = self.big();
        (mantissa << bits) / big_pow10(scale as u32)
    }

    /// The logarithm of ten of a finite number that is not zero.
    fn log10(self) -> f64 {
        let exponent = self.leading_exponent();
        let (mantissa, _) = self.big();
        let drop = digit_count(&mantissa).saturating_sub(17);
        let leading = (mantissa.abs() / big_pow10(drop)).to_f64().unwrap_or(1.0);
        leading.log10() - (digit_count(&mantissa) - drop - 1) as f64 + exponent as f64
    }

    /// The natural logarithm of a positive number, to about 8 digits even near 1.
    fn ln_float(self, arena: &Arena) -> Result<f64> {
        let bits = 64 + (self.ln_exponent().min(0).unsigned_abs() as f64 * BITS_PER_DIGIT) as u64;
        let fixed = self.ln_fixed(bits, arena)?;
        let excess = fixed.bits().saturating_sub(60);
        Ok((fixed >> excess).to_f64().unwrap_or(0.0) * 2f64.powf(excess as f64 - bits as f64))
    }

    /// An estimate of the decimal exponent of a positive number's logarithm.
    fn ln_exponent(self) -> i64 {
        let near = Numeric::small(9, 1) <= self && self <= Numeric::small(11, 1);
        if near {
            let arena = Arena::default();
            let rest = self.sub(Numeric::from_int(1), &arena).expect("invariant: near 1 nothing overflows");
            return if rest.is_zero() { 0 } else { rest.leading_exponent() };
        }
        (self.log10() * std::f64::consts::LN_10).abs().log10() as i64
    }

    /// The natural logarithm of a positive number, times 2^bits.
    fn ln_fixed(self, bits: u64, arena: &Arena) -> Result<BigInt> {
        let bits_inside = bits + GUARD_BITS;
        let (mantissa, scale) = self.big();
        let unit = big_pow10(scale as u32);
        // The value is 2^shift times a number in [1/2, 2), whose logarithm is twice the atanh of (x - 1) / (x + 1).
        let shift = mantissa.bits() as i64 - unit.bits() as i64;
        let (numerator, denominator) = (mantissa << (-shift).max(0) as u64, unit << shift.max(0) as u64);
        let argument = ((&numerator - &denominator) << bits_inside) / (numerator + denominator);
        let fraction: BigInt = atanh_fixed(&argument, bits_inside, arena)? * 2;
        let whole = ln2_fixed(bits_inside, arena)? * shift;
        Ok((fraction + whole) >> GUARD_BITS)
    }
}

fn check_logarithm(value: Numeric<'_>) -> Result<()> {
    let invalid = |message| Err(EvalError::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, message));
    if value.is_negative() {
        return invalid("cannot take logarithm of a negative number");
    }
    if value.is_zero() {
        return invalid("cannot take logarithm of zero");
    }
    Ok(())
}

/// A result's scale: what its size asks for, and no less than the operands'.
fn chosen_scale(wanted: i64, operands: &[Numeric<'_>]) -> u16 {
    let least = operands.iter().map(|operand| operand.scale() as i64).max().unwrap_or(0);
    wanted.max(least).clamp(0, MAX_CHOSEN_SCALE) as u16
}

/// Bits that hold so many decimal digits, with a reserve.
fn bits_for(digits: f64) -> u64 {
    (digits * BITS_PER_DIGIT) as u64 + GUARD_BITS
}

/// What multiplying numbers of so many bits costs.
fn product_units(a: u64, b: u64) -> usize {
    ((a / 64 + 1) * (b / 64 + 1)) as usize
}

fn is_odd(value: Numeric<'_>) -> bool {
    let arena = Arena::default();
    value.rem(Numeric::from_int(2), &arena).is_ok_and(|rest| !rest.is_zero())
}

/// A fixed point number in decimal: rounded to `scale` digits, halves away from zero.
fn to_decimal(fixed: &BigInt, bits: u64, scale: u16) -> BigInt {
    let doubled = (fixed.magnitude() * big_pow10(scale as u32).magnitude()) >> (bits - 1);
    BigInt::from_biguint(fixed.sign(), (doubled + 1u32) >> 1)
}

/// atanh by its series; the argument is at most 1/3.
fn atanh_fixed(argument: &BigInt, bits: u64, arena: &Arena) -> Result<BigInt> {
    let square = (argument * argument) >> bits;
    let (mut power, mut sum) = (argument.clone(), argument.clone());
    let mut n = 3;
    loop {
        arena.work(product_units(power.bits(), bits))?;
        power = (power * &square) >> bits;
        // The shift of a negative number ends at -1, not at 0.
        if power.bits() <= 1 {
            return Ok(sum);
        }
        sum += &power / n;
        n += 2;
    }
}

fn ln2_fixed(bits: u64, arena: &Arena) -> Result<BigInt> {
    Ok(atanh_fixed(&((BigInt::one() << bits) / 3), bits, arena)? * 2)
}

/// exp of a fixed point number: a multiple of ln 2 is taken out, the rest halved eight times, and Taylor's series of
/// that squared as often.
fn exp_fixed(argument: &BigInt, bits: u64, arena: &Arena) -> Result<BigInt> {
    const HALVINGS: u64 = 8;
    let inside = bits + GUARD_BITS;
    let argument = argument << GUARD_BITS;
    let ln2 = ln2_fixed(inside, arena)?;
    let twos = (&argument / &ln2).to_i64().expect("invariant: exponents are bounded by the callers");
    let rest: BigInt = (argument - ln2 * twos) >> HALVINGS;
    let one = BigInt::one() << inside;
    let (mut term, mut sum) = (one.clone(), one);
    let mut n = 1;
    while term.bits() > 1 {
        arena.work(product_units(term.bits(), inside))?;
        term = ((term * &rest) >> inside) / n;
        sum += &term;
        n += 1;
    }
    for _ in 0..HALVINGS {
        arena.work(product_units(inside, inside))?;
        sum = (&sum * &sum) >> inside;
    }
    let down = GUARD_BITS as i64 - twos;
    Ok(if down >= 0 { sum >> down as u64 } else { sum << (-down) as u64 })
}

/// A positive number as `mantissa * 2^exponent`, kept to a number of bits.
struct Float {
    mantissa: BigUint,
    exponent: i64,
}

impl Float {
    fn power(base: BigUint, mut power: u32, bits: u64, arena: &Arena) -> Result<Float> {
        let mut result = Float { mantissa: BigUint::one(), exponent: 0 };
        let mut square = Float { mantissa: base, exponent: 0 };
        loop {
            if power & 1 == 1 {
                result = result.times(&square, bits);
            }
            power >>= 1;
            if power == 0 {
                return Ok(result);
            }
            arena.work(2 * product_units(square.mantissa.bits(), square.mantissa.bits()))?;
            square = square.times(&square, bits);
        }
    }

    fn times(&self, other: &Float, bits: u64) -> Float {
        let mantissa = &self.mantissa * &other.mantissa;
        let drop = mantissa.bits().saturating_sub(bits);
        Float { mantissa: mantissa >> drop, exponent: self.exponent + other.exponent + drop as i64 }
    }

    /// The quotient times 10^scale, rounded, halves up.
    fn divide_rounded(&self, divisor: &Float, scale: u16) -> BigUint {
        let shift = self.exponent - divisor.exponent;
        let numerator = (&self.mantissa * big_pow10(scale as u32).magnitude()) << shift.max(0) as u64;
        let denominator = &divisor.mantissa << (-shift).max(0) as u64;
        (numerator * 2u32 + &denominator) / (denominator * 2u32)
    }
}
