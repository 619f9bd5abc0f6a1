//! The states of a socket (RFC 9293 §3.3.2), numbered and named as the kernel does.

use std::fmt;

/// A state of a TCP socket, numbered as in `include/net/tcp_states.h`.
///
/// Displayed as the kernel's name without its prefix: `SYN_SENT`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum TcpState {
    /// Both ends may send.
    Established = 1,
    /// The SYN was sent.
    SynSent = 2,
    /// A SYN was received, and the ACK of the answer is awaited; RFC 9293's SYN-RECEIVED.
    SynRecv = 3,
    /// This end has sent its FIN.
    FinWait1 = 4,
    /// This end's FIN was acknowledged; the other end may go on sending.
    FinWait2 = 5,
    /// Both ends have closed; the socket waits for late segments.
    TimeWait = 6,
    /// No connection; RFC 9293's CLOSED.
    Close = 7,
    /// The other end has sent its FIN, this one has not.
    CloseWait = 8,
    /// The other end closed first, and this end's FIN is not acknowledged yet.
    LastAck = 9,
    /// The socket waits for connections.
    Listen = 10,
    /// The FINs crossed, and this end's is not acknowledged yet.
    Closing = 11,
    /// A request without a full socket yet; internal to the kernel, unknown to RFC 9293.
    NewSynRecv = 12,
}

impl TcpState {
    /// Every state, in the order of the kernel's numbers.
    pub const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynRecv,
    ];

    /// Returns the state with this number in the kernel.
    pub fn from_kernel(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Returns the state with this name, as [`Self::name`] gives it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Returns true if a socket enters this state during or after the close of its connection.
    pub(crate) fn belongs_to_close(self) -> bool {
        StateSet::OF_CLOSE.intersects(StateSet::of(&[self]))
    }

    /// Returns the smallest number of state changes that take a Linux socket from this state to `to`; 1 if none do.
    pub(crate) fn changes_to(self, to: Self) -> u64 {
        // A bit for each state that can be reached by this many changes.
        let mut reached = self.bit();
        for changes in 0..Self::ALL.len() as u64 {
            if reached & to.bit() != 0 {
                return changes;
            }
            let left = Self::ALL.into_iter().filter(|state| reached & state.bit() != 0);
            reached |= left.flat_map(Self::successors).fold(0, |bits, next| bits | next.bit());
        }
        1
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// Returns the states that a Linux socket may enter from this one (RFC 9293 §3.3.2; TIME_WAIT is shown as CLOSE).
    fn successors(self) -> &'static [Self] {
        match self {
            Self::Close => &[Self::SynSent, Self::Listen],
            Self::Listen => &[Self::SynRecv, Self::Close],
            Self::SynSent => &[Self::Established, Self::SynRecv, Self::Close],
            Self::SynRecv => &[Self::Established, Self::FinWait1, Self::Close],
            Self::Established => &[Self::FinWait1, Self::CloseWait, Self::Close],
            Self::FinWait1 => &[Self::FinWait2, Self::Closing, Self::Close],
            Self::CloseWait => &[Self::LastAck, Self::Close],
            Self::FinWait2 | Self::Closing | Self::LastAck | Self::TimeWait => &[Self::Close],
            Self::NewSynRecv => &[Self::SynRecv],
        }
    }

    /// Returns the kernel's name without `TCP_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynRecv => "NEW_SYN_RECV",
        }
    }
}

/// A set of states, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StateSet(u16);

impl StateSet {
    /// The states that a socket enters during or after the close of its connection.
    pub(crate) const OF_CLOSE: Self = {
        use TcpState::{Close, CloseWait, Closing, FinWait1, FinWait2, LastAck, TimeWait};
        Self::of(&[FinWait1, FinWait2, CloseWait, Closing, LastAck, Close, TimeWait])
    };

    /// Returns the set of these states.
    pub(crate) const fn of(mut states: &[TcpState]) -> Self {
        let mut bits = 0;
        while let [state, rest @ ..] = states {
            bits |= state.bit();
            states = rest;
        }
        Self(bits)
    }

    /// Adds a state.
    pub(crate) fn insert(&mut self, state: TcpState) {
        self.0 |= state.bit();
    }

    /// Returns true if both sets have a state in common.
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TcpState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TcpState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "the state of a socket", Self::from_name)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TcpState {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TcpState".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A state of a TCP socket, by the kernel's name without its prefix.",
            "type": "string",
            "enum": Self::ALL.map(Self::name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_the_number_of_the_kernel() {
        for state in TcpState::ALL {
            assert_eq!(TcpState::from_kernel(state as u8), Some(state));
            assert_eq!(TcpState::from_name(state.name()), Some(state));
            assert_eq!(serde_json::from_str::<TcpState>(&format!("\"{state}\"")).unwrap(), state);
        }
        assert_eq!(TcpState::from_kernel(0), None);
        assert_eq!(TcpState::from_kernel(13), None);
        assert_eq!(TcpState::from_kernel(u8::MAX), None);
    }

    #[test]
    fn missing_changes_are_counted_by_the_shortest_way() {
        use TcpState::{Close, CloseWait, Established, FinWait2, LastAck, Listen, SynRecv, SynSent};
        let ways = [
            (Established, Established, 0),
            (SynSent, CloseWait, 2),
            (SynRecv, FinWait2, 2),
            (Established, FinWait2, 2),
            (Established, LastAck, 2),
            (Established, Close, 1),
            (LastAck, FinWait2, 5),
            (FinWait2, Listen, 2),
        ];
        for (from, to, changes) in ways {
            assert_eq!(from.changes_to(to), changes, "{from} > {to}");
        }
        assert_eq!(Established.changes_to(TcpState::NewSynRecv), 1, "no socket is shown to enter it");
    }

    #[test]
    fn text_and_json_show_the_name() {
        assert_eq!(TcpState::FinWait1.to_string(), "FIN_WAIT1");
        assert_eq!(format!("{:>10}|", TcpState::Close), "     CLOSE|");
        assert_eq!(serde_json::to_string(&TcpState::CloseWait).unwrap(), r#""CLOSE_WAIT""#);
    }
}
