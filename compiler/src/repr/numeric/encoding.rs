//! A numeric's bytes: `tag exponent digits end scale`.
//!
//! ```text
//! tag       the class: -Infinity, negative, zero, positive, Infinity, NaN; a finite one has a body
//! exponent  of base 100: the value is 0.d1d2d3... * 100^exponent. One byte 02..fd for -126..125,
//!           01 or fe and three bytes beyond
//! digits    of base 100 as digit + 1, neither the first nor the last being zero
//! end       00
//! scale     digits after the decimal point: one byte, or ff and two
//! ```
//! Exponent, digits and end of a negative number are complemented; zero has a scale only. The scale is not part of
//! equality: the canonical encoding has the least that shows all digits. The same body, under other tags, is a number
//! in jsonb.

use num_bigint::{BigInt, BigUint, Sign};

use super::{MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, NumericBuf, Repr};
use crate::repr::row::tag;

const BIAS: i32 = 0x80;
const NEAR: std::ops::RangeInclusive<i32> = -126..=125;
const FAR_BIAS: i32 = 1 << 23;
const LONG_SCALE: u8 = 0xff;

/// The tags of one use of the body: numeric itself, or numbers in jsonb. Zero lies between them.
#[derive(Clone, Copy)]
pub(in crate::repr) struct Tags {
    negative: u8,
}

pub(in crate::repr) const NUMERIC: Tags = Tags { negative: tag::NUMERIC_NEGATIVE };
pub(in crate::repr) const JSON: Tags = Tags { negative: tag::JSON_NEGATIVE };

impl Tags {
    fn zero(self) -> u8 {
        self.negative + 1
    }
    fn positive(self) -> u8 {
        self.negative + 2
    }
}

/// Appends a finite number, given as what it is without its infinities. NaN and the infinities have no body and are
/// only known to numeric itself.
pub(in crate::repr) fn encode(value: Numeric<'_>, tags: Tags, out: &mut Vec<u8>) {
    match value.0 {
        Repr::NegInfinity => out.push(tag::NUMERIC_NEG_INFINITY),
        Repr::Infinity => out.push(tag::NUMERIC_INFINITY),
        Repr::NaN => out.push(tag::NUMERIC_NAN),
        Repr::Large(bytes) => {
            out.push(if is_negative(bytes) { tags.negative } else { tags.positive() });
            out.extend_from_slice(&bytes[1..]);
        }
        Repr::Small { .. } => {
            let (mantissa, scale) = value.as_small().expect("invariant: matched Small");
            encode_small(mantissa, scale, Some(scale), tags, out);
        }
    }
}

/// Appends the encoding that all equal values share.
pub(in crate::repr) fn encode_canonical(value: Numeric<'_>, tags: Tags, out: &mut Vec<u8>) {
    match value.as_small() {
        Some((mantissa, scale)) => encode_small(mantissa, scale, None, tags, out),
        None => {
            encode(value, tags, out);
            if let Repr::Large(bytes) = value.0 {
                out.truncate(out.len() - if large_scale(bytes) < LONG_SCALE as u16 { 1 } else { 3 });
                encode_scale(large_least_scale(bytes), out);
            }
        }
    }
}

/// Appends the encoding that the value has in a column of this scale. What does not fit there, no value of the column is equal to: it
/// keeps its own.
pub(in crate::repr) fn encode_at(value: Numeric<'_>, scale: u16, tags: Tags, out: &mut Vec<u8>) {
    if !value.is_finite() || value.scale() == scale || value.least_scale() > scale {
        return encode(value, tags, out);
    }
    encode_canonical(value, tags, out);
    out.truncate(out.len() - if value.least_scale() < LONG_SCALE as u16 { 1 } else { 3 });
    encode_scale(scale, out);
}

