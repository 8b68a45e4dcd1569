//! MIR to LIR: every decision that is left is taken here, so that the renderer takes none.
//!
//! - Map, filter and project are gathered in the operator below them ([`Lowerer::lower`] carries what is to be done to an
//!   expression's rows down to it).
//! - A table or materialized view is read from its own arrangement, a stream from its shard.
//! - Joins are delta or linear ([`join`]); what they arrange is shared when others could use it ([`fragment`]).
//! - A reduction is kept as its aggregates ask ([`reduce`]).
//!
//! Fragments stand before what reads them, and hold neither parameters nor local definitions.

pub mod fast_path;
pub mod fragment;
mod join;
mod lookup;
mod reduce;
mod top_k;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::lir::{Body, Dataflow, FragmentIndex, Node, Op, Recursive};
use crate::mir::analysis::errors::Fallible;
use crate::mir::analysis::monotonic::is_append_only;
use crate::mir::{CollectionId, Id, LocalId, Rel, deep};
use crate::repr::{RelationType, Row};
use crate::scalar::{Mfp, ScalarExpr};
use fragment::{Arrangement, Fragments, collection_name, from_record, number_nodes};

/// What the lowering asks of the catalog.
pub trait Sources {
    fn source(&self, id: CollectionId) -> Source;
}

/// A relation of the catalog.
#[derive(Clone, Debug)]
pub struct Source {
    /// What runs for a table or materialized view: it publishes the arrangement by which the relation is read. None for a
    /// stream, which is read from its shard.
    pub dataflow: Option<Arc<Dataflow>>,
    /// For each column, whether it can hold error cells; see [`fallible_columns`].
    pub fallible: Vec<bool>,
    /// How often something else came to run for it: part of its name in identities.
    pub generation: u32,
    /// The indexes on it, each with what runs for it.
    pub indexes: Vec<(CollectionId, Arc<Dataflow>)>,
}

/// What a dataflow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Views and subscriptions: what they arrange is arranged so that others can share it.
    Maintained,
    /// One SELECT: what it arranges is narrowed to what it needs, unless it is there already.
    Transient,
}

/// What runs for a table: its shard, arranged by the primary key, else by all columns. Rows that were stored before the last columns
/// were there have those `missing` in them.
pub fn table(
    id: CollectionId,
    generation: u32,
    typ: &RelationType,
    primary_key: Option<&[usize]>,
    missing: Row,
) -> Dataflow {
    let all: Vec<usize> = (0..typ.arity()).collect();
    let arrangement = Arrangement::by_columns(typ, primary_key.unwrap_or(&all));
    let identity = arrangement.identity(&collection_name(&Rel::get(id, typ.clone()), &|_| generation));
    let mfp = Mfp { missing: Some(missing), ..arrangement.to_record };
    let node = Node::new(Op::Shard { id, log: false, mfp });
    let mut fragments = Fragments::default();
    let published = fragments.push(identity, arrangement.layout, node, false, true);
    finish(fragments, Body::Arrangement(published))
}

/// What runs for an index: the relation, arranged by more columns of it; or by those of its own arrangement, which is the index then.
pub fn index(on: CollectionId, typ: &RelationType, key: &[usize], sources: &dyn Sources) -> Dataflow {
    let mut lowerer = Lowerer::new(sources, Lifetime::Maintained);
    if let Some(own) = sources.source(on).dataflow
        && lookup::published(&own).is_some_and(|fragment| fragment.layout.key_columns == key)
    {
        let published = lowerer.import(&own);
        return finish(lowerer.fragments, Body::Arrangement(published));
    }
    let key = key.iter().copied().map(ScalarExpr::Column).collect::<Vec<_>>();
    let rel = Rel::get(on, typ.clone());
    let published = lowerer.arrange(&rel, &Arrangement::new(&rel.typ(), &key, &[]), true);
    finish(lowerer.fragments, Body::Arrangement(published))
}

