//! Aggregates: sums kept in lanes and buckets against the plain definition, under insertions and retractions.

use std::collections::BTreeMap;

use super::{format, parse};
use crate::repr::types::NumericTypmod;
use crate::repr::{Arena, ColumnType, Datum, Type};
use crate::scalar::variance::{Measured, VarianceOf};
use crate::scalar::{AggregateExpr, AggregateFunc, Class, ScalarExpr};

/// The aggregate maintained as operators do: lanes or buckets to which every update adds.
fn maintained(func: AggregateFunc, typ: &Type, updates: &[(&str, i64)]) -> String {
    let arena = Arena::default();
    let result = match func.class() {
        Class::Accumulable(lanes) => {
            let mut sums = vec![0i128; lanes.len()];
            for (text, diff) in updates {
                let value = parse(typ, text, &arena);
                sums.iter_mut().zip(&lanes).for_each(|(sum, lane)| *sum += lane.of(value) * *diff as i128);
            }
            func.finish(&sums, &arena)
        }
        Class::Bucketed => {
            let mut buckets: BTreeMap<i64, [i128; 2]> = BTreeMap::new();
            for (text, diff) in updates {
                func.scatter(parse(typ, text, &arena), |bucket, add| {
                    let sums = buckets.entry(bucket).or_default();
                    sums[0] += add[0] * *diff as i128;
                    sums[1] += add[1] * *diff as i128;
                });
            }
            buckets.retain(|_, sums| *sums != [0, 0]);
            func.gather(buckets, &arena)
        }
        other => panic!("{other:?} is not maintained by sums"),
    };
    match result {
        Ok(datum) => format(datum, &func.result_type(std::slice::from_ref(typ))),
        Err(error) => format!("{}: {}", error.code.code(), error.message),
    }
}

fn static_sum(precision: u16, scale: i16) -> (AggregateFunc, Type) {
    let typ = Type::Numeric(Some(NumericTypmod { precision, scale }));
    let mut expr = AggregateExpr::new(AggregateFunc::SumNumeric(None), vec![ScalarExpr::Column(0)]);
    expr.specialize(&[ColumnType::new(typ.clone(), true)]);
    (expr.func, typ)
}

fn sample(values: Measured) -> AggregateFunc {
    AggregateFunc::Variance(VarianceOf { values, sample: true, root: false })
}

