//! A group of processes, here as threads that speak over sockets as processes do: what the workers of another process keep.

use std::net::TcpListener;
use std::sync::Arc;

use compiler::catalog::Change;
use compiler::mir::CollectionId;
use compiler::plan::{Context, Plan};
use compiler::repr::{Datum, Row};
use dataflow::contents::Range;
use dataflow::coordinator::commit::Write;
use dataflow::coordinator::fragments::Readable;
use dataflow::storage::Updates;
use dataflow::{Config, Engine};

/// Two processes of one worker each. They end with the test's own process: a process of a group that ends takes the others along.
fn group() -> Engine {
    let listeners: Vec<TcpListener> =
        (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let hosts: Vec<String> =
        listeners.iter().map(|listener| listener.local_addr().expect("it is bound").to_string()).collect();
    let file = std::env::temp_dir().join(format!("tidewater-group-{}", std::process::id()));
    std::fs::write(&file, hosts.join("\n") + "\n").expect("it can be written");
    drop(listeners);
    let path = file.clone();
    let config = move |process: usize| {
        let flags = ["-w", "1", "-n", "2", "-p", &process.to_string(), "-h", &path.to_string_lossy()]
            .map(str::to_owned);
        let timely = timely::Config::from_args(flags.into_iter()).expect("the flags are right");
        Config { data_dir: None, timely, process, processes: 2, workers: 1 }
    };
    let other = config.clone();
    std::thread::spawn(move || Engine::open(other(1)));
    let engine = Engine::open(config(0)).expect("it opens").expect("process 0 has the engine");
    let _ = std::fs::remove_file(file);
    engine
}

fn changes(sql: &str, engine: &Engine) -> Vec<Change> {
    let context = Context {
        search_path: vec!["public".to_owned()],
        user: "ann".to_owned(),
        database: "d".to_owned(),
        ..Context::default()
    };
    let statement = compiler::parse::parse(sql).expect("it parses").remove(0);
    match compiler::compile(&statement.node, &engine.catalog(), &context).expect("it compiles").plan {
        Plan::Change(change) => change.changes,
        other => panic!("a change of the catalog, not {other:?}"),
    }
}

async fn create(sql: &str, engine: &Engine) -> CollectionId {
    let changes = changes(sql, engine);
    let Some(Change::CreateItem(item)) = changes.last() else { panic!("{changes:?}") };
    let id = item.id;
    engine.change_catalog(engine.catalog().version, changes, Vec::new()).await.expect("it is created");
    id
}

fn row(key: i64, value: i64) -> Row {
    Row::pack([Datum::Int(key), Datum::Int(value)])
}

/// How many records there are in the range, in all processes.
async fn read(engine: &Engine, relation: &Arc<Readable>, range: &Range) -> usize {
    let read = engine.read(vec![relation.clone()]);
    read.complete().await.expect("it is there");
    let mut rows = 0;
    let mut count = |_: &[u8], _: &[u8], diff: i64| {
        rows += diff as usize;
        std::ops::ControlFlow::Continue(())
    };
    read.visit(0, range, &mut count).expect("no errors");
    let remote = read.remote(0, range).await.expect("no errors");
    rows + remote.iter().map(|(_, diff)| *diff as usize).sum::<usize>()
}

/// Thousands of updates of sixteen keys leave a few times sixteen in each arrangement, not thousands; a hold keeps what it
/// needs, and no more once it is gone.
#[test]
fn other_processes_let_history_go() {
    const KEYS: i64 = 16;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let engine = group();
    runtime.block_on(async {
        let table = create("CREATE TABLE t (k int PRIMARY KEY, v int)", &engine).await;
        create(
            "CREATE MATERIALIZED VIEW sums AS SELECT v % 3 AS m, sum(k) AS s FROM t GROUP BY v % 3",
            &engine,
        )
        .await;
        let write = |rows: &[(Row, i64)]| {
            let updates: Updates = rows.iter().map(|(row, diff)| (row.bytes(), 0, *diff)).collect();
            engine.append(vec![Write { collection: table, updates }])
        };
        let first: Vec<_> = (0..KEYS).map(|key| (row(key, 0), 1)).collect();
        write(&first).await.expect("it is written");
        let relations: Vec<_> = engine.arrangements().into_iter().map(|(_, readable)| readable).collect();
        assert!(relations.len() >= 2, "the table's and the view's");
        let update = async |from: i64, to: i64| {
            for step in from..to {
                let (key, turn) = (step % KEYS, step / KEYS);
                write(&[(row(key, turn), -1), (row(key, turn + 1), 1)]).await.expect("it is written");
            }
        };
        let kept = || relations.iter().map(|relation| relation.published.updates()).max().unwrap_or(0);
        update(0, 160).await;
        let held = engine.read(relations.clone());
        update(160, 1500).await;
        for relation in &relations {
            read(&engine, relation, &Range::ALL).await;
        }
        assert!(kept() > 1000, "what is held is kept, and counted: {}", kept());
        drop(held);
        // What is there is rewritten when batches merge, so others must come: in steps, or the workers take all in one.
        let mut step = 1500;
        while kept() >= 200 && step < 6000 {
            update(step, step + 50).await;
            step += 50;
            for relation in &relations {
                read(&engine, relation, &Range::ALL).await;
            }
        }
        assert!(kept() < 200, "{} updates are kept of {KEYS} rows", kept());
        let mut rows = Vec::new();
        for relation in &relations {
            rows.push(read(&engine, relation, &Range::ALL).await);
        }
        let whole = rows.iter().position(|rows| *rows == KEYS as usize);
        let stored = &relations[whole.unwrap_or_else(|| panic!("the table has its rows still: {rows:?}"))];
        let key = |key: i64| Row::pack([Datum::Int(key)]).bytes().to_vec();
        let between = Range::Between { from: key(3), to: Some(key(9)) };
        assert_eq!(read(&engine, stored, &between).await, 6, "no process gives more than was asked for");
        assert_eq!(read(&engine, stored, &Range::Keys(vec![key(2), key(KEYS)])).await, 1);
    });
}
