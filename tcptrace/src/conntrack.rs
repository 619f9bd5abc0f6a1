//! Address translations that the kernel forgets during a connection, as reported by the connection tracking (`nf_conntrack`)
//! of a network namespace through netlink.

mod message;

use std::{fs, io, os::fd::OwnedFd};

use log::debug;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind,
        netlink::{self, SocketAddrNetlink},
        recv, socket_with,
    },
};
use tokio::io::unix::AsyncFd;

use tcptrace_core::{
    event::{BootTime, Event, Hint, HintName},
    filter::{Ends, Filter},
};

pub use self::message::{Direction, Forgotten};

/// The multicast group of entries that end, as a bit (`NFNLGRP_CONNTRACK_DESTROY` of linux/netfilter/nfnetlink.h is 3).
const DESTROY: u32 = 1 << (3 - 1);

/// Size of the receive buffer in bytes; a message takes some 200.
const BUFFER: usize = 1 << 14;

/// A subscription. The kernel reports only entries that were made after it.
#[derive(Debug)]
pub struct Conntrack {
    socket: AsyncFd<OwnedFd>,
    buffer: Box<[u8]>,
    overrun: bool,
}

impl Conntrack {
    /// Subscribes in the network namespace of this thread. Requires CAP_NET_ADMIN, and a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no connection tracking, or does not allow it.
    pub fn subscribe() -> io::Result<Self> {
        Self::of(subscription()?)
    }

    /// Listens on a socket returned by [`subscription`]. Requires a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        // SAFETY: an owned descriptor is valid as long as it lives, and nothing replaces it within `AsyncFd`.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket, buffer: vec![0; BUFFER].into_boxed_slice(), overrun: false })
    }

    /// Waits for forgotten translations of open connections. Cancel safe.
    pub async fn next(&mut self) -> Vec<Forgotten> {
        loop {
            let Ok(mut ready) = self.socket.readable().await else { return std::future::pending().await };
            match recv(self.socket.get_ref(), &mut *self.buffer, RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    let forgotten = message::forgotten(self.buffer.get(..length).unwrap_or_default());
                    if !forgotten.is_empty() {
                        return forgotten;
                    }
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => {
                    if !std::mem::replace(&mut self.overrun, true) {
                        debug!("some ends of address translations are not known: {error}");
                    }
                }
            }
        }
    }
}

/// Subscribes in the network namespace of this thread, which the socket keeps alive. Requires CAP_NET_ADMIN.
///
/// # Errors
/// When the kernel has no connection tracking, or does not allow it.
pub fn subscription() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
    bind(&socket, &SocketAddrNetlink::new(0, DESTROY))?;
    Ok(socket)
}

/// Returns true if connection tracking of the network namespace of this thread has entries.
pub fn is_in_use() -> bool {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    count.is_ok_and(|count| count.trim().parse().is_ok_and(|count: u64| count > 0))
}

/// Returns the events of a forgotten translation reported at `now`: one for each of its sides that matches the filter.
pub fn events(forgotten: &Forgotten, filter: &Filter, netns: u32, now: BootTime) -> impl Iterator<Item = Event> {
    let Forgotten { original, reply, deleted } = *forgotten;
    let sides = [(original.src, original.dst), (reply.dst, reply.src)];
    // Filtered like other hints, so that a recording read with the same filter shows the same.
    sides.into_iter().filter(|&(local, remote)| filter.matches(local, remote, Ends::LocalIsFirst)).map(
        move |(local, remote)| {
            let name = if deleted { HintName::NatDeleted } else { HintName::NatExpired };
            Event::Hint(Hint::new(now, Some(netns), local, remote, name))
        },
    )
}
