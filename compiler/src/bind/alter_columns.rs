//! ALTER TABLE's actions on columns and constraints, gathered into one table as it is to be.
//!
//! A column's place never changes, because rows are stored by places: an added one comes last, and holds in the rows that are there
//! what its default is now; a dropped one leaves its place behind. So nothing that is stored is written again, whatever is done to a
//! table. What reads the table is compiled anew over the table as it is to be (`items::alter`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bound::{Check, Ddl, Step, scalar, whole};
use super::ddl::{OwnSequences, check_identity_type};
use super::{Binder, literal};
use crate::ast::{self, AlterAction, ColumnConstraintKind, TableConstraintKind};
use crate::catalog::{Change, CheckConstraint, Column, Item, Kind, SequenceState, Stream, Table};
use crate::error::{About, Error, SqlState};
use crate::hir::{Expr, Query, Rel};
use crate::mir::CollectionId;
use crate::plan::Notice;
use crate::repr::{Arena, Datum, Row, Type};
use crate::scalar::Volatility;

/// The work that computing an added column's default may take.
const DEFAULT_UNITS: usize = 1 << 24;

/// A table on its way from what it is to what it is to be.
struct Altered<'a> {
    before: &'a Item,
    item: Item,
    /// What goes with columns and constraints.
    gone: BTreeSet<CollectionId>,
    checks: Vec<Check>,
    /// Sequences of added columns.
    own: OwnSequences,
    /// Sequences as they are to be, and what they are to count from.
    sequences: (Vec<Step>, Vec<(CollectionId, SequenceState)>),
}

