//! The words of date, time and interval literals: splitting a literal into fields, and the names known in them.
//!
//! The split knows no meaning beyond characters: `1999-01-08` is one field, `04:05` another, a sign starts a third.

/// A field's shape. Letters are in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Digits, perhaps with a decimal point.
    Number,
    /// Letters.
    Word,
    /// Digits or letters joined by `-`, `/` or `.`; also a time zone's name.
    Date,
    /// Digits joined by `:`.
    Time,
    /// A sign and digits, perhaps with `:`, `.` or `-`.
    Signed,
    /// A sign and letters.
    SignedWord,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub shape: Shape,
    pub text: String,
}

/// Why a date, time or interval is refused; the type and literal complete the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Syntax,
    OutOfRange,
    /// A month or day out of range, perhaps because the fields are in another order.
    MonthOrDay,
    /// A part of an interval that is too large by itself.
    IntervalRange,
    /// Parts of an interval that are too large together.
    IntervalTotal,
    ZoneRange,
    UnknownZone(String),
}

const MAX_FIELDS: usize = 25;

struct Scanner<'t> {
    rest: &'t str,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self, out: &mut String) {
        if let Some(c) = self.peek() {
            out.push(c.to_ascii_lowercase());
            self.rest = &self.rest[c.len_utf8()..];
        }
    }

    fn take(&mut self, out: &mut String, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump(out);
        }
    }

    fn peek_is(&self, wanted: impl Fn(char) -> bool) -> bool {
        self.peek().is_some_and(wanted)
    }

    fn number(&mut self, text: &mut String) -> Shape {
        self.take(text, |c| c.is_ascii_digit());
        match self.peek() {
            Some(':') => {
                self.take(text, |c| c.is_ascii_digit() || c == ':' || c == '.');
                Shape::Time
            }
            Some(delimiter @ ('-' | '/' | '.')) => {
                self.bump(text);
                if !self.peek_is(|c| c.is_ascii_digit()) {
                    self.take(text, |c| c.is_ascii_alphanumeric() || c == delimiter);
                    return Shape::Date;
                }
                self.take(text, |c| c.is_ascii_digit());
                if self.peek() == Some(delimiter) {
                    self.take(text, |c| c.is_ascii_digit() || c == delimiter);
                    return Shape::Date;
                }
                if delimiter == '.' { Shape::Number } else { Shape::Date }
            }
            _ => Shape::Number,
        }
    }

    fn word(&mut self, text: &mut String) -> Shape {
        self.take(text, |c| c.is_ascii_alphabetic());
        let joined = match self.peek() {
            Some('-' | '/' | '.') => true,
            Some(c) if c == '+' || c.is_ascii_digit() => named(text).is_none(),
            _ => false,
        };
        if !joined {
            return Shape::Word;
        }
        self.take(text, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '/' | '_' | '.' | ':'));
        Shape::Date
    }

    fn signed(&mut self, text: &mut String) -> Option<Shape> {
        self.bump(text);
        self.rest = self.rest.trim_start_matches(super::is_space);
        match self.peek()? {
            c if c.is_ascii_digit() => {
                self.take(text, |c| c.is_ascii_digit() || matches!(c, ':' | '.' | '-'));
                Some(Shape::Signed)
            }
            c if c.is_ascii_alphabetic() => {
                self.take(text, |c| c.is_ascii_alphabetic());
                Some(Shape::SignedWord)
            }
            _ => None,
        }
    }
}

/// Splits a literal into fields; nothing if it has a character that belongs to none, or too many fields.
pub(super) fn split(literal: &str) -> Option<Vec<Field>> {
    let mut scanner = Scanner { rest: literal };
    let mut fields = Vec::new();
    while let Some(c) = scanner.peek() {
        let mut text = String::new();
        let shape = match c {
            c if super::is_space(c) => {
                scanner.rest = &scanner.rest[1..];
                continue;
            }
            '0'..='9' => scanner.number(&mut text),
            '.' => {
                scanner.bump(&mut text);
                scanner.take(&mut text, |c| c.is_ascii_digit());
                Shape::Number
            }
            'a'..='z' | 'A'..='Z' => scanner.word(&mut text),
            '+' | '-' => scanner.signed(&mut text)?,
            c if c.is_ascii_punctuation() => {
                scanner.rest = &scanner.rest[1..];
                continue;
            }
            _ => return None,
        };
        fields.push(Field { shape, text });
        if fields.len() > MAX_FIELDS {
            return None;
        }
    }
    Some(fields)
}

