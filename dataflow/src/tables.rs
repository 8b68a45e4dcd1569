//! A table's present: its published arrangement, and the commits that are not yet in it.
//!
//! Keys and UPDATE are decided against the present, under the table's lock, so that they hold in commit order and never wait for
//! a worker. The lock is given back as soon as the transaction has its place in the log: the next writer sees its rows here
//! before they are durable. That is safe because a log that fails to make them durable refuses the next one too.
//!
//! A table has an arrangement for each of its keys, and one may be ahead of another: a commit is kept until all that have been
//! read so have it, and at least until it is visible. One that is read for the first time waits until it has what was forgotten
//! before; so a table that is only inserted into, by no key, keeps nothing for longer than a tick.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, RwLock, Weak};

use compiler::mir::CollectionId;
use compiler::repr::RowBuf;
use compiler::repr::row::Datums;
use compiler::scalar::{EvalError, MfpPlan, Scratch};
use compiler::{Error, SqlState};
use tokio::sync::OwnedMutexGuard;

use crate::contents::{Range, Visit};
use crate::coordinator::fragments::Readable;
use crate::published::{Hold, Published};
use crate::storage::{Diff, Timestamp, Updates};

/// Commits of one table that are sequenced.
#[derive(Default)]
pub struct Table {
    lock: Arc<tokio::sync::Mutex<()>>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    /// In the order of their timestamps; those that every reader has are forgotten now and then.
    commits: VecDeque<(Timestamp, Arc<Updates>)>,
    /// No commit at or before it is kept.
    forgotten: Timestamp,
    /// The arrangements by which the table has been read.
    readers: Vec<Weak<Published>>,
}

/// All tables by id.
#[derive(Default)]
pub struct Tables {
    tables: RwLock<HashMap<CollectionId, Arc<Table>>>,
}

impl Tables {
    pub fn create(&self, id: CollectionId) {
        self.tables
            .write()
            .expect("invariant: nothing panics while it has the tables")
            .entry(id)
            .or_default();
    }

    pub fn remove(&self, id: CollectionId) {
        self.tables.write().expect("invariant: nothing panics while it has the tables").remove(&id);
    }

    pub fn get(&self, id: CollectionId) -> Option<Arc<Table>> {
        self.tables.read().expect("invariant: nothing panics while it has the tables").get(&id).cloned()
    }

    /// A transaction has its place in the log.
    pub(crate) fn sequenced(&self, time: Timestamp, updates: &[(CollectionId, Arc<Updates>)]) {
        for (id, updates) in updates {
            if let Some(table) = self.get(*id) {
                table.pending().commits.push_back((time, updates.clone()));
            }
        }
    }

    /// All transactions up to `visible` are readable or refused: lets go of those that every arrangement has by which the table is read.
    pub(crate) fn forget(&self, id: CollectionId, visible: Timestamp) {
        if let Some(table) = self.get(id) {
            table.pending().forget(visible);
        }
    }

    /// As [`Tables::forget`], of every table.
    pub(crate) fn forget_all(&self, visible: Timestamp) {
        let tables = self.tables.read().expect("invariant: nothing panics while it has the tables");
        tables.values().for_each(|table| table.pending().forget(visible));
    }

    /// The transaction sequenced at `time` was refused.
    pub(crate) fn refused(&self, time: Timestamp, updates: &[(CollectionId, Arc<Updates>)]) {
        for (id, _) in updates {
            if let Some(table) = self.get(*id) {
                table.pending().commits.retain(|(pending, _)| *pending != time);
            }
        }
    }
}

impl Pending {
    /// Lets go of the commits up to `bound` that all readers have.
    fn forget(&mut self, bound: Timestamp) {
        self.readers.retain(|reader| reader.strong_count() > 0);
        let uppers = self.readers.iter().filter_map(Weak::upgrade).map(|reader| reader.upper());
        let bound = uppers.min().map_or(bound, |upper| upper.saturating_sub(1).min(bound));
        while let Some((time, _)) = self.commits.front().filter(|(time, _)| *time <= bound) {
            self.forgotten = *time;
            self.commits.pop_front();
        }
    }
}

