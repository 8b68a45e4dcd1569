//! TPC-H: its 22 queries as materialized views, their answers by DuckDB, their plans pinned.
//!
//! Data, texts and answers are DuckDB's (`tests/tpch/duckdb_tpch.py`). `SCALE` sets the scale factor: 0.01 without it. The plans
//! lie in `tests/tpch/plans`; `REWRITE=1` writes them.

mod harness;

use std::process::Command;

use harness::in_process::InProcess;
use harness::scripts::{installed, run};
use harness::server::{Options, Server};
use harness::{repository, slt};

fn python() -> Command {
    Command::new(installed("python/bin/python", "Python with DuckDB"))
}

#[test]
fn answers_are_those_of_duckdb() {
    let scale = std::env::var("SCALE").unwrap_or_else(|_| "0.01".to_owned());
    let server = Server::start(Options { workers: 2, ..Options::default() });
    let mut command = python();
    command.arg(repository("tests/tpch/answers.py")).args([&server.port.to_string(), &scale]);
    assert_eq!(run(&mut command), "ok");
}

#[test]
fn plans_are_as_they_were() {
    let texts = run(python().arg(repository("tests/tpch/duckdb_tpch.py")));
    let texts: Vec<String> = serde_json::from_str(&texts).expect("the script prints JSON");
    assert_eq!(texts.len(), 22);
    let server = InProcess::start(1);
    let mut client = server.connect();
    let schema = std::fs::read_to_string(repository("tests/tpch/schema.sql")).expect("the file can be read");
    client.batch_execute(&schema).expect("the schema is accepted");
    let mut differing = Vec::new();
    let mut plans = String::new();
    for (text, number) in texts.iter().zip(1..) {
        let rows = slt::ask(&mut client, &format!("EXPLAIN {text}")).expect("the query is planned");
        let plan: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let path = repository(&format!("tests/tpch/plans/q{number:02}.txt"));
        if std::env::var("REWRITE").is_ok() {
            std::fs::write(&path, &plan).expect("the file can be written");
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != plan {
            differing.push(format!("q{number} is now\n{plan}"));
        }
        plans.push_str(&plan);
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(plans.contains("DeltaJoin"), "no query is joined by deltas");
}
