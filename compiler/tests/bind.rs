//! Statements and their outcomes, as data: each file of `tests/bind/` is a session with a database of its own.
//!
//! A block is SQL, a line `----`, and the outcome's lines up to an empty line. `REWRITE=1` writes what comes out.

mod database;

use std::fmt::Write;
use std::path::Path;

use database::Database;

struct Block {
    /// Comment lines before the SQL, kept as they are.
    head: String,
    sql: String,
    expected: Vec<String>,
}

fn read(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).expect("the golden file can be read");
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while lines.peek().is_some() {
        let mut block = Block { head: String::new(), sql: String::new(), expected: Vec::new() };
        while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with('#')) {
            writeln!(block.head, "{line}").expect("a string grows");
        }
        for line in lines.by_ref().take_while(|line| *line != "----") {
            writeln!(block.sql, "{line}").expect("a string grows");
        }
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            block.expected.push(line.to_owned());
        }
        if !block.sql.is_empty() {
            blocks.push(block);
        }
    }
    blocks
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bind").join(name);
    let rewrite = std::env::var_os("REWRITE").is_some();
    let mut database = Database::new();
    let (mut out, mut wrong) = (String::new(), String::new());
    for block in read(&path) {
        let found = database.run(&block.sql);
        let expected = block.expected.join("\n");
        let printed = found.join("\n");
        if printed != expected {
            writeln!(wrong, "{}---- expected\n{expected}\n---- found\n{printed}\n", block.sql)
                .expect("a string grows");
        }
        write!(out, "{}{}----\n{printed}\n", block.head, block.sql).expect("a string grows");
    }
    if rewrite {
        std::fs::write(&path, out).expect("the golden file can be written");
    } else {
        assert!(wrong.is_empty(), "{name}:\n{wrong}");
    }
}

macro_rules! goldens {
    ($($test:ident = $file:literal;)*) => {
        $(#[test] fn $test() { check($file) })*

        #[test]
        fn every_file_is_run() {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bind");
            for entry in std::fs::read_dir(dir).expect("the directory can be read") {
                let name = entry.expect("an entry can be read").file_name();
                assert!([$($file),*].iter().any(|file| name == *file), "no test runs {name:?}");
            }
        }
    };
}

goldens! {
    basics = "basics.txt";
    names = "names.txt";
    types = "types.txt";
    grouping = "grouping.txt";
    joins = "joins.txt";
    subqueries = "subqueries.txt";
    sets = "sets.txt";
    recursion = "recursion.txt";
    writes = "writes.txt";
    items = "items.txt";
}
