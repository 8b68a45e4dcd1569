//! Scalar expressions: functions of one row.
//!
//! An expression is a tree over columns of its input, typed where the input's types do not say it. Its meaning is
//! [`ScalarExpr::eval`]; operators run the compiled form ([`super::compiled`]), which must agree with it.
//!
//! **Errors.** A column that holds an error cell gives that error. `AND` is false if any operand is, whatever the others
//! give, else the least of its operands' errors, else NULL if any is, else true; `OR` likewise with true. So neither
//! depends on the order of its operands, and a predicate may move. `CASE` and `COALESCE` evaluate only what they need.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::aggregate::StaticNumeric;
use super::function::{Context, Func, Nulls, Syntax, Volatility};
use super::limit;
use super::{EvalError, special};
use crate::error::SqlState;
use crate::repr::{Arena, ColumnType, Datum, Row, Type, row};

/// A function of one row.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScalarExpr {
    /// The input's column of this index.
    Column(usize),
    /// A row of one datum, which may be an error cell.
    Literal(Row, ColumnType),
    /// `$n`, counted from 0: a value that comes at execution ([`ScalarExpr::substitute_parameters`]). Never in a maintained plan.
    Parameter(usize, Type),
    /// A function, operator or cast of its arguments. `typ` is the result's type, with its typmod.
    Call { func: Func, args: Vec<ScalarExpr>, typ: Type },
    /// Three-valued conjunction; true of no operands.
    And(Vec<ScalarExpr>),
    /// Three-valued disjunction; false of no operands.
    Or(Vec<ScalarExpr>),
    /// `then` where `cond` is true, else `els`; only the chosen one is evaluated. Both have one type.
    If { cond: Box<ScalarExpr>, then: Box<ScalarExpr>, els: Box<ScalarExpr> },
    /// The first operand that is not NULL; those after it are not evaluated. All have one type.
    Coalesce(Vec<ScalarExpr>),
}

/// As derived, but on a stack that grows.
impl Clone for ScalarExpr {
    fn clone(&self) -> ScalarExpr {
        with_stack(|| match self {
            ScalarExpr::Column(index) => ScalarExpr::Column(*index),
            ScalarExpr::Literal(row, typ) => ScalarExpr::Literal(row.clone(), typ.clone()),
            ScalarExpr::Parameter(index, typ) => ScalarExpr::Parameter(*index, typ.clone()),
            ScalarExpr::Call { func, args, typ } => {
                ScalarExpr::Call { func: *func, args: args.clone(), typ: typ.clone() }
            }
            ScalarExpr::And(operands) => ScalarExpr::And(operands.clone()),
            ScalarExpr::Or(operands) => ScalarExpr::Or(operands.clone()),
            ScalarExpr::If { cond, then, els } => {
                ScalarExpr::If { cond: cond.clone(), then: then.clone(), els: els.clone() }
            }
            ScalarExpr::Coalesce(operands) => ScalarExpr::Coalesce(operands.clone()),
        })
    }
}

/// Stack that an expression's recursion keeps in reserve, and by how much it grows: chains of a hundred thousand
/// operators are evaluated, not a crash.
const STACK_RESERVE: usize = 128 * 1024;
const STACK_GROWTH: usize = 4 * 1024 * 1024;

pub(super) fn with_stack<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(STACK_RESERVE, STACK_GROWTH, f)
}

/// Construction.
impl ScalarExpr {
    pub fn column(index: usize) -> ScalarExpr {
        ScalarExpr::Column(index)
    }

    pub fn literal(datum: Datum<'_>, typ: Type) -> ScalarExpr {
        let nullable = matches!(datum, Datum::Null);
        ScalarExpr::Literal(Row::pack([datum]), ColumnType::new(typ, nullable))
    }

    pub fn null(typ: Type) -> ScalarExpr {
        ScalarExpr::literal(Datum::Null, typ)
    }

    pub fn bool(value: bool) -> ScalarExpr {
        ScalarExpr::literal(Datum::Bool(value), Type::Bool)
    }

    /// An expression that always fails.
    pub fn error(error: &EvalError, typ: Type) -> ScalarExpr {
        let arena = Arena::default();
        ScalarExpr::literal(error.to_cell(&arena), typ)
    }

    /// A call whose result type is the declared one.
    pub fn call(func: Func, args: Vec<ScalarExpr>, arg_types: &[Type]) -> ScalarExpr {
        let typ = func.result_type(arg_types);
        ScalarExpr::Call { func, args, typ }
    }

