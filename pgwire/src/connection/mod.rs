//! One client: its socket, the tasks that read and write it, and the conversation between them.

mod inbox;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use compiler::{Error, SqlState};
use tokio::net::TcpStream;

use crate::execute::Executor;
use crate::message::{BackendMessage, FrontendMessage, Severity, TransactionStatus, is_extended};
use crate::server::{Seat, Sessions};
use crate::session::{Interrupt, Parameters};
use crate::startup::{Opening, Startup, Version, negotiate};
use inbox::{Inbound, Inbox};
use outbox::{Disconnected, Outbox};

/// How long a client may take to say who it is, all packets together.
const STARTUP: Duration = Duration::from_secs(60);

/// Serves one client from its first byte to its last.
pub async fn serve(mut socket: TcpStream, executor: Executor, sessions: Arc<Sessions>) {
    let _ = socket.set_nodelay(true);
    let mut buf = BytesMut::new();
    let opening = tokio::time::timeout(STARTUP, negotiate(&mut socket, &mut buf)).await;
    match opening {
        Ok(Ok(Opening::Session(startup))) => converse(socket, buf, startup, executor, sessions).await,
        Ok(Ok(Opening::Cancel { process, key })) => sessions.cancel(process, &key),
        Ok(Ok(Opening::Nothing)) | Ok(Err(_)) | Err(_) => {}
    }
}

async fn converse(
    socket: TcpStream,
    buf: BytesMut,
    startup: Startup,
    _executor: Executor,
    sessions: Arc<Sessions>,
) {
    let (read, write) = socket.into_split();
    let mut out = Outbox::new(write);
    let mut seat = None;
    let ended = match greet(&mut out, &startup, &sessions) {
        Err(error) => Ended::Fatal(error),
        Ok((taken, parameters)) => {
            let interrupt = Arc::clone(&seat.insert(taken).interrupt);
            let inbox = Inbox::new(read, buf, Arc::clone(&interrupt));
            let mut connection = Connection { inbox, out, interrupt, parameters, skipping: false };
            let ended = connection.run().await;
            out = connection.out;
            ended
        }
    };
    if let Ended::Fatal(error) = ended {
        out.put(BackendMessage::Error { severity: Severity::Fatal, error: &error });
    }
    out.close().await;
    drop(seat);
}

/// Admits a client: everyone is trusted, for only loopback addresses are listened on. A session's first words are a
/// parameter's value each, and the key with which its statements can be cancelled.
fn greet(out: &mut Outbox, startup: &Startup, sessions: &Arc<Sessions>) -> Result<(Seat, Parameters), Error> {
    if startup.negotiate {
        let (newest, unrecognized) = (startup.version.0, &startup.extensions[..]);
        out.put(BackendMessage::NegotiateProtocolVersion { newest, unrecognized });
    }
    let key_bytes = if startup.version == Version::V3_0 { 4 } else { 32 };
    let too_many = || Error::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already");
    let seat = sessions.enter(key_bytes).ok_or_else(too_many)?;
    out.put(BackendMessage::AuthenticationOk);
    let mut parameters = Parameters::at_startup(&startup.user, &startup.parameters)?;
    parameters.report_changes(|name, value| out.put(BackendMessage::ParameterStatus { name, value }));
    out.put(BackendMessage::BackendKeyData { process: seat.process, key: &seat.key });
    Ok((seat, parameters))
}

/// A conversation under way.
struct Connection {
    inbox: Inbox,
    out: Outbox,
    interrupt: Arc<Interrupt>,
    parameters: Parameters,
    /// An extended message failed: all is passed over until Sync.
    skipping: bool,
}

/// Why a conversation ended.
enum Ended {
    /// Nobody is there to be told.
    Left,
    /// The client is told, then disconnected.
    Fatal(Error),
}

impl From<Disconnected> for Ended {
    fn from(_: Disconnected) -> Ended {
        Ended::Left
    }
}

impl Connection {
    /// Answers until the conversation ends; says why it did.
    async fn run(&mut self) -> Ended {
        let mut done = self.ready().await;
        loop {
            match done {
                Ok(()) => done = self.next().await,
                Err(ended) => return ended,
            }
        }
    }

    /// Waits for what the client says next, and answers it.
    async fn next(&mut self) -> Result<(), Ended> {
        let inbound = tokio::select! {
            inbound = self.inbox.next() => inbound.ok_or(Ended::Left)?,
            error = self.interrupt.shutdown() => return Err(Ended::Fatal(error)),
        };
        match inbound {
            Inbound::Message(message) => self.message(message).await,
            Inbound::Malformed { tag, error } => self.malformed(tag, &error).await,
            Inbound::Lost(lost) => {
                Err(Ended::Fatal(Error::new(SqlState::PROTOCOL_VIOLATION, lost.to_string())))
            }
        }
    }

    async fn message(&mut self, message: FrontendMessage) -> Result<(), Ended> {
        match message {
            FrontendMessage::Sync => {
                self.skipping = false;
                self.ready().await
            }
            FrontendMessage::Terminate => Err(Ended::Left),
            _ if self.skipping => Ok(()),
            FrontendMessage::Flush => Ok(self.out.flush().await?),
            _ => {
                let error = Error::unsupported("statements are not supported");
                self.out.put(BackendMessage::Error { severity: Severity::Error, error: &error });
                self.ready().await
            }
        }
    }

    async fn malformed(&mut self, tag: u8, error: &Error) -> Result<(), Ended> {
        if self.skipping {
            return Ok(());
        }
        self.out.put(BackendMessage::Error { severity: Severity::Error, error });
        self.skipping = is_extended(tag);
        if self.skipping { Ok(()) } else { self.ready().await }
    }

    async fn ready(&mut self) -> Result<(), Ended> {
        let out = &mut self.out;
        self.parameters
            .report_changes(|name, value| out.put(BackendMessage::ParameterStatus { name, value }));
        self.out.put(BackendMessage::ReadyForQuery(TransactionStatus::Idle));
        Ok(self.out.flush().await?)
    }
}
