//! PostgreSQL 15, the oracle: one cluster a test binary, C locale, UTC, thrown away at the end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use postgres::Client;

use super::user::{run_as, unless_root};
use super::{Scratch, server};

/// A running PostgreSQL; ended when it is dropped.
pub struct Postgres {
    process: Child,
    port: u16,
    _data: Scratch,
}

impl Postgres {
    pub fn start() -> Postgres {
        let bin = bin();
        let data = Scratch::new("postgres");
        let user = unless_root("postgres");
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(data.path(), Some(uid), Some(gid)).expect("root can give a folder away");
        }
        let cluster = data.path().join("cluster");
        let mut initdb = run_as(&bin.join("initdb"), user);
        initdb.args([
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
            "--auth=trust",
            "--username=postgres",
            "-D",
        ]);
        let made = initdb.arg(&cluster).stdout(Stdio::null()).status().expect("initdb runs");
        assert!(made.success(), "initdb failed");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut postgres = run_as(&bin.join("postgres"), user);
        postgres.arg("-D").arg(&cluster).args(["-p", &port.to_string(), "-k", "", "-h", "127.0.0.1"]);
        for setting in [
            "fsync=off",
            "jit=off",
            "timezone=UTC",
            "log_timezone=UTC",
            "log_min_messages=fatal",
            "max_connections=200",
        ] {
            postgres.args(["-c", setting]);
        }
        let process = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres runs");
        Postgres { process, port, _data: data }
    }

    /// A connection to a fresh database.
    pub fn database(&self, name: &str) -> Client {
        let mut client = server::connect(self.port, "postgres");
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .expect("a database can be made");
        server::connect(self.port, name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the programs of PostgreSQL 15 are, psql among them.
pub fn bin() -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql/15/bin");
    assert!(debian.join("postgres").exists(), "PostgreSQL 15 is not installed: run .ci/install");
    debian.to_owned()
}
