//! The table of results, with a row for each check and a column for each kernel.

use std::collections::BTreeMap;

use super::checks::Row;

/// A kernel's column.
pub(crate) struct Column {
    /// The release, as printed by `uname -r`.
    pub(crate) release: String,
    /// The tests that ended, and whether they passed.
    results: BTreeMap<String, bool>,
}

impl Column {
    /// Reads the output of the tests.
    pub(crate) fn read(release: &str, output: &str) -> Self {
        let results = output.lines().filter_map(result).map(|(name, passed)| (name.to_owned(), passed)).collect();
        Self { release: release.to_owned(), results }
    }

    /// Returns the number of these tests that have not passed, including those that did not end.
    fn failed(&self, tests: &[&str]) -> usize {
        tests.iter().filter(|name| self.results.get(**name) != Some(&true)).count()
    }
}

/// Parses a line of libtest: the name of a test, and whether it passed.
fn result(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    // libtest appends ` - should panic` to the names of such tests.
    let name = name.split(' ').next()?;
    match result.trim_end() {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// Returns the first two numbers of a release; zeros if there are none.
pub(crate) fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Returns the table, in Markdown.
pub(crate) fn table(rows: &[Row<'_>], columns: &[Column]) -> String {
    let releases = columns.iter().map(|column| column.release.clone());
    let head: Vec<String> = ["check".to_owned(), "tests".to_owned()].into_iter().chain(releases).collect();
    let rule = vec!["---".to_owned(); head.len()];
    let rows = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| cell(row, column));
        [row.check.what.to_owned(), row.tests.len().to_string()].into_iter().chain(cells).collect()
    });
    let lines = [head, rule].into_iter().chain(rows);
    lines.map(|cells| format!("| {} |\n", cells.join(" | "))).collect()
}

fn cell(row: &Row<'_>, column: &Column) -> String {
    match row.for_kernel(version(&column.release)).map(|tests| column.failed(tests)) {
        None => "–".to_owned(),
        Some(0) => "yes".to_owned(),
        Some(failed) => format!("NO: {failed} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::checks::TCX_CHECK;

    #[test]
    fn reads_results_as_libtest_writes_them() {
        let output = "kernel 6.1.0\n\nrunning 4 tests\ntest a::b ... ok\ntest a::c - should panic ... ok\r\n\
                      test a::d ... FAILED\ntest a::e ... \nended with 101\n";
        let column = Column::read("6.1.0", output);
        assert_eq!(column.failed(&["a::b", "a::c"]), 0);
        assert_eq!(column.failed(&["a::b", "a::d", "a::e", "a::f"]), 3);
    }

    #[test]
    fn a_row_tells_what_failed_and_what_a_kernel_has_not() {
        let columns = [("6.1.0", "ok"), ("6.12.1", "ok"), ("7.2.0", "FAILED")]
            .map(|(release, result)| Column::read(release, &format!("test a ... ok\ntest b ... {result}\n")));
        let row = Row { check: &TCX_CHECK, tests: vec!["a", "b"] };
        let expected = "| check | tests | 6.1.0 | 6.12.1 | 7.2.0 |\n| --- | --- | --- | --- | --- |\n\
                        | TCX | 2 | – | yes | NO: 1 failed |\n";
        assert_eq!(table(&[row], &columns), expected);
    }

    #[test]
    fn reads_versions() {
        assert_eq!(version("5.10.0-46-cloud-amd64"), (5, 10));
        assert_eq!(version("7.2.12+deb13-cloud-amd64"), (7, 2));
        assert_eq!(version("linux"), (0, 0));
    }
}
