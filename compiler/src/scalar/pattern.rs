//! Pattern matching: LIKE and POSIX regular expressions.
//!
//! Regular expressions are translated to the `regex` crate's syntax, which has no backreferences and no lookaround; those
//! are refused. Of several matches that begin at one place, PostgreSQL takes the longest and this the first alternative's.
//! Compiled expressions are kept per thread, because a pattern is nearly always a literal.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;

use super::declare::functions;
use super::fast::Fast;
use super::function::Context;
use super::{EvalError, limit};
use crate::error::SqlState;
use crate::repr::{Arena, Array, Datum};

functions! { pub(super) FUNCTIONS;
    /// Whether the text matches a pattern in which % stands for any characters and _ for one.
    "~~"(Text, Text) -> Bool, errs(), fast(Fast::Like { negated: false, insensitive: false }):
        "'abc' ~~ 'a_c'" => "t" = { |cx, a: &str, p: &str| like(cx.arena, a, p, false) };
    /// Whether the text does not match a LIKE pattern.
    "!~~"(Text, Text) -> Bool, errs(), fast(Fast::Like { negated: true, insensitive: false }):
        "'abc' !~~ 'a%'" => "f" = { |cx, a: &str, p: &str| like(cx.arena, a, p, false).map(|m| !m) };
    /// Whether the text matches a LIKE pattern, whatever the case of ASCII letters.
    "~~*"(Text, Text) -> Bool, errs(), fast(Fast::Like { negated: false, insensitive: true }):
        "'ABC' ~~* 'a%'" => "t" = { |cx, a: &str, p: &str| like(cx.arena, a, p, true) };
    /// Whether the text does not match a LIKE pattern, whatever the case of ASCII letters.
    "!~~*"(Text, Text) -> Bool, errs(), fast(Fast::Like { negated: true, insensitive: true }):
        "'ABC' !~~* 'a%'" => "f" = { |cx, a: &str, p: &str| like(cx.arena, a, p, true).map(|m| !m) };
    /// The LIKE pattern with another escape character brought to the backslash.
    "like_escape"(Text, Text) -> Text, errs(): "like_escape('a#%', '#')" => "a\\%" = { |_, p: &str, e: &str| like_escape(p, e) };
    /// The regular expression of a SIMILAR TO pattern, with the backslash as escape character.
    "similar_to_escape"(Text) -> Text, errs(): "similar_to_escape('a%(b|c)')" => "^(?:a.*(?:b|c))$" = { |_, p: &str| similar_to(p, "\\") };
    /// The regular expression of a SIMILAR TO pattern, with an escape character.
    "similar_to_escape"(Text, Text) -> Text, errs(): "similar_to_escape('a#%_', '#')" => "^(?:a\\%.)$" = { |_, p: &str, escape: &str| similar_to(p, escape) };
    /// Whether the text matches a regular expression.
    "~"(Text, Text) -> Bool, errs(): "'thomas' ~ 't.*ma'" => "t"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| r.is_match(a)) };
    /// Whether the text does not match a regular expression.
    "!~"(Text, Text) -> Bool, errs(): "'thomas' !~ 't.*max'" => "t"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| !r.is_match(a)) };
    /// Whether the text matches a regular expression, whatever the case of letters.
    "~*"(Text, Text) -> Bool, errs(): "'thomas' ~* 'T.*ma'" => "t"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "i", |r| r.is_match(a)) };
    /// Whether the text does not match a regular expression, whatever the case of letters.
    "!~*"(Text, Text) -> Bool, errs(): "'thomas' !~* 'T.*ma'" => "f"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "i", |r| !r.is_match(a)) };
    /// Whether the text matches a regular expression.
    "regexp_like"(Text, Text) -> Bool, errs(): "regexp_like('Hello', 'l+')" => "t"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| r.is_match(a)) };
    /// Whether the text matches a regular expression under flags.
    "regexp_like"(Text, Text, Text) -> Bool, errs(): "regexp_like('Hello', 'hello', 'i')" => "t"
        = { |cx, a: &str, p: &str, flags: &str| with_regex(cx, a, p, no_global("regexp_like", flags)?, |r| r.is_match(a)) };
    /// How many times a regular expression matches.
    "regexp_count"(Text, Text) -> Int4, errs(): "regexp_count('123456789', '\\d\\d\\d')" => "3"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| counted(cx, r, a))? };
    /// The part that matches a regular expression, or its first group.
    "substring"(Text, Text) -> Text, errs(), maybe_null(): "substring('foobar', 'o(.)b')" => "o"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| part(cx, r, a)) };
    /// The part between the two separators (the escape character and a double quote) of a SIMILAR TO pattern that the whole text
    /// matches.
    "substring"(Text, Text, Text) -> Text, errs(), maybe_null(): "substring('foobar', '%#\"o_b#\"%', '#')" => "oob"
        = { |cx, a: &str, p: &str, escape: &str| with_regex(cx, a, &similar_to(p, escape)?, "", |r| part(cx, r, a)) };
    /// The part that matches a regular expression.
    "regexp_substr"(Text, Text) -> Text, errs(), maybe_null(): "regexp_substr('foobar', 'o.')" => "oo"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| r.find(a).map(|m| m.as_str().to_owned())) };
    /// The text with the first match of a regular expression replaced; \\1 stands for the first group, \\& for the match.
    "regexp_replace"(Text, Text, Text) -> Text, errs(): "regexp_replace('Thomas', '.[mN]a.', 'M')" => "ThM"
        = { |cx, a: &str, p: &str, to: &str| replace(cx, a, p, to, "") };
    /// The text with the first match, or under the flag g all matches, of a regular expression replaced.
    "regexp_replace"(Text, Text, Text, Text) -> Text, errs(): "regexp_replace('foobar', 'o', '\\&x', 'g')" => "foxoxbar"
        = { |cx, a: &str, p: &str, to: &str, flags: &str| replace(cx, a, p, to, flags) };
    /// The groups of the first match of a regular expression, or the match if it has none.
    "regexp_match"(Text, Text) -> [Text], errs(), maybe_null(): "regexp_match('foobarbequebaz', '(bar)(beque)')" => "{bar,beque}"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| r.captures(a).map(|found| Datum::Array(groups(&found, cx.arena)))) };
    /// The groups of the first match of a regular expression under flags, or the match if it has none.
    "regexp_match"(Text, Text, Text) -> [Text], errs(), maybe_null(): "regexp_match('Foobar', '(foo)', 'i')" => "{Foo}"
        = { |cx, a: &str, p: &str, flags: &str| with_regex(cx, a, p, no_global("regexp_match", flags)?, |r| {
            r.captures(a).map(|found| Datum::Array(groups(&found, cx.arena)))
        }) };
    /// The parts of a text between matches of a regular expression.
    "regexp_split_to_array"(Text, Text) -> [Text], errs(): "regexp_split_to_array('a, b,c', ',\\s*')" => "{a,b,c}"
        = { |cx, a: &str, p: &str| with_regex(cx, a, p, "", |r| {
            Datum::Array(Array::pack_flat_in(split(r, a).into_iter().map(Datum::Text), cx.arena))
        }) };
}

