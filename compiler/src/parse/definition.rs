//! CREATE, DROP and COMMENT.

use super::cursor::{Parser, Result};
use crate::ast::*;
use crate::error::Error;

impl Parser<'_> {
    pub fn create(&mut self) -> Result<Statement> {
        let position = self.position();
        let start = self.mark();
        self.expect("create")?;
        let or_replace = self.eat("or replace");
        let persistence = self.persistence()?;
        let recursive = self.eat("recursive");
        let unique = self.eat("unique");
        match self.word() {
            Some("schema" | "table" | "index") if or_replace => self.unexpected(),
            Some("schema") => self.create_schema(position),
            Some("table") => self.create_table(persistence, position),
            Some("stream") => self.create_stream(or_replace, position),
            Some("view") => self.create_view(or_replace, persistence.is_some(), recursive, position),
            Some("materialized") => self.create_materialized_view(or_replace, position),
            Some("index") => self.create_index(unique, position),
            Some("sequence") if !or_replace => self.create_sequence(persistence, position),
            Some(_) => {
                self.rewind(start);
                self.refuse_definition(position)
            }
            None => self.unexpected(),
        }
    }

    /// TEMPORARY or UNLOGGED.
    fn persistence(&mut self) -> Result<Option<Ident>> {
        if self.is_one_of(&["local", "global"]) {
            self.advance();
        }
        match self.is_one_of(&["temp", "temporary", "unlogged"]) {
            true => self.label().map(Some),
            false => Ok(None),
        }
    }

    /// A definition of what is not supported: CREATE FUNCTION, DROP ROLE, CREATE SINK CONNECTOR ..
    pub fn refuse_definition(&mut self, position: u32) -> Result<Statement> {
        let mut object = 1;
        let adjectives =
            ["or", "replace", "trusted", "procedural", "constraint", "event", "foreign", "default"];
        while self.word_at(object).is_some_and(|word| adjectives.contains(&word)) {
            object += 1;
        }
        let two_words = ["source", "sink", "text", "user", "access", "operator", "data"];
        let objects = [
            "access",
            "aggregate",
            "cast",
            "collation",
            "connector",
            "conversion",
            "database",
            "data",
            "domain",
            "extension",
            "function",
            "group",
            "language",
            "operator",
            "policy",
            "procedure",
            "publication",
            "role",
            "routine",
            "rule",
            "server",
            "source",
            "sink",
            "statistics",
            "subscription",
            "table",
            "tablespace",
            "text",
            "transform",
            "trigger",
            "type",
            "user",
            "wrapper",
            "owned",
            "secret",
            "cluster",
        ];
        match self.word_at(object) {
            Some(word) if objects.contains(&word) => {
                let second = ["connector", "search", "mapping", "method", "class", "family", "wrapper"];
                let more = two_words.contains(&word)
                    && self.word_at(object + 1).is_some_and(|next| second.contains(&next));
                self.unsupported(object + 1 + usize::from(more), position)
            }
            _ => {
                (0..object).for_each(|_| self.advance());
                self.unexpected()
            }
        }
    }

    pub fn if_not_exists(&mut self) -> Result<bool> {
        if !self.eat("if") {
            return Ok(false);
        }
        self.expect("not exists")?;
        Ok(true)
    }

    fn create_schema(&mut self, position: u32) -> Result<Statement> {
        self.expect("schema")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.column_ident()?;
        if self.is("authorization") {
            return Err(
                Error::unsupported("CREATE SCHEMA ... AUTHORIZATION is not supported").at(self.position())
            );
        }
        Ok(Statement::CreateSchema(CreateSchema { name, if_not_exists, position }))
    }
}

