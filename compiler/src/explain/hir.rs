//! The tree of what was meant: HIR, with its subqueries indented under the expressions that hold them.
//!
//! A column of the nearest row is `#2`; of a row around it, `^#2` with one mark for each row outward.

use super::{Names, Tree, columns, list, order};
use crate::hir::{Aggregate, EFFECTS, Effects, Expr, JoinKind, OUTPUTS, Query, Rel, SetOp};
use crate::scalar::ScalarExpr;

/// The tree of a query, what is done to its rows at the top.
pub fn query(query: &Query, names: &dyn Names) -> Tree {
    let mut subqueries = Vec::new();
    let mut parts = effects(query, &mut subqueries);
    if !query.order.is_empty() {
        parts.push(format!("order by {}", order(&query.order)));
    }
    parts.extend(query.limit.as_ref().map(|limit| format!("limit {}", expr(limit, &mut subqueries))));
    parts.extend(query.offset.as_ref().map(|offset| format!("offset {}", expr(offset, &mut subqueries))));
    let mut children = vec![rel(&query.rel, names)];
    children.extend(subqueries.into_iter().map(|subquery| rel(subquery, names)));
    Tree::new(format!("Query: {}", parts.join(", ")), children)
}

/// The columns, and the calls that some of them come of: `!0` is what the first one gives.
fn effects<'e>(query: &'e Query, subqueries: &mut Vec<&'e Rel>) -> Vec<String> {
    let Effects { calls, outputs } = &query.effects;
    if calls.is_empty() {
        return vec![format!("columns {}", columns(&query.project))];
    }
    let named = |text: String| {
        let calls = (0..calls.len()).rev();
        calls.fold(text, |text, call| text.replace(&format!("#{}", EFFECTS + call), &format!("!{call}")))
    };
    let mut parts: Vec<String> = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let args = named(exprs(&call.args, subqueries));
        parts.push(format!("!{number} {}({args})", call.function.name()));
    }
    let column = |at: &usize| match at.checked_sub(OUTPUTS) {
        Some(output) => named(expr(&outputs[output], subqueries)),
        None => format!("#{at}"),
    };
    let columns: Vec<String> = query.project.iter().map(column).collect();
    parts.push(format!("columns ({})", columns.join(", ")));
    parts
}

fn rel(node: &Rel, names: &dyn Names) -> Tree {
    crate::hir::grow(|| {
        let mut subqueries = Vec::new();
        let line = line(node, names, &mut subqueries);
        let mut children: Vec<Tree> =
            node.children().into_iter().map(|(_, child)| rel(child, names)).collect();
        let numbered = subqueries.into_iter().enumerate();
        children.extend(
            numbered
                .map(|(at, subquery)| Tree::new(format!("Subquery {}", at + 1), vec![rel(subquery, names)])),
        );
        Tree::new(line, children)
    })
}

