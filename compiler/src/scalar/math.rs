//! Mathematical functions of numeric and float8, and the arithmetic operators of numeric.

use super::EvalError;
use super::arithmetic::{int4, int8, overflow, underflow};
use super::declare::functions;
use crate::error::SqlState;
use crate::repr::Numeric;

functions! { pub(super) NUMERIC;
    /// The sum.
    "+"(Numeric, Numeric) -> Numeric, errs(): "1.5 + 2.25" => "3.75" = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.add(b, cx.arena) };
    /// The difference.
    "-"(Numeric, Numeric) -> Numeric, errs(): "1.5 - 2.25" => "-0.75" = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.sub(b, cx.arena) };
    /// The product.
    "*"(Numeric, Numeric) -> Numeric, errs(): "1.5 * 2.25" => "3.375" = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.mul(b, cx.arena) };
    /// The quotient, with at least 16 significant digits.
    "/"(Numeric, Numeric) -> Numeric, errs(): "1.0 / 3.0" => "0.33333333333333333333"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.div(b, cx.arena) };
    /// The remainder, with the sign of the dividend.
    "%"(Numeric, Numeric) -> Numeric, errs(): "-7.5 % 2.0" => "-1.5" = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.rem(b, cx.arena) };
    /// The remainder, with the sign of the dividend.
    "mod"(Numeric, Numeric) -> Numeric, errs(): "mod(7.5, 2.0)" => "1.5"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.rem(b, cx.arena) };
    /// The quotient, cut to an integer.
    "div"(Numeric, Numeric) -> Numeric, errs(): "div(7.5, 2.0)" => "3"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.div_trunc(b, cx.arena) };
    /// A number raised to a power.
    "^"(Numeric, Numeric) -> Numeric, errs(): "2.0 ^ 3.0" => "8.0000000000000000"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.power(b, cx.arena) };
    /// A number raised to a power.
    "power"(Numeric, Numeric) -> Numeric, errs(): "power(2.0, 0.5)" => "1.4142135623730950"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.power(b, cx.arena) };
    /// A number raised to a power.
    "pow"(Numeric, Numeric) -> Numeric, errs(): "pow(2.0, 3.0)" => "8.0000000000000000"
        = { |cx, a: Numeric<'_>, b: Numeric<'_>| a.power(b, cx.arena) };
    /// The number with the other sign.
    "-"(Numeric) -> Numeric: "- 1.50" => "-1.50" = { |cx, a: Numeric<'_>| a.neg(cx.arena) };
    /// The number itself.
    "+"(Numeric) -> Numeric: "+ 1.50" => "1.50" = { |_, a: Numeric<'_>| a };
    /// The absolute value.
    "abs"(Numeric) -> Numeric: "abs(-1.50)" => "1.50" = { |cx, a: Numeric<'_>| a.abs(cx.arena) };
    /// The absolute value.
    "@"(Numeric) -> Numeric: "@ -1.50" => "1.50" = { |cx, a: Numeric<'_>| a.abs(cx.arena) };
    /// -1, 0 or 1.
    "sign"(Numeric) -> Numeric: "sign(-1.5)" => "-1" = { |_, a: Numeric<'_>| a.sign() };
    /// The nearest integer, halves away from zero.
    "round"(Numeric) -> Numeric, errs(): "round(2.5)" => "3" = { |cx, a: Numeric<'_>| a.round(0, cx.arena) };
    /// The nearest number of so many digits after the point, halves away from zero.
    "round"(Numeric, Int4) -> Numeric, errs(): "round(2.345, 2)" => "2.35"
        = { |cx, a: Numeric<'_>, scale: i64| a.round(scale as i32, cx.arena) };
    /// The number without the digits after the point.
    "trunc"(Numeric) -> Numeric, errs(): "trunc(-2.5)" => "-2" = { |cx, a: Numeric<'_>| a.trunc(0, cx.arena) };
    /// The number cut to so many digits after the point.
    "trunc"(Numeric, Int4) -> Numeric, errs(): "trunc(2.345, 2)" => "2.34"
        = { |cx, a: Numeric<'_>, scale: i64| a.trunc(scale as i32, cx.arena) };
    /// The least integer that is not less.
    "ceil"(Numeric) -> Numeric, errs(): "ceil(-2.5)" => "-2" = { |cx, a: Numeric<'_>| a.ceil(cx.arena) };
    /// The least integer that is not less.
    "ceiling"(Numeric) -> Numeric, errs(): "ceiling(2.1)" => "3" = { |cx, a: Numeric<'_>| a.ceil(cx.arena) };
    /// The greatest integer that is not greater.
    "floor"(Numeric) -> Numeric, errs(): "floor(-2.5)" => "-3" = { |cx, a: Numeric<'_>| a.floor(cx.arena) };
    /// The square root.
    "sqrt"(Numeric) -> Numeric, errs(): "sqrt(2.0)" => "1.414213562373095" = { |cx, a: Numeric<'_>| a.sqrt(cx.arena) };
    /// e raised to a power.
    "exp"(Numeric) -> Numeric, errs(): "exp(1.0)" => "2.7182818284590452" = { |cx, a: Numeric<'_>| a.exp(cx.arena) };
    /// The natural logarithm.
    "ln"(Numeric) -> Numeric, errs(): "ln(2.0)" => "0.6931471805599453" = { |cx, a: Numeric<'_>| a.ln(cx.arena) };
    /// The logarithm to base 10.
    "log"(Numeric) -> Numeric, errs(): "log(100.0)" => "2.0000000000000000"
        = { |cx, a: Numeric<'_>| a.log(Numeric::from_int(10), cx.arena) };
    /// The logarithm to base 10.
    "log10"(Numeric) -> Numeric, errs(): "log10(1000.0)" => "3.0000000000000000"
        = { |cx, a: Numeric<'_>| a.log(Numeric::from_int(10), cx.arena) };
    /// The logarithm of the second argument to the base of the first.
    "log"(Numeric, Numeric) -> Numeric, errs(): "log(2.0, 64.0)" => "6.0000000000000000"
        = { |cx, base: Numeric<'_>, a: Numeric<'_>| a.log(base, cx.arena) };
    /// The bucket of a number, of so many of one width between two bounds; 0 below them, one more above.
    "width_bucket"(Numeric, Numeric, Numeric, Int4) -> Int4, errs(): "width_bucket(5.35, 0.024, 10.06, 5)" => "3"
        = { |cx, a: Numeric<'_>, low: Numeric<'_>, high: Numeric<'_>, count: i64| width_bucket_numeric(a, low, high, count, cx.arena) };
    /// How many digits are shown after the point.
    "scale"(Numeric) -> Int4, maybe_null(): "scale(8.4100)" => "4"
        = { |_, a: Numeric<'_>| a.is_finite().then(|| a.scale() as i64) };
    /// How many digits after the point are needed to show the number exactly.
    "min_scale"(Numeric) -> Int4, maybe_null(): "min_scale(8.4100)" => "2"
        = { |_, a: Numeric<'_>| a.is_finite().then(|| a.least_scale() as i64) };
    /// The number without trailing zeros after the point.
    "trim_scale"(Numeric) -> Numeric: "trim_scale(8.4100)" => "8.41" = { |cx, a: Numeric<'_>| a.trim_scale(cx.arena) };
}

functions! { pub(super) FLOAT;
    /// A number raised to a power.
    "^"(Float8, Float8) -> Float8, errs(): "float8 '2' ^ float8 '3'" => "8" = { |_, a: f64, b: f64| power(a, b) };
    /// A number raised to a power.
    "power"(Float8, Float8) -> Float8, errs(): "power(float8 '2', float8 '0.5')" => "1.4142135623730951"
        = { |_, a: f64, b: f64| power(a, b) };
    /// A number raised to a power.
    "pow"(Float8, Float8) -> Float8, errs(): "pow(float8 '2', float8 '3')" => "8" = { |_, a: f64, b: f64| power(a, b) };
    /// -1, 0 or 1.
    "sign"(Float8) -> Float8: "sign(float8 '-1.5')" => "-1" = { |_, a: f64| if a == 0.0 || a.is_nan() { a + 0.0 } else { a.signum() } };
    /// The nearest integer, halves to even.
    "round"(Float8) -> Float8: "round(float8 '2.5')" => "2" = { |_, a: f64| a.round_ties_even() };
    /// The number without the digits after the point.
    "trunc"(Float8) -> Float8: "trunc(float8 '-2.5')" => "-2" = { |_, a: f64| a.trunc() };
    /// The least integer that is not less.
    "ceil"(Float8) -> Float8: "ceil(float8 '-2.5')" => "-2" = { |_, a: f64| a.ceil() };
    /// The least integer that is not less.
    "ceiling"(Float8) -> Float8: "ceiling(float8 '2.1')" => "3" = { |_, a: f64| a.ceil() };
    /// The greatest integer that is not greater.
    "floor"(Float8) -> Float8: "floor(float8 '-2.5')" => "-3" = { |_, a: f64| a.floor() };
    /// The square root.
    "sqrt"(Float8) -> Float8, errs(): "sqrt(float8 '2')" => "1.4142135623730951" = { |_, a: f64| sqrt(a) };
    /// The cube root.
    "cbrt"(Float8) -> Float8: "cbrt(float8 '27')" => "3" = { |_, a: f64| a.cbrt() };
    /// The square root.
    "|/"(Float8) -> Float8, errs(): "|/ float8 '25'" => "5" = { |_, a: f64| sqrt(a) };
    /// The cube root.
    "||/"(Float8) -> Float8: "||/ float8 '64'" => "4" = { |_, a: f64| a.cbrt() };
    /// e raised to a power.
    "exp"(Float8) -> Float8, errs(): "exp(float8 '1')" => "2.718281828459045" = { |_, a: f64| exp(a) };
    /// The natural logarithm.
    "ln"(Float8) -> Float8, errs(): "ln(float8 '2')" => "0.6931471805599453" = { |_, a: f64| logarithm(a, f64::ln) };
    /// The logarithm to base 10.
    "log"(Float8) -> Float8, errs(): "log(float8 '100')" => "2" = { |_, a: f64| logarithm(a, f64::log10) };
    /// The logarithm to base 10.
    "log10"(Float8) -> Float8, errs(): "log10(float8 '1000')" => "3" = { |_, a: f64| logarithm(a, f64::log10) };
    /// The ratio of a circle's circumference to its diameter.
    "pi"() -> Float8: "pi()" => "3.141592653589793" = { |_| std::f64::consts::PI };
    /// Radians as degrees.
    "degrees"(Float8) -> Float8, errs(): "degrees(float8 '0.5')" => "28.64788975654116"
        = { |_, a: f64| finite(a / RADIANS_PER_DEGREE, a) };
    /// Degrees as radians.
    "radians"(Float8) -> Float8: "radians(float8 '45')" => "0.7853981633974483" = { |_, a: f64| a * RADIANS_PER_DEGREE };
    /// The sine of an angle in radians.
    "sin"(Float8) -> Float8, errs(): "sin(float8 '1')" => "0.8414709848078965" = { |_, a: f64| in_domain(a.sin(), a) };
    /// The cosine of an angle in radians.
    "cos"(Float8) -> Float8, errs(): "cos(float8 '0')" => "1" = { |_, a: f64| in_domain(a.cos(), a) };
    /// The tangent of an angle in radians.
    "tan"(Float8) -> Float8, errs(): "tan(float8 '1')" => "1.5574077246549023" = { |_, a: f64| in_domain(a.tan(), a) };
    /// The angle in radians whose sine it is.
    "asin"(Float8) -> Float8, errs(): "asin(float8 '1')" => "1.5707963267948966" = { |_, a: f64| in_domain(a.asin(), a) };
    /// The angle in radians whose cosine it is.
    "acos"(Float8) -> Float8, errs(): "acos(float8 '1')" => "0" = { |_, a: f64| in_domain(a.acos(), a) };
    /// The angle in radians whose tangent it is.
    "atan"(Float8) -> Float8: "atan(float8 '1')" => "0.7853981633974483" = { |_, a: f64| a.atan() };
    /// The angle in radians of a point, from its y and x.
    "atan2"(Float8, Float8) -> Float8: "atan2(float8 '1', float8 '0')" => "1.5707963267948966" = { |_, a: f64, b: f64| a.atan2(b) };
    /// The hyperbolic sine.
    "sinh"(Float8) -> Float8: "sinh(float8 '0')" => "0" = { |_, a: f64| a.sinh() };
    /// The hyperbolic cosine.
    "cosh"(Float8) -> Float8: "cosh(float8 '0')" => "1" = { |_, a: f64| a.cosh() };
    /// The number whose hyperbolic sine it is.
    "asinh"(Float8) -> Float8: "asinh(float8 '0')" => "0" = { |_, a: f64| a.asinh() };
    /// The number whose hyperbolic cosine it is.
    "acosh"(Float8) -> Float8, errs(): "acosh(float8 '1')" => "0" = { |_, a: f64| in_domain(a.acosh(), a) };
    /// The number whose hyperbolic tangent it is.
    "atanh"(Float8) -> Float8, errs(): "atanh(float8 '0')" => "0" = { |_, a: f64| in_domain(a.atanh(), a) };
    /// The cotangent of an angle in radians.
    "cot"(Float8) -> Float8, errs(): "cot(float8 '1')" => "0.6420926159343306" = { |_, a: f64| in_domain(1.0 / a.tan(), a) };
    /// The bucket of a number, of so many of one width between two bounds; 0 below them, one more above.
    "width_bucket"(Float8, Float8, Float8, Int4) -> Int4, errs(): "width_bucket(float8 '5.35', float8 '0.024', float8 '10.06', 5)" => "3"
        = { |_, a: f64, low: f64, high: f64, count: i64| width_bucket(a, low, high, count) };
    /// The hyperbolic tangent.
    "tanh"(Float8) -> Float8: "tanh(float8 '0')" => "0" = { |_, a: f64| a.tanh() };
}

functions! { pub(super) INTEGER;
    /// The greatest common divisor.
    "gcd"(Int4, Int4) -> Int4, errs(): "gcd(1071, 462)" => "21"
        = { |_, a: i64, b: i64| int4(i64::try_from(gcd(a.unsigned_abs(), b.unsigned_abs())).ok()) };
    /// The greatest common divisor.
    "gcd"(Int8, Int8) -> Int8, errs(): "gcd(bigint '12', bigint '18')" => "6"
        = { |_, a: i64, b: i64| int8(i64::try_from(gcd(a.unsigned_abs(), b.unsigned_abs())).ok()) };
    /// The least common multiple.
    "lcm"(Int4, Int4) -> Int4, errs(): "lcm(4, 6)" => "12" = { |_, a: i64, b: i64| int4(lcm(a, b)) };
    /// The least common multiple.
    "lcm"(Int8, Int8) -> Int8, errs(): "lcm(bigint '4', bigint '6')" => "12" = { |_, a: i64, b: i64| int8(lcm(a, b)) };
    /// The product of the integers up to it.
    "factorial"(Int8) -> Numeric, errs(): "factorial(bigint '5')" => "120" = { |cx, a: i64| factorial(a, cx.arena) };
    /// The bits moved left by so many places.
    "<<"(Int4, Int4) -> Int4: "1 << 4" => "16" = { |_, a: i64, b: i64| (a as i32).wrapping_shl(b as u32) as i64 };
    /// The bits moved right by so many places.
    ">>"(Int4, Int4) -> Int4: "-16 >> 2" => "-4" = { |_, a: i64, b: i64| (a as i32).wrapping_shr(b as u32) as i64 };
    /// The bits moved left by so many places.
    "<<"(Int8, Int4) -> Int8: "bigint '1' << 40" => "1099511627776" = { |_, a: i64, b: i64| a.wrapping_shl(b as u32) };
    /// The bits moved right by so many places.
    ">>"(Int8, Int4) -> Int8: "bigint '-16' >> 2" => "-4" = { |_, a: i64, b: i64| a.wrapping_shr(b as u32) };
    /// The number in base 16; a negative one in two's complement.
    "to_hex"(Int4) -> Text: "to_hex(-1)" => "ffffffff" = { |_, a: i64| format!("{:x}", a as i32) };
    /// The number in base 16; a negative one in two's complement.
    "to_hex"(Int8) -> Text: "to_hex(bigint '255')" => "ff" = { |_, a: i64| format!("{a:x}") };
}

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

fn error(code: SqlState, message: &str) -> EvalError {
    EvalError::new(code, message)
}

/// A result that is infinite though the operand was not has overflowed.
fn finite(result: f64, operand: f64) -> Result<f64, EvalError> {
    if result.is_infinite() && operand.is_finite() { Err(overflow()) } else { Ok(result) }
}

/// A result that is not a number though the operand was one has no meaning.
fn in_domain(result: f64, operand: f64) -> Result<f64, EvalError> {
    if result.is_nan() && !operand.is_nan() {
        return Err(error(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range"));
    }
    Ok(result)
}

fn sqrt(value: f64) -> Result<f64, EvalError> {
    if value < 0.0 {
        let message = "cannot take square root of a negative number";
        return Err(error(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    }
    Ok(value.sqrt())
}

fn exp(value: f64) -> Result<f64, EvalError> {
    let result = value.exp();
    match result {
        _ if result.is_infinite() && value.is_finite() => Err(overflow()),
        _ if result == 0.0 && value.is_finite() => Err(underflow()),
        _ => Ok(result),
    }
}

fn logarithm(value: f64, log: fn(f64) -> f64) -> Result<f64, EvalError> {
    let refuse = |of: &str| {
        Err(error(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, &format!("cannot take logarithm of {of}")))
    };
    match value {
        0.0 => refuse("zero"),
        _ if value < 0.0 => refuse("a negative number"),
        _ => Ok(log(value)),
    }
}

fn power(base: f64, exponent: f64) -> Result<f64, EvalError> {
    let refuse = |message| Err(error(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    if base == 0.0 && exponent < 0.0 {
        return refuse("zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return refuse("a negative number raised to a non-integer power yields a complex result");
    }
    let result = base.powf(exponent);
    let operands_finite = base.is_finite() && exponent.is_finite();
    match result {
        _ if result.is_infinite() && operands_finite => Err(overflow()),
        _ if result == 0.0 && base != 0.0 && operands_finite => Err(underflow()),
        _ => Ok(result),
    }
}

fn bucket_error(message: &str) -> EvalError {
    error(SqlState::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, message)
}

/// The number of buckets, and one more for what lies past them.
fn bucket_count(count: i64) -> Result<i64, EvalError> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    Ok(count)
}

fn width_bucket(value: f64, low: f64, high: f64, count: i64) -> Result<i64, EvalError> {
    let count = bucket_count(count)?;
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    let (value, start, end) = match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (value, low, high),
        Some(std::cmp::Ordering::Greater) => (-value, -low, -high),
        _ => return Err(bucket_error("lower bound cannot equal upper bound")),
    };
    match value {
        _ if value < start => Ok(0),
        _ if value >= end => int4(Some(count + 1)),
        // Halves, because the difference of the bounds may overflow.
        _ => {
            let share = (value / 2.0 - start / 2.0) / (end / 2.0 - start / 2.0);
            Ok(((count as f64 * share) as i64).min(count - 1) + 1)
        }
    }
}

fn width_bucket_numeric<'a>(
    value: Numeric<'a>,
    low: Numeric<'a>,
    high: Numeric<'a>,
    count: i64,
    arena: &'a bumpalo::Bump,
) -> Result<i64, EvalError> {
    let count = bucket_count(count)?;
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    let ascending = match low.cmp(&high) {
        std::cmp::Ordering::Equal => return Err(bucket_error("lower bound cannot equal upper bound")),
        ordering => ordering.is_lt(),
    };
    if if ascending { value < low } else { value > low } {
        return Ok(0);
    }
    if if ascending { value >= high } else { value <= high } {
        return int4(Some(count + 1));
    }
    let share = value.sub(low, arena)?.mul(Numeric::from_int(count), arena)?;
    let bucket = share.div_trunc(high.sub(low, arena)?, arena)?;
    int4(bucket.to_int().and_then(|bucket| bucket.checked_add(1)))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: i64, b: i64) -> Option<i64> {
    let divisor = gcd(a.unsigned_abs(), b.unsigned_abs());
    if divisor == 0 {
        return Some(0);
    }
    let product = (a.unsigned_abs() / divisor).checked_mul(b.unsigned_abs())?;
    i64::try_from(product).ok()
}

/// The most whose factorial has the digits that a numeric can have.
const FACTORIAL_MAX: i64 = 32177;

fn factorial<'a>(n: i64, arena: &'a bumpalo::Bump) -> Result<Numeric<'a>, EvalError> {
    if n < 0 {
        return Err(error(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "factorial of a negative number is undefined",
        ));
    }
    if n > FACTORIAL_MAX {
        return Err(error(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format"));
    }
    let product = (2..=n).fold(num_bigint::BigInt::from(1), |product, factor| product * factor);
    Ok(crate::repr::NumericBuf::from_big(product, 0).in_arena(arena))
}