    /// `NOT self`.
    #[allow(clippy::should_implement_trait, reason = "SQL's NOT is three-valued; `!` would say otherwise")]
    pub fn not(self) -> ScalarExpr {
        ScalarExpr::Call { func: special::not(), args: vec![self], typ: Type::Bool }
    }

    /// `self IS NULL`.
    pub fn is_null(self) -> ScalarExpr {
        ScalarExpr::Call { func: special::is_null(), args: vec![self], typ: Type::Bool }
    }

    /// `self IS NOT NULL`.
    pub fn is_not_null(self) -> ScalarExpr {
        self.is_null().not()
    }

    /// `self IS NOT DISTINCT FROM other`: equality that takes NULL for a value. Both have one type.
    pub fn is_not_distinct_from(self, other: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Call { func: special::is_not_distinct(), args: vec![self, other], typ: Type::Bool }
    }

    /// `self = other`, both of one type.
    pub fn equals(self, other: ScalarExpr) -> ScalarExpr {
        ScalarExpr::Call { func: special::equals(), args: vec![self, other], typ: Type::Bool }
    }

    /// The value that stands for all values equal to this one: what to group and join by where a type prints equal values
    /// differently. The identity on other types.
    pub fn canonical(self, typ: &Type) -> ScalarExpr {
        match typ.has_lossy_equality() {
            true => ScalarExpr::Call { func: special::canonical_of(), args: vec![self], typ: typ.clone() },
            false => self,
        }
    }

    /// The conjunction of operands, flattened.
    pub fn and(operands: impl IntoIterator<Item = ScalarExpr>) -> ScalarExpr {
        let mut flat = Vec::new();
        for operand in operands {
            match operand {
                ScalarExpr::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => ScalarExpr::bool(true),
            1 => flat.remove(0),
            _ => ScalarExpr::And(flat),
        }
    }

    /// The disjunction of operands, flattened.
    pub fn or(operands: impl IntoIterator<Item = ScalarExpr>) -> ScalarExpr {
        let mut flat = Vec::new();
        for operand in operands {
            match operand {
                ScalarExpr::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => ScalarExpr::bool(false),
            1 => flat.remove(0),
            _ => ScalarExpr::Or(flat),
        }
    }

    pub fn if_then_else(cond: ScalarExpr, then: ScalarExpr, els: ScalarExpr) -> ScalarExpr {
        ScalarExpr::If { cond: Box::new(cond), then: Box::new(then), els: Box::new(els) }
    }
}

/// Evaluation.
impl ScalarExpr {
    /// The expression's value on a row; never an error cell.
    pub fn eval<'a>(&'a self, row: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        with_stack(|| match self {
            ScalarExpr::Column(index) => match row[*index] {
                Datum::Error(error) => Err(error.to_owned()),
                datum => Ok(datum),
            },
            ScalarExpr::Literal(row, _) => match row::decode_first(row.bytes()).0 {
                Datum::Error(error) => Err(error.to_owned()),
                datum => Ok(datum),
            },
            ScalarExpr::Parameter(index, _) => Err(unbound_parameter(*index)),
            ScalarExpr::Call { func, args, typ } => {
                let mut values = SmallVec::<[Datum<'a>; 4]>::new();
                for arg in args {
                    values.push(arg.eval(row, arena)?);
                }
                call(*func, &values, Context { arena, typ })
            }
            ScalarExpr::And(operands) => connect(false, operands.iter().map(|e| e.eval(row, arena))),
            ScalarExpr::Or(operands) => connect(true, operands.iter().map(|e| e.eval(row, arena))),
            ScalarExpr::If { cond, then, els } => match cond.eval(row, arena)? {
                Datum::Bool(true) => then.eval(row, arena),
                _ => els.eval(row, arena),
            },
            ScalarExpr::Coalesce(operands) => {
                for operand in operands {
                    let value = operand.eval(row, arena)?;
                    if !matches!(value, Datum::Null) {
                        return Ok(value);
                    }
                }
                Ok(Datum::Null)
            }
        })
    }
}

/// What a parameter gives where no value was put in its place.
pub(super) fn unbound_parameter(index: usize) -> EvalError {
    EvalError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no value for parameter ${}", index + 1))
}

/// Calls a function with the null rule that it declares.
#[inline]
pub(super) fn call<'a>(func: Func, args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    if func.nulls == Nulls::Strict && args.iter().any(|d| matches!(d, Datum::Null)) {
        return Ok(Datum::Null);
    }
    if args.len() > MANY {
        limit::check_all(args)?;
    }
    let value = limit::checked((func.eval)(args, cx)?)?;
    cx.arena.work(limit::size(value))?;
    Ok(value)
}

