//! Expressions: what each form of syntax means.

use super::coerce::{Cast, Typed};
use super::scope::{Clause, Found, Scope, ambiguous_column, missing_from_entry, undefined_column};
use super::{Binder, literal};
use crate::ast::{self, ExprKind, LikeKind, Literal, Truth};
use crate::error::{Error, SqlState};
use crate::hir::{self, ColumnRef, Expr};
use crate::plan::Notice;
use crate::repr::{ColumnType, Datum, Row, Type};
use crate::scalar::special;

impl Binder<'_> {
    /// Binds an expression in the nearest frame. A string literal, NULL or parameter that nothing gave a type has type Unknown.
    pub(super) fn bind_expr(&mut self, expr: &mut ast::Expr) -> Result<Expr, Error> {
        hir::grow(|| self.bind_kind(expr))
    }

    /// Binds an expression that must be a condition.
    pub(super) fn bind_condition(&mut self, expr: &mut ast::Expr, what: &str) -> Result<Expr, Error> {
        let position = expr.start();
        let bound = self.bind_expr(expr)?;
        self.coerce_to_bool(bound, what, position)
    }

    pub(super) fn bind_typed(&mut self, expr: &mut ast::Expr) -> Result<Typed, Error> {
        let position = expr.start();
        Ok(Typed { expr: self.bind_expr(expr)?, position })
    }

    pub(super) fn bind_all(&mut self, exprs: &mut [ast::Expr]) -> Result<Vec<Typed>, Error> {
        exprs.iter_mut().map(|expr| self.bind_typed(expr)).collect()
    }

    fn bind_kind(&mut self, expr: &mut ast::Expr) -> Result<Expr, Error> {
        let position = expr.position;
        match &mut expr.kind {
            ExprKind::Literal(value) => bind_literal(value).map_err(|error| error.at(position)),
            ExprKind::Parameter(number) => self.bind_parameter(*number, position),
            ExprKind::Column(name) => self.bind_column(name),
            ExprKind::QualifiedStar(_) | ExprKind::FieldStar(_) => {
                Err(Error::unsupported("a row as a value is not supported")
                    .hint("Name the columns.")
                    .at(position))
            }
            ExprKind::Default => {
                Err(Error::new(SqlState::SYNTAX_ERROR, "DEFAULT is not allowed in this context").at(position))
            }
            ExprKind::Unary { op, operand } => {
                let operand = self.bind_typed(operand)?;
                self.bind_operator(op, vec![operand])
            }
            ExprKind::Binary { op, left, right } => self.bind_binary(op, left, right),
            ExprKind::And(operands) => self.bind_conditions(operands, "AND").map(Expr::And),
            ExprKind::Or(operands) => self.bind_conditions(operands, "OR").map(Expr::Or),
            ExprKind::Not(operand) => self.bind_condition(operand, "NOT").map(Expr::not),
            ExprKind::Is { operand, test, negated } => self.bind_is(operand, *test, *negated),
            ExprKind::IsDistinctFrom { left, right, negated } => {
                self.bind_is_distinct(left, right, *negated, position)
            }
            ExprKind::Between { operand, low, high, symmetric, negated } => {
                let bound = [self.bind_typed(operand)?, self.bind_typed(low)?, self.bind_typed(high)?];
                self.bind_between(bound, *symmetric, *negated, position)
            }
            ExprKind::InList { operand, list, negated } => {
                let bound = self.bind_in_list(operand, list, position)?;
                Ok(if *negated { bound.not() } else { bound })
            }
            ExprKind::InSubquery { operand, query, negated } => {
                let equals = operator("=", position);
                let bound = self.bind_quantified_query(operand, &equals, ast::Quantifier::Any, query)?;
                Ok(if *negated { bound.not() } else { bound })
            }
            ExprKind::Like { kind, operand, pattern, escape, negated } => {
                let bound = [self.bind_typed(operand)?, self.bind_typed(pattern)?];
                let escape = escape.as_deref_mut().map(|escape| self.bind_typed(escape)).transpose()?;
                self.bind_like(*kind, bound, escape, *negated, position)
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.bind_case(operand.as_deref_mut(), branches, otherwise.as_deref_mut(), position)
            }
            ExprKind::Cast { operand, to } => self.bind_cast(operand, to, position),
            ExprKind::Call(call) => self.bind_call(call, position),
            ExprKind::Exists(query) => {
                let (rel, _) = self.bind_nested(query)?;
                Ok(Expr::Exists(Box::new(rel)))
            }
            ExprKind::Subquery(query) => self.bind_scalar_subquery(query, position),
            ExprKind::ArraySubquery(query) => self.bind_array_subquery(query, position),
            ExprKind::Quantified { left, op, quantifier, right } => match right {
                ast::QuantifiedOver::Query(query) => self.bind_quantified_query(left, op, *quantifier, query),
                ast::QuantifiedOver::Array(array) => self.bind_quantified_array(left, op, *quantifier, array),
            },
            ExprKind::Array(elements) => self.bind_array(elements, None, position),
            ExprKind::Row(fields) => {
                let fields = self.bind_all(fields)?;
                self.bind_row(fields, position)
            }
            ExprKind::Path { operand, steps } => self.bind_path(operand, steps, position),
            ExprKind::Collate { operand, collation } => self.bind_collate(operand, collation, position),
        }
    }

    /// LIKE and its kin, as PostgreSQL's operators of the same meaning.
    fn bind_like(
        &mut self,
        kind: LikeKind,
        [operand, mut pattern]: [Typed; 2],
        escape: Option<Typed>,
        negated: bool,
        position: u32,
    ) -> Result<Expr, Error> {
        let translation = match (kind, &escape) {
            (LikeKind::SimilarTo, _) => Some("similar_to_escape"),
            (_, Some(_)) => Some("like_escape"),
            (_, None) => None,
        };
        if let Some(name) = translation {
            let args = std::iter::once(pattern.clone()).chain(escape).collect();
            pattern.expr = self.bind_named_call(name, args, position)?;
        }
        let symbol = match (kind, negated) {
            (LikeKind::Like, false) => "~~",
            (LikeKind::Like, true) => "!~~",
            (LikeKind::ILike, false) => "~~*",
            (LikeKind::ILike, true) => "!~~*",
            (LikeKind::SimilarTo, false) => "~",
            (LikeKind::SimilarTo, true) => "!~",
        };
        self.bind_operator(&operator(symbol, position), vec![operand, pattern])
    }

    /// Text is compared by its bytes, so the collations that say so change nothing.
    fn bind_collate(
        &mut self,
        operand: &mut ast::Expr,
        collation: &ast::Name,
        position: u32,
    ) -> Result<Expr, Error> {
        if !matches!(collation.last().name.as_str(), "C" | "POSIX" | "default" | "ucs_basic") {
            let message = format!("collation \"{}\" does not exist", collation.last().name);
            return Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
                .hint("Text is compared by its bytes: COLLATE \"C\".")
                .at(position));
        }
        let operand = self.bind_typed(operand)?;
        match operand.expr.typ() {
            Type::Unknown => self.coerce(operand, &Type::Text, Cast::Implicit),
            typ if typ.is_text() => Ok(operand.expr),
            typ => {
                let message = format!("collations are not supported by type {typ}");
                Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position))
            }
        }
    }

    fn bind_conditions(&mut self, operands: &mut [ast::Expr], what: &str) -> Result<Vec<Expr>, Error> {
        operands.iter_mut().map(|operand| self.bind_condition(operand, what)).collect()
    }

    fn bind_parameter(&mut self, number: u32, position: u32) -> Result<Expr, Error> {
        if let Some(argument) = self.definition_argument(number) {
            return Ok(argument);
        }
        if let super::Purpose::Maintained(what) = self.purpose {
            let message = format!("there is no parameter ${number}");
            return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message)
                .detail(format!("A {what} has no parameters."))
                .at(position));
        }
        if number == 0 || number > 65535 {
            let message = format!("there is no parameter ${number}");
            return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message).at(position));
        }
        let index = number as usize - 1;
        if self.parameters.len() <= index {
            self.parameters.resize(index + 1, None);
        }
        Ok(Expr::Parameter(index, self.parameters[index].clone().unwrap_or(Type::Unknown)))
    }

    /// A column of the nearest row that has one of this name.
    fn bind_column(&mut self, name: &mut ast::Name) -> Result<Expr, Error> {
        match self.find_column(name)? {
            Some(found) => {
                self.call_in_check(&found, name);
                Ok(found)
            }
            None => {
                if let Some(found) = self.find_by_initial(name)? {
                    return Ok(found);
                }
                if let Some(found) = self.find_alias(name)? {
                    return Ok(found);
                }
                Err(self.column_error(name))
            }
        }
    }

    /// A CHECK's text calls a column by nothing but its name.
    fn call_in_check(&mut self, found: &Expr, name: &mut ast::Name) {
        if let Some(frame) = self.frames.last().filter(|frame| frame.clause == Clause::Check)
            && let Expr::Column(ColumnRef { column, .. }, _) = found
        {
            let called = frame.scope.columns[*column].canonical().to_owned();
            name.parts = vec![ast::Ident { name: called, position: name.position() }];
        }
    }

    fn find_column(&mut self, name: &ast::Name) -> Result<Option<Expr>, Error> {
        for at in (0..self.frames.len()).rev() {
            if !self.frames[at].visible {
                continue;
            }
            match self.frames[at].scope.find(name) {
                Found::Column(column) => return Ok(Some(self.reference(at, column, name.position()))),
                Found::Ambiguous => return Err(ambiguous_column(name)),
                Found::NoColumn => {
                    let scope = &self.frames[at].scope;
                    return Err(undefined_column(name, std::iter::once(scope)));
                }
                Found::Nothing => {}
            }
        }
        Ok(self.find_value(name))
    }

    /// The value of a function in FROM by the entry's name.
    fn find_value(&mut self, name: &ast::Name) -> Option<Expr> {
        let [entry] = name.parts.as_slice() else { return None };
        let visible = |at: &usize| self.frames[*at].visible;
        let value = |at: usize| Some((at, self.frames[at].scope.find_value(&entry.name)?));
        let (at, column) = (0..self.frames.len()).rev().filter(visible).find_map(value)?;
        Some(self.reference(at, column, name.position()))
    }

    /// Notes that the statement names a column of the catalog.
    pub(super) fn note_read(&mut self, scope: &Scope, column: usize) {
        self.facts.columns.extend(scope.columns[column].origin);
    }

    fn reference(&mut self, frame: usize, column: usize, position: u32) -> Expr {
        self.facts.columns.extend(self.frames[frame].scope.columns[column].origin);
        let level = self.frames.len() - 1 - frame;
        let in_aggregate = self.frames[frame..].iter().any(|frame| frame.in_aggregate);
        let frame = &mut self.frames[frame];
        if !in_aggregate {
            frame.references.push((column, position));
        }
        Expr::Column(ColumnRef { level, column }, frame.scope.columns[column].typ.clone())
    }

    /// `r.stars` where nothing is called `r` but `ratings` is the only entry that begins so.
    fn find_by_initial(&mut self, name: &mut ast::Name) -> Result<Option<Expr>, Error> {
        let [qualifier] = name.qualifier() else { return Ok(None) };
        let known = self.frames.iter().any(|frame| frame.scope.find_relation(name.qualifier()).is_some());
        let Some(frame) = self.frames.last().filter(|_| !known) else { return Ok(None) };
        let Some(entry) = frame.scope.find_initial(name.qualifier()) else { return Ok(None) };
        let (letter, meant) = (qualifier.name.clone(), frame.scope.relations[entry].name.clone());
        let message = format!("\"{letter}\" is taken for \"{meant}\"");
        self.notice(
            Notice::new(SqlState::WARNING, message)
                .hint(format!("Declare the alias: FROM {meant} {letter}.")),
        );
        name.parts[0].name = meant;
        self.find_column(name)
    }

    fn column_error(&self, name: &ast::Name) -> Error {
        let visible = || self.frames.iter().rev().filter(|frame| frame.visible).map(|frame| &frame.scope);
        if name.qualifier().is_empty() {
            return match visible().any(|scope| scope.find_relation(&name.parts).is_some()) {
                true => whole_row(name),
                false => undefined_column(name, visible()),
            };
        }
        let hidden =
            self.frames.iter().any(|f| !f.visible && f.scope.find_relation(name.qualifier()).is_some());
        if hidden {
            let entry = &name.qualifier().last().expect("invariant: the name is qualified").name;
            let message = format!("invalid reference to FROM-clause entry for table \"{entry}\"");
            return Error::new(SqlState::UNDEFINED_TABLE, message)
                .hint(format!(
                    "There is an entry for table \"{entry}\", but it cannot be referenced from this part of the query."
                ))
                .at(name.position());
        }
        missing_from_entry(name, visible())
    }

    fn bind_binary(
        &mut self,
        op: &ast::Operator,
        left: &mut ast::Expr,
        right: &mut ast::Expr,
    ) -> Result<Expr, Error> {
        if let (ExprKind::Row(left), ExprKind::Row(right)) = (&mut left.kind, &mut right.kind) {
            let (left, right) = (self.bind_all(left)?, self.bind_all(right)?);
            return self.bind_row_comparison(op, left, right);
        }
        if let (ExprKind::Row(fields), ExprKind::Subquery(query)) = (&mut left.kind, &mut right.kind) {
            return self.bind_row_subquery_comparison(op, fields, query);
        }
        let operands = vec![self.bind_typed(left)?, self.bind_typed(right)?];
        self.bind_operator(op, operands)
    }

    /// `(a, b) op (c, d)`, field by field as SQL defines it.
    pub(super) fn bind_row_comparison(
        &mut self,
        op: &ast::Operator,
        left: Vec<Typed>,
        right: Vec<Typed>,
    ) -> Result<Expr, Error> {
        if left.len() != right.len() {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "unequal number of entries in row expressions")
                .at(op.position));
        }
        if left.is_empty() {
            return Err(Error::unsupported("cannot compare rows of zero length").at(op.position));
        }
        let pairs: Vec<Vec<Typed>> = left.into_iter().zip(right).map(|(l, r)| vec![l, r]).collect();
        match op.symbol.as_str() {
            "=" => {
                let fields = pairs.into_iter().map(|pair| self.bind_operator(op, pair));
                Ok(Expr::and(fields.collect::<Result<Vec<_>, _>>()?))
            }
            "<>" => {
                let fields = pairs.into_iter().map(|pair| self.bind_operator(op, pair));
                let mut fields = fields.collect::<Result<Vec<_>, _>>()?;
                Ok(if fields.len() == 1 { fields.remove(0) } else { Expr::Or(fields) })
            }
            "<" | "<=" | ">" | ">=" => self.bind_row_order(op, pairs),
            _ => {
                let message =
                    format!("could not determine interpretation of row comparison operator {}", op.symbol);
                Err(Error::unsupported(message).at(op.position))
            }
        }
    }

    /// The first fields that differ decide; the last ones by the operator itself.
    fn bind_row_order(&mut self, op: &ast::Operator, mut pairs: Vec<Vec<Typed>>) -> Result<Expr, Error> {
        let last = pairs.pop().expect("invariant: rows of zero length were refused");
        let mut result = self.bind_operator(op, last)?;
        let strict = operator(&op.symbol[..1], op.position);
        let equals = operator("=", op.position);
        for pair in pairs.into_iter().rev() {
            let decides = self.bind_operator(&strict, pair.clone())?;
            let ties = self.bind_operator(&equals, pair)?;
            result = Expr::Or(vec![decides, Expr::And(vec![ties, result])]);
        }
        Ok(result)
    }

    fn bind_is(&mut self, operand: &mut ast::Expr, test: Truth, negated: bool) -> Result<Expr, Error> {
        let bound = match test {
            Truth::Null => {
                // A row is NULL when all its fields are, and not NULL when none is.
                if let ExprKind::Row(fields) = &mut operand.kind {
                    let fields = self.bind_all(fields)?;
                    let nulls = fields.into_iter().map(|field| {
                        let null = field.expr.is_null();
                        if negated { null.not() } else { null }
                    });
                    return Ok(Expr::and(nulls));
                }
                let operand = self.bind_typed(operand)?;
                self.settle(operand)?.is_null()
            }
            Truth::Unknown => self.bind_condition(operand, "IS UNKNOWN")?.is_null(),
            Truth::True | Truth::False => {
                let (func, what) = match test {
                    Truth::True => (special::is_true(), "IS TRUE"),
                    _ => (special::is_false(), "IS FALSE"),
                };
                Expr::Call { func, args: vec![self.bind_condition(operand, what)?], typ: Type::Bool }
            }
        };
        Ok(if negated { bound.not() } else { bound })
    }

    fn bind_is_distinct(
        &mut self,
        left: &mut ast::Expr,
        right: &mut ast::Expr,
        negated: bool,
        position: u32,
    ) -> Result<Expr, Error> {
        let operands = vec![self.bind_typed(left)?, self.bind_typed(right)?];
        // The operator = says which types compare, and to which type both are brought.
        let Expr::Call { args, .. } = self.bind_operator(&operator("=", position), operands)? else {
            return Err(
                Error::unsupported("IS DISTINCT FROM of these operands is not supported").at(position)
            );
        };
        let func = if negated { special::is_not_distinct() } else { special::is_distinct() };
        Ok(Expr::Call { func, args, typ: Type::Bool })
    }

    fn bind_between(
        &mut self,
        [operand, low, high]: [Typed; 3],
        symmetric: bool,
        negated: bool,
        position: u32,
    ) -> Result<Expr, Error> {
        let (at_least, at_most) = (operator(">=", position), operator("<=", position));
        let between = |binder: &mut Self, low: &Typed, high: &Typed| {
            let above = binder.bind_operator(&at_least, vec![operand.clone(), low.clone()])?;
            let below = binder.bind_operator(&at_most, vec![operand.clone(), high.clone()])?;
            Ok::<_, Error>(Expr::And(vec![above, below]))
        };
        let mut bound = between(self, &low, &high)?;
        if symmetric {
            bound = Expr::Or(vec![bound, between(self, &high, &low)?]);
        }
        Ok(if negated { bound.not() } else { bound })
    }

    /// An OR of equalities, each side brought to the list's common type when it has one.
    fn bind_in_list(
        &mut self,
        operand: &mut ast::Expr,
        list: &mut [ast::Expr],
        position: u32,
    ) -> Result<Expr, Error> {
        let equals = operator("=", position);
        if let ExprKind::Row(fields) = &mut operand.kind {
            let fields = self.bind_all(fields)?;
            let mut any = Vec::with_capacity(list.len());
            for item in list {
                let ExprKind::Row(item) = &mut item.kind else {
                    return Err(Error::unsupported("IN needs a row on both sides").at(item.position));
                };
                let item = self.bind_all(item)?;
                any.push(self.bind_row_comparison(&equals, fields.clone(), item)?);
            }
            return Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) });
        }
        let operand = self.bind_typed(operand)?;
        let list = self.bind_all(list)?;
        let types = std::iter::once(&operand).chain(&list).map(|e| e.expr.typ());
        let common = self.common_type(types.collect());
        let mut any = Vec::with_capacity(list.len());
        for item in list {
            let mut pair = vec![operand.clone(), item];
            if let Some(common) = &common {
                for side in &mut pair {
                    side.expr = self.coerce(side.clone(), common, Cast::Implicit)?;
                }
            }
            any.push(self.bind_operator(&equals, pair)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn bind_case(
        &mut self,
        operand: Option<&mut ast::Expr>,
        branches: &mut [ast::Branch],
        otherwise: Option<&mut ast::Expr>,
        position: u32,
    ) -> Result<Expr, Error> {
        let operand = operand.map(|operand| self.bind_typed(operand)).transpose()?;
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for branch in branches.iter_mut() {
            conditions.push(match &operand {
                None => self.bind_condition(&mut branch.when, "CASE/WHEN")?,
                Some(operand) => {
                    let when = self.bind_typed(&mut branch.when)?;
                    let equals = operator("=", when.position);
                    self.bind_operator(&equals, vec![operand.clone(), when])?
                }
            });
            results.push(self.bind_typed(&mut branch.then)?);
        }
        // PostgreSQL resolves the type from ELSE first.
        let otherwise = match otherwise {
            Some(otherwise) => self.bind_typed(otherwise)?,
            None => Typed { expr: Expr::null(Type::Unknown), position },
        };
        results.insert(0, otherwise);
        let (results, _) = self.unify(results, "CASE")?;
        let mut results = results.into_iter();
        let mut case = results.next().expect("invariant: unify gives back what it was given");
        for (cond, then) in conditions.into_iter().zip(results).rev() {
            case = Expr::if_then_else(cond, then, case);
        }
        Ok(case)
    }

    fn bind_cast(
        &mut self,
        operand: &mut ast::Expr,
        to: &ast::TypeName,
        position: u32,
    ) -> Result<Expr, Error> {
        let typ = self.bind_type(to)?;
        if let ExprKind::Array(elements) = &mut operand.kind
            && let Type::Array(element) = &typ
        {
            return self.bind_array(elements, Some(element), operand.position);
        }
        let mut operand = self.bind_typed(operand)?;
        if operand.expr.typ() != Type::Unknown {
            operand.position = position;
        }
        self.coerce(operand, &typ, Cast::Explicit)
    }

    fn bind_array(
        &mut self,
        elements: &mut [ast::Expr],
        element: Option<&Type>,
        position: u32,
    ) -> Result<Expr, Error> {
        let mut bound = Vec::with_capacity(elements.len());
        for item in elements.iter_mut() {
            let expr = match (&mut item.kind, element) {
                (ExprKind::Array(inner), Some(_)) => self.bind_array(inner, element, item.position)?,
                _ => self.bind_expr(item)?,
            };
            bound.push(Typed { expr, position: item.start() });
        }
        if bound.is_empty() {
            let Some(element) = element else {
                return Err(Error::new(
                    SqlState::INDETERMINATE_DATATYPE,
                    "cannot determine type of empty array",
                )
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(position));
            };
            let empty = Typed { expr: unknown("{}"), position };
            return self.coerce(empty, &element.clone().array_of(), Cast::Explicit);
        }
        let nested = bound.iter().all(|item| matches!(item.expr.typ(), Type::Array(_)));
        let (bound, typ) = match element {
            Some(element) if !nested => {
                let items = bound.into_iter().map(|item| self.coerce(item, element, Cast::Explicit));
                (items.collect::<Result<Vec<_>, _>>()?, element.clone())
            }
            _ => self.unify(bound, "ARRAY")?,
        };
        let func = self.known("array", "ARRAY[…]", position)?;
        Ok(Expr::Call { func, args: bound, typ: typ.array_of() })
    }

    fn bind_row(&mut self, fields: Vec<Typed>, position: u32) -> Result<Expr, Error> {
        let fields = fields.into_iter().map(|field| self.settle(field)).collect::<Result<Vec<_>, _>>()?;
        let types: Vec<Type> = fields.iter().map(Expr::typ).collect();
        let func = self.known("row", "a row as a value", position)?;
        Ok(Expr::Call { func, args: fields, typ: Type::anonymous_record(types) })
    }

    fn bind_path(
        &mut self,
        operand: &mut ast::Expr,
        steps: &mut [ast::Step],
        position: u32,
    ) -> Result<Expr, Error> {
        let operand_position = operand.start();
        let mut value = self.bind_expr(operand)?;
        if steps.iter().any(|step| matches!(step, ast::Step::Slice(..))) {
            return self.bind_slice(value, operand_position, steps, position);
        }
        for step in steps {
            let ast::Step::Index(index) = step else {
                return Err(Error::unsupported("fields of row values are not supported").at(position));
            };
            let index = self.bind_typed(index)?;
            value = self.vector_as_array(value);
            let typ = value.typ();
            match &typ {
                Type::Jsonb => {
                    let arrow = operator("->", position);
                    value = self.bind_operator(
                        &arrow,
                        vec![Typed { expr: value, position: operand_position }, index],
                    )?;
                }
                Type::Array(element) => {
                    let index = self.coerce(index, &Type::Int8, Cast::Assignment)?;
                    let func = self.known("subscript AnyArray Int8", "a subscript", position)?;
                    let element = (**element).clone();
                    value = Expr::Call { func, args: vec![value, index], typ: element };
                }
                _ => {
                    let message =
                        format!("cannot subscript type {typ} because it does not support subscripting");
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(operand_position));
                }
            }
        }
        Ok(value)
    }
}

