//! Changelogs: each copy of a row that comes or goes, as a row that stays, with its time and 1 or -1 behind its columns.
//!
//! A stream's changelog is its shard as it lies there: each update says when it came. What else changes is brought together first, time by
//! time, so that what comes and goes at one time is no change; nothing is remembered of times that are complete.

use compiler::lir::Node;
use compiler::repr::{Datum, RowBuf};
use timely::dataflow::Stream;

use super::Context;
use super::bounds::Bounds;
use super::bundle::Collection;
use super::finish::{Keyed, Last};
use super::linear::{Logic, Share, mfp_logic, transform};
use super::lookup::told;
use crate::spine::{Diff, Timestamp, arrange};

/// The changelog of a node's collection.
pub fn changes<'s>(context: &mut Context<'s, '_>, input: &Node, last: Last) -> Collection<'s> {
    let Collection { oks, errs } = context.node(input, Last::keyed(Keyed::Whole));
    let (fallible, mut rows, bounds) = (last.is_fallible(), mfp_logic(&last), context.bounds);
    let mut stamp = Stamp::default();
    let logic: Logic = Box::new(move |parts, time, diff, emit| {
        rows(&[parts[0], parts[1], stamp.of(time, diff)], time, diff.abs(), emit)
    });
    // Only the batches are read: the trace goes at once, and keeps nothing.
    let batches = arrange(oks, "ArrangeChanges").stream;
    transform(batches, "Changes", bounds, fallible, logic).with_errs([errs.map(|errs| told(errs, bounds))])
}

/// The log of a shard that keeps the times of its updates: `rows` is called with each row and its own time, at the time at which it is
/// presented.
pub fn log<'s>(
    shares: Stream<'s, Timestamp, Vec<Share>>,
    bounds: Bounds,
    fallible: bool,
    mut rows: Logic,
) -> Collection<'s> {
    let mut stamp = Stamp::default();
    let logic: Logic = Box::new(move |parts, time, diff, emit| {
        if let Some(at) = bounds.clip(time) {
            rows(&[parts[0], stamp.of(time, diff)], at, diff.abs(), emit);
        }
    });
    transform(shares, "Log", Bounds { as_of: 0, ..bounds }, fallible, logic)
}

/// The columns of a change, packed.
#[derive(Default)]
struct Stamp(RowBuf);

impl Stamp {
    fn of(&mut self, time: Timestamp, diff: Diff) -> &[u8] {
        self.0.clear();
        self.0.push(Datum::Int(i64::try_from(time).unwrap_or(i64::MAX)));
        self.0.push(Datum::Int(diff.signum()));
        self.0.bytes()
    }
}