/// A LIKE pattern that is known beforehand, in the form that matches fastest.
#[derive(Debug)]
pub(super) enum LikePattern {
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<memchr::memmem::Finder<'static>>),
    General { pattern: Box<str>, insensitive: bool },
}

impl LikePattern {
    pub fn new(pattern: &str, insensitive: bool) -> LikePattern {
        let general = || LikePattern::General { pattern: pattern.into(), insensitive };
        if insensitive || pattern.contains(['_', '\\']) {
            return general();
        }
        let inner = pattern.trim_matches('%');
        match (pattern.starts_with('%'), pattern.ends_with('%')) {
            _ if inner.contains('%') => general(),
            (false, false) => LikePattern::Exact(inner.into()),
            (false, true) => LikePattern::Prefix(inner.into()),
            (true, false) => LikePattern::Suffix(inner.into()),
            (true, true) => {
                LikePattern::Contains(Box::new(memchr::memmem::Finder::new(inner.as_bytes()).into_owned()))
            }
        }
    }

    pub fn matches(&self, text: &str, arena: &Arena) -> Result<bool, EvalError> {
        Ok(match self {
            LikePattern::Exact(pattern) => text == &**pattern,
            LikePattern::Prefix(pattern) => text.starts_with(&**pattern),
            LikePattern::Suffix(pattern) => text.ends_with(&**pattern),
            LikePattern::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            LikePattern::General { pattern, insensitive } => return like(arena, text, pattern, *insensitive),
        })
    }
}

/// So many characters are compared in vain before they are accounted for.
const IN_VAIN_MAX: usize = 1 << 12;

