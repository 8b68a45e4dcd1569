//! Keys and indexes: which columns, under which names.

use std::collections::BTreeSet;

use super::{change, duplicate_constraint, refuse_options};
use crate::ast;
use crate::bind::Binder;
use crate::bind::bound::{Bound, Step};
use crate::bind::dml::item_column;
use crate::catalog::{Catalog, CheckConstraint, Column, Index, Item, Key, Kind, Table};
use crate::error::{Error, SqlState};
use crate::mir::CollectionId;
use crate::repr::Type;

impl Binder<'_> {
    pub(in crate::bind) fn bind_create_index(
        &mut self,
        create: &mut ast::CreateIndex,
    ) -> Result<Bound, Error> {
        refuse_index_clauses(create)?;
        let on = self.resolve_relation(&mut create.on)?;
        if let Kind::System(_) = on.kind {
            let message = format!("permission denied: \"{}\" is a system catalog", on.name);
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).at(create.on.position()));
        }
        if let Kind::Sequence(_) = on.kind {
            let message = format!("cannot create index on relation \"{}\"", on.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for sequences.")
                .at(create.on.position()));
        }
        if let Kind::View(_) = on.kind {
            let message = format!("cannot create index on relation \"{}\"", on.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for views.")
                .hint("Create a materialized view; it can be indexed.")
                .at(create.on.position()));
        }
        let mut key = Vec::with_capacity(create.keys.len());
        for part in &create.keys {
            match &part.expr.kind {
                ast::ExprKind::Column(name) if name.qualifier().is_empty() => {
                    // PostgreSQL does not say here of which relation.
                    let name = name.last();
                    let undefined = |mut error: Error| {
                        error.message = format!("column \"{}\" does not exist", name.name);
                        error
                    };
                    key.push(item_column(&on, name).map_err(undefined)?)
                }
                _ => {
                    return Err(Error::unsupported("indexes on expressions are not supported")
                        .hint("Index a materialized view that has the expression as a column.")
                        .at(part.expr.start()));
                }
            }
        }
        key.iter().try_for_each(|column| check_key_type(&on.columns()[*column].typ.typ))?;
        let name = match &create.name {
            Some(name) => name.name.clone(),
            None => {
                let columns = key.iter().map(|column| on.columns()[*column].name.as_str());
                free_name(self.catalog, &on.schema, &on.name, columns, "idx", &[])
            }
        };
        if self.catalog.named(&on.schema, &name).is_some() {
            let message = format!("relation \"{name}\" already exists");
            return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, "CREATE INDEX");
        }
        let index = Index { on: on.id, key, constraint: false };
        let mut item = self.new_item(on.schema.clone(), name, Kind::Index(index));
        item.depends_on = BTreeSet::from([on.id]);
        Ok(change("CREATE INDEX", vec![Step::Create(Box::new(item))]))
    }
}

impl Binder<'_> {
    /// The index that shows by which columns a table is kept that is created in the same change, with the next id.
    pub(super) fn index_of_key(&self, table: &Item, key: Vec<usize>) -> Item {
        let names = key.iter().map(|column| table.columns()[*column].name.as_str());
        let taken = [table.name.clone()];
        let name = free_name(self.catalog, &table.schema, &table.name, names, "key", &taken);
        Item {
            id: CollectionId(table.id.0 + 1),
            schema: table.schema.clone(),
            name,
            kind: Kind::Index(Index { on: table.id, key, constraint: true }),
            depends_on: BTreeSet::from([table.id]),
            bound: Default::default(),
        }
    }
}

fn refuse_index_clauses(create: &ast::CreateIndex) -> Result<(), Error> {
    let refuse =
        |what: &str, position: u32| Err(Error::unsupported(format!("{what} is not supported")).at(position));
    if create.unique {
        return Err(Error::unsupported("CREATE UNIQUE INDEX is not supported")
            .hint("Declare a UNIQUE constraint when the table is created.")
            .at(create.position));
    }
    if let Some(method) = create.method.as_ref().filter(|method| method.name != "btree") {
        let message = format!("access method \"{}\" does not exist", method.name);
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(method.position));
    }
    if let Some(include) = create.include.first() {
        return refuse("INCLUDE", include.position);
    }
    if let Some(filter) = &create.filter {
        return Err(Error::unsupported("partial indexes are not supported")
            .hint("Index a materialized view that has the filter.")
            .at(filter.start()));
    }
    refuse_options(&create.options)
}