#[test]
fn sums_are_exact_and_retract() {
    let (money, money_type) = static_sum(10, 2);
    let (wide, wide_type) = static_sum(38, 10);
    assert!(matches!(money.class(), Class::Accumulable(lanes) if lanes.len() == 3));
    assert!(matches!(wide.class(), Class::Accumulable(lanes) if lanes.len() == 4));
    let numeric = Type::Numeric(None);
    let huge = "1234567890123456789012345678901234567890.5";
    type Case<'c> = (AggregateFunc, &'c Type, &'c [(&'c str, i64)], &'c str);
    let cases: &[Case<'_>] = &[
        (AggregateFunc::SumInt4, &Type::Int4, &[("2147483647", 3), ("NULL", 1)], "6442450941"),
        (AggregateFunc::SumInt4, &Type::Int4, &[("NULL", 2)], "NULL"),
        (AggregateFunc::SumInt4, &Type::Int4, &[("5", 1), ("5", -1)], "NULL"),
        (AggregateFunc::SumInt4, &Type::Int4, &[("2147483647", 1 << 40)], "22003: bigint out of range"),
        (AggregateFunc::SumInt8, &Type::Int8, &[("9223372036854775807", 4)], "36893488147419103228"),
        (AggregateFunc::AvgInt, &Type::Int4, &[("1", 2), ("2", 1)], "1.3333333333333333"),
        (AggregateFunc::Count, &Type::Int4, &[("1", 2), ("NULL", 7)], "2"),
        (AggregateFunc::CountStar, &Type::Int4, &[("1", 2), ("NULL", 7)], "9"),
        (AggregateFunc::BoolAnd, &Type::Bool, &[("t", 2), ("f", 1), ("f", -1)], "t"),
        (AggregateFunc::BoolOr, &Type::Bool, &[("t", 1), ("f", 1), ("t", -1)], "f"),
        (money, &money_type, &[("99999999.99", 2), ("-0.01", 1)], "199999999.97"),
        (money, &money_type, &[("1.50", 1), ("NaN", 1)], "NaN"),
        (money, &money_type, &[("1.50", 1), ("NaN", 1), ("NaN", -1)], "1.50"),
        (money, &money_type, &[("1.50", 1), ("1.50", -1), ("2.00", 1)], "2.00"),
        (
            wide,
            &wide_type,
            &[("-9999999999999999999999999999.9999999999", 3)],
            "-29999999999999999999999999999.9999999997",
        ),
        (AggregateFunc::SumNumeric(None), &numeric, &[("1.5", 1), ("2.25", 1)], "3.75"),
        (AggregateFunc::SumNumeric(None), &numeric, &[("1.5", 1), ("2.25", 1), ("2.25", -1)], "1.5"),
        (AggregateFunc::SumNumeric(None), &numeric, &[("1.500", 1), ("1.5", -1), ("1.5", 1)], "1.500"),
        (
            AggregateFunc::SumNumeric(None),
            &numeric,
            &[(huge, 2), ("-0.25", 1)],
            "2469135780246913578024691357802469135780.75",
        ),
        (AggregateFunc::SumNumeric(None), &numeric, &[("Infinity", 1), ("1", 1)], "Infinity"),
        (AggregateFunc::SumNumeric(None), &numeric, &[("Infinity", 1), ("-Infinity", 1)], "NaN"),
        (
            AggregateFunc::SumNumeric(None),
            &numeric,
            &[("Infinity", 1), ("-Infinity", 1), ("-Infinity", -1)],
            "Infinity",
        ),
        (AggregateFunc::AvgNumeric(None), &numeric, &[("1.0", 1), ("2.00", 2)], "1.6666666666666667"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("1e308", 1), ("1e308", 1), ("-1e308", 1)], "1e+308"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("1e308", 2)], "22003: value out of range: overflow"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("0.1", 10)], "1"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("1e16", 1), ("1", 1), ("1e16", -1)], "1"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("5e-324", 3)], "1.5e-323"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("NaN", 1), ("1", 1), ("NaN", -1)], "1"),
        (AggregateFunc::SumFloat, &Type::Float8, &[("Infinity", 1), ("-Infinity", 1)], "NaN"),
        (AggregateFunc::AvgFloat, &Type::Float8, &[("1", 1), ("2", 1)], "1.5"),
        (
            sample(Measured::Integers),
            &Type::Int8,
            &[("9223372036854775807", 1 << 62), ("-9223372036854775808", 1 << 62), ("1", -1), ("1", 1)],
            "85070591730234615865843651857942052864",
        ),
        (sample(Measured::Integers), &Type::Int8, &[("7", 1), ("9", 1), ("9", -1)], "NULL"),
        (sample(Measured::Integers), &Type::Int8, &[("7", 5)], "0"),
        (
            sample(Measured::Numerics),
            &numeric,
            &[("1.5", 1), ("2.25", 2), ("NaN", 1), ("NaN", -1)],
            "0.18750000000000000000",
        ),
        (sample(Measured::Numerics), &numeric, &[("1.5", 1), ("NaN", 1)], "NaN"),
        (
            sample(Measured::Numerics),
            &numeric,
            &[(huge, 1), ("1", 1), ("1.00001", 1), (huge, -1)],
            "0.0000000000500000000000000000",
        ),
        (sample(Measured::Floats), &Type::Float8, &[("1e16", 1), ("1", 1), ("4", 1), ("1e16", -1)], "4.5"),
        (sample(Measured::Floats), &Type::Float8, &[("-1e-300", 1), ("1e-300", 1)], "0"),
        (
            sample(Measured::Floats),
            &Type::Float8,
            &[("-1e200", 1), ("1e200", 1)],
            "22003: value out of range: overflow",
        ),
        (sample(Measured::Floats), &Type::Float8, &[("Infinity", 1), ("1", 2), ("Infinity", -1)], "0"),
        (sample(Measured::Floats), &Type::Float8, &[("Infinity", 1), ("1", 2)], "NaN"),
        (AggregateFunc::BitXor, &Type::Int8, &[("-1", 2), ("5", 1), ("-9", 1), ("-9", -1)], "5"),
        (AggregateFunc::BitAnd, &Type::Int8, &[("-1", 2), ("5", 1), ("0", 1), ("0", -1)], "5"),
        (AggregateFunc::BitOr, &Type::Int8, &[("-1", 2), ("5", 1), ("-1", -2)], "5"),
        (AggregateFunc::BitOr, &Type::Int8, &[("-1", 2), ("-1", -2)], "NULL"),
        (
            AggregateFunc::SumInterval,
            &Type::Interval(None),
            &[("1 mon", 2), ("-1 day", 1), ("01:00", 3)],
            "2 mons -1 days +03:00:00",
        ),
        (AggregateFunc::AvgInterval, &Type::Interval(None), &[("1 mon", 1), ("2 mons", 1)], "1 mon 15 days"),
    ];
    for (func, typ, updates, expected) in cases {
        assert_eq!(maintained(*func, typ, updates), *expected, "{func:?} of {updates:?}");
    }
}

