//! Aggregates: functions of a group of rows.
//!
//! An aggregate's [`Class`] says how it is maintained. *Accumulable* ones are sums in the diff: every row adds to a few
//! i128 lanes ([`Lane`]), retraction subtracts, and the result is a function of the lanes. *Bucketed* ones are sums too,
//! but a row adds to lanes kept per (group, bucket), because one lane could not hold every value exactly
//! ([`super::exact_sum`]). *Hierarchical* ones are the first of an order. *Basic* ones see the whole group again.
//!
//! [`AggregateExpr::evaluate`] is the meaning: what the interpreter and basic reduce run, and the oracle of the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bits::{self, Bitwise};
use super::exact_sum::{self, Partials};
use super::float4;
use super::lanes::Lane;
use super::variance::{Measured, Regression, VarianceOf};
use super::{ArgType, EvalError, ScalarExpr, basic_aggregate, compare, lanes};
use crate::repr::{Arena, ColumnType, Datum, Row, Type, canonical, row};

/// An aggregate call over the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AggregateExpr {
    pub func: AggregateFunc,
    pub args: Vec<ScalarExpr>,
    /// Only the first of equal arguments counts.
    pub distinct: bool,
    /// Only rows for which this is true count.
    pub filter: Option<ScalarExpr>,
    /// The order in which a basic aggregate sees its rows; then, and without it, the order of the packed arguments.
    pub order_by: Vec<SortKey>,
}

/// An expression to order by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SortKey {
    pub expr: ScalarExpr,
    pub desc: bool,
    pub nulls_first: bool,
}

/// The aggregates, by how they compute. `count(*)` has no argument, `string_agg` and `jsonb_object_agg` have two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AggregateFunc {
    CountStar,
    /// Arguments that are not NULL.
    Count,
    /// int2 or int4, as int8.
    SumInt4,
    /// int8, as numeric.
    SumInt8,
    /// With a static scale every value is a whole number of 10^-scale of at most so many digits: lanes instead of buckets.
    SumNumeric(Option<StaticNumeric>),
    SumFloat,
    /// Of `real`, rounded to one at the end.
    SumFloat4,
    SumInterval,
    /// Any integer, as numeric.
    AvgInt,
    AvgNumeric(Option<StaticNumeric>),
    AvgFloat,
    AvgInterval,
    Min,
    Max,
    BoolAnd,
    BoolOr,
    BitAnd,
    BitOr,
    BitXor,
    Variance(VarianceOf),
    Regression(Regression),
    StringAgg,
    ArrayAgg,
    /// Arrays as one of a further dimension.
    StackArrays,
    JsonAgg,
    JsonbAgg,
    JsonObjectAgg,
    JsonbObjectAgg,
    /// Of a fraction, or of an array of them, and the value that the group is sorted by.
    PercentileCont,
    PercentileDisc,
    Mode,
}

/// What is known of every value of a numeric expression: so many digits in all, exactly so many after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StaticNumeric {
    pub digits: u16,
    pub scale: u16,
}

/// How an aggregate is maintained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Lanes of sums per group, see [`AggregateFunc::finish`].
    Accumulable(Vec<Lane>),
    /// Two lanes (count, sum) per group and bucket, see [`AggregateFunc::scatter`] and [`AggregateFunc::gather`].
    Bucketed,
    /// The least (or greatest) row of the group.
    Hierarchical,
    /// A function of the whole group.
    Basic,
}

impl AggregateFunc {
    pub fn class(self) -> Class {
        use AggregateFunc::*;
        match self {
            SumFloat | SumFloat4 | AvgFloat | SumNumeric(None) | AvgNumeric(None) => Class::Bucketed,
            BitAnd | BitOr | BitXor => Class::Bucketed,
            Variance(VarianceOf { values: Measured::Numerics | Measured::Floats, .. }) => Class::Bucketed,
            Min | Max => Class::Hierarchical,
            StringAgg | ArrayAgg | StackArrays | JsonAgg | JsonbAgg | JsonObjectAgg | JsonbObjectAgg => {
                Class::Basic
            }
            Regression(_) | PercentileCont | PercentileDisc | Mode => Class::Basic,
            _ => Class::Accumulable(lanes::of(self)),
        }
    }

    /// Whether the aggregate of no rows is NULL; counts are 0.
    pub fn is_null_of_nothing(self) -> bool {
        use AggregateFunc::*;
        !matches!(self, CountStar | Count | Regression(super::variance::Regression::Count))
    }

