//! What SUBSCRIBE promises, and what sessions promise each other.
//!
//! A subscription is complete, consolidated, in order and resumable; all ways of reading it say the same; whoever does not read is
//! cut off alone; what ends is freed. Concurrent sessions lose no update and read their own and each other's commits.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::Scratch;
use harness::random_mir::Rng;
use harness::server::{Options, Server};
use harness::slt::{Rows, ask, sorted};
use harness::wire::Wire;
use postgres::{Client, NoTls};

const SCHEMA: &[&str] = &[
    "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, amount int8)",
    "CREATE TABLE customers (id int8 PRIMARY KEY, name text)",
    "CREATE STREAM visits (customer int8, page text)",
    "CREATE MATERIALIZED VIEW per_customer AS
        SELECT c.name, count(o.id) AS n, sum(o.amount) AS amount
        FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.name",
    "CREATE VIEW busiest AS SELECT customer, count(*) AS n FROM visits GROUP BY customer ORDER BY n DESC, customer LIMIT 2",
];

/// What is subscribed to, afterwards.
const RELATIONS: &[&str] = &["per_customer", "visits", JOINED, "busiest", "orders"];
/// What is subscribed to while it changes too.
const LIVE: &[&str] = &["per_customer", "visits", JOINED];
const JOINED: &str =
    "(SELECT v.page, o.amount FROM visits v JOIN orders o USING (customer) WHERE o.amount > 2)";

fn done(client: &mut Client, sql: &str) -> Rows {
    ask(client, sql).unwrap_or_else(|code| panic!("{code}: {sql}"))
}

fn now(client: &mut Client) -> u64 {
    done(client, "SELECT tw_now()")[0].parse().expect("a timestamp")
}

/// One change by writer `owner`.
fn change(rng: &mut Rng, owner: usize) -> String {
    let id = rng.below(20) * 4 + owner;
    let customer = rng.below(5);
    match rng.below(7) {
        0 => format!(
            "INSERT INTO customers VALUES ({customer}, 'c{}') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            rng.below(3)
        ),
        1 => format!("INSERT INTO visits VALUES ({customer}, 'p{}'), ({customer}, 'p')", rng.below(3)),
        2 => format!("DELETE FROM orders WHERE id = {id}"),
        3 => {
            format!("UPDATE orders SET amount = amount + 1 WHERE id % 4 = {owner} AND customer = {customer}")
        }
        4 => format!("DELETE FROM customers WHERE id = {customer}"),
        _ => format!(
            "INSERT INTO orders VALUES ({id}, {customer}, {}) ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, amount = excluded.amount",
            rng.below(6)
        ),
    }
}

/// An update: its time, its diff, its row.
type Update = (u64, i64, String);

