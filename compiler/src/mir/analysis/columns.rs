//! Whose the columns of a join are.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::mir::Rel;
use crate::scalar::ScalarExpr;

/// The places of the inputs' columns among a join's.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Where each input's columns start; at the end, how many there are in all.
    starts: Vec<usize>,
}

impl Columns {
    pub fn of(inputs: &[Rel]) -> Columns {
        Columns::of_arities(inputs.iter().map(Rel::arity))
    }

    pub fn of_arities(arities: impl IntoIterator<Item = usize>) -> Columns {
        let mut starts = vec![0];
        for arity in arities {
            starts.push(starts[starts.len() - 1] + arity);
        }
        Columns { starts }
    }

    pub fn start(&self, input: usize) -> usize {
        self.starts[input]
    }

    pub fn range(&self, input: usize) -> Range<usize> {
        self.starts[input]..self.starts[input + 1]
    }

    pub fn arity(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// The input that has this column of the join.
    pub fn input_of(&self, column: usize) -> usize {
        self.starts.partition_point(|start| *start <= column) - 1
    }

    /// The inputs that an expression over the join's columns reads.
    pub fn inputs_of(&self, expr: &ScalarExpr) -> BTreeSet<usize> {
        expr.support().into_iter().map(|column| self.input_of(column)).collect()
    }

    /// The input that alone an expression reads.
    pub fn only_input_of(&self, expr: &ScalarExpr) -> Option<usize> {
        let inputs = self.inputs_of(expr);
        (inputs.len() == 1).then(|| inputs.into_iter().next().expect("invariant: one"))
    }

    /// Whether the equivalences connect these inputs with each other.
    pub fn are_linked(&self, equivalences: &[Vec<ScalarExpr>], inputs: &BTreeSet<usize>) -> bool {
        let links: Vec<BTreeSet<usize>> = equivalences
            .iter()
            .map(|class| class.iter().flat_map(|expr| self.inputs_of(expr)).collect())
            .collect();
        let mut reached: BTreeSet<usize> = inputs.iter().take(1).copied().collect();
        loop {
            let before = reached.len();
            for link in links.iter().filter(|link| !link.is_disjoint(&reached)).cloned().collect::<Vec<_>>() {
                reached.extend(link);
            }
            if reached.len() == before {
                return inputs.is_subset(&reached);
            }
        }
    }
}
