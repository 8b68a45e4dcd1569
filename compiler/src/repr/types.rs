//! SQL types as the compiler knows them: PostgreSQL's, with their typmods, names and oids.
//!
//! What PostgreSQL keeps in pg_type about a type is one row of [`SCALARS`]; arrays and records are derived.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod enumeration;
mod typmod;

pub use enumeration::EnumType;
pub use typmod::{IntervalField, IntervalRange, IntervalTypmod, NumericTypmod, Precision};

/// The type of a SQL value. A typmod rides with its type: `numeric(10,2)`, `varchar(20)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// `numeric` (arbitrary scale, kept with each value) or `numeric(precision, scale)` (a static scale).
    Numeric(Option<NumericTypmod>),
    Text,
    Varchar(Option<u32>),
    /// `char(n)`, blank-padded; without a length, as it was written.
    Bpchar(Option<u32>),
    Bytea,
    Date,
    Time(Precision),
    TimeTz(Precision),
    Timestamp(Precision),
    TimestampTz(Precision),
    Interval(Option<IntervalTypmod>),
    Uuid,
    Jsonb,
    Json,
    Enum(Arc<EnumType>),
    /// Catalog types. `Oid` and `Xid` are stored as integers, as are the names of catalog entries, `Regclass` to `Regrole`;
    /// `Name`, `"char"`, `pg_node_tree` and `aclitem` as text; the vectors as arrays that count from 0.
    Oid,
    Name,
    InternalChar,
    Xid,
    NodeTree,
    AclItem,
    Int2Vector,
    OidVector,
    Regclass,
    Regtype,
    Regproc,
    Regnamespace,
    Regrole,
    Array(Box<Type>),
    /// A row value: `ROW(1, 'a')`, or a whole row of a relation.
    Record(Vec<Field>),
    /// What a function gives that is called for what it does: an empty text.
    Void,
    /// The type of a string literal or NULL that has not met its context yet. Never in a finished plan.
    Unknown,
}

/// A field of a row value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub typ: Type,
}

/// PostgreSQL's type categories (`pg_type.typcategory`): implicit conversions prefer a type of the same category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    Array,
    Boolean,
    DateTime,
    Enum,
    Numeric,
    Pseudo,
    String,
    Timespan,
    UserDefined,
    Unknown,
    Internal,
}

impl Category {
    /// The letter in `pg_type.typcategory`.
    pub fn code(self) -> char {
        match self {
            Category::Array => 'A',
            Category::Boolean => 'B',
            Category::DateTime => 'D',
            Category::Enum => 'E',
            Category::Numeric => 'N',
            Category::Pseudo => 'P',
            Category::String => 'S',
            Category::Timespan => 'T',
            Category::UserDefined => 'U',
            Category::Unknown => 'X',
            Category::Internal => 'Z',
        }
    }
}

/// A row of pg_type.
pub struct Scalar {
    pub typ: Type,
    pub oid: u32,
    pub array_oid: u32,
    /// `typname`.
    pub name: &'static str,
    /// What `format_type` prints: SQL's name.
    pub sql_name: &'static str,
    /// Bytes, or -1 for a variable length.
    pub len: i16,
    pub category: Category,
    pub preferred: bool,
}

macro_rules! scalars {
    ($($typ:expr, $oid:literal, $array:literal, $name:literal, $sql:literal, $len:literal, $category:ident, $preferred:literal;)*) => {
        &[$(Scalar { typ: $typ, oid: $oid, array_oid: $array, name: $name, sql_name: $sql, len: $len,
            category: Category::$category, preferred: $preferred }),*]
    };
}

