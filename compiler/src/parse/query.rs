//! Queries: SELECT, VALUES, TABLE, set operations, the clauses around them.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;
use crate::error::{Error, SqlState};
use crate::keyword::{self, Category};

impl Parser<'_> {
    /// Whether a query starts here, without parentheses.
    pub fn at_query(&self) -> bool {
        self.is_one_of(&["select", "with", "table"]) || (self.is("values") && self.is_symbol_at(1, "("))
    }

    /// Whether a query starts here, perhaps in parentheses.
    pub fn at_query_or_parenthesis(&self) -> bool {
        self.at_query() || self.is_symbol("(")
    }

    /// Whether what follows goes on with the query before it.
    pub fn at_query_tail(&self) -> bool {
        self.is_one_of(&["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"])
    }

    pub fn query(&mut self) -> Result<Query> {
        self.nested(|p| {
            let position = p.position();
            let with = p.with()?;
            p.query_after(with, position)
        })
    }

    /// The query after its WITH.
    pub fn query_after(&mut self, with: Option<With>, position: u32) -> Result<Query> {
        let first = self.intersection(None)?;
        self.query_rest(with, first, position)
    }

    /// The query whose first operand was in parentheses.
    pub fn query_from(&mut self, first: Query, position: u32) -> Result<Query> {
        self.nested(|p| {
            let first = p.intersection(Some(Operand::Parenthesized(first)))?;
            p.query_rest(None, first, position)
        })
    }

    fn query_rest(&mut self, with: Option<With>, first: Operand, position: u32) -> Result<Query> {
        let mut query = match self.union(first)? {
            Operand::Plain(body) => Query::plain(body, position),
            // Clauses outside of the parentheses join those inside.
            Operand::Parenthesized(query) => query,
        };
        query.position = position;
        if let Some(with) = with {
            if query.with.is_some() {
                return Err(multiple("WITH", with.position));
            }
            query.with = Some(with);
        }
        self.query_clauses(&mut query)?;
        Ok(query)
    }

    /// `WITH ..` if it is there.
    pub fn with(&mut self) -> Result<Option<With>> {
        let position = self.position();
        if !self.eat("with") {
            return Ok(None);
        }
        let recursive = self.eat("recursive");
        let ctes = self.comma_separated(Self::cte)?;
        Ok(Some(With { recursive, ctes, position }))
    }

    fn cte(&mut self) -> Result<Cte> {
        let name = self.column_ident()?;
        let columns = self.optional_column_list()?;
        self.expect("as")?;
        let materialized = match self.eat("materialized") {
            true => Some(true),
            false if self.eat("not materialized") => Some(false),
            false => None,
        };
        self.expect_symbol("(")?;
        let body = self.nested(Self::preparable)?;
        self.expect_symbol(")")?;
        let (search, cycle) = (self.search()?, self.cycle()?);
        Ok(Cte { name, columns, materialized, body, search, cycle })
    }

    fn search(&mut self) -> Result<Option<Search>> {
        let position = self.position();
        if !self.eat("search") {
            return Ok(None);
        }
        let breadth = self.eat("breadth");
        if !breadth {
            self.expect("depth")?;
        }
        self.expect("first by")?;
        let by = self.comma_separated(Self::column_ident)?;
        self.expect("set")?;
        Ok(Some(Search { breadth, by, set: self.column_ident()?, position }))
    }

    fn cycle(&mut self) -> Result<Option<Cycle>> {
        let position = self.position();
        if !self.eat("cycle") {
            return Ok(None);
        }
        let columns = self.comma_separated(Self::column_ident)?;
        self.expect("set")?;
        let set = self.column_ident()?;
        let values = match self.eat("to") {
            true => {
                let to = self.atom()?;
                self.expect("default")?;
                Some((to, self.atom()?))
            }
            false => None,
        };
        self.expect("using")?;
        Ok(Some(Cycle { columns, set, values, using: self.column_ident()?, position }))
    }
}

