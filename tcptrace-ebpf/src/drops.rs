//! Segments that the kernel drops, from the tracepoint `skb:kfree_skb`: their headers, the reason and the place.
//!
//! The kernel frees buffers of any kind here. The reason alone rules out nearly all of them, and a few reads the rest
//! that hold no segment.

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_snprintf},
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use tcptrace_ebpf::{
    DIRECTION_OUT, DROP_REASONS, DropRecord, FAMILY_V4, FAMILY_V6, KIND_DROP, LOST_SEGMENT, MATCH_INTERFACES, Skip,
    filter::{self, Lists as _},
    headers::{self, ETH_P_IP, ETH_P_IPV6, Frame as _, IPPROTO_TCP, TcpHeader},
};

use crate::{
    dropped_buffer::DroppedBuffer,
    emit,
    kernel_memory::Memory as _,
    maps::{self, FilterMaps, setting},
    pending_states, socket,
    tcp_states::SYN_SENT,
};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Maximum number of IPv6 extension headers behind which a segment is found.
const EXTENSION_HEADERS: u32 = 2;

/// Lower bound of the inode numbers of namespaces (`PROC_DYNAMIC_FIRST` of fs/proc/generic.c, less some for those that
/// newer kernels fix). While a segment waits in a queue of its socket, the field of its device holds other data.
const NAMESPACES: u32 = 0xe000_0000;

/// Makes `bpf_snprintf` write the name of the function that contains an address. The helper requires it to be in a map.
#[unsafe(no_mangle)]
static SYMBOL: [u8; 4] = *b"%ps\0";

/// `(struct sk_buff *skb, void *location, enum skb_drop_reason reason[, struct sock *rx_sk])`, since Linux 5.17.
#[raw_tracepoint]
pub(crate) fn drop_segment(ctx: RawTracePointContext) -> i32 {
    let reason: u32 = ctx.arg(2);
    if is_recorded(reason) {
        // Buffers that hold no segment or cannot be read are not counted.
        let _ = see(ctx.arg(0), ctx.arg(1), reason);
    }
    0
}

/// Returns true if this is a reason to drop a segment, not merely to free a buffer.
#[inline(always)]
fn is_recorded(reason: u32) -> bool {
    if reason >= DROP_REASONS {
        return false;
    }
    let words = (&raw const maps::CONFIG.drop_reasons).cast::<u64>();
    // The verifier must see the bound, which the compiler would omit as known.
    let index = core::hint::black_box(reason as usize >> 6) & (DROP_REASONS as usize / 64 - 1);
    // SAFETY: the index is below the number of words.
    let word = maps::read_setting(unsafe { words.add(index) });
    word >> (reason & 63) & 1 != 0
}

