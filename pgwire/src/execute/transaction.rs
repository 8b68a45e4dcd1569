//! What a transaction has done so far: the changes that its end will make durable at one timestamp.
//!
//! Its own statements see them before: changed rows as an overlay of what is stored, catalog changes as a snapshot of its
//! own. Tables that it has changed are locked until its end, so that what it decided about keys and old rows stays true.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use compiler::ast::Statement;
use compiler::catalog::{Catalog, Change, Kind};
use compiler::lir::{Dataflow, Identity, Node, Op};
use compiler::mir::CollectionId;
use compiler::repr::{RowBuf, row};
use compiler::scalar::{Mfp, MfpPlan, Scratch};
use compiler::{Error, SqlState};
use dataflow::WriteLock;
use dataflow::contents::Range;
use dataflow::coordinator::commit::Write;
use dataflow::storage::{Diff, Updates};
use dataflow::tables::key_length;

use super::sequence::{Given, OwnSequences};

/// A transaction's time, and its changes until they are committed.
pub struct Transaction {
    now: i64,
    /// Nothing but catalog changes so far, which can be made again on top of another catalog.
    pub(super) only_ddl: bool,
    pub(super) lock: Option<WriteLock>,
    changes: BTreeMap<CollectionId, Changes>,
    /// What the changes take.
    bytes: usize,
    pub(super) ddl: Option<CatalogChanges>,
    pub(super) sequences: OwnSequences,
    /// What the session was given by sequences.
    pub(super) given: Given,
}

/// The most bytes that one transaction changes: it is in memory until it is committed, a few times over, and then one record of the log.
pub(super) const TRANSACTION_BYTES_MAX: usize = 1 << 30;

/// What a change costs besides its row.
const CHANGE_BYTES: usize = 24;

/// `54000`: what a transaction would hold with `more` bytes in `rows` rows is too much.
pub(super) fn check_room(bytes: usize, rows: usize) -> Result<(), Error> {
    match rows.checked_mul(CHANGE_BYTES).and_then(|overhead| overhead.checked_add(bytes)) {
        Some(bytes) if bytes <= TRANSACTION_BYTES_MAX => Ok(()),
        _ => Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "transaction is too large")
            .detail(format!(
                "The rows that one transaction changes take at most {} MiB.",
                TRANSACTION_BYTES_MAX >> 20
            ))
            .hint("Divide it into several transactions, for example a COPY into several files.")),
    }
}

/// The catalog as the transaction has made it.
pub(super) struct CatalogChanges {
    /// The version of the snapshot that the changes were made to.
    pub base: Arc<Catalog>,
    pub catalog: Arc<Catalog>,
    pub changes: Vec<Change>,
    /// What made the changes: carried out again if others change the catalog first.
    pub statements: Vec<Arc<Statement>>,
}

/// One collection's changes, and how they look in its arrangements.
#[derive(Default)]
struct Changes {
    updates: Updates,
    overlays: HashMap<Identity, Overlay>,
}

/// Changed records of an arrangement: by key, the values and how many more or fewer of each there are.
struct Overlay {
    plan: MfpPlan,
    key: usize,
    /// How many of the updates are in `records`.
    included: usize,
    records: BTreeMap<Vec<u8>, Vec<(Vec<u8>, Diff)>>,
}

/// A key, and its values with how many more or fewer of each there are.
type Changed<'o> = (&'o [u8], &'o [(Vec<u8>, Diff)]);

/// A place in a transaction to which it can go back. Locks that were taken since are kept: they harm nobody but those who wait.
pub struct Mark {
    only_ddl: bool,
    /// How many updates of each collection were there.
    updates: BTreeMap<CollectionId, usize>,
    bytes: usize,
    /// The catalog as it was, and how many changes and statements had made it so.
    ddl: Option<(Arc<Catalog>, usize, usize)>,
    sequences: OwnSequences,
}

impl Transaction {
    pub fn mark(&self) -> Mark {
        Mark {
            only_ddl: self.only_ddl,
            updates: self.changes.iter().map(|(id, changes)| (*id, changes.updates.len())).collect(),
            bytes: self.bytes,
            ddl: self
                .ddl
                .as_ref()
                .map(|ddl| (Arc::clone(&ddl.catalog), ddl.changes.len(), ddl.statements.len())),
            sequences: self.sequences.clone(),
        }
    }

    /// Forgets what it has changed since the mark.
    pub fn undo_to(&mut self, mark: &Mark) {
        self.only_ddl = mark.only_ddl;
        self.bytes = mark.bytes;
        self.sequences.undo_to(&mark.sequences);
        self.changes.retain(|id, _| mark.updates.contains_key(id));
        for (id, changes) in &mut self.changes {
            changes.updates.truncate(mark.updates[id]);
            changes.overlays.clear();
        }
        match (&mut self.ddl, &mark.ddl) {
            (Some(ddl), Some((catalog, changes, statements))) => {
                ddl.catalog = Arc::clone(catalog);
                ddl.changes.truncate(*changes);
                ddl.statements.truncate(*statements);
            }
            (ddl, _) => *ddl = None,
        }
    }

