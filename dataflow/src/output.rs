//! An output: where a dataflow's updates wait for the session that asked for them.
//!
//! Each worker pushes what it has with its frontier; the reader is given whole timestamps, consolidated, in order, each as
//! soon as every worker has passed it. What waits is bounded in bytes ([`Bound`]): who does not read, or asks for more than memory
//! should hold, is ended with an error instead of slowing the workers or filling the memory.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};

use compiler::scalar::EvalError;
use compiler::{Error, SqlState};
use tokio::sync::Notify;

use crate::failures;
use crate::storage::{Diff, Timestamp, Updates};

/// What the reader is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All updates at one time, consolidated, rows in byte order, at least one.
    Updates { at: Timestamp, rows: Updates },
    /// Nothing more will come before this time.
    Progress(Timestamp),
    /// Nothing more will come.
    End,
}

/// How many bytes may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Of complete times behind the first, for a reader that reads them as they come. Those of one time are read at once, however
    /// many (a snapshot is as large as its relation), and what is not complete yet no reader can take.
    Lag(usize),
    /// In all, for an answer that is gathered before it is read.
    Answer(usize),
    /// For a reader that is part of the engine.
    None,
}

#[derive(Debug)]
pub struct Output {
    state: Mutex<State>,
    ready: Notify,
    /// The same for readers that are threads.
    ready_blocking: Condvar,
    bound: Bound,
    /// Errors are given to the reader as [`failures`], not as the end.
    recording: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Per worker: everything before it was pushed.
    uppers: Vec<Timestamp>,
    waiting: BTreeMap<Timestamp, Updates>,
    waiting_bytes: usize,
    /// Evaluation errors that are not decided yet, and those that stand.
    errs: BTreeMap<Timestamp, Updates>,
    standing: BTreeMap<Vec<u8>, Diff>,
    /// The least upper of the workers that the reader was told of.
    told: Timestamp,
    overrun: bool,
    closed: bool,
    /// Told once all before a time has been.
    ending: Option<(Timestamp, Error)>,
}

impl Output {
    /// For this many workers.
    pub fn new(workers: usize, bound: Bound) -> Output {
        let state = State { uppers: vec![0; workers], ..State::default() };
        Output {
            state: Mutex::new(state),
            ready: Notify::new(),
            ready_blocking: Condvar::new(),
            bound,
            recording: false,
        }
    }

    /// For a derived stream: without a limit, and errors among the rows, as the records that its shard keeps of them.
    pub fn recording(workers: usize) -> Output {
        Output { recording: true, ..Output::new(workers, Bound::None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: nothing panics while it has an output")
    }

    /// Takes a worker's updates, all at or beyond its last frontier, and its frontier now: everything before `upper` was
    /// pushed (`Timestamp::MAX` when the worker is done).
    pub fn push<'a>(
        &self,
        worker: usize,
        updates: impl Iterator<Item = (&'a [u8], Timestamp, Diff)>,
        upper: Timestamp,
    ) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.take(updates);
        state.uppers[worker] = state.uppers[worker].max(upper);
        if state.exceeds(self.bound) {
            state.overrun = true;
            state.forget();
            state.closed = true;
        }
        drop(state);
        self.wake();
    }

    /// Takes a worker's errors (packed), before the [`Output::push`] that passes their times. While one stands, the output fails.
    pub fn push_errs<'a>(&self, errs: impl Iterator<Item = (&'a [u8], Timestamp, Diff)>) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        match self.recording {
            true => state.take(errs.map(|(error, time, diff)| (failures::record(error), time, diff))),
            false => errs.for_each(|(error, time, diff)| {
                state.errs.entry(time).or_default().push(error, time, diff);
            }),
        }
    }

    /// Ends the output with an error, once all updates before `upper` have been given.
    pub fn end(&self, upper: Timestamp, error: Error) {
        self.state().ending.get_or_insert((upper, error));
        self.wake();
    }

    /// Nobody reads any more: what comes is thrown away.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.forget();
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        self.ready.notify_one();
        self.ready_blocking.notify_one();
    }

    /// The next event; blocks the thread until there is one. None when the output was closed.
    pub fn wait(&self) -> Result<Option<Event>, Error> {
        let mut state = self.state();
        loop {
            if let Some(event) = state.next(self.bound)? {
                drop(state);
                if let Some(event) = consolidated(event) {
                    return Ok(Some(event));
                }
                state = self.state();
                continue;
            }
            if state.closed {
                return Ok(None);
            }
            state =
                self.ready_blocking.wait(state).expect("invariant: nothing panics while it has an output");
        }
    }

    /// The next event; waits for it.
    pub async fn next(&self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.ready.notified().await;
        }
    }

    /// The next event, if there is one now.
    pub fn try_next(&self) -> Result<Option<Event>, Error> {
        loop {
            let Some(event) = self.state().next(self.bound)? else { return Ok(None) };
            // The workers push on meanwhile.
            if let Some(event) = consolidated(event) {
                return Ok(Some(event));
            }
        }
    }
}

