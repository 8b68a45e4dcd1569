//! What MIR means: an expression and what its collections hold give what the expression holds.
//!
//! [`interpret`] is over sequences of updates and is every test's oracle; [`evaluate`] is the same at one time, and is what constants
//! are folded with and, within limits, the catalog's own relations are read with. Both are the definition of each operator,
//! written plainly; only the join looks rows up instead of trying all pairs.
//!
//! **Errors.** An expression of a map, a group key or an aggregate that fails gives an error cell, which is a value like
//! others until an expression reads it. One that fails in a filter, a join's equivalences or a table function is an error
//! of the whole collection, and so is a cell of a row that a threshold compares with others. Errors pass through every operator, whatever its other rows are.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::{Error, SqlState};
use crate::mir::{COPIES_MAX, CollectionId, Contents, Id, LocalId, Lookup, Rel, deep};
use crate::repr::row::{Row, RowBuf};
use crate::repr::{Arena, Datum, Type, encode_canonical, encode_sort_key};
use crate::scalar::window::{Partition, WindowExpr};
use crate::scalar::{AggregateExpr, Context, EvalError, ScalarExpr, Slice, SortKey, TableFunc};

/// Updates of rows, and of the errors that stand for a whole collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    pub oks: Vec<(Row, u64, i64)>,
    pub errs: Vec<(EvalError, u64, i64)>,
}

/// The expression's updates, given those of the collections that it reads. Times are only compared.
pub fn interpret(rel: &Rel, inputs: &BTreeMap<CollectionId, Updates>) -> Updates {
    match rel.is_historical() {
        true => Sequences { inputs: inputs.clone(), locals: BTreeMap::new() }.updates(rel),
        false => at_each_time(rel, inputs),
    }
}

/// What is memoryless: at each time, what the collections hold then gives what the expression holds.
fn at_each_time(rel: &Rel, inputs: &BTreeMap<CollectionId, Updates>) -> Updates {
    let mut times = BTreeSet::from([0]);
    for updates in inputs.values() {
        times.extend(updates.oks.iter().map(|(_, time, _)| *time));
        times.extend(updates.errs.iter().map(|(_, time, _)| *time));
    }
    let mut output = Updates::default();
    let mut before = Collection::default();
    for time in times {
        let at = inputs.iter().map(|(id, updates)| (*id, updates.as_of(time))).collect();
        let now = Evaluator::new(&at, usize::MAX, &mut Arena::default()).eval(rel).expect(UNLIMITED);
        let mut rows = now.rows.clone();
        rows.extend(before.rows.into_iter().map(|(row, diff)| (row, -diff)));
        consolidate(&mut rows);
        output.oks.extend(rows.into_iter().map(|(row, diff)| (row, time, diff)));
        output.errs.extend(now.errs.difference(&before.errs).map(|error| (error.clone(), time, 1)));
        output.errs.extend(before.errs.difference(&now.errs).map(|error| (error.clone(), time, -1)));
        before = now;
    }
    output
}

/// Expressions that need more of their inputs than what they hold at a time: evaluated one operator after the other, each over the whole
/// sequences of its inputs' updates.
struct Sequences {
    inputs: BTreeMap<CollectionId, Updates>,
    locals: BTreeMap<LocalId, Updates>,
}

impl Sequences {
    fn updates(&mut self, rel: &Rel) -> Updates {
        deep(|| match rel {
            Rel::Get { id: Id::Local(id), .. } => self.locals[id].clone(),
            Rel::Let { id, value, body } => {
                let value = self.updates(value);
                let outer = self.locals.insert(*id, value);
                let body = self.updates(body);
                match outer {
                    Some(outer) => self.locals.insert(*id, outer),
                    None => self.locals.remove(id),
                };
                body
            }
            Rel::Lookup(lookup) => {
                let (input, table) = (self.updates(&lookup.input), self.updates(&lookup.table));
                at_arrival(&input, &table, lookup)
            }
            Rel::Changes { input } => changelog(self.updates(input)),
            Rel::Constant { .. } | Rel::Get { .. } => at_each_time(rel, &self.inputs),
            Rel::Recursive { .. } => self.recursive(rel.clone()),
            _ => {
                let (mut node, mut inputs) = (rel.clone(), BTreeMap::new());
                node.for_each_child_mut(|child| {
                    let id = CollectionId(inputs.len() as u64);
                    let typ = child.typ();
                    inputs.insert(id, self.updates(child));
                    *child = Rel::get(id, typ);
                });
                at_each_time(&node, &inputs)
            }
        })
    }

