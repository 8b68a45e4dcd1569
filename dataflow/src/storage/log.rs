//! The log: everything that changes a shard is an entry, an entry is one record, and one thread writes them all.
//!
//! The thread takes the whole queue (group commit), checks each entry against the shards as the entries before it leave
//! them, writes the records behind each other with one write and **one** fdatasync, makes them visible, and answers in
//! the order of the calls. While it waits for the disk the next group gathers: 64 writers share the syncs that one needs.
//!
//! ```text
//! append   | 1 u32 | parts u32 | upper u64 | (shard u64, lower u64, length u64, block) .. |
//! reserve  | 2 u32 | 0 u32 | bound u64 |
//! drop     | 3 u32 | 0 u32 | shard u64 |
//! mark     empty: it proves the records before it (see [`super::frame`])
//! ```
use super::frame::Fields;
use super::segment::{Failure, Segment, Spare, size_for};
use super::state::{Phase, Shared, State};
use super::{Append, Completion, ShardAppend, ShardId, StorageError, Timestamp, block};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// So many full segments may wait for their checkpoint before commits wait for it: this bounds memory.
const SEALED_MAX: usize = 3;
/// A group is closed at so many bytes, so that the first in it is not kept waiting by the last.
const GROUP_BYTES: usize = 4 << 20;

/// A change of the store.
pub(super) enum Entry {
    Append(Append),
    Reserve(Timestamp),
    Drop(ShardId),
}

/// An entry and whom to answer.
pub(super) struct Waiting {
    pub(super) entry: Entry,
    /// An upper bound of its record's payload.
    pub(super) size: usize,
    pub(super) completion: Completion,
}

const APPEND: u32 = 1;
const RESERVE: u32 = 2;
const DROP: u32 = 3;

impl Entry {
    /// An upper bound of what [`Entry::encode`] appends.
    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Entry::Append(append) => {
                16 + append.shards.iter().map(|part| 24 + block::encoded_len(&part.updates)).sum::<usize>()
            }
            Entry::Reserve(_) | Entry::Drop(_) => 16,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u32, parts: usize, word: u64| {
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&(parts as u32).to_le_bytes());
            out.extend_from_slice(&word.to_le_bytes());
        };
        match self {
            Entry::Reserve(bound) => head(RESERVE, 0, *bound),
            Entry::Drop(shard) => head(DROP, 0, shard.0),
            Entry::Append(append) => {
                head(APPEND, append.shards.len(), append.upper);
                append.shards.iter().for_each(|part| encode_part(part, out));
            }
        }
    }

    /// Reads an entry back from a record's payload; none if it is not one.
    pub(super) fn decode(payload: &[u8]) -> Option<Entry> {
        let mut fields = Fields { rest: payload };
        let (kind, parts, word) = (fields.u32()?, fields.u32()?, fields.u64()?);
        let entry = match kind {
            APPEND => {
                let shards = (0..parts).map(|_| decode_part(&mut fields)).collect::<Option<_>>()?;
                Entry::Append(Append { upper: word, shards })
            }
            RESERVE => Entry::Reserve(word),
            DROP => Entry::Drop(ShardId(word)),
            _ => return None,
        };
        fields.rest.is_empty().then_some(entry)
    }
}

fn encode_part(part: &ShardAppend, out: &mut Vec<u8>) {
    out.extend_from_slice(&part.shard.0.to_le_bytes());
    out.extend_from_slice(&part.lower.to_le_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 8]);
    block::encode(&part.updates, out);
    let length = (out.len() - length_at - 8) as u64;
    out[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
}

fn decode_part(fields: &mut Fields<'_>) -> Option<ShardAppend> {
    let (shard, lower) = (ShardId(fields.u64()?), fields.u64()?);
    let length = usize::try_from(fields.u64()?).ok()?;
    let updates = Arc::new(block::decode(fields.bytes(length)?)?);
    Some(ShardAppend { shard, lower, updates })
}

/// The uppers that the entries of a group leave, before they are applied.
#[derive(Default)]
pub(super) struct Admission {
    uppers: BTreeMap<ShardId, Timestamp>,
}

