//! The map-filter-project at the end of an operator: from a group's columns, or a join's match, to the output's row.

use compiler::repr::{Datum, Row, RowBuf, row};
use compiler::scalar::{EvalError, Mfp, MfpPlan, Scratch};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::bundle::Emit;
use crate::spine::{Diff, RowStream, RowsBuilder, Timestamp};

/// How many of a node's output columns are the key of the rows it emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// The whole row is the key.
    Whole,
    /// So many leading columns.
    First(usize),
    /// So many leading columns, by which what is given is read: an error says the key of its row.
    Told(usize),
    /// So many leading columns, to be joined by: an error in one is the collection's, since it is equal to nothing.
    Joined(usize),
}

impl Keyed {
    /// The length of a packed row's key.
    pub fn key_len(self, packed: &[u8]) -> usize {
        match self {
            Keyed::Whole => packed.len(),
            Keyed::First(columns) | Keyed::Told(columns) | Keyed::Joined(columns) => {
                let rest = (0..columns).fold(packed, |rest, _| row::split_first(rest).1);
                packed.len() - rest.len()
            }
        }
    }
}

/// What is done to each row on its way out of a node: the node's own map-filter-project and those of whoever reads it.
#[derive(Clone, Debug)]
pub struct Last {
    mfp: Option<Mfp>,
    pub keyed: Keyed,
}

impl Last {
    /// Nothing but to say what is key.
    pub fn keyed(keyed: Keyed) -> Last {
        Last { mfp: None, keyed }
    }

    pub fn new(mfp: &Mfp, keyed: Keyed) -> Last {
        Last { mfp: Some(mfp.clone()), keyed }
    }

    /// This, after another map-filter-project.
    pub fn after(self, first: &Mfp) -> Last {
        let mfp = match self.mfp {
            Some(mfp) => first.clone().then(mfp),
            None => first.clone(),
        };
        Last { mfp: Some(mfp), keyed: self.keyed }
    }

    /// Whether rows are to be left as they are, all of each the key.
    pub fn is_nothing(&self) -> bool {
        self.keyed == Keyed::Whole && self.mfp.as_ref().is_none_or(Mfp::is_identity)
    }

    /// What is key, if nothing but that is to be said.
    pub fn only_splits(&self) -> Option<Keyed> {
        (self.mfp.is_none() && !matches!(self.keyed, Keyed::Joined(_))).then_some(self.keyed)
    }

    /// Whether it can fail a row: a predicate can, on an error cell at least, and a key to be joined by.
    pub fn is_fallible(&self) -> bool {
        matches!(self.keyed, Keyed::Joined(_))
            || self.mfp.as_ref().is_some_and(|mfp| !mfp.predicates.is_empty())
    }

    pub fn finisher(&self) -> Finisher {
        let plan = self.mfp.as_ref().map(|mfp| match self.keyed {
            Keyed::Whole => MfpPlan::keyed(mfp, mfp.output_arity()),
            Keyed::First(columns) | Keyed::Told(columns) | Keyed::Joined(columns) => {
                MfpPlan::keyed(mfp, columns)
            }
        });
        let fails = |mfp: &&Mfp| !mfp.predicates.is_empty();
        let key_plan = match self.keyed {
            Keyed::Told(columns) => self.mfp.as_ref().filter(fails).map(|mfp| key_of(mfp, columns).plan()),
            _ => None,
        };
        Finisher {
            plan,
            keyed: self.keyed,
            scratch: Scratch::default(),
            out: RowBuf::default(),
            result: Ok(false),
            key_plan,
            failed_key: RowBuf::default(),
        }
    }
}

/// A map-filter-project at work, and its last result.
pub struct Finisher {
    plan: Option<MfpPlan>,
    keyed: Keyed,
    scratch: Scratch,
    out: RowBuf,
    result: Result<bool, EvalError>,
    /// Finds the key of a row that fails, where it is to be told.
    key_plan: Option<MfpPlan>,
    failed_key: RowBuf,
}

impl Finisher {
    /// Evaluates the row that is the concatenation of these parts.
    #[inline]
    pub fn run(&mut self, parts: &[&[u8]]) {
        self.out.clear();
        self.result = match &self.plan {
            Some(plan) => plan.evaluate_parts(parts, &mut self.scratch, &mut self.out),
            None => {
                parts.iter().for_each(|part| self.out.extend(part));
                if self.out.bytes().len() > row::ROW_BYTES_MAX {
                    self.out.leave_out_large(0, &EvalError::row_too_large());
                }
                self.scratch.key_len = self.keyed.key_len(self.out.bytes());
                Ok(true)
            }
        };
        if self.result.is_err() {
            self.find_key(parts);
        }
        if matches!(self.keyed, Keyed::Joined(_)) && self.result == Ok(true) {
            let error = row::first_error(&self.out.bytes()[..self.scratch.key_len]);
            self.result = error.map_or(Ok(true), Err);
        }
    }

    /// Finds the key of the row that is the concatenation of these parts and has failed.
    #[cold]
    fn find_key(&mut self, parts: &[&[u8]]) {
        self.failed_key.clear();
        if let Some(plan) = &self.key_plan {
            evaluate_key(plan, parts, &mut self.scratch, &mut self.failed_key);
        }
    }

