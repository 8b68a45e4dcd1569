//! Opening: from files to a store that can be written.
//!
//! 1. The manifest says which runs there are and up to which record of the log they reach.
//! 2. The segments behind it are replayed, each of which must begin where the one before ended. A torn tail is cut.
//! 3. What was replayed is written **anew** to a run, and the manifest says that no segment is needed. The page cache may
//!    show records that a failed sync never brought to the disk; they must not be built upon.
//! 4. A fresh segment is made, and the manifest says that it is needed. Only now can anything be acknowledged.
//! 5. What no manifest names is removed.
//!
//! Losing power after any of these steps leaves a store that opens, with the same contents.
use super::compact;
use super::disk::Disk;
use super::frame::{Identity, corrupt};
use super::log::{Admission, Entry, Log};
use super::manifest::{self, Manifest};
use super::run::{self, Run};
use super::segment::{self, Failure, Segment, Spare};
use super::state::{Shared, State};
use super::{Options, Recovered, StorageError};
use std::io;
use std::sync::Arc;

/// What opening gives: the shared state, the log ready to run, and what was found.
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Log,
    pub(super) recovered: Recovered,
}

fn unavailable(error: io::Error) -> StorageError {
    StorageError::Unavailable(format!("the data directory cannot be used: {error}"))
}

fn failed(failure: Failure) -> StorageError {
    match failure {
        Failure::Retry(error) | Failure::Stop(error) => unavailable(error),
    }
}

pub(super) fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, StorageError> {
    for name in disk.list().map_err(unavailable)?.iter().filter(|name| name.ends_with(".tmp")) {
        disk.remove(name).map_err(unavailable)?;
    }
    let manifest = match Manifest::read(&*disk)? {
        Some(manifest) => manifest,
        None => make_first_manifest(&*disk, &options)?,
    };
    let open_run = |place: &run::Place| Run::open(&disk, manifest.store, *place).map(Arc::new);
    let runs = manifest.runs.iter().map(open_run).collect::<Result<Vec<_>, _>>()?;
    let mut state = State::new(&manifest, runs);
    let replayed = replay(&*disk, &manifest, &mut state)?;
    if replayed.last > manifest.flushed {
        state.seal(manifest.flushed + 1, 0, replayed.last);
    }
    let recovered = recovered(&state, replayed.warnings);
    let shared = Arc::new(Shared::new(disk, options, manifest, state));
    compact::checkpoint(&shared).map_err(failed)?;
    let segment = begin_log(&shared, replayed.last + 1)?;
    remove_unnamed(&shared, segment.number()).map_err(unavailable)?;
    let log = Log::new(shared.clone(), segment);
    Ok(Opened { shared, log, recovered })
}

/// A new store begins with its manifest, so that one without is never mistaken for new.
fn make_first_manifest(disk: &dyn Disk, options: &Options) -> Result<Manifest, StorageError> {
    let files = disk.list().map_err(unavailable)?;
    if let Some(file) = files.iter().find(|name| name.starts_with("run-") || name.starts_with("log-")) {
        return Err(corrupt(manifest::NAME, 0, &format!("the file is missing, yet there is {file}")));
    }
    let manifest = Manifest { store: options.store_id, clean: true, next_run: 1, ..Manifest::default() };
    manifest.write(disk).map_err(failed)?;
    Ok(manifest)
}

struct Replayed {
    last: u64,
    warnings: Vec<String>,
}

/// Applies the records after the manifest's.
fn replay(disk: &dyn Disk, manifest: &Manifest, state: &mut State) -> Result<Replayed, StorageError> {
    let mut replayed = Replayed { last: manifest.flushed, warnings: Vec::new() };
    if manifest.clean {
        // A segment may be there: opening was interrupted when it was made, before anything was acknowledged.
        return Ok(replayed);
    }
    let numbers = segment::numbers(disk).map_err(unavailable)?;
    let needed: Vec<u64> = numbers.into_iter().filter(|&number| number > manifest.flushed).collect();
    if needed.is_empty() {
        return Err(corrupt(&segment::name(manifest.flushed + 1), 0, "the segment is missing"));
    }
    for number in needed {
        let file = segment::name(number);
        if number != replayed.last + 1 {
            let last = replayed.last;
            let what = format!(
                "the log before it ends at record {last}: a segment is missing, or the last one is damaged at its end"
            );
            return Err(corrupt(&file, 0, &what));
        }
        let unreadable = |error: io::Error| corrupt(&file, 0, &error.to_string());
        let len = disk.len(&file).map_err(unreadable)?;
        let bytes = disk.read(&file, 0, len as usize).map_err(unreadable)?;
        let identity = Identity { kind: segment::KIND, store: manifest.store, number };
        let found =
            segment::replay(identity, &bytes, |sequence, payload| replay_record(state, sequence, payload))?;
        replayed.last = found.last;
        replayed.warnings.extend(found.torn_at.map(|offset| {
            let next = found.last + 1;
            format!("{file}: offset {offset}: record {next} was never completed; the log was cut before it")
        }));
    }
    Ok(replayed)
}

/// Applies one record; none if it makes no sense after those before it.
fn replay_record(state: &mut State, sequence: u64, payload: &[u8]) -> Option<()> {
    if payload.is_empty() {
        return Some(()); // A mark.
    }
    let entry = Entry::decode(payload)?;
    Admission::default().admit(state, &entry).ok()?;
    state.apply(sequence, &entry);
    Some(())
}

fn recovered(state: &State, warnings: Vec<String>) -> Recovered {
    let shards = state.shards.iter().map(|(&id, shard)| (id, shard.frontiers())).collect();
    let greatest = state.shards.values().map(|shard| shard.greatest()).max().unwrap_or(0);
    Recovered { shards, greatest, reserved: state.reserved, warnings }
}

/// Makes the segment of this life. One of an earlier life is never written to again.
fn begin_log(shared: &Shared, number: u64) -> Result<Segment, StorageError> {
    let disk = &*shared.disk;
    let size = shared.options.first_segment_bytes.min(shared.options.segment_bytes);
    let spare = Spare::create(disk, shared.new_spare(), size).map_err(unavailable)?;
    let segment = Segment::create(disk, shared.store, number, spare).map_err(failed)?;
    let mut manifest = shared.manifest.lock().expect("invariant: no holder of this lock panics");
    if manifest.clean {
        let next = Manifest { clean: false, ..manifest.clone() };
        next.write(disk).map_err(failed)?;
        *manifest = next;
    }
    shared.state().live = true;
    Ok(segment)
}

/// Removes files that neither the manifest nor the log needs: an earlier life did not come to it.
fn remove_unnamed(shared: &Shared, segment: u64) -> io::Result<()> {
    let manifest = shared.manifest.lock().expect("invariant: no holder of this lock panics");
    let needed = |file: &str| {
        file == segment::name(segment) || manifest.runs.iter().any(|run| run::name(run.number) == file)
    };
    for file in shared.disk.list()? {
        if (file.starts_with("log-") || file.starts_with("run-")) && !needed(&file) {
            shared.disk.remove(&file)?;
        }
    }
    Ok(())
}
