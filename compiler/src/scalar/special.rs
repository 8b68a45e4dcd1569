//! Functions with syntax of their own (`IS NULL`, `NOT`, `IS DISTINCT FROM`) and those that only plans contain.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::comparison::{compare, not_distinct};
use super::declare::functions;
use super::fast::{Comparison, Fast};
use super::function::{ArgType, Context, Func};
use super::{EvalError, native};
use crate::repr::{Datum, Numeric, canonical, row};

functions! { pub(super) FUNCTIONS;
    /// True if the value is NULL.
    "is null"(Any) -> Bool, never_null(), special(), fast(Fast::IsNull):
        "NULL IS NULL" => "t" = { |_, a: Datum<'_>| matches!(a, Datum::Null) };
    /// The other truth value.
    "not"(Bool) -> Bool, special(), fast(Fast::Not): "NOT true" => "f" = { |_, a: bool| !a };
    /// True if the condition is, false if it is false or NULL.
    "is true"(Bool) -> Bool, never_null(), special(): "NULL IS TRUE" => "f" = { |_, a: Option<bool>| a == Some(true) };
    /// True if the condition is false, false if it is true or NULL.
    "is false"(Bool) -> Bool, never_null(), special(): "NULL IS FALSE" => "f" = { |_, a: Option<bool>| a == Some(false) };
    /// Whether two values differ, with NULL as a value of its own.
    "is distinct from"(AnyElement, AnyElement) -> Bool, never_null(), special():
        "1 IS DISTINCT FROM NULL" => "t" = { |_, a: Datum<'_>, b: Datum<'_>| !not_distinct(a, b) };
    /// Whether two values are the same, with NULL as a value of its own.
    "is not distinct from"(AnyElement, AnyElement) -> Bool, never_null(), special():
        "1 IS NOT DISTINCT FROM 1" => "t" = { |_, a: Datum<'_>, b: Datum<'_>| not_distinct(a, b) };
    /// Whether two values of any one type are equal: what the planner writes, where SQL has an operator per type.
    "equals"(AnyElement, AnyElement) -> Bool, special(), fast(Fast::Compare(Comparison::Eq)):
        "1 = 2" => "f" = { |_, a: Datum<'_>, b: Datum<'_>| compare(a, b).is_eq() };
    /// The value that stands for all values equal to this one.
    "canonical"(AnyElement) -> AnyElement, special(): "1" => "1" = { raw canonical };
    /// The bytes by which a value is told from others, NULL included: what joins NULL with NULL.
    "key"(Any) -> Bytea, never_null(), special(): "NULL" => "\\xfe" = { raw key_bytes };
    /// The bytes of a value as it prints, NULL included: they differ for equal values of different forms, as 1.0 and 1.00.
    "form"(Any) -> Bytea, never_null(), special(): "NULL" => "\\xfe" = { raw form_bytes };
    /// A random number from 0 and below 1, by a seed: what a call of `random()` is bound to, until its place is known.
    "random of"(Int8) -> Float8, volatile(), errs(), special(): "" => "" = { |_, _seed: i64| unplaced() };
    /// The random number of a seed, a copy of a row, and the row.
    "random at"(Int8, Int8) -> Float8, stable(), never_null(), special(), variadic(ArgType::Any): "" => "" = { raw random_number };
    /// How far RANGE reaches: the sum, or the difference, of a value and a distance; of infinities that cancel each other, all.
    "range limit"(Numeric, Numeric, Bool, Bool) -> Numeric, special():
        "range limit(3, 1, true, true)" => "2" = { raw range_limit };
    /// How far RANGE reaches, of floats: beyond the greatest of them is infinity.
    "range limit"(Float8, Float8, Bool, Bool) -> Float8, special():
        "range limit(3, 1, true, true)" => "2" = { raw range_limit };
    /// The same value under another type that stores it alike.
    "relabel"(Any) -> Any, called_by_cast(), fast(Fast::Relabel): "1" => "1" = { |_, a: Datum<'_>| a };
}

fn canonical<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let value: Datum<'a> = native::FromDatum::from_datum(args[0])?;
    let mut packed = Vec::new();
    canonical::encode_canonical(value, &mut packed);
    Ok(row::decode_first(cx.arena.alloc_slice_copy(&packed)).0)
}

fn key_bytes<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let mut packed = Vec::new();
    canonical::encode_canonical(args[0], &mut packed);
    Ok(Datum::Bytes(cx.arena.alloc_slice_copy(&packed)))
}

