//! What came of it: a table with a row for each check and a column for each kernel.

use std::collections::BTreeMap;

use super::checks::{CHECKS, Check};

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

    /// Whether all tests of all checks passed.
    pub(crate) fn is_good(&self, all: &[String]) -> bool {
        CHECKS.iter().all(|check| self.cell(check, all).is_none_or(|failed| failed == 0))
    }

    /// How many tests of a check failed; none where the kernel has not what it takes.
    fn cell(&self, check: &Check, all: &[String]) -> Option<usize> {
        check.applies_to(version(&self.release)).then(|| self.failed(&check.tests(all)))
    }
}

/// A line of libtest's: the name of a test, and whether it passed.
fn result(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    // Behind the name of one that is left out unless it is asked for, libtest says so.
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

/// The table, in Markdown.
pub(crate) fn table(columns: &[Column], all: &[String]) -> String {
    let first: Vec<String> =
        ["check".to_owned(), "tests".to_owned()].into_iter().chain(columns.iter().map(|c| c.release.clone())).collect();
    let rows = CHECKS.iter().map(|check| {
        let tests = check.tests(all).len();
        let cells = columns.iter().map(|column| match column.cell(check, all) {
            None => "–".to_owned(),
            Some(0) => "yes".to_owned(),
            Some(failed) => format!("NO: {failed} of {tests} failed"),
        });
        [check.what.to_owned(), tests.to_string()].into_iter().chain(cells).collect()
    });
    let rule = vec!["---".to_owned(); first.len()];
    let lines = [first, rule].into_iter().chain(rows);
    lines.map(|cells| format!("| {} |\n", cells.join(" | "))).collect()
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
    fn reads_versions() {
        assert_eq!(version("5.10.0-46-cloud-amd64"), (5, 10));
        assert_eq!(version("7.2.12+deb13-cloud-amd64"), (7, 2));
        assert_eq!(version("linux"), (0, 0));
    }
}
