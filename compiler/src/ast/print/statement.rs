//! Statements as text.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Truncate(Truncate { tables, restart_identity, cascade, position: _ }) => {
                self.text("TRUNCATE ");
                self.list(tables, Self::name);
                self.when(*restart_identity, " RESTART IDENTITY");
                self.when(*cascade, " CASCADE");
            }
            Statement::Copy(copy) => self.copy(copy),
            Statement::CreateSchema(CreateSchema { name, if_not_exists, position: _ }) => {
                self.text("CREATE SCHEMA ");
                self.when(*if_not_exists, "IF NOT EXISTS ");
                self.ident(name);
            }
            Statement::CreateTable(create) => self.create_table(create),
            Statement::CreateStream(create) => self.create_stream(create),
            Statement::CreateView(create) => self.create_view(create),
            Statement::CreateIndex(create) => self.create_index(create),
            Statement::CreateSequence(create) => self.create_sequence(create),
            Statement::Drop(Drop { kind, names, if_exists, cascade, position: _ }) => {
                self.text("DROP ");
                self.text(kind.words());
                self.text(" ");
                self.when(*if_exists, "IF EXISTS ");
                self.list(names, Self::name);
                self.when(*cascade, " CASCADE");
            }
            Statement::Alter(alter) => self.alter(alter),
            Statement::Comment(Comment { kind, name, text, position: _ }) => {
                self.text("COMMENT ON ");
                self.text(kind.words());
                self.text(" ");
                self.name(name);
                self.text(" IS ");
                match text {
                    Some(text) => self.string(text),
                    None => self.text("NULL"),
                }
            }
            Statement::Subscribe(subscribe) => self.subscribe(subscribe),
            Statement::Explain(explain) => self.explain(explain),
            Statement::Prepare(prepare) => {
                let Prepare { name, types, statement, range: _ } = &**prepare;
                self.text("PREPARE ");
                self.ident(name);
                if !types.is_empty() {
                    self.text(" (");
                    self.list(types, Self::type_name);
                    self.text(")");
                }
                self.text(" AS ");
                self.statement(statement);
            }
            Statement::Execute(Execute { name, args }) => {
                self.text("EXECUTE ");
                self.ident(name);
                if !args.is_empty() {
                    self.row(args);
                }
            }
            Statement::Declare(declare) => self.declare(declare),
            Statement::Fetch(fetch) => self.fetch(fetch),
            Statement::Unsupported { what, position: _ } => self.text(what),
            session => self.session(session),
        }
    }

    /// Statements about the session's own state.
    fn session(&mut self, statement: &Statement) {
        match statement {
            Statement::Show(Show::All) => self.text("SHOW ALL"),
            Statement::Show(Show::Parameter(name)) => {
                self.text("SHOW ");
                self.parameter(name);
            }
            Statement::Set(Set { local, parameter, value }) => {
                self.text(if *local { "SET LOCAL " } else { "SET " });
                self.parameter(parameter);
                match value {
                    SetValue::Default => self.text(" TO DEFAULT"),
                    SetValue::Values(values) => {
                        self.text(" TO ");
                        self.list(values, |p, value| p.string(value));
                    }
                }
            }
            Statement::SetTransaction(SetTransaction { session, modes, position: _ }) => {
                self.text(if *session {
                    "SET SESSION CHARACTERISTICS AS TRANSACTION"
                } else {
                    "SET TRANSACTION"
                });
                self.transaction_modes(modes);
            }
            Statement::Reset(parameter) => {
                self.text("RESET ");
                match parameter {
                    Some(name) => self.parameter(name),
                    None => self.text("ALL"),
                }
            }
            Statement::Begin(modes) => {
                self.text("BEGIN");
                self.transaction_modes(modes);
            }
            Statement::Commit { chain } => {
                self.text(if *chain { "COMMIT AND CHAIN" } else { "COMMIT" });
            }
            Statement::Rollback { chain } => {
                self.text(if *chain { "ROLLBACK AND CHAIN" } else { "ROLLBACK" });
            }
            Statement::Savepoint(name) => self.named("SAVEPOINT ", Some(name)),
            Statement::Release(name) => self.named("RELEASE SAVEPOINT ", Some(name)),
            Statement::RollbackTo(name) => self.named("ROLLBACK TO SAVEPOINT ", Some(name)),
            Statement::Deallocate(name) => self.named("DEALLOCATE ", name.as_ref()),
            Statement::Close(name) => self.named("CLOSE ", name.as_ref()),
            Statement::Discard(what) => self.text(match what {
                Discard::All => "DISCARD ALL",
                Discard::Plans => "DISCARD PLANS",
                Discard::Sequences => "DISCARD SEQUENCES",
                Discard::Temporary => "DISCARD TEMPORARY",
            }),
            _ => unreachable!("invariant: statement() prints all others"),
        }
    }

    fn named(&mut self, words: &str, name: Option<&Ident>) {
        self.text(words);
        match name {
            Some(name) => self.ident(name),
            None => self.text("ALL"),
        }
    }

    /// A parameter's name, whose dots separate words.
    fn parameter(&mut self, name: &Ident) {
        let words: Vec<&str> = name.name.split('.').collect();
        self.separated(&words, ".", |p, word| p.word(word));
    }

    fn transaction_modes(&mut self, modes: &TransactionModes) {
        let TransactionModes { isolation, read_only, deferrable } = modes;
        let mut words = Vec::new();
        words.extend(isolation.map(|isolation| match isolation {
            Isolation::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
            Isolation::ReadCommitted => "ISOLATION LEVEL READ COMMITTED",
            Isolation::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => "ISOLATION LEVEL SERIALIZABLE",
        }));
        words.extend(read_only.map(|yes| if yes { "READ ONLY" } else { "READ WRITE" }));
        words.extend(deferrable.map(|yes| if yes { "DEFERRABLE" } else { "NOT DEFERRABLE" }));
        self.when(!words.is_empty(), " ");
        self.list(&words, |p, word| p.text(word));
    }
}

