//! Merging: several sorted sequences of one shard's updates become one, consolidated, as a stream.
//!
//! A checkpoint merges blocks of the log, a compaction merges runs, and a snapshot merges both: they differ only in what
//! becomes of an update's time ([`Moved`]). Memory holds one chunk of each run, whatever their size.
use super::run::{Extent, Run};
use super::{Diff, ShardId, StorageError, Timestamp, Update, Updates};
use std::cmp::Ordering;
use std::sync::Arc;

/// What becomes of the times. Both keep their order, so that a sorted sequence stays sorted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moved {
    /// Times before it are moved up to it: reads at or after it stay what they were.
    Since(Timestamp),
    /// Times up to it are moved up to it, and later updates are left out: the contents at one time.
    AsOf(Timestamp),
}

impl Moved {
    fn time(self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Moved::Since(since) => Some(time.max(since)),
            Moved::AsOf(as_of) => (time <= as_of).then_some(as_of),
        }
    }
}

/// A sorted sequence of updates that is pulled one by one.
enum Source {
    Run(RunSource),
    Blocks(BlockSource),
}

/// A shard's chunks in a run.
struct RunSource {
    run: Arc<Run>,
    shard: ShardId,
    /// The next chunk to read.
    next: usize,
    chunk: Updates,
    at: usize,
}

impl RunSource {
    fn head(&self) -> Option<Update<'_>> {
        (self.at < self.chunk.len()).then(|| self.chunk.get(self.at))
    }

    /// Steps to the next update, reading the next chunk when this one ends.
    fn step(&mut self) -> Result<(), StorageError> {
        self.at += 1;
        while self.at >= self.chunk.len() {
            let extents: &[Extent] = self.run.extents(self.shard);
            let Some(&extent) = extents.get(self.next) else { return Ok(()) };
            self.chunk = self.run.chunk(self.shard, extent)?;
            self.next += 1;
            self.at = 0;
        }
        Ok(())
    }
}

/// Blocks in memory, in an order that is sorted once.
struct BlockSource {
    blocks: Vec<Arc<Updates>>,
    order: Vec<Position>,
    at: usize,
}

/// Where an update stands, with the first bytes of its row: most comparisons need no more.
#[derive(Clone, Copy)]
struct Position {
    prefix: u64,
    block: u32,
    index: u32,
}

fn prefix(row: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = row.len().min(8);
    first[..len].copy_from_slice(&row[..len]);
    u64::from_be_bytes(first)
}

impl BlockSource {
    /// Sorts the updates of blocks; leaves out those that `moved` leaves out.
    fn new(blocks: Vec<Arc<Updates>>, moved: Moved) -> BlockSource {
        let mut order = Vec::with_capacity(blocks.iter().map(|block| block.len()).sum());
        for (block, updates) in blocks.iter().enumerate() {
            for (index, (row, time, _)) in updates.iter().enumerate() {
                if moved.time(time).is_some() {
                    order.push(Position { prefix: prefix(row), block: block as u32, index: index as u32 });
                }
            }
        }
        let get = |position: &Position| blocks[position.block as usize].get(position.index as usize);
        order.sort_unstable_by(|left, right| {
            left.prefix.cmp(&right.prefix).then_with(|| get(left).cmp(&get(right)))
        });
        BlockSource { blocks, order, at: 0 }
    }

    fn head(&self) -> Option<Update<'_>> {
        let position = self.order.get(self.at)?;
        Some(self.blocks[position.block as usize].get(position.index as usize))
    }
}

impl Source {
    fn head(&self) -> Option<Update<'_>> {
        match self {
            Source::Run(run) => run.head(),
            Source::Blocks(blocks) => blocks.head(),
        }
    }

    fn step(&mut self) -> Result<(), StorageError> {
        match self {
            Source::Run(run) => run.step(),
            Source::Blocks(blocks) => {
                blocks.at += 1;
                Ok(())
            }
        }
    }

    /// The next update that is not left out, with its time moved. Updates that are left out are stepped over.
    fn settle(&mut self, moved: Moved) -> Result<(), StorageError> {
        while self.head().is_some_and(|(_, time, _)| moved.time(time).is_none()) {
            self.step()?;
        }
        Ok(())
    }
}

/// One shard's updates from several sources, sorted by (row, moved time), equals added up, what cancels dropped.
pub(super) struct Merge {
    sources: Vec<Source>,
    moved: Moved,
}

impl Merge {
    /// `runs` and `blocks` of one shard; together they are what is merged.
    pub(super) fn new(
        shard: ShardId,
        runs: impl IntoIterator<Item = Arc<Run>>,
        blocks: Vec<Arc<Updates>>,
        moved: Moved,
    ) -> Result<Merge, StorageError> {
        let mut sources = Vec::new();
        if !blocks.is_empty() {
            sources.push(Source::Blocks(BlockSource::new(blocks, moved)));
        }
        for run in runs.into_iter().filter(|run| !run.extents(shard).is_empty()) {
            let mut source = RunSource { run, shard, next: 0, chunk: Updates::new(), at: 0 };
            source.step()?;
            sources.push(Source::Run(source));
        }
        for source in &mut sources {
            source.settle(moved)?;
        }
        Ok(Merge { sources, moved })
    }

