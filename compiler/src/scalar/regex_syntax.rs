//! PostgreSQL's regular expressions ("advanced" POSIX syntax) in the `regex` crate's syntax.
//!
//! What is written differently is rewritten: classes are those of the C locale, `.` takes line ends, `\y` `\m` `\M` are word
//! boundaries, `\Z` is the end, a brace without a number is itself. What the crate cannot do is refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::EvalError;
use crate::error::SqlState;

fn invalid(why: &str) -> EvalError {
    EvalError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {why}"))
}

fn unsupported(what: &str) -> EvalError {
    EvalError::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("{what} in regular expressions are not supported"),
    )
}

/// Flags as functions take them (`i`, `n`, `x`, …) and as `(?…)` at a pattern's start.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    insensitive: bool,
    /// `.` and complements leave out line ends.
    dot_stops: bool,
    /// `^` and `$` also match at line ends.
    anchors_at_lines: bool,
    expanded: bool,
    /// The pattern is plain text.
    literal: bool,
}

impl Flags {
    fn set(&mut self, flags: &str) -> Result<(), EvalError> {
        for flag in flags.chars() {
            match flag {
                'i' => self.insensitive = true,
                'c' => self.insensitive = false,
                'n' | 'm' => (self.dot_stops, self.anchors_at_lines) = (true, true),
                'p' => (self.dot_stops, self.anchors_at_lines) = (true, false),
                's' => (self.dot_stops, self.anchors_at_lines) = (false, false),
                'w' => (self.dot_stops, self.anchors_at_lines) = (false, true),
                'x' => self.expanded = true,
                't' => self.expanded = false,
                'q' => self.literal = true,
                'e' | 'b' => {}
                other => {
                    let message = format!("invalid regular expression option: \"{other}\"");
                    return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message));
                }
            }
        }
        Ok(())
    }
}

/// The compiled expression.
pub(super) fn compile(pattern: &str, options: &str) -> Result<Regex, EvalError> {
    let mut flags = Flags::default();
    flags.set(options)?;
    let mut rest = pattern;
    if let Some(text) = rest.strip_prefix("***=") {
        flags.literal = true;
        rest = text;
    } else {
        rest = rest.strip_prefix("***:").unwrap_or(rest);
        if let Some((embedded, after)) = embedded_options(rest) {
            flags.set(embedded)?;
            rest = after;
        }
    }
    let translated =
        if flags.literal { regex::escape(rest) } else { Translator::new(rest, flags).translate()? };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.insensitive)
        .dot_matches_new_line(!flags.dot_stops)
        .multi_line(flags.anchors_at_lines)
        .build()
        .map_err(|error| explain(&error))
}

/// `(?flags)` at the pattern's start.
fn embedded_options(pattern: &str) -> Option<(&str, &str)> {
    let (options, after) = pattern.strip_prefix("(?")?.split_once(')')?;
    (!options.is_empty() && options.bytes().all(|b| b.is_ascii_lowercase())).then_some((options, after))
}

/// The crate's complaint in PostgreSQL's words, where there are some.
fn explain(error: &regex::Error) -> EvalError {
    let text = error.to_string();
    let known = [
        ("unclosed group", "parentheses () not balanced"),
        ("unopened group", "parentheses () not balanced"),
        ("unclosed character class", "brackets [] not balanced"),
        ("repetition operator missing expression", "quantifier operand invalid"),
        ("invalid repetition count range", "invalid repetition count(s)"),
        ("repetition quantifier expects a valid decimal", "invalid repetition count(s)"),
        ("unclosed counted repetition", "braces {} not balanced"),
        ("invalid character class range", "invalid character range"),
        ("compiled regex exceeds size limit", "regular expression is too complex"),
    ];
    let why = known.iter().find(|(theirs, _)| text.contains(theirs)).map(|(_, ours)| *ours);
    invalid(
        why.unwrap_or_else(|| text.lines().last().unwrap_or("syntax error").trim_start_matches("error: ")),
    )
}

