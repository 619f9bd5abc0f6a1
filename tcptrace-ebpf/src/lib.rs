//! The layout shared by the kernel programs and user space: the records they write to the ring buffer, and the settings
//! user space gives them before they are loaded.
//!
//! Conventions: integers are in the machine's order, ports too; addresses are 16 bytes in network order, IPv4 as
//! `::ffff:a.b.c.d`; the TCP header is copied as it was on the wire. No field is a Rust enum or `bool`, every record's
//! size is a multiple of 8, and `zerocopy` proves that there is no padding, so that no byte of kernel memory gets out by
//! accident and any record can be read back safely.
#![no_std]

mod config;
mod record;

pub use config::{
    ABSENT, Config, HintLayout, MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES, MATCH_LOCAL_PORTS,
    MATCH_PORTS, MATCH_REMOTE_PORTS, PENDING_SOCKETS, PF_KTHREAD, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE,
    SEGMENTS_ALL, SEGMENTS_CONTROL, SEGMENTS_NONE, SOCKET_HEAD, SocketLayout, TracepointLayout, WATCHED_BUCKETS,
};
pub use record::{
    Address, DIRECTION_IN, DIRECTION_OUT, FAMILY_V4, FAMILY_V6, HINT_QUEUE_FULL, HINT_RETRANSMIT_SYNACK,
    HINT_SEND_RESET, HintRecord, IcmpRecord, KIND_HINT, KIND_ICMP, KIND_SEGMENT, KIND_STATE, LOST_SEGMENT,
    LOST_SOURCES, LOST_STATE, NO_ERROR_KNOWN, NO_REASON, PROOF_LINGER, PROOF_UNACCEPTED, PROOF_UNREAD, RecordHeader,
    SegmentRecord, StateRecord, TCP_HEADER_MAX,
};

/// Names of the programs and maps in the object file, for the loader.
pub mod names {
    /// Raw tracepoint program, and the tracepoint-style fallback that needs no BTF.
    pub const SET_STATE: &str = "set_state";
    /// The fallback for kernels without BTF: a tracepoint program reading the event's own fields.
    pub const SET_STATE_TP: &str = "set_state_tp";
    /// Raw tracepoint program: resets that this host sends.
    pub const SEND_RESET: &str = "send_reset";
    /// Raw tracepoint program: SYN,ACKs that this host sends again.
    pub const RETRANSMIT_SYNACK: &str = "retransmit_synack";
    /// TC classifier at ingress.
    pub const TC_INGRESS: &str = "tc_ingress";
    /// TC classifier at egress.
    pub const TC_EGRESS: &str = "tc_egress";
    /// The ring buffer.
    pub const EVENTS: &str = "EVENTS";
    /// One `u32`: 0 where the reader of the ring wants to be woken for a record, 1 where it looks again by itself.
    pub const AWAKE: &str = "AWAKE";
    /// Records that found the ring full, one `u64` per source ([`crate::LOST_STATE`], [`crate::LOST_SEGMENT`]).
    pub const LOST: &str = "LOST";
    /// Port bitmaps: three times [`crate::PORT_WORDS`] words of 64 ports.
    pub const PORTS: &str = "PORTS";
    /// Longest-prefix-match trie of addresses.
    pub const HOSTS: &str = "HOSTS";
    /// Interface indices that `--interface` named.
    pub const INTERFACES: &str = "INTERFACES";
    /// State records whose match cannot be decided yet, by socket.
    pub const PENDING: &str = "PENDING";
    /// The connections whose next plain segments are wanted, in [`crate::WATCHED_BUCKETS`] buckets.
    pub const WATCHED: &str = "WATCHED";
    /// The global [`crate::Config`].
    pub const CONFIG: &str = "CONFIG";
}
