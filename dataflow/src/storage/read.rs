//! Reading a shard, slice by slice. A read holds what it reads (open runs and shared blocks), so it takes no lock after
//! it began, blocks nobody, and sees the shard as it was when it began whatever is appended or compacted meanwhile.
use super::merge::{Merge, Moved};
use super::run::{CHUNK_ROWS, Extent, Run};
use super::{ShardId, StorageError, Timestamp, Updates};
use std::sync::Arc;

/// A slice is closed at so many bytes of rows.
const SLICE_BYTES: usize = 1 << 20;

/// What a shard consists of at one moment.
#[derive(Default)]
pub(super) struct Parts {
    /// From the oldest updates to the newest.
    pub(super) runs: Vec<Arc<Run>>,
    /// What is in no run yet.
    pub(super) blocks: Vec<Arc<Updates>>,
}

/// A shard's contents at one time. See [`super::Storage::snapshot`].
pub struct Snapshot {
    merge: Merge,
    ended: bool,
}

impl Snapshot {
    pub(super) fn new(shard: ShardId, parts: Parts, as_of: Timestamp) -> Result<Snapshot, StorageError> {
        let merge = Merge::new(shard, parts.runs, parts.blocks, Moved::AsOf(as_of))?;
        Ok(Snapshot { merge, ended: false })
    }

    fn slice(&mut self) -> Result<Updates, StorageError> {
        let mut slice = Updates::new();
        while slice.len() < CHUNK_ROWS && slice.row_bytes() < SLICE_BYTES {
            if !self.merge.next_into(&mut slice)? {
                self.ended = true;
                break;
            }
        }
        Ok(slice)
    }
}

impl Iterator for Snapshot {
    type Item = Result<Arc<Updates>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let slice = self.slice();
        self.ended |= slice.is_err();
        match slice {
            Ok(slice) if slice.is_empty() => None,
            slice => Some(slice.map(Arc::new)),
        }
    }
}

/// A shard's updates after a time. See [`super::Storage::updates_after`].
pub struct History {
    shard: ShardId,
    after: Timestamp,
    chunks: std::vec::IntoIter<(Arc<Run>, Extent)>,
    blocks: std::vec::IntoIter<Arc<Updates>>,
    /// The block that is being cut into slices, and where the next slice of it begins.
    block: Option<(Arc<Updates>, usize)>,
}

impl History {
    pub(super) fn new(shard: ShardId, parts: Parts, after: Timestamp) -> History {
        let later = |run: Arc<Run>| {
            let extents = run.extents(shard).iter().filter(|extent| extent.latest > after);
            extents.map(|&extent| (run.clone(), extent)).collect::<Vec<_>>()
        };
        let chunks: Vec<_> = parts.runs.into_iter().flat_map(later).collect();
        History { shard, after, chunks: chunks.into_iter(), blocks: parts.blocks.into_iter(), block: None }
    }

    /// The next updates to choose from: a chunk of a run, or a range of a block.
    fn candidates(&mut self) -> Option<Result<Updates, StorageError>> {
        let after = self.after;
        if let Some((run, extent)) = self.chunks.next() {
            let chunk = run.chunk(self.shard, extent);
            return Some(chunk.map(|chunk| chunk.iter().filter(|update| update.1 > after).collect()));
        }
        let (block, from) = self.block.take().or_else(|| self.blocks.next().map(|block| (block, 0)))?;
        let to = block.len().min(from + CHUNK_ROWS);
        let later = (from..to).map(|index| block.get(index)).filter(|update| update.1 > after).collect();
        if to < block.len() {
            self.block = Some((block, to));
        }
        Some(Ok(later))
    }
}

impl Iterator for History {
    type Item = Result<Arc<Updates>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.candidates()? {
                Ok(updates) if updates.is_empty() => continue,
                updates => return Some(updates.map(Arc::new)),
            }
        }
    }
}
