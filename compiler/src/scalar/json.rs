//! Functions of jsonb: reading parts of values.

use bumpalo::Bump;

use super::declare::functions;
use super::function::{ArgType, Context};
use super::{EvalError, json_build, json_text};
use crate::error::SqlState;
use crate::repr::json::Value;
use crate::repr::{Array, Datum, Json};

functions! { pub(super) FUNCTIONS;
    /// The value of an object's key; NULL if there is none.
    "->"(Jsonb, Text) -> Jsonb, maybe_null(): "jsonb '{\"a\": {\"b\": 1}}' -> 'a'" => "{\"b\": 1}" = { |_, a: Json<'_>, key: &str| a.get(key) };
    /// The element of an array at a position, counted from 0, or from the end if negative; NULL if there is none.
    "->"(Jsonb, Int4) -> Jsonb, maybe_null(): "jsonb '[1, 2, 3]' -> -1" => "3" = { |_, a: Json<'_>, at: i64| a.index(at) };
    /// The value of an object's key, as text.
    "->>"(Jsonb, Text) -> Text, maybe_null(): "jsonb '{\"a\": \"b\"}' ->> 'a'" => "b" = { |cx, a: Json<'_>, key: &str| text_of(a.get(key), cx) };
    /// The element of an array at a position, as text.
    "->>"(Jsonb, Int4) -> Text, maybe_null(): "jsonb '[1, \"b\"]' ->> 1" => "b" = { |cx, a: Json<'_>, at: i64| text_of(a.index(at), cx) };
    /// The value that a path of keys and positions leads to.
    "#>"(Jsonb, [Text]) -> Jsonb, maybe_null(): "jsonb '{\"a\": [{\"b\": 1}]}' #> '{a,0,b}'::text[]" => "1" = { |_, a: Json<'_>, path: Array<'_>| walk(a, path) };
    /// The value that a path of keys and positions leads to, as text.
    "#>>"(Jsonb, [Text]) -> Text, maybe_null(): "jsonb '{\"a\": [{\"b\": \"c\"}]}' #>> '{a,0,b}'::text[]" => "c"
        = { |cx, a: Json<'_>, path: Array<'_>| text_of(walk(a, path), cx) };
    /// The value that a path of keys and positions leads to.
    "jsonb_extract_path"(Jsonb) -> Jsonb, maybe_null(), variadic(ArgType::Text): "jsonb_extract_path(jsonb '{\"a\": [1]}', 'a', '0')" => "1"
        = { raw extract_path };
    /// The value that a path of keys and positions leads to, as text.
    "jsonb_extract_path_text"(Jsonb) -> Text, maybe_null(), variadic(ArgType::Text): "jsonb_extract_path_text(jsonb '{\"a\": [\"b\"]}', 'a', '0')" => "b"
        = { raw extract_path_text };
    /// Whether all of the second value is in the first, at the same place.
    "@>"(Jsonb, Jsonb) -> Bool: "jsonb '{\"a\": 1, \"b\": 2}' @> jsonb '{\"b\": 2}'" => "t" = { |_, a: Json<'_>, b: Json<'_>| a.contains(b) };
    /// Whether all of the first value is in the second, at the same place.
    "<@"(Jsonb, Jsonb) -> Bool: "jsonb '{\"b\": 2}' <@ jsonb '{\"a\": 1, \"b\": 2}'" => "t" = { |_, a: Json<'_>, b: Json<'_>| b.contains(a) };
    /// Whether the text is a key of the object or a string in the array.
    "?"(Jsonb, Text) -> Bool: "jsonb '{\"a\": 1}' ? 'a'" => "t" = { |_, a: Json<'_>, key: &str| has(a, key) };
    /// Whether one of the texts is a key of the object or a string in the array.
    "?|"(Jsonb, [Text]) -> Bool: "jsonb '{\"a\": 1}' ?| '{b,a}'::text[]" => "t" = { |_, a: Json<'_>, keys: Array<'_>| texts(keys).any(|key| has(a, key)) };
    /// Whether all of the texts are keys of the object or strings in the array.
    "?&"(Jsonb, [Text]) -> Bool: "jsonb '[\"a\", \"b\"]' ?& '{a,b}'::text[]" => "t" = { |_, a: Json<'_>, keys: Array<'_>| texts(keys).all(|key| has(a, key)) };
    /// Whether the text is a key of the object or a string in the array.
    "jsonb_exists"(Jsonb, Text) -> Bool: "jsonb_exists(jsonb '{\"a\": 1}', 'a')" => "t" = { |_, a: Json<'_>, key: &str| has(a, key) };
    /// The kind of value: object, array, string, number, boolean or null.
    "jsonb_typeof"(Jsonb) -> Text: "jsonb_typeof(jsonb '-123.4')" => "number" = { |_, a: Json<'_>| a.type_name() };
    /// The number of elements of an array.
    "jsonb_array_length"(Jsonb) -> Int4, errs(): "jsonb_array_length(jsonb '[1, 2, [3]]')" => "3" = { |_, a: Json<'_>| array_length(a) };
    /// The value on several lines, indented.
    "jsonb_pretty"(Jsonb) -> Text: "jsonb_pretty(jsonb '[]')" => "[\n]" = { |_, a: Json<'_>| pretty(a) };
    /// The value of any type as jsonb.
    "to_jsonb"(AnyElement) -> Jsonb: "to_jsonb(text 'a \"b\"')" => "\"a \\\"b\\\"\"" = { |cx, a: Datum<'_>| json_build::of(a, cx.arena) };
    /// The object of alternating keys and values.
    "jsonb_build_object"() -> Jsonb, errs(), never_null(), variadic(ArgType::Any): "jsonb_build_object('a', 1, 'b', NULL)" => "{\"a\": 1, \"b\": null}"
        = { raw json_build::build_object };
    /// The object of alternating keys and values, as text.
    "json_build_object"() -> Json, errs(), never_null(), variadic(ArgType::Any): "json_build_object('a', 1, 'b', NULL)" => "{\"a\" : 1, \"b\" : null}"
        = { raw json_text::build_object };
    /// The object without keys.
    "json_build_object"() -> Json, never_null(), with_id("json_build_object of nothing"): "json_build_object()" => "{}" = { raw json_text::build_object };
    /// The array of the values.
    "json_build_array"() -> Json, never_null(), variadic(ArgType::Any): "json_build_array(1, 'a', NULL)" => "[1, \"a\", null]"
        = { raw json_text::build_array };
    /// The array without elements.
    "json_build_array"() -> Json, never_null(), with_id("json_build_array of nothing"): "json_build_array()" => "[]" = { raw json_text::build_array };
    /// The object of a text array of alternating keys and values.
    "json_object"([Text]) -> Json, errs(): "json_object('{a,1,b,NULL}'::text[])" => "{\"a\" : \"1\", \"b\" : null}"
        = { |cx, a: Array<'_>| json_text::object_of_texts(a, cx) };
    /// The value of any type as json.
    "to_json"(AnyElement) -> Json: "to_json('{1,2}'::int[])" => "[1,2]" = { |cx, a: Datum<'_>| json_text::of(a, cx) };
    /// The array as json.
    "array_to_json"(AnyArray) -> Json: "array_to_json('{{1,2},{3,4}}'::int[])" => "[[1,2],[3,4]]" = { |cx, a: Datum<'_>| json_text::of(a, cx) };
    /// The object without keys.
    "jsonb_build_object"() -> Jsonb, never_null(), with_id("jsonb_build_object of nothing"): "jsonb_build_object()" => "{}" = { raw json_build::build_object };
    /// The array of the values.
    "jsonb_build_array"() -> Jsonb, never_null(), variadic(ArgType::Any): "jsonb_build_array(1, 'a', NULL)" => "[1, \"a\", null]"
        = { raw json_build::build_array };
    /// The array without elements.
    "jsonb_build_array"() -> Jsonb, never_null(), with_id("jsonb_build_array of nothing"): "jsonb_build_array()" => "[]" = { raw json_build::build_array };
    /// The object of a text array of alternating keys and values.
    "jsonb_object"([Text]) -> Jsonb, errs(): "jsonb_object('{a,1,b,NULL}'::text[])" => "{\"a\": \"1\", \"b\": null}"
        = { |cx, a: Array<'_>| json_build::object_of_texts(a, cx.arena) };
    /// The value without an object's keys whose value is null, at any depth.
    "jsonb_strip_nulls"(Jsonb) -> Jsonb: "jsonb_strip_nulls(jsonb '{\"a\": 1, \"b\": null}')" => "{\"a\": 1}" = { |cx, a: Json<'_>| json_build::strip_nulls(a, cx.arena) };
    /// Objects merged, the second's keys winning; or arrays one after the other, other values as arrays of one.
    "||"(Jsonb, Jsonb) -> Jsonb: "jsonb '{\"a\": 1}' || jsonb '{\"b\": 2}'" => "{\"a\": 1, \"b\": 2}" = { |cx, a: Json<'_>, b: Json<'_>| json_build::concatenate(a, b, cx.arena) };
    /// The object without a key, or the array without a string.
    "-"(Jsonb, Text) -> Jsonb, errs(): "jsonb '{\"a\": 1, \"b\": 2}' - text 'a'" => "{\"b\": 2}"
        = { |cx, a: Json<'_>, key: &str| json_build::without(a, &|k| k == key, cx.arena) };
    /// The object without keys, or the array without strings.
    "-"(Jsonb, [Text]) -> Jsonb, errs(): "jsonb '{\"a\": 1, \"b\": 2}' - '{a,b}'::text[]" => "{}"
        = { |cx, a: Json<'_>, keys: Array<'_>| json_build::without(a, &|k| texts(keys).any(|key| key == k), cx.arena) };
    /// The array without the element at a position.
    "-"(Jsonb, Int4) -> Jsonb, errs(): "jsonb '[\"a\", \"b\"]' - 1" => "[\"a\"]" = { |cx, a: Json<'_>, at: i64| json_build::without_index(a, at, cx.arena) };
    /// The value without what a path leads to.
    "#-"(Jsonb, [Text]) -> Jsonb, errs(): "jsonb '{\"a\": [1, 2]}' #- '{a,0}'::text[]" => "{\"a\": [2]}"
        = { |cx, a: Json<'_>, path: Array<'_>| json_build::delete_path(a, path, cx.arena) };
    /// The value with what a path leads to replaced, or added if the fourth argument is true.
    "jsonb_set"(Jsonb, [Text], Jsonb, Bool) -> Jsonb, errs(), defaults(&["true"]): "jsonb_set(jsonb '{\"a\": 1}', '{b}'::text[], jsonb '2', true)" => "{\"a\": 1, \"b\": 2}"
        = { |cx, a: Json<'_>, path: Array<'_>, new: Json<'_>, create: bool| json_build::set_path(a, path, new, create, cx.arena) };
    /// The value with another inserted before, or after if the fourth argument is true, what a path leads to.
    "jsonb_insert"(Jsonb, [Text], Jsonb, Bool) -> Jsonb, errs(), defaults(&["false"]): "jsonb_insert(jsonb '{\"a\": [0, 1]}', '{a,1}'::text[], jsonb '9', false)" => "{\"a\": [0, 9, 1]}"
        = { |cx, a: Json<'_>, path: Array<'_>, new: Json<'_>, after: bool| json_build::insert_path(a, path, new, after, cx.arena) };
}

/// The text that `->>` gives: a string's characters, NULL for null, other values as they print.
pub(super) fn as_text<'a>(value: Json<'a>, arena: &'a Bump) -> Datum<'a> {
    match value.value() {
        Value::Null => Datum::Null,
        Value::String(text) => Datum::Text(text),
        _ => Datum::Text(arena.alloc_str(&value.to_string())),
    }
}

fn text_of<'a>(value: Option<Json<'a>>, cx: Context<'a>) -> Datum<'a> {
    value.map_or(Datum::Null, |value| as_text(value, cx.arena))
}

/// The elements of a text array that are not NULL.
pub(super) fn texts(array: Array<'_>) -> impl Iterator<Item = &str> {
    array.elements().filter_map(|d| match d {
        Datum::Text(text) => Some(text),
        _ => None,
    })
}

/// A NULL in the path leads nowhere.
fn walk<'a>(value: Json<'a>, path: Array<'_>) -> Option<Json<'a>> {
    path.elements().try_fold(value, |at, step| match step {
        Datum::Text(step) => at.step(step),
        _ => None,
    })
}

fn extract_path<'a>(args: &[Datum<'a>], _: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let Datum::Json(value) = args[0] else { return Ok(Datum::Null) };
    let found = args[1..].iter().try_fold(value, |at, step| match step {
        Datum::Text(step) => at.step(step),
        _ => None,
    });
    Ok(found.map_or(Datum::Null, Datum::Json))
}

fn extract_path_text<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    match extract_path(args, cx)? {
        Datum::Json(found) => Ok(as_text(found, cx.arena)),
        other => Ok(other),
    }
}

fn has(value: Json<'_>, key: &str) -> bool {
    match value.value() {
        Value::Object(_) => value.get(key).is_some(),
        Value::Array(mut elements) => {
            elements.any(|e| matches!(e.value(), Value::String(text) if text == key))
        }
        Value::String(text) => text == key,
        _ => false,
    }
}

fn array_length(value: Json<'_>) -> Result<i64, EvalError> {
    let refuse = |what: &str| {
        let message = format!("cannot get array length of {what}");
        Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message))
    };
    match value.value() {
        Value::Array(elements) => Ok(elements.len() as i64),
        Value::Object(_) => refuse("a non-array"),
        _ => refuse("a scalar"),
    }
}

fn pretty(value: Json<'_>) -> String {
    let mut out = String::new();
    value.pretty(&mut out);
    out
}