/// All types that are no array or record, without typmods.
pub const SCALARS: &[Scalar] = scalars! {
    Type::Bool, 16, 1000, "bool", "boolean", 1, Boolean, true;
    Type::Bytea, 17, 1001, "bytea", "bytea", -1, UserDefined, false;
    Type::InternalChar, 18, 1002, "char", "\"char\"", 1, Internal, false;
    Type::Name, 19, 1003, "name", "name", 64, String, false;
    Type::Int8, 20, 1016, "int8", "bigint", 8, Numeric, false;
    Type::Int2, 21, 1005, "int2", "smallint", 2, Numeric, false;
    Type::Int2Vector, 22, 1006, "int2vector", "int2vector", -1, Array, false;
    Type::Int4, 23, 1007, "int4", "integer", 4, Numeric, false;
    Type::Regproc, 24, 1008, "regproc", "regproc", 4, Numeric, false;
    Type::Text, 25, 1009, "text", "text", -1, String, true;
    Type::Oid, 26, 1028, "oid", "oid", 4, Numeric, true;
    Type::Xid, 28, 1011, "xid", "xid", 4, UserDefined, false;
    Type::OidVector, 30, 1013, "oidvector", "oidvector", -1, Array, false;
    Type::NodeTree, 194, 0, "pg_node_tree", "pg_node_tree", -1, Internal, false;
    Type::Json, 114, 199, "json", "json", -1, UserDefined, false;
    Type::Float4, 700, 1021, "float4", "real", 4, Numeric, false;
    Type::Float8, 701, 1022, "float8", "double precision", 8, Numeric, true;
    Type::Unknown, 705, 0, "unknown", "unknown", -2, Unknown, false;
    Type::AclItem, 1033, 1034, "aclitem", "aclitem", 12, UserDefined, false;
    Type::Bpchar(None), 1042, 1014, "bpchar", "character", -1, String, false;
    Type::Varchar(None), 1043, 1015, "varchar", "character varying", -1, String, false;
    Type::Date, 1082, 1182, "date", "date", 4, DateTime, false;
    Type::Time(None), 1083, 1183, "time", "time without time zone", 8, DateTime, false;
    Type::Timestamp(None), 1114, 1115, "timestamp", "timestamp without time zone", 8, DateTime, false;
    Type::TimestampTz(None), 1184, 1185, "timestamptz", "timestamp with time zone", 8, DateTime, true;
    Type::Interval(None), 1186, 1187, "interval", "interval", 16, Timespan, true;
    Type::TimeTz(None), 1266, 1270, "timetz", "time with time zone", 12, DateTime, false;
    Type::Numeric(None), 1700, 1231, "numeric", "numeric", -1, Numeric, false;
    Type::Regclass, 2205, 2210, "regclass", "regclass", 4, Numeric, false;
    Type::Regtype, 2206, 2211, "regtype", "regtype", 4, Numeric, false;
    Type::Uuid, 2950, 2951, "uuid", "uuid", 16, UserDefined, false;
    Type::Jsonb, 3802, 3807, "jsonb", "jsonb", -1, UserDefined, false;
    Type::Regnamespace, 4089, 4090, "regnamespace", "regnamespace", 4, Numeric, false;
    Type::Regrole, 4096, 4097, "regrole", "regrole", 4, Numeric, false;
};

pub const RECORD_OID: u32 = 2249;
const VOID_OID: u32 = 2278;
const RECORD_ARRAY_OID: u32 = 2287;
/// Added to a length in a typmod, as PostgreSQL's varlena header was once.
const TYPMOD_HEADER: i32 = 4;

impl Type {
    /// Whether equal values of the type can print differently, so that keys of it must be canonicalized.
    pub fn has_lossy_equality(&self) -> bool {
        match self {
            Type::Numeric(None) | Type::Float4 | Type::Float8 | Type::Interval(_) | Type::Jsonb => true,
            Type::Bpchar(None) => true,
            Type::Array(element) => element.has_lossy_equality(),
            Type::Record(fields) => fields.iter().any(|field| field.typ.has_lossy_equality()),
            _ => false,
        }
    }

    /// The type without its typmod: what operators and functions are resolved by.
    pub fn without_typmod(&self) -> Type {
        match self {
            Type::Numeric(_) => Type::Numeric(None),
            Type::Varchar(_) => Type::Varchar(None),
            Type::Bpchar(_) => Type::Bpchar(None),
            Type::Time(_) => Type::Time(None),
            Type::TimeTz(_) => Type::TimeTz(None),
            Type::Timestamp(_) => Type::Timestamp(None),
            Type::TimestampTz(_) => Type::TimestampTz(None),
            Type::Interval(_) => Type::Interval(None),
            Type::Array(element) => Type::Array(Box::new(element.without_typmod())),
            other => other.clone(),
        }
    }

