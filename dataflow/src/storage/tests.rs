//! The store's promises, one by one, on disks that do what they are told. What chance finds is in `simulate.rs`.
use super::*;
use std::sync::mpsc::{Receiver, Sender};

/// Small segments, so that a short test sees checkpoints.
fn small() -> Options {
    Options { segment_bytes: 8 << 10, first_segment_bytes: 4 << 10, store_id: 7, ..Options::default() }
}

fn open(disk: &(impl Disk + Clone + 'static)) -> (Storage, Recovered) {
    Storage::open(Arc::new(disk.clone()), small()).expect("the disk is whole")
}

fn refusal(disk: &(impl Disk + Clone + 'static)) -> StorageError {
    match Storage::open(Arc::new(disk.clone()), small()) {
        Err(error) => error,
        Ok((_, recovered)) => panic!("it opened: {recovered:?}"),
    }
}

fn part(shard: u64, lower: Timestamp, updates: &[Update<'_>]) -> ShardAppend {
    ShardAppend { shard: ShardId(shard), lower, updates: Arc::new(updates.iter().copied().collect()) }
}

/// One row into one shard at the shard's upper.
fn insert(storage: &Storage, shard: u64, row: &[u8]) -> Result<(), StorageError> {
    let lower = storage.frontiers(ShardId(shard)).upper;
    storage.append_and_wait(Append { upper: lower + 1, shards: vec![part(shard, lower, &[(row, lower, 1)])] })
}

fn contents(storage: &Storage, shard: u64, as_of: Timestamp) -> Vec<(Vec<u8>, Diff)> {
    let slices = storage.snapshot(ShardId(shard), as_of).expect("not compacted");
    let slices: Vec<_> = slices.map(|slice| slice.expect("not damaged")).collect();
    let updates = slices.iter().flat_map(|slice| slice.iter());
    updates
        .map(|(row, time, diff)| {
            assert_eq!(time, as_of);
            (row.to_vec(), diff)
        })
        .collect()
}

fn history(storage: &Storage, shard: u64, after: Timestamp) -> Vec<(Vec<u8>, Timestamp, Diff)> {
    let slices = storage.updates_after(ShardId(shard), after).expect("not compacted");
    let slices: Vec<_> = slices.map(|slice| slice.expect("not damaged")).collect();
    let updates = slices.iter().flat_map(|slice| slice.iter());
    let mut updates: Vec<_> = updates.map(|(row, time, diff)| (row.to_vec(), time, diff)).collect();
    updates.sort();
    updates
}

fn files(disk: &dyn Disk, prefix: &str) -> Vec<String> {
    disk.list().expect("lists").into_iter().filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn an_append_needs_the_present_upper() {
    let (storage, recovered) = open(&Memory::default());
    assert!(recovered.shards.is_empty());
    storage
        .append_and_wait(Append { upper: 10, shards: vec![part(1, 0, &[(b"a", 9, 1)])] })
        .expect("its lower is 0");
    let stale = storage.append_and_wait(Append { upper: 20, shards: vec![part(2, 0, &[]), part(1, 9, &[])] });
    assert_eq!(stale, Err(StorageError::Mismatch { shard: ShardId(1), lower: 9, upper: 10 }));
    assert_eq!(storage.frontiers(ShardId(2)).upper, 0, "all of it or nothing");
    assert_eq!(storage.frontiers(ShardId(1)), Frontiers { since: 0, upper: 10 });
    assert_eq!(contents(&storage, 1, 8), vec![]);
    assert_eq!(contents(&storage, 1, 9), vec![(b"a".to_vec(), 1)]);
}

#[test]
fn answers_come_in_the_order_of_the_calls() {
    let (storage, _) = open(&Memory::default());
    let (send, receive): (Sender<_>, Receiver<_>) = channel();
    for n in 0..500u64 {
        let send = send.clone();
        // Every tenth is stale.
        let lower = if n % 10 == 9 { 1_000_000 } else { n - n / 10 };
        let append = Append { upper: lower + 1, shards: vec![part(1, lower, &[(b"row", lower, 1)])] };
        storage.append(append, move |outcome| send.send((n, outcome)).expect("the test waits"));
    }
    for n in 0..500u64 {
        let (answered, outcome) = receive.recv().expect("all are answered");
        assert_eq!(answered, n);
        assert_eq!(outcome.is_err(), n % 10 == 9);
    }
    assert_eq!(contents(&storage, 1, 1_000), vec![(b"row".to_vec(), 450)]);
}

#[test]
fn a_closed_store_reopens_with_the_same_contents_and_nothing_to_replay() {
    let disk = Memory::default();
    let (storage, _) = open(&disk);
    (0..400u64).for_each(|n| insert(&storage, 1 + n % 3, &n.to_be_bytes()).expect("room enough"));
    storage.reserve(5_000, |outcome| outcome.expect("room enough"));
    storage.close().expect("the disk is whole");
    let closed = StorageError::Stopped("the store is closed".into());
    assert_eq!(insert(&storage, 1, b"late"), Err(closed));
    assert_eq!(files(&disk, "log-"), Vec::<String>::new());
    let (storage, recovered) = open(&disk);
    assert_eq!((recovered.greatest, recovered.reserved), (133, 5_000));
    assert_eq!(recovered.shards.len(), 3);
    assert_eq!(contents(&storage, 2, 1_000).len(), 133);
    assert_eq!(recovered.shards[&ShardId(1)], Frontiers { since: 0, upper: 134 });
    assert!(recovered.warnings.is_empty());
    insert(&storage, 1, b"more").expect("it goes on where it was");
}

#[test]
fn a_killed_store_replays_its_log() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    (0..300u64).for_each(|n| insert(&storage, n % 3, &n.to_be_bytes()).expect("room enough"));
    // The process is gone; nothing but what was synced is left.
    let after = disk.after_power_loss(|_| 0);
    let (recovered_storage, recovered) = open(&after);
    assert_eq!(recovered.shards, storage.shards());
    for shard in 0..3 {
        assert_eq!(history(&recovered_storage, shard, 0), history(&storage, shard, 0));
    }
    drop(recovered_storage);
    assert_eq!(open(&after).1.shards, recovered.shards);
}

#[test]
fn history_is_readable_from_since_on() {
    let (storage, _) = open(&Memory::default());
    for time in 0..600u64 {
        let updates: &[Update<'_>] =
            &[(b"counter", time, 1), (b"gone", time, if time % 2 == 0 { 1 } else { -1 })];
        let append = Append { upper: time + 1, shards: vec![part(1, time, updates)] };
        storage.append_and_wait(append).expect("room enough");
    }
    assert_eq!(
        history(&storage, 1, 597),
        vec![
            (b"counter".to_vec(), 598, 1),
            (b"counter".to_vec(), 599, 1),
            (b"gone".to_vec(), 598, 1),
            (b"gone".to_vec(), 599, -1),
        ]
    );
    assert_eq!(contents(&storage, 1, 100), vec![(b"counter".to_vec(), 101), (b"gone".to_vec(), 1)]);
    storage.allow_compaction(ShardId(1), 500);
    assert_eq!(
        storage.snapshot(ShardId(1), 499).err(),
        Some(StorageError::Compacted { shard: ShardId(1), as_of: 499, since: 500 })
    );
    assert!(storage.updates_after(ShardId(1), 499).is_err());
    assert_eq!(contents(&storage, 1, 500), vec![(b"counter".to_vec(), 501), (b"gone".to_vec(), 1)]);
    assert_eq!(history(&storage, 1, 500).len(), 2 * 99);
    // Beyond the upper it takes effect only as the upper moves.
    storage.allow_compaction(ShardId(1), 10_000);
    assert_eq!(storage.frontiers(ShardId(1)), Frontiers { since: 599, upper: 600 });
    insert(&storage, 1, b"last").expect("room enough");
    assert_eq!(storage.frontiers(ShardId(1)), Frontiers { since: 600, upper: 601 });
}

#[test]
fn compaction_forgets_history_and_keeps_contents() {
    let disk = Memory::default();
    let options = Options { segment_bytes: 16 << 10, ..small() };
    let (storage, _) = Storage::open(Arc::new(disk.clone()), options).expect("a fresh disk");
    let row = |n: u64| [&n.to_be_bytes()[..], &[n as u8; 92]].concat();
    // Ten keys are replaced over and over.
    for time in 0..2_000u64 {
        let (old, new) = (row(time.wrapping_sub(10)), row(time));
        let updates: Vec<Update<'_>> = match time < 10 {
            true => vec![(&new, time, 1)],
            false => vec![(&old, time, -1), (&new, time, 1)],
        };
        storage
            .append_and_wait(Append { upper: time + 1, shards: vec![part(1, time, &updates)] })
            .expect("room");
        storage.allow_compaction(ShardId(1), time.saturating_sub(5));
    }
    let expected: Vec<_> = (1_990..2_000).map(|n| (row(n), 1)).collect();
    assert_eq!(contents(&storage, 1, 1_999), expected);
    storage.close().expect("the disk is whole");
    let (storage, _) = open(&disk);
    assert_eq!(contents(&storage, 1, 1_999), expected);
    let bytes: u64 = files(&disk, "run-").iter().map(|run| disk.len(run).expect("is there")).sum();
    assert!(bytes < 100_000, "{bytes} bytes of runs for 1,000 bytes of rows and {} of updates", 4_000 * 100);
}

#[test]
fn a_read_sees_the_shard_as_it_was_when_it_began() {
    let disk = Memory::default();
    let (storage, _) = open(&disk);
    (0..300u64).for_each(|n| insert(&storage, 1, &n.to_be_bytes()).expect("room enough"));
    let before = storage.snapshot(ShardId(1), 10_000).expect("not compacted");
    storage.allow_compaction(ShardId(1), 10_000);
    (300..2_000u64).for_each(|n| insert(&storage, 1, &n.to_be_bytes()).expect("room enough"));
    let rows: usize = before.map(|slice| slice.expect("its runs are kept for it").len()).sum();
    assert_eq!(rows, 300);
}

#[test]
fn a_dropped_shard_is_gone_and_its_id_free() {
    let disk = Memory::default();
    let (storage, _) = open(&disk);
    (0..200u64).for_each(|n| insert(&storage, 1 + n % 2, &[n as u8; 50]).expect("room enough"));
    storage.drop_shard(ShardId(1), |outcome| outcome.expect("room enough"));
    insert(&storage, 2, b"other").expect("room enough");
    assert_eq!(storage.frontiers(ShardId(1)), Frontiers::default());
    assert_eq!(contents(&storage, 1, 10_000), vec![]);
    insert(&storage, 1, b"born again").expect("the id is free");
    assert_eq!(contents(&storage, 1, 10_000), vec![(b"born again".to_vec(), 1)]);
    (0..400u64).for_each(|n| insert(&storage, 2, &n.to_be_bytes()).expect("room enough"));
    assert_eq!(contents(&storage, 1, 10_000), vec![(b"born again".to_vec(), 1)]);
    storage.close().expect("the disk is whole");
    let (storage, recovered) = open(&disk);
    assert_eq!(recovered.shards[&ShardId(1)].upper, 1);
    assert_eq!(contents(&storage, 1, 10_000), vec![(b"born again".to_vec(), 1)]);
}

#[test]
fn a_transaction_larger_than_a_segment_gets_its_own() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    insert(&storage, 1, b"before").expect("room enough");
    let big: Updates = (0..50_000u64).fold(Updates::new(), |mut updates, n| {
        updates.push(&n.to_be_bytes(), 5, 1);
        updates
    });
    let shards = vec![ShardAppend { shard: ShardId(2), lower: 0, updates: Arc::new(big) }];
    storage.append_and_wait(Append { upper: 6, shards }).expect("room enough");
    insert(&storage, 1, b"after").expect("room enough");
    let (storage, _) = open(&disk.after_power_loss(|_| 0));
    assert_eq!((contents(&storage, 1, 9).len(), contents(&storage, 2, 9).len()), (2, 50_000));
}

#[test]
fn many_writers_share_syncs() {
    const WRITERS: u64 = 64;
    const COMMITS: u64 = 50;
    let disk = Simulated::default();
    let (storage, _) = Storage::open(Arc::new(disk.clone()), Options::default()).expect("a fresh disk");
    disk.set_faults(Faults { sync_takes: Duration::from_micros(300), ..Faults::default() });
    let before = disk.counts();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let storage = &storage;
            scope.spawn(move || {
                (0..COMMITS).for_each(|n| insert(storage, writer, &n.to_be_bytes()).expect("room enough"));
            });
        }
    });
    let syncs = disk.counts().file_syncs - before.file_syncs;
    assert!(syncs * 4 < WRITERS * COMMITS, "{syncs} syncs for {} commits", WRITERS * COMMITS);
}

