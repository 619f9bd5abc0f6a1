//! ICMP and ICMPv6 errors that quote a TCP segment.

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_ktime_get_boot_ns};
use tcptrace_ebpf::{FAMILY_V4, IcmpRecord, KIND_ICMP, LOST_SEGMENT, RecordHeader};

use crate::{
    emit,
    headers::{self, IPPROTO_TCP, Ip},
    tc,
};

/// Records the error at `outer.transport` if it quotes a segment that matches.
#[inline(always)]
pub(crate) fn see(skb: *const __sk_buff, outer: &Ip, direction: u8) -> Option<()> {
    let [icmp_type, icmp_code]: [u8; 2] = headers::load(skb, outer.transport)?;
    let error = if outer.family == FAMILY_V4 {
        // RFC 792: destination unreachable, source quench, time exceeded, parameter problem.
        matches!(icmp_type, 3 | 4 | 11 | 12)
    } else {
        // RFC 4443 §2.1: errors are below 128.
        icmp_type < 128
    };
    if !error {
        return None;
    }
    let quoted = headers::ip(skb, outer.family, outer.transport + 8)?;
    if quoted.protocol != IPPROTO_TCP {
        return None;
    }
    // RFC 792 promises eight bytes of what it quotes: ports and sequence number.
    let [ports, seq]: [u32; 2] = headers::load(skb, quoted.transport)?;
    let (ports, seq) = (u32::from_be(ports), u32::from_be(seq));
    let (src_port, dst_port) = ((ports >> 16) as u16, ports as u16);
    // An error that comes in is about a segment that went out, so its source is local.
    if !tc::matches(skb, &quoted, src_port, dst_port, direction ^ 1) {
        return None;
    }
    let mut entry = emit::reserve::<IcmpRecord>(LOST_SEGMENT)?;
    entry.write(IcmpRecord {
        header: RecordHeader {
            // SAFETY: the helper has no arguments.
            boot_ns: unsafe { bpf_ktime_get_boot_ns() },
            socket: 0,
            lost: emit::lost(LOST_SEGMENT),
            kind: KIND_ICMP,
            family: quoted.family,
            a: direction,
            b: 0,
        },
        // SAFETY: a field of the context.
        ifindex: unsafe { (*skb).ifindex },
        icmp_type,
        icmp_code,
        pad: 0,
        seq,
        src_port,
        dst_port,
        from: outer.src,
        src: quoted.src,
        dst: quoted.dst,
    });
    emit::submit(entry);
    Some(())
}
