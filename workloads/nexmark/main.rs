//! Nexmark q1 to q4 from SQL, and beside each the hand-written typed differential program of the same query.
//!
//! Every measurement is a process of its own: the same events are generated in each, so that one program's memory is not
//! counted as the other's. A process first computes the answer, then runs the program several times over the same batches. No
//! figure of a query is shown whose two programs disagree.

mod compiled;
mod events;

use std::cell::RefCell;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::worker::Worker;
use workloads::answer::Answer;
use workloads::flags::{Failure, Flags, exit};
use workloads::limits::nexmark::{self as limits, Output};
use workloads::machine::Machine;
use workloads::report::{Report, Table, mebibytes, millions};
use workloads::resources;

/// A query: how the report calls it, its view, its typed program.
struct Query {
    title: &'static str,
    view: &'static str,
    limit: limits::Query,
}

const QUERIES: &[Query] = &[
    Query { title: "q1", view: "q1", limit: limits::Query::Q1Whole },
    Query { title: "q1, no strings", view: "q1_pruned", limit: limits::Query::Q1 },
    Query { title: "q2", view: "q2", limit: limits::Query::Q2 },
    Query { title: "q3", view: "q3", limit: limits::Query::Q3 },
    Query { title: "q4", view: "q4", limit: limits::Query::Q4 },
];

fn main() -> ExitCode {
    let flags = Flags::parse("nexmark", |options| {
        options.optopt("", "events", "how many events of all kinds (default: 2000000)", "N");
        options.optopt("", "batches", "events in a batch, one or more sizes (default: 10000,100000)", "N,N");
        options.optopt("", "rounds", "how often each program is run; the best counts (default: 3)", "N");
        options.optopt("", "view", "only this view", "NAME");
        options.optflag("", "explain", "print what is run for each view instead of running it");
        options.optopt("", "measure", "used by the program itself: \"compiled\" or \"limit\"", "PROGRAM");
    });
    let sizes =
        Sizes { events: flags.value("events", 2_000_000, 20_000), rounds: flags.value("rounds", 3, 1) };
    exit(match flags.text("measure") {
        Some(program) => measure(&program, &flags, &sizes),
        None if flags.is_set("explain") => explain(&flags),
        None => compare(&flags, &sizes),
    })
}

struct Sizes {
    events: usize,
    rounds: usize,
}

/// The queries that are wanted.
fn wanted(flags: &Flags) -> impl Iterator<Item = &'static Query> {
    let only = flags.text("view");
    QUERIES.iter().filter(move |query| only.as_deref().is_none_or(|view| view == query.view))
}

fn explain(flags: &Flags) -> Result<(), Failure> {
    for query in wanted(flags) {
        println!("{}\n{}\n", query.title, compiled::explain(query.view)?);
    }
    Ok(())
}

/// Runs every query both ways and reports.
fn compare(flags: &Flags, sizes: &Sizes) -> Result<(), Failure> {
    let machine = Machine::describe();
    let batches: String = flags.value("batches", "10000,100000".to_owned(), "1000,10000".to_owned());
    let mut table = Table::new([
        "query",
        "batch",
        "limit, M events/CPU s",
        "compiled, M events/CPU s",
        "ratio",
        "limit, peak MiB",
        "compiled, peak MiB",
        "rows",
    ]);
    for query in wanted(flags) {
        for batch in batches.split(',') {
            let limit = measured("limit", query, batch, sizes)?;
            let compiled = measured("compiled", query, batch, sizes)?;
            if limit.answer != compiled.answer {
                let (expected, found) = (limit.answer, compiled.answer);
                return Err(format!(
                    "{}: the answers differ: {expected} is expected, {found} found",
                    query.title
                )
                .into());
            }
            let speed = |measured: &Measured| sizes.events as f64 / measured.cpu.as_secs_f64();
            let (at_best, reached) = (speed(&limit), speed(&compiled));
            eprintln!("{} in batches of {batch}: {:.2} of the limit", query.title, reached / at_best);
            table.row([
                query.title.to_owned(),
                batch.to_owned(),
                millions(at_best),
                millions(reached),
                format!("{:.2}", reached / at_best),
                mebibytes(limit.peak),
                mebibytes(compiled.peak),
                compiled.answer.rows.to_string(),
            ]);
        }
    }
    let report = Report {
        workload: "nexmark",
        run: format!("{} events of all kinds, best of {} rounds, one worker.", sizes.events, sizes.rounds),
        table,
        notes: NOTES.iter().map(|note| (*note).to_owned()).collect(),
    };
    Ok(report.publish(&machine, flags.smoke())?)
}