    /// A recursion is evaluated as a whole; what it needs more of than what it holds at a time is given to it as a collection.
    fn recursive(&mut self, mut rel: Rel) -> Updates {
        let mut inputs = self.inputs.clone();
        self.take_out(&mut rel, &mut inputs);
        at_each_time(&rel, &inputs)
    }

    fn take_out(&mut self, rel: &mut Rel, inputs: &mut BTreeMap<CollectionId, Updates>) {
        let outside = match rel {
            Rel::Get { id: Id::Local(id), .. } => self.locals.contains_key(id),
            Rel::Lookup(_) | Rel::Changes { .. } => true,
            _ => false,
        };
        if outside {
            let id = CollectionId(inputs.last_key_value().map_or(0, |(id, _)| id.0 + 1));
            let typ = rel.typ();
            inputs.insert(id, self.updates(rel));
            *rel = Rel::get(id, typ);
        } else {
            deep(|| rel.for_each_child_mut(|child| self.take_out(child, inputs)));
        }
    }
}

/// Each copy of a row that comes or goes, as a row that stays. Errors are told as they come, and never taken back.
fn changelog(input: Updates) -> Updates {
    let mut sums: BTreeMap<(u64, Row), i64> = BTreeMap::new();
    for (row, time, diff) in input.oks {
        *sums.entry((time, row)).or_default() += diff;
    }
    let mut output = Updates { oks: Vec::new(), errs: input.errs };
    output.errs.retain(|(.., diff)| *diff > 0);
    for ((time, row), diff) in sums.into_iter().filter(|(_, diff)| *diff != 0) {
        output.oks.push((change(&row, time, diff.signum()), time, diff.abs()));
    }
    output
}

fn change(row: &Row, time: u64, sign: i64) -> Row {
    let time = Datum::Int(i64::try_from(time).unwrap_or(i64::MAX));
    Row::pack(row.iter().chain([time, Datum::Int(sign)]))
}

/// Each update of the input, with what the table holds at its own time. The table's errors are told as they come, and never taken
/// back: what was looked up may have wanted them.
fn at_arrival(input: &Updates, table: &Updates, lookup: &Lookup) -> Updates {
    let mut output = Updates { oks: Vec::new(), errs: input.errs.clone() };
    output.errs.extend(table.errs.iter().filter(|(.., diff)| *diff > 0).cloned());
    let keys: Vec<ScalarExpr> = lookup.keys.iter().map(|(_, right)| right.clone()).collect();
    let mut arena = Arena::default();
    let keys = table.oks.iter().map(|(row, time, diff)| (key(row, &keys, &mut arena).err(), time, diff));
    output.errs.extend(keys.filter_map(|(error, time, diff)| Some((error?, *time, 1)).filter(|_| *diff > 0)));
    let times: BTreeSet<u64> = input.oks.iter().map(|(_, time, _)| *time).collect();
    for time in times {
        let at = input.oks.iter().filter(|(_, t, _)| *t == time);
        let mut rows: Vec<(Row, i64)> = at.map(|(row, _, diff)| (row.clone(), *diff)).collect();
        consolidate(&mut rows);
        let there = Collection { rows: table.as_of(time).rows, errs: BTreeSet::new() };
        let found = look_up(Collection { rows, errs: BTreeSet::new() }, there, lookup, &mut arena);
        output.oks.extend(found.rows.into_iter().map(|(row, diff)| (row, time, diff)));
        output.errs.extend(found.errs.into_iter().map(|error| (error, time, 1)));
    }
    output
}

