//! Exact decimal numbers with PostgreSQL's rules for how many digits a result shows.
//!
//! A [`Numeric`] is a mantissa and a display scale. Mantissas of up to 38 digits are inline and computed in i128;
//! longer ones borrow their packed encoding and are computed as [`NumericBuf`]. A value whose mantissa fits an i128 is
//! always inline, so each (value, scale) has one representation.

use std::cmp::Ordering;

use bumpalo::Bump;
use num_bigint::BigInt;
use num_traits::ToPrimitive;

mod arithmetic;
#[cfg(test)]
mod cases;
pub(super) mod encoding;
mod text;
mod transcendental;

/// The most digits after the point.
pub const MAX_SCALE: u16 = 16383;
/// The most digits before the point.
pub const MAX_INTEGER_DIGITS: u32 = 131072;

/// A numeric value: inline, or borrowed from a row or an arena.
#[derive(Clone, Copy)]
pub struct Numeric<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    /// A mantissa in two halves (an i128 would align the datum to 16 bytes) and its scale.
    Small {
        scale: u16,
        high: i64,
        low: u64,
    },
    /// The encoding of a finite number whose mantissa needs more than an i128.
    Large(&'a [u8]),
    NegInfinity,
    Infinity,
    NaN,
}

/// An owned numeric, as computed beyond 38 digits.
#[derive(Clone, Debug)]
pub enum NumericBuf {
    NegInfinity,
    Finite { mantissa: BigInt, scale: u16 },
    Infinity,
    NaN,
}

/// 10^exponent, if a u128 holds it.
#[inline]
pub(super) fn pow10(exponent: u32) -> Option<u128> {
    const POWERS: [u128; 39] = {
        let mut powers = [1; 39];
        let mut i = 1;
        while i < 39 {
            powers[i] = powers[i - 1] * 10;
            i += 1;
        }
        powers
    };
    POWERS.get(exponent as usize).copied()
}