#[test]
fn one_writer_needs_one_sync_a_commit() {
    let disk = Simulated::default();
    let (storage, _) = Storage::open(Arc::new(disk.clone()), Options::default()).expect("a fresh disk");
    let before = disk.counts();
    (0..1_000u64).for_each(|n| insert(&storage, 1, &n.to_be_bytes()).expect("room enough"));
    let counts = disk.counts();
    let syncs = counts.file_syncs + counts.directory_syncs - before.file_syncs - before.directory_syncs;
    assert!(syncs <= 1_200, "{syncs} syncs for 1000 commits");
}

#[test]
fn an_empty_store_is_small() {
    let disk = Simulated::default();
    let (storage, _) = Storage::open(Arc::new(disk.clone()), Options::default()).expect("a fresh disk");
    let counts = disk.counts();
    assert!(counts.bytes_written < 70_000, "{counts:?}");
    assert!(counts.file_syncs + counts.directory_syncs <= 7, "{counts:?}");
    drop(storage);
}

#[test]
fn an_idle_log_is_proven_and_then_checkpointed() {
    let disk = Simulated::default();
    let idle_after = Duration::from_millis(20);
    let options = Options { mark_after: Duration::from_millis(1), idle_after, idle_bytes: 1_000, ..small() };
    let (storage, _) = Storage::open(Arc::new(disk.clone()), options).expect("a fresh disk");
    (0..30u64).for_each(|n| insert(&storage, 1, &[n as u8; 50]).expect("room enough"));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while files(&disk, "run-").is_empty() {
        assert!(std::time::Instant::now() < deadline, "no checkpoint of an idle log");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(contents(&storage, 1, 100).len(), 30);
}

#[test]
fn without_space_it_refuses_and_with_space_it_goes_on() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    disk.set_faults(Faults { space_left: Some(10_000), ..Faults::default() });
    let mut written = 0;
    let refused = loop {
        match insert(&storage, 1, &[7; 100]) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StorageError::Refused(_)), "{refused:?}");
    assert!(matches!(insert(&storage, 1, b"still no room"), Ok(()) | Err(StorageError::Refused(_))));
    assert!(contents(&storage, 1, 10_000)[0].1 >= written, "reads go on");
    disk.set_faults(Faults::default());
    // A checkpoint that is still waiting to be tried again may refuse a few more.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while insert(&storage, 2, b"room again").is_err() {
        assert!(std::time::Instant::now() < deadline, "it does not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
    (0..300u64).for_each(|n| insert(&storage, 3, &n.to_be_bytes()).expect("room again"));
    storage.close().expect("room again");
    let (storage, _) = open(&disk);
    assert_eq!(contents(&storage, 3, 10_000).len(), 300);
    assert_eq!(contents(&storage, 2, 10_000), vec![(b"room again".to_vec(), 1)]);
}

