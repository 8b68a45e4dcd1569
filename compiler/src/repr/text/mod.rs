//! Text input and output of every type, as PostgreSQL 15 reads and prints them under a session's settings.
//!
//! What is printed is read back as the same value of the same type. Messages and codes of refusals are PostgreSQL's.

use std::fmt::Write;

use bumpalo::Bump;

use super::numeric::Numeric;
use super::{Datum, Json, Type};
use crate::error::SqlState;
use crate::scalar::EvalError;

mod array;
mod date;
mod fields;
mod interval;
mod record;
mod settings;
mod simple;

#[cfg(test)]
mod cases;

pub use date::{
    format_date, format_timestamp, format_timestamptz, parse_date, parse_timestamp, parse_timestamptz,
};
pub use interval::{format_interval, parse_interval};
pub use settings::{BadDateStyle, DateFormat, DateOrder, DateStyle, IntervalStyle, TextSettings};
pub use simple::{
    format_bytes, format_bytes_escaped, format_float, format_float_digits, parse_bool, parse_bytes,
    parse_float, parse_int,
};

type Result<T> = std::result::Result<T, EvalError>;

/// Reads a value of the type, coercing to its typmod as an assignment does (varchar(n) too long is an error).
pub fn parse<'a>(typ: &Type, text: &str, settings: &TextSettings, arena: &'a Bump) -> Result<Datum<'a>> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(EvalError::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(match typ {
        Type::Bool => Datum::Bool(parse_bool(text)?),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid | Type::Xid => Datum::Int(parse_int(typ, text)?),
        Type::Float8 => Datum::Float(parse_float(text)?),
        Type::Float4 => Datum::Float((parse_float(text)? as f32).into()),
        Type::Numeric(typmod) => {
            let value = Numeric::parse(text, arena)?;
            Datum::Numeric(match typmod {
                Some(typmod) => value.with_typmod(*typmod, arena)?,
                None => value,
            })
        }
        Type::Text | Type::Unknown | Type::NodeTree | Type::AclItem | Type::Void => {
            Datum::Text(arena.alloc_str(text))
        }
        Type::Varchar(limit) => Datum::Text(arena.alloc_str(simple::fit_varchar(text, *limit)?)),
        Type::Name => Datum::Text(arena.alloc_str(simple::fit_name(text))),
        Type::InternalChar => Datum::Text(arena.alloc_str(simple::first_char(text))),
        Type::Bytea => Datum::Bytes(parse_bytes(text, arena)?),
        Type::Date => Datum::Date(parse_date(text, settings)?),
        Type::Timestamp => Datum::Timestamp(parse_timestamp(text, settings)?),
        Type::TimestampTz => Datum::TimestampTz(parse_timestamptz(text, settings)?),
        Type::Interval => Datum::Interval(parse_interval(text, settings.interval_style)?),
        Type::Jsonb => Datum::Json(Json::parse(text, arena)?),
        Type::Json => {
            Json::parse(text, arena)?;
            Datum::Text(arena.alloc_str(text))
        }
        Type::Regtype => Datum::Int(simple::parse_regtype(text)?),
        Type::Int2Vector => Datum::Array(array::parse_vector(&Type::Int2, text, arena)?),
        Type::OidVector => Datum::Array(array::parse_vector(&Type::Oid, text, arena)?),
        Type::Regclass | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            Datum::Int(simple::parse_reg_oid(typ, text)?)
        }
        Type::Array(element) => Datum::Array(array::parse_array(element, text, settings, arena)?),
        Type::Record(_) => {
            return Err(EvalError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "input of anonymous composite types is not implemented",
            ));
        }
    })
}

/// Appends a value's text. NULL and errors at the top append nothing; the caller knows how its protocol says them.
///
/// `regclass` and `regproc` print as numbers: their names are the catalog's.
pub fn format(datum: Datum<'_>, typ: &Type, settings: &TextSettings, out: &mut String) {
    match datum {
        Datum::Null | Datum::Error(_) => {}
        Datum::Bool(value) => out.push(if value { 't' } else { 'f' }),
        Datum::Int(value) => simple::format_int(value, typ, out),
        Datum::Float(value) if settings.float_digits > 0 => format_float(value, out),
        Datum::Float(value) => format_float_digits(value, float_digits(typ, settings), out),
        Datum::Numeric(value) => write_display(value, out),
        Datum::Text(value) => out.push_str(value),
        Datum::Bytes(value) if settings.bytes_escaped => format_bytes_escaped(value, out),
        Datum::Bytes(value) => format_bytes(value, out),
        Datum::Date(days) => format_date(days, settings.date_style, out),
        Datum::Timestamp(micros) => format_timestamp(micros, settings.date_style, out),
        Datum::TimestampTz(micros) => {
            format_timestamptz(micros, &settings.timezone, settings.date_style, out)
        }
        Datum::Interval(value) => format_interval(value, settings.interval_style, out),
        Datum::Json(value) => write_display(value, out),
        Datum::Array(value) => {
            let element = typ.element().unwrap_or(&Type::Unknown);
            match typ.of_vector() {
                Some(_) => array::format_vector(value, element, settings, out),
                None => array::format_array(value, element, settings, out),
            }
        }
        Datum::Record(fields) => {
            let types = if let Type::Record(types) = typ { types.as_slice() } else { &[] };
            record::format_record(fields, types, settings, out);
        }
    }
}

/// How many significant digits a float is printed with where not the shortest are.
fn float_digits(typ: &Type, settings: &TextSettings) -> usize {
    let own = if matches!(typ, Type::Float4) { 6 } else { 15 };
    usize::try_from(own + i32::from(settings.float_digits)).unwrap_or(1).max(1)
}

fn write_display(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("invariant: writing to a string cannot fail");
}

/// `22P02`, or another code, `invalid input syntax for type ...`.
fn invalid_syntax(code: SqlState, typ: &str, text: &str) -> EvalError {
    EvalError::new(code, std::format!("invalid input syntax for type {typ}: \"{text}\""))
}

/// C's isspace.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}