struct Translator<'p> {
    chars: Peekable<Chars<'p>>,
    flags: Flags,
    out: String,
    /// Where the open groups begin in `out`; None for those that are remembered.
    groups: Vec<Option<usize>>,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str, flags: Flags) -> Translator<'p> {
        Translator { chars: pattern.chars().peekable(), flags, out: String::new(), groups: Vec::new() }
    }

    fn translate(mut self) -> Result<String, EvalError> {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.bracket()?,
                '(' => self.group()?,
                ')' => self.end_group(),
                '{' => self.brace(),
                '}' => self.out.push_str("\\}"),
                '#' if self.flags.expanded => while self.chars.next().is_some_and(|c| c != '\n') {},
                c if self.flags.expanded && c.is_ascii_whitespace() => {}
                // The C locale knows the case of ASCII letters alone.
                c if self.flags.insensitive && !c.is_ascii() => self.out.push_str(&format!("(?-i:{c})")),
                c => self.out.push(c),
            }
        }
        Ok(self.out)
    }

    fn group(&mut self) -> Result<(), EvalError> {
        let start = self.out.len();
        self.out.push('(');
        if self.chars.peek() != Some(&'?') {
            self.groups.push(None);
            return Ok(());
        }
        self.groups.push(Some(start));
        self.chars.next();
        match self.chars.next() {
            Some(':') => self.out.push_str("?:"),
            Some('=' | '!') => return Err(unsupported("lookahead constraints")),
            Some('<') => return Err(unsupported("lookbehind constraints")),
            _ => return Err(invalid("quantifier operand invalid")),
        }
        Ok(())
    }

    /// A group that takes as little as it can, `(?:…){1,1}?`, is one in which every quantifier does.
    fn end_group(&mut self) {
        if let Some(start) = self.groups.pop().flatten()
            && self.chars.clone().take(6).eq("{1,1}?".chars())
        {
            self.out.insert(start + "(?".len(), 'U');
        }
        self.out.push(')');
    }

    /// A bound if a number follows, else the character itself.
    fn brace(&mut self) {
        if self.chars.peek().is_some_and(char::is_ascii_digit) {
            self.out.push('{');
            for c in self.chars.by_ref() {
                self.out.push(c);
                if c == '}' {
                    break;
                }
            }
        } else {
            self.out.push_str("\\{");
        }
    }

    fn escape(&mut self) -> Result<(), EvalError> {
        let Some(c) = self.chars.next() else { return Err(invalid("invalid escape \\ sequence")) };
        match c {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str("[ \\t\\n\\r\\x0b\\x0c]"),
            'S' => self.out.push_str("[^ \\t\\n\\r\\x0b\\x0c]"),
            'A' => self.out.push_str("\\A"),
            'Z' => self.out.push_str("\\z"),
            'm' => self.out.push_str("(?-u:\\b{start})"),
            'M' => self.out.push_str("(?-u:\\b{end})"),
            'y' => self.out.push_str("(?-u:\\b)"),
            'Y' => self.out.push_str("(?:\\B)"),
            '1'..='9' => return Err(unsupported("back references")),
            _ => {
                let literal = self.character(c)?;
                self.out.push_str(&regex::escape(&literal.to_string()));
            }
        }
        Ok(())
    }

    /// The character that an escape stands for.
    fn character(&mut self, escape: char) -> Result<char, EvalError> {
        Ok(match escape {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0' => '\0',
            'x' => self.code(255)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            'c' => {
                let letter = self.chars.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
                char::from(letter as u8 & 0x1f)
            }
            c if c.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            c => c,
        })
    }

    /// At most so many hexadecimal digits.
    fn code(&mut self, digits: usize) -> Result<char, EvalError> {
        let mut code = 0u32;
        let mut count = 0;
        while count < digits
            && let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(16))
        {
            code = code.wrapping_mul(16).wrapping_add(digit);
            count += 1;
            self.chars.next();
        }
        char::from_u32(code).filter(|_| count > 0).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    fn bracket(&mut self) -> Result<(), EvalError> {
        let unbalanced = || invalid("brackets [] not balanced");
        let rest: String = self.chars.clone().collect();
        for (word, boundary) in [("[:<:]]", "(?-u:\\b{start})"), ("[:>:]]", "(?-u:\\b{end})")] {
            if rest.starts_with(word) {
                self.out.push_str(boundary);
                self.chars.by_ref().take(word.len()).for_each(drop);
                return Ok(());
            }
        }
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
            if self.flags.dot_stops {
                self.out.push_str("\\n");
            }
        }
        let mut first = true;
        loop {
            let c = self.chars.next().ok_or_else(unbalanced)?;
            match c {
                ']' if !first => break,
                '[' if matches!(self.chars.peek(), Some(':' | '.' | '=')) => self.class()?,
                '\\' => self.bracket_escape()?,
                '-' if first || self.chars.peek() == Some(&']') => self.out.push_str("\\-"),
                '-' => self.out.push('-'),
                c if c.is_alphanumeric() => self.out.push(c),
                c => {
                    self.out.push_str(&regex::escape(&c.to_string()).replace("~", "\\~").replace("&", "\\&"))
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn bracket_escape(&mut self) -> Result<(), EvalError> {
        let c = self.chars.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
        match c {
            'd' => self.out.push_str("0-9"),
            'w' => self.out.push_str("0-9A-Za-z_"),
            's' => self.out.push_str(" \\t\\n\\r\\x0b\\x0c"),
            'D' | 'W' | 'S' => return Err(invalid("invalid escape \\ sequence")),
            _ => {
                let literal = self.character(c)?;
                self.out.push_str(&format!("\\x{{{:x}}}", literal as u32));
            }
        }
        Ok(())
    }

    /// `[:name:]`, `[.x.]` or `[=x=]` inside brackets.
    fn class(&mut self) -> Result<(), EvalError> {
        let kind = self.chars.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
        let mut name = String::new();
        loop {
            let c = self.chars.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
            if c == kind && self.chars.next_if_eq(&']').is_some() {
                break;
            }
            name.push(c);
        }
        if kind != ':' {
            let mut chars = name.chars();
            let (Some(c), None) = (chars.next(), chars.next()) else {
                return Err(invalid("invalid collating element"));
            };
            self.out.push_str(&format!("\\x{{{:x}}}", c as u32));
            return Ok(());
        }
        let known = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
            "upper", "word", "xdigit", "ascii",
        ];
        if !known.contains(&name.as_str()) {
            return Err(invalid("invalid character class"));
        }
        self.out.push_str(&format!("[:{name}:]"));
        Ok(())
    }
}
