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
    /// The relations that the query names.
    reads: BTreeSet<CollectionId>,
}

impl Subscriptions {
    fn running(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.running.lock().expect("invariant: nothing panics while it has the list")
    }

    /// Knows of a subscription until its output is gone.
    pub fn add(&self, output: &Arc<Output>, installed: &Arc<Installed>, reads: BTreeSet<CollectionId>) {
        let (output, installed) = (Arc::downgrade(output), installed.clone());
        let mut running = self.running();
        running.retain(|subscription| subscription.output.strong_count() > 0);
        running.push(Subscription { output, installed, reads });
    }

    /// A relation was dropped at a time.
    pub fn dropped(&self, id: CollectionId, name: &str, at: Timestamp) {
        for subscription in self.running().iter().filter(|subscription| subscription.reads.contains(&id)) {
            if let Some(output) = subscription.output.upgrade() {
                output.end(subscription.installed.needed(at) + 1, dropped(name));
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