/// What rows that arrive together find in a table. A key that fails is an error, and finds nothing.
fn look_up(input: Collection, table: Collection, lookup: &Lookup, arena: &mut Arena) -> Collection {
    let (left, right): (Vec<ScalarExpr>, Vec<ScalarExpr>) = lookup.keys.iter().cloned().unzip();
    let mut output = Collection { rows: Vec::new(), errs: input.errs.union(&table.errs).cloned().collect() };
    let mut by_key: HashMap<Vec<u8>, Vec<&(Row, i64)>> = HashMap::new();
    for entry in &table.rows {
        match key(&entry.0, &right, arena) {
            Ok(Some(key)) => by_key.entry(key).or_default().push(entry),
            Ok(None) => {}
            Err(error) => drop(output.errs.insert(error)),
        }
    }
    for (row, diff) in &input.rows {
        let matches = match key(row, &left, arena) {
            Ok(key) => key.and_then(|key| by_key.get(&key)),
            Err(error) => {
                output.errs.insert(error);
                continue;
            }
        };
        let mut found = false;
        for (other, count) in matches.into_iter().flatten() {
            let mut joined = RowBuf::default();
            joined.extend(row.bytes());
            joined.extend(other.bytes());
            let joined = joined.into_row();
            arena.reset();
            let passed = passes(&joined.unpack(), &lookup.on, arena);
            found |= passed != Ok(false);
            match passed {
                Ok(true) => output.rows.push((joined, diff * count)),
                Ok(false) => {}
                Err(error) => drop(output.errs.insert(error)),
            }
        }
        if lookup.outer && !found {
            let nulls = std::iter::repeat_n(Datum::Null, lookup.table.arity());
            output.rows.push((Row::pack(row.iter().chain(nulls)), *diff));
        }
    }
    output
}

/// The expression's rows with their multiplicities, in order, or the least of its errors. Error cells stay cells.
pub fn evaluate(rel: &Rel, inputs: &Contents) -> Result<Vec<(Row, i64)>, EvalError> {
    evaluate_within(rel, inputs, usize::MAX, &mut Arena::default()).expect(UNLIMITED)
}

/// As [`evaluate`], for an expression that a user wrote: it may be stopped (`Err`), and ends before memory does. `bytes_max` is the
/// most bytes of rows that all its operators together may make, about.
pub fn evaluate_within(
    rel: &Rel,
    inputs: &Contents,
    bytes_max: usize,
    arena: &mut Arena,
) -> Result<Result<Vec<(Row, i64)>, EvalError>, Error> {
    let mut at = BTreeMap::new();
    for id in rel.depends_on() {
        let rows = inputs.get(&id).cloned().unwrap_or_default();
        at.insert(id, Collection { rows, errs: BTreeSet::new() });
    }
    let mut result = Evaluator::new(&at, bytes_max, arena).eval(rel)?;
    Ok(result.errs.pop_first().map_or(Ok(result.rows), Err))
}

const UNLIMITED: &str = "invariant: an evaluation without limits is not stopped";

/// What looking at a row, or at a pair of rows, costs.
const STEP_UNITS: usize = 64;

/// What a row takes besides its bytes.
const ROW_OVERHEAD: usize = 64;

/// Looks at a row, or at a pair of rows; `Err` if the evaluation was stopped, then or before.
fn step(arena: &Arena) -> Result<(), Error> {
    Ok(arena.work(STEP_UNITS)?)
}

/// The bytes of rows that an evaluation has made so far.
struct Meter {
    bytes: Cell<usize>,
    bytes_max: usize,
}

impl Meter {
    /// Makes a row.
    fn make(&self, row: &Row, arena: &Arena) -> Result<(), Error> {
        self.bytes.set(self.bytes.get().saturating_add(row.bytes().len() + ROW_OVERHEAD));
        if self.bytes.get() > self.bytes_max {
            let mib = self.bytes_max >> 20;
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "query makes too many rows")
                .detail(format!("A query over constants or the catalog makes at most {mib} MiB of rows."))
                .hint("Filter earlier, or join by keys."));
        }
        Ok(arena.work(STEP_UNITS + row.bytes().len())?)
    }
}

/// Why a row was not evaluated.
enum Fault {
    /// It fails.
    Data(EvalError),
    /// The whole evaluation ends.
    Stopped(Error),
}

