//! Aggregate calls: what they mean, where they may stand, and the row of their group that they become a column of.

use super::Binder;
use super::coerce::{Cast, Typed};
use super::function::{Resolved, no_function};
use super::scope::{AGGREGATES, Frame, WINDOWS};
use crate::ast;
use crate::error::{Error, SqlState};
use crate::hir::{Aggregate, ColumnRef, Expr, OrderKey};
use crate::repr::{ColumnType, Type};
use crate::scalar::{self, AggregateFunc, SortKey};

pub(super) fn is_aggregate(name: &str) -> bool {
    scalar::aggregates_named(name).next().is_some()
}

impl Binder<'_> {
    /// The aggregate becomes a column of its group's row, from [`AGGREGATES`] on, until the query is grouped.
    pub(super) fn bind_aggregate(
        &mut self,
        name: &str,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<Expr, Error> {
        if call.variadic {
            return Err(Error::unsupported("variadic aggregates are not supported").at(position));
        }
        let around = std::mem::replace(&mut self.frame().in_aggregate, true);
        let bound = self.bind_aggregate_inputs(name, call, position);
        self.frame().in_aggregate = around;
        let mut aggregate = bound?;
        let level = level_of(&aggregate);
        let owner = self.frames.len() - 1 - level;
        check_place(&self.frames[owner], &aggregate, level).map_err(|error| error.at(position))?;
        aggregate.exprs_mut().for_each(|expr| expr.shift_levels(level, -(level as isize)));
        let typ = aggregate.typ.clone();
        let aggregates = &mut self.frames[owner].aggregates;
        let at = aggregates.iter().position(|other| *other == aggregate).unwrap_or_else(|| {
            aggregates.push(aggregate);
            aggregates.len() - 1
        });
        Ok(Expr::Column(ColumnRef { level, column: AGGREGATES + at }, typ))
    }

    pub(super) fn bind_aggregate_inputs(
        &mut self,
        name: &str,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<Aggregate, Error> {
        let mut args = self.bind_args(call)?;
        let direct = args.len();
        for key in &mut call.within_group {
            let position = key.expr.start();
            args.push(Typed { expr: self.bind_expr(&mut key.expr)?, position });
        }
        let mut order = self.bind_aggregate_order(&mut call.order_by)?;
        let filter = match &mut call.filter {
            Some(filter) => Some(self.bind_condition(filter, "FILTER")?),
            None => None,
        };
        if args.is_empty() && !call.star && name == "count" {
            return Err(Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                "count(*) must be used to call a parameterless aggregate function",
            )
            .at(position));
        }
        if call.star && call.distinct {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "DISTINCT specified, but count(*) has no argument",
            )
            .at(position));
        }
        let candidates: Vec<&'static scalar::Aggregate> =
            scalar::aggregates_named(name).filter(|a| a.args.len() == args.len()).collect();
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        let found = match self.resolve(&candidates, &types, false) {
            Resolved::One(found) => found,
            Resolved::None => return Err(no_function(name, &types).at(position)),
            Resolved::Ambiguous => {
                let message = format!("function {name} is not unique");
                return Err(Error::new(SqlState::AMBIGUOUS_FUNCTION, message)
                    .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
                    .at(position));
            }
        };
        check_within_group(name, found.func, call).map_err(|error| error.at(position))?;
        let args = self.coerce_args(found, args)?;
        if call.distinct {
            args.iter().try_for_each(|arg| self.check_equality(&arg.typ(), position))?;
        }
        if call.distinct && order.iter().any(|key| !args.contains(&key.expr)) {
            let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
        }
        if found.func.direct_args().is_some() {
            check_direct_args(name, &args[..direct]).map_err(|error| error.at(position))?;
            order = self.order_within_group(&call.within_group, &args[direct..])?;
        }
        let types: Vec<Type> = args.iter().map(Expr::typ).collect();
        let counts = !found.func.is_null_of_nothing();
        let typ = ColumnType::new(found.func.result_type(&types), !counts);
        Ok(Aggregate { func: found.func, args, distinct: call.distinct, filter, order, typ })
    }

    pub(super) fn bind_aggregate_order(
        &mut self,
        order_by: &mut [ast::OrderBy],
    ) -> Result<Vec<OrderKey>, Error> {
        let mut keys = Vec::with_capacity(order_by.len());
        for key in order_by {
            let position = key.expr.start();
            let expr = self.bind_expr(&mut key.expr)?;
            let expr = self.settle(Typed { expr, position })?;
            self.check_order(&expr.typ(), position)?;
            let (descending, nulls_first) = sort_direction(key)?;
            keys.push(OrderKey { expr, descending, nulls_first });
        }
        Ok(keys)
    }

    /// The order of WITHIN GROUP, by its keys as the aggregate takes them.
    fn order_within_group(&mut self, keys: &[ast::OrderBy], values: &[Expr]) -> Result<Vec<OrderKey>, Error> {
        let mut order = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            self.check_order(&value.typ(), key.expr.start())?;
            let (descending, nulls_first) = sort_direction(key)?;
            order.push(OrderKey { expr: value.clone(), descending, nulls_first });
        }
        Ok(order)
    }

    /// `array_agg(argument ORDER BY …)` over rows of these types.
    pub(super) fn array_aggregate(
        &mut self,
        argument: Expr,
        order: &[SortKey],
        types: &[ColumnType],
    ) -> Aggregate {
        let keys = order.iter().map(|key| {
            let scalar::ScalarExpr::Column(column) = key.expr else {
                unreachable!("invariant: a query's order is by columns of its relation");
            };
            OrderKey {
                expr: Expr::column(column, types[column].clone()),
                descending: key.desc,
                nulls_first: key.nulls_first,
            }
        });
        let func = match argument.typ() {
            Type::Array(_) => AggregateFunc::StackArrays,
            _ => AggregateFunc::ArrayAgg,
        };
        let typ = ColumnType::new(func.result_type(&[argument.typ()]), true);
        Aggregate { func, args: vec![argument], distinct: false, filter: None, order: keys.collect(), typ }
    }

    /// The value as its context leaves it: unknown literals are text.
    pub(super) fn settle(&mut self, value: Typed) -> Result<Expr, Error> {
        match value.expr.typ() {
            Type::Unknown => self.coerce(value, &Type::Text, Cast::Implicit),
            _ => Ok(value.expr),
        }
    }
}

