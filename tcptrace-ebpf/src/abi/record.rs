//! The records that the kernel programs write to the ring buffer.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `RecordHeader::kind` of a [`StateRecord`].
pub const KIND_STATE: u8 = 1;
/// `RecordHeader::kind` of a [`SegmentRecord`].
pub const KIND_SEGMENT: u8 = 2;
/// `RecordHeader::kind` of an [`IcmpRecord`].
pub const KIND_ICMP: u8 = 3;
/// `RecordHeader::kind` of a [`HintRecord`].
pub const KIND_HINT: u8 = 4;
/// `RecordHeader::kind` of a [`CountedStateRecord`].
pub const KIND_COUNTED_STATE: u8 = 5;
/// `RecordHeader::kind` of a [`DropRecord`].
pub const KIND_DROP: u8 = 6;

/// Value of `family` for IPv4, v4-mapped sockets included.
pub const FAMILY_V4: u8 = 4;
/// Value of `family` for IPv6.
pub const FAMILY_V6: u8 = 6;

/// Value of `direction`: seen at TC ingress.
pub const DIRECTION_IN: u8 = 0;
/// Value of `direction`: seen at TC egress.
pub const DIRECTION_OUT: u8 = 1;

/// Value of [`HintRecord::hint`]: the tracepoint `tcp:tcp_send_reset`.
pub const HINT_SEND_RESET: u8 = 0;
/// Value of [`HintRecord::hint`]: the tracepoint `tcp:tcp_retransmit_synack`.
pub const HINT_RETRANSMIT_SYNACK: u8 = 1;
/// Value of [`HintRecord::hint`]: a SYN,ACK of a listener with TCP_DEFER_ACCEPT.
pub const HINT_DEFER_ACCEPT: u8 = 2;

/// Index of the loss counter of the programs that see sockets: state changes and hints.
pub const LOST_STATE: u32 = 0;
/// Index of the loss counter of the TC programs.
pub const LOST_SEGMENT: u32 = 1;
/// Number of loss counters.
pub const LOST_SOURCES: u32 = 2;

/// Bit of [`RecordHeader::flags`]: the second of the two programs for state changes wrote it, since it did not know that the
/// first had run. Where the socket's latest record is of the same change, both have run.
pub const FROM_SECOND: u16 = 1 << 0;

/// The longest TCP header, options included (RFC 9293 §3.1: a data offset of 15 words).
pub const TCP_HEADER_MAX: usize = 60;

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
/// Bit of [`StateRecord::proof`], where the task is known: it was exiting, so that [`StateRecord::exit_code`] holds.
pub const PROOF_EXITING: u16 = 1 << 14;
/// Bit of [`StateRecord::proof`], at any change: the socket was made in the control group [`Config::group`](super::Config::group).
pub const PROOF_IN_GROUP: u16 = 1 << 15;

/// Bit of [`HintRecord::flags`]: the listener's accept queue was full.
pub const HINT_QUEUE_FULL: u16 = 1 << 0;

/// Value of [`HintRecord::reason`] where there is none: another hint, or a kernel before 6.10.
pub const NO_REASON: u32 = u32::MAX;

/// Value of [`StateRecord::uid`] for none, which is no user (`INVALID_UID`).
pub const NO_UID: u32 = u32::MAX;

/// Value of a counter in [`Counters`] that this kernel does not have, or that could not be read.
pub const NO_COUNT: u32 = u32::MAX;

/// Value of [`StateRecord::error`] where `sk_err` could not be read (no BTF).
pub const NO_ERROR_KNOWN: u32 = u32::MAX;

/// An address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`. Kept as aligned words, because the compiler makes a
/// function call of copying or clearing anything else, and not every kernel lets that function through its verifier.
pub type Address = [u64; 2];

/// An address from its four words as they are in a header.
#[inline(always)]
pub fn address(words: [u32; 4]) -> Address {
    zerocopy::transmute!(words)
}

/// An IPv4 address, in network order, as the IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2).
#[inline(always)]
pub fn mapped(addr: u32) -> Address {
    address([0, 0, 0xffff_u32.to_be(), addr])
}

/// The beginning of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct RecordHeader {
    /// `CLOCK_BOOTTIME` in nanoseconds, taken before the reservation: it may run back by microseconds between records.
    pub boot_ns: u64,
    /// The socket, as a number to compare and never to show; 0 when none is known.
    pub socket: u64,
    /// Number of records of this source lost before this one was written, modulo 2^32.
    pub lost: u32,
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub family: u8,
    /// [`FROM_SECOND`] or 0.
    pub flags: u16,
}

/// One run of `sock:inet_sock_set_state` for a TCP socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct StateRecord {
    /// Kind [`KIND_STATE`].
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
    /// tick.
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

