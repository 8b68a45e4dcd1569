//! Functions of text and bytea. Letters are folded and words are found in ASCII, as PostgreSQL does in the C locale.

use super::EvalError;
use super::declare::functions;
use super::function::{ArgType, Context};
use super::limit;
use crate::error::SqlState;
use crate::keyword::{self, Category};
use crate::repr::text::{self, TextSettings};
use crate::repr::{Arena, Datum};

functions! { pub(super) FUNCTIONS;
    /// The two texts, one after the other.
    "||"(Text, Text) -> Text: "'a' || 'b'" => "ab" = { |cx, a: &str, b: &str| join(cx, &[a, b]) };
    /// A text with the text form of a value after it.
    "||"(Text, AnyNonArray) -> Text, prints(): "text 'a' || 1" => "a1" = { |cx, a: &str, b: Datum<'_>| join(cx, &[a, &as_text(b)]) };
    /// A text with the text form of a value before it.
    "||"(AnyNonArray, Text) -> Text, prints(): "1 || text 'a'" => "1a" = { |cx, a: Datum<'_>, b: &str| join(cx, &[&as_text(a), b]) };
    /// The two byte strings, one after the other.
    "||"(Bytea, Bytea) -> Bytea: "bytea '\\x01' || bytea '\\x02'" => "\\x0102" = { |_, a: &[u8], b: &[u8]| [a, b].concat() };
    /// The text forms of the values that are not NULL, one after the other.
    "concat"() -> Text, never_null(), prints(), variadic(ArgType::Any): "concat('a', NULL, 1, true)" => "a1t" = { raw concat };
    /// The text forms of the values that are not NULL, with the first text between them.
    "concat_ws"(Text) -> Text, called_on_null(), prints(), variadic(ArgType::Any): "concat_ws(',', 'a', NULL, 1)" => "a,1" = { raw concat_ws };
    /// The number of characters.
    "length"(Text) -> Int4: "length('jos\u{e9}')" => "4" = { |_, a: &str| a.chars().count() as i64 };
    /// The number of characters.
    "char_length"(Text) -> Int4: "char_length('jos\u{e9}')" => "4" = { |_, a: &str| a.chars().count() as i64 };
    /// The number of characters.
    "character_length"(Text) -> Int4: "character_length('abc')" => "3" = { |_, a: &str| a.chars().count() as i64 };
    /// The number of bytes.
    "octet_length"(Text) -> Int4: "octet_length('jos\u{e9}')" => "5" = { |_, a: &str| a.len() as i64 };
    /// The number of bits.
    "bit_length"(Text) -> Int4: "bit_length('jose')" => "32" = { |_, a: &str| a.len() as i64 * 8 };
    /// The number of bytes.
    "length"(Bytea) -> Int4: "length(bytea '\\x0102')" => "2" = { |_, a: &[u8]| a.len() as i64 };
    /// The number of bytes.
    "octet_length"(Bytea) -> Int4: "octet_length(bytea '\\x0102')" => "2" = { |_, a: &[u8]| a.len() as i64 };
    /// The text with its ASCII letters in lower case.
    "lower"(Text) -> Text: "lower('TOM')" => "tom" = { |_, a: &str| a.to_ascii_lowercase() };
    /// The text with its ASCII letters in upper case.
    "upper"(Text) -> Text: "upper('tom')" => "TOM" = { |_, a: &str| a.to_ascii_uppercase() };
    /// The text with the first letter of each word in upper case, the others in lower case.
    "initcap"(Text) -> Text: "initcap('hi THOMAS')" => "Hi Thomas" = { |_, a: &str| initcap(a) };
    /// The characters from a position on, counted from 1.
    "substring"(Text, Int4) -> Text: "substring('alphabet', 3)" => "phabet" = { |_, a: &str, from: i64| tail(a, from) };
    /// So many characters from a position on.
    "substring"(Text, Int4, Int4) -> Text, errs(): "substring('alphabet', 3, 2)" => "ph"
        = { |_, a: &str, from: i64, count: i64| slice(a, from, count) };
    /// The characters from a position on, counted from 1.
    "substr"(Text, Int4) -> Text: "substr('alphabet', 3)" => "phabet" = { |_, a: &str, from: i64| tail(a, from) };
    /// So many characters from a position on.
    "substr"(Text, Int4, Int4) -> Text, errs(): "substr('alphabet', 3, 2)" => "ph"
        = { |_, a: &str, from: i64, count: i64| slice(a, from, count) };
    /// The bytes from a position on, counted from 1.
    "substring"(Bytea, Int4) -> Bytea: "substring(bytea '\\x010203', 2)" => "\\x0203"
        = { |_, a: &[u8], from: i64| a[window(from, None, a.len())].to_vec() };
    /// So many bytes from a position on.
    "substring"(Bytea, Int4, Int4) -> Bytea, errs(): "substring(bytea '\\x010203', 2, 1)" => "\\x02"
        = { |_, a: &[u8], from: i64, count: i64| bytes_slice(a, from, count) };
    /// The position of the second text in the first, 0 if it is not there.
    "strpos"(Text, Text) -> Int4: "strpos('high', 'ig')" => "2" = { |_, a: &str, b: &str| position(a, b) };
    /// The position of the second text in the first, 0 if it is not there; SQL writes `position(b IN a)`.
    "position"(Text, Text) -> Int4: "\"position\"('high', 'ig')" => "2" = { |_, a: &str, b: &str| position(a, b) };
    /// The first so many characters; all but the last so many if negative.
    "left"(Text, Int4) -> Text: "left('abcde', -2)" => "abc" = { |_, a: &str, n: i64| &a[..left_end(a, n)] };
    /// The last so many characters; all but the first so many if negative.
    "right"(Text, Int4) -> Text: "right('abcde', 2)" => "de" = { |_, a: &str, n: i64| &a[right_start(a, n)..] };
    /// The text without the blanks at its start.
    "ltrim"(Text) -> Text: "ltrim('  a ')" => "a " = { |_, a: &str| a.trim_start_matches(' ') };
    /// The text without the blanks at its end.
    "rtrim"(Text) -> Text: "rtrim(' a  ')" => " a" = { |_, a: &str| a.trim_end_matches(' ') };
    /// The text without the blanks at its ends.
    "btrim"(Text) -> Text: "btrim('  a ')" => "a" = { |_, a: &str| a.trim_matches(' ') };
    /// The text without characters of a set at its start.
    "ltrim"(Text, Text) -> Text: "ltrim('zzzytest', 'xyz')" => "test" = { |cx, a: &str, set: &str| a.trim_start_matches(one_of(cx, set)) };
    /// The text without characters of a set at its end.
    "rtrim"(Text, Text) -> Text: "rtrim('testxxzx', 'xyz')" => "test" = { |cx, a: &str, set: &str| a.trim_end_matches(one_of(cx, set)) };
    /// The text without characters of a set at its ends.
    "btrim"(Text, Text) -> Text: "btrim('xyxtrimyyx', 'xyz')" => "trim" = { |cx, a: &str, set: &str| a.trim_matches(one_of(cx, set)) };
    /// The text with all occurrences of the second replaced by the third.
    "replace"(Text, Text, Text) -> Text: "replace('abcabc', 'bc', 'x')" => "axax"
        = { |cx, a: &str, from: &str, to: &str| replace(cx.arena, a, from, to) };
    /// The text with each character of the second replaced by its counterpart in the third, or removed.
    "translate"(Text, Text, Text) -> Text: "translate('12345', '143', 'ax')" => "a2x5"
        = { |cx, a: &str, from: &str, to: &str| translate(cx.arena, a, from, to) };
    /// The text so many times.
    "repeat"(Text, Int4) -> Text, errs(): "repeat('Pg', 3)" => "PgPgPg" = { |cx, a: &str, n: i64| repeat(cx.arena, a, n) };
    /// The characters in reverse order.
    "reverse"(Text) -> Text: "reverse('abc')" => "cba" = { |_, a: &str| a.chars().rev().collect::<String>() };
    /// The field of this number between delimiters, counted from the end if negative.
    "split_part"(Text, Text, Int4) -> Text, errs(): "split_part('abc~def~ghi', '~', 2)" => "def"
        = { |_, a: &str, delimiter: &str, n: i64| split_part(a, delimiter, n) };
    /// The text brought to a length by blanks before it, or cut.
    "lpad"(Text, Int4) -> Text, errs(): "lpad('hi', 4)" => "  hi" = { |cx, a: &str, n: i64| pad(cx.arena, a, n, " ", true) };
    /// The text brought to a length by repetitions of another before it, or cut.
    "lpad"(Text, Int4, Text) -> Text, errs(): "lpad('hi', 5, 'xy')" => "xyxhi" = { |cx, a: &str, n: i64, fill: &str| pad(cx.arena, a, n, fill, true) };
    /// The text brought to a length by blanks after it, or cut.
    "rpad"(Text, Int4) -> Text, errs(): "rpad('hi', 4)" => "hi  " = { |cx, a: &str, n: i64| pad(cx.arena, a, n, " ", false) };
    /// The text brought to a length by repetitions of another after it, or cut.
    "rpad"(Text, Int4, Text) -> Text, errs(): "rpad('hi', 5, 'xy')" => "hixyx" = { |cx, a: &str, n: i64, fill: &str| pad(cx.arena, a, n, fill, false) };
    /// The text with so many characters from a position on replaced.
    "overlay"(Text, Text, Int4, Int4) -> Text, errs(): "\"overlay\"('Txxxxas', 'hom', 2, 4)" => "Thomas"
        = { |_, a: &str, with: &str, from: i64, count: i64| overlay(a, with, from, count) };
    /// The text with as many characters from a position on replaced as the replacement has.
    "overlay"(Text, Text, Int4) -> Text, errs(): "\"overlay\"('Thxxas', 'om', 3)" => "Thomas"
        = { |_, a: &str, with: &str, from: i64| overlay(a, with, from, with.chars().count() as i64) };
    /// Whether the first text begins with the second.
    "starts_with"(Text, Text) -> Bool: "starts_with('alphabet', 'alph')" => "t" = { |_, a: &str, b: &str| a.starts_with(b) };
    /// Whether the first text begins with the second.
    "^@"(Text, Text) -> Bool: "text 'alphabet' ^@ 'alph'" => "t" = { |_, a: &str, b: &str| a.starts_with(b) };
    /// The code point of the first character, 0 of nothing.
    "ascii"(Text) -> Int4: "ascii('x')" => "120" = { |_, a: &str| a.chars().next().map_or(0, |c| c as i64) };
    /// The character of a code point.
    "chr"(Int4) -> Text, errs(): "chr(65)" => "A" = { |_, a: i64| chr(a) };
    /// The MD5 hash, as 32 hexadecimal digits.
    "md5"(Text) -> Text: "md5('abc')" => "900150983cd24fb0d6963f7d28e17f72" = { |_, a: &str| super::digest::hex(&super::digest::md5(a.as_bytes())) };
    /// The MD5 hash, as 32 hexadecimal digits.
    "md5"(Bytea) -> Text: "md5(bytea 'abc')" => "900150983cd24fb0d6963f7d28e17f72" = { |_, a: &[u8]| super::digest::hex(&super::digest::md5(a)) };
    /// The SHA-256 hash.
    "sha256"(Bytea) -> Bytea: "sha256(bytea 'abc')" => "\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        = { |_, a: &[u8]| super::digest::sha256(a).to_vec() };
    /// The bytes as text: in hex, base64 or escape format.
    "encode"(Bytea, Text) -> Text, errs(): "encode(bytea '\\x0102', 'hex')" => "0102" = { |_, a: &[u8], format: &str| super::digest::encode(a, format) };
    /// The bytes of a text in hex, base64 or escape format.
    "decode"(Text, Text) -> Bytea, errs(): "decode('AQI=', 'base64')" => "\\x0102" = { |_, a: &str, format: &str| super::digest::decode(a, format) };
    /// The text whose UTF-8 encoding the bytes are.
    "convert_from"(Bytea, Name) -> Text, errs(): "convert_from(bytea 'text', 'UTF8')" => "text" = { |_, a: &[u8], encoding: &str| decode_utf8(a, encoding) };
    /// The UTF-8 encoding of the text.
    "convert_to"(Text, Name) -> Bytea, errs(): "convert_to('text', 'UTF8')" => "\\x74657874" = { |_, a: &str, encoding: &str| only_utf8(encoding).map(|()| a.as_bytes().to_vec()) };
    /// The byte at a position, counted from 0.
    "get_byte"(Bytea, Int4) -> Int4, errs(): "get_byte(bytea '\\x0102', 1)" => "2" = { |_, a: &[u8], at: i64| get_byte(a, at) };
}

/// The text form that a value has in a concatenation.
pub(super) fn as_text(value: Datum<'_>) -> String {
    let mut out = String::new();
    append_text(value, &mut out);
    out
}

fn append_text(value: Datum<'_>, out: &mut String) {
    match value {
        Datum::Text(text) => out.push_str(text),
        Datum::Null => {}
        value => text::format(value, &super::cast::type_of(value), &TextSettings::default(), out),
    }
}

fn join<'a>(cx: Context<'a>, parts: &[&str]) -> &'a str {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut joined = bumpalo::collections::String::with_capacity_in(len, cx.arena);
    parts.iter().for_each(|part| joined.push_str(part));
    joined.into_bump_str()
}

