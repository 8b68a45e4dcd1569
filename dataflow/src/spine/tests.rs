//! Arrangements against a recomputation: what snapshots answer while updates stream in and compaction follows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use differential_dataflow::trace::TraceReader;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use timely::dataflow::operators::Probe;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::progress::frontier::AntichainRef;

use super::*;

type Model = BTreeMap<(Vec<u8>, Vec<u8>), Diff>;

/// Every key and value in the model at a time is what lookups and scans find, and nothing else.
fn check(snapshot: &Snapshot, at: Timestamp, model: &Model) {
    let mut found = Vec::new();
    let _ = snapshot.scan(&[], at, |key, value, diff| {
        found.push(((key.to_vec(), value.to_vec()), diff));
        ControlFlow::Continue(())
    });
    let wanted: Vec<_> = model.iter().map(|(row, diff)| (row.clone(), *diff)).collect();
    assert_eq!(found, wanted, "scan at {at}");
    for to in [None, Some(vec![2, 17]), Some(vec![2, 17, 0])] {
        let mut found = Vec::new();
        let _ = snapshot.scan_back(to.as_deref(), at, |key, value, diff| {
            found.push(((key.to_vec(), value.to_vec()), diff));
            ControlFlow::Continue(())
        });
        assert!(found.is_sorted_by(|((former, _), _), ((latter, _), _)| former >= latter), "{found:?}");
        found.sort();
        let before = |((key, _), _): &&((Vec<u8>, Vec<u8>), Diff)| to.as_ref().is_none_or(|to| key < to);
        assert_eq!(found, wanted.iter().filter(before).cloned().collect::<Vec<_>>(), "backwards at {at}");
    }
    for key in 0..40u8 {
        let mut found = Vec::new();
        snapshot.lookup(&[key / 8, key], at, |value, diff| found.push((value.to_vec(), diff)));
        let wanted: Vec<_> = model
            .iter()
            .filter(|((k, _), _)| *k == [key / 8, key])
            .map(|((_, value), diff)| (value.clone(), *diff))
            .collect();
        assert_eq!(found, wanted, "lookup of {key} at {at}");
    }
    for prefix in 0..5u8 {
        let mut found = 0;
        let _ = snapshot.scan_prefix(&[prefix], at, |_, _, _| {
            found += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(found, model.keys().filter(|(key, _)| key[0] == prefix).count());
    }
}

#[test]
fn snapshots_answer_every_time_since_they_may() {
    timely::execute(timely::Config::thread(), |worker| {
        let mut rng = StdRng::seed_from_u64(7);
        let mut input = InputHandle::<Timestamp, RowsBuilder>::new_with_builder();
        let probe = ProbeHandle::new();
        let mut trace = worker.dataflow(|scope| {
            let arranged = arrange(input.to_stream(scope), "Test");
            arranged.stream.probe_with(&probe);
            arranged.trace
        });
        let mut model = Model::new();
        let mut history = Vec::new();
        for time in 1..200u64 {
            for _ in 0..rng.random_range(0..6) {
                let key = rng.random_range(0..40u8);
                let row = (vec![key / 8, key], vec![rng.random_range(0..4)]);
                let diff = if model.contains_key(&row) && rng.random() { -1 } else { 1 };
                input.send((&row.0[..], &row.1[..], time, diff));
                *model.entry(row).or_default() += diff;
            }
            model.retain(|_, diff| *diff != 0);
            history.push((time, model.clone()));
            input.advance_to(time + 1);
            worker.step_while(|| probe.less_than(&(time + 1)));
            let since = time.saturating_sub(if time / 50 % 2 == 0 { 0 } else { 5 });
            trace.set_logical_compaction(AntichainRef::new(&[since]));
            trace.set_physical_compaction(AntichainRef::new(&[time + 1]));
            let snapshot = Snapshot::of(&mut trace);
            assert!(snapshot.is_current(&trace));
            for (at, model) in history.iter().filter(|(at, _)| snapshot.since <= *at) {
                check(&snapshot, *at, model);
            }
        }
    })
    .expect("one worker runs");
}

#[test]
fn routing_spreads_packed_integers() {
    let mut counts = [0; 4];
    for i in 0..4000u32 {
        counts[(route(&i.to_be_bytes()) % 4) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}
