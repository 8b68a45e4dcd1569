//! Arithmetic operators of integers and floats, with PostgreSQL's overflow errors.

use super::declare::functions;
use super::fast::{Fast, FloatOp, IntOp, Width};
use super::{EvalError, Function};

/// A result that must fit the type.
#[inline]
pub(super) fn int2(value: Option<i64>) -> Result<i64, EvalError> {
    value.filter(|v| i16::try_from(*v).is_ok()).ok_or_else(|| EvalError::out_of_range("smallint"))
}

#[inline]
pub(super) fn int4(value: Option<i64>) -> Result<i64, EvalError> {
    value.filter(|v| i32::try_from(*v).is_ok()).ok_or_else(|| EvalError::out_of_range("integer"))
}

#[inline]
pub(super) fn int8(value: Option<i64>) -> Result<i64, EvalError> {
    value.ok_or_else(|| EvalError::out_of_range("bigint"))
}

/// What the compiled form and the declarations share.
#[inline(always)]
pub(super) fn int_op(op: IntOp, width: Width, a: i64, b: i64) -> Result<i64, EvalError> {
    let value = match op {
        IntOp::Add => a.checked_add(b),
        IntOp::Sub => a.checked_sub(b),
        IntOp::Mul => a.checked_mul(b),
        IntOp::Div | IntOp::Rem if b == 0 => return Err(EvalError::division_by_zero()),
        IntOp::Div | IntOp::Rem if (a | b) >> 32 == 0 => Some(short_division(op, a as u32, b as u32)),
        IntOp::Div => a.checked_div(b),
        // The least integer by -1 leaves nothing, though their quotient overflows.
        IntOp::Rem => Some(a.wrapping_rem(b)),
    };
    match width {
        Width::Int2 => int2(value),
        Width::Int4 => int4(value),
        Width::Int8 => int8(value),
    }
}

/// Of numbers of 32 bits without sign: several times as fast as of 64, and what most numbers are.
#[inline(always)]
fn short_division(op: IntOp, a: u32, b: u32) -> i64 {
    i64::from(if op == IntOp::Div { a / b } else { a % b })
}

#[cold]
pub(super) fn overflow() -> EvalError {
    EvalError::out_of_range("value").with_message("value out of range: overflow")
}

#[cold]
pub(super) fn underflow() -> EvalError {
    EvalError::out_of_range("value").with_message("value out of range: underflow")
}

/// Infinite only if an operand was, zero only if an operand was.
#[inline(always)]
pub(super) fn float_op(op: FloatOp, a: f64, b: f64) -> Result<f64, EvalError> {
    let value = match op {
        FloatOp::Add => a + b,
        FloatOp::Sub => a - b,
        FloatOp::Mul => a * b,
        FloatOp::Div if b == 0.0 && !a.is_nan() => return Err(EvalError::division_by_zero()),
        FloatOp::Div => a / b,
    };
    if value.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(overflow());
    }
    if value == 0.0 {
        let underflows = match op {
            FloatOp::Mul => a != 0.0 && b != 0.0,
            FloatOp::Div => a != 0.0 && !b.is_infinite(),
            FloatOp::Add | FloatOp::Sub => false,
        };
        if underflows {
            return Err(underflow());
        }
    }
    Ok(value)
}