const NOTES: &[&str] = &[
    "The answers of both programs were equal.",
    "Every event counts in every query, whether or not the query reads its relation; the peak is of what the program adds to its \
     input, which is in memory before.",
    "A compiled query reads whole packed rows and delivers consolidated updates as a subscriber gets them; a typed program reads \
     only what the query needs (for q1 the strings too) and counts its updates.",
];

/// What one process found out about one program.
struct Measured {
    answer: Answer,
    cpu: Duration,
    peak: u64,
}

/// Measures a program in a process of its own.
fn measured(program: &str, query: &Query, batch: &str, sizes: &Sizes) -> Result<Measured, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--measure", program, "--view", query.view, "--batches", batch])
        .args(["--events", &sizes.events.to_string(), "--rounds", &sizes.rounds.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields[..] {
        [answer, cpu_ns, peak] if output.status.success() => Ok(Measured {
            answer: answer.parse()?,
            cpu: Duration::from_nanos(cpu_ns.parse()?),
            peak: peak.parse()?,
        }),
        _ => Err(format!("{}: the {program} program failed", query.title).into()),
    }
}

/// Measures a program in this process; says its answer, its least CPU time and the memory that it added.
fn measure(program: &str, flags: &Flags, sizes: &Sizes) -> Result<(), Failure> {
    let view = flags.text("view").ok_or("--measure needs --view")?;
    let query = QUERIES.iter().find(|query| query.view == view).ok_or("no such view")?;
    let batch: usize = flags.value("batches", 10_000, 10_000);
    let measured = match program {
        "limit" => {
            let batches = Arc::new(events::typed(query.limit, sizes.events, batch));
            let limit = query.limit;
            rounds(sizes.rounds, move |worker, output| limits::run(worker, limit, &batches, output))
        }
        "compiled" => {
            let program = compiled::Program::compile(query.view)?;
            let batches = Arc::new(events::packed(&program.relations(), sizes.events, batch));
            rounds(sizes.rounds, move |worker, output| program.run(worker, &batches, output))
        }
        _ => return Err(format!("--measure {program}: no such program").into()),
    };
    println!("{} {} {}", measured.answer, measured.cpu.as_nanos(), measured.peak);
    Ok(())
}

/// Runs a program once for its answer and its memory, then for its speed.
fn rounds(
    rounds: usize,
    run: impl Fn(&mut Worker, &Rc<RefCell<Output>>) -> Duration + Clone + Send + Sync + 'static,
) -> Measured {
    resources::forget_peak();
    let before = resources::memory().resident;
    let round = |answer: Option<Answer>| {
        let run = run.clone();
        timely::execute_directly(move |worker| {
            let output = Rc::new(RefCell::new(Output { updates: 0, answer }));
            let cpu = run(worker, &output);
            let answer = output.borrow().answer;
            (cpu, answer)
        })
    };
    let (_, answer) = round(Some(Answer::default()));
    let peak = resources::memory().peak.saturating_sub(before);
    let best = (0..rounds).map(|_| round(None).0).min();
    Measured {
        answer: answer.expect("invariant: the first round has an answer"),
        cpu: best.unwrap_or(Duration::ZERO),
        peak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_and_typed_programs_agree() {
        for query in QUERIES {
            let limit = query.limit;
            let batches = Arc::new(events::typed(limit, 3_000, 500));
            let expected =
                rounds(0, move |worker, output| limits::run(worker, limit, &batches, output)).answer;
            let program = compiled::Program::compile(query.view).expect("the view compiles");
            // Other batches: an answer does not depend on when its rows came.
            let batches = Arc::new(events::packed(&program.relations(), 3_000, 700));
            let found = rounds(0, move |worker, output| program.run(worker, &batches, output)).answer;
            assert_eq!(found, expected, "{}", query.title);
            assert!(found.rows > 0, "{} has no answer", query.title);
        }
    }
}
