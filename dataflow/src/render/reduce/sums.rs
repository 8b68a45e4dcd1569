//! The operator of everything that is a sum by key: counts, sums and means, distinct rows, positive multiplicities.
//!
//! What arrives is added up by (key, time) in a hash table as it comes, so that only the groups that change are touched
//! when their time is complete. The state is a hash table too: times are totally ordered, so one present is enough, and a group
//! is found in one probe where an arrangement would be searched batch by batch.
//!
//! Between workers a group's change travels as a row: the group's key, and as value its lanes and wide sums, packed.

use std::collections::BTreeMap;
use std::rc::Rc;

use smallvec::SmallVec;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;
use timely::progress::operate::FrontierInterest;

use super::groups::{Hash, State, Table, Wide};
use crate::fuel::Fuel;
use crate::render::bundle::{Collection, Emit, Held, Outputs};
use crate::spine::{Diff, RowStream, Rows, RowsRef, Timestamp};

/// A group's sums at one time.
#[derive(Clone, Copy)]
pub struct Sums<'a> {
    pub lanes: &'a [i128],
    pub wide: Option<&'a Wide>,
}

/// What a row adds to the sums: called with the row's key, value, time and diff.
pub type Accept = Box<dyn FnMut(&[u8], &[u8], Timestamp, Diff, &mut Pending)>;

/// What a change of a group's sums means: called with its key, its sums before and after, and the time.
pub type Finish = Box<dyn FnMut(&[u8], Sums<'_>, Sums<'_>, Timestamp, &mut Emit)>;

/// Changes of sums by (key, time), not yet complete.
pub struct Pending {
    width: usize,
    /// The table of the time that was last added to: rows mostly come in runs of one time.
    current: Option<(Timestamp, Table)>,
    tables: BTreeMap<Timestamp, Table>,
    spare: Vec<Table>,
}

impl Pending {
    pub fn new(width: usize) -> Pending {
        Pending { width, current: None, tables: BTreeMap::new(), spare: Vec::new() }
    }

    /// The table of a time.
    #[inline]
    pub fn at(&mut self, time: Timestamp) -> &mut Table {
        if self.current.as_ref().is_none_or(|(current, _)| *current != time) {
            self.switch(time);
        }
        &mut self.current.as_mut().expect("invariant: just switched to it").1
    }

    #[cold]
    fn switch(&mut self, time: Timestamp) {
        self.tables.extend(self.current.take());
        let spare = &mut self.spare;
        let table =
            self.tables.remove(&time).or_else(|| spare.pop()).unwrap_or_else(|| Table::new(self.width));
        self.current = Some((time, table));
    }

    /// How many groups of all times there are.
    pub fn len(&self) -> usize {
        self.current.iter().map(|(_, table)| table.len()).chain(self.tables.values().map(Table::len)).sum()
    }

    /// The least time.
    pub fn first_time(&mut self) -> Option<Timestamp> {
        self.tables.extend(self.current.take());
        self.tables.first_key_value().map(|(time, _)| *time)
    }

    /// The table of the least time.
    pub fn pop_first(&mut self) -> Option<(Timestamp, Table)> {
        self.tables.extend(self.current.take());
        self.tables.pop_first()
    }

    /// Takes a table back for reuse; large ones, which are long to clear, are freed.
    pub fn recycle(&mut self, mut table: Table) {
        if self.spare.len() < 16 && table.len() < 1 << 10 {
            table.clear();
            self.spare.push(table);
        }
    }
}

/// Packs a group's sums as a value.
pub fn pack(sums: Sums<'_>, out: &mut Vec<u8>) {
    out.clear();
    sums.lanes.iter().for_each(|lane| out.extend_from_slice(&lane.to_le_bytes()));
    for (key, pair) in sums.wide.into_iter().flatten() {
        pack_wide(key, *pair, out);
    }
}

/// Appends one pair of wide sums to a packed value.
pub fn pack_wide(key: &[u8], pair: [i128; 2], out: &mut Vec<u8>) {
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    pair.iter().for_each(|lane| out.extend_from_slice(&lane.to_le_bytes()));
}

