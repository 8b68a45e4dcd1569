//! What will run: no decision is left to the renderer.
//!
//! A [`Dataflow`] is a DAG of [`Fragment`]s and a body. A fragment exports one arrangement and is known by its
//! [`Identity`]: the engine builds it, or finds the one that is there, counts its users and drops it with the last.
//!
//! Layout of an arrangement: a record is a packed row `key ++ value`, split after `key` columns. The key is made of canonical
//! encodings, so that equality is equality of bytes; a key column whose equal values can print differently also stands
//! in the value. Every expression over an arrangement's record counts its columns in this order, key first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::mir::{CollectionId, LocalId, deep};
use crate::repr::{Datum, RelationType, Row, encode_key};
use crate::scalar::{AggregateExpr, EvalError, Mfp, ScalarExpr, Slice, SortKey, TableFunc, WindowExpr};

/// What a statement asks the engine to run. `fragments` are in topological order: each refers only to earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataflow {
    pub fragments: Vec<Fragment>,
    pub body: Body,
}

/// What becomes of the dataflow's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Kept as an arrangement: a table's, a materialized view's or an index's. The fragment holds it.
    Arrangement(FragmentIndex),
    /// Sent away as consolidated updates: SUBSCRIBE, and SELECT by a transient dataflow.
    Stream(Node),
    /// Appended to a shard of its own: derived streams.
    Shard {
        node: Node,
        to: CollectionId,
        /// It begins at the earliest time that its inputs can be read at, not when it is created.
        from_earliest: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FragmentIndex(pub usize);

/// What an arrangement holds, normalised: equal identities are interchangeable. Printed form of (collection, key, value columns).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub String);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    pub identity: Identity,
    /// False for what nobody else could use: recursion, historical plans. It is then built even if an equal one is there.
    pub shareable: bool,
    pub layout: Layout,
    /// Yields the records `key ++ value`, already in the layout's order.
    pub node: Node,
    /// The shards it depends on, through other fragments too: a read waits for the last change of these, not for the clock.
    pub shards: BTreeSet<CollectionId>,
    pub append_only: bool,
}

/// How a relation's rows lie in an arrangement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// How many leading columns of the record are the key.
    pub key: usize,
    /// The record's columns: types and the keys among them.
    pub typ: RelationType,
    /// For each column of the relation, where it stands in the record. A SELECT reads rows back through it.
    pub columns: Vec<usize>,
    /// The columns of the relation that the key is made of, in its order. None if a part of the key is computed.
    pub key_columns: Vec<usize>,
    /// True when the key determines the row: a lookup finds at most one.
    pub unique: bool,
}

impl Layout {
    /// Appends a value that is compared with the key's column at `place` as the records have it. Whoever looks a key up must encode it
    /// by this.
    pub fn encode_key(&self, place: usize, datum: Datum<'_>, out: &mut Vec<u8>) {
        encode_key(&self.typ.columns[place].typ, datum, out);
    }

    /// The key under which the arrangement has a row of the relation, NULLs and all; its parts must be columns.
    pub fn key_of(&self, row: &[Datum<'_>]) -> Vec<u8> {
        let mut key = Vec::new();
        for (place, column) in self.key_columns.iter().enumerate() {
            self.encode_key(place, row[*column], &mut key);
        }
        key
    }
}

/// Identifies a node within its dataflow; the renderer records under it the operators that it became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub op: Op,
}

