//! Peeks: reads of the parts of an arrangement that lie in other processes, by message.
//!
//! Sessions read their own process's parts from memory ([`crate::published`]); the other workers answer here. With one
//! process there is nothing to ask and nobody waits.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use compiler::scalar::EvalError;
use tokio::sync::oneshot;

type Rows = Vec<(Vec<u8>, i64)>;

#[derive(Default)]
pub struct Peeks {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

struct Waiting {
    workers: usize,
    rows: Rows,
    error: Option<EvalError>,
    reply: oneshot::Sender<Result<Rows, EvalError>>,
}

impl Peeks {
    /// A new peek that this many workers will answer: its id, and where the answers of all of them arrive together.
    pub fn expect(&self, workers: usize) -> (u64, oneshot::Receiver<Result<Rows, EvalError>>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        let waiting = Waiting { workers, rows: Vec::new(), error: None, reply };
        self.waiting.lock().expect("invariant: nothing panics while it has the peeks").insert(id, waiting);
        (id, receiver)
    }

    /// A worker's part of the answer.
    pub fn answer(&self, id: u64, rows: Rows, error: Option<Vec<u8>>) {
        let mut peeks = self.waiting.lock().expect("invariant: nothing panics while it has the peeks");
        let Some(waiting) = peeks.get_mut(&id) else { return };
        waiting.rows.extend(rows);
        if let Some(error) = error {
            waiting.error.get_or_insert(EvalError::decode(&error));
        }
        waiting.workers -= 1;
        if waiting.workers == 0 {
            let done = peeks.remove(&id).expect("invariant: found above");
            let _ = done.reply.send(match done.error {
                Some(error) => Err(error),
                None => Ok(done.rows),
            });
        }
    }
}
