//! Scalar expressions over a row, and the errors that evaluating them can give.
//!
//! An [`EvalError`] is a value: it travels in error cells and in a collection's errs, is ordered, and is retracted with
//! its row. It carries no position, because the row that failed knows no statement.

use serde::{Deserialize, Serialize};

use crate::error::{Error, SqlState};
use crate::repr::{Datum, row};

/// What evaluating an expression on a row's data gave instead of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvalError {
    pub code: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl EvalError {
    pub fn new(code: SqlState, message: impl Into<String>) -> EvalError {
        EvalError { code, message: message.into(), detail: None, hint: None }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> EvalError {
        self.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> EvalError {
        self.hint = Some(hint.into());
        self
    }

    /// Appends the packed row (code, message, detail, hint): the inside of an error cell.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let optional = |text: &Option<String>, out: &mut Vec<u8>| match text {
            Some(text) => row::encode(Datum::Text(text), out),
            None => row::encode(Datum::Null, out),
        };
        row::encode(Datum::Text(self.code.code()), out);
        row::encode(Datum::Text(&self.message), out);
        optional(&self.detail, out);
        optional(&self.hint, out);
    }

    /// The error that [`EvalError::encode`] wrote; bytes that are no such row give an internal error.
    pub fn decode(bytes: &[u8]) -> EvalError {
        let mut cells = Vec::with_capacity(4);
        let text = |datum: &Datum<'_>| match datum {
            Datum::Text(text) => Some((*text).to_owned()),
            _ => None,
        };
        if row::try_decode(bytes, &mut cells).is_ok()
            && let [Datum::Text(code), Datum::Text(message), detail, hint] = cells.as_slice()
            && let Some(code) = SqlState::parse(code.as_bytes())
        {
            return EvalError {
                code,
                message: (*message).to_owned(),
                detail: text(detail),
                hint: text(hint),
            };
        }
        EvalError::new(SqlState::DATA_CORRUPTED, "malformed error cell")
    }
}

impl From<EvalError> for Error {
    fn from(error: EvalError) -> Error {
        Error { detail: error.detail, hint: error.hint, ..Error::new(error.code, error.message) }
    }
}
