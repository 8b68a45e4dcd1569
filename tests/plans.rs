//! Plans, pinned: what EXPLAIN says of queries that were chosen because a pass, a form of join, of reduce or of top-k, sharing,
//! pushdown or an append-only form shows in them; and what the engine builds and reads for them, by count.
//!
//! ```text
//! # Why this query is here.
//! optimized            or: physical, raw, decorrelated, explain (which chooses)
//! SELECT ..            or: VIEW v, MATERIALIZED VIEW v
//! ----
//! Stream ..
//! ```
//!
//! `statement` runs what follows. Records are separated by blank lines. `REWRITE=1` writes the plans into the files.

mod harness;

use std::fmt::Write as _;
use std::path::Path;

use std::time::{Duration, Instant};

use harness::in_process::InProcess;
use harness::repository;
use harness::slt::{ask, sorted};
use postgres::{Client, SimpleQueryMessage};

#[test]
fn plans_are_as_they_were() {
    let mut differing = Vec::new();
    let mut plans = 0;
    let mut paths: Vec<_> = std::fs::read_dir(repository("tests/plans"))
        .expect("tests/plans can be read")
        .map(|entry| entry.expect("tests/plans can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let server = InProcess::start(1);
        let mut client = server.connect();
        let mut rewritten = String::new();
        for (number, record) in text.trim_end().split("\n\n").enumerate() {
            let found = carry_out(&mut client, record, &path);
            plans += usize::from(found.contains("\n----\n"));
            if found != record {
                differing.push(format!("{}, record {number}:\n{record}\n  now\n{found}", path.display()));
            }
            write!(rewritten, "{}{found}", if number == 0 { "" } else { "\n\n" }).expect("a string grows");
        }
        if std::env::var("REWRITE").is_ok() {
            std::fs::write(&path, rewritten + "\n").expect("the file can be written");
        }
    }
    println!("{plans} plans");
    assert!(differing.is_empty() || std::env::var("REWRITE").is_ok(), "{}", differing.join("\n\n"));
}

/// The record with the plan that there is now.
fn carry_out(client: &mut Client, record: &str, path: &Path) -> String {
    let lines: Vec<&str> = record.lines().collect();
    let directive = lines.iter().position(|line| !line.starts_with('#'));
    let Some(directive) = directive else { return record.to_owned() };
    let end = lines.iter().position(|line| *line == "----").unwrap_or(lines.len());
    let sql = lines[directive + 1..end].join("\n");
    let stage = match lines[directive] {
        "statement" => {
            ask(client, &sql).unwrap_or_else(|code| panic!("{}: {code}: {sql}", path.display()));
            return record.to_owned();
        }
        "explain" => "",
        stage @ ("raw" | "decorrelated" | "optimized" | "physical") => stage,
        other => panic!("{}: unknown directive {other:?}", path.display()),
    };
    assert!(directive > 0, "{}: {sql}: why is it here?", path.display());
    let answer = client.simple_query(&format!("EXPLAIN {stage} {sql}"));
    let messages = answer.unwrap_or_else(|error| panic!("{}: {error}: {sql}", path.display()));
    let plan = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let head = lines[..end].iter().copied().chain(["----"]);
    head.chain(plan).collect::<Vec<_>>().join("\n")
}

fn done(client: &mut Client, sql: &str) -> Vec<String> {
    ask(client, sql).unwrap_or_else(|code| panic!("{code}: {sql}"))
}

#[test]
fn the_second_view_over_a_join_adds_no_second_join() {
    let server = InProcess::start(1);
    let mut client = server.connect();
    let arrangements = || server.engine.arrangements().len();
    done(&mut client, "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, amount int8)");
    done(&mut client, "CREATE TABLE customers (id int8 PRIMARY KEY, name text)");
    let tables = arrangements();
    let view = |name: &str, select: &str, rest: &str| {
        format!(
            "CREATE MATERIALIZED VIEW {name} AS SELECT {select} FROM orders o JOIN customers c ON c.id = o.customer {rest}"
        )
    };
    done(&mut client, &view("first", "o.id, c.name, o.amount", ""));
    let first = arrangements() - tables;
    // The view, and the orders by customer: the customers are arranged by their key.
    assert_eq!(first, 2, "{:?}", server.engine.arrangements().iter().map(|(id, _)| id).collect::<Vec<_>>());
    let mut before = arrangements();
    for (name, select, rest) in [
        ("second", "c.name, count(*), sum(o.amount)", "GROUP BY c.name"),
        ("third", "c.name, max(o.amount)", "WHERE o.amount > 2 GROUP BY c.name"),
        ("fourth", "o.id, c.id AS customer", "WHERE c.name LIKE 'a%'"),
    ] {
        done(&mut client, &view(name, select, rest));
        assert!(arrangements() <= before + 1, "{name} adds {}", arrangements() - before);
        before = arrangements();
    }
    // The same again is the same.
    done(&mut client, &view("again", "o.id, c.name, o.amount", ""));
    assert_eq!(arrangements(), before, "the same view again adds an arrangement");
    // What is shared outlives who made it, and goes with who used it last.
    done(&mut client, "DROP MATERIALIZED VIEW first");
    done(&mut client, "INSERT INTO customers VALUES (1, 'ann')");
    done(&mut client, "INSERT INTO orders VALUES (7, 1, 5), (8, 1, 1)");
    assert_eq!(done(&mut client, "SELECT * FROM second"), ["ann\t2\t6"]);
    assert_eq!(done(&mut client, "SELECT * FROM third"), ["ann\t5"]);
    assert_eq!(sorted(done(&mut client, "SELECT id FROM fourth")), ["7", "8"]);
    for name in ["second", "third", "fourth", "again"] {
        done(&mut client, &format!("DROP MATERIALIZED VIEW {name}"));
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while arrangements() != tables {
        assert!(Instant::now() < deadline, "{} arrangements are left", arrangements() - tables);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many rows of the group are there, and how many of them may be read again.
const GROUP: u64 = 1_000_000;
const READ_AGAIN: u64 = 5_000;

#[test]
fn deleting_the_greatest_and_the_least_of_a_million_reads_few_of_them_again() {
    let server = InProcess::start(1);
    let mut client = server.connect();
    let rows_read = || {
        server.engine.arrangements().iter().map(|(_, readable)| readable.published.rows_read()).sum::<u64>()
    };
    done(&mut client, "CREATE TABLE t (id int8 PRIMARY KEY, g int8, v int8)");
    done(&mut client, "CREATE MATERIALIZED VIEW greatest AS SELECT g, max(v) FROM t GROUP BY g");
    done(
        &mut client,
        "CREATE MATERIALIZED VIEW least AS SELECT * FROM (SELECT g, v FROM t ORDER BY v LIMIT 3) AS first",
    );
    done(&mut client, &format!("INSERT INTO t SELECT i, 1, i FROM generate_series(0, {GROUP} - 1) AS i"));
    let expect = |client: &mut Client, greatest: u64, least: u64| {
        assert_eq!(done(client, "SELECT * FROM greatest"), [format!("1\t{greatest}")]);
        let first: Vec<String> = (0..3).map(|above| format!("1\t{}", least + above)).collect();
        assert_eq!(sorted(done(client, "SELECT * FROM least")), sorted(first));
    };
    expect(&mut client, GROUP - 1, 0);
    let loaded = rows_read();
    assert!(loaded > 0, "nothing is counted");
    for round in 1..=4 {
        let before = rows_read();
        done(&mut client, &format!("DELETE FROM t WHERE id = {}", GROUP - round));
        done(&mut client, &format!("DELETE FROM t WHERE id = {}", round - 1));
        expect(&mut client, GROUP - 1 - round, round);
        let read = rows_read() - before;
        assert!((1..=READ_AGAIN).contains(&read), "round {round}: {read} of {GROUP} rows were read again");
    }
}

/// Chains of a graph, and how many edges each has.
const CHAINS: u64 = 2_000;
const CHAIN: u64 = 5;

/// Of the rows of a transitive closure, a change of an edge has only those go round again that it led to.
#[test]
fn an_edge_costs_a_closure_what_it_leads_to() {
    let server = InProcess::start(1);
    let mut client = server.connect();
    let rows_read = || {
        server.engine.arrangements().iter().map(|(_, readable)| readable.published.rows_read()).sum::<u64>()
    };
    done(&mut client, "CREATE TABLE edges (a int8, b int8)");
    let sql = "CREATE MATERIALIZED VIEW closure AS WITH RECURSIVE r (a, b) AS
               (SELECT a, b FROM edges UNION SELECT r.a, e.b FROM r JOIN edges e ON e.a = r.b) SELECT a, b FROM r";
    done(&mut client, sql);
    let edge = format!("i + i / {CHAIN} AS a, i + i / {CHAIN} + 1 AS b");
    done(
        &mut client,
        &format!("INSERT INTO edges SELECT {edge} FROM generate_series(0, {} - 1) AS i", CHAINS * CHAIN),
    );
    let pairs = CHAINS * CHAIN * (CHAIN + 1) / 2;
    assert_eq!(done(&mut client, "SELECT count(*) FROM closure"), [pairs.to_string()]);
    assert!(rows_read() >= pairs, "nothing is counted");
    // The edge in the middle of a chain: three nodes before it lead to three behind it.
    for chain in [7, 1_200, 1_999] {
        let first = chain * (CHAIN + 1) + 2;
        for (change, left) in [
            (format!("DELETE FROM edges WHERE a = {first}"), pairs - 9),
            (format!("INSERT INTO edges VALUES ({first}, {first} + 1)"), pairs),
        ] {
            let before = rows_read();
            done(&mut client, &change);
            assert_eq!(done(&mut client, "SELECT count(*) FROM closure"), [left.to_string()]);
            let read = rows_read() - before;
            assert!((9..=36).contains(&read), "{change}: {read} of {pairs} rows went round again");
        }
    }
}
