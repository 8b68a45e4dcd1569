//! Columns that nobody reads are not carried.
//!
//! Each operator is asked for the columns that are wanted of it and asks its inputs for those that it reads. Threshold
//! compares whole rows and reads all of its input; so do top-k and windows that break ties by the whole row, if there can be any.

use std::collections::{BTreeMap, BTreeSet};

use crate::mir::analysis::columns::Columns;
use crate::mir::{Id, LocalId, Lookup, Rel, deep};
use crate::repr::RelationType;
use crate::scalar::{AggregateExpr, ScalarExpr, SortKey, WindowExpr};

type Wanted = BTreeSet<usize>;

pub fn prune_columns(rel: Rel) -> Rel {
    let all = (0..rel.arity()).collect();
    Pruner::default().narrow(rel, &all)
}

#[derive(Default)]
struct Pruner {
    /// Of each definition in scope, the columns that its uses want.
    demands: BTreeMap<LocalId, Wanted>,
}

impl Pruner {
    /// An expression for the wanted columns of `rel`, in their order.
    fn narrow(&mut self, rel: Rel, wanted: &Wanted) -> Rel {
        deep(|| match rel {
            Rel::Constant { .. } | Rel::Get { id: Id::Global(_), .. } => keep(rel, wanted),
            Rel::Get { id: Id::Local(id), typ } => {
                self.demands.entry(id).or_default().extend(wanted);
                // Not the smart constructor: the definition's columns are renumbered through each of these.
                Rel::Project {
                    input: Box::new(Rel::local(id, typ)),
                    outputs: wanted.iter().copied().collect(),
                }
            }
            Rel::Let { id, value, body } => {
                let body = self.narrow(*body, wanted);
                let demand = self.demands.remove(&id).unwrap_or_default();
                let value = self.narrow(*value, &demand);
                let body = renumber_uses(body, id, &demand, &value.typ());
                Rel::let_in(id, value, body)
            }
            Rel::Recursive { id, value, rounds } => self.narrow_recursive(id, *value, rounds, wanted),
            Rel::Project { input, outputs } => {
                let outputs: Vec<usize> = wanted.iter().map(|column| outputs[*column]).collect();
                let below: Wanted = outputs.iter().copied().collect();
                let place = Places::of(&below);
                self.narrow(*input, &below).project(outputs.iter().map(|column| place.get(*column)).collect())
            }
            Rel::Map { input, scalars } => self.narrow_map(*input, scalars, wanted),
            Rel::Filter { input, mut predicates } => {
                let mut below = wanted.clone();
                below.extend(predicates.iter().flat_map(ScalarExpr::support));
                let place = Places::of(&below);
                predicates.iter_mut().for_each(|p| p.permute_with(|column| place.get(column)));
                self.narrow(*input, &below).filter(predicates).project(place.all(wanted))
            }
            Rel::FlatMap { input, func, mut args } => {
                let arity = input.arity();
                let mut below: Wanted = wanted.iter().copied().filter(|column| *column < arity).collect();
                below.extend(args.iter().flat_map(ScalarExpr::support));
                let produced = func.arity();
                let place = Places::of(&below.iter().copied().chain(arity..arity + produced).collect());
                args.iter_mut().for_each(|arg| arg.permute_with(|column| place.get(column)));
                self.narrow(*input, &below).flat_map(func, args).project(place.all(wanted))
            }
            Rel::Join { inputs, equivalences } => self.narrow_join(inputs, equivalences, wanted),
            Rel::Lookup(lookup) => self.narrow_lookup(lookup, wanted),
            // An update of a column that is not wanted is a change.
            Rel::Changes { input } => {
                let all = (0..input.arity()).collect();
                self.narrow(*input, &all).changes().project(wanted.iter().copied().collect())
            }
            Rel::Reduce { input, group_key, aggregates } => {
                self.narrow_reduce(*input, group_key, aggregates, wanted)
            }
            Rel::TopK { input, mut group_key, mut order, slice } => {
                let below = match slice.ties && slice.offset == 0 || is_total(&input, &group_key, &order) {
                    true => wanted.iter().copied().chain(placing(&group_key, &order)).collect(),
                    false => (0..input.arity()).collect(),
                };
                let place = Places::of(&below);
                place.renumber(&mut group_key, &mut order);
                let input = self.narrow(*input, &below);
                input.top_k(group_key, order, slice).project(place.all(wanted))
            }
            Rel::Window { input, partition, order, functions } => {
                self.narrow_window(*input, partition, order, functions, wanted)
            }
            Rel::Threshold { input } => {
                let all = (0..input.arity()).collect();
                keep(self.narrow(*input, &all).threshold(), wanted)
            }
            Rel::Negate { input } => self.narrow(*input, wanted).negate(),
            Rel::Union { inputs } => {
                Rel::union_all(inputs.into_iter().map(|input| self.narrow(input, wanted)).collect())
            }
        })
    }

