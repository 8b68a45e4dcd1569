//! Answers of two programs that must be the same collection, compared without keeping either.
//!
//! A digest is linear: an update adds its row's hash as often as its diff says. So what was added and retracted leaves
//! nothing, in whatever order and at whatever times, and two digests are equal when the collections are (and, but for a chance of
//! 2^-64, only then).

use std::hash::{DefaultHasher, Hash, Hasher};

use compiler::repr::Row;

/// What a collection of packed rows came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many rows there are, each as often as it is there.
    pub rows: i64,
    digest: u64,
}

impl Answer {
    pub fn add(&mut self, row: &[u8], diff: i64) {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        self.rows += diff;
        self.digest = self.digest.wrapping_add(hasher.finish().wrapping_mul(diff as u64));
    }

    /// As [`Answer::add`], of a row that is not packed yet.
    pub fn add_row(&mut self, row: &Row, diff: i64) {
        self.add(row.bytes(), diff);
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:016x}", self.rows, self.digest)
    }
}

impl std::str::FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Answer, String> {
        let parse = || {
            let (rows, digest) = text.split_once(':')?;
            Some(Answer { rows: rows.parse().ok()?, digest: u64::from_str_radix(digest, 16).ok()? })
        };
        parse().ok_or_else(|| format!("{text:?} is no answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_collections_have_equal_answers_however_they_came_about() {
        let (mut one, mut other) = (Answer::default(), Answer::default());
        for (row, diff) in [("a", 2), ("b", 1), ("c", 1), ("c", -1)] {
            one.add(row.as_bytes(), diff);
        }
        for (row, diff) in [("b", 1), ("a", 1), ("a", 1)] {
            other.add(row.as_bytes(), diff);
        }
        assert_eq!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one));
        other.add(b"a", 1);
        assert_ne!(one, other);
        other.add(b"b", -1);
        assert_eq!(one.rows, other.rows);
        assert_ne!(one, other);
    }
}
