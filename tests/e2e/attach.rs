//! The tracer leaves nothing behind, and touches nothing of others.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use tcptrace_tests::{
    Attached, Ends, LIMIT, Netns, Stopped, Tracer, Veth, eventually, held_objects, kernel_objects, output,
    tcx_programs, wait_attached,
};

const KINDS: [&str; 3] = ["link", "prog", "map"];

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn bpftool_net(netns: &Netns) -> String {
    netns.output(Command::new("bpftool").args(["-j", "net", "show"]))
}

/// Sets up somebody else's clsact qdisc with a filter that passes everything on to the next one.
fn attach_foreign(netns: &Netns, interface: &str) {
    let tc = |arguments: &[&str]| output(Command::new("tc").args(["-n", netns.name()]).args(arguments));
    tc(&["qdisc", "add", "dev", interface, "clsact"]);
    for hook in ["ingress", "egress"] {
        let place = ["filter", "add", "dev", interface, hook, "prio", "7", "protocol", "all"];
        // Classic BPF that returns -1, TC_ACT_UNSPEC.
        tc(&[place.as_slice(), &["bpf", "direct-action", "bytecode", "1,6 0 0 4294967295"]].concat());
    }
}

/// Traces a connection over loopback with `option`, and returns the attachments to `lo` meanwhile.
fn trace(netns: &Netns, port: u16, option: &[&str]) -> (Attached, (usize, usize)) {
    let ends = loopback(netns, port);
    let tracer = Tracer::start(netns, &[&["-p", &port.to_string()], option].concat());
    let meanwhile = (Attached::to(netns, "lo"), tcx_programs(netns, "lo"));
    let connection = ends.open();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    assert_eq!(trace.about(netns, port).len(), 10 + 7, "{:#?}", trace.records);
    trace.nothing_lost();
    meanwhile
}

/// Traces with these arguments until SIGINT, and checks that nothing new remains; `programs` is the number of TCX programs
/// on the egress of `lo` meanwhile.
fn check_gone_after_sigint(arguments: &[&str], programs: usize) {
    let netns = Netns::new();
    let (before, net_before) = (Attached::to(&netns, "lo"), bpftool_net(&netns));
    let tracer = Tracer::start(&netns, arguments);
    let held = KINDS.map(|kind| held_objects(tracer.id(), kind));
    assert!(held.iter().all(|ids| !ids.is_empty()), "it holds links, programs and maps: {held:?}");
    assert_eq!(tcx_programs(&netns, "lo"), (0, programs));
    tracer.stop();
    assert_eq!(tcx_programs(&netns, "lo"), (0, 0));
    assert_eq!(Attached::to(&netns, "lo"), before);
    assert_eq!(bpftool_net(&netns), net_before);
    for (kind, held) in KINDS.into_iter().zip(held) {
        // The kernel frees them asynchronously, after a grace period.
        eventually(&format!("no {kind} of the tracer"), LIMIT, || held.is_disjoint(&kernel_objects(kind)));
    }
}

#[test]
fn tcx_leaves_no_link_program_or_map_after_sigint() {
    check_gone_after_sigint(&["-p", "4321"], 1);
}

#[test]
fn clsact_leaves_no_link_program_or_map_after_sigint() {
    check_gone_after_sigint(&["-p", "4329", "--attach", "clsact"], 0);
}

#[test]
fn clsact_leaves_its_filters_after_sigkill_until_their_qdisc_is_removed() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    let tracer = Tracer::start(&netns, &["-p", "4330", "--attach", "clsact"]);
    let held: BTreeSet<u64> = held_objects(tracer.id(), "prog");
    drop(tracer);
    assert_ne!(Attached::to(&netns, "lo"), before);
    output(Command::new("tc").args(["-n", netns.name(), "qdisc", "del", "dev", "lo", "clsact"]));
    assert_eq!(Attached::to(&netns, "lo"), before);
    eventually("no program of the tracer", LIMIT, || held.is_disjoint(&kernel_objects("prog")));
}

