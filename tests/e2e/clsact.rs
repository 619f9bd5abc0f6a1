//! clsact filters outlive a killed process, and disappear if somebody removes their qdisc: tracers handle both, even if there
//! are several of them.

mod foreign;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use tcptrace_tests::{Attached, Ends, LIMIT, Netns, Tracer, Veth, binary, eventually, output};

/// State changes and segments of a connection over loopback that closes in four segments.
const WHOLE: usize = 10 + 7;

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn clsact(netns: &Netns, port: u16) -> Tracer {
    Tracer::start(netns, &["-p", &port.to_string(), "--attach", "clsact"])
}

#[track_caller]
fn tc(netns: &Netns, arguments: &str) {
    output(Command::new("tc").args(["-n", netns.name()]).args(arguments.split(' ')));
}

/// A filter of somebody else behind those of tracers: classic BPF that gives every segment this verdict (`TC_ACT_`).
#[track_caller]
fn add_foreign(netns: &Netns, side: &str, priority: u16, verdict: i32) {
    let place = format!("filter add dev lo {side} prio {priority} protocol all bpf direct-action bytecode");
    let program = format!("1,6 0 0 {}", verdict.cast_unsigned());
    output(Command::new("tc").args(["-n", netns.name()]).args(place.split(' ')).arg(program));
}

/// `TC_ACT_UNSPEC` of `linux/pkt_cls.h`.
const NEXT: i32 = -1;

/// Returns the names of tracers' filters in the output of `tc filter show`.
fn names(filters: &str) -> BTreeSet<String> {
    filters.split_whitespace().filter(|word| word.starts_with("tcptrace-")).map(str::to_owned).collect()
}

/// Returns the PIDs of the processes whose filters are on the egress of `lo`.
#[track_caller]
fn owners(netns: &Netns) -> BTreeSet<u32> {
    let pid = |name: &String| name.split('-').nth(1).and_then(|pid| pid.parse().ok()).expect("a name has a number");
    names(&Attached::to(netns, "lo").egress).iter().map(pid).collect()
}

/// Asserts that a tracer reports the removal of `what`.
fn said_of_removal(tracer: &Tracer, what: &str) {
    let line = format!("removed filters that a killed tcptrace had left behind: {what}");
    tracer.wait_log(&line, |logged| logged.ends_with(&line));
}

