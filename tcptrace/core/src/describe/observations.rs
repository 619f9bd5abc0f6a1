//! Output records of single observations.

use super::Describer;
use crate::{
    correlate::{
        CorrelatedDrop, CorrelatedHint, CorrelatedIcmp, CorrelatedOwner, CorrelatedReport, CorrelatedSegment,
        CorrelatedState,
    },
    event::{Ace, Endpoint, ListenerOwner, Loss, OwnerSource, icmp},
    output_record::{
        DropOutput, EndpointOutput, HintOutput, IcmpOutput, LostOutput, OwnerOutput, ReportOutput, SegmentOutput,
        StateOutput,
    },
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::Errno,
};

impl Describer {
    pub(super) fn state(&self, placed: &CorrelatedState) -> StateOutput {
        let change = &placed.change;
        let listener = placed.conn.is_none();
        StateOutput {
            stamp: self.stamp(change.at),
            conn: placed.conn,
            netns: change.netns,
            conn_netns: placed.conn_netns,
            socket: placed.socket,
            replaces: placed.replaces,
            old: change.old,
            new: change.new,
            local: change.local.into(),
            remote: (!listener).then(|| change.remote.into()),
            role: placed.role,
            error: change.error.filter(|_| change.new == TcpState::Close).filter(|&error| error != 0).map(Errno),
            evidence: change.proof,
            pid: change.task.map(|task| task.pid),
            tid: change.task.map(|task| task.tid),
            comm: change.task.map(|task| task.comm),
            thread: change.task.and_then(|task| task.thread),
            exit: change.task.and_then(|task| task.exit),
            uid: change.uid,
            old_state_ns: placed.old_state_ns,
            since_start_ns: placed.since_start_ns,
            continues_as: placed.continues_as,
            cgroup: placed.cgroup.clone(),
            counters: change.counters,
            late: placed.late,
        }
    }

    pub(super) fn segment(&mut self, placed: &CorrelatedSegment) -> SegmentOutput {
        let segment = &placed.segment;
        let header = &segment.header;
        SegmentOutput {
            stamp: self.stamp(segment.at),
            conn: placed.conn,
            netns: segment.netns,
            conn_netns: placed.conn_netns,
            interface: self.interface(segment.netns, segment.ifindex),
            direction: segment.direction,
            encapsulation: self.encapsulation(segment.encapsulation),
            socket: segment.socket.map(|_| placed.socket),
            src: wire_end(segment.src),
            dst: wire_end(segment.dst),
            flags: if placed.ace.is_some() { header.flags.without(TcpFlags::ACE) } else { header.flags },
            ace: placed.ace.map(Ace::value),
            synack_ecn: placed.ace.and_then(Ace::synack_ecn),
            seq: header.seq.0,
            ack: header.has(TcpFlags::ACK).then_some(header.ack.0),
            rel_seq: placed.rel_seq,
            rel_ack: placed.rel_ack,
            window: header.window,
            urgent: header.has(TcpFlags::URG).then_some(header.urgent),
            length: segment.length,
            gso_segments: (segment.segments > 1).then_some(segment.segments),
            note: placed.note,
            since_start_ns: self.since_start_ns(placed.since_start_ns),
            retransmission: placed.retransmission,
            late: placed.late,
            options: TcpOptions::from(header),
            passage: None,
        }
    }

    pub(super) fn icmp(&mut self, placed: &CorrelatedIcmp) -> IcmpOutput {
        let error = &placed.error;
        IcmpOutput {
            stamp: self.stamp(error.at),
            conn: placed.conn,
            netns: error.netns,
            conn_netns: placed.conn_netns,
            interface: self.interface(error.netns, error.ifindex),
            direction: error.direction,
            from: error.from,
            kind: icmp::kind(error.from, error.icmp_type, error.icmp_code),
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            src: wire_end(error.src),
            dst: wire_end(error.dst),
            seq: error.seq,
            since_start_ns: self.since_start_ns(placed.since_start_ns),
            late: placed.late,
        }
    }

