//! hir -> mir: every subquery, lateral join and outer join becomes an expression over whole collections.
//!
//! A relation inside another's row is evaluated for all outer rows at once: [`Decorrelator::apply`] takes the *set* of
//! outer values that it reads and yields those columns followed by its own, for each outer row what SQL's nested loop would
//! give (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015, with the outer columns carried by every operator).
//! The caller joins the result back on these columns; NULL matches NULL there ([`null_safe`]). Multiplicities are exact:
//! what is branched on is made distinct first, so that joining back keeps each outer row's own.
//!
//! No nested loop is left, and none of the operators here exists for subqueries alone: maintained and one-shot plans are
//! the same.

mod arrival;
mod outer_join;
mod pulled;
mod recursion;
mod subquery;
mod volatile;

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, SqlState};
use crate::hir::{self, Expr, SetOp};
use crate::mir::{self, Id, LocalId};
use crate::repr::row::Datums;
use crate::repr::{ColumnType, Datum, RelationType, Row, Type};
use crate::scalar::{AggregateExpr, ScalarExpr, Slice, SortKey, WindowExpr, special};
use recursion::Definition;

/// What the relation means as an algebra of collections. It reads no outer row.
pub fn decorrelate(rel: &hir::Rel) -> Result<mir::Rel, Error> {
    Decorrelator::default().apply(rel, &Outer::none())
}

#[derive(Default)]
struct Decorrelator {
    next_local: u32,
    ctes: HashMap<hir::CteId, Definition>,
}

/// The set of outer rows for which a relation is evaluated.
struct Outer {
    rel: mir::Rel,
    /// Its columns' number.
    arity: usize,
    /// Where it has the column of the outer row at a depth; depth 0 is the outermost row.
    columns: BTreeMap<(usize, usize), usize>,
    /// The depth of the relation's own rows.
    depth: usize,
}

impl Outer {
    fn none() -> Outer {
        Outer { rel: mir::Rel::unit(), arity: 0, columns: BTreeMap::new(), depth: 0 }
    }

    /// Where a reference in an expression over `outer columns ++ own columns` points.
    fn resolve(&self, reference: hir::ColumnRef) -> usize {
        match reference.level {
            0 => self.arity + reference.column,
            level => self.columns[&(self.depth - level, reference.column)],
        }
    }

    /// What stands inside these rows, which have the outer columns first, one level deeper.
    fn within(&self, rows: mir::Rel) -> Outer {
        let arity = rows.arity();
        let own = (self.arity..arity).map(|column| ((self.depth, column - self.arity), column));
        let columns = self.columns.iter().map(|(reference, column)| (*reference, *column)).chain(own);
        Outer { rel: rows, arity, columns: columns.collect(), depth: self.depth + 1 }
    }

    /// The outer rows, each with all rows of an uncorrelated relation.
    fn with(&self, rel: mir::Rel) -> mir::Rel {
        if self.arity == 0 { rel } else { self.rel.clone().product(rel) }
    }

    fn own_columns(&self) -> std::ops::Range<usize> {
        0..self.arity
    }
}

impl Decorrelator {
    fn fresh(&mut self) -> LocalId {
        self.next_local += 1;
        LocalId(self.next_local)
    }

    /// `body` over a name for `value`: what is read more than once is computed once.
    fn bind(
        &mut self,
        value: mir::Rel,
        body: impl FnOnce(&mut Decorrelator, mir::Rel) -> Result<mir::Rel, Error>,
    ) -> Result<mir::Rel, Error> {
        if matches!(value, mir::Rel::Get { .. }) {
            return body(self, value);
        }
        let id = self.fresh();
        let get = mir::Rel::local(id, value.typ());
        let body = body(self, get)?;
        Ok(mir::Rel::let_in(id, value, body))
    }

    /// For each outer row, the relation's rows: the outer columns, then its own.
    fn apply(&mut self, rel: &hir::Rel, outer: &Outer) -> Result<mir::Rel, Error> {
        hir::grow(|| self.apply_node(rel, outer))
    }

