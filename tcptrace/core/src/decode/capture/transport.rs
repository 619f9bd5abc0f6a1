//! TCP segments, and ICMP errors that quote one, as events.

use std::num::NonZeroU16;

use super::{
    bytes::array,
    copies::Identity,
    ip::{ICMP, ICMPV6, Ip, Reason, TCP},
    layer::DEPTH,
    unread::Unread,
    walk::{Next, Walk},
};
use crate::{
    event::{BootTime, Direction, Endpoint, Event, Family, IcmpError, Segment},
    tcp::TcpHeader,
};

/// Time, interface and direction of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: BootTime,
    pub(super) ifindex: u32,
    pub(super) direction: Option<Direction>,
    /// Number of its encapsulation.
    pub(super) encapsulation: Option<NonZeroU16>,
}

/// Decodes a frame whose link-layer header `walk` has passed: `next` comes next. `original` is its untruncated length
/// in bytes.
pub(super) fn event(
    walk: &mut Walk,
    frame: &[u8],
    original: u32,
    mut next: Next,
    place: impl FnOnce(&Walk) -> Place,
) -> Result<Event, Reason> {
    let cut = frame.len() < original as usize;
    let mut in_fragment = false;
    for _ in 0..=DEPTH {
        let family = walk.descend_to_ip(frame, next)?;
        let rest = walk.rest(frame);
        let left = length(walk.end.saturating_sub(walk.offset));
        let ip = Ip::read(family, rest, left)?;
        let transport = rest.get(ip.transport..);
        let left = left.saturating_sub(length(ip.transport));
        match (ip.protocol, family) {
            (TCP, _) => {
                // The rest of a fragment's payload is in the other fragments.
                walk.shortened = !in_fragment && left < ip.payload;
                let kept = if walk.shortened { left } else { ip.payload };
                let bytes = transport.unwrap_or_default();
                let bytes = bytes.get(..ip.payload as usize).unwrap_or(bytes);
                let checksum = array(bytes, CHECKSUM).map_or(0, u16::from_be_bytes);
                walk.identity = Identity { ip_id: ip.id, checksum, hops: ip.hops };
                let whole = bytes.len() == ip.payload as usize;
                let header = header(bytes, whole && !ip.is_fragment).ok_or(match whole {
                    true if ip.is_fragment => Reason::FirstFragment,
                    true => Reason::Malformed,
                    false if cut => Reason::CutTcp,
                    false if in_fragment => Reason::FirstFragment,
                    false => Reason::Shortened,
                })?;
                return segment(&ip, header, kept, place(walk)).map(Event::Segment);
            }
            (ICMP, Family::V4) | (ICMPV6, Family::V6) => {
                return icmp(family, &ip, transport.ok_or(Reason::Ends)?, place(walk)).map(Event::Icmp);
            }
            _ => {
                // A protocol that is not a tunnel is not TCP, however little was captured.
                walk.offset += ip.transport;
                in_fragment |= ip.is_fragment;
                walk.end = walk.end.min(walk.offset.saturating_add(ip.payload as usize));
                next = walk.tunnel(frame, family, &ip)?;
            }
        }
    }
    Err(Reason::Nested)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Offset of the checksum in a TCP header (RFC 9293 §3.1).
const CHECKSUM: usize = 16;

/// Number of bytes of a TCP header from the ports to the window.
const UP_TO_WINDOW: usize = 16;

/// Parses a header that is `whole` or was cut. Options that were cut are dropped; those before them are kept. The checksum and
/// the urgent pointer may be cut off too, since no verdict needs them.
fn header(bytes: &[u8], whole: bool) -> Option<TcpHeader> {
    if whole {
        return TcpHeader::parse(bytes);
    }
    let header = match bytes.get(..UP_TO_WINDOW).filter(|_| bytes.len() < 20) {
        None => TcpHeader::parse(bytes)?,
        Some(kept) => {
            let mut padded = [0; 20];
            padded.get_mut(..UP_TO_WINDOW)?.copy_from_slice(kept);
            TcpHeader::parse(&padded)?
        }
    };
    if header.header_len() <= bytes.len() {
        return Some(header);
    }
    Some(TcpHeader { options: header.options.without_cut_one(), ..header })
}

/// `length` is that of header and data in bytes.
fn segment(ip: &Ip, header: TcpHeader, length: u32, place: Place) -> Result<Segment, Reason> {
    // A data offset below the fixed header (RFC 9293 §3.1): no stack accepts it as a segment.
    if header.data_offset < 20 {
        return Err(Reason::Malformed);
    }
    let header_len = u32::try_from(header.header_len()).unwrap_or(u32::MAX);
    Ok(Segment {
        socket_port: None,
        netns: None,
        conn_netns: None,
        at: place.at,
        socket: None,
        ifindex: place.ifindex,
        direction: place.direction,
        src: Endpoint { addr: ip.src, port: header.src_port },
        dst: Endpoint { addr: ip.dst, port: header.dst_port },
        header,
        length: length.saturating_sub(header_len),
        // A capture does not show how many segments a long one was or will be split into.
        segments: 1,
        encapsulation: place.encapsulation,
    })
}

fn icmp(family: Family, outer: &Ip, bytes: &[u8], place: Place) -> Result<IcmpError, Reason> {
    let (&[icmp_type, icmp_code, ..], quoted) = bytes.split_first_chunk::<8>().ok_or(Reason::Ends)?;
    let is_error = match family {
        // RFC 792: destination unreachable, source quench, time exceeded, parameter problem.
        Family::V4 => matches!(icmp_type, 3 | 4 | 11 | 12),
        // RFC 4443 §2.1: errors are below 128.
        Family::V6 => icmp_type < 128,
    };
    if !is_error {
        return Err(Reason::NotTcp(Unread::Icmp));
    }
    let inner = Ip::read(family, quoted, 0).map_err(|reason| match reason {
        Reason::Ends => Reason::Ends,
        _ => Reason::NotTcp(Unread::Icmp),
    })?;
    if inner.protocol != TCP {
        return Err(Reason::NotTcp(Unread::Icmp));
    }
    // RFC 792 guarantees eight bytes of the quoted segment: ports and sequence number.
    let segment = quoted.get(inner.transport..).ok_or(Reason::Ends)?;
    let &[s0, s1, d0, d1, q0, q1, q2, q3] = segment.first_chunk().ok_or(Reason::Ends)?;
    Ok(IcmpError {
        netns: None,
        conn_netns: None,
        at: place.at,
        ifindex: place.ifindex,
        direction: place.direction,
        from: outer.src,
        icmp_type,
        icmp_code,
        src: Endpoint { addr: inner.src, port: u16::from_be_bytes([s0, s1]) },
        dst: Endpoint { addr: inner.dst, port: u16::from_be_bytes([d0, d1]) },
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
    })
}
