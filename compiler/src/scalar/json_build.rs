//! Functions of jsonb: building and changing values.

use bumpalo::Bump;

use super::EvalError;
use super::function::Context;
use super::json::texts;
use super::string::as_text;
use crate::error::SqlState;
use crate::repr::array::Dimension;
use crate::repr::json::Value;
use crate::repr::row::Datums;
use crate::repr::{Array, Datum, Json, Numeric};

fn invalid(message: impl Into<String>) -> EvalError {
    EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The jsonb form of a value: numbers and truth values as themselves, arrays and rows by their parts, times in ISO 8601,
/// others as their text.
pub(super) fn of<'a>(value: Datum<'a>, arena: &'a Bump) -> Json<'a> {
    match value {
        Datum::Null | Datum::Error(_) => Json::NULL,
        Datum::Bool(value) => Json::bool(value),
        Datum::Int(value) => Json::number(Numeric::from_int(value), arena),
        Datum::Numeric(value) => Json::number(value, arena),
        Datum::Float(value) => match Numeric::parse(&as_text(Datum::Float(value)), arena) {
            Ok(number) => Json::number(number, arena),
            Err(_) => Json::string(&as_text(Datum::Float(value)), arena),
        },
        Datum::Float4(value) => match Numeric::parse(&as_text(Datum::Float4(value)), arena) {
            Ok(number) => Json::number(number, arena),
            Err(_) => Json::string(&as_text(Datum::Float4(value)), arena),
        },
        Datum::Text(text) => Json::string(text, arena),
        // It was checked when it was read.
        Datum::JsonText(text) => Json::parse(text, arena).unwrap_or(Json::NULL),
        Datum::Json(value) => value,
        Datum::Array(array) => of_array(&mut array.elements(), &array.dimensions(), arena),
        Datum::Record(fields) => {
            let named: Vec<(String, Json<'a>)> =
                Datums::new(fields).enumerate().map(|(i, d)| (format!("f{}", i + 1), of(d, arena))).collect();
            Json::object(named.iter().map(|(name, value)| (name.as_str(), *value)), arena)
        }
        Datum::Timestamp(_) => Json::string(&as_text(value).replacen(' ', "T", 1), arena),
        Datum::TimestampTz(_) => Json::string(&iso_with_offset(&as_text(value)), arena),
        Datum::Bpchar(_)
        | Datum::Bytes(_)
        | Datum::Date(_)
        | Datum::Time(_)
        | Datum::TimeTz(_)
        | Datum::Interval(_)
        | Datum::Uuid(_)
        | Datum::Enum(_) => Json::string(&as_text(value), arena),
    }
}

/// `2024-01-01 00:00:00+00` as `2024-01-01T00:00:00+00:00`.
fn iso_with_offset(text: &str) -> String {
    let mut iso = text.replacen(' ', "T", 1);
    if iso.as_bytes().iter().rev().nth(2).is_some_and(|b| matches!(b, b'+' | b'-')) {
        iso.push_str(":00");
    }
    iso
}

fn of_array<'a>(elements: &mut Datums<'a>, dimensions: &[Dimension], arena: &'a Bump) -> Json<'a> {
    let Some((first, inner)) = dimensions.split_first() else { return Json::array([], arena) };
    let part = |elements: &mut Datums<'a>| match inner {
        [] => of(elements.next().unwrap_or(Datum::Null), arena),
        inner => of_array(elements, inner, arena),
    };
    let parts: Vec<Json<'a>> = (0..first.length).map(|_| part(elements)).collect();
    Json::array(parts, arena)
}

pub(super) fn build_array<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    Ok(Datum::Json(Json::array(args.iter().map(|d| of(*d, cx.arena)), cx.arena)))
}

pub(super) fn build_object<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    check_pairs(args, "jsonb_build_object")?;
    let mut pairs = Vec::new();
    for pair in args.chunks(2) {
        pairs.push((key_of(pair[0])?, of(pair[1], cx.arena)));
    }
    Ok(Datum::Json(Json::object(pairs.iter().map(|(key, value)| (key.as_str(), *value)), cx.arena)))
}

