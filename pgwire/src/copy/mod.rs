//! COPY's formats, without the protocol around them: bytes become rows, rows become bytes.
//!
//! Reading is incremental: a line is turned into datums as soon as it is whole, and no more than one line and one message
//! is held. An error names the line and the column, as PostgreSQL's context does.

mod binary;
mod csv;
mod json;
mod lines;
mod text;

use std::borrow::Cow;

use bumpalo::Bump;
use bytes::BytesMut;
use compiler::plan::{CopyFormat, Header};
use compiler::repr::row::Datums;
use compiler::repr::text::{self as repr_text, TextSettings};
use compiler::repr::{Datum, Type};
use compiler::{Error, SqlState};

use crate::encode::{Format, decode_parameter};
use crate::message::utf8;
use lines::{Lines, Mode};

/// What the rows are for.
pub struct Target {
    /// The table's name, for errors.
    pub table: String,
    /// The columns in the order in which a line gives them.
    pub columns: Vec<(String, Type)>,
    pub settings: TextSettings,
}

/// Takes a line's number and its cells in the target's order; `None` is for the column's default.
pub type RowSink<'s> = dyn FnMut(u64, &[Option<Datum<'_>>]) -> Result<(), Error> + 's;

/// Turns the data of a COPY FROM into rows.
pub struct CopyReader {
    target: Target,
    format: CopyFormat,
    input: Input,
    arena: Bump,
    /// What the next line is, if it is no row.
    header: Header,
}

enum Input {
    Lines(Lines),
    Tuples(binary::Tuples),
}

impl CopyReader {
    pub fn new(target: Target, format: CopyFormat) -> CopyReader {
        let input = match &format {
            CopyFormat::Text(_) => Input::Lines(Lines::new(Mode::Text)),
            CopyFormat::Csv(csv) => {
                Input::Lines(Lines::new(Mode::Csv { quote: csv.quote, escape: csv.escape }))
            }
            CopyFormat::Json => Input::Lines(Lines::new(Mode::Json)),
            CopyFormat::Binary => Input::Tuples(binary::Tuples::default()),
        };
        let header = match &format {
            CopyFormat::Text(text) => text.header,
            CopyFormat::Csv(csv) => csv.header,
            CopyFormat::Json | CopyFormat::Binary => Header::None,
        };
        CopyReader { target, format, input, arena: Bump::new(), header }
    }

    /// Gives `sink` the rows that are whole with these data.
    pub fn push(&mut self, data: &[u8], sink: &mut RowSink<'_>) -> Result<(), Error> {
        match &mut self.input {
            Input::Lines(lines) => lines.push(data),
            Input::Tuples(tuples) => tuples.push(data),
        }
        self.rows(false, sink)
    }

    /// Gives `sink` what is left when no more data come.
    pub fn finish(&mut self, sink: &mut RowSink<'_>) -> Result<(), Error> {
        self.rows(true, sink)
    }

    fn rows(&mut self, at_end: bool, sink: &mut RowSink<'_>) -> Result<(), Error> {
        let mut input = std::mem::replace(&mut self.input, Input::Tuples(binary::Tuples::default()));
        let result = match &mut input {
            Input::Lines(lines) => self.lines(lines, at_end, sink),
            Input::Tuples(tuples) => self.tuples(tuples, at_end, sink),
        };
        self.input = input;
        result
    }

