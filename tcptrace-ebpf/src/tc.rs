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
    DIRECTION_IN, DIRECTION_OUT, FAMILY_V4, FAMILY_V6, KIND_SEGMENT, LOST_SEGMENT, RecordHeader, SEGMENTS_ALL,
    SegmentRecord,
};

use crate::{
    emit, filter,
    headers::{self, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, Ip, TcpHeader},
    icmp, linear,
    maps::{SCRATCH, setting},
    set_state,
    watch::Flow,
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

#[inline(always)]
fn see(ctx: &TcContext, direction: u8) -> Option<()> {
    let skb: *const __sk_buff = ctx.as_ptr().cast_const().cast();
    let (ip, tcp) = match linear::headers(skb) {
        Some((ip, tcp)) if is_unwanted(&ip, &tcp) => return None,
        Some(found) => found,
        None => walk(skb, direction)?,
    };
    segment(skb, &ip, &tcp, direction)
}

/// Finds the headers wherever they are; none for what is no segment.
#[inline(always)]
fn walk(skb: *const __sk_buff, direction: u8) -> Option<(Ip, TcpHeader)> {
    let (family, offset) = headers::network(skb)?;
    let ip = headers::ip(skb, family, offset)?;
    match (family, ip.protocol) {
        (_, IPPROTO_TCP) => Some((ip, headers::load(skb, ip.transport)?)),
        (FAMILY_V4, IPPROTO_ICMP) | (FAMILY_V6, IPPROTO_ICMPV6) => {
            icmp::see(skb, &ip, direction);
            None
        }
        _ => None,
    }
}

/// What decides whether a segment is recorded.
struct Look {
    flow: Flow,
    flags: u8,
    seq: u32,
    /// Bytes of TCP header, as it says itself.
    header_length: u32,
    /// Bytes of data.
    length: u32,
}

impl Look {
    #[inline(always)]
    fn at(ip: &Ip, tcp: &TcpHeader) -> Self {
        let (src_port, dst_port) = ports(tcp);
        let control = u32::from_be(tcp[3]);
        let header_length = (control >> 28) * 4;
        Self {
            flow: Flow::new(&ip.src, &ip.dst, src_port, dst_port),
            flags: (control >> 16) as u8,
            seq: u32::from_be(tcp[1]),
            header_length,
            length: ip.payload.saturating_sub(header_length),
        }
    }

    /// Does it open or close a connection, or does its range cross a multiple of 2^30, which lets user space count how
    /// often the numbers went round?
    #[inline(always)]
    fn stands_out(&self) -> bool {
        self.flags & (SYN | FIN | RST) != 0 || self.seq >> 30 != self.seq.wrapping_add(self.length) >> 30
    }
}

/// Source and destination port.
#[inline(always)]
fn ports(tcp: &TcpHeader) -> (u16, u16) {
    let ports = u32::from_be(tcp[0]);
    ((ports >> 16) as u16, ports as u16)
}

/// Is this one of the many segments between the opening and the close of their connections?
#[inline(always)]
fn is_unwanted(ip: &Ip, tcp: &TcpHeader) -> bool {
    let look = Look::at(ip, tcp);
    setting!(segments) != SEGMENTS_ALL && !look.stands_out() && !look.flow.perhaps_watched()
}

/// Records the segment if it is one of those to record, and matches.
#[inline(always)]
fn segment(skb: *const __sk_buff, ip: &Ip, tcp: &TcpHeader, direction: u8) -> Option<()> {
    let look = Look::at(ip, tcp);
    let (flow, flags) = (look.flow, look.flags);
    let (src_port, dst_port) = ports(tcp);
    let control = setting!(segments) != SEGMENTS_ALL;
    if control {
        let ack = if flags & ACK != 0 { Some(u32::from_be(tcp[2])) } else { None };
        let wanted = flags & SYN == 0 && flow.wants(ack);
        if !wanted && !look.stands_out() {
            return None;
        }
    }
    if !matches(skb, ip, src_port, dst_port, direction) {
        return None;
    }
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    if control && flags & (SYN | FIN | RST) != 0 {
        if flags & RST != 0 {
            flow.reset();
        } else if flags & FIN != 0 {
            let syn = u32::from(flags & SYN != 0);
            flow.fin(look.seq.wrapping_add(look.length + syn + 1), boot_ns);
        } else if flags & ACK != 0 {
            flow.expect_handshake_ack(look.seq.wrapping_add(1), boot_ns);
        }
    }
    if direction == DIRECTION_OUT && flags & (SYN | ACK) == SYN && setting!(matches) != 0 {
        settle_by_syn(skb, src_port);
    }
    record(skb, ip, tcp, look.header_length, direction, boot_ns)
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
    let mut entry = emit::reserve::<SegmentRecord>(LOST_SEGMENT)?;
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
    emit::submit(entry);
    Some(())
}
