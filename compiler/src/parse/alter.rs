//! ALTER.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;

impl Parser<'_> {
    pub fn alter(&mut self) -> Result<Statement> {
        let position = self.position();
        let start = self.mark();
        self.expect("alter")?;
        let kind = match self.object_kind() {
            Some(
                kind @ (ObjectKind::Schema
                | ObjectKind::Table
                | ObjectKind::Stream
                | ObjectKind::View
                | ObjectKind::MaterializedView
                | ObjectKind::Index
                | ObjectKind::Sequence),
            ) => kind,
            _ => {
                self.rewind(start);
                return self.refuse_definition(position);
            }
        };
        let if_exists = kind != ObjectKind::Schema && self.eat("if exists");
        if kind == ObjectKind::Table {
            self.eat("only");
        }
        let name = match kind {
            ObjectKind::Schema => Name { parts: vec![self.column_ident()?] },
            _ => self.name()?,
        };
        if kind == ObjectKind::Table {
            self.eat_symbol("*");
        }
        let actions = match self.renaming(kind)? {
            Some(action) => vec![action],
            None if kind == ObjectKind::Sequence => vec![self.sequence_change()?],
            None => self.comma_separated(Self::alter_action)?,
        };
        Ok(Statement::Alter(Box::new(Alter { kind, name, if_exists, actions, position })))
    }

    /// What may stand alone only.
    fn renaming(&mut self, kind: ObjectKind) -> Result<Option<AlterAction>> {
        if self.are("set schema") && kind != ObjectKind::Schema {
            self.advance();
            self.advance();
            return Ok(Some(AlterAction::SetSchema(self.column_ident()?)));
        }
        if !self.eat("rename") {
            return Ok(None);
        }
        if self.eat("to") {
            return Ok(Some(AlterAction::RenameTo(self.column_ident()?)));
        }
        if matches!(kind, ObjectKind::Schema | ObjectKind::Index | ObjectKind::Sequence) {
            return self.unexpected();
        }
        if self.is("constraint") && self.is_column_ident(1) {
            self.advance();
            let constraint = self.column_ident()?;
            self.expect("to")?;
            return Ok(Some(AlterAction::RenameConstraint { constraint, to: self.column_ident()? }));
        }
        if self.is("column") && !self.is_at(1, "to") {
            self.advance();
        }
        let column = self.column_ident()?;
        self.expect("to")?;
        Ok(Some(AlterAction::RenameColumn { column, to: self.column_ident()? }))
    }

    fn alter_action(&mut self) -> Result<AlterAction> {
        let position = self.position();
        if self.eat("add") {
            return self.addition();
        }
        if self.eat("drop") {
            return self.removal();
        }
        if self.eat("alter") {
            return self.column_action(position);
        }
        self.unsupported_action(position)
    }

    /// After ADD.
    fn addition(&mut self) -> Result<AlterAction> {
        if let Some(constraint) = self.table_constraint()? {
            return Ok(AlterAction::AddConstraint(constraint));
        }
        self.eat("column");
        let if_not_exists = self.if_not_exists()?;
        Ok(AlterAction::AddColumn { column: self.column_definition()?, if_not_exists })
    }

    /// After DROP.
    fn removal(&mut self) -> Result<AlterAction> {
        let is_constraint = self.is("constraint");
        if is_constraint || self.is("column") {
            self.advance();
        }
        let if_exists = self.eat("if exists");
        let name = self.column_ident()?;
        let cascade = self.cascade();
        Ok(match is_constraint {
            true => AlterAction::DropConstraint { constraint: name, if_exists, cascade },
            false => AlterAction::DropColumn { column: name, if_exists, cascade },
        })
    }

    /// After ALTER [COLUMN].
    fn column_action(&mut self, position: u32) -> Result<AlterAction> {
        if self.is("constraint") {
            return self.unsupported_action(position);
        }
        self.eat("column");
        let column = self.column_ident()?;
        if self.eat("set default") {
            return Ok(AlterAction::SetDefault { column, default: Some(self.expr()?) });
        }
        if self.eat("drop default") {
            return Ok(AlterAction::SetDefault { column, default: None });
        }
        for (words, not_null) in [("set not null", true), ("drop not null", false)] {
            if self.eat(words) {
                return Ok(AlterAction::SetNotNull { column, not_null });
            }
        }
        if let Some(action) = self.identity_action(&column)? {
            return Ok(action);
        }
        if self.eat("set data type") || self.eat("type") {
            let data_type = self.type_name()?;
            if self.eat("collate") {
                self.name()?;
            }
            let using = if self.eat("using") { Some(self.expr()?) } else { None };
            return Ok(AlterAction::SetType { column, data_type, using, position });
        }
        if self.is("add") || self.is("drop") && !self.is_at(1, "expression") {
            self.advance();
            return self.unexpected();
        }
        self.unsupported_action(position)
    }

    /// An action that exists in PostgreSQL; the rest of it is not read.
    pub(super) fn unsupported_action(&mut self, position: u32) -> Result<AlterAction> {
        let known = [
            "owner",
            "set",
            "reset",
            "enable",
            "disable",
            "attach",
            "detach",
            "inherit",
            "no",
            "of",
            "not",
            "validate",
            "cluster",
            "replica",
            "force",
            "alter",
            "constraint",
            "add",
            "drop",
            "depends",
        ];
        if !self.is_one_of(&known) {
            return self.unexpected();
        }
        let words = (0..3).map_while(|ahead| self.word_at(ahead)).map(str::to_ascii_uppercase);
        let what = words.collect::<Vec<_>>().join(" ");
        let mut depth = 0usize;
        while !self.at_end() && !self.is_symbol(";") && (depth > 0 || !self.is_symbol(",")) {
            if let TokenKind::Error(_) = self.kind() {
                return self.unexpected();
            }
            if self.is_symbol("(") {
                depth += 1;
            } else if self.is_symbol(")") {
                depth = depth.saturating_sub(1);
            }
            self.advance();
        }
        Ok(AlterAction::Unsupported { what, position })
    }
}
