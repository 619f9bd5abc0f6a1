//! The connection that a record is about.

use crate::output_record::OutputRecord;

/// Returns the connection of a record; `None` for records that are about no connection or add nothing about it.
pub(super) fn conn(record: &OutputRecord) -> Option<u64> {
    match record {
        OutputRecord::State(state) => state.conn,
        OutputRecord::Segment(segment) => Some(segment.conn),
        OutputRecord::Icmp(icmp) => Some(icmp.conn),
        OutputRecord::Hint(hint) => hint.conn,
        OutputRecord::Drop(dropped) => dropped.conn,
        OutputRecord::Owner(owner) => owner.conn,
        OutputRecord::Report(report) => Some(report.conn),
        OutputRecord::Handshake(handshake) => Some(handshake.record.conn),
        OutputRecord::Close(close) => Some(close.record.conn),
        OutputRecord::Stalled(stalled) => Some(stalled.record.conn),
        _ => None,
    }
}

/// Returns the network namespace of a record's connection, if known.
pub(super) fn netns(record: &OutputRecord) -> Option<u32> {
    match record {
        OutputRecord::State(state) => state.netns,
        OutputRecord::Segment(segment) => segment.netns,
        OutputRecord::Icmp(icmp) => icmp.netns,
        OutputRecord::Handshake(handshake) => handshake.record.netns,
        OutputRecord::Close(close) => close.record.netns,
        OutputRecord::Stalled(stalled) => stalled.record.netns,
        _ => None,
    }
}

/// Returns true if a record may follow the last one of its connection.
pub(super) fn is_late(record: &OutputRecord) -> bool {
    match record {
        OutputRecord::State(state) => state.late,
        OutputRecord::Segment(segment) => segment.late,
        OutputRecord::Icmp(icmp) => icmp.late,
        OutputRecord::Hint(_) | OutputRecord::Drop(_) | OutputRecord::Owner(_) => true,
        _ => false,
    }
}
