//! The packet after tags, labels and extension headers, and in tunnels.

use super::{Wrap, exchange::Packet, links::wlan};

const fn tagged(name: &'static str, frame: fn(&Packet) -> Option<Vec<u8>>) -> Wrap {
    Wrap { name, link_type: 1, frame, dissected: true }
}

const fn tunnelled(name: &'static str, frame: fn(&Packet) -> Option<Vec<u8>>) -> Wrap {
    Wrap { name, link_type: 101, frame, dissected: true }
}

/// Each layer in docs/captures.md, and some combinations.
pub(super) const TUNNELS: [Wrap; 58] = [
    tagged("VLAN", |p| Some(ethernet(0x8100, &tag(5, ether_type(p), &p.bytes)))),
    tagged("802.1ad and VLAN", |p| Some(ethernet(0x88a8, &tag(9, 0x8100, &tag(5, ether_type(p), &p.bytes))))),
    tagged("VLAN 0x9100", |p| Some(ethernet(0x9100, &tag(5, ether_type(p), &p.bytes)))),
    tagged("VLAN 0x9200", |p| Some(ethernet(0x9200, &tag(5, ether_type(p), &p.bytes)))).undissected(),
    tagged("VLAN 0x9300", |p| Some(ethernet(0x9300, &tag(5, ether_type(p), &p.bytes)))).undissected(),
    tagged("MPLS", |p| Some(ethernet(0x8847, &[&[0, 1, 1, 64], &p.bytes[..]].concat()))),
    tagged("MPLS, two labels", |p| Some(ethernet(0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64], &p.bytes[..]].concat()))),
    tagged("VLAN and MPLS", |p| Some(ethernet(0x8100, &tag(5, 0x8847, &[&[0, 1, 1, 64], &p.bytes[..]].concat())))),
    tagged("Ethernet in MPLS with a control word", |p| {
        Some(ethernet(0x8847, &[&[0, 1, 1, 64, 0, 0, 0, 0], &ethernet(ether_type(p), &p.bytes)[..]].concat()))
    })
    .undissected(),
    tagged("PPPoE", |p| Some(ethernet(0x8864, &session(p)))),
    tagged("VLAN and PPPoE", |p| Some(ethernet(0x8100, &tag(5, 0x8864, &session(p))))),
    tagged("SNAP", |p| {
        let payload = snap(p);
        Some(ethernet(u16::try_from(payload.len()).expect("short"), &payload))
    }),
    tagged("LLC", |p| {
        let payload = [&[6, 6, 3], &p.bytes[..]].concat();
        (!p.v6).then(|| ethernet(u16::try_from(payload.len()).expect("short"), &payload))
    }),
    tagged("802.1ah", |p| Some(ethernet(0x88e7, &[&[0, 0, 1, 2], &ethernet(ether_type(p), &p.bytes)[..]].concat()))),
    tagged("VN-Tag", |p| Some(ethernet(0x8926, &tag4(&[0, 1, 0, 2], p)))),
    tagged("HSR", |p| Some(ethernet(0x892f, &tag4(&[0, 46, 0, 1], p)))),
    tagged("802.1BR", |p| Some(ethernet(0x893f, &tag4(&[0, 1, 0, 2, 0, 0], p)))),
    tagged("Cisco metadata", |p| Some(ethernet(0x8909, &tag4(&[1, 1, 0, 1, 0, 2], p)))),
    tagged("FabricPath", |p| {
        // Wireshark expects the frame check sequence.
        Some(ethernet(0x8903, &[&[0, 0x40], &ethernet(ether_type(p), &p.bytes)[..], &[0; 4]].concat()))
    }),
    tagged("NSH", |p| {
        let next = if p.v6 { 2 } else { 1 };
        Some(ethernet(0x894f, &[&[0x0f, 0xc6, 1, next, 0, 0, 1, 255][..], &[0; 16], &p.bytes].concat()))
    }),
    tagged("padding behind the packet", |p| Some([ethernet(ether_type(p), &p.bytes), vec![0; 9]].concat())),
    tagged("IP length 0, as of a segment before the device splits it", |p| {
        let mut bytes = p.bytes.clone();
        bytes[2..4].fill(0);
        (!p.v6).then(|| ethernet(0x0800, &bytes))
    }),
    tunnelled("IPv4 options", |p| {
        let mut bytes = p.bytes.clone();
        bytes[0] = 0x46;
        let total = u16::from_be_bytes([bytes[2], bytes[3]]) + 4;
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes.splice(20..20, [0x94, 4, 0, 0]);
        (!p.v6).then_some(bytes)
    }),
    tunnelled("IPIP", |p| (!p.v6).then(|| outer4(4, &p.bytes))),
    tunnelled("6in4", |p| p.v6.then(|| outer4(41, &p.bytes))),
    tunnelled("4in6", |p| (!p.v6).then(|| outer6(4, &p.bytes))),
    tunnelled("6in6", |p| p.v6.then(|| outer6(41, &p.bytes))),
    tunnelled("GRE", |p| Some(outer4(47, &gre(0, ether_type(p), &[], &p.bytes)))),
    tunnelled("GRE with checksum, key and sequence number", |p| {
        Some(outer4(47, &gre(0xb000, ether_type(p), &[0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1], &p.bytes)))
    }),
    tunnelled("GRE with a key", |p| Some(outer4(47, &gre(0x2000, ether_type(p), &[0, 0, 0, 42], &p.bytes)))),
    tunnelled("GRE by IPv6", |p| Some(outer6(47, &gre(0, ether_type(p), &[], &p.bytes)))),
    tunnelled("Ethernet in GRE", |p| Some(outer4(47, &gre(0, 0x6558, &[], &ethernet(ether_type(p), &p.bytes))))),
    tunnelled("MPLS in GRE", |p| Some(outer4(47, &gre(0, 0x8847, &[], &[&[0, 1, 1, 64], &p.bytes[..]].concat())))),
    tunnelled("ERSPAN I", |p| Some(outer4(47, &gre(0, 0x88be, &[], &ethernet(ether_type(p), &p.bytes))))),
    tunnelled("ERSPAN II", |p| {
        let header = [0, 0, 0, 1, 0x10, 5, 0, 7, 0, 0, 0, 1];
        Some(outer4(47, &gre(0x1000, 0x88be, &header, &ethernet(ether_type(p), &p.bytes))))
    }),
    tunnelled("ERSPAN III", |p| {
        let header = [0, 0, 0, 1, 0x20, 5, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0];
        Some(outer4(47, &gre(0x1000, 0x22eb, &header, &ethernet(ether_type(p), &p.bytes))))
    }),
    tunnelled("PPTP", |p| {
        let payload = [&[0xff, 3], &ppp(p)[..]].concat();
        let [l0, l1] = u16::try_from(payload.len()).expect("short").to_be_bytes();
        Some(outer4(47, &gre(0x3001, 0x880b, &[l0, l1, 0, 9, 0, 0, 0, 1], &payload)))
    }),
    tunnelled("WCCP, version 1", |p| (!p.v6).then(|| outer4(47, &gre(0, 0x883e, &[], &p.bytes)))),
    tunnelled("WCCP, version 2", |p| (!p.v6).then(|| outer4(47, &gre(0, 0x883e, &[0, 0, 0x10, 0], &p.bytes)))),
    tunnelled("802.11 in GRE, of Aruba", |p| Some(outer4(47, &gre(0, 0x8200, &[], &wlan(p))))),
    tunnelled("EtherIP", |p| Some(outer4(97, &[&[0x30, 0], &ethernet(ether_type(p), &p.bytes)[..]].concat()))),
    tunnelled("MPLS in IP", |p| Some(outer4(137, &[&[0, 1, 1, 64], &p.bytes[..]].concat()))),
    tunnelled("MPLS in UDP", |p| Some(outer4(17, &udp(6635, &[&[0, 1, 1, 64], &p.bytes[..]].concat())))),
    tunnelled("VXLAN", |p| Some(outer4(17, &udp(4789, &vxlan(p))))),
    tunnelled("VXLAN by IPv6", |p| Some(outer6(17, &udp(4789, &vxlan(p))))),
    tunnelled("VXLAN of a VLAN", |p| {
        let frame = ethernet(0x8100, &tag(5, ether_type(p), &p.bytes));
        Some(outer4(17, &udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], &frame[..]].concat())))
    }),
    tunnelled("VXLAN-GPE", |p| {
        let header = [0x0c, 0, 0, if p.v6 { 2 } else { 1 }, 0, 0, 42, 0];
        Some(outer4(17, &udp(4790, &[&header, &p.bytes[..]].concat())))
    }),
    tunnelled("GENEVE with an option", |p| {
        let header = [2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 0, 0, 0, 0];
        Some(outer4(17, &udp(6081, &[&header, &ethernet(ether_type(p), &p.bytes)[..]].concat())))
    }),
    tunnelled("GTP-U", |p| Some(outer4(17, &udp(2152, &gtpu(0x30, &[], p))))),
    tunnelled("GTP-U with an extension header", |p| {
        Some(outer4(17, &udp(2152, &gtpu(0x34, &[0, 0, 0, 0x85, 1, 0x10, 9, 0], p))))
    }),
    tunnelled("L2TP", |p| {
        let payload = [&[0x00, 0x02, 0, 1, 0, 2, 0xff, 3], &ppp(p)[..]].concat();
        Some(outer4(17, &udp(1701, &payload)))
    }),
    tunnelled("Teredo", |p| p.v6.then(|| outer4(17, &udp(3544, &p.bytes)))),
    tunnelled("LISP", |p| Some(outer4(17, &udp(4341, &[&[0x80, 0, 0, 1, 0, 0, 0, 1], &p.bytes[..]].concat())))),
    tunnelled("CAPWAP", |p| {
        let header = [0, 0x10, 0x40, 0, 0, 0, 0, 0];
        Some(outer4(17, &udp(5247, &[&header, &ethernet(ether_type(p), &p.bytes)[..]].concat())))
    }),
    tunnelled("authentication header", |p| {
        let mut bytes = p.bytes.clone();
        bytes[9] = 51;
        let total = u16::from_be_bytes([bytes[2], bytes[3]]) + 24;
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes.splice(20..20, [&[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0; 12]].concat());
        (!p.v6).then_some(bytes)
    }),
    tunnelled("hop-by-hop and destination options", |p| {
        extended(p, 0, &[60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0])
    }),
    tunnelled("atomic fragment", |p| extended(p, 44, &[6, 0, 0, 0, 0, 0, 0, 1])),
    tunnelled("Ethernet behind a segment routing header", |p| {
        let header = [&[143, 2, 4, 0, 0, 0, 0, 0][..], &[0xfd; 16]].concat();
        Some(outer6(43, &[&header, &ethernet(ether_type(p), &p.bytes)[..]].concat()))
    }),
];

