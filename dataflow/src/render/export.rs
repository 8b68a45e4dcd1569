//! Where results leave: arrangements that are lent and published, and streams of updates.

use differential_dataflow::trace::TraceReader;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;
use timely::progress::frontier::MutableAntichain;

use super::bundle::Collection;
use crate::contents::Contents;
use crate::published::COMPLETE;
use crate::spine::{self, RowTrace, RowsRef, Snapshot, Timestamp, arrange};

/// A fragment's arrangement: what others import, the worker compacts and publishes. It holds compaction back until it is
/// advanced or dropped.
#[derive(Clone)]
pub struct Exports {
    /// The rows, arranged by their key.
    pub oks: RowTrace,
    /// The errors, by themselves; None where nothing can fail.
    pub errs: Option<RowTrace>,
}

impl Exports {
    fn traces(&mut self) -> impl Iterator<Item = &mut RowTrace> {
        std::iter::once(&mut self.oks).chain(&mut self.errs)
    }

    /// All before it is in the arrangement; [`COMPLETE`] when nothing more can come.
    pub fn upper(&mut self) -> Timestamp {
        self.traces().map(spine::upper).min().unwrap_or(COMPLETE)
    }

    /// Lets both traces forget times before `since`, and merge batches before `upper`.
    pub fn compact(&mut self, since: Timestamp, upper: Timestamp) {
        for trace in self.traces() {
            trace.set_logical_compaction(Antichain::from_elem(since).borrow());
            trace.set_physical_compaction(Antichain::from_elem(upper).borrow());
        }
    }

    /// Its batches now, if they differ from those shown.
    pub fn changed_since(&mut self, shown: &Contents) -> Option<Contents> {
        let errs_same = self.errs.as_ref().is_none_or(|errs| shown.errs.is_current(errs));
        if errs_same && shown.oks.is_current(&self.oks) {
            return None;
        }
        let oks = Snapshot::of(&mut self.oks);
        let errs = self.errs.as_mut().map(Snapshot::of).unwrap_or_default();
        Some(Contents { upper: oks.upper, oks, errs })
    }
}

/// Arranges a collection to be lent and published.
pub fn arranged(collection: Collection<'_>, name: &str) -> Exports {
    let errs = collection.errs.map(|errs| arrange(errs, &format!("{name}, errors")).trace);
    Exports { oks: arrange(collection.oks, name).trace, errs }
}

/// Where a stream's results go on this worker: its updates and errors as they come, then the upper that passes their times. The
/// upper is None when nothing more can come.
///
/// A row is all value; an error is value too, its key of no use here. Nothing is consolidated: equal rows with opposite diffs may
/// come from different containers and from different workers, so whoever brings the workers' updates of a time together
/// consolidates them, once.
pub struct Sink {
    pub oks: Box<dyn FnMut(RowsRef<'_>)>,
    pub errs: Box<dyn FnMut(RowsRef<'_>)>,
    pub upper: Box<dyn FnMut(Option<Timestamp>)>,
}

/// Delivers a collection's updates, and how far they are complete.
pub fn deliver(collection: Collection<'_>, name: &str, mut sink: Sink) {
    let mut builder = OperatorBuilder::new(name.to_owned(), collection.oks.scope());
    let mut oks = builder.new_input(collection.oks, Pipeline);
    let mut errs = collection.errs.map(|errs| builder.new_input(errs, Pipeline));
    builder.build(move |_| {
        let mut told = 0;
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            oks.for_each(|_, rows| (sink.oks)(rows.borrow()));
            if let Some(errs) = &mut errs {
                errs.for_each(|_, rows| (sink.errs)(rows.borrow()));
            }
            let upper = frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied()).min();
            let upper = upper.unwrap_or(COMPLETE);
            if upper > told {
                told = upper;
                (sink.upper)((upper != COMPLETE).then_some(upper));
            }
        }
    });
}
