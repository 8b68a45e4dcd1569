//! kill -9 at random moments, under four writers and a session of DDL, on data directories that grow from round to round.
//!
//! After each restart: what was acknowledged is there exactly once; what was not answered is there whole or not at all, be it
//! rows of one statement or a block over several relations; views equal what they are defined as; a derived stream equals its
//! filter of the source; what was dropped is gone. Then, damage by hand: a torn tail is cut with a warning, a damaged record
//! elsewhere is refused by file and offset.
//!
//! `ROUNDS` says how many kills there are; `SEED` repeats what was tried, though not the moments at which it was cut off.

mod harness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::Scratch;
use harness::random_mir::Rng;
use harness::server::{Options, Server};
use harness::slt::{ask, sorted};
use postgres::Client;

const ROUNDS: usize = 100;
/// Data directories that are worked on side by side.
const DIRECTORIES: usize = 2;
const WRITERS: i64 = 4;

/// Tables in the order in which blocks change them: locks that are taken in the order of creation cannot wait in a circle.
const SCHEMA: &[&str] = &[
    "CREATE TABLE items (id int8 PRIMARY KEY, owner int8 NOT NULL, value int8)",
    "CREATE TABLE arrivals (id int8 PRIMARY KEY, owner int8 NOT NULL)",
    "CREATE TABLE departures (id int8 PRIMARY KEY, owner int8 NOT NULL)",
    "CREATE TABLE counter (one int8 PRIMARY KEY, n int8 NOT NULL)",
    "CREATE STREAM events (owner int8, seq int8, value int8)",
    "CREATE STREAM odd AS SELECT seq, owner FROM events WHERE value % 2 = 1",
    "CREATE STREAM odd_of_two AS SELECT seq FROM odd WHERE owner = 2",
    "INSERT INTO counter VALUES (1, 0)",
];

/// Views, and what they must equal whenever nothing is being written.
const VIEWS: &[(&str, &str)] = &[
    ("totals", "SELECT owner, count(*), sum(value), max(value) FROM items GROUP BY owner"),
    (
        "matched",
        "SELECT i.id, i.value, e.seq FROM items i LEFT JOIN events e ON e.owner = i.owner AND e.value = i.value",
    ),
    ("latest", "SELECT owner, seq FROM events ORDER BY seq DESC, owner LIMIT 5"),
    ("moved", "SELECT owner, count(*) FROM departures GROUP BY owner EXCEPT SELECT owner, 1 FROM arrivals"),
];

/// Relations that are no views: they equal these queries nevertheless.
const DERIVED: &[(&str, &str)] = &[
    ("odd", "SELECT seq, owner FROM events WHERE value % 2 = 1"),
    ("odd_of_two", "SELECT seq FROM events WHERE value % 2 = 1 AND owner = 2"),
];

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let seed = harness::seed();
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let worlds: Vec<_> = (0..DIRECTORIES)
        .map(|number| {
            std::thread::spawn(move || {
                let mut world = World::new(seed.wrapping_add(number as u64), number);
                (0..rounds.div_ceil(DIRECTORIES)).for_each(|_| world.round());
                world.end()
            })
        })
        .collect();
    // All end before one fails: their servers end with them.
    let ended: Vec<_> = worlds.into_iter().map(|world| world.join()).collect();
    let counts: Vec<Counts> = ended.into_iter().map(|world| world.expect("what is found is right")).collect();
    println!("{counts:?}");
    assert!(counts.iter().all(|counts| counts.acknowledged > 0), "nothing was ever acknowledged");
    // A hundred kills that never met an open transaction would prove nothing.
    let unanswered: usize = counts.iter().map(|counts| counts.whole + counts.absent).sum();
    assert!(rounds < ROUNDS || unanswered >= rounds / 2, "only {unanswered} transactions were cut off");
}

/// What became of transactions.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    /// Not answered, and found whole.
    whole: usize,
    /// Not answered, and not there.
    absent: usize,
}

