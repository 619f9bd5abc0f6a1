//! Segments that an end sends: SYNs, data, FINs, acknowledgements, resets, and their retransmissions.

use super::{Endpoint, State};
use crate::{
    effect::{Cause, Effect, Effects, Errno, Sender},
    segment::{ACK, FIN, PSH, RST, SYN, Segment, before},
};

/// A multiple of 8, like the length of every write: other numbers are forged.
const MSS: u32 = 1448;
const MILLISECOND: u64 = 1_000_000;
const RTO: u64 = 200 * MILLISECOND;
const SYN_RTO: u64 = 1_000 * MILLISECOND;

/// net.ipv4.tcp_invalid_ratelimit
const CHALLENGE_EVERY: u64 = 500 * MILLISECOND;

/// The value of the timestamps option at this time.
pub(crate) fn clock(now: u64) -> u32 {
    (now / MILLISECOND) as u32 + 1_000_000
}

impl Endpoint {
    fn sender(&self) -> Sender {
        match (self.mini, self.request) {
            (true, _) => Sender::Stack,
            (_, true) => Sender::Request(self.socket),
            _ => Sender::Socket(self.socket),
        }
    }

    fn segment(&self, flags: u8, seq: u32, len: u32, now: u64) -> Segment {
        let syn = flags & SYN != 0;
        let timestamps = if syn && flags & ACK == 0 { self.setup.timestamps } else { self.timestamps };
        let window = if syn { self.rcv_wnd().min(0xffff) } else { self.setup.window };
        let scale = if flags & ACK == 0 || self.scaled { self.setup.scale } else { None };
        Segment {
            from: self.side,
            flags,
            seq,
            ack: if flags & ACK == 0 { 0 } else { self.rcv_nxt },
            len,
            window: window as u16,
            scale: scale.filter(|_| syn),
            timestamp: timestamps.then(|| (clock(now), if flags & ACK == 0 { 0 } else { self.ts_recent })),
        }
    }

    fn send(&mut self, flags: u8, seq: u32, len: u32, out: &mut Effects) {
        let segment = self.segment(flags, seq, len, out.now);
        if flags & ACK != 0 {
            self.ack_at = None;
        }
        if before(self.snd_nxt, segment.end()) {
            self.snd_nxt = segment.end();
        }
        if segment.space() > 0 && self.rto_at.is_none() {
            self.arm(out.now);
        }
        let (sender, generation) = (self.sender(), self.generation);
        out.push(Effect::Send { segment, sender, generation, ends_own: false });
    }

    pub(super) fn send_syn(&mut self, out: &mut Effects) {
        let ack = if self.state == State::SynSent { 0 } else { ACK };
        self.send(SYN | ack, self.iss, 0, out);
    }