impl From<EvalError> for Fault {
    fn from(error: EvalError) -> Fault {
        Fault::Data(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Stopped(error)
    }
}

/// Adds up the multiplicities of equal rows, drops those of 0 and sorts.
pub fn consolidate(rows: &mut Vec<(Row, i64)>) {
    rows.sort_unstable();
    rows.dedup_by(|(row, diff), (kept, sum)| {
        let same = row == kept;
        if same {
            *sum += *diff;
        }
        same
    });
    rows.retain(|(_, diff)| *diff != 0);
}

impl Updates {
    /// What has been accumulated up to and with a time.
    pub fn as_of(&self, time: u64) -> Collection {
        let until = |t: &u64| *t <= time;
        let mut rows: Vec<(Row, i64)> =
            self.oks.iter().filter(|(_, t, _)| until(t)).map(|(row, _, diff)| (row.clone(), *diff)).collect();
        consolidate(&mut rows);
        let mut errs: BTreeMap<EvalError, i64> = BTreeMap::new();
        for (error, _, diff) in self.errs.iter().filter(|(_, t, _)| until(t)) {
            *errs.entry(error.clone()).or_default() += diff;
        }
        let errs = errs.into_iter().filter(|(_, count)| *count > 0).map(|(error, _)| error);
        Collection { rows, errs: errs.collect() }
    }
}

/// A collection at one time: consolidated rows, and the errors that stand for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    pub rows: Vec<(Row, i64)>,
    pub errs: BTreeSet<EvalError>,
}

struct Evaluator<'a> {
    inputs: &'a BTreeMap<CollectionId, Collection>,
    locals: BTreeMap<LocalId, Collection>,
    meter: Meter,
    /// Emptied for each row, or for each operator that keeps values of many.
    arena: &'a mut Arena,
}

