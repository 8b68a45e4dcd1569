//! Table functions: functions that give several rows.
//!
//! Declared once each, like scalar functions. A NULL argument gives no rows.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::LazyLock;

use super::function::Context;
use super::limit;
use super::native::FromDatum;
use super::series::Series;
use super::{ArgType, EvalError, pattern};
use crate::error::SqlState;
use crate::repr::json::Value;
use crate::repr::{Datum, Json, RowBuf, Type, row};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Takes each row; may refuse more.
type Emit<'e> = dyn FnMut(&[Datum<'_>]) -> Result<(), EvalError> + 'e;

/// How a function gives its rows.
enum Gives {
    /// As many as its arguments have parts: all at once.
    Parts(for<'a> fn(&[Datum<'a>], Context<'a>, &mut Emit<'_>) -> Result<(), EvalError>),
    /// As many as its arguments say: one after the other.
    Series(for<'a> fn(&[Datum<'a>]) -> Result<Series, EvalError>),
}

/// One table function.
pub struct TableFunction {
    /// Unique: the name and the argument types. Plans store it.
    pub id: &'static str,
    pub name: &'static str,
    pub args: &'static [ArgType],
    /// The names and types of its columns. The name of a single column is the function's alias, if it has one.
    pub columns: &'static [(&'static str, ArgType)],
    pub can_error: bool,
    /// The rows depend on the session's TimeZone: the binder appends it as one more text literal. Without it they are UTC's.
    pub zone: bool,
    doc: &'static str,
    /// An expression, and its rows as the text of their first column.
    pub example: (&'static str, &'static [&'static str]),
    gives: Gives,
}

impl TableFunction {
    /// One sentence on what it does.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// The types of its columns for arguments of these types.
    pub fn column_types(&self, args: &[Type]) -> Vec<Type> {
        let element = || match args.first() {
            Some(Type::Array(element)) => (**element).clone(),
            _ => Type::Text,
        };
        self.columns.iter().map(|(_, typ)| typ.concrete().unwrap_or_else(element)).collect()
    }
}

/// A reference to a declaration, with or without ORDINALITY: a further column that numbers the rows from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableFunc {
    declared: Declared,
    ordinality: bool,
}

