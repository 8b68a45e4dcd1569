//! Predicates move to where rows enter, and equalities across a join's inputs become its equivalences.
//!
//! A predicate that can fail is only moved where it is asked of the same rows: through projections, maps, unions and
//! negations, and only together with all of its filter, because a false neighbour hides its error. Below a group (reduce, top-k) a
//! predicate over the group's columns chooses groups, if it cannot tell equal values apart (see `tells_equals_apart`).

use std::collections::BTreeSet;

use crate::mir::analysis::columns::Columns;
use crate::mir::analysis::errors::{Fallible, fails};
use crate::mir::predicate::{self, as_equality};
use crate::mir::{Rel, deep};
use crate::repr::ColumnType;
use crate::scalar::{ScalarExpr, Volatility};

pub fn push_filters(rel: Rel) -> Rel {
    // Parents first, so that one pass carries a predicate all the way down.
    Pusher::default().push(rel, Vec::new())
}

#[derive(Default)]
struct Pusher {
    /// Of the definitions in scope, which columns can hold error cells.
    locals: Fallible<'static>,
}

impl Pusher {
    /// `rel` under a filter.
    fn push(&mut self, rel: Rel, predicates: Vec<ScalarExpr>) -> Rel {
        deep(|| match rel {
            Rel::Filter { input, predicates: mut own } => {
                own.extend(predicates);
                self.push(*input, own)
            }
            Rel::Project { input, outputs } => {
                let pushed = renumbered(predicates, |column| outputs[column]);
                self.push(*input, pushed).project(outputs)
            }
            Rel::Map { input, scalars } => self.push_through_map(*input, scalars, predicates),
            Rel::Join { inputs, equivalences } => self.push_into_join(inputs, equivalences, predicates),
            // A predicate on the table's columns is asked of what was found: it does not choose what is looked up.
            Rel::Lookup(mut lookup) => {
                let arity = lookup.input.arity();
                let own = |p: &ScalarExpr| p.support().iter().all(|c| *c < arity);
                let (below, above) = self.split(&lookup.input, predicates, own);
                lookup.input = Box::new(self.push(*lookup.input, below));
                lookup.table = Box::new(self.push(*lookup.table, Vec::new()));
                Rel::Lookup(lookup).filter(above)
            }
            // A changelog is of whole relations.
            Rel::Changes { input } => self.push(*input, Vec::new()).changes().filter(predicates),
            Rel::Union { inputs } => {
                let inputs = inputs.into_iter().map(|input| self.push(input, predicates.clone()));
                Rel::union_all(inputs.collect())
            }
            Rel::Negate { input } => self.push(*input, predicates).negate(),
            Rel::Threshold { input } => {
                let (below, above) = self.split(&input, predicates, |_| true);
                self.push(*input, below).threshold().filter(above)
            }
            Rel::FlatMap { input, func, args } => {
                let arity = input.arity();
                let own = |p: &ScalarExpr| p.support().iter().all(|c| *c < arity);
                let (below, above) = self.split(&input, predicates, own);
                self.push(*input, below).flat_map(func, args).filter(above)
            }
            Rel::Reduce { input, group_key, aggregates } => {
                let columns = input.columns();
                let types: Vec<ColumnType> = group_key.iter().map(|expr| expr.typ(&columns)).collect();
                let fallible = self.locals.columns(&input);
                let (mut below, above): (Vec<_>, Vec<_>) =
                    predicates.into_iter().partition(|p: &ScalarExpr| {
                        p.support().iter().all(|c| *c < group_key.len() && !fails(&group_key[*c], &fallible))
                            && movable(p, &[])
                            && !tells_equals_apart(p, &types)
                    });
                below.iter_mut().for_each(|p| p.substitute(&group_key));
                self.push(*input, below).reduce(group_key, aggregates).filter(above)
            }
            Rel::TopK { input, group_key, order, slice } => {
                let (below, above) = self.split_by_groups(&input, predicates, &group_key);
                self.push(*input, below).top_k(group_key, order, slice).filter(above)
            }
            Rel::Window { input, partition, order, functions } => {
                let (below, above) = self.split_by_groups(&input, predicates, &partition);
                self.push(*input, below).window(partition, order, functions).filter(above)
            }
            Rel::Let { id, value, body } => {
                let value = self.push(*value, Vec::new());
                self.locals.define(id, &value);
                Rel::let_in(id, value, self.push(*body, predicates))
            }
            // A filter of the result says nothing of the rows that lead to it.
            Rel::Recursive { id, value, rounds } => {
                self.locals.define_recursive(id, &value);
                Rel::recursive(id, self.push(*value, Vec::new()), rounds).filter(predicates)
            }
            leaf @ (Rel::Constant { .. } | Rel::Get { .. }) => leaf.filter(predicates),
        })
    }

    /// The predicates that may be asked of `input`'s rows although fewer rows reach the filter, and the rest.
    fn split(
        &self,
        input: &Rel,
        predicates: Vec<ScalarExpr>,
        below: impl Fn(&ScalarExpr) -> bool,
    ) -> (Vec<ScalarExpr>, Vec<ScalarExpr>) {
        if predicates.is_empty() {
            return (vec![], vec![]);
        }
        let fallible = self.locals.columns(input);
        predicates.into_iter().partition(|p| below(p) && movable(p, &fallible))
    }

