//! `to_char` of numbers: patterns of digits (`9`, `0`), a point, groups and signs.
//!
//! Every digit position before the point prints a digit or, where the number has none, a blank (a zero from the first `0`
//! on); after the point, digits with zeros to fill. The sign stands before the first digit unless the pattern places it.
//! Under FM blanks are left out, and so are zeros after the last digit in positions marked `9`. A number with more digits
//! than positions prints `#`.

use super::EvalError;
use super::declare::functions;
use crate::error::SqlState;
use crate::repr::Numeric;

functions! { pub(super) FUNCTIONS;
    /// The number written in a pattern.
    "to_char"(Numeric, Text) -> Text, errs(): "to_char(-1234.567, '9,999.99')" => "-1,234.57"
        = { |cx, a: Numeric<'_>, pattern: &str| numeric(a, pattern, cx.arena) };
    /// The number written in a pattern.
    "to_char"(Int4, Text) -> Text, errs(): "to_char(125, '0999')" => " 0125" = { |cx, a: i64, pattern: &str| numeric(Numeric::from_int(a), pattern, cx.arena) };
    /// The number written in a pattern.
    "to_char"(Int8, Text) -> Text, errs(): "to_char(bigint '125', '999')" => " 125" = { |cx, a: i64, pattern: &str| numeric(Numeric::from_int(a), pattern, cx.arena) };
    /// The number written in a pattern.
    "to_char"(Float8, Text) -> Text, errs(): "to_char(float8 '125.8', '999D9')" => " 125.8" = { |cx, a: f64, pattern: &str| float(a, pattern, cx.arena) };
}

/// Where the sign goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// `-` or a blank, before the first digit.
    Floating,
    /// S before the digits: `-` or `+`, before the first digit.
    Leading,
    /// S after the digits.
    Trailing,
    /// PR: a negative number in angle brackets.
    Brackets,
    /// MI, PL or SG: where that stands.
    Placed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Nine,
    Zero,
    Point,
    Group,
    Minus,
    Plus,
    SignChar,
    Ordinal { upper: bool },
    Text(char),
}

struct Pattern {
    items: Vec<Item>,
    fill: bool,
    sign: Sign,
    /// Positions before the point, after it, and by how many digits V shifts.
    integer: usize,
    fraction: usize,
    shift: usize,
    /// The first position that prints zeros, counted over both sides of the point.
    first_zero: usize,
    has_point: bool,
}

fn invalid(message: impl Into<String>) -> EvalError {
    EvalError::new(SqlState::SYNTAX_ERROR, message)
}

fn parse(pattern: &str) -> Result<Pattern, EvalError> {
    let mut parsed = Pattern {
        items: Vec::new(),
        fill: false,
        sign: Sign::Floating,
        integer: 0,
        fraction: 0,
        shift: 0,
        first_zero: usize::MAX,
        has_point: false,
    };
    let mut after_shift = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let word = rest.get(..2).map(str::to_ascii_uppercase).unwrap_or_default();
        let mut len = c.len_utf8();
        match (c.to_ascii_uppercase(), word.as_str()) {
            (_, "FM") => (parsed.fill, len) = (true, 2),
            (_, "PR") => (parsed.sign, len) = (Sign::Brackets, 2),
            (_, "MI") => len = parsed.place(Item::Minus),
            (_, "PL") => {
                parsed.items.push(Item::Plus);
                len = 2;
            }
            (_, "SG") => len = parsed.place(Item::SignChar),
            (_, "TH") => {
                parsed.items.push(Item::Ordinal { upper: c == 'T' });
                len = 2;
            }
            (_, "RN") => {
                return Err(EvalError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "Roman numerals in to_char are not supported",
                ));
            }
            (_, "EE") => {
                return Err(EvalError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "EEEE in to_char is not supported",
                ));
            }
            ('9' | '0', _) => parsed.digit(c, after_shift),
            ('.' | 'D', _) if parsed.has_point => return Err(invalid("multiple decimal points")),
            ('.' | 'D', _) => {
                parsed.has_point = true;
                parsed.items.push(Item::Point);
            }
            (',' | 'G', _) => parsed.items.push(Item::Group),
            ('V', _) => after_shift = true,
            ('S', _) if parsed.sign != Sign::Floating => return Err(invalid("cannot use \"S\" twice")),
            ('S', _) => {
                parsed.sign =
                    if parsed.integer + parsed.fraction == 0 { Sign::Leading } else { Sign::Trailing }
            }
            ('L', _) => {}
            ('"', _) => {
                let end = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
                parsed.items.extend(rest[1..end.max(2) - 1].chars().map(Item::Text));
                len = end;
            }
            _ => parsed.items.push(Item::Text(c)),
        }
        rest = &rest[len..];
    }
    Ok(parsed)
}

impl Pattern {
    fn digit(&mut self, c: char, after_shift: bool) {
        if c == '0' {
            self.first_zero = self.first_zero.min(self.integer + self.fraction);
        }
        if self.has_point {
            self.fraction += 1;
        } else {
            self.integer += 1;
            self.shift += after_shift as usize;
        }
        self.items.push(if c == '0' { Item::Zero } else { Item::Nine });
    }

    fn place(&mut self, item: Item) -> usize {
        self.sign = Sign::Placed;
        self.items.push(item);
        2
    }
}

fn float(value: f64, pattern: &str, arena: &bumpalo::Bump) -> Result<String, EvalError> {
    let parsed = parse(pattern)?;
    if !value.is_finite() {
        return Ok(overflowing(&parsed, value < 0.0));
    }
    // 15 digits are what a float is sure of; the pattern shows no more than those.
    numeric(Numeric::from_float(value, arena), pattern, arena)
}

