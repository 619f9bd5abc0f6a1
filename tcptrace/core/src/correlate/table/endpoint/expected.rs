//! Updates of an end from its segments that come as expected: in order, within the window, with nothing but data.

use super::End;
use crate::{event::BootTime, tcp::SeqNumber};

impl End {
    /// Returns true if nothing is known of it but what every open connection of a capture shows.
    pub(in crate::correlate) fn is_ordinary(&self) -> bool {
        !self.closing() && !self.had_socket && !self.here && !self.has_exceptions()
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
        if length > 0 {
            self.set_data_seen(true);
            self.entered = at;
            self.send_up_to(self.sent + u64::from(length));
        }
    }
}