fn concat<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let mut out = String::new();
    args.iter().for_each(|arg| append_text(*arg, &mut out));
    Ok(Datum::Text(cx.arena.alloc_str(&out)))
}

fn concat_ws<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let Datum::Text(separator) = args[0] else { return Ok(Datum::Null) };
    let mut out = String::new();
    for (i, arg) in args[1..].iter().filter(|arg| !arg.is_null()).enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        append_text(*arg, &mut out);
        limit::check(Some(out.len()))?;
    }
    Ok(Datum::Text(cx.arena.alloc_str(&out)))
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let capitalize = |c: char| {
        let first = !std::mem::replace(&mut inside, c.is_ascii_alphanumeric());
        if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(capitalize).collect()
}

/// The positions that `substring` takes of so many, counted from 0: `from` counts from 1 and may lie before the start.
fn window(from: i64, count: Option<i64>, len: usize) -> std::ops::Range<usize> {
    let clamp = |at: i64| at.clamp(0, len as i64) as usize;
    let start = from - 1;
    let end = count.map_or(len, |count| clamp(start.saturating_add(count)));
    clamp(start).min(end)..end
}

/// Where a character begins, counted from 0; the end if there are not so many.
fn offset(text: &str, char: usize) -> usize {
    text.char_indices().nth(char).map_or(text.len(), |(at, _)| at)
}