/// What a word of a date literal means, apart from time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Month(u32),
    Weekday,
    Am,
    Pm,
    Ad,
    Bc,
    /// `t` before a time.
    TimeFollows,
    /// `j` before a Julian day.
    JulianFollows,
    /// A unit that labels a number in other styles, refused.
    Unit,
    /// A word without meaning.
    Filler,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    Epoch,
    Infinity,
    NegInfinity,
    /// `allballs`: midnight UTC.
    MidnightUtc,
}

pub(super) fn named(word: &str) -> Option<Name> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let month = MONTHS.iter().position(|month| *month == word || word.len() == 3 && month.starts_with(word));
    if let Some(month) = month {
        return Some(Name::Month(month as u32 + 1));
    }
    Some(match word {
        "sept" => Name::Month(9),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday"
        | "thu" | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => Name::Weekday,
        "am" => Name::Am,
        "pm" => Name::Pm,
        "ad" => Name::Ad,
        "bc" => Name::Bc,
        "t" => Name::TimeFollows,
        "j" | "jd" | "julian" => Name::JulianFollows,
        "d" | "h" | "m" | "mm" | "s" | "y" | "dow" | "doy" | "isodow" | "isoyear" => Name::Unit,
        "on" | "at" => Name::Filler,
        "now" => Name::Now,
        "today" => Name::Today,
        "tomorrow" => Name::Tomorrow,
        "yesterday" => Name::Yesterday,
        "epoch" => Name::Epoch,
        "infinity" => Name::Infinity,
        "-infinity" => Name::NegInfinity,
        "allballs" => Name::MidnightUtc,
        _ => return None,
    })
}

/// `04:05`, `04:05:06`, `04:05:06.789`, `05:06.789` (minutes and seconds): hours, minutes and microseconds, each
/// checked; hours may be any number.
pub(super) fn clock(text: &str) -> Result<(i64, i64, i64), Refusal> {
    let mut parts = text.split(':');
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or(Refusal::Syntax);
    let (first, second) = (next()?, next()?);
    let (hour, minute, second) = match (parts.next(), second.contains('.')) {
        (None, true) => ("0", first, second),
        (None, false) => (first, second, "0"),
        (Some(third), false) => (first, second, third),
        (Some(_), true) => return Err(Refusal::Syntax),
    };
    if parts.next().is_some() || second.is_empty() || !minute.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    if !hour.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    let (whole, fraction) = match second.split_once('.') {
        Some((whole, fraction)) => (whole, fraction_micros(fraction)?),
        None => (second, 0),
    };
    let whole = if whole.is_empty() { "0" } else { whole };
    let number = |digits: &str| digits.parse::<i32>().map(i64::from).map_err(|_| Refusal::OutOfRange);
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(whole)?);
    if minute > 59 || second > 60 {
        return Err(Refusal::OutOfRange);
    }
    Ok((hour, minute, second * 1_000_000 + fraction))
}

/// Microseconds of the digits after a decimal point, rounded.
pub(super) fn fraction_micros(digits: &str) -> Result<i64, Refusal> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Syntax);
    }
    let fraction: f64 = std::format!("0.{digits}0").parse().map_err(|_| Refusal::Syntax)?;
    Ok((fraction * 1e6).round_ties_even() as i64)
}

/// `+05`, `-0530`, `+05:30:15`: seconds east of UTC.
pub(super) fn displacement(text: &str) -> Result<i32, Refusal> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).ok_or(Refusal::Syntax)?;
    let parts: Vec<&str> = unsigned.split(':').collect();
    if parts.len() > 3 || parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Refusal::Syntax);
    }
    let number = |digits: &str| digits.parse::<i32>().map_err(|_| Refusal::ZoneRange);
    let (hour, minute, second) = match parts.as_slice() {
        [run] if run.len() > 2 => (number(run)? / 100, number(run)? % 100, 0),
        [hour] => (number(hour)?, 0, 0),
        [hour, minute] => (number(hour)?, number(minute)?, 0),
        [hour, minute, second] => (number(hour)?, number(minute)?, number(second)?),
        _ => return Err(Refusal::Syntax),
    };
    if hour > 15 || minute > 59 || second > 59 {
        return Err(Refusal::ZoneRange);
    }
    let seconds = hour * 3600 + minute * 60 + second;
    Ok(if negative { -seconds } else { seconds })
}
