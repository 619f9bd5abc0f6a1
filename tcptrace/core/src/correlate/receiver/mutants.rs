//! Mutants: the model of the receiver without one rule, so that a test can check that the other tests notice.

use std::cell::Cell;

use super::{Accepted, Ack, Reset, Side, ack_of, by_rules, signed_offset};
use crate::{
    correlate::table::connection::Connection,
    event::Segment,
    tcp::{OptionBytes, TcpFlags},
};

thread_local! {
    static MISSING: Cell<Option<Missing>> = const { Cell::new(None) };
}

/// A missing rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// A reset is accepted with any number (RFC 9293 §3.10.7.4, RFC 5961 §3.2).
    ResetNumber,
    /// A reset is accepted anywhere in the window (RFC 5961 §3.2).
    ChallengedReset,
    /// A SYN is accepted in a synchronised state (RFC 5961 §4.2).
    ChallengedSyn,
    /// An acknowledgement of data that was never sent is accepted (RFC 9293 §3.10.7.4).
    AckBeyond,
    /// An old timestamp is ignored (RFC 7323 §5.3).
    Paws,
    /// A FIN beyond the window is accepted.
    FinBeyond,
    /// A FIN without ACK is accepted.
    FinWithoutAck,
    /// Text wholly outside the window is accepted, including old duplicates.
    TextOutside,
    /// Text after a FIN is accepted.
    TextBehindFin,
    /// An acknowledgement of nothing new, such as a challenge ACK, is ignored.
    ChallengeAck,
}

impl Missing {
    /// Every mutant.
    pub const ALL: [Self; 10] = [
        Self::ResetNumber,
        Self::ChallengedReset,
        Self::ChallengedSyn,
        Self::AckBeyond,
        Self::Paws,
        Self::FinBeyond,
        Self::FinWithoutAck,
        Self::TextOutside,
        Self::TextBehindFin,
        Self::ChallengeAck,
    ];

    /// Runs `act` on this thread without the rule.
    pub fn during<T>(self, act: impl FnOnce() -> T) -> T {
        MISSING.set(Some(self));
        let done = act();
        MISSING.set(None);
        done
    }

    fn alter(self, conn: &Connection, from: Side, segment: &Segment, full: bool, accepted: Accepted) -> Accepted {
        let (own, header) = (conn.end(from), &segment.header);
        let refused = accepted == Accepted::NOTHING;
        let flagged = header.has(TcpFlags::FIN);
        let is_text = !header.flags.intersects(TcpFlags::SYN | TcpFlags::RST) && conn.answered;
        let start = signed_offset(own, header.seq).unwrap_or(0);
        let valid = ack_of(header).map_or(Ack::Refused, |ack| Ack::Valid(conn.end(from.other()).offset(ack)));
        let whole = Accepted { ack: valid, payload: Some(segment.length), fin: flagged, ..accepted };
        match self {
            Self::ResetNumber if accepted.reset != Reset::None => Accepted { reset: Reset::Exact, ..accepted },
            Self::ChallengedReset if accepted.reset == Reset::InWindow => Accepted { reset: Reset::Exact, ..accepted },
            Self::ChallengedSyn if header.has(TcpFlags::SYN) && !header.has(TcpFlags::RST) => {
                Accepted { syn: true, ..whole }
            }
            Self::AckBeyond if matches!(accepted.ack, Ack::Ahead(_)) => Accepted { ack: valid, ..accepted },
            Self::Paws if refused => {
                let mut bare = *segment;
                bare.header.options = OptionBytes::new(&[]);
                by_rules(conn, from, &bare, full)
            }
            Self::FinBeyond if refused && is_text && flagged && start > 0 => whole,
            Self::FinWithoutAck if refused && is_text && flagged && !header.has(TcpFlags::ACK) => whole,
            Self::TextOutside if refused && is_text && segment.length > 0 => whole,
            Self::TextBehindFin if is_text && own.fin().is_some() && accepted.payload.is_some() => {
                Accepted { payload: Some(segment.length), ..accepted }
            }
            Self::ChallengeAck if is_text && !flagged && segment.length == 0 => {
                let known = ack_of(header).is_some_and(|ack| {
                    conn.end(from.other()).offset(ack) <= conn.end(from.other()).acked() && conn.ack_at().is_some()
                });
                if known { Accepted::NOTHING } else { accepted }
            }
            _ => accepted,
        }
    }
}

/// Returns what is accepted without the rule that is missing on this thread.
pub(super) fn alter(conn: &Connection, from: Side, segment: &Segment, full: bool, accepted: Accepted) -> Accepted {
    MISSING.get().map_or(accepted, |missing| missing.alter(conn, from, segment, full, accepted))
}