    /// What is wanted of a recursion is also what its value, for that, wants of the rounds before.
    fn narrow_recursive(&mut self, id: LocalId, value: Rel, rounds: u64, wanted: &Wanted) -> Rel {
        let mut all = wanted.clone();
        loop {
            let outer = self.demands.clone();
            let narrowed = self.narrow(value.clone(), &all);
            let demand = self.demands.remove(&id).unwrap_or_default();
            if demand.is_subset(&all) {
                let typ = narrowed.typ();
                let value = renumber_uses(narrowed, id, &all, &RelationType::new(typ.columns));
                return Rel::recursive(id, value, rounds).project(Places::of(&all).all(wanted));
            }
            all.extend(demand);
            self.demands = outer;
        }
    }

    fn narrow_map(&mut self, input: Rel, scalars: Vec<ScalarExpr>, wanted: &Wanted) -> Rel {
        let arity = input.arity();
        let mut used = wanted.clone();
        for (number, scalar) in scalars.iter().enumerate().rev() {
            if used.contains(&(arity + number)) {
                used.extend(scalar.support());
            }
        }
        let place = Places::of(&used);
        let kept = scalars.into_iter().enumerate().filter(|(number, _)| used.contains(&(arity + number)));
        let scalars = kept.map(|(_, mut scalar)| {
            scalar.permute_with(|column| place.get(column));
            scalar
        });
        let scalars: Vec<ScalarExpr> = scalars.collect();
        let below = used.iter().copied().filter(|column| *column < arity).collect();
        self.narrow(input, &below).map(scalars).project(place.all(wanted))
    }

    fn narrow_join(
        &mut self,
        inputs: Vec<Rel>,
        mut equivalences: Vec<Vec<ScalarExpr>>,
        wanted: &Wanted,
    ) -> Rel {
        let mut used = wanted.clone();
        used.extend(equivalences.iter().flatten().flat_map(ScalarExpr::support));
        let place = Places::of(&used);
        let columns = Columns::of(&inputs);
        let inputs = inputs.into_iter().enumerate().map(|(number, input)| {
            let own =
                used.range(columns.range(number)).map(|column| column - columns.start(number)).collect();
            self.narrow(input, &own)
        });
        let inputs = inputs.collect();
        equivalences.iter_mut().flatten().for_each(|expr| expr.permute_with(|column| place.get(column)));
        Rel::join(inputs, equivalences).project(place.all(wanted))
    }

    /// Functions that nobody reads go. What ties leave open is decided by whole rows: columns go only where no function tells ties apart.
    fn narrow_window(
        &mut self,
        input: Rel,
        mut partition: Vec<usize>,
        mut order: Vec<SortKey>,
        functions: Vec<WindowExpr>,
        wanted: &Wanted,
    ) -> Rel {
        let arity = input.arity();
        let read = |(number, _): &(usize, WindowExpr)| wanted.contains(&(arity + number));
        let (numbers, mut functions): (Vec<usize>, Vec<WindowExpr>) =
            functions.into_iter().enumerate().filter(read).unzip();
        let mut below: Wanted = wanted.iter().copied().filter(|column| *column < arity).collect();
        if !functions.is_empty() {
            below.extend(placing(&partition, &order));
            below.extend(functions.iter().flat_map(WindowExpr::support));
            if !functions.iter().all(WindowExpr::ignores_ties) && !is_total(&input, &partition, &order) {
                below.extend(0..arity);
            }
        }
        let place = Places::of(&below.iter().copied().chain(numbers.iter().map(|n| arity + n)).collect());
        if !functions.is_empty() {
            place.renumber(&mut partition, &mut order);
            let exprs = functions.iter_mut().flat_map(WindowExpr::exprs_mut);
            exprs.for_each(|expr| expr.permute_with(|column| place.get(column)));
        }
        self.narrow(input, &below).window(partition, order, functions).project(place.all(wanted))
    }

