//! SQL types as the compiler knows them: PostgreSQL's, with their typmods.

use serde::{Deserialize, Serialize};

/// The type of a SQL value. A typmod rides with its type: `numeric(10,2)`, `varchar(20)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    /// `numeric` (arbitrary scale, kept with each value) or `numeric(precision, scale)` (a static scale).
    Numeric(Option<NumericTypmod>),
    Text,
    Varchar(Option<u32>),
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    Jsonb,
    Bytea,
    /// Catalog types. `Oid` is stored as an integer, `Name` and `"char"` as text; `Regclass`, `Regtype`, `Regproc` as integers.
    Oid,
    Name,
    InternalChar,
    Regclass,
    Regtype,
    Regproc,
    Array(Box<Type>),
    /// An anonymous row value: `ROW(1, 'a')`.
    Record(Vec<Type>),
    /// The type of a string literal or NULL that has not met its context yet. Never in a finished plan.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NumericTypmod {
    /// 1 to 1000 decimal digits in all.
    pub precision: u16,
    /// Digits after the point; may be negative (PostgreSQL 15).
    pub scale: i16,
}

/// PostgreSQL's type categories (`pg_type.typcategory`): implicit conversions prefer a type of the same category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    Array,
    Boolean,
    DateTime,
    Numeric,
    Pseudo,
    String,
    Timespan,
    UserDefined,
    Unknown,
    Internal,
}

impl Type {
    /// Whether equal values of the type can print differently, so that keys of it must be canonicalized.
    pub fn has_lossy_equality(&self) -> bool {
        match self {
            Type::Numeric(None) | Type::Float8 | Type::Interval | Type::Jsonb => true,
            Type::Array(element) => element.has_lossy_equality(),
            Type::Record(fields) => fields.iter().any(Type::has_lossy_equality),
            _ => false,
        }
    }

    /// The type without its typmod: what operators and functions are resolved by.
    pub fn without_typmod(&self) -> Type {
        match self {
            Type::Numeric(_) => Type::Numeric(None),
            Type::Varchar(_) => Type::Varchar(None),
            Type::Array(element) => Type::Array(Box::new(element.without_typmod())),
            other => other.clone(),
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
