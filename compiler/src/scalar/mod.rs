//! Scalar expressions over a row: what they are, what they mean, and the functions that they call.
//!
//! 1. [`ScalarExpr`] is an expression; its functions are declared once each, in tables.
//! 2. The binder finds overloads by [`candidates`] and conversions by [`cast()`].
//! 3. Expressions between two stateful operators are gathered in one [`Mfp`]; [`MfpPlan`] runs it on packed rows.
//! 4. [`AggregateExpr`] is a function of a group, [`WindowExpr`] one of a row among those around it, [`TableFunc`] one that gives several
//!    rows.
//!
//! Evaluation never panics on data: a failure is an [`EvalError`], a value that travels with its row.

mod declare;

pub mod aggregate;
mod arithmetic;
mod array;
mod basic_aggregate;
mod bits;
mod bpchar;
mod cast;
mod catalog;
mod comparison;
mod compiled;
mod datetime;
mod digest;
mod error;
mod exact_sum;
mod expr;
mod fast;
mod float4;
mod function;
mod json;
mod json_build;
mod json_text;
pub mod lanes;
mod limit;
mod math;
mod mfp;
mod mfp_plan;
mod native;
mod number_format;
mod ordered_set;
mod pattern;
pub mod print;
mod regex_syntax;
mod sequence;
mod series;
mod slice;
pub mod special;
mod string;
mod table;
mod time;
mod time_format;
mod time_parse;
mod to_char;
mod variance;
pub mod window;

pub use aggregate::{
    Aggregate, AggregateExpr, AggregateFunc, Class, SortKey, aggregates_named, all_aggregates,
};
pub use cast::{Cast, CastContext, cast};
pub use catalog::split_name;
pub use comparison::compare;
pub use compiled::CompiledExpr;
pub use error::{EvalError, EvalErrorFields};
pub use expr::ScalarExpr;
pub use fast::Comparison;
pub use function::{
    ArgType, Context, Func, Function, Nulls, Syntax, Volatility, all, candidates, functions_named,
    operators_named,
};
pub use lanes::Lane;
pub use mfp::Mfp;
pub use mfp_plan::{MfpPlan, Scratch};
pub use sequence::SequenceFunction;
pub use slice::{Cut, Slice};
pub use string::{quote_ident, quote_literal};
pub use table::{Call, TableFunc, TableFunction, all_table_functions, table_functions_named};
pub use window::{WindowExpr, WindowFunc, all_window_functions, window_functions_named};

/// Every table of declarations.
static TABLES: &[&[&[Function]]] = &[
    &[special::FUNCTIONS, comparison::FUNCTIONS, arithmetic::FUNCTIONS, cast::FUNCTIONS],
    &[math::NUMERIC, math::FLOAT, math::INTEGER],
    &[string::FUNCTIONS, string::QUOTING, pattern::FUNCTIONS],
    &[datetime::ARITHMETIC, datetime::CASTS, datetime::FUNCTIONS, datetime::CLOCK],
    &[float4::FUNCTIONS, bpchar::FUNCTIONS, time::ARITHMETIC, time::CASTS, time::FUNCTIONS],
    &[array::FUNCTIONS, json::FUNCTIONS, catalog::FUNCTIONS],
    &[to_char::FUNCTIONS, number_format::FUNCTIONS, time_parse::FUNCTIONS, comparison::COUNTING],
    comparison::OPERATORS,
    arithmetic::INTEGERS,
];

#[cfg(test)]
mod tests;