/// Ordered-set aggregates, and they alone, have WITHIN GROUP.
fn check_within_group(name: &str, func: AggregateFunc, call: &ast::Call) -> Result<(), Error> {
    let message = match (func.direct_args().is_some(), call.within_group.is_empty()) {
        (true, true) => format!("WITHIN GROUP is required for ordered-set aggregate {name}"),
        (false, false) => format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"),
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
}

/// A direct argument is evaluated once for its group: it may not depend on the row.
fn check_direct_args(name: &str, args: &[Expr]) -> Result<(), Error> {
    let mut reads_row = false;
    for arg in args {
        arg.for_each_column(0, &mut |depth, reference| reads_row |= reference.level == depth);
    }
    if !reads_row {
        return Ok(());
    }
    Err(Error::unsupported(format!("a direct argument of {name}() that reads a column is not supported"))
        .hint("Write the fraction as a constant, or take the column from an outer query."))
}

/// An aggregate belongs to the nearest query whose rows it reads, which may be one around; without any column, to its own.
fn level_of(aggregate: &Aggregate) -> usize {
    let mut level = usize::MAX;
    for expr in aggregate.exprs() {
        expr.for_each_column(0, &mut |depth, reference| {
            if let Some(outward) = reference.level.checked_sub(depth) {
                level = level.min(outward);
            }
        });
    }
    if level == usize::MAX { 0 } else { level }
}

/// Whether an aggregate may stand where the query it belongs to is being bound.
fn check_place(owner: &Frame, aggregate: &Aggregate, level: usize) -> Result<(), Error> {
    let mut nested = owner.in_aggregate;
    for expr in aggregate.exprs() {
        expr.for_each_column(0, &mut |depth, reference| {
            let of_group = (AGGREGATES..WINDOWS).contains(&reference.column);
            nested |= of_group && reference.level == level + depth;
        });
    }
    if owner.scope.relations.iter().any(|relation| relation.is_itself) {
        let message = "aggregate functions are not allowed in a recursive query's recursive term";
        return Err(Error::new(SqlState::INVALID_RECURSION, message));
    }
    let refused = match nested {
        true => "aggregate function calls cannot be nested".to_owned(),
        false if owner.clause.takes_aggregates() => return Ok(()),
        false => format!("aggregate functions are not allowed in {}", owner.clause.name()),
    };
    Err(Error::new(SqlState::GROUPING_ERROR, refused))
}

/// (descending, nulls first), with PostgreSQL's defaults: NULLs are greater than everything.
pub(super) fn sort_direction(key: &ast::OrderBy) -> Result<(bool, bool), Error> {
    let descending = match &key.direction {
        ast::Direction::Default | ast::Direction::Ascending => false,
        ast::Direction::Descending => true,
        ast::Direction::Using(op) => match op.symbol.as_str() {
            "<" => false,
            ">" => true,
            symbol => {
                let message = format!("operator {symbol} is not a valid ordering operator");
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(op.position));
            }
        },
    };
    let nulls_first = match key.nulls {
        Some(ast::Nulls::First) => true,
        Some(ast::Nulls::Last) => false,
        None => descending,
    };
    Ok((descending, nulls_first))
}
