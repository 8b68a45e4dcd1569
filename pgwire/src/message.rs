//! The messages of the protocol as two closed enums: all that a client can say, and all that it can be told.
//!
//! Decoding checks everything about a body that its own bytes can tell: terminators, counts against what is there,
//! nothing left over, text that is UTF-8. What fails is the *body*, never the framing: the error is the client's, and the
//! session goes on. Rows are not among the values of [`BackendMessage`]: `encode` writes them straight into the buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use compiler::{Error, SqlState};

use crate::codec::put_frame;

/// All that a client says after startup.
#[derive(Debug, PartialEq, Eq)]
pub enum FrontendMessage {
    Query(String),
    Parse { name: String, sql: String, parameter_types: Vec<u32> },
    Bind(Bind),
    Describe(Target),
    Execute { portal: String, rows_max: i32 },
    Close(Target),
    Flush,
    Sync,
    FunctionCall,
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    Password,
    Terminate,
}

/// Values and formats for a prepared statement: what makes a portal of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Bind {
    pub portal: String,
    pub statement: String,
    pub parameter_formats: Vec<i16>,
    /// `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    pub result_formats: Vec<i16>,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    Statement(String),
    Portal(String),
}

impl FrontendMessage {
    /// Decodes a body whose type byte the codec has let through.
    pub fn decode(tag: u8, body: Bytes) -> Result<FrontendMessage, Error> {
        if tag == b'd' {
            return Ok(FrontendMessage::CopyData(body));
        }
        let mut body = Body(body);
        let message = match tag {
            b'Q' => FrontendMessage::Query(body.string()?),
            b'P' => body.parse()?,
            b'B' => FrontendMessage::Bind(body.bind()?),
            b'D' => FrontendMessage::Describe(body.target("DESCRIBE")?),
            b'E' => FrontendMessage::Execute { portal: body.string()?, rows_max: body.i32()? },
            b'C' => FrontendMessage::Close(body.target("CLOSE")?),
            b'H' => FrontendMessage::Flush,
            b'S' => FrontendMessage::Sync,
            b'F' => return Ok(FrontendMessage::FunctionCall),
            b'c' => FrontendMessage::CopyDone,
            b'f' => FrontendMessage::CopyFail(body.string()?),
            b'p' => return Ok(FrontendMessage::Password),
            b'X' => return Ok(FrontendMessage::Terminate),
            _ => unreachable!("invariant: the codec lets only known types through"),
        };
        body.finish()?;
        Ok(message)
    }
}

/// Whether a message of this type belongs to the extended protocol, where an error skips all until Sync.
pub fn is_extended(tag: u8) -> bool {
    matches!(tag, b'P' | b'B' | b'D' | b'E' | b'C' | b'H')
}

/// A body being taken apart.
struct Body(Bytes);

impl Body {
    fn parse(&mut self) -> Result<FrontendMessage, Error> {
        let name = self.string()?;
        let sql = self.string()?;
        let count = self.count()?;
        let parameter_types = (0..count).map(|_| self.u32()).collect::<Result<_, _>>()?;
        Ok(FrontendMessage::Parse { name, sql, parameter_types })
    }

    fn bind(&mut self) -> Result<Bind, Error> {
        let portal = self.string()?;
        let statement = self.string()?;
        let parameter_formats = self.formats()?;
        let count = self.count()?;
        let parameters = (0..count).map(|_| self.value()).collect::<Result<Vec<_>, _>>()?;
        let result_formats = self.formats()?;
        Ok(Bind { portal, statement, parameter_formats, parameters, result_formats })
    }

    fn target(&mut self, message: &str) -> Result<Target, Error> {
        match self.u8()? {
            b'S' => Ok(Target::Statement(self.string()?)),
            b'P' => Ok(Target::Portal(self.string()?)),
            other => Err(violation(format!("invalid {message} message subtype {other}"))),
        }
    }

    fn formats(&mut self) -> Result<Vec<i16>, Error> {
        let count = self.count()?;
        (0..count).map(|_| self.i16()).collect()
    }

