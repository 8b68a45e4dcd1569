//! Definitions and recursions: what a name stands for, read for a set of outer rows.
//!
//! A recursion that reads outer rows is one for all of them: the outer columns stand first in its rows, and each round carries them.
//! Its own name then means, for an outer row, the rows with that row's columns.

use std::collections::BTreeMap;

use super::{Decorrelator, Outer, join_back};
use crate::error::Error;
use crate::hir::{self, CteId};
use crate::mir::{self, LocalId};
use crate::repr::{ColumnType, RelationType};

/// What a WITH clause has defined.
pub(super) struct Definition {
    local: LocalId,
    /// The columns of the outer rows around the definition, then its own.
    typ: RelationType,
    /// The outer rows around the definition: see [`Outer`].
    arity: usize,
    columns: BTreeMap<(usize, usize), usize>,
    depth: usize,
}

impl Definition {
    pub(super) fn new(local: LocalId, typ: RelationType, around: &Outer) -> Definition {
        Definition { local, typ, arity: around.arity, columns: around.columns.clone(), depth: around.depth }
    }

    /// For each outer row, the rows that the name stands for.
    pub(super) fn read(&self, outer: &Outer) -> Result<mir::Rel, Error> {
        let rows = mir::Rel::local(self.local, self.typ.clone());
        if self.arity == 0 {
            return Ok(outer.with(rows));
        }
        if self.depth == outer.depth {
            return Ok(rows);
        }
        let place = |column: usize| {
            let mut references = self.columns.iter().filter(|(_, place)| **place == column);
            references.find_map(|(reference, _)| outer.columns.get(reference).copied())
        };
        let Some(places) = (0..self.arity).map(place).collect::<Option<Vec<usize>>>() else {
            let message =
                "a recursive reference in a subquery of a query that reads outer rows is not supported";
            return Err(
                Error::unsupported(message).hint("Join the recursive reference in the term's own FROM.")
            );
        };
        let own = outer.arity + self.arity..outer.arity + self.typ.arity();
        Ok(join_back(outer.rel.clone(), &places, rows).project(outer.own_columns().chain(own).collect()))
    }
}

impl Decorrelator {
    /// For each outer row, the rows that the recursion comes to.
    pub(super) fn recursive(
        &mut self,
        id: CteId,
        value: &hir::Rel,
        types: &[ColumnType],
        rounds: u64,
        outer: &Outer,
    ) -> Result<mir::Rel, Error> {
        if !value.is_correlated() && outer.arity > 0 {
            let rel = self.recursive(id, value, types, rounds, &Outer::none())?;
            return Ok(outer.with(rel));
        }
        let local = self.fresh();
        let columns = outer.rel.columns().into_iter().chain(types.iter().cloned()).collect();
        self.ctes.insert(id, Definition::new(local, RelationType::new(columns), outer));
        let value = self.apply(value, outer)?;
        Ok(mir::Rel::recursive(local, value, rounds))
    }
}
