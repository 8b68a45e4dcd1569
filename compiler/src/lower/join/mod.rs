//! Joins: what is looked up in what, by which keys, and which of that is shared.
//!
//! ```text
//! graph      inputs taken apart (operator over a core), equivalence classes, which input can follow which
//! order      for a start, the rest in the order of least work; no cross product unless nothing else is left
//! running    a row on its way through the join: its columns, and what has been asked of it
//! linear     binary joins, left to right             delta      a path for each input, all inputs arranged
//! arrival    a stream's rows looked up in a table as they arrive
//! ```

mod arranged;
mod arrival;
mod closure;
mod delta;
mod graph;
mod linear;
mod order;
mod running;

use super::{Lowerer, apply};
use crate::lir::{Node, Op};
use crate::mir::Rel;
use crate::repr::Row;
use crate::scalar::{Mfp, ScalarExpr};
use graph::Graph;

impl Lowerer<'_> {
    pub(super) fn lower_join(&mut self, inputs: &[Rel], equivalences: &[Vec<ScalarExpr>], mfp: Mfp) -> Node {
        match inputs {
            [] => {
                let unit = Node::new(Op::Constant { rows: Ok(vec![(Row::default(), 1)]) });
                apply(unit, with_equalities(0, equivalences).then(mfp))
            }
            [input] => self.lower(input, with_equalities(input.arity(), equivalences).then(mfp)),
            inputs => {
                let graph = Graph::new(self, inputs, equivalences);
                match self.delta_join(&graph, &mfp) {
                    Some(node) => node,
                    None => self.linear_join(&graph, mfp),
                }
            }
        }
    }
}

/// What the equivalences ask of a single input.
fn with_equalities(arity: usize, equivalences: &[Vec<ScalarExpr>]) -> Mfp {
    let predicates = equivalences.iter().flat_map(|class| match &class[..] {
        [] => vec![],
        [single] => vec![single.clone().is_not_null()],
        [first, others @ ..] => others.iter().map(|other| first.clone().equals(other.clone())).collect(),
    });
    Mfp::new(arity).filter(predicates)
}