impl Table {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().expect("invariant: nothing panics while it has a table's commits")
    }

    pub(crate) async fn lock(&self) -> OwnedMutexGuard<()> {
        self.lock.clone().lock_owned().await
    }

    /// Commits after `at`, up to which an arrangement is read. Where one of them is not kept any more, the time to which the
    /// arrangement must come first.
    fn after(&self, at: Timestamp, reader: &Arc<Published>) -> Result<Vec<Arc<Updates>>, Timestamp> {
        let mut pending = self.pending();
        if !pending.readers.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(reader))) {
            pending.readers.push(Arc::downgrade(reader));
        }
        if at < pending.forgotten {
            return Err(pending.forgotten);
        }
        pending.forget(at);
        let after = pending.commits.iter().filter(|(time, _)| *time > at);
        Ok(after.map(|(_, updates)| updates.clone()).collect())
    }

    /// The timestamp of the last transaction that was sequenced and may not be readable yet.
    pub(crate) fn last_pending(&self) -> Option<Timestamp> {
        self.pending().commits.back().map(|(time, _)| *time)
    }
}

/// A table as it is for whoever has its lock, by one of its arrangements (its own, or an index).
pub struct Present {
    readable: Arc<Readable>,
    hold: Hold,
    overlay: Overlay,
}

/// Records that are to be added to and taken from the arrangement's.
type Overlay = BTreeMap<Vec<u8>, Vec<(Vec<u8>, Diff)>>;

