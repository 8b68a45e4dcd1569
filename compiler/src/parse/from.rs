//! FROM: relations, subqueries, functions and joins, and the clauses about time that stand among them.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;
use crate::error::{Error, SqlState};

impl Parser<'_> {
    pub fn from_item(&mut self) -> Result<FromItem> {
        self.nested(|p| {
            let first = p.source_with_alias()?;
            p.joined(first)
        })
    }

    /// The joins after a first source.
    fn joined(&mut self, first: Source) -> Result<FromItem> {
        let mut item = FromItem { first, joins: Vec::new() };
        while let Some(join) = self.join()? {
            item.joins.push(join);
        }
        Ok(item)
    }

    /// A join, if one starts here.
    fn join(&mut self) -> Result<Option<Join>> {
        if !self.is_one_of(&["join", "inner", "left", "right", "full", "cross", "natural", "asof"]) {
            return Ok(None);
        }
        let position = self.position();
        if self.eat("cross") {
            self.expect("join")?;
            let right = self.source_with_alias()?;
            let constraint = JoinConstraint::None;
            return Ok(Some(Join {
                kind: JoinKind::Cross,
                right,
                constraint,
                within: None,
                asof: false,
                position,
            }));
        }
        let natural = self.eat("natural");
        let asof = !natural && self.eat("asof");
        let kind = self.join_kind();
        self.expect("join")?;
        if natural {
            let right = self.source_with_alias()?;
            return Ok(Some(Join {
                kind,
                right,
                constraint: JoinConstraint::Natural,
                within: None,
                asof,
                position,
            }));
        }
        let right = self.nested(Self::right_of_join)?;
        let within = self.within()?;
        let constraint = self.join_constraint()?;
        Ok(Some(Join { kind, right, constraint, within, asof, position }))
    }

    fn join_kind(&mut self) -> JoinKind {
        let kind = match self.word() {
            Some("left") => JoinKind::Left,
            Some("right") => JoinKind::Right,
            Some("full") => JoinKind::Full,
            Some("inner") => {
                self.advance();
                return JoinKind::Inner;
            }
            _ => return JoinKind::Inner,
        };
        self.advance();
        self.eat("outer");
        kind
    }

    /// In `a JOIN b JOIN c ON .. ON ..` the right side of the first join is the second.
    fn right_of_join(&mut self) -> Result<Source> {
        let position = self.position();
        let mut item = FromItem { first: self.source_with_alias()?, joins: Vec::new() };
        while !self.is_one_of(&["on", "using"]) && !self.at_within() {
            match self.join()? {
                Some(join) => item.joins.push(join),
                None => return self.unexpected(),
            }
        }
        Ok(match item.joins.is_empty() {
            true => item.first,
            false => Source::Joins { from: Box::new(item), alias: None, position },
        })
    }

    fn join_constraint(&mut self) -> Result<JoinConstraint> {
        if self.eat("on") {
            return Ok(JoinConstraint::On(self.expr()?));
        }
        self.expect("using")?;
        let columns = self.column_list()?;
        let alias = if self.eat("as") { Some(self.column_ident()?) } else { None };
        Ok(JoinConstraint::Using { columns, alias })
    }

    fn at_within(&self) -> bool {
        let number = |ahead| matches!(self.kind_at(ahead), TokenKind::Number);
        self.is("within") && (number(1) || self.is_symbol_at(1, "(") && number(2))
    }

    /// `WITHIN 1 HOUR [GRACE PERIOD 5 MINUTES]`.
    fn within(&mut self) -> Result<Option<Within>> {
        let position = self.position();
        if !self.at_within() {
            return Ok(None);
        }
        self.advance();
        let (before, after) = if self.eat_symbol("(") {
            let before = self.span()?;
            self.expect_symbol(",")?;
            let after = self.span()?;
            self.expect_symbol(")")?;
            (before, Some(after))
        } else {
            (self.span()?, None)
        };
        let grace = if self.eat("grace period") { Some(self.span()?) } else { None };
        Ok(Some(Within { before, after, grace, position }))
    }

    /// `1 MINUTES`.
    fn span(&mut self) -> Result<Span> {
        let count = self.integer()?;
        let unit = self.label()?;
        match unit.name.as_str() {
            "millisecond" | "milliseconds" | "second" | "seconds" | "minute" | "minutes" | "hour"
            | "hours" | "day" | "days" | "week" | "weeks" | "month" | "months" | "year" | "years" => {
                Ok(Span { count, unit })
            }
            _ => {
                let message = format!("unknown unit of time \"{}\"", unit.name);
                let error = Error::new(SqlState::SYNTAX_ERROR, message).at(unit.position);
                Err(error
                    .hint("Units are MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS, WEEKS, MONTHS and YEARS."))
            }
        }
    }

    /// `WINDOW TUMBLING (..)` and its kin; `WINDOW name AS (..)` is told from them by the parenthesis.
    pub fn time_window(&mut self) -> Result<Option<TimeWindow>> {
        let position = self.position();
        let kind = match self.word_at(1) {
            Some("tumbling") => TimeWindowKind::Tumbling,
            Some("hopping") => TimeWindowKind::Hopping,
            Some("session") => TimeWindowKind::Session,
            Some("cumulating") => TimeWindowKind::Cumulating,
            _ => return Ok(None),
        };
        if !self.is("window") || !self.is_symbol_at(2, "(") {
            return Ok(None);
        }
        self.advance();
        self.advance();
        let args = self.parenthesized(Self::time_window_arg)?;
        Ok(Some(TimeWindow { kind, args, position }))
    }

    fn time_window_arg(&mut self) -> Result<TimeWindowArg> {
        let position = self.position();
        let names = ["size", "advance by", "grace period", "retention", "step"];
        let name = names.into_iter().find(|words| self.eat(words)).unwrap_or("");
        Ok(TimeWindowArg { name: name.to_owned(), value: self.span()?, position })
    }
}