impl<'a> Evaluator<'a> {
    fn new(
        inputs: &'a BTreeMap<CollectionId, Collection>,
        bytes_max: usize,
        arena: &'a mut Arena,
    ) -> Evaluator<'a> {
        Evaluator { inputs, locals: BTreeMap::new(), meter: Meter { bytes: Cell::new(0), bytes_max }, arena }
    }

    fn eval(&mut self, rel: &Rel) -> Result<Collection, Error> {
        let mut result = deep(|| self.operator(rel))?;
        // What was stopped may look like a result.
        if let Some(stopped) = self.arena.stopped() {
            return Err(stopped.clone().into());
        }
        consolidate(&mut result.rows);
        Ok(result)
    }

    fn operator(&mut self, rel: &Rel) -> Result<Collection, Error> {
        Ok(match rel {
            Rel::Constant { rows: Ok(rows), .. } => Collection { rows: rows.clone(), errs: BTreeSet::new() },
            Rel::Constant { rows: Err(error), .. } => {
                Collection { rows: vec![], errs: BTreeSet::from([error.clone()]) }
            }
            Rel::Get { id: Id::Global(id), .. } => self.inputs.get(id).cloned().unwrap_or_default(),
            Rel::Get { id: Id::Local(id), .. } => self.locals[id].clone(),
            Rel::Let { id, value, body } => {
                let value = self.eval(value)?;
                let outer = self.locals.insert(*id, value);
                let body = self.eval(body)?;
                match outer {
                    Some(outer) => self.locals.insert(*id, outer),
                    None => self.locals.remove(id),
                };
                body
            }
            Rel::Recursive { id, value, rounds } => self.recursive(*id, value, *rounds)?,
            Rel::Project { input, outputs } => self.each_row(input, |row, _, emit| {
                emit(Row::pack(outputs.iter().map(|column| row[*column])))?;
                Ok(())
            })?,
            Rel::Map { input, scalars } => self.each_row(input, |row, arena, emit| {
                emit(map(row, scalars, arena))?;
                Ok(())
            })?,
            Rel::Filter { input, predicates } => self.each_row(input, |row, arena, emit| {
                if passes(row, predicates, arena)? {
                    emit(Row::pack(row.iter().copied()))?;
                }
                Ok(())
            })?,
            Rel::FlatMap { input, func, args } => {
                self.each_row(input, |row, arena, emit| flat_map(row, *func, args, arena, emit))?
            }
            Rel::Join { inputs, equivalences } => self.join(inputs, equivalences)?,
            Rel::Reduce { input, group_key, aggregates } => {
                let input = self.eval(input)?;
                self.arena.reset();
                reduce(input, group_key, aggregates, &self.meter, self.arena)?
            }
            // All of it came at one time, before all others.
            Rel::Changes { input } => {
                let input = self.eval(input)?;
                let rows = input.rows.iter().map(|(row, diff)| (change(row, 0, diff.signum()), diff.abs()));
                Collection { rows: rows.collect(), errs: input.errs }
            }
            // All of it arrives at one time.
            Rel::Lookup(lookup) => {
                let (input, table) = (self.eval(&lookup.input)?, self.eval(&lookup.table)?);
                look_up(input, table, lookup, self.arena)
            }
            Rel::TopK { input, group_key, order, slice } => {
                let input = self.eval(input)?;
                top_k(input, group_key, order, *slice, self.arena)?
            }
            Rel::Window { input, partition, order, functions } => {
                let input = self.eval(input)?;
                self.arena.reset();
                window(input, partition, order, functions, &self.meter, self.arena)?
            }
            Rel::Negate { input } => {
                let mut negated = self.eval(input)?;
                negated.rows.iter_mut().for_each(|(_, diff)| *diff = -*diff);
                negated
            }
            Rel::Threshold { input } => {
                let mut kept = self.eval_known(input)?;
                kept.rows.retain(|(_, diff)| *diff > 0);
                kept
            }
            Rel::Union { inputs } => {
                let mut sum = Collection::default();
                for input in inputs {
                    let input = self.eval(input)?;
                    sum.rows.extend(input.rows);
                    sum.errs.extend(input.errs);
                }
                sum
            }
        })
    }

    /// The plain fixpoint. The errors of the last round are those of the collection: an error is no row that another round could read.
    fn recursive(&mut self, id: LocalId, value: &Rel, rounds: u64) -> Result<Collection, Error> {
        let mut last = self.round(id, value, Vec::new())?;
        for _ in 1..rounds {
            let next = self.round(id, value, last.rows.clone())?;
            if next.rows == last.rows {
                return Ok(next);
            }
            if next.rows.iter().any(|(_, diff)| diff.unsigned_abs() > COPIES_MAX) {
                break;
            }
            last = next;
        }
        if self.round(id, value, last.rows.clone())?.rows != last.rows {
            last.errs.insert(EvalError::too_many_rounds(rounds));
        }
        Ok(last)
    }

    /// The value when these rows are under its name.
    fn round(&mut self, id: LocalId, value: &Rel, rows: Vec<(Row, i64)>) -> Result<Collection, Error> {
        step(self.arena)?;
        let outer = self.locals.insert(id, Collection { rows, errs: BTreeSet::new() });
        let result = self.eval(value);
        match outer {
            Some(outer) => self.locals.insert(id, outer),
            None => self.locals.remove(&id),
        };
        result
    }

    /// A function of each row, which may fail.
    fn each_row(
        &mut self,
        input: &Rel,
        mut f: impl FnMut(&[Datum<'_>], &Arena, &mut Emit<'_>) -> Result<(), Fault>,
    ) -> Result<Collection, Error> {
        let input = self.eval(input)?;
        let mut output = Collection { rows: Vec::new(), errs: input.errs };
        for (row, diff) in &input.rows {
            self.arena.reset();
            let (rows, arena) = (&mut output.rows, &*self.arena);
            let mut emit = |row: Row| {
                self.meter.make(&row, arena)?;
                rows.push((row, *diff));
                Ok(())
            };
            step(arena)?;
            match f(&row.unpack(), arena, &mut emit) {
                Ok(()) => {}
                Err(Fault::Data(error)) => drop(output.errs.insert(error)),
                Err(Fault::Stopped(error)) => return Err(error),
            }
        }
        Ok(output)
    }

    /// What a difference is made of: an error cell in either part is the collection's, since nobody knows what it takes away or leaves.
    fn eval_known(&mut self, rel: &Rel) -> Result<Collection, Error> {
        deep(|| {
            let mut known = match rel {
                Rel::Negate { input } => {
                    let mut known = self.eval_known(input)?;
                    known.rows.iter_mut().for_each(|(_, diff)| *diff = -*diff);
                    return Ok(known);
                }
                Rel::Union { inputs } => {
                    let mut known = Collection::default();
                    for input in inputs {
                        let input = self.eval_known(input)?;
                        known.rows.extend(input.rows);
                        known.errs.extend(input.errs);
                    }
                    consolidate(&mut known.rows);
                    return Ok(known);
                }
                rel => self.eval(rel)?,
            };
            let Collection { rows, errs } = &mut known;
            rows.retain(|(row, _)| {
                let error = row.iter().find_map(|datum| match datum {
                    Datum::Error(error) => Some(error.to_owned()),
                    _ => None,
                });
                errs.extend(error.clone());
                error.is_none()
            });
            Ok(known)
        })
    }

    /// The inputs joined one after the other: each row meets the rows whose expressions, in the classes that both sides have
    /// members of, have equal values.
    fn join(&mut self, inputs: &[Rel], equivalences: &[Vec<ScalarExpr>]) -> Result<Collection, Error> {
        let mut joined = Collection { rows: vec![(Row::default(), 1)], errs: BTreeSet::new() };
        let mut arity = 0;
        for input in inputs {
            let right = self.eval(input)?;
            let columns = arity..arity + input.arity();
            let stage = stage(equivalences, arity, columns.end);
            joined = join_two(joined, right, &stage, &self.meter, self.arena)?;
            arity = columns.end;
        }
        if inputs.is_empty() {
            joined = join_two(joined, unit(), &stage(equivalences, 0, 0), &self.meter, self.arena)?;
        }
        Ok(joined)
    }
}

