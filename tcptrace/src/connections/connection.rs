//! What is remembered of a connection.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    event::{BootTime, Endpoint},
    tcp::SeqNumber,
};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The end that sent the first SYN.
    Client,
    /// The other end.
    Server,
}

/// Where connections are told apart: a namespace and two endpoints, the smaller first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    pub(super) netns: u32,
    pub(super) ends: [Endpoint; 2],
}

/// One of the two ends, as an index: the one with the smaller endpoint is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    First,
    Second,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Key {
    /// The key, and which of its ends `from` is. A socket connected to itself has one end, which is the first.
    pub(super) fn new(netns: u32, from: Endpoint, to: Endpoint) -> (Self, Side) {
        if (from.addr, from.port) <= (to.addr, to.port) {
            (Self { netns, ends: [from, to] }, Side::First)
        } else {
            (Self { netns, ends: [to, from] }, Side::Second)
        }
    }

    /// Both ends are one: the socket connected to itself.
    pub(super) fn is_self_connect(&self) -> bool {
        let [first, second] = self.ends;
        first == second
    }
}

/// What is known of one end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    /// Its ISN as its SYN showed it or the other's acknowledgement did, or else a number that makes the first one seen 1.
    pub(super) isn: Option<SeqNumber>,
    /// Its SYN has been seen, so that `isn` is certain.
    pub(super) syn_seen: bool,
    /// The number after the last one it is known to have sent.
    pub(super) next: SeqNumber,
    /// The number after its FIN.
    pub(super) fin: Option<SeqNumber>,
    /// Its FIN has been acknowledged.
    pub(super) fin_acked: bool,
    /// A socket here is or was this end.
    pub(super) had_socket: bool,
    /// A socket here is this end, and not closed.
    pub(super) open_socket: bool,
}

/// Where a connection lies in the table, with its number: the place may have become another's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) number: u64,
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// None while the local port is not known.
    pub(super) key: Option<Key>,
    pub(super) ends: [End; 2],
    pub(super) client: Option<Side>,
    /// A SYN,ACK or the state ESTABLISHED has been seen, or it was seen in mid-life first: a SYN with another ISN cannot
    /// belong to it.
    pub(super) answered: bool,
    /// Segments of it have been seen.
    pub(super) has_segments: bool,
    /// Its end has been seen.
    pub(super) ended: bool,
    /// A reset has been seen.
    pub(super) reset: bool,
    /// The last event.
    pub(super) last: BootTime,
    /// The generation before.
    pub(super) previous: Option<Place>,
}

impl Connection {
    pub(super) fn new(number: u64, key: Option<Key>, at: BootTime) -> Self {
        Self {
            number,
            key,
            ends: [End::default(); 2],
            client: None,
            answered: false,
            has_segments: false,
            ended: false,
            reset: false,
            last: at,
            previous: None,
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        let [first, second] = &self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        let [first, second] = &mut self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    /// The role of an end, as far as known.
    pub(super) fn role(&self, side: Side) -> Option<Role> {
        self.client.map(|client| if client == side { Role::Client } else { Role::Server })
    }

    /// How far a segment's numbers lie from those that come next here: 0 is a perfect fit, none that nothing is known.
    pub(super) fn distance(&self, from: Side, seq: SeqNumber, ack: Option<SeqNumber>) -> Option<u32> {
        let to = |end: &End, number: SeqNumber| {
            end.isn.map(|_| number.distance_from(end.next).min(end.next.distance_from(number)))
        };
        let by_ack = ack.and_then(|ack| to(self.end(from.other()), ack));
        to(self.end(from), seq).max(by_ack)
    }

    /// Whether it is over, now that something has changed.
    pub(super) fn is_over(&self) -> bool {
        let [first, second] = &self.ends;
        if first.open_socket || second.open_socket {
            return false;
        }
        let both_fins = first.fin_acked && second.fin_acked;
        match (first.had_socket, second.had_socket) {
            (true, true) => true,
            (false, false) => self.reset || both_fins,
            // The kernel replaces a socket in FIN_WAIT2 before the other end's FIN has come.
            _ => self.reset || !self.has_segments || !self.waits_for_fin(),
        }
    }

    /// One end's FIN has been acknowledged, and the other end, which has no socket here, has not sent its own.
    fn waits_for_fin(&self) -> bool {
        let [first, second] = &self.ends;
        let waits = |here: &End, there: &End| here.had_socket && here.fin_acked && there.fin.is_none();
        waits(first, second) || waits(second, first)
    }
}
