//! JSON text to jsonb in one pass: each container is encoded behind two reserved bytes and then put in order.

use std::borrow::Cow;

use bumpalo::Bump;

use super::Json;
use super::build::sort_pairs;
use crate::error::SqlState;
use crate::repr::numeric::{Numeric, encoding};
use crate::repr::row::{MAX_DEPTH, encode_int, encode_text_body, tag};
use crate::scalar::EvalError;

type Result<T> = std::result::Result<T, EvalError>;

impl<'a> Json<'a> {
    /// Parses JSON text. Of equal keys the last wins; `\u0000` is refused, because text cannot hold it.
    pub fn parse(text: &str, arena: &'a Bump) -> Result<Json<'a>> {
        let mut parser = Parser { text, at: 0, depth: 0, arena, out: Vec::with_capacity(text.len()) };
        let token = parser.token()?;
        parser.value(token)?;
        match parser.token()? {
            Token { kind: Kind::End, .. } => Ok(Json(arena.alloc_slice_copy(&parser.out))),
            token => Err(parser.unexpected("end of input", token)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    End,
    /// One of `{}[],:`.
    Punctuation(u8),
    /// A string literal with its quotes.
    String,
    Number,
    /// true, false or null.
    Word,
}

#[derive(Clone, Copy)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
}

struct Parser<'t, 'b> {
    text: &'t str,
    at: usize,
    depth: usize,
    arena: &'b Bump,
    out: Vec<u8>,
}

fn invalid(detail: String) -> EvalError {
    EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json").detail(detail)
}

impl<'t> Parser<'t, '_> {
    fn value(&mut self, token: Token<'t>) -> Result<()> {
        match token.kind {
            Kind::Punctuation(b'[') => self.nested(Self::array),
            Kind::Punctuation(b'{') => self.nested(Self::object),
            Kind::String => {
                let value = unescape(token.text)?;
                self.out.push(tag::JSON_STRING);
                encode_text_body(&value, &mut self.out);
                Ok(())
            }
            Kind::Number => {
                let value = Numeric::parse(token.text, self.arena)?;
                encoding::encode(value, encoding::JSON, &mut self.out);
                Ok(())
            }
            Kind::Word => {
                self.out.push(match token.text {
                    "true" => tag::JSON_TRUE,
                    "false" => tag::JSON_FALSE,
                    _ => tag::JSON_NULL,
                });
                Ok(())
            }
            _ => Err(self.unexpected("JSON value", token)),
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(EvalError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .detail(format!("A jsonb value can nest {MAX_DEPTH} levels deep.")));
        }
        parse(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<()> {
        let start = self.open(tag::JSON_ARRAY);
        let mut token = self.token()?;
        if token.kind == Kind::Punctuation(b']') {
            return Ok(());
        }
        let mut count = 0;
        loop {
            self.value(token)?;
            count += 1;
            token = self.token()?;
            match token.kind {
                Kind::Punctuation(b',') => token = self.token()?,
                Kind::Punctuation(b']') => break,
                _ => return Err(self.unexpected("\",\" or \"]\"", token)),
            }
        }
        self.close(start, count);
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        let start = self.open(tag::JSON_OBJECT);
        let mut pairs = Vec::new();
        let mut token = self.token()?;
        if token.kind == Kind::Punctuation(b'}') {
            return Ok(());
        }
        loop {
            if token.kind != Kind::String {
                let wanted = if pairs.is_empty() { "string or \"}\"" } else { "string" };
                return Err(self.unexpected(wanted, token));
            }
            let key = unescape(token.text)?;
            let pair_at = self.out.len();
            encode_text_body(&key, &mut self.out);
            token = self.token()?;
            if token.kind != Kind::Punctuation(b':') {
                return Err(self.unexpected("\":\"", token));
            }
            token = self.token()?;
            self.value(token)?;
            pairs.push((key, pair_at..self.out.len()));
            token = self.token()?;
            match token.kind {
                Kind::Punctuation(b',') => token = self.token()?,
                Kind::Punctuation(b'}') => break,
                _ => return Err(self.unexpected("\",\" or \"}\"", token)),
            }
        }
        self.order(start, &mut pairs);
        self.close(start, pairs.len());
        Ok(())
    }

    /// Starts a container whose count is not known yet: two bytes hold it if it is below 64.
    fn open(&mut self, tag: u8) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[tag, tag::INT_ZERO]);
        start
    }

    fn close(&mut self, start: usize, count: usize) {
        let mut encoded = Vec::new();
        encode_int(count as i64, &mut encoded);
        self.out.splice(start + 1..start + 2, encoded);
    }

    /// Moves the pairs encoded after `start` to the stored order, if they are not in it.
    fn order(&mut self, start: usize, pairs: &mut Vec<(Cow<'t, str>, std::ops::Range<usize>)>) {
        let sorted = |(a, b): (&(Cow<str>, _), &(Cow<str>, _))| super::compare_keys(&a.0, &b.0).is_lt();
        if pairs.iter().zip(pairs.iter().skip(1)).all(sorted) {
            return;
        }
        sort_pairs(pairs, |pair| pair.0.as_ref());
        let ordered: Vec<u8> = pairs.iter().flat_map(|pair| &self.out[pair.1.clone()]).copied().collect();
        self.out.truncate(start + 2);
        self.out.extend_from_slice(&ordered);
    }

    fn unexpected(&self, wanted: &str, token: Token<'_>) -> EvalError {
        invalid(match token.kind {
            Kind::End => "The input string ended unexpectedly.".to_owned(),
            _ => format!("Expected {wanted}, but found \"{}\".", token.text),
        })
    }

    fn token(&mut self) -> Result<Token<'t>> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\n', '\r']);
        let start = self.text.len() - rest.len();
        let (kind, len) = match rest.bytes().next() {
            None => (Kind::End, 0),
            Some(byte @ (b'{' | b'}' | b'[' | b']' | b',' | b':')) => (Kind::Punctuation(byte), 1),
            Some(b'"') => (Kind::String, string_len(rest)?),
            Some(b'-' | b'0'..=b'9') => (Kind::Number, number_len(rest)?),
            Some(_) => (Kind::Word, word_len(rest)?),
        };
        self.at = start + len;
        Ok(Token { kind, text: &rest[..len] })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word_len(rest: &str) -> Result<usize> {
    let len = rest.bytes().take_while(|&b| is_word(b)).count();
    if matches!(&rest[..len], "true" | "false" | "null") {
        return Ok(len);
    }
    let shown = if len == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { len };
    Err(invalid(format!("Token \"{}\" is invalid.", &rest[..shown])))
}

fn number_len(rest: &str) -> Result<usize> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = (bytes[0] == b'-') as usize;
    let integer = digits(at);
    let mut valid = integer > 0;
    at += if bytes.get(at) == Some(&b'0') { 1 } else { integer };
    if valid && bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        valid = fraction > 0;
        at += 1 + fraction;
    }
    if valid && matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + matches!(bytes.get(at + 1), Some(b'+' | b'-')) as usize;
        let exponent = digits(at);
        valid = exponent > 0;
        at += exponent;
    }
    let garbage = bytes[at..].iter().take_while(|&&b| is_word(b)).count();
    if valid && garbage == 0 {
        return Ok(at);
    }
    Err(invalid(format!("Token \"{}\" is invalid.", &rest[..at + garbage])))
}

