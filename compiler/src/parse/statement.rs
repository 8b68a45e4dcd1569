//! Which statement stands here, and those about the session: transactions, parameters, prepared statements, cursors.

use super::cursor::{Parser, Result};
use super::lex::TokenKind;
use crate::ast::*;
use crate::keyword;

impl Parser<'_> {
    /// One statement, up to its `;` or the end.
    pub fn statement(&mut self) -> Result<Statement> {
        let position = self.position();
        if self.is_symbol("(") {
            return self.preparable();
        }
        let Some(word) = self.word() else { return self.unexpected() };
        match word.to_owned().as_str() {
            "select" | "values" | "table" | "with" | "insert" | "update" | "delete" => self.preparable(),
            "truncate" => self.truncate(),
            "copy" => self.copy(),
            "create" => self.create(),
            "drop" => self.drop_statement(),
            "alter" => self.alter(),
            "comment" => self.comment(),
            "subscribe" => Ok(Statement::Subscribe(Box::new(self.subscribe()?))),
            "explain" => self.explain(),
            "show" => self.show(),
            "set" => self.set(),
            "reset" => self.reset(),
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
                self.transaction()
            }
            "prepare" => self.prepare(),
            "execute" => self.execute(),
            "deallocate" => {
                self.advance();
                if self.is_column_ident(1) || self.is_at(1, "all") {
                    self.eat("prepare");
                }
                self.name_or_all().map(Statement::Deallocate)
            }
            "declare" => self.declare(),
            "fetch" | "move" => self.fetch(),
            "close" => {
                self.advance();
                self.name_or_all().map(Statement::Close)
            }
            "discard" => self.discard(),
            word => match unsupported_words(word) {
                Some(most) => self.unsupported(most, position),
                None => self.unexpected(),
            },
        }
    }

    /// A statement that PREPARE, COPY and WITH may hold.
    pub fn preparable(&mut self) -> Result<Statement> {
        let position = self.position();
        if self.is("merge") {
            return self.unsupported(1, position);
        }
        let with = self.with()?;
        match self.word() {
            Some("insert") => self.insert(with, position),
            Some("update") => self.update(with, position),
            Some("delete") => self.delete(with, position),
            _ => {
                let query = self.nested(|p| p.query_after(with, position))?;
                Ok(Statement::Query(Box::new(query)))
            }
        }
    }

    /// A statement that is known and refused: its first words name it, the rest is not read.
    pub fn unsupported(&mut self, most: usize, position: u32) -> Result<Statement> {
        let words: Vec<String> =
            (0..most).map_while(|i| self.word_at(i)).map(str::to_ascii_uppercase).collect();
        // The body of an SQL routine holds statements that end in `;`.
        let mut routine = false;
        while !(self.at_end() || self.is_symbol(";") && !routine) {
            if let TokenKind::Error(_) = self.kind() {
                return self.unexpected();
            }
            let ends = self.is_symbol_at(1, ";") || matches!(self.kind_at(1), TokenKind::End);
            routine = (routine || self.are("begin atomic")) && !(self.is("end") && ends);
            self.advance();
        }
        Ok(Statement::Unsupported { what: words.join(" "), position })
    }
}

