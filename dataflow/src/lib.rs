//! Maintained collections, timestamps, durability.

pub mod clock;
pub mod exchange;
pub mod spine;
pub mod storage;
