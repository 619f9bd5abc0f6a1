//! The parts of a segment that its receiver accepts.

/// The parts of a segment that its receiver accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Accepted {
    /// True if its SYN is accepted.
    pub(in crate::correlate) syn: bool,
    /// Effect of its reset.
    pub(in crate::correlate) reset: Reset,
    /// Effect of its acknowledgement.
    pub(in crate::correlate) ack: Ack,
    /// Number of payload bytes, from the first, within the receiver's window; `None` if the receiver drops the segment.
    pub(in crate::correlate) payload: Option<u32>,
    /// True if its FIN is accepted.
    pub(in crate::correlate) fin: bool,
}

/// Effect of a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Reset {
    /// The segment is not a reset.
    None,
    /// It has exactly the number that the receiver expects, and ends the connection.
    Exact,
    /// It is within the window: RFC 5961 §3.2 requires a challenge ACK, older receivers accept it.
    InWindow,
    /// The receiver drops it.
    Refused,
    /// The receiver drops it: with it the sender refuses the receiver's SYN,ACK, and waits for another one.
    RefusesSynAck,
}

/// Effect of an acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Ack {
    /// The segment has none, or one that the receiver drops.
    Refused,
    /// It acknowledges data that was sent; its offset from the receiver's ISN.
    Valid(u64),
    /// It acknowledges more than was seen to be sent, up to this offset: there is a gap, or it is forged.
    Ahead(u64),
}

impl Accepted {
    /// A segment without any accepted part.
    pub(super) const NOTHING: Self =
        Self { syn: false, reset: Reset::None, ack: Ack::Refused, payload: None, fin: false };

    /// Returns true if the receiver drops the segment as a whole.
    pub(in crate::correlate) fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
}
