//! Text to tokens, by PostgreSQL's lexical rules: case folding and truncation of names, operators that end before `+` and `-`,
//! strings continued over a line end, the E, U&, B, X and dollar forms.
//!
//! Invariants: tokens are in order and do not overlap, the last one is [`TokenKind::End`]. A lexical error is a token too:
//! it is reported when the parser gets there, since an error of the grammar before it comes first.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, SqlState};
use crate::keyword::{self, Category};

/// Beyond this many tokens a text is refused rather than held in memory as a tree.
pub(super) const TOKENS_MAX: usize = 1_000_000;

/// Bytes of an identifier that count; the rest is cut off, as PostgreSQL's NAMEDATALEN has it.
const IDENTIFIER_BYTES_MAX: usize = 63;

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub kind: TokenKind<'a>,
    /// Bytes of the text.
    pub start: usize,
    pub end: usize,
    /// Characters from 1.
    pub position: u32,
}

#[derive(Clone, Debug)]
pub(super) enum TokenKind<'a> {
    /// An unquoted word, folded.
    Word(Cow<'a, str>, Category),
    /// A quoted identifier.
    Quoted(Cow<'a, str>),
    String(Cow<'a, str>),
    /// `B'101'`, `X'1F'`: the letter and the digits.
    Bits(String),
    /// Digits, perhaps with point and exponent: the source text.
    Number,
    Parameter(u32),
    /// Punctuation or an operator: the source text.
    Symbol,
    /// What could not be read.
    Error(Box<Error>),
    End,
}

/// All tokens of `text`; the last is End, or Error.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, counted: 0, position: 1 };
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    loop {
        let token = lexer.token(tokens.len());
        let last = matches!(token.kind, TokenKind::End | TokenKind::Error(_));
        tokens.push(token);
        if last {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    /// The next byte to read; always at a character's start.
    at: usize,
    /// `position` is the position of this byte.
    counted: usize,
    position: u32,
}

type Lexed<'a> = Result<TokenKind<'a>, Failure>;

/// Why a token could not be read.
struct Failure {
    code: SqlState,
    message: String,
    hint: Option<&'static str>,
    place: Place,
}

/// What the message quotes, and where its position is.
enum Place {
    /// The token, as far as it was read.
    Token,
    /// These bytes.
    Bytes(Range<usize>),
    /// This byte; nothing is quoted.
    Byte(usize),
    Nowhere,
}

impl<'a> Lexer<'a> {
    fn token(&mut self, before: usize) -> Token<'a> {
        let blank = self.skip_blank();
        let (start, position) = (self.at, self.position_of(self.at));
        let kind = match blank {
            Err(()) => {
                self.at = self.text.len();
                Err(syntax("unterminated /* comment"))
            }
            Ok(()) if before >= TOKENS_MAX => Err(Failure {
                code: SqlState::PROGRAM_LIMIT_EXCEEDED,
                message: format!("statement is too long: it has more than {TOKENS_MAX} tokens"),
                hint: None,
                place: Place::Byte(start),
            }),
            Ok(()) => self.kind(),
        };
        let kind = kind.unwrap_or_else(|failure| {
            let Failure { code, message, hint, place } = failure;
            let near = |bytes: Range<usize>| format!("{message} at or near \"{}\"", &self.text[bytes]);
            let (message, byte) = match place {
                Place::Token => (near(start..self.at), Some(start)),
                Place::Bytes(bytes) => (near(bytes.clone()), Some(bytes.start)),
                Place::Byte(byte) => (message, Some(byte)),
                Place::Nowhere => (message, None),
            };
            let mut error = Error::new(code, message);
            error.hint = hint.map(str::to_owned);
            error.position = byte.map(|byte| self.position_of(byte));
            TokenKind::Error(Box::new(error))
        });
        Token { kind, start, end: self.at, position }
    }

    /// The position in characters of a byte at or after the last one asked for.
    fn position_of(&mut self, byte: usize) -> u32 {
        let between = &self.text.as_bytes()[self.counted..byte];
        self.position += between.iter().filter(|b| !is_continuation(**b)).count() as u32;
        self.counted = byte;
        self.position
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.rest().get(ahead).copied().unwrap_or(0)
    }

    /// Skips bytes while they satisfy the condition, which must hold for all bytes of a character or none.
    fn skip_while(&mut self, condition: impl Fn(u8) -> bool) {
        self.at += self.rest().iter().take_while(|b| condition(**b)).count();
    }

    /// Skips white space and comments, up to one that does not end.
    fn skip_blank(&mut self) -> Result<(), ()> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.skip_while(|b| b != b'\n' && b != b'\r'),
                (b'/', b'*') => {
                    self.at += comment_length(self.rest()).ok_or(())?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn kind(&mut self) -> Lexed<'a> {
        let (b, next) = (self.byte(0), self.byte(1));
        match b {
            _ if self.at == self.text.len() => Ok(TokenKind::End),
            b'\'' => self.string(false),
            b'e' | b'E' if next == b'\'' => {
                self.at += 1;
                self.string(true)
            }
            b'b' | b'B' | b'x' | b'X' if next == b'\'' => self.bits(b),
            b'u' | b'U' if next == b'&' && matches!(self.byte(2), b'\'' | b'"') => self.unicode(),
            // N'..' is the type NCHAR before a string.
            b'n' | b'N' if next == b'\'' => {
                self.at += 1;
                Ok(TokenKind::Word(Cow::Borrowed("nchar"), Category::ColumnName))
            }
            b'"' => {
                let name = self.quoted_identifier()?;
                Ok(TokenKind::Quoted(truncated(name)))
            }
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if next.is_ascii_digit() => self.number(),
            _ if is_identifier_start(b) => Ok(self.word()),
            _ => self.symbol(),
        }
    }

    fn word(&mut self) -> TokenKind<'a> {
        let start = self.at;
        self.skip_while(is_identifier_part);
        let word = &self.text[start..self.at];
        let folded = if word.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(word.to_ascii_lowercase())
        } else {
            Cow::Borrowed(word)
        };
        let category = keyword::category(&folded);
        TokenKind::Word(truncated(folded), category)
    }

    fn quoted_identifier(&mut self) -> Result<Cow<'a, str>, Failure> {
        let Some(name) = self.quoted(b'"') else {
            return Err(syntax("unterminated quoted identifier"));
        };
        if name.is_empty() {
            return Err(syntax("zero-length delimited identifier"));
        }
        Ok(name)
    }

    /// What stands between this quote and its end, doubled quotes made one. `None`: it does not end.
    fn quoted(&mut self, quote: u8) -> Option<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            self.at += 1;
            let start = self.at;
            self.skip_while(|b| b != quote);
            let part = &self.text[start..self.at];
            if self.at == self.text.len() {
                return None;
            }
            self.at += 1;
            join(&mut text, part);
            if self.byte(0) != quote {
                return Some(text);
            }
            // The second quote of a pair opens the next part, and is itself part of the text.
            text.to_mut().push(quote as char);
        }
    }

    /// A string literal, with what continues it after a line end.
    fn string(&mut self, escapes: bool) -> Lexed<'a> {
        let mut text = self.string_part(escapes)?;
        while let Some(length) = continuation_length(self.rest()) {
            self.at += length;
            let part = self.string_part(escapes)?;
            text.to_mut().push_str(&part);
        }
        Ok(TokenKind::String(text))
    }

    fn string_part(&mut self, escapes: bool) -> Result<Cow<'a, str>, Failure> {
        let unterminated = || syntax("unterminated quoted string");
        if !escapes {
            return self.quoted(b'\'').ok_or_else(unterminated);
        }
        self.at += 1;
        let mut text = Escaped::default();
        loop {
            let start = self.at;
            self.skip_while(|b| b != b'\'' && b != b'\\');
            text.push_str(&self.text[start..self.at]);
            match (self.byte(0), self.byte(1)) {
                (b'\'', b'\'') => {
                    text.push_str("'");
                    self.at += 2;
                }
                (b'\'', _) => {
                    self.at += 1;
                    let quote = self.at - 1..self.at;
                    return text.finish(quote).map(Cow::Owned);
                }
                (b'\\', _) if self.at + 1 < self.text.len() => self.escape(&mut text)?,
                _ => {
                    self.at = self.text.len();
                    return Err(unterminated());
                }
            }
        }
    }

    /// One backslash escape of an E string.
    fn escape(&mut self, text: &mut Escaped) -> Result<(), Failure> {
        let start = self.at;
        self.at += 1;
        let c = self.text[self.at..].chars().next().expect("invariant: checked by the caller");
        self.at += c.len_utf8();
        match c {
            'b' => text.push_str("\u{8}"),
            'f' => text.push_str("\u{c}"),
            'n' => text.push_str("\n"),
            'r' => text.push_str("\r"),
            't' => text.push_str("\t"),
            '0'..='7' => {
                self.at -= 1;
                let digits = self.digits(3, |b| (b'0'..=b'7').contains(&b));
                text.push_byte(u32::from_str_radix(digits, 8).expect("invariant: octal digits") as u8)?;
            }
            'x' if self.byte(0).is_ascii_hexdigit() => {
                let digits = self.digits(2, |b| b.is_ascii_hexdigit());
                text.push_byte(u8::from_str_radix(digits, 16).expect("invariant: two hex digits"))?;
            }
            'u' | 'U' => {
                let length = if c == 'u' { 4 } else { 8 };
                let digits = self.digits(length, |b| b.is_ascii_hexdigit());
                if digits.len() != length {
                    let failure = syntax("invalid Unicode escape").at(start);
                    let hint = Some("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.");
                    return Err(Failure { code: SqlState::INVALID_ESCAPE_SEQUENCE, hint, ..failure });
                }
                let code = u32::from_str_radix(digits, 16).expect("invariant: at most eight hex digits");
                text.push_code(code).map_err(|failure| failure.near(start..self.at))?;
            }
            other => text.push_str(other.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }

    /// Takes up to `most` bytes that satisfy the condition.
    fn digits(&mut self, most: usize, condition: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        self.at += self.rest().iter().take(most).take_while(|b| condition(**b)).count();
        &self.text[start..self.at]
    }

    fn bits(&mut self, letter: u8) -> Lexed<'a> {
        self.at += 1;
        let what = if matches!(letter, b'b' | b'B') { "bit" } else { "hexadecimal" };
        let TokenKind::String(digits) =
            self.string(false).map_err(|_| syntax(&format!("unterminated {what} string literal")))?
        else {
            unreachable!("invariant: string() makes strings");
        };
        Ok(TokenKind::Bits(format!("{}{digits}", letter.to_ascii_uppercase() as char)))
    }

    /// `U&'..'` and `U&".."`, with an optional `UESCAPE 'c'` after it.
    fn unicode(&mut self) -> Lexed<'a> {
        self.at += 2;
        let start = self.at + 1;
        let string = self.byte(0) == b'\'';
        let raw = if string {
            let TokenKind::String(text) = self.string(false)? else {
                unreachable!("invariant: string() makes strings");
            };
            text
        } else {
            self.quoted_identifier()?
        };
        let escape = self.unicode_escape_character()?;
        let text = unicode_text(&raw, escape).map_err(|(failure, byte)| failure.at(start + byte))?;
        Ok(if string {
            TokenKind::String(Cow::Owned(text))
        } else {
            TokenKind::Quoted(truncated(Cow::Owned(text)))
        })
    }

    fn unicode_escape_character(&mut self) -> Result<char, Failure> {
        let end = self.at;
        if self.skip_blank().is_err()
            || !self.rest().get(..7).is_some_and(|w| w.eq_ignore_ascii_case(b"uescape"))
        {
            self.at = end;
            return Ok('\\');
        }
        self.at += 7;
        let invalid = || syntax("invalid Unicode escape character");
        self.skip_blank().map_err(|_| invalid())?;
        let start = self.at;
        if self.byte(0) != b'\'' {
            return Err(syntax("UESCAPE must be followed by a simple string literal"));
        }
        let text = self.quoted(b'\'').ok_or_else(invalid)?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) if !c.is_ascii_hexdigit() && !"+'\" \t\n\r\u{c}".contains(c) => Ok(c),
            _ => Err(invalid().near(start..self.at)),
        }
    }

    /// `$1`, `$tag$..$tag$`, or a stray `$`.
    fn dollar(&mut self) -> Lexed<'a> {
        if self.byte(1).is_ascii_digit() {
            self.at += 1;
            let digits = self.digits(usize::MAX, |b| b.is_ascii_digit());
            if is_identifier_start(self.byte(0)) {
                self.skip_while(is_identifier_part);
                return Err(syntax("trailing junk after parameter"));
            }
            return match digits.parse() {
                Ok(number) => Ok(TokenKind::Parameter(number)),
                Err(_) => Err(syntax("parameter number too large")),
            };
        }
        let start = self.at;
        self.at += 1;
        if is_identifier_start(self.byte(0)) {
            self.skip_while(|b| is_identifier_part(b) && b != b'$');
        }
        if self.byte(0) != b'$' {
            self.at = start + 1;
            return Ok(TokenKind::Symbol);
        }
        self.at += 1;
        let tag = &self.text[start..self.at];
        match self.text[self.at..].find(tag) {
            Some(length) => {
                let text = &self.text[self.at..self.at + length];
                self.at += length + tag.len();
                Ok(TokenKind::String(Cow::Borrowed(text)))
            }
            None => {
                self.at = self.text.len();
                Err(syntax("unterminated dollar-quoted string"))
            }
        }
    }

    fn number(&mut self) -> Lexed<'a> {
        let digits = |b: u8| b.is_ascii_digit();
        self.skip_while(digits);
        // `1..10` is a number and two dots.
        if self.byte(0) == b'.' && self.byte(1) != b'.' {
            self.at += 1;
            self.skip_while(digits);
        }
        if matches!(self.byte(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
            if self.byte(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.skip_while(digits);
            } else if sign == 1 {
                self.at += 2;
                return Err(syntax("trailing junk after numeric literal"));
            }
        }
        if is_identifier_start(self.byte(0)) {
            self.skip_while(is_identifier_part);
            return Err(syntax("trailing junk after numeric literal"));
        }
        Ok(TokenKind::Number)
    }

    fn skip_character(&mut self) {
        self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
    }

    fn symbol(&mut self) -> Lexed<'a> {
        let length = match (self.byte(0), self.byte(1)) {
            (b':', b':' | b'=') | (b'.', b'.') => 2,
            (b, _) if is_operator_part(b) => operator_length(self.rest()),
            _ => {
                self.skip_character();
                return Ok(TokenKind::Symbol);
            }
        };
        self.at += length;
        if length > IDENTIFIER_BYTES_MAX {
            return Err(syntax("operator too long"));
        }
        Ok(TokenKind::Symbol)
    }
}