/// Whether the encoding of a number with a body is the one that all equal values share.
pub(in crate::repr) fn is_canonical(bytes: &[u8], tags: Tags) -> bool {
    parts(bytes, 0, tags).is_some_and(|parts| parts.scale == parts.least_scale())
}

/// Appends `mantissa / 10^scale`, to be shown with `display` digits, or with the least that show all.
fn encode_small(mantissa: i128, scale: u16, display: Option<u16>, tags: Tags, out: &mut Vec<u8>) {
    let magnitude = mantissa.unsigned_abs();
    if magnitude == 0 {
        out.push(tags.zero());
        return encode_scale(display.unwrap_or(0), out);
    }
    let Some(even) = (if scale % 2 == 1 { magnitude.checked_mul(10) } else { Some(magnitude) }) else {
        return encode_big(&BigInt::from(mantissa), scale, display, tags, out);
    };
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut high = even;
    while high > u64::MAX as u128 {
        start -= 1;
        digits[start] = (high % 100) as u8;
        high /= 100;
    }
    let mut low = high as u64;
    while low > 0 {
        start -= 1;
        digits[start] = (low % 100) as u8;
        low /= 100;
    }
    let exponent = (digits.len() - start) as i32 - scale.div_ceil(2) as i32;
    encode_digits(mantissa < 0, &digits[start..], exponent, display, tags, out);
}

/// Appends `mantissa / 10^scale`, to be shown with `display` digits, or with the least that show all.
fn encode_big(mantissa: &BigInt, scale: u16, display: Option<u16>, tags: Tags, out: &mut Vec<u8>) {
    let (sign, magnitude) = (mantissa.sign(), mantissa.magnitude());
    if sign == Sign::NoSign {
        out.push(tags.zero());
        return encode_scale(display.unwrap_or(0), out);
    }
    let digits =
        if scale % 2 == 1 { (magnitude * 10u32).to_radix_be(100) } else { magnitude.to_radix_be(100) };
    let exponent = digits.len() as i32 - scale.div_ceil(2) as i32;
    encode_digits(sign == Sign::Minus, &digits, exponent, display, tags, out);
}

/// The encoding of a finite number that is too long to be inline.
pub(super) fn encode_large(mantissa: &BigInt, scale: u16) -> Vec<u8> {
    let mut out = Vec::new();
    encode_big(mantissa, scale, Some(scale), NUMERIC, &mut out);
    out
}

fn encode_digits(
    negative: bool,
    digits: &[u8],
    exponent: i32,
    display: Option<u16>,
    tags: Tags,
    out: &mut Vec<u8>,
) {
    let significant = digits.len() - digits.iter().rev().take_while(|&&d| d == 0).count();
    out.push(if negative { tags.negative } else { tags.positive() });
    let start = out.len();
    if NEAR.contains(&exponent) {
        out.push((exponent + BIAS) as u8);
    } else {
        out.push(if exponent < 0 { 0x01 } else { 0xfe });
        out.extend_from_slice(&(exponent + FAR_BIAS).to_be_bytes()[1..]);
    }
    out.extend(digits[..significant].iter().map(|digit| digit + 1));
    out.push(0);
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    let last = digits[..significant].last().copied().unwrap_or(0);
    encode_scale(display.unwrap_or_else(|| least_scale(significant, exponent, last)), out);
}

/// The least scale that shows all of so many digits of base 100, of which the last is given.
fn least_scale(digits: usize, exponent: i32, last: u8) -> u16 {
    let after_point = 2 * (digits as i32 - exponent) - (last.is_multiple_of(10) && digits > 0) as i32;
    after_point.max(0) as u16
}

fn encode_scale(scale: u16, out: &mut Vec<u8>) {
    match u8::try_from(scale) {
        Ok(short) if short != LONG_SCALE => out.push(short),
        _ => {
            out.push(LONG_SCALE);
            out.extend_from_slice(&scale.to_be_bytes());
        }
    }
}

