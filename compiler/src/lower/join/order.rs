//! In which order a join's inputs are looked up.
//!
//! The work of an order is guessed as the sum of the rows that its steps give. Looking up a unique key gives at most as many as
//! there were; an equality gives some for each; without either it is a cross product, which comes last.

use std::collections::BTreeSet;

use super::graph::Graph;

/// What a lookup by a key that is not unique is taken to find.
const MATCHES: f64 = 10.0;

/// Beyond this many inputs only the smallest and the largest of them are tried as starts.
const MAX_STARTS: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The inputs, the start first.
    pub inputs: Vec<usize>,
    pub work: f64,
    /// Whether some step finds no link.
    pub crosses: bool,
}

/// The best order over all starts.
pub(super) fn best(graph: &Graph<'_>) -> Order {
    let count = graph.inputs.len();
    let mut starts: Vec<usize> = (0..count).collect();
    if count > MAX_STARTS {
        starts.sort_by(|a, b| graph.inputs[*a].rows.total_cmp(&graph.inputs[*b].rows));
        starts = vec![starts[0], starts[count - 1]];
    }
    let orders = starts.into_iter().map(|start| from(graph, start));
    orders
        .min_by(|a, b| a.crosses.cmp(&b.crosses).then(a.work.total_cmp(&b.work)))
        .expect("invariant: a join has inputs")
}

/// The rest after a start, each step the one that gives the fewest rows.
pub(super) fn from(graph: &Graph<'_>, start: usize) -> Order {
    let mut bound = BTreeSet::from([start]);
    let mut order = Order { inputs: vec![start], work: graph.inputs[start].rows, crosses: false };
    let mut rows = graph.inputs[start].rows.max(1.0);
    while bound.len() < graph.inputs.len() {
        let left = (0..graph.inputs.len()).filter(|input| !bound.contains(input));
        let (next, factor, crosses) = left
            .map(|input| {
                let (factor, crosses) = step(graph, &bound, input);
                (input, factor, crosses)
            })
            .min_by(|a, b| a.2.cmp(&b.2).then(a.1.total_cmp(&b.1)))
            .expect("invariant: some input is left");
        rows *= factor;
        order.work += rows;
        order.crosses |= crosses;
        order.inputs.push(next);
        bound.insert(next);
    }
    order
}

/// By how much a step multiplies the rows, and whether it is a cross product.
fn step(graph: &Graph<'_>, bound: &BTreeSet<usize>, next: usize) -> (f64, bool) {
    let links = graph.links(bound, next);
    let input = &graph.inputs[next];
    if links.is_empty() {
        return (input.rows.max(1.0), true);
    }
    let joined: BTreeSet<_> = links.iter().map(|link| graph.local(link.class, link.right, next)).collect();
    let unique = input
        .typ
        .keys
        .iter()
        .any(|key| key.iter().all(|column| joined.contains(&crate::scalar::ScalarExpr::Column(*column))));
    // A filtered input drops some of the rows that look it up.
    let filtered = match input.mfp.predicates.is_empty() {
        true => 1.0,
        false => 0.5,
    };
    match unique {
        true => (filtered, false),
        false => (filtered * MATCHES.min(input.rows.max(1.0)), false),
    }
}
