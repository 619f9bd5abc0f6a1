//! The checks that run on each kernel: end-to-end tests, grouped by feature.

use anyhow::{Result, bail};

/// A row of the table.
pub(crate) struct Check {
    /// The feature.
    pub(crate) what: &'static str,
    /// The beginnings of its tests' names.
    tests: &'static [&'static str],
    /// Those that are part of every run, and not only of a full one.
    core: &'static [&'static str],
    /// The first kernel with the required features, as (major, minor).
    since: (u32, u32),
}

/// The oldest kernel that tcptrace runs on.
const OLDEST: (u32, u32) = (5, 10);
/// The first kernel whose veth devices have GRO.
const VETH_GRO: (u32, u32) = (5, 13);
/// The first of Debian's kernels with MPTCP built in.
const MPTCP: (u32, u32) = (6, 1);
/// The first of Debian's kernels where the other host's SYN,ACK ends a simultaneous open.
const CROSSING_SYNS: (u32, u32) = (6, 1);
/// The first kernel that reports why it drops a segment.
const DROP_REASONS: (u32, u32) = (5, 17);
/// The first kernel with TCX.
const TCX: (u32, u32) = (6, 6);
/// The first kernel with reasons for resets.
const REASONS: (u32, u32) = (6, 10);

/// All checks. Tests with deadlines that an emulated machine may not meet are left out.
const CHECKS: [Check; 37] = [
    check("both ends here: IPv4, IPv6, IPv4 over IPv6", &["loopback::"]).core(&["loopback::a"]),
    check("without BTF", &["no_btf::"]).core(&["no_btf::"]),
    check("sockets read by typed loads and through a helper: the same records", &["typed_loads::"])
        .core(&["typed_loads::"]),
    check("who holds a socket, from the kernel and from /proc", &["owners::the_kernel_lists"])
        .core(&["owners::the_kernel_lists"]),
    check("attached by clsact, beside others, nothing left", &["attach::clsact_", "clsact::"]).core(&[
        "attach::clsact_leaves_the_qdisc",
        "attach::clsact_removes",
        "attach::clsact_sees",
        "clsact::filters_that",
        "clsact::only_what",
        "clsact::two_tracers",
    ]),
    check("attached by TCX, beside others, nothing left", &["attach::tcx_"])
        .core(&["attach::tcx_leaves_the_qdisc", "attach::tcx_leaves_no_program", "attach::tcx_sees"])
        .since(TCX),
    check("a client and a server, on one host and on two", &["seeds::"]).core(&[
        "seeds::port_10000",
        "seeds::port_54321",
        "seeds::port_9999::the",
    ]),
    check("refused by a reset, by a packet filter, by ICMP", &["scenarios::opening::refusals::"])
        .core(&["scenarios::opening::refusals::a_reset_answers", "scenarios::opening::refusals::an_icmp"]),
    check("causes of resets", &["scenarios::closing::resets::"]).core(&[
        "scenarios::closing::resets::so_linger",
        "scenarios::closing::resets::closed_with",
        "scenarios::closing::resets::a_write",
    ]),
    check("MPTCP", &["scenarios::shapes::mptcp::a_subflow", "scenarios::closing::processes::a_connection"])
        .core(&["scenarios::shapes::mptcp::a_subflow_is"])
        .since(MPTCP),
    check("SCTP is left out", &["scenarios::shapes::mptcp::sctp"]),
    check("a slow wire, a lossy wire (netem)", &["netem::"]).core(&["netem::a_"]),
    check("SIGINT, SIGTERM, a closed stdout", &["endings::sig", "endings::a_closed_stdout"]).core(&["endings::sigint"]),
    check("filters", &["filters::"]).core(&["filters::port_keeps"]),
    check("orderly closes", &["scenarios::closing::orderly::f", "scenarios::closing::orderly::t"]),
    check("a FIN behind queued data", &["scenarios::closing::orderly::a_fin_behind"]),
    check("a FIN that GRO has merged into data", &["scenarios::closing::orderly::a_fin_that"]).since(VETH_GRO),
    check("segments lost", &["scenarios::opening::loss::", "scenarios::closing::losses::"]),
    check(
        "two sockets that open at once, one that is both ends",
        &["scenarios::opening::simultaneous::two", "scenarios::opening::simultaneous::a_socket"],
    ),
    check("a SYN of another host that crosses ours", &["scenarios::opening::simultaneous::a_syn"]).since(CROSSING_SYNS),
    check("hosts that cannot be reached", &["scenarios::opening::unreachable::"]),
    check("full accept queues, closing listeners", &["scenarios::opening::queues::"]),
    check("a four-tuple used again", &["scenarios::closing::reuse::"]),
    check(
        "interfaces that come and go",
        &[
            "scenarios::shapes::interfaces::a_connection",
            "scenarios::shapes::interfaces::a_handshake",
            "scenarios::shapes::interfaces::a_refusal_before",
            "scenarios::shapes::interfaces::an_interface",
        ],
    ),
    check("bridges, VLAN tags", &["scenarios::shapes::several_interfaces::", "scenarios::shapes::vlan::"]),
    check("other network namespaces", &["scenarios::shapes::namespaces::"]),
    check(
        "processes",
        &["owners::the_only", "owners::both", "owners::where", "scenarios::closing::processes::a_process"],
    ),
    check("sockets handed to other processes", &["scenarios::closing::processes::handed_over::"]),
    check(
        "rights given up, and those that suffice",
        &["privileges::of_roots", "privileges::a_file", "privileges::five_capabilities_are_enough_with_clsact"],
    )
    .core(&["privileges::of_roots", "privileges::five_capabilities_are_enough_with_clsact"]),
    check("rights of the program's file, as a package gives them", &["file_capabilities::"])
        .core(&["file_capabilities::its_user_traces"]),
    check("a service manager is told", &["service::"]).core(&["service::a_service_manager"]),
    check("rights that suffice with TCX", &["privileges::five_capabilities_are_enough_with_tcx"]).since(TCX),
    check("doctor", &["doctor::"]).core(&["doctor::whoever"]),
    check("every record as the schema has it", &["schema::"]).core(&["schema::every_line"]),
    check("segments that the kernel drops", &["drops::a_", "drops::orderly", "drops::what"])
        .core(&["drops::what_a_firewall"])
        .since(DROP_REASONS),
    check("hints of SYN,ACKs sent again", &["hints::a_syn_ack", "hints::what_was"]),
    check("hints with reasons for resets", &["hints::a_listener", "hints::a_reset", "hints::data", "hints::filters"])
        .since(REASONS),
];

