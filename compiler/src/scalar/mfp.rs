//! Map, filter and project as one operator: what sits between two stateful operators, and fused into their outputs.
//!
//! ```text
//! input columns 0..n | maps n.. (each may use the columns before it) -> predicates -> projection
//! ```
//! A row passes when every predicate is true. A map that fails gives an error cell, which stays with its row; a
//! predicate that fails fails the row, unless another predicate is false or NULL: the meaning does not depend on the
//! order of the predicates. [`MfpPlan`](super::mfp_plan::MfpPlan) is the compiled form.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{MfpPlan, ScalarExpr};
use crate::repr::{ColumnType, Row};

/// A function from a row to at most one row. Predicates and projection may name input columns and maps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mfp {
    pub input_arity: usize,
    /// Over a table's rows as they are stored: a row may lack the last columns, which are these then, or have more. Only the
    /// packed forms of evaluation know of it.
    pub missing: Option<Row>,
    /// Map `i` is column `input_arity + i` and refers to columns before it.
    pub maps: Vec<ScalarExpr>,
    pub predicates: Vec<ScalarExpr>,
    /// The output's columns.
    pub projection: Vec<usize>,
}

impl Mfp {
    /// The identity on rows of so many columns.
    pub fn new(input_arity: usize) -> Mfp {
        Mfp {
            input_arity,
            missing: None,
            maps: Vec::new(),
            predicates: Vec::new(),
            projection: (0..input_arity).collect(),
        }
    }

    pub fn output_arity(&self) -> usize {
        self.projection.len()
    }

    /// Appends columns to the output: expressions over it, each of which may use those before it.
    pub fn map(mut self, exprs: impl IntoIterator<Item = ScalarExpr>) -> Mfp {
        for mut expr in exprs {
            expr.permute(&self.projection);
            let column = match expr {
                ScalarExpr::Column(column) => column,
                expr => {
                    self.maps.push(expr);
                    self.input_arity + self.maps.len() - 1
                }
            };
            self.projection.push(column);
        }
        self
    }

    /// Keeps the rows of the output for which every predicate is true.
    pub fn filter(mut self, predicates: impl IntoIterator<Item = ScalarExpr>) -> Mfp {
        for mut predicate in predicates {
            predicate.permute(&self.projection);
            match predicate {
                ScalarExpr::And(operands) => self.predicates.extend(operands),
                predicate => self.predicates.push(predicate),
            }
        }
        self
    }

    /// Keeps these columns of the output, in this order.
    pub fn project(mut self, columns: impl IntoIterator<Item = usize>) -> Mfp {
        self.projection = columns.into_iter().map(|c| self.projection[c]).collect();
        self
    }

    /// This, and then another on its output.
    pub fn then(self, next: Mfp) -> Mfp {
        assert_eq!(self.output_arity(), next.input_arity, "invariant: the next takes what this gives");
        assert!(next.missing.is_none(), "invariant: what this gives is whole");
        self.map(next.maps).filter(next.predicates).project(next.projection)
    }

    /// Whether it gives each row back as it is.
    pub fn is_identity(&self) -> bool {
        self.maps.is_empty()
            && self.predicates.is_empty()
            && self.missing.is_none()
            && self.is_projection_identity()
    }

    fn is_projection_identity(&self) -> bool {
        self.projection.len() == self.input_arity && self.projection.iter().enumerate().all(|(i, c)| i == *c)
    }

    /// Whether no row can pass, because a predicate is false or NULL of every row.
    pub fn is_empty(&self) -> bool {
        self.predicates.iter().any(|p| p.is_literal_false() || p.is_literal_null())
    }

    /// Whether a predicate can fail on a row that holds no error cell.
    pub fn predicates_could_error(&self) -> bool {
        let fallible: BTreeSet<usize> = (self.input_arity..)
            .zip(&self.maps)
            .filter(|(_, map)| map.could_error())
            .map(|(column, _)| column)
            .collect();
        self.predicates
            .iter()
            .any(|p| p.could_error() || self.reaches(p).iter().any(|c| fallible.contains(c)))
    }

