//! Queries of the kernel for TCP sockets through `NETLINK_SOCK_DIAG` (sock_diag(7)), which need no privileges.

use std::{io, mem::MaybeUninit, net::IpAddr, os::fd::OwnedFd, time::Duration};

use log::debug;
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
        netlink::{self, SocketAddrNetlink},
        recv, send, socket_with, sockopt,
    },
};

use super::{
    OwnersError,
    scan_schedule::FourTuple,
    sock_diag_reply::{SockDiagReply, Socket},
    syn_queue,
};
use tcptrace_core::tcp::TcpState;

/// Size in bytes of the receive buffer. The kernel uses at most 32 KiB of it at a time.
const RECEIVE_BUFFER: usize = 1 << 16;

/// Timeout of a reply. The kernel prepares it while it handles the request, so a reply this late is a failure.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of times that a list is requested if it has gaps.
const MAX_ATTEMPTS: usize = 3;

/// The cookie that matches any socket (`INET_DIAG_NOCOOKIE`).
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// The sockets that the kernel is asked to list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Bit N stands for the state with number N (include/net/tcp_states.h).
    states: u32,
    /// True to request `tcp_info`, too, which more than doubles the work.
    with_info: bool,
    /// True to select only sockets that make no progress: the others are not decoded.
    stuck: bool,
}

impl Wanted {
    /// All sockets but those in TIME_WAIT and CLOSE.
    pub(super) const ALL: Self = Self {
        states: StateFlags::all().bits() & !(1 << TcpState::TimeWait as u32 | 1 << TcpState::Close as u32),
        with_info: false,
        stuck: false,
    };

    /// Listeners: for these the kernel walks a table of its own, which is short.
    pub(super) const LISTENING: Self = Self { states: 1 << TcpState::Listen as u32, ..Self::ALL };

    /// Listeners, and requests that wait for an ACK.
    pub(super) const OPENING: Self =
        Self { states: 1 << TcpState::Listen as u32 | 1 << TcpState::SynRecv as u32, ..Self::ALL };

    /// All of these that make no progress.
    pub(super) const STUCK: Self = Self { stuck: true, ..Self::ALL };

    /// All of these, with [`Socket::info`].
    pub(super) const IN_DETAIL: Self = Self { with_info: true, ..Self::ALL };

    /// Sockets in these states, with [`Socket::info`].
    pub(super) fn in_states(states: &[TcpState]) -> Self {
        Self { states: states.iter().fold(0, |bits, &state| bits | 1 << state as u32), ..Self::IN_DETAIL }
    }
}

/// A netlink socket in the network namespace of the thread that opened it.
pub(super) struct Diag {
    socket: OwnedFd,
    sequence_number: u32,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Diag {
    /// Opens the socket.
    pub(super) fn open() -> Result<Self, OwnersError> {
        let open = || {
            let family = AddressFamily::NETLINK;
            let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
            // Only the kernel can reply then.
            connect(&socket, &SocketAddrNetlink::new(0, 0))?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(REPLY_TIMEOUT))?;
            Ok::<_, Errno>(socket)
        };
        let socket = open().map_err(|error| OwnersError::Netlink(error.into()))?;
        Ok(Self { socket, sequence_number: 0, buffer: Box::new_uninit_slice(RECEIVE_BUFFER) })
    }

    /// Returns all sockets of the namespace in some states, each once.
    pub(super) fn everything(&mut self, wanted: Wanted) -> Result<Vec<Socket>, OwnersError> {
        let mut sockets = self.list(AF_INET, SocketId::new_v4(), wanted)?;
        sockets.append(&mut self.list(AF_INET6, SocketId::new_v6(), wanted)?);
        // A socket added while the kernel walks its table can make it list another one twice.
        sockets.sort_unstable_by_key(|socket| socket.cookie);
        sockets.dedup_by_key(|socket| socket.cookie);
        Ok(sockets)
    }

    /// Returns the socket of this connection, if it exists and is not in TIME_WAIT.
    pub(super) fn find(&mut self, tuple: &FourTuple) -> Result<Option<Socket>, OwnersError> {
        self.find_as(tuple, Wanted::ALL)
    }

    fn find_as(&mut self, tuple: &FourTuple, wanted: Wanted) -> Result<Option<Socket>, OwnersError> {
        let (family, socket_id) = socket_id(tuple);
        // Sockets with link-local addresses are bound to an interface, and cannot be looked up without its index.
        let link_local = |addr| matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
        let candidates = if link_local(tuple.local.addr) || link_local(tuple.remote.addr) {
            self.list(family, socket_id, wanted)?
        } else {
            self.find_any(family, socket_id, wanted)?
        };
        // If there is no such connection, the kernel returns the listener.
        let of_tuple = |socket: &Socket| {
            socket.local == tuple.local && socket.remote == tuple.remote && socket.state != TcpState::TimeWait
        };
        Ok(candidates.into_iter().find(of_tuple))
    }

