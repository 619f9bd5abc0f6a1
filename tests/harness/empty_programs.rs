//! Programs that do nothing, attached where the tracers' programs are.

use std::{io, os::fd::OwnedFd, sync::OnceLock};

use crate::{
    netns::Netns,
    raw_programs::{Instruction, TC_ACT_UNSPEC, TRACEPOINT, instruction, on_loopback, on_tracepoint},
};

/// `r0 = value; exit`.
const fn returning(value: i32) -> [Instruction; 2] {
    [instruction(0xb7, [0, 0], 0, value), instruction(0x95, [0, 0], 0, 0)]
}

/// Keeps two programs that do nothing on `sock:inet_sock_set_state` for as long as this test binary runs.
///
/// The kernel calls a tracepoint's only program directly, and goes through a list if there are several: between one and two
/// programs it patches its own code. With two programs there already, tracers that come and go change only the list, and so
/// do not affect what the tracers of other tests see.
pub(crate) fn keep_tracepoint_in_use() {
    static HELD: OnceLock<Vec<OwnedFd>> = OnceLock::new();
    HELD.get_or_init(|| {
        let hold = || state().unwrap_or_else(|error| panic!("{TRACEPOINT:?} cannot be held: {error}"));
        (0..2).flat_map(|_| hold()).collect()
    });
}

/// Programs that do nothing in the places of a tracer of loopback: they show the cost of BPF itself. Removed on drop.
pub struct EmptyPrograms {
    _descriptors: Vec<OwnedFd>,
}

impl EmptyPrograms {
    /// The name of the program that runs at every change of a socket's state.
    pub const STATE: &str = "empty_state";
    /// The name of the program that runs for every segment that leaves by `lo`.
    pub const EGRESS: &str = "empty_egress";

    /// Attaches both.
    ///
    /// # Errors
    /// If the kernel refuses; before 6.6 it has no TCX.
    pub fn attach(netns: &Netns) -> io::Result<Self> {
        let mut descriptors = Vec::from(state()?);
        descriptors.extend(on_loopback(netns, Self::EGRESS, &returning(TC_ACT_UNSPEC))?);
        Ok(Self { _descriptors: descriptors })
    }
}

fn state() -> io::Result<[OwnedFd; 2]> {
    on_tracepoint(EmptyPrograms::STATE, &returning(0))
}
