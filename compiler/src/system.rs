//! The catalog of a server on which nothing was created yet: what is builtin, made ready to be bound.
//!
//! Computed relations are declared by [`catalog::builtin`]; here the SQL of the views and functions over them is parsed, once, and
//! each view bound once to learn its columns. Where a statement names them, the binder puts the tree in.

use std::sync::{Arc, LazyLock};

use crate::ast::Statement;
use crate::bind::{Binder, Purpose};
use crate::catalog::builtin::{self, Body, Function};
use crate::catalog::{Catalog, Column, Item, System};
use crate::parse;
use crate::plan::Context;
use crate::repr::text::TextSettings;

const VALID: &str = "invariant: builtin definitions are valid, as a test shows";

/// The catalog of a server on which nothing was created yet.
pub fn empty_catalog() -> Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(builtin_catalog);
    CATALOG.clone()
}

fn builtin_catalog() -> Catalog {
    let functions = builtin::function_texts().map(|text| Function {
        name: text.name,
        args: text.args,
        result: text.result,
        body: match text.set {
            true => Body::Rows(Arc::new(query(&text.body))),
            false => Body::Value(Arc::new(parse::parse_canonical_expression(&text.body).expect(VALID))),
        },
    });
    let mut catalog = Catalog::with_system(builtin::tables().iter().cloned(), functions);
    let views = parse::parse_canonical(builtin::VIEWS).expect(VALID);
    for (view, id) in views.into_iter().zip(builtin::FIRST_VIEW_ID..) {
        let Statement::CreateView(view) = view.node else { panic!("{VALID}: a view") };
        let item = bound_view(id, *view, &catalog);
        catalog = catalog.with_item(item);
    }
    catalog
}

fn query(text: &str) -> crate::ast::Query {
    match parse::parse_canonical(text).expect(VALID).pop().map(|statement| statement.node) {
        Some(Statement::Query(query)) => *query,
        _ => panic!("{VALID}: a query"),
    }
}

fn bound_view(id: u64, view: crate::ast::CreateView, catalog: &Catalog) -> Item {
    let context = context();
    let mut query = view.query.clone();
    let bound = Binder::new(catalog, &context, Purpose::Once).bind_stored(&mut query);
    let bound = bound.unwrap_or_else(|error| panic!("{VALID}: {:?}: {error:?}", view.name));
    let types = bound.rel.types();
    let columns = bound.names.iter().zip(&bound.project);
    let columns = columns.map(|(name, column)| Column::new(name, types[*column].clone())).collect();
    let [schema, name] = &view.name.parts[..] else { panic!("{VALID}: a qualified name") };
    builtin::item(
        id,
        &schema.name,
        &name.name,
        System { columns, view: true, query: Some(Arc::new(view.query)) },
    )
}

fn context() -> Context {
    Context {
        search_path: Vec::new(),
        settings: TextSettings::default(),
        parameters: Default::default(),
        user: String::new(),
        database: String::new(),
        now: None,
        logical_now: None,
        parameter_types: Vec::new(),
    }
}
