//! Recursion: a value over its own last result, round after round, until a round changes no row.
//!
//! ```text
//!   entered ──▶ the value ──▶ rows ──┬──────────────▶ leave
//!                  ▲                 ├── last round ─▶ an error
//!                  └── next round ◀──┘
//! ```
//! A time within is a pair (time, round): what a change at a time does to a round is added to what it was at earlier times, so that
//! only what differs is done again. Pairs are not in one order, on which the other operators of this folder rest. So what reads
//! the recursion's name is rendered here, over differential's own operators, by the same map-filter-projects and the same rules of
//! groups; nothing of it is shared. What does not is rendered like anything else, and entered.
//!
//! A round is over when every worker has it behind itself, and between two rounds the worker sees to its other dataflows. Errors are not
//! fed back: those of the last round are the recursion's, each as often as it was met.

use std::collections::{BTreeMap, BTreeSet};

use compiler::lir::{Form, Join, JoinInput, LinearStage, Node, NodeId, Op, Recursive, Reduce, ReducePlan};
use compiler::mir::{COPIES_MAX, LocalId, deep};
use compiler::scalar::{EvalError, ScalarExpr, SortKey, TableFunc};
use differential_dataflow::VecCollection;
use differential_dataflow::operators::iterate::Variable;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{Operator, OutputBuilder};
use timely::dataflow::operators::{Enter, Leave, OkErr};
use timely::order::Product;
use timely::progress::operate::FrontierInterest;

use super::Context;
use super::bundle::{Collection, Emit};
use super::finish::{Finisher, Keyed, Last};
use super::flat_map::Calls;
use super::linear::Logic;
use super::reduce::ordered::{Outcome, Rule};
use super::reduce::{basic_rule, must_be_empty, positive_rule};
use super::sorted::{Misplaced, sort_logic, sort_record};
use super::top_k::slice_rule;
use super::window::partition_rule;
use crate::counters::Counters;
use crate::spine::{Diff, RowStream, RowsBuilder, Timestamp};

/// A time and how many rounds it took to get there.
type Round = Product<Timestamp, u64>;

type Bytes = Vec<u8>;

/// Changing packed rows, each in two parts: a key, which may be all of it, and the rest.
type Rows<'r> = VecCollection<'r, Round, (Bytes, Bytes), Diff>;

/// Changing packed errors.
type Errors<'r> = VecCollection<'r, Round, Bytes, Diff>;

/// What becomes of a row: another one, or an error.
type Become = Result<(Bytes, Bytes), Bytes>;

/// A collection within a recursion.
#[derive(Clone)]
struct Changing<'r> {
    oks: Rows<'r>,
    errs: Option<Errors<'r>>,
}

/// Renders a recursion; `last` is done to each of its rows.
pub fn recursive<'s>(context: &mut Context<'s, '_>, plan: &Recursive, last: Last) -> Collection<'s> {
    let (mut changing, mut names) = (BTreeSet::new(), BTreeSet::from([plan.id]));
    find_changing(&plan.value, &mut names, &mut changing);
    let (scope, counters) = (context.scope, context.counters());
    let (oks, errs, endless) = scope.scoped("Recursive", |inner: Scope<'_, Round>| {
        let (variable, name) = Variable::new(inner, Product::new(0, 1));
        let locals = BTreeMap::from([(plan.id, Changing { oks: name, errs: None })]);
        let value = Rounds { context, inner, locals, changing }.node(&plan.value, Last::keyed(Keyed::Whole));
        let rows = match plan.value.op {
            // It says itself what changes, once.
            Op::Reduce(_) => value.oks,
            _ => value.oks.consolidate(),
        };
        let (within, endless) = bound(rows, plan.rounds, counters);
        variable.set(within.clone());
        let errs = value.errs.map(|errs| leave(errs, scope, |error| (&[], error)));
        (leave(within, scope, parts), errs, leave(endless, scope, parts))
    });
    let endless = must_be_empty(endless, EvalError::too_many_rounds(plan.rounds));
    let rows = context.finish(Collection::infallible(oks), last);
    rows.with_errs([errs, Some(endless)])
}

/// Finds the nodes that read one of the names.
fn find_changing(node: &Node, names: &mut BTreeSet<LocalId>, changing: &mut BTreeSet<NodeId>) {
    deep(|| {
        let mut reads = matches!(&node.op, Op::Local { id, .. } if names.contains(id));
        for child in node.children() {
            find_changing(child, names, changing);
            reads |= changing.contains(&child.id);
            if let Op::Let { id, value, .. } = &node.op
                && changing.contains(&value.id)
            {
                names.insert(*id);
            }
        }
        if reads {
            changing.insert(node.id);
        }
    })
}

