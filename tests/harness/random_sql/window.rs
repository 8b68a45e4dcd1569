//! Window calls, their partitions and frames, and aggregates, over a window or not.

use super::*;

impl Generator {
    /// Functions over windows; sometimes only the first rows of each partition.
    pub(super) fn windowed(&mut self, from: &str, scope: &Scope, filter: &str) -> Query {
        let before = self.failures;
        let (mut exprs, mut types) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.below(3) {
            let typ = self.rng.pick(scope).1;
            exprs.push(self.expr(typ, scope, 1));
            types.push(typ);
        }
        // Copies of a row get what their places give them: which copy has which place is one window's to say.
        let window = self.total_window(scope);
        for _ in 0..1 + self.rng.below(2) {
            let (expr, typ) = self.window_call(scope, &window);
            exprs.push(expr);
            types.push(typ);
        }
        let first_rows = self.rng.one_in(3);
        if first_rows {
            let key = self.rng.pick(scope).0.clone();
            let rank = format!("rank() OVER ({}ORDER BY {key})", self.partition(scope));
            exprs.push(if self.rng.one_in(2) { rank } else { format!("row_number() OVER ({window})") });
            types.push(Int);
        }
        let sql = format!("SELECT {} FROM {from}{filter}", exprs.join(", "));
        // Windows are by any columns.
        let fails = self.failures > before || scope.iter().any(|(name, _)| self.fallible.contains(name));
        if !first_rows {
            return Query { sql, types, fails };
        }
        let alias = self.alias();
        let names: Vec<String> = (0..types.len()).map(|i| format!("w{i}")).collect();
        let condition = *self.rng.pick(&["<= 2", "< 2", "= 2", "= 1"]);
        let last = types.len() - 1;
        let sql =
            format!("SELECT * FROM ({sql}) AS {alias} ({}) WHERE w{last} {condition}", names.join(", "));
        Query { sql, types, fails }
    }

    fn partition(&mut self, scope: &Scope) -> String {
        match self.rng.one_in(3) {
            true => String::new(),
            false => format!("PARTITION BY {} ", self.rng.pick(scope).0),
        }
    }

