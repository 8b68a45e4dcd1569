//! pg_class and what hangs on it: columns, defaults, indexes, constraints, rules of views, dependencies.
//!
//! A table's primary key is an index to clients, though the table's own arrangement serves it: it has its constraint's oid.

use bumpalo::Bump;

use super::{BTREE, HEAP, OWNER, STREAM, Session, Sheet, oid, types, vector};
use crate::ast;
use crate::catalog::{
    Catalog, Column, Default, Item, Key, Kind, MaterializedView, Sequence, Stream, System, Table,
};
use crate::repr::{Array, ColumnType, Datum, Type};

const PG_ATTRDEF: i64 = 2604;
const PG_CLASS: i64 = 1259;
const PG_REWRITE: i64 = 2618;
const PG_CONSTRAINT: i64 = 2606;
const PG_NAMESPACE: i64 = 2615;

/// An index as clients see it.
struct IndexView<'a> {
    id: u64,
    schema: &'a str,
    name: &'a str,
    on: &'a Item,
    /// Columns of the relation.
    key: &'a [usize],
    unique: bool,
    primary: bool,
}

impl IndexView<'_> {
    fn columns(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.key.iter().map(|column| &self.on.columns()[*column])
    }
}

/// The indexes of the catalog: primary keys, those of UNIQUE constraints, and those that users created.
fn all_indexes(catalog: &Catalog) -> Vec<IndexView<'_>> {
    let mut found = Vec::new();
    for item in catalog.items() {
        match &item.kind {
            Kind::Table(Table { primary_key: Some(key), .. }) => found.push(IndexView {
                id: key.oid,
                schema: &item.schema,
                name: &key.name,
                on: item,
                key: &key.columns,
                unique: true,
                primary: true,
            }),
            Kind::Index(index) => {
                let Some(on) = catalog.item(index.on) else { continue };
                let (id, schema, name) = (item.id.0, &item.schema, &item.name);
                let (key, unique) = (&index.key[..], index.constraint);
                found.push(IndexView { id, schema, name, on, key, unique, primary: false });
            }
            _ => {}
        }
    }
    found
}

fn namespace(catalog: &Catalog, schema: &str) -> Datum<'static> {
    catalog.schema(schema).map_or(Datum::Int(0), |schema| oid(schema.oid))
}

/// The letter in `pg_class.relkind`. A stream is a table that only grows.
fn relkind(item: &Item) -> &'static str {
    match &item.kind {
        Kind::Table(_)
        | Kind::Stream(_)
        | Kind::MaterializedView(MaterializedView { table: true, .. })
        | Kind::System(System { view: false, .. }) => "r",
        Kind::View(_) | Kind::System(System { view: true, .. }) => "v",
        Kind::MaterializedView(_) => "m",
        Kind::Index(_) => "i",
        Kind::Sequence(_) => "S",
    }
}

pub fn classes(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "relname",
        "relnamespace",
        "relowner",
        "relam",
        "reltuples",
        "relhasindex",
        "relpersistence",
        "relkind",
        "relnatts",
        "relchecks",
        "relhasrules",
        "relispopulated",
        "relreplident",
    ];
    let indexes = all_indexes(catalog);
    sheet.fill(columns, |sheet| {
        for item in catalog.items().filter(|item| item.is_relation()) {
            let kind = relkind(item);
            let method = match &item.kind {
                Kind::Stream(_) => STREAM,
                _ if matches!(kind, "v" | "S") => 0,
                _ => HEAP,
            };
            sheet.row([
                oid(item.id.0),
                Datum::Text(&item.name),
                namespace(catalog, &item.schema),
                Datum::Int(OWNER),
                Datum::Int(method),
                Datum::Float(-1.0),
                Datum::Bool(indexes.iter().any(|index| index.on.id == item.id)),
                Datum::Text("p"),
                Datum::Text(kind),
                Datum::Int(item.columns().len() as i64),
                Datum::Int(match &item.kind {
                    Kind::Table(table) => table.checks.len() as i64,
                    _ => 0,
                }),
                Datum::Bool(kind == "v"),
                Datum::Bool(true),
                // How replication tells old rows: by the primary key, or not at all.
                Datum::Text(if item.id.0 < crate::catalog::FIRST_USER_ID { "n" } else { "d" }),
            ]);
        }
        for index in &indexes {
            sheet.row([
                oid(index.id),
                Datum::Text(index.name),
                namespace(catalog, index.schema),
                Datum::Int(OWNER),
                Datum::Int(BTREE),
                Datum::Float(-1.0),
                Datum::Bool(false),
                Datum::Text("p"),
                Datum::Text("i"),
                Datum::Int(index.key.len() as i64),
                Datum::Int(0),
                Datum::Bool(false),
                Datum::Bool(true),
                Datum::Text("n"),
            ]);
        }
    });
}

