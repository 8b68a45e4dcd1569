//! The processes of a server: what they say, how they find each other, and how they end.

mod harness;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Scratch;
use harness::server::{Options, Server, hostfile};
use harness::wire::Wire;

/// The longest that the end may take once it was asked for.
const END: Duration = Duration::from_secs(1);

fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.id().to_string()]).status();
    assert!(sent.expect("kill can be run").success());
}

/// One process of a group of two, with pipes for what it says.
fn process(number: usize, workers: usize, hosts: &Scratch) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.args(["--memory", "--listen", "127.0.0.1:0", "-n", "2"]);
    command.args(["-p", &number.to_string(), "-w", &workers.to_string(), "-h"]);
    command.arg(hosts.path().join("hosts"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server can be started")
}

/// What it said on stdout and on stderr until its end, and its exit code.
fn ended(mut process: Child) -> (String, String, Option<i32>) {
    let code = process.wait().expect("it ends").code();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    process.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("it can be read");
    process.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    (stdout, stderr, code)
}

#[test]
fn the_loss_of_a_process_is_one_line_and_ends_the_others() {
    let logs = Scratch::new("logs");
    let stderr = logs.path().join("stderr");
    let mut server =
        Server::start(Options { processes: 2, workers: 2, stderr: Some(&stderr), ..Options::default() });
    let mut client = Wire::connect(server.port);
    client.ask("CREATE TABLE t (a int)");
    server.process_at(1).kill().expect("it can be killed");
    let asked = Instant::now();
    assert_eq!(server.process().wait().expect("it ends").code(), Some(1));
    assert!(asked.elapsed() < 2 * END, "{:?}", asked.elapsed());
    let said = std::fs::read_to_string(&stderr).expect("it is there");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tidewater: process 1 of the group is gone ("), "{said}");
    let heard = client.listen(1);
    assert!(heard[0].starts_with("Error FATAL 57P01 "), "{heard:?}");
}

#[test]
fn a_process_that_waits_for_its_peer_ends_when_it_is_told() {
    for number in [0, 1] {
        let hosts = hostfile(2);
        let waiting = process(number, 1, &hosts);
        std::thread::sleep(Duration::from_millis(700));
        let asked = Instant::now();
        signal(&waiting, if number == 0 { "INT" } else { "TERM" });
        let (stdout, stderr, code) = ended(waiting);
        assert!(asked.elapsed() < END, "{:?}", asked.elapsed());
        assert_eq!((stderr.as_str(), code), ("", Some(0)));
        let computes = "tidewater: process 1 of 2 computes; process 0 alone serves clients\n";
        assert_eq!(stdout, if number == 0 { "" } else { computes });
    }
}

#[test]
fn processes_of_different_groups_refuse_each_other() {
    let hosts = hostfile(2);
    let (first, second) = (process(0, 1, &hosts), process(1, 2, &hosts));
    let (_, stderr, code) = ended(first);
    let expected = "tidewater: process 1 of the group was started with -n 2 -w 2, this one with -n 2 -w 1\n";
    assert_eq!((stderr.as_str(), code), (expected, Some(1)));
    let (_, stderr, code) = ended(second);
    let expected = "tidewater: process 0 of the group was started with -n 2 -w 1, this one with -n 2 -w 2\n";
    assert_eq!((stderr.as_str(), code), (expected, Some(1)));
}

#[test]
fn a_server_with_subscribers_ends_within_a_second() {
    for (processes, told) in [(1, "INT"), (1, "TERM"), (2, "INT"), (2, "TERM")] {
        let logs = Scratch::new("logs");
        let stderr = logs.path().join("stderr");
        let options = Options { processes, stderr: Some(&stderr), ..Options::default() };
        let mut server = Server::start(options);
        let mut writer = Wire::connect(server.port);
        writer.ask("CREATE TABLE t (a int PRIMARY KEY)");
        writer.ask("INSERT INTO t VALUES (1)");
        let mut subscribers: Vec<Wire> = (0..3).map(|_| Wire::connect(server.port)).collect();
        for subscriber in &mut subscribers {
            subscriber.say(&["Query COPY (SUBSCRIBE t) TO STDOUT"]);
            assert_eq!(subscriber.listen(0).len(), 2);
        }
        let asked = Instant::now();
        signal(server.process(), told);
        for process in 0..processes {
            assert_eq!(server.process_at(process).wait().expect("it ends").code(), Some(0), "{options:?}");
        }
        assert!(asked.elapsed() < END, "{options:?}: {:?}", asked.elapsed());
        assert_eq!(std::fs::read_to_string(&stderr).expect("it is there"), "", "{options:?}: {told}");
        for mut subscriber in subscribers {
            assert!(subscriber.listen(1)[0].starts_with("Error FATAL 57P01 "), "{options:?}");
        }
    }
}
