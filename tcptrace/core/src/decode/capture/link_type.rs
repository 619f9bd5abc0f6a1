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

    /// Returns true if a file of this type holds frames of one interface, seen once: the headers name neither a device
    /// nor a direction.
    pub(super) fn is_of_one_place(self) -> bool {
        matches!(self.layout(), Some(Layout::Ethernet | Layout::Raw | Layout::Ip(_) | Layout::Null | Layout::Loop))
    }

    /// Returns the layout of the headers; `None` if the type is not supported.
    pub(super) fn layout(self) -> Option<Layout> {
        Some(match self.0 {
            0 => Layout::Null,
            1 => Layout::Ethernet,
            6 => Layout::TokenRing,
            8 => Layout::Slip,
            9 | 50 => Layout::Ppp,
            10 => Layout::Fddi,
            // Files should have 101. 12 and 14 are DLT_RAW on different systems, which old programs wrote unchanged.
            12 | 14 | 101 => Layout::Raw,
            51 => Layout::PppEther,
            // RFC 2684, as ATM devices of BSD and Linux show it.
            100 => Layout::Llc,
            104 => Layout::CiscoHdlc { direction: false },
            105 => Layout::Wlan,
            106 => Layout::ClassicalIp,
            107 => Layout::FrameRelay { direction: false },
            108 => Layout::Loop,
            109 => Layout::Enc,
            113 => Layout::LinuxCooked1,
            117 => Layout::Pflog,
            119 => Layout::Prism,
            122 => Layout::FibreChannel,
            123 => Layout::SunAtm,
            127 => Layout::Radiotap,
            129 => Layout::ArcnetLinux,
            138 => Layout::Firewire,
            163 => Layout::Avs,
            166 => Layout::PppPppd,
            192 => Layout::Ppi,
            197 => Layout::Erf,
            204 => Layout::PppWithDirection,
            205 => Layout::CiscoHdlc { direction: true },
            206 => Layout::FrameRelay { direction: true },
            226 => Layout::Ipnet,
            228 => Layout::Ip(Family::V4),
            229 => Layout::Ip(Family::V6),
            239 => Layout::Nflog,
            242 => Layout::Infiniband,
            // 149 is for private use, and what Darwin's own tcpdump writes.
            149 | 258 => Layout::Pktap,
            259 => Layout::Prefixed(8),
            276 => Layout::LinuxCooked2,
            281 | 284 => Layout::SwitchTag(4),
            282 => Layout::Prefixed(4),
            285 => Layout::SwitchTag(8),
            _ => return None,
        })
    }
}

/// Writes a name for supported types, a number for all others.
impl Display for LinkType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.layout() {
            Some(Layout::Ethernet) => "ethernet",
            Some(Layout::TokenRing) => "token-ring",
            Some(Layout::Slip) => "slip",
            Some(Layout::Ppp | Layout::PppPppd | Layout::PppWithDirection) => "ppp",
            Some(Layout::PppEther) => "pppoe",
            Some(Layout::Fddi) => "fddi",
            Some(Layout::Llc | Layout::ClassicalIp | Layout::SunAtm) => "atm",
            Some(Layout::CiscoHdlc { .. }) => "cisco-hdlc",
            Some(Layout::FrameRelay { .. }) => "frame-relay",
            Some(Layout::Wlan | Layout::Radiotap | Layout::Prism | Layout::Avs | Layout::Ppi) => "ieee802.11",
            Some(Layout::Enc) => "ipsec-enc",
            Some(Layout::Pflog) => "pflog",
            Some(Layout::FibreChannel) => "fibre-channel",
            Some(Layout::ArcnetLinux) => "arcnet",
            Some(Layout::Firewire) => "ieee1394",
            Some(Layout::Erf) => "erf",
            Some(Layout::Nflog) => "nflog",
            Some(Layout::Infiniband) => "infiniband",
            Some(Layout::Pktap) => "pktap",
            Some(Layout::Ipnet) => "ipnet",
            Some(Layout::Prefixed(_) | Layout::SwitchTag(_)) => "ethernet-tagged",
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
    /// This many bytes, then Ethernet.
    Prefixed(usize),
    /// Destination, source, a switch's tag of this length, protocol.
    SwitchTag(usize),
    /// No header; the IP header states its version.
    Raw,
    /// No header, and always this family.
    Ip(Family),
    /// BSD's loopback: an address family in the byte order of the machine that captured.
    Null,
    /// OpenBSD's loopback: an address family in network order.
    Loop,
    /// Linux's substitute for devices without a usable header, or for all devices at once.
    LinuxCooked1,
    /// Linux cooked capture with the index of the device.
    LinuxCooked2,
    /// PPP, perhaps in HDLC framing.
    Ppp,
    /// PPP as pppd shows it, with the direction in place of the address.
    PppPppd,
    /// A direction, then PPP.
    PppWithDirection,
    /// A PPPoE session header.
    PppEther,
    /// Cisco's HDLC, perhaps with a direction before it.
    CiscoHdlc {
        /// A byte states the direction.
        direction: bool,
    },
    /// Frame relay, perhaps with a direction before it.
    FrameRelay {
        /// A byte states the direction.
        direction: bool,
    },
    /// IEEE 802.2.
    Llc,
    /// IEEE 802.2 if it begins like it, else IP.
    ClassicalIp,
    /// SunOS's ATM header.
    SunAtm,
    /// IEEE 802.5.
    TokenRing,
    /// FDDI.
    Fddi,
    /// SLIP as BSD shows it.
    Slip,
    /// IEEE 802.11.
    Wlan,
    /// Radiotap, then IEEE 802.11.
    Radiotap,
    /// Prism's header, then IEEE 802.11.
    Prism,
    /// AVS's header, then IEEE 802.11.
    Avs,
    /// A header that names the link type behind it.
    Ppi,
    /// OpenBSD's enc devices.
    Enc,
    /// pf's log.
    Pflog,
    /// Netfilter's log.
    Nflog,
    /// RFC 2625.
    FibreChannel,
    /// ARCNET as Linux shows it.
    ArcnetLinux,
    /// Apple's IP over IEEE 1394.
    Firewire,
    /// RFC 4391 with a global route header.
    Infiniband,
    /// Endace's records.
    Erf,
    /// Solaris's IP observability devices.
    Ipnet,
    /// Darwin's header, which names the link type behind it and the process.
    Pktap,
}