/// A table's constraints as they are gathered, with the oids they take after the table's own.
pub(super) struct Keys<'a> {
    catalog: &'a Catalog,
    schema: String,
    table_name: String,
    pub(super) table: CollectionId,
    /// The oid that the next constraint takes.
    pub(super) next: u64,
    pub(super) primary: Option<Key>,
    pub(super) uniques: Vec<Key>,
    checks: Vec<CheckConstraint>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(catalog: &'a Catalog, schema: &str, table: &str) -> Keys<'a> {
        let id = catalog.next_id();
        Keys {
            catalog,
            schema: schema.to_owned(),
            table_name: table.to_owned(),
            table: CollectionId(id),
            next: id + 1,
            primary: None,
            uniques: Vec::new(),
            checks: Vec::new(),
        }
    }

    fn oid(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The constraints' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let keys = self.primary.iter().chain(&self.uniques).map(|key| key.name.as_str());
        keys.chain(self.checks.iter().map(|check| check.name.as_str()))
    }

    pub(super) fn add_check(&mut self, check: CheckConstraint) -> Result<(), Error> {
        if self.checks.iter().any(|known| known.name == check.name) {
            let message = format!("check constraint \"{}\" already exists", check.name);
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
        }
        if self.names().any(|name| name == check.name) {
            return Err(duplicate_constraint(&check.name, &self.table_name));
        }
        let oid = self.oid();
        self.checks.push(CheckConstraint { oid, ..check });
        Ok(())
    }

    fn taken(&self) -> Vec<String> {
        self.primary.iter().chain(&self.uniques).map(|key| key.name.clone()).collect()
    }

    pub(super) fn set_primary(
        &mut self,
        name: Option<&ast::Ident>,
        columns: Vec<usize>,
        position: u32,
    ) -> Result<(), Error> {
        if self.primary.is_some() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", self.table_name);
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(position));
        }
        let name = match name {
            Some(name) => name.name.clone(),
            None => free_name(self.catalog, &self.schema, &self.table_name, [], "pkey", &self.taken()),
        };
        self.primary = Some(Key { oid: self.oid(), name, columns });
        Ok(())
    }

    pub(super) fn add_unique(&mut self, name: Option<&ast::Ident>, key: Vec<usize>, columns: &[Column]) {
        let name = match name {
            Some(name) => name.name.clone(),
            None => {
                let names = key.iter().map(|column| columns[*column].name.as_str());
                free_name(self.catalog, &self.schema, &self.table_name, names, "key", &self.taken())
            }
        };
        let oid = self.oid();
        self.uniques.push(Key { oid, name, columns: key });
    }

    /// The table, then the index that serves each UNIQUE constraint.
    pub(super) fn into_steps(mut self, schema: String, name: String, columns: Vec<Column>) -> Vec<Step> {
        let create = |item: Item| Step::Create(Box::new(item));
        let uniques = std::mem::take(&mut self.uniques);
        let checks = std::mem::take(&mut self.checks);
        let table = Table { columns, primary_key: self.primary.take(), uniques: uniques.clone(), checks };
        let mut steps = vec![create(Item {
            id: self.table,
            schema: schema.clone(),
            name,
            kind: Kind::Table(table),
            depends_on: BTreeSet::new(),
            bound: Default::default(),
        })];
        for unique in uniques {
            steps.push(create(Item {
                id: CollectionId(self.oid()),
                schema: schema.clone(),
                name: unique.name,
                kind: Kind::Index(Index { on: self.table, key: unique.columns, constraint: true }),
                depends_on: BTreeSet::from([self.table]),
                bound: Default::default(),
            }));
        }
        steps
    }
}

/// `table_columns_suffix`, with a number if that is taken.
pub(super) fn free_name<'n>(
    catalog: &Catalog,
    schema: &str,
    table: &'n str,
    columns: impl IntoIterator<Item = &'n str>,
    suffix: &'n str,
    taken: &[String],
) -> String {
    let parts = std::iter::once(table).chain(columns).chain([suffix]);
    let base = parts.collect::<Vec<_>>().join("_");
    let free = |name: &String| catalog.named(schema, name).is_none() && !taken.contains(name);
    let numbered = (1..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(free)
        .expect("invariant: there are more numbers than names")
}

pub(super) fn position_of(columns: &[Column], name: &ast::Ident) -> Result<usize, Error> {
    columns.iter().position(|column| column.name == name.name).ok_or_else(|| {
        let message = format!("column \"{}\" named in key does not exist", name.name);
        Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position)
    })
}

pub(super) fn key_columns(columns: &[Column], names: &[ast::Ident]) -> Result<Vec<usize>, Error> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let column = position_of(columns, name)?;
        if key.contains(&column) {
            let message = format!("column \"{}\" appears twice in a key", name.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(name.position));
        }
        key.push(column);
    }
    Ok(key)
}

/// `42704` for a key whose values cannot be compared.
pub(super) fn check_key_type(typ: &Type) -> Result<(), Error> {
    if typ.is_comparable() {
        return Ok(());
    }
    let message = format!("data type {typ} has no default operator class for access method \"btree\"");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
        .hint("You must specify an operator class for the index or define a default operator class for the data type."))
}
