//! The protocol, message by message: transcripts in `tests/protocol/`, and what no well-behaved client says.
//!
//! A transcript is what the client says (`> `) and what must come back (`< `). Lines of the client are sent in one write up
//! to one that ReadyForQuery answers (`>+ ` for one that it does not, because an error before it has everything passed
//! over), or to an empty line. `---` begins another connection; a connection starts ready for queries unless its first line
//! is `raw`. `PROTOCOL=name` runs the files whose name contains it; `REWRITE=1` writes what came into the files.

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
    let wanted = std::env::var("PROTOCOL").unwrap_or_default();
    let folder = std::fs::read_dir(harness::repository("tests/protocol")).expect("the folder is there");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    let mut failures = Vec::new();
    for file in files.iter().filter(|file| file.to_string_lossy().contains(&wanted)) {
        let server = Server::start(Options::default());
        failures.extend(run(file, server.port));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Where a key's rows and its errors lie makes no difference.
#[test]
fn errors_are_told_by_key_wherever_they_lie() {
    for options in
        [Options { workers: 2, ..Options::default() }, Options { processes: 2, ..Options::default() }]
    {
        let server = Server::start(options);
        let file = harness::repository("tests/protocol/errors_by_key.txt");
        assert_eq!(run(&file, server.port), None, "{options:?}");
    }
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
    let mut talk = Talk { out: String::new(), wire: None, saying: Vec::new(), answers: 0, port };
    let mut lines = text.lines().filter(|line| !line.starts_with("< ")).peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with('>') {
            talk.listen();
        }
        let _ = writeln!(talk.out, "{line}");
        match line {
            "---" => talk.wire = None,
            "raw" => talk.wire = Some(Wire::open(port)),
            line if line.is_empty() || line.starts_with('#') => {}
            line => {
                let continues = lines.peek().is_some_and(|next| next.starts_with("> Copy"));
                talk.say(line, continues);
            }
        }
    }
    talk.listen();
    talk.out
}

/// A transcript under way.
struct Talk<'t> {
    out: String,
    wire: Option<Wire>,
    saying: Vec<&'t str>,
    /// How many ReadyForQuery are to come.
    answers: usize,
    port: u16,
}

impl<'t> Talk<'t> {
    fn say(&mut self, line: &'t str, continues: bool) {
        let silent = line.strip_prefix(">+ ");
        let message =
            silent.or_else(|| line.strip_prefix("> ")).unwrap_or_else(|| panic!("what is {line:?}?"));
        self.saying.push(message);
        if silent.is_none() && harness::wire::is_answered(message) {
            self.answers += 1;
            if !continues {
                self.listen();
            }
        }
    }

    fn listen(&mut self) {
        if self.saying.is_empty() {
            return;
        }
        let wire = self.wire.get_or_insert_with(|| Wire::connect(self.port));
        wire.say(&self.saying);
        for line in wire.listen(self.answers) {
            let _ = writeln!(self.out, "< {line}");
        }
        self.saying.clear();
        self.answers = 0;
    }
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
    let server = Server::start(Options::default());
    let before = server.resident();
    let mut promises = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::connect(server.port);
        wire.say(&["bytes 51 3f ff ff fe 53 45 4c"]);
        promises.push(wire);
    }
    Wire::connect(server.port);
    let after = server.resident();
    assert!(after < before + (64 << 20), "{before} bytes before, {after} after");
}

fn rows_of(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("DataRow ")).collect()
}

