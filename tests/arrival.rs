//! Derived streams, killed at random moments: what a stream emitted is never emitted again nor differently.
//!
//! Writers change a table and feed a stream; the table is altered, the server is killed and started again. After each restart the log of each derived stream is
//! compared, time by time, with a recomputation from the logs of the stream and the table. Of a join at arrival: each row once, with what
//! the table held at the row's own time. Of a changelog: each row that came or went, of a table, of a fold that is computed anew at each
//! start, and of the latest rows of a stream. `ROUNDS` says how many kills there are, `SEED` repeats what was tried.

mod harness;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness::Scratch;
use harness::random_mir::Rng;
use harness::server::{Options, Server};
use harness::slt::ask;
use postgres::Client;

const SCHEMA: &[&str] = &[
    "CREATE STREAM ratings (seq int8, user_id int8)",
    "CREATE TABLE customers (id int8 PRIMARY KEY, version int8)",
    "CREATE STREAM joined AS SELECT r.seq, r.user_id, c.version FROM ratings r LEFT JOIN customers c ON r.user_id = c.id",
    "CREATE STREAM even AS SELECT seq, version FROM joined WHERE user_id % 2 = 0",
    "CREATE STREAM again AS SELECT e.seq, e.version, c.version AS other FROM even e JOIN customers c ON e.seq % 8 = c.id",
    "CREATE STREAM customer_changes FROM CHANGES OF customers",
    "CREATE MATERIALIZED VIEW counts AS SELECT user_id, count(*) AS count FROM ratings GROUP BY user_id",
    "CREATE STREAM count_changes FROM CHANGES OF counts",
    "CREATE TABLE latest FROM LATEST OF ratings KEY (user_id)",
    "CREATE STREAM latest_changes FROM CHANGES OF latest",
];

const CUSTOMERS: usize = 8;
/// Restarts of one data directory.
const ROUNDS: usize = 6;

/// A time and a row's values, NULL as None.
type Entry = (u64, Vec<Option<i64>>);

#[test]
fn what_a_stream_emitted_stays_with_one_worker() {
    rounds(1);
}

#[test]
fn what_a_stream_emitted_stays_with_two_workers() {
    rounds(2);
}