/// Adds `diff` times a packed value to a group.
pub fn add_packed(table: &mut Table, group: usize, width: usize, value: &[u8], diff: Diff) {
    let (lanes, wide) = value.split_at(16 * width);
    let lanes = lanes.as_chunks::<16>().0.iter().map(|lane| i128::from_le_bytes(*lane));
    table.add(group, lanes, diff as i128);
    let mut rest = wide;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (key, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        let (pair, tail) = tail.split_at(32);
        let lane = |index: usize| {
            let bytes = pair[16 * index..].first_chunk::<16>();
            i128::from_le_bytes(*bytes.expect("invariant: a packed pair is two lanes"))
        };
        table.add_wide(group, key, [lane(0), lane(1)], diff as i128);
        rest = tail;
    }
}

/// Accepts packed changes of groups.
pub fn accept_packed(width: usize) -> Accept {
    Box::new(move |key, value, time, diff, pending| {
        let table = pending.at(time);
        let group = table.group(Hash::of(key), key);
        add_packed(table, group, width, value, diff);
    })
}

/// Accepts rows to be counted: one lane, by key.
pub fn accept_counts() -> Accept {
    Box::new(|key, _, time, diff, pending| {
        let table = pending.at(time);
        let group = table.group(Hash::of(key), key);
        table.add(group, std::iter::once(1), diff as i128);
    })
}

/// Keeps sums by key, and emits what their changes mean. `fallible`: whether finishing may emit errors.
///
/// `pact` brings each key to the worker that owns it, or says that it is there.
pub fn sums<'s>(
    stream: RowStream<'s>,
    pact: impl ParallelizationContract<Timestamp, Rows>,
    name: &str,
    width: usize,
    fallible: bool,
    mut accept: Accept,
    finish: Finish,
) -> Collection<'s> {
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let mut input = builder.new_input(stream, pact);
    builder.set_notify_for(0, FrontierInterest::IfCapability);
    let (mut outputs, collection) = Outputs::new(&mut builder, fallible);
    let activator = scope.activator_for(Rc::clone(&builder.operator_info().address));
    builder.build(move |_| {
        let mut driver = Driver {
            pending: Pending::new(width),
            held: None,
            state: State::new(width),
            current: None,
            finish,
        };
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            input.for_each(|capability, rows| {
                let Some(held) = outputs.retain(&capability) else { return };
                for (key, value, time, diff) in rows.borrow().iter() {
                    accept(key, value, time, diff, &mut driver.pending);
                }
                driver.hold(held);
            });
            if !driver.work(&frontiers[0], &mut outputs) {
                activator.activate();
            }
        }
    });
    collection
}

/// The operator's memory.
struct Driver {
    pending: Pending,
    /// The right to answer all that is pending.
    held: Option<Held>,
    state: State,
    /// The complete time at work: its changes, and which comes next.
    current: Option<(Timestamp, Table, usize)>,
    finish: Finish,
}

impl Driver {
    fn hold(&mut self, held: Held) {
        if self.held.as_ref().is_none_or(|least| held.time() < least.time()) {
            self.held = Some(held);
        }
    }

    /// Applies what is complete until fuel is spent; false when there is more.
    fn work(&mut self, frontier: &MutableAntichain<Timestamp>, outputs: &mut Outputs) -> bool {
        let Some(mut held) = self.held.take() else { return true };
        let mut fuel = Fuel::new();
        let finished = loop {
            if self.current.is_none() {
                let complete = self.pending.first_time().is_some_and(|time| !frontier.less_equal(&time));
                if !complete {
                    break true;
                }
                self.current = self.pending.pop_first().map(|(time, table)| (time, table, 0));
            }
            if !self.apply_current(&mut fuel, outputs, &held) {
                break false;
            }
        };
        outputs.flush(&held);
        let next = self.current.as_ref().map(|(time, _, _)| *time).or_else(|| self.pending.first_time());
        if let Some(next) = next {
            held.downgrade(next);
            self.held = Some(held);
        }
        finished
    }

    /// Applies changes of the current time; false when fuel ran out before the end.
    fn apply_current(&mut self, fuel: &mut Fuel, outputs: &mut Outputs, held: &Held) -> bool {
        let Some((time, changes, next)) = &mut self.current else { return true };
        let mut fuelled = true;
        while *next < changes.len() && fuelled {
            apply(&mut self.state, changes, *next, *time, &mut self.finish, &mut outputs.emit);
            *next += 1;
            if next.is_multiple_of(256) {
                outputs.send_full(held);
            }
            fuelled = fuel.spend();
        }
        if *next < changes.len() {
            return false;
        }
        if let Some((_, changes, _)) = self.current.take() {
            self.pending.recycle(changes);
        }
        fuelled
    }
}

