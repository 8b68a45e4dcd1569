//! Which function or operator a call means: PostgreSQL's rules (its manual's chapter 10), over the declarations of `scalar`.

use super::aggregate::is_aggregate;
use super::coerce::{Cast, Typed};
use super::expr::{operator, unknown};
use super::{Binder, Purpose, literal};
use crate::ast;
use crate::error::{Error, SqlState};
use crate::hir::Expr;
use crate::keyword;
use crate::repr::types::Category;
use crate::repr::{Datum, Type};
use crate::scalar::{self, ArgType, Func, SequenceFunction, Volatility, special};

/// Something that overloads by its arguments' types.
pub(super) trait Overload: Copy {
    /// The declared type of an argument.
    fn arg(&self, index: usize) -> ArgType;
}

impl Overload for Func {
    fn arg(&self, index: usize) -> ArgType {
        scalar::Function::arg(self, index).expect("invariant: candidates take this many arguments")
    }
}

impl Overload for scalar::TableFunc {
    fn arg(&self, index: usize) -> ArgType {
        self.args[index]
    }
}

impl Overload for &'static scalar::Aggregate {
    fn arg(&self, index: usize) -> ArgType {
        self.args[index]
    }
}

impl Overload for &'static scalar::window::WindowFunction {
    fn arg(&self, index: usize) -> ArgType {
        self.args[index]
    }
}

/// What resolving gave.
pub(super) enum Resolved<F> {
    One(F),
    None,
    Ambiguous,
}

