//! What an evaluation works in: the memory of what it builds, and an account of how much it does.
//!
//! A function whose cost is not a small multiple of what it is given says how much it is going to do, by [`Arena::work`], before it
//! does it, and again and again where that is much; a caller who cannot wait gives the arena a budget, or somebody to ask. So whatever
//! a statement evaluates can be given up, and no function knows why. An evaluation that was stopped has no result, whatever
//! it returned: a `false AND …` may have swallowed the error. The caller looks at [`Arena::stopped`] when it has returned.

use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::sync::Arc;

use bumpalo::Bump;

use crate::error::Error;
use crate::scalar::EvalError;

/// Whoever may want a long evaluation to end.
pub trait Interrupt: Send + Sync {
    /// Err when it is to end, and from then on until it has.
    fn check(&self) -> Result<(), Error>;
}

/// Work that is done between two questions: less than a millisecond's.
const UNITS_PER_QUESTION: usize = 1 << 18;

/// Memory and account of an evaluation; dereferences to the memory.
#[derive(Default)]
pub struct Arena {
    memory: Bump,
    /// Units of work before `limit` is asked.
    left: Cell<usize>,
    limit: Limit,
    stopped: OnceCell<EvalError>,
}

#[derive(Default)]
enum Limit {
    #[default]
    None,
    Budget,
    Interrupt(Arc<dyn Interrupt>),
}

impl Arena {
    /// For an evaluation that is stopped after so many units of work. One is about what handling a byte takes.
    pub fn within(budget: usize) -> Arena {
        Arena { left: Cell::new(budget), limit: Limit::Budget, ..Arena::default() }
    }

    /// For an evaluation that asks now and then whether it is to go on.
    pub fn interruptible(interrupt: Arc<dyn Interrupt>) -> Arena {
        Arena { limit: Limit::Interrupt(interrupt), ..Arena::default() }
    }

    /// Says that so much is going to be done; the error is to end the function.
    #[inline]
    pub fn work(&self, units: usize) -> Result<(), EvalError> {
        match self.left.get().checked_sub(units) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => self.ask(),
        }
    }

    #[cold]
    fn ask(&self) -> Result<(), EvalError> {
        if let Some(stopped) = self.stopped.get() {
            return Err(stopped.clone());
        }
        let (answer, left) = match &self.limit {
            Limit::None => (Ok(()), usize::MAX),
            Limit::Budget => (Err(EvalError::internal("an evaluation is beyond its budget")), 0),
            Limit::Interrupt(interrupt) => (interrupt.check().map_err(EvalError::from), UNITS_PER_QUESTION),
        };
        self.left.set(if answer.is_ok() { left } else { 0 });
        answer.map_err(|error| self.stopped.get_or_init(|| error).clone())
    }

    /// Why what was evaluated in it has no result, if it has none.
    pub fn stopped(&self) -> Option<&EvalError> {
        self.stopped.get()
    }

    /// Forgets what was built in it. The account stays.
    pub fn reset(&mut self) {
        self.memory.reset();
    }
}

impl Deref for Arena {
    type Target = Bump;
    fn deref(&self) -> &Bump {
        &self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    struct Never;

    impl Interrupt for Never {
        fn check(&self) -> Result<(), Error> {
            Err(Error::new(SqlState::QUERY_CANCELED, "no"))
        }
    }

    #[test]
    fn work_is_stopped_for_good() {
        let unlimited = Arena::default();
        (0..3).for_each(|_| assert_eq!(unlimited.work(usize::MAX), Ok(())));
        let short = Arena::within(10);
        assert_eq!(short.work(10), Ok(()));
        assert!(short.stopped().is_none() && short.work(1).is_err() && short.work(1).is_err());
        let interrupted = Arena::interruptible(Arc::new(Never));
        let error = interrupted.work(1).expect_err("it is interrupted");
        assert_eq!((error.code, interrupted.stopped()), (SqlState::QUERY_CANCELED, Some(&error)));
    }
}
