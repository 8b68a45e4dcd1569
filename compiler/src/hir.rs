//! What was meant: names and types are resolved, but subqueries, outer joins and correlation are still there.
//!
//! An expression stands in a row, and a subquery of it stands in a row of its own *inside* that row: [`Expr::Column`] counts
//! `level`s outward, 0 being the nearest row. Whatever evaluates a [`Rel`] within an expression (a subquery), or within the left
//! side's row of a join (a lateral right side), adds one level. `decorrelate` makes a [`mir::Rel`] of it,
//! in which there is one level only.

use std::sync::Arc;

use crate::mir::{self, CollectionId};
use crate::repr::{ColumnType, RelationType, Row, Type};
use crate::scalar::window::{Frame, WindowFunc};
use crate::scalar::{
    AggregateFunc, Func, Nulls, ScalarExpr, SequenceFunction, SortKey, TableFunc, Volatility,
};

/// A query: a relation, and how its rows are to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub rel: Rel,
    /// The result's columns by name; `project` says where each stands in `rel`.
    pub names: Vec<String>,
    pub project: Vec<usize>,
    pub order: Vec<SortKey>,
    /// int8 expressions of literals and parameters.
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    pub effects: Effects,
}

/// Columns from here on stand for what a query's calls of sequence functions give, in order.
pub const EFFECTS: usize = 1 << 43;
/// Numbers from here on in a query's `project` stand for its effects' outputs in order.
pub const OUTPUTS: usize = 1 << 44;

/// What is done for each row of a query's result, once it is there: calls that change what sequences have counted to are no function
/// of rows, so no relation can hold their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    pub calls: Vec<EffectCall>,
    /// Result columns over the relation's row and what the calls give ([`EFFECTS`]).
    pub outputs: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EffectCall {
    pub function: SequenceFunction,
    /// Over the relation's row and what the calls before it give.
    pub args: Vec<Expr>,
}

impl Query {
    /// All rows of a relation, its columns in this order.
    pub fn of(rel: Rel, names: Vec<String>, project: Vec<usize>) -> Query {
        let effects = Effects::default();
        Query { rel, names, project, order: Vec::new(), limit: None, offset: None, effects }
    }

    /// The types of the result's columns.
    pub fn types(&self) -> Vec<ColumnType> {
        let types = self.rel.types();
        let typ = |column: &usize| match column.checked_sub(OUTPUTS) {
            Some(output) => self.effects.outputs[output].column_type(),
            None => types[*column].clone(),
        };
        self.project.iter().map(typ).collect()
    }

    /// Makes the result's column at a place one that is computed when the row is there.
    pub fn set_output(&mut self, at: usize, expr: Expr) {
        self.effects.outputs.push(expr);
        self.project[at] = OUTPUTS + self.effects.outputs.len() - 1;
    }

    /// The query as a relation: its columns in order; its ORDER BY counts only as far as LIMIT needs it.
    pub fn into_rel(self) -> Rel {
        debug_assert!(self.effects == Effects::default(), "the binder lets statements only have effects");
        let mut rel = self.rel;
        if self.limit.is_some() || self.offset.is_some() {
            rel = Rel::TopK {
                input: Box::new(rel),
                group: Vec::new(),
                order: self.order,
                limit: self.limit,
                offset: self.offset,
                ties: false,
            };
        }
        let identity =
            self.project.len() == rel.arity() && self.project.iter().enumerate().all(|(at, c)| at == *c);
        if identity { rel } else { Rel::Project { input: Box::new(rel), outputs: self.project } }
    }
}

/// Names what a WITH clause defines, within one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CteId(pub u32);

