//! Programs that do nothing, at the places where the tracers' programs are.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::OnceLock,
};

use crate::netns::Netns;

/// `r0 = value; exit`: each a `struct bpf_insn` (include/uapi/linux/bpf.h), whose code is the first byte.
const fn giving(value: i32) -> [[u8; 8]; 2] {
    let [a, b, c, d] = value.to_ne_bytes();
    [[0xb7, 0, 0, 0, a, b, c, d], [0x95, 0, 0, 0, 0, 0, 0, 0]]
}

/// The next program, or the stack, decides.
const TC_ACT_UNSPEC: i32 = -1;

const TRACEPOINT: &CStr = c"inet_sock_set_state";
const LICENSE: &CStr = c"GPL";

// Of `enum bpf_cmd`, `enum bpf_prog_type` and `enum bpf_attach_type`.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_TCX_EGRESS: u32 = 47;

/// The beginning of what `BPF_PROG_LOAD` takes.
#[repr(C)]
struct ProgramAttributes {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The attributes of `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct TracepointAttributes {
    name: u64,
    program: u32,
    pad: u32,
}

/// The beginning of what `BPF_LINK_CREATE` takes.
#[repr(C)]
struct LinkAttributes {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// Keeps two programs that do nothing on `sock:inet_sock_set_state` for as long as this test binary runs.
///
/// The kernel calls a tracepoint's only program directly, and goes through a list where there are several: from one to
/// two and back it patches its own code. With two there already, tracers that come and go change the list alone, and so
/// do not touch what the tracers of other tests see.
pub(crate) fn keep_tracepoint_in_use() {
    static HELD: OnceLock<Vec<OwnedFd>> = OnceLock::new();
    HELD.get_or_init(|| {
        let hold = || on_tracepoint().unwrap_or_else(|error| panic!("{TRACEPOINT:?} cannot be held: {error}"));
        (0..2).flat_map(|_| hold()).collect()
    });
}

/// Programs that do nothing where a tracer of loopback has its own: what BPF itself costs. Dropped, they are gone.
pub struct EmptyPrograms {
    _descriptors: Vec<OwnedFd>,
}

impl EmptyPrograms {
    /// The name of the one that runs at every change of a socket's state.
    pub const STATE: &str = "empty_state";
    /// The name of the one that runs for every segment that leaves by `lo`.
    pub const EGRESS: &str = "empty_egress";

    /// Attaches both.
    ///
    /// # Errors
    /// Where the kernel refuses; before 6.6 it has no TCX.
    pub fn attach(netns: &Netns) -> io::Result<Self> {
        let mut descriptors = Vec::from(on_tracepoint()?);
        descriptors.extend(netns.run(on_loopback)?);
        Ok(Self { _descriptors: descriptors })
    }
}

/// A program on the tracepoint; both descriptors.
fn on_tracepoint() -> io::Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_RAW_TRACEPOINT, EmptyPrograms::STATE, giving(0))?;
    let number = program.as_raw_fd() as u32;
    let attributes = TracepointAttributes { name: TRACEPOINT.as_ptr() as u64, program: number, pad: 0 };
    Ok([bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)?, program])
}

/// A program at the egress of this namespace's loopback; both descriptors.
fn on_loopback() -> io::Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_SCHED_CLS, EmptyPrograms::EGRESS, giving(TC_ACT_UNSPEC))?;
    let number = program.as_raw_fd() as u32;
    // Loopback has this index in every namespace (net/core/dev.c, LOOPBACK_IFINDEX).
    let attributes = LinkAttributes { program: number, interface: 1, attach_type: BPF_TCX_EGRESS, flags: 0 };
    Ok([bpf(BPF_LINK_CREATE, &attributes)?, program])
}

/// Loads a program under this name, which is at most fifteen letters long.
fn load(kind: u32, name: &str, instructions: [[u8; 8]; 2]) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    let mut padded = [0; 16];
    padded.iter_mut().zip(name.as_bytes()).for_each(|(to, from)| *to = *from);
    bpf(
        BPF_PROG_LOAD,
        &ProgramAttributes {
            kind,
            instruction_count: instructions.len() as u32,
            instructions: instructions.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            log: [0; 2],
            kernel_version: 0,
            flags: 0,
            name: padded,
        },
    )
}

/// bpf(2), where it gives a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are those of the command, and what they point to lives as long as the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match libc::c_int::try_from(result) {
        // SAFETY: a new descriptor, which nobody else has.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
