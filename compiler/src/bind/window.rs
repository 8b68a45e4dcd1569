//! Window calls: what their windows are, what they mean, and the column beside each row that they become.
//!
//! A window's partition, order and frame are bound in the row that the select list stands in: aggregates in them are of the group, and
//! a window is of the rows that grouping leaves. Calls over one partition and order are computed together.

use super::aggregate::is_aggregate;
use super::coerce::{Cast, Typed};
use super::expr::operator;
use super::function::{Resolved, no_function};
use super::scope::{Clause, InWindow, WINDOWS};
use super::select::Parts;
use super::{Binder, literal};
use crate::ast;
use crate::error::{Error, SqlState};
use crate::hir::{ColumnRef, Expr, OrderKey, Rel, WindowCall};
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar::window::{
    Bound, Exclude, Frame, FrameUnits, Offset, RangeValue, WindowFunc, WindowFunction, window_functions_named,
};
use crate::scalar::{self, special};

/// The windows of one SELECT.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// By the names of the WINDOW clause.
    named: Vec<(String, Definition)>,
    /// Each partition and order, with the calls over it.
    specs: Vec<Spec>,
    /// Of each call, its spec and its place there.
    calls: Vec<(usize, usize)>,
}

/// What stands in the parentheses after OVER, or what a name there means.
#[derive(Clone, Debug)]
struct Definition {
    partition: Vec<Expr>,
    order: Vec<OrderKey>,
    frame: Frame<Expr>,
    /// A frame clause was written.
    has_frame: bool,
}

#[derive(Debug)]
struct Spec {
    partition: Vec<Expr>,
    order: Vec<OrderKey>,
    calls: Vec<WindowCall>,
}