    /// A challenge ACK (RFC 5961 §3.2). Segments without data get no more than one in a while: two ends that do not accept
    /// each other's acknowledgements would never stop (RFC 5961 §7, tcp_oow_rate_limited of net/ipv4/tcp_input.c).
    pub(super) fn challenge(&mut self, arrived: &Segment, out: &mut Effects) {
        let limited = arrived.len == 0 && !arrived.has(SYN);
        if limited && self.challenged_at.is_some_and(|at| out.now < at + CHALLENGE_EVERY) {
            return;
        }
        if limited {
            self.challenged_at = Some(out.now);
        }
        self.send_ack(out);
    }

    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`
    pub(super) fn send_ack(&mut self, out: &mut Effects) {
        let seq = self.snd_nxt;
        self.send(ACK, seq, 0, out);
    }

    pub(super) fn ack_soon(&mut self, out: &mut Effects) {
        if out.ack_delay == 0 {
            self.send_ack(out);
        } else {
            let due = out.now + out.ack_delay;
            self.ack_at = Some(self.ack_at.map_or(due, |at| at.min(due)));
        }
    }

    /// tcp_send_active_reset of net/ipv4/tcp_output.c
    pub(super) fn send_active_reset(&mut self, out: &mut Effects) {
        let segment = self.segment(RST | ACK, self.snd_nxt, 0, out.now);
        let (sender, generation) = (self.sender(), self.generation);
        out.push(Effect::Send { segment, sender, generation, ends_own: true });
    }

    /// `<SEQ=SEG.ACK><CTL=RST>`, or `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>` (RFC 9293 §3.10.7.1).
    pub(super) fn refuse(&self, arrived: &Segment, cause: Cause, ends_own: bool, out: &mut Effects) {
        let socket = (!self.mini && !self.request && cause != Cause::AbortOnData).then_some(self.socket);
        // The answer to an old duplicate is part of the old connection.
        let generation = out.answering.unwrap_or(self.generation);
        send_reset(arrived, generation, socket, cause, ends_own, out);
    }

    /// Sends written data as far as the window allows, and the FIN after it.
    pub(super) fn push(&mut self, out: &mut Effects) {
        if self.request
            || self.mini
            || !matches!(
                self.state,
                State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
            )
        {
            return;
        }
        while self.pending > 0 {
            let edge = self.snd_una.wrapping_add(self.snd_wnd);
            let room = if before(self.snd_nxt, edge) { edge.wrapping_sub(self.snd_nxt) & !7 } else { 0 };
            let len = self.pending.min(room).min(3 * MSS);
            if len == 0 {
                return;
            }
            self.pending -= len;
            let fin = if self.pending == 0 && self.fin_queued && self.fin_seq.is_none() { FIN } else { 0 };
            let seq = self.snd_nxt;
            if fin != 0 {
                self.fin_seq = Some(seq.wrapping_add(len));
            }
            self.send(PSH | ACK | fin, seq, len, out);
        }
        if self.fin_queued && self.fin_seq.is_none() {
            self.fin_seq = Some(self.snd_nxt);
            let seq = self.snd_nxt;
            self.send(FIN | ACK, seq, 0, out);
        }
    }

    fn arm(&mut self, now: u64) {
        let first = if matches!(self.state, State::SynSent | State::SynRecv) { SYN_RTO } else { RTO };
        self.rto_at = Some(now + (first << self.tries));
    }

    /// Handles an acknowledgement of new data.
    pub(super) fn advanced(&mut self, out: &mut Effects) {
        self.tries = 0;
        self.rto_at = None;
        if self.snd_una == self.snd_nxt {
            self.recovering = false;
        } else {
            if self.recovering {
                self.send_again(out);
            }
            if self.rto_at.is_none() {
                self.arm(out.now);
            }
        }
    }

    fn send_again(&mut self, out: &mut Effects) {
        if matches!(self.state, State::SynSent | State::SynRecv) {
            return self.send_syn(out);
        }
        let data_end = self.fin_seq.unwrap_or(self.snd_nxt);
        let seq = self.snd_una;
        let len = if before(seq, data_end) { data_end.wrapping_sub(seq).min(MSS) } else { 0 };
        let fin = self.fin_seq == Some(seq.wrapping_add(len));
        if len > 0 || fin {
            let flags = ACK | if fin { FIN } else { 0 } | if len > 0 { PSH } else { 0 };
            self.send(flags, seq, len, out);
        }
    }

    /// Runs the timers that have expired. A request that is not completed ends silently.
    pub fn wake(&mut self, out: &mut Effects) {
        if self.ack_at.is_some_and(|at| at <= out.now) {
            self.send_ack(out);
        }
        if self.rto_at.is_none_or(|at| at > out.now) {
            return;
        }
        self.rto_at = None;
        let opening = matches!(self.state, State::SynSent | State::SynRecv);
        if self.tries >= if opening { self.setup.syn_retries } else { self.setup.retries } {
            self.enter(State::Close, Errno::ETIMEDOUT, None, false, out);
            return;
        }
        self.tries += 1;
        self.recovering = true;
        self.send_again(out);
        if self.rto_at.is_none() {
            self.arm(out.now);
        }
    }
}

/// Answers a segment by a reset, after its tracepoint (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c).
pub(super) fn send_reset(
    arrived: &Segment,
    generation: usize,
    socket: Option<u64>,
    cause: Cause,
    ends_own: bool,
    out: &mut Effects,
) {
    let side = arrived.from.other();
    let (flags, seq, ack) = if arrived.has(ACK) { (RST, arrived.ack, 0) } else { (RST | ACK, 0, arrived.end()) };
    out.push(Effect::ResetHint { side, generation, socket, cause });
    let segment = Segment { from: side, flags, seq, ack, len: 0, window: 0, scale: None, timestamp: None };
    out.push(Effect::Send { segment, sender: Sender::Stack, generation, ends_own });
}
