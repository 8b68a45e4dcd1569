//! What a connection has to say: a buffer that messages are encoded into, and the task that writes full buffers out.
//!
//! At most [`CHUNKS`] buffers of about [`CHUNK_BYTES`] wait for a client that reads slowly; then whoever has more to
//! say waits too. Nothing is lost when such a wait is given up: the bytes stay in the buffer.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::message::BackendMessage;

/// A buffer this full is written out without being asked.
const CHUNK_BYTES: usize = 32 << 10;

/// Full buffers that may wait for the client.
const CHUNKS: usize = 2;

/// The client is not there any more, or its socket is broken.
#[derive(Debug)]
pub struct Disconnected;

/// The sending side of a connection.
pub struct Outbox {
    buffer: BytesMut,
    chunks: mpsc::Sender<Bytes>,
    writer: JoinHandle<()>,
}

impl Outbox {
    pub fn new(socket: impl AsyncWrite + Send + Unpin + 'static) -> Outbox {
        let (chunks, incoming) = mpsc::channel(CHUNKS);
        Outbox { buffer: BytesMut::new(), chunks, writer: tokio::spawn(write(socket, incoming)) }
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
    pub async fn close(mut self) {
        let _ = self.flush().await;
        let Outbox { chunks, mut writer, .. } = self;
        drop(chunks);
        // A client that reads nothing does not keep its connection for ever.
        if tokio::time::timeout(std::time::Duration::from_secs(5), &mut writer).await.is_err() {
            writer.abort();
        }
    }
}

async fn write(mut socket: impl AsyncWrite + Unpin, mut chunks: mpsc::Receiver<Bytes>) {
    while let Some(chunk) = chunks.recv().await {
        if let Err(error) = socket.write_all(&chunk).await {
            tracing::debug!(%error, "cannot write to a client");
            return;
        }
    }
    let _ = socket.shutdown().await;
}
