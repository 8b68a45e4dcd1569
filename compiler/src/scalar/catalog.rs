//! Functions about types and names that need no catalog. The others are expanded by the binder.

use bumpalo::Bump;

use super::EvalError;
use super::declare::functions;
use crate::error::SqlState;
use crate::repr::{Array, Datum, Type};

functions! { pub(super) FUNCTIONS;
    /// The name of a type with its modifier, `???` of an unknown one.
    "format_type"(Oid, Int4) -> Text, called_on_null(): "format_type(oid '1700', 655366)" => "numeric(10,2)"
        = { |_, oid: Option<i64>, typmod: Option<i64>| oid.map(|oid| format_type(oid, typmod)) };
    /// The type of this name; NULL if there is none.
    "to_regtype"(Text) -> Regtype, maybe_null(): "to_regtype('int4[]')" => "integer[]" = { |_, name: &str| regtype(name) };
    /// A number of bytes in the largest unit that leaves it at least 10.
    "pg_size_pretty"(Int8) -> Text: "pg_size_pretty(bigint '123456')" => "121 kB" = { |_, bytes: i64| size_pretty(bytes) };
    /// The parts of a name as SQL reads it.
    "parse_ident"(Text) -> [Text], errs(): "parse_ident('public.\"A b\"')" => "{public,\"A b\"}"
        = { |cx, name: &str| parse_ident(name, cx.arena) };
}

fn regtype(name: &str) -> Option<i64> {
    let name = name.trim().to_lowercase();
    Type::named(name.strip_prefix("pg_catalog.").unwrap_or(&name)).map(|typ| typ.oid().into())
}

/// As PostgreSQL rounds: down to half a unit, then halves away from zero.
fn size_pretty(bytes: i64) -> String {
    const LIMIT: u64 = 10 * 1024;
    if bytes.unsigned_abs() < LIMIT {
        return format!("{bytes} bytes");
    }
    let mut halves = bytes / 512;
    for unit in ["kB", "MB", "GB", "TB"] {
        if halves.unsigned_abs() < 2 * LIMIT - 1 {
            return format!("{} {unit}", (halves + halves.signum()) / 2);
        }
        halves /= 1024;
    }
    format!("{} PB", (halves + halves.signum()) / 2)
}

fn parse_ident<'a>(name: &str, arena: &'a Bump) -> Result<Array<'a>, EvalError> {
    let invalid = || {
        let message = format!("string is not a valid identifier: \"{name}\"");
        EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message)
    };
    let parts = split_name(name).ok_or_else(invalid)?;
    Ok(Array::pack_flat_in(parts.iter().map(|part| Datum::Text(part)), arena))
}

/// The parts of a dotted name as SQL reads them: folded unless in quotes. Nothing if it is none.
pub fn split_name(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                let part = &rest[..end];
                if part.is_empty() || part.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
                    return None;
                }
                (part.to_lowercase(), &rest[end..])
            }
        };
        parts.push(part);
        rest = after.trim_start();
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// What stands before the closing quote, and what after it.
fn quoted_part(quoted: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if chars.next_if(|(_, next)| *next == '"').is_some() => part.push('"'),
            '"' if part.is_empty() => return None,
            '"' => return Some((part, &quoted[at + 1..])),
            c => part.push(c),
        }
    }
    None
}

fn format_type(oid: i64, typmod: Option<i64>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let known = u32::try_from(oid).ok().and_then(|oid| Type::from_oid(oid, typmod.unwrap_or(-1) as i32));
    known.map_or_else(|| "???".to_owned(), |typ| typ.to_string())
}
