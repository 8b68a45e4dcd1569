//! The arrival join: a stream's updates looked up in a table at their own times, and never again.
//!
//! Only the stream's updates drive it: the half join of the stream's path alone, which sees the table's updates at a row's own time. What
//! was emitted stays, also an error of the table's that a row may have wanted: it is told once and not taken back.

use compiler::lir::Lookup;

use super::bounds::Bounds;
use super::bundle::{Collection, Emit};
use super::finish::{Keyed, Last};
use super::join::{self, HalfJoin, Outer};
use super::linear::transform;
use super::{Context, of_any_key};
use crate::spine::{RowStream, arrange};

pub fn lookup<'s>(context: &mut Context<'s, '_>, plan: &Lookup, last: Last) -> Collection<'s> {
    let stream = context.node(&plan.input, Last::keyed(Keyed::Joined(plan.key)));
    let mut errs = Vec::new();
    let table = context.join_input(&plan.table, &mut errs);
    let outer = plan.outer.as_ref().map(|outer| Outer {
        on: Last::new(&outer.on, Keyed::Whole),
        absent: last.clone().after(&outer.absent),
    });
    let half = HalfJoin { inclusive: true, closure: last.after(&plan.closure), outer };
    let found = join::half_join(stream.oks, table, &half, context.bounds);
    let told = errs.into_iter().flatten().map(|errs| Some(told(errs, context.bounds)));
    found.with_errs(told.chain([stream.errs]))
}

/// Errors as a log has them: told as they come, and not taken back. One that comes and goes at one time was never there.
pub fn told<'s>(errs: RowStream<'s>, bounds: Bounds) -> RowStream<'s> {
    let mut error = Vec::new();
    let once = move |parts: &[&[u8]], time, diff, emit: &mut Emit| {
        if diff > 0 {
            error.clear();
            parts.iter().for_each(|part| error.extend_from_slice(part));
            emit.ok(&[], &error, time, diff);
        }
    };
    // Only the batches are read: the trace goes at once, and keeps nothing.
    let batches = arrange(of_any_key(errs), "ArrangeTold").stream;
    transform(batches, "Told", bounds, false, Box::new(once)).oks
}
