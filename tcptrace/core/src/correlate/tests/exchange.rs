//! A way to write exchanges down, one line an event.

use std::net::IpAddr;

use super::invariants::Invariants;
pub(in crate::correlate) use super::invariants::conn;
pub(in crate::correlate) use crate::tcp::TcpState as State;
use crate::{
    correlate::{
        Correlated, CorrelatedSegment, CorrelatedState, Correlator, NO_NAMESPACE, Totals,
        table::{connection::Key, endpoint::ResetHint},
    },
    event::{
        BootTime, Comm, Counters, Direction, Endpoint, Event, Exit, IcmpError, ListenerOwner, OwnerSource, Process,
        Proof, Segment, SocketKey, SocketOwner, StateChange, Task,
    },
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader},
    verdict::{Close, Handshake},
};

/// The namespace whose segments are seen.
pub(in crate::correlate) const HERE: u32 = 1;

/// Events between ports of 127.0.0.1, a nanosecond apart. A socket is known by its own port.
pub(in crate::correlate) struct Exchange {
    connections: Correlator,
    invariants: Invariants,
    placed: Vec<Correlated>,
    now: u64,
    netns: u32,
    ifindex: u32,
    with_sockets: bool,
    btf: bool,
    error: u32,
    proof: Proof,
    task: Option<Task>,
    counters: Option<Counters>,
    uid: Option<u32>,
}

impl Exchange {
    pub(in crate::correlate) fn new() -> Self {
        Self {
            connections: Correlator::new(HERE),
            invariants: Invariants::default(),
            placed: Vec::new(),
            now: 1_000_000_000,
            netns: HERE,
            ifindex: 1,
            with_sockets: false,
            btf: true,
            error: 0,
            proof: Proof::default(),
            task: None,
            counters: None,
            uid: None,
        }
    }

    /// The events of a capture.
    pub(in crate::correlate) fn of_capture() -> Self {
        Self { connections: Correlator::new(NO_NAMESPACE), ..Self::new() }
    }

    /// From now on the capture may have been stopped in between.
    pub(in crate::correlate) fn may_pause(&mut self) {
        self.connections.expect_pauses();
    }

    /// The kernel tells who holds a connection's socket.
    pub(in crate::correlate) fn owner(&mut self, local: u16, remote: u16, pid: u32) {
        let at = BootTime(self.now);
        let (process, source) = (Some(process(pid)), OwnerSource::SockDiag);
        self.event(&Event::Owner(SocketOwner {
            at,
            asked: at,
            early: false,
            netns: self.elsewhere(),
            local: end(local),
            remote: end(remote),
            process,
            source,
        }));
    }

    /// The kernel tells who holds a listener; `None` for several processes.
    pub(in crate::correlate) fn listener_owner(&mut self, port: u16, pid: Option<u32>) {
        self.listeners_owner(port, 1, 0, pid);
    }

    /// The kernel tells how many listeners there are, and who holds them, so long after it was asked.
    pub(in crate::correlate) fn listeners_owner(&mut self, port: u16, sockets: u32, late: u64, pid: Option<u32>) {
        let (at, process) = (BootTime(self.now), pid.map(process));
        let asked = BootTime(self.now.saturating_sub(late));
        let netns = self.elsewhere();
        self.event(&Event::Listener(ListenerOwner { at, asked, netns, local: end(port), sockets, process }));
    }

    /// The namespace, if that is not the tracer's own.
    fn elsewhere(&self) -> Option<u32> {
        (self.netns != HERE).then_some(self.netns)
    }

    pub(in crate::correlate) fn connections(&mut self) -> &mut Correlator {
        &mut self.connections
    }

    /// The next event happens in this namespace.
    pub(in crate::correlate) fn in_namespace(&mut self, netns: u32) -> &mut Self {
        self.netns = netns;
        self
    }

    /// The next segments pass this interface.
    pub(in crate::correlate) fn on_interface(&mut self, ifindex: u32) -> &mut Self {
        self.ifindex = ifindex;
        self
    }

    /// The next segments tell their socket.
    pub(in crate::correlate) fn with_sockets(&mut self) -> &mut Self {
        self.with_sockets = true;
        self
    }

    /// State changes tell neither namespace nor error.
    pub(in crate::correlate) fn without_btf(&mut self) -> &mut Self {
        self.btf = false;
        self
    }

    /// The next change finds this error in the socket.
    pub(in crate::correlate) fn with_error(&mut self, error: u32) -> &mut Self {
        self.error = error;
        self
    }

    /// The next change finds the socket like this.
    pub(in crate::correlate) fn with_proof(&mut self, proof: Proof) -> &mut Self {
        self.proof = proof;
        self
    }

    /// The next change is made by a process of this number.
    pub(in crate::correlate) fn by(&mut self, pid: u32) -> &mut Self {
        self.task =
            Some(Task { pid, tid: pid, comm: Comm(*b"test\0\0\0\0\0\0\0\0\0\0\0\0"), thread: None, exit: None });
        self
    }