/// What a statement or block had come to when the server was killed.
#[derive(Debug, PartialEq)]
enum Outcome {
    Acknowledged,
    Unanswered,
    /// The server was gone before it was asked to commit.
    NeverAsked,
}

/// What stands for a code where the connection is gone.
const LOST: &str = "lost";

/// Runs the texts one after the other; the last one commits.
fn perform(client: &mut Client, texts: &[String]) -> Outcome {
    for (index, text) in texts.iter().enumerate() {
        let answer = match text.split_once('\n') {
            Some((copy, lines)) if copy.starts_with("COPY") => copy_in(client, copy, lines),
            _ => ask(client, text).map(drop),
        };
        match answer {
            Ok(()) => {}
            Err(why) if why == LOST || why == "57P01" => {
                return if index + 1 == texts.len() { Outcome::Unanswered } else { Outcome::NeverAsked };
            }
            Err(code) => panic!("{code}: {text}"),
        }
    }
    Outcome::Acknowledged
}

fn copy_in(client: &mut Client, copy: &str, lines: &str) -> Result<(), String> {
    use std::io::Write;
    let of = |error: postgres::Error| error.code().map_or(LOST, |code| code.code()).to_owned();
    let mut writer = client.copy_in(copy).map_err(of)?;
    writer.write_all(lines.as_bytes()).map_err(|_| LOST.to_owned())?;
    writer.finish().map(drop).map_err(of)
}

// ---- writers ----

/// What one writer's rows are, exactly.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    items: BTreeMap<i64, i64>,
    arrivals: Vec<i64>,
    departures: Vec<i64>,
    events: Vec<(i64, i64)>,
}

/// One change, in SQL and on the model.
#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<(i64, i64)>),
    Upsert(i64, i64),
    /// By this much, where the id leaves this rest by that modulus.
    Add {
        by: i64,
        modulus: i64,
        rest: i64,
    },
    Delete {
        modulus: i64,
        rest: i64,
    },
    Arrive(i64),
    Depart(i64),
    Count,
    Emit(Vec<(i64, i64)>),
    /// As `Emit`, by COPY.
    Copy(Vec<(i64, i64)>),
}

#[derive(Clone, Debug)]
enum Transaction {
    Single(Step),
    /// BEGIN, the steps, COMMIT, each for itself.
    Block(Vec<Step>),
    /// All of it in one message.
    Script(Vec<Step>),
    /// Rolled back: none of it may ever be seen.
    Undone(Vec<Step>),
}

struct Writer {
    owner: i64,
    rng: Rng,
    rows: Rows,
    counted: i64,
    next: i64,
    pending: Option<Transaction>,
    counts: Counts,
}

impl Step {
    fn sql(&self, owner: i64) -> String {
        let values = |rows: &[(i64, i64)], order: fn(i64, i64, i64) -> String| {
            rows.iter().map(|(a, b)| order(owner, *a, *b)).collect::<Vec<_>>().join(", ")
        };
        match self {
            Step::Insert(rows) => {
                format!(
                    "INSERT INTO items VALUES {}",
                    values(rows, |owner, id, v| format!("({id}, {owner}, {v})"))
                )
            }
            Step::Upsert(id, value) => format!(
                "INSERT INTO items VALUES ({id}, {owner}, {value}) ON CONFLICT (id) DO UPDATE SET value = excluded.value"
            ),
            Step::Add { by, modulus, rest } => format!(
                "UPDATE items SET value = value + {by} WHERE owner = {owner} AND id % {modulus} = {rest}"
            ),
            Step::Delete { modulus, rest } => {
                format!("DELETE FROM items WHERE owner = {owner} AND id % {modulus} = {rest}")
            }
            Step::Arrive(id) => format!("INSERT INTO arrivals VALUES ({id}, {owner})"),
            Step::Depart(id) => {
                format!("DELETE FROM arrivals WHERE id = {id}; INSERT INTO departures VALUES ({id}, {owner})")
            }
            Step::Count => "UPDATE counter SET n = n + 1 WHERE one = 1".to_owned(),
            Step::Emit(rows) => {
                format!(
                    "INSERT INTO events VALUES {}",
                    values(rows, |owner, seq, v| format!("({owner}, {seq}, {v})"))
                )
            }
            Step::Copy(rows) => {
                let lines: Vec<String> =
                    rows.iter().map(|(seq, v)| format!("{owner}\t{seq}\t{v}\n")).collect();
                format!("COPY events FROM STDIN\n{}", lines.concat())
            }
        }
    }

