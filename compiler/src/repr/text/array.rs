//! Text of arrays: `{1,"a b",NULL}`, `{{1,2},{3,4}}`, `[2:3]={1,2}`.

use bumpalo::Bump;

use super::{Result, TextSettings, format, is_space, parse, write_display};
use crate::error::SqlState;
use crate::repr::array::{Array, Dimension, MAX_DIMENSIONS};
use crate::repr::{Datum, Type, row};
use crate::scalar::EvalError;

/// Appends an array's text.
pub(super) fn format_array(array: Array<'_>, element: &Type, settings: &TextSettings, out: &mut String) {
    let dimensions = array.dimensions();
    if dimensions.is_empty() {
        return out.push_str("{}");
    }
    if dimensions.iter().any(|d| d.lower != 1) {
        for d in &dimensions {
            write_display(format_args!("[{}:{}]", d.lower, d.lower as i64 + d.length as i64 - 1), out);
        }
        out.push('=');
    }
    let mut elements = array.elements();
    format_level(&dimensions, &mut elements, element, settings, out);
}

/// Appends the text of an `int2vector` or `oidvector`: its elements between spaces.
pub(super) fn format_vector(array: Array<'_>, element: &Type, settings: &TextSettings, out: &mut String) {
    for (at, datum) in array.elements().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        format(datum, element, settings, out);
    }
}

/// Reads what [`format_vector`] prints; the subscripts count from 0.
pub(super) fn parse_vector<'a>(element: &Type, text: &str, arena: &'a Bump) -> Result<Array<'a>> {
    let settings = TextSettings::default();
    let elements = text.split(is_space).filter(|part| !part.is_empty());
    let elements = elements.map(|part| parse(element, part, &settings, arena)).collect::<Result<Vec<_>>>()?;
    Ok(Array::pack_vector_in(elements, arena))
}

fn format_level(
    dimensions: &[Dimension],
    elements: &mut row::Datums<'_>,
    element: &Type,
    settings: &TextSettings,
    out: &mut String,
) {
    out.push('{');
    for i in 0..dimensions[0].length {
        if i > 0 {
            out.push(',');
        }
        if dimensions.len() > 1 {
            format_level(&dimensions[1..], elements, element, settings, out);
        } else if let Some(datum) = elements.next() {
            push_element(datum, element, settings, out);
        }
    }
    out.push('}');
}

fn push_element(datum: Datum<'_>, element: &Type, settings: &TextSettings, out: &mut String) {
    if datum.is_null() {
        return out.push_str("NULL");
    }
    let mut text = String::new();
    format(datum, element, settings, &mut text);
    let special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c);
    if !text.is_empty() && !text.contains(special) && !text.eq_ignore_ascii_case("null") {
        return out.push_str(&text);
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Reads an array of the element type.
pub(super) fn parse_array<'a>(
    element: &Type,
    text: &str,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Array<'a>> {
    let mut parser =
        Parser { text, rest: text.trim_start_matches(is_space), items: Vec::new(), leaf_depth: None };
    let declared = parser.declared_dimensions()?;
    if !parser.rest.starts_with('{') {
        return Err(parser.malformed(if declared.is_empty() {
            "Array value must start with \"{\" or dimension information.".to_owned()
        } else {
            "Array contents must start with \"{\".".to_owned()
        }));
    }
    let mut lengths = Vec::new();
    parser.level(0, &mut lengths)?;
    if !parser.rest.trim_matches(is_space).is_empty() {
        return Err(parser.malformed("Junk after closing right brace.".to_owned()));
    }
    let dimensions = parser.dimensions(&declared, &lengths)?;
    let mut elements = Vec::with_capacity(parser.items.len());
    for item in &parser.items {
        elements.push(match item {
            Some(item) => parse(element, item, settings, arena)?,
            None => Datum::Null,
        });
    }
    Ok(Array::pack_in(elements, &dimensions, arena))
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
    /// The elements' texts in order; nothing for NULL.
    items: Vec<Option<String>>,
    /// How many braces are around the elements, known from the first.
    leaf_depth: Option<usize>,
}

