//! Flags of the workloads' programs, over getopts: numbers with defaults, and failures as one line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// Why a workload could not be run or did not hold.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The flags of one program, parsed.
pub struct Flags {
    matches: getopts::Matches,
}

impl Flags {
    /// Parses this process's arguments; `--help` and what cannot be parsed end it.
    pub fn parse(program: &str, declare: impl FnOnce(&mut getopts::Options)) -> Flags {
        let mut options = getopts::Options::new();
        options.optflag("", "smoke", "small sizes that only show that it works; nothing is recorded");
        options.optflag("", "help", "print this and exit");
        declare(&mut options);
        let usage = || options.usage(&format!("Usage: {program} [OPTIONS]"));
        match options.parse(std::env::args().skip(1)) {
            Ok(matches) if matches.opt_present("help") => {
                println!("{}", usage().trim_end());
                std::process::exit(0)
            }
            Ok(matches) if matches.free.is_empty() => Flags { matches },
            Ok(matches) => fail(&format!("unexpected argument \"{}\"", matches.free[0])),
            Err(error) => fail(&error.to_string()),
        }
    }

    /// Whether this run only shows that it works.
    pub fn smoke(&self) -> bool {
        self.is_set("smoke")
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.matches.opt_present(name)
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.matches.opt_str(name)
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A flag's value, or what it is without the flag: in a smoke run the second.
    pub fn value<T: FromStr>(&self, name: &str, default: T, smoke: T) -> T {
        match self.text(name) {
            Some(text) => text.parse().unwrap_or_else(|_| fail(&format!("--{name} {text}: not understood"))),
            None if self.smoke() => smoke,
            None => default,
        }
    }
}

/// Runs a program's body; a failure is one line on stderr and an exit code other than 0.
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn fail(message: &str) -> ! {
    eprintln!("failed: {message}");
    std::process::exit(2)
}