    fn apply_node(&mut self, rel: &hir::Rel, outer: &Outer) -> Result<mir::Rel, Error> {
        match rel {
            hir::Rel::Values { rows, types } => self.values(rows, types, outer),
            hir::Rel::Get { id, typ } => Ok(outer.with(mir::Rel::get(*id, typ.clone()))),
            hir::Rel::View { rel, .. } => Ok(outer.with(self.renumbered(rel))),
            hir::Rel::Cte { id, .. } => self.ctes[id].read(outer),
            hir::Rel::Recursive { id, value, types, rounds, .. } => {
                self.recursive(*id, value, types, *rounds, outer)
            }
            hir::Rel::With { id, value, body, .. } => {
                let value = self.apply(value, &Outer::none())?;
                let local = self.fresh();
                self.ctes.insert(*id, Definition::new(local, value.typ(), &Outer::none()));
                let body = self.apply(body, outer)?;
                Ok(mir::Rel::let_in(local, value, body))
            }
            hir::Rel::Project { input, outputs } => {
                let input = self.apply(input, outer)?;
                let own = outputs.iter().map(|column| outer.arity + column);
                Ok(input.project(outer.own_columns().chain(own).collect()))
            }
            hir::Rel::Map { input, exprs } => {
                let input = self.apply(input, outer)?;
                self.with_exprs(input, exprs, outer, |input, scalars| Ok(input.map(scalars)))
            }
            hir::Rel::Filter { input, predicates } => {
                let input = self.apply(input, outer)?;
                self.filter(input, predicates, outer)
            }
            hir::Rel::FlatMap { input, func, args, .. } => {
                let input = self.apply(input, outer)?;
                self.with_exprs(input, args, outer, |input, args| Ok(input.flat_map(*func, args)))
            }
            hir::Rel::Join { kind, left, right, on, lateral } => {
                self.join(*kind, left, right, on, *lateral, outer)
            }
            hir::Rel::Lookup { input, table, on, outer: is_outer } => {
                self.arrival_join(input, table, on, *is_outer, outer)
            }
            // Of a relation of the catalog, which reads no outer row.
            hir::Rel::Changes { input } => {
                let input = self.apply(input, &Outer::none())?;
                Ok(outer.with(input.changes()))
            }
            hir::Rel::Reduce { input, key, aggregates, global } => {
                let reduced = self.reduce(input, key, aggregates, outer)?;
                if *global { self.default_row(reduced, aggregates, outer) } else { Ok(reduced) }
            }
            hir::Rel::GroupingSets { input, key, sets, aggregates, groupings } => {
                self.grouping_sets(input, key, sets, aggregates, groupings, outer)
            }
            hir::Rel::Distinct { input } => Ok(self.apply(input, outer)?.distinct()),
            hir::Rel::TopK { input, group, order, limit, offset, ties } => {
                let limit = limit.as_ref().map(|limit| row_count(limit, true)).transpose()?.flatten();
                let offset = offset.as_ref().map(|offset| row_count(offset, false)).transpose()?.flatten();
                if *ties && limit.is_none() {
                    let message = "row count cannot be null in FETCH FIRST ... WITH TIES clause";
                    return Err(Error::new(SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, message));
                }
                let input = self.apply(input, outer)?;
                let group =
                    outer.own_columns().chain(group.iter().map(|column| outer.arity + column)).collect();
                let order = order.iter().map(|key| shifted(key, outer.arity)).collect();
                Ok(input.top_k(group, order, Slice { limit, offset: offset.unwrap_or(0), ties: *ties }))
            }
            hir::Rel::Window { input, partition, order, functions } => {
                self.window(input, partition, order, functions, outer)
            }
            hir::Rel::Union { inputs } => {
                let inputs: Result<Vec<_>, Error> =
                    inputs.iter().map(|input| self.apply(input, outer)).collect();
                Ok(mir::Rel::union_all(inputs?))
            }
            hir::Rel::SetOp { op, all, left, right } => {
                let left = self.apply(left, outer)?;
                let right = self.apply(right, outer)?;
                self.set_operation(*op, *all, left, right)
            }
        }
    }

