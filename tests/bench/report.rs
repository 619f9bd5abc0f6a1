//! The report: Markdown on stdout, as it comes.

use std::fmt::Display;

use crate::{Options, machine};

/// What is measured, on what.
pub(crate) fn title(options: &Options) {
    println!("# tcptrace, measured\n");
    machine::describe().iter().for_each(|line| println!("- {line}"));
    println!(
        "- {} rounds, {} s each; shown are the median and, in brackets, the least and the most",
        options.rounds, options.seconds
    );
}

/// Begins a section.
pub(crate) fn section(title: &str, text: &str) {
    println!("\n## {title}\n\n{text}\n");
    eprintln!("bench: {title}");
}

/// Says on stderr what is being done.
pub(crate) fn progress(what: &impl Display) {
    eprintln!("bench:   {what}");
}

/// A table whose rows are printed at once.
pub(crate) struct Table {
    columns: usize,
}

impl Table {
    /// Begins it.
    pub(crate) fn new(headings: &[&str]) -> Self {
        println!("{}", line(headings.iter().map(ToString::to_string)));
        println!("{}", line(headings.iter().map(|_| "---".to_owned())));
        Self { columns: headings.len() }
    }

    /// A row. Where there are fewer cells than columns, the rest is empty.
    pub(crate) fn row(&self, cells: &[String]) {
        let empty = std::iter::repeat_n(String::new(), self.columns.saturating_sub(cells.len()));
        println!("{}", line(cells.iter().cloned().chain(empty)));
    }
}

/// A line of a table.
fn line(cells: impl Iterator<Item = String>) -> String {
    // A bar would end the cell.
    cells.fold("|".to_owned(), |line, cell| format!("{line} {} |", cell.replace('|', "\\|")))
}

/// What a reader types, in a cell.
pub(crate) fn code(command: &str) -> String {
    format!("`{command}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_keeps_its_bars() {
        assert_eq!(line(["a".to_owned(), code("b | c")].into_iter()), "| a | `b \\| c` |");
    }
}
