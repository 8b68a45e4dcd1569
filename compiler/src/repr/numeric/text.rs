//! Numeric's text: PostgreSQL's input syntax and output.

use std::fmt;

use bumpalo::Bump;

use super::Numeric;
use crate::scalar::EvalError;

impl<'a> Numeric<'a> {
    /// Parses PostgreSQL's numeric input: digits, point, exponent, NaN, Infinity; surrounding space is allowed.
    pub fn parse(_text: &str, _arena: &'a Bump) -> Result<Numeric<'a>, EvalError> {
        todo!()
    }
}

impl fmt::Display for Numeric<'_> {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
