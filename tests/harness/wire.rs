//! A raw client: it says exactly what it is told, well-formed or not, and shows what comes back, one line a message.
//!
//! Messages are written as `Query SELECT 1`, `Bind - s [1] (x'00000001', NULL) [0]` and so on (`-` is the empty name);
//! `bytes 51 00` is anything at all. Strings have `\n`, `\t`, `\\`, `\0` and `\xNN`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use postgres_protocol::message::frontend;

/// How long a server may think before a message that is expected counts as missing: long, because whoever listens in the background
/// begins to wait when a busy machine has not yet written down what is to be said.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing must come before an answer without an end counts as whole.
const QUIET: Duration = Duration::from_millis(150);

/// A connection to a server.
pub struct Wire {
    socket: TcpStream,
    received: BytesMut,
    port: u16,
    /// Process and key for a CancelRequest.
    key: Vec<u8>,
    /// Encryption was asked for, which is answered by a byte alone.
    byte_awaited: bool,
    closed: bool,
}

impl Wire {
    /// A connection on which nothing has been said.
    pub fn open(port: u16) -> Wire {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        socket.set_nodelay(true).expect("a TCP socket");
        Wire { socket, received: BytesMut::new(), port, key: Vec::new(), byte_awaited: false, closed: false }
    }

    /// A connection that is ready for queries.
    pub fn connect(port: u16) -> Wire {
        let mut wire = Wire::open(port);
        wire.say(&["Startup user=ann database=test"]);
        let greeting = wire.listen(1);
        assert_eq!(greeting.last().map(String::as_str), Some("ReadyForQuery I"), "{greeting:?}");
        wire
    }

    /// Sends messages in one write, but for waits.
    pub fn say(&mut self, messages: &[&str]) {
        let mut out = BytesMut::new();
        messages.iter().for_each(|message| self.put(message, &mut out));
        self.send(&mut out);
    }

    /// A server that has closed the socket is found out when it is listened to.
    fn send(&mut self, out: &mut BytesMut) {
        let _ = self.socket.write_all(out);
        out.clear();
    }

    /// A simple query's answer.
    pub fn ask(&mut self, sql: &str) -> Vec<String> {
        self.say(&[&format!("Query {sql}")]);
        self.listen(1)
    }

    /// Listens for so many ReadyForQuery in a thread of its own, so that talking and listening do not wait for each other.
    pub fn in_background(self, answers: usize) -> Background {
        let mut listener = Wire {
            socket: self.socket.try_clone().expect("a TCP socket"),
            received: BytesMut::new(),
            key: Vec::new(),
            ..self
        };
        Background { speaker: self, listener: std::thread::spawn(move || listener.listen(answers)) }
    }

    fn put(&mut self, message: &str, out: &mut BytesMut) {
        let (kind, rest) = message.split_once(' ').unwrap_or((message, ""));
        if self.put_special(kind, rest, out) {
            return;
        }
        let rest = unescape(rest);
        let text = String::from_utf8_lossy(&rest).into_owned();
        let done = match kind {
            "Query" => frontend::query(&text, out),
            "Parse" => parse(&text, out),
            "Bind" => bind(&text, out),
            "Describe" | "Close" => {
                let (variant, name) = text.split_once(' ').expect("Describe S name");
                let put = if kind == "Describe" { frontend::describe } else { frontend::close };
                put(variant.as_bytes()[0], unnamed(name), out)
            }
            "Execute" => {
                let (portal, limit) = text.split_once(' ').expect("Execute portal limit");
                frontend::execute(unnamed(portal), limit.parse().expect("a number"), out)
            }
            "CopyData" => frontend::CopyData::new(&rest[..]).map(|data| data.write(out)),
            "CopyFail" => frontend::copy_fail(&text, out),
            "CopyDone" => {
                frontend::copy_done(out);
                Ok(())
            }
            "Flush" => {
                frontend::flush(out);
                Ok(())
            }
            "Sync" => {
                frontend::sync(out);
                Ok(())
            }
            "Terminate" => {
                frontend::terminate(out);
                Ok(())
            }
            other => panic!("unknown message {other}"),
        };
        done.expect("the message can be encoded");
    }

