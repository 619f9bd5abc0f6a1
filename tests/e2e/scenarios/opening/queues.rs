//! Listeners that have no room, or are gone before they accept.

use std::{io::ErrorKind, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::{
    ANY, Actor, Netns, Tracer, Veth, assert_record, binary, but, endpoint, is_type, output, send, text,
};

use super::{
    again, drop_at_input, loopback, no_synack, plain, receive_reset, reset_by_server, start, timed_out, wait_segments,
    wait_verdicts,
};
use crate::namespaces::wait_covered;

#[test]
fn a_full_accept_queue_answers_no_syn() {
    const PORT: u16 = 4621;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "2");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "-w", path.to_str().expect("UTF-8")]);
    let waiting = client.connect(loopback(PORT));
    let error = client.connect_with(loopback(PORT), |_| {}).expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    wait_verdicts(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((waiting, listener));
    let [first, second] = trace.verdicts(&netns).try_into().expect("two connections");
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(first.handshake, &plain);
    let syns = again(second.handshake, "syn") + 1;
    let full = but(
        timed_out(second.handshake),
        json!({
            "accept_queue": { "length": 1, "limit": 0 },
            "summary": [format!("timed out after {syns} SYNs, "), "; the server's accept queue is full (1 of 0)"],
        }),
    );
    assert_record(second.handshake, &but(but(plain, no_synack()), full));

    let queues: Vec<_> = trace.hints(&netns, PORT).into_iter().filter(|hint| is_queue(hint)).collect();
    for hint in &queues {
        assert_eq!(endpoint(hint, "local"), Some(loopback(PORT)), "{hint}");
        assert_eq!(endpoint(hint, "remote"), endpoint(second.handshake, "client"), "{hint}");
        let said = ["conn", "state", "queue_full", "queue"].map(|field| &hint[field]);
        let queue = json!({ "length": 1, "limit": 0 });
        assert_eq!(said, [&second.handshake["conn"], &json!("LISTEN"), &json!(true), &queue], "{hint}");
    }
    // The queue was queried after the first retransmitted SYN, and long before the client timed out.
    let conn = &second.handshake["conn"];
    let place = |matches: &dyn Fn(&Value) -> bool| trace.records.iter().position(matches);
    let mut syns = trace.records.iter().filter(|record| is_type(record, "segment") && record["conn"] == *conn);
    let again = syns.nth(1).expect("a second SYN");
    let order = [place(&|record| record == again), place(&is_queue), place(&|record| record == second.handshake)];
    assert!(order.is_sorted() && order[0].is_some(), "{order:?}: {:#?}", trace.records);

    let read = output(Command::new(binary()).arg("-r").arg(&path).arg("--json"));
    let same: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let without_end = trace.records.split_last().expect("records").1;
    assert_eq!(&same[..same.len() - 1], without_end);
}

#[test]
fn a_full_accept_queue_in_another_namespace_is_named() {
    const PORT: u16 = 4627;
    let own = Netns::new();
    let (near, far) = (own.another(), own.another());
    let veth = Veth::between(&near, &far, 0);
    near.sysctl("ipv4/tcp_syn_retries", "2");
    let (client, server) = (Actor::new(&near, "tt-client"), Actor::new(&far, "tt-server"));
    let listener = server.listen_with(veth.right_v4(PORT), 0, |_| {});
    let tracer = Tracer::start(&own, &["-p", &PORT.to_string(), "--netns", near.name(), "--netns", far.name()]);
    wait_covered(&near, &veth.left);
    wait_covered(&far, &veth.right);
    let waiting = client.connect(veth.right_v4(PORT));
    client.connect_with(veth.right_v4(PORT), |_| {}).expect_err("there is no room");
    tracer.wait_for("a time-out", |record| record["outcome"] == "timed_out");
    let trace = tracer.stop();
    drop((waiting, listener));
    let handshakes = trace.of_type("handshake");
    let failed = handshakes.into_iter().find(|record| record["outcome"] == "timed_out").expect("it was waited for");
    assert_eq!(failed["accept_queue"], json!({ "length": 1, "limit": 0 }), "{failed}");
    assert!(text(failed, "summary").ends_with("; the server's accept queue is full (1 of 0)"), "{failed}");
    let place = trace.records.iter().position(is_queue).expect("the queue was looked at");
    let hint = &trace.records[place];
    // Long before the client timed out.
    assert!(trace.records[..place].iter().all(|record| record != failed), "{:#?}", trace.records);
    assert_eq!((&hint["netns"], &hint["conn"]), (&json!(far.inode()), &failed["conn"]), "{hint}");
}

