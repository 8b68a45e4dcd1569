//! Set-returning calls of a select list.
//!
//! The column of one call is appended to each row's. Several advance together, and one that has ended is NULL until the longest
//! has: rows are numbered up to the longest, and each call is an expression of the row's number. That needs calls whose
//! length and n-th value can be said: `unnest`, `generate_subscripts`, `generate_series` of integers by ones.

use super::coerce::{Cast, Typed};
use super::scope::{SETS, TableCall};
use super::select::Parts;
use super::{Binder, literal};
use crate::error::Error;
use crate::hir::EFFECTS;
use crate::hir::{Expr, Rel};
use crate::repr::{ColumnType, Datum, Type};

/// A set-returning call as a function of the row's number, which counts from 1.
struct Numbered {
    length: Expr,
    /// Over the input's columns and the number.
    value: Expr,
}

/// What [`Binder::numbered_rows`] makes.
pub(super) struct NumberedRows {
    pub rel: Rel,
    /// The column of the first call's values; the number stands before it.
    pub first: usize,
}

impl Binder<'_> {
    pub(super) fn expand_sets(
        &mut self,
        rel: Rel,
        mut calls: Vec<TableCall>,
        parts: &mut Parts,
    ) -> Result<Rel, Error> {
        if calls.len() == 1 {
            let call = calls.remove(0);
            place_sets(parts, rel.arity());
            return Ok(Rel::FlatMap {
                input: Box::new(rel),
                func: call.func,
                args: call.args,
                types: call.types,
            });
        }
        let rel = self.numbered_rows(rel, calls)?;
        // Below the values stands the number.
        place_sets(parts, rel.first);
        Ok(rel.rel)
    }

    /// Rows that several calls give together, numbered from 1: the input's columns, the number, the calls' values.
    pub(super) fn numbered_rows(&mut self, rel: Rel, calls: Vec<TableCall>) -> Result<NumberedRows, Error> {
        let number = Expr::column(rel.arity(), ColumnType::new(Type::Int4, false));
        let numbered = calls.into_iter().map(|call| self.numbered(call, &number));
        let numbered = numbered.collect::<Result<Vec<_>, _>>()?;
        let (lengths, values): (Vec<Expr>, Vec<Expr>) =
            numbered.into_iter().map(|call| (call.length, call.value)).unzip();
        let longest = Expr::Call {
            func: self.known("greatest", "several set-returning functions", 0)?,
            args: lengths,
            typ: Type::Int4,
        };
        let args = vec![typed(int(1)), typed(longest)];
        let series = self.resolve_table_function("generate_series", args, 0)?;
        let rel = Rel::FlatMap {
            input: Box::new(rel),
            func: series.func,
            args: series.args,
            types: vec![ColumnType::new(Type::Int4, false)],
        };
        let first = rel.arity();
        Ok(NumberedRows { rel: Rel::Map { input: Box::new(rel), exprs: values }, first })
    }

    fn numbered(&mut self, call: TableCall, number: &Expr) -> Result<Numbered, Error> {
        let position = 0;
        let number = typed(number.clone());
        let args: Vec<Typed> = call.args.into_iter().map(typed).collect();
        match (call.func.name, &args[..]) {
            ("unnest", [array]) => {
                let length = self.bind_named_call("cardinality", vec![array.clone()], position)?;
                let nth = self.known("element AnyArray Int4", "unnest", position)?;
                let value = self.apply(nth, vec![array.clone(), number], position)?;
                Ok(Numbered { length, value })
            }
            ("generate_subscripts", [array, dimension]) => {
                let of = vec![array.clone(), dimension.clone()];
                let length = self.bind_named_call("array_length", of.clone(), position)?;
                let lower = self.bind_named_call("array_lower", of, position)?;
                self.counted(length, lower, number)
            }
            ("generate_series", [first, last]) if first.expr.typ().is_integer() => {
                let distance = self.operate("-", last.clone(), first.clone())?;
                let length = self.operate("+", typed(distance), typed(int(1)))?;
                let length = self.coerce(typed(length), &Type::Int4, Cast::Assignment)?;
                self.counted(length, first.expr.clone(), number)
            }
            (name, _) => {
                let message = format!("{name}() beside another set-returning function is not supported");
                Err(Error::unsupported(message).hint("Call it in FROM."))
            }
        }
    }

    /// The integers from `first` on, so many of them.
    fn counted(&mut self, length: Expr, first: Expr, number: Typed) -> Result<Numbered, Error> {
        let typ = first.typ();
        let within = self.operate("<=", number.clone(), typed(length.clone()))?;
        let after = self.operate("-", number, typed(int(1)))?;
        let value = self.operate("+", typed(first), typed(after))?;
        Ok(Numbered { length, value: Expr::if_then_else(within, value, Expr::null(typ)) })
    }

    fn operate(&mut self, symbol: &str, left: Typed, right: Typed) -> Result<Expr, Error> {
        self.bind_operator(&super::expr::operator(symbol, 0), vec![left, right])
    }
}

/// Expressions that name set-returning calls come to name the columns from `first` on.
fn place_sets(parts: &mut Parts, first: usize) {
    for expr in parts.above_groups() {
        expr.for_each_column_mut(0, &mut |depth, reference| {
            if reference.level == depth && (SETS..EFFECTS).contains(&reference.column) {
                reference.column = first + reference.column - SETS;
            }
        });
    }
}

fn typed(expr: Expr) -> Typed {
    Typed { expr, position: 0 }
}

fn int(value: i64) -> Expr {
    literal(Datum::Int(value), Type::Int4)
}
