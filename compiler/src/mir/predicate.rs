//! What a predicate says of the columns it reads, by its form alone.

use std::collections::BTreeSet;

use super::deep;
use crate::repr::{ColumnType, Type};
use crate::scalar::{Func, Nulls, ScalarExpr, Syntax, Volatility, special};

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

/// The sides of an equality between the columns before `arity` and those from there on, in this order.
pub fn as_link(predicate: &ScalarExpr, arity: usize) -> Option<(&ScalarExpr, &ScalarExpr)> {
    let before = |expr: &ScalarExpr| expr.support().last().is_some_and(|column| *column < arity);
    let after = |expr: &ScalarExpr| expr.support().first().is_some_and(|column| *column >= arity);
    match as_equality(predicate)? {
        (a, b) if before(a) && after(b) => Some((a, b)),
        (b, a) if before(a) && after(b) => Some((a, b)),
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

/// The operand under casts that keep the value's encoding: to a wider integer, between texts. What joins or is looked up by the cast
/// joins and is found by the operand.
pub fn without_widening<'e>(expr: &'e ScalarExpr, columns: &[ColumnType]) -> &'e ScalarExpr {
    let mut inner = expr;
    while let ScalarExpr::Call { func, args, typ } = inner
        && func.syntax == Syntax::Cast
        && let [operand] = &args[..]
        && widens(&operand.typ(columns).typ, typ)
    {
        inner = operand;
    }
    inner
}

fn widens(from: &Type, to: &Type) -> bool {
    let width = |typ: &Type| match typ {
        Type::Int2 => Some(2),
        Type::Int4 => Some(4),
        Type::Int8 => Some(8),
        _ => None,
    };
    match (width(from), width(to)) {
        (Some(from), Some(to)) => from <= to,
        _ => is_text(from) && matches!(to, Type::Text | Type::Varchar(None)),
    }
}

fn is_text(typ: &Type) -> bool {
    matches!(typ, Type::Text | Type::Varchar(_) | Type::Name)
}

/// Whether equal values of the two types have equal key encodings.
pub fn same_key_encoding(a: &Type, b: &Type) -> bool {
    let integer = |typ: &Type| matches!(typ, Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid);
    match (a, b) {
        (a, b) if a == b => true,
        (a, b) => integer(a) && integer(b) || is_text(a) && is_text(b),
    }
}
