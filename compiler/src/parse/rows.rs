//! INSERT, UPDATE, DELETE, TRUNCATE and COPY.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;
use crate::error::{Error, SqlState};
use crate::keyword::Category;

/// What may name an option in a list.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum OptionNames {
    /// In EXPLAIN.
    Unreserved,
    /// In COPY.
    Labels,
    /// In WITH, where a connector's options have names that are no identifiers.
    LabelsAndStrings,
}

impl Parser<'_> {
    pub fn insert(&mut self, with: Option<With>, position: u32) -> Result<Statement> {
        self.expect("insert into")?;
        let table = self.name()?;
        let alias = if self.eat("as") { Some(self.column_ident()?) } else { None };
        let has_columns = self.is_symbol("(") && !self.starts_query(1);
        let columns = if has_columns { self.parenthesized(Self::target)? } else { Vec::new() };
        let overriding = match self.eat("overriding system value") {
            true => Some(Overriding::System),
            false if self.eat("overriding user value") => Some(Overriding::User),
            false => None,
        };
        let source = match self.is("default") && columns.is_empty() {
            true => {
                self.expect("default values")?;
                InsertSource::DefaultValues
            }
            false => InsertSource::Query(self.query()?),
        };
        let on_conflict = self.on_conflict()?;
        let returning = self.returning()?;
        let insert =
            Insert { with, table, alias, columns, overriding, source, on_conflict, returning, position };
        Ok(Statement::Insert(Box::new(insert)))
    }

    /// Whether a query starts after `ahead` tokens, perhaps in more parentheses.
    fn starts_query(&self, ahead: usize) -> bool {
        let mut ahead = ahead;
        while self.is_symbol_at(ahead, "(") {
            ahead += 1;
        }
        match self.word_at(ahead) {
            Some("select" | "with" | "table") => true,
            Some("values") => self.is_symbol_at(ahead + 1, "("),
            _ => false,
        }
    }

    fn on_conflict(&mut self) -> Result<Option<OnConflict>> {
        let position = self.position();
        if !self.eat("on") {
            return Ok(None);
        }
        self.expect("conflict")?;
        let target = if self.eat("on constraint") {
            Some(ConflictTarget::Constraint(self.column_ident()?))
        } else if self.is_symbol("(") {
            let keys = self.parenthesized(Self::index_key)?;
            let filter = if self.eat("where") { Some(self.expr()?) } else { None };
            Some(ConflictTarget::Keys { keys, filter })
        } else {
            None
        };
        self.expect("do")?;
        let action = match self.eat("nothing") {
            true => ConflictAction::Nothing,
            false => {
                self.expect("update set")?;
                let assignments = self.comma_separated(Self::assignment)?;
                let filter = if self.eat("where") { Some(self.expr()?) } else { None };
                ConflictAction::Update { assignments, filter }
            }
        };
        Ok(Some(OnConflict { target, action, position }))
    }

    fn returning(&mut self) -> Result<Vec<SelectItem>> {
        if self.eat("returning") { self.comma_separated(Self::select_item) } else { Ok(Vec::new()) }
    }

    /// A column, or a part of one.
    fn target(&mut self) -> Result<Target> {
        let column = self.column_ident()?;
        let path = self.steps()?;
        Ok(Target { column, path })
    }

    fn assignment(&mut self) -> Result<Assignment> {
        if self.is_symbol("(") {
            let targets = self.parenthesized(Self::target)?;
            self.expect_symbol("=")?;
            return Ok(Assignment::Columns { targets, value: self.expr()? });
        }
        let target = self.target()?;
        self.expect_symbol("=")?;
        Ok(Assignment::Column { target, value: self.expr()? })
    }

    pub fn update(&mut self, with: Option<With>, position: u32) -> Result<Statement> {
        self.expect("update")?;
        let (table, only, alias) = self.changed_table()?;
        self.expect("set")?;
        let assignments = self.comma_separated(Self::assignment)?;
        let from = if self.eat("from") { self.comma_separated(Self::from_item)? } else { Vec::new() };
        let filter = self.condition()?;
        let returning = self.returning()?;
        let update = Update { with, table, only, alias, assignments, from, filter, returning, position };
        Ok(Statement::Update(Box::new(update)))
    }

    pub fn delete(&mut self, with: Option<With>, position: u32) -> Result<Statement> {
        self.expect("delete from")?;
        let (table, only, alias) = self.changed_table()?;
        let using = if self.eat("using") { self.comma_separated(Self::from_item)? } else { Vec::new() };
        let filter = self.condition()?;
        let returning = self.returning()?;
        let delete = Delete { with, table, only, alias, using, filter, returning, position };
        Ok(Statement::Delete(Box::new(delete)))
    }

    fn changed_table(&mut self) -> Result<(Name, bool, Option<Ident>)> {
        let only = self.eat("only");
        let parenthesis = only && self.eat_symbol("(");
        let table = self.name()?;
        if parenthesis {
            self.expect_symbol(")")?;
        }
        if !only {
            self.eat_symbol("*");
        }
        let alias = match self.eat("as") || self.is_column_ident(0) && !self.is("set") {
            true => Some(self.column_ident()?),
            false => None,
        };
        Ok((table, only, alias))
    }

    fn condition(&mut self) -> Result<Option<Condition>> {
        if !self.eat("where") {
            return Ok(None);
        }
        if self.eat("current of") {
            return Ok(Some(Condition::CurrentOf(self.column_ident()?)));
        }
        Ok(Some(Condition::Expr(self.expr()?)))
    }

    pub fn truncate(&mut self) -> Result<Statement> {
        let position = self.position();
        self.expect("truncate")?;
        self.eat("table");
        let tables = self.comma_separated(|p| {
            p.eat("only");
            let name = p.name()?;
            p.eat_symbol("*");
            Ok(name)
        })?;
        let restart_identity = self.eat("restart identity");
        if !restart_identity {
            self.eat("continue identity");
        }
        let cascade = self.cascade();
        Ok(Statement::Truncate(Truncate { tables, restart_identity, cascade, position }))
    }

    /// CASCADE, or RESTRICT, which is the default.
    pub fn cascade(&mut self) -> bool {
        let cascade = self.eat("cascade");
        if !cascade {
            self.eat("restrict");
        }
        cascade
    }
}

