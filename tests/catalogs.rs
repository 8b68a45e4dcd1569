//! The catalog as clients ask for it: psql's backslash commands, and the questions that drivers and tools ask on their own.
//!
//! `catalogs/*.jsonl` holds what each client sent to PostgreSQL 15, a statement a line, with the names and type oids of the columns that
//! it got: here each must be answered with the same. A line marked `refused` is known not to be answered; that mark fails
//! when the statement is answered after all, so that they only shrink. `catalogs/psql.txt` holds what psql prints.
//! `REWRITE=1` writes the marks, and psql's output.

mod harness;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::BytesMut;
use harness::scripts;
use harness::server::{Options, Server};
use postgres::Client;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use serde_json::{Value, json};

fn server_with_schema() -> Server {
    let server = Server::start(Options::default());
    let schema =
        std::fs::read_to_string(harness::repository("tests/catalogs/schema.sql")).expect("the schema");
    server.connect().batch_execute(&schema).expect("the schema is made");
    server
}

/// A parameter as the client sent it.
#[derive(Debug)]
struct Sent {
    value: Option<Vec<u8>>,
    binary: bool,
}

impl Sent {
    fn of(recorded: &Value) -> Sent {
        let binary = recorded[1] == 1;
        let value = recorded[0].as_str().map(|text| match text.strip_prefix("hex:") {
            Some(hex) if binary => {
                let digits =
                    |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
                (0..hex.len()).step_by(2).map(digits).collect()
            }
            _ => text.as_bytes().to_vec(),
        });
        Sent { value, binary }
    }
}

impl ToSql for Sent {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(value) = &self.value else { return Ok(IsNull::Yes) };
        out.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.binary { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

/// Names and type oids of the columns, or the error's code and message.
fn answer(client: &mut Client, recorded: &Value) -> Result<Value, String> {
    let said = |error: postgres::Error| match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    };
    let sql = recorded["sql"].as_str().expect("a statement has a text");
    if recorded["via"] == "simple" {
        client.simple_query(sql).map_err(said)?;
    }
    let oids = recorded["oids"].as_array().into_iter().flatten().map(|oid| oid.as_u64().unwrap_or_default());
    let types: Vec<Type> = oids.map(|oid| Type::from_oid(oid as u32).unwrap_or(Type::UNKNOWN)).collect();
    let statement = client.prepare_typed(sql, &types).map_err(said)?;
    if recorded["via"] == "extended" {
        let sent: Vec<Sent> = recorded["params"].as_array().into_iter().flatten().map(Sent::of).collect();
        let mut rows = client.query_raw(&statement, sent).map_err(said)?;
        while let Some(row) = postgres::fallible_iterator::FallibleIterator::next(&mut rows).map_err(said)? {
            assert_eq!(row.len(), statement.columns().len());
        }
    }
    Ok(statement.columns().iter().map(|column| json!([column.name(), column.type_().oid()])).collect())
}

/// What is wrong with the answer to a recorded statement, if anything is.
fn refusal(client: &mut Client, recorded: &Value) -> Option<String> {
    match answer(client, recorded) {
        Err(error) => Some(error),
        Ok(columns) if columns == recorded["columns"] => None,
        Ok(columns) => Some(format!("columns {columns}")),
    }
}

#[test]
fn what_clients_ask_is_answered() {
    let server = server_with_schema();
    let rewrite = std::env::var_os("REWRITE").is_some();
    let mut wrong = String::new();
    for path in recordings() {
        let text = std::fs::read_to_string(&path).expect("a recording can be read");
        let mut rewritten = String::new();
        for (number, line) in text.lines().enumerate() {
            let mut recorded: Value = serde_json::from_str(line).expect("a recording is JSON");
            // Some statements set things: each has a connection of its own.
            let found = refusal(&mut harness::server::connect(server.port, "demo"), &recorded);
            let place = format!("{}:{}", path.display(), number + 1);
            match (&found, recorded.get("refused")) {
                (None, Some(_)) => writeln!(wrong, "{place}: is answered; take its mark away"),
                (Some(found), None) => writeln!(wrong, "{place}: {found}\n  {}", recorded["sql"]),
                _ => Ok(()),
            }
            .expect("a string can be written");
            let marks = recorded.as_object_mut().expect("a recording is an object");
            marks.remove("refused");
            if let Some(found) = found {
                marks.insert("refused".to_owned(), found.into());
            }
            writeln!(rewritten, "{recorded}").expect("a string can be written");
        }
        if rewrite {
            std::fs::write(&path, rewritten).expect("a recording can be written");
        }
    }
    assert!(rewrite || wrong.is_empty(), "{wrong}");
}

fn recordings() -> Vec<PathBuf> {
    let files = std::fs::read_dir(harness::repository("tests/catalogs")).expect("the recordings' folder");
    let paths = files.map(|file| file.expect("a file").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are recordings");
    paths
}

/// What psql prints for these lines of input, each line echoed before its output.
fn psql(port: u16, commands: &[&str]) -> String {
    let mut child = scripts::psql(port)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is installed: run .ci/install");
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
    let input: String =
        commands.iter().map(|command| format!("\\echo '=> {}'\n{command}\n", quoted(command))).collect();
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("psql reads its input");
    let output = child.wait_with_output().expect("psql ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(err.is_empty(), "psql said: {err}");
    out.into_owned()
}

#[test]
fn psql_describes_what_there_is() {
    let server = server_with_schema();
    let path = harness::repository("tests/catalogs/psql.txt");
    let expected = std::fs::read_to_string(&path).expect("psql.txt can be read");
    let commands: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("=> ")).collect();
    assert!(!commands.is_empty(), "psql.txt holds commands");
    let printed = psql(server.port, &commands);
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, printed).expect("psql.txt can be written");
        return;
    }
    assert_eq!(printed, expected, "psql prints something else; REWRITE=1 writes it into psql.txt");
}