macro_rules! integers {
    ($($table:ident: $typ:ident, $name:literal, $check:ident;)*) => {
        $(functions! { $table;
            /// The sum.
            "+"($typ, $typ) -> $typ, errs(), fast(Fast::Int(IntOp::Add, Width::$typ)):
                concat!($name, " '1' + ", $name, " '2'") => "3"
                = { |_, a: i64, b: i64| int_op(IntOp::Add, Width::$typ, a, b) };
            /// The difference.
            "-"($typ, $typ) -> $typ, errs(), fast(Fast::Int(IntOp::Sub, Width::$typ)):
                concat!($name, " '1' - ", $name, " '2'") => "-1"
                = { |_, a: i64, b: i64| int_op(IntOp::Sub, Width::$typ, a, b) };
            /// The product.
            "*"($typ, $typ) -> $typ, errs(), fast(Fast::Int(IntOp::Mul, Width::$typ)):
                concat!($name, " '3' * ", $name, " '2'") => "6"
                = { |_, a: i64, b: i64| int_op(IntOp::Mul, Width::$typ, a, b) };
            /// The quotient, cut towards zero.
            "/"($typ, $typ) -> $typ, errs(), fast(Fast::Int(IntOp::Div, Width::$typ)):
                concat!($name, " '-7' / ", $name, " '2'") => "-3"
                = { |_, a: i64, b: i64| int_op(IntOp::Div, Width::$typ, a, b) };
            /// The remainder, with the sign of the dividend.
            "%"($typ, $typ) -> $typ, errs(), fast(Fast::Int(IntOp::Rem, Width::$typ)):
                concat!($name, " '-7' % ", $name, " '2'") => "-1"
                = { |_, a: i64, b: i64| int_op(IntOp::Rem, Width::$typ, a, b) };
            /// The remainder, with the sign of the dividend.
            "mod"($typ, $typ) -> $typ, errs(): concat!("mod(", $name, " '7', ", $name, " '4')") => "3"
                = { |_, a: i64, b: i64| int_op(IntOp::Rem, Width::$typ, a, b) };
            /// The number with the other sign.
            "-"($typ) -> $typ, errs(): concat!("- ", $name, " '5'") => "-5"
                = { |_, a: i64| $check(a.checked_neg()) };
            /// The number itself.
            "+"($typ) -> $typ: concat!("+ ", $name, " '5'") => "5" = { |_, a: i64| a };
            /// The absolute value.
            "abs"($typ) -> $typ, errs(): concat!("abs(", $name, " '-3')") => "3"
                = { |_, a: i64| $check(a.checked_abs()) };
            /// The absolute value.
            "@"($typ) -> $typ, errs(): concat!("@ ", $name, " '-3'") => "3"
                = { |_, a: i64| $check(a.checked_abs()) };
            /// The bits that both have.
            "&"($typ, $typ) -> $typ: concat!($name, " '6' & ", $name, " '3'") => "2" = { |_, a: i64, b: i64| a & b };
            /// The bits that either has.
            "|"($typ, $typ) -> $typ: concat!($name, " '6' | ", $name, " '3'") => "7" = { |_, a: i64, b: i64| a | b };
            /// The bits that one of them has.
            "#"($typ, $typ) -> $typ: concat!($name, " '6' # ", $name, " '3'") => "5" = { |_, a: i64, b: i64| a ^ b };
            /// The other bits.
            "~"($typ) -> $typ: concat!("~ ", $name, " '6'") => "-7" = { |_, a: i64| !a };
        })*
        /// Integer operators, a table per width.
        pub(super) static INTEGERS: &[&[Function]] = &[$($table),*];
    };
}

integers! {
    INT2: Int2, "smallint", int2;
    INT4: Int4, "integer", int4;
    INT8: Int8, "bigint", int8;
}

functions! { pub(super) FUNCTIONS;
    /// The sum.
    "+"(Float8, Float8) -> Float8, errs(), fast(Fast::Float(FloatOp::Add)): "float8 '1.5' + float8 '2'" => "3.5"
        = { |_, a: f64, b: f64| float_op(FloatOp::Add, a, b) };
    /// The difference.
    "-"(Float8, Float8) -> Float8, errs(), fast(Fast::Float(FloatOp::Sub)): "float8 '1.5' - float8 '2'" => "-0.5"
        = { |_, a: f64, b: f64| float_op(FloatOp::Sub, a, b) };
    /// The product.
    "*"(Float8, Float8) -> Float8, errs(), fast(Fast::Float(FloatOp::Mul)): "float8 '1.5' * float8 '2'" => "3"
        = { |_, a: f64, b: f64| float_op(FloatOp::Mul, a, b) };
    /// The quotient.
    "/"(Float8, Float8) -> Float8, errs(), fast(Fast::Float(FloatOp::Div)): "float8 '1.5' / float8 '2'" => "0.75"
        = { |_, a: f64, b: f64| float_op(FloatOp::Div, a, b) };
    /// The number with the other sign.
    "-"(Float8) -> Float8: "- float8 '1.5'" => "-1.5" = { |_, a: f64| -a };
    /// The number itself.
    "+"(Float8) -> Float8: "+ float8 '1.5'" => "1.5" = { |_, a: f64| a };
    /// The absolute value.
    "abs"(Float8) -> Float8: "abs(float8 '-1.5')" => "1.5" = { |_, a: f64| a.abs() };
    /// The absolute value.
    "@"(Float8) -> Float8: "@ float8 '-1.5'" => "1.5" = { |_, a: f64| a.abs() };
}
