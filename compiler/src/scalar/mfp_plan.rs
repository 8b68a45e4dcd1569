//! The compiled form of an [`Mfp`], which works on packed rows: the hot path of the whole product.
//!
//! A row is walked once, from its front to the last column that is needed, and no further than the predicates read before
//! they have let it pass. Columns that an expression reads are decoded into a reused buffer; columns that only pass through
//! are never decoded, their bytes are copied, neighbours in one piece. A map is computed just before the first predicate that
//! reads it, or after all predicates. A predicate over a single column is asked first of all, with nothing else prepared: most
//! rows that a selective filter sees end there. Nothing is allocated per row but what functions build in the arena, which is
//! reset for each row.

use std::collections::BTreeMap;

use super::{CompiledExpr, EvalError, Mfp, ScalarExpr};
use crate::repr::{Arena, Datum, Row, RowBuf, row};

/// A map-filter-project ready to run.
#[derive(Debug)]
pub struct MfpPlan {
    input_arity: usize,
    /// See [`Mfp::missing`].
    missing: Option<Row>,
    /// The columns to decode, ascending; column `decode[i]` goes to slot `i`, maps to the slots after.
    decode: Vec<usize>,
    /// The predicate that is asked first, if one reads a single column.
    guard: Option<Guard>,
    /// How many columns must be walked over for the other predicates: to decode what they read.
    gate_walk: usize,
    /// The steps up to the last of them.
    gate: Vec<Step>,
    /// How many columns must be walked over in all, to decode and to find the pieces that are copied.
    walk: usize,
    /// The maps of a row that has passed.
    maps: Vec<CompiledExpr>,
    output: Vec<Piece>,
    /// The pieces of `output` that make the key.
    key_pieces: usize,
    /// How many columns these pieces are.
    key_columns: usize,
    /// No row can pass.
    empty: bool,
}

/// A predicate over one column of the input.
#[derive(Debug)]
struct Guard {
    column: usize,
    /// Over that column as its only slot.
    test: CompiledExpr,
}

#[derive(Debug)]
enum Step {
    /// Computes the next slot.
    Map(CompiledExpr),
    Filter(CompiledExpr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The bytes of the input's columns `first` to `last`.
    Copy {
        first: usize,
        last: usize,
    },
    Slot(usize),
}

/// What evaluation reuses from row to row. One per operator.
#[derive(Default)]
pub struct Scratch {
    arena: Arena,
    datums: Vec<Datum<'static>>,
    /// Where each walked column begins, and where the last one ends.
    offsets: Vec<usize>,
    /// A row that lacked columns.
    fitted: Vec<u8>,
    /// How many bytes of the last output its key takes (see [`MfpPlan::keyed`]).
    pub key_len: usize,
}

impl Scratch {
    /// For evaluations that may be stopped, as the arena says.
    pub fn new(arena: Arena) -> Scratch {
        Scratch { arena, ..Scratch::default() }
    }

    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    pub fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }
}

impl MfpPlan {
    pub fn new(mfp: &Mfp) -> MfpPlan {
        MfpPlan::keyed(mfp, 0)
    }

    /// A plan whose first `key_columns` output columns are a key; evaluation leaves the key's length in
    /// [`Scratch::key_len`].
    pub fn keyed(mfp: &Mfp, key_columns: usize) -> MfpPlan {
        let mut mfp = mfp.clone();
        mfp.optimize();
        let empty = mfp.is_empty();
        let guard = Guard::take_from(&mut mfp);
        let mut builder = Builder::new(&mfp);
        for predicate in &mfp.predicates {
            builder.filter(predicate);
        }
        let gated = builder.steps.len();
        let mut output = builder.pieces(&mfp.projection[..key_columns]);
        let key_pieces = output.len();
        output.extend(builder.pieces(&mfp.projection[key_columns..]));
        let walk = walked(mfp.input_arity, &builder.decode, &output);
        let gate_walk = mfp.read_by_predicates().last().map_or(0, |column| column + 1);
        let Builder { decode, steps: mut gate, .. } = builder;
        let maps =
            gate.split_off(gated).into_iter().map(|(Step::Map(expr) | Step::Filter(expr))| expr).collect();
        MfpPlan {
            input_arity: mfp.input_arity,
            missing: mfp.missing,
            decode,
            guard,
            gate_walk,
            gate,
            walk,
            maps,
            output,
            key_pieces,
            key_columns,
            empty,
        }
    }

