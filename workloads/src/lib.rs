//! What the workloads share: clocks, processes, answers and reports.
//!
//! A workload is a folder beside this one: SQL that declares what comes in (`schema.sql`) and what is asked of it (`views.sql`,
//! `queries.sql`), and a program that runs it. Each
//!
//! 1. checks the answers before it reports a figure ([`answer`]);
//! 2. offers its load by the clock and not by the answers ([`pace`]), where it measures latency ([`latencies`]);
//! 3. measures the yardstick in the same run: a typed program ([`limits`]), the disk ([`disk`]), PostgreSQL ([`postgresql`]);
//! 4. counts CPU time and memory, not only wall time ([`resources`]), for cores are shared;
//! 5. prints a table and puts it into `RESULTS.md`, with the machine, date and commit ([`report`], [`machine`]).
//!
//! A workload speaks to a server only over the wire ([`server`]); `nexmark` alone runs plans in its own process, because
//! what it measures is the dataflow without a wire around it.

pub mod answer;
pub mod disk;
pub mod flags;
pub mod latencies;
#[path = "../limits/mod.rs"]
pub mod limits;
pub mod load;
pub mod machine;
pub mod pace;
pub mod postgresql;
pub mod report;
pub mod resources;
pub mod scratch;
pub mod server;
