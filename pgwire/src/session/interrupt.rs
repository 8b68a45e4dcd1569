//! How a running statement learns that it should not go on: a cancel request, a timeout, a client that left, the
//! server's end. One value per session, shared with whoever may interrupt it; asking it costs one load.

use std::sync::atomic::{AtomicU8, Ordering};

use compiler::{Error, SqlState};
use tokio::sync::Notify;

/// Why a statement is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// CancelRequest: ends the statement that is running, and is forgotten when none is.
    Cancel = 1,
    /// `statement_timeout` has passed.
    Timeout = 2,
    /// The client has ended its half of the connection: only an endless statement needs to stop for it.
    Gone = 4,
    /// The server ends; so does the session.
    Shutdown = 8,
}

/// The causes that have been given and not been forgotten.
#[derive(Default)]
pub struct Interrupt {
    causes: AtomicU8,
    changed: Notify,
}

impl Interrupt {
    pub fn request(&self, cause: Cause) {
        self.causes.fetch_or(cause as u8, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Forgets what was meant for the statement before.
    pub fn begin_statement(&self) {
        let statement = Cause::Cancel as u8 | Cause::Timeout as u8;
        if self.causes.load(Ordering::Acquire) & statement != 0 {
            self.causes.fetch_and(!statement, Ordering::AcqRel);
        }
    }

    pub fn is(&self, cause: Cause) -> bool {
        self.causes.load(Ordering::Acquire) & cause as u8 != 0
    }

    /// Err if a finite statement is to stop. Long loops ask every few thousand rows, long evaluations as often.
    pub fn check(&self) -> Result<(), Error> {
        match self.causes.load(Ordering::Acquire) & !(Cause::Gone as u8) {
            0 => Ok(()),
            causes => Err(error(causes)),
        }
    }

    /// Resolves when a finite statement is to stop.
    pub async fn stopped(&self) -> Error {
        self.wait(!(Cause::Gone as u8)).await
    }

    /// Resolves when an endless statement is to stop.
    pub async fn stopped_or_gone(&self) -> Error {
        self.wait(0xff).await
    }

    /// Resolves when the server ends.
    pub async fn shutdown(&self) -> Error {
        self.wait(Cause::Shutdown as u8).await
    }

    async fn wait(&self, mask: u8) -> Error {
        loop {
            // Registered before the load: a request between the two is not lost.
            let changed = self.changed.notified();
            match self.causes.load(Ordering::Acquire) & mask {
                0 => changed.await,
                causes => return error(causes),
            }
        }
    }
}

impl compiler::repr::Interrupt for Interrupt {
    fn check(&self) -> Result<(), Error> {
        self.check()
    }
}

/// The error that the client is told; the gravest cause decides.
fn error(causes: u8) -> Error {
    let (code, message) = if causes & Cause::Shutdown as u8 != 0 {
        (SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
    } else if causes & Cause::Gone as u8 != 0 {
        (SqlState::CONNECTION_EXCEPTION, "connection to client lost")
    } else if causes & Cause::Timeout as u8 != 0 {
        (SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
    } else {
        (SqlState::QUERY_CANCELED, "canceling statement due to user request")
    };
    Error::new(code, message)
}