    /// The type's row of pg_type; nothing for arrays and records.
    pub fn scalar(&self) -> Option<&'static Scalar> {
        let plain = self.without_typmod();
        SCALARS.iter().find(|row| row.typ == plain)
    }

    pub fn oid(&self) -> u32 {
        match self {
            Type::Array(element) => element.array_oid(),
            Type::Record(_) => RECORD_OID,
            Type::Void => VOID_OID,
            Type::Enum(definition) => definition.oid,
            _ => self.scalar().map_or(0, |row| row.oid),
        }
    }

    /// The oid of the array over this type; an array's own, because arrays of arrays are arrays of more dimensions.
    pub fn array_oid(&self) -> u32 {
        match self {
            Type::Array(_) => self.oid(),
            Type::Record(_) => RECORD_ARRAY_OID,
            Type::Enum(definition) => definition.array_oid,
            _ => self.scalar().map_or(0, |row| row.array_oid),
        }
    }

    /// The type with this oid and typmod (-1 for none), as in pg_attribute. Records have no fields then.
    pub fn from_oid(oid: u32, typmod: i32) -> Option<Type> {
        match oid {
            RECORD_OID => return Some(Type::Record(Vec::new())),
            VOID_OID => return Some(Type::Void),
            RECORD_ARRAY_OID => return Some(Type::Array(Box::new(Type::Record(Vec::new())))),
            _ => {}
        }
        if let Some(row) = SCALARS.iter().find(|row| row.oid == oid) {
            return Some(row.typ.with_pg_typmod(typmod));
        }
        let row = SCALARS.iter().find(|row| row.array_oid == oid && oid != 0)?;
        Some(Type::Array(Box::new(row.typ.with_pg_typmod(typmod))))
    }

    fn with_pg_typmod(&self, typmod: i32) -> Type {
        let value = typmod - TYPMOD_HEADER;
        match self {
            Type::Numeric(_) if typmod >= TYPMOD_HEADER => {
                let scale = ((value & 0x7ff) ^ 0x400) - 0x400;
                Type::Numeric(Some(NumericTypmod { precision: (value >> 16) as u16, scale: scale as i16 }))
            }
            Type::Varchar(_) if typmod >= TYPMOD_HEADER => Type::Varchar(Some(value as u32)),
            Type::Bpchar(_) if typmod >= TYPMOD_HEADER => Type::Bpchar(Some(value as u32)),
            Type::Time(_) => Type::Time(u8::try_from(typmod).ok()),
            Type::TimeTz(_) => Type::TimeTz(u8::try_from(typmod).ok()),
            Type::Timestamp(_) => Type::Timestamp(u8::try_from(typmod).ok()),
            Type::TimestampTz(_) => Type::TimestampTz(u8::try_from(typmod).ok()),
            Type::Interval(_) => Type::Interval(IntervalTypmod::of_code(typmod)),
            other => other.clone(),
        }
    }

    /// `pg_attribute.atttypmod`, and the typmod of a RowDescription.
    pub fn typmod(&self) -> i32 {
        match self {
            Type::Numeric(Some(t)) => {
                (((t.precision as i32) << 16) | (t.scale as i32 & 0x7ff)) + TYPMOD_HEADER
            }
            Type::Varchar(Some(length)) | Type::Bpchar(Some(length)) => *length as i32 + TYPMOD_HEADER,
            Type::Time(Some(digits))
            | Type::TimeTz(Some(digits))
            | Type::Timestamp(Some(digits))
            | Type::TimestampTz(Some(digits)) => i32::from(*digits),
            Type::Interval(Some(typmod)) => typmod.code(),
            Type::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// `pg_type.typlen`: bytes, or -1 for a variable length.
    pub fn typlen(&self) -> i16 {
        match self {
            Type::Void | Type::Enum(_) => 4,
            _ => self.scalar().map_or(-1, |row| row.len),
        }
    }

    /// `pg_type.typname`: `int4`, `_int4`, `record`.
    pub fn name(&self) -> String {
        match self {
            Type::Array(element) => format!("_{}", element.name()),
            Type::Record(_) => "record".to_owned(),
            Type::Void => "void".to_owned(),
            Type::Enum(definition) => definition.name.clone(),
            _ => self.scalar().map_or("unknown", |row| row.name).to_owned(),
        }
    }

    pub fn category(&self) -> Category {
        match self {
            Type::Array(_) => Category::Array,
            Type::Record(_) | Type::Void => Category::Pseudo,
            Type::Enum(_) => Category::Enum,
            _ => self.scalar().map_or(Category::Unknown, |row| row.category),
        }
    }

    /// Whether the type is its category's preferred one (`pg_type.typispreferred`).
    pub fn is_preferred(&self) -> bool {
        self.scalar().is_some_and(|row| row.preferred)
    }

    /// The type of an array's elements.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::Array(element) => Some(element),
            Type::Int2Vector => Some(&Type::Int2),
            Type::OidVector => Some(&Type::Oid),
            _ => None,
        }
    }

    /// The array type whose values these are, for the vectors of the catalog.
    pub fn of_vector(&self) -> Option<Type> {
        match self {
            Type::Int2Vector | Type::OidVector => self.element().cloned().map(Type::array_of),
            _ => None,
        }
    }

    /// Whether values are the oids of catalog entries, which print as names.
    pub fn is_reg(&self) -> bool {
        matches!(self, Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole)
    }

    /// The array type over this one; arrays of arrays are arrays of more dimensions.
    pub fn array_of(self) -> Type {
        match self {
            Type::Array(_) => self,
            element => Type::Array(Box::new(element)),
        }
    }

    /// The type of a row value whose fields have no names of their own: they are called f1, f2, ….
    pub fn anonymous_record(types: impl IntoIterator<Item = Type>) -> Type {
        let field = |(at, typ)| Field { name: format!("f{}", at + 1), typ };
        Type::Record(types.into_iter().enumerate().map(field).collect())
    }

    pub fn is_integer(&self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }

    /// Whether values of the type can be compared: `json` is kept as it was written, and has neither equality nor order.
    pub fn is_comparable(&self) -> bool {
        match self {
            Type::Json => false,
            Type::Array(element) => element.is_comparable(),
            Type::Record(fields) => fields.iter().all(|field| field.typ.is_comparable()),
            _ => true,
        }
    }

    /// Whether values are dates or times.
    pub fn is_datetime(&self) -> bool {
        self.category() == Category::DateTime
    }

    /// Whether the session's time zone matters for values' texts and conversions.
    pub fn involves_zone(&self) -> bool {
        match self {
            Type::TimestampTz(_) | Type::TimeTz(_) => true,
            Type::Array(element) => element.involves_zone(),
            Type::Record(fields) => fields.iter().any(|field| field.typ.involves_zone()),
            _ => false,
        }
    }

    /// Whether values are texts ([`super::Datum::Text`]).
    pub fn is_text(&self) -> bool {
        matches!(self, Type::Text | Type::Varchar(_) | Type::Name | Type::InternalChar | Type::Unknown)
    }

    /// The scale that every value of the type has, for `numeric(p, s)`.
    pub fn static_scale(&self) -> Option<u16> {
        match self {
            Type::Numeric(Some(typmod)) => Some(typmod.scale.max(0) as u16),
            _ => None,
        }
    }

    /// The type called this in SQL, in lower case: a pg_type name, SQL's own name or an alias; `[]` makes an array.
    pub fn named(name: &str) -> Option<Type> {
        if let Some(element) = name.strip_suffix("[]") {
            return Some(Type::named(element.trim_end())?.array_of());
        }
        if let Some(row) = SCALARS.iter().find(|row| row.name == name && row.typ != Type::InternalChar) {
            return Some(row.typ.clone());
        }
        if let Some(row) = SCALARS.iter().find(|row| row.sql_name == name) {
            return Some(row.typ.clone());
        }
        Some(match name {
            "int" => Type::Int4,
            "float" => Type::Float8,
            "char" => Type::Bpchar(Some(1)),
            "decimal" | "dec" => Type::Numeric(None),
            "char varying" => Type::Varchar(None),
            "record" => Type::Record(Vec::new()),
            _ => Type::named(name.strip_prefix('_')?)?.array_of(),
        })
    }
}

