//! Byte strings side by side: the keys, or the values, of a batch. Two allocations, however many there are.

use differential_dataflow::trace::implementations::{BatchContainer, OffsetList};
use timely::container::PushInto;

/// Byte strings in the order in which they were pushed.
pub struct BytesContainer {
    /// Where each ends in `bytes`; it begins where the one before ends. Four bytes each until the bytes exceed 4 GiB.
    ends: OffsetList,
    bytes: Vec<u8>,
}

impl BytesContainer {
    /// The bytes of all of them, and of what it takes to tell them apart.
    pub fn heap_size(&self) -> usize {
        self.bytes.capacity() + 4 * self.ends.smol.capacity() + 8 * self.ends.chonk.capacity()
    }

    /// The first position at or beyond `low` whose item is not before `wanted`, among those before `high`.
    pub fn seek(&self, mut low: usize, mut high: usize, wanted: &[u8]) -> usize {
        while low < high {
            let middle = low.midpoint(high);
            if self.index(middle) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Default for BytesContainer {
    fn default() -> Self {
        BytesContainer::with_capacity(0)
    }
}

impl PushInto<&[u8]> for BytesContainer {
    #[inline]
    fn push_into(&mut self, item: &[u8]) {
        self.bytes.extend_from_slice(item);
        self.ends.push(self.bytes.len());
    }
}

impl BatchContainer for BytesContainer {
    type Owned = Vec<u8>;
    type ReadItem<'a> = &'a [u8];

    fn into_owned(item: &[u8]) -> Vec<u8> {
        item.to_vec()
    }

    fn clone_onto(item: &[u8], other: &mut Vec<u8>) {
        other.clear();
        other.extend_from_slice(item);
    }

    #[inline]
    fn push_ref(&mut self, item: &[u8]) {
        self.push_into(item)
    }

    fn push_own(&mut self, item: &Vec<u8>) {
        self.push_into(&item[..])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends = OffsetList::with_capacity(0);
    }

    fn with_capacity(items: usize) -> Self {
        BytesContainer { ends: OffsetList::with_capacity(items), bytes: Vec::new() }
    }

    fn merge_capacity(left: &Self, right: &Self) -> Self {
        BytesContainer {
            ends: OffsetList::with_capacity(left.len() + right.len()),
            bytes: Vec::with_capacity(left.bytes.len() + right.bytes.len()),
        }
    }

    fn reborrow<'b, 'a: 'b>(item: &'a [u8]) -> &'b [u8] {
        item
    }

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends.index(index - 1) };
        &self.bytes[start..self.ends.index(index)]
    }

    #[inline]
    fn len(&self) -> usize {
        self.ends.len()
    }
}
