//! Joins: inner, lateral, and outer ones as an inner join plus the rows that it left out, filled with NULLs.
//!
//! The rows that are left out are a difference: all rows less those whose join key the other side has. Where the condition
//! is more than equalities and predicates on one side, less those that the inner join has, by the whole row.

use super::pulled::{Pulled, pull};
use super::{Decorrelator, Outer, join_back, null_safe, semijoin};
use crate::error::Error;
use crate::hir::{self, Expr, JoinKind};
use crate::mir::{self, predicate};
use crate::repr::ColumnType;
use crate::scalar::ScalarExpr;

/// Both sides of a join, each with the outer columns first.
struct Sides {
    left: mir::Rel,
    right: mir::Rel,
    outer: usize,
    left_types: Vec<ColumnType>,
    right_types: Vec<ColumnType>,
}

/// A join condition taken apart; expressions over `outer ++ left`, over `outer ++ right`.
struct Condition {
    /// Pairs that must be equal, and not NULL.
    equal: Vec<(ScalarExpr, ScalarExpr)>,
    left_only: Vec<ScalarExpr>,
    right_only: Vec<ScalarExpr>,
}

/// Whether the relation's rows are computed from the outer row alone, as a table function's are: then every outer row can
/// be followed by them as it stands, without a set of outer values and a join back on it.
fn is_computed(rel: &hir::Rel) -> bool {
    match rel {
        hir::Rel::Values { rows, .. } => rows.len() == 1,
        hir::Rel::Project { input, .. }
        | hir::Rel::Map { input, .. }
        | hir::Rel::Filter { input, .. }
        | hir::Rel::FlatMap { input, .. } => is_computed(input),
        _ => false,
    }
}

impl Decorrelator {
    pub(super) fn join(
        &mut self,
        kind: JoinKind,
        left: &hir::Rel,
        right: &hir::Rel,
        on: &[Expr],
        lateral: bool,
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let left = self.apply(left, outer)?;
        if lateral && right.reads_level(1) {
            if kind == JoinKind::Inner && is_computed(right) {
                let rows = self.apply(right, &outer.within(left))?;
                return self.filter(rows, on, outer);
            }
            if let Some(pulled) = pull(right) {
                return self.tied_join(kind, left, right.arity(), &pulled, on, outer);
            }
            return self.lateral_join(kind, left, right, on, outer);
        }
        let shallow;
        let right = match lateral {
            // It reads nothing of the left row, so it stands beside it.
            true => {
                let mut moved = right.clone();
                moved.shift_levels(2, -1);
                shallow = moved;
                &shallow
            }
            false => right,
        };
        if kind == JoinKind::Inner {
            let product = match right.is_correlated() {
                true => {
                    let right = self.apply(right, outer)?;
                    beside(left, right, outer.arity)
                }
                false => left.product(self.apply(right, &Outer::none())?),
            };
            return self.filter(product, on, outer);
        }
        if on.iter().any(Expr::is_volatile) {
            return Err(Error::unsupported(
                "a volatile function in the condition of an outer join is not supported",
            )
            .hint("Compute its value in a subquery of FROM, and compare that."));
        }
        let right = self.apply(right, outer)?;
        self.bind(left, |this, left| {
            this.bind(right, |this, right| this.outer_join(kind, left, right, on, outer))
        })
    }

    /// The right side is tied to the left row by equalities alone: they join the condition of a plain join.
    fn tied_join(
        &mut self,
        kind: JoinKind,
        left: mir::Rel,
        right_arity: usize,
        pulled: &Pulled,
        on: &[Expr],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let offset = left.arity() - outer.arity;
        let right = self.apply(&pulled.rel, &Outer::none())?;
        let types = right.columns();
        let ties = pulled.ties.iter().map(|tie| {
            let column = Expr::column(offset + tie.column, types[tie.column].clone());
            tie.outer.clone().equals(column)
        });
        let on: Vec<Expr> = on.iter().cloned().chain(ties).collect();
        let kept = (0..left.arity() + right_arity).collect();
        let joined = match kind {
            JoinKind::Inner => self.filter(left.product(right), &on, outer)?,
            _ => {
                let right = outer.with(right);
                self.bind(left, |this, left| {
                    this.bind(right, |this, right| this.outer_join(kind, left, right, &on, outer))
                })?
            }
        };
        Ok(joined.project(kept))
    }

