//! Which rows of an order are kept: LIMIT, OFFSET, WITH TIES.

use serde::{Deserialize, Serialize};

/// The rows after the first `offset`, `limit` of them; with `ties`, then the last one's peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    pub limit: Option<u64>,
    pub offset: u64,
    pub ties: bool,
}

impl Slice {
    /// The first so many rows.
    pub fn first(rows: u64) -> Slice {
        Slice { limit: Some(rows), offset: 0, ties: false }
    }

    /// How many rows from the first on are looked at, ties apart.
    pub fn depth(self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| limit.saturating_add(self.offset))
    }

    /// To be asked of rows in their order.
    pub fn cut(self) -> Cut {
        let left = self.limit.unwrap_or(u64::MAX);
        Cut { skip: self.offset, left, ties: self.ties, last: None }
    }
}

/// How far an order has been cut.
pub struct Cut {
    skip: u64,
    left: u64,
    ties: bool,
    /// The rank of the last row that was kept.
    last: Option<Vec<u8>>,
}

impl Cut {
    /// How many copies of the next row are kept. Peers have the same rank.
    pub fn kept(&mut self, rank: &[u8], copies: u64) -> u64 {
        let skipped = copies.min(self.skip);
        self.skip -= skipped;
        let there = copies - skipped;
        if !self.ties {
            let kept = there.min(self.left);
            self.left -= kept;
            return kept;
        }
        if there == 0 || self.left == 0 && self.last.as_deref() != Some(rank) {
            return 0;
        }
        self.left = self.left.saturating_sub(there);
        self.last = Some(rank.to_vec());
        there
    }
}

#[cfg(test)]
mod tests {
    use super::Slice;

    fn kept(slice: Slice, rows: &[(&str, u64)]) -> Vec<u64> {
        let mut cut = slice.cut();
        rows.iter().map(|(rank, copies)| cut.kept(rank.as_bytes(), *copies)).collect()
    }

    #[test]
    fn rows_are_kept_up_to_the_limit_and_its_peers() {
        let rows = [("a", 2), ("b", 1), ("b", 2), ("c", 3)];
        let slice = |limit, offset, ties| Slice { limit, offset, ties };
        assert_eq!(kept(slice(Some(3), 0, false), &rows), [2, 1, 0, 0]);
        assert_eq!(kept(slice(Some(3), 1, false), &rows), [1, 1, 1, 0]);
        assert_eq!(kept(slice(None, 4, false), &rows), [0, 0, 1, 3]);
        assert_eq!(kept(slice(Some(3), 0, true), &rows), [2, 1, 2, 0]);
        assert_eq!(kept(slice(Some(1), 0, true), &rows), [2, 0, 0, 0]);
        assert_eq!(kept(slice(Some(1), 3, true), &rows), [0, 0, 2, 0]);
        assert_eq!(kept(slice(Some(0), 0, true), &rows), [0, 0, 0, 0]);
        assert_eq!(kept(slice(Some(9), 5, true), &rows), [0, 0, 0, 3]);
    }
}