/// COPY.
impl Parser<'_> {
    pub fn copy(&mut self) -> Result<Statement> {
        let position = self.position();
        self.expect("copy")?;
        let mut options = Vec::new();
        if self.is("binary") && self.is_column_ident(1) {
            options.push(self.format("binary"));
        }
        let source = match self.eat_symbol("(") {
            true => {
                let source = self.copied_statement()?;
                self.expect_symbol(")")?;
                source
            }
            false => CopySource::Relation { name: self.name()?, columns: self.optional_column_list()? },
        };
        let to = match (self.eat("to"), &source) {
            (true, _) => true,
            (false, CopySource::Relation { .. }) => {
                self.expect("from")?;
                false
            }
            (false, _) => return self.unexpected(),
        };
        let direction = self.copy_end(to)?;
        self.copy_options(&mut options)?;
        let filter = self.copy_filter(to)?;
        Ok(Statement::Copy(Box::new(Copy { source, direction, options, filter, position })))
    }

    fn copied_statement(&mut self) -> Result<CopySource> {
        if self.is("subscribe") {
            return self.subscribe().map(CopySource::Subscribe);
        }
        Ok(match self.preparable()? {
            Statement::Query(query) => CopySource::Query(*query),
            statement => CopySource::Statement(statement),
        })
    }

    fn copy_end(&mut self, to: bool) -> Result<CopyDirection> {
        if self.eat("program") {
            let command = self.string()?;
            return Ok(if to {
                CopyDirection::ToProgram(command)
            } else {
                CopyDirection::FromProgram(command)
            });
        }
        // PostgreSQL takes either word for either direction.
        if self.eat("stdin") || self.eat("stdout") {
            return Ok(if to { CopyDirection::ToStdout } else { CopyDirection::FromStdin });
        }
        let path = self.string()?;
        Ok(if to { CopyDirection::ToFile(path) } else { CopyDirection::FromFile(path) })
    }

    fn copy_filter(&mut self, to: bool) -> Result<Option<Expr>> {
        let position = self.position();
        if !self.eat("where") {
            return Ok(None);
        }
        let filter = self.expr()?;
        match to {
            true => {
                Err(Error::new(SqlState::SYNTAX_ERROR, "WHERE clause not allowed with COPY TO").at(position))
            }
            false => Ok(Some(filter)),
        }
    }

    /// Both spellings: a list in parentheses, and words one after the other.
    fn copy_options(&mut self, options: &mut Vec<Opt>) -> Result<()> {
        if self.are("using delimiters") || self.is("delimiters") {
            self.eat("using");
            let name = self.option_name("delimiter");
            options.push(Opt { name, value: Some(self.option_string()?) });
        }
        self.eat("with");
        if self.is_symbol("(") {
            options.extend(self.option_list(OptionNames::Labels)?);
            return once_each(options);
        }
        while let Some(option) = self.copy_word()? {
            options.push(option);
        }
        once_each(options)
    }

    /// One option in words.
    fn copy_word(&mut self) -> Result<Option<Opt>> {
        let Some(word) = self.word() else { return Ok(None) };
        let (name, value) = match word {
            "binary" => return Ok(Some(self.format("binary"))),
            "csv" => return Ok(Some(self.format("csv"))),
            "freeze" => (self.option_name("freeze"), None),
            "header" => (self.option_name("header"), None),
            "delimiter" | "null" | "quote" | "escape" | "encoding" => {
                let name = self.label()?;
                self.eat("as");
                (name, Some(self.option_string()?))
            }
            "force" => {
                self.advance();
                let names =
                    [("quote", "force_quote"), ("null", "force_null"), ("not null", "force_not_null")];
                let at = self.position();
                let Some((_, name)) = names.into_iter().find(|(words, _)| self.eat(words)) else {
                    return self.unexpected();
                };
                let name = Ident { name: name.to_owned(), position: at };
                let position = self.position();
                let value = match name.name == "force_quote" && self.eat_symbol("*") {
                    true => OptValue::Star(position),
                    false => {
                        let columns = self.comma_separated(Self::column_ident)?;
                        OptValue::List(columns.into_iter().map(OptValue::Word).collect(), position)
                    }
                };
                (name, Some(value))
            }
            _ => return Ok(None),
        };
        Ok(Some(Opt { name, value }))
    }

    /// Takes the word here for the option of this name.
    fn option_name(&mut self, name: &str) -> Ident {
        let position = self.position();
        self.advance();
        Ident { name: name.to_owned(), position }
    }

    fn format(&mut self, format: &str) -> Opt {
        let name = self.option_name("format");
        let value = OptValue::Word(Ident { name: format.to_owned(), position: name.position });
        Opt { name, value: Some(value) }
    }

    fn option_string(&mut self) -> Result<OptValue> {
        let position = self.position();
        Ok(OptValue::String(self.string()?, position))
    }
}

