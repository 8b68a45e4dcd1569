//! Subqueries in expressions and predicates.

use std::collections::{BTreeMap, BTreeSet};

use super::pulled::{PulledOne, pull, pull_one};
use super::volatile::placed;
use super::{Decorrelator, Outer, join_back, semijoin};
use crate::error::{Error, SqlState};
use crate::hir::{self, Expr};
use crate::mir;
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar::{AggregateExpr, AggregateFunc, EvalError, ScalarExpr, special};

/// A relation evaluated for the outer values that it reads.
pub(super) struct Branch {
    /// The rows that it stands inside; after their own columns, the forms of some.
    pub(super) rows: mir::Rel,
    /// The columns of those rows on which it depends.
    pub(super) key: Vec<usize>,
    /// The set of their values: what it was evaluated for.
    pub(super) keys: mir::Rel,
    /// Those columns, then its own.
    pub(super) rel: mir::Rel,
}

impl Decorrelator {
    /// The expressions as scalars over the rows; the rows grow by a column for each subquery in them, and by one for all that is
    /// volatile.
    pub(super) fn scalars(
        &mut self,
        rows: mir::Rel,
        exprs: &[Expr],
        outer: &Outer,
    ) -> Result<(mir::Rel, Vec<ScalarExpr>), Error> {
        let arity = rows.arity();
        let (mut rows, copy) = self.copies(rows, exprs);
        let mut scalars = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let (grown, scalar) = self.scalar(rows, expr, outer)?;
            rows = grown;
            scalars.push(match copy {
                Some(copy) => placed(scalar, arity, copy),
                None => scalar,
            });
        }
        Ok((rows, scalars))
    }

    fn scalar(
        &mut self,
        rows: mir::Rel,
        expr: &Expr,
        outer: &Outer,
    ) -> Result<(mir::Rel, ScalarExpr), Error> {
        if let Some(scalar) = expr.to_scalar(&mut |reference| Some(outer.resolve(reference))) {
            return Ok((rows, scalar));
        }
        hir::grow(|| match expr {
            Expr::Exists(rel) => self.exists_column(rows, rel, outer),
            Expr::Scalar(rel, typ) => self.scalar_column(rows, rel, typ, outer),
            _ => self.combined(rows, expr, outer),
        })
    }

    /// An expression some of whose operands hold subqueries.
    fn combined(
        &mut self,
        rows: mir::Rel,
        expr: &Expr,
        outer: &Outer,
    ) -> Result<(mir::Rel, ScalarExpr), Error> {
        let operands: Vec<Expr> = expr.children().into_iter().cloned().collect();
        let (rows, mut operands) = self.scalars(rows, &operands, outer)?;
        let scalar = match expr {
            Expr::Call { func, typ, .. } => {
                ScalarExpr::Call { func: *func, args: operands, typ: typ.clone() }
            }
            Expr::And(_) => ScalarExpr::And(operands),
            Expr::Or(_) => ScalarExpr::Or(operands),
            Expr::Coalesce(_) => ScalarExpr::Coalesce(operands),
            Expr::If { .. } => {
                let els = operands.remove(2);
                let then = operands.remove(1);
                ScalarExpr::if_then_else(operands.remove(0), then, els)
            }
            Expr::Column(..)
            | Expr::Literal(..)
            | Expr::Parameter(..)
            | Expr::Exists(_)
            | Expr::Scalar(..) => {
                unreachable!("invariant: leaves are scalars, and subqueries have their own columns")
            }
        };
        Ok((rows, scalar))
    }

    /// Applies `with` to rows and scalars, then takes away the columns that subqueries have added in between.
    pub(super) fn with_exprs(
        &mut self,
        rows: mir::Rel,
        exprs: &[Expr],
        outer: &Outer,
        with: impl FnOnce(mir::Rel, Vec<ScalarExpr>) -> Result<mir::Rel, Error>,
    ) -> Result<mir::Rel, Error> {
        let arity = rows.arity();
        let (rows, scalars) = self.scalars(rows, exprs, outer)?;
        let grown = rows.arity();
        let result = with(rows, scalars)?;
        let end = result.arity();
        Ok(result.project((0..arity).chain(grown..end).collect()))
    }

    /// The rows for which all predicates are true. What is just `[NOT] EXISTS` is a join with (or without) the keys.
    pub(super) fn filter(
        &mut self,
        mut rows: mir::Rel,
        predicates: &[Expr],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        // First what needs no subquery: the keys on which subqueries are evaluated become fewer.
        let (plain, nested): (Vec<&Expr>, Vec<&Expr>) =
            predicates.iter().partition(|p| !p.has_subquery() && !p.is_volatile());
        let plain = plain.into_iter().map(|p| p.to_scalar(&mut |reference| Some(outer.resolve(reference))));
        rows = rows.filter(plain.map(|p| p.expect("invariant: it holds no subquery")));
        for predicate in nested {
            rows = match predicate {
                Expr::Exists(rel) => self.where_exists(rows, rel, outer, true)?,
                Expr::Call { func, args, .. }
                    if *func == special::not() && matches!(args[..], [Expr::Exists(_)]) =>
                {
                    let Expr::Exists(rel) = &args[0] else { unreachable!("invariant: matched above") };
                    self.where_exists(rows, rel, outer, false)?
                }
                other => {
                    let predicates = std::slice::from_ref(other);
                    self.with_exprs(rows, predicates, outer, |rows, scalars| Ok(rows.filter(scalars)))?
                }
            };
        }
        Ok(rows)
    }

    fn where_exists(
        &mut self,
        rows: mir::Rel,
        rel: &hir::Rel,
        outer: &Outer,
        there: bool,
    ) -> Result<mir::Rel, Error> {
        self.bind(rows, |this, rows| {
            let matched = match this.tied_rows(&rows, rel, outer)? {
                Some(matched) => matched,
                None => {
                    let branch = this.branch(&rows, rel, outer)?;
                    let width = branch.key.len();
                    let found = branch.rel.project((0..width).collect()).distinct();
                    let matched = semijoin(branch.rows, &branch.key, found);
                    matched.project((0..rows.arity()).collect())
                }
            };
            Ok(if there { matched } else { rows.union(matched.negate()) })
        })
    }

    /// The rows that find a row in a relation that equalities alone tie to them.
    fn tied_rows(
        &mut self,
        rows: &mir::Rel,
        rel: &hir::Rel,
        outer: &Outer,
    ) -> Result<Option<mir::Rel>, Error> {
        let Some(pulled) = pull(rel) else { return Ok(None) };
        let Some(equivalences) = self.tie(&pulled.ties, rows, outer) else { return Ok(None) };
        let found = self.keyed(&pulled, &[])?.distinct();
        let arity = rows.arity();
        let matched = mir::Rel::join(vec![rows.clone(), found], equivalences);
        Ok(Some(matched.project((0..arity).collect())))
    }

    /// The rows with one more column: whether the relation has a row.
    fn exists_column(
        &mut self,
        rows: mir::Rel,
        rel: &hir::Rel,
        outer: &Outer,
    ) -> Result<(mir::Rel, ScalarExpr), Error> {
        let column = rows.arity();
        let rows = self.bind(rows, |this, rows| {
            let branch = this.branch(&rows, rel, outer)?;
            let width = branch.key.len();
            let found = branch.rel.project((0..width).collect()).distinct();
            let keys = branch.keys;
            let answers = this.bind(found, |_, found| {
                let missing = keys.union(found.clone().negate());
                let answer = |rel: mir::Rel, value| rel.map(vec![ScalarExpr::bool(value)]);
                Ok(answer(found, true).union(answer(missing, false)))
            })?;
            Ok(appended(branch.rows, column, &branch.key, answers))
        })?;
        Ok((rows, ScalarExpr::Column(column)))
    }

    /// The rows with one more column: the relation's one value, NULL of no row, an error of several.
    fn scalar_column(
        &mut self,
        rows: mir::Rel,
        rel: &hir::Rel,
        typ: &ColumnType,
        outer: &Outer,
    ) -> Result<(mir::Rel, ScalarExpr), Error> {
        let column = rows.arity();
        let typ = typ.typ.clone();
        let rows = self.bind(rows, |this, rows| {
            if let Some(tied) = this.tied_value(&rows, rel, &typ, outer)? {
                return Ok(tied);
            }
            let branch = this.branch(&rows, rel, outer)?;
            let answers = match rows_per_outer(rel) {
                Rows::One => branch.rel,
                Rows::AtMostOne => this.or_null(branch.rel, branch.keys, typ)?,
                Rows::Any => {
                    let checked = this.checked(branch.rel, &typ)?;
                    this.or_null(checked, branch.keys, typ)?
                }
            };
            Ok(appended(branch.rows, column, &branch.key, answers))
        })?;
        Ok((rows, ScalarExpr::Column(column)))
    }

    /// The rows with the value of a relation that equalities alone tie to them.
    fn tied_value(
        &mut self,
        rows: &mir::Rel,
        rel: &hir::Rel,
        typ: &Type,
        outer: &Outer,
    ) -> Result<Option<mir::Rel>, Error> {
        let (pulled, of_nothing) = match pull_one(rel) {
            Some(PulledOne { pulled, of_nothing }) => (pulled, Some(of_nothing)),
            None => match pull(rel) {
                Some(pulled) => (pulled, None),
                None => return Ok(None),
            },
        };
        if pulled.ties.is_empty() {
            return Ok(None);
        }
        let Some(equivalences) = self.tie(&pulled.ties, rows, outer) else { return Ok(None) };
        let mut values = self.keyed(&pulled, &[0])?;
        if of_nothing.is_none() && matches!(rows_per_outer(rel), Rows::Any) {
            values = self.checked(values, typ)?;
        }
        let of_nothing = of_nothing.and_then(|row| row[0].to_local_scalar());
        let missing = of_nothing.unwrap_or_else(|| ScalarExpr::null(typ.clone()));
        let (arity, width) = (rows.arity(), pulled.ties.len());
        let with_value = self.bind(values, |_, values| {
            let keys = values.clone().project((0..width).collect());
            let found = mir::Rel::join(vec![rows.clone(), values], equivalences.clone());
            let found = found.project((0..arity).chain([arity + width]).collect());
            let matched = mir::Rel::join(vec![rows.clone(), keys], equivalences);
            let unmatched = rows.clone().union(matched.project((0..arity).collect()).negate());
            Ok(found.union(unmatched.map(vec![missing])))
        })?;
        Ok(Some(with_value))
    }

    /// `values` (a key and one value a row) with an error in place of the value where a key has several rows.
    fn checked(&mut self, values: mir::Rel, typ: &Type) -> Result<mir::Rel, Error> {
        let width = values.arity() - 1;
        let error = EvalError::new(
            SqlState::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        );
        self.bind(values, |this, values| {
            let count = AggregateExpr::new(AggregateFunc::CountStar, Vec::new());
            let counts = values.clone().reduce((0..width).map(ScalarExpr::Column).collect(), vec![count]);
            let one = ScalarExpr::literal(Datum::Int(1), Type::Int8);
            let several = ScalarExpr::Column(width).equals(one).not();
            let several = counts.filter([several]).project((0..width).collect());
            this.bind(several, |_, several| {
                let columns: Vec<usize> = (0..width).collect();
                let of_several = semijoin(values.clone(), &columns, several.clone());
                let failed = several.map(vec![ScalarExpr::error(&error, typ.clone())]);
                Ok(mir::Rel::union_all(vec![values, of_several.negate(), failed]))
            })
        })
    }

    /// `values` (a key and one value a row, each key at most once) with NULL for the keys that have none.
    fn or_null(&mut self, values: mir::Rel, keys: mir::Rel, typ: Type) -> Result<mir::Rel, Error> {
        let width = values.arity() - 1;
        self.bind(values, |_, values| {
            let missing = keys.union(values.clone().project((0..width).collect()).negate());
            Ok(values.union(missing.map(vec![ScalarExpr::null(typ)])))
        })
    }

    /// Evaluates a relation that stands inside `rows`, for the set of values that it reads of them. `rows` is cheap to read again.
    pub(super) fn branch(&mut self, rows: &mir::Rel, rel: &hir::Rel, outer: &Outer) -> Result<Branch, Error> {
        let mut read = BTreeMap::new();
        let depth = outer.depth;
        rel.for_each_column(0, &mut |inner, reference| {
            if let Some(outward) = reference.level.checked_sub(inner + 1) {
                let reference = hir::ColumnRef { level: outward, column: reference.column };
                read.insert((depth - outward, reference.column), outer.resolve(reference));
            }
        });
        let values: BTreeSet<usize> = read.values().copied().collect();
        let (rows, forms) = with_forms(rows, &values);
        let key: Vec<usize> = values.into_iter().chain(forms).collect();
        let keys = match key.is_empty() {
            true => mir::Rel::unit(),
            false => rows.clone().project(key.clone()).distinct(),
        };
        let place =
            |column: usize| key.iter().position(|k| *k == column).expect("invariant: collected above");
        let columns = read.iter().map(|(reference, column)| (*reference, place(*column))).collect();
        let inner = Outer { rel: keys.clone(), arity: key.len(), columns, depth: depth + 1 };
        let rel = self.apply(rel, &inner)?;
        Ok(Branch { rows, key, keys, rel })
    }
}

