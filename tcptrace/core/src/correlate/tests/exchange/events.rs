//! The events of an exchange.

use super::{Exchange, HERE, State, end};
use crate::{
    event::{
        BootTime, Comm, Direction, Event, IcmpError, ListenerOwner, OwnerSource, Process, Proof, Segment, SocketKey,
        SocketOwner, StateChange,
    },
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader},
};

impl Exchange {
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

    /// The key of the socket that [`Self::state`] assigns to this port.
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

    /// A segment at the current time, without payload, to be modified.
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

    /// The kernel reports the owner of a connection's socket.
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

    /// The kernel reports the owner of a listener; `None` for several processes.
    pub(in crate::correlate) fn listener_owner(&mut self, port: u16, pid: Option<u32>) {
        self.listeners_owner(port, 1, 0, pid);
    }

    /// The kernel reports the number and the owner of listeners, `after` nanoseconds after the request.
    pub(in crate::correlate) fn listeners_owner(&mut self, port: u16, sockets: u32, after: u64, pid: Option<u32>) {
        let (at, process) = (BootTime(self.now), pid.map(process));
        let asked = BootTime(self.now.saturating_sub(after));
        let netns = self.elsewhere();
        self.event(&Event::Listener(ListenerOwner { at, asked, netns, local: end(port), sockets, process }));
    }

    /// The namespace, if that is not the tracer's own.
    fn elsewhere(&self) -> Option<u32> {
        (self.netns != HERE).then_some(self.netns)
    }
}

fn process(pid: u32) -> Process {
    Process { pid, comm: Comm(*b"test\0\0\0\0\0\0\0\0\0\0\0\0") }
}
