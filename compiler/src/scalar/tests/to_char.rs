//! `to_char` against what PostgreSQL 15 prints: each line of `to_char.tsv` is a type, a value, a pattern and the text.

use super::{format, parse};
use crate::repr::{Arena, Datum, Type};
use crate::scalar::{Func, ScalarExpr};

#[test]
fn patterns_print_what_postgresql_prints() {
    let mut failures = Vec::new();
    for line in include_str!("to_char.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, value, pattern, expected] = fields[..] else { panic!("four fields: {line:?}") };
        let typ = Type::named(name).expect("a type's name");
        let id = match typ {
            Type::Numeric(_) => "to_char Numeric Text",
            Type::Timestamp(None) => "to_char Timestamp Text",
            _ => "to_char Interval Text",
        };
        let arena = Arena::default();
        let value_of_type = ScalarExpr::literal(parse(&typ, value, &arena), typ.clone());
        let pattern_text = ScalarExpr::literal(Datum::Text(pattern), Type::Text);
        let types = [typ, Type::Text];
        let call =
            ScalarExpr::call(Func::by_id(id).expect("declared"), vec![value_of_type, pattern_text], &types);
        let actual = match call.eval(&[], &arena) {
            Ok(datum) => format(datum, &Type::Text),
            Err(error) => format!("ERR {}", error.message),
        };
        if actual != expected {
            failures.push(format!("to_char({name} '{value}', '{pattern}') is {actual:?}, not {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