    fn narrow_lookup(&mut self, mut lookup: Lookup, wanted: &Wanted) -> Rel {
        let arity = lookup.input.arity();
        let mut used = wanted.clone();
        used.extend(lookup.on.iter().flat_map(ScalarExpr::support));
        used.extend(lookup.keys.iter().flat_map(|(left, _)| left.support()));
        used.extend(lookup.keys.iter().flat_map(|(_, right)| right.support()).map(|column| arity + column));
        let left: Wanted = used.range(..arity).copied().collect();
        let right: Wanted = used.range(arity..).map(|column| column - arity).collect();
        let (in_left, in_right, place) = (Places::of(&left), Places::of(&right), Places::of(&used));
        for (a, b) in &mut lookup.keys {
            a.permute_with(|column| in_left.get(column));
            b.permute_with(|column| in_right.get(column));
        }
        lookup.on.iter_mut().for_each(|on| on.permute_with(|column| place.get(column)));
        lookup.input = Box::new(self.narrow(*lookup.input, &left));
        lookup.table = Box::new(self.narrow(*lookup.table, &right));
        Rel::Lookup(lookup).project(place.all(wanted))
    }

    fn narrow_reduce(
        &mut self,
        input: Rel,
        mut group_key: Vec<ScalarExpr>,
        aggregates: Vec<AggregateExpr>,
        wanted: &Wanted,
    ) -> Rel {
        let keys = group_key.len();
        let kept = aggregates.into_iter().enumerate().filter(|(number, _)| wanted.contains(&(keys + number)));
        let mut aggregates: Vec<AggregateExpr> = kept.map(|(_, aggregate)| aggregate).collect();
        let mut below: Wanted = group_key.iter().flat_map(ScalarExpr::support).collect();
        below.extend(aggregates.iter().flat_map(AggregateExpr::support));
        let place = Places::of(&below);
        group_key.iter_mut().for_each(|expr| expr.permute_with(|column| place.get(column)));
        let exprs = aggregates.iter_mut().flat_map(AggregateExpr::exprs_mut);
        exprs.for_each(|expr| expr.permute_with(|column| place.get(column)));
        let place =
            Places::of(&(0..keys).chain(wanted.iter().copied().filter(|column| *column >= keys)).collect());
        self.narrow(input, &below).reduce(group_key, aggregates).project(place.all(wanted))
    }
}

/// The columns that say in which group a row is, and at which place.
fn placing(group: &[usize], order: &[SortKey]) -> Wanted {
    group.iter().copied().chain(order.iter().flat_map(|key| key.expr.support())).collect()
}

/// Whether no two rows of a group have the same place.
fn is_total(input: &Rel, group: &[usize], order: &[SortKey]) -> bool {
    let decides = |column: &usize| {
        group.contains(column) || order.iter().any(|key| key.expr == ScalarExpr::Column(*column))
    };
    input.keys().iter().any(|key| key.iter().all(decides))
}

/// `rel`'s wanted columns.
fn keep(rel: Rel, wanted: &Wanted) -> Rel {
    rel.project(wanted.iter().copied().collect())
}

/// The uses of a definition that has lost columns, all of them directly under a projection.
fn renumber_uses(body: Rel, id: LocalId, demand: &Wanted, typ: &RelationType) -> Rel {
    let place = Places::of(demand);
    body.transform(&mut |rel| match rel {
        Rel::Project { input, outputs } if matches!(*input, Rel::Get { id: Id::Local(get), .. } if get == id) => {
            Rel::local(id, typ.clone()).project(outputs.into_iter().map(|column| place.get(column)).collect())
        }
        rel => rel,
    })
}

/// Where columns stand among those that are kept.
struct Places(BTreeMap<usize, usize>);

impl Places {
    fn of(kept: &Wanted) -> Places {
        Places(kept.iter().enumerate().map(|(place, column)| (*column, place)).collect())
    }

    fn get(&self, column: usize) -> usize {
        self.0[&column]
    }

    fn renumber(&self, group: &mut [usize], order: &mut [SortKey]) {
        group.iter_mut().for_each(|column| *column = self.get(*column));
        order.iter_mut().for_each(|key| key.expr.permute_with(|column| self.get(column)));
    }

    fn all(&self, columns: &Wanted) -> Vec<usize> {
        columns.iter().map(|column| self.get(*column)).collect()
    }
}
