//! How much there is of what statements take: dataflows, loads, arrangements, read holds.
//!
//! Whatever is counted carries a [`One`], which counts for as long as it lives. Nobody has to remember to count down, so that what a
//! statement leaves behind shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an engine has in this process, for introspection and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Dataflows that workers run, each worker's for itself.
    pub dataflows: usize,
    /// Contents of shards that are on their way into dataflows.
    pub loads: usize,
    /// Arrangements that a worker keeps or a session reads.
    pub arrangements: usize,
    /// Reads that keep an arrangement from compacting.
    pub holds: usize,
}

/// The counts behind it. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub dataflows: Count,
    pub loads: Count,
    pub arrangements: Count,
    pub holds: Count,
}

#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicUsize>);

/// One of what is counted.
#[derive(Debug)]
pub struct One(Count);

impl Counts {
    pub fn in_use(&self) -> InUse {
        let Counts { dataflows, loads, arrangements, holds } = self;
        InUse {
            dataflows: dataflows.get(),
            loads: loads.get(),
            arrangements: arrangements.get(),
            holds: holds.get(),
        }
    }
}

impl Count {
    pub fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