    /// Those that choose whole groups of the input's rows, by their key's columns alone, and the others.
    fn split_by_groups(
        &self,
        input: &Rel,
        predicates: Vec<ScalarExpr>,
        key: &[usize],
    ) -> (Vec<ScalarExpr>, Vec<ScalarExpr>) {
        let columns = input.columns();
        let key: BTreeSet<usize> = key.iter().copied().collect();
        self.split(input, predicates, |p| p.support().is_subset(&key) && !tells_equals_apart(p, &columns))
    }

    /// Those that use none of the map's columns. What a map computes is not computed again for the sake of a filter
    /// further down, unless it is small.
    fn push_through_map(&mut self, input: Rel, scalars: Vec<ScalarExpr>, predicates: Vec<ScalarExpr>) -> Rel {
        let arity = input.arity();
        let inlinable = |column: usize| column < arity || inlines(&scalars[column - arity], arity);
        let fallible = self.locals.columns(&input);
        let all_inlinable =
            |p: &ScalarExpr| p.volatility() != Volatility::Volatile && p.support().into_iter().all(inlinable);
        let together = predicates.iter().all(all_inlinable);
        let (mut below, above): (Vec<_>, Vec<_>) =
            predicates.into_iter().partition(|p| all_inlinable(p) && (together || movable(p, &fallible)));
        for p in &mut below {
            p.transform(&mut |expr| {
                if let ScalarExpr::Column(column) = expr
                    && *column >= arity
                {
                    *expr = scalars[*column - arity].clone();
                }
            });
        }
        self.push(input, below).map(scalars).filter(above)
    }

    fn push_into_join(
        &mut self,
        inputs: Vec<Rel>,
        mut equivalences: Vec<Vec<ScalarExpr>>,
        predicates: Vec<ScalarExpr>,
    ) -> Rel {
        let columns = Columns::of(&inputs);
        let fallible: Vec<bool> = inputs.iter().flat_map(|input| self.locals.columns(input)).collect();
        let mut per_input: Vec<Vec<ScalarExpr>> = vec![Vec::new(); inputs.len()];
        let mut above = Vec::new();
        let mut fallible_equalities = Vec::new();
        for predicate in predicates {
            let touched = columns.inputs_of(&predicate);
            if predicate.volatility() == Volatility::Volatile || touched.is_empty() {
                above.push(predicate);
            } else if let (Some(input), 1) = (touched.first(), touched.len()) {
                match movable(&predicate, &fallible) {
                    true => per_input[*input].push(predicate),
                    false => above.push(predicate),
                }
            } else {
                match as_equality(&predicate) {
                    Some((left, right)) if columns.inputs_of(left).is_disjoint(&columns.inputs_of(right)) => {
                        let class = vec![left.clone(), right.clone()];
                        match movable(&predicate, &fallible) {
                            true => equivalences.push(class),
                            false => fallible_equalities.push((class, predicate)),
                        }
                    }
                    _ => above.push(predicate),
                }
            }
        }
        // What can fail is a join key only where the join would be a cross product without it.
        for (class, predicate) in fallible_equalities {
            match columns.are_linked(&equivalences, &columns.inputs_of(&predicate)) {
                true => above.push(predicate),
                false => equivalences.push(class),
            }
        }
        let pushed = inputs.into_iter().zip(per_input).enumerate().map(|(number, (input, own))| {
            let start = columns.start(number);
            self.push(input, renumbered(own, |column| column - start))
        });
        Rel::join(pushed.collect(), equivalences).filter(above)
    }
}

/// Whether asking the predicate of more rows cannot add an error.
fn movable(predicate: &ScalarExpr, fallible: &[bool]) -> bool {
    predicate.volatility() != Volatility::Volatile && !fails(predicate, fallible)
}

fn renumbered(mut predicates: Vec<ScalarExpr>, renumber: impl Fn(usize) -> usize) -> Vec<ScalarExpr> {
    predicates.iter_mut().for_each(|p| p.permute_with(&renumber));
    predicates
}

/// Whether a mapped expression is worth writing into a predicate: small, over the input alone, and unable to fail.
fn inlines(scalar: &ScalarExpr, arity: usize) -> bool {
    scalar.size() <= 8
        && !scalar.could_error()
        && scalar.volatility() == Volatility::Immutable
        && scalar.support().iter().all(|column| *column < arity)
}

/// Whether the predicate could be true of one value and false of an equal one that prints differently, as `x::text = '1.0'` is.
/// Comparisons of such a column itself with others are safe, all else on it is suspect.
fn tells_equals_apart(predicate: &ScalarExpr, columns: &[ColumnType]) -> bool {
    let lossy = |expr: &ScalarExpr| expr.support().iter().any(|c| columns[*c].typ.has_lossy_equality());
    if !lossy(predicate) {
        return false;
    }
    match predicate {
        ScalarExpr::And(operands) | ScalarExpr::Or(operands) => {
            operands.iter().any(|operand| tells_equals_apart(operand, columns))
        }
        ScalarExpr::Call { func, args, .. } => {
            let safe = predicate::is_comparison(*func)
                || predicate::as_is_null(predicate).is_some()
                || predicate::as_not(predicate).is_some();
            !safe
                || args.iter().any(|arg| match arg {
                    ScalarExpr::Column(_) => false,
                    arg => tells_equals_apart(arg, columns),
                })
        }
        _ => true,
    }
}
