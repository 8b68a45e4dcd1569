//! Function calls with their clauses, windows, CASE, and the expressions that begin with a keyword of their own.

use super::cursor::{Parser, Result};
use super::expr::{no_xml, special, special_named};
use super::lex::TokenKind;
use crate::ast::*;
use crate::error::{Error, SqlState};
use crate::keyword;

impl Parser<'_> {
    /// The call of a function, at its parenthesis; `name(..) '..'` is a literal of a type with modifiers.
    pub fn call(&mut self, name: Name) -> Result<Expr> {
        let position = name.position();
        let mut call = Call::new(name);
        self.expect_symbol("(")?;
        if self.eat_symbol("*") {
            call.star = true;
        } else if !self.is_symbol(")") {
            call.distinct = self.eat("distinct");
            if !call.distinct {
                self.eat("all");
            }
            self.args(&mut call)?;
            call.order_by = self.order_by()?;
        }
        self.expect_symbol(")")?;
        if matches!(self.kind(), TokenKind::String(_)) && !call.args.is_empty() {
            return self.literal_with_modifiers(call);
        }
        self.call_clauses(&mut call)?;
        Ok(Expr::new(ExprKind::Call(Box::new(call)), position))
    }

    fn args(&mut self, call: &mut Call) -> Result<()> {
        loop {
            call.variadic = self.eat("variadic");
            let arg = self.arg()?;
            call.args.push(arg);
            if call.variadic || !self.eat_symbol(",") {
                return Ok(());
            }
        }
    }

    fn arg(&mut self) -> Result<Arg> {
        let named = self.is_function_ident(0) && (self.is_symbol_at(1, "=>") || self.is_symbol_at(1, ":="));
        if !named {
            return Ok(Arg { name: None, value: self.expr()? });
        }
        let name = self.function_ident()?;
        self.advance();
        Ok(Arg { name: Some(name), value: self.expr()? })
    }

    fn literal_with_modifiers(&mut self, call: Call) -> Result<Expr> {
        let plain = !call.star && !call.distinct && !call.variadic && call.order_by.is_empty();
        if !plain || call.args.iter().any(|arg| arg.name.is_some()) {
            return self.unexpected();
        }
        let mut to = TypeName::plain(call.name);
        to.modifiers = call.args.into_iter().map(|arg| arg.value).collect();
        self.typed_literal(to)
    }

    /// WITHIN GROUP, FILTER and OVER.
    fn call_clauses(&mut self, call: &mut Call) -> Result<()> {
        if self.are("within group") {
            let position = self.position();
            self.expect("within group")?;
            self.expect_symbol("(")?;
            if !self.is("order") {
                return self.unexpected();
            }
            call.within_group = self.order_by()?;
            self.expect_symbol(")")?;
            let conflict = match call {
                Call { order_by, .. } if !order_by.is_empty() => "multiple ORDER BY clauses",
                Call { distinct: true, .. } => "DISTINCT",
                Call { variadic: true, .. } => "VARIADIC",
                _ => "",
            };
            if !conflict.is_empty() {
                return Err(syntax(&format!("cannot use {conflict} with WITHIN GROUP"), position));
            }
        }
        if self.eat("filter") {
            self.expect_symbol("(")?;
            self.expect("where")?;
            call.filter = Some(self.expr()?);
            self.expect_symbol(")")?;
        }
        if self.eat("over") {
            call.over = Some(match self.is_symbol("(") {
                true => Over::Window(self.window()?),
                false => Over::Named(self.column_ident()?),
            });
        }
        Ok(())
    }
}