/// Rows that are written.
impl Printer<'_> {
    fn insert(&mut self, insert: &Insert) {
        let Insert { with, table, alias, columns, overriding, source, on_conflict, returning, position: _ } =
            insert;
        self.with(with.as_ref());
        self.text("INSERT INTO ");
        self.name(table);
        if let Some(alias) = alias {
            self.text(" AS ");
            self.ident(alias);
        }
        if !columns.is_empty() {
            self.text(" ");
            self.targets(columns);
        }
        match overriding {
            Some(Overriding::System) => self.text(" OVERRIDING SYSTEM VALUE"),
            Some(Overriding::User) => self.text(" OVERRIDING USER VALUE"),
            None => {}
        }
        match source {
            InsertSource::DefaultValues => self.text(" DEFAULT VALUES"),
            InsertSource::Query(query) => {
                self.text(" ");
                self.query(query);
            }
        }
        if let Some(on_conflict) = on_conflict {
            self.on_conflict(on_conflict);
        }
        self.returning(returning);
    }

    fn on_conflict(&mut self, OnConflict { target, action, position: _ }: &OnConflict) {
        self.text(" ON CONFLICT");
        match target {
            None => {}
            Some(ConflictTarget::Constraint(name)) => {
                self.text(" ON CONSTRAINT ");
                self.ident(name);
            }
            Some(ConflictTarget::Keys { keys, filter }) => {
                self.text(" ");
                self.index_keys(keys);
                self.filter(" WHERE ", filter.as_ref());
            }
        }
        match action {
            ConflictAction::Nothing => self.text(" DO NOTHING"),
            ConflictAction::Update { assignments, filter } => {
                self.text(" DO UPDATE SET ");
                self.list(assignments, Self::assignment);
                self.filter(" WHERE ", filter.as_ref());
            }
        }
    }

    fn update(&mut self, update: &Update) {
        let Update { with, table, only, alias, assignments, from, filter, returning, position: _ } = update;
        self.with(with.as_ref());
        self.text("UPDATE ");
        self.changed_table(table, *only, alias.as_ref());
        self.text(" SET ");
        self.list(assignments, Self::assignment);
        self.from_clause(" FROM ", from);
        self.condition(filter.as_ref());
        self.returning(returning);
    }

    fn delete(&mut self, delete: &Delete) {
        let Delete { with, table, only, alias, using, filter, returning, position: _ } = delete;
        self.with(with.as_ref());
        self.text("DELETE FROM ");
        self.changed_table(table, *only, alias.as_ref());
        self.from_clause(" USING ", using);
        self.condition(filter.as_ref());
        self.returning(returning);
    }

    fn changed_table(&mut self, table: &Name, only: bool, alias: Option<&Ident>) {
        self.when(only, "ONLY ");
        self.name(table);
        if let Some(alias) = alias {
            self.text(" AS ");
            self.ident(alias);
        }
    }

    fn condition(&mut self, condition: Option<&Condition>) {
        match condition {
            None => {}
            Some(Condition::Expr(expr)) => self.filter(" WHERE ", Some(expr)),
            Some(Condition::CurrentOf(cursor)) => {
                self.text(" WHERE CURRENT OF ");
                self.ident(cursor);
            }
        }
    }

    fn returning(&mut self, items: &[SelectItem]) {
        self.when(!items.is_empty(), " RETURNING ");
        self.list(items, Self::select_item);
    }

    fn assignment(&mut self, assignment: &Assignment) {
        let value = match assignment {
            Assignment::Column { target, value } => {
                self.target(target);
                value
            }
            Assignment::Columns { targets, value } => {
                self.targets(targets);
                value
            }
        };
        self.text(" = ");
        self.expr(value);
    }

    fn targets(&mut self, targets: &[Target]) {
        self.text("(");
        self.list(targets, Self::target);
        self.text(")");
    }

    fn target(&mut self, Target { column, path }: &Target) {
        self.ident(column);
        self.steps(path);
    }

    fn copy(&mut self, Copy { source, direction, options, filter, position: _ }: &Copy) {
        self.text("COPY ");
        match source {
            CopySource::Relation { name, columns } => {
                self.name(name);
                self.columns(columns);
            }
            CopySource::Query(query) => self.subquery(query),
            CopySource::Subscribe(subscribe) => {
                self.text("(");
                self.subscribe(subscribe);
                self.text(")");
            }
            CopySource::Statement(statement) => {
                self.text("(");
                self.statement(statement);
                self.text(")");
            }
        }
        let (words, path) = match direction {
            CopyDirection::FromStdin => (" FROM STDIN", None),
            CopyDirection::ToStdout => (" TO STDOUT", None),
            CopyDirection::FromFile(path) => (" FROM ", Some(path)),
            CopyDirection::ToFile(path) => (" TO ", Some(path)),
            CopyDirection::FromProgram(command) => (" FROM PROGRAM ", Some(command)),
            CopyDirection::ToProgram(command) => (" TO PROGRAM ", Some(command)),
        };
        self.text(words);
        path.iter().for_each(|path| self.string(path));
        if !options.is_empty() {
            self.text(" WITH (");
            self.list(options, |p, option| p.option(option, " "));
            self.text(")");
        }
        self.filter(" WHERE ", filter.as_ref());
    }
}

