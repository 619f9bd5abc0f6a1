//! What is remembered of a connection.

use schemars::JsonSchema;
use serde::Serialize;

use super::end::End;
use crate::{
    event::{AcceptQueue, BootTime, Endpoint},
    tcp::{SeqNumber, TcpState},
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

/// Where a connection lies in the table, and the last bits of its number: the place may have become another's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) tag: u32,
}

/// A connection. There may be a million of them, so it is kept small: see [`Rare`].
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// None while the local port is not known.
    pub(super) key: Option<Key>,
    /// How many gaps there had been when it began, at the most 2^32.
    pub(super) gaps: u32,
    pub(super) ends: [End; 2],
    /// The first event.
    pub(super) first: BootTime,
    /// The last event.
    pub(super) last: BootTime,
    /// The ACK that completed the handshake; [`NEVER`] while there was none.
    acked: BootTime,
    /// When it will be looked at; [`NEVER`] when nobody means to.
    pub(super) queued: BootTime,
    rare: Option<Box<Rare>>,
    /// The place of the generation before, or one that has become another's.
    pub(super) previous: u32,
    /// The namespace, where a socket or a segment told it: that of the key, if there is one.
    pub(super) netns_known: bool,
    pub(super) client: Option<Side>,
    /// Nothing but a guess says which end is the client.
    pub(super) client_guessed: bool,
    /// A SYN,ACK or the state ESTABLISHED has been seen, or it was seen in mid-life first: a SYN with another ISN cannot
    /// belong to it.
    pub(super) answered: bool,
    /// Its handshake was over before anything was seen of it.
    pub(super) mid_life: bool,
    /// Segments of it have been seen.
    pub(super) has_segments: bool,
    /// One of them neither opens nor closes it: then all of its segments are shown.
    pub(super) shows_all: bool,
    /// The SYN,ACK acknowledged data of the SYN.
    pub(super) fast_open: bool,
    /// Who sent the first FIN.
    pub(super) first_fin: Option<Side>,
    /// Its SYN has left this host.
    pub(super) leaves: bool,
    /// Its listener is about to be asked for.
    pub(super) queue_wanted: bool,
    /// Something of it has been handed on.
    pub(super) shown: bool,
    /// The process that listens has been looked for.
    pub(super) introduced: bool,
    /// The first event was the client's first SYN, and nothing else remembers that.
    began_with_syn: bool,
    /// The record of its handshake has been written.
    pub(super) opened: bool,
    /// Its last record has been written.
    pub(super) ended: bool,
    /// Nothing shows yet that anybody but the sender of its first segment wants it.
    pub(super) unproven: bool,
}

/// No time at all.
pub(super) const NEVER: BootTime = BootTime(u64::MAX);

/// What few connections have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    /// Until the local port is known, the local end and the remote one.
    pub(super) loose: Option<[Endpoint; 2]>,
    /// Until then, the namespace.
    netns: Option<u32>,
    /// An ICMP error quoted its SYN.
    pub(super) icmp: Option<Icmp>,
    /// The listener's accept queue, as the kernel was asked for it last.
    pub(super) queue: Option<AcceptQueue>,
    /// The connection that this one is on the other side of an address translation.
    pub(super) translated: Option<u64>,
}

/// An ICMP error that quoted a SYN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icmp {
    /// What it says.
    pub(super) kind: &'static str,
    /// It says what a reset would: that nobody listens there.
    pub(super) refuses: bool,
}

impl Connection {
    pub(super) fn new(number: u64, at: BootTime, gaps: u64) -> Self {
        Self {
            number,
            key: None,
            gaps: u32::try_from(gaps).unwrap_or(u32::MAX),
            ends: [End::default(), End::default()],
            first: at,
            last: at,
            acked: NEVER,
            queued: NEVER,
            rare: None,
            previous: u32::MAX,
            netns_known: false,
            client: None,
            client_guessed: false,
            answered: false,
            mid_life: false,
            has_segments: false,
            shows_all: false,
            fast_open: false,
            first_fin: None,
            leaves: false,
            queue_wanted: false,
            shown: false,
            introduced: false,
            began_with_syn: false,
            opened: false,
            ended: false,
            unproven: true,
        }
    }

