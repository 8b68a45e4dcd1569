//! Reductions: which of its aggregates are kept how.
//!
//! Sums ride in the diff, extremes in hierarchies, the rest is computed from the whole group; aggregates of several kinds, and
//! DISTINCT ones, are reductions by the same key put side by side. Where equal keys print differently, the key is their canonical
//! form, and one more MIN finds the print that stands for the group.

use std::collections::{BTreeMap, BTreeSet};

use super::fragment::canonical_form;
use super::{Lowerer, optimized};
use crate::lir::{Form, Node, Op, Reduce, ReducePart, ReducePlan};
use crate::mir::Rel;
use crate::repr::ColumnType;
use crate::scalar::{AggregateExpr, AggregateFunc, Class, Mfp, ScalarExpr};

impl Lowerer<'_> {
    pub(super) fn lower_reduce(
        &mut self,
        input: &Rel,
        group_key: &[ScalarExpr],
        aggregates: &[AggregateExpr],
        mfp: Mfp,
    ) -> Node {
        let columns = input.columns();
        let mut record = Record::new(group_key, &columns);
        let mut kept: Vec<(Kind, AggregateExpr)> = Vec::new();
        for aggregate in aggregates {
            let number = kept.len();
            kept.push(record.aggregate(aggregate, number, &columns));
        }
        let in_rounds = input.reads_any(&self.rounds);
        // Where each column of the reduction is found: among the keys, or among the aggregates.
        let mut outputs = Vec::new();
        for (number, expr) in group_key.iter().enumerate() {
            if expr.typ(&columns).typ.has_lossy_equality() {
                outputs.push(group_key.len() + kept.len());
                let printed = record.column(expr);
                kept.push((Kind::Hierarchical, AggregateExpr::new(AggregateFunc::Min, vec![printed])));
            } else {
                outputs.push(number);
            }
        }
        outputs.extend(group_key.len()..group_key.len() + aggregates.len());
        let mut finish = Mfp::new(group_key.len() + kept.len()).project(outputs.iter().copied()).then(mfp);
        for (number, output) in outputs.iter().enumerate().take(group_key.len()) {
            // The canonical form of what the group prints is its key.
            let typ = group_key[number].typ(&columns).typ;
            let canonical = ScalarExpr::Column(*output).canonical(&typ);
            for expr in finish.maps.iter_mut().chain(&mut finish.predicates).filter(|e| **e == canonical) {
                *expr = ScalarExpr::Column(number);
            }
        }
        let finish = optimized(finish);
        if in_rounds {
            // Times are not in one order there, so that there is no present sum.
            kept.iter_mut().for_each(|(kind, _)| *kind = Kind::Basic);
        }
        let plan = plan(kept, &record, self.is_append_only(input));
        let form = Form { mfp: Mfp::new(record.exprs.len()), key: record.key };
        let input = Box::new(self.lower(input, record.form(columns.len())));
        Node::new(Op::Reduce(Reduce { input, form, plan, finish }))
    }
}

/// How an aggregate is kept; those of equal kinds are kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Accumulable,
    Hierarchical,
    Basic,
    /// By itself, as buckets of its own.
    Bucketed(usize),
    /// By itself, its arguments made distinct first.
    Distinct(usize),
}

/// What a reduction's input is brought to: the key, then what the aggregates read, each once.
struct Record {
    exprs: Vec<ScalarExpr>,
    key: usize,
    places: BTreeMap<ScalarExpr, usize>,
}

impl Record {
    fn new(group_key: &[ScalarExpr], columns: &[ColumnType]) -> Record {
        let exprs: Vec<ScalarExpr> = group_key.iter().map(|e| canonical_form(e, columns, false)).collect();
        let mut places = BTreeMap::new();
        for (place, expr) in exprs.iter().enumerate() {
            places.entry(expr.clone()).or_insert(place);
        }
        Record { key: exprs.len(), exprs, places }
    }

    /// From the input's rows.
    fn form(&self, arity: usize) -> Mfp {
        Mfp::new(arity).map(self.exprs.iter().cloned()).project(arity..arity + self.exprs.len())
    }