fn rounds(workers: usize) {
    let directory = Scratch::new("arrival");
    let mut rng = Rng::new(harness::seed());
    let mut server = start(directory.path(), workers);
    let mut client = server.connect();
    for statement in SCHEMA {
        ask(&mut client, statement).unwrap_or_else(|code| panic!("{code}: {statement}"));
    }
    let from = now(&mut client);
    let mut before: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        let writers: Vec<_> =
            (0..3).map(|writer| write(server.connect(), rng.below(1 << 30) as i64, writer)).collect();
        // What reads the altered table is built again, in the midst of what it appends.
        for column in 0..rng.below(4) {
            std::thread::sleep(Duration::from_millis(50 + rng.below(100) as u64));
            let text = format!("ALTER TABLE customers ADD COLUMN note_{round}_{column} int8");
            ask(&mut client, &text).unwrap_or_else(|code| panic!("{code}: {text}"));
        }
        std::thread::sleep(Duration::from_millis(100 + rng.below(300) as u64));
        server.kill();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer ends with its server"));
        server = start(directory.path(), workers);
        client = server.connect();
        // The streams go on where they were: one more row, and its customer, in one transaction.
        let last = format!(
            "BEGIN; INSERT INTO ratings VALUES ({}, 0); \
             INSERT INTO customers VALUES (0, 0) ON CONFLICT (id) DO UPDATE SET version = customers.version + 1; COMMIT",
            8 * round
        );
        ask(&mut client, &last).unwrap_or_else(|code| panic!("{code}: {last}"));
        let until = now(&mut client) + 1;
        let mut log = |relation: &str| log(&mut client, relation, from, until);
        let (ratings, customers) = (log("ratings"), log("customers"));
        let (joined, even, again) = (log("joined"), log("even"), log("again"));
        let wanted = looked_up(&ratings, 1, &customers);
        assert_eq!(joined, wanted, "round {round}: joined");
        let evens = joined.iter().filter(|(_, row)| row[1].is_some_and(|user| user % 2 == 0));
        let evens: Vec<Entry> = evens.map(|(time, row)| (*time, vec![row[0], row[2]])).collect();
        assert_eq!(even, evens, "round {round}: a filter of it");
        let keyed = even.iter().map(|(time, row)| (*time, vec![row[0], row[1], row[0].map(|seq| seq % 8)]));
        let mut found = looked_up(&keyed.collect::<Vec<_>>(), 2, &customers);
        found.retain(|(_, row)| row[3].is_some());
        for (_, row) in &mut found {
            row.remove(2);
        }
        found.sort();
        assert_eq!(again, found, "round {round}: a join of that");
        let (of_customers, of_counts, of_latest) =
            (log("customer_changes"), log("count_changes"), log("latest_changes"));
        let stamped = |(time, row): &Entry| (*time, stamped(&row[..2], *time, row[2]));
        let mut wanted: Vec<Entry> = customers.iter().map(stamped).collect();
        wanted.sort();
        assert_eq!(of_customers, wanted, "round {round}: changes of a table");
        let count = |row: &[Option<i64>], before: Option<&Vec<Option<i64>>>| {
            vec![row[1], Some(before.and_then(|before| before[1]).unwrap_or(0) + 1)]
        };
        assert_eq!(of_counts, changes(&ratings, count).0, "round {round}: changes of counts");
        // Of one transaction's rows the greatest is the last here.
        let (wanted, state) = changes(&ratings, |row, _| row.to_vec());
        assert_eq!(of_latest, wanted, "round {round}: changes of the latest rows");
        let mut latest = ask(&mut client, "SELECT seq, user_id FROM latest").expect("it can be read");
        let text = |value: &Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let mut wanted: Vec<String> =
            state.values().map(|row| row.iter().map(text).collect::<Vec<_>>().join("\t")).collect();
        latest.sort();
        wanted.sort();
        assert_eq!(latest, wanted, "round {round}: the latest rows");
        let logs = [
            ("joined", joined),
            ("even", even),
            ("again", again),
            ("customer_changes", of_customers),
            ("count_changes", of_counts),
            ("latest_changes", of_latest),
        ];
        for (name, entries) in logs {
            let earlier = before.insert(name, entries.clone()).unwrap_or_default();
            assert!(
                earlier.iter().all(|entry| entries.contains(entry)),
                "round {round}: {name} lost something"
            );
        }
    }
    assert!(before["joined"].len() > 20 * rounds, "the writers wrote: {}", before["joined"].len());
}

/// What arrived before meets nothing that came after, though the stream had nothing to say when it was killed.
#[test]
fn a_stream_that_has_emitted_nothing_goes_on_from_its_creation() {
    let directory = Scratch::new("arrival-quiet");
    let mut server = start(directory.path(), 1);
    let mut client = server.connect();
    let run = |client: &mut Client, statements: &[&str]| {
        for statement in statements {
            ask(client, statement).unwrap_or_else(|code| panic!("{code}: {statement}"));
        }
        ask(client, "SELECT id FROM met")
    };
    let schema = [
        "CREATE STREAM arrivals (id int)",
        "INSERT INTO arrivals VALUES (1)",
        "CREATE TABLE known (id int PRIMARY KEY)",
        "CREATE STREAM met AS SELECT a.id FROM arrivals a JOIN known k ON a.id = k.id",
    ];
    run(&mut client, &schema).expect("it can be read");
    for round in 2..5 {
        let (arrival, known) =
            (format!("INSERT INTO arrivals VALUES ({round})"), format!("INSERT INTO known VALUES ({round})"));
        ask(&mut client, &arrival).unwrap_or_else(|code| panic!("{code}: {arrival}"));
        server.kill();
        server = start(directory.path(), 1);
        client = server.connect();
        assert_eq!(
            run(&mut client, &["INSERT INTO known VALUES (1) ON CONFLICT DO NOTHING", &known]),
            Ok(vec![])
        );
    }
    assert_eq!(run(&mut client, &["INSERT INTO arrivals VALUES (4)"]), Ok(vec!["4".to_owned()]));
}

fn start(directory: &Path, workers: usize) -> Server {
    Server::start(Options { workers, data_dir: Some(directory), ..Options::default() })
}