/// More arguments than this may be too large together although none is by itself.
const MANY: usize = 4;

/// AND (`decisive` false) or OR (`decisive` true) of operands that may fail: a decisive operand wins over an error, an
/// error over NULL.
#[inline]
pub(super) fn connect<'a>(
    decisive: bool,
    operands: impl Iterator<Item = Result<Datum<'a>, EvalError>>,
) -> Result<Datum<'a>, EvalError> {
    let mut null = false;
    let mut error: Option<EvalError> = None;
    for operand in operands {
        match operand {
            Ok(Datum::Bool(value)) if value == decisive => return Ok(Datum::Bool(decisive)),
            Ok(Datum::Bool(_)) => {}
            Ok(_) => null = true,
            Err(e) => error = Some(error.map_or_else(|| e.clone(), |least| least.min(e.clone()))),
        }
    }
    match error {
        Some(error) => Err(error),
        None if null => Ok(Datum::Null),
        None => Ok(Datum::Bool(!decisive)),
    }
}

/// What can be known without a row.
impl ScalarExpr {
    /// The result's type, and whether it can be NULL, for an input of these columns.
    pub fn typ(&self, input: &[ColumnType]) -> ColumnType {
        with_stack(|| match self {
            ScalarExpr::Column(index) => input[*index].clone(),
            ScalarExpr::Literal(_, typ) => typ.clone(),
            ScalarExpr::Parameter(_, typ) => ColumnType::new(typ.clone(), true),
            ScalarExpr::Call { func, args, typ } => {
                let from_args = func.nulls == Nulls::Strict && args.iter().any(|arg| arg.nullable(input));
                ColumnType::new(typ.clone(), func.maybe_null || from_args)
            }
            ScalarExpr::And(_) | ScalarExpr::Or(_) => ColumnType::new(Type::Bool, self.nullable(input)),
            ScalarExpr::If { then, els, .. } => {
                let (then, els) = (then.typ(input), els.typ(input));
                ColumnType::new(common_typ(then.typ, &els.typ), then.nullable || els.nullable)
            }
            ScalarExpr::Coalesce(operands) => {
                let mut types = operands.iter().map(|e| e.typ(input));
                let first = types.next().unwrap_or(ColumnType::new(Type::Text, true));
                types.fold(first, |all, next| {
                    ColumnType::new(common_typ(all.typ, &next.typ), all.nullable && next.nullable)
                })
            }
        })
    }

    /// Whether the result can be NULL.
    pub fn nullable(&self, input: &[ColumnType]) -> bool {
        with_stack(|| match self {
            ScalarExpr::Column(index) => input[*index].nullable,
            ScalarExpr::Literal(_, typ) => typ.nullable,
            ScalarExpr::Parameter(..) => true,
            ScalarExpr::Call { func, args, .. } => {
                func.maybe_null || (func.nulls == Nulls::Strict && args.iter().any(|arg| arg.nullable(input)))
            }
            ScalarExpr::And(operands) | ScalarExpr::Or(operands) => {
                operands.iter().any(|e| e.nullable(input))
            }
            ScalarExpr::If { then, els, .. } => then.nullable(input) || els.nullable(input),
            ScalarExpr::Coalesce(operands) => operands.iter().all(|e| e.nullable(input)),
        })
    }

    /// The input columns that the result depends on.
    pub fn support(&self) -> BTreeSet<usize> {
        let mut columns = BTreeSet::new();
        self.visit(&mut |e| {
            if let ScalarExpr::Column(index) = e {
                columns.insert(*index);
            }
        });
        columns
    }

    /// Whether evaluation can fail on columns that hold no error cell.
    pub fn could_error(&self) -> bool {
        self.any(&mut |e| match e {
            ScalarExpr::Call { func, .. } => func.can_error,
            ScalarExpr::Literal(..) => e.is_literal_error(),
            _ => false,
        })
    }

    /// The least pure of the functions called.
    pub fn volatility(&self) -> Volatility {
        let mut most = Volatility::Immutable;
        self.visit(&mut |e| {
            if let ScalarExpr::Call { func, .. } = e {
                most = most.max(func.volatility);
            }
        });
        most
    }

    pub fn is_literal(&self) -> bool {
        matches!(self, ScalarExpr::Literal(..))
    }

