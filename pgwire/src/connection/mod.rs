//! One client: its socket, the tasks that read and write it, and the conversation between them.
//!
//! [`simple`] and [`extended`] are the two ways of asking, [`rows`] sends results, [`copy`] speaks COPY's part of the
//! protocol. Errors end a statement ([`Failure::Statement`]) or the conversation ([`Failure::Conversation`]).

mod copy;
mod extended;
mod inbox;
mod outbox;
mod rows;
mod simple;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use compiler::plan::Notice as PlanNotice;
use compiler::{Error, SqlState};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::execute::Executor;
use crate::message::{
    BackendMessage, FrontendMessage, Notice, NoticeSeverity, Severity, TransactionStatus, is_extended,
};
use crate::session::parameters;
use crate::session::{Cause, Interrupt, Parameters, Seat, Session, Sessions, TransactionState};
use crate::startup::{Opening, Startup, Version, negotiate};
use inbox::{Inbound, Inbox};
use outbox::{Disconnected, Outbox};

/// Statements, parameters and rows of more bytes than this are read and written outside the reactor's threads.
const BYTES_AT_ONCE: usize = 1 << 16;

/// How long a client may take to say who it is, all packets together.
const STARTUP: Duration = Duration::from_secs(60);

/// Serves one client from its first byte to its last.
pub async fn serve(mut socket: TcpStream, executor: Executor, sessions: Arc<Sessions>) {
    let _ = socket.set_nodelay(true);
    // A peer that vanished without a word is noticed, whatever its session waits for.
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
    let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
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
    executor: Executor,
    sessions: Arc<Sessions>,
) {
    let (read, write) = socket.into_split();
    let mut out = Outbox::new(write);
    let mut seat = None;
    let ended = match greet(&mut out, &startup, &sessions) {
        Err(error) => Ended::Fatal(error),
        Ok((taken, parameters)) => {
            let seat = seat.insert(taken);
            let interrupt = Arc::clone(&seat.interrupt);
            let inbox = Inbox::new(read, buf, Arc::clone(&interrupt));
            let Startup { user, database, .. } = startup;
            let session = Session::new(executor, seat, parameters, user, database);
            let mut connection = Connection { inbox, out, interrupt, session, skipping: false };
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
    session: Session,
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

/// What an error ends.
enum Failure {
    Statement(Error),
    Conversation(Ended),
}

impl From<Disconnected> for Ended {
    fn from(_: Disconnected) -> Ended {
        Ended::Left
    }
}

impl From<Disconnected> for Failure {
    fn from(_: Disconnected) -> Failure {
        Failure::Conversation(Ended::Left)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Statement(error)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Failure {
        Failure::Conversation(ended)
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
        match self.hear(self.idle_limit()).await? {
            Inbound::Message(message) => self.message(message).await,
            Inbound::Malformed { tag, error } => self.malformed(tag, error).await,
            Inbound::Lost(lost) => Err(Ended::Fatal(violation(lost.to_string()))),
        }
    }

    /// The next message. The server's end and a client that is silent for too long end the conversation.
    async fn hear(&mut self, limit: Option<(Duration, Error)>) -> Result<Inbound, Ended> {
        let silence = async {
            match limit {
                Some((limit, error)) => {
                    tokio::time::sleep(limit).await;
                    error
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            error = self.interrupt.shutdown() => Err(Ended::Fatal(error)),
            inbound = self.inbox.next() => inbound.ok_or(Ended::Left),
            error = silence => Err(Ended::Fatal(error)),
        }
    }

    /// How long the client may say nothing, and what it is told then.
    fn idle_limit(&self) -> Option<(Duration, Error)> {
        let (index, code, state) = match self.session.state() {
            TransactionState::Idle => {
                (parameters::IDLE_SESSION_TIMEOUT, SqlState::IDLE_SESSION_TIMEOUT, "idle-session")
            }
            TransactionState::Block | TransactionState::Failed => (
                parameters::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "idle-in-transaction",
            ),
            TransactionState::Implicit => return None,
        };
        let limit = self.session.parameters.timeout(index)?;
        Some((limit, Error::new(code, format!("terminating connection due to {state} timeout"))))
    }

    async fn message(&mut self, message: FrontendMessage) -> Result<(), Ended> {
        match message {
            FrontendMessage::Terminate => Err(Ended::Left),
            FrontendMessage::Sync => self.sync().await,
            // COPY's messages mean nothing outside of it: what is left of one that failed comes here.
            FrontendMessage::CopyData(_) | FrontendMessage::CopyDone | FrontendMessage::CopyFail(_) => Ok(()),
            _ if self.skipping => Ok(()),
            FrontendMessage::Query(sql) => self.query(sql).await,
            FrontendMessage::FunctionCall => {
                self.report(Error::unsupported("function calls by message are not supported"));
                self.ready().await
            }
            FrontendMessage::Password => {
                Err(Ended::Fatal(violation("invalid frontend message type 112".to_owned())))
            }
            FrontendMessage::Flush => Ok(self.out.flush().await?),
            extended => match self.extended(extended).await {
                Ok(()) => Ok(()),
                Err(failure) => {
                    self.skipping = true;
                    self.survive(failure)
                }
            },
        }
    }

    async fn malformed(&mut self, tag: u8, error: Error) -> Result<(), Ended> {
        if self.skipping {
            return Ok(());
        }
        self.report(error);
        self.skipping = is_extended(tag);
        if self.skipping { Ok(()) } else { self.ready().await }
    }

    /// Tells the client of an error that only a statement does not survive.
    fn survive(&mut self, failure: Failure) -> Result<(), Ended> {
        match failure {
            Failure::Statement(error) if error.code == SqlState::ADMIN_SHUTDOWN => Err(Ended::Fatal(error)),
            Failure::Statement(error) => {
                self.report(error);
                Ok(())
            }
            Failure::Conversation(ended) => Err(ended),
        }
    }

    /// Tells the client of an error, which its transaction does not survive.
    fn report(&mut self, error: Error) {
        self.session.fail();
        self.say_notices();
        self.out.put(BackendMessage::Error { severity: Severity::Error, error: &error });
    }

    /// Sends what the session noticed, as far as the client wants to know.
    fn say_notices(&mut self) {
        let notices = self.session.take_notices();
        if notices.is_empty() {
            return;
        }
        let least = match self.session.parameters.known("client_min_messages") {
            "error" => return,
            "warning" => NoticeSeverity::Warning,
            "notice" => NoticeSeverity::Notice,
            "log" => NoticeSeverity::Log,
            _ => NoticeSeverity::Debug,
        };
        for notice in notices.into_iter().map(to_message).filter(|notice| notice.severity >= least) {
            self.out.put(BackendMessage::Notice(&notice));
        }
    }

    /// Says that the next message can come, and what has changed.
    async fn ready(&mut self) -> Result<(), Ended> {
        self.say_notices();
        let out = &mut self.out;
        self.session
            .parameters
            .report_changes(|name, value| out.put(BackendMessage::ParameterStatus { name, value }));
        out.put(BackendMessage::ReadyForQuery(match self.session.state() {
            TransactionState::Idle | TransactionState::Implicit => TransactionStatus::Idle,
            TransactionState::Block => TransactionStatus::InBlock,
            TransactionState::Failed => TransactionStatus::Failed,
        }));
        Ok(self.out.flush().await?)
    }

    /// Begins a statement: forgets interrupts that were meant for another one, and sets the clock.
    fn begin_statement(&self) -> Timer {
        self.interrupt.begin_statement();
        let timer = self.session.parameters.timeout(parameters::STATEMENT_TIMEOUT).map(|limit| {
            let interrupt = Arc::clone(&self.interrupt);
            tokio::spawn(async move {
                tokio::time::sleep(limit).await;
                interrupt.request(Cause::Timeout);
            })
        });
        Timer(timer)
    }
}

/// Interrupts a statement that takes too long; dropped when it ends.
struct Timer(Option<JoinHandle<()>>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn to_message(notice: PlanNotice) -> Notice {
    let severity = if notice.warning { NoticeSeverity::Warning } else { NoticeSeverity::Notice };
    let PlanNotice { code, message, detail, hint, .. } = notice;
    Notice { severity, text: Error { detail, hint, ..Error::new(code, message) } }
}

fn violation(message: String) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, message)
}