#[test]
fn after_a_failed_sync_it_stops() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    insert(&storage, 1, b"before").expect("room enough");
    disk.set_faults(Faults { sync_error_in: 1, ..Faults::default() });
    let unknown = insert(&storage, 1, b"in doubt");
    assert!(matches!(unknown, Err(StorageError::Stopped(_))), "{unknown:?}");
    assert_eq!(insert(&storage, 1, b"later"), unknown, "the same answer to everything");
    assert_eq!(contents(&storage, 1, 10), vec![(b"before".to_vec(), 1)], "what is in doubt is not shown");
    assert!(storage.close().is_err());
    let (storage, _) = open(&disk.after_power_loss(|_| 0));
    assert_eq!(contents(&storage, 1, 10), vec![(b"before".to_vec(), 1)]);
}

#[test]
fn a_torn_tail_is_cut_with_a_warning() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    insert(&storage, 1, b"first").expect("room enough");
    insert(&storage, 1, &[7; 300]).expect("room enough");
    let image = disk.after_power_loss(|_| 0);
    let log = files(&image, "log-")[0].clone();
    // The last record's last byte never reached the disk.
    let bytes = image.read(&log, 0, image.len(&log).expect("is there") as usize).expect("reads");
    let end = bytes.iter().rposition(|&byte| byte == 7).expect("the row is there");
    image.reuse(&log).expect("is there").write_at(end as u64, &[0]).expect("a healthy disk");
    let (storage, recovered) = open(&image);
    assert_eq!(recovered.warnings.len(), 1);
    let why = &recovered.warnings[0];
    assert!(
        why.starts_with(&format!("{log}: offset 1")) && why.contains("record 2 was never completed"),
        "{why}"
    );
    assert_eq!(contents(&storage, 1, 10), vec![(b"first".to_vec(), 1)]);
}

