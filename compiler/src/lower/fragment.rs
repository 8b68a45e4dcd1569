//! Fragments: arrangements that dataflows share, and the identities by which they find each other.
//!
//! What an arrangement holds is named by its collection, its key's expressions and the collection's columns in its value. The name of
//! a catalog collection is its id, of another the expression itself, printed; both with everything that could make
//! two of them differ.

use std::collections::BTreeSet;

use crate::explain::{self, Ids, Names, Tree, list};
use crate::lir::{Dataflow, Fragment, FragmentIndex, Identity, Join, JoinInput, Layout, Node, Op};
use crate::mir::{CollectionId, Rel};
use crate::repr::{ColumnType, RelationType};
use crate::scalar::{Mfp, ScalarExpr};

/// The one place where identities are made.
pub fn identity(collection: &str, key: &[ScalarExpr], value: &[usize]) -> Identity {
    let value = list(value.iter().map(|column| format!("#{column}")));
    Identity(format!("{collection} [{}] [{value}]", list(key)))
}

/// The name of an expression's collection in identities, over collections of these generations.
pub fn collection_name(rel: &Rel, generation: &dyn Fn(CollectionId) -> u32) -> String {
    fn write(tree: &Tree, out: &mut String) {
        crate::mir::deep(|| {
            out.push_str(&tree.line);
            if !tree.children.is_empty() {
                out.push('(');
                tree.children.iter().enumerate().for_each(|(number, child)| {
                    if number > 0 {
                        out.push_str("; ");
                    }
                    write(child, out);
                });
                out.push(')');
            }
        })
    }
    let mut name = String::new();
    write(&explain::mir(rel, &Generations(generation)), &mut name);
    if !matches!(rel, Rel::Get { .. }) {
        // Literals print alike in several types; what they make of the columns does not.
        name += &format!(" as ({})", list(rel.columns().iter().map(|column| column.typ.name())));
    }
    name
}

/// Collections by their ids, and by what runs for them if that has changed.
struct Generations<'g>(&'g dyn Fn(CollectionId) -> u32);

impl Names for Generations<'_> {
    fn name(&self, id: CollectionId) -> String {
        match (self.0)(id) {
            0 => Ids.name(id),
            generation => format!("{}.{generation}", Ids.name(id)),
        }
    }
}

/// How a collection lies in an arrangement by a key.
#[derive(Clone, Debug)]
pub struct Arrangement {
    pub layout: Layout,
    /// From the collection's rows to the arrangement's records.
    pub to_record: Mfp,
    /// The key's expressions, and the columns of the value.
    key: Vec<ScalarExpr>,
    value: Vec<usize>,
}

impl Arrangement {
    /// A collection of this type by expressions over its columns. `canonical[i]` says that the i-th key must be made canonical although
    /// its own type would not ask for it, because it meets values of another type.
    pub fn new(typ: &RelationType, key: &[ScalarExpr], canonical: &[bool]) -> Arrangement {
        let exact = |number: usize, expr: &ScalarExpr| match expr {
            ScalarExpr::Column(column) => {
                let forced = canonical.get(number) == Some(&true);
                (!forced && !typ.columns[*column].typ.has_lossy_equality()).then_some(*column)
            }
            _ => None,
        };
        let places: Vec<Option<usize>> = (0..typ.arity())
            .map(|c| key.iter().enumerate().position(|(i, e)| exact(i, e) == Some(c)))
            .collect();
        let value: Vec<usize> = (0..typ.arity()).filter(|column| places[*column].is_none()).collect();
        let columns: Vec<usize> = places
            .iter()
            .enumerate()
            .map(|(column, place)| match place {
                Some(place) => *place,
                None => key.len() + value.binary_search(&column).expect("invariant: in the key or the value"),
            })
            .collect();
        let canonical_key: Vec<ScalarExpr> = key
            .iter()
            .enumerate()
            .map(|(number, expr)| canonical_form(expr, &typ.columns, canonical.get(number) == Some(&true)))
            .collect();
        let arity = typ.arity();
        let outputs: Vec<usize> = (arity..arity + key.len()).chain(value.iter().copied()).collect();
        let to_record = Mfp::new(arity).map(canonical_key.iter().cloned()).project(outputs);
        let key_columns = key.iter().map(|expr| match expr {
            ScalarExpr::Column(column) => Some(*column),
            _ => None,
        });
        let key_columns: Vec<Option<usize>> = key_columns.collect();
        let layout = Layout {
            key: key.len(),
            typ: RelationType {
                columns: to_record.output_types(&typ.columns),
                keys: record_keys(&typ.keys, &columns, &key_columns),
            },
            unique: typ.keys.iter().any(|unique| unique.iter().all(|c| key_columns.contains(&Some(*c)))),
            columns,
            key_columns: key_columns.into_iter().collect::<Option<_>>().unwrap_or_default(),
        };
        Arrangement { layout, to_record, key: canonical_key, value }
    }

