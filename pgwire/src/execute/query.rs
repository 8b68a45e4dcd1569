//! Reading: where a query's rows come from, and how they are gathered.
//!
//! Rows are copied out of the engine and everything it held for them is let go before the first is sent. Whatever can take
//! long runs outside the reactor's threads and asks now and then whether it should stop.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use compiler::catalog::{Arrangement, Catalog};
use compiler::interpret;
use compiler::lir::{Body, Dataflow, FragmentIndex, Layout, Node, NodeId, Op};
use compiler::mir::{CollectionId, Rel};
use compiler::plan::{Access, FastPath, Query, Sorted, Source};
use compiler::repr::{Datum, Row, RowBuf, Type};
use compiler::scalar::{MfpPlan, ScalarExpr};
use compiler::{Error, SqlState};
use dataflow::contents::Range;
use dataflow::coordinator::fragments::Readable;
use dataflow::output::answer_too_large;
use dataflow::reads::Read;
use dataflow::storage::{Diff, Updates};
use dataflow::tables::key_length;

use super::evaluation::{Evaluation, beside_the_reactor};
use super::finish::{Cut, finish};
use super::transaction::{Record, Visit};
use super::{Executor, Transaction, rewrite};
use crate::session::{Interrupt, RowSet};

/// After every so many rows a long read asks whether it should stop.
const ROWS_PER_CHECK: usize = 4096;

/// Rows of more bytes than this are finished outside the reactor's threads, however few they are.
const BYTES_AT_ONCE: usize = 1 << 18;

impl Executor {
    /// All rows of a query, finished.
    pub(super) async fn rows(
        &self,
        query: &Query,
        values: &Row,
        types: &[Type],
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        let bound;
        let query = if types.is_empty() {
            query
        } else {
            bound = query.bind_parameters(values, types);
            &bound
        };
        self.check_taken_in(&query.depends_on, transaction)?;
        let cut = Cut::of(&query.finishing, &mut Evaluation::new(interrupt))?;
        let first = cut.needed();
        let needed = first.filter(|_| query.finishing.order.is_empty());
        let rows = match &query.source {
            Source::Constant { rel } => interpreted(rel, &BTreeMap::new(), needed, interrupt)?,
            Source::Interpret { rel, contents } => {
                tokio::task::block_in_place(|| interpreted(rel, contents, needed, interrupt))?
            }
            Source::FastPath(path) => self.fast_path(path, first, needed, transaction, interrupt).await?,
            Source::Dataflow(dataflow) => {
                let dataflow = self.with_own_changes(dataflow, transaction)?;
                self.run(dataflow, needed, interrupt).await?
            }
        };
        let is_long = rows.len() > ROWS_PER_CHECK || rows.bytes() > BYTES_AT_ONCE;
        let rows = beside_the_reactor(is_long, || finish(rows, &query.finishing, &cut))?;
        match &query.effects {
            None => Ok(rows),
            Some(effects) => self.affect(effects, rows, transaction, interrupt).await,
        }
    }

    async fn run(
        &self,
        dataflow: Dataflow,
        needed: Option<usize>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        let rows = self.updates(dataflow, interrupt).await?;
        let mut gather = Gather::new(needed, interrupt);
        beside_the_reactor(rows.len() > ROWS_PER_CHECK, || {
            for (row, _, diff) in rows.iter() {
                if gather.push(row, diff).is_break() {
                    break;
                }
            }
            gather.finish()
        })
    }

    /// What a dataflow gives that runs once.
    async fn updates(&self, dataflow: Dataflow, interrupt: &Arc<Interrupt>) -> Result<Updates, Error> {
        tokio::select! {
            biased;
            error = interrupt.stopped() => Err(error),
            rows = self.engine.run(dataflow, None, RESULT_BYTES_MAX) => rows,
        }
    }

