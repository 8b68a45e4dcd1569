//! `char(n)`: conversions, and the functions that see the blanks at its end. All others take it as text, without them.

use super::EvalError;
use super::cast::CastContext::{Assignment, Implicit};
use super::declare::functions;
use super::function::Context;
use super::pattern;
use crate::error::SqlState;
use crate::repr::{Bpchar, Type};

functions! { pub(super) FUNCTIONS;
    /// The text without the blanks at its end.
    "text"(Bpchar) -> Text, cast(Implicit): "bpchar 'ab  '::text" => "ab" = { |_, a: Bpchar<'_>| a.text() };
    /// The text without the blanks at its end.
    "varchar"(Bpchar) -> Varchar, cast(Implicit): "bpchar 'ab  '::varchar" => "ab" = { |_, a: Bpchar<'_>| a.text() };
    /// The text without the blanks at its end, cut to 63 bytes.
    "name"(Bpchar) -> Name, cast(Implicit): "bpchar 'ab  '::name" => "ab" = { |_, a: Bpchar<'_>| super::cast::truncate_name(a.text()) };
    /// The first character.
    "char"(Bpchar) -> InternalChar, cast(Assignment): "bpchar 'ab'::\"char\"" => "a"
        = { |_, a: Bpchar<'_>| &a.text()[..a.text().chars().next().map_or(0, char::len_utf8)] };
    /// The text with the blanks that it ends in.
    "bpchar"(Text) -> Bpchar, cast(Implicit): "text 'ab '::bpchar" => "ab " = { |cx, a: &str| Bpchar::new_in(a, cx.arena) };
    /// The text with the blanks that it ends in.
    "bpchar"(Varchar) -> Bpchar, cast(Implicit): "varchar 'ab '::bpchar" => "ab " = { |cx, a: &str| Bpchar::new_in(a, cx.arena) };
    /// The name.
    "bpchar"(Name) -> Bpchar, cast(Implicit): "name 'ab'::bpchar" => "ab" = { |cx, a: &str| Bpchar::new_in(a, cx.arena) };
    /// The character.
    "bpchar"(InternalChar) -> Bpchar, cast(Assignment): "'a'::\"char\"::bpchar" => "a" = { |cx, a: &str| Bpchar::new_in(a, cx.arena) };
    /// true or false.
    "bpchar"(Bool) -> Bpchar, cast(Assignment): "true::bpchar" => "true"
        = { |cx, a: bool| Bpchar::new_in(if a { "true" } else { "false" }, cx.arena) };
    /// The text padded to the target's length, or cut to it if it loses nothing but blanks.
    "bpchar"(Bpchar) -> Bpchar, errs(), called_by_cast(): "bpchar 'ab'" => "ab" = { |cx, a: Bpchar<'_>| fit(a, cx) };
    /// The text padded or cut to the target's length.
    "bpchar explicit"(Bpchar) -> Bpchar, called_by_cast(): "bpchar 'ab'" => "ab"
        = { |cx, a: Bpchar<'_>| length(cx).map_or(a, |length| a.cut_to(length, cx.arena)) };
    /// The number of bytes, blanks included.
    "octet_length"(Bpchar) -> Int4: "octet_length(bpchar 'ab  ')" => "4" = { |_, a: Bpchar<'_>| a.text().len() as i64 + a.blanks() as i64 };
    /// The number of characters without the blanks at the end.
    "length"(Bpchar) -> Int4: "length(bpchar 'ab  ')" => "2" = { |_, a: Bpchar<'_>| a.text().chars().count() as i64 };
    /// The number of characters without the blanks at the end.
    "char_length"(Bpchar) -> Int4: "char_length(bpchar 'ab  ')" => "2" = { |_, a: Bpchar<'_>| a.text().chars().count() as i64 };
    /// The number of characters without the blanks at the end.
    "character_length"(Bpchar) -> Int4: "character_length(bpchar 'ab  ')" => "2" = { |_, a: Bpchar<'_>| a.text().chars().count() as i64 };
    /// Whether the text, blanks included, matches a LIKE pattern.
    "~~"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' LIKE 'ab'" => "f" = { |cx, a: Bpchar<'_>, p: &str| pattern::like(cx.arena, &a.to_string(), p, false) };
    /// Whether the text, blanks included, does not match a LIKE pattern.
    "!~~"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' NOT LIKE 'ab'" => "t" = { |cx, a: Bpchar<'_>, p: &str| pattern::like(cx.arena, &a.to_string(), p, false).map(|m| !m) };
    /// Whether the text, blanks included, matches a LIKE pattern, letters of either case alike.
    "~~*"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' ILIKE 'AB%'" => "t" = { |cx, a: Bpchar<'_>, p: &str| pattern::like(cx.arena, &a.to_string(), p, true) };
    /// Whether the text, blanks included, does not match a LIKE pattern, letters of either case alike.
    "!~~*"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' NOT ILIKE 'AB%'" => "f" = { |cx, a: Bpchar<'_>, p: &str| pattern::like(cx.arena, &a.to_string(), p, true).map(|m| !m) };
    /// Whether the text, blanks included, matches a regular expression.
    "~"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' ~ 'b$'" => "f" = { |cx, a: Bpchar<'_>, p: &str| matches(cx, a, p, "") };
    /// Whether the text, blanks included, does not match a regular expression.
    "!~"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' !~ 'b$'" => "t" = { |cx, a: Bpchar<'_>, p: &str| matches(cx, a, p, "").map(|m| !m) };
    /// Whether the text, blanks included, matches a regular expression, letters of either case alike.
    "~*"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' ~* 'B'" => "t" = { |cx, a: Bpchar<'_>, p: &str| matches(cx, a, p, "i") };
    /// Whether the text, blanks included, does not match a regular expression, letters of either case alike.
    "!~*"(Bpchar, Text) -> Bool, errs(): "bpchar 'ab ' !~* 'B'" => "f" = { |cx, a: Bpchar<'_>, p: &str| matches(cx, a, p, "i").map(|m| !m) };
}

fn matches(cx: Context<'_>, value: Bpchar<'_>, pattern: &str, flags: &str) -> Result<bool, EvalError> {
    let text = value.to_string();
    pattern::with_regex(cx, &text, pattern, flags, |regex| regex.is_match(&text))
}

fn length(cx: Context<'_>) -> Option<u32> {
    match cx.typ {
        Type::Bpchar(length) => *length,
        _ => None,
    }
}

fn fit<'a>(value: Bpchar<'a>, cx: Context<'a>) -> Result<Bpchar<'a>, EvalError> {
    let Some(length) = length(cx) else { return Ok(value) };
    value.padded_to(length, cx.arena).ok_or_else(|| {
        let message = format!("value too long for type character({length})");
        EvalError::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, message)
    })
}
