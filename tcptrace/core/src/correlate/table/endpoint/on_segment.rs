//! Updates of an end from its accepted segments, and from the other end's acknowledgements of them.

use super::{End, Fin, ResetContext, Sent};
use crate::{
    correlate::{
        receiver::{Accepted, Reset},
        table::connection::NEVER,
    },
    event::BootTime,
    tcp::{SeqNumber, TcpFlags, TcpHeader, TcpOptions},
};

/// Maximum shift of a window (RFC 7323 §2.3).
const MAX_WINDOW_SHIFT: u8 = 14;

/// Progress of the other end, as offsets from its ISN.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Reached {
    pub(in crate::correlate) sent: u64,
    pub(in crate::correlate) acked: u64,
    /// Offset that was acknowledged before the segment.
    pub(in crate::correlate) acked_before: u64,
}

impl End {
    /// Notes a segment that this end has sent; `acks_fin` is true if it acknowledges the other end's FIN.
    pub(in crate::correlate) fn send(
        &mut self,
        header: &TcpHeader,
        accepted: &Accepted,
        at: BootTime,
        acks_fin: bool,
        other: Reached,
        context: ResetContext,
    ) {
        if accepted.reset != Reset::None {
            return self.send_reset(header, accepted.reset, at, other.sent, context);
        }
        if accepted.syn {
            self.send_syn(header, accepted.payload.unwrap_or_default(), at);
        }
        let Some(payload) = accepted.payload else { return };
        self.set_spoke(true);
        // The byte of a keep-alive probe was acknowledged long ago.
        let is_new = self.had_socket || self.offset(header.seq) + u64::from(payload) > self.acked();
        if payload > 0 && is_new {
            // The payload of a SYN is recorded with every choice of segments.
            self.set_data_seen(!accepted.syn || self.data_seen());
            if !self.had_socket {
                self.entered = at;
            }
        }
        if !self.has_isn() {
            self.set_isn(header.seq.add(u32::MAX));
            self.reach(1, 0);
        }
        let end = self.offset(header.seq) + u64::from(payload) + u64::from(accepted.syn) + u64::from(accepted.fin);
        let before = self.sent;
        if payload > 0 || accepted.syn || accepted.fin {
            self.send_up_to(end);
        } else {
            self.send_unseen(end);
        }
        if accepted.fin {
            self.set_closing(true);
            let (sent, acked_before) = (Sent::once(at), self.acked_fin());
            // Its acknowledgement may have been captured before it.
            let acked = if self.acked() >= end { at } else { NEVER };
            let fin = Fin {
                sent,
                end,
                before,
                other_sent: other.sent,
                other_unacked: u32::try_from(other.sent.saturating_sub(other.acked)).unwrap_or(u32::MAX),
                acks_nothing_new: other.acked_before == other.acked,
                acks_other: acks_fin,
                acked_before,
                acked,
            };
            match self.known_fin() {
                Some(known) if known.end == end => known.sent.note_again(at),
                Some(known) => {
                    let before = known.before;
                    *known = Fin { before, ..fin };
                    self.retreat(before.max(end));
                }
                None => self.set_fin(Some(fin)),
            }
        }
        self.set_acked_fin(self.acked_fin() || acks_fin);
    }

    /// Lowers the offset that it was thought to have reached: it has not sent that much.
    pub(super) fn retreat(&mut self, offset: u64) {
        let acked = self.acked();
        self.reach(offset.max(acked), acked);
    }

    /// Notes that it has sent no more than up to this offset, so whatever acknowledged more was not accepted.
    pub(in crate::correlate) fn has_sent_only(&mut self, offset: u64) {
        self.reach(offset, offset);
    }

    /// Withdraws its FIN if that acknowledges more than the other end has sent: the other end does not accept it (RFC 9293
    /// §3.10.7.4). Returns true if it does.
    pub(in crate::correlate) fn withdraw_fin(&mut self, other_sent: u64) -> bool {
        let withdrawn = self.withdraw_fin_if(|fin| fin.acked().is_none() && fin.acks() > other_sent);
        if let Some(fin) = withdrawn {
            self.retreat(fin.before);
        }
        withdrawn.is_some()
    }

    /// Withdraws its FIN, since an acknowledgement of its own has the FIN's number and is newer than the FIN, which shows
    /// where it acknowledges more. Returns true if there was one.
    pub(in crate::correlate) fn contradict_fin(&mut self, next: SeqNumber, acks: u64) -> bool {
        let offset = self.offset(next);
        let contradicted = |fin: &mut Fin| fin.acked().is_none() && offset + 1 == fin.end && acks > fin.acks();
        let withdrawn = self.withdraw_fin_if(contradicted);
        if let Some(fin) = withdrawn {
            self.retreat(fin.before);
        }
        withdrawn.is_some()
    }

    /// Chooses between the ISNs of the first and the last SYN,ACK, by the number that the other end acknowledges during
    /// the handshake.
    pub(in crate::correlate) fn choose_isn(&mut self, ack: SeqNumber) {
        if let Some(isn) = self.opening().and_then(|opening| opening.other_isn).filter(|isn| isn.add(1) == ack) {
            self.set_isn(isn);
            self.reach(1, 0);
        }
    }

    /// Withdraws its SYN, which it did not send itself.
    pub(in crate::correlate) fn withdraw_syn(&mut self) {
        self.set_isn_known(false);
        self.set_sent_syn(false);
        self.set_has_isn(false);
        self.reach(0, 0);
        let opening = self.opening_mut();
        (opening.syn, opening.options) = (None, None);
    }