    fn apply(&self, rows: &mut Rows, counted: &mut i64) {
        match self {
            Step::Insert(new) => rows.items.extend(new.iter().copied()),
            Step::Upsert(id, value) => drop(rows.items.insert(*id, *value)),
            Step::Add { by, modulus, rest } => rows
                .items
                .iter_mut()
                .filter(|(id, _)| *id % modulus == *rest)
                .for_each(|(_, value)| *value += by),
            Step::Delete { modulus, rest } => rows.items.retain(|id, _| id % modulus != *rest),
            Step::Arrive(id) => rows.arrivals.push(*id),
            Step::Depart(id) => {
                rows.arrivals.retain(|there| there != id);
                rows.departures.push(*id);
            }
            Step::Count => *counted += 1,
            Step::Emit(new) | Step::Copy(new) => rows.events.extend(new),
        }
    }

    /// The place of the table that it locks.
    fn order(&self) -> usize {
        match self {
            Step::Insert(_) | Step::Upsert(..) | Step::Add { .. } | Step::Delete { .. } => 0,
            Step::Arrive(_) | Step::Depart(_) => 1,
            Step::Count => 2,
            Step::Emit(_) | Step::Copy(_) => 3,
        }
    }
}

impl Transaction {
    fn texts(&self, owner: i64) -> Vec<String> {
        let sql = |steps: &[Step]| steps.iter().map(|step| step.sql(owner)).collect::<Vec<_>>();
        let around =
            |end: &str, steps: &[Step]| [vec!["BEGIN".to_owned()], sql(steps), vec![end.to_owned()]].concat();
        match self {
            // Two statements by themselves would be two transactions.
            Transaction::Single(step @ Step::Depart(_)) => {
                vec![format!("BEGIN; {}; COMMIT", step.sql(owner))]
            }
            Transaction::Single(step) => vec![step.sql(owner)],
            Transaction::Block(steps) => around("COMMIT", steps),
            Transaction::Undone(steps) => around("ROLLBACK", steps),
            Transaction::Script(steps) => vec![sql(steps).join("; ")],
        }
    }

    fn steps(&self) -> &[Step] {
        match self {
            Transaction::Single(step) => std::slice::from_ref(step),
            Transaction::Block(steps) | Transaction::Script(steps) => steps,
            Transaction::Undone(_) => &[],
        }
    }
}

impl Writer {
    fn new(owner: i64, seed: u64) -> Writer {
        Writer {
            owner,
            rng: Rng::new(seed),
            rows: Rows::default(),
            counted: 0,
            next: 0,
            pending: None,
            counts: Counts::default(),
        }
    }

    /// Writes until the server is gone.
    fn run(&mut self, mut client: Client) {
        loop {
            let transaction = self.transaction();
            match perform(&mut client, &transaction.texts(self.owner)) {
                Outcome::Acknowledged => {
                    self.apply(&transaction);
                    self.counts.acknowledged += 1;
                }
                Outcome::Unanswered => {
                    self.pending = Some(transaction);
                    return;
                }
                Outcome::NeverAsked => return,
            }
        }
    }

    fn apply(&mut self, transaction: &Transaction) {
        transaction.steps().iter().for_each(|step| step.apply(&mut self.rows, &mut self.counted));
    }

