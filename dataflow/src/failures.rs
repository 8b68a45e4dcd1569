//! Failures: how a derived stream keeps what its query could not evaluate.
//!
//! A stream is a log of what was emitted, and an error that belongs to no column (a predicate that failed) is emitted too: as a
//! record in the stream's shard, at the time of the row that caused it. So it is as durable as a row, the derivation goes
//! on behind it, and whoever reads the stream is told, before a restart and after. What a stream emitted never changes: the
//! error stands for as long as the stream does. Reading a stream's shard gives its rows as rows and its failures as errs.
//!
//! ```text
//!   row       begins with the tag of its first column, never 00
//!   failure   00 | code, message, detail, hint, packed
//! ```

use compiler::scalar::EvalError;

/// No packed row begins with it.
const FAILURE: u8 = 0;

const HINT: &str = "A stream keeps what its query could not evaluate. Create it anew with a query that cannot fail, \
                    for example by CASE.";

/// The record of a packed error.
pub fn record(error: &[u8]) -> Vec<u8> {
    let error = EvalError::decode(error);
    let error = if error.hint.is_some() { error } else { error.hint(HINT) };
    let mut record = vec![FAILURE];
    error.encode(&mut record);
    record
}

/// The error that a record of a derived stream's shard is, if it is no row.
#[inline]
pub fn error(record: &[u8]) -> Option<EvalError> {
    match record.split_first() {
        Some((&FAILURE, error)) => Some(EvalError::decode(error)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use compiler::repr::{Datum, Row};

    use super::*;

    #[test]
    fn a_failure_is_told_from_every_row_and_keeps_its_own_hint() {
        let plain = EvalError::division_by_zero();
        assert_eq!(error(&record(&plain.packed())), Some(plain.clone().hint(HINT)));
        let hinted = plain.hint("Do something else.");
        assert_eq!(error(&record(&hinted.packed())), Some(hinted));
        for row in
            [vec![], vec![Datum::Null], vec![Datum::Int(0)], vec![Datum::Text("")], vec![Datum::Bool(false)]]
        {
            assert_eq!(error(Row::pack(row).bytes()), None);
        }
    }
}
