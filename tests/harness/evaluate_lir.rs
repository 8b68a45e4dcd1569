//! A dataflow's meaning, evaluated plainly: the oracle between the lowering and the renderer.
//!
//! As the renderer does, and unlike `interpret`, it compares keys as bytes and lets only the given forms say what a key is; so a
//! form that forgets to make a key canonical, or to leave NULLs out, gives another result here. Delta joins are
//! evaluated by their paths, one time after the other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use compiler::interpret::{Collection, Updates, consolidate};
use compiler::lir::{
    Body, Dataflow, DeltaPath, FragmentIndex, Join, JoinInput, Node, Op, Recursive, Reduce, ReducePlan, TopK,
    Window,
};
use compiler::mir::{CollectionId, LocalId};
use compiler::repr::row::{self, RowBuf};
use compiler::repr::{Arena, Datum, Row, Type, encode_sort_key};
use compiler::scalar::window::Partition;
use compiler::scalar::{AggregateExpr, Context, EvalError, Mfp};

/// The result at each of the times, given in order.
pub fn evaluate(
    dataflow: &Dataflow,
    shards: &BTreeMap<CollectionId, Updates>,
    times: &[u64],
) -> Vec<Collection> {
    let evaluator = Evaluator { dataflow, shards, times, fragments: RefCell::default() };
    (0..times.len())
        .map(|at| match &dataflow.body {
            Body::Arrangement(fragment) => rows_of(&evaluator, *fragment, at),
            Body::Stream(node) | Body::Shard { node, .. } => evaluator.node(node, at, &Locals::new()),
        })
        .collect()
}

type Locals<'d> = BTreeMap<LocalId, Local<'d>>;

/// What a name stands for.
#[derive(Clone)]
enum Local<'d> {
    Node(&'d Node),
    /// A recursion's last round.
    Rows(Vec<(Row, i64)>),
}

/// A published arrangement's relation.
fn rows_of(evaluator: &Evaluator<'_>, fragment: FragmentIndex, at: usize) -> Collection {
    let layout = &evaluator.dataflow.fragments[fragment.0].layout;
    let from_record = Mfp::new(layout.typ.arity()).project(layout.columns.iter().copied());
    run(evaluator.fragment(fragment, at), &from_record)
}

struct Evaluator<'d> {
    dataflow: &'d Dataflow,
    shards: &'d BTreeMap<CollectionId, Updates>,
    times: &'d [u64],
    fragments: RefCell<BTreeMap<(usize, usize), Collection>>,
}

impl<'d> Evaluator<'d> {
    /// A fragment's records.
    fn fragment(&self, index: FragmentIndex, at: usize) -> Collection {
        if let Some(known) = self.fragments.borrow().get(&(index.0, at)) {
            return known.clone();
        }
        let records = self.node(&self.dataflow.fragments[index.0].node, at, &Locals::new());
        self.fragments.borrow_mut().insert((index.0, at), records.clone());
        records
    }

