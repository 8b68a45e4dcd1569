//! COPY's text format: fields between delimiters, backslash escapes, `\N` for NULL.

use std::borrow::Cow;

use compiler::plan::TextFormat;

/// The fields of a line; `None` is NULL. Escapes can make any byte, so these are bytes.
pub fn split<'a>(line: &'a [u8], format: &TextFormat, fields: &mut Vec<Option<Cow<'a, [u8]>>>) {
    fields.clear();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let end = field_end(text, format.delimiter);
        let raw = &text[..end];
        rest = text.get(end + 1..);
        fields.push((raw != format.null.as_bytes()).then(|| unescape(raw)));
    }
}

/// Where the delimiter is that no backslash hides.
fn field_end(text: &[u8], delimiter: u8) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(delimiter, b'\\', &text[at..]) {
        at += found;
        if text[at] == delimiter {
            return at;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Cow::Borrowed(raw) };
    let mut out = raw[..first].to_vec();
    let mut rest = &raw[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'\\', Some(&escaped)) => {
                let (value, digits) = escape(escaped, &after[1..]);
                out.push(value);
                rest = &after[1 + digits..];
            }
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// What a backslash before this byte means, and how many of the following bytes belong to it.
fn escape(byte: u8, following: &[u8]) -> (u8, usize) {
    let digits = |radix: u32, most: usize| {
        following.iter().take(most).take_while(|b| (**b as char).is_digit(radix)).count()
    };
    let number = |start: u32, count: usize, radix: u32| {
        following[..count].iter().fold(start, |n, b| n * radix + (*b as char).to_digit(radix).unwrap_or(0))
            as u8
    };
    match byte {
        b'b' => (0x08, 0),
        b'f' => (0x0c, 0),
        b'n' => (b'\n', 0),
        b'r' => (b'\r', 0),
        b't' => (b'\t', 0),
        b'v' => (0x0b, 0),
        b'0'..=b'7' => {
            let count = digits(8, 2);
            (number(u32::from(byte - b'0'), count, 8), count)
        }
        b'x' => match digits(16, 2) {
            0 => (b'x', 0),
            count => (number(0, count, 16), count),
        },
        other => (other, 0),
    }
}

/// Appends a line of these fields' texts.
pub fn put_line<'a>(fields: impl Iterator<Item = Option<&'a str>>, format: &TextFormat, out: &mut Vec<u8>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(format.delimiter);
        }
        match field {
            None => out.extend_from_slice(format.null.as_bytes()),
            Some(text) => put_field(text.as_bytes(), format.delimiter, out),
        }
    }
    out.push(b'\n');
}

fn put_field(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for &byte in text {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            byte if byte == delimiter => delimiter,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.push(b'\\');
        out.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use compiler::plan::Header;

    use super::*;

    fn format() -> TextFormat {
        TextFormat { delimiter: b'\t', null: "\\N".to_owned(), header: Header::None }
    }

    fn fields(line: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut fields = Vec::new();
        split(line, &format(), &mut fields);
        fields.into_iter().map(|f| f.map(Cow::into_owned)).collect()
    }

    #[test]
    fn fields_are_unescaped() {
        let some = |text: &[u8]| Some(text.to_vec());
        assert_eq!(fields(b"a\t\\N\t\\\\N\t"), [some(b"a"), None, some(b"\\N"), some(b"")]);
        assert_eq!(fields(b"\\b\\f\\n\\r\\t\\v\\q"), [some(b"\x08\x0c\n\r\t\x0bq")]);
        assert_eq!(fields(b"\\101\\1012\\x41\\x4\\xg\\7"), [some(b"AA2A\x04xg\x07")]);
        assert_eq!(fields(b"a\\\tb\tc\\"), [some(b"a\tb"), some(b"c\\")]);
        assert_eq!(fields(b""), [some(b"")]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = [Some("a\tb\\c\n\r\x08\x0b\x0c"), None, Some(""), Some("\\N"), Some("é")];
        let mut line = Vec::new();
        put_line(values.into_iter(), &format(), &mut line);
        assert_eq!(line, "a\\tb\\\\c\\n\\r\\b\\v\\f\t\\N\t\t\\\\N\té\n".as_bytes());
        let read = fields(&line[..line.len() - 1]);
        let expected: Vec<_> = values.iter().map(|v| v.map(|v| v.as_bytes().to_vec())).collect();
        assert_eq!(read, expected);
    }
}
