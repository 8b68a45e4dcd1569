//! Functions that are called for what they do to this session or another one.

use std::time::Duration;

use compiler::plan::{Effect, EffectCall};
use compiler::repr::{Datum, Row};
use compiler::{Error, SqlState};

use super::advisory::{Key, Lock, Until};
use super::rows::{Positioned, RowSet, Rows};
use super::{Answer, Cause, Reach, ResultRows, Session, Tag, TransactionState};
use crate::execute::Evaluation;

impl Session {
    /// Does it; answers with a row of what it gives.
    pub(super) async fn carry_out(&mut self, call: &EffectCall) -> Result<Answer, Error> {
        let args = Evaluation::new(&self.interrupt).values(&call.args)?;
        let args = args.unpack();
        let given = match args.iter().any(Datum::is_null) {
            true => Datum::Null,
            false => self.effect(call.effect, &args).await?,
        };
        let mut rows = RowSet::default();
        rows.push(Row::pack([given]).bytes());
        let rows = Rows::Set(Positioned { rows, position: 0 });
        let columns = [call.column.clone()].into();
        Ok(Answer::Rows(ResultRows { columns, rows, tag: Tag::Counted("SELECT"), binary: false }))
    }

    async fn effect<'a>(&mut self, effect: Effect, args: &[Datum<'a>]) -> Result<Datum<'a>, Error> {
        const VOID: Datum<'_> = Datum::Text("");
        Ok(match (effect, args) {
            (Effect::Lock { wait, shared, transaction }, key) => {
                let until = if transaction { Until::TransactionEnd } else { Until::Released };
                let lock = Lock { key: lock_key(key), shared };
                if !wait {
                    return Ok(Datum::Bool(self.locks.try_take(lock, until)));
                }
                tokio::select! {
                    taken = self.locks.take(lock, until) => taken?,
                    stopped = self.interrupt.stopped_or_gone() => return Err(stopped),
                }
                VOID
            }
            (Effect::Unlock { shared }, key) => {
                let released = self.locks.release(Lock { key: lock_key(key), shared });
                if !released {
                    let mode = if shared { "ShareLock" } else { "ExclusiveLock" };
                    self.warn(SqlState::WARNING, &format!("you don't own a lock of type {mode}"));
                }
                Datum::Bool(released)
            }
            (Effect::UnlockAll, _) => {
                self.locks.release_all();
                VOID
            }
            (Effect::Sleep, [Datum::Float(seconds)]) => {
                // What is no time is none, NaN too; nobody waits for longer than the most.
                let pause = if *seconds > 0.0 { seconds.min(1e9) } else { 0.0 };
                let pause = Duration::from_secs_f64(pause);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    stopped = self.interrupt.stopped_or_gone() => return Err(stopped),
                }
                VOID
            }
            (Effect::SetConfig, [Datum::Text(name), Datum::Text(value), Datum::Bool(local)]) => {
                let in_block = self.state == TransactionState::Block;
                let reach = if *local && in_block { Reach::Transaction } else { Reach::Session };
                if !*local || in_block {
                    self.parameters.set(name, value, reach)?;
                }
                args[1]
            }
            (Effect::CancelBackend, [Datum::Int(process)]) => self.request(*process, Cause::Cancel),
            (Effect::TerminateBackend, [Datum::Int(process)]) => self.request(*process, Cause::Shutdown),
            _ => unreachable!("invariant: the binder gives each function its arguments"),
        })
    }

    /// Interrupts another session, or this one.
    fn request(&mut self, process: i64, cause: Cause) -> Datum<'static> {
        let found = i32::try_from(process).is_ok_and(|process| self.sessions.request(process, cause));
        if !found {
            self.warn(SqlState::WARNING, &format!("PID {process} is not a PostgreSQL server process"));
        }
        Datum::Bool(found)
    }
}

fn lock_key(args: &[Datum<'_>]) -> Key {
    match args {
        [Datum::Int(key)] => Key::One(*key),
        // They are int4s, as the binder has made them.
        [Datum::Int(first), Datum::Int(second)] => Key::Two(*first as i32, *second as i32),
        _ => unreachable!("invariant: the binder gives a key one number or two"),
    }
}
