//! A view of `views.sql`, compiled as a SUBSCRIBE to it and run on a timely worker of this process.
//!
//! The worker is driven as the server's is: updates are sent to every dataflow that reads their shard, time advances, and an
//! arrangement whose upper has moved is compacted. Only the log, the wire and the other threads are missing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bumpalo::Bump;
use compiler::catalog::Catalog;
use compiler::lir::{Body, Dataflow};
use compiler::mir::CollectionId;
use compiler::plan::{Context, Plan};
use compiler::repr::{Datum, Row, row};
use dataflow::render::{self, Bounds, Built, Exports, Sink};
use dataflow::spine::RowsRef;
use timely::worker::Worker;
use workloads::flags::Failure;
use workloads::limits::nexmark::Output;
use workloads::resources;

use crate::events::{PackedBatch, Relation};

const SCHEMA: &str = include_str!("schema.sql");
const VIEWS: &str = include_str!("views.sql");

/// A compiled view and the relations that it reads.
#[derive(Clone)]
pub struct Program {
    view: &'static str,
    dataflow: Dataflow,
    sources: BTreeMap<CollectionId, Relation>,
}

impl Program {
    /// Compiles the schema, the views, and a SUBSCRIBE to `view`.
    pub fn compile(view: &'static str) -> Result<Program, Failure> {
        let catalog = catalog()?;
        let Plan::Subscribe(subscribe) = plan(&format!("SUBSCRIBE TO {view}"), &catalog)? else {
            return Err("SUBSCRIBE compiles to a subscription".into());
        };
        let dataflow = subscribe.dataflow;
        let Body::Stream(body) = &dataflow.body else {
            return Err("a subscription is a stream".into());
        };
        let mut read = body.shards();
        read.extend(dataflow.fragments.iter().flat_map(|fragment| fragment.node.shards()));
        let relations = Relation::ALL.into_iter().filter_map(|relation| {
            let id = catalog.named("public", relation.name())?.id;
            read.contains(&id).then_some((id, relation))
        });
        Ok(Program { view, sources: relations.collect(), dataflow })
    }

    /// The relations that it reads.
    pub fn relations(&self) -> Vec<Relation> {
        self.sources.values().copied().collect()
    }

    /// Runs it over the batches, one after the other, each until its result was delivered; gives `output` what comes out. Returns
    /// the CPU time that this took, without building the dataflows.
    pub fn run(
        &self,
        worker: &mut Worker,
        batches: &[PackedBatch],
        output: &Rc<RefCell<Output>>,
    ) -> Duration {
        let mut running = Running::build(self, worker, output);
        let start = resources::cpu_time();
        for (batch, time) in batches.iter().zip(1..) {
            running.feed(&self.sources, batch);
            running.advance_to(time + 1, worker);
        }
        let took = resources::cpu_time() - start;
        running.close(worker);
        took
    }
}

/// What is run for a view, as EXPLAIN prints it.
pub fn explain(view: &str) -> Result<String, Failure> {
    match plan(&format!("EXPLAIN SUBSCRIBE TO {view}"), &catalog()?)? {
        Plan::Explain { lines } => Ok(lines.join("\n")),
        _ => Err("EXPLAIN compiles to lines".into()),
    }
}

/// The catalog after `schema.sql` and `views.sql`.
fn catalog() -> Result<Catalog, Failure> {
    let mut catalog = compiler::empty_catalog();
    for statement in compiler::parse::parse(&format!("{SCHEMA}{VIEWS}")).map_err(describe)? {
        let compiled = compiler::compile(&statement.node, &catalog, &context()).map_err(describe)?;
        let Plan::Change(change) = compiled.plan else {
            return Err("schema.sql and views.sql hold definitions and nothing else".into());
        };
        catalog = catalog.apply_all(&change.changes).map_err(describe)?;
    }
    Ok(catalog)
}

fn plan(statement: &str, catalog: &Catalog) -> Result<Plan, Failure> {
    let statements = compiler::parse::parse(statement).map_err(describe)?;
    Ok(compiler::compile(&statements[0].node, catalog, &context()).map_err(describe)?.plan)
}

