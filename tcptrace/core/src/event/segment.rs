//! Segments as interfaces see them.

use std::{net::IpAddr, num::NonZeroU16};

use super::{BootTime, Direction, Endpoint, SocketKey};
use crate::tcp::TcpHeader;

/// One TCP header as TC or a capture saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Time of the event.
    pub at: BootTime,
    /// The sending socket, as long as the kernel still knows it: not for a segment from another host.
    pub socket: Option<SocketKey>,
    /// The local port of the socket that sends a SYN, before any address translation, where known.
    pub socket_port: Option<u16>,
    /// Inode number of the interface's network namespace, where known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// Interface index.
    pub ifindex: u32,
    /// Direction at the interface, if known: not every capture states it.
    pub direction: Option<Direction>,
    /// Source.
    pub src: Endpoint,
    /// Destination.
    pub dst: Endpoint,
    /// The header.
    pub header: TcpHeader,
    /// Payload length in bytes by the IP length; of all segments together if offloading merged several.
    pub length: u32,
    /// Number of segments merged by offloading, at least 1.
    pub segments: u16,
    /// Number that the decoder gave to the encapsulation (VLAN tags, labels and tunnels), from 1 to 65,534; `None` for a packet without
    /// any, and live.
    pub encapsulation: Option<NonZeroU16>,
}

impl Segment {
    /// Creates a segment without payload between two addresses, of which nothing but the header and the time is known.
    pub fn new(at: BootTime, from: IpAddr, to: IpAddr, header: TcpHeader) -> Self {
        Self {
            at,
            socket: None,
            socket_port: None,
            netns: None,
            conn_netns: None,
            ifindex: 0,
            direction: None,
            src: Endpoint { addr: from, port: header.src_port },
            dst: Endpoint { addr: to, port: header.dst_port },
            header,
            length: 0,
            segments: 1,
            encapsulation: None,
        }
    }
}
