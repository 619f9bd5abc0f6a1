//! The advice after a failure, and the facts on which it is based, from the events of a real kernel.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
};

use serde_json::{Value, json};
use tcptrace_tests::{Actor, Ends, Netns, Tracer, Veth, binary, is_type, output, receive, receive_end, send};

use crate::scenarios::abort_unread;

/// The trace of a failure: its last record, and the lines of text that begin with `look at:`, except those of a stall before
/// it.
struct Failure {
    record: Value,
    advice: Vec<String>,
}

impl Failure {
    /// Traces `play` in a namespace until a record for which `wanted` returns true.
    fn of(netns: &Netns, port: u16, wanted: impl Fn(&Value) -> bool, play: impl FnOnce()) -> Self {
        Self::of_traced(netns, port, wanted, |_| play())
    }

    /// As [`Self::of`], with the tracer, whose records `play` may wait for.
    fn of_traced(netns: &Netns, port: u16, wanted: impl Fn(&Value) -> bool, play: impl FnOnce(&Tracer)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace.jsonl");
        let file = path.to_str().expect("UTF-8");
        let tracer = Tracer::start(netns, &["-p", &port.to_string(), "-w", file]);
        play(&tracer);
        tracer.wait_for("the record", &wanted);
        let trace = tracer.stop();
        let record = trace.records.iter().find(|record| wanted(record)).expect("it has come").clone();
        let mut command = Command::new(binary());
        command.arg("-r").arg(&path).env("LC_ALL", "C.UTF-8").env("COLUMNS", "600");
        let text = output(&mut command);
        let blocks = text.split("\n\n").filter(|block| !block.contains("   unfinished: "));
        let advice = blocks.flat_map(str::lines).filter_map(|line| line.trim_start().strip_prefix("look at: "));
        Self { record, advice: advice.map(str::to_owned).collect() }
    }

    /// Traces a handshake that fails.
    fn of_handshake(netns: &Netns, port: u16, play: impl FnOnce()) -> Self {
        Self::of(netns, port, |record| is_type(record, "handshake"), play)
    }

    #[track_caller]
    fn check(&self, facts: Value, advice: &str) {
        for (field, fact) in facts.as_object().expect("facts") {
            assert_eq!(&self.record[field], fact, "{field} of {}", self.record);
        }
        assert_eq!(self.advice, [advice], "{}", self.record);
    }
}

fn refused(client: &Actor, to: SocketAddr) {
    client.connect_with(to, |_| {}).expect_err("it is refused");
}

/// A firewall rejects the SYN of a client, in a chain of the client's host (`output`) or of the server's (`input`). Returns
/// the trace on the client's host, and both addresses.
fn rejected(port: u16, hook: &str, with: &str) -> (Failure, [IpAddr; 2]) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let host = if hook == "output" { &left } else { &right };
    host.nft(&format!(
        "table ip t {{ chain c {{ type filter hook {hook} priority 0; tcp dport {port} reject with {with}; }}; }}"
    ));
    let client = Actor::new(&left, "tt-client");
    let failure = Failure::of_handshake(&left, port, || refused(&client, veth.right_v4(port)));
    (failure, [veth.left_v4(port), veth.right_v4(port)].map(|end| end.ip()))
}

#[test]
fn a_firewall_of_this_host_that_rejects_with_a_reset_is_found_here() {
    let (failure, _) = rejected(4861, "output", "tcp reset");
    failure.check(
        json!({ "outcome": "refused", "syn_left": false, "missing": [], "icmp": null }),
        "on the client, `nft list ruleset`: a firewall rule there rejects the SYN before it leaves",
    );
}

#[test]
fn a_firewall_of_this_host_that_rejects_with_icmp_is_found_here() {
    let (failure, [from, _]) = rejected(4862, "output", "icmp admin-prohibited");
    let icmp = json!({ "from": from, "kind": "communication administratively prohibited", "icmp_type": 3, "icmp_code": 13, "of_synack": false });
    failure.check(
        json!({ "outcome": "unreachable", "syn_left": false, "icmp": icmp, "no_segments": null }),
        "on the client, `nft list ruleset`: a firewall rule there rejects the SYN before it leaves",
    );
}

