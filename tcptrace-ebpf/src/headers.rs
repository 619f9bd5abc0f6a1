//! Finding the transport header. Offsets are from the network header, which is where it should be on devices with and
//! without Ethernet. Reading changes nothing, and finds what lies outside the buffer's linear part too.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_hdr_start_off::BPF_HDR_START_NET},
    helpers::generated::{bpf_skb_load_bytes, bpf_skb_load_bytes_relative},
};
use tcptrace_ebpf::{Address, FAMILY_V4, FAMILY_V6};

use crate::socket::{address, mapped};

pub(crate) const ETH_HEADER: u32 = 14;
pub(crate) const ETH_P_IP: u16 = 0x0800;
pub(crate) const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;

pub(crate) const IPPROTO_ICMP: u8 = 1;
pub(crate) const IPPROTO_TCP: u8 = 6;
pub(crate) const IPPROTO_ICMPV6: u8 = 58;

/// Tags looked behind: QinQ has two, one of which the kernel has taken out already.
const VLAN_TAGS: u32 = 2;
/// IPv6 extension headers walked. RFC 8200 §4.1 knows seven.
const EXTENSION_HEADERS: u32 = 8;

/// The fixed part of a TCP header (RFC 9293 §3.1), as on the wire.
pub(crate) type TcpHeader = [u32; 5];

/// What an IP header says.
#[derive(Clone, Copy)]
pub(crate) struct Ip {
    pub(crate) family: u8,
    pub(crate) protocol: u8,
    pub(crate) src: Address,
    pub(crate) dst: Address,
    /// Where the transport header begins.
    pub(crate) transport: u32,
    /// Bytes from there to the end of the datagram, by the IP header.
    pub(crate) payload: u32,
}

/// Loads a `T` at `offset`, or none where the buffer is shorter.
#[inline(always)]
pub(crate) fn load<T: Copy>(skb: *const __sk_buff, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the value has room for itself, and is filled when this succeeds.
    if unsafe { read(skb, offset, value.as_mut_ptr().cast(), size_of::<T>() as u32) } {
        // SAFETY: filled.
        Some(unsafe { value.assume_init() })
    } else {
        None
    }
}

/// Reads `len` bytes at `offset`.
///
/// # Safety
/// `to` has to have room for them.
#[inline(always)]
unsafe fn read(skb: *const __sk_buff, offset: u32, to: *mut u8, len: u32) -> bool {
    // SAFETY: the helper checks the buffer, and the caller the destination.
    if unsafe { bpf_skb_load_bytes_relative(skb.cast(), offset, to.cast(), len, BPF_HDR_START_NET) } == 0 {
        return true;
    }
    // That helper knows the linear part alone; the one that knows the rest counts from the link layer's header.
    let link = if on_ethernet(skb) { ETH_HEADER } else { 0 };
    // SAFETY: as above.
    unsafe { bpf_skb_load_bytes(skb.cast(), link + offset, to.cast(), len) == 0 }
}

/// Does the buffer begin with an Ethernet header? Then its type field, or that of a VLAN tag taken out, is the protocol.
#[inline(always)]
fn on_ethernet(skb: *const __sk_buff) -> bool {
    let mut protocol = 0_u16;
    // SAFETY: the helper checks the buffer, and the destination has room for two bytes.
    let result = unsafe { bpf_skb_load_bytes(skb.cast(), ETH_HEADER - 2, (&raw mut protocol).cast(), 2) };
    // SAFETY: a field of the context.
    result == 0 && u32::from(protocol) == unsafe { (*skb).protocol }
}

/// Loads `len` bytes, at least 1 and at most `N`, into `to`.
#[inline(always)]
pub(crate) fn load_some<const N: usize>(skb: *const __sk_buff, offset: u32, to: *mut [u8; N], len: u32) -> bool {
    // The compiler knows bounds of `len` that the verifier does not, and would leave out or bend the checks it needs. What
    // is checked is one less: before 6.8 the verifier does not learn from a comparison with 0 that a length is not 0.
    let rest = core::hint::black_box(u64::from(len).wrapping_sub(1));
    if rest >= N as u64 {
        return false;
    }
    // SAFETY: `to` has room for `N` bytes.
    unsafe { read(skb, offset, to.cast(), rest as u32 + 1) }
}

