//! Segments that a capture has later than they were sent.

use super::{
    doubted::{closed, down, show, up},
    gaps::EXCHANGED,
    *,
};
use crate::event::{BootTime, Event, Segment};

#[test]
fn a_segment_captured_after_its_acknowledgement_is_acknowledged() {
    let (client, server) = (up(FIN, 101, 201, 0), down(FIN, 201, 102, 0));
    let last = up(ACK, 102, 202, 0);
    for (what, lines, kind) in [
        ("the last FIN", vec![client, down(ACK, 201, 102, 0), last, server], CloseKind::FourSegment),
        ("the first FIN", vec![down(ACK, 201, 102, 0), client, server, last], CloseKind::FourSegment),
        ("the first FIN, behind the second", vec![server, client, last], CloseKind::ThreeSegment),
        (
            "the first FIN, two segments later",
            vec![down(ACK, 201, 102, 0), server, client, last],
            CloseKind::FourSegment,
        ),
        ("the first FIN, as the last segment", vec![server, last, client], CloseKind::ThreeSegment),
        (
            "the first FIN, as the last of four",
            vec![down(ACK, 201, 102, 0), server, last, client],
            CloseKind::FourSegment,
        ),
        (
            "the first of two FINs that cross, as the last segment",
            vec![down(FIN, 201, 101, 0), last, down(ACK, 202, 102, 0), client],
            CloseKind::Simultaneous,
        ),
        (
            "a FIN that crosses the other one",
            vec![client, up(ACK, 102, 202, 0), down(FIN, 201, 101, 0), down(ACK, 202, 102, 0)],
            CloseKind::Simultaneous,
        ),
    ] {
        let close = closed(&[&EXCHANGED[..], &lines].concat());
        let initiator = (kind != CloseKind::Simultaneous).then_some(Role::Client);
        assert_eq!((close.kind, close.initiator), (kind, initiator), "{what}: {}", close.summary);
        assert_eq!(close.bytes, bytes(100, 200), "{what}");
    }
}

#[test]
fn a_syn_captured_too_late_is_of_the_same_connection() {
    for late_synack in [false, true] {
        let (syn, synack) = ((true, SYN, 0, None, 0), down(SYN, 0, 1, 0));
        let (early, late) = if late_synack { (syn, synack) } else { (synack, syn) };
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        show(&mut exchange, &[early, up(ACK, 1, 1, 0)]);
        show(&mut exchange, &EXCHANGED);
        show(&mut exchange, &[up(FIN, 101, 201, 0), late, down(FIN, 201, 102, 0), up(ACK, 102, 202, 0)]);
        let (_, close) = whole(&mut exchange);
        assert_eq!((close.kind, close.bytes), (CloseKind::ThreeSegment, bytes(100, 200)), "{late_synack}");
    }
}

#[test]
fn a_fin_sent_again_says_nothing_about_the_one_that_it_crossed() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    let fin = up(FIN, 1, 1, 0);
    let lines = [
        (true, SYN, 0, None, 0),
        down(SYN, 0, 1, 0),
        up(ACK, 1, 1, 0),
        fin,
        down(ACK, 2, 2, 0),
        down(FIN, 1, 1, 0),
        fin,
        down(ACK, 2, 2, 0),
        down(FIN, 1, 2, 0),
        up(ACK, 2, 2, 0),
    ];
    for (by_client, flags, seq, ack, _) in lines {
        let (from, to, own, other) = if by_client { (CLIENT, SERVER, C, S) } else { (SERVER, CLIENT, S, C) };
        let segment = exchange.built(from, to, flags, own + seq, ack.map(|ack| other + ack));
        // All at the same time, as by a coarse clock.
        exchange.event(&Event::Segment(Segment { at: BootTime(SECOND), ..segment }));
    }
    exchange.pass(2 * SECOND);
    assert_eq!(whole(&mut exchange).1.kind, CloseKind::Simultaneous);
}
