//! Finishing: what happens to a result's rows after they were read. They are sorted, skipped, cut and projected, packed.

use std::slice;

use compiler::plan::Finishing;
use compiler::repr::row::{self, Datums};
use compiler::repr::{Arena, Datum, encode_sort_key};
use compiler::scalar::ScalarExpr;
use compiler::{Error, SqlState};

use super::Evaluation;
use crate::session::RowSet;

/// A finishing with the values of its expressions; the default keeps all rows.
#[derive(Default)]
pub struct Cut {
    offset: usize,
    /// `None` is no limit.
    limit: Option<usize>,
}

impl Cut {
    pub fn of(finishing: &Finishing, evaluation: &mut Evaluation) -> Result<Cut, Error> {
        let negative = |clause: &str, code| Error::new(code, format!("{clause} must not be negative"));
        let offset = match count(finishing.offset.as_ref(), evaluation)? {
            Some(n) => usize::try_from(n)
                .map_err(|_| negative("OFFSET", SqlState::INVALID_ROW_COUNT_IN_OFFSET_CLAUSE))?,
            None => 0,
        };
        let limit = match count(finishing.limit.as_ref(), evaluation)? {
            Some(n) => Some(
                usize::try_from(n)
                    .map_err(|_| negative("LIMIT", SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE))?,
            ),
            None => None,
        };
        Ok(Cut { offset, limit })
    }

    /// How many rows need to be read, if the first are.
    pub fn needed(&self) -> Option<usize> {
        self.limit?.checked_add(self.offset)
    }

    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let start = self.offset.min(len);
        let end = self.limit.map_or(len, |limit| start.saturating_add(limit).min(len));
        start..end
    }
}

/// An int8 of literals; NULL means that the clause is not there.
fn count(expr: Option<&ScalarExpr>, evaluation: &mut Evaluation) -> Result<Option<i64>, Error> {
    let Some(expr) = expr else { return Ok(None) };
    match evaluation.values(slice::from_ref(expr))?.unpack()[0] {
        Datum::Int(count) => Ok(Some(count)),
        _ => Ok(None),
    }
}

/// The rows that are sent, in their order.
pub fn finish(rows: RowSet, finishing: &Finishing, cut: &Cut) -> Result<RowSet, Error> {
    let range = cut.range(rows.len());
    if finishing.order.is_empty() && range.len() == rows.len() && projects_nothing(&rows, finishing) {
        return Ok(rows);
    }
    let chosen = if finishing.order.is_empty() { range.collect() } else { sorted(&rows, finishing, range)? };
    let mut out = RowSet::default();
    let mut columns = Vec::new();
    for index in chosen {
        let row = rows.get(index).expect("invariant: indexes are of these rows");
        project(row, &finishing.project, &mut columns, &mut out);
    }
    Ok(out)
}

fn projects_nothing(rows: &RowSet, finishing: &Finishing) -> bool {
    let in_order = finishing.project.iter().enumerate().all(|(place, column)| place == *column);
    in_order && rows.get(0).is_none_or(|row| row::arity(row) == finishing.project.len())
}

/// The numbers of the rows that stand in `range` once sorted. Equal rows keep the order in which they came.
fn sorted(rows: &RowSet, finishing: &Finishing, range: std::ops::Range<usize>) -> Result<Vec<usize>, Error> {
    let mut keys = RowSet::default();
    let mut arena = Arena::default();
    for row in rows.iter() {
        arena.reset();
        sort_key(row, finishing, &arena, keys.bytes_mut())?;
        keys.end_row();
    }
    let key = |index: &usize| keys.get(*index).expect("invariant: each row has a key");
    let order = |a: &usize, b: &usize| key(a).cmp(key(b)).then(a.cmp(b));
    let mut indexes: Vec<usize> = (0..rows.len()).collect();
    if range.end < indexes.len() {
        // Only the first rows are wanted: the others need not be in order among themselves.
        indexes.select_nth_unstable_by(range.end, order);
        indexes.truncate(range.end);
    }
    indexes.sort_unstable_by(order);
    Ok(indexes.split_off(range.start.min(indexes.len())))
}

fn sort_key(row: &[u8], finishing: &Finishing, arena: &Arena, out: &mut Vec<u8>) -> Result<(), Error> {
    let datums: Vec<Datum<'_>> = Datums::new(row).collect();
    for key in &finishing.order {
        encode_sort_key(eval(&key.expr, &datums, arena)?, key.desc, key.nulls_first, out);
    }
    Ok(())
}

/// Evaluates with lifetimes that the row, the expression and the arena share for a moment.
fn eval<'a>(expr: &'a ScalarExpr, row: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, Error> {
    Ok(expr.eval(row, arena)?)
}

fn project(row: &[u8], columns: &[usize], places: &mut Vec<(usize, usize)>, out: &mut RowSet) {
    places.clear();
    let mut datums = Datums::new(row);
    let mut start = 0;
    while let Some(bytes) = datums.skip_one() {
        places.push((start, start + bytes.len()));
        start += bytes.len();
    }
    for column in columns {
        let (start, end) = places[*column];
        out.bytes_mut().extend_from_slice(&row[start..end]);
    }
    out.end_row();
}

#[cfg(test)]
mod tests {
    use compiler::repr::{Row, Type};
    use compiler::scalar::SortKey;

    use super::*;

    fn cut(finishing: &Finishing) -> Result<Cut, Error> {
        Cut::of(finishing, &mut Evaluation::new(&Default::default()))
    }

    fn finished(finishing: &Finishing) -> Vec<Vec<String>> {
        let mut rows = RowSet::default();
        for (a, b) in [(3, Some("x")), (1, None), (2, Some("y")), (1, Some("z"))] {
            let b = b.map_or(Datum::Null, Datum::Text);
            rows.push(Row::pack([Datum::Int(a), b]).bytes());
        }
        let rows = finish(rows, finishing, &cut(finishing).unwrap()).unwrap();
        rows.iter().map(|row| Datums::new(row).map(|datum| format!("{datum:?}")).collect()).collect()
    }

    fn by(column: usize, desc: bool, nulls_first: bool) -> SortKey {
        SortKey { expr: ScalarExpr::column(column), desc, nulls_first }
    }

    #[test]
    fn rows_are_sorted_cut_and_projected() {
        let count = |n| Some(ScalarExpr::literal(Datum::Int(n), Type::Int8));
        let finishing = Finishing {
            order: vec![by(0, false, false), by(1, true, false)],
            project: vec![0],
            ..Default::default()
        };
        assert_eq!(finished(&finishing), [["Int(1)"], ["Int(1)"], ["Int(2)"], ["Int(3)"]]);
        let finishing = Finishing {
            order: vec![by(1, false, true)],
            limit: count(2),
            offset: count(1),
            project: vec![1, 0],
        };
        assert_eq!(finished(&finishing), [["Text(\"x\")", "Int(3)"], ["Text(\"y\")", "Int(2)"]]);
        let finishing =
            Finishing { limit: count(1), offset: count(3), project: vec![0, 1], ..Default::default() };
        assert_eq!(finished(&finishing), [["Int(1)", "Text(\"z\")"]]);
        let finishing =
            Finishing { limit: count(9), offset: count(9), project: vec![0, 1], ..Default::default() };
        assert!(finished(&finishing).is_empty());
        let negative = Finishing { limit: count(-1), ..Default::default() };
        assert_eq!(cut(&negative).err().unwrap().to_string(), "2201W: LIMIT must not be negative");
    }
}
