//! BPF programs written as instructions, for measurements where even the smallest compiled one would do too much.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::netns::Netns;

/// A `struct bpf_insn` (include/uapi/linux/bpf.h): code, registers (the source in the upper half on little-endian machines),
/// offset and value.
pub(crate) type Instruction = [u8; 8];

/// The result of a classifier that only observes: the next program, or the stack, decides.
pub(crate) const TC_ACT_UNSPEC: i32 = -1;

/// The tracepoint of state changes.
pub(crate) const TRACEPOINT: &CStr = c"inet_sock_set_state";
const LICENSE: &CStr = c"GPL";

// Of `enum bpf_cmd`, `enum bpf_map_type`, `enum bpf_prog_type` and `enum bpf_attach_type`.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_MAP_TYPE_RINGBUF: u32 = 27;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_TCX_EGRESS: u32 = 47;

/// The beginning of the attributes of `BPF_MAP_CREATE`.
#[repr(C)]
struct MapAttributes {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The beginning of the attributes of `BPF_PROG_LOAD`.
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

/// The beginning of the attributes of `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkAttributes {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// Returns an instruction. Registers count from 0, the destination first.
pub(crate) const fn instruction(code: u8, [to, from]: [u8; 2], offset: i16, value: i32) -> Instruction {
    let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
    let ([o, p], [a, b, c, d]) = (offset.to_ne_bytes(), value.to_ne_bytes());
    [code, registers, o, p, a, b, c, d]
}

/// Attaches a program to the tracepoint of state changes. Returns the link and the program; both are removed on drop.
pub(crate) fn on_tracepoint(name: &str, instructions: &[Instruction]) -> io::Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_RAW_TRACEPOINT, name, instructions)?;
    let number = program.as_raw_fd() as u32;
    let attributes = TracepointAttributes { name: TRACEPOINT.as_ptr() as u64, program: number, pad: 0 };
    Ok([bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)?, program])
}

/// Attaches a program to the egress of a namespace's loopback. Returns the link and the program; before 6.6 the kernel has
/// no TCX.
pub(crate) fn on_loopback(netns: &Netns, name: &str, instructions: &[Instruction]) -> io::Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_SCHED_CLS, name, instructions)?;
    let number = program.as_raw_fd() as u32;
    // Loopback has this index in every namespace (net/core/dev.c, LOOPBACK_IFINDEX).
    let attributes = LinkAttributes { program: number, interface: 1, attach_type: BPF_TCX_EGRESS, flags: 0 };
    Ok([netns.run(|| bpf(BPF_LINK_CREATE, &attributes))?, program])
}

/// Creates a ring buffer of this many bytes, a power of two.
pub(crate) fn ring(bytes: u32) -> io::Result<OwnedFd> {
    bpf(BPF_MAP_CREATE, &MapAttributes { kind: BPF_MAP_TYPE_RINGBUF, key_size: 0, value_size: 0, max_entries: bytes })
}

/// Loads a program under this name of at most fifteen letters.
fn load(kind: u32, name: &str, instructions: &[Instruction]) -> io::Result<OwnedFd> {
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

/// Calls bpf(2), for commands that return a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are those of the command, and their pointers are valid for the duration of the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match libc::c_int::try_from(result) {
        // SAFETY: a new descriptor, which nobody else has.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
