//! PostgreSQL's binary send formats: network order, dates and times counted from 2000.

use bytes::{BufMut, BytesMut};
use compiler::repr::row::Datums;
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Array, Datum, Interval, Numeric, Type};
use compiler::{Error, SqlState};
use postgres_protocol::types;

use super::put_sized;

/// The version byte before a jsonb's text.
pub(super) const JSONB_VERSION: u8 = 1;

/// Appends a value that is neither NULL nor an error.
pub fn put_binary(
    datum: Datum<'_>,
    typ: &Type,
    settings: &TextSettings,
    buf: &mut BytesMut,
) -> Result<(), Error> {
    match datum {
        Datum::Null => unreachable!("invariant: NULL is a length of its own"),
        Datum::Error(error) => return Err(error.to_owned().into()),
        Datum::Bool(value) => types::bool_to_sql(value, buf),
        Datum::Int(value) => put_int(value, typ, buf),
        Datum::Float4(value) => types::float4_to_sql(value, buf),
        Datum::Float(value) => types::float8_to_sql(value, buf),
        Datum::Numeric(value) => put_numeric(value, buf),
        Datum::Text(value) | Datum::JsonText(value) => types::text_to_sql(value, buf),
        Datum::Bpchar(_) | Datum::Enum(_) => {
            let mut shown = String::new();
            text::format(datum, typ, settings, &mut shown);
            types::text_to_sql(&shown, buf);
        }
        Datum::Uuid(value) => types::uuid_to_sql(*value, buf),
        Datum::Bytes(value) => types::bytea_to_sql(value, buf),
        Datum::Date(days) => types::date_to_sql(days, buf),
        Datum::Time(micros) => types::time_to_sql(micros, buf),
        Datum::TimeTz(time) => {
            types::time_to_sql(time.micros, buf);
            buf.put_i32(-time.offset);
        }
        Datum::Timestamp(micros) | Datum::TimestampTz(micros) => types::timestamp_to_sql(micros, buf),
        Datum::Interval(value) => put_interval(value, buf),
        Datum::Json(_) => {
            let mut json = String::new();
            text::format(datum, typ, settings, &mut json);
            buf.put_u8(JSONB_VERSION);
            buf.put_slice(json.as_bytes());
        }
        Datum::Array(array) => return put_array(array, typ, settings, buf),
        Datum::Record(fields) => return put_record(fields, typ, settings, buf),
    }
    Ok(())
}

/// The type says the width; values are within it by the type's own checks.
fn put_int(value: i64, typ: &Type, buf: &mut BytesMut) {
    match typ {
        Type::Int2 => types::int2_to_sql(value as i16, buf),
        Type::Int4 => types::int4_to_sql(value as i32, buf),
        typ if *typ == Type::Oid || *typ == Type::Xid || typ.is_reg() => types::oid_to_sql(value as u32, buf),
        _ => types::int8_to_sql(value, buf),
    }
}

fn put_interval(value: Interval, buf: &mut BytesMut) {
    buf.put_i64(value.micros);
    buf.put_i32(value.days);
    buf.put_i32(value.months);
}

/// The signs of a binary numeric.
pub(super) mod sign {
    pub const POSITIVE: u16 = 0x0000;
    pub const NEGATIVE: u16 = 0x4000;
    pub const NAN: u16 = 0xc000;
    pub const INFINITY: u16 = 0xd000;
    pub const NEG_INFINITY: u16 = 0xf000;
}

/// The scale that PostgreSQL sends with an infinity, where it means nothing.
const INFINITE_SCALE: u16 = 32;

/// Digits of base 10000 with the weight of the first, sign, and the decimal digits shown after the point.
fn put_numeric(value: Numeric<'_>, buf: &mut BytesMut) {
    let mut put = |digits: &[u16], weight: i16, sign: u16, scale: u16| {
        buf.put_u16(digits.len() as u16);
        buf.put_i16(weight);
        buf.put_u16(sign);
        buf.put_u16(scale);
        digits.iter().for_each(|digit| buf.put_u16(*digit));
    };
    if value.is_nan() {
        return put(&[], 0, sign::NAN, 0);
    }
    if value.is_infinite() {
        let sign = if value.is_negative() { sign::NEG_INFINITY } else { sign::INFINITY };
        return put(&[], 0, sign, INFINITE_SCALE);
    }
    let text = value.to_string();
    let (integer, fraction) =
        text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), ""));
    let (digits, weight) = base_10000(integer.as_bytes(), fraction.as_bytes());
    put(&digits, weight, if value.is_negative() { sign::NEGATIVE } else { sign::POSITIVE }, value.scale());
}

/// Decimal digits as digits of base 10000 without zeros at either end, and the weight of the first.
fn base_10000(integer: &[u8], fraction: &[u8]) -> (Vec<u16>, i16) {
    let number = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    let mut groups: Vec<u16> = integer.rchunks(4).rev().map(number).collect();
    let mut weight = groups.len() as i32 - 1;
    groups.extend(fraction.chunks(4).map(|group| number(group) * 10u16.pow(4 - group.len() as u32)));
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i32;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() { (groups, 0) } else { (groups, weight as i16) }
}

fn put_array(array: Array<'_>, typ: &Type, settings: &TextSettings, buf: &mut BytesMut) -> Result<(), Error> {
    let element = typ.element().unwrap_or(&Type::Text);
    let dimensions = array.dimensions();
    buf.put_i32(dimensions.len() as i32);
    buf.put_i32(array.elements().any(|e| e.is_null()).into());
    buf.put_u32(element.oid());
    for dimension in dimensions {
        buf.put_u32(dimension.length);
        buf.put_i32(dimension.lower);
    }
    array.elements().try_for_each(|datum| put_part(datum, element, settings, buf))
}

fn put_record(fields: &[u8], typ: &Type, settings: &TextSettings, buf: &mut BytesMut) -> Result<(), Error> {
    let Type::Record(declared) = typ else {
        return Err(Error::new(SqlState::DATATYPE_MISMATCH, "record type has not been registered"));
    };
    buf.put_i32(declared.len() as i32);
    for (datum, field) in Datums::new(fields).zip(declared) {
        buf.put_u32(field.typ.oid());
        put_part(datum, &field.typ, settings, buf)?;
    }
    Ok(())
}

/// A part of a value: its length, or that of NULL, and itself.
fn put_part(datum: Datum<'_>, typ: &Type, settings: &TextSettings, buf: &mut BytesMut) -> Result<(), Error> {
    match datum {
        Datum::Null => {
            buf.put_i32(-1);
            Ok(())
        }
        datum => put_sized(buf, |buf| put_binary(datum, typ, settings, buf)),
    }
}
