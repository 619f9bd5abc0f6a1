//! One connection between its first event and its last record.

use super::{
    progress::{Party, Process, is_closing, overlap},
    rows::{Row, Rows},
};
use crate::{
    event::{BootTime, HintName, OwnerSource, Role, SegmentNote},
    output_record::{EndpointOutput, HintOutput, IcmpOutput, OwnerOutput, SegmentOutput, Stamp, StateOutput},
    tcp::{
        TcpFlags,
        TcpState::{self, Close, CloseWait, Closing, FinWait2, Listen, NewSynRecv, SynRecv, SynSent},
    },
    verdict::Each,
};

/// How long a phase may take before it is shown unfinished, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// How long the record of what looks finished may take after the last event, in nanoseconds: late segments, which still
/// belong to it, are waited for.
const RECORD: u64 = 2_000_000_000;

/// What a connection is at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Its handshake.
    Opening,
    /// Between handshake and close.
    Open,
    /// Its close.
    Closing,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) conn: u64,
    /// Its first event, which times are relative to.
    pub(super) began: BootTime,
    pub(super) parties: Each<Party>,
    /// Something better than the order of events tells which end is the client.
    certain: bool,
    pub(super) phase: Phase,
    pub(super) rows: Rows,
    last: BootTime,
    /// When the phase is to be shown unfinished.
    pub(super) due: Option<BootTime>,
    /// It has been.
    pub(super) shown: bool,
    /// The sentence about a handshake that was over before tracing began; it stands with the close.
    pub(super) unseen: Option<String>,
    /// Nothing is known but who holds it.
    pub(super) without_events: bool,
}

impl Track {
    /// Nothing seen yet.
    pub(super) fn new(
        conn: u64,
        began: BootTime,
        phase: Phase,
        client: EndpointOutput,
        server: EndpointOutput,
    ) -> Self {
        let parties = Each { client: Party::new(client), server: Party::new(server) };
        Self {
            conn,
            began,
            parties,
            certain: false,
            phase,
            rows: Rows::default(),
            last: began,
            due: None,
            shown: false,
            unseen: None,
            without_events: false,
        }
    }

    /// A connection that shows itself by a change of state.
    pub(super) fn of_state(entry: &StateOutput, remote: EndpointOutput, conn: u64) -> Self {
        let opening = matches!(entry.old, Close | Listen | SynSent | SynRecv | NewSynRecv)
            || matches!(entry.new, SynSent | SynRecv);
        let server = entry.role == Some(Role::Server) || entry.old == Listen;
        let (client, server) = if server { (remote, entry.local) } else { (entry.local, remote) };
        Self::new(conn, at(&entry.stamp), if opening { Phase::Opening } else { Phase::Open }, client, server)
    }

    /// A connection that shows itself by a segment.
    pub(super) fn of_segment(entry: &SegmentOutput) -> Self {
        let syn = entry.flags.contains(TcpFlags::SYN);
        let answer = syn && entry.flags.contains(TcpFlags::ACK);
        let (client, server) = if answer { (entry.dst, entry.src) } else { (entry.src, entry.dst) };
        Self::new(entry.conn, at(&entry.stamp), if syn { Phase::Opening } else { Phase::Open }, client, server)
    }

    /// A connection that shows itself by an ICMP error.
    pub(super) fn of_icmp(entry: &IcmpOutput) -> Self {
        Self::new(entry.conn, at(&entry.stamp), Phase::Open, entry.src, entry.dst)
    }

    /// A connection of which nothing is known but who holds it.
    pub(super) fn of_owner(entry: &OwnerOutput, remote: EndpointOutput, conn: u64) -> Self {
        let server = entry.source == OwnerSource::Listener;
        let (client, server) = if server { (remote, entry.local) } else { (entry.local, remote) };
        Self { without_events: true, ..Self::new(conn, at(&entry.stamp), Phase::Open, client, server) }
    }

    /// Takes a change of state.
    pub(super) fn state(&mut self, entry: &StateOutput, remote: EndpointOutput) {
        if let Some(role) = entry.role
            && !self.certain
        {
            let (client, server) = if role == Role::Client { (entry.local, remote) } else { (remote, entry.local) };
            self.learn(client, server);
        }
        let role = self.role_of(&entry.local);
        let goes_on = self.goes_on(entry, role);
        self.party_mut(role).change(entry);
        if matches!(entry.new, CloseWait | Closing | TcpState::TimeWait) {
            self.party_mut(other(role)).fin_arrived = true;
        }
        self.row(Row::State { entry: entry.clone(), goes_on }, is_closing(entry.new));
    }

    /// Takes a segment.
    pub(super) fn segment(&mut self, entry: &SegmentOutput) {
        let role = self.role_of(&entry.src);
        self.party_mut(role).send(entry);
        self.party_mut(other(role)).receive(entry);
        // The byte of a probe is none of the data.
        let sent_before = |row: &Row| matches!(row, Row::Segment { entry: before, .. } if self.role_of(&before.src) == role && overlap(entry, before));
        let again = entry.note != Some(SegmentNote::KeepAlive) && self.rows.iter().any(sent_before);
        let closing = entry.flags.intersects(TcpFlags::FIN | TcpFlags::RST);
        self.row(Row::Segment { entry: entry.clone(), again }, closing);
    }

    /// Takes an ICMP error.
    pub(super) fn icmp(&mut self, entry: &IcmpOutput) {
        self.row(Row::Icmp(entry.clone()), false);
    }

