//! The places where a simulated exchange is seen.

use super::{Act, Step};
use crate::{
    correlate::tests::{CLIENT, SERVER, exchange::Exchange},
    event::Role,
};

/// The place where an exchange is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) enum Vantage {
    /// The host of both sockets.
    Both,
    /// The host of this end's socket.
    One(Role),
    /// A capture, without any kernel event.
    Capture,
}

pub(in crate::correlate) const VANTAGES: [Vantage; 4] =
    [Vantage::Both, Vantage::One(Role::Client), Vantage::One(Role::Server), Vantage::Capture];

impl Vantage {
    pub(in crate::correlate) fn begin(self) -> Exchange {
        if self == Self::Capture { Exchange::of_capture() } else { Exchange::new() }
    }

    pub(in crate::correlate) fn has_socket(self, end: Role) -> bool {
        match self {
            Self::Both => true,
            Self::One(here) => here == end,
            Self::Capture => false,
        }
    }

    /// Returns true if the step shows here.
    pub(in crate::correlate) fn sees(self, step: &Step) -> bool {
        matches!(step.act, Act::Segment { .. }) || self.has_socket(step.end)
    }

    /// Shows a step.
    pub(in crate::correlate) fn show(self, isns: [u32; 2], step: &Step, exchange: &mut Exchange) {
        let (own, other) = if step.end == Role::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let [client, server] = isns;
        let (isn, other_isn) = if step.end == Role::Client { (client, server) } else { (server, client) };
        match step.act {
            Act::State { old, new, error, proof, by_process } => {
                if by_process {
                    exchange.by(u32::from(own));
                }
                exchange.with_error(error).with_proof(proof).state(own, other, old, new);
            }
            Act::Segment { flags, seq, ack, length } => {
                let socket = self.has_socket(step.end).then(|| Exchange::socket_of(own));
                let (seq, ack) = (isn.wrapping_add(seq), ack.map(|ack| other_isn.wrapping_add(ack)));
                exchange.full_segment(socket, own, other, flags, seq, ack, length);
            }
        }
    }
}
