//! COPY's binary format: a signature, rows of sized values as binary send and receive have them, and a trailer.

use bytes::{Buf, BufMut, BytesMut};
use compiler::{Error, SqlState};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// The longest value that is collected: PostgreSQL's own limit.
const VALUE_BYTES_MAX: usize = 0x3fff_ffff;

/// The most bytes that are collected for one tuple.
const TUPLE_BYTES_MAX: usize = 1 << 30;

/// Appends what comes before the first row.
pub fn put_header(buf: &mut BytesMut) {
    buf.put_slice(SIGNATURE);
    buf.put_i32(0);
    buf.put_i32(0);
}

/// Appends what comes after the last row.
pub fn put_trailer(buf: &mut BytesMut) {
    buf.put_i16(-1);
}

/// Takes tuples off a stream of bytes.
#[derive(Default)]
pub struct Tuples {
    buffer: BytesMut,
    state: State,
    number: u64,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Header,
    Extension(usize),
    Rows,
    Ended,
}

/// A tuple's values, in bytes of [`Tuples`]; `None` is NULL.
pub type Values = Vec<Option<bytes::Bytes>>;

impl Tuples {
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The number of the tuple that is being read, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next tuple of `columns` values; `None` if more bytes are needed, or none will come.
    pub fn next(&mut self, columns: usize) -> Result<Option<Values>, Error> {
        loop {
            match self.state {
                State::Header if self.buffer.len() < 19 => return Ok(None),
                State::Header => self.state = State::Extension(self.header()?),
                State::Extension(0) => self.state = State::Rows,
                State::Extension(_) if self.buffer.is_empty() => return Ok(None),
                State::Extension(rest) => {
                    let skipped = rest.min(self.buffer.len());
                    self.buffer.advance(skipped);
                    self.state = State::Extension(rest - skipped);
                }
                State::Rows => return self.row(columns),
                State::Ended if self.buffer.is_empty() => return Ok(None),
                State::Ended => return Err(bad("received copy data after EOF marker")),
            }
        }
    }

    /// Err unless all that was to come has come.
    pub fn finish(&self) -> Result<(), Error> {
        match self.state {
            State::Ended => Ok(()),
            State::Header => Err(bad("COPY file signature not recognized")),
            // PostgreSQL takes the end of data for the trailer, between tuples.
            State::Rows if self.buffer.is_empty() => Ok(()),
            _ => Err(bad("unexpected EOF in COPY data")),
        }
    }

    fn header(&mut self) -> Result<usize, Error> {
        if self.buffer[..11] != *SIGNATURE {
            return Err(bad("COPY file signature not recognized"));
        }
        self.buffer.advance(11);
        let flags = self.buffer.get_u32();
        if flags & (1 << 16) != 0 {
            return Err(bad("invalid COPY file header (WITH OIDS)"));
        }
        if flags >> 16 != 0 {
            return Err(bad("unrecognized critical flags in COPY file header"));
        }
        usize::try_from(self.buffer.get_i32()).map_err(|_| bad("invalid COPY file header (missing length)"))
    }

    /// The next tuple, unless it is larger than anything that could be stored.
    fn row(&mut self, columns: usize) -> Result<Option<Values>, Error> {
        let row = self.whole_row(columns)?;
        if row.is_none() && self.buffer.len() > TUPLE_BYTES_MAX {
            let message = format!("a tuple of more than {TUPLE_BYTES_MAX} bytes cannot be copied");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(row)
    }

    /// Looks at a whole tuple before it takes any of it.
    fn whole_row(&mut self, columns: usize) -> Result<Option<Values>, Error> {
        let mut ahead = &self.buffer[..];
        if ahead.len() < 2 {
            return Ok(None);
        }
        self.number += 1;
        let count = ahead.get_i16();
        if count == -1 {
            self.buffer.advance(2);
            self.state = State::Ended;
            return self.next(columns);
        }
        if usize::try_from(count) != Ok(columns) {
            return Err(bad(format!("row field count is {count}, expected {columns}")));
        }
        let mut lengths = Vec::with_capacity(columns);
        for _ in 0..columns {
            let Some(length) = value_length(&mut ahead)? else {
                self.number -= 1;
                return Ok(None);
            };
            lengths.push(length);
        }
        self.buffer.advance(2);
        Ok(Some(lengths.into_iter().map(|length| self.take_value(length)).collect()))
    }

    fn take_value(&mut self, length: Option<usize>) -> Option<bytes::Bytes> {
        self.buffer.advance(4);
        length.map(|length| self.buffer.split_to(length).freeze())
    }
}

/// Steps over a value, whose length is `None` for NULL; outer `None` if it is not all there.
fn value_length(ahead: &mut &[u8]) -> Result<Option<Option<usize>>, Error> {
    if ahead.len() < 4 {
        return Ok(None);
    }
    let length = ahead.get_i32();
    if length == -1 {
        return Ok(Some(None));
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= VALUE_BYTES_MAX);
    let length = length.ok_or_else(|| bad("invalid field size"))?;
    if ahead.len() < length {
        return Ok(None);
    }
    ahead.advance(length);
    Ok(Some(Some(length)))
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<Option<Vec<u8>>>>, String> {
        let mut results: Vec<_> = (0..=bytes.len())
            .map(|cut| {
                let (mut tuples, mut out) = (Tuples::default(), Vec::new());
                for piece in [&bytes[..cut], &bytes[cut..]] {
                    tuples.push(piece);
                    while let Some(row) = tuples.next(2).map_err(|e| e.to_string())? {
                        out.push(row.into_iter().map(|v| v.map(|v| v.to_vec())).collect());
                    }
                }
                tuples.finish().map_err(|e| e.to_string())?;
                Ok(out)
            })
            .collect();
        results.dedup();
        assert_eq!(results.len(), 1, "depends on where it is cut");
        results.remove(0)
    }

    fn file(rows: &[u8]) -> Vec<u8> {
        let mut buf = BytesMut::new();
        put_header(&mut buf);
        buf.put_slice(rows);
        buf.to_vec()
    }

    #[test]
    fn tuples_are_read_at_any_cut() {
        let row = b"\0\x02\0\0\0\x01a\xff\xff\xff\xff";
        let expected = vec![vec![Some(b"a".to_vec()), None]];
        assert_eq!(read(&file(&[&row[..], b"\xff\xff"].concat())).unwrap(), expected);
        assert_eq!(read(&file(row)).unwrap(), expected);
    }

    #[test]
    fn bad_files_are_refused() {
        assert_eq!(
            read(b"PGCOPY\n\xff\r\n\x01\0\0\0\0\0\0\0\0").unwrap_err(),
            "22P04: COPY file signature not recognized"
        );
        assert_eq!(read(b"").unwrap_err(), "22P04: COPY file signature not recognized");
        assert_eq!(read(&file(b"\0\x03")).unwrap_err(), "22P04: row field count is 3, expected 2");
        assert_eq!(read(&file(b"\0\x02\xff\xff\xff\xf9")).unwrap_err(), "22P04: invalid field size");
        assert_eq!(read(&file(b"\0\x02\0\0\0\x01")).unwrap_err(), "22P04: unexpected EOF in COPY data");
        assert_eq!(read(&file(b"\xff\xffx")).unwrap_err(), "22P04: received copy data after EOF marker");
    }
}
