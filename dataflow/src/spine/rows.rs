//! Rows: the container on every dataflow edge, with no allocation per row.
//!
//! ```text
//!   times   t0  t1  t2              8 bytes each, as are diffs
//!   diffs   d0  d1  d2
//!   ends        e0    e1      e2    row i is bytes[e(i-1)..e(i)]
//!   keys    k0  k1  k2              its first k(i) bytes are the key
//!   bytes   key0 value0 key1 value1 key2 value2
//! ```
//!
//! A row that has no key (yet) is all key. A container that came from another process keeps the form in which it came
//! ([`crate::exchange`]); readers borrow either form as [`RowsRef`] once per container, never per row.

use std::io::Write;

use compiler::repr::row::ROW_BYTES_MAX;
use differential_dataflow::trace::implementations::ord_neu::BuilderInput;
use timely::bytes::arc::Bytes;
use timely::container::{Accountable, DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;

use super::{BytesContainer, Diff, Timestamp};
use crate::exchange::{Codec, WireCodec};

/// An edge container is sent on when it has this many bytes: few enough to stay in a core's cache on its way.
const CONTAINER_BYTES: usize = 256 << 10;

/// Containers are sent on once they are full, so they exceed that by one row at most; and what operators put before a row (its sort key, a
/// group's key) is part of it, encoded anew, so that even then it takes less than three times what a row may.
const WITHIN_4_GIB: &str = "invariant: a container is sent long before 4 GiB, since rows are bounded";
const _: () = assert!(3 * ROW_BYTES_MAX + 4 * CONTAINER_BYTES + (1 << 21) < u32::MAX as usize);

/// What a row costs besides its bytes.
pub(super) const ROW_OVERHEAD: usize = 24;

/// The columns of a container. The widest come first, as the wire format wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    pub times: Vec<Timestamp>,
    pub diffs: Vec<Diff>,
    pub ends: Vec<u32>,
    pub keys: Vec<u32>,
    pub bytes: Vec<u8>,
}

impl Columns {
    pub fn borrow(&self) -> RowsRef<'_> {
        RowsRef {
            times: &self.times,
            diffs: &self.diffs,
            ends: &self.ends,
            keys: &self.keys,
            bytes: &self.bytes,
        }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.diffs.clear();
        self.ends.clear();
        self.keys.clear();
        self.bytes.clear();
    }
}

/// Borrowed columns. Valid ones are of one length, and their ends and keys lie where they must.
#[derive(Clone, Copy, Debug)]
pub struct RowsRef<'a> {
    pub times: &'a [Timestamp],
    pub diffs: &'a [Diff],
    pub ends: &'a [u32],
    pub keys: &'a [u32],
    pub bytes: &'a [u8],
}

impl<'a> RowsRef<'a> {
    #[inline]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }

    /// Key and value together.
    #[inline]
    pub fn row(&self, index: usize) -> &'a [u8] {
        &self.bytes[self.start(index)..self.ends[index] as usize]
    }

    #[inline]
    pub fn key(&self, index: usize) -> &'a [u8] {
        let start = self.start(index);
        &self.bytes[start..start + self.keys[index] as usize]
    }

    /// The update at this position: key, value, time, diff.
    #[inline]
    pub fn get(&self, index: usize) -> (&'a [u8], &'a [u8], Timestamp, Diff) {
        let (key, value) = self.row(index).split_at(self.keys[index] as usize);
        (key, value, self.times[index], self.diffs[index])
    }

    /// What decides the order of updates in a batch.
    #[inline]
    pub(super) fn order(&self, index: usize) -> (&'a [u8], &'a [u8], Timestamp) {
        let (key, value, time, _) = self.get(index);
        (key, value, time)
    }

    pub fn iter(self) -> RowsIter<'a> {
        RowsIter { rows: self, next: 0 }
    }

    pub fn to_columns(self) -> Columns {
        Columns {
            times: self.times.to_vec(),
            diffs: self.diffs.to_vec(),
            ends: self.ends.to_vec(),
            keys: self.keys.to_vec(),
            bytes: self.bytes.to_vec(),
        }
    }
}

/// Packed updates `(key, value, time, diff)`.
#[derive(Default)]
pub struct Rows {
    columns: Columns,
    /// Set while the rows are those of a message of another process; `columns` is empty then.
    received: Option<<WireCodec as Codec>::View>,
}

