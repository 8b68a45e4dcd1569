//! The catalog: an immutable snapshot of what exists, by id and by name.
//!
//! A snapshot is cheap to clone (its maps are shared) and never changes: [`Catalog::apply`] gives the next one. A statement is
//! compiled against one snapshot and committed only if the engine still has that [`version`](Catalog::version), so that ids
//! and names that `bind` resolved stay true. What is durable is the sequence of [`Change`]s; a snapshot is their fold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast;
use crate::error::{Error, SqlState};
use crate::lir;
use crate::mir::CollectionId;

pub mod builtin;
mod change;
mod item;
mod sequence;

pub use change::{Alteration, Change, StoredChange};
pub use item::{
    Arrangement, Bound, CheckConstraint, Column, Default, Definition, Identity, Index, Item, Key, Kind,
    MaterializedView, Stream, System, Table, View,
};
pub use sequence::{Owner, Sequence, SequenceState, SequenceValues, limits as sequence_limits};

/// Ids below this one are builtin relations; user items, schemas and constraints count from here in one number space.
pub const FIRST_USER_ID: u64 = 16384;

/// Schemas that nobody may create items in.
pub const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// A namespace. Its oid is PostgreSQL's for the schemas that PostgreSQL has, too.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schema {
    pub oid: u64,
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct Catalog {
    /// Counts the changes that led here. Two snapshots of one server with equal versions are equal.
    pub version: u64,
    next_id: u64,
    schemas: Arc<BTreeMap<String, Schema>>,
    items: Arc<BTreeMap<CollectionId, Arc<Item>>>,
    names: Arc<BTreeMap<String, BTreeMap<String, CollectionId>>>,
    /// By the oid of what they are about, and the number of a column or 0.
    comments: Arc<BTreeMap<(u64, u32), String>>,
    /// Functions over the catalog itself.
    functions: Arc<[builtin::Function]>,
}

impl Catalog {
    /// The catalog of a server on which nothing was created yet, with these builtin relations and functions.
    pub fn with_system(
        system: impl IntoIterator<Item = Item>,
        functions: impl IntoIterator<Item = builtin::Function>,
    ) -> Catalog {
        let schemas = [("pg_catalog", 11), ("public", 2200), ("information_schema", 12000)]
            .map(|(name, oid)| (name.to_owned(), Schema { oid, name: name.to_owned() }));
        let mut catalog = Catalog {
            version: 0,
            next_id: FIRST_USER_ID,
            schemas: Arc::new(BTreeMap::from(schemas)),
            items: Arc::default(),
            names: Arc::default(),
            comments: Arc::default(),
            functions: functions.into_iter().collect(),
        };
        for item in system {
            catalog.insert(item);
        }
        catalog
    }

    /// The catalog with one more builtin relation.
    pub fn with_item(mut self, item: Item) -> Catalog {
        self.insert(item);
        self
    }

    /// The snapshot after `change`. Fails when the change does not fit this snapshot: a name that is taken, an id that is
    /// not there. `bind` makes only changes that fit the snapshot it saw.
    pub fn apply(&self, change: &Change) -> Result<Catalog, Error> {
        let mut next = self.clone();
        next.version += 1;
        match change {
            Change::CreateSchema(schema) => next.create_schema(schema)?,
            Change::DropSchema { name } => next.drop_schema(name)?,
            Change::CreateItem(item) => next.create_item(item)?,
            Change::DropItem { id } => next.drop_item(*id)?,
            Change::RenameSchema { name, to } => next.rename_schema(name, to)?,
            Change::AlterItem(alteration) => next.alter_item(alteration)?,
            Change::Comment { on, column, text } => next.comment((*on, *column), text.as_deref()),
        }
        Ok(next)
    }

    /// The snapshot after `changes`, in order.
    pub fn apply_all<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Result<Catalog, Error> {
        changes.into_iter().try_fold(self.clone(), |catalog, change| catalog.apply(change))
    }

