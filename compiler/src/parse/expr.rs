//! Expressions: operators by precedence climbing, and what they are applied to.
//!
//! The levels are PostgreSQL's. Comparisons, the LIKE family and IS DISTINCT FROM do not associate: `a < b < c` is a syntax
//! error at the second `<`. Chains of operators are read in a loop, so their length costs no stack; AND and OR become lists.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::precedence::{
    AND, AT, CAST, COLLATE, COMPARISON, IS, LIKE, Level, NOT, OPERATOR, OR, SIGN, SUM, level as level_of,
};
use crate::ast::*;

/// Which operators may follow: all, or those of the places where AND or a keyword ends the expression (`b_expr` in
/// PostgreSQL's grammar: the low end of BETWEEN, a column's DEFAULT, POSITION).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Operators {
    All,
    Restricted,
}

/// What stands in parentheses where both may.
pub(super) enum Parenthesized {
    Query(Box<Query>),
    List(Vec<Expr>),
}

impl Parser<'_> {
    pub fn expr(&mut self) -> Result<Expr> {
        self.nested(|p| p.expr_at(OR, Operators::All))
    }

    pub fn restricted_expr(&mut self) -> Result<Expr> {
        self.nested(|p| p.expr_at(IS, Operators::Restricted))
    }

    /// An expression without operators around it, as FETCH FIRST and the like take.
    pub fn atom(&mut self) -> Result<Expr> {
        self.nested(Self::primary)
    }

    pub fn expr_list(&mut self) -> Result<Vec<Expr>> {
        self.comma_separated(Self::expr)
    }

    /// An expression of operators of at least this level.
    fn expr_at(&mut self, least: Level, operators: Operators) -> Result<Expr> {
        self.measured(|p| {
            let mut left = p.prefix(operators)?;
            while let Some(level) = p.infix_level(operators).filter(|level| *level >= least) {
                left = p.infix(left, level, operators)?;
                // A list grows in width.
                if level > AND {
                    p.raise()?;
                }
            }
            Ok(left)
        })
    }

    /// The level of the operator that stands here, if one does.
    fn infix_level(&self, operators: Operators) -> Option<Level> {
        match self.kind() {
            TokenKind::Symbol => level_of(self.text(0)),
            TokenKind::Word(word, _) => match &**word {
                "operator" if self.is_symbol_at(1, "(") => Some(OPERATOR),
                "is" if operators == Operators::All => Some(IS),
                "is" => {
                    let test = if self.is_at(1, "not") { 2 } else { 1 };
                    self.is_at(test, "distinct").then_some(IS)
                }
                _ if operators == Operators::Restricted => None,
                "or" => Some(OR),
                "and" => Some(AND),
                "isnull" | "notnull" => Some(IS),
                "not" if self.is_like_word(1) => Some(LIKE),
                _ if self.is_like_word(0) => Some(LIKE),
                "at" if self.is_at(1, "time") => Some(AT),
                "collate" => Some(COLLATE),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_like_word(&self, ahead: usize) -> bool {
        match self.word_at(ahead) {
            Some("between" | "in" | "like" | "ilike") => true,
            // Alone it separates the arguments of SUBSTRING.
            Some("similar") => self.is_at(ahead + 1, "to"),
            _ => false,
        }
    }

    /// Reads the operator that stands here and its right operand.
    fn infix(&mut self, left: Expr, level: Level, operators: Operators) -> Result<Expr> {
        let position = self.position();
        match level {
            OR | AND => {
                self.advance();
                let right = self.expr_at(level + 1, operators)?;
                Ok(listed(left, right, level == AND, position))
            }
            IS => self.is_test(left, operators),
            LIKE => self.like_family(left),
            AT => {
                self.expect("at time zone")?;
                let zone = self.expr_at(AT + 1, operators)?;
                Ok(special("timezone", vec![zone, left], position))
            }
            COLLATE => {
                self.advance();
                let collation = self.name()?;
                Ok(Expr::new(ExprKind::Collate { operand: Box::new(left), collation }, position))
            }
            CAST => {
                self.advance();
                let to = self.type_name()?;
                Ok(Expr::new(ExprKind::Cast { operand: Box::new(left), to }, position))
            }
            _ => {
                let op = self.operator()?;
                if let Some(quantifier) = self.quantifier() {
                    return self.quantified(left, op, quantifier);
                }
                let right = Box::new(self.expr_at(level + 1, operators)?);
                if level == COMPARISON {
                    self.refuse_chain(level, operators)?;
                }
                Ok(Expr::new(ExprKind::Binary { op, left: Box::new(left), right }, position))
            }
        }
    }

    /// An operator of this level may not follow its like.
    fn refuse_chain(&self, level: Level, operators: Operators) -> Result<()> {
        if self.infix_level(operators) == Some(level) { self.unexpected() } else { Ok(()) }
    }

    /// `+`, `OPERATOR(schema.+)`.
    pub fn operator(&mut self) -> Result<Operator> {
        let position = self.position();
        if !self.eat("operator") {
            return self.operator_symbol(None, position);
        }
        self.expect_symbol("(")?;
        let mut schema = None;
        while !matches!(self.kind(), TokenKind::Symbol) {
            schema = Some(self.column_ident()?);
            self.expect_symbol(".")?;
        }
        let operator = self.operator_symbol(schema, position)?;
        self.expect_symbol(")")?;
        Ok(operator)
    }

    fn operator_symbol(&mut self, schema: Option<Ident>, position: u32) -> Result<Operator> {
        let symbol = self.text(0);
        if !matches!(self.kind(), TokenKind::Symbol) || level_of(symbol).is_none_or(|level| level >= CAST) {
            return self.unexpected();
        }
        self.advance();
        let symbol = if symbol == "!=" { "<>" } else { symbol };
        Ok(Operator { schema, symbol: symbol.to_owned(), position })
    }

    /// ANY, SOME or ALL, before its parenthesis.
    fn quantifier(&mut self) -> Option<Quantifier> {
        let quantifier = match self.word() {
            Some("any" | "some") => Quantifier::Any,
            Some("all") => Quantifier::All,
            _ => return None,
        };
        self.advance();
        Some(quantifier)
    }

    fn quantified(&mut self, left: Expr, op: Operator, quantifier: Quantifier) -> Result<Expr> {
        let position = op.position;
        let right = match self.query_or_first()? {
            Parenthesized::Query(query) => QuantifiedOver::Query(query),
            Parenthesized::List(mut list) => {
                self.expect_symbol(")")?;
                QuantifiedOver::Array(Box::new(list.remove(0)))
            }
        };
        Ok(Expr::new(ExprKind::Quantified { left: Box::new(left), op, quantifier, right }, position))
    }

    fn is_test(&mut self, operand: Expr, operators: Operators) -> Result<Expr> {
        let position = self.position();
        let operand = Box::new(operand);
        let null =
            |operand, negated| Ok(Expr::new(ExprKind::Is { operand, test: Truth::Null, negated }, position));
        if self.eat("isnull") {
            return null(operand, false);
        }
        if self.eat("notnull") {
            return null(operand, true);
        }
        self.expect("is")?;
        let negated = self.eat("not");
        if self.eat("distinct") {
            self.expect("from")?;
            let right = Box::new(self.expr_at(IS + 1, operators)?);
            self.refuse_chain(IS, operators)?;
            return Ok(Expr::new(ExprKind::IsDistinctFrom { left: operand, right, negated }, position));
        }
        let test = match self.word() {
            Some("null") => Truth::Null,
            Some("true") => Truth::True,
            Some("false") => Truth::False,
            Some("unknown") => Truth::Unknown,
            Some("document") => return Err(no_xml(self.position())),
            Some("normalized" | "nfc" | "nfd" | "nfkc" | "nfkd") => {
                return self.is_normalized(*operand, negated, position);
            }
            _ => return self.unexpected(),
        };
        self.advance();
        Ok(Expr::new(ExprKind::Is { operand, test, negated }, position))
    }

    fn is_normalized(&mut self, operand: Expr, negated: bool, position: u32) -> Result<Expr> {
        let mut args = vec![operand];
        args.extend(self.normal_form());
        self.expect("normalized")?;
        let test = special("is_normalized", args, position);
        Ok(if negated { Expr::new(ExprKind::Not(Box::new(test)), position) } else { test })
    }

    /// NFC and its kin, as the string that the function takes.
    pub fn normal_form(&mut self) -> Option<Expr> {
        let position = self.position();
        let form =
            self.word().filter(|word| ["nfc", "nfd", "nfkc", "nfkd"].contains(word))?.to_ascii_uppercase();
        self.advance();
        Some(Expr::new(ExprKind::Literal(Literal::String(form)), position))
    }

    /// BETWEEN, IN, LIKE, ILIKE and SIMILAR TO, with NOT before them perhaps.
    fn like_family(&mut self, operand: Expr) -> Result<Expr> {
        let position = self.position();
        let negated = self.eat("not");
        let operand = Box::new(operand);
        let kind = match self.word() {
            Some("between") => return self.between(operand, negated, position),
            Some("in") => return self.in_family(operand, negated, position),
            Some("like") => LikeKind::Like,
            Some("ilike") => LikeKind::ILike,
            _ => LikeKind::SimilarTo,
        };
        self.advance();
        if kind == LikeKind::SimilarTo {
            self.expect("to")?;
        } else if let Some(quantifier) = self.quantifier() {
            let symbol = match (kind, negated) {
                (LikeKind::ILike, false) => "~~*",
                (LikeKind::ILike, true) => "!~~*",
                (_, false) => "~~",
                (_, true) => "!~~",
            };
            let op = Operator { schema: None, symbol: symbol.to_owned(), position };
            return self.quantified(*operand, op, quantifier);
        }
        let pattern = Box::new(self.expr_at(OPERATOR, Operators::All)?);
        let escape = match self.eat("escape") {
            true => Some(Box::new(self.expr_at(OPERATOR, Operators::All)?)),
            false => None,
        };
        self.refuse_chain(LIKE, Operators::All)?;
        Ok(Expr::new(ExprKind::Like { kind, operand, pattern, escape, negated }, position))
    }

    fn between(&mut self, operand: Box<Expr>, negated: bool, position: u32) -> Result<Expr> {
        self.advance();
        let symmetric = self.eat("symmetric");
        if !symmetric {
            self.eat("asymmetric");
        }
        let low = Box::new(self.restricted_expr()?);
        self.expect("and")?;
        let high = Box::new(self.expr_at(LIKE + 1, Operators::All)?);
        self.refuse_chain(LIKE, Operators::All)?;
        Ok(Expr::new(ExprKind::Between { operand, low, high, symmetric, negated }, position))
    }

    fn in_family(&mut self, operand: Box<Expr>, negated: bool, position: u32) -> Result<Expr> {
        self.advance();
        let kind = match self.query_or_list()? {
            Parenthesized::Query(query) => ExprKind::InSubquery { operand, query, negated },
            Parenthesized::List(list) => ExprKind::InList { operand, list, negated },
        };
        Ok(Expr::new(kind, position))
    }
}

/// Operands.
impl Parser<'_> {
    fn prefix(&mut self, operators: Operators) -> Result<Expr> {
        let position = self.position();
        if self.is("not") && operators == Operators::All {
            self.advance();
            let operand = self.nested(|p| p.expr_at(NOT, operators))?;
            return Ok(Expr::new(ExprKind::Not(Box::new(operand)), position));
        }
        let level = match self.kind() {
            TokenKind::Symbol => match level_of(self.text(0)) {
                Some(SUM) => SIGN,
                // An operator before its operand binds like one after it: `~ a + b` is `~ (a + b)`.
                Some(OPERATOR) => OPERATOR + 1,
                _ => return self.primary(),
            },
            _ if self.is("operator") && self.is_symbol_at(1, "(") => OPERATOR + 1,
            _ => return self.primary(),
        };
        let op = self.operator()?;
        let operand = self.nested(|p| p.expr_at(level, operators))?;
        Ok(signed(op, operand, position))
    }

    fn primary(&mut self) -> Result<Expr> {
        let position = self.position();
        let literal = match self.kind() {
            TokenKind::String(text) => Literal::String(text.to_string()),
            TokenKind::Number => Literal::Number(self.text(0).to_owned()),
            TokenKind::Bits(digits) => Literal::Bits(digits.clone()),
            TokenKind::Parameter(number) => {
                let parameter = Expr::new(ExprKind::Parameter(*number), position);
                self.advance();
                return self.path(parameter);
            }
            TokenKind::Symbol if self.is_symbol("(") => return self.parenthesized_expr(),
            TokenKind::Word(..) => {
                return match self.special_expr()? {
                    Some(expr) => Ok(expr),
                    None => self.named(),
                };
            }
            TokenKind::Quoted(_) => return self.named(),
            _ => return self.unexpected(),
        };
        self.advance();
        Ok(Expr::new(ExprKind::Literal(literal), position))
    }

    /// What begins with a name: a column, `t.*`, a call, or a literal of a named type.
    fn named(&mut self) -> Result<Expr> {
        let position = self.position();
        let (is_column, is_function) = (self.is_column_ident(0), self.is_function_ident(0));
        if !is_column && !is_function {
            return self.unexpected();
        }
        let mut name = Name { parts: vec![self.label()?] };
        while is_column && self.is_symbol(".") {
            if self.is_symbol_at(1, "*") {
                self.advance();
                self.advance();
                return Ok(Expr::new(ExprKind::QualifiedStar(name), position));
            }
            self.advance();
            name.parts.push(self.label()?);
        }
        if is_function || name.parts.len() > 1 {
            if self.is_symbol("(") {
                return self.call(name);
            }
            if let TokenKind::String(_) = self.kind() {
                return self.typed_literal(TypeName::plain(name));
            }
        }
        if !is_column {
            return self.unexpected();
        }
        self.path(Expr::new(ExprKind::Column(name), position))
    }

    /// The string that follows, as a value of this type.
    pub fn typed_literal(&mut self, to: TypeName) -> Result<Expr> {
        let (literal, position) = (self.position(), to.position);
        let text = self.string()?;
        let operand = Box::new(Expr::new(ExprKind::Literal(Literal::String(text)), literal));
        Ok(Expr::new(ExprKind::Cast { operand, to }, position))
    }

    fn parenthesized_expr(&mut self) -> Result<Expr> {
        let position = self.position();
        match self.query_or_list()? {
            Parenthesized::Query(query) => self.path(Expr::new(ExprKind::Subquery(query), position)),
            Parenthesized::List(mut list) if list.len() == 1 => {
                let expr = list.pop().expect("invariant: the length is one");
                self.path(expr)
            }
            Parenthesized::List(list) => self.row(list, position),
        }
    }

    /// A row, or two of them that are compared by OVERLAPS.
    pub fn row(&mut self, items: Vec<Expr>, position: u32) -> Result<Expr> {
        let operator = self.position();
        if !self.eat("overlaps") {
            return Ok(Expr::new(ExprKind::Row(items), position));
        }
        let start = self.position();
        self.eat("row");
        let right = match self.query_or_list()? {
            Parenthesized::List(list) if list.len() > 1 => list,
            _ => return self.unexpected(),
        };
        for (side, row, at) in [("left", &items, position), ("right", &right, start)] {
            if row.len() != 2 {
                let message = format!("wrong number of parameters on {side} side of OVERLAPS expression");
                return Err(crate::error::Error::new(crate::error::SqlState::SYNTAX_ERROR, message).at(at));
            }
        }
        Ok(special("overlaps", items.into_iter().chain(right).collect(), operator))
    }

    /// A query or a list of expressions, in parentheses.
    pub fn query_or_list(&mut self) -> Result<Parenthesized> {
        let mut list = match self.query_or_first()? {
            Parenthesized::List(first) => first,
            query => return Ok(query),
        };
        while self.eat_symbol(",") {
            list.push(self.expr()?);
        }
        self.expect_symbol(")")?;
        Ok(Parenthesized::List(list))
    }

    /// A query in parentheses.
    pub fn subquery(&mut self) -> Result<Box<Query>> {
        if self.is_symbol("(") && !self.parenthesis_holds_query() {
            self.advance();
            return self.unexpected();
        }
        match self.query_or_first()? {
            Parenthesized::Query(query) => Ok(query),
            Parenthesized::List(_) => self.unexpected(),
        }
    }

    /// Whether a query may start after the parenthesis here.
    pub fn parenthesis_holds_query(&self) -> bool {
        self.is_symbol_at(1, "(")
            || match self.word_at(1) {
                Some("select" | "with" | "table") => true,
                Some("values") => self.is_symbol_at(2, "("),
                _ => false,
            }
    }

    /// A query in parentheses, or the first of a list with its parenthesis still open.
    fn query_or_first(&mut self) -> Result<Parenthesized> {
        self.expect_symbol("(")?;
        if self.at_query() {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Parenthesized::Query(Box::new(query)));
        }
        let mut first = self.expr()?;
        if let ExprKind::Subquery(query) = first.kind {
            // What began in parentheses of its own may be the first operand of a longer query, or all of it.
            if self.at_query_tail() {
                let query = self.query_from(*query, first.position)?;
                self.expect_symbol(")")?;
                return Ok(Parenthesized::Query(Box::new(query)));
            }
            if self.eat_symbol(")") {
                return Ok(Parenthesized::Query(query));
            }
            first.kind = ExprKind::Subquery(query);
        }
        Ok(Parenthesized::List(vec![first]))
    }
}

