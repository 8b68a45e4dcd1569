//! Comparison operators of every type, and SQL's order of datums.

use std::cmp::Ordering;

use super::EvalError;
use super::declare::functions;
use super::fast::{Comparison, Fast};
use super::function::{Context, Function};
use crate::repr::{Datum, canonical};

/// SQL's order of two values of one type, neither NULL; text by bytes, as the C collation.
#[inline]
pub fn compare(a: Datum<'_>, b: Datum<'_>) -> Ordering {
    match (a, b) {
        (Datum::Int(a), Datum::Int(b)) => a.cmp(&b),
        (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Datum::Float(a), Datum::Float(b)) => compare_floats(a, b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(&b),
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(&b),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(&b),
        (Datum::Timestamp(a), Datum::Timestamp(b)) => a.cmp(&b),
        (Datum::TimestampTz(a), Datum::TimestampTz(b)) => a.cmp(&b),
        (Datum::Interval(a), Datum::Interval(b)) => a.length().cmp(&b.length()),
        (Datum::Bytes(a), Datum::Bytes(b)) => a.cmp(b),
        (a, b) => compare_rare(a, b),
    }
}

/// The types that are rare in hot paths, apart from [`compare`] so that it stays small enough to inline.
fn compare_rare(a: Datum<'_>, b: Datum<'_>) -> Ordering {
    match (a, b) {
        (Datum::Float4(a), Datum::Float4(b)) => compare_floats(a.into(), b.into()),
        (Datum::Bpchar(a), Datum::Bpchar(b)) => a.text().as_bytes().cmp(b.text().as_bytes()),
        (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
        (Datum::Enum(a), Datum::Enum(b)) => a.cmp(&b),
        (Datum::Time(a), Datum::Time(b)) => a.cmp(&b),
        (Datum::TimeTz(a), Datum::TimeTz(b)) => a.cmp(&b),
        (a, b) => compare_encoded(a, b),
    }
}

/// NaN is equal to itself and greater than all others; -0 is 0.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Canonical bytes are ordered as SQL orders values: what arrays, records and jsonb are compared by.
fn compare_encoded(a: Datum<'_>, b: Datum<'_>) -> Ordering {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    canonical::encode_canonical(a, &mut left);
    canonical::encode_canonical(b, &mut right);
    left.cmp(&right)
}

/// Equality with NULL as a value of its own.
#[inline]
pub(super) fn not_distinct(a: Datum<'_>, b: Datum<'_>) -> bool {
    match (a, b) {
        (Datum::Null, Datum::Null) => true,
        (Datum::Null, _) | (_, Datum::Null) => false,
        (a, b) => compare(a, b).is_eq(),
    }
}

macro_rules! comparisons {
    ($($table:ident: $typ:tt, $a:literal, $b:literal;)*) => {
        $(functions! { $table;
            /// Equal.
            "="($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Eq)): concat!($a, " = ", $b) => "f"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_eq() };
            /// Not equal.
            "<>"($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Ne)): concat!($a, " <> ", $b) => "t"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_ne() };
            /// Less than.
            "<"($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Lt)): concat!($a, " < ", $b) => "t"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_lt() };
            /// Less than or equal.
            "<="($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Le)): concat!($a, " <= ", $b) => "t"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_le() };
            /// Greater than.
            ">"($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Gt)): concat!($a, " > ", $b) => "f"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_gt() };
            /// Greater than or equal.
            ">="($typ, $typ) -> Bool, fast(Fast::Compare(Comparison::Ge)): concat!($a, " >= ", $b) => "f"
                = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_ge() };
        })*
        /// The comparison operators, a table per type.
        pub(super) static OPERATORS: &[&[Function]] = &[$($table),*];
    };
}

