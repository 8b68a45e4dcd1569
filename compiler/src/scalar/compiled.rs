//! The compiled form of an expression: what operators evaluate, once per row.
//!
//! It means what [`ScalarExpr::eval`] means. Literals are decoded once, patterns are compiled once, comparisons and
//! arithmetic are evaluated in place instead of called, and nothing is allocated for them. Columns are slots of the
//! caller's datum buffer.

use smallvec::SmallVec;

use super::arithmetic::{float_op, int_op};
use super::comparison::compare;
use super::expr::connect;
use super::fast::{Comparison, Fast, FloatOp, IntOp, Width};
use super::function::{Context, Func};
use super::pattern::LikePattern;
use super::{EvalError, ScalarExpr};
use crate::repr::{Arena, Datum, Row, Type, row};

/// An expression ready to run.
#[derive(Debug)]
pub struct CompiledExpr {
    node: Node,
    /// The stack that evaluation may need, when the tree is deep enough to ask.
    stack: Option<usize>,
}

#[derive(Debug)]
enum Node {
    Column(usize),
    Literal(Literal),
    Error(EvalError),
    Compare(Comparison, Box<[Node; 2]>),
    /// A comparison of integers.
    CompareInts(Comparison, Box<[Node; 2]>),
    Int(IntOp, Width, Box<[Node; 2]>),
    Float(FloatOp, Box<[Node; 2]>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    /// LIKE with a literal pattern.
    Like {
        pattern: LikePattern,
        negated: bool,
        arg: Box<Node>,
    },
    Call {
        func: Func,
        args: Box<[Node]>,
        typ: Type,
    },
    And(Box<[Node]>),
    Or(Box<[Node]>),
    If(Box<[Node; 3]>),
    Coalesce(Box<[Node]>),
}

/// A decoded literal.
#[derive(Debug)]
enum Literal {
    Plain(Datum<'static>),
    Text(Box<str>),
    Packed(Row),
}

/// Trees deeper than this check the stack before they are evaluated.
const DEPTH_UNCHECKED: usize = 64;
/// More than a level of evaluation takes.
const STACK_PER_LEVEL: usize = if cfg!(debug_assertions) { 16 * 1024 } else { 2 * 1024 };

impl CompiledExpr {
    /// Compiles an expression over columns that are found in the caller's slots.
    pub fn new(expr: &ScalarExpr, slot: &dyn Fn(usize) -> usize) -> CompiledExpr {
        let depth = depth(expr);
        let stack = (depth > DEPTH_UNCHECKED).then_some(depth * STACK_PER_LEVEL);
        CompiledExpr { node: compile(expr, slot), stack }
    }