fn numeric<'a>(value: Numeric<'a>, pattern: &str, arena: &'a bumpalo::Bump) -> Result<String, EvalError> {
    let parsed = parse(pattern)?;
    if !value.is_finite() {
        return Ok(overflowing(&parsed, value.is_negative()));
    }
    let shifted = match parsed.shift {
        0 => value,
        shift => value.mul(Numeric::from_scaled(10i128.pow(shift.min(30) as u32), 0), arena)?,
    };
    let rounded = shifted.round(parsed.fraction as i32, arena)?;
    let text = rounded.abs(arena).to_string();
    let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let integer = integer.trim_start_matches('0');
    if integer.len() > parsed.integer || parsed.integer == 0 {
        return Ok(overflowing(&parsed, value.is_negative()));
    }
    Ok(Writer::new(&parsed, integer, fraction, rounded.is_negative()).write())
}

/// All positions as `#`.
fn overflowing(pattern: &Pattern, negative: bool) -> String {
    let hashes = "#".repeat(pattern.integer);
    let fraction = "#".repeat(pattern.fraction);
    Writer::new(pattern, &hashes, &fraction, negative).write()
}

/// Writes a number's digits into a pattern's positions.
struct Writer<'p> {
    pattern: &'p Pattern,
    /// A digit for each position; nothing where a blank goes.
    digits: Vec<Option<char>>,
    negative: bool,
    out: String,
    position: usize,
    sign_written: bool,
    started: bool,
}

impl<'p> Writer<'p> {
    fn new(pattern: &'p Pattern, integer: &str, fraction: &str, negative: bool) -> Writer<'p> {
        let blanks = pattern.integer - integer.len();
        let mut digits: Vec<Option<char>> =
            (0..blanks).map(|at| (at >= pattern.first_zero).then_some('0')).collect();
        digits.extend(integer.chars().map(Some));
        // A number below one shows its zero when there is nothing after the point.
        if let Some(last) = digits.last_mut()
            && pattern.fraction == 0
            && last.is_none()
        {
            *last = Some('0');
        }
        digits.extend(fraction.chars().map(Some));
        if pattern.fill {
            drop_trailing_zeros(pattern, &mut digits);
            // `FM9.9` of zero is `0.`.
            if pattern.integer > 0 && digits.iter().all(Option::is_none) {
                digits[pattern.integer - 1] = Some('0');
            }
        }
        Writer {
            pattern,
            digits,
            negative,
            out: String::new(),
            position: 0,
            sign_written: false,
            started: false,
        }
    }

    fn write(mut self) -> String {
        for item in &self.pattern.items {
            match *item {
                Item::Nine | Item::Zero => self.digit(),
                Item::Point => {
                    self.sign();
                    self.out.push('.');
                }
                Item::Group if self.started => self.out.push(','),
                Item::Group => self.blank(),
                Item::Minus if self.negative => self.out.push('-'),
                Item::Plus if !self.negative => self.out.push('+'),
                Item::Minus | Item::Plus => self.blank(),
                Item::SignChar => self.out.push(if self.negative { '-' } else { '+' }),
                Item::Ordinal { upper } => self.ordinal(upper),
                Item::Text(c) => self.out.push(c),
            }
        }
        self.out
    }

    fn blank(&mut self) {
        if !self.pattern.fill {
            self.out.push(' ');
        }
    }

    fn digit(&mut self) {
        let digit = self.digits.get(self.position).copied().flatten();
        self.position += 1;
        match digit {
            Some(digit) => {
                self.sign();
                self.out.push(digit);
                self.started = true;
            }
            None if self.position <= self.pattern.integer => {
                // With nothing before the point, the sign stands next to it.
                self.blank();
            }
            None => {}
        }
        if self.position == self.digits.len() {
            self.closing_sign();
        }
    }

    /// After the last position.
    fn closing_sign(&mut self) {
        match self.pattern.sign {
            Sign::Trailing => self.out.push(if self.negative { '-' } else { '+' }),
            Sign::Brackets if self.negative => self.out.push('>'),
            Sign::Brackets => self.blank(),
            _ => {}
        }
    }

    /// Before the first thing written.
    fn sign(&mut self) {
        if std::mem::replace(&mut self.sign_written, true) {
            return;
        }
        match self.pattern.sign {
            Sign::Floating if self.negative => self.out.push('-'),
            Sign::Floating => self.blank(),
            Sign::Leading => self.out.push(if self.negative { '-' } else { '+' }),
            Sign::Brackets if self.negative => self.out.push('<'),
            Sign::Brackets => self.blank(),
            Sign::Trailing | Sign::Placed => {}
        }
    }

    fn ordinal(&mut self, upper: bool) {
        if self.pattern.has_point || self.negative || self.out.ends_with('#') {
            return;
        }
        let digits = self.out.as_bytes();
        let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
        let ending = match digits.last() {
            Some(b'1') if !teen => "st",
            Some(b'2') if !teen => "nd",
            Some(b'3') if !teen => "rd",
            _ => "th",
        };
        self.out.push_str(&if upper { ending.to_ascii_uppercase() } else { ending.to_owned() });
    }
}

/// Under FM: zeros after the last digit that counts, in positions marked `9`.
fn drop_trailing_zeros(pattern: &Pattern, digits: &mut [Option<char>]) {
    let positions: Vec<Item> =
        pattern.items.iter().copied().filter(|item| matches!(item, Item::Nine | Item::Zero)).collect();
    for at in (pattern.integer..digits.len()).rev() {
        if digits[at] != Some('0') || positions.get(at) == Some(&Item::Zero) {
            break;
        }
        digits[at] = None;
    }
}
