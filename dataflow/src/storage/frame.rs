//! Frames: how bytes are made checkable. Files of every kind start with a header and hold records.
//!
//! ```text
//! header  | kind 7, format version 1 | store id u64 | file number u64 | crc u32 | 0 u32 |
//! record  | length u32 | crc u32 | sequence u64 | proven u64 | payload | zeros to a multiple of 8 |
//! ```
//! The checksum is seeded with (store id, file number, offset), so a record is valid only where it was written: a stale
//! record in a recycled file, a misdirected write, or a file copied over another does not verify.
//!
//! `proven` is the sequence of the last record that a completed fdatasync covered when this one was written. It tells a
//! torn tail from damage: a bad record that a later record calls proven was acknowledged, and must not be cut.
use super::StorageError;

pub(super) const HEADER: usize = 32;
pub(super) const RECORD: usize = 24;

/// What a file is: seven letters of its kind, and the version of its format.
pub(super) type Kind = [u8; 8];

/// Which file this is. Part of every checksum in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    pub(super) store: u64,
    pub(super) number: u64,
}

/// Damage, named by file and offset.
pub(super) fn corrupt(file: &str, offset: usize, what: &str) -> StorageError {
    StorageError::Corrupt(format!("{file}: offset {offset}: {what}"))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("invariant: a slice of four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("invariant: a slice of eight bytes"))
}

/// Reads little-endian numbers off the front of bytes; none when they run out.
pub(super) struct Fields<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes(4).map(|bytes| u32_at(bytes, 0))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.bytes(8).map(|bytes| u64_at(bytes, 0))
    }
}

impl Identity {
    pub(super) fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[0..8].copy_from_slice(&self.kind);
        header[8..16].copy_from_slice(&self.store.to_le_bytes());
        header[16..24].copy_from_slice(&self.number.to_le_bytes());
        let crc = crc32c::crc32c(&header[0..24]);
        header[24..28].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Reads a header. An unknown version is refused by name, and the file of another store if `store` is known.
    pub(super) fn read(
        bytes: &[u8],
        file: &str,
        kind: Kind,
        store: Option<u64>,
    ) -> Result<Identity, StorageError> {
        if bytes.len() < HEADER || u32_at(bytes, 24) != crc32c::crc32c(&bytes[0..24]) {
            return Err(corrupt(file, 0, "the header's checksum is wrong"));
        }
        if bytes[0..7] != kind[0..7] {
            return Err(corrupt(file, 0, "not a file of this kind"));
        }
        if bytes[7] != kind[7] {
            return Err(corrupt(file, 7, &format!("format version {} is unknown to this program", bytes[7])));
        }
        let identity = Identity { kind, store: u64_at(bytes, 8), number: u64_at(bytes, 16) };
        if store.is_some_and(|store| store != identity.store) {
            return Err(corrupt(file, 8, "the file belongs to another store"));
        }
        Ok(identity)
    }

    /// Reads a header that must be this one.
    pub(super) fn expect(&self, bytes: &[u8], file: &str) -> Result<(), StorageError> {
        match Identity::read(bytes, file, self.kind, Some(self.store))? == *self {
            true => Ok(()),
            false => Err(corrupt(file, 16, "another file's contents under this name")),
        }
    }

    fn crc(&self, offset: usize, record: &[u8]) -> u32 {
        let mut place = [0; 24];
        place[0..8].copy_from_slice(&self.store.to_le_bytes());
        place[8..16].copy_from_slice(&self.number.to_le_bytes());
        place[16..24].copy_from_slice(&(offset as u64).to_le_bytes());
        let seed = crc32c::crc32c(&place);
        crc32c::crc32c_append(crc32c::crc32c_append(seed, &record[0..4]), &record[8..])
    }

    /// Completes a record that is to stand at `offset` of the file: reserve its head with [`begin`], append the payload,
    /// then call this. `start` is where it starts in `out`.
    pub(super) fn finish(&self, out: &mut Vec<u8>, start: usize, offset: usize, sequence: u64, proven: u64) {
        let length =
            u32::try_from(out.len() - start - RECORD).expect("invariant: payloads are bounded on entry");
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 8..start + 16].copy_from_slice(&sequence.to_le_bytes());
        out[start + 16..start + 24].copy_from_slice(&proven.to_le_bytes());
        let crc = self.crc(offset, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        out.resize(start + (out.len() - start).next_multiple_of(8), 0);
    }

    /// The record that `bytes` start with, if it is whole and was written at `offset` of this file.
    pub(super) fn record<'a>(&self, bytes: &'a [u8], offset: usize) -> Option<Record<'a>> {
        let len = u32_at(bytes.get(..RECORD)?, 0) as usize;
        let record = bytes.get(..RECORD.checked_add(len)?)?;
        (u32_at(record, 4) == self.crc(offset, record)).then(|| Record {
            sequence: u64_at(record, 8),
            proven: u64_at(record, 16),
            payload: &record[RECORD..],
            size: record_size(len),
        })
    }
}

/// A record that verified.
pub(super) struct Record<'a> {
    pub(super) sequence: u64,
    pub(super) proven: u64,
    pub(super) payload: &'a [u8],
    /// How far away the next record begins.
    pub(super) size: usize,
}

/// What a record with so long a payload takes.
pub(super) fn record_size(payload: usize) -> usize {
    (RECORD + payload).next_multiple_of(8)
}

/// Reserves a record's head; returns where it starts.
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    out.resize(out.len() + RECORD, 0);
    out.len() - RECORD
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Identity = Identity { kind: *b"TWTEST\0\x01", store: 5, number: 9 };

    fn record(payload: &[u8], offset: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let start = begin(&mut out);
        out.extend_from_slice(payload);
        HERE.finish(&mut out, start, offset, 3, 2);
        out
    }

    #[test]
    fn a_record_reads_back_only_where_it_was_written() {
        let bytes = record(b"hello", 64);
        assert_eq!(bytes.len(), record_size(5));
        let read = HERE.record(&bytes, 64).expect("whole");
        assert_eq!((read.sequence, read.proven, read.payload, read.size), (3, 2, &b"hello"[..], 32));
        assert!(HERE.record(&bytes, 72).is_none(), "another offset");
        assert!(Identity { number: 8, ..HERE }.record(&bytes, 64).is_none(), "another file");
        assert!(Identity { store: 4, ..HERE }.record(&bytes, 64).is_none(), "another store");
        assert!(HERE.record(&bytes[..28], 64).is_none(), "cut short");
    }

    #[test]
    fn every_flipped_bit_of_a_record_shows() {
        let bytes = record(b"hello", 64);
        for bit in 0..8 * (RECORD + 5) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(HERE.record(&damaged, 64).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_names_what_is_wrong_with_it() {
        let refused = |bytes: &[u8], kind, store| match Identity::read(bytes, "f", kind, store) {
            Err(StorageError::Corrupt(why)) => why,
            other => panic!("accepted {other:?}"),
        };
        let header = HERE.header();
        assert_eq!(Identity::read(&header, "f", HERE.kind, Some(5)), Ok(HERE));
        assert!(refused(&header, *b"TWOTHER\x01", None).contains("not a file of this kind"));
        assert!(refused(&header, *b"TWTEST\0\x02", None).contains("format version 1 is unknown"));
        assert!(refused(&header, HERE.kind, Some(6)).contains("another store"));
        assert!(refused(&header[..31], HERE.kind, None).contains("checksum"));
        for bit in 0..28 * 8 {
            let mut damaged = header;
            damaged[bit / 8] ^= 1 << (bit % 8);
            refused(&damaged, HERE.kind, None);
        }
    }
}
