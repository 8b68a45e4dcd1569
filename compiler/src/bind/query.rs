//! Queries: WITH, set operations, VALUES, ORDER BY of their results, LIMIT.

use super::aggregate::sort_direction;
use super::coerce::{Cast, Typed};
use super::scope::{Clause, Scope};
use super::{Binder, Cte, CteDefinition, recursion};
use crate::ast::{self, ExprKind, Literal, SetExpr, SetOperator};
use crate::error::{Error, SqlState};
use crate::hir::{self, CteId, Expr, Rel, SetOp};
use crate::repr::{ColumnType, Type};
use crate::scalar::{ScalarExpr, SortKey};

impl Binder<'_> {
    /// Binds a query. Columns of its select list may still be of type Unknown: [`Binder::settle_columns`] makes text of them,
    /// unless what the query is for gives them a type.
    pub(super) fn bind_query(&mut self, query: &mut ast::Query) -> Result<hir::Query, Error> {
        // Only the outermost query's select list is evaluated row by row, when the rows are there.
        let outermost = std::mem::take(&mut self.outermost);
        hir::grow(|| {
            refuse_clauses(query)?;
            let known = self.ctes.len();
            let shared = match &mut query.with {
                Some(with) => self.bind_with(with)?,
                None => Vec::new(),
            };
            let bound = self.bind_body(query, outermost);
            self.ctes.truncate(known);
            let mut bound = bound?;
            for (id, name, value) in shared.into_iter().rev() {
                let body = Box::new(bound.rel);
                bound.rel = Rel::With { id, name, value: Box::new(value), body };
            }
            Ok(bound)
        })
    }

    fn bind_body(&mut self, query: &mut ast::Query, outermost: bool) -> Result<hir::Query, Error> {
        table_as_select(&mut query.body);
        let mut bound = match &mut query.body {
            SetExpr::Select(select) => self.bind_select(select, &mut query.order_by, outermost)?,
            body => {
                let mut bound = self.bind_set_expr(body)?;
                bound.order = self.bind_result_order(&bound, &mut query.order_by)?;
                bound
            }
        };
        if let Some(limit) = &mut query.limit {
            bound.limit = self.bind_count(&mut limit.count, Clause::Limit)?;
        }
        if let Some(offset) = &mut query.offset {
            bound.offset = self.bind_count(offset, Clause::Offset)?;
        }
        if query.limit.as_ref().is_some_and(|limit| limit.with_ties) {
            bound.rel = Rel::TopK {
                input: Box::new(bound.rel),
                group: Vec::new(),
                order: bound.order.clone(),
                limit: bound.limit.take(),
                offset: bound.offset.take(),
                ties: true,
            };
        }
        Ok(bound)
    }

    /// LIMIT's or OFFSET's number of rows; a literal NULL is none.
    fn bind_count(&mut self, expr: &mut ast::Expr, clause: Clause) -> Result<Option<Expr>, Error> {
        let position = expr.start();
        if has_column(expr) {
            let message = format!("argument of {} must not contain variables", clause.name());
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
        }
        let bound = self.bind_without_columns(expr, clause)?;
        let from = bound.typ();
        if from != Type::Unknown && !self.can_coerce(&from, &Type::Int8, Cast::Assignment) {
            let message = format!("argument of {} must be type bigint, not type {from}", clause.name());
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position));
        }
        let count = self.coerce(Typed { expr: bound, position }, &Type::Int8, Cast::Assignment)?;
        Ok(Some(count).filter(|count| count.to_local_scalar().is_none_or(|scalar| !scalar.is_literal_null())))
    }

    /// The definitions that read no outer row: they stand around the query.
    pub(super) fn bind_with(&mut self, with: &mut ast::With) -> Result<Vec<(CteId, String, Rel)>, Error> {
        for (at, cte) in with.ctes.iter().enumerate() {
            if with.ctes[..at].iter().any(|other| other.name.name == cte.name.name) {
                let message = format!("WITH query name \"{}\" specified more than once", cte.name.name);
                return Err(Error::new(SqlState::DUPLICATE_ALIAS, message).at(cte.name.position));
            }
        }
        let order = match with.recursive {
            true => recursion::order(&with.ctes)?,
            false => (0..with.ctes.len()).collect(),
        };
        let (mut shared, later) = (Vec::new(), self.later_ctes.len());
        if !with.recursive {
            self.later_ctes.extend(with.ctes.iter().rev().map(|cte| cte.name.name.clone()));
        }
        for at in order {
            let cte = &mut with.ctes[at];
            let bound = match with.recursive && recursion::is_recursive(cte) {
                true => self.bind_recursive_cte(cte),
                false => self.bind_cte_body(cte),
            };
            let (rel, columns) = bound?;
            let definition = match rel.is_correlated() {
                true => CteDefinition::Inlined(rel, self.frames.len()),
                false => {
                    let id = self.next_cte();
                    shared.push((id, cte.name.name.clone(), rel));
                    CteDefinition::Shared(id)
                }
            };
            self.ctes.push(Cte { name: cte.name.name.clone(), columns, definition });
            self.later_ctes.truncate(self.later_ctes.len().saturating_sub(1).max(later));
        }
        Ok(shared)
    }

    pub(super) fn next_cte(&mut self) -> CteId {
        self.next_cte += 1;
        CteId(self.next_cte - 1)
    }

    fn bind_cte_body(&mut self, cte: &mut ast::Cte) -> Result<(Rel, Vec<(String, ColumnType)>), Error> {
        refuse_search(cte)?;
        let ast::Statement::Query(query) = &mut cte.body else {
            return Err(Error::unsupported("data-modifying statements in WITH are not supported")
                .hint("Run them as statements of their own, in one transaction.")
                .at(cte.name.position));
        };
        let (rel, names) = self.bind_nested(query)?;
        let names = renamed(&cte.name, &cte.columns, names)?;
        let columns = names.into_iter().zip(rel.types()).collect();
        Ok((rel, columns))
    }

    /// A query's body without ORDER BY and LIMIT of its own.
    pub(super) fn bind_set_expr(&mut self, body: &mut SetExpr) -> Result<hir::Query, Error> {
        table_as_select(body);
        hir::grow(|| match body {
            SetExpr::Select(select) => self.bind_select(select, &mut [], false),
            SetExpr::Values(values) => self.bind_values(values),
            SetExpr::Table(_) => unreachable!("invariant: TABLE was made a SELECT"),
            SetExpr::Query(query) => {
                let bound = self.bind_query(query)?;
                Ok(unordered(bound))
            }
            SetExpr::Set(set) => self.bind_set_operation(set),
        })
    }

    fn bind_values(&mut self, values: &mut ast::Values) -> Result<hir::Query, Error> {
        let arity = values.rows[0].len();
        if let Some(row) = values.rows.iter().find(|row| row.len() != arity) {
            let position = row.first().map_or(values.position, ast::Expr::start);
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, "VALUES lists must all be the same length").at(position)
            );
        }
        let rows = &mut values.rows;
        let (mut columns, _) = self.with_frame(Scope::default(), Clause::Values, |binder| {
            let mut columns: Vec<Vec<Typed>> = vec![Vec::with_capacity(rows.len()); arity];
            for row in rows.iter_mut() {
                for (column, expr) in columns.iter_mut().zip(row) {
                    let position = expr.start();
                    column.push(Typed { expr: binder.bind_expr(expr)?, position });
                }
            }
            Ok(columns)
        })?;
        let mut types = Vec::with_capacity(arity);
        let mut bound: Vec<Vec<Expr>> = vec![Vec::with_capacity(arity); values.rows.len()];
        for column in columns.drain(..) {
            let open = column.iter().all(|value| value.expr.typ() == Type::Unknown);
            let (exprs, typ) = match open {
                true => (column.into_iter().map(|value| value.expr).collect(), Type::Unknown),
                false => self.unify(column, "VALUES")?,
            };
            types.push(ColumnType::new(typ, exprs.iter().any(Expr::nullable)));
            for (row, expr) in bound.iter_mut().zip(exprs) {
                row.push(expr);
            }
        }
        let names = (1..=arity).map(|number| format!("column{number}")).collect();
        Ok(plain(Rel::Values { rows: bound, types }, names))
    }

    pub(super) fn bind_set_operation(&mut self, set: &mut ast::SetOperation) -> Result<hir::Query, Error> {
        let what = match set.op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let (op, all, position) = (set.op, set.all, set.position);
        let mut operands = set.operands.iter_mut();
        let first = operands.next().expect("invariant: a set operation has operands");
        let mut left = self.bind_set_expr(first)?;
        for operand in operands {
            self.raise(position)?;
            let right = self.bind_set_expr(operand)?;
            let operand_position = position_of(operand).unwrap_or(position);
            if left.project.len() != right.project.len() {
                let message = format!("each {what} query must have the same number of columns");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(operand_position));
            }
            let names = left.names.clone();
            let (left_rel, right_rel) = self.unify_columns(left, right, what, operand_position)?;
            if !all {
                left_rel.types().iter().try_for_each(|column| self.check_equality(&column.typ, position))?;
            }
            left = plain(combine(op, all, left_rel, right_rel), names);
        }
        Ok(left)
    }

    /// Both sides' columns brought to common types.
    fn unify_columns(
        &mut self,
        mut left: hir::Query,
        mut right: hir::Query,
        what: &str,
        position: u32,
    ) -> Result<(Rel, Rel), Error> {
        for at in 0..left.project.len() {
            let types = [&left, &right].map(|side| side.rel.types()[side.project[at]].typ.clone());
            let Some(common) = self.common_type(types.to_vec()) else {
                let [l, r] = types.map(|typ| typ.without_typmod());
                let message = format!("{what} types {l} and {r} cannot be matched");
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position));
            };
            for side in [&mut left, &mut right] {
                side.project[at] =
                    self.coerce_column(&mut side.rel, side.project[at], &common, Cast::Implicit, position)?;
            }
        }
        Ok((left.into_rel(), right.into_rel()))
    }

    /// ORDER BY after a set operation, VALUES or TABLE: by name or number of a result column, no expressions after set operations.
    fn bind_result_order(
        &mut self,
        bound: &hir::Query,
        order_by: &mut [ast::OrderBy],
    ) -> Result<Vec<SortKey>, Error> {
        let mut order = Vec::with_capacity(order_by.len());
        for key in order_by {
            let position = key.expr.start();
            let at = match self.output_position(&key.expr, bound.project.len(), Clause::OrderBy)? {
                Some(at) => Some(at),
                None => {
                    bare_name(&key.expr).and_then(|name| bound.names.iter().position(|other| other == name))
                }
            };
            let Some(at) = at else {
                if let Some(name) = bare_name(&key.expr) {
                    let message = format!("column \"{name}\" does not exist");
                    return Err(Error::new(SqlState::UNDEFINED_COLUMN, message).at(position));
                }
                return Err(Error::unsupported("invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    .hint(
                        "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                    )
                    .at(position));
            };
            self.check_order(&bound.rel.types()[bound.project[at]].typ, position)?;
            order.push(sort_key(bound.project[at], sort_direction(key)?));
        }
        Ok(order)
    }

    /// The output column that an integer literal in ORDER BY or GROUP BY means, from 0.
    pub(super) fn output_position(
        &self,
        expr: &ast::Expr,
        outputs: usize,
        clause: Clause,
    ) -> Result<Option<usize>, Error> {
        let ExprKind::Literal(literal) = &expr.kind else { return Ok(None) };
        let number = match literal {
            Literal::Number(digits) => digits.parse::<i64>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let message = format!("non-integer constant in {}", clause.name());
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(expr.position));
        };
        match usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).filter(|at| *at < outputs) {
            Some(at) => Ok(Some(at)),
            None => {
                let message = format!("{} position {number} is not in select list", clause.name());
                Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(expr.position))
            }
        }
    }

    /// Columns whose type nothing decided are text.
    pub(super) fn settle_columns(&mut self, query: &mut hir::Query) -> Result<(), Error> {
        for (at, typ) in query.types().into_iter().enumerate() {
            if typ.typ == Type::Unknown && query.project[at] >= hir::OUTPUTS {
                let output = query.project[at] - hir::OUTPUTS;
                let expr = query.effects.outputs[output].clone();
                let expr = self.coerce(Typed { expr, position: 1 }, &Type::Text, Cast::Implicit)?;
                query.effects.outputs[output] = expr;
            } else if typ.typ == Type::Unknown {
                query.project[at] =
                    self.coerce_column(&mut query.rel, query.project[at], &Type::Text, Cast::Implicit, 1)?;
            }
        }
        Ok(())
    }
}