#[test]
fn products_of_static_numerics_are_static() {
    let price = Type::Numeric(Some(NumericTypmod { precision: 15, scale: 2 }));
    let input = [ColumnType::new(price.clone(), false), ColumnType::new(price, false)];
    let numeric = [Type::Numeric(None), Type::Numeric(None)];
    let func = |id| crate::scalar::Func::by_id(id).expect("declared");
    let one = ScalarExpr::literal(Datum::Numeric(crate::repr::Numeric::from_int(1)), Type::Numeric(None));
    let discounted = ScalarExpr::call(func("- Numeric Numeric"), vec![one, ScalarExpr::Column(1)], &numeric);
    let charge =
        ScalarExpr::call(func("* Numeric Numeric"), vec![ScalarExpr::Column(0), discounted], &numeric);
    let known = charge.static_numeric(&input).expect("static");
    assert_eq!((known.digits, known.scale), (31, 4));
}

#[test]
fn distinct_filter_and_order_are_obeyed() {
    let arena = Arena::default();
    let row = |a: &str, b: i64| (vec![parse(&Type::Text, a, &arena), Datum::Int(b)], 1);
    let rows =
        [row("b", 2), row("a", 1), row("b", 3), row("NULL", 4), (vec![Datum::Text("c"), Datum::Int(0)], 2)];
    let comma = ScalarExpr::literal(Datum::Text(","), Type::Text);
    let mut agg = AggregateExpr::new(AggregateFunc::StringAgg, vec![ScalarExpr::Column(0), comma]);
    let text = |agg: &AggregateExpr| format(agg.evaluate(&rows, &arena).expect("no errors"), &Type::Text);
    assert_eq!(text(&agg), "a,b,b,c,c");
    agg.distinct = true;
    assert_eq!(text(&agg), "a,b,c");
    agg.distinct = false;
    let by = |expr, desc| crate::scalar::SortKey { expr, desc, nulls_first: desc };
    agg.order_by = vec![by(ScalarExpr::Column(1), true)];
    assert_eq!(text(&agg), "b,b,a,c,c");
    let greater = crate::scalar::Func::by_id("> Int4 Int4").expect("declared");
    let two = ScalarExpr::literal(Datum::Int(2), Type::Int4);
    agg.filter = Some(ScalarExpr::call(greater, vec![ScalarExpr::Column(1), two], &[Type::Int4, Type::Int4]));
    assert_eq!(text(&agg), "b");
}