/// A relation. Multiplicities as SQL has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Rel {
    /// Rows of expressions over outer rows. Without columns and with one row: the unit, `SELECT` without FROM.
    Values {
        rows: Vec<Vec<Expr>>,
        types: Vec<ColumnType>,
    },
    /// A table, a stream, a materialized view, a builtin relation.
    Get {
        id: CollectionId,
        typ: RelationType,
    },
    /// A view, inlined: what it means is known already.
    View {
        id: CollectionId,
        rel: Arc<mir::Rel>,
        typ: RelationType,
    },
    /// What a WITH clause around this place defines.
    Cte {
        id: CteId,
        types: Vec<ColumnType>,
    },
    /// `value`, which reads no outer row, under a name in `body`.
    With {
        id: CteId,
        name: String,
        value: Box<Rel>,
        body: Box<Rel>,
    },
    /// What `value`, a UNION, comes to when its own last result is under its name, beginning with nothing. See [`mir::Rel::Recursive`].
    Recursive {
        id: CteId,
        name: String,
        value: Box<Rel>,
        types: Vec<ColumnType>,
        rounds: u64,
    },
    Project {
        input: Box<Rel>,
        outputs: Vec<usize>,
    },
    /// The input's columns, then one per expression; an expression sees the input's columns only.
    Map {
        input: Box<Rel>,
        exprs: Vec<Expr>,
    },
    Filter {
        input: Box<Rel>,
        predicates: Vec<Expr>,
    },
    /// The input's columns, then those of the function's rows for it.
    FlatMap {
        input: Box<Rel>,
        func: TableFunc,
        args: Vec<Expr>,
        types: Vec<ColumnType>,
    },
    /// The left columns, then the right ones. `on` sees both in one row.
    Join {
        kind: JoinKind,
        left: Box<Rel>,
        right: Box<Rel>,
        on: Vec<Expr>,
        lateral: bool,
    },
    /// The arrival join of a stream's row with what a table holds at its time; see [`mir::Rel::Lookup`]. `on` sees both in one row.
    Lookup {
        input: Box<Rel>,
        table: Box<Rel>,
        on: Vec<Expr>,
        outer: bool,
    },
    /// The changelog of a relation of the catalog; see [`mir::Rel::Changes`].
    Changes {
        input: Box<Rel>,
    },
    /// The key's columns, then the aggregates'. `global`: without GROUP BY, one row even of nothing.
    Reduce {
        input: Box<Rel>,
        key: Vec<Expr>,
        aggregates: Vec<Aggregate>,
        global: bool,
    },
    /// Grouped by each of some sets of the keys: the keys' columns, NULL where the set leaves one out, the aggregates', then one for
    /// each list of keys, with a bit for each that is left out. The empty set has a row even of nothing.
    GroupingSets {
        input: Box<Rel>,
        key: Vec<Expr>,
        sets: Vec<Vec<usize>>,
        aggregates: Vec<Aggregate>,
        groupings: Vec<Vec<usize>>,
    },
    Distinct {
        input: Box<Rel>,
    },
    /// Of each group (columns), some rows in an order.
    TopK {
        input: Box<Rel>,
        group: Vec<usize>,
        order: Vec<SortKey>,
        limit: Option<Expr>,
        offset: Option<Expr>,
        ties: bool,
    },
    /// The input's columns, then those of functions of each row's partition. Expressions see the input's columns only.
    Window {
        input: Box<Rel>,
        partition: Vec<Expr>,
        order: Vec<OrderKey>,
        functions: Vec<WindowCall>,
    },
    /// UNION ALL.
    Union {
        inputs: Vec<Rel>,
    },
    /// INTERSECT and EXCEPT. Both sides have the same types.
    SetOp {
        op: SetOp,
        all: bool,
        left: Box<Rel>,
        right: Box<Rel>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    Intersect,
    Except,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub func: AggregateFunc,
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    /// ORDER BY within the call.
    pub order: Vec<OrderKey>,
    pub typ: ColumnType,
}

/// A call over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCall {
    pub func: WindowFunc,
    pub args: Vec<Expr>,
    pub filter: Option<Expr>,
    pub frame: Frame<Expr>,
    pub typ: ColumnType,
}

/// What rows are sorted by, where it is not a column yet.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A scalar expression that may hold subqueries.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Column(ColumnRef, ColumnType),
    Literal(Row, ColumnType),
    /// `$n`, from 0. Its type is Unknown until its context says it.
    Parameter(usize, Type),
    Call {
        func: Func,
        args: Vec<Expr>,
        typ: Type,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    If {
        cond: Box<Expr>,
        then: Box<Expr>,
        els: Box<Expr>,
    },
    Coalesce(Vec<Expr>),
    /// Whether the relation has a row.
    Exists(Box<Rel>),
    /// The one column of the relation's one row; NULL without a row; 21000 with several.
    Scalar(Box<Rel>, ColumnType),
}

/// A column of the row that is `level` rows outward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    pub level: usize,
    pub column: usize,
}

impl Expr {
    pub fn column(column: usize, typ: ColumnType) -> Expr {
        Expr::Column(ColumnRef { level: 0, column }, typ)
    }

