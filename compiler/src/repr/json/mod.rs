//! jsonb: an ordered encoding that is navigated without being decoded.
//!
//! ```text
//! 6f  []            only where it is a whole value, see below
//! 70  null
//! 71  string        text, 00
//! 72  number        negative, zero (73), positive (74): a numeric's body
//! 75  false, 76 true
//! 77  array         length as an integer, elements
//! 78  object        pairs as an integer; each a key, 00, value; keys by length, then bytes
//! ```
//! The order is PostgreSQL's: Object > Array > Boolean > Number > String > null, containers by size first, then by
//! their parts in stored order. Its one irregularity is kept too: an empty array that is the whole value sorts before
//! everything, while an empty array inside another is an ordinary array. [`Json`] accepts both forms anywhere and the
//! encoder chooses.

use std::cmp::Ordering;

use memchr::memchr;

mod build;
mod parse;
mod print;

use super::row::{MAX_DEPTH, encode_int, masked_len as datum_len, read_int, tag};
use super::{Numeric, numeric::encoding};

/// A borrowed jsonb value: its whole encoding.
#[derive(Clone, Copy)]
pub struct Json<'a>(&'a [u8]);

/// What a jsonb value is, one level deep.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Number(Numeric<'a>),
    String(&'a str),
    Array(Elements<'a>),
    Object(Pairs<'a>),
}

/// The elements of an array that are left.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    left: usize,
    bytes: &'a [u8],
}

/// The pairs of an object that are left, keys by length and then bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    left: usize,
    bytes: &'a [u8],
}

const INVARIANT: &str = "invariant: a packed jsonb value is whole";

impl<'a> Json<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A value over its encoding.
    pub(super) fn new(bytes: &'a [u8]) -> Json<'a> {
        Json(bytes)
    }

    pub fn value(self) -> Value<'a> {
        read(self.0).expect(INVARIANT)
    }

    /// The name that jsonb_typeof gives.
    pub fn type_name(self) -> &'static str {
        match self.0[0] {
            tag::JSON_NULL => "null",
            tag::JSON_FALSE | tag::JSON_TRUE => "boolean",
            tag::JSON_STRING => "string",
            tag::JSON_NEGATIVE..=tag::JSON_POSITIVE => "number",
            tag::JSON_OBJECT => "object",
            _ => "array",
        }
    }

    pub fn is_null(self) -> bool {
        self.0[0] == tag::JSON_NULL
    }

    /// The value of an object's key; nothing if there is no such key or this is no object.
    pub fn get(self, key: &str) -> Option<Json<'a>> {
        let Value::Object(pairs) = self.value() else { return None };
        for (name, value) in pairs {
            match compare_keys(name, key) {
                Ordering::Less => {}
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// An array's element, from 0, or from the end if negative; nothing if out of bounds or this is an object. A scalar is
    /// the one element of itself, as in PostgreSQL.
    pub fn index(self, at: i64) -> Option<Json<'a>> {
        let mut elements = match self.value() {
            Value::Array(elements) => elements,
            Value::Object(_) => return None,
            _ => return matches!(at, 0 | -1).then_some(self),
        };
        let at = if at < 0 { at.checked_add(elements.left as i64)? } else { at };
        elements.nth(usize::try_from(at).ok()?)
    }

    /// What one step of a path (`#>`) leads to: a key of an object, or a number in an array.
    pub fn step(self, step: &str) -> Option<Json<'a>> {
        match self.value() {
            Value::Object(_) => self.get(step),
            Value::Array(_) => self.index(step.trim_start().parse::<i32>().ok()? as i64),
            _ => None,
        }
    }

    /// PostgreSQL's `@>`: all of `part` is found in this value at the same place, arrays taken as sets.
    pub fn contains(self, part: Json<'_>) -> bool {
        match (self.value(), part.value()) {
            (Value::Object(_), Value::Object(mut pairs)) => {
                pairs.all(|(key, value)| self.get(key).is_some_and(|own| own.contains_nested(value)))
            }
            (Value::Array(elements), Value::Array(mut parts)) => {
                parts.all(|part| { elements }.any(|own| own.contains_nested(part)))
            }
            // An array contains a scalar that is one of its elements, at the top only.
            (Value::Array(mut elements), _) if !part.is_container() => elements.any(|own| own.equals(part)),
            _ => self.equals(part),
        }
    }

    fn contains_nested(self, part: Json<'_>) -> bool {
        if self.is_container() && self.type_name() == part.type_name() {
            return self.contains(part);
        }
        !self.is_container() && self.equals(part)
    }

    fn is_container(self) -> bool {
        matches!(self.type_name(), "array" | "object")
    }

    /// SQL's `=`.
    fn equals(self, other: Json<'_>) -> bool {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        encode_canonical(self, &mut left);
        encode_canonical(other, &mut right);
        left == right
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        if self.is_empty_array() { out.push(tag::JSON_EMPTY_ARRAY) } else { out.extend_from_slice(self.0) }
    }

    fn is_empty_array(self) -> bool {
        self.0[0] == tag::JSON_EMPTY_ARRAY || self.0[0] == tag::JSON_ARRAY && self.0[1] == tag::INT_ZERO
    }

    pub(super) fn validate(self) -> Option<()> {
        validate(self.0, 0)
    }
}

