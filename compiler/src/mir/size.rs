//! How many rows an expression over constants may have: whether it can be evaluated where it stands, or must run as a dataflow.

use std::collections::BTreeMap;

use super::{Id, LocalId, Rel, deep};
use crate::repr::Datum;
use crate::scalar::{ScalarExpr, TableFunc};

/// Operators that give more rows than they take are counted as many when they give more than this.
const FEW: usize = 10_000;

impl Rel {
    /// At least as many rows as an expression without collections has; `None` if that is not known, or if an operator multiplies rows
    /// beyond [`FEW`]. The rows that it is made of may be more: they are there already.
    pub fn rows_max(&self) -> Option<usize> {
        rows_max(self, &mut BTreeMap::new())
    }
}

fn rows_max(rel: &Rel, locals: &mut BTreeMap<LocalId, usize>) -> Option<usize> {
    deep(|| match rel {
        Rel::Constant { rows, .. } => Some(rows.as_ref().map_or(0, Vec::len)),
        Rel::Get { id: Id::Local(id), .. } => locals.get(id).copied(),
        Rel::Get { id: Id::Global(_), .. } | Rel::Lookup(_) | Rel::Changes { .. } | Rel::Recursive { .. } => {
            None
        }
        Rel::Let { id, value, body } => {
            let value = rows_max(value, locals)?;
            locals.insert(*id, value);
            rows_max(body, locals)
        }
        Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Filter { input, .. }
        | Rel::Reduce { input, .. }
        | Rel::TopK { input, .. }
        | Rel::Window { input, .. }
        | Rel::Negate { input }
        | Rel::Threshold { input } => rows_max(input, locals),
        Rel::FlatMap { input, func, args } => {
            let (rows, each) = (rows_max(input, locals)?, call_rows_max(*func, args)?);
            rows.checked_mul(each).filter(|rows| *rows <= FEW)
        }
        Rel::Join { inputs, .. } => {
            let mut inputs = inputs.iter().map(|input| rows_max(input, locals));
            let first = inputs.next().unwrap_or(Some(1))?;
            inputs.try_fold(first, |rows, input| rows.checked_mul(input?).filter(|rows| *rows <= FEW))
        }
        Rel::Union { inputs } => {
            inputs.iter().map(|input| rows_max(input, locals)).try_fold(0, |sum, rows| Some(sum + rows?))
        }
    })
}

/// How many rows a call of literals gives at most; `None` if that is not known.
fn call_rows_max(func: TableFunc, args: &[ScalarExpr]) -> Option<usize> {
    let mut values: Vec<Datum<'_>> = Vec::with_capacity(args.len());
    for arg in args {
        let ScalarExpr::Literal(value, _) = arg else { return None };
        values.extend(value.iter());
    }
    func.rows_max(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repr::{RelationType, Row, Type};

    fn series(to: i64) -> Rel {
        let func = TableFunc::by_id("generate_series Int8 Int8").expect("it is declared");
        let literal = |value| ScalarExpr::literal(Datum::Int(value), Type::Int8);
        Rel::unit().flat_map(func, vec![literal(1), literal(to)])
    }

    #[test]
    fn rows_are_counted_while_they_are_few_or_there_already() {
        assert_eq!(series(10_000).rows_max(), Some(10_000));
        assert_eq!(series(10_001).rows_max(), None);
        assert_eq!(series(i64::MAX).rows_max(), None);
        assert_eq!(series(100).product(series(100)).rows_max(), Some(10_000));
        assert_eq!(series(100).product(series(101)).rows_max(), None);
        let func = TableFunc::by_id("generate_series Int8 Int8").expect("it is declared");
        let of_a_column = series(2).flat_map(func, vec![ScalarExpr::column(0), ScalarExpr::column(0)]);
        assert_eq!(of_a_column.rows_max(), None, "how far it goes is not known");
        let many = (0..50_000).map(|i| Row::pack([Datum::Int(i)])).collect();
        assert_eq!(Rel::constant(many, RelationType::default()).rows_max(), Some(50_000));
    }
}
