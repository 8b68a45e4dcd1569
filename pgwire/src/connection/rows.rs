//! Results on their way out: descriptions, rows, and when the client sees them.
//!
//! A buffer is sent when it is full or when a stream has nothing more at the moment: then the client has whole timestamps
//! at once, however slowly they come.

use std::time::Duration;

use compiler::Error;
use compiler::plan::OutputColumn;

use super::{BYTES_AT_ONCE, Connection, Failure};
use crate::encode::{Format, RowEncoder};
use crate::execute::beside_the_reactor;
use crate::message::{BackendMessage, Field};
use crate::session::ResultRows;
use crate::session::parameters::PORTAL_FILL;

/// How long a row-limited read of a stream waits for more once it has a row.
const LINGER: Duration = Duration::from_millis(10);

/// How a result was sent.
pub(super) struct Sent {
    pub rows: u64,
    /// The limit was reached: there may be more.
    pub suspended: bool,
}

impl Connection {
    pub(super) fn describe_rows(&mut self, columns: &[OutputColumn], formats: &[Format]) {
        let fields: Vec<Field> =
            columns.iter().zip(formats).map(|(column, format)| field(column, *format)).collect();
        self.out.put(BackendMessage::RowDescription(&fields));
    }

    /// Sends rows, at most `limit` of them.
    pub(super) async fn send_rows(
        &mut self,
        result: &mut ResultRows,
        formats: Vec<Format>,
        limit: Option<u64>,
    ) -> Result<Sent, Failure> {
        let columns = result.columns.iter().zip(formats).map(|(column, format)| (column.typ.clone(), format));
        let encoder = RowEncoder::new(columns.collect(), self.session.settings());
        let mut encoder = encoder.with_names(|| self.session.entry_names());
        let mut sent = 0;
        loop {
            while let Some(row) = result.rows.next_row() {
                let is_long = row.len() > BYTES_AT_ONCE;
                beside_the_reactor(is_long, || encoder.put_row(row, self.out.buffer()))?;
                sent += 1;
                if limit == Some(sent) {
                    return Ok(Sent { rows: sent, suspended: true });
                }
                if self.out.is_full() {
                    self.flush_rows().await?;
                }
            }
            if !result.rows.is_stream() {
                return Ok(Sent { rows: sent, suspended: false });
            }
            if limit.is_some() && sent > 0 && !self.session.parameters.is_on(PORTAL_FILL) {
                match tokio::time::timeout(LINGER, result.rows.ready(&self.interrupt)).await {
                    Err(_) => return Ok(Sent { rows: sent, suspended: true }),
                    Ok(ready) => {
                        if ready? {
                            continue;
                        }
                        return Ok(Sent { rows: sent, suspended: false });
                    }
                }
            }
            self.flush_rows().await?;
            if !result.rows.ready(&self.interrupt).await? {
                return Ok(Sent { rows: sent, suspended: false });
            }
        }
    }

    /// Sends what has gathered, unless the statement is to stop first: the client may not be reading.
    pub(super) async fn flush_rows(&mut self) -> Result<(), Failure> {
        self.interrupt.check()?;
        tokio::select! {
            biased;
            flushed = self.out.flush() => Ok(flushed?),
            error = self.interrupt.stopped() => Err(error.into()),
        }
    }
}

fn field(column: &OutputColumn, format: Format) -> Field {
    Field {
        name: column.name.clone(),
        table: 0,
        attribute: 0,
        type_oid: column.typ.oid(),
        type_length: column.typ.typlen(),
        typmod: column.typ.typmod(),
        format: format.code(),
    }
}

/// One format per column, or the error that the client's codes deserve.
pub(super) fn formats(codes: &[i16], columns: usize, binary: bool) -> Result<Vec<Format>, Error> {
    if binary { Ok(vec![Format::Binary; columns]) } else { Format::per_column(codes, columns) }
}
