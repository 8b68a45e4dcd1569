//! Maintained equals interpreted equals recomputed, at every timestamp.
//!
//! Random schemas, queries and transactions, from one printed seed. Each query is a materialized view from before the data and one
//! from half-way on, is subscribed to, and is asked once after every transaction; some read another view. PostgreSQL is asked the
//! same, and the compiler's interpreter says what the query means over the histories of the tables. All of them must agree at every
//! timestamp.
//!
//! Some queries fail on rows that come and go. Which expressions are evaluated on which rows is not defined: PostgreSQL stops at the
//! first error that its plan happens to meet, our passes may lose one that the query need not meet, but never add one. So, at
//! every timestamp:
//!
//! - All ways that answer give the same rows: an error stands for rows that nobody knows, and can hide them but not change them.
//! - Where the interpreted query answers, each of our ways does, whatever failed before: a view heals when the rows go.
//! - Where one of ours fails, it is by a code that the interpreted query fails by then. So does PostgreSQL, and whenever one of all
//!   the ways fails all do, if every row that the query speaks of is evaluated by everybody ([`Failing::Exactly`]).
//! - A query without anything that can fail is answered by everybody ([`Failing::Never`]).
//!
//! `SEED` repeats a run, `CASES` says how many seeds from there on are tried.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use bumpalo::Bump;
use compiler::bind::bound::Bound;
use compiler::bind::{Binder, Purpose};
use compiler::catalog::Catalog;
use compiler::interpret::{Updates, interpret};
use compiler::mir::{CollectionId, Rel};
use compiler::plan::{Context, Plan};
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Datum, Row, Type};
use harness::postgres::Postgres;
use harness::random_sql::{Failing, Generator};
use harness::server::{Options, Server};
use postgres::{Client, SimpleQueryMessage};

/// Schemas with a history each, for each number of workers.
const CASES: u64 = 10;
/// Queries for each history, by whether they can fail.
const QUERIES: [Failing; 7] = [
    Failing::Never,
    Failing::Never,
    Failing::Never,
    Failing::Never,
    Failing::Somewhere,
    Failing::Exactly,
    Failing::Exactly,
];
const TRANSACTIONS: usize = 8;
/// The views of the second kind are created after so many transactions.
const LATE: usize = 4;

/// A row as text.
type Line = Vec<Option<String>>;
/// Rows with their multiplicities.
type Bag = BTreeMap<Line, i64>;
/// What a way says: rows, or the code of an error.
type Answer = Result<Bag, String>;
/// What a query means: rows, or the codes of all errors that are met.
type Meaning = Result<Bag, BTreeSet<String>>;

#[derive(Clone)]
struct Query {
    sql: String,
    failing: Failing,
    rel: Rel,
    types: Vec<Type>,
}

#[test]
fn maintained_equals_interpreted_equals_recomputed() {
    run(1);
}

#[test]
fn maintained_equals_interpreted_equals_recomputed_by_two_workers() {
    run(2);
}

fn run(workers: usize) {
    let first = harness::seed();
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let oracle = Postgres::start();
    let server = Server::start(Options { workers, ..Options::default() });
    let mut clients =
        Clients { ours: server.connect(), postgres: oracle.database(&format!("incremental_{workers}")) };
    for seed in (0..cases).map(|number| first.wrapping_add(number)) {
        Case::new(seed, &mut clients).run();
    }
}

/// The name of the oracle among the ways.
const POSTGRES: &str = "PostgreSQL";

struct Clients {
    ours: Client,
    postgres: Client,
}

