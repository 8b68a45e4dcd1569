//! Queries as text.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn query(&mut self, query: &Query) {
        let Query { with, body, order_by, limit, offset, locks, as_of, emit, position: _ } = query;
        self.with(with.as_ref());
        self.set_expr(body);
        self.order_by_clause(" ORDER BY ", order_by);
        if let Some(Limit { count, with_ties, position: _ }) = limit {
            if *with_ties {
                self.text(" FETCH FIRST ");
                self.operand(count);
                self.text(" ROWS WITH TIES");
            } else {
                self.text(" LIMIT ");
                self.expr(count);
            }
        }
        if let Some(offset) = offset {
            self.text(" OFFSET ");
            self.expr(offset);
        }
        for lock in locks {
            self.lock(lock);
        }
        if let Some(as_of) = as_of {
            self.text(" AS OF ");
            let bare = match &as_of.kind {
                ExprKind::Literal(Literal::Number(digits)) => !digits.starts_with('-'),
                ExprKind::Literal(Literal::String(_)) | ExprKind::Parameter(_) | ExprKind::Column(_) => true,
                ExprKind::Call(call) => !call.special,
                _ => false,
            };
            self.when(!bare, "(");
            self.expr(as_of);
            self.when(!bare, ")");
        }
        match emit {
            Some(Emit::Changes) => self.text(" EMIT CHANGES"),
            Some(Emit::Final) => self.text(" EMIT FINAL"),
            None => {}
        }
    }

    pub(super) fn with(&mut self, with: Option<&With>) {
        let Some(With { recursive, ctes, position: _ }) = with else { return };
        self.text("WITH ");
        self.when(*recursive, "RECURSIVE ");
        self.list(ctes, Self::cte);
        self.text(" ");
    }

    fn cte(&mut self, cte: &Cte) {
        let Cte { name, columns, materialized, body, search, cycle } = cte;
        self.ident(name);
        self.columns(columns);
        self.text(" AS ");
        match materialized {
            Some(true) => self.text("MATERIALIZED "),
            Some(false) => self.text("NOT MATERIALIZED "),
            None => {}
        }
        self.text("(");
        self.statement(body);
        self.text(")");
        if let Some(Search { breadth, by, set, position: _ }) = search {
            self.text(if *breadth { " SEARCH BREADTH FIRST BY " } else { " SEARCH DEPTH FIRST BY " });
            self.list(by, Self::ident);
            self.text(" SET ");
            self.ident(set);
        }
        if let Some(Cycle { columns, set, values, using, position: _ }) = cycle {
            self.text(" CYCLE ");
            self.list(columns, Self::ident);
            self.text(" SET ");
            self.ident(set);
            if let Some((to, default)) = values {
                self.text(" TO ");
                self.operand(to);
                self.text(" DEFAULT ");
                self.operand(default);
            }
            self.text(" USING ");
            self.ident(using);
        }
    }

    fn set_expr(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Table(name) => {
                self.text("TABLE ");
                self.name(name);
            }
            SetExpr::Query(query) => self.subquery(query),
            SetExpr::Set(set) => self.set_operation(set),
        }
    }

    fn set_operation(&mut self, set: &SetOperation) {
        let SetOperation { op, all, operands, position: _ } = set;
        for (i, operand) in operands.iter().enumerate() {
            if i > 0 {
                self.text(match op {
                    SetOperator::Union => " UNION ",
                    SetOperator::Intersect => " INTERSECT ",
                    SetOperator::Except => " EXCEPT ",
                });
                self.when(*all, "ALL ");
            }
            // A chain of other operators is a level of its own.
            let nested = matches!(operand, SetExpr::Set(_));
            self.when(nested, "(");
            self.set_expr(operand);
            self.when(nested, ")");
        }
    }

    fn values(&mut self, values: &Values) {
        self.text("VALUES ");
        self.list(&values.rows, |p, row| p.row(row));
    }

    fn select(&mut self, select: &Select) {
        let Select { distinct, items, from, filter, group_by, having, windows, time_window, position: _ } =
            select;
        self.text("SELECT");
        match distinct {
            Distinct::All => {}
            Distinct::Distinct => self.text(" DISTINCT"),
            Distinct::On(list) => {
                self.text(" DISTINCT ON ");
                self.row(list);
            }
        }
        self.when(!items.is_empty(), " ");
        self.list(items, Self::select_item);
        self.from_clause(" FROM ", from);
        self.filter(" WHERE ", filter.as_ref());
        if let Some(window) = time_window {
            self.time_window(window);
        }
        if let Some(GroupBy { distinct, items, position: _ }) = group_by {
            self.text(" GROUP BY ");
            self.when(*distinct, "DISTINCT ");
            self.list(items, Self::group_item);
        }
        self.filter(" HAVING ", having.as_ref());
        self.when(!windows.is_empty(), " WINDOW ");
        self.list(windows, |p, NamedWindow { name, window }| {
            p.ident(name);
            p.text(" AS ");
            p.window(window);
        });
    }

    pub(super) fn filter(&mut self, word: &str, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.text(word);
            self.expr(condition);
        }
    }

    pub(super) fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::Expr { expr, alias } => {
                self.expr(expr);
                if let Some(alias) = alias {
                    self.text(" AS ");
                    self.ident(alias);
                }
            }
            SelectItem::Star(_) => self.text("*"),
            SelectItem::QualifiedStar(name) => {
                self.name(name);
                self.text(".*");
            }
            SelectItem::FieldStar(expr) => {
                self.text("(");
                self.expr(expr);
                self.text(").*");
            }
        }
    }

    fn group_item(&mut self, item: &GroupItem) {
        match item {
            GroupItem::Expr(Expr { kind: ExprKind::Row(items), .. }) if items.len() > 1 => self.row(items),
            GroupItem::Expr(expr) => self.expr(expr),
            GroupItem::Empty(_) => self.text("()"),
            GroupItem::Rollup(list, _) => {
                self.text("ROLLUP ");
                self.row(list);
            }
            GroupItem::Cube(list, _) => {
                self.text("CUBE ");
                self.row(list);
            }
            GroupItem::Sets(items, _) => {
                self.text("GROUPING SETS (");
                self.list(items, Self::group_item);
                self.text(")");
            }
        }
    }

    pub(super) fn order_by_clause(&mut self, word: &str, order_by: &[OrderBy]) {
        if !order_by.is_empty() {
            self.text(word);
            self.list(order_by, |p, OrderBy { expr, direction, nulls }| {
                p.expr(expr);
                p.ordering(direction, *nulls);
            });
        }
    }

    pub(super) fn ordering(&mut self, direction: &Direction, nulls: Option<Nulls>) {
        match direction {
            Direction::Default => {}
            Direction::Ascending => self.text(" ASC"),
            Direction::Descending => self.text(" DESC"),
            Direction::Using(op) => {
                self.text(" USING ");
                self.operator(op);
            }
        }
        match nulls {
            Some(Nulls::First) => self.text(" NULLS FIRST"),
            Some(Nulls::Last) => self.text(" NULLS LAST"),
            None => {}
        }
    }

    fn lock(&mut self, Lock { strength, of, wait, position: _ }: &Lock) {
        self.text(match strength {
            LockStrength::Update => " FOR UPDATE",
            LockStrength::NoKeyUpdate => " FOR NO KEY UPDATE",
            LockStrength::Share => " FOR SHARE",
            LockStrength::KeyShare => " FOR KEY SHARE",
        });
        self.when(!of.is_empty(), " OF ");
        self.list(of, Self::name);
        self.text(match wait {
            LockWait::Wait => "",
            LockWait::NoWait => " NOWAIT",
            LockWait::SkipLocked => " SKIP LOCKED",
        });
    }
}

