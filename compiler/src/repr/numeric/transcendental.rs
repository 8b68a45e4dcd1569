//! Roots, powers, exponentials and logarithms, with PostgreSQL's result scales.

use bumpalo::Bump;

use super::Numeric;
use crate::scalar::EvalError;

type Result<T> = std::result::Result<T, EvalError>;

impl<'a> Numeric<'a> {
    pub fn sqrt(self, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn exp(self, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn ln(self, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    /// The logarithm of `self` to `base`.
    pub fn log(self, _base: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn power(self, _exponent: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
}
