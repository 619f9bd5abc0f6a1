//! Connections neither of whose ends has a socket on this host, or that no segment shows.

use std::{net::SocketAddr, time::Duration};

use tcptrace_tests::{ACK, Actor, FIN, Netns, SYN, Tracer, Tun, close, is_type, tcp_packet, text};

use super::{read, stage::Stage, verdicts, wait_verdicts};

const PSH: u8 = 0x08;

/// A segment: flags, numbers relative to the ISNs, payload.
type Line = (u8, u32, u32, usize);

/// Sends segments of one direction to no host of the namespace, and returns the verdicts live and from a capture.
#[track_caller]
fn one_way(from: SocketAddr, to: SocketAddr, lines: &[Line], right: &[&str]) {
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let tracer = Tracer::start(&netns, &["--host", "10.8.0.20", "--segments", "all"]);
    let mut packets = Vec::new();
    for (at, &(flags, seq, ack, length)) in (0..).zip(lines) {
        let packet = tcp_packet(from, to, flags, (7_000 + seq, 90_000 + ack), &[], &vec![b'x'; length]);
        tun.send(&packet);
        packets.push((Duration::from_millis(at), packet));
    }
    tracer.wait_until("every segment", |records| {
        records.iter().filter(|record| is_type(record, "segment")).count() == lines.len()
    });
    let trace = tracer.stop();
    let folder = tempfile::tempdir().expect("a folder");
    let captured = read(&folder.path().join("capture.pcap"), &packets);
    let server = from.port().min(to.port());
    let verdicts = [&trace.records, &captured].map(|records| verdicts(records, server));
    assert_eq!(verdicts, [right, right]);
}

fn at(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 8, 0, host], port))
}

#[test]
fn a_server_whose_client_is_not_seen_was_established() {
    one_way(
        at(20, 6101),
        at(30, 6102),
        &[(SYN | ACK, 0, 1, 0), (ACK, 1, 19, 0), (ACK | PSH, 1, 19, 500), (ACK | FIN, 501, 19, 0), (ACK, 502, 20, 0)],
        // Neither the client's FIN nor its ACK of the server's FIN is seen.
        &["established; unfinished server 18/500"],
    );
}

#[test]
fn the_bytes_of_a_server_that_is_not_seen_are_those_that_were_acknowledged() {
    one_way(
        at(20, 6104),
        at(30, 6103),
        &[
            (SYN, 0, 0, 0),
            (ACK, 1, 1, 0),
            (ACK | PSH, 1, 1, 18),
            (ACK, 19, 501, 0),
            (ACK | FIN, 19, 501, 0),
            (ACK, 20, 502, 0),
        ],
        // The last number may be that of a FIN.
        &["established; unfinished client 18/500"],
    );
}

#[test]
fn an_icmp_error_before_the_first_segment_hides_no_handshake() {
    let mut stage = Stage::new(&[]);
    let port = 6105;
    let mut tracer = None;
    let right = ["established; three_segment client 0/0"];
    let script = "connect; > S; trace; < icmp 4/0; > S; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .";
    let packets = stage.play_with(port, script, &mut |stage| {
        tracer = Some(Tracer::start(&stage.netns, &["--host", "10.8.0.9", "--segments", "all"]));
    });
    let tracer = tracer.expect("the script starts it");
    wait_verdicts(&tracer, port, &right);
    drop(tracer.stop());
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(verdicts(&read(&folder.path().join("capture.pcap"), &packets[1..]), port), right);
}

#[test]
fn a_client_without_a_free_port_sends_nothing() {
    let netns = Netns::new();
    netns.sysctl("ipv4/ip_local_port_range", "40000 40001");
    let address = SocketAddr::from(([127, 0, 0, 1], 6107));
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(address);
    let tracer = Tracer::start(&netns, &["-p", "6107"]);
    let taken: Vec<_> = (0..2).map(|_| client.connect(address)).collect();
    let error = client.connect_with(address, |_| {}).expect_err("both ports are taken");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));
    tracer.wait_for("its verdict", |record| is_type(record, "handshake") && record["outcome"] == "no_port");
    let trace = tracer.stop();
    taken.into_iter().for_each(close);
    close(listener);
    let handshakes = trace.of_type("handshake");
    let [failed] = handshakes.iter().filter(|record| record["outcome"] == "no_port").collect::<Vec<_>>()[..] else {
        panic!("one without a port: {handshakes:#?}")
    };
    assert_eq!((&failed["client"]["port"], &failed["incomplete"]), (&serde_json::Value::Null, &false.into()));
    assert!(text(failed, "summary").contains("no free local port"), "{failed}");
}
