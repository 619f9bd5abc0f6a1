//! Encapsulation between the link layer and an IP packet: VLAN tags, labels, sessions and tunnels, outermost first.

use std::fmt::{self, Display, Formatter};

/// Maximum number of layers of encapsulation, VLAN tags included. A frame with more is counted but not decoded.
pub(super) const DEPTH: usize = 8;

/// A layer of encapsulation.
///
/// Identifiers are kept if both directions of a conversation use the same one. MPLS labels and the tunnel numbers of GTP and
/// L2TP differ by direction, so they do not distinguish connections.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Layer {
    /// An IEEE 802.1Q or 802.1ad tag, with the VLAN identifier (12 bits).
    Vlan(u16),
    /// One or more MPLS labels (RFC 3032).
    Mpls,
    /// A PPPoE session (RFC 2516).
    Pppoe,
    /// A provider backbone (IEEE 802.1ah), with the service identifier (24 bits).
    Pbb(u32),
    /// IPv4 in IPv4 (RFC 2003).
    IpIp,
    /// IPv6 in IPv4 (RFC 4213).
    SixInFour,
    /// IPv4 in IPv6 (RFC 2473).
    FourInSix,
    /// IPv6 in IPv6 (RFC 2473).
    SixInSix,
    /// Generic routing encapsulation without a key (RFC 2784), PPTP included (RFC 2637).
    Gre,
    /// Generic routing encapsulation with a key (RFC 2890).
    GreKey(u32),
    /// A mirrored frame: ERSPAN of any type.
    Erspan,
    /// Ethernet in IP (RFC 3378).
    EtherIp,
    /// VXLAN (RFC 7348) or VXLAN-GPE, with the network identifier (24 bits).
    Vxlan(u32),
    /// GENEVE (RFC 8926), with the network identifier (24 bits).
    Geneve(u32),
    /// The user plane of GTP (3GPP TS 29.281).
    Gtpu,
    /// L2TPv2 data (RFC 2661).
    L2tp,
    /// Teredo (RFC 4380).
    Teredo,
    /// LISP data (RFC 9300).
    Lisp,
    /// CAPWAP data (RFC 5415).
    Capwap,
    /// Ethernet in a segment routing tunnel (RFC 8986).
    Srv6,
}

/// Writes a word, and the identifier if there is one.
impl Display for Layer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Vlan(id) => return write!(f, "vlan {id}"),
            Self::Pbb(id) => return write!(f, "pbb {id}"),
            Self::GreKey(key) => return write!(f, "gre {key}"),
            Self::Vxlan(id) => return write!(f, "vxlan {id}"),
            Self::Geneve(id) => return write!(f, "geneve {id}"),
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::IpIp => "ipip",
            Self::SixInFour => "6in4",
            Self::FourInSix => "4in6",
            Self::SixInSix => "6in6",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::EtherIp => "etherip",
            Self::Gtpu => "gtpu",
            Self::L2tp => "l2tp",
            Self::Teredo => "teredo",
            Self::Lisp => "lisp",
            Self::Capwap => "capwap",
            Self::Srv6 => "srv6",
        };
        f.write_str(word)
    }
}

/// The layers of one frame, outermost first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Layers {
    layers: [Option<Layer>; DEPTH],
    len: u8,
}

impl Layers {
    /// Adds the next layer inwards; false if there are [`DEPTH`] layers already.
    #[must_use]
    pub(super) fn push(&mut self, layer: Layer) -> bool {
        let Some(slot) = self.layers.get_mut(usize::from(self.len)) else { return false };
        *slot = Some(layer);
        self.len += 1;
        true
    }

    /// Returns true if the packet is not encapsulated beyond the link layer.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the layers, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = Layer> {
        self.layers.iter().copied().flatten()
    }
}
