//! The relations that tell of the catalog itself: `pg_catalog` and `information_schema`.
//!
//! `tables.txt` declares the computed ones with PostgreSQL's columns; [`rows`] makes what they hold of a snapshot and of what
//! the asking [`Session`] is. `views.sql` defines others over them, and `functions.sql` the functions that read them (`pg_get_userbyid`):
//! the binder puts these definitions in the place of their names. So no query is recognized; whatever a client asks,
//! the ordinary binder and interpreter answer.
//!
//! What Tidewater does not have (triggers, policies, extensions …) is a relation without rows, which is the truth about it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bumpalo::Bump;

use super::{Catalog, Column, Item, Kind, SequenceValues, System};
use crate::ast;
use crate::mir::CollectionId;
use crate::repr::{Array, ColumnType, Datum, Row, Type};

mod functions;
mod layout;
mod names;
mod relations;
mod sequences;
mod settings;
mod sheet;
mod types;

pub use names::{entry_name, entry_oid};
use sheet::Sheet;

/// Definitions of views, as SQL that creates them.
pub const VIEWS: &str = include_str!("views.sql");
/// Definitions of functions: `name(argument types) type AS expression;`.
const FUNCTIONS: &str = include_str!("functions.sql");

const TABLES: &str = include_str!("tables.txt");

/// The role that every session has: it may do everything.
pub const OWNER: i64 = 10;
/// Where PostgreSQL's oids of relations without a fixed one begin: views count from here.
pub const FIRST_VIEW_ID: u64 = 12000;

const PG_CATALOG: i64 = 11;
const HEAP: i64 = 2;
const BTREE: i64 = 403;
/// The access method of streams, which PostgreSQL does not have.
const STREAM: i64 = 16;

/// What the rows depend on beside the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub database: &'a str,
    pub user: &'a str,
    pub parameters: &'a BTreeMap<String, String>,
    pub search_path: &'a [String],
    pub sequences: Option<&'a dyn SequenceValues>,
}

/// The computed relations.
pub fn tables() -> &'static [Item] {
    static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| {
        let text = TABLES.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).map(declared).collect()
    });
    &ITEMS
}

/// One declaration of `tables.txt`.
fn declared(text: &str) -> Item {
    const FORM: &str = "invariant: tables.txt is in its form";
    let (head, columns) = text.split_once('\n').expect(FORM);
    let [oid, kind, name] = head.split(' ').collect::<Vec<_>>()[..] else { panic!("{FORM}: {head}") };
    let columns = columns.split_whitespace().collect::<Vec<_>>().join(" ");
    let columns = columns.split(", ").map(|column| {
        let (name, typ) = column.split_once(' ').expect(FORM);
        let (typ, nullable) = typ.strip_suffix('!').map_or((typ, true), |typ| (typ, false));
        Column::new(name, ColumnType::new(catalog_type(typ).expect(FORM), nullable))
    });
    let system = System { columns: columns.collect(), view: kind == "v", query: None };
    item(oid.parse().expect(FORM), "pg_catalog", name, system)
}

/// The type of this name, where `char` is pg_type's one byte.
fn catalog_type(name: &str) -> Option<Type> {
    match name {
        "char" => Some(Type::InternalChar),
        "_char" => Some(Type::InternalChar.array_of()),
        name => Type::named(name),
    }
}

pub fn item(id: u64, schema: &str, name: &str, system: System) -> Item {
    Item {
        id: CollectionId(id),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: Kind::System(system),
        depends_on: Default::default(),
        bound: Default::default(),
    }
}

/// What a computed relation holds.
pub fn rows(item: &Item, catalog: &Catalog, session: &Session<'_>) -> Vec<(Row, i64)> {
    let arena = Bump::new();
    let mut sheet = Sheet::new(item.columns(), &arena);
    if let Kind::Sequence(sequence) = &item.kind {
        sequences::relation(item, sequence, session, &mut sheet);
        return sheet.into_rows();
    }
    match item.name.as_str() {
        "pg_namespace" => namespaces(catalog, &mut sheet),
        "pg_class" => relations::classes(catalog, &mut sheet),
        "pg_attribute" => relations::attributes(catalog, &mut sheet),
        "pg_attrdef" => relations::defaults(catalog, session, &mut sheet),
        "pg_sequence" => sequences::sequences(catalog, &mut sheet),
        "tw_owned_sequence" => sequences::owned(catalog, &mut sheet),
        "tw_sequence_state" => sequences::states(catalog, session, &mut sheet),
        "pg_index" => relations::indexes(catalog, &mut sheet),
        "pg_constraint" => relations::constraints(catalog, &mut sheet),
        "pg_rewrite" => relations::rules(catalog, &mut sheet),
        "pg_depend" => relations::dependencies(catalog, &mut sheet),
        "pg_type" => types::types(&mut sheet),
        "pg_opclass" => types::operator_classes(&mut sheet),
        "pg_proc" => functions::procedures(&mut sheet),
        "pg_description" => relations::descriptions(catalog, &mut sheet),
        "pg_language" => functions::languages(&mut sheet),
        "pg_settings" => settings::settings(session, &mut sheet),
        "pg_database" => database(session, &mut sheet),
        "pg_authid" => role(session, &mut sheet),
        "pg_tablespace" => tablespaces(&mut sheet),
        "pg_am" => access_methods(&mut sheet),
        "pg_collation" => collations(&mut sheet),
        _ => {}
    }
    sheet.into_rows()
}

