//! Which columns can hold an error cell, so that reading them can fail.
//!
//! Passes must not evaluate what can fail on rows that the query does not reach. Passes take catalog collections to hold
//! none: a query that reads a failing view may fail on any of its rows, as a scan would. The lowering knows better.

use std::collections::BTreeMap;

use crate::mir::{CHANGE_COLUMNS, CollectionId, Id, LocalId, Rel, deep};
use crate::repr::Datum;
use crate::scalar::{AggregateExpr, AggregateFunc, ScalarExpr, WindowExpr, WindowFunc};

/// What is known of the definitions in scope, and of the catalog's collections.
#[derive(Default)]
pub struct Fallible<'a> {
    locals: BTreeMap<LocalId, Vec<bool>>,
    collections: Option<OfCollection<'a>>,
    /// What is known around a recursion whose own name is a definition here.
    around: Option<&'a Fallible<'a>>,
}

/// For each column of a collection, whether it can hold an error cell.
pub type OfCollection<'a> = Box<dyn Fn(CollectionId) -> Vec<bool> + 'a>;

/// Whether evaluating the expression on a row can fail, when these columns can hold error cells.
pub fn fails(expr: &ScalarExpr, fallible: &[bool]) -> bool {
    expr.could_error() || expr.support().iter().any(|column| fallible.get(*column) == Some(&true))
}

/// Whether an aggregate's result can be an error: sums overflow.
pub fn aggregate_fails(aggregate: &AggregateExpr, fallible: &[bool]) -> bool {
    use AggregateFunc::*;
    !matches!(
        aggregate.func,
        CountStar | Count | Min | Max | BoolAnd | BoolOr | BitAnd | BitOr | BitXor | Mode
    ) || aggregate.exprs().any(|expr| fails(expr, fallible))
}

/// Whether a window function's result can be an error, where every row's place is known.
fn window_fails(function: &WindowExpr, fallible: &[bool]) -> bool {
    let sums = match function.func {
        WindowFunc::Aggregate(func) => aggregate_fails(&AggregateExpr::new(func, vec![]), fallible),
        _ => false,
    };
    sums || function.could_fail() || function.exprs().any(|expr| fails(expr, fallible))
}

