//! A session: what a client has set, prepared and begun. It knows nothing of messages.

mod interrupt;
mod parameters;

pub use interrupt::{Cause, Interrupt};
pub use parameters::{DEFINITIONS, Parameters, Reach, SERVER_VERSION};