/// Sources.
impl Parser<'_> {
    fn source_with_alias(&mut self) -> Result<Source> {
        let source = self.from_source()?;
        match &source {
            Source::Subquery { query, alias: None, position, .. } => {
                let (what, example) = match query.body {
                    SetExpr::Values(_) => ("VALUES", "VALUES ..."),
                    _ => ("subquery", "SELECT ..."),
                };
                let error = Error::new(SqlState::SYNTAX_ERROR, format!("{what} in FROM must have an alias"));
                Err(error.hint(format!("For example, FROM ({example}) [AS] foo.")).at(*position))
            }
            _ => Ok(source),
        }
    }

    /// A source; only a subquery may still lack the alias that it needs.
    fn from_source(&mut self) -> Result<Source> {
        let position = self.position();
        let lateral = self.eat("lateral");
        if self.is_symbol("(") {
            return self.parenthesized_source(lateral, position);
        }
        if self.are("rows from") && self.is_symbol_at(2, "(") {
            self.expect("rows from")?;
            let calls = self.parenthesized(Self::table_call)?;
            return self.table_function(calls, true, lateral, position);
        }
        if self.is("changes") && self.is_symbol_at(1, "(") && !lateral {
            return self.changes();
        }
        if let Some(call) = self.function_source()? {
            let calls = vec![TableCall { call, columns: Vec::new() }];
            return self.table_function(calls, false, lateral, position);
        }
        if lateral {
            // A function it must be, as PostgreSQL finds after the name.
            self.name()?;
            return self.unexpected();
        }
        self.relation()
    }

    fn parenthesized_source(&mut self, lateral: bool, position: u32) -> Result<Source> {
        self.expect_symbol("(")?;
        let subquery = |p: &mut Self, query| {
            p.expect_symbol(")")?;
            let alias = p.alias()?;
            Ok(Source::Subquery { query: Box::new(query), lateral, alias, position })
        };
        if self.at_query() {
            let query = self.query()?;
            return subquery(self, query);
        }
        let first = self.nested(Self::from_source)?;
        if let Source::Subquery { query, lateral: false, alias: None, position: start } = first {
            // In `((SELECT ..) UNION ..)` the inner parentheses are an operand's.
            let query = match self.at_query_tail() {
                true => self.query_from(*query, start)?,
                false => *query,
            };
            return subquery(self, query);
        }
        let from = self.joined(first)?;
        let has_join = !from.joins.is_empty() || matches!(from.first, Source::Joins { alias: None, .. });
        if lateral || !has_join {
            return self.unexpected();
        }
        self.expect_symbol(")")?;
        let alias = self.alias()?;
        // A second pair of parentheses adds nothing.
        if let (true, Source::Joins { from: inner, .. }) = (from.joins.is_empty(), &from.first) {
            return Ok(Source::Joins { from: inner.clone(), alias, position });
        }
        Ok(Source::Joins { from: Box::new(from), alias, position })
    }

    fn relation(&mut self) -> Result<Source> {
        let only = self.eat("only");
        let parenthesis = only && self.eat_symbol("(");
        if self.is_function_ident(0) && !self.is_column_ident(0) {
            // Only a call could begin with this word.
            self.advance();
            return self.unexpected();
        }
        let name = self.name()?;
        if parenthesis {
            self.expect_symbol(")")?;
        }
        if !only {
            self.eat_symbol("*");
        }
        let meant = self.meant()?;
        let mut system_time = self.system_time()?;
        let alias = self.alias()?;
        if system_time.is_none() {
            system_time = self.system_time()?;
        }
        let sample = self.sample()?;
        Ok(Source::Relation { name, meant, only, changes: false, alias, system_time, sample })
    }

    /// `CHANGES(relation)`.
    fn changes(&mut self) -> Result<Source> {
        self.expect("changes")?;
        self.expect_symbol("(")?;
        let name = self.name()?;
        let meant = self.meant()?;
        self.expect_symbol(")")?;
        let alias = self.alias()?;
        Ok(Source::Relation {
            name,
            meant,
            only: false,
            changes: true,
            alias,
            system_time: None,
            sample: None,
        })
    }

    /// What canonical text says that a relation's name means: `{16384: id, -, name}`.
    fn meant(&mut self) -> Result<Option<Meant>> {
        if !self.is_canonical() || !self.eat_symbol("{") {
            return Ok(None);
        }
        let id = match self.text(0).parse() {
            Ok(id) => id,
            Err(_) => return self.unexpected(),
        };
        self.advance();
        self.expect_symbol(":")?;
        let columns = match self.is_symbol("}") {
            true => Vec::new(),
            false => self.comma_separated(|p| match p.eat_symbol("-") {
                true => Ok(None),
                false => p.column_ident().map(Some),
            })?,
        };
        self.expect_symbol("}")?;
        Ok(Some(Meant { id, columns }))
    }

    fn system_time(&mut self) -> Result<Option<Expr>> {
        if !self.eat("for system_time") {
            return Ok(None);
        }
        self.expect("as of")?;
        self.restricted_expr().map(Some)
    }

    fn sample(&mut self) -> Result<Option<Sample>> {
        let position = self.position();
        if !self.eat("tablesample") {
            return Ok(None);
        }
        let first = self.function_ident()?;
        let method = self.qualified(first)?;
        let args = self.parenthesized(Self::expr)?;
        let seed = match self.eat("repeatable") {
            true => {
                self.expect_symbol("(")?;
                let seed = self.expr()?;
                self.expect_symbol(")")?;
                Some(seed)
            }
            false => None,
        };
        Ok(Some(Sample { method, args, seed, position }))
    }

    /// A call in FROM, if one starts here: a name with a parenthesis, or a keyword that is called.
    fn function_source(&mut self) -> Result<Option<Expr>> {
        let mut ahead = 1;
        if self.is_column_ident(0) {
            while self.is_symbol_at(ahead, ".") {
                ahead += 2;
            }
        }
        let call = self.is_symbol_at(ahead, "(") && (self.is_column_ident(0) || self.is_function_ident(0));
        let keyword = self.is_one_of(&[
            "current_date",
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
            "current_role",
            "current_user",
            "current_catalog",
            "current_schema",
            "session_user",
            "user",
            "cast",
            "collation",
        ]);
        if self.is("only") || !(call || keyword) {
            return Ok(None);
        }
        let expr = self.atom()?;
        match &expr.kind {
            ExprKind::Call(_) | ExprKind::Cast { .. } => Ok(Some(expr)),
            _ => self.unexpected(),
        }
    }

    fn table_call(&mut self) -> Result<TableCall> {
        let Some(call) = self.function_source()? else { return self.unexpected() };
        let columns = if self.eat("as") { self.typed_columns()? } else { Vec::new() };
        Ok(TableCall { call, columns })
    }

    fn table_function(
        &mut self,
        mut calls: Vec<TableCall>,
        rows_from: bool,
        lateral: bool,
        position: u32,
    ) -> Result<Source> {
        let ordinality = self.eat("with ordinality");
        // A list with types after the alias, or in place of it.
        if self.is("as") && self.is_symbol_at(1, "(") {
            self.advance();
            calls[0].columns = self.typed_columns()?;
            return Ok(table_function(calls, rows_from, ordinality, lateral, None, position));
        }
        let Some(name) = self.alias_name()? else {
            return Ok(table_function(calls, rows_from, ordinality, lateral, None, position));
        };
        let mut columns = Vec::new();
        if self.is_symbol("(") {
            let typed = !(self.is_symbol_at(2, ",") || self.is_symbol_at(2, ")"));
            match typed {
                true => calls[0].columns = self.typed_columns()?,
                false => columns = self.column_list()?,
            }
        }
        Ok(table_function(calls, rows_from, ordinality, lateral, Some(Alias { name, columns }), position))
    }

    /// `(a int, b text)`.
    fn typed_columns(&mut self) -> Result<Vec<ColumnDefinition>> {
        self.parenthesized(|p| {
            let name = p.column_ident()?;
            let data_type = p.type_name()?;
            let collation = if p.eat("collate") { Some(p.name()?) } else { None };
            Ok(ColumnDefinition { name, data_type, collation, constraints: Vec::new() })
        })
    }

    fn alias(&mut self) -> Result<Option<Alias>> {
        match self.alias_name()? {
            Some(name) => Ok(Some(Alias { name, columns: self.optional_column_list()? })),
            None => Ok(None),
        }
    }

    fn alias_name(&mut self) -> Result<Option<Ident>> {
        if self.is("as") && !self.at_as_of() {
            self.advance();
            return self.column_ident().map(Some);
        }
        // Words of ours that may follow a source, where no name could.
        let clause = self.at_emit() || self.at_within() || self.at_asof_join();
        if !clause && self.is_column_ident(0) { self.column_ident().map(Some) } else { Ok(None) }
    }

    fn at_asof_join(&self) -> bool {
        self.is("asof") && matches!(self.word_at(1), Some("join" | "left" | "inner"))
    }
}

fn table_function(
    calls: Vec<TableCall>,
    rows_from: bool,
    ordinality: bool,
    lateral: bool,
    alias: Option<Alias>,
    position: u32,
) -> Source {
    Source::Function(Box::new(TableFunction { calls, rows_from, ordinality, lateral, alias, position }))
}
