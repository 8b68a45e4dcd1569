//! Random schemas, transactions and queries as SQL text, all from one seed.
//!
//! Every operator and aggregate of the language can come out, with few distinct values, so that keys meet, groups have members
//! and rows cancel. Equal values print alike, to keep PostgreSQL comparable (numerics have one scale, which their type says, floats
//! are sums of quarters), and a LIMIT stands behind an order by all columns, for the same reason.
//!
//! Some queries can fail ([`Failing`]): they divide, overflow and cast by columns that hold a bad value now and then (a 7, 'x!'), which
//! later transactions take away. What can fail is never an equality of two inputs, which a join may ask of more rows than meet.

mod expr;
mod window;

use std::collections::BTreeSet;

use super::random_mir::Rng;

/// The types that expressions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    Int,
    Text,
    Num,
    Bool,
    Date,
    Float,
}

use Ty::*;

const TYPES: [Ty; 6] = [Int, Text, Num, Bool, Date, Float];

impl Ty {
    pub fn sql(self) -> &'static str {
        match self {
            Int => "int8",
            Text => "text",
            Num => "numeric(20,2)",
            Bool => "bool",
            Date => "date",
            Float => "float8",
        }
    }

    /// The value on which expressions fail that fail on few.
    fn bad(self) -> Option<&'static str> {
        match self {
            Int => Some("7"),
            Text => Some("'x!'"),
            Num => Some("7.50"),
            Float => Some("7"),
            Bool | Date => None,
        }
    }
}

/// A numeric of the one scale.
fn fixed(value: &str) -> String {
    format!("({value})::{}", Num.sql())
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, Ty)>,
    /// The first column is the primary key.
    pub keyed: bool,
    /// Append-only.
    pub stream: bool,
}

impl Table {
    /// The statement that creates it; PostgreSQL knows no streams.
    pub fn create(&self, for_postgres: bool) -> String {
        let columns = self.columns.iter().enumerate().map(|(index, (name, typ))| {
            let key = if self.keyed && index == 0 { " PRIMARY KEY" } else { "" };
            format!("{name} {}{key}", typ.sql())
        });
        let kind = if self.stream && !for_postgres { "STREAM" } else { "TABLE" };
        format!("CREATE {kind} {} ({})", self.name, columns.collect::<Vec<_>>().join(", "))
    }
}

type Scope = Vec<(String, Ty)>;

/// The columns of one type on both sides.
fn pairs(left: &Scope, right: &Scope) -> Vec<(String, String)> {
    let fitting = |typ: Ty| right.iter().filter(move |(_, other)| *other == typ);
    left.iter().flat_map(|(l, typ)| fitting(*typ).map(move |(r, _)| (l.clone(), r.clone()))).collect()
}

/// Whether a query fails on some data, and whether two databases must agree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    Never,
    /// Which expressions are evaluated on which rows is for the executor to say.
    Somewhere,
    /// Whoever evaluates the query evaluates what can fail on the same rows.
    Exactly,
}

struct Query {
    sql: String,
    types: Vec<Ty>,
    /// Whether reading its columns can fail.
    fails: bool,
}

pub struct Generator {
    rng: Rng,
    pub tables: Vec<Table>,
    /// Materialized views that queries read beside the tables.
    views: Vec<Table>,
    /// Common table expressions in scope.
    ctes: Vec<(String, Vec<Ty>, bool)>,
    aliases: usize,
    /// Subqueries in expressions that may still be made: they multiply.
    subqueries: usize,
    /// Whether what is being made may fail.
    may_fail: bool,
    /// How often something that can fail was made: whoever made something in between knows whether it can.
    failures: usize,
    /// The columns of relations whose reading can fail.
    fallible: BTreeSet<String>,
    transactions: usize,
    /// The tables that hold bad values.
    sick: BTreeSet<String>,
}

/// Streams never lose a bad value, so they get them late.
const STREAMS_FAIL_AFTER: usize = 6;