    /// There is no row.
    pub fn absent(&mut self) {
        self.result = Ok(false);
    }

    /// The row and the length of its key, if there is one.
    pub fn row(&self) -> Option<(&[u8], usize)> {
        matches!(self.result, Ok(true)).then(|| (self.out.bytes(), self.scratch.key_len))
    }

    /// The error, and the key of the row that failed as far as it is known.
    pub fn error(&self) -> Option<(&[u8], &EvalError)> {
        Some((self.failed_key.bytes(), self.result.as_ref().err()?))
    }

    pub fn emit(&self, time: Timestamp, diff: Diff, emit: &mut Emit) {
        match &self.result {
            Ok(true) => emit.row(self.out.bytes(), self.scratch.key_len, time, diff),
            Ok(false) => {}
            Err(error) => emit.err(self.failed_key.bytes(), error, time, diff),
        }
    }

    /// Emits what must be added to this result for it to become `next`.
    pub fn emit_change(&self, next: &Finisher, time: Timestamp, emit: &mut Emit) {
        let same = match self.result {
            Ok(true) => self.out.bytes() == next.out.bytes(),
            Ok(false) => true,
            Err(_) => self.failed_key.bytes() == next.failed_key.bytes(),
        };
        if same && self.result == next.result {
            return;
        }
        self.emit(time, -1, emit);
        next.emit(time, 1, emit);
    }
}

/// What gives the key alone, of any row.
fn key_of(mfp: &Mfp, columns: usize) -> Mfp {
    let mut key = mfp.clone();
    key.predicates.clear();
    key.projection.truncate(columns);
    key
}

/// Writes the key that the plan gives; nothing where that fails too. A key that holds an error is none that anyone reads.
fn evaluate_key(plan: &MfpPlan, parts: &[&[u8]], scratch: &mut Scratch, out: &mut RowBuf) {
    let there = plan.evaluate_parts(parts, scratch, out) == Ok(true);
    if !there || row::first_error(out.bytes()).is_some() {
        out.clear();
    }
}

/// Errors that tell the keys of an operator's input, as errors that tell those of its output: `last` is over columns of which the
/// input's key are the first.
pub fn rekey<'s>(errs: RowStream<'s>, last: &Last) -> RowStream<'s> {
    let mut keys =
        Keys { last: last.clone(), plan: None, scratch: Scratch::default(), out: RowBuf::default() };
    errs.unary::<RowsBuilder, _, _, _>(Pipeline, "Rekey", move |_, _| {
        move |input, output| {
            input.for_each(|capability, errs| {
                let mut session = output.session_with_builder(&capability);
                for (key, error, time, diff) in errs.borrow().iter() {
                    session.give((keys.follow(key), error, time, diff));
                }
            })
        }
    })
}

/// From keys of an input to keys of an output.
struct Keys {
    last: Last,
    /// For keys of so many columns, if the output's key follows from them: what it is of them and of NULLs for the others.
    plan: Option<(usize, Option<(MfpPlan, Vec<u8>)>)>,
    scratch: Scratch,
    out: RowBuf,
}

impl Keys {
    /// The key that follows from another; nothing if none does.
    fn follow(&mut self, key: &[u8]) -> &[u8] {
        self.out.clear();
        let Keyed::Told(columns) = self.last.keyed else { return &[] };
        if key.is_empty() {
            return &[];
        }
        let known = row::arity(key);
        if self.plan.as_ref().is_none_or(|(of, _)| *of != known) {
            self.plan = Some((known, plan_of(&self.last, columns, known)));
        }
        if let Some((_, Some((plan, others)))) = &self.plan {
            evaluate_key(plan, &[key, others], &mut self.scratch, &mut self.out);
        }
        self.out.bytes()
    }
}

fn plan_of(last: &Last, columns: usize, known: usize) -> Option<(MfpPlan, Vec<u8>)> {
    let mfp = match &last.mfp {
        Some(mfp) => key_of(mfp, columns),
        None => Mfp::new(known.max(columns)).project(0..columns),
    };
    if mfp.support().last().is_some_and(|column| *column >= known) {
        return None;
    }
    let others = Row::pack(vec![Datum::Null; mfp.input_arity.saturating_sub(known)]);
    Some((mfp.plan(), others.bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use compiler::scalar::ScalarExpr;

    use super::*;

    #[test]
    fn a_row_that_fails_says_its_key_unless_that_fails_too() {
        let arena = Bump::new();
        let error = EvalError::division_by_zero();
        let failed = error.to_cell(&arena);
        let mfp = Mfp::new(2).filter([ScalarExpr::Column(1)]);
        let mut finisher = Last::new(&mfp, Keyed::Told(1)).finisher();
        let key_of = |finisher: &mut Finisher, row: [Datum<'_>; 2]| {
            finisher.run(&[Row::pack(row).bytes()]);
            let (key, found) = finisher.error().expect("the filter fails");
            assert_eq!(*found, error);
            key.to_vec()
        };
        assert_eq!(key_of(&mut finisher, [Datum::Int(7), failed]), Row::pack([Datum::Int(7)]).bytes());
        assert!(key_of(&mut finisher, [failed, failed]).is_empty());
    }
}
