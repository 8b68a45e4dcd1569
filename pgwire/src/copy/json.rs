//! COPY's json format: one object a line, keys are columns.

use bumpalo::Bump;
use compiler::repr::json;
use compiler::repr::row::Datums;
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Array, Datum, Numeric, Type};
use compiler::{Error, SqlState};
use serde_json::{Map, Value};

/// The object of a line; an empty line is none.
pub fn parse_line(line: &str) -> Result<Option<Map<String, Value>>, Error> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => {
            Err(invalid("a line of JSON must be an object").detail("Each line holds the columns of one row."))
        }
        Err(error) => Err(invalid("invalid input syntax for type json").detail(syntax_detail(&error))),
    }
}

/// The error without the place at its end, in whose line numbers nobody is interested: there is one line.
fn syntax_detail(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    let mut chars = what.chars();
    let what: String =
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect());
    format!("{what} at character {}.", error.column())
}

fn invalid(message: &str) -> Error {
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
}

/// A value as a column of this type: what `json_populate_record` makes of it.
pub fn datum<'a>(
    value: &Value,
    typ: &Type,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Datum<'a>, Error> {
    match (value, typ) {
        (Value::Null, _) => Ok(Datum::Null),
        (Value::Array(elements), Type::Array(element)) => {
            let elements = elements.iter().map(|value| datum(value, element, settings, arena));
            Ok(Datum::Array(Array::pack_flat_in(elements.collect::<Result<Vec<_>, _>>()?, arena)))
        }
        (Value::String(string), typ) if *typ != Type::Jsonb => {
            if string.contains('\0') {
                return Err(Error::new(
                    SqlState::UNTRANSLATABLE_CHARACTER,
                    "unsupported Unicode escape sequence",
                )
                .detail("\\u0000 cannot be converted to text."));
            }
            Ok(text::parse(typ, string, settings, arena)?)
        }
        (value, typ) => Ok(text::parse(typ, &value.to_string(), settings, arena)?),
    }
}

/// Appends an object of these columns and values.
pub fn put_line(
    row: &[u8],
    columns: &[(String, Type)],
    settings: &TextSettings,
    out: &mut String,
) -> Result<(), Error> {
    out.push('{');
    for (index, (datum, (name, typ))) in Datums::new(row).zip(columns).enumerate() {
        if index > 0 {
            out.push(',');
        }
        put_string(name, out);
        out.push(':');
        put_value(datum, typ, settings, out)?;
    }
    out.push_str("}\n");
    Ok(())
}

fn put_value(datum: Datum<'_>, typ: &Type, settings: &TextSettings, out: &mut String) -> Result<(), Error> {
    match datum {
        Datum::Null => out.push_str("null"),
        Datum::Error(error) => return Err(error.to_owned().into()),
        Datum::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Datum::Json(value) => put_json(value, typ, settings, out),
        Datum::Array(array) => {
            out.push('[');
            let element = typ.element().unwrap_or(&Type::Text);
            for (index, datum) in array.elements().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put_value(datum, element, settings, out)?;
            }
            out.push(']');
        }
        datum => {
            let mut value = String::new();
            text::format(datum, typ, settings, &mut value);
            match datum {
                _ if is_number(datum) => out.push_str(&value),
                // Line breaks in JSON are blanks, and an object has one line.
                Datum::JsonText(_) => out.push_str(&value.replace(['\n', '\r'], " ")),
                Datum::Timestamp(_) | Datum::TimestampTz(_) => put_string(&iso_8601(value), out),
                _ => put_string(&value, out),
            }
        }
    }
    Ok(())
}

/// Whether JSON can say the value as a number: not NaN, not an infinity.
fn is_number(datum: Datum<'_>) -> bool {
    match datum {
        Datum::Int(_) => true,
        Datum::Float(value) => value.is_finite(),
        Datum::Float4(value) => value.is_finite(),
        Datum::Numeric(value) => Numeric::is_finite(value),
        _ => false,
    }
}

fn put_json(value: json::Json<'_>, typ: &Type, settings: &TextSettings, out: &mut String) {
    text::format(Datum::Json(value), typ, settings, out);
}

/// PostgreSQL's JSON has a `T` between date and time, and minutes in each zone offset.
fn iso_8601(text: String) -> String {
    let mut text = text.replacen(' ', "T", 1);
    if let Some(sign) = text.rfind(['+', '-']).filter(|at| text.len() - at == 3 && text[..*at].contains('T'))
    {
        debug_assert!(sign > 0);
        text.push_str(":00");
    }
    text
}

fn put_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_objects_are_refused() {
        assert!(parse_line(" \t").unwrap().is_none());
        let error = parse_line("[1]").unwrap_err();
        assert_eq!(error.to_string(), "22P02: a line of JSON must be an object");
        let error = parse_line("{\"a\":}").unwrap_err();
        assert_eq!(error.detail.unwrap(), "Expected value at character 6.");
        assert!(parse_line(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn strings_and_times_are_json() {
        let mut out = String::new();
        put_string("a\"b\\\u{1}é\n", &mut out);
        assert_eq!(out, "\"a\\\"b\\\\\\u0001é\\n\"");
        assert_eq!(iso_8601("2020-01-02 03:04:05+00".to_owned()), "2020-01-02T03:04:05+00:00");
        assert_eq!(iso_8601("2020-01-02 03:04:05".to_owned()), "2020-01-02T03:04:05");
        assert_eq!(iso_8601("infinity".to_owned()), "infinity");
    }
}