    /// Whether NULL arguments are not seen.
    pub fn ignores_nulls(self) -> bool {
        use AggregateFunc::*;
        !matches!(
            self,
            CountStar | ArrayAgg | StackArrays | JsonAgg | JsonbAgg | JsonObjectAgg | JsonbObjectAgg
        )
    }

    /// Whether the result is the same when equal arguments are seen once: DISTINCT changes nothing.
    pub fn ignores_duplicates(self) -> bool {
        use AggregateFunc::*;
        matches!(self, Min | Max | BoolAnd | BoolOr | BitAnd | BitOr)
    }

    /// For an ordered-set aggregate, how many arguments are direct: after them comes what its group is sorted by.
    pub fn direct_args(self) -> Option<usize> {
        match self {
            AggregateFunc::PercentileCont | AggregateFunc::PercentileDisc => Some(1),
            AggregateFunc::Mode => Some(0),
            _ => None,
        }
    }

    /// Whether a row with these arguments counts: most aggregates look past a NULL; string_agg does so by itself, whose delimiter
    /// may be one.
    pub fn sees(self, args: &[Datum<'_>]) -> bool {
        !self.ignores_nulls() || self == AggregateFunc::StringAgg || !args.iter().any(Datum::is_null)
    }

    /// Whether the result can depend on the order of the rows.
    pub fn depends_on_order(self) -> bool {
        self.class() == Class::Basic
    }

    /// The result of an accumulable aggregate: its lanes, in the order of [`Class::Accumulable`], summed over the group.
    pub fn finish<'a>(self, sums: &[i128], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        lanes::finish(self, sums, arena)
    }

    /// What one value adds to a bucketed aggregate: to each bucket, a count and a sum. Multiply by the row's diff. NULL adds
    /// nothing.
    pub fn scatter(self, value: Datum<'_>, emit: impl FnMut(i64, [i128; 2])) {
        use AggregateFunc::*;
        match (self, value) {
            (BitAnd | BitOr | BitXor, value) => bits::scatter(value, emit),
            (Variance(variance), value) => variance.scatter(value, emit),
            (_, Datum::Float(value)) => exact_sum::scatter_float(value, emit),
            (_, Datum::Float4(value)) => exact_sum::scatter_float(value.into(), emit),
            (_, Datum::Numeric(value)) => exact_sum::scatter_numeric(value, emit),
            _ => {}
        }
    }

    /// The result of a bucketed aggregate: the buckets of a group whose count and sum are not both 0.
    pub fn gather<'a>(
        self,
        buckets: impl IntoIterator<Item = (i64, [i128; 2])>,
        arena: &'a Arena,
    ) -> Result<Datum<'a>, EvalError> {
        match self {
            AggregateFunc::SumFloat => exact_sum::gather_float(buckets, false),
            AggregateFunc::SumFloat4 => match exact_sum::gather_float(buckets, false)? {
                Datum::Float(sum) => float4::narrow(sum).map(Datum::Float4),
                null => Ok(null),
            },
            AggregateFunc::AvgFloat => exact_sum::gather_float(buckets, true),
            AggregateFunc::AvgNumeric(_) => exact_sum::gather_numeric(buckets, true, arena),
            AggregateFunc::BitAnd => Ok(bits::gather(Bitwise::And, buckets)),
            AggregateFunc::BitOr => Ok(bits::gather(Bitwise::Or, buckets)),
            AggregateFunc::BitXor => Ok(bits::gather(Bitwise::Xor, buckets)),
            AggregateFunc::Variance(variance) => variance.gather(buckets, arena),
            _ => exact_sum::gather_numeric(buckets, false, arena),
        }
    }

    /// The cheapest way to compute it of these arguments.
    pub fn specialized(self, args: &[ScalarExpr], input: &[ColumnType]) -> AggregateFunc {
        let known = || args[0].static_numeric(input).filter(|known| known.digits <= lanes::DIGITS_MAX);
        match self {
            AggregateFunc::SumNumeric(None) => AggregateFunc::SumNumeric(known()),
            AggregateFunc::AvgNumeric(None) => AggregateFunc::AvgNumeric(known()),
            func => func,
        }
    }

    /// The result's type for arguments of these types; NULL apart from counts when there are no rows.
    pub fn result_type(self, args: &[Type]) -> Type {
        use AggregateFunc::*;
        match self {
            CountStar | Count | SumInt4 => Type::Int8,
            SumInt8 | SumNumeric(_) | AvgInt | AvgNumeric(_) => Type::Numeric(None),
            SumFloat | AvgFloat => Type::Float8,
            SumFloat4 => Type::Float4,
            SumInterval | AvgInterval => Type::Interval(None),
            Min | Max => args[0].without_typmod(),
            BoolAnd | BoolOr => Type::Bool,
            BitAnd | BitOr | BitXor | Mode => args[0].without_typmod(),
            Variance(VarianceOf { values: Measured::Floats, .. }) => Type::Float8,
            Variance(_) => Type::Numeric(None),
            Regression(super::variance::Regression::Count) => Type::Int8,
            Regression(_) => Type::Float8,
            PercentileCont | PercentileDisc => match &args[0] {
                Type::Array(_) => Type::Array(Box::new(args[1].without_typmod())),
                _ => args[1].without_typmod(),
            },
            StringAgg => args[0].without_typmod(),
            ArrayAgg => Type::Array(Box::new(args[0].clone())),
            StackArrays => args[0].clone(),
            JsonAgg | JsonObjectAgg => Type::Json,
            JsonbAgg | JsonbObjectAgg => Type::Jsonb,
        }
    }

    /// The result of arguments with their multiplicities, in this order: the plain definition of the function.
    pub fn fold<'a>(self, rows: &[(Vec<Datum<'a>>, i64)], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        match self.class() {
            Class::Accumulable(lanes) => {
                let mut sums = vec![0; lanes.len()];
                for (args, diff) in rows {
                    let value = args.first().copied().unwrap_or(Datum::Null);
                    for (sum, lane) in sums.iter_mut().zip(&lanes) {
                        *sum += lane.of(value) * *diff as i128;
                    }
                }
                self.finish(&sums, arena)
            }
            Class::Bucketed => {
                let mut partials = Partials::new();
                for (args, diff) in rows {
                    self.scatter(args[0], |bucket, add| partials.add(bucket, add, *diff));
                }
                self.gather(partials.buckets(), arena)
            }
            Class::Hierarchical => Ok(extreme(rows, self == AggregateFunc::Max)),
            Class::Basic => basic_aggregate::fold(self, rows, arena),
        }
    }
}

