//! Windows: the rows of a partition in order, with functions of it beside each.

use super::fragment::Arrangement;
use super::{Lowerer, optimized};
use crate::lir::{Form, Node, Op, Window};
use crate::mir::Rel;
use crate::scalar::{Mfp, SortKey, WindowExpr, WindowFunc};

impl Lowerer<'_> {
    /// As for top-k, the partition's columns are the key, and the order of records is the order of rows.
    pub(super) fn lower_window(
        &mut self,
        input: &Rel,
        partition: &[usize],
        order: &[SortKey],
        functions: &[WindowExpr],
        mfp: Mfp,
    ) -> Node {
        let typ = input.typ();
        let arrangement = Arrangement::by_columns(&typ, partition);
        let layout = &arrangement.layout;
        let order = order.iter().cloned().map(|mut key| {
            key.expr.permute(&layout.columns);
            key
        });
        let functions = functions.iter().cloned().map(|mut function| {
            if let WindowFunc::Aggregate(func) = &mut function.func {
                *func = func.specialized(&function.args, &typ.columns);
            }
            function.exprs_mut().for_each(|expr| expr.permute(&layout.columns));
            function
        });
        let (order, functions): (Vec<SortKey>, Vec<WindowExpr>) = (order.collect(), functions.collect());
        let records = layout.typ.arity();
        let results = records..records + functions.len();
        let to_rows = Mfp::new(results.end).project(layout.columns.iter().copied().chain(results));
        let finish = optimized(to_rows.then(mfp));
        let form = Form { mfp: Mfp::new(records), key: layout.key };
        let input = Box::new(self.lower(input, arrangement.to_record.clone()));
        Node::new(Op::Window(Window { input, form, order, functions, finish }))
    }
}
