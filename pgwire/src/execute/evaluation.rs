//! Evaluating expressions for a session.
//!
//! What is short is evaluated where the session stands, on one of the reactor's few threads. What turns out to take long is begun
//! again beside them, where it delays nobody, and asks there whether it should stop. So a lookup of a key pays nothing for it, and no
//! expression has to be judged beforehand.

use std::sync::Arc;

use compiler::Error;
use compiler::repr::{Arena, Row, RowBuf};
use compiler::scalar::{EvalError, MfpPlan, ScalarExpr, Scratch};

use crate::session::Interrupt;

/// The work that is done on a thread of the reactor before the rest is done beside it: less than a millisecond's.
const UNITS_AT_ONCE: usize = 1 << 18;

/// What one statement evaluates.
pub struct Evaluation {
    interrupt: Arc<Interrupt>,
    scratch: Scratch,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the reactor's thread, until that has been long enough.
    AtOnce,
    /// To be taken beside the reactor at each call.
    ToBeMoved,
    /// The caller has seen to it.
    Beside,
}

impl Evaluation {
    pub fn new(interrupt: &Arc<Interrupt>) -> Evaluation {
        Evaluation {
            interrupt: Arc::clone(interrupt),
            scratch: Scratch::new(Arena::within(UNITS_AT_ONCE)),
            place: Place::AtOnce,
        }
    }

    /// For a caller that is beside the reactor already.
    pub fn beside_the_reactor(interrupt: &Arc<Interrupt>) -> Evaluation {
        let mut evaluation = Evaluation::new(interrupt);
        evaluation.go_to(Place::Beside);
        evaluation
    }

    fn go_to(&mut self, place: Place) {
        self.place = place;
        self.scratch = Scratch::new(Arena::interruptible(self.interrupt.clone()));
    }

    /// What `work` gives, which is begun twice when it takes long.
    pub fn run<T, E: Into<Error>>(
        &mut self,
        mut work: impl FnMut(&mut Scratch) -> Result<T, E>,
    ) -> Result<T, Error> {
        if self.place == Place::AtOnce {
            let result = work(&mut self.scratch);
            if self.scratch.arena().stopped().is_none() {
                return result.map_err(Into::into);
            }
            self.go_to(Place::ToBeMoved);
        }
        let result = match self.place {
            Place::Beside => work(&mut self.scratch),
            _ => tokio::task::block_in_place(|| work(&mut self.scratch)),
        };
        match self.scratch.arena().stopped() {
            Some(stopped) => Err(stopped.clone().into()),
            None => result.map_err(Into::into),
        }
    }

    /// Replaces `out` by the row that a plan makes of these parts of one, if it passes.
    pub fn pass(&mut self, plan: &MfpPlan, parts: &[&[u8]], out: &mut RowBuf) -> Result<bool, Error> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        self.run(|scratch| {
            out.clear();
            scratch.arena().work(bytes)?;
            plan.evaluate_parts(parts, scratch, out)
        })
    }

    /// The values of expressions that read no column.
    pub fn values(&mut self, exprs: &[ScalarExpr]) -> Result<Row, Error> {
        self.run(|scratch| -> Result<Row, EvalError> {
            scratch.arena_mut().reset();
            let arena = scratch.arena();
            let values = exprs.iter().map(|expr| expr.eval(&[], arena)).collect::<Result<Vec<_>, _>>()?;
            Ok(Row::pack(values))
        })
    }
}

/// Does what takes as long as there are rows or bytes: beside the reactor, if it is long.
pub fn beside_the_reactor<T>(is_long: bool, work: impl FnOnce() -> T) -> T {
    if is_long { tokio::task::block_in_place(work) } else { work() }
}
