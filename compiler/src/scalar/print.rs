//! How expressions and aggregates print in plans: as SQL, with names for columns where the plan knows them.

use std::fmt::{self, Display, Formatter, Write};

use super::aggregate::{AggregateExpr, AggregateFunc, SortKey, all_aggregates};
use super::cast::type_of;
use super::expr::with_stack;
use super::function::{Func, Syntax};
use super::window::{Bound, Exclude, Frame, FrameUnits, WindowExpr, WindowFunc, all_window_functions};
use super::{ScalarExpr, special};
use crate::repr::text::{self, TextSettings};
use crate::repr::{Datum, Type};

/// Writes the name of a column.
pub type ColumnNames<'n> = dyn Fn(usize, &mut Formatter<'_>) -> fmt::Result + 'n;

fn numbered(column: usize, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "#{column}")
}

/// Something over columns, printed with their names.
pub struct Named<'n, T> {
    item: &'n T,
    names: &'n ColumnNames<'n>,
}

impl ScalarExpr {
    /// The expression with columns printed by `names`.
    pub fn named<'n>(&'n self, names: &'n ColumnNames<'n>) -> Named<'n, ScalarExpr> {
        Named { item: self, names }
    }
}

impl AggregateExpr {
    /// The aggregate with columns printed by `names`.
    pub fn named<'n>(&'n self, names: &'n ColumnNames<'n>) -> Named<'n, AggregateExpr> {
        Named { item: self, names }
    }
}

impl WindowExpr {
    /// The call with columns printed by `names`.
    pub fn named<'n>(&'n self, names: &'n ColumnNames<'n>) -> Named<'n, WindowExpr> {
        Named { item: self, names }
    }
}

impl Display for WindowExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.named(&numbered).fmt(f)
    }
}

impl Display for ScalarExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.named(&numbered).fmt(f)
    }
}

impl Display for AggregateExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.named(&numbered).fmt(f)
    }
}

impl Display for Named<'_, ScalarExpr> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_expr(self.item, self.names, f)
    }
}

fn write_expr(expr: &ScalarExpr, names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    with_stack(|| match expr {
        ScalarExpr::Column(index) => names(*index, f),
        ScalarExpr::Parameter(index, _) => write!(f, "${}", index + 1),
        ScalarExpr::Literal(_, typ) => match expr.as_literal() {
            Some(Ok(datum)) => write_literal(datum, &typ.typ, f),
            Some(Err(error)) => write!(f, "error({:?})", error.message),
            None => Ok(()),
        },
        ScalarExpr::Call { func, args, typ } => write_call(*func, args, typ, names, f),
        ScalarExpr::And(operands) => write_joined(operands, " AND ", names, f),
        ScalarExpr::Or(operands) => write_joined(operands, " OR ", names, f),
        ScalarExpr::If { .. } => write_case(expr, names, f),
        ScalarExpr::Coalesce(operands) => {
            f.write_str("COALESCE(")?;
            write_list(operands, names, f)?;
            f.write_char(')')
        }
    })
}

/// An operand: in parentheses unless it needs none anywhere.
fn write_operand(expr: &ScalarExpr, names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    let bare = match expr {
        ScalarExpr::Call { func, .. } => matches!(func.syntax, Syntax::Function | Syntax::Cast),
        ScalarExpr::And(_) | ScalarExpr::Or(_) => false,
        _ => true,
    };
    if bare {
        return write_expr(expr, names, f);
    }
    f.write_char('(')?;
    write_expr(expr, names, f)?;
    f.write_char(')')
}

fn write_list(exprs: &[ScalarExpr], names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    for (i, expr) in exprs.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write_expr(expr, names, f)?;
    }
    Ok(())
}

fn write_joined(
    operands: &[ScalarExpr],
    separator: &str,
    names: &ColumnNames<'_>,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    for (i, operand) in operands.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write_operand(operand, names, f)?;
    }
    Ok(())
}

/// A chain of alternatives is one CASE.
fn write_case(expr: &ScalarExpr, names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("CASE")?;
    let mut rest = expr;
    while let ScalarExpr::If { cond, then, els } = rest {
        f.write_str(" WHEN ")?;
        write_expr(cond, names, f)?;
        f.write_str(" THEN ")?;
        write_expr(then, names, f)?;
        rest = els;
    }
    f.write_str(" ELSE ")?;
    write_expr(rest, names, f)?;
    f.write_str(" END")
}

fn write_call(
    func: Func,
    args: &[ScalarExpr],
    typ: &Type,
    names: &ColumnNames<'_>,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    match (func.syntax, args) {
        (Syntax::Operator, [a, b]) => {
            write_operand(a, names, f)?;
            write!(f, " {} ", func.name)?;
            write_operand(b, names, f)
        }
        (Syntax::Operator, [a]) => {
            write!(f, "{} ", func.name)?;
            write_operand(a, names, f)
        }
        (Syntax::Cast, [a, ..]) => {
            write_operand(a, names, f)?;
            write!(f, "::{typ}")
        }
        (Syntax::Special, [a]) if func == special::not() => match a {
            ScalarExpr::Call { func, args, .. } if *func == special::is_null() => {
                write_operand(&args[0], names, f)?;
                f.write_str(" IS NOT NULL")
            }
            _ => {
                f.write_str("NOT ")?;
                write_operand(a, names, f)
            }
        },
        (Syntax::Special, [a]) if func.name.starts_with("is ") => {
            write_operand(a, names, f)?;
            write!(f, " {}", func.name.to_uppercase())
        }
        (Syntax::Special, [a, b]) if func == special::equals() || func.name.starts_with("is ") => {
            let name = if func == special::equals() { "=".to_owned() } else { func.name.to_uppercase() };
            write_operand(a, names, f)?;
            write!(f, " {name} ")?;
            write_operand(b, names, f)
        }
        _ => {
            write!(f, "{}(", func.name)?;
            write_list(args, names, f)?;
            f.write_char(')')
        }
    }
}