pub fn attributes(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = [
        "attrelid",
        "attname",
        "atttypid",
        "attstattarget",
        "attlen",
        "attnum",
        "attndims",
        "attcacheoff",
        "atttypmod",
        "attbyval",
        "attalign",
        "attstorage",
        "attnotnull",
        "atthasdef",
        "atthasmissing",
        "attidentity",
        "attisdropped",
        "attislocal",
        "attcollation",
    ];
    sheet.fill(columns, |sheet| {
        let mut write = |relation: u64, number: usize, column: &Column, typ: &ColumnType| {
            let of = &typ.typ;
            let storage = types::Storage::of(of);
            sheet.row([
                oid(relation),
                Datum::Text(&column.name),
                Datum::Int(if column.dropped { 0 } else { of.oid().into() }),
                Datum::Int(-1),
                Datum::Int(of.typlen().into()),
                Datum::Int(number as i64),
                Datum::Int(matches!(of, Type::Array(_)).into()),
                Datum::Int(-1),
                Datum::Int(of.typmod().into()),
                Datum::Bool(storage.by_value),
                Datum::Text(storage.align),
                Datum::Text(storage.strategy),
                Datum::Bool(!typ.nullable),
                Datum::Bool(column.default.is_some()),
                Datum::Bool(column.missing.is_some()),
                Datum::Text(match column.identity {
                    None => "",
                    Some(identity) if identity.always => "a",
                    Some(_) => "d",
                }),
                Datum::Bool(column.dropped),
                Datum::Bool(true),
                Datum::Int(types::collation(of)),
            ]);
        };
        for item in catalog.items() {
            // A view's columns are never declared NOT NULL, whatever is known of them.
            let declared = !matches!(item.kind, Kind::View(_) | Kind::MaterializedView(_));
            for (at, column) in item.columns().iter().enumerate() {
                let typ = ColumnType::new(column.typ.typ.clone(), column.typ.nullable || !declared);
                write(item.id.0, at + 1, column, &typ);
            }
        }
        for index in all_indexes(catalog) {
            for (at, column) in index.columns().enumerate() {
                let typ = ColumnType::new(column.typ.typ.clone(), true);
                write(index.id, at + 1, &Column::new(&column.name, typ.clone()), &typ);
            }
        }
    });
}

/// Defaults have no oid of their own: no two of one number space may meet, so that of the column is made of the relation's.
pub fn defaults(catalog: &Catalog, session: &Session<'_>, sheet: &mut Sheet<'_>) {
    sheet.fill(["oid", "adrelid", "adnum", "adbin"], |sheet| {
        for item in catalog.items() {
            for (at, column) in item.columns().iter().enumerate() {
                let Some(default) = &column.default else { continue };
                let number = at as i64 + 1;
                sheet.row([
                    Datum::Int(default_oid(item, at)),
                    oid(item.id.0),
                    Datum::Int(number),
                    Datum::Text(&with_names(default, catalog, session)),
                ]);
            }
        }
    });
}

fn default_oid(item: &Item, column: usize) -> i64 {
    (item.id.0 as i64) << 11 | (column as i64 + 1)
}

/// A default's text, in which sequences have the names that they have for the session.
fn with_names(default: &Default, catalog: &Catalog, session: &Session<'_>) -> String {
    default.sequences.iter().fold(default.sql.clone(), |sql, id| {
        let name = super::entry_name(&Type::Regclass, id.0, catalog, session.search_path, session.user);
        let name = name.unwrap_or_default().replace('\'', "''");
        sql.replace(&format!("'{}'::regclass", id.0), &format!("'{name}'::regclass"))
    })
}