/// Parameters.
impl Parser<'_> {
    fn show(&mut self) -> Result<Statement> {
        self.expect("show")?;
        let position = self.position();
        if self.eat("all") {
            return Ok(Statement::Show(Show::All));
        }
        let special = [
            ("time zone", "timezone"),
            ("transaction isolation level", "transaction_isolation"),
            ("session authorization", "session_authorization"),
        ];
        let name = match special.into_iter().find(|(words, _)| self.eat(words)) {
            Some((_, name)) => Ident { name: name.to_owned(), position },
            None => self.parameter_name()?,
        };
        Ok(Statement::Show(Show::Parameter(name)))
    }

    /// `name` or `extension.name`.
    fn parameter_name(&mut self) -> Result<Ident> {
        let mut name = self.column_ident()?;
        while self.eat_symbol(".") {
            let part = self.column_ident()?;
            name.name = format!("{}.{}", name.name, part.name);
        }
        Ok(name)
    }

    fn reset(&mut self) -> Result<Statement> {
        self.expect("reset")?;
        let position = self.position();
        if self.eat("all") {
            return Ok(Statement::Reset(None));
        }
        let special = [
            ("time zone", "timezone"),
            ("transaction isolation level", "transaction_isolation"),
            ("session authorization", "session_authorization"),
        ];
        match special.into_iter().find(|(words, _)| self.eat(words)) {
            Some((_, name)) => Ok(Statement::Reset(Some(Ident { name: name.to_owned(), position }))),
            None => Ok(Statement::Reset(Some(self.parameter_name()?))),
        }
    }

    fn set(&mut self) -> Result<Statement> {
        let start = self.position();
        if self.is_at(1, "constraints") {
            return self.unsupported(2, start);
        }
        self.expect("set")?;
        if self.eat("session characteristics as transaction") {
            let modes = self.transaction_modes(true)?;
            return Ok(Statement::SetTransaction(SetTransaction { session: true, modes, position: start }));
        }
        let local = self.eat("local");
        if !local && self.is("session") && !self.is_at(1, "authorization") {
            let parameter = self.is_symbol_at(1, "=") || self.is_at(1, "to") || self.is_symbol_at(1, ".");
            if !parameter {
                self.advance();
            }
        }
        if self.eat("transaction") {
            let modes = self.transaction_modes(true)?;
            return Ok(Statement::SetTransaction(SetTransaction { session: false, modes, position: start }));
        }
        let position = self.position();
        let named = |name: &str| Ident { name: name.to_owned(), position };
        let (parameter, value) = if self.eat("time zone") {
            (named("timezone"), self.zone()?)
        } else if self.is("names") && !self.sets_parameter() {
            self.advance();
            let value = match self.kind() {
                TokenKind::String(_) => SetValue::Values(vec![self.string()?]),
                _ => {
                    self.eat("default");
                    SetValue::Default
                }
            };
            (named("client_encoding"), value)
        } else if self.eat("schema") {
            (named("search_path"), SetValue::Values(vec![self.string()?]))
        } else if self.is("role") && !self.sets_parameter() {
            self.advance();
            (named("role"), SetValue::Values(vec![self.set_value()?]))
        } else if self.eat("session authorization") {
            let value = match self.eat("default") {
                true => SetValue::Default,
                false => SetValue::Values(vec![self.set_value()?]),
            };
            (named("session_authorization"), value)
        } else {
            let name = self.parameter_name()?;
            if !self.eat_symbol("=") {
                self.expect("to")?;
            }
            let value = match self.eat("default") {
                true => SetValue::Default,
                false => SetValue::Values(self.comma_separated(Self::set_value)?),
            };
            (name, value)
        };
        Ok(Statement::Set(Set { local, parameter, value }))
    }

    fn sets_parameter(&self) -> bool {
        self.is_symbol_at(1, "=") || self.is_at(1, "to")
    }

    /// A word, a string or a number.
    fn set_value(&mut self) -> Result<String> {
        match self.kind() {
            TokenKind::String(_) => self.string(),
            TokenKind::Number | TokenKind::Symbol => self.signed_number(),
            TokenKind::Word(word, category) if *category == keyword::Category::Reserved => {
                if !["true", "false", "on"].contains(&&**word) {
                    return self.unexpected();
                }
                Ok(self.label()?.name)
            }
            _ => Ok(self.label()?.name),
        }
    }

    /// Digits with a sign perhaps, as text.
    pub fn signed_number(&mut self) -> Result<String> {
        let sign = if self.eat_symbol("-") { "-" } else { "" };
        if sign.is_empty() {
            self.eat_symbol("+");
        }
        match self.kind() {
            TokenKind::Number => {
                let number = format!("{sign}{}", self.text(0));
                self.advance();
                Ok(number)
            }
            _ => self.unexpected(),
        }
    }

    /// The value of SET TIME ZONE.
    fn zone(&mut self) -> Result<SetValue> {
        if self.eat("default") || self.eat("local") {
            return Ok(SetValue::Default);
        }
        if self.eat("interval") {
            let text = self.string()?;
            if self.eat("hour") && self.eat("to") {
                self.expect("minute")?;
            }
            return Ok(SetValue::Values(vec![text]));
        }
        match self.kind() {
            TokenKind::Word(_, keyword::Category::Identifier)
            | TokenKind::Quoted(_)
            | TokenKind::String(_)
            | TokenKind::Number
            | TokenKind::Symbol => Ok(SetValue::Values(vec![self.set_value()?])),
            _ => self.unexpected(),
        }
    }
}

