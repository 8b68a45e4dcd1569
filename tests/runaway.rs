//! Statements that would take for ever: whoever runs one harms nobody, can end it at once, and leaves nothing behind.

mod harness;

use std::process::Command;
use std::time::{Duration, Instant};

use harness::server::{Options, Server};
use harness::wire::Wire;

/// Each would run for hours, or fill the memory, and in a place of its own: a call of a table function, a join, a reduction over it, calls
/// of calls, the interpreter of the catalog, a write.
const ENDLESS: &[&str] = &[
    "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b",
    "SELECT a % 10, max(a * b) FROM generate_series(1, 20000) a, generate_series(1, 1000000) b GROUP BY 1",
    "SELECT count(*) FROM generate_series(1, 1000000000) a, LATERAL generate_series(1, a) b WHERE a + b < 0",
    "SELECT count(*) FROM few, few a, few b, few c, few d WHERE a.x + b.x + c.x + d.x < 0",
    "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d WHERE a.oid::int8 + b.oid::int8 + c.oid::int8 + d.oid::int8 < 0",
    "INSERT INTO few SELECT a FROM generate_series(1, 1000000000) a WHERE a < 0",
    "SELECT string_agg(x::text, '') FROM few, generate_series(1, 1000000000) WHERE x < 0",
];

/// More than the others should ever wait, where tests share two cores.
const PATIENCE: Duration = Duration::from_secs(5);

fn begin(server: &Server, sql: &str) -> Wire {
    let mut wire = Wire::connect(server.port);
    wire.say(&[&format!("Query {sql}")]);
    std::thread::sleep(Duration::from_millis(400));
    wire
}

fn is_answered_soon(wire: &mut Wire, sql: &str, beside: &str) {
    let asked = Instant::now();
    let lines = wire.ask(sql);
    assert!(lines.iter().any(|line| line.starts_with("CommandComplete")), "{sql}: {lines:?}");
    assert!(asked.elapsed() < PATIENCE, "{sql} took {:?} beside {beside}", asked.elapsed());
}

#[test]
fn a_statement_without_end_holds_nobody_and_is_cancelled_at_once() {
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut other = Wire::connect(server.port);
    other.ask("CREATE TABLE few (x int8)");
    other.ask("INSERT INTO few SELECT generate_series(1, 3000)");
    let before = server.resident();
    for (number, sql) in ENDLESS.iter().enumerate() {
        let mut endless = begin(&server, sql);
        is_answered_soon(&mut other, &format!("CREATE TABLE t{number} (a int PRIMARY KEY)"), sql);
        is_answered_soon(&mut other, &format!("INSERT INTO t{number} VALUES (1)"), sql);
        is_answered_soon(&mut other, &format!("SELECT max(a + 1) FROM t{number}"), sql);
        let cancelled = Instant::now();
        endless.say(&["Cancel"]);
        let lines = endless.listen(1);
        // What the interpreter evaluates is bounded: it may have ended by itself.
        let ended = |line: &String| {
            line.starts_with("Error ERROR 57014 ")
                || sql.contains("pg_class") && line.starts_with("Error ERROR 54000 query makes too many rows")
        };
        assert!(lines.iter().any(ended), "{sql}: {lines:?}");
        assert!(cancelled.elapsed() < Duration::from_secs(1), "{sql}: {:?}", cancelled.elapsed());
        assert_eq!(endless.ask("SELECT 1")[1], "DataRow '1'", "{sql}");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.resident() > before + (200 << 20) {
        assert!(Instant::now() < deadline, "{} bytes, {before} before", server.resident());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A view that is never complete can be dropped, and whoever waits for it is told.
#[test]
fn whoever_waits_for_a_view_that_is_dropped_is_told() {
    let server = Server::start(Options::default());
    let mut other = Wire::connect(server.port);
    other.ask("CREATE TABLE few (x int8)");
    other.ask("INSERT INTO few VALUES (1)");
    let view = "SELECT max(x * a) AS m FROM few, generate_series(1, 1000000000000) a";
    is_answered_soon(&mut other, &format!("CREATE MATERIALIZED VIEW endless AS {view}"), "nothing");
    let mut waiting = begin(&server, "SELECT * FROM endless");
    is_answered_soon(&mut other, "INSERT INTO few VALUES (2)", "a view without end");
    is_answered_soon(&mut other, "DROP MATERIALIZED VIEW endless", "a reader of it");
    let lines = waiting.listen(1);
    assert!(lines.iter().any(|line| line.starts_with("Error ERROR 42P01 ")), "{lines:?}");
}

/// What is arranged is read where it lies: by its key, by an index, by another view's key, whatever else the workers do.
#[test]
fn a_point_read_does_not_wait_for_a_view_that_hydrates() {
    for options in [Options::default(), Options { workers: 2, ..Options::default() }] {
        let server = Server::start(options);
        let mut wire = Wire::connect(server.port);
        for sql in [
            "CREATE TABLE t (id int PRIMARY KEY, g int, v int)",
            "CREATE INDEX t_v ON t (v)",
            "CREATE MATERIALIZED VIEW sums AS SELECT g, sum(v) AS total FROM t GROUP BY g",
            "INSERT INTO t SELECT i, i % 2, i FROM generate_series(1, 2000) AS i",
            "SELECT total FROM sums WHERE g = 1",
        ] {
            wire.ask(sql);
        }
        let big = "CREATE MATERIALIZED VIEW big AS SELECT a.g, max(a.v * b.v + c.v) AS m
                   FROM t a JOIN t b ON a.g = b.g JOIN t c ON c.g = b.g GROUP BY a.g";
        is_answered_soon(&mut wire, big, "nothing");
        for round in 1..=20 {
            for (sql, row) in [
                (format!("SELECT v FROM t WHERE id = {round}"), format!("DataRow '{round}'")),
                (format!("SELECT id FROM t WHERE v = {round}"), format!("DataRow '{round}'")),
                ("SELECT total FROM sums WHERE g = 1".to_owned(), "DataRow '1000000'".to_owned()),
            ] {
                let asked = Instant::now();
                let lines = wire.ask(&sql);
                assert_eq!(lines[1], row, "{sql}: {lines:?}");
                let waited = asked.elapsed();
                assert!(waited < Duration::from_secs(2), "{options:?}: {sql} waited {waited:?}");
            }
        }
        // It is still on its way: thousands of millions of rows are joined.
        wire.ask("SET statement_timeout = '300ms'");
        let lines = wire.ask("SELECT m FROM big WHERE g = 1");
        assert!(lines.iter().any(|line| line.starts_with("Error ERROR 57014 ")), "{lines:?}");
    }
}

#[test]
fn a_statement_without_end_ends_with_the_server() {
    let mut server = Server::start(Options { workers: 2, ..Options::default() });
    let mut endless: Vec<Wire> =
        ENDLESS.iter().filter(|sql| !sql.contains("few")).map(|sql| begin(&server, sql)).collect();
    let process = server.process();
    let asked = Instant::now();
    let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    assert!(told.expect("the signal can be sent").success());
    assert!(process.wait().expect("it ends").success());
    assert!(asked.elapsed() < Duration::from_millis(1200), "{:?}", asked.elapsed());
    for wire in &mut endless {
        let lines = wire.listen(1);
        assert!(lines.iter().any(|line| line.contains("57P01")) || lines == ["closed"], "{lines:?}");
    }
}