fn tail(text: &str, from: i64) -> &str {
    &text[offset(text, (from - 1).max(0) as usize)..]
}

fn negative_length() -> EvalError {
    EvalError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed")
}

fn slice(text: &str, from: i64, count: i64) -> Result<&str, EvalError> {
    if count < 0 {
        return Err(negative_length());
    }
    // No text has more characters than bytes.
    let chars = window(from, Some(count), text.len());
    let start = offset(text, chars.start);
    Ok(&text[start..start + offset(&text[start..], chars.len())])
}

fn bytes_slice(bytes: &[u8], from: i64, count: i64) -> Result<Vec<u8>, EvalError> {
    if count < 0 {
        return Err(negative_length());
    }
    Ok(bytes[window(from, Some(count), bytes.len())].to_vec())
}

fn position(text: &str, part: &str) -> i64 {
    text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1)
}

/// Where the first `n` characters end; if negative, where the last `-n` begin.
fn left_end(text: &str, n: i64) -> usize {
    if n >= 0 {
        return offset(text, n as usize);
    }
    offset(text, (text.chars().count() as i64).saturating_add(n).max(0) as usize)
}

fn right_start(text: &str, n: i64) -> usize {
    if n < 0 {
        return offset(text, n.unsigned_abs() as usize);
    }
    let before = (text.chars().count() as i64).saturating_sub(n).max(0);
    offset(text, before as usize)
}

