//! The kernel programs. They write what they observe to one ring buffer, and leave verdicts to user space.
//!
//! - `state_programs` (`set_state_btf`, `set_state`, `set_state_tp`): every state change of a TCP socket, which `set_state` records.
//!   `sock_common`, `socket` and `socket_counters` read the socket, `task` the running task, all of them by `kernel_memory`;
//!   `state_filter` applies the filters, and `pending_states` holds changes that still lack a port or a peer.
//! - `hints` (`send_reset`, `retransmit_synack`): resets, with reasons, and SYN,ACKs that the kernel sends again.
//! - `drops` (`drop_segment`): segments that the kernel drops, and why; `dropped_buffer` reads them.
//! - `tc` (`tc_ingress`, `tc_egress`): segments, and in `icmp` ICMP errors, that pass an interface.
//! - `held_sockets`: the sockets that processes hold, listed when user space asks.
//! - `maps` has all maps and settings except the table of watched flows; `skb` reads a buffer; `emit` writes records, and
//!   counts those without room and frames that were skipped.
//!
//! The parts that need no kernel are in this package's library: it finds headers, applies the filter, and knows which
//! plain segments belong to a handshake or a close.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unstable_features, reason = "the target's inline assembly is experimental"),
    feature(asm_experimental_arch)
)]

#[cfg(target_arch = "bpf")]
mod dropped_buffer;
#[cfg(target_arch = "bpf")]
mod drops;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod held_sockets;
#[cfg(target_arch = "bpf")]
mod hints;
#[cfg(target_arch = "bpf")]
mod icmp;
#[cfg(target_arch = "bpf")]
mod kernel_memory;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod pending_states;
#[cfg(target_arch = "bpf")]
mod set_state;
#[cfg(target_arch = "bpf")]
mod skb;
#[cfg(target_arch = "bpf")]
mod sock_common;
#[cfg(target_arch = "bpf")]
mod socket;
#[cfg(target_arch = "bpf")]
mod socket_counters;
#[cfg(target_arch = "bpf")]
mod state_filter;
#[cfg(target_arch = "bpf")]
mod state_programs;
#[cfg(target_arch = "bpf")]
mod task;
#[cfg(target_arch = "bpf")]
mod tc;
#[cfg(target_arch = "bpf")]
mod tcp_states;

/// The helpers these programs call are for GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// The compiler requires a handler, although nothing here panics.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// A stub, so that the package can be built, linted and tested on the host.
#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("These are kernel programs: they are built for the bpf target by tcptrace's build script.");
}
