//! Patterns of times (`YYYY-MM-DD HH24:MI`): what `to_char` writes, and what `to_date` and `to_timestamp` read.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Field(Field),
    /// Text that stands for itself.
    Text(String),
}

/// A field and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// The field's pattern in upper case.
    pub name: &'static str,
    pub case: Case,
    /// FM: neither blanks nor zeros before it.
    pub fill: bool,
    /// TH or th: the ordinal's ending after it.
    pub ordinal: Option<Case>,
}

impl Field {
    /// The field as the pattern has it.
    pub fn written(&self) -> String {
        match self.case {
            Case::Upper => self.name.to_owned(),
            Case::Capital => capitalized(self.name),
            Case::Lower => self.name.to_ascii_lowercase(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// Longer patterns before those that they begin with.
const FIELDS: &[&str] = &[
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "D", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM",
    "MONTH", "MON", "MS", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "US",
    "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y",
];

/// Fields that are words, which can be written with a capital too.
const WORDS: &[&str] = &["MONTH", "MON", "DAY", "DY"];

/// The parts of a pattern.
pub(super) fn parse(pattern: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = pattern;
    let mut fill = false;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = strip_either(rest, "FM") {
            (fill, rest) = (true, after);
        } else if let Some(after) = strip_either(rest, "FX").or_else(|| strip_either(rest, "TM")) {
            rest = after;
        } else if let Some((name, case)) = field_at(rest) {
            rest = &rest[name.len()..];
            let ordinal = match rest.get(..2) {
                Some("TH") => Some(Case::Upper),
                Some("th") => Some(Case::Lower),
                _ => None,
            };
            rest = if ordinal.is_some() { &rest[2..] } else { rest };
            items.push(Item::Field(Field { name, case, fill: std::mem::take(&mut fill), ordinal }));
        } else if c == '"' {
            let (text, after) = quoted(&rest[1..]);
            items.push(Item::Text(text));
            rest = after;
        } else {
            let escaped = c == '\\' && rest[1..].starts_with('"');
            let text = if escaped { "\"" } else { &rest[..c.len_utf8()] };
            items.push(Item::Text(text.to_owned()));
            rest = &rest[if escaped { 2 } else { c.len_utf8() }..];
        }
    }
    items
}

/// The rest after a word in upper or in lower case.
fn strip_either<'p>(pattern: &'p str, word: &str) -> Option<&'p str> {
    pattern.strip_prefix(word).or_else(|| pattern.strip_prefix(word.to_ascii_lowercase().as_str()))
}

fn field_at(pattern: &str) -> Option<(&'static str, Case)> {
    FIELDS.iter().find_map(|name| {
        let written = pattern.get(..name.len())?;
        let case = match written {
            _ if written == *name => Case::Upper,
            _ if written == name.to_ascii_lowercase() => Case::Lower,
            _ if WORDS.contains(name) && written == capitalized(name) => Case::Capital,
            _ => return None,
        };
        Some((*name, case))
    })
}

/// The word with only its first letter in upper case.
pub(super) fn capitalized(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    lower[..1].to_ascii_uppercase() + &lower[1..]
}

/// Text up to a closing quote, in which a backslash makes any character itself; and the rest.
fn quoted(pattern: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &pattern[at + 1..]),
            '\\' => text.extend(chars.next().map(|(_, c)| c)),
            c => text.push(c),
        }
    }
    (text, "")
}

pub(super) const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];

/// From Sunday.
pub(super) const DAYS: [&str; 7] =
    ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

pub(super) const ROMAN_MONTHS: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