/// Refuses arguments that are not alternating keys and values.
pub(super) fn check_pairs(args: &[Datum<'_>], function: &str) -> Result<(), EvalError> {
    if args.len() % 2 == 1 {
        let hint = format!("The arguments of {function}() must consist of alternating keys and values.");
        return Err(invalid("argument list must have even number of elements").hint(hint));
    }
    match args.iter().step_by(2).position(|key| key.is_null()) {
        Some(at) => Err(invalid(format!("argument {}: key must not be null", 2 * at + 1))),
        None => Ok(()),
    }
}

/// A scalar's text as an object's key.
pub(super) fn key_of(key: Datum<'_>) -> Result<String, EvalError> {
    match key {
        Datum::Array(_) | Datum::Json(_) | Datum::Record(_) => {
            Err(invalid("key value must be scalar, not array, composite, or json"))
        }
        Datum::Bool(value) => Ok(value.to_string()),
        key => Ok(as_text(key)),
    }
}

pub(super) fn object_of_texts<'a>(array: Array<'a>, arena: &'a Bump) -> Result<Json<'a>, EvalError> {
    let pairs = pairs_of_texts(array)?;
    Ok(Json::object(pairs.into_iter().map(|(key, value)| (key, of(value, arena))), arena))
}

/// Keys and values of an array in which they alternate, or of an array of pairs.
pub(super) fn pairs_of_texts<'a>(array: Array<'a>) -> Result<Vec<(&'a str, Datum<'a>)>, EvalError> {
    let flat: Vec<Datum<'a>> = match array.dimensions().as_slice() {
        [] => Vec::new(),
        [_] if array.len() % 2 == 1 => {
            return Err(EvalError::new(
                SqlState::ARRAY_SUBSCRIPT_ERROR,
                "array must have even number of elements",
            ));
        }
        [_] => array.elements().collect(),
        [_, pair] if pair.length == 2 => array.elements().collect(),
        [_, _] => return Err(EvalError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "array must have two columns")),
        _ => return Err(EvalError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")),
    };
    let mut pairs = Vec::new();
    for pair in flat.chunks(2) {
        let Datum::Text(key) = pair[0] else {
            return Err(EvalError::new(
                SqlState::NULL_VALUE_NOT_ALLOWED,
                "null value not allowed for object key",
            ));
        };
        pairs.push((key, pair[1]));
    }
    Ok(pairs)
}

pub(super) fn strip_nulls<'a>(value: Json<'a>, arena: &'a Bump) -> Json<'a> {
    super::expr::with_stack(|| match value.value() {
        Value::Array(elements) => {
            let stripped: Vec<Json<'a>> = elements.map(|e| strip_nulls(e, arena)).collect();
            Json::array(stripped, arena)
        }
        Value::Object(pairs) => {
            let kept = pairs.filter(|(_, value)| !value.is_null());
            let stripped: Vec<(&str, Json<'a>)> =
                kept.map(|(key, value)| (key, strip_nulls(value, arena))).collect();
            Json::object(stripped, arena)
        }
        _ => value,
    })
}

pub(super) fn concatenate<'a>(a: Json<'a>, b: Json<'a>, arena: &'a Bump) -> Json<'a> {
    let elements = |value: Json<'a>| match value.value() {
        Value::Array(elements) => elements.collect(),
        _ => vec![value],
    };
    match (a.value(), b.value()) {
        (Value::Object(first), Value::Object(second)) => Json::object(first.chain(second), arena),
        _ => Json::array(elements(a).into_iter().chain(elements(b)), arena),
    }
}

