//! IP headers, parsed as `tcptrace-ebpf` parses them: the same frame must give the same event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{bytes::array, unread::Unread};
use crate::event::Family;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const ICMPV6: u8 = 58;

/// Maximum number of IPv6 extension headers to skip. RFC 8200 §4.1 defines seven.
const EXTENSION_HEADERS: usize = 8;

/// Reasons why a frame gives no event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The frame ends too early: because of the snap length, or because it is malformed.
    Ends,
    /// Something other than IP.
    NotIp(Unread),
    /// Something other than TCP or an ICMP error that quotes TCP.
    NotTcp(Unread),
    /// A fragment of TCP other than the first.
    Fragment,
    /// The first fragment of TCP, with a part of the header.
    FirstFragment,
    /// The snap length has cut the TCP header.
    CutTcp,
    /// The frame ends before the TCP header does, earlier than the IP header says, and was not cut.
    Shortened,
    /// Fields contradict each other.
    Malformed,
    /// More layers of encapsulation than are decoded.
    Nested,
    /// The link type of the interface is not supported.
    LinkType,
    /// The file does not describe the interface.
    Interface,
}

/// Contents of an IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ip {
    /// Protocol of the payload, after extension headers.
    pub(super) protocol: u8,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// Offset of the transport header in bytes.
    pub(super) transport: usize,
    /// Bytes from there to the end of the packet, according to the IP header.
    pub(super) payload: u32,
    /// True for the first of several fragments: the rest of the payload is in the others.
    pub(super) is_fragment: bool,
    /// Identification of the packet, 0 in IPv6.
    pub(super) id: u16,
    /// TTL or hop limit.
    pub(super) hops: u8,
}

impl Ip {
    /// Parses the header at the beginning of `bytes`. `original` is the length of the datagram before truncation by the
    /// snap length: BIG TCP and segments not yet split by the device have 0 in the header.
    pub(super) fn read(family: Family, bytes: &[u8], original: u32) -> Result<Self, Reason> {
        match family {
            Family::V4 => Self::v4(bytes, original),
            Family::V6 => Self::v6(bytes, original),
        }
    }

    /// Parses an IPv4 header (RFC 791 §3.1), skipping its options.
    fn v4(bytes: &[u8], original: u32) -> Result<Self, Reason> {
        let header = bytes.first_chunk::<20>().ok_or(Reason::Ends)?;
        let &[first, _, t0, t1, i0, i1, f0, f1, hops, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
        let length = (first & 0xf) * 4;
        if first >> 4 != 4 || length < 20 {
            return Err(Reason::Malformed);
        }
        let fragment = u16::from_be_bytes([f0, f1]);
        if fragment & 0x1fff != 0 {
            return Err(later_fragment(protocol));
        }
        let total = match u16::from_be_bytes([t0, t1]) {
            0 => original,
            total => total.into(),
        };
        let (protocol, skipped) = authentication(bytes, length.into(), protocol)?;
        let header = usize::from(length) + skipped;
        Ok(Self {
            protocol,
            src: Ipv4Addr::new(s0, s1, s2, s3).into(),
            dst: Ipv4Addr::new(d0, d1, d2, d3).into(),
            transport: header,
            payload: total.saturating_sub(u32::try_from(header).unwrap_or(u32::MAX)),
            // More fragments (RFC 791 §3.1).
            is_fragment: fragment & 0x2000 != 0,
            id: u16::from_be_bytes([i0, i1]),
            hops,
        })
    }

    /// Parses an IPv6 header (RFC 8200 §3) and its extension headers.
    fn v6(bytes: &[u8], original: u32) -> Result<Self, Reason> {
        let (header, rest) = bytes.split_first_chunk::<40>().ok_or(Reason::Ends)?;
        let (&[first, _, _, _, l0, l1, next, hops], addresses) = header.split_first_chunk().ok_or(Reason::Ends)?;
        if first >> 4 != 6 {
            return Err(Reason::Malformed);
        }
        let total = match u16::from_be_bytes([l0, l1]) {
            0 => original.saturating_sub(40),
            total => total.into(),
        };
        let Extensions { protocol, length: skipped, is_fragment } = extensions(rest, next)?;
        // IPv4-mapped addresses are IPv4, as everywhere.
        let address = |at| array::<16>(addresses, at).map(|bytes| Ipv6Addr::from(bytes).to_canonical());
        Ok(Self {
            protocol,
            src: address(0).ok_or(Reason::Ends)?,
            dst: address(16).ok_or(Reason::Ends)?,
            transport: header.len() + skipped,
            payload: total.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX)),
            is_fragment,
            id: 0,
            hops,
        })
    }
}

/// Returns the protocol after an authentication header (RFC 4302 §2.2), which IPv4 may carry too, and the header's
/// length.
fn authentication(bytes: &[u8], at: usize, protocol: u8) -> Result<(u8, usize), Reason> {
    const AUTHENTICATION: u8 = 51;
    if protocol != AUTHENTICATION {
        return Ok((protocol, 0));
    }
    let [next, length] = array(bytes, at).ok_or(Reason::Ends)?;
    Ok((next, (usize::from(length) + 2) * 4))
}

/// The extension headers of a packet.
struct Extensions {
    /// The protocol after them.
    protocol: u8,
    /// Their length in bytes.
    length: usize,
    is_fragment: bool,
}

/// Skips extension headers.
fn extensions(bytes: &[u8], first: u8) -> Result<Extensions, Reason> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HIP: u8 = 139;
    const SHIM6: u8 = 140;

    let (mut protocol, mut skipped, mut is_fragment) = (first, 0, false);
    for _ in 0..EXTENSION_HEADERS {
        if !matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6)
        {
            break;
        }
        let [next, length, f0, f1] = array(bytes, skipped).ok_or(Reason::Ends)?;
        if protocol == FRAGMENT {
            let fragment = u16::from_be_bytes([f0, f1]);
            if fragment & 0xfff8 != 0 {
                return Err(later_fragment(next));
            }
            // The M flag (RFC 8200 §4.5).
            is_fragment |= fragment & 1 != 0;
        }
        skipped += match protocol {
            // Always eight bytes (RFC 8200 §4.5).
            FRAGMENT => 8,
            // In 32-bit words, minus two (RFC 4302 §2.2).
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        protocol = next;
    }
    Ok(Extensions { protocol, length: skipped, is_fragment })
}

fn later_fragment(protocol: u8) -> Reason {
    if protocol == TCP { Reason::Fragment } else { Reason::NotTcp(Unread::Protocol(protocol)) }
}
