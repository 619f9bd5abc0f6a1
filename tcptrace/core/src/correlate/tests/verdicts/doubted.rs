//! Resets whose number may or may not be the expected one: later segments of both ends decide.

use super::*;

/// One segment of the client or of the server: flags, numbers relative to the ISNs, payload.
pub(super) type Line = (bool, TcpFlags, u32, Option<u32>, u32);

/// A segment of the client.
pub(super) const fn up(flags: TcpFlags, seq: u32, ack: u32, length: u32) -> Line {
    (true, flags, seq, Some(ack), length)
}

/// A segment of the server.
pub(super) const fn down(flags: TcpFlags, seq: u32, ack: u32, length: u32) -> Line {
    (false, flags, seq, Some(ack), length)
}

pub(super) fn show(exchange: &mut Exchange, lines: &[Line]) {
    for &(by_client, flags, seq, ack, length) in lines {
        let (from, to, own, other) = if by_client { (CLIENT, SERVER, C, S) } else { (SERVER, CLIENT, S, C) };
        exchange.segment(from, to, flags, own + seq, ack.map(|ack| other + ack), length);
    }
}

/// A handshake that a capture shows.
fn captured() -> Exchange {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)]);
    exchange
}

/// The close of an established connection, of which a capture shows these lines.
pub(super) fn closed(lines: &[Line]) -> Close {
    let mut exchange = captured();
    show(&mut exchange, lines);
    exchange.pass(2 * SECOND);
    let (_, closes) = exchange.records();
    only(closes)
}

/// The end that reset the connection, according to the verdict.
fn reset_by(lines: &[Line]) -> Option<Role> {
    closed(lines).reset.map(|reset| reset.by)
}

#[test]
fn what_passes_behind_a_reset_of_uncertain_number_decides() {
    let data: [Line; 2] = [down(ACK, 1, 1, 400), down(ACK, 401, 1, 400)];
    let reset = down(RST, 801, 1, 0);
    for (what, behind, by) in [
        (
            "acknowledgements on their way, up to its number; then old data of the same end, which was delayed",
            vec![reset, up(ACK, 1, 401, 0), up(ACK, 1, 801, 0), down(ACK, 401, 1, 400), (true, RST, 1, None, 0)],
            Some(Role::Server),
        ),
        ("an acknowledgement on its way, and nothing else", vec![reset, up(ACK, 1, 401, 0)], Some(Role::Server)),
        (
            "the other end acknowledges something else again and again, and this end sends what is old",
            vec![reset, up(ACK, 1, 401, 0), down(ACK, 1, 1, 148), up(FIN, 1, 401, 0)],
            None,
        ),
        (
            "the other end acknowledges something else, and this end sends what is new",
            vec![reset, up(ACK, 1, 401, 0), down(ACK, 801, 1, 148), up(FIN, 1, 401, 0)],
            None,
        ),
    ] {
        let lines = [&data[..], &behind].concat();
        assert_eq!(reset_by(&lines), by, "{what}");
    }
}

/// RFC 9293 §3.10.7.1: an end without the connection answers a segment by a reset without ACK.
#[test]
fn an_end_that_does_not_know_the_connection_any_more_had_accepted_a_doubted_reset() {
    for (what, number, behind, by) in [
        ("it answers the copy", 801, vec![(true, RST, 1, None, 0)], Role::Server),
        ("no open socket resets with such a number", 601, vec![(true, RST, 1, None, 0)], Role::Client),
        ("its socket is still open, and aborts", 801, vec![up(RST, 1, 401, 0)], Role::Client),
        ("it had closed the connection", 801, vec![up(FIN, 1, 401, 0), (true, RST, 2, None, 0)], Role::Client),
    ] {
        // After the reset, an acknowledgement that was in flight, and a copy of old data.
        let lines = [
            down(ACK, 1, 1, 400),
            down(ACK, 401, 1, 400),
            down(RST, number, 1, 0),
            up(ACK, 1, 401, 0),
            down(ACK, 401, 1, 400),
        ];
        let close = closed(&[&lines[..], &behind].concat());
        assert_eq!(close.kind, CloseKind::Reset, "{what}");
        assert_eq!(close.reset.map(|reset| reset.by), Some(by), "{what}");
        assert_eq!(close.initiator, Some(by), "{what}");
    }
}

