//! From LIR to operators.
//!
//! [`build`] makes one dataflow, from a plan in which every decision is made, the traces that it is lent and the times it is to
//! compute. It gives back what the worker feeds, lends on, and drops: nothing else keeps the dataflow alive.
//!
//! Two roads lead through an operator. What changes nothing but rows (`linear`, `flat_map`) has no memory but of what it is at, and
//! is not run when time passes. What remembers does so either in a hash table (`reduce`'s sums) or in an arrangement, and works
//! on what is complete, a millisecond at a time ([`fuel`](crate::fuel)). A recursion's rounds ([`recursive`]) have operators of their own.

mod bounds;
mod bundle;
mod changes;
mod export;
mod finish;
mod flat_map;
mod import;
mod join;
mod linear;
mod lookup;
mod recursive;
mod reduce;
mod sorted;
mod source;
mod top_k;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use compiler::lir::{DeltaPath, Fragment, FragmentIndex, Join, JoinInput, Node, NodeId, Op};
use compiler::mir::{CollectionId, LocalId, deep};
use compiler::repr::Row;
use compiler::scalar::EvalError;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

use self::bundle::{Collection, Emit, concatenate};
use self::finish::{Keyed, Last, rekey};
use self::import::Token;
use self::join::HalfJoin;
use self::linear::{Share, but_failures, mfp_logic, negate, transform};
use crate::command::{Build, BuildBody};
use crate::counters::Counters;
use crate::published::COMPLETE;
use crate::spine::{Arrangement, RowStream, Timestamp, arrange};

pub use self::bounds::Bounds;
pub use self::export::{Exports, Sink};
pub use self::source::ShardInput;

/// A dataflow that was built on this worker.
pub struct Built {
    /// Its index among the worker's dataflows.
    pub dataflow: usize,
    /// Its inputs, to be fed by the worker.
    pub inputs: BTreeMap<CollectionId, ShardInput>,
    /// What it lends and publishes, if it is a fragment.
    pub exports: Option<Exports>,
    /// Keep what it was lent coming in.
    tokens: Vec<Token>,
    /// The identifiers of the operators that each node became; a node's range includes its children's.
    pub operators: BTreeMap<NodeId, Range<usize>>,
    pub counters: BTreeMap<NodeId, Counters>,
}

impl Built {
    /// Drops the dataflow and all it holds, at once.
    pub fn close(mut self, worker: &mut Worker) {
        self.tokens.clear();
        self.inputs.clear();
        self.exports = None;
        worker.drop_dataflow(self.dataflow);
    }
}

/// Builds a dataflow. `imports` are the arrangements of the fragments it refers to, by their index; each must be readable at the
/// as_of. The result of a stream goes to the sink.
pub fn build(worker: &mut Worker, build: &Build, imports: Vec<Option<Exports>>, sink: Sink) -> Built {
    let bounds = Bounds { as_of: build.as_of, until: build.until.unwrap_or(COMPLETE) };
    match &build.body {
        BuildBody::Fragment(fragment) => render(worker, &build.name, &imports, bounds, |context| {
            context.derived.clone_from(&build.derived);
            context.arranged(fragment, &build.name)
        }),
        BuildBody::Stream(node) => render(worker, &build.name, &imports, bounds, |context| {
            context.derived.clone_from(&build.derived);
            context.delivered(node, &build.name, sink)
        }),
    }
}

/// Builds a fragment's dataflow.
pub fn fragment(
    worker: &mut Worker,
    name: &str,
    fragment: &Fragment,
    imports: &[Option<Exports>],
    bounds: Bounds,
) -> Built {
    render(worker, name, imports, bounds, |context| context.arranged(fragment, name))
}

/// Builds a dataflow whose result is given to a sink, on each worker what that worker has of it.
pub fn stream(
    worker: &mut Worker,
    name: &str,
    node: &Node,
    imports: &[Option<Exports>],
    bounds: Bounds,
    sink: Sink,
) -> Built {
    render(worker, name, imports, bounds, |context| context.delivered(node, name, sink))
}

