//! Batches behind `Arc`: what makes an arrangement readable by threads that are no workers.
//!
//! A batch never changes; a merge makes another one. So whoever holds a batch can read it for ever, and the last owner
//! frees it. The wrapper is a type of its own because the orphan rule forbids `impl SpineBatch for Arc<..>`, and its
//! cursor is one because a cursor's `Storage` must be the batch type itself.

use std::sync::Arc;

use differential_dataflow::trace::cursor::{Cursor, Navigable};
use differential_dataflow::trace::implementations::OffsetList;
use differential_dataflow::trace::implementations::spine_fueled::{Merger, SpineBatch};
use timely::progress::frontier::AntichainRef;

/// A shared, immutable batch.
pub struct ArcBatch<B>(pub Arc<B>);

impl<B> Clone for ArcBatch<B> {
    fn clone(&self) -> Self {
        ArcBatch(self.0.clone())
    }
}

/// All that arrange and reduce ask of a builder's output: `Into<Tr::Batch>`.
impl<B> From<B> for ArcBatch<B> {
    fn from(batch: B) -> Self {
        ArcBatch(Arc::new(batch))
    }
}

impl<B: SpineBatch> SpineBatch for ArcBatch<B> {
    type Time = B::Time;
    type Merger = ArcMerger<B>;

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Merges what is behind the `Arc`s.
pub struct ArcMerger<B: SpineBatch>(B::Merger);

impl<B: SpineBatch> Merger<ArcBatch<B>> for ArcMerger<B> {
    fn new(left: &ArcBatch<B>, right: &ArcBatch<B>, since: AntichainRef<B::Time>) -> Self {
        ArcMerger(B::Merger::new(&left.0, &right.0, since))
    }

    fn work(&mut self, left: &ArcBatch<B>, right: &ArcBatch<B>, fuel: &mut isize) {
        self.0.work(&left.0, &right.0, fuel)
    }

    fn done(self) -> Option<ArcBatch<B>> {
        self.0.done().map(ArcBatch::from)
    }
}

impl<B: Navigable> Navigable for ArcBatch<B> {
    type Cursor = ArcCursor<B::Cursor>;

    fn cursor(&self) -> Self::Cursor {
        ArcCursor(self.0.cursor())
    }
}

/// Forwards to the cursor of the batch behind the `Arc`.
pub struct ArcCursor<C>(C);

impl<C: Cursor> Cursor for ArcCursor<C> {
    type Storage = ArcBatch<C::Storage>;
    type Key<'a> = C::Key<'a>;
    type ValOwn = C::ValOwn;
    type Val<'a> = C::Val<'a>;
    type Time = C::Time;
    type TimeGat<'a> = C::TimeGat<'a>;
    type Diff = C::Diff;
    type DiffGat<'a> = C::DiffGat<'a>;
    type KeyContainer = C::KeyContainer;
    type ValContainer = C::ValContainer;
    type TimeContainer = C::TimeContainer;
    type DiffContainer = C::DiffContainer;

    #[inline]
    fn key_valid(&self, storage: &Self::Storage) -> bool {
        self.0.key_valid(&storage.0)
    }

    #[inline]
    fn val_valid(&self, storage: &Self::Storage) -> bool {
        self.0.val_valid(&storage.0)
    }

    #[inline]
    fn key<'a>(&self, storage: &'a Self::Storage) -> C::Key<'a> {
        self.0.key(&storage.0)
    }

    #[inline]
    fn val<'a>(&self, storage: &'a Self::Storage) -> C::Val<'a> {
        self.0.val(&storage.0)
    }

    #[inline]
    fn get_key<'a>(&self, storage: &'a Self::Storage) -> Option<C::Key<'a>> {
        self.0.get_key(&storage.0)
    }

    #[inline]
    fn get_val<'a>(&self, storage: &'a Self::Storage) -> Option<C::Val<'a>> {
        self.0.get_val(&storage.0)
    }

    #[inline]
    fn map_times<F: FnMut(C::TimeGat<'_>, C::DiffGat<'_>)>(&mut self, storage: &Self::Storage, logic: F) {
        self.0.map_times(&storage.0, logic)
    }

    #[inline]
    fn step_key(&mut self, storage: &Self::Storage) {
        self.0.step_key(&storage.0)
    }

    #[inline]
    fn seek_key(&mut self, storage: &Self::Storage, key: C::Key<'_>) {
        self.0.seek_key(&storage.0, key)
    }

    #[inline]
    fn step_val(&mut self, storage: &Self::Storage) {
        self.0.step_val(&storage.0)
    }

    #[inline]
    fn seek_val(&mut self, storage: &Self::Storage, val: C::Val<'_>) {
        self.0.seek_val(&storage.0, val)
    }

    #[inline]
    fn rewind_keys(&mut self, storage: &Self::Storage) {
        self.0.rewind_keys(&storage.0)
    }

    #[inline]
    fn rewind_vals(&mut self, storage: &Self::Storage) {
        self.0.rewind_vals(&storage.0)
    }
}

impl super::RowBatch {
    /// Bytes of memory that the batch takes.
    pub fn heap_size(&self) -> usize {
        let storage = &self.0.storage;
        let offsets = |list: &OffsetList| 4 * list.smol.capacity() + 8 * list.chonk.capacity();
        storage.keys.heap_size()
            + storage.vals.vals.heap_size()
            + offsets(&storage.vals.offs)
            + offsets(&storage.upds.offs)
            + 8 * (storage.upds.times.capacity() + storage.upds.diffs.capacity())
    }
}
