//! Boot: from storage to a running catalog.
//!
//! The one place where the engine knows that the catalog is SQL: what stored changes lead to is compiled from canonical text,
//! each item after those that it depends on.

use std::collections::BTreeSet;

use compiler::catalog::{Catalog, Change, StoredChange};
use compiler::{Error, SqlState};

use crate::coordinator::commit::refused;
use crate::storage::{self, CATALOG, Diff, ShardId, Storage, Timestamp, Updates};

/// The catalog that storage holds.
pub fn catalog(storage: &Storage, as_of: Timestamp) -> Result<Catalog, Error> {
    let mut rows = storage::catalog_rows(storage, as_of).map_err(refused)?;
    rows.sort_unstable();
    let changes = rows.iter().map(|row| decode(row)).collect::<Result<Vec<_>, _>>()?;
    compiler::load(&changes)
}

/// Drops the shards that no item of the catalog owns. A DROP is a change of the catalog first, and its shard goes after: a crash between
/// the two leaves a shard that nobody can name any more. In order with the appends that follow, so the id may be used again.
pub fn drop_unowned(storage: &Storage, catalog: &Catalog) {
    let owned: BTreeSet<ShardId> =
        catalog.items().filter(|item| item.has_shard()).map(|item| ShardId(item.id.0)).collect();
    for shard in storage.shards().into_keys().filter(|shard| *shard != CATALOG && !owned.contains(shard)) {
        tracing::info!(shard = shard.0, "dropping a shard that the catalog does not name");
        storage.drop_shard(shard, |_| {});
    }
}

/// The catalog shard's updates for changes that lead from `version` on: each row begins with its place in the sequence.
pub fn encode(changes: &[Change], version: u64) -> Result<Updates, Error> {
    let mut updates = Updates::new();
    for (place, change) in (version..).zip(changes) {
        let mut row = place.to_be_bytes().to_vec();
        let stored = StoredChange::from(change.clone());
        serde_json::to_writer(&mut row, &stored).map_err(|error| {
            Error::new(SqlState::INTERNAL_ERROR, format!("a catalog change cannot be written: {error}"))
        })?;
        updates.push(&row, 0, 1 as Diff);
    }
    Ok(updates)
}

fn decode(row: &[u8]) -> Result<Change, Error> {
    let corrupt =
        |what: String| Error::new(SqlState::DATA_CORRUPTED, format!("the catalog cannot be read: {what}"));
    let (_, text) = row.split_at_checked(8).ok_or_else(|| corrupt("a row is too short".into()))?;
    let stored: StoredChange = serde_json::from_slice(text).map_err(|error| corrupt(error.to_string()))?;
    Ok(stored.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use compiler::plan::{Context, Plan};

    use super::*;
    use crate::storage::{Append, Memory, Options, ShardAppend};

    fn append(storage: &Storage, shard: ShardId, mut updates: Updates) {
        updates.set_times(5);
        let shards = vec![ShardAppend { shard, lower: 0, updates: Arc::new(updates) }];
        storage.append_and_wait(Append { upper: 6, shards }).expect("it is accepted");
    }

    fn row() -> Updates {
        [(&b"row"[..], 0, 1)].into_iter().collect()
    }

    fn created(statement: &str) -> Vec<Change> {
        let statement = compiler::parse::parse(statement).expect("it parses").remove(0);
        let context = Context {
            search_path: vec!["public".into()],
            user: "ann".into(),
            database: "d".into(),
            ..Context::default()
        };
        let compiled = compiler::compile(&statement.node, &compiler::empty_catalog(), &context);
        match compiled.expect("it compiles").plan {
            Plan::Change(change) => change.changes,
            other => panic!("a statement that changes the catalog, not {other:?}"),
        }
    }

    #[test]
    fn a_shard_that_no_item_owns_is_dropped_at_boot_and_no_other() {
        let disk = Memory::default();
        let changes = created("CREATE TABLE t (a int)");
        let Some(Change::CreateItem(item)) = changes.last() else { panic!("{changes:?}") };
        let (table, orphan) = (ShardId(item.id.0), ShardId(item.id.0 + 7));
        let (storage, _) = Storage::open(Arc::new(disk.clone()), Options::default()).expect("it opens");
        append(&storage, CATALOG, encode(&changes, 0).expect("it is encoded"));
        append(&storage, table, row());
        append(&storage, orphan, row());
        storage.close().expect("it closes");
        drop(storage);

        let (storage, recovered) =
            Storage::open(Arc::new(disk.clone()), Options::default()).expect("it opens");
        assert!(recovered.shards.contains_key(&orphan), "it is there until the catalog is known");
        drop_unowned(&storage, &catalog(&storage, 5).expect("it is read"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while storage.shards().contains_key(&orphan) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(storage.shards().into_keys().collect::<Vec<_>>(), [CATALOG, table]);
        storage.close().expect("it closes");
        drop(storage);
        let (_, recovered) = Storage::open(Arc::new(disk), Options::default()).expect("it opens");
        assert_eq!(recovered.shards.into_keys().collect::<Vec<_>>(), [CATALOG, table]);
    }
}