    /// The process that [`Self::by`] has set has another name.
    pub(in crate::correlate) fn named(&mut self, comm: Comm) -> &mut Self {
        self.task = self.task.map(|task| Task { comm, ..task });
        self
    }

    /// The thread that [`Self::by`] has set has a name of its own.
    pub(in crate::correlate) fn in_thread(&mut self, thread: Comm) -> &mut Self {
        self.task = self.task.map(|task| Task { tid: task.pid + 1, thread: Some(thread), ..task });
        self
    }

    /// The process that [`Self::by`] has set ends in this way.
    pub(in crate::correlate) fn exiting(&mut self, exit: Exit) -> &mut Self {
        self.task = self.task.map(|task| Task { exit: Some(exit), ..task });
        self
    }

    /// The next change tells this user of the socket.
    pub(in crate::correlate) fn of_user(&mut self, uid: u32) -> &mut Self {
        self.uid = Some(uid);
        self
    }

    /// The next change finds the socket's counters like this.
    pub(in crate::correlate) fn counting(&mut self, counters: Counters) -> &mut Self {
        self.counters = Some(counters);
        self
    }

    pub(in crate::correlate) fn pass(&mut self, nanoseconds: u64) {
        self.now += nanoseconds;
    }

    /// Lets the time that has passed show, as a timer does.
    pub(in crate::correlate) fn timeout(&mut self) {
        let Self { connections, invariants, placed, .. } = self;
        connections.handle_timeout(BootTime(self.now), &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
    }

    pub(in crate::correlate) fn deadline(&self) -> Option<u64> {
        self.connections.poll_timeout().map(|BootTime(at)| at)
    }

    /// Returns true if the events are those of a capture.
    pub(in crate::correlate) fn is_capture(&self) -> bool {
        self.connections.watched.here == NO_NAMESPACE
    }

    pub(in crate::correlate) fn now(&self) -> u64 {
        self.now
    }

    pub(in crate::correlate) fn event(&mut self, event: &Event) {
        let Self { connections, invariants, placed, .. } = self;
        invariants.put_in(event);
        connections.handle_event(event, &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
        self.now += 1;
    }

    pub(in crate::correlate) fn state(&mut self, local: u16, remote: u16, old: State, new: State) {
        self.full_state(u64::from(local) << 32 | u64::from(self.netns), local, remote, old, new);
    }

    /// A change of the socket `key`, whose ports may not be known yet.
    pub(in crate::correlate) fn full_state(&mut self, key: u64, local: u16, remote: u16, old: State, new: State) {
        let change = StateChange {
            conn_netns: None,
            at: BootTime(self.now),
            socket: SocketKey(key),
            netns: self.btf.then_some(self.netns),
            old,
            new,
            local: end(local),
            remote: end(remote),
            error: self.btf.then_some(self.error),
            proof: self.proof,
            task: self.task,
            cgroup: None,
            uid: self.uid,
            counters: self.counters.take(),
        };
        self.event(&Event::State(change));
        self.netns = HERE;
        self.error = 0;
        self.proof = Proof::default();
        self.task = None;
        self.uid = None;
    }

    /// The socket that [`Self::state`] takes to have this port.
    pub(in crate::correlate) fn socket_of(port: u16) -> SocketKey {
        SocketKey(u64::from(port) << 32 | u64::from(HERE))
    }

    pub(in crate::correlate) fn listener(&mut self, port: u16, old: State, new: State) {
        self.full_state(u64::from(port), port, 0, old, new);
    }

    pub(in crate::correlate) fn segment(
        &mut self,
        src: u16,
        dst: u16,
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
        length: u32,
    ) {
        let socket = self.with_sockets.then(|| Self::socket_of(src));
        self.full_segment(socket, src, dst, flags, seq, ack, length);
    }

    #[expect(clippy::too_many_arguments, reason = "a header has that many fields")]
    pub(in crate::correlate) fn full_segment(
        &mut self,
        socket: Option<SocketKey>,
        src: u16,
        dst: u16,
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
        length: u32,
    ) {
        let segment = self.built(src, dst, flags, seq, ack);
        self.event(&Event::Segment(Segment { socket, length, ..segment }));
    }

    /// A segment that happens now, without payload, to be changed.
    pub(in crate::correlate) fn built(
        &self,
        src: u16,
        dst: u16,
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
    ) -> Segment {
        let header = TcpHeader {
            src_port: src,
            dst_port: dst,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack.unwrap_or(0)),
            data_offset: 20,
            flags: if ack.is_some() { flags | TcpFlags::ACK } else { flags },
            window: 1024,
            urgent: 0,
            options: OptionBytes::EMPTY,
        };
        Segment {
            conn_netns: None,
            netns: None,
            socket_port: None,
            at: BootTime(self.now),
            socket: None,
            ifindex: self.ifindex,
            direction: Some(Direction::Out),
            src: end(src),
            dst: end(dst),
            header,
            length: 0,
            segments: 1,
            encapsulation: None,
        }
    }

    pub(in crate::correlate) fn icmp(&mut self, src: u16, dst: u16) {
        self.icmp_of_kind(src, dst, (3, 3));
    }

    /// An ICMP error of this type and code, which quotes a segment with sequence number 7.
    pub(in crate::correlate) fn icmp_of_kind(&mut self, src: u16, dst: u16, (icmp_type, icmp_code): (u8, u8)) {
        let error = IcmpError {
            conn_netns: None,
            netns: None,
            at: BootTime(self.now),
            ifindex: self.ifindex,
            direction: Some(Direction::In),
            from: end(dst).addr,
            icmp_type,
            icmp_code,
            src: end(src),
            dst: end(dst),
            seq: 7,
        };
        self.event(&Event::Icmp(error));
    }

    /// A connection on loopback: 7 bytes up, 18 down, closed by the client, four segments.
    pub(in crate::correlate) fn local_connection(&mut self, client: u16, server: u16) {
        use State::*;
        let (c, s) = (1_000, 900_000);
        self.state(client, server, Close, SynSent);
        self.segment(client, server, TcpFlags::SYN, c, None, 0);
        self.segment(server, client, TcpFlags::SYN, s, Some(c + 1), 0);
        self.state(client, server, SynSent, Established);
        self.segment(client, server, TcpFlags::ACK, c + 1, Some(s + 1), 0);
        self.state(server, client, Listen, SynRecv);
        self.state(server, client, SynRecv, Established);
        self.state(client, server, Established, FinWait1);
        self.segment(client, server, TcpFlags::FIN, c + 8, Some(s + 19), 0);
        self.state(server, client, Established, CloseWait);
        self.segment(server, client, TcpFlags::ACK, s + 19, Some(c + 9), 0);
        self.state(client, server, FinWait1, FinWait2);
        self.state(server, client, CloseWait, LastAck);
        self.segment(server, client, TcpFlags::FIN, s + 19, Some(c + 9), 0);
        self.segment(client, server, TcpFlags::ACK, c + 9, Some(s + 20), 0);
        self.state(client, server, FinWait2, Close);
        self.state(server, client, LastAck, Close);
    }

    /// Every event that has been placed, after the last one.
    pub(in crate::correlate) fn finish(&mut self) -> Vec<Correlated> {
        events(self.finish_all())
    }

    /// Everything, records too.
    pub(in crate::correlate) fn finish_all(&mut self) -> Vec<Correlated> {
        let Self { connections, invariants, placed, .. } = self;
        connections.finish(BootTime(self.now), &mut |one| {
            invariants.came_out(&one);
            placed.push(one);
        });
        invariants.finished(connections.totals());
        std::mem::take(&mut self.placed)
    }

    /// The records, after the last event.
    pub(in crate::correlate) fn records(&mut self) -> (Vec<Handshake>, Vec<Close>) {
        let (mut handshakes, mut closes) = (Vec::new(), Vec::new());
        for placed in self.finish_all() {
            match placed {
                Correlated::Handshake(record) => handshakes.push(*record),
                Correlated::Close(record) => closes.push(*record),
                _ => {}
            }
        }
        (handshakes, closes)
    }

    /// Returns the output so far.
    pub(in crate::correlate) fn placed(&self) -> &[Correlated] {
        &self.placed
    }

    /// Returns the kernel's reason for the reset that `from` sent.
    pub(in crate::correlate) fn reset_hint(&self, from: u16, to: u16) -> Option<ResetHint> {
        let (key, side) = Key::new(HERE, end(from), end(to));
        let table = &self.connections.table;
        table.get(table.find(&key)?)?.end(side).reset_hint()
    }

    pub(in crate::correlate) fn totals(&self) -> Totals {
        self.connections.totals()
    }
}

/// Keeps the events of an output, and drops the verdicts.
pub(in crate::correlate) fn events(mut placed: Vec<Correlated>) -> Vec<Correlated> {
    placed.retain(|placed| {
        !matches!(
            placed,
            Correlated::Handshake(_)
                | Correlated::Close(_)
                | Correlated::Stalled(_)
                | Correlated::Evicted(_)
                | Correlated::Owner(_)
                | Correlated::Listener(_)
        )
    });
    placed
}

fn process(pid: u32) -> Process {
    Process { pid, comm: Comm(*b"test\0\0\0\0\0\0\0\0\0\0\0\0") }
}

pub(in crate::correlate) fn end(port: u16) -> Endpoint {
    Endpoint { addr: IpAddr::from([127, 0, 0, 1]), port }
}

pub(in crate::correlate) fn states(placed: &[Correlated]) -> Vec<CorrelatedState> {
    let state = |placed: &Correlated| if let Correlated::State(state) = placed { Some(state.clone()) } else { None };
    placed.iter().filter_map(state).collect()
}

pub(in crate::correlate) fn segments(placed: &[Correlated]) -> Vec<CorrelatedSegment> {
    let segment = |placed: &Correlated| if let Correlated::Segment(segment) = placed { Some(*segment) } else { None };
    placed.iter().filter_map(segment).collect()
}