/// What runs for a materialized view: its rows by their key, else by all columns.
pub fn materialized_view(rel: &Rel, sources: &dyn Sources) -> Dataflow {
    let mut lowerer = Lowerer::new(sources, Lifetime::Maintained);
    let typ = rel.typ();
    let key = published_key(rel, &typ);
    let arrangement = Arrangement::by_columns(&typ, &key);
    let published = lowerer.arrange(rel, &arrangement, true);
    finish(lowerer.fragments, Body::Arrangement(published))
}

/// What runs for a derived stream: rows appended to its own shard.
pub fn derived_stream(rel: &Rel, to: CollectionId, sources: &dyn Sources) -> Dataflow {
    let mut lowerer = Lowerer::new(sources, Lifetime::Maintained);
    let node = lowerer.lower_whole(rel);
    let mut from_earliest = false;
    node.visit(&mut |node| from_earliest |= matches!(node.op, Op::Changes { .. }));
    finish(lowerer.fragments, Body::Shard { node, to, from_earliest })
}

/// What runs for a SELECT or a SUBSCRIBE: updates that are sent away.
pub fn stream(rel: &Rel, lifetime: Lifetime, sources: &dyn Sources) -> Dataflow {
    let mut lowerer = Lowerer::new(sources, lifetime);
    let node = lowerer.lower_whole(rel);
    finish(lowerer.fragments, Body::Stream(node))
}

/// Whether the rows of an expression stay, once there.
pub fn only_grows(rel: &Rel, sources: &dyn Sources) -> bool {
    Lowerer::new(sources, Lifetime::Maintained).is_append_only(rel)
}

/// For each column of a view, whether it can hold error cells.
pub fn fallible_columns(rel: &Rel, sources: &dyn Sources) -> Vec<bool> {
    fallible(sources).columns(rel)
}

fn fallible(sources: &dyn Sources) -> Fallible<'_> {
    Fallible::over(Box::new(|id| sources.source(id).fallible))
}

/// The columns by which a view's rows are kept: the first of its keys, but a grouping's own where that is the root, so that its
/// arrangement serves; without a key, all columns.
fn published_key(rel: &Rel, typ: &RelationType) -> Vec<usize> {
    let own = group_columns(rel);
    if let Some(own) = own {
        return own;
    }
    match typ.keys.first() {
        Some(key) => key.clone(),
        None => (0..typ.arity()).collect(),
    }
}

/// The output columns that are the group of a reduction at the root, in the group's order, if all of it is there.
fn group_columns(rel: &Rel) -> Option<Vec<usize>> {
    let (core, mfp) = peel(rel);
    let Rel::Reduce { group_key, .. } = core else { return None };
    (0..group_key.len()).map(|key| mfp.projection.iter().position(|output| *output == key)).collect()
}

fn finish(fragments: Fragments, body: Body) -> Dataflow {
    let mut dataflow = Dataflow { fragments: fragments.list, body };
    number_nodes(&mut dataflow);
    dataflow
}

/// What is under an expression's outer maps, filters and projections, and those as one operator.
fn peel(rel: &Rel) -> (&Rel, Mfp) {
    match rel {
        Rel::Project { input, outputs } => {
            let (core, mfp) = peel(input);
            (core, mfp.project(outputs.iter().copied()))
        }
        Rel::Map { input, scalars } => {
            let (core, mfp) = peel(input);
            (core, mfp.map(scalars.iter().cloned()))
        }
        Rel::Filter { input, predicates } => {
            let (core, mfp) = peel(input);
            (core, mfp.filter(predicates.iter().cloned()))
        }
        core => (core, Mfp::new(core.arity())),
    }
}

/// All columns, where those that can hold an error cell hold none. Below a sign: an error has no sign, and must not be taken away by one.
fn known(fallible: &[bool]) -> Mfp {
    let columns = (0..fallible.len()).filter(|column| fallible[*column]).map(ScalarExpr::Column);
    // True of every value, and of an error that error.
    Mfp::new(fallible.len()).filter(columns.map(|column| column.is_null().is_not_null()))
}