    fn head(&self, source: usize) -> Option<Update<'_>> {
        let (row, time, diff) = self.sources[source].head()?;
        let time = self.moved.time(time).expect("invariant: sources are settled");
        Some((row, time, diff))
    }

    fn step(&mut self, source: usize) -> Result<(), StorageError> {
        self.sources[source].step()?;
        self.sources[source].settle(self.moved)
    }

    /// The source whose head comes first.
    fn first(&self) -> Option<usize> {
        let mut first: Option<(usize, Update<'_>)> = None;
        for source in 0..self.sources.len() {
            let Some(head) = self.head(source) else { continue };
            if first.is_none_or(|(_, best)| compare(head, best) == Ordering::Less) {
                first = Some((source, head));
            }
        }
        first.map(|(source, _)| source)
    }

    /// Appends the next consolidated update to `out`; false if there is none.
    pub(super) fn next_into(&mut self, out: &mut Updates) -> Result<bool, StorageError> {
        while let Some(source) = self.first() {
            let (row, time, diff) = self.head(source).expect("invariant: the first source has a head");
            out.push(row, time, diff);
            self.step(source)?;
            let last = out.len() - 1;
            for source in 0..self.sources.len() {
                while let Some(diff) = self.equal_to(source, out.row(last), time) {
                    out.add_to_last(diff);
                    self.step(source)?;
                }
            }
            if out.diffs()[last] != 0 {
                return Ok(true);
            }
            out.pop();
        }
        Ok(false)
    }

    /// The diff of a source's head, if it is of this row and time.
    fn equal_to(&self, source: usize, row: &[u8], time: Timestamp) -> Option<Diff> {
        self.head(source).filter(|head| head.1 == time && head.0 == row).map(|head| head.2)
    }
}

fn compare(left: Update<'_>, right: Update<'_>) -> Ordering {
    (left.0, left.1).cmp(&(right.0, right.1))
}

#[cfg(test)]
mod tests {
    use super::super::run::Writer;
    use super::super::{Disk, Memory};
    use super::*;

    const SHARD: ShardId = ShardId(3);

    /// Numbers without a pattern that matters.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }

        fn updates(&mut self, count: u64) -> Updates {
            let row = |random: &mut Random| vec![b'r'; random.below(12) as usize];
            (0..count).fold(Updates::new(), |mut updates, _| {
                updates.push(&row(self), self.below(20), self.below(5) as i64 - 2);
                updates
            })
        }
    }

    fn run(disk: &Arc<dyn Disk>, number: u64, updates: &Updates, since: Timestamp) -> Arc<Run> {
        let mut writer = Writer::create(disk, 1, number, 1).expect("memory does not fail");
        let blocks = vec![Arc::new(updates.clone())];
        let mut merge = Merge::new(SHARD, [], blocks, Moved::Since(since)).expect("memory does not fail");
        while merge
            .next_into(writer.chunk_of(SHARD).expect("memory does not fail"))
            .expect("memory does not fail")
        {
            writer.spill().expect("memory does not fail");
        }
        Arc::new(writer.finish().expect("memory does not fail").expect("there are updates"))
    }

    fn merged(runs: &[Arc<Run>], blocks: &[Arc<Updates>], moved: Moved) -> Updates {
        let mut merge =
            Merge::new(SHARD, runs.to_vec(), blocks.to_vec(), moved).expect("memory does not fail");
        let mut out = Updates::new();
        while merge.next_into(&mut out).expect("memory does not fail") {}
        out
    }

    #[test]
    fn merging_is_consolidating_all_of_it() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let mut random = Random(11);
        for round in 0..30 {
            let parts: Vec<Updates> = (0..5).map(|_| random.updates(40)).collect();
            let runs: Vec<_> =
                (0..3).map(|part| run(&disk, round * 3 + part + 1, &parts[part as usize], 2)).collect();
            let blocks: Vec<_> = parts[3..].iter().cloned().map(Arc::new).collect();
            let mut all = Updates::new();
            parts.iter().for_each(|part| all.extend(part));
            let mut history = all.clone();
            history.advance_to(7);
            assert_eq!(merged(&runs, &blocks, Moved::Since(7)), history);
            let mut contents: Updates = all.iter().filter(|update| update.1 <= 9).collect();
            contents.advance_to(9);
            assert_eq!(merged(&runs, &blocks, Moved::AsOf(9)), contents);
        }
    }

    #[test]
    fn runs_larger_than_a_chunk_are_read_chunk_by_chunk() {
        let disk: Arc<dyn Disk> = Arc::new(Memory::default());
        let updates: Updates = (0..200_000u64).fold(Updates::new(), |mut updates, n| {
            updates.push(&n.to_be_bytes(), n % 7, 1);
            updates
        });
        let run = run(&disk, 1, &updates, 0);
        assert!(run.extents(SHARD).len() > 1);
        assert_eq!(merged(&[run], &[], Moved::Since(0)), updates);
    }
}