fn parsed(rows: &[String]) -> Vec<Update> {
    rows.iter()
        .map(|row| {
            let mut parts = row.splitn(3, '\t');
            let time = parts.next().and_then(|time| time.parse().ok()).expect("a timestamp");
            let diff = parts.next().and_then(|diff| diff.parse().ok()).expect("a diff");
            (time, diff, parts.next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// In the order of times, of one time what goes before what comes; each row at most once for each, and never by nothing.
fn is_consolidated(updates: &[Update]) {
    let mut seen = BTreeMap::new();
    for pair in updates.windows(2) {
        assert!((pair[0].0, pair[0].1 > 0) <= (pair[1].0, pair[1].1 > 0), "out of order: {pair:?}");
    }
    for (time, diff, row) in updates {
        assert_ne!(*diff, 0, "{row} at {time}");
        assert_eq!(seen.insert((time, row), diff), None, "{row} twice at {time}");
    }
}

fn folded<'u>(updates: impl Iterator<Item = &'u Update>) -> BTreeMap<String, i64> {
    let mut fold = BTreeMap::new();
    updates.for_each(|(_, diff, row)| *fold.entry(row.clone()).or_default() += diff);
    fold.retain(|_, count| *count != 0);
    fold
}

fn in_any_order(mut updates: Vec<Update>) -> Vec<Update> {
    updates.sort_unstable();
    updates
}

/// Sent while four writers write; looked at from every time afterwards.
fn subscriptions_keep_their_promises(workers: usize) {
    let server = Server::start(Options { workers, ..Options::default() });
    let mut client = server.connect();
    SCHEMA.iter().for_each(|statement| drop(done(&mut client, statement)));
    let seed = harness::seed();
    let from = now(&mut client);
    // Live ones, which must tell the same as those that come later.
    let live: Vec<_> = LIVE
        .iter()
        .map(|relation| {
            let mut client = server.connect();
            let sql = format!("SUBSCRIBE {relation} AS OF {from} UP TO {}", from + 3_600_000_000);
            let sql = format!("COPY ({sql}) TO STDOUT WITH (NULL 'NULL')");
            std::thread::spawn(move || {
                use std::io::BufRead;
                let cancel = client.cancel_token();
                let reader = client.copy_out(&sql).expect("it can be subscribed to");
                let lines = std::io::BufReader::new(reader).lines();
                // Until a last row says that all has come; the client would wait for the end when it is dropped.
                lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.contains("the end") || cancel.cancel_query(NoTls).is_err())
                    .collect::<Rows>()
            })
        })
        .collect();
    std::thread::scope(|scope| {
        for owner in 0..4 {
            let mut client = server.connect();
            scope.spawn(move || {
                let mut rng = Rng::new(seed ^ owner as u64);
                for _ in 0..40 {
                    let size = 1 + rng.below(3);
                    let changes: Vec<String> = (0..size).map(|_| change(&mut rng, owner)).collect();
                    match ask(&mut client, &changes.join("; ")) {
                        Ok(_) => {}
                        Err(code) => assert_eq!(code, "40P01", "{changes:?}"),
                    }
                }
            });
        }
    });
    let until = now(&mut client) + 1;
    // One row that reaches every relation.
    done(&mut client, "INSERT INTO customers VALUES (99, 'the end')");
    done(&mut client, "INSERT INTO orders VALUES (99, 99, 99)");
    done(&mut client, "INSERT INTO visits SELECT 99, 'the end' FROM generate_series(1, 1000)");
    let mut rng = Rng::new(seed);
    let mut live = live.into_iter();
    for relation in RELATIONS {
        let whole = parsed(&done(&mut client, &format!("SUBSCRIBE {relation} AS OF {from} UP TO {until}")));
        is_consolidated(&whole);
        assert!(whole.iter().all(|(time, ..)| (from..until).contains(time)), "{relation}");
        if LIVE.contains(relation) {
            let live = live.next().expect("there is one for each").join().expect("the subscriber reads");
            let live = parsed(&live);
            is_consolidated(&live);
            let live: Vec<Update> = live.into_iter().filter(|(time, ..)| *time < until).collect();
            assert_eq!(in_any_order(live), in_any_order(whole.clone()), "{relation}, live");
        }
        let times: Vec<u64> = whole.iter().map(|(time, ..)| *time).collect();
        for _ in 0..6 {
            // At a change and beside one.
            let t = *rng.pick(&times) + rng.below(3) as u64 - 1;
            let u = (*rng.pick(&times)).max(t + 1);
            let as_of =
                parsed(&done(&mut client, &format!("SUBSCRIBE {relation} AS OF {t} UP TO {}", t + 1)));
            let expected = folded(whole.iter().filter(|(time, ..)| *time <= t));
            assert_eq!(folded(as_of.iter()), expected, "{relation} AS OF {t}");
            assert!(
                as_of.iter().all(|(time, ..)| *time == t),
                "{relation} AS OF {t}: a snapshot has its time"
            );
            let sql = format!("SUBSCRIBE {relation} WITH (SNAPSHOT = false) AS OF {t} UP TO {u}");
            let after = parsed(&done(&mut client, &sql));
            let expected = whole.iter().filter(|(time, ..)| *time > t && *time < u).cloned().collect();
            assert_eq!(in_any_order(after), in_any_order(expected), "{sql}");
        }
        // The present is the fold of all of it.
        let present = folded(whole.iter());
        let mut earlier = Rows::new();
        for (row, count) in present {
            (0..count).for_each(|_| earlier.push(row.clone()));
        }
        if *relation == "orders" {
            let kept = done(&mut client, "SELECT * FROM orders WHERE id <> 99");
            assert_eq!(sorted(kept), sorted(earlier), "{relation}");
        }
    }
}

#[test]
fn a_subscription_is_complete_consolidated_in_order_and_resumable() {
    subscriptions_keep_their_promises(1);
}

#[test]
fn a_subscription_of_two_workers_is_complete_consolidated_in_order_and_resumable() {
    subscriptions_keep_their_promises(2);
}

#[test]
fn progress_says_what_has_been_sent() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY)");
    let from = now(&mut client);
    let until = from + 3_000_000;
    let mut writer = server.connect();
    let writing = std::thread::spawn(move || {
        for k in 0..30 {
            done(&mut writer, &format!("INSERT INTO t VALUES ({k})"));
            std::thread::sleep(Duration::from_millis(20));
        }
        now(&mut writer)
    });
    let rows = done(&mut client, &format!("SUBSCRIBE t WITH (PROGRESS = true) AS OF {from} UP TO {until}"));
    let last = writing.join().expect("the writer writes");
    let mut passed = 0;
    let mut data = 0;
    for row in &rows {
        let values: Vec<&str> = row.split('\t').collect();
        let time: u64 = values[0].parse().expect("a timestamp");
        assert!(time >= passed, "{row} after a progress row of {passed}");
        match values[1] {
            "t" => {
                assert_eq!(values[2..], ["NULL", "NULL"], "{row}");
                assert!(time > passed, "progress twice: {row}");
                passed = time;
            }
            _ => {
                assert!(time < until, "{row}");
                data += 1;
            }
        }
    }
    assert_eq!(data, 30);
    // Time goes on although nothing is written.
    assert!(passed > last + 500_000, "the last progress is {passed}, the last write was before {last}");
}

