//! SQL text and a catalog snapshot become a plan.
//!
//! The crate knows no time: no I/O, clock, thread, async or timely. Nouns are files, verbs are folders;
//! [`repr`] and [`scalar`] are the values and expressions that every layer shares.

pub mod ast;
pub mod bind;
pub mod catalog;
pub mod decorrelate;
pub mod error;
pub mod explain;
pub mod hir;
pub mod interpret;
pub mod keyword;
pub mod lir;
pub mod lower;
pub mod mir;
pub mod optimize;
pub mod parse;
pub mod plan;
pub mod repr;
pub mod scalar;

pub use error::{Error, SqlState};