impl Present {
    /// Takes the present. The caller has the table's lock, and the arrangement is hydrated.
    pub(crate) async fn new(table: &Table, readable: Arc<Readable>) -> Result<Present, Error> {
        let (hold, commits) = loop {
            let at = readable.published.upper().saturating_sub(1);
            let Some(hold) = readable.published.hold(at) else { continue };
            match table.after(at, &readable.published) {
                Ok(commits) => break (hold, commits),
                Err(forgotten) => {
                    drop(hold);
                    if !readable.published.complete(forgotten).await {
                        let message = "an index of the table was dropped while it was read";
                        return Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
                            .hint("The statement might succeed if retried."));
                    }
                }
            }
        };
        let mut overlay = Overlay::new();
        if !commits.is_empty() {
            let form =
                readable.form.as_ref().expect("invariant: a table's arrangements are forms of its rows");
            let (plan, mut scratch) = (form.plan(), Scratch::default());
            for updates in commits {
                overlay_with(&mut overlay, &plan, &mut scratch, readable.layout.key, &updates)?;
            }
        }
        Ok(Present { readable, hold, overlay })
    }

    /// The records (key, value, multiplicity) in the range, in no particular order.
    pub fn records(&self, range: &Range, visit: Visit<'_>) -> ControlFlow<()> {
        let published = &self.readable.published;
        for part in 0..published.parts() {
            let (contents, _) = published.part(part);
            let mut merged = |key: &[u8], value: &[u8], diff: Diff| {
                let diff = diff + self.overlaid(key, value);
                if diff == 0 { ControlFlow::Continue(()) } else { visit(key, value, diff) }
            };
            contents.visit(range, self.hold.at(), &mut merged)?;
        }
        self.added(range, visit)
    }

    /// The records of the overlay that the arrangement does not have at all.
    fn added(&self, range: &Range, visit: Visit<'_>) -> ControlFlow<()> {
        for (key, records) in self.overlay.iter().filter(|(key, _)| range.contains(key)) {
            for (value, diff) in records {
                if *diff != 0 && !self.in_arrangement(key, value) {
                    visit(key, value, *diff)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn overlaid(&self, key: &[u8], value: &[u8]) -> Diff {
        if self.overlay.is_empty() {
            return 0;
        }
        let records = self.overlay.get(key).into_iter().flatten();
        records.filter(|(overlaid, _)| overlaid == value).map(|(_, diff)| diff).sum()
    }

    fn in_arrangement(&self, key: &[u8], value: &[u8]) -> bool {
        let published = &self.readable.published;
        let mut found = false;
        for part in 0..published.parts() {
            let (contents, _) = published.part(part);
            contents.oks.lookup(key, self.hold.at(), |there, _| found |= there == value);
        }
        found
    }
}

fn overlay_with(
    overlay: &mut Overlay,
    plan: &MfpPlan,
    scratch: &mut Scratch,
    key_arity: usize,
    updates: &Updates,
) -> Result<(), EvalError> {
    let mut record = RowBuf::default();
    for (row, _, diff) in updates.iter() {
        record.clear();
        if !plan.evaluate_packed(row, scratch, &mut record)? {
            continue;
        }
        let (key, value) = record.bytes().split_at(key_length(record.bytes(), key_arity));
        let records = overlay.entry(key.to_vec()).or_default();
        match records.iter_mut().find(|(known, _)| known == value) {
            Some((_, sum)) => *sum += diff,
            None => records.push((value.to_vec(), diff)),
        }
    }
    Ok(())
}

/// How many bytes of a packed record its first `arity` columns take.
pub fn key_length(record: &[u8], arity: usize) -> usize {
    let mut datums = Datums::new(record);
    (0..arity).map_while(|_| datums.skip_one()).map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::DataflowId;
    use crate::contents::Contents;
    use crate::in_use::Counts;

    fn published(upper: Timestamp) -> Arc<Published> {
        let published = Arc::new(Published::new(DataflowId(1), 1, 0, &Counts::default()));
        publish(&published, upper);
        published
    }

    fn publish(published: &Published, upper: Timestamp) {
        published.publish(0, &Arc::new(Contents { upper, ..Contents::default() }), upper);
    }

    fn table(times: &[Timestamp]) -> Table {
        let table = Table::default();
        let commits = times.iter().map(|time| (*time, Arc::new(Updates::default())));
        table.pending().commits.extend(commits);
        table
    }

    fn kept(table: &Table, at: Timestamp, reader: &Arc<Published>) -> Result<usize, Timestamp> {
        table.after(at, reader).map(|commits| commits.len())
    }

    #[test]
    fn a_commit_is_kept_until_every_arrangement_has_it() {
        let table = table(&[1, 2, 3]);
        let (ahead, behind) = (published(4), published(2));
        assert_eq!(kept(&table, 1, &behind), Ok(2));
        assert_eq!(kept(&table, 3, &ahead), Ok(0));
        assert_eq!(kept(&table, 1, &behind), Ok(2));
        publish(&behind, 4);
        assert_eq!(kept(&table, 3, &behind), Ok(0));
        assert!(table.pending().commits.is_empty());
    }

    #[test]
    fn an_arrangement_that_is_read_for_the_first_time_waits_for_what_was_forgotten() {
        let table = table(&[1, 2, 3]);
        let (ahead, late) = (published(3), published(1));
        assert_eq!(kept(&table, 2, &ahead), Ok(1));
        assert_eq!(kept(&table, 0, &late), Err(2));
        publish(&late, 3);
        assert_eq!(kept(&table, 2, &late), Ok(1));
    }

    #[test]
    fn commits_that_no_reader_needs_go_when_they_are_visible() {
        let tables = Tables::default();
        let id = CollectionId(7);
        tables.create(id);
        (1..=3).for_each(|time| tables.sequenced(time, &[(id, Arc::default())]));
        let table = tables.get(id).expect("it was created");
        let kept = || table.pending().commits.iter().map(|(time, _)| *time).collect::<Vec<_>>();
        tables.forget(id, 2);
        assert_eq!(kept(), [3]);
        // Who comes later waits for what was forgotten; from then on it holds back what it has not got.
        let late = published(2);
        assert_eq!(table.after(1, &late).map(|commits| commits.len()), Err(2));
        tables.forget_all(3);
        assert_eq!(kept(), [3]);
        publish(&late, 4);
        tables.forget_all(3);
        assert!(kept().is_empty());
    }

    #[test]
    fn whoever_waits_for_an_arrangement_that_is_dropped_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("it needs no threads");
        let table = table(&[1, 2, 3]);
        assert_eq!(kept(&table, 3, &published(4)), Ok(0));
        let late = published(2);
        let layout = compiler::lir::Layout {
            typ: compiler::repr::RelationType::default(),
            columns: Vec::new(),
            key_columns: Vec::new(),
            key: 0,
            unique: false,
        };
        let readable = Readable { published: late.clone(), layout, as_of: 0, form: None, clocks: Vec::new() };
        let present = Present::new(&table, Arc::new(readable));
        let told = runtime.block_on(async {
            let dropping = async {
                tokio::task::yield_now().await;
                late.drop_dataflow();
            };
            let both = async { tokio::join!(present, dropping).0 };
            tokio::time::timeout(std::time::Duration::from_secs(10), both).await
        });
        let error = told.expect("it does not wait for ever").err().expect("it cannot be read");
        assert_eq!(error.code, SqlState::UNDEFINED_OBJECT);
    }

    #[test]
    fn an_arrangement_that_is_gone_holds_nothing_back() {
        let table = table(&[1, 2]);
        let (ahead, gone) = (published(3), published(1));
        assert_eq!(kept(&table, 0, &gone), Ok(2));
        drop(gone);
        assert_eq!(kept(&table, 2, &ahead), Ok(0));
        assert!(table.pending().commits.is_empty());
    }
}
