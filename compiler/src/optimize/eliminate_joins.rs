//! Joins of a collection with the distinct values of its own columns, which decorrelation leaves behind, are filters.
//!
//! `Join [a, Distinct(a's k)]` on all of k is `a` where k is not NULL: each row meets its own k, exactly once. So is the join with an
//! input that is keyed by what it is joined on and adds nothing but those columns, when it is known to have every value.

use crate::mir::Rel;
use crate::mir::analysis::columns::Columns;
use crate::repr::ColumnType;
use crate::scalar::ScalarExpr;

pub fn eliminate_joins(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Join { inputs, equivalences } => match find_redundant(&inputs, &equivalences) {
            Some(redundant) => remove(inputs, equivalences, redundant),
            None => Rel::join(inputs, equivalences),
        },
        rel => rel,
    })
}

/// An input that another makes superfluous, and for each of its columns the column of the join that replaces it.
struct Redundant {
    input: usize,
    replacements: Vec<usize>,
}

fn find_redundant(inputs: &[Rel], equivalences: &[Vec<ScalarExpr>]) -> Option<Redundant> {
    let columns = Columns::of(inputs);
    for (number, input) in inputs.iter().enumerate() {
        let Some((source, outputs)) = distinct_columns(input) else { continue };
        for (other_number, other) in inputs.iter().enumerate() {
            if other_number == number {
                continue;
            }
            let Some(places) = columns_in(other, source, &outputs) else { continue };
            let replacements: Vec<usize> =
                places.iter().map(|place| columns.start(other_number) + place).collect();
            let joined = replacements.iter().zip(columns.range(number)).all(|(theirs, ours)| {
                equivalences.iter().any(|class| {
                    class.contains(&ScalarExpr::Column(ours)) && class.contains(&ScalarExpr::Column(*theirs))
                })
            });
            if joined {
                return Some(Redundant { input: number, replacements });
            }
        }
    }
    None
}

/// The collection and its columns whose distinct values `rel` is. Not for types of which equal values print differently: there, the
/// distinct ones are others than the rows'.
fn distinct_columns(rel: &Rel) -> Option<(&Rel, Vec<usize>)> {
    let Rel::Reduce { input, group_key, aggregates } = rel else { return None };
    if !aggregates.is_empty() || group_key.is_empty() {
        return None;
    }
    let types: Vec<ColumnType> = input.columns();
    let keys = group_key.iter().map(|expr| match expr {
        ScalarExpr::Column(column) if !types[*column].typ.has_lossy_equality() => Some(*column),
        _ => None,
    });
    let keys: Vec<usize> = keys.collect::<Option<_>>()?;
    Some(match &**input {
        Rel::Project { input, outputs } => (input, keys.iter().map(|key| outputs[*key]).collect()),
        input => (input, keys),
    })
}

/// Where `rel` has these columns of `source`, if every row of `rel` comes from a row of `source` with them.
fn columns_in(rel: &Rel, source: &Rel, wanted: &[usize]) -> Option<Vec<usize>> {
    if rel == source {
        return Some(wanted.to_vec());
    }
    match rel {
        Rel::Project { input, outputs } => {
            let places = columns_in(input, source, wanted)?;
            places.iter().map(|place| outputs.iter().position(|output| output == place)).collect()
        }
        Rel::Map { input, .. } | Rel::Filter { input, .. } | Rel::Threshold { input } => {
            columns_in(input, source, wanted)
        }
        Rel::TopK { input, .. } | Rel::FlatMap { input, .. } | Rel::Window { input, .. } => {
            columns_in(input, source, wanted)
        }
        // A project that only narrows the source is still the source.
        _ => None,
    }
}

fn remove(inputs: Vec<Rel>, mut equivalences: Vec<Vec<ScalarExpr>>, redundant: Redundant) -> Rel {
    let columns = Columns::of(&inputs);
    let range = columns.range(redundant.input);
    let shift = |column: usize| if column < range.start { column } else { column - range.len() };
    let places: Vec<usize> = (0..columns.arity())
        .map(|column| match range.contains(&column) {
            true => shift(redundant.replacements[column - range.start]),
            false => shift(column),
        })
        .collect();
    for class in &mut equivalences {
        class.iter_mut().for_each(|expr| expr.permute(&places));
        class.sort();
        class.dedup();
    }
    // What a class of one member still says: that it is not NULL.
    let (classes, single): (Vec<_>, Vec<_>) = equivalences.into_iter().partition(|class| class.len() > 1);
    let not_null =
        single.into_iter().flatten().filter(|expr| !expr.is_literal()).map(ScalarExpr::is_not_null);
    let not_null: Vec<ScalarExpr> = not_null.collect();
    let kept = inputs.into_iter().enumerate().filter(|(number, _)| *number != redundant.input);
    let mut kept: Vec<Rel> = kept.map(|(_, input)| input).collect();
    let joined = match kept.len() {
        1 if classes.is_empty() => kept.remove(0),
        _ => Rel::join(kept, classes),
    };
    joined.filter(not_null).project(places)
}