/// What `format_type` prints: SQL's name with the typmod.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Numeric(Some(t)) => write!(f, "numeric({},{})", t.precision, t.scale),
            Type::Varchar(Some(length)) => write!(f, "character varying({length})"),
            Type::Bpchar(Some(length)) => write!(f, "character({length})"),
            Type::Time(Some(digits)) => write!(f, "time({digits}) without time zone"),
            Type::TimeTz(Some(digits)) => write!(f, "time({digits}) with time zone"),
            Type::Timestamp(Some(digits)) => write!(f, "timestamp({digits}) without time zone"),
            Type::TimestampTz(Some(digits)) => write!(f, "timestamp({digits}) with time zone"),
            Type::Interval(Some(typmod)) => write!(f, "interval{typmod}"),
            Type::Enum(definition) => f.write_str(&definition.name),
            Type::Array(element) => write!(f, "{element}[]"),
            Type::Record(_) => f.write_str("record"),
            Type::Void => f.write_str("void"),
            other => f.write_str(other.scalar().map_or("unknown", |row| row.sql_name)),
        }
    }
}

/// A column's type and whether it can hold NULL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnType {
    pub typ: Type,
    pub nullable: bool,
}

impl ColumnType {
    pub fn new(typ: Type, nullable: bool) -> ColumnType {
        ColumnType { typ, nullable }
    }
}

