//! The kernel's hints about resets, and about SYN,ACKs that it sends again, from the tracepoints `tcp:tcp_send_reset`
//! and
//! `tcp:tcp_retransmit_synack`.

use core::mem::MaybeUninit;

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, macros::raw_tracepoint, programs::RawTracePointContext};
use tcptrace_ebpf::{
    ABSENT, Address, FAMILY_V4, FAMILY_V6, HINT_QUEUE_FULL, HINT_RETRANSMIT_SYNACK, HINT_SEND_RESET, HintRecord,
    KIND_HINT, LOST_STATE, MATCH_INTERFACES, NO_REASON, Skip,
    filter::{self, End, Lists as _, Match},
    mapped,
};

use crate::{
    emit,
    kernel_memory::Memory as _,
    maps::{self, FilterMaps, setting},
    sock_common::{Head, SockCommon as _},
    socket,
    tcp_states::{LISTEN, NEW_SYN_RECV, TIME_WAIT},
};

/// `(const struct sock *sk, const struct sk_buff *skb[, const enum sk_rst_reason reason])`. A socket that aborts by itself has
/// no buffer. A reset that answers a segment has the buffer of that segment, and the socket that it reached, of any
/// kind or none.
#[raw_tracepoint]
pub(crate) fn send_reset(ctx: RawTracePointContext) -> i32 {
    if let Err(reason) = reset(&ctx) {
        emit::count_skip(reason);
    }
    0
}

#[inline(always)]
fn reset(ctx: &RawTracePointContext) -> Result<(), Skip> {
    let (socket, segment): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let reason = if setting!(has_reset_reason) != 0 { ctx.arg(2) } else { NO_REASON };
    let mut place = MaybeUninit::uninit();
    let on_behalf = if socket == 0 { None } else { Head::read(socket, &mut place).ok() };
    let sent = match on_behalf {
        _ if segment != 0 => Sent::answering(segment)?,
        Some(head) => Sent::by(socket, head),
        None => return Err(Skip::Unreadable),
    };
    report(HINT_SEND_RESET, reason, socket, on_behalf, &sent);
    Ok(())
}

/// `(const struct sock *sk, const struct request_sock *req)`: the listener (with Fast Open the child) and the request.
#[raw_tracepoint]
pub(crate) fn retransmit_synack(ctx: RawTracePointContext) -> i32 {
    if let Err(reason) = repeated_synack(&ctx) {
        emit::count_skip(reason);
    }
    0
}

#[inline(always)]
fn repeated_synack(ctx: &RawTracePointContext) -> Result<(), Skip> {
    let socket: u64 = ctx.arg(0);
    let (mut place, mut place_of_request) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let sent = Sent::of_request(Head::read(ctx.arg(1), &mut place_of_request)?);
    report(HINT_RETRANSMIT_SYNACK, NO_REASON, socket, Head::read(socket, &mut place).ok(), &sent);
    Ok(())
}

/// Returns the listener of a request if it has TCP_DEFER_ACCEPT: then a socket is created not by the ACK of the
/// handshake, but by the first data (tcp_check_req of net/ipv4/tcp_minisocks.c).
#[inline(always)]
pub(crate) fn deferring_listener(request: u64) -> Option<u64> {
    let (listener, defer_accept) = (setting!(hints.listener), setting!(hints.defer_accept));
    if request == 0 || listener == ABSENT || defer_accept == ABSENT {
        return None;
    }
    if request.read(setting!(hints.state)) != Ok(NEW_SYN_RECV) {
        return None;
    }
    let listener: u64 = request.read(listener).ok()?;
    let rounds: u8 = listener.read(defer_accept).ok()?;
    if rounds == 0 { None } else { Some(listener) }
}

/// The ends of a segment that this host sends.
struct Sent {
    family: u8,
    netns: u32,
    /// 0 if unknown.
    interface: u32,
    local_addr: Address,
    remote_addr: Address,
    local_port: u16,
    remote_port: u16,
}