    fn lines(&mut self, lines: &mut Lines, at_end: bool, sink: &mut RowSink<'_>) -> Result<(), Error> {
        loop {
            let line = match lines.next(at_end) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.at_line(error, lines.number())),
            };
            match std::mem::take(&mut self.header) {
                Header::None => {
                    self.arena.reset();
                    self.line(lines.bytes(line), lines.number(), sink)?;
                }
                Header::Names => {}
                Header::Match => self.check_header(lines.bytes(line), lines.number())?,
            }
        }
    }

    fn line(&self, line: &[u8], number: u64, sink: &mut RowSink<'_>) -> Result<(), Error> {
        match &self.format {
            CopyFormat::Json => self.object(line, number, sink),
            _ => self.fields(&self.split(line, number)?, line, number, sink),
        }
    }

    /// The fields of a line; None is NULL.
    fn split<'l>(&self, line: &'l [u8], number: u64) -> Result<Vec<Option<Cow<'l, [u8]>>>, Error> {
        let mut fields = Vec::new();
        match &self.format {
            CopyFormat::Text(format) => text::split(line, format, &mut fields),
            CopyFormat::Csv(format) => {
                csv::split(line, format, &mut fields).map_err(|e| self.with_line(e, line, number))?;
            }
            CopyFormat::Json | CopyFormat::Binary => unreachable!("invariant: only lines have fields"),
        }
        Ok(fields)
    }

    /// HEADER MATCH: the line names the columns.
    fn check_header(&self, line: &[u8], number: u64) -> Result<(), Error> {
        let fields = self.split(line, number)?;
        let columns = &self.target.columns;
        if fields.len() != columns.len() {
            let (got, expected) = (fields.len(), columns.len());
            let error = bad(format!("wrong number of fields in header line: got {got}, expected {expected}"));
            return Err(self.with_line(error, line, number));
        }
        for (at, (field, (name, _))) in fields.iter().zip(columns).enumerate() {
            let got = match field.as_deref() {
                Some(field) if field == name.as_bytes() => continue,
                Some(field) => format!("\"{}\"", String::from_utf8_lossy(field)),
                None => format!("null value (\"{}\")", self.null()),
            };
            let error = bad(format!(
                "column name mismatch in header line field {}: got {got}, expected \"{name}\"",
                at + 1
            ));
            return Err(self.with_line(error, line, number));
        }
        Ok(())
    }

    /// What NULL is written as.
    fn null(&self) -> &str {
        match &self.format {
            CopyFormat::Text(format) => &format.null,
            CopyFormat::Csv(format) => &format.null,
            CopyFormat::Json | CopyFormat::Binary => "",
        }
    }

    fn fields(
        &self,
        fields: &[Option<Cow<'_, [u8]>>],
        line: &[u8],
        number: u64,
        sink: &mut RowSink<'_>,
    ) -> Result<(), Error> {
        let columns = &self.target.columns;
        if fields.len() < columns.len() {
            let error = bad(format!("missing data for column \"{}\"", columns[fields.len()].0));
            return Err(self.with_line(error, line, number));
        }
        // A table without columns has lines without fields, which look like one empty field.
        if fields.len() > columns.len() && !(columns.is_empty() && line.is_empty()) {
            return Err(self.with_line(bad("extra data after last expected column"), line, number));
        }
        let cells = fields.iter().zip(columns).map(|(field, (name, typ))| {
            let Some(bytes) = field else { return Ok(Some(Datum::Null)) };
            let text = plain_text(bytes).map_err(|e| self.at_line(e, number))?;
            let datum = repr_text::parse(typ, text, &self.target.settings, &self.arena);
            datum.map(Some).map_err(|e| self.with_column(e.into(), name, Some(text), number))
        });
        self.give(cells.collect::<Result<Vec<_>, _>>()?, number, sink)
    }

    fn object(&self, line: &[u8], number: u64, sink: &mut RowSink<'_>) -> Result<(), Error> {
        let text = utf8(line).map_err(|e| self.at_line(e, number))?;
        let Some(mut object) = json::parse_line(text).map_err(|e| self.with_line(e, line, number))? else {
            return Ok(());
        };
        let mut cells = Vec::with_capacity(self.target.columns.len());
        for (name, typ) in &self.target.columns {
            let Some(value) = object.remove(name) else {
                cells.push(None);
                continue;
            };
            let datum = json::datum(&value, typ, &self.target.settings, &self.arena);
            cells.push(Some(datum.map_err(|e| self.with_column(e, name, Some(&value.to_string()), number))?));
        }
        if let Some(unknown) = object.keys().next() {
            let names: Vec<_> = self.target.columns.iter().map(|(name, _)| name.as_str()).collect();
            let error = bad(format!("key \"{unknown}\" is not a column of the COPY"))
                .hint(format!("The columns are {}.", names.join(", ")));
            return Err(self.with_line(error, line, number));
        }
        self.give(cells, number, sink)
    }

    fn tuples(
        &mut self,
        tuples: &mut binary::Tuples,
        at_end: bool,
        sink: &mut RowSink<'_>,
    ) -> Result<(), Error> {
        loop {
            let next = tuples.next(self.target.columns.len());
            let Some(values) = next.map_err(|e| self.at_line(e, tuples.number()))? else { break };
            self.arena.reset();
            self.tuple(&values, tuples.number(), sink)?;
        }
        if at_end { tuples.finish().map_err(|e| self.at_line(e, tuples.number())) } else { Ok(()) }
    }

    fn tuple(&self, values: &binary::Values, number: u64, sink: &mut RowSink<'_>) -> Result<(), Error> {
        let cells = values.iter().zip(&self.target.columns).map(|(value, (name, typ))| {
            let Some(bytes) = value else { return Ok(Some(Datum::Null)) };
            let datum = decode_parameter(bytes, typ, Format::Binary, &self.target.settings, &self.arena);
            datum.map(Some).map_err(|e| self.with_column(e, name, None, number))
        });
        self.give(cells.collect::<Result<Vec<_>, _>>()?, number, sink)
    }

    fn give(&self, cells: Vec<Option<Datum<'_>>>, number: u64, sink: &mut RowSink<'_>) -> Result<(), Error> {
        sink(number, &cells).map_err(|error| self.at_line(error, number))
    }

    fn at_line(&self, error: Error, number: u64) -> Error {
        error.context(line_context(&self.target.table, number))
    }

    fn with_line(&self, error: Error, line: &[u8], number: u64) -> Error {
        let line = shortened(&String::from_utf8_lossy(line));
        error.context(format!("COPY {}, line {number}: \"{line}\"", self.target.table))
    }

    fn with_column(&self, error: Error, column: &str, value: Option<&str>, number: u64) -> Error {
        let value = value.map_or_else(String::new, |value| format!(": \"{}\"", shortened(value)));
        error.context(format!("COPY {}, line {number}, column {column}{value}", self.target.table))
    }
}

