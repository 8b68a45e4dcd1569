//! Catalog items: from canonical text to what runs for them, at creation and again at every start.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{self, Statement};
use crate::bind::{Binder, Purpose};
use crate::catalog::{Arrangement, Bound, Catalog, Change, Column, Definition, Item, Kind, Stream};
use crate::error::{Error, SqlState};
use crate::lir::{Body, Dataflow};
use crate::mir::{self, CollectionId};
use crate::plan::Context;
use crate::repr::datetime::TimeZone;
use crate::repr::text::{DateStyle, IntervalStyle, TextSettings};
use crate::{decorrelate, hir, lower, optimize, parse};

/// The change with everything derived that is not stored: an item's text is parsed, bound and lowered against the catalog
/// that the change is to be applied to. Every start does this for each stored change, in order.
pub fn recompile(change: &Change, catalog: &Catalog) -> Result<Change, Error> {
    let Change::CreateItem(item) = change else { return Ok(change.clone()) };
    let mut item = (**item).clone();
    if let Kind::Table(crate::catalog::Table { columns, .. }) | Kind::Stream(Stream { columns, .. }) =
        &mut item.kind
    {
        parse_defaults(columns)?;
    }
    let rel = match item.definition() {
        Some(definition) => Some(Arc::new(compile_definition(definition, &item, catalog)?)),
        None => None,
    };
    if let Some(rel) = &rel {
        tighten(&mut item, &rel.columns());
    }
    item.bound = bound(&item, rel, catalog)?;
    Ok(Change::CreateItem(Box::new(item)))
}

fn parse_defaults(columns: &mut [Column]) -> Result<(), Error> {
    for default in columns.iter_mut().filter_map(|column| column.default.as_mut()) {
        default.expr = Some(Arc::new(parse::parse_canonical_expression(&default.sql)?));
    }
    Ok(())
}

/// What a stored query means.
fn compile_definition(definition: &Definition, item: &Item, catalog: &Catalog) -> Result<mir::Rel, Error> {
    let query = definition_hir(definition, item.kind_name(), catalog)?;
    Ok(optimize::optimize(decorrelate::decorrelate(&query.into_rel())?))
}

/// A stored query, bound as it was at creation: names in it are qualified, settings are the stored ones.
pub(crate) fn definition_hir(
    definition: &Definition,
    what: &'static str,
    catalog: &Catalog,
) -> Result<hir::Query, Error> {
    let mut query = parse_definition(&definition.sql)?;
    let context = Context {
        settings: definition_settings(definition)?,
        parameters: BTreeMap::from([
            ("timezone".to_owned(), definition.time_zone.clone()),
            ("datestyle".to_owned(), definition.date_style.clone()),
            ("intervalstyle".to_owned(), definition.interval_style.clone()),
        ]),
        ..Context::default()
    };
    Binder::new(catalog, &context, Purpose::Maintained(what)).bind_stored(&mut query)
}

fn definition_settings(definition: &Definition) -> Result<TextSettings, Error> {
    let Definition { time_zone, date_style, interval_style, .. } = definition;
    let unknown = |what: &str, value: &str| {
        let message = format!("the {what} \"{value}\" of a stored query is not known");
        Error::new(SqlState::DATA_CORRUPTED, message)
    };
    Ok(TextSettings {
        timezone: TimeZone::setting(time_zone).ok_or_else(|| unknown("time zone", time_zone))?,
        date_style: DateStyle::default().set(date_style).map_err(|_| unknown("date style", date_style))?,
        interval_style: IntervalStyle::named(interval_style)
            .ok_or_else(|| unknown("interval style", interval_style))?,
        ..TextSettings::default()
    })
}

fn parse_definition(sql: &str) -> Result<ast::Query, Error> {
    let mut statements = parse::parse_canonical(sql)?;
    match (statements.pop().map(|statement| statement.node), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(*query),
        _ => Err(Error::new(SqlState::DATA_CORRUPTED, "a stored definition is not one query")),
    }
}

/// Columns in which the optimizer has ruled out NULL.
fn tighten(item: &mut Item, columns: &[crate::repr::ColumnType]) {
    let own = match &mut item.kind {
        Kind::View(view) => &mut view.columns,
        Kind::MaterializedView(view) => &mut view.columns,
        Kind::Stream(stream) => &mut stream.columns,
        Kind::Table(_) | Kind::Index(_) | Kind::System(_) => return,
    };
    for (column, known) in own.iter_mut().zip(columns) {
        column.typ.nullable &= known.nullable;
    }
}

/// What runs for an item, and the arrangement that it publishes.
fn bound(item: &Item, rel: Option<Arc<mir::Rel>>, catalog: &Catalog) -> Result<Bound, Error> {
    let sources = Sources(catalog);
    let typ = item.relation_type();
    let dataflow = match (&item.kind, &rel) {
        (Kind::Table(table), _) => {
            Some(lower::table(item.id, &typ, table.primary_key.as_ref().map(|key| key.columns.as_slice())))
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
    Ok(Bound { rel, dataflow, arrangement, fallible })
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
            indexes: indexes
                .filter_map(|(index, _)| Some((index.id, index.bound.dataflow.clone()?)))
                .collect(),
        }
    }
}
