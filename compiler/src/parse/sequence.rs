//! Sequences: CREATE SEQUENCE, and the options that identity columns and ALTER take too.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;

impl Parser<'_> {
    pub(super) fn create_sequence(&mut self, persistence: Option<Ident>, position: u32) -> Result<Statement> {
        self.expect("sequence")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.name()?;
        let options = self.sequence_options()?;
        let create = CreateSequence { name, if_not_exists, persistence, options, position };
        Ok(Statement::CreateSequence(Box::new(create)))
    }

    /// `GENERATED ALWAYS AS (expr) STORED`, or an identity.
    pub(super) fn generated(&mut self) -> Result<ColumnConstraintKind> {
        let always = self.always_or_by_default()?;
        self.expect("as")?;
        if !self.is("identity") {
            self.expect_symbol("(")?;
            let expr = self.expr()?;
            self.expect_symbol(")")?;
            self.expect("stored")?;
            return Ok(ColumnConstraintKind::Generated(expr));
        }
        Ok(ColumnConstraintKind::Identity { always, options: self.identity_options()? })
    }

    fn always_or_by_default(&mut self) -> Result<bool> {
        let always = self.eat("always");
        if !always {
            self.expect("by default")?;
        }
        Ok(always)
    }

    /// From IDENTITY on.
    fn identity_options(&mut self) -> Result<Vec<SequenceOption>> {
        self.expect("identity")?;
        if !self.eat_symbol("(") {
            return Ok(Vec::new());
        }
        let options = self.sequence_options()?;
        self.expect_symbol(")")?;
        Ok(options)
    }

    pub(super) fn sequence_options(&mut self) -> Result<Vec<SequenceOption>> {
        let mut options = Vec::new();
        while let Some(option) = self.sequence_option()? {
            options.push(option);
        }
        Ok(options)
    }

    /// `START WITH 10`, `NO CYCLE` …
    fn sequence_option(&mut self) -> Result<Option<SequenceOption>> {
        let position = self.position();
        let kind = if self.eat("as") {
            SequenceOptionKind::As(self.type_name()?)
        } else if self.eat("increment") {
            self.eat("by");
            SequenceOptionKind::Increment(self.signed_number()?)
        } else if self.eat("start") {
            self.eat("with");
            SequenceOptionKind::Start(self.signed_number()?)
        } else if self.eat("restart") {
            let with = self.eat("with");
            let number = with
                || self.is_symbol("-")
                || self.is_symbol("+")
                || matches!(self.kind(), TokenKind::Number);
            SequenceOptionKind::Restart(if number { Some(self.signed_number()?) } else { None })
        } else if self.eat("minvalue") {
            SequenceOptionKind::MinValue(Some(self.signed_number()?))
        } else if self.eat("maxvalue") {
            SequenceOptionKind::MaxValue(Some(self.signed_number()?))
        } else if self.eat("no minvalue") {
            SequenceOptionKind::MinValue(None)
        } else if self.eat("no maxvalue") {
            SequenceOptionKind::MaxValue(None)
        } else if self.eat("cache") {
            SequenceOptionKind::Cache(self.signed_number()?)
        } else if self.eat("no cycle") {
            SequenceOptionKind::Cycle(false)
        } else if self.eat("cycle") {
            SequenceOptionKind::Cycle(true)
        } else if self.eat("owned by") {
            let name = self.name()?;
            let none = matches!(&name.parts[..], [only] if only.name == "none");
            SequenceOptionKind::OwnedBy(if none { None } else { Some(name) })
        } else if self.eat("sequence name") {
            SequenceOptionKind::Name(self.name()?)
        } else {
            return Ok(None);
        };
        Ok(Some(SequenceOption { kind, position }))
    }

    /// What follows ALTER SEQUENCE and its name, other than a renaming.
    pub(super) fn sequence_change(&mut self) -> Result<AlterAction> {
        let position = self.position();
        let options = self.sequence_options()?;
        match options.is_empty() {
            true => self.unsupported_action(position),
            false => Ok(AlterAction::Sequence(options)),
        }
    }

    /// After ALTER COLUMN and its name, if the action is about the column's identity.
    pub(super) fn identity_action(&mut self, column: &Ident) -> Result<Option<AlterAction>> {
        let column = column.clone();
        if self.eat("add generated") {
            let always = self.always_or_by_default()?;
            self.expect("as")?;
            let options = self.identity_options()?;
            return Ok(Some(AlterAction::AddIdentity { column, always, options }));
        }
        if self.eat("drop identity") {
            return Ok(Some(AlterAction::DropIdentity { column, if_exists: self.eat("if exists") }));
        }
        let (mut always, mut options) = (None, Vec::new());
        loop {
            if self.eat("set generated") {
                always = Some(self.always_or_by_default()?);
            } else if self.is("restart") || self.is("set") && !self.sets_something_else() {
                self.eat("set");
                match self.sequence_option()? {
                    Some(option) => options.push(option),
                    None => return self.unexpected(),
                }
            } else if always.is_none() && options.is_empty() {
                return Ok(None);
            } else {
                return Ok(Some(AlterAction::AlterIdentity { column, always, options }));
            }
        }
    }

    /// Whether SET is about the column itself.
    fn sets_something_else(&self) -> bool {
        let others = ["default", "not", "data", "statistics", "storage", "compression"];
        self.is_symbol_at(1, "(") || others.iter().any(|word| self.is_at(1, word))
    }
}