#[test]
fn every_way_of_reading_says_the_same() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY, v text)");
    let from = now(&mut client);
    for k in 0..7 {
        done(&mut client, &format!("INSERT INTO t VALUES ({k}, 'v{k}')"));
    }
    done(&mut client, "UPDATE t SET v = 'w' WHERE k < 2");
    let until = now(&mut client) + 1;
    let sql = format!("SUBSCRIBE t AS OF {from} UP TO {until}");
    let plain = done(&mut client, &sql);
    assert_eq!(plain.len(), 11, "{plain:?}");

    // As COPY.
    let mut copied = String::new();
    use std::io::Read;
    let mut reader = client.copy_out(&format!("COPY ({sql}) TO STDOUT")).expect("it can be copied");
    reader.read_to_string(&mut copied).expect("it can be read");
    drop(reader);
    assert_eq!(copied.lines().collect::<Vec<_>>(), plain, "COPY");

    // By a cursor, three rows at a time, outside a block; and it ends.
    done(&mut client, &format!("DECLARE c CURSOR FOR {sql}"));
    let mut fetched = Rows::new();
    loop {
        let rows = done(&mut client, "FETCH 3 c WITH (timeout = '10s')");
        if rows.is_empty() {
            break;
        }
        assert!(rows.len() <= 3, "{rows:?}");
        fetched.extend(rows);
    }
    assert_eq!(fetched, plain, "FETCH");
    // Without an end, a fetch comes back after its timeout, and not much earlier.
    done(&mut client, "DECLARE d CURSOR FOR SUBSCRIBE t");
    assert_eq!(done(&mut client, "FETCH ALL d WITH (timeout = '5s')").len(), 7);
    let before = Instant::now();
    assert_eq!(done(&mut client, "FETCH ALL d WITH (timeout = '300ms')"), Rows::new());
    assert!(before.elapsed() >= Duration::from_millis(250), "{:?}", before.elapsed());
    done(&mut client, "CLOSE ALL");

    // By a portal, four rows at a time.
    let mut wire = Wire::connect(server.port);
    wire.say(&[&format!("Parse s [] {sql}"), "Bind p s [] () []", "Execute p 4", "Sync"]);
    let mut lines = wire.listen(1);
    let first = lines.iter().filter(|line| line.starts_with("DataRow")).count();
    assert_eq!(first, 4, "{lines:?}");
    assert!(lines.contains(&"PortalSuspended".to_owned()), "{lines:?}");
    // In a block the portal outlives the Sync.
    wire.ask("BEGIN");
    wire.say(&["Bind p s [] () []", "Execute p 4", "Execute p 4", "Execute p 0", "Sync"]);
    lines = wire.listen(1);
    let rows = lines.iter().filter_map(|line| line.strip_prefix("DataRow "));
    let rows: Vec<String> = rows.map(|row| row.trim_matches('\'').replace("' '", "\t")).collect();
    assert_eq!(rows, plain, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "PortalSuspended").count(), 2, "{lines:?}");
}

