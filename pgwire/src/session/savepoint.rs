//! SAVEPOINT, RELEASE and ROLLBACK TO: places in a block to which it can go back, after an error too.
//!
//! A savepoint copies nothing: it says how much of the transaction's changes, of its parameters and of its cursors was there. While a
//! block has one, an error leaves its changes for ROLLBACK TO; without one they are forgotten at once.

use std::borrow::Cow;
use std::collections::HashSet;

use compiler::{Error, SqlState};

use super::portal::PortalKind;
use super::{Answer, Session, Tag, TransactionState, parameters};
use crate::execute::Mark;

pub struct Savepoint {
    name: String,
    transaction: Mark,
    parameters: parameters::Mark,
    cursors: HashSet<String>,
}

fn done(tag: &'static str) -> Result<Answer, Error> {
    Ok(Answer::Done(Tag::Whole(Cow::Borrowed(tag))))
}

impl Session {
    pub(super) fn savepoint(&mut self, name: &str) -> Result<Answer, Error> {
        self.check_in_block("SAVEPOINT")?;
        let savepoint = Savepoint {
            name: name.to_owned(),
            transaction: self.transaction.mark(),
            parameters: self.parameters.mark(),
            cursors: self.portals.keys().cloned().collect(),
        };
        self.savepoints.push(savepoint);
        done("SAVEPOINT")
    }

    /// Forgets a savepoint and those after it; what was done since stays.
    pub(super) fn release(&mut self, name: &str) -> Result<Answer, Error> {
        self.check_in_block("RELEASE SAVEPOINT")?;
        let place = self.find_savepoint(name)?;
        self.savepoints.truncate(place);
        done("RELEASE")
    }

    /// Undoes what was done since a savepoint, which stays; those after it go.
    pub(super) fn rollback_to(&mut self, name: &str) -> Result<Answer, Error> {
        self.check_in_block("ROLLBACK TO SAVEPOINT")?;
        let place = self.find_savepoint(name)?;
        self.savepoints.truncate(place + 1);
        let savepoint = &self.savepoints[place];
        self.transaction.undo_to(&savepoint.transaction);
        self.parameters.undo_to(&savepoint.parameters);
        self.portals.retain(|name, portal| match portal.kind {
            PortalKind::Protocol => false,
            PortalKind::Cursor { .. } => savepoint.cursors.contains(name),
        });
        self.state = TransactionState::Block;
        done("ROLLBACK")
    }

    /// The last savepoint of this name.
    fn find_savepoint(&self, name: &str) -> Result<usize, Error> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| {
            let message = format!("savepoint \"{name}\" does not exist");
            Error::new(SqlState::INVALID_SAVEPOINT_SPECIFICATION, message)
        })
    }

    fn check_in_block(&self, words: &str) -> Result<(), Error> {
        if matches!(self.state, TransactionState::Block | TransactionState::Failed) {
            return Ok(());
        }
        let message = format!("{words} can only be used in transaction blocks");
        Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message))
    }
}