/// Set operations.
impl Parser<'_> {
    /// A chain of UNION and EXCEPT after its first operand.
    fn union(&mut self, first: Operand) -> Result<Operand> {
        let mut left = first;
        while self.is_one_of(&["union", "except"]) {
            let position = self.position();
            let op = if self.is("union") { SetOperator::Union } else { SetOperator::Except };
            let all = self.set_quantifier();
            let right = self.measured(|p| p.intersection(None))?;
            left = self.combined(left, op, all, right, position)?;
        }
        Ok(left)
    }

    /// A chain of INTERSECT, with its first operand if that was read already.
    fn intersection(&mut self, first: Option<Operand>) -> Result<Operand> {
        let mut left = match first {
            Some(first) => first,
            None => self.set_operand()?,
        };
        while self.is("intersect") {
            let position = self.position();
            let all = self.set_quantifier();
            let right = self.measured(Self::set_operand)?;
            left = self.combined(left, SetOperator::Intersect, all, right, position)?;
        }
        Ok(left)
    }

    /// Takes the operator, and ALL or DISTINCT after it.
    fn set_quantifier(&mut self) -> bool {
        self.advance();
        let all = self.eat("all");
        if !all {
            self.eat("distinct");
        }
        all
    }

    /// Adds an operand to a chain of the same operator, or makes a chain.
    fn combined(
        &mut self,
        left: Operand,
        op: SetOperator,
        all: bool,
        right: Operand,
        position: u32,
    ) -> Result<Operand> {
        let right = right.operand();
        if let Operand::Plain(SetExpr::Set(mut set)) = left {
            if (set.op, set.all) == (op, all) {
                set.operands.push(right);
                return Ok(Operand::Plain(SetExpr::Set(set)));
            }
            self.raise()?;
            let operands = vec![SetExpr::Set(set), right];
            return Ok(Operand::Plain(SetExpr::Set(Box::new(SetOperation { op, all, operands, position }))));
        }
        let operands = vec![left.operand(), right];
        Ok(Operand::Plain(SetExpr::Set(Box::new(SetOperation { op, all, operands, position }))))
    }

    fn set_operand(&mut self) -> Result<Operand> {
        if self.eat_symbol("(") {
            let query = match self.at_query_or_parenthesis() {
                true => self.query()?,
                false => return self.unexpected(),
            };
            self.expect_symbol(")")?;
            return Ok(Operand::Parenthesized(query));
        }
        let body = match self.word() {
            Some("select") => SetExpr::Select(Box::new(self.select()?)),
            Some("values") => SetExpr::Values(self.values()?),
            Some("table") => {
                self.advance();
                self.eat("only");
                let name = self.name()?;
                self.eat_symbol("*");
                SetExpr::Table(name)
            }
            _ => return self.unexpected(),
        };
        Ok(Operand::Plain(body))
    }

    fn values(&mut self) -> Result<Values> {
        let position = self.position();
        self.expect("values")?;
        let rows = self.comma_separated(|p| p.parenthesized(Self::expr))?;
        Ok(Values { rows, position })
    }
}