    /// Constant rows where they are literals, one mapped row each where they are not.
    fn values(&mut self, rows: &[Vec<Expr>], types: &[ColumnType], outer: &Outer) -> Result<mir::Rel, Error> {
        let literal_rows: Option<Vec<Row>> = rows.iter().map(|row| literal_row(row)).collect();
        if let Some(rows) = literal_rows {
            return Ok(outer.with(mir::Rel::constant(rows, RelationType::new(types.to_vec()))));
        }
        let mut mapped = Vec::with_capacity(rows.len());
        for row in rows {
            let rel = outer.rel.clone();
            mapped.push(self.with_exprs(rel, row, outer, |rel, scalars| Ok(rel.map(scalars)))?);
        }
        Ok(mir::Rel::union_all(mapped))
    }

    fn reduce(
        &mut self,
        input: &hir::Rel,
        key: &[Expr],
        aggregates: &[hir::Aggregate],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let (input, key, aggregates) = self.grouped(input, key, aggregates, outer)?;
        let group_key = outer.own_columns().map(ScalarExpr::Column).chain(key).collect();
        Ok(input.reduce(group_key, aggregates))
    }

    /// The rows to be grouped, the key's expressions and the aggregates over them.
    fn grouped(
        &mut self,
        input: &hir::Rel,
        key: &[Expr],
        aggregates: &[hir::Aggregate],
        outer: &Outer,
    ) -> Result<(mir::Rel, Vec<ScalarExpr>, Vec<AggregateExpr>), Error> {
        let input = self.apply(input, outer)?;
        let exprs: Vec<Expr> =
            key.iter().chain(aggregates.iter().flat_map(hir::Aggregate::exprs)).cloned().collect();
        let (input, mut scalars) = self.scalars(input, &exprs, outer)?;
        let mut rest = scalars.split_off(key.len()).into_iter();
        let aggregates = aggregates.iter().map(|aggregate| aggregate_expr(aggregate, &mut rest)).collect();
        Ok((input, scalars, aggregates))
    }

    /// One reduction for each set, all of the same rows.
    fn grouping_sets(
        &mut self,
        input: &hir::Rel,
        key: &[Expr],
        sets: &[Vec<usize>],
        aggregates: &[hir::Aggregate],
        groupings: &[Vec<usize>],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let (input, scalars, exprs) = self.grouped(input, key, aggregates, outer)?;
        self.bind(input, |this, input| {
            let mut reduced = Vec::with_capacity(sets.len());
            for set in sets {
                let own = outer.own_columns().map(ScalarExpr::Column);
                let group_key = own.chain(set.iter().map(|at| scalars[*at].clone())).collect();
                let mut groups = input.clone().reduce(group_key, exprs.clone());
                if set.is_empty() {
                    groups = this.default_row(groups, aggregates, outer)?;
                }
                reduced.push(with_left_out(groups, key, set, groupings, outer.arity));
            }
            Ok(mir::Rel::union_all(reduced))
        })
    }

    /// Each outer row has partitions of its own.
    fn window(
        &mut self,
        input: &hir::Rel,
        partition: &[Expr],
        order: &[hir::OrderKey],
        functions: &[hir::WindowCall],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let input = self.apply(input, outer)?;
        let arity = input.arity();
        let order_exprs = order.iter().map(|key| &key.expr);
        let exprs =
            partition.iter().chain(order_exprs).chain(functions.iter().flat_map(hir::WindowCall::exprs));
        let exprs: Vec<Expr> = exprs.cloned().collect();
        let (mut rows, mut scalars) = self.scalars(input, &exprs, outer)?;
        let mut rest = scalars.split_off(partition.len()).into_iter();
        let mut columns: Vec<usize> = outer.own_columns().collect();
        let mut computed = Vec::new();
        for scalar in scalars {
            columns.push(match scalar {
                ScalarExpr::Column(column) => column,
                scalar => {
                    computed.push(scalar);
                    rows.arity() + computed.len() - 1
                }
            });
        }
        rows = rows.map(computed);
        let mut next = || rest.next().expect("invariant: one scalar for each expression");
        let order = order.iter().map(|key| SortKey {
            expr: next(),
            desc: key.descending,
            nulls_first: key.nulls_first,
        });
        let order = order.collect();
        let functions = functions.iter().map(|call| WindowExpr {
            func: call.func,
            args: call.args.iter().map(|_| next()).collect(),
            filter: call.filter.as_ref().map(|_| next()),
            frame: call.frame.map(&mut |_| next()),
        });
        let functions: Vec<WindowExpr> = functions.collect();
        let results = rows.arity()..rows.arity() + functions.len();
        Ok(rows.window(columns, order, functions).project((0..arity).chain(results).collect()))
    }