pub(super) fn ether_type(packet: &Packet) -> u16 {
    if packet.v6 { 0x86dd } else { 0x0800 }
}

pub(super) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), payload].concat()
}

/// LLC and SNAP, then the packet.
pub(super) fn snap(packet: &Packet) -> Vec<u8> {
    [&[0xaa, 0xaa, 3, 0, 0, 0][..], &ether_type(packet).to_be_bytes(), &packet.bytes].concat()
}

/// The protocol of PPP, then the packet.
pub(super) fn ppp(packet: &Packet) -> Vec<u8> {
    [&[0, if packet.v6 { 0x57 } else { 0x21 }], &packet.bytes[..]].concat()
}

fn session(packet: &Packet) -> Vec<u8> {
    let payload = ppp(packet);
    [&[0x11, 0, 0, 7], &u16::try_from(payload.len()).expect("short").to_be_bytes()[..], &payload].concat()
}

fn tag(id: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes(), &kind.to_be_bytes(), payload].concat()
}

/// A tag of any length in front of the packet's EtherType.
fn tag4(bytes: &[u8], packet: &Packet) -> Vec<u8> {
    [bytes, &ether_type(packet).to_be_bytes(), &packet.bytes].concat()
}

fn outer4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(payload.len() + 20).expect("short").to_be_bytes();
    let header = [0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header, payload].concat()
}

