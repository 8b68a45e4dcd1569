//! Arrival joins: the table is arranged by its side of the keys, the stream's rows are formed for looking up.
//!
//! The table's arrangement is the one that other joins by these keys share. Where it is by fewer columns than there are keys, or where the
//! table is filtered, the rest is asked of what is found: in an outer join before a row counts as found, in an inner one with the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::arranged::{Arranged, Nulls, Side, choose_links, wanted_of};
use super::closure::Closure;
use super::graph::{Graph, Link};
use crate::lir::{Lookup, Node, Op, OuterLookup};
use crate::lower::{Lowerer, optimized};
use crate::mir;
use crate::scalar::{Mfp, ScalarExpr};

/// The inputs of the join by number.
const STREAM: usize = 0;
const TABLE: usize = 1;

impl Lowerer<'_> {
    pub(in crate::lower) fn lower_arrival(&mut self, lookup: &mir::Lookup, last: Mfp) -> Node {
        let inputs = [(*lookup.input).clone(), (*lookup.table).clone()];
        let arity = inputs[STREAM].arity();
        let classes: Vec<Vec<ScalarExpr>> = lookup
            .keys
            .iter()
            .map(|(left, right)| {
                let mut right = right.clone();
                right.permute_with(|column| arity + column);
                vec![left.clone(), right]
            })
            .collect();
        let graph = Graph::new(self, &inputs, &classes);
        let links = graph.links(&BTreeSet::from([STREAM]), TABLE);
        let links = choose_links(&graph, TABLE, links);
        let all = Mfp::new(graph.columns.arity()).filter(lookup.on.iter().cloned()).then(last.clone());
        let wanted = wanted_of(&graph, &all, TABLE);
        let table = self.arrange_input(&graph, TABLE, (&links, Side::Right), Nulls::Kept, &wanted);
        let stream = Formed::new(&graph, &links, &wanted_of(&graph, &all, STREAM));
        let (closure, outer) = match lookup.outer {
            false => (stream.found(&graph, &links, &table, &[]).then(&last), None),
            true => {
                let mut found = stream.found(&graph, &links, &table, &lookup.on);
                stream.reject_nulls(&mut found, &graph, &links);
                let on = found.predicates();
                let outer = OuterLookup { on, absent: stream.absent(&graph, &last) };
                (found.without_predicates().then(&last), Some(outer))
            }
        };
        // An outer join keeps what finds nothing.
        let asked = if lookup.outer { Vec::new() } else { stream.not_null };
        let input = self.lower(&inputs[STREAM], Mfp::new(arity).filter(asked).then(stream.form));
        Node::new(Op::Lookup(Lookup {
            input: Box::new(input),
            key: links.len(),
            table: table.source,
            closure,
            outer,
        }))
    }
}

/// The stream's rows as key ++ what is kept of them.
struct Formed {
    form: Mfp,
    /// Where the join's columns stand in its records.
    places: BTreeMap<usize, usize>,
    /// Over the stream's columns: the keys that can be NULL are not.
    not_null: Vec<ScalarExpr>,
}

impl Formed {
    fn new(graph: &Graph<'_>, links: &[Link], wanted: &[usize]) -> Formed {
        let arity = graph.columns.range(STREAM).len();
        let (mut keys, mut not_null, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (number, link) in links.iter().enumerate() {
            let key = graph.key(link.class, link.left);
            if let ScalarExpr::Column(column) = key {
                places.entry(column).or_insert(number);
            }
            if graph.is_nullable(link.class, link.left) {
                not_null.push(graph.member(link.class, link.left).clone().is_not_null());
            }
            keys.push(key);
        }
        let kept: Vec<usize> = wanted.iter().copied().filter(|column| !places.contains_key(column)).collect();
        places.extend(kept.iter().enumerate().map(|(number, column)| (*column, links.len() + number)));
        let outputs = (arity..arity + links.len()).chain(kept);
        let form = optimized(Mfp::new(arity).map(keys).project(outputs));
        Formed { form, places, not_null }
    }

    fn arity(&self) -> usize {
        self.form.output_arity()
    }

    /// The operator over key ++ kept ++ the table's value: the table's own, and what is asked of a match.
    fn found(&self, graph: &Graph<'_>, links: &[Link], table: &Arranged, on: &[ScalarExpr]) -> Closure {
        let arity = self.arity();
        let mut closure = Closure::new(arity + table.arity - table.key, self.places.clone());
        table.place(&mut closure, table.behind(arity), graph);
        for (number, class) in graph.classes.iter().enumerate() {
            if let [left, right] = &class.members[..]
                && !links.iter().any(|link| link.class == number)
            {
                closure.filter(left.clone().equals(right.clone()));
            }
        }
        on.iter().for_each(|predicate| closure.filter(predicate.clone()));
        closure
    }

    /// A NULL finds nothing, though the table's arrangement may hold one.
    fn reject_nulls(&self, closure: &mut Closure, graph: &Graph<'_>, links: &[Link]) {
        for (number, link) in links.iter().enumerate() {
            if graph.is_nullable(link.class, link.left) {
                closure.filter_record(ScalarExpr::Column(number).is_not_null());
            }
        }
    }

    /// The operator over key ++ kept, with NULLs for the table's columns.
    fn absent(&self, graph: &Graph<'_>, last: &Mfp) -> Mfp {
        let arity = self.arity();
        let nulls = graph.types[graph.columns.range(TABLE)].iter();
        let nulls: Vec<ScalarExpr> = nulls.map(|typ| ScalarExpr::null(typ.typ.clone())).collect();
        // What nobody reads stands nowhere.
        let own = graph.columns.range(STREAM).map(|column| self.places.get(&column).copied().unwrap_or(0));
        let outputs: Vec<usize> = own.chain(arity..arity + nulls.len()).collect();
        optimized(Mfp::new(arity).map(nulls).project(outputs).then(last.clone()))
    }
}
