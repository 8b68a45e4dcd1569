//! Which declarations have a shape that the compiled form evaluates itself, without the call.

use std::cmp::Ordering;

/// The operations that a hot loop is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fast {
    None,
    /// A comparison of two datums of one type.
    Compare(Comparison),
    /// Integer arithmetic whose result must fit the width.
    Int(IntOp, Width),
    /// Float arithmetic, checked as PostgreSQL does.
    Float(FloatOp),
    /// A change of type that keeps the datum.
    Relabel,
    Not,
    IsNull,
    /// `LIKE` and its kin: a literal pattern is compiled once.
    Like {
        negated: bool,
        insensitive: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    #[inline(always)]
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Eq => ordering.is_eq(),
            Comparison::Ne => ordering.is_ne(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Le => ordering.is_le(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::Ge => ordering.is_ge(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Int2,
    Int4,
    Int8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
}
