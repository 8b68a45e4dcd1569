//! A row on its way through a join: which of the join's columns it has, and what of the join's conditions has been asked of it.

use std::collections::{BTreeMap, BTreeSet};

use super::arranged::Arranged;
use super::closure::Closure;
use super::graph::{Graph, Link};
use crate::lir::Form;
use crate::mir::analysis::errors::fails;
use crate::scalar::{Mfp, ScalarExpr};

pub(super) struct Running<'g, 'r> {
    graph: &'g Graph<'r>,
    /// What is to be done to the finished rows, less the predicates that have been asked.
    last: Mfp,
    bound: BTreeSet<usize>,
    /// For each class, the members that are known to be equal.
    enforced: Vec<BTreeSet<usize>>,
    /// The join's columns in the row, in its order.
    pub row: Vec<usize>,
}

/// A row's form for a lookup, and where the join's columns stand in its records.
pub(super) struct Lookup {
    pub form: Form,
    pub places: BTreeMap<usize, usize>,
}

impl<'g, 'r> Running<'g, 'r> {
    pub(super) fn new(graph: &'g Graph<'r>, last: &Mfp) -> Running<'g, 'r> {
        let enforced = vec![BTreeSet::new(); graph.classes.len()];
        Running { graph, last: last.clone(), bound: BTreeSet::new(), enforced, row: vec![] }
    }

    pub(super) fn bind(&mut self, input: usize) {
        self.bound.insert(input);
    }

    pub(super) fn bound(&self) -> &BTreeSet<usize> {
        &self.bound
    }

    fn is_complete(&self) -> bool {
        self.bound.len() == self.graph.inputs.len()
    }

    /// The row arranged by the left sides of these links, NULL keys left out.
    pub(super) fn lookup(&self, links: &[Link]) -> Lookup {
        let place =
            |column: usize| self.row.iter().position(|c| *c == column).expect("invariant: kept while needed");
        let mut keys = Vec::new();
        let mut predicates = Vec::new();
        let mut places = BTreeMap::new();
        for (number, link) in links.iter().enumerate() {
            let mut key = self.graph.key(link.class, link.left);
            if let ScalarExpr::Column(column) = key {
                places.entry(column).or_insert(number);
            }
            key.permute_with(place);
            if self.graph.is_nullable(link.class, link.left) || self.graph.can_fail(link.class, link.left) {
                predicates.push(key.clone().is_not_null());
            }
            keys.push(key);
        }
        let kept: Vec<usize> =
            self.row.iter().copied().filter(|column| !places.contains_key(column)).collect();
        for (number, column) in kept.iter().enumerate() {
            places.insert(*column, keys.len() + number);
        }
        let arity = self.row.len();
        let outputs = (arity..arity + keys.len()).chain(kept.into_iter().map(place));
        let key = keys.len();
        let mut mfp = Mfp::new(arity).filter(predicates).map(keys).project(outputs);
        mfp.optimize();
        Lookup { form: Form { mfp, key }, places }
    }

    /// The operator over the first input's records.
    pub(super) fn begin(&mut self, first: &Arranged) -> Mfp {
        let mut closure = Closure::new(first.arity, BTreeMap::new());
        first.place(&mut closure, |position| position, self.graph);
        self.bind(first.input);
        self.finish(closure, &[])
    }

    /// The operator over key ++ left value ++ right value, where the row stands at `places` in a record of `left_arity` columns.
    pub(super) fn meet(
        &mut self,
        places: BTreeMap<usize, usize>,
        left_arity: usize,
        right: &Arranged,
        links: &[Link],
    ) -> Mfp {
        let mut closure = Closure::new(left_arity + right.arity - right.key, places);
        right.place(&mut closure, right.behind(left_arity), self.graph);
        self.bind(right.input);
        self.finish(closure, links)
    }

    /// The same where the left side is the first input's own arrangement.
    pub(super) fn meet_first(&mut self, left: &Arranged, right: &Arranged, links: &[Link]) -> Mfp {
        let mut closure = Closure::new(left.arity + right.arity - right.key, BTreeMap::new());
        left.place(&mut closure, |position| position, self.graph);
        right.place(&mut closure, right.behind(left.arity), self.graph);
        self.bind(left.input);
        self.bind(right.input);
        self.finish(closure, links)
    }

    /// Asks what can be asked of the inputs that are there, and keeps what is needed further on.
    fn finish(&mut self, mut closure: Closure, links: &[Link]) -> Mfp {
        self.enforce_classes(&mut closure, links);
        self.ask_predicates(&mut closure);
        if self.is_complete() {
            return closure.then(&self.last);
        }
        self.row = self.needed();
        closure.project(&self.row)
    }

    fn enforce_classes(&mut self, closure: &mut Closure, links: &[Link]) {
        for (number, class) in self.graph.classes.iter().enumerate() {
            let there =
                |member: &usize| self.graph.columns.inputs_of(&class.members[*member]).is_subset(&self.bound);
            let mut enforced = self.enforced[number].clone();
            for link in links.iter().filter(|link| link.class == number) {
                enforced.extend([link.left, link.right]);
            }
            for member in (0..class.members.len()).filter(there) {
                if enforced.contains(&member) {
                    continue;
                }
                if let Some(known) = enforced.first() {
                    let equal = class.members[*known].clone().equals(class.members[member].clone());
                    closure.filter(equal);
                } else if class.members.len() == 1 {
                    closure.filter(class.members[member].clone().is_not_null());
                }
                enforced.insert(member);
            }
            self.enforced[number] = enforced;
        }
    }

    /// Predicates over what is there. What can fail is asked last, of whole rows.
    fn ask_predicates(&mut self, closure: &mut Closure) {
        if self.is_complete() {
            return;
        }
        let there = |column: usize| self.bound.contains(&self.graph.columns.input_of(column));
        for predicate in self.last.extract_predicates(there) {
            match fails(&predicate, &self.graph.fallible) || predicate.support().is_empty() {
                true => self.last.predicates.push(predicate),
                false => closure.filter(predicate),
            }
        }
    }

    /// The columns of the bound inputs that something still reads.
    fn needed(&self) -> Vec<usize> {
        let mut needed = self.last.support();
        for (class, enforced) in self.graph.classes.iter().zip(&self.enforced) {
            if enforced.len() < class.members.len() {
                needed.extend(class.members.iter().flat_map(ScalarExpr::support));
            }
        }
        needed
            .into_iter()
            .filter(|column| self.bound.contains(&self.graph.columns.input_of(*column)))
            .collect()
    }
}
