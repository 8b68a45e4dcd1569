//! The algebra of collections: what a query means, as an expression over update collections.
//!
//! Every variant is linear, or says what it remembers. "Memory" is what a maintained instance of it keeps; "sign" says
//! what it does to multiplicities; "kind" whether an append-only input stays append-only. A join order may still be
//! open here; subqueries, outer joins and names are gone.

pub mod analysis;
mod keys;
pub mod predicate;
mod size;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::repr::{ColumnType, RelationType, Row, Type};
use crate::scalar::{AggregateExpr, EvalError, ScalarExpr, Slice, SortKey, TableFunc, WindowExpr};

/// The id of a catalog collection (table, stream, view, index target). Assigned once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CollectionId(pub u64);

/// The id of a `Let` within one expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Id {
    Global(CollectionId),
    Local(LocalId),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rel {
    /// Rows with multiplicities, or one evaluation error that is the whole collection. Memory: none.
    Constant { rows: Result<Vec<(Row, i64)>, EvalError>, typ: RelationType },
    /// A collection by id. Memory: none of its own.
    Get { id: Id, typ: RelationType },
    /// `value` under a name in `body`. Memory: none (the renderer shares the stream).
    Let { id: LocalId, value: Box<Rel>, body: Box<Rel> },
    /// What `value` comes to when it is evaluated again and again with its own last result under the name, beginning with nothing, until
    /// a round changes no row. If one still does after so many `rounds`, that is an error of the whole collection. Sign kept.
    /// Append-only if the value is, given that the name is. Memory: every input of what reads the name, and the rounds in which its
    /// rows came.
    Recursive { id: LocalId, value: Box<Rel>, rounds: u64 },
    /// Columns of the input, by index, repeated or left out. Sign kept. Memory: none.
    Project { input: Box<Rel>, outputs: Vec<usize> },
    /// The input's columns, then one per scalar; a scalar may use those before it. Memory: none.
    Map { input: Box<Rel>, scalars: Vec<ScalarExpr> },
    /// The rows for which every predicate is true. Memory: none.
    Filter { input: Box<Rel>, predicates: Vec<ScalarExpr> },
    /// For each row, the rows of a table function of it: the input's columns, then the function's. Memory: none.
    FlatMap { input: Box<Rel>, func: TableFunc, args: Vec<ScalarExpr> },
    /// The inputs' columns side by side, multiplicities multiplied, where within each equivalence class all expressions are
    /// equal and not NULL. An empty `inputs` is the unit collection: one row, no columns.
    /// Memory: the inputs arranged (linear: and each intermediate result).
    Join { inputs: Vec<Rel>, equivalences: Vec<Vec<ScalarExpr>> },
    /// One row per group that has rows: the key's columns, then one per aggregate. NULLs group together. No aggregates: distinct.
    /// An empty key over an empty input gives no row (SQL's default row is a union made by `decorrelate`).
    /// Memory: accumulable, one record a group; otherwise the input.
    Reduce { input: Box<Rel>, group_key: Vec<ScalarExpr>, aggregates: Vec<AggregateExpr> },
    /// A slice of each group's rows in the given order (peers by the whole row's bytes). Memory: the input, in hierarchies;
    /// append-only input: the kept rows.
    TopK { input: Box<Rel>, group_key: Vec<usize>, order: Vec<SortKey>, slice: Slice },
    /// The input's columns, then one per function of the row's partition in the given order (ties by the whole row's bytes).
    /// Multiplicities kept, but the copies of a row may get different results. Not append-only. Memory: the input, by partition.
    Window { input: Box<Rel>, partition: Vec<usize>, order: Vec<SortKey>, functions: Vec<WindowExpr> },
    /// The arrival join: for each update of the input, the rows that the table holds at the update's own time, inclusive, and that its
    /// keys and `on` match: the input's columns, then the table's. Only the input drives it: what it gave is never revised when the table
    /// changes. Append-only if the input is. Historical: its contents do not follow from its inputs' contents. Memory: the table arranged
    /// by the keys.
    Lookup(Lookup),
    /// The changelog: for each copy of a row that comes or goes at a time, a row of its own that stays: the input's columns, then the
    /// time, then 1 or -1 ([`CHANGE_COLUMNS`]). Append-only. Over a stream, whose shard keeps the times of its rows, it is memoryless and
    /// the time of a row that is not committed yet is NULL; over anything else it is historical. Memory: none.
    Changes { input: Box<Rel> },
    /// Multiplicities negated. Not append-only.
    Negate { input: Box<Rel> },
    /// Rows whose multiplicity is positive, with it; the others vanish. An error cell is the collection's error: it says not which row
    /// is there. Memory: the input, by whole row.
    Threshold { input: Box<Rel> },
    /// Multiplicities added. At least one input; their types agree but for typmods. Memory: none.
    Union { inputs: Vec<Rel> },
}

