//! Text input and output of every type, as PostgreSQL 15 reads and prints them (ISO dates, 'postgres' intervals).

use bumpalo::Bump;

use super::datetime::TimeZone;
use super::{Datum, Type};
use crate::scalar::EvalError;

/// What text input and output depend on beside the value.
#[derive(Clone, Debug)]
pub struct TextSettings {
    pub timezone: TimeZone,
    /// What `now`, `today`, `tomorrow` and `yesterday` mean: microseconds since 2000-01-01 UTC. Without it they are
    /// refused.
    pub now: Option<i64>,
}

impl Default for TextSettings {
    fn default() -> TextSettings {
        TextSettings { timezone: TimeZone::utc(), now: None }
    }
}

/// Reads a value of the type, coercing to its typmod as an assignment does (varchar(n) too long is an error).
pub fn parse<'a>(
    _typ: &Type,
    _text: &str,
    _settings: &TextSettings,
    _arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    todo!()
}

/// Appends a value's text. NULL at the top appends nothing; the caller knows how its protocol says NULL.
pub fn format(_datum: Datum<'_>, _typ: &Type, _settings: &TextSettings, _out: &mut String) {
    todo!()
}
