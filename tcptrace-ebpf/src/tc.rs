//! Segments, from TC: at ingress before netfilter, at egress after it. Nothing is changed, and every path lets the next
//! program decide.

use aya_ebpf::{
    EbpfContext,
    bindings::{__sk_buff, TC_ACT_UNSPEC},
    helpers::generated::bpf_ktime_get_boot_ns,
    macros::classifier,
    programs::TcContext,
};
use tcptrace_ebpf::{
    DIRECTION_IN, DIRECTION_OUT, FAMILY_V4, KIND_SEGMENT, LOST_SEGMENT, RecordHeader, SEGMENTS_ALL, SegmentRecord,
};

use crate::{
    emit, filter,
    headers::{self, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, Ip},
    icmp,
    maps::{SCRATCH, setting},
    set_state,
    watch::{self, Flow},
};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Segments that came in.
#[classifier]
pub(crate) fn tc_ingress(ctx: TcContext) -> i32 {
    see(&ctx, DIRECTION_IN);
    TC_ACT_UNSPEC
}

/// Segments that go out.
#[classifier]
pub(crate) fn tc_egress(ctx: TcContext) -> i32 {
    see(&ctx, DIRECTION_OUT);
    TC_ACT_UNSPEC
}

/// The fixed part of a TCP header (RFC 9293 §3.1), as on the wire.
type TcpHeader = [u32; 5];

#[inline(always)]
fn see(ctx: &TcContext, direction: u8) -> Option<()> {
    let skb: *const __sk_buff = ctx.as_ptr().cast_const().cast();
    let (family, offset) = headers::network(skb)?;
    // Nearly all segments have no IP options and no extension headers: then one load brings both headers.
    let (ip, tcp): (Ip, TcpHeader) = if family == FAMILY_V4 {
        let both: [u32; 10] = headers::load(skb, offset)?;
        let ip = headers::ipv4(skb, &[both[0], both[1], both[2], both[3], both[4]], offset)?;
        if ip.protocol == IPPROTO_TCP && ip.transport == offset + 20 {
            (ip, [both[5], both[6], both[7], both[8], both[9]])
        } else if ip.protocol == IPPROTO_TCP {
            (ip, headers::load(skb, ip.transport)?)
        } else if ip.protocol == IPPROTO_ICMP {
            return icmp::see(skb, &ip, direction);
        } else {
            return None;
        }
    } else {
        let ip = headers::ip(skb, family, offset)?;
        match ip.protocol {
            IPPROTO_TCP => (ip, headers::load(skb, ip.transport)?),
            IPPROTO_ICMPV6 => return icmp::see(skb, &ip, direction),
            _ => return None,
        }
    };
    segment(skb, &ip, &tcp, direction)
}

/// Records the segment if it is one of those to record, and matches.
#[inline(always)]
fn segment(skb: *const __sk_buff, ip: &Ip, tcp: &TcpHeader, direction: u8) -> Option<()> {
    let ports = u32::from_be(tcp[0]);
    let (src_port, dst_port) = ((ports >> 16) as u16, ports as u16);
    let control = u32::from_be(tcp[3]);
    let flags = (control >> 16) as u8;
    let header_length = (control >> 28) * 4;
    let seq = u32::from_be(tcp[1]);
    let length = ip.payload.saturating_sub(header_length);

    if setting!(segments) != SEGMENTS_ALL {
        let flow = Flow::new(&ip.src, &ip.dst, src_port, dst_port);
        let back = || Flow::new(&ip.dst, &ip.src, dst_port, src_port);
        let ack = if flags & ACK != 0 { Some(u32::from_be(tcp[2])) } else { None };
        let wanted = flags & SYN == 0 && watch::wanted(flow, ack, back);
        // A range that crosses a multiple of 2^30 lets user space count how often the numbers went round.
        let crossing = seq >> 30 != seq.wrapping_add(length) >> 30;
        if flags & (SYN | FIN | RST) == 0 && !wanted && !crossing {
            return None;
        }
    }
    if !matches(skb, ip, src_port, dst_port, direction) {
        return None;
    }
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    if setting!(segments) != SEGMENTS_ALL && flags & (SYN | FIN | RST) != 0 {
        let flow = Flow::new(&ip.src, &ip.dst, src_port, dst_port);
        let back = Flow::new(&ip.dst, &ip.src, dst_port, src_port);
        if flags & RST != 0 {
            flow.reset(back);
        } else if flags & FIN != 0 {
            let syn = u32::from(flags & SYN != 0);
            flow.fin(back, seq.wrapping_add(length + syn + 1), boot_ns);
        } else if flags & ACK != 0 {
            back.expect_handshake_ack(seq.wrapping_add(1), boot_ns);
        }
    }
    if direction == DIRECTION_OUT && flags & (SYN | ACK) == SYN && setting!(matches) != 0 {
        settle_by_syn(skb, src_port);
    }
    record(skb, ip, tcp, header_length, direction, boot_ns)
}

