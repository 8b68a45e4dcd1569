//! Conversions between types: which exist, in which context PostgreSQL applies them by itself, and what they do.
//!
//! [`cast`] finds the steps from one type to another: a declared conversion, the text form by way of which any type
//! becomes text and text becomes any type, the same for the elements of arrays; then the typmod of the target.

use std::collections::HashMap;
use std::sync::LazyLock;

use smallvec::{SmallVec, smallvec};

use super::arithmetic::{int2, int4, int8};
use super::declare::functions;
use super::function::{ArgType, Context, Func, Syntax, all};
use super::native::JsonText;
use super::{EvalError, ScalarExpr, special};
use crate::error::SqlState;
use crate::repr::json::Value;
use crate::repr::text::{self, TextSettings};
use crate::repr::{Array, Datum, Json, Numeric, Type};

/// Who asks for a conversion. Each context allows what the ones before it allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastContext {
    /// An operator's or function's argument.
    Implicit,
    /// A value on its way into a column.
    Assignment,
    /// `CAST(a AS t)`, `a::t`.
    Explicit,
}

/// The calls that convert a value of one type to another; none if its datum serves both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    steps: SmallVec<[Step; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    func: Func,
    /// A further argument: how an array's elements are converted.
    element: Option<Func>,
    typ: Type,
    told: Told,
}

/// What a conversion is told of the session, as its last argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// The name of its TimeZone.
    Zone,
    /// How it reads and prints values of this type.
    TextOf(Type),
}

impl Cast {
    fn step(func: Func, typ: Type) -> Cast {
        let told = if func.zone { Told::Zone } else { Told::Nothing };
        Cast { steps: smallvec![Step { func, element: None, typ, told }] }
    }

    fn then(mut self, next: Cast) -> Cast {
        self.steps.extend(next.steps);
        self
    }

    /// Whether the datum stays as it is.
    pub fn is_relabel(&self) -> bool {
        self.steps.iter().all(|step| step.func == special::relabel())
    }

    pub fn could_error(&self) -> bool {
        self.steps.iter().any(|step| step.func.can_error)
    }

    /// The converted expression. The session's settings become part of the expression where they matter.
    pub fn apply(&self, expr: ScalarExpr, settings: &TextSettings) -> ScalarExpr {
        let text = |text: &str| ScalarExpr::literal(Datum::Text(text), Type::Text);
        self.steps.iter().fold(expr, |expr, step| {
            let mut args = vec![expr];
            args.extend(step.element.map(|element| text(element.id)));
            args.extend(match &step.told {
                Told::Nothing => None,
                Told::Zone => Some(text(settings.timezone.name())),
                Told::TextOf(typ) => settings.argument(typ).as_deref().map(text),
            });
            ScalarExpr::Call { func: step.func, args, typ: step.typ.clone() }
        })
    }
}

/// The conversion from one type to another that the context allows.
pub fn cast(from: &Type, to: &Type, context: CastContext) -> Option<Cast> {
    if from == to {
        return Some(Cast::default());
    }
    let base = to.without_typmod();
    let converted = if from.without_typmod() == base { Cast::default() } else { convert(from, to, context)? };
    if *to == base {
        // Forgetting a typmod is a change of type all the same.
        let relabel = converted.steps.is_empty();
        return Some(if relabel { Cast::step(special::relabel(), base) } else { converted });
    }
    Some(match apply_typmod(to, context) {
        // The declared conversions to numeric see the target's typmod themselves.
        Some(_) if matches!(to, Type::Numeric(_)) && !converted.steps.is_empty() => converted,
        Some(step) => converted.then(step),
        None => converted,
    })
}

/// Brings a value of the type to its typmod.
fn apply_typmod(to: &Type, context: CastContext) -> Option<Cast> {
    let func = match (to, context) {
        (Type::Numeric(Some(_)), _) => Func::known("numeric Numeric"),
        (Type::Varchar(Some(_)), CastContext::Explicit) => Func::known("varchar explicit Varchar"),
        (Type::Varchar(Some(_)), _) => Func::known("varchar Varchar"),
        (Type::Bpchar(Some(_)), CastContext::Explicit) => Func::known("bpchar explicit Bpchar"),
        (Type::Bpchar(Some(_)), _) => Func::known("bpchar Bpchar"),
        (Type::Time(Some(_)), _) => Func::known("time Time"),
        (Type::TimeTz(Some(_)), _) => Func::known("timetz TimeTz"),
        (Type::Timestamp(Some(_)), _) => Func::known("timestamp Timestamp"),
        (Type::TimestampTz(Some(_)), _) => Func::known("timestamptz TimestampTz"),
        (Type::Interval(Some(_)), _) => Func::known("interval Interval"),
        (Type::Array(to), _) => return element_cast(apply_typmod(to, context)?, Type::Array(to.clone())),
        _ => return None,
    };
    Some(Cast::step(func, to.clone()))
}

