//! A join taken apart: its inputs, and the classes of expressions that are equal in its rows.

use std::collections::BTreeSet;

use crate::lower::{Lowerer, fragment::canonical_form, lookup, peel};
use crate::mir::analysis::cardinality::guess;
use crate::mir::analysis::columns::Columns;
use crate::mir::analysis::errors::fails;
use crate::mir::{Id, Rel};
use crate::repr::{ColumnType, RelationType};
use crate::scalar::{Mfp, ScalarExpr};

pub(super) struct Graph<'r> {
    pub inputs: Vec<Input<'r>>,
    pub classes: Vec<Class>,
    /// The places of the inputs' columns in the join, their types, and whether they can hold error cells.
    pub columns: Columns,
    pub types: Vec<ColumnType>,
    pub fallible: Vec<bool>,
    /// It reads the last round of a recursion, where nothing is shared.
    pub in_rounds: bool,
}

pub(super) struct Input<'r> {
    pub rel: &'r Rel,
    pub typ: RelationType,
    /// What is under its maps, filters and projections, and those.
    pub core: &'r Rel,
    pub mfp: Mfp,
    /// A guess at its number of rows.
    pub rows: f64,
    /// The columns of arrangements of the core that exist already: by which columns, and whether these tell rows apart.
    pub existing: Vec<Existing>,
    /// Literals fix the key of one of these: it is small, and read by lookup.
    pub is_lookup: bool,
}

pub(super) struct Existing {
    pub key: Vec<usize>,
    pub unique: bool,
}

/// Expressions over the join's columns that are equal, and not NULL, in each of its rows.
pub(super) struct Class {
    pub members: Vec<ScalarExpr>,
    /// The members' types differ in how equal values are encoded, so that only canonical forms can be compared as bytes.
    pub canonical: bool,
}

/// How a row that has some inputs finds those of another: the class's expression over what is there equals this over the
/// other.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub class: usize,
    /// Which members of the class.
    pub left: usize,
    pub right: usize,
}

impl<'r> Graph<'r> {
    pub(super) fn new(
        lowerer: &Lowerer<'_>,
        inputs: &'r [Rel],
        equivalences: &[Vec<ScalarExpr>],
    ) -> Graph<'r> {
        let columns = Columns::of(inputs);
        let fallible = inputs.iter().flat_map(|input| lowerer.fallible.columns(input)).collect();
        let in_rounds = inputs.iter().any(|input| input.reads_any(&lowerer.rounds));
        let mut inputs: Vec<Input<'r>> = inputs.iter().map(|input| Input::new(lowerer, input)).collect();
        if in_rounds {
            inputs.iter_mut().for_each(|input| input.existing.clear());
        }
        let types: Vec<ColumnType> = inputs.iter().flat_map(|input| input.typ.columns.clone()).collect();
        let classes = equivalences.iter().map(|class| Class::new(class, &types)).collect();
        Graph { inputs, classes, columns, types, fallible, in_rounds }
    }

    /// All ways in which rows that have the inputs `bound` find those of `next`, one for each class.
    pub(super) fn links(&self, bound: &BTreeSet<usize>, next: usize) -> Vec<Link> {
        let mut links = Vec::new();
        for (number, class) in self.classes.iter().enumerate() {
            let over = |allowed: &dyn Fn(usize) -> bool| {
                let mut fit = (0..class.members.len()).filter(|member| {
                    let inputs = self.columns.inputs_of(&class.members[*member]);
                    !inputs.is_empty() && inputs.into_iter().all(allowed)
                });
                // A plain column rather than what is computed of it.
                let first = fit.next();
                fit.find(|m| {
                    matches!(class.members[*m], ScalarExpr::Column(_)) && !self.is_column(number, first)
                })
                .or(first)
            };
            if let (Some(left), Some(right)) =
                (over(&|input| bound.contains(&input)), over(&|input| input == next))
            {
                links.push(Link { class: number, left, right });
            }
        }
        links
    }

    fn is_column(&self, class: usize, member: Option<usize>) -> bool {
        member.is_some_and(|member| matches!(self.classes[class].members[member], ScalarExpr::Column(_)))
    }

    pub(super) fn member(&self, class: usize, member: usize) -> &ScalarExpr {
        &self.classes[class].members[member]
    }

    /// A member as the key by which it is compared.
    pub(super) fn key(&self, class: usize, member: usize) -> ScalarExpr {
        canonical_form(self.member(class, member), &self.types, self.classes[class].canonical)
    }

    /// A member over one input, in that input's columns.
    pub(super) fn local(&self, class: usize, member: usize, input: usize) -> ScalarExpr {
        let start = self.columns.start(input);
        let mut expr = self.member(class, member).clone();
        expr.permute_with(|column| column - start);
        expr
    }

    pub(super) fn is_nullable(&self, class: usize, member: usize) -> bool {
        self.member(class, member).nullable(&self.types)
    }

    pub(super) fn can_fail(&self, class: usize, member: usize) -> bool {
        fails(self.member(class, member), &self.fallible)
    }
}

impl<'r> Input<'r> {
    fn new(lowerer: &Lowerer<'_>, rel: &'r Rel) -> Input<'r> {
        let (core, mfp) = peel(rel);
        let mut existing = Vec::new();
        let mut is_lookup = false;
        match core {
            Rel::Get { id: Id::Global(id), typ } => {
                let source = lowerer.sources.source(*id);
                let indexes = source.indexes.iter().map(|(_, dataflow)| dataflow);
                for fragment in source.dataflow.iter().chain(indexes).filter_map(|d| lookup::published(d)) {
                    let layout = &fragment.layout;
                    if layout.key_columns.len() == layout.key {
                        existing.push(Existing { key: layout.key_columns.clone(), unique: layout.unique });
                    }
                }
                is_lookup = lookup::literal_lookup(&source, &mfp, &typ.columns).is_some();
            }
            // What a grouping keeps is an arrangement by its key.
            Rel::Reduce { group_key, .. } if !group_key.is_empty() && lowerer.is_shareable(core) => {
                existing.push(Existing { key: (0..group_key.len()).collect(), unique: true });
            }
            _ => {}
        }
        Input { rel, typ: rel.typ(), core, mfp, rows: guess(rel), existing, is_lookup }
    }
}

impl Class {
    fn new(members: &[ScalarExpr], types: &[ColumnType]) -> Class {
        let first = members.first().map(|member| member.typ(types).typ);
        let mixed = members.iter().any(|member| Some(member.typ(types).typ) != first);
        let lossy = members.iter().any(|member| member.typ(types).typ.without_typmod().has_lossy_equality());
        Class { members: members.to_vec(), canonical: mixed && lossy }
    }
}
