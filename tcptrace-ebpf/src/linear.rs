//! The headers of nearly all segments as they nearly always lie: without IP options or extension headers, behind an
//! Ethernet header, in the buffer's linear part. They are read in place, without a helper call.

use core::arch::asm;

use aya_ebpf::bindings::__sk_buff;
use tcptrace_ebpf::{FAMILY_V4, FAMILY_V6};

use crate::{
    headers::{ETH_HEADER, ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, Ip, TcpHeader},
    socket::{address, mapped},
};

/// Where the IP header begins.
const IP: u64 = ETH_HEADER as u64;
/// Bytes of the TCP header that are read.
const TCP: u64 = 20;

/// Reads a value of `$kind`, which has `$bits` bits, at a constant offset. Nothing says that headers are aligned: Rust
/// wants that of a pointer it reads, the kernel's verifier and its processors do not.
macro_rules! load {
    ($kind:ty, $bits:literal, $from:expr, $at:expr) => {{
        let value: u64;
        // SAFETY: the verifier lets no program pass that reads where it must not.
        unsafe {
            asm!(
                concat!("{value} = *(u", $bits, " *)({from} + {at})"),
                value = lateout(reg) value,
                from = in(reg) $from,
                at = const $at,
                options(pure, readonly, nostack),
            );
        }
        value as $kind
    }};
}
macro_rules! byte {
    ($from:expr, $at:expr) => {
        load!(u8, "8", $from, $at)
    };
}
macro_rules! half {
    ($from:expr, $at:expr) => {
        load!(u16, "16", $from, $at)
    };
}
macro_rules! word {
    ($from:expr, $at:expr) => {
        load!(u32, "32", $from, $at)
    };
}
macro_rules! five_words {
    ($from:expr, $at:expr) => {
        [
            word!($from, $at),
            word!($from, $at + 4),
            word!($from, $at + 8),
            word!($from, $at + 12),
            word!($from, $at + 16),
        ]
    };
}
macro_rules! four_words {
    ($from:expr, $at:expr) => {
        [word!($from, $at), word!($from, $at + 4), word!($from, $at + 8), word!($from, $at + 12)]
    };
}

/// The headers of a segment that has them so; none for any other, and for what is no segment.
#[inline(always)]
pub(crate) fn headers(skb: *const __sk_buff) -> Option<(Ip, TcpHeader)> {
    // SAFETY: fields of the context.
    let (protocol, length, data, end) =
        unsafe { ((*skb).protocol as u16, (*skb).len, u64::from((*skb).data), u64::from((*skb).data_end)) };
    if data + (IP + 20 + TCP) > end || half!(data, 12) != protocol || is_bare(data, length) {
        return None;
    }
    match u16::from_be(protocol) {
        ETH_P_IP => {
            let total = u32::from(u16::from_be(half!(data, IP + 2)));
            let fragment = u16::from_be(half!(data, IP + 6)) & 0x1fff;
            // BIG TCP says that the datagram's length is 0.
            if byte!(data, IP) != 0x45 || byte!(data, IP + 9) != IPPROTO_TCP || fragment != 0 || total == 0 {
                return None;
            }
            let ip = Ip {
                family: FAMILY_V4,
                protocol: IPPROTO_TCP,
                src: mapped(word!(data, IP + 12)),
                dst: mapped(word!(data, IP + 16)),
                transport: 20,
                payload: total.saturating_sub(20),
            };
            Some((ip, five_words!(data, IP + 20)))
        }
        ETH_P_IPV6 if data + (IP + 40 + TCP) <= end => {
            let payload = u32::from(u16::from_be(half!(data, IP + 4)));
            if byte!(data, IP) >> 4 != 6 || byte!(data, IP + 6) != IPPROTO_TCP || payload == 0 {
                return None;
            }
            let ip = Ip {
                family: FAMILY_V6,
                protocol: IPPROTO_TCP,
                src: address(four_words!(data, IP + 8)),
                dst: address(four_words!(data, IP + 24)),
                transport: 40,
                payload,
            };
            Some((ip, five_words!(data, IP + 40)))
        }
        _ => None,
    }
}

/// Might the buffer begin with the IP header itself, as on devices without a link layer's? What follows could look like an
/// Ethernet header's type field by chance.
#[inline(always)]
fn is_bare(data: u64, length: u32) -> bool {
    let (total, after_fixed) = (u16::from_be(half!(data, 2)), u16::from_be(half!(data, 4)));
    match byte!(data, 0) >> 4 {
        4 => u32::from(total) == length,
        6 => u32::from(after_fixed) + 40 == length,
        _ => false,
    }
}
