//! A tun device whose other side is the test.

use std::{
    fs::File,
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use etherparse::{NetSlice, SlicedPacket, TcpOptionElement, TransportSlice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{actor::TRAFFIC_LIMIT, device, netns::Netns};

/// A tun device: a network interface without Ethernet headers. The test reads the packets that the kernel sends, and the
/// kernel receives those that the test writes. Removed on drop.
pub struct Tun {
    file: File,
}

/// A segment read from the device.
#[derive(Debug)]
pub struct Received {
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// SYN.
    pub syn: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// All flags, as on the wire.
    pub flags: u8,
    /// The value of its timestamps option.
    pub timestamp: Option<u32>,
    /// The acknowledgement number, with ACK.
    pub ack: Option<u32>,
    /// The sequence number.
    pub seq: u32,
    /// Bytes of payload.
    pub length: u32,
}

impl Tun {
    /// Creates the device inside `netns` and sets it up. The kernel's end has the addresses 10.8.0.1 and fd08::1; all other
    /// addresses of these networks are on the test's side.
    #[track_caller]
    pub fn new(netns: &Netns, name: &str) -> Self {
        let file = device::open(netns, name, libc::IFF_TUN);
        netns.ip(&["link", "set", name, "addrgenmode", "none"]);
        netns.ip(&["addr", "add", "10.8.0.1/24", "dev", name]);
        netns.ip(&["addr", "add", "fd08::1/64", "dev", name, "nodad"]);
        netns.ip(&["link", "set", name, "up"]);
        Self { file }
    }

    /// Waits for the next TCP segment; other packets are ignored.
    #[track_caller]
    pub fn receive(&self) -> Received {
        self.receive_packet(TRAFFIC_LIMIT).expect("a segment comes out of the device").0
    }

    /// Waits this long for the next TCP segment, and returns it with its bytes from the IP header on.
    #[track_caller]
    pub fn receive_packet(&self, limit: Duration) -> Option<(Received, Vec<u8>)> {
        let deadline = Instant::now() + limit;
        let mut buffer = vec![0; 65536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a few seconds are a valid time");
            let ready = poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)).expect("poll works");
            if ready == 0 {
                return None;
            }
            let length = (&self.file).read(&mut buffer).expect("the device can be read");
            if let Some(received) = parse(&buffer[..length]) {
                return Some((received, buffer[..length].to_vec()));
            }
        }
    }

    /// Makes the kernel receive a packet, which begins with its IP header.
    #[track_caller]
    pub fn send(&self, packet: &[u8]) {
        (&self.file).write_all(packet).expect("the device takes a packet");
    }
}

fn parse(packet: &[u8]) -> Option<Received> {
    let packet = SlicedPacket::from_ip(packet).ok()?;
    let (from, to) = match packet.net? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()))
        }
        NetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = packet.transport? else { return None };
    Some(Received {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        flags: tcp.slice()[13],
        timestamp: tcp.options_iterator().filter_map(Result::ok).find_map(|option| match option {
            TcpOptionElement::Timestamp(value, _) => Some(value),
            _ => None,
        }),
        ack: tcp.ack().then(|| tcp.acknowledgment_number()),
        seq: tcp.sequence_number(),
        length: u32::try_from(tcp.payload().len()).expect("a packet is short"),
    })
}