    fn transaction(&mut self) -> Transaction {
        match self.rng.below(6) {
            0..3 => Transaction::Single(self.step(true)),
            3 => Transaction::Block(self.steps()),
            4 => Transaction::Script(self.steps()),
            _ => Transaction::Undone(self.steps()),
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let count = 2 + self.rng.below(3);
        let mut steps: Vec<Step> = (0..count).map(|_| self.step(false)).collect();
        steps.sort_by_key(Step::order);
        // The same id must not depart twice in one transaction.
        let mut departing = false;
        steps.retain(|step| !matches!(step, Step::Depart(_)) || !std::mem::replace(&mut departing, true));
        steps
    }

    fn step(&mut self, alone: bool) -> Step {
        match self.rng.below(10) {
            0 | 1 => Step::Insert(self.fresh()),
            2 => match self.rows.items.keys().next() {
                Some(id) => Step::Upsert(*id, self.rng.below(9) as i64),
                None => Step::Insert(self.fresh()),
            },
            3 => {
                Step::Add { by: 1 + self.rng.below(3) as i64, modulus: 1 + self.rng.below(3) as i64, rest: 0 }
            }
            4 => Step::Delete { modulus: 3, rest: self.rng.below(3) as i64 },
            5 => Step::Arrive(self.id()),
            6 => match self.rows.arrivals.first() {
                Some(id) => Step::Depart(*id),
                None => Step::Arrive(self.id()),
            },
            7 => Step::Count,
            8 if alone => Step::Copy(self.fresh()),
            _ => Step::Emit(self.fresh()),
        }
    }

    fn id(&mut self) -> i64 {
        self.next += 1;
        self.next * WRITERS + self.owner
    }

    fn fresh(&mut self) -> Vec<(i64, i64)> {
        (0..1 + self.rng.below(4)).map(|_| (self.id(), self.rng.below(9) as i64)).collect()
    }

    /// What was found must be what was acknowledged, or that with all of the transaction that was cut off.
    fn settle(&mut self, found: &Rows, what: &str) {
        let pending = self.pending.take();
        if let Some(pending) = &pending {
            let before = (self.rows.clone(), self.counted);
            self.apply(pending);
            if self.rows.sorted() == *found && (before.0.sorted() != *found || !pending.counts()) {
                self.counts.whole += 1;
                return;
            }
            (self.rows, self.counted) = before;
            self.counts.absent += 1;
        }
        assert_eq!(self.rows.sorted(), *found, "{what}, writer {}; cut off: {pending:?}", self.owner);
    }
}

impl Transaction {
    /// Whether only the counter, which all writers share, may tell that it was carried out.
    fn counts(&self) -> bool {
        self.steps().iter().any(|step| matches!(step, Step::Count))
    }
}

impl Rows {
    fn sorted(&self) -> Rows {
        let mut rows = self.clone();
        rows.arrivals.sort_unstable();
        rows.departures.sort_unstable();
        rows.events.sort_unstable();
        rows
    }
}

// ---- the session of DDL ----

/// A relation that comes and goes.
#[derive(Clone, Debug, PartialEq)]
struct Relation {
    kind: &'static str,
    /// What `SELECT *` of it must give.
    equals: String,
    over: Option<String>,
}

#[derive(Debug)]
struct Definition {
    texts: Vec<String>,
    after: BTreeMap<String, Relation>,
}

struct Definer {
    rng: Rng,
    relations: BTreeMap<String, Relation>,
    next: usize,
    pending: Option<Definition>,
    dropped: Vec<String>,
    counts: Counts,
}

impl Definer {
    fn run(&mut self, mut client: Client) {
        loop {
            let definition = self.definition();
            match perform(&mut client, &definition.texts) {
                Outcome::Acknowledged => {
                    self.accept(definition.after);
                    self.counts.acknowledged += 1;
                }
                Outcome::Unanswered => {
                    self.pending = Some(definition);
                    return;
                }
                Outcome::NeverAsked => return,
            }
        }
    }

