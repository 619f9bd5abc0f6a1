//! A connection of which this host sees only the segments: the test makes the frames of both ends.

use std::net::SocketAddr;

use tcptrace_tests::{ACK, FIN, Netns, SYN, tcp_packet};

use super::{DOWN, Plain, UP};

/// `mss 1460,sackOK,nop,wscale 7`
const OPTIONS: [u8; 12] = [2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1];

/// Its two ends.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

impl Wire {
    pub(super) fn new(v6: bool, client_port: u16, server_port: u16) -> Self {
        let (client, server) = if v6 { ("fd09::2", "fd09::1") } else { ("10.9.0.2", "10.9.0.1") };
        let at = |ip: &str, port| SocketAddr::new(ip.parse().expect("an address"), port);
        Self { client: at(client, client_port), server: at(server, server_port) }
    }

    /// Returns all its packets, which begin with their IP header.
    pub(super) fn packets(&self) -> Vec<Vec<u8>> {
        const CLIENT: u32 = 7_000;
        // The numbers wrap in the middle of its data.
        const SERVER: u32 = u32::MAX - 10;
        let (up, down) = (u32::try_from(UP).expect("small"), u32::try_from(DOWN).expect("small"));
        let up_to = |offset: u32| CLIENT.wrapping_add(offset);
        let down_to = |offset: u32| SERVER.wrapping_add(offset);
        let from_client = |flags, seq, ack, length| self.packet(true, flags, (up_to(seq), down_to(ack)), length);
        let from_server = |flags, seq, ack, length| self.packet(false, flags, (down_to(seq), up_to(ack)), length);
        vec![
            from_client(SYN, 0, 0, 0),
            from_server(SYN | ACK, 0, 1, 0),
            from_client(ACK, 1, 1, 0),
            from_client(ACK, 1, 1, UP),
            from_server(ACK, 1, 1 + up, 0),
            from_server(ACK, 1, 1 + up, DOWN),
            from_client(FIN | ACK, 1 + up, 1 + down, 0),
            from_server(ACK, 1 + down, 2 + up, 0),
            from_server(FIN | ACK, 1 + down, 2 + up, 0),
            from_client(ACK, 2 + up, 2 + down, 0),
        ]
    }

    fn packet(&self, by_client: bool, flags: u8, numbers: (u32, u32), length: usize) -> Vec<u8> {
        let (from, to) = if by_client { (self.client, self.server) } else { (self.server, self.client) };
        let options = if flags & SYN == 0 { &[][..] } else { &OPTIONS };
        tcp_packet(from, to, flags, numbers, options, &vec![b'x'; length])
    }

    /// Returns the expected verdict, without anything that only sockets show.
    pub(super) fn plain<'a>(&self, netns: &'a Netns) -> Plain<'a> {
        Plain { here: (false, false), ..Plain::new(netns, self.client, self.server) }
    }
}