/// From so many updates on, consolidating them takes long enough to hold up whatever else a reactor's thread does.
const MANY: usize = 10_000;

/// The event with its updates consolidated; none if they cancel.
fn consolidated(event: Event) -> Option<Event> {
    let Event::Updates { at, mut rows } = event else { return Some(event) };
    let on_a_reactor = tokio::runtime::Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
    match rows.len() > MANY && on_a_reactor {
        true => tokio::task::block_in_place(|| rows.consolidate()),
        false => rows.consolidate(),
    }
    (!rows.is_empty()).then_some(Event::Updates { at, rows })
}

impl State {
    /// Lets go of all that waits.
    fn forget(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.errs.clear();
    }

    /// Puts updates by their times; those of one time mostly come together.
    fn take(&mut self, updates: impl Iterator<Item = (impl AsRef<[u8]>, Timestamp, Diff)>) {
        let mut updates = updates.peekable();
        while let Some((row, time, diff)) = updates.next() {
            let waiting = self.waiting.entry(time).or_default();
            let before = cost(waiting);
            waiting.push(row.as_ref(), time, diff);
            while let Some((row, _, diff)) = updates.next_if(|update| update.1 == time) {
                waiting.push(row.as_ref(), time, diff);
            }
            self.waiting_bytes += cost(waiting) - before;
        }
    }

    /// Whether more waits than may.
    fn exceeds(&self, bound: Bound) -> bool {
        match bound {
            Bound::Lag(bytes_max) if self.waiting_bytes > bytes_max => {
                let complete = self.waiting.range(..self.upper()).skip(1);
                complete.map(|(_, updates)| cost(updates)).sum::<usize>() > bytes_max
            }
            Bound::Answer(bytes_max) => self.waiting_bytes > bytes_max,
            Bound::Lag(_) | Bound::None => false,
        }
    }

    /// All before it was pushed by every worker.
    fn upper(&self) -> Timestamp {
        self.uppers.iter().copied().min().unwrap_or(Timestamp::MAX)
    }

    /// The next event, its updates not consolidated.
    fn next(&mut self, bound: Bound) -> Result<Option<Event>, Error> {
        if self.overrun {
            return Err(exceeded(bound));
        }
        let upper = self.upper();
        // Of each time before its rows.
        self.fail_on_error(upper)?;
        if let Some(first) = self.waiting.first_entry().filter(|first| *first.key() < upper) {
            let (at, rows) = first.remove_entry();
            self.waiting_bytes -= cost(&rows);
            return Ok(Some(Event::Updates { at, rows }));
        }
        if upper == Timestamp::MAX {
            return Ok(Some(Event::End));
        }
        if let Some((last, error)) = &self.ending
            && upper >= *last
        {
            return Err(error.clone());
        }
        if upper > self.told {
            self.told = upper;
            return Ok(Some(Event::Progress(upper)));
        }
        Ok(None)
    }

    /// Settles the errors up to the time that is told next: the first of the rows' times, or all before `upper`.
    fn fail_on_error(&mut self, upper: Timestamp) -> Result<(), Error> {
        let until = self.waiting.first_key_value().map_or(upper, |(at, _)| upper.min(at.saturating_add(1)));
        while let Some(first) = self.errs.first_entry()
            && *first.key() < until
        {
            for (error, _, diff) in first.remove().iter() {
                *self.standing.entry(error.to_vec()).or_default() += diff;
            }
            self.standing.retain(|_, count| *count != 0);
            if let Some((error, _)) = self.standing.first_key_value() {
                return Err(EvalError::decode(error).into());
            }
        }
        Ok(())
    }
}

/// The bytes of memory that waiting updates take, about.
fn cost(updates: &Updates) -> usize {
    updates.row_bytes() + 32 * updates.len()
}

