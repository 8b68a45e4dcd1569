//! SQL text and a catalog snapshot become a plan.
//!
//! The crate knows no time: no I/O, clock, thread, async or timely. Nouns are files, verbs are folders;
//! [`repr`] and [`scalar`] are the values and expressions that every layer shares. The life of a statement:
//!
//! 1. [`parse::parse`] makes [`ast`] of the text: what was said, with positions.
//! 2. [`bind::Binder`] resolves it against the [`catalog`] into [`hir`]: what was meant. It also makes the tree canonical, so that
//!    the catalog can keep its text.
//! 3. [`decorrelate::decorrelate`] makes an algebra of collections of it, [`mir`]: no subquery, outer join or name is left.
//!    What that means is [`interpret`]'s to say.
//! 4. [`optimize::optimize`] rewrites it into cheaper MIR, pass by pass.
//! 5. [`lower`] decides what is left to decide and makes [`lir`], which the engine runs; or it finds that one published
//!    arrangement answers the query.
//! 6. [`plan`] holds what came out, for the session to carry out.
//!
//! [`compile`] is the only caller of all verbs. [`recompile`] does the same for an item that the catalog holds as text: an item
//! means after a restart what it meant when it was created, because it is made by the same function both times.

pub mod ast;
pub mod bind;
pub mod catalog;
pub mod decorrelate;
pub mod error;
pub mod explain;
pub mod hir;
pub mod interpret;
pub mod keyword;
pub mod lir;
pub mod lower;
pub mod mir;
pub mod optimize;
pub mod parse;
pub mod plan;
pub mod repr;
pub mod scalar;

mod explained;
mod items;
mod system;

use std::collections::BTreeSet;

use bind::bound::{self, Bound, Step};
use bind::{Binder, Purpose};
use catalog::{Catalog, Change, Kind, builtin};
use lower::Lifetime;
use mir::{CollectionId, Contents};
use plan::{
    CatalogChange, Check, Compiled, ConflictAction, Context, CopySource, CopyTo, Cursor, Declare, Delete,
    Envelope, Finishing, Insert, OnConflict, OutputColumn, Plan, Query, Returning, Shape, Source, Subscribe,
    Update, subscribed_columns,
};
use repr::Type;
use scalar::{ScalarExpr, Slice, SortKey};

pub use error::{Error, SqlState};
pub use items::{load, recompile};
pub use system::empty_catalog;

/// What a statement asks for.
pub fn compile(statement: &ast::Statement, catalog: &Catalog, context: &Context) -> Result<Compiled, Error> {
    let mut statement = statement.clone();
    let mut binder = Binder::new(catalog, context, Purpose::Once);
    let bound = binder.bind_statement(&mut statement)?;
    let facts = binder.finish()?;
    let compiler = Compiler { catalog, context, depends_on: &facts.depends_on };
    Ok(Compiled {
        plan: compiler.plan(bound)?,
        parameters: facts.parameters,
        notices: facts.notices,
        depends_on: facts.depends_on,
        uses_context: facts.uses_context,
        catalog_version: catalog.version,
    })
}

/// EXECUTE's arguments as expressions of the types of the prepared statement's parameters.
pub fn compile_arguments(
    args: &[ast::Expr],
    types: &[Type],
    catalog: &Catalog,
    context: &Context,
) -> Result<Vec<ScalarExpr>, Error> {
    Binder::new(catalog, context, Purpose::Once).bind_arguments(args, types)
}

/// From bound statements to plans, against one snapshot.
struct Compiler<'a> {
    catalog: &'a Catalog,
    context: &'a Context,
    depends_on: &'a BTreeSet<CollectionId>,
}

