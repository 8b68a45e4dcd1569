//! Statements that would take for ever: whoever runs one harms nobody, can end it at once, and leaves nothing behind.

mod harness;

use std::process::Command;
use std::time::{Duration, Instant};

use harness::server::{Options, Server};
use harness::wire::Wire;

/// Each would run for hours, or fill the memory, and in a place of its own: a call of a table function, a join, a reduction over it, calls
/// of calls, the interpreter of the catalog, a write, recursions.
const ENDLESS: &[&str] = &[
    "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b",
    "SELECT a % 10, max(a * b) FROM generate_series(1, 20000) a, generate_series(1, 1000000) b GROUP BY 1",
    "SELECT count(*) FROM generate_series(1, 1000000000) a, LATERAL generate_series(1, a) b WHERE a + b < 0",
    "SELECT count(*) FROM few, few a, few b, few c, few d WHERE a.x + b.x + c.x + d.x < 0",
    "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d WHERE a.oid::int8 + b.oid::int8 + c.oid::int8 + d.oid::int8 < 0",
    "INSERT INTO few SELECT a FROM generate_series(1, 1000000000) a WHERE a < 0",
    "SELECT string_agg(x::text, '') FROM few, generate_series(1, 1000000000) WHERE x < 0",
    "SET recursion_limit = 2000000000; WITH RECURSIVE r (n) AS (SELECT 1::int8 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "SET recursion_limit = 2000000000; WITH RECURSIVE r (n) AS (SELECT x FROM few WHERE x = 1 UNION SELECT r.n + a.x * 0 + 1 FROM r JOIN few a ON a.x = r.n % 3000 + 1) SELECT max(n) FROM r",
];

/// Takes a whole 20 seconds at least, in one expression of one row.
const SLOW: &str = "translate(repeat('a', 100000000), repeat('b', 10000) || 'a', '')";

/// Evaluations that last: of one row or of few, by each function that amplifies what it is given, in each place where a session
/// evaluates something itself.
fn evaluations() -> Vec<String> {
    // Each call takes about a second, and its arguments differ: nothing is computed once for all.
    let often = |call: &str| {
        let calls: Vec<String> = (0..300).map(|n| call.replace('#', &n.to_string())).collect();
        format!("SELECT {}", calls.join(" + "))
    };
    let mut evaluations = vec![
        format!("SELECT length({SLOW})"),
        "SELECT repeat('a', 10000000) LIKE '%' || repeat('a', 100000) || 'b'".to_owned(),
        "SELECT ltrim(repeat('a', 100000000), repeat('b', 100000) || 'a')".to_owned(),
        "SELECT array_fill(1, '{1000000}') && array_fill(2, '{1000000}')".to_owned(),
        often("regexp_count(repeat('ab', 100000000 - #), 'a')"),
        often("length(regexp_replace(repeat('ab', 20000000 - #), 'a', 'cd', 'g'))"),
        often("length(replace(repeat('a', 20000000 - #), 'a', 'bbbbb'))"),
        often("length(lpad('a', 200000000 - #, 'xy') || rpad('a', #, 'xy'))"),
        often("length(format('%200000000s', #))"),
        often("length((9.9::numeric ^ (30000 - #))::text)"),
        often("length(exp(5990.#)::text)"),
        often("length(jsonb_build_array(repeat('a', 100000000 - #))::text)"),
        format!("SELECT 1 FROM pg_class WHERE length(relname || {SLOW}) = 0"),
        // A dataflow computes it, whose workers go on to others between two rows.
        "SELECT max(length(translate(repeat(x::text, 50000), repeat('b', 100) || '1', ''))) FROM few"
            .to_owned(),
    ];
    for place in [
        "EXECUTE asked(#)",
        "SELECT * FROM few LIMIT #",
        "INSERT INTO few VALUES (1), (#)",
        "INSERT INTO few (x) VALUES (1) RETURNING #",
        "INSERT INTO slow DEFAULT VALUES",
        "INSERT INTO checked VALUES (1)",
        "INSERT INTO keyed VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = #",
        "UPDATE keyed SET v = # WHERE k = 1",
        "DELETE FROM few WHERE x + # = 0",
        "SELECT v + # FROM keyed WHERE k = 1",
        "SELECT v FROM keyed WHERE k = #",
        "SELECT x FROM few WHERE x + # = 0",
        "SELECT set_config('a.b', (#)::text, false)",
        "COPY (SELECT #) TO STDOUT",
    ] {
        evaluations.push(place.replace('#', &format!("length({SLOW})")));
    }
    evaluations
}

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

