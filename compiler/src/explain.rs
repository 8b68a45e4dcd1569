//! The one tree printer: behind EXPLAIN, golden plans and failed property tests.
//!
//! Every stage makes a [`Tree`] of its nodes; the printing is here. Collections are named by whoever knows the catalog; columns are
//! numbered, because inside a plan they have no other name. Lines are stable: equal plans print equally.

pub mod hir;

use std::fmt::{self, Display, Formatter};

use crate::lir;
use crate::mir::{CollectionId, Id, LocalId, Rel, deep};
use crate::scalar::print::Literal;
use crate::scalar::{AggregateExpr, Mfp, ScalarExpr, Slice, SortKey, WindowExpr};

/// A node's line and what is indented under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    pub line: String,
    pub children: Vec<Tree>,
}

impl Tree {
    pub fn new(line: impl Into<String>, children: Vec<Tree>) -> Tree {
        Tree { line: line.into(), children }
    }

    pub fn leaf(line: impl Into<String>) -> Tree {
        Tree::new(line, vec![])
    }

    /// Its lines, each with its indentation.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut open = vec![(self, 0)];
        while let Some((tree, depth)) = open.pop() {
            lines.push(format!("{:1$}{2}", "", 2 * depth, tree.line));
            open.extend(tree.children.iter().rev().map(|child| (child, depth + 1)));
        }
        lines
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What collections are called.
pub trait Names {
    fn name(&self, id: CollectionId) -> String;
}

/// Without a catalog: ids.
pub struct Ids;

impl Names for Ids {
    fn name(&self, id: CollectionId) -> String {
        format!("c{}", id.0)
    }
}

/// Items separated by commas.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

pub(crate) fn columns(columns: &[usize]) -> String {
    list(columns.iter().map(|column| format!("#{column}")))
}

pub(crate) fn joined(items: &[ScalarExpr], separator: &str) -> String {
    let items: Vec<String> = items.iter().map(ScalarExpr::to_string).collect();
    items.join(separator)
}

pub(crate) fn order(keys: &[SortKey]) -> String {
    list(keys.iter().map(|key| {
        let direction = match (key.desc, key.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        };
        format!("{}{direction}", key.expr)
    }))
}

/// The tree of an expression of collections.
pub fn mir(rel: &Rel, names: &dyn Names) -> Tree {
    deep(|| {
        let mut children = Vec::new();
        rel.for_each_child(|child| children.push(mir(child, names)));
        Tree::new(mir_line(rel, names), children)
    })
}

fn mir_line(rel: &Rel, names: &dyn Names) -> String {
    match rel {
        Rel::Constant { rows: Ok(rows), .. } => match &rows[..] {
            [] => "Constant: no rows".to_owned(),
            rows => format!("Constant: {}", rows_text(rows)),
        },
        Rel::Constant { rows: Err(error), .. } => format!("Constant: error {:?}", error.message),
        Rel::Get { id: Id::Global(id), .. } => format!("Get {}", names.name(*id)),
        Rel::Get { id: Id::Local(id), .. } => format!("Get l{}", id.0),
        Rel::Let { id, .. } => format!("Let l{} = first in second", id.0),
        Rel::Recursive { id, rounds, .. } => recursive_line(*id, *rounds),
        Rel::Project { outputs, .. } => format!("Project {}", columns(outputs)),
        Rel::Map { scalars, .. } => format!("Map {}", list(scalars)),
        Rel::Filter { predicates, .. } => format!("Filter {}", joined(predicates, " AND ")),
        Rel::FlatMap { func, args, .. } => {
            format!("FlatMap {}({}){}", func.name, list(args), ordinality(func))
        }
        Rel::Join { inputs, equivalences } if equivalences.is_empty() => match inputs.len() {
            0 => "Unit".to_owned(),
            _ => "CrossJoin".to_owned(),
        },
        Rel::Join { equivalences, .. } => {
            format!("Join {}", list(equivalences.iter().map(|class| joined(class, " = "))))
        }
        Rel::Lookup(lookup) => {
            let keys = lookup.keys.iter().map(|(left, right)| format!("{left} = {right}"));
            let mut line = format!("{} {}", lookup_name(lookup.outer), list(keys));
            if !lookup.on.is_empty() {
                line += &format!(" on {}", joined(&lookup.on, " AND "));
            }
            line
        }
        Rel::Changes { .. } => "Changes".to_owned(),
        Rel::Reduce { group_key, aggregates, .. } => reduce_line(group_key, aggregates),
        Rel::TopK { group_key, order: keys, slice, .. } => top_k_line(group_key, keys, *slice),
        Rel::Window { partition, order: keys, functions, .. } => window_line(partition, keys, functions),
        Rel::Negate { .. } => "Negate".to_owned(),
        Rel::Threshold { .. } => "Threshold".to_owned(),
        Rel::Union { .. } => "Union".to_owned(),
    }
}

fn recursive_line(id: LocalId, rounds: u64) -> String {
    format!("Recursive l{}, at most {rounds} rounds", id.0)
}

/// What a join of a stream and a table at arrival is called.
pub(crate) fn lookup_name(outer: bool) -> &'static str {
    if outer { "ArrivalLeftJoin" } else { "ArrivalJoin" }
}