/// What [`Rel::Changes`] adds to the columns of its input.
pub const CHANGE_COLUMNS: [&str; 2] = ["tw_timestamp", "tw_diff"];

/// Their types.
pub fn change_types() -> [ColumnType; 2] {
    [ColumnType::new(Type::Int8, true), ColumnType::new(Type::Int8, false)]
}

/// An arrival join. See [`Rel::Lookup`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lookup {
    pub input: Box<Rel>,
    pub table: Box<Rel>,
    /// Pairs that are equal and not NULL: over the input's columns, over the table's. At least one.
    pub keys: Vec<(ScalarExpr, ScalarExpr)>,
    /// What else is true of a match, over both columns in a row.
    pub on: Vec<ScalarExpr>,
    /// An input row that matches nothing gives one row, with NULLs for the table's columns.
    pub outer: bool,
}

/// Smart constructors: they leave out what does nothing and merge what is trivially one, so that callers need not look.
impl Rel {
    pub fn constant(rows: Vec<Row>, typ: RelationType) -> Rel {
        Rel::Constant { rows: Ok(rows.into_iter().map(|row| (row, 1)).collect()), typ }
    }

    /// No rows.
    pub fn empty(typ: RelationType) -> Rel {
        Rel::Constant { rows: Ok(Vec::new()), typ }
    }

    /// One row without columns: the unit of [`Rel::Join`].
    pub fn unit() -> Rel {
        Rel::Constant {
            rows: Ok(vec![(Row::default(), 1)]),
            typ: RelationType { columns: vec![], keys: vec![vec![]] },
        }
    }

    pub fn get(id: CollectionId, typ: RelationType) -> Rel {
        Rel::Get { id: Id::Global(id), typ }
    }

    pub fn local(id: LocalId, typ: RelationType) -> Rel {
        Rel::Get { id: Id::Local(id), typ }
    }

    pub fn project(self, outputs: Vec<usize>) -> Rel {
        match self {
            Rel::Project { input, outputs: inner } => {
                input.project(outputs.into_iter().map(|column| inner[column]).collect())
            }
            input if outputs.len() == input.arity() && outputs.iter().enumerate().all(|(i, o)| i == *o) => {
                input
            }
            input => Rel::Project { input: Box::new(input), outputs },
        }
    }

    pub fn map(self, scalars: Vec<ScalarExpr>) -> Rel {
        match self {
            input if scalars.is_empty() => input,
            Rel::Map { input, scalars: mut inner } => {
                inner.extend(scalars);
                Rel::Map { input, scalars: inner }
            }
            input => Rel::Map { input: Box::new(input), scalars },
        }
    }

    pub fn filter(self, predicates: impl IntoIterator<Item = ScalarExpr>) -> Rel {
        let mut predicates: Vec<ScalarExpr> = predicates.into_iter().collect();
        match self {
            input if predicates.is_empty() => input,
            Rel::Filter { input, predicates: mut inner } => {
                inner.append(&mut predicates);
                Rel::Filter { input, predicates: inner }
            }
            input => Rel::Filter { input: Box::new(input), predicates },
        }
    }

