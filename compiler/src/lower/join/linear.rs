//! Linear joins: one input after the other, each step's result arranged for the next.

use super::arranged::{Nulls, Origin, Side, choose_links, wanted_of};
use super::graph::{Graph, Link};
use super::order;
use super::running::Running;
use crate::lir::{Join, LinearStage, Node, Op};
use crate::lower::Lowerer;
use crate::scalar::Mfp;

impl Lowerer<'_> {
    pub(super) fn linear_join(&mut self, graph: &Graph<'_>, mfp: Mfp) -> Node {
        let order = order::best(graph).inputs;
        let mut running = Running::new(graph, &mfp);
        let (start, second) = (order[0], order[1]);
        running.bind(start);
        let links = choose_links(graph, second, graph.links(running.bound(), second));
        let nulls = self.nulls_on_the_left(graph, second, &links);
        let wanted = wanted_of(graph, &mfp, start);
        let left = self.arrange_input(graph, start, (&links, Side::Left), nulls, &wanted);
        let wanted = wanted_of(graph, &mfp, second);
        let right = self.arrange_input(graph, second, (&links, Side::Right), Nulls::Kept, &wanted);
        let closure = running.meet_first(&left, &right, &links);
        let mut stages = vec![LinearStage { left: None, right: right.source, closure }];
        for next in order.into_iter().skip(2) {
            let links = choose_links(graph, next, graph.links(running.bound(), next));
            let lookup = running.lookup(&links);
            let wanted = wanted_of(graph, &mfp, next);
            let right = self.arrange_input(graph, next, (&links, Side::Right), Nulls::Kept, &wanted);
            let arity = lookup.form.mfp.output_arity();
            let closure = running.meet(lookup.places, arity, &right, &links);
            stages.push(LinearStage { left: Some(lookup.form), right: right.source, closure });
        }
        Node::new(Op::Join(Join::Linear { first: left.source, stages }))
    }

    /// Where both sides of a link can be NULL and the right one is arranged whole, the left one leaves NULLs out.
    fn nulls_on_the_left(&self, graph: &Graph<'_>, right: usize, links: &[Link]) -> Nulls {
        let both = links.iter().any(|link| {
            graph.is_nullable(link.class, link.left) && graph.is_nullable(link.class, link.right)
        });
        match both && self.origin(graph, right, links, Side::Right) == Origin::Core {
            true => Nulls::LeftOut,
            false => Nulls::Kept,
        }
    }
}