/// The first rows; the number of all when they are many.
fn rows_text(rows: &[(crate::repr::Row, i64)]) -> String {
    const SHOWN: usize = 8;
    let shown = list(rows.iter().take(SHOWN).map(|(row, diff)| match diff {
        1 => format!("({})", list(row.iter().map(Literal))),
        diff => format!("({}) x {diff}", list(row.iter().map(Literal))),
    }));
    match rows.len() {
        len if len > SHOWN => format!("{shown}, ... {len} in all"),
        _ => shown,
    }
}

fn reduce_line(group_key: &[ScalarExpr], aggregates: &[AggregateExpr]) -> String {
    match (group_key.is_empty(), aggregates.is_empty()) {
        (_, true) => format!("Distinct {}", list(group_key)),
        (true, false) => format!("Reduce {}", list(aggregates)),
        (false, false) => format!("Reduce by {}: {}", list(group_key), list(aggregates)),
    }
}

fn top_k_line(group_key: &[usize], keys: &[SortKey], slice: Slice) -> String {
    let mut line = "TopK".to_owned();
    if !group_key.is_empty() {
        line += &format!(" by {}", columns(group_key));
    }
    if !keys.is_empty() {
        line += &format!(" order {}", order(keys));
    }
    if let Some(limit) = slice.limit {
        line += &format!(" limit {limit}");
    }
    if slice.ties {
        line += " with ties";
    }
    if slice.offset > 0 {
        line += &format!(" offset {}", slice.offset);
    }
    line
}

fn window_line(partition: &[usize], keys: &[SortKey], functions: &[WindowExpr]) -> String {
    let mut line = "Window".to_owned();
    if !partition.is_empty() {
        line += &format!(" by {}", columns(partition));
    }
    if !keys.is_empty() {
        line += &format!(" order {}", order(keys));
    }
    format!("{line}: {}", list(functions))
}

/// The trees of a dataflow: one for each fragment that it builds or finds, then its body.
pub fn lir(dataflow: &lir::Dataflow, names: &dyn Names) -> Vec<Tree> {
    let mut trees = Vec::new();
    for (number, fragment) in dataflow.fragments.iter().enumerate() {
        trees.push(fragment_tree(number, fragment, names));
    }
    match &dataflow.body {
        lir::Body::Arrangement(fragment) => trees.push(Tree::leaf(format!("Publish f{}", fragment.0))),
        lir::Body::Stream(node) => trees.push(Tree::new("Stream", vec![node_tree(node, names)])),
        lir::Body::Shard { node, to, .. } => {
            trees.push(Tree::new(format!("Append to {}", names.name(*to)), vec![node_tree(node, names)]));
        }
    }
    trees
}

fn fragment_tree(number: usize, fragment: &lir::Fragment, names: &dyn Names) -> Tree {
    let layout = &fragment.layout;
    let mut marks = String::new();
    for (mark, holds) in [
        (" unique", layout.unique),
        (" append-only", fragment.append_only),
        (" private", !fragment.shareable),
    ] {
        if holds {
            marks += mark;
        }
    }
    let line = format!("Arrangement f{number} key {} of {}{marks}", layout.key, layout.typ.arity());
    Tree::new(line, vec![node_tree(&fragment.node, names)])
}

