//! Programs run as somebody else: root, whom permissions do not bind and PostgreSQL refuses, gives way to a user of its system.

use std::path::Path;
use std::process::Command;

use std::os::unix::process::CommandExt;

/// A user's number and its group's.
pub type Ids = (u32, u32);

/// The ids of this user when we are root; `None`: whoever we are will do.
pub fn unless_root(user: &str) -> Option<Ids> {
    let output = |args: &[&str]| Command::new("id").args(args).output().expect("id runs").stdout;
    let number = |args: &[&str]| String::from_utf8_lossy(&output(args)).trim().parse::<u32>().ok();
    let ids = || (number(&["-u", user]), number(&["-g", user]));
    (number(&["-u"]) == Some(0)).then(|| match ids() {
        (Some(user), Some(group)) => (user, group),
        _ => panic!("Debian has no user {user}"),
    })
}

pub fn run_as(program: &Path, user: Option<Ids>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).current_dir("/");
    }
    command
}
