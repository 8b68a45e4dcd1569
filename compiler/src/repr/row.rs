//! Rows: packed bytes, the buffer that packs them, and the encoding of every datum.
//!
//! Invariants of the encoding, on which arrangements, sort keys and ranges rest:
//! - *ordered*: for two datums of one type, `memcmp` of their canonical encodings is their SQL order;
//! - *self-delimiting*: no encoding is a prefix of another, so that rows are concatenations and need no lengths;
//! - *identity*: equal bytes if and only if the values are equal and print the same.
//!
//! ```text
//! 00            end of the elements of an array, record or error (below every tag, so that a prefix sorts first)
//! 01            NULL before all values (only in sort keys)
//! 04 05         false, true
//! 06            float4: 4 bytes, sign bit flipped, or all bits if negative; one NaN, greatest
//! 07            char(n): its bytes without the blanks at the end, 00, then the number of blanks as an integer
//! 08            uuid: 16 bytes
//! 09            time: 8 bytes
//! 0a            timetz: the time in UTC in 8 bytes, sign bit flipped, then its offset west in 4, alike
//! 0b            enum: the label's place in the order in 4 bytes, the label, 00
//! 0c            json as text: its bytes, 00
//! 10..17        negative integer of 8..1 bytes: the low bytes of its two's complement
//! 18..57        the integers 0..63
//! 58..5f        integer >= 64 of 1..8 bytes: the value less 64
//! 60            float8: 8 bytes, sign bit flipped, or all bits if negative; one NaN, greatest
//! 61..66        numeric: -Infinity, negative, zero, positive, Infinity, NaN (see `numeric::encoding`)
//! 67            text: its bytes, 00
//! 68            bytea: its bytes with 00 as 00 ff, then 00 00; if there was a 00, the plain bytes again, so that
//!               a decoded datum can borrow them
//! 69            date: 4 bytes, sign bit flipped
//! 6a 6b         timestamp, timestamptz: 8 bytes, sign bit flipped
//! 6c            interval: the length it compares by, then months and days (see `interval`)
//! 6d            array: elements, 00, then the number of dimensions, lengths and lower bounds (see `array`)
//! 6e            record: fields, 00
//! 6f..78        jsonb: empty array at the top, null, string, negative, zero, positive number, false, true, array,
//!               object (see `json`)
//! 7e            error: the packed row (code, message, detail, hint), 00
//! 82..fb        the complement of a value, in a descending sort key
//! fe            NULL after all values
//! ```
//!
//! Bytes that this process packed are trusted: decoding them panics on a violated invariant. Bytes from a disk or
//! another process go through [`try_decode`] or [`validate`] first.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::scalar::EvalError;

use super::datetime::TimeTz;
use super::{
    Array, Bpchar, Datum, Interval, Json, Label, array, datum::EvalErrorRef, interval, json, numeric,
};

pub(super) mod tag {
    //! The first byte of each encoding; the table at the head of the file says what follows.
    pub const END: u8 = 0x00;
    pub const NULL_FIRST: u8 = 0x01;
    pub const FALSE: u8 = 0x04;
    pub const TRUE: u8 = 0x05;
    pub const FLOAT4: u8 = 0x06;
    pub const BPCHAR: u8 = 0x07;
    pub const UUID: u8 = 0x08;
    pub const TIME: u8 = 0x09;
    pub const TIMETZ: u8 = 0x0a;
    pub const ENUM: u8 = 0x0b;
    pub const JSON_TEXT: u8 = 0x0c;
    pub const INT_NEGATIVE_8: u8 = 0x10;
    pub const INT_NEGATIVE_1: u8 = 0x17;
    pub const INT_ZERO: u8 = 0x18;
    pub const INT_63: u8 = 0x57;
    pub const INT_POSITIVE_1: u8 = 0x58;
    pub const INT_POSITIVE_8: u8 = 0x5f;
    pub const FLOAT: u8 = 0x60;
    pub const NUMERIC_NEG_INFINITY: u8 = 0x61;
    pub const NUMERIC_NEGATIVE: u8 = 0x62;
    pub const NUMERIC_POSITIVE: u8 = 0x64;
    pub const NUMERIC_INFINITY: u8 = 0x65;
    pub const NUMERIC_NAN: u8 = 0x66;
    pub const TEXT: u8 = 0x67;
    pub const BYTES: u8 = 0x68;
    pub const DATE: u8 = 0x69;
    pub const TIMESTAMP: u8 = 0x6a;
    pub const TIMESTAMPTZ: u8 = 0x6b;
    pub const INTERVAL: u8 = 0x6c;
    pub const ARRAY: u8 = 0x6d;
    pub const RECORD: u8 = 0x6e;
    pub const JSON_EMPTY_ARRAY: u8 = 0x6f;
    pub const JSON_NULL: u8 = 0x70;
    pub const JSON_STRING: u8 = 0x71;
    pub const JSON_NEGATIVE: u8 = 0x72;
    pub const JSON_POSITIVE: u8 = 0x74;
    pub const JSON_FALSE: u8 = 0x75;
    pub const JSON_TRUE: u8 = 0x76;
    pub const JSON_ARRAY: u8 = 0x77;
    pub const JSON_OBJECT: u8 = 0x78;
    pub const ERROR: u8 = 0x7e;
    pub const NULL_LAST: u8 = 0xfe;
}

