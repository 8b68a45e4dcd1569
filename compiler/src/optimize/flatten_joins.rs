//! A join of joins becomes one join, so that the order is chosen among all inputs.
//!
//! What stands between the two (projections, filters, maps) moves above the outer join: it is then evaluated on fewer
//! rows. A map that can fail stays if an equivalence may need it: a failing join key is an error of the whole collection.

use crate::mir::Rel;
use crate::mir::analysis::columns::Columns;
use crate::scalar::{ScalarExpr, Volatility};

pub fn flatten_joins(rel: Rel) -> Rel {
    rel.transform(&mut |rel| match rel {
        Rel::Join { inputs, equivalences } => flatten(inputs, equivalences),
        rel => rel,
    })
}

fn flatten(inputs: Vec<Rel>, mut equivalences: Vec<Vec<ScalarExpr>>) -> Rel {
    let columns = Columns::of(&inputs);
    // Over the new join's columns and then what maps compute: where each of the old join's columns is.
    let mut outputs: Vec<Output> = Vec::new();
    let mut flat = Flat::default();
    for (number, input) in inputs.into_iter().enumerate() {
        let used = equivalences
            .iter()
            .flatten()
            .any(|expr| expr.support().iter().any(|column| columns.range(number).contains(column)));
        flat.absorb(input, used, &mut outputs);
    }
    for expr in equivalences.iter_mut().flatten() {
        expr.transform(&mut |e| {
            if let ScalarExpr::Column(column) = e {
                *e = match outputs[*column] {
                    Output::Column(column) => ScalarExpr::Column(column),
                    Output::Map(map) => flat.maps[map].clone(),
                };
            }
        });
    }
    flat.finish(equivalences, outputs)
}

/// Where a column of the old join comes from.
enum Output {
    Column(usize),
    /// Which of the maps that moved up.
    Map(usize),
}

#[derive(Default)]
struct Flat {
    inputs: Vec<Rel>,
    arity: usize,
    equivalences: Vec<Vec<ScalarExpr>>,
    predicates: Vec<ScalarExpr>,
    /// Over columns of the new join alone.
    maps: Vec<ScalarExpr>,
}

impl Flat {
    /// Adds an input: its own inputs if it is a join under nothing but projections, filters and maps.
    fn absorb(&mut self, input: Rel, used: bool, outputs: &mut Vec<Output>) {
        match Layers::peel(input, used) {
            Ok(Layers { inputs, equivalences, predicates, maps, projection }) => {
                let shift = self.arity;
                let arity: usize = inputs.iter().map(Rel::arity).sum();
                let shifted = |mut expr: ScalarExpr| {
                    expr.permute_with(|column| column + shift);
                    expr
                };
                self.arity += arity;
                self.inputs.extend(inputs);
                let classes = equivalences.into_iter();
                self.equivalences.extend(classes.map(|class| class.into_iter().map(shifted).collect()));
                self.predicates.extend(predicates.into_iter().map(shifted));
                let first_map = self.maps.len();
                self.maps.extend(maps.into_iter().map(shifted));
                outputs.extend(projection.into_iter().map(|column| match column.checked_sub(arity) {
                    Some(map) => Output::Map(first_map + map),
                    None => Output::Column(column + shift),
                }));
            }
            Err(input) => {
                let arity = input.arity();
                // The unit collection adds nothing to a join.
                if input != Rel::unit() {
                    self.inputs.push(input);
                }
                outputs.extend((self.arity..self.arity + arity).map(Output::Column));
                self.arity += arity;
            }
        }
    }

    fn finish(self, mut equivalences: Vec<Vec<ScalarExpr>>, outputs: Vec<Output>) -> Rel {
        let Flat { mut inputs, arity, equivalences: inner, predicates, maps } = self;
        equivalences.extend(inner);
        let projection = outputs.iter().map(|output| match output {
            Output::Column(column) => *column,
            Output::Map(map) => arity + map,
        });
        let joined = match inputs.len() {
            1 => inputs.remove(0).filter(equalities(equivalences)),
            _ => Rel::join(inputs, equivalences),
        };
        joined.filter(predicates).map(maps).project(projection.collect())
    }
}

/// What a join of one input asks of its rows.
fn equalities(equivalences: Vec<Vec<ScalarExpr>>) -> Vec<ScalarExpr> {
    let mut predicates = Vec::new();
    for class in equivalences {
        let mut members = class.into_iter();
        let Some(first) = members.next() else { continue };
        predicates.extend(members.map(|member| first.clone().equals(member)));
    }
    predicates
}

/// A join under projections, filters and maps, taken apart: all expressions over the join's columns, the projection over
/// those and then the maps.
struct Layers {
    inputs: Vec<Rel>,
    equivalences: Vec<Vec<ScalarExpr>>,
    predicates: Vec<ScalarExpr>,
    maps: Vec<ScalarExpr>,
    projection: Vec<usize>,
}

impl Layers {
    /// The input back if it is no such thing, or if its maps cannot move (`used`: equivalences above read the input).
    fn peel(rel: Rel, used: bool) -> Result<Layers, Rel> {
        if !is_join_under(&rel, used) {
            return Err(rel);
        }
        Ok(match rel {
            Rel::Join { inputs, equivalences } => {
                let arity = inputs.iter().map(Rel::arity).sum();
                Layers {
                    inputs,
                    equivalences,
                    predicates: vec![],
                    maps: vec![],
                    projection: (0..arity).collect(),
                }
            }
            Rel::Project { input, outputs } => {
                let mut layers = Layers::peel(*input, used)?;
                layers.projection = outputs.into_iter().map(|column| layers.projection[column]).collect();
                layers
            }
            Rel::Filter { input, predicates } => {
                let mut layers = Layers::peel(*input, used)?;
                let predicates = predicates.into_iter().map(|predicate| layers.inlined(predicate));
                let predicates: Vec<ScalarExpr> = predicates.collect();
                layers.predicates.extend(predicates);
                layers
            }
            Rel::Map { input, scalars } => {
                let mut layers = Layers::peel(*input, used)?;
                for scalar in scalars {
                    let scalar = layers.inlined(scalar);
                    layers.maps.push(scalar);
                    layers.projection.push(layers.arity() + layers.maps.len() - 1);
                }
                layers
            }
            rel => return Err(rel),
        })
    }

    fn arity(&self) -> usize {
        self.inputs.iter().map(Rel::arity).sum()
    }

    /// An expression over the layers' output, written over the join's columns.
    fn inlined(&self, mut expr: ScalarExpr) -> ScalarExpr {
        let arity = self.arity();
        expr.transform(&mut |e| {
            if let ScalarExpr::Column(column) = e {
                *e = match self.projection[*column].checked_sub(arity) {
                    Some(map) => self.maps[map].clone(),
                    None => ScalarExpr::Column(self.projection[*column]),
                };
            }
        });
        expr
    }
}

/// Whether there is a join under nothing but what can move above the join that it is an input of.
fn is_join_under(rel: &Rel, used: bool) -> bool {
    match rel {
        Rel::Join { .. } => true,
        Rel::Project { input, .. } => is_join_under(input, used),
        Rel::Filter { input, predicates } => {
            predicates.iter().all(|predicate| predicate.volatility() != Volatility::Volatile)
                && is_join_under(input, used)
        }
        Rel::Map { input, scalars } => {
            (!used || !scalars.iter().any(ScalarExpr::could_error))
                && scalars.iter().map(ScalarExpr::size).sum::<usize>() < 64
                && scalars.iter().all(|scalar| scalar.volatility() != Volatility::Volatile)
                && is_join_under(input, used)
        }
        _ => false,
    }
}