/// Applies the filters: at ingress the destination is local, at egress the source, on loopback both.
#[inline(always)]
pub(crate) fn matches(skb: *const __sk_buff, ip: &Ip, src_port: u16, dst_port: u16, direction: u8) -> bool {
    let (src, dst) = ((&ip.src, src_port), (&ip.dst, dst_port));
    let (local, remote) = if direction == DIRECTION_IN { (dst, src) } else { (src, dst) };
    // SAFETY: a field of the context.
    let ifindex = unsafe { (*skb).ifindex };
    filter::segment(ip.family, local, remote, ifindex == setting!(loopback))
}

/// Writes the state change that waited for this SYN, so that it stands before it.
#[inline(always)]
fn settle_by_syn(skb: *const __sk_buff, local_port: u16) {
    if let Some(number) = SCRATCH.get_ptr_mut(0) {
        // SAFETY: this processor's own value. Written and read back, the pointer is a number to the verifier.
        let socket = unsafe {
            number.write_volatile((*skb).__bindgen_anon_2.sk as u64);
            number.read_volatile()
        };
        set_state::settle_by_syn(socket, local_port);
    }
}

/// Copies what a record holds, and nothing else.
#[inline(always)]
fn record(
    skb: *const __sk_buff,
    ip: &Ip,
    tcp: &TcpHeader,
    header_length: u32,
    direction: u8,
    boot_ns: u64,
) -> Option<()> {
    let mut entry = emit::reserve::<SegmentRecord>()?;
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation is ours, as large as a record, and every byte of it is written: first as plain fields,
    // then the options over the zeroes. The socket goes straight into it: on the stack 5.10 would refuse the pointer.
    unsafe {
        (*record).header = RecordHeader {
            boot_ns,
            socket: 0,
            lost: emit::lost(LOST_SEGMENT),
            kind: KIND_SEGMENT,
            family: ip.family,
            a: direction,
            b: 20,
        };
        if direction == DIRECTION_OUT {
            (*record).header.socket = (*skb).__bindgen_anon_2.sk as u64;
        }
        (*record).ifindex = (*skb).ifindex;
        (*record).ip_payload = ip.payload;
        (*record).gso_segs = (*skb).gso_segs as u16;
        (*record).pad = 0;
        (*record).src = ip.src;
        (*record).dst = ip.dst;
        let words = (&raw mut (*record).tcp).cast::<u32>();
        let mut i = 0;
        while i < 5 {
            words.add(i).write(tcp[i]);
            i += 1;
        }
        let options = words.add(5).cast::<u64>();
        i = 0;
        while i < 5 {
            options.add(i).write(0);
            i += 1;
        }
    }
    let options = header_length.saturating_sub(20).min(40);
    if options != 0 {
        // SAFETY: as above; the options lie behind the 20 bytes.
        let (to, captured) =
            unsafe { ((&raw mut (*record).tcp).cast::<u8>().add(20).cast::<[u8; 40]>(), &raw mut (*record).header.b) };
        // A header that claims more than there is gets recorded without its options.
        if headers::load_some(skb, ip.transport + 20, to, options) {
            // SAFETY: as above.
            unsafe { captured.write(20 + options as u8) };
        }
    }
    entry.submit(0);
    Some(())
}
