//! Slow and lossy wires. Not every kernel has netem, and no test skips itself: these run only on request, as by `cargo xtask
//! vm`.

use std::process::Command;

use serde_json::Value;
use tcptrace_tests::{Ends, Netns, Tracer, Veth, is_type, number, output, text};

use crate::scenarios::wait_verdicts;

/// A client on the left, a server on the right.
struct Hosts {
    left: Netns,
    right: Netns,
    veth: Veth,
    ends: Ends,
    port: String,
}

impl Hosts {
    #[track_caller]
    fn new(port: u16) -> Self {
        let (left, right) = (Netns::new(), Netns::new());
        let veth = Veth::between(&left, &right, 0);
        let ends = Ends::between(&left, &right, veth.right_v4(port));
        Self { left, right, veth, ends, port: port.to_string() }
    }

    /// Impairs the frames that the client's host sends.
    #[track_caller]
    fn client_sends(&self, how: &[&str]) {
        netem(&self.left, &self.veth.left, how);
    }

    /// Impairs the frames that the server's host sends.
    #[track_caller]
    fn server_sends(&self, how: &[&str]) {
        netem(&self.right, &self.veth.right, how);
    }

    #[track_caller]
    fn trace(&self, netns: &Netns) -> Tracer {
        Tracer::start(netns, &["-p", &self.port])
    }
}

#[track_caller]
fn netem(netns: &Netns, interface: &str, how: &[&str]) {
    let place = ["-n", netns.name(), "qdisc", "replace", "dev", interface, "root", "netem"];
    output(Command::new("tc").args(place).args(how));
}

/// Returns the time that an end spent in a state, in nanoseconds.
#[track_caller]
fn stay(close: &Value, role: &str, state: &str) -> u64 {
    let stays = close["states"][role].as_array().expect("the states of an end");
    let stay = stays.iter().find(|stay| stay["state"] == state);
    number(stay.unwrap_or_else(|| panic!("no {state}: {close:#}")), "ns")
}

#[test]
#[ignore = "needs netem: run it by `cargo xtask vm`"]
fn a_delay_on_the_way_back_is_between_syn_and_syn_ack_and_in_fin_wait1() {
    const DELAY: u64 = 300_000_000;
    let hosts = Hosts::new(4971);
    hosts.server_sends(&["delay", "300ms"]);
    let tracer = hosts.trace(&hosts.left);
    hosts.ends.close_in_four(hosts.ends.open());
    wait_verdicts(&tracer, &hosts.left, 1, 1);
    let trace = tracer.stop();

    let verdicts = trace.only_verdicts(&hosts.left);
    let handshake = verdicts.handshake;
    assert_eq!((text(handshake, "outcome"), &handshake["incomplete"]), ("established", &false.into()), "{handshake:#}");
    assert!(number(handshake, "syn_to_synack_ns") >= DELAY, "{handshake:#}");
    assert!(number(handshake, "synack_to_ack_ns") < DELAY, "{handshake:#}");
    // The answer to ARP is delayed, too, and the SYN waits for it.
    assert!(number(handshake, "connect_ns") >= 2 * DELAY, "{handshake:#}");
    let close = verdicts.close.expect("a close");
    assert_eq!((text(close, "kind"), text(close, "initiator")), ("four_segment", "client"), "{close:#}");
    assert!(stay(close, "client", "FIN_WAIT1") >= DELAY, "{close:#}");
}

#[test]
#[ignore = "needs netem: run it by `cargo xtask vm`"]
fn a_syn_lost_on_the_wire_was_sent_twice_for_its_sender_and_once_for_the_other() {
    let hosts = Hosts::new(4972);
    // Fills the neighbour table before the loss begins, so that only the SYN is lost and no ARP request.
    hosts.ends.repeat(1);
    hosts.client_sends(&["loss", "100%"]);
    let (at_client, at_server) = (hosts.trace(&hosts.left), hosts.trace(&hosts.right));
    let connecting = hosts.ends.client.start_connect(hosts.ends.address, |_| {});
    at_client.wait_for("the SYN", |record| is_type(record, "segment") && record["flags"] == "S");
    hosts.client_sends(&["loss", "0%"]);
    let client = connecting.finish().expect("a SYN that is sent again arrives");
    let server = hosts.ends.server.accept(&hosts.ends.listener);
    hosts.ends.close_in_three(tcptrace_tests::Connection { client, server });
    wait_verdicts(&at_client, &hosts.left, 1, 1);
    wait_verdicts(&at_server, &hosts.right, 1, 1);

    let (at_client, at_server) = (at_client.stop(), at_server.stop());
    let (sent, arrived) = (at_client.only_verdicts(&hosts.left), at_server.only_verdicts(&hosts.right));
    let syns = |handshake: &Value| number(&handshake["retransmissions"], "syn") + 1;
    assert!(syns(sent.handshake) > 1, "{sent:#?}");
    assert_eq!(syns(arrived.handshake), 1, "{arrived:#?}");
    for verdicts in [sent, arrived] {
        assert_eq!(verdicts.handshake["incomplete"], false, "{verdicts:#?}");
        let close = verdicts.close.expect("a close");
        assert_eq!(close["retransmissions"], serde_json::json!({ "client": 0, "server": 0 }), "{close:#}");
    }
}

#[test]
#[ignore = "needs netem: run it by `cargo xtask vm`"]
fn connections_over_a_bad_wire_are_told_whole() {
    const COUNT: usize = 20;
    let hosts = Hosts::new(4973);
    let bad = ["delay", "20ms", "10ms", "loss", "5%"];
    hosts.client_sends(&bad);
    hosts.server_sends(&bad);
    let tracer = hosts.trace(&hosts.left);
    for _ in 0..COUNT {
        hosts.ends.close_in_three(hosts.ends.open());
    }
    wait_verdicts(&tracer, &hosts.left, COUNT, COUNT);
    let trace = tracer.stop();

    let verdicts = trace.verdicts(&hosts.left);
    assert_eq!(verdicts.len(), COUNT);
    for connection in verdicts {
        let (handshake, close) = (connection.handshake, connection.close.expect("a close"));
        assert_eq!((text(handshake, "outcome"), &handshake["missing"]), ("established", &Value::Array(vec![])));
        assert_eq!((text(close, "initiator"), &close["missing"]), ("client", &Value::Array(vec![])), "{close:#}");
        assert!(["three_segment", "four_segment"].contains(&text(close, "kind")), "{close:#}");
    }
}