/// The greatest or least value; of equal ones that print differently, the one with the least encoding.
fn extreme<'a>(rows: &[(Vec<Datum<'a>>, i64)], greatest: bool) -> Datum<'a> {
    let values = rows.iter().map(|(args, _)| args[0]).filter(|d| !d.is_null());
    let better = |a: Datum<'a>, b: Datum<'a>| match compare(a, b) {
        std::cmp::Ordering::Equal => Row::pack([a]) < Row::pack([b]),
        ordering => ordering.is_gt() == greatest,
    };
    values.reduce(|best, d| if better(d, best) { d } else { best }).unwrap_or(Datum::Null)
}

/// What a row of a group costs besides evaluating its arguments.
const ROW_UNITS: usize = 64;

impl AggregateExpr {
    pub fn new(func: AggregateFunc, args: Vec<ScalarExpr>) -> AggregateExpr {
        AggregateExpr { func, args, distinct: false, filter: None, order_by: Vec::new() }
    }

    /// The result's type over an input of these columns. Only a count is never NULL: a filter can leave a group without
    /// rows, and so can an aggregate without GROUP BY.
    pub fn typ(&self, input: &[ColumnType]) -> ColumnType {
        let args: Vec<Type> = self.args.iter().map(|arg| arg.typ(input).typ).collect();
        let nullable = self.func.is_null_of_nothing();
        ColumnType::new(self.func.result_type(&args), nullable)
    }

    /// The input columns that the result depends on.
    pub fn support(&self) -> std::collections::BTreeSet<usize> {
        self.exprs().flat_map(|e| e.support()).collect()
    }

