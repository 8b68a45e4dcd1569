//! Reductions: a row per group.
//!
//! Sums ([`accumulate`], over [`mod@sums`]) need only the group's present sums. What depends on a group's rows in order
//! ([`extremes`], over [`mod@ordered`]) needs the rows, arranged, and reads as few of them as it can. Aggregates of different
//! kinds are reduced apart and put side by side again.

mod accumulate;
mod extremes;
mod gaps;
mod groups;
pub mod ordered;
mod sums;

use compiler::lir::{Form, Reduce, ReducePart, ReducePlan};
use compiler::scalar::{AggregateExpr, EvalError, Mfp};
use timely::dataflow::channels::pact::Pipeline;

use self::accumulate::{Accumulation, finish_empty, finish_positive, value_of, with_values};
use self::extremes::{collate_rule, extremes_rule, part_logic, segments_logic};
use self::ordered::{Wanted, ordered};
use self::sums::{Accept, Finish, accept_counts, accept_packed, partial_sums, sums};
use super::Context;
use super::bundle::Collection;
use super::finish::{Keyed, Last, rekey};
use super::linear::transform;
use crate::spine::{RowStream, arrange, by_key};

pub use self::extremes::{basic_rule, positive_rule};

/// Renders a reduction.
pub fn reduce<'s>(context: &mut Context<'s, '_>, plan: &Reduce, last: Last) -> Collection<'s> {
    let last = last.after(&plan.finish);
    let input = Input::Node(&plan.input);
    group(context, input, &plan.form, &plan.plan, last)
}

/// What a reduction reads: a node, or a collection that is rendered already.
enum Input<'n, 's> {
    Node(&'n compiler::lir::Node),
    Collection(Collection<'s>),
}

impl<'s> Input<'_, 's> {
    /// The input's rows by their group. Its errors tell the group's key in what is read of the groups, if `last` tells any.
    fn render(self, context: &mut Context<'s, '_>, mfp: &Mfp, key: usize, last: &Last) -> Collection<'s> {
        let tells = matches!(last.keyed, Keyed::Told(_));
        let form = Last::new(mfp, if tells { Keyed::Told(key) } else { Keyed::First(key) });
        let input = match self {
            Input::Node(node) => context.node(node, form),
            Input::Collection(collection) => context.finish(collection, form),
        };
        let errs = input.errs.map(|errs| if tells { rekey(errs, last) } else { errs });
        Collection { oks: input.oks, errs }
    }
}

/// Groups by the form's key; `last` is over key ++ one column per aggregate.
fn group<'s>(
    context: &mut Context<'s, '_>,
    input: Input<'_, 's>,
    form: &Form,
    plan: &ReducePlan,
    last: Last,
) -> Collection<'s> {
    match plan {
        ReducePlan::Distinct => accumulable(context, input, form, &[], last),
        ReducePlan::Accumulable { aggregates } => accumulable(context, input, form, aggregates, last),
        ReducePlan::Hierarchical { aggregates, .. } => hierarchical(context, input, form, aggregates, last),
        ReducePlan::Basic { aggregates } => basic(context, input, form, aggregates, last),
        ReducePlan::Collate { parts, columns } => collate(context, input, form, parts, columns, last),
    }
}

fn accumulable<'s>(
    context: &mut Context<'s, '_>,
    input: Input<'_, 's>,
    form: &Form,
    aggregates: &[AggregateExpr],
    last: Last,
) -> Collection<'s> {
    let accumulation = Accumulation::new(aggregates);
    let input = input.render(context, &accumulation.input(form, aggregates), form.key, &last);
    let finish = accumulation.finish(&last);
    let fallible = last.is_fallible();
    summed(input, "Accumulate", accumulation.width, fallible, accumulation.accept(), finish)
}

/// Sums by key, added up before the exchange where there is one.
fn summed<'s>(
    input: Collection<'s>,
    name: &str,
    width: usize,
    fallible: bool,
    accept: Accept,
    finish: Finish,
) -> Collection<'s> {
    let result = match input.oks.scope().peers() {
        1 => sums(input.oks, Pipeline, name, width, fallible, accept, finish),
        _ => {
            let partial = partial_sums(input.oks, "Partial sums", width, accept);
            sums(partial, by_key(), name, width, fallible, accept_packed(width), finish)
        }
    };
    result.with_errs([input.errs])
}

/// Keeps rows of which there is a positive number. The input's whole rows are its keys.
pub fn threshold<'s>(input: Collection<'s>, keyed: Keyed) -> Collection<'s> {
    summed(input, "Threshold", 1, false, accept_counts(), finish_positive(keyed))
}