    /// Whether no row can pass.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Appends the output row for a packed input row, if it passes. `Err` is a predicate's error; a map's error is a cell
    /// of the output.
    #[inline]
    pub fn evaluate_packed(
        &self,
        row: &[u8],
        scratch: &mut Scratch,
        out: &mut RowBuf,
    ) -> Result<bool, EvalError> {
        self.evaluate_parts(&[row], scratch, out)
    }

    /// As [`MfpPlan::evaluate_packed`], of the input row that is the concatenation of parts: a join's key and values.
    pub fn evaluate_parts(
        &self,
        parts: &[&[u8]],
        scratch: &mut Scratch,
        out: &mut RowBuf,
    ) -> Result<bool, EvalError> {
        let (Some(missing), [row]) = (&self.missing, parts) else {
            return self.evaluate_whole(parts, scratch, out);
        };
        let mut buffer = std::mem::take(&mut scratch.fitted);
        let fitted = row::fit(row, self.input_arity, missing.bytes(), &mut buffer);
        let passed = self.evaluate_whole(&[fitted], scratch, out);
        scratch.fitted = buffer;
        passed
    }

    /// The row is as wide as the plan's input.
    fn evaluate_whole(
        &self,
        parts: &[&[u8]],
        scratch: &mut Scratch,
        out: &mut RowBuf,
    ) -> Result<bool, EvalError> {
        if self.empty {
            return Ok(false);
        }
        let Scratch { arena, datums, offsets, key_len, .. } = scratch;
        if self.guard.is_some() || !self.gate.is_empty() || !self.maps.is_empty() {
            arena.reset();
        }
        let guarded = match &self.guard {
            Some(guard) => {
                let mut value = [Datum::Null];
                decode_column(parts, guard.column, &mut value[0]);
                guard.ask(&value, arena)
            }
            None => Ok(true),
        };
        if guarded == Ok(false) {
            return Ok(false);
        }
        let mut slots = recycle(std::mem::take(datums));
        slots.resize(self.decode.len(), Datum::Null);
        offsets.clear();
        let mut walk = Walk::new(parts);
        walk.up_to(self.gate_walk, &self.decode, &mut slots, offsets);
        let passed = run(&self.gate, guarded.err(), &mut slots, arena);
        if let Ok(true) = passed {
            walk.up_to(self.walk, &self.decode, &mut slots, offsets);
            offsets.push(walk.place());
            compute(&self.maps, &mut slots, arena);
            *key_len = self.write_parts(parts, &slots, offsets, out);
        }
        *datums = recycle(slots);
        passed
    }

