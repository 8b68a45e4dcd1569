//! Reads of published arrangements on the caller's own thread.

use std::ops::ControlFlow;
use std::sync::Arc;

use compiler::scalar::EvalError;
use compiler::{Error, SqlState};

use crate::command::{Command, CommandSender, Peek};
use crate::contents::{Range, Visit};
use crate::coordinator::fragments::Readable;
use crate::coordinator::needed;
use crate::peeks::Peeks;
use crate::published::Hold;
use crate::spine::route;
use crate::storage::{Diff, Timestamp};

/// Several arrangements that are all readable at one time, until this is dropped.
pub struct Read {
    at: Timestamp,
    relations: Vec<(Arc<Readable>, Hold)>,
    commands: CommandSender,
    peeks: Arc<Peeks>,
    remote_workers: usize,
}

impl Readable {
    /// The time that the arrangement must have passed before a read at `at` is complete: the last change, and hydration.
    fn needed(&self, at: Timestamp) -> Timestamp {
        needed(&self.clocks, self.as_of, at)
    }

    /// Visits the values of one whole key as of now, without a hold. False when that cannot be done on this thread at once:
    /// the arrangement lags behind what was acknowledged, or lies in other processes too.
    pub fn point(&self, key: &[u8], visit: &mut dyn FnMut(&[u8], Diff)) -> Result<bool, EvalError> {
        let published = &self.published;
        if published.has_remote_parts() || published.upper() <= self.needed(Timestamp::MAX) {
            return Ok(false);
        }
        for part in 0..published.parts() {
            let (contents, at) = published.part(part);
            contents.check_key(key, at)?;
            if part == (route(key) % published.parts() as u64) as usize {
                contents.oks.lookup(key, at, &mut *visit);
            }
        }
        Ok(true)
    }
}

impl Read {
    /// Holds each arrangement at the greatest common time; `read_ts` tells the present one.
    pub(crate) fn new(
        relations: Vec<Arc<Readable>>,
        read_ts: impl Fn() -> Timestamp,
        commands: CommandSender,
        peeks: Arc<Peeks>,
        remote_workers: usize,
    ) -> Read {
        loop {
            let at = read_ts();
            // A hold is refused when the clock has moved on since `at` was taken: try at the newer time.
            let held: Option<Vec<_>> = relations
                .iter()
                .map(|relation| relation.published.hold(at).map(|hold| (relation.clone(), hold)))
                .collect();
            if let Some(relations) = held {
                return Read { at, relations, commands, peeks, remote_workers };
            }
        }
    }

    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// Waits until everything that was committed at or before the timestamp is readable.
    pub async fn complete(&self) -> Result<(), Error> {
        for (relation, _) in &self.relations {
            if !relation.published.complete(relation.needed(self.at)).await {
                return Err(Error::new(
                    SqlState::UNDEFINED_TABLE,
                    "the relation was dropped while it was read",
                ));
            }
        }
        Ok(())
    }

    /// How many workers of this process have a part of the index-th arrangement.
    pub fn parts(&self, index: usize) -> usize {
        self.relations[index].0.published.parts()
    }

    /// Visits the records in the range of the index-th arrangement in this process, worker by worker, each in key order.
    pub fn visit(&self, index: usize, range: &Range, visit: Visit<'_>) -> Result<(), EvalError> {
        for part in 0..self.parts(index) {
            if self.visit_part(index, part, range, false, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// As [`Read::visit`], of one worker, in key order or `backwards`.
    pub fn visit_part(
        &self,
        index: usize,
        part: usize,
        range: &Range,
        backwards: bool,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let (contents, _) = self.relations[index].0.published.part(part);
        contents.check(range, self.at)?;
        Ok(match backwards {
            true => contents.visit_back(range, self.at, visit),
            false => contents.visit(range, self.at, visit),
        })
    }

    /// Whether part of the index-th arrangement lies in other processes: [`Read::remote`] has those records.
    pub fn is_remote(&self, index: usize) -> bool {
        self.relations[index].0.published.has_remote_parts()
    }

    /// The records in the range (key and value in one) of the workers of other processes.
    pub async fn remote(&self, index: usize, range: &Range) -> Result<Vec<(Vec<u8>, Diff)>, EvalError> {
        if !self.is_remote(index) {
            return Ok(Vec::new());
        }
        let (id, answer) = self.peeks.expect(self.remote_workers);
        let dataflow = self.relations[index].0.published.dataflow;
        (self.commands)(Command::Peek(Arc::new(Peek { id, dataflow, at: self.at, range: range.clone() })));
        answer.await.unwrap_or_else(|_| Err(EvalError::internal("a process of the group is gone")))
    }
}
