//! The binary's words: whatever keeps it from serving is one line on stderr and exit code 1; what serves says one line on stdout, and
//! nothing on stderr, however its sessions fare.

mod harness;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Scratch;
use harness::server::{Options, Server};
use harness::user::{run_as, unless_root};
use harness::wire::Wire;

const BINARY: &str = env!("CARGO_BIN_EXE_tidewater");

/// Whoever does not serve has said why by then, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it said on stdout and stderr, and its exit code.
type Said = (String, String, Option<i32>);

/// Without a terminal, and with no wish to hear more than is said by default.
fn quiet(command: &mut Command) -> &mut Command {
    command.env_remove("TIDEWATER_LOG").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Runs it to its end, which must come by itself.
fn run(command: &mut Command) -> Said {
    let mut child = quiet(command).spawn().expect("the binary can be started");
    let begun = Instant::now();
    while child.try_wait().expect("it is our child").is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    rest(child)
}

fn rest(mut child: Child) -> Said {
    let code = child.wait().expect("it ends").code();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut stdout).expect("it can be read");
    }
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    (stdout, stderr, code)
}

/// Runs it with flags that it cannot serve with, somewhere else.
fn is_refused(args: &[&str], why: &str) {
    let elsewhere = Scratch::new("refused");
    is_told(run(Command::new(BINARY).args(args).current_dir(elsewhere.path())), args, why);
    let left = std::fs::read_dir(elsewhere.path()).expect("it is there").count();
    assert_eq!(left, 0, "{args:?} left something behind");
}

fn is_told((stdout, stderr, code): Said, args: &[&str], why: &str) {
    assert_eq!((stdout.as_str(), code), ("", Some(1)), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("tidewater: ") && stderr.contains(why), "{args:?}: {stderr}");
}

#[test]
fn wrong_flags_are_one_line() {
    for (args, why) in [
        (&["--nonsense"][..], "unrecognized option: 'nonsense'"),
        (&["extra"], "unexpected argument \"extra\""),
        (&["--memory", "--memory"], "option 'memory' given more than once"),
        (&["--listen"], "argument to option 'listen' missing"),
        (&["--listen", "0.0.0.0:0"], "--listen 0.0.0.0:0: only loopback addresses can be served"),
        (&["--listen", "[::]:0"], "--listen [::]:0: only loopback addresses can be served"),
        (&["--listen", "nope"], "--listen nope: not an ADDR:PORT"),
        (&["--listen", "127.0.0.1:70000"], "--listen 127.0.0.1:70000: not an ADDR:PORT"),
        (&["--memory", "--data-dir", "x"], "--memory and --data-dir exclude each other"),
        (&["-w", "0"], "-w and -n must be at least 1"),
        (&["--threads", "0"], "-w and -n must be at least 1"),
        (&["--processes", "0"], "-w and -n must be at least 1"),
        (&["-w", "two"], "-w two: not a number"),
        (&["-p", "5"], "-p 5: with -n 1 the processes are 0 to 0"),
        (&["--process", "2", "--processes", "2"], "-p 2: with -n 2 the processes are 0 to 1"),
        (&["-n", "2", "-h", "/nonexistent"], "hostfile \"/nonexistent\": No such file"),
        (&["-h", "/"], "hostfile \"/\": Is a directory"),
    ] {
        is_refused(args, why);
    }
    let hosts = Scratch::new("hosts");
    let hosts = hosts.path().join("one");
    std::fs::write(&hosts, "127.0.0.1:2101\n").expect("it can be written");
    is_refused(&["-n", "2", "-h", &hosts.to_string_lossy()], "fewer lines than the 2 processes of -n");
}

#[test]
fn help_and_version_are_said_and_no_more() {
    let version = concat!("tidewater ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    assert_eq!(run(Command::new(BINARY).arg("--version")), (version, String::new(), Some(0)));
    let (help, stderr, code) = run(Command::new(BINARY).arg("--help"));
    assert_eq!((stderr.as_str(), code), ("", Some(0)));
    // However the lines are broken.
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "(default: 127.0.0.1:7432)",
        "(default: ./tidewater-data)",
        "--data-dir DIR",
        "--memory",
        "--listen ADDR:PORT",
        "-w, --threads",
        "-n, --processes",
        "-p, --process",
        "-h, --hostfile",
    ] {
        assert!(words.contains(said), "{said} is missing:\n{help}");
    }
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    // Before anything is created.
    is_refused(&["--listen", &address], &format!("cannot listen on {address}: Address already in use"));
}

