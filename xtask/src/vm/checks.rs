//! What is checked on each kernel: end-to-end tests, sorted by what they say about it.

/// A row of the table.
pub(crate) struct Check {
    /// What works.
    pub(crate) what: &'static str,
    /// The tests that show it: all whose names begin like this.
    tests: &'static [&'static str],
    /// The first kernel that has what it takes, as (major, minor).
    since: (u32, u32),
    /// Whether it is part of every run, and not only of those that check everything.
    core: bool,
}

/// The oldest kernel that tcptrace runs on.
const ANY: (u32, u32) = (5, 10);
/// The first one with TCX.
const TCX: (u32, u32) = (6, 6);
/// The first one with reasons for resets.
const REASONS: (u32, u32) = (6, 10);

/// All of them.
const CHECKS: [Check; 23] = [
    core("both ends here: IPv4, IPv6, IPv4 over IPv6", &["loopback::"]),
    core("without BTF", &["no_btf::"]),
    core("attached by clsact, beside others, nothing left", &["attach::clsact_"]),
    core("attached by TCX, beside others, nothing left", &["attach::tcx_"]).since(TCX),
    core("a client and a server, on one host and on two", &["seeds::"]),
    core("refused by a reset, by a packet filter, by ICMP", &["scenarios::opening::refusals::"]),
    core("causes of resets", &["scenarios::closing::resets::"]),
    core("MPTCP", &["scenarios::shapes::mptcp::"]),
    core("a slow wire, a lossy wire (netem)", &["netem::"]),
    core("SIGINT, SIGTERM, a closed stdout", &["endings::sig", "endings::a_closed_stdout"]),
    check("filters", &["filters::"]),
    check("orderly closes", &["scenarios::closing::orderly::"]),
    check("segments lost", &["scenarios::opening::loss::", "scenarios::closing::losses::"]),
    check("simultaneous opens", &["scenarios::opening::simultaneous::"]),
    check("hosts that cannot be reached", &["scenarios::opening::unreachable::"]),
    check("full accept queues, closing listeners", &["scenarios::opening::queues::"]),
    check("a four-tuple used again", &["scenarios::closing::reuse::"]),
    check("interfaces that come and go", &["scenarios::shapes::interfaces::"]),
    check("bridges, VLAN tags", &["scenarios::shapes::several_interfaces::", "scenarios::shapes::vlan::"]),
    check("other network namespaces", &["scenarios::shapes::namespaces::"]),
    check("processes", &["owners::", "scenarios::closing::processes::"]),
    check("hints of SYN,ACKs sent again", &["hints::a_syn_ack", "hints::what_was"]),
    check("hints with reasons for resets", &["hints::a_listener", "hints::a_reset", "hints::data", "hints::filters"])
        .since(REASONS),
];

/// A check of every run, on every kernel.
const fn core(what: &'static str, tests: &'static [&'static str]) -> Check {
    Check { what, tests, since: ANY, core: true }
}

/// A check of a run of everything, on every kernel.
const fn check(what: &'static str, tests: &'static [&'static str]) -> Check {
    Check { what, tests, since: ANY, core: false }
}

impl Check {
    /// The checks of a run.
    pub(crate) fn of_run(everything: bool) -> Vec<&'static Self> {
        CHECKS.iter().filter(|check| everything || check.core).collect()
    }

    /// The same for newer kernels alone.
    const fn since(mut self, since: (u32, u32)) -> Self {
        self.since = since;
        self
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_the_beginnings_of_their_names() {
        let all = ["a::one", "a::two", "b::a::one"].map(str::to_owned);
        let rows = check("rows", &["a::", "c::"]).since(TCX);
        assert_eq!(rows.tests(&all), ["a::one", "a::two"]);
        assert_eq!(rows.unknown(&all), ["c::"]);
        assert_eq!([(6, 1), (6, 6), (7, 0)].map(|version| rows.applies_to(version)), [false, true, true]);
    }
}
