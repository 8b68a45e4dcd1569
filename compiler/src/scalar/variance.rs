//! Variances, covariances and regressions: functions of a group's count, sums and sums of products.
//!
//! The sums are exact, as those of `sum` are: adding and retracting leave no trace, and the order of the rows does not matter.
//! What a value adds lies beside what it adds to a plain sum ([`super::exact_sum`]), in buckets of their own:
//!
//! ```text
//! integer  lanes: count, sum, low and high halves of the sum of squares
//! numeric  buckets of the value; those of its square from SQUARES on
//! float    buckets of the value; those of its square from SQUARES on, in units of 2^-2148
//! ```
//! Results are computed from the sums as PostgreSQL's manual defines them (its section 9.21): numerics to the digits that its division gives, floats
//! rounded when the sums become floats, and not before.

use bumpalo::Bump;
use num_bigint::BigInt;
use num_traits::{Signed, Zero};
use serde::{Deserialize, Serialize};

use super::arithmetic::overflow;
use super::exact_sum::{self, Partials, Specials};
use super::{EvalError, lanes};
use crate::repr::{Datum, Numeric, NumericBuf};

/// A variance or its root, the standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VarianceOf {
    pub values: Measured,
    /// Of a sample of a population, not of the whole of it: one degree of freedom is lost.
    pub sample: bool,
    pub root: bool,
}

/// The values that a variance is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Measured {
    Integers,
    Numerics,
    Floats,
}

/// Functions of pairs (y, x) of floats, of which neither is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Regression {
    Count,
    AvgX,
    AvgY,
    Sxx,
    Syy,
    Sxy,
    Slope,
    Intercept,
    R2,
    Corr,
    CovarPop,
    CovarSamp,
}

/// Where the buckets of squares begin: beyond every bucket of a value.
const SQUARES: i64 = 1 << 40;
/// The unit of exact sums of floats, and of their products: 2 to this power.
const FLOAT_UNIT: i64 = exact_sum::FLOAT_EXPONENT_MIN;
const PRODUCT_UNIT: i64 = 2 * FLOAT_UNIT;
/// Bits that a quotient keeps beyond what is left of its dividend, so that its float is rounded but once.
const QUOTIENT_BITS: u64 = 64;

impl VarianceOf {
    /// What a value adds to the buckets of its group.
    pub(super) fn scatter(self, value: Datum<'_>, mut emit: impl FnMut(i64, [i128; 2])) {
        match value {
            Datum::Float(value) => {
                exact_sum::scatter_float(value, &mut emit);
                exact_sum::scatter_product(value, value, |bucket, sums| emit(SQUARES + bucket, sums));
            }
            Datum::Float4(value) => self.scatter(Datum::Float(value.into()), emit),
            Datum::Numeric(value) => {
                exact_sum::scatter_numeric(value, &mut emit);
                if let NumericBuf::Finite { mantissa, scale } = value.to_owned() {
                    let square = (&mantissa * &mantissa, 2 * scale as i64);
                    exact_sum::scatter_limbs(&square.0, square.1, |bucket, sums| {
                        emit(SQUARES + bucket, sums)
                    });
                }
            }
            _ => {}
        }
    }

    pub(super) fn gather<'a>(
        self,
        buckets: impl IntoIterator<Item = (i64, [i128; 2])>,
        arena: &'a Bump,
    ) -> Result<Datum<'a>, EvalError> {
        let (squares, values): (Vec<_>, Vec<_>) =
            buckets.into_iter().partition(|(bucket, _)| *bucket >= SQUARES);
        let squares: Vec<_> = squares.into_iter().map(|(bucket, sums)| (bucket - SQUARES, sums)).collect();
        let (count, specials, values) = exact_sum::sort_out(values);
        if self.values == Measured::Floats {
            let sum = exact_sum::float_sum(&values);
            let squares = exact_sum::float_sum(&squares);
            return self.of_floats(count, specials.any(), &sum, &squares).map(float_or_null);
        }
        if !self.is_defined(count) {
            return Ok(Datum::Null);
        }
        if specials.any() {
            return Ok(Datum::Numeric(Numeric::NAN));
        }
        let (sum, scale) = exact_sum::limb_sum(&values);
        let (squares, twice) = exact_sum::limb_sum(&squares);
        // The greatest scale among the squares is twice that among the values.
        debug_assert_eq!(twice, 2 * scale, "invariant: each value has brought its square");
        self.of_sums(count, &sum, &squares, twice, arena)
    }

    /// The result of the lanes of integers: see the module's head.
    pub(super) fn of_lanes<'a>(self, sums: &[i128], arena: &'a Bump) -> Result<Datum<'a>, EvalError> {
        let &[count, sum, low, high] = sums else {
            return Err(EvalError::internal("a variance of integers has four lanes"));
        };
        if !self.is_defined(count) {
            return Ok(Datum::Null);
        }
        let squares = (BigInt::from(high) << 64) + low;
        self.of_sums(count, &BigInt::from(sum), &squares, 0, arena)
    }

    fn is_defined(self, count: i128) -> bool {
        count > self.sample as i128
    }

    /// (n·Σx² − (Σx)²) / n(n − 1), or over n², with `scale` digits in the dividend.
    fn of_sums<'a>(
        self,
        count: i128,
        sum: &BigInt,
        squares: &BigInt,
        scale: i64,
        arena: &'a Bump,
    ) -> Result<Datum<'a>, EvalError> {
        let spread = squares * count - sum * sum;
        if !spread.is_positive() {
            return Ok(Datum::Numeric(Numeric::ZERO));
        }
        let scale = u16::try_from(scale).map_err(|_| EvalError::out_of_range("numeric"))?;
        let spread = NumericBuf::from_big(spread, scale).in_arena(arena);
        let pairs = BigInt::from(count) * (count - self.sample as i128);
        let pairs = NumericBuf::from_big(pairs, 0).in_arena(arena);
        let variance = spread.div(pairs, arena)?;
        if self.root { variance.sqrt_at_own_scale(arena) } else { Ok(variance) }.map(Datum::Numeric)
    }

    fn of_floats(
        self,
        count: i128,
        special: bool,
        sum: &BigInt,
        squares: &BigInt,
    ) -> Result<Option<f64>, EvalError> {
        if !self.is_defined(count) {
            return Ok(None);
        }
        if special {
            return Ok(Some(f64::NAN));
        }
        let variance = spread(count, squares, sum, sum)? / (count - self.sample as i128) as f64;
        Ok(Some(if self.root { variance.sqrt() } else { variance }))
    }
}

