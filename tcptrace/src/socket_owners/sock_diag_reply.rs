//! Decoding of the kernel's replies about sockets.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::tcp_info::TcpInfo;
use netlink_packet_sock_diag::{
    SOCK_DIAG_BY_FAMILY, SockDiagMessage,
    inet::{InetResponse, SocketId, Timer, nlas::Nla},
};
use rtnetlink::packet_core::{
    NLM_F_DUMP_INTR, NLM_F_MULTIPART, NetlinkBuffer, NetlinkMessage, NetlinkPayload, Nla as _, Parseable,
};

use tcptrace_core::{
    event::{AcceptQueue, Endpoint},
    tcp::TcpState,
};

/// Alignment of netlink messages in bytes (`NLMSG_ALIGNTO`).
const ALIGN: usize = 4;

/// Attribute that holds the ID of a socket's control group (include/uapi/linux/inet_diag.h).
const INET_DIAG_CGROUP_ID: u16 = 21;

/// A TCP socket as listed by the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Socket {
    /// State. A connection request that has no full socket yet is in SYN_RECV.
    pub state: TcpState,
    /// Local end; a listener on any address has the unspecified address of its family.
    pub local: Endpoint,
    /// Remote end; a listener has the unspecified address and port 0.
    pub remote: Endpoint,
    /// Inode number of its network namespace; `None` for that of the requesting thread.
    pub netns: Option<u32>,
    /// Inode number, by which a process's descriptor refers to it. `None` while the socket waits to be accepted and after
    /// its processes have closed it: then no process owns it.
    pub inode: Option<u32>,
    /// The kernel's identifier of the socket (`SO_COOKIE`), never reused.
    pub cookie: u64,
    /// True for an IPv6 listener that takes no IPv4 connections (`IPV6_V6ONLY`).
    pub ipv6_only: bool,
    /// For a listener, its accept queue.
    pub queue: Option<AcceptQueue>,
    /// For a listener that was looked up since it does not answer, its SYN queue, if SYN cookies are off.
    pub syn_queue: Option<AcceptQueue>,
    /// Number of retransmission timeouts since the last ACK that acknowledged something, or of SYN,ACKs sent again.
    pub retransmits: u8,
    /// Payload bytes received that no process has read; 0 for a listener.
    pub unread: u32,
    /// Payload bytes written that the other end has not acknowledged, sent or not; 0 for a listener.
    pub unacknowledged: u32,
    /// The user of the process that made or accepted it; `None` if no process owns it.
    pub uid: Option<u32>,
    /// ID of the control group in which it was made, if the kernel reports it (Linux 5.9).
    pub cgroup: Option<u64>,
    /// Contents of `tcp_info`, if requested. Connection requests and sockets that their processes have closed and that wait
    /// for a last FIN have none.
    pub info: Option<TcpInfo>,
}

#[cfg(test)]
impl Socket {
    /// Creates a socket with inode number and cookie 1 whose queues are empty.
    pub(crate) fn idle(state: TcpState, local: Endpoint, remote: Endpoint) -> Self {
        Self {
            state,
            local,
            remote,
            netns: None,
            inode: Some(1),
            cookie: 1,
            ipv6_only: false,
            queue: None,
            syn_queue: None,
            retransmits: 0,
            unread: 0,
            unacknowledged: 0,
            uid: None,
            cgroup: None,
            info: None,
        }
    }
}

impl Socket {
    /// Returns true if this is a listener for connections to `local`. Another listener may match better: one bound to the
    /// address takes precedence over one for any address. The interfaces that listeners are bound to are ignored.
    pub fn accepts(&self, local: Endpoint) -> bool {
        let any = match self.local.addr {
            IpAddr::V4(addr) => addr.is_unspecified() && local.addr.is_ipv4(),
            IpAddr::V6(addr) => addr.is_unspecified() && (local.addr.is_ipv6() || !self.ipv6_only),
        };
        self.state == TcpState::Listen && self.local.port == local.port && (any || self.local.addr == local.addr)
    }

    /// Returns the minimum time for which it has been in its state, if the kernel reports it. Other states began with a call
    /// of the socket's process, whose time is not kept.
    pub fn in_state_at_least(&self) -> Option<Duration> {
        let info = self.info?;
        match self.state {
            TcpState::Established => Some(info.last_data_received),
            // The state was entered when a segment arrived whose ACK counts here, or an earlier one.
            TcpState::CloseWait | TcpState::FinWait2 => Some(info.last_ack_received),
            _ => None,
        }
    }