fn form_bytes<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let form = row::Row::pack([args[0]]);
    Ok(Datum::Bytes(cx.arena.alloc_slice_copy(form.bytes())))
}

fn unplaced() -> Result<f64, EvalError> {
    Err(EvalError::internal("a random number was asked for outside of a row"))
}

/// 53 bits of a hash, as many as a number from 0 and below 1 has evenly.
fn random_number<'a>(args: &[Datum<'a>], _: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let mut hasher = DefaultHasher::new();
    row::Row::pack(args.iter().copied()).bytes().hash(&mut hasher);
    Ok(Datum::Float((hasher.finish() >> 11) as f64 / (1u64 << 53) as f64))
}

/// Value, distance, whether to subtract, and whether all begins at the least value: PostgreSQL's `in_range` as a limit.
fn range_limit<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let [value, distance, Datum::Bool(subtract), Datum::Bool(from_least)] = *args else {
        return Err(EvalError::internal("a frame's limit is of a value, a distance and two directions"));
    };
    match (value, distance) {
        (Datum::Float(value), Datum::Float(distance)) => {
            let limit = if subtract { value - distance } else { value + distance };
            let all = if from_least { f64::NEG_INFINITY } else { f64::INFINITY };
            Ok(Datum::Float(if limit.is_nan() && !value.is_nan() { all } else { limit }))
        }
        (Datum::Numeric(value), Datum::Numeric(distance)) => {
            let limit =
                if subtract { value.sub(distance, cx.arena)? } else { value.add(distance, cx.arena)? };
            let all = if from_least { Numeric::NEG_INFINITY } else { Numeric::INFINITY };
            Ok(Datum::Numeric(if limit.is_nan() && !value.is_nan() { all } else { limit }))
        }
        _ => Err(EvalError::internal("a frame's limit is of numbers")),
    }
}

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $id:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name() -> Func {
                static FUNC: std::sync::LazyLock<Func> = std::sync::LazyLock::new(|| Func::known($id));
                *FUNC
            }
        )*
    };
}

known! {
    /// A value's key, NULL's included.
    key = "key Any";
    /// A value's form, NULL's included.
    form = "form Any";
    /// A random number by its seed alone.
    random_of = "random of Int8";
    /// A random number by its seed and its place.
    random_at = "random at Int8 Int8";
    /// `a IS NULL`.
    is_null = "is null Any";
    /// `NOT a`.
    not = "not Bool";
    /// `a IS TRUE`.
    is_true = "is true Bool";
    /// `a IS FALSE`.
    is_false = "is false Bool";
    /// `a IS DISTINCT FROM b`.
    is_distinct = "is distinct from AnyElement AnyElement";
    /// `a IS NOT DISTINCT FROM b`.
    is_not_distinct = "is not distinct from AnyElement AnyElement";
    /// `a = b` of any one type.
    equals = "equals AnyElement AnyElement";
    /// The canonical form of a value.
    canonical_of = "canonical AnyElement";
    /// How far RANGE reaches, of numerics.
    range_limit_numeric = "range limit Numeric Numeric Bool Bool";
    /// How far RANGE reaches, of floats.
    range_limit_float = "range limit Float8 Float8 Bool Bool";
    /// A change of type that keeps the datum.
    relabel = "relabel Any";
}