/// The family and where the IP header begins, behind VLAN tags that are still in the bytes.
#[inline(always)]
pub(crate) fn network(skb: *const __sk_buff) -> Option<(u8, u32)> {
    // SAFETY: a field of the context.
    let mut protocol = u16::from_be(unsafe { (*skb).protocol } as u16);
    let mut offset = 0;
    let mut tags = 0;
    while tags < VLAN_TAGS && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD) {
        let tag: [u16; 2] = load(skb, offset)?;
        protocol = u16::from_be(tag[1]);
        offset += 4;
        tags += 1;
    }
    match protocol {
        ETH_P_IP => Some((FAMILY_V4, offset)),
        ETH_P_IPV6 => Some((FAMILY_V6, offset)),
        _ => None,
    }
}

/// Reads the IP header at `offset`; none for what is no IP, or no first fragment.
#[inline(always)]
pub(crate) fn ip(skb: *const __sk_buff, family: u8, offset: u32) -> Option<Ip> {
    if family == FAMILY_V4 { ipv4(skb, &load(skb, offset)?, offset) } else { ipv6(skb, &load(skb, offset)?, offset) }
}

/// An IPv4 header (RFC 791 §3.1), options skipped by its length.
#[inline(always)]
pub(crate) fn ipv4(skb: *const __sk_buff, header: &[u32; 5], offset: u32) -> Option<Ip> {
    let first = u32::from_be(header[0]);
    let length = (first >> 24 & 0xf) * 4;
    let fragment = u32::from_be(header[1]) & 0x1fff;
    if first >> 28 != 4 || length < 20 || fragment != 0 {
        return None;
    }
    let total = match first & 0xffff {
        0 => buffer_length(skb, offset),
        total => total,
    };
    Some(Ip {
        family: FAMILY_V4,
        protocol: (u32::from_be(header[2]) >> 16) as u8,
        src: mapped(header[3]),
        dst: mapped(header[4]),
        transport: offset + length,
        payload: total.saturating_sub(length),
    })
}

/// An IPv6 header (RFC 8200 §3) and its extension headers.
#[inline(always)]
pub(crate) fn ipv6(skb: *const __sk_buff, header: &[u32; 10], offset: u32) -> Option<Ip> {
    if u32::from_be(header[0]) >> 28 != 6 {
        return None;
    }
    let second = u32::from_be(header[1]);
    let total = match second >> 16 {
        0 => buffer_length(skb, offset).saturating_sub(40),
        total => total,
    };
    let (protocol, skipped) = extensions(skb, (second >> 8) as u8, offset + 40)?;
    Some(Ip {
        family: FAMILY_V6,
        protocol,
        src: address([header[2], header[3], header[4], header[5]]),
        dst: address([header[6], header[7], header[8], header[9]]),
        transport: offset + 40 + skipped,
        payload: total.saturating_sub(skipped),
    })
}

/// Skips extension headers: the protocol behind them and their length. None for a fragment other than the first.
#[inline(always)]
fn extensions(skb: *const __sk_buff, first: u8, offset: u32) -> Option<(u8, u32)> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HIP: u8 = 139;
    const SHIM6: u8 = 140;

    let mut protocol = first;
    let mut skipped = 0;
    let mut walked = 0;
    while walked < EXTENSION_HEADERS {
        if protocol == IPPROTO_TCP || protocol == IPPROTO_ICMPV6 {
            break;
        }
        let length = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => 8,
            AUTHENTICATION => 4,
            FRAGMENT => 0,
            _ => return None,
        };
        let header: [u8; 4] = load(skb, offset + skipped)?;
        if protocol == FRAGMENT && u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0 {
            return None;
        }
        skipped += match length {
            // RFC 8200 §4.5: always eight bytes.
            0 => 8,
            // RFC 4302 §2.2: in words of four bytes, minus two.
            4 => (u32::from(header[1]) + 2) * 4,
            _ => (u32::from(header[1]) + 1) * 8,
        };
        protocol = header[0];
        walked += 1;
    }
    Some((protocol, skipped))
}

/// Length of the datagram by the buffer: with BIG TCP the IP header says 0. Only Ethernet devices do that.
#[inline(always)]
fn buffer_length(skb: *const __sk_buff, offset: u32) -> u32 {
    // SAFETY: a field of the context.
    unsafe { (*skb).len }.saturating_sub(ETH_HEADER + offset)
}
