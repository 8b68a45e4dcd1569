//! Runs: immutable files of sorted, consolidated updates of many shards.
//! One file for all shards of a checkpoint: a thousand shards cost one fsync, not a thousand.
//!
//! ```text
//! run     | header | chunk .. | footer |
//! chunk   a record: shard u64, block; sorted by (row, time) within and across the chunks of a shard
//! footer  a record: (shard u64, offset u64, end u64, latest time u64) per chunk
//! ```
use super::disk::{Disk, File};
use super::frame::{self, Fields, HEADER, Identity, Kind, corrupt};
use super::{ShardId, StorageError, Timestamp, Updates, block};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const KIND: Kind = *b"TWRUN\0\0\x01";

/// A chunk ends when it has so many bytes of rows, or so many rows.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
pub(super) const CHUNK_ROWS: usize = 1 << 16;

pub(super) fn name(number: u64) -> String {
    format!("run-{number:012}")
}

/// What the manifest says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    /// The last log record whose updates may be in it. A shard that was born later has nothing here: what stands under
    /// its id is of an earlier shard that was dropped.
    pub(super) last: u64,
    pub(super) footer: u64,
    pub(super) end: u64,
}

/// Where a chunk lies.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    offset: u64,
    end: u64,
    pub(super) latest: Timestamp,
}

/// An open run. Its file goes with the last reader of a run that the manifest no longer names.
pub(super) struct Run {
    disk: Arc<dyn Disk>,
    identity: Identity,
    pub(super) place: Place,
    chunks: BTreeMap<ShardId, Vec<Extent>>,
    obsolete: AtomicBool,
}

impl Drop for Run {
    fn drop(&mut self) {
        // A file that stays is removed by the next opening.
        if self.obsolete.load(Ordering::Acquire) {
            let _ = self.disk.remove(&name(self.place.number));
        }
    }
}

impl Run {
    pub(super) fn open(disk: &Arc<dyn Disk>, store: u64, place: Place) -> Result<Run, StorageError> {
        let (file, identity) = (name(place.number), Identity { kind: KIND, store, number: place.number });
        let missing =
            |error: io::Error| corrupt(&file, 0, &format!("the manifest names this run, but: {error}"));
        identity.expect(&disk.read(&file, 0, HEADER).map_err(missing)?, &file)?;
        let mut run = Run {
            disk: disk.clone(),
            identity,
            place,
            chunks: BTreeMap::new(),
            obsolete: AtomicBool::new(false),
        };
        run.chunks = run.read(place.footer, place.end, read_footer)?;
        Ok(run)
    }

    /// Reads the record at `offset`, verifies it, and makes something of its payload.
    fn read<T>(&self, offset: u64, end: u64, make: impl Fn(&[u8]) -> Option<T>) -> Result<T, StorageError> {
        let file = name(self.place.number);
        let damaged = |what: &str| corrupt(&file, offset as usize, what);
        let len = end.checked_sub(offset).ok_or_else(|| damaged("the record ends before it begins"))?;
        let bytes =
            self.disk.read(&file, offset, len as usize).map_err(|error| damaged(&error.to_string()))?;
        let record = self.identity.record(&bytes, offset as usize);
        let record = record.ok_or_else(|| damaged("the checksum is wrong"))?;
        make(record.payload).ok_or_else(|| damaged("the record makes no sense"))
    }

    /// Where a shard's chunks lie, in the order of their rows.
    pub(super) fn extents(&self, shard: ShardId) -> &[Extent] {
        self.chunks.get(&shard).map_or(&[], Vec::as_slice)
    }

    /// Reads one chunk.
    pub(super) fn chunk(&self, shard: ShardId, extent: Extent) -> Result<Updates, StorageError> {
        self.read(extent.offset, extent.end, |payload| {
            let mut fields = Fields { rest: payload };
            (fields.u64()? == shard.0).then(|| block::decode(fields.rest)).flatten()
        })
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.chunks.keys().copied()
    }

    /// The bytes of a shard's chunks.
    pub(super) fn bytes_of(&self, shard: ShardId) -> u64 {
        self.extents(shard).iter().map(|extent| extent.end - extent.offset).sum()
    }

    /// To be called once the durable manifest does not name it any more.
    pub(super) fn make_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

fn read_footer(payload: &[u8]) -> Option<BTreeMap<ShardId, Vec<Extent>>> {
    let mut fields = Fields { rest: payload };
    let mut chunks: BTreeMap<ShardId, Vec<Extent>> = BTreeMap::new();
    while !fields.rest.is_empty() {
        let shard = ShardId(fields.u64()?);
        let extent = Extent { offset: fields.u64()?, end: fields.u64()?, latest: fields.u64()? };
        chunks.entry(shard).or_default().push(extent);
    }
    Some(chunks)
}

/// Writes a run update by update: memory holds one chunk, whatever the size of the run.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    file: Box<dyn File>,
    identity: Identity,
    last: u64,
    offset: u64,
    records: u64,
    shard: ShardId,
    chunk: Updates,
    buffer: Vec<u8>,
    chunks: BTreeMap<ShardId, Vec<Extent>>,
}

impl Writer {
    /// Begins run `number`, of updates up to log record `last`.
    pub(super) fn create(disk: &Arc<dyn Disk>, store: u64, number: u64, last: u64) -> io::Result<Writer> {
        let identity = Identity { kind: KIND, store, number };
        let mut file = disk.create(&name(number))?;
        file.write_at(0, &identity.header())?;
        Ok(Writer {
            disk: disk.clone(),
            file,
            identity,
            last,
            offset: HEADER as u64,
            records: 0,
            shard: ShardId(0),
            chunk: Updates::new(),
            buffer: Vec::new(),
            chunks: BTreeMap::new(),
        })
    }