/// Divides what a round makes: what goes on, and what the last round that may be still changes.
///
/// What is left out here is not lost: while anything is, the recursion is an error. Of the rounds whose rows are not what they should
/// be, because something was left out before, the first has lost exactly what was left out of it.
fn bound<'r>(rows: Rows<'r>, rounds: u64, counters: Counters) -> (Rows<'r>, Rows<'r>) {
    let (within, endless) = rows.inner.ok_err(move |(row, round, diff): ((Bytes, Bytes), Round, Diff)| {
        counters.add_rows_read(1);
        let goes_on = round.inner < rounds && diff.unsigned_abs() <= COPIES_MAX;
        if goes_on { Ok((row, round, diff)) } else { Err((row, round, diff)) }
    });
    (VecCollection::new(within), VecCollection::new(endless))
}

/// Brings packed updates in, as what a function makes of key and value.
fn enter<'r, D: Clone + 'static>(
    rows: RowStream<'_>,
    inner: Scope<'r, Round>,
    owned: fn(&[u8], &[u8]) -> D,
) -> VecCollection<'r, Round, D, Diff> {
    type Builder<D> = CapacityContainerBuilder<Vec<(D, Round, Diff)>>;
    let entered = rows.enter(inner).unary::<Builder<D>, _, _, _>(Pipeline, "Enter", |_, _| {
        move |input, output| {
            input.for_each(|capability, rows| {
                let mut session = output.session_with_builder(&capability);
                for (key, value, time, diff) in rows.borrow().iter() {
                    session.give((owned(key, value), Product::new(time, 0), diff));
                }
            })
        }
    });
    VecCollection::new(entered)
}

/// What the rounds of a time come to, as keys and values.
fn leave<'s, D: Clone + 'static>(
    rows: VecCollection<'_, Round, D, Diff>,
    scope: Scope<'s, Timestamp>,
    parts: fn(&D) -> (&[u8], &[u8]),
) -> RowStream<'s> {
    rows.inner.leave(scope).unary::<RowsBuilder, _, _, _>(Pipeline, "Leave", |_, _| {
        move |input, output| {
            input.for_each(|capability, rows| {
                let mut session = output.session_with_builder(&capability);
                for (row, round, diff) in rows.iter() {
                    let (key, value) = parts(row);
                    session.give((key, value, round.outer, *diff));
                }
            })
        }
    })
}

fn parts((key, value): &(Bytes, Bytes)) -> (&[u8], &[u8]) {
    (key, value)
}

/// The value of a recursion being built.
struct Rounds<'r, 'c, 's, 'i> {
    /// Renders what is the same in all rounds.
    context: &'c mut Context<'s, 'i>,
    inner: Scope<'r, Round>,
    locals: BTreeMap<LocalId, Changing<'r>>,
    changing: BTreeSet<NodeId>,
}

