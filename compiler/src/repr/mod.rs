//! Values: what a row is made of, how it is packed, and what its types are.
//!
//! One encoding serves every use. A [`Row`] is the concatenation of its datums' encodings; each encoding is
//! self-delimiting and ordered, so that comparing two rows' bytes is comparing their columns in SQL order
//! (NULLS LAST). *Identity* is all bytes: equal bytes cancel. *Equality* is SQL's `=`: two datums are equal when their
//! canonical encodings are ([`canonical::canonicalize`]); they differ only where equal values print differently (1.0 and
//! 1.00, -0 and 0, '1 mon' and '30 days', numbers in jsonb, blanks at the end of char(n)).

pub mod arena;
pub mod array;
pub mod bpchar;
pub mod canonical;
pub mod datetime;
pub mod datum;
pub mod interval;
pub mod json;
pub mod label;
pub mod numeric;
pub mod row;
pub mod text;
pub mod types;

#[cfg(test)]
mod properties;

pub use arena::{Arena, Interrupt};
pub use array::Array;
pub use bpchar::Bpchar;
pub use canonical::{canonicalize, encode_canonical, encode_key, encode_sort_key};
pub use datum::Datum;
pub use interval::Interval;
pub use json::Json;
pub use label::Label;
pub use numeric::{Numeric, NumericBuf};
pub use row::{Row, RowBuf};
pub use types::{ColumnType, RelationType, Type};
