//! Maintained collections, timestamps, durability: what runs behind the SQL.
//!
//! The crate knows no SQL and no clients: ids, plans, rows, timestamps. The life of a row of an INSERT:
//!
//! 1. A session takes its tables' locks ([`Engine::lock`]) and checks keys against each table's present
//!    ([`tables`]): the published arrangement plus the commits that are not yet in it.
//! 2. [`WriteLock::commit`] gives the transaction its timestamp and its place in the log ([`coordinator::commit`]); the lock is
//!    free again.
//! 3. The log makes it durable, with whatever else waits ([`storage`]), and tells the coordinator.
//! 4. The coordinator ([`coordinator`]) lets readers use the timestamp, sends one tick to the workers, answers the writer.
//! 5. Each worker ([`worker`]) feeds the rows to the dataflows that read the table, lets timely work, compacts and
//!    publishes what has changed ([`published`]).
//! 6. Sessions read published arrangements on their own threads ([`reads`]); subscribers are handed each complete
//!    timestamp ([`output`]).
//!
//! The planes do not import each other: what crosses between them is in [`command`].

pub mod clock;
pub mod command;
pub mod contents;
pub mod coordinator;
pub mod counters;
pub mod engine;
pub mod exchange;
pub mod failures;
mod fuel;
mod in_use;
pub mod output;
pub mod peeks;
pub mod published;
pub mod reads;
pub mod render;
pub mod sequences;
pub mod spine;
pub mod storage;
mod subscriptions;
pub mod tables;
pub mod worker;

pub use engine::{CommitError, Config, Engine, Running, WriteLock};
pub use in_use::InUse;
pub use subscriptions::Reads;
pub use worker::lost;