impl Admission {
    /// Compare-and-append: whether the entry may follow those admitted before it.
    pub(super) fn admit(&mut self, state: &State, entry: &Entry) -> Result<(), StorageError> {
        let (size, max) = (entry.encoded_len(), block::MAX_BYTES);
        if size > max {
            let why = format!("a transaction of {size} bytes is too large: at most {max} are possible");
            return Err(StorageError::TooLarge(why));
        }
        match entry {
            Entry::Reserve(_) => {}
            Entry::Drop(shard) => drop(self.uppers.insert(*shard, 0)),
            Entry::Append(append) => {
                for part in &append.shards {
                    let (shard, lower) = (part.shard, part.lower);
                    let upper = self.uppers.get(&shard).copied().unwrap_or_else(|| state.upper(shard));
                    if upper != lower {
                        return Err(StorageError::Mismatch { shard, lower, upper });
                    }
                }
                self.uppers.extend(append.shards.iter().map(|part| (part.shard, append.upper)));
            }
        }
        Ok(())
    }
}

/// The log's thread.
pub(super) struct Log {
    shared: Arc<Shared>,
    segment: Segment,
    /// The sequence of the next record.
    next: u64,
}

/// What there is to do.
enum Work {
    /// These fit into the segment.
    Group(Vec<Waiting>),
    /// The next entry needs a segment with room for a payload of this size.
    Rotate(usize),
    /// The next entry is larger than a segment.
    Alone(Waiting),
    /// The log is idle: make room for a checkpoint of what it holds.
    Seal,
    /// Commits pause: prove the last ones.
    Mark,
    /// The store has stopped: nothing can be done for these.
    Refuse(Vec<Waiting>, StorageError),
    Close,
}

impl Log {
    pub(super) fn new(shared: Arc<Shared>, segment: Segment) -> Log {
        let next = segment.number();
        Log { shared, segment, next }
    }

    pub(super) fn run(mut self) {
        loop {
            match self.wait() {
                Work::Group(group) => self.commit(group),
                Work::Rotate(payload) => self.make_room(payload),
                Work::Alone(waiting) => self.commit_alone(waiting),
                Work::Seal => self.seal_idle(),
                Work::Mark => self.mark(),
                Work::Refuse(queue, why) => answer(queue, &why),
                Work::Close => return self.close(),
            }
        }
    }

    /// Waits until there is something to do. What callers wait for comes first.
    fn wait(&self) -> Work {
        let mut state = self.shared.state();
        loop {
            let stopped = state.stopped.clone();
            if let Some(why) = stopped.clone().filter(|_| !state.queue.is_empty()) {
                return Work::Refuse(state.queue.drain(..).collect(), StorageError::Stopped(why));
            }
            if let Some(first) = state.queue.front() {
                let size = first.size;
                let group = self.take_group(&mut state.queue);
                return match group.is_empty() {
                    false => Work::Group(group),
                    true if size <= self.shared.options.segment_bytes => Work::Rotate(size),
                    true => Work::Alone(state.queue.pop_front().expect("invariant: it was at the front")),
                };
            }
            if state.phase != Phase::Open {
                return Work::Close;
            }
            if stopped.is_none() && state.seal_wanted {
                return Work::Seal;
            }
            if stopped.is_some() || self.segment.is_proven() {
                state = self.shared.wait(&self.shared.arrived, state);
                continue;
            }
            let (waited, timed_out) =
                self.shared.wait_for(&self.shared.arrived, state, self.shared.options.mark_after);
            state = waited;
            if timed_out && state.queue.is_empty() && state.stopped.is_none() {
                return Work::Mark;
            }
        }
    }

    /// Takes the front of the queue, as much as fits into the segment.
    fn take_group(&self, queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = queue.front() {
            // Each record is rounded up and has a head of its own; `fits` counts only the last one's.
            let taken = bytes + size_for(next.size);
            if !self.segment.fits(taken) || (bytes > 0 && taken > GROUP_BYTES) {
                break;
            }
            bytes = taken;
            group.extend(queue.pop_front());
        }
        group
    }

