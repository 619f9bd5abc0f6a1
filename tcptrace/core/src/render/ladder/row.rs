//! One event until it is drawn: as much of its record as a ladder shows. Tens of thousands of connections may be about to
//! close at a time, each with a few events.

use crate::{
    event::{Comm, SegmentNote, SynAckEcn},
    output_record::{
        DropOutput, EndpointOutput, HintOutput, IcmpOutput, OutputRecord, Passage, SegmentOutput, Stamp, StateOutput,
    },
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::Errno,
};

/// One event.
#[derive(Clone, Debug)]
pub(super) enum Row {
    /// A socket changed its state.
    State(StateRow),
    /// A segment passed.
    Segment(SegmentRow),
    /// An ICMP error passed.
    Icmp(Box<IcmpOutput>),
    /// The kernel gave a reason for a reset.
    Hint(Box<HintOutput>),
    /// The kernel dropped a segment.
    Drop(Box<DropOutput>),
}

/// What a ladder shows of a state change.
#[derive(Clone, Debug)]
pub(super) struct StateRow {
    stamp: Stamp,
    since_start_ns: Option<u64>,
    pub(super) old: TcpState,
    pub(super) new: TcpState,
    pub(super) local: EndpointOutput,
    pub(super) error: Option<Errno>,
    pub(super) pid: Option<u32>,
    pub(super) tid: Option<u32>,
    pub(super) comm: Option<Comm>,
    pub(super) continues_as: Option<TcpState>,
    pub(super) old_state_ns: Option<u64>,
}

/// What a ladder shows of a segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentRow {
    stamp: Stamp,
    since_start_ns: Option<u64>,
    pub(super) src: EndpointOutput,
    pub(super) flags: TcpFlags,
    pub(super) ace: Option<u8>,
    pub(super) synack_ecn: Option<SynAckEcn>,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) rel_seq: u32,
    pub(super) rel_ack: Option<u32>,
    pub(super) window: u16,
    pub(super) urgent: Option<u16>,
    pub(super) length: u32,
    pub(super) gso_segments: Option<u16>,
    pub(super) note: Option<SegmentNote>,
    pub(super) retransmission: bool,
    pub(super) options: TcpOptions,
    pub(super) passage: Option<Box<Passage>>,
}

impl From<&StateOutput> for StateRow {
    fn from(state: &StateOutput) -> Self {
        let &StateOutput {
            stamp,
            since_start_ns,
            old,
            new,
            local,
            error,
            pid,
            tid,
            comm,
            continues_as,
            old_state_ns,
            ..
        } = state;
        Self { stamp, since_start_ns, old, new, local, error, pid, tid, comm, continues_as, old_state_ns }
    }
}

impl From<&SegmentOutput> for SegmentRow {
    fn from(segment: &SegmentOutput) -> Self {
        Self {
            stamp: segment.stamp,
            since_start_ns: segment.since_start_ns,
            src: segment.src,
            flags: segment.flags,
            ace: segment.ace,
            synack_ecn: segment.synack_ecn,
            seq: segment.seq,
            ack: segment.ack,
            rel_seq: segment.rel_seq,
            rel_ack: segment.rel_ack,
            window: segment.window,
            urgent: segment.urgent,
            length: segment.length,
            gso_segments: segment.gso_segments,
            note: segment.note,
            retransmission: segment.retransmission,
            options: segment.options,
            passage: segment.passage.clone(),
        }
    }
}

impl Row {
    /// Returns the row of an event, except for a hint, and its connection; `None` for events of no connection or after its last
    /// record.
    pub(super) fn of(record: &OutputRecord) -> Option<(u64, Self)> {
        Some(match record {
            OutputRecord::State(state) if !state.late => (state.conn?, Self::State(state.into())),
            OutputRecord::Segment(segment) if !segment.late => (segment.conn, Self::Segment(segment.into())),
            OutputRecord::Icmp(icmp) if !icmp.late => (icmp.conn, Self::Icmp(Box::new(icmp.clone()))),
            OutputRecord::Drop(dropped) if !dropped.late => (dropped.conn?, Self::Drop(Box::new(dropped.clone()))),
            _ => return None,
        })
    }

    /// Time of the event.
    pub(super) fn stamp(&self) -> &Stamp {
        match self {
            Self::State(entry) => &entry.stamp,
            Self::Segment(entry) => &entry.stamp,
            Self::Icmp(entry) => &entry.stamp,
            Self::Hint(entry) => &entry.stamp,
            Self::Drop(entry) => &entry.stamp,
        }
    }

    /// Returns the nanoseconds from the connection's first event to this one; `None` if the times were not recorded.
    pub(super) fn since_start_ns(&self) -> Option<u64> {
        match self {
            Self::State(entry) => Some(entry.since_start_ns.unwrap_or(0)),
            Self::Segment(entry) => entry.since_start_ns,
            Self::Icmp(entry) => entry.since_start_ns,
            Self::Hint(entry) => Some(entry.since_start_ns.unwrap_or(0)),
            Self::Drop(entry) => Some(entry.since_start_ns.unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        let (row, record) = (size_of::<Row>(), size_of::<OutputRecord>());
        assert!(row <= 168, "{row} bytes of {record}");
    }
}