    pub(super) fn beginning(now: i64, given: Given) -> Transaction {
        Transaction {
            now,
            only_ddl: true,
            lock: None,
            changes: BTreeMap::new(),
            bytes: 0,
            ddl: None,
            sequences: OwnSequences::default(),
            given,
        }
    }

    /// Forgets what it has changed and gives back its locks.
    pub fn undo(&mut self) {
        *self = Transaction::beginning(self.now, self.given.clone());
    }

    /// When it began, in microseconds since 2000-01-01 00:00 UTC: what `now()` says.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Whether so many more changes with rows of so many bytes together may be made.
    pub(super) fn check_room(&self, rows: usize, bytes: usize) -> Result<(), Error> {
        check_room(self.bytes.saturating_add(bytes), rows)
    }

    pub(super) fn change(&mut self, collection: CollectionId, row: &[u8], diff: Diff) {
        self.bytes += row.len() + CHANGE_BYTES;
        self.changes.entry(collection).or_default().updates.push(row, 0, diff);
    }

    pub(super) fn has_changed(&self, collection: CollectionId) -> bool {
        self.changes.get(&collection).is_some_and(|changes| !changes.updates.is_empty())
    }

    /// The collections that its own reads must not take from the store alone.
    pub(super) fn changed(&self) -> BTreeSet<CollectionId> {
        self.changes.keys().copied().collect()
    }

    /// Whether the collection was created in this transaction: nobody else knows it, and nothing of it is stored.
    pub(super) fn created(&self, collection: CollectionId) -> bool {
        self.ddl.as_ref().is_some_and(|ddl| ddl.base.item(collection).is_none())
    }

    /// Whether something else runs for the collection in the transaction's catalog than for everybody: it was altered here.
    pub(super) fn altered(&self, collection: CollectionId) -> bool {
        let Some(ddl) = &self.ddl else { return false };
        let generation = |catalog: &Catalog| catalog.item(collection).map(|item| item.bound.generation);
        generation(&ddl.base).is_some_and(|before| Some(before) != generation(&ddl.catalog))
    }

    /// Its updates of a collection, those that cancel each other left out.
    pub(super) fn updates(&self, collection: CollectionId) -> Updates {
        let mut updates = self.changes.get(&collection).map(|c| c.updates.clone()).unwrap_or_default();
        updates.consolidate();
        updates
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.ddl.is_none()
    }

    /// What is to be written, collection by collection, as it is stored.
    pub(super) fn take_writes(&mut self, catalog: &Catalog) -> Vec<Write> {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        let writes = changes.into_iter().map(|(collection, changes)| {
            let mut updates = as_stored(changes.updates, collection, catalog);
            updates.consolidate();
            Write { collection, updates }
        });
        writes.filter(|write| !write.updates.is_empty()).collect()
    }

    /// Brings the changed records of an arrangement of `collection` up to date. `catalog` says how its rows become records.
    fn overlay(
        &mut self,
        catalog: &Catalog,
        collection: CollectionId,
        identity: &Identity,
    ) -> Result<Option<&Overlay>, Error> {
        let Some(changes) = self.changes.get_mut(&collection) else { return Ok(None) };
        if !changes.overlays.contains_key(identity) {
            let overlay = Overlay::of(catalog, collection, identity)?;
            changes.overlays.insert(identity.clone(), overlay);
        }
        let overlay = changes.overlays.get_mut(identity).expect("invariant: inserted above");
        overlay.include(&changes.updates)?;
        Ok(Some(overlay))
    }