/// Without a timeout: what is there now, up to the last commit that was acknowledged, and then no waiting.
#[test]
fn fetch_all_gives_what_is_there_now() {
    for options in
        [Options { workers: 2, ..Options::default() }, Options { processes: 2, ..Options::default() }]
    {
        let server = Server::start(options);
        let (mut client, mut writer) = (server.connect(), server.connect());
        done(&mut writer, "CREATE TABLE t (k int8 PRIMARY KEY)");
        done(&mut writer, "CREATE TABLE quiet (k int8)");
        done(
            &mut client,
            "DECLARE c CURSOR FOR SUBSCRIBE (SELECT max(t.k) FROM t LEFT JOIN quiet USING (k))",
        );
        done(&mut client, "DECLARE m CURSOR FOR SUBSCRIBE t");
        assert_eq!(done(&mut client, "FETCH ALL c").len(), 1, "{options:?}");
        for k in 1..=20 {
            done(&mut writer, &format!("INSERT INTO t VALUES ({k})"));
            let rows = done(&mut client, "FETCH ALL c");
            assert_eq!(rows.len(), 2, "{options:?}: {rows:?}");
            assert_eq!(done(&mut client, "FETCH ALL c"), Rows::new(), "{options:?}");
        }
        let asked = Instant::now();
        done(&mut client, "MOVE ALL m");
        (0..10).for_each(|_| assert_eq!(done(&mut client, "FETCH ALL m"), Rows::new()));
        assert!(asked.elapsed() < Duration::from_secs(1), "{options:?}: {:?}", asked.elapsed());
    }
}

