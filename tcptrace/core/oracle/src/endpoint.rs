//! One end of a connection: the state machine of RFC 9293 §3.3.2 with the variables of §3.3.1, as Linux runs it.
//!
//! `arrival` handles segments that arrive, `output` those that leave, and `calls` those of the application; this file has
//! the state that they share.

mod arrival;
mod calls;
mod output;

pub use arrival::{Accepted, listen, stack_answer};

use crate::{
    effect::{Cause, Effect, Effects, Errno},
    segment::Side,
};

/// The states, with the kernel's names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "RFC 9293 §3.3.2 describes them")]
pub enum State {
    Close,
    Listen,
    SynSent,
    SynRecv,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Close => "CLOSE",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
        }
    }
}

/// Configuration of the ends of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// RCV.WND, in bytes, before scaling.
    pub window: u32,
    /// Both ends send this window scale option, or neither does.
    pub scale: Option<u8>,
    /// Both ends send timestamps, or neither does.
    pub timestamps: bool,
    /// Maximum number of retransmissions of a SYN or SYN,ACK.
    pub syn_retries: u32,
    /// Maximum number of retransmissions of any other segment.
    pub retries: u32,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The side that it is.
    pub side: Side,
    /// Generation of the four-tuple that it belongs to, from 0.
    pub generation: usize,
    /// Unique number of its socket.
    pub socket: u64,
    /// True if it is a listener's half-open request, which has no socket of its own yet.
    pub request: bool,
    /// True if it is a timewait socket, which replaces the socket in TIME_WAIT and, once orphaned, in FIN_WAIT2.
    pub mini: bool,
    /// Its state.
    pub state: State,
    setup: Setup,
    iss: u32,
    irs: u32,
    snd_una: u32,
    snd_nxt: u32,
    snd_wnd: u32,
    max_snd_wnd: u32,
    rcv_nxt: u32,
    scaled: bool,
    timestamps: bool,
    ts_recent: u32,
    /// Number of bytes written but not sent.
    pending: u32,
    fin_queued: bool,
    fin_seq: Option<u32>,
    peer_fin: bool,
    /// Ranges received out of order: start, end, and true if a FIN follows.
    gaps: Vec<(u32, u32, bool)>,
    orphan: bool,
    /// True if its application reads what arrives.
    pub reads: bool,
    unread: bool,
    /// Time of the next retransmission.
    pub rto_at: Option<u64>,
    tries: u32,
    recovering: bool,
    /// Time of the last challenge ACK that counts towards the rate limit.
    challenged_at: Option<u64>,
    /// Time at which a delayed acknowledgement is due.
    pub ack_at: Option<u64>,
}

impl Endpoint {
    fn new(side: Side, generation: usize, socket: u64, iss: u32, setup: Setup) -> Self {
        Self {
            side,
            generation,
            socket,
            request: false,
            mini: false,
            state: State::Close,
            setup,
            iss,
            irs: 0,
            snd_una: iss,
            snd_nxt: iss,
            snd_wnd: 0,
            max_snd_wnd: 0,
            rcv_nxt: 0,
            scaled: false,
            timestamps: false,
            ts_recent: 0,
            pending: 0,
            fin_queued: false,
            fin_seq: None,
            peer_fin: false,
            gaps: Vec::new(),
            orphan: false,
            reads: true,
            unread: false,
            rto_at: None,
            tries: 0,
            recovering: false,
            challenged_at: None,
            ack_at: None,
        }
    }

    /// RCV.NXT
    pub fn rcv_nxt(&self) -> u32 {
        self.rcv_nxt
    }

    /// SND.NXT
    pub fn snd_nxt(&self) -> u32 {
        self.snd_nxt
    }

    /// SND.UNA
    pub fn snd_una(&self) -> u32 {
        self.snd_una
    }

    /// IRS
    pub fn irs(&self) -> u32 {
        self.irs
    }

    /// ISS
    pub fn iss(&self) -> u32 {
        self.iss
    }

    /// TS.Recent, if timestamps are in use.
    pub fn ts_recent(&self) -> Option<u32> {
        self.timestamps.then_some(self.ts_recent)
    }

    /// RCV.WND in bytes.
    pub fn rcv_wnd(&self) -> u32 {
        self.setup.window << self.setup.scale.filter(|_| self.scaled).unwrap_or(0)
    }

    /// Returns true if the other end's FIN was accepted.
    pub fn has_peer_fin(&self) -> bool {
        self.peer_fin
    }

    /// Returns true if both SYNs have been exchanged (RFC 9293 §3.10.7.4).
    pub fn synchronised(&self) -> bool {
        !matches!(self.state, State::Close | State::Listen | State::SynSent | State::SynRecv)
    }

    /// Replaces the socket by a timewait socket; the tracepoint reports CLOSE (tcp_time_wait of
    /// net/ipv4/tcp_minisocks.c).
    fn become_mini(&mut self, out: &mut Effects) {
        let state = self.state;
        self.enter(State::Close, Errno::NONE, None, false, out);
        self.state = state;
        self.mini = true;
        self.rto_at = None;
        self.ack_at = None;
    }

    fn time_wait(&mut self, out: &mut Effects) {
        out.push(Effect::TimeWait { side: self.side, generation: self.generation });
        if !self.mini {
            self.become_mini(out);
        }
        self.state = State::TimeWait;
    }

    /// Changes the state and reports `sock:inet_sock_set_state`.
    fn enter(&mut self, new: State, error: Errno, cause: Option<Cause>, by_process: bool, out: &mut Effects) {
        let old = std::mem::replace(&mut self.state, new);
        if new == State::Close {
            self.rto_at = None;
            self.ack_at = None;
        }
        if !self.request && !self.mini {
            let (side, generation, socket) = (self.side, self.generation, self.socket);
            out.push(Effect::State { side, generation, socket, old, new, error, cause, by_process });
        }
    }
}