#[inline(always)]
fn see(skb: u64, location: u64, reason: u32) -> Result<(), Skip> {
    let buffer = DroppedBuffer::of(skb)?;
    // By the time it is dropped, VLAN tags have been removed or are in front of its network header.
    let family = match u16::from_be(buffer.protocol()) {
        ETH_P_IP => FAMILY_V4,
        ETH_P_IPV6 => FAMILY_V6,
        _ => return Err(Skip::NotIp),
    };
    let ip = headers::ip_behind::<EXTENSION_HEADERS>(&buffer, family, 0)?;
    if ip.protocol != IPPROTO_TCP {
        return Err(Skip::NotTcp);
    }
    let tcp: TcpHeader = headers::load(&buffer, ip.transport)?;
    let ports = headers::ports(&tcp);
    // Nothing here shows its direction.
    if !filter::matches(&FilterMaps, &ip, ports, DIRECTION_OUT, true) {
        return Ok(());
    }
    let place = Place::of(skb);
    if !place.matches() {
        return Ok(());
    }
    let flags = (u32::from_be(tcp[3]) >> 16) as u8;
    let socket = if flags & (SYN | ACK) == SYN { connecting(skb) } else { 0 };
    if socket != 0 && setting!(matches) != 0 {
        let port = socket::local_port(socket);
        pending_states::settle_by_syn(socket, if port == 0 { ports.0 } else { port });
    }
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    let Some(mut entry) = emit::reserve::<DropRecord>(LOST_SEGMENT) else { return Ok(()) };
    entry.write(DropRecord {
        header: emit::header(LOST_SEGMENT, KIND_DROP, ip.family, socket, boot_ns),
        src: ip.src,
        dst: ip.dst,
        ifindex: place.ifindex,
        netns: place.netns,
        reason,
        seq: u32::from_be(tcp[1]),
        length: ip.payload.saturating_sub(headers::header_length(&tcp)),
        src_port: ports.0,
        dst_port: ports.1,
        flags: u16::from_be_bytes([(u32::from_be(tcp[3]) >> 24) as u8 & 1, flags]),
        pad: [0; 3],
        location: [0; 6],
    });
    // SAFETY: the field has room for the name; the format is in a map that nobody writes to, and has one argument. If
    // this fails, there is no name.
    unsafe {
        let name = (&raw mut (*entry.as_mut_ptr()).location).cast();
        let format = (&raw const SYMBOL).cast_mut().cast();
        bpf_snprintf(name, size_of::<[u64; 6]>() as u32, format, (&raw const location).cast_mut().cast(), 8);
    }
    emit::submit(entry);
    Ok(())
}

/// Returns the socket in SYN_SENT that sends this SYN; 0 if the buffer has another socket or none.
#[inline(always)]
fn connecting(skb: u64) -> u64 {
    let socket: u64 = skb.read(setting!(drops.sk)).unwrap_or(0);
    if socket != 0 && socket.read(setting!(hints.state)) == Ok(SYN_SENT) { socket } else { 0 }
}

/// Interface and network namespace of a buffer, each 0 if unknown.
struct Place {
    ifindex: u32,
    netns: u32,
}

impl Place {
    #[inline(always)]
    fn of(skb: u64) -> Self {
        let device: u64 = skb.read(setting!(hints.dev)).unwrap_or(0);
        let netns = netns_of_device(device);
        if netns != 0 {
            return Self { ifindex: device.read(setting!(socket.dev_ifindex)).unwrap_or(0), netns };
        }
        // On its way out of a socket or into one: the interface on which it arrived, or none if it was outgoing.
        let ifindex = skb.read(setting!(hints.iif)).unwrap_or(0);
        let route = skb.read::<u64>(setting!(drops.refdst)).unwrap_or(0) & !1;
        let device = if route == 0 { 0 } else { route.read(setting!(socket.dst_dev)).unwrap_or(0) };
        let mut netns = netns_of_device(device);
        if netns == 0 {
            let socket: u64 = skb.read(setting!(drops.sk)).unwrap_or(0);
            let net: u64 = if socket == 0 { 0 } else { socket.read(setting!(socket.net)).unwrap_or(0) };
            netns = if net == 0 { 0 } else { namespace(net) };
        }
        Self { ifindex, netns }
    }

    /// Returns true if it matches the filters of namespaces and interfaces.
    #[inline(always)]
    fn matches(&self) -> bool {
        setting!(matches) == 0
            || maps::matches_netns(self.netns)
                && (!filter::filtered(&FilterMaps, MATCH_INTERFACES)
                    || (self.netns == setting!(netns) && FilterMaps.has_interface(self.ifindex)))
    }
}

#[inline(always)]
fn netns_of_device(device: u64) -> u32 {
    if device == 0 { 0 } else { device.read(setting!(hints.dev_net)).map_or(0, namespace) }
}

/// Returns the inode number of a `struct net`; 0 if this is not one.
#[inline(always)]
fn namespace(net: u64) -> u32 {
    match socket::inode(net) {
        number if number >= NAMESPACES => number,
        _ => 0,
    }
}