#[test]
fn what_a_killed_tracer_left_is_removed_by_the_next_one_with_its_qdisc() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    let killed = clsact(&netns, 4411);
    let pid = killed.id();
    drop(killed);
    assert_eq!(owners(&netns), BTreeSet::from([pid]));
    let next = clsact(&netns, 4411);
    said_of_removal(&next, "1 filter on lo and its clsact qdisc");
    assert_eq!(owners(&netns), BTreeSet::from([next.id()]));
    next.stop();
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn only_what_a_killed_tracer_left_is_removed() {
    let netns = Netns::new();
    tc(&netns, "qdisc add dev lo clsact");
    add_foreign(&netns, "ingress", 7, NEXT);
    add_foreign(&netns, "egress", 7, NEXT);
    let before = Attached::to(&netns, "lo");
    let ends = loopback(&netns, 4412);
    let (killed, lives) = (clsact(&netns, 4412), clsact(&netns, 4412));
    let both = BTreeSet::from([killed.id(), lives.id()]);
    drop(killed);
    assert_eq!(owners(&netns), both, "nothing but the next tracer removes it");
    let next = clsact(&netns, 4412);
    said_of_removal(&next, "1 filter on lo");
    assert_eq!(owners(&netns), BTreeSet::from([lives.id(), next.id()]));
    ends.repeat(1);
    for tracer in [next, lives] {
        assert_eq!(tracer.stop().about(&netns, 4412).len(), WHOLE);
    }
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn the_qdisc_of_a_killed_tracer_stays_while_somebody_else_uses_it() {
    let netns = Netns::new();
    let killed = clsact(&netns, 4413);
    add_foreign(&netns, "ingress", 7, NEXT);
    drop(killed);
    let next = clsact(&netns, 4413);
    said_of_removal(&next, "1 filter on lo");
    next.stop();
    let after = Attached::to(&netns, "lo");
    assert!(after.qdiscs.contains(&"clsact".to_owned()) && after.ingress.contains("pref 7"), "{after:?}");
    assert_eq!(after.egress, "");
}

#[test]
fn an_empty_qdisc_of_somebody_else_outlives_a_killed_tracer() {
    let netns = Netns::new();
    tc(&netns, "qdisc add dev lo clsact");
    let before = Attached::to(&netns, "lo");
    drop(clsact(&netns, 4414));
    let next = clsact(&netns, 4414);
    said_of_removal(&next, "1 filter on lo");
    next.stop();
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn a_tracer_of_another_pid_namespace_cannot_be_asked_about_and_keeps_its_filters() {
    let netns = Netns::new();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(binary());
    let elsewhere = Tracer::start_command(&netns, command.args(["--json", "-p", "4415", "--attach", "clsact"]));
    let there = Attached::to(&netns, "lo").egress;
    assert_eq!(owners(&netns), BTreeSet::from([1]), "it is the first process of its namespace");
    let here = clsact(&netns, 4415);
    assert_eq!(owners(&netns), BTreeSet::from([1, here.id()]));
    here.stop();
    assert_eq!(Attached::to(&netns, "lo").egress, there);
    drop(elsewhere);
}

#[test]
fn the_last_of_two_tracers_removes_the_qdisc_that_the_first_has_made() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    let ends = loopback(&netns, 4416);
    let (first, second) = (clsact(&netns, 4416), clsact(&netns, 4416));
    ends.repeat(1);
    assert_eq!(first.stop().about(&netns, 4416).len(), WHOLE);
    assert_eq!(owners(&netns), BTreeSet::from([second.id()]));
    ends.repeat(1);
    let trace = second.stop();
    assert_eq!(trace.about(&netns, 4416).len(), 2 * WHOLE);
    assert!(!trace.log.iter().any(|line| line.contains("lost its")), "its filters stayed: {:?}", trace.log);
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn filters_that_somebody_removes_are_hung_again() {
    let ways = ["qdisc del dev lo clsact", "filter del dev lo egress", "filter del dev lo egress pref 1"];
    for (way, port) in ways.into_iter().zip(4417..) {
        let netns = Netns::new();
        let before = Attached::to(&netns, "lo");
        let ends = loopback(&netns, port);
        let tracer = clsact(&netns, port);
        ends.repeat(1);
        tc(&netns, way);
        tracer.wait_log("a warning", |line| line.contains("lo lost its clsact filters; attached again"));
        assert_eq!(owners(&netns), BTreeSet::from([tracer.id()]));
        ends.repeat(1);
        let trace = tracer.stop();
        assert_eq!(trace.about(&netns, port).len(), 2 * WHOLE, "{way}: {:#?}", trace.records);
        assert_eq!(Attached::to(&netns, "lo"), before, "{way}");
    }
}

#[test]
fn a_filter_that_somebody_removes_from_one_side_is_hung_again_there() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let before = Attached::to(&left, &veth.left);
    let ends = Ends::between(&left, &right, veth.right_v4(4423));
    let tracer = clsact(&left, 4423);
    let whole = Attached::to(&left, &veth.left);
    let count = |filters: &str| (names(filters).len(), filters.matches("handle").count());
    assert_eq!((count(&whole.ingress), count(&whole.egress)), ((1, 1), (1, 1)), "{whole:?}");
    tc(&left, &format!("filter del dev {} ingress", veth.left));
    tracer.wait_log("a warning", |line| line.contains("left0 lost its clsact filters; attached again"));
    let again = Attached::to(&left, &veth.left);
    assert_eq!((names(&again.ingress), again.egress), (names(&whole.ingress), whole.egress));
    ends.repeat(1);
    let trace = tracer.stop();
    let segments = trace.segments(&left, 4423);
    let directions: Vec<_> = segments.iter().map(|segment| segment["direction"].as_str()).collect();
    assert_eq!(directions, ["out", "in", "out", "out", "in", "in", "out"].map(Some), "{segments:#?}");
    assert_eq!(Attached::to(&left, &veth.left), before);
}

#[test]
fn a_qdisc_that_somebody_makes_anew_is_theirs() {
    let netns = Netns::new();
    let tracer = clsact(&netns, 4424);
    // While the tracer is stopped, its qdisc is removed and another one created.
    tracer.signal(rustix::process::Signal::STOP);
    tc(&netns, "qdisc del dev lo clsact");
    tc(&netns, "qdisc add dev lo clsact");
    tracer.signal(rustix::process::Signal::CONT);
    tracer.wait_log("a warning", |line| line.contains("lo lost its clsact filters; attached again"));
    tracer.stop();
    let after = Attached::to(&netns, "lo");
    assert!(after.qdiscs.contains(&"clsact".to_owned()), "{after:?}");
    assert_eq!((after.ingress.as_str(), after.egress.as_str()), ("", ""));
}

#[test]
fn two_tracers_that_lose_their_qdisc_make_one_again() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    let ends = loopback(&netns, 4425);
    let tracers = [clsact(&netns, 4425), clsact(&netns, 4425)];
    tc(&netns, "qdisc del dev lo clsact");
    for tracer in &tracers {
        tracer.wait_log("a warning", |line| line.contains("lo lost its clsact filters; attached again"));
    }
    assert_eq!(owners(&netns), tracers.iter().map(Tracer::id).collect());
    ends.repeat(1);
    for tracer in tracers {
        assert_eq!(tracer.stop().about(&netns, 4425).len(), WHOLE);
    }
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn an_interface_that_goes_away_loses_its_filters_without_a_word() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = loopback(&left, 4432);
    let tracer = clsact(&left, 4432);
    left.ip(&["link", "del", &veth.left]);
    let other = Veth::between(&left, &right, 1);
    eventually("the tracer on the new interface", LIMIT, || {
        let filters = Attached::to(&left, &other.left);
        !names(&filters.ingress).is_empty() && !names(&filters.egress).is_empty()
    });
    ends.repeat(1);
    let trace = tracer.stop();
    assert_eq!(trace.about(&left, 4432).len(), WHOLE);
    assert!(!trace.log.iter().any(|line| line.contains("lost its")), "{:?}", trace.log);
}
