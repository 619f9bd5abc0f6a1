//! The options of a header, read on demand.

use super::{
    OptionBytes, TcpHeader, TcpOption, Timestamp,
    options::{KIND_NOP, KIND_TIMESTAMP},
};

/// The options of a header, decoded as far as output shows them.
///
/// It keeps them as they are on the wire, so that making one costs a copy; they are looked at when they are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpOptions(pub OptionBytes);

impl TcpOptions {
    /// Maximum segment size.
    pub fn mss(&self) -> Option<u16> {
        self.last(|option| if let TcpOption::Mss(mss) = option { Some(mss) } else { None })
    }

    /// Number of bits by which the sender's windows are shifted.
    pub fn window_scale(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::WindowScale(shift) = option { Some(shift) } else { None })
    }

    /// Returns true if selective acknowledgements may be sent.
    pub fn sack_permitted(&self) -> bool {
        self.0.iter().any(|option| option == TcpOption::SackPermitted)
    }

    /// Timestamps.
    pub fn timestamp(&self) -> Option<Timestamp> {
        // The layout of RFC 7323, appendix A: nearly all segments of an open connection have it.
        if let &[KIND_NOP, KIND_NOP, KIND_TIMESTAMP, 10, v0, v1, v2, v3, e0, e1, e2, e3] = self.0.as_slice() {
            return Some(Timestamp {
                value: u32::from_be_bytes([v0, v1, v2, v3]),
                echo: u32::from_be_bytes([e0, e1, e2, e3]),
            });
        }
        self.last(|option| if let TcpOption::Timestamp(timestamp) = option { Some(timestamp) } else { None })
    }

    /// The Fast Open cookie, empty where one is asked for.
    pub fn fast_open(&self) -> Option<&[u8]> {
        self.last(|option| if let TcpOption::FastOpen { cookie, .. } = option { Some(cookie) } else { None })
    }

    /// Subtype of the Multipath TCP option (RFC 8684 §8.2); 0 is MP_CAPABLE, 1 is MP_JOIN.
    pub fn mptcp(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::Mptcp { subtype, .. } = option { Some(subtype) } else { None })
    }

    /// The last option that matches, since Linux uses the last of several.
    fn last<'a, T>(&'a self, value: impl Fn(TcpOption<'a>) -> Option<T>) -> Option<T> {
        self.0.iter().filter_map(value).last()
    }
}

impl From<&TcpHeader> for TcpOptions {
    fn from(header: &TcpHeader) -> Self {
        Self(header.options)
    }
}
