//! Connections of a node with pods whose addresses are translated on the way: each side is reported and tied to the others,
//! and no other connection is.

mod clash;
mod forgotten;
mod node;
mod podman;

use std::{
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{LIMIT, Lines, Netns, Trace, binary, is_type, number, receive_end, wait_tracing};

use self::node::{
    BRIDGE, CALLER, NOBODY, NODE, Node, ON_LOOPBACK, OUTSIDE, PORT, PUBLISHED, SERVER, SERVICE, assert_tied, ends,
    wait_closed,
};

/// A request to the server of `tt-traffic`: send 0 bytes, and close after the client has closed.
const REQUEST: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, b'c'];

/// Opens a connection, requests no data, and closes it.
#[track_caller]
fn call(from: &Netns, to: SocketAddr) {
    from.run(|| {
        let mut stream = TcpStream::connect(to).unwrap_or_else(|error| panic!("{to} cannot be connected to: {error}"));
        stream.write_all(&REQUEST).expect("a request");
        stream.shutdown(Shutdown::Write).expect("a close");
        receive_end(&stream);
    });
}

/// A connection from a namespace, and its sides: the client's address, and the server's with its port.
struct Row<'a> {
    from: &'a Netns,
    to: (Ipv4Addr, u16),
    sides: &'a [(Ipv4Addr, (Ipv4Addr, u16))],
}

/// Traces one connection, and checks that it has these sides and no others, complete and with the processes at its ends.
#[track_caller]
fn check(node: &Node, row: &Row<'_>) {
    let tracer = node.trace();
    call(row.from, row.to.into());
    wait_closed(&tracer, row.sides.len());
    let trace = tracer.stop();
    let (handshakes, closes) = (trace.of_type("handshake"), trace.of_type("close"));
    assert_eq!(number(trace.end(), "connections"), row.sides.len() as u64, "{:#?}", trace.records);
    let expected: Vec<_> =
        row.sides.iter().map(|&(client, server)| (client.to_string(), SocketAddr::from(server).to_string())).collect();
    let mut handshakes = handshakes;
    handshakes.sort_by_key(|record| number(record, "conn"));
    assert_eq!(handshakes.iter().map(|record| ends(record)).collect::<Vec<_>>(), expected, "{:#?}", trace.records);
    for handshake in &handshakes {
        assert_eq!(handshake["outcome"], "established", "{handshake}");
    }
    assert_tied(&handshakes, &trace);
    let mut closes = closes;
    closes.sort_by_key(|record| number(record, "conn"));
    assert_tied(&closes, &trace);
    for close in &closes {
        // Connections translated by the node itself have no segments with their socket's endpoints.
        let own = close["no_segments"] == "translated";
        let kinds = if own { ["orderly", "unseen"] } else { ["three_segment", "four_segment"] };
        assert!(kinds.contains(&close["kind"].as_str().expect("a kind")), "{close}");
        assert_eq!(close["initiator"], "client", "{close}");
    }
    let (_, (server, _)) = row.sides.last().expect("a side");
    for (end, pid) in [("client", std::process::id()), ("server", node.server_pid(*server))] {
        let named: Vec<&Value> = closes.iter().map(|close| &close[end]["pid"]).filter(|pid| !pid.is_null()).collect();
        assert_eq!(named, [&json!(pid)], "{end}: {:#?}", trace.records);
    }
    trace.nothing_lost();
}

/// Checks the connections of a node, each with its sides.
fn check_all(bridge_nf: bool) {
    let node = Node::new(bridge_nf);
    let Node { netns, caller, outside, .. } = &node;
    let behind = (SERVER, PORT);
    let rows = [
        // Without a translation.
        Row { from: caller, to: behind, sides: &[(CALLER, behind)] },
        Row { from: netns, to: behind, sides: &[(BRIDGE, behind)] },
        Row { from: caller, to: (BRIDGE, PORT), sides: &[(CALLER, (BRIDGE, PORT))] },
        // A pod connects to a host outside, and vice versa.
        Row { from: caller, to: (OUTSIDE, PORT), sides: &[(CALLER, (OUTSIDE, PORT)), (NODE, (OUTSIDE, PORT))] },
        Row { from: outside, to: (NODE, PUBLISHED), sides: &[(OUTSIDE, (NODE, PUBLISHED)), (OUTSIDE, behind)] },
        // A pod connects to a service, and to the node's port, behind which is another pod.
        Row { from: caller, to: (SERVICE, PORT), sides: &[(CALLER, (SERVICE, PORT)), (BRIDGE, behind)] },
        Row { from: caller, to: (NODE, PUBLISHED), sides: &[(CALLER, (NODE, PUBLISHED)), (BRIDGE, behind)] },
        // The node connects to a service, its own port, and a port that it publishes on loopback.
        Row { from: netns, to: (SERVICE, PORT), sides: &[(BRIDGE, (SERVICE, PORT)), (BRIDGE, behind)] },
        Row { from: netns, to: (NODE, PUBLISHED), sides: &[(NODE, (NODE, PUBLISHED)), (NODE, behind)] },
        Row {
            from: netns,
            to: (Ipv4Addr::LOCALHOST, ON_LOOPBACK),
            sides: &[(Ipv4Addr::LOCALHOST, (Ipv4Addr::LOCALHOST, ON_LOOPBACK)), (BRIDGE, behind)],
        },
    ];
    rows.iter().for_each(|row| check(&node, row));
}

