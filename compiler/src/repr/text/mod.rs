//! Text input and output of every type, as PostgreSQL 15 reads and prints them under a session's settings.
//!
//! What is printed is read back as the same value of the same type. Messages and codes of refusals are PostgreSQL's.

use std::fmt::Write;

use bumpalo::Bump;

use super::datetime::{self, TimeTz};
use super::numeric::Numeric;
use super::{Datum, Json, Label, Type};
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
    format_date, format_time, format_timestamp, format_timestamptz, format_timetz, parse_date, parse_time,
    parse_timestamp, parse_timestamptz, parse_timetz,
};
pub use interval::{format_interval, parse_interval};
pub use settings::{BadDateStyle, DateFormat, DateOrder, DateStyle, IntervalStyle, TextSettings};
pub use simple::{
    format_bytes, format_bytes_escaped, format_float, format_float_digits, format_float4, format_uuid,
    parse_bool, parse_bytes, parse_float, parse_float4, parse_int, parse_uuid,
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
        Type::Float4 => Datum::Float4(parse_float4(text)?),
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
        Type::Bpchar(limit) => Datum::Bpchar(simple::fit_bpchar(text, *limit, arena)?),
        Type::Name => Datum::Text(arena.alloc_str(simple::fit_name(text))),
        Type::InternalChar => Datum::Text(arena.alloc_str(simple::first_char(text))),
        Type::Bytea => Datum::Bytes(parse_bytes(text, arena)?),
        Type::Date => Datum::Date(parse_date(text, settings)?),
        Type::Time(precision) => Datum::Time(datetime::round_time(parse_time(text, settings)?, *precision)),
        Type::TimeTz(precision) => {
            let time = parse_timetz(text, settings)?;
            Datum::TimeTz(TimeTz { micros: datetime::round_time(time.micros, *precision), ..time })
        }
        Type::Timestamp(precision) => {
            Datum::Timestamp(datetime::round_timestamp(parse_timestamp(text, settings)?, *precision)?)
        }
        Type::TimestampTz(precision) => {
            Datum::TimestampTz(datetime::round_timestamp(parse_timestamptz(text, settings)?, *precision)?)
        }
        Type::Interval(typmod) => Datum::Interval(parse_interval(text, *typmod, settings.interval_style)?),
        Type::Uuid => Datum::Uuid(arena.alloc(parse_uuid(text)?)),
        Type::Enum(definition) => match definition.position(text) {
            Some(position) => Datum::Enum(Label::new_in(position, text, arena)),
            None => {
                let message = std::format!("invalid input value for enum {}: \"{text}\"", definition.name);
                return Err(EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, message));
            }
        },
        Type::Jsonb => Datum::Json(Json::parse(text, arena)?),
        Type::Json => {
            Json::parse(text, arena)?;
            Datum::JsonText(arena.alloc_str(text))
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
        Datum::Float4(value) if settings.float_digits > 0 => format_float4(value, out),
        Datum::Float4(value) => format_float_digits(value.into(), float_digits(typ, settings), out),
        Datum::Float(value) if settings.float_digits > 0 => format_float(value, out),
        Datum::Float(value) => format_float_digits(value, float_digits(typ, settings), out),
        Datum::Numeric(value) => write_display(value, out),
        Datum::Text(value) | Datum::JsonText(value) => out.push_str(value),
        Datum::Enum(label) => out.push_str(label.text()),
        Datum::Bpchar(value) => write_display(value, out),
        Datum::Uuid(value) => format_uuid(value, out),
        Datum::Bytes(value) if settings.bytes_escaped => format_bytes_escaped(value, out),
        Datum::Bytes(value) => format_bytes(value, out),
        Datum::Date(days) => format_date(days, settings.date_style, out),
        Datum::Time(micros) => format_time(micros, out),
        Datum::TimeTz(time) => format_timetz(time, out),
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
            let declared = if let Type::Record(declared) = typ { declared.as_slice() } else { &[] };
            record::format_record(fields, declared, settings, out);
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
