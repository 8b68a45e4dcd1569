//! What is done for each row of a query, once the row is there; and how it comes of what was bound.
//!
//! What an effect needs that only a relation can say (a subquery's value, a random number) becomes a column of the rows; the rest is
//! evaluated over the row by whoever makes the calls. A call that stands under a condition (CASE, COALESCE) is made where the
//! condition holds, as if the expression were evaluated from left to right.

use crate::hir::{self, EFFECTS, EffectCall, Expr, OUTPUTS, Rel};
use crate::repr::{ColumnType, Type};
use crate::scalar::{ScalarExpr, SequenceFunction};

/// Calls of sequence functions for each row, in order, and what comes of the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    pub calls: Vec<SequenceCall>,
    /// Over the row, then what the calls gave: NULL for one that was not made.
    pub outputs: Vec<ScalarExpr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SequenceCall {
    pub function: SequenceFunction,
    /// Over the row, then what the calls before it gave. Where one is NULL, the call is not made.
    pub args: Vec<ScalarExpr>,
    /// Of the same columns: where it is not true, the call is not made.
    pub condition: Option<ScalarExpr>,
}

impl Effects {
    /// The effects of a query, over rows that the query gives from then on: the columns of its relation that they need.
    pub(crate) fn of(query: &mut hir::Query) -> Option<Effects> {
        if query.effects.calls.is_empty() {
            return None;
        }
        let hir::Effects { mut calls, mut outputs } = std::mem::take(&mut query.effects);
        pull(&mut query.rel, calls.iter_mut().flat_map(|call| &mut call.args).chain(&mut outputs));
        let output = |column: &usize| match column.checked_sub(OUTPUTS) {
            Some(output) => outputs[output].clone(),
            None => Expr::column(*column, ColumnType::new(Type::Unknown, true)),
        };
        let outputs: Vec<Expr> = query.project.iter().map(output).collect();
        query.project = Vec::new();
        for expr in calls.iter().flat_map(|call| &call.args).chain(&outputs) {
            expr.for_each_column(0, &mut |_, reference| {
                if reference.column < EFFECTS && !query.project.contains(&reference.column) {
                    query.project.push(reference.column);
                }
            });
        }
        Some(Effects::over(&query.project, &calls, &outputs))
    }

    /// Effects over rows of these columns.
    pub(crate) fn over(columns: &[usize], calls: &[EffectCall], outputs: &[Expr]) -> Effects {
        let mut conditions = Conditions { calls, of: vec![None; calls.len()] };
        outputs.iter().for_each(|output| conditions.visit(output, &[]));
        let mut scalar = |expr: &Expr| {
            let place = |column: usize| match column.checked_sub(EFFECTS) {
                Some(call) => Some(columns.len() + call),
                None => columns.iter().position(|other| *other == column),
            };
            expr.to_scalar(&mut |reference| place(reference.column))
                .expect("invariant: subqueries were pulled into the relation, and effects read its row only")
        };
        let calls = calls.iter().zip(&conditions.of).map(|(call, condition)| SequenceCall {
            function: call.function,
            args: call.args.iter().map(&mut scalar).collect(),
            condition: condition.as_ref().and_then(|condition| {
                let condition = scalar(&Expr::and(condition.clone()));
                (condition != ScalarExpr::bool(true)).then_some(condition)
            }),
        });
        let calls = calls.collect();
        Effects { calls, outputs: outputs.iter().map(scalar).collect() }
    }

    /// Whether a call changes what a sequence has counted to.
    pub fn writes(&self) -> Option<SequenceFunction> {
        self.calls.iter().map(|call| call.function).find(|function| function.writes())
    }

    pub(super) fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        let of_calls = self.calls.iter_mut().flat_map(|call| call.args.iter_mut().chain(&mut call.condition));
        of_calls.chain(&mut self.outputs).for_each(f);
    }
}

/// Makes columns of the relation of what cannot be evaluated without it.
fn pull<'e>(rel: &mut Rel, exprs: impl Iterator<Item = &'e mut Expr>) {
    let arity = rel.arity();
    let mut pulled = Vec::new();
    for expr in exprs {
        expr.rewrite(0, &mut |_, node| {
            if !(node.has_subquery() || node.is_volatile()) || node.has_effect() {
                return false;
            }
            let column = Expr::column(arity + pulled.len(), node.column_type());
            pulled.push(std::mem::replace(node, column));
            true
        });
    }
    if !pulled.is_empty() {
        let input = std::mem::replace(rel, Rel::unit());
        *rel = Rel::Map { input: Box::new(input), exprs: pulled };
    }
}

/// Under which conditions calls are made.
struct Conditions<'c> {
    calls: &'c [EffectCall],
    /// For each call, what must all be true; None for one that nothing needs.
    of: Vec<Option<Vec<Expr>>>,
}

impl Conditions<'_> {
    fn visit(&mut self, expr: &Expr, conditions: &[Expr]) {
        match expr {
            Expr::Column(reference, _) if reference.column >= EFFECTS => {
                let call = reference.column - EFFECTS;
                // What stands in two places is made for either.
                let again = self.of[call].is_some();
                self.of[call] = Some(if again { Vec::new() } else { conditions.to_vec() });
                let calls = self.calls;
                calls[call].args.iter().for_each(|arg| self.visit(arg, conditions));
            }
            Expr::If { cond, then, els } => {
                self.visit(cond, conditions);
                let holds = Expr::Coalesce(vec![(**cond).clone(), Expr::bool(false)]);
                self.visit(then, &with(conditions, holds.clone()));
                self.visit(els, &with(conditions, holds.not()));
            }
            Expr::Coalesce(operands) => {
                let mut conditions = conditions.to_vec();
                for operand in operands {
                    self.visit(operand, &conditions);
                    conditions.push(operand.clone().is_null());
                }
            }
            _ => expr.children().into_iter().for_each(|child| self.visit(child, conditions)),
        }
    }
}

fn with(conditions: &[Expr], condition: Expr) -> Vec<Expr> {
    conditions.iter().cloned().chain([condition]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: usize) -> Expr {
        Expr::column(EFFECTS + number, ColumnType::new(Type::Int8, true))
    }

    #[test]
    fn calls_are_made_where_their_conditions_hold() {
        let bool_column = Expr::column(4, ColumnType::new(Type::Bool, true));
        let int_column = Expr::column(7, ColumnType::new(Type::Int8, true));
        let next = EffectCall { function: SequenceFunction::Nextval, args: Vec::new() };
        let outputs =
            [Expr::if_then_else(bool_column, call(0), Expr::Coalesce(vec![int_column, call(1)])), call(2)];
        let effects = Effects::over(&[7, 4], &[next.clone(), next.clone(), next], &outputs);
        let conditions: Vec<Option<String>> =
            effects.calls.iter().map(|call| call.condition.as_ref().map(ToString::to_string)).collect();
        let expected = ["COALESCE(#1, false)", "(NOT COALESCE(#1, false)) AND (#0 IS NULL)"];
        assert_eq!(conditions, [Some(expected[0].to_owned()), Some(expected[1].to_owned()), None]);
        assert_eq!(effects.outputs[1], ScalarExpr::column(4), "after the row's two columns and two calls");
    }
}