impl Binder<'_> {
    pub(super) fn bind_operator(&mut self, op: &ast::Operator, operands: Vec<Typed>) -> Result<Expr, Error> {
        if let Some(schema) = &op.schema
            && schema.name != "pg_catalog"
        {
            return Err(self.no_operator(op, &operands));
        }
        let operands = self.widen_reals(operands)?;
        let candidates: Vec<Func> = scalar::operators_named(&op.symbol)
            .iter()
            .copied()
            .filter(|func| func.takes(operands.len()))
            .collect();
        let types: Vec<Type> = operands.iter().map(|operand| operand.expr.typ()).collect();
        match self.resolve(&candidates, &types, true) {
            Resolved::One(func) => self.apply(func, operands, op.position),
            Resolved::None => Err(self.no_operator(op, &operands)),
            Resolved::Ambiguous => {
                let message = format!("operator is not unique: {}", spell_operator(op, &types));
                Err(Error::new(SqlState::AMBIGUOUS_FUNCTION, message)
                    .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
                    .at(op.position))
            }
        }
    }

    /// Between `real` and another number stand operators of `double precision`: PostgreSQL declares them for each pair.
    fn widen_reals(&mut self, operands: Vec<Typed>) -> Result<Vec<Typed>, Error> {
        let is_other = |typ: Type| typ.category() == Category::Numeric && typ != Type::Float4;
        if !operands.iter().any(|operand| is_other(operand.expr.typ())) {
            return Ok(operands);
        }
        let widen = |operand: Typed| match operand.expr.typ() {
            Type::Float4 => {
                let position = operand.position;
                Ok(Typed { expr: self.coerce(operand, &Type::Float8, Cast::Implicit)?, position })
            }
            _ => Ok(operand),
        };
        operands.into_iter().map(widen).collect()
    }

    fn no_operator(&self, op: &ast::Operator, operands: &[Typed]) -> Error {
        let types: Vec<Type> = operands.iter().map(|operand| operand.expr.typ()).collect();
        let message = format!("operator does not exist: {}", spell_operator(op, &types));
        Error::new(SqlState::UNDEFINED_FUNCTION, message)
            .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
            .at(op.position)
    }

    /// A call of a function that the syntax names.
    pub(super) fn bind_named_call(
        &mut self,
        name: &str,
        args: Vec<Typed>,
        position: u32,
    ) -> Result<Expr, Error> {
        let candidates: Vec<Func> = scalar::candidates(name, args.len()).collect();
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        match self.resolve(&candidates, &types, false) {
            Resolved::One(func) => self.apply(func, args, position),
            _ => Err(no_function(name, &types).at(position)),
        }
    }

    /// `name(args)`: an aggregate, a value of the session, a set-returning function or an ordinary one.
    pub(super) fn bind_call(&mut self, call: &mut ast::Call, position: u32) -> Result<Expr, Error> {
        let name = self.function_name(call)?;
        if call.over.is_some() {
            return self.bind_window_call(&name, call, position);
        }
        if scalar::window_functions_named(&name).next().is_some() {
            let message = format!("window function {name} requires an OVER clause");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(position));
        }
        if is_aggregate(&name) {
            return self.bind_aggregate(&name, call, position);
        }
        refuse_aggregate_clauses(&name, call, position)?;
        if let Some(bound) = self.bind_syntax_call(&name, call, position)? {
            return Ok(bound);
        }
        super::effect::refuse_effect(&name, position)?;
        if let Some(function) = SequenceFunction::named(&name) {
            return self.bind_sequence_call(function, call, position);
        }
        let args = self.bind_args(call)?;
        if let Some(value) = self.bind_context_call(&name, &args, position)? {
            return Ok(value);
        }
        if scalar::table_functions_named(&name).any(|f| f.args.len() == args.len()) {
            return self.bind_set_call(&name, args, position);
        }
        if let Some(defined) = self.find_definition(&name, &args) {
            return self.bind_defined_call(&defined, args, position);
        }
        let candidates: Vec<Func> =
            scalar::functions_named(&name).iter().copied().filter(|f| f.takes(args.len())).collect();
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        match self.resolve(&candidates, &types, false) {
            Resolved::One(func) => {
                self.check_volatility(func, position)?;
                self.apply(func, args, position)
            }
            Resolved::Ambiguous => {
                let message = format!("function {} is not unique", spell_call(&name, &types));
                Err(Error::new(SqlState::AMBIGUOUS_FUNCTION, message)
                    .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
                    .at(position))
            }
            Resolved::None => self.bind_as_cast(&name, args, &types, position),
        }
    }

    fn function_name(&self, call: &ast::Call) -> Result<String, Error> {
        match call.name.qualifier() {
            [] => {}
            [.., schema] if schema.name == "pg_catalog" => {}
            [.., schema] if self.catalog.schema(&schema.name).is_none() => {
                return Err(crate::catalog::undefined_schema(&schema.name).at(call.name.position()));
            }
            [.., _] => {
                let message = format!("function {}() does not exist", super::display_name(&call.name));
                return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message).at(call.name.position()));
            }
        }
        Ok(call.name.last().name.clone())
    }

    pub(super) fn bind_args(&mut self, call: &mut ast::Call) -> Result<Vec<Typed>, Error> {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &mut call.args {
            if let Some(name) = &arg.name {
                return Err(Error::unsupported("named arguments are not supported").at(name.position));
            }
            let position = arg.value.start();
            let expr = self.bind_expr(&mut arg.value)?;
            args.push(Typed { expr: self.vector_as_array(expr), position });
        }
        Ok(args)
    }

    /// A vector of the catalog as the array that it is, for what is declared over arrays.
    pub(super) fn vector_as_array(&mut self, expr: Expr) -> Expr {
        match expr.typ().of_vector() {
            Some(array) => self
                .coerce(Typed { expr, position: 0 }, &array, Cast::Implicit)
                .expect("invariant: vectors are arrays by an implicit cast"),
            None => expr,
        }
    }

    /// Calls that are syntax in PostgreSQL too: their types are found by rules of their own.
    fn bind_syntax_call(
        &mut self,
        name: &str,
        call: &mut ast::Call,
        position: u32,
    ) -> Result<Option<Expr>, Error> {
        if !matches!(name, "coalesce" | "nullif" | "greatest" | "least" | "grouping")
            || !call.name.qualifier().is_empty()
        {
            return Ok(None);
        }
        if name == "grouping" {
            return self.bind_grouping_call(call, position).map(Some);
        }
        let args = self.bind_args(call)?;
        if name == "nullif" {
            let [first, second]: [Typed; 2] = args
                .try_into()
                .map_err(|_| Error::new(SqlState::SYNTAX_ERROR, "NULLIF takes two arguments").at(position))?;
            return self.bind_nullif(first, second, position).map(Some);
        }
        let what = name.to_uppercase();
        let (args, typ) = self.unify(args, &what)?;
        Ok(Some(match name {
            "coalesce" => Expr::Coalesce(args),
            name => Expr::Call { func: self.known(name, &what, position)?, args, typ },
        }))
    }

    /// NULL where `first = second` is true; its type is the first's.
    fn bind_nullif(&mut self, first: Typed, second: Typed, position: u32) -> Result<Expr, Error> {
        let equal = self.bind_operator(&operator("=", position), vec![first.clone(), second])?;
        let first = match (first.expr.typ(), &equal) {
            (Type::Unknown, Expr::Call { args, .. }) => args[0].clone(),
            _ => first.expr,
        };
        let typ = first.typ();
        Ok(Expr::if_then_else(equal, Expr::null(typ), first))
    }

    /// `text(x)` and `float8(x)` are casts where no function is called so.
    fn bind_as_cast(
        &mut self,
        name: &str,
        args: Vec<Typed>,
        types: &[Type],
        position: u32,
    ) -> Result<Expr, Error> {
        if let [arg] = args.as_slice()
            && let Some(typ) = Type::named(name)
            && self.can_coerce(&types[0], &typ, Cast::Explicit)
        {
            return self.coerce(arg.clone(), &typ, Cast::Explicit);
        }
        Err(no_function(name, types).at(position))
    }

    fn bind_set_call(&mut self, name: &str, args: Vec<Typed>, position: u32) -> Result<Expr, Error> {
        let clause = self.frame().clause;
        if self.frame().in_window.is_some() {
            let message = "window function calls cannot contain set-returning function calls";
            return Err(Error::unsupported(message)
                .hint("You might be able to move the set-returning function into a LATERAL FROM item.")
                .at(position));
        }
        if !clause.takes_sets() || self.frame().in_aggregate {
            let message = format!("set-returning functions are not allowed in {}", clause.name());
            return Err(Error::unsupported(message).at(position));
        }
        if args.iter().any(|arg| arg.expr.has_effect()) {
            let message =
                "calls of sequence functions in a set-returning function's arguments are not supported";
            return Err(Error::unsupported(message)
                .hint("Take the value by a statement of its own.")
                .at(position));
        }
        let call = self.resolve_table_function(name, args, position)?;
        let [typ] = call.types.as_slice() else {
            return Err(Error::unsupported(
                "a set-returning function of several columns in the select list is not supported",
            )
            .hint("Call it in FROM.")
            .at(position));
        };
        let typ = typ.clone();
        let sets = &mut self.frame().sets;
        sets.push(call);
        let column = super::scope::SETS + sets.len() - 1;
        Ok(Expr::column(column, typ))
    }

    pub(super) fn resolve_table_function(
        &mut self,
        name: &str,
        args: Vec<Typed>,
        position: u32,
    ) -> Result<super::scope::TableCall, Error> {
        let candidates: Vec<scalar::TableFunc> =
            scalar::table_functions_named(name).filter(|f| f.args.len() == args.len()).collect();
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        let Resolved::One(func) = self.resolve(&candidates, &types, false) else {
            return Err(no_function(name, &types).at(position));
        };
        let args = self.coerce_args(func, args)?;
        let types: Vec<Type> = args.iter().map(Expr::typ).collect();
        let columns = func.column_types(&types).into_iter();
        Ok(super::scope::TableCall {
            func,
            args,
            names: func.columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            types: columns.map(|typ| crate::repr::ColumnType::new(typ, true)).collect(),
        })
    }

    fn check_volatility(&mut self, func: Func, position: u32) -> Result<(), Error> {
        if func.volatility == Volatility::Immutable {
            return Ok(());
        }
        self.refuse_in_maintained(func.name, position)?;
        self.facts.uses_context = true;
        Ok(())
    }

    /// `0A000` where the value of a volatile or stable function would have to be kept up to date.
    pub(super) fn refuse_in_maintained(&self, name: &str, position: u32) -> Result<(), Error> {
        let Purpose::Maintained(what) = self.purpose else { return Ok(()) };
        let call = match keyword::category(name) {
            keyword::Category::Reserved => name.to_owned(),
            _ => format!("{name}()"),
        };
        let hint = match what {
            "subscription" => format!("Write the value in its place, as SELECT {call} gives it."),
            _ => format!("Call {call} in the query that reads the {what}."),
        };
        Err(Error::unsupported(format!("{call} cannot be used in a {what}"))
            .detail(format!("A {what} is kept up to date as its inputs change, and the result of {call} changes without them."))
            .hint(hint)
            .at(position))
    }

    /// Calls a function that was resolved: its arguments are brought to its types, its zone appended.
    pub(super) fn apply(&mut self, func: Func, args: Vec<Typed>, position: u32) -> Result<Expr, Error> {
        let given = args.len();
        let mut args = self.coerce_args(func, args)?;
        let missing = func.args.len().saturating_sub(given);
        for (offset, text) in
            func.defaults[func.defaults.len() - missing.min(func.defaults.len())..].iter().enumerate()
        {
            let typ = Overload::arg(&func, given + offset).concrete().unwrap_or(Type::Text);
            let default = Typed { expr: unknown(text), position };
            args.push(self.coerce(default, &typ, Cast::Implicit)?);
        }
        let types: Vec<Type> = args.iter().map(Expr::typ).collect();
        let typ = func.result_type(&types);
        if func.zone {
            args.push(self.zone_literal());
        }
        if func.prints {
            args = args.into_iter().map(|arg| self.printed(arg)).collect();
        }
        Ok(Expr::Call { func, args, typ })
    }

    /// A value whose text form depends on the session as that text; an array as an array of texts.
    fn printed(&mut self, value: Expr) -> Expr {
        let typ = value.typ();
        if !typ.involves_zone() {
            return value;
        }
        let text = if matches!(typ, Type::Array(_)) { Type::Text.array_of() } else { Type::Text };
        self.convert(value.clone(), &typ, &text, Cast::Explicit).unwrap_or(value)
    }

    /// The session's time zone, as the text that a zone-dependent function takes.
    pub(super) fn zone_literal(&mut self) -> Expr {
        self.facts.uses_context = true;
        literal(Datum::Text(self.context.settings.timezone.name()), Type::Text)
    }

    pub(super) fn coerce_args<F: Overload>(&mut self, func: F, args: Vec<Typed>) -> Result<Vec<Expr>, Error> {
        let types: Vec<Type> = args.iter().map(|arg| arg.expr.typ()).collect();
        let element = element_type(&func, &types);
        let mut coerced = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let wanted = match func.arg(index) {
                ArgType::AnyElement | ArgType::AnyNonArray | ArgType::AnyEnum => {
                    element.clone().unwrap_or(Type::Text)
                }
                ArgType::AnyArray => element.clone().unwrap_or(Type::Text).array_of(),
                ArgType::Any | ArgType::Record => match arg.expr.typ() {
                    Type::Unknown => Type::Text,
                    typ => typ,
                },
                declared => declared.concrete().expect("invariant: every other mark is concrete"),
            };
            let fits = arg.expr.typ().without_typmod() == wanted.without_typmod();
            coerced.push(if fits { arg.expr } else { self.coerce(arg, &wanted, Cast::Implicit)? });
        }
        Ok(coerced)
    }

    /// PostgreSQL's choice among overloads that take this many arguments.
    pub(super) fn resolve<F: Overload>(
        &self,
        candidates: &[F],
        types: &[Type],
        is_operator: bool,
    ) -> Resolved<F> {
        let types: Vec<Type> = types.iter().map(Type::without_typmod).collect();
        let exact = |f: &&F, types: &[Type]| {
            (0..types.len()).all(|i| f.arg(i).accepts(&types[i])) && consistent(*f, types)
        };
        if let Some(found) =
            candidates.iter().find(|f| types.iter().all(|t| *t != Type::Unknown) && exact(f, &types))
        {
            return Resolved::One(*found);
        }
        // An operator's unknown side is first taken to be of the other side's type.
        if is_operator && let [left, right] = types.as_slice() {
            let same = match (left, right) {
                (Type::Unknown, Type::Unknown) => None,
                (Type::Unknown, known) | (known, Type::Unknown) => Some([known.clone(), known.clone()]),
                _ => None,
            };
            if let Some(same) = same
                && let Some(found) = candidates.iter().find(|f| exact(f, &same))
            {
                return Resolved::One(*found);
            }
        }
        let fitting: Vec<F> =
            candidates.iter().copied().filter(|f| self.accepts_implicitly(f, &types)).collect();
        match fitting.as_slice() {
            [] => Resolved::None,
            [one] => Resolved::One(*one),
            _ => choose(fitting, &types),
        }
    }

    fn accepts_implicitly<F: Overload>(&self, func: &F, types: &[Type]) -> bool {
        let accepts = |(index, typ): (usize, &Type)| match func.arg(index) {
            _ if *typ == Type::Unknown => true,
            declared if declared.accepts(typ) => true,
            declared => declared.concrete().is_some_and(|to| self.can_coerce(typ, &to, Cast::Implicit)),
        };
        types.iter().enumerate().all(accepts) && consistent(func, types)
    }
}

