//! Programs that are not ours, which `.ci/install` has installed: psql, and interpreters with their packages in a cache folder.

use std::path::PathBuf;
use std::process::Command;

/// Where `.ci/install` puts what it installs.
pub fn installed(path: &str, what: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let path = cache.unwrap_or_default().join("tidewater").join(path);
    assert!(path.exists(), "{what} is not installed ({} is missing): run `bash .ci/install`", path.display());
    path
}

/// psql, with nobody's settings and in no terminal.
pub fn psql(port: u16) -> Command {
    let mut command = Command::new(super::postgres::bin().join("psql"));
    command.args(["-X", "-q", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "ann", "-d", "shop"]);
    command.args(["-P", "pager=off"]).env("LC_ALL", "C.UTF-8").env_remove("PGOPTIONS");
    command
}

/// What a script prints; that it fails fails the test.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the interpreter can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out.trim().to_owned()
}
