//! Cuts the stream of a COPY into lines, wherever its messages were cut.
//!
//! What ends a line depends on the format: a backslash hides a newline in text, quotes hide it in csv. The first line's
//! end decides which kind all others must have, as in PostgreSQL, so that a stray carriage return is found and not loaded.

use std::ops::Range;

use compiler::{Error, SqlState};

/// A line longer than this is refused: somebody sends what is not lines.
const LINE_BYTES_MAX: usize = 256 << 20;

/// What can hide a line's end.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    Text,
    Csv {
        quote: u8,
        escape: u8,
    },
    /// Newlines are never inside: JSON escapes them.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Newline,
    Return,
    ReturnNewline,
}

/// The bytes that have come and are not consumed, and how far they were looked at.
pub struct Lines {
    mode: Mode,
    ending: Option<Ending>,
    buffer: Vec<u8>,
    /// Where the present line begins, whether it was begun, and how far it was looked at.
    start: usize,
    begun: bool,
    scanned: usize,
    in_quotes: bool,
    after_escape: bool,
    /// The number of the last line that was begun, from 1; newlines inside quotes count, as PostgreSQL counts them.
    number: u64,
    /// The end marker was there: what follows is not data.
    ended: bool,
}

/// How a look at one byte of a line went.
enum Step {
    /// Go on after so many bytes.
    Skip(usize),
    /// The line ends here; so many bytes end it.
    End(usize),
    /// The end marker is here: the line ends, and so do the data.
    Marker,
    NeedMore,
}

