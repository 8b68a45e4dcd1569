//! PostgreSQL 15 as Debian installs and configures it, on a port of its own: what serving is compared with.
//!
//! Only what a private cluster needs is set; durability (`fsync`, `synchronous_commit`) stays on.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use postgres::Client;

use crate::flags::Failure;
use crate::scratch::Scratch;
use crate::server;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A running PostgreSQL; ended when it is dropped.
pub struct Postgresql {
    process: Child,
    port: u16,
    _data: Scratch,
}

impl Postgresql {
    pub fn start(directory: &Path) -> Result<Postgresql, Failure> {
        if !Path::new(BIN).join("postgres").exists() {
            return Err("PostgreSQL 15 is not installed: run .ci/install".into());
        }
        let data = Scratch::new(directory, "postgresql")?;
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(data.path(), Some(uid), Some(gid))?;
        }
        let cluster = data.path().join("cluster");
        let made = program("initdb", user)
            .args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=postgres", "-D"])
            .arg(&cluster)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err("initdb failed".into());
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = program("postgres", user)
            .arg("-D")
            .arg(&cluster)
            .args(["-h", "127.0.0.1", "-k", "", "-p", &port.to_string(), "-c", "fsync=on"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Postgresql { process, port, _data: data })
    }

    pub fn connect(&self) -> Result<Client, Failure> {
        server::connect(self.port)
    }

    /// The process's id; each connection is a child of it.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// PostgreSQL refuses to run as root: the ids of its own user, when we are root.
fn unprivileged() -> Option<(u32, u32)> {
    let number = |args: &[&str]| {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    match number(&["-u"]) {
        Some(0) => Some((number(&["-u", "postgres"])?, number(&["-g", "postgres"])?)),
        _ => None,
    }
}

fn program(name: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(Path::new(BIN).join(name));
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).current_dir("/");
    }
    command
}
