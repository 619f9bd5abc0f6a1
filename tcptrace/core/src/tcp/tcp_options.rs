//! The options of a header, decoded on demand.

use super::{
    OptionBytes, TcpHeader, TcpOption, Timestamp,
    options::{KIND_NOP, KIND_TIMESTAMP},
};

/// The options of a header, decoded as far as the output shows them.
///
/// They are kept as wire bytes, so construction is a copy; they are decoded when they are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpOptions(pub OptionBytes);

impl TcpOptions {
    /// Returns the maximum segment size in bytes.
    pub fn mss(&self) -> Option<u16> {
        self.last(|option| if let TcpOption::Mss(mss) = option { Some(mss) } else { None })
    }

    /// Returns the number of bits by which the sender's windows are shifted.
    pub fn window_scale(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::WindowScale(shift) = option { Some(shift) } else { None })
    }

    /// Returns true if selective acknowledgements may be sent.
    pub fn sack_permitted(&self) -> bool {
        self.0.iter().any(|option| option == TcpOption::SackPermitted)
    }

    /// Returns true if they end the MPTCP connection of the subflow (MP_FASTCLOSE, RFC 8684 §3.5).
    pub fn closes_mptcp(&self) -> bool {
        self.0.iter().any(|option| matches!(option, TcpOption::Mptcp { subtype: 7, .. }))
    }

    /// Returns the option that signs the segment: TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925).
    pub fn signature(&self) -> Option<&'static str> {
        self.last(|option| match option {
            TcpOption::Md5(_) => Some("TCP-MD5"),
            TcpOption::TcpAo { .. } => Some("TCP-AO"),
            _ => None,
        })
    }

    /// Returns the timestamps.
    pub fn timestamp(&self) -> Option<Timestamp> {
        // The layout of RFC 7323, appendix A, which nearly all segments of an open connection have.
        if let &[KIND_NOP, KIND_NOP, KIND_TIMESTAMP, 10, v0, v1, v2, v3, e0, e1, e2, e3] = self.0.as_slice() {
            return Some(Timestamp {
                value: u32::from_be_bytes([v0, v1, v2, v3]),
                echo: u32::from_be_bytes([e0, e1, e2, e3]),
            });
        }
        self.last(|option| if let TcpOption::Timestamp(timestamp) = option { Some(timestamp) } else { None })
    }

    /// Returns the Fast Open cookie; empty if the option requests one.
    pub fn fast_open(&self) -> Option<&[u8]> {
        self.last(|option| if let TcpOption::FastOpen { cookie, .. } = option { Some(cookie) } else { None })
    }

    /// Returns the subtype of the Multipath TCP option (RFC 8684 §8.2); 0 is MP_CAPABLE, 1 is MP_JOIN.
    pub fn mptcp(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::Mptcp { subtype, .. } = option { Some(subtype) } else { None })
    }

    /// Returns the value of the last option that matches: if there are several, Linux uses the last.
    fn last<'a, T>(&'a self, value: impl Fn(TcpOption<'a>) -> Option<T>) -> Option<T> {
        self.0.iter().filter_map(value).last()
    }
}

impl From<&TcpHeader> for TcpOptions {
    fn from(header: &TcpHeader) -> Self {
        Self(header.options)
    }
}
