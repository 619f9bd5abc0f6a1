//! Fields of a socket, read at offsets that user space found in the running kernel's BTF.

use tcptrace_ebpf::{ABSENT, NO_UID, PROOF_IN_GROUP, PROOF_LINGER, PROOF_UNREAD, Skip};

use crate::{
    kernel_memory::Memory,
    maps::setting,
    sock_common::SockCommon,
    tcp_states::{CLOSE, ESTABLISHED, LISTEN},
};

/// Returns the inode number of a `struct net`; 0 if it cannot be read.
#[inline(always)]
pub(crate) fn inode(net: impl Memory) -> u32 {
    net.read(setting!(socket.net_inum)).unwrap_or(0)
}

/// Returns `sk_protocol`.
#[inline(always)]
pub(crate) fn protocol(socket: impl Memory) -> Result<u16, Skip> {
    socket.read(setting!(socket.protocol))
}

/// Returns `sk_err`. When the tracepoint runs, nobody has consumed it yet.
#[inline(always)]
pub(crate) fn error(socket: impl Memory) -> u32 {
    socket.read(setting!(socket.err)).unwrap_or(0)
}

/// Returns evidence of why a socket that is closed sends a reset, as `PROOF_` bits.
#[inline(always)]
pub(crate) fn proof(socket: impl Memory, common: &impl SockCommon) -> u16 {
    let lingers = common.flags() >> (setting!(socket.linger_bit) & 63) & 1 != 0;
    let mut proof = 0;
    if lingers && socket.read::<u64>(setting!(socket.lingertime)) == Ok(0) {
        proof |= PROOF_LINGER;
    }
    if let Ok(copied) = socket.read::<u32>(setting!(socket.copied_seq))
        && let Ok(next) = socket.read::<u32>(setting!(socket.rcv_nxt))
        && copied != next
    {
        // A FIN has a sequence number, too, but is not data.
        let fin = u32::from(has_fin(common));
        if copied.wrapping_add(fin) != next {
            proof |= PROOF_UNREAD;
        }
    }
    proof
}

/// Returns true if the other end's FIN has arrived.
#[inline(always)]
pub(crate) fn has_fin(common: &impl SockCommon) -> bool {
    common.flags() >> (setting!(socket.done_bit) & 63) & 1 != 0
}

/// Returns true if TCP_LINGER2 is negative: the kernel then keeps no socket in FIN_WAIT2 that its process has closed.
#[inline(always)]
pub(crate) fn avoids_fin_wait2(socket: impl Memory) -> bool {
    setting!(socket.linger2) != ABSENT && socket.read::<i32>(setting!(socket.linger2)).is_ok_and(|time| time < 0)
}

/// Returns true if a process holds the socket, which is no subflow of MPTCP.
#[inline(always)]
pub(crate) fn is_held(socket: impl Memory) -> bool {
    socket.follow(setting!(socket.socket)).is_some() && !is_subflow(socket)
}

/// Returns true if the bit at this offset in bits is set. Bit fields are allocated from the lowest bit, on big-endian
/// machines from the highest.
#[inline(always)]
fn bit(socket: u64, offset: u32) -> bool {
    let from = if cfg!(target_endian = "little") { offset % 8 } else { 7 - offset % 8 };
    offset != ABSENT && socket.read::<u8>(offset / 8).is_ok_and(|byte| byte >> from & 1 != 0)
}

/// Returns true if the socket is being restored by TCP_REPAIR.
#[inline(always)]
pub(crate) fn is_in_repair(socket: u64) -> bool {
    bit(socket, setting!(socket.repair))
}

/// Returns true if its SYN waits for data, by TCP_FASTOPEN_CONNECT.
#[inline(always)]
pub(crate) fn is_deferred(socket: u64) -> bool {
    let (flags, number) = (setting!(socket.inet_flags), setting!(socket.defer_bit));
    if flags == ABSENT || number == ABSENT {
        return bit(socket, setting!(socket.defer_connect));
    }
    socket.read::<u64>(flags).is_ok_and(|flags| flags >> (number & 63) & 1 != 0)
}

/// Reads the ID of the control group in which the socket was created into `group`, which must be zero: an accepted
/// socket has the group of its listener. Returns a `PROOF_` bit if that is the marked group.
///
/// Without a marked group, it is read only when the socket leaves one of three states: each use of a socket begins in
/// one of them, or was in the last of them when tracing began.
#[inline(always)]
pub(crate) fn group(socket: impl Memory, old: u8, group: &mut u64) -> u16 {
    if setting!(socket.cgroup) == ABSENT || setting!(socket.cgroup_kn) == ABSENT || setting!(socket.kn_id) == ABSENT {
        return 0;
    }
    if setting!(marks_group) == 0 && !matches!(old, CLOSE | LISTEN | ESTABLISHED) {
        return 0;
    }
    let node = socket.follow(setting!(socket.cgroup)).and_then(|cgroup| cgroup.follow(setting!(socket.cgroup_kn)));
    *group = node.map_or(0, |node| node.read(setting!(socket.kn_id)).unwrap_or(0));
    if setting!(marks_group) != 0 && *group == setting!(group) { PROOF_IN_GROUP } else { 0 }
}

/// Returns the user of the process that created or accepted the socket; before it is accepted, that of its listener.
#[inline(always)]
pub(crate) fn uid(socket: impl Memory, old: u8) -> u32 {
    let readable = matches!(old, CLOSE | LISTEN | ESTABLISHED) && setting!(socket.uid) != ABSENT;
    if readable { socket.read(setting!(socket.uid)).unwrap_or(NO_UID) } else { NO_UID }
}

/// Returns true if the socket has no `struct socket`, through which processes hold it. Subflows of MPTCP, which lose
/// theirs before they are closed, do not count.
#[inline(always)]
pub(crate) fn is_ownerless(socket: u64) -> bool {
    !is_subflow(socket) && socket.read::<u64>(setting!(socket.socket)) == Ok(0)
}

#[inline(always)]
fn is_subflow(socket: impl Memory) -> bool {
    setting!(socket.is_mptcp) != ABSENT && socket.read::<u8>(setting!(socket.is_mptcp)) != Ok(0)
}

/// Returns true if the accept queue of a listener is full.
#[inline(always)]
pub(crate) fn queue_is_full(listener: u64) -> bool {
    let Ok(waiting) = listener.read::<u32>(setting!(hints.ack_backlog)) else { return false };
    // The kernel compares the same way: one more than listen() asked for may wait.
    listener.read::<u32>(setting!(hints.max_ack_backlog)).is_ok_and(|most| waiting > most)
}

/// Returns `inet_sport`, which unlike `skc_num` is still set after the socket has been unhashed.
#[inline(always)]
pub(crate) fn local_port(socket: impl Memory) -> u16 {
    u16::from_be(socket.read(setting!(socket.sport)).unwrap_or(0))
}

/// Returns the interface that the socket sends through or, without a route, last received on; 0 if there is neither.
#[inline(always)]
pub(crate) fn interface(socket: u64) -> u32 {
    let mut ifindex = 0;
    if let Ok(route) = socket.read::<u64>(setting!(socket.dst_cache))
        && route != 0
        && let Ok(device) = route.read::<u64>(setting!(socket.dst_dev))
    {
        ifindex = device.read(setting!(socket.dev_ifindex)).unwrap_or(0);
    }
    if ifindex == 0 && setting!(socket.rx_ifindex) != ABSENT {
        ifindex = socket.read(setting!(socket.rx_ifindex)).unwrap_or(0);
    }
    ifindex
}
