//! pg_type: the types that exist, how PostgreSQL would store them, and the pseudo-types of functions' signatures.

use super::{BTREE, OWNER, PG_CATALOG, Sheet};
use crate::repr::types::{RECORD_OID, SCALARS};
use crate::repr::{Datum, Type};

/// `any`, `anyelement` … stand in signatures only.
pub const PSEUDO: [(u32, &str); 10] = [
    (2275, "cstring"),
    (2276, "any"),
    (2277, "anyarray"),
    (2278, "void"),
    (2279, "trigger"),
    (2281, "internal"),
    (2283, "anyelement"),
    (2776, "anynonarray"),
    (3500, "anyenum"),
    (3838, "event_trigger"),
];

/// The oid of a type that stands in signatures only.
pub fn pseudo_oid(name: &str) -> Option<u32> {
    PSEUDO.iter().find(|(_, pseudo)| *pseudo == name).map(|(oid, _)| *oid)
}

const DEFAULT_COLLATION: i64 = 100;
const C_COLLATION: i64 = 950;

/// The collation of a type's values, 0 if they have none.
pub fn collation(typ: &Type) -> i64 {
    match typ {
        Type::Text | Type::Varchar(_) | Type::Bpchar(_) | Type::NodeTree => DEFAULT_COLLATION,
        Type::Name => C_COLLATION,
        Type::Array(element) => collation(element),
        _ => 0,
    }
}

/// How PostgreSQL lays values out. Clients read it; Tidewater does not store so.
pub struct Storage {
    pub by_value: bool,
    pub align: &'static str,
    pub strategy: &'static str,
}

impl Storage {
    pub fn of(typ: &Type) -> Storage {
        let len = typ.typlen();
        let align = match (len, typ) {
            (1, _) | (_, Type::Name) => "c",
            (2, _) => "s",
            (8 | 16, _) => "d",
            (_, Type::Array(element)) => match Storage::of(element).align {
                "d" => "d",
                _ => "i",
            },
            _ => "i",
        };
        let strategy = match (len, typ) {
            (-1, Type::Numeric(_)) => "m",
            (-1, Type::Int2Vector | Type::OidVector) => "p",
            (-1, _) => "x",
            _ => "p",
        };
        Storage { by_value: matches!(len, 1 | 2 | 4 | 8), align, strategy }
    }
}

/// The functions between values and their texts and binary forms, by the type's place among [`SCALARS`].
const IO_OID: i64 = 9000;
pub const IO: [&str; 4] = ["in", "out", "recv", "send"];
/// PostgreSQL's oids, which clients know arrays by.
const ARRAY_IO: [i64; 4] = [750, 751, 2400, 2401];

/// A type's input, output, receive and send function: oid and name.
pub fn io_functions(at: usize) -> [(i64, String); 4] {
    let typ = &SCALARS[at];
    let joint = match typ.typ {
        Type::Numeric(_)
        | Type::Date
        | Type::Time(_)
        | Type::TimeTz(_)
        | Type::Uuid
        | Type::Timestamp(_)
        | Type::TimestampTz(_)
        | Type::Interval(_)
        | Type::Json
        | Type::Jsonb
        | Type::NodeTree => "_",
        _ => "",
    };
    let mut number = IO_OID + 4 * at as i64;
    IO.map(|what| {
        number += 1;
        (number - 1, format!("{}{joint}{what}", typ.name))
    })
}

pub fn array_io_functions() -> [(i64, String); 4] {
    let mut at = 0;
    IO.map(|what| {
        at += 1;
        (ARRAY_IO[at - 1], format!("array_{what}"))
    })
}

pub fn types(sheet: &mut Sheet<'_>) {
    let columns = [
        "oid",
        "typname",
        "typnamespace",
        "typowner",
        "typlen",
        "typbyval",
        "typtype",
        "typcategory",
        "typispreferred",
        "typisdefined",
        "typdelim",
        "typelem",
        "typarray",
        "typinput",
        "typoutput",
        "typreceive",
        "typsend",
        "typalign",
        "typstorage",
        "typtypmod",
        "typcollation",
    ];
    sheet.fill(columns, |sheet| {
        let mut write = |oid: u32, typ: &Type, name: &str, kind: &str, related: [i64; 2], io: [i64; 4]| {
            let storage = Storage::of(typ);
            let category = if kind == "p" { 'P' } else { typ.category().code() };
            let [element, array] = related;
            sheet.row([
                Datum::Int(oid.into()),
                Datum::Text(name),
                Datum::Int(PG_CATALOG),
                Datum::Int(OWNER),
                Datum::Int(typ.typlen().into()),
                Datum::Bool(storage.by_value),
                Datum::Text(kind),
                Datum::Text(category.encode_utf8(&mut [0; 4])),
                Datum::Bool(typ.is_preferred()),
                Datum::Bool(true),
                Datum::Text(","),
                Datum::Int(element),
                Datum::Int(array),
                Datum::Int(io[0]),
                Datum::Int(io[1]),
                Datum::Int(io[2]),
                Datum::Int(io[3]),
                Datum::Text(storage.align),
                Datum::Text(storage.strategy),
                Datum::Int(-1),
                Datum::Int(collation(typ)),
            ]);
        };
        let array_io = array_io_functions().map(|(oid, _)| oid);
        for (at, row) in SCALARS.iter().enumerate() {
            let io = io_functions(at).map(|(oid, _)| oid);
            let element = row.typ.element().map_or(0, |element| element.oid().into());
            let kind = if row.typ == Type::Unknown { "p" } else { "b" };
            write(row.oid, &row.typ, row.name, kind, [element, row.array_oid.into()], io);
            if row.array_oid != 0 {
                let typ = Type::Array(Box::new(row.typ.clone()));
                write(row.array_oid, &typ, &typ.name(), "b", [row.oid.into(), 0], array_io);
            }
        }
        let record = Type::Record(Vec::new());
        let records = record.clone().array_of();
        write(RECORD_OID, &record, "record", "p", [0, records.oid().into()], [0; 4]);
        write(records.oid(), &records, "_record", "p", [RECORD_OID.into(), 0], array_io);
        for (oid, name) in PSEUDO {
            write(oid, &Type::Int4, name, "p", [0, 0], [0; 4]);
        }
    });
}

const OPERATOR_CLASS_OID: i64 = 9500;

/// The order in which an index keeps values of a type.
pub fn operator_class(typ: &Type) -> i64 {
    let plain = typ.without_typmod();
    SCALARS.iter().position(|row| row.typ == plain).map_or(0, |at| OPERATOR_CLASS_OID + at as i64)
}

pub fn operator_classes(sheet: &mut Sheet<'_>) {
    let columns = ["oid", "opcmethod", "opcname", "opcnamespace", "opcowner", "opcintype", "opcdefault"];
    sheet.fill(columns, |sheet| {
        for row in SCALARS.iter().filter(|row| row.typ != Type::Unknown) {
            sheet.row([
                Datum::Int(operator_class(&row.typ)),
                Datum::Int(BTREE),
                Datum::Text(&format!("{}_ops", row.name)),
                Datum::Int(PG_CATALOG),
                Datum::Int(OWNER),
                Datum::Int(row.oid.into()),
                Datum::Bool(true),
            ]);
        }
    });
}
