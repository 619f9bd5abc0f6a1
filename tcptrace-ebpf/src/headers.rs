//! Finds the headers of a frame. Offsets count from the network header, whose place the kernel knows on devices with
//! and without Ethernet. Reading changes nothing, and also works outside the buffer's linear part.
//!
//! Frames are read through [`Frame`]: the kernel programs read socket buffers, the tests bytes of their own.

pub mod fast_path;
mod ip;

use core::mem::MaybeUninit;

pub use ip::{Ip, ip, ip_behind};
use zerocopy::FromBytes;

use crate::{
    FAMILY_V4, FAMILY_V6, Skip,
    branchless::{negative_if_0, one_if_negative},
};

/// Bytes of an Ethernet header.
pub const ETH_HEADER: u32 = 14;
/// EtherType of IPv4 (include/uapi/linux/if_ether.h).
pub const ETH_P_IP: u16 = 0x0800;
/// EtherType of IPv6.
pub const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;

/// Protocol number of ICMP.
pub const IPPROTO_ICMP: u8 = 1;
/// Protocol number of TCP.
pub const IPPROTO_TCP: u8 = 6;
/// Protocol number of ICMPv6.
pub const IPPROTO_ICMPV6: u8 = 58;

/// Maximum number of VLAN tags skipped: QinQ has two, one of which the kernel has already removed.
const VLAN_TAGS: u32 = 2;

/// Bytes of the fixed part of a TCP header.
pub const TCP_FIXED: u32 = 20;

/// The fixed part of a TCP header (RFC 9293 §3.1), as on the wire.
pub type TcpHeader = [u32; 5];

/// A frame as a TC program is given it: a `struct __sk_buff`.
pub trait Frame {
    /// Returns the frame's EtherType as the kernel has it, without a VLAN tag that it has removed; in network order.
    fn protocol(&self) -> u16;

    /// Returns the length of the frame in bytes, including the link layer's header.
    fn length(&self) -> u32;

    /// Copies `len` bytes at `offset` from the network header. Returns false if they are not all in the buffer's linear
    /// part (`bpf_skb_load_bytes_relative`).
    ///
    /// # Safety
    /// `to` must be valid for writes of `len` bytes.
    unsafe fn copy_linear(&self, offset: u32, to: *mut u8, len: u32) -> bool;

    /// Copies `len` bytes at `offset` from the beginning of the frame. Returns false if it does not have them all
    /// (`bpf_skb_load_bytes`).
    ///
    /// # Safety
    /// `to` must be valid for writes of `len` bytes.
    unsafe fn copy_any(&self, offset: u32, to: *mut u8, len: u32) -> bool;
}

/// Loads a `T` at `offset` from the network header.
///
/// # Errors
/// [`Skip::Truncated`] if the frame ends before it does.
#[inline(always)]
pub fn load<T: FromBytes>(frame: &impl Frame, offset: u32) -> Result<T, Skip> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the value has room for itself, and is filled when this succeeds.
    if unsafe { copy(frame, offset, value.as_mut_ptr().cast(), size_of::<T>() as u32) } {
        // SAFETY: filled, and any bytes are a `T`.
        Ok(unsafe { value.assume_init() })
    } else {
        Err(Skip::Truncated)
    }
}

/// Loads `len` bytes, at least 1 and at most `N`, into `to`. Returns false if the frame has fewer.
///
/// # Safety
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn load_some<const N: usize>(frame: &impl Frame, offset: u32, to: *mut [u8; N], len: u32) -> bool {
    // The compiler knows bounds of `len` that the verifier does not, and would omit or change the checks that the
    // verifier needs. `len - 1` is compared, since before 6.8 the verifier does not learn from `len != 0` that a length
    // is not 0.
    let rest = core::hint::black_box(u64::from(len).wrapping_sub(1));
    if rest >= N as u64 {
        return false;
    }
    // SAFETY: `to` has room for `N` bytes.
    unsafe { copy(frame, offset, to.cast(), rest as u32 + 1) }
}

/// Copies `len` bytes at `offset` from the network header.
///
/// # Safety
/// `to` must be valid for writes of `len` bytes.
#[inline(always)]
unsafe fn copy(frame: &impl Frame, offset: u32, to: *mut u8, len: u32) -> bool {
    // SAFETY: the caller's promise.
    if unsafe { frame.copy_linear(offset, to, len) } {
        return true;
    }
    // Beyond the linear part offsets count from the link layer's header.
    // SAFETY: as above.
    unsafe { frame.copy_any(link_header(frame) + offset, to, len) }
}

/// Returns the length of the link layer's header: that of Ethernet if there is one, whose type field is then the
/// protocol, otherwise 0.
#[inline(always)]
fn link_header(frame: &impl Frame) -> u32 {
    // No protocol of a segment is 0, which this stays in a frame that is too short.
    let mut protocol = 0_u16;
    // SAFETY: the destination has room for two bytes.
    unsafe { frame.copy_any(ETH_HEADER - 2, (&raw mut protocol).cast(), 2) };
    let differs = u32::from(protocol ^ frame.protocol());
    ETH_HEADER * one_if_negative(negative_if_0(differs)) as u32
}

/// Returns the family and the offset of the IP header, behind VLAN tags that are still in the bytes.
///
/// # Errors
/// [`Skip::NotIp`] or [`Skip::Truncated`].
#[inline(always)]
pub fn network(frame: &impl Frame) -> Result<(u8, u32), Skip> {
    let mut protocol = u16::from_be(frame.protocol());
    let mut offset = 0;
    let mut tags = 0;
    while tags < VLAN_TAGS && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD) {
        let tag: [u16; 2] = load(frame, offset)?;
        protocol = u16::from_be(tag[1]);
        offset += 4;
        tags += 1;
    }
    match protocol {
        ETH_P_IP => Ok((FAMILY_V4, offset)),
        ETH_P_IPV6 => Ok((FAMILY_V6, offset)),
        _ => Err(Skip::NotIp),
    }
}

/// Returns the source and the destination port.
#[inline(always)]
pub fn ports(tcp: &TcpHeader) -> (u16, u16) {
    split_ports(tcp[0])
}

/// Returns the source and the destination port, from the word that holds both on the wire.
#[inline(always)]
pub fn split_ports(word: u32) -> (u16, u16) {
    let ports = u32::from_be(word);
    ((ports >> 16) as u16, ports as u16)
}

/// Returns the length of the TCP header by its data offset, 0 to 60 bytes. Below [`TCP_FIXED`] the header is malformed.
#[inline(always)]
pub fn header_length(tcp: &TcpHeader) -> u32 {
    (u32::from_be(tcp[3]) >> 28) * 4
}

#[cfg(test)]
mod tests;
