//! Results and errors against PostgreSQL 15: each line of `postgresql.tsv` is a function's id, the texts of its arguments,
//! `=>`, and the text of the result or the error's code and message.

use super::{format, parse};
use crate::repr::{Arena, Type};
use crate::scalar::{Func, ScalarExpr};

#[test]
fn results_and_errors_are_postgresqls() {
    let mut failures = Vec::new();
    for line in include_str!("postgresql.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, texts @ .., "=>", expected] = fields.as_slice() else {
            panic!("id, arguments, =>, result: {line:?}")
        };
        let arena = Arena::default();
        let func = Func::by_id(id).unwrap_or_else(|| panic!("{id:?} is declared"));
        let types: Vec<Type> = func.args.iter().map(|a| a.concrete().expect("a concrete argument")).collect();
        let args =
            texts.iter().zip(&types).map(|(text, t)| ScalarExpr::literal(parse(t, text, &arena), t.clone()));
        let call = ScalarExpr::call(func, args.collect(), &types);
        let actual = match call.eval(&[], &arena) {
            Ok(datum) => format(datum, &call.typ(&[]).typ),
            Err(error) => format!("{}: {}", error.code.code(), error.message),
        };
        if actual != *expected {
            failures.push(format!("{id}{texts:?} is {actual:?}, not {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