/// How deep arrays, records and jsonb may nest in bytes that are not trusted.
pub const MAX_DEPTH: usize = 1024;

/// The most bytes that a packed row takes. What puts rows side by side counts on it: containers have offsets of 32 bits.
pub const ROW_BYTES_MAX: usize = if cfg!(test) { 4 << 20 } else { 512 << 20 };

const INVARIANT: &str = "invariant: a packed row holds whole encodings";

/// An owned packed row. Used where one row is kept (constants, plans, tests); hot paths borrow `&[u8]`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row(Vec<u8>);

/// A reusable packing buffer: `push` datums, read `bytes`, `clear`, repeat.
#[derive(Clone, Debug, Default)]
pub struct RowBuf(Vec<u8>);

/// Bytes that are not a packed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes are not a packed row")
    }
}

impl std::error::Error for Malformed {}

impl Row {
    pub fn pack<'a>(datums: impl IntoIterator<Item = Datum<'a>>) -> Row {
        let mut bytes = Vec::new();
        for datum in datums {
            encode(datum, &mut bytes);
        }
        Row(bytes)
    }

    /// A row of bytes that are known to be packed; see [`validate`] for those that are not.
    pub fn from_bytes(bytes: Vec<u8>) -> Row {
        Row(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn unpack(&self) -> Vec<Datum<'_>> {
        let mut out = Vec::new();
        decode_into(&self.0, &mut out);
        out
    }

    pub fn iter(&self) -> Datums<'_> {
        Datums::new(&self.0)
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut cells = Vec::new();
        match try_decode(&self.0, &mut cells) {
            Ok(()) => f.debug_list().entries(cells).finish(),
            Err(Malformed) => write!(f, "malformed {:02x?}", self.0),
        }
    }
}

impl RowBuf {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends one datum's ordered encoding.
    pub fn push(&mut self, datum: Datum<'_>) {
        encode(datum, &mut self.0);
    }

    /// Appends one datum's canonical encoding: the key by which it joins and groups.
    pub fn push_canonical(&mut self, datum: Datum<'_>) {
        super::encode_canonical(datum, &mut self.0);
    }

    /// Appends datums that are already encoded.
    pub fn extend(&mut self, encoded: &[u8]) {
        self.0.extend_from_slice(encoded);
    }

    /// The bytes, to append encodings to.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Puts an error in the place of each cell from `start` on with which the row would be larger than [`ROW_BYTES_MAX`]: what does
    /// not fit is the data's error, not ours. The row keeps its number of columns.
    #[cold]
    pub fn leave_out_large(&mut self, start: usize, error: &EvalError) {
        let row = self.0.split_off(start);
        let mut refused = vec![tag::ERROR];
        error.encode(&mut refused);
        refused.push(tag::END);
        let columns = arity(&row);
        for (index, cell) in Datums::new(&row).encodings().enumerate() {
            let taken = self.0.len() - start + refused.len() * (columns - index);
            let fits = taken + cell.len() <= ROW_BYTES_MAX || cell.len() <= refused.len();
            self.0.extend_from_slice(if fits { cell } else { &refused });
        }
    }

    pub fn to_row(&self) -> Row {
        Row(self.0.clone())
    }