/// Whether a character is in a set; none is any more when the evaluation has been stopped.
fn one_of<'s>(cx: Context<'s>, set: &'s str) -> impl Fn(char) -> bool + 's {
    move |c| cx.arena.work(set.len()).is_ok() && set.contains(c)
}

fn translate(arena: &Arena, text: &str, from: &str, to: &str) -> Result<String, EvalError> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        arena.work(from.len())?;
        match from.chars().position(|f| f == c) {
            Some(at) => out.extend(to.chars().nth(at)),
            None => out.push(c),
        }
    }
    Ok(out)
}

fn repeat(arena: &Arena, text: &str, times: i64) -> Result<String, EvalError> {
    let times = times.max(0) as usize;
    limit::reserve(arena, text.len().checked_mul(times))?;
    Ok(text.repeat(times))
}

/// All occurrences of `from` replaced.
fn replace(arena: &Arena, text: &str, from: &str, to: &str) -> Result<String, EvalError> {
    if from.is_empty() {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    let mut at = 0;
    for (start, _) in text.match_indices(from) {
        arena.work(start - at + to.len())?;
        out.push_str(&text[at..start]);
        out.push_str(to);
        at = start + from.len();
        limit::check(out.len().checked_add(text.len() - at))?;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

fn split_part<'t>(text: &'t str, delimiter: &str, n: i64) -> Result<&'t str, EvalError> {
    if n == 0 {
        return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "field position must not be zero"));
    }
    if delimiter.is_empty() {
        return Ok(if n == 1 || n == -1 { text } else { "" });
    }
    let at = n.unsigned_abs() as usize - 1;
    let part = if n > 0 { text.split(delimiter).nth(at) } else { text.rsplit(delimiter).nth(at) };
    Ok(part.unwrap_or(""))
}