/// FROM.
impl Printer<'_> {
    pub(super) fn from_clause(&mut self, word: &str, from: &[FromItem]) {
        if !from.is_empty() {
            self.text(word);
            self.list(from, Self::from);
        }
    }

    fn from(&mut self, FromItem { first, joins }: &FromItem) {
        self.source(first);
        for join in joins {
            self.join(join);
        }
    }

    fn join(&mut self, join: &Join) {
        let Join { kind, right, constraint, within, asof, position: _ } = join;
        self.when(matches!(constraint, JoinConstraint::Natural), " NATURAL");
        self.when(*asof, " ASOF");
        self.text(match kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        self.source(right);
        if let Some(Within { before, after, grace, position: _ }) = within {
            self.text(if after.is_some() { " WITHIN (" } else { " WITHIN " });
            self.span(before);
            if let Some(after) = after {
                self.text(", ");
                self.span(after);
                self.text(")");
            }
            if let Some(grace) = grace {
                self.text(" GRACE PERIOD ");
                self.span(grace);
            }
        }
        match constraint {
            JoinConstraint::None | JoinConstraint::Natural => {}
            JoinConstraint::On(condition) => self.filter(" ON ", Some(condition)),
            JoinConstraint::Using { columns, alias } => {
                self.text(" USING ");
                self.column_list(columns);
                if let Some(alias) = alias {
                    self.text(" AS ");
                    self.ident(alias);
                }
            }
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Relation { name, meant, only, changes, alias, system_time, sample } => {
                self.when(*only, "ONLY ");
                self.when(*changes, "CHANGES(");
                let shown = self.relation(name, meant.as_ref(), alias.as_ref());
                self.when(*changes, ")");
                if let Some(time) = system_time {
                    self.text(" FOR SYSTEM_TIME AS OF ");
                    self.operand(time);
                }
                self.alias(shown.as_ref().or(alias.as_ref()));
                if let Some(Sample { method, args, seed, position: _ }) = sample {
                    self.text(" TABLESAMPLE ");
                    self.name(method);
                    self.row(args);
                    if let Some(seed) = seed {
                        self.text(" REPEATABLE (");
                        self.expr(seed);
                        self.text(")");
                    }
                }
            }
            Source::Subquery { query, lateral, alias, position: _ } => {
                self.when(*lateral, "LATERAL ");
                self.subquery(query);
                self.alias(alias.as_ref());
            }
            Source::Function(function) => self.table_function(function),
            Source::Joins { from, alias, position: _ } => {
                self.text("(");
                self.from(from);
                self.text(")");
                self.alias(alias.as_ref());
            }
        }
    }

    /// A relation's name, with what it means; or the name that it has now, and an alias by which it is called as before.
    fn relation(&mut self, name: &Name, meant: Option<&Meant>, alias: Option<&Alias>) -> Option<Alias> {
        let Some(meant) = meant else {
            self.name(name);
            return None;
        };
        let Some(relations) = self.relations else {
            self.name(name);
            self.text(" {");
            self.number(meant.id);
            self.text(": ");
            self.list(&meant.columns, |p, column| match column {
                Some(column) => p.ident(column),
                None => p.text("-"),
            });
            self.text("}");
            return None;
        };
        let Some((schema, item, columns)) = relations.now(meant.id) else {
            self.name(name);
            return None;
        };
        self.word(schema);
        self.text(".");
        self.word(item);
        present_alias(name, meant, alias, item, &columns)
    }

    fn alias(&mut self, alias: Option<&Alias>) {
        if let Some(Alias { name, columns }) = alias {
            self.text(" AS ");
            self.ident(name);
            self.columns(columns);
        }
    }

    fn table_function(&mut self, function: &TableFunction) {
        let TableFunction { calls, rows_from, ordinality, lateral, alias, position: _ } = function;
        self.when(*lateral, "LATERAL ");
        self.when(*rows_from, "ROWS FROM (");
        self.list(calls, |p, TableCall { call, columns }| {
            p.expr(call);
            if *rows_from && !columns.is_empty() {
                p.text(" AS ");
                p.typed_columns(columns);
            }
        });
        self.when(*rows_from, ")");
        self.when(*ordinality, " WITH ORDINALITY");
        match calls.as_slice() {
            [TableCall { columns, .. }] if !*rows_from && !columns.is_empty() => {
                self.text(" AS ");
                if let Some(alias) = alias {
                    self.ident(&alias.name);
                    self.text(" ");
                }
                self.typed_columns(columns);
            }
            _ => self.alias(alias.as_ref()),
        }
    }

    fn typed_columns(&mut self, columns: &[ColumnDefinition]) {
        self.text("(");
        self.list(columns, Self::column_definition);
        self.text(")");
    }
}

