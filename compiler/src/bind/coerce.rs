//! Conversions: unknown literals and parameters take the type that their context wants, values are cast where the context
//! casts, alternatives are brought to one type.

use bumpalo::Bump;

use super::{Binder, Purpose};
use crate::catalog::builtin;
use crate::error::{Error, SqlState};
use crate::hir::{self, Expr, Rel};
use crate::repr::{ColumnType, Datum, Row, Type, text};
use crate::scalar::{self, CastContext, Func, ScalarExpr};

pub(super) type Cast = CastContext;

/// A bound expression and where it begins, for the message about its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub expr: Expr,
    pub position: u32,
}

impl Binder<'_> {
    pub(super) fn can_coerce(&self, from: &Type, to: &Type, how: Cast) -> bool {
        *from == Type::Unknown || scalar::cast(from, to, how).is_some()
    }

    /// The value as one of type `to`. An unknown literal is read as one; its error is at the literal.
    pub(super) fn coerce(&mut self, value: Typed, to: &Type, how: Cast) -> Result<Expr, Error> {
        let Typed { expr, position } = value;
        match expr {
            Expr::Literal(row, typ) if typ.typ == Type::Unknown => self.read_literal(&row, to, how, position),
            Expr::Parameter(index, Type::Unknown) => self.infer_parameter(index, to, how, position),
            expr if expr.typ().is_reg() && to.is_text() && how == Cast::Explicit => {
                let name = self.name_of_entry(Typed { expr, position })?;
                self.coerce(Typed { expr: name, position }, to, how)
            }
            expr if names_entry(to) && expr.typ().is_text() && how == Cast::Explicit => {
                self.entry_of_name(Typed { expr, position }, to)
            }
            expr => {
                let from = expr.typ();
                self.convert(expr, &from, to, how).ok_or_else(|| cannot_cast(&from, to, how).at(position))
            }
        }
    }

    fn read_literal(&mut self, row: &Row, to: &Type, how: Cast, position: u32) -> Result<Expr, Error> {
        let datum = row.unpack()[0];
        let Datum::Text(text) = datum else { return Ok(Expr::null(to.clone())) };
        if let Some(found) = self.read_catalog_name(text, to, position)? {
            return Ok(found);
        }
        // A cast cuts to the type's length, an assignment refuses what is longer.
        let base = if how == Cast::Explicit && matches!(to, Type::Varchar(_) | Type::Bpchar(_)) {
            to.without_typmod()
        } else {
            to.clone()
        };
        self.note_clock_words(text, to, position)?;
        let arena = Bump::new();
        let value = text::parse(&base, text, &self.context.settings, &arena)
            .map_err(|e| Error::from(e).at(position))?;
        let literal = Expr::Literal(Row::pack([value]), ColumnType::new(base.clone(), false));
        Ok(self.convert(literal, &base, to, how).expect("invariant: a type is cast to its own typmod"))
    }

    /// `'tasks'::regclass` is the oid of what the name means now.
    fn read_catalog_name(&mut self, text: &str, to: &Type, position: u32) -> Result<Option<Expr>, Error> {
        let found = builtin::entry_oid(to, text, self.catalog, self.search_path(), &self.context.user);
        let Some(oid) = found.map_err(|error| error.at(position))? else { return Ok(None) };
        self.refuse_in_maintained("regclass", position)?;
        self.facts.uses_context = true;
        Ok(Some(super::literal(Datum::Int(oid), to.clone())))
    }

    /// `'now'` and `'today'` are read at once, so the plan is one transaction's.
    fn note_clock_words(&mut self, text: &str, to: &Type, position: u32) -> Result<(), Error> {
        if !to.is_datetime() {
            return Ok(());
        }
        let word = text.trim().to_ascii_lowercase();
        let word = word.split_whitespace().next().unwrap_or_default();
        if matches!(word, "now" | "today" | "tomorrow" | "yesterday") {
            self.facts.uses_context = true;
            if let Purpose::Maintained(what) = self.purpose {
                let message = format!("'{word}' cannot be used in a {what}");
                return Err(Error::unsupported(message).hint("Write the time itself.").at(position));
            }
        }
        if to.involves_zone() {
            self.facts.uses_context = true;
        }
        Ok(())
    }

    fn infer_parameter(&mut self, index: usize, to: &Type, how: Cast, position: u32) -> Result<Expr, Error> {
        if let Some(known) = self.parameters[index].clone() {
            let value = Typed { expr: Expr::Parameter(index, known), position };
            return self.coerce(value, to, how);
        }
        let base = to.without_typmod();
        self.parameters[index] = Some(base.clone());
        let value = Typed { expr: Expr::Parameter(index, base), position };
        self.coerce(value, to, how)
    }

    pub(super) fn convert(&mut self, expr: Expr, from: &Type, to: &Type, how: Cast) -> Option<Expr> {
        let cast = scalar::cast(from, to, how)?;
        if from.involves_zone() || to.involves_zone() {
            self.facts.uses_context = true;
        }
        let call = cast.apply(ScalarExpr::Column(0), &self.context.settings);
        Some(over(call, expr))
    }

    /// A text read as a number of a catalog entry.
    pub(super) fn read_entry(&mut self, text: Expr, to: &Type) -> Expr {
        self.convert(text, &Type::Text, to, Cast::Explicit).expect("invariant: any type is read from text")
    }

    pub(super) fn coerce_to_bool(&mut self, expr: Expr, what: &str, position: u32) -> Result<Expr, Error> {
        match expr.typ() {
            Type::Bool => Ok(expr),
            Type::Unknown => self.coerce(Typed { expr, position }, &Type::Bool, Cast::Implicit),
            typ => {
                let message = format!("argument of {what} must be type boolean, not type {typ}");
                Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position))
            }
        }
    }

    /// A value on its way into a column.
    pub(super) fn assign(&mut self, value: Typed, to: &Type, column: &str) -> Result<Expr, Error> {
        let from = value.expr.typ();
        if from != Type::Unknown && !self.can_coerce(&from, to, Cast::Assignment) {
            let message = format!(
                "column \"{column}\" is of type {} but expression is of type {}",
                to.without_typmod(),
                from.without_typmod()
            );
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                .hint("You will need to rewrite or cast the expression.")
                .at(value.position));
        }
        self.coerce(value, to, Cast::Assignment)
    }

    /// The type to which all of these can be brought implicitly, as UNION and CASE choose it; None when there is none.
    pub(super) fn common_type(&self, types: Vec<Type>) -> Option<Type> {
        self.choose_common_type(&types).ok()
    }

    /// As [`Binder::common_type`]; the error is the index of the type that does not match and the type chosen before it.
    fn choose_common_type(&self, types: &[Type]) -> Result<Type, (usize, Type)> {
        if let Some(first) = types.first()
            && *first != Type::Unknown
            && types.iter().all(|typ| typ == first)
        {
            return Ok(first.clone());
        }
        let mut chosen: Option<Type> = None;
        for (index, typ) in types.iter().enumerate() {
            let typ = typ.without_typmod();
            let Some(current) = &chosen else {
                chosen = (typ != Type::Unknown).then_some(typ);
                continue;
            };
            if typ == Type::Unknown || typ == *current {
                continue;
            }
            if typ.category() != current.category() {
                return Err((index, current.clone()));
            }
            let forward = scalar::cast(current, &typ, Cast::Implicit).is_some();
            let backward = scalar::cast(&typ, current, Cast::Implicit).is_some();
            if !current.is_preferred() && forward && !backward {
                chosen = Some(typ);
            }
        }
        Ok(chosen.unwrap_or(Type::Text))
    }

    /// Brings alternatives to one type. `what` is CASE, UNION, COALESCE … in the message.
    pub(super) fn unify(&mut self, values: Vec<Typed>, what: &str) -> Result<(Vec<Expr>, Type), Error> {
        let (values, typ) = self.unify_typed(values, what)?;
        Ok((values.into_iter().map(|value| value.expr).collect(), typ))
    }

    pub(super) fn unify_typed(
        &mut self,
        values: Vec<Typed>,
        what: &str,
    ) -> Result<(Vec<Typed>, Type), Error> {
        let types: Vec<Type> = values.iter().map(|value| value.expr.typ()).collect();
        let typ = self.choose_common_type(&types).map_err(|(index, chosen)| {
            let message = format!(
                "{what} types {} and {} cannot be matched",
                chosen.without_typmod(),
                types[index].without_typmod()
            );
            Error::new(SqlState::DATATYPE_MISMATCH, message).at(values[index].position)
        })?;
        let mut unified = Vec::with_capacity(values.len());
        for value in values {
            let (from, position) = (value.expr.typ(), value.position);
            let expr = match self.coerce(value, &typ, Cast::Implicit) {
                Err(error) if error.code == SqlState::DATATYPE_MISMATCH => {
                    let message = format!("{what} could not convert type {from} to {typ}");
                    return Err(Error::new(SqlState::CANNOT_COERCE, message).at(position));
                }
                coerced => coerced?,
            };
            unified.push(Typed { expr, position });
        }
        Ok((unified, typ))
    }

    /// Brings a relation's column to a type. Where the column is an unknown literal or a parameter, that is read as the type
    /// in its place; otherwise the cast stands in a Map above, and the column that holds it is returned.
    pub(super) fn coerce_column(
        &mut self,
        rel: &mut Rel,
        column: usize,
        to: &Type,
        how: Cast,
        position: u32,
    ) -> Result<usize, Error> {
        let from = rel.types()[column].clone();
        if from.typ == *to {
            return Ok(column);
        }
        if from.typ == Type::Unknown && self.coerce_open(rel, column, to, how, position)? {
            return Ok(column);
        }
        let value = Typed { expr: Expr::column(column, from), position };
        let cast = self.coerce(value, to, how)?;
        Ok(push_map(rel, cast))
    }

    /// Reads the unknown literals and parameters behind a column as values of a type, where they can be reached.
    fn coerce_open(
        &mut self,
        rel: &mut Rel,
        column: usize,
        to: &Type,
        how: Cast,
        position: u32,
    ) -> Result<bool, Error> {
        match rel {
            Rel::Values { rows, types } => {
                for row in rows {
                    let expr = std::mem::replace(&mut row[column], Expr::bool(false));
                    row[column] = self.coerce(Typed { expr, position }, to, how)?;
                    types[column].nullable |= row[column].nullable();
                }
                types[column].typ = to.clone();
                Ok(true)
            }
            Rel::Map { input, exprs } => {
                let Some(at) = column.checked_sub(input.arity()) else {
                    return self.coerce_open(input, column, to, how, position);
                };
                if !matches!(exprs[at], Expr::Literal(..) | Expr::Parameter(..)) {
                    return Ok(false);
                }
                let expr = std::mem::replace(&mut exprs[at], Expr::bool(false));
                exprs[at] = self.coerce(Typed { expr, position }, to, how)?;
                Ok(true)
            }
            Rel::Project { input, outputs } => self.coerce_open(input, outputs[column], to, how, position),
            Rel::Filter { input, .. } => self.coerce_open(input, column, to, how, position),
            Rel::TopK { input, .. } => self.coerce_open(input, column, to, how, position),
            _ => Ok(false),
        }
    }

    /// `42883` for what DISTINCT, GROUP BY or a set operation would have to compare and cannot.
    pub(super) fn check_equality(&self, typ: &Type, position: u32) -> Result<(), Error> {
        match typ.is_comparable() {
            true => Ok(()),
            false => Err(incomparable("an equality", typ, position)),
        }
    }

    /// `42883` for what ORDER BY cannot sort.
    pub(super) fn check_order(&self, typ: &Type, position: u32) -> Result<(), Error> {
        match typ.is_comparable() {
            true => Ok(()),
            false => Err(incomparable("an ordering", typ, position)
                .hint("Use an explicit ordering operator or modify the query.")),
        }
    }

    /// A function that only plans name.
    pub(super) fn known(&self, id: &str, what: &str, position: u32) -> Result<Func, Error> {
        Func::by_id(id).ok_or_else(|| Error::unsupported(format!("{what} is not supported")).at(position))
    }
}

