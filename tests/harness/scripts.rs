//! Scripts in other languages, run by interpreters and with packages that `.ci/install` has put into a cache folder.

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

/// What a script prints; that it fails fails the test.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the interpreter can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out.trim().to_owned()
}
