//! Link-layer headers: from the first byte of a frame to the IP header, as `tcptrace-ebpf` finds it.

use super::{
    bytes::{Order, array},
    ip::Reason,
    link_type::Layout,
};
use crate::event::{Direction, Family};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;

/// Maximum number of VLAN tags to skip.
const VLAN_TAGS: usize = 2;

/// Contents of the link-layer header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    /// Family of the IP header …
    pub(super) family: Family,
    /// … and its offset in bytes.
    pub(super) offset: usize,
    /// Direction of the frame at the device.
    pub(super) direction: Option<Direction>,
    /// Index of the device, if one capture holds the frames of several.
    pub(super) device: Option<u32>,
}

impl Layout {
    /// Parses the headers at the beginning of `frame`.
    pub(super) fn read(self, frame: &[u8]) -> Result<Network, Reason> {
        let family = |family, offset| Ok(Network { family, offset, direction: None, device: None });
        match self {
            Self::Ethernet => {
                let &[.., p0, p1] = frame.first_chunk::<14>().ok_or(Reason::Ends)?;
                protocol(frame, 14, u16::from_be_bytes([p0, p1]))
            }
            Self::Raw => match frame.first().ok_or(Reason::Ends)? >> 4 {
                4 => family(Family::V4, 0),
                6 => family(Family::V6, 0),
                _ => Err(Reason::NotIp),
            },
            Self::Ip(known) => family(known, 0),
            Self::Null | Self::Loop => family(address_family(Order::Big.u32(frame, 0).ok_or(Reason::Ends)?)?, 4),
            Self::LinuxCooked1 => {
                let &[t0, t1, .., p0, p1] = frame.first_chunk::<16>().ok_or(Reason::Ends)?;
                let network = protocol(frame, 16, u16::from_be_bytes([p0, p1]))?;
                Ok(Network { direction: packet_type(u16::from_be_bytes([t0, t1])), ..network })
            }
            Self::LinuxCooked2 => {
                let &[p0, p1, _, _, i0, i1, i2, i3, _, _, packet, ..] =
                    frame.first_chunk::<20>().ok_or(Reason::Ends)?;
                let network = protocol(frame, 20, u16::from_be_bytes([p0, p1]))?;
                let device = Some(u32::from_be_bytes([i0, i1, i2, i3]));
                Ok(Network { direction: packet_type(packet.into()), device, ..network })
            }
        }
    }
}

/// Skips VLAN tags at `offset`, and returns the network layer that the EtherType names.
fn protocol(frame: &[u8], mut offset: usize, mut protocol: u16) -> Result<Network, Reason> {
    let mut tags = 0;
    while tags < VLAN_TAGS && matches!(protocol, ETH_P_8021Q | ETH_P_8021AD) {
        let [_, _, p0, p1] = array(frame, offset).ok_or(Reason::Ends)?;
        protocol = u16::from_be_bytes([p0, p1]);
        offset += 4;
        tags += 1;
    }
    let family = match protocol {
        ETH_P_IP => Family::V4,
        ETH_P_IPV6 => Family::V6,
        _ => return Err(Reason::NotIp),
    };
    Ok(Network { family, offset, direction: None, device: None })
}

/// Returns the family of a BSD loopback header. AF_INET is 2 everywhere; AF_INET6 differs from system to system. All
/// are below 256, which reveals numbers in the other byte order.
fn address_family(number: u32) -> Result<Family, Reason> {
    match if number > 0xffff { number.swap_bytes() } else { number } {
        2 => Ok(Family::V4),
        // Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 24 | 28 | 30 => Ok(Family::V6),
        _ => Err(Reason::NotIp),
    }
}

/// Returns the direction from Linux's `skb->pkt_type`: 4 is outgoing; everything else came in, whether for this host or
/// another.
fn packet_type(number: u16) -> Option<Direction> {
    const PACKET_OUTGOING: u16 = 4;
    Some(if number == PACKET_OUTGOING { Direction::Out } else { Direction::In })
}
