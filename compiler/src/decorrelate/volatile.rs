//! Volatile calls: `random()` is another number for each row, and for each copy of a row.
//!
//! An operator sees a row come and go, maybe as often as it likes; a value that differed between the two would never cancel. So
//! what is random is the call's seed, which the binder draws, and the value is a hash of the seed, the row in which the call
//! stands, and the number of the row's copy: the same whenever and wherever it is computed.

use super::Decorrelator;
use super::subquery::with_forms;
use crate::hir::Expr;
use crate::mir;
use crate::repr::{Datum, Type};
use crate::scalar::{AggregateExpr, AggregateFunc, ScalarExpr, TableFunc, special};

impl Decorrelator {
    /// The rows that volatile calls in these expressions stand in, each copy by itself: with its number as a last column.
    pub(super) fn copies(&mut self, rows: mir::Rel, exprs: &[Expr]) -> (mir::Rel, Option<usize>) {
        if !exprs.iter().any(Expr::is_volatile) {
            return (rows, None);
        }
        let arity = rows.arity();
        if rows == mir::Rel::unit() {
            return (rows.map(vec![ScalarExpr::literal(Datum::Int(1), Type::Int8)]), Some(arity));
        }
        let (rows, forms) = with_forms(&rows, &(0..arity).collect());
        let count = AggregateExpr::new(AggregateFunc::CountStar, Vec::new());
        let counted = rows.reduce((0..forms.end).map(ScalarExpr::Column).collect(), vec![count]);
        let one = ScalarExpr::literal(Datum::Int(1), Type::Int8);
        let numbered = counted.flat_map(TableFunc::int8_series(), vec![one, ScalarExpr::Column(forms.end)]);
        (numbered.project((0..arity).chain([forms.end + 1]).collect()), Some(arity))
    }
}

/// The expression with its volatile calls as functions of the row and the number of its copy.
pub(super) fn placed(mut scalar: ScalarExpr, arity: usize, copy: usize) -> ScalarExpr {
    scalar.transform(&mut |expr| {
        if let ScalarExpr::Call { func, args, typ } = expr
            && *func == special::random_of()
        {
            let row = (0..arity).map(ScalarExpr::Column);
            let args = args.drain(..).chain([ScalarExpr::Column(copy)]).chain(row).collect();
            *expr = ScalarExpr::Call { func: special::random_at(), args, typ: typ.clone() };
        }
    });
    scalar
}
