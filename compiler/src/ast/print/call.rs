//! Calls as text: arguments, what SQL writes with words of its own, and windows.

use super::Printer;
use crate::ast::*;
use crate::keyword;

impl Printer<'_> {
    pub(super) fn call(&mut self, call: &Call) {
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
            self.enclosed(" FILTER (WHERE ", filter, ")");
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
                self.enclosed(" FROM ", arg(1), ")");
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
                    self.enclosed("", &characters.value, " ");
                }
                self.enclosed("FROM ", arg(0), ")");
            }
            ("timezone", 2) => self.infix(arg(1), arg(0), |p| p.text("AT TIME ZONE")),
            ("overlaps", 4) => {
                for (i, text) in [(0, "("), (1, ", "), (2, ") OVERLAPS ("), (3, ", ")] {
                    self.text(text);
                    self.expr(arg(i));
                }
                self.text(")");
            }
            ("pg_collation_for", 1) => self.enclosed("COLLATION FOR (", arg(0), ")"),
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
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && keyword::category(text) == keyword::Category::Identifier
        || ["year", "month", "day", "hour", "minute", "second"].contains(&text)
}
