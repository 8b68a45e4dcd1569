//! Sequences: what a statement's calls do, row by row, and what the session was given.
//!
//! A call changes its sequence at once, for everybody and for good, whatever becomes of the transaction. Only what the transaction
//! itself has created or restarted is its own until it commits: nobody else can see it before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use compiler::catalog::{Catalog, Kind, Sequence, SequenceState, SequenceValues};
use compiler::mir::CollectionId;
use compiler::plan::{Effects, SequenceCall};
use compiler::repr::row::Datums;
use compiler::repr::{Arena, Datum, RowBuf};
use compiler::scalar::{EvalError, SequenceFunction};
use compiler::{Error, SqlState};
use dataflow::Engine;

use super::{Evaluation, Executor, Transaction};
use crate::session::{Interrupt, RowSet};

/// What a session was given by sequences, and by which one last. No end of a transaction changes it.
#[derive(Clone, Debug, Default)]
pub struct Given {
    values: Arc<Mutex<Values>>,
}

#[derive(Debug, Default)]
struct Values {
    of: HashMap<CollectionId, i64>,
    last: Option<CollectionId>,
}

impl Given {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().expect("invariant: nothing panics while it has a session's values")
    }

    fn note(&self, sequence: CollectionId, value: i64) {
        let mut values = self.values();
        values.of.insert(sequence, value);
        values.last = Some(sequence);
    }

    /// What `setval` leaves for `currval`; what was given last is another matter.
    fn set_current(&self, sequence: CollectionId, value: i64) {
        self.values().of.insert(sequence, value);
    }

    fn current(&self, sequence: CollectionId) -> Option<i64> {
        self.values().of.get(&sequence).copied()
    }

    fn last(&self) -> Option<(CollectionId, i64)> {
        let values = self.values();
        let last = values.last?;
        Some((last, *values.of.get(&last)?))
    }

    /// DISCARD SEQUENCES.
    pub fn forget(&self) {
        *self.values() = Values::default();
    }
}

/// Sequences that a transaction has created or restarted, as they are to be when it commits.
#[derive(Clone, Debug, Default)]
pub struct OwnSequences {
    states: BTreeMap<CollectionId, Own>,
    made: u64,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    state: SequenceState,
    /// Which of the transaction's creations and restarts made it so.
    made: u64,
}

impl OwnSequences {
    /// A statement has created or restarted the sequence.
    pub fn put(&mut self, sequence: CollectionId, state: SequenceState) {
        self.made += 1;
        self.states.insert(sequence, Own { state, made: self.made });
    }

    /// What is to be written; sequences that the transaction has dropped again are not.
    pub fn take(&mut self, catalog: &Catalog) -> BTreeMap<CollectionId, SequenceState> {
        let states = std::mem::take(&mut self.states).into_iter();
        states.filter(|(id, _)| catalog.item(*id).is_some()).map(|(id, own)| (id, own.state)).collect()
    }

    /// Goes back to what it was; but values that were given since stay given.
    pub fn undo_to(&mut self, before: &OwnSequences) {
        let given = std::mem::replace(&mut self.states, before.states.clone());
        for (id, own) in given {
            if let Some(kept) = self.states.get_mut(&id).filter(|kept| kept.made == own.made) {
                *kept = own;
            }
        }
    }
}

/// What sequences hold for a statement that is compiled now.
struct Present {
    engine: Engine,
    catalog: Arc<Catalog>,
    given: Given,
    own: BTreeMap<CollectionId, Own>,
}

impl std::fmt::Debug for Present {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Present").field("given", &self.given).field("own", &self.own).finish_non_exhaustive()
    }
}

impl SequenceValues for Present {
    fn state(&self, id: CollectionId) -> Option<(SequenceState, i64)> {
        if let Some(own) = self.own.get(&id) {
            return Some((own.state, 0));
        }
        match &self.catalog.item(id)?.kind {
            Kind::Sequence(sequence) => Some(self.engine.sequence_state(id, sequence)),
            _ => None,
        }
    }

    fn current(&self, id: CollectionId) -> Option<i64> {
        self.given.current(id)
    }

    fn last(&self) -> Option<i64> {
        self.given.last().filter(|(id, _)| self.catalog.item(*id).is_some()).map(|(_, value)| value)
    }
}

impl Executor {
    /// What sequences hold, as the transaction sees it.
    pub fn sequence_values(&self, transaction: &Transaction) -> Arc<dyn SequenceValues> {
        Arc::new(Present {
            engine: self.engine.clone(),
            catalog: self.catalog(transaction),
            given: transaction.given.clone(),
            own: transaction.sequences.states.clone(),
        })
    }

