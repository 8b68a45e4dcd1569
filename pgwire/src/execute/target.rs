//! A table that is written to: what its rows must satisfy, and which rows have which keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use compiler::catalog::{Arrangement, Catalog, Column, Item, Kind};
use compiler::error::About;
use compiler::mir::CollectionId;
use compiler::repr::Datum;
use compiler::repr::row::{Datums, ROW_BYTES_MAX};
use compiler::repr::text::{self, TextSettings};
use compiler::scalar::{EvalError, ScalarExpr};
use compiler::{Error, SqlState};

use super::Evaluation;

/// A table or stream that is written to.
pub struct Target<'c> {
    pub catalog: &'c Catalog,
    pub item: &'c Arc<Item>,
}

impl<'c> Target<'c> {
    pub fn of(catalog: &'c Catalog, id: CollectionId) -> Result<Target<'c>, Error> {
        let missing = || Error::new(SqlState::UNDEFINED_TABLE, "the table was dropped meanwhile");
        Ok(Target { catalog, item: catalog.item(id).ok_or_else(missing)? })
    }

    /// The arrangement that holds whole rows by the table's own key.
    pub fn own_arrangement(&self, catalog: &Catalog) -> Result<Arrangement, Error> {
        let missing = || Error::new(SqlState::INTERNAL_ERROR, "a table has no arrangement");
        let own = catalog.arrangements_of(self.item.id).next();
        own.map(|(_, arrangement)| arrangement.clone()).ok_or_else(missing)
    }

    /// Refuses NULL where none may be, values that could not be computed, and rows that are too large.
    pub fn check_row(
        &self,
        row: &[u8],
        settings: &TextSettings,
        evaluation: &mut Evaluation,
    ) -> Result<(), Error> {
        if row.len() > ROW_BYTES_MAX {
            return Err(EvalError::row_too_large().into());
        }
        for (datum, column) in Datums::new(row).zip(self.item.columns()) {
            match datum {
                Datum::Error(error) => return Err(error.to_owned().into()),
                Datum::Null if !column.typ.nullable => return Err(self.null(row, column, settings)),
                _ => {}
            }
        }
        match &self.item.bound.checks[..] {
            [] => Ok(()),
            checks => self.check_conditions(checks, row, settings, evaluation),
        }
    }

    /// Refuses a row of which a CHECK's condition is false.
    fn check_conditions(
        &self,
        conditions: &[ScalarExpr],
        row: &[u8],
        settings: &TextSettings,
        evaluation: &mut Evaluation,
    ) -> Result<(), Error> {
        let Kind::Table(table) = &self.item.kind else { return Ok(()) };
        for (check, condition) in table.checks.iter().zip(conditions) {
            if !holds(condition, row, evaluation)? {
                let (table, constraint) = (&self.item.name, &check.name);
                let message =
                    format!("new row for relation \"{table}\" violates check constraint \"{constraint}\"");
                return Err(Error::new(SqlState::CHECK_VIOLATION, message)
                    .detail(format!("Failing row contains ({}).", self.texts(row, None, settings)))
                    .about(About { constraint: Some(constraint.clone()), ..self.about() }));
            }
        }
        Ok(())
    }

    fn null(&self, row: &[u8], column: &Column, settings: &TextSettings) -> Error {
        let (column, table) = (&column.name, &self.item.name);
        let message =
            format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint");
        Error::new(SqlState::NOT_NULL_VIOLATION, message)
            .detail(format!("Failing row contains ({}).", self.texts(row, None, settings)))
            .about(About { column: Some(column.clone()), ..self.about() })
    }

    pub fn duplicate(&self, check: &Check, existing: &[u8], settings: &TextSettings) -> Error {
        let message = format!("duplicate key value violates unique constraint \"{}\"", check.constraint);
        let names: Vec<_> =
            check.columns.iter().map(|column| self.item.columns()[*column].name.as_str()).collect();
        let values = self.texts(existing, Some(&check.columns), settings);
        Error::new(SqlState::UNIQUE_VIOLATION, message)
            .detail(format!("Key ({})=({values}) already exists.", names.join(", ")))
            .about(About { constraint: Some(check.constraint.clone()), ..self.about() })
    }

    fn about(&self) -> About {
        About {
            schema: Some(self.item.schema.clone()),
            table: Some(self.item.name.clone()),
            ..About::default()
        }
    }

    /// A row's values, or those of some columns, as PostgreSQL lists them in details.
    fn texts(&self, row: &[u8], columns: Option<&[usize]>, settings: &TextSettings) -> String {
        let datums: Vec<Datum<'_>> = Datums::new(row).collect();
        let all: Vec<usize> = self.item.present_columns().map(|(at, _)| at).collect();
        let texts = columns.unwrap_or(&all).iter().map(|column| match datums[*column] {
            Datum::Null => "null".to_owned(),
            datum => {
                let mut out = String::new();
                text::format(datum, &self.item.columns()[*column].typ.typ, settings, &mut out);
                out
            }
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    /// What makes its rows unique: the primary key and the UNIQUE constraints.
    pub fn checks(&self, catalog: &Catalog) -> Result<Vec<Check>, Error> {
        let Kind::Table(table) = &self.item.kind else { return Ok(Vec::new()) };
        let missing = || Error::new(SqlState::INTERNAL_ERROR, "a unique constraint has no index");
        let keys = table.primary_key.iter().chain(&table.uniques).map(|key| {
            let wanted: BTreeSet<usize> = key.columns.iter().copied().collect();
            let found = catalog.arrangements_of(self.item.id).find(|(_, arrangement)| {
                let columns = &arrangement.layout.key_columns;
                columns.len() == wanted.len() && columns.iter().all(|column| wanted.contains(column))
            });
            let (_, arrangement) = found.ok_or_else(missing)?;
            Ok(Check {
                constraint: key.name.clone(),
                columns: key.columns.clone(),
                arrangement: arrangement.clone(),
                rows: HashMap::new(),
            })
        });
        keys.collect()
    }
}

/// Whether a condition is true of a row, or nobody knows.
fn holds(condition: &ScalarExpr, row: &[u8], evaluation: &mut Evaluation) -> Result<bool, Error> {
    evaluation.run(|scratch| {
        scratch.arena_mut().reset();
        let (arena, datums) = (scratch.arena(), Datums::new(row).collect::<Vec<_>>());
        arena.work(row.len())?;
        condition.eval(&datums, arena).map(|value| value != Datum::Bool(false))
    })
}

/// The unique constraints of a table, and which rows have which keys.
pub struct Keys {
    pub checks: Vec<Check>,
}

/// A PRIMARY KEY or UNIQUE constraint, and the rows by its key as far as they matter.
pub struct Check {
    constraint: String,
    columns: Vec<usize>,
    pub arrangement: Arrangement,
    rows: HashMap<Vec<u8>, Existing>,
}

pub struct Existing {
    pub row: Vec<u8>,
    pub by_this_statement: bool,
}

impl Keys {
    /// The constraint that the row would violate and the row that is there. `only` restricts it to the key of these columns.
    pub fn conflict(&self, row: &[u8], only: Option<&[usize]>) -> Option<(usize, &Existing)> {
        let asked = |check: &Check| {
            only.is_none_or(|only| {
                only.len() == check.columns.len() && only.iter().all(|column| check.columns.contains(column))
            })
        };
        let mut checks = self.checks.iter().enumerate().filter(|(_, check)| asked(check));
        checks.find_map(|(index, check)| Some((index, check.rows.get(&check.key(row)?)?)))
    }

    pub fn add(&mut self, row: &[u8], by_this_statement: bool) {
        self.checks.iter_mut().for_each(|check| check.add(row, by_this_statement));
    }

    pub fn remove(&mut self, row: &[u8]) {
        for check in &mut self.checks {
            if let Some(key) = check.key(row) {
                check.rows.remove(&key);
            }
        }
    }
}

impl Check {
    /// The row's key in the arrangement's order; `None` if a part is NULL, which conflicts with nothing.
    pub fn key(&self, row: &[u8]) -> Option<Vec<u8>> {
        let layout = &self.arrangement.layout;
        let datums: Vec<Datum<'_>> = Datums::new(row).collect();
        let null = layout.key_columns.iter().any(|column| datums.get(*column).is_none_or(Datum::is_null));
        (!null).then(|| layout.key_of(&datums))
    }

    pub fn add(&mut self, row: &[u8], by_this_statement: bool) {
        if let Some(key) = self.key(row) {
            self.rows.insert(key, Existing { row: row.to_vec(), by_this_statement });
        }
    }
}
