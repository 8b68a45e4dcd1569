//! The subscriptions that run, and what each reads: whoever subscribes to what is dropped is told.
//!
//! A subscription holds what it reads, so a dropped relation's dataflows go on for it; but nothing enters them any more, and it
//! would wait for ever. It is given all that came before, then the error.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use compiler::mir::CollectionId;
use compiler::{Error, SqlState};

use crate::coordinator::Installed;
use crate::output::Output;
use crate::storage::Timestamp;

#[derive(Default)]
pub struct Subscriptions {
    running: Mutex<Vec<Subscription>>,
}

struct Subscription {
    output: Weak<Output>,
    installed: Arc<Installed>,
    reads: Reads,
}

/// What of the catalog a subscription's query names.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    pub relations: BTreeSet<CollectionId>,
    /// Columns by their relations and their places there.
    pub columns: BTreeSet<(CollectionId, usize)>,
}

impl Subscriptions {
    fn running(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.running.lock().expect("invariant: nothing panics while it has the list")
    }

    /// Knows of a subscription until its output is gone.
    pub fn add(&self, output: &Arc<Output>, installed: &Arc<Installed>, reads: Reads) {
        let (output, installed) = (Arc::downgrade(output), installed.clone());
        let mut running = self.running();
        running.retain(|subscription| subscription.output.strong_count() > 0);
        running.push(Subscription { output, installed, reads });
    }

    /// A relation was dropped at a time.
    pub fn dropped(&self, id: CollectionId, name: &str, at: Timestamp) {
        self.end(|reads| reads.relations.contains(&id), at, &dropped(name));
    }

    /// A column of a relation was dropped at a time.
    pub fn column_dropped(&self, column: (CollectionId, usize), relation: &str, name: &str, at: Timestamp) {
        let message =
            format!("the subscription has ended: column \"{name}\" of relation \"{relation}\" was dropped");
        let error = Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("Subscribe again to what is left.");
        self.end(|reads| reads.columns.contains(&column), at, &error);
    }

    fn end(&self, concerns: impl Fn(&Reads) -> bool, at: Timestamp, error: &Error) {
        for subscription in self.running().iter().filter(|subscription| concerns(&subscription.reads)) {
            if let Some(output) = subscription.output.upgrade() {
                output.end(subscription.installed.needed(at) + 1, error.clone());
            }
        }
    }
}

/// What the subscriber is told.
pub fn dropped(name: &str) -> Error {
    let message = format!("the subscription has ended: relation \"{name}\" was dropped");
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("Subscribe to another relation, or create this one anew and subscribe again.")
}
