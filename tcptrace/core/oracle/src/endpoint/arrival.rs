//! Arrival of a segment: RFC 9293 §3.10.7, with RFC 5961 for RST, SYN and ACK, and RFC 7323 §5 for old timestamps.

mod mini;
mod text;

use super::{Endpoint, Setup, State, output};
use crate::{
    effect::{Cause, Effects, Errno},
    segment::{ACK, FIN, RST, SYN, Segment, before, within},
};

/// The parts of a segment that its receiver accepted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Accepted {
    /// The RST ended the connection or its opening.
    pub rst: bool,
    /// The FIN is within the window; it counts once nothing before it is missing.
    pub fin: bool,
    /// The acknowledgement number is one of what was sent.
    pub ack: bool,
    /// The SYN opened a connection.
    pub syn: bool,
}

/// CLOSED (§3.10.7.1): the stack's answer without a socket.
pub fn stack_answer(arrived: &Segment, generation: usize, out: &mut Effects) {
    if !arrived.has(RST) {
        output::send_reset(arrived, generation, None, Cause::NoSocket, false, out);
    }
}

/// LISTEN (§3.10.7.2): returns a request if the segment is a SYN that begins one.
pub fn listen(
    arrived: &Segment,
    generation: usize,
    socket: u64,
    iss: u32,
    setup: Setup,
    out: &mut Effects,
) -> Option<Endpoint> {
    if arrived.has(RST) {
        return None;
    }
    if arrived.has(ACK) {
        stack_answer(arrived, generation, out);
        return None;
    }
    // Linux drops SYN,FIN here.
    if !arrived.has(SYN) || arrived.has(FIN) {
        return None;
    }
    let mut end = Endpoint::new(arrived.from.other(), generation, socket, iss, setup);
    end.request = true;
    end.state = State::SynRecv;
    end.learn_syn(arrived);
    end.send_syn(out);
    Some(end)
}

impl Endpoint {
    /// Handles a segment and returns the parts that it accepts.
    pub fn arrive(&mut self, arrived: &Segment, out: &mut Effects) -> Accepted {
        match self.state {
            State::Close | State::Listen => Accepted::default(),
            State::SynSent => self.in_syn_sent(arrived, out),
            State::TimeWait | State::FinWait2 if self.mini => self.in_mini(arrived, out),
            _ => self.in_order(arrived, out),
        }
    }

    fn learn_syn(&mut self, syn: &Segment) {
        self.irs = syn.seq;
        self.rcv_nxt = syn.seq.wrapping_add(1);
        self.scaled = self.setup.scale.is_some() && syn.scale.is_some();
        self.timestamps = self.setup.timestamps && syn.timestamp.is_some();
        self.ts_recent = syn.timestamp.map_or(0, |(value, _)| value);
        self.snd_wnd = u32::from(syn.window);
        self.max_snd_wnd = self.snd_wnd;
    }

    /// §3.10.7.3
    fn in_syn_sent(&mut self, arrived: &Segment, out: &mut Effects) -> Accepted {
        let acceptable = arrived.has(ACK) && arrived.ack == self.snd_nxt;
        if arrived.has(ACK) && !acceptable {
            if !arrived.has(RST) {
                self.refuse(arrived, Cause::InvalidAck, false, out);
            }
            return Accepted::default();
        }
        if arrived.has(RST) {
            if acceptable {
                self.enter(State::Close, Errno::ECONNREFUSED, None, false, out);
            }
            return Accepted { rst: acceptable, ..Accepted::default() };
        }
        if !arrived.has(SYN) || arrived.has(FIN) {
            return Accepted::default();
        }
        self.learn_syn(arrived);
        self.tries = 0;
        self.rto_at = None;
        if acceptable {
            self.snd_una = arrived.ack;
            self.enter(State::Established, Errno::NONE, None, false, out);
            self.send_ack(out);
        } else {
            self.enter(State::SynRecv, Errno::NONE, None, false, out);
            self.send_syn(out);
        }
        Accepted { syn: true, ack: acceptable, ..Accepted::default() }
    }

