//! How strongly operators bind, by PostgreSQL's table: the parser groups by it, the printer leaves out the parentheses of a
//! chain by it.

use super::Operator;

/// Binding strength, weakest first.
pub type Level = u8;

pub const OR: Level = 1;
pub const AND: Level = 2;
pub const NOT: Level = 3;
/// IS, and IS DISTINCT FROM, which does not associate.
pub const IS: Level = 4;
/// Does not associate: `a < b < c` is an error.
pub const COMPARISON: Level = 5;
/// BETWEEN, IN, LIKE and their kin; they do not associate.
pub const LIKE: Level = 6;
/// Any operator without a level of its own.
pub const OPERATOR: Level = 8;
pub const SUM: Level = 9;
pub const PRODUCT: Level = 10;
pub const POWER: Level = 11;
/// AT TIME ZONE.
pub const AT: Level = 12;
pub const COLLATE: Level = 13;
/// Plus and minus before their operand.
pub const SIGN: Level = 14;
/// `::`
pub const CAST: Level = 15;

/// The level of an operator between its operands, if the symbol is one.
pub fn level(symbol: &str) -> Option<Level> {
    match symbol {
        "<" | ">" | "=" | "<=" | ">=" | "<>" | "!=" => Some(COMPARISON),
        "+" | "-" => Some(SUM),
        "*" | "/" | "%" => Some(PRODUCT),
        "^" => Some(POWER),
        "::" => Some(CAST),
        "=>" => None,
        _ if symbol.bytes().all(|b| b"~!@#^&|`?+-*/%<>=".contains(&b)) => Some(OPERATOR),
        _ => None,
    }
}

impl Operator {
    /// Whether `a before b self c` is `(a before b) self c` without parentheses, among operators of one level.
    pub fn associates_with(&self, before: &Operator) -> bool {
        self.level() == before.level() && self.level() != COMPARISON
    }

    /// The level between operands; `OPERATOR(..)` has that of the operators without one.
    pub fn level(&self) -> Level {
        match self.schema {
            Some(_) => OPERATOR,
            None => level(&self.symbol).unwrap_or(OPERATOR),
        }
    }
}
