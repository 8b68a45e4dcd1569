//! Maintained collections, timestamps, durability.