    /// The id that the next created thing takes. Ids only grow; a dropped one is never given again.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    fn create_schema(&mut self, schema: &Schema) -> Result<(), Error> {
        if self.schemas.contains_key(&schema.name) {
            return Err(Error::new(
                SqlState::DUPLICATE_SCHEMA,
                format!("schema \"{}\" already exists", schema.name),
            ));
        }
        self.next_id = self.next_id.max(schema.oid + 1);
        Arc::make_mut(&mut self.schemas).insert(schema.name.clone(), schema.clone());
        Ok(())
    }

    fn drop_schema(&mut self, name: &str) -> Result<(), Error> {
        if self.items_in(name).next().is_some() {
            let message = format!("cannot drop schema {name} because other objects depend on it");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message));
        }
        match Arc::make_mut(&mut self.schemas).remove(name) {
            Some(schema) => {
                self.forget_comments(schema.oid);
                Ok(())
            }
            None => Err(undefined_schema(name)),
        }
    }

    fn comment(&mut self, on: (u64, u32), text: Option<&str>) {
        let comments = Arc::make_mut(&mut self.comments);
        match text {
            Some(text) => drop(comments.insert(on, text.to_owned())),
            None => drop(comments.remove(&on)),
        }
    }

    fn forget_comments(&mut self, oid: u64) {
        if self.comments.keys().any(|(on, _)| *on == oid) {
            Arc::make_mut(&mut self.comments).retain(|(on, _), _| *on != oid);
        }
    }

    fn rename_schema(&mut self, name: &str, to: &str) -> Result<(), Error> {
        if self.schemas.contains_key(to) {
            return Err(Error::new(SqlState::DUPLICATE_SCHEMA, format!("schema \"{to}\" already exists")));
        }
        let schemas = Arc::make_mut(&mut self.schemas);
        let schema = schemas.remove(name).ok_or_else(|| undefined_schema(name))?;
        schemas.insert(to.to_owned(), Schema { name: to.to_owned(), ..schema });
        let names = Arc::make_mut(&mut self.names);
        let within = names.remove(name).unwrap_or_default();
        let items = Arc::make_mut(&mut self.items);
        for id in within.values() {
            if let Some(item) = items.get_mut(id) {
                to.clone_into(&mut Arc::make_mut(item).schema);
            }
        }
        names.insert(to.to_owned(), within);
        Ok(())
    }

    fn create_item(&mut self, item: &Item) -> Result<(), Error> {
        self.check_new_name(item)?;
        self.check_dependencies(item)?;
        self.insert(item.clone());
        Ok(())
    }

    fn alter_item(&mut self, Alteration { item, affected }: &Alteration) -> Result<(), Error> {
        let before = self.items.get(&item.id).cloned().ok_or_else(|| missing(item.id))?;
        if (&before.schema, &before.name) != (&item.schema, &item.name) {
            self.check_new_name(item)?;
        }
        self.check_dependencies(item)?;
        if let Some(names) = Arc::make_mut(&mut self.names).get_mut(&before.schema) {
            names.remove(&before.name);
        }
        self.insert((**item).clone());
        affected.iter().for_each(|item| self.insert(item.clone()));
        Ok(())
    }

    fn check_new_name(&self, item: &Item) -> Result<(), Error> {
        if !self.schemas.contains_key(&item.schema) {
            return Err(undefined_schema(&item.schema));
        }
        match self.named(&item.schema, &item.name) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                SqlState::DUPLICATE_TABLE,
                format!("relation \"{}\" already exists", item.name),
            )),
        }
    }

    fn check_dependencies(&self, item: &Item) -> Result<(), Error> {
        match item.depends_on.iter().find(|id| !self.items.contains_key(id)) {
            None => Ok(()),
            Some(id) => Err(missing(*id)),
        }
    }

    fn insert(&mut self, item: Item) {
        self.put(Arc::new(item));
    }

    fn put(&mut self, item: Arc<Item>) {
        let last = item.oids().max().expect("invariant: an item has at least its own id");
        if last >= FIRST_USER_ID {
            self.next_id = self.next_id.max(last + 1);
        }
        Arc::make_mut(&mut self.names)
            .entry(item.schema.clone())
            .or_default()
            .insert(item.name.clone(), item.id);
        Arc::make_mut(&mut self.items).insert(item.id, item);
    }

    fn drop_item(&mut self, id: CollectionId) -> Result<(), Error> {
        if let Some(dependant) = self.dependants(id).first() {
            let dependant = self.items[dependant].describe(&[]);
            let message = format!("cannot drop relation with id {} because {dependant} depends on it", id.0);
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message));
        }
        let Some(item) = Arc::make_mut(&mut self.items).remove(&id) else {
            return Err(missing(id));
        };
        if let Some(names) = Arc::make_mut(&mut self.names).get_mut(&item.schema) {
            names.remove(&item.name);
        }
        self.forget_comments(id.0);
        Ok(())
    }
}

/// Reading.
impl Catalog {
    pub fn item(&self, id: CollectionId) -> Option<&Arc<Item>> {
        self.items.get(&id)
    }

    /// All items in id order.
    pub fn items(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.items.values()
    }