fn line<'e>(node: &'e Rel, names: &dyn Names, subqueries: &mut Vec<&'e Rel>) -> String {
    match node {
        Rel::Values { rows, .. } => {
            let rows: Vec<String> = rows.iter().map(|row| format!("({})", exprs(row, subqueries))).collect();
            format!("Values: {}", list(rows))
        }
        Rel::Get { id, .. } => format!("Get: {}", names.name(*id)),
        Rel::View { id, .. } => format!("View: {}", names.name(*id)),
        Rel::Cte { id, .. } => format!("Cte: {}", id.0),
        Rel::With { id, name, .. } => format!("With: {} {name}", id.0),
        Rel::Recursive { id, name, rounds, .. } => {
            format!("Recursive: {} {name}, at most {rounds} rounds", id.0)
        }
        Rel::Project { outputs, .. } => format!("Project: {}", columns(outputs)),
        Rel::Map { exprs: own, .. } => format!("Map: {}", exprs(own, subqueries)),
        Rel::Filter { predicates, .. } => {
            let predicates: Vec<String> = predicates.iter().map(|e| expr(e, subqueries)).collect();
            format!("Filter: {}", predicates.join(" AND "))
        }
        Rel::FlatMap { func, args, .. } => format!("FlatMap: {}({})", func.name, exprs(args, subqueries)),
        Rel::Join { kind, on, lateral, .. } => {
            let kind = match kind {
                JoinKind::Inner => "Join",
                JoinKind::Left => "LeftJoin",
                JoinKind::Right => "RightJoin",
                JoinKind::Full => "FullJoin",
            };
            let on: Vec<String> = on.iter().map(|e| expr(e, subqueries)).collect();
            format!("{kind}{}: {}", if *lateral { " lateral" } else { "" }, on.join(" AND "))
        }
        Rel::Lookup { on, outer, .. } => {
            let on: Vec<String> = on.iter().map(|e| expr(e, subqueries)).collect();
            format!("{}: {}", super::lookup_name(*outer), on.join(" AND "))
        }
        Rel::Changes { .. } => "Changes".to_owned(),
        Rel::Reduce { key, aggregates, .. } => {
            let key = exprs(key, subqueries);
            let aggregates: Vec<String> = aggregates.iter().map(|a| aggregate(a, subqueries)).collect();
            format!("Reduce: by ({key}): {}", list(aggregates))
        }
        Rel::GroupingSets { key, sets, aggregates, .. } => {
            let key = exprs(key, subqueries);
            let sets: Vec<String> = sets.iter().map(|set| format!("({})", columns(set))).collect();
            let aggregates: Vec<String> = aggregates.iter().map(|a| aggregate(a, subqueries)).collect();
            format!("GroupingSets: by ({key}) in {}: {}", list(sets), list(aggregates))
        }
        Rel::Distinct { .. } => "Distinct".to_owned(),
        Rel::TopK { group, order: keys, limit, offset, ties, .. } => {
            let mut parts = vec![format!("by ({})", columns(group)), format!("order by ({})", order(keys))];
            parts.extend(limit.as_ref().map(|limit| format!("limit {}", expr(limit, subqueries))));
            parts.extend(ties.then(|| "with ties".to_owned()));
            parts.extend(offset.as_ref().map(|offset| format!("offset {}", expr(offset, subqueries))));
            format!("TopK: {}", parts.join(", "))
        }
        Rel::Window { partition, order, functions, .. } => {
            let order: Vec<&Expr> = order.iter().map(|key| &key.expr).collect();
            let order: Vec<String> = order.into_iter().map(|e| expr(e, subqueries)).collect();
            let functions: Vec<String> = functions
                .iter()
                .map(|call| format!("{}({})", call.func, exprs(&call.args, subqueries)))
                .collect();
            format!(
                "Window: by ({}), order by ({}): {}",
                exprs(partition, subqueries),
                list(order),
                list(functions)
            )
        }
        Rel::Union { .. } => "Union".to_owned(),
        Rel::SetOp { op, all, .. } => {
            let op = match op {
                SetOp::Intersect => "Intersect",
                SetOp::Except => "Except",
            };
            format!("{op}{}", if *all { " all" } else { "" })
        }
    }
}

fn aggregate<'e>(aggregate: &'e Aggregate, subqueries: &mut Vec<&'e Rel>) -> String {
    let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
    let mut text = format!("{:?}({distinct}{})", aggregate.func, exprs(&aggregate.args, subqueries));
    if let Some(filter) = &aggregate.filter {
        text += &format!(" FILTER {}", expr(filter, subqueries));
    }
    text
}

fn exprs<'e>(all: &'e [Expr], subqueries: &mut Vec<&'e Rel>) -> String {
    let all: Vec<String> = all.iter().map(|e| expr(e, subqueries)).collect();
    list(all)
}

fn expr<'e>(e: &'e Expr, subqueries: &mut Vec<&'e Rel>) -> String {
    if let Some(scalar) = e.to_local_scalar() {
        return scalar.to_string();
    }
    let mut nested = |rel: &'e Rel, what: &str| {
        subqueries.push(rel);
        format!("{what} subquery {}", subqueries.len())
    };
    match e {
        Expr::Column(reference, _) => format!("{}#{}", "^".repeat(reference.level), reference.column),
        Expr::Literal(row, typ) => ScalarExpr::Literal(row.clone(), typ.clone()).to_string(),
        Expr::Parameter(index, _) => format!("${}", index + 1),
        Expr::Call { func, args, .. } => match (func.syntax, args.as_slice()) {
            (crate::scalar::Syntax::Operator, [left, right]) => {
                format!("({} {} {})", expr(left, subqueries), func.name, expr(right, subqueries))
            }
            _ => format!("{}({})", func.name, exprs(args, subqueries)),
        },
        Expr::And(all) => connected(all, " AND ", subqueries),
        Expr::Or(all) => connected(all, " OR ", subqueries),
        Expr::If { cond, then, els } => {
            let (cond, then) = (expr(cond, subqueries), expr(then, subqueries));
            format!("CASE WHEN {cond} THEN {then} ELSE {} END", expr(els, subqueries))
        }
        Expr::Coalesce(all) => format!("coalesce({})", exprs(all, subqueries)),
        Expr::Exists(rel) => nested(rel, "EXISTS"),
        Expr::Scalar(rel, _) => nested(rel, "the value of"),
    }
}

fn connected<'e>(all: &'e [Expr], word: &str, subqueries: &mut Vec<&'e Rel>) -> String {
    let all: Vec<String> = all.iter().map(|e| expr(e, subqueries)).collect();
    format!("({})", all.join(word))
}
