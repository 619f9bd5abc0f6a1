//! The options of a header, read on demand.

use super::{
    OptionBytes, TcpHeader, TcpOption, Timestamp,
    options::{KIND_NOP, KIND_TIMESTAMP},
};

/// What the options of a header say: what output shows of them.
///
/// It keeps them as they are on the wire, so that making one costs a copy; they are looked at when they are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpOptions(pub OptionBytes);

impl TcpOptions {
    /// Maximum segment size.
    pub fn mss(&self) -> Option<u16> {
        self.last(|option| if let TcpOption::Mss(mss) = option { Some(mss) } else { None })
    }

    /// By how many bits the sender's windows are to be shifted.
    pub fn window_scale(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::WindowScale(shift) = option { Some(shift) } else { None })
    }

    /// Whether selective acknowledgements may be sent.
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

    /// What the Multipath TCP option is about (RFC 8684 §8.2); 0 is MP_CAPABLE, 1 is MP_JOIN.
    pub fn mptcp(&self) -> Option<u8> {
        self.last(|option| if let TcpOption::Mptcp { subtype, .. } = option { Some(subtype) } else { None })
    }

    /// Of an option that is there more than once, Linux believes the last.
    fn last<'a, T>(&'a self, value: impl Fn(TcpOption<'a>) -> Option<T>) -> Option<T> {
        self.0.iter().filter_map(value).last()
    }
}

impl From<&TcpHeader> for TcpOptions {
    fn from(header: &TcpHeader) -> Self {
        Self(header.options)
    }
}
