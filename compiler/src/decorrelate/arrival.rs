//! Arrival joins: the condition's equalities become keys, and what else it asks goes to where it is asked.
//!
//! A predicate on the table alone chooses among the table's rows. In an inner join the others are asked above it; in an outer one they
//! decide whether a row has found something, and stay.

use super::{Decorrelator, Outer};
use crate::error::Error;
use crate::hir::{self, Expr};
use crate::mir::{self, Lookup, predicate};
use crate::scalar::ScalarExpr;

impl Decorrelator {
    /// `input` looked up in `table`. Neither reads an outer row, since a stream's query has none.
    pub(super) fn arrival_join(
        &mut self,
        input: &hir::Rel,
        table: &hir::Rel,
        on: &[Expr],
        is_outer: bool,
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        let input = self.apply(input, outer)?;
        let table = self.apply(table, &Outer::none())?;
        let arity = input.arity();
        let mut condition = Condition::default();
        for conjunct in on {
            let scalar = conjunct.to_scalar(&mut |reference| Some(outer.resolve(reference)));
            let scalar = scalar.ok_or_else(|| {
                Error::unsupported("a subquery in the condition of a join at arrival is not supported")
            })?;
            condition.add(scalar, arity);
        }
        let Condition { keys, table_only, mut others } = condition;
        let above = if is_outer { Vec::new() } else { std::mem::take(&mut others) };
        let table = Box::new(table.filter(table_only));
        let lookup = Lookup { input: Box::new(input), table, keys, on: others, outer: is_outer };
        Ok(mir::Rel::Lookup(lookup).filter(above))
    }
}

/// A condition taken apart.
#[derive(Default)]
struct Condition {
    keys: Vec<(ScalarExpr, ScalarExpr)>,
    /// Over the table's columns.
    table_only: Vec<ScalarExpr>,
    /// Over both columns in a row.
    others: Vec<ScalarExpr>,
}

impl Condition {
    /// A conjunct over the input's `arity` columns and then the table's.
    fn add(&mut self, conjunct: ScalarExpr, arity: usize) {
        let of_table = |expr: &ScalarExpr| expr.support().first().is_some_and(|column| *column >= arity);
        let to_table = |expr: &ScalarExpr| {
            let mut expr = expr.clone();
            expr.permute_with(|column| column - arity);
            expr
        };
        match predicate::as_link(&conjunct, arity) {
            Some((a, b)) => self.keys.push((a.clone(), to_table(b))),
            _ if of_table(&conjunct) => self.table_only.push(to_table(&conjunct)),
            _ => self.others.push(conjunct),
        }
    }
}