    pub fn typ(&self) -> Type {
        match self {
            Expr::Column(_, typ) | Expr::Literal(_, typ) | Expr::Scalar(_, typ) => typ.typ.clone(),
            Expr::Parameter(_, typ) | Expr::Call { typ, .. } => typ.clone(),
            Expr::And(_) | Expr::Or(_) | Expr::Exists(_) => Type::Bool,
            Expr::If { then, .. } => then.typ(),
            Expr::Coalesce(operands) => operands[0].typ(),
        }
    }

    pub fn column_type(&self) -> ColumnType {
        ColumnType::new(self.typ(), self.nullable())
    }

    pub fn nullable(&self) -> bool {
        match self {
            Expr::Column(_, typ) | Expr::Literal(_, typ) => typ.nullable,
            Expr::Parameter(..) | Expr::Scalar(..) => true,
            Expr::Exists(_) => false,
            Expr::Call { func, args, .. } => {
                func.maybe_null || (func.nulls == Nulls::Strict && args.iter().any(Expr::nullable))
            }
            Expr::And(operands) | Expr::Or(operands) => operands.iter().any(Expr::nullable),
            Expr::If { then, els, .. } => then.nullable() || els.nullable(),
            Expr::Coalesce(operands) => operands.iter().all(Expr::nullable),
        }
    }

    pub fn bool(value: bool) -> Expr {
        Expr::from_scalar(ScalarExpr::bool(value))
    }

    pub fn null(typ: Type) -> Expr {
        Expr::from_scalar(ScalarExpr::null(typ))
    }

    #[allow(clippy::should_implement_trait, reason = "it is SQL's NOT, and reads so without an import")]
    pub fn not(self) -> Expr {
        Expr::Call { func: crate::scalar::special::not(), args: vec![self], typ: Type::Bool }
    }

    pub fn is_null(self) -> Expr {
        Expr::Call { func: crate::scalar::special::is_null(), args: vec![self], typ: Type::Bool }
    }

    /// `self = other`, both of one type.
    pub fn equals(self, other: Expr) -> Expr {
        Expr::Call { func: crate::scalar::special::equals(), args: vec![self, other], typ: Type::Bool }
    }

    pub fn if_then_else(cond: Expr, then: Expr, els: Expr) -> Expr {
        Expr::If { cond: Box::new(cond), then: Box::new(then), els: Box::new(els) }
    }

    /// The conjunction, flattened.
    pub fn and(operands: impl IntoIterator<Item = Expr>) -> Expr {
        let mut flat = Vec::new();
        operands.into_iter().for_each(|operand| operand.into_conjuncts(&mut flat));
        match flat.len() {
            0 => Expr::bool(true),
            1 => flat.remove(0),
            _ => Expr::And(flat),
        }
    }

    /// Appends what must all be true for this to be true.
    pub fn into_conjuncts(self, out: &mut Vec<Expr>) {
        match self {
            Expr::And(operands) => operands.into_iter().for_each(|operand| operand.into_conjuncts(out)),
            other => out.push(other),
        }
    }

    /// An expression of literals, or of the columns of the nearest row.
    pub fn from_scalar(scalar: ScalarExpr) -> Expr {
        match scalar {
            ScalarExpr::Literal(row, typ) => Expr::Literal(row, typ),
            ScalarExpr::Parameter(index, typ) => Expr::Parameter(index, typ),
            ScalarExpr::Call { func, args, typ } => {
                Expr::Call { func, args: args.into_iter().map(Expr::from_scalar).collect(), typ }
            }
            ScalarExpr::And(operands) => Expr::And(operands.into_iter().map(Expr::from_scalar).collect()),
            ScalarExpr::Or(operands) => Expr::Or(operands.into_iter().map(Expr::from_scalar).collect()),
            ScalarExpr::If { cond, then, els } => Expr::if_then_else(
                Expr::from_scalar(*cond),
                Expr::from_scalar(*then),
                Expr::from_scalar(*els),
            ),
            ScalarExpr::Coalesce(operands) => {
                Expr::Coalesce(operands.into_iter().map(Expr::from_scalar).collect())
            }
            ScalarExpr::Column(_) => {
                unreachable!("invariant: only expressions without columns come from scalars")
            }
        }
    }

