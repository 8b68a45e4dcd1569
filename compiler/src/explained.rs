//! EXPLAIN: a statement's plan at one of its stages, as lines of text.

use crate::ast::Stage;
use crate::bind::bound::{Bound, CopySource, Cursor, Explained, Step};
use crate::catalog::{Change, Item};
use crate::error::{Error, SqlState};
use crate::explain::{self, Names, Tree};
use crate::mir::CollectionId;
use crate::plan::{Access, FastPath, Finishing, Sorted, Source};
use crate::{Compiler, catalog, decorrelate, hir, items, plan};

/// Collections by their qualified names.
struct CatalogNames<'a>(&'a catalog::Catalog);

impl Names for CatalogNames<'_> {
    fn name(&self, id: CollectionId) -> String {
        match self.0.item(id) {
            Some(item) => format!("{}.{}", item.schema, item.name),
            None => explain::Ids.name(id),
        }
    }
}

impl Compiler<'_> {
    pub(crate) fn explain(&self, stage: Option<Stage>, of: Explained) -> Result<Vec<String>, Error> {
        let trees = match of {
            Explained::Statement(bound) => self.explain_statement(stage, *bound)?,
            Explained::Item(id) => {
                let item = self.catalog.item(id).expect("invariant: bind found it in this snapshot");
                self.explain_item(stage, item)?
            }
        };
        Ok(trees.iter().flat_map(Tree::lines).collect())
    }

    fn explain_statement(&self, stage: Option<Stage>, bound: Bound) -> Result<Vec<Tree>, Error> {
        match bound {
            Bound::Query(query)
            | Bound::CopyTo { source: CopySource::Query(query), .. }
            | Bound::Declare { body: Cursor::Query(query), .. } => self.explain_query(stage, query),
            Bound::Subscribe(subscribe)
            | Bound::CopyTo { source: CopySource::Subscribe(subscribe), .. }
            | Bound::Declare { body: Cursor::Subscribe(subscribe), .. } => {
                if let Some(Stage::Raw | Stage::Decorrelated | Stage::Optimized) = stage {
                    return self.explain_query(stage, subscribe.query);
                }
                let dataflow = self.subscribe(subscribe)?.dataflow;
                Ok(explain::lir(&dataflow, &CatalogNames(self.catalog)))
            }
            Bound::Insert(insert) => self.explain_write(stage, "Insert", insert.table, insert.source),
            Bound::Update(update) => self.explain_write(stage, "Update", update.table, update.selection),
            Bound::Delete(delete) => self.explain_write(stage, "Delete", delete.table, delete.selection),
            Bound::Change(ddl) => {
                let mut trees = Vec::new();
                let mut catalog = self.catalog.clone();
                for step in ddl.steps {
                    let Step::Create(item) = step else { continue };
                    let change = items::recompile(&Change::CreateItem(item), &catalog)?;
                    catalog = catalog.apply(&change)?;
                    let Change::CreateItem(item) = &change else { continue };
                    let compiler = Compiler { catalog: &catalog, ..*self };
                    trees.extend(compiler.explain_item(stage, item)?);
                }
                Ok(trees)
            }
            _ => Err(Error::unsupported("EXPLAIN of this statement is not supported")
                .hint("EXPLAIN takes queries, INSERT, UPDATE, DELETE, SUBSCRIBE and CREATE.")),
        }
    }

    fn explain_query(&self, stage: Option<Stage>, query: hir::Query) -> Result<Vec<Tree>, Error> {
        let names = CatalogNames(self.catalog);
        match stage {
            Some(Stage::Raw) => Ok(vec![explain::hir::query(&query, &names)]),
            Some(Stage::Decorrelated) => {
                let mut query = query;
                plan::Effects::of(&mut query);
                let rel = decorrelate::decorrelate(&query.into_rel())?;
                Ok(vec![explain::mir(&rel, &names)])
            }
            Some(Stage::Optimized) => {
                let (rel, finishing, effects) = self.finished(query)?;
                let tree = finished_tree(&finishing, vec![explain::mir(&rel, &names)]);
                Ok(vec![called_tree(effects.as_deref(), tree)])
            }
            Some(Stage::Physical) | None => {
                let (rel, finishing, effects) = self.finished(query)?;
                let source = self.source(rel, &finishing)?;
                let tree = finished_tree(&finishing, source_trees(&source, &names));
                Ok(vec![called_tree(effects.as_deref(), tree)])
            }
        }
    }

    fn explain_write(
        &self,
        stage: Option<Stage>,
        verb: &str,
        table: CollectionId,
        query: hir::Query,
    ) -> Result<Vec<Tree>, Error> {
        let line = format!("{verb}: {}", CatalogNames(self.catalog).name(table));
        Ok(vec![Tree::new(line, self.explain_query(stage, query)?)])
    }

    /// The plan that was made when the item was created.
    fn explain_item(&self, stage: Option<Stage>, item: &Item) -> Result<Vec<Tree>, Error> {
        let names = CatalogNames(self.catalog);
        let none = || {
            let message = format!("{} \"{}\" has no plan at this stage", item.kind_name(), item.name);
            Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        };
        let definition = item.bound.query.as_deref().zip(item.definition());
        match (stage, definition, &item.bound.rel, &item.bound.dataflow) {
            (Some(Stage::Raw), Some((query, definition)), ..) => {
                let (query, _) = items::definition_hir(query, definition, item.kind_name(), self.catalog)?;
                Ok(vec![explain::hir::query(&query, &names)])
            }
            (Some(Stage::Decorrelated), Some((query, definition)), ..) => {
                let (query, _) = items::definition_hir(query, definition, item.kind_name(), self.catalog)?;
                let rel = decorrelate::decorrelate(&query.into_rel())?;
                Ok(vec![explain::mir(&rel, &names)])
            }
            (Some(Stage::Optimized), _, Some(rel), _) => Ok(vec![explain::mir(rel, &names)]),
            (None | Some(Stage::Physical), _, _, Some(dataflow)) => Ok(explain::lir(dataflow, &names)),
            // A plain view runs as part of what reads it.
            (None | Some(Stage::Physical), _, Some(rel), None) => Ok(vec![explain::mir(rel, &names)]),
            _ => Err(none()),
        }
    }
}

