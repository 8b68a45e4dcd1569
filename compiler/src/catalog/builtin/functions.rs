//! pg_proc: every function that SQL can name, with its signature; and what each does, in pg_description.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::{OWNER, PG_CATALOG, Sheet, types, vector};
use crate::repr::types::SCALARS;
use crate::repr::{Datum, Type};
use crate::scalar::{self, ArgType, Nulls, Syntax, Volatility};

const INTERNAL_LANGUAGE: i64 = 12;
const SQL_LANGUAGE: i64 = 14;
/// Functions are numbered from here in the order of their declarations.
const FIRST_OID: i64 = 10_000;
const PG_PROC: i64 = 1255;

/// A function as pg_proc has it.
struct Procedure {
    oid: i64,
    name: Cow<'static, str>,
    args: Vec<i64>,
    variadic: i64,
    defaults: usize,
    result: i64,
    /// f: function, a: aggregate, w: window function.
    kind: &'static str,
    language: i64,
    set: bool,
    strict: bool,
    volatility: &'static str,
    doc: &'static str,
}

/// The oid of a declared type, pseudo-types included.
fn type_oid(declared: ArgType) -> i64 {
    let pseudo = match declared {
        ArgType::AnyElement => "anyelement",
        ArgType::AnyArray => "anyarray",
        ArgType::AnyNonArray => "anynonarray",
        ArgType::AnyEnum => "anyenum",
        ArgType::Any => "any",
        ArgType::Record => return crate::repr::types::RECORD_OID.into(),
        declared => return declared.concrete().map_or(0, |typ| typ.oid().into()),
    };
    types::PSEUDO.iter().find(|(_, name)| *name == pseudo).map_or(0, |(oid, _)| (*oid).into())
}

/// As [`type_oid`], of an argument in `functions.sql`.
fn argument_oid(typ: &Type) -> i64 {
    match typ {
        Type::Unknown => type_oid(ArgType::Any),
        typ => typ.oid().into(),
    }
}

/// Every function; none is created by users.
fn all() -> &'static [Procedure] {
    static ALL: LazyLock<Vec<Procedure>> = LazyLock::new(numbered);
    &ALL
}

fn numbered() -> Vec<Procedure> {
    let mut found = declared();
    for (number, procedure) in (FIRST_OID..).zip(&mut found) {
        procedure.oid = number;
    }
    let forms = (0..SCALARS.len()).flat_map(types::io_functions).chain(types::array_io_functions());
    found.extend(forms.map(|(oid, name)| Procedure { oid, strict: true, ..plain(name, &[], 0, "") }));
    found
}

/// A function with nothing special about it.
fn plain(name: impl Into<Cow<'static, str>>, args: &[ArgType], result: i64, doc: &'static str) -> Procedure {
    Procedure {
        oid: 0,
        name: name.into(),
        args: args.iter().copied().map(type_oid).collect(),
        variadic: 0,
        defaults: 0,
        result,
        kind: "f",
        language: INTERNAL_LANGUAGE,
        set: false,
        strict: false,
        volatility: "i",
        doc,
    }
}

/// What is declared in the tables of functions and in `functions.sql`.
fn declared() -> Vec<Procedure> {
    let mut found = Vec::new();
    let called = scalar::all().filter(|func| func.syntax == Syntax::Function);
    for func in called {
        let function: &scalar::Function = &func;
        let mut args: Vec<i64> = function.args.iter().copied().map(type_oid).collect();
        args.extend(function.variadic.map(type_oid));
        found.push(Procedure {
            variadic: function.variadic.map_or(0, type_oid),
            args,
            defaults: function.defaults.len(),
            strict: function.nulls == Nulls::Strict,
            volatility: match function.volatility {
                Volatility::Immutable => "i",
                Volatility::Stable => "s",
                Volatility::Volatile => "v",
            },
            ..plain(function.name, &[], type_oid(function.result), function.doc())
        });
    }
    for aggregate in scalar::all_aggregates() {
        let result = type_oid(aggregate.result);
        found.push(Procedure { kind: "a", ..plain(aggregate.name, aggregate.args, result, aggregate.doc) });
    }
    for function in scalar::all_window_functions() {
        let result = type_oid(function.result);
        found.push(Procedure { kind: "w", ..plain(function.name, function.args, result, function.doc) });
    }
    for function in scalar::all_table_functions() {
        let function: &scalar::TableFunction = &function;
        let result = match function.columns {
            [(_, typ)] => type_oid(*typ),
            _ => crate::repr::types::RECORD_OID.into(),
        };
        found.push(Procedure { set: true, ..plain(function.name, function.args, result, function.doc()) });
    }
    for function in super::function_texts() {
        found.push(Procedure {
            args: function.args.iter().map(argument_oid).collect(),
            language: SQL_LANGUAGE,
            set: function.set,
            volatility: "s",
            ..plain(function.name, &[], function.result.oid().into(), "")
        });
    }
    found
}

/// The oid of the first function of this name.
pub fn oid_of(name: &str) -> Option<i64> {
    all().iter().find(|procedure| procedure.name == name).map(|found| found.oid)
}

pub fn name_of(oid: i64) -> Option<String> {
    all().iter().find(|procedure| procedure.oid == oid).map(|found| found.name.clone().into_owned())
}

pub fn procedures(sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "proname",
        "pronamespace",
        "proowner",
        "prolang",
        "procost",
        "provariadic",
        "prokind",
        "proisstrict",
        "proretset",
        "provolatile",
        "proparallel",
        "pronargs",
        "pronargdefaults",
        "prorettype",
        "proargtypes",
        "prosrc",
    ];
    let arena = sheet.arena;
    sheet.fill(columns, |sheet| {
        for procedure in all() {
            sheet.row([
                Datum::Int(procedure.oid),
                Datum::Text(&procedure.name),
                Datum::Int(PG_CATALOG),
                Datum::Int(OWNER),
                Datum::Int(procedure.language),
                Datum::Float(1.0),
                Datum::Int(procedure.variadic),
                Datum::Text(procedure.kind),
                Datum::Bool(procedure.strict),
                Datum::Bool(procedure.set),
                Datum::Text(procedure.volatility),
                Datum::Text("s"),
                Datum::Int(procedure.args.len() as i64),
                Datum::Int(procedure.defaults as i64),
                Datum::Int(procedure.result),
                vector(procedure.args.iter().copied(), arena),
                Datum::Text(&procedure.name),
            ]);
        }
    });
}

/// Only functions have descriptions: there is no COMMENT yet.
/// Oid, class and doc of the functions that have one.
pub fn docs() -> impl Iterator<Item = (i64, i64, &'static str)> {
    let documented = all().iter().filter(|procedure| !procedure.doc.is_empty());
    documented.map(|procedure| (procedure.oid, PG_PROC, procedure.doc))
}

pub fn languages(sheet: &mut Sheet<'_>) {
    sheet.fill(["oid", "lanname", "lanowner", "lanpltrusted"], |sheet| {
        for (oid, name, trusted) in [(INTERNAL_LANGUAGE, "internal", false), (SQL_LANGUAGE, "sql", true)] {
            sheet.row([Datum::Int(oid), Datum::Text(name), Datum::Int(OWNER), Datum::Bool(trusted)]);
        }
    });
}