#[test]
fn a_damaged_record_names_file_and_offset() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    (0..5u64).for_each(|_| insert(&storage, 1, b"row").expect("room enough"));
    let image = disk.after_power_loss(|_| 0);
    let log = files(&image, "log-")[0].clone();
    assert!(image.flip(&log, 8 * (frame::HEADER + frame::RECORD + 3)));
    let why = refusal(&image).to_string();
    assert!(why.starts_with(&format!("{log}: offset 32: record 1 is damaged")), "{why}");
}

#[test]
fn what_is_missing_or_foreign_is_named() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    (0..300u64).for_each(|n| insert(&storage, 1, &n.to_be_bytes()).expect("room enough"));
    storage.close().expect("the disk is whole");
    let image = || disk.after_power_loss(|_| 0);
    let refused = |change: &dyn Fn(&Simulated)| {
        let disk = image();
        change(&disk);
        refusal(&disk).to_string()
    };
    let run = files(&disk, "run-")[0].clone();
    let missing = refused(&|disk| disk.remove("MANIFEST").expect("is there"));
    assert!(missing.contains("MANIFEST: offset 0: the file is missing, yet there is "), "{missing}");
    let missing = refused(&|disk| disk.remove(&run).expect("is there"));
    assert!(missing.contains(&run) && missing.contains("the manifest names this run"), "{missing}");
    let version = refused(&|disk| {
        let mut header = frame::Identity { kind: *b"TWMAN\0\0\x02", store: 7, number: 0 }.header().to_vec();
        let len = disk.len("MANIFEST").expect("is there") as usize;
        header.extend(disk.read("MANIFEST", 32, len - 32).expect("reads"));
        disk.create("MANIFEST").expect("creates").write_at(0, &header).expect("writes");
    });
    assert!(version.contains("MANIFEST: offset 7: format version 2 is unknown"), "{version}");
    let foreign = refused(&|disk| {
        let header = frame::Identity { kind: run::KIND, store: 8, number: 1 }.header();
        disk.reuse(&run).expect("is there").write_at(0, &header).expect("writes");
    });
    assert!(foreign.contains(&format!("{run}: offset 8: the file belongs to another store")), "{foreign}");
}

