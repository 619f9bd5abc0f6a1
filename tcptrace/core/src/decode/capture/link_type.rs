//! Link types: the headers before the IP header, by the numbers that captures use for them.

use std::fmt::{self, Display, Formatter};

use crate::event::Family;

/// A number of the registry of link types shared by pcap and pcapng (LINKTYPE_ names, not DLT_).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Returns true if frames of this type can be decoded.
    pub fn is_supported(self) -> bool {
        self.layout().is_some()
    }

    /// Returns the layout of the headers; `None` if the type is not supported.
    pub(super) fn layout(self) -> Option<Layout> {
        Some(match self.0 {
            0 => Layout::Null,
            1 => Layout::Ethernet,
            // Files should have 101. 12 and 14 are DLT_RAW on different systems, which old programs wrote unchanged.
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

/// Writes a name for supported types, a number for all others.
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

/// Layout of the link-layer header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    /// Destination, source, EtherType.
    Ethernet,
    /// No header; the IP header tells its version.
    Raw,
    /// No header, and always this family.
    Ip(Family),
    /// BSD's loopback: an address family in the byte order of the machine that captured.
    Null,
    /// OpenBSD's loopback: an address family in network order.
    Loop,
    /// Linux's substitute for devices without a usable header, or for all devices at once.
    LinuxCooked1,
    /// The same with the index of the device.
    LinuxCooked2,
}
