//! Event time: a stream's `rowtime`, and windows of it.
//!
//! `rowtime` is a column that `*` does not name, computed from the column that the stream's TIMESTAMP names. The clause `WINDOW TUMBLING` or
//! `HOPPING` puts each row into the windows that its rowtime lies in: [start, end), aligned to the epoch. The windows' bounds are
//! two more columns of FROM's row, by which it is grouped besides, so that a windowed result is a relation like others.

use super::coerce::{Cast, Typed};
use super::expr::operator;
use super::scope::{Found, Scope, ScopeColumn};
use super::{Binder, literal};
use crate::ast::{self, SelectItem, TimeWindow, TimeWindowKind};
use crate::catalog::Stream;
use crate::error::{Error, SqlState};
use crate::hir::{Expr, Rel};
use crate::repr::{ColumnType, Datum, Interval, Type};
use crate::scalar::TableFunc;

const ROWTIME: &str = "rowtime";
/// The columns that a window adds.
const BOUNDS: [&str; 2] = ["window_start", "window_end"];
/// The most hopping windows that one row may lie in.
const WINDOWS_MAX: i64 = 10_000;

impl Binder<'_> {
    /// A stream with its rowtime behind its columns, unless it has none or a column is called so.
    pub(super) fn with_rowtime(
        &mut self,
        rel: Rel,
        mut scope: Scope,
        stream: &Stream,
        position: u32,
    ) -> Result<(Rel, Scope), Error> {
        let Some(column) = stream.timestamp else { return Ok((rel, scope)) };
        if stream.columns.iter().any(|column| column.name == ROWTIME) {
            return Ok((rel, scope));
        }
        let typ = stream.columns[column].typ.clone();
        let value = Expr::column(column, typ.clone());
        let rowtime = match typ.typ {
            Type::Int8 => self.of_milliseconds(value, position)?,
            _ => value,
        };
        scope.hide_column(ROWTIME, rowtime.column_type());
        Ok((Rel::Map { input: Box::new(rel), exprs: vec![rowtime] }, scope))
    }

    /// A timestamptz of milliseconds since the epoch.
    fn of_milliseconds(&mut self, value: Expr, position: u32) -> Result<Expr, Error> {
        let typed = |expr| Typed { expr, position };
        let thousand = literal(Datum::Float(1000.0), Type::Float8);
        let value = self.coerce(typed(value), &Type::Float8, Cast::Implicit)?;
        let seconds = self.bind_operator(&operator("/", position), vec![typed(value), typed(thousand)])?;
        self.bind_named_call("to_timestamp", vec![typed(seconds)], position)
    }

    /// Whether a column of a stream's rows is the time of their events, as they come.
    pub(super) fn is_event_time(&self, rel: &Rel, column: usize) -> bool {
        match rel {
            Rel::Project { input, outputs } => self.is_event_time(input, outputs[column]),
            Rel::Filter { input, .. } => self.is_event_time(input, column),
            Rel::Changes { input } => column < input.arity() && self.is_event_time(input, column),
            Rel::Lookup { input, .. } => column < input.arity() && self.is_event_time(input, column),
            Rel::Map { input, exprs } => match (column.checked_sub(input.arity()), &**input) {
                (None, _) => self.is_event_time(input, column),
                // What `with_rowtime` has put there.
                (Some(0), Rel::Get { .. } | Rel::Changes { .. }) => true,
                (Some(at), _) => match &exprs[at] {
                    Expr::Column(reference, _) if reference.level == 0 => {
                        self.is_event_time(input, reference.column)
                    }
                    _ => false,
                },
            },
            Rel::Get { id, .. } => self.catalog.item(*id).is_some_and(|item| match &item.kind {
                crate::catalog::Kind::Stream(stream) => stream.timestamp == Some(column),
                _ => false,
            }),
            _ => false,
        }
    }

    /// Each row with the bounds of a window that it lies in, once for each of these.
    pub(super) fn assign_windows(
        &mut self,
        rel: Rel,
        mut scope: Scope,
        window: &TimeWindow,
    ) -> Result<(Rel, Scope), Error> {
        let position = window.position;
        let (rowtime, typ) = find_rowtime(&scope, position)?;
        let Shape { size, advance } = Shape::of(window)?;
        let typed = |expr| Typed { expr, position };
        let column = |at: usize, typ: &ColumnType| Expr::column(at, typ.clone());
        let span =
            |micros| literal(Datum::Interval(Interval { months: 0, days: 0, micros }), Type::Interval(None));
        let time = column(rowtime, &typ);
        let epoch = match typ.typ {
            Type::TimestampTz(_) => literal(Datum::TimestampTz(EPOCH), typ.typ.without_typmod()),
            _ => literal(Datum::Timestamp(EPOCH), typ.typ.without_typmod()),
        };
        // An event whose time is not known lies in no window.
        let mut rel =
            Rel::Filter { input: Box::new(rel), predicates: vec![Expr::not(time.clone().is_null())] };
        let args = vec![typed(span(advance)), typed(time.clone()), typed(epoch)];
        let mut start = self.bind_named_call("date_bin", args, position)?;
        let count = windows_of_a_row(size, advance);
        if count > 1 {
            let number = ColumnType::new(Type::Int8, false);
            let at = rel.arity();
            let func = TableFunc::by_id("generate_series Int8 Int8").expect("invariant: it is declared");
            let bound = |value: i64| literal(Datum::Int(value), Type::Int8);
            let args = vec![bound(0), bound(count - 1)];
            rel = Rel::FlatMap { input: Box::new(rel), func, args, types: vec![number.clone()] };
            scope.columns.push(ScopeColumn {
                bare: false,
                hidden: true,
                ..ScopeColumn::named("", number.clone())
            });
            let back = vec![typed(span(advance)), typed(column(at, &number))];
            let back = self.bind_operator(&operator("*", position), back)?;
            start = self.bind_operator(&operator("-", position), vec![typed(start), typed(back)])?;
        }
        let bound = ColumnType::new(typ.typ.without_typmod(), false);
        rel = Rel::Map { input: Box::new(rel), exprs: vec![start] };
        let first = column(rel.arity() - 1, &bound);
        let end = self.bind_operator(&operator("+", position), vec![typed(first), typed(span(size))])?;
        rel = Rel::Map { input: Box::new(rel), exprs: vec![end] };
        if count * advance != size {
            let end = column(rel.arity() - 1, &bound);
            let inside = self.bind_operator(&operator("<", position), vec![typed(time), typed(end)])?;
            rel = Rel::Filter { input: Box::new(rel), predicates: vec![inside] };
        }
        scope.columns.extend(
            BOUNDS.map(|name| ScopeColumn { hidden: true, ..ScopeColumn::named(name, bound.clone()) }),
        );
        Ok((rel, scope))
    }
}