/// Windows.
impl Parser<'_> {
    /// `([base] [PARTITION BY ..] [ORDER BY ..] [frame])`.
    pub fn window(&mut self) -> Result<Window> {
        let position = self.position();
        self.expect_symbol("(")?;
        let base = match self.is_column_ident(0) && !self.is_one_of(&["partition", "range", "rows", "groups"])
        {
            true => Some(self.column_ident()?),
            false => None,
        };
        let partition_by = match self.eat("partition") {
            true => {
                self.expect("by")?;
                self.expr_list()?
            }
            false => Vec::new(),
        };
        let order_by = self.order_by()?;
        let frame = self.frame()?;
        self.expect_symbol(")")?;
        Ok(Window { base, partition_by, order_by, frame, position })
    }

    fn frame(&mut self) -> Result<Option<Frame>> {
        let position = self.position();
        let unit = match self.word() {
            Some("rows") => FrameUnit::Rows,
            Some("range") => FrameUnit::Range,
            Some("groups") => FrameUnit::Groups,
            _ => return Ok(None),
        };
        self.advance();
        let between = self.eat("between");
        let start_position = self.position();
        let start = self.bound()?;
        let mut end = None;
        let mut end_position = start_position;
        if between {
            self.expect("and")?;
            end_position = self.position();
            end = Some(self.bound()?);
        }
        if let Some((message, at)) = impossible_frame(&start, end.as_ref(), start_position, end_position) {
            return Err(Error::new(SqlState::WINDOWING_ERROR, message).at(at));
        }
        let exclude = self.exclusion()?;
        Ok(Some(Frame { unit, start, end, exclude, position }))
    }

    fn bound(&mut self) -> Result<Bound> {
        if self.eat("unbounded preceding") {
            return Ok(Bound::UnboundedPreceding);
        }
        if self.eat("unbounded following") {
            return Ok(Bound::UnboundedFollowing);
        }
        if self.eat("current row") {
            return Ok(Bound::CurrentRow);
        }
        let offset = self.expr()?;
        if self.eat("preceding") {
            return Ok(Bound::Preceding(offset));
        }
        self.expect("following")?;
        Ok(Bound::Following(offset))
    }

    fn exclusion(&mut self) -> Result<Option<Exclude>> {
        if !self.eat("exclude") {
            return Ok(None);
        }
        let choices = [
            ("current row", Exclude::CurrentRow),
            ("group", Exclude::Group),
            ("ties", Exclude::Ties),
            ("no others", Exclude::NoOthers),
        ];
        match choices.into_iter().find(|(words, _)| self.eat(words)) {
            Some((_, exclude)) => Ok(Some(exclude)),
            None => self.unexpected(),
        }
    }
}