    pub fn into_row(self) -> Row {
        Row(self.0)
    }
}

/// The datums of a packed row, decoded one by one; [`Datums::skip_one`] passes over a column without decoding it.
#[derive(Clone, Debug)]
pub struct Datums<'a> {
    rest: &'a [u8],
}

impl<'a> Datums<'a> {
    pub fn new(bytes: &'a [u8]) -> Datums<'a> {
        Datums { rest: bytes }
    }

    /// Passes over one datum and returns its encoding; nothing at the row's end.
    #[inline]
    pub fn skip_one(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (first, rest) = split_first(self.rest);
        self.rest = rest;
        Some(first)
    }

    /// Each datum's encoding, not decoded.
    pub fn encodings(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || self.skip_one())
    }

    /// The encodings that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Datums<'a> {
    type Item = Datum<'a>;

    #[inline]
    fn next(&mut self) -> Option<Datum<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (datum, rest) = read(self.rest).expect(INVARIANT);
        self.rest = rest;
        Some(datum)
    }
}

/// Decodes all datums of a packed row, appending to `out`.
#[inline]
pub fn decode_into<'a>(bytes: &'a [u8], out: &mut Vec<Datum<'a>>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (datum, after) = read(rest).expect(INVARIANT);
        out.push(datum);
        rest = after;
    }
}

/// Decodes the columns of `wanted` (ascending, without repetition), appending to `out`; the others are passed over,
/// and nothing after the last wanted column is read.
pub fn decode_columns<'a>(bytes: &'a [u8], wanted: &[usize], out: &mut Vec<Datum<'a>>) {
    let mut rest = bytes;
    let mut at = 0;
    for &column in wanted {
        while at < column {
            rest = split_first(rest).1;
            at += 1;
        }
        let (datum, after) = read(rest).expect(INVARIANT);
        out.push(datum);
        rest = after;
        at += 1;
    }
}

/// Decodes the first datum: (the datum, the bytes after it).
#[inline]
pub fn decode_first(bytes: &[u8]) -> (Datum<'_>, &[u8]) {
    read(bytes).expect(INVARIANT)
}

/// As [`decode_first`], into its place; returns the bytes after it.
#[inline]
pub fn decode_first_to<'a>(bytes: &'a [u8], to: &mut Datum<'a>) -> &'a [u8] {
    read_to(bytes, to).expect(INVARIANT)
}

/// Splits off the first datum's encoding without decoding it: (that datum's bytes, the rest). The datum may be part of
/// a descending sort key.
#[inline]
pub fn split_first(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = encoded_len(bytes).expect(INVARIANT);
    bytes.split_at(len)
}

/// The first error among a packed row's datums.
pub fn first_error(row: &[u8]) -> Option<EvalError> {
    // Mostly there is no byte that could begin one.
    memchr(tag::ERROR, row)?;
    Datums::new(row).find_map(|datum| match datum {
        Datum::Error(error) => Some(error.to_owned()),
        _ => None,
    })
}

/// The number of datums in a packed row.
pub fn arity(bytes: &[u8]) -> usize {
    let mut datums = Datums::new(bytes);
    let mut count = 0;
    while datums.skip_one().is_some() {
        count += 1;
    }
    count
}

/// A row as wide as `arity`: of a wider one the first columns, and for what a narrower one lacks the last of `others`.
pub fn fit<'r>(row: &'r [u8], arity: usize, others: &[u8], buffer: &'r mut Vec<u8>) -> &'r [u8] {
    let mut datums = Datums::new(row);
    let mut columns = 0;
    while columns < arity && datums.skip_one().is_some() {
        columns += 1;
    }
    if columns == arity {
        return &row[..row.len() - datums.rest().len()];
    }
    let known =
        self::arity(others).checked_sub(arity - columns).expect("invariant: what a row lacks is known");
    let mut lacking = Datums::new(others);
    for _ in 0..known {
        lacking.skip_one();
    }
    buffer.clear();
    buffer.extend_from_slice(row);
    buffer.extend_from_slice(lacking.rest());
    buffer
}

