//! Fields of a socket as the raw tracepoint programs read them, at offsets that user space found in the running kernel's BTF.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tcptrace_ebpf::{
    ABSENT, Address, FAMILY_V4, FAMILY_V6, NO_UID, PROOF_IN_GROUP, PROOF_LINGER, PROOF_UNREAD, SOCKET_HEAD, Skip,
    mapped,
};

use crate::{
    kernel_memory::{follow, read},
    maps::setting,
    tcp_states::{CLOSE, ESTABLISHED, LISTEN},
};

/// `AF_INET` of the kernel.
const AF_INET: u16 = 2;

/// A copy of the head of `struct sock_common`: addresses, ports and namespace, for one helper call.
pub(crate) struct Head([u64; SOCKET_HEAD / 8]);

impl Head {
    /// Reads it in its place: copies of it would not fit the stack.
    ///
    /// # Errors
    /// As for [`read`].
    #[inline(always)]
    pub(crate) fn read(socket: u64, place: &mut MaybeUninit<Self>) -> Result<&Self, Skip> {
        // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
        let result =
            unsafe { bpf_probe_read_kernel(place.as_mut_ptr().cast(), size_of::<Self>() as u32, socket as *const _) };
        // SAFETY: filled by the helper.
        if result == 0 { Ok(unsafe { place.assume_init_ref() }) } else { Err(Skip::Unreadable) }
    }

    /// The member at `offset`.
    #[inline(always)]
    fn member<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: user space lets no layout pass whose members do not lie within the head.
        unsafe { self.0.as_ptr().byte_add(offset as usize).cast::<T>().read() }
    }

    /// Family, local and remote address. A v4-mapped peer of an IPv6 socket makes it IPv4.
    #[inline(always)]
    pub(crate) fn addresses(&self) -> (u8, Address, Address) {
        if self.member::<u16>(setting!(socket.family)) == AF_INET {
            let local = mapped(self.member(setting!(socket.rcv_saddr)));
            let remote = mapped(self.member(setting!(socket.daddr)));
            return (FAMILY_V4, local, remote);
        }
        let local: Address = self.member(setting!(socket.v6_rcv_saddr));
        let remote: Address = self.member(setting!(socket.v6_daddr));
        (family_of(&remote), local, remote)
    }

    /// Remote port.
    #[inline(always)]
    pub(crate) fn remote_port(&self) -> u16 {
        u16::from_be(self.member(setting!(socket.dport)))
    }

    /// Inode number of the network namespace.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u32 {
        inode(self.member(setting!(socket.net)))
    }

    /// State, which every kind of socket has; only for programs of hints.
    #[inline(always)]
    pub(crate) fn state(&self) -> u8 {
        self.member(setting!(hints.state))
    }

    /// Local port, 0 where there is none, or the socket has been unhashed.
    #[inline(always)]
    pub(crate) fn num(&self) -> u16 {
        self.member(setting!(socket.num))
    }

    /// Local port of this full socket. `inet_sport` is still there when the socket has been unhashed.
    #[inline(always)]
    pub(crate) fn local_port(&self, socket: u64) -> u16 {
        match self.num() {
            0 => local_port(socket),
            port => port,
        }
    }

    /// `enum sock_flags`, as bits.
    #[inline(always)]
    fn flags(&self) -> u64 {
        self.member(setting!(socket.flags))
    }

    /// The interface it is bound to, or 0; only for programs of hints.
    #[inline(always)]
    pub(crate) fn bound_interface(&self) -> u32 {
        self.member(setting!(hints.bound_dev))
    }
}

/// Inode number of a `struct net`.
#[inline(always)]
pub(crate) fn inode(net: u64) -> u32 {
    read(net, setting!(socket.net_inum)).unwrap_or(0)
}

/// IPv4 for a v4-mapped address.
#[inline(always)]
pub(crate) fn family_of(addr: &Address) -> u8 {
    let prefix: u64 = if cfg!(target_endian = "little") { addr[1] & 0xffff_ffff } else { addr[1] >> 32 };
    if addr[0] == 0 && prefix == u64::from(0xffff_u32.to_be()) { FAMILY_V4 } else { FAMILY_V6 }
}

/// `sk_protocol`.
#[inline(always)]
pub(crate) fn protocol(socket: u64) -> Result<u16, Skip> {
    read(socket, setting!(socket.protocol))
}

/// `sk_err`, read as it is: the tracepoint runs before anybody takes it.
#[inline(always)]
pub(crate) fn error(socket: u64) -> u32 {
    read(socket, setting!(socket.err)).unwrap_or(0)
}