    pub fn flat_map(self, func: TableFunc, args: Vec<ScalarExpr>) -> Rel {
        Rel::FlatMap { input: Box::new(self), func, args }
    }

    /// The inputs side by side where `equivalences` hold; their expressions count the columns of all inputs in a row.
    pub fn join(inputs: Vec<Rel>, equivalences: Vec<Vec<ScalarExpr>>) -> Rel {
        Rel::Join { inputs, equivalences }
    }

    /// The cross product.
    pub fn product(self, other: Rel) -> Rel {
        Rel::Join { inputs: vec![self, other], equivalences: vec![] }
    }

    pub fn reduce(self, group_key: Vec<ScalarExpr>, aggregates: Vec<AggregateExpr>) -> Rel {
        Rel::Reduce { input: Box::new(self), group_key, aggregates }
    }

    /// Each row that is present, once.
    pub fn distinct(self) -> Rel {
        let group_key = (0..self.arity()).map(ScalarExpr::Column).collect();
        self.reduce(group_key, vec![])
    }

    pub fn top_k(self, group_key: Vec<usize>, order: Vec<SortKey>, slice: Slice) -> Rel {
        Rel::TopK { input: Box::new(self), group_key, order, slice }
    }

    pub fn window(self, partition: Vec<usize>, order: Vec<SortKey>, functions: Vec<WindowExpr>) -> Rel {
        match self {
            input if functions.is_empty() => input,
            input => Rel::Window { input: Box::new(input), partition, order, functions },
        }
    }

    pub fn negate(self) -> Rel {
        match self {
            Rel::Negate { input } => *input,
            input => Rel::Negate { input: Box::new(input) },
        }
    }

    pub fn threshold(self) -> Rel {
        match self {
            input @ Rel::Threshold { .. } => input,
            input => Rel::Threshold { input: Box::new(input) },
        }
    }

    /// The sum of this and another collection with the same columns.
    pub fn union(self, other: Rel) -> Rel {
        Rel::union_all(vec![self, other])
    }

    /// The sum of at least one collection; unions among them are merged in.
    pub fn union_all(inputs: Vec<Rel>) -> Rel {
        let mut flat = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Rel::Union { inputs } => flat.extend(inputs),
                input => flat.push(input),
            }
        }
        match flat.len() {
            1 => flat.remove(0),
            _ => Rel::Union { inputs: flat },
        }
    }

    /// `body` with the value under a name.
    pub fn let_in(id: LocalId, value: Rel, body: Rel) -> Rel {
        Rel::Let { id, value: Box::new(value), body: Box::new(body) }
    }

    /// What a value over its own name comes to. What is known of the name's columns becomes as narrow as the value shows it to be: it is
    /// so of nothing, and each round keeps it.
    pub fn recursive(id: LocalId, mut value: Rel, rounds: u64) -> Rel {
        let mut columns = value.columns();
        columns.iter_mut().for_each(|column| column.nullable = false);
        loop {
            value.retype_uses(id, &columns);
            let found = value.columns();
            let nullable = |(known, found): (&ColumnType, &ColumnType)| known.nullable || !found.nullable;
            if columns.iter().zip(&found).all(nullable) {
                return Rel::Recursive { id, value: Box::new(value), rounds };
            }
            columns.iter_mut().zip(found).for_each(|(known, found)| known.nullable |= found.nullable);
        }
    }

    /// Says of which columns a definition is wherever it is used.
    fn retype_uses(&mut self, id: LocalId, columns: &[ColumnType]) {
        deep(|| match self {
            Rel::Get { id: Id::Local(get), typ } if *get == id => *typ = RelationType::new(columns.to_vec()),
            rel => rel.for_each_child_mut(|child| child.retype_uses(id, columns)),
        })
    }
}

