//! Segments that no stack sends are recorded as seen, and end nothing. Packets that no stack accepts as segments are
//! counted.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, RawSender, Tracer, Veth, endpoint, fragments, is_type, tcp_packet};

const SYN: u8 = 0x02;
const SYN_FIN: u8 = 0x03;
const EVERYTHING: u8 = 0xff;
const NOTHING: u8 = 0;

/// Returns the offset of the TCP header in a packet of [`tcp_packet`].
fn tcp_offset(to: SocketAddr) -> usize {
    if to.is_ipv4() { 20 } else { 40 }
}

/// Returns a SYN whose data offset is `words`, whatever follows it.
fn with_data_offset(from: SocketAddr, to: SocketAddr, words: u8, options: &[u8]) -> Vec<u8> {
    let mut packet = tcp_packet(from, to, SYN, (7, 0), options, &[]);
    packet[tcp_offset(to) + 12] = words << 4;
    packet
}

/// Sends a packet from the left end of a veth pair; returns the only segment in a trace beside the receiver.
fn seen(from_port: u16, to_port: u16, v6: bool, packet: impl Fn(SocketAddr, SocketAddr) -> Vec<u8>) -> Value {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (from, to) = if v6 {
        (veth.left_v6(from_port), veth.right_v6(to_port))
    } else {
        (veth.left_v4(from_port), veth.right_v4(to_port))
    };
    let ends = Ends::between(&left, &right, veth.right_v4(4379));
    let tracer = Tracer::start(&right, &["--host", &from.ip().to_string(), "--segments", "all"]);
    RawSender::new(&left).send(&packet(from, to), to.ip());
    // However the kernel handles it, the next connection is traced as usual.
    let connection = ends.open();
    drop(connection);
    let matches = |record: &Value| endpoint(record, "src") == Some(from) && endpoint(record, "dst") == Some(to);
    tracer.wait_for("the segment", matches);
    let trace = tracer.stop();
    let seen: Vec<_> = trace.records.iter().filter(|record| matches(record)).collect();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!((&seen[0]["direction"], &seen[0]["interface"]), (&"in".into(), &veth.right.into()), "{seen:#?}");
    seen[0].clone()
}

#[test]
fn syn_and_fin_together_are_shown() {
    for v6 in [false, true] {
        let segment = seen(5371, 4371, v6, |from, to| tcp_packet(from, to, SYN_FIN, (7, 0), &[2, 4, 5, 180], b"abc"));
        assert_eq!(segment["flags"], "FS", "{segment}");
        assert_eq!((&segment["seq"], &segment["ack"]), (&json!(7), &Value::Null), "{segment}");
        assert_eq!((&segment["length"], &segment["options"]["mss"]), (&json!(3), &json!(1460)), "{segment}");
    }
}

#[test]
fn every_flag_at_once_and_none_at_all_are_shown() {
    let segment = seen(5372, 4372, false, |from, to| tcp_packet(from, to, EVERYTHING, (7, 9), &[], &[]));
    assert_eq!((&segment["flags"], &segment["ack"]), (&json!("FSRP.UEW"), &json!(9)), "{segment}");
    let segment = seen(5372, 4372, false, |from, to| tcp_packet(from, to, NOTHING, (7, 9), &[], &[]));
    assert_eq!((&segment["flags"], &segment["ack"]), (&json!("none"), &Value::Null), "{segment}");
}

#[test]
fn a_data_offset_beyond_the_segment_is_no_data_and_no_options() {
    for v6 in [false, true] {
        let segment = seen(5373, 4373, v6, |from, to| with_data_offset(from, to, 15, &[]));
        assert_eq!((&segment["flags"], &segment["seq"]), (&json!("S"), &json!(7)), "{segment}");
        assert_eq!((&segment["length"], &segment["options"]["mss"]), (&json!(0), &Value::Null), "{segment}");
    }
}