    /// The right side is evaluated for each left row.
    fn lateral_join(
        &mut self,
        kind: JoinKind,
        left: mir::Rel,
        right: &hir::Rel,
        on: &[Expr],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        self.bind(left, |this, left| {
            let branch = this.branch(&left, right, outer)?;
            let arity = left.arity();
            let width = branch.key.len();
            let right_types: Vec<ColumnType> = branch.rel.columns()[width..].to_vec();
            let start = branch.rows.arity() + width;
            let joined = join_back(branch.rows, &branch.key, branch.rel);
            let end = joined.arity();
            let product = joined.project((0..arity).chain(start..end).collect());
            let inner = this.filter(product, on, outer)?;
            if kind == JoinKind::Inner {
                return Ok(inner);
            }
            this.bind(inner, |_, inner| {
                let columns: Vec<usize> = (0..arity).collect();
                let matched = inner.clone().project(columns.clone()).distinct();
                let unmatched = left.clone().union(semijoin(left, &columns, matched).negate());
                Ok(inner.union(with_nulls_after(unmatched, &right_types)))
            })
        })
    }

    fn outer_join(
        &mut self,
        kind: JoinKind,
        left: mir::Rel,
        right: mir::Rel,
        on: &[Expr],
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let o = outer.arity;
        let (left_types, right_types) = (left.columns()[o..].to_vec(), right.columns()[o..].to_vec());
        let sides = Sides { left, right, outer: o, left_types, right_types };
        let product = beside(sides.left.clone(), sides.right.clone(), o);
        let inner = self.filter(product, on, outer)?;
        let (keep_left, keep_right) = (kind != JoinKind::Right, kind != JoinKind::Left);
        match sides.condition(on, outer) {
            Some(condition) => {
                let mut parts = vec![inner];
                if keep_left {
                    parts.push(with_nulls_after(sides.unmatched_left(&condition), &sides.right_types));
                }
                if keep_right {
                    parts.push(sides.with_nulls_before(sides.unmatched_right(&condition)));
                }
                Ok(mir::Rel::union_all(parts))
            }
            None => self.bind(inner, |_, inner| {
                let l = sides.left_types.len();
                let mut parts = vec![inner.clone()];
                if keep_left {
                    let matched = inner.clone().project((0..o + l).collect()).distinct();
                    let unmatched = without(sides.left.clone(), matched);
                    parts.push(with_nulls_after(unmatched, &sides.right_types));
                }
                if keep_right {
                    let own = o + l..o + l + sides.right_types.len();
                    let matched = inner.project((0..o).chain(own).collect()).distinct();
                    parts.push(sides.with_nulls_before(without(sides.right.clone(), matched)));
                }
                Ok(mir::Rel::union_all(parts))
            }),
        }
    }
}