/// Applies one group's change to the state, and says what it means.
fn apply(
    state: &mut State,
    changes: &Table,
    change: usize,
    time: Timestamp,
    finish: &mut Finish,
    emit: &mut Emit,
) {
    if changes.is_zero(change) {
        return;
    }
    let key = changes.key(change);
    let hash = Hash::of(key);
    let table = state.table(hash);
    let group = table.group(hash, key);
    let before: SmallVec<[i128; 8]> = SmallVec::from_slice(table.lanes(group));
    let wide_before = table.wide(group).cloned();
    table.add_group(group, changes, change);
    let before = Sums { lanes: &before, wide: wide_before.as_ref() };
    let after = Sums { lanes: table.lanes(group), wide: table.wide(group) };
    finish(key, before, after, time, emit);
    if table.is_zero(group) {
        table.remove(hash, key);
    }
}

/// How many groups are added up before they are sent.
const PARTIAL_GROUPS: usize = 16 << 10;

/// How many messages go past the table after it did not help.
const MESSAGES_PAST: usize = 32;

/// Adds up a worker's own rows by (key, time) before they are exchanged: a low number of groups then costs no traffic. While
/// it does not halve what comes in, rows go past it, each as a change of its own.
pub fn partial_sums<'s>(
    stream: RowStream<'s>,
    name: &str,
    width: usize,
    mut accept: Accept,
) -> RowStream<'s> {
    let mut builder = OperatorBuilder::new(name.to_owned(), stream.scope());
    let mut input = builder.new_input(stream, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (mut outputs, collection) = Outputs::new(&mut builder, false);
    builder.build(move |_| {
        let mut partial = Partial::new(width);
        move |_| {
            // The right to send all that is pending: the least that came with it.
            let mut least: Option<Held> = None;
            input.for_each(|capability, rows| {
                let Some(held) = outputs.retain(&capability) else { return };
                let least = match &mut least {
                    Some(least) if least.time() <= held.time() => least,
                    least => least.insert(held),
                };
                partial.add(rows.borrow(), &mut accept, &mut outputs.emit);
                outputs.send_full(least);
            });
            if let Some(least) = least {
                partial.send(&mut outputs.emit);
                outputs.flush(&least);
            }
        }
    });
    collection.oks
}

/// Sums of a worker's own rows, on their way to the workers that own their keys.
struct Partial {
    pending: Pending,
    /// What one row adds, while rows go past the table.
    single: Pending,
    rows_in: usize,
    /// How many more messages go past the table.
    past: usize,
    packed: Vec<u8>,
}

impl Partial {
    fn new(width: usize) -> Partial {
        Partial {
            pending: Pending::new(width),
            single: Pending::new(width),
            rows_in: 0,
            past: 0,
            packed: Vec::new(),
        }
    }

    fn add(&mut self, rows: RowsRef<'_>, accept: &mut Accept, emit: &mut Emit) {
        if self.past > 0 {
            self.past -= 1;
            for (key, value, time, diff) in rows.iter() {
                accept(key, value, time, diff, &mut self.single);
                send_partial(&mut self.single, &mut self.packed, emit);
            }
            return;
        }
        self.rows_in += rows.len();
        for (key, value, time, diff) in rows.iter() {
            accept(key, value, time, diff, &mut self.pending);
        }
        if self.pending.len() >= PARTIAL_GROUPS {
            self.past = if self.pending.len() * 2 > self.rows_in { MESSAGES_PAST } else { 0 };
            self.send(emit);
        }
    }

    fn send(&mut self, emit: &mut Emit) {
        self.rows_in = 0;
        send_partial(&mut self.pending, &mut self.packed, emit);
    }
}

/// Emits all pending changes.
fn send_partial(pending: &mut Pending, packed: &mut Vec<u8>, emit: &mut Emit) {
    while let Some((time, table)) = pending.pop_first() {
        for group in (0..table.len()).filter(|group| !table.is_zero(*group)) {
            pack(Sums { lanes: table.lanes(group), wide: table.wide(group) }, packed);
            emit.ok(table.key(group), packed, time, 1);
        }
        pending.recycle(table);
    }
}