impl Lines {
    pub fn new(mode: Mode) -> Lines {
        Lines {
            mode,
            ending: None,
            buffer: Vec::new(),
            start: 0,
            begun: false,
            scanned: 0,
            in_quotes: false,
            after_escape: false,
            number: 0,
            ended: false,
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn push(&mut self, data: &[u8]) {
        if self.ended {
            return;
        }
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(data);
    }

    /// The next line without its end; `None` if more bytes are needed. At the stream's end the rest is a line.
    pub fn next(&mut self, at_end: bool) -> Result<Option<Range<usize>>, Error> {
        if self.ended {
            return Ok(None);
        }
        if self.start == self.buffer.len() {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.number += 1;
        }
        while self.scanned < self.buffer.len() {
            match self.look(at_end)? {
                Step::Skip(bytes) => self.scanned += bytes,
                Step::End(bytes) => return Ok(Some(self.take_line(bytes))),
                Step::Marker => return Ok(self.take_last_line()),
                Step::NeedMore => return self.need_more(),
            }
        }
        if at_end { Ok(Some(self.take_line(0))) } else { self.need_more() }
    }

    /// A line's bytes, until the next call of [`Lines::push`].
    pub fn bytes(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    fn take_line(&mut self, ending_bytes: usize) -> Range<usize> {
        let line = self.start..self.scanned;
        self.start = self.scanned + ending_bytes;
        self.scanned = self.start;
        self.begun = false;
        self.in_quotes = false;
        self.after_escape = false;
        line
    }

    fn take_last_line(&mut self) -> Option<Range<usize>> {
        self.ended = true;
        let line = self.take_line(0);
        (!line.is_empty()).then_some(line)
    }

    fn need_more(&self) -> Result<Option<Range<usize>>, Error> {
        if self.buffer.len() - self.start > LINE_BYTES_MAX {
            let message = format!("a line of more than {LINE_BYTES_MAX} bytes cannot be copied");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(None)
    }

    fn look(&mut self, at_end: bool) -> Result<Step, Error> {
        let rest = &self.buffer[self.scanned..];
        match self.mode {
            Mode::Json if rest[0] == b'\\' && self.scanned == self.start => lone_marker(rest, at_end),
            Mode::Json => Ok(match memchr::memchr(b'\n', rest) {
                Some(0) => Step::End(1),
                Some(bytes) => Step::Skip(bytes),
                None => Step::Skip(rest.len()),
            }),
            Mode::Text => match rest[0] {
                b'\\' => backslash(rest, at_end),
                b'\r' | b'\n' => self.line_end(at_end),
                _ => Ok(Step::Skip(memchr::memchr3(b'\\', b'\r', b'\n', rest).unwrap_or(rest.len()))),
            },
            Mode::Csv { quote, escape } => self.look_csv(quote, escape, at_end),
        }
    }

    fn look_csv(&mut self, quote: u8, escape: u8, at_end: bool) -> Result<Step, Error> {
        let rest = &self.buffer[self.scanned..];
        let byte = rest[0];
        // A quote that escapes itself needs no care: two of them leave the quotes and enter them again.
        let escapes = escape != quote && byte == escape;
        if escapes && self.in_quotes {
            self.after_escape = !self.after_escape;
        } else if byte == quote && !self.after_escape {
            self.in_quotes = !self.in_quotes;
        }
        if !escapes {
            self.after_escape = false;
        }
        if self.in_quotes {
            // PostgreSQL counts newlines from the first line's end on; before, it does not know yet that they are such.
            let newline = if self.ending == Some(Ending::Newline) { b'\n' } else { b'\r' };
            self.number += u64::from(byte == newline);
            return Ok(Step::Skip(1));
        }
        match byte {
            b'\r' | b'\n' => self.line_end(at_end),
            b'\\' if self.scanned == self.start && byte != quote => lone_marker(rest, at_end),
            _ => Ok(Step::Skip(1)),
        }
    }

    /// A carriage return or newline that nothing hides.
    fn line_end(&mut self, at_end: bool) -> Result<Step, Error> {
        let rest = &self.buffer[self.scanned..];
        if rest[0] == b'\n' {
            return match self.ending.get_or_insert(Ending::Newline) {
                Ending::Newline => Ok(Step::End(1)),
                Ending::Return | Ending::ReturnNewline => Err(self.stray("newline", "\\n")),
            };
        }
        let found = match rest.get(1) {
            None if !at_end => return Ok(Step::NeedMore),
            Some(b'\n') => Ending::ReturnNewline,
            _ => Ending::Return,
        };
        match (*self.ending.get_or_insert(found), found) {
            (Ending::Return, _) => Ok(Step::End(1)),
            (Ending::ReturnNewline, Ending::ReturnNewline) => Ok(Step::End(2)),
            _ => Err(self.stray("carriage return", "\\r")),
        }
    }

    fn stray(&self, what: &str, escaped: &str) -> Error {
        let (message, hint) = match self.mode {
            Mode::Csv { .. } => (
                format!("unquoted {what} found in data"),
                format!("Use quoted CSV field to represent {what}."),
            ),
            _ => (format!("literal {what} found in data"), format!("Use \"{escaped}\" to represent {what}.")),
        };
        Error::new(SqlState::BAD_COPY_FILE_FORMAT, message).hint(hint)
    }
}

/// A backslash hides what follows it, unless that is the point of the end marker.
fn backslash(rest: &[u8], at_end: bool) -> Result<Step, Error> {
    match (rest.get(1), rest.get(2)) {
        (None, _) if at_end => Ok(Step::Skip(1)),
        (None, _) => Ok(Step::NeedMore),
        (Some(b'.'), None) if !at_end => Ok(Step::NeedMore),
        (Some(b'.'), None | Some(b'\r' | b'\n')) => Ok(Step::Marker),
        (Some(b'.'), Some(_)) => {
            Err(Error::new(SqlState::BAD_COPY_FILE_FORMAT, "end-of-copy marker corrupt"))
        }
        (Some(_), _) => Ok(Step::Skip(2)),
    }
}

/// In csv and JSON the end marker stands alone on its line: psql sends it after rows that were typed.
fn lone_marker(rest: &[u8], at_end: bool) -> Result<Step, Error> {
    match (rest.get(1), rest.get(2)) {
        (None, _) | (Some(b'.'), None) if !at_end => Ok(Step::NeedMore),
        (Some(b'.'), None | Some(b'\r' | b'\n')) => Ok(Step::Marker),
        _ => Ok(Step::Skip(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input`, cut into pieces at each possible place; they must not depend on it.
    fn lines(mode: Mode, input: &str) -> Result<Vec<String>, String> {
        let mut results: Vec<_> = (0..=input.len())
            .map(|cut| {
                let (mut lines, mut out) = (Lines::new(mode), Vec::new());
                for (piece, last) in [(&input.as_bytes()[..cut], false), (&input.as_bytes()[cut..], true)] {
                    lines.push(piece);
                    while let Some(line) = lines.next(last).map_err(|e| e.to_string())? {
                        let text = String::from_utf8(lines.bytes(line).to_vec()).unwrap();
                        out.push(format!("{} {text}", lines.number()));
                    }
                }
                Ok(out)
            })
            .collect();
        results.dedup();
        assert_eq!(results.len(), 1, "{input:?} depends on where it is cut");
        results.remove(0)
    }

    const CSV: Mode = Mode::Csv { quote: b'"', escape: b'"' };

    #[test]
    fn lines_end_as_the_first_one_does() {
        assert_eq!(lines(Mode::Text, "a\nb\n").unwrap(), ["1 a", "2 b"]);
        assert_eq!(lines(Mode::Text, "a\r\n\r\nb").unwrap(), ["1 a", "2 ", "3 b"]);
        assert_eq!(lines(Mode::Text, "a\rb\r").unwrap(), ["1 a", "2 b"]);
        assert_eq!(
            lines(Mode::Text, "a\nb\r\n").unwrap_err(),
            "22P04: literal carriage return found in data"
        );
        assert_eq!(lines(Mode::Text, "a\r\nb\n").unwrap_err(), "22P04: literal newline found in data");
        assert_eq!(lines(CSV, "a\nb\r\n").unwrap_err(), "22P04: unquoted carriage return found in data");
    }

    #[test]
    fn backslashes_and_quotes_hide_ends() {
        assert_eq!(lines(Mode::Text, "a\\\nb\\\\\nc").unwrap(), ["1 a\\\nb\\\\", "2 c"]);
        assert_eq!(lines(CSV, "\"a\nb\",\"\"\"\n\"\nc").unwrap(), ["1 \"a\nb\",\"\"\"\n\"", "2 c"]);
        assert_eq!(lines(CSV, "a\n\"b\nc\"\nd").unwrap(), ["1 a", "3 \"b\nc\"", "4 d"]);
        let csv = Mode::Csv { quote: b'\'', escape: b'\\' };
        assert_eq!(lines(csv, "'a\\'\nb'\nc\\\n").unwrap(), ["1 'a\\'\nb'", "2 c\\"]);
    }

    #[test]
    fn the_marker_ends_the_data() {
        assert_eq!(lines(Mode::Text, "a\n\\.\nb\n").unwrap(), ["1 a"]);
        assert_eq!(lines(Mode::Text, "a\\.\nb\n").unwrap(), ["1 a"]);
        assert_eq!(lines(Mode::Text, "\\.x\n").unwrap_err(), "22P04: end-of-copy marker corrupt");
        assert_eq!(lines(CSV, "a\n\\.\nb\n").unwrap(), ["1 a"]);
        assert_eq!(lines(Mode::Json, "{}\n\\.\n").unwrap(), ["1 {}"]);
        assert_eq!(lines(Mode::Json, "{}\n\\.x\n").unwrap(), ["1 {}", "2 \\.x"]);
        assert_eq!(lines(CSV, "\\.x\n").unwrap(), ["1 \\.x"]);
    }
}
