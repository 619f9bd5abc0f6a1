//! Filters and qdiscs of other programs beside those of a tracer.

use tcptrace_tests::{Attached, Netns, Veth, lines_of};

use super::{NEXT, WHOLE, add_foreign, clsact, loopback, tc};

/// `TC_ACT_OK` and `TC_ACT_SHOT` of `linux/pkt_cls.h`.
const OK: i32 = 0;
const DROP: i32 = 2;

#[test]
fn filters_of_others_come_and_go_without_a_word() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4426);
    let tracer = clsact(&netns, 4426);
    add_foreign(&netns, "egress", 7, NEXT);
    tc(&netns, "filter del dev lo egress pref 7");
    clsact(&netns, 4426).stop();
    ends.repeat(1);
    let trace = tracer.stop();
    assert_eq!(trace.about(&netns, 4426).len(), WHOLE);
    assert!(!trace.log.iter().any(|line| line.contains("lost its")), "{:?}", trace.log);
}

#[test]
fn a_filter_behind_ends_the_chain_after_the_tracer_has_seen_the_segment() {
    let netns = Netns::new();
    tc(&netns, "qdisc add dev lo clsact");
    add_foreign(&netns, "egress", 7, OK);
    let ends = loopback(&netns, 4427);
    let tracer = clsact(&netns, 4427);
    ends.repeat(1);
    assert_eq!(tracer.stop().about(&netns, 4427).len(), WHOLE);

    let netns = Netns::new();
    tc(&netns, "qdisc add dev lo clsact");
    add_foreign(&netns, "egress", 7, DROP);
    let ends = loopback(&netns, 4428);
    let tracer = clsact(&netns, 4428);
    let connecting = ends.client.start_connect(ends.address, |_| {});
    tracer.wait_for("the SYN that is dropped", |record| record["type"] == "segment" && record["flags"] == "S");
    tc(&netns, "filter del dev lo egress pref 7");
    connecting.finish().expect("the SYN that is sent again arrives");
    tracer.stop();
}

#[test]
fn a_filter_in_front_that_ends_the_chain_hides_the_segments() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4429);
    let tracer = clsact(&netns, 4429);
    // Of one priority, the newest runs first.
    add_foreign(&netns, "egress", 1, OK);
    ends.repeat(1);
    let trace = tracer.stop();
    let told = lines_of(&trace.about(&netns, 4429), 4429);
    assert_eq!((trace.segments(&netns, 4429).len(), trace.states(&netns, 4429).len()), (0, 10), "{told:#?}");
}

#[test]
fn a_priority_that_a_filter_of_another_kind_has_is_left_to_it() {
    let netns = Netns::new();
    tc(&netns, "qdisc add dev lo clsact");
    tc(&netns, "filter add dev lo egress prio 1 protocol ip u32 match ip dport 9 0xffff flowid 1:1");
    let before = Attached::to(&netns, "lo");
    let ends = loopback(&netns, 4430);
    let tracer = clsact(&netns, 4430);
    let filters = Attached::to(&netns, "lo").egress;
    assert!(filters.lines().any(|line| line.contains("pref 2 ") && line.contains("tcptrace-")), "{filters}");
    ends.repeat(1);
    assert_eq!(tracer.stop().about(&netns, 4430).len(), WHOLE);
    assert_eq!(Attached::to(&netns, "lo"), before);
}

#[test]
fn an_ingress_qdisc_takes_no_filter_for_egress() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    tc(&left, &format!("qdisc add dev {} ingress", veth.left));
    let before = Attached::to(&left, &veth.left);
    let tracer = clsact(&left, 4431);
    tracer.wait_log("a warning", |line| line.contains("segments on left0 are not seen") && line.contains("`ingress`"));
    assert_eq!(Attached::to(&left, &veth.left), before);
    tracer.stop();
}
