//! Tests of the scalar layer: every declaration's example, and the fast forms against the plain ones.

mod aggregate;
mod cast;
mod examples;
mod mfp;
mod postgresql;
mod to_char;

use crate::repr::text::{self, TextSettings};
use crate::repr::{Arena, Datum, Type};

/// A value read from its text; NULL is NULL.
fn parse<'a>(typ: &Type, text: &str, arena: &'a Arena) -> Datum<'a> {
    if text == "NULL" {
        return Datum::Null;
    }
    let parsed = text::parse(typ, text, &TextSettings::default(), arena);
    parsed.unwrap_or_else(|e| panic!("{text:?} is no {typ:?}: {e:?}"))
}

/// A value's text; NULL is NULL.
fn format(datum: Datum<'_>, typ: &Type) -> String {
    let mut out = String::new();
    match datum {
        Datum::Null => out.push_str("NULL"),
        datum => text::format(datum, typ, &TextSettings::default(), &mut out),
    }
    out
}