/// A row of `arity` columns without the last ones that hold what `others` do: [`fit`] gives them back. A narrower row stays.
pub fn trim<'r>(row: &'r [u8], arity: usize, others: &[u8]) -> &'r [u8] {
    let cells: Vec<&[u8]> = Datums::new(row).encodings().collect();
    if cells.len() != arity {
        return row;
    }
    let others: Vec<&[u8]> = Datums::new(others).encodings().collect();
    let same = cells.iter().rev().zip(others.iter().rev()).take_while(|(cell, other)| cell == other);
    let length: usize = same.map(|(cell, _)| cell.len()).sum();
    &row[..row.len() - length]
}

/// Like [`decode_into`], for bytes that may be anything: checks them whole, nested values included.
pub fn try_decode<'a>(bytes: &'a [u8], out: &mut Vec<Datum<'a>>) -> Result<(), Malformed> {
    validate(bytes)?;
    decode_into(bytes, out);
    Ok(())
}

/// Checks that bytes are a packed row, and returns its number of datums.
pub fn validate(bytes: &[u8]) -> Result<usize, Malformed> {
    validate_at(bytes, 0).ok_or(Malformed)
}

pub(super) fn validate_at(mut rest: &[u8], depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut count = 0;
    while !rest.is_empty() {
        let (datum, after) = read(rest)?;
        match datum {
            Datum::Array(array) => array.validate(depth + 1)?,
            Datum::Record(fields) | Datum::Error(EvalErrorRef(fields)) => {
                validate_at(fields, depth + 1)?;
            }
            Datum::Json(value) => value.validate()?,
            _ => {}
        }
        rest = after;
        count += 1;
    }
    Some(count)
}

/// Appends one datum's encoding.
pub fn encode(datum: Datum<'_>, out: &mut Vec<u8>) {
    match datum {
        Datum::Null => out.push(tag::NULL_LAST),
        Datum::Bool(value) => out.push(if value { tag::TRUE } else { tag::FALSE }),
        Datum::Int(value) => encode_int(value, out),
        Datum::Float4(value) => encode_float4(value, out),
        Datum::Float(value) => encode_float(value, out),
        Datum::Numeric(value) => value.encode(out),
        Datum::Text(value) => {
            out.push(tag::TEXT);
            encode_text_body(value, out);
        }
        Datum::Bpchar(value) => {
            out.push(tag::BPCHAR);
            out.extend_from_slice(value.bytes());
        }
        Datum::JsonText(value) => {
            out.push(tag::JSON_TEXT);
            encode_text_body(value, out);
        }
        Datum::Enum(label) => {
            out.push(tag::ENUM);
            out.extend_from_slice(label.bytes());
        }
        Datum::Uuid(bytes) => {
            out.push(tag::UUID);
            out.extend_from_slice(bytes);
        }
        Datum::Bytes(value) => encode_bytes(value, out),
        Datum::Date(days) => {
            out.push(tag::DATE);
            out.extend_from_slice(&flip32(days).to_be_bytes());
        }
        Datum::Time(micros) => encode_fixed64(tag::TIME, flip64(micros), out),
        Datum::TimeTz(time) => {
            encode_fixed64(tag::TIMETZ, flip64(time.utc()), out);
            out.extend_from_slice(&flip32(-time.offset).to_be_bytes());
        }
        Datum::Timestamp(micros) => encode_fixed64(tag::TIMESTAMP, flip64(micros), out),
        Datum::TimestampTz(micros) => encode_fixed64(tag::TIMESTAMPTZ, flip64(micros), out),
        Datum::Interval(value) => value.encode(out),
        Datum::Json(value) => value.encode(out),
        Datum::Array(value) => {
            out.push(tag::ARRAY);
            out.extend_from_slice(value.bytes());
        }
        Datum::Record(fields) => encode_nested(tag::RECORD, fields, out),
        Datum::Error(error) => encode_nested(tag::ERROR, error.0, out),
    }
}

fn encode_nested(tag: u8, fields: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(fields);
    out.push(tag::END);
}

fn encode_fixed64(tag: u8, bits: u64, out: &mut Vec<u8>) {
    let mut cell = [tag; 9];
    cell[1..].copy_from_slice(&bits.to_be_bytes());
    out.extend_from_slice(&cell);
}

