//! Segments that the kernel dropped.

use super::*;
use crate::{output_record::DropOutput, render::samples};

/// The block of a failed handshake, after a dropped segment.
fn drawn(drawing: Drawing, dropped: DropOutput) -> String {
    let mut ladder = Ladder::new(drawing, || 160);
    let mut out = Vec::new();
    ladder.render(&OutputRecord::Drop(dropped), &mut out);
    ladder.render(&OutputRecord::Handshake(samples::handshake()), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_arrow_of_a_dropped_segment_does_not_arrive() {
    let text = drawn(PLAIN, samples::dropped());
    let row = text.lines().find(|line| line.contains("dropped")).unwrap();
    assert!(row.contains("├── PSH,ACK dropped 18 B ") && row.contains("✗│"), "{text}");
    assert!(row.ends_with("NETFILTER_DROP in nf_hook_slow on eth0 seq 1"), "{text}");
    let text = drawn(Drawing { unicode: false, ..PLAIN }, samples::dropped());
    assert!(text.contains("|-- PSH,ACK dropped 18 B -") && text.contains("x|"), "{text}");
}

#[test]
fn one_of_the_server_is_drawn_from_there() {
    let (client, server) = (samples::endpoint([10, 0, 0, 1], 54762), samples::endpoint([10, 0, 0, 1], 9999));
    let text = drawn(PLAIN, DropOutput { src: server, dst: client, ..samples::dropped() });
    assert!(text.contains("│✗─ PSH,ACK dropped 18 B ") && text.contains("─┤ NETFILTER_DROP"), "{text}");
}

#[test]
fn one_of_no_known_connection_is_in_no_ladder() {
    let text = drawn(PLAIN, DropOutput { conn: None, ..samples::dropped() });
    assert!(!text.contains("NETFILTER_DROP in"), "{text}");
}

#[test]
fn a_late_one_is_a_line_of_its_own() {
    let mut ladder = Ladder::new(PLAIN, || 160);
    let mut out = Vec::new();
    ladder.render(&OutputRecord::Drop(DropOutput { late: true, ..samples::dropped() }), &mut out);
    let text = String::from_utf8(out).unwrap();
    let line = "#3 late: PSH,ACK seq 1 10.0.0.1:54762 → 10.0.0.2:9999 dropped: NETFILTER_DROP";
    assert!(text.trim_end().ends_with(line), "{text}");
}
