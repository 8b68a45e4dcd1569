//! SUBSCRIBE and EXPLAIN: the statements that look at a relation in other ways than reading it.

use super::cursor::{Parser, Result};
use super::rows::OptionNames;
use crate::ast::*;

impl Parser<'_> {
    /// `SUBSCRIBE [TO] relation | (query) [ENVELOPE .. | WITHIN TIMESTAMP ORDER BY ..] [WITH (..)] [AS OF t] [UP TO t]`.
    pub fn subscribe(&mut self) -> Result<Subscribe> {
        let position = self.position();
        self.expect("subscribe")?;
        self.eat("to");
        let to = if self.is_symbol("(") {
            self.expect_symbol("(")?;
            let query = match self.at_query_or_parenthesis() {
                true => self.query()?,
                false => return self.unexpected(),
            };
            self.expect_symbol(")")?;
            Subject::Query(query)
        } else {
            Subject::Relation(self.name()?)
        };
        let envelope = match self.eat("envelope") {
            true => Some(self.envelope()?),
            false => None,
        };
        let order = match envelope.is_none() && self.are("within timestamp") {
            true => {
                self.expect("within timestamp")?;
                if !self.is("order") {
                    return self.unexpected();
                }
                self.order_by()?
            }
            false => Vec::new(),
        };
        let options = self.with_options()?;
        let as_of = if self.eat("as of") { Some(self.expr()?) } else { None };
        let up_to = if self.eat("up to") { Some(self.expr()?) } else { None };
        Ok(Subscribe { to, envelope, order, options, as_of, up_to, position })
    }

    fn envelope(&mut self) -> Result<Envelope> {
        let kind = self.column_ident()?;
        self.expect_symbol("(")?;
        self.expect("key")?;
        let key = self.column_list()?;
        self.expect_symbol(")")?;
        Ok(Envelope { kind, key })
    }

    /// `EXPLAIN [stage] [ANALYZE] [VERBOSE] [(options)] statement | VIEW name`.
    pub fn explain(&mut self) -> Result<Statement> {
        let position = self.position();
        self.expect("explain")?;
        let stages = [
            ("raw", Stage::Raw),
            ("decorrelated", Stage::Decorrelated),
            ("optimized", Stage::Optimized),
            ("physical", Stage::Physical),
        ];
        let stage = stages.into_iter().find(|(word, _)| self.eat(word)).map(|(_, stage)| stage);
        if stage.is_some() {
            self.eat("plan for");
        }
        let mut options = Vec::new();
        for word in ["analyze", "analyse", "verbose"] {
            if self.is(word) {
                let mut name = self.label()?;
                if name.name == "analyse" {
                    name.name = "analyze".to_owned();
                }
                options.push(Opt { name, value: None });
            }
        }
        if options.is_empty() && self.is_symbol("(") && !self.parenthesis_holds_query() {
            options = self.option_list(OptionNames::Unreserved)?;
        }
        let of = self.explained()?;
        Ok(Statement::Explain(Box::new(Explain { stage, options, of, position })))
    }

    fn explained(&mut self) -> Result<ExplainOf> {
        let items = [
            ("materialized view", ObjectKind::MaterializedView),
            ("view", ObjectKind::View),
            ("stream", ObjectKind::Stream),
            ("index", ObjectKind::Index),
        ];
        if let Some((_, kind)) = items.into_iter().find(|(words, _)| self.eat(words)) {
            return Ok(ExplainOf::Item { kind, name: self.name()? });
        }
        if self.is("create") {
            let objects =
                ["table", "materialized", "view", "stream", "index", "unique", "or", "temp", "temporary"];
            if !self.word_at(1).is_some_and(|object| objects.contains(&object)) {
                self.advance();
                return self.unexpected();
            }
        }
        let explainable = ["subscribe", "create", "declare", "execute", "refresh"];
        match self.at_query_or_parenthesis() || self.is_one_of(&["insert", "update", "delete", "merge"]) {
            true => self.preparable().map(ExplainOf::Statement),
            false if self.is_one_of(&explainable) => self.nested(Self::statement).map(ExplainOf::Statement),
            false => self.unexpected(),
        }
    }
}
