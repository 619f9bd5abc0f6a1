//! What is checked on each kernel: end-to-end tests, sorted by what they say about it.

/// A row of the table.
pub(crate) struct Check {
    /// What works.
    pub(crate) what: &'static str,
    /// The tests that show it: all whose names begin like this.
    tests: &'static [&'static str],
    /// The first kernel that has what it takes, as (major, minor).
    since: (u32, u32),
}

/// The oldest kernel that tcptrace runs on.
const ANY: (u32, u32) = (5, 10);
/// With TCX.
const TCX: (u32, u32) = (6, 6);

/// All of them.
pub(crate) const CHECKS: [Check; 3] = [
    Check { what: "states and segments of loopback, IPv4 and IPv6", tests: &["loopback::"], since: ANY },
    Check { what: "clsact", tests: &["attach::clsact_"], since: ANY },
    Check { what: "TCX", tests: &["attach::tcx_", "attach::every_", "attach::both_"], since: TCX },
];

impl Check {
    /// The tests among `all`.
    pub(crate) fn tests<'a>(&self, all: &'a [String]) -> Vec<&'a str> {
        let own = |name: &&String| self.tests.iter().any(|start| name.starts_with(start));
        all.iter().filter(own).map(String::as_str).collect()
    }

    /// Whether a kernel has what it takes.
    pub(crate) fn applies_to(&self, version: (u32, u32)) -> bool {
        version >= self.since
    }

    /// The beginnings of names that no test has.
    pub(crate) fn unknown(&self, all: &[String]) -> Vec<&'static str> {
        let unknown = |start: &&&str| !all.iter().any(|name| name.starts_with(**start));
        self.tests.iter().filter(unknown).copied().collect()
    }
}