/// Whether the arguments at polymorphic places agree on one element type.
fn consistent<F: Overload>(func: &F, types: &[Type]) -> bool {
    let mut element: Option<Type> = None;
    for (index, typ) in types.iter().enumerate() {
        let found = match (func.arg(index), typ) {
            (_, Type::Unknown) => continue,
            (ArgType::AnyElement | ArgType::AnyNonArray, typ) => typ.without_typmod(),
            (ArgType::AnyEnum, Type::Enum(_)) => typ.clone(),
            (ArgType::AnyEnum, _) => return false,
            (ArgType::AnyArray, Type::Array(inner)) => inner.without_typmod(),
            (ArgType::AnyArray, _) => return false,
            _ => continue,
        };
        match &element {
            Some(known) if *known != found => return false,
            _ => element = Some(found),
        }
    }
    true
}

/// What AnyElement stands for in a call.
fn element_type<F: Overload>(func: &F, types: &[Type]) -> Option<Type> {
    types.iter().enumerate().find_map(|(index, typ)| match (func.arg(index), typ) {
        (_, Type::Unknown) => None,
        (ArgType::AnyElement | ArgType::AnyNonArray | ArgType::AnyEnum, typ) => Some(typ.without_typmod()),
        (ArgType::AnyArray, Type::Array(inner)) => Some((**inner).clone()),
        _ => None,
    })
}