/// Whoever reads nothing of a large answer waits alone, with little held for it, and can be cancelled.
#[test]
fn a_client_that_does_not_read_waits_alone() {
    let server = Server::start(Options::default());
    let mut other = Wire::connect(server.port);
    other.ask("CREATE TABLE t (a int, b text)");
    let before = server.resident();
    let mut silent: Vec<_> = (0..20).map(|_| Wire::connect(server.port)).collect();
    for wire in &mut silent {
        wire.say(&["Query SELECT repeat('x', 1000) FROM generate_series(1, 20000)"]);
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(rows_of(&other.ask("SELECT count(*) FROM t")), ["'0'"]);
    let after = server.resident();
    assert!(after < before + (700 << 20), "{before} bytes before, {after} after");
    for wire in &mut silent {
        wire.say(&["Cancel"]);
    }
    for mut wire in silent {
        let lines = wire.listen(1);
        let end = lines.iter().rev().nth(1).expect("an end");
        assert!(end.contains("57014") || end.contains("CommandComplete"), "{end}");
    }
}

/// What a client sends before it closes its half of the connection is answered.
#[test]
fn a_half_closed_connection_is_answered() {
    let server = Server::start(Options::default());
    let mut wire = Wire::connect(server.port);
    wire.say(&["Query SELECT 1", "Query SELECT 2", "finish"]);
    let lines = wire.listen(2);
    assert_eq!(rows_of(&lines), ["'1'", "'2'"]);
    assert_eq!(wire.listen(1), ["closed"]);
}

/// What one session locks others wait for: until it gives it back, its transaction ends, or it does. They wait no longer than they
/// want to, and never in a circle.
#[test]
fn advisory_locks_are_waited_for() {
    let server = Server::start(Options::default());
    let lock = "Query SELECT pg_advisory_lock(1)";
    let ends: [fn(Wire); 3] = [
        |mut wire| drop(wire.ask("SELECT pg_advisory_unlock_all()")),
        |mut wire| drop(wire.ask("ROLLBACK")),
        drop,
    ];
    let begins = [
        "SELECT pg_advisory_lock(1)",
        "BEGIN; SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_advisory_lock(1)",
    ];
    for (begin, end) in begins.into_iter().zip(ends) {
        let mut first = Wire::connect(server.port);
        assert_eq!(rows_of(&first.ask(begin)), ["''"]);
        let mut other = Wire::connect(server.port);
        assert_eq!(rows_of(&other.ask("SELECT pg_try_advisory_lock(1)")), ["'f'"]);
        let mut waiting = other.in_background(1);
        waiting.say(&[lock]);
        std::thread::sleep(std::time::Duration::from_millis(50));
        end(first);
        assert_eq!(rows_of(&waiting.lines()), ["''"], "{begin}");
    }

    let mut first = Wire::connect(server.port);
    let mut second = Wire::connect(server.port);
    first.ask("SELECT pg_advisory_lock(1)");
    second.ask("SELECT pg_advisory_lock(2)");
    let mut waiting = second.in_background(1);
    waiting.say(&[lock]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let refused = first.ask("SELECT pg_advisory_lock(2)").join("\n");
    assert!(refused.contains("40P01"), "{refused}");
    drop(first);
    assert_eq!(rows_of(&waiting.lines()), ["''"]);

    let mut first = Wire::connect(server.port);
    first.ask("SELECT pg_advisory_lock(1)");
    let mut other = Wire::connect(server.port);
    let process = rows_of(&other.ask("SELECT pg_backend_pid()"))[0].trim_matches('\'').to_owned();
    other.ask("SET statement_timeout = '100ms'");
    let late = other.ask("SELECT pg_advisory_lock(1)").join("\n");
    assert!(late.contains("57014"), "{late}");
    other.ask("SET statement_timeout = 0");
    let mut waiting = other.in_background(1);
    waiting.say(&[lock]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(rows_of(&first.ask(&format!("SELECT pg_cancel_backend({process})"))), ["'t'"]);
    let cancelled = waiting.lines().join("\n");
    assert!(cancelled.contains("57014"), "{cancelled}");
}

/// What a block wrote into a table that is no more cannot become visible, and is not said to be committed.
#[test]
fn a_block_that_wrote_into_a_dropped_table_is_refused() {
    let server = Server::start(Options::default());
    let (mut first, mut other) = (Wire::connect(server.port), Wire::connect(server.port));
    first.ask("CREATE TABLE kept (a int); CREATE TABLE dropped (a int)");
    first.ask("BEGIN; INSERT INTO kept VALUES (1); INSERT INTO dropped VALUES (1)");
    other.ask("DROP TABLE dropped; CREATE TABLE dropped (a int)");
    let refused = first.ask("COMMIT").join("\n");
    assert!(refused.contains("40001"), "{refused}");
    assert_eq!(rows_of(&first.ask("SELECT a FROM kept UNION ALL SELECT a FROM dropped")), [""; 0]);
}

/// Thirty thousand messages are answered, although nobody reads before all are sent.
#[test]
fn long_pipelines_are_answered() {
    let server = Server::start(Options::default());
    let mut wire = Wire::connect(server.port);
    wire.say(&["Parse s [23] SELECT $1 + 1", "Sync"]);
    wire.listen(1);
    let mut reader = wire.in_background(10_001);
    let pipeline: Vec<&str> =
        std::iter::repeat_n(["Bind - s [] ('41') []", "Execute - 0", "Sync"], 10_000).flatten().collect();
    reader.say(&pipeline);
    reader.say(&["Query SELECT 7"]);
    let lines = reader.lines();
    assert_eq!(rows_of(&lines).len(), 10_001, "{:?}", lines.last());
    assert_eq!(rows_of(&lines).last(), Some(&"'7'"));
}

/// A connection that breaks in the middle of a COPY or a block leaves nothing behind, and frees its tables.
#[test]
fn a_broken_connection_leaves_nothing() {
    let server = Server::start(Options::default());
    let mut other = Wire::connect(server.port);
    other.ask("CREATE TABLE t (a int PRIMARY KEY)");
    let mut copying = Wire::connect(server.port);
    copying.say(&["Query COPY t FROM STDIN", "CopyData 1\\n2\\n"]);
    copying.listen(0);
    let mut writing = Wire::connect(server.port);
    writing.ask("BEGIN");
    writing.ask("INSERT INTO t VALUES (3)");
    drop((copying, writing));
    assert_eq!(other.ask("INSERT INTO t VALUES (1)"), ["CommandComplete INSERT 0 1", "ReadyForQuery I"]);
    assert_eq!(rows_of(&other.ask("SELECT * FROM t")), ["'1'"]);
}

/// A stream is sent as it comes, in all three shapes, and ends when it is cancelled or nobody is there.
#[test]
fn streams_are_pushed_and_cancelled() {
    let server = Server::start(Options::default());
    let mut writer = Wire::connect(server.port);
    writer.ask("CREATE TABLE t (a int PRIMARY KEY, v int)");
    writer.ask("INSERT INTO t VALUES (1, 10)");
    for (start, prefix) in [("SUBSCRIBE t", "DataRow"), ("COPY (SUBSCRIBE t) TO STDOUT", "CopyData")] {
        let mut reader = Wire::connect(server.port);
        reader.say(&[&format!("Query {start}")]);
        let snapshot = reader.listen(0);
        assert_eq!(snapshot.len(), 2, "{snapshot:?}");
        writer.ask("UPDATE t SET v = v + 1");
        let update = reader.listen(0);
        assert!(update.len() == 2 && update.iter().all(|line| line.starts_with(prefix)), "{update:?}");
        reader.say(&["Cancel wrong"]);
        assert!(reader.listen(0).is_empty());
        let asked = std::time::Instant::now();
        reader.say(&["Cancel"]);
        let end = reader.listen(1);
        assert_eq!(end, ["Error ERROR 57014 canceling statement due to user request", "ReadyForQuery I"]);
        assert!(asked.elapsed() < std::time::Duration::from_secs(1), "{:?}", asked.elapsed());
        assert_eq!(rows_of(&reader.ask("SELECT count(*) FROM t")), ["'1'"]);
    }
}

#[test]
fn cursors_over_streams_wait_for_updates() {
    let server = Server::start(Options::default());
    let mut writer = Wire::connect(server.port);
    writer.ask("CREATE TABLE t (a int PRIMARY KEY, v int)");
    writer.ask("INSERT INTO t VALUES (1, 10)");
    let mut reader = Wire::connect(server.port);
    reader.ask("DECLARE c CURSOR FOR SUBSCRIBE t");
    assert_eq!(rows_of(&reader.ask("FETCH ALL FROM c")).len(), 1);
    assert_eq!(rows_of(&reader.ask("FETCH ALL FROM c WITH (timeout = '50ms')")).len(), 0);
    reader.say(&["Query FETCH ALL FROM c WITH (timeout = '10s')"]);
    writer.ask("UPDATE t SET v = v + 1");
    assert_eq!(rows_of(&reader.listen(1)).len(), 2);
    writer.ask("INSERT INTO t VALUES (2, 20), (3, 30), (4, 40)");
    assert_eq!(rows_of(&reader.ask("FETCH 2 FROM c")).len(), 2);
    assert_eq!(rows_of(&reader.ask("FETCH 2 FROM c")).len(), 1);
    let backward = reader.ask("FETCH BACKWARD 1 FROM c");
    assert!(backward[0].starts_with("Error ERROR 55000"), "{backward:?}");
    reader.ask("CLOSE c");
    // A portal with a limit is suspended with what there is, never with nothing.
    let portal = ["Parse - [] SUBSCRIBE t", "Bind p - [] () []", "Execute p 3", "Execute p 3", "Flush"];
    reader.ask("BEGIN");
    reader.say(&portal);
    let lines = reader.listen(0);
    assert_eq!(lines.iter().filter(|line| *line == "PortalSuspended").count(), 2, "{lines:?}");
    assert_eq!(rows_of(&lines).len(), 4);
}

#[test]
fn timeouts_end_what_takes_too_long() {
    let server = Server::start(Options::default());
    let mut wire = Wire::connect(server.port);
    wire.ask("CREATE TABLE t (a int)");
    wire.ask("SET statement_timeout = '100ms'");
    let lines = wire.ask("SUBSCRIBE t");
    assert_eq!(lines[1], "Error ERROR 57014 canceling statement due to statement timeout");
    wire.ask("SET statement_timeout = 0");
    wire.ask("SET idle_in_transaction_session_timeout = '100ms'");
    wire.ask("BEGIN");
    let end = wire.listen(1);
    assert_eq!(
        end,
        ["Error FATAL 25P03 terminating connection due to idle-in-transaction timeout", "closed"]
    );
}

/// What a derived stream could not evaluate is an error to its readers, and to nobody else; the stream goes on, a restart changes
/// nothing.
#[test]
fn a_derived_stream_keeps_what_it_could_not_evaluate() {
    let data = harness::Scratch::new("failures");
    let options = Options { data_dir: Some(data.path()), ..Options::default() };
    let mut server = Server::start(options);
    let mut wire = Wire::connect(server.port);
    wire.ask("CREATE STREAM a (x int, y text)");
    wire.ask("CREATE STREAM s AS SELECT x, y FROM a WHERE 10 / x > 1");
    wire.ask("CREATE STREAM u AS SELECT y FROM s WHERE x > 1");
    wire.ask("CREATE STREAM other AS SELECT y FROM a WHERE y < 'c'");
    wire.ask("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s");
    wire.ask("INSERT INTO a VALUES (2, 'a')");
    assert_eq!(rows_of(&wire.ask("SELECT y FROM u")), ["'a'"]);
    assert_eq!(rows_of(&wire.ask("SELECT n FROM v")), ["'1'"]);
    let mut subscriber = Wire::connect(server.port);
    subscriber.say(&["Query SUBSCRIBE s"]);
    assert_eq!(rows_of(&subscriber.listen(0)).len(), 1);
    wire.ask("INSERT INTO a VALUES (0, 'b')");
    let expected = "Error ERROR 22012 division by zero | H: A stream keeps what its query could not evaluate. \
                    Create it anew with a query that cannot fail, for example by CASE.";
    assert_eq!(subscriber.listen(1)[0], expected);
    wire.ask("INSERT INTO a VALUES (3, 'c')");
    for _ in 0..2 {
        for query in ["SELECT x FROM s", "SELECT count(*) FROM s", "SELECT y FROM u", "SELECT n FROM v"] {
            let lines = wire.ask(query);
            assert!(lines.iter().any(|line| line == expected), "{query}: {lines:?}");
        }
        assert_eq!(rows_of(&wire.ask("SELECT y FROM other ORDER BY y")), ["'a'", "'b'"]);
        server.kill();
        server = Server::start(options);
        wire = Wire::connect(server.port);
    }
    // The hint works, and what comes later is in the stream anew.
    wire.ask("DROP STREAM s CASCADE");
    wire.ask("CREATE STREAM s AS SELECT x, y FROM a WHERE CASE WHEN x <> 0 THEN 10 / x > 1 END");
    wire.ask("INSERT INTO a VALUES (0, 'd'), (4, 'e')");
    let lines = wire.ask("SELECT y FROM s ORDER BY y");
    assert_eq!(rows_of(&lines).last(), Some(&"'e'"), "{lines:?}");
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
