//! Scalar expressions over a row: what they are, what they mean, and the functions that they call.
//!
//! 1. [`ScalarExpr`] is an expression; its functions are declared once each, in the tables listed in [`TABLES`].
//! 2. The binder finds overloads by [`candidates`] and conversions by `cast`.
//! 3. Expressions between two stateful operators are gathered in one [`Mfp`]; [`MfpPlan`] runs it on packed rows.
//! 4. `AggregateExpr` is a function of a group, `TableFunc` a function that gives several rows.
//!
//! Evaluation never panics on data: a failure is an [`EvalError`], a value that travels with its row.

mod declare;

mod arithmetic;
mod comparison;
mod compiled;
mod error;
mod expr;
mod fast;
mod function;
mod mfp;
mod mfp_plan;
mod native;
pub mod special;

pub use comparison::compare;
pub use compiled::CompiledExpr;
pub use error::{EvalError, EvalErrorFields};
pub use expr::ScalarExpr;
pub use fast::Comparison;
pub use function::{
    ArgType, Context, Func, Function, Nulls, Syntax, Volatility, all, candidates, functions_named,
    operators_named,
};
pub use mfp::Mfp;
pub use mfp_plan::{MfpPlan, Scratch};

/// Every table of declarations.
static TABLES: &[&[&[Function]]] = &[
    &[special::FUNCTIONS, comparison::FUNCTIONS, arithmetic::FUNCTIONS],
    comparison::OPERATORS,
    arithmetic::INTEGERS,
];