    /// What few connections have.
    pub(super) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// The same, to add to it.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Until the local port is known, the local end and the remote one.
    pub(super) fn loose(&self) -> Option<[Endpoint; 2]> {
        self.rare.as_ref()?.loose
    }

    /// An ICMP error that quoted its SYN.
    pub(super) fn icmp(&self) -> Option<Icmp> {
        self.rare.as_ref()?.icmp
    }

    /// The namespace, where it is known.
    pub(super) fn netns(&self) -> Option<u32> {
        let known = self.key.map(|key| key.netns).filter(|_| self.netns_known);
        known.or_else(|| self.rare.as_ref()?.netns)
    }

    /// A socket tells the namespace.
    pub(super) fn learn_netns(&mut self, netns: Option<u32>) {
        self.netns_known |= netns.is_some();
        if self.key.is_none() && netns.is_some() {
            self.rare_mut().netns = netns;
        }
    }

    /// The ACK that completed the handshake.
    pub(super) fn ack_at(&self) -> Option<BootTime> {
        (self.acked != NEVER).then_some(self.acked)
    }

    /// An ACK that completes the handshake, if it is the first.
    pub(super) fn complete(&mut self, at: BootTime) {
        if self.acked == NEVER {
            self.acked = at;
        }
    }

    /// When the client began to open it: its first SYN, or SYN_SENT.
    pub(super) fn began(&self) -> Option<BootTime> {
        let (client, _) = self.roles();
        let by_socket = client.entered(TcpState::SynSent);
        by_socket.or(self.began_with_syn.then_some(self.first)).or_else(|| client.syn().map(|sent| sent.first))
    }

    /// The opening is over and told, and the states of its ends are known otherwise than by what they sent.
    pub(super) fn forget_opening(&mut self) {
        let (client, _) = self.roles();
        let syn = client.syn().map(|sent| sent.first);
        let by_socket = client.entered(TcpState::SynSent).is_some();
        self.began_with_syn = syn == Some(self.first);
        if self.began_with_syn || syn.is_none() || by_socket {
            self.ends.iter_mut().for_each(End::forget_opening);
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

    /// Where an end is, as far as known.
    pub(super) fn endpoint(&self, side: Side) -> Option<Endpoint> {
        let [first, second] = self.key.map(|key| key.ends).or_else(|| self.loose())?;
        Some(if side == Side::First { first } else { second })
    }

    /// The client's side; where nothing says, the first.
    pub(super) fn client_side(&self) -> Side {
        self.client.unwrap_or(Side::First)
    }

    /// The client's end and the server's.
    pub(super) fn roles(&self) -> (&End, &End) {
        let client = self.client_side();
        (self.end(client), self.end(client.other()))
    }

    /// The role of an end, as far as known.
    pub(super) fn role(&self, side: Side) -> Option<Role> {
        self.client.map(|client| if client == side { Role::Client } else { Role::Server })
    }

    /// The role in which records show an end, whether anything tells it or not.
    pub(super) fn shown_role(&self, side: Side) -> Role {
        if self.client_side() == side { Role::Client } else { Role::Server }
    }

    /// How far a segment's numbers lie from those that come next here: 0 is a perfect fit, none that nothing is known.
    pub(super) fn distance(&self, from: Side, seq: SeqNumber, ack: Option<SeqNumber>) -> Option<u32> {
        let to = |end: &End, number: SeqNumber| {
            end.next().map(|next| number.distance_from(next).min(next.distance_from(number)))
        };
        let by_ack = ack.and_then(|ack| to(self.end(from.other()), ack));
        to(self.end(from), seq).max(by_ack)
    }

    /// A socket connected to itself is both ends: what one has sent and been told, the other has too.
    pub(super) fn mirror(&mut self) {
        let [own, other] = &mut self.ends;
        own.share(other);
        *other = own.reflection();
    }

    /// A socket connected to itself has one end only.
    pub(super) fn is_self_connect(&self) -> bool {
        self.key.is_some_and(|key| key.is_self_connect())
    }
}