    /// The scalar expression that this is, if it holds no subquery; `column` says where a reference stands.
    pub fn to_scalar(&self, column: &mut impl FnMut(ColumnRef) -> Option<usize>) -> Option<ScalarExpr> {
        let mut all =
            |operands: &[Expr]| operands.iter().map(|e| e.to_scalar(column)).collect::<Option<Vec<_>>>();
        Some(match self {
            Expr::Column(reference, _) => ScalarExpr::Column(column(*reference)?),
            Expr::Literal(row, typ) => ScalarExpr::Literal(row.clone(), typ.clone()),
            Expr::Parameter(index, typ) => ScalarExpr::Parameter(*index, typ.clone()),
            Expr::Call { func, args, typ } => {
                ScalarExpr::Call { func: *func, args: all(args)?, typ: typ.clone() }
            }
            Expr::And(operands) => ScalarExpr::And(all(operands)?),
            Expr::Or(operands) => ScalarExpr::Or(all(operands)?),
            Expr::Coalesce(operands) => ScalarExpr::Coalesce(all(operands)?),
            Expr::If { cond, then, els } => ScalarExpr::if_then_else(
                cond.to_scalar(column)?,
                then.to_scalar(column)?,
                els.to_scalar(column)?,
            ),
            Expr::Exists(_) | Expr::Scalar(..) => return None,
        })
    }

    /// The scalar expression over the nearest row that this is, if it reads no other row and holds no subquery.
    pub fn to_local_scalar(&self) -> Option<ScalarExpr> {
        self.to_scalar(&mut |reference| (reference.level == 0).then_some(reference.column))
    }
}

/// Walks. `depth` is how many rows lie between the place where the walk began and the place visited.
impl Expr {
    /// The direct operands, without the insides of subqueries.
    /// Whether its value differs from evaluation to evaluation, subqueries aside: they have rows of their own.
    pub fn is_volatile(&self) -> bool {
        let own = matches!(self, Expr::Call { func, .. } if func.volatility == Volatility::Volatile);
        own || grow(|| self.children().into_iter().any(Expr::is_volatile))
    }

    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Call { args: all, .. } | Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) => {
                all.iter().collect()
            }
            Expr::If { cond, then, els } => vec![cond, then, els],
            Expr::Column(..)
            | Expr::Literal(..)
            | Expr::Parameter(..)
            | Expr::Exists(_)
            | Expr::Scalar(..) => Vec::new(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Call { args: all, .. } | Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) => {
                all.iter_mut().collect()
            }
            Expr::If { cond, then, els } => vec![cond, then, els],
            Expr::Column(..)
            | Expr::Literal(..)
            | Expr::Parameter(..)
            | Expr::Exists(_)
            | Expr::Scalar(..) => Vec::new(),
        }
    }

    /// Every column reference, inside subqueries too.
    pub fn for_each_column(&self, depth: usize, f: &mut dyn FnMut(usize, ColumnRef)) {
        grow(|| match self {
            Expr::Column(reference, _) => f(depth, *reference),
            Expr::Exists(rel) | Expr::Scalar(rel, _) => rel.for_each_column(depth + 1, f),
            _ => self.children().into_iter().for_each(|child| child.for_each_column(depth, f)),
        });
    }

    pub fn for_each_column_mut(&mut self, depth: usize, f: &mut dyn FnMut(usize, &mut ColumnRef)) {
        grow(|| match self {
            Expr::Column(reference, _) => f(depth, reference),
            Expr::Exists(rel) | Expr::Scalar(rel, _) => rel.for_each_column_mut(depth + 1, f),
            _ => self.children_mut().into_iter().for_each(|child| child.for_each_column_mut(depth, f)),
        });
    }

    /// Rewrites every node that stands in the row where the walk began or further in, parents first: `f` returns true when
    /// it has put something in the node's place, whose inside is then left alone.
    pub fn rewrite(&mut self, depth: usize, f: &mut dyn FnMut(usize, &mut Expr) -> bool) {
        grow(|| {
            if f(depth, self) {
                return;
            }
            match self {
                Expr::Exists(rel) | Expr::Scalar(rel, _) => {
                    rel.for_each_expr_mut(depth + 1, &mut |depth, expr| expr.rewrite(depth, f));
                }
                _ => self.children_mut().into_iter().for_each(|child| child.rewrite(depth, f)),
            }
        });
    }

    fn for_each_subquery(&self, f: &mut dyn FnMut(&Rel)) {
        match self {
            Expr::Exists(rel) | Expr::Scalar(rel, _) => rel.for_each_rel(f),
            _ => self.children().into_iter().for_each(|child| child.for_each_subquery(f)),
        }
    }

    /// Whether a subquery is somewhere in it.
    pub fn has_subquery(&self) -> bool {
        matches!(self, Expr::Exists(_) | Expr::Scalar(..))
            || self.children().into_iter().any(Expr::has_subquery)
    }

    /// Whether it reads the row `level` rows outward, 0 being the nearest.
    pub fn reads_level(&self, level: usize) -> bool {
        let mut found = false;
        self.for_each_column(0, &mut |depth, reference| found |= reference.level == depth + level);
        found
    }

    /// Whether it holds what a call of a sequence function gives.
    pub fn has_effect(&self) -> bool {
        let mut found = false;
        self.for_each_column(0, &mut |_, reference| found |= reference.column >= EFFECTS);
        found
    }

    /// Changes the level of every reference to a row at least `least` rows outward.
    pub fn shift_levels(&mut self, least: usize, by: isize) {
        self.for_each_column_mut(0, &mut |depth, reference| shift(reference, depth + least, by));
    }
}