/// Slices of arrays.
impl Binder<'_> {
    /// `a[1:2][3]`: where one subscript is a slice all are, and a single one begins at 1.
    fn bind_slice(
        &mut self,
        value: Expr,
        value_position: u32,
        steps: &mut [ast::Step],
        position: u32,
    ) -> Result<Expr, Error> {
        let value = self.vector_as_array(value);
        let typ = value.typ();
        if !matches!(typ, Type::Array(_)) {
            let message = match typ {
                Type::Jsonb => "jsonb subscript does not support slices".to_owned(),
                _ => format!("cannot subscript type {typ} because it does not support subscripting"),
            };
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(value_position));
        }
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for step in steps {
            let (low, high) = match step {
                ast::Step::Slice(low, high) => (
                    self.bind_slice_bound(low.as_mut(), i32::MIN)?,
                    self.bind_slice_bound(high.as_mut(), i32::MAX)?,
                ),
                ast::Step::Index(high) => {
                    (self.bind_slice_bound(None, 1)?, self.bind_slice_bound(Some(high), 1)?)
                }
                _ => return Err(Error::unsupported("fields of row values are not supported").at(position)),
            };
            from.push(low);
            to.push(high);
        }
        let array = self.known("array", "a slice", position)?;
        let bounds = |args| Expr::Call { func: array, args, typ: Type::Int4.array_of() };
        let func = self.known("slice AnyArray [Int4] [Int4]", "a slice", position)?;
        Ok(Expr::Call { func, args: vec![value, bounds(from), bounds(to)], typ })
    }

    fn bind_slice_bound(&mut self, bound: Option<&mut ast::Expr>, otherwise: i32) -> Result<Expr, Error> {
        match bound {
            Some(bound) => {
                let bound = self.bind_typed(bound)?;
                self.coerce(bound, &Type::Int4, Cast::Assignment)
            }
            None => Ok(literal(Datum::Int(otherwise.into()), Type::Int4)),
        }
    }
}