/// 1970-01-01 in microseconds since 2000-01-01.
const EPOCH: i64 = -946_684_800_000_000;

/// The one column of FROM's row that is called rowtime.
fn find_rowtime(scope: &Scope, position: u32) -> Result<(usize, ColumnType), Error> {
    let name = ast::Name { parts: vec![ast::Ident { name: ROWTIME.to_owned(), position }] };
    let column = match scope.find(&name) {
        Found::Column(column) => column,
        Found::Ambiguous => {
            return Err(super::scope::ambiguous_column(&name)
                .hint("A window is of one stream's rowtime: join what has been windowed."));
        }
        Found::NoColumn | Found::Nothing => {
            let message = "WINDOW needs a stream that says when its events were";
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message)
                .hint("CREATE STREAM … WITH (TIMESTAMP = 'column') gives it a rowtime.")
                .at(position));
        }
    };
    let typ = scope.columns[column].typ.clone();
    match typ.typ {
        Type::Timestamp(_) | Type::TimestampTz(_) => Ok((column, typ)),
        _ => {
            let message = format!("rowtime must be a timestamp, not {}", typ.typ.name());
            Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position))
        }
    }
}

/// How long windows are and how far apart they start, in microseconds.
struct Shape {
    size: i64,
    advance: i64,
}