    /// Withdraws its SYN,ACK, which the other end has refused: another one may have other numbers and options.
    pub(in crate::correlate) fn withdraw_synack(&mut self) {
        self.set_isn_known(false);
        self.sent_synack = false;
        self.set_has_isn(false);
        self.set_data_seen(false);
        self.reach(0, 0);
        let opening = self.opening_mut();
        (opening.options, opening.other_isn) = (None, None);
        self.set_fin(None);
    }

    /// Notes that it has acknowledged the other end's FIN, up to the offset `end`, before that was captured. Returns true if its
    /// own FIN did so, too.
    pub(in crate::correlate) fn has_acked_fin(&mut self, end: u64) -> bool {
        let fin = self.known_fin().filter(|fin| fin.acks() >= end);
        let answers = fin.is_some();
        if let Some(fin) = fin {
            fin.acks_other = true;
            fin.acked_before |= fin.acks_nothing_new;
        }
        if let Some(rst) = self.known_resets().and_then(|resets| resets.accepted.as_mut()) {
            rst.context.after_fin = true;
        }
        self.set_acked_fin(true);
        answers
    }

    fn send_syn(&mut self, header: &TcpHeader, payload: u32, at: BootTime) {
        if !self.syn_seen() {
            if !self.isn_known() || self.isn != header.seq {
                self.set_isn(header.seq);
                self.set_isn_known(true);
                self.reach(0, 0);
            }
            self.opening_mut().options = Some(header.options);
        } else if self.isn != header.seq {
            self.opening_mut().other_isn = Some(header.seq);
        }
        self.window_shift = TcpOptions(header.options).window_scale().unwrap_or(0).min(MAX_WINDOW_SHIFT);
        let answers = header.has(TcpFlags::ACK);
        self.sent_synack |= answers;
        self.set_sent_syn(self.sent_syn() || !answers);
        let opening = self.opening_mut();
        let known = if answers { &mut opening.synack } else { &mut opening.syn };
        let again = known.is_some();
        let sent = known.get_or_insert(Sent::once(at));
        if again {
            sent.note_again(at);
        }
        sent.note_contents(payload, header.has(TcpFlags::FIN));
        self.set_reopened(self.reopened() || again);
    }

    /// Returns true if it was seen to send more than was in its SYN.
    pub(in crate::correlate) fn sent_more_than_syn(&self) -> bool {
        let end = |sent: Option<Sent>| sent.map_or(1, Sent::end_of_syn);
        self.sent > end(self.syn()).max(end(self.synack()))
    }

    /// Returns true if more of it was acknowledged than was in its SYN.
    pub(in crate::correlate) fn acked_more_than_syn(&self) -> bool {
        self.acked() > self.syn().filter(|syn| syn.fin).map_or(1, Sent::end_of_syn)
    }

    /// Notes the FIN of its SYN if the other end's SYN,ACK acknowledges exactly that (RFC 9293 §3.10.7.2): most drop such a
    /// SYN, and later acknowledgements may be of data.
    pub(in crate::correlate) fn close_by_syn(&mut self, at: BootTime) -> bool {
        let acked = self.acked();
        let Some(syn) = self.syn().filter(|syn| syn.fin && acked == syn.end_of_syn() && self.fin().is_none()) else {
            return false;
        };
        let end = syn.end_of_syn();
        self.set_closing(true);
        self.set_fin(Some(Fin {
            sent: syn,
            end,
            before: end - 1,
            other_sent: 0,
            other_unacked: 0,
            acks_nothing_new: true,
            acks_other: false,
            acked_before: false,
            acked: at,
        }));
        true
    }

    /// Notes that it has sent everything before this number, seen or not.
    pub(in crate::correlate) fn has_sent_unseen(&mut self, next: SeqNumber) {
        if !self.has_isn() {
            self.set_isn(next.add(u32::MAX));
            self.reach(1, 0);
        }
        self.send_unseen(self.offset(next));
    }

    /// Notes that the other end has acknowledged everything before `ack`. Returns true if that includes the FIN.
    pub(in crate::correlate) fn acknowledged(&mut self, ack: SeqNumber, by_syn: bool, at: BootTime) -> bool {
        if !self.has_isn() {
            // A SYN,ACK shows the ISN itself; any other acknowledgement only a base to count from.
            self.set_isn(ack.add(u32::MAX));
            self.set_isn_known(by_syn);
            self.reach(1, 0);
        }
        let offset = self.offset(ack);
        self.send_unseen(offset);
        self.reach(self.sent, self.acked().max(offset));
        if let Some(fin) = self.known_fin().filter(|fin| offset >= fin.end) {
            let (end, first) = (fin.end, fin.acked().is_none());
            fin.note_acked(at);
            // Text with numbers beyond its own, as was seen before it, was not accepted.
            if first && offset == end && self.sent > end {
                self.has_sent_only(end);
            }
        }
        self.fin().is_some_and(|fin| offset >= fin.end)
    }

    /// Returns the number of bits by which its windows are shifted; the maximum if its SYN was not seen.
    pub(in crate::correlate) fn shift(&self) -> u8 {
        if self.syn_seen() { self.window_shift } else { MAX_WINDOW_SHIFT }
    }

    /// Returns TS.Recent of the other end (RFC 7323 §4.3).
    pub(in crate::correlate) fn ts_recent(&self) -> Option<u32> {
        self.detail.as_ref()?.ts_recent
    }

    /// Notes that the other end received this TSval in order.
    pub(in crate::correlate) fn note_timestamp(&mut self, value: u32) {
        self.detail_mut().ts_recent = Some(value);
    }

    /// Notes that the other end offers a window of `window` bytes after what it has acknowledged; windows are scaled
    /// except in a SYN (RFC 7323 §2.2).
    pub(in crate::correlate) fn offer(&mut self, window: u64) {
        let room = u32::try_from(window).unwrap_or(u32::MAX);
        self.room = self.room.max(room);
        self.set_has_room(true);
    }
}
