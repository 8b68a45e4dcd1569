//! Delta joins: a path for each input, which looks its updates up in arrangements of the others. Nothing intermediate is kept.
//!
//! Chosen for three inputs and more when every path finds all others by keys, in arrangements of whole relations that others
//! use too. At equal times a path sees the inputs of smaller numbers only, so that the last path carries the whole hydration:
//! the input with the cheapest path gets the greatest number.

use super::arranged::{Arranged, Nulls, Origin, Side, choose_links};
use super::graph::{Graph, Link};
use super::order::{self, Order};
use super::running::Running;
use crate::lir::{DeltaPath, DeltaStage, FragmentIndex, Join, Node, Op};
use crate::lower::Lowerer;
use crate::mir::{Id, Rel};
use crate::scalar::Mfp;

impl Lowerer<'_> {
    /// Nothing if a linear join is the better one.
    pub(super) fn delta_join(&mut self, graph: &Graph<'_>, mfp: &Mfp) -> Option<Node> {
        let count = graph.inputs.len();
        if count < 3 {
            return None;
        }
        let mut orders: Vec<Order> = (0..count).map(|start| order::from(graph, start)).collect();
        if orders.iter().any(|order| order.crosses || !self.finds_fragments(graph, order)) {
            return None;
        }
        orders.sort_by(|a, b| b.work.total_cmp(&a.work));
        let mut relations = vec![0; count];
        for (number, order) in orders.iter().enumerate() {
            relations[order.inputs[0]] = number;
        }
        let paths = orders.iter().map(|order| self.delta_path(graph, mfp, order, &relations)).collect();
        Some(Node::new(Op::Join(Join::Delta { paths })))
    }

    fn finds_fragments(&self, graph: &Graph<'_>, order: &Order) -> bool {
        let mut running = Running::new(graph, &Mfp::new(graph.columns.arity()));
        running.bind(order.inputs[0]);
        order.inputs.iter().skip(1).all(|next| {
            let links = choose_links(graph, *next, graph.links(running.bound(), *next));
            running.bind(*next);
            self.origin(graph, *next, &links, Side::Right) == Origin::Core
        })
    }

    fn delta_path(&mut self, graph: &Graph<'_>, mfp: &Mfp, order: &Order, relations: &[usize]) -> DeltaPath {
        let start = order.inputs[0];
        let source = self.delta_source(graph, start);
        let mut running = Running::new(graph, mfp);
        let initial = running.begin(&source);
        let mut stages = Vec::new();
        for next in order.inputs.iter().copied().skip(1) {
            let links = choose_links(graph, next, graph.links(running.bound(), next));
            let lookup = running.lookup(&links);
            let right = self.arrange_input(graph, next, (&links, Side::Right), Nulls::Kept, &[]);
            let arity = lookup.form.mfp.output_arity();
            let closure = running.meet(lookup.places, arity, &right, &links);
            let fragment = fragment_of(&right);
            stages.push(DeltaStage { relation: relations[next], fragment, form: lookup.form, closure });
        }
        DeltaPath { relation: relations[start], source: fragment_of(&source), initial, stages }
    }

    /// The arrangement from which a path's updates come: a relation's own, or that by which the input is looked up.
    fn delta_source(&mut self, graph: &Graph<'_>, input: usize) -> Arranged {
        let on = &graph.inputs[input];
        if let Rel::Get { id: Id::Global(id), .. } = on.core
            && let Some(dataflow) = &self.sources.source(*id).dataflow
        {
            let fragment = self.import(dataflow);
            return self.read_fragment(input, fragment, on.mfp.clone());
        }
        let others = (0..graph.inputs.len()).filter(|other| *other != input).collect();
        let links: Vec<Link> = choose_links(graph, input, graph.links(&others, input));
        self.arrange_input(graph, input, (&links, Side::Right), Nulls::Kept, &[])
    }
}

fn fragment_of(arranged: &Arranged) -> FragmentIndex {
    arranged.fragment().expect("invariant: a delta join's inputs are fragments")
}
