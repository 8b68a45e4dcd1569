//! Files of SQL and its answers, in sqllogictest's form, each query run five ways that must agree.
//!
//! ```text
//! statement ok                 statement error 23505        query
//! INSERT INTO t VALUES (1)     INSERT INTO t VALUES (1)     SELECT a, b FROM t
//!                                                           ----
//!                                                           1 NULL
//! ```
//!
//! The ways: a one-shot SELECT; a materialized view that was created as early as its relations were there, which therefore saw
//! every change; one created now; SUBSCRIBE from then to now, folded; and PostgreSQL. Rows are compared as sets with
//! multiplicities unless the query ends in ORDER BY (`query ordered`); values are separated by one tab in the file.
//!
//! `query error CODE` expects an error. A line `only tidewater: why` before a record says that PostgreSQL cannot answer it,
//! `only select: why` that it cannot be maintained. `REWRITE=1` writes PostgreSQL's answers into the file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postgres::{Client, SimpleQueryMessage};

use super::repository;

/// Rows as text, each value separated by a tab, NULL as `NULL`.
pub type Rows = Vec<String>;
/// Rows, or the SQLSTATE of the error.
pub type Answer = Result<Rows, String>;

#[derive(Clone, Debug)]
pub struct Record {
    pub line: usize,
    pub kind: Kind,
    pub sql: String,
    pub only_tidewater: bool,
    pub only_select: bool,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Ok,
    Error(String),
    Query { ordered: bool, expected: Rows },
    QueryError(String),
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

    pub fn name(&self) -> String {
        self.path.file_stem().expect("it ends in .slt").to_string_lossy().into_owned()
    }

    /// The file with these answers in place of the expected ones.
    pub fn rewritten(&self, answers: &[Option<Answer>]) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut out = String::new();
        let mut at = 0;
        for (record, answer) in self.records.iter().zip(answers) {
            let Some(Ok(rows)) = answer else { continue };
            let Kind::Query { .. } = record.kind else { continue };
            let separator =
                (record.line..lines.len()).find(|i| lines[*i] == "----").expect("a query has ----");
            lines[at..=separator].iter().for_each(|line| writeln!(out, "{line}").expect("a string grows"));
            rows.iter().for_each(|row| writeln!(out, "{row}").expect("a string grows"));
            at = (separator..lines.len()).find(|i| lines[*i].is_empty()).unwrap_or(lines.len());
        }
        lines[at..].iter().for_each(|line| writeln!(out, "{line}").expect("a string grows"));
        out
    }
}

fn parse(text: &str, path: &Path) -> Vec<Record> {
    let lines: Vec<&str> = text.lines().collect();
    let mut records = Vec::new();
    let (mut only_tidewater, mut only_select) = (false, false);
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
        if line.starts_with("only select: ") {
            only_select = true;
            continue;
        }
        let start = at;
        let end = (at..lines.len()).find(|i| lines[*i].is_empty()).unwrap_or(lines.len());
        let body = &lines[at..end];
        at = end;
        let separator = body.iter().position(|line| *line == "----");
        let (sql, rows) = body.split_at(separator.unwrap_or(body.len()));
        let expected = || rows.iter().skip(1).map(|row| (*row).to_owned()).collect();
        let kind = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["statement", "ok"] => Kind::Ok,
            ["statement", "error", code] => Kind::Error(code.to_owned()),
            ["query"] => Kind::Query { ordered: false, expected: expected() },
            ["query", "ordered"] => Kind::Query { ordered: true, expected: expected() },
            ["query", "error", code] => Kind::QueryError(code.to_owned()),
            _ => panic!("{}:{}: unknown directive {line:?}", path.display(), start),
        };
        assert_eq!(
            matches!(kind, Kind::Query { .. }),
            separator.is_some(),
            "{}:{start}: a query, and only a query, has ----",
            path.display()
        );
        records.push(Record { line: start, kind, sql: sql.join("\n"), only_tidewater, only_select });
        (only_tidewater, only_select) = (false, false);
    }
    records
}

/// Runs one statement or query by the simple protocol.
pub fn ask(client: &mut Client, sql: &str) -> Answer {
    match client.simple_query(sql) {
        Ok(messages) => Ok(messages.iter().filter_map(row_text).collect()),
        Err(error) => Err(match error.code() {
            Some(code) => code.code().to_owned(),
            None => format!("connection lost: {error}"),
        }),
    }
}

fn row_text(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
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
