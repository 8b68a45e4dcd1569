//! Subqueries as values and as conditions: scalar, ARRAY, IN, ANY and ALL.
//!
//! All conditions become EXISTS of a filtered subquery, whose NULLs are asked for by further EXISTS only where they matter; the
//! relations that come after know one kind of condition.

use super::Binder;
use super::coerce::{Cast, Typed};
use super::expr::unknown;
use crate::ast::{self, ExprKind};
use crate::error::{Error, SqlState};
use crate::hir::{Expr, Rel};
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar::{Nulls, Syntax, operators_named, special};

impl Binder<'_> {
    /// A subquery's relation, with exactly the columns of its select list, and their names.
    pub(super) fn bind_nested(&mut self, query: &mut ast::Query) -> Result<(Rel, Vec<String>), Error> {
        let base = std::mem::replace(&mut self.from_base, self.frames.len());
        let bound = self.bind_query(query);
        self.from_base = base;
        let mut bound = bound?;
        self.settle_columns(&mut bound)?;
        let names = bound.names.clone();
        Ok((bound.into_rel(), names))
    }

    fn bind_single_column(
        &mut self,
        query: &mut ast::Query,
        position: u32,
    ) -> Result<(Rel, ColumnType), Error> {
        let (rel, _) = self.bind_nested(query)?;
        match rel.types().as_slice() {
            [typ] => {
                let typ = typ.clone();
                Ok((rel, typ))
            }
            _ => Err(Error::new(SqlState::SYNTAX_ERROR, "subquery must return only one column").at(position)),
        }
    }

    pub(super) fn bind_scalar_subquery(
        &mut self,
        query: &mut ast::Query,
        position: u32,
    ) -> Result<Expr, Error> {
        let (rel, typ) = self.bind_single_column(query, position)?;
        Ok(Expr::Scalar(Box::new(rel), ColumnType::new(typ.typ, true)))
    }

    pub(super) fn bind_array_subquery(
        &mut self,
        query: &mut ast::Query,
        position: u32,
    ) -> Result<Expr, Error> {
        let base = std::mem::replace(&mut self.from_base, self.frames.len());
        let bound = self.bind_query(query);
        self.from_base = base;
        let mut bound = bound?;
        self.settle_columns(&mut bound)?;
        let [column] = bound.project[..] else {
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, "subquery must return only one column").at(position)
            );
        };
        let order = std::mem::take(&mut bound.order);
        if bound.limit.is_some() || bound.offset.is_some() {
            bound.rel = Rel::TopK {
                input: Box::new(bound.rel),
                group: Vec::new(),
                order: order.clone(),
                limit: bound.limit.take(),
                offset: bound.offset.take(),
                ties: false,
            };
        }
        let types = bound.rel.types();
        let argument = Expr::column(column, types[column].clone());
        let aggregate = self.array_aggregate(argument, &order, &types);
        let typ = aggregate.typ.clone();
        let rel = Rel::Reduce {
            input: Box::new(bound.rel),
            key: Vec::new(),
            aggregates: vec![aggregate],
            global: true,
        };
        let empty = Typed { expr: unknown("{}"), position };
        let empty = self.coerce(empty, &typ.typ, Cast::Explicit)?;
        Ok(Expr::Coalesce(vec![Expr::Scalar(Box::new(rel), typ), empty]))
    }

    /// `left op ANY (query)` is true if some row compares so, else NULL if the comparison with some row is, else false; ALL is
    /// the negation of ANY with the negated comparison.
    pub(super) fn bind_quantified_query(
        &mut self,
        left: &mut ast::Expr,
        op: &ast::Operator,
        quantifier: ast::Quantifier,
        query: &mut ast::Query,
    ) -> Result<Expr, Error> {
        let left = match &mut left.kind {
            ExprKind::Row(fields) => self.bind_all(fields)?,
            _ => vec![self.bind_typed(left)?],
        };
        let (rel, _) = self.bind_nested(query)?;
        let types = rel.types();
        if types.len() != left.len() {
            let many = if types.len() > left.len() { "many" } else { "few" };
            let message = format!("subquery has too {many} columns");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(op.position));
        }
        // The comparison stands in a row of the subquery, so the left side lies one row outward.
        let position = op.position;
        let outer = left.into_iter().map(|mut side| {
            side.expr.shift_levels(0, 1);
            side
        });
        let inner = types.into_iter().enumerate();
        let inner = inner.map(|(column, typ)| Typed { expr: Expr::column(column, typ), position });
        let (outer, inner): (Vec<Typed>, Vec<Typed>) = (outer.collect(), inner.collect());
        let comparison = match (outer.len(), op.symbol.as_str()) {
            (1, _) => self.bind_operator(op, vec![outer[0].clone(), inner[0].clone()])?,
            _ => self.bind_row_comparison(op, outer, inner)?,
        };
        Ok(match quantifier {
            ast::Quantifier::Any => any(&rel, comparison),
            ast::Quantifier::All => any(&rel, negated(comparison)).not(),
        })
    }

    pub(super) fn bind_quantified_array(
        &mut self,
        left: &mut ast::Expr,
        op: &ast::Operator,
        quantifier: ast::Quantifier,
        array: &mut ast::Expr,
    ) -> Result<Expr, Error> {
        let left = self.bind_typed(left)?;
        // A list in brackets is compared element by element.
        if let ExprKind::Array(elements) = &mut array.kind
            && !elements.is_empty()
        {
            let elements = self.bind_all(elements)?;
            let (elements, _) = self.unify_typed(elements, "ARRAY")?;
            let comparisons =
                elements.into_iter().map(|element| self.bind_operator(op, vec![left.clone(), element]));
            let comparisons = comparisons.collect::<Result<Vec<_>, _>>()?;
            return Ok(match quantifier {
                ast::Quantifier::Any => Expr::Or(comparisons),
                ast::Quantifier::All => Expr::And(comparisons),
            });
        }
        let array = self.bind_typed(array)?;
        self.bind_array_comparison(left, op, quantifier, array)
    }

    /// `left = ANY (array)` and `left <> ALL (array)`, over an array whose elements are not known.
    fn bind_array_comparison(
        &mut self,
        mut left: Typed,
        op: &ast::Operator,
        quantifier: ast::Quantifier,
        mut array: Typed,
    ) -> Result<Expr, Error> {
        let id = match (op.symbol.as_str(), quantifier) {
            ("=", ast::Quantifier::Any) => "array_contains AnyElement AnyArray",
            ("<>", ast::Quantifier::All) => "array_excludes AnyElement AnyArray",
            (symbol, _) => {
                let message = format!("operator {symbol} with ANY or ALL of an array is not supported");
                return Err(Error::unsupported(message)
                    .hint("Compare with the rows of unnest(…).")
                    .at(op.position));
            }
        };
        array.expr = self.vector_as_array(array.expr);
        let element = match array.expr.typ() {
            Type::Array(element) => match left.expr.typ() {
                Type::Unknown => *element,
                left => self.common_type(vec![left, *element]).unwrap_or(Type::Text),
            },
            Type::Unknown => match left.expr.typ() {
                Type::Unknown => Type::Text,
                typ => typ.without_typmod(),
            },
            _ => {
                let message = "op ANY/ALL (array) requires array on right side";
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(op.position));
            }
        };
        left.expr = self.coerce(left.clone(), &element, Cast::Implicit)?;
        array.expr = self.coerce(array.clone(), &element.array_of(), Cast::Implicit)?;
        let func = self.known(id, "ANY of an array", op.position)?;
        Ok(Expr::Call { func, args: vec![left.expr, array.expr], typ: Type::Bool })
    }

    /// `(a, b) = (SELECT c, d …)`: a row that compares, of at most one.
    pub(super) fn bind_row_subquery_comparison(
        &mut self,
        op: &ast::Operator,
        fields: &mut [ast::Expr],
        query: &mut ast::Query,
    ) -> Result<Expr, Error> {
        let left = self.bind_all(fields)?;
        let (rel, _) = self.bind_nested(query)?;
        let types = rel.types();
        let position = op.position;
        let outer = left.into_iter().map(|mut side| {
            side.expr.shift_levels(0, 1);
            side
        });
        let inner = types.into_iter().enumerate();
        let inner = inner.map(|(column, typ)| Typed { expr: Expr::column(column, typ), position }).collect();
        let comparison = self.bind_row_comparison(op, outer.collect(), inner)?;
        let arity = rel.arity();
        let rel = Rel::Map { input: Box::new(rel), exprs: vec![comparison] };
        let rel = Rel::Project { input: Box::new(rel), outputs: vec![arity] };
        Ok(Expr::Scalar(Box::new(rel), ColumnType::new(Type::Bool, true)))
    }
}

