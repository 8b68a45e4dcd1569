//! Definitions as text.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn create_table(&mut self, create: &CreateTable) {
        let CreateTable {
            name,
            if_not_exists,
            persistence,
            columns,
            constraints,
            like,
            options,
            body,
            position: _,
        } = create;
        self.text("CREATE ");
        if let Some(word) = persistence {
            self.text(&word.name.to_ascii_uppercase());
            self.text(" ");
        }
        self.text("TABLE ");
        self.when(*if_not_exists, "IF NOT EXISTS ");
        self.name(name);
        match body {
            TableBody::Declared => {
                self.text(" ");
                self.table_elements(columns, constraints, like);
                self.with_options(options);
            }
            TableBody::As { columns, query, with_data } => {
                self.columns(columns);
                self.with_options(options);
                self.text(" AS ");
                self.query(query);
                self.when(!with_data, " WITH NO DATA");
            }
            TableBody::LatestOf { stream, key } => {
                self.text(" FROM LATEST OF ");
                self.name(stream);
                self.text(" KEY ");
                self.column_list(key);
                self.with_options(options);
            }
        }
    }

    fn table_elements(
        &mut self,
        columns: &[ColumnDefinition],
        constraints: &[TableConstraint],
        like: &[Name],
    ) {
        self.text("(");
        self.list(columns, Self::column_definition);
        self.when(!columns.is_empty() && !constraints.is_empty(), ", ");
        self.list(constraints, Self::table_constraint);
        self.when(!(like.is_empty() || columns.is_empty() && constraints.is_empty()), ", ");
        self.list(like, |p, table| {
            p.text("LIKE ");
            p.name(table);
        });
        self.text(")");
    }

    pub(super) fn column_definition(&mut self, column: &ColumnDefinition) {
        let ColumnDefinition { name, data_type, collation, constraints } = column;
        self.ident(name);
        self.text(" ");
        self.type_name(data_type);
        if let Some(collation) = collation {
            self.text(" COLLATE ");
            self.name(collation);
        }
        for constraint in constraints {
            self.column_constraint(constraint);
        }
    }

    pub(super) fn alter(&mut self, Alter { kind, name, if_exists, actions, position: _ }: &Alter) {
        self.text("ALTER ");
        self.text(kind.words());
        self.text(" ");
        self.when(*if_exists, "IF EXISTS ");
        self.name(name);
        self.text(" ");
        self.list(actions, Self::alter_action);
    }

    fn alter_action(&mut self, action: &AlterAction) {
        let mut rename = |what: &str, from: &Ident, to: &Ident| {
            self.text(what);
            self.ident(from);
            self.text(" TO ");
            self.ident(to);
        };
        match action {
            AlterAction::RenameColumn { column, to } => rename("RENAME COLUMN ", column, to),
            AlterAction::RenameConstraint { constraint, to } => rename("RENAME CONSTRAINT ", constraint, to),
            AlterAction::RenameTo(to) => {
                self.text("RENAME TO ");
                self.ident(to);
            }
            AlterAction::SetSchema(schema) => {
                self.text("SET SCHEMA ");
                self.ident(schema);
            }
            AlterAction::AddColumn { column, if_not_exists } => {
                self.text("ADD COLUMN ");
                self.when(*if_not_exists, "IF NOT EXISTS ");
                self.column_definition(column);
            }
            AlterAction::DropColumn { column: name, if_exists, cascade } => {
                self.text("DROP COLUMN ");
                self.dropped(name, *if_exists, *cascade);
            }
            AlterAction::DropConstraint { constraint, if_exists, cascade } => {
                self.text("DROP CONSTRAINT ");
                self.dropped(constraint, *if_exists, *cascade);
            }
            AlterAction::SetDefault { column, default } => {
                self.altered_column(column);
                match default {
                    Some(default) => {
                        self.text("SET DEFAULT ");
                        self.expr(default);
                    }
                    None => self.text("DROP DEFAULT"),
                }
            }
            AlterAction::SetNotNull { column, not_null } => {
                self.altered_column(column);
                self.text(if *not_null { "SET NOT NULL" } else { "DROP NOT NULL" });
            }
            AlterAction::SetType { column, data_type, using, position: _ } => {
                self.altered_column(column);
                self.text("TYPE ");
                self.type_name(data_type);
                if let Some(using) = using {
                    self.text(" USING ");
                    self.expr(using);
                }
            }
            AlterAction::AddConstraint(constraint) => {
                self.text("ADD ");
                self.table_constraint(constraint);
            }
            AlterAction::Sequence(options) => self.separated(options, " ", Self::sequence_option),
            AlterAction::AddIdentity { column, always, options } => {
                self.altered_column(column);
                self.text(if *always { "ADD GENERATED ALWAYS" } else { "ADD GENERATED BY DEFAULT" });
                self.text(" AS IDENTITY");
                self.identity_options(options);
            }
            AlterAction::AlterIdentity { column, always, options } => {
                self.altered_column(column);
                if let Some(always) = always {
                    self.text(if *always { "SET GENERATED ALWAYS" } else { "SET GENERATED BY DEFAULT" });
                    self.when(!options.is_empty(), " ");
                }
                self.separated(options, " ", |p, option| {
                    p.when(!matches!(option.kind, SequenceOptionKind::Restart(_)), "SET ");
                    p.sequence_option(option);
                });
            }
            AlterAction::DropIdentity { column, if_exists } => {
                self.altered_column(column);
                self.text("DROP IDENTITY");
                self.when(*if_exists, " IF EXISTS");
            }
            AlterAction::Unsupported { what, position: _ } => self.text(what),
        }
    }

    fn altered_column(&mut self, column: &Ident) {
        self.text("ALTER COLUMN ");
        self.ident(column);
        self.text(" ");
    }

    fn dropped(&mut self, name: &Ident, if_exists: bool, cascade: bool) {
        self.when(if_exists, "IF EXISTS ");
        self.ident(name);
        self.when(cascade, " CASCADE");
    }

    fn constraint_name(&mut self, name: Option<&Ident>) {
        if let Some(name) = name {
            self.text("CONSTRAINT ");
            self.ident(name);
            self.text(" ");
        }
    }

    fn column_constraint(&mut self, ColumnConstraint { name, kind, position: _ }: &ColumnConstraint) {
        self.text(" ");
        self.constraint_name(name.as_ref());
        match kind {
            ColumnConstraintKind::NotNull => self.text("NOT NULL"),
            ColumnConstraintKind::Null => self.text("NULL"),
            ColumnConstraintKind::Default(expr) => {
                self.text("DEFAULT ");
                self.operand(expr);
            }
            ColumnConstraintKind::PrimaryKey => self.text("PRIMARY KEY"),
            ColumnConstraintKind::Unique { nulls_not_distinct } => {
                self.text(if *nulls_not_distinct { "UNIQUE NULLS NOT DISTINCT" } else { "UNIQUE" });
            }
            ColumnConstraintKind::Check(expr) => self.check(expr),
            ColumnConstraintKind::References(references) => self.references(references),
            ColumnConstraintKind::Generated(expr) => {
                self.text("GENERATED ALWAYS AS (");
                self.expr(expr);
                self.text(") STORED");
            }
            ColumnConstraintKind::Identity { always, options } => {
                self.text(if *always { "GENERATED ALWAYS" } else { "GENERATED BY DEFAULT" });
                self.text(" AS IDENTITY");
                self.identity_options(options);
            }
        }
    }

    pub(super) fn create_sequence(&mut self, create: &CreateSequence) {
        let CreateSequence { name, if_not_exists, persistence, options, position: _ } = create;
        self.text("CREATE ");
        if let Some(persistence) = persistence {
            self.text(&persistence.name.to_ascii_uppercase());
            self.text(" ");
        }
        self.text("SEQUENCE ");
        self.when(*if_not_exists, "IF NOT EXISTS ");
        self.name(name);
        self.when(!options.is_empty(), " ");
        self.separated(options, " ", Self::sequence_option);
    }

    fn identity_options(&mut self, options: &[SequenceOption]) {
        if !options.is_empty() {
            self.text(" (");
            self.separated(options, " ", Self::sequence_option);
            self.text(")");
        }
    }

    fn sequence_option(&mut self, option: &SequenceOption) {
        let mut number = |word: &str, number: &Option<String>| {
            self.when(number.is_none() && word != "RESTART", "NO ");
            self.text(word);
            self.when(number.is_some(), " ");
            self.text(number.as_deref().unwrap_or_default());
        };
        match &option.kind {
            SequenceOptionKind::As(typ) => {
                self.text("AS ");
                self.type_name(typ);
            }
            SequenceOptionKind::Increment(by) => number("INCREMENT", &Some(by.clone())),
            SequenceOptionKind::MinValue(value) => number("MINVALUE", value),
            SequenceOptionKind::MaxValue(value) => number("MAXVALUE", value),
            SequenceOptionKind::Start(with) => number("START", &Some(with.clone())),
            SequenceOptionKind::Restart(with) => number("RESTART", with),
            SequenceOptionKind::Cache(values) => number("CACHE", &Some(values.clone())),
            SequenceOptionKind::Cycle(cycle) => self.text(if *cycle { "CYCLE" } else { "NO CYCLE" }),
            SequenceOptionKind::OwnedBy(None) => self.text("OWNED BY NONE"),
            SequenceOptionKind::OwnedBy(Some(name)) => {
                self.text("OWNED BY ");
                self.name(name);
            }
            SequenceOptionKind::Name(name) => {
                self.text("SEQUENCE NAME ");
                self.name(name);
            }
        }
    }

    fn check(&mut self, expr: &Expr) {
        self.text("CHECK (");
        self.expr(expr);
        self.text(")");
    }

    fn references(&mut self, References { table, columns, actions }: &References) {
        self.text("REFERENCES ");
        self.name(table);
        self.columns(columns);
        self.when(!actions.is_empty(), " ");
        self.text(actions);
    }

    fn table_constraint(&mut self, TableConstraint { name, kind, position: _ }: &TableConstraint) {
        self.constraint_name(name.as_ref());
        match kind {
            TableConstraintKind::PrimaryKey(columns) => {
                self.text("PRIMARY KEY");
                self.columns(columns);
            }
            TableConstraintKind::Unique { columns, nulls_not_distinct } => {
                self.text(if *nulls_not_distinct { "UNIQUE NULLS NOT DISTINCT" } else { "UNIQUE" });
                self.columns(columns);
            }
            TableConstraintKind::Check(expr) => self.check(expr),
            TableConstraintKind::ForeignKey { columns, references } => {
                self.text("FOREIGN KEY");
                self.columns(columns);
                self.text(" ");
                self.references(references);
            }
        }
    }

    pub(super) fn create_stream(&mut self, create: &CreateStream) {
        let CreateStream {
            name,
            or_replace,
            if_not_exists,
            columns,
            constraints,
            options,
            body,
            position: _,
        } = create;
        self.text("CREATE ");
        self.when(*or_replace, "OR REPLACE ");
        self.text("STREAM ");
        self.when(*if_not_exists, "IF NOT EXISTS ");
        self.name(name);
        if !columns.is_empty() || !constraints.is_empty() {
            self.text(" ");
            self.table_elements(columns, constraints, &[]);
        }
        if let StreamBody::ChangesOf(relation) = body {
            self.text(" FROM CHANGES OF ");
            self.name(relation);
        }
        self.with_options(options);
        if let StreamBody::As(query) = body {
            self.text(" AS ");
            self.query(query);
        }
    }

    pub(super) fn create_view(&mut self, create: &CreateView) {
        let CreateView {
            name,
            materialized,
            or_replace,
            if_not_exists,
            temporary,
            columns,
            options,
            query,
            with_data,
            check_option,
            position: _,
        } = create;
        self.text("CREATE ");
        self.when(*or_replace, "OR REPLACE ");
        self.when(*temporary, "TEMPORARY ");
        self.text(if *materialized { "MATERIALIZED VIEW " } else { "VIEW " });
        self.when(*if_not_exists, "IF NOT EXISTS ");
        self.name(name);
        self.columns(columns);
        self.with_options(options);
        self.text(" AS ");
        self.query(query);
        self.when(!with_data, " WITH NO DATA");
        if let Some(check) = check_option {
            self.text(" WITH ");
            self.text(&check.name.to_ascii_uppercase());
            self.text(" CHECK OPTION");
        }
    }

    pub(super) fn create_index(&mut self, create: &CreateIndex) {
        let CreateIndex {
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
            position: _,
        } = create;
        self.text(if *unique { "CREATE UNIQUE INDEX " } else { "CREATE INDEX " });
        self.when(*concurrently, "CONCURRENTLY ");
        self.when(*if_not_exists, "IF NOT EXISTS ");
        if let Some(name) = name {
            self.ident(name);
            self.text(" ");
        }
        self.text("ON ");
        self.name(on);
        if let Some(method) = method {
            self.text(" USING ");
            self.ident(method);
        }
        self.text(" ");
        self.index_keys(keys);
        if !include.is_empty() {
            self.text(" INCLUDE");
            self.columns(include);
        }
        self.when(*nulls_not_distinct, " NULLS NOT DISTINCT");
        self.with_options(options);
        self.filter(" WHERE ", filter.as_ref());
    }

    pub(super) fn index_keys(&mut self, keys: &[IndexKey]) {
        self.text("(");
        self.list(keys, |p, key| {
            let IndexKey { expr, collation, operator_class, direction, nulls } = key;
            let bare = matches!(&expr.kind, ExprKind::Column(name) if name.parts.len() == 1);
            p.when(!bare, "(");
            p.expr(expr);
            p.when(!bare, ")");
            if let Some(collation) = collation {
                p.text(" COLLATE ");
                p.name(collation);
            }
            if let Some(class) = operator_class {
                p.text(" ");
                p.name(class);
            }
            p.ordering(direction, *nulls);
        });
        self.text(")");
    }
}