    fn value(&mut self) -> Result<Option<Bytes>, Error> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| insufficient())?;
        self.need(length)?;
        Ok(Some(self.0.split_to(length)))
    }

    /// A count of things that follow, two bytes each at least: no count makes more room than the body has bytes.
    fn count(&mut self) -> Result<usize, Error> {
        let count = self.u16()? as usize;
        self.need(count * 2)?;
        Ok(count)
    }

    fn string(&mut self) -> Result<String, Error> {
        let end =
            self.0.iter().position(|&b| b == 0).ok_or_else(|| violation("invalid string in message"))?;
        let text = utf8(&self.0[..end])?.to_owned();
        self.0.advance(end + 1);
        Ok(text)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.need(2)?;
        Ok(self.0.get_u16())
    }

    fn i16(&mut self) -> Result<i16, Error> {
        self.need(2)?;
        Ok(self.0.get_i16())
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    fn i32(&mut self) -> Result<i32, Error> {
        self.need(4)?;
        Ok(self.0.get_i32())
    }

    fn need(&self, bytes: usize) -> Result<(), Error> {
        if self.0.len() < bytes { Err(insufficient()) } else { Ok(()) }
    }

    fn finish(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

/// Text from a client, or `22021` naming the bytes that are none.
pub fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|e| {
        let bad = &bytes[e.valid_up_to()..];
        let width = match bad[0] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        let shown: Vec<String> = bad.iter().take(width).map(|b| format!("0x{b:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
    })
}

fn violation(message: impl Into<String>) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, message)
}

fn insufficient() -> Error {
    violation("insufficient data left in message")
}

/// All that a client is told, but for rows.
#[derive(Debug)]
pub enum BackendMessage<'a> {
    AuthenticationOk,
    NegotiateProtocolVersion { newest: u32, unrecognized: &'a [String] },
    ParameterStatus { name: &'a str, value: &'a str },
    BackendKeyData { process: i32, key: &'a [u8] },
    ReadyForQuery(TransactionStatus),
    ParseComplete,
    BindComplete,
    CloseComplete,
    ParameterDescription(&'a [u32]),
    RowDescription(&'a [Field]),
    NoData,
    PortalSuspended,
    CommandComplete(&'a str),
    EmptyQueryResponse,
    CopyIn { format: i8, columns: usize },
    CopyOut { format: i8, columns: usize },
    CopyDone,
    Error { severity: Severity, error: &'a Error },
    Notice(&'a Notice),
}

/// The byte of ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}

/// How bad an error is: it ends the statement, or the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

/// A column of a RowDescription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub table: u32,
    pub attribute: i16,
    pub type_oid: u32,
    pub type_length: i16,
    pub typmod: i32,
    pub format: i16,
}

/// What a statement says beside its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub severity: NoticeSeverity,
    pub text: Error,
}

/// The severities of a NoticeResponse that a client may filter with `client_min_messages`, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeSeverity {
    Debug,
    Log,
    Notice,
    Warning,
}

impl BackendMessage<'_> {
    /// Appends the message as a frame.
    pub fn encode(&self, buf: &mut BytesMut) {
        match self {
            BackendMessage::AuthenticationOk => put_frame(buf, b'R', |b| b.put_i32(0)),
            BackendMessage::NegotiateProtocolVersion { newest, unrecognized } => put_frame(buf, b'v', |b| {
                b.put_u32(*newest);
                b.put_u32(unrecognized.len() as u32);
                unrecognized.iter().for_each(|name| put_string(b, name));
            }),
            BackendMessage::ParameterStatus { name, value } => put_frame(buf, b'S', |b| {
                put_string(b, name);
                put_string(b, value);
            }),
            BackendMessage::BackendKeyData { process, key } => put_frame(buf, b'K', |b| {
                b.put_i32(*process);
                b.put_slice(key);
            }),
            BackendMessage::ReadyForQuery(status) => put_frame(buf, b'Z', |b| b.put_u8(status.byte())),
            BackendMessage::ParseComplete => put_frame(buf, b'1', |_| {}),
            BackendMessage::BindComplete => put_frame(buf, b'2', |_| {}),
            BackendMessage::CloseComplete => put_frame(buf, b'3', |_| {}),
            BackendMessage::ParameterDescription(types) => put_frame(buf, b't', |b| {
                b.put_u16(types.len() as u16);
                types.iter().for_each(|oid| b.put_u32(*oid));
            }),
            BackendMessage::RowDescription(fields) => put_frame(buf, b'T', |b| {
                b.put_u16(fields.len() as u16);
                fields.iter().for_each(|field| field.encode(b));
            }),
            BackendMessage::NoData => put_frame(buf, b'n', |_| {}),
            BackendMessage::PortalSuspended => put_frame(buf, b's', |_| {}),
            BackendMessage::CommandComplete(tag) => put_frame(buf, b'C', |b| put_string(b, tag)),
            BackendMessage::EmptyQueryResponse => put_frame(buf, b'I', |_| {}),
            BackendMessage::CopyIn { format, columns } => put_copy_response(buf, b'G', *format, *columns),
            BackendMessage::CopyOut { format, columns } => put_copy_response(buf, b'H', *format, *columns),
            BackendMessage::CopyDone => put_frame(buf, b'c', |_| {}),
            BackendMessage::Error { severity, error } => {
                put_frame(buf, b'E', |b| put_error(b, severity.name(), error))
            }
            BackendMessage::Notice(notice) => {
                put_frame(buf, b'N', |b| put_error(b, notice.severity.name(), &notice.text))
            }
        }
    }
}

impl Field {
    fn encode(&self, buf: &mut BytesMut) {
        put_string(buf, &self.name);
        buf.put_u32(self.table);
        buf.put_i16(self.attribute);
        buf.put_u32(self.type_oid);
        buf.put_i16(self.type_length);
        buf.put_i32(self.typmod);
        buf.put_i16(self.format);
    }
}

impl TransactionStatus {
    fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InBlock => b'T',
            TransactionStatus::Failed => b'E',
        }
    }
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

impl NoticeSeverity {
    fn name(self) -> &'static str {
        match self {
            NoticeSeverity::Debug => "DEBUG",
            NoticeSeverity::Log => "LOG",
            NoticeSeverity::Notice => "NOTICE",
            NoticeSeverity::Warning => "WARNING",
        }
    }
}