fn exceeded(bound: Bound) -> Error {
    match bound {
        Bound::Answer(bytes_max) => answer_too_large(bytes_max),
        Bound::Lag(_) | Bound::None => {
            let bytes_max = if let Bound::Lag(bytes_max) = bound { bytes_max } else { usize::MAX };
            Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, "the subscriber does not read fast enough")
                .detail(format!("More than {} MiB of updates were waiting to be read.", bytes_max >> 20))
                .hint(
                    "Subscribe again, with a narrower query, or AS OF the last timestamp that was received.",
                )
        }
    }
}

/// What is said of an answer that takes more than it may.
pub fn answer_too_large(bytes_max: usize) -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "result is too large")
        .detail(format!("The rows of a result take at most {} MiB.", bytes_max >> 20))
        .hint("Read it in parts, by LIMIT or by ranges of a key.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'a>(
        updates: &'a [(&'a str, Timestamp, Diff)],
    ) -> impl Iterator<Item = (&'a [u8], Timestamp, Diff)> {
        updates.iter().map(|(row, time, diff)| (row.as_bytes(), *time, *diff))
    }

    #[test]
    fn a_time_is_given_whole_and_consolidated_once_every_worker_has_passed_it() {
        let output = Output::new(2, Bound::None);
        output.push(0, rows(&[("b", 1, 1), ("a", 1, 1), ("c", 2, 1)]), 2);
        assert_eq!(output.try_next().expect("nothing fails"), None);
        output.push(1, rows(&[("b", 1, -1), ("a", 1, 1)]), 3);
        let expected: Updates = [(&b"a"[..], 1, 2)].into_iter().collect();
        assert_eq!(output.try_next(), Ok(Some(Event::Updates { at: 1, rows: expected })));
        assert_eq!(output.try_next(), Ok(Some(Event::Progress(2))));
    }

    #[test]
    fn an_error_is_told_before_the_rows_of_its_time_though_those_before_cancel() {
        let output = Output::new(1, Bound::None);
        output.push_errs([(&EvalError::division_by_zero().packed()[..], 6, 1)].into_iter());
        output.push(0, rows(&[("r", 5, 1), ("r", 5, -1), ("s", 6, 1)]), 7);
        assert_eq!(output.try_next().expect_err("an error stands at 6").code, SqlState::DIVISION_BY_ZERO);
    }

    #[test]
    fn a_reader_lags_by_what_it_could_have_read() {
        let long = "x".repeat(1 << 10);
        let output = Output::new(1, Bound::Lag(4 << 10));
        // The first time may be of any size, and so may what is not complete.
        (0..16).for_each(|_| output.push(0, rows(&[(&long, 1, 1)]), 0));
        (2..32).for_each(|time| output.push(0, rows(&[(&long, time, 1)]), 0));
        output.push(0, rows(&[]), 2);
        assert!(matches!(output.try_next(), Ok(Some(Event::Updates { at: 1, .. }))));
        output.push(0, rows(&[]), 32);
        let error = output.try_next().expect_err("the reader lags");
        assert_eq!(error.code, SqlState::CONFIGURATION_LIMIT_EXCEEDED);
    }

    #[test]
    fn an_answer_is_bounded_while_it_is_gathered() {
        let output = Output::new(1, Bound::Answer(4 << 10));
        let long = "x".repeat(1 << 10);
        for _ in 0..8 {
            assert_eq!(output.try_next(), Ok(None));
            output.push(0, rows(&[(&long, 1, 1)]), 0);
            if output.state().closed {
                break;
            }
        }
        assert_eq!(output.try_next().expect_err("it is too large").code, SqlState::PROGRAM_LIMIT_EXCEEDED);
        assert_eq!(output.state().waiting_bytes, 0, "what was gathered is let go");
    }

    #[test]
    fn an_output_ends_with_its_error_behind_what_came_before() {
        let output = Output::new(1, Bound::None);
        output.push(0, rows(&[("a", 5, 1)]), 5);
        output.end(6, Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "it is gone"));
        assert_eq!(output.try_next(), Ok(Some(Event::Progress(5))));
        assert_eq!(output.try_next(), Ok(None));
        output.push(0, rows(&[("b", 9, 1)]), 6);
        assert!(matches!(output.try_next(), Ok(Some(Event::Updates { at: 5, .. }))));
        assert_eq!(output.try_next().expect_err("it has ended").message, "it is gone");
    }
}
