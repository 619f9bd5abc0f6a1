//! The resets of an end, and which of them the other end accepted.

use std::time::Duration;

use super::{End, ResetContext, Rst};
use crate::{
    correlate::receiver::Reset,
    event::BootTime,
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Maximum time from seeing a reset to its effect on the socket that it ends.
const JUST_BEFORE: Duration = Duration::from_millis(1);

/// Maximum time by which a reset overtakes text that was sent before it.
const OVERTAKES: Duration = Duration::from_millis(100);

impl End {
    /// Notes a reset. Its number is the one after everything sent: it has neither payload nor FIN.
    pub(super) fn send_reset(
        &mut self,
        header: &TcpHeader,
        reset: Reset,
        at: BootTime,
        other_sent: u64,
        context: ResetContext,
    ) {
        let (has_ack, offset) = (header.has(TcpFlags::ACK), self.offset(header.seq));
        let rst = Rst { at, has_ack, offset, before: self.sent, other_sent, seen: true, context };
        // A reset that answers later segments has a number that this end has sent.
        let answers = (1..=self.sent).contains(&offset);
        if !has_ack
            && answers
            && let Some(first) = self.known_resets().and_then(|resets| resets.accepted.as_mut())
        {
            first.context.repeated = true;
            first.context.doubted = false;
        }
        if has_ack && let Some(first) = self.known_resets().and_then(|resets| resets.accepted.as_mut()) {
            first.context.with_ack |= first.offset == offset;
        }
        if reset == Reset::Exact {
            self.set_spoke(true);
            self.set_closing(true);
            let stray = self.has_stray_reset();
            let resets = self.resets_mut();
            match resets.accepted {
                Some(_) if stray && !context.stray => resets.odd = resets.accepted.replace(rst),
                // The first may turn out not to have been accepted. An answer without ACK is no substitute for one with ACK.
                Some(first) if first.seen => {
                    if has_ack || resets.odd.is_none_or(|odd| !odd.has_ack) {
                        resets.odd = Some(rst);
                    }
                }
                // Its kernel has reported it, or an earlier one, which ended the connection.
                Some(Rst { at, context: ResetContext { proven: true, first, after_fin, after_close, .. }, .. }) => {
                    let context = ResetContext { proven: true, first, after_fin, after_close, ..rst.context };
                    resets.accepted = Some(Rst { at, context, ..rst });
                }
                _ => resets.accepted = Some(rst),
            }
            if self.has_isn() {
                self.send_up_to(rst.offset);
            } else {
                self.set_isn(header.seq.add(u32::MAX));
                self.reach(1, 0);
            }
        } else {
            let odd = &mut self.resets_mut().odd;
            // What answers an old segment is no substitute for the reset of a socket, either.
            if has_ack || !answers || odd.is_none_or(|odd| !odd.has_ack) {
                *odd = Some(rst);
            }
        }
    }

    /// Notes that the other end accepted a reset from this end, as either end's kernel shows, whether the reset was seen and
    /// whatever its number.
    pub(in crate::correlate) fn reset_accepted(&mut self, at: BootTime, context: ResetContext) {
        self.set_closing(true);
        let (offset, before) = (self.sent, self.sent);
        let unseen = Rst { at, has_ack: true, offset, before, other_sent: 0, seen: false, context };
        let resets = self.resets_mut();
        let mut just_before = resets.odd.filter(|rst| at < rst.at + JUST_BEFORE);
        if let Some(rst) = &mut just_before {
            rst.context.by_error = true;
        }
        resets.accepted = resets.accepted.or(just_before).or(Some(unseen));
    }

    /// Withdraws a reset of this end that only an error of the other end's socket implied: it was the other end that
    /// reset; `proven`: its own kernel reports so.
    pub(in crate::correlate) fn withdraw_unseen_reset(&mut self, proven: bool) {
        if let Some(resets) = self.known_resets()
            && resets.accepted.is_some_and(|rst| !rst.seen && !rst.context.proven || proven && rst.context.by_error)
        {
            resets.accepted = None;
        }
    }

    /// Withdraws a reset of uncertain number, since the other end's socket continues after it.
    pub(in crate::correlate) fn refuse_doubtful_reset(&mut self) {
        if self.closed().is_none() {
            self.refuse_reset(|rst| !rst.context.certain);
        }
    }

    /// Withdraws a reset that was seen and that `refused` holds for: the other end has not accepted it.
    pub(in crate::correlate) fn refuse_reset(&mut self, refused: impl Fn(&Rst) -> bool) {
        if let Some(resets) = self.known_resets()
            && let Some(rst) = resets.accepted.take_if(|rst| rst.seen && refused(rst))
        {
            resets.odd = Some(rst);
            // Nothing else shows that it had sent so much.
            if self.sent == rst.offset {
                self.retreat(rst.before);
            }
        }
    }

    /// Accepts its last reset, if that is ahead of everything seen, in the window that the other end has offered, and this
    /// end has sent nothing since: the data between them was not captured. After its FIN there is no such data.
    pub(in crate::correlate) fn accept_reset_behind_gap(&mut self, last: BootTime) {
        let (sent, offered) = (self.sent, self.offered());
        if self.fin().is_some() {
            return;
        }
        let Some(resets) = self.known_resets() else { return };
        let fits = |rst: &mut Rst| {
            let ahead = rst.offset > sent && offered.is_some_and(|offered| rst.offset <= offered);
            ahead && rst.seen && rst.at == last && !rst.context.followed && rst.before == sent
        };
        if resets.accepted.is_none() {
            resets.accepted = resets.odd.take_if(fits);
        }
    }

    /// Forgets a reset that the other end has not accepted.
    pub(in crate::correlate) fn forget_refused_reset(&mut self) {
        if let Some(resets) = self.known_resets() {
            resets.odd = None;
        }
    }

    /// Notes that a segment came which is no reset.
    pub(in crate::correlate) fn note_more(&mut self) {
        if let Some(rst) = self.known_resets().and_then(|resets| resets.odd.as_mut()) {
            rst.context.followed = true;
        }
    }

    /// Notes that its reset at this time came after it had asked for another connection between the same ends.
    pub(in crate::correlate) fn note_replaced(&mut self, at: BootTime) {
        let accepted = self.known_resets().and_then(|resets| resets.accepted.as_mut());
        if let Some(rst) = accepted.filter(|rst| rst.at == at) {
            rst.context.replaced = true;
        }
    }

    /// Returns true if its reset shows that something sent before was not captured.
    pub(in crate::correlate) fn reset_behind_gap(&self) -> bool {
        self.rst().is_some_and(|rst| rst.seen && rst.offset > self.sent && rst.before == self.sent)
    }

    /// Returns true if it sent a reset, whether the other end accepts it or not.
    pub(in crate::correlate) fn has_sent_reset(&self) -> bool {
        self.resets().is_some_and(|resets| resets.accepted.or(resets.odd).is_some())
    }

    /// Returns true if it sent another reset before the one that counts.
    pub(in crate::correlate) fn has_reset_before(&self) -> bool {
        self.resets().and_then(|resets| resets.accepted.zip(resets.odd)).is_some_and(|(rst, odd)| odd.at < rst.at)
    }

    /// Returns true if the reset that counts has overtaken one of the same number with ACK, which a socket sends before the stack
    /// answers what still comes for it.
    pub(in crate::correlate) fn has_overtaken_reset(&self) -> bool {
        let both = self.resets().and_then(|resets| resets.accepted.zip(resets.odd));
        both.is_some_and(|(rst, odd)| odd.seen && odd.has_ack && odd.offset == rst.offset && odd.at >= rst.at)
    }

    /// Withdraws a reset of uncertain number, since the other end continues and acknowledges a different number: it has
    /// not accepted the reset. A smaller acknowledgement may have been in flight before, unless its socket is on this
    /// host and `goes_on`.
    pub(in crate::correlate) fn contradict_reset(&mut self, ack: SeqNumber, goes_on: bool) {
        let (offset, closed) = (self.offset(ack), self.closed().is_some());
        // After its FIN, either number is right (tcp_reset_check of net/ipv4/tcp_input.c).
        let (fin, sent) = (self.fin().map(|fin| fin.end), self.sent);
        let Some(resets) = self.known_resets() else { return };
        let right = |rst: &Rst| rst.offset == offset || Some(offset) == fin && rst.offset + 1 == offset;
        if resets.accepted.is_none() && sent == offset {
            // It was doubted for what had been in flight before.
            let doubted = |rst: &mut Rst| rst.context.doubted && rst.offset == offset;
            resets.accepted = resets.odd.take_if(doubted);
        }
        let Some(rst) = &mut resets.accepted else { return };
        if !rst.seen || rst.context.certain || closed {
            return;
        }
        if right(rst) {
            // The segments that acknowledged less were in flight before.
            rst.context.doubted = false;
            return;
        }
        if offset < rst.offset && !goes_on {
            rst.context.doubted = !rst.context.repeated;
        } else {
            // A later one may have been accepted instead.
            let mut refused = *rst;
            refused.context.doubted = false;
            resets.accepted = resets.odd.filter(|rst| rst.offset == offset && rst.has_ack);
            resets.odd = Some(refused);
            if sent == refused.offset {
                self.retreat(refused.before);
            }
        }
    }

    /// Removes the doubt about a reset that is doubted, or was withdrawn, only for segments that may have been in flight
    /// before, if its number is the one that an open socket gives it, after everything sent.
    pub(in crate::correlate) fn restore_doubted_reset(&mut self) {
        let Some(resets) = self.known_resets() else { return };
        let doubted = |rst: &Rst| rst.seen && rst.context.doubted && rst.offset == rst.before;
        if resets.accepted.is_none() {
            resets.accepted = resets.odd.take_if(|rst| doubted(rst));
        }
        if let Some(rst) = resets.accepted.as_mut().filter(|rst| doubted(rst)) {
            rst.context.doubted = false;
        }
    }

    /// Withdraws a reset of uncertain number, since this end sends after it, up to `end` if it is data that the other
    /// end accepts: it has not sent that reset, if the data is new or acknowledges, up to `acks`, what the other end
    /// sent after the reset, if the reset is a stray one, or if the other end continues too. `elsewhere`: no socket of
    /// the other end is here.
    pub(in crate::correlate) fn goes_on_behind_reset(&mut self, end: Option<SeqNumber>, acks: u64, elsewhere: bool) {
        let new = end.map(|end| self.offset(end)).filter(|&end| end > self.sent);
        let (closed, stray) = (self.closed().is_some(), self.has_stray_reset());
        let Some(resets) = self.known_resets() else { return };
        // The reset of an open socket has SND.NXT (tcp_send_active_reset of net/ipv4/tcp_output.c): it has overtaken
        // this.
        let overtook = |rst: &Rst| rst.seen && rst.has_ack && new == Some(rst.offset);
        if let Some(last) = resets.odd.filter(overtook) {
            if elsewhere {
                resets.accepted = resets.accepted.or(Some(Rst { before: last.offset, ..last }));
                self.set_closing(true);
            }
        } else if let Some(rst) = &mut resets.accepted
            && rst.seen
            && !rst.context.certain
            && !closed
        {
            let proven = new.is_some() || acks > rst.other_sent || stray && end.is_some();
            if proven || rst.context.doubted {
                rst.context.doubted = !proven;
                resets.odd = resets.accepted.take();
            }
        }
    }

    /// Notes that this end sends after its reset, whose number was the expected one: text up to `new`, which is new, and an
    /// acknowledgement up to the offset `acks`. Then it has not sent that reset: with ACK, that would have the number after
    /// all the text; without, it may only have overtaken text that was on its way.
    pub(in crate::correlate) fn outlives_reset(&mut self, new: Option<SeqNumber>, acks: u64, at: BootTime) {
        let accepted = self.known_resets().and_then(|resets| resets.accepted.as_mut());
        if let Some(rst) = accepted.filter(|rst| rst.seen && rst.context.certain) {
            let later = new.is_some() && (rst.context.with_ack || at > rst.at + OVERTAKES);
            rst.context.outlived |= later || acks > rst.other_sent;
        }
    }

    /// Returns true if a stray reset of it counts, whose number the other end has not acknowledged since.
    pub(in crate::correlate) fn has_stray_reset(&self) -> bool {
        self.rst().is_some_and(|rst| rst.seen && rst.context.stray && self.acked() < rst.offset)
    }
}
