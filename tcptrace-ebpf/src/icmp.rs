//! ICMP and ICMPv6 errors that quote a TCP segment.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use tcptrace_ebpf::{
    FAMILY_V4, IcmpRecord, KIND_ICMP, LOST_SEGMENT, Skip, filter,
    headers::{self, IPPROTO_TCP, Ip},
};

use crate::{
    emit,
    maps::{FilterMaps, setting},
    skb::Skb,
};

/// Records the error at `outer.transport` if it quotes a segment that matches.
#[inline(always)]
pub(crate) fn see(skb: &Skb, outer: &Ip, direction: u8) -> Result<(), Skip> {
    let [icmp_type, icmp_code]: [u8; 2] = headers::load(skb, outer.transport)?;
    let error = if outer.family == FAMILY_V4 {
        // RFC 792: destination unreachable, source quench, time exceeded, parameter problem.
        matches!(icmp_type, 3 | 4 | 11 | 12)
    } else {
        // RFC 4443 §2.1: errors are below 128.
        icmp_type < 128
    };
    if !error {
        return Err(Skip::NotTcp);
    }
    let quoted = headers::ip(skb, outer.family, outer.transport + 8)?;
    if quoted.protocol != IPPROTO_TCP {
        return Err(Skip::NotTcp);
    }
    // RFC 792 guarantees eight bytes of the quoted datagram's payload: ports and sequence number.
    let [ports, seq]: [u32; 2] = headers::load(skb, quoted.transport)?;
    let ports = headers::split_ports(ports);
    // An incoming error quotes an outgoing segment, whose source is local.
    let loopback = skb.ifindex() == setting!(loopback);
    if !filter::matches(&FilterMaps, &quoted, ports, direction ^ 1, loopback) {
        return Ok(());
    }
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    if let Some(mut entry) = emit::reserve::<IcmpRecord>(LOST_SEGMENT) {
        entry.write(IcmpRecord {
            header: emit::header(LOST_SEGMENT, KIND_ICMP, quoted.family, 0, boot_ns),
            ifindex: skb.ifindex(),
            netns: skb.netns(),
            icmp_type,
            icmp_code,
            direction,
            pad: [0; 5],
            seq: u32::from_be(seq),
            src_port: ports.0,
            dst_port: ports.1,
            from: outer.src,
            src: quoted.src,
            dst: quoted.dst,
        });
        emit::submit(entry);
    }
    Ok(())
}