    /// Makes the calls of each row, in the rows' order; gives what comes of the rows.
    pub(super) async fn affect(
        &self,
        effects: &Effects,
        rows: RowSet,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        // What is given of its own sequences would be given again if its statements were carried out again.
        transaction.only_ddl &= effects.writes().is_none();
        let mut evaluation = Evaluation::new(interrupt);
        let (mut out, mut given, mut buffer) = (RowSet::default(), Vec::new(), RowBuf::default());
        for (number, row) in rows.iter().enumerate() {
            interrupt.check()?;
            given.clear();
            for call in &effects.calls {
                let args =
                    evaluation.run(|scratch| arguments(call, &extended(row, &given), scratch.arena()))?;
                given.push(match args {
                    Some(args) => {
                        let wanted = (rows.len() - number) as i64;
                        Some(self.call(call.function, &args, wanted, transaction).await?)
                    }
                    None => None,
                });
            }
            evaluation.run(|scratch| -> Result<(), EvalError> {
                scratch.arena_mut().reset();
                let row = extended(row, &given);
                buffer.clear();
                effects.outputs.iter().try_for_each(|output| {
                    buffer.push(output.eval(&row, scratch.arena())?);
                    Ok(())
                })
            })?;
            out.push(buffer.bytes());
        }
        Ok(out)
    }

    async fn call(
        &self,
        function: SequenceFunction,
        args: &[Argument],
        wanted: i64,
        transaction: &mut Transaction,
    ) -> Result<i64, Error> {
        let catalog = self.catalog(transaction);
        match (function, args) {
            (SequenceFunction::Lastval, _) => {
                let undefined = || {
                    let message = "lastval is not yet defined in this session";
                    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                };
                let last = transaction.given.last().filter(|(id, _)| catalog.item(*id).is_some());
                last.map(|(_, value)| value).ok_or_else(undefined)
            }
            (SequenceFunction::Currval, [Argument::Number(id)]) => {
                let (id, _, name) = sequence(&catalog, *id)?;
                transaction.given.current(id).ok_or_else(|| {
                    let message =
                        format!("currval of sequence \"{name}\" is not yet defined in this session");
                    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                })
            }
            (SequenceFunction::Nextval, [Argument::Number(id)]) => {
                let (id, of, name) = sequence(&catalog, *id)?;
                let value = match transaction.sequences.states.get_mut(&id) {
                    Some(own) => {
                        let value = of.next(own.state, name)?;
                        own.state = SequenceState { last: value, called: true };
                        value
                    }
                    None => self.engine.next_value(id, of, name, wanted).await?,
                };
                transaction.given.note(id, value);
                Ok(value)
            }
            (SequenceFunction::Setval, [Argument::Number(id), Argument::Number(value), rest @ ..]) => {
                let (id, of, name) = sequence(&catalog, *id)?;
                of.check_value(*value, name)?;
                let called = !matches!(rest, [Argument::Truth(false)]);
                let state = SequenceState { last: *value, called };
                match transaction.sequences.states.get_mut(&id) {
                    Some(own) => own.state = state,
                    None => self.engine.set_sequence(id, state).await?,
                }
                if called {
                    transaction.given.set_current(id, *value);
                }
                Ok(*value)
            }
            _ => unreachable!("invariant: the binder gives each function its arguments"),
        }
    }
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
enum Argument {
    Number(i64),
    Truth(bool),
}

/// A row, and behind it what its calls gave.
fn extended<'r>(row: &'r [u8], given: &[Option<i64>]) -> Vec<Datum<'r>> {
    let given = given.iter().map(|value| value.map_or(Datum::Null, Datum::Int));
    Datums::new(row).chain(given).collect()
}

/// The arguments, if the call is to be made.
fn arguments<'a>(
    call: &'a SequenceCall,
    row: &[Datum<'a>],
    arena: &'a Arena,
) -> Result<Option<Vec<Argument>>, EvalError> {
    if let Some(condition) = &call.condition
        && condition.eval(row, arena)? != Datum::Bool(true)
    {
        return Ok(None);
    }
    let mut args = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        args.push(match arg.eval(row, arena)? {
            Datum::Int(number) => Argument::Number(number),
            Datum::Bool(truth) => Argument::Truth(truth),
            _ => return Ok(None),
        });
    }
    Ok(Some(args))
}

fn sequence(catalog: &Catalog, id: i64) -> Result<(CollectionId, &Sequence, &str), Error> {
    let item = u64::try_from(id).ok().and_then(|id| catalog.item(CollectionId(id)));
    let Some(item) = item else {
        let message = format!("could not open relation with OID {id}");
        return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
    };
    match &item.kind {
        Kind::Sequence(sequence) => Ok((item.id, sequence, &item.name)),
        _ => {
            let message = format!("\"{}\" is not a sequence", item.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
    }
}
