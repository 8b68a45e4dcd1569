//! Catalog items: from canonical text to what runs for them, at creation, when what they read is altered, and at every start.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{self, Statement};
use crate::bind::{Binder, Purpose};
use crate::catalog::{
    Alteration, Arrangement, Bound, Catalog, Change, Column, Definition, Item, Kind, Stream,
};
use crate::error::{Error, SqlState};
use crate::lir::{Body, Dataflow};
use crate::mir::{self, CollectionId};
use crate::plan::Context;
use crate::scalar::ScalarExpr;
use crate::{decorrelate, hir, lower, optimize, parse};

/// The change with everything derived that is not stored: a created item's text is parsed, bound and lowered against the catalog
/// that the change is to be applied to.
pub fn recompile(change: &Change, catalog: &Catalog) -> Result<Change, Error> {
    let Change::CreateItem(item) = change else { return Ok(change.clone()) };
    Ok(Change::CreateItem(Box::new(compiled(item, 0, catalog)?)))
}

/// The catalog that stored changes lead to, with everything derived. Every start does this.
pub fn load(changes: &[Change]) -> Result<Catalog, Error> {
    crate::empty_catalog()
        .apply_all(changes)?
        .rebuild(|item, catalog| Ok(Arc::new(compiled(item, 0, catalog)?)))
}

/// The change that puts `item` in the place of the one with its id. What depends on it is compiled anew, and belongs to the change
/// where something else came out: so that what runs is what would run after a restart.
pub fn alter(item: Item, catalog: &Catalog) -> Result<Change, Error> {
    let id = item.id;
    let plain = Alteration { item: Box::new(item), affected: Vec::new() };
    let next = catalog.apply(&Change::AlterItem(plain.clone()))?;
    let mut touched = next.dependants_of_all(&BTreeSet::from([id]));
    touched.insert(id);
    let (mut altered, mut affected) = (plain.item, Vec::new());
    next.rebuild(|item, before| {
        if !touched.contains(&item.id) {
            return Ok(item.clone());
        }
        let old = catalog.item(item.id).expect("invariant: what is altered was there");
        let new = compiled_again(item, old, before)?;
        if item.id == id {
            *altered = new.clone();
        } else if means_else(old, &new) {
            affected.push(new.clone());
        } else {
            return Ok(item.clone());
        }
        Ok::<_, Error>(Arc::new(new))
    })?;
    Ok(Change::AlterItem(Alteration { item: altered, affected }))
}

/// An item compiled in the place of `old`, of the next generation if something else is to run for it.
fn compiled_again(item: &Item, old: &Item, catalog: &Catalog) -> Result<Item, Error> {
    let generation = old.bound.generation;
    let new = compiled(item, generation, catalog)?;
    match new.bound.dataflow == old.bound.dataflow {
        true => Ok(new),
        false => compiled(item, generation + 1, catalog),
    }
}

fn means_else(old: &Item, new: &Item) -> bool {
    let differs = |of: fn(&Item) -> &[Column]| of(old) != of(new);
    old.bound.dataflow != new.bound.dataflow
        || old.bound.rel != new.bound.rel
        || old.bound.reads != new.bound.reads
        || differs(Item::columns)
}

/// The item with everything that is derived from its text.
fn compiled(item: &Item, generation: u32, catalog: &Catalog) -> Result<Item, Error> {
    let mut item = item.clone();
    if let Kind::Table(crate::catalog::Table { columns, .. }) | Kind::Stream(Stream { columns, .. }) =
        &mut item.kind
    {
        parse_defaults(columns)?;
    }
    if let Kind::Table(table) = &mut item.kind {
        for check in &mut table.checks {
            check.expr = Some(Arc::new(parse::parse_canonical_expression(&check.condition.sql)?));
        }
    }
    let definition = match item.definition() {
        Some(definition) => Some(compile_definition(definition, &item, catalog)?),
        None => None,
    };
    let Some(Compiled { query, rel, reads }) = definition else {
        let checks = compile_checks(&item, catalog)?;
        item.bound = Bound { generation, checks, ..bound(&item, None, generation, catalog)? };
        return Ok(item);
    };
    tighten(&mut item, &rel.columns());
    let query = Some(query);
    item.bound = Bound { query, reads, generation, ..bound(&item, Some(rel), generation, catalog)? };
    Ok(item)
}

fn parse_defaults(columns: &mut [Column]) -> Result<(), Error> {
    for default in columns.iter_mut().filter_map(|column| column.default.as_mut()) {
        default.expr = Some(Arc::new(parse::parse_canonical_expression(&default.sql)?));
    }
    Ok(())
}

/// What a table's CHECK constraints ask of a row.
fn compile_checks(item: &Item, catalog: &Catalog) -> Result<Vec<ScalarExpr>, Error> {
    let Kind::Table(table) = &item.kind else { return Ok(Vec::new()) };
    let compiled = table.checks.iter().map(|check| {
        let context = Context::stored(&check.condition)?;
        let mut expr = check.expr().clone();
        Binder::new(catalog, &context, Purpose::Once).bind_stored_check(&item.name, &table.columns, &mut expr)
    });
    compiled.collect()
}