    /// Reads an arrangement, as the transaction sees it.
    async fn fast_path(
        &self,
        path: &FastPath,
        first: Option<usize>,
        needed: Option<usize>,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<RowSet, Error> {
        let mut evaluation = Evaluation::new(interrupt);
        let Some(range) = range(path, &mut evaluation)? else { return Ok(RowSet::default()) };
        let is_long = is_long(&range);
        if is_long {
            evaluation = Evaluation::beside_the_reactor(interrupt);
        }
        let catalog = self.catalog(transaction);
        let touched = self.touched(&catalog, &BTreeSet::from([path.relation]), transaction);
        let mut gather = Gather::new(needed, interrupt);
        let mut through = Through::new(path.mfp.plan(), &mut gather, evaluation);
        if !touched && let Some((sorted, first)) = path.sorted.zip(first) {
            self.stored_first(path, &range, sorted, first, interrupt, &mut through).await?;
        } else if !touched {
            self.stored(path, &range, interrupt, &mut |key, value, diff| through.push(key, value, diff))
                .await?;
        } else if catalog.item(path.relation).is_some_and(|item| item.has_shard())
            && !transaction.altered(path.relation)
        {
            let mut stored = Vec::new();
            if !transaction.created(path.relation) {
                let mut copy = |key: &[u8], value: &[u8], diff: Diff| {
                    stored.push(Record { key: key.to_vec(), value: value.to_vec(), diff });
                    ControlFlow::Continue(())
                };
                self.stored(path, &range, interrupt, &mut copy).await?;
            }
            let mut visit = |key: &[u8], value: &[u8], diff: Diff| through.push(key, value, diff);
            beside_the_reactor(is_long, || {
                transaction.see(&catalog, path.relation, &path.identity, &range, stored, &mut visit)
            })?;
        } else {
            let mut visit = |key: &[u8], value: &[u8], diff: Diff| through.push(key, value, diff);
            let arrangement = Arrangement { identity: path.identity.clone(), layout: path.layout.clone() };
            let computed =
                self.computed(&catalog, path.arrangement, &arrangement, &range, transaction, &mut visit);
            tokio::select! {
                biased;
                error = interrupt.stopped() => return Err(error),
                computed = computed => computed?,
            }
        }
        through.finish()?;
        gather.finish()
    }

    /// Visits the records in a range of an arrangement that nobody has published as the transaction sees it: it is computed.
    pub(super) async fn computed(
        &self,
        catalog: &Catalog,
        item: CollectionId,
        arrangement: &Arrangement,
        range: &Range,
        transaction: &Transaction,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let dataflow = self.with_own_changes(&arranged(catalog, item, arrangement)?, transaction)?;
        let records = self.engine.run(dataflow, None, RESULT_BYTES_MAX).await?;
        beside_the_reactor(is_long(range), || {
            for (record, _, diff) in records.iter() {
                let (key, value) = record.split_at(key_length(record, arrangement.layout.key));
                if range.contains(key) && visit(key, value, diff).is_break() {
                    break;
                }
            }
        });
        Ok(())
    }

    /// Visits the records of an arrangement in a range, as of the latest acknowledged commit.
    async fn stored(
        &self,
        path: &FastPath,
        range: &Range,
        interrupt: &Arc<Interrupt>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let readable = self.readable(path)?;
        if let Range::Keys(keys) = range
            && let [key] = &keys[..]
            && readable.point(key, &mut |value, diff| {
                let _ = visit(key, value, diff);
            })?
        {
            return Ok(());
        }
        let read = self.complete(readable, interrupt).await?;
        beside_the_reactor(is_long(range), || read.visit(0, range, visit))?;
        self.remote(path, &read, range, visit).await
    }

    /// As [`Executor::stored`], of each worker's records in a sorted range only as many as the first rows are of: with those that are
    /// equal to the last of them, where that leaves the order open.
    async fn stored_first(
        &self,
        path: &FastPath,
        range: &Range,
        sorted: Sorted,
        first: usize,
        interrupt: &Arc<Interrupt>,
        through: &mut Through<'_, '_>,
    ) -> Result<(), Error> {
        let read = self.complete(self.readable(path)?, interrupt).await?;
        tokio::task::block_in_place(|| -> Result<(), Error> {
            for part in 0..read.parts(0) {
                let before = through.gathered();
                // What the record is sorted by that the last of the first rows came of.
                let mut last: Option<Vec<u8>> = None;
                let flow = read.visit_part(0, part, range, sorted.backwards, &mut |key, value, diff| {
                    let by = &key[..key_length(key, sorted.columns)];
                    if last.as_ref().is_some_and(|last| !sorted.ties || by != last) {
                        return ControlFlow::Break(());
                    }
                    through.push(key, value, diff)?;
                    if last.is_none() && through.gathered() - before >= first {
                        last = Some(by.to_vec());
                    }
                    ControlFlow::Continue(())
                })?;
                if flow.is_break() && last.is_none() {
                    break; // It failed, or was interrupted.
                }
            }
            Ok(())
        })?;
        self.remote(path, &read, range, &mut |key, value, diff| through.push(key, value, diff)).await
    }

    /// A read that has all that was acknowledged.
    async fn complete(&self, readable: Arc<Readable>, interrupt: &Arc<Interrupt>) -> Result<Read, Error> {
        let read = self.engine.read(vec![readable]);
        tokio::select! {
            biased;
            error = interrupt.stopped() => return Err(error),
            complete = read.complete() => complete?,
        }
        Ok(read)
    }

    /// Visits the records in a range that other processes have.
    async fn remote(
        &self,
        path: &FastPath,
        read: &Read,
        range: &Range,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let records = read.remote(0, range).await?;
        beside_the_reactor(is_long(range), || {
            for (record, diff) in &records {
                let (key, value) = record.split_at(key_length(record, path.layout.key));
                if visit(key, value, *diff).is_break() {
                    break;
                }
            }
        });
        Ok(())
    }

    fn readable(&self, path: &FastPath) -> Result<Arc<Readable>, Error> {
        let missing = || Error::new(SqlState::UNDEFINED_TABLE, "the relation was dropped while it was read");
        self.engine.readable(&path.identity).ok_or_else(missing)
    }

    /// Whether what these relations hold depends on collections that the transaction has changed, created or altered.
    pub(super) fn touched(
        &self,
        catalog: &Catalog,
        relations: &BTreeSet<CollectionId>,
        transaction: &Transaction,
    ) -> bool {
        if transaction.is_empty() {
            return false;
        }
        let mut waiting: Vec<CollectionId> = relations.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if transaction.has_changed(id) || transaction.created(id) || transaction.altered(id) {
                return true;
            }
            if seen.insert(id) {
                waiting.extend(catalog.item(id).into_iter().flat_map(|item| &item.depends_on));
            }
        }
        false
    }

