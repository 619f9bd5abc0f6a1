//! What passes behind a reset in a capture: it tells who has sent the reset, and who has accepted it.

use super::{
    doubted::{Line, closed, down, show, up},
    *,
};

/// Requests and answers, of which everything is acknowledged.
const EXCHANGED: [Line; 3] = [up(ACK, 1, 1, 7), down(ACK, 1, 8, 9), up(ACK, 8, 10, 0)];

/// A reset without ACK, as in the answer to a segment.
const fn bare(by_client: bool, seq: u32) -> Line {
    (by_client, RST, seq, None, 0)
}

/// The close of a connection of which a capture shows [`EXCHANGED`] and then these lines, 0.2 s apart.
fn slowly(lines: &[Line]) -> Close {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)]);
    show(&mut exchange, &EXCHANGED);
    for line in lines {
        exchange.pass(SECOND / 5);
        show(&mut exchange, &[*line]);
    }
    exchange.pass(2 * SECOND);
    let (_, closes) = exchange.records();
    only(closes)
}

#[test]
fn an_end_that_goes_on_has_not_sent_the_reset_in_its_name() {
    for (what, behind) in [
        ("new data", vec![down(ACK, 10, 8, 9)]),
        ("new data, and the reset that answers it", vec![down(ACK, 10, 8, 9), bare(true, 8)]),
        ("a FIN", vec![down(FIN, 10, 8, 0), bare(true, 8)]),
        ("an acknowledgement of what came later", vec![up(ACK, 8, 10, 5), down(ACK, 10, 13, 0)]),
    ] {
        for reset in [bare(false, 10), down(RST, 10, 8, 0)] {
            let close = slowly(&[&[reset], &behind[..]].concat());
            assert_eq!(close.kind, CloseKind::Reset, "{what}, {reset:?}");
            assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Forged }), "{what}, {reset:?}");
            let answered = behind.last().is_some_and(|line| line.1 == RST);
            let states = close.states.server.iter().map(|stay| stay.state).collect::<Vec<_>>();
            assert_eq!(states.last() == Some(&Close), answered, "{what}: {states:?}");
        }
    }
}

#[test]
fn what_a_reset_may_have_overtaken_proves_nothing() {
    let closed_by = |behind: &[Line]| closed(&[&EXCHANGED, behind].concat()).reset.map(|reset| reset.cause);
    // At once: the data may have been on its way, and the end may have forgotten the connection since.
    let overtaken = [bare(false, 10), down(ACK, 10, 8, 9), bare(true, 8)];
    assert_ne!(closed_by(&overtaken), Some(ResetCause::Forged));
    // The reset of a socket has the number after all its data.
    assert_eq!(closed_by(&[down(RST, 10, 8, 0), down(ACK, 10, 8, 9)]), Some(ResetCause::Forged));
    // So has one of several, as some firewalls send them: without ACK, and with ACK at this number and ahead of it.
    let several = [bare(false, 10), down(RST, 10, 8, 0), down(RST, 1_470, 8, 0)];
    assert_eq!(closed_by(&[&several[..], &[down(ACK, 10, 8, 9)]].concat()), Some(ResetCause::Forged));
    for again in [down(ACK, 1, 8, 9), down(ACK, 10, 8, 0), up(ACK, 8, 10, 4), up(FIN, 8, 10, 0)] {
        let close = slowly(&[down(RST, 10, 8, 0), again]);
        assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }), "{again:?}");
    }
}

/// As on a host whose processors receive the two at once: the answer to data without ACK, then the reset of the socket.
#[test]
fn a_reset_that_overtakes_that_of_the_socket_does_not_show_that_there_was_none() {
    let data = down(ACK, 10, 8, 9);
    let cause = |resets: &[Line]| closed(&[&EXCHANGED, &[data][..], resets].concat()).reset.map(|reset| reset.cause);
    let (bare, of_socket) = (bare(true, 8), up(RST, 8, 10, 0));
    assert_eq!(cause(&[bare]), Some(ResetCause::NoConnection));
    assert_eq!(cause(&[bare, of_socket]), Some(ResetCause::Unknown));
    assert_eq!(cause(&[of_socket, bare]), Some(ResetCause::Unknown));
}