fn convert(from: &Type, to: &Type, context: CastContext) -> Option<Cast> {
    if let Some((func, declared)) = DECLARED.get(&(from.without_typmod(), to.without_typmod())) {
        let typ = if matches!(to, Type::Numeric(_)) { to.clone() } else { to.without_typmod() };
        return (*declared <= context).then(|| Cast::step(*func, typ));
    }
    if let (Some(array), Type::Array(_)) = (from.of_vector(), to) {
        return Some(Cast::step(special::relabel(), array.clone()).then(convert(&array, to, context)?));
    }
    match (from, to) {
        (_, Type::Unknown) => None,
        (Type::Array(a), Type::Array(b)) => {
            element_cast(cast(&a.without_typmod(), &b.without_typmod(), context)?, to.without_typmod())
        }
        (Type::Unknown, Type::Text) => Some(Cast::step(special::relabel(), Type::Text)),
        (Type::Unknown, _) => Some(from_text(to)),
        (Type::Record(from), Type::Record(to))
            if from.iter().map(|f| &f.typ).eq(to.iter().map(|f| &f.typ)) =>
        {
            Some(Cast::step(special::relabel(), Type::Record(to.clone())))
        }
        (_, to) if is_string(to) && context >= CastContext::Assignment => {
            let out = Func::known("text Any");
            let mut to_text = Cast::step(out, Type::Text);
            to_text.steps[0].told = Told::TextOf(from.clone());
            let rest = if *to == Type::Text { Cast::default() } else { convert(&Type::Text, to, context)? };
            Some(to_text.then(rest))
        }
        (from, _) if is_string(from) && context == CastContext::Explicit => {
            let text =
                if *from == Type::Text { Cast::default() } else { convert(from, &Type::Text, context)? };
            Some(text.then(from_text(to)))
        }
        _ => None,
    }
}

/// Whether values of any type are brought to the type by way of their text.
fn is_string(typ: &Type) -> bool {
    matches!(typ, Type::Text | Type::Varchar(_) | Type::Bpchar(_) | Type::Name)
}

fn from_text(to: &Type) -> Cast {
    let mut cast = Cast::step(Func::known("in Text"), to.without_typmod());
    cast.steps[0].told = Told::TextOf(to.clone());
    if matches!(to, Type::Numeric(_)) {
        cast.steps[0].typ = to.clone();
    }
    cast
}

/// The conversion of every element, if it takes at most one call.
fn element_cast(element: Cast, typ: Type) -> Option<Cast> {
    let calls: Vec<Step> = element.steps.into_iter().filter(|step| step.func != special::relabel()).collect();
    match calls.as_slice() {
        [] => Some(Cast::step(special::relabel(), typ)),
        [step] if step.element.is_none() => {
            let func = Func::known("array elements AnyArray Text");
            let (element, told) = (Some(step.func), step.told.clone());
            Some(Cast { steps: smallvec![Step { func, element, typ, told }] })
        }
        _ => None,
    }
}

/// Declared conversions by source and target.
static DECLARED: LazyLock<HashMap<(Type, Type), (Func, CastContext)>> = LazyLock::new(|| {
    let concrete = |typ: ArgType| typ.concrete();
    let mut declared = HashMap::new();
    for func in all().filter(|f| f.syntax == Syntax::Cast) {
        if let (Some(context), Some(from), Some(to)) =
            (func.cast, func.args.first().copied().and_then(concrete), concrete(func.result))
        {
            declared.insert((from, to), (func, context));
        }
    }
    for &(from, to, context) in RELABELS {
        let from = concrete(from).expect("invariant: the table names plain types");
        let to = concrete(to).expect("invariant: the table names plain types");
        declared.insert((from, to), (special::relabel(), context));
    }
    declared
});

