//! What the compiler does not check of how the code is kept: who imports whom, how files open, how long they are, where `unsafe`
//! and codes of errors stand. The lists are data; a rule that the code has outgrown is changed here, in the same commit.

mod harness;

use std::path::{Path, PathBuf};

use harness::repository;
use harness::slt::{self, File, Kind};

/// Files below the first may not say any of the second, unless they are below one of the third.
struct Absence {
    below: &'static [&'static str],
    never: &'static [&'static str],
    but: &'static [&'static str],
}

/// Who may not import whom. `crate::` within a crate, the crate's name from outside.
const IMPORTS: &[Absence] = &[
    // The compiler knows no time, and nobody that uses it.
    Absence {
        below: &["compiler/src"],
        never: &[
            "dataflow::",
            "pgwire::",
            "timely::",
            "tokio::",
            "std::thread",
            "std::net",
            "std::fs",
            "std::time",
        ],
        but: &[],
    },
    // Values know nothing but errors; expressions know values.
    Absence {
        below: &["compiler/src/repr"],
        never: &[
            "crate::scalar",
            "crate::mir",
            "crate::hir",
            "crate::ast",
            "crate::lir",
            "crate::catalog",
            "crate::plan",
        ],
        but: &[],
    },
    Absence {
        below: &["compiler/src/scalar"],
        never: &["crate::mir", "crate::hir", "crate::ast", "crate::lir", "crate::catalog", "crate::plan"],
        but: &[],
    },
    // A noun knows the nouns before it.
    Absence {
        below: &["compiler/src/mir.rs", "compiler/src/mir"],
        never: &["crate::hir", "crate::ast", "crate::lir", "crate::plan", "crate::catalog"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/lir.rs"],
        never: &["crate::hir", "crate::ast", "crate::plan", "crate::catalog"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/hir.rs"],
        never: &["crate::ast", "crate::lir", "crate::plan", "crate::catalog"],
        but: &[],
    },
    Absence { below: &["compiler/src/catalog"], never: &["crate::hir", "crate::plan"], but: &[] },
    Absence {
        below: &["compiler/src/ast.rs", "compiler/src/ast"],
        never: &["crate::mir", "crate::hir", "crate::lir", "crate::plan", "crate::catalog"],
        but: &[],
    },
    // No noun imports a verb, nor does a verb.
    Absence {
        below: &[
            "compiler/src/repr",
            "compiler/src/scalar",
            "compiler/src/ast",
            "compiler/src/ast.rs",
            "compiler/src/mir",
            "compiler/src/mir.rs",
            "compiler/src/hir.rs",
            "compiler/src/lir.rs",
            "compiler/src/catalog",
            "compiler/src/plan.rs",
            "compiler/src/interpret.rs",
            "compiler/src/explain.rs",
        ],
        never: &["crate::parse", "crate::bind", "crate::decorrelate", "crate::optimize", "crate::lower"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/parse"],
        never: &["crate::bind", "crate::decorrelate", "crate::optimize", "crate::lower"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/bind"],
        never: &["crate::decorrelate", "crate::optimize", "crate::lower"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/decorrelate"],
        never: &["crate::parse", "crate::bind", "crate::optimize", "crate::lower"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/optimize"],
        never: &["crate::parse", "crate::bind", "crate::decorrelate", "crate::lower"],
        but: &[],
    },
    Absence {
        below: &["compiler/src/lower"],
        never: &["crate::parse", "crate::bind", "crate::decorrelate", "crate::optimize"],
        but: &[],
    },
    // The engine knows no SQL and no clients.
    Absence {
        below: &["dataflow/src"],
        never: &[
            "pgwire::",
            "compiler::parse",
            "compiler::bind",
            "compiler::ast",
            "compiler::hir",
            "compiler::optimize",
            "compiler::decorrelate",
            "compiler::compile",
            "compiler::recompile",
        ],
        but: &["dataflow/src/coordinator/boot.rs"],
    },
    // Control and work meet in commands alone; what is rendered knows neither.
    Absence { below: &["dataflow/src/coordinator"], never: &["crate::worker", "crate::render"], but: &[] },
    Absence { below: &["dataflow/src/worker"], never: &["crate::coordinator", "crate::engine"], but: &[] },
    Absence {
        below: &["dataflow/src/render"],
        never: &[
            "crate::worker",
            "crate::coordinator",
            "crate::engine",
            "crate::tables",
            "crate::peeks",
            "crate::reads",
            "crate::output",
            "crate::subscriptions",
            "crate::clock",
        ],
        but: &[],
    },
    // What both planes and the sessions know, knows none of them.
    Absence {
        below: &[
            "dataflow/src/command.rs",
            "dataflow/src/contents.rs",
            "dataflow/src/counters.rs",
            "dataflow/src/failures.rs",
            "dataflow/src/fuel.rs",
            "dataflow/src/in_use.rs",
            "dataflow/src/output.rs",
            "dataflow/src/peeks.rs",
            "dataflow/src/published.rs",
            "dataflow/src/spine.rs",
            "dataflow/src/spine",
        ],
        never: &[
            "crate::worker",
            "crate::coordinator",
            "crate::engine",
            "crate::tables",
            "crate::reads",
            "crate::render",
        ],
        but: &[],
    },
    Absence {
        below: &["dataflow/src/storage"],
        never: &[
            "crate::render",
            "crate::worker",
            "crate::coordinator",
            "crate::engine",
            "crate::spine",
            "timely::",
            "differential_dataflow::",
        ],
        but: &[],
    },
    Absence {
        below: &["dataflow/src/storage"],
        never: &["std::fs"],
        but: &["dataflow/src/storage/disk.rs", "dataflow/src/storage/tests.rs"],
    },
    // Bytes know no sessions; only statements reach the compiler's verbs and the engine.
    Absence {
        below: &["pgwire/src/codec.rs", "pgwire/src/message.rs"],
        never: &["crate::connection", "crate::session", "crate::execute", "dataflow::"],
        but: &[],
    },
    Absence {
        below: &["pgwire/src"],
        never: &[
            "dataflow::Engine",
            "compiler::compile",
            "compiler::recompile",
            "compiler::parse",
            "compiler::bind",
            "compiler::decorrelate",
            "compiler::optimize",
            "compiler::lower",
        ],
        but: &["pgwire/src/execute"],
    },
    Absence {
        below: &["pgwire/src/execute", "pgwire/src/session"],
        never: &["crate::connection", "crate::message", "crate::codec"],
        but: &[],
    },
    // Workloads speak the wire's protocol, but for what is compared in the process itself.
    Absence {
        below: &["workloads"],
        never: &["compiler::", "dataflow::", "pgwire::"],
        but: &["workloads/limits", "workloads/nexmark", "workloads/src/answer.rs"],
    },
];

/// An error of data is a value: values name it.
const EVAL_ERROR: &str = "crate::scalar::EvalError";

/// What product code does not say. Tests and workloads may.
const WORDS: &[Absence] = &[
    Absence {
        below: &["compiler/src", "dataflow/src", "pgwire"],
        never: &["todo!(", "unimplemented!(", "dbg!(", "println!(", "unwrap("],
        but: &[],
    },
    // Async stops at sockets.
    Absence { below: &["compiler/src"], never: &["async fn", "async move", "async {", "await"], but: &[] },
    Absence {
        below: &["compiler", "dataflow", "pgwire", "tests", "workloads"],
        never: &["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code"],
        but: &["dataflow/src/exchange.rs", "tests/tidy.rs"],
    },
    Absence {
        below: &["tests", "compiler", "dataflow", "pgwire"],
        never: &["#[ignore"],
        but: &["tests/tidy.rs"],
    },
];

/// A file of one concept is at most so long.
const LINES_MAX: usize = 850;

/// Names that say nothing.
const NAMES: &[&str] = &["util.rs", "utils.rs", "common.rs", "helpers.rs", "misc.rs"];

/// Every source file, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = repository("");
    let mut folders: Vec<PathBuf> =
        ["compiler", "dataflow", "pgwire", "tests", "workloads"].map(|folder| root.join(folder)).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("the file can be read");
                let name = path.strip_prefix(&root).expect("it lies below").to_string_lossy().into_owned();
                found.push((name, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 200, "only {} files were found", found.len());
    found
}

/// A crate's own tests are no product.
fn is_test(name: &str) -> bool {
    !name.starts_with("tests/")
        && ["/tests/", "/tests.rs", "/properties.rs", "/cases.rs"].iter().any(|part| name.contains(part))
}

fn is_below(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| Path::new(name).starts_with(place))
}

/// The lines that are code, with their numbers; a file's own tests at its end are not product.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut numbered = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (number, line) = numbered.next()?;
        let tests = line == "#[cfg(test)]" && numbered.peek().is_some_and(|(_, next)| *next == "mod tests {");
        (!tests).then(|| (number + 1, line.split("//").next().unwrap_or_default()))
    })
}

/// The code with each path of a `use` spelled out: `use a::{b, c::d};` is the lines `a::b` and `a::c::d`.
fn spelled_out(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in code(text) {
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
            .iter()
            .find_map(|word| line.trim_start().strip_prefix(word));
        match (&mut open, begins) {
            (Some((_, statement)), _) => statement.push_str(line.trim()),
            (None, Some(rest)) => open = Some((number, rest.to_owned())),
            (None, None) => lines.push((number, line.to_owned())),
        }
        if let Some((first, statement)) = open.take_if(|(_, statement)| statement.ends_with(';')) {
            let paths = used(statement.trim_end_matches(';'));
            lines.extend(paths.into_iter().map(|path| (first, path)));
        }
    }
    lines
}

/// The paths of a tree of names.
fn used(tree: &str) -> Vec<String> {
    let Some((start, rest)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let list = rest.strip_suffix('}').expect("a list of names ends where the statement does");
    let mut depth = 0;
    let parts = list.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let trees = parts.map(str::trim).filter(|part| !part.is_empty());
    trees.flat_map(used).map(|path| format!("{start}{path}")).collect()
}

fn report(found: Vec<String>) {
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

/// Whether a path stands in the line from its beginning: `crate::mir` does not stand in `crate::mirror`.
fn says(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let ends = path.ends_with(':') || path.ends_with('(') || path.ends_with('{');
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word(before) && before != Some(':') && (ends || !word(after))
    })
}

#[test]
fn lists_of_names_are_read() {
    let text = "use crate::{\n    a, // why\n    b::{c, d},\n};\nlet x = crate::e();\n#[cfg(test)]\nmod cases;\nlast();";
    let lines = spelled_out(text);
    let found: Vec<(usize, &str)> = lines.iter().map(|(number, line)| (*number, line.as_str())).collect();
    let paths = [(1, "crate::a"), (1, "crate::b::c"), (1, "crate::b::d")];
    let others = [(5, "let x = crate::e();"), (6, "#[cfg(test)]"), (7, "mod cases;"), (8, "last();")];
    assert_eq!(found, [&paths[..], &others].concat());
}

#[test]
fn only_the_neighbours_are_imported() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        let rules = IMPORTS.iter().filter(|rule| is_below(&name, rule.below) && !is_below(&name, rule.but));
        for rule in rules.filter(|_| !is_test(&name)) {
            for (number, line) in spelled_out(&text) {
                let line = line.replace(EVAL_ERROR, "");
                for path in rule.never.iter().filter(|path| says(&line, path)) {
                    found.push(format!("{name}:{number}: {path}"));
                }
            }
        }
    }
    report(found);
}