/// Whether a text matches a LIKE pattern. After a mismatch the last % takes one character more: no pattern needs to go back
/// further, so the time is at most the product of the lengths.
pub(super) fn like(arena: &Arena, text: &str, pattern: &str, insensitive: bool) -> Result<bool, EvalError> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let same = |a: u8, b: u8| if insensitive { a.eq_ignore_ascii_case(&b) } else { a == b };
    let (mut t, mut p) = (0, 0);
    let mut any: Option<(usize, usize)> = None;
    // Characters that were compared in vain, and not yet accounted for.
    let mut in_vain = 0;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'%') => {
                p += 1;
                any = Some((t, p));
                continue;
            }
            Some(b'_') => {
                t += char_len(text, t);
                p += 1;
                continue;
            }
            Some(b'\\') => match pattern.get(p + 1) {
                None => {
                    let message = "LIKE pattern must not end with escape character";
                    return Err(EvalError::new(SqlState::INVALID_ESCAPE_SEQUENCE, message));
                }
                Some(literal) if same(*literal, text[t]) => {
                    t += 1;
                    p += 2;
                    continue;
                }
                Some(_) => {}
            },
            Some(literal) if same(*literal, text[t]) => {
                t += 1;
                p += 1;
                continue;
            }
            _ => {}
        }
        let Some((from, after)) = &mut any else { return Ok(false) };
        in_vain += t - *from + 1;
        if in_vain > IN_VAIN_MAX {
            arena.work(std::mem::take(&mut in_vain))?;
        }
        *from += char_len(text, *from);
        (t, p) = (*from, *after);
    }
    Ok(pattern[p..].iter().all(|b| *b == b'%'))
}

/// The length of the character that begins here.
fn char_len(text: &[u8], at: usize) -> usize {
    match text[at] {
        0..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0.. => 4,
    }
}

fn like_escape(pattern: &str, escape: &str) -> Result<String, EvalError> {
    let mut chars = escape.chars();
    let (escape, None) = (chars.next(), chars.next()) else {
        let error = EvalError::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    };
    if escape == Some('\\') {
        return Ok(pattern.to_owned());
    }
    let mut out = String::new();
    let mut escaped = false;
    for c in pattern.chars() {
        match c {
            c if Some(c) == escape && !escaped => {
                out.push('\\');
                escaped = true;
                continue;
            }
            '\\' if !escaped => out.push_str("\\\\"),
            c => out.push(c),
        }
        escaped = false;
    }
    Ok(out)
}

/// What the first group of an expression matches, or all of it where there is none.
fn part<'a>(cx: Context<'a>, regex: &Regex, text: &str) -> Option<Datum<'a>> {
    let found = regex.captures(text)?;
    let part = if found.len() > 1 { found.get(1)? } else { found.get(0)? };
    Some(Datum::Text(cx.arena.alloc_str(part.as_str())))
}

