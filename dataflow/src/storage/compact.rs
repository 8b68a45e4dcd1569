//! Maintenance: what the log holds moves into runs (checkpoint), and runs are merged into fewer (compaction).
//!
//! Each has a thread of its own, so that merging gigabytes does not keep the log waiting. Both only write new files, and
//! only the manifest makes them count; so both may fail, or end with the process at any moment, and be tried again.
//! Everything else follows from the order:
//!
//! ```text
//! run written and synced ─▶ its name synced ─▶ manifest replaced and synced ─▶ old segments and runs removed
//! ```
//!
//! Runs lie in tiers by size, each [`WIDTH`] times the one before, and a tier that has [`WIDTH`] runs becomes one of the
//! next: an update is rewritten once per tier, and there are at most a few runs per tier to read. Runs that are merged are
//! neighbours, so runs stay ordered from the oldest updates to the newest.
use super::manifest::{Manifest, ShardState};
use super::merge::{Merge, Moved};
use super::run::{Run, Writer};
use super::segment::{self, Failure, Spare};
use super::state::{Phase, Sealed, Shared, State};
use super::{ShardId, StorageError, Timestamp, Updates};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// So many runs of a tier become one of the next.
const WIDTH: usize = 4;
/// What a full segment becomes, about: a run up to twice this size is in the lowest tier.
const LOWEST_TIER_BYTES: u64 = 16 << 20;
/// After a failure, maintenance is tried again this much later.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What the checkpoints' thread does next.
enum Work {
    Checkpoint,
    MakeSpare(usize),
    End,
}

/// The checkpoints' thread. It ends after the log's, with a last checkpoint of what that left.
pub(super) fn run_checkpoints(shared: Arc<Shared>) {
    loop {
        match next_work(&shared) {
            Work::End => return,
            Work::MakeSpare(size) => make_spare(&shared, size),
            Work::Checkpoint => {
                let last = shared.state().phase == Phase::LogEnded;
                let done = checkpoint(&shared);
                let failed = done.as_ref().err().map(|failure| format!("the checkpoint failed: {failure}"));
                match &done {
                    Ok(covered) => reclaim(&shared, covered),
                    Err(failure) => shared.stop_if_unknown(failure),
                }
                let mut state = shared.state();
                state.checkpoint_error = failed.clone();
                shared.maintenance.notify_all();
                if let Some(why) = failed {
                    tracing::warn!("{why}");
                    if last {
                        return;
                    }
                    drop(shared.wait_for(&shared.maintenance, state, RETRY_AFTER));
                }
            }
        }
    }
}

fn next_work(shared: &Shared) -> Work {
    let mut state = shared.state();
    loop {
        if state.stopped.is_some() {
            if state.phase == Phase::LogEnded {
                return Work::End;
            }
            state = shared.wait(&shared.maintenance, state);
            continue;
        }
        if !state.sealed.is_empty() {
            return Work::Checkpoint;
        }
        if state.phase == Phase::LogEnded {
            return Work::End;
        }
        if let Some(size) = state.spare_wanted {
            return Work::MakeSpare(size);
        }
        state = wait_for_idleness(shared, state);
    }
}

/// Waits for something to happen; if the log holds much and is idle, asks for it to be sealed.
fn wait_for_idleness<'a>(
    shared: &'a Shared,
    mut state: std::sync::MutexGuard<'a, State>,
) -> std::sync::MutexGuard<'a, State> {
    let options = &shared.options;
    if state.log_bytes < options.idle_bytes || state.seal_wanted {
        return shared.wait(&shared.maintenance, state);
    }
    let idle = state.idle_since.elapsed();
    if idle >= options.idle_after {
        state.seal_wanted = true;
        state.idle_since = Instant::now();
        shared.arrived.notify_all();
        return state;
    }
    shared.wait_for(&shared.maintenance, state, options.idle_after - idle).0
}

/// Makes the next segment's space ahead, so that a commit does not wait for it. If that fails, the log tries itself.
fn make_spare(shared: &Shared, size: usize) {
    let spare = Spare::create(&*shared.disk, shared.new_spare(), size);
    let mut state = shared.state();
    state.spare_wanted = None;
    match spare {
        Ok(spare) => state.spare = Some(spare),
        Err(error) => tracing::warn!("no space could be set aside for the log: {error}"),
    }
}

/// Writes what sealed segments hold to a run, and names it in the manifest. Returns the segments that it covers.
pub(super) fn checkpoint(shared: &Shared) -> Result<Vec<Arc<Sealed>>, Failure> {
    let sealed = shared.state().sealed.clone();
    let Some(newest) = sealed.last() else { return Ok(sealed) };
    let sinces: BTreeMap<ShardId, Timestamp> = {
        let state = shared.state();
        newest.shards.iter().map(|(&id, shard)| (id, state.since_for(id, shard))).collect()
    };
    let run = write_run(shared, newest.last, |writer| {
        sinces.iter().try_for_each(|(&id, &since)| {
            let born = newest.shards[&id].born;
            let blocks = sealed.iter().filter(|sealed| sealed.last >= born);
            let blocks = blocks.filter_map(|sealed| sealed.blocks.get(&id)).flatten().cloned().collect();
            write_merged(writer, id, &mut Merge::new(id, [], blocks, Moved::Since(since))?, || Ok(()))
        })
    })?;
    let describe = |manifest: &mut Manifest, state: &State| {
        manifest.flushed = newest.last;
        manifest.reserved = newest.reserved;
        // The segment after these exists if the log goes on.
        manifest.clean = !state.live && state.sealed.len() == sealed.len();
        manifest.shards = newest.shards.clone();
        manifest.runs.extend(run.as_ref().map(|run| run.place));
    };
    publish(shared, run.iter(), &sinces, describe, |state| {
        state.sealed.drain(..sealed.len());
        state.runs.extend(run.clone());
    })?;
    Ok(sealed)
}