/// Walking.
impl Rel {
    pub fn for_each_child<'a>(&'a self, mut f: impl FnMut(&'a Rel)) {
        match self {
            Rel::Constant { .. } | Rel::Get { .. } => {}
            Rel::Let { value, body, .. } => {
                f(value);
                f(body);
            }
            Rel::Recursive { value: input, .. }
            | Rel::Project { input, .. }
            | Rel::Map { input, .. }
            | Rel::Filter { input, .. }
            | Rel::FlatMap { input, .. }
            | Rel::Reduce { input, .. }
            | Rel::TopK { input, .. }
            | Rel::Window { input, .. }
            | Rel::Changes { input }
            | Rel::Negate { input }
            | Rel::Threshold { input } => f(input),
            Rel::Join { inputs, .. } | Rel::Union { inputs } => inputs.iter().for_each(f),
            Rel::Lookup(lookup) => {
                f(&lookup.input);
                f(&lookup.table);
            }
        }
    }

    pub fn for_each_child_mut<'a>(&'a mut self, mut f: impl FnMut(&'a mut Rel)) {
        match self {
            Rel::Constant { .. } | Rel::Get { .. } => {}
            Rel::Let { value, body, .. } => {
                f(value);
                f(body);
            }
            Rel::Recursive { value: input, .. }
            | Rel::Project { input, .. }
            | Rel::Map { input, .. }
            | Rel::Filter { input, .. }
            | Rel::FlatMap { input, .. }
            | Rel::Reduce { input, .. }
            | Rel::TopK { input, .. }
            | Rel::Window { input, .. }
            | Rel::Changes { input }
            | Rel::Negate { input }
            | Rel::Threshold { input } => f(input),
            Rel::Join { inputs, .. } | Rel::Union { inputs } => inputs.iter_mut().for_each(f),
            Rel::Lookup(lookup) => {
                f(&mut lookup.input);
                f(&mut lookup.table);
            }
        }
    }

    /// Rebuilds the expression from the leaves up: `f` sees each node with its children already rebuilt.
    pub fn transform(mut self, f: &mut impl FnMut(Rel) -> Rel) -> Rel {
        self.transform_mut(f);
        self
    }

    fn transform_mut(&mut self, f: &mut impl FnMut(Rel) -> Rel) {
        deep(|| {
            self.for_each_child_mut(|child| child.transform_mut(f));
            *self = f(self.take());
        })
    }