/// What an error says of a line.
pub fn line_context(table: &str, number: u64) -> String {
    format!("COPY {table}, line {number}")
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}

/// Text without NUL, which no text value can hold.
fn plain_text(bytes: &[u8]) -> Result<&str, Error> {
    if memchr::memchr(0, bytes).is_some() {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    utf8(bytes)
}

/// As much of a value as PostgreSQL shows in a context.
fn shortened(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 100;
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)])
}

/// Turns rows into the data of a COPY TO. Each call appends what one CopyData holds.
pub struct CopyWriter {
    columns: Vec<(String, Type)>,
    format: CopyFormat,
    settings: TextSettings,
    /// One field's text each, used again for each row.
    fields: Vec<String>,
    line: Vec<u8>,
    /// Of binary data: the signature was written.
    signed: bool,
}

impl CopyWriter {
    pub fn new(columns: Vec<(String, Type)>, format: CopyFormat, settings: TextSettings) -> CopyWriter {
        let fields = vec![String::new(); columns.len()];
        let settings = if format == CopyFormat::Json { settings.standard() } else { settings };
        CopyWriter { columns, format, settings, fields, line: Vec::new(), signed: false }
    }

    /// Whether the client is told that binary data come.
    pub fn is_binary(&self) -> bool {
        self.format == CopyFormat::Binary
    }

    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// What comes before the first row, if anything does. The signature of binary data comes with the first row, or with the trailer:
    /// drivers take what one CopyData holds for one row.
    pub fn header(&mut self) -> Option<&[u8]> {
        self.line.clear();
        let names = self.columns.iter().map(|(name, _)| Some(name.as_str()));
        match &self.format {
            CopyFormat::Text(format) if format.header == Header::Names => {
                text::put_line(names, format, &mut self.line)
            }
            CopyFormat::Csv(format) if format.header == Header::Names => {
                let unforced = compiler::plan::CsvFormat { force_quote: Vec::new(), ..format.clone() };
                csv::put_line(names, &unforced, &mut self.line);
            }
            _ => return None,
        }
        Some(&self.line)
    }

