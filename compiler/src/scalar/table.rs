//! Table functions: functions that give several rows.
//!
//! Declared once each, like scalar functions. A NULL argument gives no rows.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::function::Context;
use super::native::FromDatum;
use super::{ArgType, EvalError};
use crate::error::SqlState;
use crate::repr::json::Value;
use crate::repr::{Datum, Json, Numeric, Type};

/// Takes each row; may refuse more.
pub type Emit<'e> = dyn FnMut(&[Datum<'_>]) -> Result<(), EvalError> + 'e;

pub type TableEvalFn = for<'a> fn(&[Datum<'a>], Context<'a>, &mut Emit<'_>) -> Result<(), EvalError>;

/// One table function.
pub struct TableFunction {
    /// Unique: the name and the argument types. Plans store it.
    pub id: &'static str,
    pub name: &'static str,
    pub args: &'static [ArgType],
    /// The names and types of its columns. The name of a single column is the function's alias, if it has one.
    pub columns: &'static [(&'static str, ArgType)],
    pub can_error: bool,
    doc: &'static str,
    /// An expression, and its rows as the text of their first column.
    pub example: (&'static str, &'static [&'static str]),
    pub eval: TableEvalFn,
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

/// A reference to a declaration; two are equal when their ids are.
#[derive(Clone, Copy)]
pub struct TableFunc(&'static TableFunction);

impl TableFunc {
    pub fn by_id(id: &str) -> Option<TableFunc> {
        BY_ID.get(id).copied()
    }

    /// Emits the rows for evaluated arguments; none if one is NULL.
    pub fn eval<'a>(self, args: &[Datum<'a>], cx: Context<'a>, emit: &mut Emit<'_>) -> Result<(), EvalError> {
        if args.iter().any(Datum::is_null) { Ok(()) } else { (self.0.eval)(args, cx, emit) }
    }
}

impl Deref for TableFunc {
    type Target = TableFunction;
    fn deref(&self) -> &TableFunction {
        self.0
    }
}

impl PartialEq for TableFunc {
    fn eq(&self, other: &TableFunc) -> bool {
        self.id == other.id
    }
}

impl Eq for TableFunc {}

impl PartialOrd for TableFunc {
    fn partial_cmp(&self, other: &TableFunc) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TableFunc {
    fn cmp(&self, other: &TableFunc) -> Ordering {
        self.id.cmp(other.id)
    }
}

impl Hash for TableFunc {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for TableFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for TableFunc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl<'de> Deserialize<'de> for TableFunc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TableFunc, D::Error> {
        let id = String::deserialize(deserializer)?;
        TableFunc::by_id(&id).ok_or_else(|| de::Error::custom(format!("unknown table function {id:?}")))
    }
}

static BY_ID: LazyLock<HashMap<&'static str, TableFunc>> =
    LazyLock::new(|| TABLE_FUNCTIONS.iter().map(|f| (f.id, TableFunc(f))).collect());

/// The overloads of a table function's name.
pub fn table_functions_named(name: &str) -> impl Iterator<Item = TableFunc> {
    TABLE_FUNCTIONS.iter().filter(move |f| f.name == name).map(TableFunc)
}

/// Every table function.
pub fn all_table_functions() -> impl Iterator<Item = TableFunc> {
    TABLE_FUNCTIONS.iter().map(TableFunc)
}

macro_rules! table_functions {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal ( $($arg:tt),* ) -> ( $($column:literal: $typ:tt),+ ) $(, $errs:ident)?
            : $example:literal => [$($result:literal),*] = $eval:expr;
    )*) => {
        static TABLE_FUNCTIONS: &[TableFunction] = &[$(TableFunction {
            id: concat!($name, $(" ", stringify!($arg)),*),
            name: $name,
            args: &[$(super::declare::arg_type!($arg)),*],
            columns: &[$(($column, super::declare::arg_type!($typ))),+],
            can_error: table_functions!(@errs $($errs)?),
            doc: concat!($($doc),+),
            example: ($example, &[$($result),*]),
            eval: $eval,
        }),*];
    };
    (@errs errs) => { true };
    (@errs) => { false };
}

