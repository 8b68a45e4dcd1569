//! Expressions, calls and the names of types.

use std::fmt;

use super::*;
use crate::repr::types::IntervalRange;

/// An expression. Its height is bounded by the parser (54001 beyond), except that AND and OR are lists of any length. Still a
/// chain of a thousand operators is a thousand levels: who walks expressions by recursion grows the stack, as is done here.
#[derive(Eq)]
pub struct Expr {
    pub kind: ExprKind,
    /// The operator of an operation, `::` or CAST of a cast, the first token of anything else.
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    Literal(Literal),
    /// `$1`.
    Parameter(u32),
    /// `a`, `t.a`, `schema.t.a`.
    Column(Name),
    /// `t.*` where a value may stand: an argument, an item of a row.
    QualifiedStar(Name),
    /// DEFAULT, in a row of an INSERT's VALUES or on the right side of SET.
    Default,
    Unary {
        op: Operator,
        operand: Box<Expr>,
    },
    Binary {
        op: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// At least two operands, none of which is an And.
    And(Vec<Expr>),
    /// At least two operands, none of which is an Or.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Is {
        operand: Box<Expr>,
        test: Truth,
        negated: bool,
    },
    IsDistinctFrom {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    InList {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InSubquery {
        operand: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `~` and its kin are binary operators, not this.
    Like {
        kind: LikeKind,
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<Branch>,
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(a AS t)`, `a::t` and `t 'literal'`.
    Cast {
        operand: Box<Expr>,
        to: TypeName,
    },
    Call(Box<Call>),
    Exists(Box<Query>),
    /// `(e).*` where a value may stand.
    FieldStar(Box<Expr>),
    /// A subquery as a value.
    Subquery(Box<Query>),
    /// `ARRAY(SELECT ..)`.
    ArraySubquery(Box<Query>),
    /// `a = ANY (..)`, `a < ALL (..)`.
    Quantified {
        left: Box<Expr>,
        op: Operator,
        quantifier: Quantifier,
        right: QuantifiedOver,
    },
    /// `ARRAY[..]`; inner brackets of `ARRAY[[1], [2]]` are this too.
    Array(Vec<Expr>),
    /// `ROW(..)` and `(a, b)`.
    Row(Vec<Expr>),
    /// `a[1]`, `a[1:2]`, `(e).f`: one step at least.
    Path {
        operand: Box<Expr>,
        steps: Vec<Step>,
    },
    Collate {
        operand: Box<Expr>,
        collation: Name,
    },
}

/// Runs one level of a recursion over expressions, with more stack if little is left.
pub fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(64 << 10, 1 << 20, level)
}

impl Clone for Expr {
    fn clone(&self) -> Expr {
        with_stack(|| Expr { kind: self.kind.clone(), position: self.position })
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        with_stack(|| self.position == other.position && self.kind == other.kind)
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_stack(|| {
            f.debug_struct("Expr").field("kind", &self.kind).field("position", &self.position).finish()
        })
    }
}

impl Expr {
    pub fn new(kind: ExprKind, position: u32) -> Expr {
        Expr { kind, position }
    }

    /// The position of the leftmost token, where PostgreSQL points when it means the whole expression.
    pub fn start(&self) -> u32 {
        let mut expr = self;
        let mut start = self.position;
        loop {
            expr = match &expr.kind {
                ExprKind::Binary { left, .. }
                | ExprKind::IsDistinctFrom { left, .. }
                | ExprKind::Quantified { left, .. } => left,
                ExprKind::And(list) | ExprKind::Or(list) => &list[0],
                ExprKind::Is { operand, .. }
                | ExprKind::Between { operand, .. }
                | ExprKind::InList { operand, .. }
                | ExprKind::InSubquery { operand, .. }
                | ExprKind::Like { operand, .. }
                | ExprKind::Cast { operand, .. }
                | ExprKind::Path { operand, .. }
                | ExprKind::Collate { operand, .. } => operand,
                _ => return start,
            };
            start = start.min(expr.position);
        }
    }

    /// What a column of this expression is called when nothing names it; `None` is PostgreSQL's `?column?`.
    pub fn column_name(&self) -> Option<&str> {
        self.figured_name().map(|(name, _)| name)
    }

    /// The name, and whether it is a strong one: a weak one gives way to a cast's type or a CASE's ELSE.
    fn figured_name(&self) -> Option<(&str, bool)> {
        match &self.kind {
            ExprKind::Column(name) => Some((&name.last().name, true)),
            ExprKind::Path { operand, steps } => {
                let field = steps.iter().rev().find_map(|step| match step {
                    Step::Field(name) => Some((name.name.as_str(), true)),
                    Step::Index(_) | Step::Slice(..) => None,
                });
                field.or_else(|| operand.figured_name())
            }
            ExprKind::Call(call) => Some((&call.name.last().name, true)),
            ExprKind::Cast { operand, to } => match operand.figured_name() {
                Some((name, true)) => Some((name, true)),
                _ => Some((&to.name.last().name, false)),
            },
            ExprKind::Collate { operand, .. } => operand.figured_name(),
            ExprKind::Case { otherwise, .. } => match otherwise.as_ref().and_then(|e| e.figured_name()) {
                Some((name, true)) => Some((name, true)),
                _ => Some(("case", false)),
            },
            ExprKind::Exists(_) => Some(("exists", true)),
            ExprKind::ArraySubquery(_) | ExprKind::Array(_) => Some(("array", true)),
            ExprKind::Row(_) => Some(("row", true)),
            ExprKind::Subquery(query) => Some((query.first_column_name().unwrap_or("?column?"), true)),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Digits as written; a minus sign before them is part of them (`-1`, never `- 1` of an operand).
    Number(String),
    String(String),
    /// `B'101'` and `X'1F'`, the digits with the letter before them.
    Bits(String),
}

/// An operator by its spelling, `!=` already written `<>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `OPERATOR(schema.+)`.
    pub schema: Option<Ident>,
    pub symbol: String,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Null,
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    ILike,
    SimilarTo,
}

/// `WHEN condition THEN result`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub when: Expr,
    pub then: Expr,
}

/// A function call. Special syntax is a call of the `pg_catalog` function that PostgreSQL calls for it, with `special` set so
/// that it prints as it was written: `EXTRACT(year FROM x)` is `pg_catalog.extract('year', x)`. COALESCE, NULLIF, GREATEST and
/// LEAST, which are no functions in PostgreSQL, have one-part names and `special` set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: Name,
    pub special: bool,
    /// `count(*)`.
    pub star: bool,
    pub args: Vec<Arg>,
    /// VARIADIC stands before the last argument.
    pub variadic: bool,
    pub distinct: bool,
    pub order_by: Vec<OrderBy>,
    pub within_group: Vec<OrderBy>,
    pub filter: Option<Expr>,
    pub over: Option<Over>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// `name => value`.
    pub name: Option<Ident>,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Named(Ident),
    Window(Window),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantifiedOver {
    Query(Box<Query>),
    Array(Box<Expr>),
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>),
    Field(Ident),
}

/// A type as written. SQL's spellings have PostgreSQL's internal names: `integer` is `int4`, `timestamp with time zone` is
/// `timestamptz`, `character(3)` is `bpchar` with 3; so has `"char"` its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    pub name: Name,
    /// `numeric(10, 2)`, `varchar(5)`, `timestamp(3)`.
    pub modifiers: Vec<Expr>,
    /// `interval day to second`.
    pub fields: Option<IntervalRange>,
    /// The number of `[]`; bounds are read and forgotten, as in PostgreSQL.
    pub dimensions: u8,
    pub setof: bool,
    pub position: u32,
}

impl TypeName {
    /// A type without modifiers.
    pub fn plain(name: Name) -> TypeName {
        let position = name.position();
        TypeName { name, modifiers: Vec::new(), fields: None, dimensions: 0, setof: false, position }
    }

    /// A type by PostgreSQL's internal name.
    pub fn builtin(name: &str, position: u32) -> TypeName {
        TypeName::plain(Name { parts: vec![Ident { name: name.to_owned(), position }] })
    }
}
