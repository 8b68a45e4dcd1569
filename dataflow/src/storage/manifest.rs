//! The manifest: what the store consists of. Replaced whole, by rename: there is always exactly one, old or new.
//!
//! ```text
//! | header | one record: flushed, clean, reserved, next run, shards (id, born, since, upper) .., runs (number, last, footer, end) .. |
//! ```
//! Beside the runs it describes the shards exactly as they were after log record `flushed`; replaying the records after
//! that one leads to the present.
use super::disk::Disk;
use super::frame::{self, Fields, HEADER, Identity, Kind, corrupt};
use super::run::Place;
use super::segment::{Failure, publish};
use super::{Frontiers, ShardId, StorageError, Timestamp};
use std::collections::BTreeMap;
use std::io;

pub(super) const NAME: &str = "MANIFEST";
const TEMPORARY: &str = "MANIFEST.tmp";
const KIND: Kind = *b"TWMAN\0\0\x01";

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub(super) store: u64,
    /// The last log record that the runs cover. The first segment that is needed begins right after it.
    pub(super) flushed: u64,
    /// No such segment is needed: nothing was acknowledged after `flushed`. So it is after a clean close, and while
    /// opening; otherwise a missing segment is damage.
    pub(super) clean: bool,
    pub(super) reserved: Timestamp,
    /// Numbers of runs are not used twice, not even by runs that were abandoned.
    pub(super) next_run: u64,
    pub(super) shards: BTreeMap<ShardId, ShardState>,
    /// From the oldest updates to the newest.
    pub(super) runs: Vec<Place>,
}

/// A shard as of a record of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardState {
    /// The log record that brought it into being: runs and blocks of earlier records belong to a dropped namesake.
    pub(super) born: u64,
    pub(super) frontiers: Frontiers,
}

impl Manifest {
    /// Writes it beside the present one and then takes its place.
    pub(super) fn write(&self, disk: &dyn Disk) -> Result<(), Failure> {
        let identity = Identity { kind: KIND, store: self.store, number: 0 };
        let mut bytes = identity.header().to_vec();
        let start = frame::begin(&mut bytes);
        self.encode(&mut bytes);
        identity.finish(&mut bytes, start, HEADER, 0, 0);
        let mut file = disk.create(TEMPORARY)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        publish(disk, TEMPORARY, NAME)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let head = [self.flushed, self.clean.into(), self.reserved, self.next_run];
        let counts = [self.shards.len() as u64, self.runs.len() as u64];
        let shards = self
            .shards
            .iter()
            .flat_map(|(shard, state)| [shard.0, state.born, state.frontiers.since, state.frontiers.upper]);
        let runs = self.runs.iter().flat_map(|run| [run.number, run.last, run.footer, run.end]);
        let words = head.into_iter().chain(counts).chain(shards).chain(runs);
        out.extend(words.flat_map(u64::to_le_bytes));
    }

    pub(super) fn read(disk: &dyn Disk) -> Result<Option<Manifest>, StorageError> {
        let unreadable = |error: io::Error| corrupt(NAME, 0, &error.to_string());
        let len = match disk.len(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            len => len.map_err(unreadable)? as usize,
        };
        let bytes = disk.read(NAME, 0, len).map_err(unreadable)?;
        let identity = Identity::read(&bytes, NAME, KIND, None)?;
        let record = identity.record(&bytes[HEADER..], HEADER);
        let record = record.ok_or_else(|| corrupt(NAME, HEADER, "the checksum is wrong"))?;
        let manifest = Manifest::decode(identity.store, record.payload);
        manifest.map(Some).ok_or_else(|| corrupt(NAME, HEADER, "the record makes no sense"))
    }

    fn decode(store: u64, payload: &[u8]) -> Option<Manifest> {
        let mut fields = Fields { rest: payload };
        let (flushed, clean) = (fields.u64()?, fields.u64()? != 0);
        let (reserved, next_run) = (fields.u64()?, fields.u64()?);
        let (shards, runs) = (fields.u64()?, fields.u64()?);
        let mut manifest = Manifest { store, flushed, clean, reserved, next_run, ..Manifest::default() };
        for _ in 0..shards {
            let (shard, born) = (ShardId(fields.u64()?), fields.u64()?);
            let frontiers = Frontiers { since: fields.u64()?, upper: fields.u64()? };
            manifest.shards.insert(shard, ShardState { born, frontiers });
        }
        for _ in 0..runs {
            let (number, last) = (fields.u64()?, fields.u64()?);
            manifest.runs.push(Place { number, last, footer: fields.u64()?, end: fields.u64()? });
        }
        fields.rest.is_empty().then_some(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;

    #[test]
    fn a_manifest_reads_back() {
        let disk = Memory::default();
        assert_eq!(Manifest::read(&disk), Ok(None));
        let frontiers = Frontiers { since: 3, upper: 9 };
        let manifest = Manifest {
            store: 5,
            flushed: 17,
            clean: true,
            reserved: 99,
            next_run: 4,
            shards: [(ShardId(2), ShardState { born: 1, frontiers })].into(),
            runs: vec![Place { number: 3, last: 17, footer: 400, end: 480 }],
        };
        manifest.write(&disk).expect("memory does not fail");
        assert_eq!(Manifest::read(&disk), Ok(Some(manifest)));
        assert_eq!(disk.list().expect("lists"), vec![NAME.to_string()]);
    }
}
