//! What a function is: one declaration that the binder resolves, the optimizer reasons about, the evaluator calls and
//! the documentation prints.
//!
//! Every function, operator and cast is declared once, in a table of the file named after its concept (`arithmetic.rs`,
//! `string.rs`, …), by the `functions!` macro. Its `id` (name and argument types) is what plans store:
//! it never changes its meaning. A declaration's example is run as a test against the declaration itself.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::EvalError;
use super::cast::CastContext;
use super::fast::Fast;
use crate::repr::{Arena, Datum, Type};

/// The type of a parameter or of a result, as declared: a type without typmod, or a polymorphic mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ArgType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Varchar,
    Bpchar,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Jsonb,
    Json,
    Oid,
    Name,
    InternalChar,
    Xid,
    NodeTree,
    AclItem,
    Int2Vector,
    OidVector,
    Regclass,
    Regtype,
    Regproc,
    Regnamespace,
    Regrole,
    /// An array of a fixed element type.
    Array(&'static ArgType),
    /// Any row type.
    Record,
    /// Any enumeration, the same at every `AnyEnum` of one call.
    AnyEnum,
    /// Any type, the same at every `AnyElement` (and the element of every `AnyArray`) of one call.
    AnyElement,
    /// As `AnyElement`, but not an array.
    AnyNonArray,
    /// Any array, the same at every `AnyArray` of one call.
    AnyArray,
    /// Any type, each argument its own.
    Any,
}

impl ArgType {
    /// The type declared, when it is not polymorphic.
    pub fn concrete(self) -> Option<Type> {
        Some(match self {
            ArgType::Bool => Type::Bool,
            ArgType::Int2 => Type::Int2,
            ArgType::Int4 => Type::Int4,
            ArgType::Int8 => Type::Int8,
            ArgType::Float8 => Type::Float8,
            ArgType::Numeric => Type::Numeric(None),
            ArgType::Text => Type::Text,
            ArgType::Varchar => Type::Varchar(None),
            ArgType::Date => Type::Date,
            ArgType::Bpchar => Type::Bpchar(None),
            ArgType::Time => Type::Time(None),
            ArgType::TimeTz => Type::TimeTz(None),
            ArgType::Timestamp => Type::Timestamp(None),
            ArgType::TimestampTz => Type::TimestampTz(None),
            ArgType::Interval => Type::Interval(None),
            ArgType::Uuid => Type::Uuid,
            ArgType::Jsonb => Type::Jsonb,
            ArgType::Bytea => Type::Bytea,
            ArgType::Oid => Type::Oid,
            ArgType::Name => Type::Name,
            ArgType::InternalChar => Type::InternalChar,
            ArgType::Float4 => Type::Float4,
            ArgType::Json => Type::Json,
            ArgType::Xid => Type::Xid,
            ArgType::NodeTree => Type::NodeTree,
            ArgType::AclItem => Type::AclItem,
            ArgType::Int2Vector => Type::Int2Vector,
            ArgType::OidVector => Type::OidVector,
            ArgType::Regnamespace => Type::Regnamespace,
            ArgType::Regrole => Type::Regrole,
            ArgType::Regclass => Type::Regclass,
            ArgType::Regtype => Type::Regtype,
            ArgType::Regproc => Type::Regproc,
            ArgType::Array(element) => Type::Array(Box::new(element.concrete()?)),
            ArgType::Record
            | ArgType::AnyEnum
            | ArgType::AnyElement
            | ArgType::AnyNonArray
            | ArgType::AnyArray
            | ArgType::Any => return None,
        })
    }

    pub fn is_polymorphic(self) -> bool {
        matches!(self, ArgType::AnyElement | ArgType::AnyNonArray | ArgType::AnyArray | ArgType::AnyEnum)
    }

    /// Whether a value of type `typ` can be passed as it is, typmods aside.
    pub fn accepts(self, typ: &Type) -> bool {
        match (self, typ) {
            (ArgType::Any | ArgType::AnyElement, _) => true,
            (ArgType::AnyNonArray, typ) => !matches!(typ, Type::Array(_)),
            (ArgType::AnyArray, typ) => matches!(typ, Type::Array(_)),
            (ArgType::Record, typ) => matches!(typ, Type::Record(_)),
            (ArgType::AnyEnum, typ) => matches!(typ, Type::Enum(_)),
            (ArgType::Array(element), Type::Array(typ)) => element.accepts(typ),
            (declared, typ) => declared.concrete().is_some_and(|declared| declared == typ.without_typmod()),
        }
    }
}

/// What a function does with NULL arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// NULL if any argument is; not called then.
    Strict,
    CalledOnNull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// A function of its arguments alone.
    Immutable,
    /// The same within one statement (`now()`): the binder puts the statement's value in its place, so it is never evaluated.
    Stable,
    /// Different at each call (`random()`).
    Volatile,
}

