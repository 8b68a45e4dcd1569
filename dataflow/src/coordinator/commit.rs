//! Sequencing: where a transaction gets its timestamp and its place in the log.
//!
//! Both happen under one short lock, so that the order of timestamps is the order of records. The log's thread makes many
//! records durable by one sync (group commit); each keeps a timestamp of its own.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};

use compiler::mir::CollectionId;
use compiler::{Error, SqlState};
use tokio::sync::oneshot;

use crate::clock::Oracle;
use crate::coordinator::Event;
use crate::storage::{Append, ShardAppend, ShardId, Storage, StorageError, Timestamp, Updates};
use crate::tables::Tables;

/// Changes of one collection. Their times are set when they are sequenced.
pub struct Write {
    pub collection: CollectionId,
    pub updates: Updates,
}

/// A transaction whose fate is known.
pub struct Commit {
    pub time: Timestamp,
    pub updates: Vec<(CollectionId, Arc<Updates>)>,
    pub outcome: Result<(), Error>,
    pub reply: oneshot::Sender<Result<Timestamp, Error>>,
}

pub struct Sequencer {
    storage: Storage,
    oracle: Oracle,
    order: Mutex<Order>,
    tables: Arc<Tables>,
    events: Sender<Event>,
}

#[derive(Default)]
struct Order {
    /// The upper of each shard once all that was sequenced is durable: the next append's lower.
    uppers: HashMap<CollectionId, Timestamp>,
    /// Transactions that were sequenced and not yet shown (or refused) by the coordinator.
    in_flight: usize,
}

impl Sequencer {
    pub fn new(storage: Storage, oracle: Oracle, tables: Arc<Tables>, events: Sender<Event>) -> Sequencer {
        Sequencer { storage, oracle, order: Mutex::default(), tables, events }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("invariant: nothing panics while it sequences")
    }

    /// Gives the transaction the next timestamp, adds it to the present of its tables and hands it to the log. The
    /// receiver learns the timestamp when the transaction is durable and visible to reads.
    pub fn sequence(self: &Arc<Self>, writes: Vec<Write>) -> oneshot::Receiver<Result<Timestamp, Error>> {
        let (reply, receiver) = oneshot::channel();
        let mut order = self.order();
        order.in_flight += 1;
        let time = self.oracle.next();
        let updates: Vec<_> = writes
            .into_iter()
            .map(|mut write| {
                write.updates.set_times(time);
                (write.collection, Arc::new(write.updates))
            })
            .collect();
        let shards = updates.iter().map(|(collection, updates)| {
            let shard = ShardId(collection.0);
            let upper =
                order.uppers.entry(*collection).or_insert_with(|| self.storage.frontiers(shard).upper);
            let lower = std::mem::replace(upper, time + 1);
            ShardAppend { shard, lower, updates: updates.clone() }
        });
        let append = Append { upper: time + 1, shards: shards.collect() };
        self.tables.sequenced(time, &updates);
        let this = self.clone();
        self.storage.append(append, move |outcome| this.decided(time, updates, outcome, reply));
        receiver
    }

    /// Runs on the log's thread, in the order of the timestamps.
    fn decided(
        &self,
        time: Timestamp,
        updates: Vec<(CollectionId, Arc<Updates>)>,
        outcome: Result<(), StorageError>,
        reply: oneshot::Sender<Result<Timestamp, Error>>,
    ) {
        if let Err(error) = &outcome {
            // What was sequenced after it on the same shards is refused too: its lower is not the upper.
            let mut order = self.order();
            for (collection, _) in &updates {
                order.uppers.remove(collection);
            }
            drop(order);
            self.tables.refused(time, &updates);
            tracing::warn!(%error, "a commit was refused by storage");
        }
        let outcome = outcome.map_err(refused);
        let _ = self.events.send(Event::Committed(Commit { time, updates, outcome, reply }));
    }

    /// The coordinator has shown (or refused) this many transactions.
    pub fn settled(&self, transactions: usize) {
        self.order().in_flight -= transactions;
    }

    /// What the tables keep for checks of keys.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// A time that may be shown although nothing was written at it. None while a transaction is under way: its time
    /// would be earlier.
    pub fn advance(&self) -> Option<Timestamp> {
        let order = self.order();
        if order.in_flight > 0 { None } else { self.oracle.advance() }
    }

    /// The time of day in microseconds since the Unix epoch.
    pub fn wall(&self) -> Timestamp {
        self.oracle.wall()
    }

    /// Forgets a dropped shard.
    pub fn forget(&self, collection: CollectionId) {
        self.order().uppers.remove(&collection);
    }
}

/// The user's view of storage's refusal.
pub fn refused(error: StorageError) -> Error {
    let code = match &error {
        StorageError::Refused(_) => SqlState::DISK_FULL,
        StorageError::TooLarge(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
        StorageError::Mismatch { .. } => SqlState::SERIALIZATION_FAILURE,
        StorageError::Compacted { .. } => SqlState::INVALID_PARAMETER_VALUE,
        StorageError::Corrupt(_) => SqlState::DATA_CORRUPTED,
        StorageError::Stopped(_) | StorageError::Unavailable(_) => SqlState::IO_ERROR,
    };
    Error::new(code, error.to_string())
}
