//! SQL and its answers: every query of `tests/slt/` run five ways that must agree (see `harness/slt.rs`), with one worker, with two,
//! and over two processes.
//!
//! `SLT=name` runs the files whose path contains it; `REWRITE=1` writes PostgreSQL's answers into the files.

mod harness;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use harness::Scratch;
use harness::postgres::Postgres;
use harness::server::{Options, Server};
use harness::slt::{self, Answer, Expected, Failure, File, Kind, Record, Rows, answer, sorted};
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
        let begun = Instant::now();
        let data = file.restarts().then(|| Scratch::new("slt"));
        let options = Options { data_dir: data.as_ref().map(Scratch::path), ..options };
        let mut run = Run::new(&file, options, oracle.database(&format!("slt_{number}")));
        queries += run.all();
        failures.append(&mut run.failures);
        println!("{:5.1} s {}", begun.elapsed().as_secs_f64(), path.display());
        if rewriting() {
            std::fs::write(path, file.rewritten(&run.oracle_answers)).expect("the file can be written");
        }
    }
    println!("{queries} queries in {} files", files.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// A view that was created before the data.
#[derive(Clone, Copy)]
struct Early {
    /// How many columns it has.
    columns: usize,
    /// The time from which its query is subscribed to.
    from: u64,
}

/// One file against one server.
struct Run<'a> {
    file: &'a File,
    options: Options<'a>,
    server: Server,
    oracle: Client,
    /// Runs the file as it stands.
    plain: Client,
    /// What the server said to it besides, since it was last looked at.
    notices: Arc<Mutex<Vec<String>>>,
    /// Creates and reads the views of the other ways.
    views: Client,
    /// Queries whose relations are there, by record number.
    early: BTreeMap<usize, Early>,
    /// Those that were created after their query was answered, by record number.
    late: Vec<usize>,
    /// A transaction block is open.
    in_block: bool,
    /// In the open block columns were altered.
    altered: bool,
    oracle_answers: Vec<Option<Answer>>,
    failures: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(file: &'a File, options: Options<'a>, oracle: Client) -> Run<'a> {
        let server = Server::start(options);
        let notices = Arc::new(Mutex::new(Vec::new()));
        let (plain, views) = (server.connect_noting(&notices), server.connect());
        Run {
            file,
            options,
            server,
            oracle,
            plain,
            notices,
            views,
            early: BTreeMap::new(),
            late: Vec::new(),
            in_block: false,
            altered: false,
            oracle_answers: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn fail(&mut self, record: &Record, what: &str, wanted: impl Debug, got: impl Debug) {
        let (path, line) = (self.file.path.display(), record.line);
        self.failures
            .push(format!("{path}:{line}: {what}\n{}\n  wanted {wanted:?}\n  got    {got:?}", record.sql));
    }

    fn all(&mut self) -> usize {
        let file = self.file;
        let mut queries = 0;
        for (number, record) in file.records.iter().enumerate() {
            self.altered |= record.alters_columns();
            if record.alters_columns() && !self.in_block {
                self.drop_views();
            }
            match &record.kind {
                Kind::Ok | Kind::Error(_) => self.statement(record),
                Kind::Query { ordered, expected } => {
                    queries += 1;
                    self.query(number, record, *ordered, expected);
                }
                Kind::QueryError(expected) => {
                    queries += 1;
                    self.query_error(number, record, expected);
                }
                Kind::Restart => self.restart(),
            }
            self.in_block |= record.begins_with(&["BEGIN", "START"]);
            self.in_block &= !record.begins_with(&["COMMIT", "END", "ROLLBACK", "ABORT"])
                || record.begins_with(&["ROLLBACK TO"]);
            let again = self.altered && !self.in_block;
            if again {
                self.drop_views();
                self.altered = false;
            }
            if !self.in_block && (again || record.begins_with(&["CREATE", "ALTER", "COMMIT", "END"])) {
                self.create_early(number);
            }
        }
        queries
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server = Server::start(self.options);
        (self.plain, self.views) = (self.server.connect_noting(&self.notices), self.server.connect());
        self.oracle_answers.push(None);
    }

    /// PostgreSQL's answer, if it can give one.
    fn ask_oracle(&mut self, record: &Record) -> Option<Answer> {
        let oracle = (!record.only_tidewater).then(|| answer(&mut self.oracle, &record.for_oracle()));
        self.oracle_answers.push(oracle.clone());
        oracle
    }

    /// What was said beside the plain answer, where the file pins it.
    fn said<T>(&mut self, record: &Record, plain: &Result<T, Failure>) {
        let mut said = std::mem::take(&mut *self.notices.lock().expect("nothing panics with the list"));
        let hint = plain.as_ref().err().and_then(|failure| failure.hint.as_ref());
        said.extend(hint.map(|hint| format!("hint: {hint}")));
        if !record.said.is_empty() && record.said != said {
            self.fail(record, "notices and hints", &record.said, &said);
        }
    }

    /// A statement: both sides succeed and report as many rows, or fail with the error.
    fn statement(&mut self, record: &Record) {
        let oracle = (!record.only_tidewater).then(|| slt::run(&mut self.oracle, &record.for_oracle()));
        let plain = slt::run(&mut self.plain, &record.sql);
        self.said(record, &plain);
        match &record.kind {
            Kind::Error(expected) => {
                self.expect_error(record, "PostgreSQL", expected, oracle.as_ref());
                let expected = &wanted(expected, oracle.as_ref());
                self.expect_error(record, "tidewater", expected, Some(&plain));
            }
            _ => match &oracle {
                Some(oracle @ Ok(_)) if plain != *oracle => self.fail(record, "tidewater", oracle, &plain),
                Some(Err(error)) => self.fail(record, "PostgreSQL", "success", error),
                None if plain.is_err() => self.fail(record, "tidewater", "success", &plain),
                _ => {}
            },
        }
        self.oracle_answers.push(oracle.map(|answer| answer.map(|_| Rows::new())));
    }

    fn expect_error<T: Debug>(
        &mut self,
        record: &Record,
        who: &str,
        expected: &Expected,
        answer: Option<&Result<T, Failure>>,
    ) {
        let unknown = rewriting() && expected.message.is_some() && who == "PostgreSQL";
        if let Some(answer) = answer
            && !expected.is(answer)
            && !(unknown && answer.is_err())
        {
            self.fail(record, who, expected, answer);
        }
    }

    fn query(&mut self, number: usize, record: &Record, ordered: bool, expected: &Rows) {
        let arrange = |rows: Rows| if ordered { rows } else { sorted(rows) };
        let oracle = self.ask_oracle(record);
        let expected = match &oracle {
            Some(Ok(rows)) if rewriting() => rows.clone(),
            _ => expected.clone(),
        };
        let expected = arrange(expected);
        if let Some(oracle) = oracle.map(|answer| answer.map(arrange))
            && oracle.as_ref() != Ok(&expected)
        {
            self.fail(record, "PostgreSQL", &expected, &oracle);
        }
        let plain = answer(&mut self.plain, &record.sql).map(arrange);
        self.said(record, &plain);
        if plain.as_ref() != Ok(&expected) {
            self.fail(record, "SELECT", &expected, &plain);
        }
        if record.is_select() && !record.only_tidewater {
            self.binary(record, ordered);
        }
        if record.is_viewable() && !self.in_block {
            let expected = sorted(expected);
            self.maintained(number, record, &|answer| answer.as_ref() == Ok(&expected), &expected);
        }
    }

    /// Names and types of the columns, and every value in the binary format.
    fn binary(&mut self, record: &Record, ordered: bool) {
        let ask = |client: &mut Client| {
            let mut answer = slt::binary(client, &record.sql)?;
            if !ordered {
                answer.rows.sort_unstable();
            }
            Ok::<_, Failure>(answer)
        };
        let (oracle, plain) = (ask(&mut self.oracle), ask(&mut self.plain));
        if plain != oracle {
            self.fail(record, "binary", oracle, plain);
        }
    }

    /// An error of data is in every view; an error of words lets none be created.
    fn query_error(&mut self, number: usize, record: &Record, expected: &Expected) {
        let oracle = self.ask_oracle(record);
        self.expect_error(record, "PostgreSQL", expected, oracle.as_ref());
        let expected = &wanted(expected, oracle.as_ref());
        let plain = answer(&mut self.plain, &record.sql);
        self.said(record, &plain);
        self.expect_error(record, "SELECT", expected, Some(&plain));
        if !record.is_viewable() || self.in_block {
            return;
        }
        match self.views.prepare(&record.sql) {
            Ok(_) => self.maintained(number, record, &|answer| expected.is(answer), expected),
            Err(_) => {
                let create = format!("CREATE MATERIALIZED VIEW late_{number} AS {}", record.sql);
                let created = answer(&mut self.views, &create);
                self.expect_error(record, "CREATE MATERIALIZED VIEW", expected, Some(&created));
            }
        }
    }

    /// Drops the views of the other ways: they may stand in the way of what the file does to columns, and the queries to come may mean
    /// other columns then.
    fn drop_views(&mut self) {
        let early = std::mem::take(&mut self.early).into_keys().map(|number| format!("early_{number}"));
        let late = std::mem::take(&mut self.late).into_iter().map(|number| format!("late_{number}"));
        for name in early.chain(late) {
            let _ = answer(&mut self.views, &format!("DROP MATERIALIZED VIEW IF EXISTS {name}"));
        }
    }

    /// Creates the early views of the queries after this record whose relations are all there now.
    fn create_early(&mut self, after: usize) {
        let file = self.file;
        for (number, record) in file.records.iter().enumerate().skip(after + 1) {
            if !record.is_viewable() || self.early.contains_key(&number) {
                continue;
            }
            let Ok(query) = self.views.prepare(&record.sql) else { continue };
            let columns = query.columns().len();
            if answer(&mut self.views, &create_view(&format!("early_{number}"), columns, &record.sql)).is_ok()
            {
                let from = self.present();
                self.early.insert(number, Early { columns, from });
            }
        }
    }

    /// The present timestamp.
    fn present(&mut self) -> u64 {
        let answer = answer(&mut self.views, "SELECT tw_now()");
        answer.ok().and_then(|rows| rows.first()?.parse().ok()).expect("SELECT tw_now() gives a timestamp")
    }

    fn subscribe(&mut self, record: &Record, from: u64) -> Answer {
        let end = self.present() + 1;
        answer(&mut self.views, &format!("SUBSCRIBE ({}) AS OF {from} UP TO {end}", record.sql))
    }

    /// The views and the subscription to a query.
    fn maintained(
        &mut self,
        number: usize,
        record: &Record,
        is_right: &dyn Fn(&Answer) -> bool,
        expected: &dyn Debug,
    ) {
        let Some(Early { columns, from }) = self.early.get(&number).copied() else {
            return self.fail(record, "the view created before", "a view", "none could be created");
        };
        let early = answer(&mut self.views, &format!("SELECT * FROM early_{number}")).map(sorted);
        if !is_right(&early) {
            self.fail(record, "the view created before", expected, &early);
        }
        let mut folded = self.subscribe(record, from).map(fold);
        if let Some(code) = &record.past_fails {
            if folded.as_ref().err().map(|failure| &failure.code) != Some(code) {
                self.fail(record, "SUBSCRIBE to the past", code, &folded);
            }
            let now = self.present();
            folded = self.subscribe(record, now).map(fold);
        }
        if !is_right(&folded) {
            self.fail(record, "SUBSCRIBE folded", expected, &folded);
        }
        let create = create_view(&format!("late_{number}"), columns, &record.sql);
        self.late.push(number);
        let late = answer(&mut self.views, &create)
            .and_then(|_| answer(&mut self.views, &format!("SELECT * FROM late_{number}")));
        let late = late.map(sorted);
        if !is_right(&late) {
            self.fail(record, "the view created after", expected, &late);
        }
    }
}

/// The statement that makes a view of a query, whose columns may share a name.
fn create_view(name: &str, columns: usize, query: &str) -> String {
    let columns: Vec<String> = (1..=columns).map(|i| format!("c{i}")).collect();
    format!("CREATE MATERIALIZED VIEW {name} ({}) AS {query}", columns.join(", "))
}

/// The error that the others must have too: while PostgreSQL's are being written, what it says.
fn wanted<T>(expected: &Expected, oracle: Option<&Result<T, Failure>>) -> Expected {
    match oracle {
        Some(Err(Failure { code, message, .. })) if rewriting() && expected.message.is_some() => {
            Expected { code: code.clone(), message: Some(message.clone()) }
        }
        _ => expected.clone(),
    }
}

fn rewriting() -> bool {
    std::env::var("REWRITE").is_ok()
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
