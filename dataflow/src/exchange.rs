//! The wire format of update batches between processes. Never on disk: it is good between identical binaries only.
//!
//! ```text
//!   build id | rows | bytes | checksum      our header, four words
//!   payload, padded to eight bytes          what the codec wrote
//! ```
//!
//! Two codecs write the same columns behind one trait. [`Abomonated`] copies the struct and its vectors as they lie in
//! memory and mends the pointers on arrival; [`Flat`] writes the columns one after the other and reads them where
//! they are. Whatever arrives is checked *before* it is given a type: the build, the counts against the message's length, the
//! checksum, and for abomonation the vectors' own headers, because a wrong length would be undefined behaviour inside
//! it. Offsets are checked after, so that no row can lie outside its bytes.
//!
//! This is the only file with `unsafe`. What it relies on: buffers are aligned to eight bytes and fields are laid out widest
//! first, both asserted in release builds too. `.ci/miri` runs its tests under Miri.
#![allow(unsafe_code)] // Each block says why it is sound.

use std::fmt;
use std::io::{self, Write};
use std::mem::size_of;
use std::sync::OnceLock;

use abomonation::Abomonation;
use timely::bytes::arc::Bytes;

use crate::spine::{Columns, RowsRef};

/// The codec in use.
pub type WireCodec = Abomonated;

const WORD: usize = size_of::<u64>();
const HEADER: usize = 4 * WORD;

/// How columns become bytes and are read from them again.
pub trait Codec: 'static {
    /// The columns of a message, readable without copying them once more.
    type View: Send;
    /// How many bytes [`Codec::encode`] writes: a multiple of eight.
    fn length(rows: RowsRef<'_>) -> usize;
    fn encode(columns: &Columns, writer: &mut impl Write) -> io::Result<()>;
    /// Any bytes may be given; those that `encode` did not write, in the same build, are refused.
    fn decode(bytes: Bytes) -> Result<Self::View, Damaged>;
    fn view(view: &Self::View) -> RowsRef<'_>;
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub &'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Identifies this binary: processes of a group compare it before they exchange anything, and each message carries it.
pub fn build_id() -> u64 {
    static ID: OnceLock<u64> = OnceLock::new();
    *ID.get_or_init(|| {
        let version = crc32c::crc32c(env!("CARGO_PKG_VERSION").as_bytes());
        let binary =
            std::env::current_exe().and_then(std::fs::read).map_or(version, |exe| crc32c::crc32c(&exe));
        (version as u64) << 32 | binary as u64
    })
}

/// What our header says of a message.
#[derive(Clone, Copy)]
struct Counts {
    rows: usize,
    bytes: usize,
}

impl Counts {
    fn of(rows: RowsRef<'_>) -> Counts {
        Counts { rows: rows.len(), bytes: rows.bytes.len() }
    }

    /// The columns' bytes side by side; nothing if that exceeds what a message can be.
    fn columns(self) -> Option<usize> {
        self.rows.checked_mul(24)?.checked_add(self.bytes)
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(WORD)
}

/// Writes our header, then the payload and what pads it.
fn write_message(counts: Counts, payload: &[&[u8]], writer: &mut impl Write) -> io::Result<()> {
    let checksum = payload.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
    for word in [build_id(), counts.rows as u64, counts.bytes as u64, checksum as u64] {
        writer.write_all(&word.to_le_bytes())?;
    }
    payload.iter().try_for_each(|part| writer.write_all(part))?;
    let length: usize = payload.iter().map(|part| part.len()).sum();
    writer.write_all(&[0; WORD][..padded(length) - length])
}

/// Checks all that can be checked without knowing the codec: the counts, and where the payload ends, which is `extra` bytes
/// longer than the columns.
fn read_message(message: &[u8], extra: usize) -> Result<(Counts, usize), Damaged> {
    let word = |index: usize| {
        let bytes = message.get(index * WORD..).and_then(|tail| tail.first_chunk::<WORD>());
        bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or(Damaged("its header is cut off"))
    };
    let size = |index: usize| usize::try_from(word(index)?).map_err(|_| Damaged("a count is too large"));
    if word(0)? != build_id() {
        return Err(Damaged("its sender is another build"));
    }
    let counts = Counts { rows: size(1)?, bytes: size(2)? };
    let columns = counts.columns().and_then(|columns| columns.checked_add(extra));
    let end = columns.and_then(|length| length.checked_add(HEADER)).ok_or(Damaged("a count is too large"))?;
    if end.checked_next_multiple_of(WORD) != Some(message.len()) {
        return Err(Damaged("its length is not what its counts say"));
    }
    if word(3)? != crc32c::crc32c(&message[HEADER..end]) as u64 {
        return Err(Damaged("its checksum is wrong"));
    }
    Ok((counts, end))
}

/// Checks that every row lies within the bytes and every key within its row.
fn check_offsets(rows: RowsRef<'_>) -> Result<(), Damaged> {
    let lengths = [rows.diffs.len(), rows.ends.len(), rows.keys.len()];
    if lengths.iter().any(|length| *length != rows.times.len()) {
        return Err(Damaged("its columns differ in length"));
    }
    let mut start = 0;
    for (end, key) in rows.ends.iter().zip(rows.keys) {
        if end.checked_sub(start).is_none_or(|length| *key > length) {
            return Err(Damaged("a row is not where it should be"));
        }
        start = *end;
    }
    if start as usize != rows.bytes.len() {
        return Err(Damaged("its rows do not fill its bytes"));
    }
    Ok(())
}

/// A buffer of its own, aligned for every column.
struct Aligned {
    words: Box<[u64]>,
    length: usize,
}

impl Aligned {
    fn copy_of(bytes: &[u8]) -> Aligned {
        let mut words = vec![0u64; bytes.len().div_ceil(WORD)].into_boxed_slice();
        // SAFETY: any bytes are valid words, and the words cover at least `bytes.len()` bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), words.as_mut_ptr().cast::<u8>(), bytes.len())
        };
        Aligned { words, length: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the words are initialised and cover `length` bytes; bytes have no alignment.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), self.length) }
    }
}

