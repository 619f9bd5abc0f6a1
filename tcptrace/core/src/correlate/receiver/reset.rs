//! Acceptance of resets (RFC 9293 §3.10.7, RFC 5961 §3).

use super::{Ack, HIDDEN, Reset, View, ack_of, signed_offset, to_signed};
use crate::{
    correlate::table::endpoint::End,
    tcp::{TcpFlags, TcpHeader, TcpOptions},
};

impl View<'_> {
    /// Returns the effect of a reset whose acknowledgement has the effect `ack`.
    pub(super) fn reset(&self, header: &TcpHeader, ack: Ack) -> Reset {
        if self.receiver_in_syn_sent() {
            return if matches!(ack, Ack::Valid(_)) && ack_of(header).is_some() {
                Reset::Exact
            } else {
                Reset::Refused
            };
        }
        // With it the sender refuses a segment that did not answer its SYN (RFC 9293 §3.5, figure 9), or else gives up.
        if self.sender_in_syn_sent() {
            return if self.aborts_opening(header) { Reset::Exact } else { Reset::Refused };
        }
        if self.refuses_echo(header) {
            return Reset::RefusesSynAck;
        }
        let Some(offset) = signed_offset(self.own, header.seq) else { return Reset::Exact };
        let (acked, sent) = (to_signed(self.own.acked()), to_signed(self.own.sent));
        // One that answers a segment has the number acknowledged by that; one of an open socket has SND.NXT.
        if (acked..=sent).contains(&offset) {
            return Reset::Exact;
        }
        if self.resets_behind_fin(offset) {
            return Reset::Exact;
        }
        // No data passes unseen before the handshake is complete, except with Fast Open.
        let hidden = !self.full && !self.own.data_seen() && (!self.opening() || self.conn.fast_open());
        if hidden && (sent..sent + HIDDEN).contains(&offset) {
            return Reset::Exact;
        }
        if (acked..=self.right_edge()).contains(&offset) { Reset::InWindow } else { Reset::Refused }
    }

    /// Returns true if the sender, whose SYN was not answered, aborts with the number after it: it refuses nothing, since no
    /// segment came that it might refuse.
    fn aborts_opening(&self, header: &TcpHeader) -> bool {
        let unprovoked = !self.other.spoke() && !self.other.had_socket && !self.own.had_socket && !self.own.here;
        self.full && unprovoked && self.own.next() == Some(header.seq)
    }

    /// Returns true if the reset has the number of the sender's FIN, after the other end acknowledged that FIN and while
    /// its own is not acknowledged. Linux accepts it then, since some senders do not count their FIN (tcp_reset_check of
    /// net/ipv4/tcp_input.c).
    fn resets_behind_fin(&self, offset: i64) -> bool {
        let closing = self.other.fin().is_none_or(|fin| fin.acked().is_none());
        closing && self.own.fin().is_some_and(|fin| fin.acked().is_some() && offset == to_signed(fin.end) - 1)
    }

    /// Returns true if the reset answers a SYN,ACK that echoes a timestamp which the sender's only SYN did not have: Linux
    /// sends it and remains in SYN_SENT (tcp_rcv_synsent_state_process of net/ipv4/tcp_input.c).
    fn refuses_echo(&self, header: &TcpHeader) -> bool {
        let opening = self.other.sent_synack && !self.own.sent_synack && self.conn.ack_at().is_none();
        let answers = !header.has(TcpFlags::ACK) && self.own.syn().is_some_and(|syn| syn.count() == 1);
        let timestamp = |end: &End| TcpOptions(end.options()?).timestamp();
        opening
            && answers
            && timestamp(self.own).zip(timestamp(self.other)).is_some_and(|(sent, answer)| {
                // Linux takes 0 for no echo.
                answer.echo != 0 && answer.echo != sent.value
            })
    }
}