    /// All expressions over the input.
    pub fn exprs(&self) -> impl Iterator<Item = &ScalarExpr> {
        self.args.iter().chain(&self.filter).chain(self.order_by.iter().map(|key| &key.expr))
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut ScalarExpr> {
        self.args.iter_mut().chain(&mut self.filter).chain(self.order_by.iter_mut().map(|key| &mut key.expr))
    }

    /// Chooses the cheapest way to sum, now that the input's types are known: lanes for a numeric of a static scale.
    pub fn specialize(&mut self, input: &[ColumnType]) {
        self.func = self.func.specialized(&self.args, input);
    }

    /// The aggregate of a group's rows with their multiplicities, which are positive.
    pub fn evaluate<'a>(
        &'a self,
        rows: &[(Vec<Datum<'a>>, i64)],
        arena: &'a Arena,
    ) -> Result<Datum<'a>, EvalError> {
        let mut seen = Vec::new();
        for (row, diff) in rows {
            arena.work(ROW_UNITS)?;
            if let Some(filter) = &self.filter
                && !matches!(filter.eval(row, arena)?, Datum::Bool(true))
            {
                continue;
            }
            let args = self.args.iter().map(|arg| arg.eval(row, arena)).collect::<Result<Vec<_>, _>>()?;
            if !self.func.sees(&args) {
                continue;
            }
            let mut order = Vec::new();
            for key in &self.order_by {
                let value = key.expr.eval(row, arena)?;
                canonical::encode_sort_key(value, key.desc, key.nulls_first, &mut order);
            }
            seen.push((order, args, *diff));
        }
        self.func.fold(&self.in_order(seen), arena)
    }

    /// Sorts by ORDER BY, then by the packed arguments; drops duplicates for DISTINCT.
    fn in_order<'a>(&self, mut seen: Vec<(Vec<u8>, Vec<Datum<'a>>, i64)>) -> Vec<(Vec<Datum<'a>>, i64)> {
        let packed = |args: &[Datum<'a>]| {
            let mut bytes = Vec::new();
            args.iter().for_each(|d| row::encode(*d, &mut bytes));
            bytes
        };
        if self.distinct || self.func.depends_on_order() {
            seen.sort_by_cached_key(|(order, args, _)| (order.clone(), packed(args)));
        }
        if !self.distinct {
            return seen.into_iter().map(|(_, args, diff)| (args, diff)).collect();
        }
        let mut kept: BTreeMap<Vec<u8>, ()> = BTreeMap::new();
        let mut out = Vec::new();
        for (_, args, _) in seen {
            let mut key = Vec::new();
            args.iter().for_each(|d| canonical::encode_canonical(*d, &mut key));
            if kept.insert(key, ()).is_none() {
                out.push((args, 1));
            }
        }
        out
    }
}

/// An aggregate as SQL names it.
pub struct Aggregate {
    pub name: &'static str,
    pub args: &'static [ArgType],
    pub result: ArgType,
    pub func: AggregateFunc,
    /// One sentence on what it does.
    pub doc: &'static str,
    /// Arguments, a row each, and the text of their aggregate.
    pub example: (&'static [&'static [&'static str]], &'static str),
}

/// The overloads of an aggregate's name.
pub fn aggregates_named(name: &str) -> impl Iterator<Item = &'static Aggregate> {
    AGGREGATES.iter().filter(move |aggregate| aggregate.name == name)
}

/// Every aggregate.
pub fn all_aggregates() -> impl Iterator<Item = &'static Aggregate> {
    AGGREGATES.iter()
}

const fn variance(values: Measured) -> AggregateFunc {
    AggregateFunc::Variance(VarianceOf { values, sample: false, root: false })
}

const fn sample_variance(values: Measured) -> AggregateFunc {
    AggregateFunc::Variance(VarianceOf { values, sample: true, root: false })
}

const fn deviation(values: Measured) -> AggregateFunc {
    AggregateFunc::Variance(VarianceOf { values, sample: false, root: true })
}

const fn sample_deviation(values: Measured) -> AggregateFunc {
    AggregateFunc::Variance(VarianceOf { values, sample: true, root: true })
}

macro_rules! aggregates {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal ( $($arg:tt),* ) -> $ret:tt = $func:expr, $([$($example:literal),*])* => $result:literal;
    )*) => {
        static AGGREGATES: &[Aggregate] = &[$(Aggregate {
            name: $name,
            args: &[$(super::declare::arg_type!($arg)),*],
            result: super::declare::arg_type!($ret),
            func: $func,
            doc: concat!($($doc),+),
            example: (&[$(&[$($example),*]),*], $result),
        }),*];
    };
}

