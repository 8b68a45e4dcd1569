//! COPY, between the formats and the engine.

use bytes::Bytes;
use compiler::Error;
use compiler::repr::{Datum, RowBuf};

use crate::copy::{CopyReader, CopyWriter};
use crate::session::{ResultRows, RowSet};

/// A COPY FROM that collects rows: they are committed as one transaction, or not at all.
pub struct CopyIn {
    reader: CopyReader,
    columns: usize,
    binary: bool,
    /// For each column of the table: its place in a line, or else its packed default.
    sources: Vec<CopySourceOfColumn>,
    rows: RowSet,
}

/// Where a column of the table gets its value.
pub enum CopySourceOfColumn {
    /// From the line's field, or this where the line leaves it out.
    Field {
        field: usize,
        default: Vec<u8>,
    },
    Default(Vec<u8>),
}

impl CopyIn {
    pub fn new(reader: CopyReader, columns: usize, binary: bool, sources: Vec<CopySourceOfColumn>) -> CopyIn {
        CopyIn { reader, columns, binary, sources, rows: RowSet::default() }
    }

    /// How many fields a line has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn is_binary(&self) -> bool {
        self.binary
    }

    pub fn push(&mut self, data: &Bytes) -> Result<(), Error> {
        let CopyIn { reader, sources, rows, .. } = self;
        reader.push(data, &mut |cells| collect(cells, sources, rows))
    }

    /// Takes the data's end into account; the rows of the table follow.
    pub fn into_rows(mut self) -> Result<RowSet, Error> {
        let CopyIn { reader, sources, rows, .. } = &mut self;
        reader.finish(&mut |cells| collect(cells, sources, rows))?;
        Ok(self.rows)
    }
}

fn collect(
    cells: &[Option<Datum<'_>>],
    sources: &[CopySourceOfColumn],
    rows: &mut RowSet,
) -> Result<(), Error> {
    let mut row = RowBuf::default();
    for source in sources {
        match source {
            CopySourceOfColumn::Default(packed) => row.extend(packed),
            CopySourceOfColumn::Field { field, default } => match cells[*field] {
                Some(datum) => row.push(datum),
                None => row.extend(default),
            },
        }
    }
    rows.push(row.bytes());
    Ok(())
}

/// A COPY TO: the rows of a result, and how they are written.
pub struct CopyOut {
    pub result: ResultRows,
    pub writer: CopyWriter,
}
