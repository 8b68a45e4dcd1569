//! Builds a plan on workers, feeds a script of updates, and collects what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use compiler::interpret::{Updates as Interpreted, consolidate};
use compiler::lir::{Body, Dataflow};
use compiler::lower::{self, Lifetime, Source, Sources};
use compiler::mir::{CollectionId, Rel};
use compiler::repr::{Datum, RelationType, Row};
use compiler::scalar::EvalError;
use dataflow::render::{self, Bounds, Built, Exports, Sink};
use dataflow::spine::Timestamp;
use dataflow::storage::Updates;
use rand::RngExt;
use rand::rngs::StdRng;
use timely::worker::Worker;

use super::generate::{random_row, tables};

pub type Update = (Row, Timestamp, i64);

/// What a worker's sinks were given, all workers together.
#[derive(Default)]
pub struct Outcome {
    pub rows: Vec<Update>,
    pub errs: Vec<(EvalError, Timestamp, i64)>,
}

/// What happens in one run.
pub struct Script {
    pub rel: Rel,
    pub workers: usize,
    /// The updates of each table, by time.
    pub updates: BTreeMap<CollectionId, Vec<Update>>,
    /// The times to which inputs are advanced, in order.
    pub ticks: Vec<Timestamp>,
    /// The plan is built when the tables are complete through this time, and computes from it.
    pub as_of: Timestamp,
}

impl Script {
    pub fn random(rng: &mut StdRng, rel: Rel, workers: usize) -> Script {
        let last: Timestamp = rng.random_range(3..14);
        let mut updates = BTreeMap::new();
        for table in tables() {
            let (mut present, mut made): (Vec<Row>, Vec<Update>) = (Vec::new(), Vec::new());
            for time in 1..=last {
                for _ in 0..rng.random_range(0..6) {
                    if !table.stream && !present.is_empty() && rng.random_range(0..5) < 2 {
                        let row = present.swap_remove(rng.random_range(0..present.len()));
                        made.push((row, time, -1));
                    } else {
                        let row = random_row(rng, &table.typ);
                        let copies = if rng.random_range(0..6) == 0 { 2 } else { 1 };
                        present.extend(std::iter::repeat_n(row.clone(), copies));
                        made.push((row, time, copies as i64));
                    }
                }
            }
            updates.insert(table.id, made);
        }
        let mut ticks: Vec<Timestamp> = (2..=last).filter(|_| rng.random_range(0..3) > 0).collect();
        ticks.push(last + 1);
        let as_of = if rng.random() { 0 } else { ticks[rng.random_range(0..ticks.len())] - 1 };
        Script { rel, workers, updates, ticks, as_of }
    }

    /// The first table as a queue: rows come at the back, go from the front in long runs, and now and then come back there. One tick
    /// has more times than a pass over a group looks at.
    pub fn queue(rng: &mut StdRng, rel: Rel, workers: usize) -> Script {
        let packed = |(place, group): (i64, i64)| {
            Row::pack([group, place].map(Datum::Int).into_iter().chain([Datum::Null]))
        };
        let (mut present, mut made) = (BTreeSet::new(), Vec::new());
        let (mut ticks, mut time, mut back) = (Vec::new(), 1, 0);
        for _ in 0..rng.random_range(4..8) {
            for _ in 0..rng.random_range(1..24) {
                match rng.random_range(0..4) {
                    0 => {
                        let most = if rng.random() { 3 } else { 48 };
                        let gone = (0..rng.random_range(1..=most)).map_while(|_| present.pop_first());
                        made.extend(gone.map(|row| (packed(row), time, -1)));
                    }
                    1 => {
                        for _ in 0..rng.random_range(1..4) {
                            let row = (rng.random_range(0..back + 1), rng.random_range(0..2));
                            made.extend(present.insert(row).then(|| (packed(row), time, 1)));
                        }
                    }
                    _ => {
                        let places = back..back + rng.random_range(0..24);
                        back = places.end;
                        for row in places.map(|place| (place, i64::from(place % 5 == 0))) {
                            made.extend(present.insert(row).then(|| (packed(row), time, 1)));
                        }
                    }
                }
                time += 1;
            }
            ticks.push(time);
        }
        Script { rel, workers, updates: BTreeMap::from([(tables()[0].id, made)]), ticks, as_of: 0 }
    }

    pub fn last_time(&self) -> Timestamp {
        self.ticks.last().expect("a script has ticks") - 1
    }

    /// The updates as the plan sees them: what was there when it was built comes at its first time.
    pub fn inputs(&self) -> BTreeMap<CollectionId, Interpreted> {
        let seen = |(row, time, diff): &Update| (row.clone(), (*time).max(self.as_of), *diff);
        let input =
            |updates: &Vec<Update>| Interpreted { oks: updates.iter().map(seen).collect(), errs: Vec::new() };
        self.updates.iter().map(|(id, updates)| (*id, input(updates))).collect()
    }