impl Sides {
    /// The condition as equalities and predicates on one side, if that is all it is.
    fn condition(&self, on: &[Expr], outer: &Outer) -> Option<Condition> {
        let (o, l) = (self.outer, self.left_types.len());
        let mut condition = Condition { equal: Vec::new(), left_only: Vec::new(), right_only: Vec::new() };
        let mut conjuncts = Vec::new();
        on.iter().for_each(|expr| expr.clone().into_conjuncts(&mut conjuncts));
        let left_side = |scalar: &ScalarExpr| scalar.support().iter().all(|column| *column < o + l);
        let right_side =
            |scalar: &ScalarExpr| scalar.support().iter().all(|column| *column < o || *column >= o + l);
        let to_right = |mut scalar: ScalarExpr| {
            scalar.permute_with(|column| if column < o { column } else { column - l });
            scalar
        };
        for conjunct in conjuncts {
            let scalar = conjunct.to_scalar(&mut |reference| Some(outer.resolve(reference)))?;
            if left_side(&scalar) {
                condition.left_only.push(scalar);
            } else if right_side(&scalar) {
                condition.right_only.push(to_right(scalar));
            } else {
                let (a, b) = predicate::as_equality(&scalar)?;
                let (a, b) = if left_side(a) { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
                if !left_side(&a) || !right_side(&b) {
                    return None;
                }
                condition.equal.push((a, to_right(b)));
            }
        }
        Some(condition)
    }

    /// The left rows that no right row matches.
    fn unmatched_left(&self, condition: &Condition) -> mir::Rel {
        let (a, b) = condition.equal.iter().cloned().unzip();
        unmatched(&self.left, &condition.left_only, a, &self.right, &condition.right_only, b, self.outer)
    }

    fn unmatched_right(&self, condition: &Condition) -> mir::Rel {
        let (a, b) = condition.equal.iter().cloned().unzip();
        unmatched(&self.right, &condition.right_only, b, &self.left, &condition.left_only, a, self.outer)
    }

    /// Right rows after the outer columns and NULLs for the left ones.
    fn with_nulls_before(&self, rows: mir::Rel) -> mir::Rel {
        let (o, r) = (self.outer, self.right_types.len());
        let nulls = self.left_types.iter().map(|typ| ScalarExpr::null(typ.typ.clone())).collect();
        let end = o + r + self.left_types.len();
        rows.map(nulls).project((0..o).chain(o + r..end).chain(o..o + r).collect())
    }
}

/// The rows for which the other side has no row with equal keys, among those that pass each side's own predicates.
fn unmatched(
    rows: &mir::Rel,
    predicates: &[ScalarExpr],
    keys: Vec<ScalarExpr>,
    others: &mir::Rel,
    other_predicates: &[ScalarExpr],
    other_keys: Vec<ScalarExpr>,
    outer: usize,
) -> mir::Rel {
    let arity = rows.arity();
    let width = keys.len();
    let other_arity = others.arity();
    let present = others.clone().filter(other_predicates.to_vec()).map(other_keys);
    let present = present.project((0..outer).chain(other_arity..other_arity + width).collect()).distinct();
    // The keys become columns, so that outer columns and keys are one list to join back on.
    let types = rows.columns();
    let same =
        |column: usize| vec![null_safe(column, &types[column]), null_safe(arity + column, &types[column])];
    let mut equivalences: Vec<Vec<ScalarExpr>> = (0..outer).map(same).collect();
    equivalences.extend(
        keys.into_iter().enumerate().map(|(i, key)| vec![key, ScalarExpr::Column(arity + outer + i)]),
    );
    let matched = mir::Rel::join(vec![rows.clone().filter(predicates.to_vec()), present], equivalences);
    rows.clone().union(matched.project((0..arity).collect()).negate())
}

/// The rows that are not in the set `matched`, by all their columns.
fn without(rows: mir::Rel, matched: mir::Rel) -> mir::Rel {
    let columns: Vec<usize> = (0..rows.arity()).collect();
    rows.clone().union(semijoin(rows, &columns, matched).negate())
}

fn with_nulls_after(rows: mir::Rel, types: &[ColumnType]) -> mir::Rel {
    rows.map(types.iter().map(|typ| ScalarExpr::null(typ.typ.clone())).collect())
}

/// Left rows beside right rows of the same outer row: outer columns, left columns, right columns.
fn beside(left: mir::Rel, right: mir::Rel, outer: usize) -> mir::Rel {
    let (l, r) = (left.arity(), right.arity());
    if outer == 0 {
        return left.product(right);
    }
    let columns: Vec<usize> = (0..outer).collect();
    join_back(left, &columns, right).project((0..l).chain(l + outer..l + r).collect())
}