    /// The literal's value, or the error that it always gives.
    pub fn as_literal(&self) -> Option<Result<Datum<'_>, EvalError>> {
        let ScalarExpr::Literal(row, _) = self else { return None };
        Some(match row::decode_first(row.bytes()).0 {
            Datum::Error(error) => Err(error.to_owned()),
            datum => Ok(datum),
        })
    }

    pub fn is_literal_null(&self) -> bool {
        matches!(self.as_literal(), Some(Ok(Datum::Null)))
    }

    pub fn is_literal_true(&self) -> bool {
        matches!(self.as_literal(), Some(Ok(Datum::Bool(true))))
    }

    pub fn is_literal_false(&self) -> bool {
        matches!(self.as_literal(), Some(Ok(Datum::Bool(false))))
    }

    pub fn is_literal_error(&self) -> bool {
        matches!(self.as_literal(), Some(Err(_)))
    }

    /// The literal that this immutable expression over literals alone is, an error included. None if that would take long:
    /// a statement is compiled soon, and its plan is not much larger than its text.
    pub fn fold(&self) -> Option<ScalarExpr> {
        let constant = |e: &ScalarExpr| !matches!(e, ScalarExpr::Column(_) | ScalarExpr::Parameter(..));
        if self.is_literal() || !self.all(&mut { constant }) || self.volatility() != Volatility::Immutable {
            return None;
        }
        let typ = self.typ(&[]).typ;
        let arena = Arena::within(FOLD_UNITS);
        let folded = match self.eval(&[], &arena) {
            Ok(datum) => ScalarExpr::literal(datum, typ),
            Err(error) => ScalarExpr::error(&error, typ),
        };
        arena.stopped().is_none().then_some(folded)
    }

    /// As [`ScalarExpr::fold`], of an expression whose operands have been folded: one that was left is not tried again at
    /// each level above it.
    pub fn fold_node(&self) -> Option<ScalarExpr> {
        if self.children().iter().all(|operand| operand.is_literal()) { self.fold() } else { None }
    }
}

/// The work that folding one expression may take.
const FOLD_UNITS: usize = 1 << 16;

/// The type of alternatives: theirs, without the typmod if they differ in it.
fn common_typ(a: Type, b: &Type) -> Type {
    match (a, b) {
        (a, b) if a == *b => a,
        (a, b) if a.without_typmod() == b.without_typmod() => a.without_typmod(),
        (a, _) => a,
    }
}

/// Walks and rewrites.
impl ScalarExpr {
    pub fn children(&self) -> SmallVec<[&ScalarExpr; 3]> {
        match self {
            ScalarExpr::Column(_) | ScalarExpr::Literal(..) | ScalarExpr::Parameter(..) => SmallVec::new(),
            ScalarExpr::Call { args: all, .. }
            | ScalarExpr::And(all)
            | ScalarExpr::Or(all)
            | ScalarExpr::Coalesce(all) => all.iter().collect(),
            ScalarExpr::If { cond, then, els } => SmallVec::from_buf([&**cond, &**then, &**els]),
        }
    }

    pub fn children_mut(&mut self) -> SmallVec<[&mut ScalarExpr; 3]> {
        match self {
            ScalarExpr::Column(_) | ScalarExpr::Literal(..) | ScalarExpr::Parameter(..) => SmallVec::new(),
            ScalarExpr::Call { args: all, .. }
            | ScalarExpr::And(all)
            | ScalarExpr::Or(all)
            | ScalarExpr::Coalesce(all) => all.iter_mut().collect(),
            ScalarExpr::If { cond, then, els } => SmallVec::from_buf([&mut **cond, &mut **then, &mut **els]),
        }
    }

    pub fn for_each_child(&self, f: &mut impl FnMut(&ScalarExpr)) {
        self.children().into_iter().for_each(f);
    }

    /// Every node, parents first, without recursion.
    pub fn visit<'e>(&'e self, f: &mut impl FnMut(&'e ScalarExpr)) {
        let mut open = vec![self];
        while let Some(e) = open.pop() {
            f(e);
            open.extend(e.children().into_iter().rev());
        }
    }

    /// Whether some node satisfies `f`.
    pub fn any(&self, f: &mut impl FnMut(&ScalarExpr) -> bool) -> bool {
        let mut open = vec![self];
        while let Some(e) = open.pop() {
            if f(e) {
                return true;
            }
            open.extend(e.children());
        }
        false
    }

    /// Whether every node satisfies `f`.
    pub fn all(&self, f: &mut impl FnMut(&ScalarExpr) -> bool) -> bool {
        !self.any(&mut |e| !f(e))
    }

    /// Rewrites every node, children first.
    pub fn transform(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        with_stack(|| {
            for child in self.children_mut() {
                child.transform(f);
            }
            f(self);
        });
    }

    /// Rewrites every node, parents first; what `f` puts in a node's place is walked too.
    pub fn transform_down(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        with_stack(|| {
            f(self);
            for child in self.children_mut() {
                child.transform_down(f);
            }
        });
    }

