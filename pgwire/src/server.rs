//! The listener and the list of who is connected.
//!
//! One task accepts; each connection is a task of its own that can only harm itself: a panic ends that connection. The
//! list is what CancelRequest and shutdown reach sessions through.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng;
use tokio::net::TcpListener;

use crate::connection;
use crate::execute::Executor;
use crate::session::{Cause, Interrupt};

/// Sessions beyond this are refused with 53300.
const SESSIONS_MAX: usize = 1000;

/// How long sessions get to say goodbye when the server ends.
const GOODBYE: Duration = Duration::from_millis(400);

/// A bound listener that is not answering yet.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub async fn bind(address: SocketAddr) -> std::io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens: port 0 has become a real one.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves clients until `end` resolves and they have been told.
    pub async fn run(self, executor: Executor, end: impl Future<Output = ()>) {
        let sessions = Arc::new(Sessions::default());
        tokio::select! {
            () = self.accept(executor, &sessions) => {}
            () = end => {}
        }
        sessions.shut_down().await;
    }

    async fn accept(&self, executor: Executor, sessions: &Arc<Sessions>) {
        loop {
            match self.listener.accept().await {
                Ok((socket, peer)) => {
                    tracing::debug!(%peer, "connection");
                    tokio::spawn(connection::serve(socket, executor.clone(), Arc::clone(sessions)));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those in use go on, and newcomers wait in the backlog.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// The sessions that exist, by the process number that their clients were told.
#[derive(Default)]
pub struct Sessions {
    last: AtomicI32,
    entries: Mutex<HashMap<i32, Entry>>,
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
    sessions: Arc<Sessions>,
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

    async fn shut_down(&self) {
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