    /// The value on a row of datums; never an error cell.
    #[inline]
    pub fn eval<'a>(&'a self, slots: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        match self.stack {
            None => self.node.eval(slots, arena),
            Some(stack) => stacker::maybe_grow(stack, stack + (1 << 20), || self.node.eval(slots, arena)),
        }
    }
}

fn depth(expr: &ScalarExpr) -> usize {
    let mut deepest = 0;
    let mut open = vec![(expr, 1)];
    while let Some((e, depth)) = open.pop() {
        deepest = deepest.max(depth);
        open.extend(e.children().into_iter().map(|child| (child, depth + 1)));
    }
    deepest
}

fn compile(expr: &ScalarExpr, slot: &dyn Fn(usize) -> usize) -> Node {
    super::expr::with_stack(|| {
        let all = |exprs: &[ScalarExpr]| exprs.iter().map(|e| compile(e, slot)).collect::<Box<[Node]>>();
        match expr {
            ScalarExpr::Column(index) => Node::Column(slot(*index)),
            ScalarExpr::Literal(row, _) => compile_literal(row),
            ScalarExpr::Parameter(index, _) => Node::Error(super::expr::unbound_parameter(*index)),
            ScalarExpr::Call { func, args, typ } => compile_call(*func, all(args), typ),
            ScalarExpr::And(operands) => Node::And(all(operands)),
            ScalarExpr::Or(operands) => Node::Or(all(operands)),
            ScalarExpr::If { cond, then, els } => {
                Node::If(Box::new([compile(cond, slot), compile(then, slot), compile(els, slot)]))
            }
            ScalarExpr::Coalesce(operands) => Node::Coalesce(all(operands)),
        }
    })
}

fn compile_literal(row: &Row) -> Node {
    Node::Literal(match row::decode_first(row.bytes()).0 {
        Datum::Error(error) => return Node::Error(error.to_owned()),
        Datum::Null => Literal::Plain(Datum::Null),
        Datum::Bool(value) => Literal::Plain(Datum::Bool(value)),
        Datum::Int(value) => Literal::Plain(Datum::Int(value)),
        Datum::Float(value) => Literal::Plain(Datum::Float(value)),
        Datum::Date(value) => Literal::Plain(Datum::Date(value)),
        Datum::Timestamp(value) => Literal::Plain(Datum::Timestamp(value)),
        Datum::TimestampTz(value) => Literal::Plain(Datum::TimestampTz(value)),
        Datum::Interval(value) => Literal::Plain(Datum::Interval(value)),
        Datum::Text(value) => Literal::Text(value.into()),
        _ => Literal::Packed(row.clone()),
    })
}

fn compile_call(func: Func, args: Box<[Node]>, typ: &Type) -> Node {
    let pair = |args: Box<[Node]>| {
        let args: Box<[Node; 2]> = args.try_into().expect("invariant: a binary operator has two arguments");
        args
    };
    let single =
        |args: Box<[Node]>| args.into_iter().next().expect("invariant: a unary function has an argument");
    match func.fast {
        Fast::Compare(comparison) if args.iter().any(Node::is_int) => {
            Node::CompareInts(comparison, pair(args))
        }
        Fast::Compare(comparison) => Node::Compare(comparison, pair(args)),
        Fast::Int(op, width) => Node::Int(op, width, pair(args)),
        Fast::Float(op) => Node::Float(op, pair(args)),
        Fast::Relabel => single(args),
        Fast::Not => Node::Not(Box::new(single(args))),
        Fast::IsNull => Node::IsNull(Box::new(single(args))),
        Fast::Like { negated, insensitive } => compile_like(func, args, typ, negated, insensitive),
        Fast::None => Node::Call { func, args, typ: typ.clone() },
    }
}

fn compile_like(func: Func, args: Box<[Node]>, typ: &Type, negated: bool, insensitive: bool) -> Node {
    let Node::Literal(Literal::Text(pattern)) = &args[1] else {
        return Node::Call { func, args, typ: typ.clone() };
    };
    let pattern = LikePattern::new(pattern, insensitive);
    let arg = args.into_iter().next().expect("invariant: LIKE has two arguments");
    Node::Like { pattern, negated, arg: Box::new(arg) }
}

impl Node {
    /// Leaves without a call, everything else by [`Node::compute`].
    #[inline(always)]
    fn eval<'a>(&'a self, slots: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        match self {
            Node::Column(slot) => match slots[*slot] {
                Datum::Error(error) => Err(error.to_owned()),
                datum => Ok(datum),
            },
            Node::Literal(Literal::Plain(datum)) => Ok(*datum),
            node => node.compute(slots, arena),
        }
    }

    /// Whether it gives nothing but integers and NULL, by its form alone.
    fn is_int(&self) -> bool {
        matches!(self, Node::Int(..) | Node::Literal(Literal::Plain(Datum::Int(_))))
    }

    /// As [`Node::eval`], of an integer: the result fits two registers, and so do those of the operands.
    #[inline(always)]
    fn eval_int<'a>(&'a self, slots: &[Datum<'a>], arena: &'a Arena) -> Result<Option<i64>, EvalError> {
        match self {
            Node::Literal(Literal::Plain(Datum::Int(value))) => Ok(Some(*value)),
            Node::Column(slot) if let Datum::Int(value) = slots[*slot] => Ok(Some(value)),
            node => node.compute_int(slots, arena),
        }
    }

    /// What is no leaf, of an integer.
    fn compute_int<'a>(&'a self, slots: &[Datum<'a>], arena: &'a Arena) -> Result<Option<i64>, EvalError> {
        match self {
            Node::Int(op, width, args) => {
                match (args[0].eval_int(slots, arena)?, args[1].eval_int(slots, arena)?) {
                    (Some(a), Some(b)) => int_op(*op, *width, a, b).map(Some),
                    _ => Ok(None),
                }
            }
            node => match node.eval(slots, arena)? {
                Datum::Int(value) => Ok(Some(value)),
                Datum::Null => Ok(None),
                other => Err(mismatch(&[other])),
            },
        }
    }

