//! SQL and its answers: every query of `tests/slt/` run five ways that must agree (see `harness/slt.rs`), with one worker, with two,
//! and over two processes.
//!
//! `SLT=name` runs the files whose path contains it; `REWRITE=1` writes PostgreSQL's answers into the files.

mod harness;

use std::collections::BTreeMap;
use std::path::PathBuf;

use harness::postgres::Postgres;
use harness::server::{Options, Server};
use harness::slt::{self, Answer, File, Kind, Record, Rows, ask, sorted};
use postgres::Client;

#[test]
fn every_way_agrees_with_one_worker() {
    run(Options::default(), slt::files());
}

#[test]
fn every_way_agrees_with_two_workers() {
    run(Options { workers: 2, ..Options::default() }, slt::files());
}

/// Two processes: the first file of each folder.
#[test]
fn every_way_agrees_over_two_processes() {
    let mut firsts = BTreeMap::new();
    for file in slt::files() {
        firsts.entry(file.parent().expect("it lies in a folder").to_owned()).or_insert(file);
    }
    run(Options { processes: 2, ..Options::default() }, firsts.into_values().collect());
}

fn run(options: Options<'_>, files: Vec<PathBuf>) {
    let wanted = std::env::var("SLT").unwrap_or_default();
    let files: Vec<_> = files.into_iter().filter(|file| file.to_string_lossy().contains(&wanted)).collect();
    let oracle = Postgres::start();
    let mut failures = Vec::new();
    let mut queries = 0;
    for (number, path) in files.iter().enumerate() {
        let file = File::read(path);
        let server = Server::start(options);
        let mut run = Run::new(&file, &server, oracle.database(&format!("slt_{number}")));
        queries += run.all();
        failures.append(&mut run.failures);
        if std::env::var("REWRITE").is_ok() {
            std::fs::write(path, file.rewritten(&run.oracle_answers)).expect("the file can be written");
        }
    }
    println!("{queries} queries in {} files", files.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// One file against one server.
struct Run<'a> {
    file: &'a File,
    oracle: Client,
    /// Runs the file as it stands.
    plain: Client,
    /// Creates and reads the views of the other ways.
    views: Client,
    /// Queries whose relations are there: record number to the time from which they are subscribed to.
    early: BTreeMap<usize, u64>,
    oracle_answers: Vec<Option<Answer>>,
    failures: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(file: &'a File, server: &Server, oracle: Client) -> Run<'a> {
        let (plain, views) = (server.connect(), server.connect());
        Run {
            file,
            oracle,
            plain,
            views,
            early: BTreeMap::new(),
            oracle_answers: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn fail(&mut self, record: &Record, what: &str, wanted: impl std::fmt::Debug, got: impl std::fmt::Debug) {
        let (path, line) = (self.file.path.display(), record.line);
        self.failures
            .push(format!("{path}:{line}: {what}\n{}\n  wanted {wanted:?}\n  got    {got:?}", record.sql));
    }

    fn all(&mut self) -> usize {
        let file = self.file;
        let mut queries = 0;
        for (number, record) in file.records.iter().enumerate() {
            let rewriting = std::env::var("REWRITE").is_ok();
            let oracle = (!record.only_tidewater).then(|| ask(&mut self.oracle, &record.sql));
            self.oracle_answers.push(oracle.clone());
            match &record.kind {
                Kind::Ok => self.expect_outcome(record, None, oracle),
                Kind::Error(code) | Kind::QueryError(code) => self.expect_outcome(record, Some(code), oracle),
                Kind::Query { ordered, expected } => {
                    queries += 1;
                    let arrange = |rows: Rows| if *ordered { rows } else { sorted(rows) };
                    let expected = match (&oracle, rewriting) {
                        (Some(Ok(rows)), true) => rows.clone(),
                        _ => expected.clone(),
                    };
                    let expected = arrange(expected);
                    if let Some(oracle) = oracle.map(|answer| answer.map(arrange))
                        && oracle.as_ref() != Ok(&expected)
                    {
                        self.fail(record, "PostgreSQL", &expected, &oracle);
                    }
                    let plain = ask(&mut self.plain, &record.sql).map(arrange);
                    if plain.as_ref() != Ok(&expected) {
                        self.fail(record, "SELECT", &expected, &plain);
                    }
                    if !record.only_select {
                        self.maintained(number, record, &sorted(expected));
                    }
                }
            }
            if matches!(record.kind, Kind::Ok)
                && record.sql.trim_start().to_ascii_uppercase().starts_with("CREATE")
            {
                self.create_early(number);
            }
        }
        queries
    }

    /// A statement: both sides succeed, or fail with the code.
    fn expect_outcome(&mut self, record: &Record, code: Option<&String>, oracle: Option<Answer>) {
        if let Some(oracle) = oracle
            && oracle.as_ref().err() != code
        {
            self.fail(record, "PostgreSQL", code, &oracle);
        }
        let plain = ask(&mut self.plain, &record.sql);
        if plain.as_ref().err() != code {
            self.fail(record, "tidewater", code, &plain);
        }
    }

    /// Creates the early views of the queries after this record whose relations are all there now.
    fn create_early(&mut self, after: usize) {
        let file = self.file;
        for (number, record) in file.records.iter().enumerate().skip(after + 1) {
            let is_query = matches!(record.kind, Kind::Query { .. }) && !record.only_select;
            if !is_query || self.early.contains_key(&number) {
                continue;
            }
            let Some(create) = self.create_view(&format!("early_{number}"), &record.sql) else { continue };
            if ask(&mut self.views, &create).is_ok() {
                let now = self.present();
                self.early.insert(number, now);
            }
        }
    }

    /// The statement that makes a view of a query, whose columns may share a name; None if the query cannot be prepared.
    fn create_view(&mut self, name: &str, query: &str) -> Option<String> {
        let columns = self.views.prepare(query).ok()?.columns().len();
        let columns: Vec<String> = (1..=columns).map(|i| format!("c{i}")).collect();
        Some(format!("CREATE MATERIALIZED VIEW {name} ({}) AS {query}", columns.join(", ")))
    }

    /// The present timestamp.
    fn present(&mut self) -> u64 {
        let answer = ask(&mut self.views, "SELECT tw_now()");
        answer.ok().and_then(|rows| rows.first()?.parse().ok()).expect("SELECT tw_now() gives a timestamp")
    }

    fn maintained(&mut self, number: usize, record: &Record, expected: &Rows) {
        if let Some(from) = self.early.get(&number).copied() {
            let early = ask(&mut self.views, &format!("SELECT * FROM early_{number}")).map(sorted);
            if early.as_ref() != Ok(expected) {
                self.fail(record, "the view created before", expected, &early);
            }
            let now = self.present();
            let subscribe = format!("SUBSCRIBE ({}) AS OF {from} UP TO {}", record.sql, now + 1);
            let folded = ask(&mut self.views, &subscribe).map(fold);
            if folded.as_ref() != Ok(expected) {
                self.fail(record, "SUBSCRIBE folded", expected, &folded);
            }
        } else {
            self.fail(record, "the view created before", "a view", "none could be created");
        }
        let create = self.create_view(&format!("late_{number}"), &record.sql);
        let late = create.ok_or("no columns".to_owned()).and_then(|create| ask(&mut self.views, &create));
        let late =
            late.and_then(|_| ask(&mut self.views, &format!("SELECT * FROM late_{number}"))).map(sorted);
        if late.as_ref() != Ok(expected) {
            self.fail(record, "the view created after", expected, &late);
        }
    }
}

/// The sum of updates `timestamp diff row…`: each row as often as its diffs say.
fn fold(updates: Rows) -> Rows {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for update in &updates {
        let mut parts = update.splitn(3, '\t');
        let diff = parts.nth(1).and_then(|diff| diff.parse::<i64>().ok()).unwrap_or(i64::MIN);
        *counts.entry(parts.next().unwrap_or_default()).or_default() += diff;
    }
    let rows = counts.into_iter().flat_map(|(row, count)| {
        let shown = if count < 0 { format!("{row} ({count} times)") } else { row.to_owned() };
        vec![shown; count.unsigned_abs() as usize]
    });
    rows.collect()
}