#[test]
fn a_data_offset_shorter_than_the_header_is_no_segment_and_counted() {
    for (v6, port) in [(false, 4374), (true, 4377)] {
        let (left, right) = (Netns::new(), Netns::new());
        let veth = Veth::between(&left, &right, 0);
        let (from, to) =
            if v6 { (veth.left_v6(5374), veth.right_v6(port)) } else { (veth.left_v4(5374), veth.right_v4(port)) };
        let tracer = Tracer::start(&right, &["-v", "-p", &format!("{port},4378"), "--segments", "all"]);
        let sender = RawSender::new(&left);
        for words in 0..5 {
            sender.send(&with_data_offset(from, to, words, &[]), to.ip());
        }
        // One that does not match, and one that shows that the others have passed.
        let (other, good) = (SocketAddr::new(to.ip(), 4379), SocketAddr::new(to.ip(), 4378));
        sender.send(&with_data_offset(from, other, 1, &[]), to.ip());
        sender.send(&tcp_packet(from, good, SYN, (7, 0), &[], &[]), to.ip());
        tracer.wait_for("the good segment", |record| endpoint(record, "dst") == Some(good));
        let trace = tracer.stop();
        // The drops by the kernel are reported.
        let shown = |record: &&Value| endpoint(record, "dst") == Some(to) && !is_type(record, "drop");
        let shown: Vec<_> = trace.records.iter().filter(shown).collect();
        assert_eq!(shown, [&Value::Null; 0], "no stack takes them for segments");
        let skipped = skipped(&trace.log);
        assert!(skipped.split(", ").any(|count| count == "5 malformed headers"), "{skipped}");
    }
}

#[test]
fn fragments_and_what_is_no_tcp_are_counted_by_their_reasons() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (from, to) = (veth.left_v4(5379), veth.right_v4(4379));
    // The addresses are known before, so that no ARP comes in between.
    drop(Ends::between(&left, &right, veth.right_v4(4380)).open());
    let tracer = Tracer::start(&right, &["-v", "-p", "4379", "-4"]);
    let sender = RawSender::new(&left);
    for part in fragments(&tcp_packet(from, to, SYN, (7, 0), &[], &[b'x'; 100]), 20 + 64) {
        sender.send(&part, to.ip());
    }
    tracer.wait_for("the first fragment", |record| endpoint(record, "dst") == Some(to));
    // A datagram whose header states more than the 20 bytes of header that there are.
    let mut cut = tcp_packet(from, to, SYN, (7, 0), &[], &[]);
    cut.truncate(20 + 12);
    cut[2..4].copy_from_slice(&32_u16.to_be_bytes());
    sender.send(&cut, to.ip());
    let udp = std::net::UdpSocket::bind;
    let socket = left.run(|| udp((from.ip(), 0))).expect("a port is free");
    socket.send_to(b"datagram", to).expect("it can be sent");
    let last = veth.right_v4(4379);
    sender.send(&tcp_packet(veth.left_v4(5380), last, SYN, (8, 0), &[], &[]), to.ip());
    tracer.wait_for("the last segment", |record| endpoint(record, "src") == Some(veth.left_v4(5380)));
    let trace = tracer.stop();
    let skipped = skipped(&trace.log);
    let counts: Vec<_> = skipped.split(", ").collect();
    assert!(counts.contains(&"1 fragment without a TCP header"), "{skipped}");
    assert!(counts.contains(&"1 truncated header"), "{skipped}");
    assert!(counts.iter().any(|count| count.ends_with(" without TCP")), "{skipped}");
}

/// Returns the skipped frames, as counted in the last lines of `-v`.
#[track_caller]
fn skipped(log: &[String]) -> &str {
    let line = log.iter().find_map(|line| line.strip_prefix("tcptrace: skipped: "));
    line.unwrap_or_else(|| panic!("a line about what was skipped: {log:#?}"))
}

#[test]
fn options_cut_short_are_read_as_far_as_they_go() {
    // A valid MSS, then a timestamp option of 10 bytes of which 4 are left.
    let options = [2, 4, 5, 180, 8, 10, 1, 1];
    let segment = seen(5375, 4375, false, |from, to| tcp_packet(from, to, SYN, (7, 0), &options, &[]));
    let read = &segment["options"];
    assert_eq!((&read["mss"], &read["timestamp"]), (&json!(1460), &Value::Null), "{segment}");
    // Lengths of 0 and 1 would send a careless reader into an endless loop.
    for length in [0, 1] {
        let options = [2, 4, 5, 180, 99, length, 3, 3];
        let segment = seen(5375, 4375, false, |from, to| tcp_packet(from, to, SYN, (7, 0), &options, &[]));
        assert_eq!(segment["options"]["mss"], 1460, "{segment}");
        assert_eq!(segment["options"]["window_scale"], Value::Null, "{segment}");
    }
}

#[test]
fn port_0_is_shown_in_a_segment() {
    let segment = seen(0, 4376, false, |from, to| tcp_packet(from, to, SYN, (7, 0), &[], &[]));
    assert_eq!((&segment["src"]["port"], &segment["dst"]["port"]), (&json!(0), &json!(4376)), "{segment}");
    let segment = seen(5376, 0, false, |from, to| tcp_packet(from, to, SYN, (7, 0), &[], &[]));
    assert_eq!((&segment["src"]["port"], &segment["dst"]["port"]), (&json!(5376), &json!(0)), "{segment}");
}
