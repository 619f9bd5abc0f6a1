//! Link types: how the headers before the IP header look, by the numbers that captures use for them.

use std::fmt::{self, Display, Formatter};

use crate::event::Family;

/// A number of the registry of link types that pcap and pcapng share (LINKTYPE_ names, not DLT_).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Whether frames of this type can be read.
    pub fn is_supported(self) -> bool {
        self.layout().is_some()
    }

    /// What the headers look like, if that is known.
    pub(super) fn layout(self) -> Option<Layout> {
        Some(match self.0 {
            0 => Layout::Null,
            1 => Layout::Ethernet,
            // 101 is what files should have. 12 and 14 are DLT_RAW of different systems, written as they are by old programs.
            12 | 14 | 101 => Layout::Raw,
            108 => Layout::Loop,
            113 => Layout::LinuxCooked1,
            228 => Layout::Ip(Family::V4),
            229 => Layout::Ip(Family::V6),
            276 => Layout::LinuxCooked2,
            _ => return None,
        })
    }
}

/// A name for what is supported, the number for everything else.
impl Display for LinkType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.layout() {
            Some(Layout::Ethernet) => "ethernet",
            Some(Layout::Raw) => "raw-ip",
            Some(Layout::Ip(Family::V4)) => "ipv4",
            Some(Layout::Ip(Family::V6)) => "ipv6",
            Some(Layout::Null | Layout::Loop) => "loopback",
            Some(Layout::LinuxCooked1 | Layout::LinuxCooked2) => "linux-cooked",
            None => return write!(f, "link type {}", self.0),
        })
    }
}

/// What lies before the IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    /// Destination, source, protocol.
    Ethernet,
    /// Nothing; the IP header tells its version.
    Raw,
    /// Nothing, and always this family.
    Ip(Family),
    /// BSD's loopback: an address family in the byte order of the machine that captured.
    Null,
    /// OpenBSD's loopback: an address family in network order.
    Loop,
    /// What Linux makes up where a device has no usable header, or for all devices at once.
    LinuxCooked1,
    /// The same with the index of the device.
    LinuxCooked2,
}