fn node_tree(node: &lir::Node, names: &dyn Names) -> Tree {
    deep(|| {
        use lir::Op;
        let child = |node: &lir::Node| node_tree(node, names);
        match &node.op {
            Op::Constant { rows: Ok(rows) } if rows.is_empty() => Tree::leaf("Constant: no rows"),
            Op::Constant { rows: Ok(rows) } => Tree::leaf(format!("Constant: {}", rows_text(rows))),
            Op::Constant { rows: Err(error) } => Tree::leaf(format!("Constant: error {:?}", error.message)),
            Op::Shard { id, log: false, mfp } => {
                Tree::leaf(format!("Shard {}{}", names.name(*id), mfp_text(mfp)))
            }
            Op::Shard { id, log: true, mfp } => {
                Tree::leaf(format!("Log {}{}", names.name(*id), mfp_text(mfp)))
            }
            Op::Arranged { fragment, lookup, mfp } => {
                let keys = match lookup {
                    Some(keys) => {
                        format!(
                            " lookup {}",
                            list(keys.iter().map(|key| format!("({})", list(key.iter().map(Literal)))))
                        )
                    }
                    None => String::new(),
                };
                Tree::leaf(format!("Arranged f{}{keys}{}", fragment.0, mfp_text(mfp)))
            }
            Op::Let { id, value, body } => {
                Tree::new(format!("Let l{} = first in second", id.0), vec![child(value), child(body)])
            }
            Op::Recursive(lir::Recursive { id, value, rounds, .. }) => {
                Tree::new(recursive_line(*id, *rounds), vec![child(value)])
            }
            Op::Local { id, mfp } => Tree::leaf(format!("Local l{}{}", id.0, mfp_text(mfp))),
            Op::Mfp { input, mfp } => Tree::new(format!("Mfp{}", mfp_text(mfp)), vec![child(input)]),
            Op::FlatMap { input, func, args, mfp } => {
                let line =
                    format!("FlatMap {}({}){}{}", func.name, list(args), ordinality(func), mfp_text(mfp));
                Tree::new(line, vec![child(input)])
            }
            Op::Join(join) => join_tree(join, names),
            Op::Lookup(lookup) => {
                let mut line = format!("{} by key {}", lookup_name(lookup.outer.is_some()), lookup.key);
                if let Some(outer) = &lookup.outer
                    && !outer.on.predicates.is_empty()
                {
                    line += &format!(" on {}", joined(&outer.on.predicates, " AND "));
                }
                line += &mfp_text(&lookup.closure);
                Tree::new(line, vec![child(&lookup.input), join_input_tree("table", &lookup.table, names)])
            }
            Op::Reduce(reduce) => reduce_tree(reduce, names),
            Op::TopK(top_k) => {
                let group: Vec<usize> = (0..top_k.form.key).collect();
                let mut line = top_k_line(&group, &top_k.order, top_k.slice);
                if top_k.append_only {
                    line += " append-only";
                }
                line += &mfp_text(&top_k.finish);
                Tree::new(line, vec![formed(&top_k.input, &top_k.form, names)])
            }
            Op::Window(window) => {
                let partition: Vec<usize> = (0..window.form.key).collect();
                let mut line = window_line(&partition, &window.order, &window.functions);
                line += &mfp_text(&window.finish);
                Tree::new(line, vec![formed(&window.input, &window.form, names)])
            }
            Op::Changes { input, mfp } => Tree::new(format!("Changes{}", mfp_text(mfp)), vec![child(input)]),
            Op::Negate { input } => Tree::new("Negate", vec![child(input)]),
            Op::Threshold { input } => Tree::new("Threshold", vec![child(input)]),
            Op::Union { inputs } => Tree::new("Union", inputs.iter().map(child).collect()),
        }
    })
}

