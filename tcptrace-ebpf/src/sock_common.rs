//! Members of `struct sock_common`, which every kind of socket begins with: addresses, ports, namespace and flags.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tcptrace_ebpf::{Address, FAMILY_V4, FAMILY_V6, SOCKET_HEAD, Skip, mapped};

use crate::{
    kernel_memory::{Memory, Typed},
    maps::setting,
    socket,
};

/// `AF_INET` of the kernel.
const AF_INET: u16 = 2;

/// The members, wherever they are read from.
pub(crate) trait SockCommon {
    /// Pointers to other structures.
    type Pointer: Memory;

    /// The member at an offset in bytes, which lies within [`SOCKET_HEAD`].
    fn member<T: Copy>(&self, offset: u32) -> T;

    /// The network namespace (`struct net`).
    fn net(&self) -> Option<Self::Pointer>;

    /// Returns the family, the local and the remote address. An IPv6 socket with an IPv4-mapped peer counts as IPv4.
    #[inline(always)]
    fn addresses(&self) -> (u8, Address, Address) {
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
    fn remote_port(&self) -> u16 {
        u16::from_be(self.member(setting!(socket.dport)))
    }

    /// Returns the local port; 0 if there is none, or if the socket has been unhashed.
    #[inline(always)]
    fn num(&self) -> u16 {
        self.member(setting!(socket.num))
    }

    /// Returns the local port of this full socket, which `inet_sport` still has after the socket has been unhashed.
    #[inline(always)]
    fn local_port(&self, socket: impl Memory) -> u16 {
        match self.num() {
            0 => socket::local_port(socket),
            port => port,
        }
    }

    /// Inode number of the network namespace.
    #[inline(always)]
    fn netns(&self) -> u32 {
        self.net().map_or(0, socket::inode)
    }

    /// Returns the state, which every kind of socket has; only for the programs of hints.
    #[inline(always)]
    fn state(&self) -> u8 {
        self.member(setting!(hints.state))
    }

    /// `enum sock_flags`, as bits.
    #[inline(always)]
    fn flags(&self) -> u64 {
        self.member(setting!(socket.flags))
    }

    /// Returns the interface that it is bound to, or 0; only for the programs of hints.
    #[inline(always)]
    fn bound_interface(&self) -> u32 {
        self.member(setting!(hints.bound_dev))
    }
}

/// Returns the family of an address: IPv4 if it is IPv4-mapped.
#[inline(always)]
pub(crate) fn family_of(addr: &Address) -> u8 {
    let prefix: u64 = if cfg!(target_endian = "little") { addr[1] & 0xffff_ffff } else { addr[1] >> 32 };
    if addr[0] == 0 && prefix == u64::from(0xffff_u32.to_be()) { FAMILY_V4 } else { FAMILY_V6 }
}

/// A copy of the head of `struct sock_common`, for one helper call.
pub(crate) struct Head([u64; SOCKET_HEAD / 8]);

impl Head {
    /// Reads it to `place`, and does not return it by value: a second copy would not fit on the stack.
    ///
    /// # Errors
    /// [`Skip::Unreadable`] if that faults.
    #[inline(always)]
    pub(crate) fn read(socket: u64, place: &mut MaybeUninit<Self>) -> Result<&Self, Skip> {
        // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
        let result =
            unsafe { bpf_probe_read_kernel(place.as_mut_ptr().cast(), size_of::<Self>() as u32, socket as *const _) };
        // SAFETY: filled by the helper.
        if result == 0 { Ok(unsafe { place.assume_init_ref() }) } else { Err(Skip::Unreadable) }
    }
}

impl SockCommon for Head {
    type Pointer = u64;

    #[inline(always)]
    fn member<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: user space refuses layouts whose members are not within the head and aligned (`HeadMember::fits`).
        unsafe { self.0.as_ptr().byte_add(offset as usize).cast::<T>().read() }
    }

    #[inline(always)]
    fn net(&self) -> Option<u64> {
        Some(self.member(setting!(socket.net)))
    }
}

impl SockCommon for Typed {
    type Pointer = Self;

    #[inline(always)]
    fn member<T: Copy>(&self, offset: u32) -> T {
        self.load(offset)
    }

    #[inline(always)]
    fn net(&self) -> Option<Self> {
        self.follow(setting!(socket.net))
    }
}
