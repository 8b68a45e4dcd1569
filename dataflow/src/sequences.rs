//! What sequences have counted to.
//!
//! A sequence's shard holds one row: a value that nobody was given a later one than. Values are handed out from memory up to it, and
//! before any beyond it is, a row for a later one is made durable in its place. So a value that was given is never given again,
//! whatever becomes of the transaction or the server; a crash skips those that were reserved and not given.
//!
//! ```text
//!      given          left            reserved by the next append
//!   ───────────┼───────────────┼───────────────────────────▶  values
//!            state         the shard's row
//! ```
//!
//! A sequence that a transaction has created or restarted is its own until it commits ([`Held`]): then the row goes with the
//! transaction's other changes, at its timestamp.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use compiler::catalog::{Catalog, Kind, Sequence, SequenceState};
use compiler::mir::CollectionId;
use compiler::repr::Row;
use compiler::{Error, SqlState};
use tokio::sync::OwnedMutexGuard;

use crate::coordinator::commit::{Write, refused};
use crate::storage::{Diff, ShardId, Storage, Timestamp, Updates};

/// How many values are reserved beyond those that are asked for.
const AHEAD: i64 = 32;

/// The sequences by id, each from its first use on.
#[derive(Debug, Default)]
pub struct Sequences {
    known: RwLock<HashMap<CollectionId, Arc<Counter>>>,
}

/// One sequence.
#[derive(Debug, Default)]
struct Counter {
    /// Held by whoever changes it, until the change is durable.
    turn: Arc<tokio::sync::Mutex<()>>,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// None as long as it stands where it was created to.
    state: Option<SequenceState>,
    /// How many values more the durable row covers.
    left: i64,
    /// By what they were counted.
    by: Option<Sequence>,
    /// What the shard holds.
    durable: Option<Row>,
}

impl Counter {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().expect("invariant: nothing panics while it counts")
    }
}

impl Count {
    fn state(&self, sequence: &Sequence) -> SequenceState {
        self.state.unwrap_or_else(|| sequence.initial())
    }

    /// The next value, if it is reserved.
    fn give(&mut self, sequence: &Sequence, name: &str) -> Result<Option<i64>, Error> {
        let state = self.state(sequence);
        if self.left == 0 || self.by.as_ref() != Some(sequence) || !state.called {
            return Ok(None);
        }
        let value = sequence.next(state, name)?;
        self.left -= 1;
        self.state = Some(SequenceState { last: value, called: true });
        Ok(Some(value))
    }

    /// The shard's update that puts a row in the place of what it holds.
    fn replacement(&self, row: &Row) -> Updates {
        let mut updates = Updates::new();
        if let Some(before) = &self.durable {
            updates.push(before.bytes(), 0, -1 as Diff);
        }
        updates.push(row.bytes(), 0, 1 as Diff);
        updates
    }
}

/// Sequences that a transaction sets, held from before its commit until its fate is known.
pub struct Held {
    counters: Vec<(CollectionId, SequenceState, Arc<Counter>, OwnedMutexGuard<()>)>,
}

impl Held {
    /// What the transaction writes for them.
    pub fn writes(&self) -> Vec<Write> {
        let write = |(id, state, counter, _): &(CollectionId, SequenceState, Arc<Counter>, _)| {
            let row = state.to_row();
            let updates = counter.count().replacement(&row);
            Write { collection: *id, updates }
        };
        self.counters.iter().map(write).collect()
    }

    /// Waits for a commit; where it succeeds, the sequences are as it has set them.
    pub async fn until<T, E>(
        self,
        commit: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if self.counters.is_empty() {
            return commit.await;
        }
        // In a task of its own: a client that goes away does not leave in doubt what the shards hold.
        let task = tokio::spawn(async move {
            let committed = commit.await?;
            self.committed();
            Ok(committed)
        });
        joined(task).await
    }

    fn committed(self) {
        for (_, state, counter, _turn) in self.counters {
            let durable = Some(state.to_row());
            *counter.count() = Count { state: Some(state), left: 0, by: None, durable };
        }
    }
}

impl Sequences {
    /// The sequences of the catalog as storage holds them.
    pub fn open(storage: &Storage, catalog: &Catalog, as_of: Timestamp) -> Result<Sequences, Error> {
        let sequences = Sequences::default();
        for item in catalog.items().filter(|item| matches!(item.kind, Kind::Sequence(_))) {
            let Some(row) = stored(storage, ShardId(item.id.0), as_of)? else { continue };
            let corrupt = || {
                let message = format!("what sequence \"{}\" has counted to cannot be read", item.name);
                Error::new(SqlState::DATA_CORRUPTED, message)
            };
            let state = SequenceState::of_row(&row).ok_or_else(corrupt)?;
            let durable = Some(Row::from_bytes(row));
            *sequences.counter(item.id).count() = Count { state: Some(state), left: 0, by: None, durable };
        }
        Ok(sequences)
    }