/// Among overloads that all accept the arguments with implicit casts.
fn choose<F: Overload>(mut fitting: Vec<F>, types: &[Type]) -> Resolved<F> {
    let known: Vec<usize> = (0..types.len()).filter(|i| types[*i] != Type::Unknown).collect();
    let open: Vec<usize> = (0..types.len()).filter(|i| types[*i] == Type::Unknown).collect();
    // A polymorphic parameter takes the argument, but is not of its type: `text || text` suits two varchars best.
    let exact = |f: &F, i: usize| !f.arg(i).is_polymorphic() && f.arg(i).accepts(&types[i]);
    keep_best(&mut fitting, |f| known.iter().filter(|i| exact(f, **i)).count());
    // Preferred types where a cast is needed.
    keep_best(&mut fitting, |f| {
        let preferred = |i: &&usize| {
            let typ = &types[**i];
            exact(f, **i)
                || f.arg(**i).concrete().is_some_and(|t| t.is_preferred() && t.category() == typ.category())
        };
        known.iter().filter(preferred).count()
    });
    // What takes an argument as it is before what casts it.
    keep_best(&mut fitting, |f| known.iter().filter(|i| f.arg(**i).accepts(&types[**i])).count());
    if let [one] = fitting.as_slice() {
        return Resolved::One(*one);
    }
    // Each open argument's category: string if any overload takes one, else the one on which all agree.
    for at in open.iter().copied() {
        let categories: Vec<Category> = fitting.iter().map(|f| category(f.arg(at))).collect();
        let chosen = match categories.contains(&Category::String) {
            true => Some(Category::String),
            false => Some(categories[0]).filter(|first| categories.iter().all(|c| c == first)),
        };
        let Some(chosen) = chosen else { continue };
        let in_category: Vec<F> = fitting.iter().copied().filter(|f| category(f.arg(at)) == chosen).collect();
        let preferred: Vec<F> = in_category
            .iter()
            .copied()
            .filter(|f| f.arg(at).concrete().is_some_and(|t| t.is_preferred()))
            .collect();
        fitting = if preferred.is_empty() { in_category } else { preferred };
    }
    if let [one] = fitting.as_slice() {
        return Resolved::One(*one);
    }
    // All known arguments of one type: the open ones are taken to be of it too.
    if let Some(first) = known.first()
        && known.iter().all(|i| types[*i] == types[*first])
        && !open.is_empty()
    {
        let same: Vec<F> = fitting
            .iter()
            .copied()
            .filter(|f| (0..types.len()).all(|i| f.arg(i).accepts(&types[*first])))
            .collect();
        if let [one] = same.as_slice() {
            return Resolved::One(*one);
        }
    }
    Resolved::Ambiguous
}