    /// Without GROUP BY, an empty group has a row too: the aggregates of nothing.
    fn default_row(
        &mut self,
        reduced: mir::Rel,
        aggregates: &[hir::Aggregate],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let keys: Vec<usize> = outer.own_columns().collect();
        let defaults = aggregates.iter().map(|aggregate| match aggregate.func.is_null_of_nothing() {
            true => ScalarExpr::null(aggregate.typ.typ.clone()),
            false => ScalarExpr::literal(Datum::Int(0), aggregate.typ.typ.clone()),
        });
        let defaults: Vec<_> = defaults.collect();
        let outer_rel = outer.rel.clone();
        self.bind(reduced, |_, reduced| {
            let missing = outer_rel.union(reduced.clone().project(keys).negate());
            Ok(reduced.union(missing.map(defaults)))
        })
    }

    fn set_operation(
        &mut self,
        op: SetOp,
        all: bool,
        left: mir::Rel,
        right: mir::Rel,
    ) -> Result<mir::Rel, Error> {
        let lossy =
            left.columns().iter().chain(&right.columns()).any(|column| column.typ.has_lossy_equality());
        let once = |rel: mir::Rel| if all { rel } else { rel.distinct() };
        let (left, right) = match (lossy, all) {
            // Equal values may print differently, and sums of rows compare bytes: all are made alike.
            (true, true) => (canonical(left), canonical(right)),
            _ => (once(left), once(right)),
        };
        self.bind(left, |this, left| {
            let less = match lossy && !all {
                true => this.antijoin_all(left.clone(), right)?,
                false => left.clone().union(right.negate()).threshold(),
            };
            match op {
                SetOp::Except => Ok(less),
                SetOp::Intersect => Ok(left.union(less.negate())),
            }
        })
    }

    /// The set's rows that equal no row of the other set; NULL equals NULL.
    fn antijoin_all(&mut self, left: mir::Rel, right: mir::Rel) -> Result<mir::Rel, Error> {
        let columns: Vec<usize> = (0..left.arity()).collect();
        let there = semijoin(left.clone(), &columns, right);
        Ok(left.union(there.negate()))
    }

    /// A view's meaning with local names of its own.
    fn renumbered(&mut self, rel: &mir::Rel) -> mir::Rel {
        let base = self.next_local + 1;
        let mut rel = rel.clone();
        self.next_local += rel.next_local().0 + 1;
        rel = rel.transform(&mut |mut node| {
            if let mir::Rel::Let { id, .. }
            | mir::Rel::Recursive { id, .. }
            | mir::Rel::Get { id: Id::Local(id), .. } = &mut node
            {
                id.0 += base;
            }
            node
        });
        rel
    }
}

/// A row of literals, packed; None if it is anything else.
fn literal_row(row: &[Expr]) -> Option<Row> {
    let mut bytes = Vec::new();
    for expr in row {
        let Expr::Literal(value, _) = expr else { return None };
        if matches!(Datums::new(value.bytes()).next(), Some(Datum::Error(_))) {
            return None;
        }
        bytes.extend_from_slice(value.bytes());
    }
    Some(Row::from_bytes(bytes))
}

/// The rows that LIMIT or OFFSET name inside a query. NULL is no limit.
fn row_count(expr: &Expr, limit: bool) -> Result<Option<u64>, Error> {
    let (clause, code) = match limit {
        true => ("LIMIT", SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
        false => ("OFFSET", SqlState::INVALID_ROW_COUNT_IN_OFFSET_CLAUSE),
    };
    let scalar = expr
        .to_local_scalar()
        .and_then(|scalar| if scalar.is_literal() { Some(scalar) } else { scalar.fold() });
    let value = match scalar.as_ref().and_then(ScalarExpr::as_literal) {
        Some(value) => value?,
        None => {
            let message = format!("{clause} inside a query must be a constant");
            return Err(Error::unsupported(message)
                .hint("Put the parameter into the outermost query's clause, or write the number."));
        }
    };
    match value {
        Datum::Null => Ok(None),
        Datum::Int(count) => match u64::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(Error::new(code, format!("{clause} must not be negative"))),
        },
        _ => {
            Err(Error::new(SqlState::DATATYPE_MISMATCH, format!("argument of {clause} must be type bigint")))
        }
    }
}

