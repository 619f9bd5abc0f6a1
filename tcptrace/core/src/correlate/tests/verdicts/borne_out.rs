//! Acknowledgements of more than was seen to be sent: what follows bears them out or not.

use super::{doubted::*, *};

/// The close of an established connection, of which a capture shows this.
fn closed(lines: &[Line]) -> Close {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)]);
    show(&mut exchange, lines);
    exchange.pass(2 * SECOND);
    let (_, closes) = exchange.records();
    only(closes)
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
