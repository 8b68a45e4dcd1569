//! Writing: INSERT, UPDATE, DELETE, TRUNCATE, and the checks that decide whether a row may be there.
//!
//! Everything is decided under the tables' locks, against their present as the transaction sees it, so that keys hold in
//! the order of commits. A statement's changes go into the transaction only when all of it has been found right. The plans
//! that come here have no parameters left.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use compiler::catalog::{Arrangement, Catalog, Kind};
use compiler::mir::CollectionId;
use compiler::plan::{
    ConflictAction, Delete, FastPath, Insert, OnConflict, Query, Returning, Source, Update,
};
use compiler::repr::row::{self, Datums};
use compiler::repr::text::TextSettings;
use compiler::repr::{Datum, Row, RowBuf};
use compiler::scalar::{Mfp, ScalarExpr};
use compiler::{Error, SqlState};
use dataflow::contents::Range;
use dataflow::storage::Diff;

use super::evaluation::{Evaluation, beside_the_reactor};
use super::finish::{Cut, finish};
use super::query::{self, Gather, Through};
use super::target::{Keys, Target};
use super::transaction::{Record, Visit};
use super::{Executor, Transaction};
use crate::session::{Interrupt, RowSet};

/// How long a transaction waits for a table while it has another one locked that could be waited for in turn.
const DEADLOCK: Duration = Duration::from_secs(1);

/// More rows than this are checked and sequenced outside the reactor's threads.
const ROWS_MANY: usize = 10_000;

/// Rows that are to be inserted.
pub(super) struct Incoming<'r> {
    pub rows: &'r RowSet,
    pub conflict: Option<&'r OnConflict>,
    /// Where a row comes from, for errors.
    pub at: &'r (dyn Fn(usize) -> Option<String> + Sync),
}

/// What a statement did.
pub(super) struct Written {
    pub count: u64,
    pub returned: Option<RowSet>,
}

