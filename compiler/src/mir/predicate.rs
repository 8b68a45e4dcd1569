//! What a predicate says of the columns it reads, by its form alone.

use std::collections::BTreeSet;

use super::deep;
use crate::scalar::{Func, Nulls, ScalarExpr, Volatility, special};

/// The two sides of `a = b`.
pub fn as_equality(predicate: &ScalarExpr) -> Option<(&ScalarExpr, &ScalarExpr)> {
    match predicate {
        ScalarExpr::Call { func, args, .. } if func.name == "=" || *func == special::equals() => {
            match &args[..] {
                [left, right] => Some((left, right)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The operand of `x IS NULL`.
pub fn as_is_null(predicate: &ScalarExpr) -> Option<&ScalarExpr> {
    match predicate {
        ScalarExpr::Call { func, args, .. } if *func == special::is_null() => args.first(),
        _ => None,
    }
}

/// The operand of `NOT x`.
pub fn as_not(predicate: &ScalarExpr) -> Option<&ScalarExpr> {
    match predicate {
        ScalarExpr::Call { func, args, .. } if *func == special::not() => args.first(),
        _ => None,
    }
}

/// Whether the value is the same for every row: no columns, nothing volatile. Parameters are constants.
pub fn is_constant(expr: &ScalarExpr) -> bool {
    expr.volatility() == Volatility::Immutable && expr.support().is_empty()
}

/// The columns of which a NULL keeps the predicate from being true.
pub fn rejects_null(predicate: &ScalarExpr) -> BTreeSet<usize> {
    deep(|| match predicate {
        ScalarExpr::And(operands) => operands.iter().flat_map(rejects_null).collect(),
        ScalarExpr::Or(operands) => {
            let mut sets = operands.iter().map(rejects_null);
            let first = sets.next().unwrap_or_default();
            sets.fold(first, |all, next| all.intersection(&next).copied().collect())
        }
        other => match as_not(other).and_then(as_is_null) {
            Some(operand) => null_with(operand),
            None => null_with(other),
        },
    })
}

/// The columns of which a NULL makes the expression NULL (or fail).
pub fn null_with(expr: &ScalarExpr) -> BTreeSet<usize> {
    deep(|| match expr {
        ScalarExpr::Column(column) => BTreeSet::from([*column]),
        ScalarExpr::Call { func, args, .. } if func.nulls == Nulls::Strict => {
            args.iter().flat_map(null_with).collect()
        }
        _ => BTreeSet::new(),
    })
}

/// Whether the function compares two values of one type, so that it cannot tell equal ones apart.
pub fn is_comparison(func: Func) -> bool {
    matches!(func.name, "=" | "<>" | "<" | "<=" | ">" | ">=") || func == special::equals()
}