    /// A window whose order leaves only equal rows without one.
    fn total_window(&mut self, scope: &Scope) -> String {
        let mut order: Vec<String> = scope.iter().map(|(name, _)| name.clone()).collect();
        (1..order.len()).for_each(|i| order.swap(i, self.rng.below(i + 1)));
        for key in &mut order {
            let direction = *self.rng.pick(&["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
            key.push_str(direction);
        }
        format!("{}ORDER BY {}", self.partition(scope), order.join(", "))
    }

    fn window_call(&mut self, scope: &Scope, window: &str) -> (String, Ty) {
        if self.rng.one_in(3) {
            return self.call_over_peers(scope);
        }
        let (name, typ) = self.rng.pick(scope).clone();
        let framed = format!("{window}{}", self.frame());
        let number = self.rng.below(3);
        let typed = |call: String| if typ == Num { fixed(&call) } else { call };
        match self.rng.below(12) {
            0 => (format!("row_number() OVER ({window})"), Int),
            1 => (format!("ntile({}) OVER ({window})::int8", number + 1), Int),
            2 => (typed(format!("lag({name}) OVER ({window})")), typ),
            3 => {
                let default = self.literal(typ);
                (typed(format!("lead({name}, {number}, {default}) OVER ({window})")), typ)
            }
            4 => (typed(format!("first_value({name}) OVER ({framed})")), typ),
            5 => (typed(format!("last_value({name}) OVER ({framed})")), typ),
            6 => (typed(format!("nth_value({name}, {}) OVER ({framed})", number + 1)), typ),
            7 => match self.column(Text, scope) {
                Some(text) => (format!("string_agg({text}, '-') OVER ({framed})"), Text),
                None => (format!("count(*) OVER ({framed})"), Int),
            },
            _ => self.aggregate_over(scope, &framed),
        }
    }

    /// A call that does not tell peers apart, over any order.
    fn call_over_peers(&mut self, scope: &Scope) -> (String, Ty) {
        let (key, typ) = self.rng.pick(scope).clone();
        let direction = *self.rng.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        let window = format!("{}ORDER BY {key}{direction}", self.partition(scope));
        let frame = match (typ, self.rng.below(4)) {
            (Int | Float, 0) => " RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING",
            (Num, 0) => " RANGE BETWEEN 1.5 PRECEDING AND CURRENT ROW EXCLUDE GROUP",
            (Date, 0) => " RANGE BETWEEN '1 day' PRECEDING AND '1 day' PRECEDING",
            (_, 1) => " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            (_, 2) => " GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING EXCLUDE GROUP",
            _ => "",
        };
        match self.rng.below(6) {
            0 => (format!("rank() OVER ({window})"), Int),
            1 => (format!("dense_rank() OVER ({window})"), Int),
            2 => (format!("(cume_dist() OVER ({window}) * 4)::int8"), Int),
            _ => self.aggregate_over(scope, &format!("{window}{frame}")),
        }
    }

    fn aggregate_over(&mut self, scope: &Scope, window: &str) -> (String, Ty) {
        let (name, typ) = self.rng.pick(scope).clone();
        let filter = match self.rng.one_in(4) {
            true => format!(" FILTER (WHERE {})", self.simple_predicate(scope)),
            false => String::new(),
        };
        let call = |function: &str| format!("{function}({name}){filter} OVER ({window})");
        match (typ, self.rng.below(5)) {
            (_, 0) => (format!("count(*){filter} OVER ({window})"), Int),
            (_, 1) => (call("count"), Int),
            (Bool, _) => (call("bool_and"), Bool),
            (Int, 2) => (format!("{}::int8", call("sum")), Int),
            (Int, 3) => (format!("{}::int8", call("bit_xor")), Int),
            (Float, 2) => (call("sum"), Float),
            (Num, 2) => (fixed(&call("sum")), Num),
            (Num, 3) => (fixed(&call("stddev")), Num),
            (Num, _) => (fixed(&call("min")), Num),
            (_, 3) => (call("min"), typ),
            (_, _) => (call("max"), typ),
        }
    }

    fn frame(&mut self) -> String {
        let unit = *self.rng.pick(&["ROWS", "ROWS", "GROUPS", "RANGE"]);
        let offsets = unit != "RANGE";
        let start = match self.rng.below(if offsets { 4 } else { 2 }) {
            0 => "UNBOUNDED PRECEDING",
            1 => "CURRENT ROW",
            _ => "1 PRECEDING",
        };
        let end = match self.rng.below(if offsets { 4 } else { 2 }) {
            0 => "UNBOUNDED FOLLOWING",
            1 => "CURRENT ROW",
            _ => "2 FOLLOWING",
        };
        let exclude = *self.rng.pick(&["", "", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"]);
        format!(" {unit} BETWEEN {start} AND {end}{exclude}")
    }

    pub(super) fn aggregate(&mut self, scope: &Scope) -> (String, Ty) {
        let typ = self.rng.pick(scope).1;
        let depth = usize::from(self.rng.one_in(3));
        let arg = self.expr(typ, scope, depth);
        let distinct = if self.rng.one_in(4) { "DISTINCT " } else { "" };
        let filter = match self.rng.one_in(4) {
            true => format!(" FILTER (WHERE {})", self.expr(Bool, scope, 1)),
            false => String::new(),
        };
        let call = |name: &str| format!("{name}({distinct}{arg}){filter}");
        let mean = *self.rng.pick(&["avg", "var_pop", "stddev"]);
        let bits = *self.rng.pick(&["bit_and", "bit_or", "bit_xor"]);
        let within = |function: &str| format!("{function} WITHIN GROUP (ORDER BY {arg}){filter}");
        match (typ, self.rng.below(7)) {
            (_, 0) => (format!("count(*){filter}"), Int),
            (_, 1) => (call("count"), Int),
            (Int, 2) => (format!("{}::int8", call("sum")), Int),
            (Float, 2) => (call("sum"), typ),
            (Int, 3) if self.rng.one_in(2) => (fixed(&call(mean)), Num),
            (Int, 6) if self.rng.one_in(2) => (format!("{}::int8", call(bits)), Int),
            (Num, 2) => (fixed(&call("sum")), Num),
            (Num, 3) => (fixed(&call(mean)), Num),
            (Float, 3) => (format!("floor({})", call(mean)), Float),
            (Float, 6) => (within("percentile_cont(0.4)"), Float),
            (Int | Text | Date, 6) => (within("percentile_disc(0.4)"), typ),
            (Bool, 6) => (within("mode()"), Bool),
            (Bool, 2 | 3) => (call("bool_and"), Bool),
            (Bool, _) => (call("bool_or"), Bool),
            (Text, 2) => (format!("string_agg({distinct}{arg}, '-' ORDER BY {arg}){filter}"), Text),
            (Text | Int, 3 | 5) => (format!("array_agg({distinct}{arg} ORDER BY {arg}){filter}::text"), Text),
            (Num, 4) => (fixed(&call("min")), typ),
            (Num, _) => (fixed(&call("max")), typ),
            (_, 4) => (call("min"), typ),
            (_, _) => (call("max"), typ),
        }
    }
}
