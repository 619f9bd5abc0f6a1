//! The events of an exchange: state changes, segments, accept queues and ICMP errors.

use std::net::IpAddr;

use super::{NETNS, Script};
use crate::{
    event::{
        AcceptQueue, Direction, Endpoint, Event, Hint, HintName, IcmpError, Proof, Role, Segment, SocketKey,
        StateChange,
    },
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader, TcpState},
};

/// The client's options: `mss 1460,sackOK,TS val 6717463 ecr 0,nop,wscale 5`.
const OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 102, 128, 7, 0, 0, 0, 0, 1, 3, 3, 5];

impl Script {
    /// A change of the socket at one end.
    pub(in crate::render::ladder::tests) fn state(&mut self, role: Role, old: TcpState, new: TcpState) -> &mut Self {
        let (local, remote) = self.ends(role);
        let socket = self.socket(role);
        let change = StateChange {
            conn_netns: None,
            at: self.boot(),
            socket,
            netns: Some(NETNS),
            old,
            new,
            local,
            remote,
            error: Some(std::mem::take(&mut self.error)),
            proof: std::mem::take(&mut self.proof),
            task: self.task.take(),
            cgroup: None,
            uid: None,
            counters: None,
        };
        self.event(&Event::State(change))
    }

    /// The server listens, or stops listening.
    pub(in crate::render::ladder::tests) fn listener(&mut self, old: TcpState, new: TcpState) -> &mut Self {
        let change = StateChange {
            conn_netns: None,
            at: self.boot(),
            socket: SocketKey(0),
            netns: Some(NETNS),
            old,
            new,
            local: self.server,
            remote: Endpoint { addr: IpAddr::from([0, 0, 0, 0]), port: 0 },
            error: Some(0),
            proof: Proof::default(),
            task: self.task.take(),
            cgroup: None,
            uid: None,
            counters: None,
        };
        self.event(&Event::State(change))
    }

    /// A segment from one end.
    pub(in crate::render::ladder::tests) fn segment(
        &mut self,
        from: Role,
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
        length: u32,
    ) -> &mut Self {
        let (src, dst) = self.ends(from);
        let usual = if flags.contains(TcpFlags::SYN) { &OPTIONS[..] } else { &[] };
        let options = OptionBytes::new(&[usual, &std::mem::take(&mut self.options)].concat());
        let header = TcpHeader {
            src_port: src.port,
            dst_port: dst.port,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack.unwrap_or(0)),
            data_offset: 20 + u8::try_from(options.as_slice().len()).expect("options are short"),
            flags: if ack.is_some() { flags | TcpFlags::ACK } else { flags },
            window: 5840,
            urgent: 0,
            options,
        };
        let other = if from == Role::Client { Role::Server } else { Role::Client };
        // A SYN,ACK is sent by a request socket, which has an address of its own.
        let synack = header.has(TcpFlags::SYN) && header.has(TcpFlags::ACK);
        let socket = if synack { SocketKey(u64::MAX) } else { self.socket(from) };
        let segment = Segment {
            conn_netns: None,
            netns: None,
            socket_port: None,
            at: self.boot(),
            socket: self.here.contains(&from).then_some(socket),
            ifindex: self.ifindex,
            direction: Some(if self.here == [other] { Direction::In } else { Direction::Out }),
            src,
            dst,
            header,
            length,
            segments: 1,
            encapsulation: None,
        };
        self.event(&Event::Segment(segment))
    }

    /// The kernel reports the accept queue of the server's listener.
    pub(in crate::render::ladder::tests) fn queue(&mut self, length: u32, limit: u32) -> &mut Self {
        let queue = AcceptQueue { length, limit };
        self.event(&Event::Hint(Hint {
            conn_netns: None,
            at: self.boot(),
            socket: None,
            netns: None,
            local: self.server,
            remote: self.client,
            name: HintName::AcceptQueue,
            reason: None,
            state: Some(TcpState::Listen),
            queue_full: queue.is_full(),
            queue: Some(queue),
        }))
    }

    /// An ICMP error about the client's SYN.
    pub(in crate::render::ladder::tests) fn icmp(&mut self, from: [u8; 4], code: u8, seq: u32) -> &mut Self {
        let error = IcmpError {
            conn_netns: None,
            netns: None,
            at: self.boot(),
            ifindex: 1,
            direction: Some(Direction::In),
            from: from.into(),
            icmp_type: 3,
            icmp_code: code,
            src: self.client,
            dst: self.server,
            seq,
        };
        self.event(&Event::Icmp(error))
    }
}