    /// As [`MfpPlan::evaluate_packed`], of an input row that is decoded already.
    pub fn evaluate(
        &self,
        input: &[Datum<'_>],
        scratch: &mut Scratch,
        out: &mut RowBuf,
    ) -> Result<bool, EvalError> {
        if self.empty {
            return Ok(false);
        }
        scratch.arena.reset();
        let guarded = match &self.guard {
            Some(guard) => guard.ask(&input[guard.column..=guard.column], &scratch.arena),
            None => Ok(true),
        };
        if guarded == Ok(false) {
            return Ok(false);
        }
        let mut slots = recycle(std::mem::take(&mut scratch.datums));
        slots.extend(self.decode.iter().map(|column| input[*column]));
        let passed = run(&self.gate, guarded.err(), &mut slots, &scratch.arena);
        if let Ok(true) = passed {
            compute(&self.maps, &mut slots, &scratch.arena);
            scratch.key_len = self.write(&slots, out, |first, last, out| {
                input[first..=last].iter().for_each(|datum| out.push(*datum));
            });
        }
        scratch.datums = recycle(slots);
        passed
    }

    fn write_parts(
        &self,
        parts: &[&[u8]],
        slots: &[Datum<'_>],
        offsets: &[usize],
        out: &mut RowBuf,
    ) -> usize {
        self.write(slots, out, |first, last, out| {
            let end = (last + 1 < self.input_arity).then(|| offsets[last + 1]);
            copy_span(parts, offsets[first], end, out);
        })
    }

    /// Writes the output; returns the length of its key.
    #[inline]
    fn write(
        &self,
        slots: &[Datum<'_>],
        out: &mut RowBuf,
        copy: impl Fn(usize, usize, &mut RowBuf),
    ) -> usize {
        let start = out.bytes().len();
        let mut key_len = 0;
        for (i, piece) in self.output.iter().enumerate() {
            if i == self.key_pieces {
                key_len = out.bytes().len() - start;
            }
            match *piece {
                Piece::Copy { first, last } => copy(first, last, out),
                Piece::Slot(slot) => out.push(slots[slot]),
            }
        }
        if out.bytes().len() - start > row::ROW_BYTES_MAX {
            return self.leave_out_large(start, out);
        }
        if self.key_pieces == self.output.len() { out.bytes().len() - start } else { key_len }
    }

    /// Errors in the place of what does not fit the row; returns the length of the key.
    #[cold]
    fn leave_out_large(&self, start: usize, out: &mut RowBuf) -> usize {
        out.leave_out_large(start, &EvalError::row_too_large());
        let row = &out.bytes()[start..];
        row.len() - (0..self.key_columns).fold(row, |rest, _| row::split_first(rest).1).len()
    }
}

impl Guard {
    /// Takes the predicate to ask first: of those that read a single column of the input, the one that is found soonest.
    fn take_from(mfp: &mut Mfp) -> Option<Guard> {
        let single = |predicate: &ScalarExpr| {
            let mut support = predicate.support().into_iter();
            support.next().filter(|column| *column < mfp.input_arity && support.next().is_none())
        };
        let candidates = mfp.predicates.iter().enumerate();
        let (column, at) = candidates.filter_map(|(at, predicate)| Some((single(predicate)?, at))).min()?;
        let predicate = mfp.predicates.remove(at);
        Some(Guard { column, test: CompiledExpr::new(&predicate, &|_| 0) })
    }

    /// Whether the row with this value passes.
    #[inline]
    fn ask<'a>(&'a self, value: &[Datum<'a>], arena: &'a Arena) -> Result<bool, EvalError> {
        match self.test.eval(value, arena) {
            Ok(Datum::Bool(true)) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Decodes one column of the concatenation of parts.
#[inline]
fn decode_column<'a>(parts: &[&'a [u8]], mut column: usize, to: &mut Datum<'a>) {
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            if column == 0 {
                row::decode_first_to(rest, to);
                return;
            }
            rest = row::split_first(rest).1;
            column -= 1;
        }
    }
}

/// Runs the steps up to the last predicate, after the guard's error if it had one; whether the row passes.
#[inline]
fn run<'a>(
    steps: &'a [Step],
    mut error: Option<EvalError>,
    slots: &mut Vec<Datum<'a>>,
    arena: &'a Arena,
) -> Result<bool, EvalError> {
    for step in steps {
        match step {
            Step::Map(expr) => map(expr, slots, arena),
            Step::Filter(expr) => match expr.eval(slots, arena) {
                Ok(Datum::Bool(true)) => {}
                Ok(_) => return Ok(false),
                Err(e) => error = Some(error.map_or_else(|| e.clone(), |least| least.min(e.clone()))),
            },
        }
    }
    error.map_or(Ok(true), Err)
}

/// Computes the maps of a row that has passed.
#[inline]
fn compute<'a>(maps: &'a [CompiledExpr], slots: &mut Vec<Datum<'a>>, arena: &'a Arena) {
    maps.iter().for_each(|expr| map(expr, slots, arena));
}

#[inline]
fn map<'a>(expr: &'a CompiledExpr, slots: &mut Vec<Datum<'a>>, arena: &'a Arena) {
    let value = expr.eval(slots, arena).unwrap_or_else(|e| e.to_cell(arena));
    slots.push(value);
}

/// A walk over a row's columns, which can stop and go on.
struct Walk<'p, 'a> {
    parts: std::slice::Iter<'p, &'a [u8]>,
    /// What is left of the part at hand, and where it ends in the row.
    rest: &'a [u8],
    end: usize,
    column: usize,
    decoded: usize,
}