/// Steps into a value.
impl Parser<'_> {
    fn path(&mut self, operand: Expr) -> Result<Expr> {
        if !self.is_symbol("[") && !self.is_symbol(".") {
            return Ok(operand);
        }
        let position = operand.position;
        let steps = self.steps()?;
        let expr = match steps.is_empty() {
            true => operand,
            false => Expr::new(ExprKind::Path { operand: Box::new(operand), steps }, position),
        };
        if self.is_symbol(".") && self.is_symbol_at(1, "*") {
            self.advance();
            self.advance();
            return Ok(Expr::new(ExprKind::FieldStar(Box::new(expr)), position));
        }
        Ok(expr)
    }

    /// `[1]`, `[1:2]`, `.field`, up to a `.*`.
    pub fn steps(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.is_symbol(".") && !self.is_symbol_at(1, "*") {
                self.advance();
                steps.push(Step::Field(self.label()?));
            } else if self.eat_symbol("[") {
                steps.push(self.subscript()?);
                self.expect_symbol("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn subscript(&mut self) -> Result<Step> {
        let from = if self.is_symbol(":") { None } else { Some(self.expr()?) };
        if !self.eat_symbol(":") {
            return match from {
                Some(index) => Ok(Step::Index(index)),
                None => self.unexpected(),
            };
        }
        let to = if self.is_symbol("]") { None } else { Some(self.expr()?) };
        Ok(Step::Slice(from, to))
    }
}

/// A call that special syntax stands for.
pub(super) fn special(name: &str, args: Vec<Expr>, position: u32) -> Expr {
    special_named(Name::system(name, position), args, position)
}

pub(super) fn special_named(name: Name, args: Vec<Expr>, position: u32) -> Expr {
    let mut call = Call::new(name);
    call.special = true;
    call.args = args.into_iter().map(|value| Arg { name: None, value }).collect();
    Expr::new(ExprKind::Call(Box::new(call)), position)
}

pub(super) fn no_xml(position: u32) -> crate::error::Error {
    crate::error::Error::unsupported("the XML type is not supported").at(position)
}

/// `left AND right` or `left OR right`, in one list with what is there already.
fn listed(left: Expr, right: Expr, and: bool, position: u32) -> Expr {
    let mut position = position;
    let mut list = match (left.kind, and) {
        (ExprKind::And(list), true) | (ExprKind::Or(list), false) => {
            position = left.position;
            list
        }
        (kind, _) => vec![Expr::new(kind, left.position)],
    };
    match (right.kind, and) {
        (ExprKind::And(more), true) | (ExprKind::Or(more), false) => list.extend(more),
        (kind, _) => list.push(Expr::new(kind, right.position)),
    }
    Expr::new(if and { ExprKind::And(list) } else { ExprKind::Or(list) }, position)
}

/// A prefix operator with its operand. The sign of a number is part of it, so that the least integer can be written.
fn signed(op: Operator, operand: Expr, position: u32) -> Expr {
    match operand.kind {
        ExprKind::Literal(Literal::Number(digits)) if op.symbol == "-" && op.schema.is_none() => {
            let digits = match digits.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => format!("-{digits}"),
            };
            Expr::new(ExprKind::Literal(Literal::Number(digits)), position)
        }
        _ => Expr::new(ExprKind::Unary { op, operand: Box::new(operand) }, position),
    }
}
