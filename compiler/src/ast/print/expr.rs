//! Expressions and types as text.

use super::Printer;
use crate::ast::*;

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
            ExprKind::FieldStar(operand) => self.enclosed("(", operand, ").*"),
            ExprKind::Default => self.text("DEFAULT"),
            ExprKind::Unary { op, operand } => {
                self.operator(op);
                self.text(" ");
                self.operand(operand);
            }
            ExprKind::Binary { op, left, right } => self.binary(op, left, right),
            ExprKind::And(list) => self.separated(list, " AND ", Self::operand),
            ExprKind::Or(list) => self.separated(list, " OR ", Self::operand),
            ExprKind::Not(operand) => {
                self.text("NOT ");
                self.operand(operand);
            }
            ExprKind::Is { operand, test, negated } => {
                self.operand(operand);
                self.text(if *negated { " IS NOT " } else { " IS " });
                self.text(test.word());
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
                    p.text(kind.words());
                });
                if let Some(escape) = escape {
                    self.text(" ESCAPE ");
                    self.operand(escape);
                }
            }
            ExprKind::Case { operand, branches, otherwise } => self.case(operand, branches, otherwise),
            ExprKind::Cast { operand, to } => self.cast(operand, to),
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
                    QuantifiedOver::Array(array) => self.enclosed("(", array, ")"),
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
            ExprKind::Path { operand, steps } => self.path(operand, steps),
            ExprKind::Collate { operand, collation } => {
                self.operand(operand);
                self.text(" COLLATE ");
                self.name(collation);
            }
        }
    }

    fn binary(&mut self, op: &Operator, left: &Expr, right: &Expr) {
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

    fn cast(&mut self, operand: &Expr, to: &TypeName) {
        if to.setof || to.fields.is_some() {
            self.enclosed("CAST(", operand, " AS ");
            self.type_name(to);
            self.text(")");
        } else {
            self.operand(operand);
            self.text("::");
            self.type_name(to);
        }
    }

    fn path(&mut self, operand: &Expr, steps: &[Step]) {
        let bare = match operand.kind {
            // `t.a` after a column would be another column, `$1.a` is fine.
            ExprKind::Column(_) => matches!(steps[0], Step::Index(_) | Step::Slice(..)),
            ExprKind::Parameter(_) => true,
            _ => false,
        };
        match bare {
            true => self.expr(operand),
            false => self.enclosed("(", operand, ")"),
        }
        self.steps(steps);
    }

    /// An expression between two texts that end it.
    pub(super) fn enclosed(&mut self, before: &str, expr: &Expr, after: &str) {
        self.text(before);
        self.expr(expr);
        self.text(after);
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
        match atom {
            true => self.expr(expr),
            false => self.enclosed("(", expr, ")"),
        }
    }

    pub(super) fn infix(&mut self, left: &Expr, right: &Expr, operator: impl FnOnce(&mut Self)) {
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
                Step::Index(index) => self.enclosed("[", index, "]"),
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

impl Truth {
    fn word(self) -> &'static str {
        match self {
            Truth::Null => "NULL",
            Truth::True => "TRUE",
            Truth::False => "FALSE",
            Truth::Unknown => "UNKNOWN",
        }
    }
}

impl LikeKind {
    fn words(self) -> &'static str {
        match self {
            LikeKind::Like => "LIKE",
            LikeKind::ILike => "ILIKE",
            LikeKind::SimilarTo => "SIMILAR TO",
        }
    }
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
