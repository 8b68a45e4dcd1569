//! The place in the tokens, and what every production of the grammar needs: looking ahead, expecting, names, errors.
//!
//! Invariants. A production that returns an error may leave the place anywhere; one that returns `false` or `None` has not
//! moved. Recursion goes through [`Parser::nested`], which bounds it and grows the stack, so no text can overflow it; the
//! height of what was parsed is bounded with it, so that dropping, cloning and walking a tree are as safe.

use std::cell::Cell;

use super::lex::{self, Token, TokenKind};
use crate::ast::{Ident, Name};
use crate::error::{Error, SqlState};
use crate::keyword::Category;

pub(super) type Result<T> = std::result::Result<T, Error>;

/// How much a text may nest.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How deep constructs may stand in each other.
    depth: u32,
    /// How high a tree may become: nesting and chains of operators together.
    height: u32,
    /// The text was printed, and may hold what only printing writes.
    printed: bool,
}

impl Limits {
    /// For what users write.
    pub const WRITTEN: Limits = Limits { depth: 500, height: 1_000, printed: false };

    /// For what was printed from a tree within [`Limits::WRITTEN`]: every operator may have brought parentheses.
    pub const PRINTED: Limits = Limits { depth: 2_500, height: 5_000, printed: true };
}

/// Grown when less than the first is left. One level of nesting takes a few of the parser's frames.
const STACK_LEFT_MIN: usize = 256 << 10;
const STACK_GROWTH: usize = 4 << 20;

pub(super) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    /// A token where words were looked for, and how many of them stood there: an error at that token is one at the word
    /// that was missing.
    partial: Cell<(usize, usize)>,
    limits: Limits,
    depth: u32,
    /// Of the highest tree parsed since the enclosing construct began.
    height: u32,
}

impl<'a> Parser<'a> {
    pub fn new(source: &'a str, limits: Limits) -> Parser<'a> {
        Parser {
            source,
            tokens: lex::tokens(source),
            next: 0,
            partial: Cell::new((0, 0)),
            limits,
            depth: 0,
            height: 0,
        }
    }

    /// Whether the text was printed from a tree.
    pub fn is_canonical(&self) -> bool {
        self.limits.printed
    }
}

/// Looking.
impl<'a> Parser<'a> {
    /// The token after `ahead` others; the last one stands for all that would follow it.
    fn token(&self, ahead: usize) -> &Token<'a> {
        self.tokens
            .get(self.next + ahead)
            .unwrap_or_else(|| self.tokens.last().expect("invariant: End is there"))
    }

    pub fn kind(&self) -> &TokenKind<'a> {
        &self.token(0).kind
    }

    pub fn kind_at(&self, ahead: usize) -> &TokenKind<'a> {
        &self.token(ahead).kind
    }

    /// Characters from 1.
    pub fn position(&self) -> u32 {
        self.token(0).position
    }

    /// The byte where the next token starts.
    pub fn start(&self) -> usize {
        self.token(0).start
    }

    /// The byte after the last token taken.
    pub fn end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |last| self.tokens[last].end)
    }

    pub fn text(&self, ahead: usize) -> &'a str {
        let token = self.token(ahead);
        &self.source[token.start..token.end]
    }

    pub fn at_end(&self) -> bool {
        matches!(self.kind(), TokenKind::End)
    }

    /// The unquoted word that stands here, folded.
    pub fn word(&self) -> Option<&str> {
        self.word_at(0)
    }

    pub fn word_at(&self, ahead: usize) -> Option<&str> {
        match self.kind_at(ahead) {
            TokenKind::Word(word, _) => Some(word),
            _ => None,
        }
    }

    pub fn is(&self, word: &str) -> bool {
        self.is_at(0, word)
    }

    pub fn is_at(&self, ahead: usize, word: &str) -> bool {
        self.word_at(ahead) == Some(word)
    }

    /// Whether all these words follow.
    pub fn are(&self, words: &str) -> bool {
        let found = words.split(' ').enumerate().take_while(|(i, word)| self.is_at(*i, word)).count();
        let (at, most) = self.partial.get();
        // Of these, PostgreSQL takes the first word only with the second.
        let together =
            words.starts_with("nulls") || words.starts_with("with time") || words == "with ordinality";
        if found > usize::from(together) && (at != self.next || found > most) {
            self.partial.set((self.next, found));
        }
        found == words.split(' ').count()
    }

    pub fn is_one_of(&self, words: &[&str]) -> bool {
        self.word().is_some_and(|word| words.contains(&word))
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.kind_at(ahead), TokenKind::Symbol) && self.text(ahead) == symbol
    }

    pub fn category_at(&self, ahead: usize) -> Option<Category> {
        match self.kind_at(ahead) {
            TokenKind::Word(_, category) => Some(*category),
            _ => None,
        }
    }
}

/// Taking.
impl<'a> Parser<'a> {
    pub fn advance(&mut self) {
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
    }

    /// Goes back to a place that [`Parser::mark`] named.
    pub fn rewind(&mut self, mark: usize) {
        self.next = mark;
    }

    pub fn mark(&self) -> usize {
        self.next
    }

    /// Takes the words if all of them follow.
    pub fn eat(&mut self, words: &str) -> bool {
        let all = self.are(words);
        if all {
            words.split(' ').for_each(|_| self.advance());
        }
        all
    }