    pub fn dataflow(&self) -> Dataflow {
        lower::stream(&self.rel, Lifetime::Maintained, &Tables)
    }

    /// A worker's share of the updates in an interval of times, moved up to the as_of where they are before it.
    fn share(&self, id: CollectionId, from: Timestamp, to: Timestamp, index: usize) -> Arc<Updates> {
        let updates = self.updates.get(&id).into_iter().flatten();
        let mine = updates
            .enumerate()
            .filter(|(i, (_, time, _))| i % self.workers == index && (from..to).contains(time));
        let mut share = Updates::new();
        mine.for_each(|(_, (row, time, diff))| share.push(row.bytes(), *time, *diff));
        Arc::new(share)
    }
}

/// The tables of [`generate`], each with its arrangement; streams are read from their shards.
pub struct Tables;

impl Sources for Tables {
    fn source(&self, id: CollectionId) -> Source {
        let table = tables().into_iter().find(|table| table.id == id).expect("plans read these tables");
        let dataflow =
            (!table.stream).then(|| Arc::new(lower::table(id, 0, &table.typ, None, Row::default())));
        Source { dataflow, fallible: vec![false; table.typ.arity()], generation: 0, indexes: Vec::new() }
    }
}

/// A table of the tests.
pub struct Table {
    pub id: CollectionId,
    pub typ: RelationType,
    pub stream: bool,
}

/// The fragments of a plan by their identities, as the engine keeps them.
#[derive(Default)]
pub struct Fragments {
    built: BTreeMap<String, Built>,
}

impl Fragments {
    /// Builds the fragments that are not there; returns the arrangements by their indexes in the plan.
    pub fn build(
        &mut self,
        worker: &mut Worker,
        dataflow: &Dataflow,
        bounds: Bounds,
    ) -> Vec<Option<Exports>> {
        let mut exports: Vec<Option<Exports>> = Vec::new();
        for fragment in &dataflow.fragments {
            let name = &fragment.identity.0;
            if !self.built.contains_key(name) {
                let bounds = Bounds { until: Timestamp::MAX, ..bounds };
                let built = render::fragment(worker, name, fragment, &exports, bounds);
                self.built.insert(name.clone(), built);
            }
            exports.push(self.built[name].exports.clone());
        }
        exports
    }

    pub fn inputs(&mut self) -> impl Iterator<Item = (CollectionId, &mut render::ShardInput)> {
        self.built.values_mut().flat_map(|built| built.inputs.iter_mut().map(|(id, input)| (*id, input)))
    }

    pub fn len(&self) -> usize {
        self.built.len()
    }

    /// What the worker does after each step: compacts to just before what is complete.
    pub fn compact(&mut self) {
        for exports in self.built.values_mut().filter_map(|built| built.exports.as_mut()) {
            let upper = exports.upper();
            if upper != Timestamp::MAX {
                exports.compact(upper.saturating_sub(1), upper);
            }
        }
    }

    pub fn complete(&mut self, upper: Timestamp) -> bool {
        self.built
            .values_mut()
            .filter_map(|built| built.exports.as_mut())
            .all(|exports| exports.upper() >= upper)
    }

    pub fn close(&mut self, worker: &mut Worker) {
        std::mem::take(&mut self.built).into_values().for_each(|built| built.close(worker));
    }
}

/// A sink into an outcome, and how far this worker's stream has come.
pub fn sink(outcome: &Arc<Mutex<Outcome>>) -> (Sink, Arc<Mutex<Timestamp>>) {
    let upper = Arc::new(Mutex::new(0));
    let (rows, errs, told) = (outcome.clone(), outcome.clone(), upper.clone());
    let sink = Sink {
        oks: Box::new(move |batch| {
            let mut outcome = rows.lock().expect("no panic with the lock");
            outcome.rows.extend(batch.iter().map(|(_, row, t, d)| (Row::from_bytes(row.to_vec()), t, d)));
        }),
        errs: Box::new(move |batch| {
            let mut outcome = errs.lock().expect("no panic with the lock");
            outcome.errs.extend(batch.iter().map(|(_, error, t, d)| (EvalError::decode(error), t, d)));
        }),
        upper: Box::new(move |upper| {
            *told.lock().expect("no panic with the lock") = upper.unwrap_or(Timestamp::MAX)
        }),
    };
    (sink, upper)
}

/// Runs a script; what the plan's stream gave.
pub fn run(script: &Script) -> Outcome {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    std::thread::scope(|scope| {
        let config = timely::Config::process(script.workers);
        let (script, outcome) = (Arc::new(Shared::of(script)), outcome.clone());
        scope
            .spawn(move || timely::execute(config, move |worker| drive(worker, &script, &outcome)).map(drop));
    });
    let outcome = Arc::into_inner(outcome).expect("the workers have ended");
    outcome.into_inner().expect("no panic with the lock")
}

/// A script that threads of timely can hold.
struct Shared(Script);