    fn accept(&mut self, after: BTreeMap<String, Relation>) {
        let gone = self.relations.keys().filter(|name| !after.contains_key(*name)).cloned();
        self.dropped.extend(gone.collect::<Vec<_>>());
        self.dropped.drain(..self.dropped.len().saturating_sub(6));
        self.relations = after;
    }

    fn definition(&mut self) -> Definition {
        let full = self.relations.len() >= 6;
        match !self.relations.is_empty() && self.rng.one_in(2) {
            true if self.rng.one_in(2) => self.rename(),
            false if !full => self.create(),
            _ => self.drop(),
        }
    }

    /// What is over the renamed relation goes on.
    fn rename(&mut self) -> Definition {
        let names: Vec<String> = self.relations.keys().cloned().collect();
        let name = self.rng.pick(&names).clone();
        self.next += 1;
        let to = format!("d{}", self.next);
        let mut after = self.relations.clone();
        let relation = after.remove(&name).expect("it was picked from there");
        let texts = vec![format!("ALTER {} {name} RENAME TO {to}", relation.kind)];
        for dependant in after.values_mut().filter(|other| other.over.as_ref() == Some(&name)) {
            dependant.over = Some(to.clone());
            dependant.equals = dependant.equals.replace(&format!("FROM {name} "), &format!("FROM {to} "));
        }
        after.insert(to, relation);
        Definition { texts, after }
    }

    fn drop(&mut self) -> Definition {
        let names: Vec<String> = self.relations.keys().cloned().collect();
        let name = self.rng.pick(&names).clone();
        let mut after = self.relations.clone();
        let kind = after.remove(&name).expect("it was picked from there").kind;
        after.retain(|_, relation| relation.over.as_ref() != Some(&name));
        Definition { texts: vec![format!("DROP {kind} {name} CASCADE")], after }
    }

    fn create(&mut self) -> Definition {
        self.next += 1;
        let name = format!("d{}", self.next);
        let mut after = self.relations.clone();
        let tables: Vec<String> =
            after.iter().filter(|(_, r)| r.kind == "TABLE").map(|(name, _)| name.clone()).collect();
        let rest = self.rng.below(3);
        let (kind, equals, over) = match self.rng.below(4) {
            0 => ("TABLE", format!("VALUES ({}, 'a'), (-{}, NULL)", self.next, 1 + rest), None),
            1 => ("STREAM", format!("SELECT owner, seq FROM events WHERE seq % 3 = {rest}"), None),
            2 if !tables.is_empty() => {
                let over = self.rng.pick(&tables).clone();
                (
                    "MATERIALIZED VIEW",
                    format!("SELECT c, count(k), min(k) FROM {over} GROUP BY c"),
                    Some(over),
                )
            }
            2 => (
                "MATERIALIZED VIEW",
                format!("SELECT owner, min(id) FROM items WHERE id % 3 = {rest} GROUP BY owner"),
                None,
            ),
            _ => ("VIEW", format!("SELECT id FROM items WHERE value > {rest}"), None),
        };
        let texts = match kind {
            "TABLE" => vec![
                "BEGIN".to_owned(),
                format!("CREATE TABLE {name} (k int8 PRIMARY KEY, c text)"),
                format!("INSERT INTO {name} {equals}"),
                "COMMIT".to_owned(),
            ],
            _ => vec![format!("CREATE {kind} {name} AS {equals}")],
        };
        after.insert(name, Relation { kind, equals, over });
        Definition { texts, after }
    }

