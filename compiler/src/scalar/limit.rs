//! How large one value may become: functions that multiply their arguments must end in an error, not in the end of memory.
//!
//! The optimizer takes no account of these errors: they are like running out of memory, and no reason to keep a function where it is.
//! Every value that a function or an aggregate gives is at most [`VALUE_BYTES_MAX`] bytes. What a function can build beyond a small
//! multiple of its arguments it must ask for first ([`reserve`]); the rest is checked when it is there. So no chain of calls
//! builds more than a few times that, and a packed row of such values is bounded by
//! [`ROW_BYTES_MAX`](crate::repr::row::ROW_BYTES_MAX).

use super::EvalError;
use crate::error::SqlState;
use crate::repr::{Arena, Datum};

/// The most bytes that a value takes. PostgreSQL allows four times as much, which no row of ours could hold.
pub(super) const VALUE_BYTES_MAX: usize = 256 << 20;

/// The most that the rows of one call of a table function take, with what each costs besides its bytes.
pub(super) const TABLE_BYTES_MAX: usize = if cfg!(test) { 64 << 20 } else { 4 << 30 };

/// What a row of a table function costs besides its bytes.
pub(super) const TABLE_ROW_BYTES: usize = 32;

#[cold]
pub(super) fn too_large() -> EvalError {
    EvalError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
        .detail(format!("A value takes at most {} MiB.", VALUE_BYTES_MAX >> 20))
}

/// Refuses what would take more than a value may; to be asked before it is built. None is more than can be counted.
pub(super) fn check(bytes: Option<usize>) -> Result<(), EvalError> {
    match bytes {
        Some(bytes) if bytes <= VALUE_BYTES_MAX => Ok(()),
        _ => Err(too_large()),
    }
}

/// As [`check`], and accounts for the building.
pub(super) fn reserve(arena: &Arena, bytes: Option<usize>) -> Result<(), EvalError> {
    check(bytes)?;
    arena.work(bytes.unwrap_or(0))
}

/// About the bytes of a value.
#[inline]
pub(super) fn size(value: Datum<'_>) -> usize {
    match value {
        Datum::Text(text) | Datum::JsonText(text) => text.len(),
        Datum::Bpchar(value) => value.text().len() + value.blanks() as usize,
        Datum::Bytes(bytes) => bytes.len(),
        Datum::Array(array) => array.bytes().len(),
        Datum::Json(json) => json.bytes().len(),
        Datum::Record(fields) => fields.len(),
        _ => 16,
    }
}

/// The value, unless it is too large.
#[inline]
pub(super) fn checked(value: Datum<'_>) -> Result<Datum<'_>, EvalError> {
    if size(value) > VALUE_BYTES_MAX { Err(too_large()) } else { Ok(value) }
}

/// Refuses many arguments that together are more than a value may be: a function that puts them together would double that.
pub(super) fn check_all(values: &[Datum<'_>]) -> Result<(), EvalError> {
    check(values.iter().try_fold(0usize, |sum, value| sum.checked_add(size(*value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repr::row::{self, ROW_BYTES_MAX};
    use crate::repr::{Arena, Row, RowBuf};
    use crate::scalar::{AggregateFunc, Call, Mfp, Scratch, TableFunc};

    fn code<T: std::fmt::Debug>(outcome: Result<T, EvalError>) -> SqlState {
        outcome.expect_err("it is too large").code
    }

    #[test]
    fn an_aggregate_counts_multiplicities_before_it_builds_anything() {
        let arena = Arena::default();
        let often = |args: &[Datum<'static>]| vec![(args.to_vec(), 1i64 << 40)];
        let text = Datum::Text("x");
        for (func, args) in [
            (AggregateFunc::StringAgg, &[text, text][..]),
            (AggregateFunc::ArrayAgg, &[text]),
            (AggregateFunc::JsonbAgg, &[text]),
            (AggregateFunc::JsonbObjectAgg, &[text, text]),
        ] {
            assert_eq!(code(func.fold(&often(args), &arena)), SqlState::PROGRAM_LIMIT_EXCEEDED, "{func:?}");
        }
        let absent = often(&[Datum::Null, text]);
        assert_eq!(AggregateFunc::StringAgg.fold(&absent[..0], &arena), Ok(Datum::Null));
    }

    fn call(id: &str, args: &[Datum<'_>]) -> Result<Call, EvalError> {
        let arena = Arena::default();
        let context = crate::scalar::Context { arena: &arena, typ: &crate::repr::Type::Unknown };
        TableFunc::by_id(id).expect("it is declared").call(args, context)
    }

    #[test]
    fn a_table_function_whose_rows_are_there_all_at_once_ends_before_memory_does() {
        let long = "x".repeat(TABLE_BYTES_MAX / TABLE_ROW_BYTES);
        let outcome = call("regexp_split_to_table Text Text", &[Datum::Text(&long), Datum::Text("")]);
        assert_eq!(code(outcome.map(drop)), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }

    #[test]
    fn of_a_series_only_what_was_read_is_there() {
        let mut series =
            call("generate_series Int8 Int8", &[Datum::Int(1), Datum::Int(i64::MAX)]).expect("it is legal");
        let mut rows = RowBuf::default();
        (0..3).for_each(|_| assert_eq!(series.next(&mut rows), Ok(true)));
        assert_eq!(rows.into_row(), Row::pack([1, 2, 3].map(Datum::Int)));
    }

    /// The columns that fit stay, in their places; what does not is an error cell, in the key as well as behind it.
    #[test]
    fn a_row_that_is_too_large_has_errors_in_the_place_of_what_does_not_fit() {
        let large = "x".repeat(ROW_BYTES_MAX / 3);
        let input = Row::pack([Datum::Text(&large), Datum::Int(7)]);
        let plan = crate::scalar::MfpPlan::keyed(&Mfp::new(2).project([0, 0, 0, 1, 0]), 3);
        let (mut scratch, mut out) = (Scratch::default(), RowBuf::default());
        out.push(Datum::Int(1));
        assert_eq!(plan.evaluate_packed(input.bytes(), &mut scratch, &mut out), Ok(true));
        assert!(out.bytes().len() <= ROW_BYTES_MAX + 1);
        let mut cells = Vec::new();
        row::decode_into(&out.bytes()[1..], &mut cells);
        let is_large = |cell: &Datum<'_>| matches!(cell, Datum::Text(text) if *text == large);
        assert_eq!(cells.len(), 5);
        assert!(is_large(&cells[0]) && is_large(&cells[1]) && cells[2].is_error() && cells[4].is_error());
        assert_eq!(cells[3], Datum::Int(7));
        let mut key = row::Datums::new(&out.bytes()[1..1 + scratch.key_len]);
        assert_eq!(key.by_ref().count(), 3);
    }
}