impl Shape {
    fn of(window: &TimeWindow) -> Result<Shape, Error> {
        let (kind, words) = match window.kind {
            TimeWindowKind::Tumbling => ("TUMBLING", &["size"][..]),
            TimeWindowKind::Hopping => ("HOPPING", &["size", "advance by"][..]),
            TimeWindowKind::Session | TimeWindowKind::Cumulating => {
                return Err(Error::unsupported("WINDOW SESSION and CUMULATING are not supported")
                    .hint("WINDOW takes TUMBLING (SIZE …) and HOPPING (SIZE …, ADVANCE BY …).")
                    .at(window.position));
            }
        };
        let mut lengths = Vec::new();
        for arg in &window.args {
            if matches!(arg.name.as_str(), "grace period" | "retention") {
                let message = format!("{} is not supported", arg.name.to_uppercase());
                return Err(Error::unsupported(message)
                    .hint("Leave it out: late rows revise their windows, and all windows are kept.")
                    .at(arg.position));
            }
            if !words.contains(&arg.name.as_str()) {
                let message = format!("WINDOW {kind} takes {}", words.join(" and ").to_uppercase());
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(arg.position));
            }
            lengths.push((arg.name.as_str(), micros(&arg.value)?));
        }
        let length = |word: &str| match lengths.iter().filter(|(name, _)| *name == word).collect::<Vec<_>>()[..]
        {
            [(_, length)] => Ok(*length),
            _ => {
                let message = format!("WINDOW {kind} takes one {}", word.to_uppercase());
                Err(Error::new(SqlState::SYNTAX_ERROR, message).at(window.position))
            }
        };
        let size = length("size")?;
        let advance = if words.len() > 1 { length("advance by")? } else { size };
        if windows_of_a_row(size, advance) > WINDOWS_MAX {
            let message = format!("a row would lie in more than {WINDOWS_MAX} windows");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message).at(window.position));
        }
        Ok(Shape { size, advance })
    }
}

/// In how many windows a row lies at most: the size over the advance, rounded up. Both are greater than zero.
fn windows_of_a_row(size: i64, advance: i64) -> i64 {
    (size - 1) / advance + 1
}

/// A length of time that is the same everywhere in the calendar.
fn micros(span: &ast::Span) -> Result<i64, Error> {
    let unit: u64 = match span.unit.name.trim_end_matches('s') {
        "millisecond" => 1_000,
        "second" => 1_000_000,
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        "day" => 86_400_000_000,
        "week" => 604_800_000_000,
        _ => {
            return Err(Error::unsupported("windows of months and years are not supported")
                .hint("GROUP BY date_trunc('month', rowtime) makes windows of calendar months.")
                .at(span.unit.position));
        }
    };
    let micros = span.count.checked_mul(unit).and_then(|micros| i64::try_from(micros).ok());
    match micros {
        Some(micros @ 1..) => Ok(micros),
        _ => {
            let message = "the length of a window must be greater than zero and less than 292,000 years";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(span.unit.position))
        }
    }
}

/// A windowed result says which window each row is of.
pub(super) fn name_bounds(items: &mut Vec<SelectItem>) {
    for bound in BOUNDS {
        let named = |item: &SelectItem| match item {
            SelectItem::Expr { expr, .. } => match &expr.kind {
                ast::ExprKind::Column(name) => name.last().name == bound,
                _ => false,
            },
            _ => false,
        };
        if !items.iter().any(named) {
            let position = items.last().map_or(0, |item| match item {
                SelectItem::Expr { expr, .. } => expr.start(),
                _ => 0,
            });
            let name = ast::Name { parts: vec![ast::Ident { name: bound.to_owned(), position }] };
            let expr = ast::Expr::new(ast::ExprKind::Column(name), position);
            items.push(SelectItem::Expr { expr, alias: None });
        }
    }
}

/// The bounds among the columns of FROM's row: the last two.
pub(super) fn window_bounds(scope: &Scope) -> Vec<Expr> {
    let first = scope.columns.len() - BOUNDS.len();
    (first..scope.columns.len()).map(|at| Expr::column(at, scope.columns[at].typ.clone())).collect()
}