impl Written {
    /// These rows were written, or stand where they would have been; RETURNING is asked of each.
    fn of(
        rows: &RowSet,
        returning: Option<&Returning>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Written, Error> {
        let returned = returning.map(|returning| returned(rows, returning, interrupt)).transpose()?;
        Ok(Written { count: rows.len() as u64, returned })
    }
}

/// Locks.
impl Executor {
    /// Locks a table for the transaction and makes its present what the statement decides by.
    pub(super) async fn lock(
        &self,
        table: CollectionId,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(), Error> {
        let is_table =
            self.catalog(transaction).item(table).is_some_and(|item| matches!(item.kind, Kind::Table(_)));
        let held = transaction.lock.as_ref().is_some_and(|lock| lock.holds(table));
        if held || !is_table || transaction.created(table) {
            return Ok(());
        }
        let tables = BTreeSet::from([table]);
        // Locks taken in the order of ids cannot wait in a circle; others may, and give up.
        let in_order = transaction.lock.as_ref().and_then(|lock| lock.last()).is_none_or(|last| last < table);
        let patience = async {
            match in_order {
                true => std::future::pending().await,
                false => tokio::time::sleep(DEADLOCK).await,
            }
        };
        let lock = tokio::select! {
            biased;
            error = interrupt.stopped() => return Err(error),
            lock = self.engine.lock(&tables) => lock?,
            () = patience => return Err(Error::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
                .hint("Change tables in the same order in all transactions, or try again.")),
        };
        match &mut transaction.lock {
            Some(held) => held.join(lock),
            none => *none = Some(lock),
        }
        Ok(())
    }

    /// Makes what others have sequenced on the locked tables readable, if the query reads one of them.
    pub(super) async fn settle(&self, query: &Query, transaction: &Transaction) {
        let Some(lock) = &transaction.lock else { return };
        if matches!(query.source, Source::Dataflow(_) | Source::FastPath(_)) {
            lock.settle().await;
        }
    }
}

/// Statements.
impl Executor {
    pub(super) async fn insert(
        &self,
        insert: &Insert,
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Written, Error> {
        self.lock(insert.table, transaction, interrupt).await?;
        self.settle(&insert.source, transaction).await;
        let rows = self.rows(&insert.source, &Row::default(), &[], transaction, interrupt).await?;
        let conflict = insert.on_conflict.as_ref();
        let incoming = Incoming { rows: &rows, conflict, at: &|_| None };
        let stored = self.insert_rows(insert.table, incoming, settings, transaction, interrupt).await?;
        Written::of(&stored, insert.returning.as_ref(), interrupt)
    }

    /// Inserts rows of the table; returns those that are stored for them.
    pub(super) async fn insert_rows(
        &self,
        table: CollectionId,
        Incoming { rows, conflict, at }: Incoming<'_>,
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        let catalog = self.catalog(transaction);
        let target = Target::of(&catalog, table)?;
        transaction.check_room(rows.len(), rows.bytes())?;
        let mut evaluation = Evaluation::new(interrupt);
        beside_the_reactor(rows.len() > ROWS_MANY, || {
            rows.iter().enumerate().try_for_each(|(index, row)| {
                target.check_row(row, settings, &mut evaluation).map_err(|error| match at(index) {
                    Some(context) => error.context(context),
                    None => error,
                })
            })
        })?;
        let keys = self.keys(&target, &catalog, rows.iter(), transaction).await?;
        let mut inserting = Inserting {
            target,
            keys,
            conflict,
            settings,
            changes: Changes::default(),
            stored: RowSet::default(),
            evaluation,
        };
        beside_the_reactor(rows.len() > ROWS_MANY, || {
            for (index, row) in rows.iter().enumerate() {
                inserting.insert(row).map_err(|error| match at(index) {
                    Some(context) => error.context(context),
                    None => error,
                })?;
            }
            inserting.changes.apply(table, transaction)?;
            Ok(inserting.stored)
        })
    }

    pub(super) async fn update(
        &self,
        update: &Update,
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Written, Error> {
        let selected = self.selected(update.table, &update.selection, transaction, interrupt).await?;
        let catalog = self.catalog(transaction);
        let target = Target::of(&catalog, update.table)?;
        let arity = target.item.columns().len();
        let is_long = selected.len() > ROWS_MANY;
        let mut evaluation = Evaluation::new(interrupt);
        let mut checked = |row| {
            let (old, rest) = split_columns(row, arity);
            let new = split_columns(rest, arity).0;
            target.check_row(new, settings, &mut evaluation).map(|()| (old, new))
        };
        let pairs = beside_the_reactor(is_long, || {
            selected.iter().map(&mut checked).collect::<Result<Vec<(&[u8], &[u8])>, Error>>()
        })?;
        let mut keys = self.keys(&target, &catalog, pairs.iter().map(|(_, new)| *new), transaction).await?;
        beside_the_reactor(is_long, || {
            pairs.iter().for_each(|(old, _)| keys.remove(old));
            let mut changes = Changes::default();
            for (old, new) in &pairs {
                if let Some((key, other)) = keys.conflict(new, None) {
                    return Err(target.duplicate(&keys.checks[key], &other.row, settings));
                }
                keys.add(new, true);
                if old != new {
                    changes.push(old, -1);
                    changes.push(new, 1);
                }
            }
            changes.apply(update.table, transaction)
        })?;
        Written::of(&selected, update.returning.as_ref(), interrupt)
    }

    pub(super) async fn delete(
        &self,
        delete: &Delete,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Written, Error> {
        let selected = self.selected(delete.table, &delete.selection, transaction, interrupt).await?;
        let catalog = self.catalog(transaction);
        let arity = Target::of(&catalog, delete.table)?.item.columns().len();
        beside_the_reactor(selected.len() > ROWS_MANY, || {
            let mut changes = Changes::default();
            selected.iter().for_each(|row| changes.push(split_columns(row, arity).0, -1));
            changes.apply(delete.table, transaction)
        })?;
        Written::of(&selected, delete.returning.as_ref(), interrupt)
    }

    pub(super) async fn truncate(
        &self,
        tables: &[CollectionId],
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(), Error> {
        for table in tables.iter().collect::<BTreeSet<_>>() {
            self.lock(*table, transaction, interrupt).await?;
            let catalog = self.catalog(transaction);
            let target = Target::of(&catalog, *table)?;
            let arrangement = target.own_arrangement(&catalog)?;
            let mut changes = Changes::default();
            let mut rows = Vec::new();
            self.present(&target, &arrangement, &Range::ALL, transaction, &mut |row, diff| {
                rows.push((row, diff))
            })
            .await?;
            rows.iter().for_each(|(row, diff)| changes.push(row, -diff));
            changes.apply(*table, transaction)?;
        }
        Ok(())
    }
}

/// What is there.
impl Executor {
    /// The rows that an UPDATE or DELETE is about, each as often as the table has it.
    async fn selected(
        &self,
        table: CollectionId,
        selection: &Query,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        self.lock(table, transaction, interrupt).await?;
        if let Source::FastPath(path) = &selection.source
            && path.relation == table
        {
            return self.selected_by_key(table, selection, transaction, interrupt).await;
        }
        self.settle(selection, transaction).await;
        let rows = self.rows(selection, &Row::default(), &[], transaction, interrupt).await?;
        self.each_once(table, rows, transaction).await
    }

    /// Of rows that begin with an old row, as many for each as the table has of it: the first ones win.
    async fn each_once(
        &self,
        table: CollectionId,
        rows: RowSet,
        transaction: &mut Transaction,
    ) -> Result<RowSet, Error> {
        let catalog = self.catalog(transaction);
        let target = Target::of(&catalog, table)?;
        let arity = target.item.columns().len();
        let arrangement = target.own_arrangement(&catalog)?;
        let keys: BTreeSet<Vec<u8>> =
            rows.iter().map(|row| arrangement_key(split_columns(row, arity).0, &arrangement)).collect();
        let range = Range::Keys(keys.into_iter().collect());
        let mut left: HashMap<Vec<u8>, Diff> = HashMap::new();
        self.present(&target, &arrangement, &range, transaction, &mut |row, diff| {
            *left.entry(row).or_default() += diff;
        })
        .await?;
        let mut out = RowSet::default();
        for row in rows.iter() {
            if let Some(count) = left.get_mut(split_columns(row, arity).0)
                && *count > 0
            {
                *count -= 1;
                out.push(row);
            }
        }
        Ok(out)
    }

    /// As [`Executor::rows`] for a read of the locked table itself: by its present, waiting for nothing.
    async fn selected_by_key(
        &self,
        table: CollectionId,
        selection: &Query,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        let Source::FastPath(path) = &selection.source else {
            unreachable!("invariant: the caller matched the fast path");
        };
        let mut evaluation = Evaluation::new(interrupt);
        let Some(range) = query::range(path, &mut evaluation)? else { return Ok(RowSet::default()) };
        let cut = Cut::of(&selection.finishing, &mut evaluation)?;
        let records = self.present_records(table, path, &range, transaction).await?;
        let mut gather = Gather::new(cut.needed(), interrupt);
        let mut through = Through::new(path.mfp.plan(), &mut gather, evaluation);
        beside_the_reactor(records.len() > ROWS_MANY, || {
            for record in &records {
                if through.push(&record.key, &record.value, record.diff).is_break() {
                    break;
                }
            }
            through.finish()
        })?;
        let rows = finish(gather.finish()?, &selection.finishing, &cut)?;
        match &selection.effects {
            None => Ok(rows),
            Some(effects) => self.affect(effects, rows, transaction, interrupt).await,
        }
    }

    async fn present_records(
        &self,
        table: CollectionId,
        path: &FastPath,
        range: &Range,
        transaction: &mut Transaction,
    ) -> Result<Vec<Record>, Error> {
        let arrangement = Arrangement { identity: path.identity.clone(), layout: path.layout.clone() };
        let catalog = self.catalog(transaction);
        let mut records = Vec::new();
        self.visit_present(&catalog, table, &arrangement, range, transaction, &mut |key, value, diff| {
            records.push(Record { key: key.to_vec(), value: value.to_vec(), diff });
            ControlFlow::Continue(())
        })
        .await?;
        Ok(records)
    }

    /// The rows of a locked table in a range of one of its arrangements, with their multiplicities.
    async fn present(
        &self,
        target: &Target<'_>,
        arrangement: &Arrangement,
        range: &Range,
        transaction: &mut Transaction,
        visit: &mut (dyn FnMut(Vec<u8>, Diff) + Send),
    ) -> Result<(), Error> {
        let columns = &arrangement.layout.columns;
        let mut record = Vec::new();
        let mut pass = |key: &[u8], value: &[u8], diff: Diff| {
            record.clear();
            record.extend_from_slice(key);
            record.extend_from_slice(value);
            visit(row_of_record(&record, columns), diff);
            ControlFlow::Continue(())
        };
        self.visit_present(target.catalog, target.item.id, arrangement, range, transaction, &mut pass).await
    }

    async fn visit_present(
        &self,
        catalog: &Catalog,
        table: CollectionId,
        arrangement: &Arrangement,
        range: &Range,
        transaction: &mut Transaction,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        if transaction.altered(table) {
            if let Some(lock) = &transaction.lock {
                lock.settle().await;
            }
            let missing = || Error::new(SqlState::INTERNAL_ERROR, "an arrangement belongs to no item");
            let mut of_table = catalog.arrangements_of(table);
            let item = of_table.find(|(_, known)| known.identity == arrangement.identity);
            let (item, _) = item.ok_or_else(missing)?;
            return self.computed(catalog, item, arrangement, range, transaction, visit).await;
        }
        let own = transaction.has_changed(table);
        let mut stored = Vec::new();
        if let Some(lock) = transaction.lock.as_ref().filter(|lock| lock.holds(table)) {
            let mut take = |key: &[u8], value: &[u8], diff: Diff| {
                if !own {
                    return visit(key, value, diff);
                }
                stored.push(Record { key: key.to_vec(), value: value.to_vec(), diff });
                ControlFlow::Continue(())
            };
            lock.visit(table, &arrangement.identity, range, &mut take).await?;
        }
        if own {
            transaction.see(catalog, table, &arrangement.identity, range, stored, visit)?;
        }
        Ok(())
    }

    /// The table's keys as far as these rows could conflict with them.
    async fn keys<'c>(
        &self,
        target: &Target<'c>,
        catalog: &'c Catalog,
        rows: impl Iterator<Item = &[u8]> + Clone,
        transaction: &mut Transaction,
    ) -> Result<Keys, Error> {
        let mut keys = Keys { checks: target.checks(catalog)? };
        for check in &mut keys.checks {
            let wanted: BTreeSet<Vec<u8>> = rows.clone().filter_map(|row| check.key(row)).collect();
            if wanted.is_empty() {
                continue;
            }
            let range = Range::Keys(wanted.into_iter().collect());
            let mut found = Vec::new();
            let arrangement = check.arrangement.clone();
            self.present(target, &arrangement, &range, transaction, &mut |row, _| found.push(row)).await?;
            for row in found {
                check.add(&row, false);
            }
        }
        Ok(keys)
    }
}

/// An INSERT under way.
struct Inserting<'i> {
    target: Target<'i>,
    keys: Keys,
    conflict: Option<&'i OnConflict>,
    settings: &'i TextSettings,
    changes: Changes,
    stored: RowSet,
    evaluation: Evaluation,
}

impl Inserting<'_> {
    fn insert(&mut self, row: &[u8]) -> Result<(), Error> {
        let asked = self.conflict.and_then(|conflict| conflict.key.as_deref());
        let existing = self
            .keys
            .conflict(row, asked)
            .map(|(_, existing)| (existing.row.clone(), existing.by_this_statement));
        match (existing, self.conflict) {
            (Some((old, ours)), Some(conflict)) => self.resolve(row, &old, ours, &conflict.action),
            _ => self.add(row),
        }
    }

    /// Stores a row that must not conflict with any.
    fn add(&mut self, row: &[u8]) -> Result<(), Error> {
        if let Some((key, existing)) = self.keys.conflict(row, None) {
            return Err(self.target.duplicate(&self.keys.checks[key], &existing.row, self.settings));
        }
        self.keys.add(row, true);
        self.changes.push(row, 1);
        self.stored.push(row);
        Ok(())
    }

    /// Does what ON CONFLICT says, with the row that is there and the one that was to be.
    fn resolve(&mut self, row: &[u8], old: &[u8], ours: bool, action: &ConflictAction) -> Result<(), Error> {
        let ConflictAction::Update { row: exprs, filter } = action else { return Ok(()) };
        if ours {
            let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
            return Err(Error::new(SqlState::CARDINALITY_VIOLATION, message).hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            ));
        }
        let Some(new) = evaluate(exprs, filter.as_ref(), &[old, row], &mut self.evaluation)? else {
            return Ok(());
        };
        self.target.check_row(&new, self.settings, &mut self.evaluation)?;
        self.keys.remove(old);
        self.changes.push(old, -1);
        self.add(&new)
    }
}

/// A statement's changes, before it is known that all of it is right.
#[derive(Default)]
struct Changes {
    rows: RowSet,
    diffs: Vec<Diff>,
}

impl Changes {
    fn push(&mut self, row: &[u8], diff: Diff) {
        self.rows.push(row);
        self.diffs.push(diff);
    }

