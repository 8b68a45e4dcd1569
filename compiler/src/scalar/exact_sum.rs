//! Exact sums of values that no single lane can hold: floats, and numerics whose scale the plan does not know.
//!
//! A value is cut into pieces, each a whole number of its bucket's unit; a group keeps (count, sum) per bucket. Adding and
//! retracting are exact, so a sum does not drift and does not depend on the order of rows; a float result is rounded
//! once. Real data touches few buckets: a float one, a numeric one per scale that occurs.
//!
//! ```text
//! float    m * 2^e, -1074 <= e      bucket (e + 1074) / 32, piece m << (e + 1074) % 32; at most 85 bits
//! numeric  mantissa at its scale    bucket scale * 2^16 + i, piece the i-th 64 bits of the mantissa, with its sign
//! ```
//! NaN and the infinities have buckets of their own. A numeric's first piece also counts it, so that the greatest scale
//! can be retracted.

use std::collections::BTreeMap;

use bumpalo::Bump;
use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};

use super::arithmetic::overflow;
use super::{EvalError, lanes};
use crate::repr::{Datum, Numeric, NumericBuf};

const NAN: i64 = -1;
const INFINITY: i64 = -2;
const NEG_INFINITY: i64 = -3;

/// The exponents of a float's bucket.
const FLOAT_BUCKET_BITS: i64 = 32;
/// The bits of a float's mantissa.
const MANTISSA_BITS: i64 = 53;
/// The least exponent of a float's last bit.
pub(super) const FLOAT_EXPONENT_MIN: i64 = -1074;
const NUMERIC_LIMB_BITS: u32 = 64;
const NUMERIC_LIMBS: i64 = 1 << 16;

/// A group's buckets, for those who keep them in memory.
#[derive(Debug, Default)]
pub struct Partials(BTreeMap<i64, [i128; 2]>);

impl Partials {
    pub fn new() -> Partials {
        Partials::default()
    }

    pub fn add(&mut self, bucket: i64, add: [i128; 2], diff: i64) {
        let sums = self.0.entry(bucket).or_default();
        sums[0] += add[0] * diff as i128;
        sums[1] += add[1] * diff as i128;
    }

    /// The buckets of which something is there.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, [i128; 2])> {
        self.0.iter().map(|(bucket, sums)| (*bucket, *sums)).filter(|(_, sums)| *sums != [0, 0])
    }
}

/// The bucket of a value that has no digits.
fn special(nan: bool, negative: bool) -> i64 {
    match (nan, negative) {
        (true, _) => NAN,
        (_, false) => INFINITY,
        (_, true) => NEG_INFINITY,
    }
}

pub(super) fn scatter_float(value: f64, mut emit: impl FnMut(i64, [i128; 2])) {
    if !value.is_finite() {
        return emit(special(value.is_nan(), value < 0.0), [1, 0]);
    }
    let (mantissa, shift) = decompose(value);
    emit(shift / FLOAT_BUCKET_BITS, [1, mantissa << (shift % FLOAT_BUCKET_BITS)]);
}

/// Mantissa, with its sign, and exponent above the least of a finite float.
fn decompose(value: f64) -> (i128, i64) {
    let bits = value.to_bits();
    let fraction = (bits & ((1 << 52) - 1)) as i128;
    let exponent = (bits >> 52 & 0x7ff) as i64;
    let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
    (if value.is_sign_negative() { -mantissa } else { mantissa }, shift)
}

/// The exact product of two floats, in two halves that a bucket holds, in units of the square of a float's least; of
/// floats that are not finite, nothing: they are told by what they add to the sums of each.
pub(super) fn scatter_product(a: f64, b: f64, mut emit: impl FnMut(i64, [i128; 2])) {
    if !a.is_finite() || !b.is_finite() {
        return;
    }
    let ((a, a_shift), (b, b_shift)) = (decompose(a), decompose(b));
    let product = a * b;
    let low = product & ((1 << MANTISSA_BITS) - 1);
    for (piece, shift) in
        [(low, a_shift + b_shift), (product >> MANTISSA_BITS, a_shift + b_shift + MANTISSA_BITS)]
    {
        emit(shift / FLOAT_BUCKET_BITS, [1, piece << (shift % FLOAT_BUCKET_BITS)]);
    }
}

/// What a group's special buckets say: none, or the special result.
pub(super) struct Specials {
    nan: bool,
    infinity: bool,
    neg_infinity: bool,
}

impl Specials {
    fn is_nan(&self) -> bool {
        self.nan || (self.infinity && self.neg_infinity)
    }

    pub(super) fn any(&self) -> bool {
        self.nan || self.infinity || self.neg_infinity
    }

    /// The sum, if it is no number of digits.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            specials if specials.is_nan() => Some(f64::NAN),
            Specials { infinity: true, .. } => Some(f64::INFINITY),
            Specials { neg_infinity: true, .. } => Some(f64::NEG_INFINITY),
            _ => None,
        }
    }
}

/// The number of values, the special ones, and the buckets with digits.
pub(super) fn sort_out(
    buckets: impl IntoIterator<Item = (i64, [i128; 2])>,
) -> (i128, Specials, Vec<(i64, [i128; 2])>) {
    let mut count = 0;
    let mut specials = Specials { nan: false, infinity: false, neg_infinity: false };
    let mut digits = Vec::new();
    for (bucket, sums) in buckets {
        count += sums[0];
        match bucket {
            NAN => specials.nan |= sums[0] != 0,
            INFINITY => specials.infinity |= sums[0] != 0,
            NEG_INFINITY => specials.neg_infinity |= sums[0] != 0,
            _ => digits.push((bucket, sums)),
        }
    }
    (count, specials, digits)
}

