//! Blocks: [`Updates`] as bytes on disk, column by column.
//!
//! ```text
//! | count u32 | columns u32 | times u64 .. | diffs i64 .. | lengths u32 .. | rows |
//! ```
//! A column whose values are all the same is stored once, which a bit of `columns` says: the updates of one transaction
//! have one time, mostly one diff, and often one length, so what stands beside the rows is a few bytes in all.
use super::Updates;
use super::frame::Fields;

const ONE_TIME: u32 = 1;
const ONE_DIFF: u32 = 2;
const ONE_LENGTH: u32 = 4;

/// No block may be larger: lengths and counts have 32 bits, those of the record around it too.
pub(super) const MAX_BYTES: usize = u32::MAX as usize - (1 << 16);

/// What an update takes beside its row, at most.
const UPDATE_BYTES: usize = 20;

/// An upper bound of what [`encode`] appends.
pub(super) fn encoded_len(updates: &Updates) -> usize {
    8 + updates.len() * UPDATE_BYTES + updates.row_bytes()
}

fn all_equal<T: PartialEq>(values: impl IntoIterator<Item = T>) -> bool {
    let mut values = values.into_iter();
    values.next().is_none_or(|first| values.all(|value| value == first))
}

/// Appends a block. The updates are at most [`MAX_BYTES`] large.
pub(super) fn encode(updates: &Updates, out: &mut Vec<u8>) {
    let lengths = || (0..updates.len()).map(|index| updates.row(index).len() as u32);
    let one_time = all_equal(updates.times());
    let one_diff = all_equal(updates.diffs());
    let one_length = all_equal(lengths());
    let columns = [(one_time, ONE_TIME), (one_diff, ONE_DIFF), (one_length, ONE_LENGTH)];
    let columns = columns.into_iter().filter(|(one, _)| *one).fold(0, |bits, (_, bit)| bits | bit);
    out.extend_from_slice(&(updates.len() as u32).to_le_bytes());
    out.extend_from_slice(&columns.to_le_bytes());
    let stored = |one: bool| if one { updates.len().min(1) } else { updates.len() };
    updates.times()[..stored(one_time)].iter().for_each(|time| out.extend_from_slice(&time.to_le_bytes()));
    updates.diffs()[..stored(one_diff)].iter().for_each(|diff| out.extend_from_slice(&diff.to_le_bytes()));
    lengths().take(stored(one_length)).for_each(|length| out.extend_from_slice(&length.to_le_bytes()));
    out.extend_from_slice(updates.all_rows());
}

/// Reads a block that fills `bytes`. None if it does not: checksums were verified before, so that is our own mistake or
/// a foreign writer's, and no reason to panic.
pub(super) fn decode(bytes: &[u8]) -> Option<Updates> {
    let mut fields = Fields { rest: bytes };
    let (count, columns) = (fields.u32()? as usize, fields.u32()?);
    if count > MAX_BYTES / UPDATE_BYTES {
        return None; // Rather than expand a column of one value to a size that nobody wrote.
    }
    let stored = |bit: u32| if columns & bit != 0 { count.min(1) } else { count };
    let mut column = |bit: u32, width: usize| fields.bytes(stored(bit).checked_mul(width)?);
    let times = column(ONE_TIME, 8)?;
    let diffs = column(ONE_DIFF, 8)?;
    let lengths = column(ONE_LENGTH, 4)?;
    let word = |bytes: &[u8]| bytes.try_into().expect("invariant: a chunk of eight bytes");
    let times = expand(times, 8, count, |bytes| u64::from_le_bytes(word(bytes)));
    let diffs = expand(diffs, 8, count, |bytes| i64::from_le_bytes(word(bytes)));
    let half = |bytes: &[u8]| bytes.try_into().expect("invariant: a chunk of four bytes");
    let mut ends = expand(lengths, 4, count, |bytes| u32::from_le_bytes(half(bytes)) as usize);
    let mut end = 0usize;
    for length in &mut ends {
        end = end.checked_add(*length)?;
        *length = end;
    }
    (end == fields.rest.len()).then(|| Updates::from_columns(fields.rest.to_vec(), ends, times, diffs))
}

/// A column's values: one each, or the only one repeated.
fn expand<T: Clone>(bytes: &[u8], width: usize, count: usize, read: impl Fn(&[u8]) -> T) -> Vec<T> {
    if bytes.len() == width {
        return vec![read(bytes); count];
    }
    bytes.chunks_exact(width).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Update;
    use super::*;

    fn round_trip(updates: &[Update<'_>]) -> usize {
        let packed: Updates = updates.iter().copied().collect();
        let mut bytes = Vec::new();
        encode(&packed, &mut bytes);
        assert!(bytes.len() <= encoded_len(&packed));
        assert_eq!(decode(&bytes), Some(packed));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "cut to {len} bytes");
        }
        bytes.len()
    }

    #[test]
    fn blocks_read_back() {
        assert_eq!(round_trip(&[]), 8);
        assert_eq!(round_trip(&[(b"row", 7, 1)]), 8 + 8 + 8 + 4 + 3);
        assert_eq!(round_trip(&[(b"aaa", 7, 1), (b"bbb", 7, 1), (b"ccc", 7, 1)]), 8 + 8 + 8 + 4 + 9);
        round_trip(&[(b"a", 7, 1), (b"", 8, -1), (b"long row", u64::MAX, i64::MIN)]);
        round_trip(&[(b"", 1, 1), (b"", 1, 1)]);
    }
}