/// A collection under the form in which it is arranged.
fn formed(node: &lir::Node, form: &lir::Form, names: &dyn Names) -> Tree {
    let tree = node_tree(node, names);
    match form.mfp.is_identity() {
        true => tree,
        false => Tree::new(format!("Form key {}{}", form.key, mfp_text(&form.mfp)), vec![tree]),
    }
}

fn join_tree(join: &lir::Join, names: &dyn Names) -> Tree {
    match join {
        lir::Join::Linear { first, stages } => {
            let mut children = vec![join_input_tree("first", first, names)];
            for stage in stages {
                let left = match &stage.left {
                    Some(form) => format!(" left key {}{}", form.key, mfp_text(&form.mfp)),
                    None => String::new(),
                };
                let line = format!("stage{left} closure{}", mfp_text(&stage.closure));
                children.push(Tree::new(line, vec![join_input_tree("right", &stage.right, names)]));
            }
            Tree::new("LinearJoin", children)
        }
        lir::Join::Delta { paths } => Tree::new("DeltaJoin", paths.iter().map(delta_path_tree).collect()),
    }
}

fn join_input_tree(side: &str, input: &lir::JoinInput, names: &dyn Names) -> Tree {
    match input {
        lir::JoinInput::Fragment(fragment) => Tree::leaf(format!("{side} f{}", fragment.0)),
        lir::JoinInput::Collection { node, form } => {
            Tree::new(format!("{side} arranged by key {}", form.key), vec![formed(node, form, names)])
        }
    }
}

fn delta_path_tree(path: &lir::DeltaPath) -> Tree {
    let stages = path.stages.iter().map(|stage| {
        Tree::leaf(format!(
            "lookup r{} in f{} by key {}{} closure{}",
            stage.relation,
            stage.fragment.0,
            stage.form.key,
            mfp_text(&stage.form.mfp),
            mfp_text(&stage.closure)
        ))
    });
    let line = format!("updates of r{} from f{}{}", path.relation, path.source.0, mfp_text(&path.initial));
    Tree::new(line, stages.collect())
}

fn reduce_tree(reduce: &lir::Reduce, names: &dyn Names) -> Tree {
    let line =
        format!("Reduce key {}: {}{}", reduce.form.key, plan_text(&reduce.plan), mfp_text(&reduce.finish));
    let mut children = vec![formed(&reduce.input, &reduce.form, names)];
    if let lir::ReducePlan::Collate { parts, .. } = &reduce.plan {
        children.extend(parts.iter().map(|part| {
            let distinct = if part.distinct { "distinct " } else { "" };
            Tree::leaf(format!("part {distinct}{}{}", plan_text(&part.plan), mfp_text(&part.form.mfp)))
        }));
    }
    Tree::new(line, children)
}

fn plan_text(plan: &lir::ReducePlan) -> String {
    use lir::ReducePlan;
    match plan {
        ReducePlan::Distinct => "distinct".to_owned(),
        ReducePlan::Accumulable { aggregates } => format!("accumulable {}", list(aggregates)),
        ReducePlan::Hierarchical { aggregates, append_only } => {
            format!("hierarchical {}{}", list(aggregates), if *append_only { " append-only" } else { "" })
        }
        ReducePlan::Basic { aggregates } => format!("basic {}", list(aggregates)),
        ReducePlan::Collate { columns, .. } => {
            format!("collate {}", list(columns.iter().map(|(part, column)| format!("{part}.{column}"))))
        }
    }
}

/// Nothing for the identity.
pub(crate) fn mfp_text(mfp: &Mfp) -> String {
    let mut text = String::new();
    if !mfp.predicates.is_empty() {
        text += &format!(" filter {}", joined(&mfp.predicates, " AND "));
    }
    if !mfp.maps.is_empty() {
        text += &format!(" map {}", list(&mfp.maps));
    }
    let identity = mfp.maps.is_empty() && mfp.projection.iter().copied().eq(0..mfp.input_arity);
    if !identity {
        text += &format!(" project ({})", columns(&mfp.projection));
    }
    text
}

fn ordinality(func: &crate::scalar::TableFunc) -> &'static str {
    if func.has_ordinality() { " with ordinality" } else { "" }
}