/// Windows in event time.
impl Printer<'_> {
    fn time_window(&mut self, TimeWindow { kind, args, position: _ }: &TimeWindow) {
        self.text(match kind {
            TimeWindowKind::Tumbling => " WINDOW TUMBLING (",
            TimeWindowKind::Hopping => " WINDOW HOPPING (",
            TimeWindowKind::Session => " WINDOW SESSION (",
            TimeWindowKind::Cumulating => " WINDOW CUMULATING (",
        });
        self.list(args, |p, TimeWindowArg { name, value, position: _ }| {
            p.text(&name.to_ascii_uppercase());
            p.when(!name.is_empty(), " ");
            p.span(value);
        });
        self.text(")");
    }

    fn span(&mut self, Span { count, unit }: &Span) {
        self.number(count);
        self.text(" ");
        self.text(&unit.name.to_ascii_uppercase());
    }
}

/// The alias by which a relation, which is called `item` and has `columns` now, goes on being called as the text around it does;
/// None where what is written serves.
fn present_alias(
    name: &Name,
    meant: &Meant,
    alias: Option<&Alias>,
    item: &str,
    columns: &[Option<&str>],
) -> Option<Alias> {
    let mut given = alias.iter().flat_map(|alias| &alias.columns);
    let mut called = Vec::new();
    let mut same = true;
    for (own, now) in meant.columns.iter().zip(columns) {
        let Some(own) = own.as_ref().map(|own| given.next().unwrap_or(own)) else { continue };
        if let Some(now) = now {
            same &= own.name == *now;
            called.push(own.clone());
        }
    }
    let written = alias.map_or(name.last(), |alias| &alias.name);
    if same && (alias.is_some() || written.name == item) {
        return alias.map(|alias| Alias { name: alias.name.clone(), columns: Vec::new() });
    }
    Some(Alias { name: written.clone(), columns: if same { Vec::new() } else { called } })
}