#[test]
fn every_connection_of_a_node_is_told_with_its_sides() {
    check_all(false);
}

#[test]
fn every_connection_of_a_node_whose_bridge_passes_netfilter_is_told_with_its_sides() {
    check_all(true);
}

#[test]
fn a_thousand_requests_to_a_published_port_are_two_sides_each_and_nothing_else() {
    const COUNT: usize = 1_000;
    let node = Node::new(true);
    let tracer = node.trace();
    for (from, to) in [(&node.netns, (Ipv4Addr::LOCALHOST, ON_LOOPBACK)), (&node.outside, (NODE, PUBLISHED))] {
        (0..COUNT / 2).for_each(|_| call(from, to.into()));
    }
    wait_closed(&tracer, 2 * COUNT);
    let trace = tracer.stop();
    assert_eq!(number(trace.end(), "connections"), 2 * COUNT as u64);
    let handshakes = trace.of_type("handshake");
    for handshake in &handshakes {
        assert_eq!(handshake["outcome"], "established", "{handshake}");
        assert_eq!(handshake["same_as"].as_array().map(Vec::len), Some(1), "{handshake}");
    }
    assert_eq!(handshakes.len(), 2 * COUNT);
}

/// Waits for this many handshakes, and returns them by their numbers.
#[track_caller]
fn failed(node: &Node, count: usize, attempt: impl FnOnce()) -> (Trace, Vec<Value>) {
    let tracer = node.trace();
    attempt();
    tracer.wait_until(&format!("{count} handshakes"), |records| {
        records.iter().filter(|record| is_type(record, "handshake")).count() >= count
    });
    let trace = tracer.stop();
    assert_eq!(number(trace.end(), "connections"), count as u64, "{:#?}", trace.records);
    let mut handshakes: Vec<Value> = trace.of_type("handshake").into_iter().cloned().collect();
    handshakes.sort_by_key(|record| number(record, "conn"));
    (trace, handshakes)
}

#[test]
fn what_a_pod_refuses_is_told_of_both_sides_with_its_cause() {
    let node = Node::new(true);
    let (trace, handshakes) = failed(&node, 2, || {
        let refused = node.outside.run(|| TcpStream::connect(SocketAddr::from((NODE, NOBODY))));
        assert_eq!(refused.expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    });
    assert_tied(&handshakes.iter().collect::<Vec<_>>(), &trace);
    let outcomes: Vec<_> = handshakes.iter().map(|one| (&one["outcome"], &one["reset"]["by"])).collect();
    assert_eq!(outcomes, [(&json!("refused"), &json!("server")); 2], "{handshakes:#?}");
    assert_eq!(handshakes[1]["reset"]["cause"], "no_listener", "{handshakes:#?}");
}

/// Nothing is translated, since the first segment does not get that far.
#[test]
fn what_the_node_does_not_forward_has_one_side() {
    let node = Node::new(true);
    node.netns.nft("table ip f { chain c { type filter hook forward priority 0; tcp dport 4920 drop; }; }");
    let (_, handshakes) = failed(&node, 1, || {
        node.outside.run(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
            let to = SocketAddr::from((NODE, PUBLISHED));
            let late = socket.connect_timeout(&to.into(), Duration::from_millis(300));
            assert_eq!(late.expect_err("no answer").kind(), ErrorKind::TimedOut);
        });
    });
    assert_eq!((&handshakes[0]["outcome"], &handshakes[0]["same_as"]), (&json!("cancelled"), &Value::Null));
}

