//! Kinds of frames that give no event.

use std::fmt::{self, Display, Formatter};

/// Kind of a frame that was not decoded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unread {
    /// An EtherType that is not that of a protocol that carries IP.
    EtherType(u16),
    /// The destination service access point of an IEEE 802.2 header.
    Llc(u8),
    /// The protocol number of a PPP frame.
    Ppp(u16),
    /// The address family of a loopback header.
    Family(u32),
    /// Something other than IP where an IP header should begin.
    NoIp,
    /// The protocol number of an IP header.
    Protocol(u8),
    /// UDP with samples of frames (sFlow): parts of the traffic of others.
    Sflow,
    /// UDP with an encrypted packet (RFC 3948).
    EspInUdp,
    /// UDP with an encrypted packet of WireGuard.
    WireGuard,
    /// ICMP that quotes no TCP segment.
    Icmp,
    /// An IEEE 802.11 frame without data.
    Wlan,
    /// An IEEE 802.11 frame whose payload is encrypted.
    Protected,
    /// An IEEE 802.11 frame that contains several frames (A-MSDU), or a fragment.
    Aggregated,
    /// A record without a packet.
    NoPacket,
    /// A fragment of a TCP segment other than the first.
    Fragment,
    /// The first fragment of a TCP segment, with a part of the TCP header.
    FirstFragment,
    /// Lengths or versions that contradict each other.
    Malformed,
    /// More layers of encapsulation than are decoded.
    Nested,
    /// A link type that is not supported.
    LinkType(u32),
    /// A frame cut by the snap length before it is known what it holds.
    Cut,
    /// A frame cut by the snap length in the TCP header.
    CutTcp,
    /// A frame that ends in the TCP header, earlier than the IP header says. It was cut, and the file does not say so, or
    /// was sent like that.
    Shortened,
    /// Further kinds, counted together.
    Others,
}

impl Display for Unread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = match *self {
            Self::EtherType(0x0806) => "ARP",
            Self::EtherType(0x8863) => "PPPoE discovery",
            Self::EtherType(0x88cc) => "LLDP",
            Self::EtherType(0x888e) => "EAPOL",
            Self::EtherType(0x88e5) => "MACsec",
            Self::EtherType(number) => return write!(f, "EtherType {number:#06x}"),
            Self::Llc(0x42) => "spanning tree",
            Self::Llc(number) => return write!(f, "LLC {number:#04x}"),
            Self::Ppp(0xc021) => "PPP LCP",
            Self::Ppp(number) => return write!(f, "PPP {number:#06x}"),
            Self::Family(number) => return write!(f, "address family {number}"),
            Self::NoIp => "no IP header",
            Self::Protocol(17) => "UDP",
            Self::Protocol(2) => "IGMP",
            Self::Protocol(50) => "ESP",
            Self::Protocol(108) => "IPComp",
            Self::Protocol(132) => "SCTP",
            Self::Protocol(number) => return write!(f, "IP protocol {number}"),
            Self::Sflow => "sFlow",
            Self::EspInUdp => "ESP in UDP",
            Self::WireGuard => "WireGuard",
            Self::Icmp => "ICMP",
            Self::Wlan => "802.11 without data",
            Self::Protected => "802.11 encrypted",
            Self::Aggregated => "802.11 aggregated or fragmented",
            Self::NoPacket => "no packet",
            Self::Fragment => "later IP fragment",
            Self::FirstFragment => "IP fragment with a part of the TCP header",
            Self::Malformed => "malformed",
            Self::Nested => "more than 8 layers of encapsulation",
            Self::LinkType(number) => return write!(f, "link type {number}"),
            Self::Cut => "cut by the snap length before a TCP header",
            Self::CutTcp => "cut by the snap length in the TCP header",
            Self::Shortened => "TCP in a frame shorter than its IP header says",
            Self::Others => "other kinds",
        };
        f.write_str(words)
    }
}

/// Maximum number of kinds counted separately, since a file could contain thousands.
const KINDS: usize = 64;

/// Number of frames of each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Vec<(Unread, u64)>);

impl Tally {
    pub(super) fn add(&mut self, kind: Unread) {
        let room = self.0.len() < KINDS;
        let kind = if room || self.0.iter().any(|&(known, _)| known == kind) { kind } else { Unread::Others };
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.0.push((kind, 1)),
        }
    }

    /// Returns the kinds and their counts, the most frequent first.
    pub(super) fn sorted(&self) -> Vec<(Unread, u64)> {
        let mut kinds = self.0.clone();
        kinds.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..1_000 {
            tally.add(Unread::EtherType(number));
        }
        tally.add(Unread::EtherType(7));
        let sorted = tally.sorted();
        assert_eq!((sorted.len(), sorted[0], sorted[1]), (65, (Unread::Others, 936), (Unread::EtherType(7), 2)));
    }
}
