//! What one worker has of an arrangement at one moment, and how a range of it is read.
//!
//! Rows and errors lie side by side, by the same keys. An error says the key of the row that failed, or none: then that row could
//! have any. So a read of a range is told of the errors with keys in it and of those without, and of no others.

use std::ops::ControlFlow;

use compiler::scalar::EvalError;
use serde::{Deserialize, Serialize};

use crate::spine::Snapshot;
use crate::storage::{Diff, Timestamp};

/// One worker's batches. They do not change: they answer any time from their since on, on any thread.
#[derive(Debug, Default)]
pub struct Contents {
    pub oks: Snapshot,
    pub errs: Snapshot,
    /// All updates before it are in the batches.
    pub upper: Timestamp,
}

/// Which records of an arrangement, by the bytes of their keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Range {
    /// Records with one of these whole keys, which are in order.
    Keys(Vec<Vec<u8>>),
    /// Records with keys from `from` on, up to and not with `to`.
    Between { from: Vec<u8>, to: Option<Vec<u8>> },
}

/// Called with a record's key, its value and its multiplicity.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8], Diff) -> ControlFlow<()>;

impl Range {
    pub const ALL: Range = Range::Between { from: Vec::new(), to: None };

    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Range::Keys(keys) => keys.binary_search_by(|known| known[..].cmp(key)).is_ok(),
            Range::Between { from, to } => key >= &from[..] && to.as_ref().is_none_or(|to| key < &to[..]),
        }
    }
}

impl Contents {
    /// Visits the records in a range as of `at`, in the order of their keys.
    pub fn visit(&self, range: &Range, at: Timestamp, visit: Visit<'_>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        match range {
            Range::Keys(keys) => {
                for key in keys {
                    self.oks.lookup(key, at, |value, diff| {
                        if flow.is_continue() {
                            flow = visit(key, value, diff);
                        }
                    });
                    flow?;
                }
            }
            Range::Between { from, to } => {
                let _ = self.oks.scan(from, at, |key, value, diff| {
                    if to.as_ref().is_some_and(|to| key >= &to[..]) {
                        return ControlFlow::Break(());
                    }
                    flow = visit(key, value, diff);
                    flow
                });
            }
        }
        flow
    }

    /// Visits the records between two keys as of `at`, the greatest key first; those of known keys in the order of these.
    pub fn visit_back(&self, range: &Range, at: Timestamp, visit: Visit<'_>) -> ControlFlow<()> {
        let Range::Between { from, to } = range else { return self.visit(range, at, visit) };
        let mut flow = ControlFlow::Continue(());
        let _ = self.oks.scan_back(to.as_deref(), at, |key, value, diff| {
            if key < &from[..] {
                return ControlFlow::Break(());
            }
            flow = visit(key, value, diff);
            flow
        });
        flow
    }

    /// Err if a row that a read of the range at `at` would look at has failed.
    pub fn check(&self, range: &Range, at: Timestamp) -> Result<(), EvalError> {
        self.error(range, at).map_or(Ok(()), |error| Err(EvalError::decode(error)))
    }

    /// Err if a row that a read of this key at `at` would look at has failed.
    pub fn check_key(&self, key: &[u8], at: Timestamp) -> Result<(), EvalError> {
        let error = self.error_of(&[], at).or_else(|| self.error_of(key, at));
        error.map_or(Ok(()), |error| Err(EvalError::decode(error)))
    }

    /// The first error of a row that a read of the range at `at` would look at, packed.
    pub fn error(&self, range: &Range, at: Timestamp) -> Option<&[u8]> {
        self.error_of(&[], at).or_else(|| match range {
            Range::Keys(keys) => keys.iter().find_map(|key| self.error_of(key, at)),
            Range::Between { from, to } => self.error_between(from, to.as_deref(), at),
        })
    }

    /// The first error that says this key; without one, that says none.
    fn error_of(&self, key: &[u8], at: Timestamp) -> Option<&[u8]> {
        let mut found = None;
        if !self.errs.batches.is_empty() {
            self.errs.lookup(key, at, |error, diff| {
                if diff > 0 {
                    found.get_or_insert(error);
                }
            });
        }
        found
    }

    fn error_between(&self, from: &[u8], to: Option<&[u8]>, at: Timestamp) -> Option<&[u8]> {
        let mut found = None;
        let _ = self.errs.scan(from, at, |key, error, diff| {
            if to.is_some_and(|to| key >= to) {
                return ControlFlow::Break(());
            }
            found = (diff > 0).then_some(error);
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// How many updates the batches hold.
    pub fn updates(&self) -> usize {
        self.oks.updates() + self.errs.updates()
    }
}