/// A NUL inside would end the string early and lose framing for the client, so it is left out.
fn put_string(buf: &mut BytesMut, text: &str) {
    for piece in text.as_bytes().split(|&b| b == 0) {
        buf.put_slice(piece);
    }
    buf.put_u8(0);
}

fn put_copy_response(buf: &mut BytesMut, tag: u8, format: i8, columns: usize) {
    put_frame(buf, tag, |b| {
        b.put_i8(format);
        b.put_u16(columns as u16);
        (0..columns).for_each(|_| b.put_i16(format.into()));
    });
}

fn put_error(buf: &mut BytesMut, severity: &str, error: &Error) {
    let position = error.position.map(|p| p.to_string());
    let about = error.about.as_deref();
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(error.code.code())),
        (b'M', Some(error.message.as_str())),
        (b'D', error.detail.as_deref()),
        (b'H', error.hint.as_deref()),
        (b'P', position.as_deref()),
        (b'W', error.context.as_deref()),
        (b's', about.and_then(|a| a.schema.as_deref())),
        (b't', about.and_then(|a| a.table.as_deref())),
        (b'c', about.and_then(|a| a.column.as_deref())),
        (b'n', about.and_then(|a| a.constraint.as_deref())),
    ];
    for (tag, text) in fields {
        if let Some(text) = text {
            buf.put_u8(tag);
            put_string(buf, text);
        }
    }
    buf.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tag: u8, body: &'static [u8]) -> Result<FrontendMessage, String> {
        FrontendMessage::decode(tag, Bytes::from_static(body)).map_err(|e| e.to_string())
    }

    #[test]
    fn bad_bodies_are_errors() {
        let cases: &[(u8, &'static [u8], &str)] = &[
            (b'Q', b"SELECT 1", "08P01: invalid string in message"),
            (b'Q', b"", "08P01: invalid string in message"),
            (b'Q', b"SELECT 1\0x", "08P01: invalid message format"),
            (b'Q', b"\xff\0", "22021: invalid byte sequence for encoding \"UTF8\": 0xff"),
            (b'Q', b"a\xc0\x80\0", "22021: invalid byte sequence for encoding \"UTF8\": 0xc0 0x80"),
            (b'Q', b"\xed\xa0\x80\0", "22021: invalid byte sequence for encoding \"UTF8\": 0xed 0xa0 0x80"),
            (b'P', b"\0q\0\xff\xff", "08P01: insufficient data left in message"),
            (b'P', b"\0q\0\0\x05\0\0\0\x17", "08P01: insufficient data left in message"),
            (b'P', b"\0q\0\0\0junk", "08P01: invalid message format"),
            (b'B', b"\0\0\0\0\0\x01\0\0\x03\xe8abc\0\0", "08P01: insufficient data left in message"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "08P01: insufficient data left in message"),
            (b'D', b"X\0", "08P01: invalid DESCRIBE message subtype 88"),
            (b'C', b"X\0", "08P01: invalid CLOSE message subtype 88"),
            (b'E', b"\0\0\0", "08P01: insufficient data left in message"),
        ];
        for (tag, body, expected) in cases {
            assert_eq!(decode(*tag, body).unwrap_err(), *expected, "{} {body:?}", *tag as char);
        }
    }

    #[test]
    fn binds_nulls_and_formats() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02ab\0\x01\0\0";
        let bind = Bind {
            portal: "p".into(),
            statement: "s".into(),
            parameter_formats: vec![1],
            parameters: vec![None, Some(Bytes::from_static(b"ab"))],
            result_formats: vec![0],
        };
        assert_eq!(decode(b'B', body).unwrap(), FrontendMessage::Bind(bind));
    }
}