fn shift(reference: &mut ColumnRef, least: usize, by: isize) {
    if reference.level >= least {
        reference.level = reference
            .level
            .checked_add_signed(by)
            .expect("invariant: levels are shifted past unused rows only");
    }
}

/// Runs `f` on a stack that is large enough for the deepest statement.
pub(crate) fn grow<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 * 1024, 4 * 1024 * 1024, f)
}

impl Aggregate {
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.args.iter().chain(&self.filter).chain(self.order.iter().map(|key| &key.expr))
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.args.iter_mut().chain(&mut self.filter).chain(self.order.iter_mut().map(|key| &mut key.expr))
    }
}

impl WindowCall {
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.args.iter().chain(&self.filter).chain(self.frame.exprs())
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.args.iter_mut().chain(&mut self.filter).chain(self.frame.exprs_mut())
    }
}

impl Rel {
    /// One row, no columns.
    pub fn unit() -> Rel {
        Rel::Values { rows: vec![Vec::new()], types: Vec::new() }
    }

    pub fn arity(&self) -> usize {
        match self {
            Rel::Values { types, .. } | Rel::Cte { types, .. } | Rel::Recursive { types, .. } => types.len(),
            Rel::Get { typ, .. } | Rel::View { typ, .. } => typ.arity(),
            Rel::With { body, .. } => body.arity(),
            Rel::Project { outputs, .. } => outputs.len(),
            Rel::Map { input, exprs } => input.arity() + exprs.len(),
            Rel::FlatMap { input, types, .. } => input.arity() + types.len(),
            Rel::Window { input, functions, .. } => input.arity() + functions.len(),
            Rel::Filter { input, .. } | Rel::Distinct { input } | Rel::TopK { input, .. } => input.arity(),
            Rel::Join { left, right, .. } | Rel::Lookup { input: left, table: right, .. } => {
                left.arity() + right.arity()
            }
            Rel::Changes { input } => input.arity() + mir::CHANGE_COLUMNS.len(),
            Rel::Reduce { key, aggregates, .. } => key.len() + aggregates.len(),
            Rel::GroupingSets { key, aggregates, groupings, .. } => {
                key.len() + aggregates.len() + groupings.len()
            }
            Rel::Union { inputs } => inputs[0].arity(),
            Rel::SetOp { left, .. } => left.arity(),
        }
    }

    pub fn types(&self) -> Vec<ColumnType> {
        grow(|| self.types_here())
    }

