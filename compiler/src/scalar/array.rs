//! Functions of arrays.

use super::comparison::{compare, not_distinct};
use super::declare::functions;
use super::function::{ArgType, Context};
use super::{EvalError, limit, string};
use crate::error::SqlState;
use crate::repr::array::Dimension;
use crate::repr::{Arena, Array, Datum};

functions! { pub(super) FUNCTIONS;
    /// The array of these elements; of arrays, the array of one more dimension. SQL writes `ARRAY[…]`.
    "array"() -> AnyArray, never_null(), errs(), special(), variadic(ArgType::AnyElement): "ARRAY[1, NULL]" => "{1,NULL}" = { raw construct };
    /// The element at a position; NULL if there is none. SQL writes `a[i]`.
    "subscript"(AnyArray, Int8) -> AnyElement, maybe_null(), special(): "('{10,20}'::int4[])[2]" => "20"
        = { |_, a: Array<'_>, at: i64| a.get(&[at]) };
    /// The n-th element, whatever the dimensions; NULL past the last.
    "element"(AnyArray, Int4) -> AnyElement, maybe_null(), special(): "element('{10,20}'::int4[], 2)" => "20"
        = { |_, a: Array<'_>, at: i64| usize::try_from(at - 1).ok().and_then(|at| a.elements().nth(at)) };
    /// Whether some element is equal: true if one is, else NULL if one is NULL. SQL writes `a = ANY (array)`.
    "array_contains"(AnyElement, AnyArray) -> Bool, maybe_null(), special(): "2 = ANY ('{1,2}'::int4[])" => "t"
        = { |_, a: Datum<'_>, array: Array<'_>| any(array, |d| compare(a, d).is_eq()) };
    /// Whether all elements differ: false if one is equal, else NULL if one is NULL. SQL writes `a <> ALL (array)`.
    "array_excludes"(AnyElement, AnyArray) -> Bool, maybe_null(), special(): "2 <> ALL ('{1,3}'::int4[])" => "t"
        = { |_, a: Datum<'_>, array: Array<'_>| any(array, |d| compare(a, d).is_eq()).map(|found| !found) };
    /// The number of elements in a dimension; NULL if there is no such dimension.
    "array_length"(AnyArray, Int4) -> Int4, maybe_null(): "array_length('{1,2,3}'::int4[], 1)" => "3"
        = { |_, a: Array<'_>, dimension: i64| dimension_of(a, dimension).map(|d| d.length as i64) };
    /// The first position in a dimension; NULL if there is no such dimension.
    "array_lower"(AnyArray, Int4) -> Int4, maybe_null(): "array_lower('[0:2]={1,2,3}'::int4[], 1)" => "0"
        = { |_, a: Array<'_>, dimension: i64| dimension_of(a, dimension).map(|d| d.lower as i64) };
    /// The last position in a dimension; NULL if there is no such dimension.
    "array_upper"(AnyArray, Int4) -> Int4, maybe_null(): "array_upper('{1,8,3,7}'::int4[], 1)" => "4"
        = { |_, a: Array<'_>, dimension: i64| dimension_of(a, dimension).map(|d| d.lower as i64 + d.length as i64 - 1) };
    /// The number of dimensions; NULL for an array without elements.
    "array_ndims"(AnyArray) -> Int4, maybe_null(): "array_ndims('{{1,2},{3,4}}'::int4[])" => "2"
        = { |_, a: Array<'_>| (a.dimension_count() > 0).then_some(a.dimension_count() as i64) };
    /// The dimensions as text; NULL for an array without elements.
    "array_dims"(AnyArray) -> Text, maybe_null(): "array_dims('{{1,2,3},{4,5,6}}'::int4[])" => "[1:2][1:3]"
        = { |_, a: Array<'_>| (!a.is_empty()).then(|| dims(a)) };
    /// The number of elements in all.
    "cardinality"(AnyArray) -> Int4: "cardinality('{{1,2},{3,4}}'::int4[])" => "4" = { |_, a: Array<'_>| a.len() as i64 };
    /// The array with an element after it.
    "array_append"(AnyArray, AnyElement) -> AnyArray, errs(), never_null(): "array_append('{1,2}'::int4[], 3)" => "{1,2,3}"
        = { |cx, a: Option<Array<'_>>, b: Datum<'_>| append(a, b, cx) };
    /// The array with an element before it.
    "array_prepend"(AnyElement, AnyArray) -> AnyArray, errs(), never_null(): "array_prepend(1, '{2,3}'::int4[])" => "{1,2,3}"
        = { |cx, a: Datum<'_>, b: Option<Array<'_>>| prepend(a, b, cx) };
    /// The elements of both arrays.
    "array_cat"(AnyArray, AnyArray) -> AnyArray, errs(), called_on_null(): "array_cat('{1,2}'::int4[], '{3}'::int4[])" => "{1,2,3}"
        = { |cx, a: Option<Array<'_>>, b: Option<Array<'_>>| concatenate(a, b, cx) };
    /// The elements of both arrays.
    "||"(AnyArray, AnyArray) -> AnyArray, errs(), called_on_null(): "'{1,2}'::int4[] || '{3}'::int4[]" => "{1,2,3}"
        = { |cx, a: Option<Array<'_>>, b: Option<Array<'_>>| concatenate(a, b, cx) };
    /// The array with an element after it.
    "||"(AnyArray, AnyElement) -> AnyArray, errs(), never_null(): "'{1,2}'::int4[] || 3" => "{1,2,3}"
        = { |cx, a: Option<Array<'_>>, b: Datum<'_>| append(a, b, cx) };
    /// The array with an element before it.
    "||"(AnyElement, AnyArray) -> AnyArray, errs(), never_null(): "1 || '{2,3}'::int4[]" => "{1,2,3}"
        = { |cx, a: Datum<'_>, b: Option<Array<'_>>| prepend(a, b, cx) };
    /// The array without the elements that are equal.
    "array_remove"(AnyArray, AnyElement) -> AnyArray, called_on_null(): "array_remove('{1,2,3,2}'::int4[], 2)" => "{1,3}"
        = { |cx, a: Option<Array<'_>>, b: Datum<'_>| {
            a.map(|a| Datum::Array(Array::pack_flat_in(a.elements().filter(|d| !not_distinct(*d, b)), cx.arena)))
        } };
    /// The array with equal elements replaced.
    "array_replace"(AnyArray, AnyElement, AnyElement) -> AnyArray, called_on_null(): "array_replace('{1,2,5,4}'::int4[], 5, 3)" => "{1,2,3,4}"
        = { |cx, a: Option<Array<'_>>, from: Datum<'_>, to: Datum<'_>| a.map(|a| replace(a, from, to, cx)).transpose() };
    /// The position of the first equal element; NULL if there is none.
    "array_position"(AnyArray, AnyElement) -> Int4, called_on_null(): "array_position('{5,7,7}'::int4[], 7)" => "2"
        = { |_, a: Option<Array<'_>>, b: Datum<'_>| a.and_then(|a| positions(a, b).next()) };
    /// The positions of all equal elements.
    "array_positions"(AnyArray, AnyElement) -> [Int4], called_on_null(): "array_positions('{5,7,7}'::int4[], 7)" => "{2,3}"
        = { |cx, a: Option<Array<'_>>, b: Datum<'_>| {
            a.map(|a| Datum::Array(Array::pack_flat_in(positions(a, b).map(Datum::Int), cx.arena)))
        } };
    /// Whether every element of the second array is in the first.
    "@>"(AnyArray, AnyArray) -> Bool: "'{1,4,3}'::int4[] @> '{3,1}'::int4[]" => "t" = { |cx, a: Array<'_>, b: Array<'_>| contains(a, b, cx.arena) };
    /// Whether every element of the first array is in the second.
    "<@"(AnyArray, AnyArray) -> Bool: "'{2,7}'::int4[] <@ '{1,7,4,2}'::int4[]" => "t" = { |cx, a: Array<'_>, b: Array<'_>| contains(b, a, cx.arena) };
    /// Whether the arrays have an element in common.
    "&&"(AnyArray, AnyArray) -> Bool: "'{1,4,3}'::int4[] && '{2,1}'::int4[]" => "t" = { |cx, a: Array<'_>, b: Array<'_>| overlap(a, b, cx.arena) };
    /// The text forms of the elements that are not NULL, with a text between them.
    "array_to_string"(AnyArray, Text) -> Text, prints(): "array_to_string('{1,NULL,3}'::int4[], ',')" => "1,3"
        = { |_, a: Array<'_>, separator: &str| to_string(a, separator, None) };
    /// The text forms of the elements, with a text between them and one for NULL.
    "array_to_string"(AnyArray, Text, Text) -> Text, called_on_null(), prints(): "array_to_string('{1,NULL,3}'::int4[], ',', '*')" => "1,*,3"
        = { |_, a: Option<Array<'_>>, separator: Option<&str>, null: Option<&str>| a.zip(separator).map(|(a, s)| to_string(a, s, null)).transpose() };
    /// The parts of a text between delimiters; its characters if the delimiter is NULL.
    "string_to_array"(Text, Text) -> [Text], called_on_null(): "string_to_array('xx~~yy~~zz', '~~')" => "{xx,yy,zz}"
        = { |cx, a: Option<&str>, delimiter: Option<&str>| a.map(|a| Datum::Array(split(a, delimiter, None, cx))) };
    /// The parts of a text between delimiters, NULL for those equal to the third text.
    "string_to_array"(Text, Text, Text) -> [Text], called_on_null(): "string_to_array('xx~~yy~~zz', '~~', 'yy')" => "{xx,NULL,zz}"
        = { |cx, a: Option<&str>, delimiter: Option<&str>, null: Option<&str>| a.map(|a| Datum::Array(split(a, delimiter, null, cx))) };
    /// The part of an array between subscripts, one pair per dimension; its own bounds where they are the least and greatest integer.
    "slice"(AnyArray, [Int4], [Int4]) -> AnyArray, special(), maybe_null():
        "'{1,2,3,4}'::int4[], '{2}', '{3}'" => "{2,3}"
        = { |cx, a: Array<'_>, from: Array<'_>, to: Array<'_>| slice(a, from, to, cx) };
    /// The array without its last elements, so many of them.
    "trim_array"(AnyArray, Int4) -> AnyArray, errs(): "trim_array('{1,2,3,4,5,6}'::int4[], 2)" => "{1,2,3,4}"
        = { |cx, a: Array<'_>, n: i64| trim(a, n, cx) };
    /// An array of so many copies of a value.
    "array_fill"(AnyElement, [Int4]) -> AnyArray, errs(), called_on_null(): "array_fill(11, '{2,3}'::int4[])" => "{{11,11,11},{11,11,11}}"
        = { |cx, value: Datum<'_>, lengths: Option<Array<'_>>| fill(value, lengths, cx) };
}

fn error(message: impl Into<String>) -> EvalError {
    EvalError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message)
}

fn incompatible(detail: &str) -> EvalError {
    error("cannot concatenate incompatible arrays").detail(detail)
}

fn construct<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let Some(Datum::Array(first)) = args.iter().find(|d| matches!(d, Datum::Array(_))).copied() else {
        return Ok(Datum::Array(Array::pack_flat_in(args.iter().copied(), cx.arena)));
    };
    let shape = first.dimensions();
    let mut elements = Vec::new();
    for arg in args {
        match arg {
            Datum::Array(array) if array.dimensions() == shape => elements.extend(array.elements()),
            _ => {
                let message = "multidimensional arrays must have array expressions with matching dimensions";
                return Err(error(message));
            }
        }
    }
    if shape.is_empty() {
        return Ok(Datum::Array(first));
    }
    let mut dimensions = vec![Dimension { length: args.len() as u32, lower: 1 }];
    dimensions.extend(shape);
    Ok(Datum::Array(Array::pack_in(elements, &dimensions, cx.arena)))
}

fn dimension_of(array: Array<'_>, dimension: i64) -> Option<Dimension> {
    let at = usize::try_from(dimension).ok()?.checked_sub(1)?;
    array.dimensions().get(at).copied()
}

fn dims(array: Array<'_>) -> String {
    let bounds = |d: &Dimension| format!("[{}:{}]", d.lower, d.lower as i64 + d.length as i64 - 1);
    array.dimensions().iter().map(bounds).collect()
}

/// Of any number of dimensions; those without a pair are whole. The result counts from 1. A bound that is NULL makes NULL of all.
fn slice<'a>(array: Array<'a>, from: Array<'_>, to: Array<'_>, cx: Context<'a>) -> Option<Array<'a>> {
    let mut bounds = Vec::new();
    for pair in from.elements().zip(to.elements()) {
        let (Datum::Int(from), Datum::Int(to)) = pair else { return None };
        bounds.push((from, to));
    }
    let dimensions = array.dimensions();
    let empty = || Some(Array::pack_flat_in([], cx.arena));
    if bounds.len() > dimensions.len() {
        return empty();
    }
    // Of each dimension the first position that is kept, and how many.
    let mut kept = Vec::with_capacity(dimensions.len());
    for (at, dimension) in dimensions.iter().enumerate() {
        let (lower, upper) = (dimension.lower as i64, dimension.lower as i64 + dimension.length as i64 - 1);
        let (from, to) = bounds.get(at).copied().unwrap_or((lower, upper));
        let (from, to) = (from.max(lower), to.min(upper));
        if from > to {
            return empty();
        }
        kept.push((from - lower, to - from + 1));
    }
    let within = |index: usize| {
        let mut rest = index as i64;
        dimensions.iter().zip(&kept).rev().all(|(dimension, (first, count))| {
            let position = rest % dimension.length as i64;
            rest /= dimension.length as i64;
            (*first..first + count).contains(&position)
        })
    };
    let elements = array.elements().enumerate().filter(|(index, _)| within(*index)).map(|(_, d)| d);
    let shape: Vec<Dimension> =
        kept.iter().map(|(_, count)| Dimension { length: *count as u32, lower: 1 }).collect();
    Some(Array::pack_in(elements.collect::<Vec<_>>(), &shape, cx.arena))
}

/// Whether some element satisfies `f`: NULL if none does but one is NULL.
fn any(array: Array<'_>, f: impl Fn(Datum<'_>) -> bool) -> Option<bool> {
    let mut null = false;
    for element in array.elements() {
        match element {
            Datum::Null => null = true,
            element if f(element) => return Some(true),
            _ => {}
        }
    }
    (!null).then_some(false)
}

fn append<'a>(array: Option<Array<'a>>, element: Datum<'a>, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    extend(array, cx, |elements| elements.push(element))
}

fn prepend<'a>(
    element: Datum<'a>,
    array: Option<Array<'a>>,
    cx: Context<'a>,
) -> Result<Datum<'a>, EvalError> {
    extend(array, cx, |elements| elements.insert(0, element))
}

/// One more element in an array of one dimension, which keeps its first position.
fn extend<'a>(
    array: Option<Array<'a>>,
    cx: Context<'a>,
    add: impl FnOnce(&mut Vec<Datum<'a>>),
) -> Result<Datum<'a>, EvalError> {
    let lower = match array.map(|a| a.dimensions()).as_deref() {
        None | Some([]) => 1,
        Some([dimension]) => dimension.lower,
        Some(_) => {
            return Err(EvalError::new(
                SqlState::DATA_EXCEPTION,
                "argument must be empty or one-dimensional array",
            ));
        }
    };
    let mut elements: Vec<Datum<'a>> = array.into_iter().flat_map(|a| a.elements()).collect();
    add(&mut elements);
    let dimension = Dimension { length: elements.len() as u32, lower };
    Ok(Datum::Array(Array::pack_in(elements, &[dimension], cx.arena)))
}

/// Arrays of one number of dimensions, alike but for the first length; or one of them an element of the other.
fn concatenate<'a>(
    a: Option<Array<'a>>,
    b: Option<Array<'a>>,
    cx: Context<'a>,
) -> Result<Option<Array<'a>>, EvalError> {
    let (Some(first), Some(second)) = (a, b) else { return Ok(a.or(b)) };
    if first.is_empty() || second.is_empty() {
        return Ok(Some(if first.is_empty() { second } else { first }));
    }
    let (left, right) = (first.dimensions(), second.dimensions());
    let detail = "Arrays with differing dimensions are not compatible for concatenation.";
    let elements = "Arrays with differing element dimensions are not compatible for concatenation.";
    let dimensions = if left.len() == right.len() {
        if left[1..] != right[1..] {
            return Err(incompatible(elements));
        }
        let mut dimensions = left;
        dimensions[0].length += right[0].length;
        dimensions
    } else if left.len() == right.len() + 1 || left.len() + 1 == right.len() {
        let (mut outer, inner) = if left.len() > right.len() { (left, right) } else { (right, left) };
        if outer[1..] != inner[..] {
            return Err(incompatible(detail));
        }
        outer[0].length += 1;
        outer
    } else {
        let detail = format!(
            "Arrays of {} and {} dimensions are not compatible for concatenation.",
            left.len(),
            right.len()
        );
        return Err(incompatible(&detail));
    };
    Ok(Some(Array::pack_in(first.elements().chain(second.elements()), &dimensions, cx.arena)))
}

fn positions<'a>(array: Array<'a>, value: Datum<'a>) -> impl Iterator<Item = i64> {
    let lower = array.dimensions().first().map_or(1, |d| d.lower as i64);
    (lower..).zip(array.elements()).filter(move |(_, d)| not_distinct(*d, value)).map(|(at, _)| at)
}

/// NULL is in no array.
fn contains(array: Array<'_>, part: Array<'_>, arena: &Arena) -> Result<bool, EvalError> {
    for element in part.elements() {
        if !is_in(element, array, arena)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn overlap(a: Array<'_>, b: Array<'_>, arena: &Arena) -> Result<bool, EvalError> {
    for element in a.elements() {
        if is_in(element, b, arena)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_in(value: Datum<'_>, array: Array<'_>, arena: &Arena) -> Result<bool, EvalError> {
    arena.work(array.bytes().len())?;
    Ok(!value.is_null() && array.elements().any(|own| !own.is_null() && compare(own, value).is_eq()))
}

fn to_string(array: Array<'_>, separator: &str, null: Option<&str>) -> Result<String, EvalError> {
    let text = |d: Datum<'_>| match d {
        Datum::Null => null.map(str::to_owned),
        d => Some(string::as_text(d)),
    };
    let mut out = String::new();
    for (i, part) in array.elements().filter_map(text).enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(&part);
        limit::check(Some(out.len()))?;
    }
    Ok(out)
}

pub(super) fn split<'a>(
    text: &str,
    delimiter: Option<&str>,
    null: Option<&str>,
    cx: Context<'a>,
) -> Array<'a> {
    let parts: Vec<&str> = match delimiter {
        _ if text.is_empty() => Vec::new(),
        None => text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect(),
        Some("") => vec![text],
        Some(delimiter) => text.split(delimiter).collect(),
    };
    let element =
        |part: &str| if Some(part) == null { Datum::Null } else { Datum::Text(cx.arena.alloc_str(part)) };
    Array::pack_flat_in(parts.into_iter().map(element), cx.arena)
}

fn trim<'a>(array: Array<'a>, n: i64, cx: Context<'a>) -> Result<Array<'a>, EvalError> {
    let dimensions = array.dimensions();
    let length = dimensions.first().map_or(0, |d| d.length as i64);
    if n < 0 || n > length {
        return Err(error(format!("number of elements to trim must be between 0 and {length}")));
    }
    let keep = (length - n) as usize;
    let each = array.len() / (length as usize).max(1);
    let mut kept = dimensions;
    if keep == 0 {
        return Ok(Array::pack_flat_in([], cx.arena));
    }
    kept[0] = Dimension { length: keep as u32, lower: 1 };
    Ok(Array::pack_in(array.elements().take(keep * each), &kept, cx.arena))
}

/// The array with `to` in the place of every element that is `from`.
fn replace<'a>(
    array: Array<'a>,
    from: Datum<'a>,
    to: Datum<'a>,
    cx: Context<'a>,
) -> Result<Array<'a>, EvalError> {
    let elements: Vec<Datum<'a>> =
        array.elements().map(|d| if not_distinct(d, from) { to } else { d }).collect();
    limit::check_all(&elements)?;
    Ok(Array::pack_in(elements, &array.dimensions(), cx.arena))
}

/// The most elements that a function makes of nothing.
const ELEMENTS_MAX: u64 = 1 << 24;

fn fill<'a>(value: Datum<'a>, lengths: Option<Array<'a>>, cx: Context<'a>) -> Result<Array<'a>, EvalError> {
    let message = "dimension array or low bound array cannot be null";
    let lengths = lengths.ok_or_else(|| EvalError::new(SqlState::NULL_VALUE_NOT_ALLOWED, message))?;
    let mut dimensions = Vec::new();
    let mut total: u64 = 1;
    for length in lengths.elements() {
        let Datum::Int(length) = length else {
            return Err(EvalError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null"));
        };
        let length = u32::try_from(length).map_err(|_| error("array size exceeds the maximum allowed"))?;
        total = total.saturating_mul(length as u64);
        dimensions.push(Dimension { length, lower: 1 });
    }
    limit::reserve(cx.arena, (total as usize).checked_mul(limit::size(value)))?;
    if total > ELEMENTS_MAX || dimensions.len() > crate::repr::array::MAX_DIMENSIONS {
        return Err(EvalError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            "array size exceeds the maximum allowed",
        ));
    }
    if total == 0 || dimensions.is_empty() {
        return Ok(Array::pack_flat_in([], cx.arena));
    }
    Ok(Array::pack_in(std::iter::repeat_n(value, total as usize), &dimensions, cx.arena))
}
