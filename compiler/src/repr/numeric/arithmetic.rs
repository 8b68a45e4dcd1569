//! Arithmetic with PostgreSQL's result scales.

use bumpalo::Bump;

use super::Numeric;
use crate::scalar::EvalError;

type Result<T> = std::result::Result<T, EvalError>;

impl<'a> Numeric<'a> {
    pub fn add(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn sub(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn mul(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn div(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn rem(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    /// Integer division, truncating (`div(a, b)`).
    pub fn div_trunc(self, _other: Numeric<'_>, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn neg(self, _arena: &'a Bump) -> Numeric<'a> {
        todo!()
    }
    pub fn abs(self, _arena: &'a Bump) -> Numeric<'a> {
        todo!()
    }
    /// -1, 0 or 1; NaN for NaN.
    pub fn sign(self) -> Numeric<'a> {
        todo!()
    }
    /// Rounds half away from zero to `scale` digits after the point (before it, if negative).
    pub fn round(self, _scale: i32, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn trunc(self, _scale: i32, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn ceil(self, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    pub fn floor(self, _arena: &'a Bump) -> Result<Numeric<'a>> {
        todo!()
    }
    /// Coerces to `numeric(precision, scale)`: rounds, and fails with 22003 if there are too many digits.
    pub fn with_typmod(
        self,
        _typmod: super::super::types::NumericTypmod,
        _arena: &'a Bump,
    ) -> Result<Numeric<'a>> {
        todo!()
    }
    /// Removes trailing zeros after the point (`trim_scale`).
    pub fn trim_scale(self, _arena: &'a Bump) -> Numeric<'a> {
        todo!()
    }
    /// As the cast to numeric does: 15 significant digits.
    pub fn from_float(_value: f64, _arena: &'a Bump) -> Numeric<'a> {
        todo!()
    }
    pub fn to_float(self) -> f64 {
        todo!()
    }
    /// Rounds to an integer; nothing if it does not fit or is not finite (NaN and infinities have messages of their own).
    pub fn to_int(self) -> Option<i64> {
        todo!()
    }
}