#[test]
fn a_data_directory_serves_one_server() {
    let data = Scratch::new("taken");
    let mut first = Server::start(Options { data_dir: Some(data.path()), ..Options::default() });
    first.connect().batch_execute("CREATE TABLE t (a int)").expect("it serves");
    let args = ["--listen", "127.0.0.1:0", "--data-dir", &data.path().to_string_lossy()];
    is_refused(&args, &format!("data directory \"{}\" is in use", data.path().display()));
    first.connect().batch_execute("INSERT INTO t VALUES (1)").expect("it goes on");
    // A lock is not a file that stays: the next one may come at once.
    first.kill();
    let second = Server::start(Options { data_dir: Some(data.path()), ..Options::default() });
    assert_eq!(second.connect().query("SELECT a FROM t", &[]).expect("it serves").len(), 1);
}

#[test]
fn a_data_directory_that_cannot_be_is_one_line() {
    let place = Scratch::new("nowhere");
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("it can be written");
    for path in [file.join("x"), file] {
        let path = path.to_string_lossy();
        let why = format!("data directory \"{path}\" cannot be created");
        is_refused(&["--listen", "127.0.0.1:0", "--data-dir", &path], &why);
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_one_line() {
    let place = Scratch::new("unwritable");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    mode(place.path(), 0o755);
    // Where it was built may be hidden from others.
    let binary = place.path().join("tidewater");
    std::fs::copy(BINARY, &binary).expect("it can be copied");
    let locked = place.path().join("locked");
    std::fs::create_dir(&locked).expect("it can be made");
    mode(&locked, 0o555);
    for (path, why) in [(locked.clone(), "cannot be written"), (locked.join("below"), "cannot be created")] {
        let path = path.to_string_lossy();
        let args = ["--listen", "127.0.0.1:0", "--data-dir", &path];
        let said = run(run_as(&binary, unless_root("nobody")).args(args));
        is_told(said, &args, &format!("data directory \"{path}\" {why}: Permission denied"));
    }
}

/// In the default data directory, twice: the second time it has something to recover.
#[test]
fn a_server_says_how_to_connect_and_no_more() {
    let place = Scratch::new("served");
    for round in 0..2 {
        let mut command = Command::new(BINARY);
        command.args(["--listen", "127.0.0.1:0"]).current_dir(place.path());
        let mut child = quiet(&mut command).spawn().expect("the binary can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it can be read");
        let port = line.trim_end().strip_prefix("tidewater is ready: psql -h localhost -p ");
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        let mut wire = Wire::connect(port);
        for sql in [
            &format!("CREATE TABLE t{round} (k int PRIMARY KEY, v int)")[..],
            &format!("CREATE MATERIALIZED VIEW m{round} AS SELECT 10 / v AS x FROM t{round}"),
            &format!("INSERT INTO t{round} VALUES (1, 0)"),
            &format!("INSERT INTO t{round} VALUES (1, 0)"),
            &format!("SELECT * FROM m{round}"),
            "SELECT count(*) FROM t0 a JOIN t0 b ON a.v = b.v",
            "nonsense",
        ] {
            wire.ask(sql);
        }
        // Whoever breaks the rules, and whoever is not there any more.
        wire.say(&["bytes 51 00 00 00 01"]);
        wire.listen(0);
        let mut subscriber = Wire::connect(port);
        subscriber.say(&["Query SUBSCRIBE t0"]);
        drop(subscriber);
        drop(Wire::open(port));
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success());
        let mut more = String::new();
        stdout.read_to_string(&mut more).expect("it can be read");
        assert_eq!(rest(child), (String::new(), String::new(), Some(0)), "round {round}");
        assert_eq!(more, "", "round {round}");
    }
    let left = std::fs::read_dir(place.path()).expect("it is there");
    let left: Vec<_> = left.map(|entry| entry.expect("it can be read").file_name()).collect();
    assert_eq!(left, ["tidewater-data"]);
}
