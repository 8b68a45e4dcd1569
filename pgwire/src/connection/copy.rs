//! COPY's part of the protocol: CopyData in either direction, and how either side gives up.

use std::borrow::Cow;

use bytes::BufMut;
use compiler::{Error, SqlState};

use super::inbox::Inbound;
use super::{BYTES_AT_ONCE, Connection, Ended, Failure, violation};
use crate::codec::put_frame;
use crate::execute::{CopyIn, CopyOut, beside_the_reactor};
use crate::message::{BackendMessage, FrontendMessage, Severity};

impl Connection {
    /// Takes rows from the client until it says that these are all.
    pub(super) async fn copy_in(&mut self, mut copy: Box<CopyIn>) -> Result<Cow<'static, str>, Failure> {
        let format = i8::from(copy.is_binary());
        self.out.put(BackendMessage::CopyIn { format, columns: copy.fields() });
        self.out.flush().await?;
        loop {
            match self.hear_copy().await? {
                FrontendMessage::CopyData(data) => {
                    beside_the_reactor(data.len() > BYTES_AT_ONCE, || copy.push(&data))?
                }
                FrontendMessage::CopyDone => break,
                FrontendMessage::CopyFail(reason) => {
                    let message = format!("COPY from stdin failed: {reason}");
                    return Err(Error::new(SqlState::QUERY_CANCELED, message).into());
                }
                // Drivers send these with Execute, before they know that it is a COPY.
                FrontendMessage::Flush | FrontendMessage::Sync => {}
                FrontendMessage::Terminate => return Err(Ended::Left.into()),
                other => return Err(self.lose_copy(&other).into()),
            }
        }
        let rows = self.session.finish_copy_in(copy).await?;
        Ok(format!("COPY {rows}").into())
    }

    /// The next message of a COPY; a cancel request ends the wait.
    async fn hear_copy(&mut self) -> Result<FrontendMessage, Failure> {
        let inbound = tokio::select! {
            biased;
            error = self.interrupt.stopped() => return Err(error.into()),
            inbound = self.inbox.next() => inbound.ok_or(Ended::Left)?,
        };
        match inbound {
            Inbound::Message(message) => Ok(message),
            Inbound::Malformed { error, .. } => Err(error.into()),
            Inbound::Lost(lost) => Err(Ended::Fatal(violation(lost.to_string())).into()),
        }
    }

    /// A message that has no place in a COPY: there is no telling what the client thinks that it is saying.
    fn lose_copy(&mut self, message: &FrontendMessage) -> Ended {
        let tag = match message {
            FrontendMessage::Query(_) => b'Q',
            FrontendMessage::Parse { .. } => b'P',
            FrontendMessage::Bind(_) => b'B',
            FrontendMessage::Describe(_) => b'D',
            FrontendMessage::Execute { .. } => b'E',
            FrontendMessage::Close(_) => b'C',
            FrontendMessage::FunctionCall => b'F',
            _ => b'p',
        };
        let error = violation(format!("unexpected message type 0x{tag:02X} during COPY from stdin"));
        self.out.put(BackendMessage::Error { severity: Severity::Error, error: &error });
        Ended::Fatal(violation("terminating connection because protocol synchronization was lost".to_owned()))
    }

    /// Sends rows to the client, a CopyData each.
    pub(super) async fn copy_out(&mut self, copy: CopyOut) -> Result<Cow<'static, str>, Failure> {
        let CopyOut { mut result, mut writer } = copy;
        let format = i8::from(writer.is_binary());
        self.out.put(BackendMessage::CopyOut { format, columns: writer.columns() });
        if let Some(header) = writer.header() {
            put_frame(self.out.buffer(), b'd', |buf| buf.put_slice(header));
        }
        let mut sent = 0u64;
        loop {
            while let Some(row) = result.rows.next_row() {
                let line = beside_the_reactor(row.len() > BYTES_AT_ONCE, || writer.row(row))?;
                put_frame(self.out.buffer(), b'd', |buf| buf.put_slice(line));
                sent += 1;
                if self.out.is_full() {
                    self.flush_rows().await?;
                }
            }
            if !result.rows.is_stream() {
                break;
            }
            self.flush_rows().await?;
            if !result.rows.ready(&self.interrupt).await? {
                break;
            }
        }
        if let Some(trailer) = writer.trailer() {
            put_frame(self.out.buffer(), b'd', |buf| buf.put_slice(trailer));
        }
        self.out.put(BackendMessage::CopyDone);
        Ok(format!("COPY {sent}").into())
    }
}
