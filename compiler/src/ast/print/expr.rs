//! Expressions, windows and types as text.

use super::Printer;
use crate::ast::*;
use crate::keyword;

impl Printer<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) {
        with_stack(|| self.expr_kind(&expr.kind));
    }

    fn expr_kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Parameter(n) => {
                self.text("$");
                self.number(n);
            }
            ExprKind::Column(name) => self.name(name),
            ExprKind::QualifiedStar(name) => {
                self.name(name);
                self.text(".*");
            }
            ExprKind::FieldStar(operand) => {
                self.text("(");
                self.expr(operand);
                self.text(").*");
            }
            ExprKind::Default => self.text("DEFAULT"),
            ExprKind::Unary { op, operand } => {
                self.operator(op);
                self.text(" ");
                self.operand(operand);
            }
            ExprKind::Binary { op, left, right } => {
                match &left.kind {
                    // A chain is as long as it likes; were it nested, its text would be too deep to be read.
                    ExprKind::Binary { op: before, .. } if op.associates_with(before) => self.expr(left),
                    _ => self.operand(left),
                }
                self.text(" ");
                self.operator(op);
                self.text(" ");
                self.operand(right);
            }
            ExprKind::And(list) => self.separated(list, " AND ", Self::operand),
            ExprKind::Or(list) => self.separated(list, " OR ", Self::operand),
            ExprKind::Not(operand) => {
                self.text("NOT ");
                self.operand(operand);
            }
            ExprKind::Is { operand, test, negated } => {
                self.operand(operand);
                self.text(if *negated { " IS NOT " } else { " IS " });
                self.text(match test {
                    Truth::Null => "NULL",
                    Truth::True => "TRUE",
                    Truth::False => "FALSE",
                    Truth::Unknown => "UNKNOWN",
                });
            }
            ExprKind::IsDistinctFrom { left, right, negated } => self.infix(left, right, |p| {
                p.text(if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" })
            }),
            ExprKind::Between { operand, low, high, symmetric, negated } => {
                self.operand(operand);
                self.when(*negated, " NOT");
                self.text(" BETWEEN ");
                self.when(*symmetric, "SYMMETRIC ");
                self.infix(low, high, |p| p.text("AND"));
            }
            ExprKind::InList { operand, list, negated } => {
                self.operand(operand);
                self.text(if *negated { " NOT IN " } else { " IN " });
                self.row(list);
            }
            ExprKind::InSubquery { operand, query, negated } => {
                self.operand(operand);
                self.text(if *negated { " NOT IN " } else { " IN " });
                self.subquery(query);
            }
            ExprKind::Like { kind, operand, pattern, escape, negated } => {
                self.infix(operand, pattern, |p| {
                    p.when(*negated, "NOT ");
                    p.text(match kind {
                        LikeKind::Like => "LIKE",
                        LikeKind::ILike => "ILIKE",
                        LikeKind::SimilarTo => "SIMILAR TO",
                    });
                });
                if let Some(escape) = escape {
                    self.text(" ESCAPE ");
                    self.operand(escape);
                }
            }
            ExprKind::Case { operand, branches, otherwise } => self.case(operand, branches, otherwise),
            ExprKind::Cast { operand, to } => {
                if to.setof || to.fields.is_some() {
                    self.text("CAST(");
                    self.expr(operand);
                    self.text(" AS ");
                    self.type_name(to);
                    self.text(")");
                } else {
                    self.operand(operand);
                    self.text("::");
                    self.type_name(to);
                }
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Exists(query) => {
                self.text("EXISTS ");
                self.subquery(query);
            }
            ExprKind::Subquery(query) => self.subquery(query),
            ExprKind::ArraySubquery(query) => {
                self.text("ARRAY");
                self.subquery(query);
            }
            ExprKind::Quantified { left, op, quantifier, right } => {
                self.operand(left);
                self.text(" ");
                self.operator(op);
                self.text(match quantifier {
                    Quantifier::Any => " ANY ",
                    Quantifier::All => " ALL ",
                });
                match right {
                    QuantifiedOver::Query(query) => self.subquery(query),
                    QuantifiedOver::Array(array) => {
                        self.text("(");
                        self.expr(array);
                        self.text(")");
                    }
                }
            }
            ExprKind::Array(list) => {
                self.text("ARRAY[");
                self.list(list, Self::expr);
                self.text("]");
            }
            ExprKind::Row(list) => {
                self.text("ROW");
                self.row(list);
            }
            ExprKind::Path { operand, steps } => {
                let bare = match operand.kind {
                    // `t.a` after a column would be another column, `$1.a` is fine.
                    ExprKind::Column(_) => matches!(steps[0], Step::Index(_) | Step::Slice(..)),
                    ExprKind::Parameter(_) => true,
                    _ => false,
                };
                self.when(!bare, "(");
                self.expr(operand);
                self.when(!bare, ")");
                self.steps(steps);
            }
            ExprKind::Collate { operand, collation } => {
                self.operand(operand);
                self.text(" COLLATE ");
                self.name(collation);
            }
        }
    }

    /// An expression where an operator's operand stands: in parentheses unless it is an atom of the grammar.
    pub(super) fn operand(&mut self, expr: &Expr) {
        let atom = match &expr.kind {
            ExprKind::Literal(Literal::Number(digits)) => !digits.starts_with('-'),
            ExprKind::Call(call) => !is_infix(call),
            ExprKind::Literal(_)
            | ExprKind::Parameter(_)
            | ExprKind::Column(_)
            | ExprKind::QualifiedStar(_)
            | ExprKind::FieldStar(_)
            | ExprKind::Default
            | ExprKind::Case { .. }
            | ExprKind::Cast { .. }
            | ExprKind::Exists(_)
            | ExprKind::Subquery(_)
            | ExprKind::ArraySubquery(_)
            | ExprKind::Array(_)
            | ExprKind::Row(_)
            | ExprKind::Path { .. } => true,
            _ => false,
        };
        self.when(!atom, "(");
        self.expr(expr);
        self.when(!atom, ")");
    }

    fn infix(&mut self, left: &Expr, right: &Expr, operator: impl FnOnce(&mut Self)) {
        self.operand(left);
        self.text(" ");
        operator(self);
        self.text(" ");
        self.operand(right);
    }

    pub(super) fn operator(&mut self, Operator { schema, symbol, position: _ }: &Operator) {
        match schema {
            Some(schema) => {
                self.text("OPERATOR(");
                self.ident(schema);
                self.text(".");
                self.text(symbol);
                self.text(")");
            }
            None => self.text(symbol),
        }
    }

    /// `(a, b)`.
    pub(super) fn row(&mut self, list: &[Expr]) {
        self.text("(");
        self.list(list, Self::expr);
        self.text(")");
    }

    pub(super) fn subquery(&mut self, query: &Query) {
        self.text("(");
        with_stack(|| self.query(query));
        self.text(")");
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Null => self.text("NULL"),
            Literal::Bool(true) => self.text("TRUE"),
            Literal::Bool(false) => self.text("FALSE"),
            Literal::Number(digits) => self.text(digits),
            Literal::String(text) => self.string(text),
            Literal::Bits(text) => {
                self.text(&text[..1]);
                self.string(&text[1..]);
            }
        }
    }

    fn case(&mut self, operand: &Option<Box<Expr>>, branches: &[Branch], otherwise: &Option<Box<Expr>>) {
        self.text("CASE");
        if let Some(operand) = operand {
            self.text(" ");
            self.expr(operand);
        }
        for Branch { when, then } in branches {
            self.text(" WHEN ");
            self.expr(when);
            self.text(" THEN ");
            self.expr(then);
        }
        if let Some(otherwise) = otherwise {
            self.text(" ELSE ");
            self.expr(otherwise);
        }
        self.text(" END");
    }

    pub(super) fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Index(index) => {
                    self.text("[");
                    self.expr(index);
                    self.text("]");
                }
                Step::Slice(from, to) => {
                    self.text("[");
                    from.iter().for_each(|e| self.operand(e));
                    self.text(":");
                    to.iter().for_each(|e| self.operand(e));
                    self.text("]");
                }
                Step::Field(name) => {
                    self.text(".");
                    self.ident(name);
                }
            }
        }
    }

    fn call(&mut self, call: &Call) {
        let Call { name, special, star, args, variadic, distinct, order_by, within_group, filter, over } =
            call;
        if *special {
            self.special_call(&name.last().name, args);
        } else {
            self.function_name(name);
            self.text("(");
            self.when(*distinct, "DISTINCT ");
            self.when(*star, "*");
            for (i, Arg { name, value }) in args.iter().enumerate() {
                self.when(i > 0, ", ");
                self.when(*variadic && i + 1 == args.len(), "VARIADIC ");
                if let Some(name) = name {
                    self.ident(name);
                    self.text(" => ");
                }
                self.expr(value);
            }
            self.order_by_clause(" ORDER BY ", order_by);
            self.text(")");
        }
        if !within_group.is_empty() {
            self.text(" WITHIN GROUP (");
            self.order_by_clause("ORDER BY ", within_group);
            self.text(")");
        }
        if let Some(filter) = filter {
            self.text(" FILTER (WHERE ");
            self.expr(filter);
            self.text(")");
        }
        match over {
            Some(Over::Named(name)) => {
                self.text(" OVER ");
                self.ident(name);
            }
            Some(Over::Window(window)) => {
                self.text(" OVER ");
                self.window(window);
            }
            None => {}
        }
    }

    /// Names such as `left` may name functions without quotes, those such as `coalesce` only with them.
    fn function_name(&mut self, name: &Name) {
        match name.parts.as_slice() {
            [word] if keyword::category(&word.name) == keyword::Category::TypeOrFunction => {
                self.text(&word.name)
            }
            _ => self.name(name),
        }
    }

    fn special_call(&mut self, name: &str, args: &[Arg]) {
        let arg = |i: usize| &args[i].value;
        match (name, args.len()) {
            ("extract", 2) => {
                self.text("EXTRACT(");
                match &arg(0).kind {
                    ExprKind::Literal(Literal::String(field)) if is_word(field) => self.text(field),
                    _ => self.expr(arg(0)),
                }
                self.text(" FROM ");
                self.expr(arg(1));
                self.text(")");
            }
            ("position", 2) => {
                self.text("POSITION(");
                self.operand(arg(1));
                self.text(" IN ");
                self.operand(arg(0));
                self.text(")");
            }
            ("overlay" | "substring", 3 | 4) | ("substring", 2) => {
                let words: &[&str] = match name {
                    "overlay" => &["OVERLAY(", " PLACING ", " FROM ", " FOR "],
                    _ => &["SUBSTRING(", " FROM ", " FOR "],
                };
                for (word, arg) in words.iter().zip(args) {
                    self.text(word);
                    self.expr(&arg.value);
                }
                self.text(")");
            }
            ("btrim" | "ltrim" | "rtrim", 1..) => {
                self.text(match name {
                    "btrim" => "TRIM(BOTH ",
                    "ltrim" => "TRIM(LEADING ",
                    _ => "TRIM(TRAILING ",
                });
                if let [_, characters] = args {
                    self.expr(&characters.value);
                    self.text(" ");
                }
                self.text("FROM ");
                self.expr(arg(0));
                self.text(")");
            }
            ("timezone", 2) => self.infix(arg(1), arg(0), |p| p.text("AT TIME ZONE")),
            ("overlaps", 4) => {
                for (i, text) in [(0, "("), (1, ", "), (2, ") OVERLAPS ("), (3, ", ")] {
                    self.text(text);
                    self.expr(arg(i));
                }
                self.text(")");
            }
            ("pg_collation_for", 1) => {
                self.text("COLLATION FOR (");
                self.expr(arg(0));
                self.text(")");
            }
            ("is_normalized", 1 | 2) => {
                self.operand(arg(0));
                self.text(" IS ");
                self.normal_form(args);
                self.text("NORMALIZED");
            }
            ("normalize", 1 | 2) => {
                self.text("NORMALIZE(");
                self.expr(arg(0));
                self.when(args.len() > 1, ", ");
                self.normal_form(args);
                self.text(")");
            }
            // CURRENT_DATE, CURRENT_TIME(3), COALESCE(a, b)
            _ => {
                self.text(&name.to_ascii_uppercase());
                if !args.is_empty() {
                    self.text("(");
                    self.list(args, |p, arg| p.expr(&arg.value));
                    self.text(")");
                }
            }
        }
    }

    /// `NFC ` and its kin, which are words where a string is meant.
    fn normal_form(&mut self, args: &[Arg]) {
        if let Some(Arg { value: Expr { kind: ExprKind::Literal(Literal::String(form)), .. }, .. }) =
            args.get(1)
        {
            self.text(form);
            self.text(" ");
        }
    }

    pub(super) fn window(&mut self, window: &Window) {
        let Window { base, partition_by, order_by, frame, position: _ } = window;
        self.text("(");
        let start = self.out.len();
        if let Some(base) = base {
            self.ident(base);
        }
        if !partition_by.is_empty() {
            self.when(self.out.len() > start, " ");
            self.text("PARTITION BY ");
            self.list(partition_by, Self::expr);
        }
        if !order_by.is_empty() {
            self.when(self.out.len() > start, " ");
            self.order_by_clause("ORDER BY ", order_by);
        }
        if let Some(frame) = frame {
            self.when(self.out.len() > start, " ");
            self.frame(frame);
        }
        self.text(")");
    }

    fn frame(&mut self, Frame { unit, start, end, exclude, position: _ }: &Frame) {
        self.text(match unit {
            FrameUnit::Rows => "ROWS ",
            FrameUnit::Range => "RANGE ",
            FrameUnit::Groups => "GROUPS ",
        });
        self.when(end.is_some(), "BETWEEN ");
        self.bound(start);
        if let Some(end) = end {
            self.text(" AND ");
            self.bound(end);
        }
        self.text(match exclude {
            None => "",
            Some(Exclude::CurrentRow) => " EXCLUDE CURRENT ROW",
            Some(Exclude::Group) => " EXCLUDE GROUP",
            Some(Exclude::Ties) => " EXCLUDE TIES",
            Some(Exclude::NoOthers) => " EXCLUDE NO OTHERS",
        });
    }

    fn bound(&mut self, bound: &Bound) {
        match bound {
            Bound::UnboundedPreceding => self.text("UNBOUNDED PRECEDING"),
            Bound::CurrentRow => self.text("CURRENT ROW"),
            Bound::UnboundedFollowing => self.text("UNBOUNDED FOLLOWING"),
            Bound::Preceding(offset) => {
                self.operand(offset);
                self.text(" PRECEDING");
            }
            Bound::Following(offset) => {
                self.operand(offset);
                self.text(" FOLLOWING");
            }
        }
    }

    // ---- types ----

    pub(super) fn type_name(&mut self, type_name: &TypeName) {
        let TypeName { name, modifiers, fields, dimensions, setof, position: _ } = type_name;
        self.when(*setof, "SETOF ");
        // Modifiers stand before `with time zone` and after the fields of an interval.
        let (before, after) = match name.parts.as_slice() {
            [word] => type_words(&word.name, modifiers.is_empty()),
            _ => (None, ""),
        };
        match before {
            Some(words) => self.text(words),
            None => self.name(name),
        }
        if let Some(fields) = fields {
            self.text(" ");
            self.text(&fields.to_string().to_ascii_uppercase());
        }
        if !modifiers.is_empty() {
            self.row(modifiers);
        }
        self.text(after);
        for _ in 0..*dimensions {
            self.text("[]");
        }
    }
}

/// Whether the special syntax of a call is an operator's.
fn is_infix(call: &Call) -> bool {
    call.special && matches!(call.name.last().name.as_str(), "timezone" | "overlaps" | "is_normalized")
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && keyword::category(text) == keyword::Category::Identifier
        || ["year", "month", "day", "hour", "minute", "second"].contains(&text)
}

/// SQL's spelling of a type, in the part before the modifiers and the part after.
fn type_words(name: &str, plain: bool) -> (Option<&'static str>, &'static str) {
    let words = match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "numeric" => "numeric",
        "varchar" => "character varying",
        // Without a length, `character` would be one of length 1.
        "bpchar" if !plain => "character",
        "interval" => "interval",
        "bit" if !plain => "bit",
        "varbit" => "bit varying",
        "time" => return (Some("time"), " without time zone"),
        "timetz" => return (Some("time"), " with time zone"),
        "timestamp" => return (Some("timestamp"), " without time zone"),
        "timestamptz" => return (Some("timestamp"), " with time zone"),
        _ => return (None, ""),
    };
    (Some(words), "")
}
