//! The sequence numbers of an end, as offsets from its ISN that count wraps.

use super::{End, MISSED_ONE};
use crate::tcp::SeqNumber;

impl End {
    /// Returns its ISN as its SYN or the other's acknowledgement showed it, or else a number that makes the first one
    /// seen 1.
    pub(in crate::correlate) fn isn(&self) -> Option<SeqNumber> {
        self.has_isn().then_some(self.isn)
    }

    pub(super) fn set_isn(&mut self, isn: SeqNumber) {
        self.isn = isn;
        self.set_has_isn(true);
    }

    /// Returns the offset from the ISN that the other end has acknowledged.
    pub(in crate::correlate) fn acked(&self) -> u64 {
        self.sent.saturating_sub(u64::from(self.unacked))
    }

    /// Returns the offset after the last number within the window offered by the other end, if it has offered one.
    pub(in crate::correlate) fn offered(&self) -> Option<u64> {
        self.has_room().then(|| self.acked() + u64::from(self.room))
    }

    /// Returns the window that the other end has offered, from what it has acknowledged.
    pub(in crate::correlate) fn room(&self) -> u32 {
        self.room
    }

    /// Sets the offsets that it has sent and that were acknowledged.
    pub(super) fn reach(&mut self, sent: u64, acked: u64) {
        if sent != self.sent {
            // The caller notes whether these numbers were seen.
            self.run = 0;
        }
        // Acknowledged data used up a part of the window.
        let taken = u32::try_from(acked.saturating_sub(self.acked())).unwrap_or(u32::MAX);
        self.room = self.room.saturating_sub(taken);
        self.sent = sent;
        // At most 2^32 bytes can be in flight: more would be ambiguous (RFC 9293 §3.4).
        self.unacked = u32::try_from(sent.saturating_sub(acked)).unwrap_or(u32::MAX);
    }

    /// Notes that it has sent everything before this offset, in segments that were not seen.
    pub(super) fn send_unseen(&mut self, offset: u64) {
        let one = offset == self.sent + 1;
        if offset > self.sent {
            self.send_up_to(offset);
            self.run = if one { MISSED_ONE } else { 0 };
        }
    }

    /// Returns true if its last number, which a FIN would have, was not seen, and came alone.
    pub(in crate::correlate) fn misses_one_number(&self) -> bool {
        self.run == MISSED_ONE
    }

    pub(super) fn send_up_to(&mut self, offset: u64) {
        self.reach(self.sent.max(offset), self.acked());
    }

    /// Returns true if the other end has acknowledged everything before this number (RFC 7323 §4.3: SEG.SEQ <=
    /// Last.ACK.sent).
    pub(in crate::correlate) fn is_in_order(&self, number: SeqNumber) -> bool {
        self.isn().is_some_and(|isn| !number.after(isn.add(self.acked() as u32)))
    }

    /// Returns the number that comes next.
    pub(in crate::correlate) fn next(&self) -> Option<SeqNumber> {
        // Truncation is intended: sequence numbers are modulo 2^32.
        self.isn().map(|isn| isn.add(self.sent as u32))
    }

    /// Returns the offset from the ISN of a number near those sent last.
    pub(in crate::correlate) fn offset(&self, number: SeqNumber) -> u64 {
        let Some(isn) = self.isn() else { return 0 };
        let ahead = number.distance_from(isn).wrapping_sub(self.sent as u32).cast_signed();
        self.sent.saturating_add_signed(i64::from(ahead))
    }
}