impl Generator {
    /// A keyed table, a bag and a stream; their names begin with `prefix`.
    pub fn new(seed: u64, prefix: &str) -> Generator {
        let mut rng = Rng::new(seed);
        let mut tables = Vec::new();
        for (number, (keyed, stream)) in
            [(true, false), (false, false), (false, true)].into_iter().enumerate()
        {
            let count = 2 + rng.below(3);
            let columns = (0..count).map(|column| {
                // The first two are of the types that most joins are by.
                let typ = match column {
                    0 => Int,
                    1 => *rng.pick(&[Int, Text]),
                    _ => *rng.pick(&TYPES),
                };
                (format!("{}{}", ["a", "b", "c", "d"][column], number), typ)
            });
            let columns = columns.collect();
            tables.push(Table { name: format!("{prefix}{number}"), columns, keyed, stream });
        }
        Generator {
            rng,
            tables,
            views: Vec::new(),
            ctes: Vec::new(),
            aliases: 0,
            subqueries: 0,
            may_fail: false,
            failures: 0,
            fallible: BTreeSet::new(),
            transactions: 0,
            sick: BTreeSet::new(),
        }
    }
}

/// Transactions.
impl Generator {
    /// The statements of one transaction.
    pub fn transaction(&mut self) -> Vec<String> {
        self.transactions += 1;
        let mut statements = Vec::new();
        for table in self.tables.clone() {
            if self.sick.contains(&table.name) && self.rng.one_in(2) {
                self.sick.remove(&table.name);
                statements.extend(self.healing(&table));
            }
        }
        statements.extend((0..1 + self.rng.below(4)).map(|_| self.change()));
        statements
    }

    /// Takes the bad values of a table away, with their rows or without.
    fn healing(&mut self, table: &Table) -> Vec<String> {
        let update = self.rng.one_in(3);
        let columns = table.columns.iter().enumerate().filter_map(|(index, (name, typ))| {
            let bad = typ.bad()?;
            Some(match update && !(table.keyed && index == 0) {
                true => {
                    format!("UPDATE {} SET {name} = {} WHERE {name} = {bad}", table.name, self.literal(*typ))
                }
                false => format!("DELETE FROM {} WHERE {name} = {bad}", table.name),
            })
        });
        columns.collect()
    }

    fn change(&mut self) -> String {
        let table = self.rng.pick(&self.tables).clone();
        let scope: Scope = table.columns.clone();
        let name = &table.name;
        match self.rng.below(6) {
            4 if !table.stream => format!("DELETE FROM {name} WHERE {}", self.simple_predicate(&scope)),
            5 if !table.stream => {
                let from = usize::from(table.keyed);
                let column = from + self.rng.below(scope.len() - from);
                let (column, typ) = scope[column].clone();
                let value = match self.rng.one_in(2) {
                    true => self.value(typ),
                    false => self.literal(typ),
                };
                format!("UPDATE {name} SET {column} = {value} WHERE {}", self.simple_predicate(&scope))
            }
            _ => {
                let count = 1 + self.rng.below(4);
                let mut rows: Vec<String> = (0..count).map(|_| self.row(&table)).collect();
                if self.rng.one_in(3) {
                    rows.push(rows[0].clone());
                }
                let conflict = if table.keyed { " ON CONFLICT DO NOTHING" } else { "" };
                format!("INSERT INTO {name} VALUES {}{conflict}", rows.join(", "))
            }
        }
    }

    fn row(&mut self, table: &Table) -> String {
        let hazardous = !table.stream || self.transactions > STREAMS_FAIL_AFTER;
        let mut sick = false;
        let values = table.columns.iter().enumerate().map(|(index, (_, typ))| {
            let good = match (table.keyed, index) {
                (true, 0) => self.rng.below(7).to_string(),
                _ => self.value(*typ),
            };
            match typ.bad().filter(|_| hazardous && self.rng.one_in(8)) {
                Some(bad) => {
                    sick = true;
                    bad.to_owned()
                }
                None => good,
            }
        });
        let values: Vec<String> = values.collect();
        if sick && !table.stream {
            self.sick.insert(table.name.clone());
        }
        format!("({})", values.join(", "))
    }

    fn simple_predicate(&mut self, scope: &Scope) -> String {
        let (column, typ) = self.rng.pick(scope).clone();
        match self.rng.below(4) {
            0 => format!("{column} IS NULL"),
            1 => format!("{column} > {}", self.literal(typ)),
            _ => format!("{column} = {}", self.literal(typ)),
        }
    }
}

/// Queries.
impl Generator {
    /// A view for later queries to read, of few rows: its name, its columns' names and its query.
    pub fn view(&mut self, name: &str) -> (Vec<String>, String) {
        self.begin(Failing::Never);
        let (from, scope) = self.from(1);
        let filter = self.filter(&scope);
        let Query { sql, types, .. } = self.grouped(&from, &scope, &filter);
        let columns: Vec<String> = (0..types.len()).map(|i| format!("v{i}")).collect();
        let view = Table {
            name: name.to_owned(),
            columns: columns.iter().cloned().zip(types).collect(),
            keyed: false,
            stream: false,
        };
        self.views.push(view);
        (columns, sql)
    }

