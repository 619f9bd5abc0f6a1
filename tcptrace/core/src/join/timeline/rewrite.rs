//! Conversion of events to the joined connection: times of one clock, the client's view of addresses, and the joined number.

use super::Timeline;
use crate::{
    event::Role,
    output_record::{EndpointOutput, OutputRecord, Stamp},
    text::WallTime,
};

impl Timeline<'_> {
    /// Sets an event's time to `at`, and other times to those of the reference.
    pub(super) fn restamp(&self, place: usize, at: WallTime, event: &mut OutputRecord) {
        let at = Stamp { time: at, boot_ns: None };
        match event {
            OutputRecord::State(state) => state.stamp = at,
            OutputRecord::Segment(segment) => segment.stamp = at,
            OutputRecord::Icmp(icmp) => icmp.stamp = at,
            OutputRecord::Hint(hint) => hint.stamp = at,
            OutputRecord::Drop(dropped) => dropped.stamp = at,
            OutputRecord::Owner(owner) => owner.stamp = at,
            OutputRecord::Stalled(stalled) => {
                (stalled.stamp, stalled.since) = (at, self.wall(place, stalled.since));
            }
            _ => {}
        }
    }

    /// Replaces the addresses in an event of a view by those that the client sees.
    pub(super) fn rename(&self, place: usize, event: &mut OutputRecord) {
        let Some((_, view)) = self.views.get(place) else { return };
        let Some((client, server)) = self.views.first().and_then(|(_, view)| view.ends()) else { return };
        let rename = |end: &mut EndpointOutput| {
            *end = if view.role_of(end) == Role::Client { client } else { server };
        };
        match event {
            OutputRecord::State(state) => {
                rename(&mut state.local);
                state.remote.iter_mut().for_each(rename);
            }
            OutputRecord::Segment(segment) => [&mut segment.src, &mut segment.dst].into_iter().for_each(rename),
            OutputRecord::Icmp(icmp) => [&mut icmp.src, &mut icmp.dst].into_iter().for_each(rename),
            OutputRecord::Hint(hint) => [&mut hint.local, &mut hint.remote].into_iter().for_each(rename),
            OutputRecord::Drop(dropped) => [&mut dropped.src, &mut dropped.dst].into_iter().for_each(rename),
            OutputRecord::Owner(owner) => {
                rename(&mut owner.local);
                owner.remote.iter_mut().for_each(rename);
            }
            OutputRecord::Stalled(stalled) => {
                let ends = [(&mut stalled.record.client, client), (&mut stalled.record.server, server)];
                for (end, known) in ends {
                    (end.addr, end.port) = (known.addr, known.port);
                }
            }
            _ => {}
        }
    }

    /// Sets an event's connection number, and its time since `began`.
    pub(super) fn place_event(&self, event: &mut OutputRecord, began: WallTime) {
        let since = |stamp: &Stamp| u64::try_from(stamp.time.0.saturating_sub(began.0)).unwrap_or_default();
        match event {
            OutputRecord::State(state) => {
                (state.conn, state.since_start_ns) = (Some(self.conn), Some(since(&state.stamp)));
            }
            OutputRecord::Segment(segment) => {
                (segment.conn, segment.since_start_ns) = (self.conn, Some(since(&segment.stamp)));
            }
            OutputRecord::Icmp(icmp) => {
                (icmp.conn, icmp.since_start_ns) = (self.conn, Some(since(&icmp.stamp)));
            }
            OutputRecord::Hint(hint) => {
                (hint.conn, hint.since_start_ns) = (Some(self.conn), Some(since(&hint.stamp)));
            }
            OutputRecord::Drop(dropped) => {
                (dropped.conn, dropped.since_start_ns) = (Some(self.conn), Some(since(&dropped.stamp)));
            }
            OutputRecord::Owner(owner) => owner.conn = Some(self.conn),
            OutputRecord::Stalled(stalled) => {
                stalled.record.conn = self.conn;
                // Their numbers count in the file, and they are part of the joined connection.
                (stalled.record.same_as, stalled.record.nat) = (None, None);
            }
            _ => {}
        }
    }
}
