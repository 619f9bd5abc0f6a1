//! Translation by the host of the socket itself, whose segments name the socket.

use super::*;

/// The kernel of the client translates what its own socket sends.
fn translated_by_its_own_host(exchange: &mut Exchange) {
    let socket = Exchange::socket_of(CLIENT);
    let send = |exchange: &mut Exchange, flags, seq, ack| {
        let built = exchange.built(OUTSIDE, BEHIND, flags, seq, ack);
        exchange.event(&Event::Segment(Segment { socket: Some(socket), ..built }));
    };
    exchange.state(CLIENT, CALLED, Close, SynSent);
    send(exchange, SYN, 7, None);
    pass(exchange, CAME_BACK, (BEHIND, OUTSIDE), SYN, (9, Some(8)), None);
    exchange.state(CLIENT, CALLED, SynSent, Established);
    send(exchange, ACK, 8, Some(10));
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    send(exchange, FIN, 8, Some(10));
}

#[test]
fn a_socket_tells_the_other_ends_of_what_it_sends() {
    let mut exchange = Exchange::new();
    translated_by_its_own_host(&mut exchange);
    let (mut handshakes, _) = exchange.records();
    handshakes.sort_by_key(|one| one.conn);
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
    let [by_socket, by_segments] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!((by_socket.no_segments, by_socket.syn_left), (Some(NoSegments::Translated), None));
    assert_eq!((by_segments.no_segments, by_segments.syn_left), (None, Some(true)));
    assert!(by_socket.summary.contains("; no segments of its own: they pass with other addresses"), "{by_socket:?}");
}

/// No segment is expected to show more, so the record waits for neither a segment nor the other socket on loopback.
#[test]
fn what_its_own_host_translates_is_established_when_its_socket_is() {
    let mut exchange = Exchange::new();
    translated_by_its_own_host(&mut exchange);
    let first = |wanted: &dyn Fn(&Correlated) -> bool| exchange.placed().iter().position(wanted);
    let state = first(&|placed| matches!(placed, Correlated::State(state) if state.change.new == Established));
    let verdict = first(&|placed| matches!(placed, Correlated::Handshake(record) if record.conn == 1));
    assert_eq!(verdict, state.map(|at| at + 1), "{:?}", exchange.placed());
}

/// The socket learns of the refusal, whose segment has the ends of the other side.
#[test]
fn what_its_own_host_translates_and_another_refuses_names_the_side_that_shows_it() {
    const ECONNREFUSED: u32 = 111;
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Close, SynSent);
    let built = exchange.built(OUTSIDE, BEHIND, SYN, 7, None);
    exchange.event(&Event::Segment(Segment { socket: Some(Exchange::socket_of(CLIENT)), ..built }));
    pass(&mut exchange, CAME_BACK, (BEHIND, OUTSIDE), RST, (0, Some(8)), None);
    exchange.with_error(ECONNREFUSED).state(CLIENT, CALLED, SynSent, Close);
    let (mut handshakes, _) = exchange.records();
    handshakes.sort_by_key(|one| one.conn);
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
    assert!(handshakes.iter().all(|one| one.outcome == Some(Outcome::Refused)), "{handshakes:?}");
    let [by_socket, _] = &handshakes[..] else { panic!("{handshakes:?}") };
    let words = "refused: by a reset or an ICMP error, which came with other addresses; no segments of its own";
    assert!(by_socket.summary.contains(words), "{}", by_socket.summary);
}

/// The other ends are learnt from a segment of the socket in mid-life, too.
#[test]
fn a_socket_tells_the_other_ends_in_mid_life() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    let built = exchange.built(OUTSIDE, BEHIND, FIN, 8, Some(10));
    exchange.event(&Event::Segment(Segment { socket: Some(Exchange::socket_of(CLIENT)), ..built }));
    exchange.state(CLIENT, CALLED, FinWait1, Close);
    let (_, closes) = exchange.records();
    let close = closes.iter().find(|close| close.conn == 1).expect("its socket closed");
    assert_eq!(close.same_as.as_deref(), Some(&[2][..]));
}

#[test]
fn a_segment_that_comes_in_may_name_the_socket_that_is_to_get_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    let built = exchange.built(OUTSIDE, BEHIND, FIN, 8, Some(10));
    let socket = Some(Exchange::socket_of(CLIENT));
    exchange.event(&Event::Segment(Segment { socket, direction: Some(Direction::In), ..built }));
    exchange.state(CLIENT, CALLED, FinWait1, Close);
    let (_, closes) = exchange.records();
    assert!(closes.iter().all(|close| close.same_as.is_none()), "{closes:?}");
}
