//! The arrangements of this worker: lent to dataflows, compacted as far as nobody needs the past, shown to sessions.
//!
//! After each step, for every arrangement whose upper has moved: compact to `min(holds, upper - 1)`, then publish. An
//! arrangement keeps no history of its own; that lies in the shards.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::command::{Build, DataflowId, Peek, Response};
use crate::contents::Contents;
use crate::published::Published;
use crate::render::Exports;
use crate::storage::Timestamp;

use super::commands::Responder;

#[derive(Default)]
pub(super) struct Traces {
    arrangements: HashMap<DataflowId, Arrangement>,
    /// Peeks that wait until their arrangement is complete at their time.
    peeks: Vec<Arc<Peek>>,
}

struct Arrangement {
    exports: Exports,
    /// None in processes other than 0, which are told by command how far to compact.
    published: Option<Arc<Published>>,
    told_since: Timestamp,
    /// What was shown last.
    shown: Arc<Contents>,
    upper: Timestamp,
}

impl Traces {
    pub(super) fn insert(&mut self, build: &Build, exports: Exports) {
        let arrangement = Arrangement {
            exports,
            published: build.published.0.clone(),
            told_since: build.as_of,
            shown: Arc::default(),
            upper: 0,
        };
        self.arrangements.insert(build.id, arrangement);
    }

    pub(super) fn remove(&mut self, dataflow: DataflowId) {
        self.arrangements.remove(&dataflow);
    }

    /// Handles on the arrangements that a dataflow refers to, by its fragment indexes.
    pub(super) fn lend(&mut self, imports: &[Option<DataflowId>]) -> Vec<Option<Exports>> {
        let lend = |id: &Option<DataflowId>| Some(self.arrangements.get(id.as_ref()?)?.exports.clone());
        imports.iter().map(lend).collect()
    }

    pub(super) fn allow_compaction(&mut self, sinces: &[(DataflowId, Timestamp)]) {
        for (dataflow, since) in sinces {
            if let Some(arrangement) = self.arrangements.get_mut(dataflow) {
                arrangement.told_since = *since;
                arrangement.compact();
            }
        }
    }

    pub(super) fn peek(&mut self, peek: Arc<Peek>) {
        self.peeks.push(peek);
    }

    /// Compacts and shows what has moved on.
    pub(super) fn maintain(&mut self, worker: usize, index: usize, responder: &Responder) {
        for (dataflow, arrangement) in &mut self.arrangements {
            let upper = arrangement.exports.upper();
            if upper == arrangement.upper {
                continue;
            }
            arrangement.upper = upper;
            arrangement.compact();
            arrangement.show(worker);
            if responder.is_remote() {
                let updates = arrangement.shown.updates();
                responder.send(Response::Upper { dataflow: *dataflow, worker: index, upper, updates });
            }
        }
        self.answer_peeks(responder);
    }

    fn answer_peeks(&mut self, responder: &Responder) {
        let arrangements = &self.arrangements;
        self.peeks.retain(|peek| match arrangements.get(&peek.dataflow) {
            Some(arrangement) if arrangement.upper <= peek.at => true,
            Some(arrangement) => {
                responder.send(arrangement.answer(peek));
                false
            }
            None => {
                responder.send(Response::Peeked { peek: peek.id, rows: Vec::new(), error: None });
                false
            }
        });
    }
}

impl Arrangement {
    fn compact(&mut self) {
        let since = match &self.published {
            Some(published) => published.compaction(self.upper),
            None => self.told_since.min(self.upper.saturating_sub(1)),
        };
        self.exports.compact(since, self.upper);
    }

    fn show(&mut self, worker: usize) {
        let contents = self.exports.changed_since(&self.shown);
        if let Some(contents) = contents {
            self.shown = Arc::new(contents);
        }
        if let Some(published) = &self.published {
            published.publish(worker, &self.shown, self.upper);
        }
    }

    /// Reads this worker's part for a session of process 0.
    fn answer(&self, peek: &Peek) -> Response {
        let error = self.shown.error(&peek.range, peek.at).map(<[u8]>::to_vec);
        let mut rows = Vec::new();
        let _ = self.shown.visit(&peek.range, peek.at, &mut |key, value, diff| {
            rows.push(([key, value].concat(), diff));
            ControlFlow::Continue(())
        });
        Response::Peeked { peek: peek.id, rows, error }
    }
}