    /// What is no leaf.
    fn compute<'a>(&'a self, slots: &[Datum<'a>], arena: &'a Arena) -> Result<Datum<'a>, EvalError> {
        match self {
            Node::Column(_) => self.eval(slots, arena),
            Node::Literal(literal) => Ok(literal.datum()),
            Node::Error(error) => Err(error.clone()),
            Node::Compare(comparison, args) => {
                let (a, b) = (args[0].eval(slots, arena)?, args[1].eval(slots, arena)?);
                if matches!(a, Datum::Null) || matches!(b, Datum::Null) {
                    return Ok(Datum::Null);
                }
                Ok(Datum::Bool(comparison.holds(compare(a, b))))
            }
            Node::CompareInts(comparison, args) => {
                let (a, b) = (args[0].eval_int(slots, arena)?, args[1].eval_int(slots, arena)?);
                Ok(match (a, b) {
                    (Some(a), Some(b)) => Datum::Bool(comparison.holds(a.cmp(&b))),
                    _ => Datum::Null,
                })
            }
            Node::Int(..) => Ok(self.eval_int(slots, arena)?.map_or(Datum::Null, Datum::Int)),
            Node::Float(op, args) => match (args[0].eval(slots, arena)?, args[1].eval(slots, arena)?) {
                (Datum::Float(a), Datum::Float(b)) => float_op(*op, a, b).map(Datum::Float),
                (a, b) => null_or_mismatch(a, b),
            },
            Node::Not(arg) => Ok(match arg.eval(slots, arena)? {
                Datum::Bool(value) => Datum::Bool(!value),
                _ => Datum::Null,
            }),
            Node::IsNull(arg) => Ok(Datum::Bool(matches!(arg.eval(slots, arena)?, Datum::Null))),
            Node::Like { pattern, negated, arg } => match arg.eval(slots, arena)? {
                Datum::Text(text) => Ok(Datum::Bool(pattern.matches(text, arena)? != *negated)),
                _ => Ok(Datum::Null),
            },
            Node::Call { func, args, typ } => {
                let cx = Context { arena, typ };
                match &**args {
                    [a] => call(*func, &[a.eval(slots, arena)?], cx),
                    [a, b] => call(*func, &[a.eval(slots, arena)?, b.eval(slots, arena)?], cx),
                    args => call_many(*func, args, slots, cx),
                }
            }
            Node::And(operands) => connect(false, operands.iter().map(|e| e.eval(slots, arena))),
            Node::Or(operands) => connect(true, operands.iter().map(|e| e.eval(slots, arena))),
            Node::If(parts) => match parts[0].eval(slots, arena)? {
                Datum::Bool(true) => parts[1].eval(slots, arena),
                _ => parts[2].eval(slots, arena),
            },
            Node::Coalesce(operands) => {
                for operand in operands {
                    let value = operand.eval(slots, arena)?;
                    if !matches!(value, Datum::Null) {
                        return Ok(value);
                    }
                }
                Ok(Datum::Null)
            }
        }
    }
}

impl Literal {
    #[inline]
    fn datum(&self) -> Datum<'_> {
        match self {
            Literal::Plain(datum) => *datum,
            Literal::Text(text) => Datum::Text(text),
            Literal::Packed(row) => row::decode_first(row.bytes()).0,
        }
    }
}

#[inline]
fn call<'a>(func: Func, args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    super::expr::call(func, args, cx)
}

fn call_many<'a>(
    func: Func,
    args: &'a [Node],
    slots: &[Datum<'a>],
    cx: Context<'a>,
) -> Result<Datum<'a>, EvalError> {
    let mut values = SmallVec::<[Datum<'a>; 8]>::new();
    for arg in args {
        values.push(arg.eval(slots, cx.arena)?);
    }
    call(func, &values, cx)
}

/// What a strict operator gives when its operands are not both of its kind.
fn null_or_mismatch<'a>(a: Datum<'a>, b: Datum<'a>) -> Result<Datum<'a>, EvalError> {
    match (a, b) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(Datum::Null),
        (a, b) => Err(mismatch(&[a, b])),
    }
}

/// An operator was given what the binder never gives it.
#[cold]
fn mismatch(operands: &[Datum<'_>]) -> EvalError {
    EvalError::internal(format!("an operator met {operands:?}"))
}