    /// Makes the changes the transaction's, or none of them when it would be too large.
    fn apply(self, collection: CollectionId, transaction: &mut Transaction) -> Result<(), Error> {
        transaction.check_room(self.rows.len(), self.rows.bytes())?;
        for (row, diff) in self.rows.iter().zip(self.diffs) {
            transaction.change(collection, row, diff);
        }
        Ok(())
    }
}

/// Expressions over the concatenation of rows as a row; `None` where the filter is not true.
fn evaluate(
    exprs: &[ScalarExpr],
    filter: Option<&ScalarExpr>,
    parts: &[&[u8]],
    evaluation: &mut Evaluation,
) -> Result<Option<Vec<u8>>, Error> {
    let arity = parts.iter().map(|part| row::arity(part)).sum();
    let mut out = RowBuf::default();
    let passed = evaluation.pass(&over(exprs, filter, arity).plan(), parts, &mut out)?;
    Ok(passed.then(|| out.bytes().to_vec()))
}

fn over(exprs: &[ScalarExpr], filter: Option<&ScalarExpr>, arity: usize) -> Mfp {
    let mfp = Mfp::new(arity).filter(filter.cloned()).map(exprs.iter().cloned());
    mfp.project(arity..arity + exprs.len())
}

fn returned(rows: &RowSet, returning: &Returning, interrupt: &Arc<Interrupt>) -> Result<RowSet, Error> {
    let mut out = RowSet::default();
    let Some(first) = rows.get(0) else { return Ok(out) };
    let plan = over(&returning.exprs, None, row::arity(first)).plan();
    let (mut evaluation, mut row_out) = (Evaluation::new(interrupt), RowBuf::default());
    beside_the_reactor(rows.len() > ROWS_MANY, || {
        for row in rows.iter() {
            if evaluation.pass(&plan, &[row], &mut row_out)? {
                out.push(row_out.bytes());
            }
        }
        Ok(out)
    })
}

/// A row of the relation from a record of its arrangement.
fn row_of_record(record: &[u8], columns: &[usize]) -> Vec<u8> {
    let mut parts = Vec::new();
    let mut datums = Datums::new(record);
    while let Some(part) = datums.skip_one() {
        parts.push(part);
    }
    columns.iter().flat_map(|column| parts[*column].iter().copied()).collect()
}

/// The first columns of a row, and the others.
fn split_columns(row: &[u8], columns: usize) -> (&[u8], &[u8]) {
    let mut datums = Datums::new(row);
    for _ in 0..columns {
        datums.skip_one();
    }
    let rest = datums.rest().len();
    row.split_at(row.len() - rest)
}

/// The key under which an arrangement has a row, NULLs and all.
fn arrangement_key(row: &[u8], arrangement: &Arrangement) -> Vec<u8> {
    let datums: Vec<Datum<'_>> = Datums::new(row).collect();
    arrangement.layout.key_of(&datums)
}