    fn types_here(&self) -> Vec<ColumnType> {
        let nullable = |types: Vec<ColumnType>| {
            types.into_iter().map(|t| ColumnType::new(t.typ, true)).collect::<Vec<_>>()
        };
        match self {
            Rel::Values { types, .. } | Rel::Cte { types, .. } | Rel::Recursive { types, .. } => {
                types.clone()
            }
            Rel::Get { typ, .. } | Rel::View { typ, .. } => typ.columns.clone(),
            Rel::With { body, .. } => body.types(),
            Rel::Project { input, outputs } => {
                let types = input.types();
                outputs.iter().map(|column| types[*column].clone()).collect()
            }
            Rel::Map { input, exprs } => {
                input.types().into_iter().chain(exprs.iter().map(Expr::column_type)).collect()
            }
            Rel::FlatMap { input, types, .. } => input.types().into_iter().chain(types.clone()).collect(),
            Rel::Window { input, functions, .. } => {
                input.types().into_iter().chain(functions.iter().map(|call| call.typ.clone())).collect()
            }
            Rel::Filter { input, .. } | Rel::Distinct { input } | Rel::TopK { input, .. } => input.types(),
            Rel::Join { kind, left, right, .. } => {
                let (left, right) = (left.types(), right.types());
                let (left, right) = match kind {
                    JoinKind::Inner => (left, right),
                    JoinKind::Left => (left, nullable(right)),
                    JoinKind::Right => (nullable(left), right),
                    JoinKind::Full => (nullable(left), nullable(right)),
                };
                left.into_iter().chain(right).collect()
            }
            Rel::Lookup { input, table, outer, .. } => {
                let found = if *outer { nullable(table.types()) } else { table.types() };
                input.types().into_iter().chain(found).collect()
            }
            Rel::Changes { input } => input.types().into_iter().chain(mir::change_types()).collect(),
            Rel::Reduce { key, aggregates, .. } => {
                key.iter().map(Expr::column_type).chain(aggregates.iter().map(|a| a.typ.clone())).collect()
            }
            Rel::GroupingSets { key, sets, aggregates, groupings, .. } => {
                let key = key.iter().enumerate().map(|(at, key)| {
                    let left_out = sets.iter().any(|set| !set.contains(&at));
                    ColumnType::new(key.typ(), key.nullable() || left_out)
                });
                let groupings = groupings.iter().map(|_| ColumnType::new(Type::Int4, false));
                key.chain(aggregates.iter().map(|a| a.typ.clone())).chain(groupings).collect()
            }
            Rel::Union { inputs } => {
                let mut types = inputs[0].types();
                for input in &inputs[1..] {
                    for (typ, other) in types.iter_mut().zip(input.types()) {
                        typ.nullable |= other.nullable;
                    }
                }
                types
            }
            Rel::SetOp { left, .. } => left.types(),
        }
    }

    /// The direct inputs, with how many rows each lies further in.
    pub fn children(&self) -> Vec<(usize, &Rel)> {
        match self {
            Rel::Values { .. } | Rel::Get { .. } | Rel::View { .. } | Rel::Cte { .. } => Vec::new(),
            Rel::With { value, body, .. } => vec![(0, value), (0, body)],
            Rel::Recursive { value: input, .. }
            | Rel::Project { input, .. }
            | Rel::Map { input, .. }
            | Rel::Filter { input, .. }
            | Rel::FlatMap { input, .. }
            | Rel::Reduce { input, .. }
            | Rel::GroupingSets { input, .. }
            | Rel::Window { input, .. }
            | Rel::Changes { input }
            | Rel::Distinct { input }
            | Rel::TopK { input, .. } => vec![(0, input)],
            Rel::Join { left, right, lateral, .. } => vec![(0, left), (usize::from(*lateral), right)],
            Rel::Lookup { input, table, .. } => vec![(0, input), (0, table)],
            Rel::Union { inputs } => inputs.iter().map(|input| (0, input)).collect(),
            Rel::SetOp { left, right, .. } => vec![(0, left), (0, right)],
        }
    }

    pub fn children_mut(&mut self) -> Vec<(usize, &mut Rel)> {
        match self {
            Rel::Values { .. } | Rel::Get { .. } | Rel::View { .. } | Rel::Cte { .. } => Vec::new(),
            Rel::With { value, body, .. } => vec![(0, value), (0, body)],
            Rel::Recursive { value: input, .. }
            | Rel::Project { input, .. }
            | Rel::Map { input, .. }
            | Rel::Filter { input, .. }
            | Rel::FlatMap { input, .. }
            | Rel::Reduce { input, .. }
            | Rel::GroupingSets { input, .. }
            | Rel::Window { input, .. }
            | Rel::Changes { input }
            | Rel::Distinct { input }
            | Rel::TopK { input, .. } => vec![(0, input)],
            Rel::Join { left, right, lateral, .. } => vec![(0, left), (usize::from(*lateral), right)],
            Rel::Lookup { input, table, .. } => vec![(0, input), (0, table)],
            Rel::Union { inputs } => inputs.iter_mut().map(|input| (0, input)).collect(),
            Rel::SetOp { left, right, .. } => vec![(0, left), (0, right)],
        }
    }