    /// By columns of the collection.
    pub fn by_columns(typ: &RelationType, key: &[usize]) -> Arrangement {
        let key: Vec<ScalarExpr> = key.iter().copied().map(ScalarExpr::Column).collect();
        Arrangement::new(typ, &key, &[])
    }

    pub fn identity(&self, collection: &str) -> Identity {
        identity(collection, &self.key, &self.value)
    }
}

/// The collection's keys as columns of the record, through the arrangement's key where they stand there.
fn record_keys(keys: &[Vec<usize>], columns: &[usize], key_columns: &[Option<usize>]) -> Vec<Vec<usize>> {
    let place =
        |column: &usize| key_columns.iter().position(|key| *key == Some(*column)).unwrap_or(columns[*column]);
    keys.iter()
        .map(|key| {
            let mut key: Vec<usize> = key.iter().map(place).collect();
            key.sort_unstable();
            key
        })
        .collect()
}

/// The expression whose encoding is the same for all equal values.
pub fn canonical_form(expr: &ScalarExpr, columns: &[ColumnType], forced: bool) -> ScalarExpr {
    let typ = expr.typ(columns).typ;
    match forced {
        true => expr.clone().canonical(&typ.without_typmod()),
        false => expr.clone().canonical(&typ),
    }
}

/// From the records of an arrangement back to the rows of its collection.
pub fn from_record(layout: &Layout) -> Mfp {
    Mfp::new(layout.typ.arity()).project(layout.columns.iter().copied())
}

/// The fragments of a dataflow under construction, each identity once.
#[derive(Clone, Debug, Default)]
pub struct Fragments {
    pub list: Vec<Fragment>,
}

impl Fragments {
    /// The index of the fragment with this identity; `build` makes its node, which may add fragments before it.
    pub fn find(&self, identity: &Identity) -> Option<FragmentIndex> {
        self.list
            .iter()
            .position(|fragment| fragment.shareable && fragment.identity == *identity)
            .map(FragmentIndex)
    }

    pub fn push(
        &mut self,
        identity: Identity,
        layout: Layout,
        node: Node,
        append_only: bool,
        shareable: bool,
    ) -> FragmentIndex {
        let shards = self.shards_of(&node);
        self.list.push(Fragment { identity, shareable, layout, node, shards, append_only });
        FragmentIndex(self.list.len() - 1)
    }

    pub fn get(&self, index: FragmentIndex) -> &Fragment {
        &self.list[index.0]
    }

    /// Takes in another dataflow's fragments; the index of the one that it publishes.
    pub fn import(&mut self, dataflow: &Dataflow) -> Option<FragmentIndex> {
        let crate::lir::Body::Arrangement(published) = dataflow.body else { return None };
        let mut places: Vec<FragmentIndex> = Vec::new();
        for fragment in &dataflow.fragments {
            let place = match self.find(&fragment.identity) {
                Some(place) => place,
                None => {
                    let mut fragment = fragment.clone();
                    renumber_fragments(&mut fragment.node, &places);
                    self.list.push(fragment);
                    FragmentIndex(self.list.len() - 1)
                }
            };
            places.push(place);
        }
        Some(places[published.0])
    }

    /// The shards that a node depends on, through fragments too.
    pub fn shards_of(&self, node: &Node) -> BTreeSet<CollectionId> {
        let mut shards = node.shards();
        for fragment in node.fragments() {
            shards.extend(&self.list[fragment.0].shards);
        }
        shards
    }
}

/// Rewrites references to the fragments of another dataflow.
fn renumber_fragments(node: &mut Node, places: &[FragmentIndex]) {
    let renumber = |fragment: &mut FragmentIndex| *fragment = places[fragment.0];
    match &mut node.op {
        Op::Arranged { fragment, .. } => renumber(fragment),
        Op::Join(Join::Linear { first, stages }) => {
            for input in [first].into_iter().chain(stages.iter_mut().map(|stage| &mut stage.right)) {
                if let JoinInput::Fragment(fragment) = input {
                    renumber(fragment);
                }
            }
        }
        Op::Lookup(lookup) => {
            if let JoinInput::Fragment(fragment) = &mut lookup.table {
                renumber(fragment);
            }
        }
        Op::Join(Join::Delta { paths }) => {
            for path in paths {
                renumber(&mut path.source);
                path.stages.iter_mut().for_each(|stage| renumber(&mut stage.fragment));
            }
        }
        _ => {}
    }
    node.children_mut().into_iter().for_each(|child| renumber_fragments(child, places));
}

/// Numbers all nodes of a dataflow, fragments first, parents before children.
pub fn number_nodes(dataflow: &mut Dataflow) {
    let mut next = 0;
    for fragment in &mut dataflow.fragments {
        number(&mut fragment.node, &mut next);
    }
    if let crate::lir::Body::Stream(node) | crate::lir::Body::Shard { node, .. } = &mut dataflow.body {
        number(node, &mut next);
    }
}

fn number(node: &mut Node, next: &mut u32) {
    crate::mir::deep(|| {
        node.id = crate::lir::NodeId(*next);
        *next += 1;
        node.children_mut().into_iter().for_each(|child| number(child, next));
    })
}
