//! An input of a join as it is arranged: by which key, from where, and how its columns are made of the records.
//!
//! What others could use is a fragment. A table or view is arranged whole, its filters left to the join's closure; another collection
//! that reads no definition of this dataflow and raises no error is arranged as it is. Everything else, and everything a
//! single SELECT arranges that is not there already, is arranged for this join alone, as narrow as it can be.

use std::collections::BTreeMap;

use super::closure::Closure;
use super::graph::{Graph, Link};
use crate::lir::{Form, FragmentIndex, JoinInput};
use crate::lower::fragment::{Arrangement, canonical_form};
use crate::lower::{Lifetime, Lowerer};
use crate::mir::analysis::errors::fails;
use crate::mir::predicate::without_widening;
use crate::mir::{Id, Rel};
use crate::scalar::{Mfp, ScalarExpr, Volatility};

pub(super) struct Arranged {
    pub input: usize,
    pub source: JoinInput,
    /// How many columns its records have, and their key.
    pub arity: usize,
    pub key: usize,
    contents: Contents,
}

enum Contents {
    /// The core's rows, to be brought to the input's by its own operator: where the core's columns stand.
    Whole { mfp: Mfp, positions: Vec<usize> },
    /// The join's columns that its records hold.
    Narrow(BTreeMap<usize, usize>),
}

impl Arranged {
    /// Puts the input's columns into a closure; `position` says where a record's column stands in it.
    pub(super) fn place(&self, closure: &mut Closure, position: impl Fn(usize) -> usize, graph: &Graph<'_>) {
        let range = graph.columns.range(self.input);
        match &self.contents {
            Contents::Whole { mfp, positions } => {
                let positions: Vec<usize> = positions.iter().map(|p| position(*p)).collect();
                closure.absorb(mfp, &positions, range);
            }
            Contents::Narrow(places) => {
                let columns: Vec<usize> = places.keys().copied().collect();
                let positions: Vec<usize> = places.values().map(|p| position(*p)).collect();
                closure.absorb(&Mfp::new(positions.len()), &positions, columns.into_iter());
            }
        }
    }

    /// Where its record's columns stand behind a left record: the key first, its value at the end.
    pub(super) fn behind(&self, left_arity: usize) -> impl Fn(usize) -> usize + use<> {
        let key = self.key;
        move |position| if position < key { position } else { left_arity + position - key }
    }

    pub(super) fn fragment(&self) -> Option<FragmentIndex> {
        match self.source {
            JoinInput::Fragment(fragment) => Some(fragment),
            JoinInput::Collection { .. } => None,
        }
    }
}

/// A side of a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) fn member(self, link: &Link) -> usize {
        match self {
            Side::Left => link.left,
            Side::Right => link.right,
        }
    }
}

/// Where an input's arrangement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A fragment of the core, whole.
    Core,
    /// A fragment of the input as it is.
    Itself,
    /// Arranged for this join alone.
    Private,
}

/// Where NULL keys are left out: a join needs it on one side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Kept,
    LeftOut,
}

/// A class's member over one input, in the columns of the input's core.
fn core_key(graph: &Graph<'_>, class: usize, member: usize, input: usize) -> ScalarExpr {
    let on = &graph.inputs[input];
    let mut expr = graph.local(class, member, input);
    expr.permute(&on.mfp.projection);
    let expr = on.mfp.inline(expr);
    without_widening(&expr, &on.core.columns()).clone()
}

/// The links by which an input is looked up, in the order of its arrangement's key. An arrangement that is there and by unique
/// columns serves for more links than it has columns: the others are checked on what it finds.
pub(super) fn choose_links(graph: &Graph<'_>, input: usize, links: Vec<Link>) -> Vec<Link> {
    let by_column = |column: &usize| {
        links.iter().find(|link| {
            !graph.classes[link.class].canonical
                && core_key(graph, link.class, link.right, input) == ScalarExpr::Column(*column)
        })
    };
    let mut serving: Vec<(bool, Vec<Link>)> = Vec::new();
    for existing in &graph.inputs[input].existing {
        let covered: Option<Vec<Link>> =
            existing.key.iter().map(|column| by_column(column).cloned()).collect();
        if let Some(covered) = covered.filter(|covered| !covered.is_empty())
            && (existing.unique || covered.len() == links.len())
        {
            serving.push((!existing.unique, covered));
        }
    }
    serving.sort_by_key(|(repeats, covered)| (*repeats, usize::MAX - covered.len()));
    match serving.into_iter().next() {
        Some((_, covered)) => covered,
        None => links,
    }
}