    /// Renumbers the columns.
    pub fn permute_with(&mut self, mut renumber: impl FnMut(usize) -> usize) {
        self.transform(&mut |e| {
            if let ScalarExpr::Column(index) = e {
                *index = renumber(*index);
            }
        });
    }

    /// Column `i` becomes column `columns[i]`.
    pub fn permute(&mut self, columns: &[usize]) {
        self.permute_with(|index| columns[index]);
    }

    /// Column `i` becomes a copy of `exprs[i]`.
    pub fn substitute(&mut self, exprs: &[ScalarExpr]) {
        self.transform(&mut |e| {
            if let ScalarExpr::Column(index) = e {
                *e = exprs[*index].clone();
            }
        });
    }

    /// Parameter `i` becomes a copy of `values[i]`.
    pub fn substitute_parameters(&mut self, values: &[ScalarExpr]) {
        self.transform(&mut |e| {
            if let ScalarExpr::Parameter(index, _) = e {
                *e = values[*index].clone();
            }
        });
    }

    /// The number of nodes: what evaluating it costs, roughly.
    pub fn size(&self) -> usize {
        let mut nodes = 0;
        self.visit(&mut |_| nodes += 1);
        nodes
    }
}

/// What is known of numeric results: `numeric(p,s)` columns have a static scale, and sums, differences and products keep one.
impl ScalarExpr {
    /// How many digits each value of the expression has at most, and exactly how many after the point. NaN apart.
    pub fn static_numeric(&self, input: &[ColumnType]) -> Option<StaticNumeric> {
        with_stack(|| match self {
            ScalarExpr::Column(index) => type_digits(&input[*index].typ),
            ScalarExpr::Parameter(_, typ) => type_digits(typ),
            ScalarExpr::Literal(..) => match self.as_literal()? {
                Ok(Datum::Numeric(value)) => {
                    let (mantissa, scale) = value.as_small()?;
                    let digits = mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log as u16 + 1);
                    Some(StaticNumeric { digits, scale })
                }
                _ => None,
            },
            ScalarExpr::Call { func, args, typ } => call_digits(*func, args, typ, input),
            ScalarExpr::If { then, els, .. } => {
                alternative(then.static_numeric(input)?, els.static_numeric(input)?)
            }
            ScalarExpr::Coalesce(operands) => {
                let mut known = operands.iter().map(|e| e.static_numeric(input));
                let first = known.next()??;
                known.try_fold(first, |all, next| alternative(all, next?))
            }
            ScalarExpr::And(_) | ScalarExpr::Or(_) => None,
        })
    }
}

fn type_digits(typ: &Type) -> Option<StaticNumeric> {
    match typ {
        Type::Int2 => Some(StaticNumeric { digits: 5, scale: 0 }),
        Type::Int4 => Some(StaticNumeric { digits: 10, scale: 0 }),
        Type::Int8 => Some(StaticNumeric { digits: 19, scale: 0 }),
        Type::Numeric(Some(typmod)) => {
            // A negative scale rounds before the point: the digits it rounds off are printed as zeros.
            let scale = typmod.scale.max(0) as u16;
            let digits = typmod.precision + typmod.scale.min(0).unsigned_abs();
            Some(StaticNumeric { digits: digits.max(scale), scale })
        }
        _ => None,
    }
}

fn call_digits(func: Func, args: &[ScalarExpr], typ: &Type, input: &[ColumnType]) -> Option<StaticNumeric> {
    if *typ != Type::Numeric(None) {
        return type_digits(typ);
    }
    let arg = |i: usize| args[i].static_numeric(input);
    match (func.name, args.len()) {
        ("+" | "-", 2) => {
            let (a, b) = (arg(0)?, arg(1)?);
            let scale = a.scale.max(b.scale);
            let integer = (a.digits - a.scale).max(b.digits - b.scale);
            Some(StaticNumeric { digits: integer + 1 + scale, scale })
        }
        ("*", 2) => {
            let (a, b) = (arg(0)?, arg(1)?);
            Some(StaticNumeric { digits: a.digits + b.digits, scale: a.scale + b.scale })
        }
        ("+" | "-" | "abs", 1) => arg(0),
        _ if func.syntax == Syntax::Cast && args.len() == 1 => arg(0),
        _ => None,
    }
}

fn alternative(a: StaticNumeric, b: StaticNumeric) -> Option<StaticNumeric> {
    (a.scale == b.scale).then_some(StaticNumeric { digits: a.digits.max(b.digits), scale: a.scale })
}
