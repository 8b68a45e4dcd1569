//! Table functions: for each row, the rows of a function of it.
//!
//! A call may give any number of rows, so it is not carried out at once: the operator keeps the call that it is at and goes on where
//! it was, a millisecond at a time. Whoever drops the dataflow drops the call.

use compiler::repr::{Arena, Datum, RowBuf, Type, row};
use compiler::scalar::{Call, Context, EvalError, Mfp, MfpPlan, ScalarExpr, Scratch, TableFunc};

use super::bounds::Bounds;
use super::bundle::{Collection, Emit, work_off};
use super::finish::{Finisher, Last};
use crate::fuel::Fuel;
use crate::spine::{RowStream, Rows};

/// Applies a table function to each row of `arity` columns. `last` is over the row's columns, then the function's.
pub fn flat_map<'s>(
    stream: RowStream<'s>,
    arity: usize,
    (func, args): (TableFunc, &[ScalarExpr]),
    last: &Last,
    bounds: Bounds,
) -> Collection<'s> {
    let mut calls = Calls::new(arity, func, args, last);
    let begin = |rows| Progress { rows, next: 0, call: None };
    work_off(stream, "FlatMap", true, begin, move |progress, fuel, emit| {
        calls.work(progress, bounds, fuel, emit)
    })
}

/// A container of rows, and how far it was worked off.
struct Progress {
    rows: Rows,
    /// The row whose call is at hand, or is made next.
    next: usize,
    call: Option<Call>,
}

/// What makes calls of rows, and rows of calls.
pub struct Calls {
    func: TableFunc,
    args: MfpPlan,
    scratch: Scratch,
    packed: RowBuf,
    columns: RowBuf,
    arena: Arena,
    finisher: Finisher,
}

impl Calls {
    pub fn new(arity: usize, func: TableFunc, args: &[ScalarExpr], last: &Last) -> Calls {
        let count = args.len();
        Calls {
            func,
            args: MfpPlan::new(&Mfp::new(arity).map(args.iter().cloned()).project(arity..arity + count)),
            scratch: Scratch::default(),
            packed: RowBuf::default(),
            columns: RowBuf::default(),
            arena: Arena::default(),
            finisher: last.finisher(),
        }
    }

    /// Goes on with a container until fuel is spent; true when all of it is done.
    fn work(&mut self, progress: &mut Progress, bounds: Bounds, fuel: &mut Fuel, emit: &mut Emit) -> bool {
        let rows = progress.rows.borrow();
        while progress.next < rows.len() {
            let (row, diff) = (rows.row(progress.next), rows.diffs[progress.next]);
            let time = bounds.clip(rows.times[progress.next]);
            let outcome = match (&mut progress.call, time) {
                (_, None) => Ok(false),
                (Some(call), Some(_)) => self.next_row(row, call),
                (None, Some(_)) => {
                    self.call(row).and_then(|call| self.next_row(row, progress.call.insert(call)))
                }
            };
            match (outcome, time) {
                (Ok(true), Some(time)) => self.finisher.emit(time, diff, emit),
                (Err(error), Some(time)) => {
                    emit.err(&[], &error, time, diff);
                    progress.call = None;
                    progress.next += 1;
                }
                _ => {
                    progress.call = None;
                    progress.next += 1;
                }
            }
            if !fuel.spend() {
                return progress.next == rows.len();
            }
        }
        true
    }

    /// All rows of a row's call, finished, and the error that ends it.
    pub fn for_each_row(&mut self, row: &[u8], mut each: impl FnMut(Result<&Finisher, &EvalError>)) {
        let mut call = match self.call(row) {
            Ok(call) => call,
            Err(error) => return each(Err(&error)),
        };
        loop {
            match self.next_row(row, &mut call) {
                Ok(true) => each(Ok(&self.finisher)),
                Ok(false) => return,
                Err(error) => return each(Err(&error)),
            }
        }
    }

    /// The call for a row.
    fn call(&mut self, row: &[u8]) -> Result<Call, EvalError> {
        self.packed.clear();
        self.arena.reset();
        self.args.evaluate_parts(&[row], &mut self.scratch, &mut self.packed)?;
        let mut datums = Vec::new();
        row::decode_into(self.packed.bytes(), &mut datums);
        if let Some(Datum::Error(error)) = datums.iter().copied().find(Datum::is_error) {
            return Err(error.to_owned());
        }
        self.func.call(&datums, Context { arena: &self.arena, typ: &Type::Unknown })
    }

    /// Finishes the next row of a call; false if there is none.
    fn next_row(&mut self, row: &[u8], call: &mut Call) -> Result<bool, EvalError> {
        self.columns.clear();
        let there = call.next(&mut self.columns)?;
        if there {
            self.finisher.run(&[row, self.columns.bytes()]);
        }
        Ok(there)
    }
}
