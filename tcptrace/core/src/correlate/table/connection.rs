//! State kept for a connection.

mod accurate_ecn;
mod by_side;

use smallvec::SmallVec;

pub(in crate::correlate) use self::accurate_ecn::AccurateEcn;
use self::by_side::BySide;
use super::{
    endpoint::{End, ResetContext},
    paths::Paths,
    sides::OtherSide,
};
use crate::{
    event::{AcceptQueue, BootTime, Endpoint, Role, SocketReport},
    tcp::{SeqNumber, TcpState},
    verdict::{IcmpAnswer, OpeningDrops},
};

/// Identity of a connection's four-tuple: a namespace and two endpoints, the smaller first.
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
    /// Returns the key, and the end of it that `from` is. A socket connected to itself has one end, the first.
    pub(in crate::correlate) fn new(netns: u32, from: Endpoint, to: Endpoint) -> (Self, Side) {
        let side = if (from.addr, from.port) <= (to.addr, to.port) { Side::First } else { Side::Second };
        // Chosen first and then copied once, each as a whole: it is done for every segment.
        let (first, second) = if side == Side::First { (&from, &to) } else { (&to, &from) };
        (Self { netns, ends: [*first, *second] }, side)
    }

    /// Returns true if both ends are the same: a socket connected to itself.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        let [first, second] = self.ends;
        first == second
    }
}

/// Position of a connection in the table, with the low bits of its number, since the position may be reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Place {
    pub(in crate::correlate) at: u32,
    pub(in crate::correlate) tag: u32,
}

/// A connection. There may be a million, so it is kept small: see [`Rare`].
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Connection {
    pub(in crate::correlate) number: u64,
    /// `None` while the local port is unknown.
    pub(in crate::correlate) key: Option<Key>,
    /// Number of losses before it began, at most 2^32.
    pub(in crate::correlate) gaps: u32,
    pub(in crate::correlate) ends: [End; 2],
    /// Time of the first event.
    pub(in crate::correlate) first: BootTime,
    /// Time of the last event.
    pub(in crate::correlate) last: BootTime,
    /// Time of the ACK that completed the handshake; [`NEVER`] if there was none.
    acked: BootTime,
    /// Time of the queued timer; [`NEVER`] if none is armed.
    pub(in crate::correlate) queued: BootTime,
    rare: Option<Box<Rare>>,
    /// Position of the generation before, which may have been reused.
    pub(in crate::correlate) previous: u32,
    /// True if a socket or a segment told the namespace, which is that of the key, if there is one.
    pub(in crate::correlate) netns_known: bool,
    pub(in crate::correlate) client: Option<Side>,
    /// True if the client is only guessed.
    pub(in crate::correlate) client_guessed: bool,
    /// True if a SYN,ACK or the state ESTABLISHED was seen, or its first event was in mid-life: a SYN with another ISN
    /// cannot belong to it.
    pub(in crate::correlate) answered: bool,
    /// True if its handshake was over before anything of it was seen.
    pub(in crate::correlate) mid_life: bool,
    /// True if segments of it were seen.
    pub(in crate::correlate) has_segments: bool,
    /// True if one of them neither opens nor closes it: then all of its segments are shown.
    pub(in crate::correlate) shows_all: bool,
    /// True if the SYN,ACK acknowledged data of the SYN.
    pub(in crate::correlate) fast_open: bool,
    /// Sender of the first FIN.
    pub(in crate::correlate) first_fin: Option<Side>,
    /// Sender of the last accepted segment.
    pub(in crate::correlate) last_from: Option<Side>,
    /// True if state changes of its sockets are missing.
    pub(in crate::correlate) lost_states: bool,
    /// True if its SYN left this host.
    pub(in crate::correlate) leaves: bool,
    /// True if its listener is about to be queried.
    pub(in crate::correlate) queue_wanted: bool,
    /// True if an event of it was emitted.
    pub(in crate::correlate) shown: bool,
    /// True if the process that listens has been looked up.
    pub(in crate::correlate) introduced: bool,
    /// True if the first event was the client's first SYN and that is recorded nowhere else.
    began_with_syn: bool,
    /// True if the record of its handshake was emitted.
    pub(in crate::correlate) opened: bool,
    /// True if its last record was emitted.
    pub(in crate::correlate) ended: bool,
    /// True as long as only the sender of its first segment is known to want it.
    pub(in crate::correlate) unproven: bool,
    /// Number of stall reports for its handshake or its close.
    pub(in crate::correlate) stalls: u8,
}

/// No time: later than any event.
pub(in crate::correlate) const NEVER: BootTime = BootTime(u64::MAX);