/// The length of a string literal with its quotes.
fn string_len(rest: &str) -> Result<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at) {
            None => return Err(invalid(format!("Token \"{rest}\" is invalid."))),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(byte @ 0..=0x1f) => {
                return Err(invalid(format!("Character with value 0x{byte:02x} must be escaped.")));
            }
            Some(_) => at += 1,
        }
    }
}

/// The value of a string literal.
fn unescape(literal: &str) -> Result<Cow<'_, str>> {
    let body = &literal[1..literal.len() - 1];
    let Some(first) = memchr::memchr(b'\\', body.as_bytes()) else { return Ok(Cow::Borrowed(body)) };
    let mut value = body[..first].to_owned();
    let mut rest = &body[first..];
    while let Some(escape) = rest.strip_prefix('\\') {
        let letter = escape.chars().next().expect("invariant: string_len passed over a whole escape");
        rest = &escape[letter.len_utf8()..];
        match letter {
            '"' | '\\' | '/' => value.push(letter),
            'b' => value.push('\x08'),
            'f' => value.push('\x0c'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'u' => value.push(unescape_unicode(&mut rest)?),
            _ => return Err(invalid(format!("Escape sequence \"\\{letter}\" is invalid."))),
        }
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        value.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    Ok(Cow::Owned(value))
}

/// The character of `\uXXXX`, or of two of them; `rest` follows the first `u`.
fn unescape_unicode(rest: &mut &str) -> Result<char> {
    let unit = hex_unit(rest)?;
    if unit == 0 {
        return Err(EvalError::new(
            SqlState::UNTRANSLATABLE_CHARACTER,
            "unsupported Unicode escape sequence",
        )
        .detail("\\u0000 cannot be converted to text."));
    }
    if let Some(character) = char::from_u32(unit) {
        return Ok(character);
    }
    let lone = || invalid("Unicode low surrogate must follow a high surrogate.".to_owned());
    let Some(second) = rest.strip_prefix("\\u") else { return Err(lone()) };
    *rest = second;
    let low = hex_unit(rest)?;
    if (0xd800..0xdc00).contains(&low) && unit < 0xdc00 {
        return Err(invalid("Unicode high surrogate must not follow a high surrogate.".to_owned()));
    }
    char::decode_utf16([unit as u16, low as u16]).next().and_then(|c| c.ok()).ok_or_else(lone)
}

fn hex_unit(rest: &mut &str) -> Result<u32> {
    let digits = rest.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(digits) = digits else {
        return Err(invalid("\"\\u\" must be followed by four hexadecimal digits.".to_owned()));
    };
    *rest = &rest[4..];
    Ok(u32::from_str_radix(digits, 16).expect("invariant: four hexadecimal digits"))
}
