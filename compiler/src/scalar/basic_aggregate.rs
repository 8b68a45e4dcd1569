//! Aggregates that are functions of the whole group in an order: texts, arrays and json built from rows, and those that other
//! files define.

use super::aggregate::AggregateFunc;
use super::{EvalError, json_build, json_text, limit, ordered_set};
use crate::error::SqlState;
use crate::repr::array::Dimension;
use crate::repr::{Arena, Array, Datum, Json};

/// The result for arguments with their multiplicities, in this order.
pub(super) fn fold<'a>(
    func: AggregateFunc,
    rows: &[(Vec<Datum<'a>>, i64)],
    arena: &'a Arena,
) -> Result<Datum<'a>, EvalError> {
    check_size(func, rows, arena)?;
    let repeated = rows.iter().flat_map(|(args, diff)| (0..*diff).map(move |_| args.as_slice()));
    match func {
        AggregateFunc::StringAgg => Ok(string_agg(repeated, arena)),
        AggregateFunc::ArrayAgg if rows.is_empty() => Ok(Datum::Null),
        AggregateFunc::ArrayAgg => Ok(Datum::Array(Array::pack_flat_in(repeated.map(|args| args[0]), arena))),
        AggregateFunc::StackArrays => stack_arrays(&repeated.map(|args| args[0]).collect::<Vec<_>>(), arena),
        AggregateFunc::JsonbAgg => {
            let values: Vec<Json<'a>> = repeated.map(|args| json_build::of(args[0], arena)).collect();
            Ok(if values.is_empty() { Datum::Null } else { Datum::Json(Json::array(values, arena)) })
        }
        AggregateFunc::JsonAgg if rows.is_empty() => Ok(Datum::Null),
        AggregateFunc::JsonAgg => Ok(json_text::array_of_rows(repeated.map(|args| args[0]), arena)),
        AggregateFunc::JsonbObjectAgg => jsonb_object_agg(repeated, arena),
        AggregateFunc::JsonObjectAgg => json_object_agg(rows, arena),
        AggregateFunc::PercentileCont => ordered_set::percentile_cont(rows, arena),
        AggregateFunc::PercentileDisc => ordered_set::percentile_disc(rows, arena),
        AggregateFunc::Mode => Ok(ordered_set::mode(rows)),
        AggregateFunc::Regression(regression) => regression.fold(rows),
        _ => Err(EvalError::internal("an aggregate of another class was folded as basic")),
    }
}

/// A value is built of every row as often as it is there: that is added up before anything is built.
fn check_size(func: AggregateFunc, rows: &[(Vec<Datum<'_>>, i64)], arena: &Arena) -> Result<(), EvalError> {
    let taken = |args: &[Datum<'_>]| match func {
        AggregateFunc::StringAgg if args[0].is_null() => 0,
        // What picks from its rows, or sums them, builds nothing of them.
        AggregateFunc::PercentileCont
        | AggregateFunc::PercentileDisc
        | AggregateFunc::Mode
        | AggregateFunc::Regression(_) => 0,
        _ => args.iter().map(|arg| limit::size(*arg)).sum::<usize>(),
    };
    let add = |sum: usize, (args, diff): &(Vec<Datum<'_>>, i64)| {
        sum.checked_add(taken(args).checked_mul(usize::try_from(*diff).unwrap_or(0))?)
    };
    limit::reserve(arena, rows.iter().try_fold(0, add))
}

fn string_agg<'a, 'r>(rows: impl Iterator<Item = &'r [Datum<'a>]>, arena: &'a Arena) -> Datum<'a>
where
    'a: 'r,
{
    let mut text: Option<Vec<u8>> = None;
    let mut bytes = false;
    let mut append = |text: &mut Vec<u8>, datum: Datum<'a>| match datum {
        Datum::Text(value) => text.extend_from_slice(value.as_bytes()),
        Datum::Bytes(value) => {
            bytes = true;
            text.extend_from_slice(value);
        }
        _ => {}
    };
    for args in rows.filter(|args| !args[0].is_null()) {
        match &mut text {
            None => append(text.insert(Vec::new()), args[0]),
            Some(text) => {
                append(text, args[1]);
                append(text, args[0]);
            }
        }
    }
    match text {
        None => Datum::Null,
        Some(text) if bytes => Datum::Bytes(arena.alloc_slice_copy(&text)),
        Some(text) => {
            let text = String::from_utf8(text).expect("invariant: joined from texts");
            Datum::Text(arena.alloc_str(&text))
        }
    }
}

/// Arrays of one shape as one of a further dimension.
fn stack_arrays<'a>(values: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
    let error = |message: &str| EvalError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message);
    let shape = match values.first() {
        None => return Ok(Datum::Null),
        Some(Datum::Array(first)) => first.dimensions(),
        Some(_) => return Err(null_array()),
    };
    if shape.is_empty() {
        return Err(error("cannot accumulate empty arrays"));
    }
    let mut elements = Vec::new();
    for value in values {
        let Datum::Array(array) = value else {
            return Err(null_array());
        };
        if array.dimensions() != shape {
            return Err(error("cannot accumulate arrays of different dimensionality"));
        }
        elements.extend(array.elements());
    }
    let mut dimensions = vec![Dimension { length: values.len() as u32, lower: 1 }];
    dimensions.extend(shape);
    Ok(Datum::Array(Array::pack_in(elements, &dimensions, arena)))
}

fn null_array() -> EvalError {
    EvalError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays")
}

fn jsonb_object_agg<'a, 'r>(
    rows: impl Iterator<Item = &'r [Datum<'a>]>,
    arena: &'a Arena,
) -> Result<Datum<'a>, EvalError>
where
    'a: 'r,
{
    let mut pairs = Vec::new();
    for args in rows {
        if args[0].is_null() {
            return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "field name must not be null"));
        }
        pairs.push((json_build::key_of(args[0])?, json_build::of(args[1], arena)));
    }
    if pairs.is_empty() {
        return Ok(Datum::Null);
    }
    Ok(Datum::Json(Json::object(pairs.iter().map(|(key, value)| (key.as_str(), *value)), arena)))
}

fn json_object_agg<'a>(rows: &[(Vec<Datum<'a>>, i64)], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    if rows.iter().any(|(args, _)| args[0].is_null()) {
        return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, "field name must not be null"));
    }
    let repeated = rows.iter().flat_map(|(args, diff)| (0..*diff).map(move |_| (args[0], args[1])));
    json_text::object(repeated, arena)
}