    /// All items, each after what it depends on, and in id order where that does not say. Mostly that is id order; a view that was
    /// replaced may read what is younger.
    pub fn items_in_order(&self) -> Vec<&Arc<Item>> {
        let mut order = Vec::with_capacity(self.items.len());
        let mut placed = BTreeSet::new();
        for item in self.items.values() {
            let mut open = vec![item];
            while let Some(item) = open.last() {
                let waits_for = item.depends_on.iter().find(|id| !placed.contains(*id));
                match waits_for.and_then(|id| self.items.get(id)) {
                    Some(first) => open.push(first),
                    None => {
                        if placed.insert(item.id) {
                            order.push(*item);
                        }
                        open.pop();
                    }
                }
            }
        }
        order
    }

    /// The same catalog step by step: first the builtin items alone, then `next` of each user's item, in dependency order, beside those
    /// before it. So an item is compiled anew without those after it, as it was when there were none.
    pub fn rebuild<E>(
        &self,
        mut next: impl FnMut(&Arc<Item>, &Catalog) -> Result<Arc<Item>, E>,
    ) -> Result<Catalog, E> {
        let mut rebuilt = self.clone();
        let builtin = |id: &CollectionId| id.0 < FIRST_USER_ID;
        Arc::make_mut(&mut rebuilt.items).retain(|id, _| builtin(id));
        Arc::make_mut(&mut rebuilt.names).values_mut().for_each(|names| names.retain(|_, id| builtin(id)));
        for item in self.items_in_order().into_iter().filter(|item| !builtin(&item.id)) {
            let item = next(item, &rebuilt)?;
            rebuilt.put(item);
        }
        Ok(rebuilt)
    }

    pub fn items_in(&self, schema: &str) -> impl Iterator<Item = &Arc<Item>> {
        self.names.get(schema).into_iter().flatten().map(|(_, id)| &self.items[id])
    }

    /// The functions that are defined over the catalog.
    pub fn functions(&self) -> impl Iterator<Item = &builtin::Function> {
        self.functions.iter()
    }

    /// What is said of things that are there, by their oids and the numbers of columns.
    pub fn comments(&self) -> impl Iterator<Item = ((u64, u32), &str)> {
        let dropped = |(on, column): (u64, u32)| {
            let item = self.items.get(&CollectionId(on));
            let place = (column as usize).checked_sub(1);
            item.zip(place).and_then(|(item, at)| item.columns().get(at)).is_some_and(|column| column.dropped)
        };
        self.comments.iter().map(|(on, text)| (*on, text.as_str())).filter(move |(on, _)| !dropped(*on))
    }

    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.values()
    }

    pub fn schema(&self, name: &str) -> Option<&Schema> {
        self.schemas.get(name)
    }

    /// The item with exactly this schema and name.
    pub fn named(&self, schema: &str, name: &str) -> Option<&Arc<Item>> {
        let id = self.names.get(schema)?.get(name)?;
        Some(&self.items[id])
    }

    /// The item that a name means: in its schema, or else in `pg_catalog` and then the first schema of the path that has it.
    pub fn resolve(&self, schema: Option<&str>, name: &str, search_path: &[String]) -> Option<&Arc<Item>> {
        match schema {
            Some(schema) => self.named(schema, name),
            None => effective_path(search_path).find_map(|schema| self.named(schema, name)),
        }
    }

    /// The schema in which an unqualified name is created: the first of the path that exists.
    pub fn creation_schema<'a>(&self, search_path: &'a [String]) -> Option<&'a str> {
        search_path.iter().map(String::as_str).find(|name| self.schemas.contains_key(*name))
    }

    /// Whether an unqualified name means this item.
    pub fn is_visible(&self, item: &Item, search_path: &[String]) -> bool {
        self.resolve(None, &item.name, search_path).is_some_and(|found| found.id == item.id)
    }

    /// What names `id` in its definition, directly; indexes included.
    pub fn dependants(&self, id: CollectionId) -> Vec<CollectionId> {
        self.items.values().filter(|item| item.depends_on.contains(&id)).map(|item| item.id).collect()
    }

    /// What would have to go with these: everything that depends on them, through others too, in id order and without them.
    pub fn dependants_of_all(&self, ids: &BTreeSet<CollectionId>) -> BTreeSet<CollectionId> {
        let mut found = ids.clone();
        for item in self.items_in_order() {
            if item.depends_on.iter().any(|id| found.contains(id)) {
                found.insert(item.id);
            }
        }
        found.retain(|id| !ids.contains(id));
        found
    }

    /// The indexes on a relation, in id order.
    pub fn indexes_on(&self, id: CollectionId) -> impl Iterator<Item = (&Arc<Item>, &Index)> {
        self.items.values().filter_map(move |item| match &item.kind {
            Kind::Index(index) if index.on == id => Some((item, index)),
            _ => None,
        })
    }

    /// The sequences that go with a relation, or with one of its columns, in id order.
    pub fn sequences_of(
        &self,
        relation: CollectionId,
        column: Option<usize>,
    ) -> impl Iterator<Item = (&Arc<Item>, &Sequence)> {
        self.items.values().filter_map(move |item| match &item.kind {
            Kind::Sequence(sequence) => {
                let owner = sequence.owner.filter(|owner| owner.relation == relation)?;
                column.is_none_or(|column| owner.column == column).then_some((item, sequence))
            }
            _ => None,
        })
    }

    /// The columns whose values come from a sequence unless they are given: by relation and place.
    pub fn columns_filled_by(&self, sequence: CollectionId) -> Vec<(CollectionId, usize)> {
        let columns = self.items.values().flat_map(|item| {
            item.columns().iter().enumerate().map(move |(at, column)| (item.id, at, column))
        });
        let filled = columns.filter(|(.., column)| column.sequences().any(|id| id == sequence));
        filled.map(|(relation, at, _)| (relation, at)).collect()
    }

    /// The arrangements of a relation that sessions and other dataflows can read: its own, then its indexes'.
    pub fn arrangements_of(&self, id: CollectionId) -> impl Iterator<Item = (CollectionId, &Arrangement)> {
        let own = self.items.get(&id).map(|item| (id, item));
        let indexes = self.indexes_on(id).map(|(item, _)| (item.id, item));
        own.into_iter().chain(indexes).filter_map(|(id, item)| Some((id, item.bound.arrangement.as_ref()?)))
    }

    /// What the engine must run for an item, if it runs anything: a table's arrangement, a materialized view, an index, a
    /// derived stream.
    pub fn dataflow(&self, id: CollectionId) -> Option<&lir::Dataflow> {
        self.items.get(&id)?.bound.dataflow.as_deref()
    }

    /// The name nearest to one that was not found, among those that an unqualified name could mean.
    pub fn nearest_relation(
        &self,
        schema: Option<&str>,
        name: &str,
        search_path: &[String],
    ) -> Option<String> {
        let visible = |item: &&Arc<Item>| item.id.0 >= FIRST_USER_ID && item.is_relation();
        let found = match schema {
            Some(schema) => nearest(name, self.items_in(schema).filter(visible).map(|i| i.name.as_str())),
            None => {
                let items = search_path.iter().flat_map(|schema| self.items_in(schema));
                nearest(name, items.filter(visible).map(|i| i.name.as_str()))
            }
        };
        found.map(str::to_owned)
    }
}

