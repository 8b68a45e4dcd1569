//! Datums as Rust's own values: what the `functions!` macro puts between a declaration's closure and
//! the evaluator.
//!
//! The binder guarantees the types, so a datum of another kind is a mistake of ours; it is reported as an internal error,
//! not as a panic, because it would meet a user's row.

use super::EvalError;
use super::function::Context;
use crate::repr::datetime::TimeTz;
use crate::repr::{Array, Bpchar, Datum, Interval, Json, Label, Numeric};

/// A Rust value that an argument can be taken as.
pub(super) trait FromDatum<'a>: Sized {
    fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError>;
}

/// A Rust value that a result can be given as.
pub(super) trait IntoDatum<'a> {
    fn into_datum(self, cx: Context<'a>) -> Result<Datum<'a>, EvalError>;
}

#[cold]
fn mismatch(expected: &str, datum: Datum<'_>) -> EvalError {
    EvalError::internal(format!("expected {expected} but found {datum:?}"))
}

macro_rules! native {
    ($($typ:ty = $pattern:ident;)*) => {
        $(
            impl<'a> FromDatum<'a> for $typ {
                #[inline(always)]
                fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError> {
                    match datum {
                        Datum::$pattern(value) => Ok(value),
                        other => Err(mismatch(stringify!($pattern), other)),
                    }
                }
            }

            impl<'a> IntoDatum<'a> for $typ {
                #[inline(always)]
                fn into_datum(self, _: Context<'a>) -> Result<Datum<'a>, EvalError> {
                    Ok(Datum::$pattern(self))
                }
            }
        )*
    };
}

native! {
    bool = Bool;
    i64 = Int;
    f32 = Float4;
    f64 = Float;
    Numeric<'a> = Numeric;
    &'a str = Text;
    &'a [u8] = Bytes;
    Interval = Interval;
    TimeTz = TimeTz;
    Bpchar<'a> = Bpchar;
    Label<'a> = Enum;
    &'a [u8; 16] = Uuid;
    Json<'a> = Json;
    Array<'a> = Array;
}

/// A date, in days since 2000-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Days(pub i32);

/// A timestamp, in microseconds since 2000-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Micros(pub i64);

/// A timestamptz, in microseconds since 2000-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MicrosTz(pub i64);

/// A time of day, in microseconds since midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clock(pub i64);

macro_rules! newtypes {
    ($($typ:ident = $pattern:ident;)*) => {
        $(
            impl<'a> FromDatum<'a> for $typ {
                #[inline(always)]
                fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError> {
                    match datum {
                        Datum::$pattern(value) => Ok($typ(value)),
                        other => Err(mismatch(stringify!($pattern), other)),
                    }
                }
            }

            impl<'a> IntoDatum<'a> for $typ {
                #[inline(always)]
                fn into_datum(self, _: Context<'a>) -> Result<Datum<'a>, EvalError> {
                    Ok(Datum::$pattern(self.0))
                }
            }
        )*
    };
}

newtypes! {
    Days = Date;
    Micros = Timestamp;
    MicrosTz = TimestampTz;
    Clock = Time;
}

/// The text of a `json` value.
#[derive(Clone, Copy)]
pub(super) struct JsonText<'a>(pub &'a str);

impl<'a> FromDatum<'a> for JsonText<'a> {
    fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError> {
        match datum {
            Datum::JsonText(text) => Ok(JsonText(text)),
            other => Err(mismatch("JsonText", other)),
        }
    }
}

impl<'a> IntoDatum<'a> for JsonText<'a> {
    fn into_datum(self, _: Context<'a>) -> Result<Datum<'a>, EvalError> {
        Ok(Datum::JsonText(self.0))
    }
}

impl<'a> FromDatum<'a> for Datum<'a> {
    #[inline(always)]
    fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError> {
        Ok(datum)
    }
}

/// NULL is nothing, for functions that are called on NULL.
impl<'a, T: FromDatum<'a>> FromDatum<'a> for Option<T> {
    #[inline(always)]
    fn from_datum(datum: Datum<'a>) -> Result<Self, EvalError> {
        match datum {
            Datum::Null => Ok(None),
            datum => T::from_datum(datum).map(Some),
        }
    }
}

impl<'a> IntoDatum<'a> for Datum<'a> {
    #[inline(always)]
    fn into_datum(self, _: Context<'a>) -> Result<Datum<'a>, EvalError> {
        Ok(self)
    }
}

impl<'a> IntoDatum<'a> for String {
    #[inline(always)]
    fn into_datum(self, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
        Ok(Datum::Text(cx.arena.alloc_str(&self)))
    }
}

impl<'a> IntoDatum<'a> for Vec<u8> {
    fn into_datum(self, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
        Ok(Datum::Bytes(cx.arena.alloc_slice_copy(&self)))
    }
}

impl<'a, T: IntoDatum<'a>> IntoDatum<'a> for Option<T> {
    #[inline(always)]
    fn into_datum(self, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
        match self {
            Some(value) => value.into_datum(cx),
            None => Ok(Datum::Null),
        }
    }
}

impl<'a, T: IntoDatum<'a>> IntoDatum<'a> for Result<T, EvalError> {
    #[inline(always)]
    fn into_datum(self, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
        self?.into_datum(cx)
    }
}