impl Compiler<'_> {
    fn plan(&self, bound: Bound) -> Result<Plan, Error> {
        Ok(match bound {
            Bound::Plan(plan) => plan,
            Bound::Query(query) => Plan::Query(self.query(query)?),
            Bound::Subscribe(subscribe) => Plan::Subscribe(self.subscribe(subscribe)?),
            Bound::Insert(insert) => Plan::Insert(self.insert(insert)?),
            Bound::Update(bound::Update { table, selection, returning }) => Plan::Update(Update {
                table,
                selection: self.query(selection)?,
                returning: returning.map(returned),
            }),
            Bound::Delete(bound::Delete { table, selection, returning }) => Plan::Delete(Delete {
                table,
                selection: self.query(selection)?,
                returning: returning.map(returned),
            }),
            Bound::CopyTo { source, format } => {
                Plan::CopyTo(CopyTo { source: self.copy_source(source)?, format })
            }
            Bound::Change(ddl) => Plan::Change(self.change(ddl)?),
            Bound::Explain { stage, of } => Plan::Explain { lines: self.explain(stage, of)? },
            Bound::Declare { declare, body } => Plan::Declare(self.declare(*declare, body)?),
        })
    }

    /// A query that is answered once.
    fn query(&self, query: hir::Query) -> Result<Query, Error> {
        let columns = query.names.iter().zip(query.types());
        let columns = columns.map(|(name, typ)| OutputColumn { name: name.clone(), typ: typ.typ }).collect();
        let (rel, finishing, effects) = self.finished(query)?;
        Ok(Query {
            columns,
            source: self.source(rel, &finishing)?,
            finishing,
            effects,
            depends_on: self.depends_on.clone(),
        })
    }

    /// The optimized relation of the columns that are sent or sorted by, and what is done to its rows: to all of them, then to each.
    fn finished(
        &self,
        mut query: hir::Query,
    ) -> Result<(mir::Rel, Finishing, Option<Box<plan::Effects>>), Error> {
        let effects = plan::Effects::of(&mut query).map(Box::new);
        let mut needed: Vec<usize> = Vec::new();
        let mut place = |column: usize| {
            needed.iter().position(|other| *other == column).unwrap_or_else(|| {
                needed.push(column);
                needed.len() - 1
            })
        };
        let project = query.project.iter().map(|column| place(*column)).collect();
        let order = query.order.iter().map(|key| {
            let expr = match key.expr {
                ScalarExpr::Column(column) => ScalarExpr::Column(place(column)),
                _ => unreachable!("invariant: a query's order is by columns of its relation"),
            };
            SortKey { expr, ..key.clone() }
        });
        let order = order.collect();
        let count = |expr: &Option<hir::Expr>| match expr {
            None => Ok(None),
            Some(expr) => match expr.to_local_scalar() {
                Some(scalar) => Ok(Some(scalar)),
                None => Err(Error::unsupported("a subquery in LIMIT or OFFSET is not supported")),
            },
        };
        let finishing =
            Finishing { order, limit: count(&query.limit)?, offset: count(&query.offset)?, project };
        let rel = decorrelate::decorrelate(&query.rel)?.project(needed);
        Ok((optimize::optimize(rel), finishing, effects))
    }

    /// Where the rows of an optimized relation come from.
    fn source(&self, rel: mir::Rel, finishing: &Finishing) -> Result<Source, Error> {
        let reads = rel.depends_on();
        if reads.is_empty() && rel.rows_max().is_some() {
            return Ok(Source::Constant { rel });
        }
        let contents = self.system_contents(&reads);
        if !reads.is_empty() && contents.len() == reads.len() {
            return Ok(Source::Interpret { rel, contents });
        }
        let mut rel = rel;
        put_in(&mut rel, &contents);
        let sources = items::Sources(self.catalog);
        if let Some(path) = lower::fast_path::fast_path(&rel, finishing, &sources) {
            return Ok(Source::FastPath(path));
        }
        let rel = limited(rel, finishing);
        Ok(Source::Dataflow(lower::stream(&rel, Lifetime::Transient, &sources)))
    }

    /// What the builtin relations and the sequences among these hold.
    fn system_contents(&self, reads: &BTreeSet<CollectionId>) -> Contents {
        let Context { database, user, parameters, search_path, sequences, .. } = self.context;
        let sequences = sequences.as_deref();
        let session = builtin::Session { database, user, parameters, search_path, sequences };
        let items = reads.iter().filter_map(|id| self.catalog.item(*id));
        let system = items.filter(|item| matches!(item.kind, Kind::System(_) | Kind::Sequence(_)));
        system.map(|item| (item.id, builtin::rows(item, self.catalog, &session))).collect()
    }

    fn subscribe(&self, subscribe: bound::Subscribe) -> Result<Subscribe, Error> {
        let bound::Subscribe { query, reads, snapshot, progress, as_of, up_to, shape, limit } = subscribe;
        let types = query.rel.types();
        let own = query.names.iter().zip(&query.project);
        let own = own.map(|(name, column)| (name.clone(), types[*column].typ.clone())).collect::<Vec<_>>();
        let rel = optimize::optimize(decorrelate::decorrelate(&query.into_rel())?);
        let sources = items::Sources(self.catalog);
        let shape = match shape {
            Shape::Rows if !lower::only_grows(&rel, &sources) => Shape::Changes,
            Shape::Envelope(envelope) => {
                let within = |key: &Vec<usize>| key.iter().all(|column| envelope.key.contains(column));
                Shape::Envelope(Envelope { unique: rel.keys().iter().any(within), ..envelope })
            }
            shape => shape,
        };
        let columns = shaped_columns(&shape, progress, own);
        let columns = columns.into_iter().map(|(name, typ)| OutputColumn { name, typ });
        Ok(Subscribe {
            columns: columns.collect(),
            dataflow: lower::stream(&rel, Lifetime::Maintained, &sources),
            depends_on: self.depends_on.clone(),
            shape,
            snapshot,
            progress,
            as_of,
            up_to,
            reads,
            limit,
        })
    }

    fn insert(&self, insert: bound::Insert) -> Result<Insert, Error> {
        let bound::Insert { table, source, on_conflict, returning } = insert;
        let on_conflict = on_conflict.map(|bound::OnConflict { key, update }| OnConflict {
            key,
            action: match update {
                None => ConflictAction::Nothing,
                Some(bound::ConflictUpdate { row, filter }) => ConflictAction::Update { row, filter },
            },
        });
        Ok(Insert { table, source: self.query(source)?, on_conflict, returning: returning.map(returned) })
    }

    fn copy_source(&self, source: bound::CopySource) -> Result<CopySource, Error> {
        Ok(match source {
            bound::CopySource::Query(query) => CopySource::Query(self.query(query)?),
            bound::CopySource::Subscribe(subscribe) => CopySource::Subscribe(self.subscribe(subscribe)?),
            bound::CopySource::Statement(bound) => CopySource::Statement(Box::new(self.plan(*bound)?)),
        })
    }

    /// Each change is compiled against the snapshot that those before it lead to.
    fn change(&self, ddl: bound::Ddl) -> Result<CatalogChange, Error> {
        let bound::Ddl { tag, steps, fill, locks, checks, sequences } = ddl;
        let fill = fill.map(|insert| self.insert(*insert)).transpose()?.map(Box::new);
        let mut catalog = self.catalog.clone();
        let mut changes = Vec::with_capacity(steps.len());
        for step in steps {
            let change = match step {
                Step::Change(change) => change,
                Step::Create(item) => recompile(&Change::CreateItem(item), &catalog)?,
                Step::Alter(item) => items::alter(*item, &catalog)?,
            };
            catalog = catalog.apply(&change)?;
            changes.push(change);
        }
        let checks = checks
            .into_iter()
            .map(|bound::Check { query, violated }| Ok(Check { query: self.query(query)?, violated }));
        let checks = checks.collect::<Result<Vec<_>, Error>>()?;
        Ok(CatalogChange { tag, changes, fill, locks, checks, sequences })
    }

    fn declare(&self, declare: ast::Declare, body: bound::Cursor) -> Result<Declare, Error> {
        let body = match body {
            bound::Cursor::Query(query) => Cursor::Query(self.query(query)?),
            bound::Cursor::Subscribe(subscribe) => Cursor::Subscribe(self.subscribe(subscribe)?),
        };
        let ast::Declare { name, binary, hold, scroll, .. } = declare;
        Ok(Declare { name: name.name, binary, hold, scroll, body })
    }
}