#[test]
fn the_rules_are_about_what_there_is() {
    let names: Vec<String> = sources().into_iter().map(|(name, _)| name).collect();
    let places = IMPORTS.iter().chain(WORDS).flat_map(|rule| rule.below.iter().chain(rule.but));
    let missing = places.filter(|place| !names.iter().any(|name| is_below(name, &[**place])));
    report(missing.map(|place| format!("{place} is gone")).collect());
}

#[test]
fn what_is_not_said_is_not_said() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        let rules = WORDS.iter().filter(|rule| is_below(&name, rule.below) && !is_below(&name, rule.but));
        for rule in rules.filter(|_| !is_test(&name)) {
            for (number, line) in code(&text) {
                for word in rule.never.iter().filter(|word| says(line, word)) {
                    found.push(format!("{name}:{number}: {word}"));
                }
            }
        }
    }
    report(found);
}

#[test]
fn every_file_says_what_it_is() {
    let opens = |text: &str| text.lines().next().is_some_and(|line| line.starts_with("//! "));
    report(sources().into_iter().filter(|(_, text)| !opens(text)).map(|(name, _)| name).collect());
}

#[test]
fn files_are_short_and_named_after_what_is_in_them() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{name} has {lines} lines"));
        }
        if NAMES.iter().any(|bad| name.ends_with(&format!("/{bad}"))) {
            found.push(format!("{name} says nothing"));
        }
    }
    report(found);
}