/// Takes each row; may end the evaluation.
type Emit<'e> = dyn FnMut(Row) -> Result<(), Error> + 'e;

fn unit() -> Collection {
    Collection { rows: vec![(Row::default(), 1)], errs: BTreeSet::new() }
}

/// What one step of a join asks of its two sides.
struct Stage {
    /// Expressions over the left columns and those over the right ones that are to be equal, pairwise.
    left: Vec<ScalarExpr>,
    right: Vec<ScalarExpr>,
    /// Classes whose members are all there now but were not before, to be checked over both.
    checks: Vec<Vec<ScalarExpr>>,
}

/// The step that adds the columns from `arity` up to `end`.
fn stage(equivalences: &[Vec<ScalarExpr>], arity: usize, end: usize) -> Stage {
    let reach = |expr: &ScalarExpr| expr.support().last().map_or(0, |last| last + 1);
    let mut stage = Stage { left: vec![], right: vec![], checks: vec![] };
    for class in equivalences {
        let before = |expr: &&ScalarExpr| reach(expr) <= arity;
        let added =
            |expr: &&ScalarExpr| expr.support().first().is_some_and(|c| *c >= arity) && reach(expr) <= end;
        if let (Some(left), Some(right)) = (class.iter().find(before), class.iter().find(added)) {
            stage.left.push(left.clone());
            let mut right = right.clone();
            right.permute_with(|column| column - arity);
            stage.right.push(right);
        }
        // Members over what is there; asked again at each step that adds one.
        let there: Vec<ScalarExpr> = class.iter().filter(|expr| reach(expr) <= end).cloned().collect();
        if there.iter().any(|expr| reach(expr) > arity) || arity == 0 && !there.is_empty() {
            stage.checks.push(there);
        }
    }
    stage
}