/// Transactions.
impl Parser<'_> {
    fn transaction(&mut self) -> Result<Statement> {
        let position = self.position();
        if (self.is("commit") || self.is("rollback")) && self.is_at(1, "prepared") {
            return self.unsupported(2, position);
        }
        let word = self.label()?.name;
        match word.as_str() {
            "begin" => {
                self.transaction_word();
                self.transaction_modes(false).map(Statement::Begin)
            }
            "start" => {
                self.expect("transaction")?;
                self.transaction_modes(false).map(Statement::Begin)
            }
            "commit" | "end" => {
                self.transaction_word();
                Ok(Statement::Commit { chain: self.chain()? })
            }
            "savepoint" => self.column_ident().map(Statement::Savepoint),
            "release" => {
                if self.is("savepoint") && self.is_column_ident(1) {
                    self.advance();
                }
                self.column_ident().map(Statement::Release)
            }
            _ => {
                self.transaction_word();
                if word == "rollback" && self.eat("to") {
                    if self.is("savepoint") && self.is_column_ident(1) {
                        self.advance();
                    }
                    return self.column_ident().map(Statement::RollbackTo);
                }
                Ok(Statement::Rollback { chain: self.chain()? })
            }
        }
    }

    fn transaction_word(&mut self) {
        if !self.eat("work") {
            self.eat("transaction");
        }
    }

    fn chain(&mut self) -> Result<bool> {
        if !self.eat("and") {
            return Ok(false);
        }
        let chain = !self.eat("no");
        self.expect("chain")?;
        Ok(chain)
    }

    fn transaction_modes(&mut self, needed: bool) -> Result<TransactionModes> {
        let mut modes = TransactionModes::default();
        let mut needed = needed;
        while self.transaction_mode(&mut modes)? {
            needed = self.eat_symbol(",");
        }
        if needed { self.unexpected() } else { Ok(modes) }
    }

    fn transaction_mode(&mut self, modes: &mut TransactionModes) -> Result<bool> {
        if self.eat("isolation") {
            self.expect("level")?;
            let levels = [
                ("read uncommitted", Isolation::ReadUncommitted),
                ("read committed", Isolation::ReadCommitted),
                ("repeatable read", Isolation::RepeatableRead),
                ("serializable", Isolation::Serializable),
            ];
            match levels.into_iter().find(|(words, _)| self.eat(words)) {
                Some((_, level)) => modes.isolation = Some(level),
                None => return self.unexpected(),
            }
        } else if self.eat("read") {
            let only = self.eat("only");
            if !only {
                self.expect("write")?;
            }
            modes.read_only = Some(only);
        } else if self.eat("deferrable") {
            modes.deferrable = Some(true);
        } else if self.eat("not") {
            self.expect("deferrable")?;
            modes.deferrable = Some(false);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// Prepared statements and cursors.
impl Parser<'_> {
    fn prepare(&mut self) -> Result<Statement> {
        let position = self.position();
        if self.is_at(1, "transaction") {
            return self.unsupported(2, position);
        }
        self.expect("prepare")?;
        let name = self.column_ident()?;
        let types = if self.is_symbol("(") { self.parenthesized(Self::type_name)? } else { Vec::new() };
        self.expect("as")?;
        let start = self.start();
        let statement = match self.is("subscribe") {
            true => Statement::Subscribe(Box::new(self.subscribe()?)),
            false => self.preparable()?,
        };
        let range = start..self.end();
        Ok(Statement::Prepare(Box::new(Prepare { name, types, statement, range })))
    }

    fn execute(&mut self) -> Result<Statement> {
        self.expect("execute")?;
        let name = self.column_ident()?;
        let args = if self.is_symbol("(") { self.parenthesized(Self::expr)? } else { Vec::new() };
        Ok(Statement::Execute(Execute { name, args }))
    }

    fn name_or_all(&mut self) -> Result<Option<Ident>> {
        if self.eat("all") { Ok(None) } else { self.column_ident().map(Some) }
    }

    fn declare(&mut self) -> Result<Statement> {
        let position = self.position();
        self.expect("declare")?;
        let name = self.column_ident()?;
        let (mut binary, mut insensitive, mut scroll) = (false, false, None);
        loop {
            if self.eat("binary") {
                binary = true;
            } else if self.eat("insensitive") {
                insensitive = true;
            } else if self.eat("no scroll") {
                scroll = Some(false);
            } else if self.eat("scroll") {
                scroll = Some(true);
            } else if !self.eat("asensitive") {
                break;
            }
        }
        self.expect("cursor")?;
        let hold = self.eat("with hold");
        if !hold {
            self.eat("without hold");
        }
        self.expect("for")?;
        let start = self.start();
        let body = match self.is("subscribe") {
            true => CursorBody::Subscribe(self.subscribe()?),
            false if self.at_query_or_parenthesis() => CursorBody::Query(self.query()?),
            false => return self.unexpected(),
        };
        let range = start..self.end();
        let declare = Declare { name, binary, insensitive, scroll, hold, body, range, position };
        Ok(Statement::Declare(Box::new(declare)))
    }

    /// FETCH and MOVE.
    fn fetch(&mut self) -> Result<Statement> {
        let position = self.position();
        let moves = self.is("move");
        self.advance();
        let direction = self.fetch_direction()?;
        if !self.eat("from") {
            self.eat("in");
        }
        let cursor = self.column_ident()?;
        let options = self.with_options()?;
        Ok(Statement::Fetch(Fetch { moves, direction, cursor, options, position }))
    }

    fn fetch_direction(&mut self) -> Result<FetchDirection> {
        let forward = |count| Ok(FetchDirection::Forward(count));
        if !matches!(self.kind(), TokenKind::Word(..)) {
            return match self.kind() {
                TokenKind::Quoted(_) => forward(Some(1)),
                _ => forward(Some(self.signed_integer()?)),
            };
        }
        // A direction's word before nothing else is a cursor's name.
        let is_cursor =
            matches!(self.kind_at(1), TokenKind::End) || self.is_symbol_at(1, ";") || self.is_at(1, "with");
        if is_cursor {
            return forward(Some(1));
        }
        if self.eat("all") {
            forward(None)
        } else if self.eat("next") {
            forward(Some(1))
        } else if self.eat("prior") {
            Ok(FetchDirection::Backward(Some(1)))
        } else if self.eat("first") {
            Ok(FetchDirection::First)
        } else if self.eat("last") {
            Ok(FetchDirection::Last)
        } else if self.eat("absolute") {
            Ok(FetchDirection::Absolute(self.signed_integer()?))
        } else if self.eat("relative") {
            Ok(FetchDirection::Relative(self.signed_integer()?))
        } else if self.eat("forward") {
            forward(self.fetch_count()?)
        } else if self.eat("backward") {
            Ok(FetchDirection::Backward(self.fetch_count()?))
        } else {
            forward(Some(1))
        }
    }

    /// The count after FORWARD or BACKWARD.
    fn fetch_count(&mut self) -> Result<Option<i64>> {
        match self.kind() {
            TokenKind::Number | TokenKind::Symbol => self.signed_integer().map(Some),
            _ => Ok(if self.eat("all") { None } else { Some(1) }),
        }
    }

    fn discard(&mut self) -> Result<Statement> {
        self.expect("discard")?;
        let choices = [
            ("all", Discard::All),
            ("plans", Discard::Plans),
            ("sequences", Discard::Sequences),
            ("temporary", Discard::Temporary),
            ("temp", Discard::Temporary),
        ];
        match choices.into_iter().find(|(words, _)| self.eat(words)) {
            Some((_, what)) => Ok(Statement::Discard(what)),
            None => self.unexpected(),
        }
    }
}

/// For the first word of a statement that is known but not supported: how many words name it at most.
fn unsupported_words(word: &str) -> Option<usize> {
    match word {
        "analyze" | "analyse" | "vacuum" | "cluster" | "checkpoint" | "grant" | "revoke" | "listen"
        | "notify" | "unlisten" | "lock" | "load" | "do" | "call" | "merge" | "acknowledge" | "terminate"
        | "pause" | "resume" | "flush" => Some(1),
        "reindex" | "reassign" | "security" => Some(2),
        "refresh" | "import" => Some(3),
        _ => None,
    }
}
