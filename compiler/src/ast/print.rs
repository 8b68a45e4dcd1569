//! Canonical SQL text of a syntax tree: what the catalog stores, what `\d` and EXPLAIN show.
//!
//! Invariant: the text is PostgreSQL's syntax (where PostgreSQL has the construct) and reads back as the same tree up to
//! positions. So operands are parenthesised unless they are plainly atoms, and an identifier is quoted unless it would come
//! back unquoted as itself.

mod call;
mod definition;
mod expr;
mod query;
mod statement;

use std::fmt::Write;

use super::*;
use crate::keyword::{self, Category};

/// The text of a statement, without `;`.
pub fn statement(statement: &Statement) -> String {
    printed(|p| p.statement(statement))
}

pub fn query(query: &Query) -> String {
    printed(|p| p.query(query))
}

pub fn expr(expr: &Expr) -> String {
    printed(|p| p.expr(expr))
}

pub fn type_name(written: &TypeName) -> String {
    printed(|p| p.type_name(written))
}

pub fn name(name: &Name) -> String {
    printed(|p| p.name(name))
}

/// An identifier as PostgreSQL's `quote_ident` would write it.
pub fn identifier(name: &str) -> String {
    printed(|p| p.word(name))
}

/// A string literal; backslashes need no escape, since standard_conforming_strings is always on.
pub fn string(text: &str) -> String {
    printed(|p| p.string(text))
}

/// The relations of the catalog as they are called now.
pub trait Relations {
    /// The schema and the name of an item, and its columns in their places: None for those that were dropped.
    fn now(&self, id: u64) -> Option<(&str, &str, Vec<Option<&str>>)>;
}

/// A stored query as its user would write it now: with the names that the relations in it have by now.
pub fn query_now(query: &Query, relations: &dyn Relations) -> String {
    let mut printer = Printer { out: String::new(), relations: Some(relations) };
    printer.query(query);
    printer.out
}

fn printed(print: impl FnOnce(&mut Printer<'_>)) -> String {
    let mut printer = Printer { out: String::new(), relations: None };
    print(&mut printer);
    printer.out
}

/// Collects the text. Each method writes one construct and no space around it.
struct Printer<'r> {
    out: String,
    /// What relations are called now; None writes what their names mean instead.
    relations: Option<&'r dyn Relations>,
}

impl Printer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        write!(self.out, "{number}").expect("invariant: writing to a String cannot fail");
    }

    /// Writes `text` if `condition`.
    fn when(&mut self, condition: bool, text: &str) {
        if condition {
            self.text(text);
        }
    }

    fn list<T>(&mut self, items: &[T], print: impl FnMut(&mut Self, &T)) {
        self.separated(items, ", ", print);
    }

    fn separated<T>(&mut self, items: &[T], separator: &str, mut print: impl FnMut(&mut Self, &T)) {
        for (i, item) in items.iter().enumerate() {
            self.when(i > 0, separator);
            print(self, item);
        }
    }

    /// Writes ` (a, b)`, or nothing for an empty list.
    fn columns(&mut self, columns: &[Ident]) {
        if !columns.is_empty() {
            self.text(" ");
            self.column_list(columns);
        }
    }

    fn column_list(&mut self, columns: &[Ident]) {
        self.text("(");
        self.list(columns, Self::ident);
        self.text(")");
    }

    fn ident(&mut self, ident: &Ident) {
        self.word(&ident.name);
    }

    fn word(&mut self, name: &str) {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && matches!(keyword::category(name), Category::Identifier | Category::Unreserved);
        if plain { self.text(name) } else { self.quoted(name, '"') }
    }

    fn string(&mut self, text: &str) {
        self.quoted(text, '\'');
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.out.push(quote);
        for c in text.chars() {
            if c == quote {
                self.out.push(quote);
            }
            self.out.push(c);
        }
        self.out.push(quote);
    }

    fn name(&mut self, name: &Name) {
        self.separated(&name.parts, ".", Self::ident);
    }
}