fn pad(arena: &Arena, text: &str, length: i64, fill: &str, before: bool) -> Result<String, EvalError> {
    let length = length.max(0) as usize;
    let kept = &text[..offset(text, length)];
    let missing = length.saturating_sub(text.chars().count());
    limit::reserve(arena, missing.checked_mul(fill.chars().map(char::len_utf8).max().unwrap_or(0)))?;
    let filling = match fill.chars().count() {
        0 => String::new(),
        count => fill.repeat(missing / count) + &fill[..offset(fill, missing % count)],
    };
    Ok(if before { filling + kept } else { kept.to_owned() + &filling })
}

fn overlay(text: &str, with: &str, from: i64, count: i64) -> Result<String, EvalError> {
    if from <= 0 {
        return Err(negative_length());
    }
    let end = from.checked_add(count).ok_or_else(|| EvalError::out_of_range("integer"))?;
    Ok([slice(text, 1, from - 1)?, with, tail(text, end)].concat())
}

fn chr(code: i64) -> Result<String, EvalError> {
    let refuse = |message: String| Err(EvalError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    match code {
        0 => refuse("null character not permitted".to_owned()),
        _ if code < 0 => {
            Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "character number must be positive"))
        }
        _ => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => Ok(c.to_string()),
            None if code > 0x10ffff => refuse(format!("requested character too large for encoding: {code}")),
            None => refuse(format!("requested character not valid for encoding: {code}")),
        },
    }
}

fn only_utf8(encoding: &str) -> Result<(), EvalError> {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    if matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode") {
        return Ok(());
    }
    let message = format!("conversion between {encoding} and UTF8 is not supported");
    Err(EvalError::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

fn decode_utf8<'b>(bytes: &'b [u8], encoding: &str) -> Result<&'b str, EvalError> {
    only_utf8(encoding)?;
    let refuse = |at: usize, len: usize| {
        let shown: Vec<String> = bytes[at..].iter().take(len).map(|b| format!("0x{b:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Err(EvalError::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message))
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            Some(at) => refuse(at, 1),
            None => Ok(text),
        },
        Err(error) => refuse(error.valid_up_to(), error.error_len().unwrap_or(1)),
    }
}

