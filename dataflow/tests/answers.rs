//! One-shot reads through the engine: what they may take, and that nothing of them stays.

use std::time::{Duration, Instant};

use compiler::SqlState;
use compiler::lir::Dataflow;
use compiler::plan::{Context, Plan, Source};
use dataflow::{Config, Engine};

fn engine() -> Engine {
    let timely = timely::Config::thread();
    let config = Config { data_dir: None, timely, process: 0, processes: 1, workers: 1 };
    Engine::open(config).expect("memory does not fail").expect("this is process 0")
}

fn dataflow(sql: &str, engine: &Engine) -> Dataflow {
    let context = Context { search_path: vec!["public".to_owned()], ..Context::default() };
    let statement = compiler::parse::parse(sql).expect("it parses").remove(0);
    let compiled = compiler::compile(&statement.node, &engine.catalog(), &context).expect("it compiles");
    let Plan::Query(query) = compiled.plan else { panic!("{sql} is a query") };
    let Source::Dataflow(dataflow) = query.source else { panic!("{sql} runs as a dataflow") };
    dataflow
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_too_much_ends_the_dataflow_that_gives_it() {
    const BYTES_MAX: usize = 4 << 20;
    let engine = engine();
    for endless in [
        "SELECT a FROM generate_series(1, 1000000000000) a",
        "SELECT a, b FROM generate_series(1, 3000) a, generate_series(1, 10001) b WHERE a <> b",
    ] {
        let answer = engine.run(dataflow(endless, &engine), None, BYTES_MAX).await;
        let error = answer.expect_err("it takes more than it may");
        assert_eq!(error.code, SqlState::PROGRAM_LIMIT_EXCEEDED, "{endless}");
        assert!(error.hint.is_some(), "{error:?}");
        // The worker is free again.
        let asked = Instant::now();
        let few = dataflow("SELECT max(a) FROM generate_series(1, 20000) a", &engine);
        assert_eq!(engine.run(few, None, BYTES_MAX).await.expect("it is one row").len(), 1);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?} after {endless}", asked.elapsed());
    }
}