/// Expressions with keywords of their own.
impl Parser<'_> {
    /// The expression that the word here begins, if the word is not just a name.
    pub fn special_expr(&mut self) -> Result<Option<Expr>> {
        let position = self.position();
        let Some(word) = self.word() else { return Ok(None) };
        let word = word.to_owned();
        let literal = |literal| Ok(Some(Expr::new(ExprKind::Literal(literal), position)));
        match word.as_str() {
            "null" | "true" | "false" | "default" => {
                self.advance();
                match word.as_str() {
                    "null" => literal(Literal::Null),
                    "default" => Ok(Some(Expr::new(ExprKind::Default, position))),
                    _ => literal(Literal::Bool(word == "true")),
                }
            }
            "case" => self.nested(Self::case).map(Some),
            "cast" => self.cast().map(Some),
            "array" => self.array(position).map(Some),
            "current_date" | "current_role" | "current_user" | "session_user" | "user"
            | "current_catalog" => {
                self.advance();
                Ok(Some(special(&word, Vec::new(), position)))
            }
            // As a function, with parentheses, it is one.
            "current_schema" if !self.is_symbol_at(1, "(") => {
                self.advance();
                Ok(Some(special(&word, Vec::new(), position)))
            }
            "current_time" | "current_timestamp" | "localtime" | "localtimestamp" => {
                self.advance();
                let precision =
                    if self.is_symbol("(") { self.parenthesized(Self::precision)? } else { Vec::new() };
                Ok(Some(special(&word, precision, position)))
            }
            "collation" if self.is_at(1, "for") => {
                self.advance();
                self.advance();
                let args = self.parenthesized(Self::expr)?;
                Ok(Some(special("pg_collation_for", args, position)))
            }
            _ if self.is_symbol_at(1, "(") && self.category_at(0) == Some(keyword::Category::ColumnName) => {
                match self.special_call(&word, position)? {
                    Some(expr) => Ok(Some(expr)),
                    None => self.keyword_type_literal(),
                }
            }
            _ => self.keyword_type_literal(),
        }
    }

    fn precision(&mut self) -> Result<Expr> {
        let position = self.position();
        let digits = self.integer()?.to_string();
        Ok(Expr::new(ExprKind::Literal(Literal::Number(digits)), position))
    }

    /// What looks like a call of a keyword, at the keyword.
    fn special_call(&mut self, word: &str, position: u32) -> Result<Option<Expr>> {
        match word {
            "exists" => {
                self.advance();
                Ok(Some(Expr::new(ExprKind::Exists(self.subquery()?), position)))
            }
            "row" => {
                self.advance();
                if self.is_symbol_at(1, ")") {
                    self.advance();
                    self.advance();
                    return self.row(Vec::new(), position).map(Some);
                }
                let items = self.parenthesized(Self::expr)?;
                self.row(items, position).map(Some)
            }
            "nullif" => {
                self.advance();
                self.advance();
                let left = self.expr()?;
                self.expect_symbol(",")?;
                let args = vec![left, self.expr()?];
                self.expect_symbol(")")?;
                let name = Name { parts: vec![Ident { name: word.to_owned(), position }] };
                Ok(Some(special_named(name, args, position)))
            }
            "coalesce" | "greatest" | "least" | "grouping" => {
                self.advance();
                let args = self.parenthesized(Self::expr)?;
                let name = Name { parts: vec![Ident { name: word.to_owned(), position }] };
                Ok(Some(special_named(name, args, position)))
            }
            "extract" | "position" | "overlay" | "substring" | "trim" | "normalize" => {
                self.advance();
                self.advance();
                let expr = match word {
                    "extract" => self.extract(position)?,
                    "position" => self.position_of(position)?,
                    "overlay" => self.overlay(position)?,
                    "substring" => self.substring(position)?,
                    "trim" => self.trim(position)?,
                    _ => self.normalize(position)?,
                };
                self.expect_symbol(")")?;
                Ok(Some(expr))
            }
            "treat" => Err(Error::unsupported("TREAT is not supported").hint("Use CAST.").at(position)),
            _ if word.starts_with("xml") => Err(no_xml(position)),
            _ => Ok(None),
        }
    }

    /// `year FROM x`, where the field may be a word, a keyword or a string.
    fn extract(&mut self, position: u32) -> Result<Expr> {
        let at = self.position();
        let field = match self.kind() {
            TokenKind::String(_) => self.string()?,
            TokenKind::Word(word, category)
                if *category == keyword::Category::Identifier
                    || ["year", "month", "day", "hour", "minute", "second"].contains(&&**word) =>
            {
                self.label()?.name
            }
            TokenKind::Quoted(_) => self.label()?.name,
            _ => return self.unexpected(),
        };
        let field = Expr::new(ExprKind::Literal(Literal::String(field)), at);
        self.expect("from")?;
        let from = self.expr()?;
        Ok(special("extract", vec![field, from], position))
    }

    fn position_of(&mut self, position: u32) -> Result<Expr> {
        let part = self.restricted_expr()?;
        self.expect("in")?;
        let whole = self.restricted_expr()?;
        Ok(special("position", vec![whole, part], position))
    }

    /// `a PLACING b FROM c [FOR d]`, or an ordinary list.
    fn overlay(&mut self, position: u32) -> Result<Expr> {
        if self.is_symbol(")") {
            return Ok(plain_call("overlay", Vec::new(), position));
        }
        let mut args = vec![self.arg()?.value];
        if !self.eat("placing") {
            return self.plain_rest("overlay", args, position);
        }
        args.push(self.expr()?);
        self.expect("from")?;
        args.push(self.expr()?);
        if self.eat("for") {
            args.push(self.expr()?);
        }
        Ok(special("overlay", args, position))
    }

    /// `a FROM b [FOR c]`, `a FOR c [FROM b]`, `a SIMILAR b ESCAPE c`, or an ordinary list.
    fn substring(&mut self, position: u32) -> Result<Expr> {
        if self.is_symbol(")") {
            return Ok(plain_call("substring", Vec::new(), position));
        }
        let text = self.arg()?.value;
        if self.eat("from") {
            let mut args = vec![text, self.expr()?];
            if self.eat("for") {
                args.push(self.expr()?);
            }
            return Ok(special("substring", args, position));
        }
        if self.eat("for") {
            let at = self.position();
            let length = self.expr()?;
            if self.eat("from") {
                let from = self.expr()?;
                return Ok(special("substring", vec![text, from, length], position));
            }
            // A length alone can only be a number; PostgreSQL forces it to be one.
            let from = Expr::new(ExprKind::Literal(Literal::Number("1".to_owned())), at);
            let to = TypeName::builtin("int4", at);
            let length = Expr::new(ExprKind::Cast { operand: Box::new(length), to }, at);
            return Ok(special("substring", vec![text, from, length], position));
        }
        if self.eat("similar") {
            let pattern = self.expr()?;
            self.expect("escape")?;
            let escape = self.expr()?;
            return Ok(special("substring", vec![text, pattern, escape], position));
        }
        self.plain_rest("substring", vec![text], position)
    }

    fn trim(&mut self, position: u32) -> Result<Expr> {
        let name = match self.word() {
            Some("leading") => "ltrim",
            Some("trailing") => "rtrim",
            _ => "btrim",
        };
        if self.is_one_of(&["leading", "trailing", "both"]) {
            self.advance();
        }
        // The text comes first in the call; the characters stood before FROM.
        if self.eat("from") {
            return Ok(special(name, self.expr_list()?, position));
        }
        let first = self.expr()?;
        let mut args = Vec::new();
        if self.eat("from") {
            args.extend(self.expr_list()?);
            args.push(first);
        } else {
            args.push(first);
            while self.eat_symbol(",") {
                args.push(self.expr()?);
            }
        }
        Ok(special(name, args, position))
    }

    fn normalize(&mut self, position: u32) -> Result<Expr> {
        let mut args = vec![self.expr()?];
        if self.eat_symbol(",") {
            match self.normal_form() {
                Some(form) => args.push(form),
                None => return self.unexpected(),
            }
        }
        Ok(special("normalize", args, position))
    }

    /// The rest of an ordinary argument list, before its parenthesis.
    fn plain_rest(&mut self, name: &str, mut args: Vec<Expr>, position: u32) -> Result<Expr> {
        while self.eat_symbol(",") {
            args.push(self.expr()?);
        }
        Ok(plain_call(name, args, position))
    }

    fn cast(&mut self) -> Result<Expr> {
        let position = self.position();
        self.expect("cast")?;
        self.expect_symbol("(")?;
        let operand = Box::new(self.expr()?);
        self.expect("as")?;
        let to = self.type_name()?;
        self.expect_symbol(")")?;
        Ok(Expr::new(ExprKind::Cast { operand, to }, position))
    }

    fn case(&mut self) -> Result<Expr> {
        let position = self.position();
        self.expect("case")?;
        let operand = if self.is("when") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.eat("when") {
            let when = self.expr()?;
            self.expect("then")?;
            branches.push(Branch { when, then: self.expr()? });
        }
        if branches.is_empty() {
            return self.unexpected();
        }
        let otherwise = if self.eat("else") { Some(Box::new(self.expr()?)) } else { None };
        self.expect("end")?;
        Ok(Expr::new(ExprKind::Case { operand, branches, otherwise }, position))
    }

    /// `ARRAY[..]` or `ARRAY(SELECT ..)`.
    fn array(&mut self, position: u32) -> Result<Expr> {
        self.expect("array")?;
        if self.is_symbol("(") {
            return Ok(Expr::new(ExprKind::ArraySubquery(self.subquery()?), position));
        }
        self.array_items(position)
    }

    fn array_items(&mut self, position: u32) -> Result<Expr> {
        self.expect_symbol("[")?;
        let items = if self.is_symbol("]") {
            Vec::new()
        } else if self.is_symbol("[") {
            self.comma_separated(|p| {
                let position = p.position();
                p.nested(|p| p.array_items(position))
            })?
        } else {
            self.expr_list()?
        };
        self.expect_symbol("]")?;
        Ok(Expr::new(ExprKind::Array(items), position))
    }
}