#[test]
fn a_subscription_says_why_it_ends() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY)");
    done(&mut client, "CREATE VIEW v AS SELECT k + 1 AS k FROM t");
    done(&mut client, "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t");
    done(&mut client, "CREATE STREAM s (k int8)");
    done(&mut client, "CREATE STREAM derived AS SELECT k FROM s WHERE k > 0");
    let subscribed = |sql: &str| {
        let mut wire = Wire::connect(server.port);
        wire.say(&[&format!("Query {sql}")]);
        wire.listen(0);
        wire
    };
    let mut failing = subscribed("SUBSCRIBE (SELECT 10 / k FROM t)");
    done(&mut client, "INSERT INTO t VALUES (0)");
    let lines = failing.listen(1);
    let expected = "Error ERROR 22012 division by zero | H: The subscription has ended. Subscribe again when the row \
                    that fails is gone, or to a query that cannot fail, for example by CASE.";
    assert_eq!(lines[0], expected);

    let dropped = |name: &str| {
        format!(
            "Error ERROR 55000 the subscription has ended: relation \"{name}\" was dropped | H: Subscribe to \
             another relation, or create this one anew and subscribe again."
        )
    };
    for (sql, drop, name) in [
        ("SUBSCRIBE v", "DROP VIEW v", "v"),
        ("COPY (SUBSCRIBE (SELECT count + 1 FROM m)) TO STDOUT", "DROP MATERIALIZED VIEW m", "m"),
        ("SUBSCRIBE derived", "DROP STREAM derived", "derived"),
        ("SUBSCRIBE t", "DROP TABLE t", "t"),
    ] {
        let mut ending = subscribed(sql);
        if name == "t" {
            // What was acknowledged before is told before.
            done(&mut client, "INSERT INTO t VALUES (77)");
        }
        done(&mut client, drop);
        let lines = ending.listen(1);
        assert_eq!(
            lines[lines.len() - 2..],
            [dropped(name), "ReadyForQuery I".to_owned()],
            "{sql}: {lines:?}"
        );
        assert!(name != "t" || lines[0].ends_with("'77'"), "{lines:?}");
    }

    // It goes on while columns come and go that it does not name.
    done(&mut client, "CREATE TABLE c (k int8 PRIMARY KEY, v int8)");
    let (mut whole, mut keys) = (subscribed("SUBSCRIBE c"), subscribed("SUBSCRIBE (SELECT k FROM c)"));
    done(&mut client, "ALTER TABLE c ADD COLUMN w int8 DEFAULT 3");
    done(&mut client, "INSERT INTO c VALUES (1, 10, 30)");
    done(&mut client, "ALTER TABLE c DROP COLUMN v");
    let lines = whole.listen(1);
    assert!(lines[0].ends_with("'1' '10'"), "{lines:?}");
    let ended = "Error ERROR 55000 the subscription has ended: column \"v\" of relation \"c\" was dropped | H: \
                 Subscribe again to what is left.";
    assert_eq!(lines[1], ended);
    done(&mut client, "INSERT INTO c VALUES (2, 20)");
    done(&mut client, "DROP TABLE c");
    let lines = keys.listen(1);
    assert!(lines[1].ends_with("'2'"), "{lines:?}");
    assert_eq!(lines[2], dropped("c"));
}

#[test]
fn who_does_not_read_is_cut_off_alone() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY, v text)");
    done(&mut client, "INSERT INTO t VALUES (1, '')");
    let mut deaf = Wire::connect(server.port);
    deaf.say(&["Query SUBSCRIBE t"]);
    let mut reader = server.connect();
    done(&mut reader, "DECLARE c CURSOR FOR SUBSCRIBE (SELECT k, left(v, 1) FROM t)");
    let mut slowest = Duration::ZERO;
    // Each update is two rows of 1 MiB; 256 MiB may wait, and the sockets hold a little.
    for round in 0..140 {
        let before = Instant::now();
        done(&mut client, &format!("UPDATE t SET v = repeat('{}', 1048576) WHERE k = 1", round % 10));
        slowest = slowest.max(before.elapsed());
        assert!(!done(&mut reader, "FETCH ALL c WITH (timeout = '30s')").is_empty(), "round {round}");
    }
    assert!(slowest < Duration::from_secs(10), "a writer waited {slowest:?}");
    let heard = deaf.listen(1);
    let end = &heard[heard.len() - 2..];
    assert!(end[0].starts_with("Error ERROR 53400 "), "{} messages", heard.len());
    assert_eq!(end[1], "ReadyForQuery I");
    assert_eq!(deaf.ask("SELECT 1")[1], "DataRow '1'");
}

