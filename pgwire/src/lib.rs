//! Clients: the PostgreSQL wire protocol, sessions, and the one place where compiler meets engine.
//!
//! A connection's life:
//! 1. [`server`] accepts the socket and spawns a task for it.
//! 2. [`startup`] answers requests for encryption and reads the startup message, or a cancel request.
//! 3. `connection` splits the socket: one task reads frames ([`codec`]) and decodes them ([`message`]) into a bounded
//!    queue, one writes full buffers, and the connection's own task stands between them.
//! 4. That task gives each message to the [`session`], which knows statements, portals, parameters and the transaction,
//!    but nothing of messages.
//! 5. Statements go on to [`execute`], the only file that calls the compiler and the engine.
//!
//! A client can harm its own connection only: frames, queues and buffers are bounded, and nothing that it sends reaches a
//! panic.

pub mod codec;
mod connection;
pub mod copy;
pub mod encode;
pub mod execute;
pub mod message;
pub mod server;
pub mod session;
pub mod startup;

pub use execute::Executor;
pub use server::Server;