    fn begin(&mut self, failing: Failing) {
        self.aliases = 0;
        self.ctes.clear();
        self.fallible.clear();
        self.subqueries = 2;
        self.may_fail = failing == Failing::Somewhere;
    }

    pub fn query(&mut self, failing: Failing) -> String {
        self.begin(failing);
        if failing == Failing::Exactly {
            return self.exact();
        }
        if failing == Failing::Somewhere && self.rng.one_in(3) {
            return self.joined();
        }
        let depth = 1 + self.rng.below(3);
        loop {
            let before = self.failures;
            let sql = self.sub(depth).sql;
            if !self.may_fail || self.failures > before {
                return sql;
            }
        }
    }

    /// A query of one operator, whose rows are all evaluated wherever it runs.
    fn exact(&mut self) -> String {
        let table = self.rng.pick(&self.tables).clone();
        let scope: Scope = table.columns.iter().map(|(name, typ)| (format!("x.{name}"), *typ)).collect();
        let from = format!("{} AS x", table.name);
        let typ = *self.rng.pick(&[Int, Int, Text, Num, Date, Float]);
        let failing = self.failing(typ, &scope).expect("invariant: every table has an int");
        let (column, other) = (self.rng.pick(&scope).0.clone(), self.rng.pick(&scope).0.clone());
        let literal = self.literal(typ);
        let function = match typ {
            Text | Date => *self.rng.pick(&["count", "min", "max"]),
            _ => *self.rng.pick(&["count", "sum", "min", "max"]),
        };
        let distinct = if self.rng.one_in(4) { "DISTINCT " } else { "" };
        match self.rng.below(12) {
            0 => {
                let filter = self.simple_predicate(&scope);
                format!("SELECT {column}, {failing} FROM {from} WHERE {filter}")
            }
            1 => format!("SELECT {column}, {other} FROM {from} WHERE {failing} < {literal}"),
            2 => format!("SELECT {column}, {function}({distinct}{failing}) FROM {from} GROUP BY 1"),
            3 => format!("SELECT count({other}) FILTER (WHERE {failing} >= {literal}) FROM {from}"),
            4 => {
                format!("SELECT {column}, count(*) FROM {from} GROUP BY 1 HAVING max({failing}) > {literal}")
            }
            5 => format!("SELECT {failing}, count(*) FROM {from} GROUP BY 1"),
            6 => {
                let rows = 1 + self.rng.below(3);
                format!("SELECT {failing} AS f, {column} AS c FROM {from} ORDER BY f, c LIMIT {rows}")
            }
            7 => format!("SELECT DISTINCT {failing}, {column} FROM {from}"),
            8 => {
                let operation = *self.rng.pick(&["UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT"]);
                format!("SELECT {failing} FROM {from} {operation} SELECT {literal} FROM {from}")
            }
            9 => format!("SELECT {other}, {function}({failing}) OVER (PARTITION BY {column}) FROM {from}"),
            10 => {
                let second = self.rng.pick(&self.tables).clone();
                let (key, link) = (&table.columns[0].0, &second.columns[0].0);
                format!(
                    "SELECT {failing}, y.{link} FROM {from} JOIN {} AS y ON x.{key} = y.{link}",
                    second.name
                )
            }
            _ => {
                // The guard holds: this one never fails.
                let (name, typ) = (&scope[0].0, scope[0].1);
                let bad = typ.bad().expect("invariant: the first column is an int");
                format!(
                    "SELECT {column}, CASE WHEN {name} = {bad} THEN 0 ELSE 6 / ({name} - {bad}) END FROM {from}"
                )
            }
        }
    }