    /// The relations are those that were acknowledged, or all of what the definition that was cut off made of them.
    fn settle(&mut self, client: &mut Client, what: &str) {
        let mut names: Vec<String> = self.relations.keys().chain(&self.dropped).cloned().collect();
        names.extend(self.pending.iter().flat_map(|pending| pending.after.keys().cloned()));
        names.sort_unstable();
        names.dedup();
        let mut found = Vec::new();
        for name in names {
            match ask(client, &format!("SELECT * FROM {name}")) {
                Ok(_) => found.push(name),
                Err(code) => assert_eq!(code, "42P01", "{what}: {name}"),
            }
        }
        let pending = self.pending.take();
        if let Some(pending) = pending {
            if pending.after.keys().eq(&found) {
                self.counts.whole += 1;
                return self.accept(pending.after);
            }
            self.counts.absent += 1;
        }
        assert!(self.relations.keys().eq(&found), "{what}: {:?}, found {found:?}", self.relations.keys());
    }
}

// ---- rounds ----

/// A data directory, and everything that must be in it.
struct World {
    number: usize,
    directory: Scratch,
    rng: Rng,
    writers: Vec<Writer>,
    definer: Definer,
    round: usize,
}

impl World {
    fn new(seed: u64, number: usize) -> World {
        let directory = Scratch::new("recovery");
        let server = start(directory.path());
        let mut client = server.connect();
        let views = VIEWS.iter().map(|(name, query)| format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        for statement in SCHEMA.iter().map(|text| (*text).to_owned()).chain(views) {
            ask(&mut client, &statement).unwrap_or_else(|code| panic!("{code}: {statement}"));
        }
        let definer = Definer {
            rng: Rng::new(seed ^ 0xdef),
            relations: BTreeMap::new(),
            next: 0,
            pending: None,
            dropped: Vec::new(),
            counts: Counts::default(),
        };
        let writers = (0..WRITERS).map(|owner| Writer::new(owner, seed ^ (owner as u64 + 1) << 32)).collect();
        World { number, directory, rng: Rng::new(seed), writers, definer, round: 0 }
    }

    /// Works for a moment, is killed, sometimes again while it recovers, and is looked at.
    fn round(&mut self) {
        self.round += 1;
        let mut server = start(self.directory.path());
        self.check(&mut server.connect());
        let moment = Duration::from_micros(self.rng.below(300_000) as u64);
        let clients: Vec<Client> = self.writers.iter().map(|_| server.connect()).collect();
        let defining = server.connect();
        let (writers, definer) = (&mut self.writers, &mut self.definer);
        std::thread::scope(|scope| {
            for (writer, client) in writers.iter_mut().zip(clients) {
                scope.spawn(move || writer.run(client));
            }
            scope.spawn(move || definer.run(defining));
            std::thread::sleep(moment);
            server.kill();
        });
        if self.rng.one_in(4) {
            let mut child = command(self.directory.path()).stdout(Stdio::null()).spawn().expect("it starts");
            std::thread::sleep(Duration::from_millis(self.rng.below(200) as u64));
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn end(mut self) -> Counts {
        self.check(&mut start(self.directory.path()).connect());
        let mut sum = self.definer.counts;
        for writer in &self.writers {
            sum.acknowledged += writer.counts.acknowledged;
            sum.whole += writer.counts.whole;
            sum.absent += writer.counts.absent;
        }
        sum
    }

    fn check(&mut self, client: &mut Client) {
        let what = format!("directory {}, round {}", self.number, self.round);
        self.check_rows(client, &what);
        self.definer.settle(client, &what);
        let equal = |client: &mut Client, name: &str, query: &str| {
            let kept = ask(client, &format!("SELECT * FROM {name}")).map(sorted);
            let again = ask(client, query).map(sorted);
            assert_eq!(kept, again, "{what}: {name} and what it is defined as: {query}");
        };
        VIEWS.iter().chain(DERIVED).for_each(|(name, query)| equal(client, name, query));
        self.definer.relations.iter().for_each(|(name, relation)| equal(client, name, &relation.equals));
    }

    fn check_rows(&mut self, client: &mut Client, what: &str) {
        let mut found: Vec<Rows> = (0..WRITERS).map(|_| Rows::default()).collect();
        for (id, owner, value) in numbers(client, "SELECT id, owner, value FROM items") {
            assert_eq!(found[owner as usize].items.insert(id, value), None, "{what}: item {id} twice");
        }
        for (id, owner, _) in numbers(client, "SELECT id, owner, 0 FROM arrivals ORDER BY id") {
            found[owner as usize].arrivals.push(id);
        }
        for (id, owner, _) in numbers(client, "SELECT id, owner, 0 FROM departures ORDER BY id") {
            found[owner as usize].departures.push(id);
        }
        for (seq, owner, value) in numbers(client, "SELECT seq, owner, value FROM events ORDER BY seq, value")
        {
            found[owner as usize].events.push((seq, value));
        }
        // What only the counter can tell is told by it: these must explain it together.
        let undecided: Vec<i64> = self.writers.iter().map(|writer| writer.only_counted()).collect();
        for (writer, found) in self.writers.iter_mut().zip(&found) {
            writer.settle(found, what);
        }
        let counted = numbers(client, "SELECT n, one, 0 FROM counter")[0].0;
        let certain: i64 = self.writers.iter().map(|writer| writer.counted).sum();
        let (least, most) = (certain, certain + undecided.iter().sum::<i64>());
        assert!((least..=most).contains(&counted), "{what}: {counted} counted, {least} to {most} expected");
        // Whichever of them it was: from here on they are one sum.
        self.writers[0].counted += counted - certain;
    }
}

impl Writer {
    /// How often a transaction that was cut off counts, if it does nothing besides.
    fn only_counted(&self) -> i64 {
        let Some(pending) = &self.pending else { return 0 };
        let (mut rows, mut counted) = (self.rows.clone(), 0);
        pending.steps().iter().for_each(|step| step.apply(&mut rows, &mut counted));
        if rows == self.rows { counted } else { 0 }
    }
}

fn numbers(client: &mut Client, query: &str) -> Vec<(i64, i64, i64)> {
    let rows = ask(client, query).unwrap_or_else(|code| panic!("{code}: {query}"));
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("a number");
    rows.iter()
        .map(|row| {
            let mut values = row.split('\t');
            (number(values.next()), number(values.next()), number(values.next()))
        })
        .collect()
}

fn start(directory: &Path) -> Server {
    Server::start(Options { data_dir: Some(directory), ..Options::default() })
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(directory);
    command
}

// ---- damage ----

/// A record of the log: where it stands, and its sequence.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    size: usize,
    sequence: u64,
}

/// Where a file's header ends, and how long a record's head is.
const HEADER: usize = 32;
const RECORD: usize = 24;

/// The last log segment of a data directory, and its records.
fn last_segment(directory: &Path) -> (PathBuf, Vec<Place>) {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    let names = entries.map(|entry| entry.expect("the directory can be read").path());
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("log-")
    };
    let path = names.filter(is_log).max().expect("there is a log");
    let bytes = std::fs::read(&path).expect("the log can be read");
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let mut sequence = word(16);
    let mut places = Vec::new();
    let mut offset = HEADER;
    while offset + RECORD <= bytes.len() && word(offset + 8) == sequence {
        let length = word(offset) as u32 as usize;
        let size = (RECORD + length).next_multiple_of(8);
        places.push(Place { offset, size, sequence });
        (offset, sequence) = (offset + size, sequence + 1);
    }
    (path, places)
}

/// A data directory whose server was killed after twenty commits.
fn killed_after_commits() -> Scratch {
    let directory = Scratch::new("damage");
    let mut server = start(directory.path());
    let mut client = server.connect();
    ask(&mut client, "CREATE TABLE t (k int8 PRIMARY KEY)").expect("it can be created");
    for k in 0..20 {
        ask(&mut client, &format!("INSERT INTO t VALUES ({k})")).expect("it can be inserted");
    }
    server.kill();
    directory
}

/// Overwrites bytes of a file in place.
fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("the file is there");
    file.write_all_at(bytes, offset as u64).expect("the file can be written");
}

#[test]
fn a_torn_tail_is_cut_with_a_warning() {
    let directory = killed_after_commits();
    let (path, places) = last_segment(directory.path());
    let last = places.last().expect("there are records");
    // A record that a crash tore: its head says so much, its payload never came.
    let end = last.offset + last.size;
    let mut torn = [0u8; RECORD + 16];
    torn[0..4].copy_from_slice(&100u32.to_le_bytes());
    torn[4..8].copy_from_slice(&0xdead_beef_u32.to_le_bytes());
    torn[8..16].copy_from_slice(&(last.sequence + 1).to_le_bytes());
    torn[16..24].copy_from_slice(&last.sequence.to_le_bytes());
    overwrite(&path, end, &torn);
    let said = directory.path().with_extension("stderr");
    let server = Server::start(Options {
        data_dir: Some(directory.path()),
        stderr: Some(&said),
        ..Options::default()
    });
    assert_eq!(ask(&mut server.connect(), "SELECT count(*) FROM t"), Ok(vec!["20".to_owned()]));
    let warning = std::fs::read_to_string(&said).expect("stderr was written");
    let _ = std::fs::remove_file(&said);
    let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("WARN") && warning.contains(&format!("{name}: offset {end}")), "{warning}");
}