impl Binder<'_> {
    pub(super) fn bind_alter_columns(
        &mut self,
        tag: &'static str,
        item: &Arc<Item>,
        actions: &mut [AlterAction],
    ) -> Result<Ddl, Error> {
        let mut altered = Altered {
            before: item,
            item: (**item).clone(),
            gone: BTreeSet::new(),
            checks: Vec::new(),
            own: OwnSequences::new(item.id, &item.schema, &item.name, self.catalog.next_id()),
            sequences: (Vec::new(), Vec::new()),
        };
        // In PostgreSQL's order: so a column can give way to another of its name.
        actions.sort_by_key(turn);
        for action in actions {
            check_kind(item, action)?;
            self.bind_column_action(&mut altered, action)?;
        }
        let Altered { item: new, gone, checks, own, sequences: (changed, mut sequences), .. } = altered;
        let order = self.catalog.items_in_order();
        let gone = order.into_iter().rev().map(|item| item.id).filter(|id| gone.contains(id));
        let mut steps: Vec<Step> = gone.map(|id| Step::Change(Change::DropItem { id })).collect();
        let (created, states) = own.into_steps();
        steps.extend(created);
        sequences.extend(states);
        steps.push(Step::Alter(Box::new(new)));
        steps.extend(changed);
        let locks = BTreeSet::from([item.id]);
        Ok(Ddl { locks, checks, sequences, ..Ddl::new(tag, steps) })
    }

    fn bind_column_action(
        &mut self,
        altered: &mut Altered<'_>,
        action: &mut AlterAction,
    ) -> Result<(), Error> {
        match action {
            AlterAction::AddColumn { column, if_not_exists } => {
                self.add_column(altered, column, *if_not_exists)
            }
            AlterAction::DropColumn { column, if_exists, cascade } => {
                self.drop_column(altered, &column.name, *if_exists, *cascade)
            }
            AlterAction::SetDefault { column, default } => {
                let at = altered.column(&column.name)?;
                let column = altered.columns()[at].clone();
                if column.identity.is_some() {
                    return Err(is_identity(&column, &altered.item)
                        .hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."));
                }
                let default = match default {
                    Some(expr) => Some(self.bind_default_definition(&column, expr)?),
                    None => None,
                };
                altered.columns()[at].default = default;
                Ok(())
            }
            AlterAction::SetNotNull { column, not_null: true } => altered.set_not_null(&column.name),
            AlterAction::SetNotNull { column, not_null: false } => altered.drop_not_null(&column.name),
            AlterAction::DropConstraint { constraint, if_exists, cascade: _ } => {
                self.drop_constraint(altered, &constraint.name, *if_exists)
            }
            AlterAction::SetType { position, .. } => {
                Err(Error::unsupported("changing the type of a column is not supported")
                    .hint("Add a column of the type, fill it by UPDATE, drop the old one and rename.")
                    .at(*position))
            }
            AlterAction::AddConstraint(constraint) => match &mut constraint.kind {
                TableConstraintKind::Check(expr) => self.add_check(altered, constraint.name.as_ref(), expr),
                _ => Err(Error::unsupported("adding a key or a reference to a table is not supported")
                    .hint("Declare it when the table is created.")
                    .at(constraint.position)),
            },
            AlterAction::AddIdentity { column, always, options } => {
                self.add_identity(altered, &column.name, (*always, options))
            }
            AlterAction::AlterIdentity { column, always, options } => {
                self.alter_identity(altered, &column.name, *always, options)
            }
            AlterAction::DropIdentity { column, if_exists } => {
                self.drop_identity(altered, &column.name, *if_exists)
            }
            _ => unreachable!("invariant: bind_alter binds the other actions"),
        }
    }

    fn add_identity(
        &mut self,
        altered: &mut Altered<'_>,
        name: &str,
        identity: (bool, &[ast::SequenceOption]),
    ) -> Result<(), Error> {
        let at = altered.column(name)?;
        let mut column = altered.columns()[at].clone();
        check_identity_type(&column)?;
        let refuse = |what: &str| {
            let message = format!("column \"{name}\" of relation \"{}\" {what}", altered.before.name);
            Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
        };
        if column.typ.nullable {
            return refuse("must be declared NOT NULL before identity can be added");
        }
        if column.identity.is_some() {
            return refuse("is already an identity column");
        }
        if column.default.is_some() {
            return refuse("already has a default value");
        }
        self.make_identity(&mut column, at, identity, &mut altered.own)?;
        altered.columns()[at] = column;
        Ok(())
    }

    fn alter_identity(
        &mut self,
        altered: &mut Altered<'_>,
        name: &str,
        always: Option<bool>,
        options: &[ast::SequenceOption],
    ) -> Result<(), Error> {
        let at = altered.column(name)?;
        let column = &mut altered.columns()[at];
        let Some(identity) = &mut column.identity else { return Err(altered.no_identity(name)) };
        identity.always = always.unwrap_or(identity.always);
        let sequence = identity.sequence;
        if !options.is_empty() {
            let missing = || Error::unsupported("the identity was added by the same statement");
            let item = self.catalog.item(sequence).ok_or_else(missing)?;
            let (step, state) = self.alter_sequence(item, options)?;
            altered.sequences.0.push(step);
            altered.sequences.1.extend(state);
        }
        Ok(())
    }

    fn drop_identity(&mut self, altered: &mut Altered<'_>, name: &str, if_exists: bool) -> Result<(), Error> {
        let at = altered.column(name)?;
        if let Some(identity) = altered.columns()[at].identity.take() {
            altered.gone.insert(identity.sequence);
            return Ok(());
        }
        let error = altered.no_identity(name);
        if !if_exists {
            return Err(error);
        }
        let message = format!("{}, skipping", error.message);
        self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, message));
        Ok(())
    }

    fn add_column(
        &mut self,
        altered: &mut Altered<'_>,
        definition: &mut ast::ColumnDefinition,
        if_not_exists: bool,
    ) -> Result<(), Error> {
        let name = definition.name.name.clone();
        if altered.item.present_columns().any(|(_, column)| column.name == name) {
            let message = format!("column \"{name}\" of relation \"{}\" already exists", altered.item.name);
            if !if_not_exists {
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
            }
            self.notice(Notice::new(SqlState::DUPLICATE_COLUMN, format!("{message}, skipping")));
            return Ok(());
        }
        super::alter::check_column_name(&name)?;
        let is_key = |constraint: &&ast::ColumnConstraint| {
            matches!(
                constraint.kind,
                ColumnConstraintKind::PrimaryKey
                    | ColumnConstraintKind::Unique { .. }
                    | ColumnConstraintKind::Check(_)
            )
        };
        if let Some(key) = definition.constraints.iter().find(is_key) {
            return Err(Error::unsupported("adding a column with a key or a CHECK is not supported")
                .hint("Declare a key when the table is created; ADD CONSTRAINT … CHECK after the column.")
                .at(key.position));
        }
        let position = definition.name.position;
        let at = altered.columns().len();
        let mut columns = self.bind_columns(std::slice::from_mut(definition), at, &mut altered.own)?;
        let mut column = columns.pop().expect("invariant: one definition gives one column");
        if column.sequences().next().is_some() {
            // Each row that is there would get a value of its own.
            altered.check(Vec::new(), unfilled(&column, position));
            column.missing = Some(Row::pack([Datum::Null]));
            altered.columns().push(column);
            return Ok(());
        }
        let value = self.value_of_default(&column, position)?;
        if !column.typ.nullable && value.iter().all(|datum| datum.is_null()) {
            altered.check_no_rows(&column);
        }
        column.missing = Some(value);
        altered.columns().push(column);
        Ok(())
    }

    /// What an added column holds in the rows that are there: its default as it is now.
    fn value_of_default(&mut self, column: &Column, position: u32) -> Result<Row, Error> {
        let bound = self.bind_default(column)?;
        let given = !self.take_effects().is_empty();
        let value = scalar(&bound).expect("invariant: a default holds no subquery");
        if given || value.volatility() == Volatility::Volatile {
            return Err(Error::unsupported("adding a column with a volatile default is not supported")
                .hint("Add the column without a default, fill it by UPDATE, then ALTER COLUMN … SET DEFAULT.")
                .at(position));
        }
        let arena = Arena::within(DEFAULT_UNITS);
        let row = value.eval(&[], &arena).map(|value| Row::pack([value]));
        if arena.stopped().is_some() {
            return Err(Error::unsupported(
                "adding a column with a default that takes long to compute is not supported",
            )
            .hint("Add the column without a default, fill it by UPDATE, then ALTER COLUMN … SET DEFAULT.")
            .at(position));
        }
        Ok(row?)
    }

    fn drop_column(
        &mut self,
        altered: &mut Altered<'_>,
        name: &str,
        if_exists: bool,
        cascade: bool,
    ) -> Result<(), Error> {
        let at = match altered.column(name) {
            Ok(at) => at,
            Err(error) if if_exists => {
                let message = format!("{}, skipping", error.message);
                self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, message));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let table = altered.before;
        let own = self.catalog.sequences_of(table.id, Some(at)).map(|(sequence, _)| sequence.id);
        let own: BTreeSet<CollectionId> = own.collect();
        let elsewhere = own.iter().flat_map(|id| self.catalog.columns_filled_by(*id));
        if let Some((relation, column)) = elsewhere.into_iter().find(|filled| *filled != (table.id, at)) {
            let relation = self.catalog.item(relation).expect("invariant: ids come from this snapshot");
            return Err(self.used_by_default(
                &format!("column {name} of table {}", table.name),
                relation,
                column,
            ));
        }
        altered.gone.extend(own);
        let reads = (table.id, at);
        let readers = self.catalog.items().filter(|item| item.bound.reads.contains(&reads));
        let readers: BTreeSet<CollectionId> =
            readers.map(|item| item.id).filter(|id| !altered.gone.contains(id)).collect();
        let what = format!("column {name} of {}", table.describe(&self.context.search_path));
        altered.gone.extend(self.drop_dependants(&what, &readers, cascade)?);
        let Kind::Table(own) = &altered.item.kind else { unreachable!("invariant: check_kind asked") };
        let keys: Vec<String> =
            own.keys().filter(|key| key.columns.contains(&at)).map(|key| key.name.clone()).collect();
        keys.iter().for_each(|key| self.remove_key(altered, key));
        altered.table().checks.retain(|check| !check.columns.contains(&at));
        let indexes = self.catalog.indexes_on(table.id).filter(|(_, index)| index.key.contains(&at));
        altered.gone.extend(indexes.map(|(index, _)| index.id));
        let column = &mut altered.columns()[at];
        column.dropped = true;
        // A name that nobody gives.
        column.name = format!("........pg.dropped.{}........", at + 1);
        column.default = None;
        column.identity = None;
        column.typ.nullable = true;
        Ok(())
    }

    fn drop_constraint(
        &mut self,
        altered: &mut Altered<'_>,
        name: &str,
        if_exists: bool,
    ) -> Result<(), Error> {
        let table = altered.table();
        let checks = table.checks.len();
        table.checks.retain(|check| check.name != name);
        if table.checks.len() < checks {
            return Ok(());
        }
        if !table.keys().any(|key| key.name == name) {
            let message =
                format!("constraint \"{name}\" of relation \"{}\" does not exist", altered.item.name);
            if !if_exists {
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
            }
            self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, format!("{message}, skipping")));
            return Ok(());
        }
        self.remove_key(altered, name);
        Ok(())
    }

    fn add_check(
        &mut self,
        altered: &mut Altered<'_>,
        name: Option<&ast::Ident>,
        expr: &mut ast::Expr,
    ) -> Result<(), Error> {
        let position = expr.start();
        let table = altered.table().clone();
        let named = |name: &str| {
            table.keys().any(|key| key.name == name) || table.checks.iter().any(|check| check.name == name)
        };
        let (relation, columns) = (altered.item.name.clone(), &table.columns);
        let (check, condition) = self.bind_check_constraint(&relation, columns, name, expr, &named)?;
        if named(&check.name) {
            return Err(super::ddl::duplicate_constraint(&check.name, &relation));
        }
        if check.columns.iter().any(|column| *column >= altered.before.columns().len()) {
            return Err(Error::unsupported("a CHECK over a column that is added beside it is not supported")
                .hint("Add the column first, by a statement of its own.")
                .at(position));
        }
        let message =
            format!("check constraint \"{}\" of relation \"{relation}\" is violated by some row", check.name);
        let violated = Error::new(SqlState::CHECK_VIOLATION, message).about(About {
            schema: Some(altered.item.schema.clone()),
            table: Some(relation),
            constraint: Some(check.name.clone()),
            ..About::default()
        });
        altered.check(vec![Expr::not(condition)], violated);
        // The oid that the next thing takes.
        let others = table.checks.iter().map(|check| check.oid + 1);
        let oid = others.max().unwrap_or(0).max(altered.own.next);
        altered.own.next = oid + 1;
        altered.table().checks.push(CheckConstraint { oid, ..check });
        Ok(())
    }

    /// A key goes with the index that serves it.
    fn remove_key(&self, altered: &mut Altered<'_>, name: &str) {
        let Kind::Table(Table { primary_key, uniques, .. }) = &mut altered.item.kind else {
            unreachable!("invariant: only tables have keys")
        };
        primary_key.take_if(|key| key.name == name);
        uniques.retain(|key| key.name != name);
        let indexes = self.catalog.indexes_on(altered.before.id);
        let own = indexes.filter(|(index, of)| of.constraint && index.name == name);
        altered.gone.extend(own.map(|(index, _)| index.id));
    }
}

