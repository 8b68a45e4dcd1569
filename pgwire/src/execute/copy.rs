//! COPY, between the formats and the engine.

use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use compiler::catalog::{Catalog, Item};
use compiler::mir::CollectionId;
use compiler::plan::{CopyFill, CopyFormat, CopyFrom, CopySource, CopyTo, Plan};
use compiler::repr::text::TextSettings;
use compiler::repr::{Datum, Row, RowBuf, Type};
use compiler::{Error, SqlState};

use super::target::Target;
use super::transaction::check_room;
use super::write::Incoming;
use super::{Answer, Evaluation, Executor, Transaction, answer};
use crate::copy::{self, CopyReader, CopyWriter};
use crate::session::{Interrupt, ResultRows, RowSet};

/// A COPY FROM that collects rows: they are committed as one transaction, or not at all.
pub struct CopyIn {
    reader: CopyReader,
    fields: usize,
    binary: bool,
    collector: Collector,
}

/// Makes rows of the table from the cells of a line.
struct Collector {
    catalog: Arc<Catalog>,
    table: CollectionId,
    settings: TextSettings,
    /// For each column of the table, its place in a line.
    places: Vec<Option<usize>>,
    /// For each column of the table, what it holds when a line does not say.
    defaults: Vec<Row>,
    /// The columns that sequences fill then. Each row has at its end whether the line says nothing of it.
    fill: Option<Box<CopyFill>>,
    rows: RowSet,
    /// The line that each row stood in.
    lines: Vec<u64>,
    evaluation: Evaluation,
}

/// A COPY TO: the rows of a result, and how they are written.
pub struct CopyOut {
    pub result: ResultRows,
    pub writer: CopyWriter,
}

impl CopyIn {
    /// How many fields a line has.
    pub fn fields(&self) -> usize {
        self.fields
    }

    pub fn is_binary(&self) -> bool {
        self.binary
    }

    pub fn push(&mut self, data: &Bytes) -> Result<(), Error> {
        let CopyIn { reader, collector, .. } = self;
        reader.push(data, &mut |line, cells| collector.collect(line, cells))
    }
}

impl Collector {
    fn collect(&mut self, line: u64, cells: &[Option<Datum<'_>>]) -> Result<(), Error> {
        let mut row = RowBuf::default();
        for (place, default) in self.places.iter().zip(&self.defaults) {
            match place.and_then(|place| cells[place]) {
                Some(datum) => row.push(datum),
                None => row.extend(default.bytes()),
            }
        }
        match &self.fill {
            None => Target::of(&self.catalog, self.table)?.check_row(
                row.bytes(),
                &self.settings,
                &mut self.evaluation,
            )?,
            Some(fill) => {
                let said = |column: &usize| self.places[*column].is_some_and(|place| cells[place].is_some());
                fill.columns.iter().for_each(|column| row.push(Datum::Bool(!said(column))));
            }
        }
        check_room(self.rows.bytes() + row.bytes().len(), self.rows.len() + 1)?;
        self.rows.push(row.bytes());
        self.lines.push(line);
        Ok(())
    }
}

impl Executor {
    pub(super) fn copy_from(
        &self,
        copy: &CopyFrom,
        settings: TextSettings,
        transaction: &Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<CopyIn, Error> {
        let catalog = self.catalog(transaction);
        let missing = || Error::new(SqlState::UNDEFINED_TABLE, "the table was dropped meanwhile");
        let item = catalog.item(copy.table).ok_or_else(missing)?;
        let column = |index: &usize| {
            let column = &item.columns()[*index];
            (column.name.clone(), column.typ.typ.clone())
        };
        let target = copy::Target {
            table: item.name.clone(),
            columns: copy.columns.iter().map(column).collect(),
            settings: settings.clone(),
        };
        let mut evaluation = Evaluation::new(interrupt);
        let defaults = copy.defaults.iter().map(|default| evaluation.values(slice::from_ref(default)));
        let defaults = defaults.collect::<Result<_, Error>>()?;
        let places = (0..item.columns().len()).map(|column| copy.columns.iter().position(|c| *c == column));
        Ok(CopyIn {
            reader: CopyReader::new(target, copy.format.clone()),
            fields: copy.columns.len(),
            binary: copy.format == CopyFormat::Binary,
            collector: Collector {
                table: copy.table,
                settings,
                places: places.collect(),
                defaults,
                fill: copy.fill.clone(),
                rows: RowSet::default(),
                lines: Vec::new(),
                catalog,
                evaluation,
            },
        })
    }

    /// Inserts what a COPY FROM has collected; says how many rows.
    pub async fn finish_copy_in(
        &self,
        copy: CopyIn,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<u64, Error> {
        let CopyIn { mut reader, mut collector, .. } = copy;
        reader.finish(&mut |line, cells| collector.collect(line, cells))?;
        let Collector { table, mut rows, settings, lines, catalog, fill, .. } = collector;
        self.lock(table, transaction, interrupt).await?;
        let present = self.catalog(transaction);
        let altered =
            |item: &Arc<Item>| catalog.item(table).is_none_or(|known| known.columns() != item.columns());
        if present.item(table).is_none_or(altered) {
            let message = "could not serialize access due to a concurrent ALTER TABLE";
            return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                .hint("The transaction might succeed if retried."));
        }
        if let Some(fill) = fill {
            rows = self.affect(&fill.effects, rows, transaction, interrupt).await?;
        }
        let name = catalog.item(table).map_or("", |item| &item.name);
        let at = |row: usize| Some(copy::line_context(name, lines[row]));
        let incoming = Incoming { rows: &rows, conflict: None, at: &at };
        self.insert_rows(table, incoming, &settings, transaction, interrupt).await?;
        Ok(rows.len() as u64)
    }

    pub(super) async fn copy_to(
        &self,
        copy: &CopyTo,
        (values, types): (&Row, &[Type]),
        settings: TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<CopyOut, Error> {
        let result = match &copy.source {
            CopySource::Query(query) => {
                self.open_query(query, (values, types), transaction, interrupt).await?
            }
            CopySource::Subscribe(subscribe) => {
                self.open_subscribe(subscribe, (values, types), transaction, interrupt).await?
            }
            CopySource::Statement(plan) => {
                self.copied_statement(plan, (values, types), &settings, transaction, interrupt).await?
            }
        };
        let columns = result.columns.iter().map(|column| (column.name.clone(), column.typ.clone())).collect();
        Ok(CopyOut { result, writer: CopyWriter::new(columns, copy.format.clone(), settings) })
    }

    async fn copied_statement(
        &self,
        plan: &Plan,
        parameters: (&Row, &[Type]),
        settings: &TextSettings,
        transaction: &mut Transaction,
        interrupt: &Arc<Interrupt>,
    ) -> Result<ResultRows, Error> {
        let (written, returning) = self.write(plan, parameters, settings, transaction, interrupt).await?;
        match answer(plan, written, returning) {
            Answer::Rows(result) => Ok(result),
            _ => Err(Error::unsupported("COPY query must have a RETURNING clause")),
        }
    }
}
