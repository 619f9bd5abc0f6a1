//! The record of the iterator of sockets that processes hold. It does not go to the ring buffer.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A socket that a process holds by one of its descriptors.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
pub struct HeldSocket {
    /// Inode number of the socket, of which the kernel uses 32 bits.
    pub inode: u64,
    /// ID of the process in the host's PID namespace.
    pub pid: u32,
    /// 0.
    pub reserved: u32,
    /// Name of the process, padded with zeros: that of its first thread.
    pub comm: [u8; 16],
}
