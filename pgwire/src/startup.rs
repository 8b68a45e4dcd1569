//! The words before a session: encryption requests, a cancel request, or the startup message.
//!
//! These packets have no type byte. Nobody is known yet, so everything is bounded: a packet's size, how often encryption
//! may be asked for, and (by the caller) the time for all of it together. Garbage is answered by closing the socket.

use bytes::{Buf, BytesMut};
use compiler::{Error, SqlState};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::{BackendMessage, Severity, utf8};

/// The longest startup packet, PostgreSQL's own limit.
const PACKET_BYTES_MAX: usize = 10_000;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// A protocol version: major in the upper half, minor in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    pub const V3_0: Version = Version(3 << 16);
    pub const V3_2: Version = Version(3 << 16 | 2);

    fn major(self) -> u32 {
        self.0 >> 16
    }

    fn minor(self) -> u32 {
        self.0 & 0xffff
    }

    /// The version that we speak with a client that asked for this one (3.1 was never used).
    fn spoken(self) -> Version {
        if self >= Version::V3_2 { Version::V3_2 } else { Version::V3_0 }
    }
}

/// What a client came for.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    Session(Startup),
    Cancel {
        process: i32,
        key: Vec<u8>,
    },
    /// The socket is to be closed; whatever there was to say has been said.
    Nothing,
}

/// A startup message.
#[derive(Debug, PartialEq, Eq)]
pub struct Startup {
    pub version: Version,
    pub user: String,
    pub database: String,
    /// Parameters in the order given; those of `options` (`-c name=value`) come first, as the weaker ones.
    pub parameters: Vec<(String, String)>,
    /// Protocol extensions (`_pq_.*`) that were asked for: there are none that we know.
    pub extensions: Vec<String>,
    /// Whether the client must be told which version and extensions it gets instead.
    pub negotiate: bool,
}

/// Reads packets until it is clear what the client wants. `buf` keeps what was read beyond them.
pub async fn negotiate<S>(socket: &mut S, buf: &mut BytesMut) -> std::io::Result<Opening>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut asked_ssl, mut asked_gss) = (false, false);
    loop {
        let Some(packet) = read_packet(socket, buf).await? else { return Ok(Opening::Nothing) };
        let code = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]);
        let body = &packet[4..];
        match code {
            CANCEL_REQUEST => return Ok(cancel(body)),
            SSL_REQUEST if !asked_ssl => asked_ssl = true,
            GSSENC_REQUEST if !asked_gss => asked_gss = true,
            version => {
                return match startup(Version(version), body) {
                    Ok(startup) => Ok(Opening::Session(startup)),
                    Err(error) => refuse(socket, version, &error).await,
                };
            }
        }
        // No encryption yet. Bytes that came unasked were meant to be smuggled into an encrypted session.
        socket.write_all(b"N").await?;
        if !buf.is_empty() {
            let kind = if code == SSL_REQUEST { "SSL" } else { "GSSAPI encryption" };
            let error = violation(format!("received unencrypted data after {kind} request"));
            return refuse(socket, Version::V3_0.0, &error).await;
        }
    }
}

/// One packet without its length; `None` when the socket ended or the length cannot be.
async fn read_packet<S: AsyncRead + Unpin>(
    socket: &mut S,
    buf: &mut BytesMut,
) -> std::io::Result<Option<BytesMut>> {
    while buf.len() < 4 {
        if socket.read_buf(buf).await? == 0 {
            return Ok(None);
        }
    }
    let length = u32::from_be_bytes([buf[0], buf[1], buf[2], buf[3]]) as usize;
    if !(8..=PACKET_BYTES_MAX).contains(&length) {
        return Ok(None);
    }
    while buf.len() < length {
        if socket.read_buf(buf).await? == 0 {
            return Ok(None);
        }
    }
    buf.advance(4);
    Ok(Some(buf.split_to(length - 4)))
}

fn cancel(body: &[u8]) -> Opening {
    match body {
        [a, b, c, d, key @ ..] if (4..=256).contains(&key.len()) => {
            Opening::Cancel { process: i32::from_be_bytes([*a, *b, *c, *d]), key: key.to_vec() }
        }
        _ => Opening::Nothing,
    }
}

/// Says why there will be no session. Protocol 2 clients read an error as `E` and plain text.
async fn refuse<S: AsyncWrite + Unpin>(
    socket: &mut S,
    version: u32,
    error: &Error,
) -> std::io::Result<Opening> {
    let mut out = BytesMut::new();
    if version >> 16 == 2 {
        out.extend_from_slice(format!("E{}\n\0", error.message).as_bytes());
    } else {
        BackendMessage::Error { severity: Severity::Fatal, error }.encode(&mut out);
    }
    socket.write_all(&out).await?;
    Ok(Opening::Nothing)
}

