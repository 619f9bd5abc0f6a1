//! What the kernel says by the way of resets and repeated SYN,ACKs it sends, from the tracepoints `tcp:tcp_send_reset` and
//! `tcp:tcp_retransmit_synack`.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, macros::raw_tracepoint, programs::RawTracePointContext};
use tcptrace_ebpf::{
    Address, FAMILY_V4, FAMILY_V6, HINT_QUEUE_FULL, HINT_RETRANSMIT_SYNACK, HINT_SEND_RESET, HintRecord, KIND_HINT,
    LOST_STATE, MATCH_INTERFACES, NO_REASON, RecordHeader,
};

use crate::{
    emit,
    filter::{self, End, Match},
    maps::setting,
    socket::{self, Head, read},
};

// include/net/tcp_states.h: what is in these two states is no full socket.
const TIME_WAIT: u8 = 6;
const NEW_SYN_RECV: u8 = 12;
const LISTEN: u8 = 10;

/// `(const struct sock *sk, const struct sk_buff *skb[, const enum sk_rst_reason reason])`. An end that aborts by itself has
/// no buffer; what answers a segment has that segment's, and the socket that it came to, of any kind or none.
#[raw_tracepoint]
pub(crate) fn send_reset(ctx: RawTracePointContext) -> i32 {
    let (socket, segment): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let reason = if setting!(hints.has_reason) != 0 { ctx.arg(2) } else { NO_REASON };
    let on_behalf = if socket == 0 { None } else { Head::read(socket) };
    let sent = match &on_behalf {
        _ if segment != 0 => Sent::answering(segment),
        Some(head) => Some(Sent::by(socket, head)),
        None => None,
    };
    if let Some(sent) = sent {
        report(HINT_SEND_RESET, reason, socket, on_behalf.as_ref(), &sent);
    }
    0
}

/// `(const struct sock *sk, const struct request_sock *req)`: the listener, or with Fast Open the child, and the request.
#[raw_tracepoint]
pub(crate) fn retransmit_synack(ctx: RawTracePointContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    if let Some(request) = Head::read(ctx.arg(1)) {
        report(HINT_RETRANSMIT_SYNACK, NO_REASON, socket, Head::read(socket).as_ref(), &Sent::of_request(&request));
    }
    0
}

/// Where a segment goes, from where.
struct Sent {
    family: u8,
    netns: u32,
    /// 0 where it is not known.
    interface: u32,
    local_addr: Address,
    remote_addr: Address,
    local_port: u16,
    remote_port: u16,
}

impl Sent {
    /// By a full socket, of its own accord.
    #[inline(always)]
    fn by(socket: u64, head: &Head) -> Self {
        let interface = if filter::filtered(MATCH_INTERFACES) { socket::interface(socket) } else { 0 };
        Self { interface, local_port: head.local_port(socket), ..Self::of_request(head) }
    }

    /// For a request.
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

    /// In answer to a segment: the same way back. The kernel itself takes the ends from its headers here.
    #[inline(always)]
    fn answering(segment: u64) -> Option<Self> {
        let head: u64 = read(segment, setting!(hints.head))?;
        let network: u16 = read(segment, setting!(hints.network_header))?;
        let transport: u16 = read(segment, setting!(hints.transport_header))?;
        let version: u8 = read(head, u32::from(network))?;
        let (family, remote_addr, local_addr) = if version >> 4 == 4 {
            let [src, dst]: [u32; 2] = read(head, u32::from(network) + 12)?;
            (FAMILY_V4, socket::mapped(src), socket::mapped(dst))
        } else {
            let [src, dst]: [Address; 2] = read(head, u32::from(network) + 8)?;
            (FAMILY_V6, src, dst)
        };
        let [remote_port, local_port]: [u16; 2] = read(head, u32::from(transport))?;
        // Cleared by now where it came to a socket, which tells the namespace too.
        let device: u64 = read(segment, setting!(hints.dev))?;
        let netns = if device == 0 { 0 } else { socket::inode(read(device, setting!(hints.dev_net))?) };
        Some(Self {
            family,
            netns,
            interface: read(segment, setting!(hints.iif))?,
            local_addr,
            remote_addr,
            local_port: u16::from_be(local_port),
            remote_port: u16::from_be(remote_port),
        })
    }
}

/// Writes the record if it matches.
#[inline(always)]
fn report(what: u8, reason: u32, socket: u64, on_behalf: Option<&Head>, sent: &Sent) {
    let (state, netns) = on_behalf.map_or((0, sent.netns), |head| (head.state(), head.netns()));
    if !matches(sent, netns) {
        return;
    }
    let full_socket = !matches!(state, 0 | TIME_WAIT | NEW_SYN_RECV);
    let queue_full = state == LISTEN && socket::queue_is_full(socket);
    emit::socket(&HintRecord {
        header: RecordHeader {
            // SAFETY: the helper has no arguments.
            boot_ns: unsafe { bpf_ktime_get_boot_ns() },
            socket: if full_socket { socket } else { 0 },
            lost: emit::lost(LOST_STATE),
            kind: KIND_HINT,
            family: sent.family,
            a: what,
            b: state,
        },
        netns,
        reason,
        local_port: sent.local_port,
        remote_port: sent.remote_port,
        flags: if queue_full { HINT_QUEUE_FULL } else { 0 },
        local_addr: sent.local_addr,
        remote_addr: sent.remote_addr,
    });
}

/// Does it match the filters, as its sender sees it? What uses an interface that nothing tells uses none of those named.
#[inline(always)]
fn matches(sent: &Sent, netns: u32) -> bool {
    if setting!(matches) == 0 {
        return true;
    }
    let local = End { addr: &sent.local_addr, port: sent.local_port, known: true };
    let remote = End { addr: &sent.remote_addr, port: sent.remote_port, known: true };
    filter::ends(sent.family, local, remote, false) == Match::Yes
        && (!filter::filtered(MATCH_INTERFACES) || (netns == setting!(netns) && filter::interface(sent.interface)))
}
