//! Definitions in normal form: all at the root, in the order of their dependence, each used more than once. What reads the name of a
//! recursion stays within its value, at whose root it stands.
//!
//! [`unfold`] comes first: it moves definitions up, renumbers them, and writes those used once where they are used, so that other
//! passes see through them. [`share`] comes last: it names equal subexpressions, so that the renderer computes them once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::mir::{Id, LocalId, Rel, deep};
use crate::repr::RelationType;

/// Definitions used once, and those that cost nothing, are written where they are used; the others move to the root, or, if they
/// read the name of a recursion, to the root of its value.
pub fn unfold(rel: Rel) -> Rel {
    let (definitions, body) = hoist(rel);
    write_out(definitions, body)
}

/// `body` under those of its definitions that it keeps.
fn write_out(definitions: Vec<(LocalId, Rel)>, body: Rel) -> Rel {
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
    let mut hoist = Hoist::default();
    let body = hoist.take(rel);
    (hoist.definitions, body)
}

#[derive(Default)]
struct Hoist {
    /// The number of the next definition, or name of a recursion.
    next: u32,
    names: BTreeMap<LocalId, (LocalId, RelationType)>,
    definitions: Vec<(LocalId, Rel)>,
}

impl Hoist {
    fn take(&mut self, rel: Rel) -> Rel {
        deep(|| match rel {
            Rel::Let { id, value, body } => {
                let value = self.take(*value);
                let fresh = self.fresh();
                let typ = value.typ();
                self.definitions.push((fresh, value));
                self.named(id, (fresh, typ), |this| this.take(*body))
            }
            Rel::Recursive { id, value, rounds } => {
                let fresh = self.fresh();
                let typ = RelationType::new(value.columns());
                let before = self.definitions.len();
                let value = self.named(id, (fresh, typ), |this| this.take(*value));
                // What reads the name, through other definitions too, stays within the value.
                let mut names = BTreeSet::from([fresh]);
                let mut inside = Vec::new();
                for (id, definition) in self.definitions.split_off(before) {
                    if definition.reads_any(&names) {
                        names.insert(id);
                        inside.push((id, definition));
                    } else {
                        self.definitions.push((id, definition));
                    }
                }
                Rel::recursive(fresh, write_out(inside, value), rounds)
            }
            Rel::Get { id: Id::Local(id), typ } => match self.names.get(&id) {
                // What is known of the definition may have grown since the use was written.
                Some((fresh, typ)) => Rel::local(*fresh, typ.clone()),
                None => Rel::local(id, typ),
            },
            mut rel => {
                rel.for_each_child_mut(|child| *child = self.take(child.take()));
                rel
            }
        })
    }

    fn fresh(&mut self) -> LocalId {
        self.next += 1;
        LocalId(self.next - 1)
    }

    /// Does something while a name stands for another.
    fn named(
        &mut self,
        id: LocalId,
        fresh: (LocalId, RelationType),
        within: impl FnOnce(&mut Hoist) -> Rel,
    ) -> Rel {
        let outer = self.names.insert(id, fresh);
        let rel = within(self);
        match outer {
            Some(outer) => self.names.insert(id, outer),
            None => self.names.remove(&id),
        };
        rel
    }
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
        let number = sharer.intern(value, &mut renamed);
        renamed.insert(id, number);
    }
    let root = sharer.intern(body, &mut renamed);
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
    /// The number of an expression, in which definitions are what they stand for.
    fn intern(&mut self, rel: Rel, renamed: &mut BTreeMap<LocalId, usize>) -> usize {
        if let Rel::Get { id: Id::Local(id), .. } = &rel
            && let Some(number) = renamed.get(id)
        {
            return *number;
        }
        deep(|| match rel {
            Rel::Let { id, value, body } => {
                let number = self.intern(*value, renamed);
                renamed.insert(id, number);
                self.intern(*body, renamed)
            }
            mut rel => {
                let mut children = Vec::new();
                rel.for_each_child_mut(|child| children.push(self.intern(child.take(), renamed)));
                let node = (rel, children);
                *self.numbers.entry(node.clone()).or_insert_with(|| {
                    self.nodes.push(node);
                    self.nodes.len() - 1
                })
            }
        })
    }

    /// The expression again, with a definition for each node that is used twice and worth it: at the root, or at that of the value of
    /// the recursion whose name it reads.
    fn extract(&self, root: usize) -> Rel {
        let mut uses = vec![0usize; self.nodes.len()];
        uses[root] += 1;
        // Children have smaller numbers than their parents.
        for number in (0..=root).rev() {
            if uses[number] > 0 {
                self.nodes[number].1.iter().for_each(|child| uses[*child] += 1);
            }
        }
        let names = self.names_read();
        let mut next = names.iter().flatten().map(|name| name.0 + 1).max().unwrap_or(0);
        let mut built: Vec<Option<Rel>> = vec![None; self.nodes.len()];
        let mut definitions: BTreeMap<Option<LocalId>, Vec<(LocalId, Rel)>> = BTreeMap::new();
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
            if let Rel::Recursive { id, value, .. } = &mut rel {
                **value = bind(definitions.remove(&Some(*id)).unwrap_or_default(), value.take());
            }
            if uses[number] > 1 && is_worth_a_name(&rel) {
                let id = LocalId(next);
                next += 1;
                let typ = rel.typ();
                // A recursion within another one has the greater name.
                let within = names[number].last().copied();
                definitions.entry(within).or_default().push((id, rel));
                rel = Rel::local(id, typ);
            }
            built[number] = Some(rel);
        }
        let definitions = definitions.remove(&None).unwrap_or_default();
        bind(definitions, built[root].take().expect("invariant: the root was built"))
    }

    /// For each node, the names of recursions around it that it reads.
    fn names_read(&self) -> Vec<BTreeSet<LocalId>> {
        let mut read: Vec<BTreeSet<LocalId>> = Vec::with_capacity(self.nodes.len());
        for (node, children) in &self.nodes {
            let mut names: BTreeSet<LocalId> =
                children.iter().flat_map(|child| read[*child].iter().copied()).collect();
            match node {
                Rel::Get { id: Id::Local(id), .. } => drop(names.insert(*id)),
                Rel::Recursive { id, .. } => drop(names.remove(id)),
                _ => {}
            }
            read.push(names);
        }
        read
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
