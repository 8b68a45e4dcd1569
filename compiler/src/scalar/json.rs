//! Functions of jsonb.

use bumpalo::Bump;

use crate::repr::json::Value;
use crate::repr::text::{self, TextSettings};
use crate::repr::{Datum, Json, Type};

/// The text that `->>` gives: a string's characters, NULL for null, other values as they print.
pub(super) fn as_text<'a>(value: Json<'a>, arena: &'a Bump) -> Datum<'a> {
    match value.value() {
        Value::Null => Datum::Null,
        Value::String(text) => Datum::Text(text),
        _ => {
            let mut text = String::new();
            text::format(Datum::Json(value), &Type::Jsonb, &TextSettings::default(), &mut text);
            Datum::Text(arena.alloc_str(&text))
        }
    }
}