#[test]
fn a_reset_behind_which_both_ends_go_on_ends_nothing() {
    let end = [up(FIN, 15, 19, 0), down(FIN, 19, 16, 0), up(ACK, 16, 20, 0)];
    for (what, between) in [
        ("both send", vec![up(ACK, 8, 10, 7), down(ACK, 10, 15, 9), up(ACK, 15, 19, 0)]),
        ("one after the other", vec![down(ACK, 10, 8, 9), up(ACK, 8, 19, 0), up(ACK, 8, 19, 7), down(ACK, 19, 15, 0)]),
        ("in parts", vec![down(ACK, 10, 8, 4), down(ACK, 14, 8, 5), up(ACK, 8, 19, 7), down(ACK, 19, 15, 0)]),
    ] {
        for reset in [bare(false, 10), down(RST, 10, 8, 0)] {
            let close = slowly(&[&[reset], &between[..], &end].concat());
            assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)), "{what}");
            let bytes = Bytes { client_to_server: Some(14), server_to_client: Some(18) };
            assert_eq!((close.reset, close.bytes), (None, bytes), "{what}");
        }
    }
}

#[test]
fn fins_behind_a_reset_that_ended_nothing_count() {
    let close = slowly(&[bare(false, 10), up(FIN, 8, 10, 0), down(FIN, 10, 9, 0), up(ACK, 9, 11, 0)]);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)), "{close:?}");
    assert_eq!((close.reset, close.incomplete), (None, false), "{close:?}");
}

#[test]
fn what_answers_old_segments_does_not_hide_the_reset_of_a_socket() {
    let lines = [
        down(ACK, 1, 1, 400),
        down(ACK, 401, 1, 400),
        up(ACK, 1, 401, 0),
        // The network has changed the order: these answer what came after the reset of the socket.
        bare(false, 401),
        down(RST, 801, 1, 0),
        bare(false, 201),
        up(ACK, 1, 801, 0),
        bare(false, 201),
    ];
    assert_eq!(closed(&lines).reset.map(|reset| reset.by), Some(Role::Server));
}

/// RFC 9293 §3.10.7.1: the server, which has neither closed nor reset, no longer knows the connection.
#[test]
fn an_acknowledgement_on_its_way_renews_no_doubt_that_the_other_end_has_removed() {
    let lines = [
        down(ACK, 1, 1, 400),
        up(FIN, 1, 1, 0),
        up(ACK, 2, 401, 0),
        up(RST, 2, 401, 0),
        // It was on its way.
        down(ACK, 401, 1, 100),
        bare(false, 401),
        up(ACK, 2, 401, 0),
        bare(true, 1),
        bare(false, 401),
    ];
    assert_eq!(closed(&lines).reset.map(|reset| reset.by), Some(Role::Client));
}

#[test]
fn an_acknowledgement_of_what_was_sent_before_the_reset_proves_nothing() {
    let lines = [
        // Forged, far ahead.
        down(ACK, 300_000_000, 1, 80),
        down(FIN, 1, 1, 0),
        up(ACK, 1, 1, 64),
        up(FIN, 65, 1, 0),
        up(ACK, 66, 2, 0),
        down(FIN, 1, 1, 0),
        down(ACK, 2, 1, 0),
        // The server no longer knows the connection (RFC 9293 §3.10.7.1).
        bare(false, 1),
        bare(false, 2),
        bare(true, 1),
        // The network has delayed it.
        up(ACK, 66, 2, 0),
        bare(false, 2),
    ];
    assert_eq!(closed(&lines).reset.map(|reset| reset.by), Some(Role::Server));
}
