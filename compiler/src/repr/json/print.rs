//! jsonb's text: a space after each colon and comma, keys in stored order; and the indented form of jsonb_pretty.

use std::fmt::{self, Write};

use super::{Json, Value};

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(value) => write!(f, "{value}"),
            Value::String(value) => write_string(f, value),
            Value::Array(elements) => {
                f.write_str("[")?;
                for (i, element) in elements.enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    fmt::Display::fmt(&element, f)?;
                }
                f.write_str("]")
            }
            Value::Object(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    write_string(f, key)?;
                    f.write_str(": ")?;
                    fmt::Display::fmt(&value, f)?;
                }
                f.write_str("}")
            }
        }
    }
}

impl Json<'_> {
    /// What `jsonb_pretty` prints.
    pub fn pretty(self, out: &mut String) {
        self.write_pretty(out, 0).expect("invariant: writing to a string cannot fail");
    }

    fn write_pretty(self, out: &mut String, depth: usize) -> fmt::Result {
        let close = match self.value() {
            Value::Array(elements) => {
                out.push('[');
                for (i, element) in elements.enumerate() {
                    break_line(out, i > 0, depth + 1);
                    element.write_pretty(out, depth + 1)?;
                }
                ']'
            }
            Value::Object(pairs) => {
                out.push('{');
                for (i, (key, value)) in pairs.enumerate() {
                    break_line(out, i > 0, depth + 1);
                    write_string(out, key)?;
                    out.push_str(": ");
                    value.write_pretty(out, depth + 1)?;
                }
                '}'
            }
            _ => return write!(out, "{self}"),
        };
        break_line(out, false, depth);
        out.push(close);
        Ok(())
    }
}

fn break_line(out: &mut String, comma: bool, depth: usize) {
    out.push_str(if comma { ",\n" } else { "\n" });
    out.extend(std::iter::repeat_n("    ", depth));
}

/// Writes a JSON string literal.
pub fn write_string(out: &mut impl Write, value: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.write_str(&value[plain..at])?;
        plain = at + 1;
        match byte {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            0x08 => out.write_str("\\b")?,
            0x0c => out.write_str("\\f")?,
            _ => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.write_str(&value[plain..])?;
    out.write_char('"')
}
