//! Operators by themselves: what they read, keep and free.