pub(super) fn gather_float<'a>(
    buckets: impl IntoIterator<Item = (i64, [i128; 2])>,
    mean: bool,
) -> Result<Datum<'a>, EvalError> {
    let (count, specials, digits) = sort_out(buckets);
    if count == 0 {
        return Ok(Datum::Null);
    }
    if let Some(special) = specials.as_float() {
        return Ok(Datum::Float(special));
    }
    let sum = round_to_float(&float_sum(&digits), FLOAT_EXPONENT_MIN);
    if sum.is_infinite() {
        return Err(overflow());
    }
    Ok(Datum::Float(if mean { sum / count as f64 } else { sum }))
}

/// The sum of pieces, in their unit.
pub(super) fn float_sum(digits: &[(i64, [i128; 2])]) -> BigInt {
    let pieces =
        digits.iter().map(|(bucket, [_, piece])| BigInt::from(*piece) << (bucket * FLOAT_BUCKET_BITS) as u32);
    pieces.sum()
}

/// `mantissa * 2^exponent`, rounded half to even: once, if the exponent is the least that a float has, so that nothing is
/// subnormal that is not exact.
pub(super) fn round_to_float(mantissa: &BigInt, exponent: i64) -> f64 {
    let magnitude = mantissa.magnitude();
    let bits = magnitude.bits() as i64;
    let extra = (bits - 53).max(0);
    let mut top = (magnitude >> extra as u64).to_u64().expect("invariant: at most 53 bits are left");
    if extra > 0 {
        let half = magnitude.bit(extra as u64 - 1);
        let sticky = magnitude.trailing_zeros().is_some_and(|zeros| (zeros as i64) < extra - 1);
        top += (half && (sticky || top & 1 == 1)) as u64;
    }
    let value = scale_by_power_of_two(top as f64, exponent + extra);
    if mantissa.sign() == Sign::Minus { -value } else { value }
}

/// Exact unless it overflows: the factors are powers of two, and the value has its last bit at or above 2^-1074.
fn scale_by_power_of_two(mut value: f64, mut exponent: i64) -> f64 {
    while exponent > 900 {
        value *= 2f64.powi(900);
        exponent -= 900;
    }
    while exponent < -900 {
        value *= 2f64.powi(-900);
        exponent += 900;
    }
    value * 2f64.powi(exponent as i32)
}

pub(super) fn scatter_numeric(value: Numeric<'_>, mut emit: impl FnMut(i64, [i128; 2])) {
    if !value.is_finite() {
        return emit(special(value.is_nan(), value.is_negative()), [1, 0]);
    }
    let first = value.scale() as i64 * NUMERIC_LIMBS;
    if let Some((mantissa, _)) = value.as_small()
        && mantissa.unsigned_abs() <= u64::MAX as u128
    {
        return emit(first, [1, mantissa]);
    }
    if let NumericBuf::Finite { mantissa, scale } = value.to_owned() {
        scatter_limbs(&mantissa, scale as i64, emit);
    }
}

/// A whole number at a scale, by its limbs.
pub(super) fn scatter_limbs(mantissa: &BigInt, scale: i64, mut emit: impl FnMut(i64, [i128; 2])) {
    let first = scale * NUMERIC_LIMBS;
    if mantissa.is_zero() {
        return emit(first, [1, 0]);
    }
    let negative = mantissa.is_negative();
    for (i, limb) in mantissa.magnitude().iter_u64_digits().enumerate() {
        let piece = if negative { -(limb as i128) } else { limb as i128 };
        emit(first + i as i64, [(i == 0) as i128, piece]);
    }
}

pub(super) fn gather_numeric<'a>(
    buckets: impl IntoIterator<Item = (i64, [i128; 2])>,
    mean: bool,
    arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    let (count, specials, digits) = sort_out(buckets);
    if count == 0 {
        return Ok(Datum::Null);
    }
    let sum = if specials.is_nan() {
        Numeric::NAN
    } else if specials.infinity || specials.neg_infinity {
        if specials.infinity { Numeric::INFINITY } else { Numeric::NEG_INFINITY }
    } else {
        let (sum, scale) = limb_sum(&digits);
        NumericBuf::from_big(sum, scale as u16).in_arena(arena)
    };
    if mean { lanes::mean(sum, count, arena) } else { Ok(Datum::Numeric(sum)) }
}

/// The sum of limbs at their scales, and the greatest scale of a value that is still counted, at which it stands.
pub(super) fn limb_sum(digits: &[(i64, [i128; 2])]) -> (BigInt, i64) {
    let scale_of = |bucket: i64| bucket / NUMERIC_LIMBS;
    let counted = digits.iter().filter(|(_, sums)| sums[0] != 0).map(|(bucket, _)| scale_of(*bucket));
    let greatest = counted.max().unwrap_or(0);
    let mut sums: BTreeMap<i64, BigInt> = BTreeMap::new();
    for (bucket, [_, piece]) in digits {
        let limb = (bucket % NUMERIC_LIMBS) as u32;
        *sums.entry(scale_of(*bucket)).or_default() += BigInt::from(*piece) << (limb * NUMERIC_LIMB_BITS);
    }
    let mut total = BigInt::zero();
    for (scale, sum) in sums {
        // A scale that is not counted any more sums to zero.
        if scale <= greatest {
            total += sum * BigInt::from(10).pow((greatest - scale) as u32);
        }
    }
    (total, greatest)
}
