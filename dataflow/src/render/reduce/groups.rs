//! Sums by key in a hash table: what an accumulable reduction keeps, and what it adds up before it sorts or sends anything.
//!
//! A group is a key, some i128 *lanes* (as many as the plan has, side by side) and, for plans that need it, *wide* sums:
//! pairs of lanes under further keys, such as the buckets of an exact float sum or the errors of an argument. A group
//! whose sums are all zero is not there.
//!
//! Tables grow by rehashing, so a state that lives long is split into many small ones ([`State`]): no single growth
//! holds the worker for long.

use std::collections::BTreeMap;

use crate::spine::route;

/// Sums under further keys within a group. Entries that are zero are not there.
pub type Wide = BTreeMap<Box<[u8]>, [i128; 2]>;

/// Where a key's group is looked for. Distinct from [`route`]'s low bits, which are equal for all keys of one worker.
#[derive(Clone, Copy)]
pub struct Hash {
    shard: usize,
    tag: u32,
}

const SHARD_BITS: u32 = 6;

impl Hash {
    #[inline]
    pub fn of(key: &[u8]) -> Hash {
        let mixed = route(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Hash { shard: (mixed >> (64 - SHARD_BITS)) as usize, tag: (mixed >> 26) as u32 }
    }
}

/// Groups in an open-addressed table: a slot holds a tag of the hash and an index into columns.
#[derive(Default)]
pub struct Table {
    width: usize,
    /// Tag in the upper half, index + 1 in the lower; 0 is an empty slot. A power of two of them, or none.
    slots: Vec<u64>,
    /// Where each key lies in `bytes`.
    keys: Vec<(usize, u32)>,
    bytes: Vec<u8>,
    lanes: Vec<i128>,
    /// Empty while no group has wide sums.
    wide: Vec<Option<Box<Wide>>>,
    free: Vec<u32>,
    /// Bytes of keys that were removed.
    dead: usize,
}

impl Table {
    /// A table of groups with `width` lanes.
    pub fn new(width: usize) -> Table {
        Table { width, ..Table::default() }
    }

    /// How many groups there are.
    #[allow(clippy::len_without_is_empty)] // Nobody asks.
    pub fn len(&self) -> usize {
        self.keys.len() - self.free.len()
    }

    /// Empties the table, keeping its memory.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.keys.clear();
        self.bytes.clear();
        self.lanes.clear();
        self.wide.clear();
        self.free.clear();
        self.dead = 0;
    }

    #[inline]
    pub fn key(&self, group: usize) -> &[u8] {
        let (start, length) = self.keys[group];
        &self.bytes[start..start + length as usize]
    }

    #[inline]
    pub fn lanes(&self, group: usize) -> &[i128] {
        &self.lanes[group * self.width..(group + 1) * self.width]
    }

    #[inline]
    pub fn lanes_mut(&mut self, group: usize) -> &mut [i128] {
        &mut self.lanes[group * self.width..(group + 1) * self.width]
    }

    pub fn wide(&self, group: usize) -> Option<&Wide> {
        self.wide.get(group)?.as_deref()
    }

    /// The group of a key, if it is there.
    #[inline]
    pub fn find(&self, hash: Hash, key: &[u8]) -> Option<usize> {
        self.slot(hash, key).map(|slot| index(self.slots[slot]))
    }

