//! The shortest road: a prepared SELECT of what is under one key.
//!
//! All that does not depend on the parameters' values is made once for the statement: the arrangement is found, the plan
//! compiled, and the predicates that the key itself answers are left out. An execution then encodes the key, looks it up on
//! the session's thread without waiting for anybody, and projects.

use std::sync::Arc;

use compiler::Error;
use compiler::lir::Layout;
use compiler::mir::predicate::as_equality;
use compiler::plan::{Access, FastPath, Plan, Query, Source};
use compiler::repr::{Datum, Row, RowBuf, Type};
use compiler::scalar::{Mfp, MfpPlan, ScalarExpr};
use dataflow::Engine;
use dataflow::coordinator::fragments::Readable;

use super::Evaluation;
use crate::session::{Interrupt, RowSet};

/// A lookup that is ready to be made.
pub struct Point {
    readable: Arc<Readable>,
    layout: Layout,
    key: Vec<ScalarExpr>,
    plan: MfpPlan,
}

impl Point {
    /// The plan as a lookup, if it is one.
    pub fn of(plan: &Plan, engine: &Engine) -> Option<Point> {
        let (path, key, mfp) = Point::shape(plan)?;
        let (readable, layout) = (engine.readable(&path.identity)?, path.layout.clone());
        Some(Point { readable, layout, key: key.to_vec(), plan: mfp.plan() })
    }

    /// What is read, the key, and what is done to the records under it, which no parameter has a part in.
    fn shape(plan: &Plan) -> Option<(&FastPath, &[ScalarExpr], Mfp)> {
        let Plan::Query(Query { source: Source::FastPath(path), finishing, effects: None, .. }) = plan else {
            return None;
        };
        let Access::Lookup(keys) = &path.access else { return None };
        let [key] = &keys[..] else { return None };
        if !finishing.order.is_empty() || finishing.limit.is_some() || finishing.offset.is_some() {
            return None;
        }
        let mut mfp = path.mfp.clone();
        mfp.predicates.retain(|predicate| !is_answered_by(predicate, key, path));
        let mfp = mfp.project(finishing.project.iter().copied());
        let depends = |expr: &ScalarExpr| expr.any(&mut |part| matches!(part, ScalarExpr::Parameter(..)));
        if mfp.maps.iter().chain(&mfp.predicates).any(depends) {
            return None;
        }
        Some((path, key, mfp))
    }

    /// The rows under the key that the parameters make; `None` if they cannot be had at once.
    pub fn read(
        &self,
        values: &Row,
        types: &[Type],
        interrupt: &Arc<Interrupt>,
    ) -> Result<Option<RowSet>, Error> {
        let mut evaluation = Evaluation::new(interrupt);
        let mut rows = RowSet::default();
        let Some(key) = self.key(values, types, &mut evaluation)? else { return Ok(Some(rows)) };
        let (mut row, mut failed) = (RowBuf::default(), None);
        let read = self.readable.point(&key, &mut |value, diff| match evaluation.pass(
            &self.plan,
            &[&key, value],
            &mut row,
        ) {
            Ok(true) => (0..diff).for_each(|_| rows.push(row.bytes())),
            Ok(false) => {}
            Err(error) => failed = Some(error),
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(read.then_some(rows)),
        }
    }

    /// `None` if a part is NULL, which equals nothing.
    fn key(
        &self,
        values: &Row,
        types: &[Type],
        evaluation: &mut Evaluation,
    ) -> Result<Option<Vec<u8>>, Error> {
        let datums = values.unpack();
        let mut bytes = Vec::with_capacity(16);
        for (place, expr) in self.key.iter().enumerate() {
            let value;
            let datum = match expr {
                ScalarExpr::Parameter(index, _) => datums[*index],
                expr => {
                    value = evaluation.values(&[bind(expr, &datums, types)])?;
                    value.unpack()[0]
                }
            };
            match datum {
                Datum::Null => return Ok(None),
                datum => self.layout.encode_key(place, datum, &mut bytes),
            }
        }
        Ok(Some(bytes))
    }
}

fn bind(expr: &ScalarExpr, datums: &[Datum<'_>], types: &[Type]) -> ScalarExpr {
    let literals: Vec<_> =
        datums.iter().zip(types).map(|(d, t)| ScalarExpr::literal(*d, t.clone())).collect();
    let mut expr = expr.clone();
    expr.substitute_parameters(&literals);
    expr
}

/// Whether a record that was found under the key passes the predicate in any case: it says no more than `column = key`.
fn is_answered_by(predicate: &ScalarExpr, key: &[ScalarExpr], path: &FastPath) -> bool {
    let Some((left, right)) = as_equality(predicate) else { return false };
    key.iter().take(path.layout.key).enumerate().any(|(column, value)| {
        let column = ScalarExpr::column(column);
        (*left == column && right == value) || (*right == column && left == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use compiler::plan::Context;

    /// The plan of the last statement, after the definitions before it.
    fn plan(statements: &str) -> Plan {
        let mut catalog = compiler::empty_catalog();
        let context = Context { search_path: vec!["public".to_owned()], ..Context::default() };
        let mut last = None;
        for statement in compiler::parse::parse(statements).expect("test statements parse") {
            let compiled =
                compiler::compile(&statement.node, &catalog, &context).expect("test statements compile");
            if let Plan::Change(change) = &compiled.plan {
                catalog = catalog.apply_all(&change.changes).expect("test definitions apply");
            }
            last = Some(compiled.plan);
        }
        last.expect("there is a statement")
    }

    #[test]
    fn a_lookup_of_a_parameter_needs_nothing_but_the_key() {
        for (typ, cast) in [("bigint", ""), ("int", ""), ("text", ""), ("date", "::date")] {
            let plan = plan(&format!(
                "CREATE TABLE t (k {typ} PRIMARY KEY, v text); SELECT v || '!' FROM t WHERE $1{cast} = k;"
            ));
            let (_, key, mfp) = Point::shape(&plan).unwrap_or_else(|| panic!("{typ}: no lookup"));
            assert!(matches!(key, [ScalarExpr::Parameter(..)]), "{typ}: {key:?}");
            assert!(mfp.predicates.is_empty(), "{typ}: {:?}", mfp.predicates);
        }
    }

    #[test]
    fn what_the_key_does_not_answer_is_no_lookup() {
        for query in ["k = $1 AND v > $2", "k > $1", "k = $1 ORDER BY v", "k = $1 OR k = $2"] {
            let plan =
                plan(&format!("CREATE TABLE t (k int PRIMARY KEY, v text); SELECT v FROM t WHERE {query};"));
            assert!(Point::shape(&plan).is_none(), "{query}");
        }
    }
}
