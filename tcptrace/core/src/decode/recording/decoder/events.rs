//! The fields of a line to the event that it was made from, and its time.

use std::net::IpAddr;

use super::{Decoder, Moment, fields};
use crate::{
    decode::recording::error::Fault,
    event::{
        BootTime, Cgroup, Comm, DroppedSegment, Endpoint, Event, Hint, IcmpError, ListenerOwner, Loss, OwnerSource,
        Process, Segment, SocketKey, SocketOwner, SocketReport, StateChange, Task,
    },
    tcp::{SeqNumber, TcpHeader, TcpState},
};

/// The socket of a segment without a number. Socket numbers count from 1.
const UNNUMBERED: SocketKey = SocketKey(u64::MAX);

impl Decoder {
    pub(super) fn state(&mut self, fields: fields::State) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let local = Endpoint::from(fields.local);
        let nobody = Endpoint { addr: unspecified(local.addr), port: 0 };
        let task = match (fields.pid, fields.tid, fields.comm) {
            (Some(pid), Some(tid), Some(comm)) => {
                Some(Task { pid, tid, comm, thread: fields.thread, exit: fields.exit })
            }
            _ => None,
        };
        let (container, unit) = (fields.container, fields.unit);
        let cgroup = fields.cgroup.map(|path| Cgroup { container, unit, path });
        let change = StateChange {
            at: moment.at,
            socket: self.socket(fields.socket, fields.replaces),
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            old: fields.old,
            new: fields.new,
            local,
            remote: fields.remote.map_or(nobody, Endpoint::from),
            // No error and an unknown error are both null; if the namespace is known, so is the error.
            error: fields.error.map(|error| error.0).or(fields.netns.map(|_| 0)),
            proof: fields.evidence,
            task,
            cgroup: cgroup.and_then(|cgroup| self.cgroups.key(&cgroup)),
            uid: fields.uid,
            counters: fields.counters,
        };
        if change.new == TcpState::Close {
            self.replacing.remove(&fields.socket);
        }
        Ok((moment, Event::State(change)))
    }

    pub(super) fn segment(&mut self, fields: &fields::Segment<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let (src, dst) = (Endpoint::from(fields.src), Endpoint::from(fields.dst));
        let options = fields.options.0;
        let header = TcpHeader {
            src_port: src.port,
            dst_port: dst.port,
            seq: SeqNumber(fields.seq),
            ack: SeqNumber(fields.ack.unwrap_or(0)),
            data_offset: 20 + options.as_slice().len().next_multiple_of(4) as u8,
            flags: fields.flags.with_ace(fields.ace),
            window: fields.window,
            urgent: fields.urgent.unwrap_or(0),
            options,
        };
        let segment = Segment {
            at: moment.at,
            socket: fields.socket.map(|number| number.map_or(UNNUMBERED, |number| self.socket(number, None))),
            socket_port: None,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: self.interface(&fields.interface)?,
            direction: fields.direction,
            src,
            dst,
            header,
            length: fields.length,
            segments: fields.gso_segments.unwrap_or(1),
            encapsulation: self.encapsulation(&fields.encapsulation),
        };
        Ok((moment, Event::Segment(segment)))
    }

    pub(super) fn icmp(&mut self, fields: &fields::Icmp<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let error = IcmpError {
            at: moment.at,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: self.interface(&fields.interface)?,
            direction: fields.direction,
            from: fields.from.to_canonical(),
            icmp_type: fields.icmp_type,
            icmp_code: fields.icmp_code,
            src: fields.src.into(),
            dst: fields.dst.into(),
            seq: fields.seq,
        };
        Ok((moment, Event::Icmp(error)))
    }

    pub(super) fn hint(&mut self, fields: &fields::Hint) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let hint = Hint {
            at: moment.at,
            socket: fields.socket.map(|number| self.socket(number, None)),
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            local: fields.local.into(),
            remote: fields.remote.into(),
            name: fields.name,
            reason: fields.value,
            state: fields.state,
            queue_full: fields.queue_full,
            queue: fields.queue,
        };
        Ok((moment, Event::Hint(hint)))
    }

    pub(super) fn dropped(&mut self, fields: &fields::Dropped<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let dropped = DroppedSegment {
            at: moment.at,
            socket: None,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: fields.interface.as_deref().map(|name| self.interface(name)).transpose()?,
            src: fields.src.into(),
            dst: fields.dst.into(),
            flags: fields.flags,
            seq: fields.seq,
            length: fields.length,
            reason: fields.reason,
            location: fields.location,
        };
        Ok((moment, Event::Drop(dropped)))
    }

    pub(super) fn report(&mut self, fields: &fields::Report) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let report = SocketReport {
            at: moment.at,
            asked: moment.at,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            local: fields.local.into(),
            remote: fields.remote.into(),
            state: fields.state,
            unaccepted: fields.unaccepted,
            unacked_bytes: fields.unacked_bytes,
            acked_bytes: fields.acked_bytes,
            retransmissions: fields.retransmissions,
            window_closed: fields.window_closed,
            segment_size: fields.segment_size,
            stuck_ns: fields.stuck_ns,
        };
        Ok((moment, Event::Report(report)))
    }

    /// Decodes an owner; `None` if it follows from other records.
    pub(super) fn owner(&self, fields: &fields::Owner) -> Result<Option<(Moment, Event)>, Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let process = fields.pid.map(|pid| Process { pid, comm: fields.comm.unwrap_or(Comm([0; 16])) });
        let (at, local, source) = (moment.at, fields.local.into(), fields.source);
        let event = match fields.remote {
            _ if !matches!(source, OwnerSource::SockDiag | OwnerSource::Capture) => return Ok(None),
            None => {
                let asked = BootTime(at.0.saturating_sub(fields.asked_ns.unwrap_or(0)));
                let sockets = fields.sockets.unwrap_or(1);
                Event::Listener(ListenerOwner { at, asked, netns: fields.netns, local, sockets, process })
            }
            Some(remote) => {
                let (remote, early) = (remote.into(), fields.conn.is_some_and(|conn| conn > self.newest));
                let netns = fields.netns;
                Event::Owner(SocketOwner { at, asked: at, early, netns, local, remote, process, source })
            }
        };
        Ok(Some((moment, event)))
    }

    pub(super) fn lost(&self, fields: &fields::Lost) -> Result<Option<(Moment, Event)>, Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let &fields::Lost { source, count, total, conn, .. } = fields;
        let placed = conn.is_some();
        Ok(Some((moment, Event::Loss(Loss { at: moment.at, source, count, total, placed }))))
    }
}

/// Returns the unspecified address of the same family.
fn unspecified(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
