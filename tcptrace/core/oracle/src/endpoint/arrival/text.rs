//! The seventh and eighth checks of RFC 9293 §3.10.7.4: text and FIN.

use super::Accepted;
use crate::{
    effect::{Effects, Errno},
    endpoint::{Endpoint, State},
    segment::{FIN, Segment, before},
};

impl Endpoint {
    /// The seventh and eighth checks: text and FIN.
    pub(super) fn take_text(&mut self, arrived: &Segment, accepted: &mut Accepted, out: &mut Effects) {
        if arrived.len == 0 && !arrived.has(FIN) {
            return;
        }
        if self.peer_fin {
            // Nothing can follow a FIN; a retransmission is acknowledged again.
            return self.send_ack(out);
        }
        let (start, end) = (arrived.seq, arrived.seq.wrapping_add(arrived.len));
        accepted.fin = arrived.has(FIN);
        if before(self.rcv_nxt, start) {
            self.gaps.push((start, end, arrived.has(FIN)));
            return self.send_ack(out);
        }
        let mut fin = self.take_range(end, arrived.has(FIN));
        while let Some(at) = self.gaps.iter().position(|&(start, ..)| !before(self.rcv_nxt, start)) {
            let (_, end, with_fin) = self.gaps.swap_remove(at);
            fin |= self.take_range(end, with_fin);
        }
        if fin {
            self.take_fin(out);
        } else {
            self.ack_soon(out);
        }
    }

    /// Accepts data up to `end`. Returns true if a FIN follows it at once.
    fn take_range(&mut self, end: u32, fin: bool) -> bool {
        if before(self.rcv_nxt, end) {
            self.rcv_nxt = end;
            self.unread |= !self.reads;
        }
        fin && self.rcv_nxt == end
    }

    fn take_fin(&mut self, out: &mut Effects) {
        self.peer_fin = true;
        self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
        match self.state {
            State::Established => {
                self.enter(State::CloseWait, Errno::NONE, None, false, out);
                self.ack_soon(out);
            }
            State::FinWait1 => {
                self.send_ack(out);
                self.enter(State::Closing, Errno::NONE, None, false, out);
            }
            State::FinWait2 => {
                self.send_ack(out);
                self.time_wait(out);
            }
            _ => {}
        }
    }
}
