//! Rows of a builtin relation, written by the names of their columns.
//!
//! A maker names the columns that it has something to say about; every other is NULL, or what PostgreSQL has in it when there is
//! nothing to say: false, 0, the empty text.

use bumpalo::Bump;

use super::vector;
use crate::catalog::Column;
use crate::repr::{Array, Datum, Row, Type};

pub struct Sheet<'a> {
    columns: &'a [Column],
    pub arena: &'a Bump,
    rows: Vec<(Row, i64)>,
    /// A row with nothing said.
    blank: Vec<Datum<'a>>,
}

/// Some columns of a sheet, being filled row by row.
pub struct Filling<'s, 'a, const N: usize> {
    sheet: &'s mut Sheet<'a>,
    places: [usize; N],
}

impl<'a> Sheet<'a> {
    pub fn new(columns: &'a [Column], arena: &'a Bump) -> Sheet<'a> {
        let blank = columns.iter().map(|column| blank(column, arena)).collect();
        Sheet { columns, arena, rows: Vec::new(), blank }
    }

    /// Writes rows of these columns.
    pub fn fill<const N: usize>(&mut self, names: [&str; N], write: impl FnOnce(&mut Filling<'_, 'a, N>)) {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        let places = names
            .map(|name| place(name).unwrap_or_else(|| panic!("invariant: the relation has a column {name}")));
        write(&mut Filling { sheet: self, places });
    }

    pub fn into_rows(self) -> Vec<(Row, i64)> {
        self.rows
    }
}

impl<'a, const N: usize> Filling<'_, 'a, N> {
    pub fn row(&mut self, values: [Datum<'_>; N]) {
        let blank: &[Datum<'_>] = &self.sheet.blank;
        let mut row = blank.to_vec();
        for (place, value) in self.places.iter().zip(values) {
            row[*place] = value;
        }
        self.sheet.rows.push((Row::pack(row), 1));
    }
}

fn blank<'a>(column: &Column, arena: &'a Bump) -> Datum<'a> {
    if column.typ.nullable {
        return Datum::Null;
    }
    match &column.typ.typ {
        Type::Bool => Datum::Bool(false),
        Type::Float4 => Datum::Float4(0.0),
        Type::Float8 => Datum::Float(0.0),
        Type::Int2Vector | Type::OidVector => vector(std::iter::empty(), arena),
        Type::Array(_) => Datum::Array(Array::pack_flat_in([], arena)),
        Type::Text | Type::Name | Type::InternalChar | Type::NodeTree => Datum::Text(""),
        Type::TimestampTz(_) => Datum::TimestampTz(0),
        _ => Datum::Int(0),
    }
}