/// A datum as a literal, where only the datum knows its type.
pub struct Literal<'a>(pub Datum<'a>);

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Datum::Error(error) => write!(f, "error({:?})", error.to_owned().message),
            datum => write_literal(datum, &type_of(datum), f),
        }
    }
}

/// A literal as SQL reads it: bare numbers and truth values, quoted text, the rest with their type.
fn write_literal(datum: Datum<'_>, typ: &Type, f: &mut Formatter<'_>) -> fmt::Result {
    let mut text = String::new();
    match datum {
        Datum::Null => return f.write_str("NULL"),
        Datum::Bool(value) => return write!(f, "{value}"),
        Datum::Int(value) => return write!(f, "{value}"),
        Datum::Text(value) => text.push_str(value),
        datum => text::format(datum, typ, &TextSettings::default(), &mut text),
    }
    match datum {
        Datum::Numeric(value) if value.is_finite() => f.write_str(&text),
        Datum::Text(_) => write!(f, "'{}'", text.replace('\'', "''")),
        _ => write!(f, "'{}'::{typ}", text.replace('\'', "''")),
    }
}

impl Display for Named<'_, SortKey> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_expr(&self.item.expr, self.names, f)?;
        f.write_str(match (self.item.desc, self.item.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        })
    }
}

impl Display for Named<'_, AggregateExpr> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let aggregate = self.item;
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        write!(f, "{}({distinct}", aggregate.func)?;
        match aggregate.func {
            AggregateFunc::CountStar => f.write_char('*')?,
            _ => write_list(&aggregate.args, self.names, f)?,
        }
        for (i, key) in aggregate.order_by.iter().enumerate() {
            f.write_str(if i == 0 { " ORDER BY " } else { ", " })?;
            Named { item: key, names: self.names }.fmt(f)?;
        }
        f.write_char(')')?;
        if let Some(filter) = &aggregate.filter {
            f.write_str(" FILTER (WHERE ")?;
            write_expr(filter, self.names, f)?;
            f.write_char(')')?;
        }
        Ok(())
    }
}

impl Display for Named<'_, WindowExpr> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let WindowExpr { func, args, filter, frame } = self.item;
        write!(f, "{func}(")?;
        match func {
            WindowFunc::Aggregate(AggregateFunc::CountStar) => f.write_char('*')?,
            _ => write_list(args, self.names, f)?,
        }
        f.write_char(')')?;
        if let Some(filter) = filter {
            f.write_str(" FILTER (WHERE ")?;
            write_expr(filter, self.names, f)?;
            f.write_char(')')?;
        }
        match func.uses_frame() && *frame != Frame::default_frame() {
            true => write_frame(frame, self.names, f),
            false => Ok(()),
        }
    }
}

fn write_frame(frame: &Frame, names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(match frame.units {
        FrameUnits::Rows => " ROWS BETWEEN ",
        FrameUnits::Range => " RANGE BETWEEN ",
        FrameUnits::Groups => " GROUPS BETWEEN ",
    })?;
    write_bound(&frame.start, names, f)?;
    f.write_str(" AND ")?;
    write_bound(&frame.end, names, f)?;
    f.write_str(match frame.exclude {
        Exclude::NoOthers => "",
        Exclude::CurrentRow => " EXCLUDE CURRENT ROW",
        Exclude::Group => " EXCLUDE GROUP",
        Exclude::Ties => " EXCLUDE TIES",
    })
}

/// A bound, with the limit that RANGE compares values with.
fn write_bound(bound: &Bound, names: &ColumnNames<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    let (offset, side) = match bound {
        Bound::UnboundedPreceding => return f.write_str("UNBOUNDED PRECEDING"),
        Bound::CurrentRow => return f.write_str("CURRENT ROW"),
        Bound::UnboundedFollowing => return f.write_str("UNBOUNDED FOLLOWING"),
        Bound::Preceding(offset) => (offset, "PRECEDING"),
        Bound::Following(offset) => (offset, "FOLLOWING"),
    };
    write_operand(&offset.size, names, f)?;
    write!(f, " {side}")?;
    match &offset.limit {
        Some(limit) => {
            f.write_str(" (")?;
            write_expr(limit, names, f)?;
            f.write_char(')')
        }
        None => Ok(()),
    }
}

impl Display for WindowFunc {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let WindowFunc::Aggregate(func) = self {
            return func.fmt(f);
        }
        let declared = all_window_functions().find(|function| function.func == *self);
        f.write_str(declared.map_or("window function", |function| function.name))
    }
}

impl Display for AggregateFunc {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unspecialized = match self {
            AggregateFunc::SumNumeric(_) => AggregateFunc::SumNumeric(None),
            AggregateFunc::AvgNumeric(_) => AggregateFunc::AvgNumeric(None),
            func => *func,
        };
        let declared = all_aggregates().find(|a| a.func == unspecialized);
        f.write_str(declared.map_or("aggregate", |a| a.name))
    }
}
