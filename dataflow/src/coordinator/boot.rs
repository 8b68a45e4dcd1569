//! Boot: from storage to a running catalog.
//!
//! The one place where the engine knows that the catalog is SQL: its items are recompiled from their canonical text, in the
//! order of their ids, so that each finds what it depends on.

use compiler::catalog::{Catalog, Change, StoredChange};
use compiler::{Error, SqlState};

use crate::coordinator::commit::refused;
use crate::storage::{self, Diff, Storage, Timestamp, Updates};

/// The catalog that storage holds.
pub fn catalog(storage: &Storage, as_of: Timestamp) -> Result<Catalog, Error> {
    let mut rows = storage::catalog_rows(storage, as_of).map_err(refused)?;
    rows.sort_unstable();
    let mut catalog = compiler::empty_catalog();
    for row in rows {
        let change = compiler::recompile(&decode(&row)?, &catalog)?;
        catalog = catalog.apply(&change)?;
    }
    Ok(catalog)
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