aggregates! {
    /// The number of rows.
    "count"() -> Int8 = AggregateFunc::CountStar, [] [] => "2";
    /// The number of values that are not NULL.
    "count"(Any) -> Int8 = AggregateFunc::Count, ["1"] ["NULL"] => "1";
    /// The sum.
    "sum"(Int2) -> Int8 = AggregateFunc::SumInt4, ["1"] ["2"] => "3";
    /// The sum.
    "sum"(Int4) -> Int8 = AggregateFunc::SumInt4, ["1"] ["2"] ["NULL"] => "3";
    /// The sum.
    "sum"(Int8) -> Numeric = AggregateFunc::SumInt8, ["9223372036854775807"] ["1"] => "9223372036854775808";
    /// The sum, exactly.
    "sum"(Numeric) -> Numeric = AggregateFunc::SumNumeric(None), ["1.5"] ["2.25"] => "3.75";
    /// The sum, rounded once.
    "sum"(Float8) -> Float8 = AggregateFunc::SumFloat, ["0.1"] ["0.2"] ["-0.1"] => "0.2";
    /// The sum, rounded once.
    "sum"(Float4) -> Float4 = AggregateFunc::SumFloat4, ["0.1"] ["0.2"] ["-0.1"] => "0.2";
    /// The sum.
    "sum"(Interval) -> Interval = AggregateFunc::SumInterval, ["1 day"] ["02:00"] => "1 day 02:00:00";
    /// The mean.
    "avg"(Int2) -> Numeric = AggregateFunc::AvgInt, ["1"] ["2"] => "1.5000000000000000";
    /// The mean.
    "avg"(Int4) -> Numeric = AggregateFunc::AvgInt, ["1"] ["2"] => "1.5000000000000000";
    /// The mean.
    "avg"(Int8) -> Numeric = AggregateFunc::AvgInt, ["1"] ["2"] => "1.5000000000000000";
    /// The mean.
    "avg"(Numeric) -> Numeric = AggregateFunc::AvgNumeric(None), ["1.0"] ["2.0"] => "1.5000000000000000";
    /// The mean.
    "avg"(Float8) -> Float8 = AggregateFunc::AvgFloat, ["1"] ["2"] => "1.5";
    /// The mean.
    "avg"(Interval) -> Interval = AggregateFunc::AvgInterval, ["1 day"] ["2 days"] => "1 day 12:00:00";
    /// Whether all conditions that are not NULL are true.
    "bool_and"(Bool) -> Bool = AggregateFunc::BoolAnd, ["t"] ["f"] => "f";
    /// Whether all conditions that are not NULL are true.
    "every"(Bool) -> Bool = AggregateFunc::BoolAnd, ["t"] ["NULL"] => "t";
    /// Whether some condition is true.
    "bool_or"(Bool) -> Bool = AggregateFunc::BoolOr, ["t"] ["f"] => "t";
    /// The texts that are not NULL, each but the first after its delimiter.
    "string_agg"(Text, Text) -> Text = AggregateFunc::StringAgg, ["a", ","] ["b", ","] => "a,b";
    /// The byte strings that are not NULL, each but the first after its delimiter.
    "string_agg"(Bytea, Bytea) -> Bytea = AggregateFunc::StringAgg, ["\\x01", "\\x00"] ["\\x02", "\\x00"] => "\\x010002";
    /// The values as an array, NULLs included.
    "array_agg"(AnyNonArray) -> AnyArray = AggregateFunc::ArrayAgg, ["1"] ["NULL"] => "{1,NULL}";
    /// The arrays as an array of one more dimension.
    "array_agg"(AnyArray) -> AnyArray = AggregateFunc::StackArrays, ["{1,2}"] ["{3,4}"] => "{{1,2},{3,4}}";
    /// The values as a jsonb array, NULLs included.
    "jsonb_agg"(AnyElement) -> Jsonb = AggregateFunc::JsonbAgg, ["1"] ["NULL"] => "[1, null]";
    /// The pairs as a jsonb object; of equal keys the last counts.
    "jsonb_object_agg"(Any, Any) -> Jsonb = AggregateFunc::JsonbObjectAgg, ["1", "2"] => "{\"1\": 2}";
    /// The least value.
    "min"(Int2) -> Int2 = AggregateFunc::Min, ["2"] ["1"] => "1";
    /// The least value.
    "min"(Int4) -> Int4 = AggregateFunc::Min, ["2"] ["1"] ["NULL"] => "1";
    /// The least value.
    "min"(Int8) -> Int8 = AggregateFunc::Min, ["2"] ["1"] => "1";
    /// The least value.
    "min"(Float8) -> Float8 = AggregateFunc::Min, ["NaN"] ["1"] => "1";
    /// The least value.
    "min"(Numeric) -> Numeric = AggregateFunc::Min, ["1.0"] ["0.5"] => "0.5";
    /// The least value.
    "min"(Text) -> Text = AggregateFunc::Min, ["b"] ["a"] => "a";
    /// The least value.
    "min"(Date) -> Date = AggregateFunc::Min, ["2024-01-02"] ["2024-01-01"] => "2024-01-01";
    /// The least value.
    "min"(Timestamp) -> Timestamp = AggregateFunc::Min, ["2024-01-02"] ["2024-01-01"] => "2024-01-01 00:00:00";
    /// The least value.
    "min"(TimestampTz) -> TimestampTz = AggregateFunc::Min, ["2024-01-02Z"] ["2024-01-01Z"] => "2024-01-01 00:00:00+00";
    /// The least value.
    "min"(Interval) -> Interval = AggregateFunc::Min, ["1 mon"] ["29 days"] => "29 days";
    /// The least value.
    "min"(Float4) -> Float4 = AggregateFunc::Min, ["1.5"] ["0.1"] => "0.1";
    /// The least value.
    "min"(Bpchar) -> Bpchar = AggregateFunc::Min, ["b"] ["a "] => "a ";
    /// The least value.
    "min"(Time) -> Time = AggregateFunc::Min, ["04:05:00"] ["00:00:00"] => "00:00:00";
    /// The least value.
    "min"(TimeTz) -> TimeTz = AggregateFunc::Min, ["04:05:00+00"] ["04:05:00+01"] => "04:05:00+01";
    /// The least value.
    "min"(AnyEnum) -> AnyEnum = AggregateFunc::Min, ["2"] ["1"] => "1";
    /// The least value.
    "min"(Oid) -> Oid = AggregateFunc::Min, ["2"] ["1"] => "1";
    /// The least value.
    "min"(AnyArray) -> AnyArray = AggregateFunc::Min, ["{2}"] ["{1,3}"] => "{1,3}";
    /// The greatest value.
    "max"(Int2) -> Int2 = AggregateFunc::Max, ["2"] ["1"] => "2";
    /// The greatest value.
    "max"(Int4) -> Int4 = AggregateFunc::Max, ["2"] ["1"] ["NULL"] => "2";
    /// The greatest value.
    "max"(Int8) -> Int8 = AggregateFunc::Max, ["2"] ["1"] => "2";
    /// The greatest value.
    "max"(Float8) -> Float8 = AggregateFunc::Max, ["NaN"] ["1"] => "NaN";
    /// The greatest value.
    "max"(Numeric) -> Numeric = AggregateFunc::Max, ["1.0"] ["0.5"] => "1.0";
    /// The greatest value.
    "max"(Text) -> Text = AggregateFunc::Max, ["b"] ["a"] => "b";
    /// The greatest value.
    "max"(Date) -> Date = AggregateFunc::Max, ["2024-01-02"] ["2024-01-01"] => "2024-01-02";
    /// The greatest value.
    "max"(Timestamp) -> Timestamp = AggregateFunc::Max, ["2024-01-02"] ["2024-01-01"] => "2024-01-02 00:00:00";
    /// The greatest value.
    "max"(TimestampTz) -> TimestampTz = AggregateFunc::Max, ["2024-01-02Z"] ["2024-01-01Z"] => "2024-01-02 00:00:00+00";
    /// The greatest value.
    "max"(Interval) -> Interval = AggregateFunc::Max, ["1 mon"] ["29 days"] => "1 mon";
    /// The greatest value.
    "max"(Float4) -> Float4 = AggregateFunc::Max, ["1.5"] ["0.1"] => "1.5";
    /// The greatest value.
    "max"(Bpchar) -> Bpchar = AggregateFunc::Max, ["b"] ["a "] => "b";
    /// The greatest value.
    "max"(Time) -> Time = AggregateFunc::Max, ["04:05:00"] ["00:00:00"] => "04:05:00";
    /// The greatest value.
    "max"(TimeTz) -> TimeTz = AggregateFunc::Max, ["04:05:00+00"] ["04:05:00+01"] => "04:05:00+00";
    /// The greatest value.
    "max"(AnyEnum) -> AnyEnum = AggregateFunc::Max, ["2"] ["1"] => "2";
    /// The greatest value.
    "max"(Oid) -> Oid = AggregateFunc::Max, ["2"] ["1"] => "2";
    /// The greatest value.
    "max"(AnyArray) -> AnyArray = AggregateFunc::Max, ["{2}"] ["{1,3}"] => "{2}";
    /// The bits that all values have.
    "bit_and"(Int2) -> Int2 = AggregateFunc::BitAnd, ["12"] ["10"] => "8";
    /// The bits that all values have.
    "bit_and"(Int4) -> Int4 = AggregateFunc::BitAnd, ["12"] ["10"] => "8";
    /// The bits that all values have.
    "bit_and"(Int8) -> Int8 = AggregateFunc::BitAnd, ["12"] ["10"] => "8";
    /// The bits that some value has.
    "bit_or"(Int2) -> Int2 = AggregateFunc::BitOr, ["12"] ["10"] => "14";
    /// The bits that some value has.
    "bit_or"(Int4) -> Int4 = AggregateFunc::BitOr, ["12"] ["10"] => "14";
    /// The bits that some value has.
    "bit_or"(Int8) -> Int8 = AggregateFunc::BitOr, ["12"] ["10"] => "14";
    /// The bits that an odd number of the values has.
    "bit_xor"(Int2) -> Int2 = AggregateFunc::BitXor, ["12"] ["10"] => "6";
    /// The bits that an odd number of the values has.
    "bit_xor"(Int4) -> Int4 = AggregateFunc::BitXor, ["12"] ["10"] => "6";
    /// The bits that an odd number of the values has.
    "bit_xor"(Int8) -> Int8 = AggregateFunc::BitXor, ["12"] ["10"] => "6";
    /// The variance of a population.
    "var_pop"(Int2) -> Numeric = variance(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The variance of a population.
    "var_pop"(Int4) -> Numeric = variance(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The variance of a population.
    "var_pop"(Int8) -> Numeric = variance(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The variance of a population.
    "var_pop"(Numeric) -> Numeric = variance(Measured::Numerics), ["1"] ["3"] => "1.00000000000000000000";
    /// The variance of a population.
    "var_pop"(Float4) -> Float8 = variance(Measured::Floats), ["1"] ["3"] => "1";
    /// The variance of a population.
    "var_pop"(Float8) -> Float8 = variance(Measured::Floats), ["1"] ["3"] => "1";
    /// The variance of a population, from a sample of it.
    "var_samp"(Int2) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// The variance of a population, from a sample of it.
    "var_samp"(Int4) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// The variance of a population, from a sample of it.
    "var_samp"(Int8) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// The variance of a population, from a sample of it.
    "var_samp"(Numeric) -> Numeric = sample_variance(Measured::Numerics), ["1"] ["3"] => "2.0000000000000000";
    /// The variance of a population, from a sample of it.
    "var_samp"(Float4) -> Float8 = sample_variance(Measured::Floats), ["1"] ["3"] => "2";
    /// The variance of a population, from a sample of it.
    "var_samp"(Float8) -> Float8 = sample_variance(Measured::Floats), ["1"] ["3"] => "2";
    /// As var_samp.
    "variance"(Int2) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// As var_samp.
    "variance"(Int4) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// As var_samp.
    "variance"(Int8) -> Numeric = sample_variance(Measured::Integers), ["1"] ["3"] => "2.0000000000000000";
    /// As var_samp.
    "variance"(Numeric) -> Numeric = sample_variance(Measured::Numerics), ["1"] ["3"] => "2.0000000000000000";
    /// As var_samp.
    "variance"(Float4) -> Float8 = sample_variance(Measured::Floats), ["1"] ["3"] => "2";
    /// As var_samp.
    "variance"(Float8) -> Float8 = sample_variance(Measured::Floats), ["1"] ["3"] => "2";
    /// The standard deviation of a population.
    "stddev_pop"(Int2) -> Numeric = deviation(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The standard deviation of a population.
    "stddev_pop"(Int4) -> Numeric = deviation(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The standard deviation of a population.
    "stddev_pop"(Int8) -> Numeric = deviation(Measured::Integers), ["1"] ["3"] => "1.00000000000000000000";
    /// The standard deviation of a population.
    "stddev_pop"(Numeric) -> Numeric = deviation(Measured::Numerics), ["1"] ["3"] => "1.00000000000000000000";
    /// The standard deviation of a population.
    "stddev_pop"(Float4) -> Float8 = deviation(Measured::Floats), ["1"] ["3"] => "1";
    /// The standard deviation of a population.
    "stddev_pop"(Float8) -> Float8 = deviation(Measured::Floats), ["1"] ["3"] => "1";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Int2) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Int4) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Int8) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Numeric) -> Numeric = sample_deviation(Measured::Numerics), ["1"] ["3"] => "1.4142135623730950";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Float4) -> Float8 = sample_deviation(Measured::Floats), ["1"] ["3"] => "1.4142135623730951";
    /// The standard deviation of a population, from a sample of it.
    "stddev_samp"(Float8) -> Float8 = sample_deviation(Measured::Floats), ["1"] ["3"] => "1.4142135623730951";
    /// As stddev_samp.
    "stddev"(Int2) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// As stddev_samp.
    "stddev"(Int4) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// As stddev_samp.
    "stddev"(Int8) -> Numeric = sample_deviation(Measured::Integers), ["1"] ["3"] => "1.4142135623730950";
    /// As stddev_samp.
    "stddev"(Numeric) -> Numeric = sample_deviation(Measured::Numerics), ["1"] ["3"] => "1.4142135623730950";
    /// As stddev_samp.
    "stddev"(Float4) -> Float8 = sample_deviation(Measured::Floats), ["1"] ["3"] => "1.4142135623730951";
    /// As stddev_samp.
    "stddev"(Float8) -> Float8 = sample_deviation(Measured::Floats), ["1"] ["3"] => "1.4142135623730951";
    /// The number of pairs.
    "regr_count"(Float8, Float8) -> Int8 = AggregateFunc::Regression(Regression::Count), ["1", "1"] ["3", "2"] ["5", "3"] => "3";
    /// The mean of the independent variable, the second.
    "regr_avgx"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::AvgX), ["1", "1"] ["3", "2"] ["5", "3"] => "2";
    /// The mean of the dependent variable, the first.
    "regr_avgy"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::AvgY), ["1", "1"] ["3", "2"] ["5", "3"] => "3";
    /// The sum of squares of the independent variable's distances from its mean.
    "regr_sxx"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Sxx), ["1", "1"] ["3", "2"] ["5", "3"] => "2";
    /// The sum of squares of the dependent variable's distances from its mean.
    "regr_syy"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Syy), ["1", "1"] ["3", "2"] ["5", "3"] => "8";
    /// The sum of products of both variables' distances from their means.
    "regr_sxy"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Sxy), ["1", "1"] ["3", "2"] ["5", "3"] => "4";
    /// The slope of the line that fits best.
    "regr_slope"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Slope), ["1", "1"] ["3", "2"] ["5", "3"] => "2";
    /// Where the line that fits best crosses x = 0.
    "regr_intercept"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Intercept), ["1", "1"] ["3", "2"] ["5", "3"] => "-1";
    /// The square of the correlation.
    "regr_r2"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::R2), ["1", "1"] ["3", "2"] ["5", "3"] => "1";
    /// The correlation of both variables.
    "corr"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::Corr), ["1", "1"] ["3", "2"] ["5", "3"] => "1";
    /// The covariance of a population.
    "covar_pop"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::CovarPop), ["1", "1"] ["3", "2"] ["5", "3"] => "1.3333333333333333";
    /// The covariance of a population, from a sample of it.
    "covar_samp"(Float8, Float8) -> Float8 = AggregateFunc::Regression(Regression::CovarSamp), ["1", "1"] ["3", "2"] ["5", "3"] => "2";
    /// The values as an array, NULLs included.
    "json_agg"(AnyElement) -> Json = AggregateFunc::JsonAgg, ["1"] ["NULL"] => "[1, null]";
    /// The object of keys and values.
    "json_object_agg"(Any, Any) -> Json = AggregateFunc::JsonObjectAgg, ["1", "2"] ["3", "4"] => "{ \"1\" : 2, \"3\" : 4 }";
    /// The value at a fraction of the way through the sorted group, between two if it lies there.
    "percentile_cont"(Float8, Float8) -> Float8 = AggregateFunc::PercentileCont, ["0.5", "1"] ["0.5", "2"] => "1.5";
    /// The values at fractions of the way through the sorted group.
    "percentile_cont"([Float8], Float8) -> [Float8] = AggregateFunc::PercentileCont, ["{0,0.5}", "1"] ["{0,0.5}", "2"] => "{1,1.5}";
    /// The value at a fraction of the way through the sorted group, between two if it lies there.
    "percentile_cont"(Float8, Interval) -> Interval = AggregateFunc::PercentileCont, ["0.5", "1 day"] ["0.5", "2 days"] => "1 day 12:00:00";
    /// The values at fractions of the way through the sorted group.
    "percentile_cont"([Float8], Interval) -> [Interval] = AggregateFunc::PercentileCont, ["{0,1}", "1 day"] ["{0,1}", "2 days"] => "{\"1 day\",\"2 days\"}";
    /// The first value up to which a fraction of the sorted group lies.
    "percentile_disc"(Float8, AnyElement) -> AnyElement = AggregateFunc::PercentileDisc, ["0.5", "1"] ["0.5", "2"] => "1";
    /// The first values up to which fractions of the sorted group lie.
    "percentile_disc"([Float8], AnyNonArray) -> AnyArray = AggregateFunc::PercentileDisc, ["{0.5,1}", "1"] ["{0.5,1}", "2"] => "{1,2}";
    /// The value that occurs most often, the first of several.
    "mode"(AnyElement) -> AnyElement = AggregateFunc::Mode, ["1"] ["2"] ["2"] => "2";
}