/// A stored query, what it means, and the columns that it names.
struct Compiled {
    query: Arc<ast::Query>,
    rel: Arc<mir::Rel>,
    reads: Columns,
}

/// Columns of items, by their places.
type Columns = BTreeSet<(CollectionId, usize)>;

fn compile_definition(definition: &Definition, item: &Item, catalog: &Catalog) -> Result<Compiled, Error> {
    let query = parse_definition(&definition.sql)?;
    let (bound, reads) = definition_hir(&query, definition, item.kind_name(), catalog)?;
    let rel = optimize::optimize(decorrelate::decorrelate(&bound.into_rel())?);
    Ok(Compiled { query: Arc::new(query), rel: Arc::new(rel), reads })
}

/// A stored query, bound as it was at creation: it says itself what names in it mean, settings are the stored ones.
pub(crate) fn definition_hir(
    query: &ast::Query,
    definition: &Definition,
    what: &'static str,
    catalog: &Catalog,
) -> Result<(hir::Query, Columns), Error> {
    let context = Context::stored(definition)?;
    Binder::new(catalog, &context, Purpose::Maintained(what)).bind_stored(&mut query.clone())
}

fn parse_definition(sql: &str) -> Result<ast::Query, Error> {
    let mut statements = parse::parse_canonical(sql)?;
    match (statements.pop().map(|statement| statement.node), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(*query),
        _ => Err(Error::new(SqlState::DATA_CORRUPTED, "a stored definition is not one query")),
    }
}

/// The columns can hold NULL as far as the optimizer has not ruled it out.
fn tighten(item: &mut Item, columns: &[crate::repr::ColumnType]) {
    let own = match &mut item.kind {
        Kind::View(view) => &mut view.columns,
        Kind::MaterializedView(view) => &mut view.columns,
        Kind::Stream(stream) => &mut stream.columns,
        Kind::Table(_) | Kind::Index(_) | Kind::Sequence(_) | Kind::System(_) => return,
    };
    for (column, known) in own.iter_mut().zip(columns) {
        column.typ.nullable = known.nullable;
    }
}

/// What runs for an item, and the arrangement that it publishes.
fn bound(
    item: &Item,
    rel: Option<Arc<mir::Rel>>,
    generation: u32,
    catalog: &Catalog,
) -> Result<Bound, Error> {
    let sources = Sources(catalog);
    let typ = item.relation_type();
    let dataflow = match (&item.kind, &rel) {
        (Kind::Table(table), _) => {
            let key = table.primary_key.as_ref().map(|key| key.columns.as_slice());
            Some(lower::table(item.id, generation, &typ, key, table.missing()))
        }
        (Kind::MaterializedView(_), Some(rel)) => Some(lower::materialized_view(rel, &sources)),
        (Kind::Stream(_), Some(rel)) => Some(lower::derived_stream(rel, item.id, &sources)),
        (Kind::Index(index), _) => {
            let on = catalog.item(index.on).ok_or_else(|| {
                Error::new(
                    SqlState::UNDEFINED_TABLE,
                    format!("relation with id {} does not exist", index.on.0),
                )
            })?;
            Some(lower::index(index.on, &on.relation_type(), &index.key, &sources))
        }
        _ => None,
    };
    let fallible = match &rel {
        Some(rel) => lower::fallible_columns(rel, &sources),
        None => vec![false; typ.arity()],
    };
    let dataflow = dataflow.map(Arc::new);
    let arrangement = dataflow.as_deref().and_then(published);
    Ok(Bound { rel, dataflow, arrangement, fallible, ..Bound::default() })
}

fn published(dataflow: &Dataflow) -> Option<Arrangement> {
    let Body::Arrangement(index) = &dataflow.body else { return None };
    let fragment = &dataflow.fragments[index.0];
    Some(Arrangement { identity: fragment.identity.clone(), layout: fragment.layout.clone() })
}

/// The catalog as the lowering asks it.
pub(crate) struct Sources<'a>(pub &'a Catalog);

impl lower::Sources for Sources<'_> {
    fn source(&self, id: CollectionId) -> lower::Source {
        let item = self.0.item(id).expect("invariant: a plan reads what its snapshot holds");
        let reads_shard = matches!(item.kind, Kind::Stream(_));
        let indexes = self.0.indexes_on(id);
        lower::Source {
            dataflow: item.bound.dataflow.clone().filter(|_| !reads_shard),
            fallible: item.bound.fallible.clone(),
            generation: item.bound.generation,
            indexes: indexes
                .filter_map(|(index, _)| Some((index.id, index.bound.dataflow.clone()?)))
                .collect(),
        }
    }
}
