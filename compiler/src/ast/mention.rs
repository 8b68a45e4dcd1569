//! The relations that a query names by bare names, which may be those of WITH clauses around it, and in what places.
//!
//! Which WITH queries read which, and whether one reads itself where it may, is decided by the text alone, before anything is bound.

use super::*;

/// A relation's name without a schema, which no WITH clause within the query defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention<'q> {
    pub name: &'q str,
    pub place: Place,
    pub position: u32,
}

/// Where in a query a relation is named, as far as it decides whether a recursion may go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each of its rows may lead to rows of the query, and nothing hangs on there being none.
    Plain,
    Subquery,
    /// On a side of an outer join that may be missing.
    OuterJoin,
    Intersect,
    Except,
}

impl Query {
    /// What it mentions, in the order of its clauses.
    pub fn mentions(&self) -> Vec<Mention<'_>> {
        let mut walk = Walk::default();
        walk.query(self, Place::Plain);
        walk.found
    }
}

impl SetExpr {
    pub fn mentions(&self) -> Vec<Mention<'_>> {
        let mut walk = Walk::default();
        walk.set_expr(self, Place::Plain);
        walk.found
    }
}

impl With {
    /// What its queries mention.
    pub fn mentions(&self) -> Vec<Mention<'_>> {
        let mut walk = Walk::default();
        walk.with(self, Place::Plain);
        walk.found
    }
}

#[derive(Default)]
struct Walk<'q> {
    found: Vec<Mention<'q>>,
    /// The names that WITH clauses around the place define, the innermost last.
    defined: Vec<&'q str>,
}

impl<'q> Walk<'q> {
    fn query(&mut self, query: &'q Query, place: Place) {
        with_stack(|| {
            let defined = self.defined.len();
            if let Some(with) = &query.with {
                self.with(with, place);
            }
            self.set_expr(&query.body, place);
            query.order_by.iter().for_each(|key| self.expr(&key.expr, place));
            let limit = query.limit.iter().map(|limit| &limit.count);
            query.offset.iter().chain(limit).for_each(|expr| self.expr(expr, place));
            self.defined.truncate(defined);
        })
    }

    /// Its names stay defined.
    fn with(&mut self, with: &'q With, place: Place) {
        if with.recursive {
            self.defined.extend(with.ctes.iter().map(|cte| cte.name.name.as_str()));
        }
        for cte in &with.ctes {
            if let Statement::Query(query) = &cte.body {
                self.query(query, place);
            }
            if !with.recursive {
                self.defined.push(&cte.name.name);
            }
        }
    }

    fn set_expr(&mut self, body: &'q SetExpr, place: Place) {
        with_stack(|| match body {
            SetExpr::Select(select) => self.select(select, place),
            SetExpr::Values(values) => values.rows.iter().flatten().for_each(|expr| self.expr(expr, place)),
            SetExpr::Table(name) => self.relation(name, place),
            SetExpr::Query(query) => self.query(query, place),
            SetExpr::Set(set) => {
                for (number, operand) in set.operands.iter().enumerate() {
                    let within = match (set.op, set.all) {
                        (SetOperator::Intersect, true) => Place::Intersect,
                        (SetOperator::Except, all) if all || number > 0 => Place::Except,
                        _ => Place::Plain,
                    };
                    self.set_expr(operand, if place == Place::Plain { within } else { place });
                }
            }
        })
    }

    fn select(&mut self, select: &'q Select, place: Place) {
        if let Distinct::On(exprs) = &select.distinct {
            exprs.iter().for_each(|expr| self.expr(expr, place));
        }
        for item in &select.items {
            match item {
                SelectItem::Expr { expr, .. } | SelectItem::FieldStar(expr) => self.expr(expr, place),
                SelectItem::Star(_) | SelectItem::QualifiedStar(_) => {}
            }
        }
        select.from.iter().for_each(|item| self.from_item(item, place));
        select.filter.iter().for_each(|expr| self.expr(expr, place));
        let items = select.group_by.iter().flat_map(|group_by| &group_by.items);
        items.for_each(|item| self.group_item(item, place));
        select.having.iter().for_each(|expr| self.expr(expr, place));
        select.windows.iter().for_each(|named| self.window(&named.window, place));
    }

    fn group_item(&mut self, item: &'q GroupItem, place: Place) {
        match item {
            GroupItem::Expr(expr) => self.expr(expr, place),
            GroupItem::Empty(_) => {}
            GroupItem::Rollup(exprs, _) | GroupItem::Cube(exprs, _) => {
                exprs.iter().for_each(|expr| self.expr(expr, place));
            }
            GroupItem::Sets(items, _) => items.iter().for_each(|item| self.group_item(item, place)),
        }
    }