    pub(super) fn owner(&self, placed: &CorrelatedOwner) -> OwnerOutput {
        let owner = &placed.owner;
        OwnerOutput {
            stamp: self.stamp(owner.at),
            conn: Some(placed.conn),
            socket: placed.socket,
            netns: owner.netns,
            local: owner.local.into(),
            remote: Some(owner.remote.into()),
            sockets: None,
            asked_ns: None,
            pid: owner.process.map(|process| process.pid),
            comm: owner.process.and_then(|process| process.name()),
            source: owner.source,
        }
    }

    pub(super) fn listener(&self, owner: &ListenerOwner) -> OwnerOutput {
        OwnerOutput {
            stamp: self.stamp(owner.at),
            conn: None,
            socket: None,
            netns: owner.netns,
            local: owner.local.into(),
            remote: None,
            sockets: (owner.sockets > 1).then_some(owner.sockets),
            asked_ns: Some(owner.at.since(owner.asked)),
            pid: owner.process.map(|process| process.pid),
            comm: owner.process.and_then(|process| process.name()),
            source: OwnerSource::SockDiag,
        }
    }

    pub(super) fn hint(&self, placed: &CorrelatedHint) -> HintOutput {
        let hint = &placed.hint;
        HintOutput {
            stamp: self.stamp(hint.at),
            conn: placed.conn,
            netns: hint.netns,
            conn_netns: placed.conn_netns,
            socket: placed.socket,
            name: hint.name,
            value: hint.reason,
            state: hint.state,
            local: wire_end(hint.local),
            remote: wire_end(hint.remote),
            queue_full: hint.queue_full,
            queue: hint.queue,
            since_start_ns: placed.since_start_ns,
            late: placed.late,
        }
    }

    pub(super) fn dropped(&mut self, placed: &CorrelatedDrop) -> DropOutput {
        let segment = &placed.segment;
        DropOutput {
            stamp: self.stamp(segment.at),
            conn: placed.conn,
            netns: segment.netns,
            conn_netns: placed.conn_netns,
            interface: segment.ifindex.map(|index| self.interface(segment.netns, index)),
            src: wire_end(segment.src),
            dst: wire_end(segment.dst),
            flags: segment.flags,
            seq: segment.seq,
            rel_seq: placed.rel_seq,
            length: segment.length,
            reason: segment.reason,
            location: segment.location,
            since_start_ns: placed.since_start_ns,
            late: placed.late,
        }
    }

    pub(super) fn report(&self, placed: &CorrelatedReport) -> ReportOutput {
        let report = &placed.report;
        ReportOutput {
            stamp: self.stamp(report.at),
            conn: placed.conn,
            netns: report.netns,
            conn_netns: placed.conn_netns,
            state: report.state,
            local: report.local.into(),
            remote: report.remote.into(),
            unaccepted: report.unaccepted,
            unacked_bytes: report.unacked_bytes,
            acked_bytes: report.acked_bytes,
            retransmissions: report.retransmissions,
            window_closed: report.window_closed,
            segment_size: report.segment_size,
            stuck_ns: report.stuck_ns,
            since_start_ns: placed.since_start_ns,
        }
    }

    pub(super) fn lost(&self, loss: &Loss, conn: Option<u64>) -> LostOutput {
        LostOutput { stamp: self.stamp(loss.at), conn, source: loss.source, count: loss.count, total: loss.total }
    }

    /// Returns the time since the first event, if there are times.
    fn since_start_ns(&self, since: u64) -> Option<u64> {
        (!self.untimed).then_some(since)
    }
}

/// Describes an end as a header has it: port 0 is what was seen.
fn wire_end(end: Endpoint) -> EndpointOutput {
    EndpointOutput { addr: end.addr, port: Some(end.port) }
}
