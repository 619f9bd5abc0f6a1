//! The report: Markdown, as it comes.

use std::{
    fs::File,
    io::{self, Write as _},
};

use crate::{Options, machine};

/// Where the report goes, as it comes.
pub(crate) struct Report {
    file: Option<File>,
}

impl Report {
    /// Begins it, on stdout and in this file: what is measured, on what.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let file = options.results.as_deref().map(File::create).transpose()?;
        let mut report = Self { file };
        let lines: Vec<String> = machine::describe().into_iter().map(|line| format!("- {line}")).collect();
        let (rounds, seconds) = (options.rounds, options.seconds);
        report.write(&format!(
            "# tcptrace, measured\n\n{}\n- rounds: {rounds}, of {seconds} s under load; shown are the median and, in \
             brackets, the least and the most",
            lines.join("\n")
        ));
        Ok(report)
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, title: &str, text: &str) {
        progress(title);
        self.write(&format!("\n## {title}\n\n{text}\n"));
    }

    /// Begins a table.
    pub(crate) fn headings(&mut self, headings: &[&str]) {
        self.row(headings);
        self.row(&vec!["---"; headings.len()]);
    }

    /// A row of the table.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        self.write(&line(cells));
    }

    /// Lines of text.
    pub(crate) fn write(&mut self, text: &str) {
        println!("{text}");
        if let Some(file) = &mut self.file {
            writeln!(file, "{text}").expect("there is room for the results");
        }
    }
}

/// Says on stderr what is being done.
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

/// A line of a table.
fn line<S: AsRef<str>>(cells: &[S]) -> String {
    // A bar would end the cell.
    let cells = cells.iter().map(|cell| cell.as_ref().replace('|', "\\|"));
    cells.fold("|".to_owned(), |line, cell| format!("{line} {cell} |"))
}

/// A table cell with text for the reader to type.
pub(crate) fn code(command: &str) -> String {
    format!("`{command}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_keeps_its_bars() {
        assert_eq!(line(&["a".to_owned(), code("b | c")]), "| a | `b \\| c` |");
    }
}