    /// Takes what the kernel said about a reset, or about a SYN that is not answered. That a SYN,ACK is sent again its arrow
    /// shows.
    pub(super) fn hint(&mut self, entry: &HintOutput) {
        match entry.name {
            HintName::SendReset if entry.value.is_some() || entry.queue_full => {
                self.row(Row::Hint(entry.clone()), true);
            }
            HintName::AcceptQueue => self.queue(entry),
            HintName::SendReset | HintName::RetransmitSynack => {}
        }
    }

    /// That a queue has become full is worth to be shown again, since it may take minutes until the client gives up.
    fn queue(&mut self, entry: &HintOutput) {
        let role = self.role_of(&entry.local);
        let full = entry.queue.filter(|queue| queue.is_full());
        let before = std::mem::replace(&mut self.party_mut(role).full_queue, full);
        if full.is_some() != before.is_some() {
            self.shown &= full.is_none();
            self.row(Row::Hint(entry.clone()), false);
        }
    }

    /// Somebody holds an end's socket. Whoever opened it is named all the same.
    pub(super) fn owner(&mut self, entry: &OwnerOutput) {
        let role = self.role_of(&entry.local);
        let party = self.party_mut(role);
        party.process = party.process.or(Process::known(entry.pid, entry.comm));
    }

    /// With the processes that another view of the same connection has.
    pub(super) fn with_processes(mut self, other: &Self) -> Self {
        for party in [&other.parties.client, &other.parties.server] {
            let role = self.role_of(&party.at);
            self.party_mut(role).process = party.process;
        }
        self
    }

    fn row(&mut self, row: Row, closing: bool) {
        let now = at(row.stamp());
        self.last = self.last.max(now);
        if self.phase == Phase::Open && closing {
            self.phase = Phase::Closing;
        }
        if self.phase != Phase::Open && !self.shown && self.due.is_none() {
            self.due = Some(now.plus(PATIENCE));
        }
        self.rows.push(row);
    }

    /// The kernel puts something smaller into the place of a socket that nobody has open any more: its state goes on.
    fn goes_on(&self, entry: &StateOutput, role: Role) -> Option<TcpState> {
        let peer = self.party(other(role));
        let aborted = peer.rst || self.party(role).rst || entry.error.is_some();
        match (entry.old, entry.new) {
            (FinWait2, Close) if !aborted && peer.fins == 0 => Some(FinWait2),
            (FinWait2 | Closing, Close) if !aborted => Some(TcpState::TimeWait),
            _ => None,
        }
    }

    /// Which ends they are is known for certain.
    pub(super) fn learn(&mut self, client: EndpointOutput, server: EndpointOutput) {
        if self.parties.client.at != client && self.parties.server.at == client {
            std::mem::swap(&mut self.parties.client, &mut self.parties.server);
        }
        self.parties.client.at = client;
        self.parties.server.at = server;
        self.certain = true;
    }

    /// Which end this is. A port that was never learnt can be any.
    pub(super) fn role_of(&self, end: &EndpointOutput) -> Role {
        let same = |party: &Party| {
            party.at.addr == end.addr && (party.at.port == end.port || party.at.port.is_none() || end.port.is_none())
        };
        if !same(&self.parties.client) && same(&self.parties.server) { Role::Server } else { Role::Client }
    }

    /// One of the ends.
    pub(super) fn party(&self, role: Role) -> &Party {
        match role {
            Role::Client => &self.parties.client,
            Role::Server => &self.parties.server,
        }
    }

    fn party_mut(&mut self, role: Role) -> &mut Party {
        match role {
            Role::Client => &mut self.parties.client,
            Role::Server => &mut self.parties.server,
        }
    }

    /// The processes that a record names, and those that the states have.
    pub(super) fn processes(&self, client: Option<Process>, server: Option<Process>) -> Each<Option<Process>> {
        Each { client: client.or(self.parties.client.process), server: server.or(self.parties.server.process) }
    }

    /// The handshake's record has been written, and more will come.
    pub(super) fn opened(&mut self) {
        self.rows = Rows::default();
        self.shown = false;
        self.due = None;
        self.phase = Phase::Open;
        if self.parties.client.closed() || self.parties.server.closed() {
            self.phase = Phase::Closing;
            self.due = Some(self.last.plus(PATIENCE));
        }
    }

    /// By `now` the phase should have been finished. Returns whether it is to be shown unfinished.
    pub(super) fn overdue(&mut self, now: BootTime) -> bool {
        let due = self.last.plus(RECORD);
        self.due = (self.is_over() && now < due).then_some(due);
        self.shown = self.due.is_none();
        self.shown
    }

    /// Nothing more is awaited but the record.
    fn is_over(&self) -> bool {
        let Each { client, server } = &self.parties;
        let sockets = client.state.is_some() || server.state.is_some();
        let gone = |party: &Party| party.state.is_none() || party.gone;
        client.rst || server.rst || client.fin_acked && server.fin_acked || sockets && gone(client) && gone(server)
    }
}

pub(super) fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// When something happened, on the clock that deadlines run on.
pub(super) fn at(stamp: &Stamp) -> BootTime {
    // A capture has wall-clock times alone.
    BootTime(stamp.boot_ns.unwrap_or_else(|| u64::try_from(stamp.time.0).unwrap_or(0)))
}