fn keep_best<F: Copy>(candidates: &mut Vec<F>, score: impl Fn(&F) -> usize) {
    let best = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.retain(|candidate| score(candidate) == best);
}

fn category(declared: ArgType) -> Category {
    match declared {
        ArgType::AnyArray => Category::Array,
        ArgType::Array(_) => Category::Array,
        ArgType::AnyEnum => Category::Enum,
        ArgType::AnyElement | ArgType::AnyNonArray | ArgType::Any | ArgType::Record => Category::Pseudo,
        declared => declared.concrete().map_or(Category::Pseudo, |typ| typ.category()),
    }
}

/// `42883`.
pub(super) fn no_function(name: &str, types: &[Type]) -> Error {
    let message = format!("function {} does not exist", spell_call(name, types));
    let error = Error::new(SqlState::UNDEFINED_FUNCTION, message);
    let known = || {
        let scalars = scalar::all().map(|f| f.name);
        scalars
            .chain(scalar::all_aggregates().map(|f| f.name))
            .chain(scalar::all_window_functions().map(|f| f.name))
            .chain(scalar::all_table_functions().map(|f| f.name))
    };
    let exists = known().any(|other| other == name);
    match crate::catalog::nearest(name, known().filter(|other| other.len() > 2)).filter(|_| !exists) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error.hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        ),
    }
}