/// Options.
impl Parser<'_> {
    /// `WITH (name = value, ..)` if it is there.
    pub fn with_options(&mut self) -> Result<Vec<Opt>> {
        if self.is("with") && self.is_symbol_at(1, "(") {
            self.advance();
            let options = self.option_list(OptionNames::LabelsAndStrings)?;
            once_each(&options)?;
            return Ok(options);
        }
        Ok(Vec::new())
    }

    /// `(name, name value, name = value)`.
    pub fn option_list(&mut self, names: OptionNames) -> Result<Vec<Opt>> {
        self.parenthesized(|p| {
            let allowed = match p.kind() {
                TokenKind::String(_) => names == OptionNames::LabelsAndStrings,
                TokenKind::Word(word, Category::Reserved) => {
                    names != OptionNames::Unreserved || matches!(&**word, "analyze" | "analyse")
                }
                _ => true,
            };
            if !allowed {
                return p.unexpected();
            }
            let name = p.dotted_option_name()?;
            let value = match p.eat_symbol("=") || !(p.is_symbol(",") || p.is_symbol(")")) {
                true => Some(p.option_value()?),
                false => None,
            };
            Ok(Opt { name, value })
        })
    }

    fn dotted_option_name(&mut self) -> Result<Ident> {
        let position = self.position();
        if let TokenKind::String(_) = self.kind() {
            return Ok(Ident { name: self.string()?, position });
        }
        let mut name = self.label()?;
        while self.eat_symbol(".") {
            let part = self.label()?;
            name.name = format!("{}.{}", name.name, part.name);
        }
        Ok(name)
    }

    pub fn option_value(&mut self) -> Result<OptValue> {
        let position = self.position();
        match self.kind() {
            TokenKind::String(_) => self.option_string(),
            TokenKind::Word(..) | TokenKind::Quoted(_) => self.label().map(OptValue::Word),
            _ if self.is_symbol("*") => {
                self.advance();
                Ok(OptValue::Star(position))
            }
            _ if self.is_symbol("(") => {
                let values = self.nested(|p| p.parenthesized(Self::option_value))?;
                Ok(OptValue::List(values, position))
            }
            _ => Ok(OptValue::Number(self.signed_number()?, position)),
        }
    }
}

/// `42601` for an option that is given twice: one of the two would mean nothing.
fn once_each(options: &[Opt]) -> Result<()> {
    let names = options.iter().map(|option| &option.name);
    let again = names
        .enumerate()
        .find(|(at, name)| options[..*at].iter().any(|before| before.name.name == name.name));
    match again {
        None => Ok(()),
        Some((_, name)) => {
            Err(Error::new(SqlState::SYNTAX_ERROR, "conflicting or redundant options").at(name.position))
        }
    }
}
