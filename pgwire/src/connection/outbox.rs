//! What a connection has to say: a buffer that messages are encoded into, and the task that writes full buffers out.
//!
//! At most [`CHUNKS`] buffers of about [`CHUNK_BYTES`] wait for a client that reads slowly; then whoever has more to
//! say waits too. Nothing is lost when such a wait is given up: the bytes stay in the buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::message::BackendMessage;

/// A buffer this full is written out without being asked.
const CHUNK_BYTES: usize = 32 << 10;

/// Full buffers that may wait for the client.
const CHUNKS: usize = 2;

/// How long a client that is to be told the rest may take nothing of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The client is not there any more, or its socket is broken.
#[derive(Debug)]
pub struct Disconnected;

/// The sending side of a connection.
pub struct Outbox {
    buffer: BytesMut,
    chunks: mpsc::Sender<Bytes>,
    writer: JoinHandle<()>,
    /// How many bytes the socket has taken.
    written: Arc<AtomicU64>,
}

impl Outbox {
    pub fn new(socket: impl AsyncWrite + Send + Unpin + 'static) -> Outbox {
        let (chunks, incoming) = mpsc::channel(CHUNKS);
        let written = Arc::<AtomicU64>::default();
        let writer = tokio::spawn(write(socket, incoming, Arc::clone(&written)));
        Outbox { buffer: BytesMut::new(), chunks, writer, written }
    }

    pub fn put(&mut self, message: BackendMessage<'_>) {
        message.encode(&mut self.buffer);
    }

    /// Where rows are encoded without becoming messages first.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether enough has gathered for [`Outbox::flush`] to be worth it.
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= CHUNK_BYTES
    }

    /// Hands what has gathered to the writer, waiting for room. May be given up at any time.
    pub async fn flush(&mut self) -> Result<(), Disconnected> {
        if !self.buffer.is_empty() {
            let room = self.chunks.reserve().await.map_err(|_| Disconnected)?;
            room.send(self.buffer.split().freeze());
        }
        Ok(())
    }

    /// Says what is left to say and closes the socket.
    pub async fn close(self) {
        self.close_within(PATIENCE).await;
    }

    /// A client that takes nothing for so long does not keep its connection; one that reads slowly is told all.
    async fn close_within(self, patience: Duration) {
        let Outbox { buffer, chunks, writer, written } = self;
        let abort = writer.abort_handle();
        let mut rest = std::pin::pin!(async move {
            if !buffer.is_empty() {
                let _ = chunks.send(buffer.freeze()).await;
            }
            drop(chunks);
            let _ = writer.await;
        });
        loop {
            let before = written.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, &mut rest).await {
                Ok(()) => return,
                Err(_) if written.load(Ordering::Relaxed) == before => return abort.abort(),
                Err(_) => {}
            }
        }
    }
}

async fn write(
    mut socket: impl AsyncWrite + Unpin,
    mut chunks: mpsc::Receiver<Bytes>,
    written: Arc<AtomicU64>,
) {
    while let Some(mut chunk) = chunks.recv().await {
        while !chunk.is_empty() {
            match socket.write(&chunk).await {
                Ok(bytes) if bytes > 0 => {
                    chunk.advance(bytes);
                    written.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                outcome => return tracing::debug!(?outcome, "cannot write to a client"),
            }
        }
    }
    let _ = socket.shutdown().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn filled(socket: impl AsyncWrite + Send + Unpin + 'static) -> Outbox {
        let mut out = Outbox::new(socket);
        out.buffer().extend_from_slice(&[7; 400]);
        out
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_is_told_all() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let closing = tokio::spawn(filled(ours).close_within(SHORT));
        let mut heard = Vec::new();
        let mut piece = [0; 8];
        while let Ok(bytes @ 1..) = theirs.read(&mut piece).await {
            heard.extend_from_slice(&piece[..bytes]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(heard, [7; 400]);
        closing.await.expect("it does not panic");
    }

    /// Even when so much waits that there is no room for the rest.
    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut out = filled(ours);
        for _ in 0..=CHUNKS {
            let _ = tokio::time::timeout(SHORT, out.flush()).await;
            out.buffer().extend_from_slice(&[7; 400]);
        }
        let closed = tokio::time::timeout(Duration::from_secs(10), out.close_within(SHORT)).await;
        assert!(closed.is_ok(), "it waits for ever");
    }
}
