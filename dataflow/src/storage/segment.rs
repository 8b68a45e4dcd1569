//! Segments: the files of the write-ahead log. Fixed in size, overwritten in place, written by one thread.
//!
//! A segment is filled with zeros and synced before its first record, or is a covered one renamed: records are seeded by
//! the segment's number, so what is left in it cannot be mistaken for its own. Either way a commit changes no metadata,
//! so fdatasync is a device write and a flush without a journal transaction; and a full disk shows when a segment is
//! made, between commits, never within one.
//!
//! A segment's number is the sequence of its first record, so that a gap between segments shows.
use super::StorageError;
use super::disk::{Disk, File};
use super::frame::{self, HEADER, Identity, Kind, RECORD, corrupt, record_size, u64_at};
use std::io;

pub(super) const KIND: Kind = *b"TWLOG\0\0\x01";

pub(super) fn name(number: u64) -> String {
    format!("log-{number:012}")
}

/// The numbers of the segments on disk, in order.
pub(super) fn numbers(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> =
        disk.list()?.iter().filter_map(|file| file.strip_prefix("log-")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Why a file could not be made.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing that counts was changed: it may be tried again, with a new file.
    Retry(io::Error),
    /// Which names are durable is unknown, so the store must stop: a second sync would succeed and prove nothing.
    Stop(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Retry(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Retry(error) | Failure::Stop(error) => error.fmt(f),
        }
    }
}

/// Gives a finished and synced file its name, and makes the name durable.
pub(super) fn publish(disk: &dyn Disk, temporary: &str, name: &str) -> Result<(), Failure> {
    match disk.rename(temporary, name) {
        // No room for the name: the old one still stands.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => return Err(Failure::Retry(error)),
        renamed => renamed.map_err(Failure::Stop)?,
    }
    disk.sync_directory().map_err(Failure::Stop)
}

/// Space for a segment, allocated ahead under a name that opening removes.
pub(super) struct Spare {
    name: String,
    file: Box<dyn File>,
    pub(super) size: usize,
}

fn spare_name(number: u64) -> String {
    format!("spare-{number}.tmp")
}

impl Spare {
    /// Numbers tell spares apart that exist at the same time.
    pub(super) fn create(disk: &dyn Disk, number: u64, size: usize) -> io::Result<Spare> {
        let name = spare_name(number);
        let mut file = disk.create(&name)?;
        let zeros = vec![0; size.min(1 << 20)];
        let filled = (0..size)
            .step_by(zeros.len())
            .try_for_each(|offset| file.write_at(offset as u64, &zeros[..zeros.len().min(size - offset)]));
        match filled.and_then(|()| file.sync()) {
            Ok(()) => Ok(Spare { name, file, size }),
            Err(error) => disk.remove(&name).and(Err(error)),
        }
    }

    /// Takes over a segment whose records are all in runs that the durable manifest names.
    pub(super) fn recycle(disk: &dyn Disk, segment: u64, number: u64) -> io::Result<Spare> {
        let size = disk.len(&self::name(segment))? as usize;
        let name = spare_name(number);
        disk.rename(&self::name(segment), &name)?;
        Ok(Spare { file: disk.reuse(&name)?, name, size })
    }

    /// Gives the space back.
    pub(super) fn remove(self, disk: &dyn Disk) -> io::Result<()> {
        disk.remove(&self.name)
    }
}

/// The segment that is written to.
pub(super) struct Segment {
    file: Box<dyn File>,
    identity: Identity,
    size: usize,
    end: usize,
    /// The last sequence that a completed sync covers.
    proven: u64,
    /// Records that wait for [`Segment::commit`], and the sequence of the last of them.
    buffer: Vec<u8>,
    pushed: u64,
    ends_with_mark: bool,
}

/// How large a segment must be for a record with so long a payload.
pub(super) fn size_for(payload: usize) -> usize {
    HEADER + record_size(payload) + RECORD
}

impl Segment {
    /// Makes segment `number` of a spare; durable with its name when it returns. After an error nothing needs to be
    /// undone: an unfinished file has a temporary name, which opening removes.
    pub(super) fn create(disk: &dyn Disk, store: u64, number: u64, spare: Spare) -> Result<Segment, Failure> {
        let Spare { name: temporary, mut file, size } = spare;
        let identity = Identity { kind: KIND, store, number };
        file.write_at(0, &identity.header())?;
        file.sync()?;
        publish(disk, &temporary, &name(number))?;
        let proven = number - 1;
        let (buffer, ends_with_mark) = (Vec::new(), false);
        Ok(Segment { file, identity, size, end: HEADER, proven, buffer, pushed: proven, ends_with_mark })
    }

    /// Makes a segment of one record and the mark behind it; both are durable when it returns. The mark may prove the
    /// record before the sync, because the name comes after it. After an error nothing needs to be undone.
    pub(super) fn create_whole(
        disk: &dyn Disk,
        store: u64,
        number: u64,
        spare: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Segment, Failure> {
        let identity = Identity { kind: KIND, store, number };
        let mut bytes = identity.header().to_vec();
        let start = frame::begin(&mut bytes);
        payload(&mut bytes);
        identity.finish(&mut bytes, start, start, number, number - 1);
        let start = frame::begin(&mut bytes);
        identity.finish(&mut bytes, start, start, number + 1, number);
        let temporary = spare_name(spare);
        let mut file = disk.create(&temporary)?;
        if let Err(error) = file.write_at(0, &bytes).and_then(|()| file.sync()) {
            let _ = disk.remove(&temporary);
            return Err(Failure::Retry(error));
        }
        publish(disk, &temporary, &name(number))?;
        let (size, last) = (bytes.len(), number + 1);
        Ok(Segment {
            file,
            identity,
            size,
            end: size,
            proven: last,
            buffer: Vec::new(),
            pushed: last,
            ends_with_mark: true,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.identity.number
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many bytes of records are in it.
    pub(super) fn used(&self) -> usize {
        self.end - HEADER
    }

    /// Whether a record with so long a payload fits behind those that were pushed, and a mark behind it.
    pub(super) fn fits(&self, payload: usize) -> bool {
        self.end + self.buffer.len() + record_size(payload) + RECORD <= self.size
    }

    /// Adds a record to those that the next [`Segment::commit`] writes. It fits.
    pub(super) fn push(&mut self, sequence: u64, payload: impl FnOnce(&mut Vec<u8>)) {
        let start = frame::begin(&mut self.buffer);
        payload(&mut self.buffer);
        self.identity.finish(&mut self.buffer, start, self.end + start, sequence, self.proven);
        assert!(self.end + self.buffer.len() <= self.size, "invariant: `fits` was asked before");
        self.pushed = sequence;
        self.ends_with_mark = false;
    }

    /// Adds an empty record: it proves those before it, which a crash could not tell from torn ones otherwise.
    pub(super) fn push_mark(&mut self, sequence: u64) {
        self.push(sequence, |_| ());
        self.ends_with_mark = true;
    }

    /// Writes what was pushed and makes it durable. After an error the log must not be used again (see [`File::sync`]).
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.file.write_at(self.end as u64, &self.buffer)?;
        self.file.sync()?;
        self.end += self.buffer.len();
        self.proven = self.pushed;
        self.buffer.clear();
        // One large transaction must not hold its memory for ever.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Whether nothing acknowledged stands after the last proof: the segment is empty or ends with a mark.
    pub(super) fn is_proven(&self) -> bool {
        self.is_empty() || self.ends_with_mark
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end == HEADER
    }
}

/// What a segment held.
pub(super) struct Replayed {
    /// The sequence of its last whole record; of the one before the segment if it has none.
    pub(super) last: u64,
    /// Where a record was begun that is not whole, and that nothing proves: the torn tail, which is cut.
    pub(super) torn_at: Option<usize>,
}

/// Reads a segment's records in order into `each`.
///
/// A record that does not verify ends the log only if nothing proves that it was once durable: no later record in this
/// segment (a torn group may have lost its middle and kept its end) says `proven >= sequence`. Else it is damage, and
/// opening stops: cutting there would drop acknowledged rows.
pub(super) fn replay(
    identity: Identity,
    bytes: &[u8],
    mut each: impl FnMut(u64, &[u8]) -> Option<()>,
) -> Result<Replayed, StorageError> {
    let file = name(identity.number);
    identity.expect(bytes, &file)?;
    let mut expected = identity.number;
    let mut offset = HEADER;
    while let Some(record) = identity.record(&bytes[offset..], offset) {
        if record.sequence != expected {
            let what = format!("record {} where {expected} belongs", record.sequence);
            return Err(corrupt(&file, offset, &what));
        }
        each(record.sequence, record.payload)
            .ok_or_else(|| corrupt(&file, offset, &format!("record {expected} makes no sense")))?;
        expected += 1;
        offset = (offset + record.size).min(bytes.len());
    }
    if let Some((at, later)) = proof(identity, bytes, offset, expected) {
        let what =
            format!("record {expected} is damaged: record {later} at offset {at} proves it was durable");
        return Err(corrupt(&file, offset, &what));
    }
    // Stale bytes of a recycled segment hold earlier sequences.
    let begun = bytes.get(offset..offset + RECORD).is_some_and(|head| u64_at(head, 8) == expected);
    Ok(Replayed { last: expected - 1, torn_at: begun.then_some(offset) })
}

/// A later record that proves that the one missing at `offset` was durable.
fn proof(identity: Identity, bytes: &[u8], offset: usize, expected: u64) -> Option<(usize, u64)> {
    (offset + 8..bytes.len().saturating_sub(RECORD - 1)).step_by(8).find_map(|at| {
        // The sequence must be plausible before a checksum is computed, or the search would be quadratic.
        let claimed = u64_at(bytes, at + 8);
        let plausible = claimed > expected && claimed - expected < 1 << 20;
        let record = plausible.then(|| identity.record(&bytes[at..], at)).flatten()?;
        (record.proven >= expected).then_some((at, record.sequence))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;

    const STORE: u64 = 5;

    fn segment(disk: &Memory, size: usize) -> Segment {
        let spare = Spare::create(disk, 1, size).expect("memory does not fail");
        Segment::create(disk, STORE, 1, spare).expect("memory does not fail")
    }

    fn push(segment: &mut Segment, sequence: u64, payload: &[u8]) {
        segment.push(sequence, |out| out.extend_from_slice(payload));
    }

    fn bytes(disk: &Memory) -> Vec<u8> {
        disk.read(&name(1), 0, disk.len(&name(1)).expect("is there") as usize).expect("reads")
    }

    fn read(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, Replayed), StorageError> {
        let mut payloads = Vec::new();
        let identity = Identity { kind: KIND, store: STORE, number: 1 };
        let replayed = replay(identity, bytes, |_, payload| {
            payloads.push(payload.to_vec());
            Some(())
        })?;
        Ok((payloads, replayed))
    }

    #[test]
    fn groups_read_back_in_order() {
        let disk = Memory::default();
        let mut log = segment(&disk, 4096);
        assert!(log.is_proven() && log.is_empty());
        push(&mut log, 1, b"one");
        push(&mut log, 2, b"two");
        log.commit().expect("memory does not fail");
        assert!(!log.is_proven());
        log.push_mark(3);
        log.commit().expect("memory does not fail");
        assert!(log.is_proven());
        let (payloads, replayed) = read(&bytes(&disk)).expect("whole");
        assert_eq!(payloads, vec![b"one".to_vec(), b"two".to_vec(), Vec::new()]);
        assert_eq!((replayed.last, replayed.torn_at), (3, None));
    }

    #[test]
    fn room_for_the_mark_is_kept() {
        let disk = Memory::default();
        let mut log = segment(&disk, size_for(100));
        assert!(log.fits(100) && !log.fits(105));
        push(&mut log, 1, &[7; 100]);
        assert!(!log.fits(0));
        log.push_mark(2);
        log.commit().expect("the mark fits too");
    }

    #[test]
    fn an_unproven_record_is_cut_and_a_proven_one_is_damage() {
        let disk = Memory::default();
        let mut log = segment(&disk, 4096);
        push(&mut log, 1, b"first");
        log.commit().expect("memory does not fail");
        push(&mut log, 2, b"second");
        push(&mut log, 3, b"third");
        log.commit().expect("memory does not fail");
        let whole = bytes(&disk);
        let (second, third) = (HEADER + record_size(5), HEADER + record_size(5) + record_size(6));
        // The middle of an unproven group is lost although its end is there: cut before it.
        let mut torn = whole.clone();
        torn[second + RECORD] ^= 1;
        let (payloads, replayed) = read(&torn).expect("torn, not damaged");
        assert_eq!((payloads.len(), replayed.last, replayed.torn_at), (1, 1, Some(second)));
        // The group's records say that the first one was durable.
        let mut damaged = whole.clone();
        damaged[HEADER + RECORD] ^= 1;
        let why = read(&damaged).map(drop).expect_err("the first record was acknowledged").to_string();
        assert!(why.contains("log-000000000001: offset 32: record 1 is damaged"), "{why}");
        // And a mark says it of the group.
        log.push_mark(4);
        log.commit().expect("memory does not fail");
        let mut damaged = bytes(&disk);
        damaged[third + RECORD] ^= 1;
        let why = read(&damaged).map(drop).expect_err("the mark proves it").to_string();
        assert!(why.contains(&format!("offset {third}: record 3 is damaged")), "{why}");
    }

    #[test]
    fn a_recycled_segment_shows_none_of_its_old_records() {
        let disk = Memory::default();
        let mut log = segment(&disk, 4096);
        (1..=5).for_each(|sequence| push(&mut log, sequence, b"old"));
        log.commit().expect("memory does not fail");
        let spare = Spare::recycle(&disk, 1, 1).expect("is there");
        let mut log = Segment::create(&disk, STORE, 6, spare).expect("memory does not fail");
        push(&mut log, 6, b"new");
        log.commit().expect("memory does not fail");
        let bytes = disk.read(&name(6), 0, 4096).expect("is there");
        let mut seen = Vec::new();
        let identity = Identity { kind: KIND, store: STORE, number: 6 };
        let replayed = replay(identity, &bytes, |sequence, payload| {
            seen.push((sequence, payload.to_vec()));
            Some(())
        });
        let replayed = replayed.expect("whole");
        assert_eq!(seen, vec![(6, b"new".to_vec())]);
        assert_eq!((replayed.last, replayed.torn_at), (6, None));
    }
}