/// The stored order of keys: by length, then by bytes.
fn compare_keys(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn read(bytes: &[u8]) -> Option<Value<'_>> {
    let (&first, body) = bytes.split_first()?;
    Some(match first {
        tag::JSON_NULL => Value::Null,
        tag::JSON_FALSE => Value::Bool(false),
        tag::JSON_TRUE => Value::Bool(true),
        tag::JSON_STRING => Value::String(std::str::from_utf8(&body[..memchr(0, body)?]).ok()?),
        tag::JSON_NEGATIVE..=tag::JSON_POSITIVE => {
            Value::Number(encoding::read_finite(bytes, encoding::JSON)?.0)
        }
        tag::JSON_EMPTY_ARRAY => Value::Array(Elements { left: 0, bytes: &[] }),
        tag::JSON_ARRAY => {
            let (left, bytes) = read_int(body)?;
            Value::Array(Elements { left: usize::try_from(left).ok()?, bytes })
        }
        tag::JSON_OBJECT => {
            let (left, bytes) = read_int(body)?;
            Value::Object(Pairs { left: usize::try_from(left).ok()?, bytes })
        }
        _ => return None,
    })
}

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (value, rest) = self.bytes.split_at(masked_len(self.bytes, 0, 0).expect(INVARIANT));
        self.bytes = rest;
        Some(Json(value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Json<'a>);

    fn next(&mut self) -> Option<(&'a str, Json<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let end = memchr(0, self.bytes).expect(INVARIANT);
        let key = std::str::from_utf8(&self.bytes[..end]).expect(INVARIANT);
        let rest = &self.bytes[end + 1..];
        let (value, rest) = rest.split_at(masked_len(rest, 0, 0).expect(INVARIANT));
        self.bytes = rest;
        Some((key, Json(value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl std::fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value() {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(value) => write!(f, "{value}"),
            Value::String(value) => write!(f, "{value:?}"),
            Value::Array(elements) => f.debug_list().entries(elements).finish(),
            Value::Object(pairs) => f.debug_map().entries(pairs).finish(),
        }
    }
}

/// Appends the encoding that all equal values share: numbers at their least scale.
pub(super) fn encode_canonical(value: Json<'_>, out: &mut Vec<u8>) {
    if value.is_empty_array() {
        return out.push(tag::JSON_EMPTY_ARRAY);
    }
    append_canonical(value, out);
}

/// Whether a value's encoding is the canonical one.
pub(super) fn is_canonical(value: Json<'_>) -> bool {
    match value.value() {
        Value::Number(_) => encoding::is_canonical(value.0, encoding::JSON),
        Value::Array(mut elements) => elements.all(is_canonical),
        Value::Object(mut pairs) => pairs.all(|(_, value)| is_canonical(value)),
        _ => true,
    }
}

fn append_canonical(value: Json<'_>, out: &mut Vec<u8>) {
    match value.value() {
        Value::Number(number) => encoding::encode_canonical(number, encoding::JSON, out),
        Value::Array(elements) => {
            out.push(tag::JSON_ARRAY);
            encode_int(elements.left as i64, out);
            elements.for_each(|element| append_canonical(element, out));
        }
        Value::Object(pairs) => {
            out.push(tag::JSON_OBJECT);
            encode_int(pairs.left as i64, out);
            for (key, value) in pairs {
                out.extend_from_slice(key.as_bytes());
                out.push(0);
                append_canonical(value, out);
            }
        }
        _ => out.extend_from_slice(value.0),
    }
}

/// The length of a jsonb value's encoding.
pub(super) fn masked_len(bytes: &[u8], mask: u8, depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let body = bytes.get(1..)?;
    let first = bytes[0] ^ mask;
    let len = match first {
        tag::JSON_EMPTY_ARRAY | tag::JSON_NULL | tag::JSON_FALSE | tag::JSON_TRUE => 0,
        tag::JSON_STRING => memchr(mask, body)? + 1,
        tag::JSON_NEGATIVE..=tag::JSON_POSITIVE => return encoding::masked_json_len(bytes, mask),
        tag::JSON_ARRAY | tag::JSON_OBJECT => {
            let mut at = datum_len(body, mask, depth)?;
            for _ in 0..masked_count(&body[..at], mask)? {
                if first == tag::JSON_OBJECT {
                    at += memchr(mask, body.get(at..)?)? + 1;
                }
                at += masked_len(body.get(at..)?, mask, depth + 1)?;
            }
            at
        }
        _ => return None,
    };
    Some(len + 1)
}

fn masked_count(encoded: &[u8], mask: u8) -> Option<usize> {
    let mut plain = [0; 9];
    let plain = plain.get_mut(..encoded.len())?;
    plain.iter_mut().zip(encoded).for_each(|(to, from)| *to = from ^ mask);
    usize::try_from(read_int(plain)?.0).ok()
}

/// Checks a value whose length is known to be within bounds.
fn validate(bytes: &[u8], depth: usize) -> Option<()> {
    match read(bytes)? {
        Value::Array(mut elements) => {
            while elements.left > 0 {
                elements.left -= 1;
                let len = masked_len(elements.bytes, 0, depth + 1)?;
                let (value, rest) = elements.bytes.split_at(len);
                validate(value, depth + 1)?;
                elements.bytes = rest;
            }
        }
        Value::Object(mut pairs) => {
            while pairs.left > 0 {
                pairs.left -= 1;
                let end = memchr(0, pairs.bytes)?;
                std::str::from_utf8(&pairs.bytes[..end]).ok()?;
                let rest = &pairs.bytes[end + 1..];
                let (value, rest) = rest.split_at(masked_len(rest, 0, depth + 1)?);
                validate(value, depth + 1)?;
                pairs.bytes = rest;
            }
        }
        _ => {}
    }
    Some(())
}