    /// Calls `f` on every node, parents before children.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a Rel)) {
        deep(|| {
            f(self);
            self.for_each_child(|child| child.visit(f));
        })
    }

    /// Calls `f` on the scalar expressions of this node (not of its children), aggregates' arguments included.
    pub fn for_each_scalar<'a>(&'a self, mut f: impl FnMut(&'a ScalarExpr)) {
        match self {
            Rel::Map { scalars: exprs, .. }
            | Rel::Filter { predicates: exprs, .. }
            | Rel::FlatMap { args: exprs, .. } => exprs.iter().for_each(f),
            Rel::Join { equivalences, .. } => equivalences.iter().flatten().for_each(f),
            Rel::Lookup(lookup) => {
                lookup.keys.iter().flat_map(|(left, right)| [left, right]).chain(&lookup.on).for_each(f)
            }
            Rel::Reduce { group_key, aggregates, .. } => {
                group_key.iter().for_each(&mut f);
                aggregates.iter().flat_map(AggregateExpr::exprs).for_each(f);
            }
            Rel::TopK { order, .. } => order.iter().map(|key| &key.expr).for_each(f),
            Rel::Window { order, functions, .. } => {
                order.iter().map(|key| &key.expr).for_each(&mut f);
                functions.iter().flat_map(WindowExpr::exprs).for_each(f);
            }
            _ => {}
        }
    }

    pub fn for_each_scalar_mut(&mut self, mut f: impl FnMut(&mut ScalarExpr)) {
        match self {
            Rel::Map { scalars: exprs, .. }
            | Rel::Filter { predicates: exprs, .. }
            | Rel::FlatMap { args: exprs, .. } => exprs.iter_mut().for_each(f),
            Rel::Join { equivalences, .. } => equivalences.iter_mut().flatten().for_each(f),
            Rel::Lookup(lookup) => lookup
                .keys
                .iter_mut()
                .flat_map(|(left, right)| [left, right])
                .chain(&mut lookup.on)
                .for_each(f),
            Rel::Reduce { group_key, aggregates, .. } => {
                group_key.iter_mut().for_each(&mut f);
                aggregates.iter_mut().flat_map(AggregateExpr::exprs_mut).for_each(f);
            }
            Rel::TopK { order, .. } => order.iter_mut().map(|key| &mut key.expr).for_each(f),
            Rel::Window { order, functions, .. } => {
                order.iter_mut().map(|key| &mut key.expr).for_each(&mut f);
                functions.iter_mut().flat_map(WindowExpr::exprs_mut).for_each(f);
            }
            _ => {}
        }
    }

    /// Moves the expression out, leaving an empty collection without columns in its place.
    pub fn take(&mut self) -> Rel {
        std::mem::replace(self, Rel::empty(RelationType::default()))
    }

    /// Whether it reads one of these definitions.
    pub fn reads_any(&self, locals: &BTreeSet<LocalId>) -> bool {
        let mut found = false;
        self.visit(&mut |rel| {
            found |= matches!(rel, Rel::Get { id: Id::Local(id), .. } if locals.contains(id));
        });
        found
    }

    /// The catalog collections it reads.
    pub fn depends_on(&self) -> BTreeSet<CollectionId> {
        let mut ids = BTreeSet::new();
        self.visit(&mut |rel| {
            if let Rel::Get { id: Id::Global(id), .. } = rel {
                ids.insert(*id);
            }
        });
        ids
    }

    /// A `LocalId` above all that are bound or read in it.
    pub fn next_local(&self) -> LocalId {
        let mut next = 0;
        self.visit(&mut |rel| match rel {
            Rel::Let { id, .. } | Rel::Recursive { id, .. } | Rel::Get { id: Id::Local(id), .. } => {
                next = next.max(id.0 + 1);
            }
            _ => {}
        });
        LocalId(next)
    }
}

/// How many rounds a recursion may take where nobody says it. Hierarchies are less deep; one without an end is there within seconds.
pub const ROUNDS_DEFAULT: u64 = 5_000;

/// More copies of a row than this, in one round of a recursion, are one without an end: each round multiplies them, and multiplicities
/// must not overflow.
pub const COPIES_MAX: u64 = 1 << 40;

/// Runs one step of a recursion over an expression, growing the stack when a deep one needs it.
pub fn deep<T>(step: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(64 << 10, 1 << 20, step)
}

/// Types.
impl Rel {
    /// The number of columns.
    pub fn arity(&self) -> usize {
        deep(|| match self {
            Rel::Constant { typ, .. } | Rel::Get { typ, .. } => typ.arity(),
            Rel::Let { body: inner, .. } | Rel::Recursive { value: inner, .. } => inner.arity(),
            Rel::Project { outputs, .. } => outputs.len(),
            Rel::Map { input, scalars } => input.arity() + scalars.len(),
            Rel::Filter { input, .. }
            | Rel::TopK { input, .. }
            | Rel::Negate { input }
            | Rel::Threshold { input } => input.arity(),
            Rel::FlatMap { input, func, .. } => input.arity() + func.arity(),
            Rel::Window { input, functions, .. } => input.arity() + functions.len(),
            Rel::Join { inputs, .. } => inputs.iter().map(Rel::arity).sum(),
            Rel::Lookup(lookup) => lookup.input.arity() + lookup.table.arity(),
            Rel::Changes { input } => input.arity() + CHANGE_COLUMNS.len(),
            Rel::Reduce { group_key, aggregates, .. } => group_key.len() + aggregates.len(),
            Rel::Union { inputs } => inputs[0].arity(),
        })
    }

