//! Rows into a table, by COPY as anybody would.

use std::io::Write;

use postgres::Client;

use crate::flags::Failure;

/// Rows in one COPY. Each is a transaction.
const ROWS_A_COPY: usize = 100_000;

/// Copies lines of PostgreSQL's text format into a table.
pub fn copy(client: &mut Client, table: &str, lines: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut lines = lines.peekable();
    while lines.peek().is_some() {
        let mut writer = client.copy_in(&format!("COPY {table} FROM STDIN"))?;
        let mut buffer = String::new();
        for line in lines.by_ref().take(ROWS_A_COPY) {
            buffer.push_str(&line);
            buffer.push('\n');
            if buffer.len() >= 1 << 16 {
                writer.write_all(buffer.as_bytes())?;
                buffer.clear();
            }
        }
        writer.write_all(buffer.as_bytes())?;
        writer.finish()?;
    }
    Ok(())
}