    /// What can fail, asked of the rows of a join: those without a partner must not fail.
    fn joined(&mut self) -> String {
        let (mut from, mut scope) = self.three_tables();
        let failing = loop {
            // They may all be views.
            match self.failing(Int, &scope) {
                Some(failing) => break failing,
                None => (from, scope) = self.three_tables(),
            }
        };
        let (column, other) = (self.rng.pick(&scope).0.clone(), self.rng.pick(&scope).0.clone());
        format!("SELECT {column}, {other} FROM {from} WHERE {failing} < {}", self.literal(Int))
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    fn sub(&mut self, depth: usize) -> Query {
        if depth == 0 {
            return self.select(0);
        }
        match self.rng.below(9) {
            0 => self.set_operation(depth),
            1 => self.limited(depth),
            2 => self.with(depth),
            3 => self.recursive(depth),
            _ => self.select(depth),
        }
    }

    fn set_operation(&mut self, depth: usize) -> Query {
        let left = self.sub(depth - 1);
        let before = self.failures;
        let right = self.select_of(&left.types.clone(), depth - 1);
        let fails = left.fails || self.failures > before;
        let operation = *self.rng.pick(&["UNION", "INTERSECT", "EXCEPT"]);
        let all = if self.rng.one_in(2) { " ALL" } else { "" };
        Query { sql: format!("({}) {operation}{all} ({right})", left.sql), types: left.types, fails }
    }

    fn limited(&mut self, depth: usize) -> Query {
        let Query { sql, types, fails } = self.sub(depth - 1);
        let alias = self.alias();
        let names: Vec<String> = (0..types.len()).map(|i| format!("l{i}")).collect();
        let mut order: Vec<usize> = (0..types.len()).collect();
        (1..order.len()).for_each(|i| order.swap(i, self.rng.below(i + 1)));
        let order: Vec<String> = order
            .iter()
            .map(|column| {
                let direction = *self.rng.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
                format!("{}{direction}", column + 1)
            })
            .collect();
        let rows = self.rng.below(4);
        // Peers are kept together, so that an order by some columns will do.
        let (order, limit) = match self.rng.below(3) {
            0 => {
                let some = order[..1 + self.rng.below(order.len())].join(", ");
                (some, format!("FETCH FIRST {rows} ROWS WITH TIES"))
            }
            1 => (order.join(", "), format!("LIMIT {rows} OFFSET 1")),
            _ => (order.join(", "), format!("LIMIT {rows}")),
        };
        let names = names.join(", ");
        let sql = format!("SELECT * FROM ({sql}) AS {alias} ({names}) ORDER BY {order} {limit}");
        Query { sql, types, fails }
    }

    fn with(&mut self, depth: usize) -> Query {
        let value = self.sub(depth - 1);
        let name = format!("cte{}", self.alias());
        let columns: Vec<String> = (0..value.types.len()).map(|i| format!("k{i}")).collect();
        self.ctes.push((name.clone(), value.types, value.fails));
        let body = self.select(depth);
        self.ctes.pop();
        let sql = format!("WITH {name} ({}) AS ({}) {}", columns.join(", "), value.sql, body.sql);
        Query { sql, types: body.types, fails: body.fails }
    }

    /// Where the rows of a table lead, through those of others: each place once, or each way of a few steps.
    fn recursive(&mut self, depth: usize) -> Query {
        let before = self.failures;
        let (name, alias) = (format!("cte{}", self.alias()), self.alias());
        let (from, scope) = self.table(false);
        let (to, to_scope) = self.table(false);
        let (start, next) = (self.expr(Int, &scope, 1), self.expr(Int, &to_scope, 1));
        let key = pairs(&vec![(format!("{alias}.k1"), Int)], &to_scope);
        let filter = self.filter(&scope);
        // What goes on is never computed of where it comes from, so that there is an end.
        let link = match key.is_empty() {
            true => "true".to_owned(),
            false => {
                let (left, right) = self.rng.pick(&key).clone();
                format!("{left} = {right}")
            }
        };
        let join = *self.rng.pick(&["JOIN", "JOIN", "LEFT JOIN"]);
        let (union, second, counted, condition) = match self.rng.one_in(3) {
            true => ("UNION ALL", "0", format!("{alias}.k0 + 1"), format!(" WHERE {alias}.k0 < 2")),
            false => {
                let mut both = to_scope.clone();
                both.extend(["k0", "k1"].map(|column| (format!("{alias}.{column}"), Int)));
                ("UNION", "7", format!("{alias}.k0"), self.filter(&both))
            }
        };
        let term = format!(
            "SELECT ({counted})::int8, ({next})::int8 FROM {name} AS {alias} {join} {to} ON {link}{condition}"
        );
        let fails = self.failures > before;
        self.ctes.push((name.clone(), vec![Int, Int], fails));
        let body = self.select(depth);
        self.ctes.pop();
        let sql = format!(
            "WITH RECURSIVE {name} (k0, k1) AS (SELECT {second}::int8, ({start})::int8 FROM {from}{filter} {union} {term}) {}",
            body.sql
        );
        Query { sql, types: body.types, fails: body.fails }
    }

    fn select(&mut self, depth: usize) -> Query {
        let (from, scope) = self.from(depth);
        let filter = self.filter(&scope);
        let before = self.failures;
        match self.rng.below(10) {
            0..=3 => return self.grouped(&from, &scope, &filter),
            4 | 5 => return self.windowed(&from, &scope, &filter),
            _ => {}
        }
        let types: Vec<Ty> = (0..1 + self.rng.below(4)).map(|_| self.rng.pick(&scope).1).collect();
        let exprs: Vec<String> = types.iter().map(|typ| self.expr(*typ, &scope, 2)).collect();
        let distinct = if self.rng.one_in(5) { "DISTINCT " } else { "" };
        let fails = self.failures > before;
        Query { sql: format!("SELECT {distinct}{} FROM {from}{filter}", exprs.join(", ")), types, fails }
    }

    /// A query whose columns have these types.
    fn select_of(&mut self, types: &[Ty], depth: usize) -> String {
        let (from, scope) = self.from(depth.min(1));
        let exprs: Vec<String> = types.iter().map(|typ| self.expr(*typ, &scope, 1)).collect();
        let filter = self.filter(&scope);
        format!("SELECT {} FROM {from}{filter}", exprs.join(", "))
    }

    fn filter(&mut self, scope: &Scope) -> String {
        match self.rng.one_in(2) {
            true => String::new(),
            false => format!(" WHERE {}", self.expr(Bool, scope, 2)),
        }
    }

    fn grouped(&mut self, from: &str, scope: &Scope, filter: &str) -> Query {
        let before = self.failures;
        let mut types = Vec::new();
        let mut exprs = Vec::new();
        for _ in 0..self.rng.below(3) {
            let typ = self.rng.pick(scope).1;
            types.push(typ);
            let depth = usize::from(self.rng.one_in(4));
            exprs.push(self.expr(typ, scope, depth));
        }
        let keys = exprs.len();
        for _ in 0..1 + self.rng.below(3) {
            let (expr, typ) = self.aggregate(scope);
            types.push(typ);
            exprs.push(expr);
        }
        let fails = self.failures > before;
        let numbers: Vec<String> = (1..=keys).map(|key| key.to_string()).collect();
        let all = numbers.join(", ");
        // PostgreSQL 15 takes a key that it can fold for a constant that no grouping set leaves out, where a set operation is above.
        let foldable = exprs[..keys].iter().any(|key| scope.iter().all(|(column, _)| column != key));
        let group = match (keys, if foldable { 5 } else { self.rng.below(6) }) {
            (0, _) => String::new(),
            (_, 0) => format!(" GROUP BY ROLLUP ({all})"),
            (_, 1) => format!(" GROUP BY CUBE ({all})"),
            (2, 2) => " GROUP BY GROUPING SETS ((1), (2, 1), ())".to_owned(),
            _ => format!(" GROUP BY {all}"),
        };
        let having = match self.rng.one_in(4) {
            false => String::new(),
            true => {
                let (expr, typ) = self.aggregate(scope);
                let operator = *self.rng.pick(&["=", "<>", "<", ">="]);
                format!(" HAVING {expr} {operator} {}", self.literal(typ))
            }
        };
        let sql = format!("SELECT {} FROM {from}{filter}{group}{having}", exprs.join(", "));
        Query { sql, types, fails }
    }
}

/// FROM.
impl Generator {
    fn from(&mut self, depth: usize) -> (String, Scope) {
        if depth > 0 && self.rng.one_in(4) {
            return self.three_tables();
        }
        let (mut sql, mut scope) = self.relation(depth);
        let more = if depth == 0 { usize::from(self.rng.one_in(3)) } else { self.rng.below(3) };
        for _ in 0..more {
            let (other, columns) = self.relation(depth.saturating_sub(1));
            (sql, scope) = self.join(sql, scope, other, columns);
        }
        (sql, scope)
    }

