//! Every pass, their whole, and the lowering keep the meaning that `interpret` gives, on random expressions over random
//! histories. A seed that fails is printed with the expression before and after.

mod harness;

use std::collections::BTreeMap;

use compiler::explain::{self, Ids};
use compiler::interpret::{Collection, Updates, interpret};
use compiler::lir::Dataflow;
use compiler::lower::{self, Lifetime, Source, Sources};
use compiler::mir::{CollectionId, Rel};
use compiler::optimize::{PASSES, optimize};
use compiler::repr::{Datum, Row};
use harness::evaluate_lir;
use harness::random_mir::{Generator, TIMES};

/// How many random expressions a test tries; more with `CASES`.
const CASES: u64 = 300;

struct Case {
    seed: u64,
    rel: Rel,
    inputs: BTreeMap<CollectionId, Updates>,
    expected: Updates,
}

fn cases() -> impl Iterator<Item = (Case, Generator)> {
    let first = harness::seed();
    let count = std::env::var("CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(CASES);
    (0..count).map(move |number| {
        let seed = first.wrapping_add(number);
        let mut generator = Generator::new(seed);
        let inputs = generator.histories();
        let depth = 1 + generator.rng.below(4);
        let rel = generator.rel(depth);
        let expected = interpret(&rel, &inputs);
        (Case { seed, rel, inputs, expected }, generator)
    })
}

/// Whether reading the collection would fail.
fn fails(collection: &Collection) -> bool {
    !collection.errs.is_empty()
        || collection.rows.iter().any(|(row, _)| row.iter().any(|datum| matches!(datum, Datum::Error(_))))
}

impl Case {
    /// Equal at every time at which the original does not fail.
    fn check(&self, what: &str, actual: impl Fn(u64) -> Collection, shown: impl Fn() -> String) {
        for time in TIMES {
            let expected = self.expected.as_of(time);
            if fails(&expected) {
                continue;
            }
            let actual = actual(time);
            assert!(
                expected == actual,
                "SEED={} {what} at {time}\nexpected {:?}\nactual   {:?}\n{}\n---\n{}",
                self.seed,
                expected,
                actual,
                explain::mir(&self.rel, &Ids),
                shown()
            );
        }
    }

    fn check_rel(&self, what: &str, rel: &Rel) {
        assert_eq!(self.rel.arity(), rel.arity(), "SEED={} {what}", self.seed);
        let actual = interpret(rel, &self.inputs);
        self.check(what, |time| actual.as_of(time), || explain::mir(rel, &Ids).to_string());
    }
}

#[test]
fn each_pass_keeps_the_meaning() {
    for (case, _) in cases() {
        for pass in PASSES {
            case.check_rel(pass.name, &(pass.run)(case.rel.clone()));
        }
    }
}

#[test]
fn all_passes_keep_the_meaning() {
    for (case, _) in cases() {
        let mut rel = case.rel.clone();
        for round in 0..3 {
            for pass in PASSES {
                rel = (pass.run)(rel);
                case.check_rel(&format!("{} in round {round}", pass.name), &rel);
            }
        }
        case.check_rel("optimize", &optimize(case.rel.clone()));
    }
}

/// A catalog of the generator's tables and streams.
struct Catalog {
    sources: BTreeMap<CollectionId, Source>,
}

impl Catalog {
    fn new(generator: &Generator) -> Catalog {
        let sources = generator.tables.iter().map(|table| {
            let key = table.typ.keys.first().map(Vec::as_slice);
            let dataflow = (!table.append_only)
                .then(|| lower::table(table.id, 0, &table.typ, key, Row::default()).into());
            (
                table.id,
                Source { dataflow, fallible: vec![false; table.typ.arity()], generation: 0, indexes: vec![] },
            )
        });
        Catalog { sources: sources.collect() }
    }
}

impl Sources for Catalog {
    fn source(&self, id: CollectionId) -> Source {
        self.sources[&id].clone()
    }
}

fn check_dataflow(case: &Case, what: &str, rel: &Rel, dataflow: &Dataflow) {
    let times: Vec<u64> = TIMES.collect();
    let results = evaluate_lir::evaluate(dataflow, &case.inputs, &times);
    let shown = || {
        let trees: Vec<String> = explain::lir(dataflow, &Ids).iter().map(ToString::to_string).collect();
        format!("{}---\n{}", explain::mir(rel, &Ids), trees.concat())
    };
    case.check(what, |time| results[(time - TIMES.start) as usize].clone(), shown);
}

#[test]
fn the_lowering_keeps_the_meaning() {
    for (case, generator) in cases() {
        let catalog = Catalog::new(&generator);
        for (what, rel) in [("as written", case.rel.clone()), ("optimized", optimize(case.rel.clone()))] {
            for lifetime in [Lifetime::Maintained, Lifetime::Transient] {
                let dataflow = lower::stream(&rel, lifetime, &catalog);
                check_dataflow(&case, &format!("{what}, {lifetime:?}"), &rel, &dataflow);
            }
            let dataflow = lower::materialized_view(&rel, &catalog);
            check_dataflow(&case, &format!("{what}, as a view"), &rel, &dataflow);
        }
    }
}