fn startup(version: Version, body: &[u8]) -> Result<Startup, Error> {
    if version.major() != 3 {
        let (major, minor) = (version.major(), version.minor());
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
        return Err(Error::unsupported(message));
    }
    let mut startup = Startup {
        version: version.spoken(),
        user: String::new(),
        database: String::new(),
        parameters: Vec::new(),
        extensions: Vec::new(),
        negotiate: false,
    };
    for (name, value) in pairs(body)? {
        match name.as_str() {
            "user" => startup.user = value,
            "database" => startup.database = value,
            "options" => startup.parameters.splice(0..0, options(&value)?).for_each(drop),
            "replication" if is_false(&value) => {}
            "replication" => return Err(Error::unsupported("replication connections are not supported")),
            _ if name.starts_with("_pq_.") => startup.extensions.push(name),
            _ => startup.parameters.push((name, value)),
        }
    }
    if startup.user.is_empty() {
        let code = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
        return Err(Error::new(code, "no PostgreSQL user name specified in startup packet"));
    }
    if startup.database.is_empty() {
        startup.database = startup.user.clone();
    }
    startup.negotiate = startup.version != version || !startup.extensions.is_empty();
    Ok(startup)
}

fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "no" | "0")
}

/// The names and values of a startup packet, each ended by NUL, the list by one more.
fn pairs(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let layout = || violation("invalid startup packet layout: expected terminator as last byte");
    let body = body.strip_suffix(b"\0").ok_or_else(layout)?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = body.strip_suffix(b"\0").ok_or_else(layout)?;
    let strings = body.split(|&b| b == 0).map(utf8).collect::<Result<Vec<_>, _>>()?;
    let (pairs, []) = strings.as_chunks::<2>() else { return Err(layout()) };
    Ok(pairs.iter().map(|[name, value]| (name.to_string(), value.to_string())).collect())
}

/// The settings of an `options` string: `-c name=value` and `--name=value`, blanks escaped by a backslash.
fn options(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut settings = Vec::new();
    let mut words = split_words(text).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let invalid = || {
            Error::new(
                SqlState::SYNTAX_ERROR,
                format!("invalid command-line argument for server process: {word}"),
            )
        };
        let setting = setting.ok_or_else(invalid)?;
        let (name, value) = setting.split_once('=').ok_or_else(invalid)?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = words.last_mut().expect("invariant: starts with one word, only grows");
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => word.push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn violation(message: impl Into<String>) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u32, body: &[u8]) -> Result<Startup, String> {
        startup(Version(version), body).map_err(|e| e.to_string())
    }

    #[test]
    fn database_defaults_to_user_and_options_are_weaker() {
        let body = b"user\0ann\0TimeZone\0UTC\0options\0-c a.b=x\\ y --search-path=s -cc.d=1\0\0";
        let got = of(Version::V3_0.0, body).unwrap();
        assert_eq!((got.user.as_str(), got.database.as_str(), got.negotiate), ("ann", "ann", false));
        let names: Vec<_> = got.parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(names, ["a.b=x y", "search_path=s", "c.d=1", "TimeZone=UTC"]);
    }

    #[test]
    fn other_versions_are_negotiated_or_refused() {
        let got = of(3 << 16 | 9999, b"user\0ann\0_pq_.x\0y\0\0").unwrap();
        assert_eq!((got.version, got.negotiate), (Version::V3_2, true));
        assert_eq!(got.extensions, ["_pq_.x"]);
        assert!(of(3 << 16 | 1, b"user\0ann\0\0").unwrap().negotiate);
        let error = of(4 << 16, b"user\0ann\0\0").unwrap_err();
        assert_eq!(error, "0A000: unsupported frontend protocol 4.0: server supports 3.0 to 3.2");
    }

    #[test]
    fn bad_packets_are_named() {
        let layout = "08P01: invalid startup packet layout: expected terminator as last byte";
        assert_eq!(of(Version::V3_0.0, b"user\0ann\0").unwrap_err(), layout);
        assert_eq!(of(Version::V3_0.0, b"user\0\0").unwrap_err(), layout);
        assert_eq!(of(Version::V3_0.0, b"").unwrap_err(), layout);
        let nobody = "28000: no PostgreSQL user name specified in startup packet";
        assert_eq!(of(Version::V3_0.0, b"\0").unwrap_err(), nobody);
        let error = of(Version::V3_0.0, b"user\0a\0options\0-x\0\0").unwrap_err();
        assert_eq!(error, "42601: invalid command-line argument for server process: -x");
    }
}