#[test]
fn what_the_node_rejects_has_the_error_as_its_cause() {
    let node = Node::new(true);
    node.netns.nft("table ip f { chain c { type filter hook forward priority 0; tcp dport 4920 reject; }; }");
    let (_, handshakes) = failed(&node, 1, || {
        let refused = node.outside.run(|| TcpStream::connect(SocketAddr::from((NODE, PUBLISHED))));
        assert_eq!(refused.expect_err("it is rejected").kind(), ErrorKind::ConnectionRefused);
    });
    let one = &handshakes[0];
    assert_eq!(
        (&one["outcome"], &one["by_icmp"], &one["icmp"]["from"]),
        (&json!("refused"), &json!(true), &json!("10.9.1.1"))
    );
}

/// Traces in a format while `attempt` runs, until `done` returns true for the output.
#[track_caller]
fn printed(
    node: &Node,
    options: &[&str],
    what: &str,
    attempt: impl FnOnce(),
    done: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let mut command = Command::new(binary());
    command.args(options).args(["-p", &format!("{PORT},{NOBODY}")]).env("LC_ALL", "C.UTF-8").env("COLUMNS", "160");
    let mut process = node.netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    node.wait_covered();
    attempt();
    lines.wait_until(what, LIMIT, |lines| done(lines));
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    lines.finish()
}

/// Returns the number of lines that contain these words.
fn count(lines: &[String], words: &str) -> usize {
    lines.iter().filter(|line| line.contains(words)).count()
}

#[test]
fn text_is_one_ladder_that_names_the_translation() {
    let node = Node::new(false);
    let own = std::process::id().to_string();
    // The caller is the process at the client's side only.
    for options in [&[] as &[&str], &["--pid", &own]] {
        let closed = |lines: &[String]| count(lines, "closed by the client") > 0;
        let lines = printed(&node, options, "a close", || call(&node.caller, (SERVICE, PORT).into()), closed);
        assert_eq!(count(&lines, "#1 = #2 "), 2, "one for the handshake, one for the close: {lines:#?}");
        let said = format!("{SERVICE}:{PORT} is {SERVER}:{PORT} ");
        let named = lines.iter().filter(|line| line.trim_start().starts_with(&said) && line.ends_with(" in #2"));
        assert_eq!(named.count(), 2, "{lines:#?}");
        // The states of both sockets, and each segment once, however many interfaces and addresses it passes.
        for once in ["CLOSE → SYN_SENT", "SYN_RECV → ESTABLISHED", "├── SYN seq", "◀─ SYN,ACK seq", "LAST_ACK → CLOSE"]
        {
            assert_eq!(count(&lines, once), 1, "{once}: {lines:#?}");
        }
        assert_eq!((count(&lines, "FIN,ACK seq"), count(&lines, "only in #")), (2, 0), "{lines:#?}");
    }
}

#[test]
fn text_of_what_a_pod_refuses_is_one_ladder() {
    let node = Node::new(true);
    let refuse = || {
        let refused = node.outside.run(|| TcpStream::connect(SocketAddr::from((NODE, NOBODY))));
        assert_eq!(refused.expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    };
    for options in [&[] as &[&str], &["--only", "failed"]] {
        let lines = printed(&node, options, "a refusal", refuse, |lines| count(lines, "look at: ") > 0);
        assert_eq!(count(&lines, "#1 = #2 "), 1, "{lines:#?}");
        assert_eq!((count(&lines, "├── SYN seq"), count(&lines, "RST,ACK seq")), (1, 1), "{lines:#?}");
        // The reason is known on the pod's side.
        assert_eq!((count(&lines, "refused: "), count(&lines, "refused: nobody listens there")), (1, 1), "{lines:#?}");
    }
}

#[test]
fn mermaid_is_one_diagram_as_soon_as_both_sides_are_closed() {
    let node = Node::new(false);
    let drawn = |lines: &[String]| count(lines, "```") == 2;
    let lines = printed(&node, &["-o", "mermaid"], "a diagram", || call(&node.caller, (SERVICE, PORT).into()), drawn);
    assert_eq!(count(&lines, "sequenceDiagram"), 1, "{lines:#?}");
    let said = format!("Note over c,s: {SERVICE}:{PORT} is {SERVER}:{PORT} ");
    for once in
        [&*said, "CLOSE → SYN_SENT", "SYN_RECV → ESTABLISHED", " ms SYN seq", " ms SYN,ACK seq", "LAST_ACK → CLOSE"]
    {
        assert_eq!(count(&lines, once), 1, "{once}: {lines:#?}");
    }
    assert_eq!((count(&lines, "FIN,ACK seq"), count(&lines, "only in ")), (2, 0), "{lines:#?}");
}
