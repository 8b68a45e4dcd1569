//! Maintained collections, timestamps, durability.

pub mod clock;
pub mod storage;