#[test]
fn the_ledger_shows_each_change_once_among_concurrent_writers() {
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut client = server.connect();
    done(&mut client, "CREATE STREAM ledger (account text, amount int)");
    done(
        &mut client,
        "CREATE MATERIALIZED VIEW balances AS SELECT account, sum(amount) AS balance FROM ledger GROUP BY account",
    );
    done(&mut client, "DECLARE c CURSOR FOR SUBSCRIBE balances");
    let writing = AtomicBool::new(true);
    let rows = std::thread::scope(|scope| {
        for writer in 0..4 {
            let (mut client, writing) = (server.connect(), &writing);
            scope.spawn(move || {
                let mut number = 0;
                while writing.load(Ordering::Relaxed) {
                    number += 1;
                    let sql = format!(
                        "INSERT INTO ledger VALUES ('w{writer}', {number}), ('shared', 1), ('shared', -1)"
                    );
                    done(&mut client, &sql);
                }
            });
        }
        let mut depositor = server.connect();
        for amount in [50, 25, -60] {
            std::thread::sleep(Duration::from_millis(50));
            done(&mut depositor, &format!("INSERT INTO ledger VALUES ('12345', {amount})"));
        }
        let mut rows = Rows::new();
        while rows.iter().filter(|row| row.contains("\t12345\t")).count() < 5 {
            rows.extend(done(&mut client, "FETCH ALL c WITH (timeout = '10s')"));
        }
        writing.store(false, Ordering::Relaxed);
        rows
    });
    let updates = parsed(&rows);
    is_consolidated(&updates);
    let mine: Vec<&Update> = updates.iter().filter(|(.., row)| row.starts_with("12345\t")).collect();
    let said: Vec<(i64, &str)> =
        mine.iter().map(|(_, diff, row)| (*diff, row.trim_start_matches("12345\t"))).collect();
    // What goes before what takes its place, though 15 sorts before 75.
    assert_eq!(said, [(1, "50"), (-1, "50"), (1, "75"), (-1, "75"), (1, "15")]);
    let times: Vec<u64> = mine.iter().map(|(time, ..)| *time).collect();
    assert!(
        times[0] < times[1] && times[1] == times[2] && times[2] < times[3] && times[3] == times[4],
        "{times:?}"
    );
    // An account that never changes is never said to change.
    let shared: Vec<_> = updates.iter().filter(|(.., row)| row.starts_with("shared\t")).collect();
    assert!(shared.len() <= 1, "{shared:?}");
}

#[test]
fn no_increment_is_lost() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY, x int8)");
    done(&mut client, "INSERT INTO t VALUES (1, 0)");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut client = server.connect();
            scope.spawn(move || (0..1000).for_each(|_| drop(done(&mut client, "UPDATE t SET x = x + 1"))));
        }
    });
    assert_eq!(done(&mut client, "SELECT x FROM t"), ["2000"]);
}

/// A group commit shares the fsync, never the timestamp; and a session's commits are in its order.
#[test]
fn time_goes_before_the_first_commit() {
    let server = Server::start(Options::default());
    std::thread::sleep(Duration::from_millis(200));
    assert!(now(&mut server.connect()) > 0);
}

#[test]
fn every_commit_has_a_time_of_its_own() {
    const COMMITS: u64 = 50;
    let data = Scratch::new("times");
    let server = Server::start(Options { data_dir: Some(data.path()), ..Options::default() });
    let mut client = server.connect();
    done(&mut client, "CREATE STREAM s (number int8, writer int8)");
    let from = now(&mut client);
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let mut client = server.connect();
            let insert =
                move |number| done(&mut client, &format!("INSERT INTO s VALUES ({number}, {writer})"));
            scope.spawn(move || (0..COMMITS).map(insert).for_each(drop));
        }
    });
    let until = now(&mut client) + 1;
    let updates = parsed(&done(&mut client, &format!("SUBSCRIBE s AS OF {from} UP TO {until}")));
    assert_eq!(updates.len(), 800);
    let times: BTreeSet<u64> = updates.iter().map(|(time, ..)| *time).collect();
    assert_eq!(times.len(), 800);
    let mut next = BTreeMap::<&str, u64>::new();
    for (.., row) in &updates {
        let (number, writer) = row.split_once('\t').expect("two columns");
        let expected = next.entry(writer).or_default();
        assert_eq!(number, expected.to_string(), "of writer {writer}");
        *expected += 1;
    }
}

