//! Conversions: which exist in which context, and what they do to typmods.

use super::{format, parse};
use crate::repr::types::NumericTypmod;
use crate::repr::{Arena, Type};
use crate::scalar::CastContext::{self, Assignment, Explicit, Implicit};
use crate::scalar::{ScalarExpr, cast};

fn numeric(precision: u16, scale: i16) -> Type {
    Type::Numeric(Some(NumericTypmod { precision, scale }))
}

fn array(element: Type) -> Type {
    Type::Array(Box::new(element))
}

/// The text of a converted value, its error, or that there is no such conversion.
fn convert(from: &Type, text: &str, to: &Type, context: CastContext) -> String {
    let Some(cast) = cast(from, to, context) else { return "no cast".to_owned() };
    let arena = Arena::default();
    let literal = ScalarExpr::literal(parse(from, text, &arena), from.clone());
    let converted = cast.apply(literal, &crate::repr::text::TextSettings::default());
    assert_eq!(converted.typ(&[]).typ, *to, "{from:?} to {to:?}");
    match converted.eval(&[], &arena) {
        Ok(datum) => format(datum, to),
        Err(error) => format!("{}: {}", error.code.code(), error.message),
    }
}

#[test]
fn conversions_do_what_postgresql_does() {
    let text = Type::Text;
    let cases: &[(&Type, &str, &Type, CastContext, &str)] = &[
        (&Type::Int4, "1", &Type::Int8, Implicit, "1"),
        (&Type::Int8, "1", &Type::Int4, Implicit, "no cast"),
        (&Type::Int8, "3000000000", &Type::Int4, Assignment, "22003: integer out of range"),
        (&Type::Int4, "40000", &Type::Int2, Assignment, "22003: smallint out of range"),
        (&Type::Int4, "12", &Type::Numeric(None), Implicit, "12"),
        (&Type::Int4, "12", &numeric(5, 2), Assignment, "12.00"),
        (&Type::Int4, "1200", &numeric(5, 2), Assignment, "22003: numeric field overflow"),
        (&numeric(6, 3), "1.005", &numeric(5, 2), Assignment, "1.01"),
        (&numeric(6, 3), "1.005", &Type::Numeric(None), Implicit, "1.005"),
        (&Type::Numeric(None), "2.5", &Type::Int4, Assignment, "3"),
        (&Type::Numeric(None), "NaN", &Type::Int4, Assignment, "0A000: cannot convert NaN to integer"),
        (&Type::Numeric(None), "3e9", &Type::Int4, Assignment, "22003: integer out of range"),
        (&Type::Float8, "2.5", &Type::Int4, Assignment, "2"),
        (&Type::Float8, "NaN", &Type::Int8, Assignment, "22003: bigint out of range"),
        (&Type::Float8, "0.1", &Type::Numeric(None), Assignment, "0.1"),
        (&Type::Int4, "12", &text, Implicit, "no cast"),
        (&Type::Int4, "12", &text, Assignment, "12"),
        (&text, "12", &Type::Int4, Assignment, "no cast"),
        (&text, "12", &Type::Int4, Explicit, "12"),
        (&text, "x", &Type::Int4, Explicit, "22P02: invalid input syntax for type integer: \"x\""),
        (&text, "1.005", &numeric(5, 2), Explicit, "1.01"),
        (&Type::Bool, "t", &text, Assignment, "true"),
        (&Type::Bool, "t", &Type::Varchar(Some(2)), Explicit, "tr"),
        (&text, "abc", &Type::Varchar(None), Implicit, "abc"),
        (&text, "abc", &Type::Varchar(Some(2)), Explicit, "ab"),
        (
            &text,
            "abc",
            &Type::Varchar(Some(2)),
            Assignment,
            "22001: value too long for type character varying(2)",
        ),
        (&text, "ab  ", &Type::Varchar(Some(3)), Assignment, "ab "),
        (&Type::Varchar(Some(5)), "abc", &text, Implicit, "abc"),
        (
            &Type::Int4,
            "1234",
            &Type::Varchar(Some(3)),
            Assignment,
            "22001: value too long for type character varying(3)",
        ),
        (&Type::Int4, "1234", &Type::Varchar(Some(3)), Explicit, "123"),
        (&Type::Date, "2024-02-29", &Type::Timestamp(None), Implicit, "2024-02-29 00:00:00"),
        (&Type::Timestamp(None), "2024-02-29 12:00", &Type::Date, Assignment, "2024-02-29"),
        (&Type::Timestamp(None), "2024-02-29 12:00", &Type::Date, Implicit, "no cast"),
        (
            &Type::Timestamp(None),
            "2024-02-29 12:00",
            &Type::TimestampTz(None),
            Implicit,
            "2024-02-29 12:00:00+00",
        ),
        (&text, "2024-02-29 12:00", &Type::TimestampTz(None), Explicit, "2024-02-29 12:00:00+00"),
        (&Type::Jsonb, "1.5", &Type::Int4, Explicit, "2"),
        (&Type::Jsonb, "\"a\"", &Type::Int4, Explicit, "22023: cannot cast jsonb string to type integer"),
        (&Type::Jsonb, "{\"a\": 1}", &text, Assignment, "{\"a\": 1}"),
        (&array(Type::Int4), "{1,2}", &array(Type::Int8), Implicit, "{1,2}"),
        (&array(Type::Int4), "{1,NULL}", &array(text.clone()), Explicit, "{1,NULL}"),
        (&array(text.clone()), "{1,2}", &array(Type::Int4), Explicit, "{1,2}"),
        (&array(Type::Numeric(None)), "{1.005,2}", &array(numeric(5, 2)), Assignment, "{1.01,2.00}"),
        (&text, "{1,2}", &array(Type::Int4), Explicit, "{1,2}"),
        (&Type::Oid, "4294967295", &Type::Int4, Assignment, "-1"),
        (&Type::Int4, "-1", &Type::Oid, Implicit, "4294967295"),
        (&Type::Name, "abc", &text, Implicit, "abc"),
    ];
    for (from, value, to, context, expected) in cases {
        assert_eq!(
            convert(from, value, to, *context),
            *expected,
            "{value} of {from:?} to {to:?}, {context:?}"
        );
    }
}

#[test]
fn widening_an_integer_costs_nothing() {
    let widened = cast(&Type::Int4, &Type::Int8, Implicit).expect("declared");
    assert!(widened.is_relabel() && !widened.could_error());
}
