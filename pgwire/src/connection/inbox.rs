//! What a client says: the task that reads its socket, and the bounded queue of decoded messages behind it.
//!
//! The task reads on while a statement runs, so that a client that leaves is noticed. What may wait in the queue is
//! bounded in messages, and in bytes for long ones: then the socket is not read, and the client's own sending blocks.

use std::sync::Arc;

use bytes::BytesMut;
use compiler::{Error, SqlState};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::codec::{Frame, FrameReader, FramingLost, MESSAGE_BYTES_MAX};
use crate::message::FrontendMessage;
use crate::session::{Cause, Interrupt};

/// Messages that may wait.
const MESSAGES: usize = 64;

/// Bodies shorter than this are bounded by the number of messages alone.
const SHORT_BYTES: usize = 8 << 10;

/// Bytes of long bodies that may wait.
const LONG_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// What came from the client.
#[derive(Debug)]
pub enum Inbound {
    Message(FrontendMessage),
    /// A frame whose body is wrong: an ERROR, and the session goes on.
    Malformed {
        tag: u8,
        error: Error,
    },
    /// There is no telling where the next frame begins: the connection ends.
    Lost(FramingLost),
}

/// The receiving side of a connection; ends with the client's half of the socket.
pub struct Inbox {
    queue: mpsc::Receiver<(Inbound, Option<OwnedSemaphorePermit>)>,
    reader: JoinHandle<()>,
}

impl Inbox {
    /// `buf` holds what was read beyond the startup message.
    pub fn new(
        socket: impl AsyncRead + Send + Unpin + 'static,
        buf: BytesMut,
        interrupt: Arc<Interrupt>,
    ) -> Inbox {
        let (sender, queue) = mpsc::channel(MESSAGES);
        let reader = Reader { socket, buf, queue: sender, room: Arc::new(Semaphore::new(LONG_BYTES_MAX)) };
        let reader = tokio::spawn(async move {
            reader.run().await;
            interrupt.request(Cause::Gone);
        });
        Inbox { queue, reader }
    }

    /// The next message; `None` when there will be none. May be given up at any time.
    pub async fn next(&mut self) -> Option<Inbound> {
        self.queue.recv().await.map(|(inbound, _)| inbound)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Reader<S> {
    socket: S,
    buf: BytesMut,
    queue: mpsc::Sender<(Inbound, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// Reads until the client has nothing more to say, or says what nobody understands.
    async fn run(mut self) {
        let mut frames = FrameReader::default();
        loop {
            match frames.next(&mut self.buf) {
                Ok(Some(frame)) => {
                    if self.pass_on(frame).await.is_err() {
                        return;
                    }
                }
                Ok(None) => match self.socket.read_buf(&mut self.buf).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                Err(lost) => {
                    let _ = self.queue.send((Inbound::Lost(lost), None)).await;
                    return;
                }
            }
        }
    }

    /// Err when no further message can matter.
    async fn pass_on(&mut self, frame: Frame) -> Result<(), ()> {
        let (inbound, bytes) = match frame {
            Frame::Message { tag, body } => {
                let bytes = body.len();
                match FrontendMessage::decode(tag, body) {
                    Ok(message) => (Inbound::Message(message), bytes),
                    Err(error) => (Inbound::Malformed { tag, error }, 0),
                }
            }
            Frame::Oversized { tag, length } => (Inbound::Malformed { tag, error: oversized(length) }, 0),
        };
        let last = matches!(inbound, Inbound::Message(FrontendMessage::Terminate));
        let permit =
            if bytes < SHORT_BYTES { None } else { Some(room_for(Arc::clone(&self.room), bytes).await) };
        self.queue.send((inbound, permit)).await.map_err(|_| ())?;
        if last { Err(()) } else { Ok(()) }
    }
}

async fn room_for(room: Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    let permits = bytes.min(LONG_BYTES_MAX) as u32;
    room.acquire_many_owned(permits).await.expect("invariant: nobody closes the semaphore")
}

fn oversized(length: usize) -> Error {
    let message = format!("message of {length} bytes is too long: at most {MESSAGE_BYTES_MAX} are read");
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .hint("Send much data with COPY, whose size is not limited.")
}
