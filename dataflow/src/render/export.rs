//! Where results leave: arrangements that are lent and published, and streams of consolidated updates.

use differential_dataflow::batcher::merge::{MergeBatcher, Sealer};
use differential_dataflow::batcher::{Batcher, Extract};
use differential_dataflow::trace::TraceReader;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;
use timely::progress::frontier::MutableAntichain;

use super::bundle::Collection;
use crate::published::{COMPLETE, Contents};
use crate::spine::{
    self, RowChunker, RowMerger, RowStream, RowTrace, Rows, RowsRef, Snapshot, Timestamp, arrange,
};

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

/// Where a stream's results go on this worker: its updates and errors, each before the upper that passes their times. The
/// upper is None when nothing more can come.
///
/// A row is all value; an error is value too, its key of no use here. What one worker gives before an upper is consolidated, but rows are not brought
/// together: equal rows with opposite diffs may come from different workers, so whoever merges the workers' updates of a time
/// consolidates them.
pub struct Sink {
    pub oks: Box<dyn FnMut(RowsRef<'_>)>,
    pub errs: Box<dyn FnMut(RowsRef<'_>)>,
    pub upper: Box<dyn FnMut(Option<Timestamp>)>,
}

/// A batch that is the sorted chunks themselves.
struct Chunks;

impl Sealer<Rows> for Chunks {
    type Output = Vec<Rows>;

    fn seal(chain: &mut Vec<Rows>) -> Option<Vec<Rows>> {
        (!chain.is_empty()).then(|| std::mem::take(chain))
    }
}

type SinkBatcher = MergeBatcher<RowChunker, RowMerger, Chunks>;

/// Delivers a collection's updates as their times become complete.
pub fn deliver(collection: Collection<'_>, name: &str, mut sink: Sink) {
    let mut builder = OperatorBuilder::new(name.to_owned(), collection.oks.scope());
    let streams: Vec<RowStream<'_>> = std::iter::once(collection.oks).chain(collection.errs).collect();
    let mut inputs: Vec<_> = streams
        .into_iter()
        .map(|stream| (builder.new_input(stream, Pipeline), SinkBatcher::new(None, 0)))
        .collect();
    builder.build(move |_| {
        let mut told = 0;
        move |frontiers: &[MutableAntichain<Timestamp>]| {
            for (input, batcher) in &mut inputs {
                input.for_each(|_, rows| batcher.insert(rows));
            }
            let upper = frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied()).min();
            let upper = upper.unwrap_or(COMPLETE);
            if upper <= told {
                return;
            }
            told = upper;
            let frontier = match upper {
                COMPLETE => Antichain::new(),
                upper => Antichain::from_elem(upper),
            };
            let mut complete = inputs.iter_mut().map(|(_, batcher)| batcher.extract(frontier.borrow()).0);
            let oks = complete.next().flatten().unwrap_or_default();
            let errs = complete.next().flatten().unwrap_or_default();
            oks.iter().for_each(|rows| (sink.oks)(rows.borrow()));
            errs.iter().for_each(|rows| (sink.errs)(rows.borrow()));
            (sink.upper)((upper != COMPLETE).then_some(upper));
        }
    });
}