    /// A row's line.
    pub fn row(&mut self, row: &[u8]) -> Result<&[u8], Error> {
        self.line.clear();
        match &self.format {
            CopyFormat::Json => {
                let mut line = String::new();
                json::put_line(row, &self.columns, &self.settings, &mut line)?;
                self.line.extend_from_slice(line.as_bytes());
            }
            CopyFormat::Binary => {
                let mut tuple = self.signature();
                let columns = self.columns.iter().map(|(_, typ)| (typ, Format::Binary));
                crate::encode::put_tuple(row, columns, &self.settings, &mut tuple)?;
                self.line.extend_from_slice(&tuple);
            }
            CopyFormat::Text(_) | CopyFormat::Csv(_) => self.fields(row)?,
        }
        Ok(&self.line)
    }

    /// The signature, unless it was written.
    fn signature(&mut self) -> BytesMut {
        let mut data = BytesMut::new();
        if !std::mem::replace(&mut self.signed, true) {
            binary::put_header(&mut data);
        }
        data
    }

    fn fields(&mut self, row: &[u8]) -> Result<(), Error> {
        let mut nulls = vec![false; self.columns.len()];
        for (index, (datum, (_, typ))) in Datums::new(row).zip(&self.columns).enumerate() {
            self.fields[index].clear();
            match datum {
                Datum::Null => nulls[index] = true,
                Datum::Error(error) => return Err(error.to_owned().into()),
                datum => repr_text::format(datum, typ, &self.settings, &mut self.fields[index]),
            }
        }
        let fields = self.fields.iter().zip(&nulls).map(|(text, null)| (!null).then_some(text.as_str()));
        match &self.format {
            CopyFormat::Text(format) => text::put_line(fields, format, &mut self.line),
            CopyFormat::Csv(format) => csv::put_line(fields, format, &mut self.line),
            CopyFormat::Json | CopyFormat::Binary => {
                unreachable!("invariant: the caller matched text and csv")
            }
        }
        Ok(())
    }

    /// What comes after the last row, if anything does.
    pub fn trailer(&mut self) -> Option<&[u8]> {
        if !self.is_binary() {
            return None;
        }
        let mut trailer = self.signature();
        binary::put_trailer(&mut trailer);
        self.line.clear();
        self.line.extend_from_slice(&trailer);
        Some(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use compiler::plan::TextFormat;

    use super::*;

    fn read(format: CopyFormat, data: &str) -> Result<Vec<String>, String> {
        let target = Target {
            table: "t".to_owned(),
            columns: vec![("a".to_owned(), Type::Text), ("b".to_owned(), Type::Text)],
            settings: TextSettings::default(),
        };
        let mut rows = Vec::new();
        let mut reader = CopyReader::new(target, format);
        let mut sink = |_, cells: &[Option<Datum<'_>>]| {
            rows.push(format!("{cells:?}"));
            Ok(())
        };
        let data = data.as_bytes();
        let result = data.chunks(3).try_for_each(|piece| reader.push(piece, &mut sink));
        match result.and_then(|()| reader.finish(&mut sink)) {
            Ok(()) => Ok(rows),
            Err(error) => Err(format!("{error}; {}", error.context.as_deref().unwrap_or_default())),
        }
    }

    fn text() -> CopyFormat {
        CopyFormat::Text(TextFormat { delimiter: b'\t', null: "\\N".to_owned(), header: Header::Names })
    }

    #[test]
    fn errors_name_line_and_column() {
        let cases = [
            (text(), "a\tb\nx", "22P04: missing data for column \"b\"; COPY t, line 2: \"x\""),
            (
                text(),
                "a\tb\nx\ty\tz\n",
                "22P04: extra data after last expected column; COPY t, line 2: \"x\ty\tz\"",
            ),
            (
                text(),
                "a\tb\nx\ty\nx\\377\ty",
                "22021: invalid byte sequence for encoding \"UTF8\": 0xff; COPY t, line 3",
            ),
            (
                CopyFormat::Json,
                "{\"a\": \"x\"}\n{\"c\": 1}",
                "22P04: key \"c\" is not a column of the COPY; COPY t, line 2: \"{\"c\": 1}\"",
            ),
            (
                CopyFormat::Json,
                "{\"a\": \"\\u0000\"}",
                "22P05: unsupported Unicode escape sequence; COPY t, line 1, column a: \"\"\\u0000\"\"",
            ),
        ];
        for (format, data, expected) in cases {
            assert_eq!(read(format, data).unwrap_err(), expected);
        }
    }
}
