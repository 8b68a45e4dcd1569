//! Bitwise aggregates of integers: how many of the values have each bit.
//!
//! A value adds one to the bucket of each bit that it has, and one to [`VALUES`]; so a value that leaves is taken away
//! as exactly as it was added.

use crate::repr::Datum;

/// Operations on the bits of all values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bitwise {
    And,
    Or,
    Xor,
}

/// The bucket that counts values.
const VALUES: i64 = u64::BITS as i64;

pub(super) fn scatter(value: Datum<'_>, mut emit: impl FnMut(i64, [i128; 2])) {
    let Datum::Int(value) = value else { return };
    emit(VALUES, [1, 0]);
    (0..VALUES).filter(|bit| value >> bit & 1 == 1).for_each(|bit| emit(bit, [1, 0]));
}

pub(super) fn gather(op: Bitwise, buckets: impl IntoIterator<Item = (i64, [i128; 2])>) -> Datum<'static> {
    let (mut counts, mut values) = ([0; VALUES as usize], 0);
    for (bucket, [count, _]) in buckets {
        match counts.get_mut(bucket as usize) {
            Some(bit) => *bit = count,
            None => values = count,
        }
    }
    if values == 0 {
        return Datum::Null;
    }
    let has = |count: i128| match op {
        Bitwise::And => count == values,
        Bitwise::Or => count > 0,
        Bitwise::Xor => count % 2 == 1,
    };
    let bits = counts.iter().enumerate().filter(|(_, count)| has(**count));
    Datum::Int(bits.fold(0u64, |result, (bit, _)| result | 1 << bit) as i64)
}