fn render(
    worker: &mut Worker,
    name: &str,
    imports: &[Option<Exports>],
    bounds: Bounds,
    body: impl FnOnce(&mut Context<'_, '_>) -> Option<Exports>,
) -> Built {
    let dataflow = worker.next_dataflow_index();
    worker.dataflow_named(name, |scope| {
        let mut context = Context {
            scope,
            bounds,
            imports,
            derived: BTreeSet::new(),
            imported: BTreeMap::new(),
            shards: BTreeMap::new(),
            locals: BTreeMap::new(),
            current: NodeId(0),
            built: Built {
                dataflow,
                exports: None,
                inputs: BTreeMap::new(),
                tokens: Vec::new(),
                operators: BTreeMap::new(),
                counters: BTreeMap::new(),
            },
        };
        let exports = body(&mut context);
        Built { exports, ..context.built }
    })
}

/// The dataflow being built.
pub(crate) struct Context<'s, 'i> {
    scope: Scope<'s, Timestamp>,
    bounds: Bounds,
    imports: &'i [Option<Exports>],
    /// The shards that hold failures beside rows.
    derived: BTreeSet<CollectionId>,
    /// What was lent, once each.
    imported: BTreeMap<FragmentIndex, Imported<'s>>,
    shards: BTreeMap<CollectionId, Stream<'s, Timestamp, Vec<Share>>>,
    locals: BTreeMap<LocalId, Collection<'s>>,
    /// The node being rendered.
    current: NodeId,
    built: Built,
}

/// Errors whose keys say nothing about the collection that they are added to.
fn of_any_key(errs: RowStream<'_>) -> RowStream<'_> {
    rekey(errs, &Last::keyed(Keyed::Whole))
}

/// An arrangement that was lent, and its errors as a stream: each tells its key there.
#[derive(Clone)]
struct Imported<'s> {
    oks: Arrangement<'s>,
    errs: Option<RowStream<'s>>,
}