#[test]
fn what_is_allowed_has_a_reason() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in
            lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("#[allow("))
        {
            let said = lines[index..].iter().take(4).any(|line| line.contains("reason ="));
            let above = index > 0 && lines[index - 1].trim_start().starts_with("//");
            if !said && !above && !line.contains("//") {
                found.push(format!("{name}:{}", index + 1));
            }
        }
    }
    report(found);
}

/// A code of an error is a constant of `error.rs`: who writes one elsewhere has invented it.
#[test]
fn codes_of_errors_are_constants() {
    let is_code = |text: &str| {
        text.len() == 5
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || b"FHPX".contains(&byte))
    };
    let mut found = Vec::new();
    for (name, text) in sources() {
        let product = is_below(&name, &["compiler/src", "dataflow/src", "pgwire"]);
        if !product
            || name == "compiler/src/error.rs"
            || name.contains("/tests")
            || name.ends_with("cases.rs")
        {
            continue;
        }
        for (number, line) in code(&text) {
            if line.split('"').skip(1).step_by(2).any(is_code) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    report(found);
}

/// PostgreSQL is the oracle: of the many queries it answers at least nine in ten.
#[test]
fn queries_are_many_and_postgresql_answers_most() {
    const QUERIES_MIN: usize = 600;
    let (mut queries, mut alone) = (0, 0);
    for path in slt::files() {
        let file = File::read(&path);
        let asks = |kind: &Kind| matches!(kind, Kind::Query { .. } | Kind::QueryError(_));
        let of_file = file.records.iter().filter(|record| asks(&record.kind));
        queries += of_file.clone().count();
        alone += of_file.filter(|record| record.only_tidewater).count();
    }
    assert!(queries >= QUERIES_MIN, "{queries} queries");
    assert!(alone * 10 <= queries, "{alone} of {queries} queries have no oracle");
}
