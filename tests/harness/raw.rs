//! Raw segments, and socket options that the standard library does not have.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use etherparse::{Icmpv4Type, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, PacketBuilder};
use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::Netns;

/// Sets a socket option that has no wrapper: IP options, IPv6 extension headers.
#[track_caller]
pub fn set_option(socket: &impl AsFd, level: i32, name: i32, value: &[u8]) {
    let length = libc::socklen_t::try_from(value.len()).expect("socket options are short");
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the descriptor is open.
    let result = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    assert_eq!(result, 0, "option {name} of level {level}: {}", std::io::Error::last_os_error());
}

/// Returns a packet from the IP header on, with correct checksums: the segment has `flags` (as on the wire, FIN is 1),
/// `seq`, `ack`, these raw options and this payload.
#[track_caller]
pub fn tcp_packet(
    from: SocketAddr,
    to: SocketAddr,
    flags: u8,
    (seq, ack): (u32, u32),
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
        _ => panic!("{from} and {to} are of two families"),
    };
    let mut tcp = etherparse::TcpHeader::new(from.port(), to.port(), seq, 64240);
    tcp.acknowledgment_number = ack;
    tcp.fin = flags & 0x01 != 0;
    tcp.syn = flags & 0x02 != 0;
    tcp.rst = flags & 0x04 != 0;
    tcp.psh = flags & 0x08 != 0;
    tcp.ack = flags & 0x10 != 0;
    tcp.urg = flags & 0x20 != 0;
    tcp.ece = flags & 0x40 != 0;
    tcp.cwr = flags & 0x80 != 0;
    tcp.set_options_raw(options).expect("options fill whole words and fit the header");
    let packet = ip.tcp_header(tcp);
    let mut bytes = Vec::with_capacity(packet.size(payload.len()));
    packet.write(&mut bytes, payload).expect("a vector takes everything");
    bytes
}

/// Returns a pcap file of these raw IP packets (LINKTYPE_RAW), with times in microseconds.
#[track_caller]
pub fn raw_pcap(packets: &[(Duration, Vec<u8>)]) -> Vec<u8> {
    let word = |value: u64| u32::try_from(value).expect("it fits 32 bits").to_le_bytes();
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
    file.extend([0, 0, 65535, 101].map(word).concat());
    for (at, packet) in packets {
        let length = packet.len() as u64;
        file.extend([at.as_secs(), at.subsec_micros().into(), length, length].map(word).concat());
        file.extend(packet);
    }
    file
}

/// Returns an ICMP error of this type and code that `from` sends about an IPv4 packet, to its sender.
#[track_caller]
pub fn icmp_packet(from: IpAddr, (kind, code): (u8, u8), about: &[u8]) -> Vec<u8> {
    let IpAddr::V4(from) = from else { panic!("{from} is no IPv4 address") };
    let (header, rest) = Ipv4Header::from_slice(about).expect("an IPv4 header");
    // The header and the eight bytes after it (RFC 792).
    let quoted = [&about[..header.header_len()], &rest[..8]].concat();
    let unknown = Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: [0; 4] };
    let packet = PacketBuilder::ipv4(from.octets(), header.source, 64).icmpv4(unknown);
    let mut bytes = Vec::with_capacity(packet.size(quoted.len()));
    packet.write(&mut bytes, &quoted).expect("a vector takes everything");
    bytes
}

/// Returns a packet in two IP fragments; the second begins at this byte of the packet.
#[track_caller]
pub fn fragments(packet: &[u8], at: usize) -> [Vec<u8>; 2] {
    let cut = |payload: &[u8], header: usize| {
        let (first, rest) = payload.split_at(at - header);
        assert_eq!(first.len() % 8, 0, "fragments are counted in eight bytes");
        [(0, first.to_vec(), true), (first.len() / 8, rest.to_vec(), false)]
    };
    let offset = |words: usize| {
        let words = u16::try_from(words).expect("a packet is short");
        IpFragOffset::try_new(words).expect("a packet is short")
    };
    if packet[0] >> 4 == 4 {
        let (header, payload) = Ipv4Header::from_slice(packet).expect("an IPv4 header");
        cut(payload, header.header_len()).map(|(words, payload, more)| {
            let mut header = header.clone();
            (header.identification, header.dont_fragment) = (77, false);
            (header.fragment_offset, header.more_fragments) = (offset(words), more);
            header.set_payload_len(payload.len()).expect("a packet is short");
            header.header_checksum = header.calc_header_checksum();
            [header.to_bytes().as_slice(), &payload].concat()
        })
    } else {
        let (header, payload) = Ipv6Header::from_slice(packet).expect("an IPv6 header");
        cut(payload, header.header_len()).map(|(words, payload, more)| {
            let fragment = Ipv6FragmentHeader::new(header.next_header, offset(words), more, 77).to_bytes();
            let mut header = header.clone();
            header.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
            header.set_payload_length(fragment.len() + payload.len()).expect("a packet is short");
            [header.to_bytes().as_slice(), &fragment, &payload].concat()
        })
    }
}

/// Sender of packets with an IP header made by the test.
pub struct RawSender {
    v4: Socket,
    v6: Socket,
}

impl RawSender {
    /// Opens raw sockets inside `netns`.
    #[track_caller]
    pub fn new(netns: &Netns) -> Self {
        // The protocol number RAW means that the IP header is included.
        let raw = |domain| Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)));
        let (v4, v6) = netns.run(|| (raw(Domain::IPV4), raw(Domain::IPV6)));
        Self { v4: v4.expect("root may have raw sockets"), v6: v6.expect("root may have raw sockets") }
    }

    /// Sends a packet that begins with its IP header.
    #[track_caller]
    pub fn send(&self, packet: &[u8], to: IpAddr) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let sent = socket.send_to(packet, &SocketAddr::new(to, 0).into()).expect("the packet can be sent");
        assert_eq!(sent, packet.len());
    }
}
