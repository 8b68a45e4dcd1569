//! Arrangements: the only files that name concrete batch, batcher, builder and spine types.
//!
//! One row type, packed bytes, so one container on every edge ([`Rows`]), one spine ([`RowSpine`]), and one
//! instance of every generic operator over them, however many views there are. Batches are behind `Arc` and never change, so
//! that any thread can read what a worker maintains ([`Snapshot`]).
//!
//! Three invariants hold everywhere in here:
//! * A row is `key ++ value`; the key's length travels with it. Bytes are compared, never decoded.
//! * Identity is all bytes, so equal bytes cancel whatever they mean.
//! * Updates of one batch are sorted by (key, value, time) and consolidated.

mod arrange;
mod batch;
mod bytes;
mod chunk;
mod ladder;
mod merge;
mod rows;
mod snapshot;

use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::Span;
use differential_dataflow::trace::implementations::OffsetList;
use differential_dataflow::trace::implementations::ord_neu::{OrdValBatch, OrdValBuilder};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ExchangeCore;

pub use arrange::arrange;
pub use batch::ArcBatch;
pub use bytes::BytesContainer;
pub use merge::{Keys, Values};
pub use rows::{Columns, Rows, RowsRef};
pub use snapshot::{Snapshot, upper};

pub use crate::storage::{Diff, Timestamp};

/// How a batch of packed rows lies in memory: keys, values, times, diffs, offsets.
pub type RowLayout = (BytesContainer, BytesContainer, Vec<Timestamp>, Vec<Diff>, OffsetList);
/// The batch behind the `Arc`. Its `storage` is public: readers search it without a cursor.
pub type RowStorage = OrdValBatch<RowLayout>;
/// An immutable batch of packed updates that any thread may read.
pub type RowBatch = ArcBatch<RowStorage>;
/// The spine of all arrangements.
pub type RowSpine = Spine<RowBatch>;
/// What a dataflow keeps of an arrangement, and lends to others. It holds compaction back until it is advanced or dropped.
pub type RowTrace = TraceAgent<RowSpine>;
/// Makes a batch of sorted updates.
type RowBuilder = OrdValBuilder<RowLayout, Rows>;
/// Fills edge containers.
pub type RowsBuilder = CapacityContainerBuilder<Rows>;
/// A stream of packed updates.
pub type RowStream<'s> = Stream<'s, Timestamp, Rows>;
/// The batches of an arrangement as they are made, each with the interval of times it covers.
pub type BatchStream<'s> = Stream<'s, Timestamp, Vec<Span<Timestamp, RowBatch>>>;
/// An arrangement in the dataflow that is being built: its own, or one that was lent.
pub type Arrangement<'s> = Arranged<'s, RowTrace>;

const _: () = {
    const fn readable_from_any_thread<T: Send + Sync>() {}
    readable_from_any_thread::<RowBatch>();
    readable_from_any_thread::<Snapshot>();
};

/// Which worker a key belongs to, modulo their number. Whoever reads arrangements must route by it too.
///
/// Both halves of each product are folded: a plain multiply leaves big-endian keys, whose entropy is on top, without low bits.
#[inline]
pub fn route(key: &[u8]) -> u64 {
    const FACTOR: u128 = 0xD6E8_FEB8_6659_FD93;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word) as u128 * FACTOR;
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = mix(0x9E37_79B9_7F4A_7C15, key.len() as u64);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    if rest.is_empty() {
        return hash;
    }
    mix(hash, rest.iter().fold(0, |last, byte| last << 8 | *byte as u64))
}

/// An update as containers give it: key, value, time, diff.
pub type Update<'a> = (&'a [u8], &'a [u8], Timestamp, Diff);

fn route_update(update: &Update<'_>) -> u64 {
    route(update.0)
}

/// Sends each row to the worker that owns its key.
pub fn by_key() -> ExchangeCore<RowsBuilder, fn(&Update<'_>) -> u64> {
    ExchangeCore::new_core(route_update)
}

#[cfg(test)]
mod tests;
