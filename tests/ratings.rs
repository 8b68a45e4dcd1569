//! The main job, as a newcomer does it: `workloads/ratings` run by psql from the repository's root, and the README's tour, whose every
//! line of output must come.

mod harness;

use std::io::Write as _;
use std::process::Stdio;

use harness::repository;
use harness::scripts::{psql, run};
use harness::server::{Options, Server};

#[test]
fn the_ratings_are_what_they_are_said_to_be() {
    for options in [Options::default(), Options { workers: 2, ..Options::default() }] {
        let server = Server::start(options);
        let mut command = psql(server.port);
        command.args(["-A", "-t", "-v", "ON_ERROR_STOP=1"]).current_dir(repository("."));
        for script in ["schema", "views", "load", "queries"] {
            command.args(["-f", &format!("workloads/ratings/{script}.sql")]);
        }
        let expected = "10000\n\
                        5037\n\
                        10000|919\n\
                        1238\n\
                        315|252\n\
                        rbrockherst1@ow.ly|262\n\
                        rleheude5@reddit.com|254\n\
                        hcoda4@senate.gov|252\n\
                        platinum|35|2.4571428571428571|2020-02-14 12:00:00+00|2020-02-14 12:01:00+00\n\
                        platinum|33|2.6666666666666667|2020-02-14 12:01:00+00|2020-02-14 12:02:00+00\n\
                        platinum|27|2.4074074074074074|2020-02-14 12:02:00+00|2020-02-14 12:03:00+00\n\
                        50|1328.62";
        assert_eq!(run(&mut command), expected, "{options:?}");
    }
}

/// What the README has typed, and what it shows of the answer.
struct Step {
    typed: String,
    shown: Vec<String>,
}

/// The steps of the README's code blocks, whose prompt is `=> `, and the lines of its changelog, without their times.
fn tour() -> (Vec<Step>, Vec<String>) {
    let text = std::fs::read_to_string(repository("README.md")).expect("it can be read");
    let (mut steps, mut changelog) = (Vec::<Step>::new(), Vec::new());
    // Odd ones are within fences.
    for block in text.split("```").skip(1).step_by(2) {
        let mut ended = true;
        let mut of_tour = false;
        for line in block.lines().skip(1) {
            if let Some(typed) = line.strip_prefix("=> ") {
                of_tour = true;
                ended = typed.ends_with(';') || typed.starts_with('\\');
                steps.push(Step { typed: typed.to_owned(), shown: Vec::new() });
            } else if let Some(step) = steps.last_mut().filter(|_| of_tour) {
                if ended {
                    step.shown.push(line.to_owned());
                } else {
                    step.typed += &format!("\n{}", line.trim_start());
                    ended = line.ends_with(';');
                }
            } else if let Some((_, update)) = line.split_once('\t') {
                changelog.push(update.to_owned());
            }
        }
    }
    (steps, changelog)
}

/// What psql prints for all of it: of what a statement reports, COPY's number alone.
fn printed(port: u16, typed: &str) -> Vec<String> {
    let mut command = psql(port);
    command.args(["-v", "QUIET=off", "-v", "ON_ERROR_STOP=1", "-P", "footer=off"]);
    command.current_dir(repository("."));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql can be started");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("psql reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{typed}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_shown = |line: &&str| {
        !line.is_empty() && !["CREATE ", "INSERT ", "UPDATE "].iter().any(|word| line.starts_with(word))
    };
    text.lines().filter(is_shown).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn the_tour_shows_what_it_says() {
    let server = Server::start(Options::default());
    let (steps, changelog) = tour();
    let live = steps.iter().position(|step| step.typed.starts_with("COPY (SUBSCRIBE")).expect("one is shown");
    let (before, after) = (&steps[..live], &steps[live + 1..]);
    assert!(before.len() >= 2 && after.len() >= 12, "the tour is not found");
    let shows_what_it_says = |steps: &[Step]| {
        let typed: String = steps.iter().map(|step| format!("{}\n", step.typed)).collect();
        let shown: Vec<&str> =
            steps.iter().flat_map(|step| &step.shown).map(|line| line.trim_end()).collect();
        assert_eq!(printed(server.port, &typed), shown);
    };
    shows_what_it_says(before);
    let mut client = server.connect();
    let mut now = || client.query_one("SELECT tw_now()", &[]).expect("it is answered").get::<_, i64>(0);
    let from = now();
    shows_what_it_says(after);
    // What the second psql has shown meanwhile.
    let bounded = format!("totals AS OF {from} UP TO {})", now() + 1);
    let updates = printed(server.port, &steps[live].typed.replace("totals)", &bounded));
    let updates: Vec<&str> = updates.iter().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    assert_eq!(updates, changelog);
}