fn outer6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let address = |host| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
    [&[0x60, 0, 0, 0, l0, l1, next, 64][..], &address(1), &address(2), payload].concat()
}

/// The packet with extension headers, the first of which is `next`.
fn extended(packet: &Packet, next: u8, headers: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = packet.bytes.clone();
    let length = u16::from_be_bytes([bytes[4], bytes[5]]) + u16::try_from(headers.len()).expect("short");
    bytes[4..6].copy_from_slice(&length.to_be_bytes());
    bytes[6] = next;
    bytes.splice(40..40, headers.iter().copied());
    packet.v6.then_some(bytes)
}

fn gre(flags: u16, protocol: u16, fields: &[u8], payload: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes(), &protocol.to_be_bytes(), fields, payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("short").to_be_bytes();
    [&[0xc3, 0x50], &port.to_be_bytes(), &length, &[0, 0], payload].concat()
}

fn vxlan(packet: &Packet) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(ether_type(packet), &packet.bytes)[..]].concat()
}

fn gtpu(flags: u8, fields: &[u8], packet: &Packet) -> Vec<u8> {
    let length = u16::try_from(packet.bytes.len() + fields.len()).expect("short").to_be_bytes();
    [&[flags, 255], &length[..], &[0, 0, 0, 1], fields, &packet.bytes].concat()
}