/// Tables and streams.
impl Parser<'_> {
    fn create_table(&mut self, persistence: Option<Ident>, position: u32) -> Result<Statement> {
        self.expect("table")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.name()?;
        let mut create = CreateTable {
            name,
            if_not_exists,
            persistence,
            columns: Vec::new(),
            constraints: Vec::new(),
            like: Vec::new(),
            options: Vec::new(),
            body: TableBody::Declared,
            position,
        };
        if self.eat("from latest of") {
            let stream = self.name()?;
            self.expect("key")?;
            create.body = TableBody::LatestOf { stream, key: self.column_list()? };
            create.options = self.with_options()?;
            return Ok(Statement::CreateTable(Box::new(create)));
        }
        self.refuse_clauses(&["of", "partition"])?;
        let names_only = self.is_symbol("(")
            && self.is_column_ident(1)
            && (self.is_symbol_at(2, ",") || self.is_symbol_at(2, ")"));
        let (mut columns, mut declared) = (Vec::new(), false);
        if names_only {
            columns = self.column_list()?;
        } else if self.is_symbol("(") {
            (create.columns, create.constraints, create.like) = self.table_elements()?;
            declared = true;
        } else if !self.is_one_of(&["as", "with", "using", "on", "tablespace"]) {
            return self.unexpected();
        }
        self.refuse_clauses(&["inherits", "partition", "using"])?;
        create.options = self.with_options()?;
        self.eat("without oids");
        self.refuse_clauses(&["on", "tablespace"])?;
        if declared {
            return Ok(Statement::CreateTable(Box::new(create)));
        }
        self.expect("as")?;
        self.refuse_clauses(&["execute"])?;
        let query = self.query()?;
        let with_data = self.with_data();
        create.body = TableBody::As { columns, query, with_data };
        Ok(Statement::CreateTable(Box::new(create)))
    }

    /// Clauses of PostgreSQL that are refused by name.
    fn refuse_clauses(&mut self, words: &[&str]) -> Result<()> {
        if !self.is_one_of(words) {
            return Ok(());
        }
        let what = match self.word().unwrap_or_default() {
            "of" => "typed tables are not supported",
            "partition" => "partitioned tables are not supported",
            "inherits" => "table inheritance is not supported",
            "using" => "table access methods are not supported",
            "on" => "ON COMMIT is not supported",
            "tablespace" => "tablespaces are not supported",
            _ => "CREATE TABLE ... AS EXECUTE is not supported",
        };
        Err(Error::unsupported(what).at(self.position()))
    }

    /// `WITH [NO] DATA`; true unless NO.
    fn with_data(&mut self) -> bool {
        if self.eat("with no data") {
            return false;
        }
        self.eat("with data");
        true
    }

    #[allow(clippy::type_complexity)] // Three lists, taken apart at once by both callers.
    fn table_elements(&mut self) -> Result<(Vec<ColumnDefinition>, Vec<TableConstraint>, Vec<Name>)> {
        let (mut columns, mut constraints, mut like) = (Vec::new(), Vec::new(), Vec::new());
        self.expect_symbol("(")?;
        if self.eat_symbol(")") {
            return Ok((columns, constraints, like));
        }
        self.comma_separated(|p| {
            if p.eat("like") {
                like.push(p.name()?);
                return p.refuse_like_options();
            }
            match p.table_constraint()? {
                Some(constraint) => constraints.push(constraint),
                None => columns.push(p.column_definition()?),
            }
            Ok(())
        })?;
        self.expect_symbol(")")?;
        Ok((columns, constraints, like))
    }

    fn refuse_like_options(&mut self) -> Result<()> {
        if self.is_one_of(&["including", "excluding"]) {
            return Err(Error::unsupported("LIKE ... INCLUDING is not supported").at(self.position()));
        }
        Ok(())
    }

    pub fn column_definition(&mut self) -> Result<ColumnDefinition> {
        let name = self.column_ident()?;
        let data_type = self.type_name()?;
        let mut column = ColumnDefinition { name, data_type, collation: None, constraints: Vec::new() };
        loop {
            if self.eat("collate") {
                column.collation = Some(self.name()?);
            } else if let Some(constraint) = self.column_constraint()? {
                column.constraints.push(constraint);
            } else if !self.constraint_timing()? {
                return Ok(column);
            }
        }
    }

    fn constraint_name(&mut self) -> Result<Option<Ident>> {
        if self.eat("constraint") { self.column_ident().map(Some) } else { Ok(None) }
    }

    /// When a constraint is checked: only at once.
    fn constraint_timing(&mut self) -> Result<bool> {
        if self.eat("not deferrable") || self.eat("initially immediate") {
            return Ok(true);
        }
        if self.is("deferrable") || self.are("initially deferred") {
            return Err(Error::unsupported("deferrable constraints are not supported").at(self.position()));
        }
        Ok(false)
    }

    fn column_constraint(&mut self) -> Result<Option<ColumnConstraint>> {
        let position = self.position();
        let name = self.constraint_name()?;
        let kind = if self.eat("not null") {
            ColumnConstraintKind::NotNull
        } else if self.eat("null") {
            ColumnConstraintKind::Null
        } else if self.eat("default") {
            ColumnConstraintKind::Default(self.restricted_expr()?)
        } else if self.eat("primary key") {
            ColumnConstraintKind::PrimaryKey
        } else if self.eat("unique") {
            ColumnConstraintKind::Unique { nulls_not_distinct: self.nulls_not_distinct()? }
        } else if self.eat("check") {
            ColumnConstraintKind::Check(self.check()?)
        } else if self.eat("references") {
            ColumnConstraintKind::References(self.references()?)
        } else if self.eat("generated") {
            self.generated()?
        } else if name.is_some() {
            return self.unexpected();
        } else {
            return Ok(None);
        };
        Ok(Some(ColumnConstraint { name, kind, position }))
    }

    fn nulls_not_distinct(&mut self) -> Result<bool> {
        if !self.eat("nulls") {
            return Ok(false);
        }
        let not = self.eat("not");
        self.expect("distinct")?;
        Ok(not)
    }

    fn check(&mut self) -> Result<Expr> {
        self.expect_symbol("(")?;
        let condition = self.expr()?;
        self.expect_symbol(")")?;
        self.eat("no inherit");
        Ok(condition)
    }

    fn references(&mut self) -> Result<References> {
        let table = self.name()?;
        let columns = self.optional_column_list()?;
        let mut actions = Vec::new();
        loop {
            let words = if self.eat("match") {
                let words =
                    [("full", "MATCH FULL"), ("simple", "MATCH SIMPLE"), ("partial", "MATCH PARTIAL")];
                words.into_iter().find(|(word, _)| self.eat(word)).map(|(_, words)| words.to_owned())
            } else if self.are("on delete") || self.are("on update") {
                self.advance();
                let event = self.label()?.name.to_ascii_uppercase();
                let actions = ["no action", "restrict", "cascade", "set null", "set default"];
                let action = actions.into_iter().find(|words| self.eat(words));
                action.map(|words| format!("ON {event} {}", words.to_ascii_uppercase()))
            } else {
                return Ok(References { table, columns, actions: actions.join(" ") });
            };
            match words {
                Some(words) => actions.push(words),
                None => return self.unexpected(),
            }
        }
    }

    pub fn table_constraint(&mut self) -> Result<Option<TableConstraint>> {
        let position = self.position();
        let name = self.constraint_name()?;
        let kind = if self.eat("primary key") {
            TableConstraintKind::PrimaryKey(self.column_list()?)
        } else if self.eat("unique") {
            let nulls_not_distinct = self.nulls_not_distinct()?;
            TableConstraintKind::Unique { columns: self.column_list()?, nulls_not_distinct }
        } else if self.eat("check") {
            TableConstraintKind::Check(self.check()?)
        } else if self.eat("foreign key") {
            let columns = self.column_list()?;
            self.expect("references")?;
            TableConstraintKind::ForeignKey { columns, references: self.references()? }
        } else if self.is("exclude") && (self.is_at(1, "using") || self.is_symbol_at(1, "(")) {
            return Err(Error::unsupported("exclusion constraints are not supported").at(position));
        } else if name.is_some() {
            return self.unexpected();
        } else {
            return Ok(None);
        };
        while self.constraint_timing()? {}
        Ok(Some(TableConstraint { name, kind, position }))
    }

    fn create_stream(&mut self, or_replace: bool, position: u32) -> Result<Statement> {
        self.expect("stream")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.name()?;
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        let mut body = StreamBody::Declared;
        if self.eat("from changes of") {
            body = StreamBody::ChangesOf(self.name()?);
        } else if self.is_symbol("(") {
            (columns, constraints, _) = self.table_elements()?;
        }
        let options = self.with_options()?;
        if matches!(body, StreamBody::Declared) {
            if self.eat("as") {
                body = StreamBody::As(self.query()?);
            } else if columns.is_empty() && options.is_empty() {
                return self.unexpected();
            }
        }
        let create =
            CreateStream { name, or_replace, if_not_exists, columns, constraints, options, body, position };
        Ok(Statement::CreateStream(Box::new(create)))
    }
}

