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
    let context = Context::default();
    let mut query = view.query.clone();
    let bound = Binder::new(catalog, &context, Purpose::Once).bind_stored(&mut query);
    let (bound, _) = bound.unwrap_or_else(|error| panic!("{VALID}: {:?}: {error:?}", view.name));
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

#[cfg(test)]
mod tests {
    use crate::plan::{Plan, Source};
    use crate::repr::Type;

    use super::*;

    /// The rows of a query, and how many columns they have.
    fn run(sql: &str) -> (Vec<(crate::repr::Row, i64)>, usize) {
        let catalog = empty_catalog();
        let statement = parse::parse(sql).expect("the query parses").remove(0).node;
        let compiled = crate::compile(&statement, &catalog, &Context::default());
        let compiled = compiled.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let Plan::Query(query) = compiled.plan else { panic!("{sql}: a query") };
        let rows = match &query.source {
            Source::Interpret { rel, contents } => crate::interpret::evaluate(rel, contents),
            Source::Constant { rel } => crate::interpret::evaluate(rel, &Default::default()),
            _ => panic!("{sql}: reads builtin relations only"),
        };
        (rows.unwrap_or_else(|error| panic!("{sql}: {error:?}")), query.columns.len())
    }

    #[test]
    fn every_builtin_relation_can_be_read_and_has_the_declared_columns() {
        for item in empty_catalog().items() {
            let (rows, columns) = run(&format!("SELECT * FROM {}.{}", item.schema, item.name));
            assert_eq!(columns, item.columns().len(), "{}", item.name);
            for (row, _) in rows {
                for (datum, column) in row.iter().zip(item.columns()) {
                    assert!(column.typ.nullable || !datum.is_null(), "{}.{}", item.name, column.name);
                }
            }
        }
    }

    #[test]
    fn every_builtin_definition_of_a_function_is_valid() {
        for function in empty_catalog().functions() {
            let args: Vec<String> = function
                .args
                .iter()
                .map(|typ| match typ {
                    Type::Unknown => "'1'".to_owned(),
                    typ => format!("CAST(NULL AS pg_catalog.\"{}\")", typ.name()),
                })
                .collect();
            let call = format!("{}({})", function.name, args.join(", "));
            let sql = match function.returns_set() {
                true => format!("SELECT * FROM {call}"),
                false => format!("SELECT {call}"),
            };
            run(&sql);
        }
    }

    #[test]
    fn a_view_is_refused_over_builtin_relations() {
        let sql = "CREATE VIEW v AS SELECT relname FROM pg_class";
        let statement = parse::parse(sql).expect("the statement parses").remove(0).node;
        let context = Context { search_path: vec!["public".to_owned()], ..Context::default() };
        let error = crate::compile(&statement, &empty_catalog(), &context).expect_err("it is refused");
        assert_eq!(error.code, crate::SqlState::FEATURE_NOT_SUPPORTED);
        assert!(error.hint.is_some());
    }
}