/// Two are equal when their ids are.
#[derive(Clone, Copy)]
struct Declared(&'static TableFunction);

/// What follows the id of a function whose rows are numbered.
const ORDINALITY: &str = " with ordinality";

impl TableFunc {
    fn plain(function: &'static TableFunction) -> TableFunc {
        TableFunc { declared: Declared(function), ordinality: false }
    }

    pub fn by_id(id: &str) -> Option<TableFunc> {
        match id.strip_suffix(ORDINALITY) {
            Some(id) => BY_ID.get(id).map(|func| func.with_ordinality()),
            None => BY_ID.get(id).copied(),
        }
    }

    /// `generate_series` of bigints.
    pub fn int8_series() -> TableFunc {
        TableFunc::by_id("generate_series Int8 Int8").expect("invariant: it is declared below")
    }

    pub fn with_ordinality(self) -> TableFunc {
        TableFunc { ordinality: true, ..self }
    }

    pub fn has_ordinality(self) -> bool {
        self.ordinality
    }

    /// How many columns its rows have.
    pub fn arity(self) -> usize {
        self.columns.len() + usize::from(self.ordinality)
    }

    /// The types of its columns for arguments of these types.
    pub fn column_types(self, args: &[Type]) -> Vec<Type> {
        let mut types = self.declared.0.column_types(args);
        types.extend(self.ordinality.then_some(Type::Int8));
        types
    }

    /// How many rows a call gives at most, found without making them; `None` if that is not known.
    pub fn rows_max(self, args: &[Datum<'_>]) -> Option<usize> {
        match &self.declared.0.gives {
            _ if args.iter().any(Datum::is_null) => Some(0),
            Gives::Series(series) => series(args).map_or(Some(0), |series| series.rows_max()),
            // Each part but one takes a byte.
            Gives::Parts(_) => args.iter().try_fold(1usize, |sum, arg| sum.checked_add(limit::size(*arg))),
        }
    }

    /// The rows for evaluated arguments; none if one is NULL.
    pub fn call(self, args: &[Datum<'_>], cx: Context<'_>) -> Result<Call, EvalError> {
        let rows = match &self.declared.0.gives {
            _ if args.iter().any(Datum::is_null) => CallRows::Packed { bytes: Vec::new(), next: 0 },
            Gives::Series(series) => CallRows::Series(series(args)?),
            Gives::Parts(parts) => {
                let (mut packed, mut cost) = (RowBuf::default(), 0);
                parts(args, cx, &mut |row| {
                    cost +=
                        limit::TABLE_ROW_BYTES + row.iter().map(|value| limit::size(*value)).sum::<usize>();
                    if cost > limit::TABLE_BYTES_MAX {
                        return Err(too_many(self.name));
                    }
                    cx.arena.work(row.iter().fold(1, |sum, value| sum + limit::size(*value)))?;
                    row.iter().for_each(|value| packed.push(*value));
                    Ok(())
                })?;
                CallRows::Packed { bytes: packed.into_row().into_bytes(), next: 0 }
            }
        };
        Ok(Call { rows, columns: self.columns.len(), number: self.ordinality.then_some(1) })
    }
}

/// The rows of a call that are left. It owns what it needs, so that it can be put aside between two rows.
pub struct Call {
    rows: CallRows,
    columns: usize,
    /// Of the next row, where rows are numbered.
    number: Option<i64>,
}

enum CallRows {
    Series(Series),
    /// Rows one after the other, and where the next begins.
    Packed {
        bytes: Vec<u8>,
        next: usize,
    },
}

impl Call {
    /// Appends the next row's columns; false if there is none.
    pub fn next(&mut self, out: &mut RowBuf) -> Result<bool, EvalError> {
        let there = match &mut self.rows {
            CallRows::Series(series) => series.next(out)?,
            CallRows::Packed { bytes, next } if *next == bytes.len() => false,
            CallRows::Packed { bytes, next } => {
                let rest = &bytes[*next..];
                let after = (0..self.columns).fold(rest, |rest, _| row::split_first(rest).1);
                let length = rest.len() - after.len();
                out.extend(&rest[..length]);
                *next += length;
                true
            }
        };
        if let Some(number) = self.number.as_mut().filter(|_| there) {
            out.push(Datum::Int(*number));
            *number += 1;
        }
        Ok(there)
    }
}

/// The rows of a call that are parts are there all at once.
#[cold]
fn too_many(name: &str) -> EvalError {
    EvalError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("function {name} returns too many rows"))
        .detail(format!("The rows of one call take at most {} GiB.", limit::TABLE_BYTES_MAX >> 30))
        .hint("Call it for smaller parts.")
}

impl Deref for TableFunc {
    type Target = TableFunction;
    fn deref(&self) -> &TableFunction {
        self.declared.0
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Declared) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Declared {}

impl PartialOrd for Declared {
    fn partial_cmp(&self, other: &Declared) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Declared {
    fn cmp(&self, other: &Declared) -> Ordering {
        self.0.id.cmp(other.0.id)
    }
}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for TableFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for TableFunc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.ordinality {
            true => serializer.serialize_str(&format!("{}{ORDINALITY}", self.id)),
            false => serializer.serialize_str(self.id),
        }
    }
}

impl<'de> Deserialize<'de> for TableFunc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TableFunc, D::Error> {
        let id = String::deserialize(deserializer)?;
        TableFunc::by_id(&id).ok_or_else(|| de::Error::custom(format!("unknown table function {id:?}")))
    }
}

static BY_ID: LazyLock<HashMap<&'static str, TableFunc>> =
    LazyLock::new(|| TABLE_FUNCTIONS.iter().map(|f| (f.id, TableFunc::plain(f))).collect());

/// The overloads of a table function's name.
pub fn table_functions_named(name: &str) -> impl Iterator<Item = TableFunc> {
    TABLE_FUNCTIONS.iter().filter(move |f| f.name == name).map(TableFunc::plain)
}

/// Every table function.
pub fn all_table_functions() -> impl Iterator<Item = TableFunc> {
    TABLE_FUNCTIONS.iter().map(TableFunc::plain)
}

macro_rules! table_functions {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal ( $($arg:tt),* ) -> ( $($column:literal: $typ:tt),+ ) $(, $flag:ident)*
            : $example:literal => [$($result:literal),*] = $gives:expr;
    )*) => {
        static TABLE_FUNCTIONS: &[TableFunction] = &[$(TableFunction {
            id: concat!($name, $(" ", stringify!($arg)),*),
            name: $name,
            args: &[$(super::declare::arg_type!($arg)),*],
            columns: &[$(($column, super::declare::arg_type!($typ))),+],
            can_error: false $(|| table_functions!(@errs $flag))*,
            zone: false $(|| table_functions!(@zone $flag))*,
            doc: concat!($($doc),+),
            example: ($example, &[$($result),*]),
            gives: $gives,
        }),*];
    };
    (@errs errs) => { true };
    (@errs $other:ident) => { false };
    (@zone zone) => { true };
    (@zone $other:ident) => { false };
}

