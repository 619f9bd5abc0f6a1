//! What came of it: a table with a row for each check and a column for each kernel.

use std::collections::BTreeMap;

use super::checks::Check;

/// A kernel's column.
pub(crate) struct Column {
    /// As `uname -r` says it.
    pub(crate) release: String,
    /// Which tests came to an end, and whether they passed.
    results: BTreeMap<String, bool>,
}

impl Column {
    /// Reads the output of the tests.
    pub(crate) fn read(release: &str, output: &str) -> Self {
        let results = output.lines().filter_map(result).map(|(name, passed)| (name.to_owned(), passed)).collect();
        Self { release: release.to_owned(), results }
    }

    /// How many of these tests have not passed; one that did not come to its end has not.
    fn failed(&self, tests: &[&str]) -> usize {
        tests.iter().filter(|name| self.results.get(**name) != Some(&true)).count()
    }
}

/// A line of libtest's: the name of a test, and whether it passed.
fn result(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    // Of a test that has to panic, libtest says so behind the name.
    let name = name.split(' ').next()?;
    match result.trim_end() {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// The first two numbers of a release; zeros for what is none.
pub(crate) fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The table, in Markdown; `all` are the names of all tests.
pub(crate) fn table(checks: &[&Check], columns: &[Column], all: &[String]) -> String {
    let releases = columns.iter().map(|column| column.release.clone());
    let first: Vec<String> = ["check".to_owned(), "tests".to_owned()].into_iter().chain(releases).collect();
    let rows = checks.iter().map(|check| {
        let tests = check.tests(all);
        let cells = columns.iter().map(|column| cell(check, column, &tests));
        [check.what.to_owned(), tests.len().to_string()].into_iter().chain(cells).collect()
    });
    let rule = vec!["---".to_owned(); first.len()];
    let lines = [first, rule].into_iter().chain(rows);
    lines.map(|cells| format!("| {} |\n", cells.join(" | "))).collect()
}

fn cell(check: &Check, column: &Column, tests: &[&str]) -> String {
    if !check.applies_to(version(&column.release)) {
        return "–".to_owned();
    }
    match column.failed(tests) {
        0 => "yes".to_owned(),
        failed => format!("NO: {failed} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let all: Vec<_> = ["attach::tcx_a", "attach::tcx_b"].map(str::to_owned).into();
        let columns = ["6.1.0", "6.12.1", "7.2.0"].map(|release| {
            Column::read(
                release,
                &format!(
                    "test attach::tcx_a ... ok\ntest attach::tcx_b ... {}\n",
                    if release == "7.2.0" { "FAILED" } else { "ok" }
                ),
            )
        });
        let checks: Vec<_> = Check::of_run(false).into_iter().filter(|check| !check.tests(&all).is_empty()).collect();
        let table = table(&checks, &columns, &all);
        let cells: Vec<_> = table.lines().last().unwrap_or_default().split(" | ").skip(1).collect();
        assert_eq!(cells, ["2", "–", "yes", "NO: 1 failed |"]);
    }

    #[test]
    fn reads_versions() {
        assert_eq!(version("5.10.0-46-cloud-amd64"), (5, 10));
        assert_eq!(version("7.2.12+deb13-cloud-amd64"), (7, 2));
        assert_eq!(version("linux"), (0, 0));
    }
}