    /// Turns records of an arrangement as it is stored into those that this transaction sees: `stored` visits the former in a
    /// range, `visit` gets the latter.
    pub(super) fn see(
        &mut self,
        catalog: &Catalog,
        collection: CollectionId,
        identity: &Identity,
        range: &Range,
        stored: Vec<Record>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let overlay = self.overlay(catalog, collection, identity)?;
        let mut merged: BTreeMap<(&[u8], &[u8]), Diff> = BTreeMap::new();
        for (key, records) in overlay.iter().flat_map(|overlay| overlay.within(range)) {
            for (value, diff) in records {
                *merged.entry((key, value)).or_default() += diff;
            }
        }
        for record in &stored {
            let (key, value) = (&record.key[..], &record.value[..]);
            let diff = record.diff + merged.remove(&(key, value)).unwrap_or(0);
            if diff != 0 && visit(key, value, diff).is_break() {
                return Ok(());
            }
        }
        for ((key, value), diff) in merged {
            if diff != 0 && visit(key, value, diff).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Rows of a table whose last columns were added lose those that hold what older rows have there: so a row is the same bytes
/// whenever it was written.
fn as_stored(updates: Updates, collection: CollectionId, catalog: &Catalog) -> Updates {
    let Some(Kind::Table(table)) = catalog.item(collection).map(|item| &item.kind) else { return updates };
    let missing = table.missing();
    if missing.bytes().is_empty() {
        return updates;
    }
    let mut stored = Updates::default();
    for (row, time, diff) in updates.iter() {
        stored.push(row::trim(row, table.columns.len(), missing.bytes()), time, diff);
    }
    stored
}

/// How a row of the collection becomes a record of a node that only rearranges its rows: an index does so with the table's records.
fn form(dataflow: &Dataflow, node: &Node) -> Option<Mfp> {
    match &node.op {
        Op::Shard { log: false, mfp, .. } => Some(mfp.clone()),
        Op::Arranged { fragment, lookup: None, mfp } => {
            Some(form(dataflow, &dataflow.fragments[fragment.0].node)?.then(mfp.clone()))
        }
        _ => None,
    }
}

/// Takes a record's key, its value and its multiplicity.
pub(super) type Visit<'v> = &'v mut (dyn FnMut(&[u8], &[u8], Diff) -> ControlFlow<()> + Send);

/// A record of an arrangement, copied out.
pub(super) struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub diff: Diff,
}

impl Overlay {
    /// The form that the collection's own dataflow, or its index's, gives to rows.
    fn of(catalog: &Catalog, collection: CollectionId, identity: &Identity) -> Result<Overlay, Error> {
        let items =
            std::iter::once(collection).chain(catalog.indexes_on(collection).map(|(item, _)| item.id));
        let found = items.filter_map(|id| catalog.dataflow(id)).find_map(|dataflow| {
            let fragment = dataflow.fragments.iter().find(|fragment| fragment.identity == *identity)?;
            Some((form(dataflow, &fragment.node)?, fragment.layout.key))
        });
        let missing = || {
            Error::new(SqlState::INTERNAL_ERROR, "an arrangement does not say how rows become its records")
        };
        let (mfp, key) = found.ok_or_else(missing)?;
        Ok(Overlay { plan: mfp.plan(), key, included: 0, records: BTreeMap::new() })
    }

    fn include(&mut self, updates: &Updates) -> Result<(), Error> {
        let (mut scratch, mut record) = (Scratch::default(), RowBuf::default());
        for (row, _, diff) in updates.iter().skip(self.included) {
            record.clear();
            if self.plan.evaluate_packed(row, &mut scratch, &mut record)? {
                let (key, value) = record.bytes().split_at(key_length(record.bytes(), self.key));
                let records = self.records.entry(key.to_vec()).or_default();
                match records.iter_mut().find(|(known, _)| known == value) {
                    Some((_, sum)) => *sum += diff,
                    None => records.push((value.to_vec(), diff)),
                }
            }
        }
        self.included = updates.len();
        Ok(())
    }

    fn within<'o>(&'o self, range: &'o Range) -> Box<dyn Iterator<Item = Changed<'o>> + 'o> {
        let changed = |(key, records): (&'o Vec<u8>, &'o Vec<(Vec<u8>, Diff)>)| (&key[..], &records[..]);
        match range {
            Range::Keys(keys) => {
                Box::new(keys.iter().filter_map(|key| self.records.get_key_value(key)).map(changed))
            }
            Range::Between { from, to } => {
                let from = self.records.range(from.clone()..);
                Box::new(from.take_while(move |(key, _)| to.as_ref().is_none_or(|to| *key < to)).map(changed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_has_room_for_so_much_over_all_its_statements() {
        let mut transaction = Transaction::beginning(0, Given::default());
        assert!(transaction.check_room(1, TRANSACTION_BYTES_MAX - CHANGE_BYTES).is_ok());
        let refused = transaction.check_room(1, TRANSACTION_BYTES_MAX).expect_err("it is too large");
        assert_eq!(refused.to_string(), "54000: transaction is too large");
        assert!(refused.hint.is_some());
        assert!(transaction.check_room(usize::MAX, usize::MAX).is_err(), "no sum overflows");
        transaction.change(CollectionId(1), &[0; 1000], 1);
        assert!(transaction.check_room(1, TRANSACTION_BYTES_MAX - CHANGE_BYTES - 1000).is_err());
        transaction.undo();
        assert!(transaction.check_room(1, TRANSACTION_BYTES_MAX - CHANGE_BYTES - 1000).is_ok());
        transaction.change(CollectionId(1), &[0; 1000], 1);
        transaction.take_writes(&compiler::empty_catalog());
        assert!(transaction.check_room(1, TRANSACTION_BYTES_MAX - CHANGE_BYTES - 1000).is_ok());
    }
}
