//! Sequences: by what they count, and the arithmetic of it.
//!
//! What a sequence has counted to is not part of the catalog: the engine keeps it, in a shard of the sequence's own. Here is what
//! follows a value, which is a function of the two.

use std::fmt::Debug;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Column;
use crate::error::{Error, SqlState};
use crate::mir::CollectionId;
use crate::repr::{ColumnType, Datum, Row, Type};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// smallint, integer or bigint.
    pub typ: Type,
    pub start: i64,
    /// Never 0.
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    /// How many values are made durable at once, if that is more than usual.
    pub cache: i64,
    pub cycle: bool,
    pub owner: Option<Owner>,
}

/// The column that a sequence goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub relation: CollectionId,
    pub column: usize,
    /// It is the column's IDENTITY, and nothing without it.
    pub identity: bool,
}

/// What a sequence has counted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    pub last: i64,
    /// Whether `last` was given; otherwise it comes next.
    pub called: bool,
}

/// What sequences hold now, for whoever compiles a statement that reads it.
pub trait SequenceValues: Debug + Send + Sync {
    /// What a sequence has counted to, and how many values it may still give before it writes again.
    fn state(&self, sequence: CollectionId) -> Option<(SequenceState, i64)>;
    /// What the session was last given of a sequence.
    fn current(&self, sequence: CollectionId) -> Option<i64>;
    /// What the session was last given of any sequence.
    fn last(&self) -> Option<i64>;
}

impl SequenceState {
    /// As the sequence's shard holds it.
    pub fn to_row(self) -> Row {
        Row::pack([Datum::Int(self.last), Datum::Bool(self.called)])
    }

    pub fn of_row(row: &[u8]) -> Option<SequenceState> {
        match crate::repr::row::Datums::new(row).collect::<Vec<_>>()[..] {
            [Datum::Int(last), Datum::Bool(called)] => Some(SequenceState { last, called }),
            _ => None,
        }
    }
}

impl Sequence {
    /// The columns that it has for whoever reads it as a relation.
    pub fn columns() -> &'static [Column] {
        static COLUMNS: LazyLock<[Column; 3]> = LazyLock::new(|| {
            [("last_value", Type::Int8), ("log_cnt", Type::Int8), ("is_called", Type::Bool)]
                .map(|(name, typ)| Column::new(name, ColumnType::new(typ, false)))
        });
        &*COLUMNS
    }

    /// The one that `GENERATED … AS IDENTITY` and serial columns of this type begin with.
    pub fn ascending(typ: Type) -> Sequence {
        let max = limits(&typ).1;
        Sequence { typ, start: 1, increment: 1, min: 1, max, cache: 1, cycle: false, owner: None }
    }

    /// As it is before its first value.
    pub fn initial(&self) -> SequenceState {
        SequenceState { last: self.start, called: false }
    }

    /// The value that follows; `2200H` where there is none.
    pub fn next(&self, state: SequenceState, name: &str) -> Result<i64, Error> {
        match self.successor(state) {
            Some(next) => Ok(next),
            None if self.cycle => Ok(if self.increment > 0 { self.min } else { self.max }),
            None => {
                let (end, limit) =
                    if self.increment > 0 { ("maximum", self.max) } else { ("minimum", self.min) };
                let message = format!("nextval: reached {end} value of sequence \"{name}\" ({limit})");
                Err(Error::new(SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED, message))
            }
        }
    }

    fn successor(&self, state: SequenceState) -> Option<i64> {
        if !state.called {
            return Some(state.last);
        }
        state.last.checked_add(self.increment).filter(|next| *next <= self.max && *next >= self.min)
    }

    /// Where it stands after so many values more, or as many as there are before its limit; and how many those are.
    pub fn ahead(&self, state: SequenceState, wanted: i64) -> (SequenceState, i64) {
        let Some(first) = self.successor(state).filter(|_| wanted > 0) else { return (state, 0) };
        let limit = if self.increment > 0 { self.max } else { self.min };
        let room = (i128::from(limit) - i128::from(first)) / i128::from(self.increment);
        let more = room.min(i128::from(wanted) - 1).max(0);
        let last = i128::from(first) + more * i128::from(self.increment);
        let last = i64::try_from(last).expect("invariant: it lies between two of the sequence's values");
        (SequenceState { last, called: true }, more as i64 + 1)
    }

    /// `22003` for a value that it can never have.
    pub fn check_value(&self, value: i64, name: &str) -> Result<(), Error> {
        if (self.min..=self.max).contains(&value) {
            return Ok(());
        }
        let (min, max) = (self.min, self.max);
        let message =
            format!("setval: value {value} is out of bounds for sequence \"{name}\" ({min}..{max})");
        Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message))
    }
}

/// The least and the greatest value of a type that a sequence may have.
pub fn limits(typ: &Type) -> (i64, i64) {
    match typ {
        Type::Int2 => (i16::MIN.into(), i16::MAX.into()),
        Type::Int4 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(last: i64) -> SequenceState {
        SequenceState { last, called: true }
    }

    #[test]
    fn values_follow_each_other_up_to_the_limit() {
        let sequence = Sequence { increment: 4, max: 10, ..Sequence::ascending(Type::Int4) };
        assert_eq!(sequence.next(sequence.initial(), "s").unwrap(), 1);
        assert_eq!(sequence.next(given(5), "s").unwrap(), 9);
        let error = sequence.next(given(9), "s").unwrap_err();
        assert_eq!(error.to_string(), "2200H: nextval: reached maximum value of sequence \"s\" (10)");
        let cycling = Sequence { cycle: true, ..sequence.clone() };
        assert_eq!(cycling.next(given(9), "s").unwrap(), 1);
        let widest = Sequence { max: i64::MAX, ..sequence };
        assert!(widest.next(given(i64::MAX - 1), "s").is_err(), "no sum overflows");
    }

    #[test]
    fn what_lies_ahead_ends_at_the_limit() {
        let sequence = Sequence { increment: 4, max: 10, ..Sequence::ascending(Type::Int4) };
        assert_eq!(sequence.ahead(sequence.initial(), 1), (given(1), 1));
        assert_eq!(sequence.ahead(sequence.initial(), 33), (given(9), 3));
        assert_eq!(sequence.ahead(given(9), 33), (given(9), 0));
        let down = Sequence { increment: -1, min: i64::MIN, ..Sequence::ascending(Type::Int8) };
        assert_eq!(down.ahead(given(i64::MIN + 1), i64::MAX), (given(i64::MIN), 1));
        let up = Sequence::ascending(Type::Int8);
        assert_eq!(up.ahead(up.initial(), i64::MAX), (given(i64::MAX), i64::MAX));
    }

    #[test]
    fn a_state_is_read_back_from_its_row() {
        let state = given(-7);
        assert_eq!(SequenceState::of_row(state.to_row().bytes()), Some(state));
        assert_eq!(SequenceState::of_row(Row::pack([Datum::Int(1)]).bytes()), None);
    }
}
