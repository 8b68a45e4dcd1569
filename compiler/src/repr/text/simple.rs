//! Text of booleans, integers, floats, byte strings and the catalog's types.

use std::fmt::Write;

use bumpalo::Bump;
use num_bigint::BigUint;
use num_traits::FromPrimitive;

use super::{Result, invalid_syntax, is_space, write_display};
use crate::error::SqlState;
use crate::repr::{Bpchar, Type};
use crate::scalar::EvalError;

const NAME_BYTES_MAX: usize = 63;

/// Reads a boolean: a prefix of true, false, yes, no, on or off that is not ambiguous, or 1 or 0.
pub fn parse_bool(text: &str) -> Result<bool> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let prefixes = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefixes("true", 1) || prefixes("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if prefixes("false", 1) || prefixes("no", 1) || prefixes("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax(SqlState::INVALID_TEXT_REPRESENTATION, "boolean", text))
    }
}

/// Reads an integer of the type: int2, int4, int8 or oid.
pub fn parse_int(typ: &Type, text: &str) -> Result<i64> {
    let (least, most) = match typ {
        Type::Int2 => (i16::MIN as i64, i16::MAX as i64),
        Type::Int4 => (i32::MIN as i64, i32::MAX as i64),
        Type::Oid => (i32::MIN as i64, u32::MAX as i64),
        _ => (i64::MIN, i64::MAX),
    };
    let trimmed = text.trim_matches(is_space);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid_syntax(SqlState::INVALID_TEXT_REPRESENTATION, &typ.to_string(), text));
    }
    match trimmed.parse::<i64>() {
        // An oid is unsigned; PostgreSQL takes negative ones modulo 2^32.
        Ok(value) if *typ == Type::Oid && (least..=most).contains(&value) => Ok(value as u32 as i64),
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(out_of_range(std::format!("value \"{text}\" is out of range for type {typ}"))),
    }
}

fn out_of_range(message: String) -> EvalError {
    EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
}

/// Appends an integer, or the name of a regtype.
pub(super) fn format_int(value: i64, typ: &Type, out: &mut String) {
    match typ {
        typ if typ.is_reg() && value == 0 => out.push('-'),
        Type::Regtype => match u32::try_from(value).ok().and_then(|oid| Type::from_oid(oid, -1)) {
            Some(named) => write_display(named, out),
            None => write_display(value, out),
        },
        _ => write_display(value, out),
    }
}

pub(super) fn parse_regtype(text: &str) -> Result<i64> {
    let trimmed = text.trim_matches(is_space);
    if trimmed == "-" || trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return parse_reg_oid(&Type::Regtype, text);
    }
    match Type::named(&trimmed.to_lowercase()) {
        Some(typ) => Ok(typ.oid() as i64),
        None => {
            Err(EvalError::new(SqlState::UNDEFINED_OBJECT, std::format!("type \"{trimmed}\" does not exist")))
        }
    }
}

/// Reads an oid; names are resolved where the catalog is known.
pub(super) fn parse_reg_oid(typ: &Type, text: &str) -> Result<i64> {
    let trimmed = text.trim_matches(is_space);
    if trimmed == "-" {
        return Ok(0);
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return parse_int(&Type::Oid, text);
    }
    Err(match typ {
        Type::Regproc => EvalError::new(
            SqlState::UNDEFINED_FUNCTION,
            std::format!("function \"{trimmed}\" does not exist"),
        ),
        Type::Regnamespace => {
            EvalError::new(SqlState::INVALID_SCHEMA_NAME, std::format!("schema \"{trimmed}\" does not exist"))
        }
        Type::Regrole => {
            EvalError::new(SqlState::UNDEFINED_OBJECT, std::format!("role \"{trimmed}\" does not exist"))
        }
        _ => EvalError::new(SqlState::UNDEFINED_TABLE, std::format!("relation \"{trimmed}\" does not exist")),
    })
}

/// Reads a float8.
pub fn parse_float(text: &str) -> Result<f64> {
    parse_float_of(text, "double precision", |digits| digits.parse().ok())
}

/// Reads a float4.
pub fn parse_float4(text: &str) -> Result<f32> {
    // What is read as a float4 is one; widening it and back changes nothing.
    let value = parse_float_of(text, "real", |digits| digits.parse::<f32>().ok().map(f64::from))?;
    Ok(value as f32)
}

fn parse_float_of(text: &str, typ: &str, read: impl Fn(&str) -> Option<f64>) -> Result<f64> {
    let invalid = || invalid_syntax(SqlState::INVALID_TEXT_REPRESENTATION, typ, text);
    let trimmed = text.trim_matches(is_space);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let word = unsigned.to_ascii_lowercase();
    match word.as_str() {
        "nan" => return Ok(f64::NAN),
        "inf" | "infinity" if trimmed.starts_with('-') => return Ok(f64::NEG_INFINITY),
        "inf" | "infinity" => return Ok(f64::INFINITY),
        _ => {}
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(invalid());
    }
    let value = read(trimmed).ok_or_else(invalid)?;
    let mantissa = word.split('e').next().unwrap_or("");
    let underflow = value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if value.is_infinite() || underflow {
        return Err(out_of_range(std::format!("\"{trimmed}\" is out of range for type {typ}")));
    }
    Ok(value)
}