/// An error, as long as there is a row. The rows are keys as a whole.
pub fn must_be_empty<'s>(rows: RowStream<'s>, error: EvalError) -> RowStream<'s> {
    let rows = Collection::infallible(rows);
    let empty = summed(rows, "MustBeEmpty", 1, true, accept_counts(), finish_empty(error));
    empty.errs.expect("invariant: it may emit an error")
}

fn hierarchical<'s>(
    context: &mut Context<'s, '_>,
    input: Input<'_, 's>,
    form: &Form,
    aggregates: &[AggregateExpr],
    last: Last,
) -> Collection<'s> {
    let record = with_values(form, aggregates.iter().map(value_of).collect());
    let input = input.render(context, &record, form.key, &last);
    let values =
        transform(input.oks, "Arguments", context.bounds, false, segments_logic(form.key, aggregates));
    let segments =
        u8::try_from(aggregates.len()).expect("invariant: lower puts at most 255 extremes together");
    let arranged = arrange(values.oks, "ArrangeExtremes");
    let rule = extremes_rule(aggregates.len(), &last);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    ordered(arranged, "Extremes", Wanted::FirstOf(segments), fallible, rule, counters).with_errs([input.errs])
}

fn basic<'s>(
    context: &mut Context<'s, '_>,
    input: Input<'_, 's>,
    form: &Form,
    aggregates: &[AggregateExpr],
    last: Last,
) -> Collection<'s> {
    let input = input.render(context, &form.mfp, form.key, &last);
    let arranged = arrange(input.oks, "ArrangeBasic");
    let rule = basic_rule(aggregates.to_vec(), &last);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    ordered(arranged, "Basic", Wanted::Rows(u64::MAX), fallible, rule, counters).with_errs([input.errs])
}

/// Reduces each part by itself, then brings the parts of a group together.
fn collate<'s>(
    context: &mut Context<'s, '_>,
    input: Input<'_, 's>,
    form: &Form,
    parts: &[ReducePart],
    columns: &[(usize, usize)],
    last: Last,
) -> Collection<'s> {
    let record = match input {
        Input::Node(node) => context.node(node, Last::new(&form.mfp, Keyed::Whole)),
        Input::Collection(collection) => context.finish(collection, Last::new(&form.mfp, Keyed::Whole)),
    };
    let mut segments = Vec::new();
    let mut errs = vec![record.errs.clone()];
    for (index, part) in parts.iter().enumerate() {
        let oks = Collection::infallible(record.oks.clone());
        let reduced = self::part(context, oks, part);
        let placed = transform(reduced.oks, "Part", context.bounds, false, part_logic(part.form.key, index));
        segments.push(placed.oks);
        errs.push(reduced.errs);
    }
    let all = super::bundle::concatenate(context.scope, segments).expect("invariant: there are parts");
    let rule = collate_rule(parts.len(), columns.to_vec(), &last);
    let (fallible, counters) = (last.is_fallible(), context.counters());
    let count = u8::try_from(parts.len()).expect("invariant: lower makes at most 255 parts");
    ordered(arrange(all, "ArrangeParts"), "Collate", Wanted::FirstOf(count), fallible, rule, counters)
        .with_errs(errs)
}

/// One part: its rows are key ++ one column per aggregate.
fn part<'s>(context: &mut Context<'s, '_>, record: Collection<'s>, part: &ReducePart) -> Collection<'s> {
    if !part.distinct {
        let last = Last::keyed(Keyed::First(part.form.key));
        return group(context, Input::Collection(record), &part.form, &part.plan, last);
    }
    let ReducePlan::Accumulable { aggregates } = &part.plan else {
        unreachable!("invariant: lower makes distinct only what is summed");
    };
    let [aggregate] = &aggregates[..] else {
        unreachable!("invariant: lower makes a part of each distinct aggregate");
    };
    // Key ++ argument, each once, with NULL for what the filter drops, so that the group is there all the same; then what
    // is distinct is grouped by the key alone.
    let key = part.form.key;
    let whole = Form { mfp: with_values(&part.form, vec![value_of(aggregate)]), key: key + 1 };
    let distinct = accumulable(context, Input::Collection(record), &whole, &[], Last::keyed(Keyed::Whole));
    let summed = AggregateExpr::new(aggregate.func, vec![compiler::scalar::ScalarExpr::Column(key)]);
    let form = Form { mfp: Mfp::new(key + 1), key };
    let plan = ReducePlan::Accumulable { aggregates: vec![summed] };
    group(context, Input::Collection(distinct), &form, &plan, Last::keyed(Keyed::First(key)))
}