/// The names of a WITH query's columns: those that it is given, then its own.
pub(super) fn renamed(
    cte: &ast::Ident,
    given: &[ast::Ident],
    mut names: Vec<String>,
) -> Result<Vec<String>, Error> {
    if given.len() > names.len() {
        let message = format!(
            "WITH query \"{}\" has {} columns available but {} columns specified",
            cte.name,
            names.len(),
            given.len()
        );
        return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(cte.position));
    }
    for (name, given) in names.iter_mut().zip(given) {
        name.clone_from(&given.name);
    }
    Ok(names)
}

pub(super) fn refuse_search(cte: &ast::Cte) -> Result<(), Error> {
    if let Some(search) = &cte.search {
        return Err(Error::unsupported("SEARCH is not supported")
            .hint("Carry the sort key in a column of the recursive query: an array of the keys on the way.")
            .at(search.position));
    }
    if let Some(cycle) = &cte.cycle {
        return Err(Error::unsupported("CYCLE is not supported")
            .hint("UNION without ALL ends on a cycle, as does an array of the keys on the way and a condition on it.")
            .at(cycle.position));
    }
    Ok(())
}

/// `TABLE t` as `SELECT * FROM t`.
fn table_as_select(body: &mut SetExpr) {
    let SetExpr::Table(name) = body else { return };
    let (name, position) = (name.clone(), name.position());
    let relation = ast::Source::Relation {
        name,
        meant: None,
        only: false,
        changes: false,
        alias: None,
        system_time: None,
        sample: None,
    };
    *body = SetExpr::Select(Box::new(ast::Select {
        distinct: ast::Distinct::All,
        items: vec![ast::SelectItem::Star(position)],
        from: vec![ast::FromItem { first: relation, joins: Vec::new() }],
        filter: None,
        group_by: None,
        having: None,
        windows: Vec::new(),
        time_window: None,
        position,
    }));
}

