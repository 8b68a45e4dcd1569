//! Operators by themselves: what they read, keep and free.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use compiler::lir::{Body, Dataflow, Form, Join, JoinInput, LinearStage, Node, Op, Reduce, ReducePlan, TopK};
use compiler::lower::{self, Lifetime};
use compiler::mir::{CollectionId, Rel};
use compiler::repr::{ColumnType, Datum, RelationType, Row, Type};
use compiler::scalar::{AggregateExpr, AggregateFunc, Mfp, ScalarExpr, Slice, SortKey, TableFunc};
use dataflow::render::{self, Bounds, Built, Exports};
use dataflow::spine::{Snapshot, Timestamp};
use dataflow::storage::Updates;
use rand::SeedableRng;
use rand::rngs::StdRng;
use timely::worker::Worker;

use super::generate::{Generator, tables};
use super::harness::{Fragments, Outcome, Script, Tables, as_of, sink};

const TABLE: CollectionId = CollectionId(9);
const EVER: Bounds = Bounds { as_of: 0, until: Timestamp::MAX };

/// Runs on one worker, and insists that nothing is left of it.
fn alone(test: impl Fn(&mut Worker) + Send + Sync + 'static) {
    timely::execute(timely::Config::thread(), move |worker| {
        test(worker);
        assert!(worker.installed_dataflows().is_empty(), "all dataflows are gone");
    })
    .expect("one worker runs")
    .join()
    .into_iter()
    .for_each(|outcome| outcome.expect("the test passes"));
}

fn node(op: Op) -> Node {
    Node { id: compiler::lir::NodeId(0), op }
}

fn shard(columns: usize) -> Box<Node> {
    Box::new(node(Op::Shard { id: TABLE, log: false, mfp: Mfp::new(columns) }))
}

fn ints(values: &[i64]) -> Row {
    Row::pack(values.iter().map(|value| Datum::Int(*value)))
}

fn updates(rows: impl IntoIterator<Item = (Row, Timestamp, i64)>) -> Arc<Updates> {
    let mut updates = Updates::new();
    rows.into_iter().for_each(|(row, time, diff)| updates.push(row.bytes(), time, diff));
    Arc::new(updates)
}

/// A plan over [`TABLE`]'s shard whose stream goes into an outcome.
struct Stream {
    built: Built,
    outcome: Arc<Mutex<Outcome>>,
    upper: Arc<Mutex<Timestamp>>,
}

impl Stream {
    fn new(worker: &mut Worker, node: &Node, imports: &[Option<Exports>], bounds: Bounds) -> Stream {
        let outcome = Arc::default();
        let (sink, upper) = sink(&outcome);
        Stream { built: render::stream(worker, "test", node, imports, bounds, sink), outcome, upper }
    }

    fn send(&mut self, rows: impl IntoIterator<Item = (Row, Timestamp, i64)>) {
        self.built.inputs.get_mut(&TABLE).expect("the plan reads the table").send(&updates(rows));
    }

    /// Lets everything before `upper` become complete.
    fn advance(&mut self, worker: &mut Worker, upper: Timestamp) {
        self.built.inputs.values_mut().for_each(|input| input.advance_to(upper));
        while *self.upper.lock().expect("no panic with the lock") < upper {
            worker.step();
        }
    }

    fn rows(&self, time: Timestamp) -> Vec<(Row, i64)> {
        as_of(&self.outcome.lock().expect("no panic with the lock").rows, time)
    }

    fn rows_read(&self) -> u64 {
        self.built.counters.values().map(|counters| counters.rows_read()).sum()
    }
}

/// MAX of the second column by the first.
fn max() -> Node {
    let aggregate = AggregateExpr::new(AggregateFunc::Max, vec![ScalarExpr::Column(1)]);
    node(Op::Reduce(Reduce {
        input: shard(2),
        form: Form { mfp: Mfp::new(2), key: 1 },
        plan: ReducePlan::Hierarchical { aggregates: vec![aggregate], append_only: false },
        finish: Mfp::new(2),
    }))
}

