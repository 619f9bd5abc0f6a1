//! Records of the state changes of sockets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Address, RecordHeader};

/// Bit of [`StateRecord::proof`]: `SOCK_LINGER` with `sk_lingertime` 0, which makes close() send a reset.
pub const PROOF_LINGER: u16 = 1 << 0;
/// Bit of [`StateRecord::proof`]: `copied_seq` has not got to `rcv_nxt`, nor to the FIN before it, so data had come that
/// nobody had read.
pub const PROOF_UNREAD: u16 = 1 << 1;
/// Bit of [`StateRecord::proof`]: no process has ever accepted it, so it waited in its listener's queue.
pub const PROOF_UNACCEPTED: u16 = 1 << 2;
/// Bit of [`StateRecord::proof`], at ESTABLISHED: TCP_REPAIR is on, so that there was no handshake.
pub const PROOF_RESTORED: u16 = 1 << 3;
/// Bit of [`StateRecord::proof`], from SYN_SENT: no SYN was sent, since TCP_FASTOPEN_CONNECT waits for data.
pub const PROOF_DEFERRED: u16 = 1 << 4;
/// Bit of [`StateRecord::proof`], at CLOSE: TCP_REPAIR is on, so that nothing was sent.
pub const PROOF_REPAIR: u16 = 1 << 5;
/// Bit of [`StateRecord::proof`], where the task is known: it was exiting, so that [`StateRecord::exit_code`] holds.
pub const PROOF_EXITING: u16 = 1 << 14;
/// Bit of [`StateRecord::proof`], at any change: the socket was made in the control group [`Config::group`](crate::abi::Config::group).
pub const PROOF_IN_GROUP: u16 = 1 << 15;

/// Value of [`StateRecord::uid`] for none, which is no user (`INVALID_UID`).
pub const NO_UID: u32 = u32::MAX;

/// Value of a counter in [`Counters`] that this kernel does not have, or that could not be read.
pub const NO_COUNT: u32 = u32::MAX;

/// Value of [`StateRecord::error`] where `sk_err` could not be read (no BTF).
pub const NO_ERROR_KNOWN: u32 = u32::MAX;

/// One run of `sock:inet_sock_set_state` for a TCP socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct StateRecord {
    /// Kind [`KIND_STATE`](super::KIND_STATE).
    pub header: RecordHeader,
    /// Inode number of the network namespace; 0 when it is not known.
    pub netns: u32,
    /// `sk_err`, 0 for none; [`NO_ERROR_KNOWN`] where the namespace is not known either.
    pub error: u32,
    /// Thread group of the task in whose context the change ran, 0 when that says nothing about the socket's owner.
    pub pid: u32,
    /// Thread, or 0.
    pub tid: u32,
    /// Local port; 0 while the kernel has not chosen it.
    pub local_port: u16,
    /// Remote port; 0 for a listener, or while the kernel has not set it.
    pub remote_port: u16,
    /// Facts about the socket when it entered CLOSE, or ESTABLISHED: `PROOF_` bits.
    pub proof: u16,
    /// The state that the socket leaves (`include/net/tcp_states.h`).
    pub old_state: u8,
    /// The state that it enters.
    pub new_state: u8,
    /// Name of the process, which is that of its first thread, 16 bytes; zeroes when `pid` is 0. The name of the thread
    /// that runs where the kernel's types are not known.
    pub comm: [u64; 2],
    /// Name of the thread that runs, 16 bytes; zeroes where it is the first one, or where its name is in `comm`.
    pub thread: [u64; 2],
    /// Local address.
    pub local_addr: Address,
    /// Remote address.
    pub remote_addr: Address,
    /// ID of the control group in which the socket was made (`kernfs_node.id`); 0 when it is not known or was not read: only
    /// changes from CLOSE, LISTEN and ESTABLISHED tell.
    pub cgroup: u64,
    /// Exit code of the task (`task_struct.exit_code`), as wait(2) tells it: a signal in the lowest 7 bits, or a status in
    /// the 8 bits above them. Only with [`PROOF_EXITING`].
    pub exit_code: u32,
    /// User of the process that made or accepted the socket (`sk_uid`), as the initial user namespace has it; [`NO_UID`] when it
    /// is not known or was not read, as for `cgroup`.
    pub uid: u32,
}

/// Counters of a socket when it changes its state (`struct tcp_sock`). Each is [`NO_COUNT`] where it is
/// not known.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct Counters {
    /// Milliseconds since it last sent or received a segment with data, or else since the handshake; as exact as the kernel's
    /// tick. The kernel's own counter wraps after 2^32 ticks.
    pub idle_ms: u32,
    /// Bytes that have come and that no process has read.
    pub unread: u32,
    /// Bytes that a process has written and that were never sent.
    pub unsent: u32,
    /// Smoothed round-trip time in microseconds (RFC 6298); 0 without a measurement.
    pub smoothed_rtt_us: u32,
    /// Lowest round-trip time of the last minutes, in microseconds (`net.ipv4.tcp_min_rtt_wlen`).
    pub min_rtt_us: u32,
    /// Segments sent again, SYN, SYN,ACK and FIN included.
    pub retransmissions: u32,
    /// Window that the other end offered last, in bytes; read only where `unsent` is more than 0.
    pub peer_window: u32,
    #[doc(hidden)]
    pub pad: u32,
}

impl Counters {
    /// The value of [`Self::idle_ms`] for a number of jiffies of `jiffy_ns` nanoseconds each; [`NO_COUNT`] for more than 49 days.
    #[inline(always)]
    pub fn milliseconds(jiffies: u32, jiffy_ns: u64) -> u32 {
        (u64::from(jiffies) * jiffy_ns / 1_000_000).min(u64::from(NO_COUNT)) as u32
    }
}

/// A state change of a socket whose counters matter: one that leaves ESTABLISHED or goes to CLOSE, or one whose SYN or SYN,ACK
/// was sent again as it enters ESTABLISHED.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct CountedStateRecord {
    /// The change, of kind [`KIND_COUNTED_STATE`](super::KIND_COUNTED_STATE).
    pub state: StateRecord,
    /// The counters.
    pub counters: Counters,
}

const _: () = assert!(size_of::<StateRecord>() == 128);
const _: () = assert!(size_of::<CountedStateRecord>() == 160);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_time_that_is_too_long_to_tell_is_none() {
        let (of_250_hz, of_1000_hz) = (4_000_000, 1_000_000);
        assert_eq!(Counters::milliseconds(250, of_250_hz), 1_000);
        assert_eq!(Counters::milliseconds(u32::MAX - 1, of_1000_hz), u32::MAX - 1);
        // 50 days.
        assert_eq!(Counters::milliseconds(50 * 86_400 * 250, of_250_hz), NO_COUNT);
    }
}
