//! A SUBSCRIBE's rows, as they come.
//!
//! Each timestamp arrives whole and becomes rows at once: when, (whether it is progress,) how many, what. An error is told
//! again to whoever asks again.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bumpalo::Bump;
use compiler::plan::Subscribe;
use compiler::repr::{Datum, RowBuf};
use compiler::scalar::ScalarExpr;
use compiler::{Error, SqlState};
use dataflow::Running;
use dataflow::output::Event;
use dataflow::storage::Timestamp;

use super::{Executor, Transaction};
use crate::session::{Interrupt, RowSet};

/// The updates of a collection as rows.
pub struct Subscription {
    running: Running,
    /// Progress rows are wanted, which have these many NULLs in the place of data.
    progress: bool,
    data_columns: usize,
    /// Updates at or before this time are not wanted: the subscriber has them.
    known: Option<Timestamp>,
    rows: RowSet,
    next: usize,
    ended: bool,
    failed: Option<Error>,
}

impl Executor {
    /// Begins a SUBSCRIBE, whose parameters are bound.
    pub(super) async fn subscribe(
        &self,
        subscribe: &Subscribe,
        transaction: &Transaction,
        interrupt: &Interrupt,
    ) -> Result<Subscription, Error> {
        let as_of = time("AS OF", subscribe.as_of.as_ref())?;
        let up_to = time("UP TO", subscribe.up_to.as_ref())?;
        if self.touched(&self.catalog(transaction), &subscribe.depends_on, transaction) {
            let message = "SUBSCRIBE cannot read what its transaction has changed";
            return Err(Error::unsupported(message).hint("Commit first."));
        }
        let dataflow = subscribe.dataflow.clone();
        let running = tokio::select! {
            biased;
            error = interrupt.stopped_or_gone() => return Err(error),
            running = self.engine.subscribe(dataflow, as_of, up_to) => running?,
        };
        let known = (!subscribe.snapshot).then(|| running.as_of());
        Ok(Subscription {
            running,
            progress: subscribe.progress,
            data_columns: subscribe.columns.len() - 2 - usize::from(subscribe.progress),
            known,
            rows: RowSet::default(),
            next: 0,
            ended: false,
            failed: None,
        })
    }
}

/// Microseconds since the Unix epoch.
fn time(clause: &str, expr: Option<&ScalarExpr>) -> Result<Option<Timestamp>, Error> {
    let Some(expr) = expr else { return Ok(None) };
    let arena = Bump::new();
    let invalid = |message| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    match expr.eval(&[], &arena)? {
        Datum::Int(time) => match Timestamp::try_from(time) {
            Ok(time) => Ok(Some(time)),
            Err(_) => invalid(format!("{clause} must not be negative")),
        },
        _ => invalid(format!("{clause} must not be null")),
    }
}

impl Subscription {
    /// The next row that is at hand.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        let row = self.rows.get(self.next)?;
        self.next += 1;
        Some(row)
    }

    /// Whether a row is at hand, without waiting.
    pub fn try_ready(&mut self) -> Result<bool, Error> {
        loop {
            if self.has_row_or_ended()? {
                return Ok(!self.ended);
            }
            let event = {
                let mut next = pin!(self.running.next());
                match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(event) => event,
                }
            };
            self.take(event);
        }
    }

    /// Waits until a row is at hand; false when none will come. May be given up at any time.
    pub async fn ready(&mut self, interrupt: &Interrupt) -> Result<bool, Error> {
        loop {
            if self.has_row_or_ended()? {
                return Ok(!self.ended);
            }
            let event = tokio::select! {
                biased;
                error = interrupt.stopped_or_gone() => return Err(error),
                event = self.running.next() => event,
            };
            self.take(event);
        }
    }

    fn has_row_or_ended(&self) -> Result<bool, Error> {
        if self.next < self.rows.len() {
            return Ok(true);
        }
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(self.ended),
        }
    }

    /// Makes rows of what has come; the ones before have all been taken.
    fn take(&mut self, event: Result<Event, Error>) {
        self.rows.clear();
        self.next = 0;
        match event {
            Err(error) => self.failed = Some(error),
            Ok(Event::End) => self.ended = true,
            Ok(Event::Progress(at)) if self.progress => self.push(at, None),
            Ok(Event::Progress(_)) => {}
            Ok(Event::Updates { at, rows }) if self.known.is_none_or(|known| at > known) => {
                rows.iter().for_each(|(row, _, diff)| self.push(at, Some((row, diff))));
            }
            Ok(Event::Updates { .. }) => {}
        }
    }

    fn push(&mut self, at: Timestamp, update: Option<(&[u8], i64)>) {
        let mut row = RowBuf::default();
        row.push(Datum::Int(i64::try_from(at).unwrap_or(i64::MAX)));
        if self.progress {
            row.push(Datum::Bool(update.is_none()));
        }
        match update {
            Some((data, diff)) => {
                row.push(Datum::Int(diff));
                row.extend(data);
            }
            None => (0..=self.data_columns).for_each(|_| row.push(Datum::Null)),
        }
        self.rows.push(row.bytes());
    }
}
