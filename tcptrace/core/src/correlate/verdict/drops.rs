//! Dropped segments that explain why an answer does not come.

use crate::{
    correlate::table::connection::{Connection, Side},
    event::BootTime,
    verdict::SegmentDrops,
};

/// Maximum time, in nanoseconds, after which a sender retransmits (TCP_RTO_MAX of include/net/tcp.h).
pub(in crate::correlate) const RETRANSMISSION: u64 = 120_000_000_000;

/// Returns the segments, of either end, that this host's kernel went on dropping until `at`, if they are as many as what was
/// sent again in vain: else some of that got further.
pub(super) fn until(conn: &Connection, at: BootTime, sent_again: u32) -> Option<SegmentDrops> {
    let of = |side: Side| {
        let drops = conn.rare()?.later_drops.of(side).filter(|drops| at.since(drops.last) <= RETRANSMISSION)?;
        Some(SegmentDrops { sender: conn.shown_role(side), reason: drops.reason, segments: drops.segments })
    };
    let drops = [Side::First, Side::Second].into_iter().filter_map(of).max_by_key(|drops| drops.segments)?;
    (drops.segments >= sent_again).then_some(drops)
}