impl<'a> Fallible<'a> {
    /// With what the catalog knows of its collections.
    pub fn over(collections: OfCollection<'a>) -> Fallible<'a> {
        Fallible { collections: Some(collections), ..Fallible::default() }
    }

    pub fn define(&mut self, id: LocalId, value: &Rel) {
        let columns = self.columns(value);
        self.locals.insert(id, columns);
    }

    /// As [`Fallible::define`], of a recursion's own name within its value.
    pub fn define_recursive(&mut self, id: LocalId, value: &Rel) {
        let columns = self.recursive_columns(id, value);
        self.locals.insert(id, columns);
    }

    /// A cell fails in the first round or because one of the round before has failed.
    fn recursive_columns(&self, id: LocalId, value: &Rel) -> Vec<bool> {
        let mut known = vec![false; value.arity()];
        loop {
            let locals = BTreeMap::from([(id, known.clone())]);
            let found = Fallible { locals, collections: None, around: Some(self) }.columns(value);
            if found == known {
                return known;
            }
            known = found;
        }
    }

    fn of_local(&self, id: LocalId) -> Option<Vec<bool>> {
        self.locals.get(&id).cloned().or_else(|| self.around?.of_local(id))
    }

    fn of_collection(&self, id: CollectionId) -> Option<Vec<bool>> {
        match &self.collections {
            Some(collections) => Some(collections(id)),
            None => self.around?.of_collection(id),
        }
    }

    /// For each column of `rel`, whether it can hold an error cell.
    pub fn columns(&self, rel: &Rel) -> Vec<bool> {
        deep(|| match rel {
            Rel::Constant { rows, typ } => {
                let mut columns = vec![rows.is_err(); typ.arity()];
                for (row, _) in rows.iter().flatten() {
                    let cells = row.iter().map(|datum| matches!(datum, Datum::Error(_)));
                    columns.iter_mut().zip(cells).for_each(|(column, error)| *column |= error);
                }
                columns
            }
            Rel::Get { id: Id::Local(id), typ } => {
                self.of_local(*id).unwrap_or_else(|| vec![true; typ.arity()])
            }
            Rel::Get { id: Id::Global(id), typ } => {
                self.of_collection(*id).unwrap_or_else(|| vec![false; typ.arity()])
            }
            // Definitions stand at the root, where callers define them one by one.
            Rel::Let { body, .. } => self.columns(body),
            Rel::Recursive { id, value, .. } => self.recursive_columns(*id, value),
            Rel::Project { input, outputs } => {
                let columns = self.columns(input);
                outputs.iter().map(|column| columns[*column]).collect()
            }
            Rel::Map { input, scalars } => {
                let mut columns = self.columns(input);
                for scalar in scalars {
                    columns.push(fails(scalar, &columns));
                }
                columns
            }
            Rel::Filter { input, .. }
            | Rel::TopK { input, .. }
            | Rel::Negate { input }
            | Rel::Threshold { input } => self.columns(input),
            Rel::FlatMap { input, func, .. } => {
                let mut columns = self.columns(input);
                columns.resize(columns.len() + func.arity(), false);
                columns
            }
            Rel::Window { input, partition, order, functions } => {
                let mut columns = self.columns(input);
                let placed = partition.iter().all(|column| !columns[*column])
                    && order.iter().all(|key| !fails(&key.expr, &columns));
                let results: Vec<bool> =
                    functions.iter().map(|function| !placed || window_fails(function, &columns)).collect();
                columns.extend(results);
                columns
            }
            Rel::Join { inputs, .. } => inputs.iter().flat_map(|input| self.columns(input)).collect(),
            Rel::Lookup(lookup) => {
                [&lookup.input, &lookup.table].into_iter().flat_map(|rel| self.columns(rel)).collect()
            }
            Rel::Changes { input } => {
                let mut columns = self.columns(input);
                columns.extend([false; CHANGE_COLUMNS.len()]);
                columns
            }
            Rel::Reduce { input, group_key, aggregates } => {
                let columns = self.columns(input);
                let key = group_key.iter().map(|expr| fails(expr, &columns));
                let aggregates = aggregates.iter().map(|aggregate| aggregate_fails(aggregate, &columns));
                key.chain(aggregates).collect()
            }
            Rel::Union { inputs } => {
                let mut columns = self.columns(&inputs[0]);
                for input in &inputs[1..] {
                    let other = self.columns(input);
                    columns.iter_mut().zip(other).for_each(|(column, other)| *column |= other);
                }
                columns
            }
        })
    }

    /// Whether evaluating `rel` itself can raise an error that stands for the whole collection. Catalog collections' own errors do not
    /// count.
    pub fn may_fail(&self, rel: &Rel) -> bool {
        deep(|| {
            let own = match rel {
                Rel::Constant { rows, .. } => rows.is_err(),
                Rel::Filter { input, predicates } => {
                    let fallible = self.columns(input);
                    predicates.iter().any(|predicate| fails(predicate, &fallible))
                }
                Rel::FlatMap { input, func, args } => {
                    let fallible = self.columns(input);
                    func.can_error || args.iter().any(|arg| fails(arg, &fallible))
                }
                Rel::Join { inputs, equivalences } => {
                    let fallible: Vec<bool> = inputs.iter().flat_map(|input| self.columns(input)).collect();
                    equivalences.iter().flatten().any(|expr| fails(expr, &fallible))
                }
                Rel::Lookup(lookup) => {
                    let (left, right) = (self.columns(&lookup.input), self.columns(&lookup.table));
                    let keys = lookup.keys.iter().any(|(a, b)| fails(a, &left) || fails(b, &right));
                    keys || lookup.on.iter().any(|on| fails(on, &[left.clone(), right.clone()].concat()))
                }
                Rel::Threshold { input } => self.columns(input).contains(&true),
                // It may not come to an end.
                Rel::Recursive { .. } => true,
                Rel::TopK { input, order, .. } => {
                    let fallible = self.columns(input);
                    order.iter().any(|key| fails(&key.expr, &fallible))
                }
                _ => false,
            };
            let mut below = false;
            rel.for_each_child(|child| below = below || self.may_fail(child));
            own || below
        })
    }
}
