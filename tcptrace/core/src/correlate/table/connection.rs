//! What is remembered of a connection.

use smallvec::SmallVec;

use super::endpoint::{End, ResetContext};
use crate::{
    event::{AcceptQueue, BootTime, Endpoint, Role},
    tcp::{SeqNumber, TcpState},
};

/// Where connections are told apart: a namespace and two endpoints, the smaller first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::correlate) struct Key {
    pub(in crate::correlate) netns: u32,
    pub(in crate::correlate) ends: [Endpoint; 2],
}

/// One of the two ends, as an index: the one with the smaller endpoint is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Side {
    First,
    Second,
}

impl Side {
    pub(in crate::correlate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Key {
    /// The key, and which of its ends `from` is. A socket connected to itself has one end, which is the first.
    pub(in crate::correlate) fn new(netns: u32, from: Endpoint, to: Endpoint) -> (Self, Side) {
        if (from.addr, from.port) <= (to.addr, to.port) {
            (Self { netns, ends: [from, to] }, Side::First)
        } else {
            (Self { netns, ends: [to, from] }, Side::Second)
        }
    }

    /// Both ends are one: the socket connected to itself.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        let [first, second] = self.ends;
        first == second
    }
}

/// Where a connection lies in the table, and the last bits of its number: the place may have become another's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Place {
    pub(in crate::correlate) at: u32,
    pub(in crate::correlate) tag: u32,
}

/// A connection. There may be a million of them, so it is kept small: see [`Rare`].
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Connection {
    pub(in crate::correlate) number: u64,
    /// None while the local port is not known.
    pub(in crate::correlate) key: Option<Key>,
    /// How many gaps there had been when it began, at the most 2^32.
    pub(in crate::correlate) gaps: u32,
    pub(in crate::correlate) ends: [End; 2],
    /// The first event.
    pub(in crate::correlate) first: BootTime,
    /// The last event.
    pub(in crate::correlate) last: BootTime,
    /// The ACK that completed the handshake; [`NEVER`] while there was none.
    acked: BootTime,
    /// When it will be looked at; [`NEVER`] when nobody means to.
    pub(in crate::correlate) queued: BootTime,
    rare: Option<Box<Rare>>,
    /// The place of the generation before, or one that has become another's.
    pub(in crate::correlate) previous: u32,
    /// The namespace, where a socket or a segment told it: that of the key, if there is one.
    pub(in crate::correlate) netns_known: bool,
    pub(in crate::correlate) client: Option<Side>,
    /// Nothing but a guess says which end is the client.
    pub(in crate::correlate) client_guessed: bool,
    /// A SYN,ACK or the state ESTABLISHED has been seen, or it was seen in mid-life first: a SYN with another ISN cannot
    /// belong to it.
    pub(in crate::correlate) answered: bool,
    /// Its handshake was over before anything was seen of it.
    pub(in crate::correlate) mid_life: bool,
    /// Segments of it have been seen.
    pub(in crate::correlate) has_segments: bool,
    /// One of them neither opens nor closes it: then all of its segments are shown.
    pub(in crate::correlate) shows_all: bool,
    /// The SYN,ACK acknowledged data of the SYN.
    pub(in crate::correlate) fast_open: bool,
    /// Who sent the first FIN.
    pub(in crate::correlate) first_fin: Option<Side>,
    /// Who sent the last segment that counts.
    pub(in crate::correlate) last_from: Option<Side>,
    /// Changes of its sockets' states are missing.
    pub(in crate::correlate) lost_states: bool,
    /// Its SYN has left this host.
    pub(in crate::correlate) leaves: bool,
    /// Its listener is about to be asked for.
    pub(in crate::correlate) queue_wanted: bool,
    /// Something of it has been handed on.
    pub(in crate::correlate) shown: bool,
    /// The process that listens has been looked for.
    pub(in crate::correlate) introduced: bool,
    /// The first event was the client's first SYN, and nothing else remembers that.
    began_with_syn: bool,
    /// The record of its handshake has been written.
    pub(in crate::correlate) opened: bool,
    /// Its last record has been written.
    pub(in crate::correlate) ended: bool,
    /// Nothing shows yet that anybody but the sender of its first segment wants it.
    pub(in crate::correlate) unproven: bool,
    /// How many times it has been told that its handshake, or its close, does not get on.
    pub(in crate::correlate) stalls: u8,
}