#[test]
fn a_missing_segment_is_named() {
    let disk = Simulated::default();
    let (storage, _) = open(&disk);
    insert(&storage, 1, b"row").expect("room enough");
    let image = disk.after_power_loss(|_| 0);
    image.remove(&files(&image, "log-")[0]).expect("is there");
    assert_eq!(refusal(&image).to_string(), "log-000000000001: offset 0: the segment is missing");
}

#[test]
fn completions_never_run_within_the_call() {
    let (storage, _) = open(&Memory::default());
    storage.close().expect("memory does not fail");
    let lock = Arc::new(Mutex::new(()));
    let (held, taken) = (lock.lock().expect("nobody panics"), lock.clone());
    let (send, receive) = channel();
    storage.append(Append { upper: 1, shards: vec![] }, move |outcome| {
        let _lock = taken.lock().expect("nobody panics");
        send.send(outcome).expect("the test waits");
    });
    drop(held);
    let closed = StorageError::Stopped("the store is closed".into());
    assert_eq!(receive.recv().expect("it is answered"), Err(closed));
}

#[test]
fn the_last_handle_may_go_on_the_logs_thread() {
    let disk = Memory::default();
    let (storage, _) = open(&disk);
    let (send, receive) = channel();
    let last = storage.clone();
    let append = Append { upper: 1, shards: vec![part(1, 0, &[])] };
    storage.append(append, move |_| {
        std::thread::sleep(Duration::from_millis(20));
        drop(last);
        send.send(()).expect("the test waits");
    });
    drop(storage);
    receive.recv().expect("the completion ran");
}