pub(super) fn operator(symbol: &str, position: u32) -> ast::Operator {
    ast::Operator { schema: None, symbol: symbol.to_owned(), position }
}

/// A string literal whose type its context decides.
pub(super) fn unknown(text: &str) -> Expr {
    literal(Datum::Text(text), Type::Unknown)
}

fn bind_literal(value: &Literal) -> Result<Expr, Error> {
    Ok(match value {
        Literal::Null => Expr::null(Type::Unknown),
        Literal::Bool(value) => Expr::bool(*value),
        Literal::String(text) => unknown(text),
        Literal::Bits(_) => {
            return Err(Error::unsupported("bit strings are not supported").hint("Use bytea: '\\x1f'."));
        }
        Literal::Number(digits) => bind_number(digits)?,
    })
}

/// `0A000` for the name of an entry where a value belongs.
fn whole_row(name: &ast::Name) -> Error {
    let entry = &name.last().name;
    Error::unsupported(format!("the row of \"{entry}\" as one value is not supported"))
        .hint(format!("Name its columns, or write {entry}.* for all of them."))
        .at(name.position())
}

/// int4 if it fits, else int8 if it fits, else numeric.
fn bind_number(digits: &str) -> Result<Expr, Error> {
    if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        && let Ok(value) = digits.parse::<i64>()
    {
        let typ = if i32::try_from(value).is_ok() { Type::Int4 } else { Type::Int8 };
        return Ok(literal(Datum::Int(value), typ));
    }
    let typ = Type::Numeric(None);
    let arena = bumpalo::Bump::new();
    let datum = crate::repr::text::parse(&typ, digits, &Default::default(), &arena)?;
    Ok(Expr::Literal(Row::pack([datum]), ColumnType::new(typ, false)))
}