/// A plan is as high as its statement: a thousand UNIONs are a thousand levels.
impl Clone for Node {
    fn clone(&self) -> Node {
        deep(|| Node { id: self.id, op: self.op.clone() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Rows at the as_of, or an error instead.
    Constant {
        rows: Result<Vec<(Row, i64)>, EvalError>,
    },
    /// A shard's contents as of the dataflow's as_of, then its updates. Every worker feeds its part.
    Shard {
        id: CollectionId,
        /// `mfp` is over the row, the time at which it came, and 1. The shard keeps the times of its updates.
        log: bool,
        mfp: Mfp,
    },
    /// An arrangement read as a collection: its records through `mfp`. With `lookup`, only the records with one of these keys (each a
    /// packed row of the whole key).
    Arranged {
        fragment: FragmentIndex,
        lookup: Option<Vec<Row>>,
        mfp: Mfp,
    },
    Let {
        id: LocalId,
        value: Box<Node>,
        body: Box<Node>,
    },
    Recursive(Recursive),
    Local {
        id: LocalId,
        mfp: Mfp,
    },
    Mfp {
        input: Box<Node>,
        mfp: Mfp,
    },
    /// The table function's rows appended to each row, then `mfp`.
    FlatMap {
        input: Box<Node>,
        func: TableFunc,
        args: Vec<ScalarExpr>,
        mfp: Mfp,
    },
    Join(Join),
    Lookup(Lookup),
    /// The changelog of the input through `mfp`, which is over the row, the time, and 1 or -1.
    Changes {
        input: Box<Node>,
        mfp: Mfp,
    },
    Reduce(Reduce),
    TopK(TopK),
    Window(Window),
    Negate {
        input: Box<Node>,
    },
    /// Keeps positive multiplicities. The input's whole row is the key (its columns are canonical already where it matters).
    Threshold {
        input: Box<Node>,
    },
    Union {
        inputs: Vec<Node>,
    },
}

/// A value over its own last result, round after round. See [`crate::mir::Rel::Recursive`].
///
/// What of it reads the name is done once a round: joins there are linear and arrange their inputs for themselves, and aggregates are
/// recomputed from their groups. The rest is a collection like any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recursive {
    pub id: LocalId,
    pub value: Box<Node>,
    /// After so many, rows that still change are an error.
    pub rounds: u64,
}

/// How a collection becomes key and value: `mfp` yields the record, its first `key` columns are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    pub mfp: Mfp,
    pub key: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// Binary joins, left to right; each intermediate result is arranged anew.
    Linear { first: JoinInput, stages: Vec<LinearStage> },
    /// One path per input: its updates looked up in the others' arrangements, nothing intermediate kept. All inputs are fragments.
    Delta { paths: Vec<DeltaPath> },
}

/// A join's input: an arrangement that is a fragment, or a collection to be arranged for this join alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinInput {
    Fragment(FragmentIndex),
    Collection { node: Box<Node>, form: Form },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearStage {
    /// How the running result is arranged before this stage. None in the first stage, whose left input is `first`.
    pub left: Option<Form>,
    pub right: JoinInput,
    /// Over key ++ left value ++ right value. Its output is the running result's row.
    pub closure: Mfp,
}

/// A stream's updates looked up in a table's arrangement as it is at their times, inclusive: the arrival join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Yields key ++ what is kept of the row.
    pub input: Box<Node>,
    pub key: usize,
    pub table: JoinInput,
    /// Over key ++ kept ++ looked-up value.
    pub closure: Mfp,
    /// What becomes of rows that find nothing. None: they vanish.
    pub outer: Option<OuterLookup>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OuterLookup {
    /// Over key ++ kept ++ looked-up value, without outputs: whether it counts as found.
    pub on: Mfp,
    /// Over key ++ kept: the row with NULLs in the place of the table's columns.
    pub absent: Mfp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaPath {
    /// The relation (by its number in the join) whose updates drive this path, read from this arrangement through `initial`.
    pub relation: usize,
    pub source: FragmentIndex,
    pub initial: Mfp,
    pub stages: Vec<DeltaStage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaStage {
    /// The relation that is looked up. Updates at equal times are seen iff `relation` < the path's relation: each pair once.
    pub relation: usize,
    pub fragment: FragmentIndex,
    /// From the running row to key ++ what is kept of it.
    pub form: Form,
    /// Over key ++ kept ++ looked-up value.
    pub closure: Mfp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduce {
    pub input: Box<Node>,
    /// key ++ whatever the aggregates read: their arguments and filters are expressions over this record.
    pub form: Form,
    pub plan: ReducePlan,
    /// Over key ++ one column per aggregate.
    pub finish: Mfp,
}

/// How a group is kept. Arguments and filters of the aggregates are expressions over the form's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReducePlan {
    /// No aggregate: the keys that are present, once.
    Distinct,
    /// Sums in the diff; every aggregate's class is accumulable, or the only one's is bucketed. Memory: one record a group, or one a
    /// group and bucket.
    Accumulable { aggregates: Vec<AggregateExpr> },
    /// MIN, MAX and whatever a group's extreme row decides, through a hierarchy of buckets (or as a diff semigroup where append-only).
    Hierarchical { aggregates: Vec<AggregateExpr>, append_only: bool },
    /// Recomputes a group from all of its rows.
    Basic { aggregates: Vec<AggregateExpr> },
    /// Aggregates of several kinds or DISTINCT ones: each part is a reduction by the same key; `columns[i]` says which part and which of
    /// its aggregates the i-th is. A part with `distinct` first makes its form's records distinct. No part is a collation.
    Collate { parts: Vec<ReducePart>, columns: Vec<(usize, usize)> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReducePart {
    pub distinct: bool,
    /// From the outer form's record to key ++ this part's arguments and filters. It drops no row.
    pub form: Form,
    pub plan: ReducePlan,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopK {
    pub input: Box<Node>,
    /// group key ++ row.
    pub form: Form,
    /// Over the form's record. Peers stand in the order of the record's bytes.
    pub order: Vec<SortKey>,
    pub slice: Slice,
    /// Append-only input and no offset: a bounded heap a group, no history.
    pub append_only: bool,
    /// Over the form's record.
    pub finish: Mfp,
}

/// Functions of each row's partition, which is recomputed as a whole when one of its rows changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub input: Box<Node>,
    /// partition ++ row.
    pub form: Form,
    /// Over the form's record. Ties fall to the record's bytes.
    pub order: Vec<SortKey>,
    /// Over the form's record.
    pub functions: Vec<WindowExpr>,
    /// Over the form's record ++ one column per function.
    pub finish: Mfp,
}

impl Node {
    /// A node that has not been numbered yet.
    pub fn new(op: Op) -> Node {
        Node { id: NodeId(0), op }
    }

    /// The nodes whose results this one reads.
    pub fn children(&self) -> Vec<&Node> {
        match &self.op {
            Op::Constant { .. } | Op::Shard { .. } | Op::Arranged { .. } | Op::Local { .. } => Vec::new(),
            Op::Let { value, body, .. } => vec![value, body],
            Op::Mfp { input, .. }
            | Op::Changes { input, .. }
            | Op::Recursive(Recursive { value: input, .. })
            | Op::FlatMap { input, .. }
            | Op::Reduce(Reduce { input, .. })
            | Op::TopK(TopK { input, .. })
            | Op::Window(Window { input, .. })
            | Op::Negate { input }
            | Op::Threshold { input } => vec![input],
            Op::Union { inputs } => inputs.iter().collect(),
            Op::Join(Join::Linear { first, stages }) => {
                let inputs = std::iter::once(first).chain(stages.iter().map(|stage| &stage.right));
                inputs.filter_map(JoinInput::node).collect()
            }
            Op::Lookup(Lookup { input, table, .. }) => {
                std::iter::once(&**input).chain(table.node()).collect()
            }
            Op::Join(Join::Delta { .. }) => Vec::new(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.op {
            Op::Constant { .. } | Op::Shard { .. } | Op::Arranged { .. } | Op::Local { .. } => Vec::new(),
            Op::Let { value, body, .. } => vec![value, body],
            Op::Mfp { input, .. }
            | Op::Changes { input, .. }
            | Op::Recursive(Recursive { value: input, .. })
            | Op::FlatMap { input, .. }
            | Op::Reduce(Reduce { input, .. })
            | Op::TopK(TopK { input, .. })
            | Op::Window(Window { input, .. })
            | Op::Negate { input }
            | Op::Threshold { input } => vec![input],
            Op::Union { inputs } => inputs.iter_mut().collect(),
            Op::Join(Join::Linear { first, stages }) => {
                let inputs = std::iter::once(first).chain(stages.iter_mut().map(|stage| &mut stage.right));
                inputs.filter_map(JoinInput::node_mut).collect()
            }
            Op::Lookup(Lookup { input, table, .. }) => {
                std::iter::once(&mut **input).chain(table.node_mut()).collect()
            }
            Op::Join(Join::Delta { .. }) => Vec::new(),
        }
    }

    /// Calls `f` with this node and all below it.
    pub fn visit<'n>(&'n self, f: &mut impl FnMut(&'n Node)) {
        crate::mir::deep(|| {
            f(self);
            self.children().into_iter().for_each(|child| child.visit(f));
        })
    }

    /// The fragments that this node and those below refer to.
    pub fn fragments(&self) -> BTreeSet<FragmentIndex> {
        let mut found = BTreeSet::new();
        self.visit(&mut |node| match &node.op {
            Op::Arranged { fragment, .. } => drop(found.insert(*fragment)),
            Op::Join(Join::Linear { first, stages }) => {
                let inputs = std::iter::once(first).chain(stages.iter().map(|stage| &stage.right));
                found.extend(inputs.filter_map(JoinInput::fragment));
            }
            Op::Lookup(lookup) => found.extend(lookup.table.fragment()),
            Op::Join(Join::Delta { paths }) => {
                found.extend(paths.iter().map(|path| path.source));
                found.extend(paths.iter().flat_map(|path| &path.stages).map(|stage| stage.fragment));
            }
            _ => {}
        });
        found
    }

    /// The shards whose updates' own times this node and those below read.
    pub fn logs(&self) -> BTreeSet<CollectionId> {
        let mut found = BTreeSet::new();
        self.visit(&mut |node| {
            if let Op::Shard { id, log: true, .. } = &node.op {
                found.insert(*id);
            }
        });
        found
    }

    /// The shards that this node and those below read themselves.
    pub fn shards(&self) -> BTreeSet<CollectionId> {
        let mut found = BTreeSet::new();
        self.visit(&mut |node| {
            if let Op::Shard { id, .. } = &node.op {
                found.insert(*id);
            }
        });
        found
    }
}

impl JoinInput {
    fn node(&self) -> Option<&Node> {
        match self {
            JoinInput::Fragment(_) => None,
            JoinInput::Collection { node, .. } => Some(node),
        }
    }

    fn node_mut(&mut self) -> Option<&mut Node> {
        match self {
            JoinInput::Fragment(_) => None,
            JoinInput::Collection { node, .. } => Some(node),
        }
    }

    fn fragment(&self) -> Option<FragmentIndex> {
        match self {
            JoinInput::Fragment(fragment) => Some(*fragment),
            JoinInput::Collection { .. } => None,
        }
    }
}

/// Walking.
impl Dataflow {
    /// The shards that it reads, through its fragments too.
    pub fn shards(&self) -> BTreeSet<CollectionId> {
        let mut shards: BTreeSet<_> = self.fragments.iter().flat_map(|f| f.shards.iter().copied()).collect();
        if let Body::Stream(node) | Body::Shard { node, .. } = &self.body {
            shards.extend(node.shards());
        }
        shards
    }

    /// Every scalar expression in which a parameter can stand.
    pub fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut ScalarExpr)) {
        self.fragments.iter_mut().for_each(|fragment| fragment.node.for_each_scalar_mut(f));
        match &mut self.body {
            Body::Arrangement(_) => {}
            Body::Stream(node) | Body::Shard { node, .. } => node.for_each_scalar_mut(f),
        }
    }
}

impl Node {
    fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut ScalarExpr)) {
        crate::mir::deep(|| match &mut self.op {
            Op::Constant { .. } => {}
            Op::Shard { mfp, .. } | Op::Arranged { mfp, .. } | Op::Local { mfp, .. } => scalars_of(mfp, f),
            Op::Let { value, body, .. } => {
                value.for_each_scalar_mut(f);
                body.for_each_scalar_mut(f);
            }
            Op::Mfp { input, mfp } | Op::Changes { input, mfp } => {
                input.for_each_scalar_mut(f);
                scalars_of(mfp, f);
            }
            Op::FlatMap { input, args, mfp, .. } => {
                input.for_each_scalar_mut(f);
                args.iter_mut().for_each(&mut *f);
                scalars_of(mfp, f);
            }
            Op::Join(join) => join.for_each_scalar_mut(f),
            Op::Lookup(lookup) => {
                lookup.input.for_each_scalar_mut(f);
                lookup.table.for_each_scalar_mut(f);
                scalars_of(&mut lookup.closure, f);
                if let Some(outer) = &mut lookup.outer {
                    scalars_of(&mut outer.on, f);
                    scalars_of(&mut outer.absent, f);
                }
            }
            Op::Reduce(reduce) => {
                reduce.input.for_each_scalar_mut(f);
                scalars_of(&mut reduce.form.mfp, f);
                reduce.plan.for_each_scalar_mut(f);
                scalars_of(&mut reduce.finish, f);
            }
            Op::TopK(top_k) => {
                top_k.input.for_each_scalar_mut(f);
                scalars_of(&mut top_k.form.mfp, f);
                top_k.order.iter_mut().for_each(|key| f(&mut key.expr));
                scalars_of(&mut top_k.finish, f);
            }
            Op::Window(window) => {
                window.input.for_each_scalar_mut(f);
                scalars_of(&mut window.form.mfp, f);
                window.order.iter_mut().for_each(|key| f(&mut key.expr));
                window.functions.iter_mut().flat_map(WindowExpr::exprs_mut).for_each(&mut *f);
                scalars_of(&mut window.finish, f);
            }
            Op::Recursive(Recursive { value: input, .. })
            | Op::Negate { input }
            | Op::Threshold { input } => {
                input.for_each_scalar_mut(f);
            }
            Op::Union { inputs } => inputs.iter_mut().for_each(|input| input.for_each_scalar_mut(f)),
        })
    }
}

impl Join {
    fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut ScalarExpr)) {
        match self {
            Join::Linear { first, stages } => {
                first.for_each_scalar_mut(f);
                for stage in stages {
                    stage.left.iter_mut().for_each(|form| scalars_of(&mut form.mfp, f));
                    stage.right.for_each_scalar_mut(f);
                    scalars_of(&mut stage.closure, f);
                }
            }
            Join::Delta { paths } => {
                for path in paths {
                    scalars_of(&mut path.initial, f);
                    for stage in &mut path.stages {
                        scalars_of(&mut stage.form.mfp, f);
                        scalars_of(&mut stage.closure, f);
                    }
                }
            }
        }
    }
}

impl JoinInput {
    fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut ScalarExpr)) {
        if let JoinInput::Collection { node, form } = self {
            node.for_each_scalar_mut(f);
            scalars_of(&mut form.mfp, f);
        }
    }
}

impl ReducePlan {
    fn for_each_scalar_mut(&mut self, f: &mut dyn FnMut(&mut ScalarExpr)) {
        match self {
            ReducePlan::Distinct => {}
            ReducePlan::Accumulable { aggregates }
            | ReducePlan::Hierarchical { aggregates, .. }
            | ReducePlan::Basic { aggregates } => {
                aggregates.iter_mut().flat_map(AggregateExpr::exprs_mut).for_each(f);
            }
            ReducePlan::Collate { parts, .. } => {
                for part in parts {
                    scalars_of(&mut part.form.mfp, f);
                    part.plan.for_each_scalar_mut(f);
                }
            }
        }
    }
}

fn scalars_of(mfp: &mut Mfp, f: &mut dyn FnMut(&mut ScalarExpr)) {
    mfp.maps.iter_mut().chain(&mut mfp.predicates).for_each(f);
}
