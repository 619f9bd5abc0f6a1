//! SYNs that somebody else sends into a connection.

use super::*;

/// Plays a connection with a segment inserted between its data; returns the verdicts on it and on others.
fn amid(capture: bool, forge: impl FnOnce(&mut Exchange)) -> (Vec<Handshake>, Vec<Close>) {
    let mut exchange = if capture { Exchange::of_capture() } else { Exchange::new() };
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 50);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_051), 0);
    forge(&mut exchange);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_051, Some(900_001), 50);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_101), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 1_101, Some(900_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 900_001, Some(1_102), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_102, Some(900_002), 0);
    exchange.records()
}

#[test]
fn a_forged_syn_neither_splits_nor_ends_a_connection_that_goes_on() {
    let forged = [
        // In place, in the window, near and far ahead, and behind.
        (CLIENT, 1_051),
        (CLIENT, 1_500),
        (CLIENT, 9_000_000),
        (CLIENT, 3_000_000_000),
        (CLIENT, 500),
        (SERVER, 900_001),
        (SERVER, 900_500),
        (SERVER, 60_000_000),
        (SERVER, 3_000_000_000),
    ];
    for (from, isn) in forged {
        for (capture, challenged) in [(true, true), (true, false), (false, true), (false, false)] {
            let to = if from == CLIENT { SERVER } else { CLIENT };
            let (handshakes, closes) = amid(capture, |exchange| {
                exchange.segment(from, to, TcpFlags::SYN, isn, None, 0);
                if challenged {
                    let (seq, ack) = if to == SERVER { (900_001, 1_051) } else { (1_051, 900_001) };
                    exchange.segment(to, from, TcpFlags::ACK, seq, Some(ack), 0);
                }
            });
            let about = format!("{from} sends {isn}, capture: {capture}, challenged: {challenged}");
            let [close] = &closes[..] else { panic!("{about}: {closes:#?}") };
            assert_eq!((close.conn, close.kind), (1, CloseKind::ThreeSegment), "{about}");
            assert_eq!(close.bytes.client_to_server, Some(100), "{about}");
            let outcomes: Vec<_> = handshakes.iter().map(|handshake| handshake.outcome).collect();
            assert_eq!(outcomes, [Some(Outcome::Established), Some(Outcome::Unanswered)], "{about}");
        }
    }
}

#[test]
fn a_forged_syn_ack_or_a_syn_with_other_flags_is_not_even_a_connection() {
    for flags in [TcpFlags::SYN | TcpFlags::ACK, TcpFlags::SYN | TcpFlags::FIN, TcpFlags::SYN | TcpFlags::RST] {
        for capture in [true, false] {
            let (handshakes, closes) = amid(capture, |exchange| {
                let ack = flags.contains(TcpFlags::ACK).then_some(900_001);
                exchange.segment(CLIENT, SERVER, flags, 9_000_000, ack, 0);
            });
            assert_eq!((handshakes.len(), closes.len()), (1, 1), "{flags:?}: {handshakes:#?}");
            assert_eq!(closes[0].kind, CloseKind::ThreeSegment, "{flags:?}");
        }
    }
}

/// In its window, and not far behind it in numbers that only the other end's acknowledgement tells from the connection's own.
#[test]
fn a_forged_syn_takes_no_data_of_a_connection_that_goes_on() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7_181, None, 0);
    // Its data before that was not captured, and did not arrive.
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 904_001, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 8_688);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 9_689, Some(900_001), 4_344);
    // Forged as well, behind the SYN.
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 60_000, Some(900_001), 80);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 1, 1, 1]);
}
