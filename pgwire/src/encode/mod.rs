//! Values on the wire: rows out, parameters in, each column in the format that the client chose.
//!
//! Rows go from their packed form straight into the connection's buffer; integers, booleans and texts without a detour.
//! A row whose column holds an evaluation error is not sent: the error is what the statement answers.

mod binary;
mod parameter;

use std::fmt::Write;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use compiler::catalog::{Catalog, builtin};
use compiler::repr::row::Datums;
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Datum, Row, Type};
use compiler::{Error, SqlState};

use crate::codec::{begin_frame, end_frame};

pub use binary::put_binary;
pub use parameter::{Parameter, decode_parameter, decode_parameters};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    pub fn of_code(code: i16) -> Result<Format, Error> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => {
                let message = format!("unsupported format code: {code}");
                Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
            }
        }
    }

    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }

    /// The format of one parameter from the codes of a Bind, whose number was checked: none means text, one means that for all.
    pub fn at(codes: &[i16], index: usize) -> Result<Format, Error> {
        match codes {
            [] => Ok(Format::Text),
            [code] => Format::of_code(*code),
            codes => Format::of_code(codes[index]),
        }
    }

    /// One format per column from the codes of a Bind: none means text, one means that for all.
    pub fn per_column(codes: &[i16], columns: usize) -> Result<Vec<Format>, Error> {
        match codes {
            [] => Ok(vec![Format::Text; columns]),
            [code] => Ok(vec![Format::of_code(*code)?; columns]),
            codes if codes.len() == columns => codes.iter().map(|code| Format::of_code(*code)).collect(),
            codes => {
                let message = format!(
                    "bind message has {} result formats but query has {columns} columns",
                    codes.len()
                );
                Err(Error::new(SqlState::PROTOCOL_VIOLATION, message))
            }
        }
    }
}

/// Writes the rows of one result.
pub struct RowEncoder {
    columns: Vec<(Type, Format)>,
    settings: TextSettings,
    scratch: String,
    /// Where a column holds oids of catalog entries, what they print as.
    names: Option<EntryNames>,
}

/// How the oids of catalog entries (`regclass` …) are printed and read for a session.
pub struct EntryNames {
    pub catalog: Arc<Catalog>,
    pub search_path: Vec<String>,
    pub user: String,
}

impl EntryNames {
    /// The number that a name sent as a parameter's text stands for; None where the text is to be read as it is.
    pub fn number(&self, typ: &Type, text: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
        let oid = builtin::entry_oid(typ, text, &self.catalog, &self.search_path, &self.user)?;
        Ok(oid.map(|oid| oid.to_string().into_bytes()))
    }

    /// The row with names in the place of the oids that are sent as text.
    fn named(&self, row: &[u8], columns: &[(Type, Format)]) -> Row {
        let texts: Vec<Option<String>> = Datums::new(row)
            .zip(columns)
            .map(|(datum, (typ, format))| match (datum, format) {
                (Datum::Int(oid), Format::Text) if typ.is_reg() => {
                    builtin::entry_name(typ, oid as u64, &self.catalog, &self.search_path, &self.user)
                }
                _ => None,
            })
            .collect();
        Row::pack(Datums::new(row).zip(&texts).map(|(datum, text)| match text {
            Some(text) => Datum::Text(text),
            None => datum,
        }))
    }
}

impl RowEncoder {
    pub fn new(columns: Vec<(Type, Format)>, settings: TextSettings) -> RowEncoder {
        RowEncoder { columns, settings, scratch: String::new(), names: None }
    }

    /// With the names of catalog entries, if a column is of such a type.
    pub fn with_names(mut self, names: impl FnOnce() -> EntryNames) -> RowEncoder {
        if self.columns.iter().any(|(typ, _)| typ.is_reg()) {
            self.names = Some(names());
        }
        self
    }

