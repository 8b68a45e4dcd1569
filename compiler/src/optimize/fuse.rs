//! Map, filter and project next to each other become one of each, the projection outermost.
//!
//! In this form two plans that compute the same are more often equal, and every other pass finds the operator that it
//! looks for directly under at most one project, one map and one filter.

use crate::mir::Rel;
use crate::scalar::ScalarExpr;

pub fn fuse(rel: Rel) -> Rel {
    rel.transform(&mut fuse_node)
}

/// One node whose children are in form already.
fn fuse_node(rel: Rel) -> Rel {
    match rel {
        Rel::Project { input, outputs } => input.project(outputs),
        Rel::Map { input, scalars } => fuse_map(*input, scalars),
        Rel::Filter { input, mut predicates } => match *input {
            Rel::Project { input, outputs } => {
                predicates.iter_mut().for_each(|predicate| predicate.permute(&outputs));
                fuse_node(Rel::Filter { input, predicates }).project(outputs)
            }
            input => input.filter(predicates),
        },
        Rel::Negate { input } => input.negate(),
        Rel::Threshold { input } => input.threshold(),
        Rel::Union { inputs } => Rel::union_all(inputs),
        rel => rel,
    }
}

fn fuse_map(input: Rel, mut scalars: Vec<ScalarExpr>) -> Rel {
    match input {
        Rel::Project { input, mut outputs } => {
            let arity = input.arity();
            outputs.extend(arity..arity + scalars.len());
            scalars.iter_mut().for_each(|scalar| scalar.permute(&outputs));
            fuse_map(*input, scalars).project(outputs)
        }
        input => copies_to_projection(input, scalars),
    }
}

/// A map of a plain column is a projection.
fn copies_to_projection(input: Rel, scalars: Vec<ScalarExpr>) -> Rel {
    if !scalars.iter().any(|scalar| matches!(scalar, ScalarExpr::Column(_))) {
        return input.map(scalars);
    }
    let arity = input.arity();
    let mut places: Vec<usize> = (0..arity).collect();
    let mut computed = Vec::new();
    for mut scalar in scalars {
        scalar.permute(&places);
        match scalar {
            ScalarExpr::Column(column) => places.push(column),
            scalar => {
                places.push(arity + computed.len());
                computed.push(scalar);
            }
        }
    }
    input.map(computed).project(places)
}
