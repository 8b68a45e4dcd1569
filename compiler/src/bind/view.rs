//! CREATE VIEW and CREATE MATERIALIZED VIEW; OR REPLACE gives a view another query.
//!
//! A replaced view keeps its id, its name and its first columns, by which what reads it knows it: so what reads it is compiled anew
//! over the new query, and restarted where something else comes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Binder;
use super::bound::{Bound, Ddl, Step};
use super::ddl::{change, output_columns, refuse_options};
use crate::ast;
use crate::catalog::{Column, Item, Kind, MaterializedView, View};
use crate::error::{Error, SqlState};

impl Binder<'_> {
    pub(super) fn bind_create_view(&mut self, create: &mut ast::CreateView) -> Result<Bound, Error> {
        let (tag, what) = match create.materialized {
            true => ("CREATE MATERIALIZED VIEW", "materialized view"),
            false => ("CREATE VIEW", "view"),
        };
        refuse_clauses(create)?;
        let replaced = match create.or_replace {
            true => self.replaced_view(&create.name)?,
            false => None,
        };
        let new = match (&replaced, self.new_name(&create.name)?) {
            (Some(item), _) => (item.schema.clone(), item.name.clone()),
            (None, Ok(name)) => name,
            (None, Err(message)) => {
                return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, tag);
            }
        };
        let position = create.query.position;
        let (definition, bound) = self.bind_definition(&mut create.query, what)?;
        let columns = output_columns(&bound, &create.columns, position)?;
        let kind = match (create.materialized, &replaced) {
            (true, _) => Kind::MaterializedView(MaterializedView { columns, definition, table: false }),
            (false, Some(item)) => {
                check_columns(item.columns(), &columns)?;
                Kind::View(View { columns, definition })
            }
            (false, None) => Kind::View(View { columns, definition }),
        };
        let item = self.new_item(new.0, new.1, kind);
        let Some(former) = replaced else { return Ok(change(tag, vec![Step::Create(Box::new(item))])) };
        self.check_not_circular(&former)?;
        let item = Item { id: former.id, ..item };
        Ok(Bound::Change(Ddl::new(tag, vec![Step::Alter(Box::new(item))])))
    }

    /// The view that the name means, if something has the name.
    fn replaced_view(&mut self, name: &ast::Name) -> Result<Option<Arc<Item>>, Error> {
        let schema = match self.schema_of(name)? {
            Some(schema) => Some(schema),
            None => self.catalog.creation_schema(&self.context.search_path),
        };
        let found = schema.and_then(|schema| self.catalog.named(schema, &name.last().name));
        match found {
            Some(item) if !matches!(item.kind, Kind::View(_)) => {
                let message = format!("\"{}\" is not a view", item.name);
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position()))
            }
            found => Ok(found.cloned()),
        }
    }

    /// A view may not come to read itself, through others neither.
    fn check_not_circular(&self, view: &Item) -> Result<(), Error> {
        let mut above = self.catalog.dependants_of_all(&BTreeSet::from([view.id]));
        above.insert(view.id);
        match above.is_disjoint(&self.facts.depends_on) {
            true => Ok(()),
            false => {
                let message = format!("infinite recursion detected in rules for relation \"{}\"", view.name);
                Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message))
            }
        }
    }
}

/// The columns that were there stay, by name and type; others may follow.
fn check_columns(former: &[Column], columns: &[Column]) -> Result<(), Error> {
    let refuse = |message: String| Error::new(SqlState::INVALID_TABLE_DEFINITION, message);
    if columns.len() < former.len() {
        return Err(refuse("cannot drop columns from view".to_owned()));
    }
    for (column, now) in former.iter().zip(columns) {
        if column.name != now.name {
            return Err(refuse(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                column.name, now.name
            ))
            .hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        }
        let (typ, new) = (&column.typ.typ, &now.typ.typ);
        if typ != new {
            let message =
                format!("cannot change data type of view column \"{}\" from {typ} to {new}", column.name);
            return Err(refuse(message));
        }
    }
    Ok(())
}

fn refuse_clauses(create: &ast::CreateView) -> Result<(), Error> {
    let refuse =
        |what: &str, position: u32| Err(Error::unsupported(format!("{what} is not supported")).at(position));
    if create.or_replace && create.materialized {
        return Err(Error::unsupported("CREATE OR REPLACE MATERIALIZED VIEW is not supported")
            .hint("Drop it and create it again.")
            .at(create.position));
    }
    if create.temporary {
        return refuse("a temporary view", create.position);
    }
    if let Some(option) = &create.check_option {
        return refuse("WITH CHECK OPTION", option.position);
    }
    if !create.with_data {
        return refuse("WITH NO DATA", create.position);
    }
    refuse_options(&create.options)
}
