//! The usual layout of headers, which nearly all segments have: behind an Ethernet header, without IP options or
//! extension headers, in the buffer's linear part. They are read in place, without a helper call.

use super::{ETH_HEADER, ETH_P_IP, ETH_P_IPV6, Frame, IPPROTO_TCP, Ip, TCP_FIXED, TcpHeader};
use crate::{FAMILY_V4, FAMILY_V6, address, mapped};

/// Offset of the IP header.
const IP: usize = ETH_HEADER as usize;
/// Number of bytes of the TCP header that are read.
const TCP: usize = TCP_FIXED as usize;

/// A frame whose linear part can be read in place. Values are in network order, and need not be aligned.
pub trait Linear: Frame {
    /// Returns true if the linear part has at least `bytes` bytes. Reads have to stay below that.
    fn holds(&self, bytes: usize) -> bool;
    /// The byte at `AT`.
    fn byte<const AT: usize>(&self) -> u8;
    /// The two bytes at `AT`.
    fn half<const AT: usize>(&self) -> u16;
    /// The four bytes at `AT`.
    fn word<const AT: usize>(&self) -> u32;
}

/// Returns the headers of a segment in the usual layout: Ethernet, then IPv4 or IPv6 that states its length and has
/// neither options, extension headers nor fragments, then TCP. `None` for all other frames.
#[inline(always)]
pub fn headers(frame: &impl Linear) -> Option<(Ip, TcpHeader)> {
    let protocol = frame.protocol();
    if !frame.holds(IP + 20 + TCP) || frame.half::<12>() != protocol || is_bare(frame) {
        return None;
    }
    match u16::from_be(protocol) {
        ETH_P_IP => {
            let total = u32::from(u16::from_be(frame.half::<{ IP + 2 }>()));
            let fragment = u16::from_be(frame.half::<{ IP + 6 }>()) & 0x1fff;
            // With BIG TCP the header says 0.
            if frame.byte::<IP>() != 0x45 || frame.byte::<{ IP + 9 }>() != IPPROTO_TCP || fragment != 0 || total == 0 {
                return None;
            }
            let ip = Ip {
                family: FAMILY_V4,
                protocol: IPPROTO_TCP,
                src: mapped(frame.word::<{ IP + 12 }>()),
                dst: mapped(frame.word::<{ IP + 16 }>()),
                transport: 20,
                payload: total.saturating_sub(20),
            };
            let tcp = [
                frame.word::<{ IP + 20 }>(),
                frame.word::<{ IP + 24 }>(),
                frame.word::<{ IP + 28 }>(),
                frame.word::<{ IP + 32 }>(),
                frame.word::<{ IP + 36 }>(),
            ];
            Some((ip, tcp))
        }
        ETH_P_IPV6 if frame.holds(IP + 40 + TCP) => {
            let payload = u32::from(u16::from_be(frame.half::<{ IP + 4 }>()));
            if frame.byte::<IP>() >> 4 != 6 || frame.byte::<{ IP + 6 }>() != IPPROTO_TCP || payload == 0 {
                return None;
            }
            let src = [
                frame.word::<{ IP + 8 }>(),
                frame.word::<{ IP + 12 }>(),
                frame.word::<{ IP + 16 }>(),
                frame.word::<{ IP + 20 }>(),
            ];
            let dst = [
                frame.word::<{ IP + 24 }>(),
                frame.word::<{ IP + 28 }>(),
                frame.word::<{ IP + 32 }>(),
                frame.word::<{ IP + 36 }>(),
            ];
            let ip = Ip {
                family: FAMILY_V6,
                protocol: IPPROTO_TCP,
                src: address(src),
                dst: address(dst),
                transport: 40,
                payload,
            };
            let tcp = [
                frame.word::<{ IP + 40 }>(),
                frame.word::<{ IP + 44 }>(),
                frame.word::<{ IP + 48 }>(),
                frame.word::<{ IP + 52 }>(),
                frame.word::<{ IP + 56 }>(),
            ];
            Some((ip, tcp))
        }
        _ => None,
    }
}

/// Returns true if the buffer may begin with the IP header itself, as on devices without a link layer: what follows
/// could look like the type field of an Ethernet header by chance.
#[inline(always)]
fn is_bare(frame: &impl Linear) -> bool {
    let (total, after_fixed) = (u16::from_be(frame.half::<2>()), u16::from_be(frame.half::<4>()));
    match frame.byte::<0>() >> 4 {
        4 => u32::from(total) == frame.length(),
        6 => u32::from(after_fixed) + 40 == frame.length(),
        _ => false,
    }
}
