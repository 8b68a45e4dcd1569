//! The catalog's place in storage: a shard like any other, with an id that is known before anything is read.
//!
//! Storage sees only bytes. What a row of the catalog means is the coordinator's business; here is where it lies and
//! how its present contents are read.
use super::{ShardId, Storage, StorageError, Timestamp};

/// The catalog's shard.
pub const CATALOG: ShardId = ShardId(0);

/// The catalog's rows as of a time, in the order of their bytes. Each is there once: the catalog is a set.
pub fn rows(storage: &Storage, as_of: Timestamp) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut rows = Vec::new();
    for updates in storage.snapshot(CATALOG, as_of)? {
        for (row, _, diff) in updates?.iter() {
            if diff != 1 {
                return Err(StorageError::Corrupt(format!("the catalog holds a row {diff} times")));
            }
            rows.push(row.to_vec());
        }
    }
    Ok(rows)
}