    /// Appends a DataRow. An error leaves `buf` as it was.
    pub fn put_row(&mut self, row: &[u8], buf: &mut BytesMut) -> Result<(), Error> {
        let named = self.names.as_ref().map(|names| names.named(row, &self.columns));
        let row = named.as_ref().map_or(row, Row::bytes);
        let start = buf.len();
        let frame = begin_frame(buf, b'D');
        let columns = self.columns.iter().map(|(typ, format)| (typ, *format));
        match put_values(row, columns, &self.settings, &mut self.scratch, buf) {
            Ok(()) => end_frame(buf, frame),
            Err(error) => {
                buf.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Appends a row as binary COPY has it: the number of values, then the values, each after its length.
pub fn put_tuple<'t>(
    row: &[u8],
    columns: impl ExactSizeIterator<Item = (&'t Type, Format)>,
    settings: &TextSettings,
    buf: &mut BytesMut,
) -> Result<(), Error> {
    put_values(row, columns, settings, &mut String::new(), buf)
}

#[inline]
fn put_values<'t>(
    row: &[u8],
    columns: impl ExactSizeIterator<Item = (&'t Type, Format)>,
    settings: &TextSettings,
    scratch: &mut String,
    buf: &mut BytesMut,
) -> Result<(), Error> {
    buf.put_u16(columns.len() as u16);
    let start = buf.len();
    let mut datums = Datums::new(row);
    for (typ, format) in columns {
        let datum = datums.next().expect("invariant: a result's rows have its columns");
        put_value(datum, typ, format, settings, scratch, buf)?;
        if buf.len() - start > VALUE_BYTES_MAX {
            let message = format!("a row of more than {VALUE_BYTES_MAX} bytes is too long to be sent");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
    }
    Ok(())
}

/// Appends a value with its length before it, as DataRow has it.
#[inline]
fn put_value(
    datum: Datum<'_>,
    typ: &Type,
    format: Format,
    settings: &TextSettings,
    scratch: &mut String,
    buf: &mut BytesMut,
) -> Result<(), Error> {
    match (datum, format) {
        (Datum::Null, _) => buf.put_i32(-1),
        (Datum::Error(error), _) => return Err(error.to_owned().into()),
        (datum, Format::Text) => put_sized(buf, |buf| put_text(datum, typ, settings, scratch, buf))?,
        (datum, Format::Binary) => put_sized(buf, |buf| put_binary(datum, typ, settings, buf))?,
    }
    Ok(())
}

/// The longest value, and the longest row, that is sent: what PostgreSQL can hold in one.
const VALUE_BYTES_MAX: usize = 0x3fff_ffff;

/// Appends what `put` appends, after its length.
fn put_sized(buf: &mut BytesMut, put: impl FnOnce(&mut BytesMut) -> Result<(), Error>) -> Result<(), Error> {
    let start = buf.len();
    buf.put_i32(0);
    put(buf)?;
    let length = buf.len() - start - 4;
    if length > VALUE_BYTES_MAX {
        let message = format!("a value of {length} bytes is too long to be sent");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    buf[start..start + 4].copy_from_slice(&(length as i32).to_be_bytes());
    Ok(())
}

/// Appends a value's text, which is neither NULL nor an error.
fn put_text(
    datum: Datum<'_>,
    typ: &Type,
    settings: &TextSettings,
    scratch: &mut String,
    buf: &mut BytesMut,
) -> Result<(), Error> {
    match (datum, typ) {
        (Datum::Text(text), _) => buf.put_slice(text.as_bytes()),
        (Datum::Bool(value), _) => buf.put_u8(if value { b't' } else { b'f' }),
        (Datum::Int(value), Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid) => put_int(value, buf),
        (datum, typ) => {
            scratch.clear();
            text::format(datum, typ, settings, scratch);
            buf.put_slice(scratch.as_bytes());
        }
    }
    Ok(())
}

fn put_int(value: i64, buf: &mut BytesMut) {
    let mut digits = IntDigits::default();
    write!(digits, "{value}").expect("invariant: an i64 has at most 20 characters");
    buf.put_slice(&digits.bytes[..digits.len]);
}

/// Room for an integer's text on the stack.
#[derive(Default)]
struct IntDigits {
    bytes: [u8; 20],
    len: usize,
}

impl Write for IntDigits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use compiler::scalar::EvalError;

    use super::*;

    #[test]
    fn an_error_cell_leaves_the_buffer_as_it_was() {
        let arena = bumpalo::Bump::new();
        let error = EvalError::division_by_zero();
        let row = Row::pack([Datum::Int(1), error.to_cell(&arena)]);
        let columns = vec![(Type::Int4, Format::Text), (Type::Int4, Format::Text)];
        let mut encoder = RowEncoder::new(columns, TextSettings::default());
        let mut buf = BytesMut::from(&b"before"[..]);
        assert_eq!(
            encoder.put_row(row.bytes(), &mut buf).unwrap_err().to_string(),
            "22012: division by zero"
        );
        assert_eq!(&buf[..], b"before");
    }

    #[test]
    fn a_row_is_one_frame() {
        let row = Row::pack([Datum::Int(i64::MIN), Datum::Null, Datum::Text("é"), Datum::Bool(true)]);
        let types = [Type::Int8, Type::Int4, Type::Text, Type::Bool];
        let columns = types.into_iter().map(|typ| (typ, Format::Text)).collect();
        let mut buf = BytesMut::new();
        RowEncoder::new(columns, TextSettings::default()).put_row(row.bytes(), &mut buf).unwrap();
        let expected =
            b"D\0\0\0\x2d\0\x04\0\0\0\x14-9223372036854775808\xff\xff\xff\xff\0\0\0\x02\xc3\xa9\0\0\0\x01t";
        assert_eq!(&buf[..], &expected[..]);
    }
}