#[test]
fn a_full_syn_queue_without_cookies_answers_no_syn() {
    const PORT: u16 = 4628;
    const LATE: u16 = 5628;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "2");
    netns.sysctl("ipv4/tcp_syncookies", "0");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 1, |_| {});
    // Two requests get no ACK, which is one more than the queue is long. The kernel forgets a request whose SYN,ACK cannot even
    // leave (reqsk_timer_handler of net/ipv4/inet_connection_sock.c): these do.
    netns.nft(&format!(
        "table ip t {{ chain c {{ type filter hook input priority 0; \
         tcp sport {PORT} tcp dport != {LATE} tcp flags & (syn | ack) == syn | ack drop; }}; }}"
    ));
    let tracer = start(&netns, PORT);
    let waiting = [1, 2].map(|_| client.begin_connect(loopback(PORT)));
    tracer.wait_until("two SYN,ACKs that are dropped", |records| {
        let dropped = records.iter().filter(|record| is_type(record, "drop") && record["flags"] == "S.");
        dropped.filter_map(|record| record["conn"].as_u64()).collect::<std::collections::BTreeSet<_>>().len() == 2
    });
    let late = client.begin_connect_from(loopback(LATE), loopback(PORT));
    tracer.wait_for("a handshake without an answer", |record| {
        record["outcome"] == "timed_out" && record["client"]["port"] == LATE
    });
    let trace = tracer.stop();
    drop((waiting, late, listener));
    let handshakes = trace.of_type("handshake");
    let failed = handshakes.iter().find(|record| record["client"]["port"] == LATE).expect("it was waited for");
    assert_eq!(failed["syn_queue"], json!({ "length": 2, "limit": 1 }), "{failed}");
    assert_eq!(failed["accept_queue"], Value::Null, "{failed}");
    let said = "; the server's SYN queue is full (2 of 1), and SYN cookies are off";
    assert!(text(failed, "summary").ends_with(said), "{failed}");
    let hints = trace.hints(&netns, PORT);
    let hint = hints.iter().find(|hint| hint["name"] == "syn_queue").expect("the queue was looked at");
    assert_eq!((&hint["queue"], &hint["queue_full"]), (&failed["syn_queue"], &json!(true)), "{hint}");
}

#[test]
fn a_queue_that_has_room_again_is_no_reason() {
    const PORT: u16 = 4625;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    let tracer = start(&netns, PORT);
    let waiting = client.connect(loopback(PORT));
    let connecting = client.start_connect(loopback(PORT), |_| {});
    tracer.wait_for("the queue", is_queue);
    let accepted = server.accept(&listener);
    let late = connecting.finish().expect("there is room");
    wait_verdicts(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((waiting, accepted, late, listener));
    let [_, second] = trace.verdicts(&netns).try_into().expect("two connections");
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    let syns = again(second.handshake, "syn") + 1;
    let expected = json!({
        "retransmissions": { "syn": syns - 1 },
        "summary": ["three-way handshake, established in ", format!("; the SYN was sent {syns} times")],
    });
    assert_record(second.handshake, &but(plain, expected));
    assert!(!text(second.handshake, "summary").contains("queue"), "{}", second.handshake);
}

#[test]
fn a_listener_with_room_is_not_the_reason_why_nobody_answers() {
    const PORT: u16 = 4626;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "2");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    drop_at_input(&netns, &format!("tcp dport {PORT}"));
    let tracer = start(&netns, PORT);
    let connecting = client.start_connect(loopback(PORT), |_| {});
    tracer.wait_for("the queue", is_queue);
    connecting.finish().expect_err("nothing arrives");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    drop(listener);
    let handshake = trace.failed_handshake(&netns);
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(handshake, &but(but(plain, no_synack()), timed_out(handshake)));
    assert!(!text(handshake, "summary").contains("queue"), "{handshake}");
    let hint = trace.hints(&netns, PORT)[0];
    assert_eq!((&hint["queue"], &hint["queue_full"]), (&json!({ "length": 0, "limit": 0 }), &Value::Null), "{hint}");
}

/// Returns true for a hint about the accept queue of a listener.
fn is_queue(record: &Value) -> bool {
    is_type(record, "hint") && record["name"] == "accept_queue"
}

#[test]
fn a_queue_that_is_full_when_the_ack_comes_may_reset() {
    const PORT: u16 = 4622;
    const LATE: u16 = 5622;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_abort_on_overflow", "1");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    // The ACK of the first comes only with its data, when the second has taken the only place.
    drop_at_input(&netns, &format!("tcp sport {LATE} tcp flags & (syn | ack | psh) == ack"));
    let tracer = start(&netns, PORT);
    let late = client.connect_from(loopback(LATE), loopback(PORT));
    let quick = client.connect(loopback(PORT));
    send(&late, 1);
    receive_reset(&late);
    wait_verdicts(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((late, quick, listener));
    let [first, second] = trace.verdicts(&netns).try_into().expect("two connections");
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(second.handshake, &plain);
    let expected = json!({
        "outcome": "reset", "reset": { "by": "server", "cause": ANY }, "client": { "port": LATE },
        "retransmissions": { "synack": again(first.handshake, "synack") },
        "summary": ["three-way handshake, reset by the server before it was complete"],
    });
    assert_record(first.handshake, &but(plain, expected));
}

#[test]
fn a_listener_that_closes_resets_who_waits_to_be_accepted() {
    const PORT: u16 = 4623;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(loopback(PORT));
    let tracer = start(&netns, PORT);
    let stream = client.connect(loopback(PORT));
    wait_verdicts(&tracer, &netns, 1, 0);
    server.close(listener);
    receive_reset(&stream);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(verdicts.handshake, &plain);
    assert_record(verdicts.close.expect("a close"), &reset_by_server(&plain));
}

#[test]
fn a_listener_that_closes_before_the_ack_knows_nobody() {
    const PORT: u16 = 4624;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(loopback(PORT));
    drop_at_input(&netns, &format!("tcp dport {PORT} tcp flags & (syn | ack | psh) == ack"));
    let tracer = start(&netns, PORT);
    let stream = client.connect(loopback(PORT));
    wait_segments(&tracer, "S.", 1);
    server.close(listener);
    send(&stream, 1);
    receive_reset(&stream);
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    let handshake = trace.failed_handshake(&netns);
    let expected = json!({
        "outcome": "reset", "reset": { "by": "server", "cause": ANY }, "retransmissions": { "synack": again(handshake, "synack") },
        "summary": ["three-way handshake, reset by the server before it was complete"],
    });
    assert_record(handshake, &but(plain(&netns, loopback(0).ip(), loopback(PORT)), expected));
}