fn plain(rel: Rel, names: Vec<String>) -> hir::Query {
    let project = (0..names.len()).collect();
    hir::Query::of(rel, names, project)
}

/// A query in parentheses: what is around it sees only its rows.
fn unordered(query: hir::Query) -> hir::Query {
    let names = query.names.clone();
    plain(query.into_rel(), names)
}

pub(super) fn combine(op: SetOperator, all: bool, left: Rel, right: Rel) -> Rel {
    let op = match op {
        SetOperator::Union => {
            let union = Rel::Union { inputs: vec![left, right] };
            return if all { union } else { Rel::Distinct { input: Box::new(union) } };
        }
        SetOperator::Intersect => SetOp::Intersect,
        SetOperator::Except => SetOp::Except,
    };
    Rel::SetOp { op, all, left: Box::new(left), right: Box::new(right) }
}

pub(super) fn sort_key(column: usize, (desc, nulls_first): (bool, bool)) -> SortKey {
    SortKey { expr: ScalarExpr::Column(column), desc, nulls_first }
}

/// The name of an unqualified column reference.
pub(super) fn bare_name(expr: &ast::Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Column(name) if name.qualifier().is_empty() => Some(&name.last().name),
        _ => None,
    }
}

fn has_column(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Column(_) => true,
        ExprKind::Binary { left, right, .. } => has_column(left) || has_column(right),
        ExprKind::Unary { operand, .. } | ExprKind::Cast { operand, .. } => has_column(operand),
        _ => false,
    }
}

