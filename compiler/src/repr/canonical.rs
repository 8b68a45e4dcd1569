//! Equality and order as bytes: canonical encodings and sort keys.
//!
//! Of all encodings of values that are equal in SQL, one is canonical: what the others hold beside the value (display
//! scale, the sign of a zero, how an interval is split) is put in a normal form. Joins, groups and indexes are keyed
//! by canonical bytes. [`super::Type::has_lossy_equality`] says for which types the two can differ at all.

use std::borrow::Cow;

use super::row::{self, Datums, read, split_first, tag};
use super::{Datum, Type, json, numeric::encoding};

/// The canonical encoding of packed datums; borrowed if they are canonical already, as almost all are.
pub fn canonicalize(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (first, after) = split_first(rest);
        if !is_canonical(first) {
            let mut out = Vec::with_capacity(bytes.len());
            out.extend_from_slice(&bytes[..bytes.len() - rest.len()]);
            append_canonical(rest, &mut out);
            return Cow::Owned(out);
        }
        rest = after;
    }
    Cow::Borrowed(bytes)
}

/// Appends the canonical encoding of packed datums.
pub fn append_canonical(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (first, after) = split_first(rest);
        if can_be_lossy(first[0]) {
            encode_canonical(read(first).expect("invariant: split_first gave one encoding").0, out);
        } else {
            out.extend_from_slice(first);
        }
        rest = after;
    }
}

/// Whether a datum's encoding can differ from that of an equal value.
fn can_be_lossy(first: u8) -> bool {
    matches!(
        first,
        tag::FLOAT
            | tag::FLOAT4
            | tag::BPCHAR
            | tag::NUMERIC_NEGATIVE..=tag::NUMERIC_POSITIVE
            | tag::INTERVAL..=tag::JSON_OBJECT
            | tag::NULL_FIRST
    )
}

/// Whether one datum's encoding is the canonical one; allocates nothing.
fn is_canonical(datum: &[u8]) -> bool {
    const NEGATIVE_ZERO: [u8; 9] = [tag::FLOAT, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    match datum[0] {
        tag::FLOAT => datum != NEGATIVE_ZERO,
        tag::NUMERIC_NEGATIVE..=tag::NUMERIC_POSITIVE => encoding::is_canonical(datum, encoding::NUMERIC),
        tag::NULL_FIRST => false,
        first if can_be_lossy(first) => {
            match read(datum).expect("invariant: split_first gave one encoding").0 {
                Datum::Float4(value) => value != 0.0 || value.is_sign_positive(),
                Datum::Bpchar(value) => value.blanks() == 0,
                Datum::Interval(value) => value == value.canonical(),
                Datum::Json(value) => json::is_canonical(value),
                Datum::Array(value) => all_canonical(value.element_bytes()),
                Datum::Record(fields) => all_canonical(fields),
                _ => true,
            }
        }
        _ => true,
    }
}

fn all_canonical(bytes: &[u8]) -> bool {
    Datums::new(bytes).encodings().all(is_canonical)
}

/// Appends the encoding shared by all values equal to this one.
pub fn encode_canonical(datum: Datum<'_>, out: &mut Vec<u8>) {
    match datum {
        Datum::Float(value) => row::encode(Datum::Float(if value == 0.0 { 0.0 } else { value }), out),
        Datum::Float4(value) => row::encode(Datum::Float4(if value == 0.0 { 0.0 } else { value }), out),
        Datum::Bpchar(value) => {
            out.push(tag::BPCHAR);
            row::encode_text_body(value.text(), out);
            row::encode_int(0, out);
        }
        Datum::Numeric(value) => encoding::encode_canonical(value, encoding::NUMERIC, out),
        Datum::Interval(value) => row::encode(Datum::Interval(value.canonical()), out),
        Datum::Json(value) => json::encode_canonical(value, out),
        Datum::Array(value) => {
            out.push(tag::ARRAY);
            append_canonical(value.element_bytes(), out);
            out.extend_from_slice(&value.bytes()[value.element_bytes().len()..]);
        }
        Datum::Record(fields) => {
            out.push(tag::RECORD);
            append_canonical(fields, out);
            out.push(tag::END);
        }
        _ => row::encode(datum, out),
    }
}

/// Appends the encoding by which a column of this type is keyed: that of the column's own values which are equal to this one, though it
/// may be printed otherwise than they are. What equals no value of the column keeps its place among them.
pub fn encode_key(typ: &Type, datum: Datum<'_>, out: &mut Vec<u8>) {
    match (typ, datum) {
        (typ, datum) if typ.has_lossy_equality() => encode_canonical(datum, out),
        (Type::Numeric(_), Datum::Numeric(value)) => {
            encoding::encode_at(value, typ.static_scale().unwrap_or(value.scale()), encoding::NUMERIC, out)
        }
        (Type::Bpchar(Some(length)), Datum::Bpchar(value)) => {
            let blanks = (*length as usize).saturating_sub(value.text().chars().count());
            out.push(tag::BPCHAR);
            row::encode_text_body(value.text(), out);
            row::encode_int(blanks as i64, out);
        }
        (_, datum) => row::encode(datum, out),
    }
}

/// Appends a sort key: bytes whose order is `ORDER BY datum [DESC] NULLS {FIRST | LAST}`. A descending key is the
/// complement of the canonical encoding, so it delimits itself too; NULL's place does not depend on the direction.
pub fn encode_sort_key(datum: Datum<'_>, desc: bool, nulls_first: bool, out: &mut Vec<u8>) {
    if datum.is_null() {
        out.push(if nulls_first { tag::NULL_FIRST } else { tag::NULL_LAST });
        return;
    }
    let start = out.len();
    encode_canonical(datum, out);
    if desc {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}