/// Appends an integer: one byte for 0..63, two for -256..319, at most nine.
#[inline]
pub fn encode_int(value: i64, out: &mut Vec<u8>) {
    if (0..64).contains(&value) {
        out.push(tag::INT_ZERO + value as u8);
        return;
    }
    let (base, magnitude, bits) = if value < 0 {
        (tag::INT_NEGATIVE_1, !value as u64, value as u64)
    } else {
        (tag::INT_POSITIVE_1, (value - 64) as u64, (value - 64) as u64)
    };
    let len = (8 - (magnitude | 1).leading_zeros() as usize / 8).max(1);
    let mut cell = [0; 9];
    cell[1..].copy_from_slice(&bits.to_be_bytes());
    cell[8 - len] = if value < 0 { base - (len as u8 - 1) } else { base + (len as u8 - 1) };
    out.extend_from_slice(&cell[8 - len..]);
}

fn encode_float(value: f64, out: &mut Vec<u8>) {
    let bits = if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { value.to_bits() };
    encode_fixed64(tag::FLOAT, if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }, out);
}

fn encode_float4(value: f32, out: &mut Vec<u8>) {
    let bits = if value.is_nan() { f32::NAN.to_bits() & !(1 << 31) } else { value.to_bits() };
    out.push(tag::FLOAT4);
    out.extend_from_slice(&(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }).to_be_bytes());
}

/// A text's bytes and terminator. PostgreSQL's text has no NUL and input refuses it; one that comes in by another road
/// is dropped here, because the encoding must stay self-delimiting.
pub(super) fn encode_text_body(value: &str, out: &mut Vec<u8>) {
    if memchr(0, value.as_bytes()).is_none() {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.extend(value.bytes().filter(|&b| b != 0));
    }
    out.push(0);
}

fn encode_bytes(value: &[u8], out: &mut Vec<u8>) {
    out.push(tag::BYTES);
    let mut rest = value;
    while let Some(zero) = memchr(0, rest) {
        out.extend_from_slice(&rest[..zero]);
        out.extend_from_slice(&[0, 0xff]);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
    if rest.len() < value.len() {
        out.extend_from_slice(value);
    }
}

/// A signed integer whose unsigned order is its own.
fn flip32(value: i32) -> u32 {
    value as u32 ^ 1 << 31
}

fn flip64(value: i64) -> u64 {
    value as u64 ^ 1 << 63
}

/// Decodes the first datum of ascending encodings; nothing if the bytes are malformed at this level.
#[inline]
pub(super) fn read(bytes: &[u8]) -> Option<(Datum<'_>, &[u8])> {
    let mut datum = Datum::Null;
    let rest = read_to(bytes, &mut datum)?;
    Some((datum, rest))
}

/// As [`read`], into its place: a datum is written in other pieces than it is moved in, and a processor waits for the pieces.
#[inline]
fn read_to<'a>(bytes: &'a [u8], to: &mut Datum<'a>) -> Option<&'a [u8]> {
    let (&first, body) = bytes.split_first()?;
    Some(match first {
        tag::INT_NEGATIVE_8..=tag::INT_POSITIVE_8 => {
            let (value, rest) = read_int(bytes)?;
            *to = Datum::Int(value);
            rest
        }
        tag::TEXT => {
            let end = memchr(0, body)?;
            *to = Datum::Text(std::str::from_utf8(&body[..end]).ok()?);
            &body[end + 1..]
        }
        tag::NULL_LAST | tag::NULL_FIRST => {
            *to = Datum::Null;
            body
        }
        tag::FALSE | tag::TRUE => {
            *to = Datum::Bool(first == tag::TRUE);
            body
        }
        tag::FLOAT => {
            let (bits, rest) = read_fixed64(body)?;
            let bits = if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits };
            *to = Datum::Float(f64::from_bits(bits));
            rest
        }
        tag::TIMESTAMP => {
            let (bits, rest) = read_fixed64(body)?;
            *to = Datum::Timestamp((bits ^ 1 << 63) as i64);
            rest
        }
        tag::TIMESTAMPTZ => {
            let (bits, rest) = read_fixed64(body)?;
            *to = Datum::TimestampTz((bits ^ 1 << 63) as i64);
            rest
        }
        tag::DATE => {
            let (bits, rest) = body.split_first_chunk::<4>()?;
            *to = Datum::Date((u32::from_be_bytes(*bits) ^ 1 << 31) as i32);
            rest
        }
        tag::NUMERIC_NEG_INFINITY..=tag::NUMERIC_NAN => {
            let (value, rest) = numeric::encoding::read(bytes)?;
            *to = Datum::Numeric(value);
            rest
        }
        _ => {
            let (datum, rest) = read_rare(bytes)?;
            *to = datum;
            rest
        }
    })
}

