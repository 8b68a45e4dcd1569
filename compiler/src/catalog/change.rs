//! What is appended to the catalog's shard: the changes of which a snapshot is the fold.

use serde::{Deserialize, Serialize};

use super::{Item, Schema};
use crate::mir::CollectionId;

/// One step from a snapshot to the next. An item's `bound` part is not serialized: whoever replays changes compiles each
/// item again (`compiler::recompile`) before applying it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Change {
    CreateSchema(Schema),
    /// Only when nothing is in it: the drops of its items come before.
    DropSchema {
        name: String,
    },
    CreateItem(Box<Item>),
    /// Only when nothing depends on it: the drops of its dependants come before.
    DropItem {
        id: CollectionId,
    },
    /// Everything in it goes by the schema's new name too.
    RenameSchema {
        name: String,
        to: String,
    },
    AlterItem(Alteration),
    /// What is said of the thing with this oid, or of one of its columns, counted from 1; nothing takes it back.
    Comment {
        on: u64,
        column: u32,
        text: Option<String>,
    },
}

/// An item takes the place of the one with its id: its name, its columns, its constraints or its query are others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alteration {
    pub item: Box<Item>,
    /// The items that depend on it, each as it is compiled now. Whoever replays stored changes compiles them all at the end.
    #[serde(skip)]
    pub affected: Vec<Item>,
}

/// The stored form. A format that cannot be read as the last one gets a variant of its own, and every variant stays readable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StoredChange {
    V1(Change),
}

impl From<Change> for StoredChange {
    fn from(change: Change) -> StoredChange {
        StoredChange::V1(change)
    }
}

impl From<StoredChange> for Change {
    fn from(stored: StoredChange) -> Change {
        let StoredChange::V1(change) = stored;
        change
    }
}
