//! `real`: its arithmetic and its conversions. An operator between `real` and another number is one of `double precision`, which
//! the binder sees to.

use super::EvalError;
use super::arithmetic::{float_op, int2, int4, int8, overflow, underflow};
use super::cast::CastContext::{Assignment, Explicit, Implicit};
use super::cast::{float_to_int, numeric_of_digits, numeric_to_float};
use super::declare::functions;
use super::fast::FloatOp;
use crate::error::SqlState;
use crate::repr::{Json, Numeric, text};

functions! { pub(super) FUNCTIONS;
    /// The sum.
    "+"(Float4, Float4) -> Float4, errs(): "real '1.5' + real '2.25'" => "3.75" = { |_, a: f32, b: f32| op(FloatOp::Add, a, b) };
    /// The difference.
    "-"(Float4, Float4) -> Float4, errs(): "real '1.5' - real '2.25'" => "-0.75" = { |_, a: f32, b: f32| op(FloatOp::Sub, a, b) };
    /// The product.
    "*"(Float4, Float4) -> Float4, errs(): "real '1.5' * real '2.5'" => "3.75" = { |_, a: f32, b: f32| op(FloatOp::Mul, a, b) };
    /// The quotient.
    "/"(Float4, Float4) -> Float4, errs(): "real '1' / real '3'" => "0.33333334" = { |_, a: f32, b: f32| op(FloatOp::Div, a, b) };
    /// The number with the other sign.
    "-"(Float4) -> Float4: "- real '1.5'" => "-1.5" = { |_, a: f32| -a };
    /// The number itself.
    "+"(Float4) -> Float4: "+ real '1.5'" => "1.5" = { |_, a: f32| a };
    /// The absolute value.
    "abs"(Float4) -> Float4: "abs(real '-1.5')" => "1.5" = { |_, a: f32| a.abs() };
    /// The absolute value.
    "@"(Float4) -> Float4: "@ real '-1.5'" => "1.5" = { |_, a: f32| a.abs() };
    /// The same number with more digits.
    "float8"(Float4) -> Float8, cast(Implicit): "real '0.1'::float8" => "0.10000000149011612" = { |_, a: f32| f64::from(a) };
    /// The nearest number, if there is one.
    "float4"(Float8) -> Float4, errs(), cast(Assignment): "float8 '0.1'::real" => "0.1" = { |_, a: f64| narrow(a) };
    /// The nearest number.
    "float4"(Int2) -> Float4, cast(Implicit): "int2 '12'::real" => "12" = { |_, a: i64| a as f32 };
    /// The nearest number.
    "float4"(Int4) -> Float4, cast(Implicit): "16777217::real" => "1.6777216e+07" = { |_, a: i64| a as f32 };
    /// The nearest number.
    "float4"(Int8) -> Float4, cast(Implicit): "bigint '12'::real" => "12" = { |_, a: i64| a as f32 };
    /// The nearest number, if there is one.
    "float4"(Numeric) -> Float4, errs(), cast(Implicit): "1.5::real" => "1.5" = { |_, a: Numeric<'_>| of_numeric(a) };
    /// The nearest integer, halves to even, if it fits.
    "int2"(Float4) -> Int2, errs(), cast(Assignment): "real '2.5'::int2" => "2"
        = { |_, a: f32| int2(float_to_int(a.into(), -32768.0, 32768.0)) };
    /// The nearest integer, halves to even, if it fits.
    "int4"(Float4) -> Int4, errs(), cast(Assignment): "real '3.5'::int4" => "4"
        = { |_, a: f32| int4(float_to_int(a.into(), -2147483648.0, 2147483648.0)) };
    /// The nearest integer, halves to even, if it fits.
    "int8"(Float4) -> Int8, errs(), cast(Assignment): "real '-2.5'::int8" => "-2"
        = { |_, a: f32| int8(float_to_int(a.into(), -9223372036854775808.0, 9223372036854775808.0)) };
    /// The number with 6 significant digits.
    "numeric"(Float4) -> Numeric, errs(), cast(Assignment): "real '0.1'::numeric" => "0.1"
        = { |cx, a: f32| numeric_of_digits(a.into(), 6, cx) };
    /// A jsonb number.
    "float4"(Jsonb) -> Float4, errs(), cast(Explicit): "jsonb '1.5'::real" => "1.5"
        = { |_, a: Json<'_>| of_numeric(super::cast::json_number(a, "real")?) };
}

fn op(op: FloatOp, a: f32, b: f32) -> Result<f32, EvalError> {
    // Of two floats the double's sum, difference, product and quotient rounds to the float's own.
    let wide = float_op(op, a.into(), b.into())?;
    let value = wide as f32;
    if value.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(overflow());
    }
    if value == 0.0 && wide != 0.0 {
        return Err(underflow());
    }
    Ok(value)
}

pub(super) fn narrow(value: f64) -> Result<f32, EvalError> {
    let narrowed = value as f32;
    if narrowed.is_infinite() && !value.is_infinite() {
        return Err(overflow());
    }
    if narrowed == 0.0 && value != 0.0 {
        return Err(underflow());
    }
    Ok(narrowed)
}

fn of_numeric(value: Numeric<'_>) -> Result<f32, EvalError> {
    if !value.is_finite() {
        return Ok(numeric_to_float(value)? as f32);
    }
    // By way of its digits: a double between would round twice.
    text::parse_float4(&value.to_string()).map_err(|_| {
        let message = format!("\"{value}\" is out of range for type real");
        EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
    })
}