/// The rows' first columns with the last column of `answers` appended, which has one row for each of the rows' keys.
fn appended(rows: mir::Rel, kept: usize, key: &[usize], answers: mir::Rel) -> mir::Rel {
    let value = rows.arity() + key.len();
    join_back(rows, key, answers).project((0..kept).chain([value]).collect())
}

/// The rows with the forms of those columns whose equal values can print differently: what tells 1.0 from 1.00 where a
/// subquery is evaluated once for each value that it reads. Returns where the forms are.
pub(super) fn with_forms(rows: &mir::Rel, read: &BTreeSet<usize>) -> (mir::Rel, std::ops::Range<usize>) {
    let columns = rows.columns();
    let lossy = read.iter().filter(|column| columns[**column].typ.has_lossy_equality());
    let forms: Vec<ScalarExpr> = lossy
        .map(|column| {
            let typ = std::slice::from_ref(&columns[*column].typ);
            ScalarExpr::call(special::form(), vec![ScalarExpr::Column(*column)], typ)
        })
        .collect();
    let at = columns.len()..columns.len() + forms.len();
    let rows = if forms.is_empty() { rows.clone() } else { rows.clone().map(forms) };
    (rows, at)
}

/// How many rows a relation has for each outer row, by its form.
enum Rows {
    One,
    AtMostOne,
    Any,
}

fn rows_per_outer(rel: &hir::Rel) -> Rows {
    match rel {
        hir::Rel::Values { rows, .. } if rows.len() == 1 => Rows::One,
        hir::Rel::Reduce { global: true, .. } => Rows::One,
        hir::Rel::Map { input, .. } | hir::Rel::Project { input, .. } => rows_per_outer(input),
        hir::Rel::Distinct { input } => rows_per_outer(input),
        hir::Rel::With { body, .. } => rows_per_outer(body),
        hir::Rel::Filter { input, .. } => match rows_per_outer(input) {
            Rows::One | Rows::AtMostOne => Rows::AtMostOne,
            Rows::Any => Rows::Any,
        },
        hir::Rel::TopK { group, limit: Some(limit), ties: false, .. }
            if group.is_empty() && is_one(limit) =>
        {
            Rows::AtMostOne
        }
        _ => Rows::Any,
    }
}

fn is_one(limit: &Expr) -> bool {
    let scalar = limit.to_local_scalar().and_then(|scalar| scalar.fold().or(Some(scalar)));
    matches!(scalar.as_ref().and_then(ScalarExpr::as_literal), Some(Ok(Datum::Int(0 | 1))))
}