/// No time at all.
pub(in crate::correlate) const NEVER: BootTime = BootTime(u64::MAX);

/// What few connections have.
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct Rare {
    /// Until the local port is known, the local end and the remote one.
    pub(in crate::correlate) loose: Option<[Endpoint; 2]>,
    /// Until then, the namespace.
    netns: Option<u32>,
    /// An ICMP error quoted its SYN.
    pub(in crate::correlate) icmp: Option<Icmp>,
    /// The listener's accept queue, as the kernel was asked for it last.
    pub(in crate::correlate) queue: Option<AcceptQueue>,
    /// The connection that this one is on the other side of an address translation.
    pub(in crate::correlate) translated: Option<u64>,
    /// The namespaces that it passes besides the one by which it is known.
    pub(in crate::correlate) passes: SmallVec<[u32; 4]>,
    /// The namespaces of the sockets at its ends, where they are others.
    end_netns: [Option<u32>; 2],
    /// Since when it does not get on, where that is later than the beginning of its handshake or close.
    pub(in crate::correlate) stalled_from: Option<BootTime>,
}

/// An ICMP error that quoted a SYN.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Icmp {
    /// What it says.
    pub(in crate::correlate) kind: &'static str,
    /// It says what a reset would: that nobody listens there.
    pub(in crate::correlate) refuses: bool,
}

