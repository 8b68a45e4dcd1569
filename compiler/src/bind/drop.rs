//! DROP: what is named, what depends on it, and in which order it goes.

use std::collections::BTreeSet;

use super::Binder;
use super::bound::{Bound, Ddl, Step};
use crate::ast::{self, ObjectKind};
use crate::catalog::{Change, Item, Kind, MaterializedView, SYSTEM_SCHEMAS, Stream, Table};
use crate::error::{Error, SqlState};
use crate::mir::CollectionId;
use crate::plan::{Notice, Plan};
use crate::scalar::quote_ident;

impl Binder<'_> {
    pub(super) fn bind_drop(&mut self, drop: &ast::Drop) -> Result<Bound, Error> {
        let tag = match drop.kind {
            ObjectKind::Schema => return self.bind_drop_schema(drop),
            ObjectKind::Table => "DROP TABLE",
            ObjectKind::Stream => "DROP STREAM",
            ObjectKind::View => "DROP VIEW",
            ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
            ObjectKind::Index => "DROP INDEX",
            ObjectKind::Sequence => "DROP SEQUENCE",
            kind => {
                return Err(
                    Error::unsupported(format!("DROP {} is not supported", kind.words())).at(drop.position)
                );
            }
        };
        let mut named = BTreeSet::new();
        for name in &drop.names {
            named.extend(self.find_dropped(drop, name)?);
        }
        if named.is_empty() {
            return Ok(Bound::Plan(Plan::Nothing { tag }));
        }
        let steps = self.drop_items(&named, drop.cascade, None)?;
        Ok(Bound::Change(Ddl::new(tag, steps)))
    }

    /// The item that a name means, if it is of the kind; None with IF EXISTS and a notice.
    fn find_dropped(&mut self, drop: &ast::Drop, name: &ast::Name) -> Result<Option<CollectionId>, Error> {
        let schema = self.schema_of(name)?;
        let Some(item) = self.catalog.resolve(schema, &name.last().name, &self.context.search_path) else {
            if drop.kind == ObjectKind::Index
                && let Some(table) = self.table_of_primary_key(schema, &name.last().name)
            {
                return Err(self.refuse_index_of_key(&name.last().name, table));
            }
            let code = match drop.kind {
                ObjectKind::Index => SqlState::UNDEFINED_OBJECT,
                _ => SqlState::UNDEFINED_TABLE,
            };
            let what = drop.kind.words().to_lowercase();
            let message = format!("{what} \"{}\" does not exist", super::display_name(name));
            if drop.if_exists {
                self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, format!("{message}, skipping")));
                return Ok(None);
            }
            return Err(Error::new(code, message).at(name.position()));
        };
        if matches!(item.kind, Kind::System(_)) {
            let message = format!("permission denied: \"{}\" is a system catalog", item.name);
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).at(name.position()));
        }
        if kind_of(item) != drop.kind {
            let what = drop.kind.words().to_lowercase();
            let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            let message = format!("\"{}\" is not {article} {what}", item.name);
            let (words, is) = (kind_of(item).words(), item.kind_name());
            let article = if is.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .hint(format!("Use DROP {words} to remove {article} {is}."))
                .at(name.position()));
        }
        if let Kind::Index(index) = &item.kind
            && index.constraint
        {
            let table = self.catalog.item(index.on).expect("invariant: an index lies on an item");
            return Err(self.refuse_index_of_key(&item.name, table));
        }
        Ok(Some(item.id))
    }

    /// The table whose primary key has this name: its index is no item of its own.
    fn table_of_primary_key(&self, schema: Option<&str>, name: &str) -> Option<&Item> {
        let schemas = match schema {
            Some(schema) => vec![schema],
            None => self.context.search_path.iter().map(String::as_str).collect(),
        };
        let mut items = schemas.into_iter().flat_map(|schema| self.catalog.items_in(schema));
        items.find(|item| item.primary_key().is_some_and(|key| key.name == name)).map(|item| &**item)
    }

    fn refuse_index_of_key(&self, name: &str, table: &Item) -> Error {
        let table = table.describe(&self.context.search_path);
        let index = quote_ident(name);
        let message = format!("cannot drop index {index} because constraint {name} on {table} requires it");
        Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
            .hint(format!("You can drop {table} instead."))
    }

    /// The drops of these and, with CASCADE, of what depends on them, dependants first. Indexes go with their relation.
    fn drop_items(
        &mut self,
        named: &BTreeSet<CollectionId>,
        cascade: bool,
        of_schema: Option<&str>,
    ) -> Result<Vec<Step>, Error> {
        let dependants = self.catalog.dependants_of_all(named);
        let item =
            |id: &CollectionId| self.catalog.item(*id).expect("invariant: ids come from this snapshot");
        let path = &self.context.search_path;
        let visible: Vec<&Item> = dependants
            .iter()
            .map(|id| &**item(id))
            .filter(|dependant| !matches!(dependant.kind, Kind::Index(_)))
            .collect();
        let mut all: BTreeSet<CollectionId> = named.union(&dependants).copied().collect();
        let owned = all.iter().flat_map(|id| self.catalog.sequences_of(*id, None));
        let owned: Vec<CollectionId> = owned.map(|(sequence, _)| sequence.id).collect();
        all.extend(owned);
        let open = self.defaults_without(&all)?;
        let mut described: Vec<String> = match of_schema {
            None => visible.iter().map(|dependant| dependant.describe(path)).collect(),
            Some(_) => {
                let own =
                    named.iter().map(|id| &**item(id)).filter(|own| !matches!(own.kind, Kind::Index(_)));
                own.chain(visible.iter().copied()).map(|gone| gone.describe(path)).collect()
            }
        };
        if !described.is_empty() && !cascade {
            return Err(self.refuse_drop(named, &visible, of_schema));
        }
        if let Some(OpenDefault { relation, column, sequence }) = open.first()
            && !cascade
        {
            return Err(self.used_by_default(&item(sequence).describe(path), item(relation), *column));
        }
        described.extend(open.iter().map(|open| default_of(item(&open.relation), open.column, path)));
        if let Some(notice) = cascade_notice(&described) {
            self.notice(notice);
        }
        let mut steps = self.without_defaults(&open);
        let order = self.catalog.items_in_order();
        let ids = order.into_iter().rev().map(|item| item.id).filter(|id| all.contains(id));
        steps.extend(ids.map(|id| Step::Change(Change::DropItem { id })));
        Ok(steps)
    }

    /// The defaults, of relations that stay, that name a sequence among these; an identity's sequence goes with its column only.
    fn defaults_without(&self, gone: &BTreeSet<CollectionId>) -> Result<Vec<OpenDefault>, Error> {
        let path = &self.context.search_path;
        let mut open = Vec::new();
        for sequence in gone.iter().filter_map(|id| self.catalog.item(*id)) {
            if !matches!(sequence.kind, Kind::Sequence(_)) {
                continue;
            }
            for (relation, column) in self.catalog.columns_filled_by(sequence.id) {
                if gone.contains(&relation) {
                    continue;
                }
                let of = self.catalog.item(relation).expect("invariant: ids come from this snapshot");
                if of.columns()[column].identity.is_some() {
                    let column = format!("column {} of {}", of.columns()[column].name, of.describe(path));
                    let sequence = sequence.describe(path);
                    let message = format!("cannot drop {sequence} because {column} requires it");
                    return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
                        .hint(format!("You can drop {column} instead.")));
                }
                open.push(OpenDefault { relation, column, sequence: sequence.id });
            }
        }
        Ok(open)
    }

    /// The steps that take these defaults away.
    fn without_defaults(&self, open: &[OpenDefault]) -> Vec<Step> {
        let relations: BTreeSet<CollectionId> = open.iter().map(|open| open.relation).collect();
        let altered = relations.into_iter().map(|id| {
            let mut item =
                Item::clone(self.catalog.item(id).expect("invariant: ids come from this snapshot"));
            if let Kind::Table(Table { columns, .. }) | Kind::Stream(Stream { columns, .. }) = &mut item.kind
            {
                let own = open.iter().filter(|open| open.relation == id);
                own.for_each(|open| columns[open.column].default = None);
            }
            Step::Alter(Box::new(item))
        });
        altered.collect()
    }

    /// `2BP01` for a sequence that would go from under a default.
    pub(super) fn used_by_default(&self, what: &str, relation: &Item, column: usize) -> Error {
        let default = default_of(relation, column, &self.context.search_path);
        let message = format!("cannot drop {what} because other objects depend on it");
        Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
            .detail(format!("{default} depends on {what}"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }

    /// What goes with `readers`, which depend on a part of a relation that is to go: they and what depends on them.
    pub(super) fn drop_dependants(
        &mut self,
        what: &str,
        readers: &BTreeSet<CollectionId>,
        cascade: bool,
    ) -> Result<BTreeSet<CollectionId>, Error> {
        let further = self.catalog.dependants_of_all(readers);
        let all: BTreeSet<CollectionId> = readers.union(&further).copied().collect();
        let item =
            |id: &CollectionId| self.catalog.item(*id).expect("invariant: ids come from this snapshot");
        let path = &self.context.search_path;
        let shown: Vec<&Item> =
            all.iter().map(|id| &**item(id)).filter(|item| !matches!(item.kind, Kind::Index(_))).collect();
        if shown.is_empty() {
            return Ok(all);
        }
        if !cascade {
            let mut lines = Vec::new();
            for dependant in &shown {
                let name = dependant.describe(path);
                if readers.contains(&dependant.id) {
                    lines.push(format!("{name} depends on {what}"));
                }
                let on = dependant.depends_on.iter().filter(|on| all.contains(on));
                lines.extend(on.map(|on| format!("{name} depends on {}", item(on).describe(path))));
            }
            let message = format!("cannot drop {what} because other objects depend on it");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(lines.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let described: Vec<String> = shown.iter().map(|gone| gone.describe(path)).collect();
        if let Some(notice) = cascade_notice(&described) {
            self.notice(notice);
        }
        Ok(all)
    }

    /// `2BP01`, with a line for each thing that depends on something that would go.
    fn refuse_drop(
        &self,
        named: &BTreeSet<CollectionId>,
        visible: &[&Item],
        of_schema: Option<&str>,
    ) -> Error {
        let path = &self.context.search_path;
        let item =
            |id: &CollectionId| self.catalog.item(*id).expect("invariant: ids come from this snapshot");
        let mut lines = Vec::new();
        if let Some(schema) = of_schema {
            let own = named.iter().map(item).filter(|own| !matches!(own.kind, Kind::Index(_)));
            lines.extend(own.map(|own| format!("{} depends on schema {schema}", own.describe(path))));
        }
        let gone: BTreeSet<CollectionId> =
            named.iter().copied().chain(visible.iter().map(|item| item.id)).collect();
        for dependant in visible {
            for on in dependant.depends_on.iter().filter(|on| gone.contains(on)) {
                lines.push(format!("{} depends on {}", dependant.describe(path), item(on).describe(path)));
            }
        }
        let what = match (of_schema, named.len()) {
            (Some(schema), _) => format!("schema {schema}"),
            (None, 1) => named.iter().map(|id| item(id).describe(path)).collect(),
            (None, _) => "desired object(s)".to_owned(),
        };
        let because = if what == "desired object(s)" {
            "other objects depend on them"
        } else {
            "other objects depend on it"
        };
        Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, format!("cannot drop {what} because {because}"))
            .detail(lines.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }

    fn bind_drop_schema(&mut self, drop: &ast::Drop) -> Result<Bound, Error> {
        let tag = "DROP SCHEMA";
        let mut steps = Vec::new();
        for name in &drop.names {
            let schema = &name.last().name;
            if self.catalog.schema(schema).is_none() {
                if !drop.if_exists {
                    return Err(crate::catalog::undefined_schema(schema).at(name.position()));
                }
                let message = format!("schema \"{schema}\" does not exist, skipping");
                self.notice(Notice::new(SqlState::SUCCESSFUL_COMPLETION, message));
                continue;
            }
            if SYSTEM_SCHEMAS.contains(&schema.as_str()) {
                let message =
                    format!("cannot drop schema {schema} because it is required by the database system");
                return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message).at(name.position()));
            }
            let items: BTreeSet<CollectionId> = self.catalog.items_in(schema).map(|item| item.id).collect();
            steps.extend(self.drop_items(&items, drop.cascade, Some(schema))?);
            steps.push(Step::Change(Change::DropSchema { name: schema.clone() }));
        }
        if steps.is_empty() {
            return Ok(Bound::Plan(Plan::Nothing { tag }));
        }
        Ok(Bound::Change(Ddl::new(tag, steps)))
    }
}

/// A default that names a sequence which goes.
struct OpenDefault {
    relation: CollectionId,
    column: usize,
    sequence: CollectionId,
}

fn default_of(relation: &Item, column: usize, path: &[String]) -> String {
    let name = &relation.columns()[column].name;
    format!("default value for column {name} of {}", relation.describe(path))
}

fn kind_of(item: &Item) -> ObjectKind {
    match &item.kind {
        Kind::Table(_) | Kind::System(_) | Kind::MaterializedView(MaterializedView { table: true, .. }) => {
            ObjectKind::Table
        }
        Kind::Stream(_) => ObjectKind::Stream,
        Kind::View(_) => ObjectKind::View,
        Kind::MaterializedView(_) => ObjectKind::MaterializedView,
        Kind::Index(_) => ObjectKind::Index,
        Kind::Sequence(_) => ObjectKind::Sequence,
    }
}

fn cascade_notice(described: &[String]) -> Option<Notice> {
    let ok = SqlState::SUCCESSFUL_COMPLETION;
    match described {
        [] => None,
        [one] => Some(Notice::new(ok, format!("drop cascades to {one}"))),
        many => {
            let lines: Vec<String> = many.iter().map(|one| format!("drop cascades to {one}")).collect();
            Some(
                Notice::new(ok, format!("drop cascades to {} other objects", many.len()))
                    .detail(lines.join("\n")),
            )
        }
    }
}
