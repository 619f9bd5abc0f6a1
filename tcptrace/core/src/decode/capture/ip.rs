//! IP headers, read as `tcptrace-ebpf` reads them: the same frame has to give the same event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{bytes::array, unread::Unread};
use crate::event::Family;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const ICMPV6: u8 = 58;

/// IPv6 extension headers walked. RFC 8200 §4.1 knows seven.
const EXTENSION_HEADERS: usize = 8;

/// Why a frame gives no event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// Its bytes end too soon: because of the snap length, or because it is malformed.
    Ends,
    /// It holds no IP, but this.
    NotIp(Unread),
    /// It holds no TCP and no ICMP error that quotes TCP, but this.
    NotTcp(Unread),
    /// It is a fragment of TCP other than the first.
    Fragment,
    /// It contradicts itself.
    Malformed,
    /// It has more layers of encapsulation than are read.
    Nested,
    /// The link type of its interface is not supported.
    LinkType,
    /// The file does not describe its interface.
    Interface,
}

/// What an IP header says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ip {
    /// Of what is behind it, and behind extension headers.
    pub(super) protocol: u8,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// Where the transport header begins.
    pub(super) transport: usize,
    /// Bytes from there to the end of the datagram, by the IP header.
    pub(super) payload: u32,
}

impl Ip {
    /// Reads the header that `bytes` begin with. `original` is the length of the datagram before the snap length cut it:
    /// BIG TCP and segments not yet cut up by the device have 0 in the header.
    pub(super) fn read(family: Family, bytes: &[u8], original: u32) -> Result<Self, Reason> {
        match family {
            Family::V4 => Self::v4(bytes, original),
            Family::V6 => Self::v6(bytes, original),
        }
    }

    /// An IPv4 header (RFC 791 §3.1), options skipped by its length.
    fn v4(bytes: &[u8], original: u32) -> Result<Self, Reason> {
        let header = bytes.first_chunk::<20>().ok_or(Reason::Ends)?;
        let &[first, _, t0, t1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
        let length = (first & 0xf) * 4;
        if first >> 4 != 4 || length < 20 {
            return Err(Reason::Malformed);
        }
        if u16::from_be_bytes([f0, f1]) & 0x1fff != 0 {
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
        })
    }

    /// An IPv6 header (RFC 8200 §3) and its extension headers.
    fn v6(bytes: &[u8], original: u32) -> Result<Self, Reason> {
        let (header, rest) = bytes.split_first_chunk::<40>().ok_or(Reason::Ends)?;
        let (&[first, _, _, _, l0, l1, next, _], addresses) = header.split_first_chunk().ok_or(Reason::Ends)?;
        if first >> 4 != 6 {
            return Err(Reason::Malformed);
        }
        let total = match u16::from_be_bytes([l0, l1]) {
            0 => original.saturating_sub(40),
            total => total.into(),
        };
        let (protocol, skipped) = extensions(rest, next)?;
        // IPv4-mapped is IPv4, as everywhere.
        let address = |at| array::<16>(addresses, at).map(|bytes| Ipv6Addr::from(bytes).to_canonical());
        Ok(Self {
            protocol,
            src: address(0).ok_or(Reason::Ends)?,
            dst: address(16).ok_or(Reason::Ends)?,
            transport: header.len() + skipped,
            payload: total.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX)),
        })
    }
}

/// The authentication header (RFC 4302 §2.2), which IPv4 may carry too: the protocol behind it and its length.
fn authentication(bytes: &[u8], at: usize, protocol: u8) -> Result<(u8, usize), Reason> {
    const AUTHENTICATION: u8 = 51;
    if protocol != AUTHENTICATION {
        return Ok((protocol, 0));
    }
    let [next, length] = array(bytes, at).ok_or(Reason::Ends)?;
    Ok((next, (usize::from(length) + 2) * 4))
}

/// Skips extension headers: the protocol behind them and their length.
fn extensions(bytes: &[u8], first: u8) -> Result<(u8, usize), Reason> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HIP: u8 = 139;
    const SHIM6: u8 = 140;

    let (mut protocol, mut skipped) = (first, 0);
    for _ in 0..EXTENSION_HEADERS {
        if !matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6)
        {
            break;
        }
        let [next, length, f0, f1] = array(bytes, skipped).ok_or(Reason::Ends)?;
        if protocol == FRAGMENT && u16::from_be_bytes([f0, f1]) & 0xfff8 != 0 {
            return Err(later_fragment(next));
        }
        skipped += match protocol {
            // RFC 8200 §4.5: always eight bytes.
            FRAGMENT => 8,
            // RFC 4302 §2.2: in words of four bytes, minus two.
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        protocol = next;
    }
    Ok((protocol, skipped))
}

fn later_fragment(protocol: u8) -> Reason {
    if protocol == TCP { Reason::Fragment } else { Reason::NotTcp(Unread::Protocol(protocol)) }
}