/// Clauses of a query.
impl Parser<'_> {
    fn query_clauses(&mut self, query: &mut Query) -> Result<()> {
        let order_by = self.order_by()?;
        if let Some(first) = order_by.first() {
            if !query.order_by.is_empty() {
                return Err(multiple("ORDER BY", first.expr.start()));
            }
            query.order_by = order_by;
        }
        // A clause may stand once here, beside one inside of parentheses, which is another error.
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let position = self.position();
            let clause = match self.word() {
                Some("limit" | "fetch") => "limit",
                Some("offset") => "offset",
                Some("as") => "as",
                Some("emit") => "emit",
                _ => "",
            };
            if seen.contains(&clause) {
                return self.unexpected();
            }
            seen.extend(Some(clause).filter(|clause| !clause.is_empty()));
            match self.word() {
                Some("limit") => {
                    let limit = self.limit(query)?;
                    set_limit(query, limit)?;
                }
                Some("fetch") => {
                    let limit = self.fetch_first()?;
                    set_limit(query, Some(limit))?;
                }
                Some("offset") => {
                    self.advance();
                    let offset = self.expr()?;
                    let position = offset.start();
                    if !self.eat("rows") {
                        self.eat("row");
                    }
                    if query.offset.replace(offset).is_some() {
                        return Err(multiple("OFFSET", position));
                    }
                }
                Some("for") if self.is_at(1, "read") => {
                    self.expect("for read only")?;
                }
                Some("for") => query.locks.push(self.lock()?),
                Some("as") if self.is_at(1, "of") => {
                    self.advance();
                    self.advance();
                    let as_of = self.expr()?;
                    if query.as_of.replace(as_of).is_some() {
                        return Err(multiple("AS OF", position));
                    }
                }
                Some("emit") if self.at_emit() => {
                    let emit = if self.is_at(1, "changes") { Emit::Changes } else { Emit::Final };
                    self.advance();
                    self.advance();
                    if query.emit.replace(emit).is_some() {
                        return Err(multiple("EMIT", position));
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn at_emit(&self) -> bool {
        self.is("emit") && (self.is_at(1, "changes") || self.is_at(1, "final"))
    }

    fn limit(&mut self, query: &Query) -> Result<Option<Limit>> {
        let position = self.position();
        self.advance();
        if self.eat("all") {
            return Ok(None);
        }
        let count = self.expr()?;
        if self.is_symbol(",") && query.offset.is_none() {
            let error = Error::new(SqlState::SYNTAX_ERROR, "LIMIT #,# syntax is not supported");
            return Err(error.hint("Use separate LIMIT and OFFSET clauses.").at(position));
        }
        Ok(Some(Limit { count, with_ties: false, position }))
    }

    /// `FETCH FIRST [n] ROWS ONLY | WITH TIES`.
    fn fetch_first(&mut self) -> Result<Limit> {
        let position = self.position();
        self.advance();
        if !self.eat("first") {
            self.expect("next")?;
        }
        let count = if self.is_one_of(&["row", "rows"]) {
            Expr::new(ExprKind::Literal(Literal::Number("1".to_owned())), position)
        } else if self.is_symbol("-") || self.is_symbol("+") {
            let at = self.position();
            let number = self.signed_integer()?.to_string();
            Expr::new(ExprKind::Literal(Literal::Number(number)), at)
        } else {
            self.atom()?
        };
        if !self.eat("row") {
            self.expect("rows")?;
        }
        let with_ties = self.eat("with ties");
        if !with_ties {
            self.expect("only")?;
        }
        Ok(Limit { count, with_ties, position })
    }

    fn lock(&mut self) -> Result<Lock> {
        let position = self.position();
        self.expect("for")?;
        let choices = [
            ("update", LockStrength::Update),
            ("no key update", LockStrength::NoKeyUpdate),
            ("share", LockStrength::Share),
            ("key share", LockStrength::KeyShare),
        ];
        let Some((_, strength)) = choices.into_iter().find(|(words, _)| self.eat(words)) else {
            return self.unexpected();
        };
        let of = if self.eat("of") { self.comma_separated(Self::name)? } else { Vec::new() };
        let wait = match self.eat("nowait") {
            true => LockWait::NoWait,
            false if self.eat("skip locked") => LockWait::SkipLocked,
            false => LockWait::Wait,
        };
        Ok(Lock { strength, of, wait, position })
    }

    /// `ORDER BY ..` if it is there.
    pub fn order_by(&mut self) -> Result<Vec<OrderBy>> {
        if !self.eat("order") {
            return Ok(Vec::new());
        }
        self.expect("by")?;
        self.comma_separated(|p| {
            let expr = p.expr()?;
            let direction = match p.eat("using") {
                true => Direction::Using(p.operator()?),
                false => p.direction(),
            };
            let nulls = p.nulls()?;
            Ok(OrderBy { expr, direction, nulls })
        })
    }

    pub fn direction(&mut self) -> Direction {
        if self.eat("asc") {
            Direction::Ascending
        } else if self.eat("desc") {
            Direction::Descending
        } else {
            Direction::Default
        }
    }

    pub fn nulls(&mut self) -> Result<Option<Nulls>> {
        if self.eat("nulls first") {
            Ok(Some(Nulls::First))
        } else if self.eat("nulls last") {
            Ok(Some(Nulls::Last))
        } else {
            Ok(None)
        }
    }
}

/// SELECT.
impl Parser<'_> {
    fn select(&mut self) -> Result<Select> {
        let position = self.position();
        self.expect("select")?;
        let distinct = self.distinct()?;
        let items = match self.ends_empty_select() {
            true if distinct == Distinct::All => Vec::new(),
            _ => self.comma_separated(Self::select_item)?,
        };
        if self.is("into") {
            let error = Error::unsupported("SELECT INTO is not supported").at(self.position());
            return Err(error.hint("Use CREATE TABLE ... AS."));
        }
        let from = if self.eat("from") { self.comma_separated(Self::from_item)? } else { Vec::new() };
        // ksqlDB has it before WHERE; whoever groups by it may say so there.
        let mut time_window = self.time_window()?;
        let filter = if self.eat("where") { Some(self.expr()?) } else { None };
        if time_window.is_none() {
            time_window = self.time_window()?;
        }
        let group_by = self.group_by()?;
        if time_window.is_none() {
            time_window = self.time_window()?;
        }
        let having = if self.eat("having") { Some(self.expr()?) } else { None };
        let windows = match self.eat("window") {
            true => self.comma_separated(|p| {
                let name = p.column_ident()?;
                p.expect("as")?;
                Ok(NamedWindow { name, window: p.window()? })
            })?,
            false => Vec::new(),
        };
        Ok(Select { distinct, items, from, filter, group_by, having, windows, time_window, position })
    }

    /// SELECT without columns is allowed: what may follow it here ends or goes on with the statement.
    fn ends_empty_select(&self) -> bool {
        match self.kind() {
            TokenKind::End => true,
            TokenKind::Symbol => self.is_symbol(")") || self.is_symbol(";"),
            _ => {
                self.at_query_tail()
                    || self.is_one_of(&["from", "where", "group", "having", "window", "into", "returning"])
            }
        }
    }

    fn distinct(&mut self) -> Result<Distinct> {
        if !self.eat("distinct") {
            self.eat("all");
            return Ok(Distinct::All);
        }
        match self.eat("on") {
            true => Ok(Distinct::On(self.parenthesized(Self::expr)?)),
            false => Ok(Distinct::Distinct),
        }
    }

    pub fn select_item(&mut self) -> Result<SelectItem> {
        let position = self.position();
        if self.eat_symbol("*") {
            return Ok(SelectItem::Star(position));
        }
        let expr = self.expr()?;
        let alias = self.label_after_expr()?;
        Ok(match (expr.kind, alias) {
            (ExprKind::QualifiedStar(name), None) => SelectItem::QualifiedStar(name),
            (ExprKind::FieldStar(operand), None) => SelectItem::FieldStar(*operand),
            (kind, alias) => SelectItem::Expr { expr: Expr::new(kind, expr.position), alias },
        })
    }

    fn label_after_expr(&mut self) -> Result<Option<Ident>> {
        if self.is("as") && !self.at_as_of() {
            self.advance();
            return self.label().map(Some);
        }
        let bare = match self.kind() {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(word, _) => keyword::is_bare_label(word) && !self.at_emit(),
            _ => false,
        };
        if bare { self.label().map(Some) } else { Ok(None) }
    }

    /// Whether `AS OF` here is a clause and not an alias named `of`: a value follows, which an alias never has after it.
    pub fn at_as_of(&self) -> bool {
        self.are("as of")
            && match self.kind_at(2) {
                TokenKind::Number | TokenKind::String(_) | TokenKind::Parameter(_) | TokenKind::Quoted(_) => {
                    true
                }
                // A list of names belongs to an alias.
                TokenKind::Symbol if self.is_symbol_at(2, "(") => {
                    !(self.is_column_ident(3) && (self.is_symbol_at(4, ",") || self.is_symbol_at(4, ")")))
                }
                TokenKind::Word(word, category) => {
                    !matches!(category, Category::Reserved | Category::TypeOrFunction)
                        && !matches!(&**word, "emit" | "within" | "asof")
                        || word.starts_with("current_")
                }
                _ => false,
            }
    }

    fn group_by(&mut self) -> Result<Option<GroupBy>> {
        let position = self.position();
        if !self.eat("group") {
            return Ok(None);
        }
        self.expect("by")?;
        let distinct = self.eat("distinct");
        if !distinct {
            self.eat("all");
        }
        let items = self.comma_separated(Self::group_item)?;
        Ok(Some(GroupBy { distinct, items, position }))
    }

    fn group_item(&mut self) -> Result<GroupItem> {
        let position = self.position();
        if self.is_symbol("(") && self.is_symbol_at(1, ")") {
            self.advance();
            self.advance();
            return Ok(GroupItem::Empty(position));
        }
        if self.are("grouping sets") {
            self.expect("grouping sets")?;
            let sets = self.nested(|p| p.parenthesized(Self::group_item))?;
            return Ok(GroupItem::Sets(sets, position));
        }
        if self.is_one_of(&["rollup", "cube"]) && self.is_symbol_at(1, "(") {
            let rollup = self.is("rollup");
            self.advance();
            let list = self.parenthesized(Self::expr)?;
            return Ok(if rollup {
                GroupItem::Rollup(list, position)
            } else {
                GroupItem::Cube(list, position)
            });
        }
        self.expr().map(GroupItem::Expr)
    }
}

/// An operand of a set operation. The parentheses around one matter until it is known whether clauses follow them.
enum Operand {
    Plain(SetExpr),
    Parenthesized(Query),
}

impl Operand {
    /// As an operand: parentheses without clauses in them leave no trace.
    fn operand(self) -> SetExpr {
        match self {
            Operand::Plain(body) => body,
            Operand::Parenthesized(query) => {
                let Query { with, body: _, order_by, limit, offset, locks, as_of, emit, position: _ } =
                    &query;
                let bare = with.is_none()
                    && order_by.is_empty()
                    && limit.is_none()
                    && offset.is_none()
                    && locks.is_empty()
                    && as_of.is_none()
                    && emit.is_none();
                if bare { query.body } else { SetExpr::Query(Box::new(query)) }
            }
        }
    }
}

impl Query {
    /// A query without clauses around its body.
    pub fn plain(body: SetExpr, position: u32) -> Query {
        Query {
            with: None,
            body,
            order_by: Vec::new(),
            limit: None,
            offset: None,
            locks: Vec::new(),
            as_of: None,
            emit: None,
            position,
        }
    }
}

fn set_limit(query: &mut Query, limit: Option<Limit>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    if query.limit.is_some() {
        return Err(multiple("LIMIT", limit.count.start()));
    }
    if limit.with_ties && query.order_by.is_empty() {
        let message = "WITH TIES cannot be specified without ORDER BY clause";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    query.limit = Some(limit);
    Ok(())
}

fn multiple(clause: &str, position: u32) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, format!("multiple {clause} clauses not allowed")).at(position)
}