/// Appends a column, and says which it is.
pub(super) fn push_map(rel: &mut Rel, expr: Expr) -> usize {
    if let Rel::Map { input, exprs } = rel
        && let Some(moved) = over_input(&expr, input.arity(), exprs)
    {
        exprs.push(moved);
        return input.arity() + exprs.len() - 1;
    }
    let column = rel.arity();
    let input = Box::new(std::mem::replace(rel, Rel::unit()));
    *rel = Rel::Map { input, exprs: vec![expr] };
    column
}

/// An expression over a Map's output as one over its input, if that repeats no work worth speaking of.
fn over_input(expr: &Expr, arity: usize, exprs: &[Expr]) -> Option<Expr> {
    if expr.has_subquery() {
        return None;
    }
    let mut moved = expr.clone();
    let mut possible = true;
    moved.rewrite(0, &mut |_, node| {
        let Expr::Column(reference, _) = node else { return false };
        if reference.level == 0 && reference.column >= arity {
            let replacement = &exprs[reference.column - arity];
            possible &= !replacement.has_subquery();
            *node = replacement.clone();
        }
        true
    });
    possible.then_some(moved)
}

/// A scalar expression over one column, with `operand` in the column's place.
fn over(scalar: ScalarExpr, operand: Expr) -> Expr {
    match scalar {
        ScalarExpr::Column(_) => operand,
        ScalarExpr::Call { func, args, typ } => {
            let args = args.into_iter().map(|arg| match arg {
                ScalarExpr::Literal(..) => Expr::from_scalar(arg),
                arg => over(arg, operand.clone()),
            });
            Expr::Call { func, args: args.collect(), typ }
        }
        other => hir::Expr::from_scalar(other),
    }
}

/// Whether values are read from names that only the catalog knows.
fn names_entry(typ: &Type) -> bool {
    typ.is_reg() && *typ != Type::Regtype
}

fn incomparable(what: &str, typ: &Type, position: u32) -> Error {
    let message = format!("could not identify {what} operator for type {typ}");
    Error::new(SqlState::UNDEFINED_FUNCTION, message).at(position)
}

fn cannot_cast(from: &Type, to: &Type, how: Cast) -> Error {
    let message = format!("cannot cast type {} to {}", from.without_typmod(), to.without_typmod());
    let code = if how == Cast::Explicit { SqlState::CANNOT_COERCE } else { SqlState::DATATYPE_MISMATCH };
    Error::new(code, message)
}
