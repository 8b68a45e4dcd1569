//! A subscription by keys: of each timestamp, what has become of each key's row.
//!
//! ```text
//!   ENVELOPE UPSERT     tw_state   key   the other columns
//!   ENVELOPE DEBEZIUM   tw_state   key   the other columns before   and after
//! ```
//!
//! The state is `upsert` (DEBEZIUM: `insert` of a row that was not there), `delete`, or `key_violation` while a key has more than one row.
//! Where the query shows that its keys are unique, nothing is remembered; otherwise each key's rows are, so that the row that stays when
//! a violation ends is told.

use std::collections::BTreeMap;

use compiler::plan::Envelope;
use compiler::repr::row::Datums;
use compiler::repr::{Datum, Row, RowBuf, encode_canonical};
use dataflow::storage::Updates;

/// The rows that each key has, with their multiplicities.
type Rows = BTreeMap<Vec<u8>, i64>;

pub struct Keys {
    envelope: Envelope,
    /// By the key's canonical bytes. Nothing where keys are unique.
    present: BTreeMap<Vec<u8>, Rows>,
}

impl Keys {
    pub fn new(envelope: Envelope) -> Keys {
        Keys { envelope, present: BTreeMap::new() }
    }

    /// What becomes of keys by the updates of one timestamp: from `tw_state` on, a packed row for each, in the order of the keys.
    pub fn take(&mut self, updates: &Updates) -> Vec<Row> {
        let mut touched: BTreeMap<Vec<u8>, Rows> = BTreeMap::new();
        for (row, _, diff) in updates.iter() {
            touched.entry(self.key(row)).or_default().insert(row.to_vec(), diff);
        }
        touched.into_iter().filter_map(|(key, changes)| self.change(key, changes)).collect()
    }

    fn key(&self, row: &[u8]) -> Vec<u8> {
        let datums: Vec<Datum<'_>> = Datums::new(row).collect();
        let mut key = Vec::new();
        self.envelope.key.iter().for_each(|column| encode_canonical(datums[*column], &mut key));
        key
    }

    fn change(&mut self, key: Vec<u8>, changes: Rows) -> Option<Row> {
        let before = match self.envelope.unique {
            true => gone(&changes),
            false => self.present.remove(&key).unwrap_or_default(),
        };
        let mut after = before.clone();
        for (row, diff) in &changes {
            *after.entry(row.clone()).or_default() += diff;
        }
        after.retain(|_, count| *count != 0);
        let any = changes.keys().next()?.clone();
        let told = self.told(&any, &before, &after);
        if !self.envelope.unique && !after.is_empty() {
            self.present.insert(key, after);
        }
        Some(told)
    }

    /// `any` row of the key says what it is.
    fn told(&self, any: &[u8], before: &Rows, after: &Rows) -> Row {
        let Envelope { debezium, key, others, .. } = &self.envelope;
        let (was, is) = (the_one(before), the_one(after));
        let state = match (before.is_empty(), after.is_empty(), is) {
            (_, true, _) => "delete",
            (_, false, None) => "key_violation",
            (true, false, Some(_)) if *debezium => "insert",
            (_, false, Some(_)) => "upsert",
        };
        let any: Vec<Datum<'_>> = Datums::new(any).collect();
        let mut told = RowBuf::default();
        told.push(Datum::Text(state));
        // The key as the row has it that is there.
        let shown: Vec<Datum<'_>> = is.map_or(any, |row| Datums::new(row).collect());
        key.iter().for_each(|column| told.push(shown[*column]));
        if *debezium {
            push_others(others, was.filter(|_| state != "key_violation"), &mut told);
        }
        push_others(others, is, &mut told);
        told.into_row()
    }
}

/// What went, as a key's former rows.
fn gone(changes: &Rows) -> Rows {
    changes.iter().filter(|(_, diff)| **diff < 0).map(|(row, diff)| (row.clone(), -diff)).collect()
}

/// A key's row, if it has one and no other.
fn the_one(rows: &Rows) -> Option<&[u8]> {
    match rows.iter().next() {
        Some((row, 1)) if rows.len() == 1 => Some(row),
        _ => None,
    }
}

fn push_others(others: &[usize], row: Option<&[u8]>, told: &mut RowBuf) {
    let datums: Vec<Datum<'_>> = row.map_or_else(Vec::new, |row| Datums::new(row).collect());
    others.iter().for_each(|column| told.push(datums.get(*column).copied().unwrap_or(Datum::Null)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An update of a row `(key, value)`.
    fn updates(changes: &[(i64, i64, i64)]) -> Updates {
        let rows: Vec<(Row, i64)> = changes
            .iter()
            .map(|(key, value, diff)| (Row::pack([Datum::Int(*key), Datum::Int(*value)]), *diff))
            .collect();
        rows.iter().map(|(row, diff)| (row.bytes(), 1, *diff)).collect()
    }

    fn told(keys: &mut Keys, changes: &[(i64, i64, i64)]) -> Vec<String> {
        let rows = keys.take(&updates(changes));
        let text = |datum: Datum<'_>| match datum {
            Datum::Text(text) => text.to_owned(),
            Datum::Int(value) => value.to_string(),
            _ => "NULL".to_owned(),
        };
        rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
    }

    fn keys(debezium: bool, unique: bool) -> Keys {
        Keys::new(Envelope { debezium, key: vec![0], others: vec![1], unique })
    }

    #[test]
    fn each_key_is_told_once_a_timestamp() {
        for unique in [false, true] {
            let mut upsert = keys(false, unique);
            assert_eq!(told(&mut upsert, &[(1, 10, 1), (2, 20, 1)]), ["upsert 1 10", "upsert 2 20"]);
            assert_eq!(
                told(&mut upsert, &[(1, 10, -1), (1, 11, 1), (2, 20, -1)]),
                ["upsert 1 11", "delete 2 NULL"]
            );
            let mut debezium = keys(true, unique);
            assert_eq!(told(&mut debezium, &[(1, 10, 1)]), ["insert 1 NULL 10"]);
            assert_eq!(told(&mut debezium, &[(1, 10, -1), (1, 11, 1)]), ["upsert 1 10 11"]);
            assert_eq!(told(&mut debezium, &[(1, 11, -1)]), ["delete 1 11 NULL"]);
        }
    }

    #[test]
    fn a_violation_is_told_until_one_row_is_left_and_which() {
        let mut upsert = keys(false, false);
        assert_eq!(told(&mut upsert, &[(1, 10, 1)]), ["upsert 1 10"]);
        assert_eq!(told(&mut upsert, &[(1, 11, 1)]), ["key_violation 1 NULL"]);
        assert_eq!(told(&mut upsert, &[(1, 11, 1)]), ["key_violation 1 NULL"]);
        assert_eq!(told(&mut upsert, &[(1, 11, -2)]), ["upsert 1 10"]);
        let mut debezium = keys(true, false);
        assert_eq!(told(&mut debezium, &[(1, 10, 2)]), ["key_violation 1 NULL NULL"]);
        assert_eq!(told(&mut debezium, &[(1, 10, -1)]), ["upsert 1 NULL 10"]);
        assert_eq!(told(&mut debezium, &[(1, 10, 1)]), ["key_violation 1 NULL NULL"]);
        assert_eq!(told(&mut debezium, &[(1, 10, -2)]), ["delete 1 NULL NULL"]);
    }
}