/// Whether a comparison with some row of `rel` is true; NULL if none is but some is NULL. The comparison stands in a row of
/// `rel`, the result one row outward.
fn any(rel: &Rel, comparison: Expr) -> Expr {
    if !comparison.nullable() {
        return exists(rel, comparison);
    }
    let unknown = match &comparison {
        Expr::Call { func, args, .. } if func.nulls == Nulls::Strict && !func.maybe_null => {
            let nulls = args.iter().filter(|arg| arg.nullable()).map(|arg| some_null(rel, arg));
            let mut nulls: Vec<Expr> = nulls.collect();
            if nulls.len() == 1 { nulls.remove(0) } else { Expr::Or(nulls) }
        }
        other => exists(rel, other.clone().is_null()),
    };
    let otherwise = Expr::if_then_else(unknown, Expr::null(Type::Bool), Expr::bool(false));
    Expr::if_then_else(exists(rel, comparison), Expr::bool(true), otherwise)
}

/// Whether an operand is NULL in some row of `rel`. What does not depend on the row is asked once, outside.
fn some_null(rel: &Rel, operand: &Expr) -> Expr {
    if operand.reads_level(0) {
        return exists(rel, operand.clone().is_null());
    }
    let mut outside = operand.clone();
    outside.shift_levels(1, -1);
    Expr::And(vec![outside.is_null(), Expr::Exists(Box::new(rel.clone()))])
}

