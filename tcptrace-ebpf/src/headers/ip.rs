//! IP headers, and the extension headers between them and the transport header.

use super::{ETH_HEADER, Frame, IPPROTO_ICMPV6, IPPROTO_TCP, load};
use crate::{Address, FAMILY_V4, FAMILY_V6, Skip, address, mapped};

/// Maximum number of IPv6 extension headers that [`ip`] walks. RFC 8200 §4.1 knows seven.
const EXTENSION_HEADERS: u32 = 8;

/// Bytes of an IPv6 header without its extension headers.
const IPV6_FIXED: u32 = 40;

/// The contents of an IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ip {
    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub family: u8,
    /// Protocol number of the datagram's payload, behind extension headers.
    pub protocol: u8,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Offset of the transport header from the network header.
    pub transport: u32,
    /// Number of bytes from there to the end of the datagram, according to the IP header.
    pub payload: u32,
}

/// Reads the IP header at `offset`, of a whole datagram or a first fragment.
///
/// # Errors
/// Any [`Skip`] except [`Skip::NotIp`] and [`Skip::Unreadable`].
#[inline(always)]
pub fn ip(frame: &impl Frame, family: u8, offset: u32) -> Result<Ip, Skip> {
    ip_behind::<EXTENSION_HEADERS>(frame, family, offset)
}

/// Like [`ip`], behind at most `MOST` extension headers: each of them makes verification much longer.
///
/// # Errors
/// As for [`ip`].
#[inline(always)]
pub fn ip_behind<const MOST: u32>(frame: &impl Frame, family: u8, offset: u32) -> Result<Ip, Skip> {
    if family == FAMILY_V4 {
        ipv4(frame, &load(frame, offset)?, offset)
    } else {
        ipv6::<MOST>(frame, &load(frame, offset)?, offset)
    }
}

/// Reads an IPv4 header (RFC 791 §3.1), and skips its options.
#[inline(always)]
fn ipv4(frame: &impl Frame, header: &[u32; 5], offset: u32) -> Result<Ip, Skip> {
    let first = u32::from_be(header[0]);
    let length = (first >> 24 & 0xf) * 4;
    if first >> 28 != 4 || length < 20 {
        return Err(Skip::Malformed);
    }
    if u32::from_be(header[1]) & 0x1fff != 0 {
        return Err(Skip::Fragment);
    }
    let total = match first & 0xffff {
        0 => buffer_length(frame, offset),
        total => total,
    };
    Ok(Ip {
        family: FAMILY_V4,
        protocol: (u32::from_be(header[2]) >> 16) as u8,
        src: mapped(header[3]),
        dst: mapped(header[4]),
        transport: offset + length,
        payload: total.saturating_sub(length),
    })
}

/// Reads an IPv6 header (RFC 8200 §3) and its extension headers.
#[inline(always)]
fn ipv6<const MOST: u32>(frame: &impl Frame, header: &[u32; 10], offset: u32) -> Result<Ip, Skip> {
    if u32::from_be(header[0]) >> 28 != 6 {
        return Err(Skip::Malformed);
    }
    let second = u32::from_be(header[1]);
    let total = match second >> 16 {
        0 => buffer_length(frame, offset).saturating_sub(IPV6_FIXED),
        total => total,
    };
    let (protocol, skipped) = extensions::<MOST>(frame, (second >> 8) as u8, offset + IPV6_FIXED)?;
    Ok(Ip {
        family: FAMILY_V6,
        protocol,
        src: address([header[2], header[3], header[4], header[5]]),
        dst: address([header[6], header[7], header[8], header[9]]),
        transport: offset + IPV6_FIXED + skipped,
        payload: total.saturating_sub(skipped),
    })
}

/// The layout of a kind of extension header.
#[derive(Clone, Copy)]
struct Extension {
    /// Its length in bytes is `(length field & field) + more << shift`; 0 for what is no extension header.
    shift: u8,
    field: u8,
    more: u8,
    /// The bits of its second half that hold a fragment's offset.
    fragment_offset: u16,
}

/// The extension headers among all protocol numbers.
///
/// They are looked up, since each branch within the loop would multiply the ways through it that the kernel verifies.
static EXTENSIONS: [Extension; 256] = {
    const HOP_BY_HOP: usize = 0;
    const ROUTING: usize = 43;
    const FRAGMENT: usize = 44;
    const AUTHENTICATION: usize = 51;
    const DESTINATION: usize = 60;
    const MOBILITY: usize = 135;
    const HIP: usize = 139;
    const SHIM6: usize = 140;

    let mut all = [Extension { shift: 0, field: 0, more: 0, fragment_offset: 0 }; 256];
    // RFC 8200 §4.2: in units of eight bytes, without the first.
    let usual = Extension { shift: 3, field: 0xff, more: 1, fragment_offset: 0 };
    all[HOP_BY_HOP] = usual;
    all[ROUTING] = usual;
    all[DESTINATION] = usual;
    all[MOBILITY] = usual;
    all[HIP] = usual;
    all[SHIM6] = usual;
    // RFC 4302 §2.2: in words of four bytes, minus two.
    all[AUTHENTICATION] = Extension { shift: 2, field: 0xff, more: 2, fragment_offset: 0 };
    // RFC 8200 §4.5: always eight bytes.
    all[FRAGMENT] = Extension { shift: 3, field: 0, more: 1, fragment_offset: 0xfff8 };
    all
};

/// Walks the extension headers. Returns the protocol behind them, and their total length.
#[inline(always)]
fn extensions<const MOST: u32>(frame: &impl Frame, first: u8, offset: u32) -> Result<(u8, u32), Skip> {
    let mut protocol = first;
    let mut skipped = 0;
    let mut walked = 0;
    loop {
        let Extension { shift, field, more, fragment_offset } = EXTENSIONS[usize::from(protocol)];
        if shift == 0 {
            break;
        }
        if walked == MOST {
            return Err(Skip::ExtensionHeaders);
        }
        let header: [u8; 4] = load(frame, offset + skipped)?;
        if u16::from_be_bytes([header[2], header[3]]) & fragment_offset != 0 {
            return Err(Skip::Fragment);
        }
        skipped += (u32::from(header[1] & field) + u32::from(more)) << shift;
        protocol = header[0];
        walked += 1;
    }
    match protocol {
        IPPROTO_TCP | IPPROTO_ICMPV6 => Ok((protocol, skipped)),
        _ => Err(Skip::NotTcp),
    }
}

/// Returns the length of the datagram according to the buffer: with BIG TCP, which only Ethernet devices have, the IP
/// header says 0.
#[inline(always)]
fn buffer_length(frame: &impl Frame, offset: u32) -> u32 {
    frame.length().saturating_sub(ETH_HEADER + offset)
}