/// Numbers for which every pattern of bits is a value, without padding.
trait Plain: Copy {}
impl Plain for u64 {}
impl Plain for i64 {}
impl Plain for u32 {}

fn as_bytes<T: Plain>(column: &[T]) -> &[u8] {
    // SAFETY: `Plain` numbers have no padding, so all their bytes are initialised; the length is theirs.
    unsafe { std::slice::from_raw_parts(column.as_ptr().cast::<u8>(), size_of_val(column)) }
}

fn as_column<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: every pattern of bits is a value of a `Plain` number, and `align_to` minds the alignment.
    let (before, column, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty(), "invariant: columns begin where their type may");
    column
}

/// The columns one after the other, read in place.
pub struct Flat;

/// A message of [`Flat`], checked.
pub struct FlatView {
    buffer: FlatBuffer,
    counts: Counts,
}

enum FlatBuffer {
    Shared(Bytes),
    Own(Aligned),
}

impl FlatView {
    fn columns(&self) -> RowsRef<'_> {
        let message = match &self.buffer {
            FlatBuffer::Shared(bytes) => &bytes[..],
            FlatBuffer::Own(aligned) => aligned.bytes(),
        };
        let Counts { rows, bytes } = self.counts;
        let (times, rest) = message[HEADER..].split_at(8 * rows);
        let (diffs, rest) = rest.split_at(8 * rows);
        let (ends, rest) = rest.split_at(4 * rows);
        let (keys, rest) = rest.split_at(4 * rows);
        RowsRef {
            times: as_column(times),
            diffs: as_column(diffs),
            ends: as_column(ends),
            keys: as_column(keys),
            bytes: &rest[..bytes],
        }
    }
}

impl Codec for Flat {
    type View = FlatView;

    fn length(rows: RowsRef<'_>) -> usize {
        padded(HEADER + 24 * rows.len() + rows.bytes.len())
    }

    fn encode(columns: &Columns, writer: &mut impl Write) -> io::Result<()> {
        let rows = columns.borrow();
        let payload = [
            as_bytes(rows.times),
            as_bytes(rows.diffs),
            as_bytes(rows.ends),
            as_bytes(rows.keys),
            rows.bytes,
        ];
        write_message(Counts::of(rows), &payload, writer)
    }

    fn decode(bytes: Bytes) -> Result<FlatView, Damaged> {
        let (counts, _) = read_message(&bytes, 0)?;
        let aligned = (bytes.as_ptr() as usize).is_multiple_of(WORD);
        let buffer =
            if aligned { FlatBuffer::Shared(bytes) } else { FlatBuffer::Own(Aligned::copy_of(&bytes)) };
        let view = FlatView { buffer, counts };
        check_offsets(view.columns())?;
        Ok(view)
    }

