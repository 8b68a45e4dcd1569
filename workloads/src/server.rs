//! The server under load: a `tidewater` process on a port of its own, durable, spoken to over the wire.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::flags::{Failure, Flags};
use crate::scratch::Scratch;

/// How the server is run, by the flags that [`declare`] declares.
pub struct Settings {
    binary: PathBuf,
    pub workers: usize,
    /// Where data lies while it runs.
    pub directory: PathBuf,
}

/// Declares the flags of a program that measures the server.
pub fn declare(options: &mut getopts::Options) {
    options.optopt("", "workers", "the server's workers (default: 1)", "N");
    options.optopt("", "dir", "where the data lies (default: the folder for temporary files)", "DIR");
    options.optopt("", "server", "the server's binary (default: built in this program's profile)", "PATH");
}

impl Settings {
    /// Reads the flags; builds the server unless a binary is named.
    pub fn read(flags: &Flags) -> Result<Settings, Failure> {
        Ok(Settings {
            binary: binary(flags.path("server"))?,
            workers: flags.value("workers", 1, 1),
            directory: flags.path("dir").unwrap_or_else(std::env::temp_dir),
        })
    }
}

/// A running server with data of its own; ended when it is dropped.
pub struct Server {
    process: Child,
    port: u16,
    _data: Scratch,
}

impl Server {
    /// Starts a server on an empty data directory in `directory`.
    pub fn start(settings: &Settings, directory: &Path) -> Result<Server, Failure> {
        let data = Scratch::new(directory, "data")?;
        let mut process = Command::new(&settings.binary)
            .args(["--listen", "127.0.0.1:0", "-w", &settings.workers.to_string()])
            .arg("--data-dir")
            .arg(data.path().join("shards"))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", settings.binary.display()))?;
        let stdout = process.stdout.take().expect("invariant: stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        // Its one line ends in the port.
        let port = line.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let port = port.parse().map_err(|_| format!("the server said {line:?} instead of its port"))?;
        Ok(Server { process, port, _data: data })
    }

    pub fn connect(&self) -> Result<Client, Failure> {
        connect(self.port)
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects to whoever listens on this port of the loopback, once it does.
pub fn connect(port: u16) -> Result<Client, Failure> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let config = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout=30");
    loop {
        match Client::connect(&config, NoTls) {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The binary to be measured: the one that was named, else the one of this program's own profile, built if it is not up to date.
fn binary(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or("this program lies in no folder")?;
    let target = folder.parent().ok_or("this program does not lie in a target directory")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--profile", profile, "--package", "tidewater", "--bin", "tidewater"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("CARGO_TARGET_DIR", target)
        .status()?;
    match built.success() {
        true => Ok(folder.join("tidewater")),
        false => Err("the server cannot be built; --server names a binary that is there".into()),
    }
}
