//! The listener.
//!
//! One task accepts; each connection is a task of its own that can only harm itself: a panic ends that connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::connection;
use crate::execute::Executor;
use crate::session::Sessions;

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
