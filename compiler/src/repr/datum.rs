//! A datum: one borrowed SQL value. Decoding a row yields datums that point into its bytes.

use super::array::Array;
use super::bpchar::Bpchar;
use super::datetime::TimeTz;
use super::interval::Interval;
use super::json::Json;
use super::label::Label;
use super::numeric::Numeric;
use crate::scalar::EvalError;

/// One SQL value, borrowed from a packed row or an evaluation arena. `Copy` and at most 32 bytes.
///
/// The same variant serves several types where their order and equality agree: `Int` holds int2, int4, int8, oid and the
/// reg types; `Text` holds text, varchar, name and "char". The plan knows the type.
#[derive(Clone, Copy, Debug)]
pub enum Datum<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float4(f32),
    Float(f64),
    Numeric(Numeric<'a>),
    Text(&'a str),
    Bpchar(Bpchar<'a>),
    Bytes(&'a [u8]),
    /// Days since 2000-01-01; `i32::MIN` and `i32::MAX` are -infinity and infinity.
    Date(i32),
    /// Microseconds since midnight, up to the whole day that `24:00` is.
    Time(i64),
    TimeTz(TimeTz),
    /// Microseconds since 2000-01-01 00:00; `i64::MIN` and `i64::MAX` are -infinity and infinity.
    Timestamp(i64),
    /// Microseconds since 2000-01-01 00:00 UTC, same infinities.
    TimestampTz(i64),
    Interval(Interval),
    Uuid(&'a [u8; 16]),
    Json(Json<'a>),
    /// `json`, which is kept as it was written.
    JsonText(&'a str),
    /// A label of an enumeration.
    Enum(Label<'a>),
    Array(Array<'a>),
    /// A row value; its bytes are a packed row.
    Record(&'a [u8]),
    /// An evaluation error that stays with its row until somebody reads the column (DESIGN: errors of data are data).
    Error(EvalErrorRef<'a>),
}

/// A borrowed evaluation error, as packed in an error cell.
#[derive(Clone, Copy, Debug)]
pub struct EvalErrorRef<'a>(pub &'a [u8]);

impl<'a> EvalErrorRef<'a> {
    pub fn to_owned(self) -> EvalError {
        EvalError::decode(self.0)
    }
}

/// A datum is copied by every operator; the arrangement of enums keeps it at three words.
const _: () = assert!(std::mem::size_of::<Datum<'_>>() <= 24);

impl Datum<'_> {
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Datum::Error(_))
    }
}

/// Identity: equal when the encodings are, so that 1.0 and 1.00 differ. SQL's `=` compares canonical encodings.
impl PartialEq for Datum<'_> {
    fn eq(&self, other: &Datum<'_>) -> bool {
        match (self, other) {
            (Datum::Int(a), Datum::Int(b)) => a == b,
            (Datum::Text(a), Datum::Text(b)) => a == b,
            (a, b) => {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                super::row::encode(*a, &mut left);
                super::row::encode(*b, &mut right);
                left == right
            }
        }
    }
}

impl Eq for Datum<'_> {}
