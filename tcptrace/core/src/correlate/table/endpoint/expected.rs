//! Updates of an end from its segments that come as expected: in order, within the window, with nothing but data.

use super::{End, MISSED_ONE, retransmission::MAX_RUN};
use crate::{event::BootTime, tcp::SeqNumber};

impl End {
    /// Returns true if nothing is known of it but what every open connection of a capture shows.
    pub(in crate::correlate) fn is_ordinary(&self) -> bool {
        !self.closing() && !self.had_socket && !self.here && !self.has_exceptions()
    }

    /// Returns true if it may send `length` bytes that begin with this number, by all that was seen: they are the next ones,
    /// and within the window. Those that cross a multiple of 2^30 count as control segments.
    pub(in crate::correlate) fn may_send_next(&self, seq: SeqNumber, length: u32) -> bool {
        let room = self.offered().map_or(1 << 30, |offered| offered.saturating_sub(self.sent));
        let runs_on = self.run < MAX_RUN || self.run == MISSED_ONE;
        let crosses = seq.0 >> 30 != seq.add(length).0 >> 30;
        self.next() == Some(seq) && u64::from(length) <= room && runs_on && !crosses
    }

    /// Returns the offset of a number that the other end acknowledges, if that is between what it has acknowledged before and what
    /// this end has sent.
    pub(in crate::correlate) fn acked_within_flight(&self, ack: SeqNumber) -> Option<u64> {
        let offset = self.isn().map(|_| self.offset(ack))?;
        (self.acked().max(1)..=self.sent).contains(&offset).then_some(offset)
    }

    /// Notes that the other end acknowledges everything up to this offset, and offers a window of so many bytes after it.
    pub(in crate::correlate) fn take_expected_ack(&mut self, offset: u64, window: u64) {
        self.reach(self.sent, offset);
        self.offer(window);
    }

    /// Notes that it has sent the next `length` bytes.
    pub(in crate::correlate) fn send_expected(&mut self, length: u32, at: BootTime) {
        self.set_spoke(true);
        if length == 0 {
            return;
        }
        let run = if self.saw_last_number() { self.run } else { 0 };
        self.set_data_seen(true);
        self.entered = at;
        self.send_up_to(self.sent + u64::from(length));
        self.run = run.saturating_add(length).min(MAX_RUN);
    }
}