/// Views and indexes.
impl Parser<'_> {
    fn create_view(
        &mut self,
        or_replace: bool,
        temporary: bool,
        recursive: bool,
        position: u32,
    ) -> Result<Statement> {
        self.expect("view")?;
        let name = self.name()?;
        let columns = if recursive { self.column_list()? } else { self.optional_column_list()? };
        let options = self.with_options()?;
        self.expect("as")?;
        let mut query = self.query()?;
        if recursive {
            query = Query::recursive(name.last(), &columns, query);
        }
        let check_option = self.check_option()?;
        let create = CreateView {
            name,
            materialized: false,
            or_replace,
            if_not_exists: false,
            temporary,
            columns,
            options,
            query,
            with_data: true,
            check_option,
            position,
        };
        Ok(Statement::CreateView(Box::new(create)))
    }

    fn check_option(&mut self) -> Result<Option<Ident>> {
        let position = self.position();
        if !self.eat("with") {
            return Ok(None);
        }
        let kind = match self.is_one_of(&["local", "cascaded"]) {
            true => self.label()?,
            false => Ident { name: "cascaded".to_owned(), position },
        };
        self.expect("check option")?;
        Ok(Some(kind))
    }

    fn create_materialized_view(&mut self, or_replace: bool, position: u32) -> Result<Statement> {
        self.expect("materialized view")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.name()?;
        let columns = self.optional_column_list()?;
        self.refuse_clauses(&["using"])?;
        let options = self.with_options()?;
        self.refuse_clauses(&["tablespace"])?;
        self.expect("as")?;
        let query = self.query()?;
        let with_data = self.with_data();
        let create = CreateView {
            name,
            materialized: true,
            or_replace,
            if_not_exists,
            temporary: false,
            columns,
            options,
            query,
            with_data,
            check_option: None,
            position,
        };
        Ok(Statement::CreateView(Box::new(create)))
    }

    fn create_index(&mut self, unique: bool, position: u32) -> Result<Statement> {
        self.expect("index")?;
        let concurrently = self.eat("concurrently");
        let if_not_exists = self.if_not_exists()?;
        let name = if self.is("on") { None } else { Some(self.column_ident()?) };
        self.expect("on")?;
        self.eat("only");
        let on = self.name()?;
        let method = if self.eat("using") { Some(self.column_ident()?) } else { None };
        let keys = self.parenthesized(Self::index_key)?;
        let include = if self.eat("include") { self.column_list()? } else { Vec::new() };
        let nulls_not_distinct = self.nulls_not_distinct()?;
        let options = self.with_options()?;
        self.refuse_clauses(&["tablespace"])?;
        let filter = if self.eat("where") { Some(self.expr()?) } else { None };
        let create = CreateIndex {
            name,
            if_not_exists,
            unique,
            concurrently,
            on,
            method,
            keys,
            include,
            nulls_not_distinct,
            options,
            filter,
            position,
        };
        Ok(Statement::CreateIndex(Box::new(create)))
    }

    /// A column, a call, or any expression in parentheses.
    pub fn index_key(&mut self) -> Result<IndexKey> {
        let column = self.is_column_ident(0) && !self.is_symbol_at(1, "(") && !self.is_symbol_at(1, ".");
        let expr = if self.eat_symbol("(") {
            let expr = self.expr()?;
            self.expect_symbol(")")?;
            expr
        } else if column {
            let name = self.column_ident()?;
            let position = name.position;
            Expr::new(ExprKind::Column(Name { parts: vec![name] }), position)
        } else if !(self.is_column_ident(0) || self.is_function_ident(0) || self.word().is_some()) {
            return self.unexpected();
        } else {
            let call = self.atom()?;
            match call.kind {
                ExprKind::Call(_) | ExprKind::Cast { .. } => call,
                _ => return self.unexpected(),
            }
        };
        let collation = if self.eat("collate") { Some(self.name()?) } else { None };
        let has_class = self.is_column_ident(0) && !self.is_one_of(&["asc", "desc", "nulls"]);
        let operator_class = if has_class { Some(self.name()?) } else { None };
        let direction = self.direction();
        let nulls = self.nulls()?;
        Ok(IndexKey { expr, collation, operator_class, direction, nulls })
    }
}

