//! The kernel's answers about sockets, decoded.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_sock_diag::{
    SockDiagMessage,
    inet::{InetResponse, SocketId, nlas::Nla},
};
use rtnetlink::packet_core::{
    NLM_F_DUMP_INTR, NLM_F_MULTIPART, NetlinkBuffer, NetlinkMessage, NetlinkPayload, Parseable,
};

use tcptrace_core::{
    event::{AcceptQueue, Endpoint},
    tcp::TcpState,
};

/// Messages begin at multiples of this (`NLMSG_ALIGNTO`).
const ALIGN: usize = 4;

/// A TCP socket as the kernel lists it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Its state. A request without a full socket yet is in SYN_RECV.
    pub state: TcpState,
    /// Its own end; a listener for any address has the unspecified one, of its family.
    pub local: Endpoint,
    /// The other end; for a listener the unspecified address and port 0.
    pub remote: Endpoint,
    /// Its inode number: which of a process's descriptors it is. None while it waits to be accepted and once its
    /// processes have closed it: then nobody owns it.
    pub inode: Option<u32>,
    /// What the kernel knows it by (`SO_COOKIE`): never used twice, so it tells sockets with the same ends apart.
    pub cookie: u64,
    /// An IPv6 listener that takes no IPv4 (`IPV6_V6ONLY`).
    pub ipv6_only: bool,
    /// Of a listener, the connections that wait to be accepted.
    pub queue: Option<AcceptQueue>,
}

impl Socket {
    /// Whether it listens, and for connections to `local` too. Another listener may do so more precisely: one for the
    /// address comes before one for any address. Interfaces that listeners are bound to are not looked at.
    pub fn accepts(&self, local: Endpoint) -> bool {
        let any = match self.local.addr {
            IpAddr::V4(addr) => addr.is_unspecified() && local.addr.is_ipv4(),
            IpAddr::V6(addr) => addr.is_unspecified() && (local.addr.is_ipv6() || !self.ipv6_only),
        };
        self.state == TcpState::Listen && self.local.port == local.port && (any || self.local.addr == local.addr)
    }

    /// What a message says. None for states that are not known.
    fn decode(response: &InetResponse) -> Option<Self> {
        let header = &response.header;
        let SocketId { source_address, source_port, destination_address, destination_port, cookie, .. } =
            header.socket_id;
        let [a, b, c, d, e, f, g, h] = cookie;
        let local = Endpoint { addr: source_address.to_canonical(), port: source_port };
        let remote = match destination_address.to_canonical() {
            // An IPv6 socket that listens at a mapped address has no mapped one here.
            addr if addr.is_unspecified() && local.addr.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
            addr => addr,
        };
        let state = TcpState::from_kernel(header.state)?;
        // Other sockets have bytes in these fields (tcp_diag_get_info).
        let queue = AcceptQueue { length: header.recv_queue, limit: header.send_queue };
        Some(Self {
            state,
            local,
            remote: Endpoint { addr: remote, port: destination_port },
            inode: (header.inode != 0).then_some(header.inode),
            // Two halves of 32 bits, the low one first on every processor (sock_diag_save_cookie).
            cookie: u64::from(u32::from_ne_bytes([a, b, c, d])) | u64::from(u32::from_ne_bytes([e, f, g, h])) << 32,
            ipv6_only: response.nlas.contains(&Nla::SkV6Only(true)),
            queue: (state == TcpState::Listen).then_some(queue),
        })
    }
}

/// What the kernel has answered so far to one request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The sockets.
    pub(super) sockets: Vec<Socket>,
    /// Sockets came or went in the meantime in a way that made the kernel lose its place.
    pub(super) interrupted: bool,
    /// Messages that could not be understood.
    pub(super) unreadable: usize,
}

impl Answer {
    /// Takes in what was received, one or more messages, as far as it answers the request with this sequence number.
    /// True when nothing more comes.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(super) fn take_in(&mut self, sequence_number: u32, mut received: &[u8]) -> io::Result<bool> {
        while !received.is_empty() {
            let Ok(buffer) = NetlinkBuffer::new_checked(&received) else {
                self.unreadable += 1;
                break;
            };
            let message = <NetlinkMessage<SockDiagMessage> as Parseable<_>>::parse(&buffer);
            if buffer.sequence_number() == sequence_number {
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

    /// True when it is the last.
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