/// Appends the shortest digits that read back as the same float8, with an exponent below 1e-4 and from 1e15 on.
pub fn format_float(value: f64, out: &mut String) {
    format_float_of(value, Width::DOUBLE, out);
}

/// Appends the shortest digits that read back as the same float4, with an exponent below 1e-4 and from 1e6 on.
pub fn format_float4(value: f32, out: &mut String) {
    format_float_of(value.into(), Width::SINGLE, out);
}

/// What the text of a float depends on besides its value.
#[derive(Clone, Copy)]
struct Width {
    /// The least power of ten that is written with an exponent.
    exponent_min: i32,
    /// So many digits always suffice.
    digits_max: usize,
    /// From here on neighbours are more than 1 apart.
    whole_min: f64,
    single: bool,
}

impl Width {
    const DOUBLE: Width = Width { exponent_min: 15, digits_max: 17, whole_min: 9e15, single: false };
    const SINGLE: Width = Width { exponent_min: 6, digits_max: 9, whole_min: 1.6e7, single: true };

    fn shortest(self, value: f64) -> (String, i32) {
        let mut buffer = ryu::Buffer::new();
        split_scientific(match self.single {
            true => buffer.format_finite(value as f32),
            false => buffer.format_finite(value),
        })
    }

    fn neighbours(self, value: f64) -> [f64; 2] {
        match self.single {
            true => [(value as f32).next_up().into(), (value as f32).next_down().into()],
            false => [value.next_up(), value.next_down()],
        }
    }

    /// Whether a number's text is read as this value.
    fn reads(self, text: &str, value: f64) -> bool {
        match self.single {
            true => text.parse() == Ok(value as f32),
            false => text.parse() == Ok(value),
        }
    }
}

fn format_float_of(value: f64, width: Width, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        return out.push_str("Infinity");
    }
    if value == 0.0 {
        return out.push('0');
    }
    let (digits, exponent) = shortest_digits(value.abs(), width);
    lay_out(&digits, exponent, width.exponent_min, out);
}

/// Appends significant digits, of which the first stands for the power `exponent` of ten; with an exponent below 1e-4 and from
/// `precision` digits before the point on.
fn lay_out(digits: &str, exponent: i32, precision: i32, out: &mut String) {
    match exponent {
        0.. if exponent < precision => {
            let point = exponent as usize + 1;
            out.push_str(&digits[..point.min(digits.len())]);
            out.extend(std::iter::repeat_n('0', point.saturating_sub(digits.len())));
            if digits.len() > point {
                out.push('.');
                out.push_str(&digits[point..]);
            }
        }
        -4..=-1 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
            out.push_str(digits);
        }
        _ => {
            out.push_str(&digits[..1]);
            if digits.len() > 1 {
                out.push('.');
                out.push_str(&digits[1..]);
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            write_display(format_args!("e{sign}{:02}", exponent.abs()), out);
        }
    }
}

/// The shortest significant digits of a positive number and the power of ten of the first. PostgreSQL does not use digits
/// that lie exactly between two floats, although rounding to even would read them back.
fn shortest_digits(value: f64, width: Width) -> (String, i32) {
    let (digits, exponent) = width.shortest(value);
    if !is_midpoint(&digits, exponent, value, width) {
        return (digits, exponent);
    }
    (digits.len()..width.digits_max)
        .map(|fraction| split_scientific(&std::format!("{value:.fraction$e}")))
        .find(|(digits, exponent)| {
            width.reads(&std::format!("0.{digits}e{}", exponent + 1), value)
                && !is_midpoint(digits, *exponent, value, width)
        })
        .unwrap_or((digits, exponent))
}

/// Whether a number's digits are exactly half way to the next float in either direction. So few digits can only be for
/// large whole numbers.
fn is_midpoint(digits: &str, exponent: i32, value: f64, width: Width) -> bool {
    const MOST: f64 = 1e40;
    if !(width.whole_min..MOST).contains(&value) {
        return false;
    }
    let exact = |value: f64| BigUint::from_f64(value).expect("invariant: finite and positive");
    let zeros = (exponent + 1 - digits.len() as i32).max(0) as u32;
    let decimal = digits.parse::<BigUint>().expect("invariant: digits") * BigUint::from(10u32).pow(zeros);
    let twice = decimal * 2u32;
    width.neighbours(value).into_iter().any(|near| near.is_finite() && exact(near) + exact(value) == twice)
}

/// Significant digits and the power of ten of the first, of a number in ryu's or Rust's format.
fn split_scientific(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().expect("invariant: ryu writes a number after e");
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [integer, fraction].concat();
    let leading_zeros = all.bytes().take_while(|&b| b == b'0').count();
    let digits = all[leading_zeros..].trim_end_matches('0').to_owned();
    (digits, exponent + integer.len() as i32 - 1 - leading_zeros as i32)
}

