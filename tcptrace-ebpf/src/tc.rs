//! Segments, from TC: at ingress before netfilter, at egress after it. Nothing is changed, and the next program decides
//! what becomes of the segment.

use aya_ebpf::{
    EbpfContext, bindings::TC_ACT_UNSPEC, helpers::generated::bpf_ktime_get_boot_ns, macros::classifier,
    programs::TcContext,
};
use tcptrace_ebpf::{
    ABSENT, DIRECTION_IN, DIRECTION_OUT, FAMILY_V4, FAMILY_V6, HINT_DEFER_ACCEPT, HintRecord, KIND_HINT, KIND_SEGMENT,
    LOST_SEGMENT, LOST_STATE, NO_REASON, SEGMENTS_ALL, SegmentRecord, Skip, filter,
    headers::{self, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, Ip, TCP_FIXED, TcpHeader, fast_path},
    watched_flows::{Flow, KernelTable},
};

use crate::{
    emit, hints, icmp,
    maps::{FilterMaps, setting},
    pending_states,
    skb::Skb,
    socket,
    tcp_states::LISTEN,
};

/// `AF_INET` of the kernel, as `struct bpf_sock` has it.
const AF_INET: u32 = 2;

/// `AF_INET6` of the kernel.
const AF_INET6: u32 = 10;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Incoming segments.
#[classifier]
pub(crate) fn tc_ingress(ctx: TcContext) -> i32 {
    observe(&ctx, DIRECTION_IN);
    TC_ACT_UNSPEC
}

/// Outgoing segments.
#[classifier]
pub(crate) fn tc_egress(ctx: TcContext) -> i32 {
    observe(&ctx, DIRECTION_OUT);
    TC_ACT_UNSPEC
}

#[inline(always)]
fn observe(ctx: &TcContext, direction: u8) {
    let skb = Skb::of(ctx.as_ptr().cast_const().cast());
    if let Err(reason) = observe_frame(&skb, direction) {
        emit::count_skip(reason);
    }
}

#[inline(always)]
fn observe_frame(skb: &Skb, direction: u8) -> Result<(), Skip> {
    let (ip, tcp) = match fast_path::headers(skb) {
        Some((ip, tcp)) if is_unwanted(&ip, &tcp) => return Ok(()),
        Some(found) => found,
        None => {
            let (family, offset) = headers::network(skb)?;
            let ip = headers::ip(skb, family, offset)?;
            match (family, ip.protocol) {
                (_, IPPROTO_TCP) => (ip, headers::load(skb, ip.transport)?),
                (FAMILY_V4, IPPROTO_ICMP) | (FAMILY_V6, IPPROTO_ICMPV6) => return icmp::see(skb, &ip, direction),
                _ => return Err(Skip::NotTcp),
            }
        }
    };
    segment(skb, &ip, &tcp, direction)
}

/// Facts that decide whether a segment is recorded.
struct Criteria {
    flow: Flow,
    flags: u8,
    seq: u32,
    /// Length of the TCP header in bytes, by its data offset.
    header_length: u32,
    /// Bytes of data.
    length: u32,
}

impl Criteria {
    #[inline(always)]
    fn of(ip: &Ip, tcp: &TcpHeader) -> Self {
        let (src_port, dst_port) = headers::ports(tcp);
        let header_length = headers::header_length(tcp);
        Self {
            flow: Flow::new(setting!(seed), (&ip.src, src_port), (&ip.dst, dst_port)),
            flags: (u32::from_be(tcp[3]) >> 16) as u8,
            seq: u32::from_be(tcp[1]),
            header_length,
            length: ip.payload.saturating_sub(header_length),
        }
    }

    /// Returns true if the segment opens or closes a connection, or if its sequence numbers cross a multiple of 2^30,
    /// by which user space counts how often they wrap.
    #[inline(always)]
    fn stands_out(&self) -> bool {
        self.flags & (SYN | FIN | RST) != 0 || self.seq >> 30 != self.seq.wrapping_add(self.length) >> 30
    }
}

/// Returns true for segments between the opening and the close of a connection, unless all are wanted.
#[inline(always)]
fn is_unwanted(ip: &Ip, tcp: &TcpHeader) -> bool {
    let criteria = Criteria::of(ip, tcp);
    setting!(segments) != SEGMENTS_ALL && !criteria.stands_out() && !criteria.flow.perhaps_watched(&KernelTable)
}

