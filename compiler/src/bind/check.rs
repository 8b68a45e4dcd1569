//! CHECK constraints: conditions over one row of a table.
//!
//! A condition is kept as text that calls the columns by their names and nothing else; renaming a column writes it again. What it means
//! is bound from the text whenever the table is compiled, under the settings that it was written with.

use std::sync::Arc;

use super::coerce::Typed;
use super::scope::{Clause, Scope, ScopeRelation};
use super::{Binder, Purpose, bound};
use crate::ast;
use crate::catalog::{CheckConstraint, Column};
use crate::error::Error;
use crate::hir::Expr;
use crate::scalar::ScalarExpr;

/// What a CHECK constraint is bound for.
const CHECK: Purpose = Purpose::Maintained("check constraint");

impl Binder<'_> {
    /// A condition over a row of these columns, and the places of those that it names. The tree calls them by `names` afterwards.
    pub(super) fn bind_check(
        &mut self,
        table: &str,
        columns: &[Column],
        names: &[Column],
        expr: &mut ast::Expr,
    ) -> Result<(Expr, Vec<usize>), Error> {
        let position = expr.start();
        let row = columns.iter().map(|column| (column.name.clone(), column.typ.clone())).collect();
        let mut scope = Scope::of_relation(ScopeRelation::named(table), row);
        for ((known, column), name) in scope.columns.iter_mut().zip(columns).zip(names) {
            known.spelled = Some(name.name.clone());
            if column.dropped {
                (known.relation, known.bare, known.hidden) = (None, false, true);
            }
        }
        let before = std::mem::replace(&mut self.purpose, CHECK);
        let bound = self.with_frame(scope, Clause::Check, |binder| binder.bind_condition(expr, "CHECK"));
        self.purpose = before;
        let (condition, frame) = bound?;
        if condition.has_subquery() {
            return Err(Error::unsupported("cannot use subquery in check constraint").at(position));
        }
        let mut read: Vec<usize> = frame.references.iter().map(|(column, _)| *column).collect();
        read.sort_unstable();
        read.dedup();
        Ok((self.settle(Typed { expr: condition, position })?, read))
    }

    /// A stored condition.
    pub fn bind_stored_check(
        mut self,
        table: &str,
        columns: &[Column],
        expr: &mut ast::Expr,
    ) -> Result<ScalarExpr, Error> {
        let (condition, _) = self.bind_check(table, columns, columns, expr)?;
        Ok(bound::scalar(&condition).expect("invariant: a check holds no subquery"))
    }

    /// A constraint of a table with these columns, without an oid yet, and its condition.
    pub(super) fn bind_check_constraint(
        &mut self,
        table: &str,
        columns: &[Column],
        name: Option<&ast::Ident>,
        expr: &mut ast::Expr,
        taken: &dyn Fn(&str) -> bool,
    ) -> Result<(CheckConstraint, Expr), Error> {
        let (condition, read) = self.bind_check(table, columns, columns, expr)?;
        let name = match name {
            Some(name) => name.name.clone(),
            None => {
                let column = match read[..] {
                    [only] => format!("_{}", columns[only].name),
                    _ => String::new(),
                };
                let base = format!("{table}{column}_check");
                let numbered = (1..).map(|number| format!("{base}{number}"));
                std::iter::once(base.clone())
                    .chain(numbered)
                    .find(|name| !taken(name))
                    .expect("invariant: there are more numbers than names")
            }
        };
        let definition = self.definition(ast::print::expr(expr));
        let tree = Some(Arc::new(expr.clone()));
        Ok((CheckConstraint { oid: 0, name, condition: definition, columns: read, expr: tree }, condition))
    }

    /// The constraints of a table as they are told when its columns are called otherwise.
    pub(super) fn rename_in_checks(
        &self,
        table: &str,
        before: &[Column],
        after: &[Column],
        checks: &mut [CheckConstraint],
    ) -> Result<(), Error> {
        for check in checks {
            let context = crate::plan::Context::stored(&check.condition)?;
            let mut expr = check.expr().clone();
            Binder::new(self.catalog, &context, CHECK).bind_check(table, before, after, &mut expr)?;
            check.condition.sql = ast::print::expr(&expr);
            check.expr = Some(Arc::new(expr));
        }
        Ok(())
    }
}
