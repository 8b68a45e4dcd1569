//! What storage answers instead of a result. A variant exists only where the caller acts differently.
use super::{ShardId, Timestamp};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The shard's upper is not the append's lower: somebody else wrote in between. Nothing was written.
    Mismatch { shard: ShardId, lower: Timestamp, upper: Timestamp },
    /// The shard's history before `since` has been compacted away.
    Compacted { shard: ShardId, as_of: Timestamp, since: Timestamp },
    /// There is no room, or no new file can be made. Nothing was written; the same append may succeed later.
    Refused(String),
    /// The transaction is larger than any record can be. Nothing was written, and trying again does not help.
    TooLarge(String),
    /// A write or sync of the log failed: whether the append survives is known only after opening again. The store
    /// answers this to everything from now on; a server ends its process here. Also after [`super::Storage::close`].
    Stopped(String),
    /// A file is damaged, missing, of an unknown version, or of another store; the text names file and offset.
    Corrupt(String),
    /// The data directory cannot be used: in use by another process, unwritable, or not a directory.
    Unavailable(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Mismatch { shard, lower, upper } => {
                write!(f, "shard {shard} was written concurrently: its upper is {upper}, not {lower}")
            }
            StorageError::Compacted { shard, as_of, since } => {
                write!(f, "shard {shard} cannot be read as of {as_of}: its history begins at {since}")
            }
            StorageError::Refused(why)
            | StorageError::TooLarge(why)
            | StorageError::Stopped(why)
            | StorageError::Corrupt(why)
            | StorageError::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StorageError {}