/// Evidence of why a socket that is closed sends a reset, as `PROOF_` bits.
#[inline(always)]
pub(crate) fn proof(socket: u64, head: &Head) -> u16 {
    let flags = head.flags();
    let lingers = flags >> (setting!(socket.linger_bit) & 63) & 1 != 0;
    let mut proof = 0;
    if lingers && read::<u64>(socket, setting!(socket.lingertime)) == Ok(0) {
        proof |= PROOF_LINGER;
    }
    if let Ok(copied) = read::<u32>(socket, setting!(socket.copied_seq))
        && let Ok(next) = read::<u32>(socket, setting!(socket.rcv_nxt))
        && copied != next
    {
        // A FIN has a number too, but is no data.
        let fin = (flags >> (setting!(socket.done_bit) & 63) & 1) as u32;
        if copied.wrapping_add(fin) != next {
            proof |= PROOF_UNREAD;
        }
    }
    proof
}

/// Returns true if the bit at this offset in bits is set. Bits of a bit field count from the lowest, or on big-endian machines
/// from the highest.
#[inline(always)]
fn bit(socket: u64, offset: u32) -> bool {
    let from = if cfg!(target_endian = "little") { offset % 8 } else { 7 - offset % 8 };
    offset != ABSENT && read::<u8>(socket, offset / 8).is_ok_and(|byte| byte >> from & 1 != 0)
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
    read::<u64>(socket, flags).is_ok_and(|flags| flags >> (number & 63) & 1 != 0)
}

/// Reads the ID of the control group in which it was made into `group`, which is zero before: an accepted socket has the
/// group of its listener. Returns whether that is the group that is marked, as a `PROOF_` bit.
///
/// Each of a socket's lives begins with one of the states looked for, or was in the last of them when tracing began.
#[inline(always)]
pub(crate) fn group(socket: u64, old: u8, group: &mut u64) -> u16 {
    if setting!(socket.cgroup) == ABSENT || setting!(socket.cgroup_kn) == ABSENT || setting!(socket.kn_id) == ABSENT {
        return 0;
    }
    if setting!(marks_group) == 0 && !matches!(old, CLOSE | LISTEN | ESTABLISHED) {
        return 0;
    }
    *group = socket;
    follow(group, setting!(socket.cgroup));
    follow(group, setting!(socket.cgroup_kn));
    follow(group, setting!(socket.kn_id));
    if setting!(marks_group) != 0 && *group == setting!(group) { PROOF_IN_GROUP } else { 0 }
}

/// The user of the process that made or accepted it: an accepted socket has its listener's until then.
#[inline(always)]
pub(crate) fn uid(socket: u64, old: u8) -> u32 {
    let readable = matches!(old, CLOSE | LISTEN | ESTABLISHED) && setting!(socket.uid) != ABSENT;
    if readable { read(socket, setting!(socket.uid)).unwrap_or(NO_UID) } else { NO_UID }
}

/// Returns true if it has no `struct socket`, by which processes hold it. A subflow of MPTCP, which loses its own before it is
/// closed, does not count.
#[inline(always)]
pub(crate) fn is_ownerless(socket: u64) -> bool {
    let subflow = setting!(socket.is_mptcp) != ABSENT && read::<u8>(socket, setting!(socket.is_mptcp)) != Ok(0);
    !subflow && read::<u64>(socket, setting!(socket.socket)) == Ok(0)
}

/// Returns true if the accept queue of a listener is full.
#[inline(always)]
pub(crate) fn queue_is_full(listener: u64) -> bool {
    let Ok(waiting) = read::<u32>(listener, setting!(hints.ack_backlog)) else { return false };
    // As the kernel compares: one more than listen() asked for may wait.
    read::<u32>(listener, setting!(hints.max_ack_backlog)).is_ok_and(|most| waiting > most)
}

/// `inet_sport`: unlike `skc_num` it is still there when the socket has been unhashed.
#[inline(always)]
pub(crate) fn local_port(socket: u64) -> u16 {
    u16::from_be(read(socket, setting!(socket.sport)).unwrap_or(0))
}

/// The interface the socket sends to, or received from; 0 when it has neither.
#[inline(always)]
pub(crate) fn interface(socket: u64) -> u32 {
    let mut ifindex = 0;
    if let Ok(route) = read::<u64>(socket, setting!(socket.dst_cache))
        && route != 0
        && let Ok(device) = read::<u64>(route, setting!(socket.dst_dev))
    {
        ifindex = read(device, setting!(socket.dev_ifindex)).unwrap_or(0);
    }
    if ifindex == 0 && setting!(socket.rx_ifindex) != ABSENT {
        ifindex = read(socket, setting!(socket.rx_ifindex)).unwrap_or(0);
    }
    ifindex
}
