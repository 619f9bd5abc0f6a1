//! What an end's segments and the other's acknowledgements of them tell of it.

use super::{End, Fin, Rst, Sent};
use crate::{
    event::BootTime,
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

impl End {
    /// A segment of its own; `acks_fin`: it acknowledges the other end's FIN, which has got as far as `other_sent`.
    pub(in crate::correlate) fn send(
        &mut self,
        header: &TcpHeader,
        length: u32,
        at: BootTime,
        acks_fin: bool,
        other_sent: u64,
    ) {
        let (syn, fin) = (header.has(TcpFlags::SYN), header.has(TcpFlags::FIN));
        self.spoke = true;
        if syn {
            self.send_syn(header, at);
        }
        if header.has(TcpFlags::RST) {
            let rst = Rst { at, has_ack: header.has(TcpFlags::ACK), offset: self.offset(header.seq), seen: true };
            if self.expects(rst.offset) {
                self.detail_mut().rst.get_or_insert(rst);
                self.send_up_to(rst.offset);
            } else {
                self.detail_mut().odd_rst.get_or_insert(rst);
            }
            // Its number is the one behind all that has been sent: no payload, no FIN.
            if self.has_isn {
                return;
            }
        }
        self.data_seen |= length > 0;
        if !self.has_isn {
            self.set_isn(header.seq.add(u32::MAX));
            self.reach(1, 0);
        }
        let end = self.offset(header.seq) + u64::from(length) + u64::from(syn) + u64::from(fin);
        self.send_up_to(end);
        if fin {
            let acked_before = self.acked_fin;
            match &mut self.detail_mut().fin {
                Some(known) => known.sent.note_again(at),
                none => {
                    let sent = Sent::once(at);
                    *none = Some(Fin { sent, end, acks_other: acks_fin, acked_before, other_sent, acked: None });
                }
            }
        }
        self.acked_fin |= acks_fin;
    }

    /// The other end's socket says that a reset has come, whether it was seen and whatever its number.
    pub(in crate::correlate) fn reset_accepted(&mut self, at: BootTime) {
        let unseen = Rst { at, has_ack: true, offset: self.sent, seen: false };
        let detail = self.detail_mut();
        detail.rst = detail.rst.or(detail.odd_rst).or(Some(unseen));
    }

    /// Whether the other end accepts a reset with the number at this offset (RFC 5961 §3.2): it is the next one, or the next that the other
    /// end knows of. Where no payload is shown, the next one may be further on.
    fn expects(&self, offset: u64) -> bool {
        let ahead = offset > self.sent && !self.data_seen && offset - self.sent < 1 << 31;
        !self.has_isn || offset == self.sent || offset == self.acked() || ahead
    }

    fn send_syn(&mut self, header: &TcpHeader, at: BootTime) {
        if !self.syn_seen() {
            self.set_isn(header.seq);
            self.isn_known = true;
            self.reach(0, 0);
            self.detail_mut().options = Some(header.options);
        }
        let answers = header.has(TcpFlags::ACK);
        self.sent_synack |= answers;
        self.sent_syn |= !answers;
        let detail = self.detail_mut();
        match if answers { &mut detail.synack } else { &mut detail.syn } {
            Some(sent) => sent.note_again(at),
            none => *none = Some(Sent::once(at)),
        }
    }

    /// The other end has acknowledged everything before `ack`. Returns whether that includes the FIN.
    pub(in crate::correlate) fn acknowledged(&mut self, ack: SeqNumber, by_syn: bool, at: BootTime) -> bool {
        if !self.has_isn {
            // A SYN,ACK shows the ISN itself; any other acknowledgement only where to count from.
            self.set_isn(ack.add(u32::MAX));
            self.isn_known = by_syn;
            self.reach(1, 0);
        }
        let offset = self.offset(ack);
        // What has not been sent cannot be acknowledged: numbers far ahead are nonsense.
        if offset < self.sent + (1 << 30) {
            self.reach(self.sent.max(offset), self.acked().max(offset));
        }
        match self.detail.as_mut().and_then(|detail| detail.fin.as_mut()) {
            Some(fin) if offset >= fin.end && offset < fin.end + (1 << 30) => {
                fin.acked.get_or_insert(at);
                true
            }
            _ => false,
        }
    }
}
