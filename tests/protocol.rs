//! The protocol, message by message: transcripts in `tests/protocol/`, and what no well-behaved client says.
//!
//! A transcript is what the client says (`> `) and what must come back (`< `). Lines of the client that follow each other
//! are sent in one write. `---` begins another connection; a connection starts ready for queries unless its first line is
//! `raw`. `PROTOCOL=name` runs the files whose name contains it; `REWRITE=1` writes what came into the files.

mod harness;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use harness::server::{Options, Server};
use harness::wire::Wire;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[test]
fn transcripts() {
    let server = Server::start(Options::default());
    let wanted = std::env::var("PROTOCOL").unwrap_or_default();
    let folder = std::fs::read_dir(harness::repository("tests/protocol")).expect("the folder is there");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    let mut failures = Vec::new();
    for file in files.iter().filter(|file| file.to_string_lossy().contains(&wanted)) {
        failures.extend(run(file, server.port));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// What differs in a file, if anything does.
fn run(file: &Path, port: u16) -> Option<String> {
    let text = std::fs::read_to_string(file).expect("it can be read");
    let got = converse(&text, port);
    if got == text {
        return None;
    }
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(file, got).expect("it can be written");
        return None;
    }
    let mut report = format!("{}:\n", file.display());
    for (number, (expected, came)) in text.lines().zip(got.lines()).enumerate() {
        if expected != came {
            let _ = write!(report, "line {}\n  expected {expected}\n  came     {came}\n", number + 1);
            return Some(report);
        }
    }
    let (expected, came) = (text.lines().count(), got.lines().count());
    let _ =
        write!(report, "{came} lines came, {expected} were expected; the last is {:?}", got.lines().last());
    Some(report)
}

/// The transcript with what came in the place of what was expected.
fn converse(text: &str, port: u16) -> String {
    let mut out = String::new();
    let mut wire: Option<Wire> = None;
    let mut saying: Vec<&str> = Vec::new();
    let listen = |wire: &mut Option<Wire>, saying: &mut Vec<&str>, out: &mut String| {
        if saying.is_empty() {
            return;
        }
        let wire = wire.get_or_insert_with(|| Wire::connect(port));
        let answers = wire.say(saying);
        for line in wire.listen(answers) {
            let _ = writeln!(out, "< {line}");
        }
        saying.clear();
    };
    for line in text.lines() {
        if let Some(message) = line.strip_prefix("> ") {
            saying.push(message);
            let _ = writeln!(out, "{line}");
            continue;
        }
        listen(&mut wire, &mut saying, &mut out);
        match line {
            "---" => wire = None,
            "raw" => wire = Some(Wire::open(port)),
            line if line.starts_with("< ") => continue,
            line if line.is_empty() || line.starts_with('#') => {}
            line => panic!("a line that is nothing: {line:?}"),
        }
        let _ = writeln!(out, "{line}");
    }
    listen(&mut wire, &mut saying, &mut out);
    out
}

/// Whatever bytes come, on whatever connection: others are served.
#[test]
fn noise_harms_nobody_else() {
    let server = Server::start(Options::default());
    let mut random = StdRng::seed_from_u64(harness::seed());
    let mut witness = Wire::connect(server.port);
    for round in 0..300 {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        let mut noise = Vec::new();
        if random.random_bool(0.8) {
            noise.extend_from_slice(b"\0\0\0\x13\0\x03\0\0user\0ann\0\0");
            noise[3] = noise.len() as u8;
        }
        for _ in 0..random.random_range(0..20) {
            noise.extend(random_message(&mut random));
        }
        let _ = socket.write_all(&noise);
        if random.random_bool(0.5) {
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let _ = socket.set_read_timeout(Some(std::time::Duration::from_millis(20)));
            let _ = socket.read(&mut [0; 512]);
        }
        drop(socket);
        if round % 25 == 0 {
            witness.say(&["Sync"]);
            assert_eq!(witness.listen(1), ["ReadyForQuery I"]);
        }
    }
    witness.say(&["Sync"]);
    assert_eq!(witness.listen(1), ["ReadyForQuery I"]);
}

/// Mostly a message's type and a true length, with a body that may be anything.
fn random_message(random: &mut StdRng) -> Vec<u8> {
    const TYPES: &[u8] = b"QPBDECHSFdcfpXz";
    const BODIES: &[&[u8]] = &[
        b"SELECT 1\0",
        b"\0SELECT $1\0\0\x01\0\0\0\x17",
        b"\0\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0",
        b"S\0",
        b"P\0",
        b"\0\0\0\0\0",
        b"COPY t FROM STDIN\0",
        b"BEGIN\0",
        b"",
    ];
    let mut body = BODIES[random.random_range(0..BODIES.len())].to_vec();
    for _ in 0..random.random_range(0..3) {
        match random.random_range(0..3) {
            0 if !body.is_empty() => {
                let at = random.random_range(0..body.len());
                body[at] = random.random();
            }
            1 => body.push(random.random()),
            _ => drop(body.pop()),
        }
    }
    let mut length = body.len() as u32 + 4;
    if random.random_bool(0.03) {
        length = [0, 3, 0x7fff_ffff, 0x4000_0000, length + 7][random.random_range(0..5)];
    }
    let mut message = vec![TYPES[random.random_range(0..TYPES.len())]];
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

/// A length promises nothing: memory is taken for bytes that have come.
#[test]
fn a_promised_gigabyte_takes_no_memory() {
    let mut server = Server::start(Options::default());
    let before = resident(server.process().id());
    let mut promises = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::connect(server.port);
        wire.say(&["bytes 51 3f ff ff fe 53 45 4c"]);
        promises.push(wire);
    }
    Wire::connect(server.port);
    let after = resident(server.process().id());
    assert!(after < before + (64 << 20), "{before} bytes before, {after} after");
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says it");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kilobytes << 10
}

/// Silent sockets do not keep others out.
#[test]
fn silent_sockets_keep_nobody_out() {
    let server = Server::start(Options::default());
    let silent: Vec<_> =
        (0..500).map_while(|_| TcpStream::connect(("127.0.0.1", server.port)).ok()).collect();
    let mut wire = Wire::connect(server.port);
    wire.say(&["Sync"]);
    assert_eq!(wire.listen(1), ["ReadyForQuery I"]);
    drop(silent);
}
