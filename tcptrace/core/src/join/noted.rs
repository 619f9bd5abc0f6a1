//! The events of a view, as far as joining needs them: less than a quarter of their records, which are kept only if they are
//! shown.

use crate::{
    correlate::{CorrelatedSegment, CorrelatedState},
    event::Role,
    output_record::{EndpointOutput, OutputRecord, SegmentOutput, Stamp, StateOutput},
    tcp::{TcpFlags, TcpOptions},
    text::WallTime,
};

/// An event of a connection in a file.
#[derive(Debug)]
pub(super) enum Noted {
    /// A segment passed.
    Segment(NotedSegment),
    /// A socket changed its state.
    State(NotedState),
    /// An ICMP error, a hint, a dropped segment, an owner or a stall at this time, of which the record is kept.
    Other(WallTime),
}

/// What joining needs of a segment.
#[derive(Debug)]
pub(super) struct NotedSegment {
    pub(super) time: WallTime,
    pub(super) src: EndpointOutput,
    pub(super) flags: TcpFlags,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) length: u32,
    /// The value of its timestamp option.
    pub(super) timestamp: Option<u32>,
    pub(super) retransmission: bool,
}

/// What joining needs of a state change.
#[derive(Debug)]
pub(super) struct NotedState {
    time: WallTime,
    pub(super) role: Option<Role>,
    pub(super) local: EndpointOutput,
}

impl NotedSegment {
    /// Notes a segment at this time whose record is not shown.
    pub(super) fn unshown(stamp: Stamp, placed: &CorrelatedSegment) -> Self {
        let segment = &placed.segment;
        let header = &segment.header;
        Self {
            time: stamp.time,
            src: EndpointOutput { addr: segment.src.addr, port: Some(segment.src.port) },
            flags: header.flags,
            seq: header.seq.0,
            ack: header.has(TcpFlags::ACK).then_some(header.ack.0),
            length: segment.length,
            timestamp: timestamp(&TcpOptions::from(header)),
            retransmission: placed.retransmission,
        }
    }
}

impl From<&SegmentOutput> for NotedSegment {
    fn from(segment: &SegmentOutput) -> Self {
        Self {
            time: segment.stamp.time,
            src: segment.src,
            flags: segment.flags,
            seq: segment.seq,
            ack: segment.ack,
            length: segment.length,
            timestamp: timestamp(&segment.options),
            retransmission: segment.retransmission,
        }
    }
}

fn timestamp(options: &TcpOptions) -> Option<u32> {
    options.timestamp().map(|timestamp| timestamp.value)
}

impl NotedState {
    /// Notes a state change at this time whose record is not shown.
    pub(super) fn unshown(stamp: Stamp, placed: &CorrelatedState) -> Self {
        Self { time: stamp.time, role: placed.role, local: placed.change.local.into() }
    }
}

impl From<&StateOutput> for NotedState {
    fn from(state: &StateOutput) -> Self {
        Self { time: state.stamp.time, role: state.role, local: state.local }
    }
}

impl From<&OutputRecord> for Noted {
    fn from(record: &OutputRecord) -> Self {
        match record {
            OutputRecord::Segment(segment) => Self::Segment(segment.into()),
            OutputRecord::State(state) => Self::State(state.into()),
            other => Self::Other(other.stamp().time),
        }
    }
}

impl Noted {
    /// Returns its time by the clock of its host.
    pub(super) fn time(&self) -> WallTime {
        match self {
            Self::Segment(segment) => segment.time,
            Self::State(state) => state.time,
            Self::Other(time) => *time,
        }
    }

    /// Returns the segment, if it is one.
    pub(super) fn segment(&self) -> Option<&NotedSegment> {
        if let Self::Segment(segment) = self { Some(segment) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small_beside_its_record() {
        let (noted, record) = (size_of::<Noted>(), size_of::<OutputRecord>());
        assert!(noted * 4 <= record, "{noted} bytes of {record}");
    }
}