    /// All columns, maps included, that an expression depends on.
    fn reaches(&self, expr: &ScalarExpr) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = expr.support().into_iter().collect();
        while let Some(column) = open.pop() {
            if reached.insert(column) && column >= self.input_arity {
                open.extend(self.maps[column - self.input_arity].support());
            }
        }
        reached
    }

    /// The input columns that the predicates depend on.
    pub fn read_by_predicates(&self) -> BTreeSet<usize> {
        let mut columns: BTreeSet<usize> = self.predicates.iter().flat_map(|p| self.reaches(p)).collect();
        columns.retain(|c| *c < self.input_arity);
        columns
    }

    /// The input columns that the output depends on.
    pub fn support(&self) -> BTreeSet<usize> {
        let mut columns = self.read_by_predicates();
        for &column in &self.projection {
            columns.extend(self.reaches(&ScalarExpr::Column(column)));
        }
        columns.retain(|c| *c < self.input_arity);
        columns
    }

    /// The input column that an output column is a plain copy of.
    pub fn passes_through(&self, output: usize) -> Option<usize> {
        Some(self.projection[output]).filter(|c| *c < self.input_arity)
    }

    /// The same on rows of another layout: input column `i` is found at `columns[i]` of `input_arity`.
    pub fn permute_input(mut self, columns: &[usize], input_arity: usize) -> Mfp {
        let from = self.input_arity;
        let renumber = |c: usize| if c < from { columns[c] } else { c - from + input_arity };
        let exprs = self.maps.iter_mut().chain(&mut self.predicates);
        exprs.for_each(|e| e.permute_with(renumber));
        self.projection.iter_mut().for_each(|c| *c = renumber(*c));
        self.input_arity = input_arity;
        self
    }

    /// The types of the output's columns.
    pub fn output_types(&self, input: &[ColumnType]) -> Vec<ColumnType> {
        let mut types = input.to_vec();
        for map in &self.maps {
            let typ = map.typ(&types);
            types.push(typ);
        }
        self.projection.iter().map(|c| types[*c].clone()).collect()
    }

    /// Takes off the predicates that use only the input columns for which `can` holds, written over the input: what can
    /// be asked before the others are there. The rest stays.
    pub fn extract_predicates(&mut self, can: impl Fn(usize) -> bool) -> Vec<ScalarExpr> {
        let whole = self.clone();
        let (taken, kept) = std::mem::take(&mut self.predicates)
            .into_iter()
            .partition(|p| whole.reaches(p).iter().all(|c| *c >= whole.input_arity || can(*c)));
        self.predicates = kept;
        let taken: Vec<ScalarExpr> = taken;
        taken.into_iter().map(|p| whole.inline(p)).collect()
    }

    /// The expression with every map in it replaced by what it computes.
    pub fn inline(&self, mut expr: ScalarExpr) -> ScalarExpr {
        expr.transform_down(&mut |e| {
            while let ScalarExpr::Column(column) = e {
                match column.checked_sub(self.input_arity) {
                    Some(map) => *e = self.maps[map].clone(),
                    None => break,
                }
            }
        });
        expr
    }

    /// Folds constants, computes each map once and only if it is used, drops true and repeated predicates. The meaning
    /// stays.
    pub fn optimize(&mut self) {
        self.fold_constants();
        self.inline_trivial_maps();
        self.merge_equal_maps();
        self.drop_unused_maps();
        self.order_predicates();
    }

    fn fold_constants(&mut self) {
        for expr in self.maps.iter_mut().chain(&mut self.predicates) {
            expr.transform(&mut |e| {
                if let Some(literal) = e.fold_node() {
                    *e = literal;
                }
            });
        }
    }

    /// Maps that are a column or a literal, and those that one expression uses and the projection does not.
    fn inline_trivial_maps(&mut self) {
        let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
        for expr in self.maps.iter().chain(&self.predicates) {
            expr.visit(&mut |e| {
                if let ScalarExpr::Column(column) = e {
                    *uses.entry(*column).or_default() += 1;
                }
            });
        }
        let projected: BTreeSet<usize> = self.projection.iter().copied().collect();
        let arity = self.input_arity;
        let mut inlined: Vec<Option<ScalarExpr>> = vec![None; self.maps.len()];
        for i in 0..self.maps.len() {
            let mut map = self.maps[i].clone();
            replace_columns(&mut map, arity, &inlined);
            let column = arity + i;
            let once = uses.get(&column) == Some(&1) && !projected.contains(&column);
            let literal = map.is_literal() && !map.is_literal_error();
            if literal || once || matches!(map, ScalarExpr::Column(_)) {
                inlined[i] = Some(map.clone());
            }
            self.maps[i] = map;
        }
        for predicate in &mut self.predicates {
            replace_columns(predicate, arity, &inlined);
        }
        for column in &mut self.projection {
            if let Some(Some(ScalarExpr::Column(origin))) = column.checked_sub(arity).map(|i| &inlined[i]) {
                *column = *origin;
            }
        }
    }

    fn merge_equal_maps(&mut self) {
        let mut first: BTreeMap<ScalarExpr, usize> = BTreeMap::new();
        let mut renumbered: Vec<usize> = (0..self.input_arity).collect();
        for (i, map) in self.maps.iter_mut().enumerate() {
            map.permute(&renumbered);
            let column = self.input_arity + i;
            let kept = match map.volatility() {
                super::Volatility::Volatile => column,
                _ => *first.entry(map.clone()).or_insert(column),
            };
            renumbered.push(kept);
        }
        self.predicates.iter_mut().for_each(|p| p.permute(&renumbered));
        self.projection.iter_mut().for_each(|c| *c = renumbered[*c]);
    }

    fn drop_unused_maps(&mut self) {
        let mut used = BTreeSet::new();
        for predicate in &self.predicates {
            used.extend(self.reaches(predicate));
        }
        for &column in &self.projection {
            used.extend(self.reaches(&ScalarExpr::Column(column)));
        }
        let mut renumbered: Vec<usize> = (0..self.input_arity).collect();
        let mut kept = Vec::new();
        for (i, mut map) in std::mem::take(&mut self.maps).into_iter().enumerate() {
            renumbered.push(self.input_arity + kept.len());
            if used.contains(&(self.input_arity + i)) {
                map.permute(&renumbered);
                kept.push(map);
            }
        }
        self.maps = kept;
        self.predicates.iter_mut().for_each(|p| p.permute(&renumbered));
        self.projection.iter_mut().for_each(|c| *c = renumbered[*c]);
    }

    /// Those on early columns first, since evaluation reads a row from its front; then the cheap ones.
    fn order_predicates(&mut self) {
        self.predicates.retain(|p| !p.is_literal_true());
        let mut keyed: Vec<(Option<usize>, usize, ScalarExpr)> = std::mem::take(&mut self.predicates)
            .into_iter()
            .map(|p| (self.reaches(&p).last().copied(), p.size(), p))
            .collect();
        keyed.sort();
        keyed.dedup();
        self.predicates = keyed.into_iter().map(|(_, _, p)| p).collect();
    }

    /// The form that operators run.
    pub fn plan(&self) -> MfpPlan {
        MfpPlan::new(self)
    }
}

/// Replaces the maps' columns for which there is a replacement, itself over the input and kept maps.
fn replace_columns(expr: &mut ScalarExpr, arity: usize, replacements: &[Option<ScalarExpr>]) {
    expr.transform(&mut |e| {
        if let ScalarExpr::Column(column) = e
            && let Some(map) = column.checked_sub(arity)
            && let Some(replacement) = &replacements[map]
        {
            *e = replacement.clone();
        }
    });
}