struct Lowerer<'a> {
    sources: &'a dyn Sources,
    lifetime: Lifetime,
    fragments: Fragments,
    /// Of the definitions in scope: which columns can hold error cells, and whether they are append-only.
    fallible: Fallible<'a>,
    append_only: BTreeMap<LocalId, bool>,
    /// The recursions around what is being lowered, and the definitions that read them: what reads one of these changes with the round.
    rounds: BTreeSet<LocalId>,
}

impl<'a> Lowerer<'a> {
    fn new(sources: &'a dyn Sources, lifetime: Lifetime) -> Lowerer<'a> {
        Lowerer {
            sources,
            lifetime,
            fragments: Fragments::default(),
            fallible: fallible(sources),
            append_only: BTreeMap::new(),
            rounds: BTreeSet::new(),
        }
    }

    fn lower_whole(&mut self, rel: &Rel) -> Node {
        self.lower(rel, Mfp::new(rel.arity()))
    }

    /// `rel`'s rows through `mfp`.
    fn lower(&mut self, rel: &Rel, mfp: Mfp) -> Node {
        deep(|| match rel {
            Rel::Project { input, outputs } => {
                self.lower(input, Mfp::new(input.arity()).project(outputs.iter().copied()).then(mfp))
            }
            Rel::Map { input, scalars } => {
                self.lower(input, Mfp::new(input.arity()).map(scalars.iter().cloned()).then(mfp))
            }
            Rel::Filter { input, predicates } => {
                self.lower(input, Mfp::new(input.arity()).filter(predicates.iter().cloned()).then(mfp))
            }
            Rel::Constant { rows, .. } => apply(Node::new(Op::Constant { rows: rows.clone() }), mfp),
            Rel::Get { id: Id::Global(id), typ } => self.lower_collection(*id, typ, mfp),
            Rel::Get { id: Id::Local(id), .. } => Node::new(Op::Local { id: *id, mfp: optimized(mfp) }),
            Rel::Let { id, value, body } => {
                let lowered = self.lower_whole(value);
                self.fallible.define(*id, value);
                let append_only = self.is_append_only(value);
                self.append_only.insert(*id, append_only);
                if value.reads_any(&self.rounds) {
                    self.rounds.insert(*id);
                }
                let body = self.lower(body, mfp);
                Node::new(Op::Let { id: *id, value: Box::new(lowered), body: Box::new(body) })
            }
            Rel::Recursive { id, value, rounds } => apply(self.lower_recursive(*id, value, *rounds), mfp),
            Rel::FlatMap { input, func, args } => {
                let input = Box::new(self.lower_whole(input));
                Node::new(Op::FlatMap { input, func: *func, args: args.clone(), mfp: optimized(mfp) })
            }
            Rel::Join { inputs, equivalences } => self.lower_join(inputs, equivalences, mfp),
            Rel::Lookup(lookup) => self.lower_arrival(lookup, mfp),
            Rel::Changes { input } => match self.log_of(input) {
                Some(id) => Node::new(Op::Shard { id, log: true, mfp: optimized(mfp) }),
                None => {
                    let input = Box::new(self.lower_whole(input));
                    Node::new(Op::Changes { input, mfp: optimized(mfp) })
                }
            },
            Rel::Reduce { input, group_key, aggregates } => {
                self.lower_reduce(input, group_key, aggregates, mfp)
            }
            Rel::TopK { input, group_key, order, slice } => {
                self.lower_top_k(input, group_key, order, *slice, mfp)
            }
            Rel::Window { input, partition, order, functions } => {
                self.lower_window(input, partition, order, functions, mfp)
            }
            // A function of each row is the same before and after the sign.
            Rel::Negate { input } => Node::new(Op::Negate { input: Box::new(self.lower(input, mfp)) }),
            Rel::Threshold { input } => {
                let input = Box::new(self.lower(input, known(&self.fallible.columns(input))));
                apply(Node::new(Op::Threshold { input }), mfp)
            }
            Rel::Union { inputs } => {
                let inputs = inputs.iter().map(|input| self.lower(input, mfp.clone()));
                Node::new(Op::Union { inputs: inputs.collect() })
            }
        })
    }

    fn lower_recursive(&mut self, id: LocalId, value: &Rel, rounds: u64) -> Node {
        self.fallible.define_recursive(id, value);
        self.append_only.insert(id, false);
        self.rounds.insert(id);
        let value = Box::new(self.lower_whole(value));
        Node::new(Op::Recursive(Recursive { id, value, rounds }))
    }

    /// The stream whose rows these are.
    fn log_of(&self, rel: &Rel) -> Option<CollectionId> {
        let Rel::Get { id: Id::Global(id), .. } = rel else { return None };
        self.sources.source(*id).dataflow.is_none().then_some(*id)
    }

    /// A relation of the catalog: its arrangement's records, or its shard's rows.
    fn lower_collection(&mut self, id: CollectionId, typ: &RelationType, mfp: Mfp) -> Node {
        let source = self.sources.source(id);
        let Some(dataflow) = &source.dataflow else {
            return Node::new(Op::Shard { id, log: false, mfp: optimized(mfp) });
        };
        let mut mfp = optimized(mfp);
        if let Some((dataflow, lookup)) = lookup::literal_lookup(&source, &mfp, &typ.columns) {
            let fragment = self.import(dataflow);
            mfp = optimized(from_record(&self.fragments.get(fragment).layout).then(mfp));
            return Node::new(Op::Arranged { fragment, lookup: Some(lookup), mfp });
        }
        let fragment = self.import(dataflow);
        mfp = optimized(from_record(&self.fragments.get(fragment).layout).then(mfp));
        Node::new(Op::Arranged { fragment, lookup: None, mfp })
    }

    fn import(&mut self, dataflow: &Dataflow) -> FragmentIndex {
        self.fragments.import(dataflow).expect("invariant: relations and indexes publish arrangements")
    }

    /// The fragment of an expression arranged so: the one that is there, or one that is built.
    fn arrange(&mut self, rel: &Rel, arrangement: &Arrangement, shareable: bool) -> FragmentIndex {
        let generation = |id| self.sources.source(id).generation;
        let identity = arrangement.identity(&collection_name(rel, &generation));
        if shareable && let Rel::Get { id: Id::Global(id), .. } = rel {
            let source = self.sources.source(*id);
            let indexes = source.indexes.iter().map(|(_, dataflow)| dataflow);
            let found = source.dataflow.iter().chain(indexes).find(|dataflow| {
                lookup::published(dataflow).is_some_and(|fragment| fragment.identity == identity)
            });
            if let Some(dataflow) = found {
                return self.import(dataflow);
            }
        }
        if let Some(fragment) = self.fragments.find(&identity)
            && shareable
        {
            return fragment;
        }
        let append_only = self.is_append_only(rel);
        let node = self.lower(rel, arrangement.to_record.clone());
        self.fragments.push(identity, arrangement.layout.clone(), node, append_only, shareable)
    }

    fn is_append_only(&self, rel: &Rel) -> bool {
        let of_collection = |id| match &self.sources.source(id).dataflow {
            None => true,
            Some(dataflow) => match dataflow.body {
                Body::Arrangement(published) => dataflow.fragments[published.0].append_only,
                _ => false,
            },
        };
        is_append_only(rel, &of_collection, &self.append_only)
    }
}

/// A node's rows through an operator, if it does anything.
fn apply(node: Node, mfp: Mfp) -> Node {
    let mfp = optimized(mfp);
    match mfp.is_identity() {
        true => node,
        false => Node::new(Op::Mfp { input: Box::new(node), mfp }),
    }
}

fn optimized(mut mfp: Mfp) -> Mfp {
    mfp.optimize();
    mfp
}