/// Where a set operation's operand begins, as far as its tree says.
pub(super) fn position_of(body: &SetExpr) -> Option<u32> {
    match body {
        SetExpr::Select(select) => {
            let first = select.items.first();
            Some(match first {
                Some(ast::SelectItem::Expr { expr, .. }) => expr.start(),
                Some(ast::SelectItem::Star(position)) => *position,
                Some(ast::SelectItem::QualifiedStar(name)) => name.position(),
                _ => select.position,
            })
        }
        SetExpr::Values(values) => Some(values.rows[0].first().map_or(values.position, ast::Expr::start)),
        SetExpr::Table(name) => Some(name.position()),
        SetExpr::Query(query) => position_of(&query.body),
        SetExpr::Set(set) => position_of(&set.operands[0]),
    }
}

fn refuse_clauses(query: &ast::Query) -> Result<(), Error> {
    if let Some(lock) = query.locks.first() {
        return Err(Error::unsupported("row locks are not supported")
            .hint("A SELECT sees all relations at one timestamp; leave the clause out.")
            .at(lock.position));
    }
    if let Some(as_of) = &query.as_of {
        return Err(Error::unsupported("SELECT … AS OF is not supported")
            .hint("Use SUBSCRIBE … AS OF.")
            .at(as_of.start()));
    }
    match query.emit {
        None => Ok(()),
        Some(ast::Emit::Changes) => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "EMIT CHANGES stands at the end of a statement, not within a query",
        )
        .hint("Leave it out here: what a statement with EMIT CHANGES reads is kept up to date too.")
        .at(query.position)),
        Some(ast::Emit::Final) => Err(Error::unsupported("EMIT FINAL is not supported")
            .hint("EMIT CHANGES sends each change as it comes; late rows revise their windows.")
            .at(query.position)),
    }
}