    /// Refuses to read what depends on a derived stream that has yet to take in what the transaction has changed: it takes in what is
    /// committed, and would show the transaction less than it wrote.
    fn check_taken_in(
        &self,
        relations: &BTreeSet<CollectionId>,
        transaction: &Transaction,
    ) -> Result<(), Error> {
        if transaction.is_empty() {
            return Ok(());
        }
        let catalog = self.catalog(transaction);
        let mut waiting: Vec<CollectionId> = relations.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            let Some(item) = catalog.item(id) else { continue };
            let is_derived = item.has_shard() && item.definition().is_some();
            if is_derived && self.touched(&catalog, &BTreeSet::from([item.id]), transaction) {
                let message = format!("stream \"{}\" takes in what is committed", item.name);
                return Err(Error::unsupported(message)
                    .detail("This transaction has changed what the stream is derived from.")
                    .hint("Commit first."));
            }
            if seen.insert(item.id) {
                waiting.extend(&item.depends_on);
            }
        }
        Ok(())
    }

    /// The dataflow over collections as the transaction sees them: its changes added where rows enter.
    pub(super) fn with_own_changes(
        &self,
        dataflow: &Dataflow,
        transaction: &Transaction,
    ) -> Result<Dataflow, Error> {
        if transaction.is_empty() {
            return Ok(dataflow.clone());
        }
        Ok(rewrite::with_changes(dataflow, transaction))
    }
}