fn spell_call(name: &str, types: &[Type]) -> String {
    let types: Vec<String> = types.iter().map(|typ| typ.without_typmod().to_string()).collect();
    format!("{name}({})", types.join(", "))
}

fn spell_operator(op: &ast::Operator, types: &[Type]) -> String {
    let spelled: Vec<String> = types.iter().map(|typ| typ.without_typmod().to_string()).collect();
    match spelled.as_slice() {
        [left, right] => format!("{left} {} {right}", op.symbol),
        [operand] => format!("{} {operand}", op.symbol),
        _ => op.symbol.clone(),
    }
}

/// DISTINCT, ORDER BY and FILTER are for aggregates.
fn refuse_aggregate_clauses(name: &str, call: &ast::Call, position: u32) -> Result<(), Error> {
    let what = match call {
        ast::Call { star: true, .. } => "*",
        ast::Call { distinct: true, .. } => "DISTINCT",
        ast::Call { filter: Some(_), .. } => "FILTER",
        ast::Call { order_by, .. } if !order_by.is_empty() => "ORDER BY",
        ast::Call { within_group, .. } if !within_group.is_empty() => "WITHIN GROUP",
        ast::Call { variadic: true, .. } => {
            return Err(Error::unsupported("VARIADIC arguments are not supported").at(position));
        }
        _ => return Ok(()),
    };
    if scalar::functions_named(name).is_empty() {
        return Err(no_function(name, &[]).at(position));
    }
    let message = format!("{what} specified, but {name} is not an aggregate function");
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(position))
}