table_functions! {
    /// The relations of which one is a partition: none are.
    "pg_partition_ancestors"(Regclass) -> ("relid": Regclass): "pg_partition_ancestors(1259::regclass)" => []
        = Gives::Parts(|_, _, _| Ok(()));
    /// The integers from the first to the second.
    "generate_series"(Int4, Int4) -> ("generate_series": Int4): "generate_series(1, 3)" => ["1", "2", "3"]
        = Gives::Series(Series::ints);
    /// The integers from the first to the second, by steps.
    "generate_series"(Int4, Int4, Int4) -> ("generate_series": Int4), errs: "generate_series(3, 1, -2)" => ["3", "1"]
        = Gives::Series(Series::ints);
    /// The integers from the first to the second.
    "generate_series"(Int8, Int8) -> ("generate_series": Int8): "generate_series(bigint '1', bigint '2')" => ["1", "2"]
        = Gives::Series(Series::ints);
    /// The integers from the first to the second, by steps.
    "generate_series"(Int8, Int8, Int8) -> ("generate_series": Int8), errs:
        "generate_series(bigint '1', bigint '4', bigint '2')" => ["1", "3"] = Gives::Series(Series::ints);
    /// The numbers from the first to the second, by ones.
    "generate_series"(Numeric, Numeric) -> ("generate_series": Numeric), errs:
        "generate_series(1.5, 3)" => ["1.5", "2.5"] = Gives::Series(Series::numerics);
    /// The numbers from the first to the second, by steps.
    "generate_series"(Numeric, Numeric, Numeric) -> ("generate_series": Numeric), errs:
        "generate_series(1.0, 2.0, 0.5)" => ["1.0", "1.5", "2.0"] = Gives::Series(Series::numerics);
    /// The times from the first to the second, by steps.
    "generate_series"(Timestamp, Timestamp, Interval) -> ("generate_series": Timestamp), errs:
        "generate_series(timestamp '2024-01-30', timestamp '2024-03-30', interval '1 month')"
        => ["2024-01-30 00:00:00", "2024-02-29 00:00:00", "2024-03-29 00:00:00"]
        = Gives::Series(Series::timestamps);
    /// The times from the first to the second, by steps in the session's time zone.
    "generate_series"(TimestampTz, TimestampTz, Interval) -> ("generate_series": TimestampTz), errs, zone:
        "generate_series(timestamptz '2024-01-01 00:00Z', timestamptz '2024-01-01 02:00Z', interval '1 hour')"
        => ["2024-01-01 00:00:00+00", "2024-01-01 01:00:00+00", "2024-01-01 02:00:00+00"]
        = Gives::Series(Series::timestamptzs);
    /// The subscripts of a dimension of an array.
    "generate_subscripts"(AnyArray, Int4) -> ("generate_subscripts": Int4):
        "generate_subscripts('{7,8}'::int4[], 1)" => ["1", "2"]
        = Gives::Series(|args| {
            let array: crate::repr::Array<'_> = FromDatum::from_datum(args[0])?;
            let at = usize::try_from(i64::from_datum(args[1])?).ok().and_then(|d| d.checked_sub(1));
            Ok(Series::range(match at.and_then(|at| array.dimensions().get(at).copied()) {
                Some(dimension) => dimension.lower as i64..dimension.lower as i64 + dimension.length as i64,
                None => 0..0,
            }))
        });
    /// The parts of a text between matches of a regular expression.
    "regexp_split_to_table"(Text, Text) -> ("regexp_split_to_table": Text), errs:
        "regexp_split_to_table('a, b,c', ',\\s*')" => ["a", "b", "c"]
        = Gives::Parts(|args, cx, emit| split_by_regex(args, "", cx, emit));
    /// The parts of a text between matches of a regular expression under flags.
    "regexp_split_to_table"(Text, Text, Text) -> ("regexp_split_to_table": Text), errs:
        "regexp_split_to_table('aXbxc', 'x', 'i')" => ["a", "b", "c"]
        = Gives::Parts(|args, cx, emit| split_by_regex(args, <&str>::from_datum(args[2])?, cx, emit));
    /// The groups of the first match of a regular expression, or the match if it has none.
    "regexp_matches"(Text, Text) -> ("regexp_matches": [Text]), errs:
        "regexp_matches('foobar', '(o)(b)')" => ["{o,b}"] = Gives::Parts(|args, cx, emit| matches(args, "", cx, emit));
    /// The groups of the first match of a regular expression, or under the flag g of all.
    "regexp_matches"(Text, Text, Text) -> ("regexp_matches": [Text]), errs:
        "regexp_matches('foobar', 'o', 'g')" => ["{o}", "{o}"]
        = Gives::Parts(|args, cx, emit| matches(args, <&str>::from_datum(args[2])?, cx, emit));
    /// The parts of a text between delimiters.
    "string_to_table"(Text, Text) -> ("string_to_table": Text): "string_to_table('a,b', ',')" => ["a", "b"]
        = Gives::Parts(|args, cx, emit| {
            let (text, delimiter) = (<&str>::from_datum(args[0])?, <&str>::from_datum(args[1])?);
            let parts = super::array::split(text, Some(delimiter), None, cx);
            parts.elements().try_for_each(|part| emit(&[part]))
        });
    /// The parts of a text between delimiters, NULL for those equal to the third text.
    "string_to_table"(Text, Text, Text) -> ("string_to_table": Text): "string_to_table('a,b', ',', 'x')" => ["a", "b"]
        = Gives::Parts(|args, cx, emit| {
            let (text, delimiter) = (<&str>::from_datum(args[0])?, <&str>::from_datum(args[1])?);
            let parts = super::array::split(text, Some(delimiter), Some(<&str>::from_datum(args[2])?), cx);
            parts.elements().try_for_each(|part| emit(&[part]))
        });
    /// The elements of an array.
    "unnest"(AnyArray) -> ("unnest": AnyElement): "unnest('{1,2}'::int4[])" => ["1", "2"] = Gives::Parts(|args, _, emit| {
        let array: crate::repr::Array<'_> = FromDatum::from_datum(args[0])?;
        array.elements().try_for_each(|element| emit(&[element]))
    });
    /// The elements of a jsonb array.
    "jsonb_array_elements"(Jsonb) -> ("value": Jsonb), errs: "jsonb_array_elements(jsonb '[1, \"a\"]')" => ["1", "\"a\""]
        = Gives::Parts(|args, _, emit| json_elements(args, &mut |element| emit(&[Datum::Json(element)])));
    /// The elements of a jsonb array, as text.
    "jsonb_array_elements_text"(Jsonb) -> ("value": Text), errs: "jsonb_array_elements_text(jsonb '[1, \"a\"]')" => ["1", "a"]
        = Gives::Parts(|args, cx, emit| json_elements(args, &mut |element| emit(&[super::json::as_text(element, cx.arena)])));
    /// The keys of a jsonb object.
    "jsonb_object_keys"(Jsonb) -> ("jsonb_object_keys": Text), errs: "jsonb_object_keys(jsonb '{\"a\": 1, \"b\": 2}')" => ["a", "b"]
        = Gives::Parts(|args, _, emit| json_pairs(args, "jsonb_object_keys", &mut |key, _| emit(&[Datum::Text(key)])));
    /// The pairs of a jsonb object.
    "jsonb_each"(Jsonb) -> ("key": Text, "value": Jsonb), errs: "jsonb_each(jsonb '{\"a\": 1}')" => ["a"]
        = Gives::Parts(|args, _, emit| json_pairs(args, "jsonb_each", &mut |key, value| emit(&[Datum::Text(key), Datum::Json(value)])));
    /// The pairs of a jsonb object, values as text.
    "jsonb_each_text"(Jsonb) -> ("key": Text, "value": Text), errs: "jsonb_each_text(jsonb '{\"a\": 1}')" => ["a"]
        = Gives::Parts(|args, cx, emit| json_pairs(args, "jsonb_each_text", &mut |key, value| {
            emit(&[Datum::Text(key), super::json::as_text(value, cx.arena)])
        }));
}

