//! Ordered-set aggregates: what stands where in a group that is sorted, `WITHIN GROUP (ORDER BY …)`.
//!
//! Their arguments are the direct ones and then the value that the group is sorted by, in whose order the rows come. See PostgreSQL's manual, table 9.61.

use bumpalo::Bump;

use super::{EvalError, compare};
use crate::error::SqlState;
use crate::repr::{Array, Datum};

/// The rows of a group: values in order, with their multiplicities.
struct Sorted<'r, 'a> {
    rows: &'r [(Vec<Datum<'a>>, i64)],
    count: u64,
}

/// The argument before which all are direct.
fn value<'a>(args: &[Datum<'a>]) -> Datum<'a> {
    args.last().copied().unwrap_or(Datum::Null)
}

impl<'r, 'a> Sorted<'r, 'a> {
    fn of(rows: &'r [(Vec<Datum<'a>>, i64)]) -> Sorted<'r, 'a> {
        let count = rows.iter().map(|(_, diff)| u64::try_from(*diff).unwrap_or(0)).sum();
        Sorted { rows, count }
    }

    /// The value before which so many stand.
    fn at(&self, mut place: u64) -> Datum<'a> {
        for (args, diff) in self.rows {
            let here = u64::try_from(*diff).unwrap_or(0);
            if place < here {
                return value(args);
            }
            place -= here;
        }
        Datum::Null
    }
}

/// The value up to which the fraction of the group lies.
pub(super) fn percentile_disc<'a>(
    rows: &[(Vec<Datum<'a>>, i64)],
    arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    for_each_fraction(rows, arena, |sorted, fraction| {
        let place = (fraction * sorted.count as f64).ceil() as u64;
        Ok(sorted.at(place.saturating_sub(1)))
    })
}

/// The value at the fraction of the way from the first to the last, between two of them if it lies there.
pub(super) fn percentile_cont<'a>(
    rows: &[(Vec<Datum<'a>>, i64)],
    arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    for_each_fraction(rows, arena, |sorted, fraction| {
        let place = fraction * (sorted.count - 1) as f64;
        let (first, second) = (sorted.at(place.floor() as u64), sorted.at(place.ceil() as u64));
        if place.floor() == place.ceil() {
            return Ok(first);
        }
        let part = place - place.floor();
        match (first, second) {
            (Datum::Float(first), Datum::Float(second)) => Ok(Datum::Float(first + part * (second - first))),
            (Datum::Interval(first), Datum::Interval(second)) => {
                let step = second.checked_sub(first)?.checked_mul(part)?;
                first.checked_add(step).map(Datum::Interval)
            }
            _ => Err(EvalError::internal("a percentile lies between floats or intervals")),
        }
    })
}

/// The result at the group's fraction, or at each of an array of them.
fn for_each_fraction<'a>(
    rows: &[(Vec<Datum<'a>>, i64)],
    arena: &'a Bump,
    at: impl Fn(&Sorted<'_, 'a>, f64) -> Result<Datum<'a>, EvalError>,
) -> Result<Datum<'a>, EvalError> {
    let sorted = Sorted::of(rows);
    let Some((args, _)) = rows.first() else { return Ok(Datum::Null) };
    let result = |fraction: Datum<'a>| match fraction {
        Datum::Float(fraction) => at(&sorted, checked(fraction)?),
        _ => Ok(Datum::Null),
    };
    match args[0] {
        Datum::Array(fractions) => {
            let results: Vec<Datum<'a>> = fractions.elements().map(result).collect::<Result<_, _>>()?;
            Ok(Datum::Array(Array::pack_in(results, &fractions.dimensions(), arena)))
        }
        fraction => result(fraction),
    }
}

fn checked(fraction: f64) -> Result<f64, EvalError> {
    if (0.0..=1.0).contains(&fraction) {
        return Ok(fraction);
    }
    let message =
        format!("percentile value {} is not between 0 and 1", super::string::as_text(Datum::Float(fraction)));
    Err(EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message))
}

/// The value that occurs most often; of several the first.
pub(super) fn mode<'a>(rows: &[(Vec<Datum<'a>>, i64)]) -> Datum<'a> {
    let mut best: Option<(Datum<'a>, i64)> = None;
    for equal in rows.chunk_by(|(a, _), (b, _)| compare(value(a), value(b)).is_eq()) {
        let times = equal.iter().map(|(_, diff)| diff).sum();
        if best.is_none_or(|(_, most)| times > most) {
            best = Some((value(&equal[0].0), times));
        }
    }
    best.map_or(Datum::Null, |(value, _)| value)
}
