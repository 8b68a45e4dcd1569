//! Result rows on their way to a client: all of them, copied out of the engine, or as many as have come so far.

use std::borrow::Cow;
use std::sync::Arc;

use compiler::Error;
use compiler::plan::OutputColumn;

use super::Interrupt;
use crate::execute::Subscription;

/// Packed rows in one piece of memory. The engine holds nothing for them.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RowSet {
    pub fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    /// Ends a row whose bytes were appended to [`RowSet::bytes_mut`].
    pub fn end_row(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// The bytes of all rows together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(&self.bytes[start..end])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.get(index).expect("invariant: index is below the length"))
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Rows that are read one after the other.
pub enum Rows {
    Set(Positioned),
    /// SUBSCRIBE: there may be more.
    Stream(Box<Subscription>),
}

/// A set of rows and a place in it, as cursors count: 0 is before the first row, `len + 1` after the last.
#[derive(Default)]
pub struct Positioned {
    pub rows: RowSet,
    pub position: usize,
}

impl Rows {
    /// The next row that is at hand.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        match self {
            Rows::Stream(subscription) => subscription.next_row(),
            Rows::Set(set) => {
                set.position = (set.position + 1).min(set.rows.len() + 1);
                set.rows.get(set.position - 1)
            }
        }
    }

    /// Waits until a row is at hand; false when none will come.
    pub async fn ready(&mut self, interrupt: &Interrupt) -> Result<bool, Error> {
        match self {
            Rows::Set(set) => Ok(set.position < set.rows.len()),
            Rows::Stream(subscription) => subscription.ready(interrupt).await,
        }
    }

    pub fn is_stream(&self) -> bool {
        matches!(self, Rows::Stream(_))
    }
}

/// The rows that answer a statement, what they are made of, and what is said when they have been sent.
pub struct ResultRows {
    pub columns: Arc<[OutputColumn]>,
    pub rows: Rows,
    pub tag: Tag,
    /// They come from a BINARY cursor, whatever format was asked for.
    pub binary: bool,
}

/// The text of a CommandComplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// These words and the number of rows that were sent.
    Counted(&'static str),
    Whole(Cow<'static, str>),
}

impl Tag {
    pub fn text(&self, rows: u64) -> Cow<'static, str> {
        match self {
            Tag::Counted(words) => format!("{words} {rows}").into(),
            Tag::Whole(text) => text.clone(),
        }
    }
}
