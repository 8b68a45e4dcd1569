//! A SUBSCRIBE's rows, as they come.
//!
//! Each timestamp arrives whole and becomes rows at once, as the [`Shape`] has them. An error ends it, and is told again to whoever asks
//! again.

use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use compiler::plan::{Finishing, Shape, Subscribe};
use compiler::repr::{Datum, RowBuf, row};
use compiler::scalar::ScalarExpr;
use compiler::{Error, SqlState};
use dataflow::output::Event;
use dataflow::storage::{Timestamp, Updates};
use dataflow::{Reads, Running};

use super::envelope::Keys;
use super::finish::{Cut, finish};
use super::{Evaluation, Executor, Transaction};
use crate::session::{Interrupt, RowSet};

/// The updates of a collection as rows.
pub struct Subscription {
    running: Running,
    form: Form,
    /// Progress rows are wanted, which have these many NULLs behind the word for it.
    progress: bool,
    width: usize,
    /// How many more rows are wanted, if not all.
    left: Option<usize>,
    /// Updates at or before this time are not wanted: the subscriber has them.
    known: Option<Timestamp>,
    /// All before it has come.
    passed: Timestamp,
    rows: RowSet,
    next: usize,
    ended: bool,
    failed: Option<Error>,
}

/// A [`Shape`] at work.
enum Form {
    /// With the order of one timestamp's rows, and all their columns.
    Updates(Finishing),
    Rows,
    Changes,
    Keys(Keys),
}

impl Form {
    fn of(subscribe: &Subscribe) -> Form {
        match subscribe.shape.clone() {
            Shape::Updates { order } => {
                let project = (0..subscribe.columns.len()).collect();
                Form::Updates(Finishing { order, project, ..Finishing::default() })
            }
            Shape::Rows => Form::Rows,
            Shape::Changes => Form::Changes,
            Shape::Envelope(envelope) => Form::Keys(Keys::new(envelope)),
        }
    }
}

impl Executor {
    /// Begins a SUBSCRIBE, whose parameters are bound.
    pub(super) async fn subscribe(
        &self,
        subscribe: &Subscribe,
        transaction: &Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Subscription, Error> {
        let mut evaluation = Evaluation::new(interrupt);
        let as_of = time("AS OF", subscribe.as_of.as_ref(), &mut evaluation)?;
        let up_to = time("UP TO", subscribe.up_to.as_ref(), &mut evaluation)?;
        let left = limit(subscribe.limit.as_ref(), &mut evaluation)?;
        if self.touched(&self.catalog(transaction), &subscribe.depends_on, transaction) {
            let message = "SUBSCRIBE cannot read what its transaction has changed";
            return Err(Error::unsupported(message).hint("Commit first."));
        }
        let dataflow = subscribe.dataflow.clone();
        let reads = Reads { relations: subscribe.depends_on.clone(), columns: subscribe.reads.clone() };
        let running = tokio::select! {
            biased;
            error = interrupt.stopped_or_gone() => return Err(error),
            running = self.engine.subscribe(dataflow, reads, as_of, up_to) => running?,
        };
        let known = (!subscribe.snapshot).then(|| running.as_of());
        Ok(Subscription {
            running,
            form: Form::of(subscribe),
            progress: subscribe.progress,
            width: subscribe.columns.len().saturating_sub(1 + usize::from(subscribe.progress)),
            left,
            known,
            passed: 0,
            rows: RowSet::default(),
            next: 0,
            ended: left == Some(0),
            failed: None,
        })
    }
}

/// What can be done about a row that cannot be evaluated.
const CURE: &str = "The subscription has ended. Subscribe again when the row that fails is gone, or to a query that cannot \
                    fail, for example by CASE.";

/// How many rows are wanted; None: all.
fn limit(expr: Option<&ScalarExpr>, evaluation: &mut Evaluation) -> Result<Option<usize>, Error> {
    let finishing = Finishing { limit: expr.cloned(), ..Finishing::default() };
    Ok(Cut::of(&finishing, evaluation)?.needed())
}

/// Microseconds since the Unix epoch.
fn time(
    clause: &str,
    expr: Option<&ScalarExpr>,
    evaluation: &mut Evaluation,
) -> Result<Option<Timestamp>, Error> {
    let Some(expr) = expr else { return Ok(None) };
    let invalid = |message| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    match evaluation.values(slice::from_ref(expr))?.unpack()[0] {
        Datum::Int(time) => match Timestamp::try_from(time) {
            Ok(time) => Ok(Some(time)),
            Err(_) => invalid(format!("{clause} must not be negative")),
        },
        _ => invalid(format!("{clause} must not be null")),
    }
}

impl Subscription {
    /// The next row that is at hand. The last one that is wanted ends it.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        let row = self.rows.get(self.next)?;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
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