/// The parts of a finite number's encoding.
struct Parts<'a> {
    negative: bool,
    /// Digits plus one, complemented if negative.
    digits: &'a [u8],
    exponent: i32,
    scale: u16,
    len: usize,
}

impl Parts<'_> {
    fn digits(&self) -> impl ExactSizeIterator<Item = u8> + DoubleEndedIterator + '_ {
        let mask = if self.negative { 0xff } else { 0 };
        self.digits.iter().map(move |byte| (byte ^ mask).wrapping_sub(1))
    }

    fn least_scale(&self) -> u16 {
        least_scale(self.digits.len(), self.exponent, self.digits().next_back().unwrap_or(0))
    }

    /// How many decimal digits the digits have after the point; the mantissa at the scale is theirs times a power of ten.
    fn shift(&self) -> i32 {
        self.scale as i32 - 2 * (self.digits.len() as i32 - self.exponent)
    }
}

#[inline]
fn parts(bytes: &[u8], mask: u8, tags: Tags) -> Option<Parts<'_>> {
    let first = bytes.first()? ^ mask;
    if first == tags.zero() {
        let (scale, len) = read_scale(bytes.get(1..)?, mask)?;
        return Some(Parts { negative: false, digits: &[], exponent: 0, scale, len: 1 + len });
    }
    let negative = first == tags.negative;
    let mask_body = if negative { !mask } else { mask };
    let near = bytes.get(1)? ^ mask_body;
    let (exponent, digits_at) = if near == 0x01 || near == 0xfe {
        let far = bytes.get(2..5)?.iter().fold(0, |value, b| value << 8 | (b ^ mask_body) as i32);
        (far - FAR_BIAS, 5)
    } else {
        (near as i32 - BIAS, 2)
    };
    let digits = bytes.get(digits_at..)?;
    let count = digits.iter().position(|&byte| byte == mask_body)?;
    let (scale, len) = read_scale(&digits[count + 1..], mask)?;
    Some(Parts { negative, digits: &digits[..count], exponent, scale, len: digits_at + count + 1 + len })
}

#[inline]
fn read_scale(bytes: &[u8], mask: u8) -> Option<(u16, usize)> {
    match bytes.first()? ^ mask {
        LONG_SCALE => {
            let long = bytes.get(1..3)?;
            Some((u16::from_be_bytes([long[0] ^ mask, long[1] ^ mask]), 3))
        }
        short => Some((short as u16, 1)),
    }
}

/// The length of a numeric's encoding.
pub(in crate::repr) fn masked_len(bytes: &[u8], mask: u8) -> Option<usize> {
    match bytes.first()? ^ mask {
        tag::NUMERIC_NEGATIVE..=tag::NUMERIC_POSITIVE => Some(parts(bytes, mask, NUMERIC)?.len),
        _ => Some(1),
    }
}

/// The length of a jsonb number's encoding.
pub(in crate::repr) fn masked_json_len(bytes: &[u8], mask: u8) -> Option<usize> {
    Some(parts(bytes, mask, JSON)?.len)
}

/// Decodes the numeric at the head of `bytes`.
#[inline]
pub(in crate::repr) fn read(bytes: &[u8]) -> Option<(Numeric<'_>, &[u8])> {
    let special = match *bytes.first()? {
        tag::NUMERIC_NEG_INFINITY => Repr::NegInfinity,
        tag::NUMERIC_INFINITY => Repr::Infinity,
        tag::NUMERIC_NAN => Repr::NaN,
        _ => return read_finite(bytes, NUMERIC),
    };
    Some((Numeric(special), &bytes[1..]))
}