comparisons! {
    BOOL: Bool, "false", "true";
    INT2: Int2, "smallint '-1'", "smallint '1'";
    INT4: Int4, "1", "2";
    INT8: Int8, "bigint '1'", "bigint '9000000000'";
    FLOAT4: Float4, "real '1.5'", "real 'NaN'";
    FLOAT8: Float8, "float8 '1.5'", "float8 'NaN'";
    NUMERIC: Numeric, "1.0", "1.01";
    TEXT: Text, "text 'B'", "text 'a'";
    BPCHAR: Bpchar, "bpchar 'a '", "bpchar 'b'";
    NAME: Name, "name 'a'", "name 'b'";
    INTERNAL_CHAR: InternalChar, "'a'::\"char\"", "'b'::\"char\"";
    BYTEA: Bytea, "bytea '\\x00'", "bytea '\\x01'";
    DATE: Date, "date '2024-02-29'", "date '2024-03-01'";
    TIME: Time, "time '04:05'", "time '24:00'";
    TIMETZ: TimeTz, "timetz '04:05+00'", "timetz '04:05-01'";
    TIMESTAMP: Timestamp, "timestamp '2024-01-01 00:00'", "timestamp '2024-01-01 00:01'";
    TIMESTAMPTZ: TimestampTz, "timestamptz '2024-01-01 00:00Z'", "timestamptz '2024-01-01 00:01Z'";
    INTERVAL: Interval, "interval '1 month'", "interval '31 days'";
    UUID: Uuid, "uuid '00000000-0000-0000-0000-000000000000'", "uuid '00000000-0000-0000-0000-000000000001'";
    JSONB: Jsonb, "jsonb '1'", "jsonb '{}'";
    OID: Oid, "oid '1'", "oid '2'";
    ARRAY: AnyArray, "'{1,2}'::int4[]", "'{1,3}'::int4[]";
    ENUM: AnyEnum, "'a'", "'b'";
    RECORD: Record, "ROW(1, 2)", "ROW(1, 3)";
}

functions! { pub(super) FUNCTIONS;
    /// The greatest of the arguments that are not NULL.
    "greatest"() -> AnyElement, called_on_null(), special(), variadic(super::ArgType::AnyElement):
        "greatest(1, NULL, 3)" => "3" = { raw greatest };
    /// The least of the arguments that are not NULL.
    "least"() -> AnyElement, called_on_null(), special(), variadic(super::ArgType::AnyElement):
        "least(1, NULL, 3)" => "1" = { raw least };
    /// NULL if both are equal, else the first.
    "nullif"(AnyElement, AnyElement) -> AnyElement, called_on_null(), special():
        "nullif(1, 1)" => "NULL"
        = { |_, a: Datum<'_>, b: Datum<'_>| if not_distinct(a, b) { Datum::Null } else { a } };
}

functions! { pub(super) COUNTING;
    /// How many of the arguments are NULL.
    "num_nulls"() -> Int4, never_null(), variadic(super::ArgType::Any): "num_nulls(1, NULL, 2)" => "1"
        = { raw |args, _| Ok(Datum::Int(args.iter().filter(|d| d.is_null()).count() as i64)) };
    /// How many of the arguments are not NULL.
    "num_nonnulls"() -> Int4, never_null(), variadic(super::ArgType::Any): "num_nonnulls(1, NULL, 2)" => "2"
        = { raw |args, _| Ok(Datum::Int(args.iter().filter(|d| !d.is_null()).count() as i64)) };
}

fn extreme<'a>(args: &[Datum<'a>], better: Ordering) -> Datum<'a> {
    let values = args.iter().copied().filter(|d| !matches!(d, Datum::Null));
    values.reduce(|best, d| if compare(d, best) == better { d } else { best }).unwrap_or(Datum::Null)
}

fn greatest<'a>(args: &[Datum<'a>], _: Context<'a>) -> Result<Datum<'a>, EvalError> {
    Ok(extreme(args, Ordering::Greater))
}

fn least<'a>(args: &[Datum<'a>], _: Context<'a>) -> Result<Datum<'a>, EvalError> {
    Ok(extreme(args, Ordering::Less))
}