impl<'r> Rounds<'r, '_, '_, '_> {
    /// Renders a node; `last` is done to each of its rows.
    fn node(&mut self, node: &Node, last: Last) -> Changing<'r> {
        if self.changing.contains(&node.id) {
            return deep(|| self.op(&node.op, last));
        }
        let Collection { oks, errs } = self.context.node(node, last);
        Changing {
            oks: enter(oks, self.inner, |key, value| (key.to_vec(), value.to_vec())),
            errs: errs.map(|errs| enter(errs, self.inner, |_, error| error.to_vec())),
        }
    }

    fn op(&mut self, op: &Op, last: Last) -> Changing<'r> {
        match op {
            Op::Let { id, value, body } => {
                if self.changing.contains(&value.id) {
                    let value = self.node(value, Last::keyed(Keyed::Whole));
                    self.locals.insert(*id, value);
                } else {
                    let value = self.context.node(value, Last::keyed(Keyed::Whole));
                    self.context.locals.insert(*id, value);
                }
                self.node(body, last)
            }
            Op::Local { id, mfp } => {
                let local = self.locals.get(id).expect("invariant: a local is defined around its uses");
                finish(local.clone(), &last.after(mfp))
            }
            Op::Mfp { input, mfp } => self.node(input, last.after(mfp)),
            Op::FlatMap { input, func, args, mfp } => {
                let input = self.node(input, Last::keyed(Keyed::Whole));
                let arity = mfp.input_arity - func.arity();
                flat_map(input, arity, (*func, args), &last.after(mfp))
            }
            Op::Join(Join::Linear { first, stages }) => self.join(first, stages, last),
            Op::Reduce(plan) => self.reduce(plan, last),
            Op::TopK(plan) => {
                let groups = self.sorted(&plan.input, &plan.form, &plan.order, Misplaced::Fails);
                let last = last.after(&plan.finish);
                grouped(groups, last.is_fallible(), slice_rule(plan.order.len(), plan.slice, &last))
            }
            Op::Window(plan) => {
                let groups = self.sorted(&plan.input, &plan.form, &plan.order, Misplaced::Stays);
                let last = last.after(&plan.finish);
                grouped(groups, last.is_fallible(), partition_rule(plan, &last))
            }
            Op::Negate { input } => {
                let Changing { oks, errs } = self.node(input, last);
                Changing { oks: oks.negate(), errs }
            }
            Op::Threshold { input } => {
                let input = self.node(input, Last::keyed(Keyed::Whole));
                grouped(input, last.is_fallible(), positive_rule(&last))
            }
            Op::Union { inputs } => {
                let inputs: Vec<Changing<'r>> =
                    inputs.iter().map(|input| self.node(input, last.clone())).collect();
                let (oks, errs): (Vec<_>, Vec<_>) =
                    inputs.into_iter().map(|input| (input.oks, input.errs)).unzip();
                let oks = oks.into_iter().reduce(|all, more| all.concat(more));
                Changing { oks: oks.expect("invariant: a union has inputs"), errs: all_of(errs) }
            }
            Op::Constant { .. } | Op::Shard { .. } | Op::Arranged { .. } => {
                unreachable!("invariant: it reads no local")
            }
            Op::Recursive(_) | Op::Lookup(_) | Op::Changes { .. } | Op::Join(Join::Delta { .. }) => {
                unreachable!("invariant: neither bind nor lower lets it read a recursion's name")
            }
        }
    }

    fn reduce(&mut self, plan: &Reduce, last: Last) -> Changing<'r> {
        let input = self.node(&plan.input, Last::new(&plan.form.mfp, Keyed::First(plan.form.key)));
        let aggregates = match &plan.plan {
            ReducePlan::Distinct => Vec::new(),
            ReducePlan::Basic { aggregates } => aggregates.clone(),
            _ => unreachable!("invariant: lower recomputes groups within a recursion"),
        };
        let last = last.after(&plan.finish);
        grouped(input, last.is_fallible(), basic_rule(aggregates, &last))
    }

    /// A node's rows by the form's key, each group's in the order.
    fn sorted(&mut self, input: &Node, form: &Form, order: &[SortKey], misplaced: Misplaced) -> Changing<'r> {
        let input = self.node(input, Last::new(&sort_record(form, order), Keyed::First(form.key)));
        apply(input, sort_logic(form.key, order, misplaced))
    }

    fn join(&mut self, first: &JoinInput, stages: &[LinearStage], last: Last) -> Changing<'r> {
        let mut running = self.join_input(first);
        for (index, stage) in stages.iter().enumerate() {
            if let Some(form) = &stage.left {
                running = finish(running, &Last::new(&form.mfp, Keyed::Joined(form.key)));
            }
            let right = self.join_input(&stage.right);
            let closure = match index + 1 == stages.len() {
                true => last.clone().after(&stage.closure),
                false => Last::new(&stage.closure, Keyed::Whole),
            };
            running = join_two(running, right, &closure);
        }
        running
    }

    fn join_input(&mut self, input: &JoinInput) -> Changing<'r> {
        match input {
            JoinInput::Fragment(_) => unreachable!("invariant: a join within a recursion shares nothing"),
            JoinInput::Collection { node, form } => {
                self.node(node, Last::new(&form.mfp, Keyed::Joined(form.key)))
            }
        }
    }
}

/// The rows with equal keys side by side; `closure` is over key ++ left value ++ right value.
fn join_two<'r>(left: Changing<'r>, right: Changing<'r>, closure: &Last) -> Changing<'r> {
    let mut finisher = closure.finisher();
    let (arranged, other) = (left.oks.arrange_by_key(), right.oks.arrange_by_key());
    let joined = arranged.join_core(other, move |key, left, right| {
        finisher.run(&[key, left, right]);
        result(&finisher)
    });
    with_errs(divided(joined, closure.is_fallible()), [left.errs, right.errs])
}

fn finish<'r>(input: Changing<'r>, last: &Last) -> Changing<'r> {
    if last.is_nothing() {
        return input;
    }
    let mut finisher = last.finisher();
    each_row(input, last.is_fallible(), move |key, value, give| {
        finisher.run(&[key, value]);
        result(&finisher).into_iter().for_each(give);
    })
}