/// Options.
impl Printer<'_> {
    pub(super) fn with_options(&mut self, options: &[Opt]) {
        if !options.is_empty() {
            self.text(" WITH (");
            self.list(options, |p, option| p.option(option, " = "));
            self.text(")");
        }
    }

    fn option(&mut self, Opt { name, value }: &Opt, between: &str) {
        let dotted = name.name.split('.').all(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$'))
        });
        if dotted {
            self.text(&name.name)
        } else {
            self.string(&name.name)
        }
        if let Some(value) = value {
            self.text(between);
            self.option_value(value);
        }
    }

    pub(super) fn option_value(&mut self, value: &OptValue) {
        match value {
            OptValue::Word(word) => self.ident(word),
            OptValue::String(text, _) => self.string(text),
            OptValue::Number(text, _) => self.text(text),
            OptValue::Star(_) => self.text("*"),
            OptValue::List(values, _) => {
                self.text("(");
                self.list(values, Self::option_value);
                self.text(")");
            }
        }
    }
}

/// Reading in other ways than by a query.
impl Printer<'_> {
    fn subscribe(&mut self, subscribe: &Subscribe) {
        let Subscribe { to, envelope, order, options, as_of, up_to, position: _ } = subscribe;
        self.text("SUBSCRIBE ");
        match to {
            Subject::Relation(name) => {
                self.text("TO ");
                self.name(name);
            }
            Subject::Query(query) => self.subquery(query),
        }
        if let Some(Envelope { kind, key }) = envelope {
            self.text(" ENVELOPE ");
            self.text(&kind.name.to_ascii_uppercase());
            self.text(" (KEY ");
            self.column_list(key);
            self.text(")");
        }
        self.order_by_clause(" WITHIN TIMESTAMP ORDER BY ", order);
        self.with_options(options);
        self.filter(" AS OF ", as_of.as_ref());
        self.filter(" UP TO ", up_to.as_ref());
    }

    fn explain(&mut self, Explain { stage, options, of, position: _ }: &Explain) {
        self.text("EXPLAIN ");
        self.text(match stage {
            None => "",
            Some(Stage::Raw) => "RAW ",
            Some(Stage::Decorrelated) => "DECORRELATED ",
            Some(Stage::Optimized) => "OPTIMIZED ",
            Some(Stage::Physical) => "PHYSICAL ",
        });
        if !options.is_empty() {
            self.text("(");
            self.list(options, |p, option| p.option(option, " "));
            self.text(") ");
        }
        match of {
            ExplainOf::Statement(statement) => self.statement(statement),
            ExplainOf::Item { kind, name } => {
                self.text(kind.words());
                self.text(" ");
                self.name(name);
            }
        }
    }

    fn declare(&mut self, declare: &Declare) {
        let Declare { name, binary, insensitive, scroll, hold, body, range: _, position: _ } = declare;
        self.text("DECLARE ");
        self.ident(name);
        self.when(*binary, " BINARY");
        self.when(*insensitive, " INSENSITIVE");
        match scroll {
            Some(true) => self.text(" SCROLL"),
            Some(false) => self.text(" NO SCROLL"),
            None => {}
        }
        self.text(" CURSOR");
        self.when(*hold, " WITH HOLD");
        self.text(" FOR ");
        match body {
            CursorBody::Query(query) => self.query(query),
            CursorBody::Subscribe(subscribe) => self.subscribe(subscribe),
        }
    }

    fn fetch(&mut self, Fetch { moves, direction, cursor, options, position: _ }: &Fetch) {
        self.text(if *moves { "MOVE " } else { "FETCH " });
        let (words, count) = match *direction {
            FetchDirection::Forward(None) => ("FORWARD ALL", None),
            FetchDirection::Forward(count) => ("FORWARD ", count),
            FetchDirection::Backward(None) => ("BACKWARD ALL", None),
            FetchDirection::Backward(count) => ("BACKWARD ", count),
            FetchDirection::First => ("FIRST", None),
            FetchDirection::Last => ("LAST", None),
            FetchDirection::Absolute(count) => ("ABSOLUTE ", Some(count)),
            FetchDirection::Relative(count) => ("RELATIVE ", Some(count)),
        };
        self.text(words);
        count.iter().for_each(|count| self.number(count));
        self.text(" FROM ");
        self.ident(cursor);
        self.with_options(options);
    }
}
