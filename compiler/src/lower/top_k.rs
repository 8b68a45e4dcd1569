//! Top-k: the rows of a group in order.

use super::fragment::{Arrangement, from_record};
use super::{Lowerer, optimized};
use crate::lir::{Form, Node, Op, TopK};
use crate::mir::Rel;
use crate::scalar::{Mfp, Slice, SortKey};

impl Lowerer<'_> {
    /// The group's columns are the key. Rows of one group agree in those that the value leaves out, so that the order of records is the
    /// order of rows.
    pub(super) fn lower_top_k(
        &mut self,
        input: &Rel,
        group_key: &[usize],
        order: &[SortKey],
        slice: Slice,
        mfp: Mfp,
    ) -> Node {
        let arrangement = Arrangement::by_columns(&input.typ(), group_key);
        let layout = &arrangement.layout;
        let order = order.iter().cloned().map(|mut key| {
            key.expr.permute(&layout.columns);
            key
        });
        let bounded = slice.offset == 0 && slice.limit.is_some() && !slice.ties;
        let append_only = bounded && self.is_append_only(input);
        let key = layout.key;
        let finish = optimized(from_record(layout).then(mfp));
        let order = order.collect();
        let records = layout.typ.arity();
        let input = Box::new(self.lower(input, arrangement.to_record.clone()));
        let form = Form { mfp: Mfp::new(records), key };
        Node::new(Op::TopK(TopK { input, form, order, slice, append_only, finish }))
    }
}