/// The columns of a collection and its keys: sets of columns of which no two rows share the values (as of one time).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationType {
    pub columns: Vec<ColumnType>,
    pub keys: Vec<Vec<usize>>,
}

impl RelationType {
    pub fn new(columns: Vec<ColumnType>) -> RelationType {
        RelationType { columns, keys: Vec::new() }
    }

    pub fn arity(&self) -> usize {
        self.columns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_oids_and_typmods_agree_with_postgres() {
        let numeric = Type::Numeric(Some(NumericTypmod { precision: 10, scale: 2 }));
        let negative = Type::Numeric(Some(NumericTypmod { precision: 3, scale: -2 }));
        let range = IntervalRange { from: IntervalField::Day, to: IntervalField::Second };
        let day_to_second = Type::Interval(Some(IntervalTypmod { range: Some(range), precision: Some(3) }));
        for (typ, oid, typmod, display, name) in [
            (Type::Int4, 23, -1, "integer", "int4"),
            (numeric.clone(), 1700, 655366, "numeric(10,2)", "numeric"),
            (negative, 1700, 198658, "numeric(3,-2)", "numeric"),
            (Type::Varchar(Some(20)), 1043, 24, "character varying(20)", "varchar"),
            (Type::TimestampTz(None), 1184, -1, "timestamp with time zone", "timestamptz"),
            (Type::Timestamp(Some(3)), 1114, 3, "timestamp(3) without time zone", "timestamp"),
            (Type::Bpchar(Some(5)), 1042, 9, "character(5)", "bpchar"),
            (day_to_second, 1186, 470_286_339, "interval day to second(3)", "interval"),
            (Type::InternalChar, 18, -1, "\"char\"", "char"),
            (numeric.array_of(), 1231, 655366, "numeric(10,2)[]", "_numeric"),
        ] {
            assert_eq!((typ.oid(), typ.typmod()), (oid, typmod), "{typ}");
            assert_eq!((typ.to_string().as_str(), typ.name().as_str()), (display, name));
            assert_eq!(Type::from_oid(oid, typmod), Some(typ));
        }
    }

    #[test]
    fn types_are_found_by_any_of_their_names() {
        for (name, typ) in [
            ("int", Type::Int4),
            ("bigint", Type::Int8),
            ("decimal", Type::Numeric(None)),
            ("double precision", Type::Float8),
            ("timestamp without time zone", Type::Timestamp(None)),
            ("timestamp with time zone", Type::TimestampTz(None)),
            ("char", Type::Bpchar(Some(1))),
            ("text[]", Type::Text.array_of()),
            ("_int4", Type::Int4.array_of()),
            ("\"char\"", Type::InternalChar),
        ] {
            assert_eq!(Type::named(name), Some(typ));
        }
        assert_eq!(Type::named("nonsense"), None);
    }

    #[test]
    fn modifiers_are_checked_as_postgres_does() {
        let error = |typ: Type, modifiers: &[i64]| typ.with_modifiers(modifiers).unwrap_err().message;
        assert_eq!(error(Type::Numeric(None), &[1001]), "NUMERIC precision 1001 must be between 1 and 1000");
        assert_eq!(error(Type::Varchar(None), &[0]), "length for type varchar must be at least 1");
        assert_eq!(error(Type::Int4, &[3]), "type modifier is not allowed for type \"int4\"");
        assert_eq!(Type::Varchar(None).with_modifiers(&[5]), Ok(Type::Varchar(Some(5))));
    }
}