    /// All rows of the times up to now; waits until they have come, and not for more. Who is interrupted can ask again.
    pub async fn present(&mut self, interrupt: &Interrupt) -> Result<RowSet, Error> {
        let present = self.running.present();
        let mut rows = RowSet::default();
        loop {
            while let Some(row) = self.next_row() {
                rows.push(row);
            }
            self.ended |= self.left == Some(0);
            if self.ended || self.passed > present {
                return Ok(rows);
            }
            match &self.failed {
                Some(error) if rows.is_empty() => return Err(error.clone()),
                // What was taken is sent: the error is told to the next call.
                Some(_) => return Ok(rows),
                None => {}
            }
            let event = tokio::select! {
                biased;
                error = interrupt.stopped_or_gone() => {
                    (self.rows, self.next) = (rows, 0);
                    return Err(error);
                }
                event = self.running.next() => event,
            };
            self.take(event);
        }
    }

    fn has_row_or_ended(&mut self) -> Result<bool, Error> {
        self.ended |= self.left == Some(0);
        if self.ended {
            return Ok(true);
        }
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
            Err(error) => self.fail(error),
            Ok(Event::End) => self.ended = true,
            Ok(Event::Progress(at)) => {
                self.passed = at;
                if self.progress {
                    self.push(at, true, &vec![Datum::Null; self.width]);
                }
            }
            Ok(Event::Updates { at, rows }) => {
                let wanted = self.known.is_none_or(|known| at > known);
                match rows.iter().filter(|_| wanted).find_map(|(row, ..)| row::first_error(row)) {
                    Some(error) => self.fail(error.into()),
                    None => self.take_updates(at, &rows, wanted),
                }
            }
        }
    }

    /// Makes rows of one time's updates. Those that are not wanted are remembered where keys are.
    fn take_updates(&mut self, at: Timestamp, updates: &Updates, wanted: bool) {
        let mut form = std::mem::replace(&mut self.form, Form::Rows);
        match &mut form {
            Form::Keys(keys) => {
                let told = keys.take(updates);
                told.iter().filter(|_| wanted).for_each(|row| self.push(at, false, &row.unpack()));
            }
            _ if !wanted => {}
            Form::Updates(finishing) => self.push_updates(at, updates, finishing),
            Form::Rows => {
                for (row, _, diff) in updates.iter() {
                    (0..diff).for_each(|_| self.rows.push(row));
                }
            }
            Form::Changes => {
                for (row, diff) in leaving_first(updates) {
                    let mut change = RowBuf::default();
                    change.extend(row);
                    change.push(Datum::Int(diff));
                    self.rows.push(change.bytes());
                }
            }
        }
        self.form = form;
    }

    fn push_updates(&mut self, at: Timestamp, updates: &Updates, finishing: &Finishing) {
        for (data, diff) in leaving_first(updates) {
            let mut row = RowBuf::default();
            self.begin_row(at, false, &mut row);
            row.push(Datum::Int(diff));
            row.extend(data);
            self.rows.push(row.bytes());
        }
        if finishing.order.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        match finish(rows, finishing, &Cut::default()) {
            Ok(sorted) => self.rows = sorted,
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(if error.hint.is_some() { error } else { error.hint(CURE) });
    }

    fn push(&mut self, at: Timestamp, progressed: bool, what: &[Datum<'_>]) {
        let mut row = RowBuf::default();
        self.begin_row(at, progressed, &mut row);
        what.iter().for_each(|datum| row.push(*datum));
        self.rows.push(row.bytes());
    }

    fn begin_row(&self, at: Timestamp, progressed: bool, row: &mut RowBuf) {
        row.push(Datum::Int(i64::try_from(at).unwrap_or(i64::MAX)));
        if self.progress {
            row.push(Datum::Bool(progressed));
        }
    }
}

/// What goes before what takes its place: who applies them one by one never has two rows of a key.
fn leaving_first(updates: &Updates) -> impl Iterator<Item = (&[u8], i64)> {
    let going = |goes: bool| updates.iter().filter(move |(.., diff)| (*diff < 0) == goes);
    going(true).chain(going(false)).map(|(row, _, diff)| (row, diff))
}