    /// §3.10.7.4, and SYN-RECEIVED in it.
    fn in_order(&mut self, arrived: &Segment, out: &mut Effects) -> Accepted {
        let mut accepted = Accepted::default();
        let again = self.state == State::SynRecv && arrived.has(SYN) && arrived.seq == self.irs;
        if again && !arrived.has(RST) {
            // The other end's SYN, sent again; with an ACK it completes a simultaneous open.
            if arrived.has(ACK) && arrived.ack == self.snd_nxt && !self.request {
                accepted.ack = true;
                self.snd_una = arrived.ack;
                self.established(arrived, out);
                self.send_ack(out);
            } else {
                self.send_syn(out);
            }
            return accepted;
        }
        if (self.is_old(arrived) || !self.in_window(arrived)) && !self.resets_behind_fin(arrived) {
            if !arrived.has(RST) {
                self.challenge(arrived, out);
            }
            return accepted;
        }
        if arrived.has(RST) {
            if arrived.seq == self.rcv_nxt || self.resets_behind_fin(arrived) {
                accepted.rst = true;
                let error = if self.state == State::CloseWait { Errno::EPIPE } else { Errno::ECONNRESET };
                self.enter(State::Close, error, None, false, out);
            } else {
                self.challenge(arrived, out);
            }
            return accepted;
        }
        if arrived.has(SYN) {
            self.challenge(arrived, out);
            return accepted;
        }
        if !arrived.has(ACK) {
            return accepted;
        }
        if !self.take_ack(arrived, out) {
            return accepted;
        }
        accepted.ack = true;
        if let Some((value, _)) = arrived.timestamp.filter(|_| self.timestamps)
            && !before(self.rcv_nxt, arrived.seq)
            && before(self.ts_recent, value)
        {
            self.ts_recent = value;
        }
        if self.state == State::Close || self.mini {
            return accepted;
        }
        let data_end = arrived.seq.wrapping_add(arrived.len);
        let new_data = arrived.len > 0 && before(self.rcv_nxt, data_end);
        if self.orphan && new_data && matches!(self.state, State::FinWait1 | State::FinWait2) {
            // RFC 9293 §3.6.1, tcp_rcv_state_process of net/ipv4/tcp_input.c
            self.enter(State::Close, Errno::ECONNRESET, None, false, out);
            self.refuse(arrived, Cause::AbortOnData, true, out);
            return accepted;
        }
        self.take_text(arrived, &mut accepted, out);
        accepted
    }

    /// A reset from an end whose FIN was accepted may have the number of that FIN (tcp_reset_check of net/ipv4/tcp_input.c).
    fn resets_behind_fin(&self, arrived: &Segment) -> bool {
        matches!(self.state, State::CloseWait | State::LastAck | State::Closing)
            && arrived.has(RST)
            && arrived.seq == self.rcv_nxt.wrapping_sub(1)
    }

    /// PAWS (RFC 7323 §5.3).
    fn is_old(&self, arrived: &Segment) -> bool {
        let old = arrived.timestamp.is_some_and(|(value, _)| before(value, self.ts_recent));
        self.timestamps && old && !arrived.has(RST)
    }

    /// The four cases of §3.10.7.4.
    fn in_window(&self, arrived: &Segment) -> bool {
        let (low, window) = (self.rcv_nxt, self.rcv_wnd());
        let inside = |number: u32| number.wrapping_sub(low) < window;
        match arrived.space() {
            0 => inside(arrived.seq),
            _ => inside(arrived.seq) || inside(arrived.end().wrapping_sub(1)),
        }
    }

    /// The fifth check. Returns true if the segment is processed further.
    fn take_ack(&mut self, arrived: &Segment, out: &mut Effects) -> bool {
        if self.state == State::SynRecv {
            if arrived.ack != self.snd_nxt {
                self.refuse(arrived, Cause::InvalidAck, false, out);
                return false;
            }
            self.snd_una = arrived.ack;
            self.established(arrived, out);
            return true;
        }
        // RFC 5961 §5.2
        if !within(self.snd_una.wrapping_sub(self.max_snd_wnd), arrived.ack, self.snd_nxt) {
            self.challenge(arrived, out);
            return false;
        }
        self.snd_wnd = u32::from(arrived.window) << self.setup.scale.filter(|_| self.scaled).unwrap_or(0);
        self.max_snd_wnd = self.max_snd_wnd.max(self.snd_wnd);
        if before(self.snd_una, arrived.ack) {
            self.snd_una = arrived.ack;
            self.advanced(out);
        }
        self.push(out);
        if self.fin_seq.is_some_and(|fin| self.snd_una == fin.wrapping_add(1)) {
            self.fin_acked(arrived, out);
        }
        true
    }

    fn established(&mut self, arrived: &Segment, out: &mut Effects) {
        self.tries = 0;
        self.rto_at = None;
        self.snd_wnd =
            u32::from(arrived.window) << self.setup.scale.filter(|_| self.scaled && !arrived.has(SYN)).unwrap_or(0);
        self.max_snd_wnd = self.max_snd_wnd.max(self.snd_wnd);
        if std::mem::take(&mut self.request) {
            self.state = State::Listen;
            self.enter(State::SynRecv, Errno::NONE, None, false, out);
        }
        self.enter(State::Established, Errno::NONE, None, false, out);
        self.push(out);
    }

    fn fin_acked(&mut self, arrived: &Segment, out: &mut Effects) {
        match self.state {
            State::FinWait1 => {
                self.enter(State::FinWait2, Errno::NONE, None, false, out);
                if !self.orphan {
                    return;
                }
                let data_end = arrived.seq.wrapping_add(arrived.len);
                if arrived.len > 0 && before(self.rcv_nxt, data_end) {
                    self.enter(State::Close, Errno::NONE, None, false, out);
                    self.refuse(arrived, Cause::AbortOnData, true, out);
                } else if !arrived.has(FIN) {
                    self.become_mini(out);
                }
            }
            State::Closing => self.time_wait(out),
            State::LastAck => self.enter(State::Close, Errno::NONE, None, false, out),
            _ => {}
        }
    }
}