    /// The chunk that is being filled, for `shard`: append to it in order, then call [`Writer::spill`]. Shards ascend.
    pub(super) fn chunk_of(&mut self, shard: ShardId) -> io::Result<&mut Updates> {
        if shard != self.shard {
            self.write_chunk()?;
            self.shard = shard;
        }
        Ok(&mut self.chunk)
    }

    /// Writes the chunk out if it is full.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        match self.chunk.row_bytes() >= CHUNK_BYTES || self.chunk.len() >= CHUNK_ROWS {
            true => self.write_chunk(),
            false => Ok(()),
        }
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let latest = self.chunk.times().iter().copied().max().unwrap_or(0);
        frame::begin(&mut self.buffer);
        self.buffer.extend_from_slice(&self.shard.0.to_le_bytes());
        block::encode(&self.chunk, &mut self.buffer);
        self.chunk = Updates::new();
        let (offset, end) = self.write_record()?;
        self.chunks.entry(self.shard).or_default().push(Extent { offset, end, latest });
        Ok(())
    }

    fn write_record(&mut self) -> io::Result<(u64, u64)> {
        self.identity.finish(&mut self.buffer, 0, self.offset as usize, self.records, 0);
        self.file.write_at(self.offset, &self.buffer)?;
        let offset = self.offset;
        self.offset += self.buffer.len() as u64;
        self.records += 1;
        self.buffer.clear();
        Ok((offset, self.offset))
    }

    /// Makes the run durable, but for its name. None if it has no updates: then there is no file either.
    pub(super) fn finish(mut self) -> io::Result<Option<Run>> {
        self.write_chunk()?;
        if self.chunks.is_empty() {
            self.abandon();
            return Ok(None);
        }
        frame::begin(&mut self.buffer);
        for (shard, extents) in &self.chunks {
            for extent in extents {
                let entry = [shard.0, extent.offset, extent.end, extent.latest];
                self.buffer.extend(entry.into_iter().flat_map(u64::to_le_bytes));
            }
        }
        let (footer, end) = self.write_record()?;
        self.file.sync()?;
        let place = Place { number: self.identity.number, last: self.last, footer, end };
        let obsolete = AtomicBool::new(false);
        Ok(Some(Run { disk: self.disk, identity: self.identity, place, chunks: self.chunks, obsolete }))
    }

    /// Removes what was written. If that fails, the next opening does it: no manifest names the file.
    pub(super) fn abandon(self) {
        let _ = self.disk.remove(&name(self.identity.number));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;

    const STORE: u64 = 5;

    fn two_shards(disk: &Arc<dyn Disk>) -> Run {
        let mut writer = Writer::create(disk, STORE, 3, 17).expect("memory does not fail");
        for shard in [ShardId(1), ShardId(9)] {
            for n in 0..100_000u64 {
                let chunk = writer.chunk_of(shard).expect("memory does not fail");
                chunk.push(&n.to_be_bytes(), n + shard.0, 1);
                writer.spill().expect("memory does not fail");
            }
        }
        writer.finish().expect("memory does not fail").expect("there are updates")
    }

    fn rows(run: &Run, shard: ShardId) -> usize {
        let extents = run.extents(shard).iter();
        extents.map(|&extent| run.chunk(shard, extent).expect("whole").len()).sum()
    }

    #[test]
    fn a_run_reads_back_by_shard() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let place = two_shards(&disk).place;
        let run = Run::open(&disk, STORE, place).expect("whole");
        assert_eq!(run.shards().collect::<Vec<_>>(), vec![ShardId(1), ShardId(9)]);
        assert_eq!(
            (rows(&run, ShardId(1)), rows(&run, ShardId(9)), rows(&run, ShardId(2))),
            (100_000, 100_000, 0)
        );
        let latest: Vec<_> = run.extents(ShardId(9)).iter().map(|extent| extent.latest).collect();
        assert_eq!(latest, vec![CHUNK_ROWS as u64 + 8, 100_008]);
        assert!(run.bytes_of(ShardId(1)) > 800_000);
    }

    #[test]
    fn damage_is_named_when_it_is_read() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let run = two_shards(&disk);
        let extent = run.extents(ShardId(9))[0];
        disk.reuse(&name(3))
            .expect("is there")
            .write_at(extent.offset + 1_000, b"!")
            .expect("memory does not fail");
        assert_eq!(rows(&run, ShardId(1)), 100_000, "the other shard is whole");
        let damage = format!("run-000000000003: offset {}: the checksum is wrong", extent.offset);
        assert_eq!(run.chunk(ShardId(9), extent), Err(StorageError::Corrupt(damage)));
        let place = Place { footer: run.place.footer - 8, ..run.place };
        assert!(Run::open(&disk, STORE, place).is_err(), "no footer there");
    }

    #[test]
    fn an_obsolete_run_goes_with_its_last_reader() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let run = Arc::new(two_shards(&disk));
        let reader = run.clone();
        run.make_obsolete();
        drop(run);
        assert_eq!(rows(&reader, ShardId(1)), 100_000);
        drop(reader);
        assert_eq!(disk.list().expect("lists"), Vec::<String>::new());
    }

    #[test]
    fn a_run_of_nothing_leaves_no_file() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let writer = Writer::create(&disk, STORE, 1, 1).expect("memory does not fail");
        assert!(writer.finish().expect("memory does not fail").is_none());
        assert_eq!(disk.list().expect("lists"), Vec::<String>::new());
    }
}