/// The groups of one set (outer columns, the set's keys, aggregates) with NULL for the keys that it leaves out, and with
/// GROUPING's bits.
fn with_left_out(
    groups: mir::Rel,
    key: &[Expr],
    set: &[usize],
    groupings: &[Vec<usize>],
    outer: usize,
) -> mir::Rel {
    let arity = groups.arity();
    let mut constants = Vec::new();
    let mut outputs: Vec<usize> = (0..outer).collect();
    for (at, expr) in key.iter().enumerate() {
        outputs.push(match set.iter().position(|member| *member == at) {
            Some(place) => outer + place,
            None => {
                constants.push(ScalarExpr::null(expr.typ()));
                arity + constants.len() - 1
            }
        });
    }
    outputs.extend(outer + set.len()..arity);
    for keys in groupings {
        let bits = keys.iter().fold(0, |bits, at| bits << 1 | i64::from(!set.contains(at)));
        constants.push(ScalarExpr::literal(Datum::Int(bits), Type::Int4));
        outputs.push(arity + constants.len() - 1);
    }
    groups.map(constants).project(outputs)
}

fn shifted(key: &SortKey, by: usize) -> SortKey {
    let mut key = key.clone();
    key.expr.permute_with(|column| column + by);
    key
}

/// The aggregate over scalars that come in the order of [`hir::Aggregate::exprs`].
fn aggregate_expr(
    aggregate: &hir::Aggregate,
    scalars: &mut impl Iterator<Item = ScalarExpr>,
) -> AggregateExpr {
    let mut next = || scalars.next().expect("invariant: one scalar for each expression");
    let args = aggregate.args.iter().map(|_| next()).collect();
    let filter = aggregate.filter.as_ref().map(|_| next());
    let order_by = aggregate.order.iter().map(|key| SortKey {
        expr: next(),
        desc: key.descending,
        nulls_first: key.nulls_first,
    });
    let order_by = order_by.collect();
    AggregateExpr { func: aggregate.func, args, distinct: aggregate.distinct, filter, order_by }
}

/// The rows with every value in the form that stands for all equal ones.
fn canonical(rel: mir::Rel) -> mir::Rel {
    let columns = rel.columns();
    let arity = columns.len();
    let scalars =
        columns.iter().enumerate().map(|(i, column)| ScalarExpr::Column(i).canonical(&column.typ)).collect();
    rel.map(scalars).project((arity..2 * arity).collect())
}

/// An expression that is equal for equal columns, and never NULL: joins on it match NULL with NULL.
fn null_safe(column: usize, typ: &ColumnType) -> ScalarExpr {
    let column = ScalarExpr::Column(column);
    if typ.nullable {
        ScalarExpr::call(special::key(), vec![column], std::slice::from_ref(&typ.typ))
    } else {
        column
    }
}

/// `left` beside `right` where the given columns of `left` equal the first columns of `right`, NULL with NULL: all columns of both.
fn join_back(left: mir::Rel, columns: &[usize], right: mir::Rel) -> mir::Rel {
    let (left_types, right_types) = (left.columns(), right.columns());
    let arity = left_types.len();
    let pairs = columns.iter().enumerate().map(|(i, column)| {
        // Both sides of a pair take the same form.
        let nullable = left_types[*column].nullable || right_types[i].nullable;
        let typ = ColumnType::new(left_types[*column].typ.clone(), nullable);
        vec![null_safe(*column, &typ), null_safe(arity + i, &typ)]
    });
    let equivalences = pairs.collect();
    mir::Rel::join(vec![left, right], equivalences)
}

/// The rows of `left` whose given columns are a row of the set `keys`.
fn semijoin(left: mir::Rel, columns: &[usize], keys: mir::Rel) -> mir::Rel {
    let arity = left.arity();
    join_back(left, columns, keys).project((0..arity).collect())
}