#[test]
fn deleting_the_maximum_of_a_large_group_reads_few_of_its_rows() {
    alone(|worker| {
        let rows = 1_000_000; // As many as the promise is about.
        let mut stream = Stream::new(worker, &max(), &[], EVER);
        for slice in 0..10 {
            let range = slice * rows / 10..(slice + 1) * rows / 10;
            stream.send(range.map(|i| (ints(&[1, i]), 0, 1)));
        }
        stream.advance(worker, 1);
        assert_eq!(stream.rows(0), vec![(ints(&[1, rows - 1]), 1)]);
        let before = stream.rows_read();
        stream.send([(ints(&[1, rows - 1]), 1, -1)]);
        stream.advance(worker, 2);
        assert_eq!(stream.rows(1), vec![(ints(&[1, rows - 2]), 1)]);
        let read = stream.rows_read() - before;
        assert!(read <= 5_000, "{read} rows were read");
        stream.built.close(worker);
    });
}

/// What was deleted lies at the front of the group until batches merge; it must not be read at every change.
#[test]
fn deleting_from_the_front_again_and_again_reads_each_row_few_times() {
    alone(|worker| {
        let rows = 20_000;
        let mut stream = Stream::new(worker, &max(), &[], EVER);
        stream.send((0..rows).map(|i| (ints(&[1, i]), 0, 1)));
        stream.advance(worker, 1);
        let (before, changes) = (stream.rows_read(), 4_000);
        for change in 0..changes {
            let time = change as Timestamp + 1;
            stream.send([(ints(&[1, rows - 1 - change]), time, -1)]);
            if change % 10 == 0 {
                // A new maximum comes and goes, in front of all that was deleted.
                stream.send([(ints(&[1, rows + 7]), time, 1), (ints(&[1, rows + 7]), time + 1, -1)]);
            }
            stream.advance(worker, time + 1);
            let max = if change % 10 == 0 { rows + 7 } else { rows - 2 - change };
            assert_eq!(stream.rows(time), vec![(ints(&[1, max]), 1)]);
            stream.outcome.lock().expect("no panic with the lock").rows = vec![(ints(&[1, max]), 0, 1)];
        }
        let read = stream.rows_read() - before;
        assert!(read < 200 * changes as u64, "{read} rows were read in {changes} changes");
        stream.built.close(worker);
    });
}

#[test]
fn top_k_reads_what_it_gives() {
    alone(|worker| {
        let order = SortKey { expr: ScalarExpr::Column(1), desc: true, nulls_first: false };
        let top = node(Op::TopK(TopK {
            input: shard(2),
            form: Form { mfp: Mfp::new(2), key: 1 },
            order: vec![order],
            slice: Slice { limit: Some(3), offset: 1, ties: false },
            append_only: false,
            finish: Mfp::new(2),
        }));
        let mut stream = Stream::new(worker, &top, &[], EVER);
        stream.send((0..10_000).map(|i| (ints(&[1, i]), 0, 1)));
        stream.advance(worker, 1);
        let wanted: Vec<_> = [9_996, 9_997, 9_998].into_iter().map(|i| (ints(&[1, i]), 1)).collect();
        assert_eq!(stream.rows(0), wanted);
        let before = stream.rows_read();
        stream.send([(ints(&[1, 9_997]), 1, -1), (ints(&[1, 5]), 1, -1)]);
        stream.advance(worker, 2);
        let wanted: Vec<_> = [9_995, 9_996, 9_998].into_iter().map(|i| (ints(&[1, i]), 1)).collect();
        assert_eq!(stream.rows(1), wanted);
        assert!(stream.rows_read() - before < 20);
        stream.built.close(worker);
    });
}

#[test]
fn a_stream_with_an_end_ends_by_itself() {
    alone(|worker| {
        let typ = RelationType::new(vec![ColumnType::new(Type::Int4, false); 2]);
        let table = lower::table(TABLE, 0, &typ, None, Row::default());
        let mut fragments = Fragments::default();
        let exports = fragments.build(worker, &table, EVER);
        for (_, input) in fragments.inputs() {
            input.send(&updates((0..100).map(|i| (ints(&[i, i]), i as Timestamp, 1))));
            input.advance_to(50);
        }
        while !fragments.complete(50) {
            worker.step();
        }
        // What is read ends with the time that is asked for, whatever comes after it.
        let Body::Arrangement(published) = table.body else { panic!("a table is an arrangement") };
        let read = node(Op::Arranged { fragment: published, lookup: None, mfp: Mfp::new(2) });
        let bounds = Bounds { as_of: 40, until: 41 };
        let one_shot = Stream::new(worker, &read, &exports, bounds);
        drop(exports);
        while *one_shot.upper.lock().expect("no panic with the lock") < Timestamp::MAX {
            worker.step();
        }
        assert_eq!(one_shot.rows(Timestamp::MAX).len(), 41);
        let times: BTreeSet<_> =
            one_shot.outcome.lock().expect("no panic").rows.iter().map(|row| row.1).collect();
        assert_eq!(times, BTreeSet::from([40]));
        one_shot.built.close(worker);
        fragments.close(worker);
    });
}

