//! Type names: SQL's spellings become PostgreSQL's internal names, any other name stays as it is written.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;
use crate::error::{Error, SqlState};
use crate::repr::types::{IntervalField, IntervalRange};

impl Parser<'_> {
    /// A type, with SETOF before it and brackets after it perhaps.
    pub fn type_name(&mut self) -> Result<TypeName> {
        let position = self.position();
        let setof = self.eat("setof");
        let mut written = self.simple_type()?;
        written.position = position;
        written.setof = setof;
        if self.eat("array") {
            written.dimensions = 1;
            if self.eat_symbol("[") {
                self.integer()?;
                self.expect_symbol("]")?;
            }
            return Ok(written);
        }
        while self.eat_symbol("[") {
            if !self.is_symbol("]") {
                self.integer()?;
            }
            self.expect_symbol("]")?;
            written.dimensions = written.dimensions.saturating_add(1);
        }
        Ok(written)
    }

    fn simple_type(&mut self) -> Result<TypeName> {
        let position = self.position();
        if let Some(keyword_type) = self.keyword_type()? {
            return Ok(keyword_type);
        }
        let mut parts = vec![self.function_ident()?];
        while self.eat_symbol(".") {
            parts.push(self.label()?);
        }
        let mut written = TypeName { position, ..TypeName::plain(Name { parts }) };
        written.modifiers = self.modifiers()?;
        Ok(written)
    }

    fn modifiers(&mut self) -> Result<Vec<Expr>> {
        if self.is_symbol("(") { self.parenthesized(Self::expr) } else { Ok(Vec::new()) }
    }

    /// `(n)` if it is there.
    fn length(&mut self) -> Result<Vec<Expr>> {
        if !self.is_symbol("(") {
            return Ok(Vec::new());
        }
        self.parenthesized(|p| {
            let position = p.position();
            let digits = p.integer()?.to_string();
            Ok(Expr::new(ExprKind::Literal(Literal::Number(digits)), position))
        })
        .and_then(|list| if list.len() == 1 { Ok(list) } else { self.unexpected() })
    }

    /// A type that is spelled with keywords.
    fn keyword_type(&mut self) -> Result<Option<TypeName>> {
        let position = self.position();
        let Some(word) = self.word() else { return Ok(None) };
        let name = match word {
            "int" | "integer" => "int4",
            "smallint" => "int2",
            "bigint" => "int8",
            "real" => "float4",
            "boolean" => "bool",
            "decimal" | "dec" | "numeric" => "numeric",
            "float" => return self.float(position).map(Some),
            "double" if self.is_at(1, "precision") => {
                self.advance();
                "float8"
            }
            "bit" => return self.bit(position).map(Some),
            "character" | "char" | "varchar" | "nchar" | "national" => {
                return self.character(position).map(Some);
            }
            "time" | "timestamp" => return self.time(position).map(Some),
            "interval" => {
                self.advance();
                let mut written = TypeName::builtin("interval", position);
                written.modifiers = self.length()?;
                if written.modifiers.is_empty() {
                    self.interval_fields(&mut written)?;
                }
                return Ok(Some(written));
            }
            _ => return Ok(None),
        };
        self.advance();
        let mut written = TypeName::builtin(name, position);
        if name == "numeric" {
            written.modifiers = self.modifiers()?;
        }
        Ok(Some(written))
    }

    /// `float(p)` is one of two types by its precision.
    fn float(&mut self, position: u32) -> Result<TypeName> {
        self.advance();
        let at = self.position() + 1;
        let name = match self.length()?.first().map(|digits| &digits.kind) {
            None => "float8",
            Some(ExprKind::Literal(Literal::Number(digits))) => {
                let invalid =
                    |message: &str| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(at));
                match digits.parse::<u64>() {
                    Ok(0) => return invalid("precision for type float must be at least 1 bit"),
                    Ok(1..=24) => "float4",
                    Ok(25..=53) => "float8",
                    _ => return invalid("precision for type float must be less than 54 bits"),
                }
            }
            Some(_) => return self.unexpected(),
        };
        Ok(TypeName::builtin(name, position))
    }

    fn bit(&mut self, position: u32) -> Result<TypeName> {
        self.advance();
        let varying = self.eat("varying");
        let mut written = TypeName::builtin(if varying { "varbit" } else { "bit" }, position);
        written.modifiers = self.modifiers()?;
        if !varying && written.modifiers.is_empty() {
            written.modifiers = one(position);
        }
        Ok(written)
    }

    fn character(&mut self, position: u32) -> Result<TypeName> {
        let varchar = self.is("varchar");
        if self.eat("national") && !self.is_one_of(&["character", "char"]) {
            return self.unexpected();
        }
        self.advance();
        let varying = varchar || self.eat("varying");
        let mut written = TypeName::builtin(if varying { "varchar" } else { "bpchar" }, position);
        written.modifiers = self.length()?;
        if !varying && written.modifiers.is_empty() {
            written.modifiers = one(position);
        }
        Ok(written)
    }

    fn time(&mut self, position: u32) -> Result<TypeName> {
        let timestamp = self.is("timestamp");
        self.advance();
        let modifiers = self.length()?;
        let zone = self.eat("with time zone");
        if !zone {
            self.eat("without time zone");
        }
        let name = match (timestamp, zone) {
            (true, true) => "timestamptz",
            (true, false) => "timestamp",
            (false, true) => "timetz",
            (false, false) => "time",
        };
        Ok(TypeName { modifiers, ..TypeName::builtin(name, position) })
    }

    /// `day to second(3)` after `interval`.
    fn interval_fields(&mut self, written: &mut TypeName) -> Result<()> {
        written.fields = IntervalRange::WRITTEN.into_iter().find(|range| self.eat(&range.to_string()));
        let seconds = written.fields.is_some_and(|range| range.to == IntervalField::Second);
        if seconds {
            written.modifiers = self.length()?;
        }
        Ok(())
    }

    /// `date '..'` for the types that are keywords; a keyword that no literal follows is a name like any other.
    pub fn keyword_type_literal(&mut self) -> Result<Option<Expr>> {
        let mark = self.mark();
        let mut to = match self.keyword_type() {
            Ok(Some(to)) => to,
            Err(error) if error.code != SqlState::SYNTAX_ERROR => return Err(error),
            _ => {
                self.rewind(mark);
                return Ok(None);
            }
        };
        let TokenKind::String(_) = self.kind() else {
            self.rewind(mark);
            return Ok(None);
        };
        // `character '..'` has no length in a literal, as if it were declared without one.
        if to.name.last().name == "bpchar" && to.modifiers == one(to.position) {
            to.modifiers.clear();
        }
        if to.name.last().name != "interval" || to.fields.is_some() || !to.modifiers.is_empty() {
            return self.typed_literal(to).map(Some);
        }
        let mut literal = self.typed_literal(to)?;
        if let ExprKind::Cast { to, .. } = &mut literal.kind {
            self.interval_fields(to)?;
        }
        Ok(Some(literal))
    }
}

/// The length that `character` and `bit` have when none is written.
fn one(position: u32) -> Vec<Expr> {
    vec![Expr::new(ExprKind::Literal(Literal::Number("1".to_owned())), position)]
}