impl Lowerer<'_> {
    /// From where an input can be arranged by one side of these links.
    pub(super) fn origin(&self, graph: &Graph<'_>, input: usize, links: &[Link], side: Side) -> Origin {
        let on = &graph.inputs[input];
        if links.is_empty() || on.is_lookup || graph.in_rounds {
            return Origin::Private;
        }
        let keys: Vec<ScalarExpr> =
            links.iter().map(|link| core_key(graph, link.class, side.member(link), input)).collect();
        let forced = links.iter().any(|link| graph.classes[link.class].canonical);
        let exists = !forced && on.existing.iter().any(|existing| is_by(&keys, &existing.key));
        let fallible = self.fallible.columns(on.core);
        let can_be_shared =
            |key: &ScalarExpr| !fails(key, &fallible) && key.size() <= 16 && is_the_same_for_all(key);
        let is_relation = matches!(on.core, Rel::Get { id: Id::Global(id), .. }
            if self.sources.source(*id).dataflow.is_some());
        let whole = is_relation && (exists || self.lifetime == Lifetime::Maintained);
        if (whole || exists) && keys.iter().all(can_be_shared) {
            return Origin::Core;
        }
        let can_fail = links.iter().any(|link| graph.can_fail(link.class, side.member(link)));
        match self.lifetime == Lifetime::Maintained && !can_fail && self.is_shareable(on.rel) {
            true => Origin::Itself,
            false => Origin::Private,
        }
    }

    /// An input arranged by one side of these links. `wanted` are the join's columns that are needed of it.
    pub(super) fn arrange_input(
        &mut self,
        graph: &Graph<'_>,
        input: usize,
        (links, side): (&[Link], Side),
        nulls: Nulls,
        wanted: &[usize],
    ) -> Arranged {
        let forced: Vec<bool> = links.iter().map(|link| graph.classes[link.class].canonical).collect();
        let on = &graph.inputs[input];
        match self.origin(graph, input, links, side) {
            Origin::Core => {
                let keys: Vec<ScalarExpr> =
                    links.iter().map(|link| core_key(graph, link.class, side.member(link), input)).collect();
                let rel = without_nulls(on.core, &keys, nulls);
                let arrangement = Arrangement::new(&on.core.typ(), &keys, &forced);
                self.arranged_whole(input, &rel, &arrangement, on.mfp.clone())
            }
            Origin::Itself => {
                let local = |link: &Link| graph.local(link.class, side.member(link), input);
                let keys: Vec<ScalarExpr> = links.iter().map(local).collect();
                let rel = without_nulls(on.rel, &keys, Nulls::LeftOut);
                let arrangement = Arrangement::new(&on.typ, &keys, &forced);
                self.arranged_whole(input, &rel, &arrangement, Mfp::new(on.typ.arity()))
            }
            Origin::Private => self.arranged_alone(graph, input, (links, side), wanted),
        }
    }

    fn arranged_whole(&mut self, input: usize, rel: &Rel, arrangement: &Arrangement, mfp: Mfp) -> Arranged {
        let fragment = self.arrange(rel, arrangement, true);
        self.read_fragment(input, fragment, mfp)
    }

    /// A fragment of an input's core, and what brings its rows to the input's.
    pub(super) fn read_fragment(&self, input: usize, fragment: FragmentIndex, mfp: Mfp) -> Arranged {
        let layout = &self.fragments.get(fragment).layout;
        Arranged {
            input,
            source: JoinInput::Fragment(fragment),
            arity: layout.typ.arity(),
            key: layout.key,
            contents: Contents::Whole { mfp, positions: layout.columns.clone() },
        }
    }

    fn arranged_alone(
        &mut self,
        graph: &Graph<'_>,
        input: usize,
        (links, side): (&[Link], Side),
        wanted: &[usize],
    ) -> Arranged {
        let on = &graph.inputs[input];
        let start = graph.columns.start(input);
        let mut places = BTreeMap::new();
        let (mut keys, mut predicates) = (Vec::new(), Vec::new());
        for (number, link) in links.iter().enumerate() {
            let member = side.member(link);
            let local = graph.local(link.class, member, input);
            let key = canonical_form(&local, &on.typ.columns, graph.classes[link.class].canonical);
            if let ScalarExpr::Column(column) = key {
                places.entry(start + column).or_insert(number);
            }
            if graph.is_nullable(link.class, member) || graph.can_fail(link.class, member) {
                predicates.push(local.is_not_null());
            }
            keys.push(key);
        }
        let key = keys.len();
        let value: Vec<usize> =
            wanted.iter().copied().filter(|column| !places.contains_key(column)).collect();
        places.extend(value.iter().enumerate().map(|(number, column)| (*column, key + number)));
        let arity = on.typ.arity();
        let outputs = (arity..arity + key).chain(value.iter().map(|column| column - start));
        let mfp = Mfp::new(arity).filter(predicates).map(keys).project(outputs);
        let records = key + value.len();
        let node = Box::new(self.lower(on.rel, mfp));
        let form = Form { mfp: Mfp::new(records), key };
        let source = JoinInput::Collection { node, form };
        Arranged { input, source, arity: records, key, contents: Contents::Narrow(places) }
    }

    /// Whether an expression means the same in any dataflow, and raises no error of its own.
    pub(super) fn is_shareable(&self, rel: &Rel) -> bool {
        let mut same = true;
        rel.visit(&mut |rel| {
            same &= !matches!(rel, Rel::Let { .. } | Rel::Get { id: Id::Local(_), .. });
            rel.for_each_scalar(|scalar| same &= is_the_same_for_all(scalar));
        });
        same && !self.fallible.may_fail(rel)
    }
}

/// Whether a key is exactly these columns.
fn is_by(keys: &[ScalarExpr], columns: &[usize]) -> bool {
    keys.len() == columns.len()
        && keys.iter().zip(columns).all(|(key, column)| *key == ScalarExpr::Column(*column))
}

/// Neither a parameter nor anything volatile.
fn is_the_same_for_all(expr: &ScalarExpr) -> bool {
    expr.volatility() == Volatility::Immutable && !expr.any(&mut |e| matches!(e, ScalarExpr::Parameter(..)))
}

fn without_nulls(rel: &Rel, keys: &[ScalarExpr], nulls: Nulls) -> Rel {
    let columns = rel.columns();
    let nullable = keys.iter().filter(|key| nulls == Nulls::LeftOut && key.nullable(&columns));
    rel.clone().filter(nullable.map(|key| key.clone().is_not_null()).collect::<Vec<_>>())
}

/// The columns of an input that a join needs.
pub(super) fn wanted_of(graph: &Graph<'_>, last: &Mfp, input: usize) -> Vec<usize> {
    let mut wanted = last.support();
    wanted.extend(graph.classes.iter().flat_map(|class| &class.members).flat_map(ScalarExpr::support));
    wanted.range(graph.columns.range(input)).copied().collect()
}
