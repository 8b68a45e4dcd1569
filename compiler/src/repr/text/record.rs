//! Text of row values: `(1,"a b",)`.

use super::{TextSettings, format, is_space};
use crate::repr::types::Field;
use crate::repr::{Datum, Type, row};

/// Appends a record's fields, quoting those that would not read back as they are.
pub(super) fn format_record(fields: &[u8], declared: &[Field], settings: &TextSettings, out: &mut String) {
    out.push('(');
    let mut text = String::new();
    for (i, datum) in row::Datums::new(fields).enumerate() {
        if i > 0 {
            out.push(',');
        }
        text.clear();
        format(datum, declared.get(i).map_or(&Type::Unknown, |field| &field.typ), settings, &mut text);
        push_field(datum, &text, out);
    }
    out.push(')');
}

fn push_field(datum: Datum<'_>, text: &str, out: &mut String) {
    if datum.is_null() {
        return;
    }
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || is_space(c);
    if !text.is_empty() && !text.contains(special) {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}