/// A key that failed is equal to nothing: its row is an error of the join, and comes and goes with the row.
#[test]
fn errors_in_join_keys_are_the_collections() {
    alone(|worker| {
        let int_div = compiler::scalar::candidates("/", 2)
            .find(|func| func.args.iter().all(|arg| arg.concrete() == Some(Type::Int4)))
            .expect("int4 division is declared");
        let six = ScalarExpr::literal(Datum::Int(6), Type::Int4);
        let key = ScalarExpr::call(int_div, vec![six, ScalarExpr::Column(0)], &[Type::Int4, Type::Int4]);
        let collection = |mfp: Mfp| JoinInput::Collection { node: shard(2), form: Form { mfp, key: 1 } };
        let join = node(Op::Join(Join::Linear {
            first: collection(Mfp::new(2).map([key]).project([2, 0, 1])),
            stages: vec![LinearStage {
                left: None,
                right: collection(Mfp::new(2)),
                closure: Mfp::new(4).project([1, 2, 3]),
            }],
        }));
        let mut stream = Stream::new(worker, &join, &[], EVER);
        stream.send([
            (ints(&[2, 7]), 1, 1),
            (ints(&[3, 8]), 1, 1),
            (ints(&[0, 9]), 1, 1),
            (ints(&[0, 9]), 3, -1),
        ]);
        stream.advance(worker, 5);
        assert_eq!(stream.rows(1), vec![(ints(&[2, 7, 8]), 1), (ints(&[3, 8, 7]), 1)]);
        let errs = stream.outcome.lock().expect("no panic").errs.clone();
        let errs: Vec<_> =
            errs.iter().map(|(error, time, diff)| (error.code.code().to_owned(), *time, *diff)).collect();
        assert_eq!(errs, vec![("22012".to_owned(), 1, 1), ("22012".to_owned(), 3, -1)]);
        stream.built.close(worker);
    });
}

/// A key that all rows share: the product is made piece by piece, and is whole.
#[test]
fn a_hot_key_is_joined_in_pieces() {
    alone(|worker| {
        let collection = |mfp: Mfp| JoinInput::Collection { node: shard(2), form: Form { mfp, key: 1 } };
        let join = node(Op::Join(Join::Linear {
            first: collection(Mfp::new(2)),
            stages: vec![LinearStage { left: None, right: collection(Mfp::new(2)), closure: Mfp::new(3) }],
        }));
        let count = node(Op::Reduce(Reduce {
            input: Box::new(join),
            form: Form { mfp: Mfp::new(3).project([0]), key: 1 },
            plan: ReducePlan::Accumulable {
                aggregates: vec![AggregateExpr::new(AggregateFunc::CountStar, vec![])],
            },
            finish: Mfp::new(2),
        }));
        let mut stream = Stream::new(worker, &count, &[], EVER);
        stream.send((0..700).map(|i| (ints(&[1, i]), (i / 350) as Timestamp, 1)));
        stream.advance(worker, 2);
        assert_eq!(stream.rows(0), vec![(ints(&[1, 350 * 350]), 1)]);
        assert_eq!(stream.rows(1), vec![(ints(&[1, 700 * 700]), 1)]);
        stream.built.close(worker);
    });
}

/// The integers from 1 to a last one.
fn series(last: i64) -> Node {
    let func = TableFunc::by_id("generate_series Int8 Int8").expect("it is declared");
    let literal = |value| ScalarExpr::literal(Datum::Int(value), Type::Int8);
    let input = Box::new(node(Op::Constant { rows: Ok(vec![(Row::default(), 1)]) }));
    node(Op::FlatMap { input, func, args: vec![literal(1), literal(last)], mfp: Mfp::new(1) })
}