impl<'p, 'a> Walk<'p, 'a> {
    #[inline]
    fn new(parts: &'p [&'a [u8]]) -> Walk<'p, 'a> {
        Walk { parts: parts.iter(), rest: &[], end: 0, column: 0, decoded: 0 }
    }

    /// Where it stands in the row.
    #[inline]
    fn place(&self) -> usize {
        self.end - self.rest.len()
    }

    /// Goes on before column `until`: decodes the wanted columns on the way, and notes where each column begins.
    #[inline]
    fn up_to(&mut self, until: usize, decode: &[usize], slots: &mut [Datum<'a>], offsets: &mut Vec<usize>) {
        while self.column < until {
            while self.rest.is_empty() {
                let Some(part) = self.parts.next() else { return };
                self.rest = part;
                self.end += part.len();
            }
            offsets.push(self.place());
            if decode.get(self.decoded) == Some(&self.column) {
                self.rest = row::decode_first_to(self.rest, &mut slots[self.decoded]);
                self.decoded += 1;
            } else {
                self.rest = row::split_first(self.rest).1;
            }
            self.column += 1;
        }
    }
}

/// Copies the bytes from `start` to `end` (or all that follow) of the concatenation of parts.
#[inline]
fn copy_span(parts: &[&[u8]], start: usize, end: Option<usize>, out: &mut RowBuf) {
    if let [row] = parts {
        out.extend(&row[start..end.unwrap_or(row.len())]);
        return;
    }
    let mut base = 0;
    for part in parts {
        let from = start.saturating_sub(base).min(part.len());
        let to = end.map_or(part.len(), |end| end.saturating_sub(base).min(part.len()));
        out.extend(&part[from..to]);
        base += part.len();
    }
}

/// How many columns must be walked: up to the last one decoded, and to the ends of what is copied. The end of the last
/// column is the end of the row, for which nothing need be walked.
fn walked(input_arity: usize, decode: &[usize], output: &[Piece]) -> usize {
    let decoded = decode.last().map_or(0, |column| column + 1);
    let copied = output.iter().map(|piece| match *piece {
        Piece::Copy { first, last } if last + 1 == input_arity => first,
        Piece::Copy { last, .. } => last + 1,
        Piece::Slot(_) => 0,
    });
    copied.max().unwrap_or(0).max(decoded)
}

/// The same buffer, empty, for datums of another lifetime. The allocation stays: collecting in place is what the standard
/// library does for a source of the same layout.
#[inline]
fn recycle<'a, 'b>(mut datums: Vec<Datum<'a>>) -> Vec<Datum<'b>> {
    datums.clear();
    datums.into_iter().map(|_| unreachable!("invariant: just cleared")).collect()
}

/// Assigns slots and orders the steps.
struct Builder<'m> {
    mfp: &'m Mfp,
    decode: Vec<usize>,
    /// The slot of each column, decoded or computed.
    slots: BTreeMap<usize, usize>,
    steps: Vec<Step>,
}

impl<'m> Builder<'m> {
    fn new(mfp: &'m Mfp) -> Builder<'m> {
        let mut read = std::collections::BTreeSet::new();
        for expr in mfp.maps.iter().chain(&mfp.predicates) {
            read.extend(expr.support());
        }
        let decode: Vec<usize> = read.into_iter().filter(|c| *c < mfp.input_arity).collect();
        let slots = decode.iter().enumerate().map(|(slot, column)| (*column, slot)).collect();
        Builder { mfp, decode, slots, steps: Vec::new() }
    }

    /// Computes the maps that an expression reads, unless they are, and compiles it.
    fn compile(&mut self, expr: &ScalarExpr) -> CompiledExpr {
        for column in expr.support() {
            self.slot(column);
        }
        CompiledExpr::new(expr, &|column| self.slots[&column])
    }

    fn slot(&mut self, column: usize) -> usize {
        if let Some(slot) = self.slots.get(&column) {
            return *slot;
        }
        let map = self.compile(&self.mfp.maps[column - self.mfp.input_arity]);
        let slot = self.slots.len();
        self.steps.push(Step::Map(map));
        self.slots.insert(column, slot);
        slot
    }

    fn filter(&mut self, predicate: &ScalarExpr) {
        let filter = self.compile(predicate);
        self.steps.push(Step::Filter(filter));
    }

    /// The pieces of the output for a projection: runs of input columns are one.
    fn pieces(&mut self, projection: &[usize]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for &column in projection {
            if column >= self.mfp.input_arity {
                pieces.push(Piece::Slot(self.slot(column)));
                continue;
            }
            match pieces.last_mut() {
                Some(Piece::Copy { last, .. }) if *last + 1 == column => *last = column,
                _ => pieces.push(Piece::Copy { first: column, last: column }),
            }
        }
        pieces
    }
}