    /// Returns the socket of this connection, with [`Socket::info`], if it exists and is not in TIME_WAIT.
    pub(super) fn find_in_detail(&mut self, tuple: &FourTuple) -> Result<Option<Socket>, OwnersError> {
        self.find_as(tuple, Wanted::IN_DETAIL)
    }

    /// Returns the listener that would take a SYN from `tuple.remote` to `tuple.local`, chosen by the kernel among all that
    /// could. It is not checked that the address belongs to this host.
    pub(super) fn find_listener(&mut self, tuple: &FourTuple) -> Result<Option<Socket>, OwnersError> {
        let (family, socket_id) = socket_id(tuple);
        // If the connection exists, the kernel returns that instead.
        Ok(self.find_any(family, socket_id, Wanted::ALL)?.into_iter().find(|socket| socket.accepts(tuple.local)))
    }

    /// Returns for each of these the listener that would take a SYN from `remote` to `local`, if there is one, with its
    /// [`Socket::syn_queue`].
    pub(super) fn find_listeners<'a>(
        &mut self,
        tuples: impl IntoIterator<Item = &'a FourTuple>,
    ) -> Result<Vec<(FourTuple, Socket)>, OwnersError> {
        let mut found = Vec::new();
        for tuple in tuples {
            found.extend(self.find_listener(tuple)?.map(|listener| (*tuple, listener)));
        }
        if let Some(limit) = syn_queue::limit().filter(|_| !found.is_empty()) {
            let sockets = self.everything(Wanted::OPENING)?;
            for (_, listener) in &mut found {
                listener.syn_queue = syn_queue::of(listener, &sockets, limit);
            }
        }
        Ok(found)
    }

    /// Returns the socket that a segment between the ends of `socket_id` would reach, if there is one.
    fn find_any(&mut self, family: u8, socket_id: SocketId, wanted: Wanted) -> Result<Vec<Socket>, OwnersError> {
        match self.ask(0, family, socket_id, wanted) {
            Ok(reply) => Ok(reply.sockets),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(Vec::new()),
            Err(error) => Err(OwnersError::Refused(error)),
        }
    }

    /// Returns all sockets of a family with the ports of `socket_id`, where 0 matches any. The kernel ignores addresses in a
    /// list request.
    fn list(&mut self, family: u8, socket_id: SocketId, wanted: Wanted) -> Result<Vec<Socket>, OwnersError> {
        for attempt in 1.. {
            let reply = self.ask(NLM_F_DUMP, family, socket_id.clone(), wanted).map_err(OwnersError::Refused)?;
            if reply.unreadable != 0 {
                debug!("{} messages in the kernel's list of sockets could not be read", reply.unreadable);
            }
            if !reply.interrupted || attempt == MAX_ATTEMPTS {
                return Ok(reply.sockets);
            }
        }
        Ok(Vec::new())
    }

    fn ask(&mut self, flags: u16, family: u8, socket_id: SocketId, wanted: Wanted) -> io::Result<SockDiagReply> {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: if wanted.with_info { ExtensionFlags::INFO } else { ExtensionFlags::empty() },
            states: StateFlags::from_bits_truncate(wanted.states),
            socket_id,
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence_number;
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;

        let mut reply = SockDiagReply { only_stuck: wanted.stuck, ..SockDiagReply::default() };
        loop {
            match recv(&self.socket, &mut *self.buffer, RecvFlags::TRUNC) {
                Ok(((received, _), length)) => {
                    reply.interrupted |= length > received.len();
                    if reply.take_in(self.sequence_number, received)? {
                        return Ok(reply);
                    }
                }
                Err(Errno::INTR) => {}
                // Messages were lost, but the end of a list is always delivered.
                Err(Errno::NOBUFS) => reply.interrupted = true,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns the address family and the kernel's identification of the socket of this connection.
fn socket_id(tuple: &FourTuple) -> (u8, SocketId) {
    let family = if tuple.local.addr.is_ipv4() { AF_INET } else { AF_INET6 };
    let socket_id = SocketId {
        source_port: tuple.local.port,
        destination_port: tuple.remote.port,
        source_address: tuple.local.addr,
        destination_address: tuple.remote.addr,
        interface_id: 0,
        cookie: ANY_COOKIE,
    };
    (family, socket_id)
}