    fn node(&self, node: &'d Node, at: usize, locals: &Locals<'d>) -> Collection {
        let mut result = match &node.op {
            Op::Constant { rows: Ok(rows) } => Collection { rows: rows.clone(), errs: BTreeSet::new() },
            Op::Constant { rows: Err(error) } => failed(error.clone()),
            Op::Shard { log: true, .. } | Op::Changes { .. } => {
                unreachable!("random queries read no changelogs")
            }
            Op::Shard { id, log: false, mfp } => run(self.shards[id].as_of(self.times[at]), mfp),
            Op::Arranged { fragment, lookup, mfp } => {
                let mut records = self.fragment(*fragment, at);
                if let Some(keys) = lookup {
                    let width = self.dataflow.fragments[fragment.0].layout.key;
                    let keys: BTreeSet<&[u8]> = keys.iter().map(Row::bytes).collect();
                    records.rows.retain(|(row, _)| keys.contains(split(row, width).0));
                }
                run(records, mfp)
            }
            Op::Let { id, value, body } => {
                let mut inner = locals.clone();
                inner.insert(*id, Local::Node(value));
                self.node(body, at, &inner)
            }
            Op::Local { id, mfp } => match &locals[id] {
                Local::Node(node) => run(self.node(node, at, locals), mfp),
                Local::Rows(rows) => run(Collection { rows: rows.clone(), errs: BTreeSet::new() }, mfp),
            },
            Op::Recursive(recursive) => self.recursive(recursive, at, locals),
            Op::Mfp { input, mfp } => run(self.node(input, at, locals), mfp),
            Op::FlatMap { input, func, args, mfp } => {
                let rows = each(self.node(input, at, locals), |datums, emit| {
                    let arena = Arena::default();
                    let args =
                        args.iter().map(|arg| arg.eval(datums, &arena)).collect::<Result<Vec<_>, _>>()?;
                    let context = Context { arena: &arena, typ: &Type::Unknown };
                    let mut call = func.call(&args, context)?;
                    let row = Row::pack(datums.iter().copied());
                    loop {
                        let mut produced = RowBuf::default();
                        produced.extend(row.bytes());
                        if !call.next(&mut produced)? {
                            return Ok(());
                        }
                        emit(produced.into_row());
                    }
                });
                run(rows, mfp)
            }
            Op::Join(Join::Linear { first, stages }) => {
                let mut left = self.join_input(first, at, locals);
                for stage in stages {
                    if let Some(form) = &stage.left {
                        left = (run(left.0, &form.mfp), form.key);
                    }
                    let right = self.join_input(&stage.right, at, locals);
                    assert_eq!(left.1, right.1, "both sides have keys of one width");
                    left = (join(left.0, &right.0, left.1, &stage.closure), 0);
                }
                left.0
            }
            Op::Join(Join::Delta { paths }) => self.delta(node, paths, at, locals),
            Op::Lookup(_) => unreachable!("random queries make no streams"),
            Op::Reduce(reduce) => self.reduce(reduce, at, locals),
            Op::TopK(top_k) => self.top_k(top_k, at, locals),
            Op::Window(window) => self.window(window, at, locals),
            Op::Negate { input } => {
                let mut negated = self.node(input, at, locals);
                negated.rows.iter_mut().for_each(|(_, diff)| *diff = -*diff);
                negated
            }
            Op::Threshold { input } => {
                let mut kept = self.node(input, at, locals);
                kept.rows.retain(|(_, diff)| *diff > 0);
                kept
            }
            Op::Union { inputs } => {
                let mut sum = Collection::default();
                for input in inputs {
                    let input = self.node(input, at, locals);
                    sum.rows.extend(input.rows);
                    sum.errs.extend(input.errs);
                }
                sum
            }
        };
        consolidate(&mut result.rows);
        result
    }

    fn recursive(&self, plan: &'d Recursive, at: usize, locals: &Locals<'d>) -> Collection {
        let (mut inner, mut last) = (locals.clone(), Collection::default());
        for round in 0..=plan.rounds {
            inner.insert(plan.id, Local::Rows(last.rows.clone()));
            let next = self.node(&plan.value, at, &inner);
            if round > 0 && next.rows == last.rows {
                return next;
            }
            last = next;
        }
        last.errs.insert(EvalError::too_many_rounds(plan.rounds));
        last
    }

    fn join_input(&self, input: &'d JoinInput, at: usize, locals: &Locals<'d>) -> (Collection, usize) {
        match input {
            JoinInput::Fragment(fragment) => {
                (self.fragment(*fragment, at), self.dataflow.fragments[fragment.0].layout.key)
            }
            JoinInput::Collection { node, form } => (run(self.node(node, at, locals), &form.mfp), form.key),
        }
    }

