//! What a statement takes is gone with it, however it ends: well, with an error, cancelled, left half read, without its client. The
//! engine's own counts say so, and what is read no longer keeps history.

mod harness;

use std::time::{Duration, Instant};

use dataflow::InUse;
use harness::in_process::InProcess;
use harness::slt::{ask, sorted};
use harness::wire::Wire;
use postgres::Client;

const SCHEMA: &[&str] = &[
    "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, amount int8)",
    "CREATE TABLE visits (id int8 PRIMARY KEY, customer int8, page int8)",
    "CREATE TABLE copied (customer int8 PRIMARY KEY, amount int8)",
    "INSERT INTO orders SELECT i, i % 100, i % 7 FROM generate_series(1, 2000) AS i",
    "INSERT INTO visits SELECT i, i % 90, i % 11 FROM generate_series(1, 1000) AS i",
    "CREATE MATERIALIZED VIEW spent AS SELECT customer, sum(amount) AS amount FROM orders GROUP BY customer",
];

/// Queries that no arrangement answers.
const FINITE: &[&str] = &[
    "SELECT o.amount, count(*), max(v.page) FROM orders o JOIN visits v ON v.customer = o.customer GROUP BY 1",
    "SELECT o.id, v.id FROM orders o LEFT JOIN visits v ON v.customer = o.customer AND v.page = o.amount",
    "SELECT amount, string_agg(id::text, ',' ORDER BY id) FROM orders GROUP BY amount",
    "SELECT DISTINCT page % 3 FROM visits UNION SELECT amount FROM orders EXCEPT SELECT 2",
    "SELECT * FROM (SELECT customer, page FROM visits ORDER BY page DESC, id LIMIT 5) AS last JOIN spent USING (customer)",
    "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM visits v WHERE v.page = o.amount AND v.customer = o.customer)",
    "SELECT id, row_number() OVER (PARTITION BY customer ORDER BY amount, id) FROM orders",
];

/// Queries that fail when most of their rows are there, and a write whose rows are a query's.
const FAILING: &[(&str, &str)] = &[
    ("22012", "SELECT o.id, 1 / (v.id - 900) FROM orders o JOIN visits v ON v.customer = o.customer"),
    ("22012", "SELECT customer, sum(1 / (id - 1999)) FROM orders GROUP BY customer"),
    ("22003", "SELECT max((id * 20)::int2) FROM orders GROUP BY customer"),
    (
        "23505",
        "INSERT INTO copied SELECT o.customer, v.page FROM orders o JOIN visits v ON v.customer = o.customer",
    ),
];

/// It would run for hours.
const ENDLESS: &str =
    "SELECT count(*) FROM orders a, orders b, orders c, visits d WHERE a.id + b.id + c.id + d.id < 0";

const PATIENCE: Duration = Duration::from_secs(30);

fn done(client: &mut Client, sql: &str) -> Vec<String> {
    ask(client, sql).unwrap_or_else(|code| panic!("{code}: {sql}"))
}

