//! Where and when a figure was measured: without this it says nothing.

use std::process::Command;

/// The machine, the compiler and the source that a report is about.
#[derive(Clone, Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    /// How many processes wanted a core in the last minute, on average: a busy machine's figures are lower bounds.
    pub load: String,
    pub rustc: String,
    /// The commit, with `+` where the tree differed from it.
    pub commit: String,
    pub date: String,
}

impl Machine {
    pub fn describe() -> Machine {
        let proc = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib = field(&proc("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
        let commit = said("git", &["rev-parse", "--short", "HEAD"]);
        Machine {
            cpu: field(&proc("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown CPU".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib.unwrap_or_default() / 1024.0 / 1024.0,
            load: proc("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned(),
            rustc: said("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into()),
            commit: commit.map_or("unknown".into(), |commit| commit + if changed { "+" } else { "" }),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { cpu, cores, memory_gib, load, rustc, commit, date } = self;
        write!(
            f,
            "{date}, commit {commit}; {cores} cores ({cpu}), {memory_gib:.0} GiB, load {load} at the start; {rustc}"
        )
    }
}

/// The first line that a program says, if there is one.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}