/// DROP and COMMENT.
impl Parser<'_> {
    pub fn object_kind(&mut self) -> Option<ObjectKind> {
        let kinds = [
            ObjectKind::Schema,
            ObjectKind::Table,
            ObjectKind::Stream,
            ObjectKind::View,
            ObjectKind::MaterializedView,
            ObjectKind::Index,
            ObjectKind::Sequence,
            ObjectKind::Type,
            ObjectKind::Domain,
            ObjectKind::Column,
            ObjectKind::Database,
        ];
        kinds.into_iter().find(|kind| self.eat(&kind.words().to_ascii_lowercase()))
    }

    pub fn drop_statement(&mut self) -> Result<Statement> {
        let position = self.position();
        let start = self.mark();
        self.expect("drop")?;
        let kind = match self.object_kind() {
            Some(ObjectKind::Column | ObjectKind::Database) | None => {
                self.rewind(start);
                return self.refuse_definition(position);
            }
            Some(kind) => kind,
        };
        if kind == ObjectKind::Index {
            self.eat("concurrently");
        }
        let if_exists = self.eat("if exists");
        let names = self.comma_separated(Self::name)?;
        let cascade = self.cascade();
        Ok(Statement::Drop(Drop { kind, names, if_exists, cascade, position }))
    }

    pub fn comment(&mut self) -> Result<Statement> {
        let position = self.position();
        if !self.is_at(1, "on") {
            self.advance();
            return self.unexpected();
        }
        let start = self.mark();
        self.expect("comment on")?;
        let Some(kind) = self.object_kind() else {
            self.rewind(start);
            return self.unsupported(3, position);
        };
        let name = self.name()?;
        self.expect("is")?;
        let text = if self.eat("null") { None } else { Some(self.string()?) };
        Ok(Statement::Comment(Comment { kind, name, text, position }))
    }
}