/// A schema, its queries, and what the ways said.
struct Case<'a> {
    seed: u64,
    clients: &'a mut Clients,
    generator: Generator,
    prefix: String,
    queries: Vec<Query>,
    types: BTreeMap<CollectionId, (String, Vec<Type>)>,
    script: Vec<String>,
    /// For each timestamp after a transaction, what each query gave by each way.
    answers: Vec<(u64, Vec<Vec<(&'static str, Answer)>>)>,
}

impl<'a> Case<'a> {
    fn new(seed: u64, clients: &'a mut Clients) -> Case<'a> {
        let prefix = format!("t{seed}_");
        let generator = Generator::new(seed, &prefix);
        Case {
            seed,
            clients,
            generator,
            prefix,
            queries: vec![],
            types: BTreeMap::new(),
            script: vec![],
            answers: vec![],
        }
    }

    fn run(mut self) {
        self.create();
        let from = self.now();
        for number in 0..TRANSACTIONS {
            if number == LATE {
                self.create_views("late");
            }
            self.transact();
            self.ask_every_way(number >= LATE);
        }
        let until = self.now() + 1;
        let histories = self.histories(from, until);
        self.transactions_have_one_time_each(&histories, from);
        for index in 0..self.queries.len() {
            self.check(index, &histories, from, until);
        }
        for table in self.generator.tables.clone() {
            let kind = if table.stream { "STREAM" } else { "TABLE" };
            self.both(
                &format!("DROP {kind} {} CASCADE", table.name),
                &format!("DROP TABLE {} CASCADE", table.name),
            );
        }
    }

    fn create(&mut self) {
        let mut catalog = compiler::empty_catalog();
        for table in self.generator.tables.clone() {
            let (ours, postgres) = (table.create(false), table.create(true));
            self.both(&ours, &postgres);
            catalog = created(&catalog, &ours);
            let item = catalog.named("public", &table.name).expect("it was just created");
            let types = item.columns().iter().map(|column| column.typ.typ.clone()).collect();
            self.types.insert(item.id, (table.name.clone(), types));
        }
        let name = format!("{}view", self.prefix);
        let (columns, sql) = self.generator.view(&name);
        let view = format!("VIEW {name} ({}) AS {sql}", columns.join(", "));
        self.both(&format!("CREATE MATERIALIZED {view}"), &format!("CREATE {view}"));
        // Its meaning is its query's in the place of its name.
        catalog = created(&catalog, &format!("CREATE {view}"));
        for failing in QUERIES {
            let sql = self.generator.query(failing);
            let rel = meaning(&catalog, &sql).unwrap_or_else(|why| panic!("SEED={} {why}\n{sql}", self.seed));
            let types = rel.columns().into_iter().map(|column| column.typ).collect();
            self.queries.push(Query { sql, failing, rel, types });
        }
        self.create_views("early");
    }

    fn create_views(&mut self, when: &str) {
        for (index, Query { sql, types, .. }) in self.queries.clone().into_iter().enumerate() {
            let columns: Vec<String> = (0..types.len()).map(|column| format!("c{column}")).collect();
            let name = format!("{}{when}{index}", self.prefix);
            self.ours(&format!("CREATE MATERIALIZED VIEW {name} ({}) AS {sql}", columns.join(", ")));
        }
    }

    fn transact(&mut self) {
        let statements = self.generator.transaction();
        let text = format!("BEGIN; {}; COMMIT", statements.join("; "));
        self.both(&text, &text);
    }

    fn ask_every_way(&mut self, late: bool) {
        let mut answers = Vec::new();
        let Clients { ours, postgres } = &mut *self.clients;
        for (index, query) in self.queries.iter().enumerate() {
            let view = |when: &str| format!("SELECT * FROM {}{when}{index}", self.prefix);
            let mut ways = vec![
                ("the view", answer(ours, &view("early"))),
                ("SELECT", answer(ours, &query.sql)),
                (POSTGRES, answer(postgres, &query.sql)),
            ];
            if late {
                ways.push(("the late view", answer(ours, &view("late"))));
            }
            answers.push(ways);
        }
        let now = self.now();
        self.answers.push((now, answers));
    }

    /// The tables' updates, as their subscriptions tell them.
    fn histories(&mut self, from: u64, until: u64) -> BTreeMap<CollectionId, Updates> {
        let mut histories = BTreeMap::new();
        for (id, (name, types)) in self.types.clone() {
            let lines = self.ours(&format!("SUBSCRIBE {name} AS OF {from} UP TO {until}"));
            let updates = lines.into_iter().map(|line| {
                let (time, diff, values) = update(line);
                (packed(&values, &types), time, diff)
            });
            histories.insert(id, Updates { oks: updates.collect(), errs: vec![] });
        }
        histories
    }

    /// A block's writes appear at one time, whatever tables they go to.
    fn transactions_have_one_time_each(&self, histories: &BTreeMap<CollectionId, Updates>, from: u64) {
        let times: BTreeSet<u64> =
            histories.values().flat_map(|h| h.oks.iter().map(|(_, time, _)| *time)).collect();
        let mut before = from;
        for (now, _) in &self.answers {
            let of_it: Vec<_> = times.iter().filter(|time| (before + 1..=*now).contains(time)).collect();
            assert!(of_it.len() <= 1, "SEED={} CASES=1: {of_it:?} are of one block", self.seed);
            before = *now;
        }
    }

    /// One query's ways against what it means.
    fn check(&mut self, index: usize, histories: &BTreeMap<CollectionId, Updates>, from: u64, until: u64) {
        let query = self.queries[index].clone();
        let updates = interpret(&query.rel, histories);
        for (time, answers) in &self.answers {
            self.check_answers(&query, *time, query.meaning_at(&updates, *time), &answers[index]);
        }
        let mut times: BTreeSet<u64> =
            histories.values().flat_map(|h| h.oks.iter().map(|(_, time, _)| *time)).collect();
        times.insert(from);
        let meant: Vec<(u64, Meaning)> =
            times.into_iter().map(|time| (time, query.meaning_at(&updates, time))).collect();
        let view = format!("{}early{index}", self.prefix);
        for (way, what) in
            [("the query's subscription", format!("({})", query.sql)), ("the view's subscription", view)]
        {
            // An error would end it: one subscription for each run of times without.
            for run in meant.chunk_by(|(_, before), (_, next)| before.is_ok() == next.is_ok()) {
                let end = meant.iter().map(|(time, _)| *time).find(|time| *time > run[run.len() - 1].0);
                self.check_subscription(way, &what, &query, run, end.unwrap_or(until));
            }
        }
    }

    /// The answers at a time against the meaning and each other.
    fn check_answers(&self, query: &Query, time: u64, meant: Meaning, answers: &[(&str, Answer)]) {
        let mut known = meant.as_ref().ok();
        for (way, answer) in answers {
            match (answer, known) {
                (Ok(found), Some(known)) => self.agree(way, &query.sql, time, known, found),
                (Ok(found), None) => known = Some(found),
                (Err(code), _) => {
                    let is_free = *way == POSTGRES && query.failing == Failing::Somewhere;
                    let is_met = meant.as_ref().is_err_and(|codes| codes.contains(code));
                    if !is_free && !is_met {
                        let meant = meant.as_ref().err();
                        self.fail(
                            way,
                            &query.sql,
                            time,
                            &format!("fails by {code}, the meaning by {meant:?}"),
                        );
                    }
                }
            }
            if let (Failing::Exactly, Err(codes), Ok(found)) = (query.failing, &meant, answer) {
                self.fail(way, &query.sql, time, &format!("should fail by {codes:?}, gives {found:?}"));
            }
        }
    }

    /// A subscription from the first of some times up to `end`, folded at each of them.
    fn check_subscription(&mut self, way: &str, what: &str, query: &Query, run: &[(u64, Meaning)], end: u64) {
        let from = run[0].0;
        if run[0].1.is_err() {
            return;
        }
        let lines = self.ours(&format!("SUBSCRIBE {what} AS OF {from} UP TO {end}"));
        let updates: Vec<_> = lines.into_iter().map(update).collect();
        if let Some(extra) = updates.iter().find(|(at, ..)| run.iter().all(|(time, _)| time != at)) {
            self.fail(way, &query.sql, extra.0, &format!("an update when nothing changed: {extra:?}"));
        }
        let mut folded = Bag::new();
        let mut rest = updates.iter().peekable();
        for (time, meant) in run {
            while let Some((_, diff, line)) = rest.next_if(|(at, ..)| at <= time) {
                *folded.entry(line.clone()).or_default() += diff;
            }
            folded.retain(|_, diff| *diff != 0);
            let meant = meant.as_ref().expect("a run is of one kind");
            self.agree(way, &query.sql, *time, meant, &folded);
        }
    }

    fn agree(&self, way: &str, sql: &str, time: u64, expected: &Bag, found: &Bag) {
        if expected == found {
            return;
        }
        let difference = |these: &Bag, those: &Bag| {
            let lines = these.iter().filter(|(line, count)| those.get(*line) != Some(count));
            lines.map(|(line, count)| format!("\n    {count} x {line:?}")).collect::<String>()
        };
        let (expected, found) = (difference(expected, found), difference(found, expected));
        self.fail(way, sql, time, &format!("\n  expected:{expected}\n  found:{found}"));
    }

    fn fail(&self, way: &str, sql: &str, time: u64, what: &str) -> ! {
        let script = self.script.join(";\n");
        panic!("SEED={} CASES=1: {way} at {time}\n{sql}\n{what}\n{script}", self.seed)
    }
}

/// Talking.
impl<'a> Case<'a> {
    fn both(&mut self, ours: &str, postgres: &str) {
        self.ours(ours);
        self.postgres(postgres);
        self.script.push(ours.to_owned());
    }

    fn ours(&mut self, sql: &str) -> Vec<Line> {
        let answer = lines(&mut self.clients.ours, sql);
        answer.unwrap_or_else(|why| {
            panic!("SEED={} tidewater: {why}\n{sql}\n{}", self.seed, self.script.join(";\n"))
        })
    }

    fn postgres(&mut self, sql: &str) -> Vec<Line> {
        let answer = lines(&mut self.clients.postgres, sql);
        answer.unwrap_or_else(|why| panic!("SEED={} PostgreSQL: {why}\n{sql}", self.seed))
    }

    fn now(&mut self) -> u64 {
        let lines = self.ours("SELECT tw_now()");
        lines[0][0].as_ref().and_then(|now| now.parse().ok()).expect("a timestamp")
    }
}

fn answer(client: &mut Client, sql: &str) -> Answer {
    match lines(client, sql) {
        Ok(lines) => Ok(bag(lines)),
        Err(error) => Err(error.code().unwrap_or_else(|| panic!("{error}\n{sql}")).code().to_owned()),
    }
}

fn lines(client: &mut Client, sql: &str) -> Result<Vec<Line>, postgres::Error> {
    let line = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(client.simple_query(sql)?.into_iter().filter_map(line).collect())
}

fn bag(lines: Vec<Line>) -> Bag {
    let mut bag = Bag::new();
    lines.into_iter().for_each(|line| *bag.entry(line).or_default() += 1);
    bag
}

/// A SUBSCRIBE's line: time, diff, values.
fn update(mut line: Line) -> (u64, i64, Line) {
    let values = line.split_off(2);
    let number = |value: &Option<String>| value.as_ref().and_then(|text| text.parse::<i64>().ok());
    let (time, diff) = (number(&line[0]).expect("a timestamp"), number(&line[1]).expect("a diff"));
    (time as u64, diff, values)
}

// ---- what a query means ----

impl Query {
    /// What is read at a time.
    fn meaning_at(&self, updates: &Updates, time: u64) -> Meaning {
        let collection = updates.as_of(time);
        let mut codes: BTreeSet<String> =
            collection.errs.iter().map(|error| error.code.code().to_owned()).collect();
        for (row, _) in &collection.rows {
            codes.extend(row.iter().filter_map(|datum| match datum {
                Datum::Error(error) => Some(error.to_owned().code.code().to_owned()),
                _ => None,
            }));
        }
        match codes.is_empty() {
            true => Ok(collection.rows.iter().map(|(row, diff)| (shown(row, &self.types), *diff)).collect()),
            false => Err(codes),
        }
    }
}

fn context() -> Context {
    Context {
        search_path: vec!["public".to_owned()],
        settings: TextSettings::default(),
        parameters: [("timezone", "UTC"), ("datestyle", "ISO, MDY"), ("intervalstyle", "postgres")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        user: "ann".to_owned(),
        database: "test".to_owned(),
        ..Context::default()
    }
}

/// The catalog after a CREATE.
fn created(catalog: &Catalog, sql: &str) -> Catalog {
    let statement = compiler::parse::parse(sql).expect("it was accepted").remove(0);
    let compiled = compiler::compile(&statement.node, catalog, &context()).expect("it was accepted");
    let Plan::Change(change) = compiled.plan else { panic!("{sql} changes no catalog") };
    catalog.apply_all(&change.changes).expect("it was accepted")
}

/// What the query means before any pass has seen it.
fn meaning(catalog: &Catalog, sql: &str) -> Result<Rel, compiler::Error> {
    let mut statement = compiler::parse::parse(sql)?.remove(0).node;
    let context = context();
    let mut binder = Binder::new(catalog, &context, Purpose::Once);
    let Bound::Query(query) = binder.bind_statement(&mut statement)? else { panic!("{sql} is no query") };
    compiler::decorrelate::decorrelate(&query.into_rel())
}

fn packed(values: &Line, types: &[Type]) -> Row {
    let (arena, settings) = (Bump::new(), TextSettings::default());
    Row::pack(values.iter().zip(types).map(|(value, typ)| match value {
        None => Datum::Null,
        Some(value) => text::parse(typ, value, &settings, &arena).expect("it was printed"),
    }))
}

fn shown(row: &Row, types: &[Type]) -> Line {
    let settings = TextSettings::default();
    let value = |(datum, typ): (Datum<'_>, &Type)| {
        (!datum.is_null()).then(|| {
            let mut out = String::new();
            text::format(datum, typ, &settings, &mut out);
            out
        })
    };
    row.unpack().into_iter().zip(types).map(value).collect()
}
