//! The packet in a frame of each link type.

use super::{
    Wrap,
    exchange::Packet,
    tunnels::{ether_type, ethernet, ppp, snap},
};

const fn link(name: &'static str, link_type: u16, frame: fn(&Packet) -> Option<Vec<u8>>) -> Wrap {
    Wrap { name, link_type, frame, dissected: true }
}

/// One for each link type that docs/captures.md names.
pub(super) const LINKS: [Wrap; 55] = [
    link("loopback", 0, |p| Some([&family(p).to_le_bytes(), &p.bytes[..]].concat())),
    link("loopback, big-endian", 0, |p| Some([&family(p).to_be_bytes(), &p.bytes[..]].concat())),
    link("Ethernet", 1, |p| Some(ethernet(ether_type(p), &p.bytes))),
    link("token ring", 6, |p| Some([&[0x10, 0x40, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &snap(p)].concat())),
    link("SLIP", 8, |p| Some([&[sent(p)][..], &[0; 15], &p.bytes].concat())).undissected(),
    link("PPP", 9, |p| Some([&[0xff, 3], &ppp(p)[..]].concat())),
    link("PPP without address", 9, |p| Some(ppp(p))),
    link("FDDI", 10, |p| Some([&[0x50, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &snap(p)].concat())),
    link("raw, of BSD", 12, |p| Some(p.bytes.clone())),
    link("raw, of OpenBSD", 14, |p| Some(p.bytes.clone())),
    link("PPP in HDLC", 50, |p| Some([&[0xff, 3], &ppp(p)[..]].concat())),
    link("Cisco HDLC as PPP", 50, |p| Some([&[0x0f, 0], &ether_type(p).to_be_bytes(), &p.bytes[..]].concat())),
    link("PPPoE", 51, |p| Some(session(p))),
    link("ATM, RFC 2684", 100, |p| Some(snap(p))),
    link("raw", 101, |p| Some(p.bytes.clone())),
    link("Cisco HDLC", 104, |p| Some([&[0x0f, 0], &ether_type(p).to_be_bytes(), &p.bytes[..]].concat())),
    link("802.11", 105, |p| Some(wlan(p))),
    link("802.11 with quality of service", 105, |p| {
        let mut frame = wlan(p);
        frame[0] = 0x88;
        frame.splice(24..24, [0, 0]);
        Some(frame)
    }),
    link("classical IP, with LLC", 106, |p| Some(snap(p))).undissected(),
    link("frame relay", 107, |p| Some(frame_relay(p))),
    link("OpenBSD's loopback", 108, |p| Some([&family(p).to_be_bytes(), &p.bytes[..]].concat())),
    link("enc", 109, |p| {
        // OpenBSD's numbers.
        let family: u32 = if p.v6 { 24 } else { 2 };
        Some([&family.to_be_bytes()[..], &[0; 8], &p.bytes].concat())
    }),
    link("Linux cooked", 113, |p| {
        let header = [0, if p.by_client { 4 } else { 0 }, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        Some([&header[..], &ether_type(p).to_be_bytes(), &p.bytes].concat())
    }),
    link("pflog", 117, |p| {
        let mut header = [0; 64];
        header[0] = 61;
        header[1] = if p.v6 { 24 } else { 2 };
        header[60] = 2 - u8::from(p.by_client);
        Some([&header, &p.bytes[..]].concat())
    }),
    link("Prism", 119, |p| {
        let mut header = [0; 144];
        header[0] = 0x44;
        header[4] = 144;
        Some([&header, &wlan(p)[..]].concat())
    }),
    link("Fibre Channel", 122, |p| {
        Some([&[0x10, 0, 2, 0, 0, 0, 0, 1, 0x10, 0, 2, 0, 0, 0, 0, 2][..], &snap(p)].concat())
    }),
    link("SunATM", 123, |p| Some([&[sent(p) << 7 | 2, 0, 0, 33][..], &snap(p)].concat())),
    link("radiotap", 127, |p| Some([&[0, 0, 8, 0, 0, 0, 0, 0], &wlan(p)[..]].concat())),
    link("ARCNET", 129, |p| {
        let kind = if p.v6 { 196 } else { 212 };
        Some([&[1, 2, 0, 0, kind, 0, 0, 1], &p.bytes[..]].concat())
    }),
    link("IEEE 1394", 138, |p| Some([&[0; 16], &ether_type(p).to_be_bytes()[..], &p.bytes].concat())),
    link("AVS", 163, |p| {
        let mut header = [0; 64];
        header[..8].copy_from_slice(&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64]);
        Some([&header, &wlan(p)[..]].concat())
    }),
    link("pppd", 166, |p| Some([&[sent(p), 3], &ppp(p)[..]].concat())).undissected(),
    link("pktap, as Darwin writes it", 149, |p| Some(pktap(p, 1, &ethernet(ether_type(p), &p.bytes)))),
    link("PPI with 802.11", 192, |p| Some([&[0, 0, 8, 0, 105, 0, 0, 0], &wlan(p)[..]].concat())),
    link("ERF of Ethernet", 197, |p| Some(erf(2, &[&[0, 0][..], &ethernet(ether_type(p), &p.bytes)].concat()))),
    link("ERF of IPv4", 197, |p| (!p.v6).then(|| erf(22, &p.bytes))),
    link("ERF of IPv6", 197, |p| p.v6.then(|| erf(23, &p.bytes))),
    link("ERF of HDLC", 197, |p| Some(erf(1, &[&[0x0f, 0], &ether_type(p).to_be_bytes(), &p.bytes[..]].concat()))),
    link("ERF of HDLC with channels", 197, |p| {
        Some(erf(5, &[&[0, 0, 0, 1, 0x0f, 0][..], &ether_type(p).to_be_bytes(), &p.bytes[..]].concat()))
    }),
    link("PPP with direction", 204, |p| Some([&[sent(p), 0xff, 3], &ppp(p)[..]].concat())),
    link("Cisco HDLC with direction", 205, |p| {
        Some([&[sent(p), 0x0f, 0][..], &ether_type(p).to_be_bytes(), &p.bytes].concat())
    })
    .undissected(),
    link("frame relay with direction", 206, |p| Some([&[sent(p)], &frame_relay(p)[..]].concat())).undissected(),
    link("IPNET", 226, |p| {
        let mut header = [0; 24];
        header[..2].copy_from_slice(&[1, if p.v6 { 26 } else { 2 }]);
        header[3] = sent(p);
        header[6..8].copy_from_slice(&u16::try_from(p.bytes.len()).expect("a packet is short").to_be_bytes());
        header[11] = 2;
        Some([&header, &p.bytes[..]].concat())
    }),
    link("IPv4", 228, |p| (!p.v6).then(|| p.bytes.clone())),
    link("IPv6", 229, |p| p.v6.then(|| p.bytes.clone())),
    link("NFLOG", 239, |p| {
        let length = u16::try_from(p.bytes.len() + 4).expect("a packet is short").to_le_bytes();
        let family = if p.v6 { 10 } else { 2 };
        // The prefix, then the packet.
        Some([&[family, 0, 0, 1, 5, 0, 10, 0, 0, 0, 0, 0], &length[..], &[9, 0], &p.bytes].concat())
    }),
    link("InfiniBand", 242, |p| Some([&[0; 40], &ether_type(p).to_be_bytes()[..], &[0, 0], &p.bytes].concat())),
    link("pktap of raw IP", 258, |p| Some(pktap(p, 101, &p.bytes))),
    link("pktap of Ethernet", 258, |p| Some(pktap(p, 1, &ethernet(ether_type(p), &p.bytes)))),
    link("EPON", 259, |p| {
        Some([&[0x55, 0x55, 0xd5, 0x55, 0x55, 0x80, 1, 0x33][..], &ethernet(ether_type(p), &p.bytes)].concat())
    }),
    link("Linux cooked, version 2", 276, |p| {
        let kind = if p.by_client { 4 } else { 0 };
        let rest = [0, 0, 0, 0, 0, 3, 0, 1, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        Some([&ether_type(p).to_be_bytes()[..], &rest, &p.bytes].concat())
    }),
    link("Broadcom's tag", 281, |p| Some(switch_tag(p, &[0, 0, 0, 1]))).undissected(),
    link("Broadcom's tag in front", 282, |p| Some([&[0, 0, 0, 1], &ethernet(ether_type(p), &p.bytes)[..]].concat()))
        .undissected(),
    link("DSA", 284, |p| Some(switch_tag(p, &[0xc0, 8, 0, 5]))).undissected(),
    link("EDSA", 285, |p| Some(switch_tag(p, &[0xda, 0xda, 0, 0, 0xc0, 8, 0, 5]))).undissected(),
];

fn sent(packet: &Packet) -> u8 {
    packet.by_client.into()
}

/// Returns Darwin's number of the address family.
fn family(packet: &Packet) -> u32 {
    if packet.v6 { 30 } else { 2 }
}

fn session(packet: &Packet) -> Vec<u8> {
    let payload = ppp(packet);
    let length = u16::try_from(payload.len()).expect("a packet is short").to_be_bytes();
    [&[0x11, 0, 0, 7], &length[..], &payload].concat()
}

fn frame_relay(packet: &Packet) -> Vec<u8> {
    [&[0x18, 0x41, 3, if packet.v6 { 0x8e } else { 0xcc }], &packet.bytes[..]].concat()
}

/// A data frame to an access point.
pub(super) fn wlan(packet: &Packet) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3];
    [&[0x08, 0x01, 0, 0], &addresses[..], &[0x10, 0], &snap(packet)].concat()
}

fn erf(kind: u8, payload: &[u8]) -> Vec<u8> {
    let record = u16::try_from(payload.len() + 16).expect("a packet is short").to_be_bytes();
    let wire = u16::try_from(payload.len()).expect("a packet is short").to_be_bytes();
    [&[0; 8][..], &[kind, 4], &record, &[0, 0], &wire, payload].concat()
}

fn pktap(packet: &Packet, link_type: u8, frame: &[u8]) -> Vec<u8> {
    let mut header = [0; 108];
    header[0] = 108;
    header[4] = 1;
    header[8] = link_type;
    header[12..15].copy_from_slice(b"en0");
    header[36] = 1 + sent(packet);
    header[40] = if packet.v6 { 30 } else { 2 };
    [&header[..], frame].concat()
}

fn switch_tag(packet: &Packet, tag: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], tag, &ether_type(packet).to_be_bytes(), &packet.bytes].concat()
}