/// RFC 9293 §3.10.7.1, for the end whose reset is in doubt.
#[test]
fn an_end_that_answers_without_the_connection_had_sent_its_doubted_reset() {
    let bare = |seq| (false, RST, seq, None, 0);
    for (what, behind) in [
        ("it answers an acknowledgement", vec![bare(401)]),
        ("it answers one after the other", vec![bare(1), up(ACK, 1, 801, 0), bare(401), bare(801)]),
    ] {
        // After the reset, a copy of old data and an acknowledgement that was in flight; at the end, the answer to that
        // copy.
        let lines = [
            down(ACK, 1, 1, 400),
            down(ACK, 401, 1, 400),
            down(RST, 801, 1, 0),
            down(ACK, 401, 1, 400),
            up(ACK, 1, 401, 0),
        ];
        let close = closed(&[&lines[..], &behind, &[(true, RST, 1, None, 0)]].concat());
        assert_eq!(close.reset.map(|reset| reset.by), Some(Role::Server), "{what}");
        assert_eq!(close.initiator, Some(Role::Server), "{what}");
    }
}

/// RFC 9293 §3.6: the connection of an end that has received a FIN goes on.
#[test]
fn the_other_ends_fin_does_not_end_what_a_doubted_reset_has() {
    let lines = [
        down(ACK, 401, 1, 400),
        down(RST, 801, 1, 0),
        up(FIN, 1, 801, 0),
        // On its way since before that, as is what the reset has overtaken.
        up(ACK, 1, 1, 0),
        down(ACK, 801, 1, 0),
        (false, RST, 1, None, 0),
        (false, RST, 801, None, 0),
    ];
    let close = closed(&lines);
    assert_eq!((close.kind, close.reset.map(|reset| reset.by)), (CloseKind::Reset, Some(Role::Server)));
    assert_eq!(close.initiator, Some(Role::Server));
}

/// The reset of an open socket has SND.NXT (RFC 9293 §3.10.5), and the answer to a segment has a number that was
/// acknowledged (§3.10.7.1). Behind any other one, what is outstanding may be sent again (RFC 6298 §5.4).
#[test]
fn a_reset_within_what_is_outstanding_waits_for_what_is_sent_again() {
    for (number, kind) in [(201, CloseKind::FourSegment), (802, CloseKind::Reset)] {
        let mut exchange = captured();
        show(&mut exchange, &[up(ACK, 401, 1, 400), up(FIN, 801, 1, 0), down(ACK, 1, 1, 0), up(RST, number, 1, 0)]);
        exchange.pass(3 * SECOND);
        exchange.timeout();
        let told = exchange.placed().iter().any(|one| matches!(one, Correlated::Close(_)));
        assert_eq!(told, kind == CloseKind::Reset, "{number}");
        show(&mut exchange, &[up(ACK, 1, 1, 400), down(ACK, 1, 802, 0), down(FIN, 1, 802, 0), up(ACK, 802, 2, 0)]);
        let (_, closes) = exchange.records();
        assert_eq!(only(closes).kind, kind, "{number}");
    }
}

#[test]
fn a_reset_within_what_is_outstanding_is_none_of_an_end_that_sends_it_again() {
    let lines = [up(ACK, 1, 1, 400), down(ACK, 1, 401, 400), (false, RST, 201, None, 0)];
    for (behind, kind) in [(down(ACK, 1, 401, 400), None), (up(ACK, 1, 1, 400), Some(CloseKind::Reset))] {
        let mut exchange = captured();
        show(&mut exchange, &[&lines[..], &[behind]].concat());
        let (_, closes) = exchange.records();
        assert_eq!(closes.first().map(|close| close.kind), kind, "{behind:?}");
    }
}

/// tcp_send_active_reset of net/ipv4/tcp_output.c gives a reset SND.NXT, and what answers a segment follows it.
#[test]
fn a_reset_that_has_overtaken_its_own_ends_text_is_its_own() {
    for answers in [0, 1] {
        let bare = vec![(true, RST, 1, None, 0); answers];
        let lines = [up(RST, 402, 1, 0), up(FIN, 1, 1, 400), (false, RST, 1, None, 0), (true, RST, 1, None, 0)];
        let close = closed(&[&[down(ACK, 1, 1, 80)], &bare[..], &lines].concat());
        assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Client)), "{answers}");
        assert_eq!(close.reset.map(|reset| reset.by), Some(Role::Client), "{answers}");
    }
}

#[test]
fn a_reset_within_what_is_outstanding_ends_what_is_heard_of_no_more() {
    let mut exchange = captured();
    show(&mut exchange, &[up(ACK, 1, 1, 400), up(RST, 201, 1, 0)]);
    exchange.pass(121 * SECOND);
    exchange.timeout();
    let told: Vec<_> = exchange.placed().iter().filter(|one| !matches!(one, Correlated::Segment(_))).collect();
    assert!(matches!(told[..], [Correlated::Handshake(_), Correlated::Close(_)]), "no stall: {told:?}");
    let (_, closes) = exchange.records();
    assert_eq!(only(closes).kind, CloseKind::Reset);
}

