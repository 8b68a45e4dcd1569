//! Calendar and time zones: dates, timestamps and intervals as PostgreSQL computes with them.
//!
//! Dates are days and timestamps microseconds from 2000-01-01, in the proleptic Gregorian calendar; the least and the
//! greatest value are -infinity and infinity.

/// A time zone that is known by name: an IANA zone of the bundled database, or a fixed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    name: String,
    zone: jiff::tz::TimeZone,
}

impl TimeZone {
    pub fn utc() -> TimeZone {
        TimeZone { name: "UTC".to_owned(), zone: jiff::tz::TimeZone::UTC }
    }

    /// The name as it was chosen, for SHOW TimeZone.
    pub fn name(&self) -> &str {
        &self.name
    }
}