fn split_by_regex(
    args: &[Datum<'_>],
    flags: &str,
    cx: Context<'_>,
    emit: &mut Emit<'_>,
) -> Result<(), EvalError> {
    let (text, pattern) = (<&str>::from_datum(args[0])?, <&str>::from_datum(args[1])?);
    let flags = pattern::no_global("regexp_split_to_table", flags)?;
    let parts = pattern::with_regex(cx, text, pattern, flags, |regex| pattern::split(regex, text))?;
    parts.into_iter().try_for_each(|part| emit(&[Datum::Text(part)]))
}

fn matches<'a>(
    args: &[Datum<'a>],
    flags: &str,
    cx: Context<'a>,
    emit: &mut Emit<'_>,
) -> Result<(), EvalError> {
    let (text, pattern) = (<&str>::from_datum(args[0])?, <&str>::from_datum(args[1])?);
    let count = if flags.contains('g') { usize::MAX } else { 1 };
    pattern::with_regex(cx, text, pattern, &flags.replace('g', ""), |regex| {
        let mut found = regex.captures_iter(text).take(count);
        found.try_for_each(|found| emit(&[Datum::Array(pattern::groups(&found, cx.arena))]))
    })?
}

fn json_elements<'a>(
    args: &[Datum<'a>],
    emit: &mut dyn FnMut(Json<'a>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let refuse = |what: &str| {
        let message = format!("cannot extract elements from {what}");
        Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message))
    };
    match Json::from_datum(args[0])?.value() {
        Value::Array(mut elements) => elements.try_for_each(emit),
        Value::Object(_) => refuse("an object"),
        _ => refuse("a scalar"),
    }
}

fn json_pairs<'a>(
    args: &[Datum<'a>],
    name: &str,
    emit: &mut dyn FnMut(&'a str, Json<'a>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let refuse = |what: &str| {
        let message = match name {
            "jsonb_object_keys" => format!("cannot call {name} on {what}"),
            _ => format!("cannot call {name} on a non-object"),
        };
        Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message))
    };
    match Json::from_datum(args[0])?.value() {
        Value::Object(mut pairs) => pairs.try_for_each(|(key, value)| emit(key, value)),
        Value::Array(_) => refuse("an array"),
        _ => refuse("a scalar"),
    }
}