/// Conversions that keep the datum.
const RELABELS: &[(ArgType, ArgType, CastContext)] = {
    use ArgType::*;
    use CastContext::*;
    &[
        (Int2, Int4, Implicit),
        (Int2, Int8, Implicit),
        (Int4, Int8, Implicit),
        (Oid, Int8, Assignment),
        (Oid, Regclass, Implicit),
        (Oid, Regtype, Implicit),
        (Oid, Regproc, Implicit),
        (Oid, Regnamespace, Implicit),
        (Oid, Regrole, Implicit),
        (Regnamespace, Oid, Implicit),
        (Regrole, Oid, Implicit),
        (NodeTree, Text, Implicit),
        (Int2Vector, Array(&Int2), Implicit),
        (OidVector, Array(&Oid), Implicit),
        (Regclass, Oid, Implicit),
        (Regtype, Oid, Implicit),
        (Regproc, Oid, Implicit),
        (Regclass, Int8, Assignment),
        (Regtype, Int8, Assignment),
        (Regproc, Int8, Assignment),
        (Text, Varchar, Implicit),
        (Varchar, Text, Implicit),
        (Name, Text, Implicit),
        (Name, Varchar, Assignment),
        (InternalChar, Text, Implicit),
        (InternalChar, Varchar, Assignment),
    ]
};

use CastContext::{Assignment, Explicit, Implicit};