#[test]
fn the_catalog_is_a_set_of_rows() {
    let (storage, _) = open(&Memory::default());
    let updates: &[Update<'_>] = &[(b"table a", 3, 1), (b"table b", 3, 1), (b"table b", 4, -1)];
    storage.append_and_wait(Append { upper: 5, shards: vec![part(0, 0, updates)] }).expect("room enough");
    assert_eq!(catalog_rows(&storage, 3), Ok(vec![b"table a".to_vec(), b"table b".to_vec()]));
    assert_eq!(catalog_rows(&storage, 4), Ok(vec![b"table a".to_vec()]));
}

#[test]
fn a_directory_holds_a_store_and_one_process_at_a_time() {
    let path = std::env::temp_dir().join(format!("tidewater-store-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let open = || Storage::open(Arc::new(Directory::open(&path)?), small());
    let (storage, _) = open().expect("a fresh directory");
    (0..300u64).for_each(|n| insert(&storage, 1, &n.to_be_bytes()).expect("room enough"));
    match open() {
        Err(StorageError::Unavailable(why)) => assert!(why.contains("is in use"), "{why}"),
        other => panic!("opened twice: {:?}", other.map(|(_, recovered)| recovered)),
    }
    storage.close().expect("the disk is whole");
    drop(storage);
    let (storage, recovered) = open().expect("it was closed");
    assert_eq!(recovered.shards[&ShardId(1)].upper, 300);
    assert_eq!(contents(&storage, 1, 1_000).len(), 300);
    drop(storage);
    std::fs::remove_dir_all(&path).expect("it is there");
}

#[test]
fn reading_while_writing_and_compacting_sees_whole_prefixes() {
    let (storage, _) = open(&Memory::default());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for time in 0..3_000u64 {
                let old = time.saturating_sub(1).to_be_bytes();
                let new = time.to_be_bytes();
                let updates: &[Update<'_>] =
                    if time == 0 { &[(&new, 0, 1)] } else { &[(&old, time, -1), (&new, time, 1)] };
                let shards = vec![part(1, time, updates), part(2, time, &[(b"count", time, 1)])];
                storage.append_and_wait(Append { upper: time + 1, shards }).expect("room enough");
                storage.allow_compaction(ShardId(1), time.saturating_sub(50));
            }
        });
        while !writer.is_finished() {
            let Some(as_of) = storage.frontiers(ShardId(1)).upper.checked_sub(1) else { continue };
            let Ok(slices) = storage.snapshot(ShardId(1), as_of) else { continue };
            let rows: Vec<_> = slices.map(|slice| slice.expect("not damaged")).collect();
            let rows: Vec<_> = rows.iter().flat_map(|slice| slice.iter()).collect();
            assert_eq!(rows, vec![(&as_of.to_be_bytes()[..], as_of, 1)]);
            assert_eq!(contents(&storage, 2, as_of), vec![(b"count".to_vec(), as_of as i64 + 1)]);
        }
        writer.join().expect("the writer ends");
    });
}
