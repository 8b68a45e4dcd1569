//! A dataflow as one transaction sees it: where a changed collection's rows enter, the changes enter too.
//!
//! Fragments that read a changed collection are not those that others share any more, so they are built for this dataflow
//! alone; so are those over an altered one, which others do not know as it is here.

use compiler::lir::{Body, Dataflow, Node, Op};
use compiler::repr::{Datum, Row};

use super::Transaction;

pub fn with_changes(dataflow: &Dataflow, transaction: &Transaction) -> Dataflow {
    let mut dataflow = dataflow.clone();
    let changed = transaction.changed();
    for fragment in &mut dataflow.fragments {
        let created = fragment.shards.iter().any(|shard| transaction.created(*shard));
        let altered = fragment.shards.iter().any(|shard| transaction.altered(*shard));
        if created || altered || !fragment.shards.is_disjoint(&changed) {
            fragment.shareable = false;
            fragment.shards.retain(|shard| !transaction.created(*shard));
            rewrite(&mut fragment.node, transaction);
        }
    }
    if let Body::Stream(node) | Body::Shard { node, .. } = &mut dataflow.body {
        rewrite(node, transaction);
    }
    dataflow
}

fn rewrite(node: &mut Node, transaction: &Transaction) {
    node.children_mut().into_iter().for_each(|child| rewrite(child, transaction));
    let Op::Shard { id, log, mfp } = &node.op else { return };
    let (created, changed) = (transaction.created(*id), transaction.has_changed(*id));
    if !created && !changed {
        return;
    }
    let updates = transaction.updates(*id);
    // When what is not committed came is not known yet.
    let stamp = if *log { Row::pack([Datum::Null, Datum::Int(1)]) } else { Row::default() };
    let rows = updates.iter().map(|(row, _, diff)| (Row::from_bytes([row, stamp.bytes()].concat()), diff));
    let rows = rows.collect();
    let own = Op::Mfp { input: Box::new(Node::new(Op::Constant { rows: Ok(rows) })), mfp: mfp.clone() };
    node.op = match created {
        true => own,
        false => Op::Union { inputs: vec![Node::new(node.op.clone()), Node::new(own)] },
    };
}