/// More of them than the server has threads for its clients.
#[test]
fn a_long_evaluation_holds_nobody_and_is_cancelled_at_once() {
    let server = Server::start(Options::default());
    let mut other = Wire::connect(server.port);
    for sql in [
        "CREATE TABLE few (x int8)".to_owned(),
        "INSERT INTO few SELECT generate_series(1, 100)".to_owned(),
        "CREATE TABLE keyed (k int PRIMARY KEY, v int)".to_owned(),
        "INSERT INTO keyed VALUES (1, 10), (2, 20)".to_owned(),
        format!("CREATE TABLE slow (x int DEFAULT length({SLOW}))"),
        format!("CREATE TABLE checked (x int CHECK (x < length({SLOW})))"),
    ] {
        is_answered_soon(&mut other, &sql, "nothing");
    }
    is_answered_soon(&mut other, &format!("EXPLAIN SELECT {SLOW}"), "nothing");
    let sessions = 2 + std::thread::available_parallelism().map_or(2, usize::from);
    for together in evaluations().chunks(sessions) {
        let mut long: Vec<Wire> = Vec::new();
        for sql in together {
            let mut wire = Wire::connect(server.port);
            wire.ask("PREPARE asked(int) AS SELECT $1");
            wire.say(&[&format!("Query {sql}")]);
            long.push(wire);
        }
        std::thread::sleep(Duration::from_millis(400));
        is_answered_soon(&mut other, "SELECT 1", &together.join("; "));
        is_answered_soon(&mut other, "SELECT v FROM keyed WHERE k = 2", &together.join("; "));
        let cancelled = Instant::now();
        long.iter_mut().for_each(|wire| wire.say(&["Cancel"]));
        for (wire, sql) in long.iter_mut().zip(together) {
            let lines = wire.listen(1);
            let ended = lines
                .iter()
                .any(|line| line.starts_with("Error ERROR 57014 canceling statement due to user"));
            assert!(ended, "{:.100}: {lines:.300?}", sql);
            assert!(cancelled.elapsed() < PATIENCE, "{sql}: {:?}", cancelled.elapsed());
            assert_eq!(wire.ask("SELECT 1")[1], "DataRow '1'", "{sql}");
        }
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

/// Between two rounds of a recursion, a worker sees to everything else.
#[test]
fn a_recursive_view_without_end_holds_nobody_and_is_dropped_like_others() {
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut other = Wire::connect(server.port);
    other.ask("CREATE TABLE few (x int8)");
    other.ask("INSERT INTO few VALUES (1)");
    other.ask("SET recursion_limit = 2000000000");
    let view = "WITH RECURSIVE r (n) AS (SELECT x FROM few UNION SELECT n + 1 FROM r) SELECT n FROM r";
    is_answered_soon(&mut other, &format!("CREATE MATERIALIZED VIEW endless AS {view}"), "nothing");
    let mut waiting = begin(&server, "SELECT * FROM endless");
    let beside = "a recursive view without end";
    is_answered_soon(&mut other, "INSERT INTO few VALUES (2)", beside);
    is_answered_soon(&mut other, "SELECT count(*), max(x + 1) FROM few", beside);
    is_answered_soon(&mut other, "DROP MATERIALIZED VIEW endless", beside);
    let lines = waiting.listen(1);
    assert!(lines.iter().any(|line| line.starts_with("Error ERROR 42P01 ")), "{lines:?}");
    // By itself it ends in an error, which readers see; a view keeps the limit that it was created with.
    other.ask("SET recursion_limit = 100");
    is_answered_soon(&mut other, &format!("CREATE MATERIALIZED VIEW endless AS {view}"), "nothing");
    let lines = other.ask("SELECT count(*) FROM endless");
    let told = "Error ERROR 54001 recursion goes on after 100 rounds";
    assert!(lines.iter().any(|line| line.starts_with(told)), "{lines:?}");
    other.ask("DELETE FROM few");
    assert_eq!(other.ask("SELECT count(*) FROM endless")[1], "DataRow '0'");
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