    pub fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, words: &str) -> Result<()> {
        words.split(' ').try_for_each(|word| if self.eat(word) { Ok(()) } else { self.unexpected() })
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { self.unexpected() }
    }

    pub fn comma_separated<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, ..)`.
    pub fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_symbol("(")?;
        let items = self.comma_separated(item)?;
        self.expect_symbol(")")?;
        Ok(items)
    }
}

/// Names.
impl<'a> Parser<'a> {
    fn ident_if(&mut self, allowed: impl FnOnce(Category) -> bool) -> Option<Ident> {
        let position = self.position();
        let name = match self.kind() {
            TokenKind::Word(word, category) if allowed(*category) => word.to_string(),
            TokenKind::Quoted(name) => name.to_string(),
            _ => return None,
        };
        self.advance();
        Some(Ident { name, position })
    }

    /// A name of a column, table, alias, cursor ..
    pub fn column_ident(&mut self) -> Result<Ident> {
        match self.ident_if(is_column_name) {
            Some(ident) => Ok(ident),
            None => self.unexpected(),
        }
    }

    pub fn is_column_ident(&self, ahead: usize) -> bool {
        matches!(self.kind_at(ahead), TokenKind::Quoted(_))
            || self.category_at(ahead).is_some_and(is_column_name)
    }

    /// A name of a function or type.
    pub fn function_ident(&mut self) -> Result<Ident> {
        match self.ident_if(is_function_name) {
            Some(ident) => Ok(ident),
            None => self.unexpected(),
        }
    }

    pub fn is_function_ident(&self, ahead: usize) -> bool {
        matches!(self.kind_at(ahead), TokenKind::Quoted(_))
            || self.category_at(ahead).is_some_and(is_function_name)
    }

    /// Any word: after AS, after a point.
    pub fn label(&mut self) -> Result<Ident> {
        match self.ident_if(|_| true) {
            Some(ident) => Ok(ident),
            None => self.unexpected(),
        }
    }

    /// The rest of a name whose first part was taken.
    pub fn qualified(&mut self, first: Ident) -> Result<Name> {
        let mut parts = vec![first];
        while self.eat_symbol(".") {
            parts.push(self.label()?);
        }
        Ok(Name { parts })
    }

    /// `schema.item`.
    pub fn name(&mut self) -> Result<Name> {
        let first = self.column_ident()?;
        self.qualified(first)
    }

    /// `(a, b)`.
    pub fn column_list(&mut self) -> Result<Vec<Ident>> {
        self.parenthesized(Self::column_ident)
    }

    /// `(a, b)` if it is there.
    pub fn optional_column_list(&mut self) -> Result<Vec<Ident>> {
        if self.is_symbol("(") { self.column_list() } else { Ok(Vec::new()) }
    }
}

/// Literals.
impl<'a> Parser<'a> {
    pub fn string(&mut self) -> Result<String> {
        match self.kind() {
            TokenKind::String(text) => {
                let text = text.to_string();
                self.advance();
                Ok(text)
            }
            _ => self.unexpected(),
        }
    }

    /// An unsigned number without point or exponent.
    pub fn integer(&mut self) -> Result<u64> {
        match self.kind() {
            TokenKind::Number => match self.text(0).parse() {
                Ok(number) => {
                    self.advance();
                    Ok(number)
                }
                Err(_) => self.unexpected(),
            },
            _ => self.unexpected(),
        }
    }

    /// An integer with a sign perhaps.
    pub fn signed_integer(&mut self) -> Result<i64> {
        let negative = self.eat_symbol("-");
        if !negative {
            self.eat_symbol("+");
        }
        let position = self.position();
        let magnitude = i128::from(self.integer()?);
        i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| {
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value is out of range for type bigint")
                .at(position)
        })
    }
}

/// Errors.
impl<'a> Parser<'a> {
    /// The error that PostgreSQL's grammar gives when it cannot go on with the next token.
    pub fn unexpected<T>(&self) -> Result<T> {
        let ahead = match self.partial.get() {
            (at, found) if at == self.next => found,
            _ => 0,
        };
        let position = self.token(ahead).position;
        Err(match self.kind_at(ahead) {
            TokenKind::Error(error) => (**error).clone(),
            TokenKind::End => Error::new(SqlState::SYNTAX_ERROR, "syntax error at end of input").at(position),
            _ => {
                let message = format!("syntax error at or near \"{}\"", self.text(ahead));
                Error::new(SqlState::SYNTAX_ERROR, message).at(position)
            }
        })
    }
}

/// Recursion.
impl<'a> Parser<'a> {
    /// Parses what may hold itself.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.limits.depth {
            return Err(too_deep());
        }
        self.depth += 1;
        let parsed = self.measured(|p| {
            let parsed = stacker::maybe_grow(STACK_LEFT_MIN, STACK_GROWTH, || parse(p))?;
            p.raise()?;
            Ok(parsed)
        });
        self.depth -= 1;
        parsed
    }

    /// Parses a part whose height is its own, not that of the parts before it.
    pub fn measured<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let siblings = std::mem::replace(&mut self.height, 0);
        let parsed = parse(self)?;
        self.height = self.height.max(siblings);
        Ok(parsed)
    }

    /// Counts one more node above what was parsed: a level of nesting, or an operator after its left operand.
    pub fn raise(&mut self) -> Result<()> {
        self.height += 1;
        if self.height > self.limits.height { Err(too_deep()) } else { Ok(()) }
    }
}

fn too_deep() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .hint("Write the statement with less nesting, or as several statements.")
}

fn is_column_name(category: Category) -> bool {
    matches!(category, Category::Identifier | Category::Unreserved | Category::ColumnName)
}

fn is_function_name(category: Category) -> bool {
    matches!(category, Category::Identifier | Category::Unreserved | Category::TypeOrFunction)
}