/// The columns of a subscription to a relation with these.
fn shaped_columns(shape: &Shape, progress: bool, own: Vec<(String, Type)>) -> Vec<(String, Type)> {
    match shape {
        Shape::Updates { .. } => {
            subscribed_columns(progress, "tw_diff", Type::Int8).into_iter().chain(own).collect()
        }
        Shape::Rows => own,
        Shape::Changes => own.into_iter().chain([("tw_diff".to_owned(), Type::Int8)]).collect(),
        Shape::Envelope(Envelope { debezium, key, others, .. }) => {
            let first = subscribed_columns(progress, "tw_state", Type::Text);
            let key = key.iter().map(|column| own[*column].clone());
            let sides: &[&str] = if *debezium { &["before_", "after_"] } else { &[""] };
            let sided = |side: &str, column: usize| {
                let (name, typ) = &own[column];
                (format!("{side}{name}"), typ.clone())
            };
            let others = sides.iter().flat_map(|side| others.iter().map(|column| sided(side, *column)));
            first.into_iter().chain(key).chain(others.collect::<Vec<_>>()).collect()
        }
    }
}

/// Puts the rows of builtin relations in the place of their names.
fn put_in(rel: &mut mir::Rel, contents: &Contents) {
    mir::deep(|| {
        if let mir::Rel::Get { id: mir::Id::Global(id), typ } = rel
            && let Some(rows) = contents.get(id)
        {
            *rel = mir::Rel::Constant { rows: Ok(rows.clone()), typ: typ.clone() };
        }
        rel.for_each_child_mut(|child| put_in(child, contents));
    });
}

fn returned(returning: bound::Returning) -> Returning {
    Returning { columns: returning.columns, exprs: returning.exprs }
}

/// The relation cut to the rows that the finishing can send, where their number is known.
fn limited(rel: mir::Rel, finishing: &Finishing) -> mir::Rel {
    let number = |expr: &ScalarExpr| match expr.as_literal() {
        Some(Ok(repr::Datum::Int(number))) => u64::try_from(number).ok(),
        _ => None,
    };
    let offset = finishing.offset.as_ref().map_or(Some(0), number);
    match (finishing.limit.as_ref().and_then(number), offset) {
        (Some(limit), Some(offset)) => match limit.checked_add(offset) {
            Some(rows) => rel.top_k(Vec::new(), finishing.order.clone(), Slice::first(rows)),
            None => rel,
        },
        _ => rel,
    }
}