/// The types that are rare in hot paths, apart from [`read_to`] so that it stays small enough to inline.
fn read_rare(bytes: &[u8]) -> Option<(Datum<'_>, &[u8])> {
    let len = encoded_len(bytes)?;
    let (cell, rest) = bytes.split_at(len);
    let datum = match cell[0] {
        tag::BYTES => Datum::Bytes(read_bytes(&cell[1..])?),
        tag::FLOAT4 => {
            let bits = read_fixed32(&cell[1..])?;
            Datum::Float4(f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits }))
        }
        tag::BPCHAR => Datum::Bpchar(Bpchar::read(&cell[1..])?),
        tag::UUID => Datum::Uuid(cell.get(1..)?.first_chunk()?),
        tag::TIME => Datum::Time((read_fixed64(&cell[1..])?.0 ^ 1 << 63) as i64),
        tag::TIMETZ => {
            let (utc, offset) = read_fixed64(&cell[1..])?;
            let offset = (read_fixed32(offset)? ^ 1 << 31) as i32;
            Datum::TimeTz(TimeTz::of_utc((utc ^ 1 << 63) as i64, offset.checked_neg()?)?)
        }
        tag::ENUM => Datum::Enum(Label::read(&cell[1..])?),
        tag::JSON_TEXT => Datum::JsonText(std::str::from_utf8(&cell[1..len - 1]).ok()?),
        tag::INTERVAL => Datum::Interval(Interval::read(&cell[1..])?),
        tag::ARRAY => Datum::Array(Array::new(&cell[1..])),
        tag::RECORD => Datum::Record(&cell[1..len - 1]),
        tag::ERROR => Datum::Error(EvalErrorRef(&cell[1..len - 1])),
        tag::JSON_EMPTY_ARRAY..=tag::JSON_OBJECT => Datum::Json(Json::new(cell)),
        _ => return None,
    };
    Some((datum, rest))
}

/// Decodes an integer's encoding.
#[inline]
pub(super) fn read_int(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (&first, body) = bytes.split_first()?;
    if !(tag::INT_NEGATIVE_8..=tag::INT_POSITIVE_8).contains(&first) {
        return None;
    }
    if first <= tag::INT_NEGATIVE_1 {
        let len = (tag::INT_NEGATIVE_1 - first) as usize + 1;
        let low = read_be(body, len)?;
        let high = if len == 8 { 0 } else { u64::MAX << (8 * len) };
        return Some(((high | low) as i64, &body[len..]));
    }
    if first <= tag::INT_63 {
        return Some(((first - tag::INT_ZERO) as i64, body));
    }
    let len = (first - tag::INT_POSITIVE_1) as usize + 1;
    let value = i64::try_from(read_be(body, len)?).ok()?.checked_add(64)?;
    Some((value, &body[len..]))
}

/// A big-endian number of `len` (1 to 8) bytes at the head of `bytes`.
#[inline]
fn read_be(bytes: &[u8], len: usize) -> Option<u64> {
    if let Some((word, _)) = bytes.split_first_chunk::<8>() {
        return Some(u64::from_be_bytes(*word) >> (64 - 8 * len));
    }
    Some(bytes.get(..len)?.iter().fold(0, |value, &b| value << 8 | b as u64))
}

fn read_fixed32(body: &[u8]) -> Option<u32> {
    body.first_chunk::<4>().map(|bits| u32::from_be_bytes(*bits))
}

fn read_fixed64(body: &[u8]) -> Option<(u64, &[u8])> {
    let (bits, rest) = body.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*bits), rest))
}

fn read_bytes(body: &[u8]) -> Option<&[u8]> {
    let (escaped, zeros) = escaped_len(body, 0)?;
    if zeros == 0 { Some(&body[..escaped - 2]) } else { body.get(escaped..) }
}

