//! Text to syntax trees: PostgreSQL's grammar and Tidewater's statements, by recursive descent over a token list.
//!
//! A parser of our own gives what a user of PostgreSQL expects and a borrowed grammar could not: the same token in every
//! syntax error, the position of every operator, the same words reserved, the same grouping. It accepts what the syntax
//! tree can hold and nothing else, so that no clause is read and ignored. What it refuses is shown to sqlparser, which may
//! know from which other system it comes ([`foreign`]).
//!
//! Invariant: no text makes it panic, overflow the stack or take more than linear time; see [`cursor`] for the bounds.

mod alter;
mod call;
mod cursor;
mod definition;
mod expr;
mod foreign;
mod from;
mod lex;
mod query;
mod rows;
mod sequence;
mod statement;
mod stream;
mod types;

#[cfg(test)]
mod tests;

use cursor::{Limits, Parser};

use crate::ast::{Expr, Spanned, Statement, TypeName};
use crate::error::{Error, SqlState};

/// The statements of a text, which `;` separates. A text of white space and comments has none.
pub fn parse(text: &str) -> Result<Vec<Spanned<Statement>>, Error> {
    statements(text, Limits::WRITTEN).map_err(|mut error| {
        if error.code == SqlState::SYNTAX_ERROR && error.hint.is_none() {
            error.hint = foreign::hint(text).map(str::to_owned);
        }
        error
    })
}

/// A text that [`print`](crate::ast::print) made of a statement that [`parse`] accepted. It is accepted too, although the
/// parentheses that printing adds may nest deeper than a user's text may: the catalog reads its texts by this.
pub fn parse_canonical(text: &str) -> Result<Vec<Spanned<Statement>>, Error> {
    statements(text, Limits::PRINTED)
}

fn statements(text: &str, limits: Limits) -> Result<Vec<Spanned<Statement>>, Error> {
    let mut parser = Parser::new(text, limits);
    let mut statements = Vec::new();
    loop {
        while parser.eat_symbol(";") {}
        if parser.at_end() {
            return Ok(statements);
        }
        let start = parser.start();
        let node = parser.statement()?;
        statements.push(Spanned { node, range: start..parser.end() });
        if !parser.at_end() && !parser.is_symbol(";") {
            return parser.unexpected();
        }
    }
}

/// A text that is one expression.
pub fn parse_expression(text: &str) -> Result<Expr, Error> {
    whole(text, Limits::WRITTEN, |parser| parser.expr())
}

/// An expression that was printed, as [`parse_canonical`] for statements.
pub fn parse_canonical_expression(text: &str) -> Result<Expr, Error> {
    whole(text, Limits::PRINTED, |parser| parser.expr())
}

/// A text that is the name of a type.
pub fn parse_type(text: &str) -> Result<TypeName, Error> {
    whole(text, Limits::WRITTEN, |parser| parser.type_name())
}

fn whole<T>(
    text: &str,
    limits: Limits,
    parse: impl FnOnce(&mut Parser) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut parser = Parser::new(text, limits);
    let parsed = parse(&mut parser)?;
    if parser.at_end() { Ok(parsed) } else { parser.unexpected() }
}