/// SIMILAR TO: % and _ as in LIKE, the rest as in a regular expression without a point or anchors, of the whole text. The escape
/// character and a double quote begin, and end, what `substring` takes: the part before it is as short as it can be.
fn similar_to(pattern: &str, escape: &str) -> Result<String, EvalError> {
    let mut chars = escape.chars();
    let (escape, None) = (chars.next(), chars.next()) else {
        let error = EvalError::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    };
    let mut out = String::from("^(?:");
    let mut in_brackets = false;
    let mut escaped = false;
    let mut separators = 0;
    for c in pattern.chars() {
        match c {
            '"' if escaped && !in_brackets => {
                out.push_str(match separators {
                    0 => "){1,1}?(",
                    1 => "){1,1}(?:",
                    _ => return Err(too_many_separators()),
                });
                (escaped, separators) = (false, separators + 1);
            }
            c if escaped => {
                out.extend(['\\', c]);
                escaped = false;
                continue;
            }
            c if Some(c) == escape => escaped = true,
            '\\' => out.push_str("\\\\"),
            ']' if in_brackets => {
                in_brackets = false;
                out.push(']');
            }
            c if in_brackets => out.push(c),
            '[' => {
                in_brackets = true;
                out.push('[');
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '.' | '^' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn too_many_separators() -> EvalError {
    let message = "SQL regular expression may not contain more than two escape-double-quote separators";
    EvalError::new(SqlState::INVALID_USE_OF_ESCAPE_CHARACTER, message)
}

/// The most compiled expressions that a thread keeps.
const CACHED_MAX: usize = 256;

thread_local! {
    static CACHE: RefCell<HashMap<(String, String), Regex>> = RefCell::default();
}

/// What compiling a byte of a pattern costs, and what looking for it in a byte of text does.
const COMPILE_UNITS: usize = 1000;
const SEARCH_UNITS: usize = 4;

/// Runs `f` with the compiled expression, to look for it in this text.
pub(super) fn with_regex<R>(
    cx: Context<'_>,
    text: &str,
    pattern: &str,
    flags: &str,
    f: impl FnOnce(&Regex) -> R,
) -> Result<R, EvalError> {
    cx.arena.work(text.len().saturating_mul(SEARCH_UNITS))?;
    let regex = CACHE.with_borrow_mut(|cache| {
        let key = (pattern.to_owned(), flags.to_owned());
        if let Some(regex) = cache.get(&key) {
            return Ok(regex.clone());
        }
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cx.arena.work(pattern.len().saturating_mul(COMPILE_UNITS))?;
        let regex = super::regex_syntax::compile(pattern, flags)?;
        cache.insert(key, regex.clone());
        Ok::<_, EvalError>(regex)
    })?;
    Ok(f(&regex))
}

pub(super) fn no_global<'f>(function: &str, flags: &'f str) -> Result<&'f str, EvalError> {
    if !flags.contains('g') {
        return Ok(flags);
    }
    let error = EvalError::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{function}() does not support the \"global\" option"),
    );
    Err(if function == "regexp_match" {
        error.hint("Use the regexp_matches function instead.")
    } else {
        error
    })
}

fn replace(cx: Context<'_>, text: &str, pattern: &str, to: &str, flags: &str) -> Result<String, EvalError> {
    let all = flags.contains('g');
    with_regex(cx, text, pattern, &flags.replace('g', ""), |regex| {
        let mut out = String::new();
        let mut at = 0;
        for found in regex.captures_iter(text).take(if all { usize::MAX } else { 1 }) {
            let whole = found.get(0).expect("invariant: group 0 is the match");
            out.push_str(&text[at..whole.start()]);
            append_replacement(&mut out, to, &found);
            limit::check(Some(out.len()))?;
            cx.arena.work(SEARCH_UNITS * (whole.end() - at) + to.len())?;
            at = whole.end();
        }
        out.push_str(&text[at..]);
        Ok(out)
    })?
}

/// `\1` to `\9` are groups, `\&` is the match, `\\` a backslash; others stay as they are.
fn append_replacement(out: &mut String, to: &str, found: &regex::Captures<'_>) {
    let mut chars = to.chars().peekable();
    while let Some(c) = chars.next() {
        let group = match (c, chars.peek()) {
            ('\\', Some('&')) => 0,
            ('\\', Some(digit @ '1'..='9')) => *digit as usize - '0' as usize,
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
                continue;
            }
            _ => {
                out.push(c);
                continue;
            }
        };
        chars.next();
        out.push_str(found.get(group).map_or("", |m| m.as_str()));
    }
}

/// How many times it matches.
fn counted(cx: Context<'_>, regex: &Regex, text: &str) -> Result<i64, EvalError> {
    let (mut count, mut at) = (0, 0);
    for found in regex.find_iter(text) {
        cx.arena.work(SEARCH_UNITS * (found.end() - at))?;
        (count, at) = (count + 1, found.end());
    }
    Ok(count)
}

/// The groups of a match, NULL where one took no part; the whole match if there are none.
pub(super) fn groups<'a>(found: &regex::Captures<'_>, arena: &'a bumpalo::Bump) -> Array<'a> {
    let from = if found.len() > 1 { 1 } else { 0 };
    let group = |i: usize| found.get(i).map_or(Datum::Null, |m| Datum::Text(arena.alloc_str(m.as_str())));
    Array::pack_flat_in((from..found.len()).map(group), arena)
}

/// The parts between matches. A match of nothing splits between characters, but not at the text's ends or after a match.
pub(super) fn split<'t>(regex: &Regex, text: &'t str) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut at = 0;
    for found in regex.find_iter(text) {
        if found.is_empty() && (found.start() == at || found.start() == text.len()) {
            continue;
        }
        parts.push(&text[at..found.start()]);
        at = found.end();
    }
    parts.push(&text[at..]);
    parts
}
