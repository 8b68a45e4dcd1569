//! Subscriptions in other shapes: a row for each key (ENVELOPE), and rows of one timestamp in an order.
//!
//! Folded by key, an envelope is the table: at the end each key has the row that was told last, or is known to have several.

mod harness;

use std::collections::BTreeMap;

use harness::random_mir::Rng;
use harness::server::{Options, Server};
use harness::slt::{Rows, ask};
use postgres::Client;

fn done(client: &mut Client, sql: &str) -> Rows {
    ask(client, sql).unwrap_or_else(|code| panic!("{code}: {sql}"))
}

fn now(client: &mut Client) -> u64 {
    done(client, "SELECT tw_now()")[0].parse().expect("a timestamp")
}

/// A subscription's rows between two times, without their timestamps.
fn untimed(client: &mut Client, subscribe: &str, from: u64) -> Rows {
    let until = now(client) + 1;
    let rows = done(client, &format!("{subscribe} AS OF {from} UP TO {until}"));
    rows.iter().map(|row| row.split_once('\t').expect("a timestamp").1.to_owned()).collect()
}

#[test]
fn an_envelope_tells_what_became_of_each_key() {
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (v text, k int PRIMARY KEY, w int)");
    done(&mut client, "INSERT INTO t VALUES ('a', 1, 10), ('b', 2, NULL)");
    let from = now(&mut client);
    for statement in [
        "UPDATE t SET v = 'c' WHERE k = 1",
        "DELETE FROM t WHERE k = 2",
        "INSERT INTO t VALUES ('d', 2, 20), ('d', 3, 30)",
        "UPDATE t SET v = 'd' WHERE k = 1",
    ] {
        done(&mut client, statement);
    }
    let upserts = ["upsert\t1\ta\t10", "upsert\t2\tb\tNULL", "upsert\t1\tc\t10", "delete\t2\tNULL\tNULL"];
    let later = ["upsert\t2\td\t20", "upsert\t3\td\t30", "upsert\t1\td\t10"];
    let wanted: Vec<&str> = upserts.into_iter().chain(later).collect();
    assert_eq!(untimed(&mut client, "SUBSCRIBE t ENVELOPE UPSERT (KEY (k))", from), wanted);
    let unwanted = "SUBSCRIBE t ENVELOPE UPSERT (KEY (k)) WITH (SNAPSHOT = false)";
    assert_eq!(untimed(&mut client, unwanted, from), wanted[2..]);
    assert_eq!(
        untimed(&mut client, "SUBSCRIBE (SELECT k, v FROM t) ENVELOPE DEBEZIUM (KEY (k))", from),
        [
            "insert\t1\tNULL\ta",
            "insert\t2\tNULL\tb",
            "upsert\t1\ta\tc",
            "delete\t2\tb\tNULL",
            "insert\t2\tNULL\td",
            "insert\t3\tNULL\td",
            "upsert\t1\tc\td",
        ]
    );
    // Keys that rows share: the violation is told, and in the end what is left. What the subscriber has not been sent counts too.
    let shared = "SUBSCRIBE (SELECT v, k FROM t) ENVELOPE UPSERT (KEY (v))";
    assert_eq!(
        untimed(&mut client, shared, from),
        [
            "upsert\ta\t1",
            "upsert\tb\t2",
            "delete\ta\tNULL",
            "upsert\tc\t1",
            "delete\tb\tNULL",
            "key_violation\td\tNULL",
            "delete\tc\tNULL",
            "key_violation\td\tNULL",
        ]
    );
    let from = now(&mut client);
    done(&mut client, "DELETE FROM t WHERE k < 3");
    let later = format!("{shared} WITH (SNAPSHOT = false)");
    assert_eq!(untimed(&mut client, &later, from), ["upsert\td\t3"]);
    let progress = "SUBSCRIBE (SELECT k, v FROM t) ENVELOPE UPSERT (KEY (k)) WITH (PROGRESS)";
    let rows = untimed(&mut client, progress, from);
    assert!(rows.contains(&"t\tNULL\tNULL\tNULL".to_owned()), "{rows:?}");
    assert!(rows.contains(&"f\tdelete\t1\tNULL".to_owned()), "{rows:?}");
}

