//! A value that a sequence gave is never given again: not to another session, not after a rollback, not after kill -9 and a restart,
//! with any number of workers and processes.
//!
//! Sessions take values side by side, one by one and many at once, in statements that commit and in blocks that roll back; the server
//! is killed in their midst and started again on its data. All that was answered must differ, and rise for each session. `ROUNDS`
//! says how many kills there are.

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::Scratch;
use harness::server::{Options, Server};
use postgres::{Client, SimpleQueryMessage};

const ROUNDS: usize = 8;
const SESSIONS: usize = 4;

/// What each session asks in turn; every answer is a column of values.
const ASKED: &[&str] = &[
    "SELECT nextval('taken')",
    "INSERT INTO rows (session) VALUES (1) RETURNING id",
    "SELECT nextval('taken') FROM generate_series(1, 50)",
    "INSERT INTO rows (session) SELECT g FROM generate_series(1, 50) g RETURNING id",
    "BEGIN; SELECT nextval('taken'); ROLLBACK",
    "BEGIN; INSERT INTO rows (session) VALUES (2) RETURNING id; ROLLBACK",
];

/// The values that statements gave, of both sequences in one: those of the table are negative.
fn values(client: &mut Client, sql: &str) -> Option<Vec<i64>> {
    let sign = if sql.contains("nextval") { 1 } else { -1 };
    let messages = client.simple_query(sql).ok()?;
    let value = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|text| sign * text.parse::<i64>().expect("a number")),
        _ => None,
    };
    Some(messages.iter().filter_map(value).collect())
}

/// Asks until the server is gone; all that was answered.
fn take(mut client: Client, first: usize) -> Vec<i64> {
    let mut taken = Vec::new();
    for number in first.. {
        match values(&mut client, ASKED[number % ASKED.len()]) {
            Some(given) => taken.extend(given),
            None => break,
        }
    }
    taken
}

fn check_rising(taken: &[i64]) {
    for sign in [1, -1] {
        let given: Vec<i64> = taken.iter().map(|value| value * sign).filter(|value| *value > 0).collect();
        assert!(given.is_sorted_by(|a, b| a < b), "a session's values rise: {given:?}");
    }
}

fn never_given_twice(options: Options<'_>, rounds: usize) {
    let data = Scratch::new("sequences");
    let options = Options { data_dir: Some(data.path()), ..options };
    let mut given = BTreeSet::new();
    for round in 0..rounds {
        let mut server = Server::start(options);
        if round == 0 {
            let schema = "CREATE SEQUENCE taken; CREATE TABLE rows (id bigserial PRIMARY KEY, session int)";
            server.connect().batch_execute(schema).expect("the schema is made");
        }
        // One that is surely answered, and committed.
        let first = values(&mut server.connect(), ASKED[1]).expect("it is answered");
        assert!(given.insert(first[0]), "round {round}: {first:?} was given twice");
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let client = server.connect();
                std::thread::spawn(move || take(client, number))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(150 + 70 * round as u64));
        server.kill();
        let before = given.len();
        for session in sessions {
            let taken = session.join().expect("it asks until the server is gone");
            check_rising(&taken);
            for value in taken {
                assert!(given.insert(value), "round {round}: {value} was given twice");
            }
        }
        assert!(given.len() > before, "round {round}: nothing was given");
    }
    let server = Server::start(options);
    let mut client = server.connect();
    let stored = values(&mut client, "SELECT id FROM rows").expect("they can be read");
    let stored: BTreeSet<i64> = stored.into_iter().collect();
    // What rolled back was given too; what was not answered may be stored.
    assert!(stored.intersection(&given).count() >= rounds, "{stored:?}");
    let next = values(&mut client, "INSERT INTO rows (session) VALUES (3) RETURNING id").expect("a value");
    let least = given.first().copied().expect("some were given");
    assert!(next[0] < least && next[0] < *stored.first().expect("some are stored"), "it counts on");
}

fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

#[test]
fn values_are_never_given_twice_with_one_worker() {
    never_given_twice(Options::default(), rounds());
}

#[test]
fn values_are_never_given_twice_with_two_workers_in_two_processes() {
    never_given_twice(Options { workers: 2, processes: 2, ..Options::default() }, rounds().div_ceil(4));
}

/// What `setval`, a committed restart and TRUNCATE set is there after a kill; what was rolled back is not.
#[test]
fn what_a_sequence_is_set_to_survives_kill_9() {
    let data = Scratch::new("set_sequences");
    let options = Options { data_dir: Some(data.path()), ..Options::default() };
    let mut server = Server::start(options);
    let script = "CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE c START 7;
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (START 100), x int);
         INSERT INTO t (x) VALUES (1), (2);
         SELECT setval('a', 1000), nextval('b'), nextval('b');
         BEGIN; ALTER SEQUENCE b RESTART; SELECT nextval('b'), nextval('b'), nextval('b'); COMMIT;
         BEGIN; ALTER SEQUENCE a RESTART; SELECT nextval('a'); ROLLBACK;
         TRUNCATE t RESTART IDENTITY;
         BEGIN; CREATE SEQUENCE d; SELECT nextval('d'), nextval('d'); COMMIT";
    server.connect().batch_execute(script).expect("it is carried out");
    server.kill();
    server = Server::start(options);
    let mut client = server.connect();
    for (sql, expected) in [
        ("SELECT nextval('a')", 1001),
        ("SELECT nextval('b')", 4),
        ("SELECT nextval('c')", 7),
        ("SELECT nextval('d')", 3),
    ] {
        assert_eq!(values(&mut client, sql), Some(vec![expected]), "{sql}");
    }
    let row = client.query_one("INSERT INTO t (x) VALUES (3) RETURNING id", &[]).expect("a row");
    assert_eq!(row.get::<_, i32>(0), 100);
}