/// However many rows a call gives, others have their turn while they come, and nothing is left of them once nobody wants them.
#[test]
fn a_call_of_a_table_function_is_carried_out_a_piece_at_a_time() {
    alone(|worker| {
        let endless = Stream::new(worker, &series(i64::MAX), &[], EVER);
        let come = || endless.outcome.lock().expect("no panic with the lock").rows.len();
        while come() < 10_000 {
            let before = come();
            worker.step();
            assert!(come() - before < 1_000_000, "{} rows in one step", come() - before);
        }
        endless.built.close(worker);
    });
}

/// An update that meets very many rows: linear and half joins alike put the key aside.
#[test]
fn a_product_is_made_a_piece_at_a_time() {
    alone(|worker| {
        let of = |last: i64| JoinInput::Collection {
            node: Box::new(series(last)),
            form: Form { mfp: Mfp::new(1), key: 0 },
        };
        let product = node(Op::Join(Join::Linear {
            first: of(1_000_000_000),
            stages: vec![LinearStage { left: None, right: of(20_000), closure: Mfp::new(2) }],
        }));
        // The first is never whole: what is sorted so far is let go with the rest.
        let endless = Stream::new(worker, &product, &[], EVER);
        for _ in 0..200 {
            worker.step();
        }
        endless.built.close(worker);

        let product = node(Op::Join(Join::Linear {
            first: of(20_000),
            stages: vec![LinearStage { left: None, right: of(20_000), closure: Mfp::new(2) }],
        }));
        let large = Stream::new(worker, &product, &[], EVER);
        let come = || large.outcome.lock().expect("no panic with the lock").rows.len();
        while come() < 100_000 {
            let before = come();
            worker.step();
            assert!(come() - before < 1_000_000, "{} rows in one step", come() - before);
        }
        let rows = std::mem::take(&mut large.outcome.lock().expect("no panic with the lock").rows);
        let distinct: BTreeSet<_> = rows.iter().map(|(row, ..)| row.clone()).collect();
        assert_eq!(distinct.len(), rows.len(), "no pair is given twice");
        large.built.close(worker);
    });
}

/// Dataflows that import an arrangement come and go; afterwards it is as if they had never been.
#[test]
fn importers_leave_nothing_behind() {
    alone(|worker| {
        let typ = RelationType::new(vec![ColumnType::new(Type::Int4, false); 2]);
        let table = lower::table(TABLE, 0, &typ, Some(&[0]), Row::default());
        let mut fragments = Fragments::default();
        drop(fragments.build(worker, &table, EVER));
        let Body::Arrangement(published) = table.body else { panic!("a table is an arrangement") };
        let join = node(Op::Join(Join::Linear {
            first: JoinInput::Fragment(published),
            stages: vec![LinearStage {
                left: None,
                right: JoinInput::Fragment(published),
                closure: Mfp::new(3),
            }],
        }));
        let mut time = 1;
        let mut tick = |worker: &mut Worker, fragments: &mut Fragments| {
            for (_, input) in fragments.inputs() {
                let row = ints(&[time as i64 % 10, time as i64]);
                input.send(&updates([(row.clone(), time, 1), (row, time + 10, -1)]));
                input.advance_to(time + 1);
            }
            time += 1;
            while !fragments.complete(time) {
                worker.step();
                fragments.compact();
            }
            fragments.compact();
            time
        };
        for _ in 0..30 {
            let now = tick(worker, &mut fragments);
            if now < 5 {
                continue;
            }
            let lent = fragments.build(worker, &table, EVER);
            let importer =
                Stream::new(worker, &join, &lent, Bounds { as_of: now - 1, until: Timestamp::MAX });
            drop(lent);
            for _ in 0..3 {
                let now = tick(worker, &mut fragments);
                while *importer.upper.lock().expect("no panic with the lock") < now {
                    worker.step();
                }
                assert_eq!(importer.rows(now - 1).len(), 10.min(now as usize - 1));
            }
            importer.built.close(worker);
        }
        for _ in 0..200 {
            tick(worker, &mut fragments);
        }
        let lent = fragments.build(worker, &table, EVER);
        let mut exports = lent.into_iter().flatten().next().expect("the table is exported");
        let snapshot = Snapshot::of(&mut exports.oks);
        assert!(snapshot.updates() < 100, "history is held: {snapshot:?}");
        drop(exports);
        fragments.close(worker);
    });
}

