//! `--no-btf`: tracing on kernels that do not describe their own structures.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{Ends, Netns, Trace, Tracer, lines_of};

fn tracing_mounts() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("every process has mounts");
    mounts.lines().filter(|line| line.contains("tracefs") || line.contains("debugfs")).map(str::to_owned).collect()
}

#[test]
fn without_btf_the_same_ten_state_changes_are_seen_and_tracefs_is_not_left_mounted() {
    const PORT: u16 = 4331;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let before = tracing_mounts();
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--no-btf"]);
    let connection = ends.open();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    assert_eq!(tracing_mounts(), before);

    let events = trace.about(&netns, PORT);
    assert_eq!(
        lines_of(&events, PORT),
        [
            "client CLOSE > SYN_SENT",
            "client S 0:0",
            "server S. 0:0 ack 1",
            "client SYN_SENT > ESTABLISHED",
            "client . 1:1 ack 1",
            "server LISTEN > SYN_RECV",
            "server SYN_RECV > ESTABLISHED",
            "client ESTABLISHED > FIN_WAIT1",
            "client F. 1:1 ack 1",
            "server ESTABLISHED > CLOSE_WAIT",
            "server . 1:1 ack 2",
            "client FIN_WAIT1 > FIN_WAIT2",
            "client FIN_WAIT2 > CLOSE",
            "server CLOSE_WAIT > LAST_ACK",
            "server F. 1:1 ack 2",
            "client . 2:2 ack 2",
            "server LAST_ACK > CLOSE",
        ]
    );
    Trace::only_connection(&events);
    for state in trace.states(&netns, PORT) {
        assert_eq!(state["netns"], Value::Null, "nothing tells the namespace: {state}");
    }
    trace.nothing_lost();
}
