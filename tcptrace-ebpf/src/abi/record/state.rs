//! Records of the state changes of sockets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Address, RecordHeader};

/// Bit of [`StateRecord::proof`]: `SOCK_LINGER` with `sk_lingertime` 0, which makes close() send a reset.
pub const PROOF_LINGER: u16 = 1 << 0;
/// Bit of [`StateRecord::proof`]: `copied_seq` is behind `rcv_nxt` by more than a FIN: data had arrived that nobody had
/// read.
pub const PROOF_UNREAD: u16 = 1 << 1;
/// Bit of [`StateRecord::proof`]: no process has ever accepted the socket, which waited in its listener's queue.
pub const PROOF_UNACCEPTED: u16 = 1 << 2;
/// Bit of [`StateRecord::proof`], at ESTABLISHED: TCP_REPAIR is on, so there was no handshake.
pub const PROOF_RESTORED: u16 = 1 << 3;
/// Bit of [`StateRecord::proof`], from SYN_SENT: no SYN was sent, since TCP_FASTOPEN_CONNECT waits for data.
pub const PROOF_DEFERRED: u16 = 1 << 4;
/// Bit of [`StateRecord::proof`], at CLOSE: TCP_REPAIR is on, so nothing was sent.
pub const PROOF_REPAIR: u16 = 1 << 5;
/// Bit of [`StateRecord::proof`], from FIN_WAIT2: TCP_LINGER2 is negative, so that the kernel ends the socket, which no
/// process holds any more, instead of waiting for the other end's FIN.
pub const PROOF_LINGER2: u16 = 1 << 6;
/// Bit of [`StateRecord::proof`], if the task is known: it was exiting, so [`StateRecord::exit_code`] is valid.
pub const PROOF_EXITING: u16 = 1 << 14;
/// Bit of [`StateRecord::proof`], at any change: the socket was created in the control group
/// [`Config::group`](crate::abi::Config::group).
pub const PROOF_IN_GROUP: u16 = 1 << 15;

/// Value of [`StateRecord::uid`] if the user is unknown (`INVALID_UID`).
pub const NO_UID: u32 = u32::MAX;

/// Value of a counter in [`Counters`] that this kernel does not have, that could not be read or that does not fit.
pub const NO_COUNT: u32 = u32::MAX;

/// Value of [`StateRecord::error`] if `sk_err` could not be read (no BTF).
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
    /// Process in whose context the change was made (its thread group); 0 if that need not be the socket's owner.
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
    /// Name of the process, which is that of its first thread, 16 bytes; zeros if `pid` is 0. If the kernel's types are
    /// not known, the name of the running thread.
    pub comm: [u64; 2],
    /// Name of the running thread, 16 bytes; zeros if it is the first one, or if its name is in `comm`.
    pub thread: [u64; 2],
    /// Local address.
    pub local_addr: Address,
    /// Remote address.
    pub remote_addr: Address,
    /// ID of the control group in which the socket was created (`kernfs_node.id`); 0 if it is unknown or was not read,
    /// which is done at changes from CLOSE, LISTEN and ESTABLISHED only, unless a group is marked.
    pub cgroup: u64,
    /// Exit code of the task (`task_struct.exit_code`) as wait(2) returns it: a signal in the lowest 7 bits, or a
    /// status in bits 8 to 15. Valid only with [`PROOF_EXITING`].
    pub exit_code: u32,
    /// User of the process that created or accepted the socket (`sk_uid`), as the initial user namespace numbers users;
    /// [`NO_UID`] if it is unknown or was not read: that is done at changes from CLOSE, LISTEN and ESTABLISHED only.
    pub uid: u32,
}

/// Counters of a socket when it changes its state (`struct tcp_sock`). Unknown ones are [`NO_COUNT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct Counters {
    /// Milliseconds since it last sent or received a segment with data, or else since the handshake, with the precision
    /// of the kernel's tick. The kernel's own counter wraps after 2^32 ticks.
    pub idle_ms: u32,
    /// Bytes received that no process has read.
    pub unread: u32,
    /// Bytes written by a process that were never sent.
    pub unsent: u32,
    /// Smoothed round-trip time in microseconds (RFC 6298); 0 without a measurement.
    pub smoothed_rtt_us: u32,
    /// Lowest round-trip time of the last minutes, in microseconds (`net.ipv4.tcp_min_rtt_wlen`).
    pub min_rtt_us: u32,
    /// Segments sent again, including SYN, SYN,ACK and FIN.
    pub retransmissions: u32,
    /// Window that the other end offered last, in bytes; read only if `unsent` is above 0.
    pub peer_window: u32,
    #[doc(hidden)]
    pub pad: u32,
}

impl Counters {
    /// The value of [`Self::idle_ms`] for a number of jiffies of `jiffy_ns` nanoseconds each; [`NO_COUNT`] for more
    /// than 49 days.
    #[inline(always)]
    pub fn milliseconds(jiffies: u32, jiffy_ns: u64) -> u32 {
        (u64::from(jiffies) * jiffy_ns / 1_000_000).min(u64::from(NO_COUNT)) as u32
    }
}

/// A state change whose counters matter: the socket leaves ESTABLISHED, enters CLOSE, or enters ESTABLISHED after its
/// SYN or SYN,ACK was sent again.
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