pub fn indexes(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = [
        "indexrelid",
        "indrelid",
        "indnatts",
        "indnkeyatts",
        "indisunique",
        "indisprimary",
        "indimmediate",
        "indisvalid",
        "indisready",
        "indislive",
        "indkey",
        "indcollation",
        "indclass",
        "indoption",
    ];
    let arena = sheet.arena;
    sheet.fill(columns, |sheet| {
        for index in all_indexes(catalog) {
            let (yes, width) = (Datum::Bool(true), Datum::Int(index.key.len() as i64));
            sheet.row([
                oid(index.id),
                oid(index.on.id.0),
                width,
                width,
                Datum::Bool(index.unique),
                Datum::Bool(index.primary),
                yes,
                yes,
                yes,
                yes,
                vector(index.key.iter().map(|column| *column as i64 + 1), arena),
                vector(index.columns().map(|column| types::collation(&column.typ.typ)), arena),
                vector(index.columns().map(|column| types::operator_class(&column.typ.typ)), arena),
                vector(index.key.iter().map(|_| 0), arena),
            ]);
        }
    });
}

pub fn constraints(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "conname",
        "connamespace",
        "contype",
        "convalidated",
        "conrelid",
        "conindid",
        "conislocal",
        "connoinherit",
        "confupdtype",
        "confdeltype",
        "confmatchtype",
        "conkey",
    ];
    let arena = sheet.arena;
    sheet.fill(columns, |sheet| {
        let mut write = |item: &Item, key: &Key, kind: &str, index: u64| {
            sheet.row([
                oid(key.oid),
                Datum::Text(&key.name),
                namespace(catalog, &item.schema),
                Datum::Text(kind),
                Datum::Bool(true),
                oid(item.id.0),
                oid(index),
                Datum::Bool(true),
                Datum::Bool(true),
                Datum::Text(" "),
                Datum::Text(" "),
                Datum::Text(" "),
                numbers(&key.columns, arena),
            ]);
        };
        for item in catalog.items() {
            let Kind::Table(table) = &item.kind else { continue };
            if let Some(key) = &table.primary_key {
                write(item, key, "p", key.oid);
            }
            for key in &table.uniques {
                let index = catalog.indexes_on(item.id).find(|(index, _)| index.name == key.name);
                write(item, key, "u", index.map_or(0, |(index, _)| index.id.0));
            }
        }
    });
    check_constraints(catalog, sheet);
}

fn check_constraints(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "conname",
        "connamespace",
        "contype",
        "convalidated",
        "conrelid",
        "conislocal",
        "confupdtype",
        "confdeltype",
        "confmatchtype",
        "conkey",
        "conbin",
    ];
    let arena = sheet.arena;
    sheet.fill(columns, |sheet| {
        for item in catalog.items() {
            let Kind::Table(table) = &item.kind else { continue };
            for check in &table.checks {
                sheet.row([
                    oid(check.oid),
                    Datum::Text(&check.name),
                    namespace(catalog, &item.schema),
                    Datum::Text("c"),
                    Datum::Bool(true),
                    oid(item.id.0),
                    Datum::Bool(true),
                    Datum::Text(" "),
                    Datum::Text(" "),
                    Datum::Text(" "),
                    numbers(&check.columns, arena),
                    Datum::Text(&check.condition.sql),
                ]);
            }
        }
    });
}

fn numbers<'a>(columns: &[usize], arena: &'a Bump) -> Datum<'a> {
    Datum::Array(Array::pack_flat_in(columns.iter().map(|column| Datum::Int(*column as i64 + 1)), arena))
}