/// Creates a row that not every kernel has.
#[cfg(test)]
pub(crate) const TCX_CHECK: Check = check("TCX", &[]).since(TCX);

/// Creates a check of a full run, on every kernel.
const fn check(what: &'static str, tests: &'static [&'static str]) -> Check {
    Check { what, tests, core: &[], since: OLDEST }
}

impl Check {
    /// Returns this check with tests for every run.
    const fn core(mut self, core: &'static [&'static str]) -> Self {
        self.core = core;
        self
    }

    /// Returns this check for newer kernels only.
    const fn since(mut self, since: (u32, u32)) -> Self {
        self.since = since;
        self
    }

    /// Returns true if a kernel has the feature.
    fn applies_to(&self, version: (u32, u32)) -> bool {
        version >= self.since
    }
}

/// A row of a run: a check with its tests.
pub(crate) struct Row<'a> {
    /// The check.
    pub(crate) check: &'static Check,
    /// The tests that show it.
    pub(crate) tests: Vec<&'a str>,
}

impl Row<'_> {
    /// Returns the tests of this row for a kernel; `None` if it lacks the feature.
    pub(crate) fn for_kernel(&self, version: (u32, u32)) -> Option<&[&str]> {
        self.check.applies_to(version).then_some(&self.tests)
    }
}

/// Returns the rows of a run, out of `all` tests: everything, or only the most important checks.
pub(crate) fn rows(all: &[String], everything: bool) -> Result<Vec<Row<'_>>> {
    let rows = CHECKS.iter().map(|check| row(check, all, if everything { check.tests } else { check.core }));
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().filter(|row| !row.tests.is_empty()).collect())
}

/// Returns a row with the tests whose names begin with one of `starts`; each of these must match a test.
fn row<'a>(check: &'static Check, all: &'a [String], starts: &[&str]) -> Result<Row<'a>> {
    let mut tests = Vec::new();
    for start in starts {
        let before = tests.len();
        tests.extend(all.iter().map(String::as_str).filter(|name| name.starts_with(start)));
        if tests.len() == before {
            bail!("no test has a name that begins with {start}: mend xtask/src/vm/checks.rs");
        }
    }
    Ok(Row { check, tests })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_the_beginnings_of_their_names() {
        let all = ["a::one", "a::two", "b::a::one"].map(str::to_owned);
        let found = row(&TCX_CHECK, &all, &["b::", "a::o"]).map(|row| row.tests);
        assert_eq!(found.ok(), Some(vec!["b::a::one", "a::one"]));
        let error = row(&TCX_CHECK, &all, &["a::", "c::"]).map(|row| row.tests).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("begins with c::")));
    }

    #[test]
    fn a_kernel_without_what_it_takes_has_no_tests() {
        let row = Row { check: &TCX_CHECK, tests: vec!["a"] };
        let tests = [(6, 1), (6, 6), (7, 0)].map(|version| row.for_kernel(version).map(<[_]>::len));
        assert_eq!(tests, [None, Some(1), Some(1)]);
    }
}
