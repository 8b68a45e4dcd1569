//! Files of SQL and its answers, in sqllogictest's form, each query run five ways that must agree.
//!
//! ```text
//! statement ok                 statement error 23502        query
//! INSERT INTO t VALUES (1)     INSERT INTO t VALUES (1)     SELECT a, b FROM t
//!                                                           ----
//!                                                           1 NULL
//! ```
//!
//! The ways: a one-shot SELECT; a materialized view that was created as early as its relations were there, which therefore saw
//! every change; one created now; SUBSCRIBE from then to now, folded; and PostgreSQL. Rows are compared as sets with
//! multiplicities unless the query ends in ORDER BY (`query ordered`); values are separated by one tab in the file. Names and types
//! of columns are PostgreSQL's too, as are the bytes of all values in the binary format, and the numbers of rows that statements report.
//!
//! `error CODE message` expects that of every way (`error CODE` the code alone): of data when it is read, of words when a view is
//! to be created. `past fails: CODE` before a query says that its view had that error before: a subscription from then on fails,
//! one from now on does not.
//!
//! Lines `notice: text` and `hint: text` before a record pin what Tidewater says besides: each notice, its hint behind it, and an error's
//! hint last.
//!
//! A line `only tidewater: why` before a record says that PostgreSQL cannot answer it, `only select: why` that it cannot be
//! maintained; nor are queries inside a block, which alone sees its writes, nor what is no query (`INSERT ... RETURNING`).
//! A line `restart` kills the server and starts it again on its data: what follows must not tell that from going on, in new sessions.
//! `REWRITE=1` writes PostgreSQL's answers into the file, messages where there is one or a `?`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postgres::types::{FromSql, Kind as TypeKind, Type};
use postgres::{Client, SimpleQueryMessage};

use super::repository;

/// Rows as text, each value separated by a tab, NULL as `NULL`.
pub type Rows = Vec<String>;
/// Rows, or the error.
pub type Answer = Result<Rows, Failure>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The SQLSTATE.
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// An error that a record expects.
#[derive(Clone, Debug)]
pub struct Expected {
    pub code: String,
    /// None: whatever it says.
    pub message: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub line: usize,
    pub kind: Kind,
    pub sql: String,
    pub only_tidewater: bool,
    pub only_select: bool,
    /// The SQLSTATE of what was wrong with the query's past.
    pub past_fails: Option<String>,
    /// Notices and hints, as lines of the file. Empty: whatever is said.
    pub said: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Ok,
    Error(Expected),
    Query {
        ordered: bool,
        expected: Rows,
    },
    QueryError(Expected),
    /// The server is killed and started again.
    Restart,
}

impl Expected {
    pub fn is<T>(&self, answer: &Result<T, Failure>) -> bool {
        let Err(failure) = answer else { return false };
        failure.code == self.code && self.message.as_ref().is_none_or(|message| *message == failure.message)
    }
}

impl Record {
    /// Whether it is a query that a view can have; an INSERT with RETURNING is none.
    pub fn is_viewable(&self) -> bool {
        self.is_select() && !self.only_select
    }

    /// Whether it is a query that changes nothing, so that it can be asked again.
    pub fn is_select(&self) -> bool {
        let start = self.sql.trim_start_matches(['(', ' ', '\n']);
        let word = start.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        matches!(self.kind, Kind::Query { .. } | Kind::QueryError(_))
            && ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|known| word.eq_ignore_ascii_case(known))
    }

    /// The record in PostgreSQL's words: what is maintained here is a view that is computed there, since its materialized views
    /// are not maintained; a stream is a table.
    pub fn for_oracle(&self) -> String {
        let words: Vec<&str> = self.sql.splitn(4, ' ').collect();
        let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        match upper.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [verb, "MATERIALIZED", "VIEW", _] => format!("{verb} VIEW {}", words[3]),
            [verb, "STREAM", ..]
                if self.sql.split_whitespace().collect::<Vec<_>>().join(" ").contains(" AS SELECT ") =>
            {
                format!("{verb} VIEW {}", words[2..].join(" "))
            }
            [verb, "STREAM", ..] => format!("{verb} TABLE {}", words[2..].join(" ")),
            _ => self.sql.clone(),
        }
    }

    /// Whether it makes names mean other columns than before.
    pub fn alters_columns(&self) -> bool {
        let sql = self.sql.to_ascii_uppercase();
        self.begins_with(&["ALTER TABLE"]) && !sql.contains("RENAME") && !sql.contains("SET SCHEMA")
    }

    /// Whether it is a statement that begins so.
    pub fn begins_with(&self, words: &[&str]) -> bool {
        let sql = self.sql.trim_start().to_ascii_uppercase();
        matches!(self.kind, Kind::Ok) && words.iter().any(|word| sql.starts_with(word))
    }
}

