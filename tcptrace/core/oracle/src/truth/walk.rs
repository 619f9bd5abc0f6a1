//! The visible events of one connection, in order. Forged segments are recognised and ignored; all others were sent by
//! the ends.

mod fin;
mod reset;

pub(super) use self::{fin::Fin, reset::Reset};
use crate::{
    effect::{Effect, Errno},
    endpoint::State,
    history::{History, Sent},
    segment::{ACK, FIN, RST, SYN, Side, before},
    truth::{generation_of, is_genuine},
    vantage::Seen,
};

/// The end of a socket whose states are seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) from: State,
    pub(super) error: Errno,
    /// Position in the view.
    pub(super) order: usize,
}

/// State of one connection after the events seen. Arrays are indexed by [`Side`]; orders are positions in the view.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub(super) generation: usize,
    pub(super) syn: [bool; 2],
    /// A SYN is seen after the end of the handshake.
    pub(super) late_syn: bool,
    pub(super) synack: [bool; 2],
    /// Order of the first segment, other than a reset, that acknowledges the end's SYN.
    pub(super) syn_acked: [Option<usize>; 2],
    pub(super) established: [bool; 2],
    pub(super) closed: [Option<Closed>; 2],
    pub(super) fin: [Option<Fin>; 2],
    pub(super) fin_acked: [Option<usize>; 2],
    /// The first reset of each end that counts.
    pub(super) resets: [Option<Reset>; 2],
    /// Highest offset from the ISN that the end is seen to have sent, without and with refused segments.
    pub(super) sent: [Option<u32>; 2],
    pub(super) claimed: [Option<u32>; 2],
    /// The end whose socket is seen first to close its side, whether its FIN leaves or not.
    pub(super) shut_by: Option<Side>,
    /// The end whose SYN, or SYN_SENT, is seen first: in a simultaneous open, it is the client.
    pub(super) opener: Option<Side>,
    /// Order of the last segment of the end that is no reset.
    last: [usize; 2],
    /// A reset of the end is seen, whether it counts or not.
    pub(super) reset_seen: [bool; 2],
    /// A reset of the end is seen that was not accepted, although its number may be the expected one, as far as is
    /// seen.
    plausible_reset: [bool; 2],
    /// Such a reset is seen that is forged, followed only by segments that may have been on their way; true if the
    /// other end has gone on since.
    forged_reset: [Option<bool>; 2],
    /// The last event is a forged reset with a number ahead of everything that its end is seen to have sent, or a
    /// forged SYN right after one: after such a reset, the next connection might begin.
    pub(super) ends_ahead: bool,
    /// The last event is a forged FIN that acknowledges more than its receiver is seen to have sent.
    pub(super) ends_with_fin: bool,
    /// The next generation has begun, and so the close of this one has been reported.
    pub(super) followed: bool,
    /// Number of forged segments of the end that acknowledge more than is seen to be sent.
    forged_claims: [u32; 2],
    /// Order in which the end's socket is first seen to be established.
    pub(super) established_order: [Option<usize>; 2],
    /// Offset up to which the other end is seen to acknowledge the end's numbers.
    acked: [Option<u32>; 2],
    /// A forged segment is seen.
    pub(super) forged: bool,
    /// An event that is not forged is seen.
    pub(super) genuine: bool,
    /// Time of the last acknowledgement of a FIN, in nanoseconds.
    pub(super) acked_at: u64,
}

impl Walk {
    pub(super) fn of(history: &History, view: &[(u64, Seen)], generation: usize) -> Self {
        let mut walk = Self { generation, ..Self::default() };
        for (order, (at, seen)) in view.iter().enumerate() {
            if generation_of(history, seen) != generation {
                walk.followed |= generation_of(history, seen) > generation && is_genuine(history, seen);
                continue;
            }
            let ahead = std::mem::take(&mut walk.ends_ahead);
            let with_fin = std::mem::take(&mut walk.ends_with_fin);
            match *seen {
                Seen::Segment(index, _) if history.sent[index].sender.is_some() => {
                    walk.segment(history, index, order, *at);
                }
                Seen::Segment(index, _) => {
                    walk.forged(history, index);
                    let segment = &history.sent[index].segment;
                    let syn = segment.has(SYN) && !segment.has(ACK);
                    walk.ends_ahead |= ahead && syn;
                    walk.ends_with_fin |= with_fin && syn;
                }
                Seen::Kernel(effect) => walk.kernel(&effect, order),
            }
        }
        walk
    }

    fn forged(&mut self, history: &History, index: usize) {
        self.forged = true;
        let segment = &history.sent[index].segment;
        let (side, other) = (segment.from, segment.from.other());
        let isns = history.plan.isns[self.generation];
        let seq = segment.seq.wrapping_sub(isns[side as usize]);
        if segment.has(RST) && self.is_plausible(side, seq) {
            self.forged_reset[side as usize].get_or_insert(false);
        }
        self.ends_ahead = segment.has(RST) && self.claimed[side as usize].is_some_and(|claimed| before(claimed, seq));
        let ack = segment.ack.wrapping_sub(isns[other as usize]);
        let beyond = self.claimed[other as usize].is_none_or(|claimed| before(claimed, ack));
        self.forged_claims[side as usize] += u32::from(segment.has(ACK) && beyond);
        self.ends_with_fin = segment.has(FIN) && segment.has(ACK) && !segment.has(SYN) && beyond;
    }

    /// Returns true if forged segments confirm each other: two of one end acknowledge more than is seen to be sent.
    pub(super) fn is_misled(&self) -> bool {
        self.forged_claims.iter().any(|&claims| claims > 1)
    }