    /// A chain of joins: what comes later stands around what came before.
    fn from_item(&mut self, item: &'q FromItem, place: Place) {
        let outer = |missing: bool| if missing && place == Place::Plain { Place::OuterJoin } else { place };
        let missing_after = |number: usize| {
            item.joins[number..].iter().any(|join| matches!(join.kind, JoinKind::Right | JoinKind::Full))
        };
        self.source(&item.first, outer(missing_after(0)));
        for (number, join) in item.joins.iter().enumerate() {
            let optional = matches!(join.kind, JoinKind::Left | JoinKind::Full);
            self.source(&join.right, outer(optional || missing_after(number + 1)));
            if let JoinConstraint::On(condition) = &join.constraint {
                self.expr(condition, place);
            }
        }
    }

    fn source(&mut self, source: &'q Source, place: Place) {
        match source {
            Source::Relation { name, meant: None, changes: false, .. } => self.relation(name, place),
            Source::Relation { .. } => {}
            Source::Subquery { query, .. } => self.query(query, place),
            Source::Function(function) => {
                function.calls.iter().for_each(|call| self.expr(&call.call, place));
            }
            Source::Joins { from, .. } => self.from_item(from, place),
        }
    }

    fn relation(&mut self, name: &'q Name, place: Place) {
        let last = name.last();
        if name.qualifier().is_empty() && !self.defined.contains(&last.name.as_str()) {
            self.found.push(Mention { name: &last.name, place, position: last.position });
        }
    }

    fn window(&mut self, window: &'q Window, place: Place) {
        window.partition_by.iter().for_each(|expr| self.expr(expr, place));
        window.order_by.iter().for_each(|key| self.expr(&key.expr, place));
        let bounds = window.frame.iter().flat_map(|frame| std::iter::once(&frame.start).chain(&frame.end));
        for bound in bounds {
            if let Bound::Preceding(expr) | Bound::Following(expr) = bound {
                self.expr(expr, place);
            }
        }
    }

    fn expr(&mut self, expr: &'q Expr, place: Place) {
        with_stack(|| match &expr.kind {
            ExprKind::Exists(query) | ExprKind::Subquery(query) | ExprKind::ArraySubquery(query) => {
                self.query(query, Place::Subquery);
            }
            ExprKind::InSubquery { operand, query, .. } => {
                self.query(query, Place::Subquery);
                self.expr(operand, place);
            }
            ExprKind::Quantified { left, right, .. } => {
                match right {
                    QuantifiedOver::Query(query) => self.query(query, Place::Subquery),
                    QuantifiedOver::Array(array) => self.expr(array, place),
                }
                self.expr(left, place);
            }
            ExprKind::Call(call) => self.call(call, place),
            ExprKind::Path { operand, steps } => {
                self.expr(operand, place);
                for step in steps {
                    match step {
                        Step::Index(index) => self.expr(index, place),
                        Step::Slice(low, high) => low.iter().chain(high).for_each(|e| self.expr(e, place)),
                        Step::Field(_) => {}
                    }
                }
            }
            kind => operands(kind).into_iter().for_each(|operand| self.expr(operand, place)),
        })
    }

    fn call(&mut self, call: &'q Call, place: Place) {
        let sorted = call.order_by.iter().chain(&call.within_group).map(|key| &key.expr);
        let args = call.args.iter().map(|arg| &arg.value);
        args.chain(sorted).chain(&call.filter).for_each(|expr| self.expr(expr, place));
        if let Some(Over::Window(window)) = &call.over {
            self.window(window, place);
        }
    }
}

/// The operands of an operation that holds nothing but operands.
fn operands(kind: &ExprKind) -> Vec<&Expr> {
    match kind {
        ExprKind::Unary { operand, .. }
        | ExprKind::Not(operand)
        | ExprKind::Is { operand, .. }
        | ExprKind::Cast { operand, .. }
        | ExprKind::FieldStar(operand)
        | ExprKind::Collate { operand, .. } => vec![operand],
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinctFrom { left, right, .. } => {
            vec![left, right]
        }
        ExprKind::And(list) | ExprKind::Or(list) | ExprKind::Array(list) | ExprKind::Row(list) => {
            list.iter().collect()
        }
        ExprKind::Between { operand, low, high, .. } => vec![operand, low, high],
        ExprKind::InList { operand, list, .. } => std::iter::once(&**operand).chain(list).collect(),
        ExprKind::Like { operand, pattern, escape, .. } => {
            [operand, pattern].into_iter().chain(escape).map(|operand| &**operand).collect()
        }
        ExprKind::Case { operand, branches, otherwise } => {
            let branches = branches.iter().flat_map(|branch| [&branch.when, &branch.then]);
            operand.iter().map(|e| &**e).chain(branches).chain(otherwise.as_deref()).collect()
        }
        ExprKind::Literal(_)
        | ExprKind::Parameter(_)
        | ExprKind::Column(_)
        | ExprKind::QualifiedStar(_)
        | ExprKind::Default
        | ExprKind::InSubquery { .. }
        | ExprKind::Call(_)
        | ExprKind::Exists(_)
        | ExprKind::Subquery(_)
        | ExprKind::ArraySubquery(_)
        | ExprKind::Quantified { .. }
        | ExprKind::Path { .. } => Vec::new(),
    }
}