/// Records the segment if it is wanted and matches the filter.
#[inline(always)]
fn segment(skb: &Skb, ip: &Ip, tcp: &TcpHeader, direction: u8) -> Result<(), Skip> {
    let criteria = Criteria::of(ip, tcp);
    let (flow, flags) = (criteria.flow, criteria.flags);
    let ports = headers::ports(tcp);
    // No stack accepts it, so it changes nothing.
    let malformed = criteria.header_length < TCP_FIXED;
    let control = setting!(segments) != SEGMENTS_ALL;
    let plain = control && !malformed && !criteria.stands_out();
    if plain && !flow.perhaps_watched(&KernelTable) {
        return Ok(());
    }
    // Before the table is asked, since that counts the segment as recorded: between two namespaces of this host, it may
    // match only as it comes in.
    if !filter::matches(&FilterMaps, ip, ports, direction, skb.ifindex() == setting!(loopback)) {
        return Ok(());
    }
    if malformed {
        return Err(Skip::Malformed);
    }
    if control {
        let ack = if flags & ACK != 0 { Some(u32::from_be(tcp[2])) } else { None };
        let wanted = flags & SYN == 0 && flow.wants(&KernelTable, ack);
        if plain && !wanted {
            return Ok(());
        }
    }
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    if control && flags & (SYN | FIN | RST) != 0 {
        if flags & RST != 0 {
            flow.reset(&KernelTable);
        } else if flags & FIN != 0 {
            let syn = u32::from(flags & SYN != 0);
            flow.fin(&KernelTable, criteria.seq.wrapping_add(criteria.length + syn + 1), boot_ns);
        } else if flags & ACK != 0 {
            flow.expect_handshake_ack(&KernelTable, criteria.seq.wrapping_add(1), boot_ns);
        }
    }
    let mut socket_port = 0;
    if direction == DIRECTION_OUT && flags & (SYN | ACK) == SYN {
        let socket = skb.socket();
        // The socket's own port, if it can be read: after address translation, the SYN may have another one.
        if socket != 0 && setting!(socket.sport) != ABSENT {
            socket_port = socket::local_port(socket);
        }
        if setting!(matches) != 0 {
            pending_states::settle_by_syn(socket, if socket_port == 0 { ports.0 } else { socket_port });
        }
    }
    record(skb, ip, tcp, criteria.header_length, direction, boot_ns, socket_port);
    if direction == DIRECTION_OUT && flags & (SYN | ACK) == SYN | ACK {
        emit_deferral(skb, ip, ports, boot_ns);
    }
    Ok(())
}

/// Writes a hint for a SYN,ACK whose listener waits for data before it creates a socket.
#[inline(always)]
fn emit_deferral(skb: &Skb, ip: &Ip, (local_port, remote_port): (u16, u16), boot_ns: u64) {
    if let Some(listener) = hints::deferring_listener(skb.socket()) {
        emit::socket(&HintRecord {
            header: emit::header(LOST_STATE, KIND_HINT, ip.family, listener, boot_ns),
            netns: skb.netns(),
            reason: NO_REASON,
            local_port,
            remote_port,
            flags: 0,
            hint: HINT_DEFER_ACCEPT,
            socket_state: LISTEN,
            local_addr: ip.src,
            remote_addr: ip.dst,
        });
    }
}

/// Writes the record of a segment, whose payload is not copied.
#[inline(always)]
fn record(skb: &Skb, ip: &Ip, tcp: &TcpHeader, header_length: u32, direction: u8, boot_ns: u64, socket_port: u16) {
    let Some(mut entry) = emit::reserve::<SegmentRecord>(LOST_SEGMENT) else { return };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation is this program's and as large as a record, and every byte of it is written: the options
    // first as zeros. The socket is written directly, since Linux 5.10 refuses the pointer on the stack; its
    // family is read as a whole word, since the verifier refuses a part of it.
    unsafe {
        (*record).header = emit::header(LOST_SEGMENT, KIND_SEGMENT, ip.family, 0, boot_ns);
        let socket = (*skb.context()).__bindgen_anon_2.sk;
        // What a process writes to a tun device, or to a packet socket, carries the socket of that.
        if !socket.is_null() && matches!((*socket).family, AF_INET | AF_INET6) {
            (*record).header.socket = socket as u64;
        }
        (*record).netns = skb.netns();
        (*record).socket_port = socket_port;
        (*record).pad = 0;
        (*record).ifindex = skb.ifindex();
        (*record).ip_payload = ip.payload;
        (*record).gso_segs = (*skb.context()).gso_segs as u16;
        (*record).direction = direction;
        (*record).captured = TCP_FIXED as u8;
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
    let options = header_length.saturating_sub(TCP_FIXED).min(40);
    if options != 0 {
        // SAFETY: as above; the options follow the fixed part.
        unsafe {
            let to = (&raw mut (*record).tcp).cast::<u8>().add(TCP_FIXED as usize).cast::<[u8; 40]>();
            // A header that is shorter than it claims is recorded without its options.
            if headers::load_some(skb, ip.transport + TCP_FIXED, to, options) {
                (&raw mut (*record).captured).write(TCP_FIXED as u8 + options as u8);
            }
        }
    }
    emit::submit(entry);
}
