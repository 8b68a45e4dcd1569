//! Fuel: how long an operator may work before it lets the worker go on.
//!
//! An operator that is not done keeps its place and asks to be run again, so that no dataflow's hydration holds up what
//! another has to answer. Time is the measure, because what a row costs is not known beforehand.

use std::time::{Duration, Instant};

/// How long one operator works at a time.
const BUDGET: Duration = Duration::from_millis(1);

/// The longest that an operator works at a time, whatever has piled up before it.
const BUDGET_MAX: Duration = Duration::from_millis(16);

/// How many units of work (a row, a key) are done at most between looks at the clock. The first looks of a turn come sooner: a
/// single unit may take longer than the whole turn should.
const UNITS_PER_LOOK: u32 = 64;

/// What is left of an operator's turn.
pub struct Fuel {
    until: Instant,
    /// Units before the next look, and between that and the one after it.
    units: u32,
    then: u32,
}

impl Fuel {
    /// A turn that begins now. Some work is always done, however short the turn.
    pub fn new() -> Fuel {
        Fuel::for_backlog(0)
    }

    /// A turn of an operator before which so many messages wait. It is the longer the more there are: if each operator had the same
    /// share, one that is slower than the one before it would be sent more than it can take, and memory would hold the rest.
    pub fn for_backlog(messages: usize) -> Fuel {
        let budget = BUDGET.saturating_mul(1 + (messages / 4).min(64) as u32).min(BUDGET_MAX);
        Fuel::lasting(budget)
    }

    /// A turn of this length.
    pub fn lasting(budget: Duration) -> Fuel {
        Fuel { until: Instant::now() + budget, units: 0, then: 1 }
    }

    /// Counts one unit of work; false when the turn is over.
    #[inline]
    pub fn spend(&mut self) -> bool {
        self.spend_many(1)
    }

    /// Counts units of work; false when the turn is over.
    #[inline]
    pub fn spend_many(&mut self, units: u32) -> bool {
        if let Some(left) = self.units.checked_sub(units) {
            self.units = left;
            return true;
        }
        self.units = self.then;
        self.then = (self.then * 2).min(UNITS_PER_LOOK);
        Instant::now() < self.until
    }
}