/// The errors that an arrangement holds are those of whoever reads it.
#[test]
fn published_arrangements_hold_rows_and_errors() {
    alone(|worker| {
        let typ = RelationType::new(vec![ColumnType::new(Type::Int4, false); 2]);
        let int_div = compiler::scalar::candidates("/", 2)
            .find(|func| func.args.iter().all(|arg| arg.concrete() == Some(Type::Int4)))
            .expect("int4 division is declared");
        let args = vec![ScalarExpr::Column(1), ScalarExpr::Column(0)];
        let one = ScalarExpr::literal(Datum::Int(1), Type::Int4);
        let predicate = ScalarExpr::call(int_div, args, &[Type::Int4, Type::Int4]).equals(one);
        let id = tables()[0].id;
        let rel = Rel::get(id, tables()[0].typ.clone()).project(vec![0, 1]).filter([predicate]);
        let _ = typ;
        let dataflow: Dataflow = lower::materialized_view(&rel, &Tables);
        let mut fragments = Fragments::default();
        let exports = fragments.build(worker, &dataflow, EVER);
        let row = |a, b| Row::pack([Datum::Int(a), Datum::Int(b), Datum::Null]);
        for (_, input) in fragments.inputs() {
            input.send(&updates([
                (row(2, 2), 1, 1),
                (row(0, 1), 2, 1),
                (row(0, 1), 4, -1),
                (row(2, 5), 1, 1),
            ]));
            input.advance_to(6);
        }
        while !fragments.complete(6) {
            worker.step();
        }
        let mut view = exports.into_iter().flatten().next_back().expect("the view is exported");
        let contents = view.changed_since(&Default::default()).expect("there is something to show");
        let count = |snapshot: &Snapshot, at| {
            let mut count = 0;
            let _ = snapshot.scan(&[], at, |_, _, diff| {
                count += diff;
                ControlFlow::Continue(())
            });
            count
        };
        assert_eq!([1, 2, 4].map(|at| count(&contents.oks, at)), [1, 1, 1]);
        assert_eq!([1, 2, 4].map(|at| count(&contents.errs, at)), [0, 1, 0]);
        assert!(view.changed_since(&contents).is_none());
        drop(view);
        fragments.close(worker);
    });
}

/// The random plans reach every operator and every way of keeping a group.
#[test]
fn random_plans_cover_every_operator() {
    let mut seen = BTreeSet::new();
    for seed in 1..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let rel = Generator::new(&mut rng).rel(4);
        let script = Script::random(&mut rng, rel, 1);
        let dataflow = lower::stream(&script.rel, Lifetime::Maintained, &Tables);
        let body = match &dataflow.body {
            Body::Stream(node) => Some(node),
            _ => None,
        };
        for root in dataflow.fragments.iter().map(|fragment| &fragment.node).chain(body) {
            root.visit(&mut |node| {
                seen.insert(kind(&node.op));
            });
        }
    }
    let wanted = [
        "accumulable",
        "arranged",
        "basic",
        "collate",
        "constant",
        "delta",
        "distinct",
        "flat map",
        "hierarchical",
        "let",
        "linear",
        "local",
        "negate",
        "recursive",
        "shard",
        "threshold",
        "top-k",
        "union",
        "window",
    ];
    let missing: Vec<_> = wanted.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "no plan has {missing:?}");
}

fn kind(op: &Op) -> &'static str {
    match op {
        Op::Constant { .. } => "constant",
        Op::Shard { .. } => "shard",
        Op::Arranged { .. } => "arranged",
        Op::Let { .. } => "let",
        Op::Local { .. } => "local",
        Op::Mfp { .. } => "mfp",
        Op::FlatMap { .. } => "flat map",
        Op::Join(Join::Linear { .. }) => "linear",
        Op::Join(Join::Delta { .. }) => "delta",
        Op::Lookup(_) => "lookup",
        Op::Changes { .. } => "changes",
        Op::Recursive(_) => "recursive",
        Op::Reduce(reduce) => match &reduce.plan {
            ReducePlan::Distinct => "distinct",
            ReducePlan::Accumulable { .. } => "accumulable",
            ReducePlan::Hierarchical { .. } => "hierarchical",
            ReducePlan::Basic { .. } => "basic",
            ReducePlan::Collate { .. } => "collate",
        },
        Op::TopK(_) => "top-k",
        Op::Window(_) => "window",
        Op::Negate { .. } => "negate",
        Op::Threshold { .. } => "threshold",
        Op::Union { .. } => "union",
    }
}
