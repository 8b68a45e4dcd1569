//! The syntax tree: what a statement's text says, before any name is looked up.
//!
//! It has PostgreSQL's shape (special syntax such as `EXTRACT(.. FROM ..)` is an ordinary call, `date '..'` is a cast) because
//! its users expect PostgreSQL's errors, and it is small because the binder reads all of it. Names are already folded and
//! truncated as PostgreSQL does; AND and OR are flat lists, so that the length of a condition costs no depth.
//!
//! Invariants. Every node that an error can be about has `position`: characters from 1 into the text that was given to
//! `parse`, at the token that PostgreSQL would point to (an operator's position is the operator's, not its left operand's;
//! [`Expr::start`] is the leftmost). `parse(print(tree))` is the same tree up to positions: the catalog keeps printed text.

mod definition;
mod expr;
pub mod mention;
pub mod precedence;
pub mod print;
mod query;
mod statement;

use std::ops::Range;

use crate::error::{Error, SqlState};

pub use definition::*;
pub use expr::*;
pub use query::*;
pub use statement::*;

/// A statement and where it stands in the text it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub node: T,
    /// Bytes of the text, from the first token to the last, without the `;`.
    pub range: Range<usize>,
}

/// An identifier, folded to lower case unless it was quoted, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    pub name: String,
    pub position: u32,
}

/// A possibly qualified name: `item`, `schema.item`, `database.schema.item`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub parts: Vec<Ident>,
}

impl Name {
    pub fn last(&self) -> &Ident {
        self.parts.last().expect("invariant: a name has a part")
    }

    /// The parts before the last one.
    pub fn qualifier(&self) -> &[Ident] {
        &self.parts[..self.parts.len() - 1]
    }

    pub fn position(&self) -> u32 {
        self.parts[0].position
    }

    /// `pg_catalog.name`, at this position: what special syntax calls.
    pub fn system(name: &str, position: u32) -> Name {
        let ident = |name: &str| Ident { name: name.to_owned(), position };
        Name { parts: vec![ident("pg_catalog"), ident(name)] }
    }
}

/// `name`, `name value` or `name = value` in a WITH list, COPY's or EXPLAIN's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// Folded; a dotted name is joined by dots, a quoted one (`'connector.class'`) is as it stands.
    pub name: Ident,
    pub value: Option<OptValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptValue {
    Word(Ident),
    String(String, u32),
    Number(String, u32),
    Star(u32),
    List(Vec<OptValue>, u32),
}

impl Opt {
    /// The value as a boolean, by PostgreSQL's rule for options: a bare name is true.
    pub fn boolean(&self) -> Result<bool, Error> {
        let word = match &self.value {
            None => return Ok(true),
            Some(OptValue::Word(word)) => &word.name,
            Some(OptValue::String(text, _)) => text,
            Some(OptValue::Number(text, _)) => text,
            Some(OptValue::Star(_) | OptValue::List(..)) => "",
        };
        match word.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("{} requires a Boolean value", self.name.name),
            )
            .at(self.name.position)),
        }
    }

    /// The value as text: a word, a string or a number.
    pub fn text(&self) -> Result<&str, Error> {
        match &self.value {
            Some(OptValue::Word(word)) => Ok(&word.name),
            Some(OptValue::String(text, _) | OptValue::Number(text, _)) => Ok(text),
            Some(OptValue::Star(_) | OptValue::List(..)) | None => {
                Err(Error::new(SqlState::SYNTAX_ERROR, format!("{} requires a parameter", self.name.name))
                    .at(self.name.position))
            }
        }
    }
}