/// Starts where it must not: what it says on stderr.
fn refusal(directory: &Path) -> String {
    let mut child = command(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server can be started");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("it is a child").is_none() {
        if std::time::Instant::now() > deadline {
            let _ = child.kill();
            panic!("the server serves a damaged store");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn a_damaged_record_is_refused_by_file_and_offset() {
    let directory = killed_after_commits();
    let (path, places) = last_segment(directory.path());
    let whole = std::fs::read(&path).expect("the log can be read");
    let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
    let mut rng = Rng::new(harness::seed());
    // The last two may be unproven: a torn tail, as far as anyone can know.
    for place in &places[..places.len() - 2] {
        let at = place.offset + rng.below(RECORD + 1);
        overwrite(&path, at, &[whole[at] ^ 1 << rng.below(8)]);
        let said = refusal(directory.path());
        let expected = format!("{name}: offset {}", place.offset);
        assert!(said.contains(&expected), "byte {at} of record {place:?}: {said}");
        overwrite(&path, 0, &whole);
    }
    assert_eq!(
        ask(&mut start(directory.path()).connect(), "SELECT count(*) FROM t"),
        Ok(vec!["20".to_owned()])
    );
}

#[test]
fn a_damaged_run_or_manifest_is_refused_by_file_and_offset() {
    let directory = killed_after_commits();
    // Starting again leaves what was replayed to a run.
    start(directory.path()).kill();
    let mut rng = Rng::new(harness::seed());
    let entries = std::fs::read_dir(directory.path()).expect("the directory can be read");
    let mut damaged = 0;
    for path in entries.map(|entry| entry.expect("the directory can be read").path()) {
        let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
        if !name.starts_with("run-") && !name.starts_with("MANIFEST") {
            continue;
        }
        let whole = std::fs::read(&path).expect("the file can be read");
        for _ in 0..4 {
            let at = rng.below(whole.len());
            overwrite(&path, at, &[whole[at] ^ 1 << rng.below(8)]);
            let said = refusal(directory.path());
            assert!(said.contains(&format!("{name}: offset ")), "byte {at} of {name}: {said}");
            overwrite(&path, 0, &whole);
            damaged += 1;
        }
    }
    assert!(damaged >= 8, "there is a run and a manifest");
    assert_eq!(
        ask(&mut start(directory.path()).connect(), "SELECT count(*) FROM t"),
        Ok(vec!["20".to_owned()])
    );
}