    /// What was there a time before, and what each path makes of its input's updates since.
    fn delta(&self, node: &'d Node, paths: &'d [DeltaPath], at: usize, locals: &Locals<'d>) -> Collection {
        let mut sum = match at {
            0 => Collection::default(),
            at => self.node(node, at - 1, locals),
        };
        let before = |fragment| match at {
            0 => Collection::default(),
            at => self.fragment(fragment, at - 1),
        };
        for path in paths {
            let mut updates = self.fragment(path.source, at);
            updates.rows.extend(before(path.source).rows.into_iter().map(|(row, diff)| (row, -diff)));
            consolidate(&mut updates.rows);
            let mut rows = run(updates, &path.initial);
            for stage in &path.stages {
                let other = match stage.relation < path.relation {
                    true => self.fragment(stage.fragment, at),
                    false => before(stage.fragment),
                };
                assert_eq!(stage.form.key, self.dataflow.fragments[stage.fragment.0].layout.key);
                rows = join(run(rows, &stage.form.mfp), &other, stage.form.key, &stage.closure);
            }
            sum.rows.extend(rows.rows);
            sum.errs.extend(rows.errs);
        }
        sum
    }

    fn reduce(&self, reduce: &'d Reduce, at: usize, locals: &Locals<'d>) -> Collection {
        let records = run(self.node(&reduce.input, at, locals), &reduce.form.mfp);
        let groups = reduce_by(records, reduce.form.key, &reduce.plan);
        run(groups, &reduce.finish)
    }

    fn top_k(&self, top_k: &'d TopK, at: usize, locals: &Locals<'d>) -> Collection {
        let records = run(self.node(&top_k.input, at, locals), &top_k.form.mfp);
        let mut groups: BTreeMap<Vec<u8>, Vec<(Vec<u8>, Row, i64)>> = BTreeMap::new();
        for (row, diff) in records.rows {
            let arena = Arena::default();
            let mut rank = Vec::new();
            for key in &top_k.order {
                let datums = row.unpack();
                let value = key.expr.eval(&datums, &arena).unwrap_or_else(|error| error.to_cell(&arena));
                encode_sort_key(value, key.desc, key.nulls_first, &mut rank);
            }
            let group = split(&row, top_k.form.key).0.to_vec();
            groups.entry(group).or_default().push((rank, row, diff));
        }
        let mut kept = Vec::new();
        for mut group in groups.into_values() {
            group.sort();
            let mut cut = top_k.slice.cut();
            for (rank, row, diff) in group {
                kept.push((row, cut.kept(&rank, diff as u64) as i64));
            }
        }
        kept.retain(|(_, diff)| *diff != 0);
        run(Collection { rows: kept, errs: records.errs }, &top_k.finish)
    }

    fn window(&self, window: &'d Window, at: usize, locals: &Locals<'d>) -> Collection {
        let records = run(self.node(&window.input, at, locals), &window.form.mfp);
        let arena = Arena::default();
        let mut partitions: BTreeMap<&[u8], Partition<'_>> = BTreeMap::new();
        for (row, diff) in &records.rows {
            let partition = partitions.entry(split(row, window.form.key).0).or_default();
            partition.add((row, *diff), 0..window.form.key, &window.order, &arena);
        }
        let partitions = partitions.into_values();
        let mut rows: Vec<_> =
            partitions.flat_map(|partition| partition.evaluate(&window.functions, &arena)).collect();
        consolidate(&mut rows);
        run(Collection { rows, errs: records.errs.clone() }, &window.finish)
    }
}

/// Key ++ one column per aggregate.
fn reduce_by(records: Collection, key: usize, plan: &ReducePlan) -> Collection {
    match plan {
        ReducePlan::Distinct => aggregate(records, key, &[]),
        ReducePlan::Accumulable { aggregates }
        | ReducePlan::Hierarchical { aggregates, .. }
        | ReducePlan::Basic { aggregates } => aggregate(records, key, aggregates),
        ReducePlan::Collate { parts, columns } => {
            let parts: Vec<BTreeMap<Vec<u8>, Row>> = parts
                .iter()
                .map(|part| {
                    let mut records = run(records.clone(), &part.form.mfp);
                    consolidate(&mut records.rows);
                    if part.distinct {
                        records.rows.iter_mut().for_each(|(_, diff)| *diff = 1);
                    }
                    let groups = reduce_by(records, part.form.key, &part.plan);
                    groups.rows.into_iter().map(|(row, _)| (split(&row, key).0.to_vec(), row)).collect()
                })
                .collect();
            let rows = parts[0].keys().map(|group| {
                let mut packed = RowBuf::default();
                packed.extend(group);
                for (part, column) in columns {
                    packed.push(parts[*part][group].unpack()[key + column]);
                }
                (packed.into_row(), 1)
            });
            Collection { rows: rows.collect(), errs: records.errs }
        }
    }
}