fn get_byte(bytes: &[u8], at: i64) -> Result<i64, EvalError> {
    let byte = usize::try_from(at).ok().and_then(|at| bytes.get(at));
    byte.map(|byte| *byte as i64).ok_or_else(|| {
        let message = format!("index {at} out of valid range, 0..{}", bytes.len() as i64 - 1);
        EvalError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message)
    })
}

/// An identifier as SQL must write it: quoted unless it is lower case, begins with a letter and is no keyword that needs it.
pub fn quote_ident(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let bare = name.starts_with(plain)
        && name.chars().all(|c| plain(c) || c.is_ascii_digit())
        && matches!(keyword::category(name), Category::Identifier | Category::Unreserved);
    if bare { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as SQL must write it.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

functions! { pub(super) QUOTING;
    /// The text as an identifier in SQL.
    "quote_ident"(Text) -> Text: "quote_ident('Foo bar')" => "\"Foo bar\"" = { |_, a: &str| quote_ident(a) };
    /// The text as a literal in SQL.
    "quote_literal"(Text) -> Text: "quote_literal('O''Reilly')" => "'O''Reilly'" = { |_, a: &str| quote_literal(a) };
    /// The value as a literal in SQL.
    "quote_literal"(AnyElement) -> Text, prints(): "quote_literal(42.5)" => "'42.5'" = { |_, a: Datum<'_>| quote_literal(&as_text(a)) };
    /// The text as a literal in SQL, NULL as NULL.
    "quote_nullable"(Text) -> Text, never_null(): "quote_nullable('a')" => "'a'"
        = { |_, a: Option<&str>| a.map_or("NULL".to_owned(), quote_literal) };
    /// A text with the arguments in the places that %s, %I and %L mark.
    "format"(Text) -> Text, errs(), called_on_null(): "format('100%%')" => "100%" = { raw format };
    /// A text with the arguments in the places that %s, %I and %L mark.
    "format"(Text) -> Text, errs(), called_on_null(), prints(), variadic(ArgType::Any), with_id("format Text variadic"): "format('%s %L', 1, 'b')" => "1 'b'" = { raw format };
}

/// `%[position$][-][width]` and `s`, `I` or `L`.
fn format<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let invalid = |message: &str| EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let Datum::Text(template) = args[0] else { return Ok(Datum::Null) };
    let mut out = String::new();
    let mut next = 1;
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let mut digits = leading_digits(&mut rest);
        if let (Some(position), Some(after)) = (digits, rest.strip_prefix('$')) {
            if position == 0 {
                return Err(invalid("format specifies argument 0, but arguments are numbered from 1"));
            }
            next = position;
            rest = after;
            digits = None;
        }
        let left = rest.starts_with('-');
        rest = rest.trim_start_matches('-');
        let width = digits.or_else(|| leading_digits(&mut rest)).unwrap_or(0);
        let kind = rest.chars().next().ok_or_else(|| invalid("unterminated format() type specifier"))?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(invalid(&format!("unrecognized format() type specifier \"{kind}\"")));
        }
        rest = &rest[1..];
        let value = *args.get(next).ok_or_else(|| invalid("too few arguments for format()"))?;
        next += 1;
        let text = match (kind, value) {
            ('I', Datum::Null) => {
                let message = "null values cannot be formatted as an SQL identifier";
                return Err(EvalError::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
            }
            ('I', value) => quote_ident(&as_text(value)),
            ('L', Datum::Null) => "NULL".to_owned(),
            ('L', value) => quote_literal(&as_text(value)),
            (_, value) => as_text(value),
        };
        limit::check(out.len().checked_add(text.len().max(width)))?;
        cx.arena.work(text.len().max(width))?;
        out.push_str(&if left { pad_to(&text, width, false) } else { pad_to(&text, width, true) });
    }
    out.push_str(rest);
    Ok(Datum::Text(cx.arena.alloc_str(&out)))
}

fn pad_to(text: &str, width: usize, before: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
    if before { blanks + text } else { text.to_owned() + &blanks }
}

fn leading_digits(rest: &mut &str) -> Option<usize> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..end].parse::<u32>().ok()?;
    *rest = &rest[end..];
    Some(number as usize)
}