fn exists(rel: &Rel, predicate: Expr) -> Expr {
    let mut predicates = Vec::new();
    predicate.into_conjuncts(&mut predicates);
    Expr::Exists(Box::new(Rel::Filter { input: Box::new(rel.clone()), predicates }))
}

/// The conjuncts of a condition that is asked only whether it is true: where it holds subqueries, what tells false from NULL
/// is left out, so that `IN` is one EXISTS and `NOT IN` are some NOT EXISTS.
pub(super) fn conditions(condition: Expr) -> Vec<Expr> {
    let mut conjuncts = Vec::new();
    condition.into_conjuncts(&mut conjuncts);
    let mut simple = Vec::with_capacity(conjuncts.len());
    for conjunct in conjuncts {
        match conjunct.has_subquery() {
            true => when_true(conjunct).into_conjuncts(&mut simple),
            false => simple.push(conjunct),
        }
    }
    simple
}

/// True where the expression is, and not where it is false or NULL.
fn when_true(expr: Expr) -> Expr {
    match expr {
        Expr::And(operands) => Expr::And(operands.into_iter().map(when_true).collect()),
        Expr::Or(operands) => Expr::Or(operands.into_iter().map(when_true).collect()),
        Expr::If { cond, then, els } if is_true(&then) => match never_true(&els) {
            true => when_true(*cond),
            false => Expr::Or(vec![when_true(*cond), when_true(*els)]),
        },
        Expr::Call { func, mut args, .. } if func == special::not() => when_false(args.remove(0)),
        other => other,
    }
}

/// True where the expression is false, and not where it is true or NULL.
fn when_false(expr: Expr) -> Expr {
    match expr {
        Expr::And(operands) => Expr::Or(operands.into_iter().map(when_false).collect()),
        Expr::Or(operands) => Expr::And(operands.into_iter().map(when_false).collect()),
        // The condition is one of those that `any` makes: never NULL where it decides.
        Expr::If { cond, then, els } if is_true(&then) && !cond.nullable() => {
            Expr::And(vec![cond.not(), when_false(*els)])
        }
        Expr::If { cond, then, els } if is_null(&then) && is_false(&els) && !cond.nullable() => {
            when_false(*cond)
        }
        Expr::Call { func, mut args, .. } if func == special::not() => when_true(args.remove(0)),
        other => other.not(),
    }
}

fn boolean(expr: &Expr) -> Option<Option<bool>> {
    let Expr::Literal(row, _) = expr else { return None };
    match row.unpack()[..] {
        [Datum::Bool(value)] => Some(Some(value)),
        [Datum::Null] => Some(None),
        _ => None,
    }
}

fn is_true(expr: &Expr) -> bool {
    boolean(expr) == Some(Some(true))
}

fn is_false(expr: &Expr) -> bool {
    boolean(expr) == Some(Some(false))
}

fn is_null(expr: &Expr) -> bool {
    boolean(expr) == Some(None)
}

fn never_true(expr: &Expr) -> bool {
    match expr {
        Expr::If { then, els, .. } => never_true(then) && never_true(els),
        other => is_false(other) || is_null(other),
    }
}

/// The negation, pushed into the comparison so that an equality stays recognisable.
fn negated(comparison: Expr) -> Expr {
    let opposite = match &comparison {
        Expr::Call { func, args, .. } if args.len() == 2 && func.syntax == Syntax::Operator => {
            match func.name {
                "=" => Some("<>"),
                "<>" => Some("="),
                "<" => Some(">="),
                ">=" => Some("<"),
                ">" => Some("<="),
                "<=" => Some(">"),
                _ => None,
            }
        }
        _ => None,
    };
    match (opposite, comparison) {
        (Some(symbol), Expr::Call { func, args, typ }) => {
            let same = operators_named(symbol).iter().find(|other| other.args == func.args);
            match same {
                Some(other) => Expr::Call { func: *other, args, typ },
                None => Expr::Call { func, args, typ }.not(),
            }
        }
        (_, other) => other.not(),
    }
}
