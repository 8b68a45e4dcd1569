//! What is done to the records of a join as they are made: the inputs' own maps and filters, the equalities that the key does
//! not decide, the filters above that can be asked by now, and a projection to what is needed further on.

use std::collections::BTreeMap;

use crate::scalar::{Mfp, ScalarExpr};

/// An operator under construction whose columns are known by the join's columns that they hold.
pub(super) struct Closure {
    mfp: Mfp,
    places: BTreeMap<usize, usize>,
}

impl Closure {
    /// Over records of so many columns, in which the join's columns of `places` stand already.
    pub(super) fn new(arity: usize, places: BTreeMap<usize, usize>) -> Closure {
        let mfp = Mfp { projection: vec![], ..Mfp::new(arity) };
        Closure { mfp, places }
    }

    /// Adds the columns of an input, which an operator makes of columns that stand at `positions`.
    pub(super) fn absorb(&mut self, input: &Mfp, positions: &[usize], columns: impl Iterator<Item = usize>) {
        let outputs = self.inline(input, |column| positions[column]);
        self.places.extend(columns.zip(outputs));
    }

    /// Keeps the rows for which a predicate over the join's columns is true.
    pub(super) fn filter(&mut self, mut predicate: ScalarExpr) {
        predicate.permute_with(|column| self.place(column));
        self.mfp.predicates.push(predicate);
    }

    /// Keeps the records for which a predicate over their own columns is true.
    pub(super) fn filter_record(&mut self, predicate: ScalarExpr) {
        self.mfp.predicates.push(predicate);
    }

    /// What it asks, without outputs.
    pub(super) fn predicates(&self) -> Mfp {
        let mut asked = Mfp { projection: vec![], ..self.mfp.clone() };
        asked.optimize();
        asked
    }

    /// The same where all that it asks is known to be true.
    pub(super) fn without_predicates(mut self) -> Closure {
        self.mfp.predicates.clear();
        self
    }

    /// With these columns of the join as output.
    pub(super) fn project(mut self, columns: &[usize]) -> Mfp {
        self.mfp.projection = columns.iter().map(|column| self.place(*column)).collect();
        self.mfp.optimize();
        self.mfp
    }

    /// With the output of an operator over the join's columns.
    pub(super) fn then(mut self, last: &Mfp) -> Mfp {
        let places = self.places.clone();
        let unread = |column: &usize| places.get(column).copied().unwrap_or(0);
        self.mfp.projection = self.inline(last, |column| unread(&column));
        self.mfp.optimize();
        self.mfp
    }

    fn place(&self, column: usize) -> usize {
        self.places[&column]
    }

    /// Appends an operator's maps and predicates; where its outputs are.
    fn inline(&mut self, other: &Mfp, position: impl Fn(usize) -> usize) -> Vec<usize> {
        let base = self.mfp.input_arity + self.mfp.maps.len();
        let arity = other.input_arity;
        let renumber = |column: usize| match column.checked_sub(arity) {
            Some(map) => base + map,
            None => position(column),
        };
        let renumbered = |expr: &ScalarExpr| {
            let mut expr = expr.clone();
            expr.permute_with(renumber);
            expr
        };
        self.mfp.maps.extend(other.maps.iter().map(renumbered));
        self.mfp.predicates.extend(other.predicates.iter().map(renumbered));
        other.projection.iter().map(|column| renumber(*column)).collect()
    }
}