    /// What is no ordinary message; false if it is one.
    fn put_special(&mut self, kind: &str, rest: &str, out: &mut BytesMut) -> bool {
        match kind {
            "bytes" => {
                let bytes = rest.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex"));
                out.extend(bytes);
                self.byte_awaited |= rest.contains("04 d2 16 2f") || rest.contains("04 d2 16 30");
            }
            "Startup" => {
                let parameters =
                    rest.split_whitespace().map(|pair| pair.split_once('=').expect("name=value"));
                frontend::startup_message(parameters, out).expect("the message can be encoded");
            }
            // The rest is the body as it stands, with escapes.
            "Message" => {
                let (tag, body) = rest.split_once(' ').unwrap_or((rest, ""));
                let body = unescape(body);
                out.put_u8(tag.as_bytes()[0]);
                out.put_u32(body.len() as u32 + 4);
                out.put_slice(&body);
            }
            "Cancel" => {
                self.send(out);
                let mut request = BytesMut::new();
                request.put_u32(self.key.len() as u32 + 8);
                request.put_u32(80_877_102);
                request.put_slice(&self.key);
                if rest == "wrong" {
                    *request.last_mut().expect("a request has bytes") ^= 1;
                }
                let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
                socket.write_all(&request).expect("the server reads");
                let _ = socket.read(&mut [0]);
            }
            "wait" => {
                self.send(out);
                std::thread::sleep(Duration::from_millis(rest.parse().expect("milliseconds")));
            }
            "finish" => {
                self.send(out);
                let _ = self.socket.shutdown(std::net::Shutdown::Write);
            }
            _ => return false,
        }
        true
    }

    /// What comes up to so many ReadyForQuery; with 0, until nothing comes any more.
    pub fn listen(&mut self, answers: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut ready = 0;
        while !self.closed && (answers == 0 || ready < answers) {
            match self.receive(if answers == 0 { QUIET } else { PATIENCE }) {
                Received::Message(tag, body) => {
                    if tag == b'K' {
                        self.key = body.to_vec();
                    }
                    ready += usize::from(tag == b'Z');
                    lines.push(show(tag, body));
                }
                Received::Byte(byte) => lines.push(format!("byte {}", byte as char)),
                Received::Nothing => break,
                Received::Closed => {
                    self.closed = true;
                    if !self.received.is_empty() {
                        lines.push(format!("bytes {}", escape(&self.received)));
                    }
                    lines.push("closed".to_owned());
                }
            }
        }
        lines
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn receive(&mut self, patience: Duration) -> Received {
        self.socket.set_read_timeout(Some(patience)).expect("not zero");
        loop {
            if let Some(received) = self.take() {
                return received;
            }
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk) {
                Ok(0) => return Received::Closed,
                Ok(n) => self.received.extend_from_slice(&chunk[..n]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    return Received::Nothing;
                }
                Err(_) => return Received::Closed,
            }
        }
    }

    fn take(&mut self) -> Option<Received> {
        let tag = *self.received.first()?;
        if std::mem::take(&mut self.byte_awaited) {
            self.received.advance(1);
            return Some(Received::Byte(tag));
        }
        let length = u32::from_be_bytes(self.received.get(1..5)?.try_into().expect("four bytes")) as usize;
        if self.received.len() < 1 + length {
            return None;
        }
        let mut message = self.received.split_to(1 + length);
        message.advance(5);
        Some(Received::Message(tag, message))
    }
}

/// A connection whose answers are collected by a thread.
pub struct Background {
    speaker: Wire,
    listener: std::thread::JoinHandle<Vec<String>>,
}

impl Background {
    pub fn say(&mut self, messages: &[&str]) {
        self.speaker.say(messages);
    }

    pub fn lines(self) -> Vec<String> {
        self.listener.join().expect("the listener does not panic")
    }
}

/// Whether a server answers the message with ReadyForQuery.
pub fn is_answered(message: &str) -> bool {
    let mut words = message.split(' ');
    match words.next() {
        Some("Query" | "Sync" | "Startup") => true,
        Some("Message") => matches!(words.next(), Some("Q" | "S" | "F")),
        _ => false,
    }
}

enum Received {
    Message(u8, BytesMut),
    Byte(u8),
    Nothing,
    Closed,
}

fn unnamed(name: &str) -> &str {
    if name == "-" { "" } else { name }
}

/// `name [types] sql`.
fn parse(text: &str, out: &mut BytesMut) -> std::io::Result<()> {
    let (name, rest) = text.split_once(' ').expect("Parse name [types] sql");
    let (types, sql) = bracketed(rest, '[', ']');
    let types = list(types).map(|oid| oid.parse().expect("an OID"));
    frontend::parse(unnamed(name), sql, types, out)
}

/// `portal statement [formats] (values) [result formats]`.
fn bind(text: &str, out: &mut BytesMut) -> std::io::Result<()> {
    let (portal, rest) = text.split_once(' ').expect("Bind portal statement ..");
    let (statement, rest) = rest.split_once(' ').expect("Bind portal statement ..");
    let (formats, rest) = bracketed(rest, '[', ']');
    let (values, rest) = bracketed(rest, '(', ')');
    let (results, _) = bracketed(rest, '[', ']');
    let code = |code: &str| code.parse::<i16>().expect("a format code");
    let value = |value: &str, buf: &mut BytesMut| {
        if value == "NULL" {
            return Ok(postgres_protocol::IsNull::Yes);
        }
        match value.strip_prefix('x') {
            Some(hex) => buf.extend(hex_bytes(hex.trim_matches('\''))),
            None => buf.extend_from_slice(value.trim_matches('\'').as_bytes()),
        }
        Ok(postgres_protocol::IsNull::No)
    };
    let done = frontend::bind(
        unnamed(portal),
        unnamed(statement),
        list(formats).map(code),
        list(values),
        value,
        list(results).map(code),
        out,
    );
    done.map_err(|_| std::io::Error::other("a Bind that cannot be encoded"))
}

