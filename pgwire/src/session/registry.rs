//! Who is connected: what CancelRequest, other sessions and the server's end reach a session through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng;

use super::advisory::Locks;
use super::{Cause, Interrupt};

/// Sessions beyond this are refused with 53300.
const SESSIONS_MAX: usize = 1000;

/// How long sessions get to say goodbye when the server ends.
const GOODBYE: Duration = Duration::from_millis(400);

/// The sessions that exist, by the process number that their clients were told.
#[derive(Default)]
pub struct Sessions {
    last: AtomicI32,
    entries: Mutex<HashMap<i32, Entry>>,
    pub(super) locks: Arc<Locks>,
}

struct Entry {
    key: Vec<u8>,
    interrupt: Arc<Interrupt>,
}

/// A place in the list, given up when dropped.
pub struct Seat {
    pub process: i32,
    pub key: Vec<u8>,
    pub interrupt: Arc<Interrupt>,
    pub(super) sessions: Arc<Sessions>,
}

impl Sessions {
    /// A place in the list with a cancel key of `key_bytes`, or `None` if there are too many.
    pub fn enter(self: &Arc<Sessions>, key_bytes: usize) -> Option<Seat> {
        let mut key = vec![0; key_bytes];
        rand::rng().fill_bytes(&mut key);
        let interrupt = Arc::new(Interrupt::default());
        let mut entries = self.entries.lock().expect("invariant: nothing panics while holding it");
        if entries.len() >= SESSIONS_MAX {
            return None;
        }
        let process = loop {
            let process = self.last.fetch_add(1, Ordering::Relaxed).rem_euclid(i32::MAX) + 1;
            if !entries.contains_key(&process) {
                break process;
            }
        };
        entries.insert(process, Entry { key: key.clone(), interrupt: Arc::clone(&interrupt) });
        Some(Seat { process, key, interrupt, sessions: Arc::clone(self) })
    }

    /// Interrupts the session's statement if the key is right; says nothing either way.
    pub fn cancel(&self, process: i32, key: &[u8]) {
        let entries = self.entries.lock().expect("invariant: nothing panics while holding it");
        if let Some(entry) = entries.get(&process)
            && same_key(&entry.key, key)
        {
            entry.interrupt.request(Cause::Cancel);
        }
    }

    /// Interrupts a session, whoever asks; false if there is none.
    pub(super) fn request(&self, process: i32, cause: Cause) -> bool {
        let entries = self.entries.lock().expect("invariant: nothing panics while holding it");
        let entry = entries.get(&process);
        entry.inspect(|entry| entry.interrupt.request(cause)).is_some()
    }

    /// Ends all sessions, and waits a little for them to say goodbye.
    pub async fn shut_down(&self) {
        let deadline = tokio::time::Instant::now() + GOODBYE;
        loop {
            {
                let entries = self.entries.lock().expect("invariant: nothing panics while holding it");
                entries.values().for_each(|entry| entry.interrupt.request(Cause::Shutdown));
                if entries.is_empty() || tokio::time::Instant::now() > deadline {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Compares without telling by its duration how much was right.
fn same_key(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut entries = self.sessions.entries.lock().expect("invariant: nothing panics while holding it");
        entries.remove(&self.process);
    }
}