    /// The record's column that holds an expression of the input.
    fn column(&mut self, expr: &ScalarExpr) -> ScalarExpr {
        if expr.is_literal() && !expr.is_literal_error() {
            return expr.clone();
        }
        let next = self.exprs.len();
        let place = *self.places.entry(expr.clone()).or_insert(next);
        if place == next {
            self.exprs.push(expr.clone());
        }
        ScalarExpr::Column(place)
    }

    /// The aggregate over the record, in its cheapest form.
    fn aggregate(
        &mut self,
        aggregate: &AggregateExpr,
        number: usize,
        columns: &[ColumnType],
    ) -> (Kind, AggregateExpr) {
        let mut aggregate = aggregate.clone();
        aggregate.specialize(columns);
        aggregate.distinct &= !aggregate.func.ignores_duplicates();
        if aggregate.distinct && aggregate.func == AggregateFunc::Count {
            // Equal values count once, however they print.
            aggregate.args.iter_mut().for_each(|arg| *arg = canonical_form(arg, columns, false));
        }
        let is_canonical = aggregate.func == AggregateFunc::Count
            || !aggregate.args.iter().any(|arg| arg.typ(columns).typ.has_lossy_equality());
        let kind = match aggregate.func.class() {
            Class::Basic => Kind::Basic,
            // Which of the equal values is seen decides how the result prints: the whole group is looked at.
            _ if aggregate.distinct && !is_canonical => Kind::Basic,
            _ if aggregate.distinct => Kind::Distinct(number),
            Class::Accumulable(_) => Kind::Accumulable,
            Class::Bucketed => Kind::Bucketed(number),
            Class::Hierarchical => Kind::Hierarchical,
        };
        if kind != Kind::Basic {
            aggregate.order_by.clear();
        }
        for expr in aggregate.exprs_mut() {
            *expr = self.column(expr);
        }
        (kind, aggregate)
    }
}

/// The plan for aggregates over a record.
fn plan(kept: Vec<(Kind, AggregateExpr)>, record: &Record, append_only: bool) -> ReducePlan {
    let mut parts: Vec<(Kind, Vec<AggregateExpr>)> = Vec::new();
    let mut columns = Vec::new();
    for (kind, aggregate) in kept {
        let part = parts.iter().position(|(other, _)| *other == kind).unwrap_or_else(|| {
            parts.push((kind, vec![]));
            parts.len() - 1
        });
        columns.push((part, parts[part].1.len()));
        parts[part].1.push(aggregate);
    }
    match &mut parts[..] {
        [] => ReducePlan::Distinct,
        [(kind, aggregates)] if !matches!(kind, Kind::Distinct(_)) => {
            plan_of_kind(*kind, std::mem::take(aggregates), append_only)
        }
        _ => {
            let parts =
                parts.into_iter().map(|(kind, aggregates)| part(kind, aggregates, record, append_only));
            ReducePlan::Collate { parts: parts.collect(), columns }
        }
    }
}

fn plan_of_kind(kind: Kind, aggregates: Vec<AggregateExpr>, append_only: bool) -> ReducePlan {
    match kind {
        Kind::Accumulable | Kind::Bucketed(_) | Kind::Distinct(_) => ReducePlan::Accumulable { aggregates },
        Kind::Hierarchical => ReducePlan::Hierarchical { aggregates, append_only },
        Kind::Basic => ReducePlan::Basic { aggregates },
    }
}

/// A reduction of its own, over the key and the columns that its aggregates read.
fn part(kind: Kind, mut aggregates: Vec<AggregateExpr>, record: &Record, append_only: bool) -> ReducePart {
    let distinct = matches!(kind, Kind::Distinct(_));
    let read: BTreeSet<usize> = aggregates.iter().flat_map(AggregateExpr::support).collect();
    let kept: Vec<usize> =
        (0..record.key).chain(read.into_iter().filter(|column| *column >= record.key)).collect();
    let place =
        |column: usize| kept.binary_search(&column).expect("invariant: columns that are read are kept");
    for aggregate in &mut aggregates {
        aggregate.distinct &= !distinct;
        aggregate.exprs_mut().for_each(|expr| expr.permute_with(place));
    }
    let form = Form { mfp: Mfp::new(record.exprs.len()).project(kept.iter().copied()), key: record.key };
    ReducePart { distinct, form, plan: plan_of_kind(kind, aggregates, append_only) }
}