    fn view(view: &FlatView) -> RowsRef<'_> {
        view.columns()
    }
}

/// The columns as they lie in memory, by abomonation.
pub struct Abomonated;

// The order of the fields is that of the encoded vectors: eight-aligned columns first, bytes last, so that each vector
// begins where its type may if the buffer begins at a multiple of eight.
impl Abomonation for Columns {
    #[inline]
    unsafe fn entomb<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        // SAFETY: each field's own contract, which is the caller's.
        unsafe {
            self.times.entomb(writer)?;
            self.diffs.entomb(writer)?;
            self.ends.entomb(writer)?;
            self.keys.entomb(writer)?;
            self.bytes.entomb(writer)
        }
    }

    #[inline]
    unsafe fn exhume<'b>(&mut self, bytes: &'b mut [u8]) -> Option<&'b mut [u8]> {
        // SAFETY: each field's own contract, which is the caller's.
        unsafe {
            let bytes = self.times.exhume(bytes)?;
            let bytes = self.diffs.exhume(bytes)?;
            let bytes = self.ends.exhume(bytes)?;
            let bytes = self.keys.exhume(bytes)?;
            self.bytes.exhume(bytes)
        }
    }

    #[inline]
    fn extent(&self) -> usize {
        self.times.extent()
            + self.diffs.extent()
            + self.ends.extent()
            + self.keys.extent()
            + self.bytes.extent()
    }
}

const FIELDS: usize = 5;
const COLUMNS_WORDS: usize = size_of::<Columns>() / WORD;
const _: () = assert!(size_of::<Columns>() == FIELDS * 3 * WORD, "five vectors of three words each");

/// Which words of an encoded [`Columns`] are a vector's pointer, capacity and length.
#[derive(Clone, Copy)]
struct VectorWords {
    pointer: usize,
    capacity: usize,
    length: usize,
}

/// Where this build puts the vectors of [`Columns`]. The compiler may choose, so it is asked: a value whose words are
/// all different is encoded, and each word found again.
fn layout() -> &'static [VectorWords; FIELDS] {
    static LAYOUT: OnceLock<[VectorWords; FIELDS]> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        fn filled<T: Clone + Default>(length: usize, capacity: usize) -> Vec<T> {
            let mut vector = Vec::with_capacity(capacity);
            vector.resize(length, T::default());
            vector
        }
        let columns = Columns {
            times: filled(1, 101),
            diffs: filled(2, 102),
            ends: filled(3, 103),
            keys: filled(4, 104),
            bytes: filled(5, 105),
        };
        let mut encoded = Vec::new();
        // SAFETY: encoding only reads, and `Columns` has no padding (asserted above).
        unsafe { abomonation::encode(&columns, &mut encoded) }
            .expect("invariant: a vector takes what is written");
        let words: Vec<usize> = encoded[..size_of::<Columns>()]
            .chunks_exact(WORD)
            .map(|word| usize::from_ne_bytes(word.try_into().expect("invariant: chunks of a word")))
            .collect();
        let find = |value: usize| {
            let mut found = (0..COLUMNS_WORDS).filter(|i| words[*i] == value);
            let index = found.next().expect("invariant: a vector holds its pointer, capacity and length");
            assert!(found.next().is_none(), "invariant: the sample's words differ");
            index
        };
        let vector = |pointer: *const u8, capacity, length| VectorWords {
            pointer: find(pointer as usize),
            capacity: find(capacity),
            length: find(length),
        };
        [
            vector(columns.times.as_ptr().cast(), columns.times.capacity(), 1),
            vector(columns.diffs.as_ptr().cast(), columns.diffs.capacity(), 2),
            vector(columns.ends.as_ptr().cast(), columns.ends.capacity(), 3),
            vector(columns.keys.as_ptr().cast(), columns.keys.capacity(), 4),
            vector(columns.bytes.as_ptr(), columns.bytes.capacity(), 5),
        ]
    })
}

