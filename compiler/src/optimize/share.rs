//! Definitions in normal form: all at the root, in the order of their dependence, each used more than once.
//!
//! [`unfold`] comes first: it moves definitions up, renumbers them, and writes those used once where they are used, so that other
//! passes see through them. [`share`] comes last: it names equal subexpressions, so that the renderer computes them once.

use std::collections::{BTreeMap, HashMap};

use crate::mir::{Id, LocalId, Rel, deep};
use crate::repr::RelationType;

/// Definitions used once, and those that cost nothing, are written where they are used; the others move to the root.
pub fn unfold(rel: Rel) -> Rel {
    let (definitions, body) = hoist(rel);
    let mut uses: BTreeMap<LocalId, usize> = BTreeMap::new();
    for rel in definitions.iter().map(|(_, value)| value).chain([&body]) {
        rel.visit(&mut |rel| {
            if let Rel::Get { id: Id::Local(id), .. } = rel {
                *uses.entry(*id).or_default() += 1;
            }
        });
    }
    let mut written: BTreeMap<LocalId, Rel> = BTreeMap::new();
    let mut kept = Vec::new();
    for (id, value) in definitions {
        let value = substitute(value, &written);
        match uses.get(&id) {
            None => {}
            Some(1) => drop(written.insert(id, value)),
            Some(_) if is_free(&value) => drop(written.insert(id, value)),
            Some(_) => kept.push((id, value)),
        }
    }
    bind(kept, substitute(body, &written))
}

/// Takes the definitions out of an expression, renumbered in their order from 0.
fn hoist(rel: Rel) -> (Vec<(LocalId, Rel)>, Rel) {
    let mut definitions = Vec::new();
    let body = hoist_from(rel, &mut BTreeMap::new(), &mut definitions);
    (definitions, body)
}

fn hoist_from(
    rel: Rel,
    names: &mut BTreeMap<LocalId, (LocalId, RelationType)>,
    definitions: &mut Vec<(LocalId, Rel)>,
) -> Rel {
    deep(|| match rel {
        Rel::Let { id, value, body } => {
            let value = hoist_from(*value, names, definitions);
            let fresh = LocalId(definitions.len() as u32);
            let outer = names.insert(id, (fresh, value.typ()));
            definitions.push((fresh, value));
            let body = hoist_from(*body, names, definitions);
            match outer {
                Some(outer) => names.insert(id, outer),
                None => names.remove(&id),
            };
            body
        }
        Rel::Get { id: Id::Local(id), typ } => match names.get(&id) {
            // What is known of the definition may have grown since the use was written.
            Some((fresh, typ)) => Rel::local(*fresh, typ.clone()),
            None => Rel::local(id, typ),
        },
        mut rel => {
            rel.for_each_child_mut(|child| *child = hoist_from(child.take(), names, definitions));
            rel
        }
    })
}

/// Whether computing it twice costs no more than keeping it.
fn is_free(value: &Rel) -> bool {
    match value {
        Rel::Get { .. } => true,
        Rel::Constant { rows: Ok(rows), .. } => rows.len() <= 1,
        Rel::Project { input, .. } => is_free(input),
        _ => false,
    }
}

fn substitute(rel: Rel, written: &BTreeMap<LocalId, Rel>) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Get { id: Id::Local(id), typ } => match written.get(&id) {
            Some(value) => value.clone(),
            None => Rel::local(id, typ),
        },
        rel => rel,
    })
}

fn bind(definitions: Vec<(LocalId, Rel)>, body: Rel) -> Rel {
    definitions.into_iter().rev().fold(body, |body, (id, value)| Rel::let_in(id, value, body))
}

/// Names subexpressions that occur more than once and cost something.
pub fn share(rel: Rel) -> Rel {
    let (definitions, body) = hoist(rel);
    let mut sharer = Sharer::default();
    let mut renamed = BTreeMap::new();
    for (id, value) in definitions {
        let number = sharer.intern(value, &renamed);
        renamed.insert(id, number);
    }
    let root = sharer.intern(body, &renamed);
    sharer.extract(root)
}

/// The expression as a graph in which equal subexpressions are one node.
#[derive(Default)]
struct Sharer {
    /// Each node with its children left empty, and their numbers.
    nodes: Vec<(Rel, Vec<usize>)>,
    numbers: HashMap<(Rel, Vec<usize>), usize>,
}

impl Sharer {
    fn intern(&mut self, mut rel: Rel, renamed: &BTreeMap<LocalId, usize>) -> usize {
        if let Rel::Get { id: Id::Local(id), .. } = &rel
            && let Some(number) = renamed.get(id)
        {
            return *number;
        }
        deep(|| {
            let mut children = Vec::new();
            rel.for_each_child_mut(|child| children.push(self.intern(child.take(), renamed)));
            let node = (rel, children);
            *self.numbers.entry(node.clone()).or_insert_with(|| {
                self.nodes.push(node);
                self.nodes.len() - 1
            })
        })
    }

    /// The expression again, with a definition for each node that is used twice and worth it.
    fn extract(&self, root: usize) -> Rel {
        let mut uses = vec![0usize; self.nodes.len()];
        uses[root] += 1;
        // Children have smaller numbers than their parents.
        for number in (0..=root).rev() {
            if uses[number] > 0 {
                self.nodes[number].1.iter().for_each(|child| uses[*child] += 1);
            }
        }
        let mut built: Vec<Option<Rel>> = vec![None; self.nodes.len()];
        let mut definitions = Vec::new();
        for number in 0..=root {
            if uses[number] == 0 {
                continue;
            }
            let (node, children) = &self.nodes[number];
            let mut rel = node.clone();
            let mut inputs = children.iter();
            rel.for_each_child_mut(|child| {
                let number = inputs.next().expect("invariant: a number for each child");
                *child = built[*number].clone().expect("invariant: children come first");
            });
            if uses[number] > 1 && is_worth_a_name(&rel) {
                let id = LocalId(definitions.len() as u32);
                let typ = rel.typ();
                definitions.push((id, rel));
                rel = Rel::local(id, typ);
            }
            built[number] = Some(rel);
        }
        bind(definitions, built[root].take().expect("invariant: the root was built"))
    }
}

/// Names hide what they name from the lowering, so that a collection of the catalog, which is shared anyway, gets none, nor
/// does what only filters and maps it.
fn is_worth_a_name(rel: &Rel) -> bool {
    match rel {
        Rel::Get { .. } | Rel::Constant { .. } => false,
        Rel::Project { input, .. }
        | Rel::Map { input, .. }
        | Rel::Filter { input, .. }
        | Rel::Negate { input } => is_worth_a_name(input),
        _ => true,
    }
}