/// Replaces the manifest by one that `describe` makes of it, then lets `install` do the same to the state.
fn publish<'a>(
    shared: &Shared,
    written: impl Iterator<Item = &'a Arc<Run>>,
    sinces: &BTreeMap<ShardId, Timestamp>,
    describe: impl FnOnce(&mut Manifest, &State),
    install: impl FnOnce(&mut State),
) -> Result<(), Failure> {
    let written: Vec<&Arc<Run>> = written.collect();
    if !written.is_empty() {
        // The manifest must not be durable before the name that it tells.
        shared.disk.sync_directory().map_err(Failure::Stop)?;
    }
    let mut present = shared.manifest.lock().expect("invariant: no holder of this lock panics");
    let mut next = present.clone();
    describe(&mut next, &shared.state());
    next.next_run = shared.next_run.load(Ordering::Relaxed);
    for (id, since) in sinces {
        if let Some(shard) = next.shards.get_mut(id) {
            shard.frontiers.since = shard.frontiers.since.max(*since);
        }
    }
    if let Err(failure) = next.write(&*shared.disk) {
        if matches!(failure, Failure::Retry(_)) {
            written.iter().for_each(|run| run.make_obsolete());
        }
        return Err(failure);
    }
    *present = next;
    install(&mut shared.state());
    Ok(())
}

/// Writes a run of updates up to log record `last`; none if there are none.
fn write_run(
    shared: &Shared,
    last: u64,
    fill: impl FnOnce(&mut Writer) -> Result<(), StorageError>,
) -> Result<Option<Arc<Run>>, Failure> {
    let number = shared.next_run.fetch_add(1, Ordering::Relaxed);
    let mut writer = Writer::create(&shared.disk, shared.store, number, last)?;
    if let Err(error) = fill(&mut writer) {
        writer.abandon();
        return Err(Failure::Retry(io::Error::other(error)));
    }
    match writer.finish() {
        Ok(run) => Ok(run.map(Arc::new)),
        Err(error) => {
            let _ = shared.disk.remove(&super::run::name(number));
            Err(Failure::Retry(error))
        }
    }
}

/// Appends a shard's merged updates to a run; `proceed` may end it after each chunk.
fn write_merged(
    writer: &mut Writer,
    shard: ShardId,
    merge: &mut Merge,
    proceed: impl Fn() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let failed = |error: io::Error| StorageError::Refused(error.to_string());
    while fill_chunk(writer.chunk_of(shard).map_err(failed)?, merge)? {
        writer.spill().map_err(failed)?;
        proceed()?;
    }
    Ok(())
}

