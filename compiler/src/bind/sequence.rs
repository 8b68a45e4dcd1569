//! Calls of sequence functions: `nextval` and its kin change what a sequence has counted to, or tell what this session was given.
//!
//! Their values are no function of rows, so no relation holds them. Where an expression is evaluated exactly once for each row that
//! a statement sends or writes (its own select list, VALUES, SET, a DEFAULT), a call is set aside as one of the query's
//! [`Effects`](crate::hir::Effects), and the expression names what it gives; whoever carries the statement out makes the calls, row
//! by row, when the rows are there. Elsewhere `currval` and `lastval` are what they are when the statement begins.

use super::coerce::{Cast, Typed};
use super::scope::Clause;
use super::{Binder, literal};
use crate::ast;
use crate::catalog::Kind;
use crate::error::{Error, SqlState};
use crate::hir::{ColumnRef, EFFECTS, EffectCall, Expr};
use crate::mir::CollectionId;
use crate::repr::{ColumnType, Datum, Type};
use crate::scalar::SequenceFunction;

impl Binder<'_> {
    pub(super) fn bind_sequence_call(
        &mut self,
        function: SequenceFunction,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<Expr, Error> {
        self.refuse_in_maintained(function.name(), position)?;
        let args = self.bind_args(call)?;
        let types: &[Type] = match (function, args.len()) {
            (SequenceFunction::Nextval | SequenceFunction::Currval, 1) => &[Type::Regclass],
            (SequenceFunction::Lastval, 0) => &[],
            (SequenceFunction::Setval, 2) => &[Type::Regclass, Type::Int8],
            (SequenceFunction::Setval, 3) => &[Type::Regclass, Type::Int8, Type::Bool],
            _ => {
                let given: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
                return Err(super::function::no_function(function.name(), &given).at(position));
            }
        };
        let mut bound = Vec::with_capacity(args.len());
        for (arg, typ) in args.into_iter().zip(types) {
            // A text is a name: PostgreSQL's cast from text is implicit.
            let how = if arg.expr.typ().is_text() { Cast::Explicit } else { Cast::Implicit };
            bound.push(self.coerce(arg, typ, how)?);
        }
        if let Some(id) = bound.first().and_then(literal_entry) {
            self.check_sequence(id).map_err(|error| error.at(position))?;
            if self.frame().clause == Clause::Default {
                // A stored default means the same under any name of the sequence and any path.
                call.args[0].value = regclass(id, position);
            }
        }
        let frame = self.frame();
        let within = frame.in_aggregate || frame.in_window.is_some();
        if !frame.takes_effects || within {
            return self.present_value(function, &bound, position);
        }
        let number = self.effects_before + self.effects.len();
        let nullable = bound.iter().any(Expr::nullable);
        self.effects.push(EffectCall { function, args: bound });
        let column = ColumnRef { level: 0, column: EFFECTS + number };
        Ok(Expr::Column(column, ColumnType::new(Type::Int8, nullable)))
    }

    /// The calls that were set aside since the last time.
    pub(super) fn take_effects(&mut self) -> Vec<EffectCall> {
        self.effects_before += self.effects.len();
        std::mem::take(&mut self.effects)
    }

    /// The value of a call where no row by row evaluation is: what the session was last given before the statement.
    fn present_value(
        &mut self,
        function: SequenceFunction,
        args: &[Expr],
        position: u32,
    ) -> Result<Expr, Error> {
        let values = self.context.sequences.as_deref();
        let value = match (function, args.first().and_then(literal_entry)) {
            (SequenceFunction::Lastval, _) => match values.and_then(|values| values.last()) {
                Some(value) => value,
                None => return Err(undefined_lastval()),
            },
            (SequenceFunction::Currval, Some(id)) => match values.and_then(|values| values.current(id)) {
                Some(value) => value,
                None => return Err(undefined_currval(&self.check_sequence(id)?)),
            },
            _ => {
                let name = function.name();
                return Err(Error::unsupported(format!("{name}() in this place is not supported"))
                    .hint(format!(
                        "Call {name}() in the select list of the statement itself, in VALUES, in SET or in a DEFAULT: there it is evaluated once for each row."
                    ))
                    .at(position));
            }
        };
        self.facts.uses_context = true;
        Ok(literal(Datum::Int(value), Type::Int8))
    }

    /// The name of the sequence with this id; `42809` if it is none.
    fn check_sequence(&mut self, id: CollectionId) -> Result<String, Error> {
        match self.catalog.item(id) {
            Some(item) if matches!(item.kind, Kind::Sequence(_)) => {
                let name = item.name.clone();
                self.facts.depends_on.insert(id);
                Ok(name)
            }
            Some(item) => Err(not_a_sequence(&item.name)),
            None => {
                let message = format!("could not open relation with OID {}", id.0);
                Err(Error::new(SqlState::UNDEFINED_TABLE, message))
            }
        }
    }

    /// What an identity column holds where no value is given.
    pub(super) fn next_of(&mut self, sequence: CollectionId, typ: &Type) -> Result<Expr, Error> {
        let number = self.effects_before + self.effects.len();
        let args = vec![literal(Datum::Int(sequence.0 as i64), Type::Regclass)];
        self.facts.depends_on.insert(sequence);
        self.effects.push(EffectCall { function: SequenceFunction::Nextval, args });
        let column = ColumnRef { level: 0, column: EFFECTS + number };
        let expr = Expr::Column(column, ColumnType::new(Type::Int8, false));
        self.coerce(Typed { expr, position: 0 }, typ, Cast::Assignment)
    }

    /// The sequences that calls set aside since `from` always name.
    pub(super) fn named_sequences(&self, from: usize) -> Vec<CollectionId> {
        let first = |call: &EffectCall| call.args.first().and_then(literal_entry);
        self.effects[from..].iter().filter_map(first).collect()
    }
}

/// `'16390'::regclass`.
pub(super) fn regclass(id: CollectionId, position: u32) -> ast::Expr {
    let operand = ast::Expr::new(ast::ExprKind::Literal(ast::Literal::String(id.0.to_string())), position);
    let to = ast::TypeName::builtin("regclass", position);
    ast::Expr::new(ast::ExprKind::Cast { operand: Box::new(operand), to }, position)
}

/// The catalog entry that an expression always means.
fn literal_entry(expr: &Expr) -> Option<CollectionId> {
    match expr {
        Expr::Literal(row, typ) if typ.typ == Type::Regclass => match row.unpack()[..] {
            [Datum::Int(id)] => u64::try_from(id).ok().map(CollectionId),
            _ => None,
        },
        _ => None,
    }
}

/// `42809`.
pub(super) fn not_a_sequence(name: &str) -> Error {
    Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a sequence"))
}

fn undefined_currval(sequence: &str) -> Error {
    let message = format!("currval of sequence \"{sequence}\" is not yet defined in this session");
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

fn undefined_lastval() -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session")
}

/// `0A000` for ORDER BY what a sequence gives.
pub(super) fn unsorted(position: u32) -> Error {
    Error::unsupported("ORDER BY what a sequence gives is not supported")
        .hint("Values are given in the order in which the rows are sent; order by what the rows hold.")
        .at(position)
}