/// Checks the vectors' encoded headers against the counts: after this, decoding stays within the payload.
fn check_vectors(payload: &[u64], counts: Counts) -> Result<(), Damaged> {
    let lengths = [counts.rows, counts.rows, counts.rows, counts.rows, counts.bytes];
    for (vector, length) in layout().iter().zip(lengths) {
        let sound = payload[vector.length] == length as u64
            && payload[vector.pointer] != 0
            && payload[vector.capacity] <= isize::MAX as u64;
        if !sound {
            return Err(Damaged("a vector's header is not what its counts say"));
        }
    }
    Ok(())
}

/// A decoded message: columns whose vectors point into the buffer beside them. They are never dropped, grown or moved out.
pub struct Exhumed {
    columns: *const Columns,
    words: *mut [u64],
}

// SAFETY: the buffer is owned by this value alone and only read after decoding; `Columns` itself is `Send`.
unsafe impl Send for Exhumed {}

impl Exhumed {
    fn decode(payload: Aligned, counts: Counts) -> Result<Exhumed, Damaged> {
        check_vectors(&payload.words, counts)?;
        let length = payload.length;
        // A raw allocation, so that moving the handle does not touch what points into it.
        let words = Box::into_raw(payload.words);
        let start = words.cast::<u8>();
        assert!(
            (start as usize).is_multiple_of(align_of::<Columns>()),
            "invariant: words are aligned for columns"
        );
        // SAFETY: the words are initialised, live until `drop`, and cover `length` bytes; nothing else refers to them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, length) };
        // SAFETY: `Columns` was written by the same build (checked), the buffer is aligned for it (asserted), and each vector's
        // header has a pointer, a capacity and the length that the payload has room for (checked), so that each vector is
        // laid over initialised bytes of the buffer, at an alignment that the order of the fields gives.
        let decoded = unsafe { abomonation::decode::<Columns>(bytes) };
        let complete = decoded.is_some_and(|(_, rest)| rest.is_empty());
        let exhumed = Exhumed { columns: start.cast::<Columns>(), words };
        if !complete {
            return Err(Damaged("its vectors do not fill it"));
        }
        check_offsets(exhumed.columns())?;
        Ok(exhumed)
    }

    fn columns(&self) -> RowsRef<'_> {
        // SAFETY: `decode` made the buffer's head a `Columns` whose vectors lie in the buffer, which lives as long as self.
        unsafe { &*self.columns }.borrow()
    }
}

impl Drop for Exhumed {
    fn drop(&mut self) {
        // SAFETY: `words` came from `Box::into_raw` and is freed once. The `Columns` in it is words like any other: its
        // vectors own nothing, and are not dropped.
        drop(unsafe { Box::from_raw(self.words) });
    }
}

impl Codec for Abomonated {
    type View = Exhumed;

    fn length(rows: RowsRef<'_>) -> usize {
        padded(HEADER + size_of::<Columns>() + 24 * rows.len() + rows.bytes.len())
    }

    fn encode(columns: &Columns, writer: &mut impl Write) -> io::Result<()> {
        let mut payload = Vec::with_capacity(abomonation::measure(columns));
        // SAFETY: encoding only reads, and `Columns` has no padding (asserted above).
        unsafe { abomonation::encode(columns, &mut payload)? };
        write_message(Counts::of(columns.borrow()), &[&payload], writer)
    }

    fn decode(bytes: Bytes) -> Result<Exhumed, Damaged> {
        let (counts, end) = read_message(&bytes, size_of::<Columns>())?;
        Exhumed::decode(Aligned::copy_of(&bytes[HEADER..end]), counts)
    }

    fn view(view: &Exhumed) -> RowsRef<'_> {
        view.columns()
    }
}

#[cfg(test)]
mod tests {
    use timely::bytes::arc::BytesMut;

    use super::*;
    use crate::spine::Rows;

    /// Of what is tried everywhere, Miri tries this fraction: it takes minutes for what takes milliseconds.
    const STEP: usize = if cfg!(miri) { 61 } else { 1 };

    fn sample(rows: usize) -> Columns {
        let mut sample = Rows::default();
        for i in 0..rows {
            let row = vec![i as u8; i % 7];
            let (key, value) = row.split_at(i % 7 / 2);
            sample.push(key, value, 100 + i as u64, i as i64 - 3);
        }
        sample.borrow().to_columns()
    }

    fn encoded<C: Codec>(columns: &Columns) -> Vec<u8> {
        let mut message = Vec::new();
        C::encode(columns, &mut message).expect("a vector takes what is written");
        assert_eq!(message.len(), C::length(columns.borrow()));
        assert!(message.len().is_multiple_of(WORD));
        message
    }

