//! The interval of times that a dataflow computes.

use crate::spine::Timestamp;

/// From `as_of`, at which everything before is presented, to below `until`.
///
/// Everything that a dataflow reads is clipped to it, on the way in and in the arrangements that it was lent: an update moved up
/// to `as_of` in a stream and read at its own time in a trace would be counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub as_of: Timestamp,
    /// `Timestamp::MAX` where there is no end.
    pub until: Timestamp,
}

impl Bounds {
    /// The time at which an update is presented, if it is.
    #[inline]
    pub fn clip(self, time: Timestamp) -> Option<Timestamp> {
        let time = time.max(self.as_of);
        (time < self.until).then_some(time)
    }
}