impl<'s> Context<'s, '_> {
    fn arranged(&mut self, fragment: &Fragment, name: &str) -> Option<Exports> {
        let collection = self.node(&fragment.node, Last::keyed(Keyed::Told(fragment.layout.key)));
        Some(export::arranged(collection, name))
    }

    fn delivered(&mut self, node: &Node, name: &str, sink: Sink) -> Option<Exports> {
        let collection = self.node(node, Last::keyed(Keyed::First(0)));
        export::deliver(collection, name, sink);
        None
    }

    /// Renders a node; `last` is done to each of its rows.
    fn node(&mut self, node: &Node, last: Last) -> Collection<'s> {
        let first = self.scope.worker().peek_identifier();
        let outer = std::mem::replace(&mut self.current, node.id);
        let collection = deep(|| self.op(&node.op, last));
        self.current = outer;
        self.built.operators.insert(node.id, first..self.scope.worker().peek_identifier());
        collection
    }

    fn op(&mut self, op: &Op, last: Last) -> Collection<'s> {
        match op {
            Op::Constant { rows } => self.constant(rows, last),
            Op::Shard { id, log, mfp } => self.read_shard(*id, *log, last.after(mfp)),
            Op::Arranged { fragment, lookup, mfp } => {
                let imported = self.import(*fragment);
                let last = last.after(mfp);
                let (name, fallible, logic) = ("Arranged", last.is_fallible(), mfp_logic(&last));
                let read = match lookup {
                    None => transform(imported.oks.stream, name, self.bounds, fallible, logic),
                    Some(keys) => {
                        let found = import::lookup(imported.oks.stream, keys.clone(), self.bounds);
                        transform(found, name, self.bounds, fallible, logic)
                    }
                };
                let errs = match lookup {
                    None => imported.errs,
                    Some(keys) => imported.errs.map(|errs| import::errors_of(errs, keys.clone())),
                };
                read.with_errs([errs.map(|errs| rekey(errs, &last))])
            }
            Op::Let { id, value, body } => {
                let value = self.node(value, Last::keyed(Keyed::Whole));
                let shadowed = self.locals.insert(*id, value);
                let body = self.node(body, last);
                match shadowed {
                    Some(outer) => drop(self.locals.insert(*id, outer)),
                    None => drop(self.locals.remove(id)),
                }
                body
            }
            Op::Local { id, mfp } => {
                let local =
                    self.locals.get(id).expect("invariant: a local is defined around its uses").clone();
                self.finish(local, last.after(mfp))
            }
            Op::Mfp { input, mfp } => self.node(input, last.after(mfp)),
            Op::FlatMap { input, func, args, mfp } => {
                let arity = mfp.input_arity - func.arity();
                let input = self.node(input, Last::keyed(Keyed::Whole));
                let (call, last) = ((*func, &args[..]), last.after(mfp));
                flat_map::flat_map(input.oks, arity, call, &last, self.bounds).with_errs([input.errs])
            }
            Op::Join(Join::Linear { first, stages }) => self.linear_join(first, stages, last),
            Op::Join(Join::Delta { paths }) => self.delta_join(paths, last),
            Op::Lookup(plan) => lookup::lookup(self, plan, last),
            Op::Changes { input, mfp } => changes::changes(self, input, last.after(mfp)),
            Op::Recursive(plan) => recursive::recursive(self, plan, last),
            Op::Reduce(plan) => reduce::reduce(self, plan, last),
            Op::TopK(plan) => top_k::top_k(self, plan, last),
            Op::Window(plan) => window::window(self, plan, last),
            Op::Negate { input } => {
                let input = self.node(input, last);
                Collection { oks: negate(input.oks), errs: input.errs }
            }
            Op::Threshold { input } => {
                let input = self.node(input, Last::keyed(Keyed::Whole));
                match last.only_splits() {
                    Some(keyed) => reduce::threshold(input, keyed),
                    None => {
                        let kept = reduce::threshold(input, Keyed::Whole);
                        self.finish(kept, last)
                    }
                }
            }
            Op::Union { inputs } => self.union(inputs, last),
        }
    }

    /// Applies what is done last to a collection of whole rows.
    fn finish(&mut self, collection: Collection<'s>, last: Last) -> Collection<'s> {
        if last.is_nothing() {
            return collection;
        }
        let Collection { oks, errs } = collection;
        transform(oks, "Map", self.bounds, last.is_fallible(), mfp_logic(&last)).with_errs([errs])
    }

    /// The counters of the node being rendered.
    fn counters(&mut self) -> Counters {
        self.built.counters.entry(self.current).or_default().clone()
    }

    fn constant(&mut self, rows: &Result<Vec<(Row, i64)>, EvalError>, last: Last) -> Collection<'s> {
        match rows {
            Ok(rows) => {
                let keyed = last.only_splits();
                let oks =
                    source::constant(self.scope, rows.clone(), keyed.unwrap_or(Keyed::Whole), self.bounds);
                match keyed {
                    Some(_) => Collection::infallible(oks),
                    None => self.finish(Collection::infallible(oks), last),
                }
            }
            Err(error) => {
                let errs = vec![(Row::from_bytes(error.packed()), 1)];
                let oks = source::constant(self.scope, Vec::new(), Keyed::Whole, self.bounds);
                let errs = source::constant(self.scope, errs, Keyed::First(0), self.bounds);
                Collection { oks, errs: Some(errs) }
            }
        }
    }

    fn read_shard(&mut self, id: CollectionId, log: bool, last: Last) -> Collection<'s> {
        let shares = self.shard(id);
        let (fallible, logic) = (last.is_fallible(), mfp_logic(&last));
        let (name, fallible, logic) = match self.derived.contains(&id) {
            false => ("Shard", fallible, logic),
            true => ("Derived", true, but_failures(logic)),
        };
        match log {
            false => transform(shares, name, self.bounds, fallible, logic),
            true => changes::log(shares, self.bounds, fallible, logic),
        }
    }

    fn shard(&mut self, id: CollectionId) -> Stream<'s, Timestamp, Vec<Share>> {
        if let Some(stream) = self.shards.get(&id) {
            return stream.clone();
        }
        let (input, stream) = source::shard(self.scope, self.bounds);
        self.built.inputs.insert(id, input);
        self.shards.insert(id, stream.clone());
        stream
    }

    fn import(&mut self, fragment: FragmentIndex) -> Imported<'s> {
        if let Some(imported) = self.imported.get(&fragment) {
            return imported.clone();
        }
        let lent = self.imports.get(fragment.0).and_then(Option::as_ref);
        let mut traces = lent.expect("invariant: every fragment that a plan refers to is lent").clone();
        let (oks, token) = import::import(self.scope, &mut traces.oks, "Import", self.bounds);
        self.built.tokens.push(token);
        let errs = traces.errs.as_mut().map(|errs| {
            let (errs, token) = import::import(self.scope, errs, "Import errors", self.bounds);
            self.built.tokens.push(token);
            let unchanged =
                |parts: &[&[u8]], time, diff, emit: &mut Emit| emit.ok(parts[0], parts[1], time, diff);
            transform(errs.stream, "Errors", self.bounds, false, Box::new(unchanged)).oks
        });
        let imported = Imported { oks, errs };
        self.imported.insert(fragment, imported.clone());
        imported
    }

    fn union(&mut self, inputs: &[Node], last: Last) -> Collection<'s> {
        let (mut oks, mut errs) = (Vec::new(), Vec::new());
        for input in inputs {
            let input = self.node(input, last.clone());
            oks.push(input.oks);
            errs.extend(input.errs);
        }
        let oks = concatenate(self.scope, oks).expect("invariant: a union has inputs");
        Collection { oks, errs: concatenate(self.scope, errs) }
    }

    /// A join's input as an arrangement; its errors are added to `errs`.
    fn join_input(&mut self, input: &JoinInput, errs: &mut Vec<Option<RowStream<'s>>>) -> Arrangement<'s> {
        match input {
            JoinInput::Fragment(fragment) => {
                let imported = self.import(*fragment);
                errs.push(imported.errs.map(of_any_key));
                imported.oks
            }
            JoinInput::Collection { node, form } => {
                let collection = self.node(node, Last::new(&form.mfp, Keyed::Joined(form.key)));
                errs.push(collection.errs);
                arrange(collection.oks, "ArrangeJoin")
            }
        }
    }

    fn linear_join(
        &mut self,
        first: &JoinInput,
        stages: &[compiler::lir::LinearStage],
        last: Last,
    ) -> Collection<'s> {
        let mut errs = Vec::new();
        let mut left = Some(self.join_input(first, &mut errs));
        let mut running: Option<Collection<'s>> = None;
        for (index, stage) in stages.iter().enumerate() {
            if let (Some(collection), Some(form)) = (running.take(), &stage.left) {
                let formed = self.finish(collection, Last::new(&form.mfp, Keyed::Joined(form.key)));
                errs.push(formed.errs);
                left = Some(arrange(formed.oks, "ArrangeIntermediate"));
            }
            let left =
                left.take().expect("invariant: each stage but the first says how its left input is arranged");
            let right = self.join_input(&stage.right, &mut errs);
            let closure = match index + 1 == stages.len() {
                true => last.clone().after(&stage.closure),
                false => Last::new(&stage.closure, Keyed::Whole),
            };
            running = Some(join::join(left, right, &closure, self.bounds));
        }
        running.expect("invariant: a linear join has a stage").with_errs(errs)
    }

    fn delta_join(&mut self, paths: &[DeltaPath], last: Last) -> Collection<'s> {
        let (mut oks, mut errs) = (Vec::new(), Vec::new());
        let mut fragments: BTreeMap<FragmentIndex, Option<RowStream<'s>>> = BTreeMap::new();
        for path in paths {
            let result = self.delta_path(path, &last, &mut fragments);
            oks.push(result.oks);
            errs.extend(result.errs);
        }
        errs.extend(fragments.into_values().flatten());
        let oks = concatenate(self.scope, oks).expect("invariant: a delta join has paths");
        Collection { oks, errs: concatenate(self.scope, errs) }
    }

    fn delta_path(
        &mut self,
        path: &DeltaPath,
        last: &Last,
        fragments: &mut BTreeMap<FragmentIndex, Option<RowStream<'s>>>,
    ) -> Collection<'s> {
        let source = self.import(path.source);
        fragments.insert(path.source, source.errs.map(of_any_key));
        let formed = |index: usize| match path.stages.get(index) {
            Some(stage) => Last::new(&stage.form.mfp, Keyed::Joined(stage.form.key)),
            None => last.clone(),
        };
        let initial = formed(0).after(&path.initial);
        let mut running = transform(
            source.oks.stream,
            "DeltaPath",
            self.bounds,
            initial.is_fallible(),
            mfp_logic(&initial),
        );
        for (index, stage) in path.stages.iter().enumerate() {
            let looked_up = self.import(stage.fragment);
            fragments.insert(stage.fragment, looked_up.errs.map(of_any_key));
            let inclusive = stage.relation < path.relation;
            let closure = formed(index + 1).after(&stage.closure);
            let half = HalfJoin { inclusive, closure, outer: None };
            let found = join::half_join(running.oks, looked_up.oks, &half, self.bounds);
            running = found.with_errs([running.errs]);
        }
        running
    }
}