fn bracketed(text: &str, open: char, close: char) -> (&str, &str) {
    let text = text.trim_start().strip_prefix(open).unwrap_or_else(|| panic!("{open} expected at {text:?}"));
    let (inside, rest) = text.split_once(close).unwrap_or_else(|| panic!("{close} expected"));
    (inside, rest.trim_start())
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|b| (b as char).to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'0') => out.push(0),
            Some(b'x') => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                out.extend(hex_bytes(std::str::from_utf8(&digits).expect("hex")));
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    out
}

/// A message as a line.
fn show(tag: u8, mut body: BytesMut) -> String {
    match tag {
        b'R' => format!("Authentication {}", body.get_i32()),
        b'K' => format!("BackendKeyData key of {} bytes", body.len() - 4),
        b'S' => format!("ParameterStatus {}={}", string(&mut body), string(&mut body)),
        b'v' => {
            let version = body.get_u32();
            let names: Vec<_> = (0..body.get_u32()).map(|_| string(&mut body)).collect();
            format!("NegotiateProtocolVersion {}.{} {names:?}", version >> 16, version & 0xffff)
        }
        b'Z' => format!("ReadyForQuery {}", body.get_u8() as char),
        b'T' => show_columns(&mut body),
        b'D' => show_values(&mut body),
        b't' => {
            let oids: Vec<_> = (0..body.get_u16()).map(|_| body.get_u32().to_string()).collect();
            format!("ParameterDescription {}", oids.join(" ")).trim_end().to_owned()
        }
        b'C' => format!("CommandComplete {}", string(&mut body)),
        b'E' => format!("Error {}", show_fields(&mut body)),
        b'N' => format!("Notice {}", show_fields(&mut body)),
        b'G' | b'H' => {
            let format = body.get_i8();
            let columns: Vec<_> = (0..body.get_u16()).map(|_| body.get_i16().to_string()).collect();
            let name = if tag == b'G' { "CopyIn" } else { "CopyOut" };
            format!("{name} {format} [{}]", columns.join(" "))
        }
        b'd' => format!("CopyData {}", escape(&body)),
        b'c' => "CopyDone".to_owned(),
        b'1' => "ParseComplete".to_owned(),
        b'2' => "BindComplete".to_owned(),
        b'3' => "CloseComplete".to_owned(),
        b'n' => "NoData".to_owned(),
        b's' => "PortalSuspended".to_owned(),
        b'I' => "EmptyQueryResponse".to_owned(),
        other => format!("unknown message {}", other as char),
    }
}

fn string(body: &mut BytesMut) -> String {
    let end = body.iter().position(|b| *b == 0).expect("a string ends");
    let text = String::from_utf8(body.split_to(end).to_vec()).expect("UTF-8");
    body.advance(1);
    text
}

/// `name:type` and, where it is not the usual, the typmod and the format.
fn show_columns(body: &mut BytesMut) -> String {
    let columns = (0..body.get_u16()).map(|_| {
        let name = string(body);
        let (_table, _attribute) = (body.get_u32(), body.get_i16());
        let (oid, _length, typmod) = (body.get_u32(), body.get_i16(), body.get_i32());
        let typmod = if typmod == -1 { String::new() } else { format!("({typmod})") };
        let format = if body.get_i16() == 1 { " binary" } else { "" };
        format!("{name}:{oid}{typmod}{format}")
    });
    format!("RowDescription {}", columns.collect::<Vec<_>>().join(", ")).trim_end().to_owned()
}

fn show_values(body: &mut BytesMut) -> String {
    let values = (0..body.get_u16()).map(|_| match body.get_i32() {
        -1 => "NULL".to_owned(),
        length => format!("'{}'", escape(&body.split_to(length as usize))),
    });
    format!("DataRow {}", values.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
}

/// Severity, code and message; then the other fields by their letters.
fn show_fields(body: &mut BytesMut) -> String {
    let mut fields = Vec::new();
    loop {
        match body.get_u8() {
            0 => break,
            tag => fields.push((tag, string(body))),
        }
    }
    let field = |wanted: u8| fields.iter().find(|(tag, _)| *tag == wanted).map_or("", |(_, text)| text);
    let mut line = format!("{} {} {}", field(b'V'), field(b'C'), field(b'M'));
    for (tag, text) in fields.iter().filter(|(tag, _)| !b"SVCM".contains(tag)) {
        line.push_str(&format!(" | {}: {text}", *tag as char));
    }
    escape(line.as_bytes())
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c if c < ' ' => out.push_str(&format!("\\x{:02x}", c as u32)),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}