pub(super) fn without<'a>(
    value: Json<'a>,
    drop: &dyn Fn(&str) -> bool,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    match value.value() {
        Value::Object(pairs) => Ok(Json::object(pairs.filter(|(key, _)| !drop(key)), arena)),
        Value::Array(elements) => {
            let dropped = |e: &Json<'a>| matches!(e.value(), Value::String(text) if drop(text));
            Ok(Json::array(elements.filter(|e| !dropped(e)), arena))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

pub(super) fn without_index<'a>(value: Json<'a>, at: i64, arena: &'a Bump) -> Result<Json<'a>, EvalError> {
    match value.value() {
        Value::Array(elements) => {
            let at = if at < 0 { at + elements.len() as i64 } else { at };
            let kept = elements.enumerate().filter(|(i, _)| *i as i64 != at).map(|(_, e)| e);
            Ok(Json::array(kept, arena))
        }
        Value::Object(_) => Err(invalid("cannot delete from object using integer index")),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// What happens where a path ends.
#[derive(Clone, Copy)]
enum Change<'a> {
    Delete,
    Set { value: Json<'a>, create: bool },
    Insert { value: Json<'a>, after: bool },
}

pub(super) fn delete_path<'a>(
    value: Json<'a>,
    path: Array<'a>,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    refuse_scalar(value, "cannot delete path in scalar")?;
    change(value, path, Change::Delete, arena)
}

pub(super) fn set_path<'a>(
    value: Json<'a>,
    path: Array<'a>,
    new: Json<'a>,
    create: bool,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    refuse_scalar(value, "cannot set path in scalar")?;
    change(value, path, Change::Set { value: new, create }, arena)
}

pub(super) fn insert_path<'a>(
    value: Json<'a>,
    path: Array<'a>,
    new: Json<'a>,
    after: bool,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    refuse_scalar(value, "cannot set path in scalar")?;
    change(value, path, Change::Insert { value: new, after }, arena)
}

fn refuse_scalar(value: Json<'_>, message: &str) -> Result<(), EvalError> {
    match value.value() {
        Value::Array(_) | Value::Object(_) => Ok(()),
        _ => Err(invalid(message)),
    }
}

fn change<'a>(
    value: Json<'a>,
    path: Array<'a>,
    end: Change<'a>,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    let steps: Vec<Datum<'a>> = path.elements().collect();
    if let Some(null) = steps.iter().position(Datum::is_null) {
        let message = format!("path element at position {} is null", null + 1);
        return Err(EvalError::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
    }
    let steps: Vec<&str> = texts(path).collect();
    if steps.is_empty() { Ok(value) } else { change_at(value, &steps, 0, end, arena) }
}

fn change_at<'a>(
    value: Json<'a>,
    steps: &[&str],
    at: usize,
    end: Change<'a>,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    super::expr::with_stack(|| match value.value() {
        Value::Object(_) => change_object(value, steps, at, end, arena),
        Value::Array(_) => change_array(value, steps, at, end, arena),
        _ => Ok(value),
    })
}

fn change_object<'a>(
    value: Json<'a>,
    steps: &[&str],
    at: usize,
    end: Change<'a>,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    let Value::Object(pairs) = value.value() else { return Ok(value) };
    let mut pairs: Vec<(&str, Json<'a>)> = pairs.collect();
    let found = pairs.iter().position(|(key, _)| *key == steps[at]);
    let last = at + 1 == steps.len();
    match (found, end) {
        (Some(found), _) if !last => pairs[found].1 = change_at(pairs[found].1, steps, at + 1, end, arena)?,
        (Some(found), Change::Delete) => drop(pairs.remove(found)),
        (Some(found), Change::Set { value, .. }) => pairs[found].1 = value,
        (Some(_), Change::Insert { .. }) => {
            let hint = "Try using the function jsonb_set to replace key value.";
            return Err(invalid("cannot replace existing key").hint(hint));
        }
        (None, Change::Set { value, create: true } | Change::Insert { value, .. }) if last => {
            pairs.push((steps[at], value));
        }
        (None, _) => {}
    }
    Ok(Json::object(pairs, arena))
}

fn change_array<'a>(
    value: Json<'a>,
    steps: &[&str],
    at: usize,
    end: Change<'a>,
    arena: &'a Bump,
) -> Result<Json<'a>, EvalError> {
    let Value::Array(elements) = value.value() else { return Ok(value) };
    let mut elements: Vec<Json<'a>> = elements.collect();
    let index: i64 = steps[at].trim_start().parse::<i32>().map(i64::from).map_err(|_| {
        let message = format!("path element at position {} is not an integer: \"{}\"", at + 1, steps[at]);
        EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    })?;
    let len = elements.len() as i64;
    let index = if index < 0 { index + len } else { index };
    let inside = (0..len).contains(&index);
    let last = at + 1 == steps.len();
    match end {
        _ if inside && !last => {
            let element = &mut elements[index as usize];
            *element = change_at(*element, steps, at + 1, end, arena)?;
        }
        _ if !last => {}
        Change::Delete if inside => drop(elements.remove(index as usize)),
        Change::Set { value, .. } if inside => elements[index as usize] = value,
        Change::Insert { value, after } if inside => elements.insert(index as usize + after as usize, value),
        Change::Set { value, create: true } | Change::Insert { value, .. } => {
            elements.insert(if index < 0 { 0 } else { elements.len() }, value);
        }
        _ => {}
    }
    Ok(Json::array(elements, arena))
}