impl Parser<'_> {
    fn malformed(&self, detail: String) -> EvalError {
        let message = std::format!("malformed array literal: \"{}\"", self.text);
        EvalError::new(SqlState::INVALID_TEXT_REPRESENTATION, message).detail(detail)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `[lower:upper]...=`, or nothing.
    fn declared_dimensions(&mut self) -> Result<Vec<Dimension>> {
        let mut dimensions = Vec::new();
        while self.take('[') {
            if dimensions.len() == MAX_DIMENSIONS {
                return Err(too_many_dimensions(dimensions.len() + 1));
            }
            let first = self.bound()?;
            let (lower, upper) = if self.take(':') { (first, self.bound()?) } else { (1, first) };
            if !self.take(']') {
                return Err(self.malformed("Missing \"]\" after array dimensions.".to_owned()));
            }
            if upper < lower {
                return Err(EvalError::new(
                    SqlState::ARRAY_SUBSCRIPT_ERROR,
                    "upper bound cannot be less than lower bound",
                ));
            }
            let length = upper as i64 - lower as i64 + 1;
            dimensions.push(Dimension { length: length as u32, lower });
        }
        if !dimensions.is_empty() && !self.take('=') {
            return Err(self.malformed("Missing \"=\" after array dimensions.".to_owned()));
        }
        self.skip_space();
        Ok(dimensions)
    }

    fn bound(&mut self) -> Result<i32> {
        let digits = self.rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let len = match self.rest.bytes().next() {
            Some(b'+' | b'-' | b'0'..=b'9') => 1 + digits,
            _ => 0,
        };
        let (bound, rest) = self.rest.split_at(len);
        match bound.parse::<i32>() {
            Ok(value) => {
                self.rest = rest;
                Ok(value)
            }
            Err(_) => {
                Err(self.malformed("\"[\" must introduce explicitly-specified array dimensions.".to_owned()))
            }
        }
    }

    /// One pair of braces at `depth`; `lengths` learns the length of each level from its first occurrence.
    fn level(&mut self, depth: usize, lengths: &mut Vec<Option<u32>>) -> Result<()> {
        if depth == MAX_DIMENSIONS {
            return Err(too_many_dimensions(depth + 1));
        }
        self.take('{');
        if lengths.len() == depth {
            lengths.push(None);
        }
        let mut count = 0;
        let mut nested = None;
        self.skip_space();
        if depth > 0 && self.rest.starts_with('}') {
            return Err(self.unexpected());
        }
        if !self.take('}') {
            loop {
                self.skip_space();
                let is_level = self.rest.starts_with('{');
                if *nested.get_or_insert(is_level) != is_level {
                    return Err(self.unexpected());
                }
                if !is_level && *self.leaf_depth.get_or_insert(depth) != depth {
                    return Err(self.ragged());
                }
                if is_level {
                    self.level(depth + 1, lengths)?
                } else {
                    self.item()?
                }
                count += 1;
                if self.take('}') {
                    break;
                }
                if !self.take(',') {
                    return Err(self.unexpected());
                }
            }
        }
        match lengths[depth] {
            None => lengths[depth] = Some(count),
            Some(known) if known != count => return Err(self.ragged()),
            Some(_) => {}
        }
        Ok(())
    }

    fn ragged(&self) -> EvalError {
        self.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.".to_owned())
    }

    fn unexpected(&self) -> EvalError {
        self.malformed(match self.rest.chars().next() {
            None => "Unexpected end of input.".to_owned(),
            Some('"') => "Unexpected array element.".to_owned(),
            Some(c @ ('{' | '}' | ',' | '\\')) => std::format!("Unexpected \"{c}\" character."),
            Some(_) => "Unexpected array element.".to_owned(),
        })
    }

    /// One element, quoted or plain, up to the comma or brace after it.
    fn item(&mut self) -> Result<()> {
        if matches!(self.rest.chars().next(), None | Some('}' | ',')) {
            return Err(self.unexpected());
        }
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            let quoted = self.quoted()?;
            self.items.push(Some(quoted));
            return Ok(());
        }
        let mut value = String::new();
        let mut escaped = false;
        // Trailing space belongs to no element unless it is escaped.
        let mut kept = 0;
        loop {
            let Some(c) = self.rest.chars().next() else { return Err(self.unexpected()) };
            match c {
                ',' | '}' => break,
                '{' | '"' => return Err(self.unexpected()),
                '\\' => {
                    self.rest = &self.rest[1..];
                    value.push(self.any_char()?);
                    escaped = true;
                    kept = value.len();
                }
                _ => {
                    value.push(self.any_char()?);
                    kept = if is_space(c) { kept } else { value.len() };
                }
            }
        }
        value.truncate(kept);
        let null = !escaped && value.eq_ignore_ascii_case("null");
        self.items.push((!null).then_some(value));
        Ok(())
    }

    /// The rest of a quoted element.
    fn quoted(&mut self) -> Result<String> {
        let mut value = String::new();
        loop {
            match self.any_char()? {
                '"' => return Ok(value),
                '\\' => value.push(self.any_char()?),
                c => value.push(c),
            }
        }
    }

    fn any_char(&mut self) -> Result<char> {
        let c = self.rest.chars().next().ok_or_else(|| self.unexpected())?;
        self.rest = &self.rest[c.len_utf8()..];
        Ok(c)
    }

    /// The array's shape: as found, with the lower bounds that were declared.
    fn dimensions(&self, declared: &[Dimension], lengths: &[Option<u32>]) -> Result<Vec<Dimension>> {
        if self.items.is_empty() && declared.is_empty() {
            return Ok(Vec::new());
        }
        let found = || lengths.iter().map(|length| length.unwrap_or(0));
        if declared.is_empty() {
            return Ok(found().map(|length| Dimension { length, lower: 1 }).collect());
        }
        if !declared.iter().map(|d| d.length).eq(found()) {
            return Err(self.malformed("Specified array dimensions do not match array contents.".to_owned()));
        }
        Ok(declared.to_vec())
    }
}

fn too_many_dimensions(count: usize) -> EvalError {
    EvalError::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        std::format!("number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"),
    )
}