fn namespaces(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    sheet.fill(["oid", "nspname", "nspowner"], |sheet| {
        for schema in catalog.schemas() {
            sheet.row([oid(schema.oid), Datum::Text(&schema.name), Datum::Int(OWNER)]);
        }
    });
}

/// Sessions may name any database; there is one, and it has the name by which it was called.
fn database(session: &Session<'_>, sheet: &mut Sheet<'_>) {
    const DATABASE: i64 = 5;
    const UTF8: i64 = 6;
    let columns = [
        "oid",
        "datname",
        "datdba",
        "encoding",
        "datlocprovider",
        "datallowconn",
        "datconnlimit",
        "dattablespace",
        "datcollate",
        "datctype",
    ];
    sheet.fill(columns, |sheet| {
        sheet.row([
            Datum::Int(DATABASE),
            Datum::Text(session.database),
            Datum::Int(OWNER),
            Datum::Int(UTF8),
            Datum::Text("c"),
            Datum::Bool(true),
            Datum::Int(-1),
            Datum::Int(DEFAULT_TABLESPACE),
            Datum::Text("C"),
            Datum::Text("C"),
        ]);
    });
}

/// Every user is the one role, until there is authentication.
fn role(session: &Session<'_>, sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "rolname",
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
    ];
    sheet.fill(columns, |sheet| {
        let yes = Datum::Bool(true);
        let name = Datum::Text(session.user);
        sheet.row([Datum::Int(OWNER), name, yes, yes, yes, yes, yes, yes, yes, Datum::Int(-1)]);
    });
}

const DEFAULT_TABLESPACE: i64 = 1663;

fn tablespaces(sheet: &mut Sheet<'_>) {
    sheet.fill(["oid", "spcname", "spcowner"], |sheet| {
        sheet.row([Datum::Int(DEFAULT_TABLESPACE), Datum::Text("pg_default"), Datum::Int(OWNER)]);
        sheet.row([Datum::Int(1664), Datum::Text("pg_global"), Datum::Int(OWNER)]);
    });
}

fn access_methods(sheet: &mut Sheet<'_>) {
    sheet.fill(["oid", "amname", "amtype"], |sheet| {
        for (oid, name, kind) in [(HEAP, "heap", "t"), (STREAM, "stream", "t"), (BTREE, "btree", "i")] {
            sheet.row([Datum::Int(oid), Datum::Text(name), Datum::Text(kind)]);
        }
    });
}

/// Text is compared by its bytes, whatever the collation is called.
fn collations(sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "collname",
        "collnamespace",
        "collowner",
        "collprovider",
        "collisdeterministic",
        "collencoding",
        "collcollate",
        "collctype",
    ];
    sheet.fill(columns, |sheet| {
        for (oid, name, provider) in [(100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")] {
            let locale = if provider == "c" { Datum::Text(name) } else { Datum::Null };
            sheet.row([
                Datum::Int(oid),
                Datum::Text(name),
                Datum::Int(PG_CATALOG),
                Datum::Int(OWNER),
                Datum::Text(provider),
                Datum::Bool(true),
                Datum::Int(-1),
                locale,
                locale,
            ]);
        }
    });
}

fn oid(id: u64) -> Datum<'static> {
    Datum::Int(id as i64)
}

/// A value of `int2vector` or `oidvector`.
fn vector<'a>(elements: impl Iterator<Item = i64>, arena: &'a Bump) -> Datum<'a> {
    Datum::Array(Array::pack_vector_in(elements.map(Datum::Int), arena))
}

/// A function over the catalog, defined in SQL.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// Unknown takes a value of any type.
    pub args: Vec<Type>,
    pub result: Type,
    pub body: Body,
}

/// What a call stands for; `$1`, `$2` … are its arguments.
#[derive(Clone, Debug)]
pub enum Body {
    Value(Arc<ast::Expr>),
    Rows(Arc<ast::Query>),
}

impl Function {
    pub fn returns_set(&self) -> bool {
        matches!(self.body, Body::Rows(_))
    }
}

/// A definition of `functions.sql`, its body not parsed.
pub struct FunctionText {
    pub name: String,
    pub args: Vec<Type>,
    pub result: Type,
    pub set: bool,
    pub body: String,
}

pub fn function_texts() -> impl Iterator<Item = FunctionText> {
    const FORM: &str = "invariant: functions.sql is in its form";
    let lines = FUNCTIONS.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let parts: Vec<String> = lines.split(";\n").map(|part| part.trim().to_owned()).collect();
    parts.into_iter().filter(|part| !part.is_empty()).map(|part| {
        let (head, body) = part.split_once(" AS").expect(FORM);
        let (name, rest) = head.split_once('(').expect(FORM);
        let (args, result) = rest.split_once(')').expect(FORM);
        let args = args.split(", ").filter(|arg| !arg.is_empty()).map(|arg| match arg {
            "any" => Type::Unknown,
            arg => catalog_type(arg).expect(FORM),
        });
        let (set, result) = match result.trim().strip_prefix("SETOF ") {
            Some(result) => (true, result),
            None => (false, result.trim()),
        };
        FunctionText {
            name: name.to_owned(),
            args: args.collect(),
            result: catalog_type(result).expect(FORM),
            set,
            body: body.trim().trim_end_matches(';').to_owned(),
        }
    })
}