fn flat_map<'r>(
    input: Changing<'r>,
    arity: usize,
    (func, args): (TableFunc, &[ScalarExpr]),
    last: &Last,
) -> Changing<'r> {
    let mut calls = Calls::new(arity, func, args, last);
    each_row(input, true, move |key, value, give| {
        calls.for_each_row(&[key, value].concat(), |called| match called {
            Ok(finisher) => result(finisher).into_iter().for_each(&mut *give),
            Err(error) => give(Err(error.packed())),
        });
    })
}

/// Applies a function of one row to each.
fn apply<'r>(input: Changing<'r>, mut logic: Logic) -> Changing<'r> {
    let mut emit = Emit::default();
    each_row(input, true, move |key, value, give| {
        logic(&[&[key, value].concat()], 0, 1, &mut emit);
        emit.drain(|emitted| {
            give(emitted.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(<[u8]>::to_vec));
        });
    })
}

/// What a rule makes of each group of rows.
fn grouped<'r>(input: Changing<'r>, fallible: bool, mut rule: Rule) -> Changing<'r> {
    let mut outcome = Outcome::default();
    let reduced = input.oks.reduce(move |key, values, results: &mut Vec<(Become, Diff)>| {
        let there = values.iter().filter(|(_, diff)| *diff > 0);
        let rows: Vec<(&[u8], Diff)> = there.map(|(value, diff)| (&value[..], *diff)).collect();
        rule(key, &rows, &mut outcome);
        outcome.drain(|row, diff| {
            let row = row.map(|(key, value)| (key.to_vec(), value.to_vec()));
            results.push((row.map_err(EvalError::packed), diff));
        });
    });
    with_errs(divided(reduced.map(|(_, row)| row), fallible), [input.errs])
}

/// What a finisher has made of a row, if it did not drop it.
fn result(finisher: &Finisher) -> Option<Become> {
    if let Some((_, error)) = finisher.error() {
        return Some(Err(error.packed()));
    }
    finisher.row().map(|(row, key_len)| {
        let (key, value) = row.split_at(key_len);
        Ok((key.to_vec(), value.to_vec()))
    })
}

/// An operator without memory: what a function gives for each row. `fallible` says whether it may give errors.
fn each_row<'r>(
    input: Changing<'r>,
    fallible: bool,
    mut logic: impl FnMut(&[u8], &[u8], &mut dyn FnMut(Become)) + 'static,
) -> Changing<'r> {
    let mut builder = OperatorBuilder::new("EachRow".to_owned(), input.oks.scope());
    let mut rows = builder.new_input(input.oks.inner, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (oks, ok_stream) = builder.new_output::<Vec<((Bytes, Bytes), Round, Diff)>>();
    let errs = fallible.then(|| builder.new_output::<Vec<(Bytes, Round, Diff)>>());
    let (errs, err_stream) = errs.unzip();
    let (mut oks, mut errs) = (OutputBuilder::from(oks), errs.map(OutputBuilder::from));
    builder.build(move |_| {
        move |_| {
            let mut oks = oks.activate();
            let mut errs = errs.as_mut().map(OutputBuilder::activate);
            rows.for_each_stamp(|capability, rows| {
                let mut good = oks.session(&capability);
                let mut bad = errs.as_mut().map(|errs| errs.session(&capability));
                for ((key, value), round, diff) in rows.flat_map(|rows| rows.drain(..)) {
                    logic(&key, &value, &mut |result| match (result, &mut bad) {
                        (Ok(row), _) => good.give((row, round, diff)),
                        (Err(error), Some(bad)) => bad.give((error, round, diff)),
                        (Err(_), None) => debug_assert!(false, "invariant: only what is fallible fails"),
                    });
                }
            });
        }
    });
    let changing = Changing { oks: VecCollection::new(ok_stream), errs: err_stream.map(VecCollection::new) };
    with_errs(changing, [input.errs])
}

/// Rows and errors apart.
fn divided<'r>(all: VecCollection<'r, Round, Become, Diff>, fallible: bool) -> Changing<'r> {
    let (oks, errs) = all.inner.ok_err(|(row, round, diff)| match row {
        Ok(row) => Ok((row, round, diff)),
        Err(error) => Err((error, round, diff)),
    });
    Changing { oks: VecCollection::new(oks), errs: fallible.then(|| VecCollection::new(errs)) }
}

fn with_errs<'r>(changing: Changing<'r>, more: impl IntoIterator<Item = Option<Errors<'r>>>) -> Changing<'r> {
    let errs = std::iter::once(changing.errs).chain(more);
    Changing { oks: changing.oks, errs: all_of(errs) }
}

fn all_of<'r>(errs: impl IntoIterator<Item = Option<Errors<'r>>>) -> Option<Errors<'r>> {
    errs.into_iter().flatten().reduce(|all, more| all.concat(more))
}