/// The most bytes of rows that an expression over constants or the catalog may make on its way: it is computed in one piece, on
/// the session's thread.
const INTERPRETED_BYTES_MAX: usize = 1 << 30;

fn interpreted(
    rel: &Rel,
    contents: &compiler::mir::Contents,
    needed: Option<usize>,
    interrupt: &Arc<Interrupt>,
) -> Result<RowSet, Error> {
    let rows = Evaluation::new(interrupt).run(|scratch| {
        let arena = scratch.arena_mut();
        Ok::<_, Error>(interpret::evaluate_within(rel, contents, INTERPRETED_BYTES_MAX, arena)??)
    })?;
    beside_the_reactor(rows.len() > ROWS_PER_CHECK, || {
        let mut gather = Gather::new(needed, interrupt);
        for (row, diff) in rows {
            if gather.push(row.bytes(), diff).is_break() {
                break;
            }
        }
        gather.finish()
    })
}

/// Whether visiting a range is more than a look here and there.
fn is_long(range: &Range) -> bool {
    match range {
        Range::Keys(keys) => keys.len() > ROWS_PER_CHECK,
        Range::Between { .. } => true,
    }
}

/// The records of an item's arrangement, as a dataflow of its own: over collections that the transaction has changed.
fn arranged(catalog: &Catalog, item: CollectionId, arrangement: &Arrangement) -> Result<Dataflow, Error> {
    let missing = || Error::new(SqlState::INTERNAL_ERROR, "an arrangement has no dataflow");
    let dataflow = catalog.dataflow(item).ok_or_else(missing)?;
    let place = dataflow.fragments.iter().position(|fragment| fragment.identity == arrangement.identity);
    let fragment = FragmentIndex(place.ok_or_else(missing)?);
    let mfp = compiler::scalar::Mfp::new(arrangement.layout.typ.arity());
    let node = Node { id: NodeId(u32::MAX), op: Op::Arranged { fragment, lookup: None, mfp } };
    Ok(Dataflow { fragments: dataflow.fragments.clone(), body: Body::Stream(node) })
}

/// Which keys are read; `None` when no key can be found.
pub(super) fn range(path: &FastPath, evaluation: &mut Evaluation) -> Result<Option<Range>, Error> {
    let layout = &path.layout;
    Ok(match &path.access {
        Access::Scan => Some(Range::ALL),
        Access::Lookup(keys) => {
            let mut found = BTreeSet::new();
            for key in keys {
                found.extend(key_bytes(key, layout, 0, evaluation)?);
            }
            (!found.is_empty()).then(|| Range::Keys(found.into_iter().collect()))
        }
        Access::Range { prefix, lower, upper } => {
            between(layout, prefix, lower.as_ref(), upper.as_ref(), evaluation)?
        }
    })
}

/// Encodings begin with bytes below this one, so that it follows all keys with the same beginning.
const AFTER_ALL: u8 = 0xff;

/// NULL's place in a key: after all values.
const NULL_KEY: u8 = 0xfe;

fn between(
    layout: &Layout,
    prefix: &[ScalarExpr],
    lower: Option<&(ScalarExpr, bool)>,
    upper: Option<&(ScalarExpr, bool)>,
    evaluation: &mut Evaluation,
) -> Result<Option<Range>, Error> {
    let place = prefix.len();
    let Some(prefix) = key_bytes(prefix, layout, 0, evaluation)? else { return Ok(None) };
    let mut bound = |expr: &ScalarExpr| -> Result<Option<Vec<u8>>, Error> {
        let value = key_bytes(std::slice::from_ref(expr), layout, place, evaluation)?;
        let Some(value) = value else { return Ok(None) };
        Ok(Some([&prefix[..], &value].concat()))
    };
    let mut from = prefix.clone();
    if let Some((expr, inclusive)) = lower {
        let Some(value) = bound(expr)? else { return Ok(None) };
        from = value;
        from.extend((!inclusive).then_some(AFTER_ALL));
    }
    let mut to = prefix.clone();
    match upper {
        Some((expr, inclusive)) => {
            let Some(value) = bound(expr)? else { return Ok(None) };
            to = value;
            to.extend(inclusive.then_some(AFTER_ALL));
        }
        // A bound on one side only leaves out NULL.
        None => to.push(if lower.is_some() { NULL_KEY } else { AFTER_ALL }),
    }
    Ok(Some(Range::Between { from, to: Some(to) }))
}

