//! Asks the kernel for TCP sockets, through `NETLINK_SOCK_DIAG`. Nobody needs a right for it.

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
    scan_schedule::Ends,
    sock_diag_reply::{Answer, Socket},
};
use tcptrace_core::tcp::TcpState;

/// Room for what the kernel says at a time: it never takes more than 32 KiB, whatever it is offered.
const BUFFER: usize = 1 << 16;

/// The kernel prepares what it says while it is asked, so it has failed if it takes as long as this.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How often a list is asked for again that came with gaps.
const ATTEMPTS: usize = 3;

/// A cookie that stands for any (`INET_DIAG_NOCOOKIE`).
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// A netlink socket in the network namespace of the thread that opened it.
pub(super) struct Diag {
    socket: OwnedFd,
    sequence_number: u32,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Diag {
    /// Opens it.
    pub(super) fn open() -> Result<Self, OwnersError> {
        let open = || {
            let family = AddressFamily::NETLINK;
            let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
            // So that nobody but the kernel can answer.
            connect(&socket, &SocketAddrNetlink::new(0, 0))?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT))?;
            Ok::<_, Errno>(socket)
        };
        let socket = open().map_err(|error| OwnersError::Netlink(error.into()))?;
        Ok(Self { socket, sequence_number: 0, buffer: Box::new_uninit_slice(BUFFER) })
    }

    /// Every socket of the namespace, each once.
    pub(super) fn everything(&mut self) -> Result<Vec<Socket>, OwnersError> {
        let mut sockets = self.list(AF_INET, SocketId::new_v4())?;
        sockets.append(&mut self.list(AF_INET6, SocketId::new_v6())?);
        // Sockets that come while the kernel goes through its table push others back, which are then listed again.
        sockets.sort_unstable_by_key(|socket| socket.cookie);
        sockets.dedup_by_key(|socket| socket.cookie);
        Ok(sockets)
    }

    /// The socket with these ends, if there is one that belongs to somebody.
    pub(super) fn find(&mut self, ends: &Ends) -> Result<Option<Socket>, OwnersError> {
        let (family, socket_id) = with_ends(ends);
        // Sockets with link-local addresses are bound to an interface, and found by their ends only where that is named.
        let link_local = |addr| matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
        let candidates = if link_local(ends.local.addr) || link_local(ends.remote.addr) {
            self.list(family, socket_id)?
        } else {
            self.find_any(family, socket_id)?
        };
        // Where no connection has these ends, the kernel names the listener.
        let wanted = |socket: &Socket| {
            socket.local == ends.local && socket.remote == ends.remote && socket.state != TcpState::TimeWait
        };
        Ok(candidates.into_iter().find(wanted))
    }

    /// The listener that would take a SYN from `ends.remote` to `ends.local`, chosen by the kernel among all that could. It
    /// is not asked whether the address is one of this host.
    pub(super) fn find_listener(&mut self, ends: &Ends) -> Result<Option<Socket>, OwnersError> {
        let (family, socket_id) = with_ends(ends);
        // Where a connection has these ends already, the kernel names that.
        Ok(self.find_any(family, socket_id)?.into_iter().find(|socket| socket.accepts(ends.local)))
    }

    /// The socket that a segment between these ends would reach, if there is one.
    fn find_any(&mut self, family: u8, socket_id: SocketId) -> Result<Vec<Socket>, OwnersError> {
        match self.ask(0, family, socket_id) {
            Ok(answer) => Ok(answer.sockets),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(Vec::new()),
            Err(error) => Err(OwnersError::Refused(error)),
        }
    }

    /// All sockets of a family with these ports, 0 for any; the kernel does not look at the addresses of a list.
    fn list(&mut self, family: u8, socket_id: SocketId) -> Result<Vec<Socket>, OwnersError> {
        for attempt in 1.. {
            let answer = self.ask(NLM_F_DUMP, family, socket_id.clone()).map_err(OwnersError::Refused)?;
            if answer.unreadable != 0 {
                debug!("{} sockets in the kernel's list could not be read", answer.unreadable);
            }
            if !answer.interrupted || attempt == ATTEMPTS {
                return Ok(answer.sockets);
            }
        }
        Ok(Vec::new())
    }

    fn ask(&mut self, flags: u16, family: u8, socket_id: SocketId) -> io::Result<Answer> {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all().difference(StateFlags::TIME_WAIT | StateFlags::CLOSE),
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

        let mut answer = Answer::default();
        loop {
            match recv(&self.socket, &mut *self.buffer, RecvFlags::TRUNC) {
                Ok(((received, _), length)) => {
                    answer.interrupted |= length > received.len();
                    if answer.take_in(self.sequence_number, received)? {
                        return Ok(answer);
                    }
                }
                Err(Errno::INTR) => {}
                // Messages were lost, but the end of a list always comes.
                Err(Errno::NOBUFS) => answer.interrupted = true,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How the kernel is asked for a socket with these ends, and of which family.
fn with_ends(ends: &Ends) -> (u8, SocketId) {
    let family = if ends.local.addr.is_ipv4() { AF_INET } else { AF_INET6 };
    let socket_id = SocketId {
        source_port: ends.local.port,
        destination_port: ends.remote.port,
        source_address: ends.local.addr,
        destination_address: ends.remote.addr,
        interface_id: 0,
        cookie: ANY_COOKIE,
    };
    (family, socket_id)
}