fn join_two(
    left: Collection,
    right: Collection,
    stage: &Stage,
    meter: &Meter,
    arena: &mut Arena,
) -> Result<Collection, Error> {
    let mut errs: BTreeSet<EvalError> = left.errs.union(&right.errs).cloned().collect();
    let mut by_key: HashMap<Vec<u8>, Vec<&(Row, i64)>> = HashMap::new();
    for entry in &right.rows {
        match key(&entry.0, &stage.right, arena) {
            Ok(Some(key)) => by_key.entry(key).or_default().push(entry),
            Ok(None) => {}
            Err(error) => drop(errs.insert(error)),
        }
    }
    let mut rows = Vec::new();
    for (row, diff) in &left.rows {
        let matches = match key(row, &stage.left, arena) {
            Ok(Some(key)) => by_key.get(&key),
            Ok(None) => None,
            Err(error) => {
                errs.insert(error);
                None
            }
        };
        step(arena)?;
        for (other, other_diff) in matches.into_iter().flatten() {
            step(arena)?;
            let mut packed = RowBuf::default();
            packed.extend(row.bytes());
            packed.extend(other.bytes());
            let row = packed.into_row();
            match stage.checks.iter().try_fold(true, |all, class| Ok(all && key_agrees(&row, class, arena)?))
            {
                Ok(true) => {
                    meter.make(&row, arena)?;
                    rows.push((row, diff * other_diff));
                }
                Ok(false) => {}
                Err(error) => drop(errs.insert(error)),
            }
        }
    }
    Ok(Collection { rows, errs })
}

/// The canonical values of expressions on a row; nothing if one is NULL.
fn key(row: &Row, exprs: &[ScalarExpr], arena: &mut Arena) -> Result<Option<Vec<u8>>, EvalError> {
    arena.reset();
    let datums = row.unpack();
    let mut key = Vec::new();
    for expr in exprs {
        let datum = expr.eval(&datums, arena)?;
        if datum.is_null() {
            return Ok(None);
        }
        encode_canonical(datum, &mut key);
    }
    Ok(Some(key))
}

/// Whether all members of a class are equal on a row, and none is NULL.
fn key_agrees(row: &Row, class: &[ScalarExpr], arena: &mut Arena) -> Result<bool, EvalError> {
    let mut first = None;
    for member in class {
        match key(row, std::slice::from_ref(member), arena)? {
            None => return Ok(false),
            Some(value) => match &first {
                None => first = Some(value),
                Some(first) if *first != value => return Ok(false),
                Some(_) => {}
            },
        }
    }
    Ok(true)
}

fn map(row: &[Datum<'_>], scalars: &[ScalarExpr], arena: &Arena) -> Row {
    let mut datums = row.to_vec();
    for scalar in scalars {
        datums.push(cell(scalar, &datums, arena));
    }
    Row::pack(datums)
}

/// The value of an expression, or its error as a cell.
fn cell<'a>(expr: &'a ScalarExpr, row: &[Datum<'a>], arena: &'a Arena) -> Datum<'a> {
    expr.eval(row, arena).unwrap_or_else(|error| error.to_cell(arena))
}

