//! ALTER: items as they are to be in the place of what they were.
//!
//! Texts that name what is altered are not rewritten: canonical text says by ids and places what its names mean.

use std::sync::Arc;

use super::Binder;
use super::bound::{Bound, Ddl, Step};
use crate::ast::{self, AlterAction, ObjectKind};
use crate::catalog::{Change, Item, Kind, MaterializedView, Sequence, Stream, Table, View};
use crate::error::{Error, SqlState};
use crate::plan::{Notice, Plan};

/// The names of columns that every relation of PostgreSQL has.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];

impl Binder<'_> {
    pub(super) fn bind_alter(&mut self, alter: &mut ast::Alter) -> Result<Bound, Error> {
        let tag = match alter.kind {
            ObjectKind::Schema => return self.bind_rename_schema(alter),
            ObjectKind::Stream => "ALTER STREAM",
            ObjectKind::View => "ALTER VIEW",
            ObjectKind::MaterializedView => "ALTER MATERIALIZED VIEW",
            ObjectKind::Index => "ALTER INDEX",
            ObjectKind::Sequence => "ALTER SEQUENCE",
            _ => "ALTER TABLE",
        };
        let Some(item) = self.find_altered(alter)? else { return Ok(Bound::Plan(Plan::Nothing { tag })) };
        if let [action] = &mut alter.actions[..]
            && let Some(steps) = self.bind_alter_whole(&item, action)?
        {
            return Ok(Bound::Change(Ddl::new(tag, steps)));
        }
        let unsupported = alter.actions.iter().find_map(|action| match action {
            AlterAction::Unsupported { what, position } => Some((what, *position)),
            _ => None,
        });
        if let Some((what, position)) = unsupported {
            return Err(Error::unsupported(format!("{what} of a relation is not supported")).at(position));
        }
        if let [AlterAction::Sequence(options)] = &alter.actions[..] {
            let (step, state) = self.alter_sequence(&item, options)?;
            let sequences = state.into_iter().collect();
            return Ok(Bound::Change(Ddl { sequences, ..Ddl::new(tag, vec![step]) }));
        }
        Ok(Bound::Change(self.bind_alter_columns(tag, &item, &mut alter.actions)?))
    }

    /// What the name means, if it is of the kind; ALTER TABLE takes any relation, as in PostgreSQL. None with IF EXISTS and a notice.
    fn find_altered(&mut self, alter: &ast::Alter) -> Result<Option<Arc<Item>>, Error> {
        let schema = self.schema_of(&alter.name)?;
        let found = self.catalog.resolve(schema, &alter.name.last().name, &self.context.search_path);
        let Some(item) = found.cloned() else {
            let message = format!("relation \"{}\" does not exist", super::display_name(&alter.name));
            if alter.if_exists {
                self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, format!("{message}, skipping")));
                return Ok(None);
            }
            return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
        };
        let wrong = |message: String| Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        match (alter.kind, &item.kind) {
            (_, Kind::System(_)) => {
                let message = format!("permission denied: \"{}\" is a system catalog", item.name);
                Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
            }
            (ObjectKind::View, Kind::View(_))
            | (ObjectKind::MaterializedView, Kind::MaterializedView(_))
            | (ObjectKind::Stream, Kind::Stream(_))
            | (ObjectKind::Index, Kind::Index(_))
            | (ObjectKind::Sequence, Kind::Sequence(_))
            | (ObjectKind::Table, _) => Ok(Some(item)),
            (ObjectKind::Index, _) => wrong(format!("\"{}\" is not an index", item.name)),
            (kind, _) => wrong(format!("\"{}\" is not a {}", item.name, kind.words().to_lowercase())),
        }
    }

    /// What stands alone in its statement, whatever the relation.
    fn bind_alter_whole(&self, item: &Arc<Item>, action: &AlterAction) -> Result<Option<Vec<Step>>, Error> {
        match action {
            AlterAction::RenameTo(to) => self.rename_item(item, &to.name).map(Some),
            AlterAction::RenameColumn { column, to } => Ok(Some(vec![self.rename_column(item, column, to)?])),
            AlterAction::RenameConstraint { constraint, to } => {
                self.rename_constraint(item, constraint, &to.name).map(Some)
            }
            AlterAction::SetSchema(schema) => self.set_schema(item, &schema.name).map(Some),
            _ => Ok(None),
        }
    }

    fn rename_item(&self, item: &Item, to: &str) -> Result<Vec<Step>, Error> {
        if let Kind::Index(index) = &item.kind
            && index.constraint
        {
            let table = self.catalog.item(index.on).expect("invariant: an index's relation is there");
            return self.rename_key(table, &item.name, to);
        }
        self.check_free(&item.schema, to)?;
        Ok(vec![altered(Item { name: to.to_owned(), ..item.clone() })])
    }

    fn check_free(&self, schema: &str, name: &str) -> Result<(), Error> {
        match self.catalog.named(schema, name) {
            None => Ok(()),
            Some(_) => {
                let message = format!("relation \"{name}\" already exists");
                Err(Error::new(SqlState::DUPLICATE_TABLE, message))
            }
        }
    }

    fn rename_constraint(&self, item: &Item, constraint: &ast::Ident, to: &str) -> Result<Vec<Step>, Error> {
        let is_key =
            matches!(&item.kind, Kind::Table(table) if table.keys().any(|k| k.name == constraint.name));
        if is_key {
            return self.rename_key(item, &constraint.name, to);
        }
        let mut renamed = item.clone();
        let Kind::Table(table) = &mut renamed.kind else {
            return Err(undefined_constraint(&constraint.name, item));
        };
        if table.checks.iter().any(|check| check.name == to) || table.keys().any(|key| key.name == to) {
            return Err(super::ddl::duplicate_constraint(to, &item.name));
        }
        match table.checks.iter_mut().find(|check| check.name == constraint.name) {
            Some(check) => to.clone_into(&mut check.name),
            None => return Err(undefined_constraint(&constraint.name, item)),
        }
        Ok(vec![altered(renamed)])
    }

    /// A column's new name; what the table's own conditions say of it is written again.
    fn rename_column(&self, item: &Item, column: &ast::Ident, to: &ast::Ident) -> Result<Step, Error> {
        let mut renamed = renamed_column(item, column, to)?;
        if let Kind::Table(Table { columns, checks, .. }) = &mut renamed.kind {
            self.rename_in_checks(&item.name, item.columns(), columns, checks)?;
        }
        Ok(altered(renamed))
    }

    /// A key has the name of the index that serves it.
    fn rename_key(&self, item: &Item, name: &str, to: &str) -> Result<Vec<Step>, Error> {
        self.check_free(&item.schema, to)?;
        let mut table = item.clone();
        let Kind::Table(Table { primary_key, uniques, .. }) = &mut table.kind else {
            unreachable!("invariant: only tables have keys")
        };
        let keys = primary_key.iter_mut().chain(uniques);
        keys.filter(|key| key.name == name).for_each(|key| to.clone_into(&mut key.name));
        let index = self.catalog.indexes_on(item.id).find(|(index, of)| of.constraint && index.name == name);
        let index = index.map(|(index, _)| altered(Item { name: to.to_owned(), ..(**index).clone() }));
        Ok(std::iter::once(altered(table)).chain(index).collect())
    }

    /// An item's new schema; a relation's indexes and sequences go with it.
    fn set_schema(&self, item: &Item, schema: &str) -> Result<Vec<Step>, Error> {
        if self.catalog.schema(schema).is_none() {
            return Err(crate::catalog::undefined_schema(schema));
        }
        if schema == item.schema {
            return Ok(Vec::new());
        }
        if crate::catalog::SYSTEM_SCHEMAS.contains(&schema) {
            let message = format!("permission denied for schema {schema}");
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        if !item.is_relation() {
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, "an index is in its relation's schema"));
        }
        if let Kind::Sequence(Sequence { owner: Some(owner), .. }) = &item.kind {
            let relation = self.catalog.item(owner.relation).map_or("", |relation| &relation.name);
            return Err(Error::unsupported("cannot move an owned sequence into another schema")
                .detail(format!("Sequence \"{}\" is linked to table \"{relation}\".", item.name)));
        }
        let indexes = self.catalog.indexes_on(item.id).map(|(index, _)| &**index);
        let sequences = self.catalog.sequences_of(item.id, None).map(|(sequence, _)| &**sequence);
        let indexes = indexes.chain(sequences);
        let mut steps = Vec::new();
        for moved in std::iter::once(item).chain(indexes) {
            if self.catalog.named(schema, &moved.name).is_some() {
                let message = format!("relation \"{}\" already exists in schema \"{schema}\"", moved.name);
                return Err(Error::new(SqlState::DUPLICATE_TABLE, message));
            }
            steps.push(altered(Item { schema: schema.to_owned(), ..moved.clone() }));
        }
        Ok(steps)
    }

    fn bind_rename_schema(&mut self, alter: &ast::Alter) -> Result<Bound, Error> {
        let name = &alter.name.last().name;
        let to = match alter.actions.as_slice() {
            [AlterAction::RenameTo(to)] => &to.name,
            [AlterAction::Unsupported { what, position }, ..] => {
                return Err(Error::unsupported(format!("{what} of a schema is not supported")).at(*position));
            }
            _ => unreachable!("invariant: the parser lets a schema be renamed only"),
        };
        if self.catalog.schema(name).is_none() {
            return Err(crate::catalog::undefined_schema(name));
        }
        if self.catalog.schema(to).is_some() {
            let message = format!("schema \"{to}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_SCHEMA, message));
        }
        super::ddl::check_schema_name(to)?;
        if crate::catalog::SYSTEM_SCHEMAS.contains(&name.as_str()) {
            let message = format!("permission denied: \"{name}\" is a system schema");
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        let change = Change::RenameSchema { name: name.clone(), to: to.clone() };
        Ok(Bound::Change(Ddl::new("ALTER SCHEMA", vec![Step::Change(change)])))
    }
}

fn altered(item: Item) -> Step {
    Step::Alter(Box::new(item))
}

fn renamed_column(item: &Item, column: &ast::Ident, to: &ast::Ident) -> Result<Item, Error> {
    let mut renamed = item.clone();
    let columns = match &mut renamed.kind {
        Kind::Table(Table { columns, .. })
        | Kind::Stream(Stream { columns, .. })
        | Kind::View(View { columns, .. })
        | Kind::MaterializedView(MaterializedView { columns, .. }) => columns,
        Kind::Index(_) | Kind::Sequence(_) | Kind::System(_) => {
            let message = format!("cannot rename columns of {} \"{}\"", item.kind_name(), item.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
    };
    let Some(at) = columns.iter().position(|known| known.name == column.name) else {
        let message = format!("column \"{}\" does not exist", column.name);
        return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
    };
    if columns.iter().any(|known| known.name == to.name) {
        let message = format!("column \"{}\" of relation \"{}\" already exists", to.name, item.name);
        return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
    }
    check_column_name(&to.name)?;
    columns[at].name.clone_from(&to.name);
    Ok(renamed)
}

/// Refuses the names of system columns.
pub(super) fn check_column_name(name: &str) -> Result<(), Error> {
    match SYSTEM_COLUMNS.contains(&name) {
        false => Ok(()),
        true => {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            Err(Error::new(SqlState::DUPLICATE_COLUMN, message))
        }
    }
}

fn undefined_constraint(name: &str, item: &Item) -> Error {
    let message = format!("constraint \"{name}\" for table \"{}\" does not exist", item.name);
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}
