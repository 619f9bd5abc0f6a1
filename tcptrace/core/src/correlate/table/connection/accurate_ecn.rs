//! Negotiation of Accurate ECN (RFC 9768 §3.1).

use super::by_side::BySide;

/// The negotiation of Accurate ECN (RFC 9768 §3.1), as far as the handshake has shown it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::correlate) struct AccurateEcn {
    /// True if a SYN asked for it.
    pub(in crate::correlate) asked: bool,
    /// True if a SYN,ACK confirmed it.
    pub(in crate::correlate) confirmed: bool,
    /// True if a SYN,ACK did not.
    pub(in crate::correlate) refused: bool,
    /// True if the end has sent a segment without SYN since it was confirmed.
    pub(in crate::correlate) spoke: BySide<bool>,
    /// Number of the end's SYN,ACKs that confirmed it and that no ACK has answered.
    pub(in crate::correlate) unanswered: BySide<u8>,
}