impl Shared {
    fn of(script: &Script) -> Shared {
        Shared(Script {
            rel: script.rel.clone(),
            workers: script.workers,
            updates: script.updates.clone(),
            ticks: script.ticks.clone(),
            as_of: script.as_of,
        })
    }
}

fn drive(worker: &mut Worker, script: &Shared, outcome: &Arc<Mutex<Outcome>>) {
    let script = &script.0;
    let dataflow = script.dataflow();
    let Body::Stream(node) = &dataflow.body else { panic!("a stream was asked for") };
    let mut fragments = Fragments::default();
    let everything = Bounds { as_of: 0, until: Timestamp::MAX };
    // The tables are there from the beginning; what is built on them, when the plan is.
    for table in tables().iter().filter(|table| !table.stream) {
        fragments.build(worker, &lower::table(table.id, 0, &table.typ, None, Row::default()), everything);
    }
    let (sink, upper) = sink(outcome);
    let (mut sink, mut plan) = (Some(sink), None);
    let mut from = 0;
    let build = |worker: &mut Worker, fragments: &mut Fragments, sink: Sink| {
        let bounds = Bounds { as_of: script.as_of, until: Timestamp::MAX };
        let known = fragments.len();
        let exports = fragments.build(worker, &dataflow, bounds);
        let mut plan = render::stream(worker, "plan", node, &exports, bounds, sink);
        // What reads shards itself is fed with what was there.
        let fresh = if fragments.len() > known { fragments.inputs().collect() } else { Vec::new() };
        for (id, input) in fresh.into_iter().chain(plan.inputs.iter_mut().map(|(id, input)| (*id, input))) {
            let is_table = tables().iter().any(|table| table.id == id && !table.stream);
            if !is_table || from_plan(&dataflow, id) {
                input.send(&script.share(id, 0, script.as_of + 1, worker.index()));
            }
        }
        plan
    };
    if script.as_of == 0 {
        plan = sink.take().map(|sink| build(worker, &mut fragments, sink));
    }
    for tick in &script.ticks {
        for (id, input) in fragments.inputs() {
            let from = if plan.is_some() { from.max(script.as_of + 1) } else { from };
            input.send(&script.share(id, from, *tick, worker.index()));
            input.advance_to(*tick);
        }
        for (id, input) in plan.iter_mut().flat_map(|plan: &mut Built| plan.inputs.iter_mut()) {
            input.send(&script.share(*id, from.max(script.as_of + 1), *tick, worker.index()));
            input.advance_to(*tick);
        }
        from = *tick;
        settle(worker, &mut fragments, plan.as_ref().map(|_| &upper), *tick);
        if plan.is_none() && script.as_of < *tick {
            plan = sink.take().map(|sink| build(worker, &mut fragments, sink));
            let advance = fragments.inputs().map(|(_, input)| input);
            let own = plan.iter_mut().flat_map(|plan| plan.inputs.values_mut());
            advance.chain(own).for_each(|input| input.advance_to(*tick));
            settle(worker, &mut fragments, Some(&upper), *tick);
        }
    }
    plan.into_iter().for_each(|plan| plan.close(worker));
    fragments.close(worker);
    assert!(worker.installed_dataflows().is_empty(), "all dataflows are gone");
}

/// Whether the plan itself, and not one of its fragments, reads the shard.
fn from_plan(dataflow: &Dataflow, id: CollectionId) -> bool {
    match &dataflow.body {
        Body::Stream(node) => node.shards().contains(&id),
        _ => false,
    }
}

/// Lets the worker work until everything is complete before `upper`, compacting as the product does.
fn settle(
    worker: &mut Worker,
    fragments: &mut Fragments,
    plan: Option<&Arc<Mutex<Timestamp>>>,
    upper: Timestamp,
) {
    let told = |plan: &Arc<Mutex<Timestamp>>| *plan.lock().expect("no panic with the lock");
    while !fragments.complete(upper) || plan.is_some_and(|plan| told(plan) < upper) {
        worker.step();
        fragments.compact();
    }
    fragments.compact();
}

/// The rows at a time, consolidated.
pub fn as_of(updates: &[Update], time: Timestamp) -> Vec<(Row, i64)> {
    let there = updates.iter().filter(|(_, t, _)| *t <= time);
    let mut rows: Vec<(Row, i64)> = there.map(|(row, _, diff)| (row.clone(), *diff)).collect();
    consolidate(&mut rows);
    rows
}

/// The errors at a time, each once.
pub fn errors_as_of(errs: &[(EvalError, Timestamp, i64)], time: Timestamp) -> Vec<EvalError> {
    let mut counts: BTreeMap<EvalError, i64> = BTreeMap::new();
    for (error, _, diff) in errs.iter().filter(|(_, t, _)| *t <= time) {
        *counts.entry(error.clone()).or_default() += diff;
    }
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(error, _)| error).collect()
}
