//! Arrival of a segment for a timewait socket, in FIN_WAIT2 or TIME_WAIT.

use super::Accepted;
use crate::{
    effect::{Cause, Effect, Effects},
    endpoint::{Endpoint, State},
    segment::{ACK, FIN, RST, SYN, Segment, before},
};

impl Endpoint {
    /// tcp_timewait_state_process of net/ipv4/tcp_minisocks.c, and the end of §3.10.7.4 for TIME-WAIT.
    pub(super) fn in_mini(&mut self, arrived: &Segment, out: &mut Effects) -> Accepted {
        let mut accepted = Accepted::default();
        if self.is_old(arrived) || !self.in_window(arrived) {
            if !arrived.has(RST) {
                self.challenge(arrived, out);
            }
            return accepted;
        }
        if arrived.has(RST) {
            accepted.rst = arrived.seq == self.rcv_nxt;
            if accepted.rst {
                self.state = State::Close;
            }
            return accepted;
        }
        if arrived.has(SYN) || self.state == State::TimeWait {
            self.challenge(arrived, out);
            return accepted;
        }
        if !arrived.has(ACK) || arrived.space() == 0 {
            accepted.ack = arrived.has(ACK);
            return accepted;
        }
        accepted.ack = true;
        if !before(self.rcv_nxt, arrived.end()) {
            return accepted;
        }
        // New data, which nobody is left to read.
        if !arrived.has(FIN) || arrived.end() != self.rcv_nxt.wrapping_add(1) {
            self.state = State::Close;
            out.push(Effect::Gone { side: self.side, generation: self.generation });
            self.refuse(arrived, Cause::TimeWaitSocket, true, out);
            return accepted;
        }
        accepted.fin = true;
        self.peer_fin = true;
        self.rcv_nxt = arrived.end();
        self.time_wait(out);
        self.send_ack(out);
        accepted
    }
}