/// How a declaration is written in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `name(a, b)`.
    Function,
    /// `a + b`, `- a`.
    Operator,
    /// `a::type`; not found by name.
    Cast,
    /// Syntax of its own (`a IS NULL`); not found by name.
    Special,
}

/// What an evaluation has besides its arguments.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where results that are not in the arguments live. A function that does more than a small multiple of what it is given and gives
    /// accounts for it there, so that it can be stopped.
    pub arena: &'a Arena,
    /// The call's result type, with typmod.
    pub typ: &'a Type,
}

pub type EvalFn = for<'a> fn(&[Datum<'a>], Context<'a>) -> Result<Datum<'a>, EvalError>;

/// One function, operator or cast.
pub struct Function {
    /// Unique: the name and the argument types. Plans store it.
    pub id: &'static str,
    /// The SQL name, or the operator's symbol.
    pub name: &'static str,
    pub args: &'static [ArgType],
    /// One or more further arguments of this type.
    pub variadic: Option<ArgType>,
    /// How many of the last `args` may be left out, with what text their defaults have.
    pub defaults: &'static [&'static str],
    pub result: ArgType,
    pub nulls: Nulls,
    /// Whether the result can be NULL though (for a strict function) no argument is.
    pub maybe_null: bool,
    pub volatility: Volatility,
    pub can_error: bool,
    /// The result depends on the session's TimeZone: the binder appends it as one more text literal, which makes the call
    /// immutable. A call without it means UTC.
    pub zone: bool,
    /// The result has the text forms of arguments of any type in it. The binder makes texts of those whose form depends on the
    /// session's TimeZone.
    pub prints: bool,
    pub syntax: Syntax,
    /// Of a declared conversion: the least context that applies it.
    pub cast: Option<CastContext>,
    doc: &'static str,
    /// An expression and the text of its value.
    pub example: (&'static str, &'static str),
    pub eval: EvalFn,
    pub(super) fast: Fast,
}

impl Function {
    /// A strict, immutable function that cannot fail. The builder methods below say otherwise.
    pub(super) const fn new(
        id: &'static str,
        name: &'static str,
        args: &'static [ArgType],
        result: ArgType,
        doc: &'static str,
        example: (&'static str, &'static str),
        eval: EvalFn,
    ) -> Function {
        let first = name.as_bytes()[0];
        let word = first.is_ascii_alphabetic() || first == b'_';
        Function {
            id,
            name,
            args,
            variadic: None,
            defaults: &[],
            result,
            nulls: Nulls::Strict,
            maybe_null: false,
            volatility: Volatility::Immutable,
            can_error: false,
            zone: false,
            prints: false,
            syntax: if word { Syntax::Function } else { Syntax::Operator },
            cast: None,
            doc,
            example,
            eval,
            fast: Fast::None,
        }
    }

    /// Can fail.
    pub(super) const fn errs(mut self) -> Function {
        self.can_error = true;
        self
    }

    /// Is called when an argument is NULL, and may return NULL.
    pub(super) const fn called_on_null(mut self) -> Function {
        self.nulls = Nulls::CalledOnNull;
        self.maybe_null = true;
        self
    }

    /// Is called when an argument is NULL, and never returns NULL.
    pub(super) const fn never_null(mut self) -> Function {
        self.nulls = Nulls::CalledOnNull;
        self.maybe_null = false;
        self
    }

    /// May return NULL though no argument is NULL.
    pub(super) const fn maybe_null(mut self) -> Function {
        self.maybe_null = true;
        self
    }

    pub(super) const fn stable(mut self) -> Function {
        self.volatility = Volatility::Stable;
        self
    }

    pub(super) const fn volatile(mut self) -> Function {
        self.volatility = Volatility::Volatile;
        self
    }

    pub(super) const fn zone(mut self) -> Function {
        self.zone = true;
        self
    }

    pub(super) const fn prints(mut self) -> Function {
        self.prints = true;
        self
    }

    /// A conversion that is found by its types.
    pub(super) const fn cast(mut self, context: CastContext) -> Function {
        self.cast = Some(context);
        self.called_by_cast()
    }

    /// A conversion that [`super::cast`] reaches by another road than its types.
    pub(super) const fn called_by_cast(mut self) -> Function {
        self.syntax = Syntax::Cast;
        self
    }

    pub(super) const fn special(mut self) -> Function {
        self.syntax = Syntax::Special;
        self
    }

    pub(super) const fn variadic(mut self, of: ArgType) -> Function {
        self.variadic = Some(of);
        self
    }

    /// Another id than name and argument types, where those are not unique.
    pub(super) const fn with_id(mut self, id: &'static str) -> Function {
        self.id = id;
        self
    }