impl Connection {
    pub(in crate::correlate) fn new(number: u64, at: BootTime, gaps: u64) -> Self {
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
            last_from: None,
            lost_states: false,
            leaves: false,
            queue_wanted: false,
            shown: false,
            introduced: false,
            began_with_syn: false,
            opened: false,
            ended: false,
            unproven: true,
            stalls: 0,
        }
    }

    /// What few connections have.
    pub(in crate::correlate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// The same, to add to it.
    pub(in crate::correlate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Until the local port is known, the local end and the remote one.
    pub(in crate::correlate) fn loose(&self) -> Option<[Endpoint; 2]> {
        self.rare.as_ref()?.loose
    }

    /// An ICMP error that quoted its SYN.
    pub(in crate::correlate) fn icmp(&self) -> Option<Icmp> {
        self.rare.as_ref()?.icmp
    }

    /// The namespace, where it is known.
    pub(in crate::correlate) fn netns(&self) -> Option<u32> {
        let known = self.key.map(|key| key.netns).filter(|_| self.netns_known);
        known.or_else(|| self.rare.as_ref()?.netns)
    }

    /// The namespaces that it passes besides its own: from now on those of another generation.
    pub(in crate::correlate) fn take_passes(&mut self) -> SmallVec<[u32; 4]> {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.passes)).unwrap_or_default()
    }

    /// The namespace of an end whose socket is on this host.
    pub(in crate::correlate) fn end_netns(&self, side: Side) -> Option<u32> {
        let [first, second] = self.rare.as_ref().map(|rare| rare.end_netns).unwrap_or_default();
        let other = if side == Side::First { first } else { second };
        other.or_else(|| self.netns()).filter(|_| self.end(side).had_socket)
    }

    /// The socket at an end tells its namespace.
    pub(in crate::correlate) fn learn_end_netns(&mut self, side: Side, netns: Option<u32>) {
        if netns.is_some() && netns != self.netns() {
            let [first, second] = &mut self.rare_mut().end_netns;
            *(if side == Side::First { first } else { second }) = netns;
        }
    }

    /// Its ends change places.
    pub(in crate::correlate) fn reverse(&mut self) {
        self.ends.reverse();
        self.client = self.client.map(Side::other);
        if let Some(rare) = &mut self.rare {
            rare.end_netns.reverse();
        }
    }

    /// A socket tells the namespace.
    pub(in crate::correlate) fn learn_netns(&mut self, netns: Option<u32>) {
        self.netns_known |= netns.is_some();
        if self.key.is_none() && netns.is_some() {
            self.rare_mut().netns = netns;
        }
    }

    /// The ACK that completed the handshake.
    pub(in crate::correlate) fn ack_at(&self) -> Option<BootTime> {
        (self.acked != NEVER).then_some(self.acked)
    }

    /// An ACK that completes the handshake, if it is the first.
    pub(in crate::correlate) fn complete(&mut self, at: BootTime) {
        if self.acked == NEVER {
            self.acked = at;
        }
    }

    /// A reset of the end `from` has been accepted, whether it was seen or not; `proven`: its own kernel says that it has sent
    /// one.
    pub(in crate::correlate) fn accept_reset(&mut self, from: Side, at: BootTime, proven: bool) {
        let context = ResetContext {
            after_fin: self.first_fin.is_some(),
            after_close: self.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked.is_some())),
            answers: false,
            certain: true,
            proven,
            doubted: false,
            by_error: false,
            first: self.end(from.other()).rst().is_none(),
        };
        self.end_mut(from).reset_accepted(at, context);
    }

    /// It is open, or its last record has been written: no record of it becomes due by the passing of time.
    pub(in crate::correlate) fn is_undisturbed(&self) -> bool {
        (self.opened || self.mid_life) && (self.ended || !self.ends.iter().any(|end| end.closing))
    }

    /// When the client began to open it: its first SYN, or SYN_SENT.
    pub(in crate::correlate) fn began(&self) -> Option<BootTime> {
        let (client, _) = self.roles();
        let by_socket = client.entered(TcpState::SynSent);
        by_socket.or(self.began_with_syn.then_some(self.first)).or_else(|| client.syn().map(|sent| sent.first))
    }

    /// The opening is over and told, and the states of its ends are known otherwise than by what they sent.
    pub(in crate::correlate) fn forget_opening(&mut self) {
        let (client, _) = self.roles();
        let syn = client.syn().map(|sent| sent.first);
        let by_socket = client.entered(TcpState::SynSent).is_some();
        self.began_with_syn = syn == Some(self.first);
        if self.began_with_syn || syn.is_none() || by_socket {
            self.ends.iter_mut().for_each(End::forget_opening);
        }
    }

    pub(in crate::correlate) fn end(&self, side: Side) -> &End {
        let [first, second] = &self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    pub(in crate::correlate) fn end_mut(&mut self, side: Side) -> &mut End {
        let [first, second] = &mut self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    /// Where an end is, as far as known.
    pub(in crate::correlate) fn endpoint(&self, side: Side) -> Option<Endpoint> {
        let [first, second] = self.key.map(|key| key.ends).or_else(|| self.loose())?;
        Some(if side == Side::First { first } else { second })
    }

    /// The client's side; where nothing says, the first.
    pub(in crate::correlate) fn client_side(&self) -> Side {
        self.client.unwrap_or(Side::First)
    }

    /// The client's end and the server's.
    pub(in crate::correlate) fn roles(&self) -> (&End, &End) {
        let client = self.client_side();
        (self.end(client), self.end(client.other()))
    }

    /// The role of an end, as far as known.
    pub(in crate::correlate) fn role(&self, side: Side) -> Option<Role> {
        self.client.map(|client| if client == side { Role::Client } else { Role::Server })
    }

    /// The role in which records show an end, whether anything tells it or not.
    pub(in crate::correlate) fn shown_role(&self, side: Side) -> Role {
        if self.client_side() == side { Role::Client } else { Role::Server }
    }

    /// How far a segment's numbers lie from those that come next here: 0 is a perfect fit, none that nothing is known.
    pub(in crate::correlate) fn distance(&self, from: Side, seq: SeqNumber, ack: Option<SeqNumber>) -> Option<u32> {
        let to = |end: &End, number: SeqNumber| {
            end.next().map(|next| number.distance_from(next).min(next.distance_from(number)))
        };
        let by_ack = ack.and_then(|ack| to(self.end(from.other()), ack));
        to(self.end(from), seq).max(by_ack)
    }

    /// A socket connected to itself is both ends: what one has sent and been told, the other has too.
    pub(in crate::correlate) fn mirror(&mut self) {
        let [own, other] = &mut self.ends;
        own.share(other);
        *other = own.reflection();
    }

    /// A socket connected to itself has one end only.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        self.key.is_some_and(|key| key.is_self_connect())
    }
}