table_functions! {
    /// The integers from the first to the second.
    "generate_series"(Int4, Int4) -> ("generate_series": Int4): "generate_series(1, 3)" => ["1", "2", "3"]
        = |args, _, emit| int_series(args, emit);
    /// The integers from the first to the second, by steps.
    "generate_series"(Int4, Int4, Int4) -> ("generate_series": Int4), errs: "generate_series(3, 1, -2)" => ["3", "1"]
        = |args, _, emit| int_series(args, emit);
    /// The integers from the first to the second.
    "generate_series"(Int8, Int8) -> ("generate_series": Int8): "generate_series(bigint '1', bigint '2')" => ["1", "2"]
        = |args, _, emit| int_series(args, emit);
    /// The integers from the first to the second, by steps.
    "generate_series"(Int8, Int8, Int8) -> ("generate_series": Int8), errs:
        "generate_series(bigint '1', bigint '4', bigint '2')" => ["1", "3"] = |args, _, emit| int_series(args, emit);
    /// The numbers from the first to the second, by ones.
    "generate_series"(Numeric, Numeric) -> ("generate_series": Numeric), errs:
        "generate_series(1.5, 3)" => ["1.5", "2.5"] = |args, cx, emit| numeric_series(args, cx, emit);
    /// The numbers from the first to the second, by steps.
    "generate_series"(Numeric, Numeric, Numeric) -> ("generate_series": Numeric), errs:
        "generate_series(1.0, 2.0, 0.5)" => ["1.0", "1.5", "2.0"] = |args, cx, emit| numeric_series(args, cx, emit);
    /// The elements of an array.
    "unnest"(AnyArray) -> ("unnest": AnyElement): "unnest('{1,2}'::int4[])" => ["1", "2"] = |args, _, emit| {
        let array: crate::repr::Array<'_> = FromDatum::from_datum(args[0])?;
        array.elements().try_for_each(|element| emit(&[element]))
    };
    /// The elements of a jsonb array.
    "jsonb_array_elements"(Jsonb) -> ("value": Jsonb), errs: "jsonb_array_elements(jsonb '[1, \"a\"]')" => ["1", "\"a\""]
        = |args, _, emit| json_elements(args, &mut |element| emit(&[Datum::Json(element)]));
    /// The elements of a jsonb array, as text.
    "jsonb_array_elements_text"(Jsonb) -> ("value": Text), errs: "jsonb_array_elements_text(jsonb '[1, \"a\"]')" => ["1", "a"]
        = |args, cx, emit| json_elements(args, &mut |element| emit(&[super::json::as_text(element, cx.arena)]));
    /// The keys of a jsonb object.
    "jsonb_object_keys"(Jsonb) -> ("jsonb_object_keys": Text), errs: "jsonb_object_keys(jsonb '{\"a\": 1, \"b\": 2}')" => ["a", "b"]
        = |args, _, emit| json_pairs(args, "jsonb_object_keys", &mut |key, _| emit(&[Datum::Text(key)]));
    /// The pairs of a jsonb object.
    "jsonb_each"(Jsonb) -> ("key": Text, "value": Jsonb), errs: "jsonb_each(jsonb '{\"a\": 1}')" => ["a"]
        = |args, _, emit| json_pairs(args, "jsonb_each", &mut |key, value| emit(&[Datum::Text(key), Datum::Json(value)]));
    /// The pairs of a jsonb object, values as text.
    "jsonb_each_text"(Jsonb) -> ("key": Text, "value": Text), errs: "jsonb_each_text(jsonb '{\"a\": 1}')" => ["a"]
        = |args, cx, emit| json_pairs(args, "jsonb_each_text", &mut |key, value| {
            emit(&[Datum::Text(key), super::json::as_text(value, cx.arena)])
        });
}

fn zero_step() -> EvalError {
    EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

/// Ends at the type's bounds too: what would overflow is past the end.
fn int_series(args: &[Datum<'_>], emit: &mut Emit<'_>) -> Result<(), EvalError> {
    let (mut at, stop) = (i64::from_datum(args[0])?, i64::from_datum(args[1])?);
    let step = args.get(2).map_or(Ok(1), |step| i64::from_datum(*step))?;
    if step == 0 {
        return Err(zero_step());
    }
    while if step > 0 { at <= stop } else { at >= stop } {
        emit(&[Datum::Int(at)])?;
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(())
}

fn numeric_series<'a>(args: &[Datum<'a>], cx: Context<'a>, emit: &mut Emit<'_>) -> Result<(), EvalError> {
    let (mut at, stop) = (Numeric::from_datum(args[0])?, Numeric::from_datum(args[1])?);
    let step = args.get(2).map_or(Ok(Numeric::from_int(1)), |step| Numeric::from_datum(*step))?;
    for (value, what) in [(at, "start"), (stop, "stop"), (step, "step")] {
        let not_finite = if value.is_nan() { "NaN" } else { "infinity" };
        if !value.is_finite() {
            let what = if what == "step" { "step size" } else { what };
            let message = format!("{what} value cannot be {not_finite}").replace("size value", "size");
            return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
    }
    if step.is_zero() {
        return Err(zero_step());
    }
    while if step.is_negative() { at >= stop } else { at <= stop } {
        emit(&[Datum::Numeric(at)])?;
        at = at.add(step, cx.arena)?;
    }
    Ok(())
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