/// Decodes the number at the head of `bytes`, which has a body.
#[inline]
pub(in crate::repr) fn read_finite(bytes: &[u8], tags: Tags) -> Option<(Numeric<'_>, &[u8])> {
    let parts = parts(bytes, 0, tags)?;
    let (cell, rest) = bytes.split_at(parts.len);
    if parts.digits.len() > 20 || parts.digits().any(|digit| digit > 99) {
        return (parts.digits().all(|digit| digit <= 99) && is_whole(&parts))
            .then_some((Numeric(Repr::Large(cell)), rest));
    }
    match small_mantissa(&parts)? {
        Some(mantissa) => Some((Numeric::small(mantissa, parts.scale), rest)),
        None => Some((Numeric(Repr::Large(cell)), rest)),
    }
}

/// Whether the scale shows all digits, and the number is within numeric's range.
fn is_whole(parts: &Parts<'_>) -> bool {
    if parts.exponent > MAX_INTEGER_DIGITS as i32 / 2 || parts.scale > MAX_SCALE {
        return false;
    }
    let last = parts.digits().last().unwrap_or(0);
    parts.shift() >= 0 || parts.shift() == -1 && last.is_multiple_of(10)
}

/// The mantissa at the display scale, if it fits; nothing at all if the scale does not show all digits.
#[inline]
fn small_mantissa(parts: &Parts<'_>) -> Option<Option<i128>> {
    if !is_whole(parts) {
        return None;
    }
    let shift = parts.shift();
    let mut digits = parts.digits();
    // An odd scale splits the last digit of base 100; its half is added apart, so that the rest cannot overflow early.
    let half = if shift == -1 { digits.next_back() } else { None };
    let magnitude = if digits.len() <= 9 {
        Some(digits.fold(0u64, |value, digit| value * 100 + digit as u64) as u128)
    } else {
        digits.try_fold(0u128, |value, digit| value.checked_mul(100)?.checked_add(digit as u128))
    };
    let scaled = magnitude.and_then(|magnitude| match (half, shift) {
        _ if parts.digits.is_empty() => Some(0),
        (Some(digit), _) => magnitude.checked_mul(10)?.checked_add(digit as u128 / 10),
        (None, 0) => Some(magnitude),
        (None, _) => magnitude.checked_mul(super::pow10(shift as u32)?),
    });
    let signed = scaled.and_then(|m| i128::try_from(m).ok());
    Some(signed.map(|m| if parts.negative { -m } else { m }))
}

/// The owned number whose encoding, of either kind of tags, is `bytes`.
pub(super) fn read_large(bytes: &[u8]) -> NumericBuf {
    let tags = if bytes[0] < tag::JSON_NEGATIVE { NUMERIC } else { JSON };
    let parts = parts(bytes, 0, tags).expect("invariant: a large numeric holds its whole encoding");
    let digits: Vec<u8> = parts.digits().collect();
    let magnitude = BigUint::from_radix_be(&digits, 100).expect("invariant: digits were checked when read");
    let scaled = match parts.shift() {
        -1 => magnitude / 10u32,
        shift => magnitude * BigUint::from(10u32).pow(shift as u32),
    };
    let sign = if parts.negative { Sign::Minus } else { Sign::Plus };
    NumericBuf::Finite { mantissa: BigInt::from_biguint(sign, scaled), scale: parts.scale }
}

pub(super) fn is_negative(bytes: &[u8]) -> bool {
    bytes[0] == tag::NUMERIC_NEGATIVE || bytes[0] == tag::JSON_NEGATIVE
}

/// The display scale of a large number.
pub(super) fn large_scale(bytes: &[u8]) -> u16 {
    let tags = if bytes[0] < tag::JSON_NEGATIVE { NUMERIC } else { JSON };
    parts(bytes, 0, tags).expect("invariant: a large numeric holds its whole encoding").scale
}

/// The least scale that shows all digits of a large number.
pub(super) fn large_least_scale(bytes: &[u8]) -> u16 {
    let tags = if bytes[0] < tag::JSON_NEGATIVE { NUMERIC } else { JSON };
    parts(bytes, 0, tags).expect("invariant: a large numeric holds its whole encoding").least_scale()
}