    fn relation(&mut self, depth: usize) -> (String, Scope) {
        if !self.ctes.is_empty() && self.rng.one_in(2) {
            let alias = self.alias();
            let (name, types, fails) = self.rng.pick(&self.ctes).clone();
            let scope = self.scope_of(&alias, 'k', &types, fails);
            return (format!("{name} AS {alias}"), scope);
        }
        if depth > 0 && self.rng.one_in(3) {
            let alias = self.alias();
            let Query { sql, types, fails } = self.sub(depth - 1);
            let names: Vec<String> = (0..types.len()).map(|i| format!("s{i}")).collect();
            let scope = self.scope_of(&alias, 's', &types, fails);
            return (format!("({sql}) AS {alias} ({})", names.join(", ")), scope);
        }
        self.table(false)
    }

    /// A table or view; only one that is arranged, if that is asked.
    fn table(&mut self, arranged: bool) -> (String, Scope) {
        let alias = self.alias();
        let tables = match self.views.is_empty() || !self.rng.one_in(6) {
            true => &self.tables,
            false => &self.views,
        };
        let fitting: Vec<&Table> = tables.iter().filter(|table| !arranged || !table.stream).collect();
        let table = (*self.rng.pick(&fitting)).clone();
        let scope = table.columns.iter().map(|(name, typ)| (format!("{alias}.{name}"), *typ));
        (format!("{} AS {alias}", table.name), scope.collect())
    }

