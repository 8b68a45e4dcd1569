//! The limits: hand-written, statically typed differential programs of the queries that the workloads compile from SQL.
//!
//! They are what somebody who knows the query and differential dataflow would write: no packed rows, no interpreter, no column
//! that the query does not read, types and operators chosen by hand. A compiled query reports its speed as a ratio to its
//! limit, measured in the same run over the same batches.

pub mod nexmark;