/// `pg_catalog` is searched first unless the path places it.
fn effective_path(search_path: &[String]) -> impl Iterator<Item = &str> {
    let placed = search_path.iter().any(|schema| schema == "pg_catalog");
    (!placed).then_some("pg_catalog").into_iter().chain(search_path.iter().map(String::as_str))
}

fn missing(id: CollectionId) -> Error {
    Error::new(SqlState::UNDEFINED_TABLE, format!("relation with id {} does not exist", id.0))
}

/// What relations are called now, for texts that were stored before.
impl ast::print::Relations for Catalog {
    fn now(&self, id: u64) -> Option<(&str, &str, Vec<Option<&str>>)> {
        let item = self.items.get(&CollectionId(id))?;
        let columns = item.columns().iter().map(|column| (!column.dropped).then_some(column.name.as_str()));
        Some((&item.schema, &item.name, columns.collect()))
    }
}

/// `3F000`, as PostgreSQL says it.
pub fn undefined_schema(name: &str) -> Error {
    Error::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
}

/// The candidate most like `name`: few enough letters to change, or the same words at its end or beginning and little else.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let score = |candidate: &str| {
        let distance = edit_distance(&name.to_lowercase(), &candidate.to_lowercase());
        let extends = candidate.strip_suffix(name).is_some_and(|rest| rest.ends_with('_'))
            || candidate.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        (distance <= limit || name.len() >= 2 && extends).then_some((distance > limit, distance))
    };
    candidates.into_iter().filter_map(|c| Some((score(c)?, c))).min().map(|(_, c)| c)
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let replaced = row[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_prefers_few_edits_then_the_same_words() {
        assert_eq!(nearest("weight_g", ["widget_weight_g", "sensor_id"]), Some("widget_weight_g"));
        assert_eq!(nearest("nmae", ["name", "game"]), Some("name"));
        assert_eq!(nearest("stars", ["start", "stars_given"]), Some("start"));
        assert_eq!(nearest("id", ["rating_id", "user_id", "message"]), Some("user_id"));
        assert_eq!(nearest("x", ["message"]), None);
    }
}