impl Call {
    /// A call without arguments.
    pub fn new(name: Name) -> Call {
        Call {
            name,
            special: false,
            star: false,
            args: Vec::new(),
            variadic: false,
            distinct: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        }
    }
}

/// The call of a function whose name is a keyword.
fn plain_call(name: &str, args: Vec<Expr>, position: u32) -> Expr {
    let mut call = Call::new(Name::system(name, position));
    call.args = args.into_iter().map(|value| Arg { name: None, value }).collect();
    Expr::new(ExprKind::Call(Box::new(call)), position)
}

fn syntax(message: &str, position: u32) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message).at(position)
}

/// What is wrong with a frame whose bounds can never hold a row, and where.
fn impossible_frame(
    start: &Bound,
    end: Option<&Bound>,
    start_at: u32,
    end_at: u32,
) -> Option<(&'static str, u32)> {
    match (start, end) {
        (Bound::UnboundedFollowing, _) => Some(("frame start cannot be UNBOUNDED FOLLOWING", start_at)),
        (Bound::Following(_), None) => {
            Some(("frame starting from following row cannot end with current row", start_at))
        }
        (_, Some(Bound::UnboundedPreceding)) => Some(("frame end cannot be UNBOUNDED PRECEDING", end_at)),
        (Bound::CurrentRow, Some(Bound::Preceding(_))) => {
            Some(("frame starting from current row cannot have preceding rows", end_at))
        }
        (Bound::Following(_), Some(Bound::Preceding(_) | Bound::CurrentRow)) => {
            Some(("frame starting from following row cannot have preceding rows", end_at))
        }
        _ => None,
    }
}