impl Sent {
    /// Returns the ends of a reset that a full socket sends by itself.
    #[inline(always)]
    fn by(socket: u64, head: &Head) -> Self {
        let interface = if filter::filtered(&FilterMaps, MATCH_INTERFACES) { socket::interface(socket) } else { 0 };
        Self { interface, local_port: head.local_port(socket), ..Self::of_request(head) }
    }

    /// Returns the ends of a segment sent for a request.
    #[inline(always)]
    fn of_request(request: &Head) -> Self {
        let (family, local_addr, remote_addr) = request.addresses();
        Self {
            family,
            netns: request.netns(),
            interface: request.bound_interface(),
            local_addr,
            remote_addr,
            local_port: request.num(),
            remote_port: request.remote_port(),
        }
    }

    /// Returns the ends of the answer to a segment: those in its headers, exchanged. The kernel takes them from there
    /// too.
    #[inline(always)]
    fn answering(segment: u64) -> Result<Self, Skip> {
        let head: u64 = segment.read(setting!(hints.head))?;
        let network: u16 = segment.read(setting!(hints.network_header))?;
        let transport: u16 = segment.read(setting!(hints.transport_header))?;
        let version: u8 = head.read(u32::from(network))?;
        let (family, remote_addr, local_addr) = if version >> 4 == 4 {
            let [src, dst]: [u32; 2] = head.read(u32::from(network) + 12)?;
            (FAMILY_V4, mapped(src), mapped(dst))
        } else {
            let [src, dst]: [Address; 2] = head.read(u32::from(network) + 8)?;
            (FAMILY_V6, src, dst)
        };
        let [remote_port, local_port]: [u16; 2] = head.read(u32::from(transport))?;
        // Already cleared if the segment reached a socket, which has the namespace too.
        let device: u64 = segment.read(setting!(hints.dev))?;
        let netns = if device == 0 { 0 } else { socket::inode(device.read::<u64>(setting!(hints.dev_net))?) };
        Ok(Self {
            family,
            netns,
            interface: segment.read(setting!(hints.iif))?,
            local_addr,
            remote_addr,
            local_port: u16::from_be(local_port),
            remote_port: u16::from_be(remote_port),
        })
    }
}

/// Writes the record if it matches.
#[inline(always)]
fn report(hint: u8, reason: u32, socket: u64, on_behalf: Option<&Head>, sent: &Sent) {
    let (state, netns) = on_behalf.map_or((0, sent.netns), |head| (head.state(), head.netns()));
    if !matches(sent, netns) {
        return;
    }
    // In these states it is a `struct inet_timewait_sock` or a `struct request_sock`.
    let full_socket = !matches!(state, 0 | TIME_WAIT | NEW_SYN_RECV);
    let queue_full = state == LISTEN && socket::queue_is_full(socket);
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    emit::socket(&HintRecord {
        header: emit::header(LOST_STATE, KIND_HINT, sent.family, if full_socket { socket } else { 0 }, boot_ns),
        netns,
        reason,
        local_port: sent.local_port,
        remote_port: sent.remote_port,
        flags: if queue_full { HINT_QUEUE_FULL } else { 0 },
        hint,
        socket_state: state,
        local_addr: sent.local_addr,
        remote_addr: sent.remote_addr,
    });
}

/// Returns true if a segment matches the filters, as its sender sees it. An unknown interface is none of those named.
#[inline(always)]
fn matches(sent: &Sent, netns: u32) -> bool {
    if setting!(matches) == 0 {
        return true;
    }
    if !maps::matches_netns(netns) {
        return false;
    }
    let local = End { addr: &sent.local_addr, port: sent.local_port, known: true };
    let remote = End { addr: &sent.remote_addr, port: sent.remote_port, known: true };
    filter::ends(&FilterMaps, sent.family, local, remote, false) == Match::Yes
        && (!filter::filtered(&FilterMaps, MATCH_INTERFACES)
            || (netns == setting!(netns) && FilterMaps.has_interface(sent.interface)))
}
