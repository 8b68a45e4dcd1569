//! Which columns can hold an error cell, so that reading them can fail.
//!
//! Passes must not evaluate what can fail on rows that the query does not reach. Catalog collections are taken to
//! hold none: a query that reads a failing view may fail on any of its rows, as a scan would.

use std::collections::BTreeMap;

use crate::mir::{Id, LocalId, Rel, deep};
use crate::repr::Datum;
use crate::scalar::{AggregateExpr, AggregateFunc, ScalarExpr};

/// What is known of the definitions in scope.
#[derive(Clone, Debug, Default)]
pub struct Fallible {
    locals: BTreeMap<LocalId, Vec<bool>>,
}

/// Whether evaluating the expression on a row can fail, when these columns can hold error cells.
pub fn fails(expr: &ScalarExpr, fallible: &[bool]) -> bool {
    expr.could_error() || expr.support().iter().any(|column| fallible.get(*column) == Some(&true))
}

/// Whether an aggregate's result can be an error: sums overflow.
pub fn aggregate_fails(aggregate: &AggregateExpr, fallible: &[bool]) -> bool {
    use AggregateFunc::*;
    !matches!(aggregate.func, CountStar | Count | Min | Max | BoolAnd | BoolOr)
        || aggregate.exprs().any(|expr| fails(expr, fallible))
}

impl Fallible {
    pub fn define(&mut self, id: LocalId, value: &Rel) {
        let columns = self.columns(value);
        self.locals.insert(id, columns);
    }

    /// For each column of `rel`, whether it can hold an error cell.
    pub fn columns(&self, rel: &Rel) -> Vec<bool> {
        deep(|| match rel {
            Rel::Constant { rows, typ } => {
                let mut columns = vec![rows.is_err(); typ.arity()];
                for (row, _) in rows.iter().flatten() {
                    let cells = row.iter().map(|datum| matches!(datum, Datum::Error(_)));
                    columns.iter_mut().zip(cells).for_each(|(column, error)| *column |= error);
                }
                columns
            }
            Rel::Get { id: Id::Local(id), typ } => {
                self.locals.get(id).cloned().unwrap_or_else(|| vec![true; typ.arity()])
            }
            Rel::Get { typ, .. } => vec![false; typ.arity()],
            Rel::Let { id, value, body } => {
                let mut inner = self.clone();
                inner.define(*id, value);
                inner.columns(body)
            }
            Rel::Project { input, outputs } => {
                let columns = self.columns(input);
                outputs.iter().map(|column| columns[*column]).collect()
            }
            Rel::Map { input, scalars } => {
                let mut columns = self.columns(input);
                for scalar in scalars {
                    columns.push(fails(scalar, &columns));
                }
                columns
            }
            Rel::Filter { input, .. }
            | Rel::TopK { input, .. }
            | Rel::Negate { input }
            | Rel::Threshold { input } => self.columns(input),
            Rel::FlatMap { input, func, .. } => {
                let mut columns = self.columns(input);
                columns.resize(columns.len() + func.columns.len(), false);
                columns
            }
            Rel::Join { inputs, .. } => inputs.iter().flat_map(|input| self.columns(input)).collect(),
            Rel::Reduce { input, group_key, aggregates } => {
                let columns = self.columns(input);
                let key = group_key.iter().map(|expr| fails(expr, &columns));
                let aggregates = aggregates.iter().map(|aggregate| aggregate_fails(aggregate, &columns));
                key.chain(aggregates).collect()
            }
            Rel::Union { inputs } => {
                let mut columns = self.columns(&inputs[0]);
                for input in &inputs[1..] {
                    let other = self.columns(input);
                    columns.iter_mut().zip(other).for_each(|(column, other)| *column |= other);
                }
                columns
            }
        })
    }
}