#[test]
fn tcx_leaves_no_program_after_sigkill() {
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", "4322"]);
    let held: BTreeSet<u64> = held_objects(tracer.id(), "prog");
    drop(tracer);
    eventually("no program of the tracer", LIMIT, || held.is_disjoint(&kernel_objects("prog")));
    assert_eq!(tcx_programs(&netns, "lo"), (0, 0));
}

#[test]
fn tcx_leaves_the_qdisc_and_the_filters_of_others_alone() {
    let netns = Netns::new();
    attach_foreign(&netns, "lo");
    let before = Attached::to(&netns, "lo");
    let (meanwhile, programs) = trace(&netns, 4323, &["--attach", "tcx"]);
    assert_eq!((&meanwhile, programs.1), (&before, 1));
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn clsact_leaves_the_qdisc_and_the_filters_of_others_alone() {
    let netns = Netns::new();
    attach_foreign(&netns, "lo");
    let before = Attached::to(&netns, "lo");
    let (meanwhile, programs) = trace(&netns, 4324, &["--attach", "clsact"]);
    assert_eq!(programs, (0, 0));
    assert_eq!(meanwhile.qdiscs, before.qdiscs);
    assert_ne!(meanwhile.egress, before.egress, "its own filter was there");
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn clsact_removes_the_qdisc_that_it_made() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    let (meanwhile, programs) = trace(&netns, 4325, &["--attach", "clsact"]);
    assert_eq!(programs, (0, 0));
    assert!(meanwhile.qdiscs.contains(&"clsact".to_owned()), "{meanwhile:?}");
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn clsact_keeps_a_qdisc_of_its_own_that_somebody_else_began_to_use() {
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", "4326", "--attach", "clsact"]);
    let place = ["-n", netns.name(), "filter", "add", "dev", "lo", "egress", "prio", "7", "protocol", "all"];
    output(Command::new("tc").args(place).args(["bpf", "direct-action", "bytecode", "1,6 0 0 4294967295"]));
    tracer.stop();
    let after = Attached::to(&netns, "lo");
    assert!(after.qdiscs.contains(&"clsact".to_owned()) && after.egress.contains("pref 7"), "{after:?}");
    assert_eq!(after.ingress, "");
}

/// Traces a connection over a veth pair, with this way of attaching, beside somebody else's filters.
fn check_directions(way: &str, port: u16) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    attach_foreign(&left, &veth.left);
    let ends = Ends::between(&left, &right, veth.right_v4(port));
    let tracer = Tracer::start(&left, &["-p", &port.to_string(), "--attach", way]);
    let connection = ends.open();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    let segments = trace.segments(&left, port);
    let directions: Vec<_> = segments.iter().map(|segment| segment["direction"].as_str()).collect();
    let expected = ["out", "in", "out", "out", "in", "in", "out"].map(Some);
    assert_eq!(directions, expected, "{way}: {segments:#?}");
}

#[test]
fn tcx_sees_both_directions_of_an_interface() {
    check_directions("tcx", 4327);
}

#[test]
fn clsact_sees_both_directions_of_an_interface() {
    check_directions("clsact", 4328);
}

#[test]
fn interfaces_that_come_later_are_attached_to_by_clsact() {
    let netns = Netns::new();
    let other = netns.another();
    let tracer = Tracer::start(&netns, &["-p", "4329"]);
    let veth = Veth::between(&netns, &other, 1);
    wait_attached(&netns, &veth.left);
    assert_eq!(tcx_programs(&netns, &veth.left), (0, 0), "deleting it would wait for a grace period of the kernel");
    netns.ip(&["link", "delete", &veth.left]);
    tracer.stop();
}

#[test]
fn an_interface_that_has_gone_again_is_not_warned_of() {
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", "4330"]);
    let pair = |name: &str| netns.ip(&["link", "add", name, "up", "type", "veth", "peer", "name", "other"]);
    let stopped = Stopped::thread(tracer.id(), "tcptrace");
    pair("brief");
    netns.ip(&["link", "delete", "brief"]);
    drop(stopped);
    pair("lasting");
    wait_attached(&netns, "lasting");
    assert!(!tracer.has_logged(|line| line.contains("brief")));
    tracer.stop();
}