/// Fields that few connections need.
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct Rare {
    /// The local end and the remote one, until the local port is known.
    pub(in crate::correlate) loose: Option<[Endpoint; 2]>,
    /// The namespace, until the local port is known.
    netns: Option<u32>,
    /// An ICMP error that quoted its SYN or its SYN,ACK.
    pub(in crate::correlate) icmp: Option<IcmpAnswer>,
    /// The translation of its addresses that the kernel forgot, if it did.
    pub(in crate::correlate) nat_forgot: Option<NatForgot>,
    /// Segments of its handshake that this host's kernel dropped.
    pub(in crate::correlate) drops: Option<OpeningDrops>,
    /// Accept queue of the listener, as the kernel last reported it.
    pub(in crate::correlate) queue: Option<AcceptQueue>,
    /// True if its listener's accept queue was full when the SYN,ACK was last sent again.
    pub(in crate::correlate) listener_full: bool,
    /// True if its listener waits for data (TCP_DEFER_ACCEPT).
    pub(in crate::correlate) defers: bool,
    /// True if the handshake's ACK carried no data, so that the listener, which waits for data, made no socket.
    pub(in crate::correlate) deferred: bool,
    /// True if its socket was restored with TCP_REPAIR, without a handshake.
    pub(in crate::correlate) restored: bool,
    /// The other sides of an address translation.
    pub(in crate::correlate) other_sides: Vec<OtherSide>,
    /// Namespaces that it passes besides the one by which it is known.
    pub(in crate::correlate) passes: SmallVec<[u32; 4]>,
    /// Namespaces of the sockets at its ends, if other than the connection's.
    end_netns: BySide<Option<u32>>,
    /// Time since which it stalls, if later than the beginning of its handshake or close.
    pub(in crate::correlate) stalled_from: Option<BootTime>,
    /// The last reports of the sockets at its ends, if one of them made no progress.
    pub(in crate::correlate) reports: BySide<Option<Noted>>,
    /// Encapsulations of its segments, if some had one.
    pub(super) paths: Option<Paths>,
    /// Negotiation of Accurate ECN.
    pub(in crate::correlate) accurate_ecn: AccurateEcn,
}

/// The end of an address translation in the middle of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct NatForgot {
    pub(in crate::correlate) at: BootTime,
    /// True if a program deleted it.
    pub(in crate::correlate) deleted: bool,
    /// Nanoseconds since the last event of the connection, if every segment comes.
    pub(in crate::correlate) idle_ns: Option<u64>,
}

/// The last report of a socket that was placed.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Noted {
    pub(in crate::correlate) report: SocketReport,
    /// Time since which the socket makes no progress.
    pub(in crate::correlate) since: BootTime,
    /// Number of stalls of the established connection that were reported.
    pub(in crate::correlate) told: u32,
}

impl Connection {
    /// Returns what the kernel last told of the socket at an end.
    pub(in crate::correlate) fn report(&self, side: Side) -> Option<Noted> {
        *self.rare()?.reports.of(side)
    }

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

    /// Returns the fields that few connections need.
    pub(in crate::correlate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Returns the same for writing, creating them if necessary.
    pub(in crate::correlate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Returns the local end and the remote one while the local port is unknown.
    pub(in crate::correlate) fn loose(&self) -> Option<[Endpoint; 2]> {
        self.rare.as_ref()?.loose
    }

    /// Returns true if its listener waits for data although the handshake's ACK came.
    pub(in crate::correlate) fn is_deferred(&self) -> bool {
        self.rare().is_some_and(|rare| rare.deferred)
    }

    /// Returns true if its socket was restored with TCP_REPAIR, without a handshake.
    pub(in crate::correlate) fn is_restored(&self) -> bool {
        self.rare().is_some_and(|rare| rare.restored)
    }

    /// Returns an ICMP error that quoted its SYN or its SYN,ACK.
    pub(in crate::correlate) fn icmp(&self) -> Option<IcmpAnswer> {
        self.rare.as_ref()?.icmp
    }

    /// Returns the namespace, if it is known.
    pub(in crate::correlate) fn netns(&self) -> Option<u32> {
        let known = self.key.map(|key| key.netns).filter(|_| self.netns_known);
        known.or_else(|| self.rare.as_ref()?.netns)
    }

    /// Takes the namespaces that it passes besides its own, for a new generation.
    pub(in crate::correlate) fn take_passes(&mut self) -> SmallVec<[u32; 4]> {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.passes)).unwrap_or_default()
    }

    /// Returns the namespace of an end whose socket is on this host.
    pub(in crate::correlate) fn end_netns(&self, side: Side) -> Option<u32> {
        self.likely_netns(side).filter(|_| self.end(side).had_socket)
    }

    /// Returns the namespace of an end as far as it is known: told by its socket, or by a segment that the socket sent, and
    /// until then that of the connection.
    pub(in crate::correlate) fn likely_netns(&self, side: Side) -> Option<u32> {
        let other = self.rare.as_ref().and_then(|rare| *rare.end_netns.of(side));
        other.or_else(|| self.netns())
    }