/// The length of escaped bytes with their terminator, and the number of escapes in them.
fn escaped_len(body: &[u8], mask: u8) -> Option<(usize, usize)> {
    let (mut at, mut zeros) = (0, 0);
    loop {
        at += memchr(mask, &body[at..])? + 2;
        match body.get(at - 1)? ^ mask {
            0 => return Some((at, zeros)),
            0xff => zeros += 1,
            _ => return None,
        }
    }
}

/// The length of the first datum's encoding, which may be the complement of one.
#[inline]
pub(super) fn encoded_len(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    match first {
        tag::NULL_LAST | tag::NULL_FIRST => Some(1),
        0x80.. => masked_len(bytes, 0xff, 0),
        _ => masked_len(bytes, 0, 0),
    }
}

/// The length of the first datum's encoding when each byte is to be read through `mask` (0, or ff for a complement).
pub(super) fn masked_len(bytes: &[u8], mask: u8, depth: usize) -> Option<usize> {
    let body = bytes.get(1..)?;
    let len = match bytes[0] ^ mask {
        tag::NULL_LAST | tag::NULL_FIRST | tag::FALSE | tag::TRUE => 0,
        first @ tag::INT_NEGATIVE_8..=tag::INT_NEGATIVE_1 => (tag::INT_NEGATIVE_1 - first) as usize + 1,
        tag::INT_ZERO..=tag::INT_63 => 0,
        first @ tag::INT_POSITIVE_1..=tag::INT_POSITIVE_8 => (first - tag::INT_POSITIVE_1) as usize + 1,
        tag::FLOAT | tag::TIME | tag::TIMESTAMP | tag::TIMESTAMPTZ => 8,
        tag::FLOAT4 | tag::DATE => 4,
        tag::UUID => 16,
        tag::TIMETZ => 12,
        tag::TEXT | tag::JSON_TEXT => memchr(mask, body)? + 1,
        tag::ENUM => 4 + memchr(mask, body.get(4..)?)? + 1,
        tag::BPCHAR => {
            let end = memchr(mask, body)? + 1;
            end + masked_len(body.get(end..)?, mask, depth)?
        }
        tag::BYTES => {
            let (escaped, zeros) = escaped_len(body, mask)?;
            escaped + if zeros > 0 { escaped - 2 - zeros } else { 0 }
        }
        tag::NUMERIC_NEG_INFINITY..=tag::NUMERIC_NAN => numeric::encoding::masked_len(bytes, mask)? - 1,
        tag::INTERVAL => interval::masked_len(body, mask)?,
        tag::ARRAY => array::masked_len(body, mask, depth + 1)?,
        tag::RECORD | tag::ERROR => nested_len(body, mask, depth + 1)?,
        tag::JSON_EMPTY_ARRAY..=tag::JSON_OBJECT => json::masked_len(bytes, mask, depth)? - 1,
        _ => return None,
    };
    (len <= body.len()).then_some(len + 1)
}

/// The length of encodings up to and with the end tag.
pub(super) fn nested_len(bytes: &[u8], mask: u8, depth: usize) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut at = 0;
    while bytes.get(at)? ^ mask != tag::END {
        at += masked_len(&bytes[at..], mask, depth)?;
    }
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_trimmed_is_given_back() {
        let others = Row::pack([Datum::Null, Datum::Int(5)]);
        let row = |cells: &[i64]| {
            Row::pack(cells.iter().map(|cell| if *cell < 0 { Datum::Null } else { Datum::Int(*cell) }))
        };
        for (whole, stored) in [
            (row(&[5, -1, 5]), row(&[5])),
            (row(&[5, 1, 5]), row(&[5, 1])),
            (row(&[5, -1, 6]), row(&[5, -1, 6])),
            // Written before the last column was there.
            (row(&[5, 5]), row(&[5, 5])),
        ] {
            assert_eq!(trim(whole.bytes(), 3, others.bytes()), stored.bytes());
        }
        let mut buffer = Vec::new();
        for (stored, fitted) in [
            (row(&[5]), row(&[5, -1, 5])),
            (row(&[5, 1]), row(&[5, 1, 5])),
            (row(&[5, 1, 2]), row(&[5, 1, 2])),
            (row(&[5, 1, 2, 3]), row(&[5, 1, 2])),
        ] {
            assert_eq!(fit(stored.bytes(), 3, others.bytes(), &mut buffer), fitted.bytes());
        }
    }
}