fn context() -> Context {
    Context {
        search_path: vec!["public".to_owned()],
        user: "nexmark".to_owned(),
        database: "nexmark".to_owned(),
        ..Context::default()
    }
}

fn describe(error: compiler::Error) -> Failure {
    error.message.into()
}

/// The dataflows of a program on a worker.
struct Running {
    dataflows: Vec<Built>,
    /// The fragments' arrangements, and the uppers to which each was compacted.
    arrangements: Vec<(Exports, u64)>,
    /// The result is complete before it.
    upper: Rc<Cell<u64>>,
}

impl Running {
    fn build(program: &Program, worker: &mut Worker, output: &Rc<RefCell<Output>>) -> Running {
        let bounds = Bounds { as_of: 0, until: u64::MAX };
        let upper = Rc::new(Cell::new(0));
        let mut dataflows = Vec::new();
        let mut imports: Vec<Option<Exports>> = Vec::new();
        for fragment in &program.dataflow.fragments {
            let mut built = render::fragment(worker, program.view, fragment, &imports, bounds);
            imports.push(built.exports.take());
            dataflows.push(built);
        }
        let Body::Stream(body) = &program.dataflow.body else {
            unreachable!("invariant: a program's body is a stream")
        };
        let sink = sink(output.clone(), upper.clone());
        dataflows.push(render::stream(worker, program.view, body, &imports, bounds, sink));
        let arrangements = imports.into_iter().flatten().map(|exports| (exports, 0)).collect();
        let mut running = Running { dataflows, arrangements, upper };
        running.advance_to(1, worker);
        running
    }

    fn feed(&mut self, sources: &BTreeMap<CollectionId, Relation>, batch: &PackedBatch) {
        for (id, input) in self.dataflows.iter_mut().flat_map(|built| &mut built.inputs) {
            if let Some(updates) = batch.get(&sources[id]) {
                input.send(updates);
            }
        }
    }

    /// Lets time pass, until the result is complete before `time`.
    fn advance_to(&mut self, time: u64, worker: &mut Worker) {
        for input in self.dataflows.iter_mut().flat_map(|built| built.inputs.values_mut()) {
            input.advance_to(time);
        }
        while self.upper.get() < time {
            worker.step();
            for (exports, compacted) in &mut self.arrangements {
                let upper = exports.upper();
                if upper != *compacted {
                    *compacted = upper;
                    exports.compact(upper.saturating_sub(1), upper);
                }
            }
        }
    }

    fn close(self, worker: &mut Worker) {
        drop(self.arrangements);
        self.dataflows.into_iter().rev().for_each(|built| built.close(worker));
    }
}

/// Counts what is delivered, and adds up the answer if that is asked for. No query here can fail on the generator's events.
fn sink(output: Rc<RefCell<Output>>, upper: Rc<Cell<u64>>) -> Sink {
    Sink {
        oks: Box::new(move |rows: RowsRef<'_>| {
            let output = &mut *output.borrow_mut();
            output.updates += rows.len();
            if let Some(answer) = &mut output.answer {
                for (key, value, _, diff) in rows.iter() {
                    answer.add_row(&comparable(&[key, value].concat()), diff);
                }
            }
        }),
        errs: Box::new(|errs| assert!(errs.is_empty(), "invariant: the events fit the queries")),
        upper: Box::new(move |now| upper.set(now.unwrap_or(u64::MAX))),
    }
}

/// A row as the typed programs give it: of an average its thousandths, cut off.
fn comparable(packed: &[u8]) -> Row {
    let mut datums = Vec::new();
    row::decode_into(packed, &mut datums);
    let arena = Bump::new();
    Row::pack(datums.into_iter().map(|datum| match datum {
        Datum::Numeric(number) => {
            let cut = number.trunc(3, &arena).ok().and_then(|cut| cut.to_scaled_i128(3));
            Datum::Int(cut.and_then(|cut| i64::try_from(cut).ok()).expect("invariant: averages are small"))
        }
        other => other,
    }))
}
