//! What evaluating an expression on a row's data gave instead of a value.
//!
//! An [`EvalError`] is a value: it travels in error cells and in a collection's errs, is ordered, and is retracted with
//! its row. It carries no position, because the row that failed knows no statement. It is one pointer, so that the
//! `Result` of an evaluation is hardly larger than its datum.

use std::ops::Deref;

use bumpalo::Bump;
use serde::{Deserialize, Serialize};

use crate::error::{Error, SqlState};
use crate::repr::datum::EvalErrorRef;
use crate::repr::{Datum, row};

/// An evaluation error; dereferences to its [`EvalErrorFields`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvalError(Box<EvalErrorFields>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvalErrorFields {
    pub code: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Deref for EvalError {
    type Target = EvalErrorFields;
    fn deref(&self) -> &EvalErrorFields {
        &self.0
    }
}

impl EvalError {
    #[cold]
    pub fn new(code: SqlState, message: impl Into<String>) -> EvalError {
        EvalError(Box::new(EvalErrorFields { code, message: message.into(), detail: None, hint: None }))
    }

    pub fn detail(mut self, detail: impl Into<String>) -> EvalError {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> EvalError {
        self.0.hint = Some(hint.into());
        self
    }

    pub fn with_message(mut self, message: impl Into<String>) -> EvalError {
        self.0.message = message.into();
        self
    }

    /// A mistake of ours that a row's data must not turn into a panic.
    #[cold]
    pub fn internal(message: impl Into<String>) -> EvalError {
        EvalError::new(SqlState::INTERNAL_ERROR, message)
    }

    /// `22003`: a value that its type cannot hold, as PostgreSQL words it.
    #[cold]
    pub fn out_of_range(what: &str) -> EvalError {
        EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} out of range"))
    }

    /// `54000`: a row that no container could hold.
    #[cold]
    pub fn row_too_large() -> EvalError {
        let message = "row is too large";
        EvalError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .detail(format!("A row takes at most {} MiB.", row::ROW_BYTES_MAX >> 20))
    }

    /// `54001`: a recursion whose rows still change after so many rounds.
    #[cold]
    pub fn too_many_rounds(rounds: u64) -> EvalError {
        EvalError::new(SqlState::STATEMENT_TOO_COMPLEX, format!("recursion goes on after {rounds} rounds")).hint(
            "Bound it by a condition in the recursive term (a LIMIT around it does not), or set \"recursion_limit\" higher.",
        )
    }

    #[cold]
    pub fn division_by_zero() -> EvalError {
        EvalError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
    }

    /// The error as a cell of a row.
    pub fn to_cell<'a>(&self, arena: &'a Bump) -> Datum<'a> {
        Datum::Error(EvalErrorRef(arena.alloc_slice_copy(&self.packed())))
    }

    /// The packed row (code, message, detail, hint): the inside of an error cell, the value of a collection's error.
    pub fn packed(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        self.encode(&mut packed);
        packed
    }

    /// Appends the packed row.
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
            let mut error = EvalError::new(code, *message);
            error.0.detail = text(detail);
            error.0.hint = text(hint);
            return error;
        }
        EvalError::new(SqlState::DATA_CORRUPTED, "malformed error cell")
    }
}

impl From<EvalError> for Error {
    fn from(error: EvalError) -> Error {
        let fields = *error.0;
        Error { detail: fields.detail, hint: fields.hint, ..Error::new(fields.code, fields.message) }
    }
}

/// A user's error met while evaluating (a value's text that cannot be read) keeps all but its position.
impl From<Error> for EvalError {
    fn from(error: Error) -> EvalError {
        let mut eval = EvalError::new(error.code, error.message);
        eval.0.detail = error.detail;
        eval.0.hint = error.hint;
        eval
    }
}