#[test]
fn rows_of_one_timestamp_are_in_the_order_that_is_asked_for() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int, v int)");
    let from = now(&mut client);
    done(&mut client, "INSERT INTO t VALUES (1, 3), (2, 2), (3, 1), (4, NULL)");
    done(&mut client, "UPDATE t SET v = 10 - v WHERE k < 3");
    let ordered = |order: &str| format!("SUBSCRIBE t WITHIN TIMESTAMP ORDER BY {order}");
    assert_eq!(
        untimed(&mut client, &ordered("v, k"), from),
        ["1\t3\t1", "1\t2\t2", "1\t1\t3", "1\t4\tNULL", "-1\t2\t2", "-1\t1\t3", "1\t1\t7", "1\t2\t8"]
    );
    let by_diff = ordered("tw_diff DESC, v DESC NULLS LAST");
    assert_eq!(
        untimed(&mut client, &by_diff, from),
        ["1\t1\t3", "1\t2\t2", "1\t3\t1", "1\t4\tNULL", "1\t2\t8", "1\t1\t7", "-1\t1\t3", "-1\t2\t2"]
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE t (k int, v int)");
    for (text, code) in [
        ("SUBSCRIBE t ENVELOPE NONE (KEY (k))", "0A000"),
        ("SUBSCRIBE t ENVELOPE UPSERT (KEY (x))", "42703"),
        ("SUBSCRIBE t ENVELOPE UPSERT (KEY (k, k))", "42701"),
        ("SUBSCRIBE t ENVELOPE UPSERT", "42601"),
        ("SUBSCRIBE t ENVELOPE UPSERT (KEY (k)) WITHIN TIMESTAMP ORDER BY k", "42601"),
        ("SUBSCRIBE t WITHIN TIMESTAMP ORDER BY x", "42703"),
        ("SUBSCRIBE t WITHIN TIMESTAMP ORDER BY 1", "0A000"),
        ("SUBSCRIBE t WITHIN TIMESTAMP ORDER BY (SELECT 1)", "0A000"),
        ("SUBSCRIBE t WITHIN TIMESTAMP ORDER BY k + 1", "0A000"),
        ("SUBSCRIBE (SELECT k, NULL::json AS j FROM t) WITHIN TIMESTAMP ORDER BY j", "42883"),
        ("SUBSCRIBE t WITHIN TIMESTAMP", "42601"),
    ] {
        assert_eq!(ask(&mut client, text), Err(code.to_owned()), "{text}");
    }
}

/// Folds an envelope by `customer`: the last that was told of each.
#[test]
fn an_envelope_folds_to_the_table() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    done(&mut client, "CREATE TABLE orders (id int PRIMARY KEY, customer int, amount int)");
    let from = now(&mut client);
    let mut rng = Rng::new(harness::seed());
    for _ in 0..200 {
        let (id, customer, amount) = (rng.below(8), rng.below(4), rng.below(3));
        let text = match rng.below(4) {
            0 => format!("DELETE FROM orders WHERE id = {id}"),
            1 => format!("UPDATE orders SET customer = {customer} WHERE amount = {amount}"),
            _ => format!(
                "INSERT INTO orders VALUES ({id}, {customer}, {amount}) ON CONFLICT (id) DO UPDATE \
                 SET customer = excluded.customer, amount = excluded.amount"
            ),
        };
        done(&mut client, &text);
    }
    for (key, others) in [("id", "customer, amount"), ("customer", "id, amount")] {
        let envelope =
            format!("SUBSCRIBE (SELECT {key}, {others} FROM orders) ENVELOPE UPSERT (KEY ({key}))");
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        for row in untimed(&mut client, &envelope, from) {
            let (state, row) = row.split_once('\t').expect("a state");
            let (key, others) = row.split_once('\t').expect("a key");
            match state {
                "delete" => drop(folded.remove(key)),
                "upsert" => drop(folded.insert(key.to_owned(), others.to_owned())),
                "key_violation" => drop(folded.insert(key.to_owned(), "several".to_owned())),
                other => panic!("{other}"),
            }
        }
        let mut table: BTreeMap<String, String> = BTreeMap::new();
        for row in done(&mut client, &format!("SELECT {key}, {others} FROM orders")) {
            let (key, others) = row.split_once('\t').expect("a key");
            let several = table.contains_key(key);
            table.insert(key.to_owned(), if several { "several".to_owned() } else { others.to_owned() });
        }
        assert_eq!(folded, table, "by {key}");
    }
}