    fn decoded<C: Codec>(message: Vec<u8>) -> Result<Columns, Damaged> {
        C::decode(BytesMut::from(message).freeze()).map(|view| C::view(&view).to_columns())
    }

    fn messages_arrive_as_they_were<C: Codec>() {
        let many = if cfg!(miri) { 30 } else { 1001 };
        for rows in [0, 1, 2, 3, 20, many] {
            let columns = sample(rows);
            assert_eq!(decoded::<C>(encoded::<C>(&columns)), Ok(columns));
        }
    }

    /// Every message cut short, and every single bit flipped, is refused before anything is decoded.
    fn damage_is_refused<C: Codec>() {
        let message = encoded::<C>(&sample(9));
        for length in (0..message.len()).step_by(STEP) {
            assert!(decoded::<C>(message[..length].to_vec()).is_err(), "cut to {length}");
        }
        let end = read_message(&message, message.len() - HEADER).map_or(message.len(), |(_, end)| end);
        for bit in (0..8 * end).step_by(STEP) {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let padding =
                flipped[..HEADER] == message[..HEADER] && decoded::<C>(flipped.clone()) == Ok(sample(9));
            assert!(padding || decoded::<C>(flipped).is_err(), "bit {bit}");
        }
    }

    /// A message whose checksum is right may still lie: about its counts, a vector's header, a row's place.
    fn forged<C: Codec>(extra: usize, word: usize, value: u64) -> Result<Columns, Damaged> {
        let mut message = encoded::<C>(&sample(9));
        message[word * WORD..(word + 1) * WORD].copy_from_slice(&value.to_le_bytes());
        let (rows, bytes) = (9, sample(9).bytes.len());
        let end = HEADER + extra + 24 * rows + bytes;
        let checksum = crc32c::crc32c(&message[HEADER..end]) as u64;
        message[3 * WORD..4 * WORD].copy_from_slice(&checksum.to_le_bytes());
        decoded::<C>(message)
    }

    #[test]
    fn abomonated_messages_arrive_as_they_were() {
        messages_arrive_as_they_were::<Abomonated>();
    }

    #[test]
    fn flat_messages_arrive_as_they_were() {
        messages_arrive_as_they_were::<Flat>();
    }

    #[test]
    fn abomonated_damage_is_refused() {
        damage_is_refused::<Abomonated>();
    }

    #[test]
    fn flat_damage_is_refused() {
        damage_is_refused::<Flat>();
    }

    #[test]
    fn forged_counts_and_headers_are_refused() {
        for count in [0, 8, 10, u64::MAX, u64::MAX / 24, 1 << 62] {
            assert!(forged::<Abomonated>(size_of::<Columns>(), 1, count).is_err());
            assert!(forged::<Flat>(0, 1, count).is_err());
        }
        for vector in layout() {
            for length in [0, 8, 10, 1 << 61, u64::MAX] {
                let word = HEADER / WORD + vector.length;
                assert!(forged::<Abomonated>(size_of::<Columns>(), word, length).is_err());
            }
            assert!(forged::<Abomonated>(size_of::<Columns>(), HEADER / WORD + vector.pointer, 0).is_err());
            assert!(
                forged::<Abomonated>(size_of::<Columns>(), HEADER / WORD + vector.capacity, u64::MAX)
                    .is_err()
            );
        }
        // The first two ends of the flat message, after times and diffs.
        let ends = HEADER / WORD + 18;
        assert_eq!(forged::<Flat>(0, ends, 5), Err(Damaged("a row is not where it should be")));
        assert_eq!(forged::<Flat>(0, ends, u64::MAX), Err(Damaged("a row is not where it should be")));
    }

    #[test]
    fn another_build_is_refused() {
        let mut message = encoded::<Abomonated>(&sample(3));
        message[0] ^= 1;
        assert_eq!(decoded::<Abomonated>(message), Err(Damaged("its sender is another build")));
    }

    #[test]
    fn a_message_at_an_odd_address_is_read() {
        let mut shifted = vec![0; 1];
        shifted.extend(encoded::<Flat>(&sample(5)));
        let mut bytes = BytesMut::from(shifted).freeze();
        bytes.extract_to(1);
        let view = Flat::decode(bytes).expect("the message is whole");
        assert_eq!(Flat::view(&view).to_columns(), sample(5));
    }
}
