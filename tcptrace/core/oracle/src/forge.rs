//! Segments forged in the name of an end, which the other end does not accept.

use crate::{
    endpoint::{Endpoint, State},
    random::Random,
    segment::{ACK, FIN, PSH, RST, SYN, Segment},
};

/// Kind of forgery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgery {
    /// A reset in the window, but not at RCV.NXT.
    RstInWindow,
    /// A reset far beyond the window.
    RstBeyond,
    /// A reset of a number that has been received.
    RstBelow,
    /// A SYN with an ISN less than 2^27 ahead of RCV.NXT.
    SynNear,
    /// A SYN with any ISN.
    SynFar,
    /// A SYN,ACK with any ISN.
    SynAck,
    /// SYN and FIN in one.
    SynFin,
    /// SYN and RST in one, beyond the window.
    SynRst,
    /// A FIN beyond the window.
    FinBeyond,
    /// A FIN in its place without ACK.
    FinWithoutAck,
    /// A FIN in its place that acknowledges what was never sent.
    FinBadAck,
    /// A FIN in its place whose acknowledgement is too old.
    FinOldAck,
    /// A FIN below the window.
    FinBelow,
    /// A FIN in its place with an old timestamp; with none in use, one below the window.
    FinOldTimestamp,
    /// Data beyond the window.
    DataBeyond,
    /// Data in its place that acknowledges what was never sent.
    DataBadAck,
    /// Data behind the FIN.
    DataAfterFin,
    /// An acknowledgement of what was never sent.
    AckBeyond,
    /// No flag at all.
    NoFlag,
    /// To SYN_SENT: an acknowledgement of something else.
    OpeningBadAck,
    /// To SYN_SENT: a reset that does not acknowledge the SYN.
    OpeningRst,
}

impl Forgery {
    const ALL: [Self; 21] = [
        Self::RstInWindow,
        Self::RstBeyond,
        Self::RstBelow,
        Self::SynNear,
        Self::SynFar,
        Self::SynAck,
        Self::SynFin,
        Self::SynRst,
        Self::FinBeyond,
        Self::FinWithoutAck,
        Self::FinBadAck,
        Self::FinOldAck,
        Self::FinBelow,
        Self::FinOldTimestamp,
        Self::DataBeyond,
        Self::DataBadAck,
        Self::DataAfterFin,
        Self::AckBeyond,
        Self::NoFlag,
        Self::OpeningBadAck,
        Self::OpeningRst,
    ];

    /// Returns a random kind.
    pub fn any(random: &mut Random) -> Self {
        random.pick(&Self::ALL)
    }

    /// Returns the segment for `end`, if the kind fits its state.
    pub fn make(self, end: &Endpoint, random: &mut Random) -> Option<Segment> {
        let opening = matches!(self, Self::OpeningBadAck | Self::OpeningRst);
        let fits = if opening { end.state == State::SynSent } else { end.synchronised() && !end.mini };
        // Writes are multiples of eight bytes: the ends never use a number that is four off.
        let odd = |number: u64| (number as u32 & !7) | 4;
        let (next, window) = (end.rcv_nxt(), end.rcv_wnd());
        let beyond = next.wrapping_add(window).wrapping_add(odd(random.between(1 << 18, 1 << 29)));
        let below = next.wrapping_sub(odd(random.between(1 << 18, 1 << 29)));
        let inside = next.wrapping_add(odd(random.below(u64::from(window) / 2)));
        let unsent = end.snd_nxt().wrapping_add(odd(random.pick(&[1, 1 << 8, 1 << 20, 1 << 29])));
        let good = end.snd_una();
        let (flags, seq, ack, len) = match self {
            Self::RstInWindow => (random.pick(&[RST, RST | ACK]), inside, good, 0),
            Self::RstBeyond => (random.pick(&[RST, RST | ACK]), beyond, good, 0),
            Self::RstBelow => (random.pick(&[RST, RST | ACK]), below, good, 0),
            Self::SynNear => (SYN, next.wrapping_add(odd(random.below(1 << 27))), 0, 0),
            Self::SynFar => (SYN, random.word() & !7 | 4, 0, 0),
            Self::SynAck => (SYN | ACK, random.word() & !7 | 4, good, 0),
            Self::SynFin => (random.pick(&[SYN | FIN, SYN | FIN | ACK]), random.pick(&[next, inside, beyond]), good, 0),
            Self::SynRst => (SYN | RST, beyond, 0, 0),
            Self::FinBeyond => (FIN | ACK, beyond, good, 0),
            Self::FinWithoutAck => (FIN, next, 0, 0),
            Self::FinBadAck => (FIN | ACK, next, unsent, 0),
            Self::FinOldAck => (FIN | ACK, next, good.wrapping_sub(1 << 24), 0),
            Self::FinOldTimestamp if end.ts_recent().is_some() => (FIN | ACK, next, good, 0),
            Self::FinBelow | Self::FinOldTimestamp => (FIN | ACK, below, good, 0),
            Self::DataBeyond => (PSH | ACK, beyond, good, 80),
            Self::DataBadAck => (PSH | ACK, next, unsent, 80),
            Self::DataAfterFin if !end.has_peer_fin() => return None,
            Self::DataAfterFin => (random.pick(&[PSH | ACK, PSH | ACK | FIN]), next, good, 80),
            Self::AckBeyond => (ACK, next, unsent, 0),
            Self::NoFlag => (0, next, 0, 0),
            Self::OpeningBadAck => (random.pick(&[ACK, SYN | ACK]), random.word(), unsent, 0),
            Self::OpeningRst => (random.pick(&[RST, RST | ACK]), random.pick(&[0, 77]), unsent, 0),
        };
        let ack = if flags & ACK == 0 { 0 } else { ack };
        let value = end.ts_recent().map(|recent| match self {
            Self::FinOldTimestamp => recent.wrapping_sub(random.between(1, 1 << 20) as u32),
            _ => recent,
        });
        let timestamp = value.filter(|_| flags & RST == 0).map(|value| (value, 0));
        let from = end.side.other();
        fits.then_some(Segment { from, flags, seq, ack, len, window: 1024, scale: None, timestamp })
    }
}