/// A state change of a socket whose counters matter: one that leaves ESTABLISHED or goes to CLOSE, or one whose SYN or SYN,ACK
/// was sent again as it enters ESTABLISHED.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct CountedStateRecord {
    /// The change, of kind [`KIND_COUNTED_STATE`].
    pub state: StateRecord,
    /// The counters.
    pub counters: Counters,
}

/// One TCP segment as it passed TC: with segmentation offload, as long as the stack made it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct SegmentRecord {
    /// Kind [`KIND_SEGMENT`]. `socket` is `skb->sk`: the socket that sent it, also where it comes out of a veth pair.
    pub header: RecordHeader,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Interface index.
    pub ifindex: u32,
    /// Length of TCP header and payload by the IP header, or by the buffer where that says 0 (BIG TCP).
    pub ip_payload: u32,
    /// Segments this buffer stands for, 0 or 1 when it is one.
    pub gso_segs: u16,
    /// [`DIRECTION_IN`] or [`DIRECTION_OUT`].
    pub direction: u8,
    /// Number of bytes of `tcp` that are filled: 20 if there are no options, or they could not be read.
    pub captured: u8,
    /// The TCP header as on the wire, options included; what lies beyond `captured` bytes is zero.
    pub tcp: [u8; TCP_HEADER_MAX],
    /// Inode number of the interface's network namespace; 0 when it is not known.
    pub netns: u32,
    /// Local port of the socket that sends a SYN, before any address translation; 0 when it is not known.
    pub socket_port: u16,
    #[doc(hidden)]
    pub pad: u16,
}

/// An ICMP or ICMPv6 error that quotes a TCP segment.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct IcmpRecord {
    /// Kind [`KIND_ICMP`].
    pub header: RecordHeader,
    /// Address of the sender of the error.
    pub from: Address,
    /// Source address of the quoted segment.
    pub src: Address,
    /// Destination address of the quoted segment.
    pub dst: Address,
    /// Interface index.
    pub ifindex: u32,
    /// Inode number of the interface's network namespace; 0 when it is not known.
    pub netns: u32,
    /// Sequence number of the quoted segment.
    pub seq: u32,
    /// Source port of the quoted segment.
    pub src_port: u16,
    /// Destination port of the quoted segment.
    pub dst_port: u16,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// [`DIRECTION_IN`] or [`DIRECTION_OUT`], of the error itself.
    pub direction: u8,
    #[doc(hidden)]
    pub pad: [u8; 5],
}

/// A tracepoint's facts about a segment that this host sends: a reset, or a repeated SYN,ACK. Ends are as the sender sees
/// them.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct HintRecord {
    /// Kind [`KIND_HINT`].
    pub header: RecordHeader,
    /// Inode number of the network namespace; 0 when it is not known.
    pub netns: u32,
    /// The number of a reset's reason in this kernel's `enum sk_rst_reason`, [`NO_REASON`].
    pub reason: u32,
    /// Port of the sender.
    pub local_port: u16,
    /// Port of the end it is sent to.
    pub remote_port: u16,
    /// [`HINT_QUEUE_FULL`] or 0.
    pub flags: u16,
    /// Tracepoint: [`HINT_SEND_RESET`] or [`HINT_RETRANSMIT_SYNACK`]; or [`HINT_DEFER_ACCEPT`].
    pub hint: u8,
    /// State of the socket on whose behalf the segment is sent (`include/net/tcp_states.h`), 0 where there is none.
    pub socket_state: u8,
    /// Address of the sender.
    pub local_addr: Address,
    /// Address of the end it is sent to.
    pub remote_addr: Address,
}

/// A TCP segment that the kernel dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct DropRecord {
    /// Kind [`KIND_DROP`]. `socket` is the socket in SYN_SENT whose SYN it is; 0 for any other segment.
    pub header: RecordHeader,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Index of the interface on which it was, or by which it had come; 0 where neither is told.
    pub ifindex: u32,
    /// Inode number of the network namespace; 0 when it is not known.
    pub netns: u32,
    /// The number of the reason in this kernel's `enum skb_drop_reason`, below [`DROP_REASONS`](super::DROP_REASONS).
    pub reason: u32,
    /// Sequence number.
    pub seq: u32,
    /// Bytes of data by the IP header; 0 with BIG TCP.
    pub length: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Flags of the TCP header, AE as bit 8.
    pub flags: u16,
    #[doc(hidden)]
    pub pad: [u16; 3],
    /// Name of the kernel's function that dropped it, 48 bytes that end in a zero; empty where it has none.
    pub location: [u64; 6],
}

const _: () = assert!(size_of::<RecordHeader>() == 24);
const _: () = assert!(size_of::<StateRecord>() == 128);
const _: () = assert!(size_of::<CountedStateRecord>() == 160);
const _: () = assert!(size_of::<SegmentRecord>() == 136);
const _: () = assert!(size_of::<IcmpRecord>() == 96);
const _: () = assert!(size_of::<HintRecord>() == 72);
const _: () = assert!(size_of::<DropRecord>() == 136);
