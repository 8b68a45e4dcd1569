//! The fuzz targets over their corpora, and over mutations of these: what `cargo fuzz` runs for hours, for a moment, on stable.
//!
//! A crash that a fuzzer finds becomes a file of the corpus. `SEED` repeats the mutations, `CASES` says how many there are.

mod harness;
#[path = "fuzz/targets.rs"]
mod targets;

use harness::random_mir::Rng;
use harness::repository;

/// Mutations of each target's corpus.
const CASES: usize = 400;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = repository("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the corpus can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    let read = |path: std::path::PathBuf| {
        let data = std::fs::read(&path).expect("the corpus can be read");
        (path.display().to_string(), data)
    };
    files.into_iter().map(read).collect()
}

/// A few bytes changed, doubled, cut out or brought from elsewhere.
fn mutated(rng: &mut Rng, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut data = rng.pick(corpus).1.clone();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(data.len() + 1);
        let end = (at + rng.below(9)).min(data.len());
        match rng.below(5) {
            0 => drop(data.drain(at..end)),
            1 => data.insert(at, rng.below(256) as u8),
            2 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            3 => {
                let other = &rng.pick(corpus).1;
                let from = rng.below(other.len() + 1);
                let piece = other[from..(from + rng.below(17)).min(other.len())].to_vec();
                data.splice(at..end, piece);
            }
            _ => data[at..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.below(8)),
        }
    }
    data
}

#[test]
fn the_corpora_and_their_mutations_hold() {
    let seed = harness::seed();
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    for (name, target) in targets::TARGETS {
        let corpus = corpus(name);
        corpus.iter().for_each(|(_, data)| target(data));
        for case in 0..cases {
            let data = mutated(&mut Rng::new(seed.wrapping_add(case as u64)), &corpus);
            let held = std::panic::catch_unwind(|| target(&data));
            assert!(
                held.is_ok(),
                "SEED={} CASES=1: {name} of {}",
                seed.wrapping_add(case as u64),
                data.escape_ascii()
            );
        }
    }
}