pub struct File {
    pub path: PathBuf,
    pub records: Vec<Record>,
    text: String,
}

/// Every file below `tests/slt`, sorted.
pub fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository("tests/slt")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("tests/slt can be read") {
            let path = entry.expect("tests/slt can be read").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "slt") => found.push(path),
                false => panic!("{} is no .slt file", path.display()),
            }
        }
    }
    found.sort();
    found
}

impl File {
    pub fn read(path: &Path) -> File {
        let text = std::fs::read_to_string(path).expect("the file can be read");
        let records = parse(&text, path);
        File { path: path.to_owned(), records, text }
    }

    /// Whether the server is to be started again on its data.
    pub fn restarts(&self) -> bool {
        self.records.iter().any(|record| matches!(record.kind, Kind::Restart))
    }

    pub fn name(&self) -> String {
        self.path.file_stem().expect("it ends in .slt").to_string_lossy().into_owned()
    }

    /// The file with these answers in place of the expected ones.
    pub fn rewritten(&self, answers: &[Option<Answer>]) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut out = String::new();
        let mut say = |line: &str| writeln!(out, "{line}").expect("a string grows");
        let mut at = 0;
        for (record, answer) in self.records.iter().zip(answers) {
            match (&record.kind, answer) {
                (Kind::Query { .. }, Some(Ok(rows))) => {
                    let separator =
                        (record.line..lines.len()).find(|i| lines[*i] == "----").expect("a query has ----");
                    lines[at..=separator].iter().for_each(|line| say(line));
                    rows.iter().for_each(|row| say(row));
                    at = (separator..lines.len()).find(|i| lines[*i].is_empty()).unwrap_or(lines.len());
                }
                (
                    Kind::Error(Expected { message: Some(_), .. })
                    | Kind::QueryError(Expected { message: Some(_), .. }),
                    Some(Err(failure)),
                ) => {
                    lines[at..record.line - 1].iter().for_each(|line| say(line));
                    let directive = lines[record.line - 1].split(' ').next().expect("a line has a word");
                    say(&format!("{directive} error {} {}", failure.code, failure.message));
                    at = record.line;
                }
                _ => {}
            }
        }
        lines[at..].iter().for_each(|line| say(line));
        out
    }
}

fn parse(text: &str, path: &Path) -> Vec<Record> {
    let lines: Vec<&str> = text.lines().collect();
    let mut records = Vec::new();
    let (mut only_tidewater, mut only_select, mut past_fails) = (false, false, None);
    let mut said = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("only tidewater: ") {
            only_tidewater = true;
            continue;
        }
        if let Some(code) = line.strip_prefix("past fails: ") {
            past_fails = Some(code.to_owned());
            continue;
        }
        if line.starts_with("only select: ") {
            only_select = true;
            continue;
        }
        if line.starts_with("notice: ") || line.starts_with("hint: ") {
            said.push(line.to_owned());
            continue;
        }
        let start = at;
        let end = (at..lines.len()).find(|i| lines[*i].is_empty()).unwrap_or(lines.len());
        let body = &lines[at..end];
        at = end;
        let separator = body.iter().position(|line| *line == "----");
        let (sql, rows) = body.split_at(separator.unwrap_or(body.len()));
        let expected = || rows.iter().skip(1).map(|row| (*row).to_owned()).collect();
        let kind = match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["statement", "ok"] => Kind::Ok,
            ["statement", "error", code, ref message @ ..] => Kind::Error(failure(code, message)),
            ["query"] => Kind::Query { ordered: false, expected: expected() },
            ["query", "ordered"] => Kind::Query { ordered: true, expected: expected() },
            ["query", "error", code, ref message @ ..] => Kind::QueryError(failure(code, message)),
            ["restart"] => Kind::Restart,
            _ => panic!("{}:{}: unknown directive {line:?}", path.display(), start),
        };
        assert_eq!(
            matches!(kind, Kind::Query { .. }),
            separator.is_some(),
            "{}:{start}: a query, and only a query, has ----",
            path.display()
        );
        let past_fails = past_fails.take();
        records.push(Record {
            line: start,
            kind,
            sql: sql.join("\n"),
            only_tidewater,
            only_select,
            past_fails,
            said: std::mem::take(&mut said),
        });
        (only_tidewater, only_select) = (false, false);
    }
    records
}

fn failure(code: &str, message: &[&str]) -> Expected {
    Expected { code: code.to_owned(), message: message.first().map(|message| (*message).to_owned()) }
}