fn big_pow10(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

impl<'a> Numeric<'a> {
    pub const NAN: Numeric<'static> = Numeric(Repr::NaN);
    pub const INFINITY: Numeric<'static> = Numeric(Repr::Infinity);
    pub const NEG_INFINITY: Numeric<'static> = Numeric(Repr::NegInfinity);
    pub const ZERO: Numeric<'static> = Numeric(Repr::Small { scale: 0, high: 0, low: 0 });

    #[inline]
    pub(super) fn small(mantissa: i128, scale: u16) -> Numeric<'a> {
        Numeric(Repr::Small { scale, high: (mantissa >> 64) as i64, low: mantissa as u64 })
    }

    /// `mantissa / 10^scale`, shown with `scale` digits.
    #[inline]
    pub fn from_scaled(mantissa: i128, scale: u16) -> Numeric<'a> {
        Numeric::small(mantissa, scale)
    }

    #[inline]
    pub fn from_int(value: i64) -> Numeric<'a> {
        Numeric::small(value as i128, 0)
    }

    /// The mantissa and scale, if the value is inline.
    #[inline]
    pub fn as_small(self) -> Option<(i128, u16)> {
        match self.0 {
            Repr::Small { scale, high, low } => Some(((high as i128) << 64 | low as i128, scale)),
            _ => None,
        }
    }

    pub fn is_nan(self) -> bool {
        matches!(self.0, Repr::NaN)
    }

    pub fn is_infinite(self) -> bool {
        matches!(self.0, Repr::Infinity | Repr::NegInfinity)
    }

    pub fn is_finite(self) -> bool {
        matches!(self.0, Repr::Small { .. } | Repr::Large(_))
    }

    pub fn is_zero(self) -> bool {
        matches!(self.0, Repr::Small { high: 0, low: 0, .. })
    }

    /// Less than zero; false for NaN.
    pub fn is_negative(self) -> bool {
        match self.0 {
            Repr::Small { high, .. } => high < 0,
            Repr::Large(bytes) => encoding::is_negative(bytes),
            Repr::NegInfinity => true,
            Repr::Infinity | Repr::NaN => false,
        }
    }

    /// Digits after the point as printed; 0 for what is not finite.
    pub fn scale(self) -> u16 {
        match self.0 {
            Repr::Small { scale, .. } => scale,
            Repr::Large(bytes) => encoding::large_scale(bytes),
            _ => 0,
        }
    }

    /// The least scale that shows all digits (`min_scale`).
    pub fn least_scale(self) -> u16 {
        match self.0 {
            Repr::Large(bytes) => encoding::large_least_scale(bytes),
            _ => match self.as_small() {
                Some((0, _)) | None => 0,
                Some((mut mantissa, mut scale)) => {
                    while scale > 0 && mantissa % 10 == 0 {
                        mantissa /= 10;
                        scale -= 1;
                    }
                    scale
                }
            },
        }
    }

    /// The value times 10^scale if it is finite, a whole number at that scale, and fits: exact lanes of sums.
    #[inline]
    pub fn to_scaled_i128(self, scale: u16) -> Option<i128> {
        let (mantissa, own) = self.as_small()?;
        if own <= scale {
            let power = pow10((scale - own) as u32)?;
            return mantissa.checked_mul(i128::try_from(power).ok()?);
        }
        let power = pow10((own - scale) as u32)? as i128;
        (mantissa % power == 0).then(|| mantissa / power)
    }

    pub fn to_owned(self) -> NumericBuf {
        match self.0 {
            Repr::NegInfinity => NumericBuf::NegInfinity,
            Repr::Infinity => NumericBuf::Infinity,
            Repr::NaN => NumericBuf::NaN,
            Repr::Large(bytes) => encoding::read_large(bytes),
            Repr::Small { .. } => {
                let (mantissa, scale) = self.as_small().expect("invariant: matched Small");
                NumericBuf::Finite { mantissa: BigInt::from(mantissa), scale }
            }
        }
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        encoding::encode(self, encoding::NUMERIC, out);
    }
}

impl NumericBuf {
    pub fn from_big(mantissa: BigInt, scale: u16) -> NumericBuf {
        NumericBuf::Finite { mantissa, scale }
    }

    /// The same value, inline if it fits and otherwise kept in the arena.
    pub fn in_arena<'a>(&self, arena: &'a Bump) -> Numeric<'a> {
        match self {
            NumericBuf::NegInfinity => Numeric::NEG_INFINITY,
            NumericBuf::Infinity => Numeric::INFINITY,
            NumericBuf::NaN => Numeric::NAN,
            NumericBuf::Finite { mantissa, scale } => match mantissa.to_i128() {
                Some(small) => Numeric::small(small, *scale),
                None => {
                    let bytes = encoding::encode_large(mantissa, *scale);
                    Numeric(Repr::Large(arena.alloc_slice_copy(&bytes)))
                }
            },
        }
    }
}

/// SQL's order: NaN is equal to itself and greater than Infinity; the scale does not matter.
impl Ord for Numeric<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Some((a, s)), Some((b, t))) = (self.as_small(), other.as_small()) {
            if s == t {
                return a.cmp(&b);
            }
            let up = |m: i128, by: u16| pow10(by as u32).and_then(|p| m.checked_mul(i128::try_from(p).ok()?));
            let (a, b) = (up(a, t.saturating_sub(s)), up(b, s.saturating_sub(t)));
            if let (Some(a), Some(b)) = (a, b) {
                return a.cmp(&b);
            }
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        encoding::encode_canonical(*self, encoding::NUMERIC, &mut left);
        encoding::encode_canonical(*other, encoding::NUMERIC, &mut right);
        left.cmp(&right)
    }
}

impl PartialOrd for Numeric<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric<'_> {}

impl std::fmt::Debug for Numeric<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