    /// Makes a group durable and visible, then answers it.
    fn commit(&mut self, group: Vec<Waiting>) {
        let verdicts: Vec<Result<(), StorageError>> = {
            let state = self.shared.state();
            let mut admission = Admission::default();
            group.iter().map(|waiting| admission.admit(&state, &waiting.entry)).collect()
        };
        let first = self.next;
        for (waiting, _) in group.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()) {
            self.segment.push(self.next, |out| waiting.entry.encode(out));
            self.next += 1;
        }
        if self.next > first
            && let Err(error) = self.segment.commit()
        {
            return self.stop(group, error);
        }
        self.show(
            first,
            group.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()).map(|(w, _)| &w.entry),
        );
        for (waiting, verdict) in group.into_iter().zip(verdicts) {
            (waiting.completion)(verdict);
        }
    }

    /// Makes durable entries visible, the first of which is record `sequence`.
    fn show<'a>(&self, sequence: u64, entries: impl Iterator<Item = &'a Entry>) {
        let mut state = self.shared.state();
        let mut dropped = false;
        for (sequence, entry) in (sequence..).zip(entries) {
            state.apply(sequence, entry);
            dropped |= matches!(entry, Entry::Drop(_));
        }
        let was_idle = state.log_bytes < self.shared.options.idle_bytes;
        state.log_bytes = self.segment.used();
        state.idle_since = Instant::now();
        let becomes_idle = was_idle && state.log_bytes >= self.shared.options.idle_bytes;
        let half_full = state.log_bytes > self.segment.size() / 2;
        let wants_spare = half_full && state.spare.is_none() && state.spare_wanted.is_none();
        if wants_spare {
            state.spare_wanted = Some(self.next_size(0));
        }
        drop(state);
        if dropped || becomes_idle || wants_spare {
            self.shared.maintenance.notify_all();
        }
    }

    fn stop(&mut self, group: Vec<Waiting>, error: std::io::Error) {
        let why = format!("the log could not be made durable: {error}");
        self.shared.stop(why.clone());
        answer(group, &StorageError::Stopped(why));
    }

    fn mark(&mut self) {
        self.segment.push_mark(self.next);
        self.next += 1;
        if let Err(error) = self.segment.commit() {
            self.stop(Vec::new(), error);
        }
    }

    /// Segments start small, so that a small store is, and grow.
    fn next_size(&self, payload: usize) -> usize {
        let grown = self.segment.size().saturating_mul(4).min(self.shared.options.segment_bytes);
        grown.max(size_for(payload).next_multiple_of(4096))
    }

    /// Leaves what an idle log holds to the checkpoints, so that a restart has nothing to replay.
    fn seal_idle(&mut self) {
        if !self.segment.is_empty()
            && let Err(why) = self.rotate(0)
        {
            tracing::warn!("an idle log was not sealed: {why}");
        }
        self.shared.state().seal_wanted = false;
    }

    /// Begins the next segment; if that is impossible, everything that waits is refused.
    fn make_room(&mut self, payload: usize) {
        if let Err(why) = self.rotate(payload) {
            let queue: Vec<Waiting> = self.shared.state().queue.drain(..).collect();
            answer(queue, &why);
        }
    }

    /// Makes the next segment, with room for so large a payload, and leaves the present one to the checkpoints.
    fn rotate(&mut self, payload: usize) -> Result<(), StorageError> {
        self.wait_for_checkpoint()?;
        let shared = &self.shared;
        let size = self.next_size(size_for(payload));
        let ready = shared.state().spare.take().filter(|spare| spare.size >= size);
        let spare = ready.map_or_else(|| Spare::create(&*shared.disk, shared.new_spare(), size), Ok);
        let next = spare
            .map_err(Failure::Retry)
            .and_then(|spare| Segment::create(&*shared.disk, shared.store, self.next, spare));
        let next = next.map_err(|failure| self.no_segment(failure))?;
        self.begin(next);
        Ok(())
    }

    fn no_segment(&self, failure: Failure) -> StorageError {
        self.shared.stop_if_unknown(&failure);
        let why = format!("no new log segment could be made: {failure}");
        match failure {
            Failure::Retry(_) => StorageError::Refused(why),
            Failure::Stop(_) => StorageError::Stopped(why),
        }
    }

    /// Goes on with the next segment; the present one is full.
    fn begin(&mut self, next: Segment) {
        let full = std::mem::replace(&mut self.segment, next);
        if !full.is_empty() {
            self.seal(&full);
        }
    }

    /// Makes an entry durable that is larger than a segment: as a segment of its own, which is written before it gets its
    /// name. Its space need not be set aside, since without the name nothing has happened.
    fn commit_alone(&mut self, waiting: Waiting) {
        let written = self.write_alone(&waiting.entry);
        if written.is_ok() {
            let sequence = self.next;
            // The mark behind it takes a sequence too.
            self.next += 2;
            self.show(sequence, std::iter::once(&waiting.entry));
        }
        (waiting.completion)(written);
    }

    fn write_alone(&mut self, entry: &Entry) -> Result<(), StorageError> {
        Admission::default().admit(&self.shared.state(), entry)?;
        self.wait_for_checkpoint()?;
        let shared = &self.shared;
        let number = shared.new_spare();
        let segment =
            Segment::create_whole(&*shared.disk, shared.store, self.next, number, |out| entry.encode(out));
        let segment = segment.map_err(|failure| self.no_segment(failure))?;
        self.begin(segment);
        Ok(())
    }

    fn seal(&self, full: &Segment) {
        self.shared.state().seal(full.number(), full.size(), self.next - 1);
        self.shared.maintenance.notify_all();
    }

    /// Waits while too many segments wait for their checkpoints. If these fail, there is no point in waiting.
    fn wait_for_checkpoint(&self) -> Result<(), StorageError> {
        let mut state = self.shared.state();
        while state.sealed.len() >= SEALED_MAX {
            if let Some(why) = &state.stopped {
                return Err(StorageError::Stopped(why.clone()));
            }
            if let Some(why) = &state.checkpoint_error {
                return Err(StorageError::Refused(why.clone()));
            }
            state = self.shared.wait(&self.shared.maintenance, state);
        }
        Ok(())
    }

    /// Ends the log: what it holds is proven, and left to the last checkpoint.
    fn close(mut self) {
        let stopped = self.shared.state().stopped.is_some();
        if !stopped && !self.segment.is_proven() {
            self.mark();
        }
        let mut state = self.shared.state();
        if state.stopped.is_none() && !self.segment.is_empty() {
            state.seal(self.segment.number(), self.segment.size(), self.next - 1);
            // Only now is everything in what is sealed. After a stop the segment is still needed, and a checkpoint that
            // is under way must not say otherwise.
            state.live = false;
        }
        state.phase = Phase::LogEnded;
        drop(state);
        self.shared.maintenance.notify_all();
    }
}