    fn counter(&self, id: CollectionId) -> Arc<Counter> {
        const UNBROKEN: &str = "invariant: nothing panics while it has the sequences";
        if let Some(counter) = self.known.read().expect(UNBROKEN).get(&id) {
            return counter.clone();
        }
        self.known.write().expect(UNBROKEN).entry(id).or_default().clone()
    }

    /// Forgets a dropped sequence.
    pub fn remove(&self, id: CollectionId) {
        self.known.write().expect("invariant: nothing panics while it has the sequences").remove(&id);
    }

    /// What a sequence has counted to, and how many values it may give before it writes again.
    pub fn state(&self, id: CollectionId, sequence: &Sequence) -> (SequenceState, i64) {
        let counter = self.counter(id);
        let count = counter.count();
        (count.state(sequence), count.left)
    }

    /// Waits for the right to set these, in the order of their ids.
    pub async fn hold(&self, states: &BTreeMap<CollectionId, SequenceState>) -> Held {
        let mut counters = Vec::with_capacity(states.len());
        for (id, state) in states {
            let counter = self.counter(*id);
            let turn = counter.turn.clone().lock_owned().await;
            counters.push((*id, *state, counter, turn));
        }
        Held { counters }
    }

    /// The next value. `wanted` is how many its caller is about to ask for, this one among them; `append` makes writes durable.
    pub async fn next<F>(
        &self,
        id: CollectionId,
        sequence: &Sequence,
        name: &str,
        wanted: i64,
        append: impl FnOnce(Vec<Write>) -> F,
    ) -> Result<i64, Error>
    where
        F: Future<Output = Result<Timestamp, Error>> + Send + 'static,
    {
        let counter = self.counter(id);
        let turn = counter.turn.clone().lock_owned().await;
        let (state, value) = {
            let mut count = counter.count();
            if let Some(value) = count.give(sequence, name)? {
                return Ok(value);
            }
            let value = sequence.next(count.state(sequence), name)?;
            (SequenceState { last: value, called: true }, value)
        };
        let (reserved, left) = sequence.ahead(state, AHEAD.max(sequence.cache - 1).max(wanted - 1));
        let reserved = if left == 0 { state } else { reserved };
        let row = reserved.to_row();
        let write = Write { collection: id, updates: counter.count().replacement(&row) };
        let appended = append(vec![write]);
        let by = sequence.clone();
        // In a task of its own: a client that goes away does not leave in doubt what the shard holds.
        let task = tokio::spawn(async move {
            let _turn = turn;
            appended.await?;
            *counter.count() = Count { state: Some(state), left, by: Some(by), durable: Some(row) };
            Ok::<_, Error>(())
        });
        joined(task).await?;
        Ok(value)
    }

    /// Sets what a sequence has counted to.
    pub async fn set<F>(
        &self,
        id: CollectionId,
        state: SequenceState,
        append: impl FnOnce(Vec<Write>) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<Timestamp, Error>> + Send + 'static,
    {
        let held = self.hold(&BTreeMap::from([(id, state)])).await;
        let appended = append(held.writes());
        held.until(appended).await.map(drop)
    }
}

async fn joined<T, E: From<Error>>(task: tokio::task::JoinHandle<Result<T, E>>) -> Result<T, E> {
    task.await.unwrap_or_else(|error| {
        let message = format!("a sequence's change was interrupted: {error}");
        Err(Error::new(SqlState::INTERNAL_ERROR, message).into())
    })
}

/// The one row of a sequence's shard.
fn stored(storage: &Storage, shard: ShardId, as_of: Timestamp) -> Result<Option<Vec<u8>>, Error> {
    if storage.frontiers(shard).upper == 0 {
        return Ok(None);
    }
    let mut row = None;
    for updates in storage.snapshot(shard, as_of).map_err(refused)? {
        for (found, _, diff) in updates.map_err(refused)?.iter() {
            if diff != 1 || row.replace(found.to_vec()).is_some() {
                let message = format!("the shard of sequence {} does not hold one row", shard.0);
                return Err(Error::new(SqlState::DATA_CORRUPTED, message));
            }
        }
    }
    Ok(row)
}