/// Σxy − Σx·Σy / n, of exact sums of floats.
fn spread(count: i128, products: &BigInt, x: &BigInt, y: &BigInt) -> Result<f64, EvalError> {
    let spread: BigInt = ((products * count - x * y) << QUOTIENT_BITS) / count;
    finite(exact_sum::round_to_float(&spread, PRODUCT_UNIT - QUOTIENT_BITS as i64))
}

fn float_or_null(value: Option<f64>) -> Datum<'static> {
    value.map_or(Datum::Null, Datum::Float)
}

fn finite(value: f64) -> Result<f64, EvalError> {
    if value.is_infinite() { Err(overflow()) } else { Ok(value) }
}

/// Exact sums over pairs of floats.
#[derive(Default)]
struct Pairs {
    x: Partials,
    y: Partials,
    xx: Partials,
    yy: Partials,
    xy: Partials,
}

impl Pairs {
    fn add(&mut self, y: f64, x: f64, diff: i64) {
        exact_sum::scatter_float(x, |bucket, sums| self.x.add(bucket, sums, diff));
        exact_sum::scatter_float(y, |bucket, sums| self.y.add(bucket, sums, diff));
        exact_sum::scatter_product(x, x, |bucket, sums| self.xx.add(bucket, sums, diff));
        exact_sum::scatter_product(y, y, |bucket, sums| self.yy.add(bucket, sums, diff));
        exact_sum::scatter_product(x, y, |bucket, sums| self.xy.add(bucket, sums, diff));
    }
}

/// One of the two variables: its exact sum, and what is not a number that one can sum.
struct Variable {
    sum: BigInt,
    specials: Specials,
}

impl Variable {
    fn of(partials: &Partials) -> Variable {
        let (_, specials, digits) = exact_sum::sort_out(partials.buckets());
        Variable { sum: exact_sum::float_sum(&digits), specials }
    }

    fn mean(&self, count: i128) -> Result<f64, EvalError> {
        match self.specials.as_float() {
            Some(special) => Ok(special),
            None => Ok(finite(exact_sum::round_to_float(&self.sum, FLOAT_UNIT))? / count as f64),
        }
    }
}

impl Regression {
    /// The result for pairs with their multiplicities, of which none has a NULL.
    pub(super) fn fold(self, rows: &[(Vec<Datum<'_>>, i64)]) -> Result<Datum<'static>, EvalError> {
        let mut pairs = Pairs::default();
        let mut count = 0;
        for (args, diff) in rows {
            let [Datum::Float(y), Datum::Float(x)] = args[..] else { continue };
            count += *diff as i128;
            pairs.add(y, x, *diff);
        }
        if self == Regression::Count {
            return lanes::integer(count);
        }
        if count <= (self == Regression::CovarSamp) as i128 {
            return Ok(Datum::Null);
        }
        self.of_pairs(count, &pairs).map(float_or_null)
    }

    fn of_pairs(self, count: i128, pairs: &Pairs) -> Result<Option<f64>, EvalError> {
        let (x, y) = (Variable::of(&pairs.x), Variable::of(&pairs.y));
        let spread_of = |products: &Partials, a: &Variable, b: &Variable| {
            if a.specials.any() || b.specials.any() {
                return Ok(f64::NAN);
            }
            let digits: Vec<_> = products.buckets().collect();
            spread(count, &exact_sum::float_sum(&digits), &a.sum, &b.sum)
        };
        let sxx = || spread_of(&pairs.xx, &x, &x);
        let syy = || spread_of(&pairs.yy, &y, &y);
        let sxy = || spread_of(&pairs.xy, &x, &y);
        Ok(Some(match self {
            Regression::Count => return Err(EvalError::internal("a count is no float")),
            Regression::AvgX => x.mean(count)?,
            Regression::AvgY => y.mean(count)?,
            Regression::Sxx => sxx()?,
            Regression::Syy => syy()?,
            Regression::Sxy => sxy()?,
            Regression::CovarPop => sxy()? / count as f64,
            Regression::CovarSamp => sxy()? / (count - 1) as f64,
            // Points on a vertical line have no slope; those on a horizontal one are not correlated.
            Regression::Slope | Regression::Intercept | Regression::R2 if sxx()?.is_zero() => {
                return Ok(None);
            }
            Regression::Corr if sxx()?.is_zero() || syy()?.is_zero() => return Ok(None),
            Regression::R2 if syy()?.is_zero() => 1.0,
            Regression::Slope => sxy()? / sxx()?,
            Regression::Intercept => {
                let sum = |variable: &Variable| variable.mean(count).map(|mean| mean * count as f64);
                (sum(&y)? - sum(&x)? * sxy()? / sxx()?) / count as f64
            }
            Regression::R2 => (sxy()? * sxy()?) / (sxx()? * syy()?),
            Regression::Corr => sxy()? / (sxx()? * syy()?).sqrt(),
        }))
    }
}
