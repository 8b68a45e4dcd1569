//! The joins of a stream's query: lookups at arrival.
//!
//! In CREATE STREAM a row of the stream is joined once, when it arrives, with what the table holds then; in everything that is maintained a
//! join is the relational one. A FROM clause cannot say which is meant, so the created kind does. Which joins a stream cannot have is
//! said here, each with its cure.

use super::Binder;
use crate::error::{Error, SqlState};
use crate::hir::{Expr, JoinKind, Rel};
use crate::mir::predicate::as_link;

impl Binder<'_> {
    /// Makes lookups of the joins on the way of a stream's rows.
    pub(super) fn join_at_arrival(&self, rel: &mut Rel) -> Result<(), Error> {
        match rel {
            Rel::Project { input, .. } | Rel::Map { input, .. } | Rel::Filter { input, .. } => {
                self.join_at_arrival(input)
            }
            Rel::Join { kind, left, right, on, lateral } => {
                self.join_at_arrival(left)?;
                match (self.is_stream(left), self.is_stream(right)) {
                    (true, is_stream) => refuse(*kind, left, on, *lateral, is_stream)?,
                    (false, true) => return Err(table_on_the_left()),
                    (false, false) => return Ok(()),
                }
                let empty = || Box::new(Rel::unit());
                *rel = Rel::Lookup {
                    input: std::mem::replace(left, empty()),
                    table: std::mem::replace(right, empty()),
                    on: std::mem::take(on),
                    outer: *kind == JoinKind::Left,
                };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether each row comes from one row of a stream.
    fn is_stream(&self, rel: &Rel) -> bool {
        match rel {
            Rel::Project { input, .. } | Rel::Map { input, .. } | Rel::Filter { input, .. } => {
                self.is_stream(input)
            }
            Rel::Lookup { .. } | Rel::Changes { .. } => true,
            Rel::Get { id, .. } => self.catalog.item(*id).is_some_and(|item| item.is_append_only()),
            _ => false,
        }
    }
}

/// What cannot be looked up at arrival.
fn refuse(kind: JoinKind, left: &Rel, on: &[Expr], lateral: bool, is_stream: bool) -> Result<(), Error> {
    if is_stream {
        return Err(Error::unsupported("a join of two streams in CREATE STREAM is not supported")
            .detail("A row would wait without end for rows of the other stream.")
            .hint("CREATE MATERIALIZED VIEW joins all rows of both."));
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        return Err(Error::unsupported("a RIGHT or FULL join in CREATE STREAM is not supported")
            .detail("A row of the table that nothing has met may be met yet.")
            .hint("Write the stream first and LEFT JOIN, or CREATE MATERIALIZED VIEW."));
    }
    if lateral {
        return Err(Error::unsupported("a LATERAL join in CREATE STREAM is not supported")
            .hint("Name the table's columns in ON, or CREATE MATERIALIZED VIEW."));
    }
    let arity = left.arity();
    let links = |conjunct: &Expr| conjunct.to_local_scalar().is_some_and(|on| as_link(&on, arity).is_some());
    match on.iter().any(links) {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            "a stream is joined with a table by an equality of their columns",
        )
        .hint("Write JOIN … ON stream.column = table.column; more conditions may follow it with AND.")),
    }
}

fn table_on_the_left() -> Error {
    Error::unsupported("a stream on the right side of a join in CREATE STREAM is not supported")
        .detail("Each row of the stream is joined once, with what the table holds when it arrives.")
        .hint("Write the stream first: FROM stream LEFT JOIN table ON …")
}