    /// Decodes a message; `None` if the state is unknown.
    fn decode(response: &InetResponse) -> Option<Self> {
        let header = &response.header;
        let SocketId { source_address, source_port, destination_address, destination_port, cookie, .. } =
            header.socket_id;
        let [a, b, c, d, e, f, g, h] = cookie;
        let local = Endpoint { addr: source_address.to_canonical(), port: source_port };
        let remote = match destination_address.to_canonical() {
            // An IPv6 listener on an IPv4-mapped address has the unspecified IPv6 address here.
            addr if addr.is_unspecified() && local.addr.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
            addr => addr,
        };
        let state = TcpState::from_kernel(header.state)?;
        // For other sockets these fields count bytes (tcp_diag_get_info in net/ipv4/tcp_diag.c).
        let queue = AcceptQueue { length: header.recv_queue, limit: header.send_queue };
        let listens = state == TcpState::Listen;
        // The FIN counts until the process has read up to it, or the other end has acknowledged it.
        let fin_received = matches!(state, TcpState::CloseWait | TcpState::LastAck | TcpState::Closing);
        let fin_sent = matches!(state, TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing);
        let bytes = |count: u32, fin: bool| if listens { 0 } else { count.saturating_sub(fin.into()) };
        let attribute = |wanted: u16| response.nlas.iter().find(|nla| nla.kind() == wanted);
        Some(Self {
            netns: None,
            state,
            local,
            remote: Endpoint { addr: remote, port: destination_port },
            inode: (header.inode != 0).then_some(header.inode),
            // Two 32-bit halves, the low one first on every architecture (sock_diag_save_cookie in net/core/sock_diag.c).
            cookie: u64::from(u32::from_ne_bytes([a, b, c, d])) | u64::from(u32::from_ne_bytes([e, f, g, h])) << 32,
            ipv6_only: response.nlas.contains(&Nla::SkV6Only(true)),
            queue: listens.then_some(queue),
            syn_queue: None,
            retransmits: match header.timer {
                Some(Timer::Retransmit(_, count)) => count,
                _ => 0,
            },
            unread: bytes(header.recv_queue, fin_received),
            unacknowledged: bytes(header.send_queue, fin_sent),
            uid: (header.inode != 0).then_some(header.uid),
            cgroup: match attribute(INET_DIAG_CGROUP_ID) {
                Some(Nla::Other(other)) => {
                    let mut id = [0; 8];
                    let fits = other.value_len() == id.len();
                    if fits {
                        other.emit_value(&mut id);
                    }
                    fits.then(|| u64::from_ne_bytes(id))
                }
                _ => None,
            },
            info: response.nlas.iter().find_map(|nla| match nla {
                Nla::TcpInfo(bytes) => TcpInfo::decode(bytes),
                _ => None,
            }),
        })
    }
}

/// The part of the kernel's reply to one request that has been received so far.
#[derive(Debug, Default)]
pub(super) struct SockDiagReply {
    /// The sockets.
    pub(super) sockets: Vec<Socket>,
    /// True if the list may have gaps: the kernel's table changed while it was listed, or messages were lost.
    pub(super) interrupted: bool,
    /// Number of messages that could not be decoded.
    pub(super) unreadable: usize,
    /// True if sockets that make progress are left out.
    pub(super) only_stuck: bool,
}

/// Returns true if a socket may make no progress: it has had a retransmission timeout, probes a window, or waits to be
/// accepted. Decoding takes many times as long.
fn may_be_stuck(message: &[u8]) -> bool {
    /// Timers (`idiag_timer` of `struct inet_diag_msg`, include/uapi/linux/inet_diag.h).
    const RETRANSMIT: u8 = 1;
    const PROBE: u8 = 4;
    const ESTABLISHED: u8 = TcpState::Established as u8;
    const CLOSE_WAIT: u8 = TcpState::CloseWait as u8;
    match message {
        [_, _, RETRANSMIT, retransmits, ..] if *retransmits > 0 => true,
        [_, _, PROBE, ..] => true,
        [_, ESTABLISHED | CLOSE_WAIT, ..] => message.get(68..72).is_some_and(|inode| inode == [0; 4]),
        _ => false,
    }
}

impl SockDiagReply {
    /// Adds received messages that reply to the request with this sequence number. Returns true if the reply is complete.
    ///
    /// # Errors
    /// The error that the kernel reports.
    pub(super) fn take_in(&mut self, sequence_number: u32, mut received: &[u8]) -> io::Result<bool> {
        while !received.is_empty() {
            let Ok(buffer) = NetlinkBuffer::new_checked(&received) else {
                self.unreadable += 1;
                break;
            };
            // Messages of other types are always decoded: one of them may end the list.
            let dull = self.only_stuck
                && buffer.message_type() == SOCK_DIAG_BY_FAMILY
                && buffer.sequence_number() == sequence_number
                && !may_be_stuck(buffer.payload());
            if dull {
                self.interrupted |= buffer.flags() & NLM_F_DUMP_INTR != 0;
            } else if buffer.sequence_number() == sequence_number {
                let message = <NetlinkMessage<SockDiagMessage> as Parseable<_>>::parse(&buffer);
                self.interrupted |= buffer.flags() & NLM_F_DUMP_INTR != 0;
                if self.take_message(message.map(|message| message.payload).ok())?
                    || buffer.flags() & NLM_F_MULTIPART == 0
                {
                    return Ok(true);
                }
            }
            let aligned = usize::try_from(buffer.length()).unwrap_or(usize::MAX).checked_next_multiple_of(ALIGN);
            received = aligned.and_then(|length| received.get(length..)).unwrap_or_default();
        }
        Ok(false)
    }

    /// Adds one message. Returns true if it is the last.
    fn take_message(&mut self, payload: Option<NetlinkPayload<SockDiagMessage>>) -> io::Result<bool> {
        match payload {
            Some(NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response))) => {
                self.sockets.extend(Socket::decode(&response));
                Ok(false)
            }
            Some(NetlinkPayload::Done(done)) if done.code < 0 => {
                Err(io::Error::from_raw_os_error(done.code.saturating_neg()))
            }
            Some(NetlinkPayload::Done(_)) => Ok(true),
            Some(NetlinkPayload::Error(error)) if error.code.is_some() => {
                Err(io::Error::from_raw_os_error(error.raw_code().saturating_neg()))
            }
            Some(NetlinkPayload::Error(_) | NetlinkPayload::Noop) => Ok(false),
            Some(NetlinkPayload::Overrun(_)) => {
                self.interrupted = true;
                Ok(false)
            }
            _ => {
                self.unreadable += 1;
                Ok(false)
            }
        }
    }
}
