//! Acknowledgements of more than was seen to be sent: later segments decide whether they are correct.

use super::{doubted::*, *};

#[test]
fn an_end_that_later_acknowledges_less_has_not_acknowledged_more() {
    let close = closed(&[
        up(FIN, 1, 5, 0),
        down(ACK, 401, 1, 400),
        down(ACK, 1, 1, 400),
        up(ACK, 1, 1, 8),
        up(ACK, 9, 801, 0),
        down(FIN, 801, 9, 0),
        up(FIN, 9, 802, 0),
        down(ACK, 802, 10, 0),
    ]);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Server)));
    assert_eq!(close.bytes, bytes(8, 800));

    let close = closed(&[
        down(ACK, 1, 1, 400),
        up(ACK, 1, 405, 80),
        down(ACK, 801, 1, 400),
        up(ACK, 1, 401, 0),
        down(ACK, 401, 1, 400),
        up(FIN, 1, 1201, 0),
        down(FIN, 1201, 2, 0),
        up(ACK, 2, 1202, 0),
    ]);
    assert_eq!(close.bytes, bytes(0, 1200));
}

#[test]
fn a_fin_behind_a_gap_of_the_other_direction_counts() {
    for behind in [down(ACK, 801, 1, 400), down(ACK, 1001, 1, 200)] {
        let close =
            closed(&[up(FIN, 1, 801, 0), behind, up(ACK, 2, 1201, 0), down(FIN, 1201, 2, 0), up(ACK, 2, 1202, 0)]);
        assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)), "{behind:?}");
        assert_eq!(close.bytes, bytes(0, 1200), "{behind:?}");
    }
}

#[test]
fn an_acknowledgement_on_its_way_does_not_contradict_a_later_one() {
    let close = closed(&[
        up(FIN, 401, 801, 0),
        down(ACK, 1001, 1, 200),
        // Sent before the FIN.
        up(ACK, 1, 401, 400),
        up(ACK, 402, 1201, 0),
        down(FIN, 1201, 402, 0),
        up(ACK, 402, 1202, 0),
    ]);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)));
    assert_eq!(close.bytes, bytes(400, 1200));
}

#[test]
fn nobody_acknowledges_what_a_socket_of_this_host_has_not_sent() {
    let mut exchange = Exchange::new();
    exchange.connections().expect_all_segments();
    let socket = Some(Exchange::socket_of(SERVER));
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.full_segment(socket, SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    for _ in 0..2 {
        exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 77_000_000), 0);
    }
    let (handshakes, closes) = exchange.records();
    assert_eq!(only(handshakes).outcome, Some(Outcome::Established));
    assert_eq!(closes, []);
}

#[test]
fn data_sent_again_acknowledges_a_fin_for_its_sender() {
    let again = up(ACK, 1, 2, 200);
    for (between, kind) in [(vec![again], CloseKind::FourSegment), (vec![], CloseKind::ThreeSegment)] {
        let before = [down(FIN, 1, 1, 0), up(ACK, 1, 1, 400), down(ACK, 2, 401, 0)];
        let after = [up(FIN, 401, 2, 0), down(ACK, 2, 402, 0)];
        assert_eq!(closed(&[&before[..], &between, &after].concat()).kind, kind);
    }
}

/// An acknowledgement alone has the number that its sender sends next (RFC 9293 §3.10.7.4).
#[test]
fn an_end_that_sends_next_what_a_forged_segment_held_has_not_sent_that() {
    let close = closed(&[
        // It acknowledges what the client sends only later.
        down(ACK, 1, 5, 80),
        up(ACK, 4001, 1, 4000),
        up(ACK, 1, 1, 4000),
        up(RST, 8001, 1, 0),
        down(ACK, 9, 8001, 0),
        (true, RST, 8001, None, 0),
    ]);
    assert!(close.bytes.server_to_client.is_some_and(|bytes| bytes <= 8), "{:?}", close.bytes);
}