    /// The columns' types; NULL is ruled out where the expression shows it.
    pub fn columns(&self) -> Vec<ColumnType> {
        deep(|| match self {
            Rel::Constant { typ, .. } | Rel::Get { typ, .. } => typ.columns.clone(),
            Rel::Let { body: inner, .. } | Rel::Recursive { value: inner, .. } => inner.columns(),
            Rel::Project { input, outputs } => {
                let columns = input.columns();
                outputs.iter().map(|column| columns[*column].clone()).collect()
            }
            Rel::Map { input, scalars } => {
                let mut columns = input.columns();
                for scalar in scalars {
                    columns.push(scalar.typ(&columns));
                }
                columns
            }
            Rel::Filter { input, predicates } => {
                let mut columns = input.columns();
                for column in predicates.iter().flat_map(predicate::rejects_null) {
                    columns[column].nullable = false;
                }
                columns
            }
            Rel::TopK { input, .. } | Rel::Negate { input } | Rel::Threshold { input } => input.columns(),
            Rel::FlatMap { input, func, args } => {
                let mut columns = input.columns();
                let args: Vec<Type> = args.iter().map(|arg| arg.typ(&columns).typ).collect();
                columns.extend(func.column_types(&args).into_iter().map(|typ| ColumnType::new(typ, true)));
                columns
            }
            Rel::Window { input, functions, .. } => {
                let mut columns = input.columns();
                let results: Vec<ColumnType> =
                    functions.iter().map(|function| function.typ(&columns)).collect();
                columns.extend(results);
                columns
            }
            Rel::Join { inputs, equivalences } => {
                let mut columns: Vec<ColumnType> = inputs.iter().flat_map(Rel::columns).collect();
                for expr in equivalences.iter().filter(|class| class.len() > 1).flatten() {
                    if let ScalarExpr::Column(column) = expr {
                        columns[*column].nullable = false;
                    }
                }
                columns
            }
            Rel::Lookup(lookup) => lookup.columns(),
            Rel::Changes { input } => input.columns().into_iter().chain(change_types()).collect(),
            Rel::Reduce { input, group_key, aggregates } => {
                let columns = input.columns();
                let key = group_key.iter().map(|expr| expr.typ(&columns));
                key.chain(aggregates.iter().map(|aggregate| aggregate.typ(&columns))).collect()
            }
            Rel::Union { inputs } => {
                let mut columns = inputs[0].columns();
                for input in &inputs[1..] {
                    for (column, other) in columns.iter_mut().zip(input.columns()) {
                        column.nullable |= other.nullable;
                        if column.typ != other.typ {
                            column.typ = column.typ.without_typmod();
                        }
                    }
                }
                columns
            }
        })
    }

    /// The changelog of this.
    pub fn changes(self) -> Rel {
        Rel::Changes { input: Box::new(self) }
    }

    /// Whether its contents at a time follow from its inputs' contents at that time. What is historical owns a shard and goes on from
    /// there after a restart; what is memoryless is computed anew.
    pub fn is_historical(&self) -> bool {
        let mut historical = false;
        self.visit(&mut |rel| historical |= matches!(rel, Rel::Lookup(_) | Rel::Changes { .. }));
        historical
    }

    /// Columns and keys.
    pub fn typ(&self) -> RelationType {
        RelationType { columns: self.columns(), keys: self.keys() }
    }
}

impl Lookup {
    fn columns(&self) -> Vec<ColumnType> {
        let (mut left, mut right) = (self.input.columns(), self.table.columns());
        match self.outer {
            true => right.iter_mut().for_each(|column| column.nullable = true),
            false => {
                for (a, b) in &self.keys {
                    for (key, columns) in [(a, &mut left), (b, &mut right)] {
                        if let ScalarExpr::Column(column) = key {
                            columns[*column].nullable = false;
                        }
                    }
                }
            }
        }
        left.extend(right);
        left
    }
}

/// A set of mutually visible definitions for tests and `interpret`: what each global id holds.
pub type Contents = BTreeMap<CollectionId, Vec<(Row, i64)>>;