/// Writes until the server is gone: rows of the stream, versions of customers, and both in one transaction.
fn write(mut client: Client, seed: i64, writer: i64) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut rng = Rng::new(seed as u64);
        let mut seq = seed * 4 + writer;
        loop {
            seq += 4;
            let user = rng.below(CUSTOMERS + 2);
            let rating = format!("INSERT INTO ratings VALUES ({seq}, {user}), ({seq}, NULL)");
            let customer = match rng.below(4) {
                0 => format!("DELETE FROM customers WHERE id = {user}"),
                _ => format!(
                    "INSERT INTO customers VALUES ({user}, {seq}) ON CONFLICT (id) DO UPDATE SET version = excluded.version"
                ),
            };
            let text = match rng.below(3) {
                0 => rating,
                1 => customer,
                _ => format!("BEGIN; {rating}; {customer}; COMMIT"),
            };
            match ask(&mut client, &text) {
                Ok(_) => {}
                Err(code) if code == "40001" || code == "40P01" => drop(ask(&mut client, "ROLLBACK")),
                Err(_) => return,
            }
        }
    })
}

fn now(client: &mut Client) -> u64 {
    ask(client, "SELECT tw_now()").expect("the time is told")[0].parse().expect("a timestamp")
}

/// A relation's updates between two times, each as often as its diff says; a row that goes has the negative diff behind it.
fn log(client: &mut Client, relation: &str, from: u64, until: u64) -> Vec<Entry> {
    let read = if relation == "customers" { "(SELECT id, version FROM customers)" } else { relation };
    let text = format!("SUBSCRIBE {read} AS OF {from} UP TO {until}");
    let rows = ask(client, &text).unwrap_or_else(|code| panic!("{code}: {text}"));
    let mut log = Vec::new();
    for row in rows {
        let mut values = row.split('\t');
        let time = values.next().and_then(|time| time.parse().ok()).expect("a time");
        let diff: i64 = values.next().and_then(|diff| diff.parse().ok()).expect("a diff");
        let mut row: Vec<Option<i64>> = values.map(|value| value.parse().ok()).collect();
        if relation == "customers" {
            row.push(Some(diff));
        } else {
            assert!(diff > 0, "{relation} only grows");
        }
        log.extend(std::iter::repeat_n((time, row), diff.unsigned_abs() as usize));
    }
    log.sort();
    log
}

/// A row of a changelog: what came (or went) at a time.
fn stamped(row: &[Option<i64>], time: u64, diff: Option<i64>) -> Vec<Option<i64>> {
    let time = i64::try_from(time).expect("a time");
    row.iter().copied().chain([Some(time), diff.map(i64::signum)]).collect()
}

/// A row for each value of the ratings' second column.
type State = BTreeMap<Option<i64>, Vec<Option<i64>>>;

/// The changelog of a state in which each rating puts a row in its user's place, and the state in the end.
fn changes(
    ratings: &[Entry],
    row: impl Fn(&[Option<i64>], Option<&Vec<Option<i64>>>) -> Vec<Option<i64>>,
) -> (Vec<Entry>, State) {
    let (mut state, mut log) = (State::new(), Vec::new());
    for transaction in ratings.chunk_by(|a, b| a.0 == b.0) {
        let (time, before) = (transaction[0].0, state.clone());
        for (_, rating) in transaction {
            let next = row(rating, state.get(&rating[1]));
            state.insert(rating[1], next);
        }
        for (user, next) in &state {
            if before.get(user) != Some(next) {
                log.extend(before.get(user).map(|row| (time, stamped(row, time, Some(-1)))));
                log.push((time, stamped(next, time, Some(1))));
            }
        }
    }
    log.sort();
    (log, state)
}

/// Each row, with the version that the customer in its column had at its time.
fn looked_up(rows: &[Entry], column: usize, customers: &[Entry]) -> Vec<Entry> {
    let version = |time: u64, id: Option<i64>| {
        let mut sums: BTreeMap<Option<i64>, i64> = BTreeMap::new();
        for (_, row) in customers.iter().filter(|(at, row)| *at <= time && row[0] == id) {
            *sums.entry(row[1]).or_default() += row[2].unwrap_or_default();
        }
        sums.into_iter().find(|(_, sum)| *sum > 0).and_then(|(version, _)| version)
    };
    let join = |(time, row): &Entry| {
        let mut row = row.clone();
        row.push(version(*time, row[column]));
        (*time, row)
    };
    let mut joined: Vec<Entry> = rows.iter().map(join).collect();
    joined.sort();
    joined
}