    /// Tables each linked with one before it, some of them with themselves: what delta joins are for, and where rows of one timestamp
    /// meet each other.
    fn three_tables(&mut self) -> (String, Scope) {
        // Streams have no arrangement that a delta join could read.
        let arranged = !self.rng.one_in(4);
        let (mut sql, mut scope) = self.table(arranged);
        for number in 0..2 {
            let (other, columns) = self.table(arranged);
            let outer = match number == 1 && self.rng.one_in(2) {
                // It says which rows have partners, not which rows there are.
                true => {
                    let side = if self.rng.one_in(3) { &columns } else { &scope };
                    Some(self.simple_predicate(side))
                }
                false => None,
            };
            let pairs = pairs(&scope, &columns);
            sql = match pairs.is_empty() {
                // A view, whose columns are of any types.
                true => format!("{sql} CROSS JOIN {other}"),
                false => {
                    let (l, r) = self.rng.pick(&pairs);
                    match outer {
                        Some(on) => format!("{sql} LEFT JOIN {other} ON {l} = {r} AND {on}"),
                        None => format!("{sql} JOIN {other} ON {l} = {r}"),
                    }
                }
            };
            scope.extend(columns);
        }
        (sql, scope)
    }

    /// The columns of a query in FROM.
    fn scope_of(&mut self, alias: &str, letter: char, types: &[Ty], fails: bool) -> Scope {
        let scope: Scope =
            types.iter().enumerate().map(|(i, typ)| (format!("{alias}.{letter}{i}"), *typ)).collect();
        if fails {
            self.fallible.extend(scope.iter().map(|(name, _)| name.clone()));
        }
        scope
    }

    /// The columns whose reading cannot fail.
    fn safe(&self, scope: &Scope) -> Scope {
        scope.iter().filter(|(name, _)| !self.fallible.contains(name)).cloned().collect()
    }

    fn join(
        &mut self,
        left: String,
        left_scope: Scope,
        right: String,
        right_scope: Scope,
    ) -> (String, Scope) {
        let pairs = pairs(&self.safe(&left_scope), &self.safe(&right_scope));
        let one_side = if self.rng.one_in(2) { left_scope.clone() } else { right_scope.clone() };
        let scope: Scope = left_scope.into_iter().chain(right_scope).collect();
        let kind = *self.rng.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
        if kind == "CROSS JOIN" || pairs.is_empty() {
            return (format!("{left} CROSS JOIN {right}"), scope);
        }
        let mut conditions = vec![];
        for _ in 0..1 + self.rng.below(2) {
            let (l, r) = self.rng.pick(&pairs).clone();
            conditions.push(format!("{l} = {r}"));
        }
        // PostgreSQL joins FULL only by what it can hash or merge.
        if kind != "FULL JOIN" && self.rng.one_in(3) {
            conditions.push(self.simple_predicate(&one_side));
        }
        if kind != "FULL JOIN" && self.rng.one_in(3) {
            let subqueries = std::mem::take(&mut self.subqueries);
            conditions.push(self.expr(Bool, &scope, 1));
            self.subqueries = subqueries;
        }
        (format!("{left} {kind} {right} ON {}", conditions.join(" AND ")), scope)
    }
}