/// Adds updates up to about a chunk; false if there are no more.
fn fill_chunk(chunk: &mut Updates, merge: &mut Merge) -> Result<bool, StorageError> {
    while merge.next_into(chunk)? {
        if chunk.len() >= super::run::CHUNK_ROWS || chunk.row_bytes() >= super::run::CHUNK_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reuses or removes segments that the durable manifest does not need. What fails here is done by the next opening.
fn reclaim(shared: &Shared, covered: &[Arc<Sealed>]) {
    for sealed in covered {
        let wanted = {
            let state = shared.state();
            state.spare.is_none() && state.phase == Phase::Open && sealed.size == shared.options.segment_bytes
        };
        let reclaimed = match wanted {
            true => Spare::recycle(&*shared.disk, sealed.number, shared.new_spare()).map(|spare| {
                let mut state = shared.state();
                state.spare_wanted = None;
                state.spare.replace(spare)
            }),
            false => shared.disk.remove(&segment::name(sealed.number)).map(|()| None),
        };
        let reclaimed = reclaimed.and_then(|spare| spare.map_or(Ok(()), |spare| spare.remove(&*shared.disk)));
        if let Err(error) = reclaimed {
            tracing::warn!("{} was not removed: {error}", segment::name(sealed.number));
        }
    }
}

/// The compaction's thread.
pub(super) fn run_compaction(shared: Arc<Shared>) {
    loop {
        let mut state = shared.state();
        let chosen = loop {
            if state.phase != Phase::Open || state.stopped.is_some() {
                return;
            }
            match choose(&state) {
                Some(chosen) => break chosen,
                None => state = shared.wait(&shared.maintenance, state),
            }
        };
        drop(state);
        if let Err(failure) = compact(&shared, chosen) {
            shared.stop_if_unknown(&failure);
            let state = shared.state();
            if state.phase == Phase::Open {
                tracing::warn!("compaction failed: {failure}");
                drop(shared.wait_for(&shared.maintenance, state, RETRY_AFTER));
            }
        }
    }
}

/// Which runs to merge, if any.
fn choose(state: &State) -> Option<Range<usize>> {
    let tiers: Vec<u32> = state.runs.iter().map(|run| tier(run.place.end)).collect();
    full_tier(&tiers).or_else(|| {
        let mostly_dead = |run: &Arc<Run>| {
            run.place.end > LOWEST_TIER_BYTES / 4 && 2 * dead_bytes(state, run) > run.place.end
        };
        let index = state.runs.iter().position(mostly_dead)?;
        Some(index..index + 1)
    })
}

/// Four runs of a tier together are in the next one, though each may be a little less than full.
fn tier(bytes: u64) -> u32 {
    (bytes / (LOWEST_TIER_BYTES / 2)).max(1).ilog(WIDTH as u64)
}

/// The newest runs, if they are in one tier or lower ones and fill it.
fn full_tier(tiers: &[u32]) -> Option<Range<usize>> {
    let highest = tiers.iter().copied().max()?;
    (0..=highest).find_map(|tier| {
        let start = tiers.iter().rposition(|other| *other > tier).map_or(0, |index| index + 1);
        let full = tiers[start..].iter().filter(|other| **other == tier).count() >= WIDTH;
        full.then_some(start..tiers.len())
    })
}

/// The bytes of a run that belong to no shard any more.
fn dead_bytes(state: &State, run: &Run) -> u64 {
    run.shards().filter(|&shard| !state.owns(shard, run)).map(|shard| run.bytes_of(shard)).sum()
}

/// Merges neighbouring runs into one.
pub(super) fn compact(shared: &Shared, chosen: Range<usize>) -> Result<(), Failure> {
    let runs: Vec<Arc<Run>> = shared.state().runs[chosen].to_vec();
    let Some(newest) = runs.last() else { return Ok(()) };
    let shards = shards_of(shared, &runs);
    let sinces: BTreeMap<ShardId, Timestamp> = shards.iter().map(|(&id, (_, since))| (id, *since)).collect();
    let proceed = || match shared.state().phase {
        Phase::Open => Ok(()),
        _ => Err(StorageError::Stopped("the store is closing".into())),
    };
    let run = write_run(shared, newest.place.last, |writer| {
        shards.iter().try_for_each(|(&id, &(born, since))| {
            let own = runs.iter().filter(|run| run.place.last >= born).cloned();
            write_merged(writer, id, &mut Merge::new(id, own, Vec::new(), Moved::Since(since))?, proceed)
        })
    })?;
    let is_old = |number: u64| runs.iter().any(|run| run.place.number == number);
    let describe = |manifest: &mut Manifest, _: &State| {
        let at = manifest.runs.iter().position(|place| is_old(place.number)).unwrap_or(0);
        manifest.runs.retain(|place| !is_old(place.number));
        manifest.runs.splice(at..at, run.iter().map(|run| run.place));
    };
    publish(shared, run.iter(), &sinces, describe, |state| {
        let at = state.runs.iter().position(|run| is_old(run.place.number)).unwrap_or(0);
        state.runs.retain(|run| !is_old(run.place.number));
        state.runs.splice(at..at, run.clone());
    })?;
    // With the new manifest durable, each old file goes with its last reader.
    runs.iter().for_each(|run| run.make_obsolete());
    Ok(())
}

/// The shards that runs hold updates of: since when they exist, and to when their history may go.
fn shards_of(shared: &Shared, runs: &[Arc<Run>]) -> BTreeMap<ShardId, (u64, Timestamp)> {
    let durable: BTreeMap<ShardId, ShardState> =
        shared.manifest.lock().expect("invariant: no holder of this lock panics").shards.clone();
    let state = shared.state();
    let held =
        |id: ShardId, born: u64| runs.iter().any(|run| run.place.last >= born && !run.extents(id).is_empty());
    let durable = durable.into_iter().filter(|(id, shard)| held(*id, shard.born));
    let alive = durable.filter(|(id, shard)| state.lives(*id, shard.born));
    alive.map(|(id, shard)| (id, (shard.born, state.since_for(id, &shard)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_grow_by_their_width() {
        let sizes =
            [1, LOWEST_TIER_BYTES, 3 * LOWEST_TIER_BYTES, 4 * LOWEST_TIER_BYTES, 16 * LOWEST_TIER_BYTES];
        assert_eq!(sizes.map(tier), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_full_tier_is_merged_and_no_larger_run_with_it() {
        assert_eq!(full_tier(&[]), None);
        assert_eq!(full_tier(&[0, 0, 0]), None);
        assert_eq!(full_tier(&[0, 0, 0, 0]), Some(0..4));
        assert_eq!(full_tier(&[2, 1, 0, 0, 0, 0]), Some(2..6));
        assert_eq!(full_tier(&[2, 0, 0, 0]), None);
        assert_eq!(full_tier(&[0, 1, 1, 1, 1, 0]), Some(0..6));
    }
}
