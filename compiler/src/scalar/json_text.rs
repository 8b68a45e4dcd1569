//! Building `json`, which is kept as it was written: PostgreSQL's blanks and order of keys are part of the value.

use std::fmt::Write;

use bumpalo::Bump;

use super::function::Context;
use super::{EvalError, json_build};
use crate::repr::array::Dimension;
use crate::repr::row::Datums;
use crate::repr::{Array, Datum};

/// The value's text: numbers and truth values as themselves, arrays without blanks, what is json or jsonb as it prints.
pub(super) fn write(value: Datum<'_>, out: &mut String) {
    match value {
        Datum::JsonText(text) => out.push_str(text),
        Datum::Array(array) => write_array(&mut array.elements(), &array.dimensions(), out),
        value => {
            let arena = Bump::new();
            write!(out, "{}", json_build::of(value, &arena)).expect("invariant: a string takes all text");
        }
    }
}

fn write_array(elements: &mut Datums<'_>, dimensions: &[Dimension], out: &mut String) {
    out.push('[');
    let (length, inner) = match dimensions.split_first() {
        Some((first, inner)) => (first.length, inner),
        None => (0, dimensions),
    };
    for at in 0..length {
        out.push_str(if at > 0 { "," } else { "" });
        match inner {
            [] => write(elements.next().unwrap_or(Datum::Null), out),
            inner => write_array(elements, inner, out),
        }
    }
    out.push(']');
}

fn write_key(key: Datum<'_>, out: &mut String) -> Result<(), EvalError> {
    write(Datum::Text(&json_build::key_of(key)?), out);
    Ok(())
}

pub(super) fn of<'a>(value: Datum<'a>, cx: Context<'a>) -> Datum<'a> {
    let mut text = String::new();
    write(value, &mut text);
    Datum::JsonText(cx.arena.alloc_str(&text))
}

pub(super) fn build_array<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    Ok(array(args.iter().copied(), |_| ", ", cx.arena))
}

/// `json_agg` of the values: what has parts begins a line.
pub(super) fn array_of_rows<'a>(values: impl Iterator<Item = Datum<'a>>, arena: &'a Bump) -> Datum<'a> {
    let separator = |value| match value {
        Datum::Array(_) | Datum::Record(_) => ", \n ",
        _ => ", ",
    };
    array(values, separator, arena)
}

fn array<'a>(
    values: impl Iterator<Item = Datum<'a>>,
    separator: fn(Datum<'a>) -> &'static str,
    arena: &'a Bump,
) -> Datum<'a> {
    let mut text = String::from("[");
    for (at, value) in values.enumerate() {
        text.push_str(if at > 0 { separator(value) } else { "" });
        write(value, &mut text);
    }
    text.push(']');
    Datum::JsonText(arena.alloc_str(&text))
}

pub(super) fn build_object<'a>(args: &[Datum<'a>], cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    json_build::check_pairs(args, "json_build_object")?;
    let pairs = args.chunks(2).map(|pair| (pair[0], pair[1]));
    Ok(Datum::JsonText(cx.arena.alloc_str(&format!("{{{}}}", object_parts(pairs)?))))
}

pub(super) fn object_of_texts<'a>(array: Array<'a>, cx: Context<'a>) -> Result<Datum<'a>, EvalError> {
    let pairs = json_build::pairs_of_texts(array)?;
    let pairs = pairs.into_iter().map(|(key, value)| (Datum::Text(key), value));
    Ok(Datum::JsonText(cx.arena.alloc_str(&format!("{{{}}}", object_parts(pairs)?))))
}

/// `json_object_agg` of pairs, of which there is one at least.
pub(super) fn object<'a>(
    pairs: impl Iterator<Item = (Datum<'a>, Datum<'a>)>,
    arena: &'a Bump,
) -> Result<Datum<'a>, EvalError> {
    Ok(Datum::JsonText(arena.alloc_str(&format!("{{ {} }}", object_parts(pairs)?))))
}

fn object_parts<'a>(pairs: impl Iterator<Item = (Datum<'a>, Datum<'a>)>) -> Result<String, EvalError> {
    let mut text = String::new();
    for (at, (key, value)) in pairs.enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        write_key(key, &mut text)?;
        text.push_str(" : ");
        write(value, &mut text);
    }
    Ok(text)
}