    /// Sets the namespace that the socket at an end tells.
    pub(in crate::correlate) fn learn_end_netns(&mut self, side: Side, netns: Option<u32>) {
        if netns.is_some() && netns != self.netns() {
            *self.rare_mut().end_netns.of_mut(side) = netns;
        }
    }

    /// Exchanges its ends.
    pub(in crate::correlate) fn reverse(&mut self) {
        self.ends.reverse();
        self.client = self.client.map(Side::other);
        if let Some(rare) = &mut self.rare {
            rare.end_netns.reverse();
            rare.reports.reverse();
        }
    }

    /// Sets the namespace that a socket tells.
    pub(in crate::correlate) fn learn_netns(&mut self, netns: Option<u32>) {
        self.netns_known |= netns.is_some();
        if self.key.is_none() && netns.is_some() {
            self.rare_mut().netns = netns;
        }
    }

    /// Returns the time of the ACK that completed the handshake.
    pub(in crate::correlate) fn ack_at(&self) -> Option<BootTime> {
        (self.acked != NEVER).then_some(self.acked)
    }

    /// Notes an ACK that completes the handshake, if it is the first.
    pub(in crate::correlate) fn complete(&mut self, at: BootTime) {
        if self.acked == NEVER {
            self.acked = at;
        }
    }

    /// Notes that a reset of the end `from` was accepted, whether it was seen or not; `proven`: its own kernel reports
    /// that it sent one.
    pub(in crate::correlate) fn accept_reset(&mut self, from: Side, at: BootTime, proven: bool) {
        let context = ResetContext {
            after_fin: self.first_fin.is_some(),
            after_close: self.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked.is_some())),
            answers: false,
            certain: true,
            proven,
            doubted: false,
            repeated: false,
            by_error: false,
            outgoing: false,
            followed: false,
            first: self.end(from.other()).rst().is_none(),
        };
        self.end_mut(from).reset_accepted(at, context);
    }

    /// Returns true if it is open, or its last record was emitted: no record becomes due merely because time passes.
    pub(in crate::correlate) fn is_undisturbed(&self) -> bool {
        (self.opened || self.mid_life) && (self.ended || !self.ends.iter().any(|end| end.closing))
    }

    /// Returns the time at which the client began to open it: its first SYN, or SYN_SENT.
    pub(in crate::correlate) fn began(&self) -> Option<BootTime> {
        let (client, _) = self.roles();
        let by_socket = client.entered(TcpState::SynSent);
        by_socket.or(self.began_with_syn.then_some(self.first)).or_else(|| client.syn().map(|sent| sent.first))
    }

    /// Drops the details of the handshake, once that was reported and the states of its ends do not depend on them.
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

    /// Returns the endpoint of an end, as far as known.
    pub(in crate::correlate) fn endpoint(&self, side: Side) -> Option<Endpoint> {
        let [first, second] = self.key.map(|key| key.ends).or_else(|| self.loose())?;
        Some(if side == Side::First { first } else { second })
    }

    /// Returns the client's side, or the first if the roles are unknown.
    pub(in crate::correlate) fn client_side(&self) -> Side {
        self.client.unwrap_or(Side::First)
    }

    /// Returns the client's end and the server's.
    pub(in crate::correlate) fn roles(&self) -> (&End, &End) {
        let client = self.client_side();
        (self.end(client), self.end(client.other()))
    }

    /// Returns the role of an end, if known.
    pub(in crate::correlate) fn role(&self, side: Side) -> Option<Role> {
        self.client.map(|client| if client == side { Role::Client } else { Role::Server })
    }

    /// Returns the role in which records show an end, known or not.
    pub(in crate::correlate) fn shown_role(&self, side: Side) -> Role {
        if self.client_side() == side { Role::Client } else { Role::Server }
    }

    /// Returns the distance of a segment's numbers from those expected next: 0 is a perfect fit, `None` if nothing is
    /// known.
    pub(in crate::correlate) fn distance(&self, from: Side, seq: SeqNumber, ack: Option<SeqNumber>) -> Option<u32> {
        let to = |end: &End, number: SeqNumber| {
            end.next().map(|next| number.distance_from(next).min(next.distance_from(number)))
        };
        let by_ack = ack.and_then(|ack| to(self.end(from.other()), ack));
        to(self.end(from), seq).max(by_ack)
    }

    /// Copies between the ends of a socket connected to itself: what one has sent and received, the other has too.
    pub(in crate::correlate) fn mirror(&mut self) {
        let [own, other] = &mut self.ends;
        own.share(other);
        *other = own.reflection();
    }

    /// Returns true if it is a socket connected to itself, which has one end only.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        self.key.is_some_and(|key| key.is_self_connect())
    }
}