/// Runs one statement or query by the simple protocol; an error is its SQLSTATE.
pub fn ask(client: &mut Client, sql: &str) -> Result<Rows, String> {
    answer(client, sql).map_err(|failure| failure.code)
}

/// As [`ask`], with an error's message too.
pub fn answer(client: &mut Client, sql: &str) -> Answer {
    Ok(messages(client, sql)?.iter().filter_map(row_text).collect())
}

/// Runs statements by the simple protocol, for the numbers of rows that they report.
pub fn run(client: &mut Client, sql: &str) -> Result<Vec<u64>, Failure> {
    let counts = messages(client, sql)?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(rows),
        _ => None,
    });
    Ok(counts.collect())
}

/// What a query gives in the binary format: its columns' names and types, and rows whose values are in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    pub columns: Vec<String>,
    pub rows: Rows,
}

/// A value as it was sent, but for what PostgreSQL itself leaves open:
///
/// - the sign of a NaN is the processor's, and differs between machines;
/// - an array says that it may hold NULLs also if it is a slice without any of one that does.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(typ: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        let mut bytes = raw.to_vec();
        settle(typ, &mut bytes).ok_or("the value is shorter than it says")?;
        Ok(Raw(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Prepares a query and runs it by the extended protocol, for results in the binary format.
pub fn binary(client: &mut Client, sql: &str) -> Result<Binary, Failure> {
    let statement = client.prepare(sql).map_err(|error| failed(&error))?;
    let columns = statement.columns().iter().map(|column| format!("{} {}", column.name(), column.type_()));
    let columns = columns.collect();
    let rows = client.query(&statement, &[]).map_err(|error| failed(&error))?;
    Ok(Binary { columns, rows: rows.iter().map(hexadecimal).collect() })
}

/// Settles what [`Raw`] leaves open. None if the bytes end too early.
fn settle(typ: &Type, bytes: &mut [u8]) -> Option<()> {
    match typ.kind() {
        TypeKind::Simple if is_nan(typ, bytes) => bytes[0] &= 0x7f,
        TypeKind::Array(element) => {
            let number = |bytes: &[u8]| Some(i32::from_be_bytes(bytes.get(..4)?.try_into().ok()?));
            let dimensions = usize::try_from(number(bytes)?).ok()?;
            let (mut at, mut nulls) = (12 + 8 * dimensions, false);
            while at < bytes.len() {
                let length = number(bytes.get(at..)?)?;
                at += 4;
                nulls |= length < 0;
                if let Ok(length) = usize::try_from(length) {
                    settle(element, bytes.get_mut(at..at + length)?)?;
                    at += length;
                }
            }
            bytes.get_mut(4..8)?.copy_from_slice(&i32::from(nulls).to_be_bytes());
        }
        _ => {}
    }
    Some(())
}

fn is_nan(typ: &Type, bytes: &[u8]) -> bool {
    (*typ == Type::FLOAT8 && bytes.try_into().is_ok_and(|bytes| f64::from_be_bytes(bytes).is_nan()))
        || (*typ == Type::FLOAT4 && bytes.try_into().is_ok_and(|bytes| f32::from_be_bytes(bytes).is_nan()))
}

fn hexadecimal(row: &postgres::Row) -> String {
    let value = |index: usize| match row.try_get::<_, Option<Raw>>(index) {
        Ok(Some(Raw(bytes))) => {
            bytes.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
        }
        Ok(None) => "NULL".to_owned(),
        Err(error) => error.to_string(),
    };
    (0..row.len()).map(value).collect::<Vec<_>>().join("\t")
}

fn messages(client: &mut Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, Failure> {
    client.simple_query(sql).map_err(|error| failed(&error))
}

fn failed(error: &postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(error) => Failure {
            code: error.code().code().to_owned(),
            message: visible(error.message()),
            hint: error.hint().map(str::to_owned),
        },
        None => Failure { code: "lost".to_owned(), message: error.to_string(), hint: None },
    }
}

fn row_text(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    if row.is_empty() {
        return Some("(no columns)".to_owned());
    }
    let values = (0..row.len()).map(|i| row.get(i).map_or_else(|| "NULL".to_owned(), visible));
    Some(values.collect::<Vec<_>>().join("\t"))
}

/// A value on one line: line ends and the empty string are shown.
fn visible(value: &str) -> String {
    match value {
        "" => "(empty)".to_owned(),
        _ => value.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t"),
    }
}

/// Sorted, for queries whose order means nothing.
pub fn sorted(mut rows: Rows) -> Rows {
    rows.sort_unstable();
    rows
}