functions! { pub(super) FUNCTIONS;
    /// A value's text form.
    "text"(Any) -> Text, called_by_cast(): "12::text" => "12" = { raw out };
    /// The value that a text means, of the type that is asked for.
    "in"(Text) -> Any, errs(), called_by_cast(): "'12'::text" => "12" = { raw input };
    /// Each element converted.
    "array elements"(AnyArray, Text) -> AnyArray, errs(), called_by_cast():
        "'{1,2}'::int4[], 'text Any'" => "{1,2}" = { raw array_elements };
    /// true or false.
    "text"(Bool) -> Text, cast(Assignment): "true::text" => "true"
        = { |_, a: bool| if a { "true" } else { "false" } };
    /// true or false.
    "varchar"(Bool) -> Varchar, cast(Assignment): "true::varchar" => "true"
        = { |_, a: bool| if a { "true" } else { "false" } };
    /// The text cut to the target's length, blanks only or it fails.
    "varchar"(Varchar) -> Varchar, errs(), called_by_cast(): "'abc'" => "abc" = { |cx, a: &str| varchar(a, cx, false) };
    /// The text cut to the target's length.
    "varchar explicit"(Varchar) -> Varchar, called_by_cast(): "'abc'" => "abc"
        = { |cx, a: &str| varchar(a, cx, true) };
    /// The text cut to 63 bytes.
    "name"(Text) -> Name, cast(Implicit): "text 'abc'::name" => "abc" = { |_, a: &str| truncate_name(a) };
    /// The text cut to 63 bytes.
    "name"(Varchar) -> Name, cast(Implicit): "varchar 'abc'::name" => "abc" = { |_, a: &str| truncate_name(a) };
    /// The first character.
    "char"(Text) -> InternalChar, cast(Assignment): "text 'abc'::\"char\"" => "a"
        = { |_, a: &str| &a[..a.chars().next().map_or(0, char::len_utf8)] };
    /// The integer, if it fits.
    "int2"(Int4) -> Int2, errs(), cast(Assignment): "12::int2" => "12" = { |_, a: i64| int2(Some(a)) };
    /// The integer, if it fits.
    "int2"(Int8) -> Int2, errs(), cast(Assignment): "bigint '12'::int2" => "12" = { |_, a: i64| int2(Some(a)) };
    /// The integer, if it fits.
    "int4"(Int8) -> Int4, errs(), cast(Assignment): "bigint '12'::int4" => "12" = { |_, a: i64| int4(Some(a)) };
    /// The nearest integer, halves to even, if it fits.
    "int2"(Float8) -> Int2, errs(), cast(Assignment): "float8 '2.5'::int2" => "2"
        = { |_, a: f64| int2(float_to_int(a, -32768.0, 32768.0)) };
    /// The nearest integer, halves to even, if it fits.
    "int4"(Float8) -> Int4, errs(), cast(Assignment): "float8 '3.5'::int4" => "4"
        = { |_, a: f64| int4(float_to_int(a, -2147483648.0, 2147483648.0)) };
    /// The nearest integer, halves to even, if it fits.
    "int8"(Float8) -> Int8, errs(), cast(Assignment): "float8 '-2.5'::int8" => "-2"
        = { |_, a: f64| int8(float_to_int(a, -9223372036854775808.0, 9223372036854775808.0)) };
    /// The nearest integer, halves away from zero, if it fits.
    "int2"(Numeric) -> Int2, errs(), cast(Assignment): "2.5::int2" => "3"
        = { |_, a: Numeric<'_>| int2(numeric_to_int(a, "smallint")?) };
    /// The nearest integer, halves away from zero, if it fits.
    "int4"(Numeric) -> Int4, errs(), cast(Assignment): "2.5::int4" => "3"
        = { |_, a: Numeric<'_>| int4(numeric_to_int(a, "integer")?) };
    /// The nearest integer, halves away from zero, if it fits.
    "int8"(Numeric) -> Int8, errs(), cast(Assignment): "-2.5::int8" => "-3"
        = { |_, a: Numeric<'_>| int8(numeric_to_int(a, "bigint")?) };
    /// The integer as a float.
    "float8"(Int2) -> Float8, cast(Implicit): "int2 '12'::float8" => "12" = { |_, a: i64| a as f64 };
    /// The integer as a float.
    "float8"(Int4) -> Float8, cast(Implicit): "12::float8" => "12" = { |_, a: i64| a as f64 };
    /// The nearest float.
    "float8"(Int8) -> Float8, cast(Implicit): "bigint '12'::float8" => "12" = { |_, a: i64| a as f64 };
    /// The nearest float.
    "float8"(Numeric) -> Float8, errs(), cast(Implicit): "1.5::float8" => "1.5" = { |_, a: Numeric<'_>| numeric_to_float(a) };
    /// The integer as a numeric.
    "numeric"(Int2) -> Numeric, errs(), cast(Implicit): "int2 '12'::numeric" => "12"
        = { |cx, a: i64| with_typmod(Numeric::from_int(a), cx) };
    /// The integer as a numeric.
    "numeric"(Int4) -> Numeric, errs(), cast(Implicit): "12::numeric" => "12"
        = { |cx, a: i64| with_typmod(Numeric::from_int(a), cx) };
    /// The integer as a numeric.
    "numeric"(Int8) -> Numeric, errs(), cast(Implicit): "bigint '12'::numeric" => "12"
        = { |cx, a: i64| with_typmod(Numeric::from_int(a), cx) };
    /// The float with 15 significant digits.
    "numeric"(Float8) -> Numeric, errs(), cast(Assignment): "float8 '1.5'::numeric" => "1.5"
        = { |cx, a: f64| numeric_of_digits(a, 15, cx) };
    /// The numeric rounded to the target's scale, if it has no more digits than the target's precision.
    "numeric"(Numeric) -> Numeric, errs(), called_by_cast(): "1.25" => "1.25"
        = { |cx, a: Numeric<'_>| with_typmod(a, cx) };
    /// True unless 0.
    "bool"(Int4) -> Bool, cast(Explicit): "2::bool" => "t" = { |_, a: i64| a != 0 };
    /// 1 for true, 0 for false.
    "int4"(Bool) -> Int4, cast(Explicit): "true::int4" => "1" = { |_, a: bool| a as i64 };
    /// The integer as an object identifier.
    "oid"(Int2) -> Oid, cast(Implicit): "int2 '12'::oid" => "12" = { |_, a: i64| a as u32 as i64 };
    /// The integer as an object identifier; a negative one counts from 2^32 downwards.
    "oid"(Int4) -> Oid, cast(Implicit): "12::oid" => "12" = { |_, a: i64| a as u32 as i64 };
    /// The integer as an object identifier, if it fits.
    "oid"(Int8) -> Oid, errs(), cast(Implicit): "bigint '12'::oid" => "12" = { |_, a: i64| oid(a) };
    /// The object identifier as an integer; one of 2^31 and more is negative.
    "int4"(Oid) -> Int4, cast(Assignment): "oid '12'::int4" => "12" = { |_, a: i64| a as i32 as i64 };
    /// The object identifier as an integer.
    "int4"(Regclass) -> Int4, cast(Assignment): "1259::regclass::int4" => "1259" = { |_, a: i64| a as i32 as i64 };
    /// The integer as a relation's identifier.
    "regclass"(Int4) -> Regclass, cast(Implicit): "1259::regclass::oid" => "1259" = { |_, a: i64| a as u32 as i64 };
    /// The integer as a relation's identifier.
    "regclass"(Int8) -> Regclass, errs(), cast(Implicit): "bigint '1259'::regclass::oid" => "1259" = { |_, a: i64| oid(a) };
    /// The integer as a type's identifier.
    "regtype"(Int4) -> Regtype, cast(Implicit): "23::regtype" => "integer" = { |_, a: i64| a as u32 as i64 };
    /// The integer as a schema's identifier.
    "regnamespace"(Int4) -> Regnamespace, cast(Implicit): "11::regnamespace::oid" => "11" = { |_, a: i64| a as u32 as i64 };
    /// The integer as a function's identifier.
    "regproc"(Int4) -> Regproc, cast(Implicit): "23::regproc::oid" => "23" = { |_, a: i64| a as u32 as i64 };
    /// The code of the character.
    "int4"(InternalChar) -> Int4, cast(Explicit): "'a'::\"char\"::int4" => "97"
        = { |_, a: &str| a.bytes().next().map_or(0, |b| b as i8 as i64) };
    /// The value that a JSON text means.
    "jsonb"(Json) -> Jsonb, errs(), cast(Assignment): "json '{\"a\":1}'::jsonb" => "{\"a\": 1}"
        = { |cx, a: JsonText<'_>| Json::parse(a.0, cx.arena) };
    /// The value's text.
    "json"(Jsonb) -> Json, cast(Assignment): "jsonb '{\"a\":1}'::json" => "{\"a\": 1}"
        = { |cx, a: Json<'_>| JsonText(cx.arena.alloc_str(&a.to_string())) };
    /// A jsonb boolean.
    "bool"(Jsonb) -> Bool, errs(), cast(Explicit): "jsonb 'true'::bool" => "t" = { |_, a: Json<'_>| json_bool(a) };
    /// A jsonb number, rounded.
    "int2"(Jsonb) -> Int2, errs(), cast(Explicit): "jsonb '1.5'::int2" => "2"
        = { |_, a: Json<'_>| int2(numeric_to_int(json_number(a, "smallint")?, "smallint")?) };
    /// A jsonb number, rounded.
    "int4"(Jsonb) -> Int4, errs(), cast(Explicit): "jsonb '1.5'::int4" => "2"
        = { |_, a: Json<'_>| int4(numeric_to_int(json_number(a, "integer")?, "integer")?) };
    /// A jsonb number, rounded.
    "int8"(Jsonb) -> Int8, errs(), cast(Explicit): "jsonb '1.5'::int8" => "2"
        = { |_, a: Json<'_>| int8(numeric_to_int(json_number(a, "bigint")?, "bigint")?) };
    /// A jsonb number.
    "float8"(Jsonb) -> Float8, errs(), cast(Explicit): "jsonb '1.5'::float8" => "1.5"
        = { |_, a: Json<'_>| numeric_to_float(json_number(a, "double precision")?) };
    /// A jsonb number.
    "numeric"(Jsonb) -> Numeric, errs(), cast(Explicit): "jsonb '1.50'::numeric" => "1.50"
        = { |cx, a: Json<'_>| with_typmod(json_number(a, "numeric")?, cx) };
}

/// The settings that a conversion was told of.
fn settings(told: Option<Datum<'_>>) -> Result<TextSettings, EvalError> {
    match told {
        Some(Datum::Text(told)) => TextSettings::of_argument(told)
            .ok_or_else(|| EvalError::internal(format!("a conversion was told of \"{told}\""))),
        _ => Ok(TextSettings::default()),
    }
}

fn out<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let mut text = String::new();
    text::format(args[0], &type_of(args[0]), &settings(args.get(1).copied())?, &mut text);
    Ok(Datum::Text(cx.arena.alloc_str(&text)))
}

/// A type that prints the datum; what a datum does not know of its type does not show in its text.
pub(super) fn type_of(datum: Datum<'_>) -> Type {
    match datum {
        Datum::Null | Datum::Text(_) | Datum::Enum(_) | Datum::Error(_) => Type::Text,
        Datum::Bool(_) => Type::Bool,
        Datum::Int(_) => Type::Int8,
        Datum::Float(_) => Type::Float8,
        Datum::Numeric(_) => Type::Numeric(None),
        Datum::Bytes(_) => Type::Bytea,
        Datum::Date(_) => Type::Date,
        Datum::Float4(_) => Type::Float4,
        Datum::Bpchar(_) => Type::Bpchar(None),
        Datum::Time(_) => Type::Time(None),
        Datum::TimeTz(_) => Type::TimeTz(None),
        Datum::Timestamp(_) => Type::Timestamp(None),
        Datum::TimestampTz(_) => Type::TimestampTz(None),
        Datum::Interval(_) => Type::Interval(None),
        Datum::Uuid(_) => Type::Uuid,
        Datum::JsonText(_) => Type::Json,
        Datum::Json(_) => Type::Jsonb,
        Datum::Array(array) => {
            let element = array.elements().find(|d| !d.is_null()).unwrap_or(Datum::Null);
            Type::Array(Box::new(type_of(element)))
        }
        Datum::Record(fields) => Type::anonymous_record(crate::repr::row::Datums::new(fields).map(type_of)),
    }
}

fn input<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let Datum::Text(text) = args[0] else { return Err(EvalError::internal("the text form is no text")) };
    text::parse(cx.typ, text, &settings(args.get(1).copied())?, cx.arena)
}

fn array_elements<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let (Datum::Array(array), Datum::Text(id), Type::Array(element)) = (args[0], args[1], cx.typ) else {
        return Err(EvalError::internal("an array's conversion met something else"));
    };
    let func = Func::by_id(id).ok_or_else(|| EvalError::internal("unknown conversion of elements"))?;
    let cx = Context { typ: element, ..cx };
    let mut converted = Vec::new();
    for datum in array.elements() {
        let told = args.get(2).copied();
        let args: SmallVec<[Datum<'a>; 2]> = std::iter::once(datum).chain(told).collect();
        converted.push(super::expr::call(func, &args, cx)?);
    }
    Ok(Datum::Array(Array::pack_in(converted, &array.dimensions(), cx.arena)))
}

/// A text of the target's length. Blanks past it go silently, other characters only when asked for explicitly.
fn varchar<'t>(text: &'t str, cx: Context<'_>, explicit: bool) -> Result<&'t str, EvalError> {
    let Type::Varchar(Some(length)) = cx.typ else { return Ok(text) };
    let Some((end, _)) = text.char_indices().nth(*length as usize) else { return Ok(text) };
    if explicit || text[end..].bytes().all(|b| b == b' ') {
        return Ok(&text[..end]);
    }
    let message = format!("value too long for type character varying({length})");
    Err(EvalError::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, message))
}

/// The longest prefix of whole characters that a name can be.
pub(super) fn truncate_name(text: &str) -> &str {
    const NAME_BYTES_MAX: usize = 63;
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

/// The nearest integer, halves to even, from `least` and below `end`.
pub(super) fn float_to_int(value: f64, least: f64, end: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    (rounded >= least && rounded < end).then_some(rounded as i64)
}

fn numeric_to_int(value: Numeric<'_>, typ: &str) -> Result<Option<i64>, EvalError> {
    if value.is_finite() {
        return Ok(value.to_int());
    }
    let what = if value.is_nan() { "NaN" } else { "infinity" };
    Err(EvalError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {typ}")))
}

/// A finite numeric that no float can hold is an error.
pub(super) fn numeric_to_float(value: Numeric<'_>) -> Result<f64, EvalError> {
    let float = value.to_float();
    if float.is_infinite() && value.is_finite() {
        let message = format!("\"{value}\" is out of range for type double precision");
        return Err(EvalError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message));
    }
    Ok(float)
}

/// The numeric at the call's typmod, if it has one.
fn with_typmod<'a>(value: Numeric<'a>, cx: Context<'a>) -> Result<Numeric<'a>, EvalError> {
    match cx.typ {
        Type::Numeric(Some(typmod)) => value.with_typmod(*typmod, cx.arena),
        _ => Ok(value),
    }
}

/// The numeric of so many significant digits of a float, at the call's typmod.
pub(super) fn numeric_of_digits<'a>(
    value: f64,
    digits: usize,
    cx: Context<'a>,
) -> Result<Numeric<'a>, EvalError> {
    with_typmod(Numeric::from_float_digits(value, digits, cx.arena), cx)
}

fn oid(value: i64) -> Result<i64, EvalError> {
    u32::try_from(value).map(i64::from).map_err(|_| EvalError::out_of_range("OID"))
}

fn json_mismatch(value: Json<'_>, typ: &str) -> EvalError {
    let message = format!("cannot cast jsonb {} to type {typ}", describe(value));
    EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn describe(value: Json<'_>) -> &'static str {
    match value.value() {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "numeric",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn json_bool(value: Json<'_>) -> Result<bool, EvalError> {
    match value.value() {
        Value::Bool(value) => Ok(value),
        _ => Err(json_mismatch(value, "boolean")),
    }
}

pub(super) fn json_number<'a>(value: Json<'a>, typ: &str) -> Result<Numeric<'a>, EvalError> {
    match value.value() {
        Value::Number(value) => Ok(value),
        _ => Err(json_mismatch(value, typ)),
    }
}