    fn kernel(&mut self, effect: &Effect, order: usize) {
        self.genuine = true;
        if let Effect::State { side, old, new, error, .. } = *effect {
            self.established[side as usize] |= new == State::Established;
            if new == State::Established {
                self.established_order[side as usize].get_or_insert(order);
            }
            if new == State::FinWait1 {
                self.shut_by.get_or_insert(side);
            }
            if new == State::SynSent {
                self.opener.get_or_insert(side);
            }
            if new == State::Close {
                self.closed[side as usize] = Some(Closed { from: old, error, order });
            }
        }
    }

    fn segment(&mut self, history: &History, index: usize, order: usize, at: u64) {
        let sent = &history.sent[index];
        let segment = &sent.segment;
        let (side, other) = (segment.from, segment.from.other());
        let isns = history.plan.isns[self.generation];
        let ack = segment.has(ACK).then(|| segment.ack.wrapping_sub(isns[other as usize]));
        self.genuine = true;
        let end = segment.end().wrapping_sub(isns[side as usize]);
        if !segment.has(RST) {
            self.goes_on(side, end, order);
        }
        if segment.has(SYN) {
            let which = if segment.has(ACK) { &mut self.synack } else { &mut self.syn };
            which[side as usize] = true;
            let over = self.syn_acked.iter().all(Option::is_some) || self.closed[other as usize].is_some();
            self.late_syn |= !segment.has(ACK) && over;
            if !segment.has(ACK) {
                self.opener.get_or_insert(side);
            }
        }
        if segment.has(FIN) && self.fin[side as usize].is_none() {
            self.fin[side as usize] = Some(self.first_fin(history, index, order));
        }
        if segment.has(RST) {
            // In SYN-SENT the acknowledgement must be right (RFC 9293 §3.10.7.3).
            let answers = self.claimed[side as usize].is_none() && ack == self.claimed[other as usize];
            let odd = !answers && !self.is_plausible(side, segment.seq.wrapping_sub(isns[side as usize]));
            let open = !self.is_over() && !sent.ends_own && !sent.accepted.rst;
            self.plausible_reset[side as usize] |= open && !odd;
            self.reset(history, sent, order, odd);
            self.reset_seen[side as usize] = true;
        } else if let Some(ack) = ack {
            raise(&mut self.acked[other as usize], ack);
        }
        let counts = !segment.has(RST) || sent.ends_own || sent.accepted.rst;
        if let Some(ack) = ack.filter(|_| counts && !(segment.has(RST) && !sent.ends_own)) {
            // The ends acknowledge only numbers of their own connection.
            if ack >= 1 && !segment.has(RST) {
                self.syn_acked[other as usize].get_or_insert(order);
            }
            let doubtful = segment.has(RST) && self.resets[side as usize].is_some_and(|reset| reset.odd);
            if !doubtful {
                raise(&mut self.sent[other as usize], ack);
            }
            raise(&mut self.claimed[other as usize], ack);
            if self.fin_end(history, other).is_some_and(|end| ack == end) {
                self.fin_acked[other as usize].get_or_insert(order);
                self.acked_at = at;
            }
        }
        if !segment.has(RST) {
            self.reach(sent, end);
        } else if sent.ends_own && segment.has(ACK) {
            raise(&mut self.claimed[side as usize], end);
        }
    }

    /// Handles a segment of this end, up to the offset `end`, that is no reset: the end has not reset before it.
    fn goes_on(&mut self, side: Side, end: u32, order: usize) {
        let other = side.other();
        self.last[side as usize] = order;
        let new = self.claimed[side as usize].is_none_or(|claimed| before(claimed, end));
        if !self.followed {
            self.forged_reset[side as usize] = self.forged_reset[side as usize].filter(|&gone_on| !(gone_on || new));
        }
        if let Some(reset) = &mut self.resets[side as usize] {
            reset.overtook |= new;
        }
        self.forged_reset[other as usize] = self.forged_reset[other as usize].map(|_| true);
    }

    /// Notes that a segment, which is no reset, shows the numbers up to the offset `end`.
    fn reach(&mut self, sent: &Sent, end: u32) {
        let (side, other) = (sent.segment.from, sent.segment.from.other());
        // An end that has reset accepts nothing.
        let gone = self.resets[other as usize].is_some();
        // Nor does an end that has accepted a reset seen before the segment (RFC 9293 §3.10.7.1). No vantage shows that
        // a segment never arrives.
        let closed = self.resets[side as usize].is_some_and(|reset| reset.accepted) && sent.arrivals == 0;
        let refused = gone || closed || sent.arrivals > 0 && !sent.accepted.ack && !sent.segment.has(SYN);
        if !refused {
            raise(&mut self.sent[side as usize], end);
        }
        raise(&mut self.claimed[side as usize], end);
    }

    /// Returns the order of the last segment of this end that is no reset.
    pub(super) fn last_of(&self, side: Side) -> usize {
        self.last[side as usize]
    }

    /// Returns true if the socket of this end ended before it accepted the other end's FIN.
    pub(super) fn has_not_taken_fin(&self, side: Side) -> bool {
        let closed = self.closed[side as usize];
        closed.is_some_and(|closed| matches!(closed.from, State::Established | State::FinWait1 | State::FinWait2))
    }
}

fn raise(highest: &mut Option<u32>, to: u32) {
    if highest.is_none_or(|highest| before(highest, to)) {
        *highest = Some(to);
    }
}
