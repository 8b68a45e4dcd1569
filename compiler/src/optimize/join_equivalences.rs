//! What a join's equivalences imply: classes that share an expression are one class, and a constant in a class is a
//! filter on every input that has an expression in it.
//!
//! A class is left in place even when a constant fixes all of its members: the join then still has a key, and is no
//! cross product.

use std::collections::BTreeSet;

use crate::mir::analysis::columns::Columns;
use crate::mir::analysis::errors::{Fallible, fails};
use crate::mir::predicate::{as_equality, is_constant};
use crate::mir::{Rel, deep};
use crate::scalar::ScalarExpr;

pub fn join_equivalences(rel: Rel) -> Rel {
    let mut locals = Fallible::default();
    visit(rel, &mut locals)
}

fn visit(rel: Rel, locals: &mut Fallible) -> Rel {
    deep(|| match rel {
        Rel::Let { id, value, body } => {
            let value = visit(*value, locals);
            locals.define(id, &value);
            Rel::let_in(id, value, visit(*body, locals))
        }
        Rel::Recursive { id, value, rounds } => {
            locals.define_recursive(id, &value);
            Rel::recursive(id, visit(*value, locals), rounds)
        }
        mut rel => {
            rel.for_each_child_mut(|child| *child = visit(child.take(), locals));
            match rel {
                Rel::Join { inputs, equivalences } => propagate(inputs, equivalences, vec![], locals),
                Rel::Filter { input, predicates } => match *input {
                    Rel::Join { inputs, equivalences } => propagate(inputs, equivalences, predicates, locals),
                    input => input.filter(predicates),
                },
                rel => rel,
            }
        }
    })
}

/// A join under a filter with what follows from both.
fn propagate(
    inputs: Vec<Rel>,
    equivalences: Vec<Vec<ScalarExpr>>,
    predicates: Vec<ScalarExpr>,
    locals: &Fallible,
) -> Rel {
    let columns = Columns::of(&inputs);
    let mut classes = merge(equivalences);
    for (number, input) in inputs.iter().enumerate() {
        for (mut expr, constant) in constants_of(input) {
            expr.permute_with(|column| column + columns.start(number));
            if let Some(class) = classes.iter_mut().find(|class| class.contains(&expr))
                && !class.contains(&constant)
            {
                class.push(constant);
            }
        }
    }
    let classes = merge(classes);
    let fallible: Vec<bool> = inputs.iter().flat_map(|input| locals.columns(input)).collect();
    let inputs = inputs.into_iter().enumerate().map(|(number, input)| {
        let implied = implied_filters(number, &columns, &classes, &fallible);
        add_filters(input, implied)
    });
    let inputs: Vec<Rel> = inputs.collect();
    let redundant = |predicate: &ScalarExpr| match as_equality(predicate) {
        Some((left, right)) => classes.iter().any(|class| class.contains(left) && class.contains(right)),
        None => false,
    };
    let predicates: Vec<ScalarExpr> = predicates.into_iter().filter(|p| !redundant(p)).collect();
    Rel::join(inputs, classes).filter(predicates)
}

/// Classes without repetition, those with a common member merged, in a stable order. A class of one member says that it is
/// not NULL; it is kept, unless a greater one says so too.
pub fn merge(classes: Vec<Vec<ScalarExpr>>) -> Vec<Vec<ScalarExpr>> {
    let mut merged: Vec<BTreeSet<ScalarExpr>> = Vec::new();
    for class in classes {
        let mut all: BTreeSet<ScalarExpr> = class.into_iter().collect();
        let mut apart = Vec::new();
        for other in merged {
            match other.is_disjoint(&all) {
                true => apart.push(other),
                false => all.extend(other),
            }
        }
        if !all.is_empty() {
            apart.push(all);
        }
        merged = apart;
    }
    merged.sort();
    merged.into_iter().map(|class| class.into_iter().collect()).collect()
}

/// The expressions over an input that its own filter makes equal to a constant.
fn constants_of(input: &Rel) -> Vec<(ScalarExpr, ScalarExpr)> {
    match input {
        Rel::Filter { predicates, .. } => predicates.iter().filter_map(constant_equality).collect(),
        Rel::Project { input, outputs } => {
            let place = |column: usize| outputs.iter().position(|output| *output == column);
            let visible = |(mut expr, constant): (ScalarExpr, ScalarExpr)| {
                if !expr.support().into_iter().all(|column| place(column).is_some()) {
                    return None;
                }
                expr.permute_with(|column| place(column).expect("invariant: visible"));
                Some((expr, constant))
            };
            constants_of(input).into_iter().filter_map(visible).collect()
        }
        Rel::Map { input, .. } => constants_of(input),
        _ => vec![],
    }
}

/// `expr = constant`, as (expr, constant).
fn constant_equality(predicate: &ScalarExpr) -> Option<(ScalarExpr, ScalarExpr)> {
    let (left, right) = as_equality(predicate)?;
    match (is_constant(left), is_constant(right)) {
        (false, true) => Some((left.clone(), right.clone())),
        (true, false) => Some((right.clone(), left.clone())),
        _ => None,
    }
}

/// The filters that constants in classes imply for one input, over its own columns.
fn implied_filters(
    input: usize,
    columns: &Columns,
    classes: &[Vec<ScalarExpr>],
    fallible: &[bool],
) -> Vec<ScalarExpr> {
    let mut implied = Vec::new();
    for class in classes {
        let Some(constant) = class.iter().find(|expr| is_constant(expr) && !expr.could_error()) else {
            continue;
        };
        for expr in class {
            if columns.only_input_of(expr) == Some(input) && !fails(expr, fallible) {
                let mut expr = expr.clone();
                expr.permute_with(|column| column - columns.start(input));
                implied.push(expr.equals(constant.clone()));
            }
        }
    }
    implied
}

/// The input with the filters that it does not have yet.
fn add_filters(input: Rel, mut implied: Vec<ScalarExpr>) -> Rel {
    let known = constants_of(&input);
    implied.retain(|predicate| match constant_equality(predicate) {
        Some((expr, _)) => !known.iter().any(|(other, _)| *other == expr),
        None => true,
    });
    input.filter(implied)
}
