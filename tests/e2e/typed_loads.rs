//! Programs that load from sockets and those that read them through a helper tell the same.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use serde_json::{Value, json};
use tcptrace_tests::{Ends, LIMIT, Netns, Trace, Tracer, eventually, kernel_release, program_runs};

use crate::scenarios::{abort_unread, wait_verdicts};

/// All connections, one after the other, on this port.
const PORT: u16 = 4333;

/// The port of listeners that nobody connects to.
const EARLIER: u16 = 5333;

/// The kernel of whose sockets the control groups are known.
const GROUPS: (u32, u32) = (5, 15);

/// Connections that are opened, and one that is refused.
const OPENED: usize = 4;

/// The kernel that has `bpf_get_current_task_btf`.
const LOADS_FROM_TASKS: (u32, u32) = (5, 11);

/// The facts that a record has from a socket. Those that depend on the moment at which each program runs are left out.
const OF_STATES: [&str; 15] = [
    "conn", "netns", "socket", "old", "new", "local", "remote", "role", "error", "pid", "tid", "comm", "thread", "uid",
    "cgroup",
];
const OF_CLOSES: [&str; 9] = [
    "kind",
    "initiator",
    "client",
    "server",
    "reset",
    "evidence",
    "retransmissions",
    "data_retransmissions",
    "incomplete",
];

fn facts(records: &[&Value], fields: &[&'static str]) -> Vec<Value> {
    let of = |record: &Value| fields.iter().map(|&field| (field.to_owned(), record[field].clone())).collect();
    records.iter().map(|record| Value::Object(of(record))).collect()
}

/// Round-trip times as the sockets measured them.
fn measured(closes: &[&Value]) -> Vec<[Value; 2]> {
    closes.iter().map(|close| ["smoothed_ns", "min_ns"].map(|field| close["rtt"][field].clone())).collect()
}

#[test]
fn both_kinds_of_programs_tell_the_same_of_the_same_sockets() {
    let netns = Netns::new();
    let start = |further: &[&str]| Tracer::start(&netns, &[&["-p", &format!("{PORT},{EARLIER}")], further].concat());
    let tracers = [start(&[]), start(&["--no-typed-loads"])];
    let [typed, untyped] = &tracers;
    assert!(program_runs(untyped.id()).contains_key("set_state"));
    assert_eq!(program_runs(typed.id()).contains_key("set_state_btf"), kernel_release() >= LOADS_FROM_TASKS);

    if kernel_release() >= GROUPS {
        // The first record of a control group may be printed before the group's path is found.
        for tracer in &tracers {
            eventually("a named control group", LIMIT, || {
                netns.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, EARLIER)).map(drop)).expect("a free port");
                let mut named = false;
                tracer.look(|records| named = records.iter().any(|record| record["cgroup"].is_string()));
                named
            });
        }
    }
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let ends = Ends::on(&netns, SocketAddr::new(address, PORT));
        ends.close_in_four(ends.open());
        abort_unread(&ends, ends.open());
    }
    let refused = netns.run(|| TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).expect_err("nobody listens any more"));
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    for tracer in [typed, untyped] {
        wait_verdicts(tracer, &netns, OPENED + 1, OPENED);
    }
    let [typed, untyped] = tracers.map(Tracer::stop);
    let states = |trace: &Trace| facts(&trace.states(&netns, PORT), &OF_STATES);
    // Ten for each of the two that close, six for each that is reset, two for the one refused, four of the listeners.
    assert_eq!(states(&typed).len(), 2 * 10 + 2 * 6 + 2 + 4);
    assert_eq!(states(&typed), states(&untyped));
    let closes = |trace: &Trace| facts(&trace.of_type("close"), &OF_CLOSES);
    assert_eq!(closes(&typed).len(), OPENED);
    assert_eq!(closes(&typed), closes(&untyped));
    assert_eq!(measured(&typed.of_type("close")), measured(&untyped.of_type("close")));
    let resets = closes(&typed).into_iter().filter(|close| close["reset"]["cause"] == "unread_data");
    let evidence: Vec<_> = resets.map(|close| close["evidence"].clone()).collect();
    assert_eq!(evidence, [json!(["linger", "unread"]), json!(["linger", "unread"])]);
    [typed, untyped].iter().for_each(Trace::nothing_lost);
}
