//! For any events in any order: nothing panics, nothing is lost or invented, nothing waits for ever.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::{
    exchange::{self, Exchange, State},
    hints::reset,
};
use crate::{
    correlate::Correlated,
    event::{BootTime, Event, Hint, SocketKey},
    tcp::TcpFlags,
};

pub(in crate::correlate) const STATES: [State; 11] = [
    State::Established,
    State::SynSent,
    State::SynRecv,
    State::FinWait1,
    State::FinWait2,
    State::TimeWait,
    State::Close,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
];

#[derive(Clone, Debug)]
pub(in crate::correlate) enum Step {
    State { socket: u64, local: u16, remote: u16, old: usize, new: usize },
    Segment { socket: Option<u64>, src: u16, dst: u16, flags: u16, seq: u32, ack: u32 },
    Icmp { src: u16, dst: u16 },
    Hint { socket: Option<u64>, from: u16, to: u16 },
    Pass(u64),
}

pub(in crate::correlate) fn step() -> impl Strategy<Value = Step> {
    let (port, socket) = (0..5_u16, 0..6_u64);
    let state = (socket.clone(), port.clone(), port.clone(), 0..11_usize, 0..11_usize)
        .prop_map(|(socket, local, remote, old, new)| Step::State { socket, local, remote, old, new });
    let number = prop_oneof![0..30_u32, any::<u32>()];
    let segment = (prop::option::of(socket.clone()), port.clone(), port.clone(), 0..512_u16, number.clone(), number)
        .prop_map(|(socket, src, dst, flags, seq, ack)| Step::Segment { socket, src, dst, flags, seq, ack });
    let icmp = (port.clone(), port.clone()).prop_map(|(src, dst)| Step::Icmp { src, dst });
    let hint =
        (prop::option::of(socket), port.clone(), port).prop_map(|(socket, from, to)| Step::Hint { socket, from, to });
    prop_oneof![6 => state, 6 => segment, 1 => icmp, 1 => hint, 2 => (0..90_000_000_u64).prop_map(Step::Pass)]
}

proptest! {
    #[test]
    fn nothing_panics_is_lost_made_up_or_waits_for_ever(
        steps in prop::collection::vec(step(), 0..120),
        most in prop_oneof![Just(NonZeroU32::MAX), (1..9_u32).prop_map(|most| NonZeroU32::new(most).expect("some"))],
    ) {
        let mut exchange = Exchange::new();
        exchange.connections().limit(most);
        let (mut states, mut segments, mut others) = (0, 0, 0);
        for (ifindex, step) in (1..).zip(&steps) {
            // Each round has its own interface: no segment is a copy or a retransmission of another.
            exchange.on_interface(ifindex);
            match *step {
                Step::State { socket, local, remote, old, new } => {
                    states += 1;
                    exchange.full_state(socket, local, remote, STATES[old], STATES[new]);
                }
                Step::Segment { socket, src, dst, flags, seq, ack } => {
                    segments += 1;
                    let flags = TcpFlags(flags);
                    let ack = flags.contains(TcpFlags::ACK).then_some(ack);
                    exchange.full_segment(socket.map(SocketKey), src, dst, flags, seq, ack, 3);
                }
                Step::Icmp { src, dst } => {
                    others += 1;
                    exchange.icmp(src, dst);
                }
                Step::Hint { socket, from, to } => {
                    others += 1;
                    let at = BootTime(exchange.now());
                    exchange.event(&Event::Hint(Hint { at, socket: socket.map(SocketKey), ..reset(from, to) }));
                }
                Step::Pass(time) => {
                    exchange.pass(time);
                    exchange.timeout();
                    prop_assert!(exchange.deadline().is_none_or(|deadline| deadline > exchange.now()));
                }
            }
        }
        // Everything else is checked along the way.
        let mut placed = exchange.finish();
        // Missing state changes are reported in addition.
        placed.retain(|one| !matches!(one, Correlated::StateGap(..)));
        let seen_segments = exchange::segments(&placed).len();
        prop_assert_eq!(exchange::states(&placed).len(), states);
        prop_assert!(seen_segments <= segments && placed.len() - states - seen_segments <= others);
        prop_assert!(exchange.connections().table.len() <= most.get() as usize);
    }

    #[test]
    fn a_stream_of_connections_ends_in_as_many_numbers(count in 1..40_u16) {
        let mut exchange = Exchange::new();
        for client in 0..count {
            exchange.local_connection(30_000 + client % 7, 80);
        }
        let placed = exchange.finish();
        prop_assert_eq!(placed.len(), 17 * usize::from(count));
        for (number, events) in (1..).zip(placed.chunks(17)) {
            prop_assert!(events.iter().all(|placed| exchange::conn(placed) == Some(number)));
        }
        prop_assert_eq!(exchange.totals().ended, u64::from(count));
    }
}