impl Altered<'_> {
    fn columns(&mut self) -> &mut Vec<Column> {
        match &mut self.item.kind {
            Kind::Table(Table { columns, .. }) | Kind::Stream(Stream { columns, .. }) => columns,
            _ => unreachable!("invariant: check_kind asked"),
        }
    }

    fn table(&mut self) -> &mut Table {
        match &mut self.item.kind {
            Kind::Table(table) => table,
            _ => unreachable!("invariant: check_kind asked"),
        }
    }

    fn column(&self, name: &str) -> Result<usize, Error> {
        let found = self.item.present_columns().find(|(_, column)| column.name == name);
        found.map(|(at, _)| at).ok_or_else(|| {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", self.item.name);
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    }

    fn set_not_null(&mut self, name: &str) -> Result<(), Error> {
        let at = self.column(name)?;
        let column = self.columns()[at].clone();
        if !column.typ.nullable {
            return Ok(());
        }
        self.columns()[at].typ.nullable = false;
        if at < self.before.columns().len() {
            let is_null = Expr::column(at, column.typ.clone()).is_null();
            self.check(vec![is_null], contains_nulls(&column, self.before));
        } else if column.missing.iter().flat_map(Row::iter).all(|datum| datum.is_null()) {
            self.check_no_rows(&column);
        }
        Ok(())
    }

    fn drop_not_null(&mut self, name: &str) -> Result<(), Error> {
        let at = self.column(name)?;
        if let Kind::Table(Table { primary_key: Some(key), .. }) = &self.item.kind
            && key.columns.contains(&at)
        {
            let message = format!("column \"{name}\" is in a primary key");
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        if let Some(column) = self.columns().get(at).filter(|column| column.identity.is_some()).cloned() {
            return Err(is_identity(&column, &self.item));
        }
        self.columns()[at].typ.nullable = true;
        Ok(())
    }

    fn no_identity(&self, name: &str) -> Error {
        let message =
            format!("column \"{name}\" of relation \"{}\" is not an identity column", self.item.name);
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
    }

    /// A column that would be NULL in every row is added where there is none only.
    fn check_no_rows(&mut self, column: &Column) {
        self.check(Vec::new(), contains_nulls(column, self.before));
    }

    /// No row of the table as it is may be so.
    fn check(&mut self, predicates: Vec<Expr>, violated: Error) {
        let get = Rel::Get { id: self.before.id, typ: self.before.relation_type() };
        let rel = match predicates.is_empty() {
            true => get,
            false => Rel::Filter { input: Box::new(get), predicates },
        };
        let limit = Some(literal(Datum::Int(1), Type::Int8));
        let query =
            Query { limit, ..whole(Rel::Project { input: Box::new(rel), outputs: Vec::new() }, Vec::new()) };
        self.checks.push(Check { query, violated });
    }
}

/// When an action is carried out, among those of one statement: what drops, what adds, what changes.
fn turn(action: &AlterAction) -> u8 {
    match action {
        AlterAction::DropColumn { .. }
        | AlterAction::DropConstraint { .. }
        | AlterAction::SetNotNull { not_null: false, .. } => 0,
        AlterAction::AddColumn { .. } => 1,
        _ => 2,
    }
}

/// Refuses what the kind of relation has not.
fn check_kind(item: &Item, action: &AlterAction) -> Result<(), Error> {
    let words = match action {
        AlterAction::AddColumn { .. } => "ADD COLUMN",
        AlterAction::DropColumn { .. } => "DROP COLUMN",
        AlterAction::SetDefault { .. } => "ALTER COLUMN ... SET DEFAULT",
        AlterAction::SetNotNull { not_null: true, .. } => "ALTER COLUMN ... SET NOT NULL",
        AlterAction::SetNotNull { not_null: false, .. } => "ALTER COLUMN ... DROP NOT NULL",
        AlterAction::SetType { .. } => "ALTER COLUMN ... SET DATA TYPE",
        AlterAction::AddConstraint(_) => "ADD CONSTRAINT",
        AlterAction::DropConstraint { .. } => "DROP CONSTRAINT",
        AlterAction::AddIdentity { .. } => "ALTER COLUMN ... ADD IDENTITY",
        AlterAction::AlterIdentity { .. } => "ALTER COLUMN ... SET",
        AlterAction::DropIdentity { .. } => "ALTER COLUMN ... DROP IDENTITY",
        _ => unreachable!("invariant: bind_alter binds the other actions"),
    };
    match (&item.kind, action) {
        (Kind::Table(_), _) => Ok(()),
        (Kind::Stream(Stream { derived: None, .. }), AlterAction::SetDefault { .. }) => Ok(()),
        (Kind::Stream(_), _) => Err(Error::unsupported(format!("{words} of a stream is not supported"))
            .hint("Create a stream as it is to be; a view can have the rows of both by UNION ALL.")),
        _ => {
            let message = format!("ALTER action {words} cannot be performed on relation \"{}\"", item.name);
            let detail = match item.kind {
                Kind::View(_) => "This operation is not supported for views.",
                Kind::Index(_) => "This operation is not supported for indexes.",
                Kind::Sequence(_) => "This operation is not supported for sequences.",
                _ => "This operation is not supported for materialized views.",
            };
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).detail(detail))
        }
    }
}

/// `0A000` for a column that would get another value for each row that is there.
fn unfilled(column: &Column, position: u32) -> Error {
    let message = "adding a column whose values a sequence gives to a table with rows is not supported";
    Error::unsupported(message)
        .hint(format!(
            "Add \"{}\" without it, create the sequence and fill the column by UPDATE … SET … = nextval(…), then ALTER COLUMN … SET DEFAULT.",
            column.name
        ))
        .at(position)
}

fn is_identity(column: &Column, table: &Item) -> Error {
    let message = format!("column \"{}\" of relation \"{}\" is an identity column", column.name, table.name);
    Error::new(SqlState::SYNTAX_ERROR, message)
}

/// `23502`.
fn contains_nulls(column: &Column, table: &Item) -> Error {
    let message = format!("column \"{}\" of relation \"{}\" contains null values", column.name, table.name);
    Error::new(SqlState::NOT_NULL_VIOLATION, message).about(About {
        schema: Some(table.schema.clone()),
        table: Some(table.name.clone()),
        column: Some(column.name.clone()),
        ..About::default()
    })
}
