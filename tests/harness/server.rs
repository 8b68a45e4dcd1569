//! A `tidewater` process (or a group of them) under test, on a port of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use super::Scratch;

/// A running server; killed when it is dropped.
pub struct Server {
    processes: Vec<Child>,
    pub port: u16,
    _hosts: Option<Scratch>,
}

/// How many workers and processes, and where the data lies.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub workers: usize,
    pub processes: usize,
    /// None: `--memory`.
    pub data_dir: Option<&'a Path>,
    /// Where warnings and errors are kept, those of process p > 0 with `.p` appended; None: with the test's own.
    pub stderr: Option<&'a Path>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { workers: 1, processes: 1, data_dir: None, stderr: None }
    }
}

impl Server {
    pub fn start(options: Options<'_>) -> Server {
        let hosts = (options.processes > 1).then(|| hostfile(options.processes));
        let mut processes = Vec::new();
        let mut port = 0;
        // Process 0 says its port once the others have joined, so it is read last.
        for process in (0..options.processes).rev() {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
            command.args(["--listen", "127.0.0.1:0", "-w", &options.workers.to_string()]);
            match options.data_dir {
                Some(dir) => command.arg("--data-dir").arg(dir),
                None => command.arg("--memory"),
            };
            if let Some(hosts) = &hosts {
                let hosts = hosts.path().join("hosts");
                command
                    .args(["-n", &options.processes.to_string(), "-p", &process.to_string(), "-h"])
                    .arg(hosts);
            }
            if let Some(path) = options.stderr {
                let mut path = path.as_os_str().to_owned();
                path.push(if process == 0 { String::new() } else { format!(".{process}") });
                command.stderr(std::fs::File::create(path).expect("the file can be created"));
            }
            let stdout = if process == 0 { Stdio::piped() } else { Stdio::null() };
            let mut child = command.stdout(stdout).spawn().expect("the server can be started");
            if process == 0 {
                port = announced_port(&mut child);
            }
            processes.push(child);
        }
        processes.reverse();
        Server { processes, port, _hosts: hosts }
    }

    pub fn connect(&self) -> Client {
        connect(self.port, "tidewater")
    }

    /// As [`Server::connect`], with a list to which notices and their hints are added.
    pub fn connect_noting(&self, notices: &Arc<Mutex<Vec<String>>>) -> Client {
        let mut config = config(self.port, "tidewater");
        let notices = notices.clone();
        config.notice_callback(move |notice| {
            let mut notices = notices.lock().expect("nothing panics with the list");
            notices.push(format!("notice: {}", notice.message()));
            notices.extend(notice.hint().map(|hint| format!("hint: {hint}")));
        });
        connect_with(&config)
    }

    /// The process that has the listener and the data.
    pub fn process(&mut self) -> &mut Child {
        self.process_at(0)
    }

    /// A process of the group.
    pub fn process_at(&mut self, number: usize) -> &mut Child {
        &mut self.processes[number]
    }

    /// The bytes of memory that this process has.
    pub fn resident(&self) -> u64 {
        let process = self.processes[0].id();
        let status =
            std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says it");
        let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kilobytes << 10
    }

    /// kill -9, at once.
    pub fn kill(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Connects, retrying for a while: a server may be recovering.
pub fn connect(port: u16, database: &str) -> Client {
    connect_with(&config(port, database))
}

fn config(port: u16, database: &str) -> Config {
    let mut config = Client::configure();
    config.host("127.0.0.1").port(port).user("postgres").dbname(database);
    config.connect_timeout(Duration::from_secs(30));
    config
}

fn connect_with(config: &Config) -> Client {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match config.connect(NoTls) {
            Ok(client) => return client,
            Err(error) if Instant::now() > deadline => panic!("cannot connect: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The server says how to connect when it is ready; the port comes last.
fn announced_port(child: &mut Child) -> u16 {
    let stdout = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(stdout).lines() {
        let line = line.expect("stdout can be read");
        if line.contains("is ready") {
            let digits = line.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            return digits.parse().unwrap_or_else(|_| panic!("the server said {line:?} instead of its port"));
        }
    }
    panic!("the server ended before it was ready");
}

/// Free ports for a group of processes, in a file `hosts`.
pub fn hostfile(processes: usize) -> Scratch {
    let listeners: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let lines: Vec<String> = listeners.iter().map(|l| l.local_addr().expect("bound").to_string()).collect();
    let scratch = Scratch::new("hosts");
    std::fs::write(scratch.path().join("hosts"), lines.join("\n") + "\n")
        .expect("the hostfile can be written");
    scratch
}