/// Text that may be built from bytes: `E'\303\251'` is one character.
#[derive(Default)]
struct Escaped {
    bytes: Vec<u8>,
    /// The first half of a surrogate pair, waiting for the second.
    surrogate: Option<u16>,
}

impl Escaped {
    fn push_str(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn push_byte(&mut self, byte: u8) -> Result<(), Failure> {
        if byte == 0 {
            return Err(encoding("0x00"));
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn push_code(&mut self, code: u32) -> Result<(), Failure> {
        if let Some(c) = surrogates(&mut self.surrogate, code)? {
            self.push_str(c.encode_utf8(&mut [0; 4]));
        }
        Ok(())
    }

    /// The text, at the closing quote.
    fn finish(self, quote: Range<usize>) -> Result<String, Failure> {
        if self.surrogate.is_some() {
            return Err(syntax("invalid Unicode surrogate pair").near(quote));
        }
        String::from_utf8(self.bytes).map_err(|e| {
            let bad = &e.as_bytes()[e.utf8_error().valid_up_to()..];
            let shown: Vec<String> = bad.iter().take(4).map(|b| format!("0x{b:02x}")).collect();
            encoding(&shown.join(" "))
        })
    }
}

/// Joins the halves of a surrogate pair; `None` while the second half is awaited.
fn surrogates(first: &mut Option<u16>, code: u32) -> Result<Option<char>, Failure> {
    let invalid_pair = || syntax("invalid Unicode surrogate pair");
    let code = match (first.take(), code) {
        (None, 0xd800..=0xdbff) => {
            *first = Some(code as u16);
            return Ok(None);
        }
        (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((u32::from(high) & 0x3ff) << 10) + (code & 0x3ff),
        (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(invalid_pair()),
        (None, code) => code,
    };
    match char::from_u32(code) {
        Some(c) if c != '\0' => Ok(Some(c)),
        _ => Err(syntax("invalid Unicode escape value")),
    }
}

/// The text of a U& string, whose escapes are `\XXXX`, `\+XXXXXX` and `\\`. A failure comes with the byte it is at.
fn unicode_text(raw: &str, escape: char) -> Result<String, (Failure, usize)> {
    let invalid = |at| {
        let hint = Some("Unicode escapes must be \\XXXX or \\+XXXXXX.");
        (Failure { hint, ..syntax("invalid Unicode escape") }, at)
    };
    let invalid_pair = |at| (syntax("invalid Unicode surrogate pair"), at);
    let mut text = String::with_capacity(raw.len());
    let (mut at, mut surrogate) = (0, None);
    while let Some(before) = raw[at..].find(escape) {
        if before > 0 && surrogate.is_some() {
            return Err(invalid_pair(at));
        }
        text.push_str(&raw[at..at + before]);
        let start = at + before;
        at = start + escape.len_utf8();
        if raw[at..].starts_with(escape) {
            if surrogate.is_some() {
                return Err(invalid_pair(start));
            }
            text.push(escape);
            at += escape.len_utf8();
            continue;
        }
        let length = if raw[at..].starts_with('+') { 6 } else { 4 };
        at += usize::from(length == 6);
        let digits = raw.get(at..at + length).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else { return Err(invalid(start)) };
        let code = u32::from_str_radix(digits, 16).expect("invariant: at most six hex digits");
        text.extend(surrogates(&mut surrogate, code).map_err(|failure| (failure, start))?);
        at += length;
    }
    if surrogate.is_some() {
        return Err(invalid_pair(at));
    }
    text.push_str(&raw[at..]);
    Ok(text)
}

fn syntax(message: &str) -> Failure {
    Failure { code: SqlState::SYNTAX_ERROR, message: message.to_owned(), hint: None, place: Place::Token }
}

impl Failure {
    fn near(mut self, bytes: Range<usize>) -> Failure {
        self.place = Place::Bytes(bytes);
        self
    }

    fn at(mut self, byte: usize) -> Failure {
        self.place = Place::Byte(byte);
        self
    }
}

fn encoding(bytes: &str) -> Failure {
    Failure {
        code: SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        message: format!("invalid byte sequence for encoding \"UTF8\": {bytes}"),
        hint: None,
        place: Place::Nowhere,
    }
}

/// Appends without copying while there is only one part.
fn join<'a>(text: &mut Cow<'a, str>, part: &'a str) {
    if text.is_empty() && matches!(text, Cow::Borrowed(_)) {
        *text = Cow::Borrowed(part);
    } else {
        text.to_mut().push_str(part);
    }
}

/// The identifier without the bytes that PostgreSQL would not keep.
fn truncated(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= IDENTIFIER_BYTES_MAX {
        return name;
    }
    let mut length = IDENTIFIER_BYTES_MAX;
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..length]),
        Cow::Owned(mut name) => {
            name.truncate(length);
            Cow::Owned(name)
        }
    }
}

/// The length of a comment with those nested in it, or `None` if it does not end.
fn comment_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0u32, 0);
    loop {
        match (text.get(at)?, text.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// How far the next quote is, if only white space with a line end in it (or `--` comments) lies between.
fn continuation_length(text: &[u8]) -> Option<usize> {
    let (mut at, mut newline) = (0, false);
    loop {
        match text.get(at)? {
            b'\n' | b'\r' => newline = true,
            b' ' | b'\t' | 0x0c => {}
            b'-' if text.get(at + 1) == Some(&b'-') => {
                at += text[at..].iter().take_while(|b| !matches!(b, b'\n' | b'\r')).count();
                continue;
            }
            b'\'' if newline => return Some(at),
            _ => return None,
        }
        at += 1;
    }
}

/// The length of the operator at the start: no comment starts in it, and it ends in `+` or `-` only if it holds a character
/// that no SQL operator has, so that `a=-1` is `a = -1`.
fn operator_length(text: &[u8]) -> usize {
    let run = text.iter().take_while(|b| is_operator_part(**b)).count();
    let operator = &text[..run];
    let comment = operator.windows(2).position(|pair| pair == b"--" || pair == b"/*");
    let mut length = comment.unwrap_or(run);
    let distinct = |b: &u8| b"~!@#^&|`?%".contains(b);
    while length > 1 && matches!(text[length - 1], b'+' | b'-') && !text[..length - 1].iter().any(distinct) {
        length -= 1;
    }
    length
}

fn is_operator_part(b: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&b)
}

fn is_identifier_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn is_identifier_part(b: u8) -> bool {
    is_identifier_start(b) || b.is_ascii_digit() || b == b'$'
}

fn is_continuation(b: u8) -> bool {
    b & 0xc0 == 0x80
}