/// These values as a key has them from `place` on; `None` if one is NULL, which equals nothing.
fn key_bytes(
    exprs: &[ScalarExpr],
    layout: &Layout,
    place: usize,
    evaluation: &mut Evaluation,
) -> Result<Option<Vec<u8>>, Error> {
    let values = evaluation.values(exprs)?;
    let mut bytes = Vec::new();
    for (offset, value) in values.iter().enumerate() {
        match value {
            Datum::Null => return Ok(None),
            datum => layout.encode_key(place + offset, datum, &mut bytes),
        }
    }
    Ok(Some(bytes))
}

/// Records on their way through a plan.
pub(super) struct Through<'g, 'i> {
    plan: MfpPlan,
    evaluation: Evaluation,
    row: RowBuf,
    gather: &'g mut Gather<'i>,
    failed: Option<Error>,
}

impl<'g, 'i> Through<'g, 'i> {
    pub(super) fn new(plan: MfpPlan, gather: &'g mut Gather<'i>, evaluation: Evaluation) -> Through<'g, 'i> {
        Through { plan, evaluation, row: RowBuf::default(), gather, failed: None }
    }

    /// How many rows there are already.
    fn gathered(&self) -> usize {
        self.gather.rows.len()
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8], diff: Diff) -> ControlFlow<()> {
        match self.evaluation.pass(&self.plan, &[key, value], &mut self.row) {
            Ok(true) => self.gather.push(self.row.bytes(), diff),
            Ok(false) => self.gather.look(),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// The most that a result takes: it is in memory before its first row is sent, and while it is sorted it is there three times.
const RESULT_BYTES_MAX: usize = 2 << 30;

/// Rows as they are gathered: as many as are needed, and as long as nobody interrupts.
pub(super) struct Gather<'i> {
    rows: RowSet,
    needed: Option<usize>,
    interrupt: &'i Interrupt,
    looked: usize,
    failed: Option<Error>,
}

impl<'i> Gather<'i> {
    pub(super) fn new(needed: Option<usize>, interrupt: &'i Interrupt) -> Gather<'i> {
        Gather { rows: RowSet::default(), needed, interrupt, looked: 0, failed: None }
    }

    /// Adds a row as often as it is there.
    pub(super) fn push(&mut self, row: &[u8], diff: Diff) -> ControlFlow<()> {
        if diff < 0 {
            let message = "a row is there fewer than zero times";
            self.failed = Some(Error::new(SqlState::DATA_CORRUPTED, message));
            return ControlFlow::Break(());
        }
        for _ in 0..diff {
            if self.needed.is_some_and(|needed| self.rows.len() >= needed) {
                return ControlFlow::Break(());
            }
            if self.rows.bytes() + 8 * self.rows.len() > RESULT_BYTES_MAX {
                self.failed = Some(answer_too_large(RESULT_BYTES_MAX));
                return ControlFlow::Break(());
            }
            self.rows.push(row);
            self.look()?;
        }
        ControlFlow::Continue(())
    }

    fn look(&mut self) -> ControlFlow<()> {
        self.looked += 1;
        if self.looked.is_multiple_of(ROWS_PER_CHECK)
            && let Err(error) = self.interrupt.check()
        {
            self.failed = Some(error);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    pub(super) fn finish(self) -> Result<RowSet, Error> {
        self.failed.map_or(Ok(self.rows), Err)
    }
}