/// What is moved from one table to another in blocks is always somewhere, once.
fn one_select_sees_one_time(options: Options<'_>) {
    const MOVES: usize = 40;
    /// Scalars, a join, a union; of tables, of views, of both.
    const SUMS: &[&str] = &[
        "SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM b)",
        "SELECT in_a.total + in_b.total FROM in_a, in_b",
        "SELECT (SELECT total FROM in_a) + (SELECT total FROM in_b)",
        "SELECT sum(n) FROM (SELECT n FROM a UNION ALL SELECT n FROM b) AS everywhere",
        "SELECT total + (SELECT sum(n) FROM b) FROM in_a",
        "SELECT sum(total) FROM everything",
        "SELECT sum(a.n + b.n) FROM a JOIN b USING (id)",
    ];
    let server = Server::start(options);
    let mut client = server.connect();
    for sql in [
        "CREATE TABLE a (id int8 PRIMARY KEY, n int8)",
        "CREATE TABLE b (id int8 PRIMARY KEY, n int8)",
        "CREATE MATERIALIZED VIEW in_a AS SELECT sum(n) AS total FROM a",
        "CREATE MATERIALIZED VIEW in_b AS SELECT sum(n) AS total FROM b",
        "CREATE VIEW everything AS SELECT total FROM in_a UNION ALL SELECT n FROM b",
        "INSERT INTO a SELECT i, 100 FROM generate_series(0, 9) AS i",
        "INSERT INTO b SELECT i, 0 FROM generate_series(0, 9) AS i",
    ] {
        done(&mut client, sql);
    }
    let seed = harness::seed();
    let moving = AtomicUsize::new(3);
    let reads = std::thread::scope(|scope| {
        for mover in 0..3 {
            let (mut client, moving) = (server.connect(), &moving);
            scope.spawn(move || {
                let mut rng = Rng::new(seed ^ mover);
                for _ in 0..MOVES {
                    let (from, to) = (rng.below(10), rng.below(10));
                    let units = 1 + rng.below(9);
                    done(
                        &mut client,
                        &format!(
                            "BEGIN; UPDATE a SET n = n - {units} WHERE id = {from}; \
                             UPDATE b SET n = n + {units} WHERE id = {to}; COMMIT"
                        ),
                    );
                }
                moving.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut reads = 0;
        while moving.load(Ordering::Relaxed) > 0 {
            for sql in SUMS {
                assert_eq!(done(&mut client, sql), ["1000"], "{options:?}: {sql}");
                reads += 1;
            }
        }
        reads
    });
    assert!(reads >= SUMS.len(), "nothing was read while units moved");
    assert_ne!(done(&mut client, "SELECT total FROM in_b"), ["0"], "nothing has moved");
}

#[test]
fn one_select_sees_all_relations_at_one_time() {
    one_select_sees_one_time(Options { workers: 2, ..Options::default() });
}

#[test]
fn one_select_sees_all_relations_at_one_time_over_two_processes() {
    one_select_sees_one_time(Options { processes: 2, ..Options::default() });
}

/// Of those who insert a key at once one succeeds, and the row is hers.
#[test]
fn racing_inserts_of_a_key_succeed_once() {
    const IDS: usize = 200;
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (id int8 PRIMARY KEY, owner int8)");
    let seed = harness::seed();
    let inserted: Vec<Rows> = std::thread::scope(|scope| {
        let race = |owner: u64| {
            let mut client = server.connect();
            move || {
                let mut rng = Rng::new(seed ^ owner);
                let mut ids: Vec<usize> = (0..IDS).collect();
                (1..IDS).rev().for_each(|last| ids.swap(last, rng.below(last + 1)));
                let mut insert = |id| {
                    let sql = format!("INSERT INTO t VALUES ({id}, {owner})");
                    match ask(&mut client, &sql) {
                        Ok(_) => Some(format!("{id}\t{owner}")),
                        Err(code) => {
                            assert_eq!(code, "23505", "{sql}");
                            None
                        }
                    }
                };
                ids.into_iter().filter_map(&mut insert).collect::<Rows>()
            }
        };
        let racing: Vec<_> = (0..8).map(|owner| scope.spawn(race(owner))).collect();
        racing.into_iter().map(|racer| racer.join().expect("it inserts")).collect()
    });
    let inserted = sorted(inserted.concat());
    assert_eq!(inserted.len(), IDS);
    assert_eq!(sorted(done(&mut client, "SELECT id, owner FROM t")), inserted);
    assert_eq!(done(&mut client, "SELECT count(DISTINCT id) FROM t"), [IDS.to_string()]);
}

/// Readers of their own, of views of every kind, while others write and define.
#[test]
fn what_was_acknowledged_is_seen_in_every_view() {
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut client = server.connect();
    for sql in [
        "CREATE TABLE t (k int8 PRIMARY KEY, owner int8)",
        "CREATE STREAM s (k int8, owner int8)",
        "CREATE STREAM derived AS SELECT k, owner FROM s WHERE owner >= 0",
        "CREATE MATERIALIZED VIEW counted AS SELECT owner, count(*) FROM t GROUP BY owner",
        "CREATE MATERIALIZED VIEW joined AS SELECT s.owner, s.k FROM s JOIN t ON t.k = s.k",
        "CREATE VIEW plain AS SELECT owner, max(k) AS k FROM t GROUP BY owner",
        "CREATE INDEX t_owner ON t (owner)",
    ] {
        done(&mut client, sql);
    }
    let writing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        // Definitions come and go, over what is being written.
        let (mut definer, going) = (server.connect(), &writing);
        let defining = scope.spawn(move || {
            let mut number = 0;
            while going.load(Ordering::Relaxed) {
                number += 1;
                done(
                    &mut definer,
                    &format!(
                        "CREATE MATERIALIZED VIEW m{number} AS SELECT owner, sum(k) FROM t GROUP BY owner"
                    ),
                );
                done(
                    &mut definer,
                    &format!("CREATE TABLE d{number} AS SELECT owner, count(*) FROM t GROUP BY owner"),
                );
                if number > 3 {
                    done(&mut definer, &format!("DROP MATERIALIZED VIEW m{}", number - 3));
                    done(&mut definer, &format!("DROP TABLE d{}", number - 3));
                }
            }
            number
        });
        let writers: Vec<_> = (0..3)
            .map(|owner| {
                let (mut writer, mut reader) = (server.connect(), server.connect());
                scope.spawn(move || {
                    for number in 1..=40 {
                        let k = number * 3 + owner;
                        let block = format!("BEGIN; INSERT INTO t VALUES ({k}, {owner}); INSERT INTO s VALUES ({k}, {owner}); COMMIT");
                        done(&mut writer, &block);
                        let mut sees = |sql: &str, expected: String| {
                            assert_eq!(done(&mut reader, sql), [expected], "{sql} after {number} commits");
                        };
                        sees(&format!("SELECT count FROM counted WHERE owner = {owner}"), number.to_string());
                        sees(&format!("SELECT k FROM plain WHERE owner = {owner}"), k.to_string());
                        sees(&format!("SELECT count(*) FROM derived WHERE owner = {owner}"), number.to_string());
                        sees(&format!("SELECT count(*) FROM joined WHERE owner = {owner}"), number.to_string());
                        sees(&format!("SELECT count(*) FROM t WHERE owner = {owner}"), number.to_string());
                    }
                })
            })
            .collect();
        let writers: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        writing.store(false, Ordering::Relaxed);
        let number = defining.join().expect("definitions are made");
        writers.into_iter().for_each(|writer| writer.expect("commits are seen"));
        let kept = sorted(done(&mut client, &format!("SELECT * FROM m{number}")));
        assert_eq!(kept, sorted(done(&mut client, "SELECT owner, sum(k) FROM t GROUP BY owner")));
    });
}