/// The rule of a view is what it selects; its text, laid out to be read, stands where PostgreSQL keeps the rule's
/// tree.
pub fn rules(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns =
        ["oid", "rulename", "ev_class", "ev_type", "ev_enabled", "is_instead", "ev_qual", "ev_action"];
    sheet.fill(columns, |sheet| {
        for item in catalog.items() {
            let Some(query) = &item.bound.query else { continue };
            sheet.row([
                oid(item.id.0),
                Datum::Text("_RETURN"),
                oid(item.id.0),
                Datum::Text("1"),
                Datum::Text("O"),
                Datum::Bool(true),
                Datum::Text("<>"),
                Datum::Text(&super::layout::laid_out(&ast::print::query_now(query, catalog))),
            ]);
        }
    });
}

/// What functions are documented with, and COMMENT ON.
pub fn descriptions(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    sheet.fill(["objoid", "classoid", "objsubid", "description"], |sheet| {
        for (function, class, doc) in super::functions::docs() {
            sheet.row([Datum::Int(function), Datum::Int(class), Datum::Int(0), Datum::Text(doc)]);
        }
        for ((on, column), text) in catalog.comments() {
            let is_schema = catalog.schemas().any(|schema| schema.oid == on);
            let class = if is_schema { PG_NAMESPACE } else { PG_CLASS };
            sheet.row([oid(on), Datum::Int(class), Datum::Int(column.into()), Datum::Text(text)]);
        }
    });
}

pub fn dependencies(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns = ["classid", "objid", "objsubid", "refclassid", "refobjid", "refobjsubid", "deptype"];
    sheet.fill(columns, |sheet| {
        let mut write = |class: i64, id: u64, on: (i64, Datum<'_>, i64), kind: &str| {
            let zero = Datum::Int(0);
            let (on_class, on, column) = on;
            sheet.row([
                Datum::Int(class),
                oid(id),
                zero,
                Datum::Int(on_class),
                on,
                Datum::Int(column),
                Datum::Text(kind),
            ]);
        };
        for item in catalog.items().filter(|item| item.id.0 >= crate::catalog::FIRST_USER_ID) {
            write(PG_CLASS, item.id.0, (PG_NAMESPACE, namespace(catalog, &item.schema), 0), "n");
            match &item.kind {
                Kind::View(_) | Kind::MaterializedView(_) | Kind::Stream(Stream { derived: Some(_), .. }) => {
                    write(PG_REWRITE, item.id.0, (PG_CLASS, oid(item.id.0), 0), "i");
                    for on in &item.depends_on {
                        let read = item.bound.reads.iter().filter(|(relation, _)| relation == on);
                        let mut columns: Vec<i64> = read.map(|(_, column)| *column as i64 + 1).collect();
                        if columns.is_empty() {
                            columns.push(0);
                        }
                        for column in columns {
                            write(PG_REWRITE, item.id.0, (PG_CLASS, oid(on.0), column), "n");
                        }
                    }
                }
                Kind::Index(index) => {
                    for column in &index.key {
                        write(PG_CLASS, item.id.0, (PG_CLASS, oid(index.on.0), *column as i64 + 1), "a");
                    }
                }
                Kind::Table(table) => {
                    for key in table.primary_key.iter().chain(&table.uniques) {
                        for column in &key.columns {
                            write(
                                PG_CONSTRAINT,
                                key.oid,
                                (PG_CLASS, oid(item.id.0), *column as i64 + 1),
                                "a",
                            );
                        }
                    }
                    if let Some(key) = &table.primary_key {
                        write(PG_CLASS, key.oid, (PG_CONSTRAINT, oid(key.oid), 0), "i");
                    }
                }
                Kind::Sequence(Sequence { owner: Some(owner), .. }) => {
                    let kind = if owner.identity { "i" } else { "a" };
                    let column = (PG_CLASS, oid(owner.relation.0), owner.column as i64 + 1);
                    write(PG_CLASS, item.id.0, column, kind);
                }
                Kind::Stream(_) | Kind::Sequence(_) | Kind::System(_) => {}
            }
            for (at, column) in item.columns().iter().enumerate() {
                let Some(default) = &column.default else { continue };
                let id = default_oid(item, at) as u64;
                write(PG_ATTRDEF, id, (PG_CLASS, oid(item.id.0), at as i64 + 1), "a");
                for sequence in &default.sequences {
                    write(PG_ATTRDEF, id, (PG_CLASS, oid(sequence.0), 0), "n");
                }
            }
        }
    });
}