#[test]
fn an_end_that_sends_new_text_has_not_reset_though_the_other_end_has() {
    let lines = [
        down(ACK, 1, 1, 400),
        down(ACK, 401, 1, 400),
        up(ACK, 1, 401, 0),
        // Within the window: the client challenges it (RFC 5961 §3.2).
        down(RST, 601, 1, 0),
        up(ACK, 1, 401, 0),
        up(RST, 1, 401, 0),
    ];
    for (what, behind, by) in [
        ("new text", down(FIN, 801, 1, 0), Role::Client),
        ("text sent again", down(ACK, 401, 1, 400), Role::Server),
        ("text beyond the window", down(FIN, 5_000, 1, 0), Role::Server),
        ("text that acknowledges what was not sent", down(FIN, 801, 77, 0), Role::Server),
    ] {
        let close = closed(&[&lines[..], &[behind]].concat());
        assert_eq!(close.reset.map(|reset| reset.by), Some(by), "{what}");
        assert_eq!(close.initiator, Some(by), "{what}");
    }
}

#[test]
fn an_answer_to_a_later_segment_has_a_number_that_was_sent() {
    const FAR_BELOW: u32 = 0xe000_0000;
    let lines = [
        down(ACK, 1, 1, 400),
        up(ACK, 1, 401, 0),
        up(FIN, 1, 401, 0),
        down(FIN, 801, 2, 0),
        up(ACK, 2, 401, 0),
        down(RST, 600, 2, 0),
        up(ACK, 2, 401, 0),
        (false, RST, FAR_BELOW, None, 0),
        down(ACK, 401, 2, 400),
        (true, RST, 2, None, 0),
    ];
    assert_eq!(reset_by(&lines), Some(Role::Client));
}

#[test]
fn a_synack_sent_again_says_nothing_of_a_reset() {
    let data = up(ACK, 1, 1, 64);
    assert_eq!(reset_by(&[data, up(RST, 65, 1, 0), down(SYN, 0, 1, 0), data]), Some(Role::Client));
}

#[test]
fn the_reset_of_an_end_that_received_more_shows_that_another_one_was_refused() {
    let lines = [
        up(FIN, 1, 1, 0),
        down(ACK, 1, 2, 400),
        down(RST, 200, 2, 0),
        up(ACK, 2, 1, 0),
        up(RST, 2, 401, 0),
        down(FIN, 401, 2, 0),
    ];
    assert_eq!(reset_by(&lines), Some(Role::Client));
}

#[test]
fn a_reset_near_a_syn_that_nobody_is_seen_to_answer_is_its_own() {
    // Only the client's direction is seen; the second connection's numbers are far from those of the first.
    const AGAIN: u32 = 50_000_000;
    for (ack, ahead, conn) in [
        // Its socket was established, closed, and aborted, all unseen.
        (Some(S + 77_000_000), 2, 2),
        (Some(S + 77_000_000), 500, 2),
        // It answers a segment that acknowledged the SYN, or one that was not an answer to it.
        (None, 1, 2),
        (None, 2, 1),
    ] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
        exchange.segment(CLIENT, SERVER, SYN, C + AGAIN, None, 0);
        exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
        exchange.segment(CLIENT, SERVER, RST, C + AGAIN + ahead, ack, 0);
        let conns: Vec<_> = super::super::exchange::segments(&exchange.finish()).iter().map(|seen| seen.conn).collect();
        assert_eq!(conns, [1, 1, 2, 1, conn], "{ack:?} {ahead}");
    }
}

/// A network that reorders segments delivers the answer to a copy before the reset that its sender sent first.
#[test]
fn a_reset_that_its_senders_answers_overtake_and_follow_is_the_one_that_counts() {
    let bare = (false, RST, 1, None, 0);
    let data = [down(ACK, 401, 1, 400), down(ACK, 1, 1, 400), up(ACK, 1, 1, 0)];
    for behind in [vec![], vec![bare], vec![bare, bare]] {
        let reset = [bare, down(RST, 801, 1, 0)];
        let on_their_way = [up(ACK, 1, 801, 0), up(FIN, 1, 801, 0)];
        let close = closed(&[&data[..], &reset, &behind, &on_their_way].concat());
        assert_eq!((close.kind, close.reset.map(|reset| reset.by)), (CloseKind::Reset, Some(Role::Server)));
    }
}
