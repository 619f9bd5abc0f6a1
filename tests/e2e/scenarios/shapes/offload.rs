//! Buffers of many segments: interfaces split them after TC, or have merged them before it.

use tcptrace_tests::{Ends, Netns, Tracer, Veth, close, number, receive, send};

use super::{Plain, exchange, only_verdicts, wait_verdicts};

/// Traces the exchange of many bytes both ways, from either side.
fn check(port: u16, arguments: &[&str]) {
    const UP: usize = 300_000;
    const DOWN: usize = 500_000;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = veth.right_v4(port);
    let port = port.to_string();
    let arguments = [&["-p", port.as_str()], arguments].concat();
    let tracers = [(&left, (true, false)), (&right, (false, true))]
        .map(|(netns, here)| (netns, here, Tracer::start(netns, &arguments)));
    let ends = Ends::between(&left, &right, address);
    let connection = ends.open();
    for (from, to, reader, count) in [
        (&connection.client, &connection.server, &ends.server, UP),
        (&connection.server, &connection.client, &ends.client, DOWN),
    ] {
        let to = to.try_clone().expect("a stream can be duplicated");
        let reading = reader.start(move || {
            receive(&to, count);
            close(to);
        });
        send(from, count);
        reading.finish();
    }
    let client = exchange(&ends, connection);
    for (netns, here, tracer) in tracers {
        wait_verdicts(&tracer, netns, 1, 1);
        let trace = tracer.stop();
        let bytes = (UP + super::UP, DOWN + super::DOWN);
        Plain { here, bytes, ..Plain::new(netns, client, address) }.check(&only_verdicts(&trace, netns));
        if arguments.contains(&"all") {
            let long = |segment: &&serde_json::Value| number(segment, "length") > 1460;
            assert!(trace.of_type("segment").iter().any(long), "none is longer than the MTU: {:#?}", trace.records);
        }
    }
}

#[test]
fn buffers_longer_than_the_mtu() {
    check(4815, &["--segments", "all"]);
}

#[test]
fn bytes_of_which_no_segment_shows() {
    check(4816, &[]);
}