fn aggregate(records: Collection, key: usize, aggregates: &[AggregateExpr]) -> Collection {
    let mut groups: BTreeMap<Vec<u8>, Vec<(Row, i64)>> = BTreeMap::new();
    for (row, diff) in records.rows {
        groups.entry(split(&row, key).0.to_vec()).or_default().push((row, diff));
    }
    let rows = groups.into_iter().map(|(group, members)| {
        let arena = Arena::default();
        let members: Vec<(Vec<Datum<'_>>, i64)> =
            members.iter().map(|(row, diff)| (row.unpack(), *diff)).collect();
        let mut packed = RowBuf::default();
        packed.extend(&group);
        for aggregate in aggregates {
            let value = aggregate.evaluate(&members, &arena);
            packed.push(value.unwrap_or_else(|error| error.to_cell(&arena)));
        }
        (packed.into_row(), 1)
    });
    Collection { rows: rows.collect(), errs: records.errs }
}

/// Records with one key: its bytes, one side's value, the other's.
fn join(left: Collection, right: &Collection, key: usize, closure: &Mfp) -> Collection {
    let mut by_key: BTreeMap<&[u8], Vec<(&[u8], i64)>> = BTreeMap::new();
    for (row, diff) in &right.rows {
        let (key, value) = split(row, key);
        by_key.entry(key).or_default().push((value, *diff));
    }
    let mut rows = Vec::new();
    for (row, diff) in &left.rows {
        for (value, other) in by_key.get(split(row, key).0).into_iter().flatten() {
            let mut packed = RowBuf::default();
            packed.extend(row.bytes());
            packed.extend(value);
            rows.push((packed.into_row(), diff * other));
        }
    }
    let errs = left.errs.union(&right.errs).cloned().collect();
    run(Collection { rows, errs }, closure)
}

/// A record's first columns, and the rest.
fn split(row: &Row, key: usize) -> (&[u8], &[u8]) {
    let mut rest = row.bytes();
    for _ in 0..key {
        rest = row::split_first(rest).1;
    }
    row.bytes().split_at(row.bytes().len() - rest.len())
}

fn failed(error: EvalError) -> Collection {
    Collection { rows: vec![], errs: BTreeSet::from([error]) }
}

fn run(input: Collection, mfp: &Mfp) -> Collection {
    each(input, |datums, emit| {
        let arena = Arena::default();
        assert_eq!(datums.len(), mfp.input_arity, "an operator runs on rows of its input's width: {mfp:?}");
        let mut datums = datums.to_vec();
        for map in &mfp.maps {
            let value = map.eval(&datums, &arena).unwrap_or_else(|error| error.to_cell(&arena));
            datums.push(value);
        }
        let mut error: Option<EvalError> = None;
        for predicate in &mfp.predicates {
            match predicate.eval(&datums, &arena) {
                Ok(Datum::Bool(true)) => {}
                Ok(_) => return Ok(()),
                Err(e) => error = Some(error.map_or_else(|| e.clone(), |least| least.min(e.clone()))),
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        emit(Row::pack(mfp.projection.iter().map(|column| datums[*column])));
        Ok(())
    })
}

fn each(
    input: Collection,
    f: impl Fn(&[Datum<'_>], &mut dyn FnMut(Row)) -> Result<(), EvalError>,
) -> Collection {
    let mut output = Collection { rows: vec![], errs: input.errs };
    for (row, diff) in &input.rows {
        let rows = &mut output.rows;
        if let Err(error) = f(&row.unpack(), &mut |row| rows.push((row, *diff))) {
            output.errs.insert(error);
        }
    }
    consolidate(&mut output.rows);
    output
}
