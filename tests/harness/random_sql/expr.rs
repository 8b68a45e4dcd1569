//! Expressions of every type, predicates, and subqueries of both.

use super::*;

impl Generator {
    pub(super) fn literal(&mut self, typ: Ty) -> String {
        match typ {
            Int => format!("{}::int8", self.rng.below(4)),
            Text => format!("'{}'::text", self.rng.pick(&["", "a", "b", "ab"])),
            Num => format!("{}::numeric(20,2)", self.rng.pick(&["0.00", "1.50", "2.25", "-1.00"])),
            Bool => self.rng.pick(&["true", "false"]).to_string(),
            Date => format!("DATE '2024-02-2{}'", 7 + self.rng.below(3)),
            Float => format!("{}::float8", self.rng.pick(&["0", "0.5", "-1.25", "3"])),
        }
    }

    /// A literal, or NULL.
    pub(super) fn value(&mut self, typ: Ty) -> String {
        match self.rng.one_in(5) {
            true => format!("NULL::{}", typ.sql()),
            false => self.literal(typ),
        }
    }

    pub(super) fn column(&mut self, typ: Ty, scope: &Scope) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, t)| *t == typ).map(|(name, _)| name).collect();
        let column = (!fitting.is_empty()).then(|| (*self.rng.pick(&fitting)).clone());
        self.failures += usize::from(column.as_ref().is_some_and(|name| self.fallible.contains(name)));
        column
    }

    /// An expression of a type that fails on the bad value of a column.
    pub(super) fn failing(&mut self, typ: Ty, scope: &Scope) -> Option<String> {
        let of = *self.rng.pick(&[Int, Int, Text, Num, Float]);
        let (of, column) = match self.column(of, scope) {
            Some(column) => (of, column),
            None => (Int, self.column(Int, scope)?),
        };
        let number = match (of, self.rng.below(3)) {
            (Int, 0) => format!("(({column} * 1317624576693539402) / 1317624576693539402)"),
            (Int, 1) => format!("({column}::int4 + 2147483641 - 2147483641)::int8"),
            (Int, _) => format!("(6 / ({column} - 7))"),
            (Text, _) => format!("('0' || translate({column}, 'ab', '12'))::int8"),
            (Num, 0) => format!("(({column} * 1300000000000000000)::int8 / 1300000000000000000)"),
            (Num, _) => format!("(1.5 / ({column} - 7.50))::int8"),
            _ => format!("floor(1.5 / ({column} - 7))::int8"),
        };
        self.failures += 1;
        Some(match typ {
            Int => number,
            Text => format!("{number}::text"),
            Num if self.rng.one_in(2) => fixed(&format!("{number} * 100000000000000000")),
            Num => fixed(&number),
            Float => format!("{number}::float8"),
            Date => format!("(DATE '2024-02-27' + (least({number}, 99) / 2)::int4)"),
            Bool => format!("({number} > {})", self.rng.below(4)),
        })
    }

    /// Something that can fail, mostly unguarded, where that is wanted.
    fn failing_now_and_then(&mut self, typ: Ty, scope: &Scope) -> Option<String> {
        if !self.may_fail || !self.rng.one_in(5) {
            return None;
        }
        let failing = self.failing(typ, scope)?;
        let guard = self.column(Int, scope).filter(|_| self.rng.one_in(3));
        let Some(guard) = guard else { return Some(failing) };
        let value = format!("CASE WHEN {guard} < 7 THEN {failing} ELSE {} END", self.literal(typ));
        Some(if typ == Num { fixed(&value) } else { value })
    }

    /// An expression of a type over the scope.
    pub(super) fn expr(&mut self, typ: Ty, scope: &Scope, depth: usize) -> String {
        if let Some(failing) = self.failing_now_and_then(typ, scope) {
            return failing;
        }
        if depth == 0 || self.rng.one_in(3) {
            let column = self.column(typ, scope);
            return match column {
                Some(column) if !self.rng.one_in(8) => column,
                _ => self.value(typ),
            };
        }
        match self.rng.below(6) {
            0 => {
                let when = self.expr(Bool, scope, depth - 1);
                let (then, els) = (self.expr(typ, scope, depth - 1), self.expr(typ, scope, depth - 1));
                let value = format!("CASE WHEN {when} THEN {then} ELSE {els} END");
                if typ == Num { fixed(&value) } else { value }
            }
            1 if typ != Bool => {
                let (first, second) = (self.expr(typ, scope, depth - 1), self.expr(typ, scope, 0));
                let value = format!("coalesce({first}, {second})");
                if typ == Num { fixed(&value) } else { value }
            }
            2 if self.subqueries > 0 && typ != Bool => {
                self.subqueries -= 1;
                self.scalar_subquery(typ, scope)
            }
            _ => self.operation(typ, scope, depth - 1),
        }
    }

    fn operation(&mut self, typ: Ty, scope: &Scope, depth: usize) -> String {
        let operand = |this: &mut Generator, typ: Ty| this.expr(typ, scope, depth);
        match typ {
            Int => match self.rng.below(5) {
                0 => format!("length({})::int8", operand(self, Text)),
                1 => format!("({})::int8", operand(self, Num)),
                2 => format!("({} / nullif({}, 0))", operand(self, Int), operand(self, Int)),
                3 => format!("({} - {})", operand(self, Int), operand(self, Int)),
                _ => format!("({} + {})", operand(self, Int), operand(self, Int)),
            },
            Text => {
                let of = *self.rng.pick(&[Int, Text, Bool, Date]);
                match of {
                    Text => format!("({} || {})", operand(self, Text), operand(self, Text)),
                    _ => format!("({})::text", operand(self, of)),
                }
            }
            Num => match self.rng.below(3) {
                0 => fixed(&operand(self, Int)),
                1 => fixed(&format!("{} * 1.5", operand(self, Num))),
                _ => fixed(&format!("{} + {}", operand(self, Num), operand(self, Num))),
            },
            Date => format!("({} + {})", operand(self, Date), self.rng.below(3)),
            Float => match self.rng.one_in(2) {
                true => format!("({})::float8", operand(self, Int)),
                false => format!("({} + {})", operand(self, Float), operand(self, Float)),
            },
            Bool => self.predicate(scope, depth),
        }
    }

    fn predicate(&mut self, scope: &Scope, depth: usize) -> String {
        let before = self.failures;
        let typ = *self.rng.pick(&TYPES);
        let operand = |this: &mut Generator, typ: Ty| this.expr(typ, scope, depth);
        match self.rng.below(10) {
            0 => format!("({} AND {})", operand(self, Bool), operand(self, Bool)),
            1 => format!("({} OR {})", operand(self, Bool), operand(self, Bool)),
            2 => format!("(NOT {})", operand(self, Bool)),
            3 => format!("({} IS {}NULL)", operand(self, typ), if self.rng.one_in(2) { "NOT " } else { "" }),
            4 => {
                let (left, right) = (operand(self, typ), operand(self, typ));
                let operator = if self.failures > before { ">=" } else { "IS DISTINCT FROM" };
                format!("({left} {operator} {right})")
            }
            5 => format!("({} IN ({}, {}))", operand(self, typ), self.literal(typ), self.value(typ)),
            6 | 7 if self.subqueries > 0 => {
                self.subqueries -= 1;
                self.subquery_predicate(scope)
            }
            8 => format!("({} LIKE 'a%')", operand(self, Text)),
            _ => {
                let (left, right) = (operand(self, typ), operand(self, typ));
                let operator = *self.rng.pick(&["=", "=", "<>", "<", "<=", ">"]);
                let operator = match operator {
                    "=" | "<>" if self.failures > before => ">",
                    operator => operator,
                };
                format!("({left} {operator} {right})")
            }
        }
    }

    /// A relation of its own and a predicate that mostly links it with the scope around it.
    fn correlated(&mut self, scope: &Scope) -> (String, Scope, String) {
        let (from, inner) = self.from(0);
        let all: Scope = inner.iter().chain(scope).cloned().collect();
        let mut links = Vec::new();
        let (safe_inner, safe_outer) = (self.safe(&inner), self.safe(scope));
        for _ in 0..1 + self.rng.below(2) {
            let Some((column, typ)) = (!safe_inner.is_empty()).then(|| self.rng.pick(&safe_inner).clone())
            else {
                links.push(self.expr(Bool, &all, 1));
                continue;
            };
            match self.column(typ, &safe_outer) {
                Some(outer) if !self.rng.one_in(5) => {
                    let operator = *self.rng.pick(&["=", "=", "=", "<"]);
                    links.push(format!("{column} {operator} {outer}"));
                }
                _ => links.push(self.expr(Bool, &all, 1)),
            }
        }
        (from, inner, links.join(" AND "))
    }

    fn scalar_subquery(&mut self, typ: Ty, scope: &Scope) -> String {
        let (from, inner, links) = self.correlated(scope);
        let value = match typ {
            Int if self.rng.one_in(2) => "count(*)".to_owned(),
            Bool => format!("bool_or({})", self.expr(Bool, &inner, 0)),
            _ => {
                let value = format!("{}({})", self.rng.pick(&["min", "max"]), self.expr(typ, &inner, 1));
                if typ == Num { fixed(&value) } else { value }
            }
        };
        format!("(SELECT {value} FROM {from} WHERE {links})")
    }

    fn subquery_predicate(&mut self, scope: &Scope) -> String {
        let (from, inner, links) = self.correlated(scope);
        let before = self.failures;
        let not = if self.rng.one_in(2) { "NOT " } else { "" };
        match self.rng.one_in(2) {
            true => format!("({not}EXISTS (SELECT 1 FROM {from} WHERE {links}))"),
            false => {
                let (column, typ) = self.rng.pick(&inner).clone();
                let value = self.expr(typ, scope, 0);
                if self.failures > before || self.fallible.contains(&column) {
                    return format!(
                        "({not}EXISTS (SELECT {column} FROM {from} WHERE {value} > {column} AND {links}))"
                    );
                }
                format!("({value} {not}IN (SELECT {column} FROM {from} WHERE {links}))")
            }
        }
    }
}