/// Whether all predicates are true. One that is false or NULL hides the errors of the others.
fn passes(row: &[Datum<'_>], predicates: &[ScalarExpr], arena: &Arena) -> Result<bool, EvalError> {
    let mut error: Option<EvalError> = None;
    for predicate in predicates {
        match predicate.eval(row, arena) {
            Ok(Datum::Bool(true)) => {}
            Ok(_) => return Ok(false),
            Err(e) => error = Some(error.map_or_else(|| e.clone(), |least| least.min(e.clone()))),
        }
    }
    error.map_or(Ok(true), Err)
}

fn flat_map(
    row: &[Datum<'_>],
    func: TableFunc,
    args: &[ScalarExpr],
    arena: &Arena,
    emit: &mut Emit<'_>,
) -> Result<(), Fault> {
    let args = args.iter().map(|arg| arg.eval(row, arena)).collect::<Result<Vec<_>, _>>()?;
    let mut call = func.call(&args, Context { arena, typ: &Type::Unknown })?;
    let row = Row::pack(row.iter().copied());
    let mut produced = RowBuf::default();
    loop {
        produced.clear();
        produced.extend(row.bytes());
        if !call.next(&mut produced)? {
            return Ok(());
        }
        emit(produced.to_row())?;
    }
}

/// Groups by equality. Of equal keys that print differently, each column prints its least.
fn reduce(
    input: Collection,
    group_key: &[ScalarExpr],
    aggregates: &[AggregateExpr],
    meter: &Meter,
    arena: &Arena,
) -> Result<Collection, Error> {
    let rows: Vec<(Vec<Datum<'_>>, i64)> =
        input.rows.iter().map(|(row, diff)| (row.unpack(), *diff)).collect();
    let mut groups: BTreeMap<Vec<u8>, (Vec<Row>, Vec<(Vec<Datum<'_>>, i64)>)> = BTreeMap::new();
    for (row, diff) in rows {
        step(arena)?;
        if diff < 0 {
            continue;
        }
        let values: Vec<Datum<'_>> = group_key.iter().map(|expr| cell(expr, &row, arena)).collect();
        let mut canonical = Vec::new();
        values.iter().for_each(|datum| encode_canonical(*datum, &mut canonical));
        let printed: Vec<Row> = values.iter().map(|datum| Row::pack([*datum])).collect();
        let (least, members) = groups.entry(canonical).or_insert_with(|| (printed.clone(), Vec::new()));
        least.iter_mut().zip(printed).for_each(|(least, printed)| *least = printed.min(least.clone()));
        members.push((row, diff));
    }
    let mut rows = Vec::with_capacity(groups.len());
    for (least, members) in groups.into_values() {
        let mut packed = RowBuf::default();
        least.iter().for_each(|value| packed.extend(value.bytes()));
        for aggregate in aggregates {
            let value = aggregate.evaluate(&members, arena);
            packed.push(value.unwrap_or_else(|error| error.to_cell(arena)));
        }
        let row = packed.into_row();
        meter.make(&row, arena)?;
        rows.push((row, 1));
    }
    Ok(Collection { rows, errs: input.errs })
}

/// A row whose place cannot be computed is an error of the whole.
fn top_k(
    mut input: Collection,
    group_key: &[usize],
    order: &[SortKey],
    slice: Slice,
    arena: &mut Arena,
) -> Result<Collection, Error> {
    let mut groups: BTreeMap<Vec<u8>, Vec<(Vec<u8>, Row, i64)>> = BTreeMap::new();
    for (row, diff) in input.rows {
        step(arena)?;
        if diff < 0 {
            continue;
        }
        let (mut group, mut rank) = (Vec::new(), Vec::new());
        arena.reset();
        {
            let datums = row.unpack();
            group_key.iter().for_each(|column| encode_canonical(datums[*column], &mut group));
            let mut failed = None;
            for key in order {
                let value = cell(&key.expr, &datums, arena);
                if let Datum::Error(error) = value {
                    failed = failed.or(Some(error.to_owned()));
                }
                encode_sort_key(value, key.desc, key.nulls_first, &mut rank);
            }
            if let Some(error) = failed {
                input.errs.insert(error);
                continue;
            }
        }
        groups.entry(group).or_default().push((rank, row, diff));
    }
    let mut rows = Vec::new();
    for mut group in groups.into_values() {
        group.sort();
        let mut cut = slice.cut();
        for (rank, row, diff) in group {
            let kept = cut.kept(&rank, diff as u64);
            if kept > 0 {
                rows.push((row, kept as i64));
            }
        }
    }
    Ok(Collection { rows, errs: input.errs })
}

/// A row whose partition or place cannot be computed makes an error of every result in its partition.
fn window(
    input: Collection,
    partition: &[usize],
    order: &[SortKey],
    functions: &[WindowExpr],
    meter: &Meter,
    arena: &Arena,
) -> Result<Collection, Error> {
    let mut partitions: BTreeMap<Vec<u8>, Partition<'_>> = BTreeMap::new();
    for (row, diff) in input.rows.iter().filter(|(_, diff)| *diff > 0) {
        step(arena)?;
        let mut key = Vec::new();
        let datums = row.unpack();
        partition.iter().for_each(|column| encode_canonical(datums[*column], &mut key));
        let members = partitions.entry(key).or_default();
        members.add((row, *diff), partition.iter().copied(), order, arena);
    }
    let mut rows = Vec::new();
    for members in partitions.into_values() {
        for (row, copies) in members.evaluate(functions, arena) {
            meter.make(&row, arena)?;
            rows.push((row, copies));
        }
    }
    Ok(Collection { rows, errs: input.errs })
}
