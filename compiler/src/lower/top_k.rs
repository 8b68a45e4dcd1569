//! Top-k: the rows of a group in order.

use super::fragment::{Arrangement, from_record};
use super::{Lowerer, optimized};
use crate::lir::{Form, Node, Op, TopK};
use crate::mir::Rel;
use crate::scalar::{Mfp, SortKey};

impl Lowerer<'_> {
    /// The group's columns are the key. Rows of one group agree in those that the value leaves out, so that the order of records is the
    /// order of rows.
    pub(super) fn lower_top_k(
        &mut self,
        input: &Rel,
        group_key: &[usize],
        order: &[SortKey],
        (limit, offset): (Option<u64>, u64),
        mfp: Mfp,
    ) -> Node {
        let arrangement = Arrangement::by_columns(&input.typ(), group_key);
        let layout = &arrangement.layout;
        let order = order.iter().cloned().map(|mut key| {
            key.expr.permute(&layout.columns);
            key
        });
        let append_only = offset == 0 && limit.is_some() && self.is_append_only(input);
        let key = layout.key;
        let finish = optimized(from_record(layout).then(mfp));
        let order = order.collect();
        let records = layout.typ.arity();
        let input = Box::new(self.lower(input, arrangement.to_record.clone()));
        let form = Form { mfp: Mfp::new(records), key };
        Node::new(Op::TopK(TopK { input, form, order, limit, offset, append_only, finish }))
    }
}
