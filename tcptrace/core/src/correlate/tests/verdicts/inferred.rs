//! The states that follow from the segments of a capture.

use super::*;
use crate::{tcp::TcpState, verdict::StateTime};

/// The states of both ends and the nanoseconds in each, for an exchange whose segments are a microsecond apart.
fn states(play: impl FnOnce(&mut dyn FnMut(bool, TcpFlags, u32, u32))) -> [Vec<(TcpState, Option<u64>)>; 2] {
    let mut exchange = Exchange::of_capture();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.pass(999);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.pass(999);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.pass(999);
    play(&mut |from_client, flags, seq, ack| {
        if from_client {
            exchange.segment(CLIENT, SERVER, flags, C + seq, Some(S + ack), 0);
        } else {
            exchange.segment(SERVER, CLIENT, flags, S + seq, Some(C + ack), 0);
        }
        exchange.pass(999);
    });
    let (_, close) = whole(&mut exchange);
    let words = |stays: &[StateTime]| {
        assert!(stays.iter().all(|stay| stay.inferred));
        stays.iter().map(|stay| (stay.state, stay.ns)).collect()
    };
    [words(&close.states.client), words(&close.states.server)]
}

#[test]
fn four_segments() {
    let [client, server] = states(|segment| {
        segment(true, FIN, 1, 1);
        segment(false, ACK, 1, 2);
        segment(false, FIN, 1, 2);
        segment(true, ACK, 2, 2);
    });
    let us = |n: u64| Some(n * 1000);
    let expected = [(SynSent, us(1)), (Established, us(2)), (FinWait1, us(1)), (FinWait2, us(1)), (TimeWait, None)];
    assert_eq!(client, expected);
    let expected = [(SynRecv, us(2)), (Established, us(1)), (CloseWait, us(2)), (LastAck, us(1)), (Close, None)];
    assert_eq!(server, expected);
}

#[test]
fn three_segments_pass_fin_wait_2_in_no_time() {
    let [client, server] = states(|segment| {
        segment(false, FIN, 1, 1);
        segment(true, FIN, 1, 2);
        segment(false, ACK, 2, 2);
    });
    assert_eq!(server.get(2..), Some(&[(FinWait1, Some(1000)), (FinWait2, Some(0)), (TimeWait, None)][..]));
    assert_eq!(client.get(2..), Some(&[(CloseWait, Some(1000)), (LastAck, Some(1000)), (Close, None)][..]));
}

#[test]
fn fins_that_cross_go_through_closing() {
    let sides = states(|segment| {
        segment(true, FIN, 1, 1);
        segment(false, FIN, 1, 1);
        segment(true, ACK, 2, 2);
        segment(false, ACK, 2, 2);
    });
    for side in sides {
        let names: Vec<_> = side.iter().skip(2).map(|&(state, _)| state).collect();
        assert_eq!(names, [FinWait1, Closing, TimeWait]);
    }
}

#[test]
fn a_reset_closes_both_ends() {
    let [client, server] = states(|segment| segment(false, RST, 1, 1));
    for side in [client, server] {
        assert_eq!(
            side.get(1..).map(|rest| rest.iter().map(|&(state, _)| state).collect()),
            Some(vec![Established, Close])
        );
    }
}