    pub(super) const fn defaults(mut self, defaults: &'static [&'static str]) -> Function {
        self.defaults = defaults;
        self
    }

    pub(super) const fn fast(mut self, fast: Fast) -> Function {
        self.fast = fast;
        self
    }

    /// One sentence on what it does.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// Whether it can be called with so many arguments.
    pub fn takes(&self, nargs: usize) -> bool {
        match self.variadic {
            Some(_) => nargs > self.args.len(),
            None => nargs <= self.args.len() && nargs + self.defaults.len() >= self.args.len(),
        }
    }

    /// The declared type of argument `index`, variadic ones included.
    pub fn arg(&self, index: usize) -> Option<ArgType> {
        self.args.get(index).copied().or(self.variadic)
    }

    /// The result's type for arguments of these types, which the declaration accepts.
    pub fn result_type(&self, args: &[Type]) -> Type {
        let declared =
            |mark: ArgType| args.iter().enumerate().find(|(i, _)| self.arg(*i) == Some(mark)).map(|(_, t)| t);
        let single = || {
            let marks = [ArgType::AnyElement, ArgType::AnyNonArray, ArgType::AnyEnum];
            marks.into_iter().find_map(declared)
        };
        let element = || match single() {
            Some(typ) => typ.clone(),
            None => match declared(ArgType::AnyArray) {
                Some(Type::Array(element)) => (**element).clone(),
                _ => Type::Text,
            },
        };
        match self.result {
            ArgType::AnyElement | ArgType::AnyNonArray | ArgType::AnyEnum => element(),
            ArgType::AnyArray => match declared(ArgType::AnyArray) {
                Some(typ) => typ.clone(),
                None => Type::Array(Box::new(element())),
            },
            ArgType::Record => Type::anonymous_record(args.to_vec()),
            ArgType::Any => args.first().cloned().unwrap_or(Type::Text),
            result => result.concrete().expect("invariant: every other mark is concrete"),
        }
    }
}

/// A reference to a declaration; two are equal when their ids are.
#[derive(Clone, Copy)]
pub struct Func(pub(super) &'static Function);

impl Func {
    pub fn by_id(id: &str) -> Option<Func> {
        INDEX.by_id.get(id).copied()
    }

    /// A declaration that the code names.
    pub(super) fn known(id: &str) -> Func {
        Func::by_id(id).unwrap_or_else(|| panic!("invariant: no function is declared as {id:?}"))
    }
}

impl Deref for Func {
    type Target = Function;
    fn deref(&self) -> &Function {
        self.0
    }
}

impl PartialEq for Func {
    fn eq(&self, other: &Func) -> bool {
        self.id == other.id
    }
}

impl Eq for Func {}

impl PartialOrd for Func {
    fn partial_cmp(&self, other: &Func) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Func {
    fn cmp(&self, other: &Func) -> Ordering {
        self.id.cmp(other.id)
    }
}

impl Hash for Func {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for Func {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl<'de> Deserialize<'de> for Func {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Func, D::Error> {
        let id = String::deserialize(deserializer)?;
        Func::by_id(&id).ok_or_else(|| de::Error::custom(format!("unknown function {id:?}")))
    }
}

/// Every declaration by id, and those that SQL can name by name.
struct Index {
    by_id: HashMap<&'static str, Func>,
    by_name: HashMap<&'static str, Vec<Func>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { by_id: HashMap::new(), by_name: HashMap::new() };
    for function in all() {
        let before = index.by_id.insert(function.id, function);
        assert!(before.is_none(), "invariant: {:?} is declared once", function.id);
        if matches!(function.syntax, Syntax::Function | Syntax::Operator) {
            index.by_name.entry(function.name).or_default().push(function);
        }
    }
    index
});

/// Every declaration, in the order of the tables.
pub fn all() -> impl Iterator<Item = Func> {
    super::TABLES.iter().flat_map(|tables| tables.iter()).flat_map(|table| table.iter()).map(Func)
}

/// The overloads of a function's name.
pub fn functions_named(name: &str) -> &'static [Func] {
    let found = INDEX.by_name.get(name).map_or(&[][..], Vec::as_slice);
    if found.first().is_some_and(|f| f.syntax == Syntax::Operator) { &[] } else { found }
}

/// The overloads of an operator's symbol, prefix (one argument) and infix (two).
pub fn operators_named(symbol: &str) -> &'static [Func] {
    let found = INDEX.by_name.get(symbol).map_or(&[][..], Vec::as_slice);
    if found.first().is_some_and(|f| f.syntax == Syntax::Function) { &[] } else { found }
}

/// The overloads of a function's name or an operator's symbol that take so many arguments.
pub fn candidates(name: &str, nargs: usize) -> impl Iterator<Item = Func> {
    let found: &'static [Func] = INDEX.by_name.get(name).map_or(&[][..], Vec::as_slice);
    found.iter().copied().filter(move |f| f.takes(nargs))
}
