//! What a run found: a table on the terminal, and the workload's section of `RESULTS.md`.
//!
//! The file has one section for each workload, always of its last recorded run. A smoke run and a development build record
//! nothing.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::machine::Machine;

/// Figures in rows under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<'a>(headings: impl IntoIterator<Item = &'a str>) -> Table {
        Table { headings: headings.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.headings.len(), "invariant: a row has a cell for each heading");
        self.rows.push(cells);
    }

    /// As Markdown, padded so that it reads well on a terminal too: the first column to the left, figures to the right.
    pub fn render(&self) -> String {
        let lines = || std::iter::once(&self.headings).chain(&self.rows);
        let width = |column: usize| lines().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let mut out = String::new();
        for (number, line) in lines().enumerate() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let _ = match column {
                    0 => write!(out, "| {cell:<width$} "),
                    _ => write!(out, "| {cell:>width$} "),
                };
            }
            out.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let (dashes, colon) = ("-".repeat(width + 1), if column == 0 { "-" } else { ":" });
                    let _ = write!(out, "|{dashes}{colon}");
                }
                out.push_str("|\n");
            }
        }
        out
    }
}

/// One workload's report.
pub struct Report<'a> {
    pub workload: &'a str,
    /// What was run: sizes and rates.
    pub run: String,
    pub table: Table,
    /// What the figures say.
    pub notes: Vec<String>,
}

impl Report<'_> {
    /// Prints the report; records it too unless `smoke` or this is a development build.
    pub fn publish(&self, machine: &Machine, smoke: bool) -> std::io::Result<()> {
        let text = self.render(machine);
        println!("\n{text}");
        if smoke || cfg!(debug_assertions) {
            println!("Not recorded: a smoke run or a development build measures nothing.");
            return Ok(());
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        let results = std::fs::read_to_string(&path).unwrap_or_else(|_| PREAMBLE.to_owned());
        std::fs::write(&path, with_section(&results, self.workload, &text))?;
        println!("Recorded in workloads/RESULTS.md.");
        Ok(())
    }

    fn render(&self, machine: &Machine) -> String {
        let Report { workload, run, table, notes } = self;
        let mut out = format!("## {workload}\n\n{machine}.\n{run}\n\n{}", table.render());
        if !notes.is_empty() {
            out.push('\n');
        }
        notes.iter().for_each(|note| out.push_str(&format!("- {note}\n")));
        out
    }
}

const PREAMBLE: &str = "# Results\n\nWritten by the workloads' programs: each replaces its own section with its last run. Each \
                        folder's README says how\nto repeat it and what the figures mean.\n";

/// The file with the workload's section replaced, or added at its place in the order of names.
fn with_section(results: &str, workload: &str, section: &str) -> String {
    let mut parts = results.split("\n## ");
    let mut out = parts.next().unwrap_or_default().trim_end().to_owned() + "\n";
    let mut sections: Vec<String> = parts
        .filter(|part| part.lines().next() != Some(workload))
        .map(|part| format!("## {}", part.trim_end()))
        .collect();
    sections.push(section.trim_end().to_owned());
    sections.sort();
    sections.iter().for_each(|section| out.push_str(&format!("\n{section}\n")));
    out
}

/// A duration in the unit in which it is a small number.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A figure in millions.
pub fn millions(value: f64) -> String {
    match value / 1e6 {
        m if m < 10.0 => format!("{m:.2}"),
        m => format!("{m:.1}"),
    }
}

/// Bytes in mebibytes.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1024.0 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(["query", "M/s"]);
        table.row(["q1".to_owned(), millions(7_600_000.0)]);
        assert_eq!(table.render(), "| query |  M/s |\n|-------|-----:|\n| q1    | 7.60 |\n");
    }

    #[test]
    fn a_section_takes_the_place_of_the_one_before() {
        let first = with_section(PREAMBLE, "serve", "## serve\n\nold\n");
        let both = with_section(&first, "latency", "## latency\n\nl\n");
        let replaced = with_section(&both, "serve", "## serve\n\nnew\n");
        assert!(replaced.starts_with("# Results\n"));
        assert!(replaced.ends_with("\n\n## latency\n\nl\n\n## serve\n\nnew\n"), "{replaced}");
    }
}