impl Rows {
    #[inline]
    pub fn borrow(&self) -> RowsRef<'_> {
        match &self.received {
            None => self.columns.borrow(),
            Some(view) => WireCodec::view(view),
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.borrow().len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8], time: Timestamp, diff: Diff) {
        debug_assert!(self.received.is_none(), "a received container is read, not written");
        let columns = &mut self.columns;
        columns.bytes.extend_from_slice(key);
        columns.bytes.extend_from_slice(value);
        let end = u32::try_from(columns.bytes.len()).expect(WITHIN_4_GIB);
        columns.ends.push(end);
        columns.keys.push(key.len() as u32);
        columns.times.push(time);
        columns.diffs.push(diff);
    }

    /// Appends all rows of another container.
    pub fn extend(&mut self, rows: RowsRef<'_>) {
        let columns = &mut self.columns;
        let base = columns.bytes.len();
        u32::try_from(base + rows.bytes.len()).expect(WITHIN_4_GIB);
        columns.bytes.extend_from_slice(rows.bytes);
        columns.ends.extend(rows.ends.iter().map(|end| base as u32 + end));
        columns.keys.extend_from_slice(rows.keys);
        columns.times.extend_from_slice(rows.times);
        columns.diffs.extend_from_slice(rows.diffs);
    }

    /// Whether the container should be sent on, or set aside for another.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.size() >= CONTAINER_BYTES
    }

    pub fn clear(&mut self) {
        self.received = None;
        self.columns.clear();
    }

    /// Bytes of memory in use, about.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.columns.bytes.len() + ROW_OVERHEAD * self.columns.times.len()
    }

    /// Empty, with room for so many rows and bytes.
    pub fn with_capacity(rows: usize, bytes: usize) -> Rows {
        let columns = Columns {
            times: Vec::with_capacity(rows),
            diffs: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            keys: Vec::with_capacity(rows),
            bytes: Vec::with_capacity(bytes),
        };
        Rows { columns, received: None }
    }
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        Rows { columns: self.borrow().to_columns(), received: None }
    }
}

impl Accountable for Rows {
    #[inline]
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

/// The updates of a container, in order.
#[derive(Clone)]
pub struct RowsIter<'a> {
    rows: RowsRef<'a>,
    next: usize,
}

impl<'a> Iterator for RowsIter<'a> {
    type Item = (&'a [u8], &'a [u8], Timestamp, Diff);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.rows.len() {
            return None;
        }
        self.next += 1;
        Some(self.rows.get(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rows.len() - self.next;
        (left, Some(left))
    }
}

impl DrainContainer for Rows {
    type Item<'a> = (&'a [u8], &'a [u8], Timestamp, Diff);
    type DrainIter<'a> = RowsIter<'a>;

    fn drain(&mut self) -> RowsIter<'_> {
        self.borrow().iter()
    }
}

impl SizableContainer for Rows {
    #[inline]
    fn at_capacity(&self) -> bool {
        self.is_full()
    }

    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        if self.columns.times.capacity() == 0
            && let Some(mut spare) = stash.take()
        {
            spare.clear();
            *self = spare;
        }
    }
}

impl PushInto<(&[u8], &[u8], Timestamp, Diff)> for Rows {
    #[inline]
    fn push_into(&mut self, (key, value, time, diff): (&[u8], &[u8], Timestamp, Diff)) {
        self.push(key, value, time, diff)
    }
}

impl ContainerBytes for Rows {
    fn from_bytes(bytes: Bytes) -> Self {
        // A message that is not what its sender wrote cannot be survived: the group recovers from storage.
        let view = WireCodec::decode(bytes)
            .unwrap_or_else(|error| panic!("a message between processes is damaged: {error}"));
        Rows { columns: Columns::default(), received: Some(view) }
    }

    fn length_in_bytes(&self) -> usize {
        WireCodec::length(self.borrow())
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let written = match &self.received {
            None => WireCodec::encode(&self.columns, writer),
            Some(view) => WireCodec::encode(&WireCodec::view(view).to_columns(), writer),
        };
        written.expect("invariant: timely hands a buffer of length_in_bytes");
    }
}

impl BuilderInput<BytesContainer, BytesContainer> for Rows {
    type Key<'a> = &'a [u8];
    type Val<'a> = &'a [u8];
    type Time = Timestamp;
    type Diff = Diff;

    fn into_parts<'a>(item: Self::Item<'a>) -> (&'a [u8], &'a [u8], Timestamp, Diff) {
        item
    }

    fn key_eq(this: &&[u8], other: &[u8]) -> bool {
        *this == other
    }

    fn val_eq(this: &&[u8], other: &[u8]) -> bool {
        *this == other
    }

    fn key_val_upd_counts(chain: &[Self]) -> (usize, usize, usize) {
        let count = chain.iter().map(Rows::len).sum();
        (count, count, count)
    }
}