    /// The expressions of this node. Each stands in a row of the node's input (Values, LIMIT: in a row without columns), so an
    /// outer row is one level outward at least.
    fn own_exprs(&self) -> Vec<&Expr> {
        match self {
            Rel::Values { rows, .. } => rows.iter().flatten().collect(),
            Rel::Map { exprs: own, .. }
            | Rel::Filter { predicates: own, .. }
            | Rel::FlatMap { args: own, .. }
            | Rel::Join { on: own, .. }
            | Rel::Lookup { on: own, .. } => own.iter().collect(),
            Rel::Reduce { key, aggregates, .. } | Rel::GroupingSets { key, aggregates, .. } => {
                key.iter().chain(aggregates.iter().flat_map(Aggregate::exprs)).collect()
            }
            Rel::Window { partition, order, functions, .. } => {
                let order = order.iter().map(|key| &key.expr);
                partition.iter().chain(order).chain(functions.iter().flat_map(WindowCall::exprs)).collect()
            }
            Rel::TopK { limit, offset, .. } => limit.iter().chain(offset).collect(),
            _ => Vec::new(),
        }
    }

    fn own_exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Rel::Values { rows, .. } => rows.iter_mut().flatten().collect(),
            Rel::Map { exprs: own, .. }
            | Rel::Filter { predicates: own, .. }
            | Rel::FlatMap { args: own, .. }
            | Rel::Join { on: own, .. }
            | Rel::Lookup { on: own, .. } => own.iter_mut().collect(),
            Rel::Reduce { key, aggregates, .. } | Rel::GroupingSets { key, aggregates, .. } => {
                key.iter_mut().chain(aggregates.iter_mut().flat_map(Aggregate::exprs_mut)).collect()
            }
            Rel::Window { partition, order, functions, .. } => {
                let order = order.iter_mut().map(|key| &mut key.expr);
                let functions = functions.iter_mut().flat_map(WindowCall::exprs_mut);
                partition.iter_mut().chain(order).chain(functions).collect()
            }
            Rel::TopK { limit, offset, .. } => limit.iter_mut().chain(offset).collect(),
            _ => Vec::new(),
        }
    }

    /// Every expression of the relation, its inputs' too, but not the insides of subqueries. `depth` is that of a row of this
    /// node: a reference of level `depth` is one to the row in which the walk began.
    pub fn for_each_expr(&self, depth: usize, f: &mut dyn FnMut(usize, &Expr)) {
        grow(|| {
            self.own_exprs().into_iter().for_each(|expr| f(depth, expr));
            for (inward, child) in self.children() {
                child.for_each_expr(depth + inward, f);
            }
        });
    }

    pub fn for_each_expr_mut(&mut self, depth: usize, f: &mut dyn FnMut(usize, &mut Expr)) {
        grow(|| {
            self.own_exprs_mut().into_iter().for_each(|expr| f(depth, expr));
            for (inward, child) in self.children_mut() {
                child.for_each_expr_mut(depth + inward, f);
            }
        });
    }

    pub fn for_each_column(&self, depth: usize, f: &mut dyn FnMut(usize, ColumnRef)) {
        self.for_each_expr(depth, &mut |depth, expr| expr.for_each_column(depth, f));
    }

    pub fn for_each_column_mut(&mut self, depth: usize, f: &mut dyn FnMut(usize, &mut ColumnRef)) {
        self.for_each_expr_mut(depth, &mut |depth, expr| expr.for_each_column_mut(depth, f));
    }

    /// Every node, outermost first, those of subqueries too.
    pub fn for_each_rel(&self, f: &mut dyn FnMut(&Rel)) {
        grow(|| {
            f(self);
            for (_, child) in self.children() {
                child.for_each_rel(f);
            }
            for expr in self.own_exprs() {
                expr.for_each_subquery(f);
            }
        });
    }

    /// Whether it reads the row `level` rows outward; 1 is the row in which a subquery stands.
    pub fn reads_level(&self, level: usize) -> bool {
        let mut found = false;
        self.for_each_column(0, &mut |depth, reference| found |= reference.level == depth + level);
        found
    }

    /// Whether it reads any outer row.
    pub fn is_correlated(&self) -> bool {
        let mut found = false;
        self.for_each_column(0, &mut |depth, reference| found |= reference.level > depth);
        found
    }

    /// Changes the level of every reference to a row at least `least` rows outward; 1 is the nearest outer row.
    pub fn shift_levels(&mut self, least: usize, by: isize) {
        self.for_each_column_mut(0, &mut |depth, reference| shift(reference, depth + least, by));
    }
}