impl Windows {
    pub(super) fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.specs.iter_mut().flat_map(|spec| {
            let order = spec.order.iter_mut().map(|key| &mut key.expr);
            spec.partition
                .iter_mut()
                .chain(order)
                .chain(spec.calls.iter_mut().flat_map(WindowCall::exprs_mut))
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The call's column, from [`WINDOWS`] on. Equal calls are one.
    fn column_of(&mut self, definition: Definition, call: WindowCall) -> usize {
        let Definition { partition, order, .. } = definition;
        let same = |spec: &Spec| spec.partition == partition && spec.order == order;
        let spec = self.specs.iter().position(same).unwrap_or_else(|| {
            self.specs.push(Spec { partition, order, calls: Vec::new() });
            self.specs.len() - 1
        });
        let calls = &mut self.specs[spec].calls;
        let place = calls.iter().position(|other| *other == call).unwrap_or_else(|| {
            calls.push(call);
            calls.len() - 1
        });
        let number = self.calls.iter().position(|known| *known == (spec, place)).unwrap_or_else(|| {
            self.calls.push((spec, place));
            self.calls.len() - 1
        });
        WINDOWS + number
    }
}

/// The relation with a column for each window call; expressions come to name these columns.
pub(super) fn expand_windows(mut rel: Rel, windows: Windows, parts: &mut Parts) -> Rel {
    let mut firsts = Vec::with_capacity(windows.specs.len());
    for Spec { partition, order, calls } in windows.specs {
        firsts.push(rel.arity());
        rel = Rel::Window { input: Box::new(rel), partition, order, functions: calls };
    }
    let columns: Vec<usize> = windows.calls.iter().map(|(spec, place)| firsts[*spec] + place).collect();
    for expr in parts.above_groups() {
        expr.for_each_column_mut(0, &mut |depth, reference| {
            let number = reference.column.wrapping_sub(WINDOWS);
            if reference.level == depth && number < columns.len() {
                reference.column = columns[number];
            }
        });
    }
    rel
}

impl Binder<'_> {
    /// The WINDOW clause. What it defines is bound whether a call names it or not.
    pub(super) fn bind_named_windows(&mut self, named: &mut [ast::NamedWindow]) -> Result<(), Error> {
        for ast::NamedWindow { name, window } in named {
            if self.frame().windows.named.iter().any(|(other, _)| *other == name.name) {
                let message = format!("window \"{}\" is already defined", name.name);
                return Err(Error::new(SqlState::WINDOWING_ERROR, message).at(window.position));
            }
            let definition = self.bind_window(window, true)?;
            self.frame().windows.named.push((name.name.clone(), definition));
        }
        Ok(())
    }

    /// `name(args) [FILTER (..)] OVER ..`.
    pub(super) fn bind_window_call(
        &mut self,
        name: &str,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<Expr, Error> {
        self.check_window_place().map_err(|error| error.at(position))?;
        refuse_call_clauses(name, call).map_err(|error| error.at(position))?;
        let around = self.frame().in_window.replace(InWindow::Arguments);
        let bound = self.bind_window_function(name, call, position);
        self.frame().in_window = around;
        let (func, args, filter, typ) = bound?;
        let over = call.over.as_mut().expect("invariant: only calls with OVER are bound here");
        let definition = match over {
            ast::Over::Named(name) => self.named_window(name)?,
            ast::Over::Window(window) => self.bind_window(window, false)?,
        };
        // Calls that look at their partition only are the same whatever the frame.
        let frame = if func.uses_frame() { definition.frame.clone() } else { Frame::default_frame() };
        let call = WindowCall { func, args, filter, frame, typ: typ.clone() };
        let column = self.frame().windows.column_of(definition, call);
        Ok(Expr::Column(ColumnRef { level: 0, column }, typ))
    }

    fn check_window_place(&mut self) -> Result<(), Error> {
        let frame = self.frame();
        let windowing = |message: String| Err(Error::new(SqlState::WINDOWING_ERROR, message));
        if frame.in_aggregate {
            let message = "aggregate function calls cannot contain window function calls";
            return Err(Error::new(SqlState::GROUPING_ERROR, message));
        }
        match frame.in_window {
            Some(InWindow::Arguments) => windowing("window function calls cannot be nested".to_owned()),
            Some(InWindow::Definition) => {
                windowing("window functions are not allowed in window definitions".to_owned())
            }
            None if frame.clause.takes_windows() => Ok(()),
            None => windowing(format!("window functions are not allowed in {}", frame.clause.name())),
        }
    }

    /// The function, its arguments, its filter and its result.
    fn bind_window_function(
        &mut self,
        name: &str,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<(WindowFunc, Vec<Expr>, Option<Expr>, ColumnType), Error> {
        if is_aggregate(name) {
            let aggregate = self.bind_aggregate_inputs(name, call, position)?;
            let func = WindowFunc::Aggregate(aggregate.func);
            return Ok((func, aggregate.args, aggregate.filter, aggregate.typ));
        }
        let mut args = self.bind_args(call)?;
        let candidates: Vec<&'static WindowFunction> =
            window_functions_named(name).filter(|f| f.args.len() == args.len()).collect();
        // The value and what stands for it outside of the partition are brought to one type.
        if matches!(name, "lag" | "lead")
            && let [value, _, default] = &args[..]
        {
            let types = [value, default].map(|arg| arg.expr.typ());
            let Some(common) = self.common_type(types.to_vec()) else {
                let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
                return Err(no_function(name, &types).at(position));
            };
            for at in [0, 2] {
                let expr = self.coerce(args[at].clone(), &common, Cast::Implicit)?;
                args[at].expr = expr;
            }
        }
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        let Resolved::One(found) = self.resolve(&candidates, &types, false) else {
            return Err(no_function(name, &types).at(position));
        };
        let args = self.coerce_args(found, args)?;
        let types: Vec<Type> = args.iter().map(Expr::typ).collect();
        let typ = ColumnType::new(found.func.result_type(&types), found.func.maybe_null());
        Ok((found.func, args, None, typ))
    }

    fn named_window(&mut self, name: &ast::Ident) -> Result<Definition, Error> {
        let named = &self.frame().windows.named;
        match named.iter().find(|(other, _)| *other == name.name) {
            Some((_, definition)) => Ok(definition.clone()),
            None => {
                let message = format!("window \"{}\" does not exist", name.name);
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position))
            }
        }
    }

    fn bind_window(&mut self, window: &mut ast::Window, has_name: bool) -> Result<Definition, Error> {
        let around = self.frame().in_window.replace(InWindow::Definition);
        let bound = self.window_of(window, has_name);
        self.frame().in_window = around;
        bound
    }

    fn window_of(&mut self, window: &mut ast::Window, has_name: bool) -> Result<Definition, Error> {
        let ast::Window { base, partition_by, order_by, frame, position } = window;
        let position = *position;
        let refused = |message: String| Err(Error::new(SqlState::WINDOWING_ERROR, message).at(position));
        let inherited = match base {
            Some(base) => Some((base.name.clone(), self.named_window(base)?)),
            None => None,
        };
        let mut partition = Vec::with_capacity(partition_by.len());
        for expr in partition_by.iter_mut() {
            let position = expr.start();
            let bound = self.bind_expr(expr)?;
            partition.push(self.settle(Typed { expr: bound, position })?);
        }
        let mut order = self.bind_aggregate_order(order_by)?;
        if let Some((base, definition)) = inherited {
            if !partition.is_empty() {
                return refused(format!("cannot override PARTITION BY clause of window \"{base}\""));
            }
            if !order.is_empty() && !definition.order.is_empty() {
                return refused(format!("cannot override ORDER BY clause of window \"{base}\""));
            }
            if definition.has_frame {
                let message = format!("cannot copy window \"{base}\" because it has a frame clause");
                let error = Error::new(SqlState::WINDOWING_ERROR, message).at(position);
                return Err(match has_name || !order.is_empty() || frame.is_some() {
                    true => error,
                    false => error.hint("Omit the parentheses in this OVER clause."),
                });
            }
            partition = definition.partition;
            if order.is_empty() {
                order = definition.order;
            }
        }
        let has_frame = frame.is_some();
        let frame = match frame {
            Some(frame) => self.bind_frame(frame, &order).map_err(|error| error.at(position))?,
            None => Frame::default_frame(),
        };
        Ok(Definition { partition, order, frame, has_frame })
    }

    fn bind_frame(&mut self, frame: &mut ast::Frame, order: &[OrderKey]) -> Result<Frame<Expr>, Error> {
        let units = match frame.unit {
            ast::FrameUnit::Rows => FrameUnits::Rows,
            ast::FrameUnit::Range => FrameUnits::Range,
            ast::FrameUnit::Groups => FrameUnits::Groups,
        };
        let windowing = |message: &str| Err(Error::new(SqlState::WINDOWING_ERROR, message));
        let has_offset =
            |bound: &ast::Bound| matches!(bound, ast::Bound::Preceding(_) | ast::Bound::Following(_));
        let with_offset = has_offset(&frame.start) || frame.end.as_ref().is_some_and(has_offset);
        let by_value = units == FrameUnits::Range && with_offset;
        if units == FrameUnits::Groups && order.is_empty() {
            return windowing("GROUPS mode requires an ORDER BY clause");
        }
        let value = match order {
            _ if !by_value => None,
            [key] => Some(key),
            _ => {
                return windowing(
                    "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                );
            }
        };
        let start = self.bind_bound(&mut frame.start, units, value, true)?;
        let end = match &mut frame.end {
            Some(end) => self.bind_bound(end, units, value, false)?,
            None => Bound::CurrentRow,
        };
        let exclude = match frame.exclude {
            None | Some(ast::Exclude::NoOthers) => Exclude::NoOthers,
            Some(ast::Exclude::CurrentRow) => Exclude::CurrentRow,
            Some(ast::Exclude::Group) => Exclude::Group,
            Some(ast::Exclude::Ties) => Exclude::Ties,
        };
        let value = match value {
            None => None,
            Some(key) => Some(RangeValue {
                expr: self.compared_value(key)?,
                desc: key.descending,
                nulls_first: key.nulls_first,
            }),
        };
        Ok(Frame { units, start, end, exclude, value })
    }

    fn bind_bound(
        &mut self,
        bound: &mut ast::Bound,
        units: FrameUnits,
        value: Option<&OrderKey>,
        is_start: bool,
    ) -> Result<Bound<Expr>, Error> {
        let (expr, preceding) = match bound {
            ast::Bound::UnboundedPreceding => return Ok(Bound::UnboundedPreceding),
            ast::Bound::CurrentRow => return Ok(Bound::CurrentRow),
            ast::Bound::UnboundedFollowing => return Ok(Bound::UnboundedFollowing),
            ast::Bound::Preceding(expr) => (expr, true),
            ast::Bound::Following(expr) => (expr, false),
        };
        let clause = match units {
            FrameUnits::Rows => Clause::FrameRows,
            FrameUnits::Range => Clause::FrameRange,
            FrameUnits::Groups => Clause::FrameGroups,
        };
        let size = self.bind_offset(expr, clause)?;
        let offset = match value {
            Some(key) => self.range_offset(key, size, preceding, is_start)?,
            None => {
                let what = clause.name().trim_start_matches("window ");
                let from = size.expr.typ();
                if from != Type::Unknown && !self.can_coerce(&from, &Type::Int8, Cast::Assignment) {
                    let message = format!("argument of {what} must be type bigint, not type {from}");
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(size.position));
                }
                let size = self.coerce(size, &Type::Int8, Cast::Assignment)?;
                Offset { size, limit: None, invalid: None }
            }
        };
        Ok(if preceding { Bound::Preceding(offset) } else { Bound::Following(offset) })
    }

    /// An expression that is the same for all rows.
    fn bind_offset(&mut self, expr: &mut ast::Expr, clause: Clause) -> Result<Typed, Error> {
        let position = expr.start();
        let bound = self.bind_without_columns(expr, clause)?;
        let mut reads_row = false;
        bound.for_each_column(0, &mut |depth, reference| reads_row |= reference.level == depth + 1);
        if reads_row {
            let what = clause.name().trim_start_matches("window ");
            let message = format!("argument of {what} must not contain variables");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
        }
        if bound.to_scalar(&mut |_| None).is_none() {
            return Err(Error::unsupported(
                "a frame's offset that is a subquery or reads an outer query is not supported",
            )
            .hint("Write the number, or use a parameter.")
            .at(position));
        }
        Ok(Typed { expr: bound, position })
    }

    /// How far RANGE reaches: PostgreSQL's `in_range` support functions.
    fn range_offset(
        &mut self,
        key: &OrderKey,
        size: Typed,
        preceding: bool,
        is_start: bool,
    ) -> Result<Offset<Expr>, Error> {
        let position = size.position;
        let of = key.expr.typ().without_typmod();
        let distance = match of {
            Type::Int2 | Type::Int4 | Type::Int8 if size.expr.typ() == Type::Unknown => of.clone(),
            Type::Int2 | Type::Int4 | Type::Int8 => Type::Int8,
            Type::Float4 | Type::Float8 => Type::Float8,
            Type::Numeric(_) => Type::Numeric(None),
            Type::Date | Type::Timestamp(_) | Type::TimestampTz(_) | Type::Interval(_) => {
                Type::Interval(None)
            }
            _ => {
                let message =
                    format!("RANGE with offset PRECEDING/FOLLOWING is not supported for column type {of}");
                return Err(Error::unsupported(message).at(position));
            }
        };
        let from = size.expr.typ();
        if from != Type::Unknown && !self.can_coerce(&from, &distance, Cast::Implicit) {
            let message = format!(
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {of} and offset type {from}"
            );
            return Err(Error::unsupported(message)
                .hint("Cast the offset value to an appropriate type.")
                .at(position));
        }
        let size = Typed { expr: self.coerce(size, &distance, Cast::Implicit)?, position };
        let subtract = preceding != key.descending;
        let from_least = is_start != key.descending;
        let value = Typed { expr: self.compared_value(key)?, position };
        let limit = match value.expr.typ() {
            Type::Numeric(_) => {
                let size = self.coerce(size.clone(), &Type::Numeric(None), Cast::Implicit)?;
                range_limit(special::range_limit_numeric(), value.expr, size, subtract, from_least)
            }
            Type::Float8 => {
                range_limit(special::range_limit_float(), value.expr, size.expr.clone(), subtract, from_least)
            }
            _ => {
                let symbol = if subtract { "-" } else { "+" };
                self.bind_operator(&operator(symbol, position), vec![value, size.clone()])?
            }
        };
        let invalid = self.is_no_distance(size.clone(), &distance)?;
        Ok(Offset { size: size.expr, limit: Some(limit), invalid: Some(invalid) })
    }

    /// The value that RANGE's limits are compared with: one whose type cannot overflow by the distance, and holds it.
    fn compared_value(&mut self, key: &OrderKey) -> Result<Expr, Error> {
        let wider = match key.expr.typ() {
            Type::Int2 | Type::Int4 | Type::Int8 => Type::Numeric(None),
            Type::Float4 => Type::Float8,
            Type::Date => Type::Timestamp(None),
            _ => return Ok(key.expr.clone()),
        };
        self.coerce(Typed { expr: key.expr.clone(), position: 0 }, &wider, Cast::Implicit)
    }

    /// Whether a distance is below zero, or not a number.
    fn is_no_distance(&mut self, size: Typed, typ: &Type) -> Result<Expr, Error> {
        let position = size.position;
        let constant = |text: &str, binder: &mut Self| {
            let expr = literal(Datum::Text(text), Type::Unknown);
            let expr = binder.coerce(Typed { expr, position }, typ, Cast::Implicit)?;
            Ok::<_, Error>(Typed { expr, position })
        };
        let zero = constant("0", self)?;
        let below = self.bind_operator(&operator("<", position), vec![size.clone(), zero])?;
        if !matches!(typ, Type::Float8 | Type::Numeric(_)) {
            return Ok(below);
        }
        let nan = constant("NaN", self)?;
        let is_nan = self.bind_operator(&operator("=", position), vec![size, nan])?;
        Ok(Expr::Or(vec![below, is_nan]))
    }
}

fn range_limit(func: scalar::Func, value: Expr, size: Expr, subtract: bool, from_least: bool) -> Expr {
    let typ = value.typ().without_typmod();
    Expr::Call { func, args: vec![value, size, Expr::bool(subtract), Expr::bool(from_least)], typ }
}

/// What PostgreSQL does not do with windows either.
fn refuse_call_clauses(name: &str, call: &ast::Call) -> Result<(), Error> {
    let is_window_function = window_functions_named(name).next().is_some();
    let is_aggregate = scalar::aggregates_named(name).next().is_some();
    if !is_window_function && !is_aggregate {
        if scalar::functions_named(name).is_empty() {
            return Ok(());
        }
        let message =
            format!("OVER specified, but {name} is not a window function nor an aggregate function");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    let refused = if call.distinct {
        "DISTINCT is not implemented for window functions".to_owned()
    } else if !call.within_group.is_empty() {
        format!("OVER is not supported for ordered-set aggregate {name}")
    } else if !call.order_by.is_empty() {
        "aggregate ORDER BY is not implemented for window functions".to_owned()
    } else if call.filter.is_some() && !is_aggregate {
        "FILTER is not implemented for non-aggregate window functions".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::unsupported(refused))
}