/// Checks a text against varchar(n): spaces that are too many are cut off, anything else is an error.
pub(super) fn fit_varchar(text: &str, limit: Option<u32>) -> Result<&str> {
    let Some(limit) = limit else { return Ok(text) };
    let Some((end, _)) = text.char_indices().nth(limit as usize) else { return Ok(text) };
    if text[end..].bytes().all(|b| b == b' ') {
        return Ok(&text[..end]);
    }
    Err(EvalError::new(
        SqlState::STRING_DATA_RIGHT_TRUNCATION,
        std::format!("value too long for type character varying({limit})"),
    ))
}

/// Checks a text against char(n) and pads it: spaces that are too many are cut off, anything else is an error.
pub(super) fn fit_bpchar<'a>(text: &str, limit: Option<u32>, arena: &'a Bump) -> Result<Bpchar<'a>> {
    let written = Bpchar::new_in(text, arena);
    let Some(limit) = limit else { return Ok(written) };
    written.padded_to(limit, arena).ok_or_else(|| {
        EvalError::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            std::format!("value too long for type character({limit})"),
        )
    })
}

/// Reads a uuid: 32 hexadecimal digits, hyphens after any four of them, braces around perhaps.
pub fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let invalid = || invalid_syntax(SqlState::INVALID_TEXT_REPRESENTATION, "uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut bytes = [0; 16];
    let mut rest = inner.as_bytes();
    for (at, byte) in bytes.iter_mut().enumerate() {
        let (pair, after) = rest.split_first_chunk::<2>().ok_or_else(invalid)?;
        let digit = |b: u8| (b as char).to_digit(16).ok_or_else(invalid);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        let hyphen = at % 2 == 1 && at < 15 && after.first() == Some(&b'-');
        rest = if hyphen { &after[1..] } else { after };
    }
    if rest.is_empty() { Ok(bytes) } else { Err(invalid()) }
}

/// Appends a uuid: groups of 8, 4, 4, 4 and 12 hexadecimal digits.
pub fn format_uuid(bytes: &[u8; 16], out: &mut String) {
    for (at, byte) in bytes.iter().enumerate() {
        let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        write_display(format_args!("{hyphen}{byte:02x}"), out);
    }
}

/// A name is cut to 63 bytes, at a character.
pub(super) fn fit_name(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

pub(super) fn first_char(text: &str) -> &str {
    &text[..text.chars().next().map_or(0, char::len_utf8)]
}

/// Reads bytea: `\x` and hexadecimal digits, or plain bytes with `\\` and `\ooo`.
pub fn parse_bytes<'a>(text: &str, arena: &'a Bump) -> Result<&'a [u8]> {
    let bytes = match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex)?,
        None => parse_escaped(text.as_bytes()).ok_or_else(|| {
            EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")
        })?,
    };
    Ok(arena.alloc_slice_copy(&bytes))
}

fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let invalid = |message: String| EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let digit =
        |c: char| c.to_digit(16).ok_or_else(|| invalid(std::format!("invalid hexadecimal digit: \"{c}\"")));
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut chars = hex.chars();
    while let Some(first) = chars.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(first)?;
        let Some(second) = chars.next() else {
            return Err(invalid("invalid hexadecimal data: odd number of digits".to_owned()));
        };
        bytes.push((high << 4 | digit(second)?) as u8);
    }
    Ok(bytes)
}

fn parse_escaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = after;
        } else if let Some(after) = after.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = after;
        } else {
            let (&[a, b, c], after) = after.split_first_chunk::<3>()?;
            if !(b'0'..=b'3').contains(&a) || ![b, c].iter().all(|d| (b'0'..=b'7').contains(d)) {
                return None;
            }
            bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        }
    }
    Some(bytes)
}

/// Appends a float8 rounded to so many significant digits, laid out as C's `%g` does.
pub fn format_float_digits(value: f64, digits: usize, out: &mut String) {
    if !value.is_finite() || value == 0.0 {
        return format_float(value, out);
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let fraction = digits - 1;
    let (rounded, exponent) = split_scientific(&std::format!("{:.fraction$e}", value.abs()));
    let rounded = rounded.trim_end_matches('0');
    lay_out(rounded, exponent, digits as i32, out);
}

/// Appends bytea with what does not print, and backslashes, escaped.
pub fn format_bytes_escaped(value: &[u8], out: &mut String) {
    for byte in value {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => {
                write!(out, "\\{byte:03o}").expect("invariant: writing to a string cannot fail");
            }
        }
    }
}

/// Appends bytea in hexadecimal.
pub fn format_bytes(value: &[u8], out: &mut String) {
    out.reserve(2 + 2 * value.len());
    out.push_str("\\x");
    for byte in value {
        write!(out, "{byte:02x}").expect("invariant: writing to a string cannot fail");
    }
}
