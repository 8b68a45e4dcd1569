//! What passes and the lowering know of an expression without running it. Keys are a part of MIR's types, see
//! [`Rel::keys`](crate::mir::Rel::keys).

pub mod cardinality;
pub mod columns;
pub mod errors;
pub mod monotonic;