#[test]
fn a_firewall_of_the_server_that_rejects_with_icmp_is_found_there() {
    let (failure, [_, from]) = rejected(4863, "input", "icmp host-prohibited");
    let icmp = json!({ "from": from, "kind": "host administratively prohibited", "icmp_type": 3, "icmp_code": 10, "of_synack": false });
    failure.check(
        json!({ "outcome": "unreachable", "syn_left": true, "icmp": icmp }),
        "on the server, `nft list ruleset`: its firewall rejects the SYN (ICMP: host administratively prohibited)",
    );
}

#[test]
fn a_neighbour_that_does_not_answer_is_looked_for_on_the_client() {
    const PORT: u16 = 4864;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    // No host has the last address of the network.
    let nobody = SocketAddr::from((Ipv4Addr::new(10, 231, 9, 9), PORT));
    left.ip(&["route", "add", "10.231.9.9", "dev", &veth.left]);
    let client = Actor::new(&left, "tt-client");
    let failure = Failure::of_handshake(&left, PORT, || refused(&client, nobody));
    failure.check(
        json!({ "outcome": "unreachable", "syn_left": false }),
        "on the client, `ip route get 10.231.9.9` and `ip neigh show` of the next hop",
    );
}

#[test]
fn a_close_with_linger_and_unread_data_names_both() {
    const PORT: u16 = 4865;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let failure = Failure::of(&netns, PORT, |record| is_type(record, "close"), || abort_unread(&ends, ends.open()));
    failure.check(
        json!({ "reset": { "by": "server", "cause": "unread_data" }, "evidence": ["linger", "unread"] }),
        "the server's program: it has to read to the end before it closes, or the client may lose data; it sets SO_LINGER \
         0 as well, which resets in any case",
    );
    let summary = failure.record["summary"].as_str().expect("a sentence");
    assert!(
        summary.starts_with("reset by the server: it closed with 14 bytes unread and with SO_LINGER 0;"),
        "{summary}"
    );
}

#[test]
fn a_server_that_closes_without_an_answer_is_looked_at() {
    const PORT: u16 = 4866;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let failure = Failure::of(
        &netns,
        PORT,
        |record| is_type(record, "close"),
        || {
            let connection = ends.open();
            send(&connection.client, 78);
            receive(&connection.server, 78);
            ends.server.close(connection.server);
            receive_end(&connection.client);
            ends.client.close(connection.client);
        },
    );
    failure.check(
        json!({ "initiator": "server", "reset": null, "evidence": null, "gave_up": null }),
        "the server's program and its log, if the client expected an answer: it closed first, and 78 B were answered with \
         0 B, as when its process ends",
    );
}

#[test]
fn a_reset_that_a_firewall_sends_for_a_server_is_not_the_servers() {
    const PORT: u16 = 4867;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let failure = Failure::of_traced(
        &netns,
        PORT,
        |record| is_type(record, "close"),
        |tracer| {
            let connection = ends.open();
            netns.nft(&format!(
                "table ip t {{ chain c {{ type filter hook input priority 0; tcp dport {PORT} reject with tcp reset; }}; }}"
            ));
            send(&connection.client, 78);
            // The server learns nothing, and leaves later.
            let sentence = "a reset came in the server's name, whose socket is still open";
            tracer.wait_for("the stall", |record| {
                is_type(record, "stalled") && record["summary"].as_str().is_some_and(|told| told.starts_with(sentence))
            });
            netns.nft("delete table ip t");
            ends.client.close(connection.client);
            ends.server.close(connection.server);
        },
    );
    failure.check(
        json!({ "kind": "reset", "reset": { "by": "server", "cause": "forged" } }),
        "a firewall on either host or on the way that rejects with a reset, such as a rule of `nft list ruleset`; the \
         server's socket knows nothing of it",
    );
}
