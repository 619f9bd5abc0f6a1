//! The library of the kernel programs: what they share with user space (the records, settings and reasons of [`abi`]),
//! and the part of their logic that needs no kernel, which is compiled and tested on the host too: it finds
//! [`headers`], applies the [`filter`], and knows which flows are watched ([`watched_flows`]), which state changes the
//! first of two programs has seen ([`seen_changes`]), and what became of one that waited ([`pending`]).
//!
//! Conventions of records: integers, including ports, are in the machine's byte order; addresses are 16 bytes in
//! network order, IPv4 as `::ffff:a.b.c.d`; the TCP header is copied as it was on the wire. No field is a Rust enum or
//! `bool`, the size of every record is a multiple of 8, and `zerocopy` proves that there is no padding: no byte of
//! kernel memory leaks by accident, and any bytes are a valid record.
//!
//! All functions that programs call are `#[inline(always)]`: not every kernel's verifier accepts function calls.
#![no_std]
#![cfg_attr(
    target_arch = "bpf",
    expect(unstable_features, reason = "the target's inline assembly is experimental"),
    feature(asm_experimental_arch)
)]

#[cfg(test)]
extern crate std;

pub mod abi;
mod branchless;
pub mod filter;
pub mod headers;
pub mod pending;
pub mod seen_changes;
pub mod watched_flows;

pub use abi::*;

/// Names of the programs and maps in the object file, for the loader.
pub mod names {
    /// Program of state changes at the raw tracepoint, with typed arguments.
    pub const SET_STATE_BTF: &str = "set_state_btf";
    /// The second program at the same tracepoint, for changes for which the kernel skips the first.
    pub const SET_STATE_BTF_2: &str = "set_state_btf_2";
    /// Program of state changes at the raw tracepoint, for kernels that refuse the typed one.
    pub const SET_STATE: &str = "set_state";
    /// The second program at the same tracepoint.
    pub const SET_STATE_2: &str = "set_state_2";
    /// Program of state changes at the tracepoint, for kernels without BTF: it reads the event's own fields.
    pub const SET_STATE_TP: &str = "set_state_tp";
    /// Raw tracepoint program: resets that this host sends.
    pub const SEND_RESET: &str = "send_reset";
    /// Raw tracepoint program: SYN,ACKs that this host sends again.
    pub const RETRANSMIT_SYNACK: &str = "retransmit_synack";
    /// Raw tracepoint program: segments that the kernel drops.
    pub const DROP_SEGMENT: &str = "drop_segment";
    /// Program of the iterator `task_file`: the sockets that processes hold.
    pub const HELD_SOCKETS: &str = "held_sockets";
    /// TC classifier at ingress.
    pub const TC_INGRESS: &str = "tc_ingress";
    /// TC classifier at egress.
    pub const TC_EGRESS: &str = "tc_egress";
    /// The ring buffer.
    pub const EVENTS: &str = "EVENTS";
    /// One `u32`: 0 if the reader of the ring wants to be woken for a record, 1 while it polls.
    pub const AWAKE: &str = "AWAKE";
    /// Records lost because the ring was full, one `u64` per source ([`crate::LOST_STATE`], [`crate::LOST_SEGMENT`]).
    pub const LOST: &str = "LOST";
    /// Frames and socket events that were skipped, one `u64` per processor and reason ([`crate::Skip`]).
    pub const SKIPPED: &str = "SKIPPED";
    /// Port bitmaps: three times [`crate::PORT_WORDS`] words of 64 ports.
    pub const PORTS: &str = "PORTS";
    /// Longest-prefix-match trie of addresses.
    pub const HOSTS: &str = "HOSTS";
    /// Interface indices that `--interface` named.
    pub const INTERFACES: &str = "INTERFACES";
    /// Inode numbers of the network namespaces that `--netns` named.
    pub const NETNS: &str = "NETNS";
    /// State records for which it is not yet known whether they match, by socket.
    pub const PENDING: &str = "PENDING";
    /// The connections whose next plain segments are wanted, in [`crate::WATCHED_BUCKETS`] buckets.
    pub const WATCHED: &str = "WATCHED";
    /// The global [`crate::Config`].
    pub const CONFIG: &str = "CONFIG";
}