/// What is done to the rows at last, above the plan; nothing where it does nothing.
fn finished_tree(finishing: &Finishing, mut trees: Vec<Tree>) -> Tree {
    let mut parts = Vec::new();
    if !finishing.order.is_empty() {
        parts.push(format!("order by {}", explain::order(&finishing.order)));
    }
    parts.extend(finishing.limit.as_ref().map(|limit| format!("limit {limit}")));
    parts.extend(finishing.offset.as_ref().map(|offset| format!("offset {offset}")));
    if finishing.project.iter().enumerate().any(|(at, column)| at != *column) {
        parts.push(format!("project {}", explain::columns(&finishing.project)));
    }
    match (parts.is_empty(), trees.len()) {
        (true, 1) => trees.remove(0),
        (true, _) => Tree::new("Query", trees),
        (false, _) => Tree::new(format!("Finish: {}", parts.join(", ")), trees),
    }
}

/// What is done for each row, above where the rows come from.
fn called_tree(effects: Option<&plan::Effects>, tree: Tree) -> Tree {
    let Some(effects) = effects else { return tree };
    let call = |call: &plan::SequenceCall| {
        let condition = call.condition.as_ref().map(|condition| format!(" where {condition}"));
        format!("{}({}){}", call.function.name(), explain::list(&call.args), condition.unwrap_or_default())
    };
    let calls: Vec<String> = effects.calls.iter().map(call).collect();
    Tree::new(format!("Each row: {}", calls.join(", ")), vec![tree])
}

fn source_trees(source: &Source, names: &dyn Names) -> Vec<Tree> {
    match source {
        Source::Constant { rel } | Source::Interpret { rel, .. } => vec![explain::mir(rel, names)],
        Source::Dataflow(dataflow) => explain::lir(dataflow, names),
        Source::FastPath(path) => vec![fast_path_tree(path, names)],
    }
}

fn fast_path_tree(path: &FastPath, names: &dyn Names) -> Tree {
    let key = |exprs: &[crate::scalar::ScalarExpr]| explain::list(exprs);
    let access = match &path.access {
        Access::Scan => "all".to_owned(),
        Access::Lookup(keys) => {
            let keys: Vec<String> = keys.iter().map(|exprs| format!("({})", key(exprs))).collect();
            format!("lookup {}", keys.join(", "))
        }
        Access::Range { prefix, lower, upper } => {
            let bound = |word: &str, bound: &Option<(crate::scalar::ScalarExpr, bool)>| {
                bound.as_ref().map_or(String::new(), |(expr, inclusive)| {
                    format!(" {word}{} {expr}", if *inclusive { "=" } else { "" })
                })
            };
            format!("range ({}){}{}", key(prefix), bound(">", lower), bound("<", upper))
        }
    };
    let order = match path.sorted {
        Some(Sorted { backwards: false, .. }) => ", the first",
        Some(Sorted { backwards: true, .. }) => ", the last first",
        None => "",
    };
    let line =
        format!("Read: {} by {}: {access}{order}", names.name(path.relation), names.name(path.arrangement));
    let mfp = explain::mfp_text(&path.mfp);
    let children = if mfp.is_empty() { Vec::new() } else { vec![Tree::leaf(mfp.trim_start())] };
    Tree::new(line, children)
}