    #[inline]
    fn slot(&self, hash: Hash, key: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash.tag as usize & mask;
        loop {
            match self.slots[at] {
                0 => return None,
                slot if tag(slot) == hash.tag && self.key(index(slot)) == key => return Some(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The group of a key; it is made, with sums of zero, if it is not there.
    #[inline]
    pub fn group(&mut self, hash: Hash, key: &[u8]) -> usize {
        if let Some(group) = self.find(hash, key) {
            return group;
        }
        if self.len() * 5 >= self.slots.len() * 3 {
            self.grow();
        }
        let group = self.push(key);
        place(&mut self.slots, (hash.tag as u64) << 32 | (group + 1) as u64);
        group
    }

    fn push(&mut self, key: &[u8]) -> usize {
        if self.dead > 1 << 16 && self.dead * 2 > self.bytes.len() {
            self.compact();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let span = (start, key.len() as u32);
        if let Some(group) = self.free.pop() {
            let group = group as usize;
            self.keys[group] = span;
            self.lanes[group * self.width..(group + 1) * self.width].fill(0);
            return group;
        }
        self.keys.push(span);
        self.lanes.resize(self.lanes.len() + self.width, 0);
        self.keys.len() - 1
    }

    #[cold]
    fn grow(&mut self) {
        let mut slots = vec![0; (self.slots.len() * 2).max(16)];
        self.slots.iter().filter(|slot| **slot != 0).for_each(|slot| place(&mut slots, *slot));
        self.slots = slots;
    }

    /// Moves the keys that are there together.
    #[cold]
    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.dead);
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            let (start, length) = &mut self.keys[index(*slot)];
            let key = &self.bytes[*start..*start + *length as usize];
            *start = bytes.len();
            bytes.extend_from_slice(key);
        }
        self.bytes = bytes;
        self.dead = 0;
    }

    /// Adds `diff` times these lanes to a group.
    #[inline]
    pub fn add(&mut self, group: usize, lanes: impl Iterator<Item = i128>, diff: i128) {
        for (sum, lane) in self.lanes_mut(group).iter_mut().zip(lanes) {
            *sum = sum.wrapping_add(lane.wrapping_mul(diff));
        }
    }

    /// Adds `diff` times a pair to a group's wide sums.
    pub fn add_wide(&mut self, group: usize, key: &[u8], pair: [i128; 2], diff: i128) {
        if self.wide.len() <= group {
            self.wide.resize_with(self.keys.len(), || None);
        }
        let wide = self.wide[group].get_or_insert_default();
        let sums = match wide.get_mut(key) {
            Some(sums) => sums,
            None => wide.entry(key.into()).or_default(),
        };
        for (sum, lane) in sums.iter_mut().zip(pair) {
            *sum = sum.wrapping_add(lane.wrapping_mul(diff));
        }
        if *sums == [0, 0] {
            wide.remove(key);
            if wide.is_empty() {
                self.wide[group] = None;
            }
        }
    }

    /// Adds all sums of a group of another table to a group.
    pub fn add_group(&mut self, group: usize, from: &Table, other: usize) {
        self.add(group, from.lanes(other).iter().copied(), 1);
        for (key, pair) in from.wide(other).into_iter().flatten() {
            self.add_wide(group, key, *pair, 1);
        }
    }

    /// Whether all sums of a group are zero.
    pub fn is_zero(&self, group: usize) -> bool {
        self.lanes(group).iter().all(|lane| *lane == 0) && self.wide(group).is_none()
    }

    /// Takes a group away.
    pub fn remove(&mut self, hash: Hash, key: &[u8]) {
        let Some(mut hole) = self.slot(hash, key) else { return };
        let group = index(self.slots[hole]);
        self.dead += self.keys[group].1 as usize;
        self.free.push(group as u32);
        if let Some(wide) = self.wide.get_mut(group) {
            *wide = None;
        }
        // Moves back what was displaced past the hole, so that no search ends at it.
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let home = tag(slot) as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = 0;
    }
}

#[inline]
fn tag(slot: u64) -> u32 {
    (slot >> 32) as u32
}

#[inline]
fn index(slot: u64) -> usize {
    (slot as u32 - 1) as usize
}

#[inline]
fn place(slots: &mut [u64], slot: u64) {
    let mask = slots.len() - 1;
    let mut at = tag(slot) as usize & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

/// Groups that live as long as their operator: many tables, each of which grows by itself.
pub struct State {
    tables: Vec<Table>,
}

impl State {
    pub fn new(width: usize) -> State {
        State { tables: (0..1 << SHARD_BITS).map(|_| Table::new(width)).collect() }
    }

    /// The table that has, or would have, a key.
    #[inline]
    pub fn table(&mut self, hash: Hash) -> &mut Table {
        &mut self.tables[hash.shard]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_table_is_a_map_of_sums() {
        let mut rng = StdRng::seed_from_u64(3);
        let (mut table, mut model) = (Table::new(2), BTreeMap::<Vec<u8>, [i128; 2]>::new());
        for round in 0..200_000 {
            let key = (rng.random_range(0..3000u32) >> (round / 50_000)).to_be_bytes();
            let key = &key[..rng.random_range(2..=4)];
            let hash = Hash::of(key);
            if rng.random_range(0..3) == 0 {
                table.remove(hash, key);
                model.remove(key);
            } else {
                let add = [rng.random_range(-3..4), 1];
                let group = table.group(hash, key);
                table.add(group, add.into_iter(), 2);
                let sums = model.entry(key.to_vec()).or_default();
                *sums = [sums[0] + 2 * add[0], sums[1] + 2];
            }
            assert_eq!(table.len(), model.len());
        }
        for (key, sums) in &model {
            let group = table.find(Hash::of(key), key).expect("the model has it");
            assert_eq!(table.lanes(group), sums);
            assert_eq!(table.key(group), &key[..]);
        }
        assert!(table.find(Hash::of(b"absent"), b"absent").is_none());
    }

    #[test]
    fn wide_sums_vanish_when_they_cancel() {
        let mut table = Table::new(1);
        let group = table.group(Hash::of(b"k"), b"k");
        table.add_wide(group, b"bucket", [1, 5], 2);
        table.add_wide(group, b"other", [1, 1], 1);
        assert_eq!(table.wide(group).map(|wide| wide.len()), Some(2));
        table.add_wide(group, b"bucket", [2, 10], -1);
        table.add_wide(group, b"other", [1, 1], -1);
        assert!(table.is_zero(group));
    }
}