/// Values of the session and the transaction: in a statement that is answered once they are literals.
impl Binder<'_> {
    fn bind_context_call(
        &mut self,
        name: &str,
        args: &[Typed],
        position: u32,
    ) -> Result<Option<Expr>, Error> {
        let value = match (name, args) {
            (
                "now"
                | "transaction_timestamp"
                | "statement_timestamp"
                | "current_timestamp"
                | "clock_timestamp",
                [],
            ) => self.now(name, Type::TimestampTz(None), position)?,
            ("tw_now", []) => {
                self.refuse_in_maintained(name, position)?;
                self.facts.uses_context = true;
                let now =
                    self.context.logical_now.and_then(|now| i64::try_from(now).ok()).unwrap_or_default();
                literal(Datum::Int(now), Type::Int8)
            }
            ("pg_backend_pid", []) => {
                self.refuse_in_maintained(name, position)?;
                self.facts.uses_context = true;
                literal(Datum::Int(self.context.process.into()), Type::Int4)
            }
            ("random", []) => {
                self.refuse_in_maintained(name, position)?;
                self.facts.uses_context = true;
                self.facts.random_calls += 1;
                let seed = self.context.seed.wrapping_add(self.facts.random_calls);
                let seed = literal(Datum::Int(seed as i64), Type::Int8);
                Expr::Call { func: special::random_of(), args: vec![seed], typ: Type::Float8 }
            }
            ("localtimestamp", []) => self.now(name, Type::Timestamp(None), position)?,
            ("current_time", []) => self.now(name, Type::TimeTz(None), position)?,
            ("localtime", []) => self.now(name, Type::Time(None), position)?,
            ("current_timestamp" | "localtimestamp" | "current_time" | "localtime", [digits]) => {
                self.now_with_digits(name, digits, position)?
            }
            ("current_date", []) => self.now(name, Type::Date, position)?,
            ("current_user" | "session_user" | "user" | "current_role", []) => {
                self.session_value(name, &self.context.user.clone(), Type::Name, position)?
            }
            ("current_database" | "current_catalog", []) => {
                self.session_value(name, &self.context.database.clone(), Type::Name, position)?
            }
            ("current_schema", []) => {
                let schema = self.catalog.creation_schema(&self.context.search_path).map(str::to_owned);
                match schema {
                    Some(schema) => self.session_value(name, &schema, Type::Name, position)?,
                    None => Expr::null(Type::Name),
                }
            }
            ("tw_visible_relations", []) => self.visible_relations(),
            ("current_schemas", [_]) => {
                let implicit = matches!(args[0].expr.clone(), Expr::Literal(row, _) if matches!(row.unpack()[..], [Datum::Bool(true)]));
                let path = self.context.search_path.iter().filter(|name| self.catalog.schema(name).is_some());
                let mut names: Vec<String> = path.cloned().collect();
                if implicit && !names.iter().any(|name| name == "pg_catalog") {
                    names.insert(0, "pg_catalog".to_owned());
                }
                self.refuse_in_maintained(name, position)?;
                self.facts.uses_context = true;
                let names = names.iter().map(|name| literal(Datum::Text(name), Type::Name)).collect();
                Expr::Call {
                    func: self.known("array", "current_schemas", position)?,
                    args: names,
                    typ: Type::Name.array_of(),
                }
            }
            ("pg_typeof", [value]) => literal(Datum::Int(value.expr.typ().oid().into()), Type::Regtype),
            ("current_setting", [setting] | [setting, _]) => {
                self.current_setting(setting, args.get(1), position)?
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn session_value(&mut self, name: &str, value: &str, typ: Type, position: u32) -> Result<Expr, Error> {
        self.refuse_in_maintained(name, position)?;
        self.facts.uses_context = true;
        Ok(literal(Datum::Text(value), typ))
    }

    fn now(&mut self, name: &str, typ: Type, position: u32) -> Result<Expr, Error> {
        self.refuse_in_maintained(name, position)?;
        self.facts.uses_context = true;
        let now = literal(Datum::TimestampTz(self.context.now.unwrap_or_default()), Type::TimestampTz(None));
        match typ {
            Type::TimestampTz(None) => Ok(now),
            typ => self.coerce(Typed { expr: now, position }, &typ, Cast::Explicit),
        }
    }

    /// `current_timestamp(3)` and its kin.
    fn now_with_digits(&mut self, name: &str, digits: &Typed, position: u32) -> Result<Expr, Error> {
        let typ = match name {
            "current_timestamp" => Type::TimestampTz(None),
            "localtimestamp" => Type::Timestamp(None),
            "current_time" => Type::TimeTz(None),
            _ => Type::Time(None),
        };
        let digits = match &digits.expr {
            Expr::Literal(row, _) => match row.unpack()[..] {
                [Datum::Int(digits)] => digits,
                _ => return Err(no_function(name, &[digits.expr.typ()]).at(position)),
            },
            _ => return Err(Error::new(SqlState::SYNTAX_ERROR, "syntax error").at(digits.position)),
        };
        self.now(name, typ.with_modifiers(&[digits]).map_err(|error| error.at(position))?, position)
    }

    fn current_setting(
        &mut self,
        setting: &Typed,
        missing_ok: Option<&Typed>,
        position: u32,
    ) -> Result<Expr, Error> {
        self.refuse_in_maintained("current_setting", position)?;
        self.facts.uses_context = true;
        let name = match &setting.expr {
            Expr::Literal(row, _) => match row.unpack()[..] {
                [Datum::Text(name)] => name.to_lowercase(),
                _ => return Ok(Expr::null(Type::Text)),
            },
            _ => {
                let args = vec![setting.clone()];
                let defined = self.find_definition("tw_setting", &args);
                let defined = defined.ok_or_else(|| no_function("current_setting", &[setting.expr.typ()]))?;
                return self.bind_defined_call(&defined, args, position);
            }
        };
        let missing_ok = matches!(missing_ok, Some(Typed { expr: Expr::Literal(row, _), .. }) if matches!(row.unpack()[..], [Datum::Bool(true)]));
        match self.context.parameters.get(&name) {
            Some(value) => Ok(literal(Datum::Text(value), Type::Text)),
            None if missing_ok => Ok(Expr::null(Type::Text)),
            None => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(position))
            }
        }
    }
}