fn until(what: &str, server: &InProcess, is: impl Fn(InUse) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is(server.engine.in_use()) {
        assert!(Instant::now() < deadline, "{what}: {:?}", server.engine.in_use());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A server with the schema, and what it uses while nobody asks it anything.
fn started(workers: usize) -> (InProcess, InUse) {
    let server = InProcess::start(workers);
    let mut client = server.connect();
    SCHEMA.iter().for_each(|statement| drop(done(&mut client, statement)));
    until("the schema", &server, |now| now.loads == 0 && now.holds == 0);
    let idle = server.engine.in_use();
    // Three tables and a view, on each worker.
    assert_eq!(idle, InUse { dataflows: 4 * workers, loads: 0, arrangements: 4, holds: 0 });
    (server, idle)
}

fn statements_leave_nothing_behind(workers: usize) {
    let (server, idle) = started(workers);
    let freed = |what: &str| until(what, &server, |now| now == idle);
    let mut client = server.connect();
    for sql in FINITE {
        let plan = done(&mut client, &format!("EXPLAIN {sql}"));
        assert!(plan.iter().any(|line| line.trim() == "Stream"), "an arrangement answers {sql}: {plan:?}");
        assert!(!done(&mut client, sql).is_empty(), "{sql}");
        freed(sql);
        let lines = Wire::connect(server.port).ask(&format!("COPY ({sql}) TO STDOUT"));
        assert!(lines.iter().any(|line| line.starts_with("CommandComplete COPY ")), "{sql}: {lines:?}");
        freed("COPY");
    }
    for (code, sql) in FAILING {
        assert_eq!(ask(&mut client, sql), Err((*code).to_owned()), "{sql}");
        freed(sql);
    }
    half_read(&server, &freed);
    // Over the transaction's own writes; the error ends it.
    for end in ["ROLLBACK", "SELECT 1 / 0 FROM orders o JOIN visits v USING (customer)"] {
        done(&mut client, "BEGIN");
        done(&mut client, "INSERT INTO orders VALUES (5000, 1, 1)");
        done(&mut client, FINITE[0]);
        assert_eq!(done(&mut client, "SELECT count(*) FROM spent"), ["100"]);
        freed("a read inside a block");
        let _ = ask(&mut client, end);
        freed("a block that ends");
        let _ = ask(&mut client, "ROLLBACK");
    }
}

/// Rows are copied out before the first is sent: what is half read holds nothing, whether it is closed or not.
fn half_read(server: &InProcess, freed: &dyn Fn(&str)) {
    let mut client = server.connect();
    let sql = FINITE[1];
    done(&mut client, "BEGIN");
    done(&mut client, &format!("DECLARE c CURSOR FOR {sql}"));
    assert_eq!(done(&mut client, "FETCH 3 FROM c").len(), 3);
    freed("an open cursor");
    done(&mut client, "CLOSE c");
    done(&mut client, "COMMIT");
    done(&mut client, &format!("DECLARE held CURSOR WITH HOLD FOR {sql}"));
    freed("a cursor WITH HOLD");
    let mut wire = Wire::connect(server.port);
    wire.say(&["Query BEGIN", &format!("Parse s [] {sql}"), "Bind p s [] () []", "Execute p 3", "Sync"]);
    let lines = wire.listen(2);
    assert_eq!(lines.iter().filter(|line| line.starts_with("DataRow")).count(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line == "PortalSuspended"), "{lines:?}");
    freed("a suspended portal");
    wire.say(&["Close P p", "Sync"]);
    wire.listen(1);
    freed("a portal that was closed early");
    wire.say(&["Bind p s [] () []", "Execute p 3", "Flush"]);
    drop(wire);
    freed("a client that left its portal half read");
}

#[test]
fn a_select_leaves_nothing_behind() {
    statements_leave_nothing_behind(1);
}

#[test]
fn a_select_over_two_workers_leaves_nothing_behind() {
    statements_leave_nothing_behind(2);
}

/// In the middle of their work, and so early that they may not even have begun.
#[test]
fn what_is_cancelled_is_freed() {
    for workers in [1, 2] {
        let (server, idle) = started(workers);
        let begun = || until("a statement", &server, |now| now.dataflows > idle.dataflows);
        let freed = |what: &str| until(what, &server, |now| now == idle);
        let subscribe = format!("SUBSCRIBE ({})", FINITE[0]);
        let write =
            format!("INSERT INTO copied {}", ENDLESS.replace("count(*)", "a.id, count(*)") + " GROUP BY 1");
        for sql in [ENDLESS, &subscribe, &write, &format!("COPY ({ENDLESS}) TO STDOUT")] {
            let mut wire = Wire::connect(server.port);
            wire.say(&[&format!("Query {sql}")]);
            begun();
            wire.say(&["Cancel"]);
            let lines = wire.listen(1);
            assert!(lines.iter().any(|line| line.starts_with("Error ERROR 57014 ")), "{sql}: {lines:?}");
            freed(sql);
            wire.ask("SET statement_timeout = '100ms'");
            let lines = wire.ask(sql);
            assert!(lines.iter().any(|line| line.starts_with("Error ERROR 57014 ")), "{sql}: {lines:?}");
            freed("after a timeout");
            // A client that goes away without a word. Only what has no end is ended for that, as by PostgreSQL.
            let limit = if sql.starts_with("SUBSCRIBE") { "0" } else { "500ms" };
            wire.ask(&format!("SET statement_timeout = '{limit}'"));
            wire.say(&[&format!("Query {sql}")]);
            begun();
            drop(wire);
            freed("after the client was gone");
        }
        let mut client = server.connect();
        done(&mut client, &format!("DECLARE c CURSOR FOR {subscribe}"));
        begun();
        done(&mut client, "CLOSE c");
        freed("after CLOSE");
        for wait in 0..60 {
            let mut wire = Wire::connect(server.port);
            wire.say(&[&format!("Query {}", FINITE[wait % FINITE.len()])]);
            std::thread::sleep(Duration::from_micros(wait as u64 * 100));
            wire.say(&["Cancel"]);
            wire.listen(1);
        }
        freed("after statements that were cancelled early");
    }
}

/// An arrangement keeps history for as long as somebody reads it at an earlier time, and no longer.
#[test]
fn what_was_read_keeps_no_history() {
    let (server, idle) = started(1);
    let mut client = server.connect();
    let (readable, rows) = {
        let all = server.engine.arrangements();
        let count = |name: &str| done(&mut server.connect(), &format!("SELECT count(*) FROM {name}"));
        assert_eq!(count("visits"), ["1000"]);
        let visits = all.into_iter().find(|(_, readable)| readable.published.updates() == 1000);
        (visits.expect("the visits are arranged").1, 1000)
    };
    let mut churn = || {
        (0..300).for_each(|i| drop(done(&mut client, &format!("UPDATE visits SET page = {i} WHERE id = 7"))));
    };
    let mut wire = Wire::connect(server.port);
    for sql in FINITE.iter().chain(FAILING.iter().map(|(_, sql)| sql)) {
        wire.ask(sql);
    }
    wire.say(&[&format!("Query {ENDLESS}"), "wait 100", "Cancel"]);
    wire.listen(1);
    until("the reads", &server, |now| now == idle);
    let read = server.engine.read(vec![readable.clone()]);
    churn();
    let held = readable.published.updates();
    assert!(held > rows + 300, "a read of the past holds nothing: {held} updates");
    drop(read);
    churn();
    let deadline = Instant::now() + PATIENCE;
    while readable.published.updates() > rows + 100 {
        assert!(Instant::now() < deadline, "{} updates of {rows} rows", readable.published.updates());
        churn();
    }
    assert_eq!(sorted(done(&mut server.connect(), "SELECT page FROM visits WHERE id = 7")), ["299"]);
}
