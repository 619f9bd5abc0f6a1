//! The records that the kernel programs write to the ring buffer.

mod state;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::state::*;

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

/// Bit of [`RecordHeader::flags`]: the second of the two programs for state changes wrote the record, since it found no
/// mark of the first. If the socket's latest record is of the same change, both have run.
pub const FROM_SECOND: u16 = 1 << 0;

/// The longest TCP header, options included (RFC 9293 §3.1: a data offset of 15 words).
pub const TCP_HEADER_MAX: usize = 60;

/// Bit of [`HintRecord::flags`]: the listener's accept queue was full.
pub const HINT_QUEUE_FULL: u16 = 1 << 0;

/// Value of [`HintRecord::reason`] if there is none: another hint, or a kernel before 6.10.
pub const NO_REASON: u32 = u32::MAX;

/// An address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`. It is kept as aligned words, because the compiler
/// copies and clears anything else by a function call, which not every kernel's verifier accepts.
pub type Address = [u64; 2];

/// Returns an address from its four words in a header.
#[inline(always)]
pub fn address(words: [u32; 4]) -> Address {
    zerocopy::transmute!(words)
}

/// Returns an IPv4 address, in network order, as an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2).
#[inline(always)]
pub fn mapped(addr: u32) -> Address {
    address([0, 0, 0xffff_u32.to_be(), addr])
}

/// The beginning of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct RecordHeader {
    /// `CLOCK_BOOTTIME` in nanoseconds, taken before the reservation: from record to record it may go back by microseconds.
    pub boot_ns: u64,
    /// Address of the socket, only to be compared and never shown; 0 if none is known.
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

/// A TCP segment as it passed TC. With segmentation offload, it may stand for several on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct SegmentRecord {
    /// Kind [`KIND_SEGMENT`]. `socket` is `skb->sk`: the socket that sent it, even after it has crossed a veth pair.
    pub header: RecordHeader,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Interface index.
    pub ifindex: u32,
    /// Length of TCP header and payload according to the IP header, or to the buffer if that says 0 (BIG TCP).
    pub ip_payload: u32,
    /// Number of segments on the wire; 0 or 1 for a single one.
    pub gso_segs: u16,
    /// [`DIRECTION_IN`] or [`DIRECTION_OUT`].
    pub direction: u8,
    /// Number of bytes of `tcp` that are filled: 20 if there are no options, or they could not be read.
    pub captured: u8,
    /// The TCP header as on the wire, including options; bytes beyond `captured` are zero.
    pub tcp: [u8; TCP_HEADER_MAX],
    /// Inode number of the interface's network namespace; 0 when it is not known.
    pub netns: u32,
    /// Local port of the socket that sends a SYN, before any address translation; 0 if unknown.
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

/// A tracepoint's facts about a segment that this host sends: a reset, or a SYN,ACK that is sent again. The sender's
/// end is the local one.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct HintRecord {
    /// Kind [`KIND_HINT`].
    pub header: RecordHeader,
    /// Inode number of the network namespace; 0 when it is not known.
    pub netns: u32,
    /// Number of a reset's reason in this kernel's `enum sk_rst_reason`, or [`NO_REASON`].
    pub reason: u32,
    /// Port of the sender.
    pub local_port: u16,
    /// Port of the other end.
    pub remote_port: u16,
    /// [`HINT_QUEUE_FULL`] or 0.
    pub flags: u16,
    /// Tracepoint: [`HINT_SEND_RESET`] or [`HINT_RETRANSMIT_SYNACK`]; or [`HINT_DEFER_ACCEPT`].
    pub hint: u8,
    /// State of the socket on whose behalf the segment is sent (`include/net/tcp_states.h`); 0 if there is none.
    pub socket_state: u8,
    /// Address of the sender.
    pub local_addr: Address,
    /// Address of the other end.
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
    /// Index of the interface that it was on, or on which it had arrived; 0 if neither is known.
    pub ifindex: u32,
    /// Inode number of the network namespace; 0 when it is not known.
    pub netns: u32,
    /// Number of the reason in this kernel's `enum skb_drop_reason`, below [`DROP_REASONS`](super::DROP_REASONS).
    pub reason: u32,
    /// Sequence number.
    pub seq: u32,
    /// Bytes of data according to the IP header; 0 with BIG TCP.
    pub length: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Flags of the TCP header, AE as bit 8.
    pub flags: u16,
    #[doc(hidden)]
    pub pad: [u16; 3],
    /// Name of the kernel function that dropped it: 48 bytes, the last of them zero; empty if unknown.
    pub location: [u64; 6],
}

const _: () = assert!(size_of::<RecordHeader>() == 24);
const _: () = assert!(size_of::<SegmentRecord>() == 136);
const _: () = assert!(size_of::<IcmpRecord>() == 96);
const _: () = assert!(size_of::<HintRecord>() == 72);
const _: () = assert!(size_of::<DropRecord>() == 136);
