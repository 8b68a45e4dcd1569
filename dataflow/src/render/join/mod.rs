//! Joins.
//!
//! *Linear*: two inputs at a time, left to right, each intermediate result arranged anew. *Delta*: one path per input, its
//! updates looked up in the others' arrangements one after the other; nothing intermediate is kept.

mod half;
mod history;
mod linear;

pub use half::{HalfJoin, Outer, half_join};
pub use linear::join;