fn answer(waiting: Vec<Waiting>, why: &StorageError) {
    waiting.into_iter().for_each(|waiting| (waiting.completion)(Err(why.clone())));
}

#[cfg(test)]
mod tests {
    use super::super::Updates;
    use super::*;

    fn bytes(entry: &Entry) -> Vec<u8> {
        let mut out = Vec::new();
        entry.encode(&mut out);
        assert!(out.len() <= entry.encoded_len());
        out
    }

    fn append() -> Entry {
        let updates: Updates = [(&b"one"[..], 7, 1), (b"two", 8, -1)].into_iter().collect();
        let part = |shard, updates: &Updates| ShardAppend {
            shard: ShardId(shard),
            lower: 7,
            updates: Arc::new(updates.clone()),
        };
        Entry::Append(Append { upper: 9, shards: vec![part(3, &updates), part(4, &Updates::new())] })
    }

    #[test]
    fn entries_read_back() {
        let Some(Entry::Append(read)) = Entry::decode(&bytes(&append())) else {
            panic!("an append reads back")
        };
        assert_eq!((read.upper, read.shards.len()), (9, 2));
        assert_eq!((read.shards[0].shard, read.shards[0].lower), (ShardId(3), 7));
        let updates: Vec<_> = read.shards[0].updates.iter().collect();
        assert_eq!(updates, vec![(&b"one"[..], 7, 1), (b"two", 8, -1)]);
        assert!(read.shards[1].updates.is_empty());
        assert!(matches!(Entry::decode(&bytes(&Entry::Reserve(5))), Some(Entry::Reserve(5))));
        assert!(matches!(Entry::decode(&bytes(&Entry::Drop(ShardId(6)))), Some(Entry::Drop(ShardId(6)))));
    }

    #[test]
    fn what_is_no_entry_is_refused_and_never_panics() {
        let whole = bytes(&append());
        for len in 0..whole.len() {
            assert!(Entry::decode(&whole[..len]).is_none(), "cut to {len} bytes");
        }
        // Flipped bits may make another entry; they must not make a panic.
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Entry::decode(&flipped);
        }
    }
}
