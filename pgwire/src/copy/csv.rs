//! COPY's csv format: quotes around what would be misread, NULL as an unquoted null string.

use std::borrow::Cow;

use compiler::plan::CsvFormat;
use compiler::{Error, SqlState};

/// The fields of a line; `None` is NULL. `force_null` and `force_not_null` are about columns in the line's order.
pub fn split<'a>(
    line: &'a [u8],
    format: &CsvFormat,
    fields: &mut Vec<Option<Cow<'a, [u8]>>>,
) -> Result<(), Error> {
    fields.clear();
    let mut at = 0;
    loop {
        let column = fields.len();
        let (value, quoted, end) = field(line, at, format)?;
        let is_null_string = *value == *format.null.as_bytes();
        let is_null = if quoted {
            format.force_null.contains(&column)
        } else {
            !format.force_not_null.contains(&column)
        };
        fields.push((!(is_null_string && is_null)).then_some(value));
        if end == line.len() {
            return Ok(());
        }
        at = end + 1;
    }
}

/// The field that begins at `at`, whether any of it was quoted, and where the delimiter or the line's end is.
fn field<'a>(line: &'a [u8], at: usize, format: &CsvFormat) -> Result<(Cow<'a, [u8]>, bool, usize), Error> {
    let plain =
        memchr::memchr2(format.delimiter, format.quote, &line[at..]).map_or(line.len(), |found| at + found);
    if plain == line.len() || line[plain] == format.delimiter {
        return Ok((Cow::Borrowed(&line[at..plain]), false, plain));
    }
    let mut value = line[at..plain].to_vec();
    let mut end = plain;
    while end < line.len() && line[end] != format.delimiter {
        if line[end] == format.quote {
            end = quoted(line, end + 1, format, &mut value)?;
        } else {
            value.push(line[end]);
            end += 1;
        }
    }
    Ok((Cow::Owned(value), true, end))
}

/// Appends what is between quotes to `value`; returns the place after the closing one.
fn quoted(line: &[u8], mut at: usize, format: &CsvFormat, value: &mut Vec<u8>) -> Result<usize, Error> {
    while let Some(&byte) = line.get(at) {
        let escaped = line.get(at + 1).filter(|next| **next == format.quote || **next == format.escape);
        match escaped {
            Some(&next) if byte == format.escape => {
                value.push(next);
                at += 2;
            }
            _ if byte == format.quote => return Ok(at + 1),
            _ => {
                value.push(byte);
                at += 1;
            }
        }
    }
    Err(Error::new(SqlState::BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field"))
}

/// Appends a line of these fields' texts.
pub fn put_line<'a>(
    fields: impl ExactSizeIterator<Item = Option<&'a str>>,
    format: &CsvFormat,
    out: &mut Vec<u8>,
) {
    let single = fields.len() == 1;
    for (column, field) in fields.enumerate() {
        if column > 0 {
            out.push(format.delimiter);
        }
        match field {
            None => out.extend_from_slice(format.null.as_bytes()),
            Some(text) if format.force_quote.contains(&column) || needs_quotes(text, single, format) => {
                put_quoted(text, format, out);
            }
            Some(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
    out.push(b'\n');
}

/// What would be read as something else: NULL, the end marker, several fields or lines.
fn needs_quotes(text: &str, single: bool, format: &CsvFormat) -> bool {
    let special =
        |byte: u8| byte == format.delimiter || byte == format.quote || byte == b'\n' || byte == b'\r';
    text == format.null || single && text == "\\." || text.bytes().any(special)
}

fn put_quoted(text: &str, format: &CsvFormat, out: &mut Vec<u8>) {
    out.push(format.quote);
    for byte in text.bytes() {
        if byte == format.quote || byte == format.escape {
            out.push(format.escape);
        }
        out.push(byte);
    }
    out.push(format.quote);
}

#[cfg(test)]
mod tests {
    use compiler::plan::Header;

    use super::*;

    fn format() -> CsvFormat {
        CsvFormat {
            delimiter: b',',
            null: String::new(),
            header: Header::None,
            quote: b'"',
            escape: b'"',
            force_quote: Vec::new(),
            force_null: Vec::new(),
            force_not_null: Vec::new(),
        }
    }

    fn fields(line: &str, format: &CsvFormat) -> Vec<Option<String>> {
        let mut fields = Vec::new();
        split(line.as_bytes(), format, &mut fields).unwrap();
        fields.into_iter().map(|f| f.map(|f| String::from_utf8(f.into_owned()).unwrap())).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn quotes_make_the_difference_between_null_and_empty() {
        assert_eq!(
            fields("a,,\"\",\"b\"\"c\",d\"e,f\"g", &format()),
            [some("a"), None, some(""), some("b\"c"), some("de,fg")]
        );
        assert_eq!(fields("", &format()), [None]);
        let forced = CsvFormat { force_null: vec![0], force_not_null: vec![1], ..format() };
        assert_eq!(fields("\"\",,", &forced), [None, some(""), None]);
        let backslash = CsvFormat { escape: b'\\', quote: b'\'', ..format() };
        assert_eq!(fields("'a\\'b\\\\c\\d'", &backslash), [some("a'b\\c\\d")]);
        let mut out = Vec::new();
        let error = split(b"\"a", &format(), &mut out).unwrap_err();
        assert_eq!(error.to_string(), "22P04: unterminated CSV quoted field");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = [Some("a,b"), None, Some(""), Some("q\"q"), Some("x\ny"), Some("plain")];
        let mut line = Vec::new();
        put_line(values.into_iter(), &format(), &mut line);
        assert_eq!(line, b"\"a,b\",,\"\",\"q\"\"q\",\"x\ny\",plain\n");
        let text = std::str::from_utf8(&line[..line.len() - 1]).unwrap();
        assert_eq!(fields(text, &format()), values.map(|v| v.map(str::to_owned)));
        let forced = CsvFormat { force_quote: vec![0], ..format() };
        let mut line = Vec::new();
        put_line([Some("a"), None].into_iter(), &forced, &mut line);
        assert_eq!(line, b"\"a\",\n");
    }
}
